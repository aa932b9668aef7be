"""What kind of section a title or a code names: medications, family history, plan.

Decides by the code where a source gives one, else by the words of the title. The kinds are LOINC's document sections,
as HL7's C-CDA and FHIR use them; the titles are those that notes write. A title that joins two ("Family/social
history") is of both kinds. Knows no note, and refuses to guess: a title that no list has is of no kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple


class SectionKind(StrEnum):
    """Values are stored and shown: they do not change."""

    REASON_FOR_VISIT = "reason for visit"
    PRESENT_ILLNESS = "history of present illness"
    HISTORY = "history"
    PAST_HISTORY = "past history"
    SURGICAL_HISTORY = "surgical history"
    FAMILY_HISTORY = "family history"
    SOCIAL_HISTORY = "social history"
    PREGNANCY_HISTORY = "pregnancy history"
    ALLERGIES = "allergies"
    MEDICATIONS = "medications"
    IMMUNIZATIONS = "immunizations"
    PROBLEMS = "problems"
    DIAGNOSES = "diagnoses"
    REVIEW_OF_SYSTEMS = "review of systems"
    SUBJECTIVE = "subjective"
    OBJECTIVE = "objective"
    PHYSICAL_EXAM = "physical exam"
    MENTAL_STATUS = "mental status"
    FUNCTIONAL_STATUS = "functional status"
    VITAL_SIGNS = "vital signs"
    RESULTS = "results"
    LABORATORY = "laboratory"
    IMAGING = "imaging"
    FINDINGS = "findings"
    INDICATION = "indication"
    PROCEDURES = "procedures"
    PROCEDURE_DESCRIPTION = "procedure description"
    ANESTHESIA = "anesthesia"
    BLOOD_LOSS = "blood loss"
    COMPLICATIONS = "complications"
    SPECIMENS = "specimens"
    DEVICES = "devices"
    HOSPITAL_COURSE = "hospital course"
    ASSESSMENT = "assessment"
    ASSESSMENT_AND_PLAN = "assessment and plan"
    PLAN = "plan"
    INSTRUCTIONS = "instructions"
    DISPOSITION = "disposition"
    GOALS = "goals"
    NUTRITION = "nutrition"
    ADVANCE_DIRECTIVES = "advance directives"
    ENCOUNTERS = "encounters"
    INSURANCE = "insurance"


class SectionCode(NamedTuple):
    """LOINC's code of a kind of section."""

    code: str
    name: str
    """LOINC's own, shortened."""
    source: str
    """Where the code is given for a section of a document."""


_CCDA = "HL7 C-CDA R2.1"
_FHIR = "HL7 FHIR R4, value set doc-section-codes"
_LOINC = "LOINC"

