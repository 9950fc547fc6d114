"""Where a journal is: paths, URLs, what is refused, and that no password is ever told."""

from __future__ import annotations

import logging
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.domain.errors import ConfigurationError
from desk.journal.place import place_of
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal, open_journal

PASSWORD = "p@ss/w:rd%"
QUOTED = "p%40ss%2Fw%3Ard%25"
OPENERS: list[Callable[[str], object]] = [lambda url: open_journal(url, "n"), JournalReader]


def deaf_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def urls() -> list[str]:
    host = f"127.0.0.1:{deaf_port()}"
    return [f"postgresql+psycopg://me:{QUOTED}@{host}/desk", f"postgresql://me@{host}/desk?password={QUOTED}"]


def test_a_path_and_a_sqlite_url_name_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    assert place_of(path).path == place_of(str(path)).path == place_of(f"sqlite:///{path}").path == path


@pytest.mark.parametrize("driver", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_usual_name_of_postgresql_is_understood(driver: str) -> None:
    place = place_of(f"{driver}://me:{QUOTED}@db.example:5433/desk?sslmode=require")
    assert str(place) == "postgresql+psycopg://me@db.example:5433/desk?sslmode=require"
    assert place.secrets == {"password": PASSWORD}


@pytest.mark.parametrize("url", [f"mysql://me:{QUOTED}@h/d", "sqlite://", f"postgresql://me:{QUOTED}@h:port/d", f"://{QUOTED}"])
def test_another_database_is_refused_with_the_two_that_work(url: str) -> None:
    with pytest.raises(ConfigurationError, match="path of a SQLite file, or postgresql://") as error:
        place_of(url)
    assert QUOTED not in str(error.value)


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("number", [0, 1], ids=["in the user part", "in the query"])
def test_server_that_does_not_answer_is_named_without_the_password(
    opener: Callable[[str], object], number: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigurationError, match=r"postgresql\+psycopg://me@127\.0\.0\.1:\d+/desk cannot be") as error:
        opener(urls()[number])
    assert re.search("start the server,? or correct the URL", str(error.value)) and "folder" not in str(error.value)
    assert error.value.exit_code == 4
    told = f"{error.value} {error.value!r} {error.value.__cause__} {caplog.text} {place_of(urls()[number])!r}"
    assert PASSWORD not in told and QUOTED not in told


def test_words_of_a_driver_are_cleared_of_the_password() -> None:
    place = place_of(f"postgresql://me:{QUOTED}@h/d")
    assert place.scrubbed(f"bad dsn: password={PASSWORD} or {QUOTED}") == "bad dsn: password=*** or ***"


def test_missing_driver_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "psycopg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"\.venv/bin/pip install -e '\.\[postgres\]'") as error:
        open_journal(urls()[0], "n")
    assert QUOTED not in str(error.value)


def test_a_journal_prints_as_where_it_is(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    assert repr(journal) == f"SqlJournal('{tmp_path / 'journal.db'}')"
    journal.close()
