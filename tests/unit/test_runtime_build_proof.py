"""No desk stands on a journal that `desk journal verify` rejects: neither to trade, nor to show orders, nor for a person."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from desk.cli.main import app
from desk.domain.decisions import FixedExit, Intent, IntentKind, Mode
from desk.domain.errors import ReconciliationBreak
from desk.domain.journal import Acknowledged, Heard, IterationDone, Row
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.steps import Submit
from desk.journal.codec import encode, kind_of
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.runtime.build import open_desk, stopped_desk
from desk.runtime.clock import SystemClock
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.settings.behaviour import Behaviour
from desk.settings.load import Settings

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
SPEC = OrderSpec("k0", "AAPL", Side.BUY, 10, OrderType.MARKET)
FILL = Fill("x-1", "b-1", "AAPL", Side.BUY, 10, Decimal("100.01"), NOW)
ROWS = [
    Row(NOW, Submit(SPEC, Intent(IntentKind.OPEN, "AAPL", 10, 100.0, FixedExit(0.05, 0.15), "test"))),
    Row(NOW, Acknowledged("k0", {"entry": "b-1"})),
    Row(NOW, Heard("stream", '{"event":"fill","order":{"id":"b-1"}}')),
    Row(NOW, OrderEvent("k0", GroupRole.ENTRY, OrderStatus.FILLED, NOW, "b-1", FILL)),
    Row(NOW, IterationDone(1, NOW.date(), 100_000.0, 99_000.0, 1)),
]
UNGUARDED = "DROP TRIGGER rows_no_update; DROP TRIGGER rows_no_delete;"
DAMAGES = {
    "a changed fill price": ("UPDATE rows SET body = replace(body, '100.01', '1.01') WHERE seq = 4", "row 4 .*was changed after"),
    "a deleted row": ("DELETE FROM rows WHERE seq = 3", "row 4 .*it follows row 2; those between are missing"),
}
VERSION_1 = """
CREATE TABLE meta (name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name));
CREATE TABLE rows (
    seq INTEGER NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, step_key TEXT, body TEXT NOT NULL,
    PRIMARY KEY (seq), UNIQUE (step_key)
);
INSERT INTO meta VALUES ('schema_version', '1'), ('nonce', 'f00d');
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = create(tmp_path, "run", RunIdentity("combined", "exchange", "bundled", None, None, 1))
    journal = SqlJournal(made.journal, "f00d")
    journal.append(ROWS)
    journal.close()
    return made


def changed(folder: RunFolder, statement: str) -> None:
    with closing(sqlite3.connect(folder.journal)) as connection, connection:
        connection.executescript(UNGUARDED)
        connection.execute(statement)


def desk_opens(folder: RunFolder, dry_run: bool = False) -> int:
    """How many shares the desk has that comes up on the journal."""
    request = RunRequest("combined", Settings(Behaviour(), None, {}, None), folder.path.parent, dry_run=dry_run)
    desk, journal = open_desk(request, folder.journal, SystemClock())
    with closing(journal), closing(desk):
        return sum(desk.book.shares().values())


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_sound_journal_opens(folder: RunFolder, dry_run: bool) -> None:
    assert desk_opens(folder, dry_run) == 10


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_new_journal_opens(tmp_path: Path, dry_run: bool) -> None:
    made = create(tmp_path, "run", RunIdentity("combined", "exchange", "bundled", None, None, 1))
    assert desk_opens(made, dry_run) == 0


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_no_desk_comes_up_on_a_journal_that_was_changed(folder: RunFolder, damage: str, dry_run: bool) -> None:
    statement, told = DAMAGES[damage]
    changed(folder, statement)
    with pytest.raises(ReconciliationBreak, match=told) as refused:
        desk_opens(folder, dry_run)
    assert refused.value.exit_code == 7
    assert str(folder.journal) in str(refused.value) and "Restore a sound copy" in str(refused.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_a_person_asks_of_a_stopped_run_is_refused_too_and_nothing_is_written(folder: RunFolder, damage: str) -> None:
    statement, told = DAMAGES[damage]
    changed(folder, statement)
    with pytest.raises(ReconciliationBreak, match=told), stopped_desk(folder, None, "test"):
        pass
    answer = CliRunner().invoke(app, ["mode", str(folder.path), "halted", "--reason", "test"])
    assert isinstance(answer.exception, ReconciliationBreak)
    with JournalReader(folder.journal) as reader:
        assert {stored.kind for stored in reader.rows()} & {"mode"} == set()


def test_a_journal_that_was_proven_can_be_written(folder: RunFolder) -> None:
    with stopped_desk(folder, None, "test") as (desk, _):
        desk.halt("a person's wish")
    request = RunRequest("combined", Settings(Behaviour(), None, {}, None), folder.path.parent)
    desk, journal = open_desk(request, folder.journal, SystemClock())
    with closing(journal), closing(desk):
        assert desk.mode is Mode.HALTED


@pytest.mark.parametrize(("kept", "problem"), [(ROWS, None), ([*ROWS[:2], *ROWS[3:]], "it follows row 2")])
def test_a_journal_older_than_the_chain_opens_when_no_row_is_missing(
    tmp_path: Path, kept: list[Row], problem: str | None
) -> None:
    made = create(tmp_path, "run", RunIdentity("combined", "exchange", "bundled", None, None, 1))
    with closing(sqlite3.connect(made.journal)) as connection, connection:
        connection.executescript(VERSION_1)
        for row in kept:
            values = (ROWS.index(row) + 1, row.at.isoformat(), kind_of(row.value), row.step_key, encode(row.value))
            connection.execute("INSERT INTO rows (seq, at, kind, step_key, body) VALUES (?, ?, ?, ?, ?)", values)
    if problem is None:
        assert desk_opens(made) == 10
        return
    with pytest.raises(ReconciliationBreak, match=problem):
        desk_opens(made)
