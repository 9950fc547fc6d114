"""Counts the trade updates that have been dealt with, so that a replay can wait for the last one."""

from __future__ import annotations

from threading import Condition


class UpdateCounter:
    """Thread-safe. The stream counts, the replay waits."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = Condition()

    def add(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, count: int, timeout_seconds: float) -> bool:
        """Wait until `count` updates in all have been dealt with; False when the time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count >= count, timeout_seconds)

    def start_at(self, count: int) -> None:
        """Updates that the server counted before this connection was made."""
        with self._changed:
            self._count = count
