"""One process trades an account, and `desk status` tells the truth about it: processes against the built-in exchange."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from journal_fixtures import postgres
from journal_places import schema_in
from live_desk import exchange, live_run, process
from preloaded import Script
from typer.testing import CliRunner

from desk.cli.journal import place
from desk.cli.main import app
from desk.domain.errors import ConfigurationError, Refused
from desk.domain.journal import ModeChanged, RunStopped
from desk.exchange.process import ExchangeProcess
from desk.journal.errors import LeaseLost
from desk.journal.holder import Holder
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock, stopwatch, wait_seconds
from desk.runtime.run_folder import RunFolder, RunIdentity, create, journal_name
from desk.settings.load import load_settings

pytestmark = pytest.mark.slow
__all__ = ["exchange", "postgres"]
PATIENCE_SECONDS = 90.0


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "runs", "combined-alpaca", RunIdentity("combined", "alpaca", "alpaca", None, None, None))


def until(happened: Callable[[], Any], child: Script | None = None) -> Any:
    """Wait for something true; a child that ends instead fails the test with what it said."""
    deadline = stopwatch() + PATIENCE_SECONDS
    while not (found := happened()):
        said = "" if child is None or child.poll() is None else child.communicate()[0]
        assert not said and stopwatch() < deadline, said or (child and child.said())
        wait_seconds(0.2)
    return found


def status(folder: RunFolder) -> dict[str, Any]:
    answer = CliRunner().invoke(app, ["status", "--run", str(folder.path), "--json"])
    if isinstance(answer.exception, ConfigurationError):
        # No journal yet: the process has still to make the file, or to put tables into it.
        return {"exit_code": answer.exception.exit_code, "lease": None}
    said: dict[str, Any] = json.loads(answer.stdout)
    assert answer.exit_code == said["exit_code"]
    return said


def says(folder: RunFolder, code: int) -> Callable[[], bool]:
    return lambda: bool(status(folder)["exit_code"] == code)


def iterates(folder: RunFolder) -> Callable[[], bool]:
    return lambda: bool((status(folder)["lease"] or {}).get("iterations"))


def test_a_desk_that_runs_is_healthy_and_one_that_was_killed_does_not_live(exchange: ExchangeProcess, folder: RunFolder) -> None:
    with process(exchange, folder) as child:
        until(iterates(folder), child)
        alive = status(folder)
        assert (alive["exit_code"], alive["lease"]["pid"], alive["lease"]["stream"]) == (0, child.pid, "listening")
        child.kill()
        child.wait()
        dead = status(folder)
    assert dead["exit_code"] == 3
    assert "its process has ended" in dead["reasons"][0]


def test_sigterm_ends_in_order_and_the_status_says_so(exchange: ExchangeProcess, folder: RunFolder) -> None:
    with process(exchange, folder) as child:
        until(iterates(folder), child)
        child.send_signal(signal.SIGTERM)
        said, _ = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 0, said
    ended = status(folder)
    assert ended["exit_code"] == 3
    assert "stopped in order" in ended["reasons"][0]
    with JournalReader(folder.journal) as reader:
        assert isinstance(reader.last(1)[0].row().value, RunStopped)


def test_a_desk_whose_strategy_crashed_is_halted_and_lives(exchange: ExchangeProcess, folder: RunFolder) -> None:
    with process(exchange, folder, "Crashing") as child:
        until(says(folder, 6), child)
        assert "out of its depth" in status(folder)["reasons"][0]
        assert child.poll() is None


def test_a_desk_whose_shares_are_not_the_brokers_is_broken_and_lives(exchange: ExchangeProcess, folder: RunFolder) -> None:
    with process(exchange, folder, "Confused") as child:
        until(says(folder, 7), child)
        assert "the journal says" in status(folder)["reasons"][0]
        assert child.poll() is None


def test_a_desk_thread_that_hangs_shows_when_its_lease_runs_out(exchange: ExchangeProcess, folder: RunFolder) -> None:
    with process(exchange, folder) as child:
        until(iterates(folder), child)
        os.kill(child.pid, signal.SIGSTOP)
        until(says(folder, 3), child)
        assert "hangs" in status(folder)["reasons"][0]
        os.kill(child.pid, signal.SIGCONT)
        until(says(folder, 0), child)


def test_a_second_process_waits_says_why_once_and_takes_over_when_the_first_is_gone(
    exchange: ExchangeProcess, folder: RunFolder
) -> None:
    with process(exchange, folder) as first:
        until(iterates(folder), first)
        with process(exchange, folder) as second:
            until(lambda: "\n" in second.said(), second)
            said = second.said().splitlines()[0]
            assert f"is traded by process {first.pid} on" in said
            assert "waits" in said
            first.kill()
            first.wait()
            until(lambda: status(folder)["lease"]["pid"] == second.pid, second)
            until(lambda: status(folder)["lease"]["iterations"], second)
            assert status(folder)["lease"]["epoch"] == 2


def test_ctrl_c_ends_the_wait(exchange: ExchangeProcess, folder: RunFolder) -> None:
    with process(exchange, folder) as first:
        until(iterates(folder), first)
        with process(exchange, folder) as second:
            until(lambda: "waits" in second.said(), second)
            second.send_signal(signal.SIGINT)
            said, _ = second.communicate(timeout=PATIENCE_SECONDS)
        assert "nothing was traded" in said
        assert second.returncode == 1
        assert first.poll() is None


def test_with_once_the_second_process_is_refused_and_so_is_a_change_of_mode(exchange: ExchangeProcess, folder: RunFolder) -> None:
    with process(exchange, folder) as first:
        until(iterates(folder), first)
        keys = (exchange.api_key, exchange.api_secret)
        with pytest.raises(Refused, match=f"is traded by process {first.pid}") as refused:
            live_run(exchange.url, keys, folder.path, "Buyer", once=True).run()
        assert refused.value.exit_code == 5
        changed = CliRunner().invoke(app, ["mode", str(folder.path), "halted", "--reason", "test"])
        assert isinstance(changed.exception, Refused)
        shown = CliRunner().invoke(app, ["mode", str(folder.path)])
        assert (shown.exit_code, shown.stdout) == (0, "Now: active\n")


def test_a_desk_that_lost_its_lease_ends_without_another_row(exchange: ExchangeProcess, folder: RunFolder) -> None:
    run = live_run(exchange.url, (exchange.api_key, exchange.api_secret), folder.path, "Buyer")
    taken: list[int] = []

    def steal(iteration: object) -> None:
        if taken:
            return
        thief = SqlJournal(folder.journal, "")
        later = run.rhythm.lease_seconds * 2
        now = SystemClock().now() + timedelta(seconds=later)
        thief.lease.take(status(folder)["lease"]["account"], now, Holder.this_process(now), 60.0)
        taken.append(len(list(thief.rows())))

    run.on_iteration = steal
    with pytest.raises(LeaseLost, match="no longer this desk's to write"):
        run.run()
    rows = list(SqlJournal(folder.journal, "").rows())
    assert len(rows) == taken[0]
    assert not any(isinstance(row.value, ModeChanged | RunStopped) for row in rows)


def test_the_journal_may_be_a_database_whose_password_stays_in_the_environment(
    exchange: ExchangeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    url = schema_in(postgres)
    separator = "&" if "?" in url else "?"
    monkeypatch.setenv("LUMIDESK_JOURNAL_URL", f"{url}{separator}password=hunter2")
    secret = load_settings(dotenv=None).journal_url
    assert secret is not None
    identity = RunIdentity("combined", "alpaca", "alpaca", None, None, None, journal=journal_name(secret))
    folder = create(tmp_path / "runs", "combined-alpaca", identity)
    result = live_run(exchange.url, (exchange.api_key, exchange.api_secret), folder.path, "Buyer", once=True).run()
    assert result.error is None
    assert result.counts.orders_submitted > 0
    assert "hunter2" not in folder.identity_file.read_text()
    assert not (folder.path / "journal.db").exists()
    monkeypatch.chdir(tmp_path)
    assert place(folder.path, None) == place(None, None) == secret.get_secret_value()
    with JournalReader(url) as reader:
        assert reader.lease() is not None
    monkeypatch.setenv("LUMIDESK_JOURNAL_URL", "postgresql://somebody:hunter2@127.0.0.1/other")
    with pytest.raises(ConfigurationError, match="keeps its journal in") as refused:
        live_run(exchange.url, (exchange.api_key, exchange.api_secret), folder.path, "Buyer", once=True).run()
    assert "hunter2" not in str(refused.value)
