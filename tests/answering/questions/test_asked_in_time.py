"""Wordings of questions about values and events in time: each is read as of its shape, and of its thing."""

from __future__ import annotations

import pytest

from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.interpretation import plan_of

LATEST = """
fact | hemoglobin | What's Nora Lindqvist's most recent hemoglobin?
fact | weight | What is Nora Lindqvist's current weight?
fact | creatinine | Show me the latest creatinine for Nora Lindqvist
fact | potassium | Most recent potassium of Nora Lindqvist
fact | A1c | Nora Lindqvist last A1c
fact | TSH | Nora Lindqvist's newest TSH result?
fact | blood pressure | What was the last recorded blood pressure for Nora Lindqvist?
fact | blood sugar | How high was Nora Lindqvist's blood sugar the last time it was checked?
fact | weigh | What did Nora Lindqvist weigh at her last visit?
fact | weigh | How much does Nora Lindqvist weigh now?
fact | ejection fraction | Can you tell me Nora Lindqvist's latest ejection fraction?
fact | oxygen saturation | What is the last known oxygen saturation of Nora Lindqvist?
fact | tetanus shot | When was Nora Lindqvist's most recent tetanus shot?
fact | colonoscopy | What was the date of Nora Lindqvist's last colonoscopy?
fact | flu shot | On what date did Nora Lindqvist last receive a flu shot?
fact | MRI | When was the last time Nora Lindqvist had an MRI?
fact | mammogram | Most recent mammogram of Nora Lindqvist?
fact | weighing | What is Nora Lindqvist currently weighing?
fact | pain score | What pain score did Nora Lindqvist report most recently?
fact | PHQ-9 score | What was her latest PHQ-9 score?
fact | INR | Her last INR?
fact | warfarin | What is his current dose of warfarin?
fact | smoking | How many cigarettes does Nora Lindqvist smoke at present?
fact | work | Where does Nora Lindqvist work now?
fact | insurance | Who is Nora Lindqvist insured with at the moment?
fact | temperature | What was Nora Lindqvist's temperature at the most recent visit?
fact | hospitalized | When was Nora Lindqvist last hospitalized?
fact | emergency room | When was Nora Lindqvist last in the emergency room?
fact | WBC | What was the most recent white cell count?
fact | - | Last visit of Nora Lindqvist?
fact | - | When did I last see Nora Lindqvist?
fact | - | When was Nora Lindqvist last seen?
fact | LDL cholesterol | What was her last LDL cholesterol?
fact | eGFR | Please give me the newest eGFR of patient q1.
fact | blood pressure | What is the latest blood pressure reading on file for Nora Lindqvist?
fact | platelet | Tell me the last platelet count of Nora Lindqvist.
fact | insulin glargine | What was the last dose of insulin glargine Nora Lindqvist was on?
"""
"""Shape, thing ("-": a visit, or everything), question."""
FIRST_AND_WHEN = """
fact | creatinine | What was Nora Lindqvist's first creatinine?
fact | blood pressure | What was the initial blood pressure of Nora Lindqvist?
fact | diabetes | When was Nora Lindqvist first diagnosed with diabetes?
fact | back pain | When did Nora Lindqvist's back pain first start?
fact | metformin | When was metformin started in Nora Lindqvist?
fact | lisinopril | When did Nora Lindqvist begin taking lisinopril?
fact | lisinopril | When did Nora Lindqvist start on lisinopril?
fact | hypertension | Since when has Nora Lindqvist had hypertension?
fact | hypertension | When was hypertension first noted in Nora Lindqvist?
fact | weight | What was her earliest recorded weight?
fact | hemoglobin | What was the earliest hemoglobin of Nora Lindqvist?
fact | chest pain | When did Nora Lindqvist first present with chest pain?
fact | weigh | What did Nora Lindqvist weigh at the first visit?
fact | - | When was Nora Lindqvist first seen?
fact | - | When was the first visit of Nora Lindqvist?
fact | hip replacement | When was her first hip replacement?
fact | A1c | What was the first A1c on record for Nora Lindqvist?
fact | age | How old was Nora Lindqvist when she was first seen?
fact | stroke | When did Nora Lindqvist have her first stroke?
fact | insurance | What was her insurance at her first visit?
fact | weight | What was Nora Lindqvist's weight initially?
fact | atrial fibrillation | At what visit was atrial fibrillation first mentioned?
fact | aspirin | When was aspirin first prescribed to Nora Lindqvist?
fact | shingles vaccine | When did she get her first dose of the shingles vaccine?
fact | pulse | What was the first recorded pulse of Nora Lindqvist?
fact | warfarin | When was warfarin stopped?
fact | smoking | When did Nora Lindqvist stop smoking?
fact | lisinopril | When was lisinopril discontinued for Nora Lindqvist?
fact | pacemaker | On which date was the pacemaker implanted in Nora Lindqvist?
fact | appendectomy | In what year did Nora Lindqvist have her appendectomy?
fact | knee surgery | When was Nora Lindqvist's knee surgery?
fact | mammogram | How long ago was Nora Lindqvist's last mammogram?
fact | coronary bypass surgery | When did Nora Lindqvist undergo coronary bypass surgery?
fact | colonoscopy | What month was the colonoscopy done?
fact | creatinine | The first creatinine value of Nora Lindqvist?
fact | diabetes | When was her diabetes discovered?
"""
"""Shape, thing ("-": a visit, or everything), question."""
TREND = """
trend | weight | How has Nora Lindqvist's weight changed over time?
trend | creatinine | What is the trend of Nora Lindqvist's creatinine?
trend | creatinine | Show the creatinine trend for Nora Lindqvist
trend | hemoglobin | Trend of hemoglobin, Nora Lindqvist
trend | A1c | How is Nora Lindqvist's A1c trending?
trend | blood pressure | Is Nora Lindqvist's blood pressure going up?
trend | weight | Has Nora Lindqvist's weight gone up?
trend | blood pressures | List all blood pressures of Nora Lindqvist over time
trend | creatinine | List all creatinine values of Nora Lindqvist
trend | A1c | Show me all the A1c results of Nora Lindqvist
trend | blood pressures | What were Nora Lindqvist's blood pressures over the years?
trend | LDL | How did Nora Lindqvist's LDL develop?
trend | kidney function | How did the kidney function evolve?
trend | weight | What has happened to her weight over the past visits?
trend | platelet counts | Give me the history of her platelet counts
trend | smoking | How has her smoking changed?
trend | ramipril | How has the dose of ramipril changed?
trend | insulin | How was her insulin dose adjusted over time?
trend | hemoglobin | Course of the hemoglobin of Nora Lindqvist
trend | creatinine | Has the creatinine of Nora Lindqvist improved?
trend | ejection fraction | Has her ejection fraction improved over time?
trend | weight | Did Nora Lindqvist's weight change?
trend | blood pressure | What changes were there in her blood pressure?
trend | A1c | What was the progression of her A1c?
trend | pain | How did her pain progress?
trend | INR | How have Nora Lindqvist's INR values varied?
trend | blood pressure | Nora Lindqvist's blood pressure over time
trend | PSA | Track Nora Lindqvist's PSA
trend | troponins | Show serial troponins for Nora Lindqvist
trend | hemoglobin | What were all of the hemoglobin readings of Nora Lindqvist?
trend | BMI | How has Nora Lindqvist's BMI moved since 2019?
trend | creatinine | How has her creatinine changed between 2019 and 2021?
trend | weights | All weights of Nora Lindqvist, please
trend | blood pressure | Timeline of Nora Lindqvist's blood pressure
trend | eGFR | What is the trajectory of Nora Lindqvist's eGFR?
trend | insurance | How has her insurance changed?
trend | weight | Evolution of her weight
trend | weight | What was her weight at each visit?
"""
"""Shape, thing ("-": a visit, or everything), question."""
COMPARE = """
compare | - | Compare Nora Lindqvist and Pavel Horak
compare | blood pressure | Compare the blood pressure of Nora Lindqvist and Pavel Horak
compare | blood pressure | Compare Nora Lindqvist's blood pressure with Pavel Horak's
compare | A1c | How does Nora Lindqvist's A1c compare to Pavel Horak's?
compare | weight | How does the weight of Nora Lindqvist compare with that of Pavel Horak?
compare | creatinine | Which of Nora Lindqvist and Pavel Horak has the higher creatinine?
compare | age | Who is older, Nora Lindqvist or Pavel Horak?
compare | weight | Is Nora Lindqvist heavier than Pavel Horak?
compare | weight | What is the difference in weight between Nora Lindqvist and Pavel Horak?
compare | medications | What medications do Nora Lindqvist and Pavel Horak take?
compare | allergies | What allergies do Nora Lindqvist and Pavel Horak have?
compare | diagnoses | Contrast the diagnoses of Nora Lindqvist and Pavel Horak
compare | metformin | Do Nora Lindqvist and Pavel Horak take the same dose of metformin?
compare | smoking | Do both Nora Lindqvist and Pavel Horak smoke?
compare | insurance | Insurance of Nora Lindqvist vs. Pavel Horak
compare | potassium | Put Nora Lindqvist's potassium next to Pavel Horak's
compare | hemoglobin | Side by side: hemoglobin of patients q1 and q2
compare | weight | Compare patients q1, q2 and q3 by weight
compare | smoking | Compare the smoking status of patient q1 with patient q2
compare | metformin | Difference between the metformin doses of Nora Lindqvist and Pavel Horak?
compare | blood pressures | Compare her last two blood pressures
compare | weight | Compare today's weight with the last visit's
compare | - | What changed since the last visit?
compare | - | What's new since last time?
compare | medications | What has changed in Nora Lindqvist's medications since the last visit?
compare | diagnoses | Which diagnoses are new compared with the previous visit of Nora Lindqvist?
compare | medications | Any changes in her medications since the last appointment?
compare | medication | What medication changes were made between 2019-03-04 and 2019-10-01?
compare | - | Compare Nora Lindqvist's visits of 2019-03-04 and 2019-10-01
compare | - | Compare the visit of March 4, 2019 with that of October 1, 2019 for Nora Lindqvist
compare | weight | How does Nora Lindqvist's weight in 2019 compare to 2021?
compare | weight | Was Nora Lindqvist's weight higher in 2019 than in 2021?
trend | weight | Did Nora Lindqvist lose weight between 2019 and 2021?
compare | blood pressure | How did the blood pressure of Nora Lindqvist differ between 2019-03-04 and 2019-10-01?
compare | problem | Compare her problem list now and at the first visit
compare | A1c | Compare Nora Lindqvist's first and last A1c
compare | drugs | Which drugs were dropped since the previous visit of Nora Lindqvist?
compare | allergies | Have Nora Lindqvist's allergies changed since 2019?
compare | - | Has anything changed between the last two visits of Nora Lindqvist?
compare | - | What is different at this visit from the previous one for Nora Lindqvist?
"""
"""Shape, thing ("-": a visit, or everything), question."""
LIMITED = """
fact | weight | What was Nora Lindqvist's weight on March 4, 2019?
fact | weight | What was her weight in March 2019?
fact | Blood pressure | Blood pressure of Nora Lindqvist on 2019-03-04?
fact | creatinine | What was Nora Lindqvist's creatinine before 2020?
fact | hemoglobin | What was the hemoglobin after 2019-06-01?
fact | A1c | What was her A1c between January 2019 and June 2020?
fact | blood pressure | What was her blood pressure during 2019?
fact | potassium | What was her potassium as of 2019-10-01?
list | vaccines | Which vaccines did Nora Lindqvist get in 2019?
list | procedures | Which procedures has Nora Lindqvist had since 2018?
fact | insurance | What insurance did Nora Lindqvist have in 2015?
fact | age | How old was Nora Lindqvist in 2011?
fact | ramipril | What was her dose of ramipril in 2019?
list | medications | What medications was Nora Lindqvist on in March 2019?
fact | work | Where did Nora Lindqvist work in 2015?
fact | pain score | What was her pain score on 2019-03-04?
fact | blood pressure | What was the blood pressure at the last visit?
fact | weight | What was the weight at the first visit?
fact | weight | What was her weight at the visit of 2019-03-04?
list | vitals | What were the vitals on 2019-03-04?
fact | CT | What did the CT on 2019-03-04 show?
list | medications | Which medications were started since 2019-06-01?
fact | mammogram | When in 2019 was her mammogram?
fact | ejection fraction | What was her ejection fraction by 2020?
fact | Weight | Weight from 2011 to 2019
fact | TSH | What was the TSH until 2020?
list | allergies | What allergies were known before 2019-06-01?
fact | smoking | What was her smoking status prior to 2015?
fact | blood pressure | What was her blood pressure on 03/04/2019?
fact | blood pressure | What was her blood pressure on 4.3.2019?
fact | blood pressure | What was her blood pressure on the 4th of March 2019?
"""
"""Shape, thing ("-": a visit, or everything), question."""


