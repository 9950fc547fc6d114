"""Alpaca's words and the desk's: requests as they go over the wire, updates and refusals as they come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderStatus as AlpacaStatus

from desk.brokers.alpaca_orders import EVENT, STATUS, order_request, parse_update, refusal_of
from desk.core.lifecycle import next_status
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import TERMINAL, OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce

# ---- requests ------------------------------------------------------------------------------------------------------

BRACKET = OrderSpec(
    "n-20240103T150000-AAPL-open", "AAPL", Side.BUY, 80, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, Decimal("187.53"),
    take_profit=Decimal("215.66"), stop_loss=Decimal("178.15"),
)  # fmt: skip
COMMON = {"symbol": "AAPL", "qty": 80, "client_order_id": BRACKET.key, "time_in_force": "gtc"}
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
            changed(type=OrderType.MARKET, limit_price=None, time_in_force=TimeInForce.DAY, side=Side.SELL),
            {**COMMON, "side": "sell", "type": "market", "order_class": "simple", "time_in_force": "day"},
        ),
        (
            changed(type=OrderType.STOP, limit_price=None, stop_price=Decimal("178.15"), side=Side.SELL),
            {**COMMON, "side": "sell", "type": "stop", "order_class": "simple", "stop_price": 178.15},
        ),
    ],
    ids=["bracket", "oco", "limit", "market", "stop"],
)
def test_each_order_has_exactly_the_fields_that_alpaca_wants(spec: OrderSpec, expected: dict[str, object]) -> None:
    assert order_request(spec).to_request_fields() == expected


def test_an_oco_has_no_price_beside_its_exits() -> None:
    oco = changed(side=Side.SELL, order_class=OrderClass.OCO, limit_price=None, take_profit=Decimal(9), stop_loss=Decimal(8))
    assert {"limit_price", "stop_price"}.isdisjoint(order_request(oco).to_request_fields())


@pytest.mark.parametrize("cents", [1, 10_001, 18_753, 29_999, 99_999, 1_000_001])
def test_prices_go_over_the_wire_without_dust(cents: int) -> None:
    limit = Decimal(cents) / 100
    written = json.dumps(order_request(changed(limit_price=limit)).to_request_fields())
    assert Decimal(str(json.loads(written)["limit_price"])) == limit


# ---- statuses and events -------------------------------------------------------------------------------------------


# The OrderStatus of Alpaca's Trading API v2 document.
ALPACAS_STATUSES = {
    "new", "partially_filled", "filled", "done_for_day", "canceled", "expired", "replaced", "pending_cancel", "pending_replace",
    "accepted", "pending_new", "accepted_for_bidding", "stopped", "rejected", "suspended", "calculated", "held",
}  # fmt: skip


def test_each_of_alpacas_seventeen_statuses_has_a_word_here() -> None:
    assert len(ALPACAS_STATUSES) == 17
    assert set(STATUS) >= ALPACAS_STATUSES | {status.value for status in AlpacaStatus}
    assert {type(status) for status in STATUS.values()} == {OrderStatus}


@pytest.mark.parametrize("word", ["filled", "canceled", "expired", "rejected", "replaced"])
def test_what_is_over_at_alpaca_is_over_here(word: str) -> None:
    assert STATUS[word].value == word
    assert STATUS[word] in TERMINAL


@pytest.mark.parametrize(
    "word",
    [
        "new",
        "accepted",
        "pending_new",
        "held",
        "partially_filled",
        "pending_cancel",
        "pending_replace",
        "pending_review",
        "done_for_day",  # a GTC order works again tomorrow
    ],
)
def test_what_can_still_fill_at_alpaca_can_still_fill_here(word: str) -> None:
    assert STATUS[word] not in TERMINAL


ALPACAS_EVENTS = {
    "new", "fill", "partial_fill", "canceled", "expired", "done_for_day", "replaced", "accepted", "rejected", "pending_new",
    "stopped", "pending_cancel", "pending_replace", "calculated", "suspended", "order_replace_rejected",
    "order_cancel_rejected", "held", "restated", "trade_bust", "trade_correct",
}  # fmt: skip


def test_every_event_that_is_read_is_one_that_alpaca_sends() -> None:
    assert set(EVENT) <= ALPACAS_EVENTS


def test_an_order_that_is_done_for_today_works_again_tomorrow() -> None:
    assert next_status(STATUS["done_for_day"], OrderStatus.WORKING) is OrderStatus.WORKING


def test_fills_and_ends_change_an_order_and_requests_do_not() -> None:
    assert (EVENT["fill"], EVENT["partial_fill"]) == (OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED)
    only_inform = {
        "pending_new",
        "pending_cancel",
        "pending_replace",
        "order_replace_rejected",
        "order_cancel_rejected",
        "calculated",
        "done_for_day",
    }
    assert only_inform.isdisjoint(EVENT)


# ---- updates -------------------------------------------------------------------------------------------------------


def message(event: str = "fill", **data: Any) -> dict[str, Any]:
    order = {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": BRACKET.key,
        "symbol": "AAPL",
        "side": "buy",
        "status": "filled",
        "filled_qty": "10",
        "updated_at": "2026-10-09T14:00:01Z",
        "replaced_by": None,
        **data.pop("order", {}),
    }
    return {"stream": "trade_updates", "data": {"event": event, "order": order, **data}}


def test_a_fill_is_read_with_its_own_price_and_quantity() -> None:
    """The sample of Alpaca's stream: 6 of 10 shares in this fill."""
    update = parse_update(
        message(
            execution_id="2f63ea93-423d-4169-b3f6-3fdafc10c418",
            timestamp="2026-10-09T14:00:00.123456Z",
            at="2026-10-09T14:00:00.2Z",
            event_id="01J",
            price="101",
            qty="6",
            position_qty="10",
        )
    )
    assert (update.event, update.price, update.quantity) == ("fill", Decimal(101), 6)
    assert update.at == datetime(2026, 10, 9, 14, 0, 0, 123456, tzinfo=UTC)
    assert (update.order_id, update.client_order_id) == ("61e69015-8549-4bfd-b9c3-01e75843f47d", BRACKET.key)
    assert (update.symbol, update.side, update.replaced_by) == ("AAPL", "buy", None)
    assert update.execution_id == "2f63ea93-423d-4169-b3f6-3fdafc10c418"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-10-09T14:00:00Z", 0),
        ("2026-10-09T14:00:00+00:00", 0),
        ("2026-10-09T14:00:00.1Z", 100_000),
        ("2026-10-09T14:00:00.123456789Z", 123_456),
        ("2026-10-09T14:00:00.999999999Z", 999_999),
        ("2026-10-09T10:00:00.123456789-04:00", 123_456),
        ("2026-10-09T19:30:00.5+05:30", 500_000),
    ],
)
def test_moments_are_read_with_any_number_of_digits(text: str, micros: int) -> None:
    at = parse_update(message(timestamp=text)).at
    assert at == datetime(2026, 10, 9, 14, 0, 0, micros, tzinfo=UTC)
    assert at.utcoffset() is not None


