"""A plain Lumibot strategy's multi-leg order from `submit_order` to the exchange and back: one order, and its legs' fills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from live_exchange import KEY, SECRET, LiveExchange, live_exchange
from lumibot.entities import Asset
from order_path import NONCE, At, OrderPath, order_path

from desk.brokers.lumibot_orders import PackageTerms, lumibot_order, package_spec
from desk.core.keys import order_key
from desk.domain.decisions import Mode
from desk.domain.journal import Acknowledged, ForeignOrder
from desk.domain.orders import GroupRole, OrderSpec

pytestmark = pytest.mark.slow
EXPIRY = date(2008, 9, 5)
PUT_100, PUT_95 = "ABC080905P00100000", "ABC080905P00095000"
CALL_100, CALL_105 = "ABC080905C00100000", "ABC080905C00105000"


@pytest.fixture
def exchange() -> Iterator[LiveExchange]:
    with live_exchange() as running:
        running.to("2008-09-02T14:00:00Z")
        yield running


@pytest.fixture
def path(exchange: LiveExchange, journal: Path) -> Iterator[OrderPath]:
    with order_path(venue(exchange), journal) as running:
        yield running


def venue(exchange: LiveExchange) -> At:
    return At(exchange.url, KEY, SECRET)


def leg(path: OrderPath, symbol: str, quantity: float, side: str) -> Any:
    right, strike = ("put" if symbol[9] == "P" else "call"), int(symbol[10:]) / 1000
    asset = Asset("ABC", asset_type="option", expiration=EXPIRY, strike=strike, right=right)
    return path.strategy.create_order(asset, quantity, side)


def bull_put(path: OrderPath, lots: float = 3) -> list[Any]:
    return [leg(path, PUT_100, lots, "sell_to_open"), leg(path, PUT_95, lots, "buy_to_open")]


def sent(path: OrderPath, legs: list[Any], **terms: Any) -> Any:
    (parent,) = path.strategy.submit_order(legs, is_multileg=True, **terms)
    path.desk.drain()
    return parent


def at_exchange(path: OrderPath) -> dict[str, Any]:
    (order,) = path.orders()
    return order


def filled_by_symbol(path: OrderPath) -> dict[str, int]:
    return {fill.symbol: fill.quantity for fill in path.fills}


# ---- what goes out ---------------------------------------------------------------------------------------------------------


def test_a_credit_spread_of_three_lots_is_three_units_with_a_negative_limit(path: OrderPath) -> None:
    """Stock Lumibot 4.6.30 sends it with quantity 1 and a limit that pays."""
    sent(path, bull_put(path), order_type="credit", price=4.9)
    order = at_exchange(path)
    assert (order["order_class"], order["type"], order["time_in_force"]) == ("mleg", "limit", "day")
    assert (order["qty"], order["limit_price"]) == ("3", "-4.9")
    assert [
        (each["symbol"], each["side"], each["ratio_qty"], each["qty"], each["position_intent"]) for each in order["legs"]
    ] == [
        (PUT_100, "sell", "1", "3", "sell_to_open"),
        (PUT_95, "buy", "1", "3", "buy_to_open"),
    ]


def test_a_ratio_of_two_to_one_keeps_its_ratio_and_its_debit(path: OrderPath) -> None:
    legs = [leg(path, CALL_105, 4, "buy_to_open"), leg(path, CALL_100, 2, "sell_to_open")]
    sent(path, legs, order_type="debit", price=0.01)
    order = at_exchange(path)
    assert (order["qty"], order["limit_price"]) == ("2", "0.01")
    assert [(each["symbol"], each["ratio_qty"], each["qty"]) for each in order["legs"]] == [
        (CALL_105, "2", "4"),
        (CALL_100, "1", "2"),
    ]


@pytest.mark.parametrize(
    ("terms", "limit"),
    [
        ({"order_type": "even"}, "0"),
        ({"order_type": "even", "price": 0.0}, "0"),
        ({"order_type": "credit", "price": -1.5}, "-1.5"),
        ({"price": -1.5}, "-1.5"),
        ({"order_type": "market"}, None),
    ],
)
def test_each_kind_of_price_has_its_sign(path: OrderPath, terms: dict[str, Any], limit: str | None) -> None:
    sent(path, bull_put(path, 1), **terms)
    assert at_exchange(path)["limit_price"] == limit


def test_plain_sides_get_the_intent_that_fits_the_position(path: OrderPath) -> None:
    sent(path, [leg(path, PUT_100, 1, "sell"), leg(path, PUT_95, 1, "buy")], order_type="credit", price=4.9)
    assert [each["position_intent"] for each in at_exchange(path)["legs"]] == ["sell_to_open", "buy_to_open"]


def test_it_is_one_journaled_foreign_order_before_it_is_sent(path: OrderPath) -> None:
    sent(path, bull_put(path), order_type="credit", price=4.9)
    (foreign,) = [row for row in path.rows if isinstance(row, ForeignOrder)]
    (ack,) = [row for row in path.rows if isinstance(row, Acknowledged)]
    order = at_exchange(path)
    assert foreign.key == order["client_order_id"] == ack.key
    assert (foreign.symbol, "credit 4.9" in foreign.text, "sell_to_open 3" in foreign.text) == ("ABC", True, True)
    assert ack.broker_ids == {"entry": order["id"], "leg_1": order["legs"][0]["id"], "leg_2": order["legs"][1]["id"]}


@pytest.mark.parametrize(
    ("lots", "terms", "problem"),
    [
        (1.5, {"order_type": "credit", "price": 1.0}, "whole number of contracts"),
        (1, {"order_type": "credit", "price": 1.0, "duration": "gtc"}, "give day"),
        (1, {"order_type": "credit"}, "needs a price"),
        (1, {"price": 1.0}, "debit or a credit"),
    ],
)
def test_what_leaves_room_for_doubt_is_refused_and_not_sent(
    path: OrderPath, lots: float, terms: dict[str, Any], problem: str
) -> None:
    legs = bull_put(path, lots)
    parent = sent(path, legs, **terms)
    (refusal,) = path.refusals
    assert problem in refusal.message and refusal.explained
    assert path.orders() == []
    assert [each.status for each in (parent, *legs)] == ["error"] * 3


# ---- what comes back -------------------------------------------------------------------------------------------------------


def test_each_leg_fills_once_with_its_own_contract_price_and_quantity(path: OrderPath) -> None:
    legs = bull_put(path)
    parent = sent(path, legs, order_type="market")
    path.advance(seconds=2)
    path.wait_until(lambda: len(path.fills) == 2 and parent.is_filled(), "both legs fill")
    path.quiet()
    order = at_exchange(path)
    assert order["status"] == "filled"
    assert [(fill.symbol, fill.role, fill.quantity, fill.price) for fill in path.fills] == [
        (PUT_100, GroupRole.LEG_1, 3, Decimal(order["legs"][0]["filled_avg_price"])),
        (PUT_95, GroupRole.LEG_2, 3, Decimal(order["legs"][1]["filled_avg_price"])),
    ]
    assert [fill.side.value for fill in path.fills] == ["sell", "buy"]
    prices = [float(each["filled_avg_price"]) for each in order["legs"]]
    assert path.strategy.filled == [(legs[0], prices[0], 3.0, 100), (legs[1], prices[1], 3.0, 100)]
    assert [each.asset.strike for each, *_ in path.strategy.filled] == [100.0, 95.0]


def test_the_parent_ends_filled_at_its_net_price_and_is_nothing_that_one_holds(path: OrderPath) -> None:
    parent = sent(path, bull_put(path), order_type="market")
    path.advance(seconds=2)
    path.wait_until(parent.is_filled, "the parent is filled")
    order = at_exchange(path)
    assert parent.identifier == order["id"]
    assert parent.avg_fill_price == pytest.approx(float(order["filled_avg_price"]))
    assert parent.avg_fill_price < 0, "a credit"
    assert [each.identifier for each in parent.child_orders] == [each["id"] for each in order["legs"]]
    assert {event.fill for event in path.events if event.role is GroupRole.ENTRY} == {None}
    assert "ABC" not in {str(each.asset) for each in path.broker._filled_positions if each.quantity}
    assert path.positions() == {PUT_100: -3, PUT_95: 3}
    assert path.troubles == []


def test_parts_of_a_spread_are_told_as_they_come(exchange: LiveExchange, path: OrderPath) -> None:
    path.venue.admin.fault("partial_fill", {}, quantity=1)
    legs = bull_put(path)
    parent = sent(path, legs, order_type="market")
    path.advance(minutes=5)
    path.wait_until(parent.is_filled, "the parent is filled")
    path.quiet()
    assert [sum(fill.quantity for fill in path.fills if fill.symbol == symbol) for symbol in (PUT_100, PUT_95)] == [3, 3]
    assert [order for order, *_ in path.strategy.parts] == legs
    assert [order for order, *_ in path.strategy.filled] == legs
    assert [each.get_fill_price() for each in legs] == [
        pytest.approx(float(each["filled_avg_price"])) for each in at_exchange(path)["legs"]
    ]


def test_a_cancel_ends_the_whole_order(path: OrderPath) -> None:
    legs = bull_put(path)
    parent = sent(path, legs, order_type="credit", price=4.9)
    path.broker.cancel_order(parent)
    path.wait_until(parent.is_canceled, "the parent is canceled")
    path.resync()
    path.hear()
    assert all(each.is_canceled() for each in legs)
    assert [order for order in path.strategy.canceled if order is parent] == [parent]
    assert path.fills == []


def test_lumibots_sync_reads_an_account_with_a_multi_leg_order(path: OrderPath) -> None:
    """Stock Lumibot reads its own spread back as an asset of the name SPY300118P00400000, or not at all."""
    parent = sent(path, bull_put(path), order_type="credit", price=4.9)
    path.strategy._executor.sync_broker()
    assert parent.is_active() and all(each.is_active() for each in parent.child_orders)
    pulled = path.broker._pull_all_orders("recorder", path.strategy)
    assert {order.identifier for order in pulled} == {parent.identifier, *(each.identifier for each in parent.child_orders)}
    responses = path.broker._pull_broker_all_orders()
    plain = [path.broker._parse_broker_order(response, "recorder") for response in responses]
    shown = sorted((float(each.asset.strike), str(each.side), int(each.quantity)) for each in plain)
    assert shown == [(95.0, "buy_to_open", 3), (100.0, "sell_to_open", 3)]


# ---- a restart, and another order in its place -----------------------------------------------------------------------------


def meant(path: OrderPath, key: str, price: float) -> OrderSpec:
    return package_spec(bull_put(path), PackageTerms("credit", "day", price), key)


def followed(path: OrderPath, spec: OrderSpec) -> Any:
    """Follow an order of the process before this one. Returns Lumibot's order for it."""
    order = lumibot_order(spec, path.strategy)
    path.broker.follow(spec, order, path.clock.now(), {})
    path.broker.catch_up({}, lost_after=timedelta(0))
    path.desk.drain()
    return order


