"""The market's wall clock: records are in UTC, people and sessions are in New York."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def local(at: datetime) -> datetime:
    """New York's wall clock without its zone: matplotlib would show an aware time in UTC."""
    return at.astimezone(NEW_YORK).replace(tzinfo=None)


def session_of(at: datetime) -> date:
    """The date of the session at a moment."""
    return local(at).date()


def clock(at: datetime) -> str:
    """To the minute: `2008-09-02 10:30`."""
    return f"{local(at):%Y-%m-%d %H:%M}"
