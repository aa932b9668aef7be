"""Whether one stretch of a note carries what a statement claims.

Decides claim by claim: a word must stand in the source under the same denial, relative, doubt and order; a figure with
its unit, its bound, and next to the same thing; a side next to the same part. What claims nothing
(`vocabulary.NEUTRAL`) needs no source. Leaving something out of what the source says is allowed, adding to it is not.
Refuses to reason: what follows from the source without standing in it is not carried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from pipeline.text.statements.brackets import joins_brackets_of_another
from pipeline.text.statements.clauses import joins_clauses
from pipeline.text.statements.condition import leaves_out_condition
from pipeline.text.statements.contrast import joins_what_is_apart
from pipeline.text.statements.course import has_not_come_about
from pipeline.text.statements.degrees import takes_degree_of_another
from pipeline.text.statements.facts import Over, Reading, Token
from pipeline.text.statements.figures import Figure
from pipeline.text.statements.measures import goes_without_saying, is_a_measurement
from pipeline.text.statements.parallels import crosses_parallels
from pipeline.text.statements.reference_figures import takes_reference_figure
from pipeline.text.vocabulary import (
    AHEAD,
    DENIED_AS_SUCH,
    DONE,
    ENDED,
    EXCEPTING,
    HABITS,
    HAPPENED,
    MATTERS,
    NOW,
    OPPOSITES,
    OVER,
    PAST,
    PLACING,
    PLANS,
    REMEDIES,
    SHOWING_PLANS,
    TAKING,
    TOLERATED,
    UNIVERSAL,
    WHOSE,
)
from pipeline.text.wording import canonical


@dataclass(frozen=True, slots=True)
class SupportContext:
    """What may be said of a source without standing in it: the words of its section, type and patient, and its date."""

    words: Set[str] = frozenset()
    """Canonical."""
    dates: tuple[tuple[int | None, int | None, int | None], ...] = ()
    about_allergies: bool = False
    of_the_past: bool = False
    """Its heading says that it was: whether it still is, is not said."""


ContextOf: TypeAlias = Callable[[], SupportContext]
"""Made only where a claim is not carried by the source alone."""


def carries(source: Reading, claim: Reading, start: int, end: int, context: ContextOf) -> bool:
    """Whether `source` carries the tokens `[start, end)` of `claim`, and at least one of them is there at all."""
    evidence = False
    for index in range(start, end):
        token = claim.tokens[index]
        if token.kind in ("comma", "break", "hedge"):
            continue
        found = _carried(source, claim, index, context)
        if found is None:
            return False
        evidence = evidence or found
    return evidence and _goes_together(source, claim, start, end, context)


def says_nothing(claim: Reading, start: int, end: int) -> bool:
    """Whether the tokens `[start, end)` claim nothing by themselves."""
    return all(
        token.kind in ("comma", "break") or (token.kind == "neutral" and token.word not in OPPOSITES)
        for token in claim.tokens[start:end]
    )


def _carried(source: Reading, claim: Reading, index: int, context: ContextOf) -> bool | None:
    """True where the token stands in the source, False where it needs no source, None where it has none."""
    token = claim.tokens[index]
    if token.kind == "figure":
        return _figure_carried(source, claim, index, context)
    if token.kind == "side":
        return True if _side_carried(source, claim, index) else None
    if token.kind == "neutral":
        turned = _turned_around(source, token) or _is_said_not_to_be(source, claim, index, context)
        return None if turned else False
    if token.kind == "negation":
        return _denial_carried(source, claim, index)
    if token.kind == "order":
        return False if _order_carried(source, token) else None
    return _word_carried(source, claim, index, context)


def _turned_around(source: Reading, token: Token) -> bool:
    """Whether the source has "after" where the claim has "before"."""
    opposite = OPPOSITES.get(token.word)
    return opposite is not None and token.word not in source.places and opposite in source.places


def _is_said_not_to_be(source: Reading, claim: Reading, index: int, context: ContextOf) -> bool:
    """Whether the source says "no plans" where the claim says "plans", or "history of" where it says "currently"."""
    word = claim.tokens[index].word
    if word in NOW or (word == "having" and index and claim.tokens[index - 1].word in _IS):
        if not any(token.word in NOW for token in source.tokens) and context().of_the_past:
            return True
        after = next((token.key for token in claim.tokens[index:] if token.kind == "word"), "")
        places = source.places.get(after, ())
        return bool(places) and all(
            _was(source, place) or _is_listed_as_past(source, place) for place in places
        )
    if word in _HAD and "having" in source.places and not any(token.word in PAST for token in source.tokens):
        return True
    if word not in DENIED_AS_SUCH or claim.of("negation"):
        return False
    places = source.places.get(word, ())
    return bool(places) and all(place and source.tokens[place - 1].kind == "negation" for place in places)


def _was(source: Reading, place: int) -> bool:
    """Whether what stands there is said of the past in its part of the sentence, and not of now."""
    start = end = place
    while start and source.tokens[start - 1].kind not in ("comma", "break"):
        start -= 1
    while end < len(source.tokens) and source.tokens[end].kind not in ("comma", "break"):
        end += 1
    words = {token.word for token in source.tokens[start:end]}
    return bool(words & PAST) and not words & NOW


def _is_listed_as_past(source: Reading, place: int) -> bool:
    """Whether it follows "PMH:" or "Past medical history:" in its own sentence, which does not say that it is now."""
    for at in range(place - 1, -1, -1):
        token = source.tokens[at]
        if token.kind == "break" or token.word in NOW:
            return False
        if token.key == ":":
            return any(before.word in _PAST_LISTS for before in source.tokens[max(0, at - 3) : at])
    return False


def _is_habit_of_the_past(source: Reading, claim: Reading) -> bool:
    """ "Smoked more than 15 years ago" carries no "He smokes"."""
    ended = any(
        token.word in OVER
        and (
            token.word != "past"
            or place + 1 == len(source.tokens)
            or source.tokens[place + 1].kind != "figure"
        )
        for place, token in enumerate(source.tokens)
    )
    return ended and not any(
        token.word in PAST or token.word in _WAS or token.word.endswith("ed") or token.key == "stop"
        for token in claim.tokens
    )


def _of_the_same_relatives(source: Reading, place: int, claim: Reading, index: int) -> bool:
    """Whether what stands in both is said of the same relatives, or in one of them of none by name."""
    ours, theirs = _relatives_of(claim, index), _relatives_of(source, place)
    return not ours or not theirs or ours <= theirs


def _relatives_of(reading: Reading, index: int) -> frozenset[str]:
    """The relatives the word is said of: those named last before it, or those after it where they end what is
    said of them: "diabetes in her mother", "diabetes (mother, brother)"."""
    tokens = reading.tokens
    after = _next_relative(tokens, index)
    if after is not None and _ends_what_is_said(tokens, after):
        return _named_together(tokens, after, 1)
    for place in range(index - 1, -1, -1):
        if tokens[place].kind == "break":
            break
        if tokens[place].kind == "relative" and tokens[place].word not in _OF_NO_ONE:
            return _named_together(tokens, place, -1)
    return frozenset() if after is None else _named_together(tokens, after, 1)


def _next_relative(tokens: Sequence[Token], index: int) -> int | None:
    for place in range(index + 1, len(tokens)):
        if tokens[place].kind == "break":
            return None
        if tokens[place].kind == "relative" and tokens[place].word not in _OF_NO_ONE:
            return place
    return None


def _ends_what_is_said(tokens: Sequence[Token], place: int) -> bool:
    """Whether a relative is named after what is said of it."""
    before = next(
        (token for token in tokens[place - 1 :: -1] if token.kind != "figure" and token.word not in WHOSE),
        None,
    )
    if before is not None and before.word in ("in", "of", "by"):
        return True
    end = place
    while end + 1 < len(tokens) and (
        tokens[end + 1].kind == "relative" or tokens[end + 1].word in ("and", "or", *WHOSE)
    ):
        end += 1
    return end + 1 == len(tokens) or (
        tokens[end + 1].kind in ("comma", "break") and tokens[end + 1].key != ":"
    )


def _named_together(tokens: Sequence[Token], place: int, step: int) -> frozenset[str]:
    """The relative at `place` and those that a list puts next to it."""
    found = set()
    while 0 <= place < len(tokens):
        token = tokens[place]
        if token.kind == "relative":
            found.add(token.key)
        elif token.kind != "comma" and token.word not in ("and", "or", *WHOSE):
            break
        place += step
    return frozenset(found)


_OF_NO_ONE = frozenset(["family", "familial", "maternal", "paternal"])
_PAST_LISTS = PAST | {"pmh", "pmhx", "psh", "pshx"}
_HAD = frozenset(["history", "hx"])
_WAS = frozenset("was were had did used drank".split())


def _denial_carried(source: Reading, claim: Reading, index: int) -> bool | None:
    """A denial over nothing that has a name ("no complaints", "that is not so") must be the source's, of the same."""
    if not claim.over[index].denied:
        return False
    of_the_same = {token.word for token in claim.tokens} & MATTERS <= {token.word for token in source.tokens}
    alike = any(
        token.kind == "negation" and over.denied
        for token, over in zip(source.tokens, source.over, strict=True)
    )
    return True if alike and of_the_same else None


