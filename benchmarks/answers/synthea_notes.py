"""Reads Synthea's notes back into facts. Synthea writes each from a template, so that every line is one of those below;
a note with another line ends the run. Refuses to know what is asked of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
Span: TypeAlias = tuple[str, str]
"""A note and words that stand in it."""

VACCINES = {
    "influenza, seasonal, injectable, preservative free": "influenza",
    "meningococcal mcv4p": "meningococcal",
    "td (adult) preservative free": "td",
    "hep b, adult": "hep b",
    "hep a, adult": "hep a",
    "zoster": "zoster",
    "hpv, quadrivalent": "hpv",
    "pneumococcal conjugate pcv 13": "pneumococcal conjugate",
    "pneumococcal polysaccharide vaccine, 23 valent": "pneumococcal polysaccharide",
    "sars-cov-2 (covid-19) vaccine, mrna, spike protein, lnp, preservative free, 30 mcg/0.3ml dose": "30 mcg",
    "sars-cov-2 (covid-19) vaccine, mrna, spike protein, lnp, preservative free, 100 mcg/0.5ml dose": "100 mcg",
    "sars-cov-2 (covid-19) vaccine, vector non-replicating, recombinant spike protein-ad26, preservative free, "
    "0.5 ml": "ad26",
}
"""As notes name them, to a word that a statement must say."""
SAID_OF = {
    "smoking": r"is an active smoker|has never smoked|quite smoking at age \d+",
    "alcohol": r"is an alcoholic",
    "marriage": r"Patient is (?:married|single)\.",
    "background": r"Patient comes from a (?:low|middle|high) socioeconomic background\.",
    "schooling": r"Patient (?:has completed some college courses|did not finish high school"
    r"|has a high school education|is a college graduate)\.",
    "insurance": r"Patient currently has [\w ]+\.",
    "age": r"\d+ year-old",
    "race": r"non-hispanic (?:white|asian|black)",
    "allergies": r"No Known Allergies\.",
    "medications": r"(?<=# Medications\n).+",
    "condition": r"Patient is presenting with [\w ]+\.",
    "immunizations": r"Patient was given the following immunizations: .+\.",
    "complaint": r"No complaints\.",
}
"""Fact to how a note words it, at most once."""
LISTED = re.compile(r"^- (.+)$", re.MULTILINE)
KNOWN_LINE = re.compile(
    r"\d{4}-\d\d-\d\d|#+ [A-Z].*|[A-Z][a-z]+\d+|is a \d+ year-old non-hispanic \w+ (?:fe)?male\."
    r"|Patient .*|The (?:following procedures were conducted|patient was prescribed the following medications):"
    r"|- .*|No (?:complaints|Known Allergies|Active Medications)\.|[a-z\d].* (?:injection|solution|syringe)"
)


@dataclass(frozen=True)
class Visit:
    """One note, read back."""

    note_id: str
    date: str
    said: Mapping[str, str]
    """Fact to the words of the note that state it."""
    vaccines: tuple[str, ...]
    procedures: tuple[str, ...]
    prescribed: tuple[str, ...]

    def span(self, fact: str) -> Span:
        return self.note_id, self.said[fact]

    def value(self, fact: str) -> str:
        """What a statement must say of the fact."""
        words = self.said[fact]
        if fact == "insurance":
            return words.removeprefix("Patient currently has ").rstrip(".")
        if fact == "condition":
            return words.removeprefix("Patient is presenting with ").rstrip(".")
        return words.removeprefix("Patient ").rstrip(".")


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    female: bool
    visits: tuple[Visit, ...]
    """Oldest first."""

    @property
    def dates(self) -> dict[str, int]:
        """How many notes each day has."""
        return Counter(visit.date for visit in self.visits)

    def having(self, fact: str) -> list[Visit]:
        return [visit for visit in self.visits if fact in visit.said]


@dataclass(frozen=True)
class Tables:
    """What is known beside the notes, by patient."""

    visits: Mapping[str, Sequence[str]]
    """Days of encounters."""
    observed: Mapping[str, Sequence[str]]
    conditions: Mapping[str, Sequence[str]]


def person_of(notes: Sequence[Row]) -> Person:
    visits = sorted(map(visit_of, notes), key=lambda visit: visit.date)
    first = notes[0]
    return Person(first["patient_id"], first["patient_name"], first["patient_sex"] == "female", tuple(visits))


def visit_of(note: Row) -> Visit:
    text = str(note["text_content"])
    for line in filter(None, map(str.strip, text.splitlines())):
        if not KNOWN_LINE.fullmatch(line):
            raise ValueError(f"note {note['resource_id']}: a line that no template of Synthea writes")
    said = {
        fact: found.group().strip()
        for fact, form in SAID_OF.items()
        if (found := re.search(form, text)) is not None
    }
    said["date"] = text[:10]
    procedures, _, prescribed = text.partition("was prescribed the following medications:")
    return Visit(
        note["resource_id"],
        note["date"][:10],
        said,
        tuple(_vaccines(said.get("immunizations", ""))),
        tuple(LISTED.findall(procedures)),
        tuple(LISTED.findall(prescribed)),
    )


def _vaccines(line: str) -> Iterator[str]:
    """The vaccines of a line, whose names have commas in them."""
    rest = line.partition(": ")[2].rstrip(". ")
    while rest:
        name = next((each for each in VACCINES if rest.startswith(each.rstrip(".")[: len(rest)])), None)
        if name is None:
            raise ValueError(f"a vaccine that is not known: {rest}")
        yield name
        rest = rest.removeprefix(name).removeprefix(", ")
