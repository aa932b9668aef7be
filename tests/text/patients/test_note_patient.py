"""Whose a note is, by what it says: many small notes, and whom each must name or must not."""

from __future__ import annotations

import pytest

from pipeline.patients import FEMALE, MALE, PatientFact, PersonName, SourcePatient
from pipeline.records import Document
from pipeline.text.patients.note_patient import facts_of_note


def facts(text: str = "", patient: SourcePatient | None = None, **fields: str) -> tuple[PatientFact, ...]:
    return facts_of_note(Document("n1", "p1", "Note", text, metadata=fields, patient=patient))


def said(kind: str, found: tuple[PatientFact, ...]) -> list[str]:
    return list(dict.fromkeys(fact.value for fact in found if fact.kind == kind))


def names(text: str = "", patient: SourcePatient | None = None, **fields: str) -> list[str]:
    return said("name", facts(text, patient, **fields))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # labels
        ("Patient: Anna Mitchell\nDate: 2024-01-01\n", "Anna Mitchell"),
        ("PATIENT NAME: MITCHELL, ANNA   MRN: 12345", "ANNA MITCHELL"),
        ("Patient Name: Anna B. Mitchell DOB: 1970-03-01", "Anna B Mitchell"),
        ("Name: Anna Mitchell\nDOB: 1970-03-01", "Anna Mitchell"),
        ("Patient's name: Ms. Anna Mitchell, 54 years", "Anna Mitchell"),
        ("Name of patient: Anna Mitchell (D2N006)", "Anna Mitchell"),
        ("MRN: 12345  Name: Anna Mitchell  DOB: 1970-03-01", "Anna Mitchell"),
        ("**Patient:** Anna Mitchell", "Anna Mitchell"),
        ("| Patient | Anna Mitchell | MRN | 123 |", "Anna Mitchell"),
        ("Date: 2024-01-01 Patient: Anna Mitchell", "Anna Mitchell"),
        ("Patient: Ludwig van der Berg\n", "Ludwig van der Berg"),
        ("Patient: Jürgen Müller-Lüdenscheidt\n", "Jürgen Müller-Lüdenscheidt"),
        ("Patient: O'Brien, Seán Jr.\n", "Seán O'Brien Jr"),
        ("Patient: John Smith III, 54 y", "John Smith III"),
        ("RE: Anna Mitchell\nDOB: 1970-03-01\n\nDear Dr. Brown,", "Anna Mitchell"),
        # a name in the first line
        ("NOWAK, EVA\nMRN 123\n", "EVA NOWAK"),
        ("NGUYEN, LINH. Potassium is 5.9 mmol/L.", "LINH NGUYEN"),
        ("Nowak, Eva  DOB 1970-03-01", "Eva Nowak"),
        # introductions
        ("Anna Mitchell is a 54-year-old woman with gout.", "Anna Mitchell"),
        ("HPI:\n\nMs. Hill is a 41-year-old female who presents today.", "Hill"),
        ("Mr. John Perry is a 61-year-old male with a history of gout.", "John Perry"),
        ("CC: cough. HPI: Anna Mitchell, a 54-year-old woman, coughs.", "Anna Mitchell"),
        ("Anna Mitchell is a pleasant 50-year-old right-handed woman.", "Anna Mitchell"),
        ("# History of Present Illness\nAssunta351\n is a 16 year-old white female.", "Assunta351"),
        ("Assunta351\n is a newborn non-hispanic white female.", "Assunta351"),
        ("Jean Martinez is a 27 y.o. F who fell.", "Jean Martinez"),
        # a title
        ("Mrs. García has a sodium of 128 mmol/L.", "García"),
        ("Mr. Abara has a calcium of 2.2 mmol/L.", "Abara"),
        ("Ms. Nguyen reports a headache. Ms. Nguyen denies fever.", "Nguyen"),
    ],
)
def test_a_note_names_its_patient(text: str, name: str) -> None:
    assert names(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        # a relative
        "Her mother, Anna Smith, is a 70-year-old woman.",
        "His wife Anna Smith is a 60-year-old nurse.",
        "Anna Smith is a 60-year-old woman who is the patient's mother.",
        "Anna Smith, his wife, is a 60-year-old woman.",
        "Anna Smith (mother) is a 60-year-old woman.",
        "FAMILY HISTORY\nAnna Smith is a 60-year-old woman with diabetes.",
        "Family history: Anna Smith is a 60-year-old woman with diabetes.",
        "EMERGENCY CONTACT\nName: John Smith\nPhone: 555",
        "Next of kin:\nName: John Smith",
        "Mother's name: Anna Smith",
        "Informant: Mrs. Smith reports that he coughs.",
        "The patient was accompanied by Mr. Smith, her husband. Mr. Smith reports that she fell.",
        "The history was taken from Mrs. Smith. Mrs. Smith states that he fell.",
        "Donor: Anna Smith is a 40-year-old woman.",
        # the staff
        "Dr. Anna Smith is a 50-year-old surgeon.",
        "Referring physician:\nName: John Smith",
        "Provider: John Smith\nAttending: Anna Brown",
        "Name: John Smith, MD\n",
        "SMITH, JOHN MD\nCardiology",
        "Seen by Mr. Smith. Mr. Smith is the physical therapist.",
        "Dictated by: Anna Smith",
        "Patient: seen by Dr. Smith",
        # several people, of whom none is known to be the patient
        "Anna Mitchell is a 54-year-old woman.\n\nJohn Perry is a 61-year-old man.",
        "Patient: Anna Mitchell\n\nJohn Perry is a 61-year-old male with gout.",
        "Name: Anna Mitchell\nName: John Perry\n",
        "Mr. Smith reports pain. Mrs. Jones denies it.",
        "Mr. Smith reports pain. Mrs. Smith denies it.",
        # no name at all
        "Patient: 54-year-old woman with gout",
        "Patient: Stable",
        "Patient: Condition Stable",
        "Patient: Alert And Oriented",
        "Patient: Complains of chest pain",
        "Patient name: ABC XYZ",
        "Patient Name: XXXX XXXX",
        "Mr. A was admitted. Mr. A is well.",
        "Ms. ABC returns today.",
        "Name: Metoprolol Succinate\nDose: 50 mg",
        "Name: Aspirin\n",
        "The patient is a 47-year-old female.",
        "Assessment is a 54-year-old's problem.",
        "G3, P1. She is currently 5 months' pregnant.",
        "CHIEF COMPLAINT, HISTORY\nCough.",
        "Chest Pain is a 54-year-old complaint.",
        "Lumbar Puncture, 11/8/92, revealed: RBC 2",
        "Pneumonia, Bacterial\n",
        "",
        "Foley catheter. Graves' disease. Babinski is negative.",
    ],
)
def test_no_one_else_becomes_the_patient(text: str) -> None:
    assert names(text) == []