LOINC = MappingProxyType(
    {
        SectionKind.REASON_FOR_VISIT: SectionCode("29299-5", "Reason for visit", _FHIR),
        SectionKind.PRESENT_ILLNESS: SectionCode("10164-2", "History of present illness", _FHIR),
        SectionKind.HISTORY: SectionCode("11329-0", "History general", _FHIR),
        SectionKind.PAST_HISTORY: SectionCode("11348-0", "History of past illness", _FHIR),
        SectionKind.SURGICAL_HISTORY: SectionCode("10167-5", "History of surgical procedures", _LOINC),
        SectionKind.FAMILY_HISTORY: SectionCode("10157-6", "History of family member diseases", _FHIR),
        SectionKind.SOCIAL_HISTORY: SectionCode("29762-2", "Social history", _FHIR),
        SectionKind.PREGNANCY_HISTORY: SectionCode("10162-6", "History of pregnancies", _LOINC),
        SectionKind.ALLERGIES: SectionCode("48765-2", "Allergies and adverse reactions", _FHIR),
        SectionKind.MEDICATIONS: SectionCode("10160-0", "History of medication use", _FHIR),
        SectionKind.IMMUNIZATIONS: SectionCode("11369-6", "History of immunization", _FHIR),
        SectionKind.PROBLEMS: SectionCode("11450-4", "Problem list", _CCDA),
        SectionKind.DIAGNOSES: SectionCode("29308-4", "Diagnosis", _LOINC),
        SectionKind.REVIEW_OF_SYSTEMS: SectionCode("10187-3", "Review of systems", _FHIR),
        SectionKind.SUBJECTIVE: SectionCode("61150-9", "Subjective", _FHIR),
        SectionKind.OBJECTIVE: SectionCode("61149-1", "Objective", _FHIR),
        SectionKind.PHYSICAL_EXAM: SectionCode("29545-1", "Physical findings", _FHIR),
        SectionKind.MENTAL_STATUS: SectionCode("10190-7", "Mental status", _CCDA),
        SectionKind.FUNCTIONAL_STATUS: SectionCode("47420-5", "Functional status assessment", _FHIR),
        SectionKind.VITAL_SIGNS: SectionCode("8716-3", "Vital signs", _FHIR),
        SectionKind.RESULTS: SectionCode("30954-2", "Relevant diagnostic tests/laboratory data", _FHIR),
        SectionKind.LABORATORY: SectionCode("26436-6", "Laboratory studies", _LOINC),
        SectionKind.IMAGING: SectionCode("18748-4", "Diagnostic imaging study", _LOINC),
        SectionKind.FINDINGS: SectionCode("59776-5", "Procedure findings", _FHIR),
        SectionKind.INDICATION: SectionCode("59768-2", "Procedure indications", _FHIR),
        SectionKind.PROCEDURES: SectionCode("47519-4", "History of procedures", _FHIR),
        SectionKind.PROCEDURE_DESCRIPTION: SectionCode("29554-3", "Procedure narrative", _FHIR),
        SectionKind.ANESTHESIA: SectionCode("59774-0", "Procedure anesthesia", _CCDA),
        SectionKind.BLOOD_LOSS: SectionCode("59770-8", "Procedure estimated blood loss", _FHIR),
        SectionKind.COMPLICATIONS: SectionCode("55109-3", "Complications", _FHIR),
        SectionKind.SPECIMENS: SectionCode("59773-2", "Procedure specimens taken", _FHIR),
        SectionKind.DEVICES: SectionCode("46264-8", "History of medical device use", _FHIR),
        SectionKind.HOSPITAL_COURSE: SectionCode("8648-8", "Hospital course", _FHIR),
        SectionKind.ASSESSMENT: SectionCode("51848-0", "Evaluation note", _FHIR),
        SectionKind.ASSESSMENT_AND_PLAN: SectionCode("51847-2", "Evaluation + plan note", _CCDA),
        SectionKind.PLAN: SectionCode("18776-5", "Plan of care note", _FHIR),
        SectionKind.INSTRUCTIONS: SectionCode("69730-0", "Instructions", _FHIR),
        SectionKind.DISPOSITION: SectionCode("59775-7", "Procedure disposition", _FHIR),
        SectionKind.GOALS: SectionCode("61146-7", "Goals", _CCDA),
        SectionKind.NUTRITION: SectionCode("61144-2", "Diet and nutrition", _CCDA),
        SectionKind.ADVANCE_DIRECTIVES: SectionCode("42348-3", "Advance directives", _FHIR),
        SectionKind.ENCOUNTERS: SectionCode("46240-8", "History of encounters", _FHIR),
        SectionKind.INSURANCE: SectionCode("48768-6", "Payment sources", _FHIR),
    }
)
"""The code of each kind. LOINC is copyright of Regenstrief Institute, Inc. (ATTRIBUTION.md)."""

