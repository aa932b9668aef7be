"""True and false rewordings of what real notes say: how many false ones verification lets out, how many true ones not.

    python -m benchmarks.paraphrases                   five seeds of 300 and 300, counted by kind
    python -m benchmarks.paraphrases --seed 7 --show   what was judged wrongly, with the sentence it was made from

A statement is made from one sentence of a note (or two), by rules of its own that share nothing with `pipeline.text`:
true ones keep every fact and change its clothes, false ones change one fact and nothing else. The passages are those
that the chunker cuts, and each is cited among four others. Notes: `../shared/data/notes` where that is, otherwise those
that ship with the project. What the rules cannot make, such as a free summary, is not measured here.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.answering.verification import check_statement
from pipeline.indexing.chunking import chunk_document
from pipeline.records import Document, Hit
from pipeline.text.sentences import is_heading, sentence_spans

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data" / "notes"
DEMO = ROOT / "pipeline" / "demo" / "notes"
CASES = 300
SEEDS = (1, 2, 3, 4, 5)
CAUGHT_MIN, WITHHELD_MAX = 0.98, 0.02
TOKENS_MAX = 200
PASSAGES = 5


@dataclass(frozen=True)
class Said:
    """A sentence of a note, on one line, and the passage that holds it."""

    text: str
    passage: int
    note: str


@dataclass(frozen=True)
class Case:
    kind: str
    statement: str
    """Without markers where `cited` names what it is cited to."""
    source: Said
    cited: tuple[int, ...]
    """Passages, as places in `Corpus.hits`."""


class Corpus:
    """Notes, their passages, and the sentences that a statement can be made from."""

    def __init__(self, notes: Sequence[Document]) -> None:
        self.notes = {note.resource_id: note for note in notes}
        self.hits: list[Hit] = []
        self.said: list[Said] = []
        self.by_note: dict[str, list[Said]] = defaultdict(list)
        for note in notes:
            for chunk in chunk_document(note, count_tokens=_count, tokens_max=TOKENS_MAX):
                self.hits.append(
                    Hit(chunk.chunk_id, note.resource_id, note.patient_id, note.document_type, note.date, None,
                        chunk.section, chunk.text, chunk.start, chunk.end, 0.5, offsets=chunk.offsets)
                )  # fmt: skip
                self._read(len(self.hits) - 1)
        self.drugs = sorted(
            {match["drug"] for said in self.said for match in _DOSE.finditer(said.text)} - _NO_DRUGS
        )
        self.surnames = sorted({match[2] for said in self.said for match in _NAMED.finditer(said.text)})

    def _read(self, place: int) -> None:
        hit = self.hits[place]
        for start, end in sentence_spans(hit.text):
            line = _LEAD.sub("", " ".join(hit.text[start:end].split()))
            words = line.split()
            if is_heading(line) or not 4 <= len(words) <= 28 or not _SENTENCE.fullmatch(line):
                continue
            said = Said(line, place, hit.resource_id)
            self.said.append(said)
            self.by_note[hit.resource_id].append(said)


_SENTENCE = re.compile(r"[A-Z][^\"“”\[\]{}_#|?:;]*[.]")
_LEAD = re.compile(r"^(?:[•*\-]\s*)?(?:\d{1,2}\.\s+)?(?:[A-Z][\w ,/]{2,45}:\s*)?")
_DOSE = re.compile(
    r"\b(?P<drug>[A-Z]?[a-z]{5,}) (?P<dose>\d[\d,.]*) ?(?P<unit>mg|mcg|mL|ml|units|g)\b"
    r"(?: (?P<often>once daily|twice daily|twice a day|once a day|daily|b\.i\.d|t\.i\.d|three times a day|every day))?"
)
_NO_DRUGS = set(
    "about after another every least receive received total under approximately Approximately being around "
    "daily dosage given".split()
)
_NAMED = re.compile(
    r"\b(?:(Mr|Mrs|Ms|Miss)\. |[A-Z][a-z]+ )([A-Z][a-z]{3,})(?= is an? \d| (?:presents|reports|denies|states))"
)
_DENIAL = re.compile(
    r"^(?:The patient|He|She|Patient)? ?(?:denies|Denies|denied|Denied) (?:any )?(?P<what>[a-z][a-z ,'-]{3,90})\.$"
)
_NUMBER = re.compile(r"(?<![\w.,/:-])\d{1,4}(?:\.\d+)?(?![\w:]|[.,/-]\d|-\w)")
_SIDE = re.compile(
    r"\b(left|right)\b(?= (?!the|his|her|away|now|after|in|on|at|to|open|untreated|without|for|and|with)[a-z]{3})",
    re.IGNORECASE,
)
_DATE = re.compile(r"\b(\d{1,2})/(\d{1,2})/((?:19|20)?\d\d)\b|\b((?:19|20)\d\d)\b")
_AGE = re.compile(r"\b(\d{1,2})[- ]year[- ]old\b")
_PRESSURE = re.compile(
    r"[Bb]lood [Pp]ressure:?,? (?:is |was |of |is elevated at |elevated at )?(\d{2,3})/(\d{2,3})"
)
_PERIOD = re.compile(r"(?<![.\d])\b(\d{1,2}|one|two|three|four|five|six) (day|week|month|year)s?\b")
_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()

_OFTEN = {
    "daily": ["once daily", "once a day", "every day", "QD", "per day"],
    "once daily": ["daily", "once a day", "every day", "qd"],
    "once a day": ["daily", "once daily"],
    "every day": ["daily"],
    "twice daily": ["BID", "twice a day", "two times a day", "every 12 hours"],
    "twice a day": ["BID", "twice daily", "2x daily"],
    "b.i.d": ["twice daily", "BID"],
    "t.i.d": ["three times daily", "TID"],
    "three times a day": ["TID", "three times daily"],
}
_SHORT = [
    ("blood pressure", "BP"), ("congestive heart failure", "CHF"), ("hypertension", "HTN"), ("shortness of breath",
    "SOB"),
    ("coronary artery disease", "CAD"), ("myocardial infarction", "MI"), ("heart rate", "HR"), ("by mouth", "PO"),
    ("urinary tract infection", "UTI"), ("electrocardiogram", "ECG"), ("echocardiogram", "echo"), ("follow-up",
    "follow up"),
    ("physical therapy", "PT"), ("chronic obstructive pulmonary disease", "COPD"), ("edema", "oedema"),
    ("shortness of breath", "dyspnea"), ("high blood pressure", "hypertension"), ("dyspnea", "SOB"),
    ("gastroesophageal reflux disease", "GERD"), ("emergency room", "ER"), ("x-ray", "radiograph"),
]  # fmt: skip
_TENSES = [
    ("reports", "reported"), ("denies", "denied"), ("states", "stated"), (" is ", " was "), (" has ", " had "),
    (" takes ", " took "),
    ("presents", "presented"), ("complains", "complained"), (" are ", " were "), ("notes", "noted"), ("endorses",
    "endorsed"),
    ("shows", "showed"), ("demonstrates", "demonstrated"), ("reveals", "revealed"), ("continues", "continued"),
]  # fmt: skip
_OPPOSITE = [
    ("increased", "decreased"), ("normal", "abnormal"), ("mild", "severe"), ("upper", "lower"), ("elevated", "low"),
    ("positive", "negative"), ("improved", "worsened"), ("stable", "unstable"), ("anterior", "posterior"), ("acute",
    "chronic"),
    ("medial", "lateral"), ("before", "after"), ("benign", "malignant"), ("proximal", "distal"), ("married",
    "divorced"),
]  # fmt: skip
_ORDERS = [
    ("start", "stop"), ("increase", "decrease"), ("continue", "discontinue"), ("initiate", "discontinue"), ("started",
    "stopped"),
    ("continued", "discontinued"), ("increased", "reduced"), ("prescribed", "discontinued"), ("begin", "stop"),
]  # fmt: skip
_STRANGERS = "Robert Whitfield,Dolores Quint,Igor Vasquez,Hannah Oyelaran".split(",")
_NEW_DRUGS = "morphine,warfarin,haloperidol,cisplatin,digoxin,methotrexate".split(",")

_DENIALS = [
    (" is ", " is not "), (" was ", " was not "), (" has ", " does not have "), (" had ", " did not have "),
    (" reports ", " denies "), (" takes ", " does not take "), (" shows ", " does not show "), (" are ", " are not "),
]  # fmt: skip

Maker = Callable[[random.Random, Said, Corpus], str | Case | None]


# --- true ones


def report_style(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    opening = chance.choice(
        [
            "The note says that",
            "According to the note,",
            "It is documented that",
            "The record states that",
            "Per the note,",
        ]
    )
    return f"{opening} {_small(said.text)}" if _opens_small(said.text) else None


def tense(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    pairs = [
        (a, b)
        for a, b in [*_TENSES, *((b, a) for a, b in _TENSES)]
        if re.search(rf"\b{a.strip()}\b", said.text)
    ]
    if not pairs:
        return None
    old, new = chance.choice(pairs)
    return re.sub(rf"\b{old.strip()}\b", new.strip(), said.text)


def abbreviation(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    pairs = [(a, b) for a, b in _SHORT if a in said.text.lower()]
    pairs += [(b, a) for a, b in _SHORT if b.isupper() and re.search(rf"\b{b}\b", said.text)]
    if not pairs:
        return None
    old, new = chance.choice(pairs)
    return _first_large(re.sub(rf"\b{re.escape(old)}\b", new, said.text, flags=re.IGNORECASE))


def number_format(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    made = said.text
    for old in sorted(_OFTEN, key=len, reverse=True):
        if re.search(rf" {re.escape(old)}\b", made):
            made = re.sub(rf" {re.escape(old)}\b\.?", " " + chance.choice(_OFTEN[old]), made, count=1)
            break
    made = re.sub(r"(?<![\d,.])(\d)(\d{3}) (mg|mL|units)", r"\1,\2 \3", made)
    made = re.sub(r"(?<=\d) ?%", chance.choice(["%", " %", " percent"]), made)
    made = re.sub(
        r"(?<!/)\b(\d{2,3})/(\d{2,3})\b(?!/)", r"\1 over \2" if chance.random() < 0.5 else r"\1/\2", made
    )
    made = re.sub(r"(?<=\d) (mg|mcg|mL)\b", chance.choice([r" \1", r"\1"]), made)
    made = _PERIOD.sub(lambda m: m.group().replace(m[1], _other_spelling(m[1]), 1), made)
    made = _AGE.sub(lambda m: f"{m[1]} year old", made)
    return _ended(made) if made != said.text else None


def patient_phrase(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    if match := re.match(r"(He|She|Patient) (?=[a-z])", said.text):
        return "The patient " + said.text[match.end() :]
    if match := re.match(r"(His|Her) (?=[a-z])", said.text):
        return "The patient's " + said.text[match.end() :]
    return None


def dose_reworded(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = _DOSE.search(said.text)
    if (
        match is None
        or match["drug"].lower() in _NO_DRUGS
        or not _takes(said.text)
        or len(_DOSE.findall(said.text)) > 1
    ):
        return None
    often = match["often"]
    how = f" {chance.choice([often, *_OFTEN.get(often, [])])}" if often else ""
    drug, dose = match["drug"], f"{match['dose'].rstrip('.,')} {match['unit']}"
    return _ended(
        chance.choice(
            [f"The dose of {drug} is {dose}{how}", f"{_first_large(drug)}, {dose}{how}",
             f"The patient is on {drug} {dose}{how}",
             f"{dose} of {drug}{how} is noted", f"{_first_large(drug)} at a dose of {dose}{how}"]
        )
    )  # fmt: skip


def denial_reworded(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    what = _denied(said.text)
    if what is None:
        return None
    return chance.choice(
        [f"The patient does not report {what}.", f"There is no {what}.", f"No {what} was reported.",
         f"The patient reports no {what}.",
         f"{_first_large(what)} is denied.", f"The patient is without {what}.",
         f"Negative for {what}.", f"The patient has no {what}."]
    )  # fmt: skip


def shorter_list(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    what = _denied(said.text)
    items = [item for item in re.split(r",? or |,? and |, ", what or "") if item]
    if (
        len(items) < 2
        or "loss of" in (what or "")
        or any(re.match(r"(?:other|new|since|any|onset|prior|family|known)\b", item) for item in items)
    ):
        return None
    kept = chance.sample(items, chance.randint(1, len(items) - 1))
    return f"The patient denies {' and '.join(kept)}."


def joined(chance: random.Random, said: Said, corpus: Corpus) -> Case | None:
    other = chance.choice(corpus.by_note[said.note])
    if other.text == said.text or not (_opens_small(other.text) and _full(other.text) and _full(said.text)):
        return None
    first, second = said.text.rstrip("."), _small(other.text).rstrip(".")
    if said.passage == other.passage:
        return Case(
            "", f"{first}, {chance.choice(['and', 'while', 'and also'])} {second} [1].", said, (said.passage,)
        )
    return Case("", f"{first} [1], and {second} [2].", said, (said.passage, other.passage))


def moved_phrase(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    if match := re.fullmatch(
        r"((?:In|On|At|After|During|For|With) [^,]{3,40}), ([a-z].*|The .*|He .*|She .*)\.", said.text
    ):
        return f"{_first_large(match[2])} {_small_word(match[1])}."
    if match := re.fullmatch(
        r"(.*)(?<! in)(?<! for)(?<! of)(?<! to)(?<! by)(?<! at) "
        r"((?:for the past|for the last|approximately|about) [\w ]{3,25}(?: ago)?)\.",
        said.text,
    ):
        return f"{_first_large(match[2])}, {_small(match[1])}." if _opens_small(match[1]) else None
    return None


def quoted(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    words = said.text.rstrip(".").split()
    if chance.random() < 0.5:
        return f'The note says: "{said.text}"'
    if _is_changed(said.text) or len(words) < 6:
        return None
    start = chance.randint(0, len(words) - 4)
    part = " ".join(words[start : start + chance.randint(2, 4)]).strip(",()")
    return f'The note mentions "{part}"' if re.search(r"[A-Za-z]{4}", part) else None


def age(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = re.match(
        r"(?P<who>(?:[A-Z][a-z]+ ){1,2}|The patient )is an? (?P<age>\d{1,2})[- ]year[- ]old", said.text
    )
    who = match["who"].strip() if match else ""
    return f"{who} {chance.choice(['is', 'was'])} {match['age']} years old." if match else None


def pressure(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = _PRESSURE.search(corpus.hits[said.passage].text)
    if match is None:
        return None
    form = chance.choice(
        [
            "Blood pressure was {}/{} mmHg.",
            "BP {}/{}.",
            "The BP was {} over {}.",
            "A blood pressure of {}/{} was measured.",
        ]
    )
    return form.format(match[1], match[2])


# --- false ones


def wrong_dose(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = _DOSE.search(said.text)
    if match is None:
        return None
    dose = match["dose"].rstrip(".,").replace(",", "")
    wrong = chance.choice(
        [f"{float(dose) * 10:g}", f"{float(dose) * 2:g}", f"{float(dose) / 2:g}", f"{float(dose) + 5:g}"]
    )
    return _replaced(said.text, match, "dose", wrong, corpus, said)


def wrong_unit(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = _DOSE.search(said.text)
    if match is None:
        return None
    return _replaced(
        said.text,
        match,
        "unit",
        chance.choice([u for u in ("mg", "mcg", "g", "mL", "units") if u != match["unit"]]),
        corpus,
        said,
    )


def wrong_frequency(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    found = [old for old in _OFTEN if re.search(rf" {re.escape(old)}\b", said.text)]
    if not found:
        return None
    old = max(found, key=len)
    new = chance.choice(
        ["TID", "three times a day", "weekly", "every 6 hours", "every other day", "once a month"]
    )
    return said.text.replace(f" {old}", f" {new}", 1) if "three" not in old and "t.i.d" not in old else None


def wrong_number(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    numbers = list(_NUMBER.finditer(said.text))
    if not numbers:
        return None
    match = chance.choice(numbers)
    wrong = str(int(float(match.group())) + chance.choice([1, 3, 10, 20]))
    if re.search(rf"(?<!\d){wrong}(?!\d)", said.text):
        return None
    return said.text[: match.start()] + wrong + said.text[match.end() :]


def wrong_period(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = _PERIOD.search(said.text)
    if match is None:
        return None
    unit = chance.choice([unit for unit in ("day", "week", "month", "year") if unit != match[2]])
    return said.text[: match.start(2)] + unit + said.text[match.end(2) :]


def wrong_age(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    return (
        _AGE.sub(lambda m: f"{int(m[1]) + chance.choice([3, 10, -4])}-year-old", said.text)
        if _AGE.search(said.text)
        else None
    )


def wrong_date(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = _DATE.search(said.text)
    if match is None:
        return None
    if match[4]:
        return said.text.replace(match[4], str(int(match[4]) + chance.choice([1, -1, 10])), 1)
    return said.text.replace(match.group(), f"{match[1]}/{int(match[2]) % 28 + 1}/{match[3]}", 1)


def wrong_side(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = _SIDE.search(said.text)
    if match is None or {word.lower() for word in _SIDE.findall(said.text)} == {"left", "right"}:
        return None
    return (
        said.text[: match.start()]
        + _like(match[1], {"left": "right", "right": "left"}[match[1].lower()])
        + said.text[match.end() :]
    )


def denial_dropped(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    what = _denied(said.text)
    if what:
        return chance.choice(
            [
                f"The patient reports {what}.",
                f"The patient has {what}.",
                f"Positive for {what}.",
                f"{_first_large(what)} was noted.",
            ]
        )
    if match := re.search(
        r"\b(?:does not|did not|is not|was not|has not|no evidence of|without)\b", said.text
    ):
        new = {
            "is not": "is",
            "was not": "was",
            "has not": "has",
            "without": "with",
            "no evidence of": "evidence of",
        }.get(match.group(), "does")
        return said.text[: match.start()] + new + said.text[match.end() :]
    return None


def denial_added(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    if _is_changed(said.text):
        return None
    for old, new in _DENIALS:
        if old in said.text:
            return said.text.replace(old, new, 1)
    return None


def wrong_drug(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = _DOSE.search(said.text)
    if match is None or match["drug"].lower() in _NO_DRUGS:
        return None
    drug = chance.choice([*corpus.drugs, *_NEW_DRUGS])
    return None if drug.lower() in said.text.lower() else said.text.replace(match["drug"], drug, 1)


def wrong_name(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    stranger = chance.choice(_STRANGERS)
    if match := _NAMED.search(said.text):
        return said.text[: match.start()] + stranger + said.text[match.end() :]
    match = re.match(r"(The patient|He|She) (?=[a-z])", said.text)
    return f"{stranger} {said.text[match.end() :]}" if match else None


def wrong_order(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    pairs = [
        (a, b)
        for a, b in [*_ORDERS, *((b, a) for a, b in _ORDERS)]
        if re.search(rf"\b{a}\b", said.text, re.IGNORECASE)
    ]
    if not pairs:
        return None
    old, new = chance.choice(pairs)
    return re.sub(
        rf"\b{old}\b", lambda match: _like(match.group(), new), said.text, count=1, flags=re.IGNORECASE
    )


def invented_order(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    order = chance.choice(
        [
            "Give {} 10 mg IV now",
            "Stop {}",
            "Start {} 5 mg twice daily",
            "Increase {}",
            "Discharge the patient on {}",
        ]
    )
    order = order.format(chance.choice(_NEW_DRUGS))
    return chance.choice(
        [
            f'{order}: "{said.text}"',
            f"{order}, because {_small(said.text)}",
            f"{said.text.rstrip('.')}; {_small_word(order)}.",
        ]
    )


def altered_quotation(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    words = said.text.split()
    place = chance.randrange(len(words))
    other = chance.choice(chance.choice(corpus.said).text.split())
    if other.lower() in said.text.lower():
        return None
    words[place] = other
    start = max(0, place - chance.randint(0, 3))
    part = " ".join(words[start : place + chance.randint(1, 3)])
    return None if part in corpus.hits[said.passage].text else f'The note says "{part}"'


def denied_quotation(chance: random.Random, said: Said, corpus: Corpus) -> str:
    return chance.choice(
        ['"{}" is false.', '"{}" is not true.', 'It is not the case that "{}"', 'The note never says "{}"',
         '"{}" no longer holds.',
         '"{}" was ruled out.', 'Contrary to "{}" nothing of that is so.', '"{}" is wrong.']
    ).format(said.text)  # fmt: skip


def cut_quotation(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    what = _denied(said.text)
    return (
        chance.choice([f'"{what}"', f'The patient has "{what}"', f'The note mentions "{what}"'])
        if what
        else None
    )


def another_passage(chance: random.Random, said: Said, corpus: Corpus) -> Case | None:
    other = chance.randrange(len(corpus.hits))
    words = {
        word
        for word in re.findall(r"[a-z]{5,}", said.text.lower())
        if word not in ("patient", "history", "reports", "denies")
    }
    there = set(re.findall(r"[a-z]{5,}", corpus.hits[other].text.lower()))
    return (
        Case("", f"{said.text} [1]", said, (other,))
        if len(words - there) > len(words) / 3 and len(words) > 2
        else None
    )


def attached(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    others = [
        other.text
        for other in corpus.by_note[said.note]
        if other.passage == said.passage and other.text != said.text
    ]
    found = [
        what
        for other in others
        if (what := _finding(other)) and not set(what.split()) & set(said.text.lower().split())
    ]
    found = [what for what in found if not any(word[:5] in said.text.lower() for word in what.split())]
    if not found or _is_changed(said.text):
        return None
    link = chance.choice(["because of", "due to", "for", "caused by", "as treatment of"])
    return f"{said.text.rstrip('.')} {link} {chance.choice(found)}."


def hidden(chance: random.Random, said: Said, corpus: Corpus) -> str:
    place = chance.randrange(1, len(said.text))
    sign = chance.choice("\u200b\u202e\u2066\u00ad\u2060\ufeff\U000e0041\u0336\u200f")
    return said.text[:place] + sign + said.text[place:]


def opposite(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    pairs = [
        (a, b) for a, b in [*_OPPOSITE, *((b, a) for a, b in _OPPOSITE)] if re.search(rf"\b{a}\b", said.text)
    ]
    pairs = [(a, b) for a, b in pairs if not re.search(rf"\b{b}\b", said.text)]
    if not pairs:
        return None
    old, new = chance.choice(pairs)
    return re.sub(rf"\b{old}\b", new, said.text, count=1)


def relatives_finding(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    match = re.match(
        r"(?:His|Her|The patient's) (?:mother|father|brother|sister|grandmother|grandfather|wife|husband) "
        r"((?:has|had) .*)",
        said.text,
    )
    return f"The patient {match[1]}" if match else None


def wrong_bound(chance: random.Random, said: Said, corpus: Corpus) -> str | None:
    for old, new in (
        ("less than", "more than"),
        ("more than", "less than"),
        ("at least", "at most"),
        ("up to", "more than"),
        ("greater than", "less than"),
    ):
        if re.search(rf"\b{old} \d", said.text):
            return said.text.replace(old, new, 1)
    return None


TRUE: dict[str, Maker] = {
    "report style": report_style, "tense": tense, "abbreviation": abbreviation, "number format": number_format,
    "patient phrase": patient_phrase, "dose reworded": dose_reworded, "denial reworded": denial_reworded,
    "shorter list": shorter_list,
    "joined": joined, "moved phrase": moved_phrase, "quoted": quoted, "age": age, "blood pressure": pressure,
}  # fmt: skip
FALSE: dict[str, Maker] = {
    "dose": wrong_dose, "unit": wrong_unit, "frequency": wrong_frequency, "number": wrong_number,
    "period": wrong_period, "age": wrong_age,
    "date": wrong_date, "side": wrong_side, "denial dropped": denial_dropped, "denial added": denial_added,
    "drug": wrong_drug,
    "name": wrong_name, "order": wrong_order, "invented order": invented_order, "quotation altered": altered_quotation,
    "quotation denied": denied_quotation, "quotation cut": cut_quotation, "another passage": another_passage,
    "attached": attached,
    "hidden characters": hidden, "opposite": opposite, "relative's finding": relatives_finding, "bound": wrong_bound,
}  # fmt: skip


def _count(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) * 4 // 3 for text in texts]


def _denied(text: str) -> str | None:
    """What a sentence denies and nothing else; None where it does more than that."""
    match = _DENIAL.match(text)
    what = match["what"] if match else ""
    return (
        what
        if what
        and not re.search(
            r"\b(?:but|except|that|he|she|which|has|is|was|her|his|taking|having|being)\b", what
        )
        else None
    )


def _finding(text: str) -> str | None:
    match = re.search(
        r"\b(?:history of|reports|complains of|presents with|diagnosis of) ([a-z]{4,} ?[a-z]{4,})\b", text
    )
    return (
        match[1]
        if match
        and not re.search(r"complaint|problem|symptom|medication|\b(?:that|this|some|over)\b", match[1])
        else None
    )


def _is_changed(text: str) -> bool:
    """Whether something in the sentence denies, doubts or is someone else's: a part of it may mean another thing."""
    return bool(re.search(
        r"\b(?:no|not|den\w+|without|never|negative|if|may|might|possib\w+|likely|mother|father|family|sister|brother"
        r"|stop\w*|avoid\w*|declin\w+|discontinu\w+|hold|held|resolv\w+|none|absen\w+|rul\w+|quit|free|un\w+|neither"
        r"|nor|could|suspect\w*|concern\w*|wife|husband|son|daughter)\b", text, re.IGNORECASE,
    ))  # fmt: skip


