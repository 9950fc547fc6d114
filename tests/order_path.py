"""The whole order path over a real exchange: a plain Lumibot strategy, the desk with its journal in a file, broker and stream."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import requests
from alpaca.trading.client import TradingClient
from lumibot.strategies import Strategy
from lumibot.strategies.strategy_executor import StrategyExecutor
from stream_server import QUICK

from desk.brokers.alpaca import DeskAlpaca, WallTime
from desk.brokers.alpaca_clients import stock_data_client, trading_client
from desk.brokers.alpaca_gateway import AlpacaGateway
from desk.brokers.alpaca_market import AlpacaMarketFeed, DeskAlpacaData
from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_timing import StreamTiming
from desk.core.review import Limits
from desk.domain.decisions import FixedExit, Mode, Shares, Target, Weight
from desk.domain.journal import BrokerRefusal, ModeChanged, RowValue
from desk.domain.orders import Fill, GroupRole, OrderEvent
from desk.domain.steps import Step
from desk.domain.trades import Trade
from desk.exchange.admin_client import AdminClient
from desk.journal.sql import SqlJournal
from desk.runtime.account import broker_account
from desk.runtime.adoption import adopt
from desk.runtime.build import market_hours
from desk.runtime.clock import SystemClock, stopwatch
from desk.runtime.decided import Decided
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread
from desk.runtime.hosting import QUIET_ARGUMENTS, hosted

PATIENCE_SECONDS = 30.0
NONCE = "f00d"
# With regular resyncs, for what no event ever tells.
LOOKING = replace(QUICK, resync_seconds=0.3)
Json = dict[str, Any]


class Venue(Protocol):
    """An exchange behind a socket: `desk.exchange.process.ExchangeProcess`, or `At` for one of any other kind."""

    @property
    def url(self) -> str: ...

    @property
    def api_key(self) -> str: ...

    @property
    def api_secret(self) -> str: ...

    @property
    def admin(self) -> AdminClient: ...


@dataclass(frozen=True)
class At:
    """A venue by its address."""

    url: str
    api_key: str
    api_secret: str

    @property
    def admin(self) -> AdminClient:
        return AdminClient(self.url, self.api_key, self.api_secret)


class VenueClock:
    """The exchange's time, asked for at every look."""

    def __init__(self, venue: Venue) -> None:
        self._admin = AdminClient(venue.url, venue.api_key, venue.api_secret)

    def now(self) -> datetime:
        return datetime.fromisoformat(self._admin.status()["now"].replace("Z", "+00:00"))


class Recorder(Strategy):
    """A plain Lumibot strategy that writes its callbacks down."""

    def initialize(self) -> None:
        self.filled: list[tuple[Any, float, float, float]] = []
        self.parts: list[tuple[Any, float, float]] = []
        self.canceled: list[Any] = []

    def on_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        self.filled.append((order, price, quantity, multiplier))

    def on_partially_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        self.parts.append((order, price, quantity))

    def on_canceled_order(self, order: Any) -> None:
        self.canceled.append(order)


def endpoint_of(venue: Venue) -> Endpoint:
    stream = venue.url.replace("http://", "ws://") + "/stream"
    return Endpoint(venue.api_key, venue.api_secret, True, venue.url, venue.url, stream)


