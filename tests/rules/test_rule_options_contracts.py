"""Option contracts as the trading API lists them, and what a holder may ask for."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

Body = dict[str, Any]
CONTRACTS = "/v2/options/contracts"
CALL, PUT = "ABC080905C00100000", "ABC080905P00100000"
UNTIL_OCTOBER = {"expiration_date_lte": "2008-10-31"}
FIELDS = (
    "id symbol name status tradable expiration_date root_symbol underlying_symbol underlying_asset_id type style strike_price "
    "multiplier size ppind open_interest open_interest_date close_price close_price_date"
)
rule = pytest.mark.rule


def listed(client: Any, **params: object) -> list[Body]:
    """All pages of a listing."""
    found: list[Body] = []
    while True:
        page = client.get(CONTRACTS, **{"underlying_symbols": "ABC", "limit": 10_000, **params})
        found += page["option_contracts"]
        if page["next_page_token"] is None:
            return found
        params["page_token"] = page["next_page_token"]


def expirations(contracts: list[Body]) -> list[str]:
    return sorted({contract["expiration_date"] for contract in contracts})


def refused(client: Any, path: str = CONTRACTS, **params: object) -> tuple[int, Body]:
    answer = client.http.get(path, params=params)
    return answer.status_code, answer.json()


def bought(client: Any, symbol: str, quantity: str = "1") -> None:
    status, body = client.send(symbol=symbol, qty=quantity, time_in_force="day")
    assert status == 200, body
    assert client.get(f"/v2/orders/{body['id']}")["status"] == "filled"


def asked(client: Any, symbol: str, wish: str = "exercise") -> tuple[int, Body]:
    answer = client.http.post(f"/v2/positions/{symbol}/{wish}")
    return answer.status_code, answer.json() if answer.content else {}


def held(client: Any) -> dict[str, str]:
    return {position["symbol"]: position["qty"] for position in client.get("/v2/positions")}


@rule(
    "OPT-100",
    "Without dates only active contracts that expire before the upcoming weekend are listed.",
    source="OAS",
    status="documented",
)
def test_default_window_ends_with_the_week(client: Any) -> None:
    assert expirations(listed(client)) == ["2008-09-05"]
    assert {contract["status"] for contract in listed(client)} == {"active"}
    client.to("2008-09-05T20:30:00Z")
    assert expirations(listed(client)) == ["2008-09-05"]
    client.to("2008-09-06T14:00:00Z")
    assert expirations(listed(client)) == ["2008-09-12"]


@rule(
    "OPT-101", "A later first date alone finds nothing: the last date is still the weekend's.", source="OAS", status="documented"
)
def test_first_date_alone_leaves_the_default_last_date(client: Any) -> None:
    assert listed(client, expiration_date_gte="2008-09-12") == []


@rule(
    "OPT-102",
    "Contracts are found by the exact, the first and the last date of their expiration.",
    source="OAS",
    status="documented",
)
def test_dates_choose_expirations(client: Any) -> None:
    assert expirations(listed(client, expiration_date="2008-09-19")) == ["2008-09-19"]
    weeks = ["2008-09-12", "2008-09-19", "2008-09-26"]
    assert expirations(listed(client, expiration_date_gte="2008-09-12", expiration_date_lte="2008-09-26")) == weeks
    assert expirations(listed(client, **UNTIL_OCTOBER))[-1] == "2008-10-17"


@rule(
    "OPT-103",
    "A page has 100 contracts, or as many as asked up to 10000, and a token for the rest.",
    source="OAS",
    status="documented",
)
def test_pages_of_contracts_join_without_a_gap(client: Any) -> None:
    first = client.get(CONTRACTS, underlying_symbols="ABC", **UNTIL_OCTOBER)
    assert len(first["option_contracts"]) == 100
    assert first["next_page_token"] is not None
    whole = listed(client, **UNTIL_OCTOBER)
    assert len(whole) > 200
    assert listed(client, limit=70, **UNTIL_OCTOBER) == whole
    assert len({contract["symbol"] for contract in whole}) == len(whole)
    for limit in ("0", "10001", "many", "-1", "1.5"):
        assert refused(client, limit=limit)[0] == 422
    for token in ("!", "%", b64encode(b"next").decode(), b64encode(b"-5").decode()):
        assert refused(client, page_token=token)[0] == 422


@rule("OPT-104", "Contracts are found by type, root, strikes and several underlyings.", source="OAS", status="documented")
def test_filters_choose_contracts(client: Any) -> None:
    calls = listed(client, type="call", strike_price_gte=99.5, strike_price_lte="105")
    assert [contract["strike_price"] for contract in calls] == ["100", "102.5", "105"]
    assert {contract["type"] for contract in calls} == {"call"}
    both = listed(client, underlying_symbols="ABC,XYZ")
    assert {contract["underlying_symbol"] for contract in both} == {"ABC", "XYZ"}
    assert listed(client, underlying_symbols="ABC,XYZ", root_symbol="XYZ") == [c for c in both if c["root_symbol"] == "XYZ"]
    assert listed(client, underlying_symbols="") == both  # NEW has not traded yet
    assert listed(client, underlying_symbols="NONE") == []


@rule(
    "OPT-105",
    "Style and penny program filter contracts; all here are American and in the program.",
    source="OAS",
    status="documented",
)
def test_style_and_penny_program(client: Any) -> None:
    whole = listed(client)
    assert listed(client, style="american", ppind="true") == whole
    assert listed(client, style="european") == []
    assert listed(client, ppind="false") == []


@rule("OPT-106", "Deliverables are told only when asked for: 100 shares of the underlying.", source="OAS", status="documented")
def test_deliverables_come_when_asked_for(client: Any) -> None:
    assert "deliverables" not in listed(client)[0]
    (told,) = listed(client, show_deliverables="true")[0]["deliverables"]
    assert (told["type"], told["symbol"], told["amount"]) == ("equity", "ABC", "100")
    assert told["asset_id"] == client.get("/v2/assets/ABC")["id"]


@rule("OPT-107", "A contract has all of Alpaca's fields, quantities and prices as text.", source="OAS", status="documented")
def test_contract_has_every_field(client: Any) -> None:
    client.to("2008-09-03T14:00:00Z")
    contract = client.get(f"{CONTRACTS}/{CALL}")
    assert set(contract) == set(FIELDS.split())
    assert contract["name"] == "ABC Sep 05 2008 100 Call"
    assert (contract["strike_price"], contract["multiplier"], contract["size"]) == ("100", "100", "100")
    assert contract["close_price_date"] == contract["open_interest_date"] == "2008-09-02"
    assert 1.0 < float(contract["close_price"]) < 3.0
    assert contract["underlying_asset_id"] == client.get("/v2/assets/ABC")["id"]


@rule("OPT-108", "A contract is found by its symbol and by its id.", source="OAS", status="documented")
def test_contract_is_found_by_either_name(client: Any) -> None:
    contract = client.get(f"{CONTRACTS}/{CALL}")
    assert client.get(f"{CONTRACTS}/{contract['id']}") == contract


@rule("OPT-109", "An unknown contract is a 404 that names it.", source="OAS", status="documented")
@pytest.mark.parametrize("name", ["TSLA231110C00021000", "ABC080906C00100000", "ABC", "98359ef7-5124-49f3-85ea-5cf02df6defa"])
def test_unknown_contract_is_not_found(client: Any, name: str) -> None:
    status, body = refused(client, f"{CONTRACTS}/{name}")
    assert (status, body) == (404, {"code": 40410000, "message": f"option contract {name} not found"})


@rule(
    "OPT-110",
    "An expired contract is inactive: listed as such when asked for, and not among the active ones.",
    source="OAS",
    status="documented",
)
def test_expired_contracts_are_inactive(client: Any) -> None:
    client.to("2008-09-08T14:00:00Z")
    gone = client.get(f"{CONTRACTS}/{CALL}")
    assert (gone["status"], gone["tradable"]) == ("inactive", False)
    assert CALL not in {contract["symbol"] for contract in listed(client, **UNTIL_OCTOBER)}
    inactive = listed(client, status="inactive")
    assert CALL in {contract["symbol"] for contract in inactive}
    assert expirations(inactive) == ["2008-09-05"]
    assert listed(client, status="inactive", expiration_date="2008-09-12") == []


@rule(
    "OPT-111",
    "A contract stays listed until it expires, and can be traded until the close of that day.",
    source="DOC",
    status="documented",
)
def test_listed_contracts_stay(client: Any) -> None:
    first = {contract["symbol"] for contract in listed(client, **UNTIL_OCTOBER)}
    for day in range(3, 6):
        client.to(f"2008-09-0{day}T14:00:00Z")
        assert first <= {contract["symbol"] for contract in listed(client, **UNTIL_OCTOBER)}
    assert client.get(f"{CONTRACTS}/{CALL}")["tradable"]
    client.to("2008-09-05T20:00:00Z")
    assert not client.get(f"{CONTRACTS}/{CALL}")["tradable"]


@rule("OPT-112", "A filter that cannot be read is refused.", source="UNVERIFIED", status="unknown")
@pytest.mark.parametrize(
    "name",
    ["type", "style", "status", "expiration_date", "expiration_date_gte", "strike_price_lte", "ppind", "show_deliverables"],
)
def test_unreadable_filter_is_refused(client: Any, name: str) -> None:
    status, body = refused(client, **{name: "nonsense"})
    assert (status, body["code"]) == (422, 40010001)
    assert body["message"].startswith(f"invalid {name}: nonsense")


@rule("OPT-113", "Exercise turns all contracts of a long position into shares at once.", source="OAS", status="documented")
def test_exercise_brings_the_shares(client: Any) -> None:
    bought(client, CALL, "2")
    before = float(client.get("/v2/account")["cash"])
    assert asked(client, CALL) == (200, {})
    assert held(client) == {"ABC": "200"}
    assert float(client.get("/v2/account")["cash"]) == pytest.approx(before - 200 * 100)


@rule("OPT-114", "A position to exercise is named by symbol or by contract id.", source="OAS", status="documented")
def test_exercise_by_contract_id(client: Any) -> None:
    bought(client, CALL)
    assert asked(client, client.get(f"{CONTRACTS}/{CALL}")["id"]) == (200, {})
    assert held(client) == {"ABC": "100"}


@rule(
    "OPT-115",
    "Nothing to exercise, a short position and what is no contract are refused each in its way.",
    source="OAS",
    status="documented",
)
def test_exercise_without_a_long_position_is_refused(client: Any) -> None:
    nothing = {"code": 40310000, "message": "no available position for the specified contract"}
    for wish in ("exercise", "do-not-exercise"):
        assert asked(client, CALL, wish) == (403, nothing)
        assert asked(client, "ABC", wish) == (422, {"code": 42210000, "message": "invalid symbol"})
    status, body = client.send(symbol=PUT, side="sell", qty="1", time_in_force="day")
    assert status == 200, body
    assert asked(client, PUT) == (403, {"code": 40310001, "message": "cannot exercise short position"})
    assert asked(client, PUT, "do-not-exercise") == (
        403,
        {"code": 40310001, "message": "cannot submit DNE for short position"},
    )


@rule("OPT-116", "Between the close and midnight exercise is refused.", source="OAS", status="documented")
def test_exercise_after_the_close_is_refused(client: Any) -> None:
    bought(client, CALL)
    client.to("2008-09-02T20:30:00Z")
    assert asked(client, CALL)[0] == 403
    assert held(client) == {CALL: "1"}
    client.to("2008-09-03T04:30:00Z")
    assert asked(client, CALL) == (200, {})


@rule(
    "OPT-117",
    "What is in the money is exercised at expiry unless do-not-exercise was asked for.",
    source="OAS",
    status="documented",
)
@pytest.mark.parametrize("refrains", [False, True])
def test_do_not_exercise_lets_it_expire(new_client: Callable[..., Any], refrains: bool) -> None:
    client = new_client()
    client.to("2008-09-04T14:00:00Z")
    call = "ABC080905C00080000"
    bought(client, call)
    if refrains:
        assert asked(client, call, "do-not-exercise") == (200, {})
    client.to("2008-09-05T20:30:00Z")
    assert held(client) == ({} if refrains else {"ABC": "100"})


@rule(
    "OPT-118",
    "Weekly contracts expire on Fridays, monthly ones on third Fridays months ahead.",
    source="UNVERIFIED",
    status="unknown",
)
def test_expirations_follow_the_calendar(client: Any) -> None:
    found = [date.fromisoformat(day) for day in expirations(listed(client, expiration_date_lte="2009-12-31"))]
    assert {day.weekday() for day in found} == {4}
    weekly = [day for day in found if day - date(2008, 9, 2) <= timedelta(days=41)]
    assert len(weekly) == 6
    assert all(15 <= day.day <= 21 for day in found[6:])
    assert found[-1] == date(2009, 2, 20)
