"""The start of a run: what cannot work is refused before anything is made, and a start that failed leaves nothing behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desk.cli.trade_start import NOTHING_TRADED, check_report_folder, started, submits_in
from desk.domain.errors import BrokerUnreachable, ConfigurationError, ReconciliationBreak, Refused, UsageError
from desk.domain.journal import Row, RunStarted
from desk.journal.holder import Holder
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock
from desk.runtime.run_folder import RunFolder, RunIdentity, create

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
IDENTITY = RunIdentity("combined", "exchange", "bundled", None, None, 1)
STARTED = Row(NOW, RunStarted("combined", "exchange", "bundled", 1, False))


def begin(folder: RunFolder, *rows: Row) -> None:
    """What a run does first: take the lease, and journal."""
    journal = SqlJournal(folder.journal, "f00d")
    journal.lease.take("exchange", SystemClock().now(), Holder.this_process(SystemClock().now()), 60.0)
    journal.append(rows)
    journal.close()


def interrupt() -> None:
    signal.raise_signal(signal.SIGTERM)


def nothing() -> None:
    """Leave the start as it is."""


def start(tmp_path: Path, work: Callable[[RunFolder], None], error: Callable[[], None], is_new: bool = True) -> None:
    def place() -> RunFolder:
        return create(tmp_path, "run", IDENTITY) if is_new else RunFolder(tmp_path / "run")

    with started(place, is_new, None, lambda folder: f"resume {folder.path.name}") as folder:
        work(folder)
        error()


def raising(error: BaseException) -> Callable[[], None]:
    def throw() -> None:
        raise error

    return throw


@pytest.mark.parametrize("work", [lambda folder: None, begin])
@pytest.mark.parametrize("kind", [ConfigurationError, UsageError, Refused])
def test_a_start_that_was_refused_leaves_no_folder(tmp_path: Path, kind: type, work: Callable[[RunFolder], None]) -> None:
    with pytest.raises(kind):
        start(tmp_path, work, raising(kind("told")))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_stays_when_something_was_journaled(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        start(tmp_path, lambda folder: begin(folder, STARTED), raising(ConfigurationError("the disk is full")))
    assert (tmp_path / "run" / "journal.db").is_file()


@pytest.mark.parametrize("error", [BrokerUnreachable("its log says more"), ReconciliationBreak("look"), ZeroDivisionError()])
def test_a_folder_stays_when_its_logs_say_more(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        start(tmp_path, begin, raising(error))
    assert (tmp_path / "run").is_dir()


def test_the_folder_of_an_earlier_run_stays(tmp_path: Path) -> None:
    create(tmp_path, "run", IDENTITY)
    with pytest.raises(UsageError):
        start(tmp_path, begin, raising(UsageError("told")), is_new=False)
    assert (tmp_path / "run" / "run.json").is_file()


def test_a_run_that_ends_well_leaves_its_folder(tmp_path: Path) -> None:
    start(tmp_path, begin, nothing)
    assert (tmp_path / "run").is_dir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_start_ends_with_code_0_and_says_that_nothing_was_traded(
    tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        start(tmp_path, begin, lambda: signal.raise_signal(number))
    assert ended.value.code == 0
    assert capsys.readouterr().err == f"{NOTHING_TRADED}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_signal_at_the_end_says_that_the_journal_has_it_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        start(tmp_path, lambda folder: begin(folder, STARTED), interrupt)
    assert ended.value.code == 0
    assert capsys.readouterr().err == "Stopped. What was sent is in the journal. Go on with: resume run\n"


def test_a_signal_at_the_start_of_a_resumed_run_says_that_nothing_was_traded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the run before this one traded is not what was asked."""
    begin(create(tmp_path, "run", IDENTITY), STARTED)
    with pytest.raises(SystemExit):
        start(tmp_path, begin, interrupt, is_new=False)
    assert capsys.readouterr().err == f"{NOTHING_TRADED}\n"
    assert (tmp_path / "run").is_dir()


def test_the_orders_of_another_process_are_not_told_as_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A process that waits for the lease ends, while the one that holds it trades."""

    def other(folder: RunFolder) -> None:
        journal = SqlJournal(folder.journal, "f00d")
        now = SystemClock().now()
        journal.lease.take("exchange", now, Holder("elsewhere", os.getpid(), now), 60.0)
        journal.append([STARTED])
        journal.close()

    create(tmp_path, "run", IDENTITY)
    with pytest.raises(SystemExit):
        start(tmp_path, other, interrupt, is_new=False)
    assert capsys.readouterr().err == f"{NOTHING_TRADED}\n"


def test_a_journal_has_no_orders_at_first(tmp_path: Path) -> None:
    folder = create(tmp_path, "run", IDENTITY)
    begin(folder, STARTED)
    assert submits_in(folder, None) == 0


# ---- the report's folder -------------------------------------------------------------------------------------------------


def test_a_folder_for_the_report_need_not_be_there_and_is_not_made(tmp_path: Path) -> None:
    check_report_folder(None)
    check_report_folder(tmp_path)
    check_report_folder(tmp_path / "deep" / "er")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(
            ConfigurationError, match=f"^--report {folder}: {tmp_path / 'file'} is no folder; name a folder"
        ) as error:
            check_report_folder(folder)
        assert error.value.exit_code == 4


def test_a_place_that_takes_no_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(ConfigurationError, match=rf"^--report {tmp_path}: report\.html in it is a folder; move it away"):
        check_report_folder(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's file system of processes")
def test_a_file_system_that_takes_no_files_is_found_out_even_by_root() -> None:
    with pytest.raises(ConfigurationError, match=r"^--report /proc/report: /proc takes no file \(.*\); name a folder"):
        check_report_folder(Path("/proc/report"))
