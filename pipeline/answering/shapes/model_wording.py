"""Which sentences of a model stand for which lines of a reply.

Decides that a sentence stands for a line only where it cites what the line quotes, has all its figures, and says of the
finding what the note says: present, denied, a relative's. Whose a line is, in which order lines stand, how many there
are and what they stand under is never the model's. Whether a sentence is carried by what it cites is
`verification`'s: only those that passed come here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.answering.questions.plan import AnswerShape, QuestionPlan
from pipeline.answering.shapes.kind_of_mention import title_of
from pipeline.answering.shapes.reply import Counted, Lead, Quotation, Reply, ReplyLine
from pipeline.records import Statement, original_span
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.list_items import without_mark
from pipeline.text.terms.finding import Finding
from pipeline.text.wording import canonical

SHARE_MIN = 0.5
"""Of a line's words that a sentence must have in its place."""
_FIGURE = re.compile(r"\d+(?:[.,/:]\d+)*")
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class WordedReply:
    """A reply, some lines of which a model says in its words."""

    reply: Reply
    sentences: Mapping[Quotation, str]
    """They cite the passages by number, as the model was given them."""


def worded(reply: Reply, statements: Sequence[Statement], plan: QuestionPlan) -> WordedReply:
    """`statements`: of the model, checked, in its order. A line that a sentence for another line tells as well is left
    out; of a summary also the quotations next to those that it tells."""
    sentences: dict[Quotation, str] = {}
    told_elsewhere: set[Quotation] = set()
    finding = Finding(plan.finding) if plan.finding else None
    for statement in statements:
        told = [line for line in reply.quotations if _stands_for(statement, line, finding)]
        open_lines = [line for line in told if line not in sentences and line not in told_elsewhere]
        if open_lines:
            sentences[open_lines[0]] = statement.text
            told_elsewhere.update(open_lines[1:])
    lines = tuple(line for line in reply.lines if line not in told_elsewhere)
    if plan.shape is AnswerShape.SUMMARY:
        lines = tuple(_shortened(lines, sentences))
    return WordedReply(Reply(lines, reply.missing), sentences)


def _shortened(lines: Sequence[ReplyLine], sentences: Mapping[Quotation, str]) -> Iterator[ReplyLine]:
    """Under a heading of which the model says something, that alone."""
    group: list[ReplyLine] = []
    for line in (*lines, None):
        if group and (line is None or isinstance(line, Lead | Counted)) and isinstance(group[-1], Quotation):
            said = [each for each in group if not isinstance(each, Quotation) or each in sentences]
            yield from said if any(isinstance(each, Quotation) for each in said) else group
            group = []
        if line is not None:
            group.append(line)
    yield from group


def _stands_for(statement: Statement, line: Quotation, finding: Finding | None) -> bool:
    if line.beside or not _cites(statement, line):
        return False
    start, end = without_mark(line.hit.text, line.start, line.end)
    quote = line.hit.text[start:end]
    if not set(_FIGURE.findall(quote)) <= set(_FIGURE.findall(statement.text)):
        return False
    if finding is not None:
        return _said_as(statement.text, finding) == _said_in(line, finding) is not None
    above, _, items = quote.rpartition("\n")
    return _share(above, statement.text) == 1 and _share(items, statement.text) >= SHARE_MIN


def _cites(statement: Statement, line: Quotation) -> bool:
    start, end = original_span(line.start, line.end, line.hit.offsets, line.hit.start)
    return any(
        each.resource_id == line.hit.resource_id
        and each.patient_id == line.hit.patient_id
        and each.start < end
        and start < each.end
        for each in statement.citations
    )


def _share(quote: str, sentence: str) -> float:
    """Which part of a quotation's words a sentence has; 1 where it has none."""
    words = _words(quote)
    return len(words & _words(sentence)) / len(words) if words else 1.0


def _words(text: str) -> set[str]:
    return {form for word in _WORD.findall(text.lower()) for form in canonical(word)}


def _said_as(sentence: str, finding: Finding) -> AssertionKind | None:
    """How a sentence of the model says the finding; None where it does not."""
    mention = next(iter(finding.mentions(sentence)), None)
    return None if mention is None else NoteAssertions(sentence).of(mention.start, mention.end).kind


def _said_in(line: Quotation, finding: Finding) -> AssertionKind | None:
    """How the note says it in this line."""
    for mention in finding.mentions(line.hit.text, title_of(line.hit) or ""):
        if line.start <= mention.start < line.end:
            assertions = NoteAssertions(line.hit.text, within=title_of(line.hit))
            return assertions.of(mention.start, mention.end).kind
    return None
