//! What a question is asked on, and what an entitlement says of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::{
    Effect, EntitlementValue, GLOB_STEPS_MAX, glob_includes, glob_matches, globs_meet, is_glob,
};

use crate::QueryError;

/// What a question is asked on.
#[derive(Debug)]
pub(crate) enum On {
    /// Anything: `*`.
    Any,
    /// One resource id, a literal even where it looks like a glob.
    One(Arc<str>),
    /// A glob. What scopes meet it and include it is kept: the same scopes come again and again.
    Glob { glob: String, met: RefCell<BTreeMap<String, bool>>, included: RefCell<BTreeMap<String, bool>> },
}

impl On {
    /// A resource id or itself a glob; absent it is `*`.
    pub(crate) fn text(on: Option<&str>) -> Self {
        match on {
            None => Self::Any,
            Some(glob) if !glob.is_empty() && glob.bytes().all(|sign| sign == b'*') => Self::Any,
            Some(glob) if is_glob(glob) => {
                Self::Glob { glob: glob.to_owned(), met: RefCell::default(), included: RefCell::default() }
            }
            Some(id) => Self::One(Arc::from(id)),
        }
    }

    /// One resource, or anything where there is none.
    pub(crate) fn resource(id: Option<Arc<str>>) -> Self {
        id.map_or(Self::Any, Self::One)
    }

    /// Some string matches both: an ALLOW counts.
    pub(crate) fn meets(&self, scope: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(id) => glob_matches(scope, id),
            Self::Glob { glob, met, .. } => kept(met, scope, || globs_meet(scope, glob)),
        }
    }

    /// Every string that matches what is asked for matches the scope: a DENY counts, a coverage matches.
    pub(crate) fn included_in(&self, scope: &str) -> Result<bool, QueryError> {
        match self {
            Self::Any => Ok(!scope.is_empty() && scope.bytes().all(|sign| sign == b'*')),
            Self::One(id) => Ok(glob_matches(scope, id)),
            Self::Glob { glob, included, .. } => {
                if let Some(known) = included.borrow().get(scope) {
                    return Ok(*known);
                }
                let found = glob_includes(scope, glob).ok_or(QueryError::Limit {
                    what: "comparing the glob that is asked on with a scope:",
                    asked: GLOB_STEPS_MAX as u64 + 1,
                    limit: GLOB_STEPS_MAX as u64,
                    name: "glob_steps",
                })?;
                included.borrow_mut().insert(scope.to_owned(), found);
                Ok(found)
            }
        }
    }

    /// Whether a scope of the entitlement counts, as its effect has it.
    pub(crate) fn counts(&self, said: &EntitlementValue) -> Result<bool, QueryError> {
        match said.effect {
            Effect::Allow => Ok(said.scopes.iter().any(|scope| self.meets(scope))),
            Effect::Deny => self.included_in_any(&said.scopes),
        }
    }

    /// Every string that matches what is asked for matches one of the scopes, always the same.
    pub(crate) fn included_in_any(&self, scopes: &[String]) -> Result<bool, QueryError> {
        for scope in scopes {
            if self.included_in(scope)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How explain prints it.
    pub(crate) fn shown(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::One(id) => id,
            Self::Glob { glob, .. } => glob,
        }
    }
}

fn kept(memo: &RefCell<BTreeMap<String, bool>>, scope: &str, find: impl FnOnce() -> bool) -> bool {
    if let Some(known) = memo.borrow().get(scope) {
        return *known;
    }
    let found = find();
    memo.borrow_mut().insert(scope.to_owned(), found);
    found
}

/// An entitlement that lists actions speaks of these alone. Where no action is known, an ALLOW counts and a DENY does not.
pub(crate) fn speaks_of(said: &EntitlementValue, action: Option<&str>) -> bool {
    said.actions.is_empty()
        || match action.filter(|action| !action.is_empty()) {
            Some(action) => {
                let action = action.to_ascii_lowercase();
                said.actions.iter().any(|glob| glob_matches(&glob.to_ascii_lowercase(), &action))
            }
            None => said.effect == Effect::Allow,
        }
}
