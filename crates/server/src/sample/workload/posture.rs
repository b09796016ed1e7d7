//! Who there is and who is granted what, over the span.

use asof_model::{Duration, Instant, Interval, Privilege};
use rand::RngExt;

use super::draw::{Random, Zipf, pick, random, skewed_count};
use super::{END, START, Workload, moment};

pub const TYPES: [&str; 6] =
    ["aws.iam.role", "k8s.serviceaccount", "gcp.serviceaccount", "oauth.app", "ci.job", "ai.agent"];
pub const ENVIRONMENTS: [&str; 3] = ["prod", "staging", "dev"];
const GRANTED: [(Privilege, u32); 3] = [(Privilege::Read, 70), (Privilege::Write, 25), (Privilege::Admin, 5)];

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
            secrets: secrets(workload),
            runs_as: runs_as(workload),
            can_assume: can_assume(workload),
        };
        world.draw_identities();
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
        let mut secrets_end = 0;
        for number in 0..self.workload.identities {
            let during = life(&mut random);
            draw_grants(&mut self.grants, &self.popularity, during, &mut random);
            while self.secrets.get(secrets_end).is_some_and(|secret| secret.identity == number) {
                secrets_end += 1;
            }
            self.identities.push(Identity {
                during,
                home_region: random.random_range(0..20),
                kind: random.random_range(0..TYPES.len()),
                environment: random.random_range(0..ENVIRONMENTS.len()),
                owner: random.random_range(0..self.workload.owners),
                grants_end: self.grants.len(),
                secrets_end,
            });
        }
    }
}

/// 10 % are created within the span, 2 % deleted within it.
fn life(random: &mut Random) -> Interval {
    let from = if random.random_bool(0.1) { moment(random.random()) } else { earlier(random) };
    let to = if random.random_bool(0.02) { between(from.max(START), END, random) } else { Instant::FOREVER };
    Interval { from, to }
}

/// Mean 10 of an identity. About half are open since before the span, 40 % begin within it, 20 % end within it, and of
/// these a third is granted again.
fn draw_grants(grants: &mut Vec<Grant>, popularity: &Zipf, life: Interval, random: &mut Random) {
    let first = grants.len();
    for _ in 0..skewed_count(10.0, 500, random) {
        let privilege = pick(&GRANTED, random).unwrap_or(Privilege::Read);
        let resource = popularity.draw(random);
        let known = |grant: &Grant| grant.privilege == privilege && grant.resource == resource;
        if grants[first..].iter().any(known) {
            continue;
        }
        let from =
            if random.random_bool(0.4) { between(life.from.max(START), END, random) } else { life.from };
        let mut during = Interval { from, to: Instant::FOREVER };
        if random.random_bool(0.2) {
            during.to = between(from.max(START), END, random);
            if random.random_bool(0.33) {
                let again = Interval { from: between(during.to, END, random), to: Instant::FOREVER };
                grants.push(Grant { privilege, resource, during: again });
            }
        }
        grants.push(Grant { privilege, resource, during });
    }
}

/// 1.5 of an identity where there are as many: each has one, the rest goes by lot; 20 % are revoked within the span.
fn secrets(workload: &Workload) -> Vec<Secret> {
    let mut random = random(workload.seed, 3);
    let mut secrets: Vec<Secret> = (0..workload.secrets)
        .map(|number| {
            let issued = earlier(&mut random);
            let revoked = if random.random_bool(0.2) { moment(random.random()) } else { Instant::FOREVER };
            let by_lot = random.random_range(0..workload.identities);
            let identity = if number < workload.identities { number } else { by_lot };
            Secret { number, issued, revoked, home: random.random_range(0..workload.workloads), identity }
        })
        .collect();
    secrets.sort_by_key(|secret| (secret.identity, secret.number));
    secrets
}

/// One to three identities of each workload, one after the other.
fn runs_as(workload: &Workload) -> Vec<Link> {
    let mut random = random(workload.seed, 4);
    let mut links = Vec::new();
    for from in 0..workload.workloads {
        let mut since = earlier(&mut random);
        let turns = random.random_range(1..=3_u32);
        for turn in 1..=turns {
            let last = turn == turns;
            let to = if last { Instant::FOREVER } else { between(since.max(START), END, &mut random) };
            let identity = random.random_range(0..workload.identities);
            links.push(Link { from, to: identity, during: Interval { from: since, to } });
            since = to;
        }
    }
    links
}

/// Two of each identity, to one of a lower number, mostly to a few hubs: like a forest.
fn can_assume(workload: &Workload) -> Vec<Link> {
    let mut random = random(workload.seed, 5);
    let hubs = Zipf::new(workload.identities, 0.99, 1.1, &mut random);
    let mut links = Vec::new();
    for from in 1..workload.identities {
        for _ in 0..2 {
            let hub = hubs.draw(&mut random);
            let to = if hub < from && random.random_bool(0.8) { hub } else { random.random_range(0..from) };
            let during = life(&mut random);
            if links.last().is_none_or(|last: &Link| (last.from, last.to) != (from, to)) {
                links.push(Link { from, to, during });
            }
        }
    }
    links
}

/// Up to two years before the span.
fn earlier(random: &mut Random) -> Instant {
    START.minus(Duration::from_secs(random.random_range(1..730 * 86_400)))
}

/// After `from` and before `to`, where there is room; right after `from` where there is none.
fn between(from: Instant, to: Instant, random: &mut Random) -> Instant {
    let room = (to.nanos() - from.nanos()).max(2);
    from.plus(Duration::from_nanos(random.random_range(1..room)))
}
