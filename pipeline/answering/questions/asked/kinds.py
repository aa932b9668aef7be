"""Which kinds of thing the words of a question name: medications, allergies, a vital sign, the plan.

Decides it by words that name a kind, not by what a drug or a disease is called: no list of those is complete.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from pipeline.answering.questions.plan import ThingKind

_WORDS = """
family history: (family|familial) (medical )?(history|hx), family, familial,
    mother('s)?, father('s)?, brothers?, sisters?, siblings?, parents?, grandmother,
    grandfather, relatives?, hereditary, run(s)? in
whole visit: visits?, encounters?, consultation, appointment
reason for visit: reason for (the |§'s )?(visit|consultation|admission|referral), chief complaint, presenting complaint,
    why (did|does|was|is) § (come|came|seen|here|admitted|referred|present), complaints?
allergy: ((drug|medication|food|known) )*allerg(y|ies|ic), allergens?, intoleran(t|ces?), sensitivit(y|ies)
medication: medications?, medicines?, meds?, med list, med rec,
    drugs?, prescri(bed|ptions?), pills?, tablets?, doses?, dosages?, dosed,
    take, takes, taking, took, taken, started on, is § on, are § on
vital sign: vital signs?, vitals?, blood pressures?, bp, heart rates?, pulse, temperature, respiratory rate, weights?,
    weigh, heavier, lighter, height, bmi, body mass index, oxygen saturation, o2 sat(uration)?, spo2, pain score
laboratory: labs?, lab(oratory)? (values?|results?|tests?), blood (tests?|work|count|sugar|glucose), h(a)?emoglobin,
    (hb|hg)?a1c, creatinine, potassium, sodium, glucose, cholesterol, ldl, hdl, tsh, wbc, white (blood )?(cell )?count,
    platelets?( count)?, inr, bilirubin, alt, ast, troponin, bnp, urinalysis, hematocrit, calcium, magnesium, psa,
    e?gfr, troponins?, ferritin, crp, esr, sed rate, albumin, d-dimer, lactate, triglycerides?, uric acid, viral load,
    cd4( count)?, vitamin (d|b12)( level)?, b12, folate, phosphorus, phosphate, lipase, amylase, bun, free t4,
    microalbumin
imaging: imaging, x-?rays?, x rays?, radiographs?, ct, cts, ct scans?, mri, mris, ultrasounds?, sonograms?, scans?,
    echo, echocardiograms?, mammograms?, films?, ekg, ecg, electrocardiogram
procedure: (past )?surgical history, procedures?, surger(y|ies), operations?,
    (?<!post )(?<!pre )ops?(?! notes?| reports?),
    operated, surgical, transplant(ed|ation)?, biops(y|ies),
    vaccine, colonoscop(y|ies), endoscop(y|ies), egds?, bronchoscop(y|ies), cystoscop(y|ies), caths?,
    catheteri[sz]ations?
immunization: ((vaccine|vaccination|immuni[sz]ation) (history|record)), immuni[sz]ations?, immuni[sz]ed, vaccines,
    vaccinations?, vaccinated, shots
examination: exam, examination, physical exam(ination)?
instructions: instructions?, told to do, advised, advice, counsel(l)?ed
plan: plans?, planned, treatment plan, recommendations?, next steps?, follow-?up, follow up
social history: social history, smok(e|es|ed|ing|er), tobacco, cigarettes?, packs?, alcohol, drinks?, drinking, married,
    marital status, occupation, job, insurance, insurances, insured, lives?, education,
    socioeconomic, employed, live with
history: (past |past medical |medical )history, history, past hx
problem: problem list,
    ((medical|health|chronic|active|ongoing|long[- ]?term|underlying|pre-?existing) )*(problems?|conditions?),
    diagnos(is|es|ed), ((medical|chronic|long[- ]?term|underlying) )*(illness(es)?|diseases?|disorders?),
    comorbidit(y|ies)
"""
"""Kinds before the colon, patterns of words behind it; of two that meet, the longer one holds."""


def _lexicon() -> dict[ThingKind, re.Pattern[str]]:
    found: dict[ThingKind, re.Pattern[str]] = {}
    for line in re.sub(r"\n +", " ", _WORDS).strip().splitlines():
        kind, _, listed = line.partition(":")
        words = "|".join(each.strip() for each in re.split(r",\s", listed))
        found[ThingKind(kind)] = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)
    return found


PATTERNS = MappingProxyType(_lexicon())
_SMALL = tuple((kind, re.compile(pattern.pattern)) for kind, pattern in PATTERNS.items())
"""For text in small letters: found several times faster."""


def asked_kinds(question: str) -> tuple[ThingKind, ...]:
    """The kinds that a question names, in its order, each once. `question`: as `asked_patients.framed` gives it."""
    small = question.lower()
    places = [
        (match.start(), -match.end(), kind) for kind, pattern in _SMALL for match in pattern.finditer(small)
    ]
    found: list[ThingKind] = []
    covered = 0
    for start, end, kind in sorted(places):
        if start >= covered:
            covered = -end
            found.append(kind)
    return tuple(dict.fromkeys(found))


def without_kinds(question: str) -> str:
    """The question without the words that name kinds."""
    for kind, pattern in _SMALL:
        if pattern.search(question.lower()) is not None:
            question = PATTERNS[kind].sub(" ", question)
    return " ".join(question.split())
