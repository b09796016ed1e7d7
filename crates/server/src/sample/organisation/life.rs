//! Ordinary life: services, jobs and apps that are granted something and use it, and what changes around them.

use asof_model::{EdgeKind, Interval, Privilege};

use super::tell::{ALWAYS, Org, QUARTER, Use, Who, since};
use super::{END, february, january, march};

use Privilege::{Admin, Assume, DeleteData, Execute, List, Read, SecretRead, Write};

/// A service: who it is, its one policy, and what it does each day.
struct Service {
    id: &'static str,
    name: &'static str,
    env: &'static str,
    team: &'static str,
    privileges: &'static [Privilege],
    on: &'static [&'static str],
    does: &'static [(Privilege, &'static str, &'static str, u32)],
}

const ROLES: &[Service] = &[
    Service {
        id: "aws:AROAFERNWOODWEB00001",
        name: "web-frontend",
        env: "prod",
        team: "storefront",
        privileges: &[Read, List],
        on: &["s3:assets", "dynamodb:catalogue"],
        does: &[(Read, "s3:GetObject", "s3:assets", 4), (Read, "dynamodb:GetItem", "dynamodb:catalogue", 3)],
    },
    Service {
        id: "aws:AROAFERNWOODORDERS01",
        name: "orders-api",
        env: "prod",
        team: "orders",
        privileges: &[Read, Write, List],
        on: &["dynamodb:orders", "sqs:order-events"],
        does: &[
            (Write, "dynamodb:PutItem", "dynamodb:orders", 24),
            (Write, "sqs:SendMessage", "sqs:order-events", 3),
        ],
    },
    Service {
        id: "aws:AROAFERNWOODPAYMENTS",
        name: "payments-api",
        env: "prod",
        team: "payments",
        privileges: &[Read, Write, SecretRead],
        on: &["dynamodb:payments", "kms:payments", "secret:payment-provider"],
        does: &[
            (Write, "dynamodb:PutItem", "dynamodb:payments", 3),
            (SecretRead, "secretsmanager:GetSecretValue", "secret:payment-provider", 1),
        ],
    },
    Service {
        id: "aws:AROAFERNWOODSTOCK001",
        name: "stock-sync",
        env: "prod",
        team: "orders",
        privileges: &[Read, Write],
        on: &["dynamodb:stock"],
        does: &[(Write, "dynamodb:UpdateItem", "dynamodb:stock", 4)],
    },
    Service {
        id: "aws:AROAFERNWOODBACKUP01",
        name: "backup-runner",
        env: "prod",
        team: "platform",
        privileges: &[Read, Write, List],
        on: &["s3:*", "dynamodb:*"],
        does: &[(Read, "dynamodb:Scan", "dynamodb:orders", 1), (Write, "s3:PutObject", "s3:backups", 2)],
    },
    Service {
        id: "aws:AROAFERNWOODLOGS0001",
        name: "log-shipper",
        env: "prod",
        team: "platform",
        privileges: &[Write],
        on: &["s3:logs"],
        does: &[(Write, "s3:PutObject", "s3:logs", 24)],
    },
    Service {
        id: "aws:AROAFERNWOODLAKE0001",
        name: "lake-loader",
        env: "prod",
        team: "data",
        privileges: &[Read, Write, List],
        on: &["s3:lake", "glue:tables"],
        does: &[(Write, "s3:PutObject", "s3:lake", 3), (Write, "glue:UpdateTable", "glue:tables", 1)],
    },
    Service {
        id: "aws:AROAFERNWOODFRAUD001",
        name: "fraud-scorer",
        env: "prod",
        team: "payments",
        privileges: &[Read, Execute],
        on: &["dynamodb:payments", "sagemaker:fraud"],
        does: &[
            (Read, "dynamodb:Query", "dynamodb:payments", 3),
            (Execute, "sagemaker:InvokeEndpoint", "sagemaker:fraud", 3),
        ],
    },
    Service {
        id: "aws:AROAFERNWOODSTAGING1",
        name: "orders-api-staging",
        env: "staging",
        team: "orders",
        privileges: &[Read, Write, DeleteData],
        on: &["dynamodb:orders-staging"],
        does: &[
            (Write, "dynamodb:PutItem", "dynamodb:orders-staging", 1),
            (DeleteData, "dynamodb:DeleteItem", "dynamodb:orders-staging", 1),
        ],
    },
    Service {
        id: "aws:AROAFERNWOODANALYST1",
        name: "notebook-analyst",
        env: "dev",
        team: "data",
        privileges: &[Read, List],
        on: &["s3:lake", "s3:reports"],
        does: &[(Read, "s3:GetObject", "s3:lake", 2)],
    },
];

