"""One image file to what may leave the reading: a rendered frame and its cleaned description.

Decides which of two sources says what of an image, the header or the row of a table beside it: the row, because it was
written for this collection; where it is silent, the header. Where the two name two patients, the image is refused.
Everything passes de-identification here, and nothing else of the file is given on. An image without a patient is read,
as a question may be: who stores it refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from pipeline.errors import ChartwellError, UnreadableImage
from pipeline.imaging.decoding import DecodedImage, DecodingOptions, decode_image
from pipeline.imaging.deidentification.dates import DateLoss
from pipeline.imaging.deidentification.deidentifier import CleanHeader, Deidentifier
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.pixel_text import PixelCheck
from pipeline.imaging.files import ImageFile, ImageMetadata, open_image
from pipeline.imaging.records import (
    DATE_LEFT_OUT,
    ISSUER,
    LEFT_OUT,
    ImageDescription,
    ImageFormat,
    MedicalImage,
    Rendering,
)
from pipeline.logs import LOGGER, fault_fields
from pipeline.text.ids import ID_CHARACTERS_MAX, is_no_header_id, is_no_image_id, is_rounded

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_HASH_AS_ID: Final = 32
"""Hex digits of the content hash that stand for an id where there is none."""
_UID: Final = re.compile(r"\d+(?:\.\d+){3,}")
_CODES: Final = ("modality", "body_part", "view", "laterality")


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How images are read, for all images of a run."""

    deidentifier: Deidentifier
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    patient_from: Literal["both", "table"] = "both"
    """table: a row's patient alone counts; that of a header is another archive's."""


