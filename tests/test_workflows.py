"""The workflows for the project's users: by actionlint, and by security rules that are tried on bad workflows."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))
ACTIONS = sorted((FOLDER / "actions").rglob("action.yml"))
RULES = Draft202012Validator(json.loads((ROOT / "tests" / "workflow-rules.schema.json").read_text()))
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"
ROLES = {"chartwell-preview": "PREVIEW", "chartwell": "DEPLOY", "chartwell-data": "SYNC"}
"""Environment to the role that its jobs may assume."""

Workflow = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes the key `on` for true; GitHub does not."""


_LOADERS = {
    key: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:bool"]
    for key, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_implicit_resolvers = _LOADERS
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))


def read(path: Path) -> Workflow:
    return dict(yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader))


def named(name: str) -> Workflow:
    return read(FOLDER / "workflows" / f"{name}.yml")


def steps(workflow: Workflow) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def problems(workflow: Workflow) -> list[str]:
    """Every rule that a workflow breaks."""
    found = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in RULES.iter_errors(workflow)
    ]
    text = json.dumps(workflow)
    found += [
        f"holds {word}" for word in ("secrets.", "AWS_ACCESS_KEY", "PULUMI_ACCESS_TOKEN") if word in text
    ]
    for name, job in workflow.get("jobs", {}).items():
        found += [f"{name}: {problem}" for problem in _of_credentials(workflow, job)]
    return found


def _of_credentials(workflow: Workflow, job: dict[str, Any]) -> Iterator[str]:
    """A job with a credential: who may start it, and under which identity."""
    if "id-token" not in job.get("permissions", {}):
        return
    condition = str(job.get("if", ""))
    if "pull_request" in workflow["on"]:
        if "head.repo.full_name == github.repository" not in condition:
            yield "a fork would get a credential"
        if job.get("environment") != "chartwell-preview":
            yield "a pull request would change something"
    elif "github.ref_name == github.event.repository.default_branch" not in condition:
        yield "any branch would get a credential"
    if "push" in workflow["on"] or "schedule" in workflow["on"]:
        yield "not decided"
    roles = set(re.findall(r"vars\.CHARTWELL_([A-Z]+)_ROLE", json.dumps(job["steps"])))
    if roles != {ROLES.get(job.get("environment", ""), "")}:
        yield f"assumes {roles}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_keeps_every_rule(path: Path) -> None:
    assert problems(read(path)) == []


def test_those_that_were_promised_are_there() -> None:
    assert {path.stem for path in WORKFLOWS} == {"test", "preview", "up", "destroy", "sync"}


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.parent.name + "/" + path.name)
def test_each_action_is_pinned_by_commit_with_its_version_beside(path: Path) -> None:
    for line in re.findall(r"uses:\s*(.+)", path.read_text(encoding="utf-8")):
        if not line.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_version_of_each_action() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (*WORKFLOWS, *ACTIONS))
    used = set(re.findall(r"uses: (\w[\w-]+/[\w-]+)@(\w+)", text))
    assert len(used) == len({name for name, _ in used}), used


def test_a_composite_action_puts_no_expression_into_a_script() -> None:
    for path in ACTIONS:
        for step in read(path)["runs"]["steps"]:
            assert "${{" not in step.get("run", "")


def test_up_and_destroy_never_overlap_and_none_is_cut_off() -> None:
    groups = [named(name)["concurrency"] for name in ("up", "destroy")]
    assert groups[0] == groups[1]
    assert groups[0]["cancel-in-progress"] is False
    assert "${{" not in groups[0]["group"]


def test_what_changes_the_stack_is_approved() -> None:
    for workflow in (named("up"), named("destroy")):
        changing = [
            job
            for job in workflow["jobs"].values()
            if re.search(r"pulumi (up|destroy) ", json.dumps(job["steps"]))
        ]
        assert [job["environment"] for job in changing] == ["chartwell"]
        assert set(workflow["on"]) == {"workflow_dispatch"}


def test_the_variables_that_the_workflows_read_are_documented() -> None:
    page = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    read_ = set(re.findall(r"vars\.([A-Z_]+)", text))
    assert read_
    assert [name for name in sorted(read_) if f"`{name}`" not in page] == []
    for environment in ROLES:
        assert f"`{environment}`" in page
    for path in WORKFLOWS:
        assert f"`{path.name}`" in page


