"""Which patients, and how many: in whichever words notes say it, over notes in a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answering.verification import StatementChecker
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.records import Answer, Document
from tests.answering.questions.stored_notes import stored
from tests.answering.shapes.test_shaped_answering import asked, lines

NOTES = {
    "ada": """SOCIAL HISTORY

She is a retired nurse and lives alone. She smokes ten cigarettes a day. Drinks wine on weekends. Insured by Aetna.

IMMUNIZATIONS

Influenza, tetanus toxoid, hepatitis A.
""",
    "bob": """SOCIAL HISTORY

Single. He quit smoking in 2004. He never drank alcohol. Lives with his sister, who smokes.

PROBLEM LIST

1. Kidney stones
2. Heart failure

Given today: pneumococcal and hepatitis B vaccines.
""",
    "cid": """Mr. Cid is a 50-year-old married Asian man. A single dose of ceftriaxone was given. He has never smoked.
He has a history of renal failure. He did not graduate from high school. Influenza in January.

ALLERGIES

No known drug allergies.
""",
    "dee": """Ms. Dee denies smoking. Black stools since Monday. Flu shot refused. She has diabetes insipidus and
pulmonary hypertension. No pneumothorax.

ALLERGIES

- Latex (hives)
""",
    "eve": """FINDINGS

There is a small apical pneumothorax on the left. No pleural effusion.

FAMILY HISTORY