def test_a_restart_adopts_it_with_its_members(exchange: LiveExchange, journal: Path) -> None:
    with order_path(venue(exchange), journal) as first:
        sent(first, bull_put(first), order_type="credit", price=4.9)
        key = at_exchange(first)["client_order_id"]
    with order_path(venue(exchange), journal) as second:
        parent = followed(second, meant(second, key, 4.9))
        order = at_exchange(second)
        assert [parent.identifier, *(each.identifier for each in parent.child_orders)] == [
            order["id"],
            *(each["id"] for each in order["legs"]),
        ]
        assert [each.asset.strike for each in parent.child_orders] == [100.0, 95.0]
        second.broker.cancel_order(parent)
        second.wait_until(parent.is_canceled, "the adopted order is canceled")
        assert second.troubles == []


def test_fills_that_nobody_heard_are_found_after_a_restart(exchange: LiveExchange, journal: Path) -> None:
    with order_path(venue(exchange), journal) as first:
        first.venue.admin.fault("lost_event", {"event": "fill"})
        sent(first, bull_put(first), order_type="credit", price=1.0)
        key = at_exchange(first)["client_order_id"]
        first.advance(seconds=2)
        first.quiet()
        assert at_exchange(first)["status"] == "filled" and first.fills == []
    with order_path(venue(exchange), journal) as second:
        parent = followed(second, meant(second, key, 1.0))
        assert filled_by_symbol(second) == {PUT_100: 3, PUT_95: 3}
        second.hear()
        assert [order for order, *_ in second.strategy.filled] == parent.child_orders
        assert parent.is_filled()
        second.resync()
        assert len(second.fills) == 2


