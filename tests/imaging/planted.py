"""An image of Anna Mitchell that tells who she is in every place where real ones do, and how to look for her.

`PLANTED` are the identifiers; each stands in a place of its own: a test that finds one knows where it came from.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Extension
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from tests.imaging import samples

from pydicom.dataelem import DataElement  # isort: skip  after samples, which loads the libraries
from pydicom.dataset import Dataset, FileMetaDataset  # isort: skip
from pydicom.sequence import Sequence  # isort: skip
from pydicom.uid import ExplicitVRLittleEndian  # isort: skip

PATIENT_ID = "MRN7734512"
UID_ROOT = "1.2.840.99999.4711"
STUDY_UID, SERIES_UID, INSTANCE_UID = f"{UID_ROOT}.1", f"{UID_ROOT}.1.2", f"{UID_ROOT}.1.2.3"
FRAME_UID, DEVICE_UID = f"{UID_ROOT}.1.9", f"{UID_ROOT}.8"

PLANTED = {
    "PatientName": "MITCHELL",
    "first name": "ANNABELLA",
    "OtherPatientNames": "KOWALSKI",
    "PatientBirthName": "ZIELINSKA",
    "PatientMotherBirthName": "OTTERBACH",
    "ResponsiblePerson": "HALVORSEN",
    "ReferringPhysicianName": "QUISENBERRY",
    "PerformingPhysicianName": "ABERNATHY",
    "OperatorsName": "TECHNIKOWSKA",
    "ReadingPhysician": "VANDERMEERSCH",
    "ideographic name": "山田",
    "PatientBirthDate": "19560712",
    "PatientAddress": "17 Larkspur Crescent",
    "PatientTelephoneNumbers": "555-0173-884",
    "OtherPatientIDs": "SSN-219-09-9999",
    "nested OtherPatientIDsSequence": "INS-88213-X",
    "AccessionNumber": "ACC20260034",
    "StudyID": "STU55871",
    "AdmissionID": "ADM90317",
    "InstitutionName": "Baptist Sycamore Hospital",
    "InstitutionAddress": "900 Wexford Boulevard",
    "InstitutionalDepartmentName": "Pavilion Seventeen",
    "StationName": "STATIONQ7",
    "DeviceSerialNumber": "SER-44-1209",
    "PatientComments": "neighbour of Delacroix",
    "AdditionalPatientHistory": "seen after Rotterdam trip",
    "ImageComments": "copy to Fitzwilliam",
    "StudyComments": "billing code BQ-7781",
    "DerivationDescription": "derived for Ingersoll",
    "private text": "PRIVATEWORD77",
    "private name": "SECRETOWSKI",
    "private nested": "NESTEDPRIVATE5",
    "unknown public": "UNKNOWNPUBLIC8",
    "overlay comment": "OVERLAYWORD",
    "overlay label": "OVERLAYLABELX",
    "curve": "CURVEWORD99",
    "nested description": "operator Pemberton noted",
    "request attributes": "REQ-66102",
    "person identification": "IDENT-31337",
    "character string": "MITCHELLROOM",
    "preamble": "PREAMBLEWORD",
    "file meta": "AETITLEWORD",
    "content label": "Featherstone",
    "free text that no rule names": "walked in with Harrowgate",
    "name that no rule names": "EVALUATOROVA",
    "address that no rule names": "urn:x-ward:Northumberland",
    "bytes": "BYTESWORD",
    "name in description": "Zimmerlund",
    "title in description": "Grace",
}
"""Where it stands in a DICOM file to what stands there; more than forty."""

ELSEWHERE = {
    "PNG text": "Tarkovskaya",
    "PNG compressed text": "Bellinghamer",
    "PNG international text": "Castellanosa",
    "EXIF description": "Dombrowskier",
    "EXIF author in UTF-16": "Eisenbergova",
    "XMP creator": "Fitzpatrickson",
    "JPEG comment": "Gallagherova",
    "NIfTI descrip": "Hathawayson",
    "NIfTI aux_file": "Iglesiasova",
    "NIfTI db_name": "JANKOWSKI7",
    "NIfTI extension": "Kaczmarekova",
    "table description": "Lindqvistson",
    "table finding": "Montgomeryson",
    "table view": "Nightingaler",
    "table study": "STU-7788112",
    "table series": "SER-7788113",
}
"""The same of the other formats and of the table beside them."""


NAME = f"{PLANTED['PatientName']}, {PLANTED['first name']}"
COMMENT = f"{NAME} {ELSEWHERE['JPEG comment']}"
BURNED_IN = f"{NAME}  {PATIENT_ID}"


def planted_dataset(pixels: np.ndarray | None = None) -> Dataset:  # type: ignore[type-arg]
    """A chest film's data set with all of `PLANTED`; 8-bit grey, 32 x 32 unless `pixels` are given."""
    at = PLANTED
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", INSTANCE_UID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY_UID, SERIES_UID, FRAME_UID
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition, ds.ImageLaterality = "CR", "CHEST", "PA", "L"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = "20260305"
    ds.AcquisitionDateTime = "20260305081500.000000+0100"
    ds.StudyTime = "081500"
    ds.PatientName = f"{at['PatientName']}^{at['first name']}={at['ideographic name']}^花"
    ds.PatientID = PATIENT_ID
    ds.PatientSex, ds.PatientAge = "F", "069Y"
    ds.PatientBirthDate = at["PatientBirthDate"]
    ds.OtherPatientNames = f"{at['OtherPatientNames']}^ANNA"
    for name in ("PatientBirthName", "PatientMotherBirthName", "ResponsiblePerson"):
        setattr(ds, name, at[name])
    for name in ("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName"):
        setattr(ds, name, at[name])
    ds.NameOfPhysiciansReadingStudy = at["ReadingPhysician"]
    for name in (
        "PatientAddress",
        "PatientTelephoneNumbers",
        "OtherPatientIDs",
        "AccessionNumber",
        "StudyID",
    ):
        setattr(ds, name, at[name])
    for name in ("AdmissionID", "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName"):
        setattr(ds, name, at[name])
    for name in ("StationName", "DeviceSerialNumber", "PatientComments", "AdditionalPatientHistory"):
        setattr(ds, name, at[name])
    for name in ("ImageComments", "StudyComments", "DerivationDescription"):
        setattr(ds, name, at[name])
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = at["nested OtherPatientIDsSequence"], "TEXT"
    ds.OtherPatientIDsSequence = Sequence([other])
    ds.StudyDescription = f"CHEST PA for Dr. {at['title in description']}, {at['name in description']}"
    ds.SeriesDescription = "annabella Mitchell 19560712 portable"
    ds.DeviceUID = DEVICE_UID
    _plant_private(ds)
    _plant_groups(ds)
    _plant_nested(ds)
    _add_pixels(ds, np.zeros((32, 32), np.uint8) if pixels is None else pixels)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = INSTANCE_UID
    ds.file_meta.SourceApplicationEntityTitle = at["file meta"]
    ds.preamble = at["preamble"].encode().ljust(128, b"\0")
    return ds


