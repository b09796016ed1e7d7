//! Published logs that nobody here wrote. The numbers were counted by hand from the raw files, with another
//! program.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Read, instant, read, shared};
use asof_import::aws_iam;
use asof_model::{
    EdgeKind, NodeKind, Observation, Op, Outcome, Privilege, State, Subject, Value, glob_matches,
};

const BERT_JAN: &str = "aws:AIDATFQR7NSC5AU2ZV3IE";
const STEAL_ROLE: &str = "aws:AROATFQR7NSC6Q6YRQ2Q7";

fn counts<'a, K: Ord>(
    seen: impl Iterator<Item = &'a Observation>,
    key: impl Fn(&'a Observation) -> K,
) -> BTreeMap<K, usize> {
    let mut found = BTreeMap::new();
    for each in seen {
        *found.entry(key(each)).or_insert(0) += 1;
    }
    found
}

#[test]
fn invictus_is_read_whole() {
    let Some(folder) = shared("aws/invictus/cloudtrail") else { return };
    let import = read(&[folder]);
    let summary = &import.summary;
    assert_eq!((summary.files, summary.events, summary.skipped_count), (55, 2_900, 0));
    // Five GetParameters calls name 42 parameters together: 37 parts more.
    assert_eq!(summary.observations, 2_937);
    assert!(import.batches.iter().all(|batch| batch.source == "cloudtrail/123837392027"));
    let first_parts = || import.observations().filter(|seen| !seen.event_id.contains('#'));
    assert_eq!(first_parts().count(), 2_900);
    let outcomes = counts(first_parts(), |seen| seen.outcome);
    assert_eq!(
        outcomes,
        BTreeMap::from([(Outcome::Success, 2_600), (Outcome::Denied, 60), (Outcome::Error, 240)])
    );
    let classes = counts(first_parts(), |seen| seen.privilege);
    let expected = [
        (Privilege::List, 1_216),
        (Privilege::Read, 625),
        (Privilege::Write, 415),
        (Privilege::DeleteData, 117),
        (Privilege::Tag, 9),
        (Privilege::Execute, 2),
        (Privilege::Assume, 53),
        (Privilege::SecretRead, 354),
        (Privilege::Admin, 44),
        (Privilege::Authenticate, 18),
        (Privilege::Other, 47),
    ];
    assert_eq!(classes, BTreeMap::from(expected));
    let unknown: Vec<_> =
        summary.unknown_actions.iter().map(|(action, count)| (action.as_str(), *count)).collect();
    let expected = [
        ("ec2:SharedSnapshotVolumeCreated", 2),
        ("s3:GetStorageLensDashboardDataInternal", 4),
        ("secretsmanager:EndSecretVersionDelete", 20),
        ("secretsmanager:StartSecretVersionDelete", 20),
        ("servicecatalog-appregistry:ListApplications", 1),
    ];
    assert_eq!(unknown, expected);
    // A service's name is no address: 2,547 events have one, seven different.
    let addresses: BTreeSet<_> =
        first_parts().map(|seen| &seen.source_ip).filter(|ip| !ip.is_empty()).collect();
    assert_eq!(first_parts().filter(|seen| !seen.source_ip.is_empty()).count(), 2_547);
    assert_eq!(addresses.len(), 7);
}

#[test]
fn invictus_tells_who_did_what() {
    let Some(folder) = shared("aws/invictus/cloudtrail") else { return };
    let import = read(&[folder]);
    let first_parts = || import.observations().filter(|seen| !seen.event_id.contains('#'));
    assert_eq!(import.nodes(NodeKind::Identity).len(), 29, "6 users, 16 roles, 7 services");
    assert_eq!(counts(first_parts(), |seen| seen.identity.as_str()).len(), 19, "that many acted");
    let admin = first_parts().filter(|seen| seen.privilege == Privilege::Admin);
    assert_eq!(
        counts(admin, |seen| (seen.identity.as_str(), seen.outcome)),
        BTreeMap::from([((BERT_JAN, Outcome::Success), 44)])
    );
    let denied =
        counts(first_parts().filter(|seen| seen.outcome == Outcome::Denied), |seen| seen.identity.as_str());
    let expected = [
        (BERT_JAN, 15),
        ("aws:AROATFQR7NSCRI4ZA26CX", 1),
        ("aws:AROATFQR7NSCWCZMFXMXZ", 15),
        ("aws:AROATFQR7NSCWWVLB7BES", 29),
    ];
    assert_eq!(denied, BTreeMap::from(expected));
    // A role's session was got by the user.
    let denied = first_parts().filter(|seen| seen.identity == "aws:AROATFQR7NSCWWVLB7BES");
    assert_eq!(counts(denied, |seen| seen.actor.as_str()), BTreeMap::from([(BERT_JAN, 29)]));
}

