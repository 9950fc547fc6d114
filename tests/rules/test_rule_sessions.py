"""Times in force, sessions, the election of stops, and how orders age, over markets that gap and that last long enough."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from unit.exchange.conftest import frame

from desk.data.source import Instrument, Source
from desk.exchange.switches import Switches

New = Callable[..., Any]
DOC = {"source": "DOC", "status": "documented"}
MORNING, OPEN, CLOSE, EVENING = (f"2008-09-02T{at}Z" for at in ("14:00:00", "13:30:00", "20:00:00", "21:00:00"))
NEXT_EARLY, NEXT_OPEN, NEXT_MORNING = (f"2008-09-03T{at}Z" for at in ("08:00:01", "13:30:01", "14:00:00"))
GAP_EARLY, GAP_MORNING = "2008-09-04T13:00:00Z", "2008-09-04T14:00:00Z"  # ABC closes at 102 and opens at 90


def place(client: Any, **body: object) -> dict[str, Any]:
    status, order = client.send(**body)
    assert status == 200, order
    return dict(order)


def order_of(client: Any, order: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get(f"/v2/orders/{order['id']}"))


def at(client: Any, order: dict[str, Any], instant: str) -> str:
    """Its status at an instant."""
    client.to(instant)
    return str(order_of(client, order)["status"])


@pytest.fixture
def evening(new_client: New) -> Any:
    """A client an hour after the first close."""
    client = new_client()
    client.to(EVENING)
    return client


def made_market(
    monkeypatch: pytest.MonkeyPatch, new_client: New, days: list[str], opens: list[float], closes: list[float]
) -> Any:
    """A client of a market with one stock, LNG, that opens and closes so."""
    source = Source("made", "a made market", {"LNG": frame(days, closes, opens)}, {"LNG": Instrument("LNG", "LNG Inc.")})
    monkeypatch.setattr("unit.exchange.conftest.market", lambda: source)
    return new_client()


@pytest.mark.rule("SES-201", "Stops are elected in regular hours only: what happens at night waits for the open", **DOC)
def test_stops_sleep_at_night(client: Any) -> None:
    place(client)
    stop = place(client, side="sell", type="stop", stop_price="95")
    assert at(client, stop, GAP_EARLY) == "new"
    assert at(client, stop, GAP_MORNING) == "filled"


@pytest.mark.rule("SES-202", "A stop that a gap has passed fills at the opening price, not at its own", **DOC)
def test_a_gap_fills_at_the_open(client: Any) -> None:
    place(client)
    stop = place(client, side="sell", type="stop", stop_price="95")
    client.to(GAP_MORNING)
    filled = order_of(client, stop)
    assert filled["filled_at"].startswith("2008-09-04T13:30:00")
    assert abs(Decimal(filled["filled_avg_price"]) - 90) < Decimal("0.1")


@pytest.mark.rule("SES-203", "A sell stop becomes a market order when it is elected; a stop-limit rests at its limit", **DOC)
def test_an_elected_stop_limit_rests(client: Any) -> None:
    place(client)
    order = place(client, side="sell", type="stop_limit", stop_price="95", limit_price="94")
    assert at(client, order, GAP_MORNING) == "new"
    assert client.get("/v2/positions")[0]["qty"] == "10"


@pytest.mark.rule("SES-204", "A buy stop is collared: 2.5 % above a stop of 50 dollars and more, 4 % below", **DOC)
@pytest.mark.parametrize(
    ("stop", "opens", "fills"), [(60.0, 61.0, True), (60.0, 62.0, False), (40.0, 41.0, True), (40.0, 42.0, False)]
)
def test_buy_stops_are_collared(monkeypatch: pytest.MonkeyPatch, new_client: New, stop: float, opens: float, fills: bool) -> None:
    before = stop - 3
    client = made_market(
        monkeypatch, new_client, ["2008-08-29", "2008-09-02", "2008-09-03"], [before, before, opens], [before, before, opens + 5]
    )
    client.to(MORNING)
    order = place(client, symbol="LNG", type="stop", stop_price=str(stop))
    assert at(client, order, "2008-09-03T13:30:30Z") == ("filled" if fills else "new")


@pytest.mark.rule(
    "SES-205",
    "An order sent outside its hours is accepted, and new at 04:00 New York of the next session",
    source="3P-M",
    status="measured",
)
def test_orders_queue_until_the_next_early_session(evening: Any) -> None:
    order = place(evening)
    assert order_of(evening, order)["status"] == "accepted"
    assert at(evening, order, "2008-09-03T07:59:00Z") == "accepted"
    assert at(evening, order, NEXT_EARLY) == "new"


@pytest.mark.rule("SES-206", "A queued market order executes at the open", **DOC)
def test_a_queued_order_executes_at_the_open(evening: Any) -> None:
    order = place(evening)
    assert at(evening, order, "2008-09-03T13:29:59Z") == "new"
    assert at(evening, order, NEXT_OPEN) == "filled"
    assert abs(Decimal(order_of(evening, order)["filled_avg_price"]) - 102) < Decimal("0.1")


@pytest.mark.rule("SES-207", "A DAY order expires at the close, and expires_at says so", **DOC)
def test_a_day_order_expires_at_the_close(client: Any) -> None:
    order = place(client, type="limit", limit_price="60", time_in_force="day")
    assert order["expires_at"] == CLOSE
    assert at(client, order, "2008-09-02T19:59:59Z") == "new"
    assert at(client, order, CLOSE) == "expired"
    assert order_of(client, order)["expired_at"] == CLOSE


@pytest.mark.rule("SES-208", "A DAY order sent after the close is for the next session", **DOC)
def test_a_day_order_in_the_evening_is_for_tomorrow(evening: Any) -> None:
    order = place(evening, type="limit", limit_price="60", time_in_force="day")
    assert order["expires_at"] == "2008-09-03T20:00:00Z"
    assert at(evening, order, "2008-09-03T20:00:00Z") == "expired"


@pytest.mark.rule("SES-209", "A GTC order tells the end of its 90 days: 16:15 New York", source="DOC, OAS", status="documented")
def test_gtc_orders_tell_their_end(client: Any) -> None:
    assert place(client, type="limit", limit_price="60")["expires_at"] == "2008-12-01T21:15:00Z"


@pytest.mark.rule("SES-210", "A GTC order is cancelled on its 90th day at 16:15 New York, legs of brackets too", **DOC)
def test_gtc_orders_end(monkeypatch: pytest.MonkeyPatch, new_client: New) -> None:
    days = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2008-08-29", "2008-12-05") if f"{day:%m-%d}" not in ("09-01", "11-27")]
    client = made_market(monkeypatch, new_client, days, [100.0] * len(days), [100.0] * len(days))
    client.to(MORNING)
    exits = {"take_profit": {"limit_price": "150"}, "stop_loss": {"stop_price": "50"}}
    bracket = place(client, symbol="LNG", order_class="bracket", **exits)
    plain = place(client, symbol="LNG", type="limit", limit_price="60")
    assert at(client, plain, "2008-12-01T21:14:00Z") == "new"
    assert at(client, plain, "2008-12-01T21:16:00Z") == "canceled"
    legs = client.get(f"/v2/orders/{bracket['id']}", nested="true")["legs"]
    assert [leg["status"] for leg in legs] == ["canceled", "canceled"]
    assert client.get("/v2/positions")[0]["qty_available"] == "10"


@pytest.mark.rule("SES-211", "On a half day the market closes at 13:00, and DAY orders with it", **DOC)
def test_half_days_end_early(monkeypatch: pytest.MonkeyPatch, new_client: New) -> None:
    days = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2008-08-29", "2008-12-02") if f"{day:%m-%d}" not in ("09-01", "11-27")]
    client = made_market(monkeypatch, new_client, days, [100.0] * len(days), [100.0] * len(days))
    client.to("2008-11-28T15:00:00Z")
    order = place(client, symbol="LNG", type="limit", limit_price="60", time_in_force="day")
    assert order["expires_at"] == "2008-11-28T18:00:00Z"
    assert at(client, order, "2008-11-28T18:00:00Z") == "expired"
    assert client.get("/v2/clock")["is_open"] is False


@pytest.mark.rule("SES-212", "A limit order for extended hours fills before the open and after the close", **DOC)
def test_extended_orders_fill_outside_regular_hours(evening: Any) -> None:
    order = place(evening, type="limit", limit_price="110", time_in_force="day", extended_hours=True)
    assert order_of(evening, order)["status"] == "filled"
    early = place(evening, symbol="XYZ", type="limit", limit_price="70", time_in_force="gtc", extended_hours=True)
    assert order_of(evening, early)["status"] == "filled"


@pytest.mark.rule("SES-213", "An order that is not for extended hours waits for the regular ones", **DOC)
def test_plain_orders_wait_for_regular_hours(new_client: New) -> None:
    client = new_client()
    order = place(client, type="limit", limit_price="110")
    assert at(client, order, "2008-09-02T13:29:59Z") in ("accepted", "new")
    assert at(client, order, "2008-09-02T13:30:01Z") == "filled"


@pytest.mark.rule("SES-214", "Extended-hours DAY orders live until 20:00 New York", **DOC)
def test_extended_day_orders_end_in_the_evening(client: Any) -> None:
    order = place(client, type="limit", limit_price="60", time_in_force="day", extended_hours=True)
    assert at(client, order, CLOSE) == "new"
    assert at(client, order, "2008-09-03T00:00:01Z") == "expired"


@pytest.mark.rule("SES-215", "An OPG order executes in the opening and is gone after it", source="OAS, DOC", status="documented")
def test_opening_orders(new_client: New) -> None:
    client = new_client()
    market = place(client, time_in_force="opg")
    low = place(client, symbol="XYZ", type="limit", limit_price="30", time_in_force="opg")
    client.to(MORNING)
    assert order_of(client, market)["status"] == "filled"
    assert order_of(client, market)["filled_at"].startswith("2008-09-02T13:30:00")
    assert order_of(client, low)["status"] == "canceled"


@pytest.mark.rule("SES-216", "A CLS order executes at the close", source="OAS, DOC", status="documented")
def test_closing_orders(client: Any) -> None:
    order = place(client, time_in_force="cls")
    assert at(client, order, "2008-09-02T19:59:00Z") in ("accepted", "new")
    assert at(client, order, "2008-09-02T20:00:01Z") == "filled"
    assert abs(Decimal(order_of(client, order)["filled_avg_price"]) - 101) < Decimal("0.1")


@pytest.mark.rule(
    "SES-217", "IOC fills what it can at once and cancels the rest; FOK all or nothing", source="OAS, DOC", status="documented"
)
def test_orders_for_the_moment(new_client: New) -> None:
    client = new_client(partial_fill_probability=1.0)
    client.to(MORNING)
    part = order_of(client, place(client, qty="100", time_in_force="ioc"))
    assert part["status"] == "canceled" and 0 < int(part["filled_qty"]) < 100
    whole = order_of(client, place(client, qty="100", time_in_force="fok"))
    assert (whole["status"], whole["filled_qty"]) in (("filled", "100"), ("canceled", "0"))
    for kind in ("ioc", "fok"):
        missed = order_of(client, place(client, symbol="XYZ", type="limit", limit_price="30", time_in_force=kind))
        assert (missed["status"], missed["filled_qty"]) == ("canceled", "0")


@pytest.mark.rule(
    "SES-218",
    "Orders in a halted symbol rest until it trades again, or are refused with the switch off",
    source="UNVERIFIED",
    status="unknown",
)
@pytest.mark.parametrize("rest", [True, False])
def test_orders_in_a_halted_symbol(new_client: New, rest: bool) -> None:
    client = new_client(switches=Switches(halted_orders_rest=rest))
    client.to(MORNING)
    halt = client.http.post("/admin/faults", json={"kind": "halted_symbol", "when": {"symbol": "ABC"}})
    assert halt.status_code == 200, halt.text
    status, said = client.send()
    if not rest:
        assert status in (403, 422)
        return
    assert status == 200
    assert at(client, said, "2008-09-02T15:00:00Z") in ("accepted", "new")
    assert client.http.delete("/admin/faults").status_code == 200
    assert at(client, said, "2008-09-02T15:05:00Z") == "filled"