_MORE_CODES = {
    "10154-3": SectionKind.REASON_FOR_VISIT,  # chief complaint
    "46239-0": SectionKind.REASON_FOR_VISIT,  # chief complaint and reason for visit
    "42349-1": SectionKind.REASON_FOR_VISIT,  # reason for referral
    "10183-2": SectionKind.MEDICATIONS,  # at discharge
    "75311-1": SectionKind.MEDICATIONS,  # at discharge
    "42346-7": SectionKind.MEDICATIONS,  # at admission
    "29549-3": SectionKind.MEDICATIONS,  # administered
    "57828-6": SectionKind.MEDICATIONS,  # prescriptions
    "11535-2": SectionKind.DIAGNOSES,  # at discharge
    "46241-6": SectionKind.DIAGNOSES,  # at admission
    "10219-4": SectionKind.DIAGNOSES,  # preoperative
    "10218-6": SectionKind.DIAGNOSES,  # postoperative
    "75310-3": SectionKind.PROBLEMS,  # health concerns
    "10210-3": SectionKind.PHYSICAL_EXAM,  # general status
    "10184-0": SectionKind.PHYSICAL_EXAM,  # at discharge
    "11493-4": SectionKind.RESULTS,  # studies at discharge
    "18782-3": SectionKind.IMAGING,  # observation
    "18726-0": SectionKind.IMAGING,
    "19005-8": SectionKind.ASSESSMENT,  # a radiologist's impression
    "10216-0": SectionKind.PROCEDURES,  # fluids
    "10223-6": SectionKind.PROCEDURES,  # done at surgery
    "55122-6": SectionKind.DEVICES,  # implants
    "10185-7": SectionKind.PROCEDURES,
    "8653-8": SectionKind.INSTRUCTIONS,  # at discharge
    "62387-6": SectionKind.PLAN,  # interventions
    "8650-4": SectionKind.DISPOSITION,
    "59772-4": SectionKind.PLAN,  # planned procedure
}
KIND_BY_CODE = MappingProxyType({code.code: kind for kind, code in LOINC.items()} | _MORE_CODES)
"""LOINC's code to the kind."""

