"""What of an HTML page is hidden, struck through or white on white, by its own words and by the style sheets in it.

Decides that the last part of a selector is enough, and that a width of the window changes nothing: what some reader
would not see is left out. Sheets of other files are not loaded, and what a script would do is not known.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lxml import html

Effect: TypeAlias = Literal["hidden", "struck", "white", "painted"]

_EFFECTS: tuple[tuple[Effect, re.Pattern[str]], ...] = (
    (
        "hidden",
        re.compile(
            r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0?(?:\.0+)?\s*(?:!|;|$)"
            r"|font-size\s*:\s*[01](?:\.\d+)?(?:px|pt)?\s*(?:!|;|$)|(?:left|top|text-indent)\s*:\s*-\d{3,}"
            r"|(?<![-\w])color\s*:\s*(?:transparent|rgba\([^)]*,\s*0?(?:\.0+)?\s*\))",
            re.IGNORECASE,
        ),
    ),
    ("struck", re.compile(r"line-through", re.IGNORECASE)),
    (
        "white",
        re.compile(
            r"(?<![-\w])color\s*:\s*(?:white\b|#fff(?:fff)?\b|rgba?\(\s*255\s*,\s*255\s*,\s*255)",
            re.IGNORECASE,
        ),
    ),
    (
        "painted",
        re.compile(
            r"background(?:-color|-image)?\s*:\s*(?!white\b|#fff(?:fff)?\b|none|transparent|url|in)",
            re.IGNORECASE,
        ),
    ),
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_FOR_PAPER = re.compile(r"@media\s+(?:only\s+)?print\b[^{},]*\{(?:[^{}]*+\{[^{}]*+\})*+[^{}]*+\}")
_RULE = re.compile(r"([^{};]+)\{([^{}]*)\}")
_PART = re.compile(r"([.#]?)([\w-]+)")
_WHOLE_PAGE = ("", "html", "body")


@dataclass(frozen=True, slots=True)
class _Selector:
    """The last part of one."""

    tag: str
    identifier: str
    classes: frozenset[str]
    effects: frozenset[Effect]

    def fits(self, element: html.HtmlElement, classes: frozenset[str]) -> bool:
        return (
            self.tag in ("", element.tag)
            and self.identifier in ("", element.get("id"))
            and self.classes <= classes
        )


@dataclass
class StyleSheets:
    """All of one page."""

    selectors: dict[str, list[_Selector]] = field(default_factory=lambda: defaultdict(list))
    """By one name that an element must have: a class, an id or a tag."""

    def effects(self, element: html.HtmlElement) -> frozenset[Effect]:
        """By its sheets and its own words."""
        classes = frozenset((element.get("class") or "").split())
        found = set(_effects(element.get("style") or ""))
        for name in (element.tag, element.get("id") or "", *classes):
            for each in self.selectors.get(name, ()):
                if each.fits(element, classes):
                    found |= each.effects
        if element.get("bgcolor"):
            found.add("painted")
        return frozenset(found)

    def is_white_on_white(self, element: html.HtmlElement, effects: frozenset[Effect]) -> bool:
        """Whether its letters are white and nothing that it lies in has another ground."""
        return (
            "white" in effects
            and "painted" not in effects
            and not any("painted" in self.effects(each) for each in element.iterancestors())
        )


def style_sheets(tree: html.HtmlElement) -> StyleSheets:
    """Those that the page itself holds."""
    sheets = StyleSheets()
    for style in tree.iter("style"):
        if "print" not in (style.get("media") or ""):
            for selector in _selectors(_COMMENT.sub(" ", style.text or "")):
                name = next(iter(selector.classes), "") or selector.identifier or selector.tag
                sheets.selectors[name].append(selector)
    return sheets


def _selectors(sheet: str) -> Iterator[_Selector]:
    for rule in _RULE.finditer(_FOR_PAPER.sub(" ", sheet)):
        effects = _effects(rule[2])
        for written in rule[1].split(",") if effects else ():
            last = re.split(r"[\s>+~]+", re.sub(r"\[[^\]]*\]", "", written).strip())[-1]
            if ":" in last:
                continue  # what is put before an element, or is so for a moment
            parts = _PART.findall(last)
            tag = next((name.lower() for kind, name in parts if not kind), "")
            classes = frozenset(name for kind, name in parts if kind == ".")
            identifier = next((name for kind, name in parts if kind == "#"), "")
            is_whole_page = not classes and not identifier and tag in _WHOLE_PAGE
            kept = effects & {"painted"} if is_whole_page else effects
            if kept:
                yield _Selector(tag, identifier, classes, kept)


def _effects(declarations: str) -> frozenset[Effect]:
    return frozenset(name for name, pattern in _EFFECTS if pattern.search(declarations))
