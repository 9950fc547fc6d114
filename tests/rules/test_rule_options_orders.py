"""Single-leg option orders: kinds, hours, levels, cover, and what they take of the options buying power."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

New = Callable[..., Any]
EXPIRY = "080905"
CALL_95, CALL_100, CALL_105 = (f"ABC{EXPIRY}C{strike:05d}000" for strike in (95, 100, 105))
PUT_90, PUT_95, PUT_100 = (f"ABC{EXPIRY}P{strike:05d}000" for strike in (90, 95, 100))
LATER_CALL = "ABC080919C00105000"


def send(
    client: Any, symbol: str, side: str = "buy", qty: object = "1", limit: object = None, **changes: object
) -> tuple[int, Any]:
    order = {"symbol": symbol, "side": side, "qty": qty, "type": "market", "time_in_force": "day"}
    order |= {} if limit is None else {"type": "limit", "limit_price": limit}
    answer = client.http.post("/v2/orders", json={**order, **changes})
    return answer.status_code, answer.json()


def refused(answer: tuple[int, Any]) -> tuple[int, int, str]:
    status, said = answer
    return status, said["code"], said["message"]


def held(client: Any, symbol: str, side: str = "buy", qty: object = "1") -> Any:
    """The client after a market order has filled."""
    status, said = send(client, symbol, side, qty)
    assert status == 200, said
    second = client.exchange.now.second + 1
    client.to(f"2008-09-02T14:00:{second:02d}Z")
    assert client.get(f"/v2/orders/{said['id']}")["status"] == "filled"
    return client


def at_ten(new_client: New, **settings: object) -> Any:
    client = new_client(**settings)
    client.to("2008-09-02T14:00:00Z")
    return client


def power(client: Any) -> Decimal:
    return Decimal(client.get("/v2/account")["options_buying_power"])


def quote(client: Any, symbol: str) -> tuple[Decimal, Decimal]:
    """(bid, ask) of a contract."""
    found = client.get("/v1beta1/options/quotes/latest", symbols=symbol, feed="indicative")["quotes"][symbol]
    return Decimal(str(found["bp"])), Decimal(str(found["ap"]))


@pytest.mark.rule("OPT-201", "Option quantities are whole numbers of contracts", source="DOC", status="documented")
def test_contracts_are_whole(client: Any) -> None:
    assert refused(send(client, CALL_100, qty="1.5", limit="1")) == (422, 42210000, "qty must be integer for options trading")


@pytest.mark.rule("OPT-202", "Options are not bought by dollars", source="DOC", status="documented")
def test_options_are_not_bought_by_dollars(client: Any) -> None:
    status, said = send(client, CALL_100, qty=None, notional="500")
    assert (status, said["code"]) == (422, 42210000)
    assert said["message"] == "notional orders are not supported for options trading"


@pytest.mark.parametrize("lifetime", ["opg", "cls", "ioc", "fok"])
@pytest.mark.rule("OPT-203", "Option orders live for the day or until cancelled", source="OAS", status="documented")
def test_option_orders_live_for_the_day_or_until_cancelled(client: Any, lifetime: str) -> None:
    assert refused(send(client, CALL_100, limit="1", time_in_force=lifetime)) == (422, 42210000, "invalid option time_in_force")
    for allowed in ("day", "gtc"):
        assert send(client, CALL_100, limit="0.50", time_in_force=allowed)[0] == 200


@pytest.mark.rule(
    "OPT-204", "Options have market, limit, stop and stop-limit orders, no trailing stops", source="DOC", status="documented"
)
def test_options_have_no_trailing_stops(client: Any) -> None:
    status, said = send(client, CALL_100, type="trailing_stop", trail_price="1")
    assert (status, said["code"], said["message"]) == (422, 42210000, "invalid option order_type")
    held(client, CALL_100)
    assert send(client, CALL_100, "sell", type="stop", stop_price="0.50")[0] == 200


@pytest.mark.rule("OPT-205", "Options do not trade in extended hours", source="DOC", status="documented")
def test_options_have_no_extended_hours(client: Any) -> None:
    answer = send(client, CALL_100, limit="1", extended_hours=True)
    assert refused(answer) == (422, 42210000, "extended hours is not supported for options trading")


@pytest.mark.rule("OPT-206", "Market orders for options are taken in market hours only", source="DOC", status="documented")
def test_market_orders_wait_for_market_hours(new_client: New) -> None:
    early = new_client()
    words = "options market orders are only allowed during market hours"
    assert refused(send(early, CALL_100)) == (422, 42210000, words)
    assert send(early, CALL_100, limit="1")[0] == 200
    early.to("2008-09-02T20:30:00Z")
    assert refused(send(early, CALL_100)) == (422, 42210000, words)


@pytest.mark.parametrize("order_class", ["bracket", "oco", "oto"])
@pytest.mark.rule("OPT-207", "Options take no bracket, OCO or OTO", source="DOC", status="documented")
def test_options_take_no_complex_orders(client: Any, order_class: str) -> None:
    exits: dict[str, Any] = {"take_profit": {"limit_price": "9"}, "stop_loss": {"stop_price": "0.10"}}
    if order_class == "oto":
        exits.pop("stop_loss")
    answer = send(
        client,
        CALL_100,
        limit="1",
        order_class=order_class,
        **({**exits, "limit_price": None} if order_class == "oco" else exits),
    )
    assert refused(answer) == (422, 42210000, "complex orders not supported for options trading")


@pytest.mark.rule(
    "OPT-208", "A contract that is not listed is not found; one that has expired is refused", source="DOC", status="documented"
)
def test_unlisted_and_expired_contracts_are_refused(client: Any) -> None:
    for symbol in ("ABC080905C00100500", "NIL080905C00100000"):
        status, code, words = refused(send(client, symbol, limit="1"))
        assert (status, code, words) == (422, 42210000, f'contract "{symbol}" not found')
    client.to("2008-09-08T14:00:00Z")
    status, code, words = refused(send(client, CALL_100, limit="1"))
    assert (status, code) == (422, 42210000) and words in (
        f'contract "{CALL_100}" is expired',
        f'contract "{CALL_100}" not found',
    )


@pytest.mark.rule("OPT-209", "Level 0 may not trade options", source="OAS", status="documented")
def test_level_zero_trades_no_options(new_client: New) -> None:
    client = at_ten(new_client, options_level=0)
    assert refused(send(client, CALL_100, limit="1")) == (403, 40310000, "account not authorized to trade options")
    assert client.get("/v2/account")["options_approved_level"] == 0


@pytest.mark.rule(
    "OPT-210", "Level 1 sells covered calls and cash-secured puts, and buys no options", source="OAS", status="documented"
)
def test_level_one_sells_what_is_covered(new_client: New) -> None:
    client = at_ten(new_client, options_level=1)
    words = "account not eligible to trade long option contracts"
    assert refused(send(client, CALL_100, limit="1")) == (403, 40310000, words)
    assert send(client, PUT_95, "sell", limit="0.15")[0] == 200
    held(client, "ABC", qty="100")
    assert send(client, CALL_105, "sell", limit="0.10")[0] == 200


@pytest.mark.rule("OPT-211", "Level 2 buys calls and puts; spreads need level 3", source="OAS", status="documented")
def test_level_two_buys_options_and_opens_no_spreads(new_client: New) -> None:
    client = held(at_ten(new_client, options_level=2), CALL_100)
    status, code, words = refused(send(client, CALL_105, "sell", limit="0.10"))
    assert (status, code) == (403, 40310000) and words.startswith("insufficient underlying qty available for covered call")


@pytest.mark.rule(
    "OPT-212",
    "A covered call needs a hundred free shares a contract; the refusal tells how many there are",
    source="DOC",
    status="documented",
)
def test_covered_call_needs_a_hundred_free_shares(client: Any) -> None:
    held(client, "ABC", qty="150")
    assert send(client, CALL_105, "sell", limit="5")[0] == 200  # rests, and locks a hundred
    status, said = send(client, CALL_105, "sell", limit="5")
    assert (status, said["code"], said["required_qty"], said["available_qty"]) == (403, 40310000, "100", "50")
    assert said["message"] == "insufficient underlying qty available for covered call (required: 100, available: 50)"
    assert said["symbol"] == CALL_105 and said["underlying_asset_id"] == client.get("/v2/assets/ABC")["id"]


@pytest.mark.rule("OPT-213", "Shares that a stop or a limit reserves cover no call", source="DOC", status="documented")
def test_reserved_shares_cover_no_call(client: Any) -> None:
    held(client, "ABC", qty="100")
    client.send(side="sell", qty="1", type="stop", stop_price="80")
    assert send(client, CALL_105, "sell", limit="5")[1]["available_qty"] == "99"


@pytest.mark.rule(
    "OPT-214",
    "A cash-secured put takes its strike times a hundred less the premium; the refusal tells both figures",
    source="DOC",
    status="documented",
)
def test_cash_secured_put_takes_its_strike_less_the_premium(new_client: New) -> None:
    client = at_ten(new_client, cash_usd=9_395.0)
    status, said = send(client, PUT_100, "sell", limit="2")
    words = "insufficient options buying power for cash-secured put (required: 9800, available: 9395)"
    assert (status, said) == (
        403,
        {"code": 40310000, "message": words, "buying_power": "9395", "required_options_buying_power": "9800"},
    )
    assert send(client, PUT_90, "sell", limit="0.50")[0] == 200
    assert power(client) == 9_395 - 8_950


@pytest.mark.rule(
    "OPT-215",
    "A long option takes its whole premium of the options buying power, without credit",
    source="DOC",
    status="documented",
)
def test_long_option_is_paid_in_full(client: Any) -> None:
    assert power(client) == 100_000
    status, said = send(client, CALL_100, qty="1001", limit="1")
    assert (status, said["message"]) == (403, "insufficient options buying power (required: 100100, available: 100000)")
    assert (said["options_buying_power"], said["cost_basis"]) == ("100000", "100100")
    assert send(client, CALL_100, qty="10", limit="1")[0] == 200
    assert power(client) == 99_000


@pytest.mark.rule("OPT-216", "A market buy of options costs the ask", source="DOC", status="documented")
def test_market_buy_costs_the_ask(client: Any) -> None:
    _, ask = quote(client, CALL_100)
    _, said = send(client, CALL_100, qty="2000")
    assert Decimal(said["cost_basis"]) >= 200_000 * ask


@pytest.mark.rule(
    "OPT-217",
    "From 15:30 New York on the last day no position is opened, and those there may be closed",
    source="DOC",
    status="documented",
)
def test_last_half_hour_takes_no_new_positions(client: Any) -> None:
    client.to("2008-09-05T19:29:00Z")
    assert send(client, PUT_90, limit="0.01")[0] == 200
    assert send(client, CALL_100, limit="1")[0] == 200
    client.to("2008-09-05T19:30:00Z")
    words = f'contract "{PUT_90}" expires soon, unable to open new positions'
    assert refused(send(client, PUT_90, limit="0.01")) == (422, 42210000, words)
    assert send(client, CALL_100, "sell", limit="30")[0] == 200
    assert send(client, LATER_CALL, limit="0.01")[0] == 200


@pytest.mark.rule(
    "OPT-218",
    "The position decides whether an order opens or closes; an intent that says otherwise is refused",
    source="DOC",
    status="documented",
)
def test_intent_must_match_the_position(client: Any) -> None:
    answer = send(client, CALL_100, limit="1", position_intent="buy_to_close")
    assert refused(answer) == (422, 42210000, "position intent mismatch, inferred: buy_to_open, specified: buy_to_close")
    held(client, CALL_100)
    answer = send(client, CALL_100, "sell", limit="3", position_intent="sell_to_open")
    assert refused(answer) == (422, 42210000, "position intent mismatch, inferred: sell_to_close, specified: sell_to_open")
    assert send(client, CALL_100, "sell", limit="3", position_intent="sell_to_close")[1]["position_intent"] == "sell_to_close"


@pytest.mark.rule(
    "OPT-219", "The bought leg of a spread is not sold before the sold one is bought back", source="DOC", status="documented"
)
def test_bought_leg_is_not_sold_first(client: Any) -> None:
    held(held(client, PUT_95), PUT_100, "sell")
    words = "account not eligible to trade uncovered option contracts"
    assert refused(send(client, PUT_95, "sell")) == (403, 40310000, words)
    held(client, PUT_100)
    assert send(client, PUT_95, "sell")[0] == 200


@pytest.mark.rule("OPT-220", "A call is sold at level 3 against a bought call that lives as long", source="DOC", status="unknown")
def test_bought_call_covers_a_sold_one(client: Any) -> None:
    held(client, CALL_100)
    answer = send(client, LATER_CALL, "sell", limit="1")
    assert refused(answer)[2] == "insufficient underlying qty available for covered call (required: 100, available: 0)"
    held(client, CALL_105, "sell")
    assert client.get("/v2/account")["maintenance_margin"] != "0"


@pytest.mark.rule(
    "OPT-221", "A sold put keeps its strike times a hundred as maintenance margin", source="DOC", status="documented"
)
def test_sold_put_keeps_its_strike(client: Any) -> None:
    held(client, PUT_95, "sell", "2")
    assert client.get("/v2/account")["maintenance_margin"] == "19000"


@pytest.mark.rule(
    "OPT-222", "Options sold short of what is held are refused with the free quantity", source="DOC", status="documented"
)
def test_closing_takes_no_more_than_is_held(client: Any) -> None:
    held(client, PUT_95, qty="2")
    assert send(client, PUT_95, "sell", limit="9")[0] == 200
    status, code, words = refused(send(client, PUT_95, "sell", qty="2", limit="9"))
    assert (status, code, words) == (403, 40310000, "insufficient qty available for order (requested: 2, available: 1)")


@pytest.mark.rule("OPT-223", "max_options_trading_level lowers the level in force", source="OAS", status="documented")
def test_configuration_lowers_the_level(client: Any) -> None:
    assert client.http.request("PATCH", "/v2/account/configurations", json={"max_options_trading_level": 1}).status_code == 200
    account = client.get("/v2/account")
    assert (account["options_approved_level"], account["options_trading_level"]) == (3, 1)
    assert send(client, CALL_100, limit="1")[0] == 403
