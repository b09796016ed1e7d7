//! The stories that the five questions find.

use asof_model::{Duration, EdgeKind, Instant, Interval, Privilege};

use super::tell::{ALWAYS, Org, QUARTER, Use, Who, since};
use super::{END, LONG_AGO, february, january, march};

/// The key that report-builder was to stop using on 10 February.
pub const ROTATED_KEY: &str = "aws:AKIAFERNWOODREPORT01";

pub fn tell(org: &mut Org) {
    read_only_account_that_writes(org);
    rotated_key_in_use(org);
    dormant_admins(org);
    agent_with_idle_tools(org);
    shadow_identity(org);
    provider_knows_better(org);
    coverage(org);
}

const fn hour(of: Instant, hour: i64) -> Instant {
    of.plus(Duration::from_secs(hour * 3600))
}

/// billing-export reads invoices every day. From 12 March it also writes, at night, and no policy gives it that.
fn read_only_account_that_writes(org: &mut Org) {
    let who = org.identity("aws:AROAFERNWOODBILLING1", "billing-export", "aws.iam.role", "prod", "finance");
    org.grant(
        &who.id,
        "aws-policy/invoices-read",
        &[Privilege::Read, Privilege::List],
        &["s3:invoices"],
        ALWAYS,
    );
    org.uses(
        &who,
        Use { privilege: Privilege::Read, action: "s3:GetObject", on: "s3:invoices", per_day: 3 },
        QUARTER,
    );
    let writes = Use { privilege: Privilege::Write, action: "s3:PutObject", on: "s3:invoices", per_day: 1 };
    for day in 12..32 {
        org.saw(&who, writes, hour(march(day), 2), |seen| "203.0.113.40".clone_into(&mut seen.source_ip));
    }
}

/// report-builder's key was rotated on 10 February. A forgotten machine goes on with the old one.
fn rotated_key_in_use(org: &mut Org) {
    let id = "aws:AIDAFERNWOODREPORT01";
    let who = org.keyless(id, "report-builder", "aws.iam.user", "prod", "finance", ALWAYS);
    let rotation = hour(february(10), 9);
    let new_key = "aws:AKIAFERNWOODREPORT02";
    org.key(ROTATED_KEY, Interval { from: LONG_AGO, to: rotation });
    org.revoked_key(ROTATED_KEY, LONG_AGO, rotation);
    org.key(new_key, since(rotation));
    org.edge("inventory/aws", EdgeKind::AuthenticatesWith, &who.id, ROTATED_KEY, ALWAYS);
    org.edge("inventory/aws", EdgeKind::AuthenticatesWith, &who.id, new_key, since(rotation));
    org.grant(
        &who.id,
        "aws-policy/reports",
        &[Privilege::Read, Privilege::Write],
        &["s3:reports", "s3:invoices"],
        ALWAYS,
    );

    let old = Who { secret: ROTATED_KEY.to_owned(), ..who.clone() };
    let new = Who { secret: new_key.to_owned(), ..who.clone() };
    let forgotten = Who {
        workload: "aws:i-0fernwoodforgotten".to_owned(),
        source_ip: "10.20.31.7".to_owned(),
        ..old.clone()
    };
    let builds = Use { privilege: Privilege::Write, action: "s3:PutObject", on: "s3:reports", per_day: 2 };
    org.uses(&old, builds, Interval { from: january(1), to: rotation });
    org.uses(&new, builds, Interval { from: rotation, to: END });
    let reads = Use { privilege: Privilege::Read, action: "s3:GetObject", on: "s3:invoices", per_day: 1 };
    org.uses(&forgotten, reads, QUARTER);
}

/// Three hold ADMIN and do not use it. Of break-glass that is sure: its log is whole. Of directory-sync a log of two days
/// is missing, and of legacy-etl there is no log at all: dormant as far as was seen.
fn dormant_admins(org: &mut Org) {
    let glass = org.identity("aws:AROAFERNWOODGLASS001", "break-glass", "aws.iam.role", "prod", "platform");
    org.grant(
        &glass.id,
        "aws-policy/administrator",
        &[Privilege::Admin, Privilege::Write, Privilege::Read],
        &["*"],
        ALWAYS,
    );
    let tried = Use { privilege: Privilege::Admin, action: "iam:CreateUser", on: "iam:users", per_day: 1 };
    org.saw(&glass, tried, hour(january(5), 10), |_| {});

    let sync = org.identity("oauth:app-31c7", "directory-sync", "oauth.app", "prod", "it");
    org.grant(
        &sync.id,
        "oauth-scope/directory.manage",
        &[Privilege::Admin],
        &["directory:people", "directory:groups"],
        ALWAYS,
    );
    org.grant(&sync.id, "oauth-scope/directory.read", &[Privilege::Read], &["directory:*"], ALWAYS);
    org.uses(
        &sync,
        Use { privilege: Privilege::Read, action: "users.list", on: "directory:people", per_day: 2 },
        QUARTER,
    );

    let etl = org.identity("ldap:svc-legacy-etl", "legacy-etl", "ldap.service", "prod", "data");
    org.grant(&etl.id, "ldap-group/dba", &[Privilege::Admin], &["oracle:*"], ALWAYS);
    org.uses(
        &etl,
        Use { privilege: Privilege::Read, action: "SELECT", on: "oracle:customers", per_day: 1 },
        since_march(2),
    );

    // One that is in use, for contrast: every Monday.
    let platform =
        org.identity("aws:AROAFERNWOODPLATFORM", "platform-admin", "aws.iam.role", "prod", "platform");
    org.grant(&platform.id, "aws-policy/permissions", &[Privilege::Admin], &["iam:*"], ALWAYS);
    let changes =
        Use { privilege: Privilege::Admin, action: "iam:PutRolePolicy", on: "iam:roles", per_day: 1 };
    for week in 0..13 {
        org.saw(&platform, changes, hour(january(5 + 7 * week), 9), |_| {});
    }
}

