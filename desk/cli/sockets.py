"""`desk sockets`: network connections and open files of the desk's process and of its exchange, against their limits."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, TypeVar

import psutil
import typer
from rich.text import Text

from desk.cli.journal import JournalOption, RunOption, place
from desk.cli.tables import console, print_json, print_table
from desk.journal.holder import Holder
from desk.journal.lease import LeaseState
from desk.journal.place import place_of
from desk.journal.reader import JournalReader
from desk.runtime.clock import SystemClock

NOT_THERE = 3
# From this share of the limit on it is said: what fails at the limit is the next connection, or the next row of the journal.
WARN_FRACTION = 0.7
POSTGRES_PORT = 5432
# https://docs.alpaca.markets: the order stream has no host of its own, so that nothing tells it from the trading API.
ALPACA_HOSTS: Mapping[str, str] = {
    "paper-api.alpaca.markets": "trading API or order stream (paper)",
    "api.alpaca.markets": "trading API or order stream (live)",
    "data.alpaca.markets": "market data",
    "stream.data.alpaca.markets": "market data stream",
}
EXCHANGE_MODULE = "desk.exchange"
# All of it comes to one port.
_SERVED = {"exchange": "the exchange: trading API, market data, order stream"}
T = TypeVar("T")
Address = tuple[str, int]
Resolve = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection of a process; `remote` is None for one that only listens, `purpose` empty when nobody here knows it."""

    local: Address | None
    remote: Address | None
    state: str
    purpose: str = ""

    @property
    def is_listening(self) -> bool:
        return self.state == psutil.CONN_LISTEN


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """What a process has open; None for what could not be seen, which `unseen` names. Memory is resident, in bytes."""

    pid: int
    name: str
    handles: int | None
    handle_limit: int | None
    threads: int | None
    memory_bytes: int | None
    files: tuple[str, ...] | None
    connections: tuple[Connection, ...] | None
    unseen: tuple[str, ...] = ()

    @property
    def used_fraction(self) -> float | None:
        """Share of the limit that is used."""
        return self.handles / self.handle_limit if self.handles is not None and self.handle_limit else None

    @property
    def is_near_limit(self) -> bool:
        return self.used_fraction is not None and self.used_fraction >= WARN_FRACTION


