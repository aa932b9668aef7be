"""Real processes under a real Prometheus: ten questions and an ingestion, every stage, every rule, every panel."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline import vectorize as command
from pipeline.config import as_environment
from pipeline.telemetry.definitions import STAGES, definitions
from tests.telemetry import deployment
from tests.telemetry.conftest import TEN_QUESTIONS
from tests.telemetry.dashboards import CARD, DASHBOARDS, DCGM
from tests.telemetry.deployment import Deployment, deployed, until, vectorize
from tests.telemetry.monitor_families import monitor_families

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs" / "monitoring" / "rules"
HERE = Path(__file__).parent
DEMO_NOTES = ROOT / "pipeline" / "demo" / "notes" / "aci_bench.jsonl"

PERSON = "zz-quarnel.plover"
NOTE = "note-zz-4711"
PATIENT = "MRN-zz-90210"
IN_NOTE = "zzplantedium"
IN_QUESTION = "zzquestionary"
PLANTED = {
    "a patient's name": "Zzelda Quintessa",
    "a patient's id": PATIENT,
    "a note's id": NOTE,
    "a word of a note": IN_NOTE,
    "a word of a question": IN_QUESTION,
    "a word of an answer": "zzanswerol",
    "a person's name": PERSON,
    "a word of a rejected note": "zzrejectium",
    "a word of an address": "zzaddressee",
    "a word of a header": "zzheadline",
    "a word that a server's error quotes": "zzquotation",
}

needs_promtool = pytest.mark.skipif(
    deployment.PROMTOOL is None, reason="needs promtool (Debian's package prometheus)"
)
needs_prometheus = pytest.mark.skipif(
    deployment.PROMETHEUS is None, reason="needs a real Prometheus (Debian's package prometheus)"
)


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    assert deployment.PROMTOOL is not None
    done = subprocess.run(
        [deployment.PROMTOOL, *arguments], capture_output=True, text=True, check=False, cwd=HERE, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- rules


@needs_promtool
def test_the_rules_and_the_configuration_are_valid() -> None:
    promtool("check", "rules", *map(str, RULES.glob("*.yml")))
    promtool("check", "config", "--syntax-only", str(RULES.parent / "prometheus.yml"))


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_when_it_should_not() -> None:
    promtool("test", "rules", "alerts_test.yml", "alerts_slow_test.yml")


def test_each_alert_is_tested_both_ways() -> None:
    seen: dict[str, set[bool]] = {}
    for name in ("alerts_test.yml", "alerts_slow_test.yml"):
        for test in yaml.safe_load((HERE / name).read_text())["tests"]:
            for case in test["alert_rule_test"]:
                seen.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert {name for name, both in seen.items() if both == {True, False}} == alerts


def test_each_alert_has_a_severity_a_summary_and_its_row_in_the_runbook() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (Chartwell\w+) \| (page|ticket) \| .+ \| .+ \|$", text, re.M))
    alerts = [rule for rule in rules() if "alert" in rule]
    assert rows == {rule["alert"]: rule["labels"]["severity"] for rule in alerts}
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == "docs/operations.md#alerts"
        assert rule["annotations"]["summary"]


def known_names() -> set[str]:
    """Every name that a query may use."""
    names = {rule["record"] for rule in rules() if "record" in rule} | {"up"}
    for each in definitions():
        names |= {each.name} | (
            {f"{each.name}{end}" for end in ("_bucket", "_sum", "_count")} if each.buckets else set()
        )
    return names | {
        f"{each.name}_total" if each.type == "counter" else each.name for each in monitor_families()
    }


def names_in(expr: str) -> set[str]:
    return set(re.findall(r"\b(?:chartwell[:_][\w:]+|up)\b(?=[\s{\[)]|$)", re.sub(r'"[^"]*"', "", expr)))


def test_every_metric_that_a_rule_or_a_panel_uses_exists() -> None:
    used = {name for rule in rules() for name in names_in(rule["expr"])}
    used |= {
        name
        for board in DASHBOARDS
        for panel in board.panels
        for query in panel.queries
        for name in names_in(query.expr)
    }
    assert len(used) > 40
    assert used - known_names() == set()


def test_every_recorded_figure_is_used() -> None:
    text = "".join(query.expr for board in DASHBOARDS for panel in board.panels for query in panel.queries)
    text += "".join(rule["expr"] for rule in rules() if "alert" in rule)
    assert {rule["record"] for rule in rules() if "record" in rule and rule["record"] not in text} == set()


# --- a real Prometheus


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment that has indexed notes and answered ten questions, all of it scraped."""
    if deployment.PROMETHEUS is None:
        pytest.skip("needs a real Prometheus (Debian's package prometheus)")
    folder = tmp_path_factory.mktemp("deployment")
    with deployed(folder, name=PERSON, log_level="debug") as found:
        ask_and_index(found)
        yield found


