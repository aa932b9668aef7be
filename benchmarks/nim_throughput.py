"""How near the NIM back-end comes to the ceiling of a server it knows nothing about.

The simulator runs in another process with a service time, so its ceiling is a number; the limiter starts from one
request in flight and has to find the rest. Prints served rate over ceiling, for embedding and for answers.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from typing import Any

from pipeline.backends.http.concurrency import batches_of, map_bounded
from pipeline.backends.nim import NimEmbedder, NimGenerator
from pipeline.config import EmbedderSettings, GeneratorSettings, TransportSettings
from pipeline.records import Prompt, Vector
from tests.servers.nim import nim_process
from tests.servers.nim_models import count_tokens
from tests.servers.queueing import ServiceTime

BATCHES = 2_000
BATCH_SIZE = 32
EMBEDDING = ServiceTime(seconds_per_request=0.04, seconds_per_token=0.00002, concurrency=8)
"""A card that serves eight batches at a time: about 90 ms for a batch of 2,500 tokens."""
CHAT = ServiceTime(seconds_per_request=0.4, concurrency=8)
"""20 answers a second."""
ASKERS = 100
ANSWERS_EACH = 6
WARM_UP_SHARE = 0.1
"""Left out of the steady rate: the time in which the capacity is found."""

_NOTE = (
    "patient denies chest pain blood pressure was stable metformin held on admission restarted at discharge follow up "
    "with cardiology in two weeks no acute distress lungs clear echocardiogram showed preserved ejection fraction"
)


def embedding_throughput(batches: int = BATCHES) -> dict[str, float]:
    """Texts a second over the ceiling, once the capacity was found."""
    texts = _texts(batches * BATCH_SIZE)
    options = (
        f"--embed-seconds={EMBEDDING.seconds_per_request}",
        f"--embed-token-seconds={EMBEDDING.seconds_per_token}",
        f"--embed-concurrency={EMBEDDING.concurrency}",
    )
    with nim_process(*options) as server:
        embedder = NimEmbedder(EmbedderSettings(url=server.url, batch_size=BATCH_SIZE), TransportSettings())
        embedder.check()
        taken = _moments(embedder, batches_of(texts, BATCH_SIZE))
    warm_up = int(batches * WARM_UP_SHARE)
    steady = (batches - 1 - warm_up) * BATCH_SIZE / (taken[-1] - taken[warm_up])
    return {
        "ceiling_texts_per_second": _ceiling(texts),
        "steady_ratio": steady / _ceiling(texts[(warm_up + 1) * BATCH_SIZE :]),
        "in_flight_at_end": embedder.limiter.limit,
    }


def _moments(embedder: NimEmbedder, batches: list[tuple[str, ...]]) -> list[float]:
    """When each batch was embedded, called as indexing calls it: several batches in flight, taken in order."""

    def embed(batch: tuple[str, ...]) -> Vector:
        return embedder.embed(batch, "passage")

    return [time.perf_counter() for _ in map_bounded(embed, batches, embedder.limiter)]


def _ceiling(texts: Sequence[str]) -> float:
    """Texts a second at most: the tokens are those of the very texts sent."""
    tokens = sum(map(count_tokens, texts)) / len(texts) * BATCH_SIZE
    return EMBEDDING.ceiling_requests_per_second(tokens) * BATCH_SIZE


def _texts(count: int) -> list[str]:
    chance, words = random.Random(7), _NOTE.split()
    return [" ".join(chance.choices(words, k=chance.randint(40, 120))) for _ in range(count)]


def answer_throughput(askers: int = ASKERS, answers_each: int = ANSWERS_EACH) -> dict[str, float]:
    """Answers a second over the ceiling with `askers` people asking all the time, after the first answer of each."""
    with nim_process(
        f"--chat-seconds={CHAT.seconds_per_request}", f"--chat-concurrency={CHAT.concurrency}"
    ) as server:
        generator = NimGenerator(GeneratorSettings(url=server.url), TransportSettings())
        generator.check()
        prompt = Prompt(
            "", (), "", "Passages:\n\n[1] (note a)\nMetformin was held.\n\nQuestion: metformin?\n", "x"
        )
        ends: list[float] = []
        failures: list[Exception] = []

        def ask() -> None:
            for _ in range(answers_each):
                try:
                    for _ in generator.stream(prompt):
                        pass
                except Exception as error:  # noqa: BLE001  counted and printed
                    failures.append(error)
                ends.append(time.perf_counter())

        threads = [threading.Thread(target=ask) for _ in range(askers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ends.sort()
    # At the very end fewer people ask than the server has places: neither ramp nor tail is the steady state.
    first, last = askers, len(ends) - CHAT.concurrency
    ceiling = CHAT.ceiling_requests_per_second(1)
    return {
        "ceiling_answers_per_second": ceiling,
        "ratio": (last - first) / (ends[last] - ends[first]) / ceiling,
        "errors": len(failures),
        "in_flight_at_end": generator.limiter.limit,
    }


def main() -> dict[str, Any]:
    """Run both, print and return the figures."""
    figures = {"embedding": embedding_throughput(), "answers": answer_throughput()}
    print(json.dumps(figures, indent=2))
    return figures


if __name__ == "__main__":
    main()
