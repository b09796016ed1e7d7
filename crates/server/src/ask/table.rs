//! Answers as tables.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use serde_json::{Map, Value};

/// Every root field of an answer: lists as tables, one row an entry; the rest by member.
pub(crate) fn tables(data: &Value) -> String {
    let Some(fields) = data.as_object() else { return cell(data) };
    fields.iter().map(|(name, value)| field(name, value)).collect::<Vec<_>>().join("\n\n")
}

fn field(name: &str, value: &Value) -> String {
    match value {
        Value::Array(entries) => {
            format!("{name}: {}\n{}", entries.len(), rows(entries)).trim_end().to_owned()
        }
        Value::Object(members) => {
            connection(name, members).unwrap_or_else(|| format!("{name}\n{}", one(members)))
        }
        other => format!("{name}: {}", cell(other)),
    }
}

/// A page: its entries as rows, and what else it has above and below.
fn connection(name: &str, members: &Map<String, Value>) -> Option<String> {
    let edges = || -> Option<Vec<Value>> {
        let edges = members.get("edges")?.as_array()?;
        Some(edges.iter().filter_map(|edge| edge.get("node")).cloned().collect())
    };
    let nodes = members.get("nodes").and_then(Value::as_array).cloned().or_else(edges)?;
    let mut text = match members.get("totalCount") {
        Some(total) if total.as_u64() != Some(nodes.len() as u64) => {
            format!("{name}: {} of {}", nodes.len(), cell(total))
        }
        _ => format!("{name}: {}", nodes.len()),
    };
    if !nodes.is_empty() {
        text.push_str(&format!("\n{}", rows(&nodes)));
    }
    if let Some(snapshot) = members.get("snapshot").and_then(Value::as_object) {
        let said: Vec<String> =
            snapshot.iter().map(|(name, value)| format!("{name} {}", cell(value))).collect();
        text.push_str(&format!("\n{}", said.join(", ")));
    }
    if let Some(cursor) = members.get("pageInfo").and_then(|info| info.get("endCursor")?.as_str()) {
        text.push_str(&format!("\nendCursor {cursor}"));
    }
    Some(text)
}

/// One row an entry, a column for each member that any of them has.
fn rows(entries: &[Value]) -> String {
    let mut columns: Vec<&String> = Vec::new();
    for name in entries.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    if columns.is_empty() {
        return entries.iter().map(cell).collect::<Vec<_>>().join("\n");
    }
    let mut table = table();
    table.set_header(columns.iter().map(ToString::to_string));
    for entry in entries {
        table.add_row(columns.iter().map(|name| entry.get(name.as_str()).map(cell).unwrap_or_default()));
    }
    table.to_string()
}

/// One row a member.
fn one(members: &Map<String, Value>) -> String {
    let mut table = table();
    for (name, value) in members {
        table.add_row([name.clone(), cell(value)]);
    }
    table.to_string()
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A value in one cell: nested entries one a line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(entries) if entries.iter().all(|entry| !entry.is_object()) => {
            entries.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        Value::Array(entries) => entries.iter().map(cell).collect::<Vec<_>>().join("\n"),
        Value::Object(members) => match members.get("nodes") {
            Some(nodes) => cell(nodes),
            None => members.values().map(cell).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("  "),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::tables;

    #[test]
    fn a_page_is_a_table_with_its_snapshot() {
        let text = tables(&json!({"identities": {
            "totalCount": 3,
            "nodes": [{"id": "a", "name": null}, {"id": "b", "name": "B"}],
            "snapshot": {"ledgerSize": 7}
        }}));
        assert!(text.starts_with("identities: 2 of 3\n"), "{text}");
        assert!(text.contains("id") && text.contains("name") && text.ends_with("ledgerSize 7"), "{text}");
    }

    #[test]
    fn scalars_lists_and_nothing() {
        assert_eq!(tables(&json!({"explain": "a\nb"})), "explain: a\nb");
        assert!(tables(&json!({"ledger": {"size": 5}})).contains('5'));
        assert_eq!(tables(&json!({"identity": null})), "identity: ");
        assert_eq!(tables(&json!({"trend": []})), "trend: 0");
    }
}
