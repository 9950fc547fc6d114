"""Prices from recorded intraday bars, sessions of half days, and crossings found without stepping. A dollar is 10,000 units."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest

from desk.data.source import Source
from desk.domain.errors import ConfigurationError
from desk.exchange.machine.orders import Quote
from desk.exchange.machine.triggers import Feed, Trail, Trigger
from desk.exchange.market.bars import BarBook
from desk.exchange.market.prices import Market
from desk.exchange.market.sessions import Phase, new_york, nyse_sessions
from desk.exchange.market.timeframes import Timeframe, Unit

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
    assert seen == [1_000_000, 1_001_500, 999_500, 1_001_000, 1_001_000]


def test_recorded_bars_come_back_as_they_are_and_add_up_to_hours() -> None:
    market = recorded()
    session = market.sessions.open_or_closing_at(OPEN)
    assert session is not None
    book, close = BarBook(market), session.closes_at
    five = book.intraday("ABC", session, Timeframe(5, Unit.MINUTE), close)
    assert len(five) == 78
    assert [int(column[1]) for column in (five.open, five.high, five.low, five.close)] == [
        1_001_000,
        1_002_500,
        1_000_500,
        1_002_000,
    ]
    hours = book.intraday("ABC", session, Timeframe(1, Unit.HOUR), close)
    assert hours.volume.tolist() == [600, 1200, 1200, 1200, 1200, 1200, 1200]
    assert hours.close[-1] == five.close[-1]


def test_first_recorded_price_holds_from_the_open_on() -> None:
    market = recorded(skip=3)
    assert market.last("ABC", OPEN) == 1_000_000
    assert market.last("ABC", OPEN + timedelta(minutes=15, seconds=75)) == 1_001_500


def test_crossing_is_found_at_the_first_price_that_meets_it() -> None:
    market = recorded()
    session = market.sessions.open_or_closing_at(OPEN)
    assert session is not None
    up = Trigger(Feed.LAST, True, 1_011_500)
    assert market.first_crossing("ABC", session, up, OPEN) == OPEN + timedelta(minutes=50, seconds=75)
    later = OPEN + timedelta(minutes=51, seconds=15)
    assert market.first_crossing("ABC", session, up, later) == OPEN + timedelta(minutes=56, seconds=15)
    assert market.first_crossing("ABC", session, Trigger(Feed.LAST, True, 2_000_000), OPEN) is None
    assert market.first_crossing("XYZ", session, up, OPEN) is None


def test_crossing_of_a_limit_looks_at_its_side_of_the_quote() -> None:
    market = recorded()
    session = market.sessions.open_or_closing_at(OPEN)
    assert session is not None
    bid = market.first_crossing("ABC", session, Trigger(Feed.BID, True, 1_011_500), OPEN)
    assert bid == OPEN + timedelta(minutes=50, seconds=75)  # without a spread the bid is the trade
    ask = market.first_crossing("ABC", session, Trigger(Feed.ASK, False, 999_600), OPEN)
    assert ask == OPEN + timedelta(seconds=150)  # a tick above the low of 999,500 is too dear


def test_trail_is_met_where_the_price_is_far_enough_from_its_best() -> None:
    market = recorded()
    session = market.sessions.open_or_closing_at(OPEN)
    assert session is not None
    # Each bar falls twenty cents from its high to its low.
    assert market.trailed("ABC", session, Trail(1_000_000, False, 2_000, None), OPEN) == OPEN + timedelta(seconds=150)
    assert market.trailed("ABC", session, Trail(1_000_000, False, 2_100, None), OPEN) is None
    assert market.trailed("ABC", session, Trail(1_000_000, True, 1_500, None), OPEN) == OPEN + timedelta(seconds=75)
    assert market.trailed("ABC", session, Trail(1_000_000, False, None, 0.5), OPEN) is None


def test_best_prices_between_two_instants_leave_the_first_out() -> None:
    market = recorded()
    half = OPEN + timedelta(seconds=75)
    assert market.best_between("ABC", OPEN, half, rising=False) == 1_001_500
    assert market.best_between("ABC", half, half + timedelta(minutes=5), rising=True) == 999_500
    assert market.best_between("ABC", half, half, rising=True) is None
    assert market.best_between("ABC", OPEN - timedelta(days=1), half, rising=True) == 1_000_000


def test_closing_instant_quotes_the_close_and_the_night_after_it_too() -> None:
    market = recorded()
    close = OPEN + timedelta(hours=6, minutes=30)
    quotes = [market.quote("ABC", close + timedelta(hours=later)) for later in (0, 1)]
    assert quotes == [Quote(1_078_000, 1_078_100, 1_078_000)] * 2
    assert market.quote("XYZ", close) is None


def test_before_the_first_session_there_is_no_price() -> None:
    market = recorded()
    assert market.last("ABC", OPEN - timedelta(hours=1)) is None
    assert market.quote("ABC", OPEN - timedelta(hours=1)) is None
    assert market.previous_close("ABC", OPEN) is None


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
    assert table.open_or_closing_at(close) is not None and table.current(close) is None


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
        "LOW": (100, 101),
        "MID": (200_000, 200_100),
        "HIGH": (9_999_000, 10_001_000),
    }


@pytest.mark.parametrize(
    ("at", "phase"),
    [
        ("03:59", Phase.NIGHT),
        ("04:00", Phase.PRE),
        ("09:29", Phase.PRE),
        ("09:30", Phase.REGULAR),
        ("15:59", Phase.REGULAR),
        ("16:00", Phase.AFTER),
        ("19:59", Phase.AFTER),
        ("20:00", Phase.NIGHT),
    ],
)
def test_a_day_has_its_phases(at: str, phase: Phase) -> None:
    assert nyse_sessions((DAY,)).phase(new_york(DAY, time.fromisoformat(at))) is phase


def test_half_day_ends_early_and_a_weekend_is_night() -> None:
    table = nyse_sessions((date(2008, 11, 28),))
    assert table.phase(datetime(2008, 11, 28, 18, 0, tzinfo=UTC)) is Phase.AFTER  # 13:00
    assert table.phase(datetime(2008, 11, 29, 15, 0, tzinfo=UTC)) is Phase.NIGHT
