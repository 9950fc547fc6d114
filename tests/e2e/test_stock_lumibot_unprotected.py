"""The script that shows what plain rules leave at the broker on stock Lumibot, run as a person runs it, over three sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import preloaded
import pytest

# Four whole runs, each with a fresh exchange, twice.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SESSIONS = 3
STOCK = ("hourly look", "brackets", "separate exits")
Figures = dict[str, dict[str, Any]]


def run(folder: Path, *arguments: str) -> tuple[str, Figures]:
    """What the script prints, and its figures by column; run in a folder of its own so that leftovers are seen."""
    there = {path.name for path in folder.iterdir()}
    script = ROOT / "backtests" / "stock_lumibot_unprotected.py"
    done = preloaded.run([script, "--sessions", str(SESSIONS), "--json", "figures.json", *arguments], folder, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert {path.name for path in folder.iterdir()} - there == {"figures.json"}
    return done.stdout, {each["name"]: each for each in json.loads((folder / "figures.json").read_text())}


@pytest.fixture(scope="module")
def from_cash(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Figures]:
    """A run whose accounts begin with cash alone."""
    folder = tmp_path_factory.mktemp("cash")
    (folder / "cash.yaml").write_text("confidence_gate: report\n")
    return run(folder, "--config", "cash.yaml")


@pytest.fixture(scope="module")
def showcase(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    """A run of config/showcase.yaml, whose account begins with holdings that nobody protects."""
    return run(tmp_path_factory.mktemp("showcase"))[1]


def test_positions_whose_price_is_looked_at_once_an_hour_stand_naked(from_cash: tuple[str, Figures]) -> None:
    found = from_cash[1]["hourly look"]
    assert found["opened"] > 0
    assert found["without_exit"] == found["positions"] > 0
    assert found["naked_share_seconds"] > 0
    assert sum(found["naked_by_symbol"].values()) == pytest.approx(found["naked_share_seconds"])


def test_stock_lumibot_follows_no_rule_after_its_first_bracket(from_cash: tuple[str, Figures]) -> None:
    found = from_cash[1]["brackets"]
    assert 0 < found["followed"] < found["due"] == 6 * SESSIONS
    assert found["sent"] == 1
    error = "ValueError: Order class is BRACKET but no child orders or secondary limit/stop prices have been provided."
    assert found["raised"] == {error: found["due"] - found["followed"]}


def test_the_target_beside_a_stop_is_refused_for_want_of_free_shares(from_cash: tuple[str, Figures]) -> None:
    found = from_cash[1]["separate exits"]
    assert found["without_target"] == found["positions"] > 0
    assert set(found["refused"]) == {"40310000 insufficient qty available for order"}
    assert sum(found["raised"].values()) == sum(found["refused"].values())


def test_the_table_has_the_figures_and_claims_no_profit(from_cash: tuple[str, Figures]) -> None:
    printed, found = from_cash
    line = next(line for line in printed.splitlines() if line.startswith("  without any live exit"))
    assert line.split()[-len(found) :] == [str(each["without_exit"]) for each in found.values()]
    assert "says nothing about which column earns more" in printed


def test_every_position_of_the_desk_has_stop_and_target_and_no_iteration_fails(
    from_cash: tuple[str, Figures], showcase: Figures
) -> None:
    for found in (from_cash[1]["the desk"], showcase["the desk"]):
        assert found["positions"] > 0
        assert (found["without_stop"], found["without_target"]) == (0, 0)
        assert found["followed"] == found["due"] == 6 * SESSIONS
        assert (found["refused"], found["raised"]) == ({}, {})


@pytest.mark.parametrize("column", STOCK)
def test_holdings_that_stock_lumibot_finds_in_the_account_stay_naked(showcase: Figures, column: str) -> None:
    found = showcase[column]
    assert found["without_exit"] == found["positions"] > 0
