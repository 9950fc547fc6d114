"""A sample of the crash harness: desks killed by schedule, and a judge that would see what they lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SCHEDULES = 12


def crashes(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "backtests" / "crashes.py"), "--runs", str(folder), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=300)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the first schedules; none is begun after half a minute, however slow the machine is."""
    folder = tmp_path_factory.mktemp("crash")
    done = crashes(folder, "--schedules", str(SCHEDULES), "--seconds", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_desks_that_are_killed_lose_and_double_nothing(sample: Path) -> None:
    found = lines(sample)
    assert found and not any(line["failures"] for line in found)
    assert any(line["kills"] for line in found) and any(line["orders"] for line in found)


def test_schedules_that_are_done_are_left_out(sample: Path) -> None:
    before = len(lines(sample))
    done = crashes(sample, "--schedules", str(before))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(lines(sample)) == before


def test_one_schedule_can_be_played_again_and_keeps_what_it_wrote(sample: Path) -> None:
    done = crashes(sample, "--seed", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (sample / "seed-4" / "journal.db").is_file() and (sample / "seed-4" / "final.json").is_file()
