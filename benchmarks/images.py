"""How many films a second are decoded and prepared, next to Pillow's bare decoding of the same files in the same run.

Films: the chest radiographs of the development data (PNG of 512 pixels; 1024 as NIH publishes them are made of them,
and DICOM of 12 bits with 2048), else films made here. Two figures for each: one process, CPU time, as a multiple of the
bare decoding; and the pool of two processes, by the clock. The floor is 20 a second.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.config import DeidentificationSettings
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.files import ImageFile
from pipeline.imaging.libraries import load_libraries
from pipeline.imaging.reading import ReadingOptions
from pipeline.imaging.reading_pool import PoolOptions, PreparedImage, ReadingPool, prepare_file

FILMS = Path(__file__).resolve().parents[2] / "shared" / "data" / "images" / "cxr_nih"
COUNT = 12
POOLED = 40
PROCESSES = 2
FLOOR_PER_SECOND = 20.0


def main() -> dict[str, float]:
    load_libraries()
    results: dict[str, float] = {}
    options = PoolOptions(ReadingOptions(deidentifier()), processes=PROCESSES)
    with tempfile.TemporaryDirectory(prefix="chartwell-bench-") as folder:
        for name, make in KINDS.items():
            files = list(make(Path(folder)))
            results |= _measure(name, files, options)
    for name, value in results.items():
        sys.stdout.write(f"{name:<58} {value:>12,.2f}\n")
    return results


def deidentifier() -> Deidentifier:
    """Without reading pixels for text, which `benchmarks.pixel_text` measures by itself."""
    return Deidentifier(DeidentificationKey(b"benchmark" * 8), DeidentificationSettings(pixel_text="keep"))


def _measure(name: str, files: Sequence[Path], options: PoolOptions) -> dict[str, float]:
    wanted = [ImageFile(path) for path in files]
    ours = _cpu_seconds(lambda: [prepare_file(file, options) for file in wanted])
    results = {
        f"{name}: decoded and prepared, CPU ms a film": 1e3 * ours / len(files),
        f"{name}: films in a second of {PROCESSES} cores, by CPU": PROCESSES * len(files) / ours,
    }
    if files[0].suffix != ".dcm":
        bare = _cpu_seconds(lambda: [Image.open(path).load() for path in files])
        results[f"{name}: over Pillow's bare decoding, CPU"] = ours / bare
    rate = _pooled_per_second(wanted, options)
    results[f"{name}: films a second, {PROCESSES} processes"] = rate
    results[f"{name}: over the floor of {FLOOR_PER_SECOND:g} a second"] = rate / FLOOR_PER_SECOND
    return results


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Of the second run: the first fills the page cache."""
    work()
    started = time.process_time()
    work()
    return time.process_time() - started


def _pooled_per_second(files: Sequence[ImageFile], options: PoolOptions) -> float:
    many = [files[number % len(files)] for number in range(POOLED)]
    with ReadingPool(options) as pool:
        outcomes = pool.prepare(many[:PROCESSES] + many)
        for _ in range(PROCESSES):  # the processes have started
            next(outcomes)
        started = time.perf_counter()
        done = sum(isinstance(outcome, PreparedImage) for _, outcome in outcomes)
        seconds = time.perf_counter() - started
    if done != POOLED:
        raise RuntimeError(f"{POOLED - done} of {POOLED} films were refused")
    return POOLED / seconds


def films() -> Iterator[Image.Image]:
    paths = sorted(FILMS.glob("*.png"))[:COUNT]
    for path in paths:
        yield Image.open(path).convert("L")
    for number in range(0 if paths else COUNT):
        yield _phantom(number)


def _phantom(number: int) -> Image.Image:
    """Where the development data is not there: two lungs and the noise of a detector."""
    noise = np.random.default_rng(number)
    down, across = np.mgrid[-1:1:512j, -1:1:512j]
    lungs = sum(((across - side) / 0.35) ** 2 + (down / 0.7) ** 2 < 1 for side in (-0.45, 0.45))
    values = 150 - 90 * np.asarray(lungs) + noise.normal(0, 8, (512, 512))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _as_png(side: int) -> Callable[[Path], Iterator[Path]]:
    def make(folder: Path) -> Iterator[Path]:
        for number, film in enumerate(films()):
            path = folder / f"{side}-{number}.png"
            (film if film.width == side else film.resize((side, side), Image.Resampling.BICUBIC)).save(path)
            yield path

    return make


def _as_dicom(side: int, syntax: str | None) -> Callable[[Path], Iterator[Path]]:
    def make(folder: Path) -> Iterator[Path]:
        for number, film in enumerate(films()):
            path = folder / f"{side}-{syntax or 'plain'}-{number}.dcm"
            path.write_bytes(_dicom(film.resize((side, side), Image.Resampling.BICUBIC), syntax))
            yield path

    return make


def _dicom(film: Image.Image, syntax: str | None) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    made.Modality, made.PatientID, made.PatientName = "DX", "P-1", "Benchmark^Film"
    made.Rows, made.Columns, made.SamplesPerPixel = film.height, film.width, 1
    made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.WindowCenter, made.WindowWidth = 2048, 4096
    made.PixelData = (np.asarray(film).astype("<u2") * 16).tobytes()
    made["PixelData"].VR = "OW"
    if syntax:
        made.compress(syntax)
    written = io.BytesIO()
    made.save_as(written, enforce_file_format=True)
    return written.getvalue()


KINDS: dict[str, Callable[[Path], Iterator[Path]]] = {
    "PNG 512": _as_png(512),
    "PNG 1024": _as_png(1024),
    "DICOM 2048, uncompressed": _as_dicom(2048, None),
    "DICOM 1024, JPEG-LS": _as_dicom(1024, "1.2.840.10008.1.2.4.80"),
}


if __name__ == "__main__":
    main()
