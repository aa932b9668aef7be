"""How many requests a model server gets at the same time, and how fast: found by watching it, not configured.

Decides when a request may start. Knows nothing of HTTP, of vendors or of what a request asks for: a caller reports
that its request was completed or refused, and how much work it was.

    AdaptiveLimit   the number of requests in flight: doubled, then raised step by step while that raises the
                    throughput; halved when the server refuses
    TokenBucket     starts per minute, where a limit of the server is known
    ConcurrencyLimiter    both, for threads: first come first served, retries first
    map_bounded     a function over many batches, several concurrently, results in order, bounded memory
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal, Protocol, TypeVar

import numpy as np

from pipeline.call_context.cancellation import Cancellation, cancellation_scope, current

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Clock(Protocol):
    """Time, so that tests need not wait for it."""

    def now(self) -> float:
        """Monotonic seconds."""

    def sleep(self, seconds: float, scope: Cancellation) -> None:
        """Wait that long; raises Cancelled early where the scope is cancelled."""


class SystemClock:
    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, scope: Cancellation) -> None:
        scope.wait(seconds)


SYSTEM_CLOCK = SystemClock()
SERVED_LOOK_SECONDS = 0.5


class _Epoch:
    """What was served since the limit last changed, or since the last look, while every slot was busy."""

    def __init__(self, skip: int = 0) -> None:
        self.skip = skip
        """Requests still to come that began under the old limit, and say nothing about the new one."""
        self.seconds = 0.0
        self.count = 0
        self._last: float | None = None
        """When a request ended with every slot busy; None where some were idle since."""
        self._work = 0.0
        self._moments = np.zeros(4)

    def add(self, weight: float, now: float, busy: bool) -> None:
        if busy and self._last is not None:
            self.seconds += now - self._last
            self.count += 1
            self._work += weight
            self._moments += (self.seconds, self._work, self.seconds**2, self.seconds * self._work)
        self._last = now if busy else None

    def throughput(self) -> float:
        """Slope of the work done over time. Answers come in bunches, as many as the server works on at the same time: a
        slope through all of them hardly cares whether the last bunch is still in, where work over seconds jumps."""
        seconds, work, squares, products = self._moments / self.count
        spread = squares - seconds**2
        return (
            float((products - seconds * work) / spread)
            if spread > 0
            else self._work / max(self.seconds, 1e-9)
        )


class AdaptiveLimit:
    """The number of requests in flight that serves a server best. Pure arithmetic: no thread, no clock.

    Throughput is measured over epochs of a few requests a slot, and only while every slot is busy: a client that asks
    little learns nothing about the server. A step up is kept if it brings 2 % or more; else it is taken back, and
    tried again ever more rarely. A refusal halves the limit, once for all requests that were in flight, and the way
    back ends one below it. A server that refuses at random is told from a full one at a limit of one.

    A queueing server shows its capacity by a throughput that no longer rises, a refusing one by 429 and 503: both
    end within a few percent of the ceiling (`benchmarks/nim_throughput.py` measures it).
    """

    DOUBLING_GAIN_MIN = 0.25
    STEP_GAIN_MIN = 0.02
    """A slot too many costs a little latency in the server's queue, one too few costs throughput: a step is kept for
    little, about as little as can be told from noise."""
    EPOCH_SECONDS_MIN = 0.2
    """Shorter epochs measure the scheduler of this machine rather than the server."""
    CHANCE_REQUESTS_MIN = 10
    CHANCE_REQUESTS_MAX = 300
    PROVEN_ROUNDS = 10
    """A limit under which the server took that many rounds is not to blame for a refusal: one returns to it."""
    HOLD_EPOCHS = 8
    HOLD_EPOCHS_MAX = 128

    def __init__(self, maximum: int, start: int = 1) -> None:
        self.maximum = maximum
        self.value = max(1, min(start, maximum))
        self._phase: Literal["doubling", "climbing", "recovering"] = "doubling"
        self._accepted: tuple[int, float] | None = None
        """The last limit that proved worth it, with its throughput."""
        self._refused_at: int | None = None
        self._hold = 0
        self._hold_next = self.HOLD_EPOCHS
        self._cut_at = float("-inf")
        self._ended = 0
        self._refusals = 0
        """Both since the limit was last cut, over some hundreds of requests at most."""
        self._served_here = 0
        """Requests served under the present limit."""
        self._chance = 0.0
        """Share of requests that this server refuses however few there are."""
        self._epoch = _Epoch()

    def completed(self, weight: float, now: float, busy: bool) -> None:
        """A request was served. `weight`: its work, in a unit of the caller's; `busy`: every slot was in use."""
        self._ended += 1
        self._served_here += 1
        epoch = self._epoch
        if epoch.skip > 0:
            epoch.skip -= 1
            return
        epoch.add(weight, now, busy)
        if epoch.count < self._epoch_length() or epoch.seconds < self.EPOCH_SECONDS_MIN:
            return
        before = self.value
        self._forget_chance()
        self._decide(epoch.throughput())
        if self.value == before:
            self._epoch = _Epoch()
        else:
            self._epoch = _Epoch(skip=self.value)
            self._served_here = 0

    def refused(self, started: float, now: float) -> None:
        """The server had no room for a request that began at `started`."""
        self._ended += 1
        if started < self._cut_at:
            return  # sent before the last cut: the same news again
        self._refusals += 1
        if self.value == 1:
            self._learn_chance()
        elif self._chance == 0 or self._refusals > 3 + 2 * self._chance * self._ended:
            self._cut(now)

    def _cut(self, now: float) -> None:
        if self._phase != "recovering":  # on the way back the pause stays what the fall made it
            probing = self._accepted is not None and self.value > self._accepted[0]
            self._hold_next = min(self.HOLD_EPOCHS_MAX, self._hold_next * 2) if probing else self.HOLD_EPOCHS
        proven = self._served_here >= self.PROVEN_ROUNDS * self.value
        self._refused_at = self.value + 1 if proven else self.value
        self._cut_at = now
        self._begin_again("recovering", max(1, self.value // 2))

    def _learn_chance(self) -> None:
        """One request at a time, and still refused: it is not our number that the server minds. From here on that
        share of refusals is borne, and the limit found again."""
        if self._ended >= self.CHANCE_REQUESTS_MIN:
            self._chance = self._refusals / self._ended
            self._refused_at = None
            self._begin_again("doubling", 1)

    def _begin_again(self, phase: Literal["doubling", "recovering"], value: int) -> None:
        self.value = value
        self._phase = phase
        self._accepted = None
        self._hold = 0
        self._ended = self._refusals = self._served_here = 0
        self._epoch = _Epoch(skip=value)

    def _forget_chance(self) -> None:
        if self._ended >= self.CHANCE_REQUESTS_MAX:
            self._chance = min(self._chance, self._refusals / self._ended)
            self._ended = self._refusals = 0

    def _epoch_length(self) -> int:
        return max(16, 6 * self.value) if self._phase == "climbing" else max(4, 4 * self.value)

    def _decide(self, throughput: float) -> None:
        if self._phase == "recovering":
            self._recover(throughput)
        elif self._hold > 0:
            self._hold -= 1
            self._accepted = (self.value, self._smoothed(throughput))
            if self._hold == 0:
                self._raise()
        elif self._accepted is None or self.value == self._accepted[0]:
            self._accepted = (self.value, throughput)
            self._raise()
        else:
            self._judge(throughput, *self._accepted)

    def _judge(self, throughput: float, limit_before: int, throughput_before: float) -> None:
        gain = throughput / throughput_before - 1
        if self._phase == "doubling" and gain < self.DOUBLING_GAIN_MIN:
            # The knee is between the two: back, and on in small steps.
            self._phase = "climbing"
            self.value = limit_before
            self._hold = 1
        elif gain >= self.STEP_GAIN_MIN:
            self._accepted = (self.value, throughput)
            self._hold_next = self.HOLD_EPOCHS
            self._refused_at = None
            self._raise()
        else:
            self.value = limit_before
            self._hold = self._hold_next
            self._hold_next = min(self.HOLD_EPOCHS_MAX, self._hold_next * 2)

    def _raise(self) -> None:
        small = (
            1 if self._refused_at else max(1, self.value // 4)
        )  # not further into a known refusal than needed
        step = self.value if self._phase == "doubling" else small
        self.value = min(self.maximum, self.value + step)

    def _recover(self, throughput: float) -> None:
        target = max(1, (self._refused_at or self.maximum) - 1)
        if self.value < target:
            self.value = min(target, self.value + max(1, (target - self.value + 1) // 2))
            return
        self._phase = "climbing"
        self._accepted = (self.value, throughput)
        self._hold = self._hold_next

    def _smoothed(self, throughput: float) -> float:
        before = self._accepted[1] if self._accepted is not None else throughput
        return 0.7 * before + 0.3 * throughput


class TokenBucket:
    """Starts at most `per_minute` requests in any 60 seconds, however they are counted on the other side.

    Capacity is a twentieth of a minute's worth, and the refill the rest, so that a full bucket and a minute of
    refill together stay within the limit.
    """

    def __init__(self, per_minute: float) -> None:
        self.capacity = max(1.0, per_minute / 20)
        self.per_second = max(per_minute - self.capacity, 0.95 * per_minute) / 60
        self._tokens = self.capacity
        self._filled_at: float | None = None

    def reserve(self, now: float) -> float:
        """Take one token; returns the seconds until it is there, 0 where it is already."""
        if self._filled_at is not None:
            self._tokens = min(self.capacity, self._tokens + (now - self._filled_at) * self.per_second)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self.per_second)


class Slot:
    """A place among the requests in flight. Its holder says how the request ended; silence counts as neither."""

    def __init__(self, weight: float, started: float) -> None:
        self.weight = weight
        self.started = started
        self.outcome: Literal["unknown", "completed", "refused"] = "unknown"

    def completed(self) -> None:
        self.outcome = "completed"

    def refused(self) -> None:
        """The server had no room (429, 503) or did not answer in time."""
        self.outcome = "refused"


class ConcurrencyLimiter:
    """The limiter in front of one model server, shared by all threads that call it."""

    def __init__(
        self, limit: AdaptiveLimit, rate: TokenBucket | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._limit = limit
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._in_flight = 0
        self._closed_until = float("-inf")
        self._served_at = float("-inf")
        self.cancellation = Cancellation()

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return self._limit.value

    @property
    def in_flight_max(self) -> int:
        return self._limit.maximum

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Callers that wait for a place."""
        return len(self._waiting)

    @contextmanager
    def slot(self, weight: float = 1.0, *, first: bool = False) -> Iterator[Slot]:
        """Wait for a place, hold it for the block. `first`: ahead of all others, for a request tried again.

        Raises Cancelled where the caller's scope is cancelled before its turn.
        """
        self._enter(first)
        slot = Slot(weight, self._clock.now())
        try:
            self._wait_for_start()
            slot.started = self._clock.now()
            yield slot
        finally:
            self._leave(slot)

    def stop(self) -> None:
        """For good: who waits here, or between two attempts, is woken with Cancelled; requests on the wire end by
        themselves."""
        self.cancellation.cancel()

    @property
    def stopped(self) -> bool:
        return self.cancellation.cancelled

    def sleep(self, seconds: float) -> None:
        """Wait, in a slot or outside. Raises Cancelled where the limiter or the caller's `map_bounded` stops."""
        self._clock.sleep(seconds, self._caller())

    def sleep_until_served(self, seconds_min: float, seconds_max: float) -> None:
        """Wait at least the one and at most the other time: until the server has answered another caller meanwhile.

        A failure among successes is chance, and soon tried again; where no one is answered the server is away, and
        one waits longer, but no longer than until the first answer.
        """
        began = self._clock.now()
        self.sleep(seconds_min)
        while self._served_at < began and (rest := began + seconds_max - self._clock.now()) > 0:
            self.sleep(min(rest, SERVED_LOOK_SECONDS))

    def _caller(self) -> Cancellation:
        return current() or self.cancellation

    def _check_cancelled(self) -> None:
        self._caller().check()
        self.cancellation.check()

    def close_for(self, seconds: float) -> None:
        """Let no request start for that long: the server told one caller to wait, and means all of them."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock.now() + seconds)

    def _enter(self, first: bool) -> None:
        self._check_cancelled()
        with self._lock:
            if self._in_flight < self._limit.value and not self._waiting:
                self._in_flight += 1
                return
            turn = threading.Event()
            if first:
                self._waiting.appendleft(turn)
            else:
                self._waiting.append(turn)
        try:
            with self._caller().calling(turn.set):
                turn.wait()  # ends: every holder leaves, and hands its place on
            self._caller().check()
        except BaseException:  # cancelled, or Ctrl-C, while waiting: give back what may just have been given
            with self._lock:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._in_flight -= 1
                    self._hand_on()
            raise

    def _wait_for_start(self) -> None:
        self._check_cancelled()
        with self._lock:
            seconds = self._rate.reserve(self._clock.now()) if self._rate else 0.0
        while True:
            with self._lock:
                seconds = max(seconds, self._closed_until - self._clock.now())
            if seconds <= 0:
                return
            self.sleep(seconds)
            seconds = 0.0

    def _leave(self, slot: Slot) -> None:
        with self._lock:
            now = self._clock.now()
            if slot.outcome == "completed":
                self._served_at = now
                self._limit.completed(slot.weight, now, busy=self._in_flight >= self._limit.value)
            elif slot.outcome == "refused":
                self._limit.refused(slot.started, now)
            self._in_flight -= 1
            self._hand_on()

    def _hand_on(self) -> None:
        while self._waiting and self._in_flight < self._limit.value:
            self._in_flight += 1
            self._waiting.popleft().set()


def batches_of(things: Sequence[Batch], size: int) -> list[tuple[Batch, ...]]:
    """Cut into runs of `size`, the last one shorter."""
    return [tuple(things[at : at + size]) for at in range(0, len(things), size)]


def map_bounded(
    function: Callable[[Batch], Result], batches: Iterable[Batch], limiter: ConcurrencyLimiter
) -> Iterator[Result]:
    """`function` over `batches` in threads, results in their order; `function` passes through `limiter` itself.

    At most four times `limiter.in_flight_max` batches are pulled but not yet taken by the caller: enough for the others
    to go on while one waits for its next attempt, and a bound on memory whatever the corpus. The first error stops
    everything and is raised in its turn; so does closing the iterator. Stopping wakes what waits, lets requests on
    the wire end, and leaves no thread behind.
    """
    caller = current()
    scope = Cancellation(caller, limiter.cancellation, cuts=caller is not None and caller.cuts)
    pending: deque[Future[Result]] = deque()
    source = iter(batches)
    # Two more threads than places, so that a thread always waits at the limiter and the limit can prove itself.
    with ThreadPoolExecutor(limiter.in_flight_max + 2, thread_name_prefix="chartwell-request") as threads:
        try:
            while True:
                for batch in source:
                    context = contextvars.copy_context()  # the trace of the caller goes along
                    pending.append(threads.submit(context.run, _in_scope, scope, function, batch))
                    if len(pending) >= 4 * limiter.in_flight_max:
                        break
                if not pending:
                    return
                yield pending.popleft().result()
        finally:
            scope.cancel()
            threads.shutdown(wait=True, cancel_futures=True)


def _in_scope(scope: Cancellation, function: Callable[[Batch], Result], batch: Batch) -> Result:
    with cancellation_scope(scope):
        scope.check()
        return function(batch)
