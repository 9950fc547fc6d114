"""Virtual time that moves by itself: as fast as real time, a multiple of it, or as fast as the machine can.

It runs between requests in the event loop that owns the exchange, a small piece at a time, so that clients are answered
while time flies. Virtual time never goes back; a client that advances it takes the pacer along.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from desk.exchange.config import FULL_SPEED, STEPPED

TICK_SECONDS = 0.005
# The finest that the event loop waits for.
SHORTEST_SECONDS = 0.001
# At full speed: how much work between two looks at the network, and how far ahead one step may aim.
SLICE_SECONDS = 0.004
STRIDE = timedelta(minutes=5)
monotonic = time.perf_counter


@dataclass(frozen=True)
class Paced:
    """What the pacer moves. `advance` moves to an instant or to the first trade update before it, `flush` streams updates,
    `end` tells the first instant beyond the data, `due` the next one at which something that was asked for happens by itself."""

    now: Callable[[], datetime]
    advance: Callable[[datetime], object]
    flush: Callable[[], None]
    end: Callable[[], datetime]
    due: Callable[[], datetime | None]


class Pacer:
    """Moves the clock of one exchange by `speed` virtual seconds a second."""

    def __init__(self, paced: Paced, speed: float) -> None:
        self._paced = paced
        self._speed = speed
        self._target = self._seen = paced.now()
        self._looked_at: float | None = None

    async def run(self) -> None:
        """Until the task is cancelled: at the end of the data it waits, for the exchange may be reset. Returns at once for a
        clock that clients step."""
        if self._speed == STEPPED:
            return
        self._looked_at = monotonic()
        while True:
            await asyncio.sleep(self._pause_seconds())
            self._turn()

    def catch_up(self) -> None:
        """Come to the present. Between two turns time stands still: what a client asks for then would be dated too early, and
        what was due meanwhile would look as if it had not happened. Nothing to do for a clock that is stepped or that flies."""
        if self._looked_at is not None and self._speed != FULL_SPEED:
            self._turn()

    def _pause_seconds(self) -> float:
        """Until the next turn, or until something is due before it."""
        if self._speed == FULL_SPEED:
            return TICK_SECONDS if self._is_over() else 0.0
        due = self._paced.due()
        until_due = math.inf if due is None else (due - self._paced.now()).total_seconds() / self._speed
        return min(TICK_SECONDS, max(SHORTEST_SECONDS, until_due))

    def _turn(self) -> None:
        before, self._looked_at = self._looked_at, monotonic()
        if before is None or self._is_over():
            return
        step = self._fly if self._speed == FULL_SPEED else self._keep_pace
        step(self._looked_at - before)

    def _keep_pace(self, passed_seconds: float) -> None:
        now = self._paced.now()
        if now < self._seen:  # the exchange was reset
            self._target = now
        # From where time stands now: a client may have moved it on.
        base = max(self._target, now)
        self._target = self._within(base, timedelta(seconds=passed_seconds * self._speed))
        self._work_until(self._target)
        self._seen = self._paced.now()

    def _fly(self, passed_seconds: float) -> None:
        self._work_until(self._within(self._paced.now(), STRIDE))

    def _work_until(self, target: datetime) -> None:
        """Advance for at most a slice; what is left is made up for at the next turn."""
        until = monotonic() + SLICE_SECONDS
        while self._paced.now() < target and monotonic() < until:
            before = self._paced.now()
            self._paced.advance(target)
            self._paced.flush()
            if self._paced.now() <= before:
                return  # it told an update and stands still: the next turn goes on

    def _within(self, base: datetime, step: timedelta) -> datetime:
        last = self._last
        return last if step > last - base else base + step

    def _is_over(self) -> bool:
        return self._paced.now() >= self._last

    @property
    def _last(self) -> datetime:
        return self._paced.end() - timedelta(microseconds=1)