_TITLES = """
reason for visit: cc, chief complaint, chief complaints, presenting complaint, presenting complaints, complaint,
    complaints, reason for visit, reason for consultation, reason for consult, reason for admission, reason for
    referral, reason for encounter, reason for appointment, reason for evaluation, reason, chief concern, presenting
    problem, reason for exam, reason for examination, reason for study, chief complaint and reason for visit,
    referral reason, reason for hospitalization
history of present illness: hpi, history of present illness, history of the present illness, history present
    illness, present illness, hopi, interval history, history of present complaint, history of presenting complaint,
    history of presenting illness, genhx, clinical history, history and reason for visit, present history, ed
    course, emergency department course, emergency room course
history: history, hx, general history, patient history, history and physical, pertinent history, personal history,
    other history, clinical background, background
past history: medical, pmh, pmhx, past medical history, past history, past medical hx, medical history, medical hx,
    mhx, previous medical history, prior medical history, past illnesses, history of past illness, past psychiatric
    history, psychiatric history, past illness, pastmedicalhx, past ocular history, birth history, neonatal history,
    childhood illnesses, comorbidities, co morbidities, chronic conditions, history of illness
surgical history: surgical, psh, pshx, past surgical history, surgical history, past surgical hx, surgical hx, prior
    surgeries, previous surgeries, past surgeries, surgeries, past operations, previous operations, pastsurgical,
    history of surgeries, hospitalizations and surgeries, history of surgical procedures
family history: fh, fhx, fam hx, family history, family hx, family medical history, famhx, family illnesses, family
    history of illness, family psychiatric history, history of family member diseases
social history: sh, shx, soc hx, social history, social hx, sochx, habits, social habits, lifestyle, occupation,
    occupational history, tobacco use, alcohol use, substance use, substance use history, substance abuse history,
    marital status, work status, living situation, sexual history, travel history, developmental history,
    psychosocial history, social and behavioral history, smoking status
pregnancy history: obstetric history, obstetrical history, ob history, obhx, gynecologic history, gynecological
    history, gyn history, gynhx, menstrual history, history of pregnancies, ob/gyn history, obgyn history, pregnancy
    history, pregnancies
allergies: allergies, allergy, allergies and intolerances, allergies and adverse reactions, drug allergies,
    medication allergies, allergies to medications, adverse reactions, allergic reactions, allergies/intolerances,
    known allergies, drug intolerances, food allergies, allergies and sensitivities
medications: medications, medication, meds, medicines, current medications, current meds, home medications, home
    meds, discharge medications, discharge meds, admission medications, medications on admission, medications at
    home, medications prior to admission, medications at discharge, medications on discharge, medication list,
    active medications, outpatient medications, inpatient medications, present medications, prescriptions,
    medication history, rx, medications administered, medications given, drugs, drug therapy, current drugs, regular
    medications, dhx, history of medication use, preoperative medications, premedications, discontinued medications,
    stopped medications, medications reviewed, total medications during procedure, scheduled medications, prn
    medications, new medications, medication changes, medications prescribed, prescribed medications, medication
    use, medications at time of discharge, ordered prescriptions, administered medications, medication summary
immunizations: immunizations, immunisations, vaccinations, vaccines, immunization history, vaccination history,
    immunization status, immunizations given, history of immunization
problems: problems, problem list, active problems, current problems, medical problems, problem, active problem list,
    health concerns, conditions, medical conditions, current medical problems, resolved problems, inactive problems,
    past problems, ongoing problems, medical issues
diagnoses: diagnosis, diagnoses, dx, discharge diagnosis, discharge diagnoses, admission diagnosis, admission
    diagnoses, admitting diagnosis, admitting diagnoses, final diagnosis, final diagnoses, primary diagnosis,
    secondary diagnosis, secondary diagnoses, principal diagnosis, principal diagnoses, preoperative diagnosis,
    preoperative diagnoses, postoperative diagnosis, postoperative diagnoses, preop diagnosis, postop diagnosis, pre
    operative diagnosis, post operative diagnosis, pre operative diagnoses, post operative diagnoses, pre op
    diagnosis, post op diagnosis, clinical diagnosis, differential diagnosis, differential diagnoses, differential,
    medical diagnosis, ddx, preprocedure diagnosis, postprocedure diagnosis, visit diagnoses, encounter diagnoses,
    working diagnosis, final impression and diagnosis, assessment and diagnosis
review of systems: ros, review of systems, review of system, systems review, systemic review, symptom review
subjective: subjective
objective: objective
physical exam: pe, physical exam, physical examination, exam, examination, physical findings, on exam, on
    examination, physical, px, clinical examination, general examination, objective examination, focused exam,
    focused examination, gen exam, phys exam, examination findings, neurological exam, neurological examination,
    neurologic examination, neurologic exam, neuro exam, cardiac exam, cardiovascular exam, abdominal exam, pelvic
    exam, skin exam, ocular exam, musculoskeletal exam, eye exam, functional examination, physical exam findings
mental status: mental status, mental status examination, mental status exam, mse
functional status: functional status, activities of daily living, adl, adls, functional history
vital signs: vitals, vital signs, vs, vitals reviewed, vital signs reviewed, vitals signs, vital signs/general, last
    filed vital signs
results: results, test results, diagnostics, diagnostic studies, diagnostic data, diagnostic tests, investigations,
    investigation, studies, data, pertinent results, relevant results, diagnostic results, results reviewed, tests,
    relevant diagnostic tests/laboratory data, data reviewed, pathology, pathology report, diagnostic test, ekg,
    ecg, electrocardiogram, echocardiogram, pulmonary function tests, special tests, studies reviewed, workup,
    procedures and tests, results summary
laboratory: labs, lab, laboratory, laboratories, laboratory data, laboratory studies, lab results, laboratory
    results, lab data, laboratory tests, laboratory work, laboratory findings, pertinent labs, blood work, bloods,
    admission labs, discharge labs, laboratory values, laboratory evaluation, lab tests, labs reviewed,
    microbiology, chemistry, hematology, laboratory examination, laboratory investigations
imaging: imaging, imaging studies, radiology, radiographs, radiographic studies, x rays, xrays, x ray, diagnostic
    imaging, radiologic studies, radiology results, imaging results, ct, mri, ct scan, ultrasound, chest x ray,
    radiographic findings, radiographic examination, imaging findings, radiology studies, radiology report, mri
    findings, ct findings
findings: findings, operative findings, intraoperative findings, gross findings, procedure findings, gross operative
    findings, findings at surgery, history and gross findings, specific findings
indication: indication, indications, indications for procedure, indication for procedure, indications for surgery,
    indication for surgery, indications for operation, indications for the operation, indications for this
    procedure, operative indications, indications for the procedure, indications of procedure, clinical indication,
    clinical indications, procedure indications
procedures: procedures, procedure, procedure performed, procedures performed, operation, operations, operation
    performed, operations performed, title of operation, title of procedure, name of operation, name of procedure,
    operative procedure, operative procedures, surgical procedures, history of procedures, surgery, procedures done,
    operation and procedure, procedures during this hospitalization, surgery performed, surgical procedure, past
    procedures, reported procedure
procedure description: procedure in detail, description of procedure, description of the procedure, description of
    operation, description of the operation, details of procedure, details of the procedure, details of operation,
    details of the operation, procedure detail, procedure details, operation in detail, operative procedure in
    detail, procedure note, operative note, technique, procedure technique, description of technique, description of
    procedure in detail, operative technique, operative report, operative course, procedure narrative
anesthesia: anesthesia, anaesthesia, type of anesthesia, anesthetic, anesthesia type
blood loss: estimated blood loss, ebl, blood loss
complications: complications, complication, intraoperative complications
specimens: specimens, specimen, specimens removed, specimen removed, specimens sent
devices: implants, devices, medical equipment, medical devices, implanted devices, hardware, prosthesis, prostheses,
    durable medical equipment
hospital course: hospital course, brief hospital course, course in hospital, course, clinical course, summary of
    hospital course, history and hospital course, hospital course by problem, brief hospital course summary
assessment: assessment, assessments, impression, impressions, clinical impression, diagnostic impression,
    conclusion, conclusions, final impression, final assessment, interpretation, opinion, evaluation, analysis,
    endoscopic impression, clinical interpretation, medical decision making, mdm, summary and impression
assessment and plan: a/p, ap, a and p, assessment and plan, assessment/plan, impression and plan, impression/plan,
    impression and recommendations, impression and recommendation, assessment and recommendations, plan and
    assessment, assessment/recommendations, diagnosis and plan, problems and plan, assessment and plan of care
plan: plan, plans, plan of care, plan of treatment, treatment plan, recommendations, recommendation, treatment, care
    plan, discharge plan, plan and recommendations, postoperative plan, followup plan, follow up plan, management,
    disposition and plan, management plan, treatment recommendations, follow up, followup, plan of action, orders,
    planned procedure, plan and follow up, interventions, care plan note
instructions: instructions, discharge instructions, patient instructions, followup instructions, follow up
    instructions, patient education, education, home care instructions, postoperative instructions, aftercare, wound
    care, discharge instructions/followup, return precautions, after visit instructions, follow up care
disposition: disposition, discharge disposition, discharge condition, condition on discharge, condition at
    discharge, condition, condition of patient
goals: goals, goal, patient goal, patient goals, patients goal, treatment goals
nutrition: diet, nutrition, discharge diet, diet and nutrition
advance directives: advance directives, advance directive, code status, resuscitation status
encounters: encounters, visits, previous encounters
insurance: payers, insurance, payment sources, insurance providers, coverage
"""
"""Titles by kind, in small letters, "&" as "and", hyphens as spaces."""


