"""Rules of portfolio history."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.models import PortfolioHistory

PATH = "/v2/account/portfolio/history"


def history(client: Any, **params: str) -> dict[str, Any]:
    shape: dict[str, Any] = client.get(PATH, **params)
    assert len(shape["timestamp"]) == len(shape["equity"]) == len(shape["profit_loss"]) == len(shape["profit_loss_pct"])
    PortfolioHistory(**shape)
    return shape


def stamp(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.fixture
def holder(client: Any) -> Any:
    """Ten shares since the first morning, short two of another symbol, now noon of the fourth day."""
    client.send(qty="10")
    client.send(symbol="XYZ", side="sell", qty="2")
    client.to("2008-09-05T16:00:00Z")
    return client


@pytest.mark.rule(
    "HIS-001", "a day's point is the closing equity, labelled with the end of its session", source="OAS", status="documented"
)
def test_days_show_closing_equity(holder: Any) -> None:
    found = history(holder, period="1W", timeframe="1D")
    assert found["timestamp"] == [stamp(f"2008-09-0{day}T20:00:00-04:00") for day in (2, 3, 4)]
    marks = [float(mark.equity_usd) for mark in holder.exchange.first.ledger.marks[1:]]
    assert found["equity"] == marks


@pytest.mark.rule(
    "HIS-002",
    "intraday points reach from the open to the close and show the equity at the end of their window",
    source="OAS",
    status="documented",
)
def test_intraday_equity_is_that_of_the_moment(client: Any) -> None:
    client.send(qty="10")
    seen = {}
    for minute in ("14:15", "15:00", "17:45"):
        client.to(f"2008-09-02T{minute}:00Z")
        seen[stamp(f"2008-09-02T{minute}:00+00:00")] = float(client.get("/v2/account")["equity"])
    client.to("2008-09-03T02:00:00Z")
    found = history(client, period="2D", timeframe="15Min", intraday_reporting="market_hours")
    shown = {label + 900: equity for label, equity in zip(found["timestamp"], found["equity"], strict=True)}
    assert {at: shown[at] for at in seen} == seen
    assert (len(found["timestamp"]), found["timestamp"][0]) == (27, stamp("2008-09-02T09:30:00-04:00"))


@pytest.mark.rule("HIS-003", "without a timeframe: 1Min below 7 days, 15Min below 30, else 1D", source="OAS", status="documented")
def test_the_default_timeframe(holder: Any) -> None:
    periods = {"1D": "1Min", "7D": "15Min", "1M": "1D", "1A": "1D"}
    assert {period: history(holder, period=period)["timeframe"] for period in periods} == periods
    assert history(holder)["timeframe"] == "1D"


@pytest.mark.rule(
    "HIS-004",
    "more than 30 days come in days alone; period, start and end are not given together",
    source="OAS",
    status="documented",
)
def test_what_history_refuses(holder: Any) -> None:
    for wrong in (
        {"period": "2M", "timeframe": "1H"},
        {"period": "1D", "start": "2008-09-02", "end": "2008-09-03"},
        {"timeframe": "10Min"},
        {"intraday_reporting": "sometimes"},
        {"pnl_reset": "never"},
    ):
        answer = holder.http.get(PATH, params=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, 40010001)


@pytest.mark.rule(
    "HIS-005",
    "extended hours reach from 04:00 to 20:00, continuous reporting through the night",
    source="OAS",
    status="documented",
)
def test_reporting_widens_the_day(holder: Any) -> None:
    extended = history(holder, period="1D", timeframe="1H", intraday_reporting="extended_hours")
    assert extended["timestamp"][0] == stamp("2008-09-05T04:00:00-04:00")
    nights = history(
        holder, timeframe="1H", intraday_reporting="continuous", start="2008-09-04T02:00:00Z", end="2008-09-04T06:00:00Z"
    )
    assert len(nights["timestamp"]) == 5 and len(set(nights["equity"])) == 1


@pytest.mark.rule(
    "HIS-006",
    "intraday profit is against the close before each day, or with no_reset against the close before the first",
    source="OAS",
    status="documented",
)
def test_profit_begins_anew_each_day(holder: Any) -> None:
    span = {"timeframe": "1H", "start": "2008-09-03T14:00:00Z", "end": "2008-09-04T16:00:00Z"}
    daily, whole = history(holder, **span), history(holder, **span, pnl_reset="no_reset")
    closes = history(holder, period="1W", timeframe="1D")["equity"]
    assert whole["profit_loss"] == pytest.approx([equity - closes[0] for equity in whole["equity"]])
    last = daily["equity"][-1]
    assert daily["profit_loss"][-1] == pytest.approx(last - closes[1])
    assert daily["base_value_asof"] == "2008-09-02" and daily["base_value"] == closes[0]


@pytest.mark.rule(
    "HIS-007",
    "profit of days is against the base value: the close before, for a new account the first point",
    source="OAS",
    status="documented",
)
def test_days_are_measured_from_the_base_value(holder: Any) -> None:
    found = history(holder, period="1M")
    assert found["base_value"] == found["equity"][0] and "base_value_asof" not in found
    assert found["profit_loss"] == pytest.approx([equity - found["base_value"] for equity in found["equity"]])
    later = history(holder, start="2008-09-03T12:00:00Z", end="2008-09-05T00:00:00Z", timeframe="1D")
    assert (later["base_value_asof"], later["base_value"]) == ("2008-09-02", found["equity"][0])


@pytest.mark.rule(
    "HIS-008",
    "cashflow_types adds what came or went by activity type, an amount for each point",
    source="OAS",
    status="documented",
)
def test_cash_flows_are_listed_by_type(holder: Any) -> None:
    ledger, at = holder.exchange.first.ledger, datetime(2008, 9, 4, 8, tzinfo=UTC)
    holder.exchange.first.book.cash_usd += Decimal("3.70")
    ledger.enter("DIV", at, date(2008, 9, 4), Decimal("3.70"))
    assert history(holder, period="1W", timeframe="1D", cashflow_types="ALL")["cashflow"] == {"DIV": [0, 0, 3.7]}
    assert history(holder, period="1W", timeframe="1D", cashflow_types="FEE")["cashflow"] == {}
    assert history(holder, period="1W", timeframe="1D")["cashflow"] == {}
