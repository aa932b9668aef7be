"""What is asked about all patients together, who and how many, and about people whom no note knows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.answers.synthea_notes import VACCINES, Person, Row, Visit
from benchmarks.answers.synthea_patient import ASKED_AS
from benchmarks.answers.synthea_voice import item

STRANGERS = ("Harold Finch", "Marisol Vega", "Tobias Lindqvist")


def questions_about_all(people: Sequence[Person]) -> Iterator[Row]:
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
        item(visit.span(fact) if fact in visit.said else (visit.note_id, fact) for visit in found)
        for each in people
        if (found := [visit for visit in each.visits if holds(visit)])
    ]
    about = {"kind": kind, "patients": [], "expect": "answer" if items else "not_stated", "items": items}
    traps = {} if items else {"traps": ["unanswerable"]}
    yield {"shape": "who", "question": f"Which patients {phrase}?", **about, **traps}
    if items:
        yield {"shape": "count", "question": f"How many patients {phrase}?", **about, "count": len(items)}


def questions_about_nobody(chance: random.Random) -> Iterator[Row]:
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
