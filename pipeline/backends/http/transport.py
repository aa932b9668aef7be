"""One client for every model server: patience, capacity, and errors in our own words.

Decides when a request is tried again and when it is given up. `RetryPolicy` does so for any provider (Bedrock's client
too, whose own retries are off); `Transport` adds HTTP: pooled connections, JSON in and out, hosted 202 answers that
must be polled, event streams. Every attempt passes through the server's `ConcurrencyLimiter`; waiting between attempts
happens outside it, so that others may go on. Knows no path, model or field of any vendor.

Requests carry clinical text and a key: neither appears in an error, redirects are not followed, cookies are not kept.
"""

from __future__ import annotations

import json
import random
import re
import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pipeline.backends.http.concurrency import (
    SYSTEM_CLOCK,
    AdaptiveLimit,
    Clock,
    ConcurrencyLimiter,
    Slot,
    TokenBucket,
)
from pipeline.backends.http.errors import (
    Server,
    exception_error,
    is_error,
    status_error,
    stream_error,
    timed_out,
    unreadable,
)
from pipeline.call_context import cancellation
from pipeline.call_context.cancellation import Cancelled
from pipeline.call_context.retry_budget import attempts_allowed
from pipeline.call_context.trace_context import outgoing_headers
from pipeline.config import TransportSettings
from pipeline.errors import ConnectionBroken, Overloaded, ProviderError, RateLimited

Result = TypeVar("Result")

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""A full batch, 512 texts of 4096 dimensions as decimal numbers, is about 45 MB."""
EVENT_BYTES_MAX = 1024 * 1024
DONE: dict[str, Any] = {}
"""The mark that ends a stream, among its events; told by identity."""
CUT = object()
"""Of an event whose data is not whole, or is no JSON."""
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
POLL_URL = "https://api.nvcf.nvidia.com/v2/nvcf/pexec/status"
"""Where NVIDIA's hosted models hand out an answer that was not ready immediately (202)."""
POLL_SECONDS = 0.5

RATE_WAIT_SECONDS = 10.0
"""Hosted NIMs send no Retry-After; below ten seconds one runs into the same minute's limit again."""
RATE_WAIT_SECONDS_MAX = 60.0
WAIT_SECONDS = 0.5
WAIT_FACTOR = 4.0
"""0.5, 2, 8, 32, 60 s while no one is answered: six attempts outlive a server that is away for a minute."""
WAIT_FACTOR_SERVED = 1.5
"""0.5, 0.75, 1.1, 1.7, 2.5 s once others are: one unlucky request must not hold up what comes after it."""
WAIT_SECONDS_MAX = 60.0


