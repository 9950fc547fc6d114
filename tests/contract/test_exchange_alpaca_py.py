"""Unmodified alpaca-py against the exchange as a child process: the clients that the desk uses, over HTTP and the websocket."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import openapi
import pytest
import requests
import websockets
from alpaca.common.exceptions import APIError
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)
from alpaca.trading.stream import TradingStream

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow

MORNING = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
PATIENCE_SECONDS = 10.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    config = ExchangeConfig("bundled", date(2008, 9, 2), partial_fill_probability=0.0, access_log=folder / "access.log")
    with ExchangeProcess(config, folder / "exchange.log") as process:
        yield process
    assert (folder / "exchange.log").read_text() == ""


@pytest.fixture
def exchange(running: ExchangeProcess) -> ExchangeProcess:
    """As new, half an hour into a session."""
    running.admin.reset()
    running.admin.advance(MORNING)
    return running


@pytest.fixture
def trading(exchange: ExchangeProcess) -> TradingClient:
    client = TradingClient(exchange.api_key, exchange.api_secret, paper=True, url_override=exchange.url)
    openapi.watch(client._session)
    return client


@pytest.fixture
def data(exchange: ExchangeProcess) -> StockHistoricalDataClient:
    client = StockHistoricalDataClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)
    openapi.watch(client._session)
    return client


class Listener:
    """alpaca-py's TradingStream on a thread of its own, keeping what it hears."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        self.heard: list[Any] = []
        self.stream = TradingStream(exchange.api_key, exchange.api_secret, paper=True, url_override=exchange.stream_url)
        self.stream.subscribe_trade_updates(self._hear)
        self.thread = threading.Thread(target=self.stream.run, daemon=True)
        self.thread.start()
        wait_until(lambda: exchange.admin.status()["listeners"] == 1)

    async def _hear(self, update: Any) -> None:
        self.heard.append(update)

    def wait_for(self, count: int) -> list[tuple[str, OrderStatus]]:
        wait_until(lambda: len(self.heard) >= count)
        return [(str(getattr(update.event, "value", update.event)), update.order.status) for update in self.heard]

    def stop(self) -> None:
        """Ask it to end; it looks up from its socket every 5 seconds only, and ends with the exchange before that."""
        self.stream.stop()


@pytest.fixture
def listener(exchange: ExchangeProcess) -> Iterator[Listener]:
    made = Listener(exchange)
    yield made
    made.stop()


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def bracket(ask: float, client_order_id: str = "desk-1", target: float = 1.04, stop: float = 0.97) -> LimitOrderRequest:
    return LimitOrderRequest(
        symbol="AAPL",
        qty=100,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.GTC,
        limit_price=round(ask * 1.005, 2),
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=round(ask * target, 2)),
        stop_loss=StopLossRequest(stop_price=round(ask * stop, 2)),
        client_order_id=client_order_id,
    )


def ask(data: StockHistoricalDataClient) -> float:
    return float(data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))["AAPL"].ask_price)


def test_bracket_lives_through_entry_and_stop_over_http_and_stream(
    exchange: ExchangeProcess, listener: Listener, trading: TradingClient, data: StockHistoricalDataClient
) -> None:
    order = trading.submit_order(bracket(ask(data)))
    assert isinstance(order, Order) and order.legs is not None
    assert order.status is OrderStatus.PENDING_NEW
    assert [leg.status for leg in order.legs] == [OrderStatus.HELD, OrderStatus.HELD]
    assert listener.wait_for(3) == [("new", OrderStatus.NEW), ("fill", OrderStatus.FILLED), ("new", OrderStatus.NEW)]
    assert [update.order.legs for update in listener.heard] == [None, None, None]
    assert (listener.heard[1].qty, listener.heard[1].position_qty) == (100, 100)
    advanced = exchange.admin.advance(MORNING + timedelta(days=20))
    assert not advanced.reached and advanced.events_emitted == 6
    assert listener.wait_for(6)[3:] == [
        ("replaced", OrderStatus.REPLACED),
        ("new", OrderStatus.NEW),
        ("fill", OrderStatus.FILLED),
    ]
    nested = trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert isinstance(nested, Order) and nested.legs is not None
    assert [leg.status for leg in nested.legs] == [OrderStatus.REPLACED, OrderStatus.FILLED]
    assert trading.get_all_positions() == []


