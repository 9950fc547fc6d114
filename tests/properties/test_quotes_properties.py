"""Quotes of a backtest: made around a bar's close as the exchange makes them, or read from ticks."""

from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desk.data.bundled import load_bundled
from desk.data.history_feed import SPREAD_BPS, around
from desk.data.tape import tick_tape
from desk.exchange.config import ExchangeConfig
from desk.exchange.market.prices import Market
from desk.exchange.market.sessions import SessionTable

DAY_SECONDS = 23_400.0
MARKET = Market(load_bundled(), SessionTable((), 0), 1, SPREAD_BPS)
units = st.integers(1, 9_999) | st.integers(100, 1_000_000).map(lambda cents: cents * 100)


@given(units)
def test_a_quote_around_a_bar_is_the_exchanges_own(price: int) -> None:
    bid, ask = (int(side[0]) / 10_000 for side in MARKET._around(np.array([price])))
    assert around(price / 10_000, SPREAD_BPS) == (bid, ask)


def test_the_assumed_spread_is_the_exchanges_default() -> None:
    assert ExchangeConfig("bundled", date(2008, 9, 2)).spread_bps == SPREAD_BPS


@given(st.floats(0.01, 1e6), st.floats(0, 1000))
def test_the_offer_is_above_the_bid_and_both_near_the_price(price: float, spread_bps: float) -> None:
    bid, ask = around(price, spread_bps)
    tick = 0.01 if price >= 1 else 0.0001
    assert 0 < bid < ask
    assert ask - bid <= max(tick, price * spread_bps / 1e4 + tick) + 1e-6
    assert bid - 1e-4 <= price <= ask + tick + 1e-4


points = st.lists(st.tuples(st.integers(0, 2), st.integers(0, int(DAY_SECONDS)), st.integers(1, 1000)), min_size=1, max_size=40)


@given(points)
def test_the_bars_of_ticks_begin_and_end_with_ticks_that_follow_each_other(chosen: list[tuple[int, int, int]]) -> None:
    listed = sorted({(day * 86_400.0 + second, day, price) for day, second, price in chosen})
    at, days, last = (np.array(column, dtype=np.float64) for column in zip(*listed, strict=True))
    closing = days * 86_400 + DAY_SECONDS
    tape = tick_tape(at, last, last - 1, last + 1, closing)
    assert len(tape) == int((at < closing).sum())
    assert (tape.closes_at >= tape.opens_at).all() and (tape.opens_at[1:] >= tape.closes_at[:-1]).all()
    for place in range(len(tape)):
        begin, end = tape.tick(place, False), tape.tick(place, True)
        bar = tape.bar(place)
        assert {bar.low, bar.high} == {min(begin.last, end.last), max(begin.last, end.last)}
        assert (begin.bid, begin.ask, end.bid, end.ask) == (begin.last - 1, begin.last + 1, end.last - 1, end.last + 1)
        followed = place + 1 < len(tape) and tape.opens_at[place + 1] == tape.closes_at[place]
        assert not followed or end == tape.tick(place + 1, False)
