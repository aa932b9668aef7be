"""One deployment's de-identification: the key and the settings, put to work on one image after another.

Decides nothing itself: it hands each part of an image to the file that knows it, and gives back what may leave the
reading. It can be sent to another process; its key stays out of every text that it gives or that is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.config import DeidentificationSettings
from pipeline.imaging.deidentification.dates import DateLoss, PatientDates, dates_of
from pipeline.imaging.deidentification.elements import readable_element, texts_of
from pipeline.imaging.deidentification.free_text import (
    harmless_code,
    is_harmless_label,
    keep_harmless_words,
)
from pipeline.imaging.deidentification.header import HeaderRules
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.pixel_text import (
    UNKNOWN_MODALITY,
    Need,
    PixelCheck,
    check_pixels,
    need_of,
)
from pipeline.imaging.deidentification.pseudonyms import map_patient_id, map_uid, token_for
from pipeline.imaging.deidentification.source_names import clean_source
from pipeline.imaging.deidentification.text_recognition import TextReader, installed_reader
from pipeline.imaging.libraries import load_libraries, without_warnings
from pipeline.imaging.records import ImageFormat, Rendering

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NUMBERS = re.compile(r"[-+.\de ]{1,64}", re.IGNORECASE)
_NUMBER_KEYWORDS: Mapping[str, str] = {
    "series_number": "SeriesNumber",
    "instance_number": "InstanceNumber",
    "pixel_spacing": "PixelSpacing",
    "slice_thickness": "SliceThickness",
    "kvp": "KVP",
}
_DATES = ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate", "AcquisitionDateTime")
"""The first that is there is the image's: the day of the examination before that of a copy."""


@dataclass(frozen=True, slots=True)
class CleanHeader:
    """What of a DICOM header may leave the reading; the fields are called as those of `ImageDescription`."""

    dataset: Dataset
    """Without pixels, with the flags of the method: for who writes a file of it."""
    identifiers: Identifiers
    """Must not leave: what else of this image is searched for."""
    patient_id: str
    image_id: str
    series_id: str
    study_id: str
    modality: str
    body_part: str
    view: str
    laterality: str
    description: str
    date: str | None
    date_loss: DateLoss
    burned_in: str
    """"YES", "NO" or "", as the header says of text in the pixels."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deidentifier:
    """What a deployment takes out of its images. Can be sent to other processes."""

    key: DeidentificationKey
    settings: DeidentificationSettings = field(default_factory=DeidentificationSettings)
    reader: TextReader | None = None
    """Who reads text in pixels; None: the extra `ocr`, where it is installed."""

    def clean(self, dataset: Dataset, *, patient_id: str | None = None) -> CleanHeader:
        """A header's fields as they may be given. `patient_id`: as other metadata has it, where the header's is not the
        chart's.

        Raises DeidentificationUnavailable where the table of the profile is not installed.
        """
        load_libraries()
        with without_warnings():
            return self._clean(dataset, patient_id)

    def _clean(self, dataset: Dataset, patient_id: str | None) -> CleanHeader:
        identifiers = Identifiers.of_dataset(dataset)
        patient = patient_id if patient_id is not None else _text(dataset, "PatientID")
        rules = HeaderRules(
            self.settings,
            identifiers,
            self.dates_of(patient or _text(dataset, "StudyInstanceUID")),
            self.patient_id(patient),
            self.uid,
        )
        return _header(rules.clean(dataset), identifiers, _date_loss(dataset, rules.dates))

    def patient_id(self, given: str) -> str:
        """A patient's id as it may be given."""
        plain = given.strip()
        return map_patient_id(self.key, plain) if self.settings.patient_id == "map" else plain

    def uid(self, given: str) -> str:
        """A DICOM UID as it may be given: the same for every object of a study."""
        load_libraries()
        return map_uid(self.key, given) if self.settings.uids == "map" else given.strip("\0 ")

    def token(self, given: str) -> str:
        """A code for any other text, by which two are seen to be the same."""
        return token_for(self.key, given)

    def dates_of(self, patient: str) -> PatientDates:
        """What is done with the dates of the patient whose id, as it was read, is given."""
        return dates_of(self.key, patient, self.settings.dates, self.settings.shift_days_max)

    def text(self, written: str, identifiers: Identifiers) -> str:
        """A description as it may be given."""
        if self.settings.descriptions == "remove":
            return ""
        return keep_harmless_words(written, identifiers)

    def findings(self, labels: Iterable[str], identifiers: Identifiers) -> tuple[str, ...]:
        """Labels as they may be given: whole or not at all, because half a finding is another finding."""
        plain = (" ".join(label.split()) for label in labels)
        return tuple(label for label in plain if label and is_harmless_label(label, identifiers))

    def code(self, written: str, identifiers: Identifiers) -> str:
        """A modality, a part of the body, a view or a side as it may be given."""
        return harmless_code(written, identifiers)

    def pixels(
        self,
        rendering: Rendering,
        *,
        image_id: str,
        identifiers: Identifiers,
        source_format: ImageFormat,
        modality: str = "",
        said_modality: str = "",
        burned_in: str = "",
    ) -> tuple[Rendering, PixelCheck]:
        """A rendering as it may be given, and what was done to know it. `modality`, `burned_in`: as `CleanHeader` has
        them; `said_modality`: a table's, which may add to the care that the image's own asks for and takes nothing from
        it; `image_id`: any id that stays the same. A volume (NIfTI) of no modality is no export of a screen.

        Raises UnreadableImage where the image is refused, DeidentificationUnavailable where the reader is not sound.
        """
        need = self.need(
            image_id=image_id,
            source_format=source_format,
            modality=modality,
            said_modality=said_modality,
            burned_in=burned_in,
        )
        wanted = need != "no" and self.settings.pixel_text != "keep"
        reader = self.reader or (installed_reader() if wanted else None)
        with without_warnings():
            checked = check_pixels(
                rendering.pixels,
                need=need,
                says_burned_in=burned_in == "YES",
                settings=self.settings,
                reader=reader,
                identifiers=identifiers,
            )
        return Rendering(checked.pixels, rendering.window), checked.check

    def need(
        self,
        *,
        image_id: str,
        source_format: ImageFormat,
        modality: str = "",
        said_modality: str = "",
        burned_in: str = "",
    ) -> Need:
        """Whether text in an image's pixels is looked for; the arguments as `pixels` has them."""
        kind = modality or ("" if source_format == "nifti" else UNKNOWN_MODALITY)
        need = need_of(kind, burned_in, self.settings, self.key, image_id)
        if need != "must" and said_modality:
            need = need_of(said_modality, burned_in, self.settings, self.key, image_id)
        return need

    def source(self, path: str, identifiers: Identifiers, *, patient_id: str = "", inside: str = "") -> str:
        """A path as it may be given, as `clean_source` has it; `patient_id` as it was read, which may stand in a path
        where the settings keep it."""
        if self.settings.source_names == "keep":
            return path
        kept = self.settings.patient_id == "keep"
        return clean_source(
            path,
            key=self.key,
            identifiers=identifiers.without_id(patient_id) if kept else identifiers,
            inside=inside,
            dates_stay=self.settings.dates == "keep",
            uids_stay=self.settings.uids == "keep",
        )


