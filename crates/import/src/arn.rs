//! Amazon resource names, and the ids that identities, secrets and workloads of AWS get.
//!
//! An identity is `aws:` and the provider's immutable id (`aws:AROAEXAMPLE`). Where only its name is known it
//! is `aws:` and its ARN without the path: a name is unique in its account, and a request names no path.

/// `arn:partition:service:region:account:resource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) partition: &'a str,
    pub(crate) service: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        (parts.next()? == "arn").then_some(())?;
        let (partition, service) = (parts.next()?, parts.next()?);
        let _region = parts.next()?;
        let (account, resource) = (parts.next()?, parts.next()?);
        Some(Self { partition, service, account, resource })
    }

    /// The IAM principal that it names.
    pub(crate) fn principal(&self) -> Option<Named> {
        let (kind, rest) = self.resource.split_once('/')?;
        let (kind, name) = match (self.service, kind) {
            ("iam", "user") => (PrincipalKind::User, rest.rsplit('/').next()?),
            ("iam", "role") => (PrincipalKind::Role, rest.rsplit('/').next()?),
            ("iam", "group") => (PrincipalKind::Group, rest.rsplit('/').next()?),
            ("sts", "assumed-role") => (PrincipalKind::Role, rest.split('/').next()?),
            _ => return None,
        };
        Named::new(self.partition, self.account, kind, name)
    }
}

/// What an IAM name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PrincipalKind {
    User,
    Role,
    Group,
}

impl PrincipalKind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Group => "group",
        }
    }

    pub(crate) const fn node_type(self) -> &'static str {
        match self {
            Self::User => "aws.iam.user",
            Self::Role => "aws.iam.role",
            Self::Group => "aws.iam.group",
        }
    }
}

/// A user, role or group by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) partition: String,
    pub(crate) account: String,
    pub(crate) kind: PrincipalKind,
    pub(crate) name: String,
}

impl Named {
    pub(crate) fn new(partition: &str, account: &str, kind: PrincipalKind, name: &str) -> Option<Self> {
        let named = !account.is_empty() && !name.is_empty();
        let (partition, account, name) = (partition.to_owned(), account.to_owned(), name.to_owned());
        named.then_some(Self { partition, account, kind, name })
    }

    /// Its ARN, as far as a name without a path tells it.
    pub(crate) fn arn(&self) -> String {
        format!("arn:{}:iam::{}:{}/{}", self.partition, self.account, self.kind.word(), self.name)
    }
}

/// The id of an identity by the provider's own id.
pub(crate) fn id_of(unique: &str) -> String {
    format!("aws:{unique}")
}

/// The id of a service principal.
pub(crate) fn service_id(name: &str) -> String {
    format!("aws:service/{name}")
}

/// The instance that a session of an instance role is named after.
pub(crate) fn instance_of(session: &str) -> Option<&str> {
    let digits = session.strip_prefix("i-")?;
    let right = matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    right.then_some(session)
}

/// Whether a text has the form of an access key's id. Trimmed logs have other things in its place.
pub(crate) fn is_access_key(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// The partition of a region.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
