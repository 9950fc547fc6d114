"""Schema versions: an old file is brought forward whole or not at all, a newer one is left alone, and rows stay as written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from journal_places import Fresh, cancel, order, raw, refusal, schema_in

from desk.core.ports import DuplicateKey
from desk.domain.errors import ConfigurationError
from desk.domain.journal import Row
from desk.journal import schema
from desk.journal.codec import encode, kind_of
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.journal.verify import verify

pytest_plugins = ("journal_fixtures",)

# As the first version made its files.
VERSION_1 = """
CREATE TABLE meta (name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name));
CREATE TABLE rows (
    seq INTEGER NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, step_key TEXT, body TEXT NOT NULL,
    PRIMARY KEY (seq), UNIQUE (step_key)
);
CREATE TRIGGER rows_no_update BEFORE UPDATE ON rows BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER rows_no_delete BEFORE DELETE ON rows BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
INSERT INTO meta VALUES ('schema_version', '1'), ('nonce', 'f00d');
"""
WRITTEN = [order("k0"), *(each for number in range(1, 1200) for each in (cancel(f"k{number}"), refusal(f"k{number}")))]


def old_file(path: Path, rows: list[Row] = WRITTEN) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(VERSION_1)
        values = [(row.at.isoformat(), kind_of(row.value), row.step_key, encode(row.value)) for row in rows]
        connection.executemany("INSERT INTO rows (at, kind, step_key, body) VALUES (?, ?, ?, ?)", values)
    return path


def test_file_of_version_1_opens_and_goes_on(tmp_path: Path) -> None:
    journal = SqlJournal(old_file(tmp_path / "journal.db"), "other")
    assert journal.nonce == "f00d"
    assert list(journal.rows()) == WRITTEN
    with pytest.raises(DuplicateKey):
        journal.append([cancel("k1")])
    journal.append([refusal("k1")])
    journal.close()
    with JournalReader(tmp_path / "journal.db") as reader:
        verdict = verify(reader)
    assert (verdict.problem, verdict.rows, verdict.chained) == (None, len(WRITTEN) + 1, True)


def test_the_old_file_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    SqlJournal(old_file(tmp_path / "journal.db"), "other").close()
    copy = tmp_path / "journal.db.schema-1"
    assert raw(copy, "SELECT value FROM meta WHERE name = 'schema_version'") == [("1",)]
    assert raw(copy, "SELECT count(*) FROM rows") == [(len(WRITTEN),)]
    with JournalReader(copy) as reader:
        assert [stored.row() for stored in reader.rows()] == WRITTEN


def test_a_new_journal_has_no_copy_beside_it(tmp_path: Path) -> None:
    SqlJournal(tmp_path / "journal.db", "n").close()
    assert [path.name for path in tmp_path.iterdir()] == ["journal.db"]


def test_opening_twice_changes_nothing_more(tmp_path: Path) -> None:
    SqlJournal(old_file(tmp_path / "journal.db"), "other").close()
    digests = raw(tmp_path / "journal.db", "SELECT digest FROM rows")
    SqlJournal(tmp_path / "journal.db", "other").close()
    assert raw(tmp_path / "journal.db", "SELECT digest FROM rows") == digests


def test_file_that_could_not_be_brought_forward_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_file(tmp_path / "journal.db", WRITTEN[:5])
    before = raw(path, "SELECT name, sql FROM sqlite_master")

    def broken(connection: sa.Connection) -> None:
        schema._chain_and_lease(connection)
        connection.exec_driver_sql("CREATE TABLE rows (nothing TEXT)")

    monkeypatch.setattr(schema, "STEPS", {**schema.STEPS, 2: broken})
    with pytest.raises(ConfigurationError, match="cannot be opened for writing"):
        SqlJournal(path, "other")
    assert raw(path, "SELECT name, sql FROM sqlite_master") == before
    monkeypatch.undo()
    journal = SqlJournal(path, "other")
    assert list(journal.rows()) == WRITTEN[:5]
    journal.close()


def test_without_room_for_the_copy_nothing_is_changed(tmp_path: Path) -> None:
    path = old_file(tmp_path / "journal.db", WRITTEN[:5])
    (tmp_path / "journal.db.schema-1").mkdir()  # stands where the copy should go
    with pytest.raises(ConfigurationError, match=r"schema-1 cannot be written.*nothing was changed"):
        SqlJournal(path, "other")
    assert raw(path, "SELECT value FROM meta WHERE name = 'schema_version'") == [("1",)]


def test_old_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = old_file(tmp_path / "journal.db")
    with JournalReader(path) as reader:
        assert [stored.row() for stored in reader.rows()] == WRITTEN
        assert reader.lease() is None
        assert (verify(reader).problem, verify(reader).chained) == (None, False)
    assert raw(path, "SELECT value FROM meta WHERE name = 'schema_version'") == [("1",)]


@pytest.mark.parametrize("version", ["3", "99", "two", ""])
def test_schema_that_a_newer_program_made_is_left_alone(fresh: Fresh, version: str) -> None:
    where = fresh()
    SqlJournal(where, "n").close()
    raw(where, "UPDATE meta SET value = :version WHERE name = 'schema_version'", version=version)
    for opener in (lambda: SqlJournal(where, "n"), lambda: JournalReader(where)):
        with pytest.raises(ConfigurationError, match=f"schema version '{version}'"):
            opener()
    assert raw(where, "SELECT value FROM meta WHERE name = 'schema_version'") == [(version,)]


@pytest.mark.parametrize("statement", ["UPDATE rows SET body = '{}'", "DELETE FROM rows", "UPDATE rows SET seq = seq + 1"])
def test_the_database_itself_refuses_to_change_a_row(fresh: Fresh, statement: str) -> None:
    where = fresh()
    journal = SqlJournal(where, "n")
    journal.append([cancel("k1")])
    with pytest.raises((sqlite3.DatabaseError, sa.exc.DatabaseError), match="the journal is append-only"):
        raw(where, statement)
    assert list(journal.rows()) == [cancel("k1")]
    journal.close()


@pytest.mark.slow
def test_postgresql_refuses_to_empty_the_journal(postgres: str) -> None:
    where = schema_in(postgres)
    SqlJournal(where, "n").close()
    with pytest.raises(sa.exc.DatabaseError, match="the journal is append-only"):
        raw(where, "TRUNCATE rows")


def test_reopened_journal_keeps_nonce_rows_keys_and_chain(fresh: Fresh) -> None:
    where = fresh()
    first = SqlJournal(where, "first")
    first.append([order("k0"), cancel("k1"), refusal("k1")])
    first.close()
    again = SqlJournal(where, "second")
    assert again.nonce == "first"
    with pytest.raises(DuplicateKey):
        again.append([cancel("k1")])
    again.append([refusal("k1")])
    again.close()
    with JournalReader(where) as reader:
        assert verify(reader).problem is None
        assert [stored.seq for stored in reader.rows()] == [1, 2, 3, 4]
