"""Option spreads in a backtest: the same opener, keeper and desk as live, at the moments of a session whose prices are known.

An order of a backtest fills at once or not at all, so the steps of its ladder are gone through in time of their own: the desk's
clock goes on for as many seconds as the orders would have stood, while the market stands still. None of it takes longer than is
left of the session.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from desk.brokers.option_account import OptionAccount
from desk.brokers.option_venue import OptionVenue, VenueTerms
from desk.core.spread_entry import Planned, SpreadPolicy
from desk.data.calendars import NEW_YORK, session_on
from desk.data.source import Source
from desk.runtime.desk import Desk
from desk.runtime.option_history import Fills, Look, OptionAssumptions, OptionHistory, looks_on
from desk.runtime.spread_keeper import Pace, SpreadKeeper
from desk.runtime.spread_opener import SpreadArm, SpreadOpener, Standing
from options.gates import SPREAD_LEVEL, Opportunity
from options.refusals import SpreadRefusal

# Looks are driven by the sessions; what the account tells is asked for once in each.
PACE = Pace(timedelta(0), timedelta(0), timedelta(hours=1))
A_SECOND = timedelta(seconds=1)


class LookClock:
    """The backtesting broker's simulated time, known once Lumibot has built it; during a look the time of that look."""

    def __init__(self) -> None:
        self.broker: Any = None
        self.look_time: datetime | None = None
        self.sessions: SpreadSessions | None = None

    def passes(self, now: datetime) -> None:
        """Have spreads looked after as time goes on."""
        if self.sessions is not None:
            self.sessions.pass_time(now)

    def now(self) -> datetime:
        if self.look_time is not None:
            return self.look_time
        moment: datetime = self.broker.datetime
        return moment.astimezone(UTC)


class SpreadSessions:
    """Looks after spreads at each look of each session; what is wanted is opened at the first one that has quotes for it."""

    def __init__(
        self, history: OptionHistory, venue: OptionVenue, opener: SpreadOpener, keeper: SpreadKeeper, clock: LookClock
    ) -> None:
        self._history = history
        self._venue = venue
        self._opener = opener
        self._keeper = keeper
        self._clock = clock
        self._day = date.min
        self._looks: list[Look] = []
        self._wanted: dict[str, Opportunity] = {}

    def want(self, opportunities: Collection[Opportunity], now: datetime) -> Mapping[str, Planned | SpreadRefusal]:
        """At an iteration: what is worth a spread now, instead of what was before. Returns what was decided at once."""
        self._begin(now)
        self._wanted = {each.underlying: each for each in opportunities}
        return self._reach(now)

    def pass_time(self, now: datetime) -> None:
        """The clock has come to `now` (aware): the looks before it are due. One of now itself comes after its iteration."""
        self._begin(now)
        self._reach(now - A_SECOND)

    def _begin(self, now: datetime) -> None:
        day = now.astimezone(NEW_YORK).date()
        if day != self._day:
            self._day, self._looks, self._wanted = day, list(looks_on(day)), {}

    def _reach(self, now: datetime) -> dict[str, Planned | SpreadRefusal]:
        decided: dict[str, Planned | SpreadRefusal] = {}
        while self._looks and self._looks[0].at <= now:
            decided |= self._look(self._looks.pop(0))
        return decided

    def _look(self, look: Look) -> dict[str, Planned | SpreadRefusal]:
        if not self._wanted and not self._keeper_has_work():
            return {}
        self._history.stand_at(look)
        self._clock.look_time = look.at
        try:
            self._venue.meet()
            decided = self._open(look.at)
            self._tend(look)
            self._venue.meet()
        finally:
            self._clock.look_time = None
        return decided

    def _keeper_has_work(self) -> bool:
        return bool(self._opener.desk.spreads.open)

    def _open(self, at: datetime) -> dict[str, Planned | SpreadRefusal]:
        due = [symbol for symbol in self._wanted if self._history.is_quoted(symbol)]
        return {symbol: self._opener.open(self._wanted.pop(symbol), at) for symbol in due}

    def _tend(self, look: Look) -> None:
        """Look again and again, as long as an order stands that its ladder would take further."""
        now = look.at
        end = min(look.session.closes_at - A_SECOND, now + self._longest_ladder())
        while True:
            self._keeper.look(now)
            if not self._venue.has_orders or now >= end:
                return
            now = min(end, now + self._shortest_rung())
            self._clock.look_time = now

    def _longest_ladder(self) -> timedelta:
        rules = self._opener.policy.rules
        return timedelta(seconds=max(rules.entry_seconds, rules.rungs * rules.rung_seconds) + rules.rung_seconds)

    def _shortest_rung(self) -> timedelta:
        return timedelta(seconds=self._opener.policy.rules.rung_seconds)


@dataclass(frozen=True)
class SessionArm(SpreadArm):
    """What an iteration of a backtest does about spreads."""

    sessions: SpreadSessions

    def iterate(self, opportunities: Collection[Opportunity], now: datetime) -> Mapping[str, Planned | SpreadRefusal]:
        return self.sessions.want(opportunities, now)


@dataclass(frozen=True)
class OptionSide:
    """The option side of one backtest."""

    history: OptionHistory
    venue: OptionVenue
    arm: SessionArm


def option_side(
    strategy: Any, desk: Desk, source: Source, policy: SpreadPolicy, assumed: OptionAssumptions, clock: LookClock
) -> OptionSide:
    """The option side of `strategy`'s backtest, attached to its broker."""
    history = OptionHistory(source, clock, assumed)
    choice = replace(policy.choice, roots=policy.choice.roots | history.roots)
    policy = replace(policy, choice=choice, roll=replace(policy.roll, spread=choice))
    terms = VenueTerms(assumed.fills is Fills.MID, assumed.fee_usd, assumed.assigns_early)
    account = OptionAccount(strategy.broker, strategy)
    venue = OptionVenue(account, desk, history, clock, terms)
    account.attach(venue.end_session, lambda: venue.kept_aside_usd)
    opener = SpreadOpener(desk, history, lambda: Standing(SPREAD_LEVEL, venue.buying_power_usd), hours_of, policy)
    keeper = SpreadKeeper(desk, history, venue, hours_of, PACE, policy, lambda text: None)
    clock.sessions = sessions = SpreadSessions(history, venue, opener, keeper, clock)
    return OptionSide(history, venue, SessionArm(opener, keeper.look, keeper.part, sessions))


def hours_of(now: datetime) -> tuple[datetime, datetime] | None:
    """Opening and close of the session that is on at `now` (aware), None outside of one."""
    session = session_on(now.astimezone(NEW_YORK).date())
    if session is None or not session.opens_at <= now < session.closes_at:
        return None
    return session.opens_at, session.closes_at
