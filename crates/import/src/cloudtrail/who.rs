//! Who called: the identity whose permissions were used, and the session.

use serde_json::Value;

use super::event::{Event, Fault};
use crate::arn::{Arn, Named, PrincipalKind, id_of, is_access_key, partition, service_id};

/// An identity, by its id or, until all files are read, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// By the id that it has in the graph.
    Id(String),
    /// By its IAM name.
    Named(Named),
}

/// The caller of an event.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Whose permissions were used.
    pub(crate) who: Who,
    /// Its IAM name, where the log has both: what ties names to ids.
    pub(crate) named: Option<Named>,
    /// What people call it: its ARN where there is one.
    pub(crate) name: String,
    pub(crate) node_type: &'static str,
    pub(crate) account: String,
    /// The provider's session; empty: none.
    pub(crate) session: String,
    /// Who stood behind, where the event itself says so.
    pub(crate) behind: Option<Who>,
    /// The access key; empty: none.
    pub(crate) key: String,
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// An IAM identity by its immutable id where it is given, else by its ARN.
fn iam(unique: &str, arn: &str, kind: PrincipalKind) -> Option<(Who, Option<Named>)> {
    let named = Arn::parse(arn).and_then(|arn| arn.principal()).filter(|named| named.kind == kind);
    if unique.is_empty() {
        return named.map(|named| (Who::Named(named), None));
    }
    Some((Who::Id(id_of(unique)), named))
}

