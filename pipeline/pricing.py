"""What questions and notes cost: prices and usage in, figures with unit and source out.

Pure arithmetic: no clock, no file, no network, so that the command line, the metrics and the page show the same
figures. Decides how a host's hours are shared between questions and notes, and that a figure is unknown as soon as one
of its terms is: nothing is ever filled in. Refuses to know where prices and counts come from.

A host is paid by the hour, busy or not. So the price of a question at the present utilisation is what the hours cost
in which no notes were indexed, divided by the questions of the whole time; the price of a note is what the hours of
indexing cost. `gpu_work_usd_per_question` is the share of it in which the GPU really worked: the rest is waiting, and
shrinks with use or with a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

from pipeline.config import CostSettings, Settings

FigureUnit: TypeAlias = Literal["USD", "USD/hour", "hours", "ratio", "questions", "notes"]

LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


@dataclass(frozen=True, slots=True)
class CostFigure:
    """One number with its unit and source. Without a value, `unknown` says why there is none."""

    name: str
    """Stable: metrics and JSON carry it."""
    unit: FigureUnit
    value: float | None
    source: str = ""
    unknown: str = ""

    def __str__(self) -> str:
        return f"not known: {self.unknown}" if self.value is None else f"{self.value:.6g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Prices:
    """What an hour and a million tokens cost, US dollars. None: not known."""

    running_usd_per_hour: float | None = None
    paused_usd_per_hour: float | None = None
    source: str = ""
    prompt_usd_per_million: float | None = None
    completion_usd_per_million: float | None = None
    embedding_usd_per_million: float | None = None
    token_source: str = ""
    hosted_generator: bool = False
    """True where answers are written by a server that bills by the token, and is not on the host."""
    hosted_embedder: bool = False


@dataclass(frozen=True, slots=True)
class UsageWindow:
    """What happened in a window of time. None: not known, and `unknown` may say why, by field."""

    source: str = ""
    since: str = ""
    """ISO 8601, UTC; empty where nothing was seen."""
    until: str = ""
    observed_hours: float | None = None
    """Hours in which the host ran and was watched."""
    indexing_hours: float | None = None
    """Those of them in which notes were embedded."""
    idle_hours: float | None = None
    """Those in which no question was asked, no note was embedded and the GPU did nothing."""
    gpu_hours: float | None = None
    """Hours times cards."""
    gpu_busy_hours: float | None = None
    """The same, each weighted by its utilisation."""
    gpu_busy_indexing_hours: float | None = None
    """Those of the busy ones that fell into indexing."""
    questions: int | None = None
    notes: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    embedded_tokens: int | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)

    def why(self, name: str) -> str:
        """Why a field has no value."""
        return (
            self.unknown.get(name)
            or self.unknown.get("*")
            or f"nothing recorded the {name.replace('_', ' ')}"
        )


@dataclass(frozen=True, slots=True)
class CostReport:
    """Every figure, in the order in which people read them."""

    since: str
    until: str
    figures: tuple[CostFigure, ...]

    def __getitem__(self, name: str) -> CostFigure:
        return next(figure for figure in self.figures if figure.name == name)

    def __iter__(self) -> Iterator[CostFigure]:
        return iter(self.figures)

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the figures that have a value come from, each source once."""
        named = (
            part for figure in self.figures if figure.value is not None for part in figure.source.split("; ")
        )
        return tuple(dict.fromkeys(part for part in named if part))


TITLES: Mapping[str, str] = {
    "running_usd_per_hour": "an hour, running",
    "paused_usd_per_hour": "an hour, paused",
    "pause_saves_usd_per_hour": "an hour of pause saves",
    "observed_hours": "hours watched",
    "indexing_hours": "  of them indexing",
    "idle_hours": "  of them idle",
    "gpu_hours": "GPU hours",
    "gpu_busy_hours": "  of them busy",
    "gpu_utilisation": "GPU utilisation",
    "spent_usd": "spent in these hours",
    "pause_would_have_saved_usd": "a pause would have saved",
    "questions": "questions",
    "notes": "notes indexed",
    "host_usd_per_question": "cost per question, host",
    "gpu_work_usd_per_question": "  of it GPU work",
    "tokens_usd_per_question": "cost per question, hosted tokens",
    "usd_per_question": "cost per question, total",
    "usd_per_thousand_notes": "cost per thousand notes",
}
"""Of every figure, in the order of a report; two leading blanks: part of the one before."""


class _Unknown(Exception):
    """A term is missing; its reason is the figure's."""


