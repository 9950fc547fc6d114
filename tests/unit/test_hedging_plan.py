"""The hedge from market and book to targets: entries, sizes, choice of fund, resizing and every way out, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pytest

from desk.domain.decisions import FixedExit, Shares
from desk.domain.market import DailyBars, FloatArray, Market, Quote
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Book, Trade
from hedging.plan import HedgePlan, hedge
from hedging.rules import HedgeRules
from hedging.sentiment import Mood
from hedging.sizing import Strength, percent

FIVE = ("AAPL", "MSFT", "GOOGL", "NVDA", "TSLA")
RULES = HedgeRules()
DAYS = tuple(day for n in range(200) if (day := date(2023, 1, 2) + timedelta(days=n)).weekday() < 5)[:131]
TODAY = DAYS[-1]
PAST = DAYS[:-1]
NOW = datetime.combine(TODAY, datetime.min.time(), UTC).replace(hour=18)

# Daily index returns, 129 of them: by turns (the last one up), and in pairs, which the first does not explain at all.
BY_TURNS = np.array([0.01 * (-1) ** number for number in range(129)])
IN_PAIRS = np.array([0.01 * (-1) ** (number // 2) for number in range(129)])


def bars(returns: FloatArray, last_usd: float, days: tuple[date, ...] = PAST) -> DailyBars:
    """Bars with these returns that end at `last_usd`."""
    close = np.concatenate(([1.0], np.cumprod(1 + returns)))
    close *= last_usd / close[-1]
    close[-1] = last_usd
    return DailyBars(days, close, close, close, close, close)


def world(
    overbought: int = 4, sp500: FloatArray = BY_TURNS, nasdaq: FloatArray = IN_PAIRS, stock: FloatArray = BY_TURNS
) -> Market:
    """SH at 50, SPXS at 20 and SQQQ at 30 dollars; AAA at 100, twice as lively as `stock`; `overbought` of five names."""
    shown = {
        "SH": bars(-sp500, 50.0),
        "SPXS": bars(-3 * sp500, 20.0),
        "SQQQ": bars(-3 * nasdaq, 30.0),
        "AAA": bars(2 * stock, 100.0),
    }
    rising = np.full(129, 0.001)
    names = {name: bars(rising if place < overbought else BY_TURNS, 200.0) for place, name in enumerate(FIVE)}
    return Market(NOW, TODAY, {**shown, **names})


def trade(
    symbol: str, shares: int, place: int = 0, quantity: int | None = None, status: OrderStatus = OrderStatus.FILLED
) -> Trade:
    """Entered at noon of the session at `place`; `place` -3 is three sessions before today."""
    day = DAYS[place]
    at = datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
    spec = OrderSpec(
        f"k-{symbol}", symbol, Side.BUY, quantity or shares, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(50),
        take_profit=Decimal(90), stop_loss=Decimal(30),
    )  # fmt: skip
    return Trade(
        spec, at, 50.0, "test", entry_status=status, entered=shares, entry_value=Decimal(50 * shares),
        entered_at=at if shares else None,
    )  # fmt: skip


def book(*trades: Trade, left: str | None = None, closed: tuple[Trade, ...] = ()) -> Book:
    last_exit = MappingProxyType({left: TODAY} if left else {})
    return Book(MappingProxyType({one.key: one for one in trades}), closed, last_exit=last_exit)


STOCKS = trade("AAA", 360)  # 36,000 dollars with a beta of 5/3: 60,000 dollars of exposure


def counts(plan: HedgePlan) -> dict[str, int]:
    assert all(isinstance(target.amount, Shares) for target in plan.targets)
    return {target.symbol: target.amount.count for target in plan.targets if isinstance(target.amount, Shares)}


def held(symbol: str, shares: int, place: int = -2, **more: object) -> Book:
    return book(STOCKS, trade(symbol, shares, place, **more))


# ---- opening -------------------------------------------------------------------------------------------------------


def test_a_bearish_mood_hedges_half_of_the_exposure() -> None:
    """30,000 dollars over one less a drag of 0.105 % (ten sessions of 20 * 0.0001 / 19) are 30,032: 600 shares at 50."""
    plan = hedge(world(), book(STOCKS), 200_000.0, RULES)
    assert plan.sentiment.mood is Mood.BEARISH
    assert plan.outlook.exposure_usd == pytest.approx(60_000)
    assert counts(plan) == {"SH": 600}
    assert plan.choice is not None
    assert plan.choice.needed_usd == pytest.approx(30_000 / math.exp(-20 * 0.0001 / 19 * 10))
    assert plan.targets[0].exit_rule == FixedExit(0.05, 0.15)
    assert plan.targets[0].reason == (
        "4 of 5 leading names have an RSI of 70 or above (AAPL, MSFT, GOOGL, NVDA): hedging 50 % of 60,000 dollars of "
        "beta-weighted exposure to the S&P 500 with 600 SH"
    )
    assert plan.targets[0].reason in plan.reasons


def test_a_unanimous_mood_hedges_more() -> None:
    """62.5 % of 60,000 over one less the drag: 37,540 dollars are 750 shares."""
    plan = hedge(world(overbought=5), book(STOCKS), 200_000.0, RULES)
    assert counts(plan) == {"SH": 750}
    assert "62.5 % (50 % times 1.25, as every counted name is overbought)" in plan.targets[0].reason


@pytest.mark.parametrize("overbought", [0, 1, 2])
def test_a_calm_mood_opens_nothing(overbought: int) -> None:
    plan = hedge(world(overbought), book(STOCKS), 200_000.0, RULES)
    assert plan.targets == ()
    assert plan.reasons[-1] == "no hedge: only a share of 60 % overbought names or more opens one"
    assert plan.wanted_shares == 600


def test_a_book_without_stocks_is_not_hedged() -> None:
    plan = hedge(world(), book(), 200_000.0, RULES)
    assert (plan.targets, plan.reasons[-1]) == ((), "no hedge: the book has nothing to hedge")


def test_hedging_that_is_switched_off_opens_nothing_and_sells_what_is_held() -> None:
    off = replace(RULES, is_on=False)
    assert hedge(world(), book(STOCKS), 200_000.0, off).reasons[-1] == "no hedge: hedging is switched off"
    plan = hedge(world(), held("SH", 600, place=-1), 200_000.0, off)  # within the minimum hold, and the mood asks for it
    assert counts(plan) == {"SH": 0}
    assert plan.targets[0].reason.endswith("hedging is switched off: leaving SH")


def test_a_sleeve_that_was_left_today_stays_empty() -> None:
    plan = hedge(world(), book(STOCKS, left="SQQQ"), 200_000.0, RULES)
    assert plan.reasons[-1] == "no hedge: SQQQ was left today, and nothing is opened before the next session"
    assert plan.targets == ()


def test_a_hedge_below_the_smallest_position_is_not_opened() -> None:
    """Half of 10 shares with a beta of 5/3 are 834 dollars: 16 SH, 800 dollars."""
    small = book(trade("AAA", 10))
    assert counts(hedge(world(), small, 200_000.0, HedgeRules(min_notional_usd=800.0))) == {"SH": 16}
    assert hedge(world(), small, 200_000.0, HedgeRules(min_notional_usd=800.01)).targets == ()


@pytest.mark.parametrize("equity_usd", [math.nan, math.inf, 0.0, -5.0])
def test_without_equity_nothing_is_bought(equity_usd: float) -> None:
    assert hedge(world(), book(STOCKS), equity_usd, RULES).targets == ()


def test_without_a_price_of_any_fund_nothing_is_bought() -> None:
    market = world()
    stripped = replace(market, bars={symbol: one for symbol, one in market.bars.items() if symbol not in ("SH", "SPXS")})
    plan = hedge(stripped, book(STOCKS), 200_000.0, RULES)
    assert plan.reasons[-1] == "no hedge: no fund against the S&P 500 has a price"


def test_a_dear_offer_makes_the_hedge_smaller() -> None:
    market = replace(world(), quotes={"SH": Quote(NOW, 49.0, 60.0, 50.0)})
    assert counts(hedge(market, book(STOCKS), 200_000.0, RULES)) == {"SH": 500}


def test_what_the_figures_rest_on_less_firmly_is_said() -> None:
    market = world()
    bare = replace(market, bars={symbol: one for symbol, one in market.bars.items() if symbol not in ("AAA", "TSLA")})
    plan = hedge(bare, book(STOCKS), 200_000.0, RULES)
    assert plan.reasons[1:4] == (
        "left out of the mood: TSLA (no bars)",
        "fewer than 60 sessions in common with the S&P 500, so beta 1: AAA",
        "without a price, so at what was paid: AAA",
    )


# ---- asking the trend ----------------------------------------------------------------------------------------------

FALLING = np.concatenate((BY_TURNS[:-30], np.full(30, -0.003)))
EXTENDED = np.concatenate((BY_TURNS[:-30], np.full(30, 0.005)))


@pytest.mark.parametrize(("sp500", "opens"), [(BY_TURNS, False), (FALLING, True), (EXTENDED, True)])
def test_a_confirmed_hedge_waits_for_a_falling_or_extended_index(sp500: FloatArray, opens: bool) -> None:
    market = world(sp500=sp500, stock=sp500)
    assert bool(hedge(market, book(STOCKS), 200_000.0, HedgeRules(confirm_trend=True)).targets) is opens
    assert hedge(market, book(STOCKS), 200_000.0, RULES).targets != ()


def test_a_falling_index_is_a_further_reason() -> None:
    plan = hedge(world(sp500=FALLING, stock=FALLING), book(STOCKS), 400_000.0, RULES)
    assert plan.outlook.strength == Strength(0.625, "62.5 % (50 % times 1.25, as the index is falling)")


# ---- which fund ----------------------------------------------------------------------------------------------------


def test_a_book_that_the_nasdaq_explains_is_hedged_with_its_fund() -> None:
    """R^2 is 1 against the NASDAQ and about 0 against the S&P 500. Half of 60,000 by three is 10,000, drag 0.6 %: 335 at 30."""
    market = world(sp500=IN_PAIRS, nasdaq=BY_TURNS)
    plan = hedge(market, book(STOCKS), 200_000.0, RULES)
    assert counts(plan) == {"SQQQ": 335}
    assert plan.targets[0].exit_rule == FixedExit(0.05 * 3, 0.15 * 3)
    assert "better by at least 5 %, so the NASDAQ is hedged" in plan.reasons[1]


def test_leverage_is_taken_where_the_cap_is_short_and_decay_cheap() -> None:
    """The cap is 20,000 and SH takes 30,032. SPXS loses 0.63 % in ten sessions: 10,000 / 0.9937 are 503 shares at 20."""
    plan = hedge(world(), book(STOCKS), 100_000.0, RULES)
    assert counts(plan) == {"SPXS": 503}
    assert (
        plan.reasons[2]
        == "SH would take 30,032 dollars and the sleeve has 20,000; SPXS is expected to lose 0.6 % to its daily reset"
    )


def test_leverage_that_costs_too_much_is_not_taken_and_the_cap_holds() -> None:
    """399 shares at the limit of 50.10 are 19,990 dollars; a 400th would pass the 20,000 of the sleeve."""
    plan = hedge(world(), book(STOCKS), 100_000.0, HedgeRules(max_drag_fraction=0.006))
    assert counts(plan) == {"SH": 399}
    assert "as far as the sleeve's 20,000 dollars go" in plan.targets[0].reason
    assert plan.reasons[2] == "SH, not SPXS: the latter is expected to lose 0.6 % to its daily reset, more than 0.6 %"


def test_a_nasdaq_fund_that_costs_too_much_is_not_bought() -> None:
    """The NASDAQ explains the book; SQQQ loses 0.6 % to its reset and may lose 0.5 %. 200,000 dollars have room for SH."""
    rules = HedgeRules(max_drag_fraction=0.005)
    plan = hedge(world(sp500=IN_PAIRS, nasdaq=BY_TURNS), book(STOCKS), 200_000.0, rules)
    assert set(counts(plan)) == {"SH"}
    assert plan.reasons[1].endswith(
        "but SQQQ is expected to lose 0.6 % to its daily reset, more than 0.5 %: the S&P 500 is hedged"
    )


def test_where_every_fund_costs_too_much_none_is_bought() -> None:
    market = world()
    bare = replace(market, bars={symbol: one for symbol, one in market.bars.items() if symbol != "SH"})
    plan = hedge(bare, book(STOCKS), 200_000.0, HedgeRules(max_drag_fraction=0.001))
    assert plan.targets == ()
    assert plan.reasons[-1] == "no hedge: SPXS is expected to lose 0.6 % to its daily reset, more than 0.1 %"


# ---- holding and leaving -------------------------------------------------------------------------------------------


def said(plan: HedgePlan) -> str:
    return plan.targets[0].reason.split("): ", 1)[-1].split("above: ", 1)[-1]


@pytest.mark.parametrize(("shares", "count"), [(480, 480), (449, 600), (750, 750), (751, 600)])
def test_a_held_hedge_is_resized_only_beyond_the_dead_band(shares: int, count: int) -> None:
    assert counts(hedge(world(), held("SH", shares), 200_000.0, RULES)) == {"SH": count}


def test_a_hedge_drifts_above_the_cap_by_a_band_and_is_cut_to_the_cap() -> None:
    """At 100,000 dollars 400 SH are the cap, and 440 are 2,000 dollars of drift above it."""
    rules = HedgeRules(max_drag_fraction=0.0)
    assert counts(hedge(world(), held("SH", 440), 100_000.0, rules)) == {"SH": 440}
    cut = hedge(world(), held("SH", 441), 100_000.0, rules)
    assert counts(cut) == {"SH": 400}
    assert said(cut).endswith("with 400 SH, as far as the sleeve's 20,000 dollars go (instead of 441)")
    assert counts(hedge(world(), held("SH", 401), 100_000.0, replace(rules, cap_band_fraction=0.0))) == {"SH": 400}


def test_a_cap_of_nothing_has_no_band() -> None:
    assert counts(hedge(world(), held("SH", 10), 100_000.0, HedgeRules(max_inverse_fraction=0.0))) == {"SH": 0}


@pytest.mark.parametrize(
    ("overbought", "words"), [(2, "the share of overbought names is not below 40 % yet"), (0, "session 3 of")]
)
def test_without_the_mood_a_held_hedge_does_not_grow(overbought: int, words: str) -> None:
    plan = hedge(world(overbought), held("SH", 100, -3), 200_000.0, HedgeRules(min_hold_sessions=4 if overbought == 0 else 2))
    assert counts(plan) == {"SH": 100}
    assert words in said(plan)
    assert counts(hedge(world(2), held("SH", 800), 200_000.0, RULES)) == {"SH": 600}


@pytest.mark.parametrize(
    ("overbought", "place", "leaves"), [(1, -4, True), (1, -3, False), (2, -4, False), (0, -1, False), (0, -9, True)]
)
def test_a_hedge_whose_reason_ended_is_left_after_the_minimum_hold(overbought: int, place: int, leaves: bool) -> None:
    """Entered four places back, three sessions are completed; the one of today is not."""
    plan = hedge(world(overbought), held("SH", 600, place), 200_000.0, RULES)
    assert counts(plan) == {"SH": 0 if leaves else 600}
    if leaves:
        share = percent(overbought / 5)
        assert said(plan) == f"the reason has ended: {share} of the leading names are overbought, below 40 %: leaving SH"


@pytest.mark.parametrize(("place", "leaves"), [(-10, False), (-11, True), (-12, True), (0, True)])
@pytest.mark.parametrize("overbought", [2, 5])
def test_ten_sessions_are_the_longest_hold(place: int, leaves: bool, overbought: int) -> None:
    plan = hedge(world(overbought), held("SH", 700, place), 200_000.0, RULES)
    assert counts(plan) == {"SH": 0 if leaves else 700}
    assert (said(plan) == "held for as many sessions as allowed, 10: leaving SH") is leaves


def test_the_hold_counts_from_the_oldest_lot() -> None:
    later = replace(trade("SH", 300, -2), spec=replace(trade("SH", 300).spec, key="later"))
    assert counts(hedge(world(), book(STOCKS, trade("SH", 300, -11), later), 200_000.0, RULES)) == {"SH": 0}


def test_a_hedge_without_anything_to_hedge_is_left_at_once() -> None:
    plan = hedge(world(), book(trade("SH", 600, -1)), 200_000.0, RULES)
    assert counts(plan) == {"SH": 0}
    assert said(plan) == "the book holds nothing any more that a hedge stands against: leaving SH"


def test_a_hedge_against_a_book_that_gains_when_the_index_falls_is_left() -> None:
    market = world(stock=-3 * BY_TURNS)
    plan = hedge(market, held("SH", 600, -2), 200_000.0, RULES)
    assert (counts(plan), said(plan)) == ({"SH": 0}, "the book has nothing to hedge: leaving SH")
    assert hedge(market, book(STOCKS), 200_000.0, RULES).targets == ()


def test_an_unknown_mood_keeps_the_hedge_until_the_longest_hold() -> None:
    market = world(overbought=0)
    silent = replace(market, bars={symbol: one for symbol, one in market.bars.items() if symbol not in FIVE[2:]})
    plan = hedge(silent, held("SH", 300, -6), 200_000.0, RULES)
    assert (counts(plan), plan.sentiment.mood) == ({"SH": 300}, Mood.UNKNOWN)
    assert plan.targets[0].reason.endswith("keeping 300 SH: an unknown mood does not end the reason")
    assert counts(hedge(silent, held("SH", 300, -11), 200_000.0, RULES)) == {"SH": 0}


def test_an_entry_that_has_not_filled_is_called_off_when_the_mood_has_turned() -> None:
    waiting = held("SH", 0, -1, quantity=600, status=OrderStatus.WORKING)
    assert counts(hedge(world(0), waiting, 200_000.0, RULES)) == {"SH": 0}
    assert counts(hedge(world(2), waiting, 200_000.0, RULES)) == {"SH": 0}
    assert counts(hedge(world(4), waiting, 200_000.0, RULES)) == {"SH": 600}
    assert hedge(world(4), waiting, 200_000.0, RULES).held[0].shares == 0


def test_without_a_price_or_equity_a_hedge_stays_as_it_is() -> None:
    market = world()
    blind = replace(market, bars={symbol: one for symbol, one in market.bars.items() if symbol != "SH"})
    assert counts(hedge(blind, held("SH", 100), 200_000.0, RULES)) == {"SH": 100}
    assert counts(hedge(market, held("SH", 100), math.nan, RULES)) == {"SH": 100}
    assert counts(hedge(market, held("SH", 100), -1.0, RULES)) == {"SH": 0}


# ---- changing the fund ---------------------------------------------------------------------------------------------


def test_another_fund_is_opened_only_when_the_first_is_gone() -> None:
    """The NASDAQ explains the book, SH is held: it goes first. The day after its exit SQQQ is opened."""
    market = world(sp500=IN_PAIRS, nasdaq=BY_TURNS)
    plan = hedge(market, held("SH", 600, -4), 200_000.0, RULES)
    assert counts(plan) == {"SH": 0}
    assert "SQQQ fits better (" in said(plan)
    assert counts(hedge(market, book(STOCKS), 200_000.0, RULES)) == {"SQQQ": 335}


def test_a_fund_is_kept_for_the_minimum_hold_even_where_another_fits_better() -> None:
    market = world(sp500=IN_PAIRS, nasdaq=BY_TURNS)
    assert counts(hedge(market, held("SH", 600, -3), 200_000.0, RULES))["SH"] > 0


def test_without_the_mood_the_fund_is_not_changed() -> None:
    market = world(overbought=2, sp500=IN_PAIRS, nasdaq=BY_TURNS)
    assert counts(hedge(market, held("SH", 10, -4), 200_000.0, RULES)) == {"SH": 10}


def test_of_two_funds_the_smaller_goes_and_the_larger_does_not_grow_before_it_is_gone() -> None:
    """SPXS is worth 2,000 dollars, so SH has 38,000 of the 40,000; it would be 600 shares."""
    plan = hedge(world(), book(STOCKS, trade("SPXS", 100, -2), trade("SH", 100, -2)), 200_000.0, RULES)
    assert counts(plan) == {"SH": 100, "SPXS": 0}
    assert plan.outlook.cap_usd == 38_000.0
    assert "another fund has to go first" in plan.targets[0].reason
    assert "one fund at a time, and SH is larger: leaving it" in plan.targets[1].reason


CASES: tuple[Callable[[], Book], ...] = (lambda: book(STOCKS), lambda: held("SH", 300), lambda: held("SPXS", 300, -11))


@pytest.mark.parametrize("case", CASES)
def test_every_target_has_a_reason_that_a_person_reads(case: Callable[[], Book]) -> None:
    plan = hedge(world(), case(), 200_000.0, RULES)
    assert all(target.reason in plan.reasons and len(target.reason) > 60 for target in plan.targets)
    assert all("nan" not in reason and "None" not in reason for reason in plan.reasons)
