"""Every fault as alpaca-py meets it, over a real socket. What its clients do about it stands in tests/rules/test_rule_sdk.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)
from alpaca.trading.stream import TradingStream

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
START = date(2008, 9, 2)
MORNING = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
CONFIG = ExchangeConfig("bundled", START, partial_fill_probability=0.0)
PATIENCE_SECONDS = 20.0
ORDERS = {"method": "POST", "path": "/v2/orders"}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(CONFIG, tmp_path_factory.mktemp("exchange") / "log") as running:
        yield running


@pytest.fixture
def exchange(process: ExchangeProcess) -> ExchangeProcess:
    """The exchange of this module, as new, half an hour into the first session."""
    process.admin.reset()
    process.admin.advance(MORNING)
    return process


@pytest.fixture
def trading(exchange: ExchangeProcess) -> TradingClient:
    return client_of(exchange)


def client_of(exchange: ExchangeProcess) -> TradingClient:
    """A client that does not wait 3 seconds before it asks again."""
    client = TradingClient(exchange.api_key, exchange.api_secret, paper=True, url_override=exchange.url)
    client._session.trust_env = False
    client._retry_wait = 0
    return client


def buy(client_order_id: str | None = None, qty: int = 10) -> MarketOrderRequest:
    return MarketOrderRequest(
        symbol="AAPL", qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=client_order_id
    )


def far_below() -> LimitOrderRequest:
    return LimitOrderRequest(symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=15.0)


def bracket(stop: float) -> MarketOrderRequest:
    return MarketOrderRequest(
        symbol="AAPL",
        qty=10,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.GTC,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=90.0),
        stop_loss=StopLossRequest(stop_price=stop),
    )


def every_order(trading: TradingClient) -> list[Any]:
    return list(trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL)))


def status_of(trading: TradingClient, order: Any) -> OrderStatus:
    return trading.get_order_by_id(order.id).status  # type: ignore[union-attr]  # raw data is off


def last_answer(client: TradingClient) -> list[requests.Response]:
    """Every answer that the client gets from now on, retried ones included."""
    seen: list[requests.Response] = []
    client._session.hooks["response"].append(lambda answer, *_, **__: seen.append(answer))
    return seen


def ask_in_vain(client: TradingClient) -> None:
    """Until the exchange stops, which breaks the connection."""
    with pytest.raises(requests.ConnectionError):
        client.get_account()


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


# on a request


@pytest.mark.parametrize("with_headers", [True, False])
def test_rate_limit(exchange: ExchangeProcess, trading: TradingClient, with_headers: bool) -> None:
    exchange.admin.fault("rate_limit", ORDERS, with_headers=with_headers)
    answers = last_answer(trading)
    with pytest.raises(APIError) as refused:
        trading.submit_order(buy())
    assert (refused.value.status_code, refused.value.code) == (429, 42910000)
    assert ["X-RateLimit-Limit" in answer.headers for answer in answers] == [with_headers] * 4
    assert every_order(trading) == []


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_error(exchange: ExchangeProcess, trading: TradingClient, status: int) -> None:
    exchange.admin.fault("server_error", {"path": "/v2/account"}, status=status)
    with pytest.raises(APIError) as refused:
        trading.get_account()
    assert refused.value.status_code == status
    with pytest.raises(JSONDecodeError):
        _ = refused.value.code  # what came was a page of HTML


def test_server_error_although_the_order_was_taken(exchange: ExchangeProcess, trading: TradingClient) -> None:
    exchange.admin.fault("server_error", ORDERS, taken=True)
    with pytest.raises(APIError):
        trading.submit_order(buy("mine"))
    assert [order.client_order_id for order in every_order(trading)] == ["mine"]


def test_hang(exchange: ExchangeProcess, trading: TradingClient) -> None:
    """alpaca-py has no timeout: only one that its caller puts on the session ends the wait."""
    exchange.admin.fault("hang", {"path": "/v2/account"})
    thread = threading.Thread(target=ask_in_vain, args=(client_of(exchange),), daemon=True)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    impatient = trading._session.request
    trading._session.request = lambda *args, **options: impatient(*args, **{**options, "timeout": 0.2})  # type: ignore[method-assign]  # the client offers no limit
    with pytest.raises(requests.ReadTimeout):
        trading.get_account()
    assert trading.get_clock().is_open  # type: ignore[union-attr]  # raw data is off


def test_slow(exchange: ExchangeProcess, trading: TradingClient) -> None:
    exchange.admin.fault("slow", {"path": "/v2/account", "nth": 1}, seconds=0.3)
    began = time.monotonic()
    trading.get_account()
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("taken", [True, False])
def test_reset(exchange: ExchangeProcess, trading: TradingClient, taken: bool) -> None:
    exchange.admin.fault("reset", ORDERS, taken=taken)
    with pytest.raises(requests.ConnectionError) as broken:
        trading.submit_order(buy("mine"))
    assert "Connection reset by peer" in str(broken.value)
    assert len(every_order(trading)) == taken


def test_timeout_after_the_order_was_taken(exchange: ExchangeProcess, trading: TradingClient) -> None:
    """The client asks again: its own id keeps the order from being placed twice, and nothing else would."""
    exchange.admin.fault("timeout_after_taken", {**ORDERS, "nth": 1})
    with pytest.raises(APIError) as refused:
        trading.submit_order(buy("mine"))
    assert refused.value.status_code == 422
    assert "client_order_id must be unique" in refused.value.message
    assert [order.client_order_id for order in every_order(trading)] == ["mine"]


def test_clock_skew(exchange: ExchangeProcess, trading: TradingClient) -> None:
    exchange.admin.fault("clock_skew", seconds=120)
    clock = trading.get_clock()
    assert clock.timestamp == MORNING + timedelta(seconds=120)  # type: ignore[union-attr]  # raw data is off


# inside the venue


def test_stuck_pending_cancel(exchange: ExchangeProcess, trading: TradingClient) -> None:
    exchange.admin.fault("stuck_pending_cancel", {"symbol": "AAPL"})
    order = trading.submit_order(far_below())
    trading.cancel_order_by_id(order.id)  # type: ignore[union-attr]  # raw data is off
    exchange.admin.advance(MORNING + timedelta(hours=5))
    assert status_of(trading, order) is OrderStatus.PENDING_CANCEL
    exchange.admin.clear_faults()
    exchange.admin.advance(MORNING + timedelta(hours=5, seconds=1))
    assert status_of(trading, order) is OrderStatus.CANCELED


def test_rejected_after_accepted(exchange: ExchangeProcess, trading: TradingClient) -> None:
    exchange.admin.fault("rejected_after_accepted")
    order = trading.submit_order(buy())
    assert order.status is OrderStatus.PENDING_NEW  # type: ignore[union-attr]  # raw data is off
    assert status_of(trading, order) is OrderStatus.REJECTED
    assert trading.get_all_positions() == []


def test_partial_fill(exchange: ExchangeProcess, trading: TradingClient) -> None:
    exchange.admin.fault("partial_fill", {"symbol": "AAPL"}, quantity=3)
    order: Any = trading.submit_order(buy())
    assert status_of(trading, order) is OrderStatus.PARTIALLY_FILLED
    assert trading.get_order_by_id(order.id).filled_qty == "3"  # type: ignore[union-attr]  # raw data is off


def test_leg_stuck_held(exchange: ExchangeProcess, trading: TradingClient) -> None:
    """AAPL falls from above 160 to about 90 in these weeks (23 and 13 here, after its splits): every stop is passed."""
    exchange.admin.fault("leg_stuck_held")
    trading.submit_order(buy(qty=1))
    price = float(trading.get_open_position("AAPL").current_price or 0)  # type: ignore[union-attr]  # raw data is off
    stop = round(price * 0.99, 2)
    trading.close_all_positions()
    request = bracket(stop)
    request.take_profit = TakeProfitRequest(limit_price=round(price * 3, 2))
    order: Any = trading.submit_order(request)
    while not exchange.admin.advance(MORNING + timedelta(days=30)).reached:
        pass
    nested: Any = trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert {leg.order_type.value: leg.status for leg in nested.legs} == {"limit": OrderStatus.NEW, "stop": OrderStatus.HELD}
    held: Any = trading.get_open_position("AAPL")
    assert float(held.current_price) < stop * 0.9


def test_halted_symbol(exchange: ExchangeProcess, trading: TradingClient) -> None:
    ends = MORNING + timedelta(minutes=5)
    exchange.admin.fault("halted_symbol", {"symbol": "AAPL", "until": ends.isoformat()})
    order: Any = trading.submit_order(buy())
    exchange.admin.advance(ends - timedelta(seconds=1))
    assert status_of(trading, order) is OrderStatus.NEW
    exchange.admin.advance(ends)
    filled: Any = trading.get_order_by_id(order.id)
    assert (filled.status, filled.filled_at) == (OrderStatus.FILLED, ends)


# on the trading stream


class Listener:
    """alpaca-py's TradingStream on a thread of its own, keeping what it hears of an exchange of its own."""

    def __init__(self, folder: Path) -> None:
        self.exchange = ExchangeProcess(CONFIG, folder / "log")
        self.exchange.admin.advance(MORNING)
        self.trading = client_of(self.exchange)
        self.heard: list[Any] = []
        keys = self.exchange.api_key, self.exchange.api_secret
        self.stream = TradingStream(*keys, paper=True, url_override=self.exchange.stream_url)
        self.stream.subscribe_trade_updates(self._hear)
        threading.Thread(target=self.stream.run, daemon=True).start()
        self.wait_until_listening()

    def wait_until_listening(self) -> None:
        wait_until(lambda: self.exchange.admin.status()["listeners"] == 1)

    def wait_for(self, count: int) -> list[str]:
        wait_until(lambda: len(self.heard) >= count)
        return [getattr(update.event, "value", update.event) for update in self.heard]

    def stop(self) -> None:
        self.stream.stop()
        self.exchange.stop()

    async def _hear(self, update: Any) -> None:
        self.heard.append(update)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    yield made
    made.stop()


