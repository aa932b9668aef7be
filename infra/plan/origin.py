"""Whether the state of a stack was made by the stack that the configuration means.

A stack's name and account are in the names of its buckets. After `pulumi stack rename`, or with another account's
credentials, nothing of what exists is found, and an up would make a second host and a blank volume, and let go of the
data. Decides only that the names agree; refuses to guess which of the two was meant.
"""

from __future__ import annotations

import re
from typing import Final

from infra.plan.config import PROJECT, StackConfig
from infra.plan.inventory import bucket_name

ROLE: Final = "documents"
BUCKET: Final = re.compile(rf"{PROJECT}-(?P<stack>.+)-(?P<account>\d{{12}})-{ROLE}")
HELP: Final = "docs/troubleshooting-aws.md#another-stack"


class OtherStackError(Exception):
    """The state holds the data of another stack, or of this stack in another account. Nothing was created."""


def refuse_other(config: StackConfig, account_id: str, known: frozenset[str]) -> None:
    """Before anything is made. `known` are ids and ARNs of the state. Raises OtherStackError."""
    own = bucket_name(config, account_id, ROLE)
    for match in filter(None, map(BUCKET.fullmatch, sorted(known))):
        if match[0] != own:
            raise OtherStackError(_explanation(config.stack, account_id, match))


def _explanation(stack: str, account_id: str, found: re.Match[str]) -> str:
    cure = (
        f"Credentials of account {found['account']} are needed"
        if found["account"] != account_id
        else f"Name it so again: pulumi stack rename {found['stack']}"
    )
    return (
        f"The state of {stack} holds the data of stack {found['stack']} in account {found['account']} (bucket "
        f"{found[0]}), and this is stack {stack} in account {account_id}. Nothing was created: an up would let go of "
        f"that data and begin with a blank volume beside it. {cure} ({HELP})."
    )
