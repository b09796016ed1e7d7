//! What the identities do, as a stream in order of arrival.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::{Duration, Instant, Observation, Outcome, Privilege};
use rand::RngExt;

use super::draw::{Random, Zipf, pick, random};
use super::facts::{identity_id, secret_id, workload_id};
use super::posture::{Grant, Secret, World};
use super::resource_id;

const DAY_MINUTES: usize = 24 * 60;
const MINUTE_NANOS: i64 = 60 * 1_000_000_000;
const CLASSES: [(Privilege, u32); 3] = [(Privilege::Read, 80), (Privilege::Write, 18), (Privilege::Admin, 2)];
/// How often an identity is drawn, until one holds the class at the moment and has such a secret as is wanted.
const DRAWS_MAX: usize = 100;

/// The observations, drawn minute by minute; those that are late wait until the stream has reached their arrival.
pub struct Runtime {
    world: Arc<World>,
    random: Random,
    users: Zipf,
    /// From how many workloads beside its home each secret was used.
    strays: Vec<u32>,
    /// How much of all has happened by the end of each minute: a daily rhythm, and bursts.
    by_minute: Vec<f64>,
    start: Instant,
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
        let by_minute = rhythm(world.workload.days as usize * DAY_MINUTES, &mut random);
        Self {
            strays: vec![0; world.secrets.len()],
            start: world.workload.span().from,
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
            let last = self.minute + 1 == self.by_minute.len();
            let due = if last { total } else { ((total as f64 * done) as u64).min(total) };
            let start = self.start.nanos() + self.minute as i64 * MINUTE_NANOS;
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
        let revoked = self.random.random_bool(0.005);
        let on_a_grant = self.random.random_bool(0.95);
        // Early in the span nobody may have a revoked secret yet.
        let who = self.who(class, at, revoked, on_a_grant).or_else(|| self.who(class, at, false, on_a_grant));
        let (identity, resource) = who.unwrap_or_else(|| {
            (self.users.draw(&mut self.random), self.world.popularity.draw(&mut self.random))
        });
        let mut seen = Observation::new(identity_id(identity), at, class);
        seen.event_id = event_id(number);
        seen.resource = resource_id(resource);
        if self.random.random_bool(0.03) {
            seen.outcome = Outcome::Denied;
        }
        let home = self.world.identity(identity).home_region;
        let away = self.random.random_bool(0.05);
        seen.region = format!("region-{:02}", if away { self.random.random_range(0..20) } else { home });
        let secret = self.secret(identity, at, revoked).or_else(|| self.secret(identity, at, false));
        if let Some((secret, home)) = secret {
            seen.secret = secret_id(secret);
            seen.workload = workload_id(self.workload(secret, home));
        }
        seen
    }

    /// An identity that is there at the moment, with a revoked secret where one is wanted, and a resource: one on which it
    /// is granted the class at the moment, or any.
    fn who(&mut self, class: Privilege, at: Instant, revoked: bool, on_a_grant: bool) -> Option<(u32, u32)> {
        for _ in 0..DRAWS_MAX {
            let identity = self.users.draw(&mut self.random);
            let there = self.world.identity(identity).during.contains(at);
            if !there || (revoked && self.secret(identity, at, true).is_none()) {
                continue;
            }
            if !on_a_grant {
                return Some((identity, self.world.popularity.draw(&mut self.random)));
            }
            if let Some(resource) = self.granted(identity, class, at) {
                return Some((identity, resource));
            }
        }
        None
    }

    /// A resource on which it is granted the class at the moment.
    fn granted(&mut self, identity: u32, class: Privilege, at: Instant) -> Option<u32> {
        let grants = self.world.grants_of(identity);
        let fits = |grant: &&Grant| grant.privilege == class && grant.during.contains(at);
        Some(from_anywhere(grants, &mut self.random).find(fits)?.resource)
    }

    /// A secret of its that works at the moment, or one that is revoked by then, and its home.
    fn secret(&mut self, identity: u32, at: Instant, revoked: bool) -> Option<(u32, u32)> {
        let secrets = self.world.secrets_of(identity);
        let fits = |secret: &&Secret| secret.issued <= at && (secret.revoked <= at) == revoked;
        let found = from_anywhere(secrets, &mut self.random).find(fits)?;
        Some((found.number, found.home))
    }

    /// Where a secret is used: at its home, and once in a hundred times from where it never was, while there is such a one.
    fn workload(&mut self, secret: u32, home: u32) -> u32 {
        if !self.random.random_bool(0.01) {
            return home;
        }
        let strays = &mut self.strays[secret as usize];
        *strays += 1;
        (home + *strays) % self.world.workload.workloads
    }
}

/// All of them, beginning anywhere.
fn from_anywhere<'a, T>(all: &'a [T], random: &mut Random) -> impl Iterator<Item = &'a T> + use<'a, T> {
    let (before, after) = all.split_at(random.random_range(0..all.len().max(1)).min(all.len()));
    after.iter().chain(before)
}

/// 16 letters that follow no order, as real ones do; one for each number (the finaliser of SplitMix64 is a bijection).
fn event_id(number: u64) -> String {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    format!("{:016x}", mixed ^ (mixed >> 31))
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
fn rhythm(minutes: usize, random: &mut Random) -> Vec<f64> {
    let mut sum = 0.0;
    let mut burst = 1.0;
    let mut so_far = Vec::with_capacity(minutes);
    for minute in 0..minutes {
        if minute % 60 == 0 {
            burst = if random.random_bool(0.02) { 4.0 } else { 1.0 };
        }
        let of_day = (minute % DAY_MINUTES) as f64 / DAY_MINUTES as f64;
        sum += burst * (1.0 + 0.6 * ((of_day - 14.0 / 24.0) * std::f64::consts::TAU).cos());
        so_far.push(sum);
    }
    so_far.iter().map(|done| done / sum).collect()
}
