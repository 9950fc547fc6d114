"""The script that measures how long shares stand without an exit, run as a person runs it, as small as it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import preloaded
import pytest

# A desk at an exchange on the wall clock, and a replay.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SESSIONS = 3


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of one move of each kind and of a few sessions; run in a folder of its own so that leftovers are seen."""
    folder = tmp_path_factory.mktemp("naked")
    script = ROOT / "backtests" / "naked_window.py"
    done = preloaded.run([script, "--trims", "1", "--sessions", str(SESSIONS), "--json", "figures.json"], folder, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
    assert [path.name for path in folder.iterdir()] == ["figures.json"]
    found: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    return found


def moves(figures: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in figures["moves"] if each["kind"] == kind]


def test_a_bracket_that_fills_is_never_bare(figures: dict[str, Any]) -> None:
    assert [each["share_seconds"] for each in moves(figures, "fill of a bracket")] == [0, 0]


def test_a_trimmed_bracket_is_bare_until_the_broker_frees_its_shares(figures: dict[str, Any]) -> None:
    (trim,) = moves(figures, "trim of a bracket")
    # The venue takes 63 ms for that, by its own clock: the desk can be slower and never faster.
    assert trim["milliseconds"] > 63
    assert trim["share_seconds"] > 100 * 0.063
    assert trim["marks_ms"]["asked"] <= trim["marks_ms"]["covered"] <= trim["marks_ms"]["selling"]


def test_what_was_added_stands_bare_until_its_exits_are_taken(figures: dict[str, Any]) -> None:
    (addition,) = moves(figures, "addition")
    assert addition["milliseconds"] == pytest.approx(addition["marks_ms"]["covered"])


def test_a_tranche_leaves_without_a_share_that_is_bare(figures: dict[str, Any]) -> None:
    assert [each["share_seconds"] for each in moves(figures, "trim of a tranche")] == [0]


def test_every_bare_share_second_of_a_replay_has_a_cause(figures: dict[str, Any]) -> None:
    told = figures["replay"]["share_seconds"]
    assert told > 0
    assert sum(figures["share_seconds_by_cause"].values()) == pytest.approx(told)
    assert figures["share_seconds_by_cause"]["another"] == 0
