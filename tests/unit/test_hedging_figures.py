"""The figures behind a hedge, each against numbers worked by hand: mood, trend, volatility, betas, exposure, decay."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pytest

from desk.domain.errors import ConfigurationError
from desk.domain.market import DailyBars, Market, Quote
from desk.domain.orders import Leg, OrderClass, OrderSpec, OrderStatus, OrderType, PositionIntent, Side
from desk.domain.trades import Book, Trade
from desk.indicators.rsi import RsiState
from desk.settings.behaviour import Behaviour
from hedging.decay import drag_fraction, log_drag, log_growth
from hedging.exposure import betas, exposure
from hedging.prices import dear_price, last_price
from hedging.returns import daily_returns, index_returns, name_returns
from hedging.rules import HedgeRules, InverseFund, inverse_funds, symbols
from hedging.sentiment import Mood, Sentiment, has_ended, in_words, rsi_level, sentiment, was_calm_since
from hedging.trend import TrendState, trend, volatility

DAYS = tuple(date(2023, 1, 2) + timedelta(days=number) for number in range(200))
TODAY = date(2023, 1, 2) + timedelta(days=200)
NOW = datetime(2023, 7, 21, 18, tzinfo=UTC)
FIVE = ("AAPL", "MSFT", "GOOGL", "NVDA", "TSLA")


def bars(close: Sequence[float], days: tuple[date, ...] | None = None) -> DailyBars:
    column = np.array(close, dtype=np.float64)
    return DailyBars(DAYS[-len(column) :] if days is None else days, column, column, column, column, column)


def market(closes: Mapping[str, Sequence[float]], last: Mapping[str, float] | None = None, **more: Mapping[str, str]) -> Market:
    quotes = {symbol: Quote(NOW, price - 0.01, price + 0.01, price) for symbol, price in (last or {}).items()}
    return Market(NOW, TODAY, {symbol: bars(close) for symbol, close in closes.items()}, quotes, more.get("unusable", {}))


def trade(symbol: str, shares: int, paid: str = "100", key: str = "", **more: object) -> Trade:
    spec = OrderSpec(
        key or f"k-{symbol}", symbol, Side.BUY, max(shares, 1), OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(paid),
        take_profit=Decimal(paid) * 2, stop_loss=Decimal(paid) / 2,
    )  # fmt: skip
    given = {"entry_status": OrderStatus.FILLED, "entered": shares, "entry_value": shares * Decimal(paid), "entered_at": NOW}
    return Trade(spec, NOW, float(paid), "test", **{**given, **more})


def book(*trades: Trade) -> Book:
    return Book(MappingProxyType({one.key: one for one in trades}))


# ---- mood ----------------------------------------------------------------------------------------------------------

RISING = [100.0 + number for number in range(40)]
SWINGING = [100.0 + number % 2 for number in range(40)]


def mood_of(overbought: int, swinging: int) -> Sentiment:
    closes = {name: RISING if place < overbought else SWINGING for place, name in enumerate(FIVE[: overbought + swinging])}
    return sentiment(market(closes), HedgeRules())


@pytest.mark.parametrize(("overbought", "mood"), [(0, Mood.CALM), (2, Mood.CALM), (3, Mood.BEARISH), (5, Mood.BEARISH)])
def test_three_of_five_overbought_names_make_the_mood_bearish(overbought: int, mood: Mood) -> None:
    seen = mood_of(overbought, 5 - overbought)
    assert (seen.mood, seen.share, seen.counted) == (mood, overbought / 5, FIVE)
    assert seen.overbought == FIVE[:overbought]
    assert seen.is_unanimous == (overbought == 5)


def test_an_rsi_of_exactly_seventy_is_overbought() -> None:
    """Of ten changes one gains 7 and one loses 3: 100 * 0.7 / (0.7 + 0.3)."""
    closes = [100.0, 107.0, 104.0] + [104.0] * 8
    rules = HedgeRules(rsi_length=10)
    assert sentiment(market(dict.fromkeys(FIVE, closes)), rules).mood is Mood.BEARISH
    assert sentiment(market(dict.fromkeys(FIVE, closes)), HedgeRules(rsi_length=10, overbought_rsi=70.01)).mood is Mood.CALM


def test_the_live_price_is_the_last_value() -> None:
    """After ten changes of +1 the RSI is 100; a fall by 9 now leaves average gain and loss at 0.9 each, an RSI of 50."""
    closes = [100.0 + number for number in range(11)]
    fallen = market(dict.fromkeys(FIVE, closes), last=dict.fromkeys(FIVE, 101.0))
    assert sentiment(market(dict.fromkeys(FIVE, closes)), HedgeRules(rsi_length=10)).share == 1.0
    assert sentiment(fallen, HedgeRules(rsi_length=10)).share == 0.0
    assert sentiment(fallen, HedgeRules(rsi_length=10, overbought_rsi=49.99)).share == 1.0
    assert sentiment(fallen, HedgeRules(rsi_length=10, overbought_rsi=50.01)).share == 0.0


@pytest.mark.parametrize(("length", "closes"), [(14, 15), (14, 40), (14, 210), (2, 3), (2, 30), (50, 180)])
@pytest.mark.parametrize("last", [None, 83.0])
def test_the_level_is_wilders_at_once(length: int, closes: int, last: float | None) -> None:
    close = 100.0 * np.cumprod(1.0 + np.random.default_rng(closes).normal(0, 0.02, closes))
    state = RsiState.from_closes(close, length)
    expected = state.value if last is None else state.with_last(last)
    seen = market({"AAPL": close.tolist()}, last=None if last is None else {"AAPL": last})
    assert rsi_level("AAPL", seen, length) == pytest.approx(expected, abs=1e-9)


def test_the_mood_of_past_closes_is_that_of_their_day() -> None:
    """Overbought throughout, but for the fifth close from the end: the next one makes up for the fall."""
    closes = [*(100.0 + number for number in range(35)), 90.0, 250.0, 251.0, 252.0, 253.0]
    seen = market(dict.fromkeys(FIVE, closes))
    assert sentiment(seen, HedgeRules()).mood is Mood.BEARISH
    assert [was_calm_since(DAYS[-back], seen, HedgeRules()) for back in (6, 5, 4, 3, 1)] == [True, True, True, False, False]
    assert not was_calm_since(TODAY, seen, HedgeRules())
    assert not was_calm_since(DAYS[-6], market(dict.fromkeys(FIVE[:2], closes)), HedgeRules())


def test_a_live_price_that_is_none_is_passed_over() -> None:
    closes = dict.fromkeys(FIVE, RISING)
    assert sentiment(market(closes, last=dict.fromkeys(FIVE, math.nan)), HedgeRules()).share == 1.0
    assert sentiment(market(closes, last=dict.fromkeys(FIVE, 0.0)), HedgeRules()).share == 1.0


def test_names_without_usable_bars_are_left_out_with_the_reason() -> None:
    closes = {"AAPL": RISING, "MSFT": RISING[:14], "GOOGL": [*RISING[:-3], math.nan, 1.0, 2.0], "NVDA": [50.0] * 40}
    seen = sentiment(market(closes, unusable={"TSLA": "halted"}), HedgeRules())
    assert dict(seen.left_out) == {
        "MSFT": "14 bars, and an RSI of 14 needs 15", "GOOGL": "a close is missing", "NVDA": "its price has never moved",
        "TSLA": "halted",
    }  # fmt: skip
    assert (seen.counted, seen.mood) == (("AAPL",), Mood.UNKNOWN)


def test_fewer_than_three_names_make_no_mood() -> None:
    assert mood_of(2, 0).mood is Mood.UNKNOWN
    assert mood_of(3, 0).mood is Mood.BEARISH
    assert in_words(mood_of(2, 0), HedgeRules()) == "the mood is unknown: 2 leading names have usable bars, and 3 are needed"


@pytest.mark.parametrize(("overbought", "ended"), [(0, True), (1, True), (2, False), (3, False)])
def test_the_reason_has_ended_below_two_of_five(overbought: int, ended: bool) -> None:
    assert has_ended(mood_of(overbought, 5 - overbought), HedgeRules()) is ended


def test_an_unknown_mood_does_not_end_the_reason_and_no_overbought_name_always_does() -> None:
    assert not has_ended(mood_of(0, 2), HedgeRules())
    assert has_ended(mood_of(0, 5), HedgeRules(bearish_share=0.1))


# ---- trend and volatility ------------------------------------------------------------------------------------------


def test_an_index_below_its_falling_average_falls() -> None:
    """Levels 100, 100, 96, 92 by an average of 3: the last is 96, the one before 98.67, so 92 is 4.2 % below."""
    returns = np.array([0.0, -0.04, 92 / 96 - 1])
    found = trend(returns, average_sessions=3, slope_sessions=1)
    assert found is not None
    assert found.state is TrendState.FALLING
    assert found.distance_fraction == pytest.approx(92 / 96 - 1)
    assert found.slope_fraction == pytest.approx(96 / (296 / 3) - 1)


def test_a_slope_is_a_sessions_share_of_the_change() -> None:
    """Levels 1, 2, 3, 4, 5 by an average of 3: it went from 2 to 4 in two sessions, which is 50 % each."""
    found = trend(np.array([1.0, 1 / 2, 1 / 3, 1 / 4]), average_sessions=3, slope_sessions=2)
    assert found is not None
    assert (found.state, found.distance_fraction, found.slope_fraction) == (TrendState.RISING, 0.25, 0.5)


def test_an_index_above_its_falling_average_is_neither() -> None:
    found = trend(np.array([-0.1, -0.1, 0.12]), average_sessions=3, slope_sessions=1)
    assert found is not None
    assert found.state is TrendState.MIXED


def test_volatility_is_the_sample_deviation_times_the_root_of_a_year() -> None:
    """Returns of +1 % and -1 % by turns: the variance of 20 is 20 * 0.0001 / 19."""
    returns = np.array([0.01, -0.01] * 10)
    assert volatility(returns, 20) == pytest.approx(math.sqrt(20 * 0.0001 / 19 * 252))


def test_too_little_history_gives_nothing() -> None:
    returns = np.full(59, 0.001)
    assert trend(returns, 50, 10) is not None
    assert trend(returns[1:], 50, 10) is None
    assert volatility(returns[:19], 20) is None
    assert trend(np.empty(0), 50, 10) is None


def test_history_begins_after_the_last_hole() -> None:
    returns = np.full(80, 0.001)
    returns[20] = math.nan
    assert trend(returns, 50, 10) is not None
    returns[21] = math.nan
    assert trend(returns, 50, 10) is None
    assert volatility(returns, 20) is not None


# ---- returns of an index from its funds ----------------------------------------------------------------------------


def test_an_index_is_its_funds_return_over_the_leverage() -> None:
    """SQQQ falls by 3 %, so the NASDAQ rose by 1 %; SH gains 2 %, so the S&P 500 lost 2 %."""
    shown = market({"SQQQ": [100.0, 97.0], "SH": [50.0, 51.0], "SPXS": [10.0, 10.0]})
    found = index_returns(shown, HedgeRules())
    assert found.by_index["NASDAQ"] == pytest.approx([0.01])
    assert found.by_index["SP500"] == pytest.approx([-0.02])


def test_the_fund_with_more_history_speaks_for_the_index() -> None:
    shown = market({"SH": [50.0, 51.0], "SPXS": [10.0, 10.3, 10.0]})
    assert index_returns(shown, HedgeRules()).by_index["SP500"] == pytest.approx([-0.01, 0.3 / 10.3 / 3])


def test_without_a_fund_an_index_has_no_returns() -> None:
    found = index_returns(market({"SH": [50.0, 51.0]}), HedgeRules())
    assert np.isnan(found.by_index["NASDAQ"]).all()
    assert len(index_returns(market({}), HedgeRules()).calendar) == 0


def test_returns_are_compared_on_the_same_days() -> None:
    """AAA misses the third of five sessions: the two returns beside it do not count."""
    shown = Market(NOW, TODAY, {"AAA": bars([1.0, 2.0, 4.0, 8.0], (*DAYS[:2], *DAYS[3:5])), "BBB": bars([1.0], DAYS[4:5])})
    found = name_returns(("AAA", "BBB", "CCC"), shown, DAYS[:5])
    assert found[0].tolist() == pytest.approx([1.0, math.nan, math.nan, 1.0], nan_ok=True)
    assert np.isnan(found[1:]).all()


def test_sessions_that_the_calendar_lacks_are_passed_over() -> None:
    shown = Market(NOW, TODAY, {"AAA": bars([1.0, 9.0, 2.0], DAYS[:3])})
    assert name_returns(("AAA",), shown, (DAYS[0], DAYS[2])).tolist() == [[1.0]]


def test_a_close_that_is_no_price_gives_no_return() -> None:
    found = daily_returns(np.array([1.0, 0.0, 1.0, math.inf, 1.0, -1.0, 2.0, 4.0]))
    assert np.isfinite(found).tolist() == [False] * 6 + [True]


# ---- betas and exposure --------------------------------------------------------------------------------------------


def test_betas_are_least_squares_drawn_towards_one() -> None:
    """Index -1, 0, 1 %, name -1, 0, 3 %: slope (0.0001 + 0.0003) / 0.0002 = 2, R^2 = 4 * 0.0002 / (26/3 * 0.0001) = 12/13."""
    index = np.array([-0.01, 0.0, 0.01])
    beta, r2, known = betas(np.array([[-0.01, 0.0, 0.03], [-0.02, 0.0, 0.02]]), index, 3)
    assert beta == pytest.approx([2 / 3 * 2 + 1 / 3, 2 / 3 * 2 + 1 / 3])
    assert r2 == pytest.approx([12 / 13, 1.0])
    assert known.all()


def test_a_session_that_one_side_lacks_does_not_count() -> None:
    index = np.array([-0.01, 0.5, 0.0, 0.01, math.nan])
    beta, r2, known = betas(np.array([[-0.01, math.nan, 0.0, 0.03, 0.9]]), index, 3)
    assert (beta[0], r2[0], known[0]) == (pytest.approx(5 / 3), pytest.approx(12 / 13), True)
    assert betas(np.array([[-0.01, math.nan, 0.0, 0.03, 0.9]]), index, 4)[2].tolist() == [False]


def test_without_enough_sessions_or_movement_beta_is_one_and_says_so() -> None:
    index = np.array([-0.01, 0.0, 0.01])
    for names, moves in ((np.array([[0.01, math.nan, 0.02]]), index), (np.array([[0.01, 0.0, 0.02]]), np.full(3, 0.01))):
        beta, r2, known = betas(names, moves, 3)
        assert (beta.tolist(), r2.tolist(), known.tolist()) == ([1.0], [0.0], [False])


def test_a_name_that_never_moves_is_explained_by_nothing() -> None:
    beta, r2, known = betas(np.zeros((1, 3)), np.array([-0.01, 0.0, 0.01]), 3)
    assert (beta[0], r2[0], known[0]) == (pytest.approx(1 / 3), 0.0, True)


def wave(size: float, sessions: int = 130) -> list[float]:
    """A price that returns +size and -size by turns."""
    return (100 * np.cumprod([1.0] + [1 + size * (-1) ** number for number in range(sessions - 1)])).tolist()


def test_exposure_is_dollars_times_beta_at_the_last_price() -> None:
    """AAA moves twice as far as the S&P 500: beta 5/3. NEW has 5 bars: beta 1. The S&P 500's fund moves against both."""
    closes = {"SH": wave(-0.01), "AAA": wave(0.02), "NEW": [10.0, 11.0, 10.0, 11.0, 20.0]}
    held = book(trade("AAA", 30, key="one"), trade("AAA", 20, key="two"), trade("NEW", 100), trade("SH", 500))
    shown = market(closes, last={"AAA": 60.0})
    rules = HedgeRules()
    found = exposure(shown, held, index_returns(shown, rules), rules)
    assert dict(zip(found.symbols, found.values_usd, strict=True)) == {"AAA": 3_000.0, "NEW": 2_000.0}
    assert found.sp500.is_estimated == (True, False)
    assert found.sp500.betas == pytest.approx((5 / 3, 1.0))
    assert found.sp500.exposure_usd == pytest.approx(3_000 * 5 / 3 + 2_000)
    assert found.sp500.r2 == pytest.approx(3_000 / 5_000)
    assert (found.nasdaq.exposure_usd, found.nasdaq.r2) == (5_000.0, 0.0)
    assert (found.long_usd, found.of("NASDAQ")) == (5_000.0, found.nasdaq)


