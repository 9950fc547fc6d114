"""What the account tells of option spreads: contracts that ended without an order, and trades of others in them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.ports import OptionActivities, OptionActivity
from desk.core.spread_book import SpreadBook
from desk.core.spread_life import SEEN
from desk.core.spread_reconcile import ContractBreak, contract_breaks
from desk.data import calendars
from desk.domain.options import CONTRACT_SHARES
from desk.domain.spreads import Settlement, Spread, SpreadSettled
from desk.runtime.desk import Desk
from options import occ
from options.expirations import days_left, new_york_day

log = logging.getLogger(__name__)
# Activities of a spread's last days come the next morning; a long weekend may lie between.
LOOK_BACK = timedelta(days=7)
# What a broker's answer raises that is not as documented.
UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError)
# A broker that refuses knows perhaps of an assignment: the account is asked again so soon.
AFTER_REFUSAL = timedelta(seconds=30)
# What an order did is heard within that.
NEWS_WITHIN = timedelta(minutes=1)
# A difference in positions that nothing explains is believed when it has lasted so long.
BELIEVED_AFTER = timedelta(minutes=10)
# What comes for a put, by how it ended: shares, whose price is paid, or the other way round.
SHARES_SIGN = {Settlement.ASSIGNED: 1, Settlement.EXERCISED: -1, Settlement.EXPIRED: 0, Settlement.TRADED: 0}


class SpreadAccount:
    """Used by one thread at a time; asks once in `every`, and books through the desk. `resync` has the broker's orders asked."""

    def __init__(
        self, desk: Desk, activities: OptionActivities, every: timedelta, resync: Callable[[], object] = lambda: None
    ) -> None:
        self._desk = desk
        self._activities = activities
        self._every = every
        self._resync = resync
        self._asked_at: datetime | None = None
        self._odd_since: dict[str, datetime] = {}
        self._gone_since: dict[str, datetime] = {}
        self._doubted: frozenset[str] = frozenset()

    def ask(self, now: datetime) -> None:
        """Contracts that ended without an order: no stream tells of them, and positions do before the activities do."""
        is_refused = any(spread.refusals for spread in self._desk.spreads.open.values())
        every = min(self._every, AFTER_REFUSAL) if is_refused else self._every
        if self._asked_at is not None and now - self._asked_at < every:
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
            found = settlements(self._desk.spreads, activity)
            self._settle(found, now)
            if not found:
                self._doubt(activity)

    def _doubt(self, activity: OptionActivity) -> None:
        """A person has to look where the broker tells another end than the one that its positions told."""
        book = self._desk.spreads
        for spread in (*book.open.values(), *book.closed.values()):
            other = any(symbol == activity.symbol and kind is not activity.kind for symbol, kind in spread.inferred)
            if other and activity.id not in self._doubted | spread.settled:
                self._doubted |= {activity.id}
                self._desk.trouble(
                    f"{activity.symbol} of the spread {spread.key} is {activity.kind} by the broker's word, and its positions "
                    "told another end before: compare the account with `desk options positions`"
                )

    def _settle(self, every: Sequence[SpreadSettled], now: datetime) -> None:
        if every:
            self._desk.about_spreads(lambda spreads: spreads.settle(every, now))

    def _book_positions(self, now: datetime) -> None:
        """What the positions say that the activities do not say yet: shares that came for contracts."""
        positions = self._activities.positions()
        # Executions prove what shares only suggest, so they are looked at first.
        for gap in self._gaps(positions, now):
            if not any(spread.working for spread in self._beside(gap.symbol)):
                self._book_trades(gap, now)
        for gap in self._gaps(positions, now):
            self._settle(tuple(self._inferred(gap, self._desk.spreads, positions, now)), now)
        for spread in tuple(self._desk.spreads.open.values()):
            self._book_end(spread, positions, now)
        left = self._gaps(positions, now)
        self._believe([each for each in left if not _has_ended(each.symbol, now)], now)

    def _gaps(self, positions: Mapping[str, int], now: datetime) -> list[ContractBreak]:
        """Differences in contracts, but where a fill may be on its way: an order that rests for long has told what it filled."""
        found = contract_breaks(self._desk.spreads, positions)
        return [gap for gap in found if not any(_has_news(spread, now) for spread in self._beside(gap.symbol))]

    def _beside(self, symbol: str) -> list[Spread]:
        """Open spreads on the underlying of a contract."""
        every = self._desk.spreads.open.values()
        mine = {spread.plan.underlying for spread in every if symbol in (spread.plan.short, spread.plan.long)}
        return [spread for spread in every if spread.plan.underlying in mine]

    def _book_trades(self, gap: ContractBreak, now: datetime) -> None:
        """What orders that are not the desk's traded of its contracts: a person closes a spread by hand, and a broker sells
        before the last close what the account could not exercise. Never more than the positions lack."""
        left = abs(gap.there - gap.expected)
        for each in self._activities.trades([gap.symbol], now - LOOK_BACK):
            is_closing = each.cash_usd is not None and (each.cash_usd < 0) == (gap.expected < 0)
            if left <= 0 or not is_closing or self._desk.member_of(each.order_id, each.client_id) is not None:
                continue
            count = min(left, each.contracts)
            part = replace(each, contracts=count, cash_usd=(each.cash_usd or Decimal(0)) * count / each.contracts)
            found = settlements(self._desk.spreads, part)
            self._settle(found, now)
            left -= sum(said.contracts for said in found)

    def _inferred(
        self, found: ContractBreak, book: SpreadBook, positions: Mapping[str, int], now: datetime
    ) -> Iterable[SpreadSettled]:
        """Assignments of sold puts for which the shares are there."""
        owners = [spread for spread in book.of_contract(found.symbol) if spread.plan.short == found.symbol]
        gone = found.there - found.expected
        if not owners or gone <= 0:
            return
        came = self._shares_came(owners[0].plan.underlying, book, positions) // CONTRACT_SHARES
        left = min(gone, max(came, 0))
        for spread in owners:
            count = min(left, spread.short)
            left -= count
            if count:
                yield _seen(spread.key, found.symbol, Settlement.ASSIGNED, count, now)

    def _book_end(self, spread: Spread, positions: Mapping[str, int], now: datetime) -> None:
        """The end of bought puts which are gone in a session after their last one, while the shares of an assignment wait for
        word of them: by two looks some minutes apart, the broker's books of that day being closed."""
        symbol, waits = spread.plan.long, spread.stock > 0 and not spread.short and spread.long > 0
        is_quiet = not any(each.working or each.coming for each in self._beside(symbol))
        if not waits or positions.get(symbol, 0) or not _is_session_after(symbol, now) or not is_quiet:
            self._gone_since.pop(spread.key, None)
        elif now - self._gone_since.setdefault(spread.key, now) >= BELIEVED_AFTER:
            self._settle(tuple(self._inferred_ends(spread, self._desk.spreads, positions, now)), now)

    def _inferred_ends(
        self, spread: Spread, book: SpreadBook, positions: Mapping[str, int], now: datetime
    ) -> Iterable[SpreadSettled]:
        """Where shares are lacking, the puts took them away."""
        symbol = spread.plan.long
        lacking = -self._shares_came(spread.plan.underlying, book, positions) // CONTRACT_SHARES
        exercised = min(spread.long, max(lacking, 0))
        for kind, count in ((Settlement.EXERCISED, exercised), (Settlement.EXPIRED, spread.long - exercised)):
            if count:
                yield _seen(spread.key, symbol, kind, count, now)

    def _shares_came(self, underlying: str, book: SpreadBook, positions: Mapping[str, int]) -> int:
        """Shares that are there beside those that anybody has booked; below zero where some are lacking."""
        known = self._desk.book.shares_of(underlying) + self._desk.differences.foreign.get(underlying, 0)
        known += sum(spread.stock for spread in book.open.values() if spread.plan.underlying == underlying)
        return positions.get(underlying, 0) - known

    def _believe(self, left: list[ContractBreak], now: datetime) -> None:
        """Halt on a difference that lasts: the desk opens nothing more, and a person looks."""
        self._odd_since = {each.symbol: self._odd_since.get(each.symbol, now) for each in left}
        if left:
            self._resync()
        lasting = [each for each in left if now - self._odd_since[each.symbol] >= BELIEVED_AFTER]
        if lasting:
            self._desk.halt("; ".join(str(each) for each in lasting))


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
    return spread.inferred.get((activity.symbol, activity.kind), 0)