def _rows(*listed: str) -> list[list[str]]:
    return [
        [part.strip() for part in line.split("|")] for rows in listed for line in rows.strip().splitlines()
    ]


@pytest.mark.parametrize(
    ("shape", "thing", "question"), _rows(LATEST, FIRST_AND_WHEN, TREND, COMPARE, LIMITED)
)
def test_shape_and_thing(shape: str, thing: str, question: str) -> None:
    plan = plan_of(question)
    assert plan.shape is not None
    assert plan.thing is not None
    assert (plan.shape.value, plan.thing.words or "-") == (shape, thing)


@pytest.mark.parametrize("question", [row[2] for row in _rows(LATEST)])
def test_the_latest_is_asked_for(question: str) -> None:
    assert plan_of(question).time.order == "latest"


@pytest.mark.parametrize("question", [row[2] for row in _rows(LIMITED)])
def test_a_time_is_understood(question: str) -> None:
    time = plan_of(question).time
    assert time.order or time.since or time.until or time.either


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("before 2020", None, "2019"),
        ("prior to March 2021", None, "2021-02"),
        ("before 2021-03-01", None, "2021-02-28"),
        ("until 2020", None, "2020"),
        ("after 2019-12-31", "2020-01-01", None),
        ("after December 2019", "2020-01", None),
        ("since 2019-12-31", "2019-12-31", None),
        ("between 2019 and March 2021", "2019", "2021-03"),
        ("in 10/2019", "2019-10", "2019-10"),
        ("on 10/14/2019", "2019-10-14", "2019-10-14"),
    ],
)
def test_before_and_after_leave_their_day_out(question: str, first: str | None, last: str | None) -> None:
    time, _ = asked_time(f"What was the weight of § {question}?")
    assert (time.period.since, time.period.until) == (first, last)


