"""What the hedge did in a bad stretch of the bundled history, and how much of that is luck.

Two books run through the desk's own backtest, each with and without the hedge: `combined` with its gate reporting, and a plain
book that holds 15 % of the portfolio in each listed stock. Fees and slippage are modelled. Costs, drawdown and two null tests
stand beside every return: the same hedges on days drawn at random, and the rule on random walks, where nothing can be earned.

    python backtests/hedge.py [--start 2007-01-03] [--end 2009-12-31] [--draws 2000] [--walks 1000] [--json FILE]

The funds are derived from index returns; every figure of them is a figure of these, not of the real funds. The last table is
constructed by hand to show the mechanics. Nothing here says what a hedge will earn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from datetime import date
from pathlib import Path
from typing import Any

from hedging_study.books import Played, play
from hedging_study.constructed import LABEL, example
from hedging_study.figures import figures
from hedging_study.random_days import null_test
from hedging_study.report import DERIVED, Study, named, say
from hedging_study.walks import walk_test
from rich.console import Console

from desk.cli.errors import told_to_the_person
from desk.data.bundled import load_bundled
from desk.domain.errors import UsageError
from desk.report.wording import NO_PROMISE
from desk.settings.behaviour import Behaviour
from hedging.rules import InverseFund

FIRST_SESSION, LAST_SESSION = date(2007, 1, 3), date(2009, 12, 31)
BOOKS = ("combined", "weights")
DESK_WALKS = 3


def study(options: argparse.Namespace) -> Study:
    """Run all of it. Raises UsageError for dates that the bundled history does not have."""
    source, behaviour = load_bundled(), Behaviour(confidence_gate="report")
    days = source.sessions()
    if not days[0] < options.start <= options.end <= days[-1]:
        between = f"give dates after {days[0]} and up to {days[-1]}, the first one first"
        raise UsageError(f"--start {options.start} --end {options.end}: {between}")
    played: dict[tuple[str, bool], Played] = {}
    for book in BOOKS:
        for hedging in (False, True):
            played[book, hedging] = play(book, behaviour, source, options.start, options.end, hedging)
    hedged, alone = played["weights", True], played["weights", False]
    traded = sorted({*hedged.done.record.daily, *(fund.symbol for fund in hedged.rules.inverse_etfs)} if hedged.rules else ())
    return Study(
        period=f"{options.start} to {options.end}, {len(hedged.sessions)} sessions",
        source=source.label,
        notes=source.notes_on(traded),
        books=tuple(figures(book, run) for (book, _), run in played.items()),
        null=null_test(hedged, alone, options.draws, options.seed),
        walks=walk_test(options.walks, options.walk_sessions, DESK_WALKS),
        example=example(),
    )


def as_json(found: Study) -> dict[str, Any]:
    """The study as plain values, each block with what its prices are."""
    return {
        "period": found.period,
        "prices": found.source,
        "notes": [*found.notes, NO_PROMISE],
        "books": {"prices": DERIVED, "runs": [_plain(book) for book in found.books]},
        "null_test": {"prices": DERIVED, "found": _plain(found.null)},
        "random_walks": {"prices": "made-up driftless random walks, funds derived from them", "found": _plain(found.walks)},
        "example": {"prices": LABEL, "sessions": _plain(found.example)},
    }


def _plain(value: Any) -> Any:
    """Dataclasses as mappings with their figures that are computed; funds by the name that says that they are derived."""
    if isinstance(value, InverseFund):
        return named(value.symbol)
    if is_dataclass(value) and not isinstance(value, type):
        computed = {name: getattr(value, name) for name, each in vars(type(value)).items() if isinstance(each, property)}
        names = [*value.__dataclass_fields__, *computed]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {" ".join((named(key[0]), *key[1:])): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, date) else value


def options_from(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--start", type=date.fromisoformat, default=FIRST_SESSION, metavar="DATE", help="first session")
    parser.add_argument("--end", type=date.fromisoformat, default=LAST_SESSION, metavar="DATE", help="last session")
    parser.add_argument("--draws", type=_within(200, 20_000), default=2000, metavar="N", help="draws of random days, 200 or more")
    parser.add_argument("--seed", type=_within(0, 2**31), default=1, metavar="N", help="seed of the draws")
    parser.add_argument(
        "--walks", type=_within(DESK_WALKS, 5_000), default=1000, metavar="N", help="random walks, seeded 0, 1, 2 ..."
    )
    parser.add_argument("--walk-sessions", type=_within(1, 2_000), default=250, metavar="N", help="sessions a walk")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser.parse_args(arguments)


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is no whole number from {least} to {most:,}")
        return int(text)

    return number


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_from(arguments)
    with told_to_the_person():
        found = study(options)
        if options.json is not None:
            options.json.write_text(json.dumps(as_json(found), indent=2) + "\n")
    say(Console(highlight=False), found)


if __name__ == "__main__":
    main()
