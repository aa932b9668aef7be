"""DICOM films: every transfer syntax, every way to store grey and colour, and what is refused."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UnreadableImage
from pipeline.imaging.code_streams import coded_shape
from pipeline.imaging.limits import ImageLimits
from tests.imaging import samples
from tests.imaging.samples import (
    CT,
    SIZE,
    dataset,
    decoded,
    dicom,
    encapsulated,
    grey,
    lossless_jpeg,
    picture,
    slope,
    written,
)

from pydicom.dataelem import DataElement  # isort: skip
from pydicom.dataset import Dataset  # isort: skip  after samples, which loads the libraries
from pydicom.encaps import generate_frames  # isort: skip
from pydicom.pixels.processing import apply_windowing  # isort: skip
from pydicom.sequence import Sequence  # isort: skip

WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
SHOWN = np.rint(slope() / 4095 * 255).astype(int)
"""How `slope` is shown through WINDOW."""

LOSSLESS_BY_PYDICOM = {
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
}


def pixels_of(content: bytes, **options: Any) -> np.ndarray[Any, Any]:
    return decoded(content, **options).frame.rendering.pixels.astype(int)


def refused(content: bytes, **options: Any) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        decoded(content, **options)
    return caught.value


@pytest.mark.parametrize("syntax", LOSSLESS_BY_PYDICOM)
def test_lossless_syntaxes_show_what_the_uncompressed_shows(syntax: str) -> None:
    made = dataset(**WINDOW)
    made.compress(syntax)
    assert abs(pixels_of(written(made)) - SHOWN).max() <= 1


@pytest.mark.parametrize("process", ["JPEGLosslessProcess14", "JPEGLosslessProcess14_1"])
def test_lossless_jpeg_of_another_encoder(process: str) -> None:
    assert abs(pixels_of(lossless_jpeg(dicom(**WINDOW), process)) - SHOWN).max() <= 1


@pytest.mark.parametrize(
    "syntax", [f"1.2.840.10008.1.2.4.{end}" for end in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)]
)
def test_every_syntax_has_a_decoder(syntax: str) -> None:
    """Of high-throughput JPEG 2000 no free encoder exists to make a film with."""
    from pydicom.pixels.decoders.base import get_decoder

    assert get_decoder(samples.UID(syntax)).is_available


def test_both_byte_orders_and_implicit_headers() -> None:
    for syntax, order in (("1.2.840.10008.1.2", "<"), ("1.2.840.10008.1.2.2", ">")):
        made = dataset(**WINDOW)
        made.PixelData = slope().astype(f"{order}u2").tobytes()
        assert abs(pixels_of(written(made, syntax)) - SHOWN).max() <= 1


def test_what_a_preamble_holds_does_not_hide_a_film() -> None:
    whole = dicom(**WINDOW)
    for head in (b"II*\0", b"\x89PNG\r\n\x1a\n", b"%PDF"):
        assert decoded(head.ljust(128, b"\0") + whole[128:]).source_format == "dicom"


def test_values_of_a_wrong_kind_are_read_where_they_can_be() -> None:
    """Explicit files whose numbers are written as texts, or as wider numbers."""
    made = dataset(**WINDOW)
    for name, kind, value in (
        ("WindowCenter", "LO", "2048"),
        ("WindowWidth", "SH", "4096"),
        ("BitsStored", "UL", 12),
    ):
        made[name] = DataElement(made[name].tag, kind, value)
    assert abs(pixels_of(written(made)) - SHOWN).max() <= 1


def test_ybr_that_is_not_compressed_and_films_of_one_bit() -> None:
    colours = np.stack([grey(), 255 - grey(), grey() // 2], axis=-1)
    ybr = np.asarray(Image.fromarray(colours).convert("YCbCr"))
    assert abs(pixels_of(dicom(ybr, PhotometricInterpretation="YBR_FULL")) - colours).max() <= 4
    bits = np.packbits((grey() > 100).ravel(), bitorder="little").tobytes()
    one = dicom(grey(), BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bits)
    assert (pixels_of(one) == np.where(grey() > 100, 255, 0)).all()


def test_without_preamble_or_meta_group() -> None:
    whole = dicom(**WINDOW)
    meta_bytes = 144 + int.from_bytes(whole[140:144], "little")
    for content in (whole[128 + 4 :], whole[meta_bytes:]):
        assert abs(pixels_of(content) - SHOWN).max() <= 1


def test_deflated_is_read_and_a_bomb_is_not_unpacked() -> None:
    plain = dicom(**WINDOW)
    starts = 144 + int.from_bytes(plain[140:144], "little")
    meta = _longer_syntax(plain[:starts])
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = meta + packer.compress(plain[starts:]) + packer.flush()
    assert abs(pixels_of(content) - SHOWN).max() <= 1
    small = ImageLimits(inflated_bytes_max=1000)
    assert refused(content, limits=small).kind == "too-large"
    assert refused(content[:-20]).kind == "truncated"


def _longer_syntax(meta: bytes) -> bytes:
    plain, deflated = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
    at = meta.index(plain)
    grown = meta[: at - 2] + len(deflated).to_bytes(2, "little") + deflated + meta[at + len(plain) :]
    length = int.from_bytes(meta[140:144], "little") + len(deflated) - len(plain)
    return grown[:140] + length.to_bytes(4, "little") + grown[144:]


def test_lossy_jpeg_is_near_and_its_colours_are_right() -> None:
    colours = np.zeros((SIZE, SIZE, 3), np.uint8)
    colours[:, : SIZE // 2, 0], colours[:, SIZE // 2 :, 2] = 200, 150
    stream = picture(colours, "JPEG", quality=95, subsampling=2)
    content = encapsulated(
        [stream], "1.2.840.10008.1.2.4.50", colours, PhotometricInterpretation="YBR_FULL_422"
    )
    assert abs(pixels_of(content) - colours)[:, 4:28].max() <= 6


def test_what_a_window_does_is_what_pydicom_does() -> None:
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        made = dataset(WindowCenter=1500, WindowWidth=1000, VOILUTFunction=function)
        theirs = apply_windowing(slope().astype(int), made) / 4095 * 255
        assert abs(pixels_of(written(made)) - theirs).max() <= 1, function


def test_the_first_of_several_windows_counts() -> None:
    frame = decoded(dicom(WindowCenter=[1000, 2000], WindowWidth=[500, 4000])).frame
    assert frame.rendering.window == (1000.0, 500.0)


def test_hounsfield_units_without_a_window_are_shown_as_soft_tissue() -> None:
    made = dicom(SOPClassUID=CT, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024)
    frame = decoded(made).frame
    assert frame.rendering.window == (40.0, 400.0)
    assert frame.rendering.pixels[0, 0] == 0
    assert frame.rendering.pixels[-1, -1] == 255


def test_signed_values_and_rescale() -> None:
    signed = slope().astype(np.int16) - 1024
    shown = pixels_of(dicom(signed, RescaleSlope=2, RescaleIntercept=10, WindowCenter=2058, WindowWidth=8190))
    assert abs(shown - SHOWN).max() <= 1


def test_monochrome1_is_turned_round() -> None:
    assert abs(pixels_of(dicom(PhotometricInterpretation="MONOCHROME1", **WINDOW)) - (255 - SHOWN)).max() <= 1


def test_padding_is_black_and_no_part_of_the_window_that_stands_in() -> None:
    padded = slope(most=2000)
    padded[: SIZE // 4] = 4095
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        frame = decoded(dicom(padded, PixelPaddingValue=4095, PhotometricInterpretation=photometric)).frame
        assert frame.rendering.pixels[: SIZE // 4].max() == 0
        assert frame.rendering.window is not None
        assert frame.rendering.window[0] + frame.rendering.window[1] / 2 <= 2000


def test_bits_above_those_stored_are_no_part_of_the_film() -> None:
    drawn = slope() | np.uint16(0x8000)
    assert abs(pixels_of(dicom(drawn, **WINDOW)) - SHOWN).max() <= 1
    assert refused(dicom(HighBit=15, **WINDOW)).kind == "header"


def test_tables_of_modality_and_of_interest() -> None:
    for name, bits, window in (("ModalityLUTSequence", 16, WINDOW), ("VOILUTSequence", 12, {})):
        table = Dataset()
        table.LUTDescriptor, table.LUTData = [4096, 0, bits], list(range(4095, -1, -1))
        table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
        table.ModalityLUTType = "US"
        content = dicom(**{name: Sequence([table])}, **window)
        assert abs(pixels_of(content) - (255 - SHOWN)).max() <= 1, name


def test_palette_colours() -> None:
    made = dataset(grey(), PhotometricInterpretation="PALETTE COLOR")
    for name, values in (("Red", range(256)), ("Green", [0] * 256), ("Blue", range(255, -1, -1))):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        made[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(
            made, f"{name}PaletteColorLookupTableData", np.array([v * 257 for v in values], "<u2").tobytes()
        )
    shown = pixels_of(written(made))
    assert (shown[..., 0] == grey()).all()
    assert (shown[..., 1] == 0).all()
    assert (shown[..., 2] == 255 - grey()).all()


def test_planar_configuration_and_colour_that_is_grey() -> None:
    colours = np.stack([grey(), 255 - grey(), grey() // 2], axis=-1)
    planar = dataset(colours, PlanarConfiguration=1)
    planar.PixelData = np.ascontiguousarray(colours.transpose(2, 0, 1)).tobytes()
    assert (pixels_of(written(planar)) == colours).all()
    assert pixels_of(dicom(np.stack([grey()] * 3, axis=-1))).shape == (SIZE, SIZE)


def test_one_frame_of_many_is_taken_and_recorded() -> None:
    frames = np.stack([slope() // (number + 1) for number in range(5)])
    frame = decoded(dicom(frames, **WINDOW)).frame
    assert (frame.number, frame.count, frame.remarks["frame_choice"]) == (3, 5, "middle")
    assert abs(frame.rendering.pixels.astype(int) - SHOWN / 3).max() <= 1
    assert decoded(dicom(frames, RepresentativeFrameNumber=2, **WINDOW)).frame.number == 2
    assert decoded(dicom(frames, **WINDOW), frame=5).frame.number == 5
    assert refused(dicom(frames, **WINDOW), frame=6).kind == "no-such-frame"
    assert refused(dicom(frames, **WINDOW)[:-3000]).kind == "truncated"


def test_enhanced_objects_have_windows_and_slopes_of_their_own_for_each_frame() -> None:
    frames = np.stack([slope()] * 3)
    made = dataset(frames, SOPClassUID=samples.ENHANCED_CT, Modality="CT")
    made.SharedFunctionalGroupsSequence = Sequence([_group(spacing=[2.0, 1.0])])
    made.PerFrameFunctionalGroupsSequence = Sequence(
        [
            _group(slope=number + 1.0, window=(2048.0 * (number + 1), 4095.0 * (number + 1)))
            for number in range(3)
        ]
    )
    for number in (1, 2, 3):
        frame = decoded(written(made), frame=number).frame
        assert frame.rendering.window == (2048.0 * number, 4095.0 * number)
        assert frame.rendering.pixels.shape == (2 * SIZE, SIZE)
        assert (frame.rows, frame.columns) == (SIZE, SIZE)


def _group(
    slope: float | None = None, window: tuple[float, float] | None = None, spacing: list[float] | None = None
) -> Dataset:
    group = Dataset()
    if slope is not None:
        value = Dataset()
        value.RescaleSlope, value.RescaleIntercept, value.RescaleType = slope, 0, "HU"
        group.PixelValueTransformationSequence = Sequence([value])
    if window is not None:
        value = Dataset()
        value.WindowCenter, value.WindowWidth = window
        group.FrameVOILUTSequence = Sequence([value])
    if spacing is not None:
        value = Dataset()
        value.PixelSpacing = spacing
        group.PixelMeasuresSequence = Sequence([value])
    return group


def test_pixels_that_are_not_square() -> None:
    assert decoded(dicom(PixelSpacing=[0.5, 1.0])).frame.rendering.pixels.shape == (SIZE, 2 * SIZE)
    assert decoded(dicom(PixelAspectRatio=[3, 2])).frame.rendering.pixels.shape == (SIZE * 3 // 2, SIZE)
    assert decoded(dicom(PixelSpacing=[0, 1.0])).frame.rendering.pixels.shape == (SIZE, SIZE)
    assert refused(dicom(PixelSpacing=[1000, 1])).kind == "header"


SOP = "1.2.840.10008.5.1.4.1.1."


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        (SOP + "481.2", "rt-dose"),
        (SOP + "481.5", "rt"),
        (SOP + "88.33", "structured-report"),
        (SOP + "88.59", "key-object-selection"),
        (SOP + "9.1.1", "waveform"),
        (SOP + "66.4", "segmentation"),
        (SOP + "104.1", "encapsulated-document"),
        (SOP + "11.1", "presentation-state"),
        (SOP + "30", "parametric-map"),
        (SOP + "77.1.6", "whole-slide"),
        (SOP + "77.1.4.1", "video"),
        ("1.2.840.10008.1.3.10", "dicomdir"),
    ],
)
def test_objects_that_are_no_films_are_refused_with_their_kind(sop_class: str, kind: str) -> None:
    assert refused(dicom(SOPClassUID=sop_class)).kind == kind


def test_a_portal_image_and_an_unknown_class_are_films() -> None:
    for sop_class in (SOP + "481.1", "1.2.3.4.5", SOP + "6.1"):
        assert decoded(dicom(SOPClassUID=sop_class)).frame.count == 1


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"Rows": 20_000, "Columns": 10_000}, "too-large"),
        ({"Rows": 0}, "header"),
        ({"Rows": None}, "header"),
        ({"PhotometricInterpretation": "CMYK"}, "colours"),
        ({"PhotometricInterpretation": "YBR_PARTIAL_422"}, "colours"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "header"),
        ({"PixelData": b"\0" * 100}, "truncated"),
        ({"PixelData": b"\0" * SIZE * SIZE * 2}, "blank"),
        ({"NumberOfFrames": 0}, "header"),
        ({"PixelData": None}, "no-pixels"),
    ],
)
def test_headers_that_cannot_be(attributes: dict[str, Any], kind: str) -> None:
    assert refused(dicom(**attributes)).kind == kind


def test_a_number_that_is_none_is_told_by_its_name_alone() -> None:
    content = dicom(WindowCenter=2048, WindowWidth=4096).replace(b"4096", b"MITC")
    error = refused(content)
    assert error.kind == "header"
    assert "WindowWidth" in str(error)
    assert "MITC" not in str(error)
    assert error.__cause__ is None or "MITC" not in str(error)


def test_a_frame_that_is_cut_off_is_refused_by_every_decoder() -> None:
    for syntax in LOSSLESS_BY_PYDICOM:
        made = dataset(**WINDOW)
        made.compress(syntax)
        whole = written(made)
        assert refused(whole[: len(whole) - len(whole) // 4]).kind in ("truncated", "damaged"), syntax


def test_a_stream_that_is_cut_off_inside_a_whole_file_is_refused() -> None:
    stream = picture(grey(), "JPEG", quality=95)
    content = encapsulated([stream[: len(stream) // 2]], "1.2.840.10008.1.2.4.50", grey())
    assert refused(content).kind == "truncated"


def test_a_stream_that_unpacks_to_more_than_the_header_says_is_not_decoded() -> None:
    big = grey(256)
    streams = {"1.2.840.10008.1.2.4.50": picture(big, "JPEG")}
    for syntax in ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"):
        made = dataset(big)
        made.compress(syntax)
        streams[syntax] = next(generate_frames(made.PixelData, number_of_frames=1))
    for syntax, stream in streams.items():
        assert coded_shape(stream) == (256, 256), syntax
        assert refused(encapsulated([stream], syntax, grey())).kind == "header", syntax
    assert coded_shape(b"\xff\xd8\xff\xff\xff") is None


def test_a_folder_called_dl_and_the_order_of_imports(tmp_path: Path) -> None:
    """In a process of its own: what was imported stays. A broken heap ends it with a signal."""
    (tmp_path / "dl").mkdir()
    program = (
        "import io\n"
        "from pipeline.imaging.libraries import load_libraries\n"
        "load_libraries()\n"
        "import numpy as np\n"
        "from PIL import Image\n"
        "import gdcm, pydicom.pixels\n"
        "film = Image.fromarray((np.arange(512 * 512) % 251).astype(np.uint8).reshape(512, 512))\n"
        "for _ in range(50): film.save(io.BytesIO(), 'PNG')\n"
        "print('whole')"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.append({str(Path(samples.__file__).parents[2])!r})\n" + program,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr
