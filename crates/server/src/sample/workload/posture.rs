//! Who there is and who is granted what, over the span.

use asof_model::{Duration, Instant, Interval, Privilege};
use rand::RngExt;

use super::draw::{Random, Zipf, pick, random, skewed_count};
use super::{END, SPAN_DAYS, START, Workload, moment};

/// Of 90 days, in nanoseconds.
const LENGTH: i64 = END.nanos() - START.nanos();

pub const TYPES: [&str; 6] =
    ["aws.iam.role", "k8s.serviceaccount", "gcp.serviceaccount", "oauth.app", "ci.job", "ai.agent"];
pub const ENVIRONMENTS: [&str; 3] = ["prod", "staging", "dev"];
const GRANTED: [(Privilege, u32); 3] = [(Privilege::Read, 70), (Privilege::Write, 25), (Privilege::Admin, 5)];
/// How often a grant is drawn until it is a new one.
const DRAWS_MAX: usize = 20;

/// A privilege on a resource, over a stretch.
pub struct Grant {
    pub privilege: Privilege,
    pub resource: u32,
    pub during: Interval,
}

/// An identity's life.
pub struct Identity {
    pub during: Interval,
    pub home_region: u32,
    pub kind: usize,
    pub environment: usize,
    pub owner: u32,
    /// Where its grants end in the common list; they start where its neighbour's end.
    grants_end: usize,
    /// The same for its secrets.
    secrets_end: usize,
}

/// A secret's life. It belongs to one identity and is used from one workload, its home.
pub struct Secret {
    pub number: u32,
    pub issued: Instant,
    pub revoked: Instant,
    pub home: u32,
    pub identity: u32,
}

/// An edge between two numbered nodes over a stretch.
pub struct Link {
    pub from: u32,
    pub to: u32,
    pub during: Interval,
}

/// All of the tenant's posture, in numbers.
pub struct World {
    pub workload: Workload,
    pub popularity: Zipf,
    identities: Vec<Identity>,
    pub grants: Vec<Grant>,
    pub secrets: Vec<Secret>,
    pub runs_as: Vec<Link>,
    pub can_assume: Vec<Link>,
}

impl World {
    pub fn new(workload: &Workload) -> Self {
        let popularity = Zipf::new(workload.resources, 0.0, 1.1, &mut random(workload.seed, 1));
        let mut world = Self {
            workload: *workload,
            popularity,
            identities: Vec::new(),
            grants: Vec::new(),
            secrets: Vec::new(),
            runs_as: Vec::new(),
            can_assume: Vec::new(),
        };
        world.draw_identities();
        world.draw_secrets();
        world.runs_as = world.draw_runs_as();
        world.can_assume = world.draw_can_assume();
        world
    }

    /// An identity by its number.
    pub fn identity(&self, number: u32) -> &Identity {
        &self.identities[number as usize]
    }

    /// What it is granted, ever.
    pub fn grants_of(&self, number: u32) -> &[Grant] {
        let start = self.before(number).map_or(0, |before| before.grants_end);
        &self.grants[start..self.identity(number).grants_end]
    }

    /// What it signs in with, ever.
    pub fn secrets_of(&self, number: u32) -> &[Secret] {
        let start = self.before(number).map_or(0, |before| before.secrets_end);
        &self.secrets[start..self.identity(number).secrets_end]
    }

    fn before(&self, number: u32) -> Option<&Identity> {
        number.checked_sub(1).map(|before| self.identity(before))
    }

    fn draw_identities(&mut self) {
        let mut random = random(self.workload.seed, 2);
        for _ in 0..self.workload.identities {
            let during = life(self.workload.span(), &mut random);
            let first = self.grants.len();
            draw_grants(
                &mut self.grants,
                &self.popularity,
                part(self.workload.span(), 0),
                during,
                &mut random,
            );
            let granted = self.grants.len() - first;
            for turn in 1..self.workload.days / SPAN_DAYS {
                draw_later_grants(
                    &mut self.grants,
                    granted.div_ceil(2),
                    &self.popularity,
                    part(self.workload.span(), turn),
                    during,
                    &mut random,
                );
            }
            self.identities.push(Identity {
                during,
                home_region: random.random_range(0..20),
                kind: random.random_range(0..TYPES.len()),
                environment: random.random_range(0..ENVIRONMENTS.len()),
                owner: random.random_range(0..self.workload.owners),
                grants_end: self.grants.len(),
                secrets_end: 0,
            });
        }
    }

    /// 1.5 of an identity: one that is never revoked, and more by lot. Of all, 20 % are revoked within the span.
    fn draw_secrets(&mut self) {
        let mut random = random(self.workload.seed, 3);
        let Workload { identities, secrets, workloads, .. } = self.workload;
        let Interval { from: start, to: end } = self.workload.span();
        let mut counts: Vec<u32> = (0..identities).map(|number| u32::from(number < secrets)).collect();
        let by_lot = secrets.saturating_sub(identities);
        for _ in 0..by_lot {
            counts[random.random_range(0..identities) as usize] += 1;
        }
        let revoked_share = (0.2 * f64::from(secrets) / f64::from(by_lot.max(1))).min(1.0);
        for (number, count) in counts.into_iter().enumerate() {
            let since = self.identities[number].during.from;
            for turn in 0..count {
                let issued = since.max(earlier(start, &mut random));
                let revoked = if turn > 0 && random.random_bool(revoked_share) {
                    between(issued.max(start), end, &mut random)
                } else {
                    Instant::FOREVER
                };
                self.secrets.push(Secret {
                    number: self.secrets.len() as u32,
                    issued,
                    revoked,
                    home: random.random_range(0..workloads),
                    identity: number as u32,
                });
            }
            self.identities[number].secrets_end = self.secrets.len();
        }
    }

