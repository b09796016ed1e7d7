#![expect(clippy::unwrap_used, reason = "tests")]
use asof_model::{Effect, EntitlementValue, Privilege};
use serde_json::{Value, json};

use super::trust::{self, Trusted};
use super::{Document, entitlements};

/// Slot, effect, scopes, actions, conditional: of every entitlement of a document's statements.
fn granted(statement: &Value) -> Vec<(String, EntitlementValue)> {
    let document = Document::read(&json!({ "Statement": statement })).unwrap();
    let all = document.statements.iter().flat_map(|each| entitlements(each, "aws", &mut Vec::new()));
    all.map(|each| (each.slot, each.value)).collect()
}

fn slots(statement: &Value) -> Vec<String> {
    granted(statement).into_iter().map(|(slot, _)| slot).collect()
}

fn one(statement: &Value, slot: &str) -> EntitlementValue {
    granted(statement).into_iter().find(|(each, _)| each == slot).unwrap().1
}

#[test]
fn one_entitlement_a_statement_service_and_class() {
    let statement = json!([
        { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "kms:Decrypt"], "Resource": ["arn:aws:s3:::b/*"] },
        { "Effect": "Deny", "Action": "s3:PutObject", "Resource": "*" },
    ]);
    assert_eq!(slots(&statement), ["0/kms/SECRET_READ", "0/s3/READ", "0/s3/WRITE", "1/s3/WRITE"]);
    let put = one(&statement, "0/s3/WRITE");
    assert_eq!((put.effect, put.conditional), (Effect::Allow, false));
    assert_eq!(put.privileges.iter().collect::<Vec<_>>(), [Privilege::Write]);
    assert_eq!(put.scopes, ["arn:aws:s3:::b/*"]);
    assert_eq!(put.actions, ["s3:PutObject"]);
}

#[test]
fn a_bare_star_is_the_services_own_arns() {
    let some = json!({ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" });
    let write = one(&some, "0/dynamodb/WRITE");
    assert_eq!(write.scopes, ["arn:aws:dynamodb:*"]);
    assert_eq!(write.actions, ["dynamodb:*"], "a class spans services");
    let all = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    assert_eq!(slots(&all).len(), Privilege::HELD.len());
    let admin = one(&all, "0/*/ADMIN");
    assert_eq!((admin.scopes, admin.actions), (vec!["*".to_owned()], vec![]));
    // Roles are IAM's, but the security token service's actions are on them.
    let assume =
        one(&json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*" }), "0/sts/ASSUME");
    assert!(assume.scopes.contains(&"arn:aws:iam::*:role/*".to_owned()), "{:?}", assume.scopes);
}

#[test]
fn a_denial_of_a_whole_class_lists_no_actions() {
    let deny = one(&json!({ "Effect": "Deny", "Action": "iam:*", "Resource": "*" }), "0/iam/ADMIN");
    assert_eq!((deny.effect, deny.actions), (Effect::Deny, vec![]));
    // Where its scopes are another service's it has to say which actions it means.
    let statement = json!({ "Effect": "Deny", "Action": "ssm:*", "Resource": "*" });
    assert_eq!(one(&statement, "0/ssm/EXECUTE").scopes, ["arn:aws:ssm:*"]);
    assert_eq!(one(&statement, "0/ssm+/EXECUTE").actions, ["ssm:*"]);
}

#[test]
fn what_scopes_cannot_say_is_conditional() {
    let conditional = |statement: Value, slot: &str| one(&statement, slot).conditional;
    let plain = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {} });
    assert!(!conditional(plain, "0/s3/READ"));
    let with = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": { "Bool": { "aws:MultiFactorAuthPresent": "true" } } });
    assert!(conditional(with, "0/s3/READ"));
    let variable = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}/*" });
    assert_eq!(one(&variable, "0/s3/READ").scopes, ["arn:aws:s3:::b/*/*"]);
    assert!(conditional(variable, "0/s3/READ"));
    let but = json!({ "Effect": "Deny", "Action": ["s3:PutObject", "sqs:SendMessage"], "NotResource": "arn:aws:s3:::b/*" });
    assert_eq!(one(&but, "0/s3/WRITE").scopes, ["arn:aws:s3:*"]);
    assert!(conditional(but.clone(), "0/s3/WRITE"));
    assert!(!conditional(but, "0/sqs/WRITE"), "a bucket is none of SQS's");
}

#[test]
fn all_but_some_actions() {
    let statement = json!({ "Effect": "Allow", "NotAction": ["iam:*", "kms:Decrypt"], "Resource": "*" });
    let read = one(&statement, "0/*/SECRET_READ");
    assert!(
        read.actions.contains(&"secretsmanager:*".to_owned()) && !read.actions.contains(&"kms:*".to_owned())
    );
    assert!(read.scopes.contains(&"arn:aws:ssm:*".to_owned()));
    let left = one(&statement, "0/kms/SECRET_READ");
    assert!(
        !left.actions.is_empty() && !left.actions.contains(&"kms:Decrypt".to_owned()),
        "{:?}",
        left.actions
    );
    assert!(!slots(&statement).iter().any(|slot| slot.contains("/iam/")));
    assert!(!one(&statement, "0/*/ADMIN").actions.contains(&"iam:*".to_owned()));
}

#[test]
fn what_nobody_holds_or_knows_gives_nothing() {
    let mut unknown = Vec::new();
    let statement = json!({ "Statement": { "Effect": "Allow", "Action": ["sts:GetSessionToken", "nosuch:Thing"], "Resource": "*" } });
    let document = Document::read(&statement).unwrap();
    assert!(entitlements(&document.statements[0], "aws", &mut unknown).is_empty());
    assert_eq!(unknown, ["nosuch:Thing"]);
}

#[test]
fn documents_come_as_objects_and_texts() {
    let object = json!({ "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }] });
    let plain = Document::read(&object).unwrap();
    assert_eq!(Document::read(&Value::String(object.to_string())).unwrap(), plain);
    let encoded = "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
    assert_eq!(Document::read(&encoded.into()).unwrap(), plain);
    assert!(
        Document::read(&json!({ "Statement": [{ "Effect": "Maybe" }] }))
            .unwrap_err()
            .contains("Statement[0].Effect")
    );
    assert!(Document::read(&json!(7)).is_err());
}

#[test]
fn trust_names_who_may() {
    let document = Document::read(&json!({ "Statement": [
        { "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": ["ec2.amazonaws.com", "ssm.amazonaws.com"] } },
        { "Effect": "Allow", "Action": "sts:*", "Principal": { "AWS": "arn:aws:iam::1:root" },
          "Condition": { "StringEquals": { "sts:ExternalId": "x" } } },
        { "Effect": "Allow", "Action": "sts:TagSession", "Principal": { "AWS": "2" } },
        { "Effect": "Deny", "Action": "sts:AssumeRole", "Principal": { "Service": "ssm.amazonaws.com" } },
        { "Effect": "Deny", "Action": "sts:AssumeRole", "Principal": "*", "Condition": { "Bool": { "x": "y" } } },
    ] }))
    .unwrap();
    let read = trust::read(&document);
    let who: Vec<_> = read.who.iter().map(|(who, with)| (who.clone(), with.len())).collect();
    let expected = [
        (Trusted::Aws("arn:aws:iam::1:root".to_owned()), 1),
        (Trusted::Service("ec2.amazonaws.com".to_owned()), 0),
    ];
    assert_eq!(who, expected);
    assert_eq!(read.denials_left, 1);
}
