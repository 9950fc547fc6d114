"""`live_trader.py` with keys, from its options to its last line: the built-in exchange stands where Alpaca would."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from live_desk import QUICK, ExchangeClock, to_eleven

from desk.brokers.endpoint import Endpoint
from desk.cli import trade_alpaca
from desk.cli.trade import trade
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.runtime.alpaca_run import AlpacaRun, account_number
from desk.runtime.run_folder import RunFolder

pytestmark = pytest.mark.slow
Trader = Callable[..., int]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    config = ExchangeConfig(source="bundled", start=date(2008, 10, 10), partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path_factory.mktemp("exchange") / "log") as running:
        to_eleven(running, 10)
        yield running


@pytest.fixture
def endpoint(exchange: ExchangeProcess) -> Endpoint:
    return Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url, exchange.stream_url, 10**9)


@pytest.fixture
def trader(exchange: ExchangeProcess, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trader]:
    """Trades once; only address and clock are the exchange's. Returns the exit code."""
    clock = ExchangeClock(exchange.admin)
    monkeypatch.setattr(trade_alpaca, "endpoint_of", lambda settings: endpoint)
    monkeypatch.setattr(trade_alpaca, "AlpacaRun", partial(AlpacaRun, clock=clock, rhythm=QUICK))
    for name, value in (("ALPACA_API_KEY", "PKTEST"), ("ALPACA_API_SECRET", "secret"), ("ALPACA_IS_PAPER", "true")):
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "mine.yaml"
    config.write_text("confidence_gate: report\nuniverse:\n  alpaca: [IBM, AAPL]\n")

    def run(*argv: str) -> int:
        try:
            return trade([*argv, "--once"])
        except SystemExit as ended:
            return int(ended.code or 0)

    root = logging.getLogger()
    before = list(root.handlers)
    yield run
    root.handlers[:] = before


NEW = ("--strategy", "combined", "--config", "mine.yaml")


def test_one_account_is_traded_in_one_folder_by_the_behaviour_that_it_began_with(
    trader: Trader, endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "runs" / f"combined-alpaca-{account_number(endpoint)}")

    assert trader(*NEW, "--dry-run", "--json") == 0
    told = capsys.readouterr()
    due = json.loads(told.out)["orders_submitted"]
    assert due == told.err.count('{"method": "POST"') > 0
    assert f"Dry run: {due} orders were due and shown; none was sent." in told.err
    identity = folder.identity()
    assert (identity.config, identity.dry_run) == (str(tmp_path / "mine.yaml"), False), "the account's folder, not the dry run's"

    assert trader(*NEW, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["orders_submitted"] == due
    assert "changed since the run began" not in told.err

    (tmp_path / "mine.yaml").write_text("confidence_gate: report\nstop_loss_fraction: 0.07\nuniverse:\n  alpaca: [IBM, AAPL]\n")
    assert trader("--resume", str(folder.path)) == 0
    told = capsys.readouterr()
    assert f"The behaviour settings ({tmp_path / 'mine.yaml'}) changed since the run began" in told.out
    (tmp_path / "other.yaml").write_text("confidence_gate: report\n")
    assert trader("--resume", str(folder.path), "--config", "other.yaml") == 2
    assert "--config other.yaml" in capsys.readouterr().err

    with closing(sqlite3.connect(folder.path / "journal.db")) as journal, journal:
        journal.execute("DROP TRIGGER rows_no_update")
        journal.execute("UPDATE rows SET body = replace(body, 'limit_price', 'limit_prize') WHERE kind = 'submit'")
    assert trader("--resume", str(folder.path)) == 7
    assert "its digest does not fit" in capsys.readouterr().err


def test_a_strategy_that_nobody_has_leaves_no_folder(trader: Trader, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trader("--strategy", "combind") == 2
    assert "did you mean combined?" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
