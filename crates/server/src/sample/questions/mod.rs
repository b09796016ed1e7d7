//! The five questions that `asof demo` asks: the GraphQL text as anyone would post it, and how the answer reads as a
//! table.

use serde_json::Value;

/// A question with the way to print its answer.
pub struct Question {
    /// In words.
    pub asks: &'static str,
    /// In GraphQL.
    pub graphql: &'static str,
    /// The table's head.
    pub head: &'static [&'static str],
    /// The table's rows, of the `data` of the answer.
    pub rows: fn(&Value) -> Vec<Vec<String>>,
    /// What to see in it.
    pub note: &'static str,
}

/// The five, the headline first.
pub const QUESTIONS: [Question; 5] = [
    Question {
        asks: "Which identities held WRITE at 2026-03-20T12:00:00Z, and used it in the day before?",
        graphql: include_str!("used.graphql"),
        head: &["identity", "type", "wrote to", "times", "last"],
        rows: used,
        note: "billing-export wrote in that day too and is not here: it did not hold WRITE (question 3).",
    },
    Question {
        asks: "Which hold ADMIN and have not used it for 60 days, and is that sure?",
        graphql: include_str!("dormant.graphql"),
        head: &["identity", "owner", "ADMIN on", "last seen at all", "dormant", "not watched"],
        rows: dormant,
        note: "Not seen is evidence only where someone was looking: the two kinds of dormant are never merged.",
    },
    Question {
        asks: "Which used, in the last 30 days, what they did not hold at the time?",
        graphql: include_str!("drift.graphql"),
        head: &["identity", "listed", "since", "did", "on", "times", "drift", "reason given"],
        rows: drift,
        note: "A read-only account that began to write, a role that no inventory knows, and a bucket policy that no \
               inventory lists.",
    },
    Question {
        asks: "Who still uses the key that was rotated on 10 February?",
        graphql: include_str!("rotated.graphql"),
        head: &["identity", "uses since", "first", "action", "on", "workload", "from"],
        rows: rotated,
        note: "The identity has its new key; a machine that was forgotten goes on with the old one.",
    },
    Question {
        asks: "Which AI agents hold tools that they have not used for 60 days?",
        graphql: include_str!("agents.graphql"),
        head: &["agent", "tools held", "tools used", "could be taken away"],
        rows: agents,
        note: "",
    },
];

fn used(data: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for identity in list(&data["identities"]["nodes"]) {
        for usage in list(&identity["usage"]) {
            rows.push(vec![
                text(&identity["name"]),
                text(&identity["type"]),
                text(&usage["resource"]),
                text(&usage["successes"]),
                minute(&usage["last"]),
            ]);
        }
    }
    rows
}

fn dormant(data: &Value) -> Vec<Vec<String>> {
    let row = |identity: &Value, sure: &str| {
        let scopes = list(&identity["entitlements"]["nodes"])
            .iter()
            .flat_map(|grant| list(&grant["entitlement"]["scopes"]));
        let gaps = list(&identity["coverage"]["gaps"]);
        let gaps = gaps.iter().map(|gap| format!("{} to {}", minute(&gap["from"]), minute(&gap["to"])));
        vec![
            text(&identity["name"]),
            joined(list(&identity["owners"]).iter().map(|owner| text(&owner["name"]))),
            joined(scopes.map(text)),
            minute(&identity["lastUsed"]),
            sure.to_owned(),
            joined(gaps),
        ]
    };
    let sure = list(&data["sure"]["nodes"]).iter().map(|identity| row(identity, "for sure"));
    let seen =
        list(&data["asFarAsWeSaw"]["nodes"]).iter().map(|identity| row(identity, "as far as was seen"));
    sure.chain(seen).collect()
}

fn drift(data: &Value) -> Vec<Vec<String>> {
    let row = |identity: &Value, sure: &str| {
        let first = &identity["uncovered"]["nodes"][0];
        let reason = joined(list(&first["grantedBy"]).iter().map(text));
        vec![
            if identity["name"].is_null() { text(&identity["id"]) } else { text(&identity["name"]) },
            if identity["inventoried"] == true { "yes" } else { "no" }.to_owned(),
            minute(&first["time"]),
            format!("{} ({})", text(&first["action"]), text(&first["privilege"])),
            text(&first["resource"]),
            text(&identity["uncovered"]["totalCount"]),
            sure.to_owned(),
            if reason.is_empty() { "none".to_owned() } else { reason },
        ]
    };
    let sure = list(&data["forSure"]["nodes"]).iter().map(|identity| row(identity, "for sure"));
    let known =
        list(&data["asFarAsWeKnow"]["nodes"]).iter().map(|identity| row(identity, "as far as is known"));
    sure.chain(known).collect()
}

fn rotated(data: &Value) -> Vec<Vec<String>> {
    let row = |identity: &Value| {
        let uses = &identity["observations"];
        let first = &uses["nodes"][0];
        vec![
            text(&identity["name"]),
            text(&uses["totalCount"]),
            minute(&first["time"]),
            text(&first["action"]),
            text(&first["resource"]),
            text(&first["workload"]),
            text(&first["sourceIp"]),
        ]
    };
    list(&data["identities"]["nodes"]).iter().map(row).collect()
}

fn agents(data: &Value) -> Vec<Vec<String>> {
    let row = |identity: &Value| {
        vec![
            text(&identity["name"]),
            text(&identity["entitlements"]["totalCount"]),
            list(&identity["usage"]).len().to_string(),
            joined(list(&identity["unused"]).iter().map(|unused| text(&unused["entitlement"]["name"]))),
        ]
    };
    list(&data["identities"]["nodes"]).iter().map(row).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A moment to the minute, which is what a table needs.
fn minute(value: &Value) -> String {
    let text = text(value);
    text.get(..16).map_or(text.clone(), |minute| minute.replace('T', " "))
}

/// With commas, in lines of some sixty characters.
fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut joined = String::new();
    let mut line = 0;
    for text in texts {
        if line > 0 {
            joined.push(',');
            joined.push(if line > 50 { '\n' } else { ' ' });
            line = if line > 50 { 0 } else { line };
        }
        line += text.len() + 2;
        joined.push_str(&text);
    }
    joined
}

#[cfg(test)]
mod tests;
