"""A run at Alpaca, paper or live: Lumibot's own executor on the wall clock, the desk's broker and journal under it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Lock
from typing import Any

from alpaca.common.exceptions import APIError
from lumibot.brokers.broker import Broker
from lumibot.strategies import Strategy
from lumibot.strategies.strategy_executor import StrategyExecutor
from requests import RequestException

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_gateway import AlpacaGateway
from desk.brokers.dry_run import DryRunGateway
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock, Gateway, Journal
from desk.domain.errors import BrokerUnreachable, DeskError, ReconciliationBreak, UsageError
from desk.domain.journal import IterationSkipped, RunStarted, RunStopped
from desk.runtime.account import Patience, Reconciler
from desk.runtime.adoption import adopt
from desk.runtime.build import Cast, Tenancy, connect, host, market_hours, open_desk
from desk.runtime.clock import SystemClock, stopwatch, wait_seconds
from desk.runtime.corridor import Iteration
from desk.runtime.desk import Desk
from desk.runtime.heartbeat import HeartbeatThread, Rhythm, Vitals, due_by, pulse_of, stream_of
from desk.runtime.hosting import wants_statistics
from desk.runtime.past import Past
from desk.runtime.record import RunFacts, counts, run_record
from desk.runtime.request import RunRequest
from desk.runtime.result import RunResult, why_stopped
from desk.runtime.run_folder import RunFolder
from desk.runtime.signals import stop_on_signals

log = logging.getLogger(__name__)
STREAM_TIMEOUT_SECONDS = 30.0
# A broker that is silent at the comparisons is so for days at the most; executions that are known already do no harm.
SILENT_AT_MOST = timedelta(days=7)
COMPARE_SECONDS = 60.0  # between two comparisons of a strategy that iterates more often: each costs requests


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


def account_number(endpoint: Endpoint) -> str:
    """Number of the account behind the keys. Raises BrokerUnreachable when there is no answer, or the keys are refused."""
    try:
        account: Any = trading_client(endpoint).get_account()
        return str(account.account_number)
    except APIError as error:
        raise BrokerUnreachable(
            f"Alpaca refused the keys (HTTP {error.status_code}): check that ALPACA_API_KEY and ALPACA_API_SECRET belong "
            f"together and to a {'paper' if endpoint.is_paper else 'live'} account. Nothing was traded"
        ) from None
    except RequestException as error:
        raise BrokerUnreachable(
            f"Alpaca does not answer ({type(error).__name__}): check the network and status.alpaca.markets. Nothing was traded; "
            "exits that rest at the broker stay in force"
        ) from None


def check_account(asked: str | None, found: str) -> None:
    """Raises UsageError when the keys belong to another account than the one that the person named."""
    if asked is not None and asked != found:
        raise UsageError(f"--account {asked}: the keys belong to account {found}; nothing was started. Give the right one")


@dataclass
class AlpacaRun:
    """One run at `endpoint`. Fill in the listeners, then call `run` once. `account` is its number, asked for when not given."""

    request: RunRequest
    strategy_class: type[Strategy]
    endpoint: Endpoint
    folder: RunFolder
    show: Callable[[str], None]
    on_iteration: Callable[[Iteration], None] = lambda iteration: None
    clock: Clock = field(default_factory=SystemClock)
    stop: Event = field(default_factory=Event)
    account: str = ""
    rhythm: Rhythm = field(default_factory=Rhythm)

    def run(self) -> RunResult:
        """Trade until stopped, or for one iteration. Raises DeskError for what a person has to mend.

        Waits as long as another process trades the account, with `once` it raises Refused.
        """
        began = stopwatch()
        with ExitStack() as stack:
            journal_at = self.folder.journal_with(self.request.settings.journal_url)
            desk, journal = open_desk(self.request, journal_at, self.clock, self._tenancy())
            stack.callback(journal.close)
            stack.callback(desk.close)
            pulse = pulse_of(desk, journal, self.rhythm)
            if pulse is not None:
                stack.callback(pulse.stop)
                pulse.start()
            stack.enter_context(self.folder.locked())
            broker = connect(cast := self._cast(desk))
            stack.callback(broker.close)
            _await_stream(broker)
            error = self._trade(cast, broker, pulse)
            return self._result(desk, journal, stopwatch() - began, error)

    def _tenancy(self) -> Tenancy:
        account = self.account or account_number(self.endpoint)
        return Tenancy(account, self.rhythm.lease_seconds, self.show, self.stop, waits=not self.request.once)

    def _trade(self, cast: Cast, broker: DeskAlpaca, pulse: HeartbeatThread | None) -> BaseException | None:
        desk = cast.desk
        watch = _Watch(self, desk, broker)
        strategy = host(cast, broker, lambda hosted: LiveExecutor(hosted, watch.events(), self.clock))
        before = _compared_at(desk.past)
        if before is not None:
            adopt(desk, broker, strategy)
        watch.begin(strategy, before or self.clock.now())
        started = RunStarted(self.request.strategy, "alpaca", "alpaca", None, before is not None)
        found = desk.start(started, watch.reconciler.view())
        if found:
            raise ReconciliationBreak("nothing was traded: " + "; ".join(str(each) for each in found))
        watch.compare()
        executor: Any = strategy._executor
        if pulse:
            pulse.follow(watch.vitals(executor))
        with stop_on_signals(self.stop):
            self._execute(executor, pulse)
        executor.finish()
        if self.stop.is_set():
            strategy.on_abrupt_closing()
        if pulse is not None and pulse.lost is not None:
            raise pulse.lost
        desk.record(RunStopped(why_stopped(self.stop.is_set(), executor.exception), desk.iterations))
        error: BaseException | None = executor.exception
        return error

    def _result(self, desk: Desk, journal: Journal, seconds: float, error: BaseException | None) -> RunResult:
        rows = tuple(journal.rows())
        facts = RunFacts(
            strategy=self.request.strategy,
            broker="alpaca",
            source_label="the market, as Alpaca's IEX feed showed it",
            seed=None,
            gate_threshold=self.request.settings.behaviour.confidence_threshold,
            gate_enforced=self.request.gate_enforced,
        )
        record = run_record(rows, desk.book, None, facts)
        return RunResult(record, counts(rows), desk.mode, desk.book, self.stop.is_set(), seconds, error)

    def _execute(self, executor: LiveExecutor, pulse: HeartbeatThread | None) -> None:
        if self.request.once:
            executor.run_once()
            self._drain(executor)
            return
        executor.start()
        while executor.is_alive() and not self.stop.is_set() and (pulse is None or pulse.lost is None):
            executor.join(0.2)
        if not executor.is_alive() and not self.stop.is_set() and executor.exception is None:
            executor.exception = DeskError("Lumibot's loop ended by itself; start it again")

    def _drain(self, executor: StrategyExecutor) -> None:
        """After the only iteration: let its orders go out and their first answers come in."""
        executor.broker._orders_queue.join()
        wait_seconds(1.0)
        executor.process_queue()

    def _cast(self, desk: Desk) -> Cast:
        behaviour = self.request.settings.behaviour
        return Cast(
            self.strategy_class,
            self.request,
            desk,
            self.endpoint,
            self.clock,
            behaviour.universe.alpaca,
            Path(self.folder.models),
            self.on_iteration,
            self._gateway,
        )

    def _gateway(self, broker: DeskAlpaca, strategy: Strategy) -> Gateway:
        return DryRunGateway(broker.door, self.show) if self.request.dry_run else AlpacaGateway(broker, strategy)


class _Watch:
    """Hears of what an executor does, keeps when it last did anything, and compares desk and broker after each iteration."""

    def __init__(self, run: AlpacaRun, desk: Desk, broker: DeskAlpaca) -> None:
        self._run = run
        self._desk = desk
        self._broker = broker
        self._tried_at = self._compared_at = run.clock.now()
        self.reconciler: Reconciler

    def events(self) -> LiveEvents:
        return LiveEvents(self._crashed, self._skipped, self._tried, self.compare)

    def begin(self, strategy: Any, compared_at: datetime) -> None:
        patience = Patience(self._run.rhythm.looks_seconds, self._run.stop.wait)
        self.reconciler = Reconciler(self._desk, self._broker, strategy, compared_at, self._run.show, patience)

    def vitals(self, executor: LiveExecutor) -> Vitals:
        return Vitals(
            lambda: stream_of(self._broker),
            lambda: None if self._run.request.once else self._overdue(executor),
            lambda: self._woken(executor),
        )

    def compare(self) -> None:
        """Three ways: journal, broker, Lumibot. A broker that does not answer is asked again the next time."""
        now = self._run.clock.now()
        try:
            self.reconciler.look(now)
            self._compared_at = now
        except SILENCE as error:
            log.warning("the account could not be compared with the journal: %r", error)

    def _tried(self) -> None:
        self._tried_at = now = self._run.clock.now()
        due = now - self._compared_at >= timedelta(seconds=COMPARE_SECONDS)
        if not self._run.request.dry_run and (due or self._run.request.once or self._desk.has_suspects):
            self._broker._orders_queue.join()
            self.compare()

    def _crashed(self, error: BaseException) -> None:
        log.error("the strategy crashed", exc_info=error)
        with suppress(DeskError):  # the halt holds all the same
            self._desk.halt(f"the strategy crashed: {error!r}")

    def _skipped(self, error: BaseException) -> None:
        self._desk.record(IterationSkipped(f"{type(error).__name__}: {error}"[:500]))
        self._run.show(
            "This iteration is skipped, nothing was decided; exits stay in force. The broker did not answer, or the clock jumped."
        )

    def _overdue(self, executor: LiveExecutor) -> datetime | None:
        now, sleeptime = self._run.clock.now(), executor.strategy.sleeptime
        text = sleeptime if isinstance(sleeptime, str) else f"{sleeptime:g}M"
        due = due_by(text, self._tried_at, market_hours(now), self._run.rhythm.patience_seconds)
        return due if due is not None and now > due else None

    def _woken(self, executor: LiveExecutor) -> None:
        self._tried_at = self._run.clock.now()
        executor.woken()


def _compared_at(past: Past) -> datetime | None:
    """When the account was surely compared with the journal, and not before that began; None for a fresh one."""
    return None if past.first_at is None or past.last_at is None else max(past.first_at, past.last_at - SILENT_AT_MOST)


def _await_stream(broker: DeskAlpaca) -> None:
    deadline = stopwatch() + STREAM_TIMEOUT_SECONDS
    while not broker.is_stream_running():
        if stopwatch() > deadline:
            raise BrokerUnreachable(
                "the broker's order stream did not come up: no order is sent without it. Try again in a minute"
            )
        wait_seconds(0.05)