#[test]
fn invictus_keys_and_their_use() {
    let Some(folder) = shared("aws/invictus/cloudtrail") else { return };
    let import = read(&[folder]);
    let issued = import.nodes(NodeKind::Secret);
    let used: BTreeSet<&str> =
        import.observations().map(|seen| seen.secret.as_str()).filter(|id| !id.is_empty()).collect();
    assert_eq!((issued.len(), used.len(), issued.intersection(&used).count()), (38, 133, 8));
    // Ten were minted with the user's long-term key.
    assert_eq!(import.follow(EdgeKind::Issued, "aws:AKIATFQR7NSC8Q4X20BJ", "2023-07-10T12:40:00Z").len(), 10);
    let key = import.node(NodeKind::Secret, "aws:ASIATFQR7NSCWLLE7IWW", "2023-07-10T12:00:00Z");
    let secret = key.value().unwrap().node().unwrap().secret.unwrap();
    assert_eq!(secret.issued_at, Some(instant("2023-07-10T11:54:47Z")));
    assert_eq!(secret.expires_at, Some(instant("2023-07-10T12:09:47Z")));
    // A key that was deleted again.
    let key = |at: &str| import.node(NodeKind::Secret, "aws:AKIATFQR7NSCQLA2F4OD", at);
    assert_eq!(key("2023-07-10T12:24:49Z"), State::Never);
    assert!(key("2023-07-10T12:24:50Z").is_value());
    assert_eq!(key("2023-07-10T12:28:24Z"), State::Deleted);
    // The instance's session: two keys, each from one address, the second from outside of the instance.
    let session = import.observations().filter(|seen| seen.session == "i-0dbc91f429e48eeed");
    let expected = [
        (("aws:ASIATFQR7NSC36DZQP7P", "192.168.10.20"), 2),
        (("aws:ASIATFQR7NSCSHSEVYP5", "3.225.16.109"), 13),
    ];
    assert_eq!(
        counts(session, |seen| (seen.secret.as_str(), seen.source_ip.as_str())),
        BTreeMap::from(expected)
    );
    let session = || import.observations().filter(|seen| seen.session == "i-0dbc91f429e48eeed");
    assert!(session().all(|seen| seen.identity == STEAL_ROLE && seen.workload == "aws:i-0dbc91f429e48eeed"));
    assert!(session().all(|seen| seen.actor.is_empty()), "nobody assumed an instance's role");
    assert!(import.edge(EdgeKind::RunsAs, "aws:i-0dbc91f429e48eeed", STEAL_ROLE, "2023-07-10T12:00:00Z"));
    assert_eq!(import.follow(EdgeKind::Mounts, "aws:i-0dbc91f429e48eeed", "2023-07-10T12:00:00Z").len(), 2);
}

