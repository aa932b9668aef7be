"""Whom a question means, by its words: an id, a name, "she", everyone; and the question with "§" in their place.

Decides where a patient is written and how. Refuses to know who there is: a name by its shape may be nobody's, and is
then marked as not sure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from pipeline.answering.questions.asked.asides import without_asides
from pipeline.answering.questions.plan import AskedPatients, Whom, WrittenPatient
from pipeline.answering.questions.shorthand import spelled_out
from pipeline.answering.questions.subject import subject_of
from pipeline.text.person_names.names import Name
from pipeline.text.person_names.question_names import QuestionNames

SUBJECT = "§"
"""What stands for a patient in a question whose frame is read."""

_ID_FORM = r"(?=[\w.:/-]*\d)\w[\w.:/-]*\w|\d+"
_ANNOUNCED = re.compile(
    rf"\b(?:the\s+)?(?:patients?|pts?|mrn)[\s:#.]+(?:(?:id|number|no|mrn)[\s:#.]+)?"
    rf"(?P<first>{_ID_FORM})"
    rf"(?P<others>(?:(?:,\s*(?:and\s+|or\s+)?|\s+(?:and|or|with|versus|vs\.?|to)\s+)(?:patient\s+)?(?:{_ID_FORM}))*)"
    r"(?![\w%])",
    re.IGNORECASE,
)
_OTHER_ID = re.compile(rf"(?<![\w.:/-])(?:{_ID_FORM})")
_MEASURED = re.compile(r"[\d./-]*[/.-][\d./-]*|\d{1,2}")
_NUMBERED = r"[A-ZÀ-ÖØ-Þ][a-zß-ÿ]+\d{1,4}"
_NUMBERED_NAME = re.compile(
    rf"\b(?:(?:Mrs?|Ms|Miss)\.?\s+)?{_NUMBERED}(?:\s+[A-ZÀ-ÖØ-Þ][\w’-]*)*?(?:\s+{_NUMBERED})?(?!\w)"
)
"""As synthetic records write them: "Isaura563 Turner526"."""
PRONOUN = re.compile(
    r"\b(?:the|this|that|our|my) (?:patient|pt|man|woman|gentleman|lady|boy|girl)\b"
    r"(?! (?:who|whose|named|called|with)\b)"
    r"|\b(?:she|he|her|him|his|hers|they|them|their)\b(?!-)",
    re.IGNORECASE,
)
_OWNING = frozenset(["his", "her", "their"])
_OWN_SUBJECT = re.compile(rf"{SUBJECT}['’](?=\s)")
"""A name that ends in an s: "Martha Collins' plan"."""
_DESCRIBED = re.compile(
    rf"\b(?:the|our|my|this|that|new)\s+(?:(?!(?:of|in|on|for|at|is|was|does|did|has|if)\b)[\w/-]+\s+){{0,4}}?"
    rf"(?:patient|pt|lady|gent|gentleman|guy|man|woman|girl|boy|male|female|kid)\s+(?={SUBJECT})",
    re.IGNORECASE,
)
"""What tells a person from others and is not asked: "the flank pain lady P-12"."""
_POSSESSIVE = re.compile(r"['’]s?\b|['’](?=\s)")


_HAD = re.compile(
    r"\b(?:have|has|had|having|with|takes?|took|taking|uses?|using|on|under|given|by|from)\s+(?:(?:an?|the|any)\s+)?\Z",
    re.IGNORECASE,
)
"""What stands behind these in a question about several patients is what they have: "with Cigna Health"."""


def asked_patients(question: str) -> AskedPatients:
    """Whom a question means."""
    names = QuestionNames.of(question)
    written = tuple(_written(names))
    if written and subject_of(question, names.shaped) == "several":
        written = tuple(
            each
            for each in written
            if each.is_id
            or each.said
            or not (_HAD.search(question, 0, each.start) or question[each.start : each.end].islower())
        )
    return AskedPatients(_whom(names, written), written, names)


def ids_among(question: str, ids: Collection[str]) -> tuple[WrittenPatient, ...]:
    """Where `question` writes these ids without the word "patient": "the ejection fraction of D2N084"."""
    folded = {each.casefold() for each in ids}
    return tuple(
        WrittenPatient((found.group(),), *found.span(), is_id=True)
        for found in _OTHER_ID.finditer(question)
        if found.group().casefold() in folded
    )


def framed(question: str, patients: AskedPatients) -> str:
    """The question with "§" for each patient that it writes or says "she" of, "§'s" for "her" before a word, and what
    it writes short in full, without what it says beside what it asks."""
    spans = [(each.start, each.end) for each in patients.written if each.is_id or each.sure]
    spans += [
        pronoun.span()
        for pronoun in PRONOUN.finditer(question)
        if not any(start <= pronoun.start() < end for start, end in spans)
    ]
    parts, at = [], 0
    for start, end in sorted(spans):
        owning = question[start:end].lower() in _OWNING and question[end : end + 1] == " "
        parts += [question[at:start], f"{SUBJECT}'s" if owning else SUBJECT]
        at = end
    named = _OWN_SUBJECT.sub(f"{SUBJECT}'s", "".join([*parts, question[at:]]))
    return without_asides(spelled_out(_DESCRIBED.sub("", named)))


def _whom(names: QuestionNames, written: tuple[WrittenPatient, ...]) -> Whom:
    if any(each.is_id for each in written):
        return "id"
    if any(each.sure for each in written):
        return "name"
    about = subject_of(names.question, names.shaped)
    if about == "several":
        return "everyone"
    return "pronoun" if about == "pronoun" or PRONOUN.search(names.question) else "open"


def _written(names: QuestionNames) -> Iterator[WrittenPatient]:
    found = _ids(names.question)
    shaped = (_of_name(names.question, name) for name in (*names.shaped, *names.alone))
    for each in (*_numbered_names(names.question), *shaped):
        if not any(each.start < other.end and other.start < each.end for other in found):
            found.append(each)
    return iter(sorted(found, key=lambda each: each.start))


def _ids(question: str) -> list[WrittenPatient]:
    return [each for match in _ANNOUNCED.finditer(question) for each in _ids_of(match)]


def _ids_of(match: re.Match[str]) -> Iterable[WrittenPatient]:
    if _MEASURED.fullmatch(match["first"]) and not match["first"].isdecimal():
        return
    yield WrittenPatient((match["first"],), match.start(), match.end("first"), is_id=True)
    for other in _OTHER_ID.finditer(match.string, *match.span("others")):
        if any(map(str.isalpha, other.group())):
            yield WrittenPatient((other.group(),), *other.span(), is_id=True)


def _numbered_names(question: str) -> Iterator[WrittenPatient]:
    for match in _NUMBERED_NAME.finditer(question):
        yield WrittenPatient(tuple(match.group().split()), *match.span())


def _of_name(question: str, name: Name) -> WrittenPatient:
    written = WrittenPatient(name.words, name.start, name.end, said=name.title, sure=name.sure)
    ending = _POSSESSIVE.search(question, name.start, name.end)
    return replace(written, end=ending.start()) if ending and ending.end() == name.end else written
