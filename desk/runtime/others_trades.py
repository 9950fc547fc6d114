"""Executions of others in what spreads hold: which of them may have made a difference, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from desk.core.ports import OptionActivities, OptionActivity
from desk.core.spread_reconcile import ContractBreak, beside
from desk.domain.spreads import Settlement, Spread
from desk.runtime.contract_days import close_before, has_ended
from desk.runtime.desk import Desk

# Positions, and what an order did, are heard within that.
NEWS_WITHIN = timedelta(minutes=1)
MOVES_SHARES = (Settlement.ASSIGNED, Settlement.EXERCISED)


class OthersTrades:
    """Used by one thread at a time. What it was told of activities and of positions that agree bounds how far back executions
    are looked at: an older one is in the books already, and explains nothing that is new."""

    def __init__(self, desk: Desk, activities: OptionActivities) -> None:
        self._desk = desk
        self._activities = activities
        self._moved_at: dict[str, datetime] = {}
        self._agreed_at: dict[str, datetime] = {}
        self._held_at: dict[tuple[str, str], datetime] = {}

    def told(self, activity: OptionActivity) -> None:
        """The account tells of an activity, a booked one or not."""
        if activity.kind in MOVES_SHARES:
            self._moved_at[activity.id] = activity.at

    def compared(self, gaps: Iterable[ContractBreak], now: datetime) -> None:
        """`gaps` is all that differs in positions of now."""
        odd = {gap.symbol for gap in gaps}
        for spread in self._desk.spreads.open.values():
            same = [symbol for symbol in _held(spread) if symbol not in odd]
            self._agreed_at |= dict.fromkeys(same, now)
            if not spread.stock:
                self._held_at |= {(spread.key, symbol): now for symbol in same}

    def explaining(self, gap: ContractBreak, now: datetime) -> Sequence[OptionActivity]:
        """Those that may have made a difference, the oldest first: since it was last not there."""
        if not gap.lacking:
            return ()
        mine, agreed = beside(self._desk.spreads, gap.symbol), self._agreed_at.get(gap.symbol)
        if not gap.is_contract and any(spread.long and has_ended(spread.plan.long, now) for spread in mine):
            return ()  # the bought puts may have taken the shares away: the broker tells
        if gap.is_contract:
            since = min((spread.plan.decided_at for spread in mine), default=now)
        else:
            since = min((self._came_after(spread) for spread in mine if spread.stock), default=now)
        return self._of(gap.symbol, since if agreed is None else max(since, agreed - NEWS_WITHIN))

    def bought(self, underlying: str, since: datetime) -> int:
        """Shares of an underlying that others bought on balance since a moment."""
        return sum(-each.contracts if (each.cash_usd or 0) > 0 else each.contracts for each in self._of(underlying, since))

    def _of(self, symbol: str, since: datetime) -> Sequence[OptionActivity]:
        known = frozenset[str]().union(*(spread.settled for spread in beside(self._desk.spreads, symbol)))
        theirs = (
            each
            for each in self._activities.trades([symbol], since)
            if self._desk.member_of(each.order_id, each.client_id) is None
        )
        return [each for each in theirs if each.id not in known]

    def _came_after(self, spread: Spread) -> datetime:
        """When none of a spread's shares had come yet. They may have been traded before anybody booked that they came."""
        moved = [self._moved_at[each] for each in spread.settled if each in self._moved_at]
        begun = min(map(close_before, moved), default=spread.since - NEWS_WITHIN)
        # The contracts were there with nothing booked for them.
        held = self._held_at.get((spread.key, spread.plan.short if spread.stock > 0 else spread.plan.long))
        return begun if held is None else max(begun, held - NEWS_WITHIN)


def _held(spread: Spread) -> tuple[str, ...]:
    """Symbols of which it has something, or may have."""
    return (spread.plan.short, spread.plan.long, *((spread.plan.underlying,) if spread.stock else ()))