class OrderPath:
    """One process' worth of the order path; `close` ends it as a crash would: nothing is said to the exchange."""

    def __init__(self, venue: Venue, journal: Path, timing: StreamTiming = QUICK, in_lockstep: bool = False) -> None:
        self.venue, endpoint = venue, endpoint_of(venue)
        self.clock = VenueClock(venue)
        self.errors: list[BaseException] = []
        self._somebody = requests.Session()
        self.journal = SqlJournal(journal, NONCE)
        self.desk = Desk(self.journal, self.clock, Limits(max_position_fraction=1.0))
        self.desk.work_in(DeskThread(self.errors.append))
        self.desk.recover()
        wall = WallTime(SystemClock().now, stopwatch)
        data = DeskAlpacaData(endpoint, self.clock)
        self.broker = DeskAlpaca(endpoint, self.desk, self.clock, data, market_hours, wall, timing, in_lockstep)
        self.feed = AlpacaMarketFeed(stock_data_client(endpoint), self.clock)
        self.trading: TradingClient = trading_client(endpoint)
        strategy_class = hosted(Recorder, StrategyExecutor)
        self.strategy: Any = strategy_class(broker=self.broker, name="recorder", **QUIET_ARGUMENTS)
        self.strategy.initialize()
        self.desk.send_through(AlpacaGateway(self.broker, self.strategy))
        self.wait_until(self.broker.is_stream_running, "the stream listens")

    # ---- doing ---------------------------------------------------------------------------------------------------------

    def hold(self, symbol: str, shares: int, stop_fraction: float = 0.05, target_fraction: float = 0.05) -> Decided:
        """Have the desk decide to hold so many shares, or none."""
        rule = FixedExit(stop_fraction, target_fraction)
        price = self.price(symbol)
        equity = float(broker_account(self.broker.api).equity_usd)
        amount = Weight((shares + 0.5) * price * 1.001 / equity) if shares else Shares(0)
        market = self.feed.observe([symbol])
        decided = self.desk.decide(market, broker_account(self.broker.api), [Target(symbol, amount, rule, "a test")])
        self.broker._orders_queue.join()
        self.desk.drain()
        return decided

    def price(self, symbol: str) -> float:
        quote = self.feed.observe([symbol]).quotes[symbol]
        return float(quote.ask)

    def adopt(self) -> None:
        adopt(self.desk, self.broker, self.strategy)
        self.broker._orders_queue.join()

    def resync(self) -> None:
        """What the stream does after every connection."""
        self.broker.resync()
        self.desk.drain()

    def advance(self, **step: float) -> None:
        """Let time pass at the exchange."""
        self.advance_to(self.clock.now() + timedelta(**step))

    def advance_to(self, moment: datetime) -> None:
        while not self.venue.admin.advance(moment).reached:
            pass

    def close(self) -> None:
        self._somebody.close()
        self.broker.close()
        self.desk.close()
        self.journal.close()
        assert self.errors == []

    # ---- waiting -------------------------------------------------------------------------------------------------------

    def wait_until(self, holds: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
            threading.Event().wait(0.01)
        self.desk.drain()
        self.hear()

    def wait_for_new_connection(self, before: int) -> None:
        state = lambda: self.broker.stream_state  # noqa: E731  # asked anew at every look
        self.wait_until(lambda: state().connections > before and self.broker.is_stream_running(), "the stream listens again")

    def quiet(self) -> None:
        """Every update that the exchange has sent so far has been dealt with, as far as any comes."""
        self.broker._orders_queue.join()
        threading.Event().wait(0.15)
        self.desk.drain()
        self.hear()

    def hear(self) -> None:
        """Let Lumibot call the strategy back."""
        self.strategy._executor.process_queue(skip_first_iteration_events=False)

    # ---- seeing --------------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[RowValue]:
        self.desk.drain()
        return [row.value for row in self.journal.rows()]

    @property
    def events(self) -> list[OrderEvent]:
        return [row for row in self.rows if isinstance(row, OrderEvent)]

    @property
    def fills(self) -> list[Fill]:
        return [event.fill for event in self.events if event.fill is not None]

    def filled_shares(self, role: GroupRole) -> int:
        return sum(fill.quantity for fill in self.fills if fill.role is role)

    @property
    def refusals(self) -> list[BrokerRefusal]:
        return [row for row in self.rows if isinstance(row, BrokerRefusal)]

    @property
    def steps(self) -> list[Step]:
        return [row for row in self.rows if isinstance(row, Step)]

    @property
    def troubles(self) -> list[str]:
        return [row.reason for row in self.rows if isinstance(row, ModeChanged) and row.mode is Mode.HALTED]

    def trade(self, symbol: str) -> Trade:
        (trade,) = self.desk.book.trades_of(symbol)
        return trade

    @property
    def callbacks(self) -> Counter[str]:
        """How often on_filled_order was called, by what filled."""
        self.hear()
        return Counter(
            "stop" if order.is_stop_order() else "target" if order.is_sell_order() else "entry"
            for order, *_ in self.strategy.filled
        )

    def positions(self) -> dict[str, int]:
        return {each["symbol"]: int(each["qty"]) for each in self.get("/v2/positions")}

    def orders(self, **filters: object) -> list[Json]:
        """The exchange's orders, nested, oldest first."""
        wanted = {"status": "all", "nested": "true", "direction": "asc", "limit": 500, **filters}
        found: list[Json] = self.get("/v2/orders", **wanted)
        return found

    def get(self, path: str, **params: object) -> Any:
        return self.ask("GET", path, params=params)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """A request of somebody else with the same keys."""
        keys = {"APCA-API-KEY-ID": self.venue.api_key, "APCA-API-SECRET-KEY": self.venue.api_secret}
        answer = self._somebody.request(method, self.venue.url + path, headers=keys, timeout=PATIENCE_SECONDS, **options)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


@contextmanager
def order_path(venue: Venue, journal: Path, timing: StreamTiming = QUICK, in_lockstep: bool = False) -> Iterator[OrderPath]:
    path = OrderPath(venue, journal, timing, in_lockstep)
    try:
        yield path
    finally:
        path.close()
