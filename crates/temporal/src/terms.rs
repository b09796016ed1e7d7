//! What an entitlement says, where all statements on it say the same.

use asof_model::{Effect, EntitlementValue, Instant, PrivilegeSet, Statement, StatementOp};

use crate::NONE;

/// What an entitlement is about whenever its state is a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// From when on its state is a value for ever.
    pub since: Instant,
    /// The last record that says so; beyond every ledger size where it is not so simple.
    pub index: u64,
    /// The ordinal of the one resource that its scopes name; [`NONE`] where they are others, or more.
    pub resource: u32,
    /// Which privileges.
    pub privileges: PrivilegeSet,
    /// It denies them.
    pub denies: bool,
    /// On conditions.
    pub conditional: bool,
    /// By some actions alone.
    pub by_actions: bool,
}

impl Terms {
    /// Those of an entitlement of which nothing so simple can be said.
    pub const NONE: Self = Self {
        since: Instant::FOREVER,
        index: u64::MAX,
        resource: NONE,
        privileges: PrivilegeSet::EMPTY,
        denies: false,
        conditional: false,
        by_actions: false,
    };

    /// Of all statements on an entitlement, as PUTs that all give the same. `since`: from when on they make a value for ever,
    /// and the last of the records that do; `resource` looks an id up.
    ///
    /// # Errors
    /// Those of `resource`.
    pub fn of<E>(
        statements: &[Statement],
        (since, index): (Instant, u64),
        resource: impl FnOnce(&str) -> Result<Option<u32>, E>,
    ) -> Result<Self, E> {
        let Some(said) = statements.first().and_then(given) else { return Ok(Self::NONE) };
        if statements.iter().any(|other| given(other) != Some(said)) {
            return Ok(Self::NONE);
        }
        let resource = match said.scopes.as_slice() {
            [id] if !asof_model::is_glob(id) => resource(id)?,
            _ => None,
        };
        Ok(Self {
            since,
            index,
            resource: resource.unwrap_or(NONE),
            privileges: said.privileges,
            denies: said.effect == Effect::Deny,
            conditional: said.conditional,
            by_actions: !said.actions.is_empty(),
        })
    }

    /// Whether they hold at a moment, as the first `size` records know it.
    pub fn hold(&self, t: Instant, size: u64) -> bool {
        self.since <= t && self.index < size
    }
}

fn given(statement: &Statement) -> Option<&EntitlementValue> {
    match &statement.op {
        StatementOp::Put(value) => value.entitlement(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use asof_model::{NodeValue, Privilege, Value};

    use super::*;

    fn put(index: u64, scopes: &[&str], privilege: Privilege) -> Statement {
        let entitlement = EntitlementValue {
            effect: Effect::Deny,
            privileges: std::iter::once(privilege).collect(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            actions: vec!["s3:*".to_owned()],
            conditional: false,
        };
        let value = NodeValue { entitlement: Some(entitlement), ..NodeValue::default() };
        let op = StatementOp::Put(Arc::new(Value::Node(value)));
        let (from, to) = (Instant::from_nanos(5), Instant::FOREVER);
        Statement { index, source: 1, from, to, until_next: false, op }
    }

    #[test]
    fn what_all_say_is_said() {
        let since = (Instant::from_nanos(5), 7);
        let of = |statements: &[Statement]| {
            let known = |id: &str| Ok::<_, ()>((id == "r").then_some(3));
            Terms::of(statements, since, known)
        };
        let read = |index, scopes: &[&str]| put(index, scopes, Privilege::Read);
        let terms = of(&[read(1, &["r"]), read(2, &["r"])]);
        assert!(matches!(
            terms,
            Ok(Terms { index: 7, resource: 3, denies: true, conditional: false, by_actions: true, .. })
        ));
        assert!(terms.is_ok_and(|terms| terms.hold(since.0, 8) && !terms.hold(since.0, 7)));
        assert!(terms.is_ok_and(|terms| !terms.hold(Instant::from_nanos(4), 8) && !terms.hold(since.0, 0)));
        for others in [["r*"].as_slice(), &["q"], &["r", "q"], &[]] {
            assert!(of(&[read(1, others)]).is_ok_and(|terms| terms.resource == NONE && terms.index == 7));
        }
        let ended = Statement { op: StatementOp::End, ..read(2, &["r"]) };
        let silent = Value::Node(NodeValue::default());
        let silent = Statement { op: StatementOp::Put(Arc::new(silent)), ..read(2, &["r"]) };
        for other in [put(2, &["r"], Privilege::Write), read(2, &["q"]), ended, silent] {
            assert_eq!(of(&[read(1, &["r"]), other]), Ok(Terms::NONE));
        }
        assert_eq!(of(&[]), Ok(Terms::NONE));
    }
}
