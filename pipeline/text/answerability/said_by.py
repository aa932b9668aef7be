"""What says a word of a question besides its spellings: by naming one of a class, or the contrary.

Decides which sentence may answer "Is she on antibiotics?" (one with amoxicillin) and "Is he married?" (one with
single). It is read with the sentence quoted, and never put in its place: whether amoxicillin is one is for the reader
to see. No list here is complete. Refuses to call two words the same (`text.vocabulary`).
"""

from __future__ import annotations

import re
from types import MappingProxyType

from pipeline.text.answerability.values import ValueKind, written_as
from pipeline.text.wording import canonical

_ALCOHOL = "alcohol[a-z]*, drink[a-z]*, drank, etoh, beers?, wine, liquor"
_OPIOIDS = """[a-z]+codone, codeine, morphine, [a-z]+morphone, fentanyl, tramadol, ultram, percocet, norco, vicodin
    lortab, dilaudid, methadone, buprenorphine, suboxone"""
_PAINKILLERS = "ibuprofen, motrin, advil, naproxen, aleve, meloxicam, mobic, toradol, ketorolac, diclofenac"
_SPINE = (
    "dis[ck]s?, dis[ck]ectom(?:y|ies), lumbar, thoracic, cervical, spin[a-z]+, lamin[a-z]+, vertebra[a-z]*"
)
_STEROIDS = """[a-z]*predniso[a-z]+, dexamethasone, decadron, [a-z]*cortisone, medrol, fluticasone, budesonide
    triamcinolone, kenalog"""
_THINNERS = """warfarin, coumadin, [a-z]+xaban, eliquis, xarelto, dabigatran, pradaxa, heparin, enoxaparin, lovenox
    plavix, clopidogrel, blood thinners?, anticoagula[a-z]+"""
