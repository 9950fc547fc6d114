"""The EMA cross: when it buys, when it leaves, and that a restart sees what a process that went on sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intraday_markets import DAYS, SYMBOL, after, bars_of, book_of, market_of, starts_of, trade_of

from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Weight
from desk.domain.errors import ConfigurationError
from desk.domain.market import IntradayBars, Market
from desk.domain.trades import Book
from desk.indicators.carried import Carried
from desk.indicators.ema import ema
from desk.settings.behaviour import Behaviour
from strategies.ema_cross import Averages, EmaCross, EmaCrossParameters, pushed, target_for

HOUR = 3600
STARTS = starts_of(HOUR, DAYS[30:50])
RULES = EmaCrossParameters(fast_bars=3, slow_bars=6)
# Down for fifteen hours, then up.
VALLEY = [*range(130, 115, -1), *range(116, 146, 2)]


def strategy(rules: EmaCrossParameters = RULES) -> EmaCross:
    """The strategy without an account: what it decides needs none."""
    made = EmaCross.__new__(EmaCross)
    made.rules, made.averages = rules, Carried(Averages.of(rules), pushed)
    return made


def decided(market: Market, book: Book | None = None, by: EmaCross | None = None) -> list[Signal]:
    return list((by or strategy()).signals(market, book or Book()))


def crosses(close: Sequence[float]) -> list[int]:
    """Numbers of bars after which the fast average is above the slow one and was not before."""
    fast, slow = ema(np.array(close, dtype=float), 3), ema(np.array(close, dtype=float), 6)
    return [place + 1 for place in range(6, len(close)) if fast[place] > slow[place] and fast[place - 1] <= slow[place - 1]]


def test_it_buys_on_the_bar_that_brings_the_cross_upwards_and_on_no_other() -> None:
    bars = bars_of(HOUR, STARTS, VALLEY)
    bought = [count for count in range(1, len(bars) + 1) if decided(market_of(bars, after(bars, count)))]
    assert bought == crosses(VALLEY)
    assert len(bought) == 1
    signal = decided(market_of(bars, after(bars, bought[0])))[0]
    assert (signal.symbol, signal.direction, signal.confidence) == (SYMBOL, Direction.LONG, None)
    assert signal.reason.startswith("crossed upwards: EMA 3 at ")


def test_what_is_held_is_left_while_the_fast_average_is_below() -> None:
    bars = bars_of(HOUR, STARTS, VALLEY)
    held = book_of(trade_of(after(bars, 8)))
    directions = [decided(market_of(bars, after(bars, count)), held) for count in range(7, len(bars) + 1)]
    assert [bool(found) for found in directions] == [count < crosses(VALLEY)[0] for count in range(7, len(bars) + 1)]
    assert all(signal.direction is Direction.FLAT for found in directions for signal in found)


def test_shares_that_a_person_bought_leave_by_their_exits_alone() -> None:
    bars = bars_of(HOUR, STARTS, VALLEY)
    assert decided(market_of(bars, after(bars, 10)), book_of(trade_of(after(bars, 8), is_adopted=True))) == []


def test_nothing_is_bought_that_is_held_or_was_left_today_or_is_on_its_way_out() -> None:
    bars = bars_of(HOUR, STARTS, VALLEY)
    market = market_of(bars, after(bars, crosses(VALLEY)[0]))
    assert decided(market, Book())
    assert decided(market, book_of(trade_of(market.now))) == []
    assert decided(market, replace(Book(), last_exit={SYMBOL: market.session})) == []
    leaving = replace(trade_of(market.now), exit_requested="asked")
    assert decided(market_of(bars, after(bars, 10)), book_of(leaving)) == []


def test_nothing_is_decided_on_bars_that_are_too_few_stale_of_another_length_or_of_an_unusable_symbol() -> None:
    bars = bars_of(HOUR, STARTS, VALLEY)
    count = crosses(VALLEY)[0]
    market = market_of(bars, after(bars, count))
    assert decided(market)
    assert decided(market_of(bars_of(HOUR, STARTS, VALLEY[:6]), after(bars, 6))) == []
    only_old = market_of(bars_of(HOUR, STARTS, VALLEY[:count]), after(bars, count, 3601))
    assert decided(only_old) == []
    assert decided(replace(market, intraday={SYMBOL: replace(bars.until(market.now), seconds=1800)})) == []
    assert decided(replace(market, bars={}, unusable={SYMBOL: "the quote is crossed"})) == []


def test_the_last_bar_of_a_session_is_decided_on_in_the_first_hour_of_the_next_and_no_later() -> None:
    starts = STARTS
    close = [*range(120, 114, -1), 150]  # the cross is in the seventh bar, which is the last of the session
    bars = bars_of(HOUR, starts, close)
    opening = after(bars_of(HOUR, starts, [1.0] * 8), 8, -3600)
    assert [signal.direction for signal in decided(market_of(bars, opening))] == [Direction.LONG]
    assert decided(market_of(bars, opening + timedelta(hours=1)))
    assert decided(market_of(bars, opening + timedelta(hours=1, minutes=1))) == []
    assert decided(market_of(bars, opening + timedelta(days=1))) == []


walks = st.integers(0, 10_000).map(lambda seed: 100 * np.exp(np.random.default_rng(seed).normal(0, 0.01, 100).cumsum()))


@given(walks, st.lists(st.integers(1, 100), min_size=1, max_size=6), st.sampled_from([1.0, 0.5]))
def test_a_strategy_that_went_on_decides_as_one_that_was_restarted(
    close: Sequence[float], counts: list[int], split: float
) -> None:
    bars, going_on = bars_of(HOUR, STARTS, list(close)), strategy()
    for number, count in enumerate(sorted(counts)):
        shown: IntradayBars = bars if number < len(counts) - 1 else bars_of(HOUR, STARTS, list(np.array(close) * split))
        market = market_of(shown, after(bars, count))
        assert decided(market, by=going_on) == decided(market)


def test_targets_carry_the_stop_and_the_target_of_the_settings() -> None:
    behaviour = Behaviour(stop_loss_fraction=0.04, take_profit_fraction=0.12, max_position_fraction=0.1)
    rules = EmaCross.parameters_from({name: getattr(behaviour, name) for name in Behaviour.model_fields})
    entry = target_for(Signal(SYMBOL, Direction.LONG, "crossed"), rules)
    assert (entry.amount, entry.exit_rule) == (Weight(0.1), FixedExit(0.04, 0.12, time_barrier_sessions=10))
    assert target_for(Signal(SYMBOL, Direction.FLAT, "below"), rules).amount == Shares(0)


def test_without_a_setting_a_parameter_has_the_default_of_the_settings_and_every_one_is_explained() -> None:
    rules, behaviour = EmaCrossParameters(), Behaviour()
    shared = [each.name for each in fields(rules) if each.name in Behaviour.model_fields]
    assert {name: getattr(rules, name) for name in shared} == {name: getattr(behaviour, name) for name in shared}
    assert all(each.metadata.get("doc") for each in fields(rules))


def test_a_fast_average_that_is_not_the_faster_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="fast_bars 21 and slow_bars 21"):
        EmaCrossParameters(fast_bars=21)
