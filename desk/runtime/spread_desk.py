"""The desk of a stopped run, opened for a person's orders for option spreads: at Alpaca, or at the run's built-in exchange.

It takes the way that a start of the run takes, up to the first iteration, under the same lease and into the same journal, so that
the next start knows every order. While it is open all spreads of the run are looked after by their rules.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock
from desk.data import calendars
from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.domain.errors import BrokerUnreachable, ReconciliationBreak, UsageError
from desk.domain.journal import RunStarted, RunStopped
from desk.domain.spreads import Spread
from desk.journal.sql import SqlJournal
from desk.runtime.account import Patience, Reconciler, Splits
from desk.runtime.adoption import adopt
from desk.runtime.alpaca_run import STREAM_TIMEOUT_SECONDS
from desk.runtime.build import NEW_YORK, Cast, Tenancy, connect, host, market_hours, open_desk, spread_team
from desk.runtime.clock import stopwatch, wait_seconds
from desk.runtime.desk import Desk
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.execution_watch import ExecutionWatch, beside
from desk.runtime.heartbeat import HeartbeatThread, Rhythm, Vitals, pulse_of, stream_of
from desk.runtime.look import Idle, _request, answered, check_keys, unheard_since
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder
from desk.runtime.spread_build import SpreadTeam
from desk.runtime.spread_keeper import IN_MOTION, LIVE_PACE, REPLAY_PACE
from desk.settings.load import Settings

# Beyond the steps of a ladder: what a broker takes to answer the last of them.
GRACE = timedelta(seconds=60)
# Half an hour into a session its first quotes are over.
AFTER_OPENING = timedelta(minutes=30)
COMMAND = "desk options"


@dataclass(frozen=True)
class SpreadDesk:
    """`pass_time` lets that much of the market's time go by; `settle` has the broker answer what was sent."""

    desk: Desk
    team: SpreadTeam
    clock: Clock
    pass_time: Callable[[], None]
    settle: Callable[[], None]

    def carry_out(self) -> bool:
        """Look after all spreads until none of them is on its way; False when that took longer than their ladders do."""
        until = self.clock.now() + self._patience()
        while True:
            self.team.keeper.look(self.clock.now())
            self.settle()
            if not self._moving():
                return True
            if self.clock.now() >= until:
                return False
            self.pass_time()

    def _moving(self) -> list[Spread]:
        every = (spread for key, spread in self.desk.spreads.open.items() if key not in self.team.keeper.unsalable)
        return [spread for spread in every if spread.phase in IN_MOTION or spread.working]

    def _patience(self) -> timedelta:
        rules = self.team.opener.policy.rules
        ladder = max(rules.entry_seconds, 2 * rules.rungs * rules.rung_seconds)
        return timedelta(seconds=ladder) + GRACE


# ---- at the built-in exchange ----------------------------------------------------------------------------------------------


@contextmanager
def on_exchange(
    folder: RunFolder, settings: Settings, show: Callable[[str], None], to_next_session: bool = False
) -> Iterator[SpreadDesk]:
    """The desk at the exchange of the run in `folder`, as it was left or from its beginning; it goes on from there afterwards.

    With `to_next_session` and a closed market its time first goes on to half an hour after the next opening. Raises Refused while
    a process plays the run, UsageError where the data ends before that.
    """
    run = exchange_run(folder, settings, show)
    with ExitStack() as stack:
        there = run.connected(stack, run.sessions()[0].day)
        run.begin(there.cast, there.broker, there.stage, host(there.cast, there.broker, None))
        there.stage.settle()
        if to_next_session and market_hours(there.clock.now()) is None:
            moment = _after_next_opening(run, there.clock.now())
            show(f"The exchange's time goes on to {moment.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York.")
            there.stage.move_to(moment)
        step = REPLAY_PACE.working
        yield SpreadDesk(
            there.desk, there.team, there.clock, lambda: there.stage.move_to(there.clock.now() + step), there.stage.settle
        )
        there.stage.settle()
        there.desk.record(RunStopped(COMMAND, there.desk.iterations))
        run.executions().look()


def exchange_run(folder: RunFolder, settings: Settings, show: Callable[[str], None]) -> ExchangeRun:
    """The run in `folder`, for those who need its exchange and no strategy."""
    identity = folder.identity()
    source = load_bundled() if identity.source == "bundled" else load_directory(Path(identity.source))
    return ExchangeRun(_request(folder, identity, settings), Idle, source, folder, show=show)


