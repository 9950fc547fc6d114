"""What a trader reads in the terminal when a run has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from desk.domain.records import RunRecord
from desk.report.new_york import clock
from desk.report.spreads import endings_words, figures_words, open_words, refusals_words, spread_figures, spreads_line
from desk.report.statistics import RunStatistics, run_statistics
from desk.report.terminal import COLUMNS, print_within
from desk.report.wording import (
    NO_PROMISE,
    costs_words,
    dollars,
    exits_line,
    gate_sentence,
    percent,
    period,
    price,
    printable,
    protection_words,
    stops_words,
    unprotected_words,
    unrealised_words,
)

MOST_LINES = 10  # of gapped stops or open positions; the report has them all

Row = tuple[str, str, str]  # label, text, style


def print_summary(record: RunRecord, console: Console, next_commands: Sequence[str], report_path: Path | str | None) -> None:
    """Print the run's table, the commands to try next and the report's path.

    At most 100 columns, plain text where `console` is no terminal. Commands and path stay on one line each, so that they can
    be copied.
    """
    figures = run_statistics(record)
    table = Table(box=box.ROUNDED if console.is_terminal else None, show_header=False, title=_title(record), title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for i, section in enumerate(
        (_where(record), _result(record, figures), _trades(record, figures), _kept_safe(record, figures))
    ):
        if i and not console.is_terminal:
            table.add_row()  # where no frame divides the sections, an empty line does
        _add(table, list(section))
    console.print()
    print_within(console, table, COLUMNS)
    _print_next(console, next_commands, report_path)


def _add(table: Table, rows: Sequence[Row]) -> None:
    for i, (label, text, style) in enumerate(rows):
        table.add_row(label, Text(printable(text), style=style), end_section=i == len(rows) - 1)


def _title(record: RunRecord) -> Text:
    return Text(printable(f"{record.strategy} on {record.broker}"), style="bold")


def _where(record: RunRecord) -> Iterator[Row]:
    yield "Period", period(record), ""
    yield "Prices", record.source, ""
    seed = "" if record.seed is None else f", seed {record.seed}"
    yield "Iterations", f"{record.iterations:,}{seed}", ""


def _result(record: RunRecord, figures: RunStatistics) -> Iterator[Row]:
    start, worst, exposure = dollars(figures.equity_start_usd), figures.worst_day, figures.exposure
    change = dollars(figures.equity_end_usd - figures.equity_start_usd, signed=True)
    name, costs, measure = costs_words(record, figures)
    yield "Return", f"{percent(figures.total_return_fraction, signed=True)}, {change} on {start}", ""
    yield name, f"{costs} {measure}, in the return", ""
    yield "Stops", stops_words(figures), ""
    yield "Deepest drawdown", percent(figures.max_drawdown_fraction), ""
    yield "Worst day", f"{worst.session}, {percent(worst.return_fraction, signed=True)}" if worst else "none", ""
    yield (
        "Exposure",
        f"average {percent(exposure.average_fraction)}, highest {percent(exposure.highest_fraction)} of the equity",
        "",
    )
    yield "", NO_PROMISE, "italic"


def _trades(record: RunRecord, figures: RunStatistics) -> Iterator[Row]:
    trips = figures.trips
    even = f", {trips.even} even" if trips.even else ""
    yield "Round trips", f"{trips.closed} closed: {trips.wins} won, {trips.losses} lost{even}; {trips.still_open} still open", ""
    if trips.average_usd is not None:
        of_paid, days = percent(trips.average_fraction or 0.0, signed=True), trips.average_held_days or 0.0
        yield "Average trip", f"{dollars(trips.average_usd, signed=True)}, {of_paid} of what was paid, held {days:.1f} days", ""
        yield "Exits", exits_line(trips, len(figures.gapped_stops)).removeprefix("Exits: "), ""
    yield from _spreads(record)
    yield "Refused", refusals_words(figures.refusals) or "none", ""
    gate = gate_sentence(record)
    if gate:
        yield "Confidence gate", gate, ""


def _spreads(record: RunRecord) -> Iterator[Row]:
    line = spreads_line(record.spreads)
    if line is None:
        return
    yield "Spreads", line, ""
    for label, words in (
        ("Average spread", figures_words(spread_figures(record.spreads))),
        ("Spreads ended by", endings_words(record.spreads)),
    ):
        if words is not None:
            yield label, words, ""


def _kept_safe(record: RunRecord, figures: RunStatistics) -> Iterator[Row]:
    bare = record.unprotected_share_seconds
    yield "Unprotected", unprotected_words(bare), "" if bare == 0 else "yellow"
    gaps = [
        f"{stop.symbol} {clock(stop.at)}: stop {price(stop.stop_price)}, filled {price(stop.fill_price)}, "
        f"{dollars(stop.beyond_stop_usd)} beyond the stop"
        for stop in figures.gapped_stops
    ]
    yield from _lines("Stops that gapped", gaps, "none", "")
    still_open = [trip for trip in record.trips if trip.is_open]
    safe = all(trip.is_protected for trip in still_open)
    yield from _lines("Open positions", [protection_words(trip) for trip in still_open], "none", "" if safe else "bold red")
    spreads = [open_words(spread) for spread in record.spreads if spread.is_open]
    if spreads:
        yield from _lines("Open spreads", spreads, "none", "")
    unrealised = unrealised_words(figures)
    if unrealised:
        yield "Unrealised", unrealised, ""
    yield from _lines("Notes", record.notes, "none", "")


def _lines(label: str, lines: Sequence[str], nothing: str, style: str) -> Iterator[Row]:
    shown = list(lines[:MOST_LINES]) or [nothing]
    if len(lines) > MOST_LINES:
        shown.append(f"and {len(lines) - MOST_LINES} more, all in the report")
    for i, line in enumerate(shown):
        yield label if i == 0 else "", line, style


def _print_next(console: Console, next_commands: Sequence[str], report_path: Path | str | None) -> None:
    def say(text: str, style: str, indent: str = "") -> None:
        console.print(Text(indent + printable(text), style=style), soft_wrap=True)

    console.print()
    if next_commands:
        say("Try next:", "bold")
    for command in next_commands:
        say(command, "cyan", indent="  ")
    if report_path is not None:
        say(f"Report: {report_path}", "bold")