def sockets(
    run: RunOption = None,
    journal: JournalOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what the desk's process has open, on the machine that it runs on. Exit code 0; 3 no such process, 4 no journal."""
    where = place(run, journal)
    with JournalReader(where) as reader:
        lease, name = reader.lease(), str(reader)
    absence = absent(lease, SystemClock().now())
    seen = () if lease is None or absence else look(lease.holder.pid, _known_addresses(where), addresses_of)
    if not seen and not absence:
        absence = "its process ended while it was looked at"
    if as_json:
        print_json(as_object(name, lease, absence, seen))
    else:
        _tell(name, lease, absence, seen)
    raise typer.Exit(NOT_THERE if absence else 0)


# ---- whose process ---------------------------------------------------------------------------------------------------------


def absent(lease: LeaseState | None, now: datetime) -> str | None:
    """Why the desk's process is not to be seen from here, None when it is."""
    if lease is None:
        return "no desk ever announced itself here"
    here = Holder.this_process(now)
    if lease.released:
        return f"the desk ({lease.holder}) stopped"
    if lease.holder.host != here.host:
        return f"the desk is {lease.holder}: call this command there"
    if lease.holder.pids != here.pids:
        return f"the desk is {lease.holder}, in another container or before the machine was started anew: call this command there"
    return f"the desk ({lease.holder}) has ended" if lease.holder.is_gone() else None


def exchange_url(lease: LeaseState | None, now: datetime) -> str | None:
    """Where the exchange of a desk that lives on this machine listens, None when that cannot be seen."""
    if lease is None or absent(lease, now) is not None:
        return None
    for seen in look(lease.holder.pid, {}, lambda host: ()):
        for each in seen.connections or ():
            if seen.name == "exchange" and each.is_listening and each.local is not None:
                host, port = each.local
                return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return None


# ---- looking ---------------------------------------------------------------------------------------------------------------


def look(pid: int, known: Mapping[Address, str], resolve: Resolve) -> tuple[ProcessSeen, ...]:
    """The desk's process and its children; nothing when it is not there.

    `known` names what is at an address, `resolve` gives the addresses of a host: those of Alpaca are asked for when some
    connection leaves this machine.
    """
    try:
        process = psutil.Process(pid)
        found = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return ()
    except psutil.AccessDenied:
        found = [process]
    seen = [each for number, process in enumerate(found) if (each := _seen(process, is_child=number > 0)) is not None]
    return tuple(named(seen, known, resolve))


def _seen(process: psutil.Process, is_child: bool) -> ProcessSeen | None:
    unseen: list[str] = []

    def asked(what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (psutil.AccessDenied, PermissionError):
            unseen.append(what)
        except (AttributeError, NotImplementedError):
            unseen.append(f"{what} (this system does not tell)")
        return None

    try:
        return ProcessSeen(
            pid=process.pid,
            name=_name(asked("command", process.cmdline) or [], is_child),
            handles=asked("handles", process.num_fds),
            handle_limit=asked("limit of handles", lambda: _soft_limit(process)),
            threads=asked("threads", process.num_threads),
            memory_bytes=asked("memory", lambda: int(process.memory_info().rss)),
            files=asked("files", lambda: tuple(sorted(file.path for file in process.open_files()))),
            connections=asked("connections", lambda: tuple(_connections(process))),
            unseen=tuple(unseen),
        )
    except psutil.NoSuchProcess:
        return None


def _name(command: Sequence[str], is_child: bool) -> str:
    if not is_child:
        return "desk"
    return "exchange" if EXCHANGE_MODULE in command else "child"


def _soft_limit(process: psutil.Process) -> int | None:
    soft = int(process.rlimit(psutil.RLIMIT_NOFILE)[0])
    return None if soft == psutil.RLIM_INFINITY else soft


def _connections(process: psutil.Process) -> Iterator[Connection]:
    for each in process.net_connections(kind="inet"):
        local, remote = (tuple(address) if address else None for address in (each.laddr, each.raddr))
        yield Connection(local, remote, each.status)


# ---- what a connection is for ----------------------------------------------------------------------------------------------


def named(seen: Sequence[ProcessSeen], known: Mapping[Address, str], resolve: Resolve) -> Iterator[ProcessSeen]:
    ours = {
        each.local: _SERVED.get(process.name, f"the {process.name}")
        for process in seen
        for each in process.connections or ()
        if each.local
    }
    table = {**ours, **known}
    if any(_leaves(each) for process in seen for each in process.connections or ()):
        table = {**{(address, 443): what for host, what in ALPACA_HOSTS.items() for address in resolve(host)}, **table}
    for process in seen:
        yield _named(process, table)


def _named(process: ProcessSeen, table: Mapping[Address, str]) -> ProcessSeen:
    if process.connections is None:
        return process
    return replace(process, connections=tuple(_with_purpose(each, table) for each in process.connections))


def _with_purpose(each: Connection, table: Mapping[Address, str]) -> Connection:
    purpose = "listens for clients" if each.is_listening else table.get(each.remote, "") if each.remote else ""
    return replace(each, purpose=purpose)


def _leaves(each: Connection) -> bool:
    """Whether it goes to another machine."""
    return each.remote is not None and not ip_address(each.remote[0].partition("%")[0]).is_loopback


def _known_addresses(where: Path | str) -> dict[Address, str]:
    """A journal in PostgreSQL is known by its URL."""
    url = place_of(where).url
    if not url.host:
        return {}
    return {(address, url.port or POSTGRES_PORT): "journal (PostgreSQL)" for address in addresses_of(url.host)}


def addresses_of(host: str) -> Sequence[str]:
    """Addresses of a host as the name service tells them now; none when it does not."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return sorted({str(address[0]) for *_, address in found})


# ---- telling ---------------------------------------------------------------------------------------------------------------


def _tell(name: str, lease: LeaseState | None, absence: str | None, seen: Sequence[ProcessSeen]) -> None:
    out = console()
    if absence or lease is None:
        out.print(Text(f"{name}: {absence}"), soft_wrap=True)
        return
    out.print(Text(f"{name}: {lease.holder}"), soft_wrap=True)
    print_table(("process", "number", "handles", "limit", "used", "threads", "memory"), [_row(each) for each in seen])
    for line in warnings(seen):
        out.print(Text(line, style="yellow"), soft_wrap=True)
    rows = [(process.name, *_words(each)) for process in seen for each in process.connections or ()]
    out.print()
    if rows:
        print_table(("process", "local", "remote", "state", "for"), rows)
    else:
        out.print("No network connection is open, as far as can be seen.")
    out.print()
    for process in seen:
        if process.files is not None:
            listed = ", ".join(_counted(process.files)) or "none"
            out.print(Text(f"files of the {process.name}: {listed}"), soft_wrap=True)


def warnings(seen: Sequence[ProcessSeen]) -> list[str]:
    """What a person should know beyond the figures."""
    near = [
        f"The {each.name} uses {each.handles} of {each.handle_limit} handles. At the limit nothing can be opened: raise it with "
        "`ulimit -n` before the next start, and look below for what is open so often."
        for each in seen
        if each.is_near_limit
    ]
    hidden = [
        f"Not to be seen of the {each.name}: {', '.join(each.unseen)}. Call the command as the user that the process runs as."
        for each in seen
        if each.unseen
    ]
    return [*near, *hidden]


def _row(each: ProcessSeen) -> tuple[str, ...]:
    used = "?" if each.used_fraction is None else f"{each.used_fraction * 100:.0f} %"
    memory = "?" if each.memory_bytes is None else f"{each.memory_bytes / 2**20:,.0f} MiB"
    return each.name, str(each.pid), _count(each.handles), _count(each.handle_limit), used, _count(each.threads), memory


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _words(each: Connection) -> tuple[str, str, str, str]:
    return _address(each.local), _address(each.remote), each.state.lower().replace("_", " "), each.purpose


def _address(address: Address | None) -> str:
    if address is None:
        return ""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _counted(files: Sequence[str]) -> list[str]:
    """Names in their order, each once, with a number behind those that are open several times."""
    counts = {path: files.count(path) for path in dict.fromkeys(files)}
    return [Path(path).name + (f" ({count} times)" if count > 1 else "") for path, count in counts.items()]


def as_object(name: str, lease: LeaseState | None, absence: str | None, seen: Sequence[ProcessSeen]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "journal": name,
        "exit_code": NOT_THERE if absence else 0,
        "reason": absence,
        "holder": None if lease is None else str(lease.holder),
        "warnings": warnings(seen),
        "processes": [_process_object(each) for each in seen],
    }


def _process_object(each: ProcessSeen) -> dict[str, Any]:
    return {
        "process": each.name,
        "pid": each.pid,
        "handles": each.handles,
        "handle_limit": each.handle_limit,
        "used_fraction": each.used_fraction,
        "threads": each.threads,
        "memory_bytes": each.memory_bytes,
        "files": each.files,
        "connections": None
        if each.connections is None
        else [
            {"local": _address(one.local), "remote": _address(one.remote), "state": one.state, "for": one.purpose}
            for one in each.connections
        ],
        "unseen": each.unseen,
    }
