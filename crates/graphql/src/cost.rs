//! What a request may come to, reckoned from its text before anything is read.
//!
//! | field | complexity |
//! |---|---|
//! | any | 1 + what is selected in it |
//! | with `first` | 1 + `first` x what is selected in it |
//! | a list without pages, such as `owners` | 1 + 10 x what is selected in it |
//!
//! So pages of pages of pages are refused, while 10,000 identities with a hundred rows of usage each may be asked for; how
//! much it is in truth, [`crate::bounds`] counts while the answer is being made, field by field. Where the text alone proves that
//! it passes no limit, nothing needs to be counted, which takes up to half of the time of a small answer: most questions that
//! dashboards ask are such.

use std::collections::HashMap;
use std::sync::LazyLock;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, Field, FieldDefinition, OperationDefinition, OperationType, Selection,
    SelectionSet, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned, Value, Variables};

use asof_model::{Limits, Privilege};
use asof_query::STEPS_MAX;

use crate::failure::Failure;
use crate::limits::{COMPLEXITY, COUNTED_ENTRIES, PAGE_SIZE, QUERY_DEPTH, RESULT_BYTES, RESULT_VALUES};

/// Entries that a list without pages is reckoned to have.
const LIST: u64 = 10;

/// Lists without pages that cannot have more entries; those of a page were counted where it was asked for.
const AT_MOST: [(&str, &str, u64); 4] = [
    ("Identity", "timeline", STEPS_MAX),
    ("TimelinePoint", "held", Privilege::ALL.len() as u64),
    ("TimelinePoint", "observations", Privilege::ALL.len() as u64),
    ("BlastRadius", "hops", 1),
];
/// A list of which [`crate::asked::Asked::made`] counts the entries.
const COUNTED: (&str, &str) = ("Identity", "unused");
/// Bytes of a number, a moment or a name of the schema's own.
const SHORT_BYTES: u64 = 48;
/// Bytes around a text.
const QUOTES: u64 = 2;
/// Texts that are no longer, whatever they are of.
const TEXTS: [(&str, usize); 5] = [
    ("name", Limits::DEFAULT.text_bytes),
    ("type", Limits::DEFAULT.text_bytes),
    ("endCursor", 2 * Limits::DEFAULT.text_bytes),
    ("cursor", 2 * Limits::DEFAULT.text_bytes),
    ("resource", Limits::DEFAULT.id_bytes),
];

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
    /// How many entries it can have.
    entries: Entries,
    /// Bytes of one of them at most, where it is a value; `None`: there may be any number.
    bytes: Option<u64>,
}

/// How many entries a field can have.
enum Entries {
    AtMost(u64),
    Counted,
    AnyNumber,
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
        let shapes = fields.into_iter().map(|field| shape(field.node, &name, is_page)).collect();
        types.insert(name, shapes);
    }
    types
}

