"""Sessions and virtual time: which sessions a replay has, when they open and close, and what an instant belongs to."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache

from desk.data import calendars
from desk.data.calendars import NEW_YORK, Session
from desk.domain.errors import ConfigurationError

REGULAR_OPEN = time(9, 30)
REGULAR_CLOSE = time(16, 0)
DAY_STARTS = time(8, 0)
EARLY_OPEN, LATE_CLOSE = time(4, 0), time(20, 0)


class Phase(StrEnum):
    """What part of a trading day an instant lies in; nights, weekends and holidays are NIGHT."""

    NIGHT = "night"
    PRE = "pre"
    REGULAR = "regular"
    AFTER = "after"


@lru_cache(maxsize=16_384)
def new_york(day: date, at: time) -> datetime:
    """The instant (UTC) at which New York's clocks show `at` on `day`."""
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


@dataclass(frozen=True)
class SessionTable:
    """Sessions in order; `traded` of them have data, the rest are the days after the last one, for the clock's next open."""

    sessions: tuple[Session, ...]
    traded: int

    @cached_property
    def _opens(self) -> list[datetime]:
        return [session.opens_at for session in self.sessions]

    @cached_property
    def _closes(self) -> list[datetime]:
        return [session.closes_at for session in self.sessions]

    @cached_property
    def _early_opens(self) -> list[datetime]:
        return [new_york(session.day, EARLY_OPEN) for session in self.sessions]

    @cached_property
    def days(self) -> list[date]:
        return [session.day for session in self.sessions[: self.traded]]

    def open_at(self, now: datetime) -> Session | None:
        """The session with data that is open at `now`, else None; closed from its closing instant on, as Alpaca's clock says."""
        session = self.open_or_closing_at(now)
        return session if session is not None and now < session.closes_at else None

    def open_or_closing_at(self, now: datetime) -> Session | None:
        """The session with data that is open at `now` or closes just then, else None: its prices are those of the instant."""
        place = bisect_right(self._opens, now) - 1
        if 0 <= place < self.traded and now <= self.sessions[place].closes_at:
            return self.sessions[place]
        return None

    at = open_or_closing_at

    def is_open(self, now: datetime) -> bool:
        """Whether orders execute at once at `now`."""
        return self.open_at(now) is not None

    def phase(self, now: datetime) -> Phase:
        """PRE from 04:00, REGULAR from the open, AFTER from the closing instant until 20:00 New York."""
        place = bisect_right(self._early_opens, now) - 1
        if not 0 <= place < self.traded:
            return Phase.NIGHT
        session = self.sessions[place]
        if now < session.opens_at:
            return Phase.PRE
        if now < session.closes_at:
            return Phase.REGULAR
        return Phase.AFTER if now < new_york(session.day, LATE_CLOSE) else Phase.NIGHT

    def early_open(self, now: datetime) -> datetime | None:
        """The first 04:00 New York of a session with data strictly after `now`."""
        place = bisect_right(self._early_opens, now)
        return self._early_opens[place] if place < self.traded else None

    def current(self, now: datetime) -> Session | None:
        """The session with data that is open at `now` or comes next, its closing instant excluded; None after the last one."""
        place = bisect_right(self._closes, now)
        return self.sessions[place] if place < self.traded else None

    def next_open(self, now: datetime) -> datetime:
        """First opening strictly after `now`. Raises IndexError far beyond the data."""
        return self._opens[bisect_right(self._opens, now)]

    def next_close(self, now: datetime) -> datetime:
        """First closing strictly after `now`. Raises IndexError far beyond the data."""
        return self._closes[bisect_right(self._closes, now)]

    def before(self, session: Session | None) -> Session | None:
        """The session with data before `session`; the last one when there is none any more."""
        place = self.traded if session is None else bisect_left(self._opens, session.opens_at)
        return self.sessions[place - 1] if place > 0 else None

    def last_before(self, day: date) -> Session | None:
        """The last session with data before `day`."""
        place = bisect_left(self.days, day)
        return self.sessions[place - 1] if place > 0 else None

    def previous_day(self, now: datetime) -> date | None:
        """Day of the last session that closed before the current or next one, as seen from `now`."""
        place = bisect_left(self._closes, now)
        return self.sessions[place - 1].day if place > 0 else None

    def last_close(self, now: datetime) -> datetime | None:
        """The last closing at or before `now`."""
        place = bisect_right(self._closes, now) - 1
        return self._closes[place] if place >= 0 else None

    def from_day(self, day: date) -> tuple[Session, ...]:
        """Sessions with data on `day` and later."""
        return self.sessions[bisect_left(self.days, day) : self.traded]

    @property
    def end(self) -> datetime:
        """The opening after the last session with data: there is nothing to replay from then on."""
        return self._opens[self.traded]

    def first_instant(self, start: date) -> datetime:
        """08:00 New York of the first session on or after `start`. Raises ConfigurationError outside the data."""
        days = self.days
        if not days or start > days[-1]:
            last = days[-1] if days else "no session at all"
            raise ConfigurationError(f"start {start}: the data ends with {last}; choose an earlier start")
        if start < days[0] - timedelta(days=7):
            raise ConfigurationError(f"start {start}: the data begins with {days[0]}; choose a start from then on")
        return new_york(days[bisect_left(days, start)], DAY_STARTS)


def regular_session(day: date) -> Session:
    """09:30 to 16:00 New York, for a day that the NYSE calendar does not know (synthetic data, say)."""
    return Session(day, new_york(day, REGULAR_OPEN), new_york(day, REGULAR_CLOSE))


def session_seconds(session: Session) -> int:
    return int((session.closes_at - session.opens_at).total_seconds())


def nyse_sessions(days: tuple[date, ...], days_after: int = 10) -> SessionTable:
    """Sessions of exactly `days` (ascending) at the NYSE's hours, half days included, and some days to follow the last."""
    if not days:
        return SessionTable((), 0)
    known = {session.day: session for session in calendars.sessions(days[0], days[-1] + timedelta(days=days_after))}
    traded = tuple(known.get(day) or regular_session(day) for day in days)
    later = tuple(session for day, session in known.items() if day > days[-1]) or (regular_session(days[-1] + timedelta(days=1)),)
    return SessionTable(traded + later, len(traded))