_WITHOUT_ORDER = frozenset(["", "start", "increase", "decrease", "continue", "give", "switch"])


def _order_carried(source: Reading, token: Token) -> bool:
    orders = {each.key for each in source.tokens if each.kind == "order"}
    if token.key in orders or (token.key == "avoid" and "stop" in orders):
        return True
    if any(over.order == token.key for over in source.over):  # by its heading: "Discontinued medications"
        return True
    if token.key == "continue":
        return not orders & {"stop", "hold", "start", "avoid"} and not any(
            over.denied for over in source.over
        )
    return token.key == "start" and "ago" in source.places


def _word_carried(source: Reading, claim: Reading, index: int, context: ContextOf) -> bool | None:
    token, over = claim.tokens[index], claim.over[index]
    places = source.places.get(token.key)
    if places is None and token.key == "drink" and "alcohol" in claim.places and "alcohol" in source.places:
        return False
    if places is None:
        plain = not over.denied and over.order in ("", "continue")
        return False if plain and token.key in context().words else None
    if token.key in HABITS and _is_habit_of_the_past(source, claim):
        return None
    if over.relatives and token.kind != "relative":
        places = [place for place in places if _of_the_same_relatives(source, place, claim, index)]
    over = _since_ago(source, over)
    if token.kind == "relative":
        return True if any(source.over[place].denied == over.denied for place in places) else None
    if any(_stands_alike(source.over[place], over) for place in places):
        return True
    return True if any(_is_moved(source, place, claim, index) for place in places) else None


