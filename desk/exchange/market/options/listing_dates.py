"""Which expirations and strikes are listed, and since when: rules of the calendar and of past closes, so no state is kept.

Weekly contracts expire on Fridays and are listed for about six weeks, monthly ones on third Fridays and for about six months;
when the exchange is closed on a Friday they expire the session before it (https://www.cboe.com/tradable_products/weeklys).
Six weeks and six months, and the ladder of strikes, are this exchange's choice: the real rules differ by stock and year. A split
puts what is listed on its new terms, on the ladder or off it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np

from desk.data import calendars
from desk.exchange.market.corporate import Split
from desk.exchange.market.path import UNITS_PER_DOLLAR, IntArray

WEEKLY_LIFE, MONTHLY_LIFE = timedelta(days=41), timedelta(days=183)
LOWEST_STRIKE_OF_CLOSE, HIGHEST_STRIKE_OF_CLOSE = 0.6, 1.4
FRIDAY = 4
WEEK = timedelta(days=7)
FINEST_STRIKE = Decimal("0.001")
# Strikes up to a price, and the step between them, in dollars; a strike of the table's end belongs to the next row.
LADDER = ((10.0, 0.5), (100.0, 1.0), (200.0, 2.5), (500.0, 5.0), (1000.0, 10.0), (20_000.0, 25.0))


def expirations(today: date) -> tuple[date, ...]:
    """Days on which contracts listed on `today` expire, ascending; `today` itself is one when contracts expire on it."""
    return tuple(day for day in expirations_between(today, today + MONTHLY_LIFE) if listed_since(day) <= today)


def expirations_between(first: date, last: date) -> tuple[date, ...]:
    """Every expiration from `first` to `last`, both included, ascending."""
    friday = first + timedelta(days=(FRIDAY - first.weekday()) % 7)
    found = []
    while friday <= last + WEEK:
        day = _expiration_of(friday)
        if first <= day <= last:
            found.append(day)
        friday += WEEK
    return tuple(found)


@lru_cache(maxsize=4096)
def listed_since(expiration: date) -> date:
    """The first day on which contracts of that expiration are listed."""
    friday = expiration + timedelta(days=(FRIDAY - expiration.weekday()) % 7)
    return friday - (MONTHLY_LIFE if is_third_friday(friday) else WEEKLY_LIFE)


def is_third_friday(day: date) -> bool:
    return day.weekday() == FRIDAY and 15 <= day.day <= 21


@lru_cache(maxsize=4096)
def is_expiration(day: date) -> bool:
    return bool(expirations_between(day, day))


@lru_cache(maxsize=4096)
def expires_at(expiration: date) -> datetime:
    """The instant (UTC) at which contracts of that day expire: the close of its session, or of the one before it.

    Until 2015 monthly contracts expired on Saturdays, and traded last on the Friday.
    """
    session = calendars.session_on(expiration)
    return calendars.previous_session(expiration).closes_at if session is None else session.closes_at


def strikes_between(lowest: int, highest: int) -> IntArray:
    """Strikes of the ladder from `lowest` to `highest`, both included, ascending, in units of 0.0001 dollars."""
    ladder = _ladder()
    return ladder[np.searchsorted(ladder, lowest) : np.searchsorted(ladder, highest, side="right")]


def strike_after(strike: Decimal, split: Split) -> Decimal | None:
    """What a strike becomes when a share becomes n: an n-th. None for other splits, and when no symbol can say that strike."""
    ratio = split.new_rate / split.old_rate
    if not split.is_forward or ratio != ratio.to_integral_value() or strike % (ratio * FINEST_STRIKE):
        return None
    return strike / ratio


@lru_cache(maxsize=4096)
def _expiration_of(friday: date) -> date:
    """The session of that Friday, else the one before it. A Friday without any calendar around it stays what it is."""
    if calendars.session_on(friday) is not None:
        return friday
    return calendars.previous_session(friday).day


@lru_cache(maxsize=1)
def _ladder() -> IntArray:
    """All strikes in units, one ladder for every stock, so that a strike once listed is on it whatever the price does."""
    steps = []
    start = 0.5
    for end, step in LADDER:
        steps.append(np.arange(start, end, step))
        start = end
    return np.rint(np.concatenate(steps) * UNITS_PER_DOLLAR).astype(np.int64)
