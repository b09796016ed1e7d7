//! What an event was done on: from its `resources`, else from its request.

use serde_json::Value;

use super::event::Event;
use super::survey::Survey;
use crate::actions::Action;
use crate::arn::{Arn, Named, PrincipalKind, partition};

/// A member of a request and the ARN that its value makes: `{}` the value, `{p}` partition, `{r}` region,
/// `{a}` account. The first member of a service that a request has names its resource. `x.items[].y` goes
/// through lists.
const MEMBERS: [(&str, &str, &str); 62] = [
    ("dynamodb", "tableName", "arn:{p}:dynamodb:{r}:{a}:table/{}"),
    ("ec2", "instanceId", "arn:{p}:ec2:{r}:{a}:instance/{}"),
    ("ec2", "instancesSet.items[].instanceId", "arn:{p}:ec2:{r}:{a}:instance/{}"),
    ("ec2", "volumeId", "arn:{p}:ec2:{r}:{a}:volume/{}"),
    ("ec2", "snapshotId", "arn:{p}:ec2:{r}::snapshot/{}"),
    ("ec2", "imageId", "arn:{p}:ec2:{r}::image/{}"),
    ("ec2", "groupId", "arn:{p}:ec2:{r}:{a}:security-group/{}"),
    ("ec2", "networkInterfaceId", "arn:{p}:ec2:{r}:{a}:network-interface/{}"),
    ("ec2", "routeTableId", "arn:{p}:ec2:{r}:{a}:route-table/{}"),
    ("ec2", "internetGatewayId", "arn:{p}:ec2:{r}:{a}:internet-gateway/{}"),
    ("ec2", "DeleteNatGatewayRequest.NatGatewayId", "arn:{p}:ec2:{r}:{a}:natgateway/{}"),
    ("ec2", "DeleteFlowLogsRequest.FlowLogId.content", "arn:{p}:ec2:{r}:{a}:vpc-flow-log/{}"),
    ("ec2", "allocationId", "arn:{p}:ec2:{r}:{a}:elastic-ip/{}"),
    ("ec2", "keyName", "arn:{p}:ec2:{r}:{a}:key-pair/{}"),
    ("ec2", "subnetId", "arn:{p}:ec2:{r}:{a}:subnet/{}"),
    ("ec2", "vpcId", "arn:{p}:ec2:{r}:{a}:vpc/{}"),
    ("ec2-instance-connect", "instanceId", "arn:{p}:ec2:{r}:{a}:instance/{}"),
    ("ecr", "repositoryName", "arn:{p}:ecr:{r}:{a}:repository/{}"),
    ("ecs", "cluster", "arn:{p}:ecs:{r}:{a}:cluster/{}"),
    ("eks", "name", "arn:{p}:eks:{r}:{a}:cluster/{}"),
    ("glue", "databaseName", "arn:{p}:glue:{r}:{a}:database/{}"),
    ("guardduty", "detectorId", "arn:{p}:guardduty:{r}:{a}:detector/{}"),
    ("kinesis", "streamName", "arn:{p}:kinesis:{r}:{a}:stream/{}"),
    ("kms", "keyId", "arn:{p}:kms:{r}:{a}:key/{}"),
    ("lambda", "functionName", "arn:{p}:lambda:{r}:{a}:function:{}"),
    ("lambda", "fullyQualifiedArn.relativeId.functionName", "arn:{p}:lambda:{r}:{a}:function:{}"),
    ("logs", "logGroupName", "arn:{p}:logs:{r}:{a}:log-group:{}"),
    ("cloudtrail", "trailName", "arn:{p}:cloudtrail:{r}:{a}:trail/{}"),
    ("cloudtrail", "name", "arn:{p}:cloudtrail:{r}:{a}:trail/{}"),
    ("cloudformation", "stackName", "arn:{p}:cloudformation:{r}:{a}:stack/{}"),
    ("codebuild", "projectName", "arn:{p}:codebuild:{r}:{a}:project/{}"),
    ("bedrock", "modelId", "arn:{p}:bedrock:{r}::foundation-model/{}"),
    ("rds", "dBSnapshotIdentifier", "arn:{p}:rds:{r}:{a}:snapshot:{}"),
    ("rds", "dBInstanceIdentifier", "arn:{p}:rds:{r}:{a}:db:{}"),
    ("rds", "dBClusterSnapshotIdentifier", "arn:{p}:rds:{r}:{a}:cluster-snapshot:{}"),
    ("rds", "dBClusterIdentifier", "arn:{p}:rds:{r}:{a}:cluster:{}"),
    ("rds", "dBSubnetGroupName", "arn:{p}:rds:{r}:{a}:subgrp:{}"),
    ("redshift", "clusterIdentifier", "arn:{p}:redshift:{r}:{a}:cluster:{}"),
    ("route53", "hostedZoneId", "arn:{p}:route53:::hostedzone/{}"),
    ("rolesanywhere", "profileId", "arn:{p}:rolesanywhere:{r}:{a}:profile/{}"),
    ("rolesanywhere", "trustAnchorId", "arn:{p}:rolesanywhere:{r}:{a}:trust-anchor/{}"),
    ("sagemaker", "notebookInstanceName", "arn:{p}:sagemaker:{r}:{a}:notebook-instance/{}"),
    ("sagemaker", "endpointName", "arn:{p}:sagemaker:{r}:{a}:endpoint/{}"),
    ("secretsmanager", "secretId", "arn:{p}:secretsmanager:{r}:{a}:secret:{}"),
    ("secretsmanager", "secretIdList", "arn:{p}:secretsmanager:{r}:{a}:secret:{}"),
    ("secretsmanager", "name", "arn:{p}:secretsmanager:{r}:{a}:secret:{}"),
    ("sns", "topicArn", "{}"),
    ("sqs", "queueName", "arn:{p}:sqs:{r}:{a}:{}"),
    ("sqs", "queueUrl", "arn:{p}:sqs:{r}:{a}:{}"),
    ("ssm", "instanceIds", "arn:{p}:ec2:{r}:{a}:instance/{}"),
    ("ssm", "target", "arn:{p}:ec2:{r}:{a}:instance/{}"),
    ("ssm", "instanceId", "arn:{p}:ec2:{r}:{a}:instance/{}"),
    ("ssm", "names", "arn:{p}:ssm:{r}:{a}:parameter/{}"),
    ("ssm", "path", "arn:{p}:ssm:{r}:{a}:parameter/{}"),
    ("ssm", "name", "arn:{p}:ssm:{r}:{a}:parameter/{}"),
    ("states", "stateMachineArn", "{}"),
    ("sts", "roleArn", "{}"),
    ("elasticfilesystem", "fileSystemId", "arn:{p}:elasticfilesystem:{r}:{a}:file-system/{}"),
    ("athena", "workGroup", "arn:{p}:athena:{r}:{a}:workgroup/{}"),
    ("apigateway", "restApiId", "arn:{p}:apigateway:{r}::/restapis/{}"),
    ("cognito-identity", "identityPoolId", "arn:{p}:cognito-identity:{r}:{a}:identitypool/{}"),
    ("cognito-idp", "userPoolId", "arn:{p}:cognito-idp:{r}:{a}:userpool/{}"),
];