_HURTS = "pain[a-z]*, sore[a-z]*, aching, aches?"
_WORDS = rf"""
abroad: international[a-z]*, overseas, foreign
alcohol: {_ALCOHOL}
aliv: living, lives, deceased, died, dead, passed away, passed on
antibiot|antibiotic: [a-z]+(?:cillin|mycin|floxacin|cycline), cef[a-z]+, ceph[a-z]+, bactrim, septra, metronidazole
    flagyl
    nitrofurantoin, macrobid, augmentin, z-?pac?k?, keflex, cipro, levaquin, zosyn, sulfamethoxazole
anticoagul|anticoagulant: {_THINNERS}
antidepress|antidepressant: [a-z]+oxetine, [a-z]+traline, [a-z]*citalopram, bupropion, wellbutrin, venlafaxine
    effexor, zoloft, prozac
    lexapro, celexa, paxil, cymbalta, trazodone, mirtazapine, remeron, amitriptyline, nortriptyline
arrhythmia: fibrillation, flutter, tachycardia, bradycardia, afib, pvcs?, palpitations?
backpart: {_SPINE}
bother: {_HURTS}
break|brok: fractur[a-z]*, broke[a-z]*
cancer: [a-z]*carcinoma[a-z]*, [a-z]*sarcoma, lymphoma, leuk[a-z]+, myeloma, melanoma, malignan[a-z]+, metasta[a-z]+
    tumou?rs?, neoplasm[a-z]*
chang|change: increas[a-z]+, decreas[a-z]+, reduc[a-z]+, lower(?:ed)?, rais(?:e|ed), adjust[a-z]*, titrat[a-z]+
    switch[a-z]*, stop(?:ped)?, discontinu[a-z]+
chemotherap: chemo, [a-z]+platin, [a-z]+taxel, [a-z]+mab, [a-z]+rubicin, cyclophosphamide, fluorouracil, folfox
corticosteroid: {_STEROIDS}
chlorid: cl(?=:?\s?\d)
die: deceased, death
diet: liquids?, npo, nothing by mouth, soft foods?, purees?, pureed
dispens: quantity, qty
diuret|diuretic: lasix, furosemide, hydrochlorothiazide, hctz, spironolactone, aldactone, bumetanide, bumex, torsemide
    chlorthalidone, metolazone, triamterene
drink: {_ALCOHOL}
drain|draw|drawn|drew|aspir|aspirat|withdraw|withdrawn: drain[a-z]*, dr[ae]wn?, aspirat[a-z]+, withdr[ae]wn?, tapped
    evacuat[a-z]+, removed
elevate: normal[a-z]*, wnl, low
hurt: {_HURTS}
infect: pneumonia, utis?, cellulitis, sepsis, septic, abscess, bacteremia, urinary tract infection, bronchitis, flu
inhal: albuterol, proair, ventolin, flovent, symbicort, advair, spiriva, combivent, atrovent, qvar, pulmicort
injure: hurt, sprain[a-z]*, trauma[a-z]*, fractur[a-z]*, twist[a-z]*, fell
insulin: lantus, glargine, humalog, lispro, novolog, aspart, levemir, detemir, tresiba, degludec, humulin, novolin, nph
jab|shot|booster: shots?, jabs?, boosters?, vaccin[a-z]*, immuni[sz][a-z]*, toxoid, prophylaxis
lastprior: histor(?:y|ies), ago, before, in the past, h/o, recurrent, status[ -]post, s/p, (?:in|since) (?:19|20)\d\d
    earlier, last year, second, third, has had, had had
lesion: mass(?:es)?, nodules?, tumou?rs?, growths?
low: normal[a-z]*, wnl, high, elevated
marry: single, divorced, widow[a-z]*, separated
narcot|narcotic: {_OPIOIDS}
normal: abnormal[a-z]*, elevated, high, low, wnl, unremarkable, positive, negative
opioid: {_OPIOIDS}
opt|elect|choose|chosen|chose: opt(?:s|ed)?, elect(?:s|ed)?, choose, chose, chosen, decid[a-z]+, prefer[a-z]*
    wish(?:es|ed)?
organism|pathogen: pseudomonas, e\.? ?coli, klebsiella, enterococc[a-z]+, staph[a-z]*, strep[a-z]*, mrsa, candida
    proteus, grew, positive culture
potassium: k(?=:?\s?\d)
positive: negative, neg, normal
restrict|restriction: lift[a-z]*, strain[a-z]*, bed ?rest, weight ?bear[a-z]*, avoid[a-z]*
sodium: na(?=:?\s?1\d\d)
spin: {_SPINE}, back
start: began, begun, begins?, onset, since, initiat[a-z]+, prescri[a-z]+
statin: [a-z]+statin, lipitor, crestor, zocor, pravachol
steroid: {_STEROIDS}
supple|supplement: vitamins?, multivitamins?, calcium, iron, fish oil, magnesium, zinc, probiotics?, melatonin
thought: ideation[a-z]*
stop|discontinue: (?:self-)?we[ae]n[a-z]*, came off, come off, taken off, off, quit, gave up, switch(?:ed)?
torn|tear: tears?, torn, ruptur[a-z]*
travel: trips?, went to, returned from, visit(?:ed|ing) (?=[A-Z]), vacation, cruise, flew
vitamin: multivitamins?, cholecalciferol, ergocalciferol, folic acid, folate, cyanocobalamin
weight: weigh[a-z]*
switch: chang(?:e|ed|ing)
xray: views(?= of)
work|employ: retired?, unemployed, disability, help[a-z]*, effective, relie[a-z]+, benefi[a-z]+
"""
"""Canonical words before the colon, apart by bars; behind it what says them too."""
_VERBS = """
    bite bit bitten; bleed bled; break broke broken; bring brought; catch caught; choose chose chosen; drink drank drunk
    drive drove driven; eat ate eaten; fall fell fallen; feed fed; grow grew grown; hold held; lose lost
    ride rode ridden; run ran; sleep slept; speak spoke spoken; stick stuck; sting stung; strike struck stricken
    swell swelled swollen; swim swam; tear tore torn; think thought; throw threw thrown; wake woke; wear wore worn
    """
