"""Puts passages and question before a generator: numbered, within a budget, from a versioned prompt file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from string import Template

from pipeline.records import Hit, Prompt

PROMPTS = Path(__file__).parent / "prompts"
CURRENT = "answer-v1"


def build_prompt(
    question: str,
    hits: Sequence[Hit],
    *,
    tokens_max: int,
    count_tokens: Callable[[Sequence[str]], list[int]],
    name: str = CURRENT,
) -> Prompt:
    """The prompt with as many of the best passages as fit into `tokens_max` tokens; the first is always taken."""
    passages = _within_budget(hits, tokens_max, count_tokens)
    system, user, version = _template(name)
    body = "\n\n".join(
        f"[{number}] {source_line(hit)}\n{hit.text}" for number, hit in enumerate(passages, start=1)
    )
    return Prompt(
        question=question,
        passages=passages,
        system=system,
        user=Template(user).substitute(passages=body, question=question),
        version=version,
    )


def source_line(hit: Hit) -> str:
    """Where a passage comes from, in one line that a person and a model can read."""
    parts = [f"note {hit.resource_id}", f"patient {hit.patient_id}", hit.document_type, hit.date or "undated"]
    if hit.section:
        parts.append(f"section {hit.section}")
    return "(" + ", ".join(parts) + ")"


def _within_budget(
    hits: Sequence[Hit], tokens_max: int, count_tokens: Callable[[Sequence[str]], list[int]]
) -> tuple[Hit, ...]:
    costs = count_tokens([f"{source_line(hit)}\n{hit.text}" for hit in hits])
    taken: list[Hit] = []
    spent = 0
    for hit, cost in zip(hits, costs, strict=True):
        if taken and spent + cost > tokens_max:
            break
        taken.append(hit)
        spent += cost
    return tuple(taken)


@lru_cache
def _template(name: str) -> tuple[str, str, str]:
    """(system, user, version) of a prompt file; the version changes with every byte of the file."""
    raw = (PROMPTS / f"{name}.md").read_bytes()
    match = re.fullmatch(r"# system\n(.*?)\n# user\n(.*)", raw.decode("utf-8"), re.DOTALL)
    if match is None:
        raise ValueError(f"{name}.md must have a '# system' and then a '# user' part")
    return match.group(1).strip(), match.group(2).strip(), f"{name}@{hashlib.sha256(raw).hexdigest()[:8]}"
