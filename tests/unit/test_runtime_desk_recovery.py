"""When something goes wrong: processes that die between journal and broker, brokers that refuse, news that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from recording_desk import (
    FIVE,
    FLAT,
    HELD,
    NOW,
    STARTED,
    STOP,
    TARGET,
    Dies,
    Killed,
    Outbox,
    S,
    bought,
    buy,
    leave,
    market,
    news,
    opened,
    recovered,
    refusal,
)

from desk.brokers.dry_run import DryRunGateway
from desk.core.ports import Journal
from desk.domain.decisions import Mode
from desk.domain.journal import Acknowledged, BrokerRefusal, IterationDone, ModeChanged, Row
from desk.domain.steps import Cancel, Replace, Submit
from desk.journal.memory import MemoryJournal
from desk.journal.sql import SqlJournal
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread, InlineRunner, Runner


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal("f00d")


# ---- the same book after a restart ---------------------------------------------------------------------------------


def test_an_iteration_is_journaled_with_the_positions_that_it_was_decided_on(journal: MemoryJournal) -> None:
    desk, _, _ = bought(journal)
    desk.finish_iteration(NOW.date(), FLAT, 0)
    assert list(journal.rows())[-1].value == IterationDone(1, NOW.date(), 100_000.0, 100_000.0, 0)
    assert desk.book.shares() == {"AAA": 99}


def covered(journal: Journal, runner: Runner | None = None) -> tuple[Desk, Outbox]:
    """A desk that went through most of what there is: a half-filled entry under its second cover, and an exit on its way."""
    desk, outbox = opened(journal)
    desk.work_in(runner or InlineRunner())
    desk.start(STARTED, FLAT)
    desk.decide(market(), FLAT, buy("AAA", "BBB", "CCC"))
    first, second, third = outbox.sent
    desk.acknowledged(Acknowledged(first.key, {"entry": "b1"}))
    for _ in range(2):
        desk.order_event(news(first, S.PARTIALLY_FILLED, 40, "x1"))
    desk.order_event(news(first, S.CANCELED))
    desk.refused(refusal(f"{first.key}-cover1"))
    desk.order_event(news(second, S.FILLED, 99, "x2"))
    desk.refused(BrokerRefusal(third.key, 422, 42210000, "no"))
    desk.decide(market(1), replace(FLAT, shares={"AAA": 40, "BBB": 99}), leave("BBB"))
    desk.finish_iteration(NOW.date(), FLAT, 2)
    desk.drain()
    return desk, outbox


def test_a_desk_that_died_comes_back_with_the_same_book(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "f00d")
    desk, outbox = covered(journal)
    before, keys = desk.book, outbox.keys
    assert [step.key.rsplit("-", 1)[-1] for step in outbox.sent[3:]] == ["cover1", "cover2", "exit"]
    journal.close()
    del desk
    reopened = SqlJournal(tmp_path / "journal.db", "other")
    again, silent = recovered(reopened)
    assert again.book == before
    assert again.mode is Mode.HALTED
    assert [again.step(key) for key in keys] == outbox.sent
    assert silent.sent == []
    assert (before.shares(), len(before.closed)) == ({"AAA": 40, "BBB": 99}, 1)
    reopened.close()


def test_a_desk_in_a_thread_of_its_own_ends_with_the_same_book(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    runner = DeskThread(on_error=errors.append)
    journal = SqlJournal(tmp_path / "journal.db", "f00d")
    threaded, outbox = covered(journal, runner)
    alone, expected = covered(MemoryJournal("f00d"))
    assert threaded.book == alone.book
    assert outbox.sent == expected.sent
    runner.close()
    assert errors == []
    journal.close()


# ---- killed between the journal and the broker ---------------------------------------------------------------------


def dies_in(desk: Desk, work: Callable[[], object]) -> None:
    desk.send_through(Dies())
    with pytest.raises(Killed):
        work()


def test_a_cancel_that_was_journaled_and_not_sent_is_sent_at_each_iteration_after_a_restart(journal: MemoryJournal) -> None:
    desk, _, _ = bought(journal, 5)
    dies_in(desk, lambda: desk.decide(market(1), FIVE, []))
    again, outbox = recovered(journal)
    for hours in (2, 3, 4):
        again.decide(market(hours), FIVE, [])
    assert outbox.kinds == [Cancel] * 3


def test_an_exit_that_was_journaled_and_not_sent_is_sent_after_a_restart_once(journal: MemoryJournal) -> None:
    desk, _, entry = bought(journal)
    before = desk.book
    dies_in(desk, lambda: desk.decide(market(1), HELD, leave("AAA")))
    again, outbox = recovered(journal)
    assert again.book == before
    for hours in (2, 3, 4):
        again.decide(market(hours), HELD, leave("AAA"))
    assert outbox.kinds == [Replace]
    assert again.book.open[entry.key].exit_requested == "held for 10 sessions"


def test_an_exit_that_the_broker_took_is_not_sent_again(journal: MemoryJournal) -> None:
    desk, _, _ = bought(journal)
    desk.decide(market(1), HELD, leave("AAA"))
    again, outbox = recovered(journal)
    assert again.book == desk.book
    again.decide(market(2), HELD, leave("AAA"))
    assert outbox.sent == []


def test_an_entry_that_nobody_answered_is_not_sent_again(journal: MemoryJournal) -> None:
    """It may have reached the broker; only a look there, under its own id, can tell."""
    desk, _ = opened(journal)
    dies_in(desk, lambda: desk.decide(market(), FLAT, buy("AAA")))
    again, outbox = recovered(journal)
    again.decide(market(), FLAT, buy("AAA"))
    assert outbox.sent == []
    assert len(again.book.open) == 1


@pytest.mark.parametrize(("unsent", "sent"), [(True, 1), (False, 0)])
def test_only_what_is_known_never_to_have_reached_the_broker_goes_out_again_under_its_key(
    journal: MemoryJournal, unsent: bool, sent: int
) -> None:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    key = outbox.keys[0]
    desk.refused(BrokerRefusal(key, None, None, "never reached the broker", explained=True, unsent=unsent))
    for again in (desk, recovered(journal)[0]):
        fresh = Outbox(again)
        again.send_through(fresh)
        for _ in range(2):
            again.decide(market(), FLAT, buy("AAA"))
        assert fresh.keys == [key] * sent
        assert len([row for row in journal.rows() if row.step_key == key]) == 1
        again.refused(BrokerRefusal(key, None, None, "never reached the broker", explained=True, unsent=unsent))


def test_a_cover_that_never_reached_the_broker_goes_out_at_once_under_its_own_key(journal: MemoryJournal) -> None:
    desk, _, entry = bought(journal, 5)
    dies_in(desk, lambda: desk.order_event(news(entry, S.CANCELED)))
    again, outbox = recovered(journal)
    again.refused(BrokerRefusal(f"{entry.key}-cover1", None, None, "never reached the broker", explained=True, unsent=True))
    again.cover_bare_shares()
    assert outbox.keys == [f"{entry.key}-cover1"]
    assert again.book.open[entry.key].exits_key == f"{entry.key}-cover1"
    assert again.mode is Mode.ACTIVE


def test_shares_that_a_restart_finds_bare_are_covered_before_the_first_iteration(journal: MemoryJournal) -> None:
    _, _, entry = bought(journal, 5)
    journal.append([Row(NOW, news(entry, S.CANCELED))])  # journaled, and killed before the cover was
    again, outbox = recovered(journal)
    assert outbox.sent == []
    again.cover_bare_shares()
    assert outbox.keys == [f"{entry.key}-cover1"]


def test_a_dry_run_over_bare_shares_leaves_the_covers_for_the_real_run(journal: MemoryJournal) -> None:
    desk, _, entry = bought(journal, 5)
    dies_in(desk, lambda: desk.order_event(news(entry, S.CANCELED)))
    never = BrokerRefusal(f"{entry.key}-cover1", None, None, "never reached the broker", explained=True, unsent=True)
    copy = MemoryJournal(journal.nonce)
    copy.append(tuple(journal.rows()))
    dry, _ = recovered(copy)
    shown: list[str] = []
    dry.send_through(DryRunGateway(dry, shown.append))
    dry.refused(never)
    dry.decide(market(1), FIVE, [])
    assert shown
    real, outbox = recovered(journal)
    real.refused(never)
    assert outbox.keys == [f"{entry.key}-cover1"]


# ---- exits ---------------------------------------------------------------------------------------------------------


def test_a_refused_second_exit_leaves_the_first_in_force(journal: MemoryJournal) -> None:
    desk, outbox, entry = bought(journal)
    desk.decide(market(1), HELD, leave("AAA"))
    first = desk.book.open[entry.key].target_price
    desk.decide(market(2, 98.0), HELD, leave("AAA"))
    assert outbox.kinds == [Submit, Replace, Replace]
    desk.refused(BrokerRefusal(outbox.keys[-1], 422, 42210000, "cannot replace order in accepted status"))
    trade = desk.book.open[entry.key]
    assert (trade.target_price, trade.exit_requested) == (first, "held for 10 sessions")
    desk.decide(market(3, 98.0), HELD, leave("AAA"))
    assert outbox.kinds[3:] == [Replace]


# ---- news that cannot be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threaded", [False, True])
def test_impossible_news_books_its_fill_halts_the_desk_and_poisons_no_journal(journal: MemoryJournal, threaded: bool) -> None:
    desk, _, entry = bought(journal)
    runner: Runner = DeskThread(on_error=lambda error: desk.halt(str(error))) if threaded else InlineRunner()
    desk.work_in(runner)
    desk.order_event(news(entry, S.PARTIALLY_FILLED, 50, "x2", TARGET))
    desk.order_event(news(entry, S.CANCELED, role=STOP))
    desk.order_event(news(entry, S.FILLED, 20, "x3", STOP))
    desk.drain()
    runner.close()
    (halt,) = [row.value for row in journal.rows() if isinstance(row.value, ModeChanged)]
    assert halt.reason.startswith("unexpected news of")
    assert desk.book.shares() == {"AAA": 29}
    assert desk.book.open[entry.key].stop_status is S.CANCELED
    again, _ = recovered(journal)
    assert (again.mode, again.book) == (Mode.HALTED, desk.book)


def test_a_fill_that_comes_after_the_cancel_of_its_order_brings_the_trade_back_and_covers_it(journal: MemoryJournal) -> None:
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    entry = outbox.sent[0]
    desk.order_event(news(entry, S.CANCELED))
    assert not desk.book.open
    desk.order_event(news(entry, S.PARTIALLY_FILLED, 5))
    assert desk.book.shares() == {"AAA": 5}
    assert desk.book.closed == ()
    assert desk.mode is Mode.HALTED
    assert outbox.keys == [entry.key, f"{entry.key}-cover1"]
    assert recovered(journal)[0].book == desk.book
