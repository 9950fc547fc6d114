"""What a person is told of an iteration: bought, sold, refused, and what the broker said since the one before."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pytest
from rich.console import Console

from desk.core.spread_book import SpreadBook
from desk.domain.decisions import Denied, FixedExit, Intent, IntentKind, Mode, Reason
from desk.domain.journal import Acknowledged, BrokerRefusal, ModeChanged, RowValue
from desk.domain.market import DailyBars, Market
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.spreads import Spread, SpreadPhase, SpreadPlan, SpreadRules
from desk.domain.steps import Cancel, Replace, Step, Submit
from desk.domain.trades import Account, Book, Trade
from desk.report.console import RunConsole
from desk.runtime.corridor import Iteration
from desk.runtime.decided import Decided
from desk.runtime.watch import Watch, gate_words

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
KEY = "f00d-20240103T150000-AAA-open"
SPEC = OrderSpec(
    KEY, "AAA", Side.BUY, 10, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal("100.20"), take_profit=Decimal("115.23"),
    stop_loss=Decimal("95.19"),
)  # fmt: skip
TRADE = Trade(SPEC, NOW, 100.0, "RSI 28.0", target_price=SPEC.take_profit)
HELD = replace(TRADE, entry_status=OrderStatus.FILLED, entered=10, entry_value=Decimal(1_001), target_status=OrderStatus.WORKING)


def event(role: GroupRole, status: OrderStatus, shares: int = 0, price: str = "0") -> OrderEvent:
    fill = Fill("x1", KEY, "AAA", Side.BUY, shares, Decimal(price), NOW, role) if shares else None
    return OrderEvent(KEY, role, status, NOW, "b1", fill)


def told(
    news: Sequence[RowValue] = (),
    steps: Sequence[Step] = (),
    denied: Sequence[Denied] = (),
    trades: Sequence[Trade] = (),
    closed: Sequence[Trade] = (),
    sessions: Sequence[date] | None = None,
    spreads: Sequence[Spread] = (),
) -> str:
    """Everything that one iteration prints, on one line."""
    screen = io.StringIO()
    column = np.array([101.0])
    bars = DailyBars((date(2024, 1, 2),), column, column, column, column, column)
    book = Book(MappingProxyType({trade.key: trade for trade in trades}), tuple(closed))
    decided = Decided(tuple(steps), tuple(denied), (), tuple(news))
    iteration = Iteration(Market(NOW, NOW.date(), {"AAA": bars}), Account(100_000.0, 90_000.0, {}), book, (), decided)
    iteration = replace(iteration, spreads=SpreadBook(MappingProxyType({spread.key: spread for spread in spreads})))
    with RunConsole(Console(file=screen, width=200), None) as console:
        Watch(console, sessions, gate_words(0.6, enforced=False)).iteration(iteration)
    return " ".join(screen.getvalue().split())


def test_an_entry_is_told_with_its_exits_its_reason_and_the_gate() -> None:
    intent = Intent(IntentKind.OPEN, "AAA", 10, 100.2, FixedExit(0.05, 0.15), "RSI 28.0", 0.52)
    text = told(steps=[Submit(SPEC, intent)])
    for part in ("AAA", "10", "100.20", "95.19", "115.23", "RSI 28.0", "0.52", "the 0.6 gate would refuse it"):
        assert part in text


def test_an_exit_is_told_with_its_shares_and_its_reason() -> None:
    text = told(steps=[Replace("k2", KEY, "AAA", GroupRole.TAKE_PROFIT, Decimal("99.50"), "held for 10 sessions")], trades=[HELD])
    assert "sell" in text and "99.50" in text and "held for 10 sessions" in text


def test_a_cancel_and_a_refusal_are_told_with_their_reasons() -> None:
    text = told(
        steps=[Cancel("k2", KEY, "AAA", "entry not filled in time")], denied=[Denied("BBB", Reason.CASH, "12 dollars are free")]
    )
    assert "AAA: cancel, entry not filled in time" in text
    assert "BBB" in text and "CASH: 12 dollars are free" in text


def test_a_position_is_told_with_its_distance_to_stop_and_target() -> None:
    text = told(trades=[HELD])
    assert "1 position" in text and "100.10" in text and "101.00" in text
    assert "NOT PROTECTED" not in text


def test_spreads_that_hold_something_are_counted_and_one_that_is_being_entered_is_not() -> None:
    plan = SpreadPlan(
        "s1", "AAA", "AAA240216P00095000", "AAA240216P00090000", 1, Decimal(1), Decimal("0.70"), SpreadRules(), "calm", NOW
    )
    entering = Spread(plan, NOW)
    held = Spread(replace(plan, key="s2"), NOW, SpreadPhase.OPEN, short=1, long=1, sold=1)
    assert "1 position, 1 spread cash" in told(trades=[HELD], spreads=[entering, held])
    assert "spread" not in told(trades=[HELD], spreads=[entering])


def test_a_position_without_an_exit_is_shouted_about() -> None:
    bare = replace(HELD, target_status=OrderStatus.CANCELED, stop_status=OrderStatus.CANCELED)
    assert "NOT PROTECTED" in told(trades=[bare])


@pytest.mark.parametrize(
    ("news", "expected"),
    [
        (event(GroupRole.ENTRY, OrderStatus.FILLED, 10, "100.10"), "AAA: bought 10 at 100.10"),
        (event(GroupRole.TAKE_PROFIT, OrderStatus.FILLED, 10, "115.23"), "AAA: target sold 10 at 115.23"),
        (event(GroupRole.STOP_LOSS, OrderStatus.FILLED, 10, "95.10"), "AAA: stop sold 10 at 95.10"),
        (event(GroupRole.ENTRY, OrderStatus.CANCELED), "AAA: the entry was canceled"),
        (BrokerRefusal(KEY, 422, 42210000, "no"), f"the broker refused {KEY}: no"),
        (ModeChanged(Mode.HALTED, "a break"), "the desk is halted now: a break"),
    ],
)
def test_news_is_told_in_words(news: RowValue, expected: str) -> None:
    assert expected in told(news=[news], trades=[HELD])


@pytest.mark.parametrize("news", [event(GroupRole.TAKE_PROFIT, OrderStatus.WORKING), Acknowledged(KEY, {"entry": "b1"})])
def test_what_changes_nothing_for_a_person_is_not_told(news: RowValue) -> None:
    assert "event" not in told(news=[news])


@pytest.mark.parametrize("over", [False, True])
def test_a_target_that_was_moved_to_leave_is_no_target(over: bool) -> None:
    leaving = replace(HELD, exit_requested="held for 10 sessions")
    sold = event(GroupRole.TAKE_PROFIT, OrderStatus.FILLED, 10, "99.80")
    text = told(news=[sold], closed=[leaving]) if over else told(news=[sold], trades=[leaving])
    assert "AAA: sold 10 at 99.80" in text


def test_the_session_is_counted_among_those_of_the_run() -> None:
    days = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
    assert "day 2/3" in told(sessions=days)
    assert "day 1 " in told()


@pytest.mark.parametrize(
    ("confidence", "enforced", "words"),
    [
        (None, True, "no confidence"),
        (0.6, True, "the 0.6 gate passes it"),
        (0.59, False, "the 0.6 gate would refuse it"),
        (0.59, True, ""),
    ],
)
def test_the_gate_has_its_say(confidence: float | None, enforced: bool, words: str) -> None:
    assert gate_words(0.6, enforced)(confidence) == words
