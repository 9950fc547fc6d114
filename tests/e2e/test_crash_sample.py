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
    assert len({line["code"] for line in found}) == 1


def test_schedules_that_are_done_are_left_out(sample: Path) -> None:
    before = len(lines(sample))
    done = crashes(sample, "--schedules", str(before))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(lines(sample)) == before


def test_results_of_another_state_of_the_code_are_played_again(sample: Path, tmp_path: Path) -> None:
    other, older = lines(sample)[0] | {"code": "0" * 16}, {k: v for k, v in lines(sample)[1].items() if k != "code"}
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (other, older)) + '[1]\n{"seed": 3')
    done = crashes(tmp_path, "--schedules", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 results of another state of the code are left out" in done.stdout
    assert [line["seed"] for line in map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines()[-2:])] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--schedules", "0"), "--schedules: 0: give a whole number from 1 up"),
        (("--schedules", "-1"), "--schedules: -1: give a whole number from 1 up"),
        (("--schedules", "ten"), "--schedules: ten: give a whole number from 1 up"),
        (("--seed", "-5"), "--seed: -5: give a whole number from 0 up"),
        (("--seconds", "0"), "--seconds: 0: give a number of seconds above 0"),
        (("--seconds", "nan"), "--seconds: nan: give a number of seconds above 0"),
    ],
)
def test_what_would_play_nothing_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = crashes(tmp_path, *arguments)
    assert done.returncode == 2 and words in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_sample_without_a_schedule_is_no_success(tmp_path: Path) -> None:
    done = crashes(tmp_path, "--schedules", "3", "--seconds", "0.001")
    assert done.returncode == 1 and "nothing was played: --seconds 0.001" in done.stdout
    assert "No failure" not in done.stdout


def test_results_that_cannot_be_written_are_told_before_anything_is_played(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = crashes(tmp_path / "file" / "runs")
    assert done.returncode == 4 and "Error: --runs " in done.stderr and "Traceback" not in done.stderr


def test_one_schedule_can_be_played_again_and_keeps_what_it_wrote(sample: Path) -> None:
    done = crashes(sample, "--seed", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (sample / "seed-4" / "journal.db").is_file() and (sample / "seed-4" / "final.json").is_file()
