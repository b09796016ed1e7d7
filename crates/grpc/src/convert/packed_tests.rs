//! Packed observations: the same batch as the plain ones, and every table that is none is refused by name.
#![expect(clippy::unwrap_used, reason = "tests")]

use asof_model::{Batch, Instant, Limits, Observation, Outcome, Privilege};
use prost::Message as _;

use crate::proto::{PackedAttributes, PackedEntries, PackedObservations, WriteRequest};

fn observations() -> Vec<Observation> {
    let at = |nanos: i64| Instant::from_nanos(1_000_000_000_000_000_000 + nanos);
    let mut first = Observation::new("sa/ä", at(0), Privilege::Write);
    first.event_id = "e-1".into();
    first.resource = "bucket/a".into();
    first.attributes = [("env".into(), "prod".into()), ("empty".into(), String::new())].into();
    first.granted_by = vec!["policy/1".into(), "policy/2".into()];
    let mut second = Observation::new("sa/b", at(-7), Privilege::Other);
    second.event_id = "ä".into();
    second.actor = "sa/ä".into();
    second.outcome = Outcome::Denied;
    second.actor_chain = vec!["sa/c".into(), "sa/ä".into()];
    second.raw_sha256 = vec![7; 32];
    let mut third = Observation::new("sa/b", at(9), Privilege::Read);
    third.secret = "key/1".into();
    third.workload = "pod/1".into();
    third.action = "s3:GetObject".into();
    third.source_ip = "192.0.2.1".into();
    third.region = "eu-west-1".into();
    third.session = "s".into();
    third.raw_ref = "s3://raw/1".into();
    third.attributes = [("env".into(), "test".into())].into();
    vec![first, second, third]
}

fn batch(observations: Vec<Observation>) -> Batch {
    Batch { source: "s".into(), batch_id: "b".into(), observations, ..Batch::default() }
}

fn read(request: WriteRequest) -> Result<Batch, Vec<String>> {
    read_within(request, &Limits::DEFAULT)
}

/// As the door does it: what is read, then what the model says, both by the client's own names.
fn read_within(request: WriteRequest, limits: &Limits) -> Result<Batch, Vec<String>> {
    let latest = Instant::from_nanos(1_100_000_000_000_000_000);
    let request = WriteRequest::decode(request.encode_to_vec().as_slice()).unwrap();
    let plain = request.observations.len();
    let fields = |faults: Vec<asof_model::Fault>| faults.into_iter().map(|fault| fault.field).collect();
    let batch = super::batch(request, limits).check(limits, latest).map_err(|(_, faults)| fields(faults))?;
    let faults = super::packed_names(batch.faults(limits, latest), plain);
    if faults.is_empty() { Ok(batch) } else { Err(fields(faults)) }
}

/// The packed form of these observations, with something changed.
fn changed(change: impl FnOnce(&mut PackedObservations)) -> Result<Batch, Vec<String>> {
    let mut request = super::packed(batch(observations()));
    change(request.packed.as_mut().unwrap());
    read(request)
}

fn refused(change: impl FnOnce(&mut PackedObservations)) -> Vec<String> {
    changed(change).unwrap_err()
}

#[test]
fn the_packed_form_is_the_same_batch() {
    for few in 0..=3 {
        let sent = batch(observations().into_iter().take(few).collect());
        assert_eq!(read(super::packed(sent.clone())).unwrap(), sent);
    }
    let one = Observation { event_id: "e-2".into(), ..observations().remove(1) };
    let mut same = batch(vec![Observation { event_id: "e-1".into(), ..one.clone() }, one]);
    let request = super::packed(same.clone());
    assert_eq!(request.packed.as_ref().unwrap().event_id_length, 3);
    assert_eq!(read(request).unwrap(), same);
    // A table entry that no row has, and texts that the table has twice, change nothing.
    same.observations.iter_mut().for_each(|seen| seen.event_id.clear());
    let mut request = super::packed(same.clone());
    let packed = request.packed.as_mut().unwrap();
    packed.texts = [&packed.texts[..], b"sa/bunused"].concat().into();
    packed.text_lengths.extend([4, 6]);
    packed.identity[1] = packed.text_lengths.len() as u32 - 1;
    assert_eq!(read(request).unwrap(), same);
}

