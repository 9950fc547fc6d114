"""One life of the desk: the real desk, journal, broker and Lumibot executor, against a running exchange over sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from alpaca.trading.client import TradingClient

from crash.made_market import SYMBOLS
from crash.schedule import Schedule
from crash.stage import PatientStage
from desk.brokers.alpaca import DeskAlpaca, WallTime
from desk.brokers.alpaca_market import DeskAlpacaData
from desk.brokers.endpoint import Endpoint
from desk.brokers.guarded.time_limits import TimeLimits
from desk.brokers.guarded.transport import GuardedTransport
from desk.brokers.stream_timing import StreamTiming
from desk.core.ports import Journal
from desk.data import calendars
from desk.domain.decisions import FixedExit, Shares, Signal, Target, Weight
from desk.domain.journal import IterationDone, IterationSkipped, RunStarted
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.exchange.admin_client import AdminClient
from desk.runtime.account import broker_account
from desk.runtime.adoption import adopt
from desk.runtime.build import Cast, guardian_of, host, market_hours, open_desk
from desk.runtime.clock import SystemClock, VirtualClock, stopwatch
from desk.runtime.corridor import Iteration
from desk.runtime.desk import Desk
from desk.runtime.guardian import Guardian
from desk.runtime.replay import ReplayExecutor
from desk.runtime.request import RunRequest
from desk.runtime.spread_opener import SpreadArm
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour, Universe
from desk.settings.load import Settings

# Waits of the guarded client and the stream pass this much faster than they are meant: a schedule has seconds, not minutes.
HASTE = 20.0
READ_SECONDS = 0.4
# Iterations follow each other within milliseconds, so that a budget for an hour of trading would not do.
REQUESTS_PER_MINUTE = 10_000
TIMING = StreamTiming(
    resync_seconds=20.0,
    answer_seconds=60.0,
    close_seconds=0.1,
    look_seconds=0.05,
    first_retry_seconds=0.02,
    longest_retry_seconds=0.2,
    refused_seconds=0.2,
)
DONE, BROKEN_BOOKS = 0, 3
# Prices are looked at less often than in a replay: each look takes a schedule's real time.
GUARDED_EVERY = timedelta(minutes=20)
SETTLING_ROUNDS, SETTLING_MINUTES, QUIET_ROUNDS = 40, 10, 3


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A running exchange."""

    url: str
    stream_url: str
    api_key: str
    api_secret: str

    def admin(self) -> AdminClient:
        return AdminClient(self.url, self.api_key, self.api_secret)

    def endpoint(self) -> Endpoint:
        urls = {"trading_url": self.url, "data_url": self.url, "stream_url": self.stream_url}
        return Endpoint(self.api_key, self.api_secret, is_paper=True, requests_per_minute=REQUESTS_PER_MINUTE, **urls)


class HastyAlpaca(DeskAlpaca):
    """The broker as it is, with shorter waits."""

    def _guarded_client(self) -> TradingClient:
        client = super()._guarded_client()
        transport = client._session.get_adapter("http://")
        assert isinstance(transport, GuardedTransport)
        transport.limits = TimeLimits(2.0, READ_SECONDS)
        return client

    def _pause(self, seconds: float) -> None:
        super()._pause(seconds / HASTE)


class Whims(DeskStrategy):
    """Buys, buys more, trims and leaves by chance, under stops that rise; the same moment of the same schedule wants the same."""

    seed = 0
    wants = "trade"  # or "flat", or "nothing"

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return ()

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        if self.wants == "nothing":
            return ()
        chance = np.random.default_rng([self.seed, 2, int(market.now.timestamp())])
        return [target for symbol in SYMBOLS if (target := self._target(symbol, chance)) is not None]

    def _target(self, symbol: str, chance: np.random.Generator) -> Target | None:
        mood, stop, gain = (float(each) for each in chance.uniform(size=3))
        rule = FixedExit(0.002 + 0.02 * stop, 0.002 + 0.02 * gain, 0.004 if mood > 0.5 else None, 0.006 if gain > 0.5 else None)
        if self.wants == "flat" or mood < 0.2:
            return Target(symbol, Shares(0), rule, "leave")
        return Target(symbol, Weight(0.01 + 0.06 * gain), rule, "enter") if mood > 0.65 else None


class SteppedExecutor(ReplayExecutor):
    """The executor of a replay, one iteration at a time."""

    def __init__(self, strategy: Any, stage: PatientStage, desk: Desk) -> None:
        def skip(error: BaseException) -> None:
            desk.record(IterationSkipped(f"{type(error).__name__}: {error}"[:500]))

        super().__init__(strategy, stage, (), skip)

    def iterate(self) -> None:
        """One iteration now. Raises what crashed the strategy."""
        self.cron_count = self.cron_count_target
        self._skipping(self._on_trading_iteration)
        if self.exception is not None:
            raise self.exception


