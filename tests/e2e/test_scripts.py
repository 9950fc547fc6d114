"""The scripts that back the README's comparisons, run as a person runs them, in their fast modes."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import preloaded
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SESSIONS = 3


def run(folder: Path, script: str, *arguments: str) -> str:
    """What `script` prints, run from a folder of its own so that leftovers are seen."""
    done = preloaded.run([ROOT / "backtests" / script, *arguments], folder, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def numbers(printed: str, label: str) -> list[int]:
    """The numbers behind `label` in a table."""
    found = next(line for line in printed.splitlines() if line.startswith(label))
    return [int(text) for text in found.removeprefix(label).split()]


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run(tmp_path_factory.mktemp("side"), "stock_lumibot_after_a_bracket.py", "--sessions", str(SESSIONS))


def test_the_desk_goes_on_iterating_after_its_first_bracket(side_by_side: str) -> None:
    due = numbers(side_by_side, "iterations due")
    asked = numbers(side_by_side, "iterations in which the strategy was asked")
    assert due == [6 * SESSIONS, 6 * SESSIONS]
    assert asked[1] == due[1]
    assert numbers(side_by_side, "iterations that ended in an exception")[1] == 0
    assert numbers(side_by_side, "on_filled_order for the entry")[1] == 1


def test_stock_lumibot_stops_iterating_at_its_first_bracket(side_by_side: str) -> None:
    assert version("lumibot") == "4.6.30", "another Lumibot: see whether it still needs to be put right"
    assert numbers(side_by_side, "iterations in which the strategy was asked")[0] == 1
    assert numbers(side_by_side, "iterations that ended in an exception")[0] == 6 * SESSIONS - 1
    assert "ValueError: Order class is BRACKET but no child orders" in side_by_side


def test_a_showcase_that_is_killed_and_resumed_ends_as_one_that_is_not(tmp_path: Path) -> None:
    printed = run(tmp_path, "crash_showcase.py", "--at", "9", "--sessions", "8")
    assert "kill -9 after iteration" in printed
    assert "nothing lost or doubled" in printed


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.longest
def test_quick_benchmark_compares_equal_work_and_counts_requests(tmp_path: Path) -> None:
    printed = run(tmp_path, "bench.py", "--quick")
    assert re.search(r"^backtest, RSI alone .* stock Lumibot ", printed, re.MULTILINE)
    requests = re.findall(r"^requests an iteration, \d+ symbols +([\d.]+) ", printed, re.MULTILINE)
    assert len(requests) == 2
    assert all(0 < float(count) <= 8 for count in requests)
    shared = re.search(r"^the same trades\? .* ([\d.]+)$", printed, re.MULTILINE)
    assert shared is not None
    assert float(shared[1]) > 0.7
    assert not list(tmp_path.iterdir())
