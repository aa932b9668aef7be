"""Names of questions against the register of patients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answering.questions.registered_persons import EitherPersons, RegisteredPersons, persons_here
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import StoreSettings
from pipeline.ports import Store
from pipeline.records import EVERYTHING, AccessScope
from pipeline.storage.sqlite import Database
from pipeline.text.known_names import known_names
from pipeline.text.names import Name
from pipeline.text.persons import PassagePersons, PassageTexts
from tests.contracts.patient_register import written
from tests.contracts.store import SPACE

NOTES = {
    "mitchell": "Patient: Anna Mitchell\nSex: F\n",
    "hill": "Ms. Hill is a 41-year-old female who fell.",
    "smith": "Patient: John Smith Jr.\n",
    "smith-sr": "Patient: John Smith Sr.\n",
    "muller": "Patient: Jürgen Müller\n",
    "assunta": "Assunta351\n is a 16 year-old white female.",
    "initial": "Patient: E. Nowak\n",
    "nobody": "Dr. Brown saw the patient.",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = EmbeddedStore(Database(tmp_path / "store.sqlite"), StoreSettings())
    store.prepare(SPACE)
    store.upsert([written(f"n-{key}", text, key, domain=key[:1]) for key, text in NOTES.items()])
    yield store
    store.close()


@pytest.fixture
def persons(store: Store) -> RegisteredPersons:
    return RegisteredPersons(store, EVERYTHING)


def name(*words: str, title: str = "", generation: str = "") -> Name:
    return Name(words, title, bool(title), True, 0, 0, generation)


@pytest.mark.parametrize(
    ("asked", "patients"),
    [
        (name("Anna", "Mitchell"), {"mitchell"}),
        (name("anna", "mitchell"), {"mitchell"}),
        (name("A", "Mitchell"), {"mitchell"}),
        (name("Mitchell", title="she"), {"mitchell"}),
        (name("Mitchell"), {"mitchell"}),
        (name("Anna"), {"mitchell"}),
        (name("Eva", "Nowak"), {"initial"}),
        (name("Mueller"), {"muller"}),
        (name("Anna", "Hill"), {"hill"}),  # whose first name no note has
        (name("Hill", title="she"), {"hill"}),
        (name("John", "Smith"), {"smith", "smith-sr"}),
        (name("John", "Smith", generation="jr"), {"smith"}),
        (name("Assunta"), {"assunta"}),
        # someone else
        (name("Mary", "Mitchell"), set()),
        (name("Mitchell", title="he"), set()),
        (name("Hill", title="he"), set()),
        (name("Mitchell", title="staff"), set()),
        (name("Brown"), set()),
        (name("Anna", "Smith"), set()),
        (name("John"), {"smith", "smith-sr"}),
        (name("Mitchel"), set()),
    ],
)
def test_whom_a_name_means(persons: RegisteredPersons, asked: Name, patients: set[str]) -> None:
    assert persons.called(asked) == patients


def test_parts_of_names(persons: RegisteredPersons) -> None:
    assert persons.may_know("mitchell")
    assert persons.may_know("anna")
    assert not persons.may_know("gout")
    assert persons.has_surname("mitchell")
    assert not persons.has_surname("anna")
    assert persons.goes_by("anna")
    assert persons.has_in_full("anna", "mitchell")
    assert persons.has_in_full("a", "mitchell")
    assert not persons.has_in_full("mary", "mitchell")
    assert not persons.has_in_full("anna", "hill")


def test_the_names_of_a_question(persons: RegisteredPersons) -> None:
    found = list(known_names("what medications is anna mitchell on, and does mr. smith smoke", persons))
    assert [each.words for each in found] == [("anna", "mitchell"), ("smith",)]


def test_a_name_out_of_sight_is_no_one_s(store: Store) -> None:
    persons = RegisteredPersons(store, AccessScope(domains=frozenset("s")))
    assert not persons.has_surname("mitchell")
    assert not persons.goes_by("anna")
    assert persons.called(name("Anna", "Mitchell")) == frozenset()
    assert persons.called(name("John", "Smith")) == {"smith", "smith-sr"}


class Said:
    patient_id = "p9"
    text = "Zoe Quill is well."


def test_the_passages_are_asked_where_the_register_knows_no_one(store: Store) -> None:
    passages = PassagePersons(PassageTexts([Said()]))
    either = persons_here(store, EVERYTHING, passages)
    assert isinstance(either, EitherPersons)
    assert either.called(name("Zoe", "Quill")) == {"p9"}
    assert either.called(name("Anna", "Mitchell")) == {"mitchell"}
    assert either.may_know("quill")
    assert either.may_know("anna")
    assert not either.may_know("well")  # it stands there, but small
    assert either.has_surname("quill")
    assert either.has_in_full("zoe", "quill")
    assert not either.has_surname("brown")


def test_without_a_whole_register_the_passages_alone_are_asked(tmp_path: Path, store: Store) -> None:
    passages = PassagePersons(PassageTexts([Said()]))
    assert isinstance(store, EmbeddedStore)
    store._database.connection.execute("UPDATE PatientRegister SET Unread = 3")
    assert persons_here(store, EVERYTHING, passages) is passages
