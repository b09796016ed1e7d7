//! Facts as an event log tells them, and as a listing does.

use asof_model::{
    Attributes, EdgeKind, EdgeRef, Fact, Instant, NodeKind, NodeRef, NodeValue, Op, Subject, Value,
};

/// Where a fact comes from: when it begins to hold, and which event made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) at: Instant,
    pub(crate) event_id: String,
    pub(crate) caused_by: String,
}

impl Cause {
    /// The event of a log.
    pub(crate) fn event(at: Instant, event_id: &str) -> Self {
        Self { at, event_id: event_id.to_owned(), caused_by: event_id.to_owned() }
    }

    fn fact(&self, subject: Subject, op: Op) -> Fact {
        Fact {
            subject,
            op,
            valid_from: self.at,
            valid_to: Instant::FOREVER,
            until_next: true,
            event_id: self.event_id.clone(),
            caused_by: self.caused_by.clone(),
        }
    }

    pub(crate) fn node(&self, kind: NodeKind, id: &str, value: NodeValue) -> Fact {
        self.fact(node(kind, id), Op::Put(Value::Node(value)))
    }

    pub(crate) fn node_op(&self, kind: NodeKind, id: &str, op: Op) -> Fact {
        self.fact(node(kind, id), op)
    }

    pub(crate) fn edge(&self, kind: EdgeKind, from: &str, to: &str) -> Fact {
        self.edge_op(kind, from, to, Op::Put(Value::Edge(Attributes::new())))
    }

    pub(crate) fn edge_op(&self, kind: EdgeKind, from: &str, to: &str, op: Op) -> Fact {
        self.fact(edge(kind, from, to), op)
    }

    pub(crate) fn coverage(&self, scope: &str, value: asof_model::CoverageValue) -> Fact {
        self.fact(Subject::Coverage(scope.to_owned()), Op::Put(Value::Coverage(value)))
    }
}

fn node(kind: NodeKind, id: &str) -> Subject {
    Subject::Node(NodeRef { kind, id: id.to_owned() })
}

fn edge(kind: EdgeKind, from: &str, to: &str) -> Subject {
    // OWNS alone has no fixed second kind, and no importer states it.
    let to_kind = kind.ends().1.unwrap_or(NodeKind::Resource);
    Subject::Edge(EdgeRef { kind, from: from.to_owned(), to_kind, to: to.to_owned() })
}

/// The value of an identity: what every source of ours says of it in the same words, so that none hides
/// another.
pub(crate) fn identity(name: &str, node_type: &str, account: &str) -> NodeValue {
    let mut value =
        NodeValue { name: name.to_owned(), node_type: node_type.to_owned(), ..NodeValue::default() };
    if !account.is_empty() {
        value.attributes.insert("account".to_owned(), account.to_owned());
    }
    value
}
