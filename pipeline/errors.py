"""Every error that Chartwell raises on purpose, and whether trying again can help.

    ChartwellError
    ├── SettingsInvalid            a setting is wrong or missing
    ├── InputError                 the input as a whole cannot be used (one bad record is a Rejection)
    │   ├── InputMissing           a path that is not there
    │   └── InputUnusable          wrong format, wrong columns, nothing in it
    ├── ModelFileError             a model file is missing, or is not the file whose hash we know
    ├── StoreError                 the store refuses or cannot be trusted
    │   ├── SpaceMismatch          vectors of two embedding spaces would mix
    │   ├── StoreMissing           there is no store where it was looked for, and a reader makes none
    │   ├── SchemaMismatch         the store was written by another version of the schema
    │   ├── StoreDamaged           an integrity check failed
    │   ├── StoreRejectedRow       a row broke a constraint (unique, width, required)
    │   ├── StoreAccessDenied      wrong user, password, or privilege
    │   ├── MigrationRefused       a step of a change of embedding spaces would lose something, or has nothing to act on
    │   ├── StoreLimitReached      licence, connections or disk used up
    │   └── StoreUnavailable       ~ not reachable, restarting or locked
    ├── ProviderError              a model server's answer, whichever the vendor
    │   ├── RequestInvalid         400, 422: the request itself is wrong
    │   ├── AuthenticationFailed   401, 402, 403
    │   ├── ModelNotFound          404
    │   ├── ModelGone              410: the vendor has ended the model
    │   ├── ResponseInvalid        the answer is not what the contract says (width, order, shape)
    │   ├── ThoughtUnfinished      the model's tokens ran out while it was still thinking
    │   ├── PromptTruncated        the server read less than it was given, and answered all the same
    │   ├── RateLimited            ~ 429
    │   ├── Overloaded             ~ 503 and its kin, also while a model is loading
    │   ├── ProviderTimeout        ~ no answer in time, and 408
    │   └── ConnectionBroken       ~ refused, reset, cut in the middle
    ├── CheckFailed                a check of the deployment found something (python -m pipeline.validate)
    │   ├── GpuUnavailable         the driver, or the card behind it
    │   ├── ContainerWrong         a container is down, or sees no GPU
    │   ├── DiskNearlyFull         space or inodes
    │   ├── VolumeWrong            the data volume: not mounted, another one, not known to be encrypted
    │   ├── ClockWrong             this machine's clock is off
    │   ├── CertificateWrong       expired, for another host, or of an unknown authority
    │   ├── ServiceUnhealthy       the service says that it is not ready
    │   ├── IndexUnused            searches are right, and slower than they should be
    │   ├── LedgerDiffers          ledger and store do not tell the same
    │   ├── AnswerWrong            a question with a known answer was not answered with it
    │   ├── TooSlow                an answer took longer than it may
    │   └── CheckUnfinished        a check did not end in time, or could not be carried out
    └── ServiceError               the service refuses a request, or cannot serve it
        ├── BadRequest             a value that is not allowed, such as a password that is too short
        ├── SignInFailed           nobody is signed in, or name, password, key or link is not right
        ├── SignInDelayed          ~ too many failed sign-ins from there; says how long to wait
        ├── IdentityProviderFailed ~ the OpenID Connect provider cannot be reached or makes no sense
        ├── Forbidden              signed in, but without the right
        ├── NotKnown               no such thing, or none that this person may see: the two look the same
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

`~` marks the transient ones: `error.transient` is true and the same call may succeed later. Retrying itself
lives in one place, `pipeline/backends/http/transport.py`. This module knows no vendor and no back-end.
"""

from __future__ import annotations

from typing import ClassVar

TROUBLESHOOTING = "docs/troubleshooting.md"


class ChartwellError(Exception):
    """What happened, to which id, and what to do next.

    `code` is stable: people search for it and programs branch on it. Each code has a section of that name in
    docs/troubleshooting.md; a test holds the two together.
    """

    code: ClassVar[str] = "CW-ERROR"
    transient: ClassVar[bool] = False

    def __init__(self, what: str, *, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what)

    @property
    def section(self) -> str:
        """Where the documentation explains this error, as path and anchor."""
        return f"{TROUBLESHOOTING}#{self.code.lower()}"

    def __str__(self) -> str:
        return f"{self.what} {self.remedy} [{self.code}, see {self.section}]"


class SettingsInvalid(ChartwellError):
    """One or more settings are wrong; the message lists them all."""

    code = "CW-SETTINGS"


class InputError(ChartwellError):
    """The input as a whole cannot be used."""

    code = "CW-INPUT"


class InputMissing(InputError):
    """The named file or folder does not exist or cannot be opened."""

    code = "CW-INPUT-MISSING"


class InputUnusable(InputError):
    """The input exists, but no record can be read from it."""

    code = "CW-INPUT-UNUSABLE"


class ModelFileError(ChartwellError):
    """A model file is absent or its SHA-256 is not the one we know; it is not loaded."""

    code = "CW-MODEL-FILE"


class StoreError(ChartwellError):
    """The store refuses an operation or cannot be trusted."""

    code = "CW-STORE"


class SpaceMismatch(StoreError):
    """The store holds vectors of another embedding space."""

    code = "CW-STORE-SPACE"


class StoreMissing(StoreError):
    """There is no store where the settings say; a command that only reads makes none."""

    code = "CW-STORE-MISSING"


