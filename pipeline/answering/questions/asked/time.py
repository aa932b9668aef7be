"""When a question asks about: dates, "last", "first", "since", and what only a calendar of today would tell.

Decides what of a question is its time, and hands the question on without it. A date is read as `text.dates` reads it,
so that 03/04/2021, which may be two days, is none here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from pipeline.answering.questions.plan import AskedTime, Order, VisitPair
from pipeline.text.dates import AMBIGUOUS, iso_date

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = (
    rf"(?:\d{{4}}-\d{{2}}(?:-\d{{2}})?|\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{4}}|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH} \d{{4}}|{_MONTH},? \d{{4}}|(?:0?[1-9]|1[0-2])/(?:19|20)\d\d"
    r"|(?:19|20)\d\d)"
)
_DATED = re.compile(
    rf"\b(?:(?P<between>between)\s+(?P<one>{_DATE})\s+and\s+(?P<two>{_DATE})"
    rf"|(?:from)\s+(?P<from>{_DATE})\s+(?:to|until|till)\s+(?P<to>{_DATE})"
    rf"|(?P<since>since|after|later than|from)\s+(?P<begin>{_DATE})(?P<onward>\s+(?:on(?:wards?)?|forwards?)\b)?"
    rf"|(?P<before>before|prior to|earlier than|until|till|up to|by|as of)\s+(?P<end>{_DATE})"
    rf"|(?:(?:on|in|of|during|at the visit (?:on|of))\s+)?(?P<on>{_DATE}))(?![\w/])",
    re.IGNORECASE,
)
_WRITTEN_FROM = re.compile(
    r"(?<![\w-])(?:films?|images?|pictures?|photos?|scans?|cts?|mris?|x[- ]?rays?|cxrs?|radiographs?|ultrasounds?"
    r"|mammograms?|reports?|notes?|letters?|summar(?:y|ies))(?:\s+(?!from\b|and\b|chang|trend|develop|differ)[\w§'’-]+){0,5}\s+\Z",
    re.IGNORECASE,
)
"""Before "from 2022", which is then when it was made and not when a time begins."""
_VISIT = r"(?:visits?|notes?|encounters?|appointments?|consultations?|check-?ups?|records?)"
_LAST = r"(?:last|latest|most recent|newest|current|present|today['’]s)"
_EARLIER = r"(?:previous|prior|preceding|earlier|penultimate|second[- ]to[- ]last)"
_FIRST_ONE = r"(?:first|earliest|initial)"
_WHOSE = r"(?:(?:at|on|in)\s+)?(?:(?:the|§'s|his|her|their|my|that|this)\s+)?"
_AND = rf"(?:\s+{_VISIT})?\s+(?:to|and|with|until|till|vs\.?|versus|through|against)\s+{_WHOSE}"
_AT = rf"\b(?:(?:between|across|from|of|at|on|over|in|during)\s+)?{_WHOSE}"
_HELD_AGAINST = r"\b(?:since|(?:compared|relative) (?:with|to|against)|from|versus|vs\.?|than|to|with)\s+"
_LAST_TWO = re.compile(
    rf"{_HELD_AGAINST}{_WHOSE}(?:last|most recent|{_EARLIER})\s+(?:{_VISIT}|time)\b"
    rf"|{_AT}(?:(?:{_LAST}|past|previous)\s+)?(?:two|2|both)\s+(?:(?:{_LAST}|past|previous)\s+)?{_VISIT}\b"
    rf"|\bbetween\s+{_WHOSE}(?:{_LAST}\s+)?(?:visits|notes|encounters|appointments)\b"
    r"|\bfrom (?:one )?visit to (?:the next|(?:next )?visit)\b|\bthe (?:visit|time|note) before\b"
    rf"|{_AT}{_LAST}{_AND}(?:{_EARLIER}(?:\s+(?:one|{_VISIT}))?|(?:one|{_VISIT})\s+before(?:\s+(?:that|it))?)",
    re.IGNORECASE,
)
"""The newest visit beside the one before it."""
_ENDS = re.compile(
    rf"{_AT}{_FIRST_ONE}{_AND}{_LAST}(?:\s+{_VISIT})?\b|{_AT}{_LAST}{_AND}{_FIRST_ONE}(?:\s+{_VISIT})?\b"
    rf"|{_HELD_AGAINST}{_WHOSE}{_FIRST_ONE}\s+{_VISIT}\b",
    re.IGNORECASE,
)
"""The newest visit beside the oldest."""
_STAY = re.compile(
    r"\b(?:(?:during|on|at|of|from|in)\s+)?(?:the |§'s )?(?:last|latest|most recent)\s+"
    r"(?:admission|hospital stay|hospitali[sz]ation|stay)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"\b(?:(?:in|over|during|for|within) the )?(?:last|past|previous|next|coming)\s+(?:\w+\s+)?"
    r"(?:day|week|month|year|decade)s?\b|\b(?:yesterday|today|tonight|tomorrow|this (?:week|month|year))\b"
    r"|\b\w+ (?:days?|weeks?|months?|years?) ago\b"
    r"|\b(?!since when\b)(?:before|after|since|until|while|prior to|following)\s+(?:the\s+|§(?:'s)?\s+|an?\s+)?"
    r"(?!visit\b)[a-z][\w-]*(?:\s+[\w-]+)?",
    re.IGNORECASE,
)
_LATEST = re.compile(
    r"\b(?:(?:at|on|during|of|from) )?(?:(?:the|§'s|§s?) )?(?:last|latest|most recent|newest)"
    r"(?: visit| note| encounter)?\b"
    r"|\b(?:most recently|currently|current|now|at present|at the moment|so far)\b",
    re.IGNORECASE,
)
_FIRST = re.compile(
    r"\b(?:(?:at|on|during|of|from) )?(?:(?:the|§'s|§s?) )?(?:first|earliest|initial)(?: visit| note| encounter)?\b"
    r"|\binitially\b",
    re.IGNORECASE,
)
_FIRST_WHAT = re.compile(r"\bfirst (?:name|aid|degree|trimester|line)\b", re.IGNORECASE)


_CUES = {
    _ENDS: ("first", "earliest", "initial"),
    _LAST_TWO: (
        *(
            "last",
            "recent",
            "previous",
            "prior",
            "preceding",
            "earlier",
            "penultimate",
            "second",
            "two",
            "2",
            "both",
        ),
        *("between", "from", "before", "latest", "newest", "current", "present", "today", "past"),
    ),
    _STAY: ("admission", "stay", "hospitali"),
    _RELATIVE: (
        *(
            "last",
            "past",
            "previous",
            "next",
            "coming",
            "yesterday",
            "today",
            "tonight",
            "tomorrow",
            "this",
            "ago",
        ),
        *("before", "after", "since", "until", "while", "prior", "following"),
    ),
    _LATEST: ("last", "latest", "recent", "newest", "current", "now", "present", "moment", "so far"),
    _FIRST: ("first", "earliest", "initial"),
}
"""Words without any of which a pattern finds nothing."""


def asked_time(question: str) -> tuple[AskedTime, str]:
    """When, and the question without the words that say it. `question`: as `asked_patients.framed` gives it."""
    since = until = None
    days: list[str] = []
    spans: list[tuple[int, int]] = []
    open_ends: set[Literal["since", "until"]] = set()
    dated = any(map(str.isdigit, question))
    for match in _DATED.finditer(question) if dated else ():
        read = {name: _iso(match[name]) for name in ("one", "two", "from", "to", "begin", "end", "on")}
        if any(match[name] and read[name] is None for name in read):
            continue
        spans.append(match.span())
        open_ends |= _open_ends(match)
        made = read["begin"] if _is_made_on(match) else None
        days += [day for day in read.values() if day]
        since = read["one"] or read["from"] or read["begin"] or read["on"] or since
        until = read["two"] or read["to"] or read["end"] or read["on"] or made or until
    left = _without(question, spans)
    if len(days) > 1 and not (since and until and len(spans) == 1):
        since, until = min(days), max(days)  # two days to compare
    ends, left = _cut(_ENDS, left)
    two, left = _cut(_LAST_TWO, left)
    visits: VisitPair | None = "first-and-last-visit" if ends else "last-two-visits" if two else None
    stay, left = _cut(_STAY, left)
    relative, left = _cut(_RELATIVE, left)
    order: Order | None = None
    latest, left = _cut(_LATEST, left)
    first = False
    if not _FIRST_WHAT.search(left):
        first, left = _cut(_FIRST, left)
    if latest != first:
        order = "latest" if latest else "first"
    time = AskedTime(order, since, until, tuple(days), stay, relative, visits)
    return replace(time, open_ends=frozenset(open_ends), either=_either(question) if dated else ()), left


def _is_made_on(match: re.Match[str]) -> bool:
    """Whether "from" says of which day a film or note is: "the film from 2022", and not "from 2022 on"."""
    if (match["since"] or "").lower() != "from" or match["onward"]:
        return False
    return _WRITTEN_FROM.search(match.string[: match.start()]) is not None


def _open_ends(match: re.Match[str]) -> set[Literal["since", "until"]]:
    found: set[Literal["since", "until"]] = set()
    if (match["since"] or "").lower() in ("after", "later than"):
        found.add("since")
    if (match["before"] or "").lower() in ("before", "prior to", "earlier than"):
        found.add("until")
    return found


def _either(question: str) -> tuple[str, ...]:
    """Both days that the first date may be which could be two; none where every date is one."""
    for match in _DATED.finditer(question):
        written = match["on"]
        if written and iso_date(written) is AMBIGUOUS:
            read = (iso_date(written, "month"), iso_date(written, "day"))
            return tuple(each for each in read if isinstance(each, str))
    return ()


def _iso(written: str | None) -> str | None:
    if not written:
        return None
    read = iso_date(written.replace(".", "") if written[:1].isalpha() else written)
    return read if isinstance(read, str) else None


def _cut(pattern: re.Pattern[str], text: str) -> tuple[bool, str]:
    """Whether the words stand there, and the text, in which each gap is one blank, without them."""
    small = text.lower()
    if not any(cue in small for cue in _CUES[pattern]):
        return False, text
    spans = [match.span() for match in pattern.finditer(text)]
    return bool(spans), _without(text, spans)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in spans:
        kept = "§'s " if "§'s" in text[start:end] else "§ " if "§" in text[start:end] else ""
        parts += [text[at:start], kept]
        at = end
    return " ".join("".join([*parts, text[at:]]).split())
