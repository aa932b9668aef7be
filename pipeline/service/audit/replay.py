"""Answers a question again from its receipt, and says what differs.

The same question, filters, number of passages and access scope as then are asked of what answers now. Over an unchanged
corpus with a deterministic model the two are identical. Where they are not, each difference names its cause as far as
it can be known: another space, prompt or model, a passage that is gone, new or moved, a note whose cited characters are
not what they were. Compares hashes and ids: what it says holds no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.answering.flow import answer
from pipeline.answering.note_access import visible_note
from pipeline.errors import BadRequest
from pipeline.images import image_as_note
from pipeline.records import AccessScope, Answer, Document, Question
from pipeline.service.audit.chain import sha256
from pipeline.service.audit.receipts import (
    StoredReceipt,
    filters_from,
    images_record,
    passages_record,
    statements_record,
    storable,
)
from pipeline.wiring import AnsweringSpace

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was. Ids and hashes, never text."""

    what: str
    then: Any = None
    now: Any = None


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer made again."""

    receipt_id: str
    differences: tuple[Difference, ...]
    answer: Answer = field(repr=False)

    @property
    def identical(self) -> bool:
        return not self.differences


def question_of(kept: StoredReceipt, scope: AccessScope, text: str | None = None) -> Question:
    """The question as it was asked. `text` stands in where it was erased.

    Raises BadRequest where there is no text, or where it is not the one that was asked.
    """
    if "image_sha256" in kept.record:
        raise BadRequest(
            "The question came with an image, which is kept nowhere.",
            remedy="Ask it again with the image; the receipt has the hash of what was prepared of it.",
        )
    asked = kept.question if text is None else storable(text)
    if asked is None:
        raise BadRequest(
            "The text of this question has been erased.",
            remedy="Give the question on standard input: its hash tells whether it is the one.",
        )
    if sha256(asked) != kept.record["question_sha256"]:
        raise BadRequest(
            "This is not the question that was asked: its hash is another.",
            remedy="Give it letter by letter as it was asked; if it comes from the receipt, verify the log.",
        )
    filters = filters_from(kept.record["filters"], scope)
    carried, without = (_part_ids(kept, name) for name in ("carried", "without"))
    film_id = kept.record.get("film_id", "")
    return Question(asked, filters, int(kept.record["top_k"]), carried, without, film_id=film_id)


def _part_ids(kept: StoredReceipt, name: str) -> tuple[str, ...]:
    """Parts of a plan that the receipt names; a finding that was carried with its words, which are kept with the
    texts: where those were erased, it is not asked for."""
    named = kept.record.get("plan", {}).get(name, ())
    told = {each["part"]: each["id"] for each in (kept.answer or {}).get("understood", ()) if each["carried"]}
    return tuple(told.get(each, "") if each == "finding" else each for each in named)


def replay(kept: StoredReceipt, question: Question, answering: AnsweringSpace) -> Replay:
    """Ask again, and compare with the receipt."""
    answered = answer(answering, question)
    differences = [
        *_settings(kept.record, answered),
        *_passages(kept.record["passages"], passages_record(answered.passages)),
        *_notes(kept.record, question.filters.scope, answering),
        *_statements(kept.record, statements_record(answered.statements)),
        *_images(kept.record, images_record(answered.images)),
    ]
    return Replay(kept.id, tuple(differences), answered)


def _settings(record: Json, answer: Answer) -> Iterator[Difference]:
    whole = record["ending"] not in ("cut_off", "failed")
    if not whole:
        yield Difference("then it was not answered to its end", record["ending"], answer.outcome)
        return  # what made it was not recorded
    now = {
        "space_id": answer.space_id,
        "prompt_version": answer.prompt_version,
        "model": {"provider": answer.model.provider, "model": answer.model.model},
        "ending": answer.outcome,
        "answer_ending": answer.ending,
        "reason": answer.reason,
        "withheld": answer.withheld,
    }
    names = {
        "space_id": "embedding space",
        "prompt_version": "prompt version",
        "ending": "outcome",
        "answer_ending": "end of the answer",
    }
    for name, value in now.items():
        if name in record and record[name] != value:  # receipts of version 1 tell less
            yield Difference(names.get(name, name), record[name], value)


def _passages(then: Sequence[Json], now: Sequence[Json]) -> Iterator[Difference]:
    """By chunk id: gone, new, changed, or at another place."""
    before = {passage["chunk_id"]: passage for passage in then}
    after = {passage["chunk_id"]: passage for passage in now}
    for chunk_id, passage in before.items():
        found = after.get(chunk_id)
        if found is None:
            yield Difference("passage is not found any more", _place(passage))
        elif found["sha256"] != passage["sha256"]:
            yield Difference("passage has another text", _place(passage), _place(found))
        elif found.get("locator") != passage.get("locator"):
            yield Difference("passage lies elsewhere", _place(passage), _place(found))
        elif found["number"] != passage["number"]:
            yield Difference("passage has another rank", passage["number"], found["number"])
    for chunk_id, passage in after.items():
        if chunk_id not in before:
            yield Difference("passage is new", None, _place(passage))


def _notes(record: Json, scope: AccessScope, answering: AnsweringSpace) -> Iterator[Difference]:
    """Whether the characters that were cited still stand where they stood."""
    cited = {
        (citation["resource_id"], citation["start"], citation["end"]): citation["sha256"]
        for statement in record["statements"]
        for citation in statement["citations"]
    }
    resource_ids = sorted({passage["resource_id"] for passage in record["passages"]})
    for resource_id in resource_ids:
        note = visible_note(answering.store, resource_id, scope) or _image(answering, resource_id, scope)
        if note is None:
            yield Difference("note is gone, or outside what could be seen then", resource_id)
            continue
        for (cited_id, start, end), digest in cited.items():
            if cited_id == resource_id and sha256(storable(note.text_content[start:end])) != digest:
                yield Difference("note has other characters where it was cited", [resource_id, start, end])


def _image(answering: AnsweringSpace, image_id: str, scope: AccessScope) -> Document | None:
    """An image that was cited, as the note that it is cited as."""
    image = None if answering.images is None else answering.images.image(image_id, scope)
    return None if image is None else image_as_note(image)


def _statements(record: Json, now: Sequence[Json]) -> Iterator[Difference]:
    then = record["statements"]
    cut = record["ending"] in ("cut_off", "failed")
    for number, (before, after) in enumerate(zip(then, now, strict=False), start=1):
        if before["sha256"] != after["sha256"]:
            yield Difference(f"statement {number} has another text", before["sha256"], after["sha256"])
        elif before["citations"] != after["citations"]:
            yield Difference(
                f"statement {number} cites another place",
                [_place(citation) for citation in before["citations"]],
                [_place(citation) for citation in after["citations"]],
            )
    if len(then) != len(now) and not (cut and len(then) < len(now)):
        yield Difference("number of statements", len(then), len(now))


def _images(record: Json, now: Sequence[Json]) -> Iterator[Difference]:
    """Whether the same images are shown, in the same order."""
    then = record.get("images", [])
    if record["ending"] not in ("cut_off", "failed") and list(then) != list(now):
        yield Difference(
            "other images are shown", [each["image_id"] for each in then], [each["image_id"] for each in now]
        )


def _place(found: Json) -> list[Any]:
    """Where it stands: note, first and last character; and where on a page or in an image, if there."""
    place = [found["resource_id"], found["start"], found["end"]]
    return [*place, found["locator"]] if "locator" in found else place
