//! Small logs made by hand: every form, every fault, and what follows from what.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::common::{Read, read};
use asof_import::{ImportError, Note, cloudtrail};
use asof_model::{EdgeKind, NodeKind, Outcome, Privilege, SecretState, State};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";
const ROLE: &str = "aws:AROAEXAMPLE";
const USER: &str = "aws:AIDAEXAMPLE";

/// A call of the user `ann` at that second of an hour, answered.
fn event(id: &str, second: u32, source: &str, name: &str, request: Value, response: Value) -> Value {
    json!({
        "eventID": id, "eventTime": format!("2026-03-01T10:{:02}:{:02}Z", second / 60, second % 60),
        "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.7", "recipientAccountId": ACCOUNT,
        "userIdentity": { "type": "IAMUser", "principalId": "AIDAEXAMPLE", "accountId": ACCOUNT, "userName": "ann",
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/staff/ann"), "accessKeyId": "AKIAEXAMPLEEXAMPLE12" },
        "requestParameters": request, "responseElements": response,
    })
}

fn role_made(id: &str, second: u32) -> Value {
    let trust = json!({ "Statement": { "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/staff/ann"), "Service": "lambda.amazonaws.com" } } });
    let role = json!({ "roleName": "ci", "roleId": "AROAEXAMPLE", "arn": format!("arn:aws:iam::{ACCOUNT}:role/deploy/ci") });
    event(
        id,
        second,
        "iam",
        "CreateRole",
        json!({ "roleName": "ci", "assumeRolePolicyDocument": trust.to_string() }),
        json!({ "role": role }),
    )
}

fn document(action: &str) -> String {
    json!({ "Statement": { "Effect": "Allow", "Action": action, "Resource": "*" } }).to_string()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The events, as one delivered log, imported.
fn import(events: &[Value]) -> Read {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "log.json", &json!({ "Records": events }).to_string());
    read(&[path])
}

fn at(second: u32) -> String {
    format!("2026-03-01T10:{:02}:{:02}Z", second / 60, second % 60)
}

#[test]
fn one_content_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let events = [role_made("a", 1), event("b", 2, "s3", "ListBuckets", Value::Null, Value::Null)];
    let lines = format!("{}\n{}\n", events[0], events[1]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines.as_bytes()).unwrap();
    std::fs::write(folder.path().join("d.jsonl.gz"), packed.finish().unwrap()).unwrap();
    let forms = [
        write(folder.path(), "a.json", &json!({ "Records": events }).to_string()),
        write(folder.path(), "b.json", &serde_json::to_string_pretty(&events).unwrap()),
        write(folder.path(), "c.jsonl", &lines),
        folder.path().join("d.jsonl.gz"),
        write(
            folder.path(),
            "e.json",
            &events.iter().map(|each| serde_json::to_string_pretty(each).unwrap()).collect::<String>(),
        ),
    ];
    let first = read(&forms[..1]);
    assert_eq!((first.summary.events, first.summary.observations), (2, 2));
    for form in &forms[1..] {
        assert_eq!(read(std::slice::from_ref(form)).content(), first.content(), "{}", form.display());
    }
    assert_eq!(read(&forms).content(), first.content(), "all of them are one");
}

