"""Who works at this command line, for what is recorded of it."""

from __future__ import annotations

import getpass
import os


def host_user() -> str:
    """The user logged in on this host."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return f"uid {os.getuid()}"


def by_host_user() -> str:
    """As a decision of the library says who made it at a command line."""
    return f"host:{host_user()}"