class RetryPolicy:
    """Tries a call again while its error is transient, within a number of attempts and a total time."""

    def __init__(
        self,
        settings: TransportSettings,
        limiter: ConcurrencyLimiter,
        clock: Clock = SYSTEM_CLOCK,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._limiter = limiter
        self._clock = clock
        self._chance = chance

    def run(self, attempt: Callable[[bool], Result], attempts_max: int | None = None) -> Result:
        """`attempt(again)` until it succeeds; `again` is false the first time. Raises its last error, which then
        says how long we tried, and Overloaded where the limiter is stopped meanwhile."""
        attempts_max = attempts_max or attempts_allowed() or self._settings.attempts_max
        started = self._clock.now()
        made = 0
        failure: BaseException | None = None

        def once() -> Result:
            nonlocal made
            made += 1
            return attempt(made > 1)

        def remember(state: tenacity.RetryCallState) -> None:
            nonlocal failure
            failure = state.outcome.exception() if state.outcome else None

        def enough(state: tenacity.RetryCallState) -> bool:
            spent = self._clock.now() - started + state.upcoming_sleep
            return made >= attempts_max or spent > self._settings.retry_seconds_max

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_transient),
            wait=self._wait,
            stop=enough,
            before_sleep=remember,
            sleep=lambda seconds: self._sleep(seconds, failure, made - 1),
            reraise=True,
        )
        try:
            return retrying(once)
        except ProviderError as error:
            if made > 1 and error.transient:
                error.what += f" Given up after {made} attempts in {self._clock.now() - started:.0f} s."
            raise
        except Cancelled:
            if not self._limiter.stopped:
                raise  # a `map_bounded` that has stopped: it takes this back itself
            raise Overloaded(
                "The request was stopped while it waited for the server.",
                remedy="Nothing is lost; run it again to go on.",
            ) from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        retries = state.attempt_number - 1
        if isinstance(error, RateLimited):
            if error.retry_after_seconds is not None:
                return error.retry_after_seconds + self._chance()
            wait = min(RATE_WAIT_SECONDS_MAX, RATE_WAIT_SECONDS * 2.0**retries)
            return wait * (1 + self._chance() / 2)
        wait = min(WAIT_SECONDS_MAX, WAIT_SECONDS * WAIT_FACTOR**retries)
        return max(_told(error), wait * (0.75 + self._chance() / 2))

    def _sleep(self, seconds: float, error: BaseException | None, retries: int) -> None:
        if isinstance(error, RateLimited):
            self._limiter.close_for(seconds)  # the server told one of us, and means all
            self._limiter.sleep(seconds)
        else:
            soonest = max(_told(error), min(seconds, WAIT_SECONDS * WAIT_FACTOR_SERVED**retries))
            self._limiter.sleep_until_served(soonest, seconds)


def _told(error: BaseException | None) -> float:
    """Seconds for which a server that is overloaded wants to be left alone: the least that we wait, not the most. One
    that is starting says a second again and again."""
    return (error.retry_after_seconds or 0.0) if isinstance(error, Overloaded) else 0.0


def _transient(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.transient


def concurrency_limiter(
    settings: TransportSettings, start: int = 1, clock: Clock = SYSTEM_CLOCK
) -> ConcurrencyLimiter:
    """The limiter that the settings describe. `start`: requests in flight before anything is known of the server."""
    rate = TokenBucket(settings.requests_per_minute) if settings.requests_per_minute else None
    return ConcurrencyLimiter(AdaptiveLimit(settings.in_flight_max, start), rate, clock)


class _Bearer(AuthBase):
    """The key, if any. Being set at all keeps `requests` from sending a password it finds in a .netrc file."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _check_cut() -> None:
    """Raises Cancelled where this thread's connections are cut: what happens to them then is no error of the server.
    A scope that lets requests on the wire end keeps what they bring."""
    scope = cancellation.current()
    if scope is not None and scope.cuts:
        scope.check()


def _cut_on_cancel(cut: Callable[[], None]) -> AbstractContextManager[None]:
    scope = cancellation.current()
    return scope.calling(cut) if scope is not None and scope.cuts else nullcontext()


def _stop_reading(response: requests.Response) -> None:
    """From another thread, while this one waits for the next byte."""
    with suppress(
        OSError, RuntimeError, ValueError
    ):  # it has ended by itself, and its connection is another's
        response.raw.shutdown()


class _Cuttable(HTTPConnection):
    """A connection that can be cut while it waits for the first byte of an answer, which may be a minute when the
    model is busy. `requests` has no word for that; later bytes have `_stop_reading`."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        waiting: socket.socket | None = self.sock

        def cut() -> None:
            if waiting is not None:
                with suppress(OSError):
                    # Past the TLS layer, whose state belongs to the thread that reads.
                    socket.socket.shutdown(waiting, socket.SHUT_RDWR)

        with _cut_on_cancel(cut):
            return super().getresponse()


class _CuttableTls(_Cuttable, HTTPSConnection):
    pass


class _CuttablePool(HTTPConnectionPool):
    ConnectionCls = _Cuttable


class _CuttableTlsPool(HTTPSConnectionPool):
    ConnectionCls = _CuttableTls


class _CuttableAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _CuttablePool, "https": _CuttableTlsPool}