def ask_and_index(found: Deployment) -> None:
    """Notes in two runs, one of which finds most of them unchanged, and ten questions."""
    lines = DEMO_NOTES.read_text(encoding="utf-8").splitlines()
    notes = found.folder / "notes.jsonl"
    until(lambda: found.prometheus.query('up{job="chartwell"} == 1'))
    for number, run in ((12, inside), (16, vectorize)):
        notes.write_text("\n".join([*lines[:number], '{"resource_id": "broken"}']), encoding="utf-8")
        run(found, notes)
        time.sleep(2 * deployment.SCRAPE_SECONDS)
    for number, question in enumerate(TEN_QUESTIONS):
        assert found.ask(question).status_code == 200
        if number % 3 == 2:
            time.sleep(deployment.SCRAPE_SECONDS)
    time.sleep(3 * deployment.SCRAPE_SECONDS)


def inside(found: Deployment, notes: Path) -> None:
    """The same run in this process: one start of a program less to wait for."""
    result = CliRunner().invoke(command.app, ["notes", str(notes)], env=as_environment(found.settings))
    assert result.exit_code in (0, 1), result.output


@pytest.mark.long
def test_every_stage_is_visible_after_ten_questions(asked: Deployment) -> None:
    prometheus = asked.prometheus
    (total,) = prometheus.query(
        'sum(chartwell_questions_total{outcome=~"answered|nothing_relevant|no_answer"})'
    )
    assert float(total["value"][1]) == 10
    seconds = prometheus.query("chartwell_question_stage_duration_seconds_sum")
    found = {each["metric"]["stage"]: float(each["value"][1]) for each in seconds}
    assert set(found) == set(STAGES)
    idle = {stage for stage, value in found.items() if not value}
    assert idle == {"rank", "vision"}, found  # neither is set
    print("seconds by stage, ten questions:", {stage: round(value, 4) for stage, value in found.items()})
    (tokens,) = prometheus.query('chartwell_generator_tokens_total{type="input"}')
    assert float(tokens["value"][1]) > 0
    stored = prometheus.query('sum by (outcome) (chartwell_ingestion_notes_total{worker="1"})')
    notes = {each["metric"]["outcome"]: float(each["value"][1]) for each in stored}
    assert (notes["embedded"], notes["unchanged"], notes["rejected"]) == (16, 12, 2)


@pytest.mark.long
def test_every_metric_that_is_defined_is_in_prometheus(asked: Deployment) -> None:
    expected = {f"{each.name}_count" if each.buckets else each.name for each in definitions()}
    assert expected - asked.prometheus.metric_names() == set()