def _lexicon(listed: str) -> dict[str, SectionKind]:
    found = {}
    for line in re.sub(r"\n +", " ", listed).strip().splitlines():
        kind, _, titles = line.partition(":")
        for title in titles.split(","):
            found[title.strip()] = SectionKind(kind)
    return found


KIND_BY_TITLE = MappingProxyType(_lexicon(_TITLES))
"""The kind by a plain title (`plain`)."""

_ABOUT = re.compile(
    r"^(?:(?:the|a|patient'?s?|brief|current|pertinent|significant|relevant|updated|interval|detailed|complete|"
    r"other|additional|past|prior|previous|known|focused|general|limited|today's|new|active|ongoing|recent) )+"
)
_AFTER = re.compile(
    r" (?:reviewed|today|list|section|note|notes|summary|details|data|status|update|continued|cont)$"
)
_BRACKET = re.compile(r"\s*\([^)]*\)")
_APART = re.compile(r"/|,| and | plus |;")
_ALERTS = re.compile(r",? (?:and )?alerts$")
"""At the end of C-CDA's title of allergies."""
_LONGEST = max(map(len, KIND_BY_TITLE)) + 40

BODY_SYSTEMS = frozenset(
    "general constitutional heent head eyes ears nose throat mouth neck chest lungs lung heart breasts breast "
    "abdomen back extremities extremity skin neuro neurologic neurological neurology psych psychiatric "
    "cardiovascular cardiac cv respiratory pulmonary gi gastrointestinal gu genitourinary musculoskeletal msk "
    "endocrine hematologic lymphatic lymphatics hematologic/lymphatic integumentary vascular pelvic pelvis rectal "
    "genitalia motor sensory sensation reflexes gait strength coordination nares ent gyn immunologic integument "
    "spine hent gi/gu ent/mouth palpation inspection resp coord muscle station thorax nodes".split()
)
"""Titles of the parts of an examination or of a review of systems."""
_OF_SYSTEMS = (SectionKind.REVIEW_OF_SYSTEMS, SectionKind.PHYSICAL_EXAM, SectionKind.OBJECTIVE)


