//! Random histories and questions, the same for the same seed, and how a failing pair is made small. They seek the corners:
//! few ids and few moments, so that bounds coincide; several sources that overlap and correct each other; deletions and
//! rebirths; cycles, denials, conditions, actions and globs; coverage with holes; late, repeated and conflicting records.

mod ask;
mod history;
mod parts;
mod question;
mod rows;
mod shrink;
mod simpler;

use asof_model::Instant;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use ask::Ask;
pub use history::{history, keyed, regrouped, wide};
pub use question::{Answer, Question};
pub use rows::*;
pub use shrink::{Case, shrink};

/// A source of chance.
#[derive(Debug)]
pub struct Draw(StdRng);

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600 * SECOND;
const DAYS: i64 = 9;

impl Draw {
    /// The same seed draws the same things.
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// One of `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// Happens so often.
    pub fn chance(&mut self, p: f64) -> bool {
        self.0.random_bool(p)
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// One of these texts.
    pub fn text(&mut self, values: &[&str]) -> String {
        (*self.pick(values)).to_owned()
    }

    /// One to `most` of them, in their own order.
    pub fn some<T: Clone>(&mut self, values: &[T], most: usize) -> Vec<T> {
        let count = 1 + self.below(most.min(values.len()));
        let mut left = count;
        let mut chosen = Vec::new();
        for (place, value) in values.iter().enumerate() {
            if self.below(values.len() - place) < left {
                chosen.push(value.clone());
                left -= 1;
            }
        }
        chosen
    }

    /// In another order.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for place in (1..values.len()).rev() {
            values.swap(place, self.below(place + 1));
        }
    }

    /// Mostly one of few days' beginnings, so that intervals meet; now and then beside one, or at another hour.
    pub fn moment(&mut self) -> Instant {
        let mut t = START + self.below(DAYS as usize) as i64 * DAY;
        if self.chance(0.25) {
            t += *self.pick(&[
                -1,
                1,
                SECOND,
                MINUTE - 1,
                MINUTE,
                HOUR,
                HOUR + 1,
                12 * HOUR,
                DAY - MINUTE,
                3 * HOUR + 25 * MINUTE,
            ]);
        }
        Instant::from_nanos(t)
    }
}

const IDENTITIES: &[&str] = &["sa/0", "sa/1", "sa/2", "sa/3", "role/a", "role/\u{fc}", "group/a", "group/b"];
const GROUPS: &[&str] = &["group/a", "group/b"];
const ENTITLEMENTS: &[&str] = &["ent/0", "ent/1", "ent/2", "ent/3", "ent/4", "ent/5"];
const SECRETS: &[&str] = &["key/0", "key/1", "key/2"];
const WORKLOADS: &[&str] = &["pod/0", "pod/1"];
/// The last one is an id that looks like a glob.
const RESOURCES: &[&str] = &["s3/a", "s3/ab", "s3/a/x", "db/1", "db/22", "db/\u{fc}", "tool/Run", "s3/*"];
const OWNERS: &[&str] = &["team/a", "team/b"];
const SOURCES: &[&str] = &["inventory/a", "inventory/b", "trail/1"];
const ACTIONS: &[&str] = &["s3:GetObject", "s3:PutObject", "pods/create"];
const REGIONS: &[&str] = &["eu-west-1", "us-east-1"];
const ADDRESSES: &[&str] = &["10.0.0.1", "203.0.113.7"];
const TYPES: &[&str] = &["aws.iam.role", "ai.agent", "k8s.serviceaccount"];
const NAMES: &[&str] = &["Billing", "billing", "Deploy"];
const SCOPES: &[&str] = &[
    "*", "**", "s3/*", "s3/?", "s3/a*", "s3/*/x", "*/x", "db/?", "db/2*", "db/*2", "tool/*un", "s3/a",
    "db/1", "?b/*", "db/??",
];
const PATTERNS: &[&str] = &[
    "*", "s3/*", "db/?", "db/2*", "*2", "*a*", "s3/a", "s3/a/x", "db/1", "db/22", "?3/*", "tool/Run", "none",
];
