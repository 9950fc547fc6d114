"""The order path under measurement: journal, guarded client, restart, and a stream that breaks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import numpy as np
import pandas as pd
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import OrderRequest

from benchmarks import rules
from benchmarks.live import SETTINGS
from benchmarks.rules import Task
from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.alpaca_orders import order_request
from desk.brokers.guarded.breaker import CircuitBreaker
from desk.brokers.guarded.bucket import RateBudget, TokenBucket
from desk.brokers.guarded.outcomes import Sent
from desk.brokers.guarded.pacing import Pace
from desk.brokers.guarded.submission import OrderSender
from desk.brokers.guarded.transport import GuardedTransport, guard
from desk.brokers.stream_timing import StreamTiming
from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.domain.decisions import Direction, FixedExit, Signal, Target, Weight
from desk.domain.journal import Heard, IterationDone, Row
from desk.domain.market import Market
from desk.domain.orders import OrderSpec, OrderType, Side
from desk.domain.trades import Book
from desk.exchange.admin_client import AdminClient
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock, VirtualClock
from desk.runtime.corridor import Iteration
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder
from desk.runtime.strategy import DeskStrategy

START = date(2008, 9, 2)
NOW = datetime(2008, 9, 2, 15, tzinfo=UTC)
PAIRS = 10  # blocks of writes, here and beside it in turn
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Writes:
    """Appends of one row a second, each on disk before the next, and what SQLite alone makes of the same text."""

    per_second: float
    bare_per_second: float
    ratio: float


@dataclass(frozen=True)
class Sending:
    """Median milliseconds of a market order, through the guarded client and through alpaca-py as it comes."""

    milliseconds: float
    plain_milliseconds: float
    ratio: float


@dataclass(frozen=True)
class Restart:
    """Seconds from a broker that answers to a reconciled desk: over a long journal with positions, and over an empty one."""

    rows: int
    positions: int
    seconds: float
    fresh_seconds: float


@dataclass(frozen=True)
class Recovery:
    """Median seconds from a broken stream to the broker's truth; `wait_seconds` is the longest wait before the first try."""

    breaks: int
    seconds: float
    wait_seconds: float


# ---- journal -----------------------------------------------------------------------------------------------------------


