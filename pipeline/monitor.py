"""Watch a deployment: `python -m pipeline.monitor`, on its host or anywhere.

GPU, servers, containers, store, host and cost, on one screen; kept in files and shown as metrics while it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from pipeline import logs
from pipeline.commands.console import (
    EXIT_SOME_REJECTED,
    StackOption,
    command_line,
    console,
    errors_as_exit_codes,
    out,
    stop_requests,
)
from pipeline.config import Settings, load_settings
from pipeline.errors import SettingsInvalid
from pipeline.monitoring.alerts import Alert, alerts_of
from pipeline.monitoring.sample_log import Journal, kept_samples
from pipeline.monitoring.sampler import LastValues, Sampler, open_sampler, samples
from pipeline.monitoring.samples import Missing, QuestionCounts, Sample
from pipeline.monitoring.screen import line, screen
from pipeline.monitoring.usage import UsageMeter, window_begin
from pipeline.pricing import CostReport, cost_report, prices_of

if TYPE_CHECKING:
    from pipeline.monitoring.exporter import MetricsSink

app = command_line(__doc__ or "")

METERED_SECONDS = 3600.0
STATE_FILE = "service.sqlite"
"""Where the service keeps its state by default; named here because its packages may not be installed."""
EXIT_SOMETHING_FAILS = EXIT_SOME_REJECTED


@app.command()
def monitor(
    once: Annotated[bool, typer.Option("--once", help="one look, then end")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="print each look as a line of JSON")] = False,
    interval: Annotated[float | None, typer.Option(min=1, max=3600, help="seconds between two looks")] = None,
    duration: Annotated[float | None, typer.Option(min=0, help="end after so many seconds")] = None,
    record: Annotated[
        bool | None, typer.Option("--record/--no-record", help="keep the looks; by default unless --once")
    ] = None,
    stack: StackOption = None,
) -> None:
    """Look at GPU, servers, containers, store, host and cost, again and again.

    What is not there (a GPU, Docker, a server) is shown as missing. Watching is no work: no model is asked to answer,
    and the idle watch still stops the host. Looks are kept in the data folder's monitor/, bounded by size and age.

    Exit code 0: watched; 1: with --once, something fails; 2: could not run.
    """
    with errors_as_exit_codes(), ExitStack() as open_things:
        settings = _settings(stack, interval)
        logs.configure(settings.log_level)
        if record is None:
            record = not once and stack is None
        watching = _Monitor(settings, open_things, remote=stack is not None, record=record, metrics=not once)
        if once:
            sample = watching.sampler.sample()
            watching.keep(sample)
            _print_once(watching, sample, json_output)
            if any(each.level == "fail" for each in alerts_of(sample)):
                raise typer.Exit(EXIT_SOMETHING_FAILS)
            return
        stop = open_things.enter_context(stop_requests(""))
        _watch(watching, _shower(json_output, open_things), stop, duration)


class _Monitor:
    """What one look goes through: filled up, kept, counted, published."""

    def __init__(
        self, settings: Settings, open_things: ExitStack, *, remote: bool, record: bool, metrics: bool
    ) -> None:
        self.sampler: Sampler = open_sampler(
            settings, remote=remote, asked=None if remote else _receipts(settings)
        )
        self.interval_seconds = settings.monitor.interval_seconds
        self.latest = LastValues()
        self._prices = prices_of(settings)
        self._meter = UsageMeter()
        self._before: Sample | None = None
        self._journal = None
        self._sink = None
        self._remote = remote
        self._data_dir = settings.data_dir
        self._metered_at = 0.0
        if record:
            keep_mib, keep_days = settings.monitor.keep_mib, settings.monitor.keep_days
            self._journal = open_things.enter_context(
                Journal(settings.data_dir, keep_mib=keep_mib, keep_days=keep_days)
            )
        if metrics and (settings.monitor.metrics_port or settings.monitor.metrics_textfile):
            self._sink = _metrics_sink(settings, open_things)

    def keep(self, sample: Sample) -> None:
        """Into the files and the sum of hours."""
        self._meter_anew(sample)
        self._meter.take(sample.plain())
        if self._journal is not None:
            self._journal.take(sample)

    def _meter_anew(self, sample: Sample) -> None:
        """Once an hour the sum begins again with what is kept of the window, so that old hours leave it."""
        if self._remote or 0 < sample.elapsed_seconds - self._metered_at < METERED_SECONDS:
            return
        self._metered_at = sample.elapsed_seconds
        self._meter, begin = UsageMeter(), window_begin()
        for kept in kept_samples(self._data_dir):
            if str(kept.get("at", "")) >= begin:
                self._meter.take(kept)

    def publish(self, sample: Sample) -> None:
        if self._sink is not None:
            lost = self._journal.lost if self._journal is not None else 0
            self._sink.publish(sample, lost=lost, costs=self.costs())

    def alerts(self, sample: Sample) -> list[Alert]:
        found = alerts_of(sample, self._before)
        self._before = sample
        if self._journal is not None and self._journal.problem:
            found.append(Alert("warn", self._journal.problem, "df -h; see docs/operations.md#the-disk-fills"))
        return found

    def costs(self) -> CostReport:
        return cost_report(self._prices, self._meter.usage())

    @property
    def recording(self) -> str:
        if self._journal is None:
            return "not kept"
        return self._journal.problem or "kept"


def _receipts(settings: Settings) -> Callable[[], QuestionCounts | Missing] | None:
    """Counts the service's receipts, where its state is within reach; None where there is no service here."""
    given = bool(settings.service.state_url.get_secret_value())
    if not given and not (settings.data_dir / STATE_FILE).is_file():
        return None

    try:
        from pipeline.service.database.answer_counts import AnswerCounts
    except ModuleNotFoundError:
        return lambda: Missing("the service's packages are not installed: pip install 'chartwell[service]'")
    counts = AnswerCounts(settings)

    def count() -> QuestionCounts:
        answers = counts()
        return QuestionCounts(answers.number, answers.prompt_tokens, answers.completion_tokens)

    return count


