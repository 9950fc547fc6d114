"""`desk check` against the zoo: which check catches which planted bias, and that honest strategies are left in peace."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from desk.cli.main import app
from desk.data.bundled import load_bundled
from desk.research.laboratory import Effort
from desk.research.page import check_page
from desk.research.planner import Isolation
from desk.research.simulation import simulate
from desk.research.subject import subject_of
from desk.research.verdict import Level, Verdict
from desk.runtime.desk_backtest import backtest_desk
from desk.settings.behaviour import Behaviour

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "zoo"))
import zoo_biased  # noqa: E402 - found by the line above
import zoo_clean  # noqa: E402 - likewise

EFFORT = Effort(cuts=1, looks=12, worlds=2, relabels=2, shifts=(11, 37), steps=(0.2,))
# `backtests/check_zoo.py` asks every honest strategy, over many histories; here every third one is.
# What catches those that foresight cannot: they see no future, or have learned it by heart.
CAUGHT_BY = {
    "CountsFromItsStart": "recursion",
    "AnchoredAtItsStart": "recursion",
    "AverageFromTheFirstCall": "recursion",
    "VolumeSummedFromTheFirstBar": "recursion",
    "MemorisedDays": "delay",
}


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_zoo", ROOT / "backtests" / "check_zoo.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_zoo"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def check_zoo() -> ModuleType:
    return loaded()


@pytest.fixture(scope="module")
def histories(check_zoo):
    made = check_zoo.histories_of(check_zoo.ZOO_SPAN)
    zoo_biased.furnish(made)
    zoo_clean.furnish(made)
    return made


def judged(check_zoo, histories, strategy):
    return check_zoo.judged(strategy, histories, check_zoo.ZOO_SPAN.first, EFFORT, 0)


@pytest.mark.parametrize("strategy", zoo_biased.BIASED, ids=lambda one: one.__name__)
def test_a_planted_bias_is_caught(check_zoo, histories, strategy):
    done = judged(check_zoo, histories, strategy)
    accusers = {one.check for one in done.findings if one.level >= Level.SUSPECT}
    assert done.verdict in (Verdict.SUSPECT, Verdict.BIASED)
    assert CAUGHT_BY.get(strategy.__name__, "foresight") in accusers


@pytest.mark.parametrize("strategy", zoo_clean.CLEAN[::3], ids=lambda one: one.__name__)
def test_an_honest_strategy_is_left_in_peace(check_zoo, histories, strategy):
    done = judged(check_zoo, histories, strategy)
    assert [one.sentence for one in done.findings if one.level >= Level.SUSPECT] == []
    assert done.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)


def test_the_page_tells_the_verdict_and_every_check(check_zoo, histories):
    done = judged(check_zoo, histories, zoo_biased.PeeksAtTheNextClose)
    page = check_page(done)
    assert "PeeksAtTheNextClose: BIASED" in page and page.count("<svg") == 3
    assert all(one.check in page for one in done.findings)


@pytest.mark.parametrize("strategy", [zoo_clean.TrailingMovingAverage, zoo_clean.LastDayRose], ids=lambda one: one.__name__)
def test_the_fast_simulation_agrees_with_the_full_backtest(check_zoo, strategy):
    source, behaviour = load_bundled(), Behaviour(hedging=False)
    histories = {symbol: source.bars(symbol) for symbol in check_zoo.SYMBOLS}
    days = histories["IBM"].sessions[1200:1320]
    fast = simulate(subject_of("x", strategy, behaviour, histories, days[0], days[-1]), Isolation(strategy))
    full = backtest_desk(strategy, behaviour, source, check_zoo.SYMBOLS, days[0], days[-1], name="x")
    equity = np.array([point.equity_usd for point in full.outcome.equity])
    assert np.corrcoef(np.diff(equity) / equity[:-1], fast.returns)[0, 1] > 0.95
    assert fast.total_return == pytest.approx(equity[-1] / equity[0] - 1, abs=0.02)


def test_the_command_tells_programs_the_same(tmp_path):
    page = tmp_path / "check.html"
    arguments = ["check", "combined", "--quick", "--start", "2012-06-01", "--end", "2012-10-01", "--json", "--page", str(page)]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["verdict"] in ("PASS", "INCONCLUSIVE") and len(told["checks"]) == 8
    assert page.read_text().startswith("<!DOCTYPE html>")
