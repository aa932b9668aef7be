"""Films from a folder to the store: `vectorize images` against its embedder alone, one image's whole path, memory.

The floor of the first is the embedder's own rate over the same pictures, prepared already, in the same run; the two
alternate. The local embedder takes half as long for a film as reading it, and on one core, so that on two cores this
floor cannot be reached. Printed next to it is what can be, by the processor time of a film: with nothing but Pillow's
decoding and scaling beside the embedder, with bare reading, and with all that `vectorize` does. The same run is made
with every film read before, which shows what more cores would give, and over a model that takes as long for a film as
one on another machine, which waits for nothing where reading keeps up.

    python -m benchmarks.image_indexing             all but the last
    python -m benchmarks.image_indexing memory      also 5,000 films through `vectorize images`: a minute
"""

from __future__ import annotations

import os
import statistics
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from benchmarks.images import deidentifier, films
from pipeline.backends.local.image_embedder import LocalImageEmbedder
from pipeline.commands.vectorize_images import FORMATS
from pipeline.config import ImageEmbedderSettings, Settings, load_settings
from pipeline.errors import UnreadableImage
from pipeline.images import EmbeddedImage, Thumbnail
from pipeline.imaging.files import ImageFile, ImageMetadata
from pipeline.imaging.libraries import load_libraries
from pipeline.imaging.reading import ReadingOptions
from pipeline.imaging.reading_pool import PoolOptions, PreparedImage, prepare_file
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.images.material import Preparation
from pipeline.indexing.images.sources import ImageSources, accept_image
from pipeline.indexing.images.tables import ImageTables
from pipeline.records import Rejection, Vector
from pipeline.wiring import ImageCorpus, open_image_corpus

ROUNDS = 3
FILMS = 240
MODEL_SECONDS = 0.04
"""What a film takes at the model that is not here: five times as fast as what is reported of NV-CLIP on an A10G."""
PATHS = 100
FLOOR_RATIO = 0.9
PATH_SECONDS_MAX = 2.0
MANY = 5_000
MANY_SIDE = 256
PROCESSES = 2


class Spent(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float
    """Of this process."""
    reading: float = 0.0
    """Processor time of the processes that read."""


class AwayEmbedder(LocalImageEmbedder):
    """The same vectors after the time that a model on another machine takes, which costs this one nothing."""

    def embed_images(self, images: Sequence[bytes]) -> Vector:
        ends = time.perf_counter() + MODEL_SECONDS * len(images)
        vectors = super().embed_images(images)
        time.sleep(max(0.0, ends - time.perf_counter()))
        return vectors


def main() -> dict[str, float]:
    load_libraries()
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="chartwell-bench-") as name:
        folder = Path(name)
        settings = _settings(folder, pixel_text="keep")
        _write_films(folder / "films", FILMS, side=512)
        results |= _local(settings, folder)
        results |= _away(settings, folder)
        for text in ("keep", "mask"):
            results |= _paths(_settings(folder / text, pixel_text=text), folder)
        if sys.argv[-1] == "memory":
            results |= _memory(settings, folder)
    for what, value in results.items():
        sys.stdout.write(f"{what:<70} {value:>10,.3f}\n")
    return results


def _settings(folder: Path, *, pixel_text: str) -> Settings:
    return load_settings(
        None,
        data_dir=folder / "data",
        deidentification={"pixel_text": pixel_text},
        image_reading={"processes": PROCESSES},
        image_embedder={"provider": "local"},
    )


# --- against the embedder alone


def _local(settings: Settings, folder: Path) -> dict[str, float]:
    embedder = LocalImageEmbedder(ImageEmbedderSettings())
    pictures, preparing = _prepared(folder / "films", embedder.image_side)
    cores = min(PROCESSES, os.cpu_count() or 1)
    alone, whole = _alternately(settings, folder, embedder, pictures)
    embedding, decoding = _milliseconds(alone, FILMS), 1e3 * _decoding(folder / "films", embedder.image_side)
    reading = 1e3 * statistics.median(run.reading for run in whole) / FILMS
    spent = _milliseconds(whole, FILMS) + reading
    rate, own = (FILMS / statistics.median(run.wall for run in runs) for runs in (whole, alone))
    read_before = _alternately(settings, folder, embedder, pictures, ready=True)[1]
    ready_rate = FILMS / statistics.median(run.wall for run in read_before)
    return {
        "local embedder alone, films a second": own,
        "vectorize, films a second": rate,
        "vectorize over the embedder alone": rate / own,
        "CPU ms a film: the embedder": embedding,
        "CPU ms a film: all that its process does, the embedder too": _milliseconds(whole, FILMS),
        "CPU ms a film: the processes that read": reading,
        "CPU ms a film: bare reading, in one process": 1e3 * preparing,
        "CPU ms a film: of that Pillow's decoding and scaling": decoding,
        f"{cores} cores: the ratio that Pillow and the embedder allow": cores
        * embedding
        / (decoding + embedding),
        f"{cores} cores: the ratio that bare reading and the embedder allow": cores
        * embedding
        / (1e3 * preparing + embedding),
        f"{cores} cores: the ratio that all of vectorize's CPU allows": cores * embedding / spent,
        "vectorize over that": rate / own / (cores * embedding / spent),
        "vectorize over the embedder alone, every film read before": ready_rate / own,
    }