def _takes(text: str) -> bool:
    return not re.search(
        r"\b(?:stop|discontinu|hold|held|no|not|den|avoid|if|decreas|increas|from|will)\w*",
        text,
        re.IGNORECASE,
    )


def _full(text: str) -> bool:
    return bool(
        re.match(
            r"(?:The|She|He|His|Her|There|It|Patient)\b.*"
            r" (?:is|was|has|had|are|were|denies|reports|takes|states|will)\b",
            text,
        )
    )


def _opens_small(text: str) -> bool:
    return bool(re.match(r"(?:The|She|He|His|Her|There|It|This|No|In|On|We|A|An)\b", text))


def _small(text: str) -> str:
    return text[0].lower() + text[1:] if _opens_small(text) else text


def _small_word(text: str) -> str:
    return text[0].lower() + text[1:]


def _first_large(text: str) -> str:
    return text[0].upper() + text[1:]


def _ended(text: str) -> str:
    return text.rstrip(". ") + "."


def _like(old: str, new: str) -> str:
    return _first_large(new) if old[0].isupper() else new


def _other_spelling(number: str) -> str:
    return (
        _WORDS[int(number)]
        if number.isdigit() and 0 < int(number) <= 12
        else str(_WORDS.index(number))
        if number in _WORDS
        else number
    )


