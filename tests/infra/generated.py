"""The generated parts of the infrastructure's files: Pulumi.yaml, and tables between markers in the docs.

`python -m tests.infra.generated` says what is out of date, `--write` brings it up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from infra import policy
from infra.plan import catalog, sizing
from infra.plan.config import KEYS, ConfigKey, ConfigurationError
from infra.plan.sizing import Costs
from tests.infra.bad_configurations import BAD
from tests.infra.stacks import config

ROOT = Path(__file__).resolve().parents[2]

PROJECT_HEADER = """\
# Written by `python -m tests.infra.generated --write` from infra/plan/config.py, which also checks the values.
# Everything has a default here, empty where there is none, so that one up reports all problems together.
"""


def project_file() -> str:
    """Pulumi.yaml: every key typed, described and defaulted."""
    project = {
        "name": "chartwell",
        "description": "Chartwell: private clinical question answering in your own AWS account",
        "runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}},
        # Hosts stop themselves and spot hosts are stopped: what AWS says counts, not the last state.
        "options": {"refresh": "always"},
        "config": {key.name: _declared(key) for key in KEYS},
    }
    return PROJECT_HEADER + yaml.safe_dump(project, sort_keys=False, width=110, allow_unicode=True)


def _declared(key: ConfigKey) -> dict[str, object]:
    found: dict[str, object] = {"type": key.type, "description": key.description}
    if key.type == "array":
        return {**found, "items": {"type": "string"}, "default": list(key.default or ())}  # type: ignore[call-overload]
    return {**found, "default": "" if key.default is None else key.default}


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return (
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines) + "\n"
    )


def configuration_keys() -> str:
    rows = []
    for key in KEYS:
        default = "**required**" if key.required else f"`{_shown_default(key)}`"
        rows.append(
            [f"`{key.name}`", key.type + (", secret" if key.secret else ""), default, key.description]
        )
    return table(["key", "type", "default", "meaning"], rows)


def _shown_default(key: ConfigKey) -> str:
    if key.type == "array":
        return "[]"
    return str(key.default).lower() if isinstance(key.default, bool) else str(key.default or "(empty)")


def configuration_errors() -> str:
    rows, seen = [], set()
    for _, changes in BAD:
        try:
            config(**changes)
        except ConfigurationError as error:
            for problem in error.problems:
                if (problem.key, problem.wrong) not in seen:
                    seen.add((problem.key, problem.wrong))
                    found = problem.found if len(problem.found) <= 60 else f"{problem.found[:57]}…"
                    rows.append([f"`{problem.key}`", f"`{found}`", problem.wrong, problem.cure])
    return f"{len(rows)} problems.\n\n" + table(["key", "found", "what is wrong", "cure"], rows)


def sizing_table() -> str:
    return table(
        ["instance", "models", "fit, or nearest plan that fits", "on demand"],
        [list(row) for row in sizing.table_rows()],
    )


def model_sources() -> str:
    rows = [[f"`{each.name}`", each.source] for each in catalog.MODELS.values()]
    return table(
        ["model", "where its figures come from"], [*rows, ["hosts and prices", catalog.INSTANCE_SOURCE]]
    )


def cost_lines() -> str:
    """The default stack: running, and what still bills in each pause mode."""
    bills = {mode: sizing.costs(config(pauseMode=mode)) for mode in ("volume", "snapshot", "stop")}
    rows = [[f"running: {line.name}", f"{line.usd_per_month:.2f}"] for line in bills["volume"].running]
    rows.append(["**running, around the clock**", f"**{bills['volume'].running_usd_per_month:.2f}**"])
    for mode, bill in bills.items():
        rows += [[f"paused ({mode}): {line.name}", f"{line.usd_per_month:.2f}"] for line in bill.paused]
        rows.append([f"**paused, {mode}**", f"**{bill.paused_usd_per_month:.2f}**"])
    return table(["line", "US dollars a month"], rows)


def working_hours() -> str:
    """A month of 22 days of 9 hours, the rest paused."""
    hours = 22 * 9
    rows = []
    for spot in (False, True):
        for mode in ("volume", "snapshot", "stop"):
            bill: Costs = sizing.costs(config(pauseMode=mode, spot=spot))
            share = hours / catalog.HOURS_PER_MONTH
            total = share * bill.running_usd_per_month + (1 - share) * bill.paused_usd_per_month
            rows.append(["spot" if spot else "on demand", mode, f"{total:.2f}"])
    return table(["market", "pause mode", f"US dollars for {hours} hours"], rows)


def policy_rules() -> str:
    rows = [[rule.name, ", ".join(rule.public_ids), rule.title] for rule in policy.rules()]
    waived = [[each.public_id, each.where, each.reason] for each in policy.WAIVERS]
    return (
        f"{len(rows)} rules.\n\n"
        + table(["rule", "answers", "what it holds"], rows)
        + "\nChecks that this project does not meet, and why:\n\n"
        + table(["check", "where", "reason"], waived)
    )


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "docs/configuration.md": {"keys": configuration_keys, "errors": configuration_errors},
    "docs/costs.md": {
        "sizing": sizing_table,
        "costs": cost_lines,
        "working-hours": working_hours,
        "sources": model_sources,
    },
    "docs/infra-policy.md": {"rules": policy_rules},
}


def with_parts(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """The text with what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` written again."""
    for name, make in parts.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"no markers for {name}")
        made = make()
        text = pattern.sub(lambda found, made=made: f"{found[1]}\n{made}\n{found[2]}", text)  # type: ignore[misc]
    return text


def wanted() -> dict[Path, str]:
    """Every generated file with the content it should have."""
    files = {ROOT / "Pulumi.yaml": project_file()}
    for name, parts in PARTS.items():
        path = ROOT / name
        files[path] = with_parts(path.read_text(encoding="utf-8"), parts)
    return files


def main(arguments: list[str]) -> int:
    stale = [path for path, text in wanted().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{'written' if '--write' in arguments else 'out of date'}: {path.relative_to(ROOT)}")
        if "--write" in arguments:
            path.write_text(wanted()[path], encoding="utf-8")
    return 1 if stale and "--write" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