const SERVICE_ACCOUNTS: &[Service] = &[
    Service {
        id: "k8s:prod/serviceaccount/shop/cart",
        name: "cart",
        env: "prod",
        team: "storefront",
        privileges: &[Read, Write],
        on: &["k8s:prod/shop/configmaps", "redis:cart"],
        does: &[(Write, "set", "redis:cart", 4), (Read, "configmaps/get", "k8s:prod/shop/configmaps", 1)],
    },
    Service {
        id: "k8s:prod/serviceaccount/search/indexer",
        name: "indexer",
        env: "prod",
        team: "storefront",
        privileges: &[Read, Write],
        on: &["elastic:products"],
        does: &[(Write, "bulk", "elastic:products", 3)],
    },
    Service {
        id: "k8s:prod/serviceaccount/mail/sender",
        name: "mail-sender",
        env: "prod",
        team: "support",
        privileges: &[Execute],
        on: &["smtp:relay"],
        does: &[(Execute, "send", "smtp:relay", 4)],
    },
    Service {
        id: "k8s:prod/serviceaccount/ops/cert-manager",
        name: "cert-manager",
        env: "prod",
        team: "platform",
        privileges: &[SecretRead, Write],
        on: &["k8s:prod/*/secrets"],
        does: &[(Write, "secrets/update", "k8s:prod/shop/secrets", 1)],
    },
    Service {
        id: "k8s:prod/serviceaccount/monitoring/prometheus",
        name: "prometheus",
        env: "prod",
        team: "platform",
        privileges: &[Read, List],
        on: &["k8s:prod/*"],
        does: &[(List, "pods/list", "k8s:prod/shop/pods", 6)],
    },
    Service {
        id: "k8s:prod/serviceaccount/batch/price-update",
        name: "price-update",
        env: "prod",
        team: "storefront",
        privileges: &[Read, Write],
        on: &["dynamodb:catalogue"],
        does: &[(Write, "dynamodb:BatchWriteItem", "dynamodb:catalogue", 1)],
    },
    Service {
        id: "k8s:staging/serviceaccount/shop/cart",
        name: "cart-staging",
        env: "staging",
        team: "storefront",
        privileges: &[Read, Write],
        on: &["redis:cart-staging"],
        does: &[(Write, "set", "redis:cart-staging", 1)],
    },
];

const APPS: &[Service] = &[
    Service {
        id: "oauth:app-08d2",
        name: "crm-connector",
        env: "prod",
        team: "support",
        privileges: &[Read, Write],
        on: &["crm:contacts"],
        does: &[(Write, "contacts.update", "crm:contacts", 2)],
    },
    Service {
        id: "oauth:app-4be0",
        name: "calendar-sync",
        env: "prod",
        team: "it",
        privileges: &[Read, Write],
        on: &["calendar:*"],
        does: &[(Read, "events.list", "calendar:staff", 3)],
    },
    Service {
        id: "oauth:app-9f51",
        name: "survey-tool",
        env: "prod",
        team: "product",
        privileges: &[Read],
        on: &["mail:newsletter"],
        does: &[],
    },
];

const JOBS: &[Service] = &[
    Service {
        id: "ci:github/fernwood/shop",
        name: "shop-pipeline",
        env: "prod",
        team: "storefront",
        privileges: &[Read, Write, Execute],
        on: &["registry:shop", "git:shop"],
        does: &[(Write, "push", "registry:shop", 2), (Read, "clone", "git:shop", 3)],
    },
    Service {
        id: "ci:github/fernwood/infra",
        name: "infra-pipeline",
        env: "prod",
        team: "platform",
        privileges: &[Read, Assume],
        on: &["git:infra", "aws:AROAFERNWOODDEPLOYER"],
        does: &[
            (Read, "clone", "git:infra", 1),
            (Assume, "sts:AssumeRoleWithWebIdentity", "aws:AROAFERNWOODDEPLOYER", 1),
        ],
    },
    Service {
        id: "ci:github/fernwood/nightly",
        name: "nightly-tests",
        env: "dev",
        team: "platform",
        privileges: &[Read, Execute],
        on: &["git:*"],
        does: &[(Execute, "run", "git:shop", 1)],
    },
];

