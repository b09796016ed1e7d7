//! Cursors: where a list goes on, and of which list, at which point. Opaque to clients.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version |
//! | 1 | kind of list |
//! | 8 | T, big-endian |
//! | 8 | K |
//! | 8 | the first bytes of the ledger's root at K: another history of so many records is not the same snapshot |
//! | 8, 8 | where it stands: the entry's position and 0; in a list of observations, its time and ledger index |
//! | 8 | how many entries the list has in all; 2^64 - 1 where nobody has asked yet |
//! | 16 | digest of the tenant, what the list hangs on, and the arguments that choose and order its entries |
//! | 16 | mark of the above, under the data folder's secret |

use asof_engine::{MARK_BYTES, Point, SealKey};
use asof_model::Instant;
use async_graphql::{Name, Value};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::failure::{BAD_CURSOR, Failure};

const VERSION: u8 = 2;
const ROOT: usize = 8;
const DIGEST: usize = 16;
const NUMBERS: usize = 6;
const SAID: usize = 2 + NUMBERS * 8 + DIGEST;
const LENGTH: usize = SAID + MARK_BYTES;
const UNCOUNTED: u64 = u64::MAX;
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
    DeadUses = 8,
    Coverages = 9,
}

impl List {
    /// Its entries are observations, which have places of their own.
    const fn is_of_events(self) -> bool {
        matches!(self, Self::Observations | Self::Uncovered | Self::DeadUses)
    }
}

/// Where an entry stands in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// So many entries stand before it.
    Position(u64),
    /// An observation's time and ledger index.
    Event(Instant, u64),
}

/// What a cursor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) point: Point,
    /// Which ledger of `point.size` records.
    pub(crate) root: [u8; ROOT],
    pub(crate) place: Place,
    /// How many entries there are in all, where somebody has counted.
    pub(crate) total: Option<u64>,
}

/// The part of a ledger's root that a cursor carries.
pub(crate) fn root(whole: [u8; 32]) -> [u8; ROOT] {
    let mut part = [0; ROOT];
    part.copy_from_slice(&whole[..ROOT]);
    part
}

/// Which list, of whom, filtered how: what all cursors of a list share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    list: List,
    digest: [u8; 32],
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
        let text = serde_json::json!([list as u8, tenant, of, filters]).to_string();
        Self { list, digest: Sha256::digest(text).into() }
    }

    /// The question that the list answers, whatever the page and the point.
    pub(crate) const fn question(&self) -> [u8; 32] {
        self.digest
    }

    /// A cursor's text.
    pub(crate) fn write(&self, key: &SealKey, cursor: &Cursor) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend([VERSION, self.list as u8]);
        bytes.extend(cursor.point.at.nanos().to_be_bytes());
        bytes.extend(cursor.point.size.to_be_bytes());
        bytes.extend(cursor.root);
        let (where_, index) = match cursor.place {
            Place::Position(position) => (position, 0),
            Place::Event(time, index) => (time.nanos() as u64, index),
        };
        bytes.extend(where_.to_be_bytes());
        bytes.extend(index.to_be_bytes());
        bytes.extend(cursor.total.unwrap_or(UNCOUNTED).to_be_bytes());
        bytes.extend(&self.digest[..DIGEST]);
        bytes.extend(key.mark(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a cursor of this list says.
    pub(crate) fn open(&self, key: &SealKey, text: &str) -> Result<Cursor, Failure> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == LENGTH);
        let Some(bytes) = bytes else {
            return Err(bad("is no cursor; give an endCursor or an edge's cursor"));
        };
        let (said, mark) = bytes.split_at(SAID);
        if !key.is_mark(said, mark) {
            return Err(bad("was not given out by this server; give an endCursor or an edge's cursor"));
        }
        let (numbers, digest) = said[2..].split_at(NUMBERS * 8);
        if said[0] != VERSION {
            return Err(bad("was made by another version: begin again without it"));
        }
        if said[1] != self.list as u8 || *digest != self.digest[..DIGEST] {
            return Err(bad(
                "belongs to another list: give it with the arguments, and to the tenant, it came from",
            ));
        }
        let eight = |place: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&numbers[place * 8..(place + 1) * 8]);
            eight
        };
        let number = |place| u64::from_be_bytes(eight(place));
        let instant = |place| {
            let at = Instant::from_nanos(i64::from_be_bytes(eight(place)));
            if at.is_in_range() { Ok(at) } else { Err(bad("has no moment between 1970 and 2262")) }
        };
        let place = if self.list.is_of_events() {
            Place::Event(instant(3)?, number(4))
        } else {
            Place::Position(number(3))
        };
        let total = Some(number(5)).filter(|total| *total != UNCOUNTED);
        Ok(Cursor { point: Point { at: instant(0)?, size: number(1) }, root: eight(2), place, total })
    }
}

