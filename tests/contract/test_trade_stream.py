"""The trade-updates stream at the real exchange: what is lost is found by the resync, and the rest comes as it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import GetOrdersRequest, MarketOrderRequest
from stream_server import QUICK, Diary, kept

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.endpoint import Endpoint
from desk.brokers.trade_stream import StateName
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
START = date(2008, 9, 2)
MORNING = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
CONFIG = ExchangeConfig("bundled", START, partial_fill_probability=0.0)


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


def endpoint_of(exchange: ExchangeProcess, secret: str | None = None) -> Endpoint:
    return Endpoint(
        exchange.api_key,
        secret or exchange.api_secret,
        trading_url=exchange.url,
        data_url=exchange.url,
        stream_url=exchange.stream_url,
    )


class Desk(Diary):
    """A diary whose resync writes down, as the broker's truth, how many orders are filled."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        super().__init__(endpoint_of(exchange), QUICK)
        self.exchange = exchange
        self.trading: TradingClient = trading_client(endpoint_of(exchange))
        self.updates: list[dict[str, Any]] = []
        self.during_connected = lambda: self.write(f"{self.filled()} filled")
        self.during_message = self.updates.append

    def filled(self) -> int:
        orders: Any = self.trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL))
        return sum(order.status is OrderStatus.FILLED for order in orders)

    def buy(self) -> None:
        self.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))

    def wait_until_listening(self, times: int = 1) -> None:
        self.wait_until(lambda: [state.name for state in self.states].count(StateName.LISTENING) >= times)

    @property
    def truths(self) -> list[int]:
        """Places in the words."""
        return [number for number, word in enumerate(self.words) if word.endswith("filled")]

    @property
    def known_fills(self) -> int:
        """Those of the last truth, and those told after it; one that was both is counted twice."""
        last = self.truths[-1]
        return int(self.words[last].split()[0]) + self.words[last:].count("fill")

    @property
    def words(self) -> list[str]:
        """Events and truths, without states."""
        states = {name.value for name in StateName}
        return [entry for entry in self.story if entry not in states and entry != "connected"]


@pytest.fixture
def desk(exchange: ExchangeProcess) -> Iterator[Desk]:
    with kept(Desk(exchange)) as running:
        running.wait_until_listening()
        yield running
    assert running.troubles == []


def test_updates_come_whole_and_in_their_order(desk: Desk) -> None:
    desk.buy()
    desk.wait_for("fill")
    assert desk.words == ["0 filled", "new", "fill"]
    data = desk.updates[1]["data"]
    assert (data["event"], data["qty"], data["order"]["symbol"], data["order"]["side"]) == ("fill", "10", "AAPL", "buy")


@pytest.mark.parametrize(
    ("delivered", "words"),
    [
        (False, ["0 filled", "new", "1 filled", "new", "fill"]),
        (True, ["0 filled", "new", "fill", "1 filled", "new", "fill"]),
    ],
)
def test_after_a_dropped_stream_the_broker_is_asked_before_any_later_message(
    desk: Desk, delivered: bool, words: list[str]
) -> None:
    desk.exchange.admin.fault("dropped_stream", {"event": "fill", "nth": 1}, delivered=delivered)
    desk.buy()
    desk.wait_until_listening(times=2)
    desk.buy()
    desk.wait_for("fill", times=words.count("fill"))
    assert desk.words == words
    assert desk.stream.state.connections == 2


def test_no_fill_stays_unknown_however_the_stream_breaks(desk: Desk) -> None:
    """Each order is sent while the stream is coming back: its fill is told, or found by the resync, or both."""
    for orders in range(1, 6):
        desk.exchange.admin.drop_streams()
        desk.buy()
        desk.wait_until(lambda orders=orders: len(desk.truths) > orders and desk.known_fills >= orders)  # type: ignore[misc]  # bound now


def test_duplicates_are_handed_over_as_they_come(desk: Desk) -> None:
    desk.exchange.admin.fault("duplicate_event", {"event": "fill"})
    desk.buy()
    desk.wait_for("fill", times=2)
    assert desk.words == ["0 filled", "new", "fill", "fill"]
    assert desk.updates[1]["data"]["execution_id"] == desk.updates[2]["data"]["execution_id"]


@pytest.mark.parametrize(("kind", "parameters"), [("late_event", {"seconds": 0.3}), ("reordered_event", {"behind": 1})])
def test_late_updates_are_handed_over_as_they_come(desk: Desk, kind: str, parameters: dict[str, float]) -> None:
    desk.exchange.admin.fault(kind, {"event": "new"}, **parameters)
    desk.buy()
    desk.wait_for("new")
    assert desk.words == ["0 filled", "fill", "new"]


def test_a_lost_update_leaves_the_stream_as_it_is(desk: Desk) -> None:
    desk.exchange.admin.fault("lost_event", {"event": "fill", "nth": 1})
    desk.buy()
    desk.buy()
    desk.wait_for("fill")
    assert desk.words == ["0 filled", "new", "new", "fill"]
    assert desk.stream.state.connections == 1


def test_a_wrong_secret_is_refused_and_told(exchange: ExchangeProcess) -> None:
    with kept(Diary(endpoint_of(exchange, "wrong"))) as diary:
        diary.wait_for_state(StateName.REFUSED, "API key")
    assert "connected" not in diary.story


def test_the_second_stream_of_an_account_waits_for_the_place_and_takes_it(desk: Desk) -> None:
    with kept(Desk(desk.exchange)) as second:
        second.wait_for_state(StateName.WAITING, "another connection")
        desk.stop()
        second.wait_until_listening()
        second.buy()
        second.wait_for("fill")
    assert desk.words == ["0 filled"]


def test_a_stop_frees_the_place_at_once(exchange: ExchangeProcess) -> None:
    for _ in range(3):
        with kept(Desk(exchange)) as desk:
            desk.wait_until_listening()
        assert [state.name.value for state in desk.states] == ["connecting", "listening", "stopped"]


def test_an_exchange_that_stops_and_starts_again_is_found_again(tmp_path: Path) -> None:
    first = ExchangeProcess(CONFIG, tmp_path / "log")
    with kept(Diary(endpoint_of(first), QUICK)) as diary:
        diary.wait_for_state(StateName.LISTENING)
        first.stop()
        diary.wait_for_state(StateName.WAITING, "ConnectionRefusedError")
        with ExchangeProcess(replace(first.config, port=urlsplit(first.url).port or 0), tmp_path / "log"):
            diary.wait_for("connected", times=2)
    assert diary.troubles == []
