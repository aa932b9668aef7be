"""Values of the development images in a volume, held against those that pydicom and nibabel read."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from pipeline.errors import UnreadableImage
from pipeline.imaging.files import ImageFile
from pipeline.imaging.viewing.volumes import VolumeView, view_volume
from tests.conftest import SHARED_DATA
from tests.indexing.images.films import OPTIONS

IMAGES = SHARED_DATA / "images"


def files(pattern: str) -> list[Path]:
    return sorted(IMAGES.glob(pattern)) if IMAGES.is_dir() else []


def shown(path: Path) -> NDArray[Any] | None:
    """Axes along columns, rows and planes; None for colours and for what is refused."""
    digest = sha256(path.read_bytes()).hexdigest()
    try:
        made = view_volume(VolumeView(((ImageFile(path), digest),)), OPTIONS.reading)
    except UnreadableImage:
        return None
    volume = nibabel.Nifti1Image.from_bytes(made.content)
    return None if volume.get_data_dtype().names else np.asarray(volume.dataobj, dtype=np.float64)


@pytest.mark.shared
@pytest.mark.skipif(not IMAGES.is_dir(), reason="needs the development data")
def test_grey_dicom_has_the_values_that_pydicom_reads() -> None:
    compared = 0
    for path in files("dicom/*.dcm"):
        if (values := shown(path)) is None:
            continue
        header = pydicom.dcmread(path, force=True)
        expected = pydicom.pixels.apply_rescale(header.pixel_array, header)
        assert (expected == values[:, :, 0].T).all(), path.name
        compared += 1
    assert compared >= 6


@pytest.mark.shared
@pytest.mark.skipif(not IMAGES.is_dir(), reason="needs the development data")
def test_nifti_has_the_values_and_the_place_that_nibabel_reads() -> None:
    compared = 0
    for path in files("nifti/*.nii*"):
        values, expected = shown(path), np.asarray(nibabel.load(path).dataobj)
        assert values is not None
        first = expected[..., 0] if expected.ndim == 4 else expected
        assert np.allclose(values, first, rtol=1e-6), path.name
        compared += 1
    assert compared >= 4
