"""Where a moment stands in the last days of option contracts: before their last close, after it, in a session after it."""

from __future__ import annotations

from datetime import datetime

from desk.data import calendars
from options import occ
from options.expirations import new_york_day


def minutes_to_close(contract: occ.Occ, now: datetime) -> float | None:
    """Minutes to the contracts' last close on their last day, zero or less after it; None before that day."""
    # Where the exchange is closed on the day that a contract names, it trades for the last time on the session before.
    last = calendars.session_on(contract.expiration) or calendars.previous_session(contract.expiration)
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