@dataclass
class Life:
    """A desk that stands, from `begin` to its death or the end of what was asked."""

    schedule: Schedule
    where: Whereabouts
    folder: Path
    planner: ClassVar[type[Any]] = Whims

    def live(self, settles: bool) -> int:
        """Play the iterations that are left, or with `settles` recover and go on until nothing changes. Returns an exit code."""
        with ExitStack() as stack:
            self.admin = self.where.admin()
            self.clock = VirtualClock(moment(self.admin.status()["now"]))
            request = self._request(settles)
            self.desk, journal = open_desk(request, self.folder / "journal.db", self.clock)
            self.journal = journal
            stack.callback(journal.close)
            stack.callback(self.desk.close)
            self.stage = PatientStage(self.admin, self.clock, self.desk)
            self.executor = self._executor(request, stack)
            last = last_iteration(journal)
            if not self._start(resumed=last is not None):
                return BROKEN_BOOKS
            if settles:
                self._settle(journal)
            else:
                self._play(last)
            self._tell(settles)
        return DONE

    def _request(self, settles: bool) -> RunRequest:
        behaviour = Behaviour(universe=Universe(exchange=SYMBOLS), sleeptime="65M", confidence_gate="report")
        return request_for(self.folder, self.schedule.seed, behaviour)

    def _universe(self) -> tuple[str, ...]:
        return SYMBOLS

    def _arm(self, cast: Cast, broker: DeskAlpaca) -> SpreadArm | None:
        """What opens option spreads."""
        return None

    def _guardian(self, cast: Cast, broker: DeskAlpaca) -> Guardian:
        return guardian_of(cast, broker, GUARDED_EVERY)

    def _executor(self, request: RunRequest, stack: ExitStack) -> SteppedExecutor:
        endpoint = self.where.endpoint()
        cast = Cast(self.planner, request, self.desk, endpoint, self.clock, self._universe(), self.folder, watch)
        begun = stopwatch()
        wall = WallTime(SystemClock().now, lambda: begun + HASTE * (stopwatch() - begun), self.schedule.seed)
        data = DeskAlpacaData(endpoint, self.clock)
        broker = HastyAlpaca(endpoint, self.desk, self.clock, data, market_hours, wall, TIMING)
        stack.callback(broker.close)
        arm = self._arm(cast, broker)
        strategy = host(cast, broker, lambda hosted: SteppedExecutor(hosted, self.stage, self.desk), arm)
        strategy.seed = self.schedule.seed
        self.broker, self.strategy = broker, strategy
        self.stage.attach(broker)
        self.stage.watch_with(self._guardian(cast, broker))
        executor: SteppedExecutor = strategy._executor
        return executor

    def _start(self, resumed: bool) -> bool:
        """As a run starts: recover, reconcile. False when book and broker do not agree."""
        if resumed:
            adopt(self.desk, self.broker, self.strategy)
            self.stage.settle()
        started = RunStarted("crash", "exchange", "made", self.schedule.seed, resumed)
        found = self.desk.start(started, broker_account(self.broker.api))
        if found:
            (self.folder / "breaks.txt").write_text("; ".join(str(each) for each in found))
            return False
        self.broker.set_strategy_name("crash")
        self.executor._initialize()
        return True

    def _play(self, last: datetime | None) -> None:
        for due in self.schedule.moments:
            if due >= self.clock.now() and (last is None or due > last):
                self.stage.move_to(due)
                self.executor.iterate()
                self.stage.settle()

    def _settle(self, journal: Journal) -> None:
        """Iterate every few minutes, opening nothing, until nothing happens any more."""
        self.strategy.wants = "flat" if self.schedule.ends_flat else "nothing"
        sent, quiet = -1, 0
        for due in open_moments(self.clock.now()):
            self.stage.move_to(due)
            self.executor.iterate()
            self.stage.settle()
            quiet = quiet + 1 if self.broker.sent == sent else 0
            sent = self.broker.sent
            if quiet >= QUIET_ROUNDS:
                return

    def _tell(self, settles: bool) -> None:
        if settles:
            (self.folder / "final.json").write_text(json.dumps(told(self.desk, self.broker)))


def told(desk: Desk, broker: DeskAlpaca) -> dict[str, Any]:
    """What the desk believes at the end: its mode, its positions, and how each member of its open trades stands."""
    book = desk.book
    trades = [
        {
            "key": trade.key,
            "symbol": trade.symbol,
            "shares": trade.shares,
            "exits_key": trade.exits_key,
            "entry": trade.entry_status.value,
            "target": trade.target_status.value,
            "stop": trade.stop_status.value,
        }
        for trade in book.open.values()
    ]
    return {"mode": desk.mode.value, "positions": book.shares(), "trades": trades, "sent": broker.sent}


def watch(iteration: Iteration) -> None:
    """Nobody looks."""


def request_for(folder: Path, seed: int, behaviour: Behaviour) -> RunRequest:
    return RunRequest("crash", Settings(behaviour, None, {}, None), folder, seed=seed)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def last_iteration(journal: Journal) -> datetime | None:
    """When the last finished iteration was; the start of the run when it has none, None in a fresh journal."""
    last: datetime | None = None
    for row in journal.rows():
        if isinstance(row.value, IterationDone):
            last = row.at
        elif last is None:
            last = row.at - timedelta(seconds=1)
    return last


def open_moments(now: datetime) -> Iterator[datetime]:
    """Moments at which the market is open, a few minutes apart, beginning now or at the next opening."""
    due, step = now, timedelta(minutes=SETTLING_MINUTES)
    for _ in range(SETTLING_ROUNDS):
        due += step
        if market_hours(due) is None:
            day = due.astimezone(calendars.NEW_YORK).date()
            today = calendars.session_on(day)
            session = today if today is not None and due < today.opens_at else calendars.next_session(day)
            due = session.opens_at + step
        yield due