def _held(spread: Spread, activity: OptionActivity) -> int:
    return spread.short if activity.symbol == spread.plan.short else spread.long


def minutes_to_close(contract: occ.Occ, now: datetime) -> float | None:
    """Minutes to the contracts' last close on their last day, zero or less after it; None before that day."""
    if new_york_day(now) < contract.expiration:
        return None
    session = calendars.session_on(contract.expiration)
    return 0.0 if session is None else (session.closes_at - now).total_seconds() / 60


def _seen(key: str, symbol: str, kind: Settlement, count: int, now: datetime) -> SpreadSettled:
    """What the positions tell of contracts at `now`, before an activity does."""
    shares = SHARES_SIGN[kind] * count * CONTRACT_SHARES
    return SpreadSettled(key, symbol, kind, count, shares, occ.parse(symbol).strike, f"{SEEN}{now:%Y%m%dT%H%M%S}:{symbol}:{kind}")


def _has_news(spread: Spread, now: datetime) -> bool:
    """Whether an order of it was sent, or asked to end, a moment ago, or another spread's changes it."""
    last = (order.cancel_asked_at or order.sent_at for order in spread.working)
    return bool(spread.coming) or any(now - at < NEWS_WITHIN for at in last)


def _is_session_after(symbol: str, now: datetime) -> bool:
    """Whether a session after the contracts' last day has opened."""
    today = calendars.session_on(new_york_day(now))
    return today is not None and now >= today.opens_at and new_york_day(now) > occ.parse(symbol).expiration


def _has_ended(symbol: str, now: datetime) -> bool:
    minutes = minutes_to_close(occ.parse(symbol), now)
    return minutes is not None and minutes <= 0
