"""A run on the built-in exchange: recorded sessions through Lumibot, alpaca-py and a real server on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Event
from typing import Any

from lumibot.strategies import Strategy

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.alpaca_gateway import AlpacaGateway
from desk.brokers.dry_run import DryRunGateway
from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_timing import StreamTiming
from desk.core.ports import Gateway, Journal
from desk.data import calendars
from desk.data.calendars import Session
from desk.data.source import Source
from desk.domain.errors import ConfigurationError, ReconciliationBreak
from desk.domain.journal import IterationSkipped, RunStarted, RunStopped
from desk.exchange.admin_client import AdminClient
from desk.exchange.config import ExchangeConfig, holdings_of
from desk.exchange.process import ExchangeProcess
from desk.runtime.account import Splits, broker_account
from desk.runtime.account_guardian import REPLAY_LOOKS, account_guardian
from desk.runtime.adoption import adopt
from desk.runtime.build import Cast, Tenancy, connect, exit_rule_of, hedge_rules, host, open_desk, spread_team
from desk.runtime.cadence import bar_seconds_of
from desk.runtime.clock import VirtualClock, stopwatch
from desk.runtime.corridor import Iteration
from desk.runtime.desk import Desk
from desk.runtime.execution_watch import FOLDER, ExecutionWatch
from desk.runtime.found import FoundPositions
from desk.runtime.guardian import REPLAY_EVERY
from desk.runtime.heartbeat import Rhythm, Vitals, pulse_of, stream_of
from desk.runtime.record import RunFacts, counts, run_record
from desk.runtime.replay import ReplayExecutor
from desk.runtime.request import RunRequest
from desk.runtime.result import RunResult, why_stopped
from desk.runtime.run_folder import RunFolder
from desk.runtime.signals import stop_on_signals
from desk.runtime.spread_build import SpreadTeam
from desk.runtime.spread_keeper import REPLAY_PACE
from desk.runtime.spread_opener import SpreadArm
from desk.runtime.stage import Stage

# The exchange of a replay counts no requests, and virtual minutes pass in milliseconds: more than a machine makes in a minute.
UNLIMITED = 100_000

MODEL_FILLS = (
    "Options at the built-in exchange are quoted and filled by a model of the market, except where the data has recorded chains: "
    "what spreads earn here is the model's word, and says little of fills that a broker would give."
)

# A machine that sleeps misses nothing: time stands still at the exchange too.
REPLAY_RHYTHM = Rhythm(jump_seconds=math.inf)


@dataclass(frozen=True)
class Connected:
    """An exchange, the desk at it, and what moves time there."""

    exchange: ExchangeProcess
    clock: VirtualClock
    desk: Desk
    journal: Journal
    cast: Cast
    broker: DeskAlpaca
    team: SpreadTeam
    stage: Stage


@dataclass
class ExchangeRun:
    """One run on the exchange. Fill in the listeners, then call `run` once."""

    request: RunRequest
    strategy_class: type[Strategy]
    source: Source
    folder: RunFolder
    on_address: Callable[[str], None] = lambda url: None
    show: Callable[[str], None] = lambda text: None
    on_iteration: Callable[[Iteration], None] = lambda iteration: None
    stop: Event = field(default_factory=Event)
    on_exchange: Callable[[AdminClient], None] = lambda admin: None  # before the desk connects, to switch faults on
    rhythm: Rhythm = REPLAY_RHYTHM

    def sessions(self) -> tuple[Session, ...]:
        """The sessions that this run replays. Raises ConfigurationError when the data has none of them."""
        start = self.request.start
        days = [day for day in self.source.sessions() if start is None or day >= start]
        if not days:
            first, last = self.source.sessions()[0], self.source.sessions()[-1]
            raise ConfigurationError(f"--start {start}: the data runs from {first} to {last}; give a date in between")
        wanted = self.request.sessions or len(days)
        # Without a start the last sessions are played: those before them are the history that indicators need.
        chosen = days[-wanted:] if start is None else days[:wanted]
        return tuple(session for day in chosen if (session := calendars.session_on(day)) is not None)

    def run(self) -> RunResult:
        """Play the sessions. Raises DeskError for what a person has to mend; a stop by signal is no error."""
        began = stopwatch()
        sessions = self.sessions()
        with ExitStack() as stack:
            there = self.connected(stack, sessions[0].day)
            error = self._play(there.cast, there.broker, there.stage, sessions, there.journal.nonce, there.team.arm)
            if not self.request.dry_run:
                self.executions().look()
            report = there.exchange.admin.report()
            return self._result(there.desk, there.journal, report, stopwatch() - began, error)

    def connected(self, stack: ExitStack, first: date) -> Connected:
        """The exchange of this run, started or as it was left, and the desk connected to it; `stack` takes it all down again."""
        stack.enter_context(self.folder.locked())
        exchange = stack.enter_context(ExchangeProcess(self._exchange_config(first), self.folder.exchange_log))
        self.on_address(exchange.url)
        self.on_exchange(exchange.admin)
        clock = VirtualClock(_moment(exchange.admin.status()["now"]))
        desk, journal = open_desk(self.request, self.folder.journal, clock, self._tenancy())
        stack.callback(journal.close)
        stack.callback(desk.close)
        pulse = pulse_of(desk, journal, self.rhythm)
        if pulse is not None:
            stack.callback(pulse.stop)
            pulse.start()
        cast = self._cast(desk, exchange, clock)
        broker = connect(cast)
        stack.callback(broker.close)
        if pulse is not None:
            pulse.follow(Vitals(lambda: stream_of(broker)))
        team = spread_team(cast, broker, REPLAY_PACE, self.show)
        stage = Stage(exchange.admin, clock, desk, self.stop, self.request.speed)
        if not self.request.dry_run:  # nothing is sent, so there is nothing to look after
            guardian = account_guardian(cast, broker, REPLAY_EVERY, self._splits(cast, broker), REPLAY_LOOKS, team.keeper)
            stage.watch_with(guardian.at_night(self.request.settings.behaviour.extended_hours))
        return Connected(exchange, clock, desk, journal, cast, broker, team, stage)

    def executions(self) -> ExecutionWatch:
        """What writes the execution log of a replay: into the run's own folder."""
        return ExecutionWatch(self.folder.journal, self.folder.path / FOLDER, self.folder.path.name)

    def _tenancy(self) -> Tenancy:
        # The folder is locked and the exchange is this run's own: nobody else can want it.
        return Tenancy("exchange", self.rhythm.lease_seconds, self.show, self.stop, waits=False)

    def _play(
        self, cast: Cast, broker: DeskAlpaca, stage: Stage, sessions: Sequence[Session], nonce: str, arm: SpreadArm
    ) -> BaseException | None:
        resume_at = cast.desk.past.resume_at
        left = sessions if resume_at is None else [session for session in sessions if session.closes_at > resume_at]
        skip = self._on_skip(cast.desk)
        strategy = host(cast, broker, lambda hosted: ReplayExecutor(hosted, stage, left, skip, resume_at, self.request.once), arm)
        self.begin(cast, broker, stage, strategy)
        self._take_over(cast, broker, nonce)
        stage.settle()
        executor = strategy._executor
        with stop_on_signals(self.stop):
            executor.start()
            while executor.is_alive():
                executor.join(0.2)
        if self.stop.is_set():
            strategy.on_abrupt_closing()
        cast.desk.record(RunStopped(why_stopped(self.stop.is_set(), executor.exception), cast.desk.iterations))
        return executor.exception

    def begin(self, cast: Cast, broker: DeskAlpaca, stage: Stage, strategy: Strategy) -> None:
        """Bring book and exchange together, of a run that goes on, and journal the start. Raises ReconciliationBreak."""
        resume_at = cast.desk.past.resume_at
        stage.attach(broker)
        if resume_at is not None:
            self._splits(cast, broker).look()  # first of all: exits are for as many shares as there are now
            # The exchange ended with the process before this one: nothing is on its way.
            adopt(cast.desk, broker, strategy, lost_after=timedelta(0))
            stage.settle()
        self._check(cast, broker, resumed=resume_at is not None)

    def _take_over(self, cast: Cast, broker: DeskAlpaca, nonce: str) -> None:
        behaviour = self.request.settings.behaviour
        if behaviour.found_positions == "protect":
            FoundPositions(cast.desk, broker.api, nonce, cast.clock, exit_rule_of(behaviour), self.show).protect()

    def _on_skip(self, desk: Desk) -> Callable[[BaseException], None]:
        def skip(error: BaseException) -> None:
            desk.record(IterationSkipped(f"{type(error).__name__}: {error}"[:500]))
            self.show("The exchange did not answer: this hook is skipped, nothing was decided; exits stay in force.")

        return skip

    def _splits(self, cast: Cast, broker: DeskAlpaca) -> Splits:
        return Splits(cast.desk, broker.api, cast.desk.past.last_at or cast.clock.now(), self.show)

    def _check(self, cast: Cast, broker: DeskAlpaca, resumed: bool) -> None:
        request = self.request
        options = {"sessions": request.sessions, "start": str(request.start), "speed": request.speed}
        started = RunStarted(request.strategy, "exchange", self.source.name, request.seed, resumed, options=options)
        found = cast.desk.start(started, self._splits(cast, broker).explained(broker_account(broker.api)))
        if found:
            told = "; ".join(str(each) for each in found)
            raise ReconciliationBreak(
                f"nothing was traded: {told}. Somebody else traded in this account, or a file of the run was changed; "
                "mend the account and resume, or start a new run"
            )

    def _exchange_config(self, first: date) -> ExchangeConfig:
        request = self.request
        return ExchangeConfig(
            source="bundled" if request.data is None else str(request.data),
            start=first,
            seed=request.seed,
            port=request.port,
            multiplier=1,  # the desk sizes by cash; it does not borrow
            state_file=self.folder.exchange_state,
            access_log=self.folder.access_log,
            holdings=holdings_of(request.settings.behaviour.exchange_holdings),
        )

    def _cast(self, desk: Desk, exchange: ExchangeProcess, clock: VirtualClock) -> Cast:
        behaviour = self.request.settings.behaviour
        endpoint = Endpoint(
            exchange.api_key,
            exchange.api_secret,
            is_paper=True,
            trading_url=exchange.url,
            data_url=exchange.url,
            stream_url=exchange.stream_url,
            requests_per_minute=UNLIMITED,
        )
        return Cast(
            self.strategy_class,
            self.request,
            desk,
            endpoint,
            clock,
            self.universe(),
            self.folder.models,
            self.on_iteration,
            self._gateway,
            # The barrier after each step of the clock sees to it that no update is missing. The exchange is on this machine, and
            # while its stream is down time stands still: there is nobody to spare.
            StreamTiming(resync_seconds=math.inf, first_retry_seconds=0.05, longest_retry_seconds=1.0),
            hedge=hedge_rules(behaviour, behaviour.sentiment_symbols.exchange),
            in_lockstep=True,
        )

    def _gateway(self, broker: DeskAlpaca, strategy: Strategy) -> Gateway:
        return DryRunGateway(broker.door, self.show) if self.request.dry_run else AlpacaGateway(broker, strategy)

    def universe(self) -> tuple[str, ...]:
        """Symbols to trade: the settings', as far as the source has them; all of a directory when nobody chose."""
        settings = self.request.settings
        if self.request.data is not None and "universe.exchange" not in settings.sources:
            return self.source.symbols
        there = tuple(symbol for symbol in settings.behaviour.universe.exchange if symbol in self.source.daily)
        if not there:
            raise ConfigurationError(
                f"universe.exchange {', '.join(settings.behaviour.universe.exchange)}: the data has none of these; "
                f"it has {', '.join(self.source.symbols[:10])}"
            )
        return there

    def _option_notes(self, desk: Desk) -> tuple[str, ...]:
        """What must stand beside figures of options that a model quotes."""
        book = desk.spreads
        return (MODEL_FILLS,) if book.open or len(book.closed) else ()

    def _made_notes(self) -> tuple[str, ...]:
        """What must stand beside figures of a strategy on bars that the data does not have."""
        if bar_seconds_of(self.strategy_class) is None or self.source.intraday:
            return ()
        return (
            f"The path between a day's open, high, low and close is made by code (seed {self.request.seed}): what a strategy on "
            "bars inside the day earns here says nothing about a market.",
        )

    def _result(
        self, desk: Desk, journal: Journal, report: dict[str, Any], seconds: float, error: BaseException | None
    ) -> RunResult:
        rows = tuple(journal.rows())
        behaviour = self.request.settings.behaviour
        facts = RunFacts(
            strategy=self.request.strategy,
            broker="exchange",
            source_label=self.source.label,
            seed=self.request.seed,
            gate_threshold=behaviour.confidence_threshold,
            gate_enforced=self.request.gate_enforced,
            unprotected_share_seconds=float(report["unprotected_share_seconds"]),
            notes=(*self.request.notes, *self.source.notes_on(self.universe()), *self._made_notes(), *self._option_notes(desk)),
        )
        record = run_record(rows, desk.book, self.source, facts, desk.spreads)
        return RunResult(record, counts(rows), desk.mode, desk.book, self.stop.is_set(), seconds, error)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