#[test]
fn what_is_broken_is_told_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let good = event("a", 1, "s3", "ListBuckets", Value::Null, Value::Null);
    let mut timeless = good.clone();
    timeless["eventTime"] = "yesterday".into();
    let mut nobody = good.clone();
    nobody["userIdentity"] = json!({});
    let text = format!("{timeless}\n{{oops\n{nobody}\n{good}\n");
    write(folder.path(), "1.jsonl", &text);
    std::fs::write(folder.path().join("2.json.gz"), [0x1f, 0x8b, 8, 0, 1, 2]).unwrap();
    write(folder.path(), "3.json", &format!("{{\"Records\":[{good},"));
    let import = read(&[folder.path().to_owned()]);
    assert_eq!((import.summary.events, import.summary.skipped_count), (2, 5));
    let told: Vec<String> = import.summary.skipped.iter().map(ToString::to_string).collect();
    for (line, parts) in told.iter().zip([
        &["1.jsonl, record 1, eventTime: is no instant"][..],
        &["1.jsonl, record 2: is no JSON"],
        &["1.jsonl, record 3, userIdentity: names no principal"],
        &["2.json.gz, record 1: the file cannot be read on"],
        &["3.json, record 2: the file ends inside the list"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    let nowhere =
        cloudtrail::CloudTrail::open(&[folder.path().join("nowhere.json")], cloudtrail::Options::default());
    assert!(matches!(nowhere, Err(ImportError::Path { .. })));
}

#[test]
fn failed_calls_change_no_posture_and_refusals_are_denied() {
    let mut denied = role_made("a", 1);
    denied["errorCode"] = "AccessDenied".into();
    let mut slow = event("b", 2, "iam", "DeleteUser", json!({ "userName": "ann" }), Value::Null);
    slow["errorCode"] = "ThrottlingException".into();
    let import = import(&[denied, slow]);
    let outcomes: Vec<_> = import.observations().map(|seen| seen.outcome).collect();
    assert_eq!(outcomes, [Outcome::Denied, Outcome::Error]);
    assert_eq!(import.nodes(NodeKind::Identity).into_iter().collect::<Vec<_>>(), [USER]);
    assert!(import.node(NodeKind::Identity, USER, &at(9)).is_value());
}

#[test]
fn names_are_resolved_whichever_file_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let put = event(
        "b",
        2,
        "iam",
        "PutRolePolicy",
        json!({ "roleName": "ci", "policyName": "p", "policyDocument": document("s3:*") }),
        Value::Null,
    );
    write(folder.path(), "1.json", &json!([put]).to_string());
    let alone = read(&[folder.path().join("1.json")]);
    let by_name = format!("aws:arn:aws:iam::{ACCOUNT}:role/ci");
    assert!(!alone.follow(EdgeKind::Holds, &by_name, &at(2)).is_empty(), "nothing but the name is known");
    write(folder.path(), "2.json", &json!([role_made("a", 1)]).to_string());
    let both = read(&[folder.path().to_owned()]);
    assert!(both.follow(EdgeKind::Holds, &by_name, &at(2)).is_empty());
    assert!(both.follow(EdgeKind::Holds, ROLE, &at(2)).contains(&"aws:AROAEXAMPLE/policy/p#0/s3/WRITE"));
    let resource = both.observations().find(|seen| seen.event_id == "b").map(|seen| seen.resource.clone());
    assert_eq!(
        resource.unwrap(),
        format!("arn:aws:iam::{ACCOUNT}:role/deploy/ci"),
        "with the path that the request leaves out"
    );
    assert!(both.edge(EdgeKind::CanAssume, USER, ROLE, &at(1)));
    assert!(both.edge(EdgeKind::CanAssume, "aws:service/lambda.amazonaws.com", ROLE, &at(1)));
}

#[test]
fn a_document_replaces_the_one_before() {
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/p");
    let asked = json!({ "policyName": "p", "policyDocument": document("s3:GetObject") });
    let attach = json!({ "roleName": "ci", "policyArn": arn });
    let version =
        json!({ "policyArn": arn, "policyDocument": document("sqs:SendMessage"), "setAsDefault": true });
    let import = import(&[
        event(
            "e",
            5,
            "iam",
            "SetDefaultPolicyVersion",
            json!({ "policyArn": arn, "versionId": "v1" }),
            Value::Null,
        ),
        event(
            "d",
            4,
            "iam",
            "CreatePolicyVersion",
            version,
            json!({ "policyVersion": { "versionId": "v2" } }),
        ),
        event("c", 3, "iam", "AttachRolePolicy", attach.clone(), Value::Null),
        event("b", 2, "iam", "CreatePolicy", asked, json!({ "policy": { "arn": arn } })),
        role_made("a", 1),
        event("f", 6, "iam", "DetachRolePolicy", attach, Value::Null),
    ]);
    let (read, send) = (format!("aws:{arn}#0/s3/READ"), format!("aws:{arn}#0/sqs/WRITE"));
    for (second, held) in [(2, vec![]), (3, vec![&read]), (4, vec![&send]), (5, vec![&read]), (6, vec![])] {
        assert_eq!(import.follow(EdgeKind::Holds, ROLE, &at(second)), held, "{second}");
    }
    assert!(import.summary.notes.is_empty(), "{:?}", import.summary.notes);
}

#[test]
fn a_document_that_no_file_holds_is_told() {
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/elsewhere");
    let import = import(&[event(
        "a",
        1,
        "iam",
        "AttachUserPolicy",
        json!({ "userName": "ann", "policyArn": arn }),
        Value::Null,
    )]);
    assert_eq!(import.summary.notes.keys().cloned().collect::<Vec<_>>(), [(Note::DocumentMissing, arn)]);
    assert_eq!(import.follow(EdgeKind::Holds, USER, &at(1)), [""; 0]);
}

#[test]
fn keys_groups_and_what_ends_with_a_user() {
    let key = "AKIANEWKEYNEWKEYNEW1";
    let secret = format!("aws:{key}");
    let bob = json!({ "userName": "bob" });
    let made = json!({ "user": { "userId": "AIDABOB", "arn": format!("arn:aws:iam::{ACCOUNT}:user/bob") } });
    let group =
        json!({ "group": { "groupId": "AGPAOPS", "arn": format!("arn:aws:iam::{ACCOUNT}:group/ops") } });
    let member = json!({ "userName": "bob", "groupName": "ops" });
    let of_key = |status: &str| json!({ "userName": "bob", "accessKeyId": key, "status": status });
    let import = import(&[
        event("a", 1, "iam", "CreateUser", bob.clone(), made),
        event("b", 1, "iam", "CreateGroup", json!({ "groupName": "ops" }), group),
        event("c", 2, "iam", "AddUserToGroup", member.clone(), Value::Null),
        event(
            "d",
            2,
            "iam",
            "CreateAccessKey",
            bob.clone(),
            json!({ "accessKey": { "accessKeyId": key, "userName": "bob" } }),
        ),
        event("e", 3, "iam", "UpdateAccessKey", of_key("Inactive"), Value::Null),
        event("f", 4, "iam", "RemoveUserFromGroup", member, Value::Null),
        // Within one second: the key before its user.
        event("h", 5, "iam", "DeleteUser", bob.clone(), Value::Null),
        event("g", 5, "iam", "DeleteAccessKey", of_key(""), Value::Null),
    ]);
    assert!(import.edge(EdgeKind::MemberOf, "aws:AIDABOB", "aws:AGPAOPS", &at(3)));
    assert!(!import.edge(EdgeKind::MemberOf, "aws:AIDABOB", "aws:AGPAOPS", &at(4)));
    assert!(import.edge(EdgeKind::AuthenticatesWith, "aws:AIDABOB", &secret, &at(2)));
    let state = |second| {
        import.node(NodeKind::Secret, &secret, &at(second)).value().unwrap().node().unwrap().secret.unwrap()
    };
    assert_eq!((state(2).state, state(3).state), (SecretState::Active, SecretState::Inactive));
    assert_eq!(state(3).issued_at, Some(crate::common::instant(&at(2))), "a change of state leaves the rest");
    assert_eq!(import.node(NodeKind::Secret, &secret, &at(5)), State::Deleted);
    assert_eq!(import.node(NodeKind::Identity, "aws:AIDABOB", &at(5)), State::Deleted);
    let admin: Vec<_> = import
        .observations()
        .filter(|seen| seen.privilege == Privilege::Admin)
        .map(|seen| &*seen.action)
        .collect();
    assert_eq!(admin, ["iam:AddUserToGroup", "iam:RemoveUserFromGroup"]);
}

#[test]
fn a_session_of_a_session_has_everyone_behind_it() {
    let assume = |id: &str, second, role: &str, key: &str, by: Option<(&str, &str)>| {
        let asked =
            json!({ "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/{role}"), "roleSessionName": "s" });
        let answered = json!({ "credentials": { "accessKeyId": key, "expiration": "Mar 1, 2026, 11:00:00 AM" },
            "assumedRoleUser": { "assumedRoleId": format!("AROA{role}:s"), "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/s") } });
        let mut event = event(id, second, "sts", "AssumeRole", asked, answered);
        if let Some((role, key)) = by {
            event["userIdentity"] = session(role, key);
        }
        event
    };
    fn session(role: &str, key: &str) -> Value {
        json!({ "type": "AssumedRole", "principalId": format!("AROA{role}:s"), "accessKeyId": key, "accountId": ACCOUNT,
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/s"),
            "sessionContext": { "sessionIssuer": { "type": "Role", "principalId": format!("AROA{role}"),
                "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}") } } })
    }
    let (first, second) = ("ASIAFIRSTFIRSTFIRST1", "ASIASECONDSECONDSEC1");
    let mut used = event("c", 3, "s3", "GetObject", json!({ "bucketName": "b", "key": "k" }), Value::Null);
    used["userIdentity"] = session("TWO", second);
    used["sourceIPAddress"] = "s3.amazonaws.com".into();
    let import = import(&[
        used,
        assume("b", 2, "TWO", second, Some(("ONE", first))),
        assume("a", 1, "ONE", first, None),
    ]);
    let seen = import.observations().find(|seen| seen.event_id == "c").unwrap();
    assert_eq!((seen.identity.as_str(), seen.actor.as_str()), ("aws:AROATWO", "aws:AROAONE"));
    assert_eq!(seen.actor_chain, [USER, "aws:AROAONE"]);
    assert_eq!((seen.session.as_str(), seen.source_ip.as_str()), ("s", ""));
    assert_eq!(seen.resource, "arn:aws:s3:::b/k");
    let (first, second) = (format!("aws:{first}"), format!("aws:{second}"));
    assert!(import.edge(EdgeKind::Issued, "aws:AKIAEXAMPLEEXAMPLE12", &first, &at(1)));
    assert!(import.edge(EdgeKind::Issued, &first, &second, &at(2)));
    assert!(import.edge(EdgeKind::AuthenticatesWith, "aws:AROATWO", &second, &at(2)));
}

