"""Which DICOM objects are pictures of a patient, and what to do with those that are not.

Decides by the SOP class, and where there is none by the modality. A class that is not in the table is an image where it
has pixels. Knows no pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.errors import UnreadableImage

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of object that is no film."""

    kind: str
    name: str
    remedy: str


_PLAN = ObjectKind(
    "rt", "a radiotherapy object", "Leave it with the planning system; index the CT or MR that it refers to."
)
_DOSE = ObjectKind(
    "rt-dose",
    "a radiotherapy dose grid",
    "Leave it with the planning system; index the CT that it refers to.",
)
_REPORT = ObjectKind(
    "structured-report", "a structured report", "Index its text as a note, and the images that it refers to."
)
_SELECTION = ObjectKind(
    "key-object-selection", "a selection of key images", "Index the images that it names."
)
_WAVEFORM = ObjectKind("waveform", "a waveform", "Index its report as a note; curves are not searched.")
_SEGMENTATION = ObjectKind(
    "segmentation", "a segmentation", "Index the images that it was drawn on; masks are not searched."
)
_DOCUMENT = ObjectKind(
    "encapsulated-document", "a document in a DICOM envelope", "Take the document out and index it as a note."
)
_PRESENTATION = ObjectKind(
    "presentation-state",
    "a presentation state",
    "Index the images that it shows; its windows are not applied.",
)
_MAP = ObjectKind("parametric-map", "a map of computed values", "Index the images that it was computed from.")
_RAW = ObjectKind("raw-data", "raw data of a scanner", "Index the images that were reconstructed from it.")
_REGISTRATION = ObjectKind(
    "registration", "a registration or marks of positions", "Index the images that it refers to."
)
_MEASUREMENTS = ObjectKind("measurements", "a table of measurements", "Index its report as a note.")
_PROTOCOL = ObjectKind("protocol", "a protocol, a template or a list", "Leave it out; it shows no patient.")
_SLIDE = ObjectKind(
    "whole-slide", "a whole slide, stored as tiles", "Export a region or an overview as an image of its own."
)
_VIDEO = ObjectKind("video", "a video", "Export single frames as images of their own.")
_DIRECTORY = ObjectKind(
    "dicomdir",
    "the directory of a DICOM medium",
    "Name the folder: the files that it lists are read from there.",
)
_SURFACE = ObjectKind("surface", "a surface or a track", "Index the images that it was computed from.")

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_ROOTS: Final[dict[str, ObjectKind | None]] = {
    "1.2.840.10008.1.3.10": _DIRECTORY,
    "1.2.840.10008.5.1.1.27": _PRESENTATION,
    "1.2.840.10008.5.1.4.34": _PLAN,
    "1.2.840.10008.5.1.4.38": _PROTOCOL,
    "1.2.840.10008.5.1.4.39": _PROTOCOL,
    "1.2.840.10008.5.1.4.43": _PROTOCOL,
    "1.2.840.10008.5.1.4.44": _PROTOCOL,
    "1.2.840.10008.5.1.4.45": _PROTOCOL,
    **{
        _STORAGE + end: kind
        for end, kind in {
            "4.2": _RAW,
            "8": _PRESENTATION,
            "9": _WAVEFORM,
            "10": _PRESENTATION,
            "11": _PRESENTATION,
            "30": _MAP,
            "66": _RAW,
            "66.1": _REGISTRATION,
            "66.2": _REGISTRATION,
            "66.3": _REGISTRATION,
            "66.4": _SEGMENTATION,
            "66.5": _SEGMENTATION,
            "66.6": _SURFACE,
            "67": _PROTOCOL,
            "68": _SURFACE,
            "77.1.1.1": _VIDEO,
            "77.1.2.1": _VIDEO,
            "77.1.4.1": _VIDEO,
            "77.1.5.3": _MEASUREMENTS,
            "77.1.6": _SLIDE,
            "77.1.9": _SLIDE,
            "78": _MEASUREMENTS,
            "79": _MEASUREMENTS,
            "80": _MEASUREMENTS,
            "81": _MAP,
            "82": _MAP,
            "88": _REPORT,
            "88.59": _SELECTION,
            "90": _REPORT,
            "91": _SEGMENTATION,
            "104": _DOCUMENT,
            "129": _WAVEFORM,
            "131": _PROTOCOL,
            "200": _PROTOCOL,
            "201": _PROTOCOL,
            "481": _PLAN,
            "481.1": None,  # a film of the treated field
            "481.2": _DOSE,
            "481.23": None,
            "481.24": None,
        }.items()
    },
}
"""By the beginning of the SOP class; the longest counts. None: an image among objects that are none."""

_MODALITIES: Final = {
    "RTPLAN": _PLAN,
    "RTSTRUCT": _PLAN,
    "RTRECORD": _PLAN,
    "RTDOSE": _DOSE,
    "SR": _REPORT,
    "KO": _SELECTION,
    "PR": _PRESENTATION,
    "SEG": _SEGMENTATION,
    "ECG": _WAVEFORM,
    "HD": _WAVEFORM,
    "DOC": _DOCUMENT,
    "REG": _REGISTRATION,
}

_VIDEO_SYNTAXES: Final = ("1.2.840.10008.1.2.4.10", "1.2.840.10008.1.2.7")
"""MPEG and H.264 begin with the first (100 to 108), live video with the second."""

KINDS: Final = tuple(
    sorted(
        {kind.kind: kind for kind in [*_ROOTS.values(), *_MODALITIES.values()] if kind}.values(),
        key=lambda kind: kind.kind,
    )
)
"""All that are refused, for the documentation."""


def require_picture(dataset: Dataset, transfer_syntax: str) -> None:
    """Raises UnreadableImage, with the kind and what to do, where `dataset` is no picture of a patient."""
    kind = _kind_of(dataset)
    if kind is None and transfer_syntax.startswith(_VIDEO_SYNTAXES):
        kind = _VIDEO
    if kind is not None:
        raise UnreadableImage(f"The DICOM object is {kind.name}.", remedy=kind.remedy, kind=kind.kind)


def _kind_of(dataset: Dataset) -> ObjectKind | None:
    meta = getattr(dataset, "file_meta", None) or {}
    sop_class = str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "").strip()
    parts = sop_class.split(".")
    for length in range(len(parts), 0, -1):
        found = ".".join(parts[:length])
        if found in _ROOTS:
            return _ROOTS[found]
    if "DirectoryRecordSequence" in dataset:
        return _DIRECTORY
    return None if sop_class else _MODALITIES.get(str(dataset.get("Modality") or "").strip().upper())