@pytest.mark.parametrize(
    ("question", "until"),
    [
        ("What is shown on the chest film of § from 2022?", "2022"),
        ("What did §'s x-ray from May 2022 show?", "2022-05"),
        ("What does the note from 2022 say?", "2022"),
        ("Show §'s films from 2022 on", None),
        ("Show §'s films from 2022 onwards", None),
        ("Show §'s films since 2022", None),
        ("Show §'s films from 2022 to 2023", "2023"),
        ("What was §'s weight from 2022?", None),
    ],
)
def test_a_film_from_a_year_is_of_that_year(question: str, until: str | None) -> None:
    time, _ = asked_time(question)
    assert (time.since or "")[:4] == "2022"
    assert time.until == until


@pytest.mark.parametrize(
    ("question", "visits"),
    [
        ("What changed since the last visit?", "last-two-visits"),
        ("Compare her weight at the last visit and the one before.", "last-two-visits"),
        ("Compare the last two visits.", "last-two-visits"),
        ("Is her weight higher than at the previous appointment?", "last-two-visits"),
        ("Compare the first and the last visit.", "first-and-last-visit"),
        ("How has she changed from her first visit to the most recent one?", "first-and-last-visit"),
        ("What was her weight at the last visit?", None),
        ("What happened before the last visit?", None),
    ],
)
def test_two_visits_are_meant(question: str, visits: str | None) -> None:
    assert plan_of(question).time.visits == visits


def test_a_date_that_may_be_two_days_is_both() -> None:
    assert plan_of("What was her weight on 03/04/2021?").time.either == ("2021-03-04", "2021-04-03")
    assert plan_of("What was her weight on 03/14/2021?").time.either == ()