def _replaced(
    text: str, match: re.Match[str], group: str, new: str, corpus: Corpus, said: Said
) -> str | None:
    made = text[: match.start(group)] + new + text[match.end(group) :]
    again = _DOSE.search(made)
    return None if again is None or again.group() in corpus.hits[said.passage].text else made


def cases(corpus: Corpus, makers: dict[str, Maker], seed: int, count: int = CASES) -> list[Case]:
    """`count` statements, spread over the kinds as evenly as the notes allow."""
    chance = random.Random(seed)
    found: list[Case] = []
    seen: set[str] = set()
    order = {kind: chance.sample(corpus.said, len(corpus.said)) for kind in makers}
    while len(found) < count and any(order.values()):
        for kind, maker in makers.items():
            while order[kind] and len(found) < count:
                said = order[kind].pop()
                made = maker(chance, said, corpus)
                if isinstance(made, str):
                    made = Case(kind, f"{made} [1]", said, (said.passage,))
                if (
                    made is not None
                    and made.statement not in seen
                    and (made.cited != (said.passage,) or made.statement != f"{said.text} [1]")
                ):
                    seen.add(made.statement)
                    found.append(Case(kind, made.statement, made.source, made.cited))
                    break
    return found


def leaves(case: Case, corpus: Corpus) -> bool:
    """Whether the statement passes, its passages standing among others."""
    chance = random.Random(case.statement)
    others = chance.sample(range(len(corpus.hits)), PASSAGES)
    hits = [corpus.hits[place] for place in (*case.cited, *others)][:PASSAGES]
    return check_statement(case.statement, hits, corpus.notes.get) is not None