def test_duplicate_event(listener: Listener) -> None:
    listener.exchange.admin.fault("duplicate_event", {"event": "fill"})
    listener.trading.submit_order(buy())
    assert listener.wait_for(3) == ["new", "fill", "fill"]
    assert listener.heard[1].execution_id == listener.heard[2].execution_id


def test_late_event(listener: Listener) -> None:
    listener.exchange.admin.fault("late_event", {"event": "new"}, seconds=0.3)
    listener.trading.submit_order(buy())
    assert listener.wait_for(2) == ["fill", "new"]


def test_reordered_event(listener: Listener) -> None:
    listener.exchange.admin.fault("reordered_event", {"event": "new"})
    listener.trading.submit_order(buy())
    assert listener.wait_for(2) == ["fill", "new"]


def test_lost_event(listener: Listener) -> None:
    listener.exchange.admin.fault("lost_event", {"event": "fill", "nth": 1})
    first: Any = listener.trading.submit_order(buy())
    listener.trading.submit_order(buy())
    assert listener.wait_for(3) == ["new", "new", "fill"]
    assert status_of(listener.trading, first) is OrderStatus.FILLED


@pytest.mark.parametrize(("delivered", "heard"), [(False, ["new", "new", "fill"]), (True, ["new", "fill", "new", "fill"])])
def test_dropped_stream(listener: Listener, delivered: bool, heard: list[str]) -> None:
    """The client comes back by itself; what was sent meanwhile it never hears."""
    listener.exchange.admin.fault("dropped_stream", {"event": "fill", "nth": 1}, delivered=delivered)
    listener.trading.submit_order(buy())
    wait_until(lambda: listener.exchange.admin.status()["listeners"] == 0)
    listener.wait_until_listening()
    listener.trading.submit_order(buy())
    assert listener.wait_for(len(heard)) == heard


def test_streams_can_be_dropped_at_any_time(listener: Listener) -> None:
    listener.exchange.admin.drop_streams()
    assert listener.exchange.admin.status()["listeners"] == 0
    listener.trading.submit_order(buy())
    listener.wait_until_listening()
    assert listener.heard == []
