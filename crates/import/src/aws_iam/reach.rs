//! Who of an account may assume a role that trusts the account as such: those whom their own policies allow
//! it.

use asof_model::{Effect, EntitlementValue, NodeValue, Privilege, glob_matches};

/// The action that is asked about.
const ASSUME_ROLE: &str = "sts:assumerole";

/// What principals hold about assuming roles.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Account, id and what it holds.
    held: Vec<(String, String, EntitlementValue)>,
}

/// One who may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assumable {
    pub(super) holder: String,
    pub(super) conditional: bool,
}

impl Reach {
    /// Takes note of what bears on assuming roles.
    pub(super) fn holds(&mut self, account: &str, holder: &str, value: &NodeValue) {
        let Some(said) = &value.entitlement else { return };
        let speaks = |action: &String| glob_matches(&action.to_ascii_lowercase(), ASSUME_ROLE);
        if said.privileges.contains(Privilege::Assume)
            && (said.actions.is_empty() || said.actions.iter().any(speaks))
        {
            self.held.push((account.to_owned(), holder.to_owned(), said.clone()));
        }
    }

    /// Who of the account is allowed to assume the role, in order of ids. A denial counts that its holder has
    /// itself, without a condition.
    pub(super) fn who_may(&self, account: &str, role_arn: &str, role: &str) -> Vec<Assumable> {
        let on_role = |said: &EntitlementValue| said.scopes.iter().any(|scope| glob_matches(scope, role_arn));
        let of_account = || self.held.iter().filter(|(of, holder, _)| of == account && holder != role);
        let bears =
            || of_account().filter(|(_, _, said)| on_role(said)).map(|(_, holder, said)| (holder, said));
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
