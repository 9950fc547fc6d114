"""What covers a sold option covers it once: open orders have taken their part of it before they execute."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_traffic import OPTIONS, SLOW, STOCKS, VERY_SLOW, Traffic, new_book

from desk.exchange.account_settings import AccountSettings
from desk.exchange.machine.book import AT_ONCE, Book, Holding, Latency
from desk.exchange.machine.commands import Replace, Submit, Tick
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import ZERO, Amendment, Exit, Leg, Order, Quote, Ticket
from desk.exchange.market.options.contract import contract_of as listed
from desk.exchange.market.sessions import Phase
from desk.exchange.rules.option_rules import inferred_intent
from desk.exchange.rules.order_costs import reserves
from desk.exchange.rules.power import power_of
from desk.exchange.rules.rejections import Rejection
from desk.exchange.rules.situation import Listing, Situation
from desk.exchange.rules.spread_margin import contract_of, locked_shares, positions_by_root, spread_margin
from desk.exchange.rules.validation import judge
from desk.exchange.switches import AS_DOCUMENTED
from desk.exchange.words import AssetClass, GroupRole, OrderClass, OrderType, Side, Status, TimeInForce

NOW = datetime(2025, 6, 2, 16, tzinfo=UTC)
CALL_100, CALL_110 = "ABC250620C00100000", "ABC250620C00110000"
PUT_95, PUT_100 = "ABC250620P00095000", "ABC250620P00100000"
SYMBOLS = (CALL_100, CALL_110, PUT_95, PUT_100, "ABC250718C00110000", "ABC250718P00095000")
LISTED = {symbol: listed(contract_of(symbol)) for symbol in SYMBOLS}
PRICES = {"ABC": Decimal(100), **dict.fromkeys(SYMBOLS, Decimal(3))}
QUOTES = {symbol: Quote(29_900, 30_100, 30_000) for symbol in SYMBOLS} | {"ABC": Quote(999_900, 1_000_100, 1_000_000)}
BASE = Ticket("", None, OrderType.LIMIT, OrderClass.SIMPLE, TimeInForce.GTC, asset_class=AssetClass.OPTION)
UNCOVERED = "account not eligible to trade uncovered option contracts"

Asked = tuple[list[tuple[str, Side, int]], Decimal, int]
sides, counts = st.sampled_from(Side), st.integers(1, 2)
HELD: tuple[dict[str, int], ...] = (
    {},
    {CALL_100: 3, CALL_110: -1},
    {PUT_100: 2},
    {CALL_100: 1, PUT_100: 1},
    {"ABC": 200, CALL_100: 1},
)
positions = st.sampled_from(HELD)
option_legs = st.tuples(st.sampled_from(SYMBOLS), sides, counts)
sold_legs = st.tuples(st.sampled_from(SYMBOLS), st.just(Side.SELL), counts)
dollars = st.integers(1, 5).map(Decimal)
singles = st.tuples(st.one_of(sold_legs, option_legs).map(lambda leg: [leg]), dollars, st.just(1))
stock = st.tuples(st.tuples(st.just("ABC"), sides, st.just(100)).map(lambda leg: [leg]), st.just(Decimal(100)), st.just(1))
many = st.lists(option_legs, min_size=2, max_size=4, unique_by=lambda leg: leg[0])
spreads = st.tuples(many, st.integers(-8, 8).map(Decimal), counts)
requests = st.lists(st.one_of(singles, singles, spreads, stock), min_size=3, max_size=14)


def situation(book: Book, level: int = 3) -> Situation:
    power = power_of(book, PRICES, multiplier=1)
    return Situation(
        book=book,
        now=NOW,
        phase=Phase.REGULAR,
        session=None,
        quotes=QUOTES,
        listings={"ABC": Listing()},
        power=power,
        settings=AccountSettings(),
        contracts=LISTED,
        multiplier=1,
        options_level=level,
    )


def ticket_of(book: Book, asked: Asked) -> Ticket:
    legs, price, units = asked
    if len(legs) > 1:
        said = tuple(Leg(symbol, side, ratio, inferred_intent(book, symbol, side)) for symbol, side, ratio in legs)
        return replace(BASE, order_class=OrderClass.MLEG, legs=said, limit_price=price, quantity=Decimal(units))
    symbol, side, quantity = legs[0]
    kind = AssetClass.EQUITY if symbol == "ABC" else AssetClass.OPTION
    return replace(BASE, symbol=symbol, side=side, quantity=Decimal(quantity), limit_price=price, asset_class=kind)


def single(symbol: str, side: str, quantity: int = 1, price: str = "3.00") -> Asked:
    return [(symbol, Side(side), quantity)], Decimal(price), 1


def ask(book: Book, asked: Asked, level: int = 3) -> Rejection | None:
    """Put an order on the books when the rules allow it."""
    found = judge(ticket_of(book, asked), situation(book, level))
    if isinstance(found, Rejection):
        return found
    apply(book, Submit(found, NOW, works_now=True))
    apply(book, Tick(NOW))
    return None


def fill(book: Book, order: Order) -> None:
    """Execute all of an order at its limit; the first leg of a multi-leg order takes the whole net price."""
    assert order.limit_price is not None
    if order.is_spread:
        for place, leg in enumerate(book.legs(order.id)):
            assert leg.side is not None and leg.ratio is not None
            net = order.limit_price * leg.side.sign / leg.ratio if place == 0 else ZERO
            book.trade(leg.symbol, leg.side, leg.remaining, net)
            book.change(leg, NOW, status=Status.FILLED, filled_quantity=leg.quantity)
    else:
        assert order.side is not None
        book.trade(order.symbol, order.side, order.remaining, order.limit_price)
    book.change(order, NOW, status=Status.FILLED, filled_quantity=order.quantity)


def resting(book: Book) -> list[Order]:
    return [order for order in book.live_orders() if order.parent_id is None]


def owner(cash: int, held: dict[str, int] | None = None, latency: Latency = AT_ONCE) -> Book:
    book = Book(seed=1, cash_usd=Decimal(cash), latency=latency)
    for symbol, quantity in (held or {}).items():
        book.hold(symbol, Holding(Decimal(quantity), Decimal(quantity)))
    return book


def margin_of(book: Book) -> tuple[Decimal, Decimal]:
    """(uncovered calls, margin in dollars)."""
    quantities = {symbol: holding.quantity for symbol, holding in book.holdings.items()}
    found = spread_margin(positions_by_root(quantities).get("ABC", ()), quantities.get("ABC", ZERO))
    return found.uncovered, found.required_usd


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(positions, requests, st.integers(2_500, 60_000))
def test_all_orders_together_leave_everything_covered_and_paid(held: dict[str, int], asked: list[Asked], cash: int) -> None:
    book = owner(cash, held)
    for each in asked:
        ask(book, each)
    for order in resting(book):
        fill(book, order)
    uncovered, margin = margin_of(book)
    assert not uncovered
    assert book.cash_usd - margin >= -Decimal("0.05") * len(asked)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(positions, requests, st.data())
def test_whichever_orders_execute_nothing_sold_is_bare(held: dict[str, int], asked: list[Asked], data: st.DataObject) -> None:
    """Nobody knows which orders execute, in which order, and what is asked in between."""
    book = owner(60_000, held)
    for each in asked:
        ask(book, each)
        for order in data.draw(st.lists(st.sampled_from(resting(book)), unique=True)) if resting(book) else ():
            fill(book, order)
            assert margin_of(book)[0] == 0


def test_bought_calls_cover_as_many_sold_ones_as_there_are() -> None:
    book = owner(100_000, {CALL_100: 3, CALL_110: -1})
    said = [ask(book, single(CALL_100, "sell")) for _ in range(3)]
    assert said[:2] == [None, None] and said[2] is not None and said[2].message == UNCOVERED


def test_bought_put_covers_one_open_order_to_sell_a_put_and_not_three() -> None:
    book = owner(2_500, {PUT_100: 1})
    said = [ask(book, single(PUT_95, "sell")) for _ in range(3)]
    assert said[0] is None and all(each is not None and "cash-secured put" in each.message for each in said[1:])


def test_open_order_to_buy_covers_nothing_yet() -> None:
    book = owner(100_000)
    assert ask(book, single(CALL_100, "buy")) is None
    refused = ask(book, single(CALL_110, "sell"))
    assert refused is not None and "covered call" in refused.message


def test_order_that_is_being_replaced_takes_its_cover_once() -> None:
    """Its successor takes the same cover, whatever the venue answers."""
    book = owner(100_000, {CALL_100: 2}, latency=Latency(replace=timedelta(seconds=1)))
    assert ask(book, single(CALL_110, "sell")) is None
    order = resting(book)[0]
    apply(book, Replace(order.id, Amendment(limit_price=Decimal(4)), NOW))
    assert [each.status for each in resting(book)] == [Status.PENDING_REPLACE, Status.PENDING_NEW]
    assert locked_shares(book, "ABC", {CALL_110: Decimal(-1)}) == 0
    assert locked_shares(book, "ABC", {CALL_110: Decimal(-2)}) == 100


def test_below_level_three_only_shares_cover_a_sold_call() -> None:
    book = owner(100_000, {"ABC": 100, CALL_100: 1})
    assert ask(book, single(CALL_110, "sell"), level=2) is None
    refused = ask(book, single(CALL_110, "sell"), level=2)
    assert refused is not None and refused.message.endswith("(required: 100, available: 0)")


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((AT_ONCE, SLOW, VERY_SLOW)), st.integers(50, 150).map(Decimal))
def test_what_the_books_remember_is_what_they_would_find_anew(seed: int, latency: Latency, price: Decimal) -> None:
    """Reserves go on from what was worked out before, and orders are found by symbol: both as if nothing were remembered."""
    book = new_book(seed, 0.3, latency, AS_DOCUMENTED)
    traffic = Traffic(book, np.random.default_rng(seed))
    for step in range(150):
        traffic.step()
        prices = {**dict.fromkeys(STOCKS, price + step // 40), **dict.fromkeys(OPTIONS, Decimal(3))}
        afresh = replace(book)
        assert reserves(book, prices) == reserves(afresh, prices)
        live = [order for order in book.orders.values() if order.is_live]
        for symbol in (*STOCKS, *OPTIONS, ""):
            assert book.live_orders(symbol) == [order for order in live if order.symbol == symbol]
        assert book.live_orders() == live and book.live_symbols() == {order.symbol for order in live if order.symbol}
        assert book.live_options() == [order for order in live if order.is_option]
        assert [order.number for order in book.orders.values()] == sorted(order.number for order in book.orders.values())


def test_superseded_orders_leave_their_group() -> None:
    """However often a leg is replaced, its group has the members that it began with."""
    book = Book(seed=1, cash_usd=Decimal(100_000))
    exits = {"take_profit": Exit(limit_price=Decimal(110)), "stop_loss": Exit(stop_price=Decimal(90))}
    entry = replace(
        BASE, symbol="ABC", side=Side.BUY, quantity=Decimal(10), limit_price=Decimal(100), asset_class=AssetClass.EQUITY
    )
    apply(book, Submit(replace(entry, order_class=OrderClass.BRACKET, **exits), NOW, works_now=True))
    apply(book, Tick(NOW, {"ABC": Quote(999_900, 1_000_000, 1_000_000)}))
    for step in range(5):
        target = next(order for order in book.live_orders() if order.group_role is GroupRole.TAKE_PROFIT)
        apply(book, Replace(target.id, Amendment(limit_price=Decimal(111 + step)), NOW))
    members = book.members(target.group_id)
    assert [order.group_role for order in members] == [GroupRole.ENTRY, GroupRole.STOP_LOSS, GroupRole.TAKE_PROFIT]
    assert members[-1].limit_price == 115 and len(book.orders) == 8
