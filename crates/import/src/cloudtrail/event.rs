//! One event of CloudTrail, as far as the importer reads it.

use asof_model::{Instant, Outcome};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::when;

/// What is wrong with a record: the field, and why.
pub(crate) type Fault = (String, String);

/// An event with what every one must have.
#[derive(Debug)]
pub(crate) struct Event {
    value: Value,
    /// eventID; where a trimmed log has none, a digest of the event.
    pub(crate) id: String,
    pub(crate) at: Instant,
    /// The account whose log it stands in.
    pub(crate) account: String,
    /// eventSource: the service that was called.
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) outcome: Outcome,
}

impl Event {
    pub(crate) fn read(value: Value) -> Result<Self, Fault> {
        let value = unwrapped(value)?;
        let required = |field: &str| {
            let text = value[field].as_str().unwrap_or_default();
            if text.is_empty() { Err((field.to_owned(), "required".to_owned())) } else { Ok(text.to_owned()) }
        };
        let (name, event_source, time) =
            (required("eventName")?, required("eventSource")?, required("eventTime")?);
        let at =
            when::parse(&time).ok_or_else(|| ("eventTime".to_owned(), format!("is no instant: {time:?}")))?;
        let given = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let account = given(&value["recipientAccountId"])
            .or_else(|| given(&value["userIdentity"]["accountId"]))
            .ok_or_else(|| {
                ("recipientAccountId".to_owned(), "required, or userIdentity.accountId".to_owned())
            })?;
        let id = given(&value["eventID"]).unwrap_or_else(|| digest(&value));
        let region = value["awsRegion"].as_str().unwrap_or_default().to_owned();
        let outcome = outcome(&value);
        Ok(Self { value, id, at, account, source: event_source, name, region, outcome })
    }

    /// The source of its batch: the log of its account.
    pub(crate) fn collector(&self) -> String {
        format!("cloudtrail/{}", self.account)
    }

    pub(crate) fn user(&self) -> &Value {
        &self.value["userIdentity"]
    }

    pub(crate) fn request(&self) -> &Value {
        &self.value["requestParameters"]
    }

    pub(crate) fn response(&self) -> &Value {
        &self.value["responseElements"]
    }

    /// A member's text; empty where it is none.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or_default()
    }

    pub(crate) fn member(&self, field: &str) -> &Value {
        &self.value[field]
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.outcome == Outcome::Success
    }

    /// `iam` of `iam.amazonaws.com`.
    pub(crate) fn service(&self) -> &str {
        self.source.strip_suffix(".amazonaws.com").unwrap_or(&self.source)
    }
}

/// The event inside what delivered it: EventBridge (`detail`), LookupEvents (`CloudTrailEvent`, a text), a
/// collector (`log`).
fn unwrapped(mut value: Value) -> Result<Value, Fault> {
    if value.get("eventName").is_some() {
        return Ok(value);
    }
    if let Some(text) = value.get("CloudTrailEvent").and_then(Value::as_str) {
        return serde_json::from_str(text)
            .map_err(|cause| ("CloudTrailEvent".to_owned(), format!("is no JSON: {cause}")));
    }
    for field in ["detail", "log"] {
        if value.get(field).is_some_and(Value::is_object) {
            return Ok(value[field].take());
        }
    }
    Ok(value)
}

/// How the call ended. A refusal for want of permission is DENIED, every other failure an ERROR.
fn outcome(event: &Value) -> Outcome {
    let code = event["errorCode"].as_str().unwrap_or_default();
    if code.is_empty() {
        let login_failed = event["responseElements"]["ConsoleLogin"] == "Failure";
        let told = event["errorMessage"].as_str().is_some_and(|text| !text.is_empty());
        return if login_failed || told { Outcome::Error } else { Outcome::Success };
    }
    let plain = code.rsplit('.').next().unwrap_or(code);
    let plain = ["Exception", "Fault"].iter().find_map(|end| plain.strip_suffix(end)).unwrap_or(plain);
    match plain {
        "AccessDenied"
        | "VpceAccessDenied"
        | "UnauthorizedOperation"
        | "UnauthorizedAccess"
        | "AuthorizationError"
        | "NotAuthorized" => Outcome::Denied,
        _ => Outcome::Error,
    }
}

/// The same event gives the same id: its members are written in order of their names.
fn digest(value: &Value) -> String {
    let mut hash = Sha256::new();
    write_sorted(value, &mut hash);
    format!("sha256:{}", hex(&hash.finalize()))
}

fn write_sorted(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(members) => {
            hash.update(b"{");
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            for name in names {
                hash.update(Value::String(name.clone()).to_string());
                hash.update(b":");
                write_sorted(&members[name], hash);
                hash.update(b",");
            }
            hash.update(b"}");
        }
        Value::Array(values) => {
            hash.update(b"[");
            for each in values {
                write_sorted(each, hash);
                hash.update(b",");
            }
            hash.update(b"]");
        }
        plain => hash.update(plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_are_told_from_failures() {
        for (code, expected) in [
            ("", Outcome::Success),
            ("AccessDenied", Outcome::Denied),
            ("AccessDeniedException", Outcome::Denied),
            ("Client.UnauthorizedOperation", Outcome::Denied),
            ("VpceAccessDenied", Outcome::Denied),
            ("ThrottlingException", Outcome::Error),
            ("NoSuchEntityException", Outcome::Error),
            ("InvalidAccessException", Outcome::Error),
        ] {
            assert_eq!(outcome(&json!({ "errorCode": code })), expected, "{code}");
        }
        assert_eq!(outcome(&json!({ "responseElements": { "ConsoleLogin": "Failure" } })), Outcome::Error);
    }

    #[test]
    fn says_which_field_is_missing() {
        let event = json!({ "eventName": "GetUser", "eventSource": "iam.amazonaws.com", "eventTime": "2023-07-10T11:54:39Z" });
        assert_eq!(Event::read(event.clone()).unwrap_err().0, "recipientAccountId");
        assert_eq!(Event::read(json!({})).unwrap_err().0, "eventName");
        let mut whole = event;
        whole["recipientAccountId"] = "123456789012".into();
        let plain = Event::read(whole.clone()).unwrap();
        assert!(plain.id.starts_with("sha256:"));
        assert_eq!(Event::read(json!({ "detail": whole.clone() })).unwrap().id, plain.id);
        assert_eq!(Event::read(json!({ "CloudTrailEvent": whole.to_string() })).unwrap().id, plain.id);
        whole["eventTime"] = "...".into();
        assert_eq!(Event::read(whole).unwrap_err().0, "eventTime");
    }
}
