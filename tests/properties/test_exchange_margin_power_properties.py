"""Whatever option orders an account is allowed, it can always pay for the worst of each expiration."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from desk.exchange.account_settings import AccountSettings
from desk.exchange.machine.book import Book, Holding
from desk.exchange.machine.orders import ZERO, Leg, Quote, Ticket
from desk.exchange.market.options.contract import contract_of as listed
from desk.exchange.market.sessions import Phase
from desk.exchange.rules import option_rules
from desk.exchange.rules.option_rules import inferred_intent
from desk.exchange.rules.power import power_of
from desk.exchange.rules.situation import Situation
from desk.exchange.rules.spread_margin import contract_of, positions_by_root, spread_margin
from desk.exchange.words import AssetClass, OrderClass, OrderType, Side, TimeInForce
from options.occ import format as occ_symbol

NOW = datetime(2025, 6, 2, 16, tzinfo=UTC)
EXPIRATIONS = (date(2025, 6, 20), date(2025, 7, 18))
SYMBOLS = [
    occ_symbol("ABC", day, "call" if is_call else "put", Decimal(strike))
    for day in EXPIRATIONS
    for is_call in (True, False)
    for strike in (90, 95, 100, 110)
]
LISTED = {symbol: listed(contract_of(symbol)) for symbol in SYMBOLS}
PRICES = {"ABC": Decimal(100), **dict.fromkeys(SYMBOLS, Decimal(3))}
QUOTES = {symbol: Quote(29_900, 30_100, 30_000) for symbol in SYMBOLS} | {"ABC": Quote(999_900, 1_000_100, 1_000_000)}
BASE = Ticket("", None, OrderType.LIMIT, OrderClass.SIMPLE, TimeInForce.DAY, asset_class=AssetClass.OPTION)


sides = st.sampled_from(Side)
counts = st.integers(1, 3)
cents = st.integers(1, 1500).map(lambda n: Decimal(n) / 100)
singles = st.tuples(st.lists(st.tuples(st.sampled_from(SYMBOLS), sides, counts), min_size=1, max_size=1), cents, st.just(1))
stock = st.tuples(st.just([("ABC", Side.BUY, 100)]), st.just(Decimal(100)), st.just(1))
many = st.lists(st.tuples(st.sampled_from(SYMBOLS), sides, counts), min_size=2, max_size=4, unique_by=lambda leg: leg[0])
spreads = st.tuples(many, st.integers(-1500, 1500).map(lambda n: Decimal(n) / 100), counts)
requests = st.lists(st.one_of(singles, spreads, stock), max_size=12)


def ticket_of(book: Book, legs: list[tuple[str, Side, int]], price: Decimal, units: int) -> Ticket:
    if len(legs) > 1:
        asked = tuple(Leg(symbol, side, ratio, inferred_intent(book, symbol, side)) for symbol, side, ratio in legs)
        return replace(BASE, order_class=OrderClass.MLEG, legs=asked, limit_price=price, quantity=Decimal(units))
    symbol, side, quantity = legs[0]
    kind = AssetClass.EQUITY if symbol == "ABC" else AssetClass.OPTION
    return replace(BASE, symbol=symbol, side=side, quantity=Decimal(quantity), limit_price=price, asset_class=kind)


def fill(book: Book, legs: list[tuple[str, Side, int]], price: Decimal, units: int) -> None:
    """Trade at the limit; the first leg takes the whole net price."""
    for place, (symbol, side, quantity) in enumerate(legs):
        net = price / quantity * (side.sign if len(legs) > 1 else 1) if place == 0 else ZERO
        book.trade(
            symbol, side, Decimal(quantity * units) if len(legs) > 1 else Decimal(quantity), net if len(legs) > 1 else price
        )


@settings(max_examples=150)
@given(requests, st.integers(2_500, 60_000))
def test_cash_covers_every_expirations_worst_case_after_any_orders(
    asked: list[tuple[list[tuple[str, Side, int]], Decimal, int]], cash: int
) -> None:
    book = Book(seed=1, cash_usd=Decimal(cash))
    for legs, price, units in asked:
        ticket = ticket_of(book, legs, price, units)
        power = power_of(book, PRICES, multiplier=1)
        around = Situation(book, NOW, Phase.REGULAR, None, QUOTES, {}, power, AccountSettings(), contracts=LISTED)
        if option_rules.objection(ticket, around) is None and power.objection(ticket, book, QUOTES) is None:
            fill(book, legs, price, units)
        quantities = {symbol: holding.quantity for symbol, holding in book.holdings.items()}
        margin = spread_margin(positions_by_root(quantities).get("ABC", ()), quantities.get("ABC", ZERO))
        assert not margin.uncovered
        assert book.cash_usd - margin.required_usd >= -Decimal("0.05") * len(asked)


@given(st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 5), max_size=5), st.integers(-300, 300), st.integers(0, 50_000))
def test_figures_add_up(longs: dict[str, int], shares: int, cash: int) -> None:
    book = Book(seed=1, cash_usd=Decimal(cash))
    for symbol, quantity in {**longs, "ABC": shares}.items():
        book.hold(symbol, Holding(Decimal(quantity), Decimal(quantity)))
    for multiplier in (1, 2, 4):
        found = power_of(book, PRICES, multiplier)
        assert found.equity == found.cash + found.long_market_value + found.short_market_value
        assert found.buying_power >= 0 and found.options_buying_power <= max(ZERO, found.equity)
        assert found.multiplier == (1 if found.equity < 2000 else multiplier)
        assert found.long_market_value == 300 * sum(longs.values()) + max(0, shares) * 100
