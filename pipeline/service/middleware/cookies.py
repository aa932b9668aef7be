"""The cookies of a browser that is signed in: their names, and that nothing but HTTP ever reads them.

Over https the names begin with `__Host-`, which browsers accept only from this very host, with Secure and for every
path: no other host of the same domain can plant one. Knows what is in them as little as the browser does.
"""

from __future__ import annotations

from starlette.responses import Response

from pipeline.config import ServiceSettings

SIGN_IN = "chartwell"
DEVICE = "chartwell-device"
PREFIX = "__Host-"
DEVICE_SECONDS = 365 * 24 * 3600
"""How long a browser is known as one that has signed in before."""


def secure(settings: ServiceSettings) -> bool:
    """Whether browsers reach us by https."""
    return settings.public_url.startswith("https://")


def name_of(cookie: str, settings: ServiceSettings) -> str:
    return PREFIX + cookie if secure(settings) else cookie


def set_cookie(
    response: Response, cookie: str, value: str, settings: ServiceSettings, *, seconds: int | None = None
) -> None:
    """Have the browser keep it; without `seconds` until it is closed."""
    response.set_cookie(
        name_of(cookie, settings),
        value,
        max_age=seconds,
        path="/",
        secure=secure(settings),
        httponly=True,
        samesite="lax",  # a link in a mail must find the user signed in; what changes things needs a token
    )


def remove(response: Response, cookie: str, settings: ServiceSettings) -> None:
    response.delete_cookie(
        name_of(cookie, settings), path="/", secure=secure(settings), httponly=True, samesite="lax"
    )
