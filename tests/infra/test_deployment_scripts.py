"""The deployment steps against a real Docker engine: twice, with a container killed, with data that must
stay."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.rollout import steps
from tests.infra import host_engine
from tests.infra.host_engine import CLIP, EMBEDDING, IRIS, LLM, Engine, Machine

PASSWORD = "Correct-Horse-7-Battery"
NGC_KEY = "nvapi-not-a-real-key-0123456789"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if reason := host_engine.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("engine")
    try:
        engine = host_engine.start_engine(folder)
    except RuntimeError as error:
        pytest.skip(f"dockerd does not start here: {error}")
    yield engine
    engine.stop()
    subprocess.run(["umount", "-R", "-l", str(folder / "data")], check=False, capture_output=True)


@contextmanager
def machine_in(folder: Path, engine: Engine) -> Iterator[Machine]:
    """A host without containers, which are removed in the end."""
    machine = host_engine.make_machine(folder / "host", engine.environment)
    yield machine
    engine.remove_containers()
    subprocess.run(["umount", str(machine.data)], check=True)


@pytest.fixture
def machine(engine: Engine, tmp_path: Path) -> Iterator[Machine]:
    with machine_in(tmp_path, engine) as machine:
        yield machine


@dataclasses.dataclass(frozen=True)
class Standing:
    """A deployed host with the database and three models, and what each step printed."""

    machine: Machine
    plan: steps.HostServices
    printed: dict[str, str]


@pytest.fixture(scope="class")
def standing(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Made once for several tests, each of which leaves it as it was."""
    with machine_in(tmp_path_factory.mktemp("standing"), engine) as machine:
        plan = plan_for(machine)
        yield Standing(machine, plan, deploy(machine, plan))


def plan_for(machine: Machine, **changes: object) -> steps.HostServices:
    models = (
        steps.Nim("image", CLIP, 18002, 0, None, 1),
        steps.Nim("embedding", EMBEDDING, 18001, 0, 1000, 1),
        steps.Nim("llm", LLM, 18000, 0, 1000, 2, 8192, 16, 0.8),
    )
    values: dict[str, object] = {
        "volume_id": "vol-0abc",
        "ngc_api_key": NGC_KEY,
        "iris": steps.IrisService(IRIS, PASSWORD, 64, 0.25, 2),
        "models": models,
        "watch": steps.HostWatch(idle_minutes=30, spot=False, gpu=True),
    }
    return steps.HostServices(**{**values, **changes})  # type: ignore[arg-type]


def plain_steps(machine: Machine, plan: steps.HostServices) -> list[tuple[str, str, str, bool]]:
    """(name, command, stdin, secret) of each step, with Pulumi's outputs resolved."""
    inputs = {"data-volume": "", "ngc-env": f"NGC_API_KEY={NGC_KEY}\n"}
    found = []
    for step in steps.steps(plan, data=str(machine.data), secrets=str(machine.root / "etc" / "secrets")):
        command = step.command if isinstance(step.command, str) else steps.script("mount.sh", "vol-0abc")
        stdin = inputs.get(step.name, step.stdin)
        assert isinstance(stdin, str)
        found.append((step.name, command, stdin, step.secret))
    return found


def deploy(machine: Machine, plan: steps.HostServices) -> dict[str, str]:
    """Runs every step but the registry login (there is no registry here); returns what each printed."""
    printed = {}
    for name, command, stdin, _ in plain_steps(machine, plan):
        if name == "ngc-login":
            continue
        done = machine.run(command, stdin)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        printed[name] = done.stdout + done.stderr
    return printed


def state_of(engine: Engine, machine: Machine) -> dict[str, str]:
    """Identity and start of every container, and a hash of every file that the steps wrote."""
    found = {
        line.split()[0]: line
        for line in engine.docker(
            "ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}} {{.State}} {{.CreatedAt}}"
        ).splitlines()
    }
    for name in list(found):
        found[name] += str(engine.inspect(name)["State"])
    for folder in ("etc", "units", "data"):
        for path in sorted((machine.root / folder).rglob("*")):
            if path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() + oct(path.stat().st_mode)
    return found


def told_restarts(machine: Machine) -> dict[str, int]:
    """What root's timer writes down of a real engine, for the monitor."""
    state = machine.root / "state"
    script = steps.HOST_FILES / "watch" / "host-state.sh"
    environment = {
        **machine.environment,
        "RUNTIME_DIRECTORY": str(state),
        "HOST_MOUNT_POINT": str(machine.data),
    }
    subprocess.run(["bash", str(script)], env=environment, check=True)
    told = json.loads((state / "host.json").read_text())
    assert told["iris_bytes"] == len("database\n")
    return {each["name"].lstrip("/"): each["restarts"] for each in told["containers"]}