def _away(settings: Settings, folder: Path) -> dict[str, float]:
    embedder = AwayEmbedder(ImageEmbedderSettings())
    pictures, _ = _prepared(folder / "films", embedder.image_side)
    alone, whole = _alternately(settings, folder, embedder, pictures[:FILMS], rounds=1)
    ratio = alone[0].wall / whole[0].wall
    return {
        f"vectorize over a model of {1e3 * MODEL_SECONDS:g} ms a film": ratio,
        f"... over the floor of {FLOOR_RATIO:g}": ratio / FLOOR_RATIO,
    }


def _milliseconds(runs: Sequence[Spent], count: int) -> float:
    return 1e3 * statistics.median(run.cpu for run in runs) / count


def _alternately(
    settings: Settings,
    folder: Path,
    embedder: LocalImageEmbedder,
    pictures: Sequence[bytes],
    rounds: int = ROUNDS,
    *,
    ready: bool = False,
) -> tuple[list[Spent], list[Spent]]:
    """Wall and CPU seconds of the embedder alone and of the whole, each round a new store. `ready`: every film is read
    before."""
    alone, whole = [], []
    for number in range(rounds):
        started = _now()
        for start in range(0, len(pictures), embedder.images_at_once):
            embedder.embed_images(pictures[start : start + embedder.images_at_once])
        alone.append(Spent(*_since(started)))
        own = settings.model_copy(
            update={"data_dir": folder / f"data-{embedder.__class__.__name__}-{ready}-{number}"}
        )
        whole.append(_vectorize(own, folder / "films", embedder, ready=ready)[0])
    return alone, whole


def _now() -> tuple[float, float]:
    """Wall and processor time, in seconds."""
    return time.perf_counter(), time.process_time()


