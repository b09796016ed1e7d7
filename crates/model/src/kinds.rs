//! The closed vocabularies of the contract. Numbers are those of `proto/asof/v1/asof.proto` and are what is stored.

use std::fmt;

macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $number),+ }

        impl $name {
            /// Every member, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number on the wire and on disk.
            pub const fn number(self) -> u8 { self as u8 }

            /// The member with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// The name in the contract.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The member of this name, ASCII case ignored.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|each| each.name().eq_ignore_ascii_case(name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }
    };
}

vocabulary! {
    /// What a node is.
    NodeKind {
        /// Service account, role, group, workload identity, OAuth app, AI agent.
        Identity = 1 "IDENTITY",
        /// A permission set that an identity can hold.
        Entitlement = 2 "ENTITLEMENT",
        /// API key, token, certificate, password.
        Secret = 3 "SECRET",
        /// Pod, VM, function, CI job, agent runtime.
        Workload = 4 "WORKLOAD",
        /// What entitlements and observations point at.
        Resource = 5 "RESOURCE",
        /// Human, team, vendor.
        Owner = 6 "OWNER",
    }
}

vocabulary! {
    /// What an edge says of its two ends.
    EdgeKind {
        /// IDENTITY -> ENTITLEMENT.
        Holds = 1 "HOLDS",
        /// IDENTITY -> IDENTITY: the member has all that the group holds, denials too.
        MemberOf = 2 "MEMBER_OF",
        /// IDENTITY -> IDENTITY: the first can act as the second.
        CanAssume = 3 "CAN_ASSUME",
        /// IDENTITY -> SECRET.
        AuthenticatesWith = 4 "AUTHENTICATES_WITH",
        /// WORKLOAD -> IDENTITY.
        RunsAs = 5 "RUNS_AS",
        /// WORKLOAD -> SECRET.
        Mounts = 6 "MOUNTS",
        /// OWNER -> any kind but OWNER.
        Owns = 7 "OWNS",
        /// RESOURCE -> RESOURCE.
        Contains = 8 "CONTAINS",
        /// SECRET -> RESOURCE.
        StoredIn = 9 "STORED_IN",
        /// SECRET -> SECRET: the second was minted with the first.
        Issued = 10 "ISSUED",
    }
}

impl EdgeKind {
    /// The kinds of its ends; `None` where the edge itself says the second one (OWNS).
    pub const fn ends(self) -> (NodeKind, Option<NodeKind>) {
        use NodeKind::{Entitlement, Identity, Owner, Resource, Secret, Workload};
        match self {
            Self::Holds => (Identity, Some(Entitlement)),
            Self::MemberOf | Self::CanAssume => (Identity, Some(Identity)),
            Self::AuthenticatesWith => (Identity, Some(Secret)),
            Self::RunsAs => (Workload, Some(Identity)),
            Self::Mounts => (Workload, Some(Secret)),
            Self::Owns => (Owner, None),
            Self::Contains => (Resource, Some(Resource)),
            Self::StoredIn => (Secret, Some(Resource)),
            Self::Issued => (Secret, Some(Secret)),
        }
    }
}

vocabulary! {
    /// The class of an action. None implies another.
    Privilege {
        /// Enumerate.
        List = 1 "LIST",
        /// Read.
        Read = 2 "READ",
        /// Write.
        Write = 3 "WRITE",
        /// Delete, purge, overwrite for good.
        DeleteData = 4 "DELETE_DATA",
        /// Tag.
        Tag = 5 "TAG",
        /// Invoke, run.
        Execute = 6 "EXECUTE",
        /// Act as another identity, or mint its credentials.
        Assume = 7 "ASSUME",
        /// Read secret material, decrypt.
        SecretRead = 8 "SECRET_READ",
        /// Change who may do what.
        Admin = 9 "ADMIN",
        /// Seen, never held: signed in, obtained a token.
        Authenticate = 10 "AUTHENTICATE",
        /// Seen, never held: an action that no catalogue knows.
        Other = 11 "OTHER",
    }
}

impl Privilege {
    /// The nine that can be held.
    pub const HELD: &'static [Self] = &[
        Self::List,
        Self::Read,
        Self::Write,
        Self::DeleteData,
        Self::Tag,
        Self::Execute,
        Self::Assume,
        Self::SecretRead,
        Self::Admin,
    ];

    /// Whether an entitlement can give it. AUTHENTICATE and OTHER are activity that no one needs to hold.
    pub const fn can_be_held(self) -> bool {
        self.number() <= Self::Admin.number()
    }
}

/// A set of privileges as a bit mask: bit n is the privilege with number n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PrivilegeSet(u16);

impl PrivilegeSet {
    /// No privilege.
    pub const EMPTY: Self = Self(0);

    /// The set with these bits; bits of no privilege are an error of the caller's data.
    pub fn from_bits(bits: u16) -> Option<Self> {
        (bits & !0b1111_1111_1110 == 0).then_some(Self(bits))
    }

    /// The bit mask.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Adds one.
    pub fn insert(&mut self, privilege: Privilege) {
        self.0 |= 1 << privilege.number();
    }

    /// Whether it is in the set.
    pub const fn contains(self, privilege: Privilege) -> bool {
        self.0 & (1 << privilege.number()) != 0
    }

    /// Whether both sets share one.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of the enum.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL.iter().copied().filter(move |each| self.contains(*each))
    }
}

impl FromIterator<Privilege> for PrivilegeSet {
    fn from_iter<I: IntoIterator<Item = Privilege>>(privileges: I) -> Self {
        let mut set = Self::EMPTY;
        for privilege in privileges {
            set.insert(privilege);
        }
        set
    }
}

vocabulary! {
    /// How an observed action ended.
    Outcome {
        /// It was done.
        Success = 1 "SUCCESS",
        /// It was refused for want of permission.
        Denied = 2 "DENIED",
        /// It failed for another reason.
        Error = 3 "ERROR",
    }
}

vocabulary! {
    /// The state that a source gives of a secret.
    SecretState {
        /// Works.
        Active = 0 "ACTIVE",
        /// Switched off, can be switched on again.
        Inactive = 1 "INACTIVE",
        /// Switched off for good.
        Revoked = 2 "REVOKED",
    }
}

vocabulary! {
    /// What an entitlement does.
    Effect {
        /// Gives.
        Allow = 0 "ALLOW",
        /// Takes away.
        Deny = 1 "DENY",
    }
}

vocabulary! {
    /// What a collector says it has delivered.
    CoverageKind {
        /// Every observation.
        Observations = 0 "OBSERVATIONS",
        /// All posture that was in force.
        Posture = 1 "POSTURE",
    }
}
