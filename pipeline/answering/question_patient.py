"""Whose notes a question asks for, by an id or by a name.

"Is patient D2N005 diabetic?" reads to both retrievers like any other question, and the next best passage is
another patient's. Decides that a question which writes the id of a patient is asked of that patient's notes alone, and
that one which names a person is answered from the passages of only those the name can mean, whichever model
writes the answer: a back-end is handed passages that may be used, and judges no person. Looks each id up in the store,
within the asker's scope: an id out of their sight is like one that no note has. Such a word is a patient all the same
where "patient" or "MRN" stands before it, or where it is written like the ids that notes have ("P99" beside "p3"):
no one else's notes answer. `text.patient_names` reads names; `follow_up` decides which patient a question in a
conversation keeps to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.ports import Store
from pipeline.records import Filters, Hit, Question
from pipeline.text.person_names.patient_names import resolve_named_patients
from pipeline.text.person_names.question_names import QuestionNames

WORDS_MAX = 12
"""Words of a question that are looked up."""
LENGTH_MIN = 4
"""Of an id that nothing announces, and that stands where no person need: "B12" and "T4" are findings."""
KNOWN_IDS_MAX = 50
"""Ids of notes that one of the question is held against."""
_OF_A_PERSON = re.compile(
    r"\b(?:of|for|about|in|does|do|did|is|was|has|had|can|should|will)\s+\Z", re.IGNORECASE
)
_IS = re.compile(r"\b(?:does|do|did|is|was|has|had|can|should|will)\s+\Z", re.IGNORECASE)
_HAS = re.compile(r"['’]s\b|\s+(?:has|have|had|takes?|took|needs?|gets?)\b", re.IGNORECASE)
"""What stands before and after a short id: "seizures of P3", "P3's potassium"."""
_NO_NUMBER_OF = re.compile(r"['’]s\b|\s+(?:has|have|had|is|was|takes?|took|on)\b", re.IGNORECASE)
"""What stands after "patient 12" where that is no number of something."""
_ID = re.compile(
    r"(?P<said>\b(?:patient|pt|mrn)[\s:#.]+(?:(?:id|number|no|mrn)[\s:#.]+)?)?"
    r"(?<![\w.])(?P<id>(?=[\w.:/-]*\d)\w[\w.:/-]*\w|\d)(?![\w%]|\s*(?:-|day|week|month|year|hour|mg|mcg|ml|g\b|h\b|y))",
    re.IGNORECASE,
)
DIGITS_MIN = 3
"""Of an id that no note has: "patient HER2 positive" names no one."""
NUMBER_MIN = 5
"""Digits of a number that nothing announces and that may be an id wherever it stands: "20031177 potassium"."""
_MEASURED = re.compile(r"[\d./-]*[/.-][\d./-]*")
"""A date, a blood pressure."""
_NOT_ALONE = re.compile(
    r"\b(?:others|which patients|(?:who|anyone|anybody) else)\b"
    r"|\b(?:other|another|similar) (?:patients?|people|persons?|cases?)\b"
    r"|\bcompar\w+\b.*\b(?:to|with)\s+(?:all|every\w*|any\w*|most|some|the (?:rest|average|ward|cohort|group))\b",
    re.IGNORECASE,
)
"""Then others are asked about, too. Not by "compare" alone: two visits of one patient are compared as well."""
_BESIDE_SOMEONE = re.compile(
    r"\b(?i:than|except(?: for)?|besides|unlike|like|similar to|apart from)\s+"
    r"(?:(?i:the\s)?(?i:patients?|pts?|mrn|mrs?|ms|miss)\b|[A-Za-z][\w:/-]*\d[\w.:/-]*|\d{5,}\b"
    r"|[A-ZÀ-ÖØ-Þ][\w’'-]+\s+[A-ZÀ-ÖØ-Þ][\w’'-]+)"
)
"""So does a comparison with the patient. Not one with a drug or a value: "other than metformin", "higher than 140"."""


def of_its_patient(question: Question, store: Store) -> Question:
    """The question, limited to the patients whose ids stand in it; as it is where its filters name patients."""
    if not writes_an_id(question):
        return question
    found = (
        patients_by_id(question, store)
        or tuple(_announced(question.text))
        or tuple(_written_like_known(question, store))
    )
    return replace(question, filters=replace(question.filters, patient_ids=found)) if found else question


def of_named_patients(
    question: Question, hits: Sequence[Hit], names: QuestionNames | None = None
) -> tuple[str, list[Hit]]:
    """What is asked about the person named, without the name, and the hits that may answer it: none where the name
    can mean none of their patients. All of them where the question is limited to one patient already."""
    topic, meant = resolve_named_patients(question.text, hits, names)
    if len(question.filters.patient_ids) == 1:
        return topic, list(hits)
    return topic, [hit for hit in hits if hit.patient_id in meant]


def asks_of_others_too(question: str) -> bool:
    """Whether others than the patient it writes are asked about: "Who else …", "others than …"."""
    return (_NOT_ALONE.search(question) or _BESIDE_SOMEONE.search(question)) is not None


def writes_an_id(question: Question) -> bool:
    """Whether `of_its_patient` has anything to look up. Touches no store."""
    if question.filters.patient_ids or asks_of_others_too(question.text):
        return False
    return bool(_words_like_ids(question.text))


def patients_by_id(question: Question, store: Store, written: Sequence[str] | None = None) -> tuple[str, ...]:
    """Patients inside the scope whose ids the question writes as the notes do, but for case; each once. `written`: the
    words of it that are ids, where that is known."""
    scope = question.filters.scope
    known = (
        form
        for word in (_words_like_ids(question.text) if written is None else written)
        for form in dict.fromkeys((word, word.lower(), word.upper()))
        if store.count_notes(Filters(patient_ids=(form,), scope=scope), most=1)
    )
    return tuple(dict.fromkeys(known))


def _announced(text: str) -> Iterator[str]:
    """Ids that can be nothing else."""
    for match in _ID.finditer(text):
        digits = sum(map(str.isdecimal, match["id"]))
        if not match["said"] or _MEASURED.fullmatch(match["id"]):
            continue
        if digits >= DIGITS_MIN or (match["id"].isdecimal() and _NO_NUMBER_OF.match(text, match.end())):
            yield match["id"]


def _written_like_known(question: Question, store: Store) -> Iterator[str]:
    """Ids that no note has, written like those that notes inside the scope have."""
    known = store.values("patient_id", question.filters.scope, limit=KNOWN_IDS_MAX)
    shapes = {_shape(each) for each in known}
    lengths = {len(each) for each in known if each.isdecimal() and len(each) >= NUMBER_MIN}
    for match in _ids_like(question.text):
        number = match["id"].isdecimal()
        if number and (match["said"] or not _OF_A_PERSON.search(question.text, 0, match.start())):
            continue
        if len(match["id"]) in lengths if number else _shape(match["id"]) in shapes:
            yield match["id"]


def _shape(patient_id: str) -> str:
    """Its letters and signs, with one sign for each number."""
    return _NUMBER.sub("#", patient_id.casefold())


_NUMBER = re.compile(r"\d+")


def _words_like_ids(text: str) -> list[str]:
    return [match["id"] for match in _ids_like(text)]


def _ids_like(text: str) -> list[re.Match[str]]:
    """Words with a digit in them: short ones, and numbers, only where the question says what they are or where a person
    can stand."""
    return [match for match in _ID.finditer(text) if match["said"] or _may_be_alone(match, text)][:WORDS_MAX]


def _may_be_alone(match: re.Match[str], text: str) -> bool:
    """Whether a word that nothing announces may be an id."""
    length = len(match["id"])
    if match["id"].isdecimal():
        return length >= NUMBER_MIN or (length >= DIGITS_MIN and bool(_IS.search(text, 0, match.start())))
    return (
        length >= LENGTH_MIN
        or bool(_OF_A_PERSON.search(text, 0, match.start()))
        or bool(_HAS.match(text, match.end()))
    )
