"""Parts of lists, lists of what happened, and counts of one patient, over notes in a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answering.shapes.shaped_answering import MODEL
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.records import Document
from tests.answering.questions.stored_notes import stored
from tests.answering.shapes.test_shaped_answering import asked, lines, quotes

FIRST = """Rosa Lind is a 61-year-old female.

CHIEF COMPLAINT

Breathless on stairs.

PAST SURGICAL HISTORY

Cholecystectomy and left knee replacement. She also has osteoporosis.

MEDICATIONS

- tiotropium 18 mcg daily for COPD
- sertraline 50 mg daily

ASSESSMENT AND PLAN

COPD.
Start albuterol inhaler, 2 puffs as needed. Order spirometry.

Depression.
Increase sertraline to 100 mg daily. Stop amoxicillin.

Health maintenance.
Immunizations given today: influenza, pneumococcal polysaccharide.
"""
SECOND = """Rosa Lind is a 62-year-old female.

CHIEF COMPLAINT

Check-up.

PROBLEM LIST

1. COPD
2. Stop amoxicillin.
3. Depression

PLAN

The following procedures were done:
- colonoscopy
- polyp biopsy
Begin roflumilast 500 mcg daily. Flu vaccine given.
"""
OTHER = """Carl Ode is a 30-year-old male. He feels well."""
TOM = """Tom Brandt is a 50-year-old male who presents for a rash on his arm. He presents with no fever."""
INA = """Ina Sims is a 50-year-old female.

RESULTS

Ejection fraction is 55%.

ASSESSMENT AND PLAN

Gout.
- Medical Reasoning: Well controlled.
- Continue allopurinol.

Follow-up.
- In two weeks.
"""

UMA = """Uma Voss is a 44-year-old female.

CHIEF COMPLAINT

Knee pain.

HISTORY OF PRESENT ILLNESS

She has tried ice and ibuprofen without relief. Additionally, she has been seen by an orthopedist and a geneticist. Her
father was seen by a cardiologist.

MEDICAL HISTORY

Patient reports a history of gout and hypertension.

REVIEW OF SYSTEMS

Musculoskeletal: Reports knee pain.
Respiratory: Denies cough.

ASSESSMENT AND PLAN

1. Knee sprain.
- Patient Education and Counseling: We discussed the diagnosis. She was encouraged to rest the knee.
- Additional Testing: Knee MRI ordered.

