"""A desk that trades at a real exchange in lockstep, whose process may end and begin again, and what the exchange says of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pandas as pd
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from desk.brokers.alpaca import DeskAlpaca, WallTime
from desk.brokers.alpaca_gateway import AlpacaGateway
from desk.brokers.alpaca_market import DeskAlpacaData
from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_timing import StreamTiming
from desk.core.ports import Gateway
from desk.data.bundled import load_bundled
from desk.domain.decisions import FixedExit, Mode, Signal, Target
from desk.domain.journal import BrokerRefusal, IterationSkipped, ModeChanged, Row, RunStarted
from desk.domain.market import Market
from desk.domain.steps import Step
from desk.domain.trades import Book
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.exchange.switches import Switches
from desk.journal.sql import open_journal
from desk.runtime.account import Patience, Reconciler, Splits
from desk.runtime.account_guardian import REPLAY_LOOKS, account_guardian
from desk.runtime.adoption import adopt
from desk.runtime.build import Cast, host, market_hours, open_desk
from desk.runtime.clock import SystemClock, VirtualClock, stopwatch
from desk.runtime.found import FoundPositions
from desk.runtime.guardian import REPLAY_EVERY
from desk.runtime.ledger import Ledger
from desk.runtime.replay import ReplayExecutor
from desk.runtime.request import RunRequest
from desk.runtime.stage import Stage
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour, Universe
from desk.settings.load import Settings

SYMBOLS = ("AAPL", "IBM", "MSFT")
# Some of the wildest months of the bundled market; short, since a desk reads the whole history at each start.
FROM, TO = "2008-08-15", "2008-12-31"
NONCE, BY_HAND = "f00d", "hand"
# Waits of the guarded client and of the stream pass this much faster than they are meant: virtual time stands still meanwhile.
HASTE = 100.0
TIMING = StreamTiming(
    resync_seconds=math.inf,
    answer_seconds=10.0 * HASTE,
    close_seconds=0.2,
    jump_seconds=math.inf,
    first_retry_seconds=0.02,
    longest_retry_seconds=0.2,
    lived_seconds=0.0,
)
REGULAR_LOOK = timedelta(seconds=StreamTiming().resync_seconds)
UNLIMITED = 1_000_000
Json = dict[str, Any]


def exchange_config(folder: Path, moves_held_stops: bool) -> ExchangeConfig:
    """An exchange on which every third order fills in part first; its prices are written to `folder`."""
    daily = load_bundled().daily
    frames = [daily[symbol].loc[FROM:TO].reset_index(names="timestamp").assign(symbol=symbol) for symbol in SYMBOLS]
    folder.mkdir()
    pd.concat(frames).to_csv(folder / "daily.csv", index=False, date_format="%Y-%m-%d")
    switches = Switches(held_stop_is_replaceable=moves_held_stops)
    return ExchangeConfig(str(folder), None, multiplier=1, partial_fill_probability=0.3, switches=switches)


# ---- the desk ------------------------------------------------------------------------------------------------------------


class Wishes(DeskStrategy):
    """Wants what it is told to want."""

    wanted: Sequence[Target] = ()

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return ()

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return self.wanted


class SteppedExecutor(ReplayExecutor):
    """The executor of a replay, one iteration at a time."""

    def iterate(self) -> None:
        """Raises what crashed the strategy."""
        self.cron_count = self.cron_count_target
        self._skipping(self._on_trading_iteration)
        if self.exception is not None:
            raise self.exception


class HastyAlpaca(DeskAlpaca):
    """The broker as it is, with shorter waits."""

    def _pause(self, seconds: float) -> None:
        super()._pause(seconds / HASTE)


class Recorder(BaseAdapter):
    """Passes requests on, and keeps what was asked for under each client order id, with the status of the answer (0 for none)."""

    def __init__(self, inner: BaseAdapter, orders: dict[str, list[tuple[Json, int]]]) -> None:
        super().__init__()
        self.inner, self._orders = inner, orders

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        body = json.loads(request.body) if request.method == "POST" and request.body else None
        status = 0
        try:
            response: Response = self.inner.send(request, *args, **kwargs)
            status = response.status_code
        finally:
            if body is not None:
                self._orders.setdefault(str(body.get("client_order_id")), []).append((body, status))
        return response

    def close(self) -> None:
        self.inner.close()


class LookingStage(Stage):
    """A stage with the regular looks at the broker: the stream's are due by real time, in which hours pass here."""

    looks_again_at: datetime | None = None  # while an answer is missing

    def _slice_end(self, moment: datetime) -> datetime:
        due = super()._slice_end(moment)
        return due if self.looks_again_at is None else min(due, self.looks_again_at)

    def settle(self) -> None:
        super().settle()
        broker, now = self._broker, self.now()
        if broker is None or not broker.has_doubts:
            self.looks_again_at = None
        elif self.looks_again_at is None:
            self.looks_again_at = now + REGULAR_LOOK
        elif now >= self.looks_again_at:
            self.looks_again_at = now + REGULAR_LOOK
            broker.resync()
            self.settle()


@dataclass
class Leaky:
    """A gateway through which `left` more messages go."""

    inner: Gateway
    left: int

    def send(self, step: Step) -> None:
        self.left -= 1
        if self.left >= 0:
            self.inner.send(step)