def notes() -> Iterator[Document]:
    """The notes to make statements from."""
    folder = SHARED if SHARED.is_dir() else DEMO
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            text = row.get("note") or row.get("text") or row.get("section_text") or row.get("text_content")
            key = row.get("id") or row["resource_id"]
            yield Document(
                key,
                row.get("patient_id") or key,
                row.get("type") or "note",
                text,
                date=(row.get("date") or "")[:10] or None,
            )


def main(arguments: Sequence[str] = ()) -> None:
    """Print the shares by seed and kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--show", action="store_true", help="print what was judged wrongly")
    options = parser.parse_args(arguments)
    corpus = Corpus(list(notes()))
    sys.stdout.write(
        f"{len(corpus.notes):,} notes, {len(corpus.hits):,} passages, {len(corpus.said):,} sentences\n"
    )
    wrong: Counter[tuple[bool, str]] = Counter()
    made: Counter[tuple[bool, str]] = Counter()
    for seed in options.seed or SEEDS:
        shares = []
        for truth, makers in ((False, FALSE), (True, TRUE)):
            judged = cases(corpus, makers, seed)
            started = time.perf_counter()
            failed = [case for case in judged if leaves(case, corpus) != truth]
            seconds = time.perf_counter() - started
            made.update((truth, case.kind) for case in judged)
            wrong.update((truth, case.kind) for case in failed)
            shares.append((len(failed) / len(judged), len(judged), 1000 * seconds / len(judged)))
            if options.show:
                for case in failed:
                    sys.stdout.write(
                        f"  {'withheld' if truth else 'LEAVES  '} {case.kind}: {case.statement}\n"
                        f"      from: {case.source.text}\n"
                    )
        (out, false, _), (held, true, each) = shares
        sys.stdout.write(
            f"seed {seed}: false caught {1 - out:.3f} of {false} (>= {CAUGHT_MIN}), true withheld {held:.3f} of {true} "
            f"(<= {WITHHELD_MAX}), {each:.2f} ms a statement\n"
        )
    for (truth, kind), count in sorted(made.items()):
        failed_count = wrong[truth, kind]
        sys.stdout.write(
            f"  {'true ' if truth else 'false'} {kind:20} {count:5}  {'withheld' if truth else 'left'} {failed_count}\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
