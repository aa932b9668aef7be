"""A question about several patients, however it is typed, as its subject and what is asked of them.

"COPD pts?", "anybody on a statin", "show me all diabetics", "kidney stones: who has them?", "fam hx of stroke, who" all
ask what "Which patients have …" asks. Decides that by how the question is built and by words for people. Refuses to
know findings and drugs, and what the question's verb means (`asked_shape`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from pipeline.answering.questions.purpose import without_purpose
from pipeline.answering.questions.shorthand import spelled_out

Sex: TypeAlias = Literal["female", "male"]

_SHORTHAND = (
    (r"\b(?:s/p|status post)\b", "had"),
    (r"\b(?:fam(?:ily)?|fh)[\s-]*(?:hx|hist)\b(?:\s+of)?|\bfhx\b(?:\s+of)?", "family history of"),
    (r"\b(?:h/o|hx of|hist of|pmhx? of)\b|\bpast (?:medical )?history of\b", "history of"),
    (r"\bc/o\b", "complains of"),
    (r"\bwho['’]?s(?=\s+(?:had|got|been|ever)\b)", "who has"),
    (r"\bwhos(?=\s)", "who is"),
    (r"\b(do|does|did|is|are|was|were|has|have|had)n['’]?t\b", r"\1 not"),
    (r"\bnkd?a\b", "no known drug allergies"),
)
"""What says more in a question about patients than its words alone: "s/p hysterectomy" is had."""
_SAME_QUESTION = (
    (r"\b(?:have|has|had) or (?:(?:have|has|ever|previously)\s+)*(?:have|has|had)\b", "have had"),
    (
        r"^(?:(?:please|and)\s+)*who\s+(?:among|amongst|of|in)\s+(?:the|our|my|these|all)\s+(?:\w+\s+)?patients\b",
        "who",
    ),
    (
        r"\b(?:any|some) (?:kind|type|sort)s? of\s+(?=\w)|\s+of (?:any|either) (?:kind|type|sort)(?=[?.!\s]*$)",
        " ",
    ),
    (
        r"\s+(?:on|at) (?:the |physical |their )?(?:exam(?:ination)?|auscultation|palpation)(?=\s*[?.!]*\s*$)",
        "",
    ),
    (
        r"\b(?:has|have|had|with) (?:an?y? )?(?:relatives?|family members?) (?:with|who ha(?:s|ve|d)|having)\b",
        "have family history of",
    ),
)
"""Ways to ask that ask for no more than the plain one."""
_ANY_SHORTHAND = re.compile("|".join(short for short, _ in (*_SHORTHAND, *_SAME_QUESTION)))
"""Looked for first, in small letters: most questions have none of it."""
_PEOPLE = (
    r"(?:patients|(?<=which )patient|(?<=every )patient|(?<=any )patient|(?<=each )patient"
    r"|(?<=which )ones(?=\s+(?:are\s+(?:allergic|on|taking|diabetic)|take|smoke|drink|have|had|use|need)\b)"
    r"|people|persons?|folks|clients|everyone|everybody|anyone|anybody|someone|somebody|cases"
    r"|(?P<women>women|females|ladies)|(?P<men>men|males|gentlemen)|children|kids|adults)"
)
_ONE = re.compile(
    r"\b(?:she|he|her|hers|his|him)\b|\bin (?:the|their|§['’]s) famil(?:y|ies)\b", re.IGNORECASE
)
"""One person, or that one's relatives."""
_POLITE = re.compile(
    r"^(?:(?:please|pls|plz|kindly|hi|hello|hey|ok|okay|and|so|now|also)\b[,\s]*)+"
    r"|[\s,]+(?:please|pls|plz|thanks|thank you|thx|if any|if you can)\s*(?=[.!?]*\s*$)"
    r"|\s+(?:do|have) (?:we|you|i)(?: have| got)?\s*(?=[.!?]*\s*$)"
    r"|\s+(?:are|is) there(?: in (?:all|total))?\s*(?=[.!?]*\s*$)",
    re.IGNORECASE,
)
_WANTED = re.compile(
    r"^(?:(?:can|could|would|will) you\s+(?:please\s+)?)?"
    r"(?:i(?:['’]d|['’]m| would| am)?\s+(?:like|need|want|looking for|after)\s+(?:to\s+(?:see|know|have|get)\s+)?"
    r"|i(?:['’]d| would) like\s+|do we have\s+(?!to\b)|have we (?:got\s+)?|(?:are|is|was|were) there\s+"
    r"|(?:show|list|give|find|get|pull(?:\s+up)?|name|tell|identify|display|print|run|make|generate|search(?:\s+for)?"
    r"|look(?:ing)?\s+for|need|want|see)\s+(?:(?:me|us|out)\s+)?)"
    r"(?:(?:an?|the)?\s*(?:(?:full|complete|quick)\s+)?(?:list|names|ids|roster)\s+(?:of|with)\s+)?",
    re.IGNORECASE,
)
_EACH = r"(?:(?:all|any|every|each|both|which|what|the|our|my|of|other|these|those|single|known)\s+)"
_THERE = (
    r"(?:\s+(?:here|registered|on file|on record|(?:do|have)\s+(?:we|i|you)(?:\s+(?:have|got))?(?=\s)"
    r"|(?:we|you|i)\s+have(?=\s)"
    r"|(?:in|on|of|among)\s+(?:the|this|our|these|my)\s+(?:system|database|list|panel|notes|records?"
    r"|charts?|group|practice"
    r"|clinic|set|cohort|files?)))*"
)
_AUXILIARY_FIRST = r"(?:(?:is|are|was|were|do|does|did|has|have|had)\s+)?"
_SUBJECT = re.compile(
    rf"^(?P<aux>{_AUXILIARY_FIRST}){_EACH}*{_PEOPLE}\b{_THERE}(?:\s+(?P<asked>.+))?$",
    re.IGNORECASE | re.DOTALL,
)
_WHO = re.compile(rf"^(?:who(?:\s+(?:all|else|here))*)\b{_THERE}\s+(?P<asked>.+)$", re.IGNORECASE | re.DOTALL)
_HOW_MANY = re.compile(
    r"^(?:how many|how much|number of|count(?: of)?|total(?: number)? of)\s+(?:of\s+)?"
    r"(?:(?:the|our|these|them|you)\s+)*",
    re.IGNORECASE,
)
_OF_WHOM = re.compile(
    r"^(?P<what>[^,:;?]{2,60}?)\s*(?:[,:;?]+|\s[-–—])\s*"
    r"(?:(?P<list>list(?: (?:all|them|them all))?)|list patients|whom?|which (?:patients|people)|anyone|anybody"
    r"|any patients?)"
    r"(?:\s+(?:all|else))*"
    r"(?:\s+(?:has|have|had|is|are|takes?|does|do|on)(?:\s+(?:it|them|that|this|one|any|on it|on them))*)?$",
    re.IGNORECASE,
)
_OF_THOSE = re.compile(
    r"^(?:of|among|from|out of)\s+(?:(?:all|the|our)\s+)*(?:those|patients|people|everyone)\s+"
    r"(?P<first>(?:on|with|who|taking)\s[^,;?]{2,60}),\s*(?:who|which(?: (?:ones|patients|people))?)(?:\s+of them)?"
    r"\s+(?P<asked>.+)$",
    re.IGNORECASE,
)
"""Asks of some of the patients: "Of those on lisinopril, who has diabetes?"."""
_AMONG = re.compile(
    rf"^{_EACH}*(?P<what>[^,:;?]{{2,40}}?)\s+(?:among|amongst|in|of)\s+(?:the|these|our|those|my"
    rf"|all)\s+(?:\w+\s+)?patients?$",
    re.IGNORECASE,
)
_SORT = re.compile(rf"^{_EACH}*(?P<what>[^,:;?§]{{2,60}}?)\s+patients$", re.IGNORECASE)
"""People named by what they have: "kidney stone patients"."""
_BUT_NO = re.compile(
    r"^(?P<what>[^,:;?§]{2,40}?),?\s+but\s+(?:no|not|without)\s+[^,:;?§]{2,40}$", re.IGNORECASE
)
"""Asks for those who have one and not the other."""
_TAKES_BUT = re.compile(
    r"^(?:on|taking|allergic to|with)\s+[^,:;?§]{2,40}?,?\s+but\s+(?:no|not|without)\s+[^,:;?§]{2,40}$", re.I
)
_NOUN = re.compile(
    rf"^{_EACH}*(?P<how>(?:current(?:ly)?|active|former|ex|past|previous|heavy|known|never)[\s-]+)*"
    r"(?P<noun>non-?\s?(?:smokers|drinkers|diabetics)|ex-?\s?smokers|diabetics|asthmatics|hypertensives"
    r"|epileptics|smokers"
    r"|drinkers|alcoholics|veterans|widows|widowers|retirees|vegetarians)\b(?:\s+(?P<asked>.+))?$",
    re.IGNORECASE,
)
_ILLNESSES = {
    "diabetics": "diabetes",
    "asthmatics": "asthma",
    "hypertensives": "hypertension",
    "epileptics": "epilepsy",
}
_NO_SORT = re.compile(
    r"\b(?:is|are|was|were|do|does|did|has|have|had|who|whom|whose|what|which|how|why|when|where|takes?"
    r"|taking|on|with|for"
    r"|to|new|other|your|more|many|most|few|some|several|two|three|between|compare|in|from|by|than|about|the|these|"
    r"those|treat\w*|manag\w*|car(?:e|ing))\b",
    re.IGNORECASE,
)
"""What stands before "patients" and is no name of a thing they have."""
_NO_QUESTION = re.compile(
    r"^(?:the|a|an|§|she|he|they|it|this|that|her|his|him|you|i|we|going to|supposed)\b|^(?:is|was|are|were)\s+"
    r"(?:the|§|she|he|they|it|this|that|her|his|my|your|you|i)\b",
    re.IGNORECASE,
)
"""What follows "who" in a question about one person."""
_OTHER_PERSON = re.compile(
    r"^(?:prescribed|ordered|wrote|saw|signed|treated|performed|referred|admitted|did|operated|diagnosed|recommended"
    r"|called|brought|came|accompan\w+|cares?|can|could|should|will|would|to)\b"
    r"|^(?:is|was)\s+(?:responsible|involved|present)\b",
    re.IGNORECASE,
)
"""What a doctor or a relative did: "Who prescribed it?"."""
_VERBS = re.compile(
    r"^(?:(?:is|are|was|were|do|does|did|has|have|had|been|can|that|who|whose|with|without|w|on|taking"
    r"|takes?|took|use[sd]?|using|allergic"
    r"|currently|now|still|also|ever|never|not|no|don['’]?t|doesn['’]?t|didn['’]?t|hasn['’]?t|haven['’]?t"
    r"|aren['’]?t|isn['’]?t"
    r"|den(?:y|ies|ied|ying)|reports?|reported|complain\w*|smok\w*|drink\w*|drank|liv(?:e|es|ing)|work\w*"
    r"|need\w*|requir\w*"
    r"|underwent|undergo\w*|suffer\w*|diagnosed|prescribed|started|put|given|treated|receiv\w*|getting"
    r"|gets?|got|having|over|under"
    r"|above|below|older|younger|aged?|between|at least|post|from|quit|stopped|retired|married|widowed|divorced|single"
    r"|pregnant|vaccinated|referred|scheduled|sent|born|known|endors\w*|experienc\w*|show\w*|develop\w*|exhibit\w*"
    r"|in their|being|seen|seeing|sees?|followed|waiting|awaiting|booked|due|admitted|hospitali[sz]ed)\b|[<>≥≤])",
    re.IGNORECASE,
)


