//! What the actions of AWS are: each known one has exactly one privilege class.
//!
//! The access levels come from `data/aws-actions.txt` (derived, never edited), what they cannot say from
//! `data/aws-overlay.txt`, and where CloudTrail's names differ from IAM's from `data/aws-events.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use asof_model::{Privilege, glob_matches};

const ACTIONS: &str = include_str!("../data/aws-actions.txt");
const OVERLAY: &str = include_str!("../data/aws-overlay.txt");
const EVENTS: &str = include_str!("../data/aws-events.txt");

/// One service's actions.
#[derive(Debug, Default)]
pub struct Service {
    /// By the name in lower case: the name as AWS writes it, and the class.
    actions: BTreeMap<String, (String, Privilege)>,
    /// ARNs of other services, as globs, and the actions of this one that are on them, in lower case.
    foreign: Vec<(&'static str, Vec<String>)>,
}

impl Service {
    /// Every known action and its class, in order of name.
    pub fn actions(&self) -> impl Iterator<Item = (&str, Privilege)> {
        self.actions.values().map(|(name, class)| (name.as_str(), *class))
    }

    /// Every known action in lower case, as AWS writes it, and its class.
    pub(crate) fn spelled(&self) -> impl Iterator<Item = (&str, &str, Privilege)> {
        self.actions.iter().map(|(lower, (name, class))| (lower.as_str(), name.as_str(), *class))
    }

    /// ARNs of other services that an action, in lower case, is on, as globs.
    pub(crate) fn foreign<'a>(&'a self, action: &'a str) -> impl Iterator<Item = &'static str> + 'a {
        let on = self.foreign.iter().filter(move |(_, actions)| actions.iter().any(|each| each == action));
        on.map(|(glob, _)| *glob)
    }
}

/// Every known action of AWS.
#[derive(Debug)]
pub struct Catalogue {
    services: BTreeMap<&'static str, Service>,
    sources: BTreeMap<&'static str, &'static str>,
    events: BTreeMap<String, &'static str>,
}

/// An action as the catalogue knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// `s3:PutObject`, in AWS's own spelling where it is known.
    pub name: String,
    /// Its class; `None`: unknown.
    pub class: Option<Privilege>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::read);

