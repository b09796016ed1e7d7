//! Real logs and policies, read by the importers and asked through the real schema. The numbers were counted on the raw
//! files first; README states them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use asof_engine::{Engine, Options, Tenant};
use asof_import::{aws_iam, cloudtrail};
use asof_model::{Batch, Instant};
use asof_tests::contract::text;
use serde_json::{Value as Json, json};

/// The folder of real data beside the checkout. Without it there is nothing to test: which is said, and with CI=true is
/// a failure.
fn data(path: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    if folder.exists() {
        return Some(folder);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is not there", folder.display());
    println!("not tested: {} is not there", folder.display());
    None
}

async fn tenant(batches: Vec<Batch>) -> (tempfile::TempDir, Tenant) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: folder.path().to_owned(), ..Options::default() };
    let tenant = Engine::open(options).await.unwrap().tenant_or_create("real").await.unwrap();
    for batch in batches {
        tenant.ingest(batch).await.unwrap();
    }
    (folder, tenant)
}

async fn ask(tenant: &Tenant, query: &str) -> Json {
    let response = asof_graphql::execute(tenant.clone(), async_graphql::Request::new(query)).await;
    assert!(response.errors.is_empty(), "{query}: {:?}", response.errors);
    response.data.into_json().unwrap()
}

fn list<'a>(answer: &'a Json, path: &str) -> Vec<&'a Json> {
    answer.pointer(path).unwrap().as_array().unwrap().iter().collect()
}

/// The last part of each node's name -> how many its counted connection has. A deleted node has no name any more: the first
/// that it ever had is taken.
fn counts(answer: &Json, path: &str, counted: &str) -> BTreeMap<String, u64> {
    let name = |node: &Json| {
        let name = text(node.pointer("/history/0/state/name").unwrap_or(&Json::Null));
        name.rsplit(['/', ':']).next().unwrap().to_owned()
    };
    list(answer, path)
        .into_iter()
        .map(|node| (name(node), node[counted]["totalCount"].as_u64().unwrap()))
        .collect()
}

fn expected(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn batches_of(log: &mut cloudtrail::CloudTrail) -> Vec<Batch> {
    let mut batches = Vec::new();
    while let Some(batch) = log.next_batch() {
        batches.push(batch);
    }
    batches
}

#[tokio::test(flavor = "multi_thread")]
async fn invictus_answers_what_its_raw_log_says() {
    let Some(folder) = data("aws/invictus/cloudtrail") else { return };
    let mut log = cloudtrail::CloudTrail::open(&[folder], cloudtrail::Options::default()).unwrap();
    let batches = batches_of(&mut log);
    let (_folder, tenant) = tenant(batches.clone()).await;
    let size = tenant.size();
    for batch in batches {
        assert!(tenant.ingest(batch).await.unwrap().duplicate_batch, "the same files again write nothing");
    }
    assert_eq!(tenant.size(), size);
    who_did_what(&tenant).await;
    keys(&tenant).await;
    instance_session(&tenant).await;
    drift(&tenant).await;
    short_lived_administrator(&tenant).await;
}

async fn who_did_what(tenant: &Tenant) {
    let answer = ask(
        tenant,
        r#"query($at: At = { asOf: "2023-07-10T13:00:00Z" }) {
            all: identities(includeDeleted: true, first: 0, at: $at) { totalCount }
            seen: observations(during: {}, first: 0, at: $at) { totalCount }
            done: observations(where: { outcomes: [SUCCESS] }, during: {}, first: 0, at: $at) { totalCount }
            failed: observations(where: { outcomes: [ERROR] }, during: {}, first: 0, at: $at) { totalCount }
            denied: identities(
                where: { used: { outcomes: [DENIED], during: {} } }, includeDeleted: true, at: $at
            ) { nodes { history { state { name } } observations(where: { outcomes: [DENIED] }, during: {}, first: 0) { totalCount } } }
            admin: identities(
                where: { used: { privileges: [ADMIN], outcomes: [SUCCESS, DENIED, ERROR], during: {} } }
                includeDeleted: true, at: $at
            ) { nodes { history { state { name } } observations(where: { privileges: [ADMIN] }, during: {}, first: 0) { totalCount } } }
        }"#,
    )
    .await;
    let total = |name: &str| answer[name]["totalCount"].as_u64().unwrap();
    // 2,900 events; five GetParameters calls name 42 parameters and are 42 observations.
    assert_eq!(total("seen"), 2_937);
    assert_eq!((total("done"), total("failed")), (2_637, 240));
    // 6 users, 16 roles and 7 services that the log knows, and 3 that only its trust policies and calls name.
    assert_eq!(total("all"), 32);
    let denied = [
        ("stratus-red-team-ec2-get-password-data-role", 29),
        ("bert-jan", 15),
        ("stratus-red-team-get-usr-data-role", 15),
        ("stratus-red-team-leave-org-role", 1),
    ];
    assert_eq!(counts(&answer, "/denied/nodes", "observations"), expected(&denied));
    assert_eq!(counts(&answer, "/admin/nodes", "observations"), expected(&[("bert-jan", 44)]));
}

