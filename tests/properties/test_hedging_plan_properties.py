"""What holds of every hedge, whatever the market, the book and the rules: the cap, the mood, the longest hold, repetition."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from desk.domain.decisions import FixedExit, Shares
from desk.domain.market import DailyBars, FloatArray, Market, Quote
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Book, Trade
from hedging.plan import HedgePlan, hedge
from hedging.rules import HedgeRules, inverse_funds
from hedging.sentiment import Mood

pytestmark = pytest.mark.slow

FUNDS = {fund.symbol: fund for fund in inverse_funds()}
FIVE = ("AAPL", "MSFT", "GOOGL", "NVDA", "TSLA")
STOCKS = ("AAA", "BBB", "CCC", "NVDA")
DAYS = tuple(day for n in range(240) if (day := date(2023, 1, 2) + timedelta(days=n)).weekday() < 5)[:151]
TODAY, PAST = DAYS[-1], DAYS[:-1]
NOW = datetime.combine(TODAY, datetime.min.time(), UTC).replace(hour=18)


@dataclass(frozen=True)
class Case:
    market: Market
    book: Book
    equity_usd: float
    rules: HedgeRules

    def plan(self) -> HedgePlan:
        return hedge(self.market, self.book, self.equity_usd, self.rules)


def bars(returns: FloatArray, last_usd: float, sessions: int) -> DailyBars:
    """The last `sessions` bars of a price that ends at `last_usd`."""
    close = np.concatenate(([1.0], np.cumprod(1 + returns)))[len(returns) + 1 - sessions :]
    close = close * (last_usd / close[-1]) if sessions else close
    return DailyBars(PAST[len(PAST) - sessions :], close, close, close, close, close)


def trade(symbol: str, shares: int, place: int, number: int = 0) -> Trade:
    at = datetime(DAYS[place].year, DAYS[place].month, DAYS[place].day, 17, tzinfo=UTC)
    spec = OrderSpec(
        f"k-{symbol}-{number}", symbol, Side.BUY, shares, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(50),
        take_profit=Decimal(90), stop_loss=Decimal(30),
    )  # fmt: skip
    return Trade(
        spec, at, 50.0, "test", entry_status=OrderStatus.FILLED, entered=shares, entry_value=Decimal(50 * shares), entered_at=at
    )  # fmt: skip


def book_of(trades: list[Trade], left: frozenset[str] = frozenset()) -> Book:
    return Book(MappingProxyType({one.key: one for one in trades}), last_exit=MappingProxyType(dict.fromkeys(left, TODAY)))


moods = {"up": 0.004, "down": -0.004, "flat": 0.0}
lengths = st.sampled_from([150, 150, 150, 150, 150, 90, 40, 15, 1, 0])
cents = st.integers(100, 40_000).map(lambda value: value / 100)


@st.composite
def markets(draw: st.DrawFn, is_bearish: bool = False) -> Market:
    """Indices that wander together or apart, names that rise or not, stocks that follow either; with quotes or without.

    A bearish one has nothing but rising names.
    """
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sp500 = generator.normal(draw(st.sampled_from([0.0, -0.004, 0.004])), draw(st.sampled_from([0.003, 0.01, 0.03])), 149)
    nasdaq = sp500 * draw(st.sampled_from([0.0, 1.2])) + generator.normal(0, 0.006, 149)
    shown = {
        symbol: bars(
            np.clip(fund.leverage * (nasdaq if fund.index == "NASDAQ" else sp500), -0.6, 0.6), draw(cents), draw(lengths)
        )
        for symbol, fund in FUNDS.items()
    }
    for name in FIVE:
        steady = draw(st.sampled_from(["up", "up", "up", "down", "flat"]))
        moves = moods["up" if is_bearish else steady] + generator.normal(0, 0.001, 149)
        shown[name] = bars(moves, draw(cents), 150 if is_bearish else draw(lengths))
    for name in STOCKS[:3]:
        follows = nasdaq if draw(st.booleans()) else sp500
        moves = np.clip(draw(st.sampled_from([1.0, 2.0, -1.0])) * follows + generator.normal(0, 0.005, 149), -0.6, 0.6)
        shown[name] = bars(moves, draw(cents), draw(lengths))
    market = Market(NOW, TODAY, {symbol: one for symbol, one in shown.items() if len(one)})
    return quoted(draw, market) if not is_bearish and draw(st.booleans()) else market


def quoted(draw: st.DrawFn, market: Market) -> Market:
    quotes = {}
    for symbol, one in market.bars.items():
        last = float(one.close[-1]) * draw(st.sampled_from([0.97, 1.0, 1.05]))
        quotes[symbol] = Quote(NOW, last * 0.999, last * draw(st.sampled_from([0.999, 1.001])), last)
    return replace(market, quotes=quotes)


@st.composite
def rule_sets(draw: st.DrawFn) -> HedgeRules:
    longest = draw(st.sampled_from([10, 10, 12, 4, 1]))
    return HedgeRules(
        hedge_ratio=draw(st.sampled_from([0.5, 0.5, 1.0, 0.1, 0.0])),
        max_inverse_fraction=draw(st.sampled_from([0.2, 0.2, 0.05, 1.0, 0.0])),
        dead_band_fraction=draw(st.sampled_from([0.0, 0.25, 0.9])),
        cap_band_fraction=draw(st.sampled_from([0.0, 0.02, 0.02])),
        entry_collar_fraction=draw(st.sampled_from([0.0, 0.002])),
        max_drag_fraction=draw(st.sampled_from([0.0, 0.02, 1.0])),
        confirm_trend=draw(st.sampled_from([False, False, True])),
        min_notional_usd=draw(st.sampled_from([0.0, 200.0])),
        bearish_share=draw(st.sampled_from([0.2, 0.6])),
        max_hold_sessions=longest,
        min_hold_sessions=draw(st.integers(0, longest)),
    )


@st.composite
def books(draw: st.DrawFn, funds: int = 2) -> Book:
    """Stocks, and up to `funds` inverse funds in one or two lots each."""
    stocks = draw(st.sets(st.sampled_from(STOCKS), min_size=draw(st.sampled_from([1, 1, 1, 0]))))
    trades = [trade(symbol, draw(st.integers(1, 800)), 0) for symbol in sorted(stocks)]
    for symbol in sorted(draw(st.sets(st.sampled_from(sorted(FUNDS)), max_size=funds))):
        for number in range(draw(st.integers(1, 2))):
            trades.append(trade(symbol, draw(st.integers(1, 3_000)), draw(st.sampled_from([-1, -2, -4, -5, -9, -14])), number))
    left = draw(st.sampled_from([None, None, None, *FUNDS]))
    return book_of(trades, frozenset() if left is None else frozenset({left}))


equities = st.floats(20_000, 1_000_000)
cases = st.builds(Case, markets(), books(), equities, rule_sets())
one_fund_cases = st.builds(Case, markets(), books(funds=1), equities, rule_sets())
bearish_cases = st.builds(Case, markets(is_bearish=True), books(funds=0), equities, rule_sets())


def counts(plan: HedgePlan) -> dict[str, int]:
    return {target.symbol: target.amount.count for target in plan.targets if isinstance(target.amount, Shares)}


def carried_out(case: Case, plan: HedgePlan) -> Case:
    """The book after every target is reached: what grew has a new lot, what was left an exit of today."""
    targets, trades = counts(plan), []
    for one in case.book.open.values():
        if one.symbol not in targets:
            trades.append(one)
    for symbol, count in targets.items():
        lots = case.book.trades_of(symbol)
        if count:
            first = min((lot.entered_at for lot in lots if lot.entered_at), default=NOW)
            trades.append(replace(trade(symbol, count, -1), entered_at=first))
    left = {symbol for symbol, count in targets.items() if not count and case.book.shares_of(symbol)}
    return replace(case, book=book_of(trades, frozenset(left) | set(case.book.last_exit)))


def price_of(market: Market, symbol: str) -> float:
    quote = market.quotes.get(symbol)
    return float(market.bars[symbol].close[-1]) if quote is None else max(quote.last, quote.ask)


def with_hedge(case: Case, symbol: str, shares: int, place: int) -> Case:
    return replace(case, book=book_of([*case.book.open.values(), trade(symbol, shares, place)]))


def worth(case: Case, counted: dict[str, int]) -> float:
    return sum(count * price_of(case.market, symbol) for symbol, count in counted.items())


def sleeve_usd(case: Case) -> float:
    """Dollars of the sleeve once what grows has grown and before what goes is gone."""
    held = {symbol: count for symbol, count in case.book.shares().items() if symbol in FUNDS}
    wanted = {symbol: count for symbol, count in counts(case.plan()).items() if count}
    return worth(case, {**held, **wanted}) if wanted else 0.0


@given(cases)
def test_the_sleeve_is_never_worth_more_than_its_cap_and_band_and_buys_to_the_cap_at_most(case: Case) -> None:
    assume(all(one.symbol in case.market.bars for one in case.book.open.values() if one.symbol in FUNDS))
    buys = any(count > case.book.shares_of(symbol) for symbol, count in counts(case.plan()).items())
    fraction = case.rules.max_inverse_fraction + (0.0 if buys else case.rules.cap_band_fraction)
    assert sleeve_usd(case) <= fraction * case.equity_usd + 1e-6


@given(bearish_cases, st.permutations(sorted(FUNDS)), st.floats(0, 0.5), st.floats(0.3, 1.2))
def test_a_second_fund_leaves_the_first_less_room(case: Case, order: list[str], small: float, large: float) -> None:
    """Much is wanted of a small sleeve, and within the minimum hold no fund is changed for another: the larger one stays."""
    rules = replace(case.rules, min_hold_sessions=case.rules.max_hold_sessions, hedge_ratio=1.0, max_inverse_fraction=0.1)
    cap_usd, most_usd = 0.1 * case.equity_usd, (0.1 + rules.cap_band_fraction) * case.equity_usd
    assume(all(symbol in case.market.bars for symbol in order))
    sizes = [
        max(int(part * cap_usd / price_of(case.market, symbol)), 1) for symbol, part in zip(order, (small, large), strict=False)
    ]
    both = with_hedge(with_hedge(replace(case, rules=rules), order[0], sizes[0], -1), order[1], sizes[1], -1)
    assert sleeve_usd(both) <= most_usd + 1e-6


@given(cases)
def test_without_stocks_there_is_no_hedge(case: Case) -> None:
    bare = book_of([one for one in case.book.open.values() if one.symbol in FUNDS])
    assert set(counts(replace(case, book=bare).plan()).values()) <= {0}


@given(cases)
def test_the_same_input_gives_the_same_plan(case: Case) -> None:
    copies = {symbol: DailyBars(one.sessions, *(one.close.copy(),) * 5) for symbol, one in reversed(case.market.bars.items())}
    again = replace(case, market=replace(case.market, bars=copies))
    assert again.plan() == case.plan()


@given(cases)
def test_nothing_is_bought_unless_the_mood_is_bearish(case: Case) -> None:
    plan = case.plan()
    grown = [symbol for symbol, count in counts(plan).items() if count > case.book.shares_of(symbol)]
    assert not grown or plan.sentiment.mood is Mood.BEARISH


@given(bearish_cases)
def test_a_confirmed_hedge_buys_nothing_against_the_trend(case: Case) -> None:
    asking = replace(case, rules=replace(case.rules, confirm_trend=True))
    plan = asking.plan()
    seen = plan.outlook.trend
    assert not plan.targets or (seen is not None and (seen.state == "falling" or seen.distance_fraction >= 0.05))


@given(bearish_cases, st.sampled_from(sorted(FUNDS)), st.integers(2, 20), st.integers(-1, 1))
def test_the_longest_hold_ends_a_hedge_whose_reason_goes_on(case: Case, symbol: str, place: int, more: int) -> None:
    """A lot of the session `place` back has all but one of these sessions completed, as today's is not over."""
    assume(place - 1 + more >= 1)
    rules = replace(case.rules, max_hold_sessions=place - 1 + more, min_hold_sessions=0)
    plan = with_hedge(replace(case, rules=rules), symbol, 10, -place).plan()
    assert plan.held[0].sessions >= min(place - 1, rules.max_hold_sessions)
    assert more > 0 or counts(plan)[symbol] == 0