@pytest.mark.parametrize(
    ("text", "age", "sex", "born"),
    [
        ("Anna Mitchell is a 54-year-old woman.", "54 years", FEMALE, None),
        ("The patient is a 47-year-old Caucasian female with gout.", "47 years", FEMALE, None),
        ("This 21-year-old white female was seen.", "21 years", FEMALE, None),
        ("He is a 10-year-old boy.", "10 years", MALE, None),
        ("54 y/o M with cough", "54 years", MALE, None),
        ("63 yo F presents with chest pain.", "63 years", FEMALE, None),
        ("Katherine Lopez is a 22-month-old female.", "22 months", FEMALE, None),
        ("Assunta351\n is a newborn white female.", "0 days", FEMALE, None),
        (
            "The patient is an 82-year-old, who was admitted with her husband, a man of 85.",
            "82 years",
            None,
            None,
        ),
        ("The patient is a 47-year-old with a male partner.", "47 years", None, None),
        ("Patient: Anna Mitchell\nDOB: 1970-03-01\nSex: F\n", None, FEMALE, "1970-03-01"),
        ("Date of Birth: March 1, 1970", None, None, "1970-03-01"),
        ("D.O.B. 25/12/1970", None, None, "1970-12-25"),
        ("DOB: 03/04/1970", None, None, "1970"),  # which day nobody can tell
        ("Age: 54  Gender: Male", "54 years", MALE, None),
        ("Age/Sex: 54/F", "54 years", FEMALE, None),
        # of someone else, or in dispute
        ("Her mother is a 70-year-old woman.", None, None, None),
        ("He lives with his 9-year-old brother.", None, None, None),
        ("Mother's DOB: 1970-03-01", None, None, None),
        ("DOB: 1970-03-01\n\nDOB: 1980-03-01", None, None, None),
        ("Mr. Smith is a 54-year-old man. The patient is a 54-year-old woman.", "54 years", None, None),
        ("The patient is a 54-year-old woman. The patient is a 71-year-old woman.", None, FEMALE, None),
        ("FAMILY HISTORY\n\nA 70-year-old woman with gout.", None, None, None),
    ],
)
def test_sex_age_and_birth_date(text: str, age: str | None, sex: str | None, born: str | None) -> None:
    found = facts(text)
    assert said("age", found) == ([age] if age else [])
    assert said("sex", found) == ([sex] if sex else [])
    assert said("birth_date", found) == ([born] if born else [])


