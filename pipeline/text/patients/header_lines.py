"""What the header lines of a note's text say of its patient: "Patient: ...", "NOWAK, EVA", "DOB: ...", "Sex: F".

Decides which labels are the patient's, and where the value behind one ends. A bare "Name:" is the patient's only where
the lines around it are not about someone else. Two headers that name two people name no one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from pipeline.patients import PatientFact, PersonName
from pipeline.text.patients.bystanders import is_among_others, is_of_someone_else
from pipeline.text.patients.person_name import parse_name
from pipeline.text.patients.record_fields import age_in_words, birth_date, sex_of

HEADER_CHARACTERS = 1_200
"""How much of a note's beginning may be its header."""
NAMES_MAX = 5
_MARK = re.compile(r"[:#=|]")
_LABEL = re.compile(
    r"(?:^|[\n\r\t;|]|[ ]{2}|[\d,][ ])[ \t*#>•-]*"
    r"(?:(?:patient|pt|resident|client)(?:['’]?s)?(?:[ \t]+(?:full[ \t]+)?name)?"
    r"|name[ \t]+of[ \t]+(?:the[ \t]+)?patient|(?P<bare>name))[ \t*]*$",
    re.IGNORECASE,
)
_LABEL_ENDS = (
    "atient",
    "name",
    "pt",
    "sident",
    "client",
    "nt's",
    "nt’s",
    "name*",
    "ent*",
    "me**",
    "nt**",
    "name ",
    "tient ",
)
LABEL_CHARACTERS_MAX = 30
_VALUE = re.compile(r"[ \t*:]*(?P<value>[^\n\r]{1,120})")
_REGARDING = re.compile(r"(?:^|\n)RE:[ \t]*(?P<value>[^\n\r]{3,80})")
"""Of a letter; a name only where a birth date or a number follows."""
_VALUE_ENDS = re.compile(
    r"[ ]{2,}|\t|[|;(\[:]|\.(?=\s|$)(?<!\b\w\.)(?<!\b[MDJS][rs]\.)(?<!\bMrs\.)"
    r"|[\s,]*\b(?:MRN?|DOB|D\.O\.B|Date|Age|Aged|Sex|Gender|Room|Rm|Account|Acct|Unit|Location|Physician|Attending"
    r"|Provider|Admi\w+|Visit|ID|SSN|Phone|Address|Female|Male|born|Birth\w*|Bed|Ward|Service|NHS|is|was|has|presents"
    r"|Medical|Hospital|Number|Patient)\b|[\s,#-]+\d",
    re.IGNORECASE,
)
_IN_A_LIST = re.compile(
    r"\s*(?P<value>[^\W\d_][\w'’ -]{1,40},[ ]?[^\W\d_][\w'’. -]{0,40}?)[ \t]*"
    r"(?=$|[\n\r(;|]|\.(?:\s|$)|[ ]-\s|,?[ \t]*(?:MRN|DOB|D\.O\.B)|[ \t]+#?\d)"
)
_BORN = re.compile(
    r"\b(?:DOB|D\.O\.B|date[ ]of[ ]birth|birth[ ]?date|born(?:[ ]on)?)(?!\w)\.?[ \t*|]*[:#=-]?[ \t*]*"
    r"(?P<value>\d{4}-\d{2}-\d{2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\d{1,2}[ -][^\W\d_]{3,9}[ ,.-]+\d{4}"
    r"|[^\W\d_]{3,9}\.?[ ]\d{1,2},?[ ]\d{4})(?!\d)",
    re.IGNORECASE,
)
_SEX = re.compile(r"\b(?:sex|gender)[ \t*]*[:=][ \t*]*(?P<value>female|male|f|m)\b", re.IGNORECASE)
_AGE = re.compile(
    r"\bage[ \t*]*[:=][ \t*]*(?P<number>\d{1,3})(?!\d)[ \t-]*(?P<unit>years?|yrs?|y|months?|mos?|weeks?|wks?|days?)?\b",
    re.IGNORECASE,
)
_LABELS_OF = {
    "birth date": {
        each: re.compile(rf"{re.escape(each)}(?!\w)")
        for each in ("birth", "birthdate", "dob", "born", "d.o.b")
    },
    "sex": {each: re.compile(rf"{each} ?[:*=]") for each in ("sex", "gender")},
    "age": {"age": re.compile(r"age ?[:*=/]")},
}
"""Looked for first, in small letters: one after the other is faster than all in one expression, and the word before
what stands behind it."""
_AGE_AND_SEX = re.compile(
    r"\bage/(?:sex|gender)[ \t]*:[ \t]*(?P<number>\d{1,3})[ \t]*y?[ \t]*/?[ \t]*(?P<sex>female|male|f|m)\b",
    re.IGNORECASE,
)