def read_image(file: ImageFile, options: ReadingOptions) -> MedicalImage:
    """The image at `file`, cleaned. Raises UnreadableImage where it is not taken, SettingsInvalid where the libraries
    are missing, DeidentificationUnavailable where it cannot be cleaned, MemoryError where it needs too much to be."""
    with open_image(file, options.decoding.limits) as stream:
        decoded = decode_image(stream, options.decoding)
    try:
        patient = _patient(file.metadata.patient_id, decoded, options.patient_from)
        return _image(file, decoded, patient, options.deidentifier)
    except (ChartwellError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  whatever a header may set off, the next image has another one
        raise image_fault(error) from None


def image_fault(error: Exception) -> UnreadableImage:
    """What a fault of this program costs: the image that set it off. Its words may quote the header, and go nowhere."""
    fault = fault_fields(error)
    LOGGER.error("a fault of this program over an image", extra=fault)
    return UnreadableImage(
        "The image could not be read, because of a fault in this program.",
        remedy=f"It is a {fault['error']} at {fault['place']}: report that. The other images are not touched.",
        kind="fault",
    )


def _image(file: ImageFile, decoded: DecodedImage, patient: str, deidentifier: Deidentifier) -> MedicalImage:
    header, identifiers = _cleaned(decoded.dataset, file.metadata, patient, deidentifier)
    description = _description(file, decoded, patient, deidentifier, header, identifiers)
    rules = _rules(decoded, header, identifiers, description.modality)
    rendering, check = rules.clean(decoded.frame.rendering, deidentifier)
    return MedicalImage(
        replace(description, metadata={**description.metadata, "pixel_text": check}), rendering
    )


@dataclass(frozen=True, slots=True)
class PixelRules:
    """What decides whether text in the pixels of one image is looked for, and what must not stand in it."""

    content_hash: str
    source_format: ImageFormat
    modality: str
    said_modality: str
    burned_in: str
    identifiers: Identifiers

    def clean(self, rendering: Rendering, deidentifier: Deidentifier) -> tuple[Rendering, PixelCheck]:
        """A rendering of the image as it may be given. Raises as `Deidentifier.pixels`."""
        return deidentifier.pixels(
            rendering,
            image_id=self.content_hash,
            identifiers=self.identifiers,
            source_format=self.source_format,
            modality=self.modality,
            said_modality=self.said_modality,
            burned_in=self.burned_in,
        )

    def must_be_read(self, deidentifier: Deidentifier) -> bool:
        """Whether every picture of the image is looked at for text."""
        need = deidentifier.need(
            image_id=self.content_hash,
            source_format=self.source_format,
            modality=self.modality,
            said_modality=self.said_modality,
            burned_in=self.burned_in,
        )
        return need == "must" and deidentifier.settings.pixel_text != "keep"


def pixel_rules(
    dataset: Dataset | None,
    source_format: ImageFormat,
    content_hash: str,
    row: ImageMetadata,
    deidentifier: Deidentifier,
) -> PixelRules:
    """Those of an image whose header is `dataset`, where it is DICOM."""
    header, identifiers = _cleaned(dataset, row, row.patient_id, deidentifier)
    said = deidentifier.code(row.modality, identifiers) or header.modality
    return PixelRules(content_hash, source_format, header.modality, said, header.burned_in, identifiers)


def _rules(
    decoded: DecodedImage, header: CleanHeader | _NoHeader, identifiers: Identifiers, said_modality: str
) -> PixelRules:
    return PixelRules(
        decoded.content_hash,
        decoded.source_format,
        header.modality,
        said_modality,
        header.burned_in,
        identifiers,
    )


def _patient(of_row: str, decoded: DecodedImage, patient_from: Literal["both", "table"]) -> str:
    """Whose image it is, as it was read; "" where nothing says."""
    row, header = "" if is_no_image_id(of_row) else _sound_id(of_row.strip(), "table"), ""
    if decoded.dataset is not None:
        from pipeline.imaging.dicom import header_patient

        written = header_patient(decoded.dataset)
        header = "" if is_no_header_id(written) else _sound_id(written, "header")
    if patient_from == "table":
        return row  # another archive's id is no one's here, also where it is one of ours by chance
    if row and header and row != header:
        raise UnreadableImage(
            "The header names another patient than the table of metadata.",
            remedy="Correct the one that is wrong. Where the headers' ids are another archive's: "
            "CHARTWELL_IMAGE_READING__PATIENT_FROM=table.",
            kind="two-patients",
        )
    return row or header


def _sound_id(written: str, where: str) -> str:
    """The id as it is. Raises UnreadableImage where it can be no one's, or looks like another one's."""
    if is_rounded(written):
        what = "was rounded by a spreadsheet: digits are lost, and several ids have become one"
    elif len(written) > ID_CHARACTERS_MAX or not written.isprintable():
        what = f"is longer than {ID_CHARACTERS_MAX} characters, or holds characters that no one sees"
    else:
        return written
    raise UnreadableImage(
        f"The patient's id in the {where} {what}.",
        remedy="Correct it there; export the column of a table as text, and do not save it from a spreadsheet.",
        kind="patient-id",
    )


def _description(
    file: ImageFile,
    decoded: DecodedImage,
    patient: str,
    deidentifier: Deidentifier,
    header: CleanHeader | _NoHeader,
    identifiers: Identifiers,
) -> ImageDescription:
    row = file.metadata
    frame = decoded.frame
    kept = deidentifier.settings.patient_id == "keep"
    codes = {name: deidentifier.code(getattr(row, name), identifiers) for name in _CODES}
    findings = deidentifier.findings(row.findings, identifiers)
    left_out = sum(bool(getattr(row, name).strip()) and not code for name, code in codes.items())
    left_out += sum(bool(label.strip()) for label in row.findings) - len(findings)
    dates = deidentifier.dates_of(patient)
    date = dates.of_row(row.date) or header.date
    undated = "" if date else dates.loss(row.date) or header.date_loss
    open_to_all = identifiers.without_id(patient) if kept else identifiers
    return ImageDescription(
        image_id=header.image_id
        or _row_value(row.image_id, open_to_all)
        or decoded.content_hash[:_HASH_AS_ID],
        patient_id=deidentifier.patient_id(patient),
        source=deidentifier.source(file.written_source, identifiers, patient_id=patient, inside=file.inside),
        source_format=decoded.source_format,
        content_hash=decoded.content_hash,
        series_id=_mapped(row.series_id, patient, deidentifier) or header.series_id,
        study_id=_mapped(row.study_id, patient, deidentifier) or header.study_id,
        modality=codes["modality"] or header.modality,
        body_part=codes["body_part"] or header.body_part,
        view=codes["view"] or header.view,
        laterality=codes["laterality"] or header.laterality,
        description=deidentifier.text(row.description, identifiers) or header.description,
        date=date,
        rows=frame.rows,
        columns=frame.columns,
        frame=frame.number,
        frames=frame.count,
        report_id=row.report_id.strip() or None,
        findings=findings,
        domain=row.domain.strip() or None,
        encounter_id=row.encounter_id.strip() or None,
        metadata={
            **header.metadata,
            **frame.remarks,
            **_window(decoded),
            **({LEFT_OUT: str(left_out)} if left_out else {}),
            **({DATE_LEFT_OUT: undated} if undated else {}),
            **_issuer(row, decoded, deidentifier),
            **({"date": "shifted"} if deidentifier.settings.dates == "shift" else {}),
        },
    )


@dataclass(frozen=True, slots=True)
class _NoHeader:
    """What a PNG, a JPEG or a NIfTI file says of its patient: nothing that is read."""

    patient_id: str = ""
    image_id: str = ""
    series_id: str = ""
    study_id: str = ""
    modality: str = ""
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    description: str = ""
    date: str | None = None
    date_loss: DateLoss = ""
    burned_in: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def _cleaned(
    dataset: Dataset | None, row: ImageMetadata, patient: str, deidentifier: Deidentifier
) -> tuple[CleanHeader | _NoHeader, Identifiers]:
    """The header as it may be given, and what must stand in nothing else."""
    known = Identifiers.of(ids=[patient, row.study_id, row.series_id])
    if dataset is None:
        return _NoHeader(), known
    header = deidentifier.clean(dataset, patient_id=patient)
    return header, header.identifiers.and_also(known)


def _row_value(written: str, identifiers: Identifiers) -> str:
    """A value of the row as it may be given; "" where it repeats what must not leave."""
    plain = " ".join(written.split())
    return "" if identifiers.are_in(plain) else plain


def _mapped(given: str, patient: str, deidentifier: Deidentifier) -> str:
    """A table's study or series. What is no UID may be a number that each patient has: theirs must not become one."""
    plain = given.strip()
    if not plain or deidentifier.settings.uids == "keep" or _UID.fullmatch(plain):
        return deidentifier.uid(plain) if plain else ""
    return deidentifier.uid(f"{patient}\n{plain}")


def _issuer(row: ImageMetadata, decoded: DecodedImage, deidentifier: Deidentifier) -> Mapping[str, str]:
    """Nothing where a table says whose image it is: it knows the ids of its collection."""
    if decoded.dataset is None or row.patient_id.strip():
        return {}
    from pipeline.imaging.dicom import header_issuer

    issuer = header_issuer(decoded.dataset)
    return {ISSUER: deidentifier.token(issuer)} if issuer else {}


def _window(decoded: DecodedImage) -> Mapping[str, str]:
    window = decoded.frame.rendering.window
    return {} if window is None else {"window": f"{window[0]:g} {window[1]:g}"}
