"""Where a text speaks of a finding, in whichever of its words, and where it speaks of another."""

from __future__ import annotations

import pytest

from pipeline.text.terms.finding import Finding


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        ("heart attack", "She had an MI in 2010."),
        ("heart attack", "History of myocardial infarction."),
        ("heart failure", "CHF, stable."),
        ("atrial fibrillation", "He has AF and takes warfarin."),
        ("diabetes", "Type 2 diabetic."),
        ("kidney stones", "Nephrolithiasis on the right."),
        ("chest pain", "Pain in the chest since noon."),
        ("penicillin", "Allergic to PCN."),
        ("lisinopril", "Continue Lisinopril 10 mg."),
        ("lisinopril", "Zestril 10 mg daily."),
        ("Lasix", "Furosemide 40 mg."),
        ("insulin", "Lantus 20 units nightly."),
        ("Lantus", "Insulin glargine 20 units."),
        ("aspirin", "ASA 81 mg."),
        ("ASA", "Aspirin 81 mg."),
        ("metoprolol", "Toprol-XL 50 mg."),
    ],
)
def test_a_sentence_that_has_all_of_it_speaks_of_it(finding: str, text: str) -> None:
    (mention,) = Finding(finding).mentions(text)
    assert (mention.sentence_start, mention.sentence_end) == (0, len(text))


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        ("heart attack", "Congestive heart failure."),
        ("heart attack", "Attack of gout. The heart is normal."),
        ("prednisone", "Prednisolone eye drops."),
        ("pulmonary embolism", "The pe teacher."),
        ("left knee pain", "Pain in the right knee."),
        ("metformin", "Metoprolol 25 mg."),
        ("insulin glargine", "Insulin lispro 5 units."),
        ("Toprol", "Lopressor 50 mg."),
        ("aspirin", "ASA class II."),
        ("aspirin", "5-ASA enema."),
        ("gout", "A ragout for dinner."),
    ],
)
def test_a_sentence_that_has_a_part_or_another_word_does_not(finding: str, text: str) -> None:
    assert list(Finding(finding).mentions(text)) == []


def test_a_title_may_have_a_part() -> None:
    assert list(Finding("allergy to penicillin").mentions("Penicillin.", "Allergies"))
    assert not list(Finding("penicillin").mentions("None.", "Penicillin"))


def test_what_is_no_finding_has_no_words() -> None:
    assert Finding("").keys == ()
    assert Finding("not 5 mg of anything whatever it may be called by anyone").keys == ()


def test_the_side_may_be_left_out() -> None:
    without = Finding("tenderness on the left").without_side
    assert without is not None
    assert without.text == "tenderness"
    assert Finding("tenderness").without_side is None


@pytest.mark.parametrize(
    ("finding", "text", "term"),
    [
        ("kidney failure", "Failure of the left kidney.", "Failure of the left kidney"),
        ("kidney failure", "Kidney and heart failure.", "Kidney and heart failure"),
        ("chest pain", "Chest and abdominal pain.", "Chest and abdominal pain"),
        ("Lisfranc fracture", "Fracture, Lisfranc, left foot.", "Fracture, Lisfranc"),
        ("type 2 diabetes", "Diabetes, type II.", "Diabetes, type II"),
        ("T2DM", "Type 2 diabetes.", "Type 2 diabetes"),
        ("hepatitis B", "Immune to hepatitis A and B.", "hepatitis A and B"),
        ("diabetes", "Diabetes insipidus, later diabetes.", "diabetes"),
        ("anemia", "Iron deficiency anemia.", "anemia"),
        ("pulmonary hypertension", "Pulmonary hypertension.", "Pulmonary hypertension"),
        ("flu shot", "Given today: influenza vaccine.", "influenza"),
        ("COVID-19 vaccine", "Immunizations given: Td, sars-cov-2, mRNA.", "sars-cov-2"),
    ],
)
def test_its_words_are_those_of_one_term(finding: str, text: str, term: str) -> None:
    (mention,) = Finding(finding).mentions(text)
    assert (text[mention.start : mention.end], mention.is_of_class) == (term, True)


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        ("kidney failure", "Kidney stones and heart failure."),
        ("kidney failure", "Heart failure in chronic kidney disease."),
        ("kidney failure", "Disease of the kidney and heart failure."),
        ("kidney failure", "Kidney transplant, respiratory failure."),
        ("lung cancer", "Lung nodule and breast cancer."),
        ("lung cancer", "Nodule in the lung and breast cancer."),
        ("liver disease", "Liver biopsy, coronary disease."),
        ("hypertensive heart disease", "Hypertension and ischemic heart disease."),
        ("left knee pain", "Left hip and right knee pain."),
        ("hip fracture", "Hip replacement after a wrist fracture."),
        ("knee surgery", "Knee pain before surgery."),
        ("hepatitis A", "Hepatitis B."),
        ("hepatitis A", "He had hepatitis a year ago."),
        ("type 2 diabetes", "Type 1 diabetes."),
    ],
)
def test_words_of_two_findings_make_no_third(finding: str, text: str) -> None:
    assert list(Finding(finding).mentions(text)) == []


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        ("diabetes", "Central diabetes insipidus."),
        ("hypertension", "Portal hypertension with varices."),
        ("high blood pressure", "Pulmonary HTN."),
        ("depression", "ST depression in V5."),
        ("angina", "Angina bullosa haemorrhagica."),
        ("stroke", "Stroke volume is normal."),
        ("diabetes", "Pre-diabetes."),
        ("gout", "Pseudo-gout of the knee."),
        ("flu", "Flu-like symptoms."),
        ("iron", "Iron deficiency anemia."),
        ("insulin", "Insulin resistance."),
    ],
)
def test_a_longer_term_with_another_meaning_is_not_it(finding: str, text: str) -> None:
    assert list(Finding(finding).mentions(text)) == []


def test_a_disease_is_not_the_vaccine_against_it() -> None:
    (mention,) = Finding("influenza vaccine").mentions("Influenza last winter.")
    assert not mention.is_of_class
