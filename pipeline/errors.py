"""The errors of readers, flows and back-ends, and whether trying again can help.

    ChartwellError
    ├── SettingsInvalid            a setting is wrong or missing
    ├── InputError                 the input as a whole cannot be used (one bad record is a Rejection)
    │   ├── InputMissing           a path that is not there
    │   ├── InputUnusable          wrong format, wrong columns, nothing in it
    │   ├── UnreadableDocument     one file of the library that is not read: damaged, locked, too large
    │   └── UnreadableImage        one image that is not read: damaged, too large, or no picture of a patient
    ├── ModelFileError             a model file is missing, or is not the file whose hash we know
    ├── DeidentificationUnavailable  the key, the profile's table or what reads text in pixels is missing or not sound
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
    ├── LibraryError               the library of documents has not got what is asked for
    │   ├── DomainUnknown          no domain of that name, or none that the asker may see
    │   └── VersionUnknown         no version of that id, or none that the asker may see
    └── BadRequest                 what a caller asked for has a value that is not allowed

The service's own errors are in `pipeline/service/errors.py`, those of the checks of a deployment in
`pipeline/checks/errors.py`: nothing below them can meet them.

`~` marks the transient ones: `error.transient` is true and the same call may succeed later. Retrying itself
lives in one place, `pipeline/backends/http/transport.py`. This module knows no vendor and no back-end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

TROUBLESHOOTING = "docs/troubleshooting.md"


class ChartwellError(Exception):
    """What happened, to which id, and what to do next.

    `code` is stable: people search for it and programs branch on it. Each code has a section of that name in
    docs/troubleshooting.md; a test holds the two together.
    """

    code: ClassVar[str] = "CW-ERROR"
    transient: ClassVar[bool] = False
    for_client: ClassVar[bool] = False
    """Whether the message may go to the service's client: others may name servers, notes or rows."""
    asks_back: ClassVar[bool] = False
    """Whether it is a question to the asker, and nothing has failed."""

    def __init__(self, what: str, *, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what)

    def __reduce__(self) -> tuple[Callable[..., ChartwellError], tuple[object, ...], dict[str, object]]:
        """So that a process which reads images can hand it to the one that asked."""
        return _bare, (type(self), *self.args), self.__dict__

    @property
    def section(self) -> str:
        """Where the documentation explains this error, as path and anchor."""
        return f"{TROUBLESHOOTING}#{self.code.lower()}"

    def __str__(self) -> str:
        return f"{self.what} {self.remedy} [{self.code}, see {self.section}]"


def _bare(kind: type[ChartwellError], *args: object) -> ChartwellError:
    return kind.__new__(kind, *args)


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


class UnreadableImage(InputError):
    """One image that is not taken: damaged, too large, or nothing that can be shown as a film.

    `kind` is a stable word, so that refusals are counted; `what` a fixed sentence, in which nothing of the file is.
    """

    code = "CW-IMAGE"

    def __init__(self, what: str, *, remedy: str, kind: str) -> None:
        super().__init__(what, remedy=remedy)
        self.kind = kind


class UnreadableDocument(InputError):
    """One file of the library that is not read: damaged, locked, too large, or nothing that holds a text.

    `kind` is a stable word, so that refusals are counted; `what` a fixed sentence, in which nothing of the file is.
    """

    code = "CW-DOCUMENT"

    def __init__(self, what: str, *, remedy: str, kind: str) -> None:
        super().__init__(what, remedy=remedy)
        self.kind = kind


class ModelFileError(ChartwellError):
    """A model file is absent or its SHA-256 is not the one we know; it is not loaded."""

    code = "CW-MODEL-FILE"


class DeidentificationUnavailable(ChartwellError):
    """What images are de-identified with is missing or cannot be trusted: none is read."""

    code = "CW-DEIDENTIFICATION"


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


class LibraryError(ChartwellError):
    """The library of documents has not got what is asked for, or it is not possible now."""

    code = "CW-LIBRARY"
    for_client = True


class DomainUnknown(LibraryError):
    """No domain has that name. One that the asker may not see is none."""

    code = "CW-LIBRARY-DOMAIN"


class VersionUnknown(LibraryError):
    """No version of a document has that id. One that the asker may not see is none."""

    code = "CW-LIBRARY-VERSION"


class BadRequest(ChartwellError):
    """A value that is not allowed. The message names the field, never its content."""

    code = "CW-REQUEST"
    for_client = True
