//! Who of an account may assume a role that trusts the account as such: those whom their own policies allow it.

use asof_model::{Effect, EntitlementValue, NodeValue, Privilege, glob_matches};

/// The action that is asked about.
const ASSUME_ROLE: &str = "sts:assumerole";

/// What principals hold about assuming roles.
#[derive(Debug, Default)]
pub(super) struct Reach {
    held: Vec<(String, EntitlementValue)>,
}

/// One who may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assumable {
    pub(super) holder: String,
    pub(super) conditional: bool,
}

impl Reach {
    /// Takes note of what bears on assuming roles.
    pub(super) fn holds(&mut self, holder: &str, value: &NodeValue) {
        let Some(said) = &value.entitlement else { return };
        let speaks = |action: &String| glob_matches(&action.to_ascii_lowercase(), ASSUME_ROLE);
        if said.privileges.contains(Privilege::Assume) && (said.actions.is_empty() || said.actions.iter().any(speaks)) {
            self.held.push((holder.to_owned(), said.clone()));
        }
    }

    /// Who is allowed to assume the role, in order of ids. A denial counts that its holder has itself, without a condition.
    pub(super) fn who_may(&self, role_arn: &str, role: &str) -> Vec<Assumable> {
        let on_role = |said: &EntitlementValue| said.scopes.iter().any(|scope| glob_matches(scope, role_arn));
        let bears = || self.held.iter().filter(|(holder, said)| holder != role && on_role(said));
        let mut found: Vec<Assumable> = Vec::new();
        for (holder, said) in bears().filter(|(_, said)| said.effect == Effect::Allow) {
            if bears().any(|(denied, no)| denied == holder && no.effect == Effect::Deny && !no.conditional) {
                continue;
            }
            match found.iter_mut().find(|known| known.holder == *holder) {
                Some(known) => known.conditional &= said.conditional,
                None => found.push(Assumable { holder: holder.clone(), conditional: said.conditional }),
            }
        }
        found.sort_by(|a, b| a.holder.cmp(&b.holder));
        found
    }
}
