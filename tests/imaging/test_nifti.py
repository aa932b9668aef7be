"""NIfTI volumes: which slice, which way up, and what is refused."""

from __future__ import annotations

import gzip
from typing import Any

import nibabel
import numpy as np
import pytest

from pipeline.errors import UnreadableImage
from pipeline.imaging.limits import ImageLimits
from tests.imaging.samples import decoded, volume

SHAPE = (20, 30, 40)
RIGHT, FRONT, HEAD = np.meshgrid(*(np.arange(length) for length in SHAPE), indexing="ij")


def body() -> np.ndarray[Any, Any]:
    """Brightest at the patient's right, front and head, in that order of weight; axes run right, front, head."""
    return (100 * RIGHT + 10 * FRONT + HEAD).astype(np.int16)


def refused(content: bytes, **options: Any) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decoded(content, **options)
    return caught.value.kind


@pytest.mark.parametrize("thick", [0, 1, 2])
def test_the_plane_that_was_acquired_is_shown_as_radiologists_look(thick: int) -> None:
    sizes = [1.0, 1.0, 1.0]
    sizes[thick] = 3.0
    frame = decoded(volume(body(), np.diag([*sizes, 1.0]))).frame
    middle = np.take(body(), SHAPE[thick] // 2, axis=thick)
    assert frame.remarks["plane"] == ("sagittal", "coronal", "axial")[thick]
    assert (frame.number, frame.count) == (SHAPE[thick] // 2 + 1, SHAPE[thick])
    shown = frame.rendering.pixels
    assert (frame.rows, frame.columns) == middle.T.shape
    assert shown[0].mean() > shown[-1].mean()
    assert shown[:, 0].mean() > shown[:, -1].mean()


def test_a_volume_stored_the_other_way_round_looks_the_same() -> None:
    plain = decoded(volume(body())).frame.rendering.pixels
    turned = volume(body()[::-1, :, ::-1], np.diag([-1.0, 1.0, -1.0, 1.0]))
    swapped_axes = np.eye(4)[:, [2, 0, 1, 3]]
    swapped = volume(np.ascontiguousarray(body().transpose(2, 0, 1)), swapped_axes)
    for content in (turned, swapped):
        assert abs(decoded(content).frame.rendering.pixels.astype(int) - plain).max() <= 1


def test_compressed_second_version_other_byte_order_and_time_series() -> None:
    plain = decoded(volume(body())).frame.rendering.pixels
    series = np.stack([body(), body() * 0], axis=-1)
    big = nibabel.Nifti1Image(body(), np.eye(4), nibabel.Nifti1Header(endianness=">"))
    contents = [gzip.compress(volume(body())), volume(body(), second=True), volume(series), big.to_bytes()]
    for content in contents:
        assert (decoded(content).frame.rendering.pixels == plain).all()
    assert decoded(volume(series)).frame.remarks["volume"] == "1 of 2"


def test_the_header_scales_and_windows() -> None:
    made = nibabel.Nifti1Image(body(), np.eye(4))
    made.header.set_slope_inter(2.0, 5.0)
    made.header["cal_min"], made.header["cal_max"] = 1000, 3000
    assert decoded(made.to_bytes()).frame.rendering.window == (2000.0, 2000.0)


def test_values_that_are_none_are_black() -> None:
    values = body().astype(np.float32)
    values[10, 15] = np.nan
    assert decoded(volume(values)).frame.rendering.pixels[30 - 1 - 15, 20 - 1 - 10] == 0


def test_a_slice_by_its_number() -> None:
    assert decoded(volume(body()), frame=1).frame.number == 1
    assert refused(volume(body()), frame=41) == "header"


def test_what_is_refused() -> None:
    labels = nibabel.Nifti1Image((body() > 900).astype(np.uint8), np.eye(4))
    labels.header["intent_code"] = 1002
    whole = volume(body())
    lie = bytearray(whole)
    lie[40:56] = np.array([3, 30_000, 30_000, 30_000, 1, 1, 1, 1], "<i2").tobytes()
    colours = nibabel.Nifti1Image(np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]), np.eye(4))
    for content, kind in [
        (volume((body() > 900).astype(np.uint8)), "mask"),
        (labels.to_bytes(), "mask"),
        (whole[:-100], "truncated"),
        (whole[:200], "other-format"),
        (gzip.compress(whole)[:500], "damaged"),
        (bytes(lie), "too-large"),
        (colours.to_bytes(), "header"),
        (volume(body().astype(np.complex64)), "header"),
        (volume(body()[:, :, :1][:4]), "too-small"),
        (nibabel.Nifti1Pair(body(), np.eye(4)).header.binaryblock, "nifti-pair"),
    ]:
        assert refused(content) == kind, kind
    assert refused(gzip.compress(b"\0" * 10_000_000)) == "not-an-image"
    assert refused(whole, limits=ImageLimits(inflated_bytes_max=1000)) == "too-large"
