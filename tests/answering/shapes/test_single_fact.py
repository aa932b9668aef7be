"""One fact of one patient: the sentence that holds what is asked and has the value asked for, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.records import Answer, Document, Filters
from tests.answering.questions.stored_notes import EMBEDDER, stored
from tests.answering.shapes.test_shaped_answering import asked, lines, quotes

NORA = "Nora Patel is a 35-year-old female.\n\n"


def told_of(folder: Path, question: str, *texts: str, dated: bool = True) -> Answer:
    """Each text a note of Nora Patel, a year after the one before."""
    documents = [
        Document(
            f"n{year}", "p1", "Visit note", NORA + text, f"{2020 + year}-01-05" if dated else None, "ward"
        )
        for year, text in enumerate(texts)
    ]
    with stored(folder, documents) as store:
        return asked(question, store)


@pytest.mark.parametrize(
    ("question", "note", "first"),
    [
        (
            "How big is Nora Patel's lung nodule?",
            "ASSESSMENT\n\n1. Right upper lobe lung nodule.\n\nRESULTS\n\nThe CT shows a lung nodule of 8 mm.",
            "The CT shows a lung nodule of 8 mm.",
        ),
        (
            "What dose of allopurinol is Nora Patel taking for gout?",
            (
                "ASSESSMENT AND PLAN\n\nReflux.\n• Treatment: Continue omeprazole.\n\nGout.\n• Flares are rare.\n"
                "• Medical Treatment: Continue allopurinol 100 mg daily."
            ),
            "Medical Treatment: Continue allopurinol 100 mg daily.",
        ),
        (
            "Is Nora Patel's left knee tender?",
            "EXAM\n\nThe right knee is tender to palpation. The left knee is not tender.",
            "The left knee is not tender.",
        ),
        (
            "What was Nora Patel's LDL?",
            "LABS\n\nTotal cholesterol 222 mg/dL, HDL 44 mg/dL.\nLDL 153 mg/dL.",
            "LDL 153 mg/dL.",
        ),
        (
            "When did Nora Patel quit smoking?",
            "SOCIAL HISTORY\n\nFormer smoker. Quit approximately 10 years ago. Works as a teacher.",
            "Quit approximately 10 years ago.",
        ),
        (
            "What does Nora Patel take for her migraines?",
            "She has migraines once a month. Her migraines are well controlled on Imitrex 50 mg.",
            "Her migraines are well controlled on Imitrex 50 mg.",
        ),
        (
            "Nora Patel INR",
            "LABS\n\nINR 2.4, hemoglobin 11.2.",
            "INR 2.4, hemoglobin 11.2.",
        ),
        (
            "Is Nora Patel married?",
            "SOCIAL HISTORY\n\nShe is divorced and lives alone. She works as a teacher.",
            "She is divorced and lives alone.",
        ),
        (
            "What insurance does Nora Patel have?",
            "She works as a teacher. She currently has Medicaid.",
            "She currently has Medicaid.",
        ),
        (
            "How much weight has Nora Patel lost?",
            "She has no appetite and has lost 8 pounds this month. Ten pound traction.",
            "She has no appetite and has lost 8 pounds this month.",
        ),
        (
            "Who performed Nora Patel's operation?",
            "An operation of the knee was performed. The operation was performed by Dr. Hill.",
            "The operation was performed by Dr. Hill.",
        ),
        (
            "Is Nora Patel on antibiotics?",
            "MEDICATIONS\n\n- amoxicillin 500 mg daily\n- aspirin 81 mg\n",
            "amoxicillin 500 mg daily",
        ),
        (
            "What operation is planned for Nora Patel?",
            "She had a discectomy. The plan is to proceed with a hip replacement.",
            "The plan is to proceed with a hip replacement.",
        ),
        ("How old is Nora Patel?", "She has gout.", "Nora Patel is a 35-year-old female."),
        (
            "How old was Nora Patel's mother when she died?",
            "FAMILY HISTORY\n\nMother deceased at age 45. Father alive at age 80.",
            "Mother deceased at age 45.",
        ),
        (
            "Which drug should Nora Patel stop?",
            "We will start meloxicam 15 mg daily. I advised her to discontinue ibuprofen.",
            "I advised her to discontinue ibuprofen.",
        ),
        (
            "What are Nora Patel's hobbies?",
            "She lives alone. She enjoys rowing and choir.",
            "She enjoys rowing and choir.",
        ),
        (
            "Occupation of Nora Patel?",
            "I reviewed her lab work. She is a bus driver.",
            "She is a bus driver.",
        ),
        (
            "Does Nora Patel have black stools?",
            "Denies melena. She has loose stools.",
            "Denies melena.",
        ),
        (
            "Does Nora Patel have hepatitis A?",
            "She has hepatitis A. She has no hepatitis B.",
            "She has hepatitis A.",
        ),
    ],
)
def test_the_sentence_that_holds_it_comes_first(tmp_path: Path, question: str, note: str, first: str) -> None:
    told = told_of(tmp_path, question, note)
    assert told.outcome == "answered"
    assert quotes(told)[0] == first


@pytest.mark.parametrize(
    ("question", "note"),
    [
        ("How big is Nora Patel's lung nodule?", "ASSESSMENT\n\n1. Right upper lobe lung nodule."),
        ("Is Nora Patel allergic to aspirin?", "MEDICATIONS\n\n6. Lisinopril.\n7. Aspirin.\n8. Metformin."),
        ("Is Nora Patel's left knee tender?", "EXAM\n\nThe right knee is tender to palpation."),
        ("What was Nora Patel's blood pressure?", "Her blood pressure medicine was changed 2 weeks ago."),
        ("What was Nora Patel's weight?", "She reports a 10 pound weight gain."),
        ("What surgery has Nora Patel had?", "It has been 6 months since I last saw the patient."),
        ("Has Nora Patel had coronary heart disease?", "She has diabetes and a thyroid disease."),
        ("Has Nora Patel ever been given a zoster vaccine?", "She was given the influenza vaccine."),
        ("Does Nora Patel have kidney failure?", "She has kidney stones and heart failure."),
        ("Has Nora Patel injured her right leg?", "She has a history of a left leg injury."),
        ("What is the dose of Nora Patel's metformin?", "She takes metformin as directed."),
        ("What was Nora Patel's hemoglobin?", "Her hemoglobin A1c was 8.2 last month."),
        ("What operation is planned for Nora Patel?", "She has a history of a discectomy."),
        ("Which knee of Nora Patel was operated on?", "She is status post knee arthroplasty."),
        ("Has Nora Patel had a heart attack?", "There is a risk of heart attack and of bleeding."),
        ("On which side does Nora Patel have CVA tenderness?", "Tenderness of the left ankle."),
        ("How severe is Nora Patel's headache?", "She denies any severe headache."),
        ("Does Nora Patel smoke?", "A gauze throat pack was placed."),
        ("How much does Nora Patel weigh?", "Ten pound inline traction was placed."),
        ("Who performed Nora Patel's operation?", "An operation of the knee was performed."),
        ("How old is Nora Patel's mother?", "FAMILY HISTORY\n\nMother: diabetes."),
        ("Does Nora Patel's mother have asthma?", "She has asthma. Her mother has diabetes."),
    ],
)
def test_what_no_sentence_holds_is_not_stated(tmp_path: Path, question: str, note: str) -> None:
    told = told_of(tmp_path, question, note)
    assert told.outcome == "nothing_relevant"


def test_what_comes_near_is_shown_as_that_and_is_no_answer(tmp_path: Path) -> None:
    told = told_of(tmp_path, "Has Nora Patel had a heart attack?", "She has gout. She had a stroke.")
    assert (told.outcome, told.reason) == ("nothing_relevant", "not_stated")
    assert told.statements == ()
    told = told_of(
        tmp_path / "near",
        "How big is Nora Patel's lung nodule?",
        "Right upper lobe lung nodule. She has gout.",
    )
    assert (told.outcome, told.reason) == ("nothing_relevant", "not_stated")
    assert lines(told) == [
        "Not stated in the notes. What comes near:",
        '"Right upper lobe lung nodule." [1]',
    ]
    twice = ("Right upper lobe lung nodule.",) * 2
    assert lines(told_of(tmp_path / "twice", "How big is Nora Patel's lung nodule?", *twice)) == lines(told)


def test_what_may_be_said_in_other_words_is_not_called_unstated(tmp_path: Path) -> None:
    told = told_of(tmp_path, "Has anyone heard Nora Patel snore?", "Her daughter says that she is snoring.")
    assert (told.outcome, told.reason) == ("nothing_relevant", "not_stated")
    assert lines(told) == [
        "No sentence says this in so many words. What comes nearest:",
        '"Her daughter says that she is snoring." [1]',
    ]


def test_a_passage_is_as_near_to_the_question_as_its_vector_says(tmp_path: Path) -> None:
    text = NORA + "The CT shows a lung nodule of 8 mm."
    question = "How big is Nora Patel's lung nodule?"
    with stored(tmp_path, [Document("n0", "p1", "Visit note", text, "2020-01-05", "ward")]) as store:
        (citation, *_) = asked(question, store).citations
        vector = EMBEDDER.embed([question], "query")[0]
        (match,) = store.search_vector(vector, 1, Filters())
    assert citation.similarity == pytest.approx(match.score, abs=1e-5)


def test_a_day_that_is_asked_about_is_the_notes_or_the_sentences(tmp_path: Path) -> None:
    notes = ("She currently has Aetna.", "She currently has Cigna.", "On 2020-01-05 she had Humana.")
    told = told_of(tmp_path / "note", "What insurance did Nora Patel have on January 5, 2021?", *notes)
    assert quotes(told) == ["She currently has Cigna."]
    told = told_of(tmp_path / "none", "What insurance did Nora Patel have on January 5, 2019?", *notes)
    assert told.outcome == "nothing_relevant"
    told = told_of(
        tmp_path / "undated",
        "What did the CT of Nora Patel show in March 2019?",
        "CT of the chest, 03/12/2019: the CT shows a small nodule.",
        dated=False,
    )
    assert quotes(told) == ["CT of the chest, 03/12/2019: the CT shows a small nodule."]


def test_of_what_changes_the_newest_note_has_the_answer(tmp_path: Path) -> None:
    told = told_of(
        tmp_path,
        "What insurance does Nora Patel have?",
        "She currently has Aetna.",
        "She currently has Cigna.",
    )
    assert quotes(told) == ["She currently has Cigna."]


def test_a_note_without_a_date_does_not_say_when(tmp_path: Path) -> None:
    told = told_of(
        tmp_path / "none", "When was Nora Patel's colonoscopy?", "A colonoscopy was done.", dated=False
    )
    assert told.outcome == "nothing_relevant"
    told = told_of(
        tmp_path / "said",
        "When was Nora Patel's colonoscopy?",
        "A colonoscopy was done in 2018.",
        dated=False,
    )
    assert quotes(told) == ["A colonoscopy was done in 2018."]


ECHO = (
    "RESULTS\n\nEchocardiogram in 2021 showed an ejection fraction of 60%.\n\n"
    "PLAN\n\nWe will order a repeat echocardiogram."
)


@pytest.mark.parametrize(
    ("question", "text", "quoted"),
    [
        (
            "What did the echocardiogram of Nora Patel show?",
            ECHO,
            ["Echocardiogram in 2021 showed an ejection fraction of 60%."],
        ),
        (
            "What did Nora Patel's x-ray show?",
            "X-ray of the hand, ordered and obtained today, is unremarkable. She will return for a follow-up x-ray.",
            ["X-ray of the hand, ordered and obtained today, is unremarkable."],
        ),
        (
            "When should Nora Patel come back?",
            "She had surgery 10 years ago in her lower back.\n\nPLAN\n\nThe patient will follow up in 2 weeks.",
            ["The patient will follow up in 2 weeks."],
        ),
        (
            "Does Nora Patel have a knee effusion?",
            "EXAM\n\nLeft knee: no effusion. Right knee: moderate effusion and tenderness.",
            ["Left knee: no effusion.", "Right knee: moderate effusion and tenderness."],
        ),
        (
            "How is Nora Patel's gout?",
            "ASSESSMENT\n\nGout.\nHer gout is well controlled.",
            ["Her gout is well controlled."],
        ),
    ],
)
def test_what_is_planned_is_no_result_and_a_headline_alone_no_answer(
    tmp_path: Path, question: str, text: str, quoted: list[str]
) -> None:
    assert sorted(quotes(told_of(tmp_path, question, text))) == sorted(quoted)


def test_a_test_under_a_condition_has_no_result(tmp_path: Path) -> None:
    text = "PLAN\n\nIf fever recurs, obtain CT of the abdomen."
    assert told_of(tmp_path, "What did Nora Patel's CT show?", text).reason == "not_stated"


def test_a_test_that_is_only_ordered_has_no_result_of_another_one(tmp_path: Path) -> None:
    text = "IMAGING: X-ray of the left shoulder shows no fracture.\n\nPLAN: Order MRI of the left shoulder."
    told = told_of(tmp_path, "What did the MRI of Nora Patel's left shoulder show?", text)
    assert told.outcome == "nothing_relevant"
    assert told.reason == "not_stated"


def test_a_dose_that_is_taken_is_the_newest_notes_and_values_of_several_days_say_whose_they_are(
    tmp_path: Path,
) -> None:
    old, new = "MEDICATIONS\n\n- lisinopril 10 mg daily", "MEDICATIONS\n\n- lisinopril 20 mg daily"
    (tmp_path / "is").mkdir()
    (tmp_path / "was").mkdir()
    now = told_of(tmp_path / "is", "What dose of lisinopril is Nora Patel on?", old, new)
    assert quotes(now) == ["lisinopril 20 mg daily"]
    then = told_of(tmp_path / "was", "What dose of lisinopril was Nora Patel on?", old, new)
    assert {line.partition(" [")[0] for line in lines(then)} == {
        'note of 2020-01-05: "lisinopril 10 mg daily"',
        'note of 2021-01-05: "lisinopril 20 mg daily"',
    }


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        (
            "Why was Nora Patel started on Lasix?",
            (
                "ASSESSMENT AND PLAN\n\nHeart failure.\n• Medical Treatment: Initiate Lasix 40 mg daily.\n\nGout.\n"
                "• Medical Treatment: Continue allopurinol."
            ),
            'Heart failure: "Medical Treatment: Initiate Lasix 40 mg daily." [1]',
        ),
        (
            "any fam hx of breast ca Nora Patel",
            "FAMILY HISTORY\n\nDenies family history of breast cancer.\n\nHISTORY\n\nBreast biopsy in 2019.",
            '"Denies family history of breast cancer." [1]',
        ),
        (
            "next mammogram due when? Nora Patel",
            "RESULTS\n\nA mammogram in 01/2021 was normal.\n\nPLAN\n\nShe is due for a mammogram in 04/2022.",
            '"She is due for a mammogram in 04/2022." [1]',
        ),
        (
            "Which dose of metformin is in the plan for Nora Patel?",
            "MEDICATIONS\n\nTakes metformin 500 mg twice a day.\n\nPLAN\n\nIncrease metformin to 1000 mg twice a day.",
            '"Increase metformin to 1000 mg twice a day." [1]',
        ),
        (
            "Nora Patel appendix removed when",
            "HISTORY\n\nHe had an ankle fracture in 1975. She had an appendectomy in the 1940s.",
            'told in the note of 2020-01-05: "She had an appendectomy in the 1940s." [1]',
        ),
        (
            "Lasix change Nora Patel",
            "PLAN\n\nContinue Lasix for now, she likes it. Increase Lasix from 20 mg to 60 mg for 4 days.",
            '"Increase Lasix from 20 mg to 60 mg for 4 days." [1]',
        ),
    ],
)
def test_questions_as_they_are_typed(tmp_path: Path, question: str, text: str, said: str) -> None:
    assert lines(told_of(tmp_path, question, text))[0] == said


FILMS = "IMAGING\n\nX-rays of the hips were taken. No fractures noted.\n\nEXAM\n\nThe abdomen has no mass."


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("Were there any fractures on Nora Patel's films?", ["No fractures noted."]),
        ("Did Nora Patel's x-rays show a fracture?", ["No fractures noted."]),
    ],
)
def test_what_a_test_showed_is_said_of_that_test(tmp_path: Path, question: str, quoted: list[str]) -> None:
    assert quotes(told_of(tmp_path, question, FILMS)) == quoted


def test_what_another_test_showed_is_no_answer(tmp_path: Path) -> None:
    told = told_of(tmp_path, "Did Nora Patel's x-ray show a mass?", FILMS)
    assert told.outcome == "nothing_relevant"


@pytest.mark.parametrize(
    ("question", "text", "first"),
    [
        (
            "Is Nora Patel still on warfarin?",
            "She is on warfarin for a clot. We spoke of bleeding. Her warfarin has been held.",
            "Her warfarin has been held.",
        ),
        (
            "Nora Patel's last seizure?",
            "She has not had any seizures in a few months.",
            "She has not had any seizures in a few months.",
        ),
        (
            "What might be raising Nora Patel's liver enzymes?",
            "PLAN\n\nRepeat liver enzymes.\n\nHISTORY\n\nCrestor may be contributing to her elevated liver enzymes.",
            "Crestor may be contributing to her elevated liver enzymes.",
        ),
        (
            "But ibuprofen is ok for Nora Patel?",
            "She took ibuprofen on Monday. She may continue ibuprofen as needed.",
            "She may continue ibuprofen as needed.",
        ),
        (
            "size of Nora Patel's heel wound",
            "EXAM\n\nThe heel wound is black. It is about 2 cm x 2 cm. A lump of 5 mm is on the toe.",
            "The heel wound is black. It is about 2 cm x 2 cm.",
        ),
        (
            "fracture on the films of Nora Patel?",
            "IMAGING\n\nX-ray of the foot shows no fracture.",
            "X-ray of the foot shows no fracture.",
        ),
        (
            "how high did Nora Patel's sugar go?",
            "Her blood sugar went up to 500 once.",
            "Her blood sugar went up to 500 once.",
        ),
        (
            "what does she think brought on the pain of Nora Patel",
            "Her elbow pain began in May. The elbow pain is due to pottery.",
            "The elbow pain is due to pottery.",
        ),
        (
            "cancer in a sibling? Nora Patel",
            "FAMILY HISTORY\n\nHer brother had cancer of the colon.",
            "Her brother had cancer of the colon.",
        ),
        (
            "Is the lump still there in Nora Patel?",
            "In May there was a lump in the breast. The lump has resolved with massage.",
            "The lump has resolved with massage.",
        ),
        (
            "how much tylenol does Nora Patel take",
            "She takes 2 Extra Strength Tylenol every 6 hours.",
            "She takes 2 Extra Strength Tylenol every 6 hours.",
        ),
        (
            "Who follows Nora Patel's insulin pump?",
            "She is to see her endocrinologist, who follows up on her insulin pump.",
            "She is to see her endocrinologist, who follows up on her insulin pump.",
        ),
        (
            "date of Nora Patel's mammoplasty",
            "A breast lump was seen in 03/2018. Mammaplasty was done on 10/15/2019.",
            "Mammaplasty was done on 10/15/2019.",
        ),
        (
            "why was Nora Patel put on warfarin",
            "She has gout. She is on warfarin because of a clot in 2019.",
            "She is on warfarin because of a clot in 2019.",
        ),
        (
            "does Nora Patel still work",
            "She has gout. She retired last year.",
            "She retired last year.",
        ),
    ],
)
def test_what_tells_most_comes_first(tmp_path: Path, question: str, text: str, first: str) -> None:
    told = told_of(tmp_path, question, text)
    assert quotes(told)[0] == first
    assert not lines(told)[0].startswith("Only as denied")


def test_a_test_that_was_talked_of_has_no_result(tmp_path: Path) -> None:
    text = "PLAN\n\nWe discussed the role of an EGD. She is comfortable with foregoing the EGD for now."
    assert told_of(tmp_path, "What did the EGD of Nora Patel show?", text).outcome == "nothing_relevant"


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("X-ray findings, Nora Patel's left knee", "RESULTS\n\nX-rays of the right knee show arthritis."),
        ("Nora Patel left knee edema?", "EXAM\n\nEdema of the right knee. Normal gait."),
        ("Nora Patel, number of insulin units?", "MEDICATIONS\n\nAspirin 81 mg daily and insulin."),
        ("number of Nora Patel's hospitalizations?", "HISTORY\n\nShe has been hospitalized for pneumonia."),
    ],
)
def test_another_side_or_a_number_of_something_else_is_no_answer(
    tmp_path: Path, question: str, text: str
) -> None:
    assert told_of(tmp_path, question, text).outcome == "nothing_relevant"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (
            "Nora Patel doxy dose",
            [
                '"doxy" stands in no note and is read as "doxycycline".',
                '"Doxycycline 100 mg twice a day." [1]',
            ],
        ),
        (
            "any mitral regurg in Nora Patel?",
            [
                '"regurg" stands in no note and is read as "regurgitation".',
                '"The echo shows mitral regurgitation." [1]',
            ],
        ),
        ("Is Nora Patel anaemic?", ['"Her anemia is stable." [1]']),
        ("Nora Patel hydro dose", []),
        ("Nora Patell doxy dose", []),
    ],
)
def test_a_word_that_the_notes_write_otherwise_is_read_as_theirs(
    tmp_path: Path, question: str, said: list[str]
) -> None:
    text = (
        "PLAN\n\nDoxycycline 100 mg twice a day. Hydrocodone 5 mg as needed. Her anemia is stable.\n\n"
        "RESULTS\n\nThe echo shows mitral regurgitation."
    )
    answer = told_of(tmp_path, question, text)
    assert lines(answer) == said or (not said and answer.outcome != "answered")


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        (
            "What replaced verapamil for Nora Patel?",
            "PLAN\n\nVerapamil was stopped because of constipation. We will start propranolol 20 mg daily.",
            "Verapamil was stopped because of constipation. We will start propranolol 20 mg daily.",
        ),
        (
            "What was Nora Patel put on instead of atenolol?",
            "PLAN\n\nShe takes atenolol. Atenolol was changed to diltiazem 120 mg daily.",
            "Atenolol was changed to diltiazem 120 mg daily.",
        ),
        (
            "Reason Nora Patel came off her losartan?",
            "PLAN\n\nLosartan 50 mg daily.\n\nWe will stop losartan because of hyperkalemia.",
            "We will stop losartan because of hyperkalemia.",
        ),
        (
            "mechanism of injury, Nora Patel",
            "HPI\n\nShe has ankle pain. She slipped on ice and fell.",
            "She slipped on ice and fell.",
        ),
        (
            "How did Nora Patel hurt her ankle?",
            "HPI\n\nThe ankle pain is severe. Her ankle twisted when she stepped off a curb.",
            "Her ankle twisted when she stepped off a curb.",
        ),
        (
            "cause of Nora Patel's heel pain",
            "ASSESSMENT\n\nHeel pain. This is due to plantar fasciitis.",
            "Heel pain. This is due to plantar fasciitis.",
        ),
        (
            "why did Nora Patel need the kidney transplant?",
            "HPI\n\nSignificant for a kidney transplant. Kidney transplant in 2015 for some polycystic kidneys.",
            "Kidney transplant in 2015 for some polycystic kidneys.",
        ),
        (
            "Any previous kidney stones in Nora Patel?",
            "HPI\n\nCT shows a kidney stone. She denies having kidney stones before.",
            "She denies having kidney stones before.",
        ),
        (
            "Is Nora Patel's brother still alive?",
            "FAMILY HISTORY\n\nHer brother died of leukemia. Her mother is well.",
            "Her brother died of leukemia.",
        ),
        (
            "Should Nora Patel keep taking Norvasc?",
            "PLAN\n\nContinue metformin. She will discontinue Norvasc.",
            "She will discontinue Norvasc.",
        ),
        (
            "Nora Patel - which analgesic was prescribed at this visit and what dose?",
            "PLAN\n\nContinue lisinopril 10 mg daily. Initiate Ultram 50 mg every 6 hours.",
            "Initiate Ultram 50 mg every 6 hours.",
        ),
        (
            "Lexapro dose in mg for Nora Patel",
            "PLAN\n\nDepression improved with Lexapro. She only got up to the full dose 10 mg pill.",
            "Depression improved with Lexapro. She only got up to the full dose 10 mg pill.",
        ),
        (
            "Has Nora Patel had kidney stones before?",
            "HPI\n\nCT shows a kidney stone. She denies having kidney stones before.",
            "She denies having kidney stones before.",
        ),
        (
            "What might be causing Nora Patel's dizziness?",
            "HPI\n\nSeen for the evaluation of dizziness. Norvasc may be contributing to her dizziness.",
            "Norvasc may be contributing to her dizziness.",
        ),
        (
            "What size chest tube went into Nora Patel?",
            "NOTE\n\nThe chest tube was placed. Insertion of a #32 French chest tube on the right.",
            "Insertion of a #32 French chest tube on the right.",
        ),
        (
            "fracture on the foot films of Nora Patel?",
            "RESULTS\n\n3 views of the right foot were taken. These reveal no fracture.",
            "These reveal no fracture.",
        ),
        (
            "Which of Nora Patel's cervical levels were fused?",
            "HISTORY\n\nShe had a cervical fusion of C3 through C7.",
            "She had a cervical fusion of C3 through C7.",
        ),
        (
            "what drug must Nora Patel not be given because of an allergy",
            "PLAN\n\nContinue lisinopril 10 mg daily. She is allergic to sulfa, which gives her hives.",
            "She is allergic to sulfa, which gives her hives.",
        ),
        (
            "What did Nora Patel opt for?",
            "PLAN\n\nSurgery was offered. She elected observation.",
            "She elected observation.",
        ),
    ],
)
def test_how_a_note_says_what_is_asked(tmp_path: Path, question: str, text: str, said: str) -> None:
    assert quotes(told_of(tmp_path, question, text))[:1] == [said]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What replaced alendronate for Nora Patel?", "PLAN\n\nContinue alendronate weekly. Start calcium."),
        ("mechanism of injury, Nora Patel", "HPI\n\nShe has fall allergies and knee pain."),
        ("Any previous strokes in Nora Patel?", "HPI\n\nShe has a history of gout."),
        ("cause of Nora Patel's heel pain", "ASSESSMENT\n\nHeel pain. Ice it."),
        (
            "What replaced lisinopril for Nora Patel?",
            "PLAN\n\nWe will increase lisinopril and initiate Lasix.",
        ),
        ("What did Nora Patel opt for?", "PLAN\n\nThe patient agrees with the treatment plan."),
        ("what brought on Nora Patel's elbow pain", "HPI\n\nSeen for the evaluation of right elbow pain."),
        ("indication for Nora Patel's radiation", "HPI\n\nShe underwent radiation last year."),
        ("X-ray findings, Nora Patel's left foot", "HPI\n\nShe walks. Her x-rays revealed a fracture."),
    ],
)
def test_what_no_note_says_so_is_not_answered(tmp_path: Path, question: str, text: str) -> None:
    assert told_of(tmp_path, question, text).outcome == "nothing_relevant"
