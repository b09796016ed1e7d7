//! Small helpers over sets.

use asof_model::{Privilege, PrivilegeSet};

/// All that can be held.
pub(crate) fn held() -> PrivilegeSet {
    Privilege::HELD.iter().copied().collect()
}

/// Every privilege, held or only seen.
pub(crate) fn all() -> PrivilegeSet {
    Privilege::ALL.iter().copied().collect()
}

/// One alone.
pub(crate) fn only(privilege: Privilege) -> PrivilegeSet {
    std::iter::once(privilege).collect()
}

fn of_bits(bits: u16) -> PrivilegeSet {
    PrivilegeSet::from_bits(bits).unwrap_or_default()
}

/// What is in either.
pub(crate) fn union(one: PrivilegeSet, other: PrivilegeSet) -> PrivilegeSet {
    of_bits(one.bits() | other.bits())
}

/// What is in both.
pub(crate) fn both(one: PrivilegeSet, other: PrivilegeSet) -> PrivilegeSet {
    of_bits(one.bits() & other.bits())
}

/// What is in the first and not in the second.
pub(crate) fn less(one: PrivilegeSet, other: PrivilegeSet) -> PrivilegeSet {
    of_bits(one.bits() & !other.bits())
}

/// How explain prints it.
pub(crate) fn shown(privileges: PrivilegeSet) -> String {
    privileges.iter().map(Privilege::name).collect::<Vec<_>>().join("|")
}
