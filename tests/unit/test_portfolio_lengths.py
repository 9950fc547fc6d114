"""Strategies on days, hours and minutes in one account: each is asked in its own time and sees what it sees alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from desk.core.allocation import Allocations
from desk.data.calendars import NEW_YORK, session_dates
from desk.data.source import Source
from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target
from desk.domain.market import Market
from desk.domain.orders import OrderEvent, Side
from desk.domain.trades import Book
from desk.runtime.cadence import Look, bar_seconds_of, period_seconds, sleeptime_for
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.ledger import Ledger
from desk.runtime.portfolio import portfolio_of
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour, EmaCrossSettings, VwapSettings
from hedging.plan import HedgePlan
from strategies.ema_cross import EmaCross
from strategies.vwap import Vwap
from tests.intraday_days import stamps

pytestmark = pytest.mark.slow  # most run Lumibot's backtester

LAST = date(2024, 7, 5)
DAYS = session_dates(date(2024, 6, 24), LAST)
HALF_DAY = DAYS[-2]
NAMES = ("AAA", "BBB")
FAR = FixedExit(0.2, 0.5)
CALM = Behaviour(
    confidence_gate="report",
    hedging=False,
    fee_bps=1.0,
    slippage_bps=0.0,
    ema_cross=EmaCrossSettings(fast_bars=2, slow_bars=5),
    vwap=VwapSettings(volume_multiple=1.2, atr_length=2, stop_atr_multiple=2.0, target_atr_multiple=4.0),
)


def waves(phase: float) -> pd.DataFrame:
    """Minutes that swing within days and over them, by the tide of a sine; now and then many shares are traded."""
    index = stamps(DAYS[0]).append([stamps(day) for day in DAYS[1:]])
    place = np.arange(len(index), dtype=float)
    close = 100 + 2 * np.sin(place / 400 + phase) + 0.6 * np.sin(place / 23 + phase)
    volume = np.where(place % 7 == 0, 3000.0, 1000.0)
    columns = {"open": close - 0.01, "high": close + 0.05, "low": close - 0.05, "close": close, "volume": volume}
    return pd.DataFrame(columns, index=index)


SOURCE = Source("waves", "made by code", {}, {}, {"AAA": waves(0.0), "BBB": waves(2.0)})


@dataclass(frozen=True)
class Played:
    done: DeskBacktest
    allocations: Allocations
    host: Any


def played(strategy: type[DeskStrategy], first: date = DAYS[2]) -> Played:
    done = backtest_desk(strategy, CALM, SOURCE, NAMES, first, LAST, name="test")
    ledger = Ledger("backtest")
    ledger.recover(done.journal.rows())
    return Played(done, ledger.allocations, done.outcome.strategy)


def fills(done: DeskBacktest, *symbols: str) -> list[tuple[datetime, str, int, Decimal]]:
    """When, of what, how many shares (sold ones below zero) and at how many dollars."""
    events = [(row.at, row.value.fill) for row in done.journal.rows() if isinstance(row.value, OrderEvent)]
    return [
        (at, fill.symbol, fill.quantity if fill.side is Side.BUY else -fill.quantity, fill.price)
        for at, fill in events
        if fill is not None and fill.symbol in (symbols or NAMES)
    ]


def assert_every_cent_is_somebodys(found: Played) -> None:
    for symbol in NAMES:
        stakes = found.allocations.stakes[symbol].values() if symbol in found.allocations.stakes else ()
        bought = fills(found.done, symbol)
        assert sum(stake.shares for stake in stakes) == sum(shares for *_, shares, _ in bought)
        cash = -sum((shares * price for *_, shares, price in bought), Decimal(0))
        assert sum((stake.realised_usd - stake.cost_usd for stake in stakes), Decimal(0)) == cash


class Noting(DeskStrategy):
    """Notes the markets that it is shown."""

    sleeptime_setting = "1M"

    def prepare(self) -> None:
        self.seen: list[Market] = []

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        self.seen.append(market)
        return []

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return []


def noting(seconds: int | None) -> type[Noting]:
    return type("Noting", (Noting,), {"bar_seconds": seconds})


def told(market: Market) -> tuple[object, ...]:
    inside = {name: (bars.seconds, bars.starts.tolist(), bars.close.tolist()) for name, bars in market.intraday.items()}
    prices = {name: quote.last for name, quote in market.quotes.items()}
    return market.now, market.session, set(market.bars), inside, prices, dict(market.unusable), dict(market.longer)


def test_each_is_asked_when_and_shown_what_it_is_alone() -> None:
    lengths = {"days": None, "hours": 3600, "quarters": 900, "minutes": 60}
    together = played(portfolio_of({name: noting(seconds) for name, seconds in lengths.items()}), HALF_DAY).host
    assert (together.bar_seconds, together.longer_bar_seconds) == (60, (900, 3600))
    for name in ("hours", "quarters", "minutes"):
        alone = played(noting(lengths[name]), HALF_DAY).host.seen
        assert [told(market) for market in together.members[name].seen] == [told(market) for market in alone], name
    on_days = together.members["days"].seen
    assert [f"{market.now.astimezone(NEW_YORK):%Y-%m-%d %H:%M}" for market in on_days] == [
        f"{day} 09:30" for day in (HALF_DAY, LAST)
    ]
    assert not any(market.intraday or market.longer or market.quotes for market in on_days)


def test_lengths_that_do_not_divide_each_other_are_asked_when_their_bars_end() -> None:
    together = played(portfolio_of({"twelve": noting(720), "fifteen": noting(900)}), HALF_DAY).host
    for name, minutes in (("twelve", 12), ("fifteen", 15)):
        day = [market.now.astimezone(NEW_YORK) for market in together.members[name].seen if market.session == LAST]
        opening = day[0]
        assert [(at - opening) / timedelta(minutes=1) for at in day] == list(range(0, 390, minutes))


def test_the_ema_cross_and_the_vwap_trade_in_one_account_and_every_cent_is_somebodys() -> None:
    found = played(portfolio_of({"ema_cross": EmaCross, "vwap": Vwap}))
    assert_every_cent_is_somebodys(found)
    earned = {name for stakes in found.allocations.stakes.values() for name in stakes}
    assert {"ema_cross", "vwap"} <= earned
    assert (found.done.counts.orders_rejected, found.done.counts.reconciliation_breaks) == (0, 0)


@pytest.mark.parametrize("strategy", [EmaCross, Vwap])
def test_a_portfolio_of_one_does_what_the_strategy_does_alone(strategy: type[DeskStrategy]) -> None:
    alone, hosted = played(strategy), played(portfolio_of({"one": strategy}))
    assert fills(hosted.done) == fills(alone.done) != []
    assert hosted.done.record.equity == alone.done.record.equity
    assert_every_cent_is_somebodys(hosted)


class Contrary(DeskStrategy):
    """Buys ten shares of its symbol after a bar that fell, and leaves after one that rose."""

    symbol: ClassVar[str]

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        bars = market.intraday.get(self.symbol)
        if bars is None:
            return []
        fell = bars.close[-1] < bars.open[0]
        return [Signal(self.symbol, Direction.LONG if fell else Direction.FLAT, "its last bar")]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(each.symbol, Shares(10 if each.direction is Direction.LONG else 0), FAR, each.reason) for each in signals]


def contrary(seconds: int, symbol: str) -> type[Contrary]:
    return type("Contrary", (Contrary,), {"bar_seconds": seconds, "sleeptime_setting": "1M", "symbol": symbol})


def test_where_they_trade_other_symbols_each_does_what_it_does_alone() -> None:
    hours, minutes = contrary(3600, "AAA"), contrary(60, "BBB")
    found = played(portfolio_of({"hours": hours, "minutes": minutes}))
    assert fills(found.done, "AAA") == fills(played(hours).done) != []
    assert fills(found.done, "BBB") == fills(played(minutes).done) != []
    assert_every_cent_is_somebodys(found)


def test_one_that_hedges_is_asked_for_it_in_its_own_time_and_no_other_hedges() -> None:
    class Hedging(Noting):
        """Keeps when it was asked for a hedge; wants none of it."""

        bar_seconds = 3600

        def prepare(self) -> None:
            super().prepare()
            self.asked: list[datetime] = []

        def hedge(self, market: Market, book: Book, equity_usd: float) -> HedgePlan | None:
            self.asked.append(market.now)
            assert equity_usd > 0 and not market.longer
            return None

    found = played(portfolio_of({"hours": Hedging, "minutes": noting(60)}), HALF_DAY).host.members["hours"]
    assert found.asked == [market.now for market in found.seen]


# ---- in whose time ---------------------------------------------------------------------------------------------------------


def test_a_person_and_the_bars_say_how_often_each_is_asked_live() -> None:
    mixed = portfolio_of({"days": noting(None), "ema_cross": EmaCross, "vwap": Vwap})
    assert (bar_seconds_of(mixed), sleeptime_for("1H", mixed), sleeptime_for("30S", mixed)) == (60, "1M", "30S")
    for setting, days, hours in (("1H", "1H", "5M"), ("1D", "1D", "5M"), ("2M", "2M", "2M")):
        sleeptimes = mixed.parameters_from({"sleeptime": setting}).sleeptimes
        assert sleeptimes == {"days": days, "ema_cross": hours, "vwap": "1M"}
    on_days = portfolio_of({"one": noting(None), "other": noting(None)})
    assert (bar_seconds_of(on_days), sleeptime_for("2H", on_days)) == (None, "2H")


def test_a_day_is_over_by_its_date_and_an_hour_by_the_clock() -> None:
    friday = datetime(2024, 7, 5, 13, 30, 7, tzinfo=NEW_YORK)
    asked = Look(friday, friday.date())

    def is_due(later: datetime, sleeptime: str | int) -> bool:
        return asked.is_followed_by(Look(later, later.date()), sleeptime)

    assert [is_due(friday + timedelta(seconds=each), "1H") for each in (3594, 3596)] == [False, True]
    assert [is_due(friday + timedelta(seconds=each), 5) for each in (290, 300)] == [False, True]
    assert not is_due(friday + timedelta(hours=6), "1D")
    assert is_due(friday + timedelta(hours=23, seconds=-7), "1D") and not is_due(friday + timedelta(hours=23), "2D")
    assert (period_seconds(5), period_seconds("5T")) == (300, 300)