class SchemaMismatch(StoreError):
    """The store was written by a version of the schema that this program does not read."""

    code = "CW-STORE-SCHEMA"


class StoreDamaged(StoreError):
    """An integrity check of the store failed."""

    code = "CW-STORE-DAMAGED"


class StoreRejectedRow(StoreError):
    """A row broke a constraint of the store."""

    code = "CW-STORE-ROW"


class StoreAccessDenied(StoreError):
    """User, password or privilege do not suffice."""

    code = "CW-STORE-ACCESS"


class MigrationRefused(StoreError):
    """A step of a change of embedding spaces would lose something, or there is nothing to act on."""

    code = "CW-MIGRATION"


class StoreLimitReached(StoreError):
    """A licence, connection or disk limit of the store is used up."""

    code = "CW-STORE-LIMIT"


class StoreUnavailable(StoreError):
    """The store is not reachable right now."""

    code = "CW-STORE-UNAVAILABLE"
    transient = True


class ProviderError(ChartwellError):
    """A model server did not do what it was asked."""

    code = "CW-PROVIDER"


class RequestInvalid(ProviderError):
    """The server says the request is wrong; sending it again changes nothing."""

    code = "CW-PROVIDER-INVALID"
    filtered = False
    """True where it was a content filter that refused it."""


class AuthenticationFailed(ProviderError):
    """The key is missing, wrong, exhausted, or not allowed to use this model."""

    code = "CW-PROVIDER-AUTH"


class ModelNotFound(ProviderError):
    """The server does not know the model or the path."""

    code = "CW-PROVIDER-NOT-FOUND"


class ModelGone(ProviderError):
    """The vendor has ended the model for good (HTTP 410)."""

    code = "CW-PROVIDER-GONE"


class ResponseInvalid(ProviderError):
    """The answer breaks the contract: wrong width, missing item, not JSON."""

    code = "CW-PROVIDER-RESPONSE"


class ThoughtUnfinished(ProviderError):
    """The model was still thinking when its answer ended, so there is no answer."""

    code = "CW-PROVIDER-THINKING"


class PromptTruncated(ProviderError):
    """The server cut off a part of the prompt, passages or rules, without a word."""

    code = "CW-PROVIDER-TRUNCATED"


class RateLimited(ProviderError):
    """Too many requests. `retry_after_seconds` is the server's own word, where it gave one."""

    code = "CW-PROVIDER-RATE"
    transient = True

    def __init__(self, what: str, *, remedy: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.retry_after_seconds = retry_after_seconds


class Overloaded(ProviderError):
    """The server is full or still loading its model. `retry_after_seconds` as for RateLimited."""

    code = "CW-PROVIDER-OVERLOADED"
    transient = True

    def __init__(self, what: str, *, remedy: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.retry_after_seconds = retry_after_seconds


class ProviderTimeout(ProviderError):
    """No answer within the time allowed."""

    code = "CW-PROVIDER-TIMEOUT"
    transient = True


class ConnectionBroken(ProviderError):
    """The connection was refused, reset or cut before the answer was whole."""

    code = "CW-PROVIDER-CONNECTION"
    transient = True


class CheckFailed(ChartwellError):
    """A check of the deployment found something wrong."""

    code = "CW-CHECK"


class GpuUnavailable(CheckFailed):
    """The GPU cannot be used: no driver, a driver of two versions, no card, or too old a driver."""

    code = "CW-CHECK-GPU"


class ContainerWrong(CheckFailed):
    """A container of the deployment is down, or does not see the GPU that it was given."""

    code = "CW-CHECK-CONTAINER"


class DiskNearlyFull(CheckFailed):
    """A file system has little space or few inodes left."""

    code = "CW-CHECK-DISK"


class VolumeWrong(CheckFailed):
    """The data volume is not mounted, is another one, or is not known to be encrypted."""

    code = "CW-CHECK-VOLUME"


class ClockWrong(CheckFailed):
    """This machine's clock differs from the time."""

    code = "CW-CHECK-CLOCK"


class CertificateWrong(CheckFailed):
    """A server's certificate has expired, soon expires, is for another host, or cannot be traced to an authority."""

    code = "CW-CHECK-CERTIFICATE"


class ServiceUnhealthy(CheckFailed):
    """The service does not answer, or says that it is not ready."""

    code = "CW-CHECK-SERVICE"


class IndexUnused(CheckFailed):
    """The store answers searches without the index that should serve them."""

    code = "CW-CHECK-INDEX"


class LedgerDiffers(CheckFailed):
    """The ledger and the store do not tell the same about which notes are stored."""

    code = "CW-CHECK-LEDGER"


class AnswerWrong(CheckFailed):
    """A question with a known answer was not answered, or not with the expected citation."""

    code = "CW-CHECK-ANSWER"


class TooSlow(CheckFailed):
    """A model took longer than the settings allow."""

    code = "CW-CHECK-SLOW"


class CheckUnfinished(CheckFailed):
    """A check did not end in time, or broke."""

    code = "CW-CHECK-UNFINISHED"


class ServiceError(ChartwellError):
    """The service refuses a request, or cannot serve it."""

    code = "CW-SERVICE"


class BadRequest(ServiceError):
    """A value that is not allowed. The message names the field, never its content."""

    code = "CW-REQUEST"


class SignInFailed(ServiceError):
    """Nobody is signed in, or name, password, key or link is not right. Never says which."""

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