def test_a_name_without_a_price_counts_at_what_was_paid() -> None:
    rules, shown = HedgeRules(), market({})
    found = exposure(shown, book(trade("AAA", 10, paid="40")), index_returns(shown, rules), rules)
    assert (found.values_usd, found.at_cost) == ((400.0,), ("AAA",))


def test_option_spreads_and_entries_that_have_not_filled_are_no_exposure() -> None:
    legs = (Leg("AAA230721C00100000", 1, PositionIntent.BUY_TO_OPEN), Leg("AAA230721C00110000", 1, PositionIntent.SELL_TO_OPEN))
    spread = OrderSpec("s", "AAA", Side.BUY, 5, OrderType.LIMIT, OrderClass.MULTI_LEG, limit_price=Decimal(2), legs=legs)
    held = Trade(spread, NOW, 2.0, "test", entry_status=OrderStatus.FILLED, entered=5)
    shown, rules = market({"AAA": [100.0]}), HedgeRules()
    waiting = trade("AAA", 0, entry_status=OrderStatus.WORKING)
    assert exposure(shown, book(held, waiting), index_returns(shown, rules), rules).symbols == ()


# ---- prices --------------------------------------------------------------------------------------------------------


def test_a_quote_without_a_last_price_falls_back_to_the_close() -> None:
    shown = market({"AAA": [10.0, 11.0], "BAD": [math.nan]}, last={"AAA": math.nan})
    assert (last_price(shown, "AAA"), last_price(shown, "BAD"), last_price(shown, "NONE")) == (11.0, None, None)


