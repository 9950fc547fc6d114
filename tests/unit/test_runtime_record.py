"""A journal made by hand, told as the record of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from desk.core.book import with_event, with_refusal, with_step
from desk.core.spread_book import SpreadBook
from desk.data.source import Source
from desk.domain.breaks import Break
from desk.domain.decisions import Denied, FixedExit, Intent, IntentKind, Reason
from desk.domain.grown import Grown
from desk.domain.journal import BreakFound, BrokerRefusal, IterationDone, Row, RowValue
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.records import RunRecord
from desk.domain.spreads import Spread, SpreadPhase, SpreadPlan, SpreadRules
from desk.domain.steps import Cancel, Replace, Submit
from desk.domain.trades import Book
from desk.runtime.record import Counts, RunFacts, counts, gate_refusals, run_record, spread_trips

DAY = datetime(2008, 9, 2, 14, 30, tzinfo=UTC)
FACTS = RunFacts("combined", "exchange", "five real stocks", 7, gate_threshold=0.6, gate_enforced=False)
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
S = OrderStatus


def submit(symbol: str, confidence: float | None = None, reference: float = 99.0) -> Submit:
    spec = OrderSpec(
        f"n-{symbol}-open", symbol, Side.BUY, 10, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, Decimal("100.00"),
        take_profit=Decimal("115.00"), stop_loss=Decimal("95.00"),
    )  # fmt: skip
    return Submit(spec, Intent(IntentKind.OPEN, symbol, 10, 100.0, FixedExit(0.05, 0.15), "RSI 28.0", confidence, reference))


def cover(symbol: str) -> Submit:
    spec = OrderSpec(
        f"n-{symbol}-open-cover1", symbol, Side.SELL, 4, OrderType.LIMIT, OrderClass.OCO, TimeInForce.GTC,
        take_profit=Decimal("115.00"), stop_loss=Decimal("95.00"),
    )  # fmt: skip
    return Submit(
        spec, Intent(IntentKind.REDUCE, symbol, 4, 115.0, FixedExit(0, 0), "cover bare shares"), covers=f"n-{symbol}-open"
    )


def event(
    symbol: str, role: GroupRole, status: OrderStatus, shares: int, price: str, days: int = 0, key: str | None = None
) -> OrderEvent:
    key, at = key or f"n-{symbol}-open", DAY + timedelta(days=days)
    fill = Fill(f"{key}{role}{status}", key, symbol, Side.BUY, shares, Decimal(price), at, role) if shares else None
    return OrderEvent(key, role, status, at, "b", fill)


def bought(symbol: str, days: int = 0) -> OrderEvent:
    return event(symbol, ENTRY, S.FILLED, 10, "100.00", days)


def rows_of(*values: RowValue) -> list[Row]:
    return [Row(DAY + timedelta(minutes=place), value) for place, value in enumerate(values)]


def folded(rows: Sequence[Row]) -> Book:
    book, steps = Book(), {}
    for row in rows:
        if isinstance(row.value, OrderEvent):
            book = with_event(book, row.value)
        elif isinstance(row.value, Submit | Replace | Cancel):
            steps[row.value.key] = row.value
            book = with_step(book, row.value, row.at)
        elif isinstance(row.value, BrokerRefusal):
            book = with_refusal(book, steps[row.value.key])
    return book


def record(*values: RowValue, facts: RunFacts = FACTS, source: Source | None = None) -> RunRecord:
    rows = rows_of(*values)
    return run_record(rows, folded(rows), source, facts)


def test_a_trip_runs_from_entry_to_target() -> None:
    (trip,) = record(submit("AAA", 0.7), bought("AAA"), event("AAA", TARGET, S.FILLED, 10, "115.20", 3)).trips
    assert (trip.symbol, trip.shares, trip.confidence, trip.is_open, trip.gapped) == ("AAA", 10, 0.7, False, False)
    assert (trip.entry_at, trip.entry_price, trip.stop_price, trip.target_price) == (DAY, 100.0, 95.0, 115.0)
    assert (trip.exit_at, trip.exit_price, trip.exit_reason) == (DAY + timedelta(days=3), 115.2, "target")
    assert trip.pnl_usd == pytest.approx(152.0)


def test_fees_on_both_sides_come_off_the_gain() -> None:
    facts = RunFacts("combined", "backtest", "test", None, None, False, fee_bps=10.0)
    told = record(submit("AAA"), bought("AAA"), event("AAA", TARGET, S.FILLED, 10, "115.00"), facts=facts)
    assert told.trips[0].pnl_usd == pytest.approx(150.0 - (1_000 + 1_150) * 0.001)
    assert told.costs_usd == pytest.approx((1_000 - 990) + (1_000 + 1_150) * 0.001)


@pytest.mark.parametrize(
    ("role", "asked", "reason"), [(TARGET, False, "target"), (STOP, False, "stop"), (TARGET, True, "time"), (STOP, True, "stop")]
)
def test_an_exit_has_one_reason(role: GroupRole, asked: bool, reason: str) -> None:
    leave = [Replace("n-exit", "n-AAA-open", "AAA", TARGET, Decimal("99.50"), "held for 10 sessions")] if asked else []
    assert record(submit("AAA"), bought("AAA"), *leave, event("AAA", role, S.FILLED, 10, "97.00")).trips[0].exit_reason == reason


@pytest.mark.parametrize(
    ("minutes", "role", "price", "gapped"),
    [
        (-60, STOP, "90.00", True),  # 09:30 in New York
        (-60, STOP, "95.00", False),
        (0, STOP, "94.90", False),
        (-60, TARGET, "90.00", False),
    ],
)
def test_a_stop_that_sells_lower_at_the_opening_gapped(minutes: int, role: GroupRole, price: str, gapped: bool) -> None:
    at = DAY + timedelta(days=1, minutes=minutes)
    fill = Fill("x9", "n-AAA-open", "AAA", Side.SELL, 10, Decimal(price), at, role)
    told = record(submit("AAA"), bought("AAA"), OrderEvent("n-AAA-open", role, S.FILLED, at, "b", fill))
    assert told.trips[0].gapped is gapped


def in_parts(*parts: tuple[datetime, int, str], key: str = "n-AAA-open", role: GroupRole = STOP) -> list[OrderEvent]:
    """Fills of one exit as they are heard of: moment, shares, price."""
    fills = [
        Fill(f"x{place}", key, "AAA", Side.SELL, shares, Decimal(price), at, role)
        for place, (at, shares, price) in enumerate(parts)
    ]
    statuses = [*(S.PARTIALLY_FILLED for _ in fills[1:]), S.FILLED]
    return [OrderEvent(key, role, status, fill.at, "b", fill) for fill, status in zip(fills, statuses, strict=True)]


NEXT_OPENING = DAY + timedelta(days=1, minutes=-60)


@pytest.mark.parametrize(
    ("parts", "gapped"),
    [
        ([(0, 4, "90.00"), (1, 6, "90.10")], True),
        ([(0, 4, "90.00"), (300, 6, "94.90")], True),
        ([(1, 6, "90.10"), (0, 4, "90.00")], True),  # heard of in the wrong order
        ([(0, 4, "95.00"), (1, 6, "90.10")], False),
        ([(1, 4, "90.00"), (2, 6, "90.10")], False),
        ([(-1000, 4, "94.90"), (0, 6, "90.00")], False),  # half of it sold on the day before
    ],
)
def test_the_first_fill_of_a_stop_tells_whether_it_gapped(parts: list[tuple[int, int, str]], gapped: bool) -> None:
    fills = in_parts(*((NEXT_OPENING + timedelta(minutes=minutes), shares, price) for minutes, shares, price in parts))
    (trip,) = record(submit("AAA"), bought("AAA"), *fills).trips
    assert (trip.gapped, trip.exit_reason) == (gapped, "stop")


def test_the_stop_of_a_cover_can_gap_too() -> None:
    half = [submit("AAA"), event("AAA", ENTRY, S.PARTIALLY_FILLED, 4, "100.00"), event("AAA", ENTRY, S.CANCELED, 0, "0")]
    sold = in_parts((NEXT_OPENING, 1, "90.00"), (NEXT_OPENING + timedelta(minutes=1), 3, "90.50"), key="n-AAA-open-cover1")
    assert record(*half, cover("AAA"), *sold).trips[0].gapped


def test_a_gap_after_a_better_sale_at_the_target_is_not_told_as_a_loss_below_the_stop() -> None:
    better = event("AAA", TARGET, S.PARTIALLY_FILLED, 9, "115.00")
    (trip,) = record(submit("AAA"), bought("AAA"), better, *in_parts((NEXT_OPENING, 1, "90.00"))).trips
    assert not trip.gapped and trip.exit_price is not None and trip.exit_price > trip.stop_price


def test_an_open_trade_is_a_trip_without_an_exit() -> None:
    (trip,) = record(submit("AAA"), event("AAA", ENTRY, S.PARTIALLY_FILLED, 4, "100.00")).trips
    assert (trip.is_open, trip.shares, trip.exit_price, trip.exit_reason, trip.pnl_usd) == (True, 4, None, None, None)


def test_an_order_that_never_filled_is_no_trip() -> None:
    refused = BrokerRefusal("n-BBB-open", 422, 42210000, "no")
    assert record(submit("AAA"), event("AAA", ENTRY, S.CANCELED, 0, "0"), submit("BBB"), refused).trips == ()


def test_trips_are_told_in_the_order_of_their_entries() -> None:
    late = [submit("AAA"), bought("AAA", 5), event("AAA", STOP, S.FILLED, 10, "95.00", 6)]
    assert [trip.symbol for trip in record(*late, submit("BBB"), bought("BBB", 1)).trips] == ["BBB", "AAA"]


def test_a_covered_trade_is_one_trip_with_its_average_exit() -> None:
    half = [submit("AAA"), event("AAA", ENTRY, S.PARTIALLY_FILLED, 4, "100.00"), event("AAA", ENTRY, S.CANCELED, 0, "0")]
    sold = [
        event("AAA", TARGET, S.PARTIALLY_FILLED, 1, "115.00", key="n-AAA-open-cover1"),
        event("AAA", STOP, S.FILLED, 3, "95.00", 1, key="n-AAA-open-cover1"),
    ]
    (trip,) = record(*half, cover("AAA"), *sold).trips
    assert (trip.shares, trip.exit_price, trip.exit_reason) == (4, 100.0, "stop")


def test_sessions_iterations_and_equity_come_from_the_iterations() -> None:
    done = [IterationDone(n, date(2008, 9, 2 + n // 3), 100_000.0 + n, 50_000.0, n) for n in range(1, 6)]
    told = record(*done)
    assert (told.first_session, told.last_session) == (date(2008, 9, 2), date(2008, 9, 3))
    assert (told.sessions, told.iterations) == (2, 5)
    assert [point.equity_usd for point in told.equity] == [100_001.0, 100_002.0, 100_003.0, 100_004.0, 100_005.0]
    assert told.equity[0].at == DAY


def test_a_run_that_never_began_has_a_record_all_the_same() -> None:
    told = record()
    assert (told.first_session, told.sessions, told.trips, told.refusals, dict(told.daily)) == (None, 0, (), (), {})


def test_a_denial_is_told_once_a_session_however_often_it_was_asked() -> None:
    again = Denied("AAA", Reason.CASH, "no cash")
    rows = [
        Row(DAY, again),
        Row(DAY + timedelta(hours=1), again),
        Row(DAY + timedelta(hours=2), Denied("AAA", Reason.MAX_POSITION, "too much")),
        Row(DAY + timedelta(days=1), again),
    ]
    told = run_record(rows, Book(), None, FACTS).refusals
    assert [(one.at.day, one.symbol, one.reason) for one in told] == [
        (2, "AAA", "CASH"),
        (2, "AAA", "MAX_POSITION"),
        (3, "AAA", "CASH"),
    ]


def test_denials_of_spreads_are_told_apart_by_their_codes() -> None:
    codes = ("risk_budget", "score", "risk_budget")
    rows = [Row(DAY + timedelta(hours=n), Denied("AAA", Reason.SPREAD, code, {"code": code})) for n, code in enumerate(codes)]
    told = run_record(rows, Book(), None, FACTS).refusals
    assert [one.reason for one in told] == ["risk_budget", "score"]


def test_a_spread_is_a_trip_from_its_first_fill_with_all_its_cash_even_when_only_its_bought_put_came_and_went() -> None:
    plan = SpreadPlan(
        "s1", "AAA", "AAA240216P00095000", "AAA240216P00090000", 1, Decimal(1), Decimal("0.70"), SpreadRules(), "calm", DAY
    )
    told: dict[str, Any] = {
        "opened_at": DAY,
        "closed_at": DAY + timedelta(hours=1),
        "phase": SpreadPhase.CLOSED,
        "why": "entry over",
    }
    alone = Spread(plan, DAY, credit_usd=Decimal(-60), cash_usd=Decimal(-10), **told)
    whole = Spread(replace(plan, key="s2"), DAY, sold=1, credit_usd=Decimal(90), cash_usd=Decimal(40), **told)
    never = Spread(replace(plan, key="s3"), DAY, **(told | {"opened_at": None}))
    book = SpreadBook(closed=Grown((each.key, each) for each in (alone, whole, never)))
    trips = spread_trips(book)
    assert [(trip.key, trip.contracts, trip.credit_usd, trip.debit_usd, trip.pnl_usd) for trip in trips] == [
        ("s1", 0, -60.0, -50.0, -10.0),
        ("s2", 1, 90.0, 50.0, 40.0),
    ]


def test_pictures_get_the_bars_of_the_traded_symbols_and_days() -> None:
    days = pd.bdate_range("2008-08-29", periods=6)
    frame = pd.DataFrame({name: range(6) for name in ("open", "high", "low", "close", "volume")}, index=days, dtype=float)
    source = Source("test", "test", {"AAA": frame, "BBB": frame}, {})
    done = [IterationDone(n, days[n].date(), 1.0, 1.0, 0) for n in (1, 2, 3)]
    daily = record(submit("AAA"), bought("AAA"), submit("CCC"), bought("CCC"), *done, source=source).daily
    assert set(daily) == {"AAA"}
    assert daily["AAA"].sessions == tuple(day.date() for day in days[1:4])
    assert list(daily["AAA"].close) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(None, 0), (0.6, 3), (0.3, 1)],  # one was refused by the gate; 0.5 and 0.4 were traded below 0.6
)
def test_the_gate_counts_what_it_refused_and_what_it_would_have_refused(threshold: float | None, expected: int) -> None:
    values = (
        Denied("AAA", Reason.LOW_CONFIDENCE, "confidence 0.20 is below 0.60"),
        Denied("AAA", Reason.CASH, "no cash"),
        submit("BBB", 0.5),
        submit("CCC", 0.4),
        submit("DDD", 0.6),
        submit("EEE", None),
        cover("BBB"),
    )
    assert gate_refusals(rows_of(*values), threshold) == expected


def test_the_gate_counts_a_symbol_that_asks_every_hour_once_a_session() -> None:
    low = Denied("AAA", Reason.LOW_CONFIDENCE, "confidence 0.20 is below 0.60")
    moments = [DAY, DAY + timedelta(hours=1), DAY + timedelta(hours=2), DAY + timedelta(days=1)]
    assert gate_refusals([Row(at, low) for at in moments], 0.6) == 2


def test_the_counters_of_a_run() -> None:
    rows = rows_of(
        submit("AAA"),
        bought("AAA"),
        event("AAA", TARGET, S.WORKING, 0, "0"),
        event("AAA", TARGET, S.FILLED, 10, "115.00"),
        submit("BBB"),
        BrokerRefusal("n-BBB-open", 422, 42210000, "why?"),
        cover("AAA"),
        BrokerRefusal("n-AAA-open-cover1", 403, 40310000, "insufficient qty", explained=True),
        BreakFound(Break("AAA", 1, 2)),
        BreakFound(Break("BBB", 1, 2), repaired=True),
    )
    assert counts(rows) == Counts(
        orders_submitted=3, orders_rejected=2, orders_rejected_unexplained=1, fills=2, reconciliation_breaks=1
    )