#[test]
fn plain_ones_stand_before_packed_ones() {
    let mut request = super::packed(batch(observations()));
    request.observations = super::request(batch(observations().into_iter().take(2).collect())).observations;
    let order = observations().into_iter().take(2).chain(observations()).collect();
    assert_eq!(read(request.clone()).unwrap(), batch(order));
    request.packed.as_mut().unwrap().time[1] = -1;
    request.observations[1].identity.clear();
    assert_eq!(read(request).unwrap_err(), ["observations[1].identity", "packed[1].time"]);
}

#[test]
fn what_has_no_packed_form_goes_plain() {
    let mut strange = observations();
    strange[1].raw_sha256 = vec![1, 2];
    let request = super::packed(batch(strange));
    assert!(request.packed.is_none());
    assert_eq!(read(request).unwrap_err(), ["observations[1].raw_sha256"]);
    assert_eq!(
        read(super::packed(batch(vec![Observation { identity: String::new(), ..observations().remove(0) }])))
            .unwrap_err(),
        ["packed[0].identity"]
    );
}

#[test]
fn columns_are_as_long_as_there_are_rows() {
    assert_eq!(refused(|packed| packed.identity.clear()), ["packed.identity"]);
    assert_eq!(refused(|packed| packed.privilege.push(2)), ["packed.privilege"]);
    assert_eq!(refused(|packed| packed.outcome.truncate(1)), ["packed.outcome"]);
    assert_eq!(refused(|packed| packed.actor.push(0)), ["packed.actor"]);
    assert_eq!(refused(|packed| packed.event_id_lengths.push(0)), ["packed.event_id_lengths"]);
    let mut two = refused(|packed| {
        packed.region.truncate(2);
        packed.secret.truncate(2);
    });
    two.sort_unstable();
    assert_eq!(two, ["packed.region", "packed.secret"]);
    assert_eq!(refused(|packed| packed.attributes.as_mut().unwrap().key.truncate(1)), ["packed.attributes"]);
    assert_eq!(refused(|packed| packed.granted_by.as_mut().unwrap().text.clear()), ["packed.granted_by"]);
    assert_eq!(refused(|packed| packed.raw_sha256_row.clear()), ["packed.raw_sha256"]);
    // What no row has may be left out.
    assert!(changed(|packed| packed.outcome.clear()).is_ok());
}

#[test]
fn the_table_is_what_its_lengths_say() {
    assert_eq!(refused(|packed| packed.text_lengths[0] += 1), ["packed.texts"]);
    assert_eq!(refused(|packed| packed.text_lengths[0] = u32::MAX), ["packed.texts"]);
    assert_eq!(refused(|packed| packed.text_lengths.clear()), ["packed.texts"]);
    // The first text is "sa/ä"; cut within its last character.
    assert_eq!(
        refused(|packed| {
            packed.text_lengths[0] -= 1;
            packed.text_lengths[1] += 1;
        }),
        ["packed.texts[0]"]
    );
    let broken = |packed: &mut PackedObservations, byte: usize| {
        let mut texts = packed.texts.to_vec();
        texts[byte] = 0xff;
        packed.texts = texts.into();
    };
    assert_eq!(refused(|packed| broken(packed, 0)), ["packed.texts[0]"]);
    assert_eq!(refused(|packed| broken(packed, 6)), ["packed.texts[1]"]);
    assert_eq!(refused(|packed| packed.identity[2] = 99), ["packed[2].identity"]);
    assert_eq!(
        refused(|packed| packed.resource = vec![99, 0, u32::MAX]),
        ["packed[0].resource", "packed[2].resource"]
    );
    assert_eq!(refused(|packed| packed.attributes.as_mut().unwrap().value[2] = 99), ["packed[2].attributes"]);
    assert_eq!(
        refused(|packed| packed.actor_chain.as_mut().unwrap().text[0] = 99),
        ["packed[1].actor_chain"]
    );
}

#[test]
fn event_ids_are_what_their_lengths_say() {
    assert_eq!(refused(|packed| packed.event_id_length = 1), ["packed.event_id_length"]);
    assert_eq!(refused(|packed| packed.event_id_lengths[0] = 4), ["packed.event_id"]);
    assert_eq!(refused(|packed| packed.event_id_lengths.clear()), ["packed.event_id"]);
    let cut = refused(|packed| packed.event_id_lengths = vec![3, 1, 1]);
    assert_eq!(cut[0], "packed[1].event_id");
    assert_eq!(refused(|packed| packed.event_id = b"e-1\xff\xff".to_vec().into()), ["packed[1].event_id"]);
}

