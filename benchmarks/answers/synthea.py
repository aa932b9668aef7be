"""Makes the set `synthea`: questions with exact truth over notes that Synthea wrote from its own tables.

`python -m benchmarks.answers.synthea --data ../shared/data --out benchmarks/answers/synthea`

Synthea writes each note from a template, so a note is read back without doubt: every line is one of those below, and
a note with another line ends the run. What tables and bundles hold and no note says (weights, pulses, visits without a
note, conditions of long ago) makes the questions whose truth is "not stated". Decides which questions are asked, in
which words, and how a patient is named, all by one seed. Refuses to know how answers are judged. Patients are split,
not questions: no one of the held split is in the development split.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, TypeAlias

SEED = 12
HELD = 8
"""Patients of the held split."""
VISITS_ASKED = 6
"""Visits of each patient that are asked about one by one."""
NOT_STATED_ASKED = 6
"""Questions a patient and kind whose truth is that no note says it."""
RICH = {"development": "a4abb8bd-c78c-e552-3037-471a46cac3c7", "held": "0724714f-947b-6cab-ee85-b0de7a9ad3f7"}
"""The only patients with procedures and prescriptions, and with a list of medications: one a split."""

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
ASKED_AS = {
    "influenza": "an influenza vaccine",
    "meningococcal": "a meningococcal vaccine",
    "td": "a Td vaccine",
    "hep b": "a hepatitis B vaccine",
    "hep a": "a hepatitis A vaccine",
    "zoster": "a zoster vaccine",
    "hpv": "an HPV vaccine",
    "pneumococcal conjugate": "a pneumococcal vaccine",
    "pneumococcal polysaccharide": "a pneumococcal vaccine",
    "30 mcg": "a COVID-19 vaccine",
    "100 mcg": "a COVID-19 vaccine",
    "ad26": "a COVID-19 vaccine",
}
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
OBSERVED = {
    "Weight": "weight",
    "Height": "height",
    "PULSE": "pulse",
    "TEMPERATURE": "temperature",
    "BLOOD OXYGEN SATURATION": "oxygen saturation",
    "HIV viral load": "HIV viral load",
}
CONDITIONS_ASKED = ("diabetes", "asthma", "coronary heart disease", "a stroke", "cardiac arrest", "gout")
STRANGERS = ("Harold Finch", "Marisol Vega", "Tobias Lindqvist")

Row: TypeAlias = dict[str, Any]
Span: TypeAlias = tuple[str, str]


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


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the set of questions over Synthea's notes.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with notes/ and synthea_csv/")
    parser.add_argument("--out", type=Path, required=True, help="the set's folder")
    options = parser.parse_args()
    records = _records(options.data)
    tables = _tables(options.data)
    for split, people in _splits(records).items():
        folder = options.out / split
        folder.mkdir(parents=True, exist_ok=True)
        ids = {person.id for person in people}
        _write(folder / "notes.jsonl", (record for record in records if record["patient_id"] in ids))
        _write(folder / "questions.jsonl", _questions(split, people, tables))


def _write(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


# --- what is known


def _records(data: Path) -> list[Row]:
    """The notes as they are indexed, each with the name that its patient's record has."""
    people = {row["id"]: row for row in _table(data, "patients")}
    text = (data / "notes" / "synthea_notes.jsonl").read_text(encoding="utf-8")
    return [
        {
            "resource_id": note["id"],
            "patient_id": note["patient_id"],
            "patient_name": people[note["patient_id"]]["name"],
            "patient_sex": people[note["patient_id"]]["gender"],
            "patient_birth_date": people[note["patient_id"]]["birthDate"],
            "document_type": note["type"],
            "date": note["date"],
            "author": note["author"],
            "encounter_id": note["encounter_id"],
            "text_content": note["text"],
        }
        for note in map(json.loads, text.splitlines())
    ]


