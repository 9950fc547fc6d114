"""A desk whose shares are split: old orders end, new exits come, and a restart at any moment goes on with that."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from recording_desk import (
    FLAT,
    NOW,
    STOP,
    TARGET,
    Dies,
    Killed,
    S,
    bare,
    bought,
    buy,
    leave,
    market,
    news,
    recovered,
)

from desk.core.covering import MAX_COVERS
from desk.domain.decisions import Mode, Reason, Weight
from desk.domain.journal import BrokerRefusal, SharesSplit
from desk.domain.orders import Fill, OrderClass, OrderEvent, Side
from desk.domain.steps import Cancel, Step, Submit
from desk.journal.memory import MemoryJournal
from desk.runtime.desk import Desk

EX = date(2024, 1, 4)
OPENING = NOW + timedelta(hours=23, minutes=30)
TEN = SharesSplit("AAA", 99, 990, Decimal(10), Decimal(1), EX, ("out", "in"))
SPLIT = replace(FLAT, shares={"AAA": 990})


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal("f00d")


def booked(desk: Desk, split: SharesSplit = TEN) -> bool:
    return bool(desk.split([split], {"AAA": split.new_shares}))


def end(desk: Desk, step: Step) -> None:
    for role in (TARGET, STOP):
        desk.order_event(news(step, S.CANCELED, role=role))


def splits(journal: MemoryJournal) -> list[SharesSplit]:
    return [row.value for row in journal.rows() if isinstance(row.value, SharesSplit)]


def test_old_exits_are_ended_and_the_shares_covered_anew_at_the_prices_of_the_new_shares(journal: MemoryJournal) -> None:
    desk, outbox, entry = bought(journal)
    assert isinstance(entry, Submit)
    assert desk.unexplained({"AAA": 990}) == {"AAA"}
    assert booked(desk)
    assert desk.unexplained({"AAA": 990}) == frozenset()
    desk.cover_bare_shares()
    cancel = outbox.sent[-1]
    assert isinstance(cancel, Cancel)
    assert (cancel.of_key, cancel.role) == (entry.key, TARGET)
    end(desk, entry)
    cover = outbox.sent[-1]
    assert isinstance(cover, Submit) and entry.spec.stop_loss is not None and entry.spec.take_profit is not None
    assert (cover.spec.quantity, cover.spec.order_class) == (990, OrderClass.OCO)
    assert Decimal(0) <= entry.spec.stop_loss - 10 * (cover.spec.stop_loss or 0) < Decimal("0.1")
    assert Decimal(0) <= 10 * (cover.spec.take_profit or 0) - entry.spec.take_profit < Decimal("0.1")
    desk.order_event(news(cover, S.WORKING, role=TARGET))
    sent = list(outbox.sent)
    desk.guard({})
    desk.decide(market(1, 10.0), SPLIT, [])
    assert outbox.sent == sent, "the new exits are no old ones"
    assert desk.mode is Mode.ACTIVE
    assert recovered(journal)[0].book == desk.book


def test_the_same_activities_at_a_second_look_change_nothing(journal: MemoryJournal) -> None:
    desk, _, _ = bought(journal)
    assert booked(desk)
    book = desk.book
    assert not desk.split([TEN], {"AAA": 990})
    # Even where the count would fit a second time.
    again = replace(TEN, old_shares=990, new_shares=9900)
    assert not desk.split([again], {"AAA": 9900})
    assert (desk.book, splits(journal)) == (book, [TEN])
    restarted, _ = recovered(journal)
    assert not restarted.split([again], {"AAA": 9900})


def test_a_process_that_dies_before_the_old_exits_were_ended_ends_them_at_its_next_start(journal: MemoryJournal) -> None:
    desk, _, entry = bought(journal)
    booked(desk)
    desk.send_through(Dies())
    with pytest.raises(Killed):
        desk.cover_bare_shares()
    restarted, outbox = recovered(journal)
    assert restarted.book.shares() == {"AAA": 990}
    restarted._clock.move_to(NOW + timedelta(seconds=1))  # type: ignore[attr-defined]  # a VirtualClock
    restarted.cover_bare_shares()
    (cancel,) = outbox.sent
    assert isinstance(cancel, Cancel) and cancel.of_key == entry.key
    end(restarted, entry)
    cover = outbox.sent[-1]
    assert isinstance(cover, Submit) and cover.spec.quantity == 990


def test_a_cancel_that_was_refused_is_asked_for_again(journal: MemoryJournal) -> None:
    desk, outbox, entry = bought(journal)
    booked(desk)
    desk.cover_bare_shares()
    desk.refused(BrokerRefusal(outbox.sent[-1].key, 422, 42210000, "order pending cancel"))
    desk.decide(market(1, 10.0), SPLIT, [])
    first, second = outbox.sent[-2:]
    assert isinstance(first, Cancel) and isinstance(second, Cancel)
    assert first.of_key == second.of_key == entry.key and first.key != second.key


def test_what_an_old_stop_sells_before_it_is_ended_counts_as_it_is(journal: MemoryJournal) -> None:
    desk, outbox, entry = bought(journal)
    booked(desk)
    desk.cover_bare_shares()
    fill = Fill("x9", entry.key, "AAA", Side.SELL, 99, Decimal(10), OPENING, STOP)
    desk.order_event(OrderEvent(entry.key, TARGET, S.CANCELED, OPENING, "b1"))
    desk.order_event(OrderEvent(entry.key, STOP, S.FILLED, OPENING, "b2", fill))
    assert desk.book.shares() == {"AAA": 891}
    cover = outbox.sent[-1]
    assert isinstance(cover, Submit) and cover.spec.quantity == 891
    assert recovered(journal)[0].book == desk.book


def test_a_stop_that_sold_before_the_split_was_booked_leaves_the_rest_open_and_covered(journal: MemoryJournal) -> None:
    desk, outbox, entry = bought(journal)
    fill = Fill("x9", entry.key, "AAA", Side.SELL, 99, Decimal(10), OPENING, STOP)
    desk.order_event(OrderEvent(entry.key, TARGET, S.CANCELED, OPENING, "b1"))
    desk.order_event(OrderEvent(entry.key, STOP, S.FILLED, OPENING, "b2", fill))
    assert desk.book.shares() == {}
    assert desk.split([TEN], {"AAA": 891})
    desk.cover_bare_shares()
    assert desk.book.shares() == {"AAA": 891}
    cover = outbox.sent[-1]
    assert isinstance(cover, Submit)
    assert (cover.covers, cover.spec.quantity) == (entry.key, 891)
    assert recovered(journal)[0].book == desk.book


def test_an_entry_that_still_works_is_ended_and_what_it_bought_is_covered(journal: MemoryJournal) -> None:
    desk, outbox, entry = bought(journal, 5)
    booked(desk, replace(TEN, old_shares=5, new_shares=50))
    desk.cover_bare_shares()
    cancel = outbox.sent[-1]
    assert isinstance(cancel, Cancel)
    assert cancel.of_key == entry.key
    desk.order_event(news(entry, S.CANCELED))
    cover = outbox.sent[-1]
    assert isinstance(cover, Submit) and cover.spec.quantity == 50


def test_an_exit_under_way_is_ended_too_and_goes_on_at_the_new_price(journal: MemoryJournal) -> None:
    desk, outbox, entry = bought(journal)
    desk.decide(market(1), replace(FLAT, shares={"AAA": 99}), leave("AAA"))
    moved = desk.book.open[entry.key].target_price
    booked(desk)
    desk.cover_bare_shares()
    end(desk, entry)
    cover = outbox.sent[-1]
    assert isinstance(cover, Submit) and moved is not None and cover.spec.take_profit is not None
    assert Decimal(0) <= 10 * cover.spec.take_profit - moved < Decimal("0.1")


def test_the_symbol_is_not_bought_from_the_split_until_its_exits_are_new(journal: MemoryJournal) -> None:
    desk, _, _ = bought(journal)
    target = [replace(each, amount=Weight(0.14)) for each in buy("AAA")]
    before = desk.decide(market(1, 10.0), SPLIT, target)
    assert [step for step in before.steps if isinstance(step, Submit)] == []
    assert Reason.FOREIGN_POSITION in {denied.reason for denied in before.denied}
    booked(desk)
    desk.cover_bare_shares()
    meanwhile = desk.decide(market(2, 10.0), SPLIT, target)
    assert [type(step) for step in meanwhile.steps] == [Cancel], "the exits are asked again to end, and nothing is bought"
    assert {denied.reason for denied in meanwhile.left_alone} == {Reason.ALREADY_WORKING}


def test_a_journal_from_before_there_were_splits_is_read_as_ever(journal: MemoryJournal) -> None:
    desk, _, _ = bought(journal)
    assert splits(journal) == []
    assert recovered(journal)[0].book == desk.book


# ---- a reverse split: the broker ends exits that are for more shares than there are ----------------------------------------


def refused(desk: Desk, key: str, words: str, *, explained: bool) -> None:
    desk.refused(BrokerRefusal(key, 403, 40310000, words, explained=explained))


@pytest.mark.parametrize(
    ("words", "explained", "left"),
    [
        ("insufficient qty available for order (requested: 5, available: 1)", True, 1),
        ("oco orders must be exit orders", False, 0),
    ],
)
def test_exits_that_were_refused_for_want_of_shares_come_for_as_many_as_there_are(
    journal: MemoryJournal, words: str, explained: bool, left: int
) -> None:
    desk, outbox, entry = bare(journal)
    refused(desk, f"{entry.key}-cover1", words, explained=explained)
    assert desk.mode is Mode.ACTIVE
    assert desk.split([SharesSplit("AAA", 5, left, Decimal(1), Decimal(5 if left else 10), EX, ("out", "in"))], {"AAA": left})
    desk.cover_bare_shares()
    sent = [(step.key, step.spec.quantity) for step in outbox.sent[2:] if isinstance(step, Submit)]
    assert sent == ([(f"{entry.key}-cover2", 1)] if left else [])
    assert (desk.book.shares(), desk.mode) == ({"AAA": 1} if left else {}, Mode.ACTIVE)
    assert recovered(journal)[0].book == desk.book


def test_shares_that_nothing_explains_the_want_of_halt_the_desk_after_some_tries(journal: MemoryJournal) -> None:
    desk, _, entry = bare(journal)
    for number in range(1, MAX_COVERS + 1):
        assert desk.mode is Mode.ACTIVE
        refused(desk, f"{entry.key}-cover{number}", "oco orders must be exit orders", explained=False)
        desk.guard({})
    assert desk.mode is Mode.HALTED


def test_other_refusals_of_an_exit_halt_at_once(journal: MemoryJournal) -> None:
    desk, _, entry = bare(journal)
    refused(desk, f"{entry.key}-cover1", "account is restricted", explained=False)
    assert desk.mode is Mode.HALTED