@given(cases)
def test_a_hedge_is_left_at_the_longest_hold_whatever_else(case: Case) -> None:
    """Sessions by hand: a lot at `place` -n has n - 1 completed sessions and today's is not over. AAPL tells the calendar."""
    full = bars(np.full(149, 0.001), 100.0, 150)
    shown = replace(case, market=replace(case.market, bars={**case.market.bars, "AAPL": full}))
    lots = [one for one in case.book.open.values() if one.symbol in FUNDS and one.entered_at is not None]
    held = {one.symbol: sum(1 for day in PAST if one.entered_at and day >= one.entered_at.date()) for one in lots}
    oldest = {symbol: max(held[one.symbol] for one in lots if one.symbol == symbol) for symbol in held}
    targets = counts(shown.plan())
    for symbol, sessions in oldest.items():
        assert sessions < case.rules.max_hold_sessions or targets[symbol] == 0


@given(cases)
def test_targets_are_whole_shares_of_funds_with_exits_that_can_be_placed(case: Case) -> None:
    plan = case.plan()
    for target in plan.targets:
        assert target.symbol in FUNDS
        assert isinstance(target.amount, Shares)
        assert type(target.amount.count) is int
        assert target.amount.count >= 0
        assert isinstance(target.exit_rule, FixedExit)
        assert 0 < target.exit_rule.stop_loss_fraction <= 0.5
        assert 0 < target.exit_rule.take_profit_fraction <= 0.5
        assert target.reason in plan.reasons
    assert len(counts(plan)) == len(plan.targets)