NO_PRICE = "no price of this machine was given (CHARTWELL_COST__RUNNING_USD_PER_HOUR, or --stack NAME)"
NO_PRICE_OF_TOKENS = (
    "the generator is hosted, and CHARTWELL_COST__PROMPT_USD_PER_MILLION and "
    "CHARTWELL_COST__COMPLETION_USD_PER_MILLION are not both set"
)
NO_PAUSED_PRICE = "no paused price was given (CHARTWELL_COST__PAUSED_USD_PER_HOUR, or --stack NAME)"


def prices_of(settings: Settings) -> Prices:
    """The prices that the settings carry."""
    cost = settings.cost
    return Prices(
        running_usd_per_hour=cost.running_usd_per_hour,
        paused_usd_per_hour=cost.paused_usd_per_hour,
        source=_price_source(cost),
        prompt_usd_per_million=cost.prompt_usd_per_million,
        completion_usd_per_million=cost.completion_usd_per_million,
        embedding_usd_per_million=cost.embedding_usd_per_million,
        token_source=cost.token_prices_from or "CHARTWELL_COST__*_USD_PER_MILLION, whence was not said",
        hosted_generator=_hosted(settings.generator.provider, settings.generator.url),
        hosted_embedder=_hosted(settings.embedder.provider, settings.embedder.url),
    )


def _price_source(cost: CostSettings) -> str:
    if not cost.plan and not cost.prices_as_of:
        return "CHARTWELL_COST__*, whence was not said"
    return f"AWS list prices of {cost.prices_as_of or 'an unknown month'}, {cost.plan or 'plan not named'}"


def _hosted(provider: str, url: str) -> bool:
    """Whether a provider bills by the token: Bedrock always, a model server unless it is on this host."""
    return provider == "bedrock" or (provider in {"nim", "openai"} and not url.startswith(LOOPBACK))


def cost_report(prices: Prices, usage: UsageWindow) -> CostReport:
    """Every figure that these prices and this usage carry; the others say what is missing."""
    return CostReport(usage.since, usage.until, tuple(_figures(prices, usage)))


def _figures(prices: Prices, usage: UsageWindow) -> Iterator[CostFigure]:
    both = f"{prices.source}; {usage.source}"
    yield _figure("running_usd_per_hour", "USD/hour", prices.source, lambda: _running(prices))
    yield _figure("paused_usd_per_hour", "USD/hour", prices.source, lambda: _paused(prices))
    yield _figure(
        "pause_saves_usd_per_hour", "USD/hour", prices.source, lambda: _running(prices) - _paused(prices)
    )
    for name in ("observed_hours", "indexing_hours", "idle_hours", "gpu_hours", "gpu_busy_hours"):
        yield _figure(name, "hours", usage.source, partial(_of, usage, name))
    yield _figure("gpu_utilisation", "ratio", usage.source, lambda: _utilisation(usage))
    yield _figure("spent_usd", "USD", both, lambda: _running(prices) * _of(usage, "observed_hours"))
    yield _figure(
        "pause_would_have_saved_usd",
        "USD",
        both,
        lambda: (_running(prices) - _paused(prices)) * _of(usage, "idle_hours"),
    )
    yield _figure("questions", "questions", usage.source, lambda: _of(usage, "questions"))
    yield _figure("notes", "notes", usage.source, lambda: _of(usage, "notes"))
    yield _figure("host_usd_per_question", "USD", both, lambda: _host_per_question(prices, usage))
    yield _figure("gpu_work_usd_per_question", "USD", both, lambda: _work_per_question(prices, usage))
    tokens = f"{prices.token_source}; {usage.source}" if prices.hosted_generator else "no hosted generator"
    yield _figure("tokens_usd_per_question", "USD", tokens, lambda: _tokens_per_question(prices, usage))
    yield _figure(
        "usd_per_question",
        "USD",
        both,
        lambda: _host_per_question(prices, usage) + _tokens_per_question(prices, usage),
    )
    yield _figure("usd_per_thousand_notes", "USD", both, lambda: _per_thousand_notes(prices, usage))


def _figure(name: str, unit: FigureUnit, source: str, compute: Callable[[], float]) -> CostFigure:
    try:
        return CostFigure(name, unit, compute(), source)
    except _Unknown as reason:
        return CostFigure(name, unit, None, unknown=str(reason))


def _running(prices: Prices) -> float:
    if prices.running_usd_per_hour is None:
        raise _Unknown(NO_PRICE)
    return prices.running_usd_per_hour