def facts_of_header(text: str) -> Iterator[PatientFact]:
    """What the first HEADER_CHARACTERS of a text say under labels."""
    head = text[:HEADER_CHARACTERS]
    yield from _names(head)
    small = head.lower()
    for kind, read in (("birth date", _birth_date), ("sex", _sex), ("age", _age)):
        if any(word in small and label.search(small) for word, label in _LABELS_OF[kind].items()):
            yield from read(head)


def _names(head: str) -> Iterator[PatientFact]:
    for label, bare, end in islice(_labels(head), NAMES_MAX):
        value = _VALUE.match(head, end)
        if value is None or (bare and (is_among_others(head, label) or _other_label_above(head, label))):
            continue
        yield from _named(value)
    if (match := _IN_A_LIST.match(head)) and "," in match["value"]:
        yield from _named(match)
    if "\nRE:" in head or head.startswith("RE:"):
        match = _REGARDING.search(head)
        if match and _BORN.search(head, match.start(), match.end() + 80):
            yield from _named(match)


def _labels(head: str) -> Iterator[tuple[int, bool, int]]:
    """Where a label of a name begins, whether it says not whose, and where its value begins."""
    for mark in _MARK.finditer(head):
        at = mark.start()
        if head[max(0, at - 6) : at].lower().endswith(_LABEL_ENDS):
            begin = max(0, at - LABEL_CHARACTERS_MAX)
            if label := _LABEL.search(head[begin:at]):
                yield begin + label.start(), bool(label["bare"]), mark.end()


def _named(match: re.Match[str]) -> Iterator[PatientFact]:
    value = match["value"]
    end = _VALUE_ENDS.search(value)
    written = (value[: end.start()] if end else value).rstrip(" ,.*-_")
    name = parse_name(written)
    if name is not None and _is_whole(name):
        start = match.start("value")
        yield PatientFact("name", name.text, "header", start, start + len(written), name)


def _is_whole(name: PersonName) -> bool:
    """A label with one word behind it may be anything: "Patient: Stable"."""
    return bool(name.given and name.family)


def _other_label_above(head: str, at: int) -> bool:
    """Whether the line above says that what follows is about someone else: "Emergency contact", "Referring:"."""
    above = head[:at].rstrip().rpartition("\n")[2]
    return is_of_someone_else(f"{above} ", len(above) + 1, len(above) + 1)


def _birth_date(head: str) -> Iterator[PatientFact]:
    for match in _BORN.finditer(head):
        if is_of_someone_else(head, match.start(), match.end()) or is_among_others(head, match.start()):
            continue
        if (born := birth_date(match["value"])) is not None:
            yield PatientFact("birth_date", born, "header", *match.span("value"))


def _sex(head: str) -> Iterator[PatientFact]:
    for match in _SEX.finditer(head):
        if not is_of_someone_else(head, match.start(), match.end()) and (said := sex_of(match["value"])):
            yield PatientFact("sex", said, "header", *match.span("value"))


def _age(head: str) -> Iterator[PatientFact]:
    if match := _AGE_AND_SEX.search(head):
        if age := age_in_words(int(match["number"]), "years"):
            yield PatientFact("age", age, "header", *match.span("number"))
        if said := sex_of(match["sex"]):
            yield PatientFact("sex", said, "header", *match.span("sex"))
        return
    match = _AGE.search(head)
    if match is None or is_of_someone_else(head, match.start(), match.end()):
        return
    if age := age_in_words(int(match["number"]), match["unit"] or "years"):
        yield PatientFact("age", age, "header", match.start("number"), match.end())
