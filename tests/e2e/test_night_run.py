"""Runs at Alpaca's door with `extended_hours` and without, through the end of a day on which a passed stop had sold nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from live_desk import QUICK, Buyer, ExchangeClock

from desk.brokers.endpoint import Endpoint
from desk.core.upkeep import CROSSED_AT_MOST
from desk.domain.decisions import FixedExit, Signal, Target, Weight
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.runtime.alpaca_run import AlpacaRun
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.settings.load import load_settings

pytestmark = pytest.mark.slow
MORNING = datetime(2008, 9, 29, 14, tzinfo=UTC)
AFTER_HOURS = datetime(2008, 9, 29, 20, 0, 5, tzinfo=UTC)
# Looks of the driver at the exchange, half a second apart.
LOOKS = 12


class NarrowBuyer(Buyer):
    """Its stops are near enough for the worst day of the year."""

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(signal.symbol, Weight(0.1), FixedExit(0.03, 0.3), signal.reason) for signal in signals]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """In the morning. Nobody there watches the stops, so that the day ends far below them."""
    config = ExchangeConfig("bundled", MORNING.date(), partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path / "exchange.log") as running:
        running.admin.fault("leg_stuck_held")
        running.admin.advance(MORNING)
        yield running


class Night(BaseHTTPRequestHandler):
    """The exchange's market data, but that its stocks go on trading at night: the last trade is always of this moment."""

    server: NightServer

    def do_GET(self) -> None:
        exchange, asked = (
            self.server.exchange,
            {name: value for name, value in self.headers.items() if name.upper().startswith("APCA")},
        )
        answer = requests.get(exchange.url + self.path, headers=asked, timeout=10)
        body = answer.json()
        if "/trades/latest" in self.path:
            body["trades"] = {symbol: {**one, "t": exchange.admin.status()["now"]} for symbol, one in body["trades"].items()}
        self.send_response(answer.status_code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Nothing: a test is quiet."""


class NightServer(ThreadingHTTPServer):
    def __init__(self, exchange: ExchangeProcess) -> None:
        super().__init__(("127.0.0.1", 0), Night)
        self.exchange = exchange

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def data(exchange: ExchangeProcess) -> Iterator[NightServer]:
    with NightServer(exchange) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run_of(exchange: ExchangeProcess, data: NightServer, folder: RunFolder, *, extended_hours: bool, once: bool) -> AlpacaRun:
    config = folder.path / "mine.yaml"
    switch = str(extended_hours).lower()
    config.write_text(f"confidence_gate: report\nguardian_seconds: 1\nextended_hours: {switch}\nuniverse:\n  alpaca: [AAPL]\n")
    request = RunRequest("combined", load_settings(config=config, environ={}, dotenv=None), folder.path.parent, once=once)
    endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, data.url, exchange.stream_url, 10**9)
    clock = ExchangeClock(exchange.admin)
    return AlpacaRun(request, NarrowBuyer, endpoint, folder, lambda text: None, clock=clock, rhythm=QUICK)


def plain_sales(exchange: ExchangeProcess) -> list[dict[str, Any]]:
    keys = {"APCA-API-KEY-ID": exchange.api_key, "APCA-API-SECRET-KEY": exchange.api_secret}
    orders = requests.get(f"{exchange.url}/v2/orders?status=all&limit=500", headers=keys, timeout=10).json()
    return [order for order in orders if order["side"] == "sell" and order["order_class"] in ("", "simple")]


def night(exchange: ExchangeProcess, run: AlpacaRun) -> Any:
    """The run, as time passes after the close, until something is sold or half a minute has passed `LOOKS` times."""

    def drive() -> None:
        now = AFTER_HOURS
        for _ in range(LOOKS):
            if run.stop.wait(0.5) or any(each["status"] == "filled" for each in plain_sales(exchange)):
                break
            now += CROSSED_AT_MOST
            exchange.admin.advance(now)
        run.stop.wait(0.5)
        run.stop.set()

    driver = threading.Thread(target=drive)
    driver.start()
    try:
        return run.run()
    finally:
        run.stop.set()
        driver.join()


@pytest.mark.parametrize("is_on", [True, False])
def test_a_stop_that_was_passed_is_sold_after_hours_where_a_person_wants_that(
    exchange: ExchangeProcess, data: NightServer, tmp_path: Path, is_on: bool
) -> None:
    folder = create(tmp_path / "runs", "combined-alpaca", RunIdentity("combined", "alpaca", "alpaca", None, None, None))
    bought = run_of(exchange, data, folder, extended_hours=is_on, once=True).run()
    assert bought.error is None and bought.book.shares()
    while not exchange.admin.advance(AFTER_HOURS).reached:
        pass
    result = night(exchange, run_of(exchange, data, folder, extended_hours=is_on, once=False))
    assert result.error is None
    sold = [(each["status"], each["type"], each["extended_hours"]) for each in plain_sales(exchange)]
    assert sold == ([("filled", "limit", True)] if is_on else [])
    assert result.book.shares() == ({} if is_on else bought.book.shares())
