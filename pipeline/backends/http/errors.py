"""One translation of everything that can go wrong between us and a model server into `pipeline.errors`.

Decides which error a status, a body or a `requests` exception is, and what a message may repeat of a server's words:
servers echo their input, and our input is clinical text, so a server's `detail` is quoted only if it is short and
shares nothing with the request. Sends nothing and retries nothing.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from requests import exceptions as requests_exceptions
from urllib3 import exceptions as urllib3_exceptions

from pipeline.errors import (
    AuthenticationFailed,
    ConnectionBroken,
    ModelGone,
    ModelNotFound,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    RequestInvalid,
    ResponseInvalid,
)

DETAIL_CHARACTERS_MAX = 400
"""AWS' refusal of a right, which names role, action and model, has 306."""
SHARED_CHARACTERS_MAX = 7
"""A server's words that share more letters and digits in a row than this with our request are not repeated."""
SECRET = re.compile(r"nvapi-|bearer\s|\bsk-|api[_-]?key\s*[:=]", re.IGNORECASE)
DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
INNER_MESSAGE = re.compile(r"""['"]message['"]\s*:\s*(?:"((?:[^"\\]|\\.)+)"|'((?:[^'\\]|\\.)+)')""")
"""What another server said, where one passes it on inside its own message."""


@dataclass(frozen=True, slots=True)
class Server:
    """The provider an error is about, in the user's words."""

    role: str
    """For example "embedder"."""
    url: str
    group: str
    """Settings group, for example "EMBEDDER": messages name the variables CHARTWELL_EMBEDDER__URL and so on."""
    model: str
    successor: str = ""
    """A model that may take the place of this one once its vendor ends it."""

    @property
    def name(self) -> str:
        try:
            place = urlsplit(self.url)
            port = f":{place.port}" if place.port else ""
        except ValueError:
            return f"The {self.role} {self.model} at an address that is none"
        return f"The {self.role} {self.model} at {place.scheme}://{place.hostname}{port}{place.path}"

    def variable(self, setting: str) -> str:
        return f"CHARTWELL_{self.group}__{setting}"


def status_error(
    server: Server,
    status: int,
    body: bytes,
    request: object,
    retry_after: str | None = None,
    secret: str = "",
) -> ProviderError:
    """The error for an HTTP status that is not success.

    `request` is the JSON object sent: whatever of it the body repeats is kept out of the message.
    """
    detail = quotable_detail(body, request, secret)
    said = f' It says: "{detail}".' if detail else ""
    what = f"{server.name} answered {status}.{said}"
    status = _meant(status, body)
    if status == 410:
        return _gone(server, body)
    if status == 429:
        return RateLimited(
            f"{server.name} answered 429: too many requests.{said}",
            remedy="Chartwell slows down and tries again by itself. If this stays, set "
            "CHARTWELL_TRANSPORT__REQUESTS_PER_MINUTE to the limit of your key.",
            retry_after_seconds=retry_after_seconds(retry_after),
        )
    if status in (401, 402, 403):
        return AuthenticationFailed(
            what,
            remedy=f"Check {server.variable('API_KEY')}: the key may be missing, expired, out of credit, or not "
            "allowed to use this model.",
        )
    if status == 404:
        return ModelNotFound(
            what,
            remedy=f"Check {server.variable('MODEL')} and {server.variable('URL')} (a base URL ends with /v1); a "
            "hosted model may exist and still not be open to your account.",
        )
    if status == 408:
        return timed_out(server)
    if (
        status >= 500
        or status in (425, 499)
        or "resourceexhausted" in body[:4096].decode("utf-8", "replace").lower()
    ):
        return Overloaded(
            what,
            remedy="It is full, still loading its model, or failing. If this stays, look at the server's own log.",
            retry_after_seconds=retry_after_seconds(retry_after),
        )
    if 300 <= status < 400:
        return RequestInvalid(
            f"{server.name} answered {status}, a redirect, which is not followed with clinical text.",
            remedy=f"Set {server.variable('URL')} to the final address.",
        )
    refused = RequestInvalid(
        what,
        remedy="The same request will fail again. Check that the model supports what was asked, and the text lengths.",
    )
    refused.filtered = bool(FILTERED.search(body[:4096]))
    return refused


FILTERED = re.compile(rb"content_filter|ResponsibleAIPolicyViolation|content_policy_violation", re.IGNORECASE)


def _meant(status: int, body: bytes) -> int:
    """The status that the body speaks of, where a server answers with another: a proxy reports every refusal as a
    failure of its own, and a spent budget is no reason to slow down."""
    if status == 429 and SPENT.search(body[:4096]):
        return 402
    if status >= 500 and PERMANENT.search(body[:4096]):
        return 400
    return status


SPENT = re.compile(
    rb"insufficient_quota|billing_hard_limit|credit balance|exceeded your current quota", re.IGNORECASE
)
PERMANENT = re.compile(
    rb"context_length_exceeded|context[ _]?window[ _]?exceeded|maximum context length"
    rb"|exceeds? (?:the )?(?:available |model's )?(?:maximum )?context"
    rb"|exceed_context_size|too large to process|BadRequestError|invalid_request_error"
    rb"|image input is not supported|not a multimodal model|does not support (?:images?|vision|multimodal)",
    re.IGNORECASE,
)