def test_sizes_are_made_at_the_dearer_of_offer_and_last_price() -> None:
    shown = Market(NOW, TODAY, {}, {"AAA": Quote(NOW, 9.0, 10.0, 9.5), "BBB": Quote(NOW, 9.0, math.nan, 9.5)})
    assert (dear_price(shown, "AAA"), dear_price(shown, "BBB"), dear_price(shown, "CCC")) == (10.0, 9.5, None)


# ---- decay ---------------------------------------------------------------------------------------------------------


def test_a_reset_costs_one_variance_at_minus_one_and_six_at_minus_three() -> None:
    assert log_drag(-1.0, 0.0004) == pytest.approx(0.0004)
    assert log_drag(-3.0, 0.0004) == pytest.approx(0.0024)
    assert (log_drag(1.0, 0.0004), log_drag(2.0, 0.0004)) == (0.0, pytest.approx(0.0004))


def test_a_fund_grows_by_leverage_less_the_drag() -> None:
    assert log_growth(-3.0, 0.001, 0.0001) == pytest.approx(-0.003 - 0.0006)


def test_a_swing_there_and_back_shows_the_drag() -> None:
    """An index that rises by 2 % and falls back: SH is at 0.98 * (1 + 0.02 / 1.02) = 0.99922, about e^-2s2 with s2 = 0.0004."""
    fund = 0.98 * (1 + 0.02 / 1.02)
    assert math.log(fund) == pytest.approx(-2 * log_drag(-1.0, 0.0004), rel=0.03)


