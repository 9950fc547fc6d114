"""Looks after option spreads between iterations: asks what no stream tells, reads the quotes, and has the desk do what is due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from threading import Lock
from typing import TypeVar

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.ports import OptionActivities, OptionActivity, OptionFeed
from desk.core.spread_book import SpreadBook
from desk.core.spread_entry import SpreadPolicy, rolled_plan
from desk.core.spread_moves import Sight
from desk.core.spread_reconcile import ContractBreak, contract_breaks
from desk.data import calendars
from desk.domain.options import CONTRACT_SHARES, OptionQuote
from desk.domain.spreads import Settlement, Spread, SpreadPhase, SpreadPlan, SpreadSettled, SpreadTurned, Turn
from desk.runtime.desk import Desk
from desk.runtime.spreads import Spreads
from options import occ
from options.exits import Leave, Look, Roll, wish
from options.expirations import days_left, new_york_day
from options.refusals import SpreadRefusal
from options.roll import RollTarget, roll_target

log = logging.getLogger(__name__)
Hours = Callable[[datetime], tuple[datetime, datetime] | None]
Told = TypeVar("Told", OptionQuote, float)
# Activities of a spread's last days come the next morning; a long weekend may lie between.
LOOK_BACK = timedelta(days=7)
# What a broker's answer raises that is not as documented.
UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError)
# A difference in positions that nothing explains is believed when it has lasted so long.
BELIEVED_AFTER = timedelta(minutes=10)
# Contracts are listed around the market; those further off are no candidates to roll into.
LOWEST_OF_SPOT, HIGHEST_OF_SPOT = 0.6, 1.05
# What comes for a put, by how it ended: shares, whose price is paid, or the other way round.
SHARES_SIGN = {Settlement.ASSIGNED: 1, Settlement.EXERCISED: -1, Settlement.EXPIRED: 0}
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


class SpreadKeeper:
    """Any thread may have it look; one look at a time. What it has done goes through the desk, so all of it is journaled."""

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
        self._activities = activities
        self._hours = hours
        self._pace = pace
        self._policy = policy
        self._show = show
        self._resync = resync
        self._lock = Lock()
        self._looked_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._odd_since: dict[str, datetime] = {}
        self._told: dict[str, str] = {}
        self._unsalable: frozenset[str] = frozenset()

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
        is_moving = any(spread.working or spread.key not in self._unsalable for spread in moving)
        return self._looked_at + (self._pace.working if is_moving else self._pace.held)

    def look(self, now: datetime) -> None:
        """Ask for what is new, and have the desk do what is due about each spread. A broker that is silent tells nothing new."""
        with self._lock:
            self._look(now)

    def _look(self, now: datetime) -> None:
        if not self._desk.spreads.open:
            return
        self._looked_at = now
        self._ask_the_account(now)
        hours = self._hours(now)
        quotes, spots = self._market(now) if hours is not None else ({}, {})
        for spread in tuple(self._desk.spreads.open.values()):
            sight = self._sight(spread, now, hours, quotes, spots)
            self._tend(spread.key, sight)
        # Looked at as often as what is merely held: somebody may bid for them yet, and nothing is at risk until then.
        left = self._desk.spreads.open.values()
        self._unsalable = frozenset(spread.key for spread in left if _has_only_protection(spread, now))
        self._tell()

    def _tend(self, key: str, sight: Sight) -> None:
        self._desk.about_spreads(lambda spreads: spreads.tend(key, sight))

    def _market(self, now: datetime) -> tuple[Mapping[str, OptionQuote], Mapping[str, float]]:
        """What is quoted, each for itself: to leave a spread the quotes of its contracts are enough."""
        spreads = self._desk.spreads.open.values()
        symbols = sorted({symbol for spread in spreads for symbol in (spread.plan.short, spread.plan.long)})
        underlyings = sorted({spread.plan.underlying for spread in spreads})
        return _answer(self._feed.quotes, symbols, now), _answer(self._feed.spots, underlyings, now)

    def _sight(
        self,
        spread: Spread,
        now: datetime,
        hours: tuple[datetime, datetime] | None,
        quotes: Mapping[str, OptionQuote],
        spots: Mapping[str, float],
    ) -> Sight:
        look = look_at(spread, now, hours is not None, quotes, spots.get(spread.plan.underlying), self._policy)
        wanted = self._wish(spread, look) if spread.short or spread.long else None
        return Sight(now, hours is not None, may_open=True, has_ended=look.is_over, quotes=quotes, wish=wanted)

    # ---- wishes ------------------------------------------------------------------------------------------------------------

    def _wish(self, spread: Spread, look: Look) -> SpreadTurned | None:
        if spread.phase not in (SpreadPhase.OPEN, SpreadPhase.ENTERING, SpreadPhase.ROLLING):
            return None
        wanted = wish(look, spread.plan.rules)
        if wanted is None:
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
            found = roll_into(self._feed, spread, look.spot, self._policy, look.now)
        except (RequestException, APIError) as error:
            log.warning("no chain to roll %s into: %r", spread.key, error)
            return leave
        if isinstance(found, SpreadRefusal):
            self._show(f"{spread.plan.underlying}: not rolled, {found.text}")
            return leave
        into = found

        def begin(spreads: Spreads) -> None:
            begin_roll(spreads, spread, into, self._policy, look.now)

        self._desk.about_spreads(begin)
        return SpreadTurned(spread.key, Turn.ROLL, wanted.reason)

    # ---- the account -------------------------------------------------------------------------------------------------------

    def _ask_the_account(self, now: datetime) -> None:
        """Contracts that ended without an order: no stream tells of them, and positions do before the activities do."""
        if self._asked_at is not None and now - self._asked_at < self._pace.account:
            return
        for book in (self._book_activities, self._book_positions):
            try:
                book(now)
            except (RequestException, APIError) as error:
                log.warning("the account's options could not be asked for at %s: %r", now, error)
                return
            except UNREADABLE as error:
                # A person has to look; spreads are left by what is known until then.
                self._desk.trouble(f"what the broker says of the account's options could not be read: {error!r}")
        self._asked_at = now

    def _book_activities(self, now: datetime) -> None:
        # A desk that was away over an expiration longer than that asks for what became of it all the same.
        open_spreads = self._desk.spreads.open.values()
        late = max((-days_left(occ.parse(spread.plan.short).expiration, now) for spread in open_spreads), default=0)
        for activity in self._activities.since(now - LOOK_BACK - timedelta(days=max(late, 0))):
            self._settle(settlements(self._desk.spreads, activity), now)

    def _settle(self, every: Sequence[SpreadSettled], now: datetime) -> None:
        if every:
            self._desk.about_spreads(lambda spreads: spreads.settle(every, now))

    def _book_positions(self, now: datetime) -> None:
        """What the positions say that the activities do not say yet: shares that came for contracts."""
        book = self._desk.spreads
        if any(spread.working for spread in book.open.values()):
            return  # a fill may be on its way
        positions = self._activities.positions()
        found = contract_breaks(book, positions)
        for each in found:
            self._settle(tuple(self._inferred(each, book, positions, now)), now)
        left = contract_breaks(self._desk.spreads, positions)
        self._believe([each for each in left if not _has_ended(each.symbol, now)], now)

    def _inferred(
        self, found: ContractBreak, book: SpreadBook, positions: Mapping[str, int], now: datetime
    ) -> Iterable[SpreadSettled]:
        """Assignments of sold puts for which the shares are there."""
        owners = [spread for spread in book.of_contract(found.symbol) if spread.plan.short == found.symbol]
        gone = found.there - found.expected
        if not owners or gone <= 0:
            return
        underlying = owners[0].plan.underlying
        known = self._desk.book.shares_of(underlying) + self._desk.differences.foreign.get(underlying, 0)
        known += sum(spread.stock for spread in book.open.values() if spread.plan.underlying == underlying)
        came = (positions.get(underlying, 0) - known) // CONTRACT_SHARES
        left = min(gone, max(came, 0))
        for spread in owners:
            count = min(left, spread.short)
            left -= count
            if count:
                strike = occ.parse(found.symbol).strike
                yield SpreadSettled(
                    spread.key,
                    found.symbol,
                    Settlement.ASSIGNED,
                    count,
                    count * CONTRACT_SHARES,
                    strike,
                    f"seen:{now:%Y%m%dT%H%M%S}",
                )

    def _believe(self, left: list[ContractBreak], now: datetime) -> None:
        """Halt on a difference that lasts: the desk opens nothing more, and a person looks."""
        self._odd_since = {each.symbol: self._odd_since.get(each.symbol, now) for each in left}
        if left:
            self._resync()
        lasting = [each for each in left if now - self._odd_since[each.symbol] >= BELIEVED_AFTER]
        if lasting:
            self._desk.halt("; ".join(str(each) for each in lasting))

    def _tell(self) -> None:
        """Say where each spread goes, once."""
        book = self._desk.spreads
        known = {key: spread for key in {*self._told, *book.open} if (spread := book.spread(key)) is not None}
        for key, spread in known.items():
            if self._told.get(key) != spread.phase:
                self._show(f"{spread.plan.underlying} {spread.plan.short}/{spread.plan.long}: {spread.phase}, {spread.why}")
        self._told = {key: spread.phase for key, spread in known.items() if not spread.is_closed}


def _answer(ask: Callable[[Sequence[str]], Mapping[str, Told]], symbols: Sequence[str], now: datetime) -> Mapping[str, Told]:
    try:
        return ask(symbols)
    except (RequestException, APIError) as error:
        log.warning("no prices to look after spreads by at %s: %r", now, error)
        return {}


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
        minutes_to_close=_minutes_to_close(contract, now),
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
    return roll_target(chain, spread.plan.short, spread.plan.long, policy.roll, now, _is_session)


def begin_roll(spreads: Spreads, spread: Spread, into: RollTarget, policy: SpreadPolicy, now: datetime) -> SpreadPlan:
    """Open the spread that this one is to be rolled into; the turn of this one follows. Returns what was opened."""
    count, least = min(spread.short, spread.long), policy.roll.min_net_credit
    plan = rolled_plan(spread.plan, into.spread, least, count, spreads.key(spread.plan.underlying, now), now)
    spreads.open(plan)
    return plan


def settlements(book: SpreadBook, activity: OptionActivity) -> tuple[SpreadSettled, ...]:
    """What an activity is for each spread that held the contract; what is left over is somebody else's.

    It confirms what the positions told before it says anything new: a spread that has ended by what they told may have been
    followed by one of the same contract. Of equals the oldest comes first, and none that was decided only after it.
    """
    every = sorted((*book.open.values(), *book.closed.values()), key=lambda spread: spread.plan.decided_at)
    owners = [spread for spread in every if activity.symbol in (spread.plan.short, spread.plan.long)]
    owners = [spread for spread in owners if spread.plan.decided_at <= activity.at]
    if not owners or any(activity.id in spread.settled for spread in owners):
        return ()
    counts = _shared(activity, owners)
    strike, sign = occ.parse(activity.symbol).strike, SHARES_SIGN[activity.kind]
    found = []
    for spread in owners:
        count = counts[spread.key]
        if count > 0:
            shares = sign * count * CONTRACT_SHARES if activity.cash_usd is None else 0
            cash = (activity.cash_usd or Decimal(0)) * count / activity.contracts
            found.append(SpreadSettled(spread.key, activity.symbol, activity.kind, count, shares, strike, activity.id, cash))
    return tuple(found)


def _shared(activity: OptionActivity, owners: Sequence[Spread]) -> dict[str, int]:
    """Contracts of an activity by spread."""
    left, counts = activity.contracts, dict.fromkeys((spread.key for spread in owners), 0)
    for part in (_told_by_positions, _held):
        for spread in owners:
            count = min(left, max(0, part(spread, activity)))
            counts[spread.key] += count
            left -= count
    return counts


def _told_by_positions(spread: Spread, activity: OptionActivity) -> int:
    is_it = activity.kind is Settlement.ASSIGNED and activity.symbol == spread.plan.short
    return spread.inferred if is_it else 0


def _held(spread: Spread, activity: OptionActivity) -> int:
    return spread.short if activity.symbol == spread.plan.short else spread.long


def _has_only_protection(spread: Spread, now: datetime) -> bool:
    """Whether bought puts are all that is left of one that is being left, and no order could be sent for them: nobody bids."""
    is_bare = spread.phase is SpreadPhase.CLOSING and not (spread.short or spread.stock or spread.coming)
    may_ask = spread.retry_at is None or spread.retry_at <= now
    return is_bare and spread.long > 0 and not spread.working and may_ask


def _minutes_to_close(contract: occ.Occ, now: datetime) -> float | None:
    """Minutes to the contracts' last close on their last day, zero or less after it; None before that day."""
    if new_york_day(now) < contract.expiration:
        return None
    session = calendars.session_on(contract.expiration)
    return 0.0 if session is None else (session.closes_at - now).total_seconds() / 60


def _has_ended(symbol: str, now: datetime) -> bool:
    minutes = _minutes_to_close(occ.parse(symbol), now)
    return minutes is not None and minutes <= 0


def _is_session(day: date) -> bool:
    return calendars.session_on(day) is not None


def _next_opening(now: datetime) -> datetime:
    today = calendars.session_on(new_york_day(now))
    if today is not None and now < today.opens_at:
        return today.opens_at
    return calendars.next_session(new_york_day(now)).opens_at
