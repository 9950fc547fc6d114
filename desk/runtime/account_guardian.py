"""A guardian that also looks at the account: a split is recognised before the opening, parts of shares get stops after it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.alpaca_market import AlpacaMarketFeed
from desk.core.covering import AGAIN_AFTER, bare
from desk.core.ports import Clock
from desk.core.splits import NEW_YORK
from desk.data import calendars
from desk.domain.steps import Step
from desk.runtime.account import Splits
from desk.runtime.build import Cast, market_hours
from desk.runtime.guardian import Guardian, Hours, Prices
from desk.runtime.residue import Residues
from desk.runtime.spread_keeper import SpreadKeeper

log = logging.getLogger(__name__)
# Positions are scaled early in the morning; when that is booked differs. Each look costs a request.
LIVE_LOOKS = tuple(timedelta(minutes=minutes) for minutes in (330, 240, 120, 60, 30, 15, 5, 1))
# The built-in exchange does both at four in the morning, and few days of a replay have a split.
REPLAY_LOOKS = LIVE_LOOKS[:1]
# Between two looks at one thing that is not explained: as often as bare shares get another try.
AGAIN = AGAIN_AFTER


class AccountGuardian(Guardian):
    """A guardian that counts the shares at the broker too: at times before each opening (the longest first), when shares are
    bare, since a broker ends exits for more shares than a reverse split left, and when Lumibot's count differs. It
    looks after parts of shares too, where there is something to do that."""

    def __init__(
        self,
        splits: Splits,
        prices: Prices,
        clock: Clock,
        hours: Hours,
        every: timedelta,
        before_opening: Sequence[timedelta],
        residues: Residues | None = None,
        spreads: SpreadKeeper | None = None,
    ) -> None:
        super().__init__(splits.desk, prices, clock, hours, every)
        self._splits = splits
        self._residues = residues
        self._spreads = spreads
        self._before_opening = before_opening
        self._counted_at = clock.now()
        self._tried_at: datetime | None = None
        self._iteration = -1

    def next_look(self, now: datetime) -> datetime | None:
        residues = None if self._residues is None else self._residues.next_look(now)
        spreads = None if self._spreads is None else self._spreads.next_look(now)
        due = [moment for moment in (super().next_look(now), self._next_count(now), residues, spreads) if moment is not None]
        return min(due, default=None)

    def _next_count(self, now: datetime) -> datetime | None:
        if self._is_called_for():
            due = now
        elif self._desk.book.open:
            due = _next_of(self._before_opening, self._counted_at)
        else:
            return None
        return due if self._tried_at is None else max(due, self._tried_at + AGAIN)

    def _is_called_for(self) -> bool:
        desk = self._desk
        return bool(bare(desk.book)) or (desk.differences.has_suspects and desk.iterations != self._iteration)

    def look(self) -> tuple[Step, ...]:
        now = self._clock.now()
        due = self._next_count(now)
        if due is not None and due <= now:
            self._count(now)
        if self._residues is not None:
            self._residues.look(now)
        try:
            self._look_after_spreads(now)
        except Exception:
            super().look()  # stops of shares must not wait until a spread can be understood
            raise
        return super().look()  # which ends what a split has left on old terms, too

    def _look_after_spreads(self, now: datetime) -> None:
        spreads = None if self._spreads is None else self._spreads.next_look(now)
        if self._spreads is not None and spreads is not None and spreads <= now:
            self._spreads.look(now)

    def _count(self, now: datetime) -> None:
        self._tried_at, self._iteration = now, self._desk.iterations
        try:
            self._splits.look()
        except (RequestException, APIError) as error:
            log.warning("the shares at the broker could not be counted: %r", error)
            return
        self._counted_at = now


def _next_of(before_opening: Sequence[timedelta], after: datetime) -> datetime:
    """The first of the times before an opening that is later than a moment."""
    day = after.astimezone(NEW_YORK).date()
    session = calendars.session_on(day)
    moments = [] if session is None else [session.opens_at - each for each in before_opening]
    left = [moment for moment in moments if moment > after]
    return left[0] if left else calendars.next_session(day).opens_at - before_opening[0]


def account_guardian(
    cast: Cast,
    broker: DeskAlpaca,
    every: timedelta,
    splits: Splits,
    looks: Sequence[timedelta],
    spreads: SpreadKeeper | None = None,
) -> Guardian:
    """A guardian over the desk of `cast`, with prices and shares from `broker`."""
    feed = AlpacaMarketFeed(broker.data_source.stock_client(), cast.clock)
    return AccountGuardian(splits, feed, cast.clock, market_hours, every, looks, _residues(cast, broker, splits), spreads)


def _residues(cast: Cast, broker: DeskAlpaca, splits: Splits) -> Residues | None:
    """What looks after parts of shares; None where the person wants shares that the desk did not buy left alone."""
    behaviour = cast.request.settings.behaviour
    if behaviour.found_positions == "report":
        return None
    return Residues(cast.desk, broker.api, broker.send, behaviour.stop_loss_fraction, splits.show)
