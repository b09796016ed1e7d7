#!/usr/bin/env python3
"""Writes data/aws-managed-policies.jsonl: the documents of some AWS managed policies, from PyPI moto (Apache-2.0).

    pip download --no-deps moto && unzip moto-*.whl
    python3 tools/aws_managed_policies.py .        # the folder that holds moto/ and moto-*.dist-info/

A log names an AWS managed policy by its ARN alone; without the document no entitlement can be stated.
"""
import ast
import json
import pathlib
import sys

KEPT = """
AdministratorAccess PowerUserAccess ReadOnlyAccess SecurityAudit
IAMFullAccess IAMReadOnlyAccess IAMUserChangePassword
AmazonS3FullAccess AmazonS3ReadOnlyAccess AmazonEC2FullAccess AmazonEC2ReadOnlyAccess AmazonVPCFullAccess AmazonVPCReadOnlyAccess
AmazonRDSFullAccess AmazonRDSReadOnlyAccess AmazonDynamoDBFullAccess AmazonDynamoDBReadOnlyAccess
AWSLambda_FullAccess AWSLambda_ReadOnlyAccess AWSLambdaBasicExecutionRole AWSLambdaVPCAccessExecutionRole AWSLambdaSQSQueueExecutionRole
AmazonSSMManagedInstanceCore AmazonSSMFullAccess AmazonSSMReadOnlyAccess CloudWatchAgentServerPolicy CloudWatchReadOnlyAccess
CloudWatchLogsFullAccess CloudWatchLogsReadOnlyAccess AWSCloudTrail_FullAccess AWSCloudTrail_ReadOnlyAccess SecretsManagerReadWrite
AWSKeyManagementServicePowerUser AmazonSQSFullAccess AmazonSNSFullAccess AmazonRoute53FullAccess AWSCloudFormationFullAccess
AmazonEC2ContainerRegistryReadOnly AmazonEC2ContainerRegistryPowerUser AmazonEC2ContainerRegistryFullAccess
AmazonEKSClusterPolicy AmazonEKSWorkerNodePolicy AmazonEKS_CNI_Policy AmazonECSTaskExecutionRolePolicy AmazonBedrockFullAccess
""".split()


def main():
    folder = pathlib.Path(sys.argv[1])
    data = pathlib.Path(__file__).resolve().parent.parent / "data"
    source = ast.parse((folder / "moto/iam/aws_managed_policies.py").read_text())
    text = next(node.value.value for node in source.body if isinstance(node, ast.Assign))
    policies = json.loads(text)
    version = next(folder.glob("moto-*.dist-info")).name.removeprefix("moto-").removesuffix(".dist-info")
    lines = []
    for name in sorted(KEPT):
        each = policies[name]
        arn = f"arn:aws:iam::aws:policy{each.get('Path', '/')}{name}"
        line = {"arn": arn, "version": each["DefaultVersionId"], "document": each["Document"]}
        lines.append(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n")
    (data / "aws-managed-policies.jsonl").write_text("".join(lines))
    (data / "aws-managed-policies.LICENSE").write_text(
        f"aws-managed-policies.jsonl is a selection from moto {version} (moto/iam/aws_managed_policies.py),\n"
        "https://github.com/getmoto/moto, licensed under the Apache License, Version 2.0: the text is the LICENSE file\n"
        "at the top of this repository.\n"
    )


if __name__ == "__main__":
    main()
