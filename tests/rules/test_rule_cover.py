"""What covers a sold option covers it once, open orders included."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

EXPIRY = "080905"
CALL_100, CALL_105 = f"ABC{EXPIRY}C00100000", f"ABC{EXPIRY}C00105000"
PUT_95, PUT_100 = f"ABC{EXPIRY}P00095000", f"ABC{EXPIRY}P00100000"
UNCOVERED = "account not eligible to trade uncovered option contracts"
LEG = {"ratio_qty": "1"}
VERTICAL = [
    {"symbol": CALL_100, "side": "buy", "position_intent": "buy_to_open", **LEG},
    {"symbol": CALL_105, "side": "sell", "position_intent": "sell_to_open", **LEG},
]


def sell(client: Any, symbol: str, limit: str) -> tuple[int, str]:
    status, said = client.send(symbol=symbol, side="sell", qty="1", type="limit", limit_price=limit)
    return status, said.get("message", "")


def above_bid(client: Any, symbol: str) -> str:
    """A limit that is met soon, and not at once."""
    found = client.get("/v1beta1/options/quotes/latest", symbols=symbol, feed="indicative")["quotes"][symbol]
    return str(Decimal(str(found["bp"])) + Decimal("0.10"))


def positions(client: Any) -> dict[str, int]:
    return {each["symbol"]: int(each["qty"]) for each in client.get("/v2/positions")}


@pytest.mark.rule(
    "OPT-224",
    "A bought call covers one sold call: orders that sell it one by one are refused like one that sells all of it",
    source="DOC",
    status="unknown",
)
def test_cover_is_sold_once(client: Any) -> None:
    assert client.send(symbol=CALL_100, qty="2", time_in_force="day")[0] == 200
    order = {"order_class": "mleg", "qty": "1", "type": "market", "time_in_force": "day", "legs": VERTICAL}
    assert client.http.post("/v2/orders", json=order).status_code == 200
    assert positions(client) == {CALL_100: 3, CALL_105: -1}
    limit = above_bid(client, CALL_100)
    said = [sell(client, CALL_100, limit) for _ in range(3)]
    assert said == [(200, ""), (200, ""), (403, UNCOVERED)]
    client.to("2008-09-05T19:00:00Z")
    assert positions(client)[CALL_100] >= -positions(client)[CALL_105]


@pytest.mark.rule(
    "OPT-225",
    "A put that an open order sells has taken the bought put that covers it: the next one needs cash",
    source="DOC",
    status="unknown",
)
def test_bought_put_spares_one_sold_put_its_cash(new_client: Any) -> None:
    client = new_client(cash_usd=2500.0)
    client.to("2008-09-02T14:00:00Z")
    assert client.send(symbol=PUT_100, qty="1", time_in_force="day")[0] == 200
    limit = above_bid(client, PUT_95)
    said = [sell(client, PUT_95, limit) for _ in range(3)]
    assert said[0] == (200, "")
    assert all(status == 403 and "cash-secured put" in words for status, words in said[1:])
    client.to("2008-09-08T14:00:00Z")
    assert Decimal(client.get("/v2/account")["cash"]) > 0
