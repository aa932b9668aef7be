"""Which illnesses or operations are meant by a word for many of them: "cancer", "heart disease", "back surgery".

Decides by a list that a person can read and lengthen; each illness is one of the group whoever asks. The word for a
group finds its members; a member never stands for its group in what is verified. Refuses to know drugs, which are
`drug_classes`'.
"""

from __future__ import annotations

_GROUPS = """
    cancer, malignancy, cancers : cancer, carcinoma, adenocarcinoma, malignancy, lymphoma, leukemia, melanoma,
        sarcoma, myeloma, glioblastoma, dcis, mesothelioma
    arthritis : arthritis, osteoarthritis, polyarthritis
    heart disease, cardiac disease, heart problem, heart problems, heart condition,
        cardiac problems : heart disease, coronary artery disease, cad, heart failure, chf, cardiomyopathy,
        heart attack, ischemic heart disease, valvular heart disease
    lung disease, pulmonary disease, lung problem, lung problems, lung condition : lung disease, copd, emphysema,
        pulmonary fibrosis, interstitial lung disease, chronic bronchitis
    kidney disease, renal disease, kidney problem, kidney problems : kidney disease, renal disease, ckd,
        renal insufficiency, renal failure, kidney failure, nephropathy
    liver disease, hepatic disease, liver problem, liver problems : liver disease, cirrhosis, fatty liver,
        steatohepatitis
    thyroid disease, thyroid problem, thyroid problems, thyroid condition, thyroid disorder : thyroid disease,
        thyroid disorder, hypothyroidism, hyperthyroidism, hypothyroid, hyperthyroid, goiter, graves disease,
        thyroiditis, thyroid nodule, thyroid cancer, underactive thyroid, overactive thyroid
    blood clots, clots : blood clot, blood clots, dvt, deep vein thrombosis, deep venous thrombosis,
        pulmonary embolism, thromboembolism
    joint replacement, joint replaced, joints replaced, joint replacement surgery : joint replacement,
        knee replacement, hip replacement, shoulder replacement, knee arthroplasty, hip arthroplasty,
        shoulder arthroplasty
    heart surgery, cardiac surgery, open heart surgery, heart operation : heart surgery, heart surgeries,
        cardiac surgery, open heart surgery, cabg, valve replacement, valve repair, aortic valve replacement,
        mitral valve replacement, heart transplant
    spine surgery, spinal surgery, back surgery, back surgeries, surgery on back, operation on back : back surgery,
        back surgeries, back operation, spine surgery, spinal surgery, laminectomy, discectomy, microdiscectomy,
        spinal fusion, lumbar fusion, cervical fusion, surgery on back
    drink, drinks, drinker, drinkers, drinking, alcohol, drink alcohol, drinks alcohol, alcohol use : alcohol,
        etoh,
        wine, beer, liquor, vodka, whiskey, drink, drinks, drinking, drank, drinker
    stroke, strokes, cva : stroke, strokes, cva, cerebral infarct, cerebral infarction, cerebral infarcts,
        brain infarct,
        brain infarction, mca infarct, mca infarction, mca territory infarct, cerebellar infarct,
        cerebellar infarction,
        lacunar infarct, lacunar infarction, pontine infarct, ischemic infarct, embolic infarct
    dialysis, renal dialysis : dialysis, hemodialysis, haemodialysis
    dementia : dementia, alzheimer's disease, alzheimer's dementia, alzheimer's, alzheimer disease, alzheimers
    kidney stone, kidney stones, renal stones : kidney stone, kidney stones, ureteral stone, ureteral calculus,
        ureteric stone, urolithiasis, ureterolithiasis
    kidney failure, renal failure : kidney failure, renal failure, esrd
    enlarged prostate, prostate enlargement : enlarged prostate, prostate enlargement, prostatomegaly, bph
    diabetes, diabetes mellitus : diabetes, iddm, niddm
    osteoarthritis : osteoarthritis, djd, degenerative joint disease
    liver failure : liver failure, hepatic failure, hepatic insufficiency
    miscarriage, miscarriages : miscarriage, miscarriages, spontaneous abortion
    seizure, seizures, convulsions : seizure, seizures, epilepsy, epileptic, convulsions, seizure disorder
    arrhythmia, arrhythmias : arrhythmia, arrhythmias, atrial fibrillation, atrial flutter, svt,
        ventricular tachycardia
"""
"""The names of a group before the colon, its illnesses or operations after it."""


def _listed() -> dict[str, tuple[str, ...]]:
    found = {}
    for line in _GROUPS.replace(",\n        ", ", ").strip().splitlines():
        names, _, illnesses = line.partition(" : ")
        members = tuple(illness.strip() for illness in illnesses.split(","))
        found.update({name.strip(): members for name in names.split(",")})
    return found


_MEMBERS = _listed()
_CANCERS = ("cancer", "carcinoma", "adenocarcinoma", "malignancy")
_SMALL = frozenset("a an the any his her their".split())


def group_members(words: str) -> tuple[str, ...]:
    """The illnesses of the group that is called so; empty where that is none."""
    folded = " ".join(word for word in words.lower().split() if word not in _SMALL)
    return _MEMBERS.get(folded) or _cancers(folded)


def _cancers(folded: str) -> tuple[str, ...]:
    """The ways to write the cancer of a part: "adenocarcinoma of the colon"."""
    part, _, cancer = folded.rpartition(" ")
    if cancer != "cancer" or not part.isalpha():
        return ()
    parts = (part, "prostatic") if part == "prostate" else (part,)
    of = (f"{each} of {the}{part}" for each in _CANCERS for the in ("", "the "))
    return (*(f"{one} {each}" for one in parts for each in _CANCERS), *of)
