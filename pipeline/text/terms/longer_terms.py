"""Longer terms that are another thing than a word in them: diabetes insipidus is no diabetes.

Decides by a list that a person can read and lengthen. A term that is a kind of the shorter one is not in it: iron
deficiency anemia is an anemia. Refuses to know which of them is asked for.
"""

from __future__ import annotations

import re

_TERMS = """
    diabetes insipidus; gestational diabetes; bronze diabetes; borderline diabetes; diabetes screening; diabetes risk
    portal hypertension; portal htn; portopulmonary hypertension; pulmonary hypertension; pulmonary htn
    pulmonary arterial hypertension; pulmonary artery hypertension; pulmonary venous hypertension; venous hypertension
    intracranial hypertension; ocular hypertension; intraocular hypertension; intra-abdominal hypertension
    angina bullosa; ludwig angina; ludwig's angina; vincent angina; vincent's angina; intestinal angina
    abdominal angina; mesenteric angina
    st depression; st segment depression; st-t depression; respiratory depression; marrow depression; cns depression
    myocardial depression; depression screen; depression screening
    5-asa; asa class; asa grade; asa score; asa physical status
    asa i; asa ii; asa iii; asa iv; asa 1; asa 2; asa 3; asa 4
    heat stroke; stroke volume; stroke work; stroke index; stroke risk
    lupus anticoagulant; lupus vulgaris; lupus pernio; panic attack; cardiac asthma; german measles
    non-hodgkin lymphoma; non-hodgkin's lymphoma; wolff-parkinson-white; non-small cell; nonsmall cell
    cva tenderness; cva tender; cva angle; cva percussion
    hay fever; scarlet fever; rheumatic fever; yellow fever; dengue fever; typhoid fever; fever blister; fever blisters
    cold sore; cold sores; cold sweat; cold sweats; cold intolerance; cold extremities
    insulin resistance; insulin resistant; insulin level; insulin levels; insulin antibodies
    iron deficiency; iron deficient; iron studies; iron level; iron levels; iron overload; iron saturation; serum iron
    vitamin deficiency; vitamin d deficiency; vitamin b12 deficiency; b12 deficiency; folate deficiency; folate level
    vitamin d level; vitamin b12 level; b12 level; lithium level; lithium toxicity; digoxin level; digoxin toxicity
    calcium channel; calcium score; calcium level; serum calcium; coronary calcium; potassium level; serum potassium
    sodium level; serum sodium; magnesium level; serum magnesium; steroid withdrawal; opioid withdrawal
    opioid antagonist; alcohol withdrawal; alcohol swab; alcohol wipe; alcohol level; alcohol screen; drug screen
    electric shock; shock wave; shock waves; white coat; black stool; black stools; black eye
    smokes marijuana; smoked marijuana; smoking marijuana; smokes cannabis; smokes weed; smokes crack; marijuana smoker
    port wine; root beer; ginger beer; rubbing alcohol; isopropyl alcohol; alcohol-free; alcohol gel; alcohol pad
    smoke detector; smoke detectors; smoke alarm; second-hand smoke; secondhand smoke; passive smoke
    kidney donor; kidney donation; liver donor; dvt prophylaxis; pe prophylaxis; ulcer prophylaxis
    gastric bypass surgery; femoral bypass surgery; popliteal bypass surgery; leg bypass surgery; bowel bypass surgery
    intestinal bypass surgery; biliary bypass surgery; peripheral bypass surgery; vascular bypass surgery
    oxygen saturation; oxygen saturations; oxygen sat; oxygen level; oxygen levels; pulse oxygen; pulse oxygenation
    eating and drinking; eat and drink; eats and drinks; drink plenty; drinking plenty; drink fluids; drinking fluids
    drinks fluids; drink more fluids; drinking more fluids; drink water; drinks water; drinking water; drink more water
    drink coffee; drinks coffee; drinking coffee; drink tea; drinks tea; drinks milk; drink milk; drinking milk
    drinks soda; drinking soda; energy drinks; sports drinks; soft drinks; drinking fluid; food and drink
    gestational diabetes mellitus; borderline diabetes mellitus; depression scale; depressed nasal; depressed left nasal
    depressed right nasal; depressed bone; depressed fracture; depressed skull; depressed segment
    start of covid; start of covid-19; beginning of covid; beginning of covid-19; covid pandemic; covid-19 pandemic
    covid restrictions; covid-19 restrictions; during covid; during covid-19; since covid; since covid-19
    fall asleep; falls asleep; falling asleep; fell asleep; fallen asleep; last fall; in the fall; this fall; next fall
    dexamethasone suppression; cortisol stimulation
    clear with cough; clears with cough; clear with coughing; clears with coughing
    o2 saturation; o2 sat; o2 sats; oxygen tension; to be married
    cancer screening; cancer risk; osteoporosis screening; tuberculosis screening; tuberculin skin; hepatitis panel
    hepatitis screening; pregnancy test; seizure precautions; fall precautions; failure to thrive
"""
_LETTER = r"[^\W_]"
REACH = 30
"""Characters of a longer term on either side."""


