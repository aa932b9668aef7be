"""Whether a claim takes for what is a figure that a source only compares with: what was before ("halved from 0.25 mg"),
what should be ("should be on 10 mg"), what may be at most, what is normal.

Decides by the words before the figure in its own part of the sentence, and only where the source has another figure of
the same unit to mix it up with. A claim that says the same of the figure ("the maximum is 3 g") takes it for nothing
else. Refuses to know which figures are usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.text.statements.facts import Reading, Token
from pipeline.text.statements.figures import Figure

_STANDARDS = frozenset(
    "should supposed meant intended maximum max maximal limit target goal predicted expected ideal recommended".split()
)
_GIVEN = _STANDARDS | {"prescribed", "dispensed", "measured", "actual", "ordered"}
"""Words that keep a figure which follows them directly to themselves."""
_BEFORE_NOW = frozenset("from was were previously had initially formerly before prior originally".split())
_CHANGED = frozenset(
    "down up halved doubled tripled reduced decreased lowered raised increased cut changed".split()
)
_NORMAL = frozenset(["normal", "reference"])
_COMPARING = _GIVEN | _NORMAL
_KINDS = frozenset(["amount", "range", "ratio"])
_OWN_WORDS_MAX = 2
"""Words between "maximum" and the figure it keeps."""


def takes_reference_figure(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether the tokens `[start, end)` of `claim` say with a figure what `source` says with another one."""
    if not any(
        token.word in _COMPARING or (token.figure is not None and token.figure.role)
        for token in source.tokens
    ):
        return False
    said = claim.tokens[start:end]
    words = {token.word for token in said}
    figures = [token.figure for token in said if token.figure is not None and token.figure.kind in _KINDS]
    by_range = any(figure.kind == "range" or figure.bound for figure in figures)
    if words & _NORMAL and not by_range and _is_normal_only_as_range(source):
        return True
    return any(_is_taken_amiss(source, figure, figures, words) for figure in figures)


def _is_taken_amiss(source: Reading, figure: Figure, figures: Sequence[Figure], words: set[str]) -> bool:
    theirs = list(_of_unit(source, figure.unit))
    where = [at for at in theirs if _value(source.tokens[at]) == figure.value]
    others = [at for at in theirs if at not in where]
    if not where or not others:
        return False
    if figure.role == "from" and not any(_role(source, at) for at in where):
        return any(
            _role(source, at) == "from" for at in others
        )  # "up from 80 kg", of one who weighs 80 kg now
    if all(_is_former(source, at) for at in where) and not words & _BEFORE_NOW:
        return True
    standards = [_standards_of(source, at) for at in where]
    if all(standards) and not words & frozenset[str]().union(*standards):
        return True
    unsaid = [at for at in others if all(_value(source.tokens[at]) != each.value for each in figures)]
    kept = {source.tokens[word].word for at in unsaid for word in _keeping(source, at)}
    own = {source.tokens[word].word for at in where for word in _keeping(source, at)}
    return bool(words & kept - own)


def _of_unit(source: Reading, unit: str) -> Iterator[int]:
    for at, token in enumerate(source.tokens):
        if token.figure is not None and token.figure.kind in _KINDS and token.figure.unit == unit:
            yield at


def _value(token: Token) -> object:
    return None if token.figure is None else token.figure.value


def _role(source: Reading, at: int) -> str:
    figure = source.tokens[at].figure
    return "" if figure is None else figure.role


def _is_former(source: Reading, at: int) -> bool:
    """Whether what stands there is what something was changed from."""
    return (
        at > 1
        and source.tokens[at - 1].word == "from"
        and (source.tokens[at - 2].word in _CHANGED or source.tokens[at - 2].kind == "order")
    )


def _standards_of(source: Reading, at: int) -> frozenset[str]:
    """The words before a figure that say what should be, back to a comma, a break, "but" or another figure."""
    found: set[str] = set()
    for token in reversed(source.tokens[:at]):
        if token.kind in ("comma", "break", "figure") or token.word in ("but", "and"):
            break
        if token.word in _STANDARDS:
            found.add(token.word)
    return frozenset(found)


def _keeping(source: Reading, at: int) -> Iterator[int]:
    """Where the words stand that keep the figure behind them to themselves."""
    for place in range(at - 1, max(-1, at - 2 - _OWN_WORDS_MAX), -1):
        if source.tokens[place].kind in ("comma", "break", "figure"):
            return
        if source.tokens[place].word in _GIVEN:
            yield place


def _is_normal_only_as_range(source: Reading) -> bool:
    """Whether "normal" stands in the source only before the range that is normal: "WBC 11.2 (normal 4.0-10.0)"."""
    places = [at for at, token in enumerate(source.tokens) if token.word in _NORMAL]
    return bool(places) and all(_opens_range(source, at) for at in places)


def _opens_range(source: Reading, at: int) -> bool:
    after = [
        token for token in source.tokens[at + 1 : at + 4] if token.word not in ("range", "interval", "limits")
    ]
    figure = next((token.figure for token in after if token.key != ":"), None)
    return figure is not None and (figure.kind == "range" or bool(figure.bound))
