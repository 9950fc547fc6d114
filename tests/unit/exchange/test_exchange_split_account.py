"""What a split's morning makes of an account: nothing is gained and nothing is lost before the market opens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from unit.exchange.conftest import frame

from desk.exchange.market.corporate import CorporateActions, Split

D = Decimal
DAYS = ["2008-08-29", "2008-09-02", "2008-09-03", "2008-09-04", "2008-09-05"]
EX = date(2008, 9, 3)
BEFORE, MORNING = "2008-09-03T07:59:59Z", "2008-09-03T08:00:00Z"
EARLY, OPEN = "2008-09-03T13:29:59Z", "2008-09-03T13:30:00Z"


def splitting(make: Callable[..., Any], new: int, old: int, before: float = 100) -> Any:
    """A client in the session before a split of ABC, whose price follows it."""
    client = make()
    after = before * old / new
    daily = client.exchange.market.source.daily
    daily["ABC"] = frame(DAYS, [before, before + 1, after, after, after])
    client.exchange.actions = CorporateActions((Split("ABC", EX, D(new), D(old)),))
    client.to("2008-09-02T14:00:00Z")
    return client


def equity(client: Any) -> Decimal:
    return D(client.get("/v2/account")["equity"])


@pytest.mark.parametrize(("new", "old"), [(2, 1), (1, 10), (4, 1)])
def test_equity_is_the_same_from_the_close_to_the_open(new_client: Callable[..., Any], new: int, old: int) -> None:
    client = splitting(new_client, new, old)
    client.send(qty="100")
    client.to(BEFORE)
    close = equity(client)
    for instant in (MORNING, EARLY):
        client.to(instant)
        assert equity(client) == close
        position = client.get("/v2/positions/ABC")
        assert D(position["qty"]) == 100 * new // old
        assert D(position["current_price"]) == D(101) * old / new
    client.to(OPEN)
    assert abs(equity(client) - close) < 110


def test_today_s_change_is_measured_on_the_new_terms(new_client: Callable[..., Any]) -> None:
    client = splitting(new_client, 2, 1)
    client.send(qty="100")
    client.to(EARLY)
    position = client.get("/v2/positions/ABC")
    assert (D(position["lastday_price"]), D(position["change_today"])) == (D("50.5"), D(0))
    assert D(position["unrealized_intraday_pl"]) == 0
    account = client.get("/v2/account")
    assert D(account["last_maintenance_margin"]) == D("50.5") * 200 * D("0.3")


def test_latest_trade_quote_and_mover_are_on_the_new_terms(new_client: Callable[..., Any]) -> None:
    client = splitting(new_client, 2, 1)
    client.to(EARLY)
    assert client.get("/v2/stocks/trades/latest", symbols="ABC")["trades"]["ABC"]["p"] == 50.5
    quote = client.get("/v2/stocks/quotes/latest", symbols="ABC")["quotes"]["ABC"]
    assert quote["bp"] <= 50.5 <= quote["ap"] < 51
    client.to("2008-09-03T20:00:00Z")
    movers = client.get("/v1beta1/screener/stocks/movers", top="10")
    changes = {each["symbol"]: each["percent_change"] for side in ("gainers", "losers") for each in movers[side]}
    assert abs(changes.get("ABC", 0)) < 2


@pytest.mark.parametrize(
    ("new", "old", "strike", "is_paid"),
    [(2, 1, 85, False), (2, 1, 105, False), (3, 1, 99, False), (3, 1, 100, True), (3, 2, 100, True), (1, 2, 95, True)],
)
def test_options_rewritten_or_paid_out_leave_the_equity(
    new_client: Callable[..., Any], new: int, old: int, strike: int, is_paid: bool
) -> None:
    client = splitting(new_client, new, old)
    client.send(symbol=f"ABC080919C{strike:05d}000", qty="2", time_in_force="day")
    client.to(BEFORE)
    close = equity(client)
    client.to(MORNING)
    assert abs(equity(client) - close) <= D("0.03")  # prices are whole units of 0.0001 dollars
    entries = client.get("/v2/account/activities/OPCA")
    assert any(D(entry["net_amount"]) for entry in entries) is is_paid


def test_snapshots_of_rewritten_options_are_on_the_new_terms(new_client: Callable[..., Any]) -> None:
    path, old, new = "/v1beta1/options/snapshots", "ABC080919C00085000", "ABC080919C00042500"

    def quoted(symbol: str) -> dict[str, Any]:
        shape: dict[str, Any] = client.get(path, symbols=symbol, feed="indicative")["snapshots"][symbol]["latestQuote"]
        return shape

    client = splitting(new_client, 2, 1)
    before = quoted(old)
    client.to(EARLY)
    after = quoted(new)
    assert abs((before["bp"] + before["ap"]) / 2 - after["bp"] - after["ap"]) < 2
    chain = client.get(f"{path}/ABC", feed="indicative", limit="1000", type="call", expiration_date="2008-09-19")["snapshots"]
    assert chain[new]["latestQuote"] == after
    assert all(each["latestQuote"]["bp"] < 40 for each in chain.values() if "latestQuote" in each)