def _since(started: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _now()
    return wall - started[0], cpu - started[1]


def _vectorize(
    settings: Settings,
    films_folder: Path,
    embedder: LocalImageEmbedder | None = None,
    observer: SilentObserver | None = None,
    *,
    ready: bool = False,
) -> tuple[Spent, RunCounts]:
    """Seconds from the first file to the last commit, the processes that read started already."""
    with _corpus(settings) as opened:
        corpus = opened if embedder is None else _with(opened, embedder)
        tables = ImageTables()
        tables.add(films_folder.with_suffix(".csv"))
        _start_processes(corpus, films_folder)
        if ready:
            done = ReadBefore(corpus.material.preparation, films_folder, tables)
            corpus = replace(corpus, material=replace(corpus.material, preparation=done))
        indexing = Indexing(
            corpus.embedder,
            corpus.notes,
            corpus.ledger,
            settings.indexing,
            _NoRejections(),
            observer or SilentObserver(),
            vector_cache=corpus.vector_cache,
            other_material=corpus.material,
            accept=accept_image,
        )
        reading, started = _others_cpu_seconds(), _now()
        counts = indexing.run(ImageSources([str(films_folder)], tables, FORMATS), sources=[str(films_folder)])
        wall, own = _since(started)
        return Spent(wall, own, _others_cpu_seconds() - reading), counts


class ReadBefore:
    """Implements material.Preparation. Every film of the folder is prepared before it is asked for."""

    def __init__(self, preparation: Preparation, films_folder: Path, tables: ImageTables) -> None:
        files = [ImageFile(path, metadata=tables.about(str(path))) for path in films_folder.iterdir()]
        self._films = {file.path: preparation.submit(file) for file in files}
        for film in self._films.values():
            film.result()

    def submit(self, file: ImageFile) -> Future[PreparedImage | UnreadableImage]:
        return self._films[file.path]


def _with(corpus: ImageCorpus, embedder: LocalImageEmbedder) -> ImageCorpus:
    return replace(corpus, embedder=embedder, material=replace(corpus.material, embedder=embedder))


def _start_processes(corpus: ImageCorpus, films_folder: Path) -> None:
    film = ImageFile(min(films_folder.iterdir()))
    for future in [corpus.material.preparation.submit(film) for _ in range(4 * PROCESSES)]:
        future.result()


@contextmanager
def _corpus(settings: Settings) -> Iterator[ImageCorpus]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with open_image_corpus(settings) as corpus:
        yield corpus


class _NoRejections:
    def write(self, rejection: Rejection) -> None:
        raise AssertionError(rejection)


def _prepared(films_folder: Path, side: int) -> tuple[list[bytes], float]:
    """The pictures that the model is given, and the CPU seconds that reading and preparing one takes."""
    options = PoolOptions(ReadingOptions(deidentifier()), side=side)
    paths = sorted(films_folder.iterdir())
    prepare_file(ImageFile(paths[0]), options)
    started = time.process_time()
    pictures = [prepare_file(ImageFile(path), options).content for path in paths]
    return pictures, (time.process_time() - started) / len(paths)


def _decoding(films_folder: Path, side: int) -> float:
    """CPU seconds of decoding and scaling one film with Pillow, with nothing around them."""
    paths = sorted(films_folder.iterdir())
    started = time.process_time()
    for path in paths:
        with Image.open(path) as film:
            film.resize((side, side), Image.Resampling.BICUBIC)
    return (time.process_time() - started) / len(paths)


# --- one image, from its file to the store


def _paths(settings: Settings, folder: Path) -> dict[str, float]:
    """A hundred, one after the other, each through the process that reads; PNG are read for text in their pixels."""
    times = []
    with _corpus(settings) as corpus:
        corpus.images.prepare(corpus.embedder.space)
        _start_processes(corpus, folder / "films")
        for path in sorted((folder / "films").iterdir())[:PATHS]:
            started = time.perf_counter()
            file = ImageFile(path, metadata=ImageMetadata(patient_id="p"))
            read = corpus.material.preparation.submit(file).result()
            assert isinstance(read, PreparedImage), read
            (vector,) = corpus.embedder.embed_images([read.content])
            thumbnail = Thumbnail("image/jpeg", read.thumbnail)
            corpus.images.upsert([EmbeddedImage(read.description, vector, thumbnail)])
            times.append(time.perf_counter() - started)
    slowest = statistics.quantiles(times, n=100)[-1]
    text = "not looked for" if settings.deidentification.pixel_text == "keep" else "read and masked"
    return {
        f"one film, file to store, p50 s (text in pixels {text})": statistics.median(times),
        f"one film, file to store, p99 s (text in pixels {text})": slowest,
        f"... the limit of {PATH_SECONDS_MAX:g} s over it ({text})": PATH_SECONDS_MAX / slowest,
    }


# --- memory


class MemoryReadings(SilentObserver):
    """How much memory the run and its processes hold after each batch, in MiB."""

    def __init__(self) -> None:
        self.held: list[tuple[int, float, float]] = []

    def batch(self, tally: RunCounts) -> None:
        own, *others = (_resident(pid) for pid in (os.getpid(), *_children()))
        self.held.append((tally.embedded, own, max(others, default=0.0)))


def _resident(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:  # replaced meanwhile
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def _children() -> list[int]:
    """Of every thread: the processes that read are started by threads of the pool."""
    threads = Path("/proc/self/task").glob("*/children")
    return [int(pid) for thread in threads for pid in thread.read_text().split()]


def _others_cpu_seconds() -> float:
    """Processor time of the processes that read, so far."""
    ticks = 0
    for pid in _children():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(settings: Settings, folder: Path) -> dict[str, float]:
    _write_films(folder / "many", MANY, side=MANY_SIDE)
    readings = MemoryReadings()
    own = settings.model_copy(update={"data_dir": folder / "data-many"})
    spent, counts = _vectorize(own, folder / "many", observer=readings)
    early, late = (_at(readings, MANY // 5), _at(readings, MANY))
    return {
        f"{MANY:,} films of {MANY_SIDE} pixels, films a second": counts.embedded / spent.wall,
        f"MiB after {MANY // 5:,}, the run itself": early[0],
        f"MiB after {MANY:,}, the run itself": late[0],
        f"MiB after {MANY // 5:,}, the larger process that reads": early[1],
        f"MiB after {MANY:,}, the larger process that reads": late[1],
        "growth of the run itself": late[0] / early[0],
    }


def _at(readings: MemoryReadings, embedded: int) -> tuple[float, float]:
    return next((own, other) for count, own, other in reversed(readings.held) if count <= embedded)


# --- the films


def _write_films(folder: Path, count: int, *, side: int) -> None:
    """`count` different files and the table that says whose each is. Their pixels repeat, their bytes do not."""
    folder.mkdir()
    drawn = [_png(film.resize((side, side))) for film in films()]
    rows = ["image,patient,findings"]
    for number in range(count):
        (folder / f"{number}.png").write_bytes(_numbered(drawn[number % len(drawn)], number))
        rows.append(f"{number}.png,p{number},effusion")
    folder.with_suffix(".csv").write_text("\n".join(rows) + "\n")


def _png(film: Image.Image) -> bytes:
    from io import BytesIO

    written = BytesIO()
    film.save(written, "PNG")
    return written.getvalue()


def _numbered(png: bytes, number: int) -> bytes:
    """The same picture with a comment behind its header."""
    kind, said = b"tEXt", b"number\0%d" % number
    comment = struct.pack(">I", len(said)) + kind + said + struct.pack(">I", zlib.crc32(kind + said))
    return png[:33] + comment + png[33:]


if __name__ == "__main__":
    main()
