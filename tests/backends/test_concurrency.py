"""The limiter finds a server's capacity, and threads never outrun it."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.http.concurrency import (
    AdaptiveLimit,
    ConcurrencyLimiter,
    TokenBucket,
    batches_of,
    map_bounded,
)
from pipeline.call_context.cancellation import Cancelled
from tests.servers.clock import ManualClock


class ServerModel:
    """A server on a virtual clock: `capacity` requests at the same time, `seconds` each, the rest waits or is refused.

    The client turns an answer into the next request in `turnaround` seconds, as a real one does.
    """

    def __init__(
        self, limit: AdaptiveLimit, capacity: int, *, refuses: bool = False, refused_share: float = 0.0
    ) -> None:
        self.refused_share = refused_share
        self.random = random.Random(1)
        self.limit = limit
        self.capacity = capacity
        self.refuses = refuses
        self.seconds = 0.1
        self.turnaround = 0.005
        self.served = 0
        self.refused = 0
        self.now = 0.0
        self._events: list[tuple[float, int, str, float]] = []
        self._number = itertools.count()
        self._in_flight = 0
        self._busy = 0
        self._queue: list[float] = []

    def run(self, until: float) -> float:
        """Requests a second over the time until then."""
        served, since = self.served, self.now
        self._fill()
        while self._events[0][0] < until:
            self.now, _, kind, started = heapq.heappop(self._events)
            if kind == "arrive":
                self._arrive(started)
            elif kind == "refuse":
                self.limit.refused(started, self.now)
                self._in_flight -= 1
            else:
                self._end(started)
            self._fill()
        self.now = until
        return (self.served - served) / (until - since)

    def _fill(self) -> None:
        while self._in_flight < self.limit.value:
            self._in_flight += 1
            self._at(self.now + self.turnaround, "arrive", self.now)

    def _at(self, moment: float, kind: str, started: float) -> None:
        heapq.heappush(self._events, (moment, next(self._number), kind, started))

    def _arrive(self, started: float) -> None:
        if self.random.random() < self.refused_share:
            self.refused += 1
            self._at(self.now + 0.002, "refuse", started)
        elif self._busy < self.capacity:
            self._busy += 1
            self._at(self.now + self.seconds, "end", started)
        elif self.refuses:
            self.refused += 1
            self._at(self.now + 0.002, "refuse", started)
        else:
            self._queue.append(started)

    def _end(self, started: float) -> None:
        self.served += 1
        self.limit.completed(1.0, self.now, busy=self._in_flight >= self.limit.value)
        self._in_flight -= 1
        if self._queue:
            self._at(self.now + self.seconds, "end", self._queue.pop(0))
        else:
            self._busy -= 1


@pytest.mark.parametrize("capacity", [1, 2, 3, 8, 13, 24])
def test_a_queueing_server_is_kept_busy_and_not_buried(capacity: int) -> None:
    limit = AdaptiveLimit(32)
    server = ServerModel(limit, capacity)
    server.run(30)
    assert server.run(120) >= 0.97 * capacity / server.seconds
    assert capacity <= limit.value <= 2 * capacity + 1


@pytest.mark.parametrize("capacity", [2, 8, 24])
def test_a_refusing_server_is_kept_busy_with_few_refusals(capacity: int) -> None:
    limit = AdaptiveLimit(32)
    server = ServerModel(limit, capacity, refuses=True)
    server.run(30)
    refused = server.refused
    reachable = capacity / (server.seconds + server.turnaround)
    assert server.run(330) >= 0.97 * reachable
    assert server.refused - refused < 0.01 * server.served


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_a_server_that_refuses_at_random_is_kept_busy_too(share: float) -> None:
    limit = AdaptiveLimit(32)
    server = ServerModel(limit, 8, refused_share=share)
    server.run(60)
    assert server.run(360) >= 0.7 * 8 / server.seconds
    server.refused_share = 0.0
    server.run(500)
    assert limit._chance == 0


def test_more_capacity_is_found_later() -> None:
    limit = AdaptiveLimit(32)
    server = ServerModel(limit, 4)
    server.run(30)
    server.capacity = 16
    server._busy = 4
    server.run(120)
    assert server.run(180) >= 0.95 * 16 / server.seconds


def test_the_limit_stays_between_one_and_its_maximum() -> None:
    limit = AdaptiveLimit(6)
    ServerModel(limit, 50).run(20)
    assert limit.value == 6
    for moment in range(100, 110):
        limit.refused(started=moment, now=moment + 0.5)
    assert limit.value == 1
    assert AdaptiveLimit(4, start=9).value == 4


def test_one_bout_of_refusals_halves_once() -> None:
    limit = AdaptiveLimit(32, start=16)
    for _ in range(16):
        limit.refused(started=5.0, now=6.0)
    assert limit.value == 8
    limit.refused(started=7.0, now=7.5)
    assert limit.value == 4


def test_a_client_that_asks_little_learns_nothing() -> None:
    limit = AdaptiveLimit(32, start=2)
    for number in range(1000):
        limit.completed(1.0, number * 0.1, busy=False)
    assert limit.value == 2


@given(
    per_minute=st.integers(1, 600),
    gaps=st.lists(st.floats(0, 20), min_size=1, max_size=300),
)
def test_no_minute_sees_more_starts_than_the_limit(per_minute: int, gaps: list[float]) -> None:
    bucket, now, starts = TokenBucket(per_minute), 0.0, []
    for gap in gaps:
        now += gap
        starts.append(now + bucket.reserve(now))
    starts.sort()
    for first, later in zip(starts, starts[per_minute:], strict=False):
        assert later - first >= 60 * (1 - 1e-6)


@given(per_minute=st.integers(10, 600))
def test_the_bucket_wastes_little_of_the_limit(per_minute: int) -> None:
    bucket = TokenBucket(per_minute)
    last = [bucket.reserve(0.0) for _ in range(per_minute * 5)][-1]
    assert per_minute * 5 / last >= 0.9 * per_minute / 60


def gate_of(limit: int, clock: ManualClock | None = None, per_minute: float = 0) -> ConcurrencyLimiter:
    rate = TokenBucket(per_minute) if per_minute else None
    return ConcurrencyLimiter(AdaptiveLimit(limit, limit), rate, *([clock] if clock else []))


def test_never_more_in_flight_than_the_limit() -> None:
    limiter = gate_of(3)
    inside, most = [0], [0]
    lock = threading.Lock()

    def work(_: int) -> None:
        with limiter.slot():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            with lock:
                inside[0] -= 1

    list(map_bounded(work, range(60), limiter))
    assert most[0] == 3
    assert limiter.in_flight == 0


def test_first_come_first_served_and_retries_first() -> None:
    limiter = gate_of(1)
    order: list[str] = []

    def enter(name: str, first: bool) -> None:
        with limiter.slot(first=first):
            order.append(name)

    threads = []
    with limiter.slot():
        for name, first in (("a", False), ("b", False), ("again", True)):
            threads.append(threading.Thread(target=enter, args=(name, first)))
            threads[-1].start()
            while len(limiter._waiting) < len(threads):
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["again", "a", "b"]


def test_a_wait_told_to_one_is_a_wait_for_all() -> None:
    clock = ManualClock()
    limiter = gate_of(4, clock)
    limiter.close_for(12)
    with limiter.slot():
        assert clock.now() >= 12


def test_the_bucket_spaces_starts() -> None:
    clock = ManualClock()
    limiter = gate_of(4, clock, per_minute=40)
    for _ in range(80):
        with limiter.slot():
            pass
    assert 110 <= clock.now() <= 130


def test_results_come_in_order_and_batches_are_pulled_as_needed() -> None:
    limiter = gate_of(2)
    pulled = []

    def source() -> Iterator[int]:
        for number in range(200):
            pulled.append(number)
            yield number

    def work(number: int) -> int:
        with limiter.slot():
            time.sleep(0.002 if number % 7 == 0 else 0)
        return number * number

    for taken, result in enumerate(map_bounded(work, source(), limiter)):
        assert result == taken * taken
        assert len(pulled) - taken <= 4 * 2 + 5
    assert len(pulled) == 200


def test_the_first_error_stops_and_leaves_no_thread() -> None:
    limiter = gate_of(4)
    done = []

    def work(number: int) -> int:
        with limiter.slot():
            if number == 5:
                raise ValueError("five")
            done.append(number)
            return number

    before = threading.active_count()
    results = map_bounded(work, range(1000), limiter)
    with pytest.raises(ValueError, match="five"):
        list(results)
    assert threading.active_count() == before
    assert len(done) < 100
    assert limiter.in_flight == 0


def test_closing_wakes_what_waits_and_leaves_no_thread() -> None:
    limiter = gate_of(4)

    def work(number: int) -> int:
        with limiter.slot():
            if number:
                limiter.sleep(3600)
            return number

    before = threading.active_count()
    results = map_bounded(work, range(10), limiter)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before
    assert limiter.in_flight == 0


def test_an_inner_map_stops_with_the_outer_one() -> None:
    limiter = gate_of(3)

    def inner(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        limiter.sleep(3600)
        return number

    def outer(number: int) -> list[int]:
        return list(map_bounded(inner, [number, number], limiter))

    with pytest.raises(ValueError, match="seven"):
        list(map_bounded(outer, [7, 1, 2], limiter))


def test_a_stopped_gate_lets_nobody_wait() -> None:
    limiter = gate_of(1)
    threading.Timer(0.05, limiter.stop).start()
    with pytest.raises(Cancelled):
        limiter.sleep(3600)
    with pytest.raises(Cancelled), limiter.slot():
        pass
    assert limiter.in_flight == 0


def test_batches() -> None:
    assert batches_of("abcde", 2) == [("a", "b"), ("c", "d"), ("e",)]
    assert batches_of("", 2) == []
