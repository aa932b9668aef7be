"""DRAM and tensor activity: both sources, and every refusal that they are known to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.monitoring.probes.dcgm import Dcgm, GpuActivity, of_dmon, of_exporter
from pipeline.monitoring.probes.prometheus_text import samples_of
from pipeline.monitoring.samples import Missing
from tests.servers import hardware


def test_dmon_gives_the_last_value_of_each_card(tmp_path: Path) -> None:
    dcgmi = hardware.printing(tmp_path, "dcgmi", hardware.DMON_FINE)
    assert Dcgm(program=str(dcgmi))() == {0: GpuActivity(0.612, 0.034), 1: GpuActivity(0.001, 0.0)}


def test_dmon_is_asked_for_both_fields_and_ends_by_itself(tmp_path: Path) -> None:
    dcgmi = hardware.program(tmp_path, "dcgmi", f'echo "$@" >{tmp_path}/words')
    assert Dcgm(program=str(dcgmi))() == Missing("dcgmi printed nothing")
    assert (tmp_path / "words").read_text().split() == ["dmon", "-e", "1004,1005", "-d", "500", "-c", "2"]


@pytest.mark.parametrize("refusal", hardware.DMON_REFUSALS)
@pytest.mark.parametrize("status", [0, 1])
def test_a_refusal_says_what_to_do(tmp_path: Path, refusal: str, status: int) -> None:
    dcgmi = hardware.printing(tmp_path, "dcgmi", hardware.DMON_REFUSALS[refusal], status=status)
    found = Dcgm(program=str(dcgmi))()
    wanted = {
        "not root": "as root",
        "no module": "nvidia-dcgm",
        "no engine": "host engine",
        "no counters": "no profiling",
    }
    assert isinstance(found, Missing)
    assert wanted[refusal] in found.missing


@pytest.mark.parametrize(
    "text", ["#Entity\nGPU\nGPU 0", "GPU 0 0.5 0.5", "\x00\x01", "#Entity TENSO DRAMA\nGPU 0 N/A"]
)
def test_what_is_no_table_is_no_reading(text: str) -> None:
    found = of_dmon(text)
    assert isinstance(found, Missing) or found == {0: GpuActivity(None, None)}


def test_the_exporter_is_read_by_card() -> None:
    with hardware.serving() as pages:
        pages.pages["/metrics"] = (200, hardware.exporter_page((0.61, 0.03), (0.0, 0.0)))
        assert Dcgm(f"{pages.url}/metrics")() == {0: GpuActivity(0.61, 0.03), 1: GpuActivity(0.0, 0.0)}


@pytest.mark.parametrize(
    ("status", "page", "said"),
    [
        (200, hardware.exporter_page((0.1, 0.1), profiling=False), "SYS_ADMIN"),
        (200, "<html>not metrics</html>", "no DCGM_FI_PROF_"),
        (500, "", "HTTP 500"),
        (404, "", "HTTP 404"),
    ],
)
def test_an_exporter_without_the_counters_says_so(status: int, page: str, said: str) -> None:
    with hardware.serving() as pages:
        pages.pages["/metrics"] = (status, page)
        found = Dcgm(f"{pages.url}/metrics")()
    assert isinstance(found, Missing)
    assert said in found.missing


def test_an_exporter_that_is_away_or_hangs() -> None:
    assert Dcgm("http://127.0.0.1:9/metrics")() == Missing("dcgm-exporter: Connection refused")
    with hardware.serving() as pages:
        pages.slow.set()
        assert Dcgm(f"{pages.url}/metrics", seconds=0.2)() == Missing("dcgm-exporter: no answer within 0.2 s")


def test_blank_values_are_no_ratios() -> None:
    """DCGM's marker for "no value" is 2^63 - 1, and some versions of the exporter passed it on."""
    page = 'DCGM_FI_PROF_DRAM_ACTIVE{gpu="0"} 9.223372036854776e+18\nDCGM_FI_PROF_PIPE_TENSOR_ACTIVE{gpu="0"} NaN\n'
    assert isinstance(of_exporter(samples_of(page)), Missing)


def test_a_divided_card_shows_its_busiest_part() -> None:
    page = "".join(
        f'DCGM_FI_PROF_DRAM_ACTIVE{{gpu="0",GPU_I_PROFILE="2g.20gb",GPU_I_ID="{part}"}} {value}\n'
        for part, value in ((3, 0.2), (4, 0.7), (5, 0.1))
    )
    assert of_exporter(samples_of(page)) == {0: GpuActivity(0.7, None)}