2. Hypertension.
- Medical Treatment: Increase lisinopril to 20 mg daily. Renal ultrasound ordered. Urine collection and levels were
also ordered. I will refer her to a nephrologist.
- Medical Reasoning: She should do well.
"""


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    documents = [
        Document("r1", "rosa", "Visit note", FIRST, "2019-03-01", "ward"),
        Document("r2", "rosa", "Visit note", SECOND, "2020-03-01", "ward"),
        Document("t1", "tom", "Visit note", TOM, "2020-04-01", "ward"),
        Document("i1", "D77", "Visit note", INA, "2020-04-01", "ward"),
        Document("u1", "uma", "Visit note", UMA, "2020-04-01", "ward"),
        Document("c1", "carl", "Visit note", OTHER, "2020-04-01", "ward"),
    ]
    with stored(tmp_path_factory.mktemp("lists"), documents) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        (
            "What was Rosa Lind started on?",
            ["Begin roflumilast 500 mcg daily.", "Start albuterol inhaler, 2 puffs as needed."],
        ),
        (
            "Which medications were started at the last visit of Rosa Lind?",
            ["Begin roflumilast 500 mcg daily."],
        ),
        ("What was Rosa Lind started on in 2019?", ["Start albuterol inhaler, 2 puffs as needed."]),
        (
            "Which medications does Rosa Lind take for COPD?",
            ["tiotropium 18 mcg daily for COPD", "Start albuterol inhaler, 2 puffs as needed."],
        ),
        ("Which medications of Rosa Lind were stopped?", ["Stop amoxicillin."]),
        ("Which tests are planned for Rosa Lind?", ["Order spirometry."]),
        ("What are the diagnoses of Rosa Lind?", ["COPD", "Depression"]),
        (
            "Which immunizations has Rosa Lind had?",
            ["Flu vaccine given.", "influenza", "pneumococcal polysaccharide"],
        ),
        ("What was Rosa Lind vaccinated with on 2020-03-01?", ["Flu vaccine given."]),
        (
            "Which procedures has Rosa Lind had?",
            ["Cholecystectomy and left knee replacement", "colonoscopy", "polyp biopsy"],
        ),
    ],
)
def test_the_part_that_is_asked_for(notes: EmbeddedStore, question: str, quoted: list[str]) -> None:
    told = asked(question, notes)
    assert sorted(quotes(told)) == sorted(quoted)
    assert told.model == MODEL


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("imaging ordered for Uma Voss", "MRI|ultrasound"),
        ("What tests were ordered to work up Uma Voss's hypertension?", "ultrasound|Urine"),
        ("labs to be drawn on Uma Voss?", "Urine"),
        ("Who was Uma Voss referred to?", "refer her"),
        ("specialists Uma Voss has seen so far", "orthopedist"),
        ("What did the doctor advise Uma Voss?", "encouraged"),
        ("What symptoms does Uma Voss deny?", "Denies"),
        ("What has Uma Voss already tried?", "tried ice"),
        ("What medication changes were made for Uma Voss?", "Increase lisinopril"),
        ("Which long-term conditions does Uma Voss have?", "history of gout|Hypertension"),
    ],
)
def test_what_sentences_of_any_section_list(notes: EmbeddedStore, question: str, words: str) -> None:
    found = quotes(asked(question, notes))
    assert all(any(word in each for each in found) for word in words.split("|"))
    assert len(found) == len(words.split("|"))


@pytest.mark.parametrize(
    "question",
    [
        "Who was Ina Sims referred to?",
        "What labs were ordered for Ina Sims?",
        "What has Ina Sims tried?",
        "Which specialists has Carl Ode seen?",
        "Which long-term conditions does Tom Brandt have?",
    ],
)
def test_of_what_no_sentence_says_nothing_is_listed(notes: EmbeddedStore, question: str) -> None:
    assert asked(question, notes).model != MODEL or not quotes(asked(question, notes))


@pytest.mark.parametrize(
    "question",
    [
        "Which operations has Carl Ode had?",
        "Which immunizations has Carl Ode had?",
        "What were Carl Ode's laboratory results?",
        "Which illnesses run in the family of Carl Ode?",
        "What did Carl Ode's mother die of?",
    ],
)
def test_what_no_note_has_a_word_of_is_not_stated(notes: EmbeddedStore, question: str) -> None:
    assert asked(question, notes).reason == "not_stated"


@pytest.mark.parametrize(
    ("question", "lead"),
    [
        ("How many visits has Rosa Lind had?", "2 visits, by the days that there are notes of:"),
        ("How often was Rosa Lind seen in 2019?", "1 visit, by the days that there are notes of:"),
        ("How many times was Rosa Lind given an influenza vaccine?", "2 notes, each of another day, say so"),
        ("How many colonoscopies has Rosa Lind had?", "1 note says so of colonoscopies"),
    ],
)
def test_a_count_of_one_patient_shows_what_it_counts(notes: EmbeddedStore, question: str, lead: str) -> None:
    told = asked(question, notes)
    assert lines(told)[0].startswith(lead)
    assert len(told.citations) == int(lead.split(maxsplit=1)[0])


RUN_ON = """Kim Lee is a 58-year-old woman. PMH: asthma, reflux. Allergies: NKDA.
Medications reviewed: albuterol, omeprazole 40 mg, levothyroxine 88 mcg. She stopped omeprazole last month.
Colonoscopy in March showed two polyps. Shingrix #1 given.
Assessment: 1. Asthma - well controlled. 2. New diagnosis: type 2 diabetes. 3. HM: mammogram due.
"""


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        (
            "What medications is Kim Lee on?",
            ["albuterol", "omeprazole 40 mg", "levothyroxine 88 mcg", "She stopped omeprazole last month"],
        ),
        ("What medical problems does Kim Lee have?", ["asthma", "reflux", "New diagnosis: type 2 diabetes"]),
        ("Which vaccines did Kim Lee get?", ["Shingrix #1 given."]),
    ],
)
def test_sections_that_run_on_hold_their_own_alone(tmp_path: Path, question: str, quoted: list[str]) -> None:
    with stored(tmp_path, [Document("k1", "kim", "Visit note", RUN_ON, "2020-06-10", "ward")]) as store:
        assert set(quoted) <= set(quotes(asked(question, store)))
        assert not any(
            "Colonoscopy" in each or "mammogram" in each for each in quotes(asked(question, store))
        )


def test_notes_of_which_the_day_is_not_known_are_not_counted(tmp_path: Path) -> None:
    documents = [
        Document(f"n{number}", "p1", "Visit note", f"Nora Patel. Visit {number}: flu shot given.")
        for number in (1, 2)
    ]
    with stored(tmp_path, documents) as store:
        assert asked("How many visits has patient p1 had?", store).model != MODEL


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        (
            "What is the plan for Rosa Lind's COPD?",
            ["Start albuterol inhaler, 2 puffs as needed.", "Order spirometry."],
        ),
        (
            "What is being done about Rosa Lind's depression?",
            ["Increase sertraline to 100 mg daily.", "Stop amoxicillin."],
        ),
        (
            "How is Rosa Lind's depression being treated?",
            ["Increase sertraline to 100 mg daily.", "Stop amoxicillin."],
        ),
        (
            "What is the plan for depression of Rosa Lind?",
            ["Increase sertraline to 100 mg daily.", "Stop amoxicillin."],
        ),
    ],
)
def test_a_plan_for_an_illness_is_what_stands_under_its_headline(
    notes: EmbeddedStore, question: str, quoted: list[str]
) -> None:
    """Not the headline alone, and nothing from under "Health maintenance", which comes next."""
    assert quotes(asked(question, notes)) == quoted


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("Why did Rosa Lind come in?", ["Check-up"]),
        ("What did Rosa Lind come in for?", ["Check-up"]),
        ("What brought Rosa Lind to the clinic?", ["Check-up"]),
        ("Why was Rosa Lind seen?", ["Check-up"]),
        ("Why was Rosa Lind seen in 2019?", ["Breathless on stairs"]),
        (
            "Why did Tom Brandt come in?",
            ["Tom Brandt is a 50-year-old male who presents for a rash on his arm."],
        ),
    ],
)
def test_a_reason_for_a_visit_is_its_section_or_the_sentence_that_says_what_one_comes_for(
    notes: EmbeddedStore, question: str, quoted: list[str]
) -> None:
    assert quotes(asked(question, notes)) == quoted


def test_a_name_that_ends_in_an_s_owns_as_others_do(notes: EmbeddedStore) -> None:
    assert quotes(asked("What is the plan for Ina Sims' gout?", notes)) == ["Continue allopurinol."]


def test_an_id_without_the_word_patient_is_no_word_of_what_is_asked(notes: EmbeddedStore) -> None:
    assert quotes(asked("What is the ejection fraction of D77?", notes)) == ["Ejection fraction is 55%."]


def test_what_was_taken_out_and_what_replaces_a_hormone_are_no_operations(tmp_path: Path) -> None:
    text = (
        "Mia Holm is a 60-year-old female. She had a lumpectomy in 2020. The lymph nodes removed were benign. "
        "She was on hormone replacement for years."
    )
    with stored(tmp_path, [Document("m1", "mia", "Visit note", text, "2021-01-05", "ward")]) as store:
        told = asked("What surgery did Mia Holm have?", store)
    assert quotes(told) == ["She had a lumpectomy in 2020."]


LABELLED = """Lea Orr is a 50-year-old female.