def _header(cleaned: Dataset, identifiers: Identifiers, date_loss: DateLoss) -> CleanHeader:
    return CleanHeader(
        dataset=cleaned,
        identifiers=identifiers,
        patient_id=_text(cleaned, "PatientID"),
        image_id=_text(cleaned, "SOPInstanceUID"),
        series_id=_text(cleaned, "SeriesInstanceUID"),
        study_id=_text(cleaned, "StudyInstanceUID"),
        modality=_code(cleaned, "Modality", identifiers),
        body_part=_code(cleaned, "BodyPartExamined", identifiers),
        view=_code(cleaned, "ViewPosition", identifiers),
        laterality=_code(cleaned, "ImageLaterality", identifiers)
        or _code(cleaned, "Laterality", identifiers),
        description=_description(cleaned),
        date=_date(cleaned),
        burned_in=_code(cleaned, "BurnedInAnnotation", Identifiers()),
        date_loss=date_loss,
        metadata=_metadata(cleaned),
    )


def _metadata(cleaned: Dataset) -> dict[str, str]:
    found = {name: _text(cleaned, keyword) for name, keyword in _NUMBER_KEYWORDS.items()}
    numbers = {name: text for name, text in found.items() if _NUMBERS.fullmatch(text)}
    kind = keep_harmless_words(_text(cleaned, "ImageType"), Identifiers())
    return {**numbers, **({"image_type": kind} if kind else {})}


def _description(cleaned: Dataset) -> str:
    """The study's and the series' description, each once."""
    texts = (_text(cleaned, keyword) for keyword in ("StudyDescription", "SeriesDescription"))
    return ", ".join(dict.fromkeys(filter(None, texts)))


def _date(cleaned: Dataset) -> str | None:
    dates = (_text(cleaned, keyword) for keyword in _DATES)
    return next((f"{each[:4]}-{each[4:6]}-{each[6:8]}" for each in dates if each), None)


def _date_loss(dataset: Dataset, dates: PatientDates) -> DateLoss:
    """Why none of the dates of the header is given; "" where one is."""
    written = [_text(dataset, keyword) for keyword in _DATES]
    if any(dates.iso(each) for each in written):
        return ""
    return next(filter(None, map(dates.loss, written)), "")


def _code(dataset: Dataset, keyword: str, identifiers: Identifiers) -> str:
    return harmless_code(_text(dataset, keyword), identifiers)


def _text(dataset: Dataset, keyword: str) -> str:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    element = readable_element(dataset, tag) if tag is not None else None
    return " ".join(texts_of(element)) if element is not None else ""
