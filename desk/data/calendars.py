"""Sessions of the New York Stock Exchange: dates, opening and closing times in UTC, half days.

The rules are those of pandas_market_calendars ("NYSE"), which knows past special closings as well as the published holidays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
REGULAR_HOURS = timedelta(hours=6, minutes=30)
# The longest run of closed days since 1970 was seven (September 2001), so ten days always hold a session.
_LONGEST_PAUSE = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day; `opens_at` and `closes_at` are aware, UTC."""

    day: date
    opens_at: datetime
    closes_at: datetime

    @property
    def is_half_day(self) -> bool:
        return self.closes_at - self.opens_at < REGULAR_HOURS


def sessions(first: date, last: date) -> tuple[Session, ...]:
    """Sessions from `first` to `last`, both included, ascending. Empty when `last` is before `first`."""
    years = range(first.year, last.year + 1)
    return tuple(session for year in years for session in _year(year).values() if first <= session.day <= last)


def session_dates(first: date, last: date) -> tuple[date, ...]:
    """Dates of the sessions from `first` to `last`, both included, ascending."""
    return tuple(session.day for session in sessions(first, last))


def session_on(day: date) -> Session | None:
    """The session of `day`, or None when the exchange is closed all day."""
    return _year(day.year).get(day)


def next_session(day: date) -> Session:
    """The first session after `day`."""
    return sessions(day + timedelta(days=1), day + _LONGEST_PAUSE)[0]


def previous_session(day: date) -> Session:
    """The last session before `day`."""
    return sessions(day - _LONGEST_PAUSE, day - timedelta(days=1))[-1]


@lru_cache(maxsize=256)
def _year(year: int) -> dict[date, Session]:
    schedule = _calendar().schedule(f"{year}-01-01", f"{year}-12-31")
    rows = zip(schedule.index, schedule["market_open"], schedule["market_close"], strict=True)
    return {stamp.date(): Session(stamp.date(), _utc(opens), _utc(closes)) for stamp, opens, closes in rows}


@lru_cache(maxsize=1)
def _calendar() -> Any:
    # Imported on first use: it costs 0.8 s, and reading prices needs no calendar.
    import pandas_market_calendars  # type: ignore[import-untyped, unused-ignore]  # ships no annotations

    return pandas_market_calendars.get_calendar("NYSE")


def _utc(stamp: Any) -> datetime:
    moment: datetime = stamp.to_pydatetime()
    return moment.astimezone(UTC)
