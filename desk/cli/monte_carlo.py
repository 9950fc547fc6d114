"""`desk monte-carlo`: what a run might have come to, had its days or its trades come otherwise."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.text import Text

from desk.cli.compare import (
    ConfigOption,
    DataOption,
    EndOption,
    JsonOption,
    PageOption,
    SeedOption,
    StartOption,
    aligned,
    running,
    stage_of,
)
from desk.cli.tables import console, print_json
from desk.domain.errors import UsageError
from desk.domain.records import RunRecord
from desk.report.files import write_whole
from desk.report.wording import NO_PROMISE
from desk.research import compare as research
from desk.research import monte_carlo_page as page
from desk.research.compare_contenders import contender
from desk.research.compare_trips import trip_figures
from desk.research.monte_carlo import QUANTILES, Bootstrap, Outcomes
from desk.research.monte_carlo_runs import Drawn, draw, journaled
from desk.settings.load import Settings, load_settings


def monte_carlo(
    what: Annotated[
        str, typer.Argument(metavar="STRATEGY|RUN", help="A strategy, as in `desk compare`, or the folder of a run under runs/.")
    ],
    draws: Annotated[int, typer.Option("--draws", min=10, max=100_000, help="How many series are drawn.")] = 1000,
    seed: SeedOption = 1,
    block: Annotated[
        int | None, typer.Option("--block", min=1, metavar="N", help="Mean length of a block of days; default estimated.")
    ] = None,
    ruin_fraction: Annotated[
        float, typer.Option("--ruin", min=0.01, max=0.99, help="Part of the start below which the account counts as ruined.")
    ] = 0.5,
    data: DataOption = None,
    start: StartOption = None,
    end: EndOption = None,
    page_file: PageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a run's days, and its trades, again and again in blocks, and show how far return, drawdown and ruin may spread.

    A strategy is run first. It tells how much luck the order of the days was, and nothing about what no day of it saw.
    """
    settings = load_settings(config=config)
    record = _record(what, settings, data, start, end)
    cost_fraction = research.paid_fraction(record, research.cost_fraction_of(settings.behaviour))
    found = draw(record, cost_fraction, draws=draws, seed=seed, block=block, ruin_fraction=ruin_fraction)
    written = None if page_file is None else write_whole(page_file, page.monte_carlo_page(found))
    if as_json:
        print_json(as_object(found) | {"page": written})
    else:
        _print(found, console(), written)


def _record(what: str, settings: Settings, data: Path | None, start: str | None, end: str | None) -> RunRecord:
    """The run that is meant: a folder that there is, else a strategy to backtest."""
    if (Path(what) / "run.json").is_file():
        if data is not None or start is not None or end is not None:
            raise UsageError(f"{what} is a run, whose prices and dates are known; leave out --data, --start and --end")
        return journaled(Path(what), settings.journal_url, settings.behaviour.confidence_threshold)
    if Path(what).is_dir():
        raise UsageError(f"{what}: there is no run in this folder (run.json is missing); give a folder under runs/")
    chosen = contender(what, settings.behaviour)
    on = stage_of(settings, data, start, end)
    with running() as told:
        return research.run(chosen, on, told)


# ---- for people and for programs ---------------------------------------------------------------------------------------------


def _print(found: Drawn, out: Console, written: Path | None) -> None:
    for name, value in page.headline(found):
        out.print(Text(f"{name}: {value}"), soft_wrap=True)
    for title, unit, drawn in page.section_titles(found):
        out.print()
        out.print(Text(title, style="bold"))
        out.print(aligned(page.HEADS, page.quantile_rows(drawn, unit)))
        out.print(Text(f"{page.ruin_words(drawn, found.ruin_fraction)}."), soft_wrap=True)
    out.print()
    for note in page.notes_on(found):
        out.print(Text(f"- {note}"), soft_wrap=True)
    out.print(Text(NO_PROMISE, style="italic"))
    if written is not None:
        out.print(Text(f"Page: {written}", style="bold"), soft_wrap=True)


def as_object(found: Drawn) -> dict[str, Any]:
    """The same as JSON: fractions of one, money in dollars, null for what is not known."""
    record, null = found.record, found.null
    return {
        "strategy": record.strategy,
        "broker": record.broker,
        "source": record.source,
        "first_session": record.first_session,
        "last_session": record.last_session,
        "sessions": record.sessions,
        "figures": dataclasses.asdict(found.figures),
        "trips": dataclasses.asdict(trip_figures(record)),
        "random_moments": None if null is None else dataclasses.asdict(null),
        "ruin_fraction": found.ruin_fraction,
        "days": _drawn_object(found.days, found.ruin_fraction),
        "trades": None if found.trades is None else _drawn_object(found.trades, found.ruin_fraction),
        "notes": [*page.notes_on(found), NO_PROMISE],
    }


def _drawn_object(drawn: Bootstrap, ruin_fraction: float) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(Outcomes)]
    return {
        "periods": drawn.periods,
        "block": drawn.block,
        "draws": drawn.draws,
        "seed": drawn.seed,
        "the_run": {name: float(getattr(drawn.own, name)[0]) for name in names},
        "quantiles": {
            name: {f"{level:g}": float(value) for level, value in zip(QUANTILES, _quantiles(drawn, name), strict=True)}
            for name in names
        },
        "ruin_probability": drawn.ruin_probability(ruin_fraction),
        "ruin_probability_at_most": drawn.ruin_bound(ruin_fraction),
    }


def _quantiles(drawn: Bootstrap, name: str) -> Any:
    return np.quantile(getattr(drawn.drawn, name), QUANTILES)
