"""Prices from recorded intraday bars, sessions of half days, and crossings found without stepping."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from desk.data.source import Source
from desk.domain.errors import ConfigurationError
from desk.exchange.bars import BarRequest, series
from desk.exchange.clock import nyse_sessions
from desk.exchange.market import Market
from desk.exchange.triggers import Feed, Trigger

DAY = date(2008, 9, 2)
OPEN = datetime(2008, 9, 2, 13, 30, tzinfo=UTC)


def recorded(minutes: int = 5, skip: int = 0) -> Market:
    """One session of recorded bars that rise by ten cents each, every bar with a wick of five cents."""
    starts = pd.date_range(OPEN, periods=390 // minutes, freq=f"{minutes}min")[skip:]
    opened = 100 + 0.1 * np.arange(len(starts))
    columns = {"open": opened, "high": opened + 0.15, "low": opened - 0.05, "close": opened + 0.1, "volume": 100.0}
    intraday = pd.DataFrame(columns, index=starts)
    top, bottom = intraday["high"].max(), intraday["low"].min()
    day = {"open": opened[0], "high": top, "low": bottom, "close": opened[-1] + 0.1, "volume": 100.0 * len(starts)}
    daily = pd.DataFrame(day, index=pd.DatetimeIndex([DAY]))
    source = Source("recorded", "recorded bars", {"ABC": daily}, {}, {"ABC": intraday})
    return Market(source, nyse_sessions((DAY,)), seed=1, spread_bps=0.0)


def test_recorded_bars_are_visited_as_open_high_low_close() -> None:
    market = recorded()
    seen = [market.last("ABC", OPEN + timedelta(seconds=75 * part)) for part in range(5)]
    assert seen == [10_000, 10_015, 9_995, 10_010, 10_010]


def test_recorded_bars_come_back_as_they_are_and_add_up_to_hours() -> None:
    market = recorded()
    close = OPEN + timedelta(hours=6, minutes=30)
    request = BarRequest(("ABC",), 5, "T", OPEN, close)
    five = series(market, "ABC", request, close)
    assert len(five) == 78
    assert (five[1]["o"], five[1]["h"], five[1]["l"], five[1]["c"], five[1]["v"]) == (100.1, 100.25, 100.05, 100.2, 100)
    hours = series(market, "ABC", BarRequest(("ABC",), 1, "H", OPEN - timedelta(hours=1), close), close)
    assert [bar["v"] for bar in hours] == [600, 1200, 1200, 1200, 1200, 1200, 1200]
    assert hours[-1]["c"] == five[-1]["c"]


def test_first_recorded_price_holds_from_the_open_on() -> None:
    market = recorded(skip=3)
    assert market.last("ABC", OPEN) == 10_000
    assert market.last("ABC", OPEN + timedelta(minutes=15, seconds=75)) == 10_015


def test_crossing_is_found_at_the_first_price_that_meets_it() -> None:
    market = recorded()
    session = market.sessions.at(OPEN)
    assert session is not None
    up = Trigger(Feed.LAST, True, 10_115)
    assert market.first_crossing("ABC", session, up, OPEN) == OPEN + timedelta(minutes=50, seconds=75)
    later = OPEN + timedelta(minutes=51, seconds=15)
    assert market.first_crossing("ABC", session, up, later) == OPEN + timedelta(minutes=56, seconds=15)
    assert market.first_crossing("ABC", session, Trigger(Feed.LAST, True, 20_000), OPEN) is None
    assert market.first_crossing("XYZ", session, up, OPEN) is None


def test_half_days_and_unknown_days_have_their_hours() -> None:
    table = nyse_sessions((date(2008, 11, 26), date(2008, 11, 28), date(2008, 11, 29)))
    hours = [(session.closes_at - session.opens_at) / timedelta(hours=1) for session in table.sessions[:3]]
    assert hours == [6.5, 3.5, 6.5]  # the day after Thanksgiving closes at 13:00; a Saturday is no NYSE day
    assert table.traded == 3 and len(table.sessions) > 3


def test_session_includes_its_open_and_trades_until_its_close() -> None:
    table = nyse_sessions((DAY,))
    close = OPEN + timedelta(hours=6, minutes=30)
    assert [table.is_open(at) for at in (OPEN - timedelta(seconds=1), OPEN, close - timedelta(seconds=1), close)] == [
        False,
        True,
        True,
        False,
    ]
    assert table.at(close) is not None and table.current(close) is None


def test_start_on_a_closed_day_is_the_next_session() -> None:
    table = nyse_sessions((DAY, date(2008, 9, 3)))
    assert table.first_instant(date(2008, 8, 30)) == datetime(2008, 9, 2, 12, 0, tzinfo=UTC)
    with pytest.raises(ConfigurationError, match="choose an earlier start"):
        table.first_instant(date(2008, 9, 4))
    with pytest.raises(ConfigurationError, match="no session at all"):
        nyse_sessions(()).first_instant(DAY)


def test_spread_is_a_cent_at_least_and_grows_with_the_price() -> None:
    days = pd.DatetimeIndex([DAY])
    daily = {
        symbol: pd.DataFrame({name: [price] for name in ("open", "high", "low", "close")} | {"volume": [1.0]}, index=days)
        for symbol, price in {"LOW": 0.01, "MID": 20.0, "HIGH": 1000.0}.items()
    }
    market = Market(Source("flat", "flat", daily, {}), nyse_sessions((DAY,)), seed=1, spread_bps=2.0)
    quotes = {symbol: market.quote(symbol, OPEN) for symbol in daily}
    assert {symbol: (quote.bid, quote.ask) for symbol, quote in quotes.items() if quote} == {
        "LOW": (1, 2),
        "MID": (2_000, 2_001),
        "HIGH": (99_990, 100_010),
    }