CHIEF COMPLAINT

Abnormal labs.

PHYSICAL EXAM

Lungs: Clear.
Left elbow: tender.

RESULTS

Creatinine is slightly elevated.

ASSESSMENT

Lateral epicondylitis.

PLAN

She was given a sling. Lyme titer will be obtained. Hemoglobin A1c ordered.

INSTRUCTIONS

Follow up in 1 week. Avoid lifting for the next two weeks.
"""


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("What brought Lea Orr in today?", ["Abnormal labs"]),
        ("Why is Lea Orr here today?", ["Abnormal labs"]),
        ("What did the physical exam of Lea Orr show?", ["Lungs: Clear", "Left elbow: tender"]),
        ("What are Lea Orr's lab results?", ["Creatinine is slightly elevated."]),
        (
            "What is the plan for Lea Orr's epicondylitis?",
            ["She was given a sling.", "Lyme titer will be obtained.", "Hemoglobin A1c ordered."],
        ),
        ("What tests were ordered for Lea Orr?", ["Lyme titer will be obtained.", "Hemoglobin A1c ordered."]),
        ("When is Lea Orr's next appointment?", ["Follow up in 1 week."]),
        ("What is the plan for Lea Orr's gout?", []),
    ],
)
def test_what_a_note_has_under_its_headings_is_all_of_it_and_nothing_else(
    tmp_path: Path, question: str, quoted: list[str]
) -> None:
    """A plan is of the only problem that is assessed; why one came is no result; of another illness nothing is said."""
    with stored(tmp_path, [Document("l1", "lea", "Visit note", LABELLED, "2021-01-05", "ward")]) as store:
        assert quotes(asked(question, store)) == quoted


HASHED = """Pam Ek is a 50-year-old female.