/// The event's resources, all of one kind; none: it names none, or none that its action is on.
pub(crate) fn of(event: &Event, action: &Action, survey: &Survey) -> Vec<String> {
    let service = action.name.split(':').next().unwrap_or_default();
    // EC2 gives its descriptions on everything or on nothing: what they ask for is a filter.
    if service == "ec2" && event.name.starts_with("Describe") {
        return Vec::new();
    }
    let listed = listed(event, service);
    if !listed.is_empty() {
        return listed;
    }
    let found = match service {
        "s3" => bucket(event).into_iter().collect(),
        "iam" => iam(event, survey).into_iter().collect(),
        _ => member(event, service),
    };
    if found.is_empty() { any_arn(event.request(), service).into_iter().collect() } else { found }
}

/// From `resources`: those of the kind that the service's first one has; an object rather than its bucket.
fn listed(event: &Event, service: &str) -> Vec<String> {
    let list = event.member("resources").as_array().map(Vec::as_slice).unwrap_or_default();
    let arns = || list.iter().filter_map(|each| each["ARN"].as_str().or_else(|| each["arn"].as_str()));
    let arns: Vec<&str> = arns().filter(|arn| Arn::parse(arn).is_some()).collect();
    let of_service = |arn: &&&str| Arn::parse(arn).is_some_and(|arn| arn.service == service);
    let object = arns
        .iter()
        .filter(|arn| arn.starts_with("arn:") && service == "s3" && arn.contains('/'))
        .find(of_service);
    let Some(first) = object.or_else(|| arns.iter().find(of_service)).or(arns.first()) else {
        return Vec::new();
    };
    let kind = kind(first);
    let mut found: Vec<String> = Vec::new();
    for arn in arns.iter().filter(|arn| self::kind(arn) == kind) {
        if !found.iter().any(|known| known == arn) {
            found.push((*arn).to_owned());
        }
    }
    found
}

