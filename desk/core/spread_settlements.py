"""What the account tells of contracts, as the rows that spreads are booked by: whose it was, and how much of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from desk.core.ports import OptionActivity
from desk.core.spread_book import SpreadBook
from desk.core.spread_life import SEEN
from desk.domain.options import CONTRACT_SHARES
from desk.domain.spreads import Settlement, Spread, SpreadSettled
from options import occ

# What comes for a put, by how it ended: shares, whose price is paid, or the other way round.
SHARES_SIGN: Mapping[Settlement, int] = {
    Settlement.ASSIGNED: 1,
    Settlement.EXERCISED: -1,
    Settlement.EXPIRED: 0,
    Settlement.TRADED: 0,
}


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


def share_trades(book: SpreadBook, activity: OptionActivity) -> tuple[SpreadSettled, ...]:
    """What an execution of somebody else in an underlying is for each spread that holds shares of it, the oldest first."""
    every = sorted(book.open.values(), key=lambda spread: spread.plan.decided_at)
    owners = [spread for spread in every if spread.plan.underlying == activity.symbol and spread.stock]
    is_sale, left, found = (activity.cash_usd or 0) > 0, activity.contracts, []
    price = abs(activity.cash_usd or Decimal(0)) / activity.contracts
    for spread in owners:
        count = min(left, max(0, spread.stock if is_sale else -spread.stock))
        left -= count
        if count:
            change = -count if is_sale else count
            found.append(SpreadSettled(spread.key, activity.symbol, Settlement.TRADED, 0, change, price, activity.id))
    return tuple(found)


def seen(key: str, symbol: str, kind: Settlement, count: int, now: datetime) -> SpreadSettled:
    """What the positions tell of contracts at `now`, before an activity does."""
    shares = SHARES_SIGN[kind] * count * CONTRACT_SHARES
    return SpreadSettled(key, symbol, kind, count, shares, occ.parse(symbol).strike, f"{SEEN}{now:%Y%m%dT%H%M%S}:{symbol}:{kind}")


def noted(key: str, activity: OptionActivity) -> SpreadSettled:
    """An activity that changes nothing of a spread and was told to a person: it is not told again."""
    return SpreadSettled(key, activity.symbol, activity.kind, 0, 0, Decimal(0), activity.id)


def contradicts(spread: Spread, activity: OptionActivity) -> bool:
    """Whether an activity tells another end of contracts than the one that is booked, or one of more than there were."""
    if activity.symbol not in (spread.plan.short, spread.plan.long) or spread.plan.decided_at > activity.at:
        return False
    was_told = any(symbol == activity.symbol and kind is not activity.kind for symbol, kind in spread.inferred)
    return was_told or not spread.is_closed


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
