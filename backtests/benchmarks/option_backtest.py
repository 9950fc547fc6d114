"""A year of bull put spreads on one underlying in a backtest, beside the same year without them.

    python -m benchmarks.option_backtest [--sessions 252]        (with backtests as the working folder)

Model prices on a seeded walk; a spread is asked for in every session, so that the next one is opened as soon as one has ended.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

from benchmarks.isolated import isolated
from benchmarks.row import Row
from benchmarks.rules import Task, source, traded_sessions
from desk.data.source import Instrument, Source
from desk.domain.decisions import Signal, Target
from desk.domain.market import Market
from desk.domain.steps import SpreadOrder
from desk.domain.trades import Book
from desk.runtime.desk_backtest import backtest_desk
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour
from desk.settings.spreads import SpreadSettings
from options.gates import Opportunity

WARM_UP_SESSIONS = 20
NAME = "WALK"
# Four steps of ten seconds to the natural price; enough risk for any width that the ladder of strikes has.
BEHAVIOUR = Behaviour(spreads=SpreadSettings(min_open_interest=0, max_risk_usd=2_000.0), hedging=False)


class Idle(DeskStrategy):
    """Wants nothing."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return ()

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return ()


class Daily(Idle):
    """Wants a spread on every name in every session."""

    def opportunities(self, market: Market, book: Book) -> Sequence[Opportunity]:
        return [Opportunity(symbol, 10.0, 1.0) for symbol in market.bars]


@dataclass(frozen=True)
class OptionRun:
    """Seconds of a backtest of `sessions`, and the spreads that it opened."""

    sessions: int
    seconds: float
    spreads: int
    orders: int


def run(sessions: int, has_spreads: bool) -> OptionRun:
    """One backtest, after a short one that is not counted."""
    _run(WARM_UP_SESSIONS, has_spreads)
    return _run(sessions, has_spreads)


def _run(sessions: int, has_spreads: bool) -> OptionRun:
    task = Task(symbols=1, sessions=sessions)
    data, days = _market(task), traded_sessions(task)
    began = perf_counter()
    strategy = Daily if has_spreads else Idle
    done = backtest_desk(strategy, BEHAVIOUR, data, data.symbols, days[0], days[-1], name="options")
    seconds = perf_counter() - began
    orders = sum(isinstance(row.value, SpreadOrder) for row in done.journal.rows())
    return OptionRun(sessions, seconds, sum(trade.is_filled for trade in done.spreads), orders)


def _market(task: Task) -> Source:
    """The benchmark's first name under a symbol that an option's can begin with."""
    made = source(task)
    (frame,) = made.daily.values()
    return replace(made, daily={NAME: frame}, instruments={NAME: Instrument(NAME, "synthetic", derived=True)})


def measure(sessions: int, rounds: int, tell: Callable[[str], None]) -> list[tuple[OptionRun, OptionRun]]:
    """Runs with spreads and without, in turn."""
    found = []
    for number in range(1, rounds + 1):
        found.append((isolated(run, sessions, True), isolated(run, sessions, False)))
        tell(f"round {number} of {rounds}: {sessions} sessions of spreads: {found[-1][0].seconds:.2f} s")
    return found


def option_backtest_row(found: Sequence[tuple[OptionRun, OptionRun]]) -> Row:
    mine, idle = (median(each.seconds for each in runs) for runs in zip(*found, strict=True))
    one = found[0][0]
    here = f"{mine:.2f} s ({one.spreads} spreads, {one.orders} orders, {mine / one.sessions * 1000:.1f} ms a session)"
    ratio = median(with_spreads.seconds / without.seconds for with_spreads, without in found)
    return Row(f"backtest of spreads, 1 underlying, {one.sessions} sessions", here, f"without spreads {idle:.2f} s", ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a backtest of option spreads.")
    parser.add_argument("--sessions", type=int, default=252)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    row = option_backtest_row(measure(options.sessions, options.rounds, print))
    print(row.what, row.here, row.beside, f"{row.ratio:.2f}", sep=" | ")


if __name__ == "__main__":
    main()
