"""The desk over a real journal: written first, sent once, halted when the broker disagrees twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from desk.core.ports import Journal
from desk.core.review import Limits
from desk.domain.breaks import Break
from desk.domain.decisions import Denied, FixedExit, Mode, Reason, Shares, Target, Weight
from desk.domain.journal import Acknowledged, BreakFound, BrokerRefusal, ModeChanged, Row, RunStarted
from desk.domain.market import DailyBars, Market
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderStatus, Side
from desk.domain.steps import Cancel, Replace, Step, Submit
from desk.domain.trades import Account
from desk.journal.memory import MemoryJournal
from desk.journal.sql import SqlJournal
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULE = FixedExit(0.05, 0.15)
LIMITS = Limits(max_position_fraction=0.15)
FLAT = Account(100_000.0, 100_000.0, {})
STARTED = RunStarted("combined", "exchange", "bundled", 1, resumed=False)


class Outbox:
    """A gateway to nowhere that insists on the journal: what it is given must already be written. It takes every change."""

    def __init__(self, journal: Journal, desk: Desk) -> None:
        self._journal = journal
        self._desk = desk
        self.sent: list[Step] = []

    def send(self, step: Step) -> None:
        assert self._journal.has_step(step.key)
        assert any(row.value == step for row in self._journal.rows())
        self.sent.append(step)
        if not isinstance(step, Submit):
            self._desk.acknowledged(Acknowledged(step.key, {}))

    @property
    def keys(self) -> list[str]:
        return [step.key for step in self.sent]


def opened(journal: Journal, limits: Limits = LIMITS) -> tuple[Desk, Outbox]:
    desk = Desk(journal, VirtualClock(NOW), limits)
    outbox = Outbox(journal, desk)
    desk.send_through(outbox)
    return desk, outbox


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal("f00d")


def market(at: datetime = NOW, close: float = 100.0, symbols: Sequence[str] = ("AAA", "BBB", "CCC")) -> Market:
    column = np.array([close])
    bars = DailyBars((date(2024, 1, 2),), column, column, column, column, column)
    return Market(at, at.date(), dict.fromkeys(symbols, bars))


def buy(*symbols: str, weight: float = 0.1, confidence: float | None = None) -> list[Target]:
    return [Target(symbol, Weight(weight), RULE, "RSI 28.0", confidence) for symbol in symbols]


def leave(*symbols: str) -> list[Target]:
    return [Target(symbol, Shares(0), RULE, "held for 10 sessions") for symbol in symbols]


def filled(step: Step, shares: int | None = None, status: OrderStatus = OrderStatus.FILLED, name: str = "x1") -> OrderEvent:
    assert isinstance(step, Submit)
    fill = Fill(name, step.key, step.spec.symbol, Side.BUY, shares or step.spec.quantity, Decimal("100.10"), NOW)
    return OrderEvent(step.key, GroupRole.ENTRY, status, NOW, "b1", fill)


def told(step: Step, status: OrderStatus, role: GroupRole = GroupRole.ENTRY) -> OrderEvent:
    return OrderEvent(step.key, role, status, NOW, "b1")


def values(journal: Journal, kind: type) -> list[object]:
    return [row.value for row in journal.rows() if isinstance(row.value, kind)]


# ---- written first, sent once --------------------------------------------------------------------------------------


def test_steps_are_journaled_before_they_are_sent(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    decided = desk.decide(market(), FLAT, buy("AAA", "BBB"))
    assert outbox.keys == ["f00d-20240103T150000-AAA-open", "f00d-20240103T150000-BBB-open"]
    assert decided.steps == tuple(outbox.sent)
    assert desk.step(outbox.keys[0]) is outbox.sent[0]


def test_all_steps_of_an_iteration_are_written_before_the_first_is_sent(journal: MemoryJournal) -> None:
    desk, _ = opened(journal)
    known: list[int] = []

    class Counts:
        def send(self, step: Step) -> None:
            known.append(len(values(journal, Submit)))

    desk.send_through(Counts())
    desk.decide(market(), FLAT, buy("AAA", "BBB", "CCC"))
    assert known == [3, 3, 3]


def test_a_journal_that_cannot_be_written_lets_nothing_out() -> None:
    class Full(MemoryJournal):
        def append(self, rows: Sequence[Row]) -> None:
            raise OSError("no space left on device")

    desk, outbox = opened(Full("f00d"))
    with pytest.raises(OSError, match="no space left"):
        desk.decide(market(), FLAT, buy("AAA"))
    assert outbox.sent == []
    assert not desk.book.open


def test_a_second_desk_that_decides_the_same_sends_nothing(journal: MemoryJournal) -> None:
    opened(journal)[0].decide(market(), FLAT, buy("AAA"))
    desk, outbox = opened(journal)
    assert desk.decide(market(), FLAT, buy("AAA")).steps == ()
    assert outbox.sent == []


def test_a_step_that_was_sent_holds_back_no_other(journal: MemoryJournal) -> None:
    opened(journal)[0].decide(market(), FLAT, buy("AAA"))
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA", "BBB"))
    assert outbox.keys == ["f00d-20240103T150000-BBB-open"]


def test_a_desk_that_recovered_sends_only_what_is_new(journal: MemoryJournal) -> None:
    opened(journal)[0].decide(market(), FLAT, buy("AAA"))
    desk, outbox = opened(journal)
    desk.recover()
    desk.decide(market(), FLAT, buy("AAA", "BBB"))
    assert outbox.keys == ["f00d-20240103T150000-BBB-open"]


def test_nothing_unknown_may_be_sent(journal: MemoryJournal) -> None:
    assert opened(journal)[0].step("f00d-20240103T150000-AAA-open") is None


def test_a_desk_without_a_gateway_says_so(journal: MemoryJournal) -> None:
    with pytest.raises(RuntimeError, match="no gateway"):
        Desk(journal, VirtualClock(NOW), LIMITS).decide(market(), FLAT, buy("AAA"))


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_two_targets_for_one_symbol_open_it_once_and_harm_no_other(tmp_path: Path, kind: str) -> None:
    journal: Journal = MemoryJournal("f00d") if kind == "memory" else SqlJournal(tmp_path / "journal.db", "f00d")
    desk, outbox = opened(journal)
    decided = desk.decide(market(), FLAT, buy("AAA", "AAA", "BBB"))
    assert outbox.keys == ["f00d-20240103T150000-AAA-open", "f00d-20240103T150000-BBB-open"]
    assert [(one.symbol, one.reason) for one in decided.denied] == [("AAA", Reason.ALREADY_WORKING)]
    journal.close()


def test_two_purchases_of_one_symbol_together_stay_below_the_cap(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA", "AAA", weight=0.14))
    assert sum(step.spec.quantity for step in outbox.sent if isinstance(step, Submit)) == 139


def test_a_target_that_makes_no_sense_is_denied_and_the_others_go_on(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    wanted = [*buy("AAA", weight=float("nan")), *buy("ZZZ"), *buy("BBB")]
    decided = desk.decide(market(), FLAT, wanted)
    assert outbox.keys == ["f00d-20240103T150000-BBB-open"]
    assert [one.reason for one in decided.denied] == [Reason.BAD_TARGET, Reason.NO_PRICE]
    assert tuple(values(journal, Denied)) == decided.denied


def test_one_order_that_cannot_be_sent_holds_back_no_other(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)

    class Stumbles:
        def send(self, step: Step) -> None:
            if step.key.endswith("AAA-open"):
                raise TypeError("no such field")
            outbox.send(step)

    desk.send_through(Stumbles())
    desk.decide(market(), FLAT, buy("AAA", "BBB"))
    assert outbox.keys == ["f00d-20240103T150000-BBB-open"]
    (refusal,) = values(journal, BrokerRefusal)
    assert isinstance(refusal, BrokerRefusal) and "no such field" in refusal.message
    assert [trade.symbol for trade in desk.book.open.values()] == ["BBB"]


def test_refused_trades_are_journaled_and_given_back(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    decided = desk.decide(market(), FLAT, buy("AAA", weight=0.2) + buy("BBB", weight=0.00001))
    assert [(one.symbol, one.reason) for one in decided.denied] == [("AAA", Reason.MAX_POSITION), ("BBB", Reason.ZERO_SHARES)]
    assert tuple(values(journal, type(decided.denied[0]))) == decided.denied
    assert outbox.sent == []


@pytest.mark.parametrize(("least", "sends"), [(None, True), (0.6, False)])
def test_the_gate_refuses_only_when_it_is_enforced(journal: MemoryJournal, least: float | None, sends: bool) -> None:
    desk, outbox = opened(journal, replace(LIMITS, min_confidence=least))
    desk.decide(market(), FLAT, buy("AAA", confidence=0.4))
    assert bool(outbox.sent) is sends


# ---- what the broker says ------------------------------------------------------------------------------------------


def test_a_fill_reaches_the_book_and_is_news_of_the_next_iteration(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    event = filled(outbox.sent[0])
    desk.order_event(event)
    assert desk.book.shares() == {"AAA": 99}
    news = desk.decide(market(NOW + HOUR), replace(FLAT, shares={"AAA": 99}), []).news
    assert news == (outbox.sent[0], event)


def test_an_entry_that_is_not_filled_in_an_hour_is_canceled_until_it_ends(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    for hours in range(4):
        desk.decide(market(NOW + hours * HOUR), FLAT, buy("AAA") if hours == 0 else [])
    assert [type(step) for step in outbox.sent] == [Submit, Cancel, Cancel, Cancel]


def test_a_half_filled_entry_that_ends_is_covered_at_once(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    entry = outbox.sent[0]
    desk.order_event(filled(entry, 40, OrderStatus.PARTIALLY_FILLED))
    desk.order_event(told(entry, OrderStatus.CANCELED))
    oco = outbox.sent[-1]
    assert isinstance(oco, Submit) and isinstance(entry, Submit)
    assert (oco.spec.order_class, oco.spec.quantity) == (OrderClass.OCO, 40)
    assert (oco.spec.take_profit, oco.spec.stop_loss) == (entry.spec.take_profit, entry.spec.stop_loss)
    assert len(outbox.sent) == 2


def test_a_refused_entry_leaves_the_symbol_free(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    desk.refused(BrokerRefusal(outbox.keys[0], 422, 42210000, "no"))
    assert not desk.book.open
    desk.decide(market(NOW + HOUR), FLAT, buy("AAA"))
    assert len(outbox.sent) == 2


def test_refusals_and_answers_about_strange_orders_are_written_and_change_nothing(journal: MemoryJournal) -> None:
    desk, _ = opened(journal)
    desk.refused(BrokerRefusal("strange", 422, None, "no"))
    desk.acknowledged(Acknowledged("strange", {"entry": "b1"}))
    assert len(list(journal.rows())) == 2
    assert not desk.book.open


def test_a_symbol_that_was_tried_and_never_filled_is_reconciled_too(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    desk.order_event(told(outbox.sent[0], OrderStatus.CANCELED))
    for hours in (1, 2):
        decided = desk.decide(market(NOW + hours * HOUR), replace(FLAT, shares={"AAA": 5}), [])
    assert decided.breaks == (Break("AAA", 0, 5),)


# ---- halted --------------------------------------------------------------------------------------------------------


def holding(journal: Journal) -> tuple[Desk, Outbox, Account]:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    desk.order_event(filled(outbox.sent[0]))
    return desk, outbox, replace(FLAT, shares={"AAA": 99})


def test_one_look_that_differs_does_not_halt(journal: MemoryJournal) -> None:
    desk, _, account = holding(journal)
    for shares in ({}, {"AAA": 99}, {}, {"AAA": 99}):
        assert desk.decide(market(NOW + HOUR), replace(account, shares=shares), []).breaks == ()
    assert desk.mode is Mode.ACTIVE


def test_a_break_seen_twice_in_a_row_halts_the_desk(journal: MemoryJournal) -> None:
    desk, outbox, account = holding(journal)
    for hours in (1, 2):
        decided = desk.decide(market(NOW + hours * HOUR), replace(account, shares={"AAA": 90}), buy("BBB") if hours == 2 else [])
    assert desk.mode is Mode.HALTED
    assert decided.breaks == (Break("AAA", 99, 90),)
    assert [one.reason for one in decided.denied] == [Reason.HALTED]
    assert len(outbox.sent) == 1
    assert values(journal, BreakFound) == [BreakFound(Break("AAA", 99, 90))]
    assert values(journal, ModeChanged) == [ModeChanged(Mode.HALTED, str(Break("AAA", 99, 90)))]


def test_a_halt_is_written_once_however_long_the_break_lasts(journal: MemoryJournal) -> None:
    desk, _, account = holding(journal)
    for hours in range(1, 6):
        desk.decide(market(NOW + hours * HOUR), replace(account, shares={}), [])
    assert len(values(journal, ModeChanged)) == len(values(journal, BreakFound)) == 1


def test_a_halted_desk_still_leaves_and_covers(journal: MemoryJournal) -> None:
    desk, outbox, account = holding(journal)
    desk.halt("by hand")
    desk.decide(market(NOW + HOUR), account, leave("AAA"))
    assert isinstance(outbox.sent[-1], Replace)
    for role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS):
        desk.order_event(told(outbox.sent[0], OrderStatus.CANCELED, role))
    assert isinstance(outbox.sent[-1], Submit) and outbox.sent[-1].covers == outbox.keys[0]


def test_a_halt_outlives_the_process(journal: MemoryJournal) -> None:
    opened(journal)[0].halt("by hand")
    desk, outbox = opened(journal)
    desk.recover()
    desk.decide(market(), FLAT, buy("AAA"))
    assert desk.mode is Mode.HALTED
    assert outbox.sent == []


def test_trouble_halts_and_only_a_person_loosens(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    desk.trouble("an update was lost")
    assert desk.mode is Mode.HALTED
    desk.decide(market(), FLAT, buy("AAA"))
    assert outbox.sent == []
    journal.append([Row(NOW, ModeChanged(Mode.ACTIVE, "looked at it"))])  # `desk mode`, while no desk runs
    again, outbox = opened(journal)
    again.recover()
    again.decide(market(NOW + HOUR), FLAT, buy("AAA"))
    assert len(outbox.sent) == 1


# ---- start --------------------------------------------------------------------------------------------


def test_shares_from_before_the_desk_came_are_no_break_however_often_it_resumes(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    assert desk.start(STARTED, replace(FLAT, shares={"AAA": 7, "YYY": 0})) == ()
    assert values(journal, RunStarted) == [replace(STARTED, foreign={"AAA": 7})]
    desk.decide(market(), FLAT, buy("AAA"))
    desk.order_event(filled(outbox.sent[0]))
    for _ in range(2):
        again, _ = opened(journal)
        again.recover()
        assert again.start(replace(STARTED, resumed=True), replace(FLAT, shares={"AAA": 7 + 99})) == ()


def test_a_resumed_desk_tells_what_the_broker_holds_otherwise(journal: MemoryJournal) -> None:
    holding(journal)
    desk, _ = opened(journal)
    desk.recover()
    found = desk.start(replace(STARTED, resumed=True), FLAT)
    assert found == (Break("AAA", 99, 0),)
    assert values(journal, BreakFound) == [BreakFound(found[0])]


def test_iterations_are_counted_across_restarts(journal: MemoryJournal) -> None:
    desk, _ = opened(journal)
    for _ in range(3):
        desk.finish_iteration(NOW.date(), FLAT, 0)
    again, _ = opened(journal)
    again.recover()
    assert again.iterations == 3
    again.finish_iteration(NOW.date(), FLAT, 0)
    assert again.iterations == 4