def _paused(prices: Prices) -> float:
    if prices.paused_usd_per_hour is None:
        raise _Unknown(NO_PAUSED_PRICE)
    return prices.paused_usd_per_hour


def _of(usage: UsageWindow, name: str) -> float:
    value = getattr(usage, name)
    if value is None:
        raise _Unknown(usage.why(name))
    return float(value)


def _some(usage: UsageWindow, name: str) -> float:
    """A count to divide by."""
    if (value := _of(usage, name)) > 0:
        return value
    raise _Unknown(f"no {name} in this time")


def _utilisation(usage: UsageWindow) -> float:
    hours = _of(usage, "gpu_hours")
    if hours <= 0:
        raise _Unknown("no GPU was seen in this time")
    return _of(usage, "gpu_busy_hours") / hours


def _host_per_question(prices: Prices, usage: UsageWindow) -> float:
    questions = _some(usage, "questions")
    hours = _of(usage, "observed_hours") - _of(usage, "indexing_hours")
    return _running(prices) * hours / questions


def _work_per_question(prices: Prices, usage: UsageWindow) -> float:
    """The busy hours of all cards outside indexing, as hours of the whole host."""
    questions = _some(usage, "questions")
    cards = _of(usage, "gpu_hours") / _some(usage, "observed_hours")
    if cards <= 0:
        raise _Unknown("no GPU was seen in this time")
    busy = _of(usage, "gpu_busy_hours") - _of(usage, "gpu_busy_indexing_hours")
    return _running(prices) * busy / cards / questions


def _tokens_per_question(prices: Prices, usage: UsageWindow) -> float:
    if not prices.hosted_generator:
        return 0.0
    questions = _some(usage, "questions")
    spent = _tokens_usd(prices, _of(usage, "prompt_tokens"), _of(usage, "completion_tokens"))
    return spent / questions


def _tokens_usd(prices: Prices, prompt_tokens: float, completion_tokens: float) -> float:
    if prices.prompt_usd_per_million is None or prices.completion_usd_per_million is None:
        raise _Unknown(NO_PRICE_OF_TOKENS)
    read = prompt_tokens * prices.prompt_usd_per_million
    written = completion_tokens * prices.completion_usd_per_million
    return (read + written) / 1_000_000


def answer_usd(prices: Prices, prompt_tokens: int, completion_tokens: int) -> CostFigure:
    """What one answer adds to a bill: its tokens where the generator is hosted, nothing where the hours of the host are
    paid anyway. For a receipt; the share of the host's hours is known only afterwards (`usd_per_question`)."""
    if not prices.hosted_generator:
        return CostFigure("answer_usd", "USD", 0.0, "no hosted generator")
    return _figure(
        "answer_usd",
        "USD",
        prices.token_source,
        lambda: _tokens_usd(prices, prompt_tokens, completion_tokens),
    )


def _per_thousand_notes(prices: Prices, usage: UsageWindow) -> float:
    notes = _some(usage, "notes")
    host = _running(prices) * _of(usage, "indexing_hours")
    if not prices.hosted_embedder:
        return 1000 * host / notes
    if prices.embedding_usd_per_million is None:
        raise _Unknown("the embedder is hosted and CHARTWELL_COST__EMBEDDING_USD_PER_MILLION is not set")
    tokens = _of(usage, "embedded_tokens") * prices.embedding_usd_per_million / 1_000_000
    return 1000 * (host + tokens) / notes


def amount(figure: CostFigure) -> str:
    """A figure with its unit, as many digits as it needs; "not known" without one."""
    if figure.value is None:
        return "not known"
    value = figure.value
    if figure.unit in {"questions", "notes"}:
        return f"{value:,.0f}"
    if figure.unit == "ratio":
        return f"{value:.1%}"
    if figure.unit == "hours":
        return f"{value:,.2f} h"
    return f"${value:,.{2 if value >= 10 or value == 0 else 4}f}"


def lines(report: CostReport) -> tuple[tuple[str, str], ...]:
    """Title and amount of every figure that is known, for people."""
    return tuple((TITLES[each.name].strip(), amount(each)) for each in report if each.value is not None)


def gaps(report: CostReport) -> dict[str, list[str]]:
    """What is not known, by its reason: the titles of those figures, in the report's order."""
    found: dict[str, list[str]] = {}
    for figure in report:
        if figure.value is None:
            found.setdefault(figure.unknown, []).append(TITLES[figure.name].strip())
    return found
