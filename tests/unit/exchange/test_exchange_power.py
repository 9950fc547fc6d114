"""Buying power and margins of books that are put together by hand; figures are worked out from Alpaca's rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from desk.exchange.ledger import Execution
from desk.exchange.machine.book import Book, Holding
from desk.exchange.machine.commands import Cancel, Submit
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import Leg, Quote, Ticket
from desk.exchange.rules.day_trades import day_trades, undaytradable
from desk.exchange.rules.expiring import cannot_carry
from desk.exchange.rules.power import Power, power_of
from desk.exchange.words import AssetClass, OrderClass, OrderType, PositionIntent, Side, TimeInForce

NOW = datetime(2025, 6, 2, 15, tzinfo=UTC)
PUT_95, PUT_100, CALL_110 = "ABC250620P00095000", "ABC250620P00100000", "ABC250620C00110000"
PRICES = {
    "ABC": Decimal(100),
    "TQQQ": Decimal(50),
    "LOW": Decimal(4),
    PUT_95: Decimal(1),
    PUT_100: Decimal(3),
    CALL_110: Decimal(2),
}
QUOTES = {
    symbol: Quote(int(price * 10_000) - 100, int(price * 10_000) + 100, int(price * 10_000)) for symbol, price in PRICES.items()
}


def book_of(cash: object = 100_000, **held: int) -> Book:
    book = Book(seed=1, cash_usd=Decimal(str(cash)))
    for symbol, quantity in held.items():
        book.hold(symbol, Holding(Decimal(quantity), Decimal(quantity) * PRICES[symbol]))
    return book


def ticket(symbol: str = "ABC", side: str = "buy", quantity: object = 10, limit: object = None, **changes: Any) -> Ticket:
    asked: dict[str, Any] = {
        "symbol": symbol,
        "side": Side(side),
        "type": OrderType.MARKET if limit is None else OrderType.LIMIT,
        "order_class": OrderClass.SIMPLE,
        "time_in_force": TimeInForce.DAY,
        "quantity": Decimal(str(quantity)),
        "limit_price": None if limit is None else Decimal(str(limit)),
        "asset_class": AssetClass.OPTION if len(symbol) > 15 else AssetClass.EQUITY,
    }
    return Ticket(**{**asked, **changes})


def bull_put(limit: object = "-1.50", quantity: int = 1) -> Ticket:
    legs = (
        Leg(PUT_100, Side.SELL, 1, PositionIntent.SELL_TO_OPEN),
        Leg(PUT_95, Side.BUY, 1, PositionIntent.BUY_TO_OPEN),
    )
    asked = replace(ticket(quantity=quantity, limit=limit), symbol="", side=None, legs=legs)
    return replace(asked, order_class=OrderClass.MLEG, asset_class=AssetClass.OPTION)


def take(book: Book, asked: Ticket) -> str:
    """Rest an order in the book; its id."""
    known = set(book.orders)
    apply(book, Submit(asked, NOW, works_now=True))
    return next(order_id for order_id in book.orders if order_id not in known)


def power(book: Book, multiplier: int = 4, **options: Any) -> Power:
    return power_of(book, PRICES, multiplier, leverage={"TQQQ": 3.0}, **options)


@pytest.mark.parametrize(("multiplier", "expected"), [(1, 100_000), (2, 200_000), (4, 400_000)])
def test_fresh_account_can_spend_its_cash_times_its_multiplier(multiplier: int, expected: int) -> None:
    found = power(book_of(), multiplier)
    assert (found.buying_power, found.options_buying_power, found.non_marginable_buying_power) == (expected, 100_000, 100_000)
    assert found.regt_buying_power == min(expected, 200_000)


def test_long_stock_ties_up_half_of_its_value_at_first_and_three_tenths_later() -> None:
    found = power(book_of(60_000, ABC=400))
    assert (found.equity, found.long_market_value, found.initial_margin, found.maintenance_margin) == (
        100_000,
        40_000,
        20_000,
        12_000,
    )
    assert (found.buying_power, found.regt_buying_power, found.options_buying_power) == (352_000, 160_000, 80_000)


def test_leveraged_fund_ties_up_three_quarters() -> None:
    found = power(book_of(60_000, TQQQ=800))
    assert (found.initial_margin, found.maintenance_margin) == (30_000, 30_000)


def test_short_stock_ties_up_half_beyond_its_proceeds() -> None:
    found = power(book_of(140_000, ABC=-400))
    assert (found.equity, found.short_market_value) == (100_000, -40_000)
    assert (found.initial_margin, found.maintenance_margin, found.regt_buying_power) == (20_000, 12_000, 160_000)


def test_cheap_short_stock_is_kept_in_full() -> None:
    assert power(book_of(104_000, LOW=-1000)).maintenance_margin == 4_000


def test_cash_account_counts_the_whole_of_what_it_holds() -> None:
    found = power(book_of(60_000, ABC=400), 1)
    assert (found.initial_margin, found.maintenance_margin, found.buying_power) == (40_000, 40_000, 60_000)


@pytest.mark.parametrize(("cash", "expected"), [("1999.99", 1), ("2000", 4)])
def test_less_than_two_thousand_dollars_of_equity_has_no_credit(cash: str, expected: int) -> None:
    assert power(book_of(cash)).multiplier == expected


def test_configuration_lowers_the_multiplier() -> None:
    assert power(book_of(), max_multiplier=2).buying_power == 200_000
    assert power(book_of(), 2, max_multiplier=4).multiplier == 2


def test_cash_account_reserves_open_buys_at_their_limit_or_collar() -> None:
    book = book_of()
    take(book, ticket(limit=90, quantity=100))
    assert power(book, 1).buying_power == 91_000
    take(book, ticket(quantity=10, collar_price=Decimal("102.50")))
    assert power(book, 1).buying_power == Decimal("89975.00")


def test_open_orders_that_close_reserve_nothing_and_those_that_add_do() -> None:
    book = book_of(60_000, ABC=400)
    before = power(book)
    take(book, ticket(side="sell", quantity=400, limit=120))
    assert power(book).buying_power == before.buying_power
    take(book, ticket(limit=90, quantity=100))
    assert power(book).buying_power == before.buying_power - 9_000


def test_open_short_reserves_the_larger_of_its_limit_and_three_per_cent_above_the_price() -> None:
    for limit, reserved in (("90", 10_300), ("110", 11_000)):
        book = book_of()
        take(book, ticket(side="sell", quantity=100, limit=limit))
        assert power(book).buying_power == 400_000 - reserved


def test_buy_that_covers_a_short_needs_power_only_for_what_goes_beyond() -> None:
    book = book_of(140_000, ABC=-400)
    take(book, ticket(limit=100, quantity=500))
    assert power(book).buying_power == power(book_of(140_000, ABC=-400)).buying_power - 10_000


@pytest.mark.parametrize(
    ("asked", "cost"),
    [
        (ticket(quantity=5000, limit=100), "500000"),
        (ticket(quantity=5000, collar_price=Decimal("102.55")), "512750"),
        (ticket(quantity=5000), "500050"),
        (ticket(side="sell", quantity=5000, limit=90), "515100"),
        (ticket(side="sell", quantity=5000, limit=104), "520000"),
    ],
)
def test_refusal_tells_power_and_cost(asked: Ticket, cost: str) -> None:
    book = book_of()
    found = power(book).objection(asked, book, QUOTES)
    assert found is not None and (found.status, found.message) == (403, "insufficient buying power")
    assert found.body() | {"buying_power": "400000", "cost_basis": cost} == found.body()


def test_order_by_dollars_costs_its_dollars() -> None:
    book = book_of()
    for dollars, is_fine in (("400000", True), ("400000.01", False)):
        asked = replace(ticket(), quantity=None, notional=Decimal(dollars))
        assert (power(book).objection(asked, book, QUOTES) is None) is is_fine


def test_order_that_is_about_to_be_replaced_does_not_count() -> None:
    book = book_of()
    old = take(book, ticket(limit=100, quantity=3000))
    found = power(book)
    assert found.objection(ticket(limit=100, quantity=3500), book, QUOTES) is not None
    apart = book_of()
    assert found.objection(ticket(limit=100, quantity=3500), apart, QUOTES) is None
    apply(book, Cancel(old, NOW))
    assert power(book).buying_power == 400_000


def test_credit_spread_takes_its_width_less_its_credit() -> None:
    book = book_of()
    take(book, bull_put(quantity=2))
    assert power(book).options_buying_power == 100_000 - 2 * 350
    filled = book_of(100_300)
    filled.hold(PUT_100, Holding(Decimal(-2), Decimal(-600)))
    filled.hold(PUT_95, Holding(Decimal(2), Decimal(200)))
    found = power(filled)
    assert found.maintenance_margin == 1_000 and found.options_buying_power == 100_000 - 2 * 350
    assert found.initial_margin == 1_000 - 400


def test_closing_a_spread_needs_no_power_beyond_what_it_frees() -> None:
    book = book_of(cash=501)
    book.hold(PUT_100, Holding(Decimal(-1), Decimal(-300)))
    book.hold(PUT_95, Holding(Decimal(1), Decimal(100)))
    legs = (
        Leg(PUT_100, Side.BUY, 1, PositionIntent.BUY_TO_CLOSE),
        Leg(PUT_95, Side.SELL, 1, PositionIntent.SELL_TO_CLOSE),
    )
    assert power(book).objection(replace(bull_put("4.99"), legs=legs), book, QUOTES) is None


def test_refused_spread_tells_what_it_needs() -> None:
    book = book_of(10_000)
    found = power(book).objection(bull_put("-1.50", 29), book, QUOTES)
    assert found is not None
    assert found.message == "insufficient options buying power (required: 10150, available: 10000)"
    assert power(book).objection(bull_put("-1.50", 28), book, QUOTES) is None


def test_long_option_is_paid_in_full_even_with_credit() -> None:
    book = book_of(10_000)
    found = power(book).objection(ticket(CALL_110, quantity=51, limit=2), book, QUOTES)
    assert found is not None and found.message == "insufficient options buying power (required: 10200, available: 10000)"
    holder = book_of(9_800)
    holder.hold(CALL_110, Holding(Decimal(1), Decimal(200)))
    assert power(holder).equity == 10_000 and power(holder).options_buying_power == 9_800 and power(holder).buying_power == 39_200


def test_put_that_cash_covers_needs_its_strike_less_the_premium() -> None:
    book = book_of(9_395)
    found = power(book).objection(ticket(PUT_100, "sell", 1, 3), book, QUOTES)
    assert found is not None and found.code == 40310000
    assert found.message == "insufficient options buying power for cash-secured put (required: 9700, available: 9395)"
    assert found.extra == {"buying_power": "9395", "required_options_buying_power": "9700"}


def test_covered_call_needs_no_power_and_its_shares_cannot_be_sold() -> None:
    book = book_of(100, ABC=100)
    assert power(book).objection(ticket(CALL_110, "sell", 1, 2), book, QUOTES) is None
    book.hold(CALL_110, Holding(Decimal(-1), Decimal(-200)))
    found = power(book).objection(ticket(side="sell", quantity=1, limit=100), book, QUOTES)
    assert found is not None and found.message == "insufficient qty available for order (requested: 1, available: 0)"


def execution(minute: int, side: str, quantity: int, day: int = 2, symbol: str = "ABC") -> Execution:
    at = datetime(2025, 6, day, 15, minute, tzinfo=UTC)
    amount = Decimal(quantity)
    return Execution("x", at, "o", "c", symbol, side, "fill", Decimal(1), amount, amount, Decimal(0), "filled")


def test_day_trade_is_opened_and_closed_on_one_day() -> None:
    days = [date(2025, 6, day) for day in (2, 3, 4, 5, 6, 9)]
    overnight = [execution(0, "buy", 10), execution(0, "sell", 10, 3), execution(1, "buy", 5, 3)]
    assert day_trades(overnight, days, date(2025, 6, 3)) == 0
    trades = [
        execution(minute, side, 10, day)
        for day in (2, 3, 4)
        for minute, side in ((0, "buy"), (1, "sell"), (2, "buy"), (3, "sell"))
    ]
    assert day_trades(trades, days, date(2025, 6, 6)) == 3
    assert day_trades(trades, days, date(2025, 6, 9)) == 2
    opened = [*trades, execution(0, "sell", 10, 5, "XYZ")]
    assert undaytradable(opened, days, date(2025, 6, 5)) == {"XYZ"}
    assert undaytradable(trades[4:], days, date(2025, 6, 5)) == frozenset()


DAY = date(2025, 6, 20)


@pytest.mark.parametrize(
    ("held", "price", "power_usd", "shares", "closed"),
    [
        ({CALL_110: 1}, 120, 11_000, 0, ()),
        ({CALL_110: 1}, 120, 10_999, 0, (CALL_110,)),
        ({CALL_110: 1}, 109, 0, 0, ()),
        ({PUT_100: 1}, 90, 0, 100, ()),
        ({PUT_100: 1}, 90, 0, 99, (PUT_100,)),
        ({PUT_95: 1, PUT_100: -1}, 90, 0, 0, ()),
        ({PUT_95: 1, PUT_100: 1}, 90, 0, 100, (PUT_95,)),
    ],
)
def test_options_that_cannot_be_exercised_are_closed_first(
    held: dict[str, int], price: int, power_usd: int, shares: int, closed: tuple[str, ...]
) -> None:
    contracts = {symbol: Decimal(count) for symbol, count in held.items()}
    assert cannot_carry(contracts, DAY, Decimal(price), Decimal(power_usd), Decimal(shares)) == closed
    assert cannot_carry(contracts, date(2025, 6, 18), Decimal(price), Decimal(power_usd), Decimal(shares)) == ()
