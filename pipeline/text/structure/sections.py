"""The sections of a note, as spans with their kinds.

Decides where a section begins and ends and of what kind it is: by its title or its code, and where a title is of no
list ("HEENT", "Left knee") by the section whose part it is. Refuses to know what is found in a section.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.text.structure.outline import Block, outline
from pipeline.text.structure.section_kinds import (
    SectionKind,
    has_body_systems,
    is_body_system,
    kinds_of,
)


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a note under one title. Half-open offsets of the text that was given."""

    start: int
    """Of the title, or of the text where there is none."""
    text_start: int
    """Where the title ends and what stands under it begins; `end` where nothing does."""
    end: int
    title: str | None
    """None before the first title of a note."""
    kinds: tuple[SectionKind, ...] = ()
    """Several where the title joins them ("Family/social history"), none where no list has the title."""
    part_of: str | None = None
    """The title that gives it its kinds, where its own does not: "PHYSICAL EXAM" of "HEENT"."""

    @property
    def kind(self) -> SectionKind | None:
        return self.kinds[0] if self.kinds else None


def sections_of(
    text: str, codes: Mapping[str, Sequence[str]] | None = None, *, within: str | None = None
) -> tuple[Section, ...]:
    """The sections of `text` in order; they cover every character that is not white space.

    `codes`: LOINC's codes by title, where the source gives them (FHIR's `Composition.section`, CDA): they count before
    the words of the title. `within`: the title of the section that the text begins in, where it is a passage from the
    middle of one (`Chunk.section`). An empty text has none. Linear in the length of the text.
    """
    return tuple(_with_kinds(list(_spans(text, codes or {}, within)), codes or {}))


def section_at(sections: Sequence[Section], position: int) -> Section | None:
    """The section that the character at `position` stands in."""
    return next((each for each in reversed(sections) if each.start <= position < each.end), None)


def _spans(text: str, titles: Collection[str], within: str | None) -> Iterator[tuple[Section, float]]:
    """Each section without its kinds, and how its title is written: 0 above all others."""
    opened: Block | None = None
    end = 0
    for block in outline(text, titles):
        if block.title is not None or opened is None:
            if opened is not None:
                yield _section(text, opened, end, within)
            opened = block
        end = block.end
    if opened is not None:
        yield _section(text, opened, end, within)


def _section(text: str, opened: Block, end: int, within: str | None) -> tuple[Section, float]:
    if opened.title is None:
        return Section(opened.start, opened.start, end, within), 1
    text_start = opened.text_start
    if opened.form == "heading":
        text_start = opened.end
        while text_start < end and text[text_start].isspace():
            text_start += 1
    return Section(opened.start, text_start, end, opened.title), _rank(text, opened)


def _rank(text: str, opened: Block) -> float:
    """Titles that are written alike are of one rank; a lower one names a part of what stands under a higher one."""
    if opened.form == "prose":
        return 3
    line = text[opened.start : opened.end].strip()
    if line.startswith("#"):
        return (len(line) - len(line.lstrip("#"))) / 10
    return 1 if (opened.title or "").isupper() else 2


def _with_kinds(
    spans: Sequence[tuple[Section, float]], codes: Mapping[str, Sequence[str]]
) -> Iterator[Section]:
    above, rank_above = Section(0, 0, 0, None), 9.0
    examined: Section | None = None
    for section, rank in spans:
        title = section.title or ""
        kinds = kinds_of(section.title, codes.get(title, ()))
        if not kinds and examined is not None and is_body_system(title):
            yield _kinded(section, examined.kinds, examined.title)
        elif not kinds and title and _is_part(rank, above, rank_above):
            yield _kinded(section, above.kinds, above.title)
        else:
            above, rank_above = _kinded(section, kinds), rank
            if SectionKind.VITAL_SIGNS not in kinds:  # they stand in the middle of an examination
                examined = above if has_body_systems(kinds) else None
            yield above


def _kinded(section: Section, kinds: tuple[SectionKind, ...], part_of: str | None = None) -> Section:
    return Section(section.start, section.text_start, section.end, section.title, kinds, part_of)


def _is_part(rank: float, above: Section, rank_above: float) -> bool:
    """Whether a title of no kind, written as a lower heading, names a part of the section above it. Not of a family
    history: what follows may be the patient's own."""
    return rank > rank_above and SectionKind.FAMILY_HISTORY not in above.kinds
