"""A circuit breaker: when the broker fails again and again, ordinary requests stop at once instead of hanging one by one.

A request that protects is never made to wait out the cool-down: it goes as the probe that finds out whether the broker is back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from desk.brokers.guarded.pacing import Stopwatch


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Signal(StrEnum):
    ANSWERED = "a request was answered"
    FAILED = "a request failed"
    FAILED_TOO_OFTEN = "the last of too many requests in a row failed"
    PROBED = "a probe went out"


# Every state with every signal. An answer closes it whenever it comes: a late one too shows that the broker is back.
TRANSITIONS: Mapping[tuple[State, Signal], State] = {
    (State.CLOSED, Signal.ANSWERED): State.CLOSED,
    (State.CLOSED, Signal.FAILED): State.CLOSED,
    (State.CLOSED, Signal.FAILED_TOO_OFTEN): State.OPEN,
    (State.CLOSED, Signal.PROBED): State.CLOSED,
    (State.OPEN, Signal.ANSWERED): State.CLOSED,
    (State.OPEN, Signal.FAILED): State.OPEN,
    (State.OPEN, Signal.FAILED_TOO_OFTEN): State.OPEN,
    (State.OPEN, Signal.PROBED): State.HALF_OPEN,
    (State.HALF_OPEN, Signal.ANSWERED): State.CLOSED,
    (State.HALF_OPEN, Signal.FAILED): State.OPEN,
    (State.HALF_OPEN, Signal.FAILED_TOO_OFTEN): State.OPEN,
    (State.HALF_OPEN, Signal.PROBED): State.HALF_OPEN,
}


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """Open after `failures` in a row. An ordinary probe goes `cool_down_seconds` after the last failure, twice that after each
    probe that fails, at most `longest_cool_down_seconds`; a protective one `protective_pause_seconds` after the last request
    that went. An ordinary request waits for a probe that is out, at most `probe_seconds`."""

    failures: int = 5
    cool_down_seconds: float = 5.0
    longest_cool_down_seconds: float = 60.0
    protective_pause_seconds: float = 1.0
    probe_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise ValueError(f"failures {self.failures}: give the number of failures in a row that opens it, at least 1")


@dataclass(frozen=True, slots=True)
class Change:
    """The breaker went from one state to another; `text` is for a person."""

    before: State
    after: State
    text: str


OnChange = Callable[[Change], None]


class CircuitBreaker:
    """`stopwatch` never goes back (seconds). `on_change` hears of every change of state, on the thread that caused it and
    outside the breaker's lock. Safe to share between threads."""

    def __init__(self, stopwatch: Stopwatch, on_change: OnChange, limits: BreakerLimits | None = None) -> None:
        self.limits = limits or BreakerLimits()
        self._stopwatch, self._on_change = stopwatch, on_change
        self._state = State.CLOSED
        self._in_a_row = 0
        self._why = ""
        self._failed_at = self._probed_at = float("-inf")
        self._cool_down = self.limits.cool_down_seconds
        self._lock = Lock()

    @property
    def state(self) -> State:
        return self._state

    @property
    def text(self) -> str:
        """The state in a sentence for a person."""
        with self._lock:
            return self._text()

    def seconds_until_allowed(self, protective: bool = False) -> float:
        """0.0 when such a request may go now; it changes nothing."""
        with self._lock:
            return self._seconds(protective)

    def admit(self, protective: bool = False) -> float:
        """Let a request go (0.0; its end must be told), or say after how many seconds to ask again."""
        with self._lock:
            seconds = self._seconds(protective)
            change = self._move(Signal.PROBED) if seconds <= 0 and self._state is not State.CLOSED else None
            if seconds <= 0:
                self._probed_at = self._stopwatch()
        self._tell(change)
        return max(seconds, 0.0)

    def answered(self) -> None:
        """The broker answered a request, be it with a refusal."""
        with self._lock:
            self._in_a_row, self._cool_down = 0, self.limits.cool_down_seconds
            change = self._move(Signal.ANSWERED)
        self._tell(change)

    def failed(self, why: str) -> None:
        """A request found the broker broken, or nobody there; `why` is told to the person."""
        with self._lock:
            self._in_a_row += 1
            self._why, self._failed_at = why, self._stopwatch()
            if self._state is State.HALF_OPEN:
                self._cool_down = min(self._cool_down * 2, self.limits.longest_cool_down_seconds)
            is_last = self._in_a_row >= self.limits.failures
            change = self._move(Signal.FAILED_TOO_OFTEN if is_last else Signal.FAILED)
        self._tell(change)

    def _seconds(self, protective: bool) -> float:
        now = self._stopwatch()
        if self._state is State.CLOSED:
            return 0.0
        if protective:  # an ordinary probe that hangs must not keep an exit back
            return max(0.0, self._probed_at + self.limits.protective_pause_seconds - now)
        if self._state is State.HALF_OPEN:
            return max(0.0, self._probed_at + self.limits.probe_seconds - now)
        return max(0.0, self._failed_at + self._cool_down - now)

    def _move(self, signal: Signal) -> Change | None:
        before, self._state = self._state, TRANSITIONS[self._state, signal]
        return None if before is self._state else Change(before, self._state, self._text())

    def _text(self) -> str:
        if self._state is State.CLOSED:
            return "The broker answers."
        failed = f"The broker failed {self._in_a_row} times in a row, the last time so: {self._why}."
        if self._state is State.HALF_OPEN:
            return f"{failed} One request is on its way to find out whether it is back."
        return (
            f"{failed} Nothing new is sent for {self._cool_down:g} seconds; exits and cancels are still tried, "
            "and orders at the broker stay in force."
        )

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            self._on_change(change)