def _is_moved(source: Reading, place: int, claim: Reading, index: int) -> bool:
    """Whether a phrase of circumstance opens one of the two and follows in the other: "In the evening, she had no
    pain" and "She had no pain in the evening"; what stands over the rest does not stand over it."""
    if (_opens(source, place) and _is_placed(claim, index)) or (
        _opens(claim, index) and _is_placed(source, place)
    ):
        return source.over[place].relatives == claim.over[index].relatives
    return False


def _opens(reading: Reading, index: int) -> bool:
    """Whether the token is in a phrase of circumstance that opens the sentence, up to a comma, and is not denied."""
    if reading.tokens[0].word not in PLACING or reading.over[index].denied:
        return False
    comma = next((place for place, token in enumerate(reading.tokens) if token.kind == "comma"), 0)
    return index < comma


def _is_placed(reading: Reading, index: int) -> bool:
    """Whether the token follows "in", "after" or the like within its phrase."""
    for token in reversed(reading.tokens[max(0, index - 6) : index]):
        if token.word in PLACING:
            return True
        if token.kind in ("comma", "break", "negation", "order"):
            return False
    return False


def _since_ago(source: Reading, over: Over) -> Over:
    """What was three days ago began three days ago."""
    return over._replace(order="") if over.order == "start" and "ago" in source.places else over


def _stands_alike(source: Over, claim: Over) -> bool:
    if (source.denied, source.relatives) != (claim.denied, claim.relatives) or (
        source.doubted and not claim.doubted
    ):
        return False
    if source.order == claim.order:
        return True
    if not claim.order:
        return source.order in _WITHOUT_ORDER
    if claim.order == "avoid" and source.order == "stop":
        return True
    return claim.order == "continue" and source.order in ("", "continue", "increase", "decrease")


