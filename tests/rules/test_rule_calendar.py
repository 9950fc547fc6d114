"""Rules of clock and calendar."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from alpaca.trading.models import Calendar, Clock


@pytest.mark.rule("CAL-001", "the clock speaks New York's time, its offset with it", source="OAS", status="documented")
def test_the_clock_is_new_yorks(client: Any) -> None:
    assert client.get("/v2/clock") == {
        "timestamp": "2008-09-02T10:00:00-04:00",
        "is_open": True,
        "next_open": "2008-09-03T09:30:00-04:00",
        "next_close": "2008-09-02T16:00:00-04:00",
    }
    assert Clock(**client.get("/v2/clock")).is_open


@pytest.mark.rule(
    "CAL-002", "the market is open from the opening instant up to the closing one", source="OAS", status="documented"
)
def test_when_the_market_is_open(new_client: Any) -> None:
    client, seen = new_client(), []
    for at in ("13:29:59", "13:30:00", "19:59:59", "20:00:00"):
        client.to(f"2008-09-02T{at}Z")
        seen.append(client.get("/v2/clock")["is_open"])
    assert seen == [False, True, True, False]


@pytest.mark.rule(
    "CAL-003", "the calendar lists trading days with open, close, session and settlement", source="OAS", status="documented"
)
def test_the_calendar_lists_trading_days(client: Any) -> None:
    days = client.get("/v2/calendar", start="2026-11-25", end="2026-11-30")
    assert [day["date"] for day in days] == ["2026-11-25", "2026-11-27", "2026-11-30"]
    assert days[1] == {
        "date": "2026-11-27",
        "open": "09:30",
        "close": "13:00",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": "2026-11-30",
    }
    assert Calendar(**days[1]).close == datetime(2026, 11, 27, 13)


@pytest.mark.rule("CAL-004", "with SETTLEMENT start and end mean settlement dates", source="OAS", status="documented")
def test_the_calendar_by_settlement(client: Any) -> None:
    span = {"start": "2008-09-03", "end": "2008-09-04"}
    days = client.get("/v2/calendar", **span, date_type="SETTLEMENT")
    assert [day["date"] for day in days] == ["2008-09-02", "2008-09-03"]
    assert [day["date"] for day in client.get("/v2/calendar", **span, date_type="TRADING")] == ["2008-09-03", "2008-09-04"]
    assert client.http.get("/v2/calendar", params={"date_type": "PAYDAY"}).status_code == 400


@pytest.mark.rule("CAL-005", "the calendar reaches from 1970 to 2029", source="OAS", status="documented")
def test_the_calendar_reaches_sixty_years(client: Any) -> None:
    assert client.get("/v2/calendar", end="1970-01-06")[0]["date"] == "1970-01-02"
    last = client.get("/v2/calendar", start="2029-12-27")[-1]
    assert (last["date"], last["settlement_date"]) == ("2029-12-31", "2030-01-02")
    for wrong in ("soon", "2008-13-01"):
        assert client.http.get("/v2/calendar", params={"start": wrong}).status_code == 400


@pytest.mark.rule(
    "CAL-006", "version 3 of the clock tells each market's phase and when it ends", source="OAS", status="documented"
)
def test_the_clock_of_markets(client: Any) -> None:
    def clock(**params: str) -> dict[str, Any]:
        found: dict[str, Any] = client.get("/v3/clock", markets="NYSE", **params)["clocks"][0]
        return found

    now = clock()
    assert (now["phase"], now["phase_until"], now["is_market_day"]) == ("core", "2008-09-02T16:00:00-04:00", True)
    assert now["market"]["mic"] == "XNYS"
    night = clock(time="2026-11-28T03:00:00Z")
    assert (night["phase"], night["next_market_open"]) == ("closed", "2026-11-30T09:30:00-05:00")
    assert [clock(time=f"2008-09-03T{at}:00Z")["phase"] for at in ("10:00", "15:00", "21:00")] == ["pre", "core", "post"]
    assert len(client.get("/v3/clock")["clocks"]) == 2
    assert client.http.get("/v3/clock", params={"markets": "LSE"}).status_code == 400


@pytest.mark.rule(
    "CAL-007", "version 3 of the calendar lists a market's hours, a week from today by default", source="OAS", status="documented"
)
def test_the_calendar_of_a_market(client: Any) -> None:
    found = client.get("/v3/calendar/NYSE")
    assert [date.fromisoformat(day["date"]).day for day in found["calendar"]] == [2, 3, 4, 5, 8, 9]
    assert found["calendar"][0]["core_start"] == "2008-09-02T09:30:00-04:00"
    assert client.get("/v3/calendar/NYSE", timezone="UTC")["calendar"][0]["post_end"] == "2008-09-03T00:00:00Z"
    assert client.http.get("/v3/calendar/LSE").status_code == 400
