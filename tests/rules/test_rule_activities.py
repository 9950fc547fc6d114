"""Rules of account activities."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from alpaca.trading.models import NonTradeActivity, TradeActivity

from desk.exchange.config import AccountConfig

PATH = "/v2/account/activities"
ACCOUNT = {"account_id": str(UUID(int=1))}


def trade(client: Any, times: int = 1) -> list[str]:
    """Market orders an hour apart from 10:00 on; their ids."""
    ids = []
    for place in range(times):
        client.to(f"2008-09-02T{14 + place}:00:00Z")
        ids.append(str(client.send(qty=str(place + 1))[1]["id"]))
    return ids


def pay(client: Any) -> None:
    """A dividend that is paid now."""
    exchange = client.exchange
    exchange.first.ledger.enter(
        "DIV", exchange.now, exchange.today, Decimal("3.70"), sub_kind="CDIV", symbol="ABC", quantity=Decimal(10)
    )


@pytest.mark.rule(
    "ACT-001",
    "a FILL has its execution's price and quantity, what the order filled and what it leaves, and the order's id and status",
    source="OAS",
    status="documented",
)
def test_a_fill_tells_what_was_executed(client: Any) -> None:
    (order_id,) = trade(client)
    (fill,) = client.get(PATH)
    order = client.get(f"/v2/orders/{order_id}")
    assert (fill["activity_type"], fill["type"], fill["side"], fill["symbol"]) == ("FILL", "fill", "buy", "ABC")
    assert (fill["order_id"], fill["order_status"]) == (order_id, "filled")
    assert (fill["price"], fill["qty"], fill["cum_qty"], fill["leaves_qty"]) == (order["filled_avg_price"], "1", "1", "0")
    assert TradeActivity(**fill, **ACCOUNT).transaction_time.isoformat() == "2008-09-02T14:00:00+00:00"


@pytest.mark.rule("ACT-002", "a partial fill says so, and what is left of the order", source="OAS", status="documented")
def test_partial_fills_count_up(new_client: Any) -> None:
    client = new_client(partial_fill_probability=1.0)
    client.to("2008-09-02T14:00:00Z")
    client.send(qty="100")
    client.to("2008-09-02T15:00:00Z")
    fills = client.get(PATH, direction="asc")
    assert [fill["type"] for fill in fills] == ["partial_fill", "fill"]
    assert int(fills[0]["qty"]) + int(fills[0]["leaves_qty"]) == 100 == int(fills[1]["cum_qty"])
    assert fills[0]["order_status"] == "partially_filled"


@pytest.mark.rule(
    "ACT-003", "other activities have a date, a net amount, and what belongs to their kind", source="OAS", status="documented"
)
def test_a_dividend_has_its_own_fields(client: Any) -> None:
    pay(client)
    (dividend,) = client.get(PATH)
    assert (dividend["activity_type"], dividend["activity_sub_type"], dividend["net_amount"]) == ("DIV", "CDIV", "3.7")
    assert (dividend["date"], dividend["status"], dividend["currency"]) == ("2008-09-02", "executed", "USD")
    assert NonTradeActivity(**dividend, **ACCOUNT).date == date(2008, 9, 2)


@pytest.mark.rule("ACT-004", "activities are filtered by type, by path or by category", source="OAS", status="documented")
def test_activities_are_filtered_by_kind(client: Any) -> None:
    trade(client)
    pay(client)

    def kinds(path: str = PATH, **params: str) -> list[str]:
        return [each["activity_type"] for each in client.get(path, **params)]

    assert kinds(activity_types="FILL,DIV") == kinds() == ["DIV", "FILL"]
    assert kinds(activity_types="DIV") == kinds(f"{PATH}/DIV") == kinds(category="non_trade_activity") == ["DIV"]
    assert kinds(f"{PATH}/FILL") == kinds(category="trade_activity") == ["FILL"]
    assert client.http.get(PATH, params={"activity_types": "DIV", "category": "trade_activity"}).status_code == 422


@pytest.mark.rule("ACT-005", "the newest activity comes first unless direction is asc", source="OAS", status="documented")
def test_the_direction_of_activities(client: Any) -> None:
    ids = trade(client, 3)
    assert [fill["order_id"] for fill in client.get(PATH)] == ids[::-1]
    assert [fill["order_id"] for fill in client.get(PATH, direction="asc")] == ids


@pytest.mark.rule("ACT-006", "after and until bound the listing, date names one day in UTC", source="OAS", status="documented")
def test_activities_of_a_time(client: Any) -> None:
    ids = trade(client, 3)
    between = client.get(PATH, after="2008-09-02T14:30:00Z", until="2008-09-02T16:00:00Z")
    assert [fill["order_id"] for fill in between] == [ids[1]]
    assert len(client.get(PATH, date="2008-09-02")) == 3 and client.get(PATH, date="2008-09-03") == []


@pytest.mark.rule(
    "ACT-007", "page_token is the id of the last activity; a page has at most 100", source="OAS", status="documented"
)
def test_activities_come_in_pages(client: Any) -> None:
    ids = trade(client, 5)
    seen: list[str] = []
    token: dict[str, str] = {}
    while page := client.get(PATH, page_size=2, **token):
        assert len(page) <= 2
        seen += [fill["order_id"] for fill in page]
        token = {"page_token": page[-1]["id"]}
    assert seen == ids[::-1]
    for size in ("0", "101", "x"):
        assert client.http.get(PATH, params={"page_size": size}).status_code == 422


@pytest.mark.rule(
    "ACT-008", "an id begins with New York's time and is followed by a unique part", source="OAS", status="documented"
)
def test_ids_sort_by_time(client: Any) -> None:
    trade(client, 3)
    ids = [fill["id"] for fill in client.get(PATH)]
    assert ids == sorted(ids, reverse=True)
    assert ids[0].startswith("20080902120000000::") and len({each.partition("::")[2] for each in ids}) == 3


@pytest.mark.rule("ACT-009", "order_id shows the fills of one order", source="OAS", status="documented")
def test_fills_of_one_order(client: Any) -> None:
    ids = trade(client, 2)
    assert [fill["qty"] for fill in client.get(PATH, order_id=ids[1])] == ["2"]


@pytest.mark.rule("ACT-010", "activities of another account are not shown", source="OAS", status="documented")
def test_activities_belong_to_their_account(new_client: Any) -> None:
    client = new_client(accounts=(AccountConfig("other", "secret"),))
    client.to("2008-09-02T14:00:00Z")
    client.send()
    other = client.stranger({"APCA-API-KEY-ID": "other", "APCA-API-SECRET-KEY": "secret"})
    assert len(client.get(PATH)) == 1 and other.get(PATH).json() == []


@pytest.mark.rule(
    "PAP-101",
    "what becomes of an option is listed on the next day, though the position is gone at once",
    source="DOC",
    status="documented",
)
def test_option_activities_appear_the_next_day(client: Any) -> None:
    exchange = client.exchange
    exchange.first.ledger.enter_option("OPEXP", "ABC080905C00100000", Decimal(-1), Decimal(0), exchange.now)
    assert client.get(PATH) == []
    client.to((exchange.now + timedelta(days=1)).isoformat())
    (expiry,) = client.get(f"{PATH}/OPEXP")
    assert (expiry["date"], expiry["qty"], expiry["net_amount"]) == ("2008-09-02", "-1", "0")