Assessment/Plan:
# Diabetes
- Continue metformin 1000 mg BID
- Start empagliflozin 10 mg daily
# Family history of breast cancer
- Genetic counseling referral
# Dispo
- RTC 3 months
"""
NUMBERED = """Pam Ek is a 50-year-old female.

ASSESSMENT AND PLAN:
1. COPD exacerbation - prednisone 40 mg x 5 days, azithromycin.
2. Diabetes insipidus: continue desmopressin.
3. Hypertension, well controlled. Continue amlodipine 5 mg.
4. Gout: see below.
"""


HEADED = """Pam Ek is a 50-year-old female.

ASSESSMENT AND PLAN

1. Asthma
Start fluticasone.
2. Gout - continue allopurinol.
3. Anemia
4. Return to work on Monday with light duty.
"""


@pytest.mark.parametrize(
    ("note", "illness", "quoted"),
    [
        (HEADED, "asthma", ["Start fluticasone."]),
        (HEADED, "gout", ["Gout - continue allopurinol."]),
        (HEADED, "anemia", []),
        (HASHED, "diabetes", ["Continue metformin 1000 mg BID", "Start empagliflozin 10 mg daily"]),
        (HASHED, "breast cancer", []),
        (NUMBERED, "COPD", ["COPD exacerbation - prednisone 40 mg x 5 days, azithromycin."]),
        (NUMBERED, "diabetes", []),
        (NUMBERED, "hypertension", ["Hypertension, well controlled.", "Continue amlodipine 5 mg."]),
        (NUMBERED, "diabetes insipidus", ["Diabetes insipidus: continue desmopressin."]),
    ],
)
def test_a_plan_for_an_illness_stands_in_its_item_or_its_own_section(
    tmp_path: Path, note: str, illness: str, quoted: list[str]
) -> None:
    with stored(tmp_path, [Document("l1", "pam", "Visit note", note, "2021-01-05", "ward")]) as store:
        told = asked(f"What is the plan for Pam Ek's {illness}?", store)
    assert (quotes(told) if told.outcome == "answered" else []) == quoted


_ADVICE = """ASSESSMENT AND PLAN

Gout.
Start colchicine. I advised him to drink two litres of water a day.

Hypertension.
Increase losartan. He was told not to add salt. He should check his pressure twice a week.
"""


@pytest.mark.parametrize(
    ("question", "lead", "quoted"),
    [
        ("What should Milo Karr do for his gout?", "Advice for gout", ["drink two litres"]),
        (
            "What advice did Milo Karr get about hypertension?",
            "Advice for hypertension",
            ["add salt", "twice a week"],
        ),
        ("What was Milo Karr told to avoid?", "Advice on what to avoid", ["add salt"]),
        ("What did they tell Milo Karr about his shoulder?", "", []),
    ],
)
def test_advice_is_of_what_it_is_asked_about(
    tmp_path: Path, question: str, lead: str, quoted: list[str]
) -> None:
    note = Document(
        "m1", "milo", "Visit note", f"Milo Karr is a 50-year-old male.\n\n{_ADVICE}", None, "ward"
    )
    with stored(tmp_path, [note]) as store:
        told = lines(asked(question, store))
    if lead:
        assert told[0].startswith(lead)
        assert len(told) == 1 + len(quoted)
        assert all(words in line for words, line in zip(quoted, told[1:], strict=True))
    else:
        assert not any("Advice" in line for line in told)
