"""A frame through a window, and a volume of values: what is shown, what is masked, and what is left behind."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.config import DeidentificationSettings
from pipeline.errors import UnreadableImage
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.text_recognition import PixelText
from pipeline.imaging.files import ImageFile, ImageMetadata
from pipeline.imaging.reading import ReadingOptions
from pipeline.imaging.viewing.frames import FramePicture, FrameView, view_frame
from pipeline.imaging.viewing.planes import compact
from pipeline.imaging.viewing.volumes import VolumeFile, VolumeView, view_volume
from tests.imaging import samples

NAME = (slice(8, 14), slice(8, 40))
"""Rows and columns of the strip that stands for a name in these films."""
AIR, LUNG, TISSUE, METAL, INK = -1000, -700, 60, 2000, 2300
"""Hounsfield units. A soft tissue window shows metal and ink alike: white."""


class StripReader:
    """Reads a name where the strip stands out from the row below it."""

    def read(self, pixels: NDArray[np.uint8]) -> Sequence[PixelText]:
        grey = pixels if pixels.ndim == 2 else pixels.max(axis=-1)
        scale = grey.shape[0] / samples.SIZE
        top, bottom = (round(edge * scale) for edge in (NAME[0].start, NAME[0].stop))
        strip, below = grey[top:bottom, NAME[1]], grey[bottom + 1, NAME[1]]
        if float(np.median(strip)) <= int(below.max()) + 20:
            return []
        return [PixelText("MITCHELL ANNA", 0.99, NAME[1].start, top, NAME[1].stop, bottom)]


def options(pixel_text: str) -> ReadingOptions:
    settings = DeidentificationSettings.model_validate(
        {"pixel_text": pixel_text, "pixel_text_modalities": "CT DX US UNKNOWN"}
    )
    return ReadingOptions(Deidentifier(DeidentificationKey(b"k" * 40), settings, StripReader()))


def plane(*, ink: int = INK) -> NDArray[np.int16]:
    values = np.full((samples.SIZE, samples.SIZE), AIR, dtype=np.int16)
    values[30:50, 10:50] = TISSUE
    values[54:60, 10:50] = LUNG
    values[2:24, 2:50] = METAL
    values[NAME] = ink
    return values


def ct(values: NDArray[np.int16], **more: Any) -> bytes:
    given = {"Modality": "CT", "SOPClassUID": samples.CT, "RescaleSlope": 1, "RescaleIntercept": 0}
    return samples.dicom(values, **{**given, **more})


def placed(position: float, number: int, **more: Any) -> bytes:
    directions = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0, 0, position]}
    return ct(plane(ink=METAL) + number, **{"InstanceNumber": number, **directions, **more})


def file_of(content: bytes) -> tuple[ImageFile, str]:
    return ImageFile(Path(), content=content), sha256(content).hexdigest()


def frame(content: bytes, pixel_text: str = "keep", **more: Any) -> FramePicture:
    return view_frame(FrameView(*file_of(content), **more), options(pixel_text))


def volume(*contents: bytes, pixel_text: str = "keep") -> VolumeFile:
    return view_volume(VolumeView(tuple(map(file_of, contents))), options(pixel_text))


def values_of(made: VolumeFile) -> NDArray[Any]:
    return np.asarray(nibabel.Nifti1Image.from_bytes(made.content).dataobj)


def pixels_of(made: FramePicture) -> NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(made.content)))


def refusal(call: Any) -> str:
    with pytest.raises(UnreadableImage) as refused:
        call()
    return refused.value.kind


# --- text that only another window shows


def test_a_window_shows_no_name_that_the_window_of_the_index_hides() -> None:
    """The index saw white on white. Through a window that parts them the name is found, and refused or masked."""
    film = ct(plane())
    assert pixels_of(frame(film, "refuse"))[NAME].min() == 255
    assert refusal(lambda: frame(film, "refuse", window=(2150, 600))) == "text-in-pixels"
    masked = pixels_of(frame(film, "mask", window=(2150, 600)))
    assert masked[NAME].max() == 0
    assert masked[40, 20] == frame_value(TISSUE, 2150, 600)
    assert masked[4, 4] == frame_value(METAL, 2150, 600)


def frame_value(value: float, centre: float, width: float) -> int:
    """PS3.3 C.11.2.1.2, the linear function."""
    return int(np.clip((value - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 255 + 0.5)


def test_a_volume_has_no_name_in_its_values_whatever_a_viewer_does_with_them() -> None:
    film = ct(plane())
    assert refusal(lambda: volume(film, pixel_text="refuse")) == "text-in-pixels"
    values = values_of(volume(film, pixel_text="mask"))[:, :, 0].T
    assert set(np.unique(values[NAME])) == {AIR}
    assert (values[30:50, 10:50] == TISSUE).all()
    assert (values[54:60, 10:50] == LUNG).all()  # black by the window, and no name
    assert (plane() == values_of(volume(film))[:, :, 0].T).all()


def test_every_plane_of_many_is_looked_at() -> None:
    frames = np.stack([plane(ink=METAL), plane(), plane(ink=METAL)])
    film = samples.dicom(frames, Modality="US")
    assert refusal(lambda: volume(film, pixel_text="refuse")) == "text-in-pixels"
    values = values_of(volume(film, pixel_text="mask"))
    assert [int(values[NAME[1].start, NAME[0].start, each]) for each in range(3)] == [METAL, AIR, METAL]
    assert refusal(lambda: frame(film, "refuse", frame=2)) == "text-in-pixels"
    assert frame(film, "refuse", frame=1).frames == 3


def test_pixels_that_are_not_square_are_masked_where_the_name_is() -> None:
    values = values_of(volume(ct(plane(), PixelSpacing=[2, 1]), pixel_text="mask"))[:, :, 0].T
    assert set(np.unique(values[NAME])) == {AIR}
    assert (values[30:50, 10:50] == TISSUE).all()


def test_every_slice_of_a_nifti_volume_is_looked_at_where_its_kind_often_shows_names() -> None:
    """As its table says: of others the slice that the index took stands for all."""
    slices = [plane(ink=METAL), plane(ink=METAL), plane(ink=METAL), plane()]
    shades = (np.arange(samples.SIZE) % 16).astype(np.int16)  # with fewer it would be taken for a mask
    stack = np.stack([(each + shades).T[::-1, ::-1] for each in slices], axis=-1)
    content = samples.volume(stack, np.diag([1.0, 1.0, 5.0, 1.0]))
    file, digest = file_of(content)
    ultrasound = replace(file, metadata=ImageMetadata(modality="US"))
    view = VolumeView(((ultrasound, digest),))
    for pixel_text in ("refuse", "mask"):
        assert refusal(lambda how=pixel_text: view_volume(view, options(how))) == "text-in-pixels"
    assert view_volume(view, options("keep")).planes == 4
    assert volume(content, pixel_text="refuse").planes == 4


# --- what the values are


def test_values_are_those_of_the_image_and_higher_is_brighter() -> None:
    rescaled = ct(plane(), RescaleSlope=0.5, RescaleIntercept=-10)
    assert values_of(volume(rescaled))[20, 40, 0] == TISSUE * 0.5 - 10
    inverted = nibabel.Nifti1Image.from_bytes(
        volume(samples.dicom(PhotometricInterpretation="MONOCHROME1")).content
    )
    stored = samples.slope().T
    assert (np.asarray(inverted.dataobj)[:, :, 0] == -stored.astype(np.int32)).all()
    low, high = float(inverted.header["cal_min"]), float(inverted.header["cal_max"])
    assert -4095 <= low < high <= 0


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        (samples.picture(samples.grey()), (64, 64, 1)),
        (samples.picture(samples.slope()), (64, 64, 1)),
        (samples.picture(np.stack([samples.grey()] * 2 + [255 - samples.grey()], axis=-1)), (64, 64, 1)),
        (samples.dicom(np.stack([samples.slope(), np.zeros((64, 64), np.uint16)])), (64, 64, 2)),
        (
            samples.volume(np.random.default_rng(1).integers(0, 900, (20, 22, 24)).astype(np.int16)),
            (20, 22, 24),
        ),
    ],
    ids=["png", "png of 16 bits", "colours", "an empty frame", "nifti"],
)
def test_a_volume_of_every_kind(content: bytes, shape: tuple[int, ...]) -> None:
    assert nibabel.Nifti1Image.from_bytes(volume(content).content).shape == shape


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 255], "uint8"),
        ([-1000, 3000], "int16"),
        ([0, 65535], "uint16"),
        ([0.5, 2], "float32"),
        ([0, 1e6], "float32"),
    ],
)
def test_values_are_kept_in_the_fewest_bytes_that_lose_nothing(values: list[float], kind: str) -> None:
    given = np.array(values, dtype=np.uint8 if kind == "uint8" else np.float64)
    made = compact(given)
    assert made.dtype.name == kind
    assert (made == given).all()


def test_nothing_of_a_nifti_header_but_its_geometry_is_given() -> None:
    values = np.random.default_rng(2).integers(0, 900, (20, 22, 24)).astype(np.int16)
    affine = np.array([[0, 2.0, 0, 5], [-1.5, 0, 0, 6], [0, 0, 3.0, 7], [0, 0, 0, 1]])
    source = nibabel.Nifti1Image(values, affine)
    source.header["descrip"], source.header["db_name"] = b"MITCHELL ANNA", b"19800102"
    source.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"MITCHELL"))
    made = volume(source.to_bytes())
    assert b"MITCHELL" not in made.content
    assert b"19800102" not in made.content
    shown = nibabel.Nifti1Image.from_bytes(made.content)
    assert np.allclose(shown.affine, affine)
    assert (np.asarray(shown.dataobj) == values).all()


# --- series


def test_a_series_is_ordered_by_where_its_planes_lie() -> None:
    made = volume(placed(4, 1), placed(0, 3), placed(2, 2))
    assert (made.planes, made.left_out) == (3, 0)
    assert (values_of(made)[20, 40] - TISSUE).tolist() == [3, 2, 1]
    assert nibabel.Nifti1Image.from_bytes(made.content).header.get_zooms()[2] == 2


def test_a_series_with_a_plane_missing_is_refused() -> None:
    assert refusal(lambda: volume(placed(0, 1), placed(2, 2), placed(6, 4), placed(8, 5))) == "uneven-series"
    assert refusal(lambda: volume(placed(0, 1), placed(0, 2))) == "uneven-series"
    assert (
        refusal(lambda: volume(ct(plane(), InstanceNumber=1), ct(plane(), InstanceNumber=1)))
        == "uneven-series"
    )


def test_images_of_another_size_or_direction_are_left_out_and_counted() -> None:
    scout = ct(plane()[:40], InstanceNumber=9)
    turned = placed(3, 8, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    made = volume(placed(0, 1), scout, placed(2, 2), turned)
    assert (made.planes, made.left_out) == (2, 2)


def test_a_volume_of_too_many_values_is_refused_before_it_is_read() -> None:
    film = samples.dataset(NumberOfFrames=2000)
    assert refusal(lambda: volume(samples.written(film))) == "too-large"


# --- another file


def test_bytes_that_are_others_than_the_index_read_are_not_shown() -> None:
    changed = ImageFile(Path(), content=ct(plane())), "0" * 64
    assert refusal(lambda: view_frame(FrameView(*changed), options("keep"))) == "changed"
    assert refusal(lambda: view_volume(VolumeView((changed,)), options("keep"))) == "changed"
    ours = file_of(placed(0, 1))
    assert refusal(lambda: view_volume(VolumeView((ours, changed)), options("keep"))) == "changed"
