"""Alpaca's JavaScript client against the exchange, where Node and the package are there; nothing is installed by this test."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "backtests" / "node_client" / "trade.js"
MODULES = "LUMIDESK_NODE_MODULES"
PACKAGE = Path("@alpacahq") / "alpaca-trade-api"


def modules() -> Path:
    """Where `npm install` put the client: beside the script, or where the variable says."""
    return Path(os.environ.get(MODULES) or SCRIPT.parent / "node_modules")


def test_it_places_replaces_and_cancels_a_bracket_and_reads_the_stream(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (modules() / PACKAGE).is_dir():
        pytest.skip(f"run `npm install` in {SCRIPT.parent.name}, or name its node_modules in {MODULES}")
    config = ExchangeConfig("bundled", date(2008, 9, 2), partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path / "exchange.log") as exchange:
        environment = {
            "PATH": os.defpath,
            "NODE_PATH": str(modules()),
            "EXCHANGE_URL": exchange.url,
            "APCA_API_KEY_ID": exchange.api_key,
            "APCA_API_SECRET_KEY": exchange.api_secret,
            "ADVANCE_TO": "2008-09-02T14:00:00Z",
        }
        answer = subprocess.run([node, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    said = answer.stdout.splitlines()
    assert "placed   bracket" in answer.stdout and "legs limit held,stop held" in answer.stdout
    assert any(line.startswith("replaced ") for line in said)
    assert any(line.startswith("canceled canceled, legs canceled,canceled") for line in said)
    assert said[-1].startswith("done: ")
