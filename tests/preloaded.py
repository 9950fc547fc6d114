"""Scripts as processes of their own, forked from one that has loaded the libraries already: of a short command that is most of
the time. What happens while a process loads is tested with ones that begin from nothing."""

from __future__ import annotations

import io
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from desk import lumibot_switches

LIBRARIES = ["desk.cli.trade_exchange", "desk.cli.trade_alpaca", "desk.report.pictures", "matplotlib.backends.backend_agg"]
LIBRARIES += ["matplotlib.figure", "matplotlib.dates", "lumibot.strategies.strategy", "lumibot.backtesting", "skops.io"]
LIBRARIES += ["sklearn.linear_model", "apscheduler.schedulers.background", "pandas_ta_classic", "sqlalchemy.dialects.sqlite"]
LIBRARIES += ["desk.exchange.serve"]
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(LIBRARIES)


class Script:
    """A Python script that runs: `words` are its path, or -m and a module, and its arguments. What it says is kept in files."""

    def __init__(
        self, words: Sequence[str | Path], cwd: Path, environ: Mapping[str, str] | None = None, *, is_one_stream: bool = False
    ) -> None:
        self.args = [str(word) for word in words]
        self._folder = tempfile.TemporaryDirectory(prefix="script-")
        names = ["output", "output" if is_one_stream else "errors"]
        output, errors = (Path(self._folder.name, name) for name in names)
        self._output, self._errors = output, errors
        given = dict(os.environ if environ is None else environ)
        self._process = FORKED.Process(target=_play, args=(self.args, str(cwd), given, output, errors))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it said on standard output and on standard error, at its end. Raises subprocess.TimeoutExpired."""
        self.wait(timeout)
        return self.said(), "" if self._errors == self._output else self._errors.read_text(encoding="utf-8")

    def said(self) -> str:
        """What it has said on standard output by now."""
        return self._output.read_text(encoding="utf-8") if self._output.exists() else ""

    def __enter__(self) -> Script:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.wait()


def run(
    words: Sequence[str | Path], cwd: Path, environ: Mapping[str, str] | None = None, *, timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    """Run a script to its end; one that takes longer is killed, and subprocess.TimeoutExpired says so."""
    script = Script(words, cwd, environ)
    try:
        stdout, stderr = script.communicate(timeout)
    finally:
        script.kill()
    return subprocess.CompletedProcess(script.args, script.wait(), stdout, stderr)


def _play(words: list[str], cwd: str, environ: dict[str, str], output: Path, errors: Path) -> None:
    """In the forked process: become the script."""
    os.environ.clear()
    os.environ.update(environ)
    lumibot_switches.apply()  # as the desk does when it is loaded
    os.chdir(cwd)
    for number, name in ((1, output), (2, errors)):
        file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    # As the interpreter makes them for a file: one holds back what it is told, the other does not.
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", 0, closefd=False), encoding="utf-8", write_through=True)
    # A shell that has put the tests into the background lets its children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if words[0] == "-m":
        sys.argv, sys.path[0] = words[1:], cwd
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")
