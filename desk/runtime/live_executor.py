"""Lumibot's executor for a run on the wall clock, repaired so that nothing that it meets is silent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any

from alpaca.common.exceptions import APIError
from lumibot.brokers.broker import Broker
from lumibot.strategies.strategy_executor import StrategyExecutor
from requests import RequestException

from desk.core.ports import Clock
from desk.domain.errors import BrokerUnreachable
from desk.runtime.hosting import wants_statistics

log = logging.getLogger(__name__)

# What a broker that does not answer raises, and a market that is too old to decide on.
SILENCE = (RequestException, APIError, BrokerUnreachable)
Told = Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class LiveEvents:
    """What an executor tells of: a crash, an iteration that did not take place, the end of every try at one, and the close."""

    crashed: Told
    skipped: Told
    tried: Callable[[], None] = lambda: None
    closed: Callable[[], None] = lambda: None


class LiveExecutor(StrategyExecutor):
    """Lumibot's executor, repaired so that nothing it meets is silent: a broker that does not answer skips an iteration, and
    every other exception, in an iteration, a sync, a callback or a hook, is told. The loop goes on after each of them.
    """

    scheduler: Any
    exception: Any

    def __init__(self, strategy: Any, events: LiveEvents, clock: Clock) -> None:
        super().__init__(strategy)
        self._events = events
        self._clock = clock
        self._iterating = Lock()
        self._crash: BaseException | None = None
        self.has_iterated = False
        self._capture_locals = False
        self._on_trading_iteration_callable = strategy.on_trading_iteration
        # Lumibot sleeps until the opening in one piece, by a clock that stands still while the machine sleeps.
        self.broker.sleep = self._sleep
        # Its Alpaca calls a method at each close that it does not have; the base class only waits.
        self.broker._await_market_to_close = Broker._await_market_to_close.__get__(self.broker)

    def _trace_stats(self, context: Any, snapshot_before: Any) -> Any:
        return super()._trace_stats(context, snapshot_before) if wants_statistics(self.strategy) else None

    def process_queue(self, skip_first_iteration_events: bool = False) -> None:
        super().process_queue(skip_first_iteration_events=False)

    def process_event(self, event: Any, payload: Any, skip_first_iteration_events: bool = True) -> None:
        # A callback that raises would end the thread that brings all later ones.
        try:
            super().process_event(event, payload, skip_first_iteration_events)
        except Exception as error:
            self._met(error)

    def _on_trading_iteration(self) -> None:
        if not self.should_continue:
            return
        with self._iterating:
            try:
                super()._on_trading_iteration()
            except Exception as error:
                self.broker._hold_trade_events = False
                self.broker.process_held_trades()
                self._met(error)
            finally:
                self._in_trading_iteration = False
                self._events.tried()

    def _run_live_trading_iteration_with_priority_drains(self, on_trading_iteration: Callable[[], None]) -> None:
        try:
            super()._run_live_trading_iteration_with_priority_drains(on_trading_iteration)
            self.has_iterated = True
        except SILENCE as error:
            self._events.skipped(error)

    def _run_trading_session(self) -> None:
        try:
            super()._run_trading_session()
        except Exception as error:
            self._met(error)
            self.stop_event.wait(5.0)  # or Lumibot tries again at once, and for ever

    def _after_market_closes(self) -> None:
        super()._after_market_closes()
        self._events.closed()

    def _initialize_live_market_calendars_for_run_once(self) -> None:
        # The broker answers by the desk's clock and calendar; Lumibot's precheck would ask the machine's.
        self._run_once_market_open_override = None

    def _scheduled_drain_after_iteration(self) -> None:
        """Lumibot would wait five minutes for every order to end; a bracket's exits are meant to rest for weeks."""

    def _met(self, error: BaseException) -> None:
        if isinstance(error, SILENCE):
            self._events.skipped(error)
        else:
            self._on_bot_crash(error)

    def _on_bot_crash(self, error: BaseException) -> None:
        # Lumibot would take its scheduler and the thread of the callbacks down, and go on without the second. Here both go on,
        # so that positions can leave; the desk opens nothing more until a person looks.
        if error is self._crash:
            return
        self._crash = self.exception = error
        self._events.crashed(error)
        try:
            self.strategy.on_bot_crash(error)
        except Exception:
            log.exception("on_bot_crash of the strategy raised")

    def _sleep(self, seconds: float) -> None:
        until = self._clock.now() + timedelta(seconds=seconds)
        while not self.stop_event.is_set() and (left := (until - self._clock.now()).total_seconds()) > 0:
            self.stop_event.wait(min(left, 5.0))

    def woken(self) -> None:
        """The machine slept: the scheduler still waits as long as it meant to before."""
        scheduler = self.scheduler
        if scheduler is not None and scheduler.running:
            scheduler.wakeup()

    def finish(self, seconds: float = 10.0) -> None:
        """Begin nothing more, and wait for an iteration that goes on, so that it ends before the journal is closed."""
        self.stop_event.set()
        self.check_queue_stop_event.set()
        if self._iterating.acquire(timeout=seconds):
            self._iterating.release()
        if self.is_alive():
            self.join(seconds)  # or the loop would make a new scheduler
        if self.scheduler is not None and self.scheduler.running:
            self.scheduler.shutdown(wait=False)
