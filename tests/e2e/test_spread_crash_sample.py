"""A sample of the crash harness for option spreads: no leg is ever naked, whatever dies and whatever fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SCHEDULES = 6


def test_desks_with_spreads_that_are_killed_leave_no_leg_naked_and_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "backtests" / "spread_crashes.py"), "--runs", str(tmp_path)]
    sample = ["--schedules", str(SCHEDULES), "--seconds", "90"]
    done = subprocess.run([*command, *sample], check=False, capture_output=True, text=True, cwd=ROOT, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(text) for text in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert found and not any(line["failures"] for line in found)
    assert any(line["kills"] for line in found) and any(line["filled"] for line in found)