const fn since_march(day: i64) -> Interval {
    Interval { from: march(day), to: END }
}

/// support-agent is given twelve tools and uses three; research-agent uses all of its own.
fn agent_with_idle_tools(org: &mut Org) {
    let tools = [
        "crm.lookup",
        "crm.update",
        "crm.delete",
        "orders.search",
        "orders.refund",
        "orders.cancel",
        "mail.send",
        "mail.search",
        "calendar.book",
        "kb.search",
        "shell.run",
        "payments.void",
    ];
    let used = [("crm.lookup", 6), ("kb.search", 8), ("orders.search", 3)];
    agent(org, "agent:support-agent", "support-agent", "support", &tools, &used);
    let tools = ["web.search", "kb.search", "kb.write"];
    agent(org, "agent:research-agent", "research-agent", "product", &tools, &tools.map(|tool| (tool, 2)));
    let tools = ["git.read", "git.comment", "git.push", "ci.rerun"];
    let used = [("git.read", 4), ("git.comment", 2), ("ci.rerun", 1)];
    agent(org, "agent:review-agent", "review-agent", "platform", &tools, &used);
    // No agent may void payments, whatever it is given.
    let group = org.identity("agent:all-agents", "all-agents", "agent.group", "prod", "platform");
    org.deny(&group.id, "agent-policy/no-payments", &[Privilege::Execute], &["tool:payments.*"]);
    for member in ["agent:support-agent", "agent:research-agent", "agent:review-agent"] {
        org.edge("inventory/agent", EdgeKind::MemberOf, member, &group.id, ALWAYS);
    }
}

fn agent(org: &mut Org, id: &str, name: &str, team: &str, tools: &[&str], used: &[(&str, u32)]) {
    let who = org.identity(id, name, "ai.agent", "prod", team);
    for tool in tools {
        let resource = format!("tool:{tool}");
        org.grant(id, &format!("agent-tool/{name}/{tool}"), &[Privilege::Execute], &[&resource], ALWAYS);
    }
    for (tool, per_day) in used {
        let resource = format!("tool:{tool}");
        let calls = Use { privilege: Privilege::Execute, action: tool, on: &resource, per_day: *per_day };
        org.uses(&who, calls, QUARTER);
    }
}

/// No inventory knows this role, and it reads what finance exports.
fn shadow_identity(org: &mut Org) {
    let who = Who {
        id: "aws:AROAFERNWOODUNKNOWN1".to_owned(),
        secret: "aws:ASIAFERNWOODUNKNOWN1".to_owned(),
        workload: String::new(),
        source_ip: "198.51.100.9".to_owned(),
        region: "ap-southeast-2",
    };
    let reads =
        Use { privilege: Privilege::Read, action: "s3:GetObject", on: "s3:finance-exports", per_day: 2 };
    org.uses(&who, reads, since_march(3));
}

/// partner-gateway reads by a bucket's own policy, which the inventory does not list: the provider says so in its log.
fn provider_knows_better(org: &mut Org) {
    let who = org.identity("aws:AROAFERNWOODPARTNER1", "partner-gateway", "aws.iam.role", "prod", "partners");
    org.grant(&who.id, "aws-policy/partner-write", &[Privilege::Write], &["s3:partner-drop"], ALWAYS);
    let writes =
        Use { privilege: Privilege::Write, action: "s3:PutObject", on: "s3:partner-drop", per_day: 2 };
    org.uses(&who, writes, QUARTER);
    let reads = Use { privilege: Privilege::Read, action: "s3:GetObject", on: "s3:partner-drop", per_day: 1 };
    for day in 1..32 {
        org.saw(&who, reads, hour(march(day), 7), |seen| {
            seen.granted_by = vec!["bucket policy of partner-drop".to_owned()];
        });
    }
}

/// Every inventory but LDAP's was stated whole, and every log but LDAP's delivered whole, the identity provider's with a
/// hole of two days.
fn coverage(org: &mut Org) {
    for identities in ["aws:*", "k8s:*", "agent:*", "ci:*", "oauth:*"] {
        org.inventory_covers(identities, QUARTER);
    }
    for identities in ["aws:*", "k8s:*", "agent:*", "ci:*"] {
        org.log_covers(identities, QUARTER);
    }
    org.log_covers("oauth:*", Interval { from: january(1), to: hour(february(17), 6) });
    org.log_covers("oauth:app-*", Interval { from: hour(february(19), 6), to: END });
}
