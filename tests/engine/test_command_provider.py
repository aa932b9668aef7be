"""What the provider `command` 1.2.1 does, held against our double over a real sshd on loopback.

Each test names where the behaviour was seen: [C] read in pulumi-command's source at v1.2.1, [E] seen on the real engine
3.274.1, [I] an issue of pulumi/pulumi-command. Skipped where there is no sshd.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from tests.engine import cli
from tests.engine.command_provider import SIGNATURE, UNKNOWN, opened, plain, sealed, struct

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="no sshd: apt-get install openssh-server"),
    pytest.mark.long,
]

COMMAND = "urn:pulumi:dev::chartwell::chartwell:services:Services$command:remote:Command::step"
COPY = "urn:pulumi:dev::chartwell::command:remote:CopyToRemote::wheel"


@dataclass
class Log(engine_pb2_grpc.EngineServicer):
    """Plays the engine: keeps what the provider tells the user."""

    lines: list[str] = field(default_factory=list)

    def Log(self, request: Any, context: Any) -> Any:
        self.lines.append(request.message)
        return empty_pb2.Empty()


@dataclass(frozen=True)
class Plugin:
    """The provider as the engine starts it."""

    stub: Any
    log: Log
    process: subprocess.Popen[str]

    def create(self, *, urn: str = COMMAND, preview: bool = False, **inputs: Any) -> Any:
        request = provider_pb2.CreateRequest(urn=urn, properties=struct(inputs), preview=preview)
        return self.stub.Create(request, timeout=60)

    def update(self, old: dict[str, Any], state: Any, *, urn: str = COMMAND, **news: Any) -> dict[str, Any]:
        request = provider_pb2.UpdateRequest(
            id="1", urn=urn, olds=state.properties, old_inputs=struct(old), news=struct(news)
        )
        return plain(self.stub.Update(request, timeout=60).properties)

    def check(self, **inputs: Any) -> Any:
        return self.stub.Check(provider_pb2.CheckRequest(urn=COMMAND, news=struct(inputs)), timeout=10)

    def diff(self, old: dict[str, Any], new: dict[str, Any]) -> Any:
        request = provider_pb2.DiffRequest(id="1", urn=COMMAND, old_inputs=struct(old), news=struct(new))
        return self.stub.Diff(request, timeout=10)


@contextmanager
def started(**environment: str) -> Iterator[Plugin]:
    log = Log()
    engine = grpc.server(ThreadPoolExecutor(max_workers=2))
    engine_pb2_grpc.add_EngineServicer_to_server(log, engine)
    port = engine.add_insecure_port("127.0.0.1:0")
    engine.start()
    process = subprocess.Popen(
        [str(cli.PLUGINS / "pulumi-resource-command"), f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"ENGINE_DOUBLES": "only"} | environment,
    )
    assert process.stdout
    try:
        with grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().strip()}") as channel:
            yield Plugin(provider_pb2_grpc.ResourceProviderStub(channel), log, process)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
        engine.stop(None)


@pytest.fixture(scope="module")
def plugin() -> Iterator[Plugin]:
    with started() as made:
        yield made


@dataclass(frozen=True)
class Sshd:
    """A real sshd that lets the user of this process in."""

    port: int
    private_key: str
    host_key: str

    def connection(self, **changes: Any) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "privateKey": self.private_key,
            "hostKey": self.host_key,
            "dialErrorLimit": 8,
        } | changes

    def inputs(self, create: str, **more: Any) -> dict[str, Any]:
        return {"connection": self.connection(), "create": create, "addPreviousOutputInEnv": False} | more


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("user", "host"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name], check=True
        )
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd refuses to start without it
    port = free_port()
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "PidFile": "none",
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    process = subprocess.Popen([str(SSHD), "-D", "-E", folder / "log", "-f", folder / "config"])
    yield Sshd(port, (folder / "user").read_text(), (folder / "host.pub").read_text().strip())
    process.terminate()
    process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def failure(call: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return str(caught.value.details())  # type: ignore[attr-defined]


def test_output_and_its_lines_as_they_come(plugin: Plugin, sshd: Sshd) -> None:
    """[C] commandOutputs.go: the outputs lose their last line break; each line of both goes to the engine."""
    made = plain(plugin.create(**sshd.inputs("cat; echo two; echo three >&2", stdin="one\n")).properties)
    assert (made["stdout"], made["stderr"]) == ("one\ntwo", "three")
    assert sorted(plugin.log.lines[-3:]) == ["one", "three", "two"]


def test_without_logging_nothing_is_told(plugin: Plugin, sshd: Sshd) -> None:
    """[C] logging.go: NONE is for secrets."""
    before = len(plugin.log.lines)
    made = plain(plugin.create(**sshd.inputs("cat", stdin=sealed("hush"), logging="none")).properties)
    assert made["stdout"] == "hush"
    assert plugin.log.lines[before:] == []


def test_a_failure_tells_the_whole_command_and_its_output(plugin: Plugin, sshd: Sshd) -> None:
    """[C] commandOutputs.go: so no secret may stand in `create`."""
    told = failure(lambda: plugin.create(**sshd.inputs("echo because >&2; exit 7")))
    assert told.startswith('Process exited with status 7: running "echo because >&2; exit 7":\n')
    assert told.endswith("because")


def test_the_connection_is_a_secret_as_a_whole(plugin: Plugin, sshd: Sshd) -> None:
    """[C] command.go, tag `provider:"secret"`."""
    made = plain(plugin.create(**sshd.inputs("true")).properties)
    assert made["connection"] == sealed(opened(made["connection"]))


def test_a_preview_runs_nothing_and_knows_no_output(plugin: Plugin, tmp_path: Path) -> None:
    """[C] commandController.go."""
    made = plugin.create(preview=True, connection={"host": UNKNOWN}, create=f"touch {tmp_path}/ran")
    assert plain(made.properties)["stdout"] == UNKNOWN
    assert not (tmp_path / "ran").exists()


def test_a_list_loses_the_value_of_a_secret_that_is_not_known_yet(plugin: Plugin, sshd: Sshd) -> None:
    """[E] "triggers[5]: malformed secret: missing value", the first preview of a new stack. Other inputs keep it."""
    answer = plugin.check(
        **sshd.inputs("true", triggers=["i-1", sealed(UNKNOWN), sealed("k")], stdin=sealed(UNKNOWN))
    )
    inputs = plain(answer.inputs)
    assert inputs["triggers"] == ["i-1", {SIGNATURE: sealed("")[SIGNATURE]}, sealed("k")]
    assert inputs["stdin"] == sealed(UNKNOWN)
    assert not answer.failures


@pytest.mark.parametrize(
    ("change", "replaces"),
    [
        ({"create": "false"}, []),
        ({"stdin": "other"}, []),
        ({"connection": {"host": "elsewhere"}}, []),
        ({"triggers": ["i-2"]}, ["triggers"]),
    ],
)
def test_only_triggers_replace(plugin: Plugin, change: dict[str, Any], replaces: list[str]) -> None:
    """[C] command.go, tag `replaceOnChanges`; [I] 189."""
    old = {"connection": sealed({"host": "here"}), "create": "true", "stdin": "a", "triggers": ["i-1"]}
    answer = plugin.diff(old, old | change)
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(answer.replaces) == replaces
    assert not answer.deleteBeforeReplace


def test_what_became_secret_has_not_changed(plugin: Plugin) -> None:
    """[C] infer compares values, not their seals."""
    old = {"connection": {"host": "here"}, "stdin": "a", "triggers": ["k"]}
    new = {"connection": sealed({"host": "here"}), "stdin": sealed("a"), "triggers": [sealed("k")]}
    assert plugin.diff(old, new).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_an_update_runs_update_else_create_again(plugin: Plugin, sshd: Sshd) -> None:
    """[C] commandController.go: a rotated key runs every script again."""
    old = sshd.inputs("echo made")
    state = plugin.create(**old)
    assert plugin.update(old, state, **old | {"stdin": "x"})["stdout"] == "made"
    assert plugin.update(old, state, **old | {"update": "echo updated"})["stdout"] == "updated"


def test_a_host_with_another_key_gets_nothing(plugin: Plugin, sshd: Sshd, tmp_path: Path) -> None:
    """[C] connection.go, `host_key` since 1.1.0: the handshake fails, and is tried again until the limit."""
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2cEjT1m8Zb5vZ9a3m2Q0x0h2r4K7w1uYl3pTqDk5sN"
    connection = sshd.connection(hostKey=other, dialErrorLimit=1)
    told = failure(lambda: plugin.create(**sshd.inputs(f"touch {tmp_path}/ran", connection=connection)))
    assert "after 2 failed attempts" in told
    assert not (tmp_path / "ran").exists()


def test_a_host_that_is_still_booting_is_dialled_again(plugin: Plugin, sshd: Sshd) -> None:
    """[C] retry.Until: 0.1 s, then 1.5 times as long each, 5 s at most."""
    began = time.monotonic()
    connection = sshd.connection(port=free_port(), dialErrorLimit=5)
    told = failure(lambda: plugin.create(**sshd.inputs("true", connection=connection)))
    assert "after 6 failed attempts" in told
    assert "refused" in told
    assert 1.3 < time.monotonic() - began < 10  # 0.1 + 0.15 + 0.225 + 0.34 + 0.51


def test_a_connection_that_breaks_is_no_exit_of_the_command(plugin: Plugin, sshd: Sshd) -> None:
    """[I] 553: a reboot inside a command."""
    told = failure(lambda: plugin.create(**sshd.inputs("echo going; kill -9 $PPID")))
    assert told.startswith("wait: remote command exited without exit status or exit signal")


def test_a_line_of_64_kib_hangs_the_command(plugin: Plugin, sshd: Sshd) -> None:
    """[C] util.go, bufio.Scanner: no one reads on, the pipe fills. Why the scripts print short lines."""
    inputs = struct(sshd.inputs("head -c 400000 /dev/zero | tr '\\0' x"))
    request = provider_pb2.CreateRequest(urn=COMMAND, properties=inputs)
    with pytest.raises(grpc.RpcError) as caught:
        plugin.stub.Create(request, timeout=1.5)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]


def test_a_provider_that_is_killed_takes_its_connections_along(sshd: Sshd) -> None:
    others = set(clients(sshd.port))  # of the command that hangs for ever, above
    with started() as plugin:
        inputs = struct(sshd.inputs("echo begun; sleep 60"))
        running = plugin.stub.Create.future(provider_pb2.CreateRequest(urn=COMMAND, properties=inputs))
        wait_for(lambda: plugin.log.lines == ["begun"])
        assert set(clients(sshd.port)) - others
        plugin.process.kill()
        wait_for(lambda: not set(clients(sshd.port)) - others)
        assert running.exception() is not None


def clients(port: int) -> list[str]:
    """Command lines of the OpenSSH clients of this port."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(path.read_text().replace("\0", " "))
    return [each for each in found if each.startswith("ssh ") and f"Port={port}" in each]


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_copy_is_made_again_only_for_another_file_or_path(
    plugin: Plugin, sshd: Sshd, tmp_path: Path
) -> None:
    """[C] copyController.go, Update: a new host with the same file gets nothing; hence its triggers."""
    source, target = tmp_path / "wheel", tmp_path / "inbox" / "wheel"
    source.write_text("content")
    source.chmod(0o755)

    def inputs(digest: str) -> dict[str, Any]:
        asset = {SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "hash": digest, "path": str(source)}
        return {"connection": sshd.connection(), "source": asset, "remotePath": str(target)}

    state = plugin.create(urn=COPY, **inputs("1"))
    assert target.read_text() == "content"
    target.unlink()
    elsewhere = inputs("1") | {"connection": sshd.connection(user="another")}
    plugin.update(inputs("1"), state, urn=COPY, **elsewhere)
    assert not target.exists()
    plugin.update(inputs("1"), state, urn=COPY, **inputs("2"))
    assert target.read_text() == "content"


