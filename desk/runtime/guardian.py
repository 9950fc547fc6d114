"""The guardian: looks after positions between iterations, also while the strategy sleeps or hangs.

It works through the desk, so what it sends is journaled like everything else, and there is one guardian wherever there is one
desk: the journal's lease sees to it that no second one looks after the same account.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time, timedelta
from threading import Event, Thread
from typing import Protocol, Self

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.ports import Clock
from desk.core.prints import Known, seen_since
from desk.core.upkeep import CROSSED_AT_MOST, next_deadline
from desk.data import calendars
from desk.data.calendars import NEW_YORK
from desk.domain.market import Print
from desk.domain.steps import Step
from desk.runtime.desk import Desk

log = logging.getLogger(__name__)
Hours = Callable[[datetime], tuple[datetime, datetime] | None]
# Between two looks at prices in a replay: virtual minutes, each costs a request.
REPLAY_EVERY = timedelta(minutes=15)
LONGEST_NAP_SECONDS = 1.0
# Alpaca's extended hours: until 20:00, on half days until 17:00
# (https://alpaca.markets/learn/how-to-enable-stock-market-trading-from-4-am-to-8-pm-et/).
EXTENDED_FROM, EXTENDED_AFTER_CLOSE = time(4), timedelta(hours=4)


def is_extended(moment: datetime) -> bool:
    """Whether orders for extended hours trade at `moment` (aware), regular hours included."""
    there = moment.astimezone(NEW_YORK)
    session = calendars.session_on(there.date())
    return session is not None and there.time() >= EXTENDED_FROM and moment < session.closes_at + EXTENDED_AFTER_CLOSE


def night_began(moment: datetime) -> datetime:
    """When the extended hours before or after a session began to which `moment` belongs."""
    there = moment.astimezone(NEW_YORK)
    session = calendars.session_on(there.date())
    if session is not None and moment >= session.closes_at:
        return session.closes_at
    return datetime.combine(there.date(), EXTENDED_FROM, NEW_YORK)


class Prices(Protocol):
    def last_prices(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        """Last trade of each symbol, those left out of which nothing recent is known."""
        ...


class Guardian:
    """Used by one thread at a time. `every` is the time between two looks at prices while the market is open."""

    def __init__(self, desk: Desk, prices: Prices, clock: Clock, hours: Hours, every: timedelta) -> None:
        self._desk = desk
        self._prices = prices
        self._clock = clock
        self._hours = hours
        self._every = every
        self._looked_at: datetime | None = None
        self._works_at_night = False
        self._known: Known = {}

    def at_night(self, is_wanted: bool) -> Self:
        """The guardian, which with `is_wanted` looks for passed stops outside regular hours too."""
        self._works_at_night = is_wanted
        return self

    def next_look(self, now: datetime) -> datetime | None:
        """When to look again, which may be past; None while there is nothing to look after."""
        book = self._desk.book
        due = [moment for moment in (next_deadline(book), self._next_prices(now) if book.open else None) if moment is not None]
        return min(due, default=None)

    def _next_prices(self, now: datetime) -> datetime | None:
        if self._hours(now) is None and not self._is_night(now):
            return None
        return now if self._looked_at is None else self._looked_at + self._every

    def look(self) -> tuple[Step, ...]:
        """Look at the prices of what is held, and have the desk do what is due. A broker that is silent gives no prices."""
        now = self._clock.now()
        self._looked_at = now
        held, since = sorted(self._desk.book.shares()), self._began(now)
        latest = self._latest(held) if held and since is not None else {}
        # What traded before, while other people did or few, says little of the market now.
        self._known = {} if since is None else seen_since(self._known, latest, since, CROSSED_AT_MOST)
        return self._desk.guard({}, night=self._known) if self._is_night(now) else self._desk.guard(self._known)

    def _began(self, now: datetime) -> datetime | None:
        """When the hours began to which a look belongs; None when prices are not looked at."""
        hours = self._hours(now)
        if hours is not None:
            return hours[0]
        return night_began(now) if self._is_night(now) else None

    def _is_night(self, now: datetime) -> bool:
        return self._works_at_night and self._hours(now) is None and is_extended(now)

    def look_if_due(self) -> bool:
        """Whether a look was due and taken."""
        now = self._clock.now()
        due = self.next_look(now)
        if due is None or now < due:
            return False
        self.look()
        return True

    def _latest(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        try:
            return self._prices.last_prices(symbols)
        except (RequestException, APIError) as error:
            log.warning("no prices to guard positions by: %r", error)
            return {}


class GuardianThread:
    """A guardian on the wall clock. Stopping waits for a look that goes on."""

    def __init__(self, guardian: Guardian, desk: Desk) -> None:
        self._guardian = guardian
        self._desk = desk
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="guardian", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopped.wait(LONGEST_NAP_SECONDS):
            try:
                self._guardian.look_if_due()
            except Exception as error:
                log.exception("the guardian met an error")
                self._desk.trouble(f"the guardian met an error: {error!r}")
