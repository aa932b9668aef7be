"""Processes that read: order, refusals, and decoders that hang, die or eat memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.config import DeidentificationSettings
from pipeline.errors import UnreadableImage
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.files import ImageFile
from pipeline.imaging.reading import ReadingOptions
from pipeline.imaging.reading_pool import PoolOptions, PreparedImage, ReadingPool
from tests.imaging.samples import dicom, grey, picture

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and signals of Unix")

DEIDENTIFIER = Deidentifier(
    DeidentificationKey(b"0123456789abcdef" * 4), DeidentificationSettings(pixel_text="keep")
)


def options(**changes: object) -> PoolOptions:
    values = {"processes": 1, "seconds_max": 20.0, **changes}
    return PoolOptions(ReadingOptions(DEIDENTIFIER), **values)  # type: ignore[arg-type]


@pytest.fixture
def films(tmp_path: Path) -> list[ImageFile]:
    """Five, of which the second is refused."""
    contents = {
        "a.png": picture(grey()),
        "b.png": b"no film",
        "c.dcm": dicom(),
        "d.jpg": picture(grey(), "JPEG"),
        "e.png": picture(grey(128)),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [ImageFile(tmp_path / name) for name in contents]


def readers() -> list[psutil.Process]:
    """The pool's processes: children that run Python and are not the resource tracker."""
    alive = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]


def test_order_refusals_and_an_end_without_processes(films: list[ImageFile]) -> None:
    with ReadingPool(options(processes=2)) as pool:
        outcomes = list(pool.prepare(films * 3))
        assert len(readers()) == 2
    assert [file for file, _ in outcomes] == films * 3
    refused = [file.path.name for file, outcome in outcomes if isinstance(outcome, UnreadableImage)]
    assert refused == ["b.png"] * 3
    prepared = [outcome for _, outcome in outcomes if isinstance(outcome, PreparedImage)]
    assert all(each.content.startswith(b"\xff\xd8") and each.thumbnail for each in prepared)
    assert readers() == []


@pytest.mark.long
def test_processes_end_with_a_parent_that_was_killed(films: list[ImageFile], tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from pathlib import Path\n"
        "from tests.imaging.test_reading_pool import ImageFile, ReadingPool, options\n"
        "if __name__ == '__main__':\n"
        "    with ReadingPool(options(processes=2)) as pool:\n"
        f"        list(pool.prepare([ImageFile(Path({str(films[0].path)!r}))] * 8))\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        children = psutil.Process(parent.pid).children()
        assert len(children) >= 2
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


@pytest.mark.long
def test_a_decoder_that_hangs_and_one_that_dies_cost_their_image(films: list[ImageFile]) -> None:
    with ReadingPool(options(seconds_max=10.0)) as pool:
        list(pool.prepare(films[:1]))
        for ill, kind in ((signal.SIGSTOP, "hung"), (signal.SIGKILL, "died")):
            (process,) = readers()
            os.kill(process.pid, ill)
            if ill == signal.SIGKILL:
                process.wait(5)
            outcomes = [outcome for _, outcome in pool.prepare(films[2:4])]
            kinds = [outcome.kind for outcome in outcomes if isinstance(outcome, UnreadableImage)]
            assert kinds in ([kind], []) if kind == "died" else kinds == [kind]
            assert isinstance(outcomes[-1], PreparedImage)


def test_an_image_outlives_the_process_that_was_reading_it(films: list[ImageFile]) -> None:
    with ReadingPool(options()) as pool:
        list(pool.prepare(films[:1]))
        (process,) = readers()
        os.kill(process.pid, signal.SIGSTOP)  # so that it has the image when it is killed
        submitted = pool.submit(films[0])
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
        assert isinstance(submitted.result(30), PreparedImage)


def test_a_process_that_dies_while_it_starts_costs_its_image(films: list[ImageFile]) -> None:
    with ReadingPool(options()) as pool:
        submitted = pool.submit(films[0])
        killed: set[int] = set()
        while len(killed) < 2:
            for each in readers():
                if each.pid not in killed:
                    killed.add(each.pid)
                    each.kill()
        outcome = submitted.result(30)
        assert isinstance(outcome, UnreadableImage)
        assert outcome.kind == "died"
        assert isinstance(pool.submit(films[0]).result(30), PreparedImage)


def test_an_image_that_needs_too_much_memory(tmp_path: Path, films: list[ImageFile]) -> None:
    pixels = np.zeros((4000, 4000, 4), np.uint8)
    pixels[:200, :200] = 255
    (tmp_path / "big.png").write_bytes(picture(pixels, compress_level=1))
    with ReadingPool(options(memory_bytes_max=220 * 1024**2)) as pool:
        (_, big), (_, small) = pool.prepare([ImageFile(tmp_path / "big.png"), films[0]])
    assert isinstance(big, UnreadableImage)
    assert big.kind in ("too-large", "died")
    assert isinstance(small, PreparedImage)


def test_processes_are_replaced_before_their_leaks_add_up(films: list[ImageFile]) -> None:
    with ReadingPool(options(images_per_process=2)) as pool:
        seen = []
        for _ in range(2):
            assert len(list(pool.prepare([films[0]] * 2))) == 2
            seen += [process.pid for process in readers()]
    assert len(set(seen)) == 2


def test_a_side_that_no_model_wants_is_told_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="224 to 518"):
        options(side=100)


def test_no_more_files_are_asked_for_than_are_read_ahead(films: list[ImageFile]) -> None:
    asked = 0

    def endless() -> Iterator[ImageFile]:
        nonlocal asked
        while True:
            asked += 1
            yield films[0]

    with ReadingPool(options()) as pool:
        outcomes = pool.prepare(endless())
        next(outcomes)
        time.sleep(0.2)
        assert asked <= 4