impl Catalogue {
    /// The one that is built in.
    pub fn get() -> &'static Self {
        &CATALOGUE
    }

    /// Every service, by the prefix of its actions.
    pub fn services(&self) -> impl Iterator<Item = (&'static str, &Service)> {
        self.services.iter().map(|(name, service)| (*name, service))
    }

    /// A service by the prefix of its actions, case ignored.
    pub fn service(&self, prefix: &str) -> Option<(&'static str, &Service)> {
        let lower = prefix.to_ascii_lowercase();
        self.services.get_key_value(lower.as_str()).map(|(name, service)| (*name, service))
    }

    /// The class of `service:Action`, case ignored.
    pub fn class(&self, action: &str) -> Option<Privilege> {
        let (prefix, name) = action.split_once(':')?;
        let known = self.service(prefix)?.1.actions.get(&name.to_ascii_lowercase())?;
        Some(known.1)
    }

    /// The action that an event of CloudTrail is authorised by.
    pub fn of_event(&self, event_source: &str, event_name: &str) -> Action {
        let source = event_source.strip_suffix(".amazonaws.com").unwrap_or(event_source);
        let first = source.split('.').next().unwrap_or(source);
        let prefix = self.sources.get(source).or_else(|| self.sources.get(first)).copied().unwrap_or(first);
        let plain = without_version(event_name);
        let mapped = self.events.get(&format!("{prefix}:{plain}").to_ascii_lowercase());
        for name in mapped.copied().into_iter().chain([event_name, plain]) {
            let known =
                self.services.get(prefix).and_then(|service| service.actions.get(&name.to_ascii_lowercase()));
            if let Some((name, class)) = known {
                return Action { name: format!("{prefix}:{name}"), class: Some(*class) };
            }
        }
        Action { name: format!("{prefix}:{plain}"), class: None }
    }

    fn read() -> Self {
        let mut catalogue =
            Self { services: BTreeMap::new(), sources: BTreeMap::new(), events: BTreeMap::new() };
        catalogue.read_actions();
        catalogue.read_overlay();
        for line in lines(EVENTS) {
            let words: Vec<&'static str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                ["source", name, service] => drop(catalogue.sources.insert(name, service)),
                ["event", event, action] => drop(catalogue.events.insert(event.to_ascii_lowercase(), action)),
                _ => debug_assert!(false, "{line}"),
            }
        }
        catalogue
    }

    fn read_actions(&mut self) {
        let mut service = Service::default();
        let mut prefix = "";
        for line in lines(ACTIONS) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                self.services.insert(prefix, std::mem::take(&mut service));
                prefix = name;
                continue;
            }
            if let Some((glob, actions)) = line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
                service.foreign.push((glob, actions.split(' ').map(str::to_ascii_lowercase).collect()));
                continue;
            }
            let Some((signs, rests)) = line.split_once('=') else { continue };
            for sign in signs.split(' ') {
                let Some((level, verbs)) = sign.split_once(':') else { continue };
                let class = match level {
                    "L" => Privilege::List,
                    "R" => Privilege::Read,
                    "T" => Privilege::Tag,
                    "A" => Privilege::Admin,
                    _ => Privilege::Write,
                };
                for verb in verbs.split(',') {
                    for rest in rests.split(' ') {
                        let name = format!("{verb}{}", if rest == "-" { "" } else { rest });
                        service.actions.insert(name.to_ascii_lowercase(), (name, class));
                    }
                }
            }
        }
        self.services.insert(prefix, service);
        self.services.remove("");
    }

    fn read_overlay(&mut self) {
        for line in lines(OVERLAY) {
            let mut words = line.split_ascii_whitespace();
            let Some(class) = words.next().and_then(Privilege::from_name) else { continue };
            for (prefix, pattern) in words.filter_map(|word| word.split_once(':')) {
                let service = self.services.entry(prefix).or_default();
                let lower = pattern.to_ascii_lowercase();
                if !asof_model::is_glob(&lower) {
                    let known = service.actions.entry(lower).or_insert_with(|| (pattern.to_owned(), class));
                    known.1 = class;
                    continue;
                }
                for (name, known) in &mut service.actions {
                    if glob_matches(&lower, name) {
                        known.1 = class;
                    }
                }
            }
        }
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `CreateFunction20150331v2` and `CreateDistribution2020_05_31` without the version of the API.
pub(crate) fn without_version(event_name: &str) -> &str {
    let trimmed = event_name.rsplit_once('v').map_or(event_name, |(head, version)| {
        let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        if is_version && head.ends_with(|last: char| last.is_ascii_digit()) { head } else { event_name }
    });
    let name = trimmed.trim_end_matches(|sign: char| sign.is_ascii_digit() || sign == '_');
    let date: String = trimmed[name.len()..].chars().filter(char::is_ascii_digit).collect();
    if date.len() == 8 && (date.starts_with("19") || date.starts_with("20")) && !name.is_empty() {
        name
    } else {
        event_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_action_has_one_class() {
        let catalogue = Catalogue::get();
        for (action, class) in [
            ("s3:GetObject", Privilege::Read),
            ("S3:getobject", Privilege::Read),
            ("s3:ListBucket", Privilege::List),
            ("s3:PutObject", Privilege::Write),
            ("s3:DeleteObject", Privilege::DeleteData),
            ("s3:PutObjectTagging", Privilege::Tag),
            ("s3:PutBucketPolicy", Privilege::Admin),
            ("iam:PassRole", Privilege::Assume),
            ("iam:CreateUser", Privilege::Write),
            ("iam:AttachRolePolicy", Privilege::Admin),
            ("sts:AssumeRole", Privilege::Assume),
            ("sts:AssumeRoleWithSAML", Privilege::Assume),
            ("kms:Decrypt", Privilege::SecretRead),
            ("ssm:GetParametersByPath", Privilege::SecretRead),
            ("secretsmanager:GetSecretValue", Privilege::SecretRead),
            ("ssm:SendCommand", Privilege::Execute),
            ("bedrock:InvokeModel", Privilege::Execute),
            ("signin:ConsoleLogin", Privilege::Authenticate),
            ("sts:GetCallerIdentity", Privilege::Authenticate),
        ] {
            assert_eq!(catalogue.class(action), Some(class), "{action}");
        }
        assert_eq!(catalogue.class("s3:NoSuchThing"), None);
        assert_eq!(catalogue.class("nothing"), None);
        assert!(catalogue.services().map(|(_, service)| service.actions().count()).sum::<usize>() > 20_000);
        assert!(
            catalogue
                .services()
                .all(|(_, service)| service.actions().all(|(_, class)| class != Privilege::Other))
        );
    }

    #[test]
    fn events_are_authorised_by_actions() {
        for (source, event, action, class) in [
            ("s3.amazonaws.com", "HeadObject", "s3:GetObject", Some(Privilege::Read)),
            ("s3.amazonaws.com", "ListObjects", "s3:ListBucket", Some(Privilege::List)),
            ("lambda.amazonaws.com", "Invoke20150331", "lambda:InvokeFunction", Some(Privilege::Execute)),
            (
                "lambda.amazonaws.com",
                "CreateFunction20150331",
                "lambda:CreateFunction",
                Some(Privilege::Write),
            ),
            (
                "lambda.amazonaws.com",
                "UpdateFunctionCode20150331v2",
                "lambda:UpdateFunctionCode",
                Some(Privilege::Write),
            ),
            (
                "cloudfront.amazonaws.com",
                "CreateDistribution2020_05_31",
                "cloudfront:CreateDistribution",
                Some(Privilege::Write),
            ),
            (
                "monitoring.amazonaws.com",
                "DescribeAlarms",
                "cloudwatch:DescribeAlarms",
                Some(Privilege::Read),
            ),
            ("route53.amazonaws.com", "ListHostedZones", "route53:ListHostedZones", Some(Privilege::List)),
            ("signin.amazonaws.com", "ConsoleLogin", "signin:ConsoleLogin", Some(Privilege::Authenticate)),
            (
                "secretsmanager.amazonaws.com",
                "StartSecretVersionDelete",
                "secretsmanager:StartSecretVersionDelete",
                None,
            ),
        ] {
            assert_eq!(
                Catalogue::get().of_event(source, event),
                Action { name: action.to_owned(), class },
                "{event}"
            );
        }
        assert_eq!(without_version("ListTagsForResourceV2"), "ListTagsForResourceV2");
        assert_eq!(without_version("DescribeDBInstances2014"), "DescribeDBInstances2014");
    }
}
