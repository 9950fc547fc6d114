"""Bars of every timeframe, ticks and adjustments, from paths and daily tables, without a wire."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.data.source import Instrument, Source
from desk.exchange.api.data_json import BlockBook
from desk.exchange.api.data_pages import History, page
from desk.exchange.api.data_params import Span
from desk.exchange.market.adjustment import adjustment
from desk.exchange.market.bars import BarBook, Bars, session_bars
from desk.exchange.market.corporate import CorporateActions, Dividend, Split
from desk.exchange.market.prices import DailyTable, Market
from desk.exchange.market.session_path import NativeBars, SessionPath
from desk.exchange.market.sessions import nyse_sessions, regular_session
from desk.exchange.market.ticks import dollars, ticks_of
from desk.exchange.market.timeframes import Timeframe, Unit, parse_timeframe

DAY = date(2008, 9, 2)
SESSION = regular_session(DAY)
WHOLE = 6.5 * 3600


def native(starts: list[int], seconds: int) -> NativeBars:
    """Bars whose prices tell their place."""
    count = len(starts)
    price = 1_000_000 + 100 * np.arange(count, dtype=np.int64)
    return NativeBars(np.array(starts, dtype=np.int64), price, price + 300, price - 300, price + 100, np.full(count, 10), seconds)


def path_of(bars: NativeBars) -> SessionPath:
    return SessionPath(bars.start, bars.open, bars.open - 100, bars.open + 100, lambda: bars)


@pytest.mark.parametrize(
    "timeframe", [Timeframe(1, Unit.MINUTE), Timeframe(7, Unit.MINUTE), Timeframe(1, Unit.HOUR), Timeframe(4, Unit.HOUR)]
)
@given(minutes=st.sets(st.integers(0, 389), min_size=1), elapsed=st.floats(0, WHOLE))
def test_bars_seen_midway_are_those_of_the_completed_minutes(timeframe: Timeframe, minutes: set[int], elapsed: float) -> None:
    source = native([60 * minute for minute in sorted(minutes)], 60)
    seen = session_bars(path_of(source), SESSION, timeframe).seen(elapsed)
    known = source.completed(elapsed)
    start = source.start[:known] + int(SESSION.opens_at.timestamp())
    groups: dict[int, list[int]] = {}
    for place, at in enumerate(timeframe.start_of(start).tolist()):
        groups.setdefault(at, []).append(place)
    assert seen.at.tolist() == list(groups)
    assert seen.volume.tolist() == [10 * len(places) for places in groups.values()]
    assert seen.open.tolist() == [int(source.open[places[0]]) for places in groups.values()]
    assert seen.close.tolist() == [int(source.close[places[-1]]) for places in groups.values()]
    assert seen.high.tolist() == [int(source.high[places].max()) for places in groups.values()]
    assert seen.low.tolist() == [int(source.low[places].min()) for places in groups.values()]


def test_native_bars_longer_than_the_timeframe_stay_as_they_are() -> None:
    source = native([0, 1800], 1800)
    made = session_bars(path_of(source), SESSION, Timeframe(1, Unit.MINUTE))
    assert len(made.seen(1799)) == 0
    assert made.seen(1800).volume.tolist() == [10]
    assert made.seen(WHOLE).close.tolist() == source.close.tolist()


def test_ticks_of_one_second_are_told_apart() -> None:
    bars = native([0, 0, 1, 1, 1], 1)
    ticks = ticks_of(path_of(bars), SESSION)
    opened = int(SESSION.opens_at.timestamp()) * 1_000_000_000
    assert (ticks.at - opened).tolist() == [0, 1, 1_000_000_000, 1_000_000_001, 1_000_000_002]


@given(st.integers(1, 10**10))
def test_dollars_print_as_the_price_they_are(units: int) -> None:
    assert Decimal(repr(dollars(units))) == Decimal(units).scaleb(-4)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("15Min", Timeframe(15, Unit.MINUTE)),
        ("1D", Timeframe(1, Unit.DAY)),
        ("12M", Timeframe(12, Unit.MONTH)),
        ("7M", None),
        ("", None),
    ],
)
def test_timeframes_are_read(text: str, wanted: Timeframe | None) -> None:
    assert parse_timeframe(text) == wanted


@given(st.dates(date(1971, 1, 1), date(2100, 1, 1)), st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_months_begin_on_their_first_day_and_weeks_on_mondays(day: date, step: int) -> None:
    days = np.array([day], dtype="datetime64[D]")
    month = Timeframe(step, Unit.MONTH).first_day(days)[0].astype(object)
    assert month <= day and month.day == 1 and (month.month - 1) % step == 0
    assert (day.year - month.year) * 12 + day.month - month.month < step
    monday = Timeframe(1, Unit.WEEK).first_day(days)[0].astype(object)
    assert monday.weekday() == 0 and timedelta(0) <= day - monday < timedelta(days=7)


def table(closes: list[float]) -> DailyTable:
    days = pd.bdate_range("2008-09-02", periods=len(closes))
    close = np.array(closes)
    frame = pd.DataFrame(
        {"open": close, "high": close, "low": close, "close": close, "volume": np.full(len(closes), 1000.0)}, days
    )
    return DailyTable(frame)


def test_adjustments_multiply_going_back_and_know_no_future() -> None:
    split = Split("ABC", date(2008, 9, 4), Decimal(2), Decimal(1))
    dividend = Dividend("ABC", date(2008, 9, 5), date(2008, 9, 9), Decimal(5))
    other = Split("XYZ", date(2008, 9, 3), Decimal(10), Decimal(1))
    actions, days = (split, dividend, other), [date(2008, 9, day) for day in (2, 3, 4, 5)]

    def factors(today: int, *kinds: str) -> list[list[float]] | None:
        made = adjustment(kinds, actions, "ABC", table([100, 100, 50, 45]), date(2008, 9, today))
        return None if made is None else [column.tolist() for column in made.factors(days)]

    assert factors(5, "all") == [[0.45, 0.45, 0.9, 1.0], [2.0, 2.0, 1.0, 1.0]]
    assert factors(5, "split") == [[0.5, 0.5, 1.0, 1.0], [2.0, 2.0, 1.0, 1.0]]
    assert factors(5, "dividend") == [[0.9, 0.9, 0.9, 1.0], [1.0] * 4]
    assert factors(4, "all") == factors(4, "split") == factors(5, "split")
    assert factors(3, "all") is None and factors(5, "raw") is None and factors(5, "spin-off") is None


def market(symbols: list[str]) -> Market:
    days = pd.bdate_range("2008-09-02", periods=4)
    close = np.array([100.0, 101, 99, 100])
    frame = pd.DataFrame({"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": np.full(4, 3900.0)}, days)
    source = Source("small", "small", dict.fromkeys(symbols, frame), {symbol: Instrument(symbol, symbol) for symbol in symbols})
    return Market(source, nyse_sessions(source.sessions()), 1, 2.0)


MARKET = market(["A", "B", "C"])
HISTORY = History(BlockBook(BarBook(MARKET)), CorporateActions())
FIRST = datetime(2008, 9, 2, 13, tzinfo=UTC)
minutes_in = st.integers(0, 4 * 24 * 60).map(lambda minutes: FIRST + timedelta(minutes=minutes))


@given(
    timeframe=st.sampled_from(["1Min", "45Min", "2Hour", "1Day", "1Week", "quotes", "trades"]),
    times=st.tuples(minutes_in, minutes_in, minutes_in),
    limit=st.integers(1, 500),
    newest_first=st.booleans(),
)
def test_pages_together_are_the_whole(timeframe: str, times: tuple[Any, Any, Any], limit: int, newest_first: bool) -> None:
    start, end, now = times
    parsed = parse_timeframe(timeframe)
    blocks = HISTORY.of_ticks(timeframe == "quotes") if parsed is None else HISTORY.of_bars(parsed, frozenset({"raw"}))
    whole = page(Span(("A", "B", "C"), start, end, 1_000_000, newest_first), now, blocks)
    assert whole.cursor is None
    paged: dict[str, str] = {}
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        found = page(Span(("A", "B", "C"), start, end, limit, newest_first, cursor), now, blocks)
        for symbol, items in found.items.items():
            paged[symbol] = f"{paged[symbol]},{items}" if symbol in paged else items
        cursor, pages = found.cursor, pages + 1
    count = sum(items.count('"t":') for items in whole.items.values())
    assert paged == whole.items
    assert pages == max(1, -(-count // limit))


def test_empty_bars_of_symbols_that_do_not_trade() -> None:
    book = BarBook(MARKET)
    now = datetime(2008, 9, 3, 15, tzinfo=UTC)
    assert len(book.daily("NONE", FIRST, now, now)) == len(book.last_minute("NONE", now)) == 0
    assert isinstance(book.intraday("NONE", SESSION, Timeframe(1, Unit.MINUTE), now), Bars)