def _figure_carried(source: Reading, claim: Reading, index: int, context: ContextOf) -> bool | None:
    figure = _as_age(source, claim, index)
    if (
        figure.kind == "amount"
        and figure.value[0] == 1
        and not figure.unit
        and claim.tokens[index].word == "one"
    ):
        return False
    places = [
        place
        for place, token in enumerate(source.tokens)
        if token.figure is not None
        and not (_is_the_whole(source, place) and not _is_the_whole(claim, index))
        and _says_figure(source, place, figure)
        and (not claim.over[index].relatives or _of_the_same_relatives(source, place, claim, index))
        and (
            _stands_alike(source.over[place], _since_ago(source, claim.over[index]))
            or _is_moved(source, place, claim, index)
            or _says_when(figure)
        )
    ]
    if any(_beside_the_same(source, place, claim, index) for place in places):
        return True
    if figure.kind == "date" and any(_date_within(figure, date) for date in context().dates):
        return False
    return None


def _is_the_whole(reading: Reading, place: int) -> bool:
    """Whether a figure is what another one is a part of: the twelve of "three of twelve lymph nodes"."""
    figure = reading.tokens[place].figure
    if place < 2 or reading.tokens[place - 1].word != "of" or figure is None or figure.unit:
        return False
    part = reading.tokens[place - 2].figure
    return part is not None and part.kind == figure.kind == "amount" and not part.unit


def _as_age(source: Reading, claim: Reading, index: int) -> Figure:
    """The figure; as an age where it is written like one ("died at 62", "Anna Berg, 53, has") and the source has it."""
    figure = claim.tokens[index].figure
    assert figure is not None
    before, after = claim.tokens[max(0, index - 1)], claim.tokens[index + 1 : index + 2]
    if figure.unit or not (before.word == "at" or (before.key == "," and after and after[0].key == ",")):
        return figure
    aged = figure._replace(unit="years old")
    return aged if any(token.figure == aged for token in source.tokens) else figure


def _says_when(figure: Figure) -> bool:
    """A date or a part of the day: it stands next to what is denied, and is not denied itself."""
    return figure.kind in ("date", "clock") or figure.value[0] in (
        "morning",
        "afternoon",
        "evening",
        "bedtime",
    )


_NOT_BARE = frozenset(
    ["days", "months", "minutes", "seconds", "years old", "months old", "weeks old", "ordinal", "times"]
)


def _says_figure(reading: Reading, place: int, claim: Figure) -> bool:
    source = reading.tokens[place].figure
    assert source is not None
    if claim.kind == "frequency" and source.kind == "frequency":
        return claim.value == source.value or (
            claim.value == ("1/day",) and source.value[0] in ("bedtime", "morning", "evening")
        )
    if claim.kind == "date":
        return (source.kind == "date" and _date_within(claim, source.value)) or (
            source.kind == "ratio" and claim.value[0] is None and claim.value[1:] == source.value
        )
    if source.role and claim.role and source.role != claim.role and source.kind != "range":
        return False
    if source.bound != claim.bound or not _units_agree(reading, place, claim.unit):
        return False
    if source.kind == "range" and claim.kind == "amount":
        return (claim.role, claim.value[0]) in (("from", source.value[0]), ("to", source.value[1]))
    return (source.kind, source.value) == (claim.kind, claim.value)


def _units_agree(reading: Reading, place: int, claim: str) -> bool:
    figure = reading.tokens[place].figure
    source = figure.unit if figure is not None else ""
    if source == claim:
        return True
    if not source:
        return goes_without_saying(reading, place, claim) or (
            claim == "years old" and _is_age_without_a_unit(reading, place)
        )
    return not claim and source not in _NOT_BARE


def _is_age_without_a_unit(reading: Reading, place: int) -> bool:
    """ "Mother had breast cancer at 52", "diagnosed at 52", with nothing behind it that it could count."""
    if not place or reading.tokens[place - 1].word != "at" or is_a_measurement(reading, place):
        return False
    after = reading.tokens[place + 1 : place + 2]
    return (not after or after[0].kind in ("comma", "break") or after[0].word == "and") and (
        reading.over[place].relatives or any(token.word in _AT_AN_AGE for token in reading.tokens[:place])
    )


_AT_AN_AGE = frozenset("diagnosed died dies onset menopause menarche".split())


def _date_within(claim: Figure, source: tuple[object, ...]) -> bool:
    """Whether the claim is the source's date, or as much of it as the claim says."""
    year, month, day = claim.value
    if year is not None and year != source[0]:
        return False
    if month is not None and month != source[1]:
        return False
    return day is None or day == source[2]