/// A cursor that cannot be followed.
pub(crate) fn bad(why: &str) -> Failure {
    Failure::new(BAD_CURSOR, format!("the cursor {why}"))
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
    const KEY: SealKey = SealKey::new([9; 32]);
    const LISTS: [List; 9] = [
        List::Identities,
        List::Secrets,
        List::Nodes,
        List::Observations,
        List::Changes,
        List::Entitlements,
        List::Uncovered,
        List::DeadUses,
        List::Coverages,
    ];

    fn cursor(place: Place) -> Cursor {
        Cursor { point: POINT, root: [3; ROOT], place, total: Some(7) }
    }

    fn some(list: List) -> Cursor {
        cursor(if list.is_of_events() { Place::Event(POINT.at, 5) } else { Place::Position(5) })
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let whole = seal(List::Identities, "t", r#"{"where": {"type": {"eq": "a"}}}"#);
        for position in [0, 1, 99, u64::from(u32::MAX)] {
            for total in [None, Some(0), Some(position + 1)] {
                let given = Cursor { total, ..cursor(Place::Position(position)) };
                assert_eq!(whole.open(&KEY, &whole.write(&KEY, &given)).unwrap(), given);
            }
        }
        let events = seal(List::Observations, "t", "{}");
        let given = cursor(Place::Event(Instant::from_nanos(3), u64::MAX));
        assert_eq!(events.open(&KEY, &events.write(&KEY, &given)).unwrap(), given);
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
    fn a_cursor_of_any_list_is_foreign_to_every_other() {
        for list in LISTS {
            let own = seal(list, "t", r#"{"where": {"owned": true}}"#);
            let text = own.write(&KEY, &some(list));
            assert!(own.open(&KEY, &text).is_ok());
            for other in LISTS.into_iter().filter(|other| *other != list) {
                assert!(seal(other, "t", r#"{"where": {"owned": true}}"#).open(&KEY, &text).is_err());
            }
            for other in [
                seal(list, "u", r#"{"where": {"owned": true}}"#),
                seal(list, "t", r#"{"where": {"owned": false}}"#),
                seal(list, "t", "{}"),
                Seal::new(list, "t", "IDENTITY a", &arguments(r#"{"where": {"owned": true}}"#)),
            ] {
                assert!(other.open(&KEY, &text).is_err());
            }
            assert!(own.open(&SealKey::new([8; 32]), &text).is_err(), "another data folder's");
        }
    }

    #[test]
    fn no_change_of_bytes_opens() {
        for list in [List::Identities, List::Observations] {
            let own = seal(list, "t", "{}");
            let text = own.write(&KEY, &some(list));
            let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            for place in 0..bytes.len() {
                for change in 1..=u8::MAX {
                    let mut forged = bytes.clone();
                    forged[place] ^= change;
                    assert!(own.open(&KEY, &URL_SAFE_NO_PAD.encode(forged)).is_err());
                }
            }
            for length in 0..bytes.len() {
                assert!(own.open(&KEY, &URL_SAFE_NO_PAD.encode(&bytes[..length])).is_err());
                assert!(own.open(&KEY, &text[..length]).is_err());
            }
            for forged in ["x", "====", &format!("{text}AAAA"), &format!("{text}=")] {
                assert!(own.open(&KEY, forged).is_err(), "{forged}");
            }
        }
    }

    #[test]
    fn bytes_that_are_marked_are_read_or_refused() {
        let own = seal(List::Observations, "t", "{}");
        let bytes = URL_SAFE_NO_PAD.decode(own.write(&KEY, &some(List::Observations))).unwrap();
        for place in 0..SAID {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut said = bytes[..SAID].to_vec();
                said[place] = value;
                let mark = KEY.mark(&said);
                said.extend(mark);
                if let Ok(cursor) = own.open(&KEY, &URL_SAFE_NO_PAD.encode(&said)) {
                    assert!(cursor.point.at.is_in_range());
                }
            }
        }
    }
}
