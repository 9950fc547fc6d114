from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desk.core.rebalance import ENTRY_COLLAR_FRACTION, rebalance
from desk.domain.decisions import FixedExit, IntentKind, Shares, Target, Weight
from desk.domain.market import DailyBars, Market, Quote
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.prices import tick_size
from desk.domain.trades import Book, Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
RULE = FixedExit(0.05, 0.15)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")

cents = st.integers(min_value=100, max_value=500_000)
weights = st.floats(min_value=0.001, max_value=1.0)
equities = st.floats(min_value=0, max_value=5_000_000)


def bars(close: float) -> DailyBars:
    column = np.array([close])
    return DailyBars((date(2024, 1, 2),), column, column, column, column, np.array([1e6]))


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Most symbols have a quote or a bar alone, one or two have nothing."""
    closes = {symbol: draw(cents) for symbol in draw(st.permutations(SYMBOLS))[: draw(st.integers(2, len(SYMBOLS)))]}
    quoted = draw(st.sets(st.sampled_from(sorted(closes))))
    quotes = {}
    for symbol in sorted(quoted):
        bid = draw(cents)
        ask = bid + draw(st.integers(0, 50))
        quotes[symbol] = Quote(NOW, bid / 100, ask / 100, draw(st.integers(bid, ask)) / 100)
    return Market(NOW, NOW.date(), {symbol: bars(close / 100) for symbol, close in closes.items()}, quotes)


def held(symbol: str, quantity: int, entered: int) -> Trade:
    spec = OrderSpec(
        f"n-{symbol}-open", symbol, Side.BUY, quantity, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC,
        Decimal(100), take_profit=Decimal(115), stop_loss=Decimal(95),
    )  # fmt: skip
    status = OrderStatus.FILLED if entered == quantity else OrderStatus.WORKING
    return Trade(spec, NOW, 100.0, "test", entry_status=status, entered=entered)


@st.composite
def books(draw: st.DrawFn) -> Book:
    symbols = sorted(draw(st.sets(st.sampled_from(SYMBOLS))))
    quantities = {symbol: draw(st.integers(1, 500)) for symbol in symbols}
    opened = [held(symbol, count, draw(st.sampled_from([0, count // 2, count]))) for symbol, count in quantities.items()]
    return Book(MappingProxyType({trade.key: trade for trade in opened}))


flat = st.sampled_from([Shares(0), Weight(0.0)])
amounts = flat | st.builds(Shares, st.integers(0, 1_000)) | st.builds(Weight, weights)


@st.composite
def target_lists(draw: st.DrawFn) -> list[Target]:
    symbols = draw(st.permutations(SYMBOLS))[: draw(st.integers(2, len(SYMBOLS)))]
    return [Target(symbol, draw(amounts), RULE, f"because of {symbol}", draw(st.none() | st.just(0.7))) for symbol in symbols]


def is_flat(target: Target) -> bool:
    return target.amount in (Shares(0), Weight(0.0))


@given(target_lists(), books(), equities, markets())
def test_reductions_come_before_openings(targets: list[Target], book: Book, equity_usd: float, market: Market) -> None:
    kinds = [intent.kind for intent in rebalance(targets, book, equity_usd, market)]
    assert set(kinds) <= {IntentKind.CLOSE, IntentKind.OPEN}
    assert kinds == sorted(kinds, key=lambda kind: kind is IntentKind.OPEN)


@given(target_lists(), books(), equities, markets())
def test_a_flat_target_closes_what_is_held_and_asks_for_nothing_else(
    targets: list[Target], book: Book, equity_usd: float, market: Market
) -> None:
    closing = {
        intent.symbol: intent for intent in rebalance(targets, book, equity_usd, market) if intent.kind is IntentKind.CLOSE
    }
    wanted = [t.symbol for t in targets if is_flat(t) and book.trades_of(t.symbol) and market.bid(t.symbol) is not None]
    assert list(closing) == wanted
    for symbol, intent in closing.items():
        assert intent.quantity == book.shares_of(symbol)
        assert intent.price == market.bid(symbol)


@given(target_lists(), books(), equities, markets())
def test_no_second_entry_while_a_trade_is_open(targets: list[Target], book: Book, equity_usd: float, market: Market) -> None:
    opening = [intent.symbol for intent in rebalance(targets, book, equity_usd, market) if intent.kind is IntentKind.OPEN]
    wanted = [t.symbol for t in targets if not is_flat(t) and not book.trades_of(t.symbol) and market.ask(t.symbol) is not None]
    assert opening == wanted


@given(target_lists(), books(), equities, markets())
def test_a_symbol_gets_at_most_one_intent_with_the_targets_words(
    targets: list[Target], book: Book, equity_usd: float, market: Market
) -> None:
    intents = rebalance(targets, book, equity_usd, market)
    assert len({intent.symbol for intent in intents}) == len(intents)
    said = {target.symbol: target for target in targets}
    for intent in intents:
        target = said[intent.symbol]
        assert (intent.reason, intent.confidence, intent.exit_rule) == (target.reason, target.confidence, target.exit_rule)
        assert intent.reference_price == market.last_price(intent.symbol)


@given(weights, equities, cents)
def test_a_weight_buys_the_whole_shares_that_it_pays_for(weight: float, equity_usd: float, close: int) -> None:
    market = Market(NOW, NOW.date(), {"AAA": bars(close / 100)})
    (intent,) = rebalance([Target("AAA", Weight(weight), RULE, "test")], Book(), equity_usd, market)
    exact = Fraction(weight) * Fraction(equity_usd) / Fraction(intent.price)
    dust = Fraction(1, 10**8)
    assert exact - 1 - dust < intent.quantity <= exact + dust


@given(st.integers(1, 100_000), cents)
def test_a_number_of_shares_is_that_number(count: int, close: int) -> None:
    market = Market(NOW, NOW.date(), {"AAA": bars(close / 100)})
    (intent,) = rebalance([Target("AAA", Shares(count), RULE, "test")], Book(), 0.0, market)
    assert intent.quantity == count


@given(cents, st.integers(0, 50))
def test_an_entry_is_marketable_within_its_collar(bid: int, spread: int) -> None:
    ask = (bid + spread) / 100
    market = Market(NOW, NOW.date(), {}, {"AAA": Quote(NOW, bid / 100, ask, ask)})
    (intent,) = rebalance([Target("AAA", Shares(1), RULE, "test")], Book(), 0.0, market)
    assert ask <= intent.price <= ask * (1 + ENTRY_COLLAR_FRACTION)
    limit = Decimal(repr(intent.price))
    assert limit % tick_size(limit) == 0


@given(target_lists(), books(), equities, markets())
def test_the_same_view_gives_the_same_intents(targets: list[Target], book: Book, equity_usd: float, market: Market) -> None:
    assert rebalance(targets, book, equity_usd, market) == rebalance(targets, book, equity_usd, market)