def _gone(server: Server, body: bytes) -> ModelGone:
    found = DATE.search(body[:4096].decode("utf-8", "replace"))
    date = f" on {found.group()}" if found else ""
    other = f", for example {server.successor}," if server.successor else ""
    move = (
        " Another embedding model is another embedding space: `python -m pipeline.vectorize migrate` moves the index."
        if server.group == "EMBEDDER"
        else ""
    )
    return ModelGone(
        f"The vendor has ended {server.model} at {urlsplit(server.url).hostname}{date} (410).",
        remedy=f"Run the model's container yourself and set {server.variable('URL')} to it, or choose another model"
        f"{other} in {server.variable('MODEL')}.{move}",
    )


def stream_error(
    server: Server, event: Mapping[str, Any], request: object, secret: str = ""
) -> ProviderError:
    """The error for an event inside a stream that holds `error` instead of an answer."""
    return status_error(server, _status_of(event), json.dumps(event).encode(), request, secret=secret)


def is_error(event: Mapping[str, Any]) -> bool:
    """Whether an event says that something went wrong, in any of the ways servers have to say it."""
    if event.get("error") or event.get("object") == "error" or event.get("type") == "error":
        return True
    choices = event.get("choices")
    if choices is None:  # an event of an answer has some
        coded = "code" in event or "status" in event
        return any(
            isinstance(event.get(name), str) for name in ("detail", "error_type", "error_message")
        ) or (coded and isinstance(event.get("message"), str))
    first = choices[0] if isinstance(choices, list) and choices else None
    return isinstance(first, dict) and bool(first.get("error"))


STATUS_WORDS: tuple[tuple[int, str], ...] = (
    (402, "quota billing credit budget"),
    (401, "auth apikey permission forbidden accessdenied"),
    (404, "notfound nosuchmodel unknownmodel"),
    (429, "ratelimit toomanyrequests throttl"),
    (408, "timeout timedout"),
    (503, "overload busy capacity unavailable notready loading"),
    (
        400,
        "invalid validation unsupported notsupported badrequest contextlength contextwindow contextsize toolong",
    ),
    (400, "toolarge maxlength exceed malformed unprocessable contentfilter contentpolicy"),
)
"""Words as codes, letters only; the first that occurs decides. A word of none of these is a failure of the server's."""


def _status_of(event: Mapping[str, Any]) -> int:
    """The status that an error inside a stream stands for: a number where there is one, else by its words."""
    fields = list(_error_fields(event))
    for field in fields:
        if isinstance(field, int | str) and re.fullmatch(r"[45]\d\d", str(field)):
            return int(field)
    words = [re.sub(r"[^a-z]", "", field.lower()) for field in fields if isinstance(field, str)]
    for status, known in STATUS_WORDS:
        if any(each in word for word in words for each in known.split()):
            return status
    return 500


def _error_fields(found: object) -> Iterator[object]:
    """What stands where servers put the kind of an error, the innermost first."""
    if isinstance(found, Mapping):
        choices = found.get("choices")
        yield from _error_fields(found.get("error"))
        yield from _error_fields(choices[0].get("error") if isinstance(choices, list) and choices else None)
        yield from (
            found.get(name) for name in ("code", "status", "status_code", "http_status", "error_type", "type")
        )


def exception_error(server: Server, error: Exception) -> ProviderError:
    """The error for an exception of `requests`; the most specific class we know decides."""
    if _certificate_refused(error):
        return AuthenticationFailed(
            f"The certificate of {server.name[0].lower()}{server.name[1:]} could not be verified.",
            remedy="Point REQUESTS_CA_BUNDLE at the authority that signed it; verification is never switched off.",
        )
    for kind in type(error).__mro__:
        if kind in EXCEPTIONS:
            return EXCEPTIONS[kind](server)
    return _broken(server)


def _broken(server: Server) -> ProviderError:
    return ConnectionBroken(
        f"The connection to {server.name[0].lower()}{server.name[1:]} was refused or cut.",
        remedy=f"Check that the server runs and that {server.variable('URL')} is right.",
    )


def timed_out(server: Server) -> ProviderError:
    return ProviderTimeout(
        f"{server.name} did not answer in time.",
        remedy="It is overloaded or unreachable. CHARTWELL_TRANSPORT__READ_SECONDS is the longest wait.",
    )


def _unusable_address(server: Server) -> ProviderError:
    return RequestInvalid(
        f"{server.name} has an address that cannot be used, or redirects for ever.",
        remedy=f"Correct {server.variable('URL')}, or the proxy variables of the environment.",
    )


def unreadable(server: Server, why: str) -> ProviderError:
    return ResponseInvalid(
        f"{server.name} gave an answer that breaks its contract: {why}.",
        remedy=f"Check that {server.variable('URL')} is such a server and that no proxy answers in its place.",
    )


def _unreadable(server: Server) -> ProviderError:
    return unreadable(server, "it cannot be decoded")