    /// One to three identities of each workload, one after the other.
    fn draw_runs_as(&self) -> Vec<Link> {
        let mut random = random(self.workload.seed, 4);
        let mut links = Vec::new();
        let Interval { from: start, to: end } = self.workload.span();
        for from in 0..self.workload.workloads {
            let mut since = earlier(start, &mut random);
            let turns = random.random_range(1..=3_u32);
            for turn in 1..=turns {
                let last = turn == turns;
                let until = if last { Instant::FOREVER } else { between(since.max(start), end, &mut random) };
                let to = random.random_range(0..self.workload.identities);
                let during = common(Interval { from: since, to: until }, self.identity(to).during);
                links.extend(during.map(|during| Link { from, to, during }));
                since = until;
            }
        }
        links
    }

    /// Each identity can be assumed by two of lower numbers, mostly by one of a few hubs: like a forest.
    fn draw_can_assume(&self) -> Vec<Link> {
        let mut random = random(self.workload.seed, 5);
        let hubs = Zipf::new(self.workload.identities, 0.99, 0.7, &mut random);
        let mut links: Vec<Link> = Vec::new();
        for to in 1..self.workload.identities {
            for _ in 0..2 {
                let hub = hubs.draw(&mut random);
                let from = if hub < to && random.random_bool(0.8) { hub } else { random.random_range(0..to) };
                let both = common(self.identity(from).during, self.identity(to).during);
                let during = both.and_then(|both| common(both, life(self.workload.span(), &mut random)));
                let again = links.last().is_some_and(|last| (last.from, last.to) == (from, to));
                links.extend(during.filter(|_| !again).map(|during| Link { from, to, during }));
            }
        }
        links
    }
}

/// 10 % are created within the span, 2 % deleted within it.
fn life(span: Interval, random: &mut Random) -> Interval {
    let from =
        if random.random_bool(0.1) { moment(span, random.random()) } else { earlier(span.from, random) };
    let to = if random.random_bool(0.02) {
        between(from.max(span.from), span.to, random)
    } else {
        Instant::FOREVER
    };
    Interval { from, to }
}

/// Mean 10 of an identity. About half are open since before the span, 40 % begin within it, 20 % end within it, and of
/// these a third is granted again. None outlives its identity.
fn draw_grants(
    grants: &mut Vec<Grant>,
    popularity: &Zipf,
    part: Interval,
    life: Interval,
    random: &mut Random,
) {
    let first = grants.len();
    let end = part.to.min(life.to);
    for _ in 0..skewed_count(10.0, 500, random) {
        let Some((privilege, resource)) = draw_new(&grants[first..], popularity, random) else { continue };
        let from =
            if random.random_bool(0.4) { between(life.from.max(part.from), end, random) } else { life.from };
        let mut push = |during| {
            grants.extend(common(during, life).map(|during| Grant { privilege, resource, during }));
        };
        if random.random_bool(0.2) {
            let to = between(from.max(part.from), end, random);
            push(Interval { from, to });
            if random.random_bool(0.33) {
                push(Interval { from: between(to, end, random), to: Instant::FOREVER });
            }
        } else {
            push(Interval { from, to: Instant::FOREVER });
        }
    }
}

/// A span's nth part of 90 days.
fn part(span: Interval, turn: u32) -> Interval {
    let from = span.from.plus(Duration::from_nanos(LENGTH * i64::from(turn)));
    Interval { from, to: from.plus(Duration::from_nanos(LENGTH)) }
}

/// In each later part of the span as much comes and goes: so many grants that begin within it, and end at most a span
/// after that.
fn draw_later_grants(
    grants: &mut Vec<Grant>,
    count: usize,
    popularity: &Zipf,
    part: Interval,
    life: Interval,
    random: &mut Random,
) {
    let Some(alive) = common(part, life) else { return };
    let first = grants.len();
    for _ in 0..count {
        let Some((privilege, resource)) = draw_new(&grants[first..], popularity, random) else { continue };
        let from = between(alive.from, alive.to, random);
        let length = random.random_range(1..LENGTH);
        let during = Interval { from, to: from.plus(Duration::from_nanos(length)) };
        grants.extend(common(during, life).map(|during| Grant { privilege, resource, during }));
    }
}

/// A privilege, and a resource on which it is not granted; the latter drawn again where it is, and given up where it
/// always is.
fn draw_new(granted: &[Grant], popularity: &Zipf, random: &mut Random) -> Option<(Privilege, u32)> {
    let privilege = pick(&GRANTED, random).unwrap_or(Privilege::Read);
    (0..DRAWS_MAX)
        .map(|_| (privilege, popularity.draw(random)))
        .find(|drawn| granted.iter().all(|grant| (grant.privilege, grant.resource) != *drawn))
}

/// Up to two years before the span.
fn earlier(start: Instant, random: &mut Random) -> Instant {
    start.minus(Duration::from_secs(random.random_range(1..730 * 86_400)))
}

/// After `from` and before `to`, where there is room; right after `from` where there is none.
fn between(from: Instant, to: Instant, random: &mut Random) -> Instant {
    let room = (to.nanos() - from.nanos()).max(2);
    from.plus(Duration::from_nanos(random.random_range(1..room)))
}

/// Where both are.
fn common(one: Interval, other: Interval) -> Option<Interval> {
    let (from, to) = (one.from.max(other.from), one.to.min(other.to));
    (from < to).then_some(Interval { from, to })
}