fn shape(field: FieldDefinition, within: &str, of_page: bool) -> (String, Shape) {
    let first = field.arguments.iter().find(|argument| argument.node.name.node == "first");
    let times = match first.map(|first| first.node.default_value.as_ref()) {
        Some(default) => default.and_then(|value| number(&value.node)).unwrap_or(LIST),
        None if of_page => 1,
        None if matches!(field.ty.node.base, BaseType::List(_)) => LIST,
        None => 1,
    };
    let (of, name) = (base(&field.ty.node).to_owned(), field.name.node.to_string());
    let known = AT_MOST.iter().find(|each| (each.0, each.1) == (within, &name));
    let entries = match known {
        Some((.., most)) => Entries::AtMost(*most),
        None if (within, name.as_str()) == COUNTED => Entries::Counted,
        None if of_page || first.is_some() || !matches!(field.ty.node.base, BaseType::List(_)) => {
            Entries::AtMost(1)
        }
        None => Entries::AnyNumber,
    };
    let bytes = match of.as_str() {
        "ID" => Some(Limits::DEFAULT.id_bytes as u64 + QUOTES),
        "String" => TEXTS.iter().find(|each| each.0 == name).map(|each| each.1 as u64 + QUOTES),
        _ => Some(SHORT_BYTES),
    };
    (name, Shape { of, times, pages: first.is_some(), entries, bytes })
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

/// Whether the text alone proves that an answer passes no limit of its size or depth, as long as no more entries than
/// [`COUNTED_ENTRIES`] are made of lists that are counted.
pub(crate) fn is_small(document: &ExecutableDocument, variables: &Variables) -> bool {
    let mut most = Most::default();
    let fit = document.operations.iter().all(|(_, operation)| {
        let (operation, fragments) = (&operation.node, HashMap::new());
        let first = Reckoning { document, operation, variables, fragments };
        most.add(&first, &operation.selection_set.node, "Query", 1, 1)
    });
    fit && most.values <= RESULT_VALUES && most.bytes <= RESULT_BYTES
}

/// What an answer comes to at most.
#[derive(Default)]
struct Most {
    values: u64,
    bytes: u64,
}

impl Most {
    /// Adds a selection that is made so many times; false: there is no telling.
    fn add(&mut self, asked: &Reckoning<'_>, set: &SelectionSet, of: &str, times: u64, depth: usize) -> bool {
        depth <= QUERY_DEPTH
            && set.items.iter().all(|selection| match &selection.node {
                Selection::Field(field) => self.field(asked, &field.node, of, times, depth),
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let of = condition.map_or(of, |condition| condition.node.on.node.as_str());
                    self.add(asked, &inline.node.selection_set.node, of, times, depth)
                }
                Selection::FragmentSpread(spread) => {
                    asked.document.fragments.get(&spread.node.fragment_name.node).is_some_and(|fragment| {
                        let of = fragment.node.type_condition.node.on.node.as_str();
                        // One deeper: a fragment that spreads itself comes to an end.
                        self.add(asked, &fragment.node.selection_set.node, of, times, depth + 1)
                    })
                }
            })
    }

    fn field(&mut self, asked: &Reckoning<'_>, field: &Field, of: &str, times: u64, depth: usize) -> bool {
        let key = field.response_key().node.len() as u64 + 4;
        let (shape, set) = (
            FIELDS.get(of).and_then(|fields| fields.get(field.name.node.as_str())),
            &field.selection_set.node,
        );
        let (entries, bytes) = match shape {
            None if field.name.node == "__typename" => (times, Some(SHORT_BYTES)),
            None => return false,
            Some(shape) => match shape.entries {
                Entries::AtMost(most) => {
                    let first = if shape.pages { asked.first(field).unwrap_or(shape.times) } else { 1 };
                    (times.saturating_mul(most).saturating_mul(first.max(1)), shape.bytes)
                }
                Entries::Counted => (COUNTED_ENTRIES, shape.bytes),
                Entries::AnyNumber => return false,
            },
        };
        let Some(bytes) = bytes else { return false };
        self.values = self.values.saturating_add(times);
        self.bytes = self
            .bytes
            .saturating_add(times.saturating_mul(key))
            .saturating_add(entries.saturating_mul(bytes));
        set.items.is_empty() || self.add(asked, set, shape.map_or("", |shape| &shape.of), entries, depth + 1)
    }
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
    fn what_is_surely_small() {
        let small = |text: &str| is_small(&parse_query(text).unwrap(), &Variables::default());
        for text in [
            "{ identities { totalCount nodes { id name type lastUsed } pageInfo { endCursor } } }",
            "{ identities(first: 10000) { nodes { ...F } } } fragment F on Identity { __typename id }",
            "{ identity(id: \"x\") { timeline(during: {}, every: \"P1D\") { start held observations { successes } } } }",
            "{ identities { nodes { id unused(during: {}) { privilege entitlement { id } } } } }",
            "{ blastRadius(from: \"x\") { identities hops { kind id distance } } }",
        ] {
            assert!(small(text), "{text}");
        }
        let long = format!("{{ identities(first: 10000) {{ nodes {{ {}: id }} }} }}", "a".repeat(8_000));
        for text in [
            long.as_str(),
            "{ identities(first: 10000) { nodes { a: id b: id c: id d: id } } }",
            "{ identities { nodes { attributes { key value } } } }",
            "{ identities { nodes { owners { id } } } }",
            "{ explain(where: {}) }",
            "{ __schema { types { name } } }",
            "{ a: identities(first: 10000) { nodes { id name } } b: identities(first: 10000) { nodes { id name } } }",
            "{ ...F } fragment F on Query { ...F ledger { size } }",
            "{ unknown }",
        ] {
            assert!(!small(text), "{text}");
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