@pytest.mark.parametrize(
    "text",
    [
        "Patient: Anna Mitchell\nDOB: 1970-03-01\nSex: F",
        "x\n\nHPI: Anna Mitchell is a 54-year-old woman. Ms. Mitchell denies pain.",
        "Patient: MITCHELL, ANNA  (123)",
    ],
)
def test_every_fact_says_where_it_stands(text: str) -> None:
    for fact in facts(text):
        assert fact.start is not None
        assert fact.end is not None
        where = text[fact.start : fact.end]
        assert where.strip() == where != ""
        if fact.name is not None:
            assert all(word in where for word in (*fact.name.given, *fact.name.family))


NOWAK = PersonName(("Eva",), ("Nowak",))
FROM_FHIR = SourcePatient("fhir", (NOWAK,), FEMALE, "1970-03-01")


def test_what_the_source_says_comes_first() -> None:
    found = facts("Eva Nowak is a 54-year-old woman.", FROM_FHIR)
    assert [(fact.kind, fact.value, fact.source) for fact in found] == [
        ("name", "Eva Nowak", "fhir"),
        ("sex", FEMALE, "fhir"),
        ("birth_date", "1970-03-01", "fhir"),
        ("name", "Eva Nowak", "opening"),
        ("sex", FEMALE, "opening"),
        ("age", "54 years", "opening"),
    ]


def test_a_copied_text_does_not_rename_the_patient() -> None:
    found = facts(
        "Patient: Anna Mitchell\n\nAnna Mitchell is a 71-year-old woman. Ms. Mitchell is well.", FROM_FHIR
    )
    assert {fact.source for fact in found} == {"fhir"}


def test_a_patient_who_married_keeps_both_names() -> None:
    assert names("Eva Kowalski is a 54-year-old woman.", FROM_FHIR) == ["Eva Nowak", "Eva Kowalski"]


def test_a_father_and_a_son_are_two() -> None:
    father = SourcePatient("fhir", (PersonName(("John",), ("Smith",), "Sr"),))
    assert names("Patient: John Smith Jr.\n", father) == ["John Smith Sr"]


def test_the_text_does_not_contradict_the_source_s_sex_and_birth_date() -> None:
    found = facts("DOB: 1969-01-01\nSex: M\nThe patient is a 54-year-old man.", FROM_FHIR)
    assert (said("sex", found), said("birth_date", found)) == ([FEMALE], ["1970-03-01"])


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"patient_name": "Mitchell, Anna"}, "Anna Mitchell"),
        ({"PatientName": "anna mitchell"}, "anna mitchell"),
        ({"First Name": "Anna", "Last Name": "Mitchell"}, "Anna Mitchell"),
        ({"patient_first_name": "Anna B.", "patient_last_name": "van Dyke"}, "Anna B van Dyke"),
        ({"name": "Anna Mitchell"}, None),  # whose, it does not say
        ({"author_name": "Anna Mitchell"}, None),
        ({"patient_name": "REDACTED"}, None),
        ({"patient_name": "12345"}, None),
        ({"first_name": "Anna"}, None),
    ],
)
def test_columns_of_a_table(fields: dict[str, str], name: str | None) -> None:
    assert names("Cough.", **fields) == ([name] if name else [])


def test_the_other_columns_of_a_table() -> None:
    found = facts("Cough.", gender="F", DOB="1970-03-01", age="54", title="Visit")
    assert [(fact.kind, fact.value, fact.source) for fact in found] == [
        ("sex", FEMALE, "record"),
        ("birth_date", "1970-03-01", "record"),
        ("age", "54 years", "record"),
    ]


def test_a_note_that_repeats_itself_says_each_thing_once() -> None:
    found = facts("Patient: Anna Mitchell\n" * 50)
    assert [fact.value for fact in found] == ["Anna Mitchell"]
