"""The claim of backtests/foresight.py on fewer and shorter walks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from desk.domain.errors import UsageError

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "backtests" / "foresight.py"
SEEDS, SESSIONS = range(10), 150


@pytest.fixture(scope="module")
def foresight() -> ModuleType:
    spec = importlib.util.spec_from_file_location("foresight", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["foresight"] = module
    spec.loader.exec_module(module)
    return module


def test_the_probe_earns_nothing_on_the_desks_feed(foresight):
    row = foresight.measure("desk", foresight.Contestant(foresight.Probe), SEEDS, SESSIONS)
    assert row.entries > 300
    assert abs(row.t_value) < 2.0


@pytest.mark.parametrize("feed", ["desk, peek put back", "Lumibot PandasData"])
def test_the_probe_earns_a_fortune_where_the_feed_peeks(foresight, feed):
    row = foresight.measure(feed, foresight.Contestant(foresight.Probe), range(4), SESSIONS)
    assert row.mean_bps > 40
    assert row.t_value > 10


def test_walks_are_seeded_and_have_no_drift(foresight):
    frame = foresight.walk_source(3, SESSIONS).daily["WALK"]
    assert frame.equals(foresight.walk_source(3, SESSIONS).daily["WALK"])
    moves = [foresight.walk_source(seed, 500).daily["WALK"]["close"].pct_change().mean() for seed in range(40)]
    assert abs(sum(moves) / 40) < 3 * 0.02 / (500 * 40) ** 0.5


def test_the_script_prints_a_row_for_each_feed(foresight, capsys):
    foresight.main(["--walks", "2", "--sessions", "40"])
    printed = capsys.readouterr().out
    assert all(feed in printed for feed in foresight.FEEDS) and "std error" in printed


def test_combined_with_its_gate_off_trades_on_walks_and_earns_nothing_that_a_walk_cannot_give(foresight):
    row = foresight.measure_desk_strategy("combined", range(12), 250)
    assert row.entries > 10
    assert abs(row.t_value) < 3.0


def test_an_unknown_strategy_is_refused_by_name(foresight):
    with pytest.raises(UsageError, match="nonesuch"):
        foresight.measure_desk_strategy("nonesuch", range(1), 40)