@dataclass
class Life:
    """One process of the desk, from the recovery of its journal to its end. `posted` outlives it: every order ever sent."""

    exchange: ExchangeProcess
    folder: Path
    posted: dict[str, list[tuple[Json, int]]]

    def __post_init__(self) -> None:
        admin = self.exchange.admin
        self.clock = VirtualClock(moment(admin.status()["now"]))
        settings = Settings(Behaviour(universe=Universe(exchange=SYMBOLS), confidence_gate="report"), None, {}, None)
        request = RunRequest("active", settings, self.folder, seed=1)
        self.desk, self.journal = open_desk(request, journal_in(self.folder), self.clock)
        endpoint = endpoint_of(self.exchange)
        cast = Cast(Wishes, request, self.desk, endpoint, self.clock, SYMBOLS, self.folder, lambda iteration: None)
        self.broker = self._broker(endpoint)
        self.stage = LookingStage(admin, self.clock, self.desk, Event())
        self.strategy = host(cast, self.broker, self._executor)
        self.executor: SteppedExecutor = self.strategy._executor
        self.stage.attach(self.broker)
        splits = Splits(self.desk, self.broker.api, self.desk.past.last_at or self.clock.now(), lambda text: None)
        self.stage.watch_with(account_guardian(cast, self.broker, REPLAY_EVERY, splits, REPLAY_LOOKS))

    def _broker(self, endpoint: Endpoint) -> DeskAlpaca:
        began = stopwatch()
        wall = WallTime(SystemClock().now, lambda: began + HASTE * (stopwatch() - began), 1)
        data = DeskAlpacaData(endpoint, self.clock)
        broker = HastyAlpaca(endpoint, self.desk, self.clock, data, market_hours, wall, TIMING, in_lockstep=True)
        session = broker._client._session
        session.mount("http://", Recorder(session.get_adapter("http://"), self.posted))
        return broker

    def _executor(self, strategy: Any) -> SteppedExecutor:
        def skip(error: BaseException) -> None:
            self.desk.record(IterationSkipped(f"{type(error).__name__}: {error}"[:500]))

        return SteppedExecutor(strategy, self.stage, (), skip)

    def begin(self, protects: FixedExit | None = None) -> None:
        """As a run begins; with `protects` it takes shares over that it finds. Raises AssertionError for books that differ."""
        past = self.desk.past
        resumed = past.first_at is not None
        if resumed:
            adopt(self.desk, self.broker, self.strategy, lost_after=timedelta(0))
            self.stage.settle()
        began = past.first_at or self.clock.now()
        patience = Patience((0.0, 0.0), lambda seconds: False)
        self.reconciler = Reconciler(self.desk, self.broker, self.strategy, began, lambda text: None, patience)
        found = self.desk.start(RunStarted("active", "exchange", "bundled", 1, resumed), self.reconciler.view())
        assert not found, f"the desk does not start again: {'; '.join(str(each) for each in found)}"
        self.broker.set_strategy_name("active")
        self.executor._initialize()
        if protects is not None:
            api, nothing = self.broker.api, lambda text: None
            FoundPositions(self.desk, api, self.journal.nonce, self.clock, protects, nothing).protect()
        self.stage.settle()

    def on_settle(self, look: Callable[[], None]) -> None:
        """Have `look` called whenever everything that was sent has come to its end."""

        def settled() -> None:
            self.executor.process_queue()
            look()

        self.stage.on_settle(settled)

    def end(self) -> None:
        self.broker.close()
        self.desk.close()
        self.journal.close()

    def iterate(self, wanted: Sequence[Target]) -> None:
        """As a run at Alpaca does: decide, and compare with the broker's books afterwards."""
        self.decide(wanted)
        self.reconciler.look(self.clock.now())
        self.stage.settle()

    def decide(self, wanted: Sequence[Target]) -> None:
        self.strategy.wanted = tuple(wanted)
        self.executor.iterate()
        self.stage.settle()

    def lose_messages(self, after: int) -> None:
        """From now on nothing leaves the process but the first `after` messages."""
        self.desk.send_through(Leaky(AlpacaGateway(self.broker, self.strategy), after))

    def why_halted(self) -> str:
        """Everything that was said of it since a person last loosened the desk; nothing when it is active."""
        said: list[str] = []
        for row in self.journal.rows() if self.desk.mode is Mode.HALTED else ():
            if isinstance(row.value, ModeChanged):
                said = [] if row.value.mode is Mode.ACTIVE else [*said, row.value.reason]
        return "; ".join(said)


def journal_in(folder: Path) -> Path:
    """The place of the journal, made with a nonce that is no chance."""
    path = folder / "journal.db"
    if not path.exists():
        open_journal(path, NONCE).close()
    return path


def recovered(rows: Iterable[Row]) -> tuple[Ledger, list[BrokerRefusal]]:
    """What another process would make of the same journal, and what it would write behind it."""
    ledger = Ledger(NONCE)
    return ledger, ledger.recover(rows)


def endpoint_of(exchange: ExchangeProcess) -> Endpoint:
    urls = {"trading_url": exchange.url, "data_url": exchange.url, "stream_url": exchange.stream_url}
    return Endpoint(exchange.api_key, exchange.api_secret, is_paper=True, requests_per_minute=UNLIMITED, **urls)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