_WHOSE_VALUE = re.compile(
    rf"^(?:(?:list|show|find|which|any|all|the|me|of|our)\s+)*(?:{_PEOPLE}\s+)?whose\s+(?P<what>[^,:;?§]{{2,40}}?)\s+(?:is|are|was"
    r"|were)\s+(?:too\s+)?(?P<how>elevated|high|low|abnormal|raised|reduced|decreased|increased|normal)$",
    re.IGNORECASE,
)
_HOW_MUCH = (
    r"(?:[<>≥≤]=?|above|over|below|under|at least|at most|exactly"
    r"|(?:greater|higher|more|lower|less|fewer) than(?: or equal to)?)"
)
_WHOSE_LIMIT = re.compile(
    rf"^(?:(?:list|show|find|which|any|all|the|me|of|our)\s+)*(?:{_PEOPLE}\s+)?whose\s+"
    r"(?:(?:last|latest|most recent|newest|current)\s+)?(?P<what>[^,:;?§]{2,40}?)\s+"
    r"(?:(?P<now>is|are)|was|were|came (?:back|out)|measured|read|has been|reads)(?:\s+(?:at|as))?\s+"
    rf"(?P<how>{_HOW_MUCH}\s*)?(?P<number>\d[\d.,/]*\s*[^\s?!]{{0,10}})$",
    re.IGNORECASE,
)
_WHOSE_RELATIVE = re.compile(
    rf"^(?:(?:list|show|find|which|any|all|the|me|of|our)\s+)*(?:{_PEOPLE}\s+)?whose\s+"
    r"(?P<relative>mother|father|mom|dad|sister|brother|parents?|siblings?|relatives?|family)\s+(?:(?:also|ever)\s+)?"
    r"(?:has|have|had|with|died (?:of|from)|suffer\w* from|was diagnosed with)\s+(?:an?\s+)?(?P<what>[^,:;?§]{2,60})$",
    re.IGNORECASE,
)
_SORTS = {
    "diabetic": "diabetes",
    "asthmatic": "asthma",
    "hypertensive": "hypertension",
    "epileptic": "epilepsy",
    "obese": "obesity",
}
_OF_A_SORT = re.compile(
    rf"^(?:(?:list|show|find|which|any|all|the|me|of|our)\s+)*(?P<sort>{'|'.join(_SORTS)})\s+(?:patients|people|adults)\s+"
    r"(?P<asked>(?:who|with|on|taking|without|that)\s.+)$",
    re.IGNORECASE,
)
_TWO_SORTS = re.compile(
    rf"\b(?:is|are)\s+(?:both\s+)?(?P<one>{'|'.join(_SORTS)})\s+and\s+(?P<other>{'|'.join(_SORTS)})$",
    re.IGNORECASE,
)
_IN_THE_FAMILY = re.compile(
    rf"^(?:(?:list|show|find|which|any|all|the|me|of|our)\s+)*(?:{_PEOPLE}|who)\s+(?:(?:has|have|had|with)\s+)?(?:(?:an?|any)\s+)?"
    r"(?:history\s+of\s+)?(?P<what>[^,:;?§]{2,40}?)\s+(?:(?:running|that runs)\s+)?in\s+(?:the|their)\s+family$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PeopleQuestion:
    """What is asked of several patients."""

    asked: str
    """What they must be or have, beginning with its verb: "have gout", "on metformin", "are over 60"."""
    counts: bool = False
    """Whether their number is asked for."""
    sex: Sex | None = None


@lru_cache(maxsize=64)
def people_question(question: str) -> PeopleQuestion | None:
    """The question where it asks of several patients and of none of them by name; None for any other."""
    question = without_purpose(question)
    if (family := _IN_THE_FAMILY.match(question.strip().rstrip("?.! "))) is not None:
        return PeopleQuestion(f"have family history of {family['what']}")
    if _ONE.search(question):
        return None
    text = in_full(question).strip().rstrip("?.! ")
    text = _POLITE.sub("", _POLITE.sub("", text)).strip().rstrip("?.! ")
    if (count := _HOW_MANY.match(text)) is not None:
        found = _people(text[count.end() :], bare=True)
        return None if found is None else PeopleQuestion(found.asked, counts=True, sex=found.sex)
    wanted = _WANTED.match(text)
    return _by_value_or_sort(text) or _people(text[wanted.end() :] if wanted else text)


def _by_value_or_sort(text: str) -> PeopleQuestion | None:
    """ "whose hemoglobin is low", "diabetic patients who smoke"."""
    if (value := _WHOSE_VALUE.match(text)) is not None:
        return PeopleQuestion(f"have {value['how']} {value['what']}")
    if (limit := _WHOSE_LIMIT.match(text)) is not None:
        verb = "have" if limit["now"] else "had"
        return PeopleQuestion(f"{verb} {limit['what']} {limit['how'] or 'exactly '}{limit['number']}")
    if (relative := _WHOSE_RELATIVE.match(text)) is not None:
        return PeopleQuestion(f"have {relative['relative'].lower()} history of {relative['what']}")
    if (two := _TWO_SORTS.search(text)) is not None:
        sorts = [_SORTS[each.lower()] for each in two.groups()]
        return PeopleQuestion(f"have {sorts[0]} and have {sorts[1]}")
    if (sort := _OF_A_SORT.match(text)) is not None:
        return PeopleQuestion(f"have {_SORTS[sort['sort'].lower()]} and {sort['asked']}")
    return None


def in_full(question: str) -> str:
    """The question with what charts abbreviate written out: "pts w/ h/o MI"."""
    if _ANY_SHORTHAND.search(question.casefold()) is not None:
        for short, full in (*_SHORTHAND, *_SAME_QUESTION):
            question = re.sub(short, full, question, flags=re.IGNORECASE)
    return spelled_out(question)


def _people(text: str, *, bare: bool = False) -> PeopleQuestion | None:
    """`bare`: whether a verb alone may follow, as behind "how many": "how many smoke"."""
    if (those := _OF_THOSE.match(text)) is not None:
        return PeopleQuestion(f"{those['first']} and {those['asked']}")
    of = _OF_WHOM.match(text)
    if of is not None and (not of["list"] or " and " in of["what"].lower()):
        return _having(_without_each(of["what"]))
    if (noun := _NOUN.match(text)) is not None:
        return _of_noun(noun)
    if (subject := _SUBJECT.match(text)) is not None:
        return _of_subject(subject)
    if (who := _WHO.match(text)) is not None:
        asked = who["asked"]
        other = _NO_QUESTION.match(asked) or _OTHER_PERSON.match(asked)
        return None if other or not _VERBS.match(asked) else PeopleQuestion(asked)
    if bare and _VERBS.match(text) and not _NO_QUESTION.match(text):
        return PeopleQuestion(text)
    return _without_people(text)


def _without_people(text: str) -> PeopleQuestion | None:
    """What asks of patients by what they are or have alone: "COPD patients", "asthma but no COPD"."""
    if (among := _AMONG.match(text)) is not None and not _NO_SORT.search(among["what"]):
        return PeopleQuestion(f"are {among['what']}")
    if (sort := _SORT.match(text)) is not None and not _NO_SORT.search(sort["what"]):
        return _having(sort["what"])
    if (pair := _BUT_NO.match(text)) is not None and not _NO_SORT.search(pair["what"]):
        return PeopleQuestion(f"have {text}")
    return PeopleQuestion(text) if _TAKES_BUT.match(text) else None


def _of_subject(subject: re.Match[str]) -> PeopleQuestion | None:
    asked = (subject["asked"] or "").strip()
    sex: Sex | None = "female" if subject["women"] else "male" if subject["men"] else None
    auxiliary = subject["aux"].strip().lower()
    if not asked or not (_VERBS.match(asked) or auxiliary) or _NO_QUESTION.match(asked):
        return None
    if auxiliary in ("is", "are", "was", "were") and not re.match(
        r"(?:who|that|with|on)\b", asked, re.IGNORECASE
    ):
        asked = f"{auxiliary} {asked}"
    return PeopleQuestion(asked, sex=sex)


def _of_noun(noun: re.Match[str]) -> PeopleQuestion:
    said = " ".join(noun["noun"].split())
    how = " ".join((noun["how"] or "").replace("-", " ").split())
    illness = _ILLNESSES.get(said.lower())
    what = f"have {illness}" if illness else f"are {f'{how} {said}'.strip()}"
    return PeopleQuestion(f"{what} {noun['asked'] or ''}".strip())


def _having(what: str) -> PeopleQuestion | None:
    return PeopleQuestion(f"have {what}") if re.search(r"[^\W\d_]{2}", what) else None


def _without_each(what: str) -> str:
    return re.sub(rf"^{_EACH}+", "", what, flags=re.IGNORECASE)
