"""Where the two halves meet: what the infrastructure writes, the pipeline reads; neither imports the other."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import itertools
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

from infra import stack
from infra.plan import catalog, sizing
from infra.rollout import pipeline, steps
from pipeline import serve, wiring
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import IrisSettings, ServiceSettings, Settings, as_environment, load_settings, variables
from pipeline.pricing import prices_of
from pipeline.service.middleware.proxy import KEY_HEADER
from tests.infra.stacks import config as stack_config

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"\bCHARTWELL_[A-Z][A-Z0-9]*(?:__[A-Z0-9_]+)?\b")
PASSWORD = "Correct-Horse-7-Battery"
SCRIPTS = [path for path in (ROOT / "cloud-init").rglob("*") if path.is_file() and path.suffix != ".pyc"]
KNOWN = {name for name, _, _ in variables()}


def nims() -> tuple[steps.Nim, ...]:
    plan = sizing.plan(stack_config())
    return tuple(stack._nim(stack_config(), each) for each in plan.placements)


def on_the_host() -> dict[str, str]:
    names = {each.role: each.model for each in sizing.plan(stack_config()).placements}
    written = (
        pipeline.pipeline_environment(nims(), names, PASSWORD, public_url="https://x.example") | prices()
    )
    return {name: str(value) for name, value in written.items()}


def prices() -> dict[str, str]:
    return stack.cost_settings(stack_config(), sizing.plan(stack_config()))


def through_the_tunnel() -> dict[str, str]:
    config = stack_config()
    found = stack.settings(config, sizing.plan(config), PASSWORD)
    return {name: PASSWORD if "PASSWORD" in name else str(value) for name, value in found.items()}


def test_every_variable_that_the_infrastructure_names_is_a_setting() -> None:
    sources = [*(ROOT / "infra").rglob("*.py"), *SCRIPTS, ROOT / "__main__.py"]
    named = {
        (name, path.name) for path in sources for name in NAMED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) >= 8
    assert {(name, where) for name, where in named if name not in KNOWN} == set()
    assert set(on_the_host()) | set(through_the_tunnel()) <= KNOWN


@pytest.mark.parametrize("written", [on_the_host, through_the_tunnel])
def test_the_pipeline_takes_what_is_written_and_lacks_nothing(
    written: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in written().items():  # type: ignore[operator]
        monkeypatch.setenv(name, value)
    settings = load_settings(None)
    assert settings.store.kind == "iris"
    assert settings.iris.password.get_secret_value() == PASSWORD
    assert settings.embedder.provider == settings.generator.provider == "nim"
    for group in (settings.embedder, settings.generator):
        assert group.model in catalog.MODELS
        assert group.url.startswith("http://127.0.0.1:")


def test_the_settings_file_may_carry_every_value() -> None:
    """systemd and the pipeline read it by different rules, so pipeline.sh refuses what would need quotes."""
    text = (ROOT / "cloud-init" / "steps" / "pipeline.sh").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"grep -Evq '(\^CHARTWELL[^']+)'", text)
    for name, value in on_the_host().items():
        assert re.match(pattern, f"{name}={value}"), name


def test_the_pipeline_counts_with_the_prices_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour is what a month of the plan costs, cut into hours; and what is priced is named with its date."""
    for name, value in prices().items():
        monkeypatch.setenv(name, value)
    known = prices_of(load_settings(None))
    bill = sizing.costs(stack_config())
    assert known.running_usd_per_hour == pytest.approx(
        bill.running_usd_per_month / catalog.HOURS_PER_MONTH, abs=1e-4
    )
    assert known.paused_usd_per_hour == pytest.approx(
        bill.paused_usd_per_month / catalog.HOURS_PER_MONTH, abs=1e-4
    )
    for part in (catalog.PRICES_AS_OF, catalog.DEFAULT_INSTANCE_TYPE, stack_config().region, "on-demand"):
        assert part in known.source
    assert prices().items() <= through_the_tunnel().items()


def test_ports_agree() -> None:
    assert Settings.model_fields["service"].default.port == catalog.SERVICE_PROCESS_PORT
    assert Settings.model_fields["iris"].default.port == catalog.IRIS_SUPERSERVER_PORT
    for group, role in (("embedder", "embedding"), ("generator", "llm")):
        annotation = Settings.model_fields[group].annotation
        described = annotation.model_fields["url"].description  # type: ignore[union-attr]
        assert f":{catalog.NIM_PORTS[role]}/v1" in described  # type: ignore[index]


