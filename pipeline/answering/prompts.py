"""Puts passages and question before a generator: numbered, within a budget, from a versioned prompt.

Decides how a prompt is known: by its name, and by the hash of its text, which every answer and receipt repeats. The
prompts that ship are the files in `prompts/`; a variant is a `PromptTemplate` handed to `build_prompt`, or to the flow.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from pipeline.images import is_image
from pipeline.records import Hit, Prompt, patient_in_words

PROMPTS = Path(__file__).parent / "prompts"
CURRENT = "answer-v1"


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """What is said to a generator, but for passages and question: `$passages` and `$question` stand for them."""

    name: str
    system: str
    user: str
    version: str
    """Name and content hash, for example "answer-v1@3f2a9c1d"."""

    @classmethod
    def parse(cls, name: str, text: bytes) -> PromptTemplate:
        """A prompt file's text: a "# system" part, then a "# user" part, UTF-8. The version changes with every byte.
        Raises ValueError where a part or a placeholder is missing or unknown."""
        match = re.fullmatch(r"# system\n(.*?)\n# user\n(.*)", text.decode("utf-8"), re.DOTALL)
        if match is None:
            raise ValueError(f"{name} must have a '# system' and then a '# user' part")
        system, user = match.group(1).strip(), match.group(2).strip()
        if set(Template(user).get_identifiers()) != {"passages", "question"} or not Template(user).is_valid():
            raise ValueError(f"the user part of {name} must hold $passages and $question, and no other $")
        return cls(name, system, user, f"{name}@{hashlib.sha256(text).hexdigest()[:8]}")


def prompt_names() -> tuple[str, ...]:
    """Names of the prompts that ship."""
    return tuple(sorted(path.stem for path in PROMPTS.glob("*.md")))


@cache
def prompt_template(known_as: str) -> PromptTemplate:
    """The prompt of a name ("answer-v1"), or of exactly a version ("answer-v1@3f2a9c1d"). Raises KeyError where none
    that ships is known as that: a version that was changed since is none."""
    name = known_as.partition("@")[0]
    if name in prompt_names():
        found = PromptTemplate.parse(name, (PROMPTS / f"{name}.md").read_bytes())
        if known_as in (found.name, found.version):
            return found
    raise KeyError(f"no prompt is known as {known_as}; there are {', '.join(prompt_names())}")


def build_prompt(
    question: str,
    hits: Sequence[Hit],
    *,
    tokens_max: int,
    count_tokens: Callable[[Sequence[str]], list[int]],
    template: PromptTemplate | None = None,
    topic: str = "",
) -> Prompt:
    """The prompt with as many of the best passages as fit into `tokens_max` tokens; the first is always taken.

    `template`: the current one where none is given. `topic`: as in Prompt.
    """
    template = template or prompt_template(CURRENT)
    passages = _within_budget(hits, tokens_max, count_tokens)
    body = "\n\n".join(
        f"[{number}] {source_line(hit)}\n{hit.text}" for number, hit in enumerate(passages, start=1)
    )
    return Prompt(
        question=question,
        passages=passages,
        system=template.system,
        user=Template(template.user).substitute(passages=body, question=question),
        version=template.version,
        topic=topic,
    )


def source_line(hit: Hit) -> str:
    """Where a passage comes from, in one line that a person and a model can read."""
    kind = "image" if is_image(hit) else "note"
    parts = [
        f"{kind} {hit.resource_id}",
        patient_in_words(hit.patient_id),
        hit.document_type,
        hit.date or "undated",
    ]
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
