//! How much a request's fragments spread out to, counted before anything walks them: a few fragments that spread each other
//! twice make of one line more fields than could ever be looked at.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use crate::failure::Failure;
use crate::limits::{NESTING, QUERY_FIELDS};

/// Refuses a request whose fragments spread out past the limits.
pub(crate) fn check(document: &ExecutableDocument) -> Result<(), Failure> {
    let mut counter = Counter { document, counted: HashMap::new() };
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    // Unused fragments are walked by validation too.
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    for set in operations.chain(fragments) {
        let fields = counter.set(set, 0)?;
        if fields > QUERY_FIELDS as u64 {
            return Err(Failure::limit("fields", fields, QUERY_FIELDS as u64, "query_fields"));
        }
    }
    Ok(())
}

/// Counts each fragment once.
struct Counter<'a> {
    document: &'a ExecutableDocument,
    /// Selections that a fragment comes to; `None` while it is counted.
    counted: HashMap<&'a Name, Option<u64>>,
}

impl<'a> Counter<'a> {
    fn set(&mut self, set: &'a SelectionSet, depth: usize) -> Result<u64, Failure> {
        if depth > NESTING {
            return Err(Failure::limit(
                "fragments and fields nested",
                depth as u64,
                NESTING as u64,
                "nesting",
            ));
        }
        let mut sum = 0_u64;
        for selection in &set.items {
            let below = match &selection.node {
                Selection::Field(field) => self.set(&field.node.selection_set.node, depth + 1)?,
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, depth + 1)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name, depth + 1)?,
            };
            sum = sum.saturating_add(1).saturating_add(below);
        }
        Ok(sum)
    }

    /// A fragment that spreads itself counts nothing within itself: validation refuses it.
    fn fragment(&mut self, name: &'a Positioned<Name>, depth: usize) -> Result<u64, Failure> {
        let Some(fragment) = self.document.fragments.get(&name.node) else { return Ok(0) };
        if let Some(counted) = self.counted.get(&name.node) {
            return Ok(counted.unwrap_or(0));
        }
        self.counted.insert(&name.node, None);
        let count = self.set(&fragment.node.selection_set.node, depth)?;
        self.counted.insert(&name.node, Some(count));
        Ok(count)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn bomb(fragments: usize) -> String {
        let each = |n: usize| format!("fragment a{n} on Query {{ ...a{} ...a{} }}", n + 1, n + 1);
        let all: Vec<String> = (0..fragments).map(each).collect();
        format!("{{ ...a0 }} {} fragment a{fragments} on Query {{ ledger {{ size }} }}", all.join(" "))
    }

    #[test]
    fn what_spreads_out_without_bound_is_refused() {
        let refused = |fragments| check(&parse_query(bomb(fragments)).unwrap()).is_err();
        assert!(!refused(3));
        assert!(refused(12));
        assert!(refused(30));
        assert!(refused(5_000));
    }

    #[test]
    fn the_rest_is_left_to_validation() {
        for text in ["{ ...a } fragment a on Query { ...a }", "{ ...unknown }", "{ ledger { size } }"] {
            assert!(check(&parse_query(text).unwrap()).is_ok(), "{text}");
        }
    }
}