def test_filled_target_cancels_the_stop_unheard(
    exchange: ExchangeProcess, listener: Listener, trading: TradingClient, data: StockHistoricalDataClient
) -> None:
    order = trading.submit_order(bracket(ask(data), target=1.006, stop=0.5))
    assert isinstance(order, Order)
    exchange.admin.advance(MORNING + timedelta(days=60))
    assert listener.wait_for(4)[3] == ("fill", OrderStatus.FILLED)
    nested = trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert isinstance(nested, Order) and nested.legs is not None
    assert [leg.status for leg in nested.legs] == [OrderStatus.FILLED, OrderStatus.CANCELED]
    assert exchange.admin.status()["events_emitted"] == 4


def test_oco_replace_cancel_and_close(exchange: ExchangeProcess, trading: TradingClient, data: StockHistoricalDataClient) -> None:
    price = ask(data)
    trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))
    exits = {"take_profit": {"limit_price": round(price * 1.1, 2)}, "stop_loss": {"stop_price": round(price * 0.9, 2)}}
    oco = trading.submit_order(
        LimitOrderRequest(
            symbol="AAPL", qty=10, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, order_class=OrderClass.OCO, **exits
        )
    )
    assert isinstance(oco, Order) and oco.legs is not None and len(oco.legs) == 1
    fresh = trading.replace_order_by_id(oco.id, ReplaceOrderRequest(limit_price=round(price * 1.2, 2)))
    assert isinstance(fresh, Order) and fresh.replaces == oco.id
    with pytest.raises(APIError) as refused:
        trading.close_position("AAPL")
    assert (refused.value.status_code, refused.value.code) == (403, 40310000)
    trading.cancel_order_by_id(fresh.id)
    assert trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True)) == []
    trading.close_position("AAPL", ClosePositionRequest(qty="4"))
    assert [position.qty for position in trading.get_all_positions()] == ["6"]  # type: ignore[union-attr]  # raw data is off
    stop = StopOrderRequest(
        symbol="AAPL", qty=6, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, stop_price=round(price * 0.5, 2)
    )
    trading.submit_order(stop)
    closed = trading.close_all_positions(cancel_orders=True)
    assert [answer.status for answer in closed] == [200]  # type: ignore[union-attr]  # raw data is off
    assert trading.get_all_positions() == []


def test_account_clock_calendar_and_assets_parse(trading: TradingClient) -> None:
    account = trading.get_account()
    assert account.cash == "100000" and account.pattern_day_trader is None  # type: ignore[union-attr]  # raw data is off
    assert trading.get_clock().is_open  # type: ignore[union-attr]  # raw data is off
    days = trading.get_calendar(GetCalendarRequest(start=date(2008, 11, 24), end=date(2008, 11, 30)))
    assert [(day.date.day, day.close.hour) for day in days] == [(24, 16), (25, 16), (26, 16), (28, 13)]  # type: ignore[union-attr]  # raw data is off
    assert {asset.symbol for asset in trading.get_all_assets()} >= {"AAPL", "MSFT", "SH"}  # type: ignore[union-attr]  # raw data is off
    assert trading.get_asset("AAPL").tradable  # type: ignore[union-attr]  # raw data is off


def test_market_data_parses(exchange: ExchangeProcess, data: StockHistoricalDataClient) -> None:
    for frame, unit in ((1, TimeFrameUnit.Day), (1, TimeFrameUnit.Hour), (5, TimeFrameUnit.Minute)):
        request = StockBarsRequest(
            symbol_or_symbols=["AAPL", "MSFT"], timeframe=TimeFrame(frame, unit), start=datetime(2008, 8, 20), limit=2000
        )
        bars = data.get_stock_bars(request).df  # type: ignore[union-attr]  # raw data is off
        assert set(bars.index.get_level_values("symbol")) == {"AAPL", "MSFT"}
        assert bars.index.get_level_values("timestamp").max() <= MORNING
    assert data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=["AAPL", "MSFT"]))["MSFT"].price > 0
    assert data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="AAPL"))["AAPL"].previous_daily_bar is not None


