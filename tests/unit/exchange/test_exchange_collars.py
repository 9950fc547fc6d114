"""Collars: the highest price that a buy stop may cost, wherever the stop comes from."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machine_story import BUY, SELL, Desk, kinds

from desk.exchange.machine.orders import Order
from desk.exchange.machine.triggers import collar_above
from desk.exchange.switches import Switches
from desk.exchange.words import OrderType

New = Callable[..., Any]
MORNING = "2008-09-02T14:00:00Z"
cents = st.integers(10_500, 30_000)


def account(client: Any) -> Any:
    return client.exchange.first


def placed(client: Any, **body: Any) -> Any:
    status, said = client.send(**body)
    assert status == 200, said
    return said


def patched(client: Any, order: Any, **body: Any) -> Any:
    answer = client.http.request("PATCH", f"/v2/orders/{order['id']}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def known(client: Any, order: Any) -> Order:
    found: Order = account(client).book.orders[order["id"]]
    return found


@pytest.mark.parametrize(("price", "collar"), [("49.99", "51.99"), ("50", "51.25"), ("101", "103.52"), ("0.5", "0.52")])
def test_a_collar_is_four_percent_below_fifty_dollars_and_two_and_a_half_from_there(price: str, collar: str) -> None:
    assert collar_above(Decimal(price)) == Decimal(collar)


# replacement


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prices=st.lists(cents, min_size=2, max_size=4, unique=True))
def test_a_changed_buy_stop_is_what_one_sent_so_would_be(new_client: New, prices: list[int]) -> None:
    """Collar and buying power follow the price, whatever the stop was before."""
    changed, sent = new_client(), new_client()
    for client in (changed, sent):
        client.to(MORNING)
    order = placed(changed, type="stop", stop_price=f"{prices[0] / 100}")
    for price in prices[1:]:
        order = patched(changed, order, stop_price=f"{price / 100}")
    direct = placed(sent, type="stop", stop_price=f"{prices[-1] / 100}")
    assert known(changed, order).collar_price == known(sent, direct).collar_price
    assert changed.get("/v2/account")["buying_power"] == sent.get("/v2/account")["buying_power"]


def test_a_changed_buy_stop_fills_above_its_old_collar() -> None:
    desk = Desk()
    order = desk.stop("103", collar_price="105.58")
    desk.tick(10_000)
    fresh, _ = desk.replace(order, stop_price="115")
    assert desk.now(fresh).collar_price == Decimal("117.88")
    desk.tick(11_600)
    assert desk.now(fresh).status == "filled"


def test_a_larger_quantity_leaves_the_collar() -> None:
    desk = Desk()
    order = desk.stop("103", collar_price="105.58")
    desk.tick(10_000)
    fresh, _ = desk.replace(order, quantity=20)
    assert (desk.now(fresh).quantity, desk.now(fresh).collar_price) == (20, Decimal("105.58"))


@pytest.mark.parametrize("trail", [{"trail_price": "1"}, {"trail_percent": "1"}])
def test_a_changed_trail_is_valued_at_its_new_stop(client: Any, trail: dict[str, str]) -> None:
    order = placed(client, type="trailing_stop", **trail)
    fresh = patched(client, order, trail="20")
    stop = Decimal(fresh["stop_price"])
    assert stop > 119 and known(client, fresh).collar_price == collar_above(stop)
    assert Decimal(client.get("/v2/account")["buying_power"]) < 400_000 - 10 * stop


def test_a_trail_that_is_changed_before_the_open_is_valued_when_it_has_its_mark(new_client: New) -> None:
    client = new_client()
    client.to("2008-09-03T03:00:00Z")
    order = placed(client, type="trailing_stop", trail_price="1")
    client.to("2008-09-03T12:00:00Z")
    fresh = patched(client, order, trail="30")
    assert (fresh["status"], fresh["hwm"]) == ("new", None)
    client.to("2008-09-03T13:30:00Z")
    shown = client.get(f"/v2/orders/{fresh['id']}")
    assert known(client, fresh).collar_price == collar_above(Decimal(shown["stop_price"]))


def test_the_first_mark_values_a_trailing_buy() -> None:
    desk = Desk()
    order = desk.send(type=OrderType.TRAILING_STOP, trail_price="1", collar_price="103.53")
    desk.wait(1)
    fresh, _ = desk.replace(order, trail="20")
    assert desk.now(fresh).collar_price == Decimal("103.53")
    desk.tick(10_000)
    assert (desk.now(fresh).stop_price, desk.now(fresh).collar_price) == (120, 123)


def test_a_mark_that_is_lost_with_a_changed_trail_values_it_anew(new_client: New) -> None:
    client = new_client(switches=Switches(trailing_replace_keeps_mark=False))
    client.to(MORNING)
    order = placed(client, type="trailing_stop", trail_price="1")
    fresh = patched(client, order, trail="20")
    shown = client.get(f"/v2/orders/{fresh['id']}")
    assert known(client, fresh).collar_price == collar_above(Decimal(shown["stop_price"]))


def test_what_cannot_be_paid_is_refused_by_the_new_trail(client: Any) -> None:
    order = placed(client, type="trailing_stop", trail_price="1", qty="3000")
    answer = client.http.request("PATCH", f"/v2/orders/{order['id']}", json={"trail": "60"})
    assert (answer.status_code, answer.json()["message"]) == (403, "insufficient buying power")


# election


def test_an_elected_trailing_buy_is_a_market_order() -> None:
    """It has no collar: https://docs.alpaca.markets/docs/orders-at-alpaca, "Trailing stop orders"."""
    desk = Desk()
    order = desk.send(type=OrderType.TRAILING_STOP, trail_price="1", collar_price="103.53")
    desk.tick(10_000)
    assert kinds(desk.tick(13_000)) == ["fill"]
    assert desk.now(order).filled_usd == Decimal("1300.10")


