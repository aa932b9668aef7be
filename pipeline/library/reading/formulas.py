"""Formulas of DOCX in one line of text: a fraction has its stroke, a power its sign, a root its reach.

Decides nothing but the signs; what is no formula is told apart by the caller.
"""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
SHAPES = {f"{M}{name}" for name in ("f", "sSup", "sSub", "sSubSup", "sPre", "rad", "d", "nary")}


def in_a_line(shape: etree._Element, read: Callable[[etree._Element], str]) -> str:
    """One of SHAPES; `read` gives the text below an element."""

    def of(name: str) -> str:
        found = shape.find(f"{M}{name}")
        return "" if found is None else read(found)

    def sign(name: str, default: str) -> str:
        found = shape.find(f"{M}{shape.tag.removeprefix(M)}Pr/{M}{name}")
        return default if found is None else found.get(f"{M}val") or ""

    match shape.tag.removeprefix(M):
        case "f":
            return f"{_grouped(of('num'))}/{_grouped(of('den'))}"
        case "rad":
            return f"{of('deg')}√({of('e')})"
        case "d":
            inner = sign("sepChr", "|").join(read(each) for each in shape.findall(f"{M}e"))
            return sign("begChr", "(") + inner + sign("endChr", ")")
        case "nary":
            return f"{sign('chr', '∫')}{_marked('_', of('sub'))}{_marked('^', of('sup'))} {of('e')}"
        case _:
            return f"{_grouped(of('e'))}{_marked('_', of('sub'))}{_marked('^', of('sup'))}"


def _grouped(text: str) -> str:
    whole = text.isalnum() or (text[:1] == "(" and text[-1:] == ")" and text.count("(") == 1)
    return text if whole or not text else f"({text})"


def _marked(sign: str, text: str) -> str:
    return f"{sign}{_grouped(text)}" if text else ""
