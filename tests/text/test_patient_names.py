"""Who a question names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.records import Hit
from pipeline.text.person_names.patient_names import resolve_named_patients
from pipeline.text.person_names.question_names import names
from tests.contracts.generator import prompt

TEXTS = {
    "Mr. John Perry presents with back pain. Atrial fibrillation is known.": "perry",
    "Blood pressure 180/95 mmHg in the emergency room.": "somebody",
    "Anna Mitchell takes allopurinol. Ms. Mitchell's gout is quiet.": "anna",
    "Alan Mitchell has left shoulder pain. The shirt was brown.": "alan",
    "Mrs. O’Brien-Smith was seen. Sophia Brown is her sister.": "obrien",
}


def passages(*patients: str) -> list[Hit]:
    given = prompt(texts=tuple(TEXTS)).passages
    hits = [replace(hit, patient_id=TEXTS[hit.text]) for hit in given]
    return [hit for hit in hits if not patients or hit.patient_id in patients]


EVERYBODY = frozenset(TEXTS.values())


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("What was the blood pressure of Mr. Perry?", {"perry"}),
        ("How is mr perry?", {"perry"}),
        ("Does Anna Mitchell have gout?", {"anna"}),
        ("Anna Mitchell's dose?", {"anna"}),
        ("Anna Mitchell’s dose?", {"anna"}),
        ("Which pain has Ms. Mitchell?", {"anna", "alan"}),
        ("Which pain has Mr. Mitchell?", {"alan"}),
        ("Does Eva Mitchell have pain?", set()),
        ("What is the pressure of Peter Nobody?", set()),
        ("When was Mrs. O'Brien-Smith seen?", {"obrien"}),
        ("Who is the sister of Sophia Brown?", {"obrien"}),
        ("How is Ms. Brown?", {"obrien"}),
        ("Has anybody Atrial Fibrillation?", EVERYBODY),
        ("Which patients have pain?", EVERYBODY),
        ("What Is The Blood Pressure?", EVERYBODY),
        ("Is Lasix given?", EVERYBODY),
    ],
)
def test_the_patients_that_a_question_can_mean(question: str, meant: set[str]) -> None:
    assert resolve_named_patients(question, passages())[1] == meant


def test_the_only_patient_found_is_not_taken_for_somebody_else() -> None:
    assert resolve_named_patients("How is Mr. Perry?", passages("anna"))[1] == set()


def test_the_name_is_not_asked_about() -> None:
    question, _ = resolve_named_patients(
        "Which dose does Ms. Anna Mitchell take, and Mr. Perry’s pressure?", passages()
    )
    assert question.split() == "Which dose does take, and pressure?".split()
    assert (
        resolve_named_patients("Is Atrial Fibrillation known?", passages())[0]
        == "Is Atrial Fibrillation known?"
    )


def test_no_passage_no_patient() -> None:
    assert resolve_named_patients("How is Mr. Perry?", []) == ("How is ?", frozenset())


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What about Dr. Smith, and Mary Jones?", [["Smith"], ["Mary", "Jones"]]),
        ("List allergies of Mr Ward", [["Ward"]]),
        ("What did the MRI show?", []),
        ("Has the patient seen the Dr. about pain?", []),
        ("", []),
    ],
)
def test_names_are_capitalised_words_after_a_title_or_in_a_row(question: str, found: list[list[str]]) -> None:
    assert [list(name.words) for name in names(question)] == found


def told(*notes: str) -> list[Hit]:
    """One passage a patient, named p0, p1, ..."""
    given = prompt(texts=notes).passages
    return [replace(hit, patient_id=f"p{number}") for number, hit in enumerate(given)]


ASKED = [
    # field case 12
    ("What is the potassium of Ms. Nguyen?", "NGUYEN, LINH. Potassium is 5.9 mmol/L.", True),
    ("What is Mrs. Garcia's sodium?", "Mrs. García has a sodium of 128 mmol/L.", True),
    ("What is Mrs. García's sodium?", "Mrs. GARCIA has a sodium of 128 mmol/L.", True),
    ("How is Mr. Mueller?", "Mr. Müller has a cough.", True),
    ("How is Mr. Müller?", "MUELLER, HANS. Has a cough.", True),
    ("How is Mr. Muller?", "Mr. Müller has a cough.", True),
    ("How is Mr. Mueller?", "Mr. Muller has a cough.", False),
    ("How is Mr. Weiss?", "Mr. Weiß has a cough.", True),
    ("How is Ms. Sørensen?", "Ms. Soerensen has a cough.", True),
    ("How is Ms. Sorensen?", "Ms. Sørensen has a cough.", True),
    ("What is the sodium of Ana García López?", "Ana Garci\u0301a-Lo\u0301pez has a sodium of 128.", True),
    ("What is the sodium of Mrs. Garcia-Lopez?", "Mrs. García López has a sodium of 128.", True),
    ("How is Mr. O'Brien?", "Mr. O’BRIEN has a cough.", True),
    ("How is Mr. O’Brien?", "OBRIEN, PAT. Cough.", True),
    ("How is Ms. de la Cruz?", "Ms. De La Cruz has a cough.", True),
    ("How is Mr. van der Berg?", "Mr. van der Berg has a cough.", True),
    ("How is NGUYEN's potassium, Ms. NGUYEN?", "Linh Nguyen has a cough.", True),
    ("How is Linh Nguyen?", "NGUYEN, LINH. Cough.", True),
    ("How is Linh Nguyen?", "NGUYEN LINH. COUGH.", True),
    ("How is Linh Nguyen?", "L. Nguyen has a cough.", True),
    ("How is Ms. Nguyen?", "NGUYEN HAS A POTASSIUM OF 5.9.", True),
    ("How is Mr. Coyote?", "CBC Report for Wile. E.\nCOYOTE (MRN: 23453)", True),
    ("How is John J. Smith?", "John Smith has a cough.", True),
    ("How is John Smith Jr.?", "John Smith has a cough.", True),
    ("how is mrs. garcia?", "Mrs. García has a cough.", True),
    # another person of the same or a similar name
    ("How is Ms. Nguyen?", "Mr. Nguyen has a cough.", False),
    ("How is Ms. Nguyen?", "Dr. Nguyen saw the patient, who has a cough.", False),
    ("How is Ms. Nguyen?", "Signed by Thi Nguyen, MD. The patient has a cough.", False),
    ("How is Linh Nguyen?", "Binh Nguyen has a cough.", False),
    ("How is Linh Nguyen?", "NGUYEN, BINH. Cough.", False),
    ("How is Linh Nguyen?", "T. Nguyen has a cough.", False),
    ("How is Ms. Nguyen?", "Ms. Nguyenova has a cough.", False),
    ("How is Mr. Smith?", "Mr. Smith-Jones has a cough.", False),
    ("How is Mr. Jones?", "Ann Smith-Jones has a cough.", False),
    ("How is Mr. James?", "James Wilson has a cough.", False),
    ("How is Mr. Hansen?", "Mr. Hanson has a cough.", False),
    ("How is Mr. Foley?", "A Foley catheter was placed.", False),
    ("How is Ms. Graves?", "Thyroid: Graves' disease.", False),
    ("How is Mr. Brown?", "STOOL IS BROWN.", False),
    ("How is Mr. Brown?", "Brown stool was seen; the stool was brown before.", False),
    ("How is Mr. White?", "The white count is 9.", False),
]


@pytest.mark.parametrize(("question", "text", "meant"), ASKED)
def test_a_name_is_known_however_it_is_written_and_nobody_else_is_taken_for_it(
    question: str, text: str, meant: bool
) -> None:
    assert resolve_named_patients(question, told(text, "Mr. Abara has a calcium of 2.2 mmol/L."))[1] == (
        {"p0"} if meant else set()
    )
    assert resolve_named_patients(question, told(text))[1] == ({"p0"} if meant else set())


def test_of_two_spellings_the_one_that_was_asked_for_is_meant() -> None:
    both = told("Mr. Müller has a cough.", "Mr. Muller has a fever.")
    assert resolve_named_patients("How is Mr. Müller?", both)[1] == {"p0"}
    assert resolve_named_patients("How is Mr. Muller?", both)[1] == {"p1"}


def test_a_possessive_is_a_name_where_a_passage_has_it_as_one() -> None:
    notes = told("NGUYEN, LINH. Potassium is 5.9.", "Mr. Abara has Parkinson's disease.")
    assert resolve_named_patients("What is Nguyen's potassium?", notes)[1] == {"p0"}
    assert resolve_named_patients("Has anybody Parkinson's?", notes)[1] == {"p0", "p1"}
    assert resolve_named_patients("Which dose is Crohn's treated with?", notes)[1] == {"p0", "p1"}


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("Is Ehlers-Danlos syndrome inherited?", {"p0", "p1"}),
        ("Who treats Cornelia de Lange syndrome?", {"p0", "p1"}),
        ("How is Ehlers Danlos?", set()),  # may be a person, and no passage is theirs
        ("How is Mr. Ehlers-Danlos syndrome?", set()),
        ("Is Anna Danlos syndrome known?", set()),  # the passages do not have it
        ("Anna Smith disease progression?", set()),
        ("Is it Ehlers-Danlos, syndrome or not?", set()),
    ],
)
def test_an_illness_named_after_people_is_nobody_where_the_passages_have_it_verbatim(
    question: str, meant: set[str]
) -> None:
    notes = told(
        "Her joints suggest Ehlers-Danlos syndrome. The disease is inherited.",
        "Cornelia de Lange syndrome was ruled out.",
    )
    assert resolve_named_patients(question, notes)[1] == meant


def test_a_person_of_that_name_is_meant_before_the_illness() -> None:
    notes = told("Mr. Parkes Weber has a cough.", "Parkes Weber syndrome is rare.")
    assert resolve_named_patients("How is Parkes Weber syndrome treated?", notes)[1] == {"p0"}


NOT_A_PERSON = [
    "Is Aspiration Thrombectomy Beneficial in Patients Undergoing Primary Percutaneous Coronary Intervention?",
    "Do Wound Cultures Give Information About the Microbiology of Blood Cultures in Severe Burn Patients?",
    "Discharge Summary of a patient with pain",
    "Is it Cue-induced, HIV-related or IgM-enriched?",
    "Does MR-mammography help?",
    "What is a Roux-en-Y bypass?",
    "What is known of the South African context?",
    "Is it a public program--Is it a good one?",
    "What Is Known About Blood Pressure?",
    "Empyema. Right lung resected.",
]


@pytest.mark.parametrize("question", NOT_A_PERSON)
def test_ordinary_words_with_capitals_are_nobody(question: str) -> None:
    everybody = frozenset({"p0", "p1"})
    notes = told(
        "Percutaneous: percutaneous repair of a burn. The blood cultures are clear.",
        "Mr. Abara has a calcium of 2.2 mmol/L.",
    )
    assert resolve_named_patients(question, notes) == (question, everybody)


@pytest.mark.parametrize(
    "question",
    [
        # of one who is not in the notes, among ordinary words with capitals, or called as an ordinary word
        "Does Peter Kowalski Have Chronic Kidney Disease?",
        "What Medications Does Peter Kowalski Take for Chronic Pain?",
        "Peter Kowalski Blood Pressure Readings and the Plan",
        "Is Diabetic Peter Kowalski on insulin?",
        "Mrs. Kowalski Blood Pressure and the Plan",
        "Kowalski Allergies for the visit",
        "Does Eva Mitchell Have Chronic Kidney Disease?",
        "Does Grace Price have a cough?",
        "Does May Young have a cough?",
        "How is Mrs. May?",
        "how is mrs. long?",
        "How is Memory Mitchell?",
        "Anna Allergies and the visit",
        "Does Anna Pain have a cough?",
        "Is Patience Mitchell-related pain known?",
        "How is Anna Smith--is she better?",
        "How is Linh Nguyen–is she better?",
    ],
)
def test_a_name_among_ordinary_words_is_still_somebody(question: str) -> None:
    notes = told(
        "Anna Mitchell has a cough, a long one.\nBlood pressure 120/80, no allergies.",
        "The price of grace may be young; take chronic care.\nPain: none.",
    )
    assert resolve_named_patients(question, notes)[1] == frozenset()


@pytest.mark.parametrize(
    "question",
    [
        "Does Anna Mitchell Have Chronic Kidney Disease?",
        "Is Diabetic Anna Mitchell on insulin?",
        "Compare Anna Mitchell With Others After Surgery",
    ],
)
def test_a_patient_is_found_among_ordinary_words(question: str) -> None:
    notes = told("Ms. Anna Mitchell has a cough.", "Alan Mitchell has pain.", "Mr. Abara has gout.")
    assert "p0" in resolve_named_patients(question, notes)[1] <= {"p0", "p1"}


def test_an_illness_named_after_places_is_nobody_with_a_word_between() -> None:
    notes = told("CRIMEAN-CONGO HEMORRHAGIC FEVER is rare.", "Mr. Abara has gout.")
    assert resolve_named_patients("How is Crimean-Congo Hemorrhagic Fever diagnosed?", notes)[1] == {
        "p0",
        "p1",
    }
    assert resolve_named_patients("How is Crimean-Congo Hemorrhagic Pain?", notes)[1] == set()


@pytest.mark.parametrize(
    "question",
    [
        "How is Ms. Linda Center?",
        "How is Ms. Linda Allergies?",
        "How is Linda Mae Center?",
        "How is Linda Mae Risk Today?",
        "How is Linda Lung?",
        "Mrs. Linda Head Pressure and the Plan",
        "Linda Mae Head Blood Pressure Readings and the Plan",
        "How is Linda Among?",
    ],
)
def test_a_surname_that_is_an_ordinary_word_is_not_left_out(question: str) -> None:
    """Else the first name would be taken for the surname, and another patient's notes would answer."""
    notes = told("Linda has a cough.", "Linda Mae has gout.", "Mr. Abara has gout.")
    assert resolve_named_patients(question, notes)[1] == frozenset()
