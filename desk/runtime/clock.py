"""Clocks. This file is the one place that reads the machine's time and waits for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's time. Implements `desk.core.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class VirtualClock:
    """A replay's time, moved by its driver and read by everybody else."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Raises ValueError for a step back: nothing that was decided can be undecided."""
        if moment < self._now:
            raise ValueError(f"the clock stands at {self._now} and cannot go back to {moment}")
        self._now = moment


def wait_seconds(seconds: float) -> None:
    """Let wall-clock time pass."""
    time.sleep(seconds)


def stopwatch() -> float:
    """Seconds on a clock that never goes back, for durations."""
    return time.monotonic()
