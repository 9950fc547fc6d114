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
from typing import Any, BinaryIO

from preloaded import FORKED

from desk.exchange.child_settings import as_text
from desk.exchange.process import ExchangeProcess

_STARTED_ANEW = ExchangeProcess._start


def install() -> None:
    ExchangeProcess._start = _start  # type: ignore[method-assign,assignment]


def uninstall() -> None:
    ExchangeProcess._start = _STARTED_ANEW  # type: ignore[method-assign]


class Forked:
    """As much of a `subprocess.Popen` as the exchange's parent needs."""

    def __init__(self, process: BaseProcess, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self._process = process
        self.stdin = stdin
        self.stdout = stdout

    @property
    def pid(self) -> int | None:
        return self._process.pid

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


def _start(exchange: ExchangeProcess) -> Forked:
    (told, tells), (heard, says) = os.pipe(), os.pipe()
    words = (as_text(exchange.config), exchange._environment(), str(exchange._log_path))
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
