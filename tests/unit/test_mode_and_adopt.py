"""`desk mode` and `desk adopt`: what they say of runs that they cannot take, and what works while a run trades."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from desk.cli.main import app
from desk.domain.decisions import Mode
from desk.domain.errors import Refused, UsageError
from desk.domain.journal import ModeChanged, Row
from desk.journal.holder import Holder
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock
from desk.runtime.run_folder import RunFolder, RunIdentity, create

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
HALT = Row(NOW, ModeChanged(Mode.HALTED, "odd shares [AAPL]"))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = create(tmp_path, "run", RunIdentity("combined", "exchange", "bundled", None, None, 1))
    SqlJournal(made.journal, "f00d").close()
    return made


def desk(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_mode_is_shown_while_a_process_trades_the_run(folder: RunFolder) -> None:
    journal = SqlJournal(folder.journal, "")
    journal.lease.take("exchange", SystemClock().now(), Holder.this_process(SystemClock().now()), 60.0)
    with folder.locked():
        assert desk("mode", folder.path).stdout == "Now: active\n"
        journal.append([HALT])
        shown = desk("mode", folder.path)
    assert (shown.exit_code, shown.stdout) == (0, "2024-01-03 15:00 UTC  halted: odd shares [AAPL]\nNow: halted\n")
    journal.close()


def test_the_mode_of_a_run_that_a_process_trades_is_not_changed(folder: RunFolder) -> None:
    with folder.locked():
        answer = desk("mode", folder.path, "halted", "--reason", "test")
    assert isinstance(answer.exception, Refused) and answer.exception.exit_code == 5
    assert "another process trades this run" in str(answer.exception)
    assert desk("mode", folder.path).stdout == "Now: active\n"


def test_a_change_of_mode_needs_a_reason_and_is_kept(folder: RunFolder) -> None:
    assert "--reason" in str(desk("mode", folder.path, "halted").exception)
    assert "is halted from its next start" in desk("mode", folder.path, "halted", "--reason", "test").stdout
    assert desk("mode", folder.path).stdout.endswith("halted: test\nNow: halted\n")


@pytest.mark.parametrize(
    ("words", "said"), [(("mode",), "desk mode"), (("adopt", "AAPL", "--reason", "mine", "--run"), "desk adopt --run")]
)
def test_a_folder_that_is_none_is_told_by_what_was_typed(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    error = desk(*words, tmp_path / "nothing").exception
    assert isinstance(error, UsageError)
    assert str(error).startswith(f"{said} {tmp_path / 'nothing'}: there is no run in this folder")


def test_shares_are_adopted_for_runs_at_alpaca_alone(folder: RunFolder) -> None:
    error = desk("adopt", "AAPL", "--run", folder.path, "--reason", "mine").exception
    assert isinstance(error, UsageError)
    assert "adopt is for runs at Alpaca" in str(error) and str(folder.path) in str(error) and "--broker" not in str(error)
