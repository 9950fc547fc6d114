"""Alpaca's words and the desk's: requests as they go over the wire, updates and refusals as they come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError

from desk.brokers.alpaca_orders import order_request, residue_request
from desk.brokers.guarded.errors import failure_of
from desk.brokers.guarded.payload import first_problem
from desk.brokers.sending import refusal_of
from desk.domain.journal import BrokerRefusal, ResidueStop
from desk.domain.orders import Leg, OrderClass, OrderSpec, OrderType, PositionIntent, Side, TimeInForce

# ---- requests ------------------------------------------------------------------------------------------------------

BRACKET = OrderSpec(
    "n-20240103T150000-AAPL-open", "AAPL", Side.BUY, 80, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, Decimal("187.53"),
    take_profit=Decimal("215.66"), stop_loss=Decimal("178.15"),
)  # fmt: skip
COMMON = {"symbol": "AAPL", "qty": 80, "client_order_id": BRACKET.key, "time_in_force": "gtc"}
CLOSES = {"position_intent": "sell_to_close"}
EXITS = {"take_profit": {"limit_price": 215.66}, "stop_loss": {"stop_price": 178.15}}


def changed(**changes: Any) -> OrderSpec:
    bare = {"order_class": OrderClass.SIMPLE, "take_profit": None, "stop_loss": None}
    fields = {name: getattr(BRACKET, name) for name in OrderSpec.__dataclass_fields__}
    return OrderSpec(**{**fields, **bare, **changes})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (BRACKET, {**COMMON, **EXITS, "side": "buy", "type": "limit", "order_class": "bracket", "limit_price": 187.53}),
        (
            changed(
                side=Side.SELL,
                order_class=OrderClass.OCO,
                limit_price=None,
                take_profit=Decimal("215.66"),
                stop_loss=Decimal("178.15"),
            ),
            {**COMMON, **EXITS, "side": "sell", "type": "limit", "order_class": "oco"},
        ),
        (changed(), {**COMMON, "side": "buy", "type": "limit", "order_class": "simple", "limit_price": 187.53}),
        (
            changed(extended_hours=True),
            {**COMMON, "side": "buy", "type": "limit", "order_class": "simple", "limit_price": 187.53, "extended_hours": True},
        ),
        (
            changed(type=OrderType.MARKET, limit_price=None, time_in_force=TimeInForce.DAY, side=Side.SELL),
            {**COMMON, **CLOSES, "side": "sell", "type": "market", "order_class": "simple", "time_in_force": "day"},
        ),
        (
            changed(type=OrderType.STOP, limit_price=None, stop_price=Decimal("178.15"), side=Side.SELL),
            {**COMMON, **CLOSES, "side": "sell", "type": "stop", "order_class": "simple", "stop_price": 178.15},
        ),
    ],
    ids=["bracket", "oco", "limit", "limit in extended hours", "market", "stop"],
)
def test_each_order_has_exactly_the_fields_that_alpaca_wants(spec: OrderSpec, expected: dict[str, object]) -> None:
    assert order_request(spec).to_request_fields() == expected


@pytest.mark.parametrize(
    ("limit", "price"),
    [("-1.25", {"limit_price": -1.25}), ("0", {"limit_price": 0.0}), ("2.5", {"limit_price": 2.5}), (None, {})],
)
def test_a_multi_leg_order_has_units_legs_and_a_signed_limit_and_no_side_of_its_own(
    limit: str | None, price: dict[str, float]
) -> None:
    legs = (Leg("SPY300118P00400000", 1, PositionIntent.SELL_TO_OPEN), Leg("SPY300118P00395000", 2, PositionIntent.BUY_TO_OPEN))
    spec = changed(
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        order_class=OrderClass.MULTI_LEG,
        limit_price=None if limit is None else Decimal(limit),
        time_in_force=TimeInForce.DAY,
        quantity=3,
        legs=legs,
    )
    body = order_request(spec).to_request_fields()
    sold = {"symbol": legs[0].symbol, "ratio_qty": 1, "side": "sell", "position_intent": "sell_to_open"}
    bought = {"symbol": legs[1].symbol, "ratio_qty": 2, "side": "buy", "position_intent": "buy_to_open"}
    kind = "market" if limit is None else "limit"
    common = {"qty": 3, "time_in_force": "day", "order_class": "mleg", "client_order_id": BRACKET.key, "type": kind}
    assert body == {**common, **price, "legs": [sold, bought]}
    assert first_problem(body) is None


@pytest.mark.parametrize("stop_price", [Decimal("178.15"), None])
def test_a_sale_of_part_of_a_share_says_that_it_closes(stop_price: Decimal | None) -> None:
    stop = ResidueStop("n-1", "AAPL", Decimal("0.5"), date(2024, 1, 3), stop_price)
    body = residue_request(stop).to_request_fields()
    assert (body["side"], body["position_intent"]) == ("sell", "sell_to_close")
    assert first_problem(body) is None


def test_an_oco_has_no_price_beside_its_exits() -> None:
    oco = changed(side=Side.SELL, order_class=OrderClass.OCO, limit_price=None, take_profit=Decimal(9), stop_loss=Decimal(8))
    assert {"limit_price", "stop_price"}.isdisjoint(order_request(oco).to_request_fields())


@pytest.mark.parametrize("cents", [1, 10_001, 18_753, 29_999, 99_999, 1_000_001])
def test_prices_go_over_the_wire_without_dust(cents: int) -> None:
    limit = Decimal(cents) / 100
    written = json.dumps(order_request(changed(limit_price=limit)).to_request_fields())
    assert Decimal(str(json.loads(written)["limit_price"])) == limit


# ---- refusals ------------------------------------------------------------------------------------------------------


@dataclass
class Response:
    status_code: int


@dataclass
class HttpError:
    response: Response


def api_error(body: str | dict[str, Any], status: int) -> APIError:
    return APIError(body if isinstance(body, str) else json.dumps(body), HttpError(Response(status)))


def refused(error: APIError) -> BrokerRefusal:
    return refusal_of("k1", failure_of(error))


def test_a_refusal_is_read_from_its_body() -> None:
    body = {"code": 42210000, "message": "bracket orders must be entry orders"}
    assert refused(api_error(body, 422)) == BrokerRefusal(
        "k1", 422, 42210000, "bracket orders must be entry orders", explained=False
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"available": "0", "code": 40310000, "held_for_orders": "21", "message": "insufficient qty available for order"}),
        (403, {"code": 40310000, "cost_basis": "999", "buying_power": "9", "message": "insufficient buying power"}),
        (403, {"code": 40310000, "existing_order_id": "x", "message": "potential wash trade detected. use complex orders"}),
        (422, {"base_price": "195.02", "code": 42210000, "message": "stop_loss.stop_price must be <= base_price - 0.01"}),
    ],
)
def test_refusals_that_the_market_can_cause_are_explained(status: int, body: dict[str, Any]) -> None:
    refusal = refused(api_error(body, status))
    assert refusal.explained
    assert (refusal.http_status, refusal.code, refusal.message) == (status, body["code"], body["message"])


@pytest.mark.parametrize(
    "body",
    [
        {
            "code": 42210000,
            "message": "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
        },
        {"code": 42210000, "message": "oco orders must be exit orders"},
    ],
)
def test_refusals_that_a_correct_desk_never_meets_are_not_explained(body: dict[str, Any]) -> None:
    assert not refused(api_error(body, 422)).explained


def test_a_body_without_a_code_is_a_refusal_too() -> None:
    """alpaca-py's own `error.code` raises KeyError here, and JSONDecodeError on the next ones."""
    body = {"message": "subscription does not permit querying recent SIP data"}
    assert refused(api_error(body, 403)) == BrokerRefusal("k1", 403, None, body["message"], explained=False)


@pytest.mark.parametrize("body", ["<html><body>502 Bad Gateway</body></html>", "", "[1, 2]", '"just a text"', "7"])
def test_bodies_that_are_no_json_object_are_refusals_of_a_broken_broker(body: str) -> None:
    refusal = refused(api_error(body, 502))
    assert (refusal.http_status, refusal.code, refusal.unsent) == (502, None, False)


def test_a_refusal_without_an_answer_has_no_status() -> None:
    assert refused(APIError("gone")).http_status is None


def test_a_page_of_html_does_not_fill_the_journal() -> None:
    assert len(refused(api_error("<p>" * 10_000, 500)).message) == 500
