"""The errors that only the service raises.

    ServiceError               the service refuses a request, or cannot serve it
    ├── SignInFailed           no one is signed in, or name, password, key or link is not right
    ├── SignInDelayed          ~ too many failed sign-ins from there; says how long to wait
    ├── IdentityProviderFailed ~ the OpenID Connect provider cannot be reached or makes no sense
    ├── Forbidden              signed in, but without the right
    ├── NotKnown               no such thing, or none that this person may see: the two look the same
    ├── OriginalGone           the original of an image is not where it was indexed
    ├── OriginalChanged        it is there, and is another file now or cannot be opened
    ├── ImageRefused           an image that is uploaded or shown is refused by its reading
    ├── NotInstalled           what the request needs is an extra that is not installed
    ├── Conflict               it exists already, or has changed, or is the last of its kind
    ├── StateError             the service's database is unusable: wrong version, damaged, read-only
    ├── StateUnavailable       ~ the service's database cannot be reached right now
    ├── AuditBroken            the audit log does not verify
    ├── PageFileChanged        a vendored file of the page is another one
    ├── TooLarge               413
    ├── TooMany                ~ 429: this person asks more than their share
    ├── Busy                   ~ 429: every place is taken, and every place to wait
    ├── NotReady               ~ 503: the models are loading, or the service is stopping
    └── Unexpected             500: a fault of ours, with a number that is in the log

`~` marks the transient ones. A value that is not allowed is `pipeline.errors.BadRequest`: the command line refuses it
too.
"""

from __future__ import annotations

from pipeline.errors import ChartwellError


class ServiceError(ChartwellError):
    """The service refuses a request, or cannot serve it."""

    code = "CW-SERVICE"
    for_client = True


class SignInFailed(ServiceError):
    """No one is signed in, or name, password, key or link is not right. Never says which."""

    code = "CW-SIGN-IN"


class SignInDelayed(ServiceError):
    """Too many failed sign-ins from there; the password was not looked at. Wait `retry_after_seconds`.

    `delayed` is the hash of the account, device or address that has to wait.
    """

    code = "CW-SIGN-IN-DELAYED"
    transient = True

    def __init__(self, what: str, *, remedy: str, retry_after_seconds: float, delayed: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.retry_after_seconds = retry_after_seconds
        self.delayed = delayed


class IdentityProviderFailed(ServiceError):
    """The OpenID Connect provider cannot be reached, or its answers make no sense."""

    code = "CW-SIGN-IN-PROVIDER"
    transient = True


class Forbidden(ServiceError):
    """Signed in, but without the right to do this. `action` is the right that is missing."""

    code = "CW-FORBIDDEN"

    def __init__(self, what: str, *, remedy: str, action: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.action = action


class NotKnown(ServiceError):
    """No such thing, or none that this person may see: the two look the same."""

    code = "CW-NOT-FOUND"


class OriginalGone(ServiceError):
    """The original of an image is not where it was when it was indexed. Its thumbnail is kept."""

    code = "CW-ORIGINAL-GONE"


class OriginalChanged(ServiceError):
    """The original of an image is another file now, or cannot be opened any more. Its thumbnail is kept."""

    code = "CW-ORIGINAL-CHANGED"


class ImageRefused(ServiceError):
    """An image that a person uploads, or an original, is refused by its reading. `kind` as `UnreadableImage` has it."""

    code = "CW-IMAGE-REFUSED"

    def __init__(self, what: str, *, remedy: str, kind: str) -> None:
        super().__init__(what, remedy=remedy)
        self.kind = kind


class NotInstalled(ServiceError):
    """What the request needs is an extra that is not installed here."""

    code = "CW-NOT-INSTALLED"


class Conflict(ServiceError):
    """It exists already, or has changed meanwhile, or is the last of its kind."""

    code = "CW-CONFLICT"


class StateError(ServiceError):
    """The service's database is unusable: another version, damaged, read-only."""

    code = "CW-STATE"


class StateUnavailable(ServiceError):
    """The service's database cannot be reached right now, or is locked."""

    code = "CW-STATE-UNAVAILABLE"
    transient = True


class AuditBroken(ServiceError):
    """The audit log does not verify: something was changed, removed or cut off."""

    code = "CW-AUDIT"


class PageFileChanged(ServiceError):
    """A vendored file of the page is missing, or is not the one whose SHA-256 is recorded."""

    code = "CW-PAGE-FILE"


class TooLarge(ServiceError):
    """The body of a request is larger than the service takes."""

    code = "CW-TOO-LARGE"


class TooMany(ServiceError):
    """One person or key asks more than its share."""

    code = "CW-TOO-MANY"
    transient = True

    def __init__(self, what: str, *, remedy: str, retry_after_seconds: float) -> None:
        super().__init__(what, remedy=remedy)
        self.retry_after_seconds = retry_after_seconds


class Busy(ServiceError):
    """Every place is taken, and so is every place in the queue."""

    code = "CW-BUSY"
    transient = True


class NotReady(ServiceError):
    """The service cannot answer yet, or no more: its models are loading, or it is stopping."""

    code = "CW-NOT-READY"
    transient = True


class Unexpected(ServiceError):
    """A fault of ours. The client gets a number, the log under that number what happened."""

    code = "CW-INTERNAL"