def _table(data: Path, name: str) -> list[dict[str, str]]:
    with (data / "synthea_csv" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _tables(data: Path) -> Tables:
    visits, observed, conditions = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in _table(data, "encounters"):
        visits[row["patient"]].append(row["start"][:10])
    for row in _table(data, "observations"):
        if row["display"] in OBSERVED:
            observed[row["patient"]].append(OBSERVED[row["display"]])
    for row in _table(data, "conditions"):
        conditions[row["patient"]].append(row["display"].lower())
    return Tables(visits, observed, conditions)


def _splits(records: Sequence[Row]) -> dict[str, list[Person]]:
    people = [_person(list(notes)) for _, notes in groupby(records, key=lambda record: record["patient_id"])]
    others = sorted((each for each in people if each.id not in RICH.values()), key=lambda each: each.id)
    random.Random(SEED).shuffle(others)
    rich = {split: [each for each in people if each.id == id_] for split, id_ in RICH.items()}
    return {
        "development": rich["development"] + others[HELD - 1 :],
        "held": rich["held"] + others[: HELD - 1],
    }


def _person(notes: Sequence[Row]) -> Person:
    visits = sorted(map(_visit, notes), key=lambda visit: visit.date)
    first = notes[0]
    return Person(first["patient_id"], first["patient_name"], first["patient_sex"] == "female", tuple(visits))


def _visit(note: Row) -> Visit:
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


# --- what is asked


def _questions(split: str, people: Sequence[Person], tables: Tables) -> Iterator[Row]:
    chance = random.Random(f"{SEED} {split}")
    asked = [
        *(row for person in people for row in _of_person(person, tables, people, chance)),
        *_of_all(people),
        *_of_nobody(chance),
    ]
    for number, row in enumerate(asked, start=1):
        yield {"id": f"{split[0]}{number:04d}", **row}


def _of_person(
    person: Person, tables: Tables, people: Sequence[Person], chance: random.Random
) -> Iterator[Row]:
    voice = Voice(person, chance)
    yield from _lasting(voice)
    yield from _latest_and_first(voice)
    yield from _courses(voice)
    yield from _vaccinations(voice)
    yield from _treatments(voice)
    alone = [visit for visit in person.visits if person.dates[visit.date] == 1]
    for visit in sorted(chance.sample(alone, VISITS_ASKED), key=lambda each: each.date):
        yield from _of_visit(voice, visit)
    yield from _comparisons(voice)
    yield from _not_stated(voice, tables, people)


class Voice:
    """Words a question about one patient: who is meant by name, by id, by a filter or by the question before."""

    def __init__(self, person: Person, chance: random.Random) -> None:
        self.person = person
        self.chance = chance
        self._named = (
            self._by_name,
            self._by_name,
            self._by_id,
            self._by_filter,
            self._by_conversation,
        )

    def row(
        self, shape: str, kind: str, forms: Sequence[str], items: Sequence[Row], *traps: str, **more: Any
    ) -> Row:
        """`forms`: ways to ask, with {who}, {whose}, {whom} and {date}."""
        words, extra = self.chance.choice(self._named)()
        found: list[str] = [*traps, *extra.pop("traps", [])]
        return {
            "shape": shape,
            "kind": kind,
            "question": self.chance.choice(list(forms)).format(**words, **more.pop("words", {})),
            "patients": [self.person.id],
            "expect": "answer" if items else "not_stated",
            "items": list(items),
            **({"traps": found + ([] if items else ["unanswerable"])} if found or not items else {}),
            **extra,
            **more,
        }

    def _by_name(self) -> tuple[dict[str, str], Row]:
        return _words(self.person.name), {}

    def _by_id(self) -> tuple[dict[str, str], Row]:
        return _words(f"patient {self.person.id}"), {}

    def _by_filter(self) -> tuple[dict[str, str], Row]:
        return _words("the patient"), {"limited_to": [self.person.id]}

    def _by_conversation(self) -> tuple[dict[str, str], Row]:
        who, whose, whom = ("she", "her", "her") if self.person.female else ("he", "his", "him")
        before = f"What insurance does {self.person.name} have?"
        return {"who": who, "whose": whose, "whom": whom}, {"earlier": [before], "traps": ["follow_up"]}


def _words(name: str) -> dict[str, str]:
    return {"who": name, "whose": f"{name}'s", "whom": name}


def _item(spans: Iterable[Span], *say: str | Sequence[str]) -> Row:
    return {"say": [[each] if isinstance(each, str) else list(each) for each in say], "spans": list(spans)}


def _all_of(voice: Voice, fact: str, *say: str) -> list[Row]:
    """One item that any visit stating the fact proves."""
    return [_item((visit.span(fact) for visit in voice.person.having(fact)), *say)]


def _lasting(voice: Voice) -> Iterator[Row]:
    """What every note says the same."""
    person = voice.person
    race = person.visits[0].said["race"].split()[-1]
    yield voice.row(
        "fact", "social", ["What is {whose} race?", "What race is {who}?"], _all_of(voice, "race", race)
    )
    background = person.visits[0].value("background").split()[3]
    yield voice.row(
        "fact",
        "social",
        ["What is {whose} socioeconomic background?", "From which socioeconomic background does {who} come?"],
        _all_of(voice, "background", background),
    )
    yield voice.row(
        "list",
        "allergy",
        ["What allergies does {who} have?", "What is {who} allergic to?", "List {whose} allergies."],
        _all_of(voice, "allergies", "no"),
        "negation",
    )
    for drug in ("penicillin", "aspirin", "latex"):
        yield voice.row(
            "yes_no",
            "allergy",
            [f"Is {{who}} allergic to {drug}?", f"Does {{who}} have an allergy to {drug}?"],
            _all_of(voice, "allergies", "no"),
            "negation",
            verdict="no",
        )
    smoked = {visit.value("smoking") for visit in person.having("smoking")}
    if smoked == {"is an active smoker"}:
        yield voice.row(
            "yes_no",
            "social",
            ["Does {who} smoke?", "Is {who} a smoker?"],
            _all_of(voice, "smoking", "smoker"),
            verdict="yes",
        )
    drinks = person.having("alcohol")
    if len(drinks) == len(person.visits):
        yield voice.row(
            "yes_no",
            "social",
            ["Is {who} an alcoholic?"],
            _all_of(voice, "alcohol", "alcoholic"),
            verdict="yes",
        )
    married = {visit.said["marriage"] for visit in person.having("marriage")}
    for said in married:
        yield voice.row(
            "yes_no",
            "social",
            ["Is {who} married?"],
            _all_of(voice, "marriage"),
            verdict="yes" if "married" in said else "no",
        )


LASTING = {
    "insurance": ("social", ["What is {whose} latest insurance?", "Which insurance does {who} have now?"]),
    "schooling": ("social", ["What education does {who} have?", "How far did {who} get at school?"]),
}


def _latest_and_first(voice: Voice) -> Iterator[Row]:
    for fact, (kind, forms) in LASTING.items():
        visits = voice.person.having(fact)
        if not visits:
            continue
        value = visits[-1].value(fact)
        run = [visit for visit in visits if visit.value(fact) == value]
        others = sorted({visit.value(fact) for visit in visits} - {value})
        yield voice.row("latest", kind, forms, [_item((v.span(fact) for v in run), value)], wrong=others)
    insured = voice.person.having("insurance")
    first = insured[0].value("insurance")
    others = sorted({visit.value("insurance") for visit in insured} - {first})
    spans = [visit.span("insurance") for visit in insured if visit.value("insurance") == first]
    forms = [
        "What was the first insurance on record of {whom}?",
        "What was {whose} insurance at the first visit?",
    ]
    yield voice.row("first", "social", forms, [_item(spans, first)], wrong=others)
    last = voice.person.visits[-1]
    yield voice.row(
        "latest",
        "whole_visit",
        ["How old was {who} at the last visit?", "What was {whose} age when last seen?"],
        [_item([last.span("age")], last.said["age"].split()[0])],
        wrong=[visit.said["age"] for visit in voice.person.visits[:-1]],
    )
    yield voice.row("summarise", "whole_visit", ["Summarise {whose} last visit."], _summary(last))


def _courses(voice: Voice) -> Iterator[Row]:
    """How things changed from visit to visit."""
    for fact, forms in {
        "insurance": [
            "How has {whose} insurance changed over the visits?",
            "Which insurances has {who} had over time?",
        ],
        "smoking": ["How has {whose} smoking changed over time?"],
    }.items():
        visits = voice.person.having(fact)
        by_value: dict[str, list[Span]] = {}
        for visit in visits:
            by_value.setdefault(visit.value(fact), []).append(visit.span(fact))
        if len(by_value) > 1:
            items = [_item(spans, value) for value, spans in by_value.items()]
            yield voice.row("trend", "social", forms, items)
    if len(voice.person.dates) == len(voice.person.visits):
        yield voice.row(
            "count",
            "whole_visit",
            ["How many visits of {who} are in the notes?", "How often was {who} seen, by the notes?"],
            [_item([visit.span("date")]) for visit in voice.person.visits],
            count=len(voice.person.visits),
        )


def _vaccinations(voice: Voice) -> Iterator[Row]:
    given: dict[str, list[Visit]] = {}
    for visit in voice.person.visits:
        for word in dict.fromkeys(ASKED_AS[VACCINES[name]] for name in visit.vaccines):
            given.setdefault(word, []).append(visit)
    for word, visits in given.items():
        spans = [visit.span("immunizations") for visit in visits]
        yield voice.row(
            "yes_no",
            "procedure",
            [f"Has {{who}} ever been given {word}?", f"Did {{who}} get {word}?"],
            [_item(spans, _said(word))],
            verdict="yes",
        )
        others = [visit.date for visit in visits]
        yield voice.row(
            "latest",
            "procedure",
            [f"When was {{who}} last given {word}?"],
            [_item(_dated(visits[-1]))],
            wrong=others[:-1],
        )
        yield voice.row(
            "first",
            "procedure",
            [f"When was {{who}} first given {word}?"],
            [_item(_dated(visits[0]))],
            wrong=others[1:],
        )
        yield voice.row(
            "count",
            "procedure",
            [f"How many times was {{who}} given {word}?"],
            [_item(_dated(visit)) for visit in visits],
            count=len(visits),
        )
    names = {
        name: [visit.span("immunizations") for visit in voice.person.visits if name in visit.vaccines]
        for name in dict.fromkeys(name for visit in voice.person.visits for name in visit.vaccines)
    }
    yield voice.row(
        "list",
        "procedure",
        ["Which immunizations has {who} had?", "List all of {whose} vaccinations."],
        [_item(spans, VACCINES[name]) for name, spans in names.items()],
    )


def _said(word: str) -> str | tuple[str, ...]:
    said = tuple(value for value, asked in ASKED_AS.items() if asked == word)
    return ("covid-19",) if "COVID" in word else said


def _dated(visit: Visit) -> list[Span]:
    return [visit.span("date"), visit.span("immunizations")]


def _treatments(voice: Voice) -> Iterator[Row]:
    """Conditions, procedures, medications: few patients have any."""
    person = voice.person
    last = person.visits[-1]
    listed = re.split(r"; ", last.said["medications"])
    forms = [
        "What medications is {who} on?",
        "Which medications does {who} take?",
        "List {whose} medications.",
    ]
    spans = [(visit.note_id, visit.said["medications"]) for visit in person.visits]
    prescribed = any(visit.prescribed for visit in person.visits)
    if listed == ["No Active Medications."] and not prescribed:
        nothing = [_item(spans, "no")]
        yield voice.row("list", "medication", forms, nothing, "negation")
        for drug in ("warfarin", "metformin"):
            yield voice.row(
                "yes_no", "medication", [f"Is {{who}} taking {drug}?"], nothing, "negation", verdict="no"
            )
    elif not prescribed:
        yield voice.row(
            "list", "medication", forms, [_item(spans, each.split(" ml ")[-1]) for each in listed]
        )
        for each in listed:
            drug = next(word for word in each.split() if word.isalpha() and word not in ("ml", "mg"))
            yield voice.row(
                "yes_no", "medication", [f"Is {{who}} taking {drug}?"], [_item(spans, drug)], verdict="yes"
            )
            dose = re.search(r"\d+ mg/ml", each)
            if dose:
                yield voice.row(
                    "fact",
                    "medication",
                    [f"What is the strength of {{whose}} {drug}?"],
                    [_item(spans, drug, dose.group())],
                )
    for visit in person.having("condition"):
        name = visit.value("condition")
        item = [_item([visit.span("condition")], name)]
        yield voice.row(
            "yes_no",
            "problem",
            [f"Does {{who}} have {name}?", f"Has {{who}} had {name}?"],
            item,
            verdict="yes",
        )
        yield voice.row(
            "first",
            "problem",
            [f"When did {{who}} present with {name}?", f"When was {name} noted in {{whose}} notes?"],
            [_item([visit.span("date"), visit.span("condition")])],
        )
        yield voice.row(
            "list", "problem", ["What conditions does {who} have?", "List {whose} diagnoses."], item
        )
    yield from _done_and_prescribed(voice)


def _done_and_prescribed(voice: Voice) -> Iterator[Row]:
    person = voice.person
    done: dict[str, list[Visit]] = {}
    for visit in person.visits:
        for name in visit.procedures:
            done.setdefault(name, []).append(visit)
        if visit.prescribed:
            items = [_item([(visit.note_id, name)], name.split()[0]) for name in visit.prescribed]
            yield voice.row("list", "medication", ["Which medications were prescribed to {whom}?"], items)
            for name in visit.prescribed:
                drug, dose = name.split()[0], re.search(r"[\d.]+ mg", name)
                yield voice.row(
                    "fact",
                    "medication",
                    [
                        f"What dose of {drug} was prescribed to {{whom}}?",
                        f"How much {drug} was {{who}} prescribed?",
                    ],
                    [_item([(visit.note_id, name)], dose.group() if dose else drug)],
                )
    if not done:
        return
    items = [_item(((v.note_id, name) for v in visits), name) for name, visits in done.items()]
    yield voice.row(
        "list", "procedure", ["Which procedures has {who} had?", "List {whose} procedures."], items
    )
    for name, visits in done.items():
        dates = [visit.date for visit in visits]
        places = [[visit.span("date"), (visit.note_id, name)] for visit in visits]
        yield voice.row(
            "yes_no",
            "procedure",
            [f"Has {{who}} had {name}?"],
            [_item((spans[1] for spans in places), name)],
            verdict="yes",
        )
        yield voice.row(
            "count",
            "procedure",
            [f"How many times did {{who}} have {name}?"],
            [_item(spans) for spans in places],
            count=len(visits),
        )
        for shape, word, at in (("latest", "last", -1), ("first", "first", 0)):
            wrong = [date for date in dates if date != dates[at]]
            yield voice.row(
                shape,
                "procedure",
                [f"When did {{who}} {word} have {name}?"],
                [_item(places[at])],
                wrong=wrong,
            )


def _of_visit(voice: Voice, visit: Visit) -> Iterator[Row]:
    """What one visit of several says: the date decides."""
    when = {"words": {"date": voice.chance.choice([visit.date, _written(visit.date)])}}
    insured = visit.value("insurance")
    others = {each.value("insurance") for each in voice.person.having("insurance")}
    yield voice.row(
        "fact",
        "social",
        ["What insurance did {who} have on {date}?", "Who insured {whom} at the visit of {date}?"],
        [_item([visit.span("insurance")], insured)],
        wrong=sorted(others - {insured}),
        **when,
    )
    age = visit.said["age"].split()[0]
    yield voice.row(
        "fact",
        "whole_visit",
        ["How old was {who} on {date}?", "What was {whose} age at the visit of {date}?"],
        [_item([visit.span("age")], age)],
        wrong=[each.said["age"] for each in voice.person.visits if each.said["age"] != visit.said["age"]],
        **when,
    )
    if visit.vaccines:
        yield voice.row(
            "list",
            "procedure",
            ["Which immunizations was {who} given on {date}?", "What was {who} vaccinated with on {date}?"],
            [_item([visit.span("immunizations")], VACCINES[name]) for name in visit.vaccines],
            **when,
        )
    if "smoking" in visit.said:
        yield voice.row(
            "fact",
            "social",
            ["What was {whose} smoking status on {date}?"],
            [_item([visit.span("smoking")], ["smoker", "smoked", "smoking"])],
            **when,
        )
    forms = ["Summarise the visit of {whom} on {date}.", "What happened at {whose} visit on {date}?"]
    yield voice.row("summarise", "whole_visit", forms, _summary(visit), **when)


def _summary(visit: Visit) -> list[Row]:
    facts = ("complaint", "age", "allergies", "medications", "condition")
    items = [_item([visit.span(fact)]) for fact in facts if fact in visit.said]
    items += [_item([visit.span("immunizations")], VACCINES[name]) for name in visit.vaccines[:1]]
    items += [_item([(visit.note_id, name)], name) for name in visit.procedures + visit.prescribed]
    return items


def _comparisons(voice: Voice) -> Iterator[Row]:
    changes = [
        (before, after)
        for before, after in pairwise(voice.person.having("insurance"))
        if before.value("insurance") != after.value("insurance") and before.date != after.date
    ]
    for before, after in voice.chance.sample(changes, min(2, len(changes))):
        items = [_item([each.span("insurance")], each.value("insurance")) for each in (before, after)]
        yield voice.row(
            "compare",
            "social",
            [f"Compare {{whose}} insurance on {before.date} and on {after.date}."],
            items,
        )
    visits = [visit for visit in voice.person.visits if visit.vaccines]
    for before, after in voice.chance.sample(list(pairwise(visits)), min(2, len(visits) - 1)):
        items = [
            _item([each.span("immunizations")], VACCINES[name])
            for each in (before, after)
            for name in each.vaccines
        ]
        yield voice.row(
            "compare",
            "procedure",
            [f"Compare the immunizations that {{who}} was given on {before.date} and on {after.date}."],
            items,
        )


def _not_stated(voice: Voice, tables: Tables, people: Sequence[Person]) -> Iterator[Row]:
    person, chance = voice.person, voice.chance
    noted = {visit.date for visit in person.visits}
    for what in sorted(set(tables.observed.get(person.id, ())))[:NOT_STATED_ASKED]:
        yield voice.row(
            "latest", "vital", [f"What was {{whose}} {what}?", f"What is {{whose}} latest {what}?"], []
        )
    without = sorted(set(tables.visits.get(person.id, ())) - noted)
    for date in chance.sample(without, min(NOT_STATED_ASKED, len(without))):
        forms = ["What insurance did {who} have on {date}?", "Which immunizations was {who} given on {date}?"]
        yield voice.row("fact", "social", forms, [], words={"date": date})
    said = {visit.value("condition") for visit in person.having("condition")}
    elsewhere = {v.value("condition") for other in people for v in other.having("condition")}
    asked = sorted(elsewhere | {*CONDITIONS_ASKED} | {*tables.conditions.get(person.id, ())})
    for name in asked:
        if name.removeprefix("a ") not in said and not name.startswith("history of"):
            traps = ["other_patient"] if name in elsewhere else []
            yield voice.row("yes_no", "problem", [f"Has {{who}} had {name}?"], [], *traps)
    vaccines = {ASKED_AS[VACCINES[name]] for visit in person.visits for name in visit.vaccines}
    for word in sorted(set(ASKED_AS.values()) - vaccines)[:NOT_STATED_ASKED]:
        yield voice.row("yes_no", "procedure", [f"Has {{who}} ever been given {word}?"], [], "other_patient")
    if not any(visit.procedures for visit in person.visits):
        yield voice.row("list", "procedure", ["Which operations has {who} had?"], [], "other_patient")
    yield voice.row(
        "list",
        "family",
        ["Which illnesses run in {whose} family?", "What did {whose} mother die of?"],
        [],
        "family",
    )
    yield voice.row("latest", "vital", ["What was {whose} blood pressure?"], [])
    yield voice.row("list", "laboratory", ["What were {whose} laboratory results?"], [])


def _written(date: str) -> str:
    months = "January February March April May June July August September October November December".split()
    year, month, day = map(int, date.split("-"))
    return f"{months[month - 1]} {day}, {year}"


# --- of all patients, and of nobody


def _of_all(people: Sequence[Person]) -> Iterator[Row]:
    insurers = sorted({v.value("insurance") for each in people for v in each.having("insurance")})
    for name in insurers:
        yield from _cohort(
            people,
            "social",
            f"have ever had {name}" if name.isupper() else f"have ever had {name} insurance",
            _states("insurance", f"has {name}."),
            "insurance",
        )
    for phrase, kind, fact, value in (
        ("are married", "social", "marriage", "married"),
        ("are single", "social", "marriage", "single"),
        ("did not finish high school", "social", "schooling", "did not finish high school"),
        ("are college graduates", "social", "schooling", "is a college graduate"),
        ("have had tuberculosis", "problem", "condition", "tuberculosis"),
        ("have had atrial fibrillation", "problem", "condition", "atrial fibrillation"),
        ("are asian", "social", "race", "asian"),
        ("are black", "social", "race", "black"),
        ("come from a low socioeconomic background", "social", "background", "low"),
        ("come from a high socioeconomic background", "social", "background", "high"),
        ("have ever smoked", "social", "smoking", "active smoker"),
        ("take epinephrine", "medication", "medications", "epinephrine"),
        ("have known allergies", "allergy", "allergies", "allergic to"),
        ("have diabetes", "problem", "condition", "diabetes"),
        ("take metformin", "medication", "medications", "metformin"),
    ):
        yield from _cohort(
            people,
            kind,
            phrase,
            _states(fact, value),
            fact,
        )
    for word in sorted(set(ASKED_AS.values())):
        yield from _cohort(
            people,
            "procedure",
            f"were given {word}",
            partial(_gave, word),
            "immunizations",
        )
    for name in ("electrical cardioversion", "catheter ablation"):
        yield from _cohort(
            people,
            "procedure",
            f"have had {name}",
            partial(_did, name),
            name,
        )


def _states(fact: str, words: str) -> Callable[[Visit], bool]:
    return lambda visit: words in visit.said.get(fact, "")


def _gave(word: str, visit: Visit) -> bool:
    return word in {ASKED_AS[VACCINES[name]] for name in visit.vaccines}


def _did(name: str, visit: Visit) -> bool:
    return any(name in each for each in visit.procedures)


def _cohort(
    people: Sequence[Person], kind: str, phrase: str, holds: Callable[[Visit], bool], fact: str
) -> Iterator[Row]:
    """Who, and how many."""
    items = [
        _item(visit.span(fact) if fact in visit.said else (visit.note_id, fact) for visit in found)
        for each in people
        if (found := [visit for visit in each.visits if holds(visit)])
    ]
    about = {"kind": kind, "patients": [], "expect": "answer" if items else "not_stated", "items": items}
    traps = {} if items else {"traps": ["unanswerable"]}
    yield {"shape": "who", "question": f"Which patients {phrase}?", **about, **traps}
    if items:
        yield {"shape": "count", "question": f"How many patients {phrase}?", **about, "count": len(items)}


def _of_nobody(chance: random.Random) -> Iterator[Row]:
    """People who are in no note, and she who is nobody."""
    nothing: Row = {"patients": [], "items": []}
    for name in STRANGERS:
        for form in ("What insurance does {} have?", "Is {} married?", "What medications is {} on?"):
            yield {
                "shape": "fact",
                "kind": "social",
                "question": form.format(name),
                "expect": "not_stated",
                "traps": ["unanswerable", "other_patient"],
                **nothing,
            }
    for form in ("What insurance does {} have?", "Is {} married?", "What is {} allergic to?"):
        yield {
            "shape": "fact",
            "kind": "social",
            "question": form.format(chance.choice(["she", "he"])),
            "expect": "which_patient",
            "traps": ["other_patient"],
            **nothing,
        }


if __name__ == "__main__":
    main()