EXCEPTIONS: dict[type[BaseException], Callable[[Server], ProviderError]] = {
    requests_exceptions.ConnectTimeout: timed_out,  # also a ConnectionError, which is not what matters about it
    requests_exceptions.Timeout: timed_out,
    requests_exceptions.ConnectionError: _broken,
    requests_exceptions.ChunkedEncodingError: _broken,
    requests_exceptions.RetryError: _broken,
    requests_exceptions.ContentDecodingError: _unreadable,
    requests_exceptions.InvalidJSONError: _unreadable,
    requests_exceptions.HTTPError: _unreadable,
    requests_exceptions.StreamConsumedError: _unreadable,
    requests_exceptions.TooManyRedirects: _unusable_address,
    requests_exceptions.URLRequired: _unusable_address,
    requests_exceptions.MissingSchema: _unusable_address,
    requests_exceptions.InvalidSchema: _unusable_address,
    requests_exceptions.InvalidURL: _unusable_address,
    requests_exceptions.InvalidHeader: _unusable_address,
    requests_exceptions.UnrewindableBodyError: _broken,
    # Below requests, while a body is read:
    urllib3_exceptions.TimeoutError: timed_out,
    urllib3_exceptions.DecodeError: _unreadable,
    urllib3_exceptions.LocationValueError: _unusable_address,
    urllib3_exceptions.HTTPError: _broken,
}
"""Every branch of the exceptions of `requests`; a test walks them and fails if a new one has no place here."""


def _certificate_refused(error: BaseException) -> bool:
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        found = pending.pop()
        if isinstance(found, ssl.SSLCertVerificationError):
            return True
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            pending += [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]
    return False


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as an HTTP date; None where it says nothing."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def quotable_detail(body: bytes, request: object, secret: str = "") -> str:
    """The server's own short explanation, or "" where it has none or where it may repeat our input or our key."""
    said = " ".join(_explanation(body).split())
    if inner := INNER_MESSAGE.search(said):
        said = inner[1] or inner[2]
    texts = [_plain(text) for text in _texts(request)]
    quotable = ""
    for sentence in SENTENCE_END.split(said):
        longer = f"{quotable} {sentence}".strip()
        if len(longer) > DETAIL_CHARACTERS_MAX or not _safe(longer, texts, secret):
            break
        quotable = longer
    return quotable


def _safe(said: str, texts: Sequence[str], secret: str) -> bool:
    """Whether these words repeat nothing of ours."""
    if SECRET.search(said) or (secret and secret in said):
        return False
    plain = _plain(said)
    return not any(_shares(plain, said, text) for text in texts)


def _explanation(body: bytes) -> str:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        text = body[: 4 * DETAIL_CHARACTERS_MAX].decode("utf-8", "replace")
        return "" if "<" in text else text
    return _words(found)


def _words(found: object, depth: int = 0) -> str:
    """What a server says in words, wherever in its answer: {"message": {"detail": [{"msg": ...}]}} is one way."""
    if isinstance(found, str):
        return found
    if depth > 4:
        return ""
    if isinstance(found, list):  # FastAPI: [{"loc": [...], "msg": "...", "input": what we sent}]
        entries = [each for each in found[:5] if isinstance(each, Mapping)]
        said = ((_field_of(each), _words(each, depth + 1)) for each in entries)
        return "; ".join(f"{field}{words}" for field, words in said if words)
    if isinstance(found, Mapping):
        for name in ("detail", "message", "msg", "error", "error_message", "title", "errors"):
            if words := _words(found.get(name), depth + 1):
                return words
    return ""


def _field_of(fault: Mapping[str, Any]) -> str:
    """The name of the field that a fault is of, with a colon: its words alone ("Extra inputs are not permitted") do not
    say which option a server does not take."""
    place = fault.get("loc")
    last = place[-1] if isinstance(place, list) and len(place) > 1 else None
    return f"{last}: " if isinstance(last, str) and _FIELD.fullmatch(last) else ""


_FIELD = re.compile(r"[a-z][a-z_]{1,40}")


def _texts(request: object) -> Iterator[str]:
    """Every string of a request that can hold clinical text: all but the names of models and options."""
    if isinstance(request, str):
        yield request
    elif isinstance(request, Mapping):
        for name, value in request.items():
            if name not in ("model", "modelId", "role", "input_type", "truncate", "encoding_format", "type"):
                yield from _texts(value)
    elif isinstance(request, list | tuple):
        for value in request:
            yield from _texts(value)


_PICTURE = "dataimage"
"""How a picture begins, plain: as a data URL."""


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _shares(plain: str, said: str, text: str) -> bool:
    """Does the server's message repeat a piece of `text` (plain): a run of characters, or a number of 3 digits up?"""
    if not text:
        return False
    width = min(SHARED_CHARACTERS_MAX + 1, len(text))
    if any(plain[at : at + width] in text for at in range(len(plain) - width + 1)):
        return True
    if text.startswith(_PICTURE):
        return False  # every number of three digits stands somewhere in it
    return any(number in text for number in re.findall(r"\d{3,}", said))