def _after_next_opening(run: ExchangeRun, now: datetime) -> datetime:
    today = now.astimezone(NEW_YORK).date()
    session = calendars.session_on(today)
    if session is None or now >= session.closes_at:
        session = calendars.next_session(today)
    last = run.source.sessions()[-1]
    if session.day > last:
        raise UsageError(f"{run.folder.path}: its data ends on {last}; nothing trades after that. Take another run, or a new one")
    return session.opens_at + AFTER_OPENING


@contextmanager
def rehearsal(folder: RunFolder) -> Iterator[RunFolder]:
    """A copy of a run's folder, for what shall leave the run as it is. Raises Refused while a process plays the run."""
    with TemporaryDirectory() as beside_it:
        copy = RunFolder(Path(beside_it) / folder.path.name)
        with folder.locked():
            copy.path.mkdir()
            for file in folder.path.iterdir():
                if file.name.startswith(("journal.db", "run.json", folder.exchange_state.name)):
                    shutil.copyfile(file, copy.path / file.name)
        yield copy


# ---- at Alpaca ---------------------------------------------------------------------------------------------------------------


@contextmanager
def at_alpaca(
    folder: RunFolder,
    settings: Settings,
    endpoint: Endpoint,
    clock: Clock,
    show: Callable[[str], None],
    rhythm: Rhythm | None = None,
) -> Iterator[SpreadDesk]:
    """The desk of the stopped run in `folder` at `endpoint`. Raises Refused when a process trades the account, BrokerUnreachable,
    UsageError for keys of another account, ReconciliationBreak for an account that the journal does not explain."""
    rhythm = rhythm or Rhythm()
    identity = folder.identity()
    account = check_keys(folder, identity, endpoint)
    request = RunRequest(identity.strategy, settings, folder.path.parent, once=True)
    where = folder.journal_with(settings.journal_url)
    with ExitStack() as stack:
        stack.enter_context(folder.locked())
        tenancy = Tenancy(account, rhythm.lease_seconds, show, Event(), waits=False)
        desk, journal = open_desk(request, where, clock, tenancy)
        stack.callback(journal.close)
        stack.callback(desk.close)
        pulse = _pulse(stack, desk, journal, rhythm)
        cast = Cast(Idle, request, desk, endpoint, clock, (), folder.models, lambda iteration: None)
        with answered("What was sent before is in the journal, and the next start knows of it"):
            broker = _connected(stack, cast, pulse)
            _begin(cast, broker, rhythm, show)
            team = spread_team(cast, broker, LIVE_PACE, show)
            step = LIVE_PACE.working.total_seconds()
            yield SpreadDesk(desk, team, clock, lambda: wait_seconds(step), lambda: _settle(desk, broker))
            _settle(desk, broker)
        desk.record(RunStopped(COMMAND, desk.iterations))
        ExecutionWatch(where, beside(folder.path.parent), folder.path.name).look()


def _pulse(stack: ExitStack, desk: Desk, journal: object, rhythm: Rhythm) -> HeartbeatThread | None:
    pulse = pulse_of(desk, journal, rhythm) if isinstance(journal, SqlJournal) else None
    if pulse is not None:
        stack.callback(pulse.stop)
        pulse.start()
    return pulse


def _connected(stack: ExitStack, cast: Cast, pulse: HeartbeatThread | None) -> DeskAlpaca:
    broker = connect(cast)
    stack.callback(broker.close)
    deadline = stopwatch() + STREAM_TIMEOUT_SECONDS
    while not broker.is_stream_running():
        if stopwatch() > deadline:
            raise BrokerUnreachable(
                "the broker's order stream did not come up, and no order is sent without it; try again in a minute"
            )
        wait_seconds(0.05)
    if pulse is not None:
        pulse.follow(Vitals(lambda: stream_of(broker)))
    return broker


def _begin(cast: Cast, broker: DeskAlpaca, rhythm: Rhythm, show: Callable[[str], None]) -> None:
    """Book what happened meanwhile and compare, as a start does."""
    desk, now = cast.desk, cast.clock.now()
    before = unheard_since(desk.past)
    splits, strategy = Splits(desk, broker.api, before or now, show), host(cast, broker, None)
    if before is not None:
        splits.look()
        adopt(desk, broker, strategy)

    def goes_on(seconds: float) -> bool:
        wait_seconds(seconds)
        return False

    reconciler = Reconciler(desk, broker, strategy, before or now, show, Patience(rhythm.looks_seconds, goes_on))
    started = RunStarted(cast.request.strategy, "alpaca", "alpaca", None, before is not None)
    found = desk.start(started, splits.explained(reconciler.view()))
    if found:
        raise ReconciliationBreak("nothing was traded: " + "; ".join(str(each) for each in found))


def _settle(desk: Desk, broker: DeskAlpaca) -> None:
    desk.drain()
    broker._orders_queue.join()
    desk.drain()
