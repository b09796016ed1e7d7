//! Brackets are counted before anything reads them by recursion: what nests without bound would cost stack without bound.

use async_graphql::{Request, Value};

use crate::failure::Failure;
use crate::limits::NESTING;

/// Refuses a request whose text or variables nest deeper than the limit.
pub(crate) fn check(request: &Request) -> Result<(), Failure> {
    // JSON readers bound the depth of variables already (128 in serde_json).
    let variables = request.variables.values().map(value_depth).max().unwrap_or(0);
    let deepest = text_depth(&request.query).max(variables);
    if deepest > NESTING {
        return Err(Failure::limit("brackets nested", deepest as u64, NESTING as u64, "nesting"));
    }
    Ok(())
}

/// The greatest nesting of brackets; what stands in strings and comments is none.
fn text_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        rest = match sign {
            '"' => after_string(rest),
            '#' => rest.find(['\n', '\r']).map_or("", |end| &rest[end..]),
            _ => &rest[sign.len_utf8()..],
        };
        match sign {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What follows a string that the text begins with; a string without an end takes all.
fn after_string(text: &str) -> &str {
    let quote = if text.starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
    // In a block string only the three quotes are escaped; elsewhere any sign may be.
    let escape = if quote.len() == 3 { "\\\"\"\"" } else { "\\" };
    let mut rest = &text[quote.len()..];
    loop {
        let Some(end) = rest.find(quote) else { return "" };
        match rest.find(escape) {
            Some(escaped) if escaped < end => {
                let mut behind = rest[escaped..].char_indices().skip(if quote.len() == 3 { 4 } else { 2 });
                rest = behind.next().map_or("", |(place, _)| &rest[escaped + place..]);
            }
            _ => return &rest[end + quote.len()..],
        }
    }
}

fn value_depth(value: &Value) -> usize {
    match value {
        Value::List(each) => 1 + each.iter().map(value_depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(value_depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_but_not_in_strings_and_comments() {
        for (text, expected) in [
            ("{ a(b: [1]) { c } }", 3),
            (r#"{ a(b: "((((") }"#, 2),
            (r#"{ a(b: "\"))))", c: [[1]]) }"#, 4),
            ("{ a(b: \"\"\"]]\\\"\"\"]]\"\"\", c: [[1]]) }", 4),
            ("{ # }}}}\n a { b } }", 2),
            ("{ a(b: \"((", 2),
            ("", 0),
        ] {
            assert_eq!(text_depth(text), expected, "{text}");
        }
    }

    #[test]
    fn what_nests_too_deep_is_refused() {
        let deep =
            format!("{{ identities(where: {}{}) {{ totalCount }} }}", "{not: ".repeat(500), "}".repeat(500));
        assert!(check(&Request::new(deep)).is_err());
        assert!(check(&Request::new("{ ledger { size } }")).is_ok());
    }
}
