"""The proof of a journal: sound as written; any one change behind its back is found, and the row that it is found at is right."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_places import NOW, cancel, order, refusal

from desk.domain.journal import Acknowledged, Heard, Row
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.journal.verify import Verdict, verify

pytestmark = pytest.mark.slow

ROWS = [
    order("k0"),
    *(each for n in range(1, 5) for each in (cancel(f"k{n}"), refusal(f"k{n}"), Row(NOW, Heard("rest", f"{n}")))),
]
UNGUARDED = "DROP TRIGGER rows_no_update; DROP TRIGGER rows_no_delete;"
CHANGES = {
    "at": "2024-01-03T15:00:01+00:00",
    "kind": "refused",
    "body": '{"key":"k1","of_key":"k0","symbol":"AAPL","reason":"new"}',
    "digest": "0" * 64,
}


def proven(path: Path) -> Verdict:
    with JournalReader(path) as reader:
        return verify(reader)


def changed(statement: str, *values: object) -> Verdict:
    """Verdict on a journal of ROWS after `statement` was run behind its back."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        journal = SqlJournal(path, "n")
        journal.append(ROWS[:3])
        journal.append(ROWS[3:])
        journal.close()
        assert proven(path).problem is None and proven(path).rows == len(ROWS)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(UNGUARDED)
            connection.execute(statement, values)
        return proven(path)


@settings(max_examples=20)
@given(seq=st.integers(1, len(ROWS)), column=st.sampled_from(sorted(CHANGES)))
def test_a_changed_column_is_found_at_its_row(seq: int, column: str) -> None:
    verdict = changed(f"UPDATE rows SET {column} = ? || {column} WHERE seq = ?", CHANGES[column], seq)
    assert verdict.problem is not None and verdict.problem.startswith(f"row {seq} ")
    assert verdict.rows == seq - 1


@settings(max_examples=10)
@given(seq=st.integers(1, len(ROWS) - 1))
def test_a_missing_row_is_found_at_the_next(seq: int) -> None:
    verdict = changed("DELETE FROM rows WHERE seq = ?", seq)
    assert verdict.problem is not None and verdict.problem.startswith(f"row {seq + 1} ")
    assert f"it follows row {seq - 1}" in verdict.problem


@settings(max_examples=10)
@given(seq=st.integers(1, len(ROWS)))
def test_a_row_that_the_journal_did_not_write_is_found(seq: int) -> None:
    body = '{"source":"rest","body":""}'
    verdict = changed(
        "INSERT INTO rows (at, kind, body, digest) VALUES (?, 'heard', ?, ?)", ROWS[0].at.isoformat(), body, str(seq)
    )
    assert verdict.problem is not None and verdict.problem.startswith(f"row {len(ROWS) + 1} ")


def test_news_of_a_message_that_was_never_journaled_is_found(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([order("k0"), Row(NOW, Acknowledged("k9", {}))])
    journal.close()
    verdict = proven(tmp_path / "journal.db")
    assert verdict.problem is not None and "row 2 (acknowledged" in verdict.problem and "speaks of k9" in verdict.problem


def test_a_damaged_file_is_found_even_where_no_row_shows_it(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([order(f"k{number}") for number in range(2000)])
    journal.close()
    data = bytearray((tmp_path / "journal.db").read_bytes())
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_rows_1'"
        (page,) = connection.execute(query).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data[(page - 1) * size + 100 : page * size] = bytes(size - 100)
    (tmp_path / "journal.db").write_bytes(data)
    verdict = proven(tmp_path / "journal.db")
    assert verdict.problem is not None and "damaged" in verdict.problem
