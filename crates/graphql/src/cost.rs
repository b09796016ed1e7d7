//! What a request may come to, reckoned from its text before anything is read.
//!
//! | field | complexity |
//! |---|---|
//! | any | 1 + what is selected in it |
//! | with `first` | 1 + `first` x what is selected in it |
//! | a list without pages, such as `owners` | 1 + 10 x what is selected in it |
//!
//! So pages of pages of pages are refused, while 10,000 identities with a hundred rows of usage each may be asked for; how
//! much it is in truth, [`crate::bounds`] counts while the answer is being made.

use std::collections::HashMap;
use std::sync::LazyLock;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, Field, FieldDefinition, OperationDefinition, OperationType, Selection,
    SelectionSet, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned, Value, Variables};

use crate::failure::Failure;
use crate::limits::{COMPLEXITY, PAGE_SIZE};

/// Entries that a list without pages is reckoned to have.
const LIST: u64 = 10;

/// The fields of the schema's types, by type and name.
static FIELDS: LazyLock<HashMap<String, HashMap<String, Shape>>> = LazyLock::new(fields);

/// What matters of a field.
struct Shape {
    /// What is selected from.
    of: String,
    /// How often, where `first` is not given.
    times: u64,
    /// Whether it has `first`.
    pages: bool,
}

/// Read off the schema's own text, so that no new field is forgotten.
fn fields() -> HashMap<String, HashMap<String, Shape>> {
    let mut types = HashMap::new();
    for definition in parse_schema(crate::sdl()).map(|schema| schema.definitions).unwrap_or_default() {
        let TypeSystemDefinition::Type(defined) = definition else { continue };
        let fields = match defined.node.kind {
            TypeKind::Object(object) => object.fields,
            TypeKind::Interface(interface) => interface.fields,
            _ => continue,
        };
        let name = defined.node.name.node.to_string();
        // The entries of a page were counted where the page was asked for.
        let is_page = name.ends_with("Connection");
        let shapes = fields.into_iter().map(|field| shape(field.node, is_page)).collect();
        types.insert(name, shapes);
    }
    types
}

fn shape(field: FieldDefinition, of_page: bool) -> (String, Shape) {
    let first = field.arguments.iter().find(|argument| argument.node.name.node == "first");
    let times = match first.map(|first| first.node.default_value.as_ref()) {
        Some(default) => default.and_then(|value| number(&value.node)).unwrap_or(LIST),
        None if of_page => 1,
        None if matches!(field.ty.node.base, BaseType::List(_)) => LIST,
        None => 1,
    };
    let of = base(&field.ty.node).to_owned();
    (field.name.node.to_string(), Shape { of, times, pages: first.is_some() })
}

fn base(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(each) => base(each),
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => Some(number.as_u64().unwrap_or(0)),
        _ => None,
    }
}

/// Refuses operations of too great a complexity. What is not valid passes: validation says so.
pub(crate) fn check(document: &ExecutableDocument, variables: &Variables) -> Result<(), Failure> {
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let root = match operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        let mut sum = Reckoning { document, operation, variables, fragments: HashMap::new() };
        let complexity = sum.set(&operation.selection_set.node, root);
        if complexity > COMPLEXITY {
            // As much as every reader of JSON takes for a number.
            let asked = complexity.min(1 << 53);
            return Err(Failure::limit("a question of complexity", asked, COMPLEXITY, "complexity")
                .advise("ask for smaller pages (`first`) where lists are nested"));
        }
    }
    Ok(())
}

struct Reckoning<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    /// What a fragment comes to; nothing while it is reckoned, as validation refuses one that spreads itself.
    fragments: HashMap<&'a Name, u64>,
}