def _plant_private(ds: Dataset) -> None:
    block = ds.private_block(0x0029, "ACME 1.1", create=True)
    block.add_new(0x01, "LO", PLANTED["private text"])
    block.add_new(0x02, "PN", PLANTED["private name"])
    inner = Dataset()
    inner.private_block(0x0031, "ACME 2.0", create=True).add_new(0x01, "SH", PLANTED["private nested"])
    block.add_new(0x03, "SQ", Sequence([inner]))
    ds.add(DataElement(0x00189FFE, "LO", PLANTED["unknown public"]))


def _plant_groups(ds: Dataset) -> None:
    ds.add_new(0x60000010, "US", 8)
    ds.add_new(0x60000011, "US", 8)
    ds.add_new(0x60003000, "OW", b"\xff" * 8)
    ds.add_new(0x60004000, "LT", PLANTED["overlay comment"])
    ds.add_new(0x60021500, "LO", PLANTED["overlay label"])
    ds.add_new(0x50000022, "LO", PLANTED["curve"])


def _plant_nested(ds: Dataset) -> None:
    step = Dataset()
    step.ScheduledProcedureStepDescription = PLANTED["nested description"]
    step.RequestedProcedureID = PLANTED["request attributes"]
    person = Dataset()
    person.PersonIdentificationCodeSequence = Sequence([_code(PLANTED["person identification"])])
    person.PersonName = "Ionescu^Radu"
    step.ContentCreatorIdentificationCodeSequence = Sequence([person])
    step.ReferencedSOPInstanceUID = INSTANCE_UID
    ds.RequestAttributesSequence = Sequence([step])
    kept = Dataset()
    kept.PixelPresentation = "MONOCHROME"
    kept.ContentLabel = PLANTED["content label"].upper()
    kept.ContentCreatorName = PLANTED["content label"]
    kept.FilterType = PLANTED["character string"]
    kept.ReferencedFrameOfReferenceUID = FRAME_UID
    ds.ViewCodeSequence = Sequence([kept])
    ds.ReferenceLocationDescription = PLANTED["free text that no rule names"]
    ds.EvaluatorName = PLANTED["name that no rule names"]
    ds.CodingSchemeURL = PLANTED["address that no rule names"]
    ds.RecordKey = PLANTED["bytes"].encode() + b"\0"


