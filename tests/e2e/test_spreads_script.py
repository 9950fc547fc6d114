"""`backtests/spreads.py` as a person runs it: on a folder of recorded quotes, on model prices, and with what cannot be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import preloaded
import pytest
from recorded_spreads import DAYS, ENTRY, FIRST, Story

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "backtests" / "spreads.py"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return preloaded.run([SCRIPT, *arguments], folder, timeout=100)


def recorded(folder: Path) -> Path:
    """Bars and quotes of one name; too short a history for the strategy to see anything in."""
    story = Story(dict.fromkeys(DAYS[:10], ENTRY))
    story.write(folder)
    frame = story.source().daily["XYZ"].rename_axis("timestamp").reset_index()
    frame.assign(symbol="XYZ", timestamp=frame["timestamp"].dt.date).to_csv(folder / "bars.csv", index=False)
    return folder


def test_on_model_prices_it_tells_all_assumptions_side_by_side_and_whose_prices_they_are(tmp_path: Path) -> None:
    settings = "min_open_interest=0,max_risk_usd=2000"
    dates = ("--start", "2012-01-03", "--end", "2012-02-10")
    done = run(tmp_path, *dates, "--strategy-settings", settings, "--fee", "0.05", "--null-draws", "1")
    assert done.returncode == 0, done.stderr
    first_words = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert {"mid", "natural", "worst", "Null", "Spreads,", "profit"} <= first_words
    assert "MODEL PRICES" in done.stdout and "0.05 dollars a contract" in done.stdout
    assert not list(tmp_path.iterdir())


def test_on_recorded_quotes_it_begins_with_the_first_of_them(tmp_path: Path) -> None:
    done = run(tmp_path, "--data", str(recorded(tmp_path)), "--fills", "mid")
    assert done.returncode == 0, done.stderr
    assert f"XYZ; {FIRST} to {DAYS[-1]}" in done.stdout
    assert "Null test: none, since no spread filled." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--strategy-settings", "foo=5"), "--strategy-settings: unknown key spreads.foo: the known keys are sleeve, min_score"),
        (("--strategy-settings", "rungs=0"), "spreads.rungs is 0; it takes a whole number from 1 to 100. The default is 5"),
        (("--strategy-settings", "rung=3"), "unknown key spreads.rung: did you mean spreads.rungs?"),
        (("--strategy-settings", "earnings={AAPL: [2012-01-24, 2012-04-24]},min_days=70"), "spreads.min_days is 70, "),
        (("--strategy-settings", "rungs=[1"), "rungs=[1: [1 is not valid YAML; write NAME=VALUE"),
        (("--strategy-settings", "rungs"), "--strategy-settings rungs: write NAME=VALUE"),
        (("--start", "1999-01-01", "--end", "1999-02-01"), "no session from 1999-01-01"),
        (("--fee", "-1"), "--fee -1"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr


def test_a_folder_without_quotes_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--data", str(tmp_path))
    assert done.returncode == 4 and "no options/*.csv in it" in done.stderr


def test_a_folder_that_is_not_there_is_called_that(tmp_path: Path) -> None:
    done = run(tmp_path, "--data", str(tmp_path / "nowhere"))
    assert done.returncode == 4 and "nowhere: there is no such folder" in done.stderr
