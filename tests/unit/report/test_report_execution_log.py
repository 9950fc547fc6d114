"""The execution log, from rows made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from desk.domain.decisions import Denied, Reason
from desk.domain.journal import Acknowledged, BrokerRefusal, Row, RowValue
from desk.domain.orders import (
    Fill,
    GroupRole,
    Leg,
    OrderClass,
    OrderEvent,
    OrderSpec,
    OrderStatus,
    OrderType,
    PositionIntent,
    Side,
)
from desk.domain.steps import Cancel, SpreadOrder
from desk.report.execution_log import ExecutionLog, file_name, write_days

# Eight in the evening in New York: the next day already in UTC.
AT = datetime(2026, 1, 6, 1, 0, tzinfo=UTC)
DAY = date(2026, 1, 5)
SHORT, LONG = "AAPL260220P00167000", "AAPL260220P00158000"
LEGS = (Leg(SHORT, 1, PositionIntent.SELL_TO_OPEN), Leg(LONG, 1, PositionIntent.BUY_TO_OPEN))


def order(key: str) -> SpreadOrder:
    price = Decimal("-2.70")
    spec = OrderSpec(key, "AAPL", Side.SELL, 1, OrderType.LIMIT, OrderClass.MULTI_LEG, limit_price=price, legs=LEGS)
    return SpreadOrder(spec, "spread-1", "enters")


def filled(key: str, role: GroupRole, symbol: str, price: str) -> OrderEvent:
    side = Side.SELL if symbol == SHORT else Side.BUY
    fill = Fill(f"{key}-{role}", key, symbol, side, 1, Decimal(price), AT, role, 1)
    return OrderEvent(key, role, OrderStatus.FILLED, AT, f"id-{role.value}", fill)


def read(*values: RowValue, run: str = "one") -> ExecutionLog:
    log = ExecutionLog(run)
    log.read(Row(AT + timedelta(seconds=place), value) for place, value in enumerate(values))
    return log


FILLED = (
    order("k-1"),
    Acknowledged("k-1", {"entry": "id-entry", "leg_1": "id-leg_1", "leg_2": "id-leg_2"}),
    filled("k-1", GroupRole.LEG_1, SHORT, "5.70"),
    filled("k-1", GroupRole.LEG_2, LONG, "3.00"),
    OrderEvent("k-1", GroupRole.ENTRY, OrderStatus.FILLED, AT, "id-entry"),
)


def test_an_order_tells_its_ids_legs_prices_status_and_reason() -> None:
    (entry,) = read(*FILLED).entries(DAY)
    assert (entry["order_id"], entry["status"], entry["reason"], entry["spread"]) == ("id-entry", "filled", "enters", "spread-1")
    assert (entry["limit_price"], entry["order_class"]) == (-2.7, "mleg")
    assert [(leg["symbol"], leg["order_id"], leg["average_price"], leg["intent"]) for leg in entry["legs"]] == [
        (SHORT, "id-leg_1", 5.7, "sell_to_open"),
        (LONG, "id-leg_2", 3.0, "buy_to_open"),
    ]


def test_the_whole_order_tells_its_units_and_their_net_price_by_its_legs() -> None:
    (entry,) = read(*FILLED).entries(DAY)
    assert (entry["filled"], entry["average_price"]) == (1, -2.7)


def test_a_unit_is_filled_when_every_leg_is() -> None:
    (entry,) = read(*FILLED[:3]).entries(DAY)
    assert [leg["filled"] for leg in entry["legs"]] == [1, 0]
    assert (entry["filled"], entry["average_price"]) == (0, None)


def test_a_debit_is_above_zero_and_ratios_count() -> None:
    legs = (Leg(SHORT, 1, PositionIntent.BUY_TO_CLOSE), Leg(LONG, 2, PositionIntent.SELL_TO_CLOSE))
    spec = replace(order("k-1").spec, quantity=3, legs=legs)
    fills = (
        Fill("a", "k-1", SHORT, Side.BUY, 2, Decimal("5.70"), AT, GroupRole.LEG_1, 2),
        Fill("b", "k-1", SHORT, Side.BUY, 1, Decimal("5.40"), AT, GroupRole.LEG_1, 3),
        Fill("c", "k-1", LONG, Side.SELL, 5, Decimal("1.00"), AT, GroupRole.LEG_2, 5),
    )
    told = [OrderEvent("k-1", fill.role, OrderStatus.PARTIALLY_FILLED, AT, "id", fill) for fill in fills]
    (entry,) = read(SpreadOrder(spec, "spread-1", "leaves"), *told).entries(DAY)
    assert (entry["filled"], entry["average_price"]) == (2, 3.6)


def test_an_order_without_legs_tells_what_it_filled_itself() -> None:
    spec = OrderSpec("k-1", SHORT, Side.BUY, 1, OrderType.LIMIT, limit_price=Decimal("5.80"))
    (entry,) = read(SpreadOrder(spec, "spread-1", "leaves"), filled("k-1", GroupRole.ENTRY, SHORT, "5.70")).entries(DAY)
    assert (entry["filled"], entry["average_price"], entry["legs"]) == (1, 5.7, [])


def test_a_fill_that_is_told_twice_counts_once() -> None:
    (entry,) = read(*FILLED, FILLED[2], FILLED[3]).entries(DAY)
    assert [leg["filled"] for leg in entry["legs"]] == [1, 1]


def test_refusals_of_the_desk_and_of_the_broker_are_there_with_their_reasons() -> None:
    denied = Denied("IBM", Reason.SPREAD, "a contract risks 818.00 dollars", {"code": "risk_budget"})
    refused = BrokerRefusal("k-1", 403, 40310000, "insufficient options buying power")
    log = read(denied, denied, order("k-1"), Cancel("k-1-x", "k-1", "AAPL", "the next step of the ladder"), refused)
    refusal, entry = log.entries(DAY)
    assert (refusal["kind"], refusal["code"], refusal["reason"]) == ("refusal", "risk_budget", "a contract risks 818.00 dollars")
    assert (entry["status"], entry["refusal"]) == ("rejected", "insufficient options buying power")
    assert entry["changes"] == ["cancel: the next step of the ladder"]


def test_a_day_is_new_yorks_and_is_asked_for_only_when_it_changed() -> None:
    log = read(*FILLED)
    assert log.changed_days() == (DAY,) and log.changed_days() == ()
    log.read([Row(AT + timedelta(days=1), order("k-2"))])
    assert log.changed_days() == (DAY + timedelta(days=1),)


def test_a_file_is_replaced_whole_and_keeps_what_other_runs_wrote(tmp_path: Path) -> None:
    folder = tmp_path / "executions"
    write_days(read(*FILLED), folder, [DAY])
    write_days(read(order("k-9"), run="two"), folder, [DAY])
    (path,) = write_days(read(*FILLED), folder, [DAY])
    assert path.name == file_name(DAY) == "execution_log_20260105.json"
    assert [(entry["run"], entry["client_order_id"]) for entry in json.loads(path.read_text())] == [
        ("one", "k-1"),
        ("two", "k-9"),
    ]


def test_a_file_that_is_no_log_is_made_again(tmp_path: Path) -> None:
    (tmp_path / file_name(DAY)).write_text('{"half": ')
    (path,) = write_days(read(*FILLED), tmp_path, [DAY])
    assert len(json.loads(path.read_text())) == 1