def _beside_the_same(source: Reading, place: int, claim: Reading, index: int) -> bool:
    """Whether the figure stands next to the same thing in both, where the source has several figures to mix up."""
    figure = source.tokens[place].figure
    assert figure is not None
    if figure.kind == "date" or (_is_ago(source, place) and _is_ago(claim, index)):
        return True
    if _is_age(figure) or _counts_the_same(source, place, claim, index):
        return True
    frequency = figure.kind == "frequency"
    others = {
        other.figure
        for other in source.tokens
        if other.figure is not None
        and (other.figure.kind == "frequency") == frequency
        and other.figure.kind != "date"
        and not _is_age(other.figure)
    }
    if len(others) < 2:
        return True
    theirs, ours = _beside(source, place), _beside(claim, index)
    return not theirs or not ours or ours[0] in theirs or theirs[0] in ours


def _is_age(figure: Figure) -> bool:
    """An age is taken for no other figure, and none for it."""
    return figure.unit.endswith(" old")


def _counts_the_same(source: Reading, place: int, claim: Reading, index: int) -> bool:
    """Whether both count what follows directly: "6 cycles", "5 mL of lidocaine"."""
    ours, theirs = claim.tokens[index + 1 : index + 3], source.tokens[place + 1 : place + 3]
    if len(ours) == len(theirs) == 2 and ours[0].word == theirs[0].word == "of":
        return ours[1].kind == "word" and ours[1].key == theirs[1].key
    figure = claim.tokens[index].figure
    if not ours or not theirs or figure is None or figure.unit:
        return False
    return (
        ours[0].kind in ("word", "relative") and ours[0].word.endswith("s") and ours[0].key == theirs[0].key
    )


def _is_ago(reading: Reading, index: int) -> bool:
    return index + 1 < len(reading.tokens) and reading.tokens[index + 1].word == "ago"


def _beside(reading: Reading, index: int) -> list[str]:
    """The words a figure belongs to, nearest first: those before it back to the figure or break before, else those
    after it; else those before that figure."""
    kind = reading.tokens[index].key == "frequency"
    before = list(_words(reading, range(index - 1, -1, -1), kind, stop_at_comma=True))
    if before:
        return before
    after = list(_words(reading, range(index + 1, len(reading.tokens)), kind, stop_at_comma=True))
    if after and not (index and reading.tokens[index - 1].kind == "figure" and kind):
        return after
    return list(_words(reading, range(index - 1, -1, -1), kind, stop_at_comma=False))[:3] or after


def _words(reading: Reading, places: range, frequency: bool, *, stop_at_comma: bool) -> Iterator[str]:
    for place in places:
        token = reading.tokens[place]
        if token.kind == "break" or (stop_at_comma and (token.kind == "comma" or token.word == "and")):
            return
        if token.kind == "figure" and stop_at_comma and (token.key == "frequency") == frequency:
            return
        if token.kind in ("word", "relative"):
            yield token.key


def _side_carried(source: Reading, claim: Reading, index: int) -> bool:
    key = claim.tokens[index].key
    places = [
        place
        for place, token in enumerate(source.tokens)
        if token.kind == "side" and token.key == key and source.over[place].denied == claim.over[index].denied
    ]
    if not places:
        return False
    if len({token.key for token in source.tokens if token.kind == "side"}) == 1:
        return True
    ours = _part(claim, index)
    return any(not ours or ours[0] in _part(source, place) for place in places)


def _part(reading: Reading, index: int) -> list[str]:
    """The words after a side up to the next side or break, else those before it; after "on the", the other way."""
    after = _up_to_side(reading.tokens[index + 1 :], commas=True)
    placed = {token.word for token in reading.tokens[max(0, index - 2) : index]} & {"on", "to"}
    if "to" in placed and after and reading.tokens[index + 1].kind == "word":
        placed = set()  # "radiating to the left arm"
    before = _up_to_side(reading.tokens[:index][::-1], commas=bool(placed))
    return (before or after) if placed else (after or before)


def _up_to_side(tokens: Sequence[Token], *, commas: bool) -> list[str]:
    found: list[str] = []
    for token in tokens:
        if token.kind in ("side", "break") or (commas and token.kind == "comma" and token.key != ":"):
            break
        if token.kind in ("word", "figure"):
            found.append(str(token.figure) if token.figure else token.key)
    return found


