"""Faults inside the venue, over the exchange itself: stuck cancels, late rejections, forced parts, stuck legs, halts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

New = Callable[..., Any]
BRACKET = {"order_class": "bracket", "take_profit": {"limit_price": "150"}, "stop_loss": {"stop_price": "95"}}
MORNING = "2008-09-02T14:00:00Z"


@pytest.fixture
def client(new_client: New) -> Any:
    made = new_client()
    made.to(MORNING)
    return made


def fault(client: Any, kind: str, **given: Any) -> None:
    answer = client.http.post("/admin/faults", json={"kind": kind, **given})
    assert answer.status_code == 200, answer.text


def order(client: Any, order_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v2/orders/{order_id}", nested="true")
    return found


def placed(client: Any, **body: Any) -> str:
    status, said = client.send(**body)
    assert status == 200, said
    return str(said["id"])


def test_a_stuck_cancel_stays_pending_until_the_faults_are_cleared(client: Any) -> None:
    fault(client, "stuck_pending_cancel", when={"symbol": "ABC"})
    resting = placed(client, type="limit", limit_price="50", time_in_force="gtc")
    assert client.http.delete(f"/v2/orders/{resting}").status_code == 204
    client.to("2008-09-03T19:00:00Z")
    assert order(client, resting)["status"] == "pending_cancel"
    assert client.http.delete("/admin/faults").json() == {"cleared": 1}
    client.to("2008-09-03T19:01:00Z")
    assert order(client, resting)["status"] == "canceled"


def test_a_stuck_cancel_may_last_for_some_seconds(client: Any) -> None:
    fault(client, "stuck_pending_cancel", seconds=600)
    resting = placed(client, type="limit", limit_price="50")
    client.http.delete(f"/v2/orders/{resting}")
    client.to("2008-09-02T14:09:59Z")
    assert order(client, resting)["status"] == "pending_cancel"
    client.to("2008-09-02T14:10:01Z")
    assert order(client, resting)["status"] == "canceled"


def test_an_order_is_rejected_after_it_was_accepted(client: Any) -> None:
    fault(client, "rejected_after_accepted", when={"nth": 1})
    first, second = placed(client, limit_price="50", type="limit"), placed(client)
    client.to("2008-09-02T14:01:00Z")
    assert (order(client, first)["status"], order(client, second)["status"]) == ("rejected", "filled")


def test_a_later_rejection_leaves_the_order_working_until_then(client: Any) -> None:
    fault(client, "rejected_after_accepted", seconds=60)
    resting = placed(client, type="limit", limit_price="50")
    assert order(client, resting)["status"] == "new"
    client.to("2008-09-02T14:02:00Z")
    assert order(client, resting)["status"] == "rejected"


@pytest.mark.parametrize(("size", "filled"), [({"fraction": 0.3}, "3"), ({"quantity": 7}, "7"), ({"fraction": 0.01}, "1")])
def test_a_forced_part_has_its_size(client: Any, size: dict[str, Any], filled: str) -> None:
    fault(client, "partial_fill", **size)
    bought = placed(client)
    assert (order(client, bought)["status"], order(client, bought)["filled_qty"]) == ("partially_filled", filled)
    client.to("2008-09-02T15:00:00Z")
    assert order(client, bought)["status"] == "filled"


def test_a_forced_part_of_a_take_profit(client: Any) -> None:
    """The sibling stop is resized to what is left."""
    fault(client, "partial_fill", leg="take_profit", quantity=4)
    price = float(client.get("/v2/stocks/ABC/trades/latest")["trade"]["p"])
    exits = {"take_profit": {"limit_price": f"{price + 0.05:.2f}"}, "stop_loss": {"stop_price": "50"}}
    bracket = placed(client, **{**BRACKET, **exits}, client_order_id="entry")
    client.http.post("/admin/advance", json={"to": "2008-09-02T20:00:00Z"})
    target, stop = sorted(order(client, bracket)["legs"], key=lambda leg: leg["type"])
    assert (target["filled_qty"], stop["qty"]) == ("4", "6")


def test_a_stuck_stop_is_not_triggered(client: Any) -> None:
    """ABC opens at 90 on the third day, below the stop."""
    fault(client, "leg_stuck_held", when={"symbol": "ABC"})
    bracket = placed(client, **BRACKET)
    client.to("2008-09-04T19:00:00Z")
    assert {leg["type"]: leg["status"] for leg in order(client, bracket)["legs"]} == {"limit": "new", "stop": "held"}
    client.http.delete("/admin/faults")
    client.to("2008-09-04T20:30:00Z")
    client.to("2008-09-05T19:00:00Z")
    assert {leg["type"]: leg["status"] for leg in order(client, bracket)["legs"]}["stop"] == "filled"


@pytest.mark.parametrize("leg", ["take_profit", "stop_loss"])
def test_any_leg_can_be_stuck(client: Any, leg: str) -> None:
    fault(client, "leg_stuck_held", leg=leg)
    bracket = placed(client, **BRACKET)
    legs = {each["type"]: each["status"] for each in order(client, bracket)["legs"]}
    assert legs[{"take_profit": "limit", "stop_loss": "stop"}[leg]] == "held"


def test_a_halted_symbol_does_not_trade_until_the_halt_ends(client: Any) -> None:
    fault(client, "halted_symbol", when={"symbol": "ABC", "until": "2008-09-02T15:00:00Z"})
    bought = placed(client)
    client.to("2008-09-02T14:59:00Z")
    assert order(client, bought)["status"] == "new"
    client.to("2008-09-02T15:00:00Z")
    assert order(client, bought)["status"] == "filled"
    assert order(client, bought)["filled_at"].startswith("2008-09-02T15:00:00")


def test_a_halt_begins_when_it_says(client: Any) -> None:
    fault(client, "halted_symbol", when={"symbol": "ABC", "since": "2008-09-02T15:00:00Z"})
    client.to("2008-09-02T14:30:00Z")
    assert order(client, placed(client))["status"] == "filled"
    client.to("2008-09-02T15:30:00Z")
    assert order(client, placed(client))["status"] == "new"


def test_faults_of_another_account_leave_this_one_alone(client: Any) -> None:
    fault(client, "rejected_after_accepted", when={"account": 1})
    assert order(client, placed(client))["status"] == "filled"


def test_hits_are_counted(client: Any) -> None:
    fault(client, "partial_fill", when={"count": 1})
    for _ in range(3):
        placed(client)
    (listed,) = client.get("/admin/faults")["faults"]
    assert (listed["kind"], listed["matched"], listed["hits"]) == ("partial_fill", 3, 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "slo"}, "kind: 'slo' is refused"),
        ({"faults": 3}, "faults: give a list of faults"),
        ([], "is refused"),
        ({"faults": [{"kind": "slow"}, {"kind": "hang", "seconds": 1}]}, "seconds: has no meaning for hang"),
    ],
)
def test_a_wrong_fault_is_refused_and_nothing_is_switched_on(client: Any, body: Any, words: str) -> None:
    answer = client.http.post("/admin/faults", json=body)
    assert answer.status_code == 422 and words in answer.json()["message"]
    assert client.get("/admin/faults") == {"faults": []}
