"""`live_trader.py --once`: found shares are protected first, then one iteration, every order answered, and the process ends."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from live_desk import QUICK, ExchangeClock, to_eleven

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.endpoint import Endpoint
from desk.cli import trade_alpaca
from desk.cli.trade import trade
from desk.domain.journal import Acknowledged, IterationDone, Row, SharesAdopted
from desk.domain.steps import Submit
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.reader import JournalReader
from desk.runtime.alpaca_run import AlpacaRun

pytestmark = pytest.mark.slow
ONCE = ("--strategy", "combined", "--once", "--json", "--config", "mine.yaml")
# AAPL is above its cap: the one iteration trims it, which takes several messages.
BEHAVIOUR = (
    "confidence_gate: report\nfound_positions: protect\nmax_position_fraction: 0.1\ntrim_band_fraction: 0.0\n"
    "universe:\n  alpaca: [IBM, AAPL]\n"
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers[:] = before


def rows(runs: Path) -> list[Row]:
    (folder,) = runs.iterdir()
    with JournalReader(folder / "journal.db") as reader:
        return [stored.row() for stored in reader.rows()]


def check(told: dict[str, Any], journaled: list[Row], found: set[str]) -> None:
    values = [row.value for row in journaled]
    assert told["iterations"] == sum(isinstance(value, IterationDone) for value in values) == 1
    assert {value.spec.symbol for value in values if isinstance(value, SharesAdopted)} == found
    submits = [value for value in values if isinstance(value, Submit)]
    assert {each.spec.symbol for each in submits[: len(found)]} == found, "their exits are the first orders of all"
    assert all(each.covers is not None for each in submits[: len(found)]) and len(submits) > len(found)
    answered = {value.key for value in values if isinstance(value, Acknowledged)}
    assert {each.key for each in submits} <= answered
    assert values.index(submits[len(found) - 1]) < next(n for n, value in enumerate(values) if isinstance(value, IterationDone))


def test_on_the_exchange(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text(f"{BEHAVIOUR}exchange_holdings: {{AAPL: 900, MSFT: 50}}\n")
    assert trade([*ONCE, "--broker", "exchange"]) == 0
    told = json.loads(capsys.readouterr().out)
    check(told, rows(tmp_path / "runs"), {"AAPL", "MSFT"})
    assert told["unprotected_share_seconds"] == 0


def test_in_an_account_at_alpaca(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text(BEHAVIOUR)
    config = ExchangeConfig("bundled", date(2008, 10, 10), partial_fill_probability=0.0, holdings=(("AAPL", 1200), ("MSFT", 50)))
    with ExchangeProcess(config, tmp_path / "exchange.log") as exchange:
        to_eleven(exchange, 10)
        endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url, exchange.stream_url, 10**9)
        monkeypatch.setattr(trade_alpaca, "endpoint_of", lambda settings: endpoint)
        monkeypatch.setattr(trade_alpaca, "AlpacaRun", partial(AlpacaRun, clock=ExchangeClock(exchange.admin), rhythm=QUICK))
        for name, value in (("ALPACA_API_KEY", "PKTEST"), ("ALPACA_API_SECRET", "secret"), ("ALPACA_IS_PAPER", "true")):
            monkeypatch.setenv(name, value)
        assert trade([*ONCE]) == 0
        check(json.loads(capsys.readouterr().out), rows(tmp_path / "runs"), {"AAPL", "MSFT"})
        api: Any = trading_client(endpoint)
        listed = api.get("/orders", {"status": "all", "nested": "true", "limit": 500})
        stops = [leg for order in listed for leg in order.get("legs") or () if leg["type"] == "stop" and leg["status"] == "held"]
        held = {each.symbol: float(each.qty) for each in api.get_all_positions()}
        assert {leg["symbol"]: float(leg["qty"]) for leg in stops} == held, "a stop rests for every share when the process ends"
        assert 0 < held["AAPL"] < 1200