#[test]
fn invictus_posture_is_replayed() {
    let Some(folder) = shared("aws/invictus/cloudtrail") else { return };
    let import = read(&[folder]);
    assert!(import.summary.notes.is_empty(), "{:?}", import.summary.notes);
    // The user that had administrator access for three and a half minutes.
    let malicious = "aws:AIDATFQR7NSCVHF5KTCK7";
    for (at, held) in [
        ("2023-07-10T12:24:48.999999999Z", 0),
        ("2023-07-10T12:24:49Z", 9),
        ("2023-07-10T12:28:23Z", 9),
        ("2023-07-10T12:28:24Z", 0),
    ] {
        assert_eq!(import.follow(EdgeKind::Holds, malicious, at).len(), held, "{at}");
    }
    assert_eq!(import.node(NodeKind::Identity, malicious, "2023-07-10T12:28:24Z"), State::Deleted);
    // The role whose trust was opened to another account for four minutes.
    let (backdoor, outside) = ("aws:AROATFQR7NSC5MOMJBCRW", "aws:193672423079");
    for (at, open) in
        [("2023-07-10T12:24:10Z", false), ("2023-07-10T12:24:11Z", true), ("2023-07-10T12:28:24Z", false)]
    {
        assert_eq!(import.edge(EdgeKind::CanAssume, outside, backdoor, at), open, "{at}");
    }
    assert!(import.edge(
        EdgeKind::CanAssume,
        "aws:service/ec2.amazonaws.com",
        backdoor,
        "2023-07-10T12:28:24Z"
    ));
    // What the instance's role held, and used.
    let held = import.follow(EdgeKind::Holds, STEAL_ROLE, "2023-07-10T12:05:00Z");
    let managed = "aws:arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    let expected: Vec<String> = [
        format!("{STEAL_ROLE}/policy/inline#0/ec2/LIST"),
        format!("{managed}#0/ssm/LIST"),
        format!("{managed}#0/ssm/READ"),
        format!("{managed}#0/ssm/SECRET_READ"),
        format!("{managed}#0/ssm/WRITE"),
        format!("{managed}#1/ssmmessages/WRITE"),
        format!("{managed}#2/ec2messages/READ"),
        format!("{managed}#2/ec2messages/WRITE"),
    ]
    .into();
    assert_eq!(held, expected);
    let unused: Vec<&str> = held
        .into_iter()
        .filter(|each| !import.observations().any(|seen| covers(&import, each, seen, STEAL_ROLE)))
        .collect();
    assert_eq!(unused, [&*expected[3], &*expected[5], &*expected[6], &*expected[7]]);
    // Every use of a role that the log saw made was covered by what the log saw given.
    let made: BTreeSet<&str> = import
        .facts()
        .filter(|(_, fact)| matches!(fact.op, Op::Delete))
        .filter_map(|(_, fact)| match &fact.subject {
            Subject::Node(node) if node.kind == NodeKind::Identity => Some(node.id.as_str()),
            _ => None,
        })
        .collect();
    let drift = import
        .observations()
        .filter(|seen| seen.outcome == Outcome::Success && seen.privilege.can_be_held())
        .filter(|seen| {
            let held = import.follow(EdgeKind::Holds, &seen.identity, &seen.time.to_string());
            !held.iter().any(|each| covers(&import, each, seen, &seen.identity))
        });
    let drift = counts(drift, |seen| seen.identity.as_str());
    assert!(drift.keys().all(|identity| !made.contains(identity)), "{drift:?}");
    let expected = [
        (BERT_JAN, 2_421),
        ("aws:AIDATFQR7NSC5U6Q3TMDR", 89),
        ("aws:AROATFQR7NSC3K2SEQDM2", 2),
        ("aws:AROATFQR7NSCRR66DMFTC", 4),
        ("aws:service/cloudtrail.amazonaws.com", 8),
        ("aws:service/ec2.amazonaws.com", 4),
        ("aws:service/inspector2.amazonaws.com", 4),
        ("aws:service/lambda.amazonaws.com", 2),
        ("aws:service/rds.amazonaws.com", 10),
        ("aws:service/rolesanywhere.amazonaws.com", 6),
    ];
    assert_eq!(
        drift,
        BTreeMap::from(expected),
        "as far as we know: the log does not tell what was in force before it"
    );
}

/// Whether an entitlement covers what the identity did.
fn covers(import: &Read, entitlement: &str, seen: &Observation, identity: &str) -> bool {
    let State::Value(value) = import.node(NodeKind::Entitlement, entitlement, &seen.time.to_string()) else {
        return false;
    };
    let said = value.entitlement().unwrap();
    let action = seen.action.to_lowercase();
    seen.identity == identity
        && seen.outcome == Outcome::Success
        && said.privileges.contains(seen.privilege)
        && (said.actions.is_empty()
            || said.actions.iter().any(|each| glob_matches(&each.to_lowercase(), &action)))
        && (seen.resource.is_empty() || said.scopes.iter().any(|scope| glob_matches(scope, &seen.resource)))
}

