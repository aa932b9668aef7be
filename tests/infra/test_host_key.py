"""The host's SSH key: from the console as AWS gives it, recorded, and nothing sent without it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest
from botocore.exceptions import ClientError

from infra import policy, stack
from infra.components import host_key
from tests.infra.recording import record
from tests.infra.stacks import HOST_KEY, config, inventory

FIRST_BOOT = f"""[    8.1] cloud-init[812]: running 'modules:final'\r
-----BEGIN SSH HOST KEY KEYS-----\r
ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY root@ip-10-20-0-5\r
{HOST_KEY} root@ip-10-20-0-5\r
-----END SSH HOST KEY KEYS-----\r
"""
OTHER_KEY = HOST_KEY.replace("Zm9v", "YmFy")
COMMAND = "command:remote:Command"


class Consoles:
    """A session whose console says one thing after the other; the last stays."""

    def __init__(self, *texts: str | Exception) -> None:
        self.texts = list(texts)
        self.asked: list[dict[str, Any]] = []

    def client(self, _: str) -> Any:
        return self

    def get_console_output(self, **more: Any) -> dict[str, Any]:
        self.asked.append(more)
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        if isinstance(text, Exception):
            raise text
        return (
            {"InstanceId": more["InstanceId"], "Output": text} if text else {"InstanceId": more["InstanceId"]}
        )


@pytest.mark.parametrize(
    ("console", "key"),
    [
        (FIRST_BOOT, HOST_KEY),
        (f"chartwell: 07:00:01 host key {HOST_KEY}\r\n[  12.0] nvidia: loaded\r\n", HOST_KEY),
        (f"chartwell: 07:00:01 host key {OTHER_KEY}\nchartwell: 19:00:01 host key {HOST_KEY}\n", HOST_KEY),
        ("[ 1.0] Linux version 6.8\n", None),
        ("host key ssh-ed25519 AAAA\n", None),
        ("", None),
    ],
)
def test_the_key_is_found_in_what_a_console_shows(console: str, key: str | None) -> None:
    assert host_key.printed_key(console) == key


def test_a_host_that_still_boots_is_waited_for() -> None:
    consoles, slept = Consoles("", "[ 1.0] Linux", FIRST_BOOT), []
    assert host_key.reader(consoles, sleep=slept.append)("i-0abc") == HOST_KEY
    assert slept == [host_key.POLL_SECONDS] * 2
    assert consoles.asked[0] == {"InstanceId": "i-0abc", "Latest": True}


@pytest.mark.parametrize(
    ("console", "message"),
    [
        ("[ 1.0] Linux", "has not printed its SSH key within 20 s"),
        (
            ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "GetConsoleOutput"),
            "ec2:GetConsoleOutput",
        ),
    ],
)
def test_without_the_key_nothing_is_sent(console: str | Exception, message: str) -> None:
    read = host_key.reader(Consoles(console), wait_seconds=20, sleep=lambda _: None)
    with pytest.raises(pulumi.RunError, match=message) as caught:
        record(lambda: stack.build(config(), inventory(), host_keys=read))
    assert "Nothing was sent to the host" in str(caught.value)


def test_every_connection_expects_the_key_and_the_record_keeps_it() -> None:
    built = record(lambda: stack.build(config(), inventory(), host_keys=lambda _: HOST_KEY))
    assert {each.props["connection"]["hostKey"] for each in built.of(COMMAND)} == {HOST_KEY}
    (kept,) = [
        each for each in built.of("aws:ssm/parameter:Parameter") if each.name.endswith("host-key-record")
    ]
    instance = built.one("aws:ec2/instance:Instance").id
    assert kept.props["insecureValue"] == f"{instance} {HOST_KEY}"
    assert built.outputs["knownHosts"] == f"198.51.100.7 {HOST_KEY}"


def test_a_record_of_another_host_is_not_believed() -> None:
    found = inventory(parameters={"host-key": f"i-0another {OTHER_KEY}"})
    built = record(lambda: stack.build(config(), found, host_keys=lambda _: HOST_KEY))
    assert {each.props["connection"]["hostKey"] for each in built.of(COMMAND)} == {HOST_KEY}


def test_only_a_configuration_that_says_so_goes_unchecked() -> None:
    with pytest.raises(ValueError, match="checkHostKey"):
        record(lambda: stack.build(config(), inventory()))
    built = record(lambda: stack.build(config(checkHostKey=False), inventory()))
    assert not any("hostKey" in each.props["connection"] for each in built.of(COMMAND))
    assert {each.rule for each in policy.check(built.graph())} == {"commands"}


def test_the_boot_prints_the_key_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(f"{HOST_KEY} root@somewhere\n")
    boot = Path(__file__).resolve().parents[2] / "cloud-init" / "boot" / "bootstrap.sh"
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOST_STATE": str(tmp_path / "state"),
        "HOST_CONSOLE": "/dev/stdout",
        "HOST_SSH_KEY": str(tmp_path / "key.pub"),
        "HOST_BOOT_STEPS": " ",
    }
    done = subprocess.run(["bash", str(boot)], env=environment, check=True, capture_output=True, text=True)
    assert host_key.printed_key(done.stdout) == HOST_KEY
    assert "root@somewhere" not in done.stdout
