"""Shares that the broker takes no exit for: a person hears of it, and the desk asks on."""

from __future__ import annotations

from decimal import Decimal

import pytest
from recording_desk import BELOW_STOP, FIVE, FLAT, STOP, TARGET, S, bare, buy, leave, market, news, opened, recovered, refusal

from desk.core.covering import MAX_COVERS
from desk.domain.decisions import Mode
from desk.domain.journal import BrokerRefusal, ModeChanged
from desk.domain.orders import OrderClass, OrderType, Side
from desk.domain.steps import Submit
from desk.journal.memory import MemoryJournal


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal("f00d")


def test_a_refused_cover_halts_the_desk_and_is_tried_once_an_iteration(journal: MemoryJournal) -> None:
    desk, outbox, entry = bare(journal)
    for number in range(1, MAX_COVERS + 3):
        assert outbox.keys[1:] == [f"{entry.key}-cover{tried}" for tried in range(1, number + 1)]
        desk.refused(refusal(f"{entry.key}-cover{number}"))
        assert len(outbox.sent) == 1 + number, "asked again at once"
        assert desk.mode is Mode.HALTED
        desk.decide(market(number), FIVE, [])
    assert not desk.book.open[entry.key].is_protected
    reasons = [row.value.reason for row in journal.rows() if isinstance(row.value, ModeChanged)]
    assert reasons == ["5 AAA have no exit: the broker refused, insufficient qty available"]


def test_covers_that_the_broker_takes_and_ends_halt_the_desk_and_are_tried_once_an_iteration(journal: MemoryJournal) -> None:
    desk, outbox, entry = bare(journal)
    for _ in range(MAX_COVERS):
        assert desk.mode is Mode.ACTIVE
        desk.order_event(news(outbox.sent[-1], S.REJECTED, role=TARGET))
        desk.order_event(news(outbox.sent[-1], S.REJECTED, role=STOP))
    assert desk.mode is Mode.HALTED
    assert len(outbox.sent) == 1 + MAX_COVERS
    reasons = [row.value.reason for row in journal.rows() if isinstance(row.value, ModeChanged)]
    assert reasons == [
        f"5 AAA have no exit: the broker ended {MAX_COVERS} in a row. It is tried again every minute and at "
        "each iteration; look at the account at the broker"
    ]
    desk.decide(market(1), FIVE, [])
    assert outbox.keys[-1] == f"{entry.key}-cover{MAX_COVERS + 1}"


def test_late_word_of_a_refused_cover_does_not_disown_the_sale_that_took_its_place(journal: MemoryJournal) -> None:
    desk, outbox, entry = bare(journal)
    desk.refused(refusal(f"{entry.key}-cover1", BELOW_STOP))
    sale = outbox.sent[-1]
    never = BrokerRefusal(f"{entry.key}-cover1", None, None, "never reached the broker", explained=True, unsent=True)
    desk.refused(never)
    desk.order_event(news(sale, S.FILLED, 5, "x2"))
    assert (desk.book.shares(), desk.mode) == ({}, Mode.ACTIVE)
    assert recovered(journal)[0].book == desk.book


def test_what_was_refused_or_has_ended_is_over_and_what_goes_out_again_is_not(journal: MemoryJournal) -> None:
    desk, outbox, entry = bare(journal)
    assert not desk.is_over(entry.key), "nothing was heard of its exits"
    for role in (TARGET, STOP):
        desk.order_event(news(entry, S.CANCELED, role=role))
    cover1, cover2 = (f"{entry.key}-cover{number}" for number in (1, 2))
    desk.refused(refusal(cover1, BELOW_STOP))
    again, _ = recovered(journal)
    for each in (desk, again):
        assert [each.is_over(key) for key in (entry.key, cover1, cover2)] == [True, True, False]
    desk.refused(BrokerRefusal(cover2, None, None, "not reached", explained=True, unsent=True))
    assert outbox.keys.count(cover2) == 2
    assert not desk.is_over(cover2)


def test_an_entry_that_was_given_up_and_fills_after_all_is_booked_without_a_halt(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    (entry,) = outbox.sent
    desk.refused(BrokerRefusal(entry.key, None, None, "never reached the broker", explained=True, unsent=True))
    assert (dict(desk.book.open), desk.is_over(entry.key)) == ({}, True)
    desk.order_event(news(entry, S.PARTIALLY_FILLED, 40))
    again, _ = recovered(journal)
    for each in (desk, again):
        assert (each.book.shares(), each.mode, each.is_over(entry.key)) == ({"AAA": 40}, Mode.ACTIVE, False)
    desk.order_event(news(entry, S.CANCELED))
    assert outbox.keys[-1] == f"{entry.key}-cover1"


def test_shares_that_the_market_has_taken_below_their_stop_are_sold_at_once(journal: MemoryJournal) -> None:
    desk, outbox, entry = bare(journal)
    desk.refused(refusal(f"{entry.key}-cover1", BELOW_STOP))
    sale = outbox.sent[-1]
    assert isinstance(sale, Submit)
    assert (sale.key, sale.covers) == (f"{entry.key}-cover2", entry.key)
    assert (sale.spec.type, sale.spec.order_class) == (OrderType.MARKET, OrderClass.SIMPLE)
    assert (sale.spec.side, sale.spec.quantity) == (Side.SELL, 5)
    assert desk.mode is Mode.ACTIVE
    desk.order_event(news(sale, S.FILLED, 5, "x2"))
    (trade,) = desk.book.closed
    assert (trade.exited, trade.exit_role) == (5, STOP)
    assert recovered(journal)[0].book == desk.book


def test_a_refused_sale_at_the_market_waits_for_the_next_iteration(journal: MemoryJournal) -> None:
    desk, outbox, entry = bare(journal)
    for number in (1, 2):
        desk.refused(refusal(f"{entry.key}-cover{number}", BELOW_STOP))
    assert outbox.keys[1:] == [f"{entry.key}-cover1", f"{entry.key}-cover2"]
    assert desk.mode is Mode.HALTED
    desk.decide(market(1), FIVE, [])
    last = outbox.sent[-1]
    assert isinstance(last, Submit)
    assert (last.key, last.spec.type) == (f"{entry.key}-cover3", OrderType.MARKET)


def test_bare_shares_that_are_to_leave_are_sold_when_no_cover_is_left(journal: MemoryJournal) -> None:
    desk, outbox, entry = bare(journal)
    for number in range(1, MAX_COVERS + 1):
        desk.refused(refusal(f"{entry.key}-cover{number}"))
        desk.decide(market(number), FIVE, [])
    desk.refused(refusal(f"{entry.key}-cover{MAX_COVERS + 1}"))
    desk.decide(market(9), FIVE, leave("AAA"))
    sale = outbox.sent[-1]
    assert isinstance(sale, Submit)
    assert (sale.key, sale.covers) == (f"{entry.key}-sale{MAX_COVERS + 2}", entry.key)
    assert (sale.spec.type, sale.spec.limit_price, sale.spec.quantity) == (OrderType.LIMIT, Decimal("99.50"), 5)
