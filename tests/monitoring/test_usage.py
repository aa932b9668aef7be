"""Hours and counts out of samples: by hand, over reboots, gaps, clock steps and counters that start again."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.monitoring.usage import UsageMeter, usage_of
from pipeline.pricing import Prices, cost_report

MINUTE = 60.0


def at(minute: float, **sections: Any) -> dict[str, Any]:
    hours, minutes = divmod(int(minute), 60)
    return {
        "at": f"2026-11-{20 + hours // 24}T{hours % 24:02d}:{minutes:02d}:00+00:00",
        "boot": "b1",
        "elapsed_seconds": 1000.0 + minute * MINUTE,
        "interval_seconds": 60.0,
        **sections,
    }


def gpu(*ratios: float) -> dict[str, Any]:
    return {
        "gpus": {
            "cards": [{"index": i, "name": "A10G", "utilisation": each} for i, each in enumerate(ratios)]
        }
    }


def work(completed: int) -> dict[str, Any]:
    return {"work": {"pending": 0, "processing": 0, "completed": completed, "failed": 0}}


def asked(questions: int, tokens: int = 0) -> dict[str, Any]:
    return {"asked": {"questions": questions, "prompt_tokens": tokens, "completion_tokens": tokens // 10}}


def test_an_afternoon_by_hand() -> None:
    """An hour of indexing at 80 %, an hour of questions at 20 %, two hours of nothing."""
    samples = [at(0, **gpu(0.0), **work(0), **asked(10, 100))]
    samples += [at(m, **gpu(0.8), **work(100 * m), **asked(10, 100)) for m in range(1, 61)]
    samples += [
        at(m, **gpu(0.2), **work(6000), **asked(10 + m - 60, 100 + 50 * (m - 60))) for m in range(61, 121)
    ]
    samples += [at(m, **gpu(0.0), **work(6000), **asked(70, 3100)) for m in range(121, 241)]
    usage = usage_of(samples)
    assert usage.observed_hours == pytest.approx(4)
    assert usage.indexing_hours == pytest.approx(1)
    assert usage.idle_hours == pytest.approx(2)
    assert usage.gpu_hours == pytest.approx(4)
    assert usage.gpu_busy_hours == pytest.approx(1.0)
    assert usage.gpu_busy_indexing_hours == pytest.approx(0.8)
    assert (usage.notes, usage.questions) == (6000, 60)
    assert (usage.prompt_tokens, usage.completion_tokens) == (3000, 300)
    report = cost_report(Prices(running_usd_per_hour=2.0, paused_usd_per_hour=0.1, source="list"), usage)
    assert report["usd_per_question"].value == pytest.approx(3 * 2.0 / 60)
    assert report["usd_per_thousand_notes"].value == pytest.approx(2.0 / 6)
    assert report["pause_would_have_saved_usd"].value == pytest.approx(2 * 1.9)


def test_the_ledger_is_asked_less_often_than_the_gpu() -> None:
    """Whether a minute was indexing is known at its end; all of it is booked as that."""
    samples = [at(0, **gpu(0.9), **work(0))]
    for minute in range(1, 61):
        samples += [at(minute - 0.75 + quarter / 4, **gpu(0.9)) for quarter in range(3)]
        samples.append(at(minute, **gpu(0.9), **work(minute)))
    usage = usage_of(samples)
    assert usage.indexing_hours == pytest.approx(1)
    assert usage.gpu_busy_indexing_hours == pytest.approx(0.9)


def test_hours_in_which_the_host_was_off_are_not_counted() -> None:
    samples = [at(0), at(1), at(2)]
    samples += [{**at(600 + m), "boot": "b2", "elapsed_seconds": 5.0 + m * MINUTE} for m in range(3)]
    samples += [{**at(900), "boot": "b2", "elapsed_seconds": 5.0 + 300 * MINUTE}]  # the monitor was off
    assert usage_of(samples).observed_hours == pytest.approx(4 / 60)


def test_a_clock_that_jumps_changes_no_hour() -> None:
    samples = [at(m, **gpu(0.5)) for m in range(61)]
    for sample in samples[20:40]:
        sample["at"] = "2036-01-01T00:00:00+00:00"
    assert usage_of(samples).observed_hours == pytest.approx(1)
    assert usage_of(samples).gpu_busy_hours == pytest.approx(0.5)


def test_a_service_that_was_restarted_counts_on() -> None:
    samples = [at(0, **asked(100)), at(1, **asked(110)), at(2, **asked(4)), at(3, **asked(6))]
    assert usage_of(samples).questions == 10 + 4 + 2


def test_notes_that_were_forgotten_are_not_subtracted() -> None:
    assert usage_of([at(0, **work(500)), at(1, **work(0)), at(2, **work(30))]).notes == 30


def test_what_was_not_watched_is_not_known() -> None:
    usage = usage_of([at(0, gpus={"missing": "no NVIDIA driver on this machine"}), at(1)])
    assert (usage.gpu_hours, usage.questions, usage.notes, usage.idle_hours) == (None, None, None, None)
    assert usage.why("gpu_hours") == "no NVIDIA driver on this machine"
    assert "CHARTWELL_MONITOR__SERVICE_URL" in usage.why("questions")
    assert usage.observed_hours == pytest.approx(1 / 60)
    assert "pipeline.monitor" in usage_of([]).why("observed_hours")
    assert usage_of([at(0)]).why("observed_hours") == "only one sample was seen"


def test_since_leaves_out_what_was_before() -> None:
    samples = [at(m, **work(m)) for m in range(121)]
    assert usage_of(samples, since=samples[60]["at"]).observed_hours == pytest.approx(1)


def test_idle_hours_without_a_ledger() -> None:
    samples = [at(m, **gpu(0.0)) for m in range(61)]
    assert usage_of(samples).idle_hours == pytest.approx(1)
    assert usage_of([{**each, **gpu(0.5)} for each in samples]).idle_hours == 0


def test_a_meter_may_be_asked_in_between() -> None:
    samples = [at(m, **gpu(0.3), **work(m)) for m in range(30)]
    meter = UsageMeter()
    for number, sample in enumerate(samples, start=1):
        meter.take(sample)
        assert meter.usage() == usage_of(samples[:number])


@pytest.mark.parametrize(
    "odd", [{}, {"gpus": None}, {"gpus": {}}, {"gpus": {"cards": [{"fault": "lost"}]}}, {"work": []}]
)
def test_samples_of_another_version_are_read_for_what_they_say(odd: dict[str, Any]) -> None:
    assert usage_of([at(0, **odd), at(1, **odd)]).observed_hours == pytest.approx(1 / 60)
