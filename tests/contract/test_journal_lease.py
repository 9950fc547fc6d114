"""The lease in each database: one writer, taken over from the dead, and a writer that was replaced writes nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from journal_places import NOW, Fresh, cancel

from desk.domain.decisions import Mode
from desk.domain.errors import ConfigurationError, DeskError
from desk.journal.errors import LeaseLost
from desk.journal.holder import Holder
from desk.journal.lease import Heartbeat, Held, Lease
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal

pytest_plugins = ("journal_fixtures",)

SECONDS = 30.0
HERE = Holder.this_process(NOW)
ELSEWHERE = Holder("another-host", 4711, NOW)
Open = Callable[[], SqlJournal]


@pytest.fixture
def where(fresh: Fresh) -> Path | str:
    return fresh()


@pytest.fixture
def open_journal(where: Path | str) -> Iterator[Open]:
    opened: list[SqlJournal] = []

    def _open() -> SqlJournal:
        opened.append(SqlJournal(where, "n"))
        return opened[-1]

    yield _open
    for journal in opened:
        journal.close()


def later(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_first_to_ask_gets_the_lease(open_journal: Open) -> None:
    assert open_journal().lease.take("A", NOW, HERE, SECONDS) == Lease("A", HERE, 1, NOW + later(SECONDS))


def test_second_is_told_who_writes_and_until_when(open_journal: Open) -> None:
    open_journal().lease.take("A", NOW, ELSEWHERE, SECONDS)
    answer = open_journal().lease.take("A", NOW + later(1), HERE, SECONDS)
    assert answer == Held("A", ELSEWHERE, NOW + later(SECONDS))
    assert "process 4711 on another-host" in str(answer)


def test_two_journals_of_one_process_are_two_writers(open_journal: Open) -> None:
    open_journal().lease.take("A", NOW, HERE, SECONDS)
    assert isinstance(open_journal().lease.take("A", NOW, HERE, SECONDS), Held)


def test_lease_that_ran_out_is_taken_over(open_journal: Open) -> None:
    open_journal().lease.take("A", NOW, ELSEWHERE, SECONDS)
    taken = open_journal().lease.take("A", NOW + later(SECONDS), HERE, SECONDS)
    assert isinstance(taken, Lease) and taken.epoch == 2


def test_beaten_lease_does_not_run_out(open_journal: Open) -> None:
    first = open_journal()
    first.lease.take("A", NOW, ELSEWHERE, SECONDS)
    first.lease.beat(NOW + later(20), SECONDS, Heartbeat())
    answer = open_journal().lease.take("A", NOW + later(SECONDS), HERE, SECONDS)
    assert answer == Held("A", ELSEWHERE, NOW + later(20 + SECONDS))


def test_lease_of_a_process_that_ended_is_taken_over_at_once(open_journal: Open) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    pid = ended.pid
    ended.wait()
    open_journal().lease.take("A", NOW, replace(HERE, pid=pid), SECONDS)
    assert isinstance(open_journal().lease.take("A", NOW, HERE, SECONDS), Lease)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say when a process began")
def test_a_later_process_with_the_same_number_is_not_the_holder(open_journal: Open) -> None:
    open_journal().lease.take("A", NOW, replace(HERE, process="1"), SECONDS)
    assert isinstance(open_journal().lease.take("A", NOW, HERE, SECONDS), Lease)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one space of process numbers")
def test_nobody_judges_a_process_of_another_container_with_the_same_host_name(open_journal: Open) -> None:
    neighbour = Holder(socket.gethostname(), 2**22 + 1, NOW, "1", "another boot pid:[1]")
    open_journal().lease.take("A", NOW, neighbour, SECONDS)
    assert isinstance(open_journal().lease.take("A", NOW, HERE, SECONDS), Held)


def test_released_lease_is_free_at_once(open_journal: Open) -> None:
    first = open_journal()
    first.lease.take("A", NOW, ELSEWHERE, SECONDS)
    first.close()
    assert isinstance(open_journal().lease.take("A", NOW, HERE, SECONDS), Lease)


def test_replaced_writer_writes_nothing_and_is_told_who_writes(open_journal: Open) -> None:
    old, new = open_journal(), open_journal()
    old.lease.take("A", NOW, ELSEWHERE, SECONDS)
    old.append([cancel("k1")])
    new.lease.take("A", NOW + later(SECONDS), HERE, SECONDS)
    with pytest.raises(LeaseLost, match=rf"process {HERE.pid} on {HERE.host}.*took account A over") as lost:
        old.append([cancel("k2"), cancel("k3")])
    assert isinstance(lost.value, DeskError)
    with pytest.raises(LeaseLost):
        old.append([cancel("k4")])
    with pytest.raises(LeaseLost):
        old.lease.beat(NOW + later(SECONDS), SECONDS, Heartbeat())
    new.append([cancel("k5")])
    assert [row.step_key for row in new.rows()] == ["k1", "k5"]


def test_closing_a_replaced_writer_leaves_the_lease_with_the_new_one(open_journal: Open) -> None:
    old, new = open_journal(), open_journal()
    old.lease.take("A", NOW, ELSEWHERE, SECONDS)
    new.lease.take("A", NOW + later(SECONDS), HERE, SECONDS)
    old.close()
    assert isinstance(open_journal().lease.take("A", NOW + later(SECONDS), ELSEWHERE, SECONDS), Held)


def test_late_writer_that_nobody_replaced_goes_on(open_journal: Open) -> None:
    journal = open_journal()
    journal.lease.take("A", NOW, ELSEWHERE, SECONDS)
    journal.append([cancel("k1")])
    assert journal.lease.beat(NOW + later(10 * SECONDS), SECONDS, Heartbeat()).epoch == 1


def test_journal_of_one_account_is_not_lent_to_another(open_journal: Open) -> None:
    first = open_journal()
    first.lease.take("A", NOW, HERE, SECONDS)
    first.close()
    with pytest.raises(ConfigurationError, match="is account A's, not B's"):
        open_journal().lease.take("B", NOW, HERE, SECONDS)


def test_readers_see_the_heartbeat(open_journal: Open, where: Path | str) -> None:
    journal = open_journal()
    journal.lease.take("A", NOW, HERE, SECONDS)
    told = Heartbeat(Mode.REDUCING, 7, "connected", NOW)
    journal.lease.beat(NOW + later(5), SECONDS, told)
    with JournalReader(where) as reader:
        state = reader.lease()
    assert state is not None
    assert (state.holder, state.heartbeat, state.beat_at, state.epoch) == (HERE, told, NOW + later(5), 1)
    assert state.binds(NOW + later(5 + SECONDS - 1)) and not state.binds(NOW + later(5 + SECONDS))


def test_only_one_of_many_that_ask_at_once_gets_it(open_journal: Open) -> None:
    journals, answers = [open_journal() for _ in range(6)], list[Lease | Held]()
    threads = [Thread(target=lambda each=each: answers.append(each.lease.take("A", NOW, HERE, SECONDS))) for each in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(answer).__name__ for answer in answers) == ["Held"] * 5 + ["Lease"]


def test_beats_of_another_thread_do_not_disturb_appends(open_journal: Open) -> None:
    journal = open_journal()
    journal.lease.take("A", NOW, HERE, SECONDS)
    beats = Thread(target=lambda: [journal.lease.beat(NOW, SECONDS, Heartbeat(iterations=each)) for each in range(30)])
    beats.start()
    for number in range(30):
        journal.append([cancel(f"k{number}")])
    beats.join()
    assert len(list(journal.rows())) == 30


def test_writers_without_a_lease_never_take_the_same_number(open_journal: Open) -> None:
    """Two tools that hold the folder's lock in turn: each goes on after what the other wrote."""
    one, other = open_journal(), open_journal()
    for number in range(3):
        one.append([cancel(f"a{number}")])
        other.append([cancel(f"b{number}")])
    assert [row.step_key for row in one.rows()] == ["a0", "b0", "a1", "b1", "a2", "b2"]
