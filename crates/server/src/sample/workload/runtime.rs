//! What the identities do, as a stream in order of arrival.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::{Duration, Instant, Observation, Outcome, Privilege};
use rand::RngExt;

use super::draw::{Random, Zipf, pick, random};
use super::facts::{identity_id, secret_id, workload_id};
use super::posture::{Secret, World};
use super::{SPAN, resource_id};

const MINUTES: usize = 90 * 24 * 60;
const MINUTE_NANOS: i64 = 60 * 1_000_000_000;
const CLASSES: [(Privilege, u32); 3] = [(Privilege::Read, 80), (Privilege::Write, 18), (Privilege::Admin, 2)];
/// How often another identity is drawn, until one holds the class at the moment.
const DRAWS_MAX: usize = 20;

/// The observations, drawn minute by minute; those that are late wait until the stream has reached their arrival.
pub struct Runtime {
    world: Arc<World>,
    random: Random,
    users: Zipf,
    /// How much of all has happened by the end of each minute: a daily rhythm, and bursts.
    by_minute: Vec<f64>,
    minute: usize,
    made: u64,
    /// The moments of the current minute that are still to come, latest first.
    moments: Vec<Instant>,
    late: BTreeMap<(Instant, u64), Observation>,
    next: Option<Observation>,
}

impl Runtime {
    pub fn new(world: Arc<World>) -> Self {
        let mut random = random(world.workload.seed, 6);
        // 30 % of the identities are never seen.
        let users = Zipf::new(world.workload.identities, 0.3, 1.05, &mut random);
        let by_minute = rhythm(&mut random);
        Self {
            world,
            random,
            users,
            by_minute,
            minute: 0,
            made: 0,
            moments: Vec::new(),
            late: BTreeMap::new(),
            next: None,
        }
    }

    /// The next moment at which something happens.
    fn moment(&mut self) -> Option<Instant> {
        while self.moments.is_empty() {
            let done = *self.by_minute.get(self.minute)?;
            let total = self.world.workload.observations;
            let last = self.minute + 1 == MINUTES;
            let due = if last { total } else { ((total as f64 * done) as u64).min(total) };
            let start = SPAN.from.nanos() + self.minute as i64 * MINUTE_NANOS;
            for _ in self.made..due {
                self.moments.push(Instant::from_nanos(start + self.random.random_range(0..MINUTE_NANOS)));
            }
            self.moments.sort_unstable_by(|one, other| other.cmp(one));
            self.made = due.max(self.made);
            self.minute += 1;
        }
        self.moments.pop()
    }

    fn observe(&mut self, number: u64, at: Instant) -> Observation {
        let class = pick(&CLASSES, &mut self.random).unwrap_or(Privilege::Read);
        let (identity, resource) = self.identity_and_resource(class, at);
        let mut seen = Observation::new(identity_id(identity), at, class);
        seen.event_id = format!("{number:09}");
        seen.resource = resource_id(resource);
        seen.action = format!("table:{}", class.name().to_ascii_lowercase());
        if self.random.random_bool(0.03) {
            seen.outcome = Outcome::Denied;
        }
        let home = self.world.identity(identity).home_region;
        let away = self.random.random_bool(0.05);
        seen.region = format!("region-{:02}", if away { self.random.random_range(0..20) } else { home });
        if let Some((secret, home)) = self.secret(identity, at) {
            seen.secret = secret_id(secret);
            let away = self.random.random_bool(0.01);
            let workloads = self.world.workload.workloads;
            seen.workload = workload_id(if away { self.random.random_range(0..workloads) } else { home });
        }
        seen
    }

    /// 95 % on a grant that is held at the moment, the rest on anything.
    fn identity_and_resource(&mut self, class: Privilege, at: Instant) -> (u32, u32) {
        let on_a_grant = self.random.random_bool(0.95);
        let mut identity = self.users.draw(&mut self.random);
        for _ in 0..DRAWS_MAX {
            if self.world.identity(identity).during.contains(at) {
                if !on_a_grant {
                    break;
                }
                if let Some(resource) = self.granted(identity, class, at) {
                    return (identity, resource);
                }
            }
            identity = self.users.draw(&mut self.random);
        }
        (identity, self.world.popularity.draw(&mut self.random))
    }

    /// A resource on which it is granted the class at the moment; the search begins anywhere.
    fn granted(&mut self, identity: u32, class: Privilege, at: Instant) -> Option<u32> {
        let grants = self.world.grants_of(identity);
        let middle = self.random.random_range(0..grants.len().max(1));
        let (before, after) = grants.split_at_checked(middle)?;
        let mut turned = after.iter().chain(before);
        let found = turned.find(|grant| grant.privilege == class && grant.during.contains(at))?;
        Some(found.resource)
    }

    /// One that works at the moment; in one of 200 cases one that is revoked, where there is one.
    fn secret(&mut self, identity: u32, at: Instant) -> Option<(u32, u32)> {
        let revoked_wanted = self.random.random_bool(0.005);
        let secrets = self.world.secrets_of(identity);
        let find = |revoked: bool| {
            let fits = |secret: &&Secret| secret.issued <= at && (secret.revoked <= at) == revoked;
            secrets.iter().find(fits)
        };
        let found = if revoked_wanted { find(true).or_else(|| find(false)) } else { find(false) };
        found.map(|secret| (secret.number, secret.home))
    }
}

impl Iterator for Runtime {
    type Item = Observation;

    fn next(&mut self) -> Option<Observation> {
        loop {
            if let Some(next) = &self.next {
                let arrives_first = self.late.first_entry().filter(|entry| entry.key().0 <= next.time);
                return match arrives_first {
                    Some(entry) => Some(entry.remove()),
                    None => self.next.take(),
                };
            }
            let number = self.made - self.moments.len() as u64;
            let Some(at) = self.moment() else { return self.late.pop_first().map(|(_, seen)| seen) };
            let seen = self.observe(number, at);
            if self.random.random_bool(0.02) {
                let delay = Duration::from_secs(self.random.random_range(60..6 * 3600));
                self.late.insert((at.plus(delay), number), seen);
            } else {
                self.next = Some(seen);
            }
        }
    }
}

/// Most at 14:00 UTC, least at 2:00; one hour in fifty has four times as much.
fn rhythm(random: &mut Random) -> Vec<f64> {
    let mut sum = 0.0;
    let mut burst = 1.0;
    let mut so_far = Vec::with_capacity(MINUTES);
    for minute in 0..MINUTES {
        if minute % 60 == 0 {
            burst = if random.random_bool(0.02) { 4.0 } else { 1.0 };
        }
        let of_day = (minute % 1440) as f64 / 1440.0;
        sum += burst * (1.0 + 0.6 * ((of_day - 14.0 / 24.0) * std::f64::consts::TAU).cos());
        so_far.push(sum);
    }
    so_far.iter().map(|done| done / sum).collect()
}
