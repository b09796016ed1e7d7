//! A GraphQL request as the specification has it: `query`, and perhaps `operationName`, `variables` and `extensions`. Other members
//! are passed over, as it says.

use async_graphql::{Request, Value as Constant, Variables};
use axum::extract::Query;
use axum::http::Uri;
use serde_json::{Map, Value};

use super::Refusal;

/// What a request looks like.
const SUCH_AS: &str = r#"a request is an object such as {"query": "{ ledger { size } }"}"#;

/// The request that a body is.
pub(super) fn of_body(bytes: &[u8]) -> Result<Request, Refusal> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => of_members(members),
        Ok(Value::Array(_)) => Err(Refusal::malformed(
            "a list of requests (batching) is not taken: send each by itself, or ask for several fields in one",
        )),
        Ok(other) => Err(Refusal::malformed(format!("the body is {}: {SUCH_AS}", kind(&other)))),
        Err(error) => Err(Refusal::unreadable(format!("the body is no JSON: {error}; {SUCH_AS}"))),
    }
}

/// The request that a URI's parameters are. One that is empty is as good as none, but for `query`.
pub(super) fn of_parameters(query: &str) -> Result<Request, Refusal> {
    let mut members = Map::new();
    for (name, text) in pairs(query)? {
        let value = match name.as_str() {
            "query" => Value::String(text),
            "operationName" | "variables" | "extensions" if text.is_empty() => Value::Null,
            "operationName" => Value::String(text),
            "variables" | "extensions" => serde_json::from_str(&text)
                .map_err(|error| Refusal::unreadable(format!("the parameter {name} is no JSON: {error}")))?,
            _ => continue,
        };
        if members.insert(name.clone(), value).is_some() {
            return Err(Refusal::malformed(format!("the parameter {name} is given twice")));
        }
    }
    of_members(members)
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let broken = |error: String| Refusal::unreadable(format!("the parameters cannot be read: {error}"));
    let uri = Uri::builder()
        .path_and_query(format!("/?{query}"))
        .build()
        .map_err(|error| broken(error.to_string()))?;
    Query::try_from_uri(&uri).map(|Query(pairs)| pairs).map_err(|error| broken(error.body_text()))
}

fn of_members(mut members: Map<String, Value>) -> Result<Request, Refusal> {
    let text = match members.remove("query") {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) => return Err(Refusal::malformed(format!("`query` is missing: {SUCH_AS}"))),
        Some(other) => return Err(Refusal::malformed(format!("`query` is a string, not {}", kind(&other)))),
    };
    let mut request = Request::new(text);
    request.operation_name = match members.remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(other) => {
            return Err(Refusal::malformed(format!("`operationName` is a string, not {}", kind(&other))));
        }
    };
    request.variables = Variables::from_value(map(&mut members, "variables")?);
    // Nothing here has a use for them, yet they must be well formed.
    map(&mut members, "extensions")?;
    Ok(request)
}

fn map(members: &mut Map<String, Value>, name: &str) -> Result<Constant, Refusal> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(Constant::Null),
        Some(value @ Value::Object(_)) => Constant::from_json(value)
            .map_err(|error| Refusal::malformed(format!("`{name}` cannot be taken over: {error}"))),
        Some(other) => Err(Refusal::malformed(format!("`{name}` is an object, not {}", kind(&other)))),
    }
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(result: Result<Request, Refusal>) -> Option<u16> {
        result.err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn bodies() {
        for good in [
            r#"{"query": ""}"#,
            r#"{"query": "{ a }", "operationName": null, "variables": null, "extensions": null, "more": [1]}"#,
            r#"{"query": "{ a }", "operationName": "", "variables": {"a": [{"b": null}]}, "extensions": {"x": {}}}"#,
        ] {
            assert_eq!(refused(of_body(good.as_bytes())), None, "{good}");
        }
        for broken in ["", "{", "nonsense", "\u{feff}{\"query\": \"\"}", "{\"query\": \"\"} {}"] {
            assert_eq!(refused(of_body(broken.as_bytes())), Some(400), "{broken}");
        }
        assert_eq!(refused(of_body(b"{\"query\": \"\xff\"}")), Some(400), "no UTF-8");
        let deep = format!("{{\"query\": \"\", \"variables\": {}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(refused(of_body(deep.as_bytes())), Some(400), "nested without bound");
        for malformed in [
            "null",
            "1",
            "\"{ a }\"",
            "[]",
            r#"[{"query": "{ a }"}]"#,
            "{}",
            r#"{"qeury": "{ a }"}"#,
            r#"{"query": null}"#,
            r#"{"query": ["{ a }"]}"#,
            r#"{"query": "", "operationName": 0}"#,
            r#"{"query": "", "variables": []}"#,
            r#"{"query": "", "variables": "{}"}"#,
            r#"{"query": "", "extensions": true}"#,
        ] {
            assert_eq!(refused(of_body(malformed.as_bytes())), Some(422), "{malformed}");
        }
    }

    #[test]
    fn parameters() {
        let asked =
            of_parameters("query=%7B+a+%7D&operationName=&variables=%7B%22n%22%3A1%7D&extensions=&x=y&x=z");
        let asked = asked.unwrap_or_else(|_| Request::new("refused"));
        assert_eq!((asked.query.as_str(), asked.operation_name.as_deref()), ("{ a }", None));
        assert_eq!(asked.variables.len(), 1);
        let null = of_parameters("query=x&operationName=null").ok().and_then(|asked| asked.operation_name);
        assert_eq!(null.as_deref(), Some("null"));
        assert_eq!(refused(of_parameters("query=")), None);
        for (query, status) in [
            ("", 422),
            ("operationName=a", 422),
            ("query=a&query=b", 422),
            ("query=a&variables=%5B1%5D", 422),
            ("query=a&variables=null", 0),
            ("query=a&extensions=1", 422),
            ("query=a&variables=%7B", 400),
        ] {
            assert_eq!(refused(of_parameters(query)).unwrap_or(0), status, "{query}");
        }
    }
}
