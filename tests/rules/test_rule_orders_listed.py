"""Orders as they are answered and listed: status codes, fields, filters."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import openapi
import pytest

from desk.exchange.words import OrderClass, OrderType, PositionIntent, Side, Status, TimeInForce

OAS = {"source": "OAS", "status": "documented"}
LOW = {"type": "limit", "limit_price": "60"}
BRACKET = {**LOW, "order_class": "bracket", "take_profit": {"limit_price": "120"}, "stop_loss": {"stop_price": "50"}}
UNKNOWN = "61e69015-8549-4bfd-b9c3-01e75843f47d"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
NUMBERS = (
    "qty",
    "filled_qty",
    "filled_avg_price",
    "limit_price",
    "stop_price",
    "notional",
    "trail_percent",
    "trail_price",
    "hwm",
)


def place(client: Any, **body: object) -> dict[str, Any]:
    status, order = client.send(**body)
    assert status == 200, order
    return dict(order)


def ids(orders: list[dict[str, Any]]) -> list[str]:
    return [order["client_order_id"] for order in orders]


def later(client: Any, seconds: int) -> None:
    client.to(f"2008-09-02T14:{seconds // 60:02d}:{seconds % 60:02d}Z")


@pytest.fixture
def three(client: Any) -> Any:
    """Three orders that rest, ten seconds apart: the first and the last buy ABC, the second sells XYZ short."""
    for number, body in enumerate(({}, {"symbol": "XYZ", "side": "sell", "limit_price": "80"}, {"limit_price": "61"})):
        place(client, client_order_id=f"order-{number}", **{**LOW, **body})
        later(client, 10 * (number + 1))
    return client


@pytest.mark.rule("ORD-201", "An order is read by its id, and by the client's: 200, or 404 40410000", **OAS)
def test_an_order_is_read_by_either_id(client: Any) -> None:
    order = place(client, client_order_id="mine", **LOW)
    assert client.get(f"/v2/orders/{order['id']}")["id"] == order["id"]
    assert client.get("/v2/orders:by_client_order_id", client_order_id="mine")["id"] == order["id"]
    for path in (f"/v2/orders/{UNKNOWN}", "/v2/orders/nothing", "/v2/orders:by_client_order_id?client_order_id=nobody"):
        answer = client.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, 40410000)


@pytest.mark.rule("ORD-202", "A cancel that is taken answers 204 without a body", **OAS)
def test_a_cancel_has_no_body(client: Any) -> None:
    answer = client.http.delete(f"/v2/orders/{place(client, **LOW)['id']}")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.rule("ORD-203", "Cancelling all answers 207 with the id and the status of each order", **OAS)
def test_cancelling_all_answers_for_each(three: Any) -> None:
    wanted = {order["id"] for order in three.get("/v2/orders")}
    answer = three.http.delete("/v2/orders")
    assert answer.status_code == 207
    assert {part["id"]: part["status"] for part in answer.json()} == dict.fromkeys(wanted, 200)
    assert three.http.delete("/v2/orders").json() == []


@pytest.mark.rule("ORD-204", "Quantities and prices of an order are strings or null", **OAS)
def test_numbers_of_an_order_are_strings(client: Any) -> None:
    for order in (place(client, **LOW), place(client, time_in_force="day"), client.get("/v2/orders", status="all")[0]):
        assert {name: value for name in NUMBERS if not isinstance(value := order[name], str | None)} == {}
    assert (order["qty"], order["filled_qty"]) == ("10", "10")


@pytest.mark.rule("ORD-205", "Instants are RFC 3339 in UTC with Z and at most nine digits of a second", **OAS)
def test_instants_are_in_utc(client: Any) -> None:
    place(client)
    order = client.get("/v2/orders", status="all")[0]
    given = {name: value for name, value in order.items() if name.endswith("_at") and value is not None}
    assert {"created_at", "updated_at", "submitted_at", "filled_at", "expires_at"} <= set(given)
    assert {name: value for name, value in given.items() if not INSTANT.fullmatch(value)} == {}


@pytest.mark.rule("ORD-206", "A simple order has the empty order_class and neither group_id nor group_role", **OAS)
def test_a_simple_order_belongs_to_no_group(client: Any) -> None:
    for body in ({}, {"order_class": "simple"}, {"order_class": ""}):
        order = place(client, **LOW, **body)
        assert order["order_class"] == "" and order["legs"] is None
        assert not {"group_id", "group_role"} & set(order)


@pytest.mark.rule("ORD-207", "A client order id that is not sent is made up by the server", **OAS)
def test_a_missing_client_order_id_is_made_up(client: Any) -> None:
    made = [place(client, **LOW)["client_order_id"] for _ in range(2)]
    assert len(set(made)) == 2 and all(1 <= len(each) <= 128 for each in made)


@pytest.mark.rule("ORD-208", "order_type repeats type, which replaces it", **OAS)
def test_order_type_repeats_type(client: Any) -> None:
    for body in ({}, LOW, {"type": "stop", "stop_price": "150"}):
        order = place(client, **body)
        assert order["order_type"] == order["type"]


@pytest.mark.rule(
    "ORD-209",
    "A bracket answers with its take-profit and its stop-loss, in this order, both held",
    source="OAS",
    status="documented",
)
def test_a_bracket_answers_with_its_legs(client: Any) -> None:
    order = place(client, **BRACKET)
    target, stop = order["legs"]
    assert [leg["status"] for leg in (target, stop)] == ["held", "held"]
    assert [leg["type"] for leg in (target, stop)] == ["limit", "stop"]
    for leg in (target, stop):
        assert (leg["order_class"], leg["position_intent"]) == ("bracket", "sell_to_close")
        assert (leg["time_in_force"], leg["qty"], leg["side"]) == (order["time_in_force"], order["qty"], "sell")


@pytest.mark.rule("ORD-210", "Legs have ids and client order ids of their own, made by the server", **OAS)
def test_legs_have_ids_of_their_own(client: Any) -> None:
    order = place(client, client_order_id="mine", **BRACKET)
    members = [order, *order["legs"]]
    assert len({each["id"] for each in members}) == len({each["client_order_id"] for each in members}) == 3
    leg = order["legs"][1]
    assert client.get("/v2/orders:by_client_order_id", client_order_id=leg["client_order_id"])["id"] == leg["id"]


@pytest.mark.rule("ORD-211", "Every member of a group has one group_id and its group_role, replacements too", **OAS)
def test_a_group_has_one_id_and_three_roles(client: Any) -> None:
    order = place(client, **BRACKET)
    members = [order, *order["legs"]]
    assert len({UUID(each["group_id"]) for each in members}) == 1
    assert [each["group_role"] for each in members] == ["entry", "take_profit", "stop_loss"]
    answer = client.http.request("PATCH", f"/v2/orders/{order['id']}", json={"limit_price": "61"}).json()
    assert (answer["group_id"], answer["group_role"]) == (order["group_id"], "entry")


@pytest.mark.rule("ORD-212", "Statuses, types, classes and the other words are those of Alpaca's documents", **OAS)
def test_words_are_those_of_the_documents() -> None:
    if not openapi.documents():
        pytest.skip(f"{openapi.PACKAGE} is not installed")
    schemas = openapi.documents()["trading"]["components"]["schemas"]
    assert {each.value for each in Status} == set(schemas["OrderStatus"]["enum"])
    assert len(Status) == 17
    for ours, name in ((OrderType, "OrderType"), (Side, "OrderSide"), (TimeInForce, "TimeInForce"), (OrderClass, "OrderClass")):
        assert {each.value for each in ours} <= set(schemas[name]["enum"]) | {"simple"}
    assert {each.value for each in PositionIntent} == set(schemas["PositionIntent"]["enum"])


@pytest.mark.rule("ORD-221", "A listing shows open orders unless told otherwise: open, closed or all", **OAS)
def test_a_listing_shows_open_orders_first(three: Any) -> None:
    place(three, client_order_id="filled", time_in_force="day")
    assert ids(three.get("/v2/orders")) == ["order-2", "order-1", "order-0"]
    assert ids(three.get("/v2/orders", status="closed")) == ["filled"]
    assert ids(three.get("/v2/orders", status="all")) == ["filled", "order-2", "order-1", "order-0"]


@pytest.mark.rule("ORD-222", "A listing has 50 orders unless told otherwise, and at most 500", **OAS)
def test_a_listing_is_limited(client: Any) -> None:
    for _ in range(52):
        place(client, **LOW)
    assert len(client.get("/v2/orders")) == 50
    assert len(client.get("/v2/orders", limit=500)) == 52
    assert len(client.get("/v2/orders", limit=3)) == 3
    for wrong in ("501", "0", "-1", "many"):
        assert client.http.get("/v2/orders", params={"limit": wrong}).status_code == 422


@pytest.mark.rule("ORD-223", "after and until are exclusive, on the time of submission", **OAS)
def test_times_of_a_listing_are_exclusive(three: Any) -> None:
    at = {order["client_order_id"]: order["submitted_at"] for order in three.get("/v2/orders")}
    assert ids(three.get("/v2/orders", after=at["order-0"])) == ["order-2", "order-1"]
    assert ids(three.get("/v2/orders", until=at["order-2"])) == ["order-1", "order-0"]
    assert ids(three.get("/v2/orders", after=at["order-0"], until=at["order-2"])) == ["order-1"]


@pytest.mark.rule(
    "ORD-224",
    "before_order_id and after_order_id bound a listing too, and not together with times",
    source="OAS",
    status="documented",
)
def test_orders_bound_a_listing(three: Any) -> None:
    number = {order["client_order_id"]: order["id"] for order in three.get("/v2/orders")}
    assert ids(three.get("/v2/orders", after_order_id=number["order-0"])) == ["order-2", "order-1"]
    assert ids(three.get("/v2/orders", before_order_id=number["order-1"])) == ["order-0"]
    both = {"after_order_id": number["order-0"], "until": "2009-01-01T00:00:00Z"}
    assert three.http.get("/v2/orders", params=both).status_code == 422


@pytest.mark.rule("ORD-225", "The newest order comes first unless direction is asc", **OAS)
def test_the_newest_order_comes_first(three: Any) -> None:
    assert ids(three.get("/v2/orders", direction="asc")) == ["order-0", "order-1", "order-2"]
    assert ids(three.get("/v2/orders", direction="asc", limit=1)) == ["order-0"]
    assert ids(three.get("/v2/orders", limit=1)) == ["order-2"]


@pytest.mark.rule("ORD-226", "A listing is narrowed by symbols, by side and by asset class", **OAS)
def test_a_listing_is_narrowed(three: Any) -> None:
    assert ids(three.get("/v2/orders", symbols="XYZ")) == ["order-1"]
    assert ids(three.get("/v2/orders", symbols="XYZ,ABC,NEW")) == ["order-2", "order-1", "order-0"]
    assert ids(three.get("/v2/orders", side="sell")) == ["order-1"]
    assert ids(three.get("/v2/orders", asset_class="us_option")) == []
    assert len(three.get("/v2/orders", asset_class="us_equity")) == 3


@pytest.mark.rule("ORD-227", "Nested, legs stand under their parent; flat, open ones by themselves", **OAS)
def test_nested_orders_have_their_legs(client: Any) -> None:
    order = place(client, **BRACKET)
    assert [(each["id"], len(each["legs"])) for each in client.get("/v2/orders", nested="true")] == [(order["id"], 2)]
    assert [leg["status"] for leg in client.get(f"/v2/orders/{order['id']}", nested="true")["legs"]] == ["held", "held"]
    assert client.get(f"/v2/orders/{order['id']}")["legs"] is None


@pytest.mark.rule("ORD-228", "The flat list of open orders leaves out held legs", source="3P-M, ISSUE", status="measured")
def test_held_legs_are_no_open_orders(client: Any) -> None:
    order = place(client, **BRACKET)
    assert [each["id"] for each in client.get("/v2/orders")] == [order["id"]]
    assert {each["id"] for each in client.get("/v2/orders", status="all")} == {order["id"], *(leg["id"] for leg in order["legs"])}


@pytest.mark.rule(
    "ORD-229", "Once the entry has filled an open and nested list has nothing of the bracket; flat, the take-profit alone",
    source="ISSUE", status="unknown",
)  # fmt: skip
@pytest.mark.parametrize("hides", [True, False])
def test_open_and_nested_after_the_entry(new_client: Any, hides: bool) -> None:
    from desk.exchange.switches import Switches

    client = new_client(switches=Switches(open_nested_hides_filled_parents=hides))
    later(client, 0)
    order = place(client, **{**BRACKET, "type": "market", "limit_price": None})
    target = order["legs"][0]
    assert [each["id"] for each in client.get("/v2/orders")] == [target["id"]]
    nested = client.get("/v2/orders", nested="true")
    assert [each["id"] for each in nested] == ([] if hides else [order["id"]])
    whole = client.get("/v2/orders", status="all", nested="true", symbols="ABC")
    assert [[leg["status"] for leg in each["legs"]] for each in whole] == [["new", "held"]]