impl<'a> Reckoning<'a> {
    fn set(&mut self, set: &'a SelectionSet, of: &str) -> u64 {
        set.items.iter().fold(0, |sum, selection| {
            sum.saturating_add(match &selection.node {
                Selection::Field(field) => self.field(&field.node, of),
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let of = condition.map_or(of, |condition| condition.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, of)
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name),
            })
        })
    }

    fn field(&mut self, field: &'a Field, of: &str) -> u64 {
        let shape = FIELDS.get(of).and_then(|fields| fields.get(field.name.node.as_str()));
        let (of, times) = match shape {
            None => ("", 1),
            Some(shape) if shape.pages => (shape.of.as_str(), self.first(field).unwrap_or(shape.times)),
            Some(shape) => (shape.of.as_str(), shape.times),
        };
        // A page without entries has a count and an end all the same.
        times.max(1).saturating_mul(self.set(&field.selection_set.node, of)).saturating_add(1)
    }

    fn fragment(&mut self, name: &'a Positioned<Name>) -> u64 {
        if let Some(counted) = self.fragments.get(&name.node) {
            return *counted;
        }
        let Some(fragment) = self.document.fragments.get(&name.node) else { return 0 };
        self.fragments.insert(&name.node, 0);
        let of = fragment.node.type_condition.node.on.node.as_str();
        let sum = self.set(&fragment.node.selection_set.node, of);
        self.fragments.insert(&name.node, sum);
        sum
    }

    /// The size of a page, where it is said.
    fn first(&self, field: &Field) -> Option<u64> {
        let given = field.get_argument("first")?;
        let value = given.node.clone().into_const_with(|name| {
            let defined = self.operation.variable_definitions.iter().find(|each| each.node.name.node == name);
            let default = defined.and_then(|each| each.node.default_value.as_ref());
            let value = self.variables.get(&name).or(default.map(|value| &value.node));
            Ok::<_, ()>(value.cloned().unwrap_or_default())
        });
        // What passes the limit of a page is refused as that, with its field.
        Some(number(&value.ok()?)?.min(PAGE_SIZE))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn complexity(text: &str, variables: &str) -> u64 {
        let document = parse_query(text).unwrap();
        let variables = Variables::from_json(serde_json::from_str(variables).unwrap());
        let (_, operation) = document.operations.iter().next().unwrap();
        let operation = &operation.node;
        let mut sum =
            Reckoning { document: &document, operation, variables: &variables, fragments: HashMap::new() };
        sum.set(&operation.selection_set.node, "Query")
    }

    #[test]
    fn what_a_question_may_come_to() {
        for (text, variables, expected) in [
            ("{ ledger { size root } }", "{}", 3),
            ("{ identities { totalCount } }", "{}", 101),
            ("{ identities(first: 7) { nodes { id } } }", "{}", 15),
            ("{ identities(first: 0) { totalCount } }", "{}", 2),
            ("{ identities(first: 2) { nodes { owners { id name } } } }", "{}", 45),
            ("{ identities(first: 2) { nodes { usage(during: {}) { first last } } } }", "{}", 405),
            ("query($n: Int) { identities(first: $n) { totalCount } }", r#"{"n": 9}"#, 10),
            ("query($n: Int = 8) { identities(first: $n) { totalCount } }", "{}", 9),
            ("query($n: Int) { identities(first: $n) { totalCount } }", "{}", 101),
            (
                "{ nodes(kind: IDENTITY, first: 3) { nodes { ... on Identity { secrets { id } } } } }",
                "{}",
                37,
            ),
            (
                "{ a: identities { ...F } b: identities { ...F } } fragment F on IdentityConnection { totalCount }",
                "{}",
                202,
            ),
            ("{ ...F } fragment F on Query { ...F ledger { size } }", "{}", 2),
            ("{ unknown(first: 5) { x } }", "{}", 2),
        ] {
            assert_eq!(complexity(text, variables), expected, "{text}");
        }
    }

    #[test]
    fn pages_of_pages_of_pages_are_refused() {
        let refused = |text: &str| check(&parse_query(text).unwrap(), &Variables::default()).is_err();
        let deep =
            "identities(first: 10000) { nodes { entitlements(first: 10000) { nodes { holder { id } } } } }";
        assert!(refused(&format!("{{ {deep} }}")));
        let dashboard = "{ identities(first: 10000) { totalCount nodes { id name type owners { id } lastUsed
            usage(during: {last: \"P7D\"}) { privilege resource { id } successes denials errors first last } } } }";
        assert!(!refused(dashboard));
    }
}
