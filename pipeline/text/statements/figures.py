"""The numbers of clinical English, read with their units: amounts, ranges, ratios, dates, ages, frequencies.

Decides what is one figure and when two spellings are the same: "1,000 mg" is "1 g", "BID" is "twice daily", "14 June
2009" is "2009-06-14". Refuses to compute: pounds stay pounds, and a temperature without a unit has none. A relative
date ("yesterday") is a word like any other. Knows no drug and no sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["amount", "range", "ratio", "date", "clock", "frequency"]


class Figure(NamedTuple):
    """One number of a text, or one frequency, in a form that two spellings share."""

    kind: Kind
    value: tuple[Decimal | int | str | None, ...]
    """amount: (number,). range: (from, to). ratio: (over, under). date: (year, month, day), with None for what is not
    said. clock: (hour, minute). frequency: one word for each thing said, for example ("2/day",) or ("prn",)."""
    unit: str = ""
    """Canonical, for example "mg", "mmhg", "years old"; empty where none is written."""
    bound: str = ""
    """"<" for "less than" and the like, ">" for "more than", otherwise empty. About is no bound."""
    role: str = ""
    """"from" or "to" where that word stands before it."""


_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WRITTEN = {word: number for number, word in enumerate(_ONES, start=1)} | {
    word: 10 * number for number, word in enumerate(_TENS, start=2)
}
ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth".split(), start=1
    )
}
_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan,february feb,march mar,april apr,may,june jun,july jul,august aug,september sept sep,"
        "october oct,november nov,december dec".split(","),
        start=1,
    )
    for name in names.split()
}
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}


def _units(listed: str) -> dict[str, tuple[str, Decimal]]:
    found = {}
    for line in listed.strip().splitlines():
        canonical, factor, *spellings = (part.strip() for part in line.split("|"))
        for spelling in spellings:
            found[spelling] = (canonical, Decimal(factor))
    return found


UNITS = _units(
    """
    mg | 1 | mg | mgs | milligram | milligrams
    mg | 0.001 | mcg | mcgs | ug | microgram | micrograms
    mg | 1000 | g | gm | gms | gram | grams
    kg | 1 | kg | kgs | kilogram | kilograms | kilo | kilos
    ml | 1 | ml | mls | cc | ccs | milliliter | milliliters | millilitre | millilitres
    ml | 1000 | l | liter | liters | litre | litres
    dl | 1 | dl | deciliter | deciliters
    units | 1 | unit | units | iu | international units
    meq | 1 | meq | milliequivalents
    mmol | 1 | mmol | millimoles
    % | 1 | % | percent | per cent
    mmhg | 1 | mmhg | mm hg | mm of hg | mm of mercury | millimeters of mercury | millimetres of mercury
    /min | 1 | bpm | beats per minute | beats a minute | beats/min | breaths per minute | breaths/min | breaths a minute
    f | 1 | f | °f | ° f | degrees f | degrees fahrenheit | degree fahrenheit | fahrenheit | ° fahrenheit
    c | 1 | °c | ° c | degrees c | degrees celsius | degree celsius | celsius | centigrade | degrees centigrade
    degrees | 1 | ° | degree | degrees
    cm | 1 | cm | cms | centimeter | centimeters | centimetre | centimetres
    cm | 0.1 | mm | millimeter | millimeters | millimetre | millimetres
    cm | 100 | meter | meters | metre | metres
    inches | 1 | inch | inches | in.
    feet | 1 | feet | foot | ft
    lb | 1 | lb | lbs | pound | pounds
    oz | 1 | oz | ounce | ounces
    tablets | 1 | tablet | tablets | tab | tabs | pill | pills
    capsules | 1 | capsule | capsules | cap | caps
    puffs | 1 | puff | puffs | inhalation | inhalations
    drops | 1 | drop | drops | gtt | gtts
    sprays | 1 | spray | sprays
    minutes | 1 | minute | minutes | min | mins
    minutes | 60 | hour | hours | hr | hrs | h
    seconds | 1 | second | seconds | sec | secs
    days | 1 | day | days | d
    days | 7 | week | weeks | wk | wks
    months | 1 | month | months | mo | mos
    months | 12 | year | years | yr | yrs
    times | 1 | times | time | occasions
    packs | 1 | pack | packs | ppd
    """
)
DURATIONS = frozenset(["minutes", "seconds", "days", "months"])
_YEAR = re.compile(r"(?:19|20)\d\d")
_LONE_YEAR = re.compile(r"(?<![\w/.-])(?:19|20)\d\d(?![\w/-])")

_NUMBER = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
_LONGEST_FIRST = sorted([*_ONES, *_TENS], key=len, reverse=True)
_WORDED = rf"(?:(?:{'|'.join(_TENS)})[\s-](?:{'|'.join(_ONES[:9])})|(?:{'|'.join(_LONGEST_FIRST)}))\b"
_ANY = rf"(?:{_NUMBER}|{_WORDED})"
_MONTH = rf"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_UNIT = "|".join(
    re.escape(spelling).replace(r"\ ", r"\s?") for spelling in sorted(UNITS, key=len, reverse=True)
)
_PER = r"(?:(?:\s?/\s?|\sper\s)(?:dl|ml|l|liter|litre|kg|minute|min|hour|hr|h|m2|m²|hpf)(?![a-z0-9]))"
_OF_UNIT = rf"(?:(?:\s|\s?-\s?)?(?:{_UNIT})(?![a-z0-9]))"
_PERIOD = (
    r"(?:hours?|hrs?|h|days?|d|weeks?|wks?|months?|mos?|years?|yrs?|mornings?|evenings?|nights?|afternoons?)"
)
_FIXED_PERIOD = r"(?:daily|weekly|nightly|monthly|yearly|annually|hourly|day|week|month|year|night|hour)"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.VERBOSE)


_DATE = _pattern(
    rf"""(?:
        (?P<iso>\d{{4}}-\d\d?-\d\d?)(?:[T\s]\d\d:[\d:.+Z-]*)?
      | (?P<slashed>\d\d?(?P<mark>[/.-])\d\d?(?P=mark)(?:\d{{4}}|\d\d))
      | (?P<numbered>\d\d?/(?:19|20)\d\d)
      | (?P<worded>
          \d\d?(?:st|nd|rd|th)?[\s-](?:of\s)?{_MONTH}(?:[,\s-]{{1,2}}(?:19|20)\d\d)?
        | {_MONTH}\s\d\d?(?:st|nd|rd|th)?(?:,?\s(?:19|20)\d\d)?(?!\s?(?:mg|mcg|ml|%|/|:|\d))
        | {_MONTH}(?:\sof|,)?\s(?:19|20)\d\d)
      )(?![\w/])"""
)
_CLOCK = _pattern(r"(\d\d?)(?::(\d\d)(?:\s?([ap])\.?m\b)?|\s?(?P<half>[ap])\.?m\b)(?![\w:])")
_FREQUENCY = _pattern(
    rf"""(?:
        q\.?\s?(?P<each>\d+(?:\s?-\s?\d+)?)?\s?(?P<letter>
          hours?|hrs?|h\.?s|h|days?|weeks?|wks?|months?|o\.?d|a\.?m|p\.?m|d)
      | (?P<latin>(?:b|t|q)\.?i\.?d|p\.?r\.?n)
      | (?P<count>once|twice|thrice|{_ANY}\s?(?:times|x(?!\d)))
          [\s-]*(?:(?:a|an|per|each|every|in\sa|/)\s?)?(?P<period>{_FIXED_PERIOD})
      | (?:every|each)\s(?P<step>other\s|single\s|{_ANY}(?:\s?(?:-|to)\s?\d+)?\s)?(?P<of>{_PERIOD})
      | (?:per\s|a\s|/\s?)(?P<rate>day|d|week|wk|month|year|night)
          (?!\s(?:ago|later|before|earlier|of|or|prior|since|history))
      | (?P<plain>daily|weekly|nightly|monthly|yearly|annually|annual|hourly|biweekly|fortnightly)
      | (?P<need>(?:on\san\s)?as[\s-](?:needed|required)(?:\sbasis)?
          |(?:when(?:ever)?|if)\s(?:needed|required))
      | (?P<part>at\s(?:bedtime|night)|before\sbed(?:time)?|bedtime|qhs
          |(?:in|every)\sthe\s(?:morning|evening|afternoon)s?)
      )\.?(?![a-z0-9])"""
)
_AGE = _pattern(
    rf"""(?:aged?|age\sof)\s(?:of\s|is\s)?(?P<aged>\d+|{_WORDED})(?![\d/.])(?:\s(?P<unit>years?|yrs?|months?|weeks?|days?)\b(?:\sold|\sof\sage)?)?
       | (?P<old>{_ANY})(?:\s|-)?(?P<years>years?|yrs?\.?|y|months?|weeks?|days?)[\s/-]{{0,2}}(?:old|o|of\sage)\b"""
)
_BOUND = _pattern(
    r"""(?:(?P<less>(?:less|fewer|lower|smaller|younger)\sthan|below|under|at\smost|up\sto|<=?|≤
          |(?:no|not|nothing)\smore\sthan)
       | (?P<more>(?:more|greater|larger|higher|older)\sthan|above|over|at\sleast|(?:no|not)\sless\sthan|exceeding
          |>=?|≥))
       \s?(?:about\s|approximately\s)?(?=[\d.]|[a-z]+\b)"""
)
_RATIO = _pattern(
    rf"(\d+(?:\.\d+)?)(?:\s?/\s?|\sover\s|\sout\sof\s)(\d+(?:\.\d+)?|{_WORDED})(?![\d/])(?P<unit>{_OF_UNIT}(?!\s?/))?"
)
_RANGE = _pattern(
    rf"""(?P<low>{_ANY})(?P<first>{_OF_UNIT})?(?:\s?-\s?|\s(?:to|or)\s(?:about\s|approximately\s)?)
        (?P<high>{_ANY})(?![/\d])(?P<unit>{_OF_UNIT}{_PER}?)?"""
)
_AMOUNT = _pattern(
    rf"""(?P<number>{_ANY}|half\b|a\scouple(?:\sof)?\b)(?P<more>(?:\sand\s(?:a\s)?half|[\s-]1/2)\b)?
        (?:(?P<ordinal>st|nd|rd|th)\b)?(?P<unit>(?:\s(?:an?|of\san?)(?=\s))?{_OF_UNIT}{_PER}?)?"""
)
_STARTERS = frozenset(
    [
        *_ONES,
        *_TENS,
        *_MONTHS,
        *"half once twice thrice every each per as when whenever if at before bedtime qhs in daily weekly nightly "
        "monthly yearly annually annual hourly biweekly fortnightly on a age aged bid tid qid prn b t p q qd qod qam "
        "qpm less fewer lower smaller younger below under no not nothing up more greater larger higher older above "
        "over exceeding".split(),
    ]
)


def may_begin_figure(word: str) -> bool:
    """Whether a figure may begin with a word in small letters. True too often, never too seldom."""
    return word in _STARTERS or _Q_NUMBER.match(word) is not None


def figure_at(text: str, at: int, word: str) -> tuple[Figure, int] | None:
    """The figure that begins at `at` and where it ends, or None. `word` is the word there, in small letters, or empty
    where a digit or a sign stands. Never longer than the pattern that reads it; linear in what it reads."""
    if word and not may_begin_figure(word):
        return None
    if word in ("a", "an") and (one := _ONE.match(text, at)) and _FOR_A.search(text, max(0, at - 16), at):
        return Figure("amount", (Decimal(1) * _unit(one[1])[1],), _unit(one[1])[0]), one.end()
    for pattern, reader in _READERS:
        match = pattern.match(text, at)
        if match is not None and (found := reader(match)) is not None:
            return found, match.end()
    bound = _BOUND.match(text, at)
    if bound is None or not bound.end() > at:
        return None
    inner = figure_at(text, bound.end(), _word_at(text, bound.end()))
    if inner is None or inner[0].kind not in ("amount", "ratio", "range"):
        return None
    return inner[0]._replace(bound="<" if bound["less"] else ">"), inner[1]


_ONE = _pattern(r"an?\s(day|week|month|year)\b(?!-)")
_FOR_A = _pattern(r"\b(?:in|for|within|after|over|about|approximately|nearly|almost)\s\Z")
_Q_NUMBER = re.compile(r"q\d")
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)


def _word_at(text: str, at: int) -> str:
    match = _WORD.match(text, at)
    return match.group().lower() if match else ""


def _date(match: re.Match[str]) -> Figure | None:
    if match["iso"]:
        year, month, day = map(int, match["iso"].split("-"))
    elif match["slashed"]:
        first, second, year = (int(part) for part in match["slashed"].split(match["mark"]))
        if match["mark"] == "." and year < 100 and first < 10:
            return None  # "1.5.20" is as well a list number
        month, day = (first, second) if first <= 12 else (second, first)
        year += 0 if year > 99 else 2000 if year < 50 else 1900
    elif match["numbered"]:
        month, year = map(int, match["numbered"].split("/"))
        return Figure("date", (year, month, None)) if 1 <= month <= 12 else None
    else:
        return _worded_date(match["worded"].lower())
    return Figure("date", (year, month, day)) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _worded_date(text: str) -> Figure:
    month = next(_MONTHS[word] for word in _WORD.findall(text) if word in _MONTHS)
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    year = next((number for number in numbers if number > 31), None)
    day = next((number for number in numbers if number <= 31), None)
    return Figure("date", (year, month, day))


def _clock(match: re.Match[str]) -> Figure | None:
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or match["half"] or "").lower()
    if hour > 24 or minute > 59:
        return None
    return Figure("clock", (hour % 12 + (12 if half == "p" else 0) if half else hour, minute))


_RATES = {"hour": "h", "day": "day", "week": "week", "month": "month", "year": "year", "night": "bedtime"}
_PLAIN = {
    "daily": "1/day", "weekly": "1/week", "nightly": "bedtime", "monthly": "1/month", "yearly": "1/year",
    "annually": "1/year", "annual": "1/year", "hourly": "24/day", "biweekly": "1/2weeks", "fortnightly": "1/2weeks",
}  # fmt: skip
_LATIN = {"bid": "2/day", "tid": "3/day", "qid": "4/day", "prn": "prn"}
_LETTERS = {"hs": "bedtime", "am": "morning", "pm": "evening", "od": "1/2days"}


def _frequency(match: re.Match[str]) -> Figure | None:
    return Figure("frequency", (found,)) if (found := _how_often(match)) else None


def _how_often(match: re.Match[str]) -> str:
    if match["latin"]:
        return _LATIN[match["latin"].lower().replace(".", "")]
    if match["need"]:
        return "prn"
    if match["plain"]:
        return _PLAIN[match["plain"].lower()]
    if match["part"]:
        part = match["part"].lower()
        return next((each for each in ("morning", "evening", "afternoon") if each in part), "bedtime")
    if match["count"]:
        words = {"once": 1, "twice": 2, "thrice": 3}
        count = words.get(match["count"].lower()) or _value(re.split(r"\s?(?:times|x)$", match["count"])[0])
        period = match["period"].lower()
        each = (
            _PLAIN[period].partition("/")[2]
            if period in _PLAIN and "/" in _PLAIN[period]
            else _RATES.get(period, "")
        )
        if period in ("nightly", "night") and count == 1:
            return "bedtime"
        return f"{count}/{each}" if each else ""
    if match["rate"]:
        rate = match["rate"].lower()
        return f"1/{ {'d': 'day', 'wk': 'week'}.get(rate, rate) }".replace("1/night", "bedtime")
    if match["letter"]:
        return _every(match["each"], match["letter"].lower().replace(".", ""))
    return _every((match["step"] or "").lower().strip(), match["of"].lower())


def _every(step: str | None, period: str) -> str:
    """ "8", "hours" is three times a day; a step that does not divide the day keeps its own name."""
    if period in _LETTERS:
        return _LETTERS[period]
    for name in ("morning", "evening", "afternoon", "night"):
        if period.startswith(name):
            return "bedtime" if name == "night" else name
    unit = {"h": "hour", "d": "day", "w": "week", "m": "month", "y": "year"}[period[0]]
    if step == "other":
        return f"1/2{unit}s"
    low, _, high = re.sub(r"\s?(?:-|to)\s?", "-", step or "1").partition("-")
    if high:
        return f"every {low}-{high} {unit}s"
    count = int(_value(low) or 1) if low != "single" else 1
    if unit == "hour":
        return f"{24 // count}/day" if count and 24 % count == 0 else f"every {count} hours"
    if unit == "day" and count == 7:
        unit, count = "week", 1
    return f"1/{unit}" if count == 1 else f"1/{count}{unit}s"


def _age(match: re.Match[str]) -> Figure | None:
    number = _value(match["aged"] or match["old"])
    unit = (match["years"] or match["unit"] or "years").lower()[0]
    return (
        None
        if number is None
        else Figure(
            "amount", (number,), {"y": "years", "m": "months", "w": "weeks"}.get(unit, "days") + " old"
        )
    )


def _ratio(match: re.Match[str]) -> Figure | None:
    over, under = _value(match[1]), _value(match[2])
    if over is None or not under:
        return None
    unit, factor = _unit(match["unit"])
    if unit in ("tablets", "units", "mg") and over < under and under in (Decimal(2), Decimal(4)):
        return Figure("amount", (over / under * factor,), unit)
    return Figure("ratio", (over, under), unit)


def _range(match: re.Match[str]) -> Figure | None:
    low, high = _value(match["low"]), _value(match["high"])
    if low is None or high is None:
        return None
    unit, factor = _unit(match["unit"] or match["first"])
    if match["first"] and match["unit"]:
        first, first_factor = _unit(match["first"])
        if first != unit:
            return None
        return Figure("range", (low * first_factor, high * factor), unit)
    return Figure("range", (low * factor, high * factor), unit)


def _amount(match: re.Match[str]) -> Figure | None:
    number = _value(match["number"])
    if number is None:
        return None
    if match["more"]:
        number += Decimal("0.5")
    unit, factor = _unit(match["unit"])
    if not unit and not match["ordinal"] and _YEAR.fullmatch(match["number"]):
        return Figure("date", (int(number), None, None))
    if match["ordinal"]:
        unit = "ordinal"
    return Figure("amount", (number * factor,), unit)


def _value(text: str | None) -> Decimal | None:
    """The number that a text says, or None."""
    if not text:
        return None
    text = text.lower()
    if text == "half":
        return Decimal("0.5")
    if text.startswith("a couple"):
        return Decimal(2)
    if text[0].isalpha():
        return Decimal(sum(_WRITTEN[part] for part in re.split(r"[\s-]", text)))
    try:
        return Decimal(text.replace(",", "")).normalize() + 0
    except InvalidOperation:
        return None


_PER_PARTS = re.compile(r"\s?/\s?|\sper\s")
_PER_NAMES = {
    "liter": "l", "litre": "l", "minute": "min", "hour": "h", "hr": "h", "m²": "m2",
}  # fmt: skip


@lru_cache(maxsize=2_000)
def _unit(text: str | None) -> tuple[str, Decimal]:
    """(canonical unit, factor to it) of a unit as written, with what stands before it ("-day", " of a tablet")."""
    if not text:
        return "", Decimal(1)
    text = re.sub(r"\s+", " ", re.sub(r"^[\s-]*(?:(?:of )?an?\s)?", "", text.lower())).strip()
    found = UNITS.get(text) or UNITS.get(text.replace(" ", ""))
    if found is None:
        first, *per = _PER_PARTS.split(text)
        found = UNITS.get(first.strip(), (first.strip(), Decimal(1)))
        below = per[0].strip() if per else ""
        if below:
            return f"{found[0]}/{_PER_NAMES.get(below, below)}", found[1]
    return found


def dates_in(text: str) -> Iterator[str]:
    """The dates that a text writes, ISO 8601, to the year or the month where no more is said. None without a year."""
    for match in _DATE.finditer(text):
        year, month, day = figure.value if (figure := _date(match)) is not None else (None, None, None)
        if year:
            yield "-".join(f"{part:02d}" for part in (year, month, day) if isinstance(part, int))
    yield from (match.group() for match in _LONE_YEAR.finditer(text))


def roman(text: str) -> int | None:
    """What a Roman number from I to VI says."""
    return _ROMAN.get(text)


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Figure | None]], ...] = (
    (_DATE, _date),
    (_CLOCK, _clock),
    (_FREQUENCY, _frequency),
    (_AGE, _age),
    (_RATIO, _ratio),
    (_RANGE, _range),
    (_AMOUNT, _amount),
)