#[test]
fn several_resources_of_one_kind_are_several_observations() {
    let request = json!({ "names": ["/a", "b"] });
    let mut get = event("a", 1, "ssm", "GetParameters", request, Value::Null);
    get["resources"] = json!([
        { "ARN": "arn:aws:ssm:eu-west-1:1:parameter/a" }, { "ARN": "arn:aws:ssm:eu-west-1:1:parameter/b" }, { "ARN": "arn:aws:kms:eu-west-1:1:key/k" },
    ]);
    let object = json!([{ "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b" }, { "type": "AWS::S3::Object", "ARN": "arn:aws:s3:::b/k" }]);
    let mut put = event("b", 2, "s3", "PutObject", Value::Null, Value::Null);
    put["resources"] = object;
    let ids = |import: &Read| -> Vec<_> {
        import.observations().map(|seen| (seen.event_id.clone(), seen.resource.clone())).collect()
    };
    let expected = [
        ("a", "arn:aws:ssm:eu-west-1:1:parameter/a"),
        ("a#2", "arn:aws:ssm:eu-west-1:1:parameter/b"),
        ("b", "arn:aws:s3:::b/k"),
    ];
    assert_eq!(
        ids(&import(&[get, put])),
        expected.map(|(id, resource)| (id.to_owned(), resource.to_owned()))
    );
}
