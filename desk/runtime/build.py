"""Composition root: puts desk, broker, feeds and strategy together. The one place that knows all of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lumibot.strategies import Strategy
from lumibot.strategies.strategy_executor import StrategyExecutor

from desk.brokers.alpaca import DeskAlpaca, WallTime
from desk.brokers.alpaca_gateway import AlpacaGateway
from desk.brokers.alpaca_market import AlpacaMarketFeed, DeskAlpacaData
from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_timing import StreamTiming
from desk.core.ports import Clock, Gateway, Journal
from desk.core.review import Limits
from desk.data import calendars
from desk.journal.memory import MemoryJournal
from desk.journal.sql import SqlJournal
from desk.runtime.account import LumibotAccountFeed
from desk.runtime.clock import SystemClock, stopwatch
from desk.runtime.corridor import Corridor, Iteration
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread
from desk.runtime.hosting import QUIET_ARGUMENTS, hosted
from desk.runtime.request import RunRequest
from desk.runtime.strategy import DeskStrategy, Surroundings
from desk.settings.behaviour import Behaviour

NEW_YORK = ZoneInfo("America/New_York")


def market_hours(moment: datetime) -> tuple[datetime, datetime] | None:
    """Opening and closing time (UTC) of the session that is open at `moment`, None when the market is closed."""
    session = calendars.session_on(moment.astimezone(NEW_YORK).date())
    if session is None or not session.opens_at <= moment < session.closes_at:
        return None
    return session.opens_at, session.closes_at


def fresh_nonce() -> str:
    """What keeps this journal's order ids apart from every other journal's, for ever."""
    return secrets.token_hex(4)


def limits_of(behaviour: Behaviour, gate_enforced: bool) -> Limits:
    return Limits(behaviour.max_position_fraction, behaviour.confidence_threshold if gate_enforced else None)


def plain(behaviour: Behaviour) -> Mapping[str, Any]:
    """Settings by name, for `DeskStrategy.parameters_from`."""
    return {name: getattr(behaviour, name) for name in type(behaviour).model_fields}


def open_desk(request: RunRequest, journal_path: Path, clock: Clock) -> tuple[Desk, Journal]:
    """A desk in a thread of its own over the journal at `journal_path`, with its book recovered.

    A dry run works on a copy in memory: what it does not send must not stand in the journal as if it might have been.
    """
    journal: Journal = SqlJournal(journal_path, fresh_nonce())
    if request.dry_run:
        journal = _copied(journal)
    desk = Desk(journal, clock, limits_of(request.settings.behaviour, request.gate_enforced))
    desk.work_in(DeskThread(on_error=lambda error: desk.halt(f"the desk met an error: {type(error).__name__}: {error}")))
    desk.recover()
    return desk, journal


def _copied(journal: Journal) -> Journal:
    copy = MemoryJournal(journal.nonce)
    copy.append(tuple(journal.rows()))
    journal.close()
    return copy


@dataclass(frozen=True)
class Cast:
    """Everything that one strategy is hosted with."""

    strategy_class: type[Strategy]
    request: RunRequest
    desk: Desk
    endpoint: Endpoint
    clock: Clock
    universe: tuple[str, ...]
    model_folder: Path
    watch: Callable[[Iteration], None]
    gateway_for: Callable[[DeskAlpaca, Strategy], Gateway] = AlpacaGateway
    timing: StreamTiming | None = None


def connect(cast: Cast) -> DeskAlpaca:
    """The broker at `cast.endpoint`, its stream thread started. Raises what the endpoint raises when it refuses."""
    data = DeskAlpacaData(cast.endpoint, cast.clock)
    wall = WallTime(SystemClock().now, stopwatch, cast.request.seed or 0)
    return DeskAlpaca(cast.endpoint, cast.desk, cast.clock, data, market_hours, wall, cast.timing)


def host(cast: Cast, broker: DeskAlpaca, executor_for: Callable[[Any], StrategyExecutor] | None) -> Strategy:
    """The strategy on `broker`; with `executor_for` None it keeps Lumibot's own executor."""
    cls = cast.strategy_class
    if issubclass(cls, DeskStrategy):
        parameters = cls.parameters_from(plain(cast.request.settings.behaviour))
        cls = cls.bound(lambda strategy: _corridor(cast, broker, strategy), parameters, Surroundings(cast.model_folder))
        cls.sleeptime_setting = cast.request.settings.behaviour.sleeptime
    if executor_for is not None:
        cls = hosted(cls, executor_for)
    strategy = cls(broker=broker, name=cast.request.strategy, **QUIET_ARGUMENTS)
    # Before anything else: what a restart finds without exits is covered before the first iteration.
    cast.desk.send_through(cast.gateway_for(broker, strategy))
    return strategy


def _corridor(cast: Cast, broker: DeskAlpaca, strategy: Strategy) -> Corridor:
    feed = AlpacaMarketFeed(broker.data_source.stock_client(), cast.clock)
    return Corridor(cast.desk, feed, LumibotAccountFeed(strategy), cast.universe, cast.watch)