Father: renal failure. Mother smoked.
""",
}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    documents = [
        Document(f"note-{name}", name, "Visit note", text, f"2021-0{day}-01", "ward")
        for day, (name, text) in enumerate(NOTES.items(), start=1)
    ]
    with stored(tmp_path_factory.mktemp("who"), documents) as store:
        yield store


def listed(told: Answer) -> str:
    """Whom the first lead counts, in order."""
    first = lines(told)[0] if told.statements else ""
    if not first[:1].isdigit():
        return ""
    number = int(first.split()[0])
    return " ".join(line.split(",")[0].removeprefix("Patient ") for line in lines(told)[1 : number + 1])


@pytest.mark.parametrize(
    ("question", "who"),
    [
        ("Who smokes?", "ada"),
        ("Which patients have ever smoked?", "ada bob"),
        ("Who lives alone?", "ada"),
        ("Which patients are retired?", "ada"),
        ("Which patients are single?", "bob"),
        ("Which patients are married?", "cid"),
        ("Which patients are Asian?", "cid"),
        ("Which patients are black?", ""),
        ("Which patients have Aetna insurance?", "ada"),
        ("Which patients did not graduate from high school?", "cid"),
        ("Who has never smoked?", "cid dee"),
        ("Who never drank alcohol?", "bob"),
        ("Which patients were given an influenza vaccine?", "ada"),
        ("Who was vaccinated against hepatitis B?", "bob"),
        ("Who got a hepatitis A vaccine?", "ada"),
        ("Which patients have had kidney failure?", "cid"),
        ("Which patients have diabetes?", ""),
        ("Who has hypertension?", ""),
        ("Which patients have a pneumothorax?", "eve"),
        ("Is anyone allergic to latex?", "dee"),
        ("Which patients have known allergies?", "dee"),
        ("Which patients have no known allergies?", "cid"),
        ("List everyone who smokes", "ada"),
        ("List all smokers.", "ada"),
        ("Who currently smokes?", "ada"),
        ("Which patients have a latex allergy?", "dee"),
        ("Which patients are insured by Aetna?", "ada"),
        ("Which patients have a family history of kidney failure?", "eve"),
        ("How many patients with a pneumothorax are there?", "eve"),
        ("Which patients were seen?", ""),
    ],
)
def test_those_of_whom_a_note_says_so(notes: EmbeddedStore, question: str, who: str) -> None:
    assert listed(asked(question, notes)) == who


@pytest.mark.parametrize(
    ("question", "note", "counts"),
    [
        ("Which patients have a pneumothorax?", "IMPRESSION: Interval resolution of pneumothorax.", False),
        ("Which patients have had a pneumothorax?", "IMPRESSION: Interval resolution of pneumothorax.", True),
        ("Which patients have a pneumothorax?", "INDICATION: Rule out pneumothorax.", False),
        ("Who takes warfarin?", "We discussed starting warfarin but she declined.", False),
        ("Who takes warfarin?", "Coumadin 5 mg nightly.", True),
        ("who was prescribed meloxicam", "Medical Treatment: Initiate meloxicam 15 mg once daily.", True),
        ("who's on metformin", "We will increase metformin to 1000 mg twice a day.", True),
        ("who's on metformin", "If sugars stay up we will increase metformin.", False),
        ("who's on metformin", "Start metformin once his creatinine is back.", False),
        ("who's on metformin", "Stop glipizide and start metformin 500 mg once daily.", True),
        ("who's on metformin", "Stop metformin and start glipizide.", False),
        ("who's on metformin", "Switch from metformin to glipizide.", False),
        ("who's on metformin", "I will prescribe metformin and consider adding glipizide next time.", True),
        ("who's on metformin", "Probably better with metformin and she will just continue that.", True),
        ("who's on metformin", "He may continue using metformin if he wishes.", True),
        ("who's on metformin", "No medications other than metformin.", True),
        ("who's on metformin", "We talked about starting metformin and continuing her diet.", False),
        ("who's on amoxicillin", "If she is positive for strep, I will prescribe amoxicillin.", False),
        ("who is on oxygen", "Vitals are normal including oxygen saturation.", False),
        ("Who has had a hysterectomy? I need this for the recall.", "Hysterectomy, 1996.", True),
        ("For the recall: who has had a hysterectomy?", "Hysterectomy, 1996.", True),
        ("Who has gout? Only women.", "He has gout.", False),
        ("patients w/ kidney or ureteric stones", "Left ureteral stone of 1.3 cm.", True),
        ("patients w/ kidney or ureteric stones", "Kidney failure.", False),
        ("patients with breast, colon or prostate cancer", "History of colon cancer.", True),
        ("who has upper or lower back pain", "Low back pain. Lower back pain for a week.", True),
        ("who has had coronary bypass surgery", "CABG in 2013.", True),
        ("who has had coronary bypass surgery", "Status post gastric bypass surgery.", False),
        ("who has had heart surgery", "She underwent an aortic valve replacement.", True),
        ("who has had a joint replaced", "Status post right knee replacement.", True),
        ("who has had a joint replaced", "She is interested in having her right knee replaced.", False),
        ("who has had a pacemaker put in", "Status post pacemaker.", True),
        ("who had an MRI", "I want to get an MRI of the elbows.", False),
        ("who was sent for an MRI", "I want to get an MRI of the elbows.", True),
        ("who was sent for an MRI", "If it does not improve, we will get an MRI.", False),
        ("who was referred to urology", "I will refer him to a urologist.", True),
        ("who was sent to orthopaedics", "She was referred to an orthopedist.", True),
        ("patients being seen by a neurologist", "She sees a neurologist.", True),
        (
            "Which patients have diabetes?",
            "He has no history of diabetes and does not report any problems.",
            False,
        ),
        ("Which patients have diabetes?", "His father died of cancer. He also had diabetes.", False),
        ("Which patients have diabetes?", "He thinks he is diabetic.", False),
        ("Who smokes?", "Smoked more than 15 years ago.", False),
        ("who has hepatitis C", "The source patient was found to be a carrier for hepatitis C.", False),
        ("patients who had COVID", "He has been working from home since the start of COVID-19.", False),
        ("who is vaccinated against covid", "He is fully vaccinated for COVID-19.", True),
        ("who is vaccinated against covid", "He will be vaccinated for COVID-19.", False),
        ("who had a fall", "He is so tired that he will fall asleep.", False),
        ("who was advised to lose weight", "Reports weight loss.", False),
        ("who was advised to lose weight", "I advised her to lose some weight.", True),
        ("patients w/ prior MI", "He sustained a heart attack in 2018.", True),
        ("whose hemoglobin is low", "Blood work revealed a low hemoglobin.", True),
        ("list patients with a drug allergy", "Patient reports seasonal allergies.", False),
        ("list patients with a drug allergy", "ALLERGIES\n\nNo psoriasis.", False),
        ("any patients with gout in the family", "Mother had gout.", True),
        ("any patients with gout in the family", "He has gout.", False),
        ("diabetic patients who smoke", "He has diabetes. Smokes a pack a day.", True),
        ("Who got antibiotics at their visit?", "If strep is positive, I will prescribe amoxicillin.", False),
        ("who had a stress test", "Her stress is work related.", False),
        ("who had a stress test", "An exercise stress test was normal.", True),
        ("who is on blood pressure medication", "Blood pressure is elevated.", False),
        ("who is on blood pressure medication", "Takes lisinopril 10 mg daily.", True),
        ("Anyone with a thyroid problem?", "Hypothyroidism.", True),
        ("Anyone with a thyroid problem?", "The thyroid is not tender.", False),
        ("who has rotator cuff problems", "He had his rotator cuff repaired.", True),
        ("who has rotator cuff problems", "An MRI will assess the rotator cuff.", False),
        ("Which patients smoke cigarettes?", "She smokes half a pack a day.", True),
        ("patients who had physical therapy", "We will refer him to physical therapy.", False),
        ("who was referred to physical therapy", "We will refer him to physical therapy.", True),
        ("who drinks?", "A glass of wine with dinner.", True),
        ("who drinks?", "I advised her to drink plenty of fluids.", False),
        ("who drinks?", "She is eating and drinking well.", False),
        ("Any drinkers? i mean alcohol", "Drinks two beers a week.", True),
        ("hx of seizures, anyone?", "Regarding his epilepsy, he has not had any seizures in months.", True),
        ("who has diabetes", "History of gestational diabetes mellitus.", False),
        ("who has depression", "He has a depressed left nasal bone.", False),
        ("Which patients have or have had gout?", "Gout in the left foot.", True),
        ("who among our patients has gout", "Gout in the left foot.", True),
        ("patients with any kind of arthritis", "Osteoarthritis of the hip.", True),
        ("patients with a carotid bruit on exam", "Neck: carotid bruit on the right.", True),
        ("who is diabetic and hypertensive", "Known diabetes and hypertension.", True),
        ("who is diabetic and hypertensive", "Known diabetes.", False),
        ("Who has sleep apnea?", "Severe OSA, on CPAP.", True),
        ("Who has sleep apnea?", "A sleep study was arranged to evaluate him for sleep apnea.", False),
        ("who is on dialysis", "Haemodialysis three times a week.", True),
        ("pts with colon cancer", "Adenocarcinoma of the colon, resected in May.", True),
        ("pts with colon cancer", "Adenocarcinoma of the lung.", False),
        ("Which patients had a stroke?", "Lacunar infarct of the pons in June.", True),
        (
            "whose ejection fraction is reduced",
            "An echocardiogram shows a decreased ejection fraction.",
            True,
        ),
        ("who takes a biologic", "Adalimumab 40 mg every other week.", True),
        ("who drinks?", "We told her to abstain from alcohol.", False),
        ("Who is allergic to codeine?", "Codeine gave him a rash.", True),
        ("Who is allergic to codeine?", "Codeine 30 mg for pain.", False),
        ("Whose mother had breast cancer?", "Her mother had breast cancer.", True),
        ("Whose mother had breast cancer?", "Her sister had breast cancer.", False),
        ("Whose mother had breast cancer?", "She had breast cancer.", False),
        ("Which patients have relatives with gout?", "His uncle has gout.", True),
        ("whose A1c is above 8", "HbA1c 8.9%.", True),
        ("whose A1c is above 8", "Hemoglobin A1c of 7.1.", False),
        ("whose A1c is above 8", "HbA1c 41 mmol/mol.", False),
        ("whose A1c is above 8", "Goal is to keep her A1c below 9.", False),
        ("patients with hemoglobin below 10", "Hemoglobin A1c 8.2.", False),
        ("patients with hemoglobin below 10", "Hgb was 8.2 on admission.", True),
        ("patients with hemoglobin below 10", "Hemoglobin rose from 8.2 to 11.", False),
        ("Which patients have a BP over 140/90?", "Blood pressure: elevated at 150/80 mmHg.", True),
        ("Which patients have a BP over 140/90?", "BP 132/84.", False),
        ("who has a systolic BP of at least 160", "BP 160/70.", True),
        ("Which patients had a creatinine over 2?", "Creatinine 130 umol/L.", False),
        ("Which patients had a creatinine over 2?", "Her father's creatinine was 3.", False),
        ("Which patients had a potassium above 5.5?", "Na 138, K 5.9, Cl 101.", True),
        ("Which patients had an EF below 40?", "Echocardiogram: EF 35%.", True),
        ("Whose BMI is over 30?", "BMI 31.4 kg/m2.", True),
        ("Whose weight is over 90 kg?", "Weight loss over 100 days.", False),
        ("Which ones are allergic to ibuprofen", "Ibuprofen over-the-counter.", False),
        ("who has atrial fibrillation", "Unclear if this is why she is off Coumadin for chronic AFib.", True),
        ("Who underwent prostatectomy or is about to?", "He will undergo a radical prostatectomy.", True),
        ("Who underwent prostatectomy?", "He will undergo a radical prostatectomy.", False),
        ("Who has gout?", "His brother, although he is thin, has gout.", False),
        ("Who has gout?", "She has two daughters, ages 60 and 58, both with gout.", False),
        ("Who has gout?", "She describes cancer, hypertension and gout in her family.", False),
        ("Who has gout?", "He has gout and was seen by his family doctor.", True),
        ("Who has depression?", "She has depression because of stress in her family.", True),
        ("Who has no known drug allergies?", "Patient denies history of seasonal allergies.", False),
        ("Who takes aspirin?", "MEDICATIONS\n\n- ASA 81 mg\n", True),
        ("Which patients have seizures?", "She takes gabapentin for pain.", False),
        ("Which patients have diabetes?", "History of gestational diabetes.", False),
        ("Who had an MRI?", "I will send her for an MRI.", False),
        ("Who had an MRI?", "She had an MRI in June.", True),
        ("Which patients have cancer?", "Stage II melanoma of the back.", True),
        ("pts w/ arthritis", "Osteoarthritis of both hips.", True),
        ("who drinks but doesn't smoke?", "Drinks wine on weekends. Quit smoking in 1990.", True),
        ("who drinks but doesn't smoke?", "Drinks wine on weekends. Smokes a pack a day.", False),
        ("Who takes iron?", "Iron deficiency anemia.", False),
        ("Who got a flu shot?", "Due for influenza vaccine.", False),
        ("Who got a flu shot?", "Influenza vaccine given today.", True),
        ("Who had a colonoscopy?", "Referred for colonoscopy.", False),
        ("Who had a colonoscopy?", "Colonoscopy in 2019 was normal.", True),
        ("Who smokes?", "He smokes marijuana.", False),
        ("Who smokes?", "SOCIAL HISTORY\n\nTobacco Use: Non-smoker.", False),
        ("Who smokes?", "He denies smoking or living with anyone who smokes.", False),
        ("Which patients are non-smokers?", "She is an active smoker.", False),
        ("Which patients are non-smokers?", "SOCIAL HISTORY\n\nTobacco Use: Never smoker.", True),
        ("Who drinks alcohol?", "A glass of wine with dinner.", True),
        ("Which patients have diabetes?", "Counselled on diabetes prevention.", False),
        ("Who has had a heart attack?", "Discharged after an inferior STEMI.", True),
        ("Who has had a heart attack?", "It felt like a heart attack.", False),
        ("Who has had a stroke?", "CVA tenderness on the left.", False),
        ("Who has had a stroke?", "There is CVA on the left with tenderness.", False),
        ("Who has had a stroke?", "Status post CVA in 2019.", True),
        ("Who smokes?", "She is a non-cigarette smoker.", False),
        ("Who smokes?", "He used to smoke a pack a day.", False),
        ("Who smokes?", "History of smoking. He continues to smoke a pack a day.", True),
        ("Who smokes?", "She smokes daily and is trying to quit smoking.", True),
        ("former smokers?", "He used to smoke a pack a day.", True),
        ("former smokers?", "She smokes half a pack a day.", False),
        ("Who has a family history of gout?", "Denies a family history of gout.", False),
        ("Who has a family history of gout?", "No history of stroke; her mother had gout.", True),
        ("Who takes warfarin?", "Hypersensitivity to warfarin.", False),
        ("Who had an appendectomy?", "Colectomy with no recurrence, appendectomy in 1980.", True),
        ("Who had a c-section?", "Cesarean delivery in 2011.", True),
        ("Who had a c-section?", "Hepatitis C in this section.", False),
        ("Who has had a knee replacement?", "Status post knee arthroplasty.", True),
        ("Who has had a knee replacement?", "Left hip replacement, knee pain.", False),
        ("Who has had a hysterectomy?", "Surgeries: TAH/BSO.", True),
        ("Who is on opioids?", "Opioid Assessment\n\nOpioid Use: No.\n", False),
        ("Any nurses among these patients?", "The triage nurse saw him.", False),
        ("Any nurses among these patients?", "She is employed as an RN.", True),
        ("Who has no allergies?", "MEDICATIONS: Takes no drugs. ALLERGIES: She is allergic to latex.", False),
        ("Which patients have diabetes?", "He lives with his wife, who has diabetes.", False),
        ("Which patients are single?", "A single lung nodule is seen.", False),
        ("Which patients are homeless?", "Homeless.", True),
        ("Who is allergic to penicillin?", "Allergic to PCN, but has tolerated cephalosporins.", True),
        (
            "Who is allergic to penicillin?",
            "Penicillin allergy in childhood, tolerated amoxicillin since.",
            True,
        ),
    ],
)
def test_who_counts(tmp_path: Path, question: str, note: str, counts: bool) -> None:
    with stored(tmp_path, [Document("n1", "p1", "Visit note", note, "2021-01-05", "ward")]) as store:
        assert (listed(asked(question, store)) == "p1") is counts


def test_any_allergies_shows_who_has_none_at_all_too(notes: EmbeddedStore) -> None:
    told = lines(asked("Any allergies to latex?", notes))
    assert [line.partition(",")[0] for line in told[1:]] == [
        "Patient dee",
        "1 more patient mentions it as denied",
        "Patient cid",
    ]


def test_who_has_it_comes_first_and_who_has_it_not_is_set_apart(notes: EmbeddedStore) -> None:
    told = lines(asked("Which patients have a pneumothorax?", notes))
    assert [line.partition(":")[0] for line in told] == [
        "1 patient with pneumothorax, all whose notes say so in these words",
        "Patient eve, 2021-05-01",
        "1 more patient mentions it as denied",
        "Patient dee, 2021-04-01",
    ]


def test_the_number_is_of_those_whose_line_passes(
    notes: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = StatementChecker.check

    def without_bob(self: StatementChecker, text: str) -> object:
        return None if "quit smoking" in text else checked(self, text)

    monkeypatch.setattr(StatementChecker, "check", without_bob)
    told = asked("Which patients have ever smoked?", notes)
    assert (listed(told), told.withheld) == ("ada", 1)


def test_a_denial_of_one_kind_of_allergy_is_not_of_any(tmp_path: Path) -> None:
    texts = {
        "ann": "ALLERGIES\n\nPenicillin.",
        "ben": "He denies any allergies.",
        "col": "Patient denies history of seasonal allergies.",
        "dan": "ALLERGIES\n\nNo known food allergies.",
        "eda": "ALLERGIES: Sulfa caused nausea (side effect, not a true allergy).",
        "fay": "ALLERGIES\n\nNKDA",
    }
    documents = [
        Document(each, each, "Visit note", text, "2024-01-05", "ward") for each, text in texts.items()
    ]
    with stored(tmp_path, documents) as store:
        told = lines(asked("Any allergies to penicillin?", store))
    assert [each.split(",")[0] for each in told if each.startswith("Patient ")] == [
        "Patient ann",
        "Patient ben",
        "Patient fay",
    ]


TWO_THINGS = {
    "fay": "Ms. Fay is a 71-year-old woman with diabetes and heart failure. She takes atorvastatin and aspirin.",
    "gus": "Mr. Gus is a 64-year-old man with asthma. Coumadin 5 mg daily and aspirin 81 mg daily. Denies COPD.",
    "hal": "Mr. Hal is a 40-year-old man with asthma and COPD. He stopped simvastatin. Lopressor 25 mg twice a day.",
    "ida": "Ms. Ida is a 58-year-old woman with diabetes. Her mother had heart failure. She is allergic to Augmentin.",
    "jon": "Mr. Jon has asthma. Warfarin 2 mg.",
}


@pytest.fixture(scope="module")
def two_things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    documents = [
        Document(f"note-{name}", name, "Visit note", text, f"2022-0{day}-01", "ward")
        for day, (name, text) in enumerate(TWO_THINGS.items(), start=1)
    ]
    with stored(tmp_path_factory.mktemp("two"), documents) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "who"),
    [
        ("diabetics with heart failure", "fay"),
        ("Who takes warfarin and aspirin?", "gus"),
        ("Which patients have asthma but no COPD?", "gus jon"),
        ("who is on warfarin but not aspirin", "jon"),
        ("Who takes warfarin or metoprolol?", "gus hal jon"),
        ("pts on a statin", "fay"),
        ("anyone on a beta blocker?", "hal"),
        ("list everyone on blood thinners", "gus jon"),
        ("Who is allergic to penicillin?", "ida"),
        ("Which patients have asthma and take insulin?", ""),
    ],
)
def test_several_conditions_and_classes_of_drugs(two_things: EmbeddedStore, question: str, who: str) -> None:
    assert listed(asked(question, two_things)) == who


@pytest.mark.parametrize(
    ("question", "who"),
    [
        ("asthmatics over 60", "gus"),
        ("women with diabetes", "fay ida"),
        ("Patients under 60 with diabetes", "ida"),
    ],
)
def test_a_group_is_of_whom_the_register_knows_it(two_things: EmbeddedStore, question: str, who: str) -> None:
    told = asked(question, two_things)
    assert lines(told)[0].startswith("Of patients ")
    number = int(lines(told)[1].split()[0])
    listed_ones = lines(told)[2 : 2 + number]
    assert [line.split(",")[0].removeprefix("Patient ") for line in listed_ones] == who.split()


def test_a_line_cites_each_condition_of_its_patient(two_things: EmbeddedStore) -> None:
    told = asked("Who has diabetes and takes aspirin?", two_things)
    assert [each.quote for each in told.statements[1].citations] == [
        "Ms. Fay is a 71-year-old woman with diabetes and heart failure.",
        "She takes atorvastatin and aspirin.",
    ]


def test_what_names_no_thing_beside_one_that_does_is_not_half_answered(two_things: EmbeddedStore) -> None:
    assert not listed(asked("Which patients have asthma and are not on any medication?", two_things))


def test_a_mistyped_word_is_read_as_the_known_one_and_says_so(two_things: EmbeddedStore) -> None:
    assert lines(asked("Which patients have asthmma?", two_things))[0] == (
        '"asthmma" stands in no note and is read as "asthma".'
    )


def test_of_whom_it_is_not_known_whether_they_are_of_the_group_comes_near(two_things: EmbeddedStore) -> None:
    told = asked("asthmatics under 30", two_things)
    assert told.outcome == "nothing_relevant"
    assert lines(told)[1] == "1 patient has it and comes near: whether of that group is not said:"
    assert {each.patient_id for each in told.citations} == {"jon"}


def test_where_one_condition_is_in_no_note_the_other_only_comes_near(two_things: EmbeddedStore) -> None:
    told = asked("Which patients have asthma and have had a heart transplant?", two_things)
    assert told.outcome == "nothing_relevant"
    assert lines(told)[0].startswith("No note says heart transplant in these words of any patient")
