"""Where a moment stands in the last days of option contracts: before their last close, after it, in a session after it; and from
when on shares may have come for them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from desk.data import calendars
from options import occ
from options.expirations import new_york_day


def minutes_to_close(contract: occ.Occ, now: datetime) -> float | None:
    """Minutes to the contracts' last close on their last day, zero or less after it; None before that day."""
    last = _last_session(contract.expiration)
    return None if new_york_day(now) < last.day else (last.closes_at - now).total_seconds() / 60


def has_ended(symbol: str, now: datetime) -> bool:
    """Whether the contracts have seen their last trade."""
    minutes = minutes_to_close(occ.parse(symbol), now)
    return minutes is not None and minutes <= 0


def is_session_after(symbol: str, now: datetime, sessions: int = 1) -> bool:
    """Whether the session that is so many after the contracts' last day has opened, or was open before."""
    day = occ.parse(symbol).expiration
    for _ in range(sessions):
        day = calendars.next_session(day).day
    session = calendars.session_on(day)
    return session is not None and now >= session.opens_at


def last_close(symbol: str) -> datetime:
    """The close of the contracts' last session (aware)."""
    return _last_session(occ.parse(symbol).expiration).closes_at


def close_before(at: datetime) -> datetime:
    """The last close before the day of an activity of `at` (both aware): what it tells of cannot have happened sooner. A broker
    that tells the day alone is taken for the end of that day, and may name the session's day or the morning's after it."""
    return calendars.previous_session(new_york_day(at - timedelta.resolution)).closes_at


def _last_session(expiration: date) -> calendars.Session:
    """Where the exchange is closed on the day that a contract names, it trades for the last time on the session before."""
    return calendars.session_on(expiration) or calendars.previous_session(expiration)