def _code(value: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "99X", value
    return code


def _add_pixels(ds: Dataset, pixels: np.ndarray) -> None:  # type: ignore[type-arg]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = pixels.tobytes()


def planted_film() -> np.ndarray:  # type: ignore[type-arg]
    """A grey film with the patient's name and number burned in at the top, and marks of side and position below."""
    ramp = np.add.outer(np.arange(320), np.arange(420)) / 740 * 90
    film = Image.fromarray(ramp.astype(np.uint8))
    pen = ImageDraw.Draw(film)
    for at, text, size in (((10, 12), BURNED_IN, 22), ((10, 250), "PORTABLE", 20), ((390, 60), "L", 24)):
        pen.text(at, text, fill=235, font=ImageFont.load_default(size))
    return np.asarray(film)


def planted_files(folder: Path, pixels: np.ndarray | None = None) -> dict[str, Path]:  # type: ignore[type-arg]
    """A DICOM, a PNG, a JPEG and a NIfTI, each with identifiers wherever its format has room for text, in a folder that
    is called like the patient. By format."""
    folder = folder / f"{PLANTED['PatientName']}_{PLANTED['first name']}"
    folder.mkdir()
    pixels = samples.grey() if pixels is None else pixels
    content = {
        "dicom": samples.written(planted_dataset(pixels)),
        "png": samples.picture(pixels, "PNG", pnginfo=_png_chunks(), exif=_exif()),
        "jpg": samples.picture(
            pixels, "JPEG", quality=95, exif=_exif(), comment=COMMENT.encode(), xmp=_xmp()
        ),
        "nifti": _nifti(pixels),
    }
    ends = {"dicom": "dcm", "nifti": "nii"}
    paths = {kind: folder / f"{PLANTED['OtherPatientNames']} 1.{ends.get(kind, kind)}" for kind in content}
    for kind, path in paths.items():
        path.write_bytes(content[kind])
        assert PLANTED["PatientName"].encode() in content[kind], kind
    return paths


def _png_chunks() -> PngInfo:
    chunks = PngInfo()
    chunks.add_text("Patient", NAME)
    chunks.add_text("Comment", f"{NAME} {PLANTED['PatientBirthDate']}", zip=True)
    chunks.add_itxt("Description", f"{NAME} {PLANTED['ideographic name']}", "en", "Beschreibung")
    chunks.add_text("Author", ELSEWHERE["PNG text"])
    chunks.add_text("Source", ELSEWHERE["PNG compressed text"], zip=True)
    chunks.add_itxt("Title", ELSEWHERE["PNG international text"], "en", "Titel")
    return chunks


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = f"film of {NAME}, {ELSEWHERE['EXIF description']}"  # ImageDescription
    exif[0x013B] = PLANTED["OperatorsName"]  # Artist
    exif[0x8298] = PLANTED["InstitutionName"]  # Copyright
    exif[0x9C9D] = f"{NAME} {ELSEWHERE['EXIF author in UTF-16']}".encode("utf-16le")  # XPAuthor
    return exif.tobytes()


def _xmp() -> bytes:
    creator = f"{NAME} {ELSEWHERE['XMP creator']}"
    return f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><dc:creator>{creator}</dc:creator></x:xmpmeta>".encode()


def _nifti(pixels: np.ndarray) -> bytes:  # type: ignore[type-arg]
    image = nibabel.Nifti1Image(np.stack([pixels.T] * 3, axis=-1).astype(np.int16), np.diag([-1, -1, 1, 1]))
    image.header["descrip"] = f"{NAME} {ELSEWHERE['NIfTI descrip']}".encode()
    image.header["aux_file"] = ELSEWHERE["NIfTI aux_file"].encode()
    image.header["db_name"], image.header["intent_name"] = ELSEWHERE["NIfTI db_name"].encode(), b"ANNABELLA"
    address = f"{NAME} {PLANTED['PatientAddress']} {ELSEWHERE['NIfTI extension']}"
    image.header.extensions.append(Nifti1Extension("comment", address.encode()))
    content: bytes = image.to_bytes()
    return content


def found_in(text: str) -> list[str]:
    """The places, and the UIDs, whose words stand in a text, whatever their case and accents."""
    folded = _fold(text)
    words = {**PLANTED, "UID": UID_ROOT, **ELSEWHERE}
    return [where for where, planted in words.items() if _fold(planted) in folded]


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in plain if not unicodedata.combining(each))
