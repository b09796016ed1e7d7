//! What the drawn histories and questions come to: a property test that never meets a corner proves nothing of it.

use std::collections::BTreeMap;

use asof_model::{EdgeKind, EdgeRef, Effect, NodeKind, Op, Value};
use asof_tests::draw::{Answer, Draw, Question, history};
use asof_tests::naive::{Key, Known, Ledger, Seen, State, Stated, node};

use crate::chance::seed;

/// How often each thing was met, of how many.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, (u64, u64)>);

impl Tally {
    /// Once more, and whether it was met.
    pub fn count(&mut self, what: impl Into<String>, met: bool) {
        let counts = self.0.entry(what.into()).or_default();
        counts.0 += u64::from(met);
        counts.1 += 1;
    }

    /// A question of a kind, and whether its answer says anything.
    pub fn asked(&mut self, question: &Question, answer: &Answer) {
        self.count(question.kind(), question.tells(answer));
    }

    /// Prints the shares; each is at least so many per cent, and was asked so often.
    pub fn hold(&self, percent: u64, least: u64) {
        let mut short = Vec::new();
        for (what, (met, all)) in &self.0 {
            println!("{what}: {met} of {all}, {}%", met * 100 / all);
            if *all < least || met * 100 < percent * all {
                short.push(format!("{what}: {met} of {all}"));
            }
        }
        assert!(short.is_empty(), "fewer than {percent}% or than {least} in all: {short:#?}");
    }
}

fn edge(key: &Key) -> Option<&EdgeRef> {
    match key {
        Key::Edge(edge) => Some(edge),
        Key::Node(_) | Key::Coverage(..) => None,
    }
}

fn is_value(state: &State) -> bool {
    matches!(state, State::Value(_))
}

fn corners(tally: &mut Tally, known: &Known<'_>) {
    let reborn = |key: &Key| {
        let states: Vec<bool> = known.versions(key).iter().map(|(_, _, state)| is_value(state)).collect();
        states.windows(3).any(|three| three == [true, false, true])
    };
    let any_key = |so: &dyn Fn(&Key) -> bool| known.keys.iter().any(so);
    tally.count("node deleted and reborn", any_key(&|key| matches!(key, Key::Node(_)) && reborn(key)));
    tally.count("edge deleted and reborn", any_key(&|key| matches!(key, Key::Edge(_)) && reborn(key)));
    let deleted = |key: &Key| known.versions(key).iter().any(|(_, _, state)| *state == State::Deleted);
    let secret = |key: &Key| matches!(key, Key::Node(node) if node.kind == NodeKind::Secret);
    tally.count("secret deleted", any_key(&|key| secret(key) && deleted(key)));
    let holes = |key: &Key| matches!(key, Key::Coverage(..)) && known.versions(key).len() > 1;
    tally.count("coverage in several stretches", any_key(&holes));
    rulings(tally, known);
    facts(tally, known);
    walks(tally, known);
    seen(tally, known);
}

fn rulings(tally: &mut Tally, known: &Known<'_>) {
    let (mut several, mut ended, mut all_ended, mut goes_on) = (false, false, false, false);
    for key in &known.keys {
        for at in &known.bounds {
            let rulings = known.rulings(key, *at);
            let ends = rulings.iter().filter(|stated| stated.fact.op == Op::End).count();
            several |= rulings.len() > 1;
            ended |= ends > 0;
            all_ended |= ends > 1 && ends == rulings.len();
            goes_on |= ends > 0 && ends < rulings.len();
        }
    }
    tally.count("several sources rule", several);
    tally.count("a source ended it", ended);
    tally.count("several sources ended it", all_ended);
    tally.count("one source ended it, another has it", goes_on);
}

