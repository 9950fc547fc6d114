"""What becomes of a Lumibot strategy after its first bracket: stock Alpaca broker and the desk's, side by side.

Both run the same plain Lumibot strategy through the same recorded sessions on the same built-in exchange, driven by the same
replay of Lumibot's own executor, over HTTP and websocket. Only the broker class differs. Lumibot 4.6.30's cannot read its own
bracket back (`brokers/alpaca.py`, `_parse_broker_order`), so from then on every iteration ends before the strategy is asked.

    python backtests/stock_lumibot_after_a_bracket.py [--sessions 10]
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
from alpaca.trading.stream import TradingStream
from lumibot.brokers import Alpaca
from lumibot.data_sources import AlpacaData
from lumibot.strategies import Strategy
from rich.console import Console
from rich.table import Table

from desk.brokers.alpaca import DeskAlpaca, WallTime
from desk.brokers.alpaca_clients import stock_data_client, trading_client
from desk.brokers.alpaca_market import DeskAlpacaData
from desk.brokers.endpoint import Endpoint
from desk.brokers.trade_stream import StateName, StreamState
from desk.brokers.update_counter import UpdateCounter
from desk.core.ports import Clock
from desk.core.review import Limits
from desk.data.calendars import Session, sessions
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.memory import MemoryJournal
from desk.report.terminal import print_within
from desk.runtime.build import market_hours
from desk.runtime.clock import SystemClock, VirtualClock, stopwatch
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread
from desk.runtime.hosting import QUIET_ARGUMENTS, hosted
from desk.runtime.replay import ReplayExecutor
from desk.runtime.stage import Stage

FIRST_DAY, LAST_DAY = date(2008, 9, 2), date(2008, 12, 31)
SYMBOL, SHARES = "AAPL", 10
TARGET_FRACTION, STOP_FRACTION = 0.05, 0.05


class BuysOnce(Strategy):
    """Sends one bracket in its first iteration and looks on in all the others."""

    def initialize(self) -> None:
        self.sleeptime = "1H"
        self.ran = 0
        self.callbacks: Counter[str] = Counter()

    def on_trading_iteration(self) -> None:
        self.ran += 1
        if self.ran > 1:
            return
        price = float(self.get_last_price(SYMBOL))
        order = self.create_order(
            SYMBOL,
            SHARES,
            "buy",
            order_class="bracket",
            secondary_limit_price=round(price * (1 + TARGET_FRACTION), 2),
            secondary_stop_price=round(price * (1 - STOP_FRACTION), 2),
        )
        self.submit_order(order)

    def on_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        exit_name = "stop" if order.is_stop_order() else "target"
        self.callbacks["entry" if order.is_buy_order() else exit_name] += 1


class PatientReplay(ReplayExecutor):
    """Goes on with the next iteration when one raised, as Lumibot's live scheduler does; remembers what was raised."""

    def __init__(self, strategy: Any, stage: Stage, chosen: Sequence[Session]) -> None:
        self.asked = 0
        self.raised: list[BaseException] = []
        super().__init__(strategy, stage, chosen, self.raised.append)

    def _on_trading_iteration(self) -> None:
        self.asked += 1
        try:
            super()._on_trading_iteration()
        except Exception as error:
            self.raised.append(error)


class CountingStream(TradingStream):
    """alpaca-py's own stream, pointed at the exchange, that counts the updates its owner has finished with."""

    def __init__(self, endpoint: Endpoint, updates: UpdateCounter) -> None:
        super().__init__(endpoint.api_key, endpoint.api_secret, paper=True, url_override=endpoint.stream_url or "")
        self.updates = updates

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        try:
            await super()._dispatch(msg)
        finally:
            self.updates.add(msg)

    def run(self) -> None:
        super().run()
        # Lumibot's stream thread does not survive the return of this method, at the end of a run either; so it sleeps.
        Event().wait()


class StockAlpaca(Alpaca):
    """Lumibot's broker as it is. It is told where the exchange is, and the stage is told when it has finished."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.sent = 0
        self.updates = UpdateCounter()
        config = {"API_KEY": endpoint.api_key, "API_SECRET": endpoint.api_secret, "PAPER": True}
        data = AlpacaData(config, delay=0, stock_client=stock_data_client(endpoint))
        super().__init__(config, data_source=data, connect_stream=True, start_orders_thread=True)
        # Without a market of its own it asks the server whether it is open; with one it would look at the machine's clock.
        self.market = None

    def _create_trading_client(self) -> Any:
        return trading_client(self._endpoint)

    def _get_stream_object(self) -> Any:
        return CountingStream(self._endpoint, self.updates)

    # ---- what a stage asks of a broker ---------------------------------------------------------------------------------

    def _submit_order(self, order: Any) -> Any:
        try:
            return super()._submit_order(order)
        finally:
            self.sent += 1

    has_doubts = False  # it knows of none

    @property
    def stream_state(self) -> StreamState:
        """Its one connection, as the stage of a replay asks for it."""
        return StreamState(StateName.LISTENING, SystemClock().now(), connections=1)

    def is_stream_running(self) -> bool:
        return bool(self.stream._running)

    def close(self) -> None:
        self.stream.stop()


@dataclass(frozen=True)
class Result:
    """What one broker's strategy lived through; `error` is the first exception in words."""

    name: str
    asked: int
    ran: int
    callbacks: Counter[str]
    raised: int
    error: str | None


