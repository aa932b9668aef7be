"""A phantom as a DICOM file, compressed without loss.

Decides what a header says besides what the examination says: that the image is a phantom, that no text is in its
pixels, and ids that are the same at every run. Refuses to know what is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.libraries import load_libraries

CLASSES = {
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
}
JPEG_LS = "1.2.840.10008.1.2.4.80"
AIR = -1024
"""What the value 0 stands for in CT."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is said of an image. Two images with the same `study` and `modality` are of one series."""

    patient_id: str
    patient_name: str
    study: str
    modality: str
    body_part: str
    view: str = ""
    laterality: str = ""
    date: str = ""
    """YYYY-MM-DD, or "" where no day is known."""
    description: str = ""
    number: int = 1
    spacing: float = 1.0
    """Millimetres from pixel to pixel."""
    between_slices: float = 0.0
    """Millimetres from slice to slice; 0 for what is no series."""
    window: tuple[float, float] = (0.0, 0.0)


def write_dicom(path: Path, pixels: NDArray[Any], header: Header) -> None:
    """`pixels`, shape (rows, columns), to a file; the same bytes for the same input."""
    load_libraries()
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _identify(made, header)
    _describe(made, header)
    _place(made, header)
    _fill(made, pixels, header)
    made.compress(JPEG_LS, generate_instance_uid=False)
    made.save_as(path, enforce_file_format=True)


def _identify(made: Any, header: Header) -> None:
    made.SOPClassUID = CLASSES[header.modality]
    made.StudyInstanceUID = _uid("study", header.study)
    made.SeriesInstanceUID = _uid("series", header.study, header.modality)
    made.SOPInstanceUID = _uid("image", header.study, header.modality, str(header.number))
    made.PatientID, made.PatientName = header.patient_id, header.patient_name
    made.PatientBirthDate, made.PatientSex, made.StudyID, made.AccessionNumber = "", "", "", ""
    made.ReferringPhysicianName = ""
    made.SeriesNumber, made.InstanceNumber = 1, header.number
    made.StudyDate, made.StudyTime = header.date.replace("-", ""), ""


def _uid(*parts: str) -> str:
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=["chartwell phantom", *parts])


def _describe(made: Any, header: Header) -> None:
    made.Modality, made.BodyPartExamined = header.modality, header.body_part
    made.ImageType = ["DERIVED", "PRIMARY"]
    made.BurnedInAnnotation = "NO"
    made.StudyDescription = header.description
    made.Manufacturer = "Chartwell"
    made.ImageComments = "Synthetic phantom, drawn by a script. It shows no one."
    if header.view:
        made.ViewPosition = header.view
    if header.laterality:
        made.ImageLaterality = header.laterality


def _place(made: Any, header: Header) -> None:
    made.PixelSpacing = [header.spacing, header.spacing]
    if header.between_slices:
        made.SliceThickness = header.between_slices
        made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        made.ImagePositionPatient = [0, 0, -header.between_slices * (header.number - 1)]
        made.FrameOfReferenceUID = _uid("frame of reference", header.study)


def _fill(made: Any, pixels: NDArray[Any], header: Header) -> None:
    offset = AIR if header.modality == "CT" else 0
    stored = np.clip(pixels.astype(np.int32) - offset, 0, None).astype("<u2")
    made.Rows, made.Columns = stored.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.PixelRepresentation = 16, 0
    made.BitsStored = 10 if stored.max() < 2**10 else 12
    made.HighBit = made.BitsStored - 1
    if header.modality == "CT":
        made.RescaleIntercept, made.RescaleSlope, made.RescaleType = offset, 1, "HU"
    made.WindowCenter, made.WindowWidth = header.window
    made.PixelData = stored.tobytes()
    made["PixelData"].VR = "OW"
