"""The pytest plugin as another project uses it: in a process of its own, with a test of three lines."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PLUGIN = "desk.exchange.pytest_plugin"

THREE_LINES = """
def test_my_bot_sees_its_cash(paper_exchange):
    client = paper_exchange.trading_client()
    assert client.get_account().cash == "100000"
"""

MORE = """
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.requests import MarketOrderRequest

ORDER = MarketOrderRequest(symbol="AAPL", qty=10, side="buy", time_in_force="day")


@pytest.mark.parametrize("_", range(3))
def test_every_test_begins_anew(paper_exchange, _):
    assert str(paper_exchange.now) == "2008-09-02 12:00:00+00:00"
    paper_exchange.advance("2008-09-02T10:00:00-04:00")
    order = paper_exchange.trading_client().submit_order(ORDER)
    assert paper_exchange.trading_client().get_order_by_id(order.id).status == "filled"
    assert str(order.id) == ids.setdefault("first", str(order.id))


ids = {}


@pytest.mark.paper_exchange(cash_usd=5000, start="2008-10-10")
def test_a_marker_sets_it_up(paper_exchange):
    assert paper_exchange.trading_client().get_account().cash == "5000"
    assert paper_exchange.now.day == 10


@pytest.mark.paper_exchange(data=DATA)
def test_prices_of_ones_own(paper_exchange):
    paper_exchange.advance("2008-09-02T10:00:00-04:00")
    assert paper_exchange.trading_client().get_asset("ABC").tradable


def test_a_fault_lasts_for_its_test(paper_exchange):
    paper_exchange.fault("server_error", {"path": "/v2/account"}, status=502)
    with pytest.raises(APIError) as refused:
        paper_exchange.trading_client().get_account()
    assert refused.value.status_code == 502


def test_and_no_longer(paper_exchange):
    assert paper_exchange.admin.faults() == []
    paper_exchange.trading_client().get_account()
"""


def run(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_bot.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, "-p", "no:cacheprovider", "--rootdir", str(folder), *options]
    return told([*command, str(folder)], cwd=folder, env=environment)


def told(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=90, **options)


def test_three_lines_are_enough(tmp_path: Path) -> None:
    done = run(tmp_path, THREE_LINES, "--strict-markers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_tests_do_not_see_one_another(tmp_path: Path) -> None:
    prices = tmp_path / "prices"
    prices.mkdir()
    rows = "".join(f"{day},ABC,100,101,99,100.5,1000\n" for day in ("2008-09-02", "2008-09-03", "2008-09-04"))
    (prices / "daily.csv").write_text("timestamp,symbol,open,high,low,close,volume\n" + rows)
    done = run(tmp_path, f"DATA = {str(prices)!r}\n" + MORE, "--strict-markers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout


def test_a_wrong_setting_is_told(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.paper_exchange(cash=5)\ndef test_it(paper_exchange): ...\n"
    done = run(tmp_path, source)
    assert done.returncode == 1
    assert "paper_exchange: cash is no setting; give cash_usd, data," in done.stdout


def test_no_process_outlives_the_tests(tmp_path: Path) -> None:
    source = (
        "import pathlib\ndef test_it(paper_exchange):\n    pathlib.Path('pid').write_text(str(paper_exchange._process.pid))\n"
    )
    assert run(tmp_path, source).returncode == 0
    pid = (tmp_path / "pid").read_text()
    assert not Path(f"/proc/{pid}").exists()


def test_who_does_not_use_it_pays_nothing() -> None:
    heavy = ("pandas", "alpaca", "lumibot", "uvicorn", "requests")
    code = f"import sys, {PLUGIN}; print([name for name in {heavy} if name in sys.modules])"
    done = told([sys.executable, "-c", code], cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_pytest_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"paper_exchange": PLUGIN}