"""Verbs of which endings do not tell that two forms are one."""
_BY_VALUE = {
    **dict.fromkeys(("surgery", "procedur"), ValueKind.PROCEDURE),
    **dict.fromkeys(("smoke", "tobacco", "cigaret"), ValueKind.TOBACCO_USE),
    **dict.fromkeys(("insuranc", "insur"), ValueKind.INSURER),
    **dict.fromkeys(("race", "raci", "ethnic", "ethn"), ValueKind.RACE),
    **dict.fromkeys(("educ", "educat"), ValueKind.EDUCATION),
    "occup": ValueKind.OCCUPATION,
}
"""Words that any value of a kind says."""
_SHOULD = "(?:should|does|do|can|must|may|will|did)"
_TERMS = rf"""
{_SHOULD} (?:§ )?(?:(?:need|have) to )?(?:continue|keep)(?:\s(?:on )?\w+ing\b)?(?:\sto)?: keep
    continu[a-z]+, discontinu[a-z]+, stop[a-z]*, hold, held, any ?more, no longer, follow[ -]?up, remain, off, not need
    (?:in|de)creas[a-z]+, titrat[a-z]+, resum[a-z]+
    no need
§ (?:come|came|coming) off|§ (?:(?:was|been|being) )?taken off: (?:self-)?we[ae]n[a-z]*, came off, come off, taken off
    off, quit, stop[a-z]*, discontinu[a-z]+, switch(?:ed)?
blood[ -]thinners?: {_THINNERS}
pain ?(?:killers?|meds?|medications?|medicines?): {_OPIOIDS}, {_PAINKILLERS}, tylenol, acetaminophen, gabapentin
    lidocaine
nsaids?: anti-?inflammator[a-z]+, {_PAINKILLERS}, celecoxib, celebrex, indomethacin
beta[ -]?blockers?: [a-z]+olol, coreg, lopressor, toprol
ace[ -]inhibitors?: [a-z]+pril
water pills?: lasix, furosemide, hydrochlorothiazide, hctz, diuretics?
birth control|contracepti[a-z]+: iud, mirena, nexplanon, depo, ocps?, oral contraceptives?, nuvaring, condoms?, the pill
coronary (?:heart |artery )?disease: cad, chd, ischemic heart disease
(?:back|resulted|available|in) yet: pending, awaited, awaiting, resulted, came back, returned
next|due: next, due, repeat(?:ed)?, again, upcoming, scheduled?, follow[ -]?up
com(?:e|es|ing) back|recur(?:s|red|ring)?: recur[a-z]*, came back, come back, returned
follows?(?! up): follow[a-z]*(?: up)?, manag[a-z]+
ok(?:ay)?|safe|allowed: ok, okay, safe, allowed, may, can, continue, tolerat[a-z]+, avoid
(?:been )?ordered: order(?:s|ed|ing)?, requested, obtain, will get, scheduled?
planned|upcoming: planned, plans, scheduled?, will, proceed, going to, upcoming, recommend(?:ed)?
imaging|scans?: x-?rays?, radiographs?, ct, mri, ultrasound, sonogram, echo[a-z]*, mammogram, films?, pet, scans?
weight(?=.* (?:los[te]|losing|gain)): weight, pounds?, lbs?, kg, kilo[a-z]*
heart disease: cad, chd, coronary, cardiomyopath[a-z]+, heart failure, chf, angina, infarct[a-z]*, atrial fibrillation
    valv[a-z]+, heart attacks?
"""
"""Terms of several words, the longer ones first."""


def _lexicon(listed: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in re.sub(r"\n +", ", ", listed).strip().splitlines():
        word, _, ways = line.partition(": ")
        found[word] = "|".join(way.strip().replace(" ", r"\s") for way in ways.split(", "))
    return found


def _by_word(listed: str) -> dict[str, str]:
    return {word: ways for words, ways in _lexicon(listed).items() for word in words.split("|")}


def _said_by() -> dict[str, str]:
    found = _by_word(_WORDS) | {word: written_as(kind) for word, kind in _BY_VALUE.items()}
    for forms in (each.split() for each in re.split(r";|\n", _VERBS.strip())):
        for key in {canonical(form)[0] for form in forms}:
            said = [f"(?:{'|'.join(forms)})(?:s|es|ing)?", *([found[key]] if key in found else [])]
            found[key] = "|".join(said)
    return found


SAID_BY = MappingProxyType(_said_by())
"""Regular expressions, for whole words, by canonical word."""
TERMS_SAID_BY = tuple(
    (re.compile(rf"\b(?:{asked})\b", re.IGNORECASE), rf"{asked}|{ways}")
    for asked, ways in _lexicon(_TERMS).items()
)
"""A term as it is asked for, and the ways to say it."""
