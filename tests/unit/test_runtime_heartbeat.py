"""The heartbeat: when an iteration is overdue, and what a beat, a lost lease and a leap of the clock do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from desk.core.review import Limits
from desk.domain.decisions import Mode
from desk.domain.journal import IterationSkipped, ModeChanged
from desk.journal.errors import JournalBroken
from desk.journal.holder import Holder
from desk.journal.lease import LeaseState
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock, VirtualClock, stopwatch, wait_seconds
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread
from desk.runtime.heartbeat import HeartbeatThread, Rhythm, Vitals, due_by

NEW_YORK = ZoneInfo("America/New_York")
QUICK = Rhythm(beat_seconds=0.02, lease_seconds=5.0)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """In November 2024 of New York; the 25th is a Monday, the 28th a holiday."""
    return datetime(2024, 11, day, hour, minute, tzinfo=NEW_YORK)


def session(day: int) -> tuple[datetime, datetime]:
    return at(day, 9, 30), at(day, 16)


@pytest.mark.parametrize(
    ("sleeptime", "last", "opened", "due"),
    [
        ("1H", at(25, 10), session(25), at(25, 11, 5)),
        ("1H", at(25, 15), None, None),
        ("1H", at(22, 15), session(25), at(25, 10, 35)),
        ("30M", at(25, 10), session(25), at(25, 10, 35)),
        ("1S", at(25, 10), session(25), at(25, 10, 5) + timedelta(seconds=1)),
        ("1D", at(25, 10), session(25), None),
        ("1D", at(22, 10), session(25), at(25, 10, 5)),
        ("2D", at(25, 10), session(26), None),
        ("2D", at(25, 10), session(27), at(27, 10, 5)),
    ],
)
def test_an_iteration_is_due_after_the_sleeptime_while_the_market_is_open(
    sleeptime: str, last: datetime, opened: tuple[datetime, datetime] | None, due: datetime | None
) -> None:
    assert due_by(sleeptime, last, opened, patience_seconds=300) == due


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    made = SqlJournal(tmp_path / "journal.db", "f00d")
    now = SystemClock().now()
    made.lease.take("PA1", now, Holder.this_process(now), 5.0)
    yield made
    made.close()


@pytest.fixture
def desk(journal: SqlJournal) -> Iterator[Desk]:
    made = Desk(journal, VirtualClock(datetime(2024, 11, 25, 15, tzinfo=UTC)), Limits(0.15))
    made.work_in(DeskThread(on_error=lambda error: made.halt(f"the desk met an error: {error}")))
    yield made
    made.close()


def beating(desk: Desk, journal: SqlJournal, monotonic: Callable[[], float] = stopwatch) -> HeartbeatThread:
    pulse = HeartbeatThread(desk, journal.lease, (SystemClock(), monotonic), QUICK)
    pulse.start()
    return pulse


def until(happened: Callable[[], Any]) -> None:
    for _ in range(1000):
        if happened():
            return
        wait_seconds(0.01)
    raise AssertionError("it did not happen")


def lease(tmp_path: Path) -> LeaseState:
    with JournalReader(tmp_path / "journal.db") as reader:
        state = reader.lease()
    assert state is not None
    return state


def values(journal: SqlJournal, kind: type) -> list[Any]:
    return [row.value for row in journal.rows() if isinstance(row.value, kind)]


def test_a_beat_tells_how_the_desk_is(desk: Desk, journal: SqlJournal, tmp_path: Path) -> None:
    pulse = beating(desk, journal)
    news = datetime(2024, 11, 25, 14, tzinfo=UTC)
    pulse.follow(Vitals(lambda: ("listening", news)))
    desk.halt("test")
    until(lambda: lease(tmp_path).heartbeat.mode is Mode.HALTED and lease(tmp_path).heartbeat.stream == "listening")
    assert lease(tmp_path).heartbeat.last_event_at == news
    pulse.stop()


def test_a_desk_thread_that_hangs_gets_no_second_beat_and_stopping_does_not_wait_for_it(
    desk: Desk, journal: SqlJournal, tmp_path: Path
) -> None:
    pulse, wake = beating(desk, journal), Event()
    desk.hand_over(lambda: (wake.wait(20), None)[1])
    wait_seconds(0.1)
    before = lease(tmp_path).beat_at
    wait_seconds(0.2)
    assert lease(tmp_path).beat_at == before
    pulse.stop()
    wake.set()


def test_a_lost_lease_halts_and_writes_nothing(desk: Desk, journal: SqlJournal, tmp_path: Path) -> None:
    pulse = beating(desk, journal)
    thief = SqlJournal(tmp_path / "journal.db", "")
    later = SystemClock().now() + timedelta(minutes=5)
    thief.lease.take("PA1", later, Holder.this_process(later), 60.0)
    until(lambda: pulse.lost is not None)
    until(lambda: desk.mode is Mode.HALTED)
    pulse.stop()
    assert list(thief.rows()) == []


def test_a_halt_that_could_not_be_written_is_written_by_a_later_beat(desk: Desk, journal: SqlJournal, tmp_path: Path) -> None:
    pulse = beating(desk, journal)
    hidden = tmp_path / "hidden.db"
    (tmp_path / "journal.db").rename(hidden)
    with pytest.raises(JournalBroken):
        desk.halt("the file is gone")
    assert desk.mode is Mode.HALTED
    hidden.rename(tmp_path / "journal.db")
    until(lambda: values(journal, ModeChanged))
    pulse.stop()
    assert values(journal, ModeChanged)[0].mode is Mode.HALTED


def test_an_overdue_iteration_halts_once(desk: Desk, journal: SqlJournal) -> None:
    pulse = beating(desk, journal)
    due = datetime(2024, 11, 25, 15, tzinfo=UTC)
    pulse.follow(Vitals(lambda: ("listening", None), lambda: due))
    until(lambda: values(journal, ModeChanged))
    wait_seconds(0.1)
    pulse.stop()
    assert [change.reason[:27] for change in values(journal, ModeChanged)] == ["no iteration was done by 20"]


def test_a_leap_of_the_clock_is_journaled_and_wakes_the_run(desk: Desk, journal: SqlJournal) -> None:
    woken, slept = Event(), [0.0]
    pulse = beating(desk, journal, lambda: stopwatch() - slept[0])
    pulse.follow(Vitals(lambda: ("listening", None), woken=woken.set))
    wait_seconds(0.1)
    slept[0] = 7200.0
    assert woken.wait(10)
    until(lambda: values(journal, IterationSkipped))
    pulse.stop()
    assert "the machine slept" in values(journal, IterationSkipped)[0].reason
    assert values(journal, ModeChanged) == []
