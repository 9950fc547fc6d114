"""The account as a whole, keys, and what only paper accounts do."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from desk.exchange.config import AccountConfig

New = Callable[..., Any]
DOC = {"source": "DOC", "status": "documented"}
OAS = {"source": "OAS", "status": "documented"}
MORNING = "2008-09-02T14:00:00Z"
MONEY = [
    "cash",
    "buying_power",
    "regt_buying_power",
    "options_buying_power",
    "non_marginable_buying_power",
    "portfolio_value",
    "equity",
    "last_equity",
    "long_market_value",
    "short_market_value",
    "initial_margin",
    "maintenance_margin",
    "last_maintenance_margin",
    "sma",
    "accrued_fees",
]
FLAGS = ["shorting_enabled", "trading_blocked", "transfers_blocked", "account_blocked", "trade_suspended_by_user"]


@pytest.mark.rule("ACC-401", "The account has every documented field; its money is strings, its flags are booleans", **OAS)
def test_the_account_has_its_fields(client: Any) -> None:
    client.send()
    account = client.get("/v2/account")
    assert {name: account.get(name) for name in MONEY if not isinstance(account.get(name), str)} == {}
    assert {name: account.get(name) for name in FLAGS if account.get(name) is not False and name != "shorting_enabled"} == {}
    assert account["shorting_enabled"] is True
    assert (account["status"], account["currency"], account["multiplier"]) == ("ACTIVE", "USD", "4")
    assert (account["options_approved_level"], account["options_trading_level"]) == (3, 3)
    assert {"id", "account_number", "created_at", "balance_asof", "intraday_adjustments", "pending_reg_taf_fees"} <= set(account)


@pytest.mark.rule(
    "ACC-402", "Wrong or missing keys are refused with 401, whatever is asked", source="3P, DOC", status="documented"
)
@pytest.mark.parametrize(
    "keys", [{}, {"APCA-API-KEY-ID": "key-for-tests", "APCA-API-SECRET-KEY": "wrong"}], ids=["none", "wrong"]
)
def test_strangers_are_refused(client: Any, keys: dict[str, str]) -> None:
    stranger = client.stranger(keys)
    for method, path in (("GET", "/v2/account"), ("POST", "/v2/orders"), ("GET", "/v2/stocks/bars"), ("DELETE", "/v2/positions")):
        answer = stranger.request(method, path)
        assert answer.status_code == 401
        assert answer.json()["message"]


@pytest.mark.rule("ACC-403", "Each pair of keys opens an account of its own", **OAS)
def test_accounts_are_apart(new_client: New) -> None:
    client = new_client(accounts=(AccountConfig("second-key", "second-secret", 5_000.0),))
    client.to(MORNING)
    second = client.stranger({"APCA-API-KEY-ID": "second-key", "APCA-API-SECRET-KEY": "second-secret"})
    assert client.send()[0] == 200
    assert second.get("/v2/positions").json() == [] and len(client.get("/v2/positions")) == 1
    theirs, ours = second.get("/v2/account").json(), client.get("/v2/account")
    assert Decimal(theirs["cash"]) == 5_000
    assert theirs["account_number"] != ours["account_number"] and theirs["id"] != ours["id"]


@pytest.mark.rule(
    "PAP-201", "A paper account starts with 100,000 dollars unless told otherwise; its number begins with PA", **DOC
)
def test_a_paper_account_starts_with_a_hundred_thousand(new_client: New) -> None:
    account = new_client().get("/v2/account")
    assert Decimal(account["cash"]) == Decimal(account["equity"]) == 100_000
    assert account["account_number"].startswith("PA")


@pytest.mark.rule("PAP-202", "Marketable orders fill at the quote: a buy at the ask, a sell at the bid", **DOC)
def test_orders_fill_at_the_quote(client: Any) -> None:
    quote = client.get("/v2/stocks/quotes/latest", symbols="ABC", feed="iex")["quotes"]["ABC"]
    bought, sold = (client.send(side=side, time_in_force="day")[1] for side in ("buy", "sell"))
    assert Decimal(client.get(f"/v2/orders/{bought['id']}")["filled_avg_price"]) == Decimal(str(quote["ap"]))
    assert Decimal(client.get(f"/v2/orders/{sold['id']}")["filled_avg_price"]) == Decimal(str(quote["bp"]))


@pytest.mark.rule("PAP-203", "The size of an order is not held against the size of the quote", **DOC)
def test_size_of_the_quote_does_not_matter(client: Any) -> None:
    quote = client.get("/v2/stocks/quotes/latest", symbols="ABC", feed="iex")["quotes"]["ABC"]
    order = client.send(qty="3000", time_in_force="day")[1]
    assert quote["as"] < 3000
    filled = client.get(f"/v2/orders/{order['id']}")
    assert (filled["status"], filled["filled_qty"]) == ("filled", "3000")
    assert Decimal(filled["filled_avg_price"]) == Decimal(str(quote["ap"]))


@pytest.mark.rule("PAP-204", "One eligible order in ten fills in part at first, by a random size; the rest follows", **DOC)
def test_one_order_in_ten_is_partly_filled(new_client: New) -> None:
    client = new_client(partial_fill_probability=0.1, cash_usd=1e9)
    client.to(MORNING)
    orders = [client.send(qty="10", time_in_force="day")[1]["id"] for _ in range(200)]
    partly = [order for each in orders if (order := client.get(f"/v2/orders/{each}"))["status"] == "partially_filled"]
    assert 8 <= len(partly) <= 36
    assert all(0 < int(order["filled_qty"]) < 10 for order in partly) and len({order["filled_qty"] for order in partly}) > 3
    client.to("2008-09-02T14:30:00Z")
    assert {client.get(f"/v2/orders/{each}")["status"] for each in orders} == {"filled"}


@pytest.mark.rule("PAP-205", "Data of a paper account is IEX's unless it is told to have SIP", **DOC)
def test_paper_accounts_see_iex(new_client: New) -> None:
    for has_sip, status in ((False, 403), (True, 200)):
        client = new_client(has_sip=has_sip)
        client.to(MORNING)
        assert client.http.get("/v2/stocks/quotes/latest", params={"symbols": "ABC", "feed": "sip"}).status_code == status
        assert client.http.get("/v2/stocks/quotes/latest", params={"symbols": "ABC"}).status_code == 200


@pytest.mark.rule("DAT-101", "Prices are in dollars; another currency or an unreadable asof is a 400", **OAS)
def test_other_currencies_are_refused(client: Any) -> None:
    asked = {"symbols": "ABC", "timeframe": "1Day", "start": "2008-08-29", "feed": "iex"}
    assert client.http.get("/v2/stocks/bars", params={**asked, "currency": "USD", "asof": "2008-09-02"}).status_code == 200
    for wrong in ({"currency": "EUR"}, {"asof": "some day"}):
        assert client.http.get("/v2/stocks/bars", params={**asked, **wrong}).status_code == 400
