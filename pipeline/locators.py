"""Where a passage or a citation stands: characters of a note, a box on a page, or a region of an image.

Decides the three kinds, their units, and how each is kept as JSON and said in words. Refuses a place that cannot be,
and a kind that it does not know: a place that is not understood must never be shown as another one. Knows no file
format and no viewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

NUMBER_MAX = 2**31
"""No image is as wide, no document as long; and JSON holds numbers with which nothing can be computed."""


@dataclass(frozen=True, slots=True)
class Characters:
    """Half-open `[start, end)`, in characters (Python code points) of the note's original text."""

    start: int
    end: int
    kind: Literal["characters"] = field(default="characters", init=False)


@dataclass(frozen=True, slots=True)
class PageBox:
    """A rectangle on one page of a document, as the page is shown: rotated as the document says.

    Distances from the page's left and top edge, as shares of its width and height, in [0, 1]. One page only: code that
    cuts a document into passages cuts at the end of a page. Raises ValueError where there is no such box.
    """

    page: int
    """Counted from 1, whatever number is printed on it."""
    left: float
    top: float
    right: float
    bottom: float
    kind: Literal["page_box"] = field(default="page_box", init=False)

    def __post_init__(self) -> None:
        if type(self.page) is not int or not 1 <= self.page < NUMBER_MAX:
            raise ValueError(f"pages are counted from 1, not {self.page!r}")
        _require_area(self.left, self.top, self.right, self.bottom)
        if self.right > 1 or self.bottom > 1:
            raise ValueError("a box on a page is given in shares of the page, from 0 to 1")


@dataclass(frozen=True, slots=True)
class ImageRegion:
    """A rectangle on one frame of one image.

    Half-open in pixels of the stored image, from its top left corner: never of a scaled or windowed copy. Raises
    ValueError where there is no such region.
    """

    series: str
    """DICOM's SeriesInstanceUID; empty where the image belongs to none."""
    image: str
    """DICOM's SOPInstanceUID, or the id of an image that is not DICOM."""
    frame: int
    """Counted from 1, as DICOM does; 1 for an image of one frame."""
    left: int
    top: int
    right: int
    bottom: int
    kind: Literal["image_region"] = field(default="image_region", init=False)

    def __post_init__(self) -> None:
        if not self.image or {type(self.series), type(self.image)} != {str}:
            raise ValueError("a region needs the id of its image")
        if any("\ud800" <= character <= "\udfff" for character in self.series + self.image):
            raise ValueError("the id of an image or its series is no text")
        if type(self.frame) is not int or not 1 <= self.frame < NUMBER_MAX:
            raise ValueError(f"frames are counted from 1, not {self.frame!r}")
        if {type(edge) for edge in (self.left, self.top, self.right, self.bottom)} != {int}:
            raise ValueError("a region is given in whole pixels")
        _require_area(self.left, self.top, self.right, self.bottom)


def _require_area(left: float, top: float, right: float, bottom: float) -> None:
    edges = (left, top, right, bottom)
    if any(type(edge) not in (int, float) or not -NUMBER_MAX < edge < NUMBER_MAX for edge in edges):
        raise ValueError(f"every edge of a box is a number below {NUMBER_MAX:,}")
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(f"a box from {left}, {top} to {right}, {bottom} holds nothing")


Region: TypeAlias = PageBox | ImageRegion
"""Where on a page or in an image the characters of a passage were read."""

Locator: TypeAlias = Characters | Region

_REGIONS: Mapping[object, type[Region]] = {"page_box": PageBox, "image_region": ImageRegion}


def locator_record(locator: Locator) -> dict[str, Any]:
    """As JSON has it: the fields, and `kind` to tell which."""
    return asdict(locator)


def record_fields(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """For `dataclasses.asdict` of passages and citations: `region` is called `locator` there, and left out for text,
    whose place is `start` and `end`; as is the title of what has none."""
    return {
        "locator" if name == "region" else name: value
        for name, value in fields
        if (name, value) not in (("region", None), ("title", ""))
    }


def region_from(record: object) -> Region:
    """What `locator_record` made of a region. Raises ValueError for anything else: characters too, which are kept as
    `start` and `end`."""
    if not isinstance(record, dict):
        raise ValueError("a place is a JSON object")
    fields = dict(record)
    kind = fields.pop("kind", None)
    made = _REGIONS.get(kind) if isinstance(kind, str) else None
    if made is None:
        raise ValueError(f"places of kind {kind!r} are not known")
    try:
        return made(**fields)
    except TypeError:
        raise ValueError(f"these are not the fields of a {kind}: {', '.join(sorted(fields))}") from None


def in_words(locator: Locator, *, dash: str = "-") -> str:
    """For people: "characters 12-46", "page 3", "image 1.2.840.1, frame 2, pixels 10,20-50,60"."""
    match locator:
        case Characters(start, end):
            return f"characters {start}{dash}{end}"
        case PageBox(page):
            return f"page {page}"
        case ImageRegion(_, image, frame, left, top, right, bottom):
            return f"image {_shown(image)}, frame {frame}, pixels {left},{top}{dash}{right},{bottom}"


def _shown(written: str) -> str:
    """An id as a line of text: what would move a terminal's cursor, or turn the line round, is written as its code."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in written)
