"""What a person gives the showcase that is killed reaches the run, and what the run refuses is told as the run tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import preloaded
import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "backtests" / "crash_showcase.py"


def showcase(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return preloaded.run([SCRIPT, *arguments], folder, timeout=120)


def test_the_run_is_found_where_the_arguments_put_it(tmp_path: Path) -> None:
    done = showcase(tmp_path, "--at", "3", "--sessions", "1", "--runs", "there/runs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resuming there/runs/combined-exchange" in done.stdout and "nothing lost or doubled" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_an_option_that_the_run_refuses_ends_with_its_words_and_its_code(tmp_path: Path) -> None:
    done = showcase(tmp_path, "--sessions", "x")
    assert done.returncode == 2 and "--sessions" in done.stderr and "'x'" in done.stderr
    assert "--at" not in done.stdout + done.stderr.replace("[--at", "")


def test_a_place_that_cannot_be_written_is_the_runs_own_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = showcase(tmp_path, "--sessions", "1", "--runs", "file/runs")
    assert done.returncode == 4 and "cannot write a run folder under file/runs" in done.stderr
    assert "--at" not in done.stdout + done.stderr


def test_an_iteration_that_the_run_does_not_reach_is_named(tmp_path: Path) -> None:
    done = showcase(tmp_path, "--at", "99", "--sessions", "1")
    assert done.returncode == 2 and "Error: --at 99: the run ended before this iteration" in done.stderr


@pytest.mark.parametrize("at", ["0", "-1", "soon"])
def test_an_iteration_that_is_none_is_refused(tmp_path: Path, at: str) -> None:
    done = showcase(tmp_path, "--at", at)
    assert done.returncode == 2 and f"argument --at: {at}: give the number of an iteration, from 1 up" in done.stderr