def test_duplicate_client_order_id_is_refused_in_alpacas_words(trading: TradingClient, data: StockHistoricalDataClient) -> None:
    order = trading.submit_order(bracket(ask(data)))
    assert isinstance(order, Order)
    with pytest.raises(APIError) as refused:
        trading.submit_order(bracket(ask(data)))
    assert (refused.value.status_code, refused.value.code) == (422, 40010001)
    assert refused.value.message == "client_order_id must be unique"
    assert trading.get_order_by_client_id("desk-1").id == order.id  # type: ignore[union-attr]  # raw data is off


def test_group_fields_are_in_the_raw_answer(exchange: ExchangeProcess, data: StockHistoricalDataClient) -> None:
    raw = TradingClient(exchange.api_key, exchange.api_secret, paper=True, url_override=exchange.url, raw_data=True)
    order: Any = raw.submit_order(bracket(ask(data)))
    members = [order, *order["legs"]]
    assert len({member["group_id"] for member in members}) == 1
    assert [member["group_role"] for member in members] == ["entry", "take_profit", "stop_loss"]
    assert [member["position_intent"] for member in members] == ["buy_to_open", "sell_to_close", "sell_to_close"]


def test_stream_speaks_both_dialects_in_binary_frames(exchange: ExchangeProcess) -> None:
    key, secret = exchange.api_key, exchange.api_secret

    async def talk(*messages: object) -> list[Any]:
        async with websockets.connect(exchange.stream_url) as socket:
            answers = []
            for message in messages:
                await socket.send(message if isinstance(message, str) else json.dumps(message))
                frame = await asyncio.wait_for(socket.recv(), PATIENCE_SECONDS)
                assert isinstance(frame, bytes)
                answers.append(json.loads(frame)["data"])
            return answers

    listen = {"action": "listen", "data": {"streams": ["trade_updates"]}}
    old = {"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}
    new = {"action": "auth", "key": key, "secret": secret}
    wrong = {"action": "auth", "key": key, "secret": "wrong"}
    for hello in (old, new):
        assert asyncio.run(talk(hello, listen)) == [
            {"status": "authorized", "action": "authenticate"},
            {"streams": ["trade_updates"]},
        ]
    assert asyncio.run(talk(listen, wrong, listen)) == [
        {"status": "unauthorized", "action": "listen"},
        {"status": "unauthorized", "action": "authenticate"},
        {"status": "unauthorized", "action": "listen"},
    ]
    wait_until(lambda: exchange.admin.status()["listeners"] == 0)


def test_access_log_shows_the_post_and_the_fill_on_the_websocket(
    exchange: ExchangeProcess, listener: Listener, trading: TradingClient, data: StockHistoricalDataClient
) -> None:
    trading.submit_order(bracket(ask(data), client_order_id="seen"))
    listener.wait_for(3)
    exchange.admin.status()  # one loop answers and logs: once this is answered, what came before stands in the log
    assert exchange.config.access_log is not None
    lines = [json.loads(line) for line in exchange.config.access_log.read_text().splitlines()]
    mine = [line for line in lines if line.get("client_order_id") == "seen"]
    assert [line.get("method") or line.get("event") for line in mine] == ["POST", "new", "fill"]
    assert all(line["listeners"] == 1 for line in mine if "event" in line)


def test_page_is_served_to_a_browser_without_keys(exchange: ExchangeProcess) -> None:
    assert "Lumidesk exchange" in requests.get(exchange.url + "/", timeout=5).text
    assert requests.get(exchange.url + "/page.json", timeout=5).json()["equity"] == "100,000.00"
    assert requests.get(exchange.url + "/v2/account", timeout=5).status_code == 401