Connect = Callable[[Endpoint, Desk, Clock], Any]


def connect_stock(endpoint: Endpoint, _: Desk, __: Clock) -> Any:
    return StockAlpaca(endpoint)


def connect_desk(endpoint: Endpoint, owner: Desk, clock: Clock) -> Any:
    wall = WallTime(SystemClock().now, stopwatch)
    return DeskAlpaca(endpoint, owner, clock, DeskAlpacaData(endpoint, clock), market_hours, wall)


BROKERS: dict[str, Connect] = {"stock Lumibot": connect_stock, "the desk": connect_desk}


def play(name: str, connect: Connect, chosen: Sequence[Session], folder: Path) -> Result:
    """Run the strategy on a fresh exchange with the broker that `connect` makes."""
    with ExitStack() as stack:
        config = ExchangeConfig(source="bundled", start=chosen[0].day, partial_fill_probability=0.0)
        exchange = stack.enter_context(ExchangeProcess(config, folder / "exchange.log"))
        clock = VirtualClock(datetime.fromisoformat(exchange.admin.status()["now"]))
        owner = stack.enter_context(threaded_desk(clock))
        broker = connect(endpoint_of(exchange), owner, clock)
        stack.callback(broker.close)
        stage = Stage(exchange.admin, clock, owner, Event())
        strategy_class = hosted(BuysOnce, lambda strategy: PatientReplay(strategy, stage, chosen))
        strategy = strategy_class(broker=broker, name="buys-once", **QUIET_ARGUMENTS)
        executor: Any = strategy._executor
        stage.attach(broker)
        executor.start()
        executor.join()
        if executor.exception is not None:
            raise executor.exception
        error = f"{type(executor.raised[0]).__name__}: {executor.raised[0]}" if executor.raised else None
        return Result(name, executor.asked, strategy.ran, strategy.callbacks, len(executor.raised), error)


@contextmanager
def threaded_desk(clock: Clock) -> Iterator[Desk]:
    """The desk that journals the orders of a plain strategy; stock Lumibot has no use for it."""
    errors: list[BaseException] = []
    thread = DeskThread(on_error=errors.append)
    owner = Desk(MemoryJournal("side-by-side"), clock, Limits(max_position_fraction=1.0))
    owner.work_in(thread)
    yield owner
    thread.close()
    if errors:
        raise errors[0]


def endpoint_of(exchange: ExchangeProcess) -> Endpoint:
    url = exchange.url
    return Endpoint(exchange.api_key, exchange.api_secret, True, trading_url=url, data_url=url, stream_url=exchange.stream_url)


def compare(session_count: int) -> list[Result]:
    chosen = sessions(FIRST_DAY, LAST_DAY)[:session_count]
    with TemporaryDirectory(prefix="bracket-") as folder:
        return [play(name, connect, chosen, Path(folder)) for name, connect in BROKERS.items()]


def table(results: Sequence[Result]) -> Table:
    shown = Table("", *(result.name for result in results), box=None, pad_edge=False)
    shown.add_row("iterations due", *(str(result.asked) for result in results))
    shown.add_row("iterations in which the strategy was asked", *(str(result.ran) for result in results))
    for part in ("entry", "target", "stop"):
        shown.add_row(f"on_filled_order for the {part}", *(str(result.callbacks[part]) for result in results))
    shown.add_row("iterations that ended in an exception", *(str(result.raised) for result in results))
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Stock Lumibot and the desk after a strategy's first bracket.")
    parser.add_argument("--sessions", type=int, default=10, help="recorded sessions to play, six iterations each")
    options = parser.parse_args(arguments)
    # Lumibot logs each failed iteration, and alpaca-py the end of its own websocket; the table tells.
    for noisy in ("lumibot", "alpaca.trading.stream"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    results = compare(max(options.sessions, 1))
    console = Console(highlight=False)
    print_within(console, table(results))
    for result in results:
        if result.error is not None:
            console.print(f"{result.name} raised {result.error}", soft_wrap=True, markup=False)
    if not results[0].callbacks["entry"]:
        console.print("Its entry filled before it had noted the order's id, and it drops fills of orders it does not know.")


if __name__ == "__main__":
    main()
