"""Composition root: puts desk, broker, feeds and strategy together. The one place that knows all of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from zoneinfo import ZoneInfo

from lumibot.strategies import Strategy
from lumibot.strategies.strategy_executor import StrategyExecutor
from pydantic import SecretStr

from desk.brokers.alpaca import DeskAlpaca, WallTime
from desk.brokers.alpaca_gateway import AlpacaGateway
from desk.brokers.alpaca_intraday import IntradayHistory
from desk.brokers.alpaca_market import STALE_AFTER, AlpacaMarketFeed, DeskAlpacaData
from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_timing import StreamTiming
from desk.core.ports import Clock, Gateway, Journal
from desk.core.rebalance import RebalanceRules
from desk.core.review import Limits
from desk.data import calendars
from desk.domain.decisions import FixedExit, Target
from desk.domain.errors import BrokerUnreachable, DeskError, ReconciliationBreak, Refused
from desk.domain.market import Market
from desk.domain.trades import Account
from desk.journal.holder import Holder
from desk.journal.lease import Held
from desk.journal.memory import MemoryJournal
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal, open_journal
from desk.journal.verify import verify
from desk.runtime.account import LumibotAccountFeed
from desk.runtime.cadence import sleeptime_for
from desk.runtime.clock import SystemClock, stopwatch
from desk.runtime.corridor import Corridor, Iteration
from desk.runtime.decided import Decided
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread
from desk.runtime.guardian import Guardian
from desk.runtime.hosting import QUIET_ARGUMENTS, hosted
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder
from desk.runtime.spread_build import SpreadTeam, team_at
from desk.runtime.spread_keeper import Pace
from desk.runtime.spread_opener import SpreadArm
from desk.runtime.strategy import DeskStrategy, Surroundings
from desk.settings.behaviour import Behaviour
from hedging.rules import HedgeRules, inverse_funds, symbols

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


def inverse_symbols(behaviour: Behaviour) -> frozenset[str]:
    """The funds that rise when the market falls; they have a cap of their own."""
    funds = behaviour.inverse_etfs
    return frozenset({funds.general, funds.sp500, funds.tech})


def limits_of(behaviour: Behaviour, gate_enforced: bool) -> Limits:
    least = behaviour.confidence_threshold if gate_enforced else None
    return Limits(behaviour.max_position_fraction, least, inverse_symbols(behaviour), behaviour.max_inverse_fraction)


def hedge_rules(behaviour: Behaviour, names: Sequence[str]) -> HedgeRules:
    """Rules of the hedge, whose mood is that of `names`."""
    funds = behaviour.inverse_etfs
    return HedgeRules(
        inverse_funds(funds.general, funds.sp500, funds.tech),
        tuple(names),
        behaviour.overbought_rsi,
        behaviour.bearish_share,
        behaviour.rsi_length,
        behaviour.max_inverse_fraction,
        behaviour.stop_loss_fraction,
        behaviour.take_profit_fraction,
        behaviour.hedge_ratio,
        behaviour.hedging,
        cap_band_fraction=behaviour.trim_band_fraction,
    )


def exit_rule_of(behaviour: Behaviour) -> FixedExit:
    """Where the exits of found shares go; nothing makes those leave by time."""
    return FixedExit(
        behaviour.stop_loss_fraction,
        behaviour.take_profit_fraction,
        behaviour.break_even_after_fraction,
        behaviour.trail_fraction,
    )


def rules_of(behaviour: Behaviour) -> RebalanceRules:
    return RebalanceRules(
        behaviour.max_position_fraction,
        trim_band_fraction=behaviour.trim_band_fraction,
        tolerance_fraction=behaviour.tolerance_fraction,
        min_notional_usd=behaviour.min_trade_usd,
        cash_buffer_fraction=behaviour.cash_buffer_fraction,
        inverse_symbols=inverse_symbols(behaviour),
        max_inverse_fraction=behaviour.max_inverse_fraction,
    )


def plain(behaviour: Behaviour) -> Mapping[str, Any]:
    """Settings by name, for `DeskStrategy.parameters_from`."""
    return {name: getattr(behaviour, name) for name in type(behaviour).model_fields}


@contextmanager
def stopped_desk(folder: RunFolder, secret_url: SecretStr | None, purpose: str) -> Iterator[tuple[Desk, SqlJournal]]:
    """The desk of a run that nobody trades now, for a person's `purpose`, its book recovered; nobody starts it meanwhile.

    Raises Refused when a process trades it, ReconciliationBreak when its journal is not sound.
    """
    where = folder.journal_with(secret_url)
    with folder.locked(), closing(open_journal(where, fresh_nonce())) as journal:
        account = folder.identity().account
        if account is not None:
            try:
                take_lease(journal, Tenancy(account, SHORT_LEASE_SECONDS, lambda text: None, Event(), waits=False))
            except Refused as error:
                raise Refused(f"{purpose}: {error}") from None
        prove(where)
        desk = Desk(journal, SystemClock(), Limits(1.0))
        desk.recover()
        yield desk, journal


class PunctualDesk(Desk):
    """A desk that decides on no market older than the oldest quote may be: the machine slept since it was observed, say."""

    def decide(self, market: Market, account: Account, targets: Sequence[Target]) -> Decided:
        """Raises BrokerUnreachable, before anything is journaled, when the market is not of now."""
        age: timedelta = self._clock.now() - market.now
        if age > STALE_AFTER:
            raise BrokerUnreachable(
                f"the market was observed {age.total_seconds() / 60:.0f} minutes ago: the machine slept, or its clock was set; "
                "nothing is decided on it"
            )
        return super().decide(market, account, targets)


@dataclass(frozen=True)
class Tenancy:
    """How a run takes the account that its journal is for. `say` is told, once, why it has to wait; `stop` ends the wait."""

    account: str
    seconds: float
    say: Callable[[str], None]
    stop: Event
    waits: bool = True


def open_desk(request: RunRequest, journal_at: Path | str, clock: Clock, tenancy: Tenancy | None = None) -> tuple[Desk, Journal]:
    """A desk in a thread of its own over the journal at `journal_at`, with its book recovered, under a lease if there is one.

    A dry run works on a copy in memory: what it does not send must not stand in the journal as if it might have been.
    Raises Refused when another process has the account and nobody is to wait, ReconciliationBreak when the journal is not
    sound: a book that is rebuilt from it would not be the account's.
    """
    stored = open_journal(journal_at, fresh_nonce())
    journal: Journal = stored
    try:
        if tenancy is not None:
            take_lease(stored, tenancy)
        prove(journal_at)
        if request.dry_run:
            journal = _copied(stored)
        behaviour = request.settings.behaviour
        desk = PunctualDesk(journal, clock, limits_of(behaviour, request.gate_enforced), rules_of(behaviour))
        desk.work_in(DeskThread(on_error=lambda error: desk.halt(f"the desk met an error: {type(error).__name__}: {error}")))
        desk.recover()
    except BaseException:
        stored.close()
        raise
    return desk, journal


def prove(journal_at: Path | str) -> None:
    """Raises ReconciliationBreak, naming the first bad row, for a journal that `desk journal verify` rejects.

    Call it as the one that may write the journal: nobody changes it then between this proof and the reading.
    """
    with closing(JournalReader(journal_at)) as reader:
        verdict = verify(reader)
    if verdict.problem is not None:
        raise ReconciliationBreak(
            f"journal {reader}: {verdict.problem}. {verdict.rows} rows before it are sound. Nothing was traded; exits that rest "
            "at the broker stay in force. Restore a sound copy of the journal; without one, look at the broker's own list of "
            "positions and orders, close what nobody shall look after, move the run's folder away and start anew"
        )


# A command that a person waits for is long done by then.
SHORT_LEASE_SECONDS = 60.0
# Between two looks at a lease that another process holds.
LOOK_AGAIN_SECONDS = 1.0


def take_lease(journal: SqlJournal, tenancy: Tenancy) -> None:
    """Become the one that trades the account. Raises Refused, or DeskError when the wait was stopped."""
    wall, told = SystemClock(), False
    holder = Holder.this_process(wall.now())
    while isinstance(held := journal.lease.take(tenancy.account, wall.now(), holder, tenancy.seconds), Held):
        if not tenancy.waits:
            raise Refused(f"{held}. Nothing was started; stop that process first, or let it trade")
        if not told:
            tenancy.say(f"{held}. This process waits until that one lets go; Ctrl-C ends the wait")
            told = True
        if tenancy.stop.wait(LOOK_AGAIN_SECONDS):
            raise DeskError(f"stopped while {held.holder} traded account {held.account}; nothing was started")


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
    hedge: HedgeRules | None = None
    in_lockstep: bool = False  # with the built-in exchange, whose time stands still until all is sent


def connect(cast: Cast) -> DeskAlpaca:
    """The broker at `cast.endpoint`, its stream thread started. Raises what the endpoint raises when it refuses."""
    data = DeskAlpacaData(cast.endpoint, cast.clock)
    wall = WallTime(SystemClock().now, stopwatch, cast.request.seed or 0)
    return DeskAlpaca(cast.endpoint, cast.desk, cast.clock, data, market_hours, wall, cast.timing, cast.in_lockstep)


def host(
    cast: Cast, broker: DeskAlpaca, executor_for: Callable[[Any], StrategyExecutor] | None, arm: SpreadArm | None = None
) -> Strategy:
    """The strategy on `broker`; with `executor_for` None it keeps Lumibot's own executor."""
    cls = cast.strategy_class
    if issubclass(cls, DeskStrategy):
        parameters = cls.parameters_from(plain(cast.request.settings.behaviour))
        surroundings = Surroundings(cast.model_folder, hedge=cast.hedge)
        cls = cls.bound(lambda strategy: _corridor(cast, broker, strategy, arm), parameters, surroundings)
        cls.sleeptime_setting = sleeptime_for(cast.request.settings.behaviour.sleeptime, cls)
    if executor_for is not None:
        cls = hosted(cls, executor_for)
    strategy = cls(broker=broker, name=cast.request.strategy, **QUIET_ARGUMENTS)
    # Before anything else: what a restart finds without exits is covered before the first iteration.
    cast.desk.send_through(cast.gateway_for(broker, strategy))
    return strategy