def test_namespace_and_account_are_the_pipelines_own_and_those_the_database_is_made_with() -> None:
    defaults = IrisSettings()
    made = ast.parse((ROOT / "cloud-init" / "steps" / "iris_merge.py").read_text(encoding="utf-8"))
    constants = {
        target.id: node.value.value
        for node in made.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert constants["NAME"] == pipeline.IRIS_NAMESPACE == defaults.namespace
    assert constants["USER"] == pipeline.IRIS_USER == defaults.username


def actions(text: str) -> dict[str, dict[str, str]]:
    """The actions of a merge file by name, without what differs from place to place."""
    found = {}
    for line in text[text.index("[Actions]") :].splitlines()[1:]:
        action, _, rest = line.partition(":")
        fields = dict(
            part.split("=", 1) for part in re.findall(r'[A-Za-z]+=(?:"[^"]*"|[^,"]*)', rest) if "=" in part
        )
        found[action] = {
            key: each for key, each in fields.items() if key not in {"PasswordHash", "Directory"}
        }
    return found


def test_the_live_suite_asks_its_questions_of_a_database_made_the_same_way() -> None:
    """What `make test-live-iris` proves of its merge file then holds for the deployed one."""
    spec = importlib.util.spec_from_file_location(
        "iris_merge", ROOT / "cloud-init" / "steps" / "iris_merge.py"
    )
    assert spec is not None
    assert spec.loader is not None
    merge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(merge)
    deployed = actions(merge.merge_text("0,0,10000,SHA512", 64))
    live = actions((ROOT / "tests" / "live" / "iris-merge.cpf").read_text(encoding="ascii"))
    assert deployed == live


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_neither_half_imports_the_other() -> None:
    """Scripts and `__main__.py` as well, which the import contracts do not see."""
    builders = [
        ROOT / "__main__.py",
        *(ROOT / "infra").rglob("*.py"),
        *(p for p in SCRIPTS if p.suffix == ".py"),
    ]
    assert [path for path in builders if "pipeline" in imported(path)] == []
    assert [path for path in (ROOT / "pipeline").rglob("*.py") if "infra" in imported(path)] == []


def commands() -> dict[str, str]:
    config = stack_config()
    return {name: each for name, each in stack.commands(config, "dev").items() if "pipeline." in each}


@pytest.mark.parametrize("name", commands())
def test_a_command_of_the_outputs_is_one_that_the_pipeline_has(name: str) -> None:
    module, *words = commands()[name].removeprefix("python -m ").split()
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not in this checkout yet")
    found = typer.main.get_command(importlib.import_module(module).app)
    subcommands = getattr(found, "commands", {})
    command = subcommands[words[0]] if subcommands else found
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_job_runs_a_command_that_the_pipeline_has() -> None:
    text = (ROOT / "cloud-init" / "steps" / "index.sh").read_text(encoding="utf-8")
    ((module, subcommand),) = re.findall(r'exec "\$python" -m (\S+) (\S+) "\$app/documents"', text)
    found = typer.main.get_command(importlib.import_module(module).app)
    assert subcommand in found.commands  # type: ignore[attr-defined]


def test_the_unit_of_the_service_runs_the_door_and_its_link_is_where_the_script_looks() -> None:
    unit = (ROOT / "cloud-init" / "units" / "chartwell-service.service").read_text(encoding="utf-8")
    (module,) = re.findall(r"^ExecStart=\S+/python -m (\S+)$", unit, re.MULTILINE)
    typer.main.get_command(importlib.import_module(module).app)
    script = (ROOT / "cloud-init" / "steps" / "first_administrator.sh").read_text(encoding="utf-8")
    folder = on_the_host()["CHARTWELL_DATA_DIR"].removeprefix(catalog.DATA_MOUNT)
    assert f'{folder}/{serve.FIRST_LINK_FILE}"' in script
    assert ServiceSettings().drain_seconds_max + serve.CLOSING_SECONDS < int(
        *re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    )


def test_the_front_hands_on_what_the_service_believes() -> None:
    """The service takes the address from these headers if their sender shows the key; both read it from one file."""
    text = (ROOT / "cloud-init" / "front" / "nginx.conf").read_text(encoding="utf-8")
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text
    assert "proxy_set_header X-Forwarded-Proto https;" in text
    assert f"proxy_set_header {KEY_HEADER} @PROXY_KEY@;".lower() in text.lower()
    unit = (ROOT / "cloud-init" / "units" / "chartwell-service.service").read_text(encoding="utf-8")
    assert "LoadCredential=proxy.key:/etc/chartwell/front/proxy.key" in unit
    (name,) = re.findall(r"^Environment=(\S+)=%d/proxy.key$", unit, re.MULTILINE)
    assert name in as_environment(load_settings(None, service={"proxy_key_file": "/proxy.key"}))
    script = (ROOT / "cloud-init" / "steps" / "front.sh").read_text(encoding="utf-8")
    assert 'front="$HOST_ETC/front"' in script
    assert 'proxy_key="$front/proxy.key"' in script


def test_the_lock_file_of_the_host_has_what_the_job_imports() -> None:
    locked = (ROOT / "requirements" / "host.txt").read_text(encoding="utf-8")
    for package in ("boto3", "intersystems-irispython", "requests", "tenacity", "typer"):
        assert re.search(rf"^{package}==", locked, re.MULTILINE), package
    assert "--hash=sha256:" in locked
    assert json.dumps(locked).count("git+") == 0


def declared() -> set[str]:
    """Every distribution that `pyproject.toml` or the file of models asks for by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [
        *project["dependencies"],
        *itertools.chain.from_iterable(project["optional-dependencies"].values()),
    ]
    asked += (ROOT / "requirements" / "models.txt").read_text(encoding="utf-8").splitlines()
    return {canonical(Requirement(each.split(" ")[0]).name) for each in asked if each[:1].isalnum()}


def test_what_is_imported_is_asked_for_by_name() -> None:
    """A package that comes along with another goes when that one changes its mind: it did, with an HTTP client.

    Peers and the policy pack have lists of their own."""
    sources = [ROOT / "__main__.py"]
    for folder in ("pipeline", "infra", "tests", "benchmarks", "tools"):
        sources += (ROOT / folder).rglob("*.py")
    known = declared()
    provided = importlib.metadata.packages_distributions()
    strange = {
        (name, path.relative_to(ROOT).as_posix())
        for path in sources
        if not any(folder in path.as_posix() for folder in ("benchmarks/peers/", "infra/policy_pack/"))
        for name in imported(path)
        if name not in sys.stdlib_module_names
        and name not in {"pipeline", "infra", "tests", "benchmarks", "tools", "pip"}
        and known.isdisjoint(canonical(each) for each in provided.get(name, [name]))
    }
    assert strange == set()


@pytest.mark.parametrize("facts", catalog.MODELS.values(), ids=lambda facts: facts.name)
def test_the_pipeline_knows_every_model_that_the_infrastructure_offers(
    facts: catalog.ModelFacts, tmp_path: Path
) -> None:
    """From what is written on the host and nothing else: its client is made, with the width that was planned for."""
    nim = steps.Nim(facts.role, facts.image_repository, 8001, 0, None, 1)
    written = pipeline.pipeline_environment(
        [nim], {facts.role: facts.name}, PASSWORD, public_url="https://x.example"
    )
    variables_file = tmp_path / "settings.env"
    variables_file.write_text("".join(f"{name}={value}\n" for name, value in written.items()))
    settings = load_settings(variables_file)
    if facts.role == "llm":
        assert wiring.open_generator(settings, HashingEmbedder(settings.embedder)).model.model == facts.name
    elif facts.role == "embedding":
        space = wiring.open_embedder(settings).space
        assert (space.model, space.dimension) == (facts.name, facts.dimensions)
        assert space.tokens_max == facts.max_context_tokens
    else:
        images = wiring.open_image_embedder(settings)
        assert images is not None
        assert images.space.dimension == facts.dimensions


def test_no_pattern_holds_a_backspace() -> None:
    r"""A "\b" without the r before the string is one, and such a pattern silently matches nothing. As the end of a
    range (\x00-\x08) it is meant."""
    sources = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "infra").rglob("*.py")]
    assert not [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "\b" in node.value.replace("-\b", "")
    ]


def test_the_services_of_aws_that_are_used_are_those_whose_types_are_checked() -> None:
    """What mypy does not follow is Any, and would be wrong in silence."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"][
        "overrides"
    ]
    followed = {
        name for each in overrides if each.get("follow_imports") == "normal" for name in each["module"]
    }
    used = {
        node.attr
        for path in (ROOT / "infra").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "aws"
    }
    modules = {name for name in used if name.islower()}
    assert modules
    assert {f"pulumi_aws.{name}.*" for name in modules} - followed == set()
    assert used - modules <= {"Provider", "ProviderDefaultTagsArgs"}