/// Service and type of a resource; of S3, whether it is an object.
fn kind(arn: &str) -> (&str, &str) {
    let Some(parsed) = Arn::parse(arn) else { return ("", "") };
    if parsed.service == "s3" {
        return ("s3", if parsed.resource.contains('/') { "object" } else { "bucket" });
    }
    (parsed.service, parsed.resource.split(['/', ':']).next().unwrap_or_default())
}

fn bucket(event: &Event) -> Option<String> {
    let text = |field: &str| event.request()[field].as_str().filter(|text| !text.is_empty());
    let bucket = text("bucketName")?;
    let partition = partition(&event.region);
    Some(match text("key") {
        Some(key) => format!("arn:{partition}:s3:::{bucket}/{key}"),
        None => format!("arn:{partition}:s3:::{bucket}"),
    })
}

/// What IAM's actions are on: the role, user or group that changes, rather than the policy that it gets.
fn iam(event: &Event, survey: &Survey) -> Option<String> {
    let text = |field: &str| event.request()[field].as_str().filter(|text| !text.is_empty());
    let partition = partition(&event.region);
    if let Some(name) = text("instanceProfileName").filter(|_| event.name.contains("InstanceProfile")) {
        return Some(format!("arn:{partition}:iam::{}:instance-profile/{name}", event.account));
    }
    let of_principal = ["roleName", "userName", "groupName"].iter().any(|member| text(member).is_some());
    if let Some(arn) = text("policyArn").filter(|_| !of_principal) {
        return Some(arn.to_owned());
    }
    for (member, made, kind) in [
        ("roleName", "role", PrincipalKind::Role),
        ("userName", "user", PrincipalKind::User),
        ("groupName", "group", PrincipalKind::Group),
    ] {
        // Of group and user, the group is what the call is on.
        let asked = if event.name.contains("UserToGroup") || event.name.contains("UserFromGroup") {
            (member == "groupName").then(|| text(member)).flatten()
        } else {
            text(member)
        };
        if let Some(named) = asked.and_then(|name| Named::new(partition, &event.account, kind, name)) {
            let answered = event.response()[made]["arn"].as_str().map(str::to_owned);
            return Some(answered.unwrap_or_else(|| survey.names.arn_of_name(&named, event.at)));
        }
    }
    let name = text("policyName")?;
    let answered = event.response()["policy"]["arn"].as_str().map(str::to_owned);
    Some(answered.unwrap_or_else(|| format!("arn:{partition}:iam::{}:policy/{name}", event.account)))
}

fn member(event: &Event, service: &str) -> Vec<String> {
    for (_, path, form) in MEMBERS.iter().filter(|(of, _, _)| *of == service) {
        let mut values = Vec::new();
        collect(event.request(), path, &mut values);
        if !values.is_empty() {
            return values.into_iter().map(|value| built(event, form, value)).collect();
        }
    }
    Vec::new()
}

/// The texts at a path through members and lists.
fn collect<'a>(value: &'a Value, path: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(list) => list.iter().for_each(|each| collect(each, path, found)),
        Value::String(text) if path.is_empty() && !text.is_empty() => found.push(text),
        Value::Object(_) if !path.is_empty() => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            collect(&value[first.trim_end_matches("[]")], rest, found);
        }
        _ => {}
    }
}

fn built(event: &Event, form: &str, value: &str) -> String {
    // A request may name a thing by its ARN already; queues are named by an address that ends in the name.
    if value.starts_with("arn:") {
        return value.to_owned();
    }
    let value = if value.starts_with("https://") { value.rsplit('/').next().unwrap_or(value) } else { value };
    let form = if value.starts_with("alias/") { "arn:{p}:kms:{r}:{a}:{}" } else { form };
    let value = if form.contains(":parameter/") { value.trim_start_matches('/') } else { value };
    form.replace("{p}", partition(&event.region))
        .replace("{r}", &event.region)
        .replace("{a}", &event.account)
        .replace("{}", value)
}

/// The first ARN of the service itself among the request's own members.
fn any_arn(request: &Value, service: &str) -> Option<String> {
    let members = request.as_object()?;
    let mut texts: Vec<(&String, &str)> =
        members.iter().filter_map(|(name, value)| Some((name, value.as_str()?))).collect();
    texts.sort_unstable();
    let of_service = |text: &&str| Arn::parse(text).is_some_and(|arn| arn.service == service);
    texts.into_iter().map(|(_, text)| text).find(of_service).map(str::to_owned)
}
