"""Half a share beside ten: the ten get exits that stay, the half a stop of its own each day, sent once and sold by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from live_desk import QUICK, ExchangeClock

from desk.brokers.endpoint import Endpoint
from desk.core.residue import is_residue_key
from desk.data import calendars
from desk.domain.decisions import Mode
from desk.domain.journal import BreakFound, BrokerRefusal, ForeignSeen, ModeChanged, ResidueStop, RunStarted, SharesAdopted
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.sql import SqlJournal
from desk.runtime.alpaca_run import AlpacaRun
from desk.runtime.clock import stopwatch, wait_seconds
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.settings.load import load_settings
from strategies.combined import Combined

pytestmark = pytest.mark.slow
FIRST = date(2008, 9, 2)
PATIENCE_SECONDS = 60.0


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    config = ExchangeConfig(source="bundled", start=FIRST, partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path / "exchange.log") as process:
        to(process, FIRST, 15)
        yield process


def to(exchange: ExchangeProcess, day: date, hour: int, minute: int = 0) -> None:
    """Hours of UTC: the market opens at 13:30."""
    while not exchange.admin.advance(datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)).reached:
        pass


@pytest.fixture
def somebody(exchange: ExchangeProcess) -> Any:
    return TradingClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)


def bought(somebody: Any, exchange: ExchangeProcess, shares: float, minute: int = 1) -> None:
    order = MarketOrderRequest(symbol="AAPL", qty=shares, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    somebody.submit_order(order)
    to(exchange, FIRST, 15, minute)


@pytest.fixture
def run(exchange: ExchangeProcess, tmp_path: Path) -> Callable[..., AlpacaRun]:
    folder = create(tmp_path / "runs", "combined-alpaca", RunIdentity("combined", "alpaca", "alpaca", None, None, None))
    shown: list[str] = []

    def build(setting: str = "protect") -> AlpacaRun:
        config = folder.path / "mine.yaml"
        config.write_text(f"found_positions: {setting}\nguardian_seconds: 1\nuniverse:\n  alpaca: [IBM]\n")
        settings = load_settings(config=config, environ={}, dotenv=None)
        url, stream = exchange.url, exchange.stream_url
        endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, url, url, stream, 10**9)
        request, clock = RunRequest("combined", settings, folder.path.parent), ExchangeClock(exchange.admin)
        return AlpacaRun(request, Combined, endpoint, folder, shown.append, clock=clock, rhythm=QUICK)

    build.shown = shown  # type: ignore[attr-defined]  # what its runs tell, beside them
    return build


@contextmanager
def going(run: AlpacaRun) -> Iterator[None]:
    """The run in a thread, stopped at the end."""
    thread = Thread(target=run.run)
    thread.start()
    try:
        yield
    finally:
        run.stop.set()
        thread.join(PATIENCE_SECONDS)


def until(happened: Callable[[], Any]) -> None:
    deadline = stopwatch() + PATIENCE_SECONDS
    while not happened():
        assert stopwatch() < deadline
        wait_seconds(0.1)


def values(folder: RunFolder, *kinds: type) -> list[Any]:
    return [row.value for row in SqlJournal(folder.journal, "").rows() if isinstance(row.value, kinds)]


def orders(somebody: Any, status: str = "all") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = somebody.get("/orders", {"status": status, "limit": 500, "symbols": "AAPL"})
    return listed


def residues(somebody: Any, status: str = "all") -> list[dict[str, Any]]:
    return [order for order in orders(somebody, status) if is_residue_key(order["client_order_id"])]


def shares(somebody: Any) -> Decimal:
    return sum((Decimal(one.qty) for one in somebody.get_all_positions() if one.symbol == "AAPL"), start=Decimal(0))


def test_half_a_share_has_a_stop_of_its_own_each_day_until_it_is_crossed(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess, somebody: Any
) -> None:
    bought(somebody, exchange, 10.5)
    first = run()
    with going(first):
        until(lambda: residues(somebody, "open"))
    (adopted,) = values(first.folder, SharesAdopted)
    (stop,) = residues(somebody, "open")
    assert (adopted.spec.quantity, adopted.left) == (10, 0)
    assert sorted((order["qty"], order["type"], order["time_in_force"]) for order in orders(somebody, "open")) == [
        ("0.5", "stop", "day"),
        ("10", "limit", "gtc"),
    ]
    assert Decimal(stop["stop_price"]) == adopted.spec.stop_loss

    day, made = FIRST, run()
    with going(made):
        to(exchange, FIRST, 15, 5)
        wait_seconds(3.0)  # long enough for a guardian that looks every second
        assert len(residues(somebody)) == 1, "a restart sends no second one"
        while shares(somebody):
            day = calendars.next_session(day).day
            to(exchange, day, 13, 31)
            until(is_looked_after(somebody, day))
            to(exchange, day, 20, 30)
            assert day < date(2008, 10, 1)
    last, *before = residues(somebody)
    assert (last["status"], last["filled_qty"]) == ("filled", "0.5")
    assert len(before) >= 1 and {order["status"] for order in before} == {"expired"}
    assert len(values(made.folder, ResidueStop)) == len(before) + 1
    assert values(made.folder, BreakFound, ModeChanged, ForeignSeen, BrokerRefusal) == []
    assert not any("AAPL" in text and "not the desk's" in text for text in run.shown)  # type: ignore[attr-defined]  # see run


def is_looked_after(somebody: Any, day: date) -> Callable[[], bool]:
    """Whether each session up to a day had its order, or nothing is left."""
    count = len(calendars.session_dates(FIRST, day))
    return lambda: not shares(somebody) or len(residues(somebody)) == count


def test_a_stop_that_was_journaled_and_never_arrived_is_sent_after_a_restart_under_its_own_id(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess, somebody: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought(somebody, exchange, 0.5)
    first = run()
    with monkeypatch.context() as lost, going(first):
        lost.setattr("desk.brokers.sending.Sending.sell_residue", lambda self, stop: None)
        until(lambda: first.folder.lock.exists() and values(first.folder, ResidueStop))
    (meant,) = values(first.folder, ResidueStop)
    assert residues(somebody) == []
    second = run()
    with going(second):
        until(lambda: residues(somebody, "open"))
    (sent,) = residues(somebody)
    assert (sent["client_order_id"], Decimal(sent["stop_price"]), sent["qty"]) == (meant.key, meant.stop_price, "0.5")
    assert values(second.folder, ResidueStop) == [meant]


def test_a_refusal_is_told_with_what_it_means_and_the_next_session_tries_again(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess, somebody: Any
) -> None:
    bought(somebody, exchange, 10.5)
    somebody.patch("/account/configurations", {"fractional_trading": False})
    made, shown = run(), run.shown  # type: ignore[attr-defined]  # see run
    with going(made):
        until(lambda: any("have no stop today" in text for text in shown))
        wait_seconds(3.0)
        assert len(values(made.folder, ResidueStop)) == len(values(made.folder, BrokerRefusal)) == 1
        somebody.patch("/account/configurations", {"fractional_trading": True})
        to(exchange, calendars.next_session(FIRST).day, 13, 31)
        until(lambda: residues(somebody, "open"))
    (told,) = (text for text in shown if "have no stop today" in text)
    assert told.startswith("0.5 AAPL, worth about $") and "not allowed to trade fractional shares" in told
    (refusal,) = values(made.folder, BrokerRefusal)
    assert refusal.explained and is_residue_key(refusal.key)
    assert values(made.folder, BreakFound, ModeChanged) == []


def test_a_replay_looks_after_half_a_share_too(exchange_run: Callable[..., ExchangeRun]) -> None:
    run = exchange_run(Combined, sessions=3)
    holdings = {"exchange_holdings": {"AAPL": 900}, "found_positions": "protect"}
    behaviour = run.request.settings.behaviour.model_copy(update=holdings)
    run.request = replace(run.request, settings=replace(run.request.settings, behaviour=behaviour))

    def buy_half(admin: Any) -> None:
        key, secret = (admin._session.headers[f"APCA-API-{name}"] for name in ("KEY-ID", "SECRET-KEY"))
        somebody: Any = TradingClient(key, secret, url_override=admin._url)
        somebody.submit_order(MarketOrderRequest(symbol="AAPL", qty=0.5, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))

    run.on_exchange = buy_half
    result = run.run()
    assert (result.error, result.mode, result.counts.reconciliation_breaks) == (None, Mode.ACTIVE, 0)
    assert {stop.quantity for stop in values(run.folder, ResidueStop)} == {Decimal("0.5")}
    assert tuple(stop.session for stop in values(run.folder, ResidueStop)) == calendars.session_dates(FIRST, date(2008, 9, 4))
    assert all(trade.is_protected for trade in result.book.open.values())


def test_shares_that_are_to_be_left_alone_are_left_alone_in_parts_too(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess, somebody: Any
) -> None:
    bought(somebody, exchange, 10.5)
    made = run("report")
    with going(made):
        until(lambda: made.folder.lock.exists() and values(made.folder, RunStarted))
        wait_seconds(3.0)
    assert orders(somebody, "open") == [] and values(made.folder, ResidueStop, BreakFound) == []
