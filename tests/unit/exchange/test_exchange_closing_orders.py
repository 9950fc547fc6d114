"""An order that closes never opens: exits against exercise, assignment, expiry, liquidation, splits and one another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from machine_story import BUY, CALL_105, PUT_90, PUT_95, SELL, Desk, kinds, quote
from unit.exchange.conftest import MORNING, Client

from desk.exchange import day_end
from desk.exchange.machine.book import MEASURED_LATENCY, Holding
from desk.exchange.machine.corporate import split_options
from desk.exchange.machine.execution import cancel_oversized
from desk.exchange.machine.orders import ZERO
from desk.exchange.market.corporate import Split
from desk.exchange.rules.reservations import available, reserved
from desk.exchange.switches import Switches
from desk.exchange.words import OrderType, PositionIntent, Status, TimeInForce

D = Decimal
CLOSING: dict[str, Any] = {"position_intent": PositionIntent.SELL_TO_CLOSE}
EX = date(2008, 9, 3)
PUT_105, CALL_95 = "ABC080905P00105000", "ABC080905C00095000"


def takes_away(desk: Desk, shares: int, symbol: str = "ABC") -> None:
    """A position changes by itself."""
    held = desk.book.holdings[symbol]
    left = held.quantity - shares
    desk.book.hold(symbol, Holding(left, held.cost_usd * left / held.quantity if left else ZERO))
    cancel_oversized(desk.book, symbol, desk.at)


# an exit never opens


@pytest.mark.parametrize("side", [SELL, BUY])
def test_an_exit_whose_position_is_gone_is_rejected_and_opens_nothing(side: Any) -> None:
    desk = Desk()
    desk.own(10 if side is SELL else -10)
    price, exits = (110, {}) if side is SELL else (90, {"target": "90", "stop": "110"})
    target, stop = desk.oco(quantity=10, **{"side": side, **exits})
    desk.tick(10_000)
    desk.book.hold("ABC", Holding(ZERO, ZERO))
    assert kinds(desk.tick(price * 100 + (2 if side is SELL else -2))) == ["rejected"]
    assert desk.book.holdings == {}
    assert desk.statuses([target, stop]) == ["rejected", "canceled"]


def test_a_sell_to_close_does_not_sell_what_is_not_there() -> None:
    desk = Desk()
    desk.own(1, 300, CALL_105)
    order = desk.limit("3", symbol=CALL_105, side=SELL, quantity=1, **CLOSING)
    desk.book.hold(CALL_105, Holding(ZERO, ZERO))
    desk.options({CALL_105: 310})
    assert desk.now(order).status is Status.REJECTED and desk.book.holdings == {}


def test_a_leg_that_closes_does_not_open() -> None:
    desk = Desk()
    desk.own(-1, 300, PUT_95)
    desk.own(1, 200, PUT_90)
    parent = desk.spread("2", legs={PUT_95: 1, PUT_90: -1})
    for leg in desk.book.legs(parent.id):
        side = "buy" if leg.side is BUY else "sell"
        desk.book.change(leg, desk.at, position_intent=PositionIntent(f"{side}_to_close"))
    desk.book.holdings.clear()
    assert kinds(desk.options({PUT_95: 300, PUT_90: 170})) == ["new", "rejected"]
    assert desk.book.holdings == {}


def test_dollars_sell_no_more_than_is_held() -> None:
    desk = Desk()
    desk.own(10)
    order = desk.send(side=SELL, quantity=None, notional=900, time_in_force=TimeInForce.DAY, **CLOSING)
    assert kinds(desk.tick(5_000)) == ["new", "fill"]
    assert desk.now(order).filled_quantity == 10 and desk.book.holdings == {}


# what no longer fits goes at once


def test_exits_larger_than_what_is_left_are_cancelled_at_once_and_said_to_be() -> None:
    desk = Desk()
    desk.own(200)
    target, stop = desk.oco(quantity=200)
    desk.tick(10_000)
    takes_away(desk, 100)
    assert [(event.kind.value, event.order.id) for event in desk.book.take_events()] == [("canceled", target.id)]
    assert desk.statuses([target, stop]) == ["canceled", "canceled"]


def test_exits_that_fit_stay_and_the_newest_go() -> None:
    desk = Desk()
    desk.own(200)
    first, second = desk.oco(quantity=100), desk.oco(quantity=100)
    desk.tick(10_000)
    takes_away(desk, 100)
    assert desk.statuses([*first, *second]) == ["new", "held", "canceled", "canceled"]
    assert reserved(desk.book, "ABC").shares == 100


def test_a_spread_that_closes_what_is_gone_is_cancelled_as_a_whole() -> None:
    desk = Desk()
    desk.own(2, 300, PUT_95)
    parent = desk.spread("-9", units=2)
    desk.options({PUT_95: 300, PUT_90: 200})
    takes_away(desk, 1, PUT_95)
    assert desk.now(parent).status is Status.CANCELED
    assert {leg.status for leg in desk.book.legs(parent.id)} == {Status.CANCELED}


def test_a_half_filled_bracket_goes_when_what_it_bought_is_gone() -> None:
    desk = Desk(switches=Switches(cancelled_entry_keeps_exits=True))
    entry, target, stop = desk.bracket(quantity=10)
    desk.book.forced_parts[entry.id] = D(4)
    desk.tick(10_000)
    takes_away(desk, 2)
    assert desk.statuses([entry, target, stop]) == ["canceled"] * 3


def test_an_entry_does_not_stay_on_the_wrong_side_of_an_assigned_position() -> None:
    desk = Desk()
    members = desk.bracket(quantity=10, type=OrderType.LIMIT, limit_price="90", works_now=True)
    desk.tick(10_000)
    desk.own(-100)
    cancel_oversized(desk.book, "ABC", desk.at)
    assert desk.statuses(members) == ["canceled"] * 3


def test_a_sell_by_dollars_goes_with_its_position() -> None:
    desk = Desk()
    desk.own(10)
    order = desk.send(side=SELL, quantity=None, notional=500, works_now=False, **CLOSING)
    takes_away(desk, 10)
    assert desk.now(order).status is Status.CANCELED


def test_exits_of_what_is_yet_to_be_bought_stay() -> None:
    desk = Desk()
    members = desk.bracket(quantity=10, type=OrderType.LIMIT, limit_price="90")
    desk.tick(10_000)
    cancel_oversized(desk.book, "ABC", desk.at)
    assert desk.statuses(members) == ["new", "held", "held"]


def test_orders_that_open_stay() -> None:
    desk = Desk()
    desk.own(100)
    add = desk.limit("90", quantity=500, position_intent=PositionIntent.BUY_TO_OPEN)
    desk.tick(10_000)
    takes_away(desk, 100)
    assert desk.now(add).status is Status.NEW


def test_a_replacement_that_is_too_large_takes_its_order_with_it() -> None:
    desk = Desk(latency=MEASURED_LATENCY)
    desk.own(200)
    order = desk.limit("120", side=SELL, quantity=50, **CLOSING)
    desk.wait(100)
    successor, _ = desk.replace(order, quantity=150)
    takes_away(desk, 100)
    desk.wait(100)
    assert desk.statuses([order, successor]) == ["canceled", "rejected"]


def test_shares_that_are_gone_are_not_kept_for_a_cancelled_order() -> None:
    desk = Desk(latency=MEASURED_LATENCY)
    desk.own(200)
    desk.oco(quantity=200)
    desk.wait(100)
    takes_away(desk, 100)
    assert (reserved(desk.book, "ABC").shares, available(desk.book, "ABC")) == (ZERO, D(100))


@pytest.mark.parametrize(("price", "held"), [("100", "5.000000000"), ("90", "5.555555556"), ("10", "8"), (None, "8")])
def test_a_sell_by_dollars_holds_what_they_were_worth_and_at_most_the_position(price: str | None, held: str) -> None:
    desk = Desk()
    desk.own(8)
    desk.send(side=SELL, quantity=None, notional=500, works_now=False, collar_price=price, **CLOSING)
    assert reserved(desk.book, "ABC").shares == D(held)
    assert available(desk.book, "ABC") == 8 - D(held)


# at once or not at all


@pytest.mark.parametrize("lifetime", ["ioc", "fok"])
def test_what_wants_all_at_once_waits_for_the_hours_in_which_it_may_execute(lifetime: str) -> None:
    desk = Desk()
    order = desk.send(works_now=False, time_in_force=TimeInForce(lifetime))
    desk.see({"ABC": quote(10_000)}, is_regular=False, takes_queue=True)
    assert desk.now(order).status is Status.NEW
    desk.tick(10_000)
    assert desk.now(order).status is Status.FILLED


@pytest.mark.parametrize("lifetime", ["ioc", "fok"])
def test_what_is_not_met_at_the_open_is_over_then(lifetime: str) -> None:
    client = Client()
    client.to("2008-09-03T01:00:00Z")
    _, order = client.send(type="limit", limit_price="90.5", time_in_force=lifetime)  # met a day later
    client.to("2008-09-03T13:29:00Z")
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "new"
    client.to("2008-09-03T13:31:00Z")
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "canceled"


# money


def test_a_cash_account_does_not_owe_for_the_rest_of_a_spread() -> None:
    desk = Desk(is_cash_account=True)
    desk.book.cash_usd = D(1_000)
    parent = desk.spread(None, units=5, legs={PUT_95: 1, PUT_90: -1})
    desk.book.forced_parts[parent.id] = D(2)
    desk.options({PUT_95: 300, PUT_90: 170})
    desk.options({PUT_95: 600, PUT_90: 170}, minutes=2)
    assert desk.now(parent).status is Status.CANCELED and desk.book.cash_usd == 1_000 - 2 * 140


@pytest.mark.parametrize(
    ("symbol", "cash", "kind"),
    [(PUT_105, 100_000.0, "OPEXP"), (CALL_95, 5_000.0, "OPEXP"), (CALL_95, 100_000.0, "OPEXC")],
)
def test_expiry_exercises_nothing_that_a_cash_account_could_not_pay_for_or_deliver(symbol: str, cash: float, kind: str) -> None:
    client = Client(multiplier=1, cash_usd=cash)
    client.to(MORNING)
    assert client.send(symbol=symbol, qty="1", time_in_force="day")[0] == 200
    account = client.exchange.first
    day_end.settle(account, symbol)  # what comes into the money after 15:30 is not sold before
    assert account.ledger.entries[0].kind == kind and account.book.cash_usd >= 0 <= account.book.shares("ABC")


def test_what_is_assigned_pays_for_the_other_leg_at_expiry() -> None:
    client = Client(multiplier=1, cash_usd=5_000.0)
    client.to(MORNING)
    account = client.exchange.first
    for symbol, contracts in (("ABC080905C00085000", 1), ("ABC080905C00088000", -1)):
        account.book.hold(symbol, Holding(D(contracts), D(300 * contracts)))
    client.to("2008-09-08T14:00:00Z")
    assert not account.book.holdings and account.book.cash_usd == 5_000 + 8_800 - 8_500


# splits


def options_after(new: int, old: int, symbol: str, contracts: int, is_listed: Callable[[str], bool] | None = None) -> Any:
    """Book, postings and cash that a split makes of an option that last traded at $3."""
    desk = Desk()
    desk.own(contracts, 250, symbol)
    prices = {"ABC": D(100), symbol: D(3)}
    given = {} if is_listed is None else {"is_listed": is_listed}
    postings = split_options(desk.book, Split("ABC", EX, D(new), D(old)), prices.__getitem__, desk.at, **given)
    return desk.book, postings


@pytest.mark.parametrize("contracts", [3, -3])
def test_a_whole_forward_split_makes_more_contracts_at_a_lower_strike(contracts: int) -> None:
    book, postings = options_after(2, 1, PUT_95, contracts)
    assert {symbol: held.quantity for symbol, held in book.holdings.items()} == {"ABC080909P00047500": 2 * contracts}
    assert book.holdings["ABC080909P00047500"].cost_usd == contracts * 250
    assert [(posting.kind, posting.symbol, posting.quantity, posting.net_amount) for posting in postings] == [
        ("OPCA", PUT_95, -contracts, 0),
        ("OPCA", "ABC080909P00047500", 2 * contracts, 0),
    ]


@pytest.mark.parametrize(("new", "old", "listed"), [(3, 2, True), (1, 2, True), (3, 1, True), (2, 1, False)])
@pytest.mark.parametrize("contracts", [2, -2])
def test_what_no_contract_stands_for_after_a_split_is_paid_out_at_its_last_price(
    new: int, old: int, listed: bool, contracts: int
) -> None:
    book, postings = options_after(new, old, PUT_95, contracts, lambda symbol: listed)
    assert book.holdings == {}
    assert [(posting.kind, posting.quantity, posting.net_amount) for posting in postings] == [
        ("OPCA", -contracts, contracts * 300)
    ]


def test_a_split_cancels_every_order_for_options_of_the_stock() -> None:
    desk = Desk()
    desk.own(5, 250, CALL_105)
    sell = desk.limit("9", symbol=CALL_105, side=SELL, quantity=5, **CLOSING)
    spread = desk.spread("-9")
    other = desk.limit("1", symbol="XYZ080909C00105000", quantity=1)
    split_options(desk.book, Split("ABC", EX, D(2), D(1)), lambda symbol: D(3), desk.at)
    assert desk.statuses([sell, spread]) == ["canceled", "canceled"] and desk.now(other).is_live


def test_who_lets_an_option_expire_lets_its_successor_expire() -> None:
    desk = Desk()
    desk.own(1, 250, PUT_95)
    desk.book.do_not_exercise[PUT_95] = None
    split_options(desk.book, Split("ABC", EX, D(2), D(1)), lambda symbol: D(3), desk.at)
    assert list(desk.book.do_not_exercise) == ["ABC080909P00047500"]
