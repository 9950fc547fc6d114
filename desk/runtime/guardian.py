"""The guardian: looks after positions between iterations, also while the strategy sleeps or hangs.

It works through the desk, so what it sends is journaled like everything else, and there is one guardian wherever there is one
desk: the journal's lease sees to it that no second one looks after the same account.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Protocol

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.ports import Clock
from desk.core.upkeep import next_deadline
from desk.domain.steps import Step
from desk.runtime.desk import Desk

log = logging.getLogger(__name__)
Hours = Callable[[datetime], tuple[datetime, datetime] | None]
# Between two looks at prices in a replay: virtual minutes, each costs a request.
REPLAY_EVERY = timedelta(minutes=15)
LONGEST_NAP_SECONDS = 1.0


class Prices(Protocol):
    def last_prices(self, symbols: Sequence[str]) -> Mapping[str, float]:
        """Last trade of each symbol in dollars, those left out of which nothing recent is known."""
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

    def next_look(self, now: datetime) -> datetime | None:
        """When to look again, which may be past; None while there is nothing to look after."""
        book = self._desk.book
        due = [moment for moment in (next_deadline(book), self._next_prices(now) if book.open else None) if moment is not None]
        return min(due, default=None)

    def _next_prices(self, now: datetime) -> datetime | None:
        if self._hours(now) is None:
            return None
        return now if self._looked_at is None else self._looked_at + self._every

    def look(self) -> tuple[Step, ...]:
        """Look at the prices of what is held, and have the desk do what is due. A broker that is silent gives no prices."""
        now = self._clock.now()
        self._looked_at = now
        held = sorted(self._desk.book.shares())
        return self._desk.guard(self._known(held) if held and self._hours(now) is not None else {})

    def look_if_due(self) -> bool:
        """Whether a look was due and taken."""
        now = self._clock.now()
        due = self.next_look(now)
        if due is None or now < due:
            return False
        self.look()
        return True

    def _known(self, symbols: Sequence[str]) -> Mapping[str, float]:
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