class _Session(requests.Session):
    """Proxies and certificates as the environment has them when a server is first asked. `requests` reads all of it
    twice for each request, which took 3 % of what an answer costs the service."""

    def __init__(self) -> None:
        super().__init__()
        self._settings_of: dict[tuple[str, str], Any] = {}

    def merge_environment_settings(self, url: str, *given: Any) -> dict[str, Any]:  # type: ignore[override]  # theirs
        """What `given` says for this transport is always the same."""
        address = urlsplit(url)
        server = (address.scheme, address.netloc)
        if server not in self._settings_of:
            self._settings_of[server] = super().merge_environment_settings(url, *given)
        return dict(self._settings_of[server])


@dataclass(slots=True)
class _Exchange:
    """One attempt in flight: what was asked, in which slot, and until when it may take."""

    slot: Slot
    request: Mapping[str, Any]
    deadline: float


class Transport:
    """A JSON client of one server. Safe to share between threads; not across a fork."""

    def __init__(
        self,
        server: Server,
        settings: TransportSettings,
        *,
        api_key: str = "",
        in_flight_start: int = 1,
        poll_url: str = POLL_URL,
        clock: Clock = SYSTEM_CLOCK,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.server = server
        self.limiter = concurrency_limiter(settings, in_flight_start, clock)
        self._settings = settings
        self._clock = clock
        self._key = api_key
        self._poll_url = poll_url
        self._patience = RetryPolicy(settings, self.limiter, clock, chance)
        self._session = _Session()
        self._session.auth = _Bearer(api_key)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _CuttableAdapter(pool_connections=4, pool_maxsize=settings.in_flight_max, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def stop(self) -> None:
        """End what waits for this server, for good; requests on the wire end by themselves."""
        self.limiter.stop()

    def close(self) -> None:
        self._session.close()

    def post(
        self, path: str, request: Mapping[str, Any], *, weight: float = 1.0, attempts_max: int | None = None
    ) -> dict[str, Any]:
        """Send `request` as JSON, return the JSON object that answers it.

        `weight`: its share of work, for finding the server's capacity. Raises a ProviderError of every kind.
        """
        payload = json.dumps(request).encode()

        def attempt(again: bool) -> dict[str, Any]:
            with (
                self._exchange(request, weight, again) as exchange,
                self._sent("POST", self.server.url + path, payload, exchange) as response,
            ):
                answer = self._answer(response, exchange)
                exchange.slot.completed()
                return answer

        return self._patience.run(attempt, attempts_max)

    def get(self, path: str) -> bytes:
        """The body at `path`, asked for once and outside the limiter: for looking at a server, not for work."""
        now = self._clock.now()
        exchange = _Exchange(Slot(0.0, now), {}, now + self._settings.read_seconds)
        with self._sent("GET", self.server.url + path, None, exchange) as response:
            return self._body(response, exchange)

    def stream(
        self, path: str, request: Mapping[str, Any], *, weight: float = 1.0, attempts_max: int | None = None
    ) -> Generator[dict[str, Any]]:
        """Send `request` as JSON, yield the JSON events of the answer as they come, until `[DONE]`.

        Tried again only while no event has arrived. Closing the iterator cuts the connection, which is how a server
        learns that no one listens any more. Raises a ProviderError, also for an error inside the stream, and
        ConnectionBroken for a stream that ends without `[DONE]`: a caller that knows from its events that it was whole
        may take it as it is.
        """
        payload = json.dumps(request).encode()

        def attempt(again: bool) -> tuple[ExitStack, dict[str, Any], Iterator[dict[str, Any]]]:
            with ExitStack() as stack:
                exchange = stack.enter_context(self._exchange(request, weight, again))
                response = stack.enter_context(self._sent("POST", self.server.url + path, payload, exchange))
                events = self._events(response, exchange)
                return stack.pop_all(), next(events, {}), events

        stack, first, events = self._patience.run(attempt, attempts_max)
        with stack:
            if first:
                yield first
            yield from events

    @contextmanager
    def _exchange(self, request: Mapping[str, Any], weight: float, again: bool) -> Iterator[_Exchange]:
        with self.limiter.slot(weight, first=again) as slot:
            patience = max(self._settings.retry_seconds_max, self._settings.read_seconds)
            yield _Exchange(slot, request, self._clock.now() + patience)

    @contextmanager
    def _sent(
        self, method: str, url: str, payload: bytes | None, exchange: _Exchange
    ) -> Iterator[requests.Response]:
        """The answer to a request, its body still to be read, its status already judged."""
        with self._translated(exchange):
            response = self._session.request(
                method,
                url,
                data=payload,
                headers={**HEADERS, **outgoing_headers()},
                timeout=(self._settings.connect_seconds, self._settings.read_seconds),
                allow_redirects=False,
                stream=True,
            )
        with closing(response), _cut_on_cancel(lambda: _stop_reading(response)):
            if response.status_code not in (200, 202):
                raise self._status_error(response, exchange)
            yield response

    @contextmanager
    def _translated(self, exchange: _Exchange) -> Iterator[None]:
        """The one place where exceptions of `requests`, and of what lies below it, become ours."""
        try:
            yield
            _check_cut()
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            _check_cut()
            exchange.slot.refused()
            raise timed_out(self.server) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            _check_cut()
            raise exception_error(self.server, error) from None
        except (UnicodeError, ValueError):  # an address that even the parser of addresses does not understand
            raise exception_error(self.server, requests.exceptions.InvalidURL()) from None

    def _status_error(self, response: requests.Response, exchange: _Exchange) -> ProviderError:
        if response.status_code in (408, 429, 503):
            exchange.slot.refused()
        try:
            body = self._body(response, exchange)
        except ProviderError:
            body = b""  # the status says enough
        retry_after = response.headers.get("Retry-After")
        return status_error(self.server, response.status_code, body, exchange.request, retry_after, self._key)

    def _body(self, response: requests.Response, exchange: _Exchange) -> bytes:
        parts, size = [], 0
        for part in self._parts(response, exchange):
            parts.append(part)
            size += len(part)
            if size > ANSWER_BYTES_MAX:
                raise unreadable(self.server, f"it is longer than {ANSWER_BYTES_MAX >> 20} MiB")
        return b"".join(parts)

    def _parts(self, response: requests.Response, exchange: _Exchange) -> Iterator[bytes]:
        """The body as it arrives: `iter_content` would wait until a whole part is there, however slowly it comes."""
        while True:
            with self._translated(exchange):
                part: bytes = response.raw.read1(65536, decode_content=True)
            if not part:
                return
            self._check_deadline(exchange)
            yield part

    def _check_deadline(self, exchange: _Exchange) -> None:
        # A read timeout counts from byte to byte: an answer that trickles would otherwise never end.
        if self._clock.now() > exchange.deadline:
            exchange.slot.refused()
            raise timed_out(self.server)

    def _answer(self, response: requests.Response, exchange: _Exchange) -> dict[str, Any]:
        if response.status_code == 202:
            return self._polled(response.headers.get("NVCF-REQID", ""), exchange)
        return self._json(self._body(response, exchange))

    def _polled(self, request_id: str, exchange: _Exchange) -> dict[str, Any]:
        if not re.fullmatch(r"[\w-]{1,128}", request_id):
            raise unreadable(self.server, "202 without the number to ask for the answer (NVCF-REQID)")
        while True:
            self.limiter.sleep(POLL_SECONDS)
            self._check_deadline(exchange)
            with self._sent("GET", f"{self._poll_url}/{request_id}", None, exchange) as response:
                if response.status_code == 200:
                    return self._json(self._body(response, exchange))
                self._body(response, exchange)  # read to the end, so that the connection is used again

    def _json(self, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise unreadable(self.server, "it is not JSON") from None
        if not isinstance(answer, dict):
            raise unreadable(self.server, "it is not a JSON object")
        return answer

    def _events(self, response: requests.Response, exchange: _Exchange) -> Iterator[dict[str, Any]]:
        kind = response.headers.get("Content-Type", "").lower()
        if kind.startswith("application/json"):
            event = self._refusing(self._json(self._body(response, exchange)), exchange)
            if "choices" in event:  # a whole answer from a server that does not stream
                exchange.slot.completed()
                yield event
                return
        if not kind.startswith("text/event-stream"):
            raise unreadable(self.server, "an event stream was asked for, and something else came")
        any_came = False
        for event in self._data(response, exchange):
            if event is DONE:
                exchange.slot.completed()
                return
            any_came = True
            yield self._refusing(event, exchange)
        if any_came:
            exchange.slot.completed()  # it has answered; whether the answer is whole is in its events
        raise ConnectionBroken(
            f"{self.server.name} ended its stream before the answer was whole.",
            remedy="Ask again; if this stays, look at the server's own log.",
        )

    def _refusing(self, event: dict[str, Any], exchange: _Exchange) -> dict[str, Any]:
        """The same event. Raises the error that it holds instead of an answer."""
        if not is_error(event):
            return event
        error = stream_error(self.server, event, exchange.request, self._key)
        if not isinstance(error, ConnectionBroken) and error.transient:
            exchange.slot.refused()
        raise error

    def _data(self, response: requests.Response, exchange: _Exchange) -> Iterator[dict[str, Any]]:
        """The data of each event as soon as it is whole, and `DONE` at the mark. Data may be cut into several lines,
        and not every server ends an event with a blank one. What says nothing is passed over."""
        name, waiting, size = b"", list[bytes](), 0
        for line in chain(self._lines(response, exchange), [b""]):
            if line.startswith(b"data:"):
                content = line[5:].strip()
                if content == b"[DONE]":
                    yield DONE
                    return
                event = CUT if waiting else _parsed(content)
                if event is CUT:
                    waiting.append(content)
                    size += len(content)
                    if size > EVENT_BYTES_MAX:
                        raise unreadable(self.server, f"one event is longer than {EVENT_BYTES_MAX >> 20} MiB")
                elif event is not None and name != b"ping":
                    yield self._named(name, event)
            elif not line:
                if waiting:
                    yield self._named(name, _parsed(b"\n".join(waiting)))
                    waiting, size = [], 0
                name = b""
            elif line.startswith(b"event:"):
                name = line[6:].strip()

    def _named(self, name: bytes, event: object) -> dict[str, Any]:
        """One that is named an error may hold the error's fields alone."""
        if not isinstance(event, dict):
            raise unreadable(self.server, "an event is not a JSON object")
        return {"error": event} if name == b"error" and not event.get("error") else event

    def _lines(self, response: requests.Response, exchange: _Exchange) -> Iterator[bytes]:
        """Lines without their ends, whichever of the three that the standard allows."""
        rest = b""
        for part in self._parts(response, exchange):
            text = rest + part
            half = b""
            if b"\r" in text:
                if text.endswith(b"\r"):
                    text, half = text[:-1], b"\r"  # its other half may be on the way
                text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            *lines, rest = text.split(b"\n")
            rest += half
            if len(rest) > EVENT_BYTES_MAX:
                raise unreadable(self.server, f"one event is longer than {EVENT_BYTES_MAX >> 20} MiB")
            yield from lines
        if rest:
            yield rest.removesuffix(b"\r")


def _parsed(content: bytes) -> object:
    """JSON, None where there is nothing, CUT where it is none."""
    if not content:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return CUT
