"""Who holds a journal's lease: a process on a host, and whether that process is certain to be gone."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Holder:
    """A process. `process` tells it apart from a later one with the same number; empty where the system does not say.

    `pids` names the space in which its number counts: one start of one machine or container. `started` is when it began to
    trade (aware, UTC).
    """

    host: str
    pid: int
    started: datetime
    process: str = ""
    pids: str = ""

    @classmethod
    def this_process(cls, now: datetime) -> Holder:
        pid = os.getpid()
        return cls(socket.gethostname(), pid, now, _process(pid) or "", _pids())

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, there since {self.started:%Y-%m-%d %H:%M:%S} UTC"

    def is_gone(self) -> bool:
        """True when this machine knows that the process has ended; False when it lives, or nobody here can tell."""
        if self.host != socket.gethostname() or self.pids != _pids():
            return False
        current = _process(self.pid)
        return current is None or ("" not in (current, self.process) and current != self.process)


def _pids() -> str:
    """Linux: the boot and the namespace of process numbers. Containers often share a host's name, and each has a process 1."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _process(pid: int) -> str | None:
    """When the process began, in the system's own count; empty where the system does not say, None when there is no such process.

    proc(5): after the name, in parentheses, come the state (field 3) and, as field 22, the start in clock ticks since boot.
    """
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except ProcessLookupError:
        return None
    except OSError:
        return ""  # another user's
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # A zombie has ended and only waits for its parent to look.
    return None if fields[0] in ("Z", "X") else fields[19]
