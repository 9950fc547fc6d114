"""Readers: beside a desk that writes, on a dead desk's file, in pages, and never with a hand on the journal."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from journal_places import Fresh, cancel, refusal

from desk.domain.errors import ConfigurationError
from desk.journal.errors import JournalBroken
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.journal.stored import Rows

pytest_plugins = ("journal_fixtures",)


@pytest.fixture
def where(fresh: Fresh) -> Path | str:
    return fresh()


@pytest.fixture
def journal(where: Path | str) -> Iterator[SqlJournal]:
    journal = SqlJournal(where, "f00d")
    yield journal
    journal.close()


def keys(reader: JournalReader, **which: object) -> list[str | None]:
    return [stored.step_key for stored in reader.rows(**which)]  # type: ignore[arg-type]


def test_reader_sees_what_was_appended_while_the_desk_goes_on(where: Path | str, journal: SqlJournal) -> None:
    with JournalReader(where) as reader:
        journal.append([cancel("k1")])
        rows = reader.rows()
        assert next(rows).step_key == "k1"
        journal.append([cancel("k2")])
        assert list(rows) == []
        assert keys(reader) == ["k1", "k2"]
        assert reader.nonce == "f00d"


def test_rows_come_in_pages_without_loss(journal: SqlJournal) -> None:
    journal.append([cancel(f"k{number}") for number in range(10)])
    rows = Rows(journal._engine, journal._place)
    for page_rows in (1, 3, 10, 11):
        assert [row.seq for row in rows.forward(page_rows=page_rows)] == list(range(1, 11))
        assert [row.seq for row in rows.backward(page_rows=page_rows)] == list(range(10, 0, -1))


def test_last_rows_of_a_kind(where: Path | str, journal: SqlJournal) -> None:
    journal.append([cancel("k1"), refusal("k1"), cancel("k2"), refusal("k2"), cancel("k3")])
    with JournalReader(where) as reader:
        assert [stored.seq for stored in reader.last(2, ["cancel"])] == [3, 5]
        assert [stored.seq for stored in reader.rows(after=2, kinds=["refused"])] == [4]
        assert reader.last(0) == []


def test_follower_gets_rows_as_they_come(where: Path | str, journal: SqlJournal) -> None:
    journal.append([cancel("k0")])
    waits: list[int] = []

    def append_two() -> None:
        waits.append(1)
        journal.append([cancel(f"w{len(waits)}"), refusal(f"w{len(waits)}")])

    with JournalReader(where) as reader:
        followed = [stored.seq for stored in islice(reader.follow(0, (), append_two), 5)]
    assert followed == [1, 2, 3, 4, 5]
    assert len(waits) == 2


def test_reader_cannot_write(where: Path | str, journal: SqlJournal) -> None:
    with JournalReader(where) as reader, reader._engine.connect() as connection, pytest.raises(Exception, match=r"read-?only"):
        connection.exec_driver_sql("INSERT INTO meta VALUES ('a', 'b')")


def test_place_without_a_journal_is_told_as_such(fresh: Fresh) -> None:
    with pytest.raises(ConfigurationError, match="there is no journal at"):
        JournalReader(fresh())


# ---- files -----------------------------------------------------------------------------------------------------------------


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who may write nothing: a superuser may write even what is read-only."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        Path(name).chmod(0o755)


def left_behind(folder: Path, ends: tuple[str, ...]) -> Path:
    """The files of a desk that was killed, as far as they were saved: `ends` of their names."""
    journal = SqlJournal(folder / "alive.db", "n")
    journal.append([cancel("k1")])
    for end in ends:
        shutil.copy(folder / f"alive.db{end}", folder / f"journal.db{end}")
    journal.close()
    return folder / "journal.db"


@pytest.mark.parametrize("ends", [("", "-wal", "-shm"), ("", "-wal")], ids=["all", "without -shm"])
def test_file_of_a_desk_that_was_killed_is_read(folder: Path, ends: tuple[str, ...]) -> None:
    with JournalReader(left_behind(folder, ends)) as reader:
        assert keys(reader) == ["k1"]


def read_only(path: Path) -> None:
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)


def test_file_of_a_desk_that_ended_is_read_in_a_read_only_folder(folder: Path) -> None:
    journal = SqlJournal(folder / "journal.db", "n")
    journal.append([cancel("k1")])
    journal.close()
    read_only(folder / "journal.db")
    with nobody(), JournalReader(folder / "journal.db") as reader:
        assert keys(reader) == ["k1"]


def test_unfinished_file_in_a_read_only_folder_is_refused_rather_than_read_in_part(folder: Path) -> None:
    path = left_behind(folder, ("", "-wal"))
    read_only(path)
    with nobody(), pytest.raises(ConfigurationError, match=r"cannot be read.*copied, together with its -wal"):
        JournalReader(path)


@pytest.mark.parametrize("name", ["what?", "50%25", "a#b", "with space", "?mode=memory"])
def test_journal_is_read_where_its_path_says_whatever_is_in_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    journal = SqlJournal(tmp_path / name / "journal.db", "n")
    journal.append([cancel("k1")])
    with JournalReader(tmp_path / name / "journal.db") as reader:
        assert keys(reader) == ["k1"]
    journal.close()


def test_file_that_is_no_journal_is_told_as_such(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "other.db").close()
    with pytest.raises(ConfigurationError, match="has no table of rows"):
        JournalReader(tmp_path / "other.db")
    (tmp_path / "letter.db").write_bytes(b"this is a letter, not a database" * 40)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        JournalReader(tmp_path / "letter.db")


def test_damage_met_on_the_way_is_no_silence(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([cancel(f"k{number}") for number in range(3000)])
    journal.close()
    raw_bytes = bytearray((tmp_path / "journal.db").read_bytes())
    raw_bytes[len(raw_bytes) // 2 :] = b"\xff" * (len(raw_bytes) - len(raw_bytes) // 2)
    (tmp_path / "journal.db").write_bytes(raw_bytes)
    with JournalReader(tmp_path / "journal.db") as reader, pytest.raises(JournalBroken, match="is damaged"):
        list(reader.rows())
