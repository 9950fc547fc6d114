"""What a SQLite file adds to the journal's contract: it outlives the process, and nothing else may change it."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from journal_places import NOW, cancel, raw, refusal

from desk.core.ports import DuplicateKey
from desk.domain.errors import ConfigurationError, ReconciliationBreak
from desk.domain.journal import Row
from desk.domain.steps import Cancel
from desk.journal.errors import JournalDamaged
from desk.journal.sql import SqlJournal


def test_a_reopened_journal_keeps_its_nonce_its_rows_and_its_keys(tmp_path: Path) -> None:
    first = SqlJournal(tmp_path / "journal.db", "first")
    first.append([cancel("k1"), refusal("k1")])
    first.close()
    again = SqlJournal(tmp_path / "journal.db", "second")
    assert again.nonce == "first"
    assert list(again.rows()) == [cancel("k1"), refusal("k1")]
    assert again.has_step("k1")
    with pytest.raises(DuplicateKey):
        again.append([cancel("k1")])
    again.close()


def test_what_was_appended_is_on_disk_without_closing(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([cancel("k1")])
    assert raw(tmp_path / "journal.db", "SELECT step_key FROM rows") == [("k1",)]
    journal.close()


def test_another_process_reads_while_the_desk_writes(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([cancel("k1")])
    reader = sqlite3.connect(tmp_path / "journal.db")
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM rows").fetchone() == (1,)
    journal.append([cancel("k2")])
    reader.close()
    assert [row.step_key for row in journal.rows()] == ["k1", "k2"]
    journal.close()


@pytest.mark.parametrize("statement", ["UPDATE rows SET body = '{}'", "DELETE FROM rows", "UPDATE rows SET seq = seq + 1"])
def test_the_file_itself_refuses_to_change_a_row(tmp_path: Path, statement: str) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([cancel("k1")])
    with pytest.raises(sqlite3.DatabaseError, match="the journal is append-only"):
        raw(tmp_path / "journal.db", statement)
    assert list(journal.rows()) == [cancel("k1")]
    journal.close()


def test_a_row_of_a_kind_from_the_future_is_not_guessed_at(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    raw(tmp_path / "journal.db", "INSERT INTO rows (at, kind, body) VALUES (:at, 'teleport', '{}')", at=NOW.isoformat())
    with pytest.raises(ReconciliationBreak, match=r"unknown kind 'teleport'.*upgrade before resuming"):
        list(journal.rows())
    journal.close()


def test_a_row_whose_body_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    raw(tmp_path / "journal.db", "INSERT INTO rows (at, kind, body) VALUES (:at, 'cancel', '{}')", at=NOW.isoformat())
    with pytest.raises(ReconciliationBreak, match=r"kind 'cancel' cannot be read.*restore a copy"):
        list(journal.rows())
    journal.close()


@pytest.mark.parametrize(
    ("at", "kind", "wrong"),
    [(NOW.isoformat(), "cancel", "kind 'cancel' cannot be read"), ("noon", "cancel", "time 'noon' cannot be read"),
     (NOW.isoformat(), "teleport", "unknown kind 'teleport'")],
)  # fmt: skip
def test_a_row_that_stops_recovery_is_named_with_its_journal_and_number(tmp_path: Path, at: str, kind: str, wrong: str) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([cancel("k1"), cancel("k2")])
    raw(tmp_path / "journal.db", "INSERT INTO rows (at, kind, body) VALUES (:at, :kind, '{}')", at=at, kind=kind)
    with pytest.raises(ReconciliationBreak) as error:
        list(journal.rows())
    assert str(error.value).startswith(f"journal {tmp_path / 'journal.db'}, row 3: {wrong}")
    journal.close()


def test_a_write_into_a_journal_that_lost_its_rows_names_the_journal_and_what_is_still_in_force(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    raw(tmp_path / "journal.db", "DROP TABLE rows")
    with pytest.raises(JournalDamaged, match=r"is damaged.*exits at the broker stay in force") as error:
        journal.append([cancel("k1")])
    assert str(tmp_path / "journal.db") in str(error.value)
    journal.close()


@pytest.mark.parametrize("name", ["what?", "50%25", "a#b", "with space", "?mode=memory"])
def test_a_journal_lies_where_its_path_says_whatever_is_in_it(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    journal = SqlJournal(folder / "journal.db", "n")
    journal.append([cancel("k1")])
    assert raw(folder / "journal.db", "SELECT step_key FROM rows") == [("k1",)]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    journal.close()


def test_moments_are_stored_in_utc(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([Row(datetime(2024, 1, 3, 10, tzinfo=timezone(timedelta(hours=-5))), Cancel("k1", "k0", "AAPL", "old"))])
    assert raw(tmp_path / "journal.db", "SELECT at FROM rows") == [("2024-01-03T15:00:00+00:00",)]
    journal.close()


def test_a_journal_that_cannot_be_written_is_named_with_the_fix(tmp_path: Path) -> None:
    """A file in the place of its folder stops even a superuser."""
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(ConfigurationError, match="no order is sent without it") as error:
        SqlJournal(tmp_path / "runs" / "journal.db", "n")
    assert str(tmp_path / "runs" / "journal.db") in str(error.value)
    assert "--runs DIR" in str(error.value)


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"this is a letter, not a database" * 40)
    with pytest.raises(ConfigurationError, match=r"journal\.db cannot be opened for writing"):
        SqlJournal(tmp_path / "journal.db", "n")


def test_a_journal_of_another_schema_is_not_touched(tmp_path: Path) -> None:
    SqlJournal(tmp_path / "journal.db", "n").close()
    raw(tmp_path / "journal.db", "UPDATE meta SET value = '7' WHERE name = 'schema_version'")
    with pytest.raises(ConfigurationError, match=r"schema version '7'.*start a new run"):
        SqlJournal(tmp_path / "journal.db", "n")