def _counted(tokens: Sequence[Token]) -> Counter[object]:
    """How often each side and figure is said."""
    return Counter(token.figure or token.key for token in tokens if token.kind in ("side", "figure"))


_MET = frozenset(["seen", "saw", "visited", "consulted", "attended"])
_REFERRED = frozenset(["refer", "refers", "referred", "referral", "referrals"])


def _is_of_a_remedy(claim: Reading, start: int, end: int) -> bool:
    """Whether a claim is about a remedy that it calls by what it is against only: "his pain medication"."""
    named = [place for place in range(start, end) if claim.tokens[place].kind == "word"]
    after = claim.tokens[named[0] + 1 : named[0] + 2] if len(named) == 1 else ()
    return bool(after) and after[0].word in REMEDIES


def _goes_together(source: Reading, claim: Reading, start: int, end: int, context: ContextOf) -> bool:
    if any(
        count > 1 and count > _counted(source.tokens)[what]
        for what, count in _counted(claim.tokens[start:end]).items()
    ):
        return False  # "the right knee is symmetric to the right"
    words = {token.word for token in claim.tokens[start:end]}
    theirs = {token.word for token in source.tokens}
    if (words & DONE and not words & PLANS and theirs & PLANS and not theirs & HAPPENED) or (
        _is_of_a_remedy(claim, start, end) and not theirs & REMEDIES
    ):
        return False
    if (
        theirs & AHEAD
        and not words & (AHEAD | PLANS)
        and _is_yet_to_begin(source, theirs)
        and (_is_taken_now(claim, start, end) or _was_followed(claim, start, end))
    ):
        return False
    if words & _MET and theirs & _REFERRED and not theirs & _MET:
        return False
    if "by" not in theirs and any(
        claim.tokens[place].word == "by" and claim.tokens[place - 1].kind == "word"
        for place in range(start + 1, end)
    ):
        return False  # "he was hit by a taxi", of one who hit his head when he ran for it
    if words & PLANS and not theirs & SHOWING_PLANS:
        return False
    if _speaks_against(source, theirs, claim, start, end, words):
        return False
    if not words & TAKING or "allergy" in claim.places:
        return True
    if _says_it_ended(source, theirs) and not words & (ENDED | DONE) and _is_taken_now(claim, start, end):
        return False
    return source.places.keys().isdisjoint(_REACTIONS) and not context().about_allergies


def _speaks_against(
    source: Reading, theirs: Set[str], claim: Reading, start: int, end: int, words: Set[str]
) -> bool:
    return (
        joins_what_is_apart(source, claim, start, end)
        or joins_brackets_of_another(source, claim, start, end)
        or joins_clauses(source, claim, start, end)
        or crosses_parallels(source, claim, start, end)
        or takes_degree_of_another(source, claim, start, end)
        or takes_reference_figure(source, claim, start, end)
        or has_not_come_about(source, claim, start, end)
        or leaves_out_condition(source, claim, start, end)
        or _tolerates_another(source, theirs, claim, start, end, words)
        or _says_of_more(source, theirs, claim, start, end, words)
        or _is_no_more(source, theirs, claim, start, end, words)
    )


def _says_of_more(
    source: Reading, theirs: Set[str], claim: Reading, start: int, end: int, words: Set[str]
) -> bool:
    """Whether a claim leaves out an exception, or says of all or both what the source says of some or of one."""
    universal = words & UNIVERSAL.keys()
    if any(theirs & UNIVERSAL[word] for word in universal - theirs):
        return True
    if (theirs & _EXCEPTION and not words & EXCEPTING) and (
        universal or any(claim.over[place].denied for place in range(start, end))
    ):
        said = list(pairwise(token.word for token in source.tokens))
        if theirs & EXCEPTING or ("other", "than") in said:
            return "than" not in words
        if ("all", "but") in said and "but" not in words:
            return True
    tolerated = TOLERATED & theirs
    return (
        bool(tolerated)
        and "allergy" in claim.places
        and not TOLERATED & words
        and any(
            source.places.get(token.key, [0])[0]
            > min(at for at, each in enumerate(source.tokens) if each.word in tolerated)
            for token in claim.tokens[start:end]
            if token.kind == "word"
        )
    )


