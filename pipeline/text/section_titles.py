"""Which lines name the section that follows, and which words in capitals are a person's name instead.

Decides by the words that clinical notes use for their sections: a line written like a title ("History of Present
Illness") is one where it says such words and no others. A line in capitals or with a colon may say anything else, but
not what could be a name: a section is stored, searched and shown, and "COYOTE, WILE" is no section. Knows no note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.text.structure.section_kinds import SectionKind, kinds_of

HEADING_CHARACTERS_MAX = 80
TITLE_CHARACTERS_MAX = 60
TITLE_WORDS_MAX = 8

_NOUNS = frozenset(
    "admission allergies allergy anesthesia anaesthesia appointments assessment assessments background codes comments "
    "comparison complaint complaints complications conclusion conclusions condition consultation consultations "
    "consults course data details diagnoses diagnosis diet discharge discussion disposition encounter encounters "
    "equipment evaluation exam examination findings followup goals habits history hospitalizations imaging "
    "immunisations immunizations impression indication indications instructions interpretation investigations "
    "laboratories labs list medication medications medicines meds narrative note notes objective observations "
    "operations orders plan plans prescriptions problem problems procedure procedures prognosis progress "
    "radiology reactions reason recommendations referral results review screening signs specimens status studies "
    "study subjective summary surgeries symptoms systems technique tests therapies treatment treatments vaccinations "
    "vitals workup".split()
)
"""A title that is not known as a whole has one of these."""
_WORDS = _NOUNS | frozenset(
    "abdomen abnormal active activities acute additional admitting advance advanced adverse ambulatory anesthetic "
    "antibiotic antibiotics approach artery assistant associated attending back baseline biopsies birth blood body "
    "breasts brief cardiac cardiovascular care causation cc changes chest chief chronic circumflex clinical code "
    "comparisons complete complexity components compression conditions consent constitutional contrast coordination "
    "coronary counseling counselling count cranial crystalloid ct cultures current daily date day death decision "
    "dermatologic descending description detail developmental device devices diagnostic diagnostics directives "
    "doppler drain drains drug duration ears ecg ed ekg electrocardiogram elevation emergency endocrine estimated "
    "extremities eyes factors family fhx final fluid fluids focused following food for frequency functional future "
    "gastrointestinal general genitalia genitourinary given gross gu gynecologic haemostasis hardware head health "
    "heart heent height hematologic hemostasis home hospital hpi hx identification illness immunologic implanted "
    "implants important in included infections information initial injectate injury inpatient instruction "
    "instrument intake integumentary interpretations intraocular intraoperative invasive investigation iv joint "
    "laboratory lead leads left lens level living loss lower lungs lymphatic lymphatics major making medical "
    "menstrual mental microscopic mood morbidity mortality mri msk muscle musculoskeletal name neck needle nerves "
    "neuro neurologic neurological neurologically neurology neurovascular nose nuclear nursing nutrition obstetric "
    "occupational of office on operation operative oral other otoscopy outpatient output pain palpation past "
    "pathology patient patterns pelvic pelvis performance performed personal pertinent physical position post "
    "postop postoperative premedications preop preoperative present presenting previous primary principal prior "
    "protocol psych psychiatric psychological psychosocial pulmonary quality question questions radiographs "
    "radiological range ray rays recent rectal reflexes regarding rehabilitation relevant replacement report "
    "reported resp respiratory reviewed right risk score secondary sensory service sexual shx skin sleep social "
    "specialty specifications specimen spine sponge stage strength substance support surgery surgical taken test "
    "therapy throat time title tnm to tobacco tourniquet transfusion travel type upper urine urologic urological "
    "use vascular ventriculogram visit vital weight with work x-ray xray".split()
)
_JOINERS = frozenset("a and at by for from in of on or the to upon with & / - at".split())
_WHOLE = frozenset(
    {
        *("hpi", "pmh", "psh", "ros", "cc", "pe", "a/p", "a&p", "assessment/plan", "assessment & plan"),
        *(
            "allergies",
            "medications",
            "meds",
            "assessment",
            "plan",
            "impression",
            "findings",
            "history",
            "vitals",
        ),
        *(
            "labs",
            "results",
            "subjective",
            "objective",
            "immunizations",
            "immunisations",
            "problems",
            "diagnosis",
        ),
        *(
            "diagnoses",
            "procedures",
            "recommendations",
            "instructions",
            "disposition",
            "comments",
            "conclusion",
        ),
        *("technique", "indication", "indications", "comparison", "complications", "summary", "examination"),
        *("exam", "encounters", "payers", "goals", "vital signs", "problem list", "medication list"),
        *("advance directives", "functional status", "mental status", "plan of care", "plan of treatment"),
        *("medical equipment", "health concerns", "reason for visit", "social history", "family history"),
        *("hospital course", "chief complaint", "review of systems", "history of present illness"),
        *("past medical history", "past surgical history", "physical exam", "physical examination"),
        *("laboratory data", "discharge medications", "allergies and intolerances"),
        *("allergies and adverse reactions",),
    }
)
"""Known as a whole, and so also where only the first letter is a capital."""
_MARKDOWN_HEADING = re.compile(r"#{1,6}\s+(.+?)\s*#*$")
_CAPITALS_HEADING = re.compile(r"[A-Z][A-Z0-9 /&(),'’\-]{2,}:?$")
_COLON_HEADING = re.compile(r"[A-Z][\w /&(),'’\-]{1,60}:$")
_WRITTEN = re.compile(r"[A-Z][A-Za-z'’&/() \t-]*[A-Za-z)]")
_PARTS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[&/]")
_NAME_PARTS = re.compile(r"[^\W\d_]{2,}|[^\W\d_]$")
_IDENTIFIES = frozenset("mrn dob ssn nhs".split())
ABBREVIATION_CHARACTERS_MAX = 5
NAME_WORDS_MAX = 4


def heading_of(line: str) -> str | None:
    """The heading that a line is, tidied ("## Plan" gives "Plan"), or None."""
    stripped = line.strip()
    if not stripped or len(stripped) > HEADING_CHARACTERS_MAX:
        return None
    markdown = _MARKDOWN_HEADING.match(stripped)
    if markdown:
        return markdown.group(1).rstrip(":")
    if _CAPITALS_HEADING.match(stripped) or _COLON_HEADING.match(stripped):
        title = stripped.rstrip(":")
        return None if may_be_a_name(title) else title
    plain = stripped.strip("*_") if stripped[0] in "*_" else stripped
    return plain.rstrip(":") if is_section_title(plain.rstrip(":")) else None


def is_section_title(line: str) -> bool:
    """Whether a line, alone, is written like a title and says what sections are called: "Allergies", "Hospital
    Course", "Past medical history". Neither a name nor a sentence is: "Penicillin causes rash"."""
    if len(line) > TITLE_CHARACTERS_MAX or not line[:1].isupper() or not _WRITTEN.fullmatch(line):
        return False
    plain = " ".join(line.lower().split())
    if plain in _WHOLE:
        return True
    words = [word for word in _PARTS.findall(line) if word.lower() not in _JOINERS]
    lower = [word.lower() for word in words]
    return (
        2 <= len(words) <= TITLE_WORDS_MAX
        and all(word[0].isupper() for word in words)
        and not _NOUNS.isdisjoint(lower)
        and _WORDS.issuperset(lower)
    )


def may_be_a_name(title: str) -> bool:
    """Whether what looks like a heading could be a person's name: a few words, all of them capitalised, none of which
    sections are called by; or half of a bracket, as in "COYOTE (MRN"."""
    if title.count("(") != title.count(")"):
        return True
    words = _NAME_PARTS.findall(title)
    lower = [word.lower() for word in words]
    if not _IDENTIFIES.isdisjoint(lower):
        return True
    if (
        len(words) > NAME_WORDS_MAX
        or not _WORDS.isdisjoint(lower)
        or not all(word[0].isupper() for word in words)
    ):
        return False
    return not (len(words) == 1 and len(words[0]) <= ABBREVIATION_CHARACTERS_MAX and words[0].isupper())


def is_of_the_family(title: str, codes: Iterable[str] = ()) -> bool:
    """Whether a section is the family history (LOINC 10157-6), which is about others and still the patient's."""
    return SectionKind.FAMILY_HISTORY in kinds_of(title, codes) or _FAMILY.search(title) is not None


_FAMILY = re.compile(r"\bfamil|\bFHX?\b", re.IGNORECASE)