# exits of a short


@pytest.mark.parametrize("kind", ["bracket", "oco", "oto"])
def test_the_stop_of_a_short_is_collared(kind: str) -> None:
    desk = Desk()
    if kind == "oco":
        desk.own(-10)
        stop = desk.oco(target="90", stop="105", side=BUY)[1]
    elif kind == "oto":
        stop = desk.oto(stop="105", side=SELL)[1]
    else:
        stop = desk.bracket(target="90", stop="105", side=SELL)[2]
    assert stop.collar_price == Decimal("107.62") == collar_above(Decimal(105))
    desk.tick(10_000)
    desk.tick(13_000)
    assert (desk.now(stop).status, desk.now(stop).elected, desk.book.shares("ABC")) == ("new", True, -10)
    desk.tick(10_700)
    assert desk.now(stop).status == "filled"


def test_the_collar_of_a_leg_moves_with_its_stop() -> None:
    desk = Desk()
    desk.own(-10)
    target, stop = desk.oco(target="90", stop="105", side=BUY)
    desk.tick(10_000)
    fresh, _ = desk.replace(stop, stop_price="120")
    assert desk.now(fresh).collar_price == 123
    changed, _ = desk.replace(target, limit_price="91")
    assert desk.now(changed).collar_price is None


@pytest.mark.parametrize("stop_limit", [None, "94"])
def test_exits_that_sell_and_those_with_a_limit_have_no_collar(stop_limit: str | None) -> None:
    desk = Desk()
    group = desk.bracket(stop_limit=stop_limit)
    assert [order.collar_price for order in group[1:]] == [None, None]
    short = desk.bracket(target="90", stop="105", stop_limit="106", side=SELL)
    assert [order.collar_price for order in short[1:]] == [None, None]


def test_exits_of_a_short_reserve_no_buying_power(client: Any) -> None:
    before = client.get("/v2/account")["buying_power"]
    placed(client, side="sell", order_class="bracket", take_profit={"limit_price": "90"}, stop_loss={"stop_price": "105"})
    bare = client.get("/v2/account")["buying_power"]
    assert account(client).power().held.stocks == 0 and bare != before
