"""One host, one volume and one bucket without an engine: what `python -m tests.engine.host` shows.

Decides which stack is looked at: the good configuration of tests/infra/stacks.py with keys that open this host. AWS is
the double of tests/engine/cloud/account.py, without machines of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from infra import stack
from infra.components import host_key
from infra.components.storage import Credentials
from infra.rollout import pipeline
from tests.engine.cloud import account as cloud
from tests.engine.host import Hosts, Outside, key_pair
from tests.engine.machines import notes
from tests.engine.machines.rollout import StepResult, run_steps
from tests.infra.recording import record
from tests.infra.stacks import GOOD, HOST_KEY, NGC_KEY, config, inventory

INSTANCE, VOLUME = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume"
IMAGES = ("irisImage", "llmImage", "embeddingImage")
GENERATED = Credentials(iris_password="Correct-Horse-7-Battery", service_secret="service-secret-77c0a2")
DIAL = {"user": "ubuntu", "dialErrorLimit": 100, "perDialTimeout": 15}
KEY_SECONDS_MAX = 60.0


class Demonstration:
    """A stack that was recorded, and the machine that stands for its host."""

    def __init__(self, folder: Path, outside: Outside, keys: tuple[str, str], **changes: Any) -> None:
        self.private_key, public_key = keys
        images = {key: outside.images[_reference(key)] for key in IMAGES}
        self.config = config(sshPublicKey=public_key, sshPrivateKey=self.private_key, **images, **changes)
        wheel = pipeline.build_wheel(folder / "wheel")
        self.recorded = record(
            lambda: stack.build(
                self.config, inventory(), GENERATED, wheel=wheel, host_keys=lambda _: HOST_KEY
            )
        )
        self.instance_id = self.recorded.one(INSTANCE).id
        self.volume_id = self.recorded.one(VOLUME).id
        self.hosts = Hosts(folder / "hosts", outside, public_key=public_key)
        self.address = self.hosts.allocate()

    def boot(self) -> None:
        user_data = self.recorded.one(INSTANCE).props["userData"]
        self.hosts.run(
            self.instance_id, user_data=user_data, instance_type=self.config.instance_type, zone=""
        )
        self.hosts.associate(self.instance_id, self.address)
        self.hosts.attach(self.volume_id, self.instance_id, "/dev/sdf")

    def connection(self) -> dict[str, Any]:
        """With the key that the console shows."""
        deadline = time.monotonic() + KEY_SECONDS_MAX
        while not (key := host_key.printed_key(self.hosts.console(self.instance_id))):
            assert time.monotonic() < deadline, "the console shows no key"
            time.sleep(0.2)
        return {**DIAL, "host": self.address, "privateKey": self.private_key, "hostKey": key}

    def steps(self) -> Iterator[StepResult]:
        return run_steps(self.recorded, self.connection())


def _reference(key: str) -> str:
    """The image of a key of the configuration, without its digest."""
    return str(GOOD[key]).partition("@")[0]


@contextmanager
def demonstration(folder: Path, **changes: Any) -> Iterator[Demonstration]:
    """A host that can be booted, with its volume, its bucket and its logs, until the block ends."""
    with ExitStack() as ends:
        endpoint, account = cloud.start()
        ends.callback(account.stop)
        outside = Outside(folder / "outside", ngc_key=NGC_KEY)
        ends.callback(outside.close)
        outside.aws_url = endpoint
        outside.push([_reference(key) for key in IMAGES])
        shown = Demonstration(folder, outside, key_pair(folder), **changes)
        ends.callback(shown.hosts.close)
        _fill_account(shown, account.account())
        shown.hosts.create_volume(shown.volume_id, size_gb=100, snapshot_id=None)
        yield shown


def _fill_account(shown: Demonstration, account: Any) -> None:
    """The bucket with notes, and the log groups, under the names that the program gives them."""
    s3, logs = account.client("s3"), account.client("logs")
    for bucket in shown.recorded.of("aws:s3/bucket:Bucket"):
        s3.create_bucket(Bucket=bucket.props["bucket"])
        if "documents" in bucket.props["bucket"]:
            key = f"{shown.config.documents_prefix}visits.jsonl"
            s3.put_object(Bucket=bucket.props["bucket"], Key=key, Body=notes.written().encode())
    for group in shown.recorded.of("aws:cloudwatch/logGroup:LogGroup"):
        logs.create_log_group(logGroupName=group.props["name"])
