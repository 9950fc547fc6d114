"""When the trade-updates stream waits, how long, and how it notices that the machine was asleep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from desk.brokers.guarded.pacing import jittered_seconds


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """All waits of a stream, in seconds of real time.

    A half-open connection is found after at most ping + pong + close seconds. Alpaca replays nothing (docs/faults.md), so what is
    lost meanwhile is found by the resync that follows a new connection, or by the regular one.
    """

    resync_seconds: float = 45.0  # between two looks at the broker's truth while the stream listens
    open_seconds: float = 10.0  # name lookup, TCP, TLS and the websocket handshake together
    answer_seconds: float = 10.0  # for the answer to `authenticate`, and again to `listen`
    close_seconds: float = 1.0  # for a close to be answered, before the socket is cut
    ping_seconds: float = 10.0
    pong_seconds: float = 20.0
    look_seconds: float = 5.0  # the longest wait for a message without a look at the clocks
    jump_seconds: float = 60.0  # a gap between two looks that counts as silence
    first_retry_seconds: float = 1.0
    longest_retry_seconds: float = 30.0
    lived_seconds: float = 30.0  # a connection that listened for so long was a good one: delays start anew after it
    refused_seconds: float = 60.0  # between two tries with keys that were refused


class Backoff:
    """Delays that double up to the longest, each between half of itself and all of it. `generator` is seeded by the caller."""

    def __init__(self, first_seconds: float, longest_seconds: float, generator: np.random.Generator) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._generator = generator
        self._failures = 0

    def next_seconds(self) -> float:
        seconds = jittered_seconds(self._first_seconds, self._longest_seconds, self._failures, self._generator)
        self._failures += 1
        return seconds

    def reset(self) -> None:
        self._failures = 0


class ClockWatch:
    """Notices that this process did not run for a while, or that the machine's clock was set.

    `now` and `monotonic` are the machine's two clocks, in a replay too. Linux and macOS stop the monotonic one in a suspended
    machine, so only the other shows the gap; where neither stops, a wait that took far too long shows it.
    """

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float], jump_seconds: float) -> None:
        self._now = now
        self._monotonic = monotonic
        self._jump_seconds = jump_seconds
        self._last = (now(), monotonic())

    def look(self, waited_seconds: float | None = None) -> bool:
        """Whether time jumped since the last look; `waited_seconds` is the most that should have passed, None for any time."""
        then, self._last = self._last, (self._now(), self._monotonic())
        wall_seconds = (self._last[0] - then[0]).total_seconds()
        passed_seconds = self._last[1] - then[1]
        late_seconds = 0.0 if waited_seconds is None else passed_seconds - waited_seconds
        return max(abs(wall_seconds - passed_seconds), late_seconds) > self._jump_seconds
