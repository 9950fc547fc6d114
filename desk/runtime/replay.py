"""Drives a Lumibot strategy through recorded sessions: Lumibot's own hooks and iteration, on the exchange's clock.

Lumibot's live loop waits on the wall clock. This executor replaces the waiting and nothing else; the seams are listed in
docs/adr/0007-replay-clock-seams.md, and a test counts the hooks on the pinned Lumibot version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from alpaca.common.exceptions import APIError
from lumibot.strategies.strategy_executor import StrategyExecutor
from requests import RequestException

from desk.data.calendars import Session
from desk.runtime.hosting import wants_statistics


class Timekeeper(Protocol):
    """What a replay needs of `desk.runtime.stage.Stage`: a clock that moves only when everything sent has come to its end."""

    @property
    def is_stopped(self) -> bool: ...

    def now(self) -> datetime: ...

    def move_to(self, moment: datetime) -> None: ...

    def settle(self) -> None: ...

    def save(self) -> None: ...

    def on_settle(self, process_queue: Callable[[], Any]) -> None: ...


class ReplayExecutor(StrategyExecutor):
    """A StrategyExecutor whose time is the stage's. `exception` holds what ended the run early, None otherwise."""

    def __init__(
        self,
        strategy: Any,
        stage: Timekeeper,
        sessions: Sequence[Session],
        on_skip: Callable[[BaseException], None],
        resume_at: datetime | None = None,
        once: bool = False,
    ) -> None:
        super().__init__(strategy)
        self._on_skip = on_skip
        self._once = once
        self._iterated = False
        self._stage = stage
        self._sessions = sessions
        self._resume_at = resume_at
        # Lumibot profiles every call of a live iteration to capture its locals; it halves the speed and nobody reads them.
        self._capture_locals = False
        self._on_trading_iteration_callable = strategy.on_trading_iteration
        stage.on_settle(self.process_queue)

    # ---- seams -------------------------------------------------------------------------------------------------------

    def check_queue(self) -> None:
        """No second consumer: the stage drains the queue at its barrier."""

    def _trace_stats(self, context: Any, snapshot_before: Any) -> Any:
        return super()._trace_stats(context, snapshot_before) if wants_statistics(self.strategy) else None

    def process_queue(self, skip_first_iteration_events: bool = False) -> None:
        # Lumibot drops the fills of the very first iteration; here they are the strategy's own.
        super().process_queue(skip_first_iteration_events=False)

    def _run_live_trading_iteration_with_priority_drains(self, on_trading_iteration: Any) -> None:
        # Lumibot takes every exception of an iteration for a crash.
        self._skipping(on_trading_iteration)

    def _on_bot_crash(self, error: BaseException) -> None:
        # Lumibot would go on with the next iteration of a crashed strategy; a replay ends.
        self.exception = error
        super()._on_bot_crash(error)
        self.stop_event.set()

    def run(self) -> bool:
        try:
            self._play()
        except BaseException as error:
            # A strategy that calls sys.exit has crashed too.
            self.exception = error
        return self.exception is None

    # ---- the days ----------------------------------------------------------------------------------------------------

    def _play(self) -> None:
        self.broker.set_strategy_name(self.strategy._name)
        self._initialize()
        for number, session in enumerate(self._sessions):
            if self.stop_event.is_set() or self._stage.is_stopped or (self._once and self._iterated):
                break
            self._play_session(session, is_first=number == 0)
        if not self._stage.is_stopped:
            self._on_strategy_end()
        self.result = self.strategy._analysis

    def _play_session(self, session: Session, is_first: bool) -> None:
        strategy = self.strategy
        self._at(session.opens_at - timedelta(minutes=strategy.minutes_before_opening), self._before_market_opens)
        if is_first:
            self._at(session.opens_at, self._before_starting_trading)
        for moment in iteration_times(self, session):
            if self._resume_at is None or moment > self._resume_at:
                self.cron_count = self.cron_count_target
                self._at(moment, self._on_trading_iteration)
                self._iterated = True
                if self._once:
                    return
        self._at(session.closes_at - timedelta(minutes=strategy.minutes_before_closing), self._before_market_closes)
        self._at(session.closes_at + timedelta(minutes=strategy.minutes_after_closing), self._after_market_closes)
        self._stage.save()

    def _at(self, moment: datetime, hook: Any) -> None:
        # A resumed session has its earlier hooks behind it.
        if self.stop_event.is_set() or moment < self._stage.now():
            return
        self._stage.move_to(moment)
        if self._stage.is_stopped:
            return
        self._skipping(hook)
        self._stage.settle()

    def _skipping(self, work: Callable[[], Any]) -> None:
        """Do `work`; when the broker does not answer it is left out, as it would be in live trading."""
        try:
            work()
        except (RequestException, APIError) as error:
            # Lumibot holds news back during its sync, and would hold them for ever after one that broke off.
            self.broker._hold_trade_events = False
            self.broker.process_held_trades()
            self._on_skip(error)


def iteration_times(executor: StrategyExecutor, session: Session) -> Iterator[datetime]:
    """When Lumibot's live scheduler would run an iteration in `session`, by Lumibot's own trigger for the sleeptime.

    The tick at the close is left out: live ticks arrive a moment late and find the market closed.
    """
    trigger = executor.calculate_strategy_trigger()
    every = max(int(executor.cron_count_target), 1)
    tick, count = None, 0
    while True:
        tick = trigger.get_next_fire_time(tick, session.opens_at if tick is None else tick + timedelta(microseconds=1))
        if tick is None or tick >= session.closes_at:
            return
        count += 1
        if count % every == 0:
            yield tick
