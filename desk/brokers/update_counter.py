"""Knows which of the exchange's numbered trade updates have been dealt with, so that a replay can wait for the last one.

The built-in exchange numbers an account's updates from 1 (`event_id`). Numbers, not a count: an update that comes twice must not
stand in for one that was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Condition
from typing import Any


class UpdateCounter:
    """Thread-safe. The stream tells, the replay waits; where nobody called `start_at` nothing is remembered."""

    def __init__(self) -> None:
        self._through: int | None = None  # every update up to this number is dealt with
        self._ahead: set[int] = set()  # and these beyond it
        self._changed = Condition()

    def add(self, message: Mapping[str, Any]) -> None:
        """`message`, as it came, has been dealt with."""
        number = number_of(message)
        with self._changed:
            if number is None or self._through is None or number <= self._through:
                return
            self._ahead.add(number)
            self._close_up(self._through)

    def start_at(self, number: int) -> None:
        """Nobody need wait for updates up to `number`: they were told before, or what they say was asked for."""
        with self._changed:
            through = number if self._through is None else max(number, self._through)
            self._ahead = {each for each in self._ahead if each > through}
            self._close_up(through)

    def wait(self, number: int, timeout_seconds: float) -> bool:
        """Wait until all updates up to `number` have been dealt with; False when the time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._through is not None and self._through >= number, timeout_seconds)

    def _close_up(self, through: int) -> None:
        while through + 1 in self._ahead:
            through += 1
            self._ahead.remove(through)
        self._through = through
        self._changed.notify_all()


def number_of(message: Mapping[str, Any]) -> int | None:
    """The exchange's number of an update; None for anything else, such as Alpaca's own ids, which are no numbers."""
    data = message.get("data")
    name = data.get("event_id") if isinstance(data, Mapping) else None
    return int(name) if isinstance(name, str) and name.isdecimal() else None
