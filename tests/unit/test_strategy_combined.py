"""The combined strategy's pure parts: what it buys, when it leaves, and the RSI that it carries along."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.data.calendars import session_dates
from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Weight
from desk.domain.market import DailyBars, FloatArray, Market, Quote
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Trade
from desk.indicators.rsi import wilder_rsi
from desk.model.health import HealthBounds
from desk.settings.behaviour import Behaviour
from strategies.combined import (
    Combined,
    CombinedParameters,
    RsiBySymbol,
    entry_fraction,
    is_wanted,
    oversold,
    signal_of,
    target_for,
)

# Thanksgiving, a half day, Christmas and New Year are among these.
SESSIONS = session_dates(date(2023, 11, 13), date(2024, 1, 31))


def bars(sessions: tuple[date, ...], close: FloatArray | None = None) -> DailyBars:
    price = np.linspace(100, 110, len(sessions)) if close is None else close
    return DailyBars(sessions, price, price, price, price, price)


def market(place: int, close: FloatArray | None = None, symbol: str = "AAA", last: float | None = None) -> Market:
    """The market in the `place`-th session: bars of the sessions before it."""
    session = SESSIONS[place]
    now = datetime(session.year, session.month, session.day, 18, tzinfo=UTC)
    quotes = {} if last is None else {symbol: Quote(now, last - 0.01, last + 0.01, last)}
    return Market(now, session, {symbol: bars(SESSIONS[:place], None if close is None else close[:place])}, quotes)


def trade(entered_at: datetime | None, entered: int = 10, exited: int = 0, symbol: str = "AAA") -> Trade:
    spec = OrderSpec(
        "k1", symbol, Side.BUY, 10, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100), take_profit=Decimal(115),
        stop_loss=Decimal(95),
    )  # fmt: skip
    at = entered_at or datetime(2023, 11, 13, 15, tzinfo=UTC)
    return Trade(spec, at, 100.0, "test", entry_status=OrderStatus.FILLED, entered=entered, exited=exited, entered_at=entered_at)


def midday(place: int) -> datetime:
    day = SESSIONS[place]
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


# ---- entries -------------------------------------------------------------------------------------------------------


def test_the_most_oversold_come_first_and_equal_ones_by_name() -> None:
    levels = {"AAA": 30.0, "DDD": 12.0, "BBB": 12.0, "CCC": 30.1, "EEE": 29.9}
    assert oversold(levels, 30.0) == [("BBB", 12.0), ("DDD", 12.0), ("EEE", 29.9), ("AAA", 30.0)]


@given(st.dictionaries(st.text(max_size=4), st.floats(0, 100)), st.floats(0, 100))
def test_oversold_is_everything_at_or_below_the_threshold_in_order(levels: dict[str, float], threshold: float) -> None:
    found = oversold(levels, threshold)
    assert dict(found) == {symbol: level for symbol, level in levels.items() if level <= threshold}
    assert [level for _, level in found] == sorted(level for _, level in found)


def test_a_name_is_bought_when_nothing_of_it_is_held_or_only_an_entry_that_was_cut_short() -> None:
    working = replace(trade(midday(2), entered=3), entry_status=OrderStatus.PARTIALLY_FILLED)
    assert is_wanted([])
    assert is_wanted([trade(midday(2), entered=4)])
    assert not is_wanted([trade(midday(2), entered=5)])
    assert not is_wanted([trade(midday(2), entered=4), trade(midday(3))])
    assert not is_wanted([working])
    assert not is_wanted([replace(trade(midday(2), entered=4), lots=1)])  # trimmed, not cut short


def test_an_entry_asks_for_the_largest_position_with_the_models_word() -> None:
    rules = CombinedParameters(max_position_fraction=0.1, stop_loss_fraction=0.04, take_profit_fraction=0.12)
    target = target_for(Signal("AAA", Direction.LONG, "RSI 28.1", 0.71), rules)
    assert (target.symbol, target.amount, target.exit_rule) == (
        "AAA",
        Weight(0.1),
        FixedExit(0.04, 0.12, time_barrier_sessions=10),
    )
    assert (target.reason, target.confidence) == ("RSI 28.1", 0.71)


def test_leaving_asks_for_no_shares_at_all() -> None:
    target = target_for(Signal("AAA", Direction.FLAT, "held for 10 sessions"), CombinedParameters())
    assert (target.amount, target.reason, target.confidence) == (Shares(0), "held for 10 sessions", None)


# ---- RSI -----------------------------------------------------------------------------------------------------------

walks = st.integers(0, 10_000).map(lambda seed: 100 * np.exp(np.random.default_rng(seed).normal(0, 0.02, len(SESSIONS)).cumsum()))


@given(walks, st.integers(2, 20), st.lists(st.integers(1, len(SESSIONS) - 1), min_size=1, max_size=8))
def test_an_rsi_carried_from_look_to_look_is_the_one_computed_afresh(close: FloatArray, length: int, places: list[int]) -> None:
    carried = RsiBySymbol(length)
    for place in sorted(places):
        levels = carried.levels(market(place, close))
        fresh = wilder_rsi(close[:place], length)
        expected = {} if math.isnan(fresh[-1]) else {"AAA": fresh[-1]}
        assert levels == pytest.approx(expected, rel=1e-9)


@given(walks, st.integers(20, len(SESSIONS) - 1), st.floats(50, 150))
def test_the_price_of_now_is_the_last_close_and_leaves_no_trace(close: FloatArray, place: int, last: float) -> None:
    carried = RsiBySymbol(14)
    for _ in range(2):
        live = carried.levels(market(place, close, last=last))
        assert live["AAA"] == pytest.approx(wilder_rsi(np.append(close[:place], last), 14)[-1])
    assert carried.levels(market(place, close))["AAA"] == pytest.approx(wilder_rsi(close[:place], 14)[-1])


@given(walks, st.integers(20, len(SESSIONS) - 3), st.sampled_from([0.5, 2.0, 0.98]))
def test_a_history_that_was_rescaled_is_read_anew(close: FloatArray, place: int, factor: float) -> None:
    """After a split or a dividend the whole past has other prices; joined to the old average it would show a crash."""
    carried = RsiBySymbol(14)
    carried.levels(market(place, close))
    restated = close.copy()
    restated[: place + 1] *= factor
    level = carried.levels(market(place + 2, restated))["AAA"]
    assert level == pytest.approx(wilder_rsi(restated[: place + 2], 14)[-1])


def test_a_history_that_became_shorter_is_read_anew() -> None:
    close = 100 + 5 * np.sin(np.arange(len(SESSIONS)))
    carried = RsiBySymbol(14)
    carried.levels(market(40, close))
    assert carried.levels(market(30, close))["AAA"] == pytest.approx(wilder_rsi(close[:30], 14)[-1])


def test_symbols_with_too_little_history_or_no_movement_have_no_rsi() -> None:
    carried = RsiBySymbol(14)
    assert carried.levels(market(14, last=90.0)) == {}
    assert "AAA" in carried.levels(market(15, last=90.0))
    assert RsiBySymbol(14).levels(market(40, np.full(len(SESSIONS), 100.0))) == {}


def test_each_symbol_has_an_rsi_of_its_own() -> None:
    close = 100 + 5 * np.sin(np.arange(len(SESSIONS)))
    both = replace(market(40, close), bars={"AAA": bars(SESSIONS[:40], close[:40]), "BBB": bars(SESSIONS[:40], close[:40][::-1])})
    levels = RsiBySymbol(14).levels(both)
    assert levels["AAA"] == pytest.approx(wilder_rsi(close[:40], 14)[-1])
    assert levels["BBB"] == pytest.approx(wilder_rsi(close[:40][::-1], 14)[-1])


# ---- parameters ----------------------------------------------------------------------------------------------------


def test_parameters_come_from_the_settings_of_the_same_names() -> None:
    behaviour = Behaviour(rsi_length=7, oversold_rsi=25.0, time_barrier_sessions=5)
    rules = Combined.parameters_from({name: getattr(behaviour, name) for name in Behaviour.model_fields})
    assert (rules.rsi_length, rules.oversold_rsi, rules.time_barrier_sessions) == (7, 25.0, 5)


def test_without_a_setting_a_parameter_has_the_default_of_the_settings() -> None:
    rules, behaviour = CombinedParameters(), Behaviour()
    names = [field.name for field in fields(rules)]
    assert {name: getattr(rules, name) for name in names} == {name: getattr(behaviour, name) for name in names}


def test_the_model_judges_the_trade_that_is_placed() -> None:
    rules = CombinedParameters(stop_loss_fraction=0.04, take_profit_fraction=0.1, time_barrier_sessions=7, fee_bps=2.0)
    meta = rules.meta()
    assert (meta.stop_loss_fraction, meta.take_profit_fraction, meta.time_barrier_sessions) == (0.04, 0.1, 7)
    assert meta.cost_bps == 2 * (2.0 + 5.0)
    assert (meta.threshold, meta.oversold_rsi, meta.rsi_length) == (0.6, 30.0, 14)


def test_every_parameter_is_explained() -> None:
    assert all(field.metadata.get("doc") for field in fields(CombinedParameters))


# ---- size ----------------------------------------------------------------------------------------------------------

SIZED = CombinedParameters(
    size_by_confidence=True, min_position_fraction=0.05, max_position_fraction=0.15, confidence_threshold=0.6
)


def test_a_size_does_not_depend_on_confidence_unless_it_is_asked_to() -> None:
    assert {entry_fraction(confidence, CombinedParameters()) for confidence in (None, 0.0, 0.6, 1.0)} == {0.15}


@pytest.mark.parametrize(
    ("confidence", "fraction"), [(None, 0.05), (0.0, 0.05), (0.6, 0.05), (0.7, 0.075), (0.8, 0.1), (1.0, 0.15)]
)
def test_a_size_grows_in_a_straight_line_from_the_threshold_to_certainty(confidence: float | None, fraction: float) -> None:
    assert entry_fraction(confidence, SIZED) == pytest.approx(fraction)
    assert target_for(Signal("AAA", Direction.LONG, "RSI 28.1", confidence), SIZED).amount == Weight(
        entry_fraction(confidence, SIZED)
    )


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.9), st.floats(0.01, 0.9), st.floats(0, 1))
def test_a_size_stays_within_its_limits_and_never_falls_with_confidence(
    one: float, other: float, least: float, most: float, threshold: float
) -> None:
    rules = replace(SIZED, min_position_fraction=least, max_position_fraction=most, confidence_threshold=threshold)
    low, high = entry_fraction(min(one, other), rules), entry_fraction(max(one, other), rules)
    assert min(least, most) <= low <= high <= most + 1e-12


def test_a_signal_without_the_models_word_says_why_the_rsi_decides_alone() -> None:
    refused = "the model of 2008-09-02 is refused: it is 127 sessions old, at most 126 are allowed"
    assert signal_of("AAA", 24.3, None, refused).reason == f"RSI 24.3 alone, {refused}"
    assert signal_of("AAA", 24.3, 0.7, "").reason == "RSI 24.3"
    assert signal_of("AAA", 24.3, None, refused).confidence is None


def test_health_bounds_of_the_settings_are_those_of_the_model() -> None:
    assert HealthBounds(**Behaviour().model_health.model_dump()) == HealthBounds()