def test_a_delete_without_a_script_reaches_for_no_host(plugin: Plugin) -> None:
    """[C] commandController.go: a dead host does not block a pause as long as no step has a `delete`."""
    state = struct({"connection": {"host": "127.0.0.1", "port": 9}, "create": "true"})
    plugin.stub.Delete(provider_pb2.DeleteRequest(id="1", urn=COMMAND, properties=state), timeout=5)


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        ({"create": "true"}, "addPreviousOutputInEnv"),
        ({"create": "true", "addPreviousOutputInEnv": False, "environment": {"A": "b"}}, "environment"),
    ],
)
def test_what_the_double_does_not_do_it_refuses(plugin: Plugin, inputs: dict[str, Any], name: str) -> None:
    assert name in {each.property for each in plugin.check(connection={}, **inputs).failures}


def test_without_a_host_each_step_gets_its_scripted_answer(tmp_path: Path) -> None:
    script, journal = tmp_path / "script", tmp_path / "journal"
    script.write_text(
        json.dumps({"step": "step", "exit": 1, "stderr": "FAILED", "times": 1})
        + "\n"
        + json.dumps({"step": "step", "stdout": '{"state": "ready"}'})
        + "\n"
    )
    with started(ENGINE_SCRIPT=str(script), ENGINE_JOURNAL=str(journal)) as plugin:
        inputs = {"connection": {"host": "nowhere"}, "create": "true", "addPreviousOutputInEnv": False}
        assert "FAILED" in failure(lambda: plugin.create(**inputs))
        assert plain(plugin.create(**inputs).properties)["stdout"] == '{"state": "ready"}'
    assert [json.loads(line)["exit"] for line in journal.read_text().splitlines()] == [1, 0]
