"""The rules of infra/policy.py as a policy pack: `pulumi preview --policy-pack infra/policy_pack`.

Decides nothing: each rule becomes one mandatory stack policy. Options that Pulumi does not show to policies
(retain_on_delete) are checked by the unit tests only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.policy import UNKNOWN, Options, Resource, Rule, rules


def _resource(each: PolicyResource) -> Resource:
    """A preview's resource. Pulumi does not say whether it is retained; the unit tests check that."""
    options = each.opts and Options(
        retain_on_delete=True,
        delete_before_replace=bool(each.opts.delete_before_replace),
        protect=each.opts.protect,
    )
    return Resource(each.resource_type, each.name, _plain(each.props), options or None)


def _plain(value: Any) -> Any:
    """Plain mappings and lists, with UNKNOWN where reading an input raises because it is not known yet."""
    if isinstance(value, Mapping):
        return {key: _read(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_read(value, number) for number in range(len(value))]
    return value


def _read(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def _policy(rule: Rule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        graph = [_resource(each) for each in args.resources]
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