def _command(machine: Machine, plan: steps.HostServices, name: str) -> tuple[str, str]:
    return next((command, stdin) for each, command, stdin, _ in plain_steps(machine, plan) if each == name)


def _until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.2)


@pytest.mark.long
class TestAStandingHost:
    def test_no_secret_is_printed_or_stands_in_a_command(self, engine: Engine, standing: Standing) -> None:
        for name, command, stdin, secret in plain_steps(standing.machine, standing.plan):
            assert PASSWORD not in command, name
            assert NGC_KEY not in command, name
            if not secret:
                assert PASSWORD not in stdin, name
                assert NGC_KEY not in stdin, name
        printed = "".join(standing.printed.values())
        assert PASSWORD not in printed
        assert NGC_KEY not in printed
        logs = "".join(engine.docker("logs", name) for name in ("iris", "nim-llm"))
        assert PASSWORD not in logs + str(engine.inspect("iris"))
        assert PASSWORD not in (standing.machine.data / "iris-merge" / "merge.cpf").read_text()
        for path in (standing.machine.root / "etc" / "secrets").iterdir():
            assert path.stat().st_mode & 0o077 == 0, path
        assert max(len(line) for line in printed.splitlines()) < 400

    def test_second_run_changes_nothing_a_killed_container_comes_back_and_data_stays(
        self, engine: Engine, standing: Standing
    ) -> None:
        machine, plan, first = standing.machine, standing.plan, standing.printed
        before = state_of(engine, machine)
        assert {"iris", "nim-image", "nim-embedding", "nim-llm"} <= set(before)
        assert [name for name in first if name.startswith("nim-")] == [
            "nim-image",
            "nim-embedding",
            "nim-llm",
        ]

        second = deploy(machine, plan)
        assert state_of(engine, machine) == before
        for name in ("iris", "nim-image", "nim-embedding", "nim-llm"):
            assert f"{name}: unchanged" in second[name]

        # The process dies, as it would out of memory: the engine brings it back by itself.
        (machine.data / "iris" / "data" / "mgr" / "notes").write_text("kept")
        pid = str(engine.inspect("nim-llm")["State"]["Pid"])  # type: ignore[index]
        subprocess.run(["kill", "-9", pid], check=True)
        _until(lambda: engine.inspect("nim-llm")["RestartCount"] == 1)
        assert told_restarts(machine) == {"iris": 0, "nim-embedding": 0, "nim-image": 0, "nim-llm": 1}
        assert "nim-llm: ready" in machine.run(*_command(machine, plan, "nim-llm")).stdout
        # Someone kills it by hand, which the engine respects: the next deployment brings it back.
        engine.docker("kill", "iris")
        engine.docker("rm", "-f", "nim-embedding")
        third = deploy(machine, plan)
        assert "iris: started again" in third["iris"]
        assert "nim-embedding: created" in third["nim-embedding"]

        assert (machine.data / "iris" / "data" / "mgr" / "notes").read_text() == "kept"
        assert (machine.data / "nim" / "llm" / "starts").read_text().count("start") == 2
        assert "downloading" not in engine.docker("logs", "nim-embedding")

    def test_containers_come_back_at_boot_in_their_order(self, engine: Engine, standing: Standing) -> None:
        names = ("iris", "nim-image", "nim-embedding", "nim-llm")
        engine.docker("stop", *names)
        done = standing.machine.run(steps.script("start.sh"))
        assert done.returncode == 0, done.stdout
        started = [line for line in done.stdout.splitlines() if line.endswith("started again")]
        assert started == [f"{name}: started again" for name in names]

    def test_a_changed_description_replaces_only_its_container(
        self, engine: Engine, standing: Standing
    ) -> None:
        machine, (image, embedding, llm) = standing.machine, standing.plan.models
        names = ("iris", "nim-image", "nim-embedding", "nim-llm")
        before = {name: engine.inspect(name)["Id"] for name in names}
        shorter = plan_for(machine, models=(image, embedding, dataclasses.replace(llm, context_tokens=4096)))
        deploy(machine, shorter)
        after = {name: engine.inspect(name)["Id"] for name in names}
        assert [name for name in names if before[name] != after[name]] == ["nim-llm"]
        assert "NIM_MAX_MODEL_LEN=4096" in engine.inspect("nim-llm")["Config"]["Env"]  # type: ignore[index]
        machine.run(*_command(machine, standing.plan, "nim-llm"))


def test_a_changed_password_restarts_the_database_in_order(engine: Engine, machine: Machine) -> None:
    deploy(machine, plan_for(machine, models=()))
    other = steps.IrisService(IRIS, "Another-Password-99", 64, 0.25, 2)
    printed = deploy(machine, plan_for(machine, models=(), iris=other))
    assert "iris: recreated" in printed["iris"]
    log = (machine.data / "iris" / "data" / "mgr" / "messages.log").read_text()
    assert "clean stop" in log
    assert "recovering" not in engine.docker("logs", "iris")


