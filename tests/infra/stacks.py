"""Configurations and inventories for the tests: one that is right, and ways to change it."""

from __future__ import annotations

import base64
from typing import Any

from infra.plan.config import KEYS, StackConfig, parse
from infra.plan.inventory import Inventory

ACCOUNT = "123456789012"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f")
DIGEST = "sha256:" + "0123456789abcdef" * 4
NGC_KEY = "nvapi-" + "t3st" * 12
PUBLIC_BLOB = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00 " + bytes(range(32))
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "Zm9v" * 12
PUBLIC_KEY = f"ssh-ed25519 {base64.b64encode(PUBLIC_BLOB).decode()} operator"


def private_key(*, blob: bytes = PUBLIC_BLOB, cipher: bytes = b"none") -> str:
    """The outside of an OpenSSH private key: header, cipher names, the public half; nothing that opens a
    door."""
    body = b"openssh-key-v1\x00\x00\x00\x00\x04" + cipher + b"\x00\x00\x00\x04none" + blob + b"\x07" * 64
    text = base64.b64encode(body).decode()
    lines = "\n".join(text[at : at + 70] for at in range(0, len(text), 70))
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmg\n-----END CERTIFICATE-----\n"
CERTIFICATE_KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----\n"
"""The outside of a pair: neither opens anything."""

GOOD: dict[str, Any] = {
    "region": "us-east-1",
    "operatorCidr": "203.0.113.7/32",
    "ngcApiKey": NGC_KEY,
    "sshPublicKey": PUBLIC_KEY,
    "sshPrivateKey": private_key(),
    "amiId": "ami-12c6146b",
    "irisImage": f"containers.intersystems.com/intersystems/iris-community:2026.1@{DIGEST}",
    "llmImage": f"nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.12@{DIGEST}",
    "embeddingImage": f"nvcr.io/nim/nvidia/nv-embedqa-e5-v5:1.10.1@{DIGEST}",
    "alertEmails": '["ops@example.org"]',
    "costCenter": "4711",
    "owner": "radiology-it",
}
SECRET_KEYS = frozenset(key.name for key in KEYS if key.secret)


def config(*, stack: str = "dev", **changes: Any) -> StackConfig:
    """The good configuration with some keys changed; None removes a key."""
    values = {key: each for key, each in (GOOD | changes).items() if each is not None}
    return parse(values, secret_keys=SECRET_KEYS, stack=stack)


def inventory(**changes: Any) -> Inventory:
    """An empty account that offers the instance type in five zones."""
    return Inventory(**({"account_id": ACCOUNT, "zones": ZONES} | changes))
