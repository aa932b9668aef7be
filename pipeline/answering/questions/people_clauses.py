"""What is asked of several patients, clause by clause: "on warfarin and aspirin", "asthma but no COPD", "over 60".

Decides where one condition ends and the next begins, that a clause without a verb has that of the one before, and
which ages are asked for. What cannot be parted for certain is not parted: "head and neck cancer" is one thing. Refuses
to know what a clause asks for (`asked_shape`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.answering.questions.asked.kinds import PATTERNS
from pipeline.answering.questions.plan import Ages, ThingKind
from pipeline.text.terms.noun_phrase import may_share

_HAVE = "have "
_CONNECTED = re.compile(
    r"\s*,?\s*\b(?P<word>and|but|or|as well as|along with|in addition to|plus)\b(?:\s+(?:also|either|both|even))*\s*"
    r"|\s*(?P<sign>,|;|&|\+(?=\s))\s*"
    r"|\s+(?=(?:who|that|whose)\b)"
    r"|(?<=\w)\s+(?=(?:with|without|on|taking|not on|not taking|but|allergic to)\s)",
    re.IGNORECASE,
)
_GOVERNS = re.compile(
    r"\b(?:diagnosed|treated|started|put|present(?:s|ed|ing)?|liv(?:e|es|ing)|vaccinated|born|been|is|are|was|were|be|do|does"
    r"|consistent|associated|compliant|along|helped?|struggl\w+|who|that|not|still|currently|now|also|ever|already|patients"
    r"|referred|dependent|kept|maintained|operated|surgery|surgeries|operations?|procedures?|injections?|have|has|had)\Z",
    re.IGNORECASE,
)
"""What stands before "with" or "on" where these belong to it."""
_CIRCUMSTANCE = re.compile(
    r"(?:with|without|on)\s+(?:(?:the|any)\s+)?(?:exertion|movement|walking|inspiration|swallowing|urination|palpation|exam\w*"
    r"|imaging|ct|mri|x-?ray|standing|file|record|admission|contrast|complications?|left|right|metastas\w+|effort|activity"
    r"|their own)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"^(?:who|that)\s+", re.IGNORECASE)
_BOTH = re.compile(
    r"^(?:both|either|(?:(?:any|some)\s+)?other)\s+|(?<=\s)(?:both|either|(?:any|some)?\s*other)\s+",
    re.IGNORECASE,
)
_DENIED = re.compile(r"^(?:no|not|without|never)\s+(?!on\b|taking\b|allergic\b|longer\b)", re.IGNORECASE)
_VERB = re.compile(
    r"^(?:(?:is|are|was|were|do|does|did|has|have|had|been|not|currently|also|still|now|ever|never|don['’]t|doesn['’]t"
    r"|didn['’]t|aren['’]t|isn['’]t|haven['’]t|hasn['’]t)\s+)*"
    r"(?:on|taking|takes?|took|using|uses?|prescribed|started on|put on|treated (?:with|for)|given|receiv\w+"
    r"|allergic to|with|without|having|have|has|had|den(?:y|ies|ied)|report\w*|complain\w* of|diagnosed with"
    r"|suffer\w* from|underwent|is|are|was|were|getting|gets?|got|need\w*)\s+",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"^(?:(?:do|does|did|has|have|had|is|are|was|were)\s+)?(?:(?:not|never)\s+)?(?:smok\w*|drink\w*|drank|liv(?:e|es|ing)|work\w*|whose|under|over|quit|retired|married|widowed|divorced|single|pregnant)\b",
    re.IGNORECASE,
)
"""A clause that is whole without a verb before it."""
_SHARED = re.compile(
    rf"^(?P<before>(?:{_VERB.pattern.removeprefix('^')})?(?:(?:an?|the|any|either)\s+)?)"
    r"(?P<ones>[\w-]+(?:\s+[\w-]+)?(?:\s*,\s*[\w-]+)*),?\s+or\s+"
    r"(?P<last>(?:(?:upper|lower|left|right)\s+)?[\w-]+)\s+(?P<head>[\w-]+(?:\s+[\w-]+){0,2})$",
    re.IGNORECASE,
)
"""Several that share what stands behind the last: "kidney or ureteric stones"."""
_SIDE = re.compile(r"upper|lower|left|right", re.IGNORECASE)
_ADJECTIVE = re.compile(r"[\w-]+(?:ic|ive|al|ar|ary|ous|oid|ian)", re.IGNORECASE)
_YEARS = (
    r"(?:\s*(?:years?|yrs?|yo|y/?o)(?:[ -](?:old|of age|and (?:older|over|up|above)))?"
    r"|\s+or (?:older|over|above|more))?"
)
_AGE = re.compile(
    r"(?:^|\b(?:and|but|who|that|,|of|with|also)?\s*)(?:\b(?:who|that)\s+)?"
    r"(?:\b(?:is|are|was|were)\s+)?(?:\b(?:aged?|ages)\s+)?"
    r"(?:(?P<over>\b(?:over|above|older than|more than|at least|past)\b(?:\s+the\s+age\s+of|\s+age)?|>=?|≥)"
    r"|(?P<under>\b(?:under|below|younger than|less than|at most)\b(?:\s+the\s+age\s+of|\s+age)?|<=?|≤)"
    r"|(?:between|from))?\s*\b(?P<one>\d{1,3})"
    r"(?:\s*(?:\band\b|\bto\b|[-–])\s*(?P<two>\d{1,3}))?(?P<decade>['’]?s\b)?(?P<plus>\+)?"
    + _YEARS
    + r"(?![\w%/.])",
    re.IGNORECASE,
)
_MEASURE = re.compile(
    r"\b(?:(?i:fever|temp\w*|score|fraction|level|count|index|grade|rate|dose|weight|weighs?|saturations?|sats)"
    r"|(?!COPD|CKD|CHF|CAD|DM|MI|AF|HTN|GERD|OSA|HIV|MS|RA|PE|DVT|AFIB)[A-Z][A-Z0-9]{1,5}(?:-\d+)?)(?:\s+(?:is|was|of))?\s*\Z"
)
"""What stands before a figure that is no age: "an EF below 40", "a fever above 38"."""
_IN_THEIR = re.compile(r"\bin (?:their|§['’]s)\s+(?P<one>[2-9]0)['’]?s\b", re.IGNORECASE)
_OLDEST = 110
_EQUALS = ("at least", "at most", ">=", "<=", "≥", "≤")


@dataclass(frozen=True, slots=True)
class Clauses:
    """What is asked, one condition a clause, each with its verb."""

    clauses: tuple[str, ...]
    any_of: bool = False
    """Whether one of them is enough."""
    ages: Ages | None = None


def clauses_of(asked: str) -> Clauses:
    """`asked`: as `PeopleQuestion.asked` has it. One clause where it cannot be parted."""
    asked, ages = _without_ages(asked)
    if shared := _each_with_head(asked):
        return Clauses(shared, True, ages)
    parted = _parted(asked)
    words = {word for word, _ in parted if word}
    either = "or" in words
    if either and (
        words - {"or", ","} or any(_DENIED.match(clause) or "without" in clause for _, clause in parted)
    ):
        return Clauses((asked,), ages=ages)
    return Clauses(tuple(_with_verbs([clause for _, clause in parted])), either, ages)


def _each_with_head(asked: str) -> tuple[str, ...]:
    """ "have hip pain", "have knee pain" of "have hip or knee pain"; empty where nothing is shared."""
    found = _SHARED.match(asked)
    if found is None:
        return ()
    ones = re.split(r"\s*,\s*", found["ones"])
    side, _, rest = found["last"].partition(" ")
    last, head = (
        (side, f"{rest} {found['head']}")
        if rest and _SIDE.fullmatch(ones[-1])
        else (found["last"], found["head"])
    )
    if not all(may_share(one) or _ADJECTIVE.fullmatch(one) for one in ones):
        return ()
    return tuple(f"{found['before']}{one} {head}" for one in (*ones, last))


def _without_ages(asked: str) -> tuple[str, Ages | None]:
    """The words without the ages that they ask for."""
    if (decade := _IN_THEIR.search(asked)) is not None:
        first = int(decade["one"])
        return _joined(asked, decade), Ages(first, first + 9)
    for found in _AGE.finditer(asked):
        compared = (
            found["over"] or found["under"] or found["two"] or found["plus"] or "older" in found.group()
        )
        before = asked[: found.start()]
        measured = any(
            PATTERNS[kind].search(before) for kind in (ThingKind.VITAL, ThingKind.LABORATORY)
        ) or _MEASURE.search(before)
        if compared and not measured and 0 < int(found["one"]) <= _OLDEST:
            return _joined(asked, found), _ages(found)
    return asked, None


def _joined(asked: str, gone: re.Match[str]) -> str:
    before, after = asked[: gone.start()].rstrip(" ,"), asked[gone.end() :].lstrip(" ,")
    if not before.strip() or not after.strip():
        after = re.sub(r"^(?:and|but)\s+", "", after, flags=re.IGNORECASE)
    return re.sub(
        r"\s+(?:and|but|who|that|with|are|is)$", "", f"{before} {after}".strip(), flags=re.IGNORECASE
    )


def _ages(found: re.Match[str]) -> Ages:
    one = int(found["one"])
    said = " ".join((found["over"] or found["under"] or "").lower().split())
    equal = said.startswith(_EQUALS)
    if found["two"]:
        return Ages(one, int(found["two"]))
    if found["under"]:
        return Ages(None, one if equal else one - 1)
    return Ages(one if equal or not said else one + 1, None)


def _parted(asked: str) -> list[tuple[str, str]]:
    """Each clause with what connects it to the one before."""
    found: list[tuple[str, str]] = []
    start, connector = 0, ""
    for match in _CONNECTED.finditer(asked):
        before = asked[start : match.start()]
        word = (match["word"] or match["sign"] or "").lower()
        if not before.strip() or not _parts(before, asked, match):
            continue
        found.append((connector, before.strip()))
        start, connector = match.end(), word or "with"
    last = asked[start:].strip()
    return [*found, (connector, last)] if last else found


def _parts(before: str, asked: str, match: re.Match[str]) -> bool:
    """Whether the connector stands between two conditions."""
    if match["word"] or match["sign"]:
        thing = _VERB.sub("", _PRONOUN.sub("", before.strip()))
        return not may_share(re.sub(r"^(?:an?|the|any|both|either)\s+", "", thing, flags=re.IGNORECASE))
    rest = asked[match.end() :]
    if re.match(r"who|that|whose", rest, re.IGNORECASE):
        return True
    return _GOVERNS.search(before) is None and _CIRCUMSTANCE.match(rest) is None


def _with_verbs(clauses: list[str]) -> list[str]:
    said: list[str] = []
    verb = _HAVE
    for clause in clauses:
        bare = _BOTH.sub("", _PRONOUN.sub("", clause).strip())
        own = _VERB.match(bare)
        if own is not None:
            verb = own.group()
        elif said and not _OWN.match(bare):
            denied = _DENIED.match(bare)
            bare = f"{_negated(verb)}{bare[denied.end() :]}" if denied else f"{verb}{bare}"
        said.append(bare)
    return [clause for clause in said if clause]


def _negated(verb: str) -> str:
    """ "are not on " of "are on " and of "on "; "without " of "have "."""
    word = verb.strip().lower()
    if word in ("have", "has", "had", "with", "having", "without"):
        return "without "
    return f"not {verb}" if word.startswith(("on", "taking", "allergic")) else f"do not {verb}"
