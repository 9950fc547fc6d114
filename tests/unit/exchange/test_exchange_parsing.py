"""From JSON to a ticket: what is taken and how, and that nothing which JSON can hold is an error."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from order_bodies import AMENDMENTS, CALL, HIGHER_CALL, WILD

from desk.exchange.machine.orders import Amendment, Exit, Leg, Order, Ticket
from desk.exchange.rules.parsing import parse_ticket
from desk.exchange.rules.rejections import Rejection
from desk.exchange.rules.replacing import parse_amendment
from desk.exchange.words import AssetClass, OrderClass, OrderType, PositionIntent, Side, Status, TimeInForce

Body = dict[str, Any]
AT = datetime(2008, 9, 2, 14, tzinfo=UTC)
AN_ORDER = Order(
    id="id",
    client_order_id="mine",
    number=1,
    symbol="ABC",
    asset_class=AssetClass.EQUITY,
    side=Side.BUY,
    type=OrderType.LIMIT,
    order_class=OrderClass.SIMPLE,
    time_in_force=TimeInForce.DAY,
    quantity=Decimal(10),
    status=Status.NEW,
    created_at=AT,
    updated_at=AT,
    submitted_at=AT,
)
ORDER: Body = {"symbol": "ABC", "side": "buy", "type": "market", "qty": "10", "time_in_force": "day"}
SPREAD: Body = {
    "order_class": "mleg",
    "type": "limit",
    "qty": "2",
    "limit_price": "-1.20",
    "time_in_force": "day",
    "legs": [
        {"symbol": CALL, "ratio_qty": "1", "side": "sell", "position_intent": "sell_to_open"},
        {"symbol": HIGHER_CALL, "ratio_qty": "2", "position_intent": "buy_to_open"},
    ],
}


def taken(**body: object) -> Ticket:
    ticket = parse_ticket({**ORDER, **body})
    assert isinstance(ticket, Ticket), ticket
    return ticket


def refused(body: object) -> Rejection:
    found = parse_ticket(body)
    assert isinstance(found, Rejection), found
    return found


def test_numbers_may_be_strings_floats_or_integers() -> None:
    wanted = Decimal("151.10")
    for price in ("151.1", 151.1, "151.10", "1.511e2"):
        assert taken(type="limit", limit_price=price).limit_price == wanted
    for quantity in ("10", 10, 10.0, "10.000", "1e1"):
        assert str(taken(qty=quantity).quantity) == "10"


def test_fraction_of_a_share_keeps_nine_places() -> None:
    assert taken(qty="0.123456789").quantity == Decimal("0.123456789")
    assert refused({**ORDER, "qty": "0.1234567891"}).code == 42210000


def test_amount_in_dollars_has_no_quantity() -> None:
    ticket = taken(qty=None, notional=100.5)
    assert (ticket.quantity, ticket.notional) == (None, Decimal("100.5"))


@pytest.mark.parametrize("price", ["0.5001", "0.9999", "1.25", "100"])
def test_price_on_the_tick_grid_is_taken(price: str) -> None:
    assert taken(type="limit", limit_price=price).limit_price == Decimal(price)


@pytest.mark.parametrize("price", ["0.50001", "1.251", "290.123"])
def test_price_off_the_tick_grid_is_refused_with_the_price(price: str) -> None:
    found = refused({**ORDER, "type": "limit", "limit_price": price})
    assert found.message == f"invalid limit_price {price}. sub-penny increment does not fulfill minimum pricing criteria"
    assert (found.status, found.code) == (422, 42210000)


def test_stop_loss_with_a_limit_is_a_stop_limit_exit() -> None:
    exits = {"take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90, "limit_price": "89.5"}}
    ticket = taken(order_class="bracket", **exits)
    assert ticket.take_profit == Exit(limit_price=Decimal(110))
    assert ticket.stop_loss == Exit(limit_price=Decimal("89.5"), stop_price=Decimal(90))


def test_ocos_own_limit_is_its_take_profits() -> None:
    exits = {"take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90}}
    for own in (None, "110"):
        assert taken(order_class="oco", side="sell", type="limit", limit_price=own, **exits).limit_price == Decimal(110)


def test_option_symbol_makes_an_option_order_with_prices_in_cents() -> None:
    ticket = taken(symbol=CALL, type="limit", limit_price="0.55", position_intent="buy_to_open")
    assert (ticket.asset_class, ticket.limit_price) == (AssetClass.OPTION, Decimal("0.55"))
    assert ticket.position_intent is PositionIntent.BUY_TO_OPEN
    found = refused({**ORDER, "symbol": CALL, "type": "limit", "limit_price": "0.555"})
    assert found.message == "limit price must be limited to 2 decimal places"


def test_spread_has_legs_and_a_signed_limit_but_no_symbol_and_no_side() -> None:
    ticket = parse_ticket(SPREAD)
    assert isinstance(ticket, Ticket)
    assert (ticket.symbol, ticket.side, ticket.quantity, ticket.limit_price) == ("", None, Decimal(2), Decimal("-1.20"))
    assert ticket.legs == (
        Leg(CALL, Side.SELL, 1, PositionIntent.SELL_TO_OPEN),
        Leg(HIGHER_CALL, Side.BUY, 2, PositionIntent.BUY_TO_OPEN),
    )
    assert (ticket.order_class, ticket.type) == (OrderClass.MLEG, OrderType.LIMIT)
    even = parse_ticket({**SPREAD, "limit_price": 0})
    assert isinstance(even, Ticket) and even.limit_price == 0


@pytest.mark.parametrize("value", ["", "simple", None])
def test_simple_class_has_three_spellings(value: str | None) -> None:
    assert taken(order_class=value).order_class is OrderClass.SIMPLE


def test_trailing_stop_has_a_distance_in_dollars_or_percent() -> None:
    assert taken(type="trailing_stop", trail_price="1.5").trail_price == Decimal("1.5")
    assert taken(type="trailing_stop", trail_percent=0.75, time_in_force="gtc").trail_percent == Decimal("0.75")


@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), 1e308, float("inf"), float("nan"), "1e999", "9" * 5000, "0x10", "1_000", "١٢", "", " ", [], {}, True],
)
@pytest.mark.parametrize("field", ["qty", "limit_price"])
def test_absurd_number_is_invalid(field: str, value: object) -> None:
    found = refused({**ORDER, "type": "limit", "limit_price": 100, field: value})
    assert (found.status, found.code, found.message) == (422, 40010001, f"invalid {field}")


def test_tiny_number_is_refused_in_few_words() -> None:
    assert len(refused({**ORDER, "type": "limit", "limit_price": "1e-999"}).message) < 1200
    assert refused({**ORDER, "qty": "1e-999"}).status == 422


@pytest.mark.parametrize("symbol", ["A" * 40, "A\nB", "\ud800", "ÄBC"])
def test_symbol_that_no_answer_could_carry_is_invalid(symbol: str) -> None:
    assert refused({**ORDER, "symbol": symbol}).message == "invalid symbol"


def test_long_symbol_that_is_no_contract_is_unknown() -> None:
    assert refused({**ORDER, "symbol": "ABC080932C00100000"}).message == 'asset "ABC080932C00100000" not found'


def test_half_a_character_is_no_client_order_id() -> None:
    assert refused({**ORDER, "client_order_id": "x\ud800"}).message == "invalid client_order_id"
    assert taken(client_order_id="Größe-7").client_order_id == "Größe-7"


@pytest.mark.parametrize("body", [None, [], "order", 7, True])
def test_body_that_is_no_object_is_refused(body: object) -> None:
    assert refused(body).message == "request body format is invalid"


@given(WILD)
def test_no_json_is_an_error(body: Body) -> None:
    found = parse_ticket(body)
    if isinstance(found, Rejection):
        assert found.status in (403, 422) and found.message
        str(found.body()).encode()
    else:
        assert (found.quantity is None) != (found.notional is None)


@given(AMENDMENTS)
def test_no_amendment_is_an_error(body: Body) -> None:
    assert isinstance(parse_amendment(body, AN_ORDER), Amendment | Rejection)