# --- the rules find what they are for

Break = Callable[[Workflow], None]


def first_job(workflow: Workflow) -> dict[str, Any]:
    return next(iter(workflow["jobs"].values()))


def token_for_all(workflow: Workflow) -> None:
    workflow["permissions"] = {"contents": "write"}


def write_permission(workflow: Workflow) -> None:
    first_job(workflow)["permissions"]["contents"] = "write"


def open_to_forks(workflow: Workflow) -> None:
    first_job(workflow)["if"] = "vars.CHARTWELL_PREVIEW_ROLE != ''"


def pull_request_target(workflow: Workflow) -> None:
    workflow["on"] = {"pull_request_target": None}


def any_branch(workflow: Workflow) -> None:
    first_job(workflow)["if"] = "always()"


def moving_tag(workflow: Workflow) -> None:
    first_job(workflow)["steps"][0]["uses"] = "actions/checkout@v6"


def kept_token(workflow: Workflow) -> None:
    first_job(workflow)["steps"][0]["with"]["persist-credentials"] = True


def injected(workflow: Workflow) -> None:
    first_job(workflow)["steps"].append({"run": "echo ${{ github.event.pull_request.title }}"})


def injected_by_environment(workflow: Workflow) -> None:
    first_job(workflow)["env"]["TITLE"] = "${{ github.event.pull_request.title }}"


def stored_key(workflow: Workflow) -> None:
    first_job(workflow)["steps"][-1]["env"] = {"AWS_ACCESS_KEY_ID": "${{ secrets.KEY }}"}


def deploying_role(workflow: Workflow) -> None:
    first_job(workflow)["steps"][1]["with"]["role"] = "${{ vars.CHARTWELL_DEPLOY_ROLE }}"


def without_end(workflow: Workflow) -> None:
    del first_job(workflow)["timeout-minutes"]


def not_approved(workflow: Workflow) -> None:
    del first_job(workflow)["environment"]


def on_push(workflow: Workflow) -> None:
    workflow["on"] = {"push": {"branches": ["main"]}}


def foreign_code(workflow: Workflow) -> None:
    first_job(workflow)["steps"][0]["with"]["ref"] = "refs/pull/1/head"


def ignored_failure(workflow: Workflow) -> None:
    first_job(workflow)["steps"][-1]["continue-on-error"] = True


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("test", token_for_all),
        ("test", write_permission),
        ("test", moving_tag),
        ("test", kept_token),
        ("test", without_end),
        ("preview", open_to_forks),
        ("preview", pull_request_target),
        ("preview", injected),
        ("preview", injected_by_environment),
        ("preview", stored_key),
        ("preview", deploying_role),
        ("preview", not_approved),
        ("preview", foreign_code),
        ("up", any_branch),
        ("up", on_push),
        ("up", not_approved),
        ("up", ignored_failure),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_a_bad_workflow_is_found(name: str, spoil: Break) -> None:
    workflow = copy.deepcopy(named(name))
    spoil(workflow)
    assert problems(workflow)


# --- the scripts inside, run


def script(name: str, title: str) -> str:
    (found,) = [step["run"] for step in steps(named(name)) if step.get("name") == title]
    return str(found)