#[test]
fn the_order_of_files_and_repetition_change_nothing() {
    let Some(folder) = shared("aws/invictus/cloudtrail") else { return };
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let forwards = read(&files);
    files.reverse();
    let backwards = read(&files);
    assert_eq!(forwards.content(), backwards.content());
    assert_eq!(forwards.batches, backwards.batches, "the same batches, known by their ids");
    // Under other names, as two copies of each: every record comes twice and each is what it was.
    let copies = tempfile::tempdir().unwrap();
    for (place, file) in files.iter().enumerate() {
        std::fs::copy(file, copies.path().join(format!("{:03}.json.gz", 999 - place))).unwrap();
    }
    let renamed = read(&[copies.path().to_owned()]);
    assert_eq!(forwards.content(), renamed.content());
    let twice = read(&[folder, copies.path().to_owned()]);
    assert_eq!(forwards.content(), twice.content());
    assert_eq!(twice.summary.events, 5_800);
}

#[test]
fn stratus_and_panther_are_read() {
    if let Some(folder) = shared("aws/stratus") {
        let import = read(&[folder]);
        let summary = &import.summary;
        assert_eq!((summary.files, summary.events, summary.skipped_count), (18, 142, 0));
        assert_eq!(summary.unknown_actions, BTreeMap::new());
        assert_eq!(import.batches.iter().map(|batch| &batch.source).collect::<BTreeSet<_>>().len(), 18);
        let denied = import.observations().filter(|seen| seen.outcome == Outcome::Denied).count();
        assert_eq!(denied, 33);
    }
    if let Some(file) = shared("panther/AWS_CloudTrail.jsonl.gz") {
        let import = read(&[file]);
        assert_eq!((import.summary.events, import.summary.skipped_count), (218, 20));
        assert!(import.summary.skipped.iter().all(|skipped| skipped.record > 0 && !skipped.field.is_empty()));
    }
}

#[test]
fn cloudsplaining_is_stated_whole() {
    let Some(folder) = shared("aws/cloudsplaining") else { return };
    let at = instant("2023-03-10T00:00:00Z");
    let file = folder.join("account-authorization-details.json.gz");
    let listing = aws_iam::read(&file, at).unwrap();
    assert_eq!(
        (listing.summary.events, listing.summary.skipped_count, listing.summary.coverages),
        (211, 0, 1)
    );
    let again = aws_iam::read(&file, at).unwrap();
    assert_eq!(listing.batches, again.batches, "the same batches, known by their ids");
    let import = Read::of(listing.batches, listing.summary);
    assert_eq!(import.nodes(NodeKind::Identity).len(), 44 + 5 + 78);
    assert!(import.batches.iter().all(|batch| batch.source == "aws-iam/200611803367"));
    assert!(import.facts().all(|(_, fact)| fact.valid_from == at));
    let members: Vec<_> = import
        .facts()
        .filter(|(_, fact)| matches!(&fact.subject, Subject::Edge(edge) if edge.kind == EdgeKind::MemberOf))
        .collect();
    assert_eq!(members.len(), 6);
    let coverage = import.facts().find_map(|(_, fact)| match &fact.op {
        Op::Put(Value::Coverage(said)) => Some(said),
        _ => None,
    });
    assert_eq!(coverage.unwrap().identities.len(), 127);
    // Administrator access is held by one user, one group and four roles.
    let admin = "aws:arn:aws:iam::aws:policy/AdministratorAccess#0/*/ADMIN";
    let holders: Vec<&str> = import
        .facts()
        .filter_map(|(_, fact)| match &fact.subject {
            Subject::Edge(edge) if edge.kind == EdgeKind::Holds && edge.to == admin => {
                Some(edge.from.as_str())
            }
            _ => None,
        })
        .collect();
    let expected = [
        "aws:obama",
        "aws:admin",
        "aws:AROAS5NLFGDTRFLTQPJ4I",
        "aws:AROAS5NLFGDT42PN75AHR",
        "aws:AROAS5NLFGDT7BNDHT5XW",
        "aws:AROAS5NLFGDT5QVR5AFFY",
    ];
    assert_eq!(BTreeSet::from_iter(holders), BTreeSet::from(expected));
    // The privilege escalation by a new version of a policy is held, on condition where one is attached.
    let version = "aws:arn:aws:iam::200611803367:policy/privesc1-CreateNewPolicyVersion#0/iam/ADMIN";
    let version = import.node(NodeKind::Entitlement, version, "2023-03-10T00:00:00Z");
    let said = version.value().unwrap().entitlement().unwrap();
    assert_eq!(
        (said.actions.as_slice(), said.conditional),
        (&["iam:CreatePolicyVersion".to_owned()][..], false)
    );
}
