"""Who a note's patient is, as the note says it: names, sex, birth date and age, each with where it stands.

Decides what is believed where the places disagree. What the source says outside the text holds. A name in the text
that cannot be the same person's is someone else's, copied forward or a bystander's, and is left out; where two places
of the text name two people, neither is taken. Rather no name than another patient's. Knows no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from pipeline.patients import PatientFact, PersonName, SourcePatient
from pipeline.records import Document
from pipeline.text.patients.header_lines import facts_of_header
from pipeline.text.patients.introduction import facts_of_introduction, facts_of_titles
from pipeline.text.patients.person_name import same_person
from pipeline.text.patients.record_fields import facts_of_fields

KINDS = ("name", "sex", "birth_date", "age")
FACTS_MAX = 24
"""Facts of one note, and characters of one value: a register is no place to keep a note."""
VALUE_CHARACTERS_MAX = 200


def facts_of_note(document: Document) -> tuple[PatientFact, ...]:
    """What a note says of its patient, each thing once from each kind of place, the surest first."""
    outside = [*_of_source(document.patient), *facts_of_fields(document.metadata)]
    header = list(facts_of_header(document.text_content))
    opening = list(facts_of_introduction(document.text_content))
    titles = list(facts_of_titles(document.text_content))
    if header or opening or titles:
        outside += _undisputed(outside, header, opening, titles)
    return tuple(_once(outside))


def _of_source(patient: SourcePatient | None) -> Iterator[PatientFact]:
    if patient is None:
        return
    for name in patient.names:
        yield PatientFact("name", name.text, patient.source, name=name)
    if patient.sex:
        yield PatientFact("sex", patient.sex, patient.source)
    if patient.birth_date:
        yield PatientFact("birth_date", patient.birth_date, patient.source)


def _undisputed(
    outside: Sequence[PatientFact],
    header: Sequence[PatientFact],
    opening: Sequence[PatientFact],
    titles: Sequence[PatientFact],
) -> list[PatientFact]:
    """The facts of the text that may be the patient's by all that is known otherwise, those of one kind together."""
    labelled = [*header, *opening]
    known = _names(outside)
    if known:
        wrong = any(not _may_be(name, known) for name in _names(labelled))
        labelled = [fact for fact in labelled if fact.name is None or _may_be(fact.name, known)]
        if wrong:  # the sentence that gave the wrong name gave its age as well
            labelled = [fact for fact in labelled if fact.source != "opening"]
    elif not _agree(_names(labelled)):
        labelled = [fact for fact in labelled if fact.source == "header" and fact.kind != "name"]
    sexes = {fact.value for fact in chain(outside, labelled) if fact.kind == "sex"}
    names = known or _names(labelled)
    fits = all(sexes <= {fact.value} for fact in titles if fact.kind == "sex")
    if fits and all(_may_be(name, names) for name in _names(titles) if names):
        labelled = [*labelled, *titles]
    return sorted(_consistent(labelled, outside), key=lambda fact: KINDS.index(fact.kind))


def _consistent(inside: Sequence[PatientFact], outside: Sequence[PatientFact]) -> Iterator[PatientFact]:
    """Without a sex or a birth date of the text that differs from another one of the text, or from the source's."""
    values: dict[str, set[str]] = {"sex": set(), "birth_date": set()}
    for fact in inside:
        if fact.kind in values:
            values[fact.kind].add(fact.value)
    disputed = {kind for kind, said in values.items() if len(said) > 1}
    for fact in outside:
        if fact.kind in values and not all(_same(value, fact.value) for value in values[fact.kind]):
            disputed.add(fact.kind)
    return (fact for fact in inside if fact.kind not in disputed)


def _same(one: str, other: str) -> bool:
    """A year and a day of it do not differ."""
    return one.startswith(other) or other.startswith(one)


def _names(facts: Iterable[PatientFact]) -> list[PersonName]:
    return [fact.name for fact in facts if fact.name is not None]


def _may_be(name: PersonName, known: Sequence[PersonName]) -> bool:
    return any(same_person(name, other) for other in known)


def _agree(names: Sequence[PersonName]) -> bool:
    return all(same_person(one, other) for at, one in enumerate(names) for other in names[at + 1 :])


def _once(facts: Iterable[PatientFact]) -> Iterator[PatientFact]:
    seen: set[tuple[str, str, str]] = set()
    for fact in facts:
        key = (fact.kind, fact.value, fact.source)
        if key not in seen and len(fact.value) <= VALUE_CHARACTERS_MAX and len(seen) < FACTS_MAX:
            seen.add(key)
            yield fact