pub fn tell(org: &mut Org) {
    for (services, kind, policy) in [
        (ROLES, "aws.iam.role", "aws-policy"),
        (SERVICE_ACCOUNTS, "k8s.serviceaccount", "k8s-role"),
        (APPS, "oauth.app", "oauth-scope"),
        (JOBS, "ci.pipeline", "ci-permission"),
    ] {
        for service in services {
            let who = org.identity(service.id, service.name, kind, service.env, service.team);
            let entitlement = format!("{policy}/{}", service.name);
            org.grant(&who.id, &entitlement, service.privileges, service.on, ALWAYS);
            for &(privilege, action, on, per_day) in service.does {
                org.uses(&who, Use { privilege, action, on, per_day }, QUARTER);
            }
        }
    }
    deployer(org);
    write_that_comes_and_goes(org);
    short_lives(org);
    refusals(org);
}

/// The infrastructure's pipeline acts as this role; it holds ADMIN and uses it.
fn deployer(org: &mut Org) {
    let who = org.identity("aws:AROAFERNWOODDEPLOYER", "deployer", "aws.iam.role", "prod", "platform");
    org.grant(
        &who.id,
        "aws-policy/deploy",
        &[Admin, Write, Read],
        &["cloudformation:*", "iam:roles"],
        ALWAYS,
    );
    org.edge("inventory/aws", EdgeKind::CanAssume, "ci:github/fernwood/infra", &who.id, ALWAYS);
    for (privilege, action, on) in [
        (Write, "cloudformation:UpdateStack", "cloudformation:shop"),
        (Admin, "iam:AttachRolePolicy", "iam:roles"),
    ] {
        org.uses(&who, Use { privilege, action, on, per_day: 1 }, QUARTER);
    }
}

/// image-resizer loses its WRITE on 1 March and stops; feature-store is given one on 15 March and begins.
fn write_that_comes_and_goes(org: &mut Org) {
    let resizer =
        org.identity("aws:AROAFERNWOODIMAGES01", "image-resizer", "aws.iam.role", "prod", "storefront");
    let until_march = Interval { from: ALWAYS.from, to: march(1) };
    org.grant(&resizer.id, "aws-policy/images-read", &[Read], &["s3:images"], ALWAYS);
    org.grant(&resizer.id, "aws-policy/images-write", &[Write], &["s3:images"], until_march);
    let (write, read) = (usual(Write, "s3:PutObject", "s3:images"), usual(Read, "s3:GetObject", "s3:images"));
    org.uses(&resizer, write, Interval { from: january(1), to: march(1) });
    org.uses(&resizer, read, QUARTER);

    let store = org.identity("aws:AROAFERNWOODFEATURES", "feature-store", "aws.iam.role", "prod", "data");
    org.grant(&store.id, "aws-policy/features-read", &[Read], &["dynamodb:features"], ALWAYS);
    org.grant(&store.id, "aws-policy/features-write", &[Write], &["dynamodb:features"], since(march(15)));
    org.uses(&store, usual(Read, "dynamodb:GetItem", "dynamodb:features"), QUARTER);
    org.uses(
        &store,
        usual(Write, "dynamodb:PutItem", "dynamodb:features"),
        Interval { from: march(15), to: END },
    );
}

/// A migration's role, made and deleted within February.
fn short_lives(org: &mut Org) {
    let february = Interval { from: february(3), to: february(20) };
    let id = "aws:AROAFERNWOODMIGRATE1";
    let who = org.identity_during(id, "db-migration", "aws.iam.role", "prod", "orders", february);
    org.grant(id, "aws-policy/migration", &[Read, Write, DeleteData], &["dynamodb:orders"], february);
    org.uses(&who, usual(Write, "dynamodb:BatchWriteItem", "dynamodb:orders"), february);
}

/// survey-tool asks for what it is not given.
fn refusals(org: &mut Org) {
    let who = Who {
        id: "oauth:app-9f51".to_owned(),
        secret: "oauth:key/survey-tool".to_owned(),
        workload: "oauth:run/survey-tool".to_owned(),
        source_ip: "192.0.2.14".to_owned(),
        region: "us-east-1",
    };
    for day in [4, 11, 18, 25] {
        org.refused(&who, usual(Write, "messages.send", "mail:newsletter"), march(day));
    }
}

const fn usual<'a>(privilege: Privilege, action: &'a str, on: &'a str) -> Use<'a> {
    Use { privilege, action, on, per_day: 2 }
}
