//! The calls that start and end workloads: what runs as which role.

use asof_model::{EdgeKind, NodeKind, NodeValue};
use serde_json::Value;

use super::replay::{State, Step};
use crate::arn::{Arn, Named, PrincipalKind, id_of, instance_of};

impl State {
    pub(super) fn instances(&mut self, step: &mut Step<'_>, call: &str) {
        let (asked, answered) = (&step.change.request.0, &step.change.response.0);
        match call {
            "RunInstances" => {
                let role = self.role_of_profile(step, &asked["iamInstanceProfile"]);
                let none = Vec::new();
                for item in answered["instancesSet"]["items"].as_array().unwrap_or(&none) {
                    let Some(instance) = item["instanceId"].as_str().and_then(instance_of) else { continue };
                    let value = workload(step, instance, "aws.ec2.instance");
                    step.put_node(NodeKind::Workload, &id_of(instance), value);
                    if let Some(role) = &role {
                        self.run_as(step, &id_of(instance), role);
                    }
                }
            }
            "TerminateInstances" => {
                let none = Vec::new();
                for item in asked["instancesSet"]["items"].as_array().unwrap_or(&none) {
                    let Some(instance) = item["instanceId"].as_str().and_then(instance_of) else { continue };
                    self.end(step, &id_of(instance));
                }
            }
            _ => {
                let association =
                    ["AssociateIamInstanceProfileResponse", "ReplaceIamInstanceProfileAssociationResponse"]
                        .iter()
                        .map(|name| &answered[*name])
                        .find(|answer| answer.is_object())
                        .unwrap_or(answered);
                let association = &association["iamInstanceProfileAssociation"];
                let role = self.role_of_profile(step, &association["iamInstanceProfile"]);
                if let (Some(instance), Some(role)) =
                    (association["instanceId"].as_str().and_then(instance_of), role)
                {
                    self.run_as(step, &id_of(instance), &role);
                }
            }
        }
    }

    fn role_of_profile(&self, step: &Step<'_>, profile: &Value) -> Option<String> {
        let name = profile["name"].as_str().or_else(|| profile["arn"].as_str()?.rsplit('/').next())?;
        self.profiles.get(&(step.change.account.clone(), name.to_owned())).cloned()
    }

    pub(super) fn function(&mut self, step: &mut Step<'_>, call: &str) {
        let (asked, answered) = (&step.change.request.0, &step.change.response.0);
        let named = asked["functionName"].as_str().filter(|name| !name.is_empty());
        let name = named.map(|name| name.rsplit(":function:").next().unwrap_or(name).to_owned());
        let Some(name) = name.map(|name| name.split(':').next().unwrap_or_default().to_owned()) else {
            return;
        };
        let arn = format!(
            "arn:{}:lambda:{}:{}:function:{name}",
            step.partition(),
            step.change.region,
            step.change.account
        );
        let id = id_of(&arn);
        if call == "DeleteFunction" {
            if asked["qualifier"].is_null() {
                self.end(step, &id);
            }
            return;
        }
        let role = answered["role"].as_str().or_else(|| asked["role"].as_str()).and_then(Arn::parse);
        let role =
            role.and_then(|arn| arn.principal()).filter(|named: &Named| named.kind == PrincipalKind::Role);
        let value = workload(step, &arn, "aws.lambda.function");
        step.put_node(NodeKind::Workload, &id, value);
        if let Some(role) = role {
            let role = step.survey.id_of_name(&role, step.change.at);
            self.run_as(step, &id, &role);
        }
    }

    fn run_as(&mut self, step: &mut Step<'_>, workload: &str, role: &str) {
        if let Some(before) = self.runs_as.insert(workload.to_owned(), role.to_owned())
            && before != role
        {
            step.delete_edge(EdgeKind::RunsAs, workload, &before);
        }
        step.put_edge(EdgeKind::RunsAs, workload, role);
    }

    fn end(&mut self, step: &mut Step<'_>, workload: &str) {
        if let Some(role) = self.runs_as.remove(workload) {
            step.delete_edge(EdgeKind::RunsAs, workload, &role);
        }
        step.delete_node(NodeKind::Workload, workload);
    }
}

fn workload(step: &Step<'_>, name: &str, node_type: &str) -> NodeValue {
    let mut value =
        NodeValue { name: name.to_owned(), node_type: node_type.to_owned(), ..NodeValue::default() };
    for (key, text) in [("account", &step.change.account), ("region", &step.change.region)] {
        if !text.is_empty() {
            value.attributes.insert(key.to_owned(), text.clone());
        }
    }
    value
}
