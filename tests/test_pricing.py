"""The arithmetic of costs: by hand, by property, and what is said where a term is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import load_settings
from pipeline.pricing import Prices, UsageWindow, answer_usd, cost_report, prices_of

PRICES = Prices(running_usd_per_hour=1.25, paused_usd_per_hour=0.05, source="a list of 2026-11, g5")
USAGE = UsageWindow(
    source="samples",
    since="2026-11-20T00:00:00+00:00",
    until="2026-11-21T00:00:00+00:00",
    observed_hours=20.0,
    indexing_hours=4.0,
    idle_hours=12.0,
    gpu_hours=20.0,
    gpu_busy_hours=5.0,
    gpu_busy_indexing_hours=3.0,
    questions=400,
    notes=10_000,
    prompt_tokens=400_000,
    completion_tokens=40_000,
    embedded_tokens=2_000_000,
)


def test_a_day_by_hand() -> None:
    report = cost_report(PRICES, USAGE)
    values = {figure.name: figure.value for figure in report}
    assert values["spent_usd"] == pytest.approx(25.0)
    assert values["pause_saves_usd_per_hour"] == pytest.approx(1.2)
    assert values["pause_would_have_saved_usd"] == pytest.approx(14.4)
    assert values["usd_per_question"] == pytest.approx(16 * 1.25 / 400)
    assert values["gpu_work_usd_per_question"] == pytest.approx(2 * 1.25 / 400)
    assert values["usd_per_thousand_notes"] == pytest.approx(4 * 1.25 / 10)
    assert values["gpu_utilisation"] == pytest.approx(0.25)
    assert values["tokens_usd_per_question"] == 0


@given(
    hours=st.floats(0.01, 1e4),
    share=st.floats(0, 1),
    questions=st.integers(1, 10**6),
    notes=st.integers(1, 10**6),
)
def test_questions_and_notes_together_cost_what_was_spent(
    hours: float, share: float, questions: int, notes: int
) -> None:
    usage = UsageWindow(observed_hours=hours, indexing_hours=hours * share, questions=questions, notes=notes)
    report = cost_report(PRICES, usage)
    question, note = report["usd_per_question"].value, report["usd_per_thousand_notes"].value
    assert question is not None
    assert note is not None
    assert question * questions + note * notes / 1000 == pytest.approx(report["spent_usd"].value)


@pytest.mark.parametrize(
    ("prices", "usage", "name", "said"),
    [
        (Prices(), USAGE, "usd_per_question", "no price of this machine"),
        (PRICES, UsageWindow(), "usd_per_question", "nothing recorded the questions"),
        (
            PRICES,
            UsageWindow(observed_hours=1, indexing_hours=0, questions=0),
            "usd_per_question",
            "no questions in this time",
        ),
        (PRICES, UsageWindow(unknown={"*": "the disk was full"}), "spent_usd", "the disk was full"),
        (PRICES, UsageWindow(unknown={"gpu_hours": "no driver", "*": "x"}), "gpu_hours", "no driver"),
        (PRICES, UsageWindow(gpu_hours=0.0, gpu_busy_hours=0.0), "gpu_utilisation", "no GPU was seen"),
        (Prices(running_usd_per_hour=1.0), USAGE, "pause_would_have_saved_usd", "no paused price"),
        (Prices(running_usd_per_hour=1.0, hosted_generator=True), USAGE, "usd_per_question", "PROMPT_USD"),
        (
            Prices(running_usd_per_hour=1.0, hosted_embedder=True),
            USAGE,
            "usd_per_thousand_notes",
            "EMBEDDING_USD",
        ),
    ],
)
def test_what_is_not_known_is_said_and_not_guessed(
    prices: Prices, usage: UsageWindow, name: str, said: str
) -> None:
    figure = cost_report(prices, usage)[name]
    assert figure.value is None
    assert said in figure.unknown
    assert str(figure).startswith("not known: ")


def test_every_figure_has_a_source_or_a_reason() -> None:
    for prices, usage in ((PRICES, USAGE), (Prices(), UsageWindow()), (PRICES, UsageWindow())):
        for figure in cost_report(prices, usage):
            assert bool(figure.source) != bool(figure.unknown), figure


def test_hosted_tokens_are_added_to_the_hours() -> None:
    prices = Prices(
        running_usd_per_hour=1.25,
        prompt_usd_per_million=0.5,
        completion_usd_per_million=1.5,
        embedding_usd_per_million=0.1,
        token_source="price page of 2026-11-02",
        hosted_generator=True,
        hosted_embedder=True,
    )
    report = cost_report(prices, USAGE)
    tokens = (0.4 * 0.5 + 0.04 * 1.5) / 400
    assert report["tokens_usd_per_question"].value == pytest.approx(tokens)
    assert report["usd_per_question"].value == pytest.approx(16 * 1.25 / 400 + tokens)
    assert report["usd_per_thousand_notes"].value == pytest.approx(4 * 1.25 / 10 + 0.2 / 10)
    assert answer_usd(prices, 1_000_000, 1_000_000).value == pytest.approx(2.0)
    assert "2026-11-02" in report["tokens_usd_per_question"].source
    assert answer_usd(Prices(hosted_generator=True), 1, 1).value is None
    assert answer_usd(PRICES, 1, 1).value == 0.0


@pytest.mark.parametrize(
    ("provider", "url", "hosted"),
    [
        ("extractive", "", False),
        ("nim", "http://127.0.0.1:8000/v1", False),
        ("nim", "https://integrate.api.nvidia.com/v1", True),
        ("openai", "https://models.example.org/v1", True),
        ("bedrock", "", True),
    ],
)
def test_whether_a_model_bills_by_the_token(provider: str, url: str, hosted: bool) -> None:
    settings = load_settings(None, generator={"provider": provider, "url": url})
    assert prices_of(settings).hosted_generator is hosted


def test_prices_say_what_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "whence was not said" in prices_of(load_settings(None)).source
    monkeypatch.setenv("CHARTWELL_COST__RUNNING_USD_PER_HOUR", "")
    monkeypatch.setenv("CHARTWELL_COST__PLAN", "g5.2xlarge/on-demand/eu-west-1/pause-volume")
    monkeypatch.setenv("CHARTWELL_COST__PRICES_AS_OF", "2026-11")
    prices = prices_of(load_settings(None))
    assert prices.running_usd_per_hour is None
    assert prices.source == "AWS list prices of 2026-11, g5.2xlarge/on-demand/eu-west-1/pause-volume"