def _metrics_sink(settings: Settings, open_things: ExitStack) -> MetricsSink:
    try:
        from pipeline.monitoring.exporter import MetricsSink
    except ModuleNotFoundError:
        raise SettingsInvalid(
            "Metrics are wanted and prometheus-client is not installed.",
            remedy="pip install 'chartwell[observe]', or unset CHARTWELL_MONITOR__METRICS_PORT and _TEXTFILE.",
        ) from None
    port = settings.monitor.metrics_port
    try:
        sink = MetricsSink(settings.monitor.metrics_textfile, port)
    except OSError as error:
        raise SettingsInvalid(
            f"Metrics cannot be served on port {port}: {error.strerror}.",
            remedy="Another monitor may run. Set CHARTWELL_MONITOR__METRICS_PORT to a free port, or 0.",
        ) from None
    open_things.callback(sink.close)
    return sink


def _settings(stack: str | None, interval: float | None) -> Settings:
    if interval is None:
        return load_settings(stack=stack)
    return load_settings(stack=stack, monitor={"interval_seconds": interval})


Shower = Callable[[_Monitor, Sample], None]


def _watch(watching: _Monitor, show: Shower, stop: Callable[[], bool], duration: float | None) -> None:
    every = watching.interval_seconds
    for found in samples(watching.sampler, interval_seconds=every, stop=stop, duration_seconds=duration):
        watching.keep(found)
        sample = watching.latest.take(found)
        watching.publish(sample)
        show(watching, sample)


def _shower(json_output: bool, open_things: ExitStack) -> Shower:
    """A screen on a terminal; else a line when something changes, which suits a log."""
    if json_output:
        return lambda _, sample: _print_line(sample)
    if sys.stdout.isatty():
        shown = console()
        live = open_things.enter_context(Live(console=shown, auto_refresh=False, screen=True))
        return lambda watching, sample: live.update(_screen(watching, sample, shown), refresh=True)
    last: list[str] = []

    def say(watching: _Monitor, sample: Sample) -> None:
        said = line(watching.alerts(sample))
        if last != [said]:
            last[:] = [said]
            out.print(said, markup=False)

    return say


def _screen(watching: _Monitor, sample: Sample, shown: Console) -> RenderableType:
    return screen(
        sample,
        watching.alerts(sample),
        watching.costs(),
        width=shown.width,
        recording=watching.recording,
    )


def _print_once(watching: _Monitor, sample: Sample, json_output: bool) -> None:
    if json_output:
        _print_line(sample)
        return
    shown = console()
    shown.print(_screen(watching, sample, shown))


def _print_line(sample: Sample) -> None:
    sys.stdout.write(f"{sample.line()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    app()
