"""`desk compare` and `desk monte-carlo` as a person runs them, on a short stretch of the bundled market."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import preloaded
import pytest

pytestmark = pytest.mark.slow

DATES = ("--start", "2008-01-02", "--end", "2008-06-30")
# The gate only reports, so that something is traded in half a year.
TRADING = "combined:confidence_gate=report"


def desk(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """`desk` in a process of its own, from an empty folder."""
    done = preloaded.run(["-m", "desk.cli.main", *words], folder, timeout=110)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def parsed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    folder = tmp_path_factory.mktemp("compare")
    done = desk(folder, "compare", "combined", TRADING, *DATES, "--draws", "50", "--page", "page.html", "--json")
    return parsed(done), (folder / "page.html").read_text(encoding="utf-8")


def test_strategies_stand_side_by_side_with_chance_and_holding(compared):
    found, _ = compared
    assert (found["first_session"], found["last_session"]) == ("2008-01-02", "2008-06-30")
    trading = found["strategies"][1]
    assert trading["strategy"] == TRADING and trading["trades"] > 0 and trading["costs_usd"] > 0
    assert trading["random_moments"]["draws"] == 50 and 0 < trading["random_moments"]["as_good_fraction"] <= 1
    assert found["buy_and_hold"]["exposure_fraction"] > 0.95
    assert found["correlations"][TRADING][TRADING] == pytest.approx(1)
    assert any("hindsight" in note for note in found["notes"])


def test_the_comparison_is_a_page_of_its_own(compared):
    _, page = compared
    assert page.startswith("<!DOCTYPE html>") and "<svg" in page and "buy and hold" in page
    assert "<script" not in page and "<link" not in page


def test_a_run_is_drawn_again_from_its_days_and_trades_the_same_by_seed(tmp_path):
    words = ("monte-carlo", TRADING, *DATES, "--draws", "60", "--seed", "3", "--ruin", "0.9", "--json")
    first = parsed(desk(tmp_path, *words, "--page", "page.html"))
    second = parsed(desk(tmp_path, *words, "--page", "page.html"))
    assert first == second
    assert first["days"]["periods"] == first["sessions"] and first["days"]["draws"] == 60
    assert first["trades"]["periods"] > 1
    assert 0 <= first["days"]["ruin_probability"] <= first["days"]["ruin_probability_at_most"] <= 1
    assert first["random_moments"] is not None
    assert "<svg" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_one_block_of_the_whole_length_tells_what_the_run_was(tmp_path):
    words = ("monte-carlo", TRADING, *DATES, "--draws", "20", "--block", "10000", "--json")
    days = parsed(desk(tmp_path, *words))["days"]
    for name, levels in days["quantiles"].items():
        assert set(levels.values()) == {days["the_run"][name]}


def test_a_journaled_run_is_drawn_without_running_it_again(tmp_path):
    trade = ["--broker", "exchange", "--sessions", "4", "--runs", str(tmp_path / "runs")]
    script = Path(__file__).parents[2] / "live_trader.py"
    run = preloaded.run([script, "--strategy", "combined", *trade], tmp_path)
    assert run.returncode == 0, run.stderr
    folder = next((tmp_path / "runs").iterdir())
    printed = desk(tmp_path, "monte-carlo", str(folder), "--draws", "20").stdout
    assert "From 4 sessions" in printed and "Null test" in printed and "says nothing about future returns" in printed
    refused = desk(tmp_path, "monte-carlo", str(folder), "--start", "2008-01-02", code=2)
    assert "leave out" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("compare", "combined", "combined"), 2, "there twice"),
        (("compare", "combined", "--start", "yesterday"), 2, "YYYY-MM-DD"),
        (("compare", "combined:fee_bps=0"), 2, "same for all"),
        (("monte-carlo", "nonesuch"), 2, "unknown strategy nonesuch"),
        (("monte-carlo", "."), 2, "no run in this folder"),
    ],
)
def test_what_a_person_mistypes_is_told_without_a_traceback(tmp_path, words, code, said):
    assert said in desk(tmp_path, *words, code=code).stderr.replace("\n", " ")