def _listed() -> list[str]:
    terms = {term.strip() for term in re.split(r"[;\n]", _TERMS)} - {""}
    return sorted(terms, key=len, reverse=True)


def _pattern() -> re.Pattern[str]:
    forms = (r"[\s-]+".join(map(re.escape, re.split(r"[\s-]+", term))) for term in _listed())
    return re.compile(rf"(?<!{_LETTER})(?:{'|'.join(forms)})(?!{_LETTER})")


_LONGER = _pattern()
"""For text in small letters: found several times faster."""
_WORDS = frozenset(word for term in _listed() for word in re.split(r"[\s-]+", term))
_PREFIXED = re.compile(r"\b(?:pre|non|pseudo|para|anti|quasi|peri)[-‑–]\Z", re.IGNORECASE)
"""Written with a hyphen before a word these make another thing of it: "pre-diabetes", "non-smoker"."""
_FOLLOWED = re.compile(
    r"\s+(?:prevention|prophylaxis|screening|screen|assessment|education|awareness|risk|precautions|exposure|immunity|antibod(?:y|ies)"
    r"|test(?:ing|s|ed)?(?!\s+(?:was\s+|is\s+|came\s+back\s+)?positive))\b",
    re.IGNORECASE,
)
"""Behind a word these make another thing of it: "diabetes prevention", "stroke risk"."""
_SUFFIXED = re.compile(r"[-‑–](?:like|free|negative|naive|sparing|exposed)\b", re.IGNORECASE)


_OTHER_SENSES = {
    "cva": re.compile(r"\b(?:tender\w*|flank|angle|percussion)\b", re.IGNORECASE),
    "ra": re.compile(r"%\s*(?:on\s+)?\Z|\bsat\w*\b|\bspo2\b|\boxygen\b", re.IGNORECASE),
    "ms": re.compile(r"\bMS\s+contin\b|\bmental\b|\boriented\b", re.IGNORECASE),
}
"""What stands near an abbreviation that means something else there: "CVA located near her flank with tenderness"."""
SENSE_REACH = 60


def is_part_of_another(text: str, start: int, end: int, asked: str) -> bool:
    """Whether what stands at `[start, end)` is only a part of a longer term with another meaning. `asked`: the words
    asked for; a longer term that they have themselves is no other."""
    if _PREFIXED.search(text, max(0, start - 8), start) or _SUFFIXED.match(text, end):
        return re.search(r"\w[-‑–]\w", asked) is None
    sense = _OTHER_SENSES.get(text[start:end].lower())
    if sense and (
        sense.search(text, max(0, start - REACH), start) or sense.search(text, end, end + SENSE_REACH)
    ):
        return True
    if _FOLLOWED.match(text, end) and not _FOLLOWED.search(f" {asked}"):
        return True
    if _WORDS.isdisjoint(re.split(r"[\s-]+", text[start:end].lower())):
        return False
    first = max(text.rfind("\n", 0, start) + 1, start - REACH)
    begin = max(first - 1, 0)  # with the letter before it
    around = text[begin : end + REACH].lower()
    own_start, own_end = start - begin, end - begin
    return (
        any(
            term.start() <= own_start and own_end <= term.end() and term.end() - term.start() > end - start
            for term in _LONGER.finditer(around, first - begin)
        )
        and _LONGER.search(asked.lower()) is None
    )
