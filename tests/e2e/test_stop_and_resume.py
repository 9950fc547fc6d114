"""Ctrl-C, SIGTERM and what comes after: nothing is lost, nothing is sent twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import preloaded
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TRADE = [str(ROOT / "live_trader.py"), "--config", str(ROOT / "config" / "showcase.yaml"), "--json"]
SESSIONS = "14"


def started(runs: Path, *more: str) -> preloaded.Script:
    command = [*TRADE, "--strategy", "combined", "--broker", "exchange", "--sessions", SESSIONS, "--runs", str(runs), *more]
    return preloaded.Script(command, runs.parent)


def last_json(stdout: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(stdout.strip().splitlines()[-1])
    return result


def wait_for_orders(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        log = folder / "access.log"
        if log.exists() and log.read_text().count('"event":"fill"') >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {count} fills within a minute in {folder}")


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run that nobody interrupts."""
    process = started(tmp_path_factory.mktemp("whole") / "runs")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return last_json(stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_what_is_open_and_a_resumed_one_ends_as_if_it_had_never_stopped(
    tmp_path: Path, whole_run: dict[str, Any], number: signal.Signals
) -> None:
    runs = tmp_path / "runs"
    folder = runs / "combined-exchange"
    process = started(runs)
    wait_for_orders(folder, 1)
    asked = time.monotonic()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    seconds = time.monotonic() - asked
    assert process.returncode == 0, stderr
    stopped = last_json(stdout)
    assert stopped["iterations"] < whole_run["iterations"]
    assert "Stopped. Open: " in stderr and "stop and target of each rest at the broker" in stderr
    assert f"--resume {folder}" in stderr
    assert seconds < 30, "a hang; the promise of five seconds is measured by the benchmark, not here"

    resumed = preloaded.run([*TRADE, "--resume", str(folder)], tmp_path, timeout=120)
    assert resumed.returncode == 0, resumed.stderr
    ended = last_json(resumed.stdout)
    ended.pop("wall_seconds")
    assert ended == {name: value for name, value in whole_run.items() if name != "wall_seconds"}


def test_a_finished_run_can_be_resumed_and_changes_nothing(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    process = started(runs, "--sessions", "2")
    first, _ = process.communicate(timeout=60)
    again = preloaded.run([*TRADE, "--resume", str(runs / "combined-exchange")], tmp_path)
    assert again.returncode == 0, again.stderr
    before, after = last_json(first), last_json(again.stdout)
    assert {**before, "wall_seconds": 0} == {**after, "wall_seconds": 0}


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_loads_ends_it_without_a_traceback(tmp_path: Path, number: signal.Signals) -> None:
    # The interpreter itself tells of each module that it has loaded.
    command = [sys.executable, "-X", "importtime", *TRADE, "--strategy", "combined", "--broker", "exchange"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        assert child.stderr is not None
        while not child.stderr.readline().rstrip().endswith(" numpy.version"):
            assert child.poll() is None
        child.send_signal(number)
        _, told = child.communicate(timeout=60)
    assert child.returncode == 0, told
    assert "Stopped before the run began; nothing was traded.\n" in told and "Traceback" not in told
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_exchange_starts_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    runs = tmp_path / "runs"
    child = started(runs)
    until((runs / "combined-exchange" / "exchange.log").exists)
    child.send_signal(number)
    stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, stdout, stderr) == (0, "", "Stopped before the run began; nothing was traded.\n")
    assert list(runs.iterdir()) == []
