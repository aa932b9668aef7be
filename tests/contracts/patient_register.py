"""What the register of patients promises in every store. Knows `ports.Store` and records only, no back-end.

A back-end's test file subclasses `PatientRegisterContract` and supplies `store_factory`, as for `StoreContract`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from pipeline.patients import FEMALE, MALE, PersonName, SourcePatient
from pipeline.ports import Store
from pipeline.records import EVERYTHING, AccessScope, EmbeddedDocument, Filters, NoteHead
from tests.contracts.store import (
    DOMAINS,
    PATIENTS,
    SPACE,
    StoreFactory,
    any_scope,
    axis,
    may_be_found,
    note,
)

NAMES = (
    "Anna Mitchell",
    "Ana Mitchel",
    "Eva Nowak",
    "Eva Kowalski",
    "John Smith Jr",
    "Jürgen Müller",
    "Linh Nguyen",
)


def written(resource_id: str, text: str, patient_id: str = "p1", **fields: object) -> EmbeddedDocument:
    return note(resource_id, (text, axis(0)), patient_id=patient_id, **fields)


def ids(store: Store, *words: str, scope: AccessScope = EVERYTHING) -> list[str]:
    return [patient.patient_id for patient in store.patients_called(words, scope)]


def beginning(store: Store, typed: str, scope: AccessScope = EVERYTHING) -> list[str]:
    return [patient.patient_id for patient in store.patients_beginning(typed, scope)]


def near(store: Store, *words: str, scope: AccessScope = EVERYTHING) -> list[str | None]:
    return [patient.name for patient in store.patients_near(words, scope)]


def only(domain: str) -> AccessScope:
    return AccessScope(domains=frozenset({domain}))


def change_and_fail(store: Store) -> None:
    store.upsert([written("n1", "Patient: Eva Nowak\n"), written("n2", "Patient: Linh Nguyen\n", "p2")])
    store.delete(["n1"])
    raise ZeroDivisionError


class PatientRegisterContract:
    @pytest.fixture
    def store_factory(self) -> StoreFactory:
        raise NotImplementedError("a back-end's test class supplies store_factory")

    @pytest.fixture
    def store(self, store_factory: StoreFactory) -> Iterator[Store]:
        store = store_factory()
        store.prepare(SPACE)
        yield store
        store.close()

    @pytest.fixture
    def people(self, store: Store) -> Store:
        """Seven patients, one note each."""
        store.upsert(
            [
                written(f"n{number}", f"Patient: {name}\n\nCough.", f"p{number}")
                for number, name in enumerate(NAMES)
            ]
        )
        return store

    # --- what is kept

    def test_a_patient_as_the_notes_say(self, store: Store) -> None:
        text = "Patient: Anna Mitchell\nDOB: 1970-03-01\n\nAnna Mitchell is a 54-year-old woman."
        store.upsert(
            [
                written("n1", text, date="2024-05-06", domain="cardiology"),
                written("n2", "Cough.", date="2023"),
                written("n3", "Anna Mitchell is a 53-year-old woman.", date="2023-05-06"),
            ]
        )
        assert store.has_register()
        (patient,) = store.patients(EVERYTHING)
        assert (patient.patient_id, patient.name, patient.sex) == ("p1", "Anna Mitchell", FEMALE)
        assert (patient.birth_date, patient.notes) == ("1970-03-01", 3)
        assert (patient.first_date, patient.last_date) == ("2023", "2024-05-06")
        age = patient.age
        assert age is not None
        assert (age.value, age.last_date, age.resource_id) == ("54 years", "2024-05-06", "n1")
        header = patient.of_kind("name")[0]
        assert (header.source, header.notes, header.name) == (
            "header",
            1,
            PersonName(("Anna",), ("Mitchell",)),
        )
        assert (header.resource_id, text[header.start : header.end]) == ("n1", "Anna Mitchell")

    def test_what_the_source_says_is_kept_with_the_note(self, store: Store) -> None:
        said = SourcePatient(
            "fhir", (PersonName(("Zoë",), ("Nowak",)), PersonName(("Zoë",), ("Ünal",), "Jr")), FEMALE, "1970"
        )
        embedded = written("n1", "Cough.")
        embedded = replace(embedded, document=replace(embedded.document, patient=said))
        store.upsert([embedded])
        assert store.document("n1") == embedded.document
        (patient,) = store.patients(EVERYTHING)
        assert [name.text for name in patient.names] == ["Zoë Nowak", "Zoë Ünal Jr"]
        assert (patient.sex, patient.birth_date) == (FEMALE, "1970")
        assert patient.facts[0].start is None
        assert ids(store, "zoe", "unal") == ids(store, "ZOE", "NOWAK") == ["p1"]

    def test_two_names_of_one_id_are_both_kept_and_one_name_of_two_ids_is_two(self, store: Store) -> None:
        store.upsert(
            [
                written("n1", "Patient: Eva Nowak\n"),
                written("n2", "Patient: Eva Kowalski\n"),
                written("n3", "Patient: Eva Nowak\n", "p2"),
            ]
        )
        assert ids(store, "Eva", "Nowak") == ["p1", "p2"]
        assert ids(store, "Eva", "Kowalski") == ["p1"]
        (patient,) = store.patients(EVERYTHING, ids=["p1"])
        assert {name.text for name in patient.names} == {"Eva Nowak", "Eva Kowalski"}

    def test_sexes_and_birth_dates_that_differ_are_none_to_show(self, store: Store) -> None:
        store.upsert(
            [
                written("n1", "DOB: 1970-03-01\nSex: F\n"),
                written("n2", "DOB: 1971-03-01\nSex: M\n"),
                written("n3", "DOB: 1971-03-01\n", "p2"),
                written("n4", "DOB: 03/01/1971\n", "p2"),
            ]
        )
        first, second = store.patients(EVERYTHING)
        assert (first.sex, first.birth_date) == (None, None)
        assert {fact.value for fact in first.of_kind("sex")} == {FEMALE, MALE}
        assert second.birth_date == "1971-03-01"  # one note has the year only

    # --- asking for a name

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            (("Anna", "Mitchell"), ["p0"]),
            (("MITCHELL", "anna"), ["p0"]),
            (("Mitchell,", "Anna"), []),  # a word is a word: who asks takes marks away
            (("A", "Mitchell"), ["p0"]),
            (("A.", "Mitchell"), ["p0"]),
            (("Mitchell",), ["p0"]),
            (("Ms.", "Mitchell"), ["p0"]),
            (("Eva",), ["p2", "p3"]),
            (("Eva", "Nowak"), ["p2"]),
            (("eva-nowak",), ["p2"]),
            (("muller",), ["p5"]),
            (("Mueller", "Juergen"), ["p5"]),
            (("MÜLLER",), ["p5"]),
            (("John", "Smith"), ["p4"]),
            (("John", "Smith", "Jr."), ["p4"]),
            (("John", "Smith", "Sr"), []),
            (("Smith", "Anna"), []),
            (("Mitch",), []),
            (("A",), []),
            (("",), []),
            ((), []),
            (("%",), []),
            (("Mitchell", "%"), []),
            (("Mitchell", "_"), []),
            (("Mitchell\0", "Anna"), []),
            (("' OR 1=1 --",), []),
            (("🫀",), []),
        ],
    )
    def test_a_name_is_found_however_it_is_written(
        self, people: Store, words: Sequence[str], found: list[str]
    ) -> None:
        assert ids(people, *words) == found

    def test_an_initial_of_a_note_stands_for_a_first_name(self, store: Store) -> None:
        store.upsert([written("n1", "Patient: E. Nowak\n"), written("n2", "Patient: A. Nowak\n", "p2")])
        assert ids(store, "Eva", "Nowak") == ["p1"]

    def test_the_part_of_the_name(self, store: Store) -> None:
        store.upsert([written("n1", "Patient: Thomas Nowak\n"), written("n2", "Patient: Eva Thomas\n", "p2")])
        assert [patient.patient_id for patient in store.patients_called(["thomas"], EVERYTHING)] == [
            "p1",
            "p2",
        ]
        assert [p.patient_id for p in store.patients_called(["thomas"], EVERYTHING, part="family")] == ["p2"]
        assert [p.patient_id for p in store.patients_called(["thomas"], EVERYTHING, part="given")] == ["p1"]

    def test_words_that_stand_in_a_name(self, people: Store) -> None:
        asked = ["anna", "MITCHELL", "Muller", "mueller", "atrial", "Eva-Maria", ""]
        assert people.name_words(asked, EVERYTHING) == {"anna", "MITCHELL", "Muller", "mueller", "Eva-Maria"}
        assert people.name_words(["atrial", "fibrillation"], EVERYTHING) == frozenset()
        assert people.name_words([], EVERYTHING) == frozenset()

    def test_names_that_are_near(self, people: Store) -> None:
        assert near(people, "Anna", "Mitchel") == ["Anna Mitchell", "Ana Mitchel"]
        assert near(people, "Anna", "Mitchell") == ["Ana Mitchel"]
        assert near(people, "Eva", "Novak") == ["Eva Nowak"]
        assert near(people, "Zebediah", "Quux") == near(people, "") == near(people) == []

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("mitch", ["p0", "p1"]),
            ("Mitchell, An", ["p0"]),
            ("an MITCHEL", ["p0", "p1"]),
            ("Mrs. Mit", ["p0", "p1"]),
            ("ev", ["p2", "p3"]),
            ("e now", ["p2"]),
            ("mül", ["p5"]),
            ("muel jü", ["p5"]),
            ("p5", ["p5"]),
            ("P", [f"p{n}" for n in range(7)]),
            ("", [f"p{n}" for n in range(7)]),
            ("  ", [f"p{n}" for n in range(7)]),
            ("itchell", []),
            ("Eva Mitchell", []),
            ("%", []),
            ("_", []),
            ("p_", []),
            ("' OR 1=1 --", []),
            ("mitch\0", []),
            ("🫀", []),
        ],
    )
    def test_a_patient_is_found_while_the_name_is_typed(
        self, people: Store, typed: str, found: list[str]
    ) -> None:
        assert beginning(people, typed) == found

    def test_an_initial_is_found_by_the_name_it_stands_for(self, store: Store) -> None:
        store.upsert([written("n1", "Patient: E. Nowak\n"), written("n2", "Patient: A. Nowak\n", "p2")])
        assert beginning(store, "Eva Now") == ["p1"]

    def test_patients_that_are_typed_come_by_the_page(self, store: Store) -> None:
        store.upsert([written(f"n{n}", "Patient: Eva Nowak\n", f"p{n}") for n in range(5)])
        first = store.patients_beginning("now", EVERYTHING, limit=2)
        assert [patient.patient_id for patient in first] == ["p0", "p1"]
        then = store.patients_beginning("now", EVERYTHING, after="p1", limit=9)
        assert [patient.patient_id for patient in then] == ["p2", "p3", "p4"]

    # --- the notes of a patient

    def test_the_notes_of_a_patient_are_listed_the_newest_first(self, store: Store) -> None:
        dated = {"n1": "2023-01-01", "n2": None, "n3": "2024-05-06T10:00", "n4": "2024"}
        store.upsert([written(each, "Cough.", date=date) for each, date in dated.items()])
        store.upsert([written("other", "Cough.", "p2", date="2025-01-01")])
        ids_ = [head.resource_id for head in store.notes_of("p1", EVERYTHING)]
        assert ids_ == ["n3", "n4", "n1", "n2"]
        assert [each.resource_id for each in store.notes_of("p1", EVERYTHING, skip=1, limit=2)] == [
            "n4",
            "n1",
        ]
        assert store.notes_of("p1", EVERYTHING, skip=4) == store.notes_of("nobody", EVERYTHING) == []

    def test_a_note_is_listed_with_what_its_source_says(self, store: Store) -> None:
        given = {
            "document_type": "Letter",
            "date": "2024-05-06",
            "domain": "cardiology",
            "author": "Dr. Osei",
            "encounter_id": "e1",
            "metadata": {"title": "Letter to the ward", "status": "final"},
        }
        store.upsert([written("n1", "Cough.", **given), written("n2", "Cough.", domain="")])
        first, second = store.notes_of("p1", EVERYTHING)
        assert first == NoteHead(
            "n1", "p1", "Letter", "2024-05-06", "cardiology", "Dr. Osei", "e1", "Letter to the ward"
        )
        assert (second.date, second.domain, second.author, second.title) == (None, "", None, None)

    def test_notes_out_of_sight_are_not_listed(self, store: Store) -> None:
        store.upsert(
            [
                written("n1", "Patient: Eva Nowak\n", domain="cardiology"),
                written("n2", "Patient: Eva Kowalski\n", domain="oncology"),
                written("n3", "Patient: Eva Ortiz\n"),
            ]
        )
        heart = only("cardiology")
        assert [head.resource_id for head in store.notes_of("p1", heart)] == ["n1"]
        assert store.notes_of("p1", AccessScope(patient_ids=frozenset({"p2"}))) == []
        assert store.notes_of("p1", AccessScope(patient_ids=frozenset())) == []
        assert beginning(store, "nowak", scope=heart) == beginning(store, "p", scope=heart) == ["p1"]
        assert beginning(store, "kowal", scope=heart) == beginning(store, "ort", scope=heart) == []
        assert beginning(store, "p1", scope=only("dermatology")) == []

    def test_numbers_are_bounded(self, store: Store) -> None:
        store.upsert([written(f"n{n:03}", "Patient: Eva Nowak\n", f"p{n:03}") for n in range(30)])
        assert [p.patient_id for p in store.patients_called(["nowak"], EVERYTHING, limit=3)] == [
            "p000",
            "p001",
            "p002",
        ]
        assert len(store.patients_near(["Eva", "Nowack"], EVERYTHING, limit=4)) == 4
        assert [p.patient_id for p in store.patients(EVERYTHING, limit=2)] == ["p000", "p001"]
        assert [p.patient_id for p in store.patients(EVERYTHING, after="p001", limit=2)] == ["p002", "p003"]
        assert [p.patient_id for p in store.patients(EVERYTHING, ids=["p007", "p003", "nobody", "p007"])] == [
            "p003",
            "p007",
        ]
        assert store.patients(EVERYTHING, ids=[]) == []

    # --- with the note

    def test_what_a_note_said_goes_with_it(self, store: Store) -> None:
        store.upsert([written("n1", "Patient: Anna Mitchell\n"), written("n2", "Patient: Eva Nowak\n", "p2")])
        store.upsert([written("n1", "Patient: Linh Nguyen\n")])
        assert ids(store, "Mitchell") == []
        assert ids(store, "Nguyen") == ["p1"]
        store.upsert([written("n1", "Patient: Linh Nguyen\n", "p3")])  # the source corrected whose it is
        assert ids(store, "Nguyen") == ["p3"]
        store.delete(["n1"])
        assert ids(store, "Nguyen") == []
        assert [patient.patient_id for patient in store.patients(EVERYTHING)] == ["p2"]
        store.clear()
        store.prepare(SPACE)
        assert store.patients(EVERYTHING) == []
        assert ids(store, "Nowak") == []
        assert store.has_register()
        assert store.check() == []

    def test_a_note_written_again_is_there_once(self, store: Store) -> None:
        for _ in range(2):
            store.upsert([written("n1", "Patient: Anna Mitchell\n")])
        (patient,) = store.patients(EVERYTHING)
        assert [fact.notes for fact in patient.facts] == [1]

    def test_a_source_that_says_more_is_kept_though_the_note_is_the_same(self, store: Store) -> None:
        embedded = written("n1", "Cough.")
        store.upsert([embedded])
        said = SourcePatient("hl7v2", (PersonName(("Eva",), ("Nowak",)),))
        store.upsert([replace(embedded, document=replace(embedded.document, patient=said))])
        assert ids(store, "Nowak") == ["p1"]

    def test_a_transaction_that_fails_leaves_the_register_as_it_was(
        self, store: Store, store_factory: StoreFactory
    ) -> None:
        store.upsert([written("n1", "Patient: Anna Mitchell\n")])
        with pytest.raises(ZeroDivisionError), store.transaction():
            change_and_fail(store)
        for each in (store, store_factory()):
            assert (ids(each, "Mitchell"), ids(each, "Nowak"), ids(each, "Nguyen")) == (["p1"], [], [])
            each.close()

    # --- scopes

    def test_a_name_out_of_sight_does_not_exist(self, store: Store) -> None:
        store.upsert(
            [
                written(
                    "n1", "Patient: Eva Nowak\nDOB: 1970-03-01\n", domain="cardiology", date="2024-01-01"
                ),
                written("n2", "Patient: Eva Kowalski\nSex: F\n", domain="oncology", date="2023-01-01"),
                written("n3", "Patient: Linh Nguyen\n", "p2", domain="oncology"),
                written("n4", "Patient: Linh Nguyen\n", "p3"),
            ]
        )
        heart, skin = only("cardiology"), only("dermatology")
        (patient,) = store.patients(heart)
        assert ([name.text for name in patient.names], patient.sex) == (["Eva Nowak"], None)
        assert (patient.notes, patient.last_date, patient.first_date) == (1, "2024-01-01", "2024-01-01")
        assert ids(store, "Kowalski", scope=heart) == ids(store, "Nguyen", scope=heart) == []
        asked = ["eva", "nowak", "kowalski", "nguyen"]
        assert store.name_words(asked, heart) == {"eva", "nowak"}
        assert store.name_words(asked, skin) == frozenset()
        assert near(store, "Linh", "Nguen", scope=heart) == near(store, "Eva", "Kowalsky", scope=heart) == []
        assert store.patients(heart, ids=["p2", "p3"]) == store.patients(skin) == []
        assert store.patients(AccessScope(patient_ids=frozenset())) == []
        (patient,) = store.patients(AccessScope(patient_ids=frozenset({"p3"})))
        assert patient.patient_id == "p3"
        assert ids(store, "Nguyen", scope=AccessScope(patient_ids=frozenset({"p3", "p1"}))) == ["p3"]

    def test_names_out_of_sight_take_no_place_of_others(self, store: Store) -> None:
        hidden = [
            written(f"n{n:02}", "Patient: Eva Nowak\n", f"p{n:02}", domain="oncology") for n in range(60)
        ]
        store.upsert([*hidden, written("seen", "Patient: Eva Nowak\n", "q", domain="cardiology")])
        scope = only("cardiology")
        assert [p.patient_id for p in store.patients_called(["Eva", "Nowak"], scope, limit=1)] == ["q"]
        assert [p.patient_id for p in store.patients_near(["Eva", "Nowack"], scope, limit=1)] == ["q"]
        assert [p.patient_id for p in store.patients(scope, limit=1)] == ["q"]

    @pytest.mark.parametrize("seed", range(3))
    def test_whatever_the_scope_the_register_says_what_its_notes_say(self, store: Store, seed: int) -> None:
        dice = random.Random(seed)
        notes = [
            written(
                f"n{number:02}",
                f"Patient: {dice.choice(NAMES)}\n",
                dice.choice(PATIENTS),
                domain=dice.choice(DOMAINS),
            )
            for number in range(40)
        ]
        store.upsert(notes)
        for _ in range(12):
            scope = any_scope(dice)
            seen = [n.document for n in notes if may_be_found(n.document, Filters(scope=scope))]
            found = store.patients(scope)
            assert [(p.patient_id, p.notes) for p in found] == [
                (patient, sum(each.patient_id == patient for each in seen))
                for patient in sorted({each.patient_id for each in seen})
            ]
            for patient in found:
                texts = " ".join(each.text_content for each in seen if each.patient_id == patient.patient_id)
                assert all(name.text in texts for name in patient.names)
                heads = store.notes_of(patient.patient_id, scope)
                assert sorted(head.resource_id for head in heads) == sorted(
                    each.resource_id for each in seen if each.patient_id == patient.patient_id
                )
            for name in NAMES:
                assert {p.patient_id for p in store.patients_beginning(name[:6], scope)} <= {
                    each.patient_id for each in seen
                }
                called = store.patients_called(name.split(), scope, limit=100)
                surname = name.split()[1]
                assert store.name_words([surname], scope) == frozenset(
                    surname for each in seen if surname in each.text_content.split()
                )
                assert {p.patient_id for p in called} == {
                    each.patient_id for each in seen if name in each.text_content
                }
                assert {p.patient_id for p in store.patients_near(name.split(), scope, limit=100)} <= {
                    each.patient_id for each in seen
                }
