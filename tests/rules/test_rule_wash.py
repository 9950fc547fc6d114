"""Orders of one account that could trade with each other, by the table of Alpaca's user protection page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from desk.exchange.switches import Switches

Body = dict[str, Any]
# While 10 are held at a market of 100.08: buys above, sells below that rest. `near` limits cross, `far` ones do not.
BUYS: dict[str, Body] = {
    "market": {"type": "market"},
    "stop": {"type": "stop", "stop_price": "110"},
    "near limit": {"type": "limit", "limit_price": "112"},
    "far limit": {"type": "limit", "limit_price": "90"},
    "near stop_limit": {"type": "stop_limit", "stop_price": "110", "limit_price": "112"},
    "far stop_limit": {"type": "stop_limit", "stop_price": "101", "limit_price": "102"},
}
SELLS: dict[str, Body] = {
    "stop": {"type": "stop", "stop_price": "95"},
    "limit": {"type": "limit", "limit_price": "112"},
    "stop_limit": {"type": "stop_limit", "stop_price": "95", "limit_price": "111"},
}
SELL: Body = {"side": "sell", "qty": "2"}
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", "qty": "2", **EXITS}
MARKET, LIMIT = "opposite side market/stop order exists", "opposite side limit order exists"
TABLE = {
    ("stop", "market"): MARKET,
    ("stop", "stop"): MARKET,
    ("stop", "near limit"): MARKET,
    ("stop", "far limit"): MARKET,
    ("stop", "near stop_limit"): MARKET,
    ("limit", "market"): LIMIT,
    ("limit", "stop"): LIMIT,
    ("limit", "near limit"): LIMIT,
    ("limit", "far limit"): None,
    ("limit", "near stop_limit"): LIMIT,
    ("limit", "far stop_limit"): None,
    ("stop_limit", "market"): LIMIT,
    ("stop_limit", "stop"): LIMIT,
    ("stop_limit", "near limit"): LIMIT,
    ("stop_limit", "far limit"): None,
    ("stop_limit", "near stop_limit"): LIMIT,
    ("stop_limit", "far stop_limit"): None,
}
rule = pytest.mark.rule
NUMBERS = {"market": 1, "stop": 2, "limit": 3, "stop_limit": 4}
WORDS = {
    "market": "A market order is refused while any order of the other side is open.",
    "stop": "A stop order is refused while any order of the other side is open.",
    "limit": "A limit order is refused for an open stop of the other side, and for a limit that it crosses.",
    "stop_limit": "A stop-limit order is refused for an open stop of the other side, and for a limit that it crosses.",
}


def of_table(existing: str, new: str, reason: str | None) -> Any:
    kind = new.rsplit(" ", 1)[-1]
    mark = rule(f"WSH-{NUMBERS[kind]:03d}", WORDS[kind], source="DOC", status="documented")
    return pytest.param(existing, new, reason, marks=mark, id=f"{new} on {existing}")


@pytest.mark.parametrize(("existing", "new", "reason"), [of_table(*pair, reason) for pair, reason in TABLE.items()])
def test_new_buy_meets_an_open_sell(client: Any, existing: str, new: str, reason: str | None) -> None:
    client.send()
    status, resting = client.send(**SELL, **SELLS[existing])
    assert status == 200, resting
    status, body = client.send(**BUYS[new], qty="2")
    if reason is None:
        assert status == 200, body
        return
    assert (status, body) == (
        403,
        {
            "code": 40310000,
            "message": "potential wash trade detected. use complex orders",
            "existing_order_id": resting["id"],
            "reject_reason": reason,
        },
    )


@rule("WSH-005", "The check holds for new sells and open buys too.", source="DOC", status="documented")
@pytest.mark.parametrize(
    ("existing", "new", "reason"),
    [
        ("stop", {"type": "limit", "limit_price": "120"}, MARKET),
        ("stop", {}, MARKET),
        ("far limit", {}, LIMIT),
        ("far limit", {"type": "stop", "stop_price": "80"}, LIMIT),
        ("far limit", {"type": "limit", "limit_price": "90"}, LIMIT),
        ("far limit", {"type": "limit", "limit_price": "90.01"}, None),
        ("far stop_limit", {"type": "limit", "limit_price": "102"}, LIMIT),
        ("far stop_limit", {"type": "limit", "limit_price": "103"}, None),
    ],
)
def test_new_sell_meets_an_open_buy(client: Any, existing: str, new: Body, reason: str | None) -> None:
    client.send()
    client.send(**BUYS[existing], qty="2")
    status, body = client.send(**SELL, **new)
    assert (status, body.get("reject_reason")) == ((200, None) if reason is None else (403, reason))


@rule("WSH-006", "An open market order counts: queued for the open, it meets a limit.", source="DOC", status="documented")
def test_queued_market_order_counts(new_client: Callable[..., Any]) -> None:
    client = new_client()
    _, queued = client.send()
    status, body = client.send(side="sell", type="limit", limit_price="150")
    assert (status, body["existing_order_id"], body["reject_reason"]) == (403, queued["id"], MARKET)


@rule("WSH-007", "A new bracket, OCO, OTO or trailing stop is exempt.", source="DOC", status="documented")
@pytest.mark.parametrize(
    "new",
    [OCO, {**SELL, "type": "trailing_stop", "trail_price": "5"}],
    ids=["oco", "trailing stop"],
)
def test_new_complex_order_is_exempt(client: Any, new: Body) -> None:
    client.send()
    assert client.send(**BUYS["stop"])[0] == 200
    assert client.send(**SELL)[0] == 403
    assert client.send(**new)[0] == 200


@rule("WSH-008", "An open OCO or trailing stop stands in no simple order's way.", source="UNVERIFIED", status="unknown")
@pytest.mark.parametrize(
    "existing",
    [OCO, {**SELL, "type": "trailing_stop", "trail_price": "5"}],
    ids=["oco", "trailing stop"],
)
def test_open_complex_order_is_exempt(client: Any, existing: Body) -> None:
    client.send()
    assert client.send(**existing)[0] == 200
    assert client.send(qty="1")[0] == 200


@rule("WSH-009", "A switch makes open groups and trailing stops count.", source="UNVERIFIED", status="unknown")
@pytest.mark.parametrize(
    ("existing", "reason"),
    [(OCO, LIMIT), ({**SELL, "type": "trailing_stop", "trail_price": "5"}, MARKET)],
    ids=["oco", "trailing stop"],
)
def test_open_complex_orders_can_count(new_client: Callable[..., Any], existing: Body, reason: str) -> None:
    client = new_client(switches=Switches(wash_check_spares_groups=False))
    client.to("2008-09-02T14:00:00Z")
    client.send()
    assert client.send(**existing)[0] == 200
    status, body = client.send(qty="1")
    assert (status, body["reject_reason"]) == (403, reason)


@rule("WSH-010", "Legs that wait for their entry are in nobody's way.", source="DOC", status="documented")
def test_waiting_legs_do_not_count(new_client: Callable[..., Any]) -> None:
    client = new_client(switches=Switches(wash_check_spares_groups=False))
    client.to("2008-09-02T14:00:00Z")
    assert client.send(type="limit", limit_price="96", order_class="bracket", **EXITS)[0] == 200
    assert client.send(qty="1")[0] == 200


@rule("WSH-011", "Another symbol is another market, and the same side no danger.", source="DOC", status="documented")
def test_other_symbols_and_the_same_side_are_free(client: Any) -> None:
    client.send()
    client.send(**SELL, **SELLS["stop"])
    assert client.send(symbol="XYZ")[0] == 200
    assert client.send(**SELL, **SELLS["limit"])[0] == 200


@rule("WSH-012", "An order that is done is in nobody's way.", source="DOC", status="documented")
def test_cancelled_order_does_not_count(client: Any) -> None:
    client.send()
    _, resting = client.send(**SELL, **SELLS["stop"])
    client.http.delete(f"/v2/orders/{resting['id']}")
    assert client.send(qty="1")[0] == 200


@rule("WSH-013", "A changed limit must not cross an open order either.", source="UNVERIFIED", status="unknown")
def test_replacement_is_checked_too(client: Any) -> None:
    client.send()
    _, sell = client.send(**SELL, **SELLS["limit"])
    _, buy = client.send(**BUYS["far limit"])
    answer = client.http.request("PATCH", f"/v2/orders/{buy['id']}", json={"limit_price": "112"})
    assert (answer.status_code, answer.json()["existing_order_id"]) == (403, sell["id"])
    assert client.http.request("PATCH", f"/v2/orders/{buy['id']}", json={"limit_price": "95"}).status_code == 200
