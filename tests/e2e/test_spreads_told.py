"""What a person is told of option spreads: while a run trades, when it ends, in its execution log, and in a comparison."""

from __future__ import annotations

import json
from pathlib import Path

import preloaded
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def said(folder: Path, *words: str) -> str:
    done = preloaded.run(words, folder, timeout=110)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_tells_its_spreads_by_the_hour_its_refusals_in_words_and_what_its_orders_filled_at(tmp_path: Path) -> None:
    options = ("--strategy", "bull_put_spread", "--broker", "exchange", "--sessions", "1", "--start", "2012-01-03")
    text = said(tmp_path, str(ROOT / "live_trader.py"), *options, "--runs", str(tmp_path / "runs"))
    hours = [line for line in text.splitlines() if " ET  day 1/1" in line]
    assert "spread" not in hours[0] and hours[-1].endswith("0 positions, 2 spreads")
    assert "spreads: risk above the budget" in text and "SPREAD" not in text
    (path,) = (tmp_path / "runs").glob("*/executions/execution_log_20120103.json")
    filled = [entry for entry in json.loads(path.read_text()) if entry["status"] == "filled"]
    assert len(filled) == 2
    for entry in filled:
        short, long = entry["legs"]
        assert entry["filled"] == entry["quantity"] == short["filled"] == long["filled"]
        assert (
            entry["average_price"] == pytest.approx(long["average_price"] - short["average_price"]) and entry["average_price"] < 0
        )


def test_a_strategy_of_spreads_stands_beside_one_of_shares_with_the_trades_of_both(tmp_path: Path) -> None:
    shares = "combined:confidence_gate=report"
    words = ("bull_put_spread", shares, "--start", "2012-01-03", "--end", "2012-03-30", "--draws", "10", "--page", "page.html")
    found = json.loads(said(tmp_path, "-m", "desk.cli.main", "compare", *words, "--json"))
    told = {each["strategy"]: each for each in found["strategies"]}
    for name, kind in (("bull_put_spread", "option spreads"), (shares, "shares")):
        trips = told[name]["trips"]
        assert list(trips["kinds"]) == [kind] and trips["every"]["closed"] > 0
        assert told[name]["trades"] == trips["every"]["closed"] + trips["every"]["still_open"]
        assert trips["every"]["pnl_usd"] + trips["rest_usd"] == pytest.approx(trips["change_usd"])
        assert trips["change_usd"] == pytest.approx(told[name]["total_return_fraction"] * 100_000)
    assert told[shares]["trips"]["every"]["still_open"] == 0 and told[shares]["trips"]["rest_usd"] == pytest.approx(0, abs=1e-6)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What the trades came to" in page and "An option spread is one trade" in page
