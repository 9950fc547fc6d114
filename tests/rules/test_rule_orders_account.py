"""Orders against the account, its settings and the hour; and what a taken order looks like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from desk.exchange.machine.book import Latency
from desk.exchange.switches import Switches

Body = dict[str, Any]
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
SHORT_EXITS: Body = {"take_profit": {"limit_price": "85"}, "stop_loss": {"stop_price": "105"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", **EXITS}
RESTING: Body = {"type": "limit", "limit_price": "90"}
MORNING = "2008-09-02T14:00:00Z"
SLOW = Latency(cancel=timedelta(minutes=5), replace=timedelta(minutes=5))
rule = pytest.mark.rule


def at(new_client: Callable[..., Any], moment: str = MORNING, **settings: object) -> Any:
    client = new_client(**settings)
    client.to(moment)
    return client


def configure(client: Any, **settings: object) -> None:
    answer = client.http.request("PATCH", "/v2/account/configurations", json=settings)
    assert answer.status_code == 200, answer.text


@rule("ORD-060", "A client order id is unique for ever, also after the order is gone.", source="3P-M", status="measured")
def test_client_order_id_is_never_taken_twice(client: Any) -> None:
    assert client.send(client_order_id="once", **RESTING)[0] == 200
    client.http.delete("/v2/orders")
    for symbol in ("ABC", "NONE"):
        status, body = client.send(client_order_id="once", symbol=symbol)
        assert (status, body) == (422, {"code": 40010001, "message": "client_order_id must be unique"})


@rule("ORD-061", "A refused order's client order id may be used again.", source="UNVERIFIED", status="unknown")
def test_refused_order_leaves_its_id_free(client: Any) -> None:
    assert client.send(client_order_id="again", qty="100000")[0] == 403
    assert client.send(client_order_id="again")[0] == 200


@rule("ORD-062", "Numbers may be JSON numbers or strings.", source="SDK", status="documented")
@pytest.mark.parametrize("price", ["90", 90, 90.0, "90.00"])
def test_numbers_come_in_either_form(client: Any, price: object) -> None:
    status, body = client.send(type="limit", limit_price=price, qty=10.0)
    assert (status, body["limit_price"], body["qty"]) == (200, "90", "10")


@rule("ORD-063", "A body that is no JSON object is refused and changes nothing.", source="UNVERIFIED", status="unknown")
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"qty": NaN'])
def test_malformed_body_is_refused(client: Any, content: bytes) -> None:
    answer = client.http.post("/v2/orders", content=content)
    assert answer.status_code in (400, 422) and answer.json()["message"]
    assert client.get("/v2/orders", status="all") == []


@rule("ORD-064", "A simple limit order with DAY or GTC may trade in extended hours.", source="OAS", status="documented")
@pytest.mark.parametrize("lifetime", ["day", "gtc"])
def test_limit_orders_are_eligible_for_extended_hours(client: Any, lifetime: str) -> None:
    status, body = client.send(**RESTING, time_in_force=lifetime, extended_hours=True)
    assert (status, body["extended_hours"]) == (200, True)


@rule("ORD-065", "A cash account cannot sell short.", source="OAS", status="documented")
def test_cash_account_cannot_short(new_client: Callable[..., Any]) -> None:
    client = at(new_client, multiplier=1)
    status, body = client.send(side="sell")
    assert (status, body) == (403, {"code": 40310000, "message": "account is not allowed to short"})
    assert client.send(order_class="bracket", side="sell", **SHORT_EXITS)[1]["message"] == "account is not allowed to short"


@rule("ORD-066", "A margin account sells short whole shares; the order says sell_to_open.", source="DOC", status="documented")
def test_margin_account_shorts(client: Any) -> None:
    status, body = client.send(side="sell")
    assert (status, body["position_intent"]) == (200, "sell_to_open")
    assert client.get("/v2/positions/ABC")["qty"] == "-10"
    assert client.send(qty="4")[1]["position_intent"] == "buy_to_close"


@rule("ORD-067", "no_shorting and a margin multiplier of 1 forbid short sales.", source="OAS", status="documented")
@pytest.mark.parametrize("setting", [{"no_shorting": True}, {"max_margin_multiplier": "1"}])
def test_settings_forbid_shorts(client: Any, setting: Body) -> None:
    configure(client, **setting)
    assert client.send(side="sell")[1]["message"] == "account is not allowed to short"


@rule("ORD-068", "suspend_trade refuses every new order.", source="3P-M", status="measured")
def test_suspended_account_takes_no_order(client: Any) -> None:
    configure(client, suspend_trade=True)
    status, body = client.send()
    assert (status, body) == (403, {"code": 40310000, "message": "new orders are rejected by user request"})
    configure(client, suspend_trade=False)
    assert client.send()[0] == 200


@rule("ORD-069", "Without fractional_trading there are no fractions.", source="OAS", status="documented")
def test_fractions_can_be_switched_off(client: Any) -> None:
    configure(client, fractional_trading=False)
    assert client.send(qty="1.5", time_in_force="day")[0] == 403
    assert client.send(qty="1", time_in_force="day")[0] == 200


@rule("ORD-070", "A simple DAY order may be for a fraction: market, limit or stop.", source="3P-M", status="measured")
@pytest.mark.parametrize("kind", [{}, RESTING, {"type": "stop", "stop_price": 110}])
def test_fraction_is_taken(client: Any, kind: Body) -> None:
    status, body = client.send(qty="1.5", time_in_force="day", **kind)
    assert (status, body["qty"]) == (200, "1.5")


@rule("ORD-071", "A DAY market order may be for an amount of dollars; its qty is null.", source="OAS", status="documented")
def test_amount_of_dollars_is_taken(client: Any) -> None:
    status, body = client.send(qty=None, notional="250", time_in_force="day")
    assert (status, body["notional"], body["qty"]) == (200, "250", None)
    assert client.get("/v2/positions/ABC")["qty"].startswith("2.4")


@rule("ORD-072", "What the account cannot pay for is refused with its power and the cost.", source="3P", status="documented")
def test_buying_power_is_checked_at_the_limit(new_client: Callable[..., Any]) -> None:
    client = at(new_client, multiplier=1)
    status, body = client.send(qty="5000", type="limit", limit_price="100")
    assert (status, body["code"], body["message"]) == (403, 40310000, "insufficient buying power")
    assert (body["buying_power"], body["cost_basis"]) == ("100000", "500000")


@rule("ORD-073", "A buy without a limit is valued 2.5 % above the ask from $50 up.", source="DOC", status="documented")
def test_market_buy_is_collared(new_client: Callable[..., Any]) -> None:
    client = at(new_client, multiplier=1)
    assert client.send(qty="975")[1]["cost_basis"] == "100025.25"  # an ask of 100.09, so 102.59 a share
    assert client.send(qty="974")[0] == 200


@rule("ORD-074", "A buy without a limit is valued 4 % above the ask below $50.", source="DOC", status="documented")
def test_cheap_market_buy_has_the_wider_collar(new_client: Callable[..., Any]) -> None:
    client = at(new_client, "2008-09-05T14:00:00Z", multiplier=1)
    ask = float(client.exchange.market.quote("NEW", client.exchange.now).ask) / 10_000
    cost = float(client.send(symbol="NEW", qty="10000")[1]["cost_basis"])
    assert cost == pytest.approx(10_000 * round(ask * 1.04, 2))


@rule("ORD-075", "A buy stop is valued 2.5 % above its stop.", source="DOC", status="documented")
def test_buy_stop_is_valued_above_its_stop(new_client: Callable[..., Any]) -> None:
    client = at(new_client, multiplier=1)
    assert client.send(qty="900", type="stop", stop_price="120")[1]["cost_basis"] == "110700"


@rule("ORD-076", "OPG orders are taken until 09:28 and from 19:00 New York.", source="OAS", status="documented")
@pytest.mark.parametrize(
    ("moment", "status"),
    [("12:30", 200), ("13:27", 200), ("13:28", 422), ("15:00", 422), ("20:30", 422), ("22:59", 422), ("23:00", 200)],
)
def test_opening_auction_has_a_last_call(new_client: Callable[..., Any], moment: str, status: int) -> None:
    client = at(new_client, f"2008-09-02T{moment}:00Z")
    assert client.send(time_in_force="opg")[0] == status


@rule("ORD-077", "CLS orders are taken until 15:50 and from 19:00 New York.", source="OAS", status="documented")
@pytest.mark.parametrize(
    ("moment", "status"), [("13:00", 200), ("19:49", 200), ("19:50", 422), ("21:00", 422), ("22:59", 422), ("23:00", 200)]
)
def test_closing_auction_has_a_last_call(new_client: Callable[..., Any], moment: str, status: int) -> None:
    client = at(new_client, f"2008-09-02T{moment}:00Z")
    assert client.send(time_in_force="cls")[0] == status


@rule("ORD-078", "IOC and FOK go with market and limit orders.", source="OAS", status="documented")
@pytest.mark.parametrize("lifetime", ["ioc", "fok"])
@pytest.mark.parametrize("kind", [{}, {"type": "limit", "limit_price": "101"}])
def test_orders_for_an_instant_are_taken(client: Any, lifetime: str, kind: Body) -> None:
    status, body = client.send(time_in_force=lifetime, **kind)
    assert (status, body["time_in_force"]) == (200, lifetime)


@rule("ORD-079", "An OCO may name its take-profit's price a second time, as its own limit.", source="3P-M", status="measured")
def test_oco_with_a_matching_limit_is_taken(client: Any) -> None:
    client.send()
    status, body = client.send(**OCO, limit_price="115")
    assert (status, body["limit_price"], body["type"]) == (200, "115", "limit")
    assert [(leg["type"], leg["stop_price"], leg["status"]) for leg in body["legs"]] == [("stop", "95", "held")]


@rule("ORD-080", "An OCO's own limit differs from its take-profit's: refused.", source="UNVERIFIED", status="unknown")
def test_oco_with_two_limits_is_refused(client: Any) -> None:
    client.send()
    assert client.send(**OCO, limit_price="114")[0] == 422


@rule("ORD-081", "An OCO that buys closes a short position.", source="DOC", status="documented")
def test_oco_covers_a_short(client: Any) -> None:
    client.send(side="sell")
    status, body = client.send(**{**OCO, "side": "buy", **SHORT_EXITS})
    assert (status, body["position_intent"]) == (200, "buy_to_close")


@rule("ORD-082", "A switch lets an OCO have a stop_price that nobody reads.", source="UNVERIFIED", status="unknown")
def test_top_level_stop_of_an_oco_can_be_overlooked(new_client: Callable[..., Any]) -> None:
    client = at(new_client, switches=Switches(oco_refuses_top_level_stop=False))
    client.send()
    status, body = client.send(**OCO, stop_price="80")
    assert (status, body["stop_price"], body["legs"][0]["stop_price"]) == (200, None, "95")


@rule("ORD-083", "An OTO with either exit is taken.", source="DOC", status="documented")
@pytest.mark.parametrize("name", ["take_profit", "stop_loss"])
def test_oto_has_one_leg(client: Any, name: str) -> None:
    status, body = client.send(order_class="oto", **{name: EXITS[name]})
    assert status == 200 and len(body["legs"]) == 1 and body["legs"][0]["status"] == "held"


@rule("ORD-084", "A stop-loss with a limit price is a stop-limit leg.", source="DOC", status="documented")
def test_stop_loss_may_have_a_limit(client: Any) -> None:
    _, body = client.send(order_class="bracket", **{**EXITS, "stop_loss": {"stop_price": "95", "limit_price": "94.5"}})
    stop = body["legs"][1]
    assert (stop["type"], stop["stop_price"], stop["limit_price"]) == ("stop_limit", "95", "94.5")


@rule("ORD-085", "A bracket that sells short has its target below and its stop above.", source="DOC", status="documented")
def test_short_bracket_is_taken(client: Any) -> None:
    status, body = client.send(order_class="bracket", side="sell", **SHORT_EXITS)
    assert status == 200 and [leg["side"] for leg in body["legs"]] == ["buy", "buy"]


@rule("ORD-086", "A switch lets a bracket add to a position, but never close one.", source="3P-M", status="unknown")
def test_brackets_may_be_allowed_on_a_position(new_client: Callable[..., Any]) -> None:
    client = at(new_client, switches=Switches(brackets_only_from_flat=False))
    client.send()
    assert client.send(**BRACKET)[0] == 200
    assert client.send(order_class="bracket", side="sell", **SHORT_EXITS)[1]["message"] == "bracket orders must be entry orders"


@rule("ORD-087", "Limits far from the market are refused only when so switched.", source="DOC", status="unknown")
def test_limits_far_away_can_be_refused(new_client: Callable[..., Any]) -> None:
    far = {"type": "limit", "limit_price": "40"}
    assert at(new_client).send(**far)[0] == 200
    status, body = at(new_client, switches=Switches(refuse_far_limits=True)).send(**far)
    assert (status, body["code"], body["base_price"]) == (422, 42210000, "100.08")


@rule("ORD-088", "The position intent is inferred and told.", source="OAS", status="documented")
def test_intent_is_inferred(client: Any) -> None:
    assert client.send()[1]["position_intent"] == "buy_to_open"
    assert client.send()[1]["position_intent"] == "buy_to_open"
    assert client.send(side="sell", qty="5")[1]["position_intent"] == "sell_to_close"


@rule("ORD-089", "A finished order cannot be cancelled.", source="3P", status="documented")
def test_filled_order_is_not_cancelled(client: Any) -> None:
    _, order = client.send()
    answer = client.http.delete(f"/v2/orders/{order['id']}")
    assert (answer.status_code, answer.json()) == (422, {"code": 42210000, "message": 'order is already in "filled" state'})


@rule("ORD-090", "An order that is being cancelled is not cancelled again.", source="3P", status="documented")
def test_cancel_is_asked_for_once(new_client: Callable[..., Any]) -> None:
    client = at(new_client, latency=SLOW)
    _, order = client.send(**RESTING)
    client.to("2008-09-02T14:01:00Z")
    assert client.http.delete(f"/v2/orders/{order['id']}").status_code == 204
    answer = client.http.delete(f"/v2/orders/{order['id']}")
    assert (answer.status_code, answer.json()) == (422, {"code": 42210000, "message": "order pending cancel"})


@rule("ORD-091", "An order that is being replaced is not cancelled.", source="OAS", status="documented")
def test_order_pending_replace_is_not_cancelled(new_client: Callable[..., Any]) -> None:
    client = at(new_client, latency=SLOW)
    _, order = client.send(**RESTING)
    client.to("2008-09-02T14:01:00Z")
    assert client.http.request("PATCH", f"/v2/orders/{order['id']}", json={"limit_price": 91}).status_code == 200
    assert client.http.delete(f"/v2/orders/{order['id']}").status_code == 422


@rule("ORD-092", "An order that is still queued can be cancelled.", source="3P-M", status="measured")
def test_queued_order_is_cancelled(new_client: Callable[..., Any]) -> None:
    client = new_client()
    _, order = client.send(**RESTING)
    assert order["status"] == "accepted"
    assert client.http.delete(f"/v2/orders/{order['id']}").status_code == 204
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "canceled"


@rule("ORD-093", "An unknown order is not found.", source="OAS", status="documented")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_unknown_order_is_404(client: Any, method: str) -> None:
    answer = client.http.request(method, "/v2/orders/904837e3-3b76-47ec-b432-046db621571b", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, 40410000)


@rule(
    "ORD-094",
    "A trailing stop starts from the market, by dollars or by percent.",
    source="DOC",
    status="documented",
)
@pytest.mark.parametrize("trail", [{"trail_price": "1"}, {"trail_percent": "1.0"}])
def test_trailing_stop_is_taken(client: Any, trail: Body) -> None:
    client.send()
    status, body = client.send(side="sell", type="trailing_stop", **trail)
    assert status == 200 and [body[name] for name in trail] == [value.rstrip("0").rstrip(".") for value in trail.values()]
