"""The benchmark's rules on minutes, under this project's own backtest.

Beside what the others do, the desk denies an entry in a name that was left today; so it trades less than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from types import MappingProxyType
from typing import ClassVar

import pandas as pd

from benchmarks import minute_market, rules
from benchmarks.ours import BEHAVIOUR, NEW_YORK
from benchmarks.rules import Outcome, Task
from desk.data.intraday_feed import daily_from_intraday
from desk.data.source import Instrument, Source
from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target, Weight
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.indicators.rsi import RsiState
from desk.runtime.desk_backtest import backtest_desk
from desk.runtime.strategy import DeskStrategy

EXITS = FixedExit(rules.STOP_LOSS_FRACTION, rules.TAKE_PROFIT_FRACTION)
LONGEST = timedelta(minutes=rules.TIME_BARRIER_SESSIONS)  # the rules' sessions are bars here


class MinuteRsi(DeskStrategy):
    """Buys what the RSI of minute closes calls oversold, and leaves after ten minutes."""

    bar_seconds: ClassVar[int | None] = 60
    sleeptime_setting: ClassVar[str] = "1M"

    def prepare(self) -> None:
        self.seen: dict[str, tuple[int, RsiState]] = {}

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        held = {trade.symbol: trade for trade in book.open.values()}
        old = [
            Signal(symbol, Direction.FLAT, "ten minutes are over")
            for symbol, trade in held.items()
            if trade.entered_at is not None and market.now - trade.entered_at >= LONGEST
        ]
        levels = {symbol: level for symbol in market.intraday if (level := self._level(symbol, market)) is not None}
        low = sorted((level, symbol) for symbol, level in levels.items() if level <= rules.OVERSOLD_RSI and symbol not in held)
        return [*old, *(Signal(symbol, Direction.LONG, f"RSI {level:.1f}") for level, symbol in low)]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        whole: dict[Direction, Shares | Weight] = {Direction.FLAT: Shares(0), Direction.LONG: Weight(rules.MAX_POSITION_FRACTION)}
        return [Target(each.symbol, whole[each.direction], EXITS, each.reason) for each in signals]

    def _level(self, symbol: str, market: Market) -> float | None:
        close = market.intraday[symbol].close
        count, state = self.seen.get(symbol, (0, RsiState(rules.RSI_LENGTH)))
        for price in close[count:]:
            state = state.pushed(float(price))
        self.seen[symbol] = len(close), state
        return state.value


def run_minutes(task: Task) -> Outcome:
    found = source(task)
    days = found.sessions()
    began = perf_counter()
    done = backtest_desk(
        MinuteRsi, BEHAVIOUR, found, found.symbols, days[1], days[-1], name="minutes", budget_usd=rules.BUDGET_USD
    )
    seconds = perf_counter() - began
    entries = frozenset((trip.symbol, trip.entry_at.astimezone(NEW_YORK).replace(tzinfo=None)) for trip in done.record.trips)
    return Outcome(seconds, entries, done.record.equity[-1].equity_usd)


def source(task: Task) -> Source:
    frames = {
        symbol: frame.set_axis(pd.DatetimeIndex(frame.index).tz_localize(NEW_YORK).tz_convert("UTC"))
        for symbol, frame in minute_market.frames(task).items()
    }
    instruments = {symbol: Instrument(symbol, symbol) for symbol in frames}
    return daily_from_intraday(Source("minutes", "seeded walks", {}, instruments, MappingProxyType(frames)), frames)