def _tolerates_another(
    source: Reading, theirs: Set[str], claim: Reading, start: int, end: int, words: Set[str]
) -> bool:
    """Whether a claim says that what the source calls an allergy is tolerated: what stands next to which counts."""
    if not TOLERATED & theirs or not TOLERATED & words or "allergy" in claim.places:
        return False
    if "allergy" not in source.places:
        return _tolerates_what_stands_apart(source, claim, start, end)
    said = [at for at, token in enumerate(source.tokens) if token.key == "allergy" or token.word in TOLERATED]
    return any(
        all(_is_said_with_allergy(source, place, said) for place in places)
        for token in claim.tokens[start:end]
        if token.kind == "word" and token.word not in TOLERATED and (places := source.places.get(token.key))
    )


def _tolerates_what_stands_apart(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether a sentence says of one thing that it is tolerated, and a claim says so of what stands only in other parts
    of it."""
    parts = [0]
    for token in source.tokens:
        parts.append(parts[-1] + (token.kind == "break" or token.word in ("but", "whereas", "while")))
    tolerated = {parts[at + 1] for at, token in enumerate(source.tokens) if token.word in TOLERATED}
    named = {
        parts[at + 1]
        for at, token in enumerate(source.tokens)
        if token.kind == "word" and token.word not in TOLERATED and not token.word.endswith("ly")
    }
    return tolerated <= named and any(
        token.kind == "word"
        and token.word not in TOLERATED
        and (places := source.places.get(token.key))
        and tolerated.isdisjoint(parts[at + 1] for at in places)
        for token in claim.tokens[start:end]
    )


def _is_said_with_allergy(source: Reading, place: int, said: Sequence[int]) -> bool:
    """Whether "allergic" is the last of the two before it; of its own part where one stands there alone."""
    first = last = place
    while first and source.tokens[first - 1].kind not in ("comma", "break"):
        first -= 1
    while last + 1 < len(source.tokens) and source.tokens[last + 1].kind not in ("comma", "break"):
        last += 1
    own = {source.tokens[at].key == "allergy" for at in said if first <= at <= last}
    if len(own) == 1:
        return own.pop()
    before = [at for at in said if at < place]
    return source.tokens[before[-1] if before else said[0]].key == "allergy"


_EXCEPTION = EXCEPTING | {"than", "all"}


def _is_no_more(
    source: Reading, theirs: Set[str], claim: Reading, start: int, end: int, words: Set[str]
) -> bool:
    """Whether a claim says that something is which the source says was until something happened."""
    if "until" not in theirs or not theirs & {"was", "were"} or "until" in words or not words & _IS_NOW:
        return False
    until = source.places["until"][0]
    return any(
        (places := source.places.get(token.key)) is not None and max(places) < until
        for token in claim.tokens[start:end]
        if token.kind == "word"
    )


_IS_NOW = frozenset(["is", "are", "has", "remains", "takes", "currently"])


def _is_yet_to_begin(source: Reading, said: Set[str]) -> bool:
    """Whether a sentence about what will be has an order that has not been followed yet."""
    orders = source.of("order")
    return (
        bool(orders)
        and not said & (HAPPENED | TAKING)
        and not any(order.key == "continue" or order.word.endswith("ed") for order in orders)
    )


def _was_followed(claim: Reading, start: int, end: int) -> bool:
    """ "Metformin was started"."""
    return any(
        claim.tokens[place].kind == "order" and claim.tokens[place - 1].word in ("was", "were", "been")
        for place in range(start + 1, end)
    )


def _says_it_ended(source: Reading, said: Set[str]) -> bool:
    """Whether a sentence says that something is taken no more, and of nothing that it was begun."""
    return bool(said & ENDED) and not any(order.key in ("start", "switch") for order in source.of("order"))


def _is_taken_now(claim: Reading, start: int, end: int) -> bool:
    """Whether a claim says that something is taken, and not that it happened "on" a day."""
    return any(
        token.word in TAKING and (token.word != "on" or (place > 0 and claim.tokens[place - 1].word in _IS))
        for place, token in enumerate(claim.tokens[start:end], start)
    )


_IS = frozenset(["is", "be", "been", "patient", "remains", "still", "currently"])
_REACTIONS = frozenset(
    ["allergy", *canonical("anaphylaxis"), *canonical("anaphylactic"), *canonical("angioedema")]
)
