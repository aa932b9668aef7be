"""A bench for one check: settings as given, a machine of scripts, no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.checks.context import CheckContext
from pipeline.checks.machine import Machine, ProcessResult, Vantage
from pipeline.config import load_settings

Answer = ProcessResult | None | Callable[[Sequence[str]], ProcessResult | None]


@dataclass
class Programs:
    """What programs of a machine say; one that is not listed is not installed."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, words: Sequence[str], timeout_seconds: float) -> ProcessResult | None:
        assert 0 < timeout_seconds <= 60
        self.asked.append(tuple(words))
        answer = self.answers.get(words[0])
        return answer(words) if callable(answer) else answer


def bench(
    folder: Path,
    *,
    programs: Mapping[str, Answer] | None = None,
    vantage: Vantage = "host",
    machine: Mapping[str, Any] | None = None,
    **settings: Any,
) -> CheckContext:
    given = {"data_dir": folder / "data", "embedder": {"provider": "hashing"}, **settings}
    loaded = load_settings(None, **given)
    parts: dict[str, Any] = {"root": folder / "root", "run": Programs(programs or {}), **(machine or {})}
    return CheckContext(loaded, loaded, vantage, Machine(**parts))