def test_an_expired_licence_ends_the_wait_at_once_with_the_log(engine: Engine, machine: Machine) -> None:
    plan = plan_for(machine, models=())
    (machine.data / "iris").mkdir()
    (machine.data / "iris" / "expired").touch()
    failed = None
    for name, command, stdin, _ in plain_steps(machine, plan):
        done = machine.run(command, stdin)
        if done.returncode:
            failed = name, done.stdout
            break
    assert failed is not None
    assert failed[0] == "iris"
    assert "Invalid Community Edition license" in failed[1]
    assert "(docs/troubleshooting-aws.md#iris)" in failed[1]


def test_a_foreign_data_folder_is_left_alone(engine: Engine, machine: Machine) -> None:
    folder = machine.data / "iris" / "data"
    folder.mkdir(parents=True)
    (folder / "letters.txt").write_text("someone's")
    plan = plan_for(machine, models=())
    results = [
        (name, machine.run(command, stdin))
        for name, command, stdin, _ in plain_steps(machine, plan)
        if name in {"scripts", "iris-password", "iris"}
    ]
    assert results[-1][1].returncode == 1
    assert "holds files but no mgr folder" in results[-1][1].stdout
    assert engine.docker("ps", "-aq") == ""
    assert (folder / "letters.txt").read_text() == "someone's"


@pytest.mark.long
def test_a_cache_of_another_user_shows_the_containers_own_words(engine: Engine, machine: Machine) -> None:
    wrong = steps.Nim("llm", LLM, 18000, 0, 4711, 1, 8192, 16, 0.8)
    plan = plan_for(machine, models=(wrong,))
    for name, command, stdin, _ in plain_steps(machine, plan):
        if name == "ngc-login":
            continue
        done = machine.run(command, stdin)
        if name == "nim-llm":
            assert done.returncode == 1
            assert "Permission denied (os error 13)" in done.stdout
            assert "(docs/troubleshooting-aws.md#nim-llm)" in done.stdout
            return
    pytest.fail("the step nim-llm did not run")


def test_the_units_step_switches_what_was_asked_for(engine: Engine, machine: Machine) -> None:
    deploy(machine, plan_for(machine, models=(), watch=steps.HostWatch(idle_minutes=0, spot=True, gpu=False)))
    asked = (machine.root / "systemctl.log").read_text()
    assert "enable -q --now chartwell-spot.service" in asked
    assert "disable -q --now chartwell-idle.timer" in asked
    assert (machine.root / "etc" / "containers" / "order").read_text() == "iris\n"


class BasicRegistry:
    """What `docker login` asks of a registry: /v2/ behind user and password."""

    def __init__(self, password: str) -> None:
        expected = "Basic " + base64.b64encode(f"{steps.NGC_USER}:{password}".encode()).decode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                good = self.headers.get("Authorization") == expected
                self.send_response(200 if good else 401)
                if not good:
                    self.send_header("WWW-Authenticate", 'Basic realm="test"')
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_the_login_takes_the_key_by_standard_input_and_a_refusal_does_not_show_it(
    engine: Engine, machine: Machine
) -> None:
    machine.run(*_command(machine, plan_for(machine, models=()), "scripts"))
    registry = BasicRegistry(NGC_KEY)
    try:
        login = steps.script("login.sh", registry.host, steps.NGC_USER)
        good = machine.run(login, NGC_KEY)
        assert good.returncode == 0, good.stdout + good.stderr
        assert machine.run(login, NGC_KEY).returncode == 0
        bad = machine.run(login, "nvapi-another-key")
    finally:
        registry.close()
    assert bad.returncode == 1
    assert "(docs/troubleshooting-aws.md#registry)" in bad.stdout
    assert "nvapi-another-key" not in bad.stdout + bad.stderr
    assert NGC_KEY not in good.stdout + good.stderr + login


@pytest.mark.long
def test_what_an_earlier_run_of_a_container_died_of_is_not_held_against_this_one(
    machine: Machine, engine: Engine
) -> None:
    life = "[ -e /tmp/again ] || { touch /tmp/again; echo no memory; exit 1; }; sleep 1; echo loading; exec sleep 60"
    engine.docker("run", "-d", "--name", "restarted", "--entrypoint", "sh", EMBEDDING, "-c", life)
    engine.docker("wait", "restarted")
    engine.docker("start", "restarted")
    _until(lambda: engine.docker("logs", "restarted").splitlines() == ["no memory", "loading"])
    lib = Path(steps.__file__).parents[2] / "cloud-init" / "steps" / "lib.sh"
    done = subprocess.run(
        ["bash", "-c", f". {lib}; lines_of_this_run restarted"],
        env={**machine.environment, "HOST_ETC": str(machine.root / "etc")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "loading\n"