def _corridor(cast: Cast, broker: DeskAlpaca, strategy: DeskStrategy, arm: SpreadArm | None) -> Corridor:
    client, seconds = broker.data_source.stock_client(), strategy.bar_seconds
    intraday = None if seconds is None else IntradayHistory(client, seconds, market_hours)
    longer = [IntradayHistory(client, each, market_hours) for each in strategy.longer_bar_seconds]
    feed = AlpacaMarketFeed(client, cast.clock, intraday=intraday, longer=longer)
    watched = symbols(cast.hedge) if cast.hedge is not None and cast.hedge.is_on else ()
    return Corridor(cast.desk, feed, LumibotAccountFeed(strategy), cast.universe, cast.watch, watched, arm)


def spread_team(cast: Cast, broker: DeskAlpaca, pace: Pace, show: Callable[[str], None]) -> SpreadTeam:
    """What opens and looks after option spreads in the account of `cast`; it asks nothing while there are none."""
    settings = cast.request.settings.behaviour.spreads
    return team_at(broker, cast.endpoint, cast.desk, cast.clock, market_hours, pace, settings, show)


def guardian_of(cast: Cast, broker: DeskAlpaca, every: timedelta) -> Guardian:
    """A guardian over the desk of `cast`, with prices from `broker`."""
    feed = AlpacaMarketFeed(broker.data_source.stock_client(), cast.clock)
    return Guardian(cast.desk, feed, cast.clock, market_hours, every)
