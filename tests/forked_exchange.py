"""The exchange as a child process, forked from one that has its libraries loaded: they are most of what it takes to start one.

`install` has every `ExchangeProcess` started that way. The child serves as any other; tests of the starting itself undo it.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

from preloaded import FORKED

from desk.exchange.process import ExchangeProcess, popen


def install() -> None:
    ExchangeProcess.start_child = staticmethod(start_child)


def uninstall() -> None:
    ExchangeProcess.start_child = staticmethod(popen)


class Forked:
    """As much of a `subprocess.Popen` as the exchange's parent needs."""

    def __init__(self, process: BaseProcess, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._process = process
        self._pipes = stdin, stdout

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def stdin(self) -> IO[bytes]:
        return self._pipes[0]

    @property
    def stdout(self) -> IO[bytes]:
        return self._pipes[1]

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("exchange", timeout or 0.0)
        return code

    def kill(self) -> None:
        self._process.kill()


def start_child(settings: str, environment: Mapping[str, str], log_path: Path) -> Forked:
    """As `desk.exchange.process.popen`."""
    (told, tells), (heard, says) = os.pipe(), os.pipe()
    words = (settings, dict(environment), str(log_path))
    process = FORKED.Process(target=_serve, args=(*words, DupFd(told), DupFd(says)), daemon=True)
    process.start()
    os.close(told)
    os.close(says)
    return Forked(process, os.fdopen(tells, "wb"), os.fdopen(heard, "rb"))


def _serve(settings: str, environment: Mapping[str, str], log_path: str, told: Any, says: Any) -> None:
    """In the forked process: become the exchange's child."""
    os.setsid()
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for number, file in enumerate((told.detach(), says.detach(), log)):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", closefd=False))
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False))
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", 0, closefd=False), write_through=True)
    from desk.exchange.__main__ import main

    sys.exit(main(["--child", settings]))
