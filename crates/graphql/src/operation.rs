//! Which operation a request asks for. It is settled before the request takes a place at the gate, and whatever is wrong with the
//! request as such is said here or by validation, so that nothing of it is executed.

use std::sync::{Arc, LazyLock};

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition};
use async_graphql::parser::{Error as ParseError, parse_query};
use async_graphql::{Positioned, Request, ServerError, Value};
use quick_cache::sync::Cache;

use crate::failure::{Failure, PARSE_FAILED, VALIDATION_FAILED};
use crate::{cost, execute, expansion, nesting};

pub use async_graphql::parser::types::OperationType;

/// Documents that were read lately, by their text: dashboards send the same ones, and reading one is a tenth of a small answer.
static READ: LazyLock<Cache<String, Arc<ExecutableDocument>>> = LazyLock::new(|| Cache::new(READ_MAX));
/// How many of them are kept; a longer text never is.
const READ_MAX: usize = 128;
const READ_BYTES_MAX: usize = 8 << 10;

/// What kind of operation is asked for; the request keeps its parsed text.
///
/// An error where the text nests or spreads out without bound, is no GraphQL, has no such operation, or its required variables
/// are not given.
pub fn operation(request: &mut Request) -> Result<OperationType, ServerError> {
    nesting::check(request).map_err(execute::nowhere)?;
    let document = document(&request.query)?;
    let asked = choose(&document, request.operation_name.as_deref()).map_err(execute::nowhere)?;
    variables(&asked.node, request)?;
    let kind = asked.node.ty;
    expansion::check(&document)
        .and_then(|()| cost::check(&document, &request.variables))
        .map_err(execute::nowhere)?;
    request.set_parsed_query(ExecutableDocument::clone(&document));
    Ok(kind)
}

fn document(text: &str) -> Result<Arc<ExecutableDocument>, ServerError> {
    if let Some(read) = READ.get(text) {
        return Ok(read);
    }
    let document = Arc::new(parse_query(text).map_err(unreadable)?);
    if text.len() <= READ_BYTES_MAX {
        READ.insert(text.to_owned(), Arc::clone(&document));
    }
    Ok(document)
}

/// The error of a text that is no document of operations.
fn unreadable(error: ParseError) -> ServerError {
    let code = match error {
        ParseError::Syntax { .. } | ParseError::RecursionLimitExceeded => PARSE_FAILED,
        // It reads, and breaks a rule of validation that the parser looks after.
        _ => VALIDATION_FAILED,
    };
    coded(error.into(), code)
}

fn coded(mut error: ServerError, code: &str) -> ServerError {
    error.extensions.get_or_insert_default().set("code", code);
    error
}

fn choose<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, Failure> {
    let refuse = |why: String| Err(Failure::new(VALIDATION_FAILED, why));
    match (&document.operations, name) {
        (DocumentOperations::Single(only), None) => Ok(only),
        (DocumentOperations::Single(_), Some(name)) => refuse(format!(
            "there is no operation {name:?}: the only one has no name, so leave out operationName"
        )),
        (DocumentOperations::Multiple(all), Some(name)) => match all.get(name) {
            Some(asked) => Ok(asked),
            None => refuse(format!("there is no operation {name:?}; there are: {}", names(all.keys()))),
        },
        (DocumentOperations::Multiple(all), None) => match all.values().next() {
            Some(only) if all.len() == 1 => Ok(only),
            _ => refuse(format!("operationName must say which of these is asked for: {}", names(all.keys()))),
        },
    }
}

fn names<'a>(all: impl Iterator<Item = &'a async_graphql::Name>) -> String {
    let mut all: Vec<&str> = all.map(async_graphql::Name::as_str).collect();
    all.sort_unstable();
    all.join(", ")
}

/// A variable that must not be null is given, and is not null. What is given otherwise, validation holds against its type.
fn variables(operation: &OperationDefinition, request: &Request) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let (name, wanted) = (&definition.node.name.node, &definition.node.var_type.node);
        if wanted.nullable {
            continue;
        }
        let why = match request.variables.get(name) {
            Some(Value::Null) => "is null",
            None if definition.node.default_value.is_none() => "is not given",
            _ => continue,
        };
        let message = format!("the variable ${name} of type {wanted} {why}");
        return Err(coded(ServerError::new(message, Some(definition.pos)), VALIDATION_FAILED));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use async_graphql::Variables;

    use super::*;

    fn asked(text: &str, name: Option<&str>, variables: &str) -> Result<OperationType, String> {
        let mut request = Request::new(text);
        request.operation_name = name.map(str::to_owned);
        request.variables = Variables::from_json(serde_json::from_str(variables).unwrap());
        operation(&mut request).map_err(|error| {
            let extensions = serde_json::to_value(error.extensions).unwrap();
            extensions["code"].as_str().unwrap().to_owned()
        })
    }

    #[test]
    fn one_operation_is_chosen() {
        use OperationType::{Mutation, Query, Subscription};
        for (text, name, expected) in [
            ("{ a }", None, Query),
            ("query A { a }", None, Query),
            ("query A { a } mutation B { b }", Some("B"), Mutation),
            ("subscription S { s } query A { a }", Some("S"), Subscription),
        ] {
            assert_eq!(asked(text, name, "{}"), Ok(expected), "{text}");
        }
        for (text, name, code) in [
            ("{", None, PARSE_FAILED),
            ("", None, PARSE_FAILED),
            ("query A { a } query B { b }", None, VALIDATION_FAILED),
            ("query A { a } query B { b }", Some("C"), VALIDATION_FAILED),
            ("{ a }", Some("A"), VALIDATION_FAILED),
            ("query A { a } query A { a }", Some("A"), VALIDATION_FAILED),
            ("fragment F on Query { a }", None, VALIDATION_FAILED),
        ] {
            assert_eq!(asked(text, name, "{}"), Err(code.to_owned()), "{text}");
        }
    }

    #[test]
    fn required_variables_are_given() {
        let text = "query($a: Int!, $b: Int! = 1, $c: Int) { x(a: $a, b: $b, c: $c) }";
        assert!(asked(text, None, r#"{"a": 1}"#).is_ok());
        assert!(asked(text, None, r#"{"a": 1, "b": 2, "c": null}"#).is_ok());
        for given in ["{}", r#"{"a": null}"#, r#"{"a": 1, "b": null}"#] {
            assert_eq!(asked(text, None, given), Err(VALIDATION_FAILED.to_owned()), "{given}");
        }
    }
}
