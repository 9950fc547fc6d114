"""A run at Alpaca, paper or live: Lumibot's own executor on the wall clock, the desk's broker and journal under it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

from alpaca.common.exceptions import APIError
from lumibot.strategies import Strategy
from lumibot.strategies.strategy_executor import StrategyExecutor
from requests import RequestException

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_gateway import AlpacaGateway
from desk.brokers.dry_run import DryRunGateway
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock, Gateway, Journal
from desk.domain.errors import BrokerUnreachable, DeskError, Naked, ReconciliationBreak, UsageError
from desk.domain.journal import IterationSkipped, RunStarted, RunStopped
from desk.runtime.account import Patience, Reconciler, Splits
from desk.runtime.account_guardian import LIVE_LOOKS, account_guardian
from desk.runtime.adoption import adopt
from desk.runtime.build import Cast, Tenancy, connect, exit_rule_of, hedge_rules, host, market_hours, open_desk, spread_team
from desk.runtime.clock import SystemClock, stopwatch, wait_seconds
from desk.runtime.corridor import Iteration
from desk.runtime.desk import Desk
from desk.runtime.execution_watch import ExecutionWatch, beside
from desk.runtime.found import FoundPositions
from desk.runtime.guardian import GuardianThread
from desk.runtime.heartbeat import HeartbeatThread, Rhythm, Vitals, due_by, pulse_of, stream_of
from desk.runtime.live_executor import SILENCE, LiveEvents, LiveExecutor
from desk.runtime.parting import part
from desk.runtime.past import Past
from desk.runtime.record import RunFacts, counts, run_record
from desk.runtime.request import RunRequest
from desk.runtime.result import RunResult, why_stopped
from desk.runtime.run_folder import RunFolder
from desk.runtime.signals import stop_on_signals
from desk.runtime.spread_keeper import LIVE_PACE
from desk.runtime.spread_opener import SpreadArm

log = logging.getLogger(__name__)
STREAM_TIMEOUT_SECONDS = 30.0
# A broker that is silent at the comparisons is so for days at the most; executions that are known already do no harm.
SILENT_AT_MOST = timedelta(days=7)
PARTING_SECONDS = 20.0  # a broker ends a cancel in milliseconds; one that does not in this time may not at all
COMPARE_SECONDS = 60.0  # between two comparisons of a strategy that iterates more often: each costs requests


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
            behaviour = self.request.settings.behaviour
            every = timedelta(seconds=behaviour.guardian_seconds)
            team = spread_team(cast, broker, LIVE_PACE, self.show)
            watching = account_guardian(cast, broker, every, self._splits(cast, broker), LIVE_LOOKS, team.keeper)
            guardian = GuardianThread(watching.at_night(behaviour.extended_hours), desk)
            stack.callback(guardian.stop)
            error = self._trade(cast, broker, pulse, guardian, journal.nonce, team.arm)
            self._executions.look()
            return self._result(desk, journal, stopwatch() - began, error)

    def _tenancy(self) -> Tenancy:
        account = self.account or account_number(self.endpoint)
        return Tenancy(account, self.rhythm.lease_seconds, self.show, self.stop, waits=not self.request.once)

    def _trade(
        self, cast: Cast, broker: DeskAlpaca, pulse: HeartbeatThread | None, guardian: GuardianThread, nonce: str, arm: SpreadArm
    ) -> BaseException | None:
        desk, splits = cast.desk, self._splits(cast, broker)
        watch = _Watch(self, desk, broker)
        strategy = host(cast, broker, lambda hosted: LiveExecutor(hosted, watch.events(), self.clock), arm)
        before = _compared_at(desk.past)
        if before is not None:
            splits.look()  # first of all: exits for what a split has made bare are for as many shares as there are now
            adopt(desk, broker, strategy)
        watch.begin(strategy, before or self.clock.now())
        started = RunStarted(self.request.strategy, "alpaca", "alpaca", None, before is not None)
        found = desk.start(started, splits.explained(watch.reconciler.view()))
        if found:
            raise ReconciliationBreak("nothing was traded: " + "; ".join(str(each) for each in found))
        watch.found = self._found(cast, broker, nonce)
        watch.compare()
        if not self.request.dry_run:
            guardian.start()
        executor: Any = strategy._executor
        if pulse:
            pulse.follow(watch.vitals(executor))
        with stop_on_signals(self.stop):
            self._execute(executor, pulse)
        executor.finish()
        guardian.stop()
        if not self.request.dry_run and not (pulse and pulse.lost):
            arm.part(self.clock.now, wait_seconds)
        left = [] if self.request.dry_run or (pulse and pulse.lost) else part(desk, PARTING_SECONDS, wait_seconds, self.show)
        if self.stop.is_set():
            strategy.on_abrupt_closing()
        if pulse is not None and pulse.lost is not None:
            raise pulse.lost
        desk.record(RunStopped(why_stopped(self.stop.is_set(), executor.exception), desk.iterations))
        error: BaseException | None = executor.exception
        return Naked(f"{'; '.join(left)}. Start the desk again, or place exits by hand") if left and error is None else error

    @cached_property
    def _executions(self) -> ExecutionWatch:
        journal_at = self.folder.journal_with(self.request.settings.journal_url)
        return ExecutionWatch(journal_at, beside(self.request.runs), self.folder.path.name)

    def _splits(self, cast: Cast, broker: DeskAlpaca) -> Splits:
        return Splits(cast.desk, broker.api, cast.desk.past.last_at or self.clock.now(), self.show)

    def _found(self, cast: Cast, broker: DeskAlpaca, nonce: str) -> FoundPositions | None:
        """What takes found shares over, None where the person wants them left alone."""
        behaviour = self.request.settings.behaviour
        if behaviour.found_positions == "report":
            return None
        return FoundPositions(cast.desk, broker.api, nonce, self.clock, exit_rule_of(behaviour), self.show)

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
        record = run_record(rows, desk.book, None, facts, desk.spreads)
        return RunResult(record, counts(rows), desk.mode, desk.book, self.stop.is_set(), seconds, error)

    def _execute(self, executor: LiveExecutor, pulse: HeartbeatThread | None) -> None:
        if self.request.once:
            executor.run_once()
            self._drain(executor)
            if not executor.has_iterated:
                self.show("The market is closed, or the broker did not answer: nothing was decided. Exits stay in force.")
            return
        executor.start()
        while executor.is_alive() and not self.stop.is_set() and (pulse is None or pulse.lost is None):
            executor.join(0.2)
            self._executions.look_if_due()
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
            hedge=hedge_rules(behaviour, behaviour.sentiment_symbols.alpaca),
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
        self.found: FoundPositions | None = None

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
            if self.found is not None:
                self.found.protect()
        except SILENCE as error:
            log.warning("the account could not be compared with the journal: %r", error)

    def _tried(self) -> None:
        self._tried_at = now = self._run.clock.now()
        due = now - self._compared_at >= timedelta(seconds=COMPARE_SECONDS)
        if not self._run.request.dry_run and (due or self._run.request.once or self._desk.differences.has_suspects):
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
