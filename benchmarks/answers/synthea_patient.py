"""What is asked about one patient, by shape and kind, with the notes that answer it, and what no note says."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from benchmarks.answers.synthea_notes import VACCINES, Person, Row, Span, Tables, Visit
from benchmarks.answers.synthea_voice import Voice, item

VISITS_ASKED = 6
"""Visits of each patient that are asked about one by one."""
NOT_STATED_ASKED = 6
"""Questions a patient and kind whose truth is that no note says it."""
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
CONDITIONS_ASKED = ("diabetes", "asthma", "coronary heart disease", "a stroke", "cardiac arrest", "gout")


def questions_about(
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


def _all_of(voice: Voice, fact: str, *say: str) -> list[Row]:
    """One item that any visit stating the fact proves."""
    return [item((visit.span(fact) for visit in voice.person.having(fact)), *say)]


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
        yield voice.row("latest", kind, forms, [item((v.span(fact) for v in run), value)], wrong=others)
    insured = voice.person.having("insurance")
    first = insured[0].value("insurance")
    others = sorted({visit.value("insurance") for visit in insured} - {first})
    spans = [visit.span("insurance") for visit in insured if visit.value("insurance") == first]
    forms = [
        "What was the first insurance on record of {whom}?",
        "What was {whose} insurance at the first visit?",
    ]
    yield voice.row("first", "social", forms, [item(spans, first)], wrong=others)
    last = voice.person.visits[-1]
    yield voice.row(
        "latest",
        "whole_visit",
        ["How old was {who} at the last visit?", "What was {whose} age when last seen?"],
        [item([last.span("age")], last.said["age"].split()[0])],
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
            items = [item(spans, value) for value, spans in by_value.items()]
            yield voice.row("trend", "social", forms, items)
    if len(voice.person.dates) == len(voice.person.visits):
        yield voice.row(
            "count",
            "whole_visit",
            ["How many visits of {who} are in the notes?", "How often was {who} seen, by the notes?"],
            [item([visit.span("date")]) for visit in voice.person.visits],
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
            [item(spans, _said(word))],
            verdict="yes",
        )
        others = [visit.date for visit in visits]
        yield voice.row(
            "latest",
            "procedure",
            [f"When was {{who}} last given {word}?"],
            [item(_dated(visits[-1]))],
            wrong=others[:-1],
        )
        yield voice.row(
            "first",
            "procedure",
            [f"When was {{who}} first given {word}?"],
            [item(_dated(visits[0]))],
            wrong=others[1:],
        )
        yield voice.row(
            "count",
            "procedure",
            [f"How many times was {{who}} given {word}?"],
            [item(_dated(visit)) for visit in visits],
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
        [item(spans, VACCINES[name]) for name, spans in names.items()],
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
        nothing = [item(spans, "no")]
        yield voice.row("list", "medication", forms, nothing, "negation")
        for drug in ("warfarin", "metformin"):
            yield voice.row(
                "yes_no", "medication", [f"Is {{who}} taking {drug}?"], nothing, "negation", verdict="no"
            )
    elif not prescribed:
        yield voice.row("list", "medication", forms, [item(spans, each.split(" ml ")[-1]) for each in listed])
        for each in listed:
            drug = next(word for word in each.split() if word.isalpha() and word not in ("ml", "mg"))
            yield voice.row(
                "yes_no", "medication", [f"Is {{who}} taking {drug}?"], [item(spans, drug)], verdict="yes"
            )
            dose = re.search(r"\d+ mg/ml", each)
            if dose:
                yield voice.row(
                    "fact",
                    "medication",
                    [f"What is the strength of {{whose}} {drug}?"],
                    [item(spans, drug, dose.group())],
                )
    for visit in person.having("condition"):
        name = visit.value("condition")
        proof = [item([visit.span("condition")], name)]
        yield voice.row(
            "yes_no",
            "problem",
            [f"Does {{who}} have {name}?", f"Has {{who}} had {name}?"],
            proof,
            verdict="yes",
        )
        yield voice.row(
            "first",
            "problem",
            [f"When did {{who}} present with {name}?", f"When was {name} noted in {{whose}} notes?"],
            [item([visit.span("date"), visit.span("condition")])],
        )
        yield voice.row(
            "list", "problem", ["What conditions does {who} have?", "List {whose} diagnoses."], proof
        )
    yield from _done_and_prescribed(voice)


def _done_and_prescribed(voice: Voice) -> Iterator[Row]:
    person = voice.person
    done: dict[str, list[Visit]] = {}
    for visit in person.visits:
        for name in visit.procedures:
            done.setdefault(name, []).append(visit)
        if visit.prescribed:
            items = [item([(visit.note_id, name)], name.split()[0]) for name in visit.prescribed]
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
                    [item([(visit.note_id, name)], dose.group() if dose else drug)],
                )
    if not done:
        return
    items = [item(((v.note_id, name) for v in visits), name) for name, visits in done.items()]
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
            [item((spans[1] for spans in places), name)],
            verdict="yes",
        )
        yield voice.row(
            "count",
            "procedure",
            [f"How many times did {{who}} have {name}?"],
            [item(spans) for spans in places],
            count=len(visits),
        )
        for shape, word, at in (("latest", "last", -1), ("first", "first", 0)):
            wrong = [date for date in dates if date != dates[at]]
            yield voice.row(
                shape,
                "procedure",
                [f"When did {{who}} {word} have {name}?"],
                [item(places[at])],
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
        [item([visit.span("insurance")], insured)],
        wrong=sorted(others - {insured}),
        **when,
    )
    age = visit.said["age"].split()[0]
    yield voice.row(
        "fact",
        "whole_visit",
        ["How old was {who} on {date}?", "What was {whose} age at the visit of {date}?"],
        [item([visit.span("age")], age)],
        wrong=[each.said["age"] for each in voice.person.visits if each.said["age"] != visit.said["age"]],
        **when,
    )
    if visit.vaccines:
        yield voice.row(
            "list",
            "procedure",
            ["Which immunizations was {who} given on {date}?", "What was {who} vaccinated with on {date}?"],
            [item([visit.span("immunizations")], VACCINES[name]) for name in visit.vaccines],
            **when,
        )
    if "smoking" in visit.said:
        yield voice.row(
            "fact",
            "social",
            ["What was {whose} smoking status on {date}?"],
            [item([visit.span("smoking")], ["smoker", "smoked", "smoking"])],
            **when,
        )
    forms = ["Summarise the visit of {whom} on {date}.", "What happened at {whose} visit on {date}?"]
    yield voice.row("summarise", "whole_visit", forms, _summary(visit), **when)


def _summary(visit: Visit) -> list[Row]:
    facts = ("complaint", "age", "allergies", "medications", "condition")
    items = [item([visit.span(fact)]) for fact in facts if fact in visit.said]
    items += [item([visit.span("immunizations")], VACCINES[name]) for name in visit.vaccines[:1]]
    items += [item([(visit.note_id, name)], name) for name in visit.procedures + visit.prescribed]
    return items


def _comparisons(voice: Voice) -> Iterator[Row]:
    changes = [
        (before, after)
        for before, after in pairwise(voice.person.having("insurance"))
        if before.value("insurance") != after.value("insurance") and before.date != after.date
    ]
    for before, after in voice.chance.sample(changes, min(2, len(changes))):
        items = [item([each.span("insurance")], each.value("insurance")) for each in (before, after)]
        yield voice.row(
            "compare",
            "social",
            [f"Compare {{whose}} insurance on {before.date} and on {after.date}."],
            items,
        )
    visits = [visit for visit in voice.person.visits if visit.vaccines]
    for before, after in voice.chance.sample(list(pairwise(visits)), min(2, len(visits) - 1)):
        items = [
            item([each.span("immunizations")], VACCINES[name])
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
