"""Whether an order at the broker is the one that was meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from desk.brokers.guarded.matching import Window, changed_as_meant, differences

NOON = datetime(2027, 1, 4, 17, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(minutes=2), NOON + timedelta(minutes=2))
BODY: dict[str, Any] = {
    "client_order_id": "a-1",
    "symbol": "ABC",
    "side": "buy",
    "qty": 10.0,
    "type": "limit",
    "limit_price": 100.5,
    "time_in_force": "gtc",
    "order_class": "bracket",
    "take_profit": {"limit_price": 115.0},
    "stop_loss": {"stop_price": 95.0},
}
LEGS = [
    {"type": "limit", "limit_price": "115", "stop_price": None, "status": "held"},
    {"type": "stop", "limit_price": None, "stop_price": "95", "status": "held"},
]
FOUND: dict[str, Any] = {
    "id": "1",
    "client_order_id": "a-1",
    "symbol": "ABC",
    "side": "buy",
    "qty": "10",
    "notional": None,
    "type": "limit",
    "limit_price": "100.50",
    "stop_price": None,
    "time_in_force": "gtc",
    "order_class": "bracket",
    "extended_hours": False,
    "submitted_at": "2027-01-04T17:00:30.123456789Z",
    "legs": LEGS,
}
SPREAD: dict[str, Any] = {
    "client_order_id": "a-1",
    "qty": 2.0,
    "type": "limit",
    "limit_price": -1.2,
    "time_in_force": "day",
    "order_class": "mleg",
    "legs": [
        {"symbol": "ABC270115C00100000", "ratio_qty": 1.0, "side": "buy", "position_intent": "buy_to_open"},
        {"symbol": "ABC270115C00110000", "ratio_qty": 1.0, "position_intent": "sell_to_open"},
    ],
}
FOUND_SPREAD: dict[str, Any] = {
    **{name: None for name in FOUND},
    "client_order_id": "a-1",
    "symbol": "",
    "side": "",
    "qty": "2",
    "type": "limit",
    "limit_price": "-1.2",
    "time_in_force": "day",
    "order_class": "mleg",
    "submitted_at": "2027-01-04T17:00:00Z",
    "legs": [
        {"symbol": "ABC270115C00110000", "ratio_qty": "1", "side": "sell", "position_intent": "sell_to_open", "type": ""},
        {"symbol": "ABC270115C00100000", "ratio_qty": "1", "side": "buy", "position_intent": "buy_to_open", "type": ""},
    ],
}


def fields(meant: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return [difference.field for difference in differences(meant, found, WINDOW)]


def test_the_order_that_was_meant_is_recognised() -> None:
    assert fields(BODY, FOUND) == []
    assert fields(SPREAD, FOUND_SPREAD) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"client_order_id": "a-2"}, "client_order_id"),
        ({"symbol": "ABD"}, "symbol"),
        ({"side": "sell"}, "side"),
        ({"qty": "11"}, "qty"),
        ({"qty": None, "notional": "10"}, "qty"),
        ({"type": "market"}, "type"),
        ({"limit_price": "100.51"}, "limit_price"),
        ({"stop_price": "1"}, "stop_price"),
        ({"time_in_force": "day"}, "time_in_force"),
        ({"extended_hours": True}, "extended_hours"),
        ({"order_class": "oto"}, "order_class"),
        ({"order_class": ""}, "order_class"),
        ({"legs": [{**LEGS[0], "limit_price": "116"}, LEGS[1]]}, "take_profit.limit_price"),
        ({"legs": [LEGS[0], {**LEGS[1], "stop_price": "94"}]}, "stop_loss.stop_price"),
        ({"legs": [LEGS[0], {**LEGS[1], "limit_price": "94"}]}, "stop_loss.limit_price"),
        ({"legs": [LEGS[1]]}, "take_profit.limit_price"),
        ({"legs": None}, "take_profit.limit_price"),
        ({"submitted_at": "2027-01-04T16:57:59Z"}, "submitted_at"),
        ({"submitted_at": "2027-01-04T17:02:01Z"}, "submitted_at"),
        ({"submitted_at": None}, "submitted_at"),
        ({"submitted_at": "2027-01-04T17:00:00"}, "submitted_at"),
    ],
)
def test_any_other_order_under_the_id_is_told_apart(changes: dict[str, Any], field: str) -> None:
    found = differences(BODY, {**FOUND, **changes}, WINDOW)
    assert found[0].field == field
    assert found[0].text == f"{field}: meant {found[0].meant}, found {found[0].found}"


@pytest.mark.parametrize(
    "leg",
    [{"symbol": "ABC270115C00105000"}, {"ratio_qty": "2"}, {"side": "sell"}, {"position_intent": "buy_to_close"}],
)
def test_every_leg_of_a_spread_counts(leg: dict[str, str]) -> None:
    first, second = FOUND_SPREAD["legs"]
    assert fields(SPREAD, {**FOUND_SPREAD, "legs": [first, {**second, **leg}]}) == ["legs"]


def test_a_leg_that_was_moved_since_is_listed_beside_its_successor_and_still_the_one_meant() -> None:
    moved = [{**LEGS[0], "status": "replaced"}, {**LEGS[0], "limit_price": "120"}, LEGS[1]]
    assert fields(BODY, {**FOUND, "legs": moved}) == []


def test_an_ocos_own_limit_is_that_of_its_target_and_its_stop_is_a_leg() -> None:
    meant = {**BODY, "order_class": "oco", "side": "sell"}
    del meant["limit_price"]
    found = {**FOUND, "order_class": "oco", "side": "sell", "limit_price": "115", "legs": [LEGS[1]]}
    assert fields(meant, found) == []
    assert fields(meant, {**found, "limit_price": "114"}) == ["limit_price"]


def test_a_trailing_stops_own_stop_price_is_the_brokers() -> None:
    meant = {"client_order_id": "a-1", "symbol": "ABC", "side": "sell", "qty": 1, "type": "trailing_stop", "trail_percent": 1.5}
    found = {
        **meant,
        "qty": "1",
        "trail_percent": "1.5",
        "stop_price": "99.1",
        "order_class": "",
        "submitted_at": NOON.isoformat(),
    }
    assert fields(meant, found) == []
    assert fields(meant, {**found, "trail_percent": "2"}) == ["trail_percent"]


@pytest.mark.parametrize(
    ("change", "found", "unlike"),
    [
        ({"limit_price": 3.1}, {"limit_price": "3.10"}, []),
        ({"limit_price": 3.1}, {"limit_price": "3.2"}, ["limit_price"]),
        ({"qty": 2, "time_in_force": "gtc"}, {"qty": "2", "time_in_force": "day"}, ["time_in_force"]),
        ({"trail": 1.5}, {"trail_price": None, "trail_percent": "1.5"}, []),
        ({"trail": 1.5}, {"trail_price": "2", "trail_percent": None}, ["trail"]),
        ({"client_order_id": "b"}, {"client_order_id": "a"}, ["client_order_id"]),
    ],
)
def test_a_successor_is_compared_by_what_was_to_change(change: dict[str, Any], found: dict[str, Any], unlike: list[str]) -> None:
    assert [difference.field for difference in changed_as_meant(change, found)] == unlike
