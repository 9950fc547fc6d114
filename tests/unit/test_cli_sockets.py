"""`desk sockets`: what real processes have open, what it is for, and what is said when there is nothing to see."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fresh_exchange import process
from typer.testing import CliRunner, Result

from desk.cli.main import app
from desk.cli.sockets import ALPACA_HOSTS, Connection, ProcessSeen, exchange_url, look, named, warnings
from desk.domain.errors import ConfigurationError
from desk.exchange.process import ExchangeProcess
from desk.journal.holder import Holder
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock

__all__ = ["process"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("started_anew")]
NOBODY = 65534
# A process that uses most of the handles that it may have, until it is told to end.
GREEDY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
kept = [open("/dev/null") for _ in range(30)]
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    with closing(SqlJournal(tmp_path / "journal.db", "f00d")) as made:
        yield made


def held_by(journal: SqlJournal, holder: Holder) -> None:
    journal.lease.take("exchange", SystemClock().now(), holder, 60.0)


def this_process() -> Holder:
    return Holder.this_process(SystemClock().now())


def sockets(tmp_path: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["sockets", "--journal", str(tmp_path / "journal.db"), *words])


@contextmanager
def greedy() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", GREEDY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        yield child
        assert child.stdin is not None
        child.stdin.close()


# ---- a desk that lives -----------------------------------------------------------------------------------------------------


def test_connections_to_the_exchange_that_the_desk_brought_along_are_told_on_both_sides(
    journal: SqlJournal, process: ExchangeProcess, tmp_path: Path
) -> None:
    held_by(journal, this_process())
    port = int(process.url.rpartition(":")[2])
    with closing(socket.create_connection(("127.0.0.1", port))) as connected:
        process.admin.status()
        answer = sockets(tmp_path, "--json")
        own = connected.getsockname()[1]
    assert answer.exit_code == 0, answer.output
    desk, exchange = (each for each in json.loads(answer.stdout)["processes"] if each["pid"] in (os.getpid(), process.pid))
    assert (desk["process"], exchange["process"]) == ("desk", "exchange")
    (ours,) = (each for each in desk["connections"] if each["local"] == f"127.0.0.1:{own}")
    assert (ours["remote"], ours["state"]) == (f"127.0.0.1:{port}", "ESTABLISHED")
    assert ours["for"] == "the exchange: trading API, market data, order stream"
    told = {(each["state"], each["remote"]): each["for"] for each in exchange["connections"]}
    assert told[("LISTEN", "")] == "listens for clients"
    assert told[("ESTABLISHED", f"127.0.0.1:{own}")] == "the desk"
    for each in (desk, exchange):
        assert 0 < each["handles"] <= each["handle_limit"] and each["threads"] > 0 and each["memory_bytes"] > 2**20
        assert each["unseen"] == []
    assert str(tmp_path / "journal.db") in desk["files"]


def test_the_table_lists_processes_connections_and_files(journal: SqlJournal, process: ExchangeProcess, tmp_path: Path) -> None:
    held_by(journal, this_process())
    answer = sockets(tmp_path)
    assert answer.exit_code == 0
    assert f"process {os.getpid()} on {socket.gethostname()}" in answer.stdout
    for words in ("handles", "threads", "MiB", "listens for clients", "files of the desk: ", "journal.db"):
        assert words in answer.stdout


def test_the_exchange_of_a_living_desk_is_found_by_the_port_that_it_listens_on(
    journal: SqlJournal, process: ExchangeProcess, tmp_path: Path
) -> None:
    held_by(journal, this_process())
    now = SystemClock().now()
    with JournalReader(tmp_path / "journal.db") as reader:
        assert exchange_url(reader.lease(), now) == process.url
        journal.lease.release()
        assert exchange_url(reader.lease(), now) is None
    assert exchange_url(None, now) is None


def test_a_process_that_uses_most_of_its_handles_is_warned_of(journal: SqlJournal, tmp_path: Path) -> None:
    with greedy() as child:
        held_by(journal, replace(this_process(), pid=child.pid, process=""))
        said, told = json.loads(sockets(tmp_path, "--json").stdout), sockets(tmp_path)
    (only,) = said["processes"]
    assert only["handles"] > 30 and only["handle_limit"] == 40
    words = f"The desk uses {only['handles']} of 40 handles"
    assert words in said["warnings"][0] and words in told.stdout
    assert told.exit_code == 0


def test_what_may_not_be_seen_is_named_and_is_no_error() -> None:
    if os.stat("/proc/1").st_uid == os.getuid() != 0:
        pytest.skip("no process of another user is known to run here")
    with as_nobody():
        seen = look(1, {}, lambda host: ())[:1]
    (first,) = seen
    assert first.handles is None and first.connections is None and first.threads is not None
    assert "Not to be seen of the desk: handles, files, connections" in warnings(seen)[0]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root would see everything."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# ---- a desk that is not there ----------------------------------------------------------------------------------------------


def test_a_journal_that_no_desk_ever_held_has_no_process(journal: SqlJournal, tmp_path: Path) -> None:
    answer = sockets(tmp_path)
    assert (answer.exit_code, "no desk ever announced itself here" in answer.stdout) == (3, True)


def test_a_desk_that_stopped_has_no_process(journal: SqlJournal, tmp_path: Path) -> None:
    held_by(journal, this_process())
    journal.lease.release()
    said = json.loads(sockets(tmp_path, "--json").stdout)
    assert (said["exit_code"], said["processes"]) == (3, []) and said["reason"].endswith("stopped")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pid": 2**22 - 1, "process": "1"}, "has ended"),
        ({"host": "elsewhere"}, "on elsewhere"),
        ({"pids": "another boot"}, "in another container"),
    ],
)
def test_a_process_that_is_not_here_is_not_looked_for(
    journal: SqlJournal, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    held_by(journal, replace(this_process(), **change))
    answer = sockets(tmp_path)
    assert answer.exit_code == 3 and words in answer.stdout


def test_where_no_journal_is_the_exit_code_says_so(tmp_path: Path) -> None:
    answer = sockets(tmp_path)
    assert isinstance(answer.exception, ConfigurationError) and answer.exception.exit_code == 4


def test_a_process_number_that_is_free_shows_nothing() -> None:
    assert look(2**22 - 1, {}, lambda host: ()) == ()


# ---- what a connection is for ----------------------------------------------------------------------------------------------


def desk_with(*connections: Connection) -> ProcessSeen:
    return ProcessSeen(1, "desk", 5, 100, 3, 2**20, (), connections)


def purposes(*connections: Connection) -> list[str]:
    hosts = {host: (f"192.0.2.{number}",) for number, host in enumerate(ALPACA_HOSTS, 1)}
    (seen,) = named([desk_with(*connections)], {("198.51.100.1", 5432): "journal (PostgreSQL)"}, lambda host: hosts[host])
    return [each.purpose for each in seen.connections or ()]


def to(host: str, port: int) -> Connection:
    return Connection(("10.0.0.1", 50_000), (host, port), "ESTABLISHED")


def test_connections_to_alpaca_and_to_the_journals_server_are_told_by_address_and_port() -> None:
    found = purposes(to("192.0.2.1", 443), to("192.0.2.3", 443), to("192.0.2.3", 80), to("198.51.100.1", 5432), to("::1", 443))
    assert found == ["trading API or order stream (paper)", "market data", "", "journal (PostgreSQL)", ""]


def test_names_are_not_asked_for_while_nothing_leaves_this_machine() -> None:
    def forbidden(host: str) -> tuple[str, ...]:
        raise AssertionError(host)

    here = Connection(("127.0.0.1", 1), ("127.0.0.1", 2), "ESTABLISHED")
    assert list(named([desk_with(here, Connection(None, None, "NONE"))], {}, forbidden))


def test_a_process_of_which_all_is_known_far_from_its_limit_warns_of_nothing() -> None:
    assert warnings([desk_with()]) == []