def bash(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As GitHub runs a step: bash -e."""
    return subprocess.run(
        ["bash", "-e", "-c", code],
        cwd=folder,
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("confirm", "stack", "passes"),
    [
        ("dev", "dev", True),
        ("", "dev", False),
        ("prod", "dev", False),
        ("", "", False),
        ("$(touch owned)", "dev", False),
    ],
)
def test_destroy_wants_the_name(tmp_path: Path, confirm: str, stack: str, passes: bool) -> None:
    done = bash(script("destroy", "The name was typed in"), tmp_path, CONFIRM=confirm, STACK=stack)
    assert (done.returncode == 0) is passes
    assert not (tmp_path / "owned").exists()


def state(**retained: bool) -> str:
    types = {"bucket": "aws:s3/bucket:Bucket", "key": "aws:kms/key:Key", "volume": "aws:ebs/volume:Volume"}
    resources = [
        {"type": types[name], **({"retainOnDelete": True} if keep else {})} for name, keep in retained.items()
    ]
    return json.dumps({"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}, *resources]}})


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed (GitHub's runners have it)")
@pytest.mark.parametrize(
    ("exported", "passes"),
    [
        (state(bucket=True, key=True, volume=True), True),
        (state(bucket=True, key=True, volume=False), True),  # pauseMode snapshot
        (state(bucket=False, key=True), False),
        (state(bucket=True, key=False), False),
        (state(), False),
        ("not json", False),
    ],
)
def test_destroy_refuses_a_stack_whose_data_would_go(tmp_path: Path, exported: str, passes: bool) -> None:
    (tmp_path / "state.json").write_text(exported)
    program(tmp_path, "pulumi", f"cat {tmp_path}/state.json")
    done = bash(script("destroy", "The data stays"), tmp_path, STACK="dev")
    assert (done.returncode == 0) is passes, done.stdout + done.stderr
    assert "retainOnDelete" not in done.stdout, "the state is not shown"


@pytest.mark.parametrize(
    ("source", "target", "passes"),
    [
        ("s3://hospital-exports/cardiology/", "s3://chartwell-dev-documents/documents/", True),
        ("s3://hospital-exports/", "s3://chartwell-dev-documents/documents/", True),
        ("/etc/", "s3://chartwell-dev-documents/documents/", False),
        ("s3://hospital-exports/a b/", "s3://chartwell-dev-documents/documents/", False),
        ("s3://x/;rm -rf ~/", "s3://chartwell-dev-documents/documents/", False),
        ("s3://hospital-exports/--delete/", "", False),
        ("s3://hospital-exports/$(id)/", "s3://chartwell-dev-documents/documents/", False),
    ],
)
def test_sync_takes_only_locations_in_s3(tmp_path: Path, source: str, target: str, passes: bool) -> None:
    done = bash(script("sync", "Source and target are S3 locations"), tmp_path, SOURCE=source, TARGET=target)
    assert (done.returncode == 0) is passes


def test_sync_prints_numbers_and_no_name(tmp_path: Path) -> None:
    fails = "copy failed: s3://x/patient-MARK.txt An error occurred (AccessDenied) when calling CopyObject"
    program(
        tmp_path,
        "aws",
        f'echo "$@" >>{tmp_path}/asked\n'
        f'echo "copy: s3://x/MARK-1.txt"; echo "copy: s3://x/MARK-2.txt"; echo "{fails}" >&2; exit 1',
    )
    done = bash(script("sync", "Copy"), tmp_path, SOURCE="s3://x/", TARGET="s3://y/", DRY_RUN="false")
    assert done.returncode == 1
    assert "2 objects were copied, 1 failed" in done.stdout
    assert "1 (AccessDenied)" in done.stdout
    assert "MARK" not in done.stdout + done.stderr + (tmp_path / "summary").read_text()
    asked = (tmp_path / "asked").read_text()
    assert "--delete" not in asked
    assert "--dryrun" not in asked
    bash(script("sync", "Copy"), tmp_path, SOURCE="s3://x/", TARGET="s3://y/", DRY_RUN="true")
    assert "--dryrun" in (tmp_path / "asked").read_text()


# --- actionlint


def actionlint(*words: str) -> subprocess.CompletedProcess[str]:
    """actionlint, from the path or built from the Go module proxy; skips where neither can be had."""
    found = shutil.which("actionlint")
    if found is None and shutil.which("go") is None:
        pytest.skip("neither actionlint nor go is installed")
    command = [found] if found else ["go", "run", ACTIONLINT]
    shellcheck = Path(sys.executable).with_name("shellcheck")
    try:
        done = subprocess.run(
            [*command, "-shellcheck", str(shellcheck) if shellcheck.exists() else "", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
            env={**os.environ, "GOFLAGS": "-mod=mod"},
        )
    except subprocess.TimeoutExpired:
        pytest.skip("actionlint could not be built in time")
    if re.search(r"dial tcp|no such host|lookup |proxyconnect|connection refused|i/o timeout", done.stderr):
        pytest.skip(f"the Go module proxy cannot be reached: {done.stderr.strip()[-200:]}")
    return done


def test_actionlint_finds_nothing() -> None:
    done = actionlint(*map(str, WORKFLOWS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n"
        "    steps:\n      - run: echo ${{ github.event.head_commit.message }}\n"
    )
    done = actionlint(str(bad))
    assert done.returncode == 1
    assert "potentially untrusted" in done.stdout
