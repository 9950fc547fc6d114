"""Sessions of the New York Stock Exchange: dates, opening and closing times in UTC, half days.

The rules are those of pandas_market_calendars ("NYSE"), which knows past special closings as well as the published holidays.
What it says of the years that people trade and test over is kept as a table of exceptions: every process of a run asks for it,
and the library takes most of a second of each. `backtests/nyse_exceptions.py` makes the table, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
REGULAR_HOURS = timedelta(hours=6, minutes=30)
REGULAR = (time(9, 30), time(16))
SATURDAY = 5
TABLE_YEARS = range(1990, 2031)
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
    return from_table(year) if year in TABLE_YEARS else from_library(year)


def from_table(year: int) -> dict[date, Session]:
    """Sessions of one of `TABLE_YEARS`: the weekdays of it at regular hours, but for the exceptions."""
    days = (date(year, 1, 1) + timedelta(days=number) for number in range(366))
    weekdays = (day for day in days if day.year == year and day.weekday() < SATURDAY)
    hours = ((day, _exceptions().get(day, REGULAR)) for day in weekdays)
    return {day: Session(day, _moment(day, known[0]), _moment(day, known[1])) for day, known in hours if known is not None}


@lru_cache(maxsize=1)
def _exceptions() -> Mapping[date, tuple[time, time] | None]:
    """Opening and close in New York of days with other hours than the regular ones, None for those without a session."""
    found: dict[date, tuple[time, time] | None] = {}
    for line in files(__package__).joinpath("nyse_exceptions.csv").read_text(encoding="utf-8").splitlines():
        day, opens, closes = line.split(",")
        found[date.fromisoformat(day)] = (time.fromisoformat(opens), time.fromisoformat(closes)) if opens else None
    return found


def _moment(day: date, at: time) -> datetime:
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


def from_library(year: int) -> dict[date, Session]:
    """Sessions of any year, as pandas_market_calendars has them."""
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