/// Reads `userIdentity`.
pub(crate) fn caller(event: &Event) -> Result<Caller, Fault> {
    let user = event.user();
    let kind = text(user, "type");
    let issuer = &user["sessionContext"]["sessionIssuer"];
    let (principal, session) = match text(user, "principalId").split_once(':') {
        Some((principal, session)) => (principal, session),
        None => (text(user, "principalId"), ""),
    };
    let (arn, invoked_by) = (text(user, "arn"), text(user, "invokedBy"));
    let key = Some(text(user, "accessKeyId")).filter(|key| is_access_key(key)).unwrap_or_default();
    let mut caller = Caller {
        who: Who::Id(String::new()),
        named: None,
        name: String::new(),
        node_type: "",
        account: text(user, "accountId").to_owned(),
        session: String::new(),
        behind: None,
        key: key.to_owned(),
    };
    let missing = || ("userIdentity".to_owned(), format!("names no principal (type {kind:?})"));
    match kind {
        "Root" => {
            caller.who = Who::Id(id_of(&root(&caller.account, arn).ok_or_else(missing)?));
            caller.name =
                Some(arn).filter(|arn| !arn.is_empty()).map_or_else(|| caller.account.clone(), str::to_owned);
            caller.node_type = "aws.account";
        }
        "IAMUser" => {
            let built = Named::new(
                partition(&event.region),
                &caller.account,
                PrincipalKind::User,
                text(user, "userName"),
            );
            let arn = if arn.is_empty() {
                built.map(|named| named.arn()).unwrap_or_default()
            } else {
                arn.to_owned()
            };
            (caller.who, caller.named) =
                iam(text(user, "principalId"), &arn, PrincipalKind::User).ok_or_else(missing)?;
            (caller.name, caller.node_type) = (arn, PrincipalKind::User.node_type());
        }
        "AssumedRole" | "Role" => {
            let issuer_arn = text(issuer, "arn");
            let role_arn =
                if issuer_arn.is_empty() { role_of(arn).unwrap_or_default() } else { issuer_arn.to_owned() };
            let unique = Some(text(issuer, "principalId")).filter(|id| !id.is_empty()).unwrap_or(principal);
            (caller.who, caller.named) = iam(unique, &role_arn, PrincipalKind::Role).ok_or_else(missing)?;
            (caller.name, caller.node_type) = (role_arn, PrincipalKind::Role.node_type());
            let last = arn.rsplit('/').next().filter(|_| arn.contains(":assumed-role/")).unwrap_or_default();
            session_name(session, last).clone_into(&mut caller.session);
            caller.behind = centre_user(&user["onBehalfOf"]).map(Who::Id);
            // A service in its own role signs without a key; one that carries a caller's call on has a
            // session key of that caller.
            if caller.behind.is_none() && key.is_empty() && !invoked_by.is_empty() {
                caller.behind = Some(Who::Id(service_id(invoked_by)));
            }
        }
        "FederatedUser" => {
            // A federated session uses the permissions of the user that asked for it.
            let issuer_arn = text(issuer, "arn");
            let named =
                Arn::parse(arn).and_then(|arn| Some(arn.resource.split_once('/')?.1)).unwrap_or(session);
            named.clone_into(&mut caller.session);
            if text(issuer, "type") == "Root"
                || Arn::parse(issuer_arn).is_some_and(|arn| arn.resource == "root")
            {
                let account = root(text(issuer, "accountId"), issuer_arn).ok_or_else(missing)?;
                caller.who = Who::Id(id_of(&account));
                (caller.name, caller.node_type) = (issuer_arn.to_owned(), "aws.account");
            } else if let Some((who, by_name)) =
                iam(text(issuer, "principalId"), issuer_arn, PrincipalKind::User)
            {
                (caller.who, caller.named) = (who, by_name);
                (caller.name, caller.node_type) = (issuer_arn.to_owned(), PrincipalKind::User.node_type());
            } else {
                let unique = text(user, "principalId");
                caller.who = Who::Id(id_of(if unique.is_empty() { arn } else { unique }));
                (caller.name, caller.node_type) = (arn.to_owned(), "aws.sts.federated-user");
            }
        }
        "AWSAccount" => {
            // Another account's principal: its id where the log shows it, else the account.
            let unique = if principal.is_empty() { caller.account.as_str() } else { principal };
            caller.who = Who::Id(id_of(unique));
            caller.named = Arn::parse(arn).and_then(|arn| arn.principal()).filter(|_| !principal.is_empty());
            session.clone_into(&mut caller.session);
            caller.name = caller.named.as_ref().map(Named::arn).unwrap_or_default();
            caller.node_type = match unique.get(..4) {
                Some("AROA") => PrincipalKind::Role.node_type(),
                Some("AIDA") => PrincipalKind::User.node_type(),
                _ => "aws.account",
            };
        }
        "WebIdentityUser" | "SAMLUser" => {
            let unique = text(user, "principalId");
            let provider = text(user, "identityProvider");
            let who = if unique.is_empty() {
                format!("{provider}/{}", text(user, "userName"))
            } else {
                unique.to_owned()
            };
            let (prefix, node_type) = if kind == "SAMLUser" {
                ("saml", "aws.saml.user")
            } else {
                ("web-identity", "aws.web-identity.user")
            };
            caller.who = Who::Id(format!("aws:{prefix}/{who}"));
            (caller.name, caller.node_type) = (text(user, "userName").to_owned(), node_type);
        }
        "IdentityCenterUser" => {
            caller.who = Who::Id(centre_user(&user["onBehalfOf"]).ok_or_else(missing)?);
            caller.node_type = "aws.identitycenter.user";
        }
        _ if !invoked_by.is_empty() => {
            caller.who = Who::Id(service_id(invoked_by));
            (caller.name, caller.node_type) = (invoked_by.to_owned(), "aws.service");
            caller.account.clear();
        }
        _ if !principal.is_empty() => {
            caller.who = Who::Id(id_of(text(user, "principalId")));
            (caller.name, caller.node_type) = (arn.to_owned(), "aws.unknown");
        }
        _ => return Err(missing()),
    }
    if caller.who == Who::Id(id_of("")) {
        return Err(missing());
    }
    Ok(caller)
}

fn session_name<'a>(of_principal: &'a str, of_arn: &'a str) -> &'a str {
    if of_principal.is_empty() { of_arn } else { of_principal }
}

/// The account's number: the account as such is what its root user is.
fn root(account: &str, arn: &str) -> Option<String> {
    if !account.is_empty() {
        return Some(account.to_owned());
    }
    Arn::parse(arn).map(|arn| arn.account.to_owned()).filter(|account| !account.is_empty())
}

/// The role of an assumed role's ARN, which leaves out the path.
pub(crate) fn role_of(arn: &str) -> Option<String> {
    Arn::parse(arn)?.principal().map(|named| named.arn())
}

fn centre_user(behalf: &Value) -> Option<String> {
    let user = Some(text(behalf, "userId")).filter(|user| !user.is_empty())?;
    let store = text(behalf, "identityStoreArn").rsplit('/').next().unwrap_or_default();
    Some(format!("aws:identitystore/{store}/{user}"))
}
