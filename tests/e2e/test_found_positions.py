"""Shares that the desk did not buy: left alone, or taken over and protected, as the person says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import GetOrdersRequest, LimitOrderRequest, MarketOrderRequest
from live_desk import ExchangeClock

from desk.brokers.endpoint import Endpoint
from desk.domain.journal import SharesAdopted
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.sql import open_journal
from desk.runtime.alpaca_run import AlpacaRun
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.settings.load import load_settings
from strategies.combined import Combined

pytestmark = pytest.mark.slow


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    config = ExchangeConfig(source="bundled", start=date(2008, 9, 2), partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path / "exchange.log") as process:
        while not process.admin.advance(datetime(2008, 9, 2, 15, tzinfo=UTC)).reached:
            pass
        yield process


@pytest.fixture
def somebody(exchange: ExchangeProcess) -> Any:
    return TradingClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "runs", "combined-alpaca", RunIdentity("combined", "alpaca", "alpaca", None, None, None))


def bought(somebody: Any, symbol: str, shares: int) -> None:
    somebody.submit_order(MarketOrderRequest(symbol=symbol, qty=shares, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))


def once(exchange: ExchangeProcess, folder: RunFolder, setting: str, shown: list[str]) -> Any:
    config = folder.path / "mine.yaml"
    config.write_text(f"found_positions: {setting}\nuniverse:\n  alpaca: [IBM]\n")
    settings = load_settings(config=config, environ={}, dotenv=None)
    request = RunRequest("combined", settings, folder.path.parent, once=True)
    endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url, exchange.stream_url)
    return AlpacaRun(request, Combined, endpoint, folder, shown.append, clock=ExchangeClock(exchange.admin)).run()


def exits(somebody: Any, symbol: str) -> list[tuple[str, float]]:
    """Type and shares of the open exits, a pair told once."""
    open_now = somebody.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True, symbols=[symbol]))
    return [(str(order.order_class.value), float(order.qty)) for order in open_now if order.side is OrderSide.SELL]


def test_found_shares_are_protected_from_what_was_paid_and_a_second_start_changes_nothing(
    exchange: ExchangeProcess, somebody: Any, folder: RunFolder
) -> None:
    bought(somebody, "AAPL", 30)
    shown: list[str] = []
    result = once(exchange, folder, "protect", shown)
    assert result.error is None
    assert result.book.shares() == {"AAPL": 30}
    assert exits(somebody, "AAPL") == [("oco", 30.0)]
    paid = float(somebody.get_open_position("AAPL").avg_entry_price)
    (trade,) = result.book.open.values()
    assert float(trade.stop_price) == pytest.approx(paid * 0.95, abs=0.01)
    assert trade.is_protected
    assert any(text.startswith("found 30 AAPL without exits") for text in shown)
    again = once(exchange, folder, "protect", shown := [])
    assert again.book.shares() == {"AAPL": 30}
    assert exits(somebody, "AAPL") == [("oco", 30.0)]
    assert not any(text.startswith("found") for text in shown)


def test_found_shares_are_left_alone_when_the_person_says_so(exchange: ExchangeProcess, somebody: Any, folder: RunFolder) -> None:
    bought(somebody, "AAPL", 30)
    result = once(exchange, folder, "report", [])
    assert result.book.shares() == {}
    assert exits(somebody, "AAPL") == []


def test_shares_that_somebodys_order_holds_are_not_taken(exchange: ExchangeProcess, somebody: Any, folder: RunFolder) -> None:
    bought(somebody, "AAPL", 30)
    mine = LimitOrderRequest(symbol="AAPL", qty=12, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, limit_price=60.0)
    somebody.submit_order(mine)
    result = once(exchange, folder, "protect", [])
    assert result.book.shares() == {"AAPL": 18}
    assert sorted(exits(somebody, "AAPL")) == [("oco", 18.0), ("simple", 12.0)]


def test_the_exchange_can_begin_with_holdings_that_are_found_and_protected_first(
    exchange_run: Callable[..., ExchangeRun],
) -> None:
    run = exchange_run(Combined, sessions=1)
    holdings = {"exchange_holdings": {"AAPL": 900, "IBM": 40}, "found_positions": "protect"}
    behaviour = run.request.settings.behaviour.model_copy(update=holdings)
    run.request = replace(run.request, settings=replace(run.request.settings, behaviour=behaviour))
    result = run.run()
    assert result.error is None
    journal = open_journal(run.folder.journal, "none")
    rows = [row.value for row in journal.rows()]
    journal.close()
    adopted = [value for value in rows if isinstance(value, SharesAdopted)]
    assert {each.spec.symbol: each.spec.quantity for each in adopted} == {"AAPL": 900, "IBM": 40}
    first_iteration = next(place for place, value in enumerate(rows) if type(value).__name__ == "IterationDone")
    assert all(rows.index(each) < first_iteration for each in adopted)
    # AAPL was above the cap of a position: trimmed, and what stayed is covered.
    assert 500 < result.book.shares_of("AAPL") < 900
    assert all(trade.is_protected for trade in result.book.open.values())
