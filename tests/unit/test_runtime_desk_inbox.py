"""News that came while the journal could not be written, and orders that go out again: nothing of them is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from recording_desk import FIVE, FLAT, HELD, HOUR, NOW, RULE, STOP, TARGET, S, bare, bought, leave, market, news, recovered

from desk.core.protect import Stamp
from desk.core.reconcile import adoption
from desk.domain.decisions import Mode
from desk.domain.journal import BrokerRefusal, Heard, ModeChanged, Row, SentAgain, SharesAdopted
from desk.domain.orders import Fill, GroupRole, OrderEvent, Side
from desk.domain.steps import Cancel, Replace, Submit
from desk.journal.errors import JournalBroken
from desk.journal.memory import MemoryJournal
from desk.runtime.desk import Desk


class Brittle(MemoryJournal):
    """A journal whose disk fails for a while."""

    is_broken = False

    def append(self, rows: Sequence[Row]) -> None:
        if self.is_broken:
            raise JournalBroken("the disk is full")
        super().append(rows)


@pytest.fixture
def journal() -> Brittle:
    return Brittle("f00d")


def while_broken(journal: Brittle, *told: Callable[[], None]) -> None:
    """The broker says something that cannot be written; the desk's thread would halt the desk for each."""
    journal.is_broken = True
    for tell in told:
        with pytest.raises(JournalBroken):
            tell()
    journal.is_broken = False


def by_beat(desk: Desk) -> None:
    desk.hand_over(lambda: None)


def by_iteration(desk: Desk) -> None:
    desk.decide(market(1), HELD, [])


@pytest.mark.parametrize("goes_on", [by_beat, by_iteration])
def test_exits_that_ended_unwritten_are_covered_once_the_journal_is_back(
    journal: Brittle, goes_on: Callable[[Desk], None]
) -> None:
    desk, outbox, entry = bought(journal)
    ends = [news(entry, S.CANCELED, role=role) for role in (TARGET, STOP)]
    while_broken(journal, *(lambda each=each: desk.order_event(each) for each in ends))
    assert outbox.keys == [entry.key]
    goes_on(desk)
    assert outbox.keys == [entry.key, f"{entry.key}-cover1"]
    assert recovered(journal)[0].book == desk.book


def test_a_fill_and_a_refusal_that_came_unwritten_are_booked_in_their_order(journal: Brittle) -> None:
    desk, outbox, entry = bare(journal)
    never = BrokerRefusal(f"{entry.key}-cover1", None, None, "not reached", explained=True, unsent=True)
    while_broken(journal, lambda: desk.refused(never), lambda: desk.order_event(news(entry, S.CANCELED)))
    by_beat(desk)
    assert outbox.keys == [entry.key, f"{entry.key}-cover1", f"{entry.key}-cover1"]
    assert recovered(journal)[0].book == desk.book


def test_an_order_that_goes_out_again_is_journaled_as_it_goes(journal: Brittle) -> None:
    _, _, entry = bare(journal)
    again, fresh = recovered(journal)
    late = Fill("late", entry.key, "AAA", Side.BUY, 3, Decimal(100), NOW, GroupRole.ENTRY)
    again.order_event(OrderEvent(entry.key, GroupRole.ENTRY, S.CANCELED, NOW, "b1", late))
    again.refused(BrokerRefusal(f"{entry.key}-cover1", None, None, "not reached", explained=True, unsent=True))
    (cover,) = fresh.sent
    assert isinstance(cover, Submit)
    assert (cover.key, cover.spec.quantity) == (f"{entry.key}-cover1", 8)
    assert SentAgain(cover.key, cover) in [row.value for row in journal.rows()]
    third, _ = recovered(journal)
    assert third.step(cover.key) == cover
    assert third.book == again.book


def test_a_cancel_that_the_broker_rejected_later_is_asked_for_again(journal: Brittle) -> None:
    desk, outbox, entry = bought(journal, 5)
    desk.decide(market(1), FIVE, [])
    desk.order_event(news(entry, S.PENDING_CANCEL))
    desk.order_event(news(entry, S.PARTIALLY_FILLED))
    desk.decide(market(2), FIVE, [])
    assert [type(step) for step in outbox.sent] == [Submit, Cancel, Cancel]


def test_half_filled_shares_whose_entry_does_not_end_halt_the_desk(journal: Brittle) -> None:
    desk, outbox, entry = bought(journal, 5)
    desk.decide(market(1), FIVE, [])
    assert desk.mode.value == "active"
    desk.order_event(news(entry, S.PENDING_CANCEL))
    desk.decide(market(2), FIVE, [])
    assert desk.mode is Mode.HALTED
    desk.order_event(news(entry, S.CANCELED))
    assert outbox.keys[-1] == f"{entry.key}-cover1"


def test_a_cancel_that_is_refused_again_and_again_halts_the_desk_too(journal: Brittle) -> None:
    desk, outbox, _entry = bought(journal, 5)
    for hours in range(1, 3):
        assert desk.mode.value == "active"
        desk.decide(market(hours), FIVE, [])
        cancel = outbox.sent[-1]
        assert isinstance(cancel, Cancel)
        desk.refused(BrokerRefusal(cancel.key, 422, 42210000, "order is pending", explained=True))
    desk.decide(market(3), FIVE, [])
    assert desk.mode.value == "halted"


class HalfDead(Brittle):
    """Writes, and says that it could not."""

    def append(self, rows: Sequence[Row]) -> None:
        MemoryJournal.append(self, rows)
        if self.is_broken:
            raise JournalBroken("the connection was lost at the commit")


def test_an_exit_whose_append_was_safe_and_reported_as_failed_goes_out() -> None:
    journal = HalfDead("f00d")
    desk, outbox, entry = bought(journal, 5)
    while_broken(journal, lambda: desk.order_event(news(entry, S.CANCELED)))
    assert outbox.keys == [entry.key]
    by_beat(desk)
    by_iteration(desk)
    assert outbox.keys == [entry.key, f"{entry.key}-cover1"]
    assert recovered(journal)[0].book == desk.book


class FailsFor(Brittle):
    """Cannot write a change of mode."""

    def append(self, rows: Sequence[Row]) -> None:
        if self.is_broken and any(isinstance(row.value, ModeChanged) for row in rows):
            raise JournalBroken("the disk is full")
        MemoryJournal.append(self, rows)


def test_a_fill_beside_news_that_halts_is_booked_although_the_halt_cannot_be_written() -> None:
    journal = FailsFor("f00d")
    desk, _outbox, entry = bought(journal)
    desk.order_event(news(entry, S.CANCELED, role=STOP))
    odd = news(entry, S.FILLED, 20, "x3", STOP)
    while_broken(journal, lambda: desk.heard(Heard("stream", "{}"), [odd, news(entry, S.FILLED, 79, "x2", TARGET)]))
    assert desk.book.shares() == recovered(journal)[0].book.shares() == {}


def test_two_trades_of_one_symbol_leave_together(journal: Brittle) -> None:
    desk, outbox, entry = bought(journal)
    spec = adoption(Stamp("f00d", NOW + HOUR), "AAA", 5, 100.0, RULE)
    desk.adopt_shares(SharesAdopted(spec, Decimal(100), "mine", 0))
    desk.cover_bare_shares()
    desk.decide(market(2), replace(FLAT, shares={"AAA": 104}), leave("AAA"))
    moved = [step for step in outbox.sent if isinstance(step, Replace)]
    assert [step.of_key for step in moved] == [entry.key, f"{spec.key}-cover1"]
    assert len({step.key for step in moved}) == 2
