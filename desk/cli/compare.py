"""`desk compare`: strategies side by side on the same days, symbols and costs, beside holding and beside chance."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from desk.cli.tables import console, print_json
from desk.domain.errors import UsageError
from desk.report.files import write_whole
from desk.report.wording import NO_PROMISE
from desk.research import compare as research
from desk.research import compare_page as page
from desk.research.compare_contenders import SHAPE, contender
from desk.research.compare_trips import trip_figures
from desk.settings.load import Settings, load_settings

DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Your own daily bars, CSV or Parquet; default the bundled market.")
]
StartOption = Annotated[str | None, typer.Option("--start", metavar="DATE", help="First session; default after two years.")]
EndOption = Annotated[str | None, typer.Option("--end", metavar="DATE", help="Last session; default the data's last.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="The same seed, the same draws.")]
PageOption = Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Also write an HTML page.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Behaviour in YAML; default config/default.yaml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def compare(
    strategies: Annotated[list[str], typer.Argument(metavar="STRATEGY...", help=SHAPE)],
    data: DataOption = None,
    start: StartOption = None,
    end: EndOption = None,
    draws: Annotated[int, typer.Option("--draws", min=10, max=5_000, help="Random placements of each one's trades.")] = 500,
    seed: SeedOption = 1,
    page_file: PageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run strategies, or variants of one, on the same sessions with the same costs, and put them beside each other.

    Under each stands what its trades make at random moments, and at the end what holding the symbols makes.
    """
    twice = [each for each in strategies if strategies.count(each) > 1]
    if twice:
        raise UsageError(f"{twice[0]} is there twice; name each contender once")
    settings = load_settings(config=config)
    contenders = [contender(each, settings.behaviour) for each in strategies]
    stage = stage_of(settings, data, start, end)
    with running() as told:
        found = research.compare(contenders, stage, draws=draws, seed=seed, progress=told)
    written = None if page_file is None else write_whole(page_file, page.comparison_page(found))
    if as_json:
        print_json(as_object(found) | {"page": written})
    else:
        _print(found, console(), written)


# ---- shared with `desk monte-carlo` ------------------------------------------------------------------------------------------


def stage_of(settings: Settings, data: Path | None, start: str | None, end: str | None) -> research.Stage:
    """What everyone trades on, from a command's options."""
    return research.stage(
        None if data is None else str(data),
        settings.behaviour,
        day(start, "--start"),
        day(end, "--end"),
        is_chosen="universe.exchange" in settings.sources,
    )


def day(text: str | None, option: str) -> date | None:
    """A date that a person typed. Raises UsageError for anything but YYYY-MM-DD."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: give a date as YYYY-MM-DD, such as 2008-09-02") from None


@contextmanager
def running() -> Iterator[research.Progress]:
    """A bar a run, on stderr so that what is printed can be piped; nothing where that is no terminal."""
    out = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=30), TaskProgressColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def told(label: str, session: date, fraction: float) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(label, total=1.0)
            bar.update(tasks[label], completed=fraction, description=f"{label} {session}")

        yield told


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A frameless table whose first column is words and the others figures; rows that begin with blanks are set quietly."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, head in enumerate(heads):
        shown.add_column(head, justify="right" if number else "left")
    for row in rows:
        shown.add_row(*(Text(cell, style="dim" if row[0].startswith("  ") else "") for cell in row))
    return shown


# ---- for people and for programs ---------------------------------------------------------------------------------------------


def _print(found: research.Comparison, out: Console, written: Path | None) -> None:
    for line in page.headline(found):
        out.print(Text(line), soft_wrap=True)
    out.print()
    out.print(aligned(page.HEADS, page.table_rows(found)))
    out.print()
    out.print(aligned(page.TRIP_HEADS, page.trip_rows(found)))
    out.print()
    out.print(Text("Correlation of daily returns", style="bold"))
    out.print(aligned(page.correlation_heads(found), page.correlation_rows(found)))
    out.print()
    for note in (*found.notes, *page.how_it_is_measured(found)):
        out.print(Text(f"- {note}"), soft_wrap=not sys.stdout.isatty())
    out.print(Text(NO_PROMISE, style="italic"))
    if written is not None:
        out.print(Text(f"Page: {written}", style="bold"), soft_wrap=True)


def as_object(found: research.Comparison) -> dict[str, Any]:
    """The same as JSON: fractions of one, money in dollars, null for what is not known."""
    sessions = found.sessions
    return {
        "source": found.stage.source.label,
        "symbols": found.stage.symbols,
        "first_session": sessions[0].isoformat(),
        "last_session": sessions[-1].isoformat(),
        "sessions": len(sessions),
        "fee_bps": found.fee_bps,
        "slippage_bps": found.slippage_bps,
        "draws": found.draws,
        "seed": found.seed,
        "strategies": [
            {"strategy": row.label}
            | dataclasses.asdict(row.figures)
            | {"random_moments": None if row.null is None else dataclasses.asdict(row.null)}
            | {"trips": dataclasses.asdict(trip_figures(row.record))}
            for row in found.rows
        ],
        "buy_and_hold": dataclasses.asdict(found.hold),
        "correlations": {
            name: {other: None if math.isnan(value) else float(value) for other, value in zip(found.curves, line, strict=True)}
            for name, line in zip(found.curves, found.correlations, strict=True)
        },
        "notes": [*found.notes, NO_PROMISE],
    }
