"""`desk positions` tells parts of shares on lines of their own, which never end it in exit code 7."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fresh_exchange import MORNING, exchange, process
from rich.console import Console
from typer.testing import CliRunner

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_orders import residue_request
from desk.brokers.endpoint import Endpoint
from desk.cli.main import app
from desk.cli.positions import AtAlpaca, JournalBook, Viewer
from desk.cli.positions_table import Shown, as_object, printed
from desk.core.residue import residue_key
from desk.domain.journal import BrokerRefusal, ResidueStop, Row, RowValue, RunStarted
from desk.exchange.process import ExchangeProcess
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.runtime.alpaca_run import account_number

__all__ = ["exchange", "process"]
pytestmark = pytest.mark.slow
DAY = date(2008, 9, 2)
STOP = ResidueStop(residue_key("n", "AAPL", DAY), "AAPL", Decimal("0.5"), DAY, Decimal("15.20"))
TOLD = "0.5 AAPL: part of a share, day stop at 15.20 until 16:00"


@dataclass
class Held:
    """Half a share of AAPL and two and a half of MSFT in an account, and a desk's journal."""

    exchange: ExchangeProcess
    journal: SqlJournal
    path: Path

    def __post_init__(self) -> None:
        server = self.exchange
        self.endpoint = Endpoint(server.api_key, server.api_secret, True, server.url, server.url)
        self.api: Any = trading_client(self.endpoint)
        for symbol, shares in (("AAPL", "0.5"), ("MSFT", "2.5")):
            self.api.post("/orders", {"symbol": symbol, "side": "buy", "qty": shares, "type": "market", "time_in_force": "day"})
        while not server.admin.advance(MORNING + timedelta(minutes=1)).reached:
            pass
        # A run that is told the exchange's time by its rows.
        self.add(RunStarted("combined", "exchange", "bundled", 1, False))

    def add(self, value: RowValue, at: datetime = MORNING) -> None:
        self.journal.append([Row(at, value)])

    def look(self) -> Shown:
        with JournalReader(self.path) as reader:
            return Viewer(JournalBook(reader), AtAlpaca(self.endpoint, account_number(self.endpoint))).look()

    def lines(self) -> list[str]:
        out = Console(width=200, record=True, file=StringIO())
        out.print(printed(self.look()))
        return [line.rstrip() for line in out.export_text().splitlines()]


@pytest.fixture
def held(exchange: ExchangeProcess, tmp_path: Path) -> Iterator[Held]:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    yield Held(exchange, journal, tmp_path / "journal.db")
    journal.close()


def test_a_part_of_a_share_is_told_with_its_stop_and_never_as_naked(held: Held) -> None:
    held.add(STOP)
    held.api.post("/orders", residue_request(STOP).to_request_fields())
    assert TOLD in held.lines()
    shown = held.look()
    assert (shown.exit_code, shown.not_ours, shown.positions) == (0, {"MSFT": Decimal("2.5")}, ())
    assert as_object(shown)["exempt"] == [
        {
            "symbol": "AAPL",
            "shares": 0.5,
            "stop_price": 15.2,
            "until": "2008-09-02T20:00:00+00:00",
            "why": "part of a share, day stop at 15.20 until 16:00",
        }
    ]


def test_why_there_is_no_stop_is_told(held: Held) -> None:
    held.add(STOP)
    assert "0.5 AAPL: part of a share, its stop is not at the broker yet" in held.lines()
    order = held.api.post("/orders", residue_request(STOP).to_request_fields())
    held.api.delete(f"/orders/{order['id']}")
    assert "0.5 AAPL: part of a share, no stop today: the broker ended it (canceled)" in held.lines()
    held.add(BrokerRefusal(STOP.key, 403, 40310000, "not fractionable"))
    assert "0.5 AAPL: part of a share, no stop today: the broker refused it (not fractionable)" in held.lines()
    held.add(BrokerRefusal("other", None, None, "later"), MORNING + timedelta(hours=7))
    assert "0.5 AAPL: part of a share, no stop until the market opens" in held.lines()


def test_with_the_journal_alone_its_order_of_today_is_told(held: Held) -> None:
    held.add(STOP)
    answer = CliRunner().invoke(app, ["positions", "--journal", str(held.path)])
    assert (answer.exit_code, TOLD in answer.stdout) == (0, True)
    said = json.loads(CliRunner().invoke(app, ["positions", "IBM", "--journal", str(held.path), "--json"]).stdout)
    assert said["exempt"] == []


def test_the_story_of_an_order_for_a_part_of_a_share_is_told_by_its_id(held: Held) -> None:
    held.add(STOP)
    held.add(BrokerRefusal(STOP.key, 403, 40310000, "not fractionable"))
    answer = CliRunner().invoke(app, ["journal", "show", STOP.key, "--journal", str(held.path)])
    assert [line.split()[3] for line in answer.stdout.splitlines()] == ["residue_stop", "refused"]
