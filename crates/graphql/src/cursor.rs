//! Cursors: where a list goes on, and of which list, at which point. Opaque to clients.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version |
//! | 1 | kind of list |
//! | 8 | T, big-endian |
//! | 8 | K |
//! | 8 | position of the entry that the cursor stands at |
//! | 16 | digest of the tenant, what the list hangs on, and the arguments that choose and order its entries |
//! | 8 | checksum of the above |

use asof_engine::Point;
use asof_model::Instant;
use async_graphql::{Name, Value};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::failure::{BAD_CURSOR, Failure};

const VERSION: u8 = 1;
const DIGEST: usize = 16;
const CHECKSUM: usize = 8;
const LENGTH: usize = 2 + 3 * 8 + DIGEST + CHECKSUM;
/// The arguments that choose a page or a point, not entries.
const NOT_FILTERS: [&str; 3] = ["first", "after", "at"];

/// The lists that have pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum List {
    Identities = 1,
    Secrets = 2,
    Nodes = 3,
    Observations = 4,
    Changes = 5,
    Entitlements = 6,
    Uncovered = 7,
}

/// Which list, of whom, filtered how: what all cursors of a list share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    list: List,
    digest: [u8; DIGEST],
}

impl Seal {
    /// `of`: what the list hangs on; empty at the root.
    pub(crate) fn new(list: List, tenant: &str, of: &str, arguments: &[(Name, Value)]) -> Self {
        let mut filters: Vec<(&str, serde_json::Value)> = arguments
            .iter()
            .filter(|(name, value)| !NOT_FILTERS.contains(&name.as_str()) && *value != Value::Null)
            .map(|(name, value)| (name.as_str(), canonical(value)))
            .collect();
        filters.sort_by_key(|(name, _)| *name);
        // JSON of texts has one reading, so no two questions share a text here.
        let text = serde_json::json!([tenant, of, filters]).to_string();
        let mut digest = [0; DIGEST];
        digest.copy_from_slice(&Sha256::digest(text)[..DIGEST]);
        Self { list, digest }
    }

    /// The cursor of an entry of an answer at a point.
    pub(crate) fn cursor(self, point: Point, position: u64) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend([VERSION, self.list as u8]);
        bytes.extend(point.at.nanos().to_be_bytes());
        bytes.extend(point.size.to_be_bytes());
        bytes.extend(position.to_be_bytes());
        bytes.extend(self.digest);
        bytes.extend(checksum(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The point and position of a cursor of this list.
    pub(crate) fn open(self, cursor: &str) -> Result<(Point, u64), Failure> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|bytes| bytes.len() == LENGTH);
        let Some(bytes) = bytes else {
            return Err(bad("is no cursor; give an endCursor or an edge's cursor"));
        };
        let (said, sum) = bytes.split_at(LENGTH - CHECKSUM);
        if checksum(said) != sum {
            return Err(bad("is no cursor that was given out; give an endCursor or an edge's cursor"));
        }
        if said[0] != VERSION {
            return Err(bad("was made by another version: begin again without it"));
        }
        if said[1] != self.list as u8 || said[2 + 3 * 8..] != self.digest {
            return Err(bad(
                "belongs to another list: give it with the arguments, and to the tenant, it came from",
            ));
        }
        let number = |place: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&said[2 + place * 8..2 + (place + 1) * 8]);
            u64::from_be_bytes(eight)
        };
        let at = Instant::from_nanos(number(0) as i64);
        if !at.is_in_range() {
            return Err(bad("has no moment between 1970 and 2262"));
        }
        Ok((Point { at, size: number(1) }, number(2)))
    }
}

/// A cursor that cannot be followed.
pub(crate) fn bad(why: &str) -> Failure {
    Failure::new(BAD_CURSOR, format!("the cursor {why}"))
}

fn checksum(said: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(
        &Sha256::new().chain_update(b"asof cursor").chain_update(said).finalize()[..CHECKSUM],
    );
    sum
}

/// Members in order of name, those that are null left out: what is asked for, however it is written.
fn canonical(value: &Value) -> serde_json::Value {
    match value {
        Value::List(each) => each.iter().map(canonical).collect(),
        Value::Object(members) => {
            let mut given: Vec<_> = members.iter().filter(|(_, value)| **value != Value::Null).collect();
            given.sort_by_key(|(name, _)| name.as_str());
            serde_json::Value::Array(
                given
                    .into_iter()
                    .map(|(name, value)| serde_json::json!([name.as_str(), canonical(value)]))
                    .collect(),
            )
        }
        // An enumeration's member is a name in the text and a string in the variables.
        Value::Enum(name) => serde_json::Value::String(name.to_string()),
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<(Name, Value)> {
        match Value::from_json(serde_json::from_str(text).unwrap()).unwrap() {
            Value::Object(members) => members.into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn seal(list: List, tenant: &str, text: &str) -> Seal {
        Seal::new(list, tenant, "", &arguments(text))
    }

    const POINT: Point = Point { at: Instant::from_nanos(1_750_000_000_000_000_007), size: 42 };

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let seal = seal(List::Identities, "t", r#"{"where": {"type": {"eq": "a"}}}"#);
        for position in [0, 1, 99, u64::from(u32::MAX)] {
            assert_eq!(seal.open(&seal.cursor(POINT, position)).unwrap(), (POINT, position));
        }
    }

    #[test]
    fn the_same_question_written_otherwise_is_the_same() {
        let one = seal(List::Identities, "t", r#"{"where": {"id": {"eq": "a"}, "owned": true}, "first": 3}"#);
        let other = seal(
            List::Identities,
            "t",
            r#"{"first": 9, "after": "x", "at": {}, "orderBy": null, "where": {"owned": true, "not": null, "id": {"eq": "a"}}}"#,
        );
        assert_eq!(one, other);
    }

    #[test]
    fn foreign_and_forged_cursors_are_refused() {
        let own = seal(List::Identities, "t", r#"{"where": {"owned": true}}"#);
        let cursor = own.cursor(POINT, 7);
        for other in [
            seal(List::Secrets, "t", r#"{"where": {"owned": true}}"#),
            seal(List::Identities, "u", r#"{"where": {"owned": true}}"#),
            seal(List::Identities, "t", r#"{"where": {"owned": false}}"#),
            seal(List::Identities, "t", "{}"),
        ] {
            assert!(other.open(&cursor).is_err());
        }
        for forged in
            ["", "x", &cursor[1..], &format!("{cursor}AAAA"), &cursor.replace(&cursor[20..24], "AAAA")]
        {
            assert!(own.open(forged).is_err(), "{forged}");
        }
    }
}
