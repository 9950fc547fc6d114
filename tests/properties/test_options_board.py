"""What holds for every listed chain: contracts stay, nothing is known early, quotes make sense and no spread is free money."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.data import calendars
from desk.data.calendars import Session
from desk.data.source import Instrument, Source
from desk.exchange.market.options import listing_dates, surface
from desk.exchange.market.options.board import OptionBoard
from desk.exchange.market.options.volume import last_size, one_row, so_far, trades_of
from desk.exchange.market.path import IntArray, on_grid
from desk.exchange.market.session_path import NativeBars, SessionPath
from desk.exchange.market.sessions import session_seconds

pytestmark = pytest.mark.slow

DAYS = calendars.session_dates(date(2018, 1, 2), date(2018, 6, 29))
RNG = np.random.default_rng


def source_of(seed: int, days: tuple[date, ...] = DAYS, start: float = 100.0) -> Source:
    moves = RNG(seed).normal(0.0, 0.03, len(days))
    close = start * np.exp(np.cumsum(moves))
    columns = {"open": close, "high": close * 1.02, "low": close * 0.98, "close": close, "volume": np.full(len(days), 4e6)}
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(days), dtype=float)
    return Source("one", "one stock", {"ABC": frame}, {"ABC": Instrument("ABC", "ABC Inc.")})


def path_of(session: Session, source: Source, seed: int) -> SessionPath:
    """A walked path of a session around its close."""
    close = float(source.daily["ABC"].loc[pd.Timestamp(session.day), "close"])
    minutes = session_seconds(session) // 60
    price = on_grid(close * 10_000 * np.exp(np.cumsum(RNG(seed).normal(0.0, 0.001, minutes + 1))))
    start = np.arange(minutes, dtype=np.int64) * 60

    def bars() -> NativeBars:
        volume = np.full(minutes, 10_000)
        return NativeBars(start, price[:-1], price[:-1], price[1:], price[1:], volume, 60)

    return SessionPath(np.arange(minutes + 1, dtype=np.int64) * 60, price, price - 100, price + 100, bars)


def session_of(place: int) -> Session:
    session = calendars.session_on(DAYS[place])
    assert session is not None
    return session


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, len(DAYS) - 8))
def test_contract_once_listed_stays_listed_until_it_expires(seed: int, place: int) -> None:
    board = OptionBoard(source_of(seed), seed)
    before = board.contracts("ABC", DAYS[place])
    assert before
    for day in DAYS[place : place + 7]:
        now = {contract.symbol for contract in board.contracts("ABC", day)}
        alive = [contract for contract in before if contract.expiration >= day]
        assert all(contract.symbol in now and board.contract(contract.symbol, day) == contract for contract in alive)
        assert all(board.contract(contract.symbol, day) is None for contract in before if contract.expiration < day)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, len(DAYS) - 2))
def test_listing_and_volatility_know_nothing_of_later_prices(seed: int, place: int) -> None:
    whole, cut = source_of(seed), source_of(seed)
    cut = Source("one", "one stock", {"ABC": cut.daily["ABC"].iloc[:place]}, cut.instruments)
    assert OptionBoard(whole, 1).contracts("ABC", DAYS[place]) == OptionBoard(cut, 1).contracts("ABC", DAYS[place])
    assert OptionBoard(whole, 1).volatility("ABC", DAYS[place]) == OptionBoard(cut, 1).volatility("ABC", DAYS[place])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, len(DAYS) - 2))
def test_every_quote_is_on_cents_with_bid_below_ask_and_last_between(seed: int, place: int) -> None:
    source, session = source_of(seed), session_of(place)
    board, path = OptionBoard(source, seed), path_of(session, source, seed)
    for contract, made in zip(
        contracts := board.contracts("ABC", session.day), board.paths(contracts, session, path), strict=True
    ):
        assert made is not None
        assert (made.seconds == path.seconds).all()
        assert all((column % 100 == 0).all() for column in (made.bid, made.ask, made.price))
        assert ((made.bid >= 0) & (made.bid < made.ask) & (made.bid <= made.price) & (made.price <= made.ask)).all()
        assert (made.price >= contract.intrinsics(path.price) - 50).all()  # to the nearest cent
        assert (made.ask >= contract.intrinsics(path.price)).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, len(DAYS) - 2), st.integers(0, 390))
def test_one_point_of_a_path_is_the_quote_at_that_point(seed: int, place: int, index: int) -> None:
    source, session = source_of(seed), session_of(place)
    board, path = OptionBoard(source, seed), path_of(session, source, seed)
    chosen = board.contracts("ABC", session.day)[::17]
    index = min(index, len(path.seconds) - 1)
    quotes = board.quotes_at(chosen, session, path, index)
    for contract, quote in zip(chosen, quotes, strict=True):
        made = board.path(contract, session, path)
        assert made is not None
        assert made.quote(float(path.seconds[index])) == quote


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, len(DAYS) - 2))
def test_option_bars_hold_only_prices_of_the_path_and_the_volume_of_the_day(seed: int, place: int) -> None:
    source, session = source_of(seed), session_of(place)
    board, path = OptionBoard(source, seed), path_of(session, source, seed)
    contract = board.contracts("ABC", session.day)[seed % 40]
    made = board.path(contract, session, path)
    assert made is not None
    bars = made.bars
    again = OptionBoard(source, seed).path(contract, session, path)
    assert again is not None and (again.bars.volume == bars.volume).all()
    assert (bars.volume > 0).all()
    first = bars.start // 60
    assert (bars.close == made.price[first + 1]).all()
    assert (bars.open == np.where(bars.volume == 1, bars.close, made.price[first])).all()
    assert (bars.high == np.maximum(bars.open, bars.close)).all() and (bars.low == np.minimum(bars.open, bars.close)).all()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9), st.integers(1, 9)), max_size=20), st.integers(0, 20))
def test_trades_make_their_bars(rows: list[tuple[int, int, int]], known: int) -> None:
    volume, opened, close = (np.array([row[place] for row in rows], dtype=np.int64) for place in range(3))
    opened = np.where(volume == 1, close, opened)
    wide = volume >= 4
    high, low = np.maximum(opened, close) + wide, np.minimum(opened, close) - wide
    bars = NativeBars(np.arange(len(rows)) * 60, opened, high, low, close, volume, 60)
    known = min(known, len(rows))
    trades = trades_of(bars, known)
    assert (np.diff(trades.seconds) > 0).all() and (trades.size > 0).all()
    for place in range(known):
        mine = trades.seconds // 60 == place
        assert trades.size[mine].sum() == volume[place]
        if volume[place]:
            prices = trades.price[mine]
            assert (prices[0], prices.max(), prices.min(), prices[-1]) == (
                opened[place],
                high[place],
                low[place],
                close[place],
            )
    assert (trades.seconds < 60 * known).all()
    (done,) = so_far(one_row(bars), 60.0 * known)
    assert (done is None) == (not len(trades.price))
    if done is not None:
        assert (done.last.start + 59, done.last.close) == (trades.seconds[-1], trades.price[-1])
        assert last_size(done.last.volume) == trades.size[-1]
        prices = (trades.price[0], trades.price.max(), trades.price.min(), trades.price[-1])
        assert (done.day.open, done.day.high, done.day.low, done.day.close) == prices
        assert done.day.volume == trades.size.sum()


volatilities = st.floats(0.08, 1.5)


@given(volatilities, volatilities, st.floats(1e-4, 0.6), st.floats(5.0, 900.0))
def test_fair_prices_leave_no_free_spread_or_butterfly(near: float, far: float, years: float, spot: float) -> None:
    strikes = np.linspace(0.5 * spot, 1.6 * spot, 120)
    step = strikes[1] - strikes[0]
    for is_call in (True, False):
        paid = surface.fair(surface.Volatility(near, far), is_call, np.array(spot), strikes, np.array(years))
        slope = np.diff(paid) * (-1 if is_call else 1)
        assert (slope >= -1e-9 * spot).all() and (slope <= step * (1 + 1e-9) + 1e-9).all()
        if is_call:  # a put's floor, what exercise pays at once, may bend its price by the rate
            assert (np.diff(paid, 2) >= -1e-9 * spot).all()


@given(st.integers(3, 11), st.floats(5.0, 900.0))
def test_market_at_expiry_pays_exercise(seed: int, spot: float) -> None:
    spots: IntArray = on_grid(np.array([spot * 10_000]))
    strikes = listing_dates.strikes_between(int(spot * 6_000), int(spot * 14_000))[:, None] / 10_000
    bid, _, last = surface.market(surface.Volatility(0.3, 0.3), True, spots / 10_000, strikes, np.array([0.0]))
    worth = np.maximum(spots - np.rint(strikes * 10_000), 0)
    assert (np.abs(last - np.maximum(worth, 100)) <= 100).all()
    assert (bid <= worth).all()


@given(st.dates(date(2000, 1, 3), date(2030, 12, 31)))
def test_every_expiration_is_a_session_and_listed_from_before(day: date) -> None:
    listed = listing_dates.expirations(day)
    assert list(listed) == sorted(set(listed))
    assert all(listing_dates.is_expiration(each) and calendars.session_on(each) is not None for each in listed)
    assert len([each for each in listed if each <= day + timedelta(days=42)]) in (5, 6, 7)