@given(cases)
def test_every_fund_that_is_held_has_a_target_and_at_most_one_is_wanted(case: Case) -> None:
    targets, held = counts(case.plan()), {one.symbol for one in case.book.open.values() if one.symbol in FUNDS}
    assert held <= set(targets)
    assert sum(1 for count in targets.values() if count) <= 1
    assert not held or set(targets) == held


@given(one_fund_cases)
def test_a_plan_that_is_carried_out_asks_for_nothing_more(case: Case) -> None:
    after = carried_out(case, case.plan())
    assert counts(after.plan()) == {symbol: count for symbol, count in after.book.shares().items() if symbol in FUNDS}


@given(bearish_cases | one_fund_cases, st.sampled_from(sorted(FUNDS)), st.floats(0.1, 2.0))
def test_a_held_hedge_moves_only_beyond_the_dead_band_or_above_the_cap(case: Case, symbol: str, factor: float) -> None:
    """What is held is a share of what the rules want of that very fund."""
    stocks = replace(case, book=book_of([one for one in case.book.open.values() if one.symbol not in FUNDS]))
    wanted = with_hedge(stocks, symbol, 1, -1).plan().wanted_shares
    assume(wanted > 0)
    held = max(round(wanted * factor), 1)
    plan = with_hedge(stocks, symbol, held, -1).plan()
    count, price, cap_usd = counts(plan)[symbol], price_of(case.market, symbol), plan.outlook.cap_usd
    may_buy = plan.sentiment.mood is Mood.BEARISH and not case.rules.confirm_trend
    assume(count > 0)
    is_beyond = abs(wanted - held) > case.rules.dead_band_fraction * wanted
    assert count <= held or count == wanted
    assert count == held or is_beyond or held * price > cap_usd
    assert count == wanted or not is_beyond or held > wanted or not may_buy
    assert count >= held or count >= wanted
    assert count * price <= cap_usd + case.rules.cap_band_fraction * case.equity_usd + 1e-6


