//! The common question, from flags to GraphQL text.

use asof_model::{Duration, Instant, Privilege};
use clap::Args;

use crate::Failure;
use crate::times;

/// The window that is looked at where none is named.
const LAST_DEFAULT: Duration = Duration::from_secs(3600);

/// Which identities held what, and used it or did not
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The common question")]
pub(crate) struct Question {
    /// Held any of these privileges at --at: list, read, write, delete_data, tag, execute, assume, secret_read, admin
    #[arg(long, value_name = "PRIVILEGE", value_delimiter = ',', value_parser = privilege)]
    pub(crate) held: Vec<Privilege>,
    /// Used any of these privileges, successfully, in the window
    #[arg(long, value_name = "PRIVILEGE", value_delimiter = ',', value_parser = privilege)]
    pub(crate) used: Vec<Privilege>,
    /// Did not use --used (or, without it, what --held names) in the window
    #[arg(long)]
    pub(crate) not_used: bool,
    /// What was used was not held at its own time: drift (with --used)
    #[arg(long, requires = "used", conflicts_with = "not_used")]
    pub(crate) not_held: bool,
    /// Only where someone was looking over the whole window, so that not seen means not used
    #[arg(long)]
    pub(crate) observed: bool,
    /// On this resource id or glob
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) on: Option<String>,
    /// Held also as any identity that it can come to act as
    #[arg(long)]
    pub(crate) effective: bool,
    /// When: RFC 3339, or a day; now where absent
    #[arg(long, value_name = "TIME", value_parser = times::instant)]
    pub(crate) at: Option<Instant>,
    /// As it was known then
    #[arg(long, value_name = "TIME", value_parser = times::instant, conflicts_with = "ledger_size")]
    pub(crate) known_at: Option<Instant>,
    /// As the first so many records have it
    #[arg(long, value_name = "RECORDS")]
    pub(crate) ledger_size: Option<u64>,
    /// The window: that long before --at, such as 1h or 90d; 1h where nothing is named
    #[arg(long, value_name = "LENGTH", value_parser = times::duration, conflicts_with = "from")]
    pub(crate) last: Option<Duration>,
    /// The window's first moment
    #[arg(long, value_name = "TIME", value_parser = times::instant)]
    pub(crate) from: Option<Instant>,
    /// The first moment after the window; --at where absent
    #[arg(long, value_name = "TIME", value_parser = times::instant)]
    pub(crate) to: Option<Instant>,
    /// How many to list
    #[arg(long, value_name = "COUNT")]
    pub(crate) first: Option<u32>,
}

fn privilege(text: &str) -> Result<Privilege, String> {
    Privilege::from_name(&text.replace('-', "_")).ok_or_else(|| {
        let names: Vec<String> = Privilege::ALL.iter().map(|each| each.name().to_ascii_lowercase()).collect();
        format!("is one of {}", names.join(", "))
    })
}

impl Question {
    /// The GraphQL text that it stands for.
    pub(crate) fn graphql(&self) -> Result<String, Failure> {
        if self.held.is_empty() && self.used.is_empty() {
            return Err(
                "nothing is asked: give GraphQL text, or --held or --used (see `asof query --help`)".into()
            );
        }
        if self.not_used && self.held.is_empty() {
            return Err("--not-used goes with --held".into());
        }
        let mut filters = Vec::new();
        if !self.held.is_empty() {
            let effective = if self.effective { ", effective: true" } else { "" };
            filters.push(format!(
                "holds: {{ privileges: {}{}{effective} }}",
                names(&self.held),
                self.resource()
            ));
        }
        let used = if self.used.is_empty() { &self.held } else { &self.used };
        let seen = format!("{{ privileges: {}{}, during: {} }}", names(used), self.resource(), self.window());
        if self.not_used {
            filters.push(format!("not: {{ used: {seen} }}"));
        } else if self.not_held {
            let effective = if self.effective { ", effective: true" } else { "" };
            filters.push(format!("usedWithoutHolding: {{ used: {seen}{effective} }}"));
        } else if !self.used.is_empty() {
            filters.push(format!("used: {seen}"));
        }
        if self.observed {
            filters.push(format!("observed: {seen}"));
        }
        let mut arguments = vec![format!("where: {{\n    {}\n  }}", filters.join("\n    "))];
        arguments.extend(self.point());
        arguments.extend(self.first.map(|first| format!("first: {first}")));
        Ok(format!(
            "{{\n  identities({}) {{\n    totalCount\n    nodes {{ id name type lastUsed }}\n    snapshot {{ asOf \
             ledgerSize recordedAt root }}\n  }}\n}}",
            arguments.join(", ")
        ))
    }

    fn resource(&self) -> String {
        self.on
            .as_ref()
            .map(|on| format!(", on: {}", serde_json::Value::from(on.as_str())))
            .unwrap_or_default()
    }

    fn window(&self) -> String {
        let last = match (self.last, self.from) {
            (None, None) => Some(LAST_DEFAULT),
            (last, _) => last,
        };
        let members = [
            self.from.map(|from| format!("from: \"{from}\"")),
            self.to.map(|to| format!("to: \"{to}\"")),
            last.map(|last| format!("last: \"{last}\"")),
        ];
        format!("{{ {} }}", members.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }

    fn point(&self) -> Option<String> {
        let members = [
            self.at.map(|at| format!("asOf: \"{at}\"")),
            self.known_at.map(|at| format!("knownAt: \"{at}\"")),
            self.ledger_size.map(|size| format!("ledgerSize: {size}")),
        ];
        let members: Vec<String> = members.into_iter().flatten().collect();
        (!members.is_empty()).then(|| format!("at: {{ {} }}", members.join(", ")))
    }
}

fn names(privileges: &[Privilege]) -> String {
    let names: Vec<&str> = privileges.iter().map(|each| each.name()).collect();
    format!("[{}]", names.join(", "))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn held_and_used_at_a_moment() {
        let question = Question {
            held: vec![Privilege::Write],
            used: vec![Privilege::Write],
            at: Some(times::instant("2026-03-20T12:00:00Z").unwrap()),
            ..Question::default()
        };
        assert_eq!(
            words(&question.graphql().unwrap()),
            "{ identities(where: { holds: { privileges: [WRITE] } used: { privileges: [WRITE], during: { last: \"PT1H\" } } }, \
             at: { asOf: \"2026-03-20T12:00:00Z\" }) { totalCount nodes { id name type lastUsed } \
             snapshot { asOf ledgerSize recordedAt root } } }"
        );
    }

    #[test]
    fn held_and_surely_not_used() {
        let question = Question {
            held: vec![Privilege::Admin],
            not_used: true,
            observed: true,
            on: Some("a\"b".to_owned()),
            last: Some(Duration::from_secs(86_400)),
            ..Question::default()
        };
        let text = words(&question.graphql().unwrap());
        assert!(
            text.contains(
                "not: { used: { privileges: [ADMIN], on: \"a\\\"b\", during: { last: \"PT24H\" } } }"
            ),
            "{text}"
        );
        assert!(text.contains("observed: { privileges: [ADMIN]"), "{text}");
    }

    #[test]
    fn nothing_asked_says_what_to_give() {
        assert!(Question::default().graphql().unwrap_err().to_string().contains("--held"));
    }
}
