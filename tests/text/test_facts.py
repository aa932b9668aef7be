"""What stands over a word, and what one stretch of text carries of another."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pipeline.text.statements.entailment import SupportContext, carries
from pipeline.text.statements.facts import Over, may_stand_over, read, signature
from pipeline.text.vocabulary import HEDGES, NEGATIONS, ORDERS, RELATIVES, SIDES


def over(text: str, key: str) -> Over:
    reading = read(text)
    return reading.over[reading.places[key][0]]


@pytest.mark.parametrize(
    ("text", "denied", "affirmed"),
    [
        (
            "Denies chest pain, nausea, or swelling, but reports cough.",
            ["pain", "nausea", "swell"],
            ["cough"],
        ),
        ("No fever. Cough is present.", ["fever"], ["cough"]),
        ("Pneumonia was ruled out by CT.", ["pneumonia"], ["ctscan"]),
        ("Allergies: none", ["allergy"], []),
        ("Fever, nausea and cough are absent.", ["fever", "nausea", "cough"], []),
        ("She has never smoked and takes aspirin.", ["smoke"], ["aspirin"]),
        ("He doesn't drink.", ["drink"], []),
        ("Negative for rash; positive for cough.", ["rash"], ["cough"]),
        ("Afebrile, nontender.", ["fever", "tender"], []),
        ("No bleeding after surgery.", ["bleed"], ["surgery"]),
    ],
)
def test_a_denial_reaches_as_far_as_its_list(text: str, denied: list[str], affirmed: list[str]) -> None:
    assert [key for key in denied if not over(text, key).denied] == []
    assert [key for key in affirmed if over(text, key).denied] == []


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("Her mother had breast cancer.", "cancer", True),
        ("Breast cancer in her mother.", "cancer", True),
        ("Family history of asthma.", "asthma", True),
        ("Her mother reports that she has a fever.", "fever", False),
        ("He lives with his wife and has asthma.", "asthma", False),
        ("She was brought in by her father for knee pain.", "pain", False),
        ("Dr. Hill has asthma.", "asthma", True),
        ("Her surgeon, Dr. Ann Hill, had a cough.", "cough", True),
        ("She says that her doctor had a cough.", "cough", True),
        ("She was late because her doctor had a cough.", "cough", True),
        ("A patient of Dr. Hill has asthma.", "asthma", False),
        ("He saw Dr. Hill and has asthma.", "asthma", False),
        ("Dr. Hill has asthma, and she has a cough.", "cough", False),
        ("Dr. Hill has started her on an inhaler for asthma.", "asthma", False),
        ("Dr. Hill has seen an ulcer.", "ulcer", False),
        ("Dr. Hill had a long talk with her about asthma.", "asthma", False),
        ("Dr. Hill diagnosed asthma.", "asthma", False),
    ],
)
def test_what_relatives_have_is_theirs(text: str, key: str, expected: bool) -> None:
    assert over(text, key).relatives is expected


def test_orders_and_doubts_stand_over_what_they_are_said_of() -> None:
    text = "Stop naproxen, increase lisinopril to 40 mg, and metformin was discontinued. Possible pneumonia."
    assert [over(text, key).order for key in ("naproxen", "lisinopril", "metformin")] == [
        "stop",
        "increase",
        "stop",
    ]
    assert over(text, "pneumonia").doubted
    assert over("At risk of stroke.", "stroke").doubted


def test_two_texts_with_other_facts_have_other_signatures() -> None:
    text = "Left knee pain. Takes 500 mg BID. Denies fever. Continue aspirin."
    same = "left knee pain. takes 500 mg twice daily; denies fever. Continue aspirin."
    assert signature(text) == signature(same)
    for old, new in (
        ("Left", "Right"),
        ("500", "850"),
        ("mg", "g"),
        ("BID", "TID"),
        ("Denies", "Has"),
        ("Continue", "Stop"),
    ):
        assert signature(text) != signature(text.replace(old, new)), new


@pytest.mark.parametrize(
    ("source", "claim", "carried"),
    [
        ("Metformin 500 mg twice daily and lisinopril 20 mg daily.", "He takes lisinopril 20 mg.", True),
        ("Metformin 500 mg twice daily and lisinopril 20 mg daily.", "He takes metformin 20 mg.", False),
        (
            "Metformin 500 mg twice daily and lisinopril 20 mg daily.",
            "He takes lisinopril 20 mg twice daily.",
            False,
        ),
        ("BP 130/80, pulse 72, respirations 18.", "Heart rate was 72 bpm.", True),
        ("BP 130/80, pulse 72, respirations 18.", "Heart rate was 18.", False),
        ("Increase lisinopril from 20 mg to 40 mg.", "Lisinopril is increased to 40 mg.", True),
        ("Increase lisinopril from 20 mg to 40 mg.", "Lisinopril is increased from 40 mg to 20 mg.", False),
        ("Left knee pain and right hip pain.", "She has pain in the left knee.", True),
        ("Left knee pain and right hip pain.", "She has left hip pain.", False),
        ("Blood loss was less than 100 cc.", "Estimated blood loss was under 100 mL.", True),
        ("Blood loss was less than 100 cc.", "Blood loss was 100 cc.", False),
        ("Possible pneumonia.", "The patient has pneumonia.", False),
        ("Allergies: penicillin.", "The patient takes penicillin.", False),
        ("Allergies: penicillin.", "She is allergic to penicillin.", True),
        ("In the evening she had no pain.", "She had no pain in the evening.", True),
        ("Prednisone 5 mg daily.", "Prednisolone 5 mg daily.", False),
        ("Surgery was before the stroke.", "Surgery was after the stroke.", False),
        ("No complaints.", "The patient has no complaints.", True),
        ("No complaints.", "The patient has no medications.", False),
        ("Some suicidal thoughts, but no plans.", "She has suicidal plans.", False),
        (
            "History of atrial fibrillation, now in sinus rhythm.",
            "She is currently in atrial fibrillation.",
            False,
        ),
        ("History of atrial fibrillation, now in sinus rhythm.", "History of atrial fibrillation.", True),
        ("History of sciatic pain in the distant past.", "She currently has sciatic pain.", False),
        ("Takes metformin 500 mg daily.", "She is currently taking metformin 500 mg daily.", True),
        ("Smoked more than 15 years ago.", "He smokes.", False),
        ("Smoked more than 15 years ago.", "He smoked over 15 years ago.", True),
        ("He was a social drinker in the past.", "He is a social drinker.", False),
        ("We will order a PCR to evaluate for Lyme disease.", "He has Lyme disease.", False),
        ("We will order a PCR to evaluate for Lyme disease.", "A PCR will check for Lyme disease.", True),
        ("He requested an increase to 175 mg.", "The dose was increased to 175 mg.", False),
        ("Father had glaucoma.", "Mother had glaucoma.", False),
        ("Blood loss: minimal.", "There were no complications and blood loss was minimal.", False),
        (
            "Complications: none. Blood loss was minimal.",
            "No complications and blood loss was minimal.",
            True,
        ),
        ("No fever and chills were noted.", "Chills were noted.", False),
        ("No swelling, redness, or warmth was seen.", "Warmth was seen.", False),
        ("Mother died age 62 and had CHF.", "The mother died at 62 and had CHF.", True),
        ("Mother died age 62 and had CHF.", "The mother died at 26 and had CHF.", False),
        (
            "58 y/o RHF had a 2 yr h/o gait difficulty.",
            "She had a two-year history of gait difficulty.",
            True,
        ),
        (
            "58 y/o RHF had a 2 yr h/o gait difficulty.",
            "She had a 58-year history of gait difficulty.",
            False,
        ),
        (
            "Given in a slow fashion 5 cc of lidocaine and 2 cc of saline.",
            "5 mL of lidocaine was given.",
            True,
        ),
        (
            "Given in a slow fashion 5 cc of lidocaine and 2 cc of saline.",
            "2 mL of lidocaine was given.",
            False,
        ),
        ("Metformin 500 mg and glipizide 5 mg.", "Glipizide 500 mg.", False),
        (
            "We will start her on Singulair in about a month.",
            "Singulair will start in about one month.",
            True,
        ),
        (
            "We will start her on Singulair in about a month.",
            "Singulair will start in about one week.",
            False,
        ),
        ("She has tobacco use.", "She uses tobacco.", True),
        ("Cataract extraction has been recommended.", "Cataract extraction was performed.", False),
        ("Cataract extraction has been recommended.", "She had cataract extraction.", False),
        ("Cataract extraction has been recommended.", "Cataract extraction is recommended.", True),
        ("Pain still significant in the morning.", "He took his pain medications in the morning.", False),
        ("Two nodules were removed.", "Surgery for removing two nodules.", False),
        ("Running for a taxi he struck his face.", "He was struck by a taxi.", False),
        ("He does not bring his blood pressures.", "He brought his blood pressures.", False),
        ("He put no sugar in his tea.", "He has no high blood sugar.", False),
        ("Referral to a dietitian was provided.", "The dietitian was seen.", False),
        ("Referral to a dietitian was provided.", "She was referred to a dietitian.", True),
        ("Pushing fluids will facilitate passing the kidney stone.", "She passed the kidney stone.", False),
        ("She was advised to stop Motrin.", "She should avoid Motrin.", True),
        ("She was advised to avoid Motrin.", "Motrin was stopped.", False),
        ("She sees Dr. Hill.", "Dr. Hill is seen.", True),
        ("In an atraumatic fashion 5 cc of lidocaine was given.", "5 mL of lidocaine was given.", True),
        ("Head: atraumatic.", "The head is atraumatic.", True),
        ("He was removing insulation.", "He removed insulation.", True),
        ("Occasional alcohol use.", "She drinks alcohol occasionally.", True),
        ("Occasional alcohol use.", "She occasionally uses alcohol.", True),
        ("Pain in the right upper extremity.", "She has pain in her right arm.", True),
        ("Admit to r/o MI.", "She had a heart attack.", False),
        ("?pneumonia on the film.", "She has pneumonia.", False),
        ("Poss pneumonia.", "She has pneumonia.", False),
        ("Chest pain w/o dyspnea.", "She has dyspnea.", False),
        ("Chest pain w/o dyspnea.", "She has no dyspnea.", True),
        ("Echo (-) for thrombus.", "The echo showed a thrombus.", False),
        ("Troponin neg.", "Troponin is negative.", True),
        ("HIV -ve.", "HIV was negative.", True),
        ("Neg for fever.", "She has a fever.", False),
        ("D/C metformin.", "She takes metformin.", False),
        ("D/C'd metformin.", "She takes metformin.", False),
        ("W/u for PE.", "She has a pulmonary embolism.", False),
        ("Denies fever, c/o chest pain.", "She has chest pain.", True),
        ("Edema b/l.", "Bilateral edema.", True),
        ("F/u in 2 weeks.", "Follow-up in 2 weeks.", True),
        ("S/p CABG.", "Status post CABG.", True),
        ("Non-tender abdomen.", "Tender abdomen.", False),
        ("Non-tender abdomen.", "The abdomen is nontender.", True),
        ("Unable to tolerate metformin.", "She tolerates metformin.", False),
        ("She is unable to walk.", "She is unable to walk.", True),
        ("Seizure free for 2 years.", "She has seizures.", False),
        ("Seizure free for 2 years.", "She has been seizure free for 2 years.", True),
        ("Goal A1c below 7%.", "A1c is below 7%.", False),
        ("Goal A1c below 7%.", "The goal for A1c is below 7%.", True),
        ("Target BP 120/80.", "BP is 120/80.", False),
        ("Exposed to tuberculosis.", "She has tuberculosis.", False),
        ("She has tuberculosis.", "She was exposed to tuberculosis.", False),
        ("He was exposed to TB.", "The patient was exposed to TB.", True),
        ("Vaccinated against hepatitis B.", "She has hepatitis B.", False),
        ("Educated about stroke.", "She had a stroke.", False),
        ("Call for fever.", "She has a fever.", False),
        ("Surgery was cancelled.", "She had surgery.", False),
        ("Surgery was postponed.", "Surgery was postponed.", True),
        ("Chemotherapy was offered.", "She received chemotherapy.", False),
        ("Breast cancer in remission.", "She has breast cancer.", False),
        ("Breast cancer in remission.", "Her breast cancer is in remission.", True),
        ("She ran out of lisinopril.", "She takes lisinopril.", False),
        ("She is off warfarin.", "She takes warfarin.", False),
        ("Completed a course of amoxicillin.", "She is taking amoxicillin.", False),
        ("Completed a course of amoxicillin.", "She completed a course of amoxicillin.", True),
        ("Intolerant of statins.", "She takes statins.", False),
        ("She had an MRI in May.", "She had an MRI.", True),
        ("She had an MRI last may.", "She had an MRI.", True),
        ("She had an MRI in June.", "She had an MRI in May.", False),
        ("She had an MRI in May.", "She had an MRI in June.", False),
        ("She may have had an MRI in May.", "She had an MRI.", False),
        ("May have pneumonia.", "She has pneumonia.", False),
        ("Penicillin: anaphylaxis.", "She takes penicillin.", False),
        ("Differential: PE, MI.", "She had an MI.", False),
        ("Differential: PE, MI.", "The differential includes PE and MI.", True),
        ("Will start metformin.", "Metformin was started.", False),
        ("Plan to start metformin if A1c rises.", "She takes metformin.", False),
        ("He will continue metformin.", "He takes metformin.", True),
        ("Switched from lisinopril to losartan.", "She takes lisinopril.", False),
        ("Changed from lisinopril to losartan.", "She takes lisinopril.", False),
        ("Switched from lisinopril to losartan.", "She takes losartan.", True),
        ("The dose was changed from 5 mg to 10 mg.", "The dose was changed to 10 mg.", True),
        ("Aspirin instead of clopidogrel.", "She takes clopidogrel.", False),
        ("[ ] Diabetes", "She has diabetes.", False),
        ("Fever [ ] Cough [x]", "She has a fever.", False),
        ("Diabetes?", "She has diabetes.", False),
        ("Dr. Hill has diabetes.", "She has diabetes.", False),
        ("Dr. Hill has diabetes.", "Dr. Hill has diabetes.", True),
        ("She has diabetes and saw Dr. Hill.", "Dr. Hill has diabetes.", False),
        ("No CVA tenderness.", "There was no stroke.", False),
        ("No CVA or flank tenderness.", "There was no stroke.", False),
        ("Tenderness over the left CVA.", "She had a left stroke.", False),
        ("No CVA tenderness.", "There is no costovertebral angle tenderness.", True),
        ("No costovertebral angle tenderness.", "There is no CVA tenderness.", True),
        ("Tenderness of the knee, CVA in 2010.", "She had a stroke in 2010.", True),
        ("PMH: stroke.", "She is currently having a stroke.", False),
        ("PMH: stroke.", "She is having a stroke.", False),
        ("PMH: stroke.", "She had a stroke.", True),
        ("PMH: asthma, currently on albuterol.", "She is currently on albuterol.", True),
        ("She is having a stroke now.", "She has a history of stroke.", False),
        ("She is having a stroke now.", "She is having a stroke now.", True),
    ],
)
def test_what_a_source_carries(source: str, claim: str, carried: bool) -> None:
    reading = read(claim)
    assert carries(read(source), reading, 0, len(reading.tokens), SupportContext) is carried


@pytest.mark.parametrize(
    ("source", "claim", "carried"),
    [
        ("Mother had diabetes, father had stroke.", "Her father had diabetes.", False),
        ("Mother had diabetes, father had stroke.", "Her mother had diabetes.", True),
        ("Mother had diabetes, father had stroke.", "Her father had a stroke.", True),
        ("Mother had diabetes, father had stroke.", "Her mother had a stroke.", False),
        ("Her mother had diabetes and her father had a stroke.", "Her mother had a stroke.", False),
        ("Her mother had diabetes and her father had a stroke.", "Her father had a stroke.", True),
        (
            "Family history of diabetes in her mother and stroke in her father.",
            "Her mother had a stroke.",
            False,
        ),
        (
            "Family history of diabetes in her mother and stroke in her father.",
            "Her father had a stroke.",
            True,
        ),
        (
            "Family history of diabetes in her mother and stroke in her father.",
            "Her mother had diabetes.",
            True,
        ),
        ("Family history: diabetes (mother), stroke (father).", "Her mother had diabetes.", True),
        ("Family history: diabetes (mother), stroke (father).", "Her father had diabetes.", False),
        ("Family history: diabetes (mother), stroke (father).", "Her mother had a stroke.", False),
        ("Family history: diabetes (mother), stroke (father).", "Her father had a stroke.", True),
        ("Mother and father had diabetes.", "Her mother had diabetes.", True),
        ("Both grandmothers had breast cancer.", "She had breast cancer.", False),
        ("Both grandmothers had breast cancer.", "Her grandmothers had breast cancer.", True),
        ("Cancer in two of her nephews.", "She has cancer.", False),
        ("Close relatives had gout.", "She had gout.", False),
        ("Stepfather with tuberculosis.", "She has tuberculosis.", False),
        ("His friend had covid.", "He had covid.", False),
        ("He lives with a friend and has asthma.", "He has asthma.", True),
        ("Mother and father had diabetes.", "Her father had diabetes.", True),
        ("Mother, father and brother had diabetes.", "Her father had diabetes.", True),
        ("Diabetes in her mother and father.", "Her father had diabetes.", True),
        ("Diabetes in her mother and father.", "Her mother had diabetes.", True),
        ("Diabetes in her mother and father, stroke in her brother.", "Her mother had a stroke.", False),
        ("Diabetes in her mother and father, stroke in her brother.", "Her brother had a stroke.", True),
        ("Mother: diabetes. Father: stroke.", "Her mother had a stroke.", False),
        ("Mother with diabetes, father with stroke.", "Her father has diabetes.", False),
        ("Her father died of a heart attack at 62.", "Her father died of a heart attack.", True),
        ("Her maternal grandmother had breast cancer.", "Her grandmother had breast cancer.", True),
        (
            "Her maternal grandmother had breast cancer, her mother had ovarian cancer.",
            "Her mother had breast cancer.",
            False,
        ),
        (
            "Her maternal grandmother had breast cancer, her mother had ovarian cancer.",
            "Her mother had ovarian cancer.",
            True,
        ),
        (
            "Heart disease runs in the family, with his father and brother affected.",
            "His father had heart disease.",
            True,
        ),
        ("Father had diabetes and hypertension, mother had asthma.", "Her father had hypertension.", True),
        ("Father had diabetes and hypertension, mother had asthma.", "Her mother had hypertension.", False),
        ("Her father and her brother both died of colon cancer.", "Her brother died of colon cancer.", True),
        ("Father died at 62 of a stroke, mother died at 70 of cancer.", "Her mother died at 62.", False),
        ("Father died at 62 of a stroke, mother died at 70 of cancer.", "Her mother died at 70.", True),
        ("Her mother died at 62, her father died at 70.", "Her father died at 62.", False),
    ],
)
def test_what_is_said_of_one_relative_is_said_of_no_one_else(source: str, claim: str, carried: bool) -> None:
    reading = read(claim)
    assert carries(read(source), reading, 0, len(reading.tokens), SupportContext) is carried


@pytest.mark.parametrize(
    "text", ["", " ", "…", "[", "1" * 3_000, "no " * 1_000, "a b " * 3_000, "no longer", "p.", "\u0130"]
)
def test_any_text_can_be_read(text: str) -> None:
    read(text)
    signature(text)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("negation", NEGATIONS), ("hedge", HEDGES), ("relative", RELATIVES), ("order", ORDERS), ("side", SIDES)],
)
def test_every_word_of_a_list_is_read_as_what_it_is_listed_for(kind: str, words: Iterable[str]) -> None:
    assert [word for word in words if kind not in {token.kind for token in read(f"x {word} y").tokens}] == []


@pytest.mark.parametrize(
    "around",
    [
        "denies",
        "no longer",
        "Non-cardiac",
        "doesn't",
        "r/o",
        "Her mother has",
        "stopped",
        "held",
        "risk of",
    ],
)
def test_what_may_stand_over_words_beside_it_is_seen_before_it_is_read(around: str) -> None:
    assert may_stand_over(f"Yesterday {around} chest pain.")
    assert not may_stand_over("Chest pain yesterday at the gym.")
