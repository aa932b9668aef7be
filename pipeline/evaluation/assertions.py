"""Measures how well the assertion of findings is read, on mentions labelled by hand.

Decides what is counted: precision, recall and F1 of each class, the share of right ones, and the mean F1 over the
classes that a split has. A mention whose words are not where the list says is an error, not a miss. Knows the rules by
their one entrance, `NoteAssertions`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputUnusable
from pipeline.evaluation.retrieval import BOOTSTRAP_SAMPLES, Estimate, estimate
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions

MENTIONS_FILE = "mentions.jsonl"


@dataclass(frozen=True, slots=True)
class Mention:
    """A finding in a note. Half-open offsets of the note's text."""

    note: str
    start: int
    end: int
    finding: str
    """The words that stand there."""
    assertion: AssertionKind
    split: str


@dataclass(frozen=True, slots=True)
class ClassResult:
    kind: AssertionKind
    mentions: int
    """That have the label."""
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class AssertionResult:
    split: str
    mentions: int
    notes: int
    right: Estimate
    mean_f1: Estimate
    """Over the classes that the split has, each counting the same."""
    classes: Sequence[ClassResult]


def read_mentions(folder: Path) -> list[Mention]:
    """The labelled mentions of a set. Raises InputUnusable naming the line that is none."""
    found = []
    for number, line in enumerate(_lines(folder / MENTIONS_FILE), 1):
        try:
            entry = json.loads(line)
            kind = AssertionKind(entry.pop("assertion"))
            found.append(Mention(**entry, assertion=kind))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputUnusable(
                f"{folder / MENTIONS_FILE}, line {number} is no labelled mention.",
                remedy="It needs note, start, end, finding, split and an assertion: "
                + ", ".join(AssertionKind)
                + ".",
            ) from error
    return found


def read_notes(file: Path) -> dict[str, str]:
    """Texts by note id, of JSON lines with `resource_id` and `text_content`. Raises InputUnusable."""
    try:
        entries = [json.loads(line) for line in _lines(file)]
        return {entry["resource_id"]: entry["text_content"] for entry in entries}
    except (ValueError, TypeError, KeyError) as error:
        raise InputUnusable(
            f"{file} has a line that is no note.",
            remedy="Each line is a JSON object with resource_id and text_content.",
        ) from error


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputUnusable(
            f"{file} cannot be read: {error.strerror}.", remedy="Name a folder that holds the set."
        ) from error


def measure(mentions: Sequence[Mention], notes: Mapping[str, str]) -> list[AssertionResult]:
    """A result a split, in the order of the list. Raises InputUnusable where a mention is not in its note."""
    splits = list(dict.fromkeys(mention.split for mention in mentions))
    return [_measured(split, [each for each in mentions if each.split == split], notes) for split in splits]


def _measured(split: str, mentions: Sequence[Mention], notes: Mapping[str, str]) -> AssertionResult:
    kinds = list(AssertionKind)
    read = _as_read(mentions, notes)
    labels = np.array([kinds.index(mention.assertion) for mention in mentions])
    given = np.array([kinds.index(kind) for kind in read])
    here = [number for number in range(len(kinds)) if (labels == number).any()]
    return AssertionResult(
        split,
        len(mentions),
        len({mention.note for mention in mentions}),
        estimate((labels == given).astype(float)),
        _mean_f1(labels, given, here),
        [_class_result(kinds[number], labels == number, given == number) for number in here],
    )


def _as_read(mentions: Sequence[Mention], notes: Mapping[str, str]) -> list[AssertionKind]:
    read: dict[str, NoteAssertions] = {}
    found = []
    for mention in mentions:
        text = notes.get(mention.note, "")
        if text[mention.start : mention.end] != mention.finding:
            raise InputUnusable(
                f"Note {mention.note} does not have the finding of the list at {mention.start}.",
                remedy="The offsets are of the notes in pipeline/demo/notes/aci_bench.jsonl; give these with --notes.",
            )
        if mention.note not in read:
            read[mention.note] = NoteAssertions(text)
        found.append(read[mention.note].of(mention.start, mention.end).kind)
    return found


def _class_result(kind: AssertionKind, labelled: NDArray[np.bool_], given: NDArray[np.bool_]) -> ClassResult:
    both = int((labelled & given).sum())
    precision = both / max(1, int(given.sum()))
    recall = both / max(1, int(labelled.sum()))
    return ClassResult(kind, int(labelled.sum()), precision, recall, _f1(labelled, given))


def _mean_f1(labels: NDArray[np.int_], given: NDArray[np.int_], kinds: Sequence[int]) -> Estimate:
    """With the 95 % percentile bootstrap over mentions; a class that a sample lacks is left out of its mean."""
    generator = np.random.default_rng(0)
    means = []
    for sample in generator.integers(0, len(labels), (BOOTSTRAP_SAMPLES, len(labels))):
        drawn, read = labels[sample], given[sample]
        means.append(np.mean([_f1(drawn == kind, read == kind) for kind in kinds if (drawn == kind).any()]))
    low, high = np.percentile(means, [2.5, 97.5])
    whole = float(np.mean([_f1(labels == kind, given == kind) for kind in kinds]))
    return Estimate(whole, float(low), float(high))


def _f1(labelled: NDArray[np.bool_], given: NDArray[np.bool_]) -> float:
    return 2 * float((labelled & given).sum()) / max(1.0, float(labelled.sum() + given.sum()))