def measure_writes(rows: int) -> Writes:
    """In the working directory; each block of rows is written here and then beside."""
    value = IterationDone(1, START, 100_000.0, 50_000.0, 3)
    journal = SqlJournal(Path("journal.db"), "benchmark")
    pairs = []
    with closing(journal), closing(_bare_database(Path("bare.db"))) as bare:
        body = "x" * 120
        for _ in range(PAIRS):
            ours = _timed(lambda: journal.append([Row(NOW, value)]), rows // PAIRS)
            theirs = _timed(lambda: _insert(bare, body), rows // PAIRS)
            pairs.append((ours, theirs))
    block = rows // PAIRS
    here, beside = (block / median(seconds) for seconds in zip(*pairs, strict=True))
    return Writes(here, beside, median(theirs / ours for ours, theirs in pairs))


def _timed(work: Callable[[], object], times: int) -> float:
    began = perf_counter()
    for _ in range(times):
        work()
    return perf_counter() - began


def _bare_database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (seq INTEGER PRIMARY KEY, at TEXT, kind TEXT, body TEXT)")
    return connection


def _insert(connection: sqlite3.Connection, body: str) -> None:
    connection.execute("INSERT INTO rows (at, kind, body) VALUES (?, 'iteration', ?)", (NOW.isoformat(), body))
    connection.commit()


# ---- the guarded client -------------------------------------------------------------------------------------------------


def measure_sending(orders: int) -> Sending:
    """One order guarded, one plain, and so on; the first tenth warms up."""
    config = ExchangeConfig("bundled", START, partial_fill_probability=0.0, cash_usd=1e9)
    with ExchangeProcess(config, Path("exchange.log")) as exchange:
        opened = datetime.fromisoformat(exchange.admin.status()["now"]) + timedelta(hours=2)
        while not exchange.admin.advance(opened).reached:
            pass
        clock = VirtualClock(opened)
        plain = _client(exchange)
        sender = _guarded(_client(exchange), clock)
        names = (f"bench-{number}" for number in count())
        pairs = [
            (_milliseconds(lambda: _send(sender, next(names))), _milliseconds(lambda: _submit(plain, next(names))))
            for _ in range(orders)
        ]
    pairs = pairs[orders // 10 :]
    ours, theirs = (median(times) for times in zip(*pairs, strict=True))
    return Sending(ours, theirs, median(one / other for one, other in pairs))


def _client(exchange: ExchangeProcess) -> TradingClient:
    client = TradingClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)
    client._session.trust_env = False
    return client


def _guarded(client: TradingClient, clock: VirtualClock) -> OrderSender:
    pace = Pace(perf_counter, sleep, np.random.default_rng(1))
    bucket = TokenBucket(perf_counter, lambda: SystemClock().now().timestamp(), sleep, RateBudget(100_000, 20_000))
    guard(client, GuardedTransport(bucket, CircuitBreaker(perf_counter, lambda change: None), pace))
    return OrderSender(client, clock, pace)


def _spec(key: str) -> OrderSpec:
    return OrderSpec(key, "MSFT", Side.BUY, 1, OrderType.MARKET)


def _send(sender: OrderSender, key: str) -> None:
    spec = _spec(key)
    outcome = sender.send(spec, order_request(spec))
    if not isinstance(outcome, Sent):
        raise RuntimeError(f"an order was not taken: {outcome}")


def _submit(client: TradingClient, key: str) -> None:
    request: OrderRequest = order_request(_spec(key))
    client.submit_order(request)


def _milliseconds(work: Callable[[], None]) -> float:
    return _timed(work, 1) * 1000


# ---- restart ------------------------------------------------------------------------------------------------------------

# Below the cap on one position, or the desk would refuse them all.
MAX_WEIGHT = 0.1


class HoldsEverything(DeskStrategy):
    """Buys a little of every stock at the first iteration, with exits that are far away."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal(symbol, Direction.LONG, "always") for symbol in market.bars]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        weight = Weight(min(0.9 / len(signals), MAX_WEIGHT))
        return [Target(signal.symbol, weight, FixedExit(0.5, 0.5), signal.reason) for signal in signals]


@dataclass
class StartTimed(ExchangeRun):
    """Notes when the exchange was there and when the desk was reconciled, and stops there."""

    up_at: float = 0.0
    reconciled_at: float = 0.0

    def _check(self, *arguments: Any, **named: Any) -> None:
        super()._check(*arguments, **named)
        self.reconciled_at = perf_counter()
        self.stop.set()

    def seconds(self) -> float:
        def note(_: AdminClient) -> None:
            self.up_at = perf_counter()

        self.on_exchange = note
        self.run()
        return self.reconciled_at - self.up_at


def measure_restart(rows: int, positions: int) -> Restart:
    task = Task(positions, 48)
    data = Path("data")
    data.mkdir()
    tidy = pd.concat(rules.frames(task), names=["symbol", "timestamp"])
    tidy.to_csv(data / "market.csv", date_format="%Y-%m-%d")
    source = load_directory(data)
    request = RunRequest("holds", SETTINGS, Path(), start=rules.traded_sessions(task)[-2], sessions=1, data=data)
    home = _folder("run")
    result = ExchangeRun(request, HoldsEverything, source, home).run()
    if result.error is not None:
        raise result.error
    held = len(result.book.shares())
    if held != positions:
        raise RuntimeError(f"{held} of {positions} positions were opened: the measure would be of another book")
    _pad(home, rows)
    # The first start pays for what is imported and read once.
    fresh = [StartTimed(request, HoldsEverything, source, _folder(f"fresh{number}")).seconds() for number in range(2)]
    again = replace(request, sessions=2)
    return Restart(rows, held, StartTimed(again, HoldsEverything, source, home).seconds(), fresh[-1])


def _pad(home: RunFolder, rows: int) -> None:
    """What brokers say of orders that are known already fills most of a journal."""
    journal = SqlJournal(home.journal, "")
    with closing(journal):
        there = list(journal.rows())
        heard = next(row for row in there if isinstance(row.value, Heard))
        journal.append([heard] * max(0, rows - len(there)))


def _folder(name: str) -> RunFolder:
    (Path(name) / "models").mkdir(parents=True)
    return RunFolder(Path(name).absolute())


# ---- a broken stream ----------------------------------------------------------------------------------------------------


@dataclass
class StreamBreaker(ExchangeRun):
    """Breaks the stream at each iteration and measures until the desk knows the truth again; with the waits of live trading."""

    breaks: int = 5
    found: list[float] = field(default_factory=list)
    broker: DeskAlpaca | None = None
    admin: AdminClient | None = None

    def _play(self, cast: Any, broker: DeskAlpaca, *arguments: Any) -> BaseException | None:
        self.broker = broker
        return super()._play(cast, broker, *arguments)

    def _cast(self, *arguments: Any) -> Any:
        return replace(super()._cast(*arguments), timing=LIVE)

    def take(self, admin: AdminClient) -> None:
        self.admin = admin

    def break_it(self, _: Iteration) -> None:
        assert self.broker is not None and self.admin is not None
        before, began = self.broker.stream_state.connections, perf_counter()
        self.admin.drop_streams()
        while self.broker.stream_state.connections == before or not self.broker.is_stream_running():
            if perf_counter() - began > PATIENCE_SECONDS:
                raise RuntimeError("the stream did not come back")
            sleep(0.001)
        self.found.append(perf_counter() - began)
        if len(self.found) == self.breaks:
            self.stop.set()


# Every connection counts as one that lived, so that each break is a first one.
LIVE = replace(StreamTiming(), lived_seconds=0.0)


def measure_recovery(breaks: int) -> Recovery:
    request = RunRequest("holds", SETTINGS, Path(), start=START, sessions=breaks)
    source: Source = load_bundled()
    run = StreamBreaker(request, HoldsEverything, source, _folder("run"), breaks=breaks)
    run.on_exchange, run.on_iteration = run.take, run.break_it
    result = run.run()
    if result.error is not None:
        raise result.error
    return Recovery(len(run.found), median(run.found), LIVE.first_retry_seconds)
