"""The desk's thread: one piece of work at a time, in the order of arrival, and no exception lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event, Thread, current_thread

import pytest

from desk.core.review import Limits
from desk.domain.decisions import Mode
from desk.domain.journal import Acknowledged, Row
from desk.journal.memory import MemoryJournal
from desk.runtime.clock import SystemClock, VirtualClock, stopwatch, wait_seconds
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread, InlineRunner, Runner

PATIENCE_SECONDS = 5.0


@pytest.fixture
def errors() -> list[BaseException]:
    return []


@pytest.fixture
def thread(errors: list[BaseException]) -> Iterator[DeskThread]:
    runner = DeskThread(on_error=errors.append)
    yield runner
    runner.close()


def fail() -> None:
    raise LookupError("the journal is gone")


def test_work_is_done_in_the_order_of_its_arrival(thread: DeskThread) -> None:
    done: list[int] = []
    for number in range(200):
        thread.post(lambda number=number: done.append(number))
    assert thread.call(lambda: len(done)) == 200
    assert done == list(range(200))


def test_a_call_waits_for_what_was_handed_over_before_it(thread: DeskThread) -> None:
    gate, done = Event(), list[str]()
    thread.post(lambda: gate.wait(PATIENCE_SECONDS))
    thread.post(lambda: done.append("posted"))
    Thread(target=gate.set).start()
    thread.call(lambda: done.append("called"))
    assert done == ["posted", "called"]


def test_all_work_runs_in_one_thread_that_is_not_the_callers(thread: DeskThread) -> None:
    names = {thread.call(lambda: current_thread().name) for _ in range(3)}
    assert names == {"desk"}


def test_an_exception_comes_back_to_its_caller_and_the_thread_goes_on(thread: DeskThread, errors: list[BaseException]) -> None:
    with pytest.raises(LookupError, match="the journal is gone"):
        thread.call(fail)
    assert thread.call(lambda: 7) == 7
    assert errors == []


def test_an_exception_in_posted_work_is_told_and_the_thread_goes_on(thread: DeskThread, errors: list[BaseException]) -> None:
    thread.post(fail)
    assert thread.call(lambda: 7) == 7
    assert [str(error) for error in errors] == ["the journal is gone"]


def test_the_desks_own_thread_may_call_itself(thread: DeskThread) -> None:
    assert thread.call(lambda: thread.call(lambda: thread.call(lambda: 7))) == 7


def test_work_from_many_threads_is_never_done_at_the_same_time(thread: DeskThread) -> None:
    inside, most, total = [0], [0], [0]

    def work() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        total[0] += 1
        inside[0] -= 1

    callers = [Thread(target=lambda: [thread.call(work) for _ in range(50)]) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE_SECONDS)
    assert (most[0], total[0]) == (1, 200)


def test_closing_finishes_what_was_handed_over(errors: list[BaseException]) -> None:
    runner, done = DeskThread(on_error=errors.append), list[int]()
    for number in range(100):
        runner.post(lambda number=number: done.append(number))
    runner.close()
    assert done == list(range(100))


def test_once_the_thread_is_closed_a_caller_does_the_work_itself(errors: list[BaseException]) -> None:
    runner = DeskThread(on_error=errors.append)
    runner.close()
    assert runner.call(current_thread) is current_thread()


def test_work_posted_after_the_end_of_the_thread_is_not_lost_in_silence(errors: list[BaseException]) -> None:
    runner, done = DeskThread(on_error=errors.append), list[int]()
    runner.close()
    runner.post(lambda: done.append(1))
    runner.post(fail)
    assert done == [1]
    assert [str(error) for error in errors] == ["the journal is gone"]


def test_the_thread_outlives_whoever_hears_of_its_errors() -> None:
    runner, done = DeskThread(on_error=lambda error: fail()), list[int]()
    runner.post(fail)
    runner.post(lambda: done.append(1))
    runner.call(lambda: None)
    assert done == [1]
    runner.close()


@pytest.mark.parametrize("kind", ["inline", "thread"])
def test_both_runners_keep_the_same_promises(kind: str) -> None:
    runner: Runner = InlineRunner() if kind == "inline" else DeskThread(on_error=lambda error: None)
    done: list[str] = []
    runner.post(lambda: done.append("first"))
    assert runner.call(lambda: [*done, "second"]) == ["first", "second"]
    with pytest.raises(LookupError):
        runner.call(fail)
    runner.close()


def test_a_desk_whose_journal_is_full_halts_tells_every_caller_and_hangs_none() -> None:
    class Full(MemoryJournal):
        def append(self, rows: Sequence[Row]) -> None:
            raise OSError("no space left on device")

    desk = Desk(Full("f00d"), SystemClock(), Limits(0.15))
    runner = DeskThread(on_error=lambda error: desk.halt(f"the desk met an error: {error}"))
    desk.work_in(runner)
    desk.acknowledged(Acknowledged("k", {}))
    caller = Thread(target=lambda: desk.book, daemon=True)
    caller.start()
    caller.join(PATIENCE_SECONDS)
    assert not caller.is_alive()
    assert desk.mode is Mode.HALTED
    with pytest.raises(OSError, match="no space left"):
        desk.foreign("AAA", "market buy 5")
    runner.close()


def test_the_system_clock_tells_utc_and_does_not_stand_still() -> None:
    first = SystemClock().now()
    began = stopwatch()
    wait_seconds(0.002)
    assert first.utcoffset() == timedelta(0)
    assert SystemClock().now() > first
    assert stopwatch() - began >= 0.002


def test_a_virtual_clock_stands_until_it_is_moved_and_never_goes_back() -> None:
    noon = datetime(2008, 9, 2, 12, tzinfo=UTC)
    clock = VirtualClock(noon)
    assert clock.now() == clock.now() == noon
    clock.move_to(noon)
    clock.move_to(noon + timedelta(hours=1))
    with pytest.raises(ValueError, match="cannot go back"):
        clock.move_to(noon)
    assert clock.now() == noon + timedelta(hours=1)