broken = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-300, 1e300, 5e-324, 1e-5])


@st.composite
def damaged(draw: st.DrawFn) -> Case:
    """Closes, quotes and equity that are no numbers or absurd ones, holes in calendars, symbols without any bar."""
    case = draw(cases)
    shown = {}
    for symbol, one in case.market.bars.items():
        close = one.close.copy()
        for _ in range(draw(st.integers(0, 2))):
            close[draw(st.integers(-len(close), -1))] = draw(broken)
        kept = slice(0, draw(st.sampled_from([0, 1, len(close), len(close), len(close)])))
        gone = draw(st.integers(0, len(close)))
        days = (*one.sessions[kept][:gone], *one.sessions[kept][gone + 1 :])
        left = np.delete(close[kept], gone) if gone < len(close[kept]) else close[kept]
        shown[symbol] = DailyBars(days, left, left, left, left, left)
    lasts = draw(st.dictionaries(st.sampled_from(sorted({*FUNDS, *FIVE, *STOCKS})), st.tuples(broken, broken, broken)))
    quotes = {symbol: Quote(NOW, *prices) for symbol, prices in lasts.items()}
    return replace(case, market=replace(case.market, bars=shown, quotes=quotes), equity_usd=draw(broken | equities))


@given(damaged())
def test_damaged_or_missing_data_never_raises_and_never_passes_the_cap(case: Case) -> None:
    plan = case.plan()
    bought = {symbol: count for symbol, count in counts(plan).items() if count > case.book.shares_of(symbol)}
    assert not bought or math.isfinite(case.equity_usd)
    for symbol, count in bought.items():
        quote = case.market.quotes.get(symbol)
        known = [] if quote is None else [quote.ask, quote.last]
        price = max([float(case.market.bars[symbol].close[-1])] if not known else [one for one in known if one > 0], default=0.0)
        assert not math.isfinite(price) or count * price <= case.rules.max_inverse_fraction * case.equity_usd * (1 + 1e-9)