def test_ten_sessions_at_sixteen_percent_cost_a_leveraged_fund_six_tenths_of_a_percent() -> None:
    """Variance a session 0.16^2 / 252 = 0.0001016; times 6 and 10 it is 0.0061 in logs."""
    assert drag_fraction(-3.0, 0.16, 10) == pytest.approx(1 - math.exp(-0.00609524), rel=1e-5)
    assert drag_fraction(-3.0, 1e200, 10) == 1.0


# ---- rules ---------------------------------------------------------------------------------------------------------


def test_without_a_setting_the_rules_have_the_default_of_the_settings() -> None:
    behaviour, rules = Behaviour(), HedgeRules()
    for name in (
        "max_inverse_fraction", "overbought_rsi", "bearish_share", "rsi_length", "stop_loss_fraction", "take_profit_fraction",
        "hedge_ratio",
    ):  # fmt: skip
        assert getattr(rules, name) == getattr(behaviour, name), name
    assert rules.sentiment_symbols == behaviour.sentiment_symbols.alpaca
    chosen = behaviour.inverse_etfs
    assert rules.inverse_etfs == inverse_funds(chosen.general, chosen.sp500, chosen.tech)


def test_the_hedge_names_every_symbol_that_it_must_see() -> None:
    assert symbols(HedgeRules()) == (*FIVE, "SH", "SPXS", "SQQQ")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"hedge_ratio": 1.5}, "hedge_ratio 1.5 is out of range: give a value from 0 to 1"),
        ({"max_drag_fraction": math.nan}, "max_drag_fraction nan is out of range"),
        ({"cap_band_fraction": -0.01}, "cap_band_fraction -0.01 is out of range: give a value from 0 to 1"),
        ({"sentiment_symbols": ("A", "B")}, "sentiment_symbols A, B: a mood needs at least 3 different names"),
        ({"min_hold_sessions": 11}, "min_hold_sessions 11 is above max_hold_sessions 10"),
        ({"min_beta_sessions": 121}, "min_beta_sessions 121 is above beta_sessions 120"),
        ({"inverse_etfs": ()}, "inverse_etfs are empty"),
        ({"inverse_etfs": inverse_funds("SH", "SH")}, "inverse_etfs SH, SH, SQQQ: name at least one fund, each once"),
    ],
)
def test_a_rule_out_of_range_is_named_with_its_value(change: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text.replace(".", r"\.")):
        HedgeRules(**change)


def test_a_fund_that_rises_with_its_index_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"leverage 3\.0 of UPRO is no inverse fund's"):
        InverseFund("UPRO", "SP500", 3.0)
    with pytest.raises(ConfigurationError, match="index 'DOW' of DOG is unknown: give one of SP500, NASDAQ"):
        InverseFund("DOG", "DOW", -1.0)
