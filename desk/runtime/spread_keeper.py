"""Looks after option spreads between iterations: asks what no stream tells, reads the quotes, and has the desk do what is due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.ports import OptionActivities, OptionFeed
from desk.core.spread_entry import SpreadPolicy, rolled_plan
from desk.core.spread_moves import Sight
from desk.data import calendars
from desk.domain.options import OptionQuote
from desk.domain.spreads import Spread, SpreadPhase, SpreadPlan, SpreadTurned, Turn
from desk.runtime.contract_days import minutes_to_close
from desk.runtime.desk import Desk
from desk.runtime.guardian import Hours
from desk.runtime.spread_account import UNREADABLE, SpreadAccount
from desk.runtime.spread_market import SpreadMarket
from desk.runtime.spread_opener import HIGHEST_OF_SPOT, LOWEST_OF_SPOT, is_session
from desk.runtime.spread_teller import SpreadTeller
from desk.runtime.spreads import Spreads
from options import occ
from options.exits import CAN_WAIT, Leave, Look, Roll, outranks, rule_of, wish
from options.expirations import days_left, new_york_day
from options.gates import Entry, calendar_refusal
from options.refusals import SpreadRefusal
from options.roll import RollTarget, roll_target

log = logging.getLogger(__name__)
# Quotes of the first minutes are wide, and an exit that takes them pays for it: rules that nothing hurries wait.
AFTER_OPENING = timedelta(minutes=10)
OPENING = frozenset({SpreadPhase.ENTERING, SpreadPhase.ROLLING})
PARTING_LOOKS, PARTING_SECONDS = 20, 0.25
IN_MOTION = frozenset({SpreadPhase.ENTERING, SpreadPhase.CLOSING, SpreadPhase.ROLLING, SpreadPhase.REPAIRING})


@dataclass(frozen=True, slots=True)
class Pace:
    """Time between two looks while orders work, while spreads are only held, and between two questions for activities."""

    working: timedelta
    held: timedelta
    account: timedelta


LIVE_PACE = Pace(timedelta(seconds=2), timedelta(minutes=1), timedelta(minutes=5))
# In a replay each look costs a request, and time stands still until it is answered.
REPLAY_PACE = Pace(timedelta(seconds=10), timedelta(minutes=30), timedelta(hours=2))


class Faults:
    """Errors that keep nothing else from being done: each is logged as it comes, and the first is raised when all is done."""

    def __init__(self) -> None:
        self._first: Exception | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            log.exception("spreads were looked after but for this")
            self._first = self._first or error

    def raise_first(self) -> None:
        if self._first is not None:
            raise self._first


class SpreadKeeper:
    """Any thread may have it look; one look at a time. What it has done goes through the desk, so all of it is journaled.

    `unsalable` are the keys of spreads of which only bought puts are left that nobody bids for, as of the last look. An error
    about one spread keeps no other from being looked after; it is raised after that.
    """

    def __init__(
        self,
        desk: Desk,
        feed: OptionFeed,
        activities: OptionActivities,
        hours: Hours,
        pace: Pace,
        policy: SpreadPolicy,
        show: Callable[[str], None],
        resync: Callable[[], object] = lambda: None,
    ) -> None:
        self._desk = desk
        self._feed = feed
        self._account = SpreadAccount(desk, activities, pace.account, resync)
        self._hours = hours
        self._pace = pace
        self._policy = policy
        self._show = show
        self._market = SpreadMarket(desk, feed)
        self._teller = SpreadTeller(show)
        self._lock = Lock()
        self._looked_at: datetime | None = None
        self._protecting: frozenset[str] = frozenset()
        self.unsalable: frozenset[str] = frozenset()

    @property
    def quotes(self) -> Mapping[str, OptionQuote]:
        """Those of the last look, by contract."""
        return self._market.quotes

    def next_look(self, now: datetime) -> datetime | None:
        """When to look again, which may be past; None while there is no spread."""
        open_spreads = self._desk.spreads.open.values()
        if not open_spreads:
            return None
        if self._looked_at is None:
            return now
        if self._hours(now) is None:
            return _next_opening(now)
        moving = (spread for spread in open_spreads if spread.working or spread.phase in IN_MOTION)
        is_moving = any(spread.working or spread.key not in self._protecting for spread in moving)
        return self._looked_at + (self._pace.working if is_moving else self._pace.held)

    def look(self, now: datetime) -> None:
        """Ask for what is new, and have the desk do what is due about each spread. A broker that is silent tells nothing new."""
        with self._lock:
            faults = Faults()
            self._look(now, faults)
            faults.raise_first()

    def part(self, now: Callable[[], datetime], wait: Callable[[float], object]) -> None:
        """The last thing before nobody looks any more: entries and rolls that work are called back, until they have ended."""
        with self._lock:
            faults = Faults()
            for _ in range(PARTING_LOOKS):
                self._look(now(), faults, may_open=False)
                spreads = self._desk.spreads.open.values()
                if not any(spread.working and spread.phase in OPENING for spread in spreads):
                    break
                wait(PARTING_SECONDS)
            faults.raise_first()

    def _look(self, now: datetime, faults: Faults, may_open: bool = True) -> None:
        if not self._desk.spreads.open:
            self._market.look(now, None, ())  # what was missing of others says nothing of the next one
            return
        self._looked_at = now
        with faults.kept():
            self._account.ask(now)
        hours, open_spreads = self._hours(now), tuple(self._desk.spreads.open.values())
        with faults.kept():
            self._market.look(now, hours, open_spreads)
        for spread in open_spreads:
            with faults.kept():
                self._tend(spread.key, self._sight(spread, now, hours, may_open))
        # Looked at as often as what is merely held: somebody may bid for them yet, and nothing is at risk until then.
        left = [spread for spread in self._desk.spreads.open.values() if _has_only_protection(spread, now)]
        self._protecting = frozenset(spread.key for spread in left)
        self.unsalable = frozenset(spread.key for spread in left if self._market.is_unbid(spread))
        with faults.kept():
            self._teller.tell(self._desk.spreads, self._market)

    def _tend(self, key: str, sight: Sight) -> None:
        self._desk.about_spreads(lambda spreads: spreads.tend(key, sight))

    def _sight(self, spread: Spread, now: datetime, hours: tuple[datetime, datetime] | None, may_open: bool) -> Sight:
        market = self._market
        spot = market.spots.get(spread.plan.underlying)
        look = look_at(spread, now, hours is not None, market.quotes, spot, self._policy)
        is_early = hours is not None and now - hours[0] < AFTER_OPENING
        wanted = self._wish(spread, look, is_early) if spread.short or spread.long else None
        waits = is_early and rule_of(spread.why) in CAN_WAIT and look.minutes_to_close is None
        return Sight(
            now,
            hours is not None,
            may_open,
            has_ended=look.is_over,
            quotes=market.quotes,
            wish=wanted,
            unquoted_since=market.unquoted_since(spread),
            waits=waits,
            shares_there=self._account.shares_there(spread),
        )

    # ---- wishes ------------------------------------------------------------------------------------------------------------

    def _wish(self, spread: Spread, look: Look, is_early: bool) -> SpreadTurned | None:
        wanted = wish(look, spread.plan.rules)
        if spread.phase is SpreadPhase.CLOSING and wanted is not None and outranks(spread.why, wanted):
            return SpreadTurned(spread.key, Turn.LEAVE, wanted.reason)
        if spread.phase not in (SpreadPhase.OPEN, SpreadPhase.ENTERING, SpreadPhase.ROLLING):
            return None
        if wanted is None or (is_early and wanted.rule in CAN_WAIT and look.minutes_to_close is None):
            return None
        if isinstance(wanted, Leave):
            # A roll is on its way out already; only a rule that cannot wait ends it.
            return SpreadTurned(spread.key, Turn.LEAVE, wanted.reason)
        if spread.phase is SpreadPhase.ROLLING:
            return None
        return self._roll(spread, wanted, look)

    def _roll(self, spread: Spread, wanted: Roll, look: Look) -> SpreadTurned:
        """Have the desk open what the spread is to be rolled into; what could not be rolled before is left."""
        leave = SpreadTurned(spread.key, Turn.LEAVE, wanted.reason)
        was_tried = any(each.plan.rolled_from == spread.key for each in self._desk.spreads.closed.values())
        if spread.phase is not SpreadPhase.OPEN or was_tried or look.spot is None:
            return leave
        try:
            into = roll_into(self._feed, spread, look.spot, self._policy, look.now)
            why_not = _why_not_into(into, spread)
            if why_not is not None or isinstance(into, SpreadRefusal):
                self._show(f"{spread.plan.underlying}: not rolled, {why_not}")
                return leave
            self._desk.about_spreads(lambda spreads: begin_roll(spreads, spread, into, self._policy, look.now))
        except (RequestException, APIError) as error:
            log.warning("no chain to roll %s into: %r", spread.key, error)
            return leave
        except UNREADABLE as error:
            # A person has to look; what cannot be rolled is left.
            self._desk.trouble(f"the chain to roll {spread.key} into could not be read, and it is left instead: {error!r}")
            return leave
        return SpreadTurned(spread.key, Turn.ROLL, wanted.reason)


def _why_not_into(into: RollTarget | SpreadRefusal, spread: Spread) -> str | None:
    """Why a spread is not rolled into what was found for it."""
    if isinstance(into, SpreadRefusal):
        return into.text
    limit, delta = spread.plan.rules.breach_delta, into.spread.short_delta
    return None if limit is None or abs(delta or 0.0) < limit else f"the next delta would be {delta:.2f} at once"


def look_at(
    spread: Spread,
    now: datetime,
    is_open: bool,
    quotes: Mapping[str, OptionQuote],
    spot: float | None,
    policy: SpreadPolicy,
) -> Look:
    """What the exit rules are shown of a spread at `now` (aware)."""
    plan, contract = spread.plan, occ.parse(spread.plan.short)
    short, long = quotes.get(plan.short), quotes.get(plan.long)
    has_pair = short is not None and long is not None and short.ask > 0 and spread.short > 0
    today = new_york_day(now)
    coming = [day for day in policy.ex_dividends.get(plan.underlying, ()) if day > today]
    return Look(
        now=now,
        is_market_open=is_open,
        credit=spread.credit or plan.credit,
        short_strike=contract.strike,
        days=days_left(contract.expiration, now),
        minutes_to_close=minutes_to_close(contract, now),
        debit_mid=short.mid - long.mid if has_pair and short and long else None,
        debit_natural=short.ask - long.bid if has_pair and short and long else None,
        spot=spot,
        short_delta=None if short is None else short.delta,
        ex_dividend=min(coming, default=None),
        next_session=calendars.next_session(today).day,
    )


def roll_into(feed: OptionFeed, spread: Spread, spot: float, policy: SpreadPolicy, now: datetime) -> RollTarget | SpreadRefusal:
    """Where a spread would be rolled to at `now` (aware); `spot` is its underlying's price. Raises what the feed raises."""
    last = new_york_day(now) + timedelta(days=policy.roll.spread.window.max_days)
    first = occ.parse(spread.plan.short).expiration
    chain = feed.chain(spread.plan.underlying, first, last, spot * LOWEST_OF_SPOT, spot * HIGHEST_OF_SPOT)
    found = roll_target(chain, spread.plan.short, spread.plan.long, policy.roll, now, is_session)
    if isinstance(found, SpreadRefusal):
        return found
    entry = Entry(found.spread, spread.short, found.spread.credit, policy.earnings, policy.ex_dividends)
    return calendar_refusal(entry, now, policy.limits) or found


def begin_roll(spreads: Spreads, spread: Spread, into: RollTarget, policy: SpreadPolicy, now: datetime) -> SpreadPlan:
    """Open the spread that this one is to be rolled into; the turn of this one follows. Returns what was opened."""
    count, least = min(spread.short, spread.long), policy.roll.min_net_credit
    plan = rolled_plan(spread.plan, into.spread, least, count, spreads.roll_key(spread.plan.underlying, now), now)
    spreads.open(plan)
    return plan


def _has_only_protection(spread: Spread, now: datetime) -> bool:
    """Whether bought puts are all that is left of one that is being left, and no order could be sent for them: nobody bids."""
    is_left = spread.phase in (SpreadPhase.CLOSING, SpreadPhase.REPAIRING)
    is_bare = is_left and not (spread.short or spread.stock or spread.coming)
    may_ask = spread.retry_at is None or spread.retry_at <= now
    return is_bare and spread.long > 0 and not spread.working and may_ask


def _next_opening(now: datetime) -> datetime:
    today = calendars.session_on(new_york_day(now))
    if today is not None and now < today.opens_at:
        return today.opens_at
    return calendars.next_session(new_york_day(now)).opens_at