#[test]
fn cells_are_checked_as_those_of_plain_observations() {
    assert_eq!(refused(|packed| packed.privilege[1] = 0), ["packed[1].privilege"]);
    assert_eq!(refused(|packed| packed.privilege[1] = 12), ["packed[1].privilege"]);
    assert_eq!(refused(|packed| packed.outcome[0] = -1), ["packed[0].outcome"]);
    for time in [-1, i64::MIN, i64::MAX, 1_100_000_000_000_000_001] {
        assert_eq!(refused(|packed| packed.time[2] = time), ["packed[2].time"]);
    }
    assert_eq!(refused(|packed| packed.identity[0] = 0), ["packed[0].identity"]);
}

#[test]
fn rows_of_rare_members_are_ascending_and_there() {
    assert_eq!(refused(|packed| packed.attributes.as_mut().unwrap().row[0] = 1), ["packed.attributes.row"]);
    assert_eq!(refused(|packed| packed.attributes.as_mut().unwrap().row[2] = 3), ["packed.attributes.row"]);
    assert_eq!(refused(|packed| packed.granted_by.as_mut().unwrap().row[0] = 2), ["packed.granted_by.row"]);
    assert_eq!(refused(|packed| packed.raw_sha256_row[0] = 9), ["packed.raw_sha256_row"]);
    let twice = |packed: &mut PackedObservations| {
        let keys = &mut packed.attributes.as_mut().unwrap().key;
        keys[1] = keys[0];
    };
    assert_eq!(refused(twice), ["packed[0].attributes"]);
    let digests = |packed: &mut PackedObservations| {
        packed.raw_sha256_row = vec![1, 1];
        packed.raw_sha256 = vec![1; 64].into();
    };
    assert_eq!(refused(digests), ["packed[1].raw_sha256"]);
}

#[test]
fn a_small_request_cannot_unpack_to_a_large_one() {
    let rows = 20_000;
    let large = PackedObservations {
        texts: vec![b'x'; 1 << 20].into(),
        text_lengths: vec![1 << 20],
        time: vec![1; rows],
        identity: vec![1; rows],
        privilege: vec![1; rows],
        ..PackedObservations::default()
    };
    let request = |packed| WriteRequest { source: "s".into(), packed: Some(packed), ..Default::default() };
    assert_eq!(read(request(large.clone())).unwrap_err(), ["packed"]);
    let many = PackedObservations { time: vec![1; rows + 1], ..large.clone() };
    assert_eq!(read(request(many)).unwrap_err(), ["records"]);
    let table = PackedObservations { text_lengths: vec![0; (1 << 20) + 1], ..large.clone() };
    assert_eq!(read(request(table)).unwrap_err(), ["packed.text_lengths"]);
    let one = PackedObservations {
        texts: b"sa/x".to_vec().into(),
        text_lengths: vec![4],
        time: vec![1],
        identity: vec![1],
        privilege: vec![1],
        ..PackedObservations::default()
    };
    let listed = PackedEntries { row: vec![0; 5_000], text: vec![1; 5_000] };
    let chain = PackedObservations { actor_chain: Some(listed), ..one.clone() };
    assert_eq!(read(request(chain)).unwrap_err(), ["packed[0].actor_chain"]);
    let keys: Vec<String> = (0..200).map(|number| format!("{number:04}")).collect();
    let pairs = PackedAttributes { row: vec![0; 200], key: (2..202).collect(), value: vec![0; 200] };
    let texts = format!("sa/x{}", keys.concat()).into_bytes().into();
    let attributed =
        PackedObservations { texts, text_lengths: vec![4; 201], attributes: Some(pairs), ..one.clone() };
    assert_eq!(read(request(attributed)).unwrap_err(), ["packed[0].attributes"]);
    let tight = Limits { unpacked_bytes: 3, ..Limits::DEFAULT };
    assert_eq!(read_within(request(one), &tight).unwrap_err(), ["packed"]);
}