fn facts(tally: &mut Tally, known: &Known<'_>) {
    let any = |so: &dyn Fn(&Stated<'_>) -> bool| known.facts.iter().any(so);
    let yields = |stated: &Stated<'_>, late: bool| {
        stated.fact.until_next
            && known.revisions(&stated.key).iter().any(|next| {
                next.source == stated.source
                    && next.fact.valid_from > stated.fact.valid_from
                    && (next.index < stated.index) == late
            })
    };
    tally.count("until_next yields to a later record", any(&|stated| yields(stated, false)));
    tally.count("until_next yields to an earlier record", any(&|stated| yields(stated, true)));
    let denies = |stated: &Stated<'_>, so: &dyn Fn(&asof_model::EntitlementValue) -> bool| {
        matches!(&stated.fact.op, Op::Put(Value::Node(said)) if said
            .entitlement.as_ref().is_some_and(|said| said.effect == Effect::Deny && so(said)))
    };
    tally.count("DENY of actions", any(&|stated| denies(stated, &|said| !said.actions.is_empty())));
    tally.count("DENY on a condition", any(&|stated| denies(stated, &|said| said.conditional)));
    let late = |stated: &Stated<'_>| {
        let before = known.revisions(&stated.key);
        before.iter().any(|each| each.index < stated.index && each.fact.valid_from > stated.fact.valid_from)
    };
    tally.count("a fact that came late", any(&late));
}

fn walks(tally: &mut Tally, known: &Known<'_>) {
    let identities: Vec<_> = known.named.iter().filter(|each| each.kind == NodeKind::Identity).collect();
    let (mut groups, mut roles, mut chain, mut survivor) = (false, false, false, false);
    for at in &known.bounds {
        for each in &identities {
            let direct = |kind| known.to(kind, each, *at).contains(each);
            groups |= !direct(EdgeKind::MemberOf) && known.groups(each, *at).contains(each);
            roles |= !direct(EdgeKind::CanAssume) && known.assumes(each, *at).contains(each);
        }
        for key in known.keys.iter().filter_map(edge).filter(|edge| edge.kind == EdgeKind::Issued) {
            let middle = node(NodeKind::Secret, &key.to);
            let next = known.to(EdgeKind::Issued, &middle, *at);
            chain |= known.in_force(&Key::Edge(key.clone()), *at)
                && next.iter().any(|last| last.id != key.from && last.id != key.to);
            survivor |= known.survives(&middle, *at);
        }
    }
    tally.count("groups in a cycle", groups);
    tally.count("roles in a cycle", roles);
    tally.count("a chain of ISSUED", chain);
    tally.count("a secret survives another", survivor);
    let own = |kind: EdgeKind| {
        known.keys.iter().filter_map(edge).any(|edge| edge.kind == kind && edge.from == edge.to)
    };
    tally.count("a member of itself", own(EdgeKind::MemberOf));
    tally.count("assumes itself", own(EdgeKind::CanAssume));
}

fn seen(tally: &mut Tally, known: &Known<'_>) {
    let late = |each: &Seen<'_>| {
        known.seen.iter().any(|other| other.index < each.index && other.what.time > each.what.time)
    };
    tally.count("an observation that came late", known.seen.iter().any(late));
    let same = |pair: &[Seen<'_>]| pair[0].what.time == pair[1].what.time;
    tally.count("observations of one moment", known.seen.windows(2).any(same));
    let last = known.bounds.last().copied().unwrap_or(asof_model::Instant::BEGINNING);
    let discovered =
        |each: &asof_model::NodeRef| known.exists(each, last) && known.node_value(each, last).is_none();
    tally.count("a node that is only discovered", known.named.iter().any(discovered));
}

#[test]
fn drawn_histories_reach_the_corners() {
    let mut tally = Tally::default();
    for number in 0..120 {
        let mut draw = Draw::new(seed().wrapping_mul(1_000_003).wrapping_add(number));
        let batches = 1 + draw.below(14);
        let history = history(&mut draw, batches);
        let ledger = Ledger::of(&history);
        corners(&mut tally, &Known::new(&ledger, ledger.size()));
        let records = history.iter().map(|batch| batch.facts.len() + batch.observations.len());
        tally.count("a record that came again", records.sum::<usize>() as u64 > ledger.size());
    }
    tally.hold(5, 100);
}