async fn keys(tenant: &Tenant) {
    let answer = ask(
        tenant,
        r#"query($at: At = { asOf: "2023-07-10T13:00:00Z" }) {
            used: secrets(
                where: { used: { outcomes: [SUCCESS, DENIED, ERROR], during: {} } }
                includeDeleted: true, first: 1000, at: $at
            ) { nodes { id } }
            all: secrets(includeDeleted: true, first: 1000, at: $at) {
                nodes { id inventoried deleted issuedBy { id } }
            }
        }"#,
    )
    .await;
    let ids =
        |nodes: Vec<&Json>| nodes.into_iter().map(|node| text(&node["id"])).collect::<BTreeSet<String>>();
    let used = ids(list(&answer, "/used/nodes"));
    let stated = |node: &&Json| node["inventoried"] == true || node["deleted"] == true;
    let issued = ids(list(&answer, "/all/nodes").into_iter().filter(stated).collect());
    let minted = |node: &&Json| !node["issuedBy"].as_array().unwrap().is_empty();
    let minted = ids(list(&answer, "/all/nodes").into_iter().filter(minted).collect());
    assert_eq!((issued.len(), used.len()), (38, 133));
    assert_eq!(issued.intersection(&used).count(), 8, "issued and used");
    assert_eq!(minted.len(), 10, "session keys whose minting key the log knows");
}

/// The keys of an instance's role, used from the instance and from somewhere else.
async fn instance_session(tenant: &Tenant) {
    let answer = ask(
        tenant,
        r#"{
            identities(
                where: { name: { glob: "*:role/stratus-red-team-ec2-steal-credentials-role" } }
                at: { asOf: "2023-07-10T12:05:00Z" }
            ) {
                nodes {
                    observations(during: { to: "2023-07-10T13:00:00Z" }) { nodes { secret sourceIp session } }
                    unused(during: { from: "2023-07-10T11:00:00Z", to: "2023-07-10T13:00:00Z" }) {
                        entitlement { id } privilege
                    }
                }
            }
        }"#,
    )
    .await;
    let mut seen: BTreeMap<[String; 3], u64> = BTreeMap::new();
    for each in list(&answer, "/identities/nodes/0/observations/nodes") {
        *seen.entry(["secret", "sourceIp", "session"].map(|member| text(&each[member]))).or_default() += 1;
    }
    let session = "i-0dbc91f429e48eeed";
    let two =
        [("aws:ASIATFQR7NSC36DZQP7P", "192.168.10.20", 2), ("aws:ASIATFQR7NSCSHSEVYP5", "3.225.16.109", 13)];
    let two = two.map(|(key, address, count)| ([key, address, session].map(str::to_owned), count));
    assert_eq!(seen, BTreeMap::from(two));
    let unused: BTreeSet<(String, String)> = list(&answer, "/identities/nodes/0/unused")
        .into_iter()
        .map(|each| {
            let id = text(&each["entitlement"]["id"]);
            (id.split('/').rev().nth(1).unwrap().to_owned(), text(&each["privilege"]))
        })
        .collect();
    let four =
        [("ec2messages", "READ"), ("ec2messages", "WRITE"), ("ssm", "SECRET_READ"), ("ssmmessages", "WRITE")];
    assert_eq!(unused, four.map(|(service, class)| (service.to_owned(), class.to_owned())).into());
}