@lru_cache(maxsize=4096)
def kinds_of_title(title: str) -> tuple[SectionKind, ...]:
    """The kinds that a title names, in its order; empty where no list has it."""
    if len(title) > _LONGEST:
        return ()
    bare = _ALERTS.sub("", plain(title))
    if (kind := _kind(bare)) is not None:
        return (kind,)
    parts = [_kind(part.strip()) for part in _APART.split(bare)]
    if len(parts) < 2 or None in parts:
        history = bare.removesuffix(" history")
        if history == bare or not _APART.search(bare):
            return ()
        parts = [
            _kind(f"{part.strip()} history") for part in _APART.split(history)
        ]  # "family/social history"
    return tuple(dict.fromkeys(part for part in parts if part is not None)) if None not in parts else ()


def kinds_of(title: str | None, codes: Iterable[str] = ()) -> tuple[SectionKind, ...]:
    """The kinds of a section by LOINC's codes of it, else by its title."""
    coded = tuple(dict.fromkeys(KIND_BY_CODE[code] for code in codes if code in KIND_BY_CODE))
    return coded or (kinds_of_title(title) if title else ())


def is_body_system(title: str) -> bool:
    """Whether a title names a part of an examination: "HEENT", "Lungs"."""
    return plain(title) in BODY_SYSTEMS


def has_body_systems(kinds: Iterable[SectionKind]) -> bool:
    """Whether a section of these kinds is told system by system."""
    return any(kind in _OF_SYSTEMS for kind in kinds)


def plain(title: str) -> str:
    """A title as the lists have it: "**Assessment & Plan:**" is "assessment and plan"."""
    text = title.strip(" \t*_#:.-–—").lower().replace("&", " and ").replace("’", "'")
    return re.sub(r"\s*/\s*", "/", " ".join(text.replace("-", " ").split()))


def _kind(bare: str) -> SectionKind | None:
    if bare in KIND_BY_TITLE:
        return KIND_BY_TITLE[bare]
    for pattern in (_BRACKET, _ABOUT, _AFTER):
        shorter = pattern.sub("", bare).strip()
        if shorter != bare and shorter in KIND_BY_TITLE:
            return KIND_BY_TITLE[shorter]
        bare = shorter
    return None