@pytest.mark.long
def test_the_real_program_loads_every_rule_and_none_fails(asked: Deployment) -> None:
    groups = asked.prometheus.get("rules")["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]
    assert len(loaded) == len(rules())
    assert [rule["name"] for rule in loaded if rule["health"] != "ok"] == []
    firing = {rule["name"] for rule in loaded if rule.get("state") == "firing"}
    # Two of twelve and of sixteen records were no notes; the rest is quiet.
    assert firing <= {"ChartwellNotesLost"}


@pytest.mark.long
def test_nothing_is_scraped_twice_or_lost(asked: Deployment) -> None:
    text = (asked.folder / "prometheus.log").read_text()
    assert "duplicate sample" not in text
    assert "out-of-order" not in text


PANELS = [
    pytest.param(board, panel, id=f"{board.uid.removeprefix('chartwell-')}: {panel.title}")
    for board in DASHBOARDS
    for panel in board.panels
]


@pytest.mark.long
def test_every_panel_shows_something_or_needs_a_card(asked: Deployment) -> None:
    empty: dict[str, str] = {}
    shown = 0
    for board in DASHBOARDS:
        for panel in board.panels:
            for query in panel.queries:
                if asked.prometheus.query_range(of_grafana(query.expr), seconds=60, step=1):
                    shown += 1
                else:
                    empty[f"{board.uid}: {panel.title}: {query.expr}"] = panel.needs
    print(f"{shown} queries of {len(PANELS)} panels return data; {len(empty)} need hardware that is not here")
    assert {query for query, needs in empty.items() if needs not in (CARD, DCGM)} == set()


def of_grafana(expr: str) -> str:
    """As Grafana would send it, for scrapes a second apart."""
    return expr.replace("$__rate_interval", "1m")


@pytest.mark.long
def test_no_identifier_and_no_text_leaves_in_metrics_traces_or_logs(asked: Deployment) -> None:
    """At the most talkative log level, and where servers and requests misbehave."""
    said = plant(asked)
    assert {"zzanswerol", PATIENT, NOTE} <= {word for word in PLANTED.values() if word in said}, (
        "nothing was planted"
    )
    time.sleep(3 * deployment.SCRAPE_SECONDS)
    outputs = what_left(asked)
    few = {name: len(text) for name, text in outputs.items() if len(text) <= 200}
    assert set(few) <= {"monitor.log"}, few
    found = [
        f"{what} in {where}"
        for where, text in outputs.items()
        for what, word in PLANTED.items()
        if word.lower() in text.lower()
    ]
    print(
        f"{len(PLANTED)} planted, {len(outputs)} places searched, {sum(map(len, outputs.values())):,} characters"
    )
    assert found == []


def plant(found: Deployment) -> str:
    """Have each of the planted words go through notes, questions, answers, errors, addresses and headers."""
    note = {
        "resource_id": NOTE,
        "patient_id": PATIENT,
        "document_type": "note",
        "text_content": f"Zzelda Quintessa takes {IN_NOTE} and zzanswerol 20 mg once daily for zzgout.",
    }
    refused = {
        "resource_id": "note-zz-4712",
        "patient_id": PATIENT,
        "text_content": "",
        "note": "zzrejectium",
    }
    source = found.folder / "planted.jsonl"
    source.write_text(f"{json.dumps(note)}\n{json.dumps(refused)}\nzzrejectium is no JSON", encoding="utf-8")
    vectorize(found, source)
    question = f"Does Zzelda Quintessa take {IN_NOTE} and zzanswerol 20 mg once daily for zzgout?"
    said = found.ask(question).text
    found.ask(f"{IN_QUESTION} of Zzelda Quintessa?", patient_ids=[PATIENT])
    found.nim.faults.status, found.nim.faults.detail = 400, f"zzquotation: cannot read '{question}'"
    found.ask(question)
    found.nim.faults.status, found.nim.faults.detail = 0, ""
    found.client.get(f"/v1/notes/{NOTE}")
    found.client.get(f"/zzaddressee/{PATIENT}", params={"q": "zzaddressee"})
    found.client.get(
        "/healthz",
        headers={"tracestate": "a=zzheadline", "baggage": "b=zzheadline", "traceparent": "zzheadline"},
    )
    found.client.post("/v1/ask", content=b'{"question": "zzquestionary')
    return said


def what_left(found: Deployment) -> dict[str, str]:
    """Everything that leaves the processes for an operator."""
    series = found.prometheus.get("series", **{"match[]": '{job=~".+"}'})
    rules = found.prometheus.get("rules")
    logs = {path.name: path.read_text() for path in found.folder.glob("*.log")}
    assert {"serve.log", "vectorize.log", "monitor.log", "prometheus.log"} <= set(logs)
    return {
        **logs,
        "series in Prometheus": json.dumps(series),
        "rules and alerts in Prometheus": json.dumps(rules),
        "traces": (found.folder / "traces.jsonl").read_text(),
        "metrics of the runs": (found.data / "ingestion.prom").read_text(),
    }