def test_another_order_under_its_key_halts_the_desk(path: OrderPath) -> None:
    key = order_key(NONCE, path.clock.now(), "ABC", "foreign1")
    body = {"symbol": "ABC", "side": "buy", "type": "limit", "qty": "1", "limit_price": "50", "time_in_force": "day"}
    path.ask("POST", "/v2/orders", json={**body, "client_order_id": key})
    sent(path, bull_put(path), order_type="credit", price=4.9)
    assert path.desk.mode is Mode.HALTED
    (trouble,) = path.troubles
    assert key in trouble and "order_class: meant mleg, found simple" in trouble
    assert [order["order_class"] for order in path.orders()] == [""]


def test_an_answer_that_is_lost_is_adopted_by_its_legs(path: OrderPath) -> None:
    path.venue.admin.fault("timeout_after_taken", {"method": "POST", "path": "/v2/orders", "nth": 1})
    parent = sent(path, bull_put(path), order_type="credit", price=4.9)
    order = at_exchange(path)
    assert [parent.identifier, *(each.identifier for each in parent.child_orders)] == [
        order["id"],
        *(each["id"] for each in order["legs"]),
    ]
    assert path.troubles == []


def test_a_spread_with_the_other_sign_under_its_key_halts_the_desk(exchange: LiveExchange, journal: Path) -> None:
    with order_path(venue(exchange), journal) as first:
        sent(first, bull_put(first), order_type="credit", price=4.9)
        key = at_exchange(first)["client_order_id"]
    with order_path(venue(exchange), journal) as second:
        known = second.events
        followed(second, replace(meant(second, key, 4.9), limit_price=Decimal("4.90")))
        assert second.desk.mode is Mode.HALTED
        assert "limit_price: meant 4.9, found -4.9" in second.troubles[0]
        assert second.events == known
