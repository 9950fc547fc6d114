"""`desk parity`: a strategy through the backtester and through the exchange process, on the same bars."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from desk.cli.main import app

pytestmark = pytest.mark.slow


def test_every_difference_between_backtest_and_live_path_is_explained(tmp_path: Path) -> None:
    page = tmp_path / "parity.html"
    # From the eighth of September on the strategy enters within five sessions.
    words = ["parity", "ema_cross", "--sessions", "5", "--start", "2008-09-08", "--json", "--page", str(page)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["sessions"] == 5 and said["unexplained"] == 0
    assert said["fills"] > 0 and said["orders"] > 0
    assert said["equal_fills_fraction"] >= 0.99 and said["equal_orders_fraction"] >= 0.99
    assert all(each["class"] != "UNEXPLAINED" and each["why"] for each in said["differences"])
    assert len(said["equity"]) == 5 and said["largest_equity_difference_bps"] < 0.1
    assert 0 < said["on_bars_alone"]["equal_fills_fraction"] <= 1
    assert any("partial_fill_probability 0" in note for note in said["notes"])
    assert "backtest beside the live path" in page.read_text()
