"""Which unit goes without saying: a pulse of 88 is 88 bpm and not 88 %.

Decides by the measure's word that stands next to the figure in the same sentence, and of a temperature by its size as
well. Without such a word no unit goes without saying; a weight never has one, since kilograms and pounds are both
usual. Refuses to convert.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from pipeline.text.statements.facts import Reading, Token
from pipeline.text.statements.figures import Figure

_UNITS_OF = {
    unit: frozenset(words.split())
    for unit, words in {
        "mmhg": "bloodpressure systol diastol pressur sbp dbp map",
        "/min": "heartrate respiratoryrate rate p r heart",
        "%": (
            "oxygensaturation satur saturat sat o2 oximetr pulseoximetr ejectionfraction hemoglobina1c hematocrit hct "
            "fio2"
        ),
        "f": "temperature t tmax fever febrile afebril",
        "c": "temperature t tmax fever febrile afebril",
    }.items()
}
"""Canonical words of the measures that each unit is usual for."""
_MEASURES = frozenset().union(*_UNITS_OF.values()) | {"weight", "height", "bmi"}
_FAHRENHEIT_MIN = 80
_CELSIUS_MAX = 45


def goes_without_saying(reading: Reading, place: int, unit: str) -> bool:
    """Whether the figure at `place`, written without a unit, is one of `unit` (canonical, as in `figures.UNITS`)."""
    if unit == "times":
        return not is_a_measurement(reading, place)
    measure = next((token.key for token in _next_to(reading, place) if token.key in _MEASURES), None)
    figure = reading.tokens[place].figure
    return measure in _UNITS_OF.get(unit, ()) and figure is not None and _has_its_size(figure, unit)


def is_a_measurement(reading: Reading, place: int) -> bool:
    """Whether the word of a measure stands next to the figure at `place`."""
    return any(token.key in _MEASURES for token in _next_to(reading, place))


def _has_its_size(figure: Figure, unit: str) -> bool:
    """Whether a temperature can be one of this unit."""
    numbers = [number for number in figure.value if isinstance(number, Decimal)]
    if unit == "f":
        return all(number >= _FAHRENHEIT_MIN for number in numbers)
    return unit != "c" or all(number <= _CELSIUS_MAX for number in numbers)


def _next_to(reading: Reading, place: int) -> Iterator[Token]:
    """What stands before a figure, back to a figure that has words of its own behind it, nearest first; then what
    follows it, up to a comma or another figure."""
    worded = False
    for token in reversed(reading.tokens[:place]):
        if token.kind == "break" or (worded and token.kind == "figure"):
            break
        worded = worded or token.kind in ("word", "relative")
        yield token
    for token in reading.tokens[place + 1 :]:
        if token.kind in ("break", "comma", "figure"):
            break
        yield token