def test_an_update_without_a_timestamp_uses_what_it_has() -> None:
    assert parse_update(message("new", at="2026-10-09T14:00:00Z")).at == datetime(2026, 10, 9, 14, tzinfo=UTC)
    assert parse_update(message("new")).at == datetime(2026, 10, 9, 14, 0, 1, tzinfo=UTC)


def test_an_update_that_is_no_fill_has_no_price() -> None:
    update = parse_update(message("canceled", timestamp="2026-10-09T14:00:00Z"))
    assert (update.price, update.quantity) == (None, None)


def test_fills_without_an_execution_id_are_told_apart_by_what_is_filled() -> None:
    """Two parts are two fills, and the same part told twice is one."""
    parts = [parse_update(message("partial_fill", order={"filled_qty": filled})).execution_id for filled in ("4", "10", "4")]
    assert parts[0] == parts[2] != parts[1]


def test_a_changed_price_names_its_successor() -> None:
    update = parse_update(message("replaced", order={"replaced_by": "b2"}))
    assert (update.event, update.replaced_by) == ("replaced", "b2")


def test_an_event_of_the_future_is_read_as_it_is() -> None:
    assert parse_update(message("teleported")).event == "teleported"


@pytest.mark.parametrize(
    "strange",
    [
        {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}},
        {"stream": "listening", "data": {"streams": ["trade_updates"]}},
        {},
    ],
)
def test_what_is_no_update_is_not_read_as_one(strange: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        parse_update(strange)


# ---- refusals ------------------------------------------------------------------------------------------------------


@dataclass
class Response:
    status_code: int


@dataclass
class HttpError:
    response: Response


def api_error(body: str | dict[str, Any], status: int) -> APIError:
    return APIError(body if isinstance(body, str) else json.dumps(body), HttpError(Response(status)))


def test_a_refusal_is_read_from_its_body() -> None:
    body = {"code": 42210000, "message": "bracket orders must be entry orders"}
    assert refusal_of("k1", api_error(body, 422)) == BrokerRefusal(
        "k1", 422, 42210000, "bracket orders must be entry orders", explained=False
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"available": "0", "code": 40310000, "held_for_orders": "21", "message": "insufficient qty available for order"}),
        (403, {"code": 40310000, "cost_basis": "999", "buying_power": "9", "message": "insufficient buying power"}),
        (422, {"base_price": "195.02", "code": 42210000, "message": "stop_loss.stop_price must be <= base_price - 0.01"}),
    ],
)
def test_refusals_that_the_market_can_cause_are_explained(status: int, body: dict[str, Any]) -> None:
    refusal = refusal_of("k1", api_error(body, status))
    assert refusal.explained
    assert (refusal.http_status, refusal.code, refusal.message) == (status, body["code"], body["message"])


@pytest.mark.parametrize(
    "body",
    [
        {"code": 40310000, "existing_order_id": "x", "message": "potential wash trade detected. use complex orders"},
        {
            "code": 42210000,
            "message": "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
        },
        {"code": 40010001, "message": "client_order_id must be unique"},
        {"code": 42210000, "message": "oco orders must be exit orders"},
    ],
)
def test_refusals_that_a_correct_desk_never_meets_are_not_explained(body: dict[str, Any]) -> None:
    assert not refusal_of("k1", api_error(body, 422)).explained


def test_a_body_without_a_code_is_a_refusal_too() -> None:
    """alpaca-py's own `error.code` raises KeyError here, and JSONDecodeError on the next ones."""
    body = {"message": "subscription does not permit querying recent SIP data"}
    assert refusal_of("k1", api_error(body, 403)) == BrokerRefusal("k1", 403, None, body["message"], explained=False)


@pytest.mark.parametrize("body", ["<html><body>502 Bad Gateway</body></html>", "", "[1, 2]", '"just a text"', "7"])
def test_bodies_that_are_no_json_object_are_kept_as_they_came(body: str) -> None:
    assert refusal_of("k1", api_error(body, 502)) == BrokerRefusal("k1", 502, None, body, explained=False)


def test_a_refusal_without_an_answer_has_no_status() -> None:
    assert refusal_of("k1", APIError("gone")).http_status is None


def test_a_page_of_html_does_not_fill_the_journal() -> None:
    assert len(refusal_of("k1", api_error("<p>" * 10_000, 500)).message) == 500
