"""How long shares stand without an exit while the desk changes a position, by the exchange's own books.

First on the wall clock, at the built-in exchange with the latency measured at Alpaca: a bracket that fills, a position that is
trimmed, one that is added to, and one that gives back what was added. Each move is made on a symbol of its own. Then the
sessions of `make trade`, where time stands still while the desk works: what is bare there is what the rules leave bare.

    python backtests/naked_window.py [--trims 30] [--sessions 60] [--config FILE] [--json FILE]

Times are the machine's: what else it does lengthens them, so the load stands above the table.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from os import cpu_count, getloadavg
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import numpy as np
from naked.moves import ADDITION, ASKED, COVERED, DECIDED, FILL, KINDS, SELLING, TRANCHE, TRIM, Made, make_moves
from naked.replayed import ALL_CAUSES, Replayed, replay
from naked.windows import Window
from rich.console import Console
from rich.table import Table
from stock_lumibot_after_a_bracket import LAST_DAY

from desk.cli.trade_exchange import DEFAULT_SESSIONS, DEFAULT_START
from desk.data.calendars import sessions
from desk.report.terminal import print_within
from desk.settings.load import load_settings

SHOWCASE = Path(__file__).resolve().parents[1] / "config" / "showcase.yaml"
DEFAULT_TRIMS = 30
# Longest median of bare time, in milliseconds.
AIMS_MS = {FILL: 0.0, TRIM: 150.0, TRANCHE: 0.0}
# From one mark to the next; None is the beginning of the bare time, or its end.
STAGES: dict[str, tuple[tuple[str, str | None, str | None], ...]] = {
    TRIM: (
        ("the old exits have ended; the desk hears of it and decides", None, DECIDED),
        ("journal, orders thread and request, to the first try", DECIDED, ASKED),
        ("tries until the shares are free and the new exits are taken", ASKED, COVERED),
        ("the sale of the rest is taken", COVERED, SELLING),
        ("it is through", SELLING, None),
    ),
    ADDITION: (
        ("bought; the desk hears of it and decides", None, DECIDED),
        ("journal, orders thread and request, to the first try", DECIDED, ASKED),
        ("tries until the exits are taken", ASKED, COVERED),
    ),
}


def in_order(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, 90th percentile and the largest."""
    return median(values), float(np.percentile(values, 90)), max(values)


# ---- tables --------------------------------------------------------------------------------------------------------------


def moves_table(made: Sequence[Made]) -> Table:
    shown = Table("bare on the wall clock", box=None, pad_edge=False)
    for name in ("moves", "median ms", "p90 ms", "max ms", "share-seconds", "asked again", "aim"):
        shown.add_column(name, justify="right")
    for kind in KINDS:
        mine = [each for each in made if each.kind == kind]
        if mine:
            shown.add_row(kind, *moves_cells(kind, mine))
    return shown


def moves_cells(kind: str, mine: Sequence[Made]) -> Iterator[str]:
    middle, most, worst = in_order([each.milliseconds for each in mine])
    yield f"{len(mine)}"
    yield from (f"{value:.0f}" for value in (middle, most, worst))
    yield f"{median(each.share_seconds for each in mine):.2f}"
    yield f"{sum(each.refused for each in mine) / len(mine):.1f}"
    aim = AIMS_MS.get(kind)
    yield "" if aim is None else f"{'met' if middle <= aim else 'missed'}: {aim:.0f} ms"


def stages_table(made: Sequence[Made], kind: str) -> Table:
    shown = Table(f"{kind}: where the time goes", box=None, pad_edge=False)
    for name in ("median ms", "p90 ms", "max ms"):
        shown.add_column(name, justify="right")
    for words, first, last in STAGES[kind]:
        spent = [each for made_one in made if made_one.kind == kind if (each := spent_ms(made_one, first, last)) is not None]
        if spent:
            shown.add_row(words, *(f"{value:.1f}" for value in in_order(spent)))
    return shown


def spent_ms(made: Made, first: str | None, last: str | None) -> float | None:
    """Milliseconds between two marks, None for a move that has not both."""
    began = 0.0 if first is None else made.marks_ms.get(first)
    ended = made.milliseconds if last is None else made.marks_ms.get(last)
    return None if began is None or ended is None or made.milliseconds == 0 else ended - began


def replay_table(played: Replayed) -> Table:
    shown = Table(f"bare in {played.sessions} replayed sessions", box=None, pad_edge=False)
    for name in ("windows", "median s", "p90 s", "max s", "share-seconds"):
        shown.add_column(name, justify="right")
    for cause in ALL_CAUSES:
        shown.add_row(cause, *replay_cells([window for name, window in played.windows if name == cause]))
    shown.add_row("all", *replay_cells([window for _, window in played.windows]))
    return shown


def replay_cells(windows: Sequence[Window]) -> Iterator[str]:
    yield f"{len(windows)}"
    if windows:
        yield from (f"{value:.0f}" for value in in_order([window.seconds for window in windows]))
        yield f"{sum(window.share_seconds for window in windows):,.0f}"


# ---- the command ---------------------------------------------------------------------------------------------------------


def options_from(arguments: Sequence[str] | None) -> argparse.Namespace:
    most = len(sessions(DEFAULT_START, LAST_DAY))
    parser = argparse.ArgumentParser(description="How long shares stand without an exit while the desk changes a position.")
    parser.add_argument(
        "--trims", type=int, default=DEFAULT_TRIMS, help=f"moves of each kind; {DEFAULT_TRIMS} otherwise, 0: none"
    )
    parser.add_argument(
        "--sessions", type=int, default=DEFAULT_SESSIONS, help=f"to replay; {DEFAULT_SESSIONS} otherwise, 0: none"
    )
    parser.add_argument("--config", type=Path, default=SHOWCASE, metavar="FILE", help="settings other than config/showcase.yaml")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    options = parser.parse_args(arguments)
    if not 0 <= options.trims <= 300:
        parser.error(f"--trims {options.trims}: give a number from 0 to 300")
    if not 0 <= options.sessions <= most:
        parser.error(f"--sessions {options.sessions}: give a number from 0 to {most}; the last one is {LAST_DAY}")
    return options


def tell_moves(made: Sequence[Made], console: Console) -> None:
    load = ", ".join(f"{load:.1f}" for load in getloadavg())
    console.print(f"Load of the last 1, 5 and 15 minutes: {load}, on {cpu_count()} cores.", soft_wrap=True)
    for table in (moves_table(made), stages_table(made, TRIM), stages_table(made, ADDITION)):
        print_within(console, table)
        console.print()


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_from(arguments)
    settings = load_settings(config=options.config, environ={}, dotenv=None)
    # alpaca-py reports the end of its own websocket as an error when a run is over, and the scheduler each second in which an
    # iteration of the second before still goes on.
    for noisy in ("alpaca.trading.stream", "apscheduler"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    console = Console(highlight=False)
    figures: dict[str, object] = {}
    with TemporaryDirectory(prefix="naked-") as temporary:
        if options.trims:
            made = make_moves(options.trims, Path(temporary) / "moves")
            tell_moves(made, console)
            figures |= {"load": getloadavg(), "moves": [asdict(each) for each in made]}
        if options.sessions:
            played = replay(options.sessions, settings, Path(temporary) / "replay")
            print_within(console, replay_table(played))
            figures |= {"replay": asdict(played), "share_seconds_by_cause": played.seconds_by_cause()}
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
