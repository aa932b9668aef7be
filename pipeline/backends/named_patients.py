"""Whom a question names, and whose passages may answer it.

Notes of many patients lie side by side. Decides that a question about one of them is not answered from another's note,
by what the passages themselves say; knows no register of patients, and takes no first name for anybody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.records import Hit

_TITLES = frozenset(["mr", "mrs", "ms", "miss", "mx", "dr"])
_BEGINNINGS = frozenset(
    "a an any are as at can compare could describe did do does explain for from give had has have how i in is list "
    "may might name of on please shall should show summarise summarize tell the was were what when where which who "
    "whom whose why will with would".split()
)
"""Words that begin a question, capitalised though nobody's name."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_AROUND = "\"'“”‘(),.;:?!"


def whom_it_means(question: str, passages: Sequence[Hit]) -> tuple[str, frozenset[str]]:
    """The question without the name, and the patients whose passages may answer it: all, unless it names somebody.

    A name is one or more capitalised words after a title, or two or more in a row that the passages never write small
    ("Atrial fibrillation" is none); a word that they write small is no part of it. It means the patients whose passages
    have its last word, and of these the ones that have most of it; nobody where no passage has it. Where all passages
    are of one patient, that one was chosen. The name itself is not asked about: else the sentence that introduces
    somebody would answer everything about them.
    """
    question = question.replace("’", "'")
    words = {passage.patient_id: set[str]() for passage in passages}
    for passage in passages:
        words[passage.patient_id].update(word.replace("’", "'") for word in _WORD.findall(passage.text))
    written = frozenset().union(*words.values())
    everybody = frozenset(words)
    meant = everybody
    for name in names(question):
        whole = r"\s+".join(map(re.escape, name))
        titled = len(name) == 1
        proper = name if titled else [word for word in name if word.lower() not in written]
        if not proper or (not titled and _written_small(whole, passages)):
            continue
        called = {
            patient: sum(word in own for word in proper)
            for patient, own in words.items()
            if proper[-1] in own or f"{proper[-1]}'s" in own
        }
        meant &= {patient for patient, count in called.items() if count == max(called.values())}
        title = rf"(?:(?:{'|'.join(sorted(_TITLES))})\b\.?\s+)?"
        question = re.sub(rf"\b{title}{whole}\b(?:'s\b)?", "", question, flags=re.IGNORECASE)
    return question, meant if len(everybody) > 1 else everybody


def _written_small(words: str, passages: Sequence[Hit]) -> bool:
    """Whether the last of these words begins with a small letter where they stand together."""
    return any(
        found.group().split()[-1][0].islower()
        for passage in passages
        for found in re.finditer(rf"\b{words}\b", passage.text, re.IGNORECASE)
    )


def names(question: str) -> list[list[str]]:
    """Runs of capitalised words that may be somebody's name, without titles and without what begins a question."""
    words = question.split()
    if len(words) > 3 and not any(word[0].islower() for word in words):
        return []  # A Question Written Like A Heading
    found: list[list[str]] = []
    run: list[str] = []
    titled = False
    for word in [*words, ""]:
        bare = word.strip(_AROUND).removesuffix("'s")
        name_like = bare[:1].isupper() and not bare.isupper() and re.sub(r"['-]", "", bare).isalpha()
        if name_like and bare.lower() in _TITLES:
            titled = True
        elif name_like and (run or bare.lower() not in _BEGINNINGS):
            run.append(bare)
        if run and (not name_like or word.endswith((",", ";", ":", "'s"))):
            if titled or len(run) > 1:
                found.append(run)
            run, titled = [], False
        elif not name_like:
            titled = False
    return found
