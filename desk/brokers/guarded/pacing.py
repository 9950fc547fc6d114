"""How often and how long to try: waits that double up to a cap, with a seeded jitter, so that clients do not come in step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock

from numpy.random import Generator

Stopwatch = Callable[[], float]
Wait = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of one errand: `attempts` in all, none of them begun after `total_seconds`."""

    attempts: int
    total_seconds: float

    def __post_init__(self) -> None:
        if self.attempts < 1 or not self.total_seconds >= 0:
            raise ValueError(f"attempts {self.attempts}, total_seconds {self.total_seconds}: give at least 1 and at least 0")


ONCE = Patience(1, 0.0)


# Beyond this many doublings every wait is the longest one; without a bound a float would overflow after a day offline.
MOST_DOUBLINGS = 60


def jittered_seconds(first_seconds: float, longest_seconds: float, number: int, generator: Generator) -> float:
    """Wait number `number`, from 0: the first doubled so often, up to the longest, shortened to between half and all of it."""
    whole = min(longest_seconds, first_seconds * 2.0 ** min(number, MOST_DOUBLINGS))
    return float(whole * generator.uniform(0.5, 1.0))


class Pace:
    """Waits between attempts: `first_wait_seconds`, then twice that, up to `longest_wait_seconds`, each shortened by chance to
    between half and all of it. `stopwatch` is in seconds and never goes back. Safe to share between threads."""

    def __init__(
        self,
        stopwatch: Stopwatch,
        wait: Wait,
        generator: Generator,
        first_wait_seconds: float = 0.5,
        longest_wait_seconds: float = 8.0,
    ) -> None:
        self._stopwatch = stopwatch
        self._wait = wait
        self._generator = generator
        self._first, self._longest = first_wait_seconds, longest_wait_seconds
        self._lock = Lock()  # numpy's generators are not to be shared between threads

    def with_waits(self, first_wait_seconds: float, longest_wait_seconds: float) -> Pace:
        """The same clock and generator at other intervals, for use in the same thread."""
        return Pace(self._stopwatch, self._wait, self._generator, first_wait_seconds, longest_wait_seconds)

    def tries(self, patience: Patience) -> Iterator[int]:
        """Number the attempts from 0, resting before each but the first; ends when `patience` does."""
        began = self._stopwatch()
        for number in range(patience.attempts):
            if number:
                pause = self.pause_seconds(number - 1)
                if self._stopwatch() - began + pause > patience.total_seconds:
                    return
                self._wait(pause)
            yield number

    def rest(self, number: int) -> None:
        """Wait as after attempt `number`."""
        self._wait(self.pause_seconds(number))

    def pause_seconds(self, number: int) -> float:
        """Seconds to wait after attempt `number`, counted from 0."""
        with self._lock:
            return jittered_seconds(self._first, self._longest, number, self._generator)
