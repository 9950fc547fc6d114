"""The VWAP strategy: the reclaim, the hours in which it buys, and that it ends every session flat."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intraday_markets import DAYS, SYMBOL, after, bars_of, book_of, market_of, session, starts_of, trade_of

from desk.core.exits import problem
from desk.domain.decisions import AtrExit, Direction, Shares, Signal, Weight
from desk.domain.errors import ConfigurationError
from desk.domain.market import IntradayBars, Market
from desk.domain.trades import Book
from desk.indicators.carried import Bar, Carried
from desk.settings.behaviour import Behaviour
from strategies.vwap import Phase, Reclaim, Vwap, VwapParameters, phase_of, pushed, target_for, why_to_leave

MINUTE = 60
DAY = DAYS[40]
STARTS = starts_of(MINUTE, [DAY])
RULES = VwapParameters()


def strategy(rules: VwapParameters = RULES) -> Vwap:
    made = Vwap.__new__(Vwap)
    made.rules, made.watched = rules, Carried(Reclaim.of(rules), pushed)
    return made


def decided(market: Market, book: Book | None = None, by: Vwap | None = None) -> list[Signal]:
    return list((by or strategy()).signals(market, book or Book()))


def reclaiming(place: int, volume: float = 5000.0, back: float = 101.0) -> IntradayBars:
    """A session that falls from 100 to 99 after ten minutes and comes back at `place`, to stay."""
    closes = [100.0] * 10 + [99.0] * (place - 10) + [back] * (390 - place)
    volumes = [1000.0] * 390
    volumes[place] = volume
    return bars_of(MINUTE, STARTS, closes, volumes)


def buys(bars: IntradayBars, first: int = 1, last: int = 390) -> list[int]:
    return [count for count in range(first, last + 1) if decided(market_of(bars, after(bars, count)))]


def test_a_reclaim_on_volume_is_bought_while_it_is_new() -> None:
    bars = reclaiming(120)
    assert buys(bars, 100, 140) == [121, 122, 123, 124, 125]
    signal = decided(market_of(bars, after(bars, 121)))[0]
    assert (signal.symbol, signal.direction) == (SYMBOL, Direction.LONG)
    assert signal.reason.startswith("close 101.00 back above VWAP 99.")
    assert signal.reason.endswith("on 5.0 times the usual volume")


def test_a_reclaim_on_little_volume_is_not_bought_nor_one_that_falls_short() -> None:
    assert buys(reclaiming(120, volume=1499.0), 118, 128) == []
    assert buys(reclaiming(120, back=99.05), 118, 128) == []


def test_a_price_that_was_never_below_has_nothing_to_reclaim() -> None:
    bars = bars_of(MINUTE, STARTS, [100.0 + 0.01 * minute for minute in range(390)], [1000.0] * 60 + [9000.0] * 330)
    assert buys(bars, 55, 70) == []


def test_nothing_is_bought_in_the_opening_minutes_nor_in_the_last_hour() -> None:
    assert buys(reclaiming(26), 25, 40) == [30, 31]  # reclaimed at 09:57, and new until 10:01
    assert buys(reclaiming(327), 325, 340) == [328, 329]  # reclaimed at 14:58, entries end at 15:00


def test_what_is_held_is_left_below_the_average_and_before_the_close() -> None:
    bars = reclaiming(120)
    lost = bars_of(MINUTE, STARTS, [100.0] * 60 + [99.0] * 330)
    held = book_of(trade_of(after(bars, 40)))
    assert decided(market_of(bars, after(bars, 200)), held) == []
    assert [signal.direction for signal in decided(market_of(lost, after(lost, 61)), held)] == [Direction.FLAT]
    assert decided(market_of(bars, after(bars, 379)), held) == []
    assert [signal.reason for signal in decided(market_of(bars, after(bars, 380)), held)] == ["the session ends"]


def test_a_position_is_sold_before_the_close_whatever_the_bars_are() -> None:
    bars = reclaiming(120)
    market = replace(market_of(bars, after(bars, 385)), intraday={})
    assert [signal.reason for signal in decided(market, book_of(trade_of(market.now)))] == ["the session ends"]
    assert decided(market, book_of(trade_of(market.now, is_adopted=True))) == []
    assert decided(market, book_of(replace(trade_of(market.now), exit_requested="asked"))) == []


def test_half_days_end_early_and_days_without_a_session_allow_nothing() -> None:
    half = session(date(2008, 11, 28))
    market = Market(half.closes_at - timedelta(minutes=10), half.day, {})
    assert phase_of(market, RULES) == Phase(allows_entries=False, is_ending=True)
    assert phase_of(replace(market, now=half.opens_at + timedelta(minutes=30)), RULES) == Phase(True, False)
    assert phase_of(replace(market, now=half.closes_at), RULES) == Phase(False, False)
    assert phase_of(replace(market, session=date(2008, 11, 27)), RULES) == Phase(False, False)


def test_yesterdays_average_says_nothing_about_today() -> None:
    seen = replace(Reclaim.of(RULES), close=50.0)
    for price in (100.0, 50.0):
        seen = pushed(seen, _bar(int(STARTS[0]) + int(100 - price) * 60, price))
    assert why_to_leave(seen, DAY, Phase(True, False), RULES) == "close 50.00 below VWAP 75.00"
    assert why_to_leave(seen, DAYS[41], Phase(True, False), RULES) is None


def _bar(start: int, price: float) -> Bar:
    return Bar(start, price, price, price, price, 1000.0)


def test_nothing_is_bought_on_stale_bars_nor_when_held_or_left_today() -> None:
    bars = reclaiming(120)
    market = market_of(bars, after(bars, 121))
    assert decided(market)
    late = market_of(bars.until(market.now), market.now + timedelta(minutes=11))
    assert decided(market_of(late.intraday[SYMBOL], late.now + timedelta(seconds=1))) == []
    assert decided(market, replace(Book(), last_exit={SYMBOL: market.session})) == []
    assert decided(replace(market, bars={}, unusable={SYMBOL: "no quote"})) == []


seeds = st.integers(0, 10_000).map(np.random.default_rng)


@settings(max_examples=15)
@given(seeds, st.lists(st.integers(1, 780), min_size=1, max_size=6))
def test_a_strategy_that_went_on_decides_as_one_that_was_restarted(rng: np.random.Generator, counts: list[int]) -> None:
    starts = starts_of(MINUTE, DAYS[40:42])
    close = 100 * np.exp(rng.normal(0, 0.001, 780).cumsum())
    bars, going_on = bars_of(MINUTE, starts, list(close), list(rng.integers(100, 5000, 780))), strategy()
    for count in sorted(counts):
        now: datetime = after(bars, count)
        market, held = market_of(bars, now), book_of(trade_of(now))
        assert decided(market, by=going_on) == decided(market)
        assert decided(market, held, by=going_on) == decided(market, held)


def test_targets_carry_a_stop_and_a_target_of_the_daily_range_and_one_session() -> None:
    rules = Vwap.parameters_from({name: getattr(Behaviour(), name) for name in Behaviour.model_fields})
    entry = target_for(Signal(SYMBOL, Direction.LONG, "reclaim"), rules)
    assert (entry.amount, entry.exit_rule) == (Weight(0.15), AtrExit(0.5, 1.0, 14, time_barrier_sessions=1))
    assert problem(entry.exit_rule) is None
    assert target_for(Signal(SYMBOL, Direction.FLAT, "x"), rules).amount == Shares(0)


def test_every_parameter_is_explained_and_entries_end_before_positions_do() -> None:
    assert all(each.metadata.get("doc") for each in fields(VwapParameters))
    with pytest.raises(ConfigurationError, match="flat_minutes 90 and last_entry_minutes 60"):
        VwapParameters(flat_minutes=90)
    with pytest.raises(ConfigurationError, match="volume_minutes 0"):
        VwapParameters(volume_minutes=0)