async fn drift(tenant: &Tenant) {
    let query = |known: bool| {
        format!(
            r#"{{
                identities(
                    where: {{ usedWithoutHolding: {{ used: {{ during: {{}} }}, postureKnown: {known} }} }}
                    includeDeleted: true, at: {{ asOf: "2023-07-10T13:00:00Z" }}
                ) {{ nodes {{ history {{ state {{ name }} }} uncovered(during: {{}}, first: 0) {{ totalCount }} }} }}
            }}"#
        )
    };
    // A log alone states no coverage of posture: nothing is for sure.
    let sure = ask(tenant, &query(true)).await;
    assert_eq!(sure["identities"]["nodes"], json!([]));
    let as_far_as_we_know = ask(tenant, &query(false)).await;
    let found = [
        ("bert-jan", 2_421),
        ("benjamin", 89),
        ("AWSServiceRoleForRDS", 4),
        ("AWSServiceRoleForAmazonInspector2", 2),
        ("rds.amazonaws.com", 10),
        ("cloudtrail.amazonaws.com", 8),
        ("rolesanywhere.amazonaws.com", 6),
        ("ec2.amazonaws.com", 4),
        ("inspector2.amazonaws.com", 4),
        ("lambda.amazonaws.com", 2),
    ];
    assert_eq!(counts(&as_far_as_we_know, "/identities/nodes", "uncovered"), expected(&found));
}

/// A user that is made, given everything, and deleted within four minutes: held from and until exactly then.
async fn short_lived_administrator(tenant: &Tenant) {
    for (moment, holds) in [
        ("2023-07-10T12:24:48.999999999Z", false),
        ("2023-07-10T12:24:49Z", true),
        ("2023-07-10T12:28:23.999999999Z", true),
        ("2023-07-10T12:28:24Z", false),
    ] {
        let answer = ask(
            tenant,
            &format!(
                r#"{{ identities(
                    where: {{ name: {{ glob: "*:user/malicious-iam-user" }}, holds: {{ privileges: [ADMIN], on: "*" }} }}
                    at: {{ asOf: "{moment}" }}
                ) {{ totalCount }} }}"#
            ),
        )
        .await;
        assert_eq!(answer["identities"]["totalCount"], u64::from(holds), "{moment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudsplaining_answers_what_its_file_says() {
    let Some(file) = data("aws/cloudsplaining/account-authorization-details.json.gz") else { return };
    let listing = aws_iam::read(&file, Instant::parse("2024-01-01T00:00:00Z").unwrap()).unwrap();
    let (_folder, tenant) = tenant(listing.batches).await;
    let answer = ask(
        &tenant,
        r#"query($at: At = { asOf: "2024-02-01T00:00:00Z" }) {
            users: identities(where: { type: { eq: "aws.iam.user" } }, first: 0, at: $at) { totalCount }
            groups: identities(where: { type: { eq: "aws.iam.group" } }, first: 0, at: $at) { totalCount }
            roles: identities(where: { type: { eq: "aws.iam.role" } }, first: 0, at: $at) { totalCount }
            given: node(
                kind: ENTITLEMENT, id: "aws:arn:aws:iam::aws:policy/AdministratorAccess#0/*/ADMIN", at: $at
            ) { ... on Entitlement { scopes heldBy { name } } }
            holding: identities(
                where: { holds: {
                    privileges: [ADMIN], on: "anything"
                    entitlement: { prefix: "aws:arn:aws:iam::aws:policy/AdministratorAccess#" }
                } }
                at: $at
            ) { nodes { name } }
            known: identities(
                where: { inventoried: true, observed: { kind: POSTURE, during: { last: "P1D" } } }, first: 0, at: $at
            ) { totalCount }
            before: identities(
                where: { observed: { kind: POSTURE, during: { from: "2023-12-31T23:59:59Z" } } }, first: 0, at: $at
            ) { totalCount }
        }"#,
    )
    .await;
    let total = |name: &str| answer[name]["totalCount"].as_u64().unwrap();
    assert_eq!((total("users"), total("groups"), total("roles")), (44, 5, 78));
    let names = |path: &str| {
        let name = |node: &Json| text(&node["name"]).rsplit('/').next().unwrap().to_owned();
        list(&answer, path).into_iter().map(name).collect::<BTreeSet<String>>()
    };
    let mut administrators: BTreeSet<String> = [
        "obama",
        "admin",
        "AWS-QuickSetup-StackSet-Local-ExecutionRole",
        "AWSReservedSSO_AdministratorAccess_dc6414f7f2ab04fc",
        "OrganizationAccountAccessRole",
        "stacksets-exec-b5520cb2730c2f54b523d6375a319abb",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(names("/given/heldBy"), administrators);
    assert_eq!(answer["given"]["scopes"], json!(["*"]));
    // A member of the group that holds it.
    administrators.insert("userwithlotsofpermissions".to_owned());
    assert_eq!(names("/holding/nodes"), administrators);
    assert_eq!((total("known"), total("before")), (127, 0), "stated whole from its moment on, not before");
}
