"""The guard rails of infra/policy.py as a policy pack: `pulumi preview --policy-pack infra/policy_pack`.

Decides nothing: each rule becomes one mandatory stack policy. Options that Pulumi does not show to policies
(retain_on_delete) are checked by the unit tests only.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.policy import Resource, Rule, rules


def _policy(rule: Rule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        graph = [Resource(each.resource_type, each.name, each.props) for each in args.resources]
        urns = {each.name: each.urn for each in args.resources}
        for found in rule.check(graph):
            report(f"{found.resource}: {found.message}", urns.get(found.resource))

    return StackValidationPolicy(
        name=rule.name,
        description=f"{rule.title} ({', '.join(rule.public_ids)})",
        enforcement_level=EnforcementLevel.MANDATORY,
        validate=validate,
    )


PolicyPack(name="chartwell", policies=[_policy(rule) for rule in rules()])
