"""Where a run's lines go: a reader that goes away stops the run in order, and is told; the result goes out before the report."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desk.cli.outcome import tell, tell_dry_run
from desk.cli.trade_console import TradeConsole
from desk.cli.trade_options import TradeOptions, parse
from desk.domain.decisions import Mode
from desk.domain.errors import ConfigurationError, DeskError
from desk.domain.trades import Book
from desk.runtime.record import RunFacts, counts, run_record
from desk.runtime.result import RunResult
from desk.runtime.run_folder import RunFolder

FACTS = RunFacts("combined", "alpaca", "the market", None, 0.6, False)


@contextmanager
def unread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard output is a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        yield


def result(error: BaseException | None = None) -> RunResult:
    return RunResult(run_record((), Book(), None, FACTS), counts(()), Mode.ACTIVE, Book(), False, 1.0, error)


def options(*more: str) -> TradeOptions:
    return parse(["--strategy", "combined", *more])


def test_a_reader_that_goes_away_stops_the_run_and_nothing_raises_where_it_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    with unread(monkeypatch):
        console = TradeConsole(is_json=False)
        console.check("start it again")
        assert not console.stop.is_set()
        console.say("the first line")
        assert console.stop.is_set()
        console.say("the second one")
        print("what others still print goes nowhere", flush=True)
    with pytest.raises(DeskError, match=r"^standard output was closed .*\(BrokenPipeError\).*and start it again$") as error:
        console.check("start it again")
    assert error.value.exit_code == 1


def test_a_result_that_nobody_reads_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with unread(monkeypatch):
        console = TradeConsole(is_json=True)
        console.object({"fills": 0})
    with pytest.raises(DeskError, match="standard output was closed"):
        console.check("start it again")


def test_lines_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    line = json.dumps({"legs": ["a", "[red]"], "long": "x" * 200})
    TradeConsole(is_json=False).say(line)
    assert capsys.readouterr().out == f"{line}\n"
    console = TradeConsole(is_json=True)
    console.say(line)
    console.object({"fills": 0})
    assert capsys.readouterr() == ('{"fills": 0}\n', f"{line}\n")


def test_summary_and_result_are_told_before_the_report_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    given = options("--json", "--report", str(tmp_path / "file"))
    with pytest.raises(ConfigurationError, match="cannot write"):
        tell(result(), given, RunFolder(tmp_path), TradeConsole(is_json=True), ["make backtest"])
    told = capsys.readouterr()
    assert json.loads(told.out)["strategy"] == "combined"
    assert "make backtest" in told.err


def test_what_ended_the_run_is_not_hidden_by_a_report_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    given = options("--report", str(tmp_path / "file"))
    with pytest.raises(DeskError, match="ended early: ZeroDivisionError: why"):
        tell(result(ZeroDivisionError("why")), given, RunFolder(tmp_path), TradeConsole(is_json=False), ["make backtest"])
    assert "Error: cannot write" in capsys.readouterr().out


def test_a_dry_run_tells_its_result_and_what_ended_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell_dry_run(result(), options("--dry-run", "--json"), TradeConsole(is_json=True), 0) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["orders_submitted"] == 0
    assert told.err == "Dry run: 0 orders were due and shown; none was sent.\n"
    with pytest.raises(DeskError, match=r"the dry run ended early: ZeroDivisionError\('why'\)"):
        tell_dry_run(result(ZeroDivisionError("why")), options("--dry-run"), TradeConsole(is_json=False), 0)
