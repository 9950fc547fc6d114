"""The volume breakout: both of its conditions, and that usual volume is that of the same hour."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intraday_markets import DAYS, SYMBOL, after, bars_of, book_of, market_of, starts_of, trade_of

from desk.core.exits import problem
from desk.domain.decisions import AtrExit, Direction, Shares, Signal, Weight
from desk.domain.errors import ConfigurationError
from desk.domain.market import IntradayBars, Market
from desk.domain.trades import Book
from desk.indicators.carried import Carried
from desk.settings.behaviour import Behaviour
from strategies.volume_breakout import Channel, VolumeBreakout, VolumeBreakoutParameters, pushed, target_for

HOUR = 3600
HOURS_A_DAY = 7
STARTS = starts_of(HOUR, DAYS[30:50])
RULES = VolumeBreakoutParameters(channel_bars=5, volume_sessions=3, volume_multiple=1.5)
# Much in the first hour, little at noon, and half an hour at the end.
VOLUMES = [3000.0, 1500.0, 1000.0, 800.0, 1000.0, 1500.0, 1300.0] * 5


def strategy(rules: VolumeBreakoutParameters = RULES) -> VolumeBreakout:
    made = VolumeBreakout.__new__(VolumeBreakout)
    made.rules, made.channels = rules, Carried(Channel.of(rules), pushed)
    return made


def decided(market: Market, book: Book | None = None, by: VolumeBreakout | None = None) -> list[Signal]:
    return list((by or strategy()).signals(market, book or Book()))


def flat(place: int, close: float = 101.0, volume: float | None = None, length: int = 35) -> IntradayBars:
    """Hours at 100 dollars on usual volume, but for the one at `place`."""
    closes, volumes = [100.0] * length, list(VOLUMES[:length])
    closes[place] = close
    volumes[place] = volumes[place] if volume is None else volume
    return bars_of(HOUR, STARTS, closes, volumes)


def at(bars: IntradayBars, place: int) -> list[Signal]:
    return decided(market_of(bars, after(bars, place + 1)))


def test_a_close_above_the_channel_on_unusual_volume_is_bought_once() -> None:
    bars = flat(24, volume=1500.0)
    assert [place for place in range(35) if at(bars, place)] == [24]
    signal = at(bars, 24)[0]
    assert (signal.symbol, signal.direction) == (SYMBOL, Direction.LONG)
    assert signal.reason == "close 101.00 above 100.00 on 1.9 times the usual volume"


@pytest.mark.parametrize(("close", "volume"), [(100.0, 9000.0), (101.0, 1190.0), (99.0, 9000.0)])
def test_one_condition_alone_buys_nothing(close: float, volume: float) -> None:
    assert at(flat(24, close, volume), 24) == []


def test_the_multiple_itself_is_enough() -> None:
    assert at(flat(24, volume=1200.0), 24)


def test_the_first_hour_is_compared_with_first_hours() -> None:
    """Its usual volume is twice that of the hours before it; that alone is no breakout."""
    assert at(flat(28), 28) == []
    assert at(flat(28, volume=4500.0), 28)


def test_it_waits_for_enough_bars_and_for_enough_sessions() -> None:
    assert at(flat(3 * HOURS_A_DAY - 1, volume=9e9), 3 * HOURS_A_DAY - 1) == []
    assert at(flat(3 * HOURS_A_DAY, volume=9e9), 3 * HOURS_A_DAY)
    wide = strategy(replace(RULES, channel_bars=25))
    bars = flat(24, volume=9e9)
    assert decided(market_of(bars, after(bars, 25)), by=wide) == []


def test_what_is_held_or_was_left_today_is_not_bought_and_nothing_is_decided_on_stale_bars() -> None:
    bars = flat(24, volume=9e9)
    market = market_of(bars, after(bars, 25))
    assert decided(market)
    assert decided(market, book_of(trade_of(market.now))) == []
    assert decided(market, replace(Book(), last_exit={SYMBOL: market.session})) == []
    assert decided(market_of(bars.until(market.now), after(bars, 25, 3601))) == []
    assert decided(replace(market, bars={}, unusable={SYMBOL: "no quote"})) == []


walks = st.integers(0, 10_000).map(np.random.default_rng)


@given(walks, st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_a_strategy_that_went_on_decides_as_one_that_was_restarted(rng: np.random.Generator, counts: list[int]) -> None:
    close = 100 * np.exp(rng.normal(0, 0.01, 100).cumsum())
    bars, going_on = bars_of(HOUR, STARTS, list(close), list(rng.integers(100, 5000, 100))), strategy()
    for count in sorted(counts):
        market = market_of(bars, after(bars, count))
        assert decided(market, by=going_on) == decided(market)


def test_targets_carry_a_stop_and_a_target_of_the_daily_range() -> None:
    behaviour = Behaviour(max_position_fraction=0.1, time_barrier_sessions=4)
    rules = VolumeBreakout.parameters_from({name: getattr(behaviour, name) for name in Behaviour.model_fields})
    entry = target_for(Signal(SYMBOL, Direction.LONG, "breakout"), rules)
    assert (entry.amount, entry.exit_rule) == (Weight(0.1), AtrExit(2.0, 4.0, 14, time_barrier_sessions=4))
    assert problem(entry.exit_rule) is None
    assert target_for(Signal(SYMBOL, Direction.FLAT, "x"), rules).amount == Shares(0)


def test_every_parameter_is_explained_and_a_channel_needs_a_bar() -> None:
    assert all(each.metadata.get("doc") for each in fields(VolumeBreakoutParameters))
    with pytest.raises(ConfigurationError, match="channel_bars 0"):
        VolumeBreakoutParameters(channel_bars=0)
