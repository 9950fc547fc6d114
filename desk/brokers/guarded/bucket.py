"""Requests a minute, kept below Alpaca's limit, with a reserve that only protective requests may use.

Alpaca allows 200 requests a minute and account (https://docs.alpaca.markets/docs/usage-limits) and does not say how its window
moves. So every token comes back exactly one window after it was taken: no window of that length, wherever it begins, ever holds
more than the budget.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

from desk.brokers.guarded.pacing import Stopwatch, Wait

TOO_MANY_REQUESTS = 429
# A stopwatch that stands still for less than this would make a waiting thread spin.
_SHORTEST_WAIT_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class RateBudget:
    """`requests` in any `window_seconds`, of which `reserve` are for protective requests alone.

    `pause_seconds` is how long to hold back when the broker says that it is too much and not until when; `longest_hold_seconds`
    bounds what a header can ask for, as a clock that is off may name an instant years ahead. `ordinary_wait_seconds` bounds how
    long a request that does not protect waits for a token: orders leave in one thread, and an exit may stand behind it.
    """

    requests: int = 180
    reserve: int = 40
    window_seconds: float = 60.0
    pause_seconds: float = 3.0
    longest_hold_seconds: float = 120.0
    ordinary_wait_seconds: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.reserve < self.requests:
            raise ValueError(f"reserve {self.reserve} of {self.requests} requests: give at least 0 and less than the requests")
        if not self.window_seconds > 0:
            raise ValueError(f"window_seconds {self.window_seconds}: give seconds above 0, Alpaca's is 60")
        if not self.ordinary_wait_seconds >= 0:
            raise ValueError(f"ordinary_wait_seconds {self.ordinary_wait_seconds}: give seconds, at least 0")


class TokenBucket:
    """`stopwatch` never goes back, `epoch` is the wall clock in seconds since 1970 (both as functions), `wait` lets time pass.

    Safe to share between threads. One for each account, and another for market data: Alpaca counts these apart.
    """

    def __init__(self, stopwatch: Stopwatch, epoch: Stopwatch, wait: Wait, budget: RateBudget | None = None) -> None:
        self.budget = budget or RateBudget()
        self._stopwatch, self._epoch, self._wait = stopwatch, epoch, wait
        self._back_at: list[tuple[float, int]] = []  # a heap: when tokens that are out come back, and how many
        self._out = 0
        self._shut_until = float("-inf")
        self._lock = Lock()

    def take(self, protective: bool = False) -> float | None:
        """Take a token, waiting for one where need be. Returns the seconds waited, by the stopwatch.

        None, and no token is gone, for an ordinary request that found none within its bound. It waits that long also when it is
        known to be in vain: time brings tokens to the next one in its thread. A protective request waits as long as it takes.
        """
        began = self._stopwatch()
        longest = math.inf if protective else self.budget.ordinary_wait_seconds
        while (seconds := self._try(protective)) > 0:
            left = began + longest - self._stopwatch()
            if left <= 0:
                return None
            self._wait(max(min(seconds, left), _SHORTEST_WAIT_SECONDS))
        return self._stopwatch() - began

    def free(self, protective: bool = False) -> int:
        """Tokens that such a request finds now."""
        with self._lock:
            return max(0, self._free(self._stopwatch()) - self._kept(protective))

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Slow down as an answer's X-RateLimit-Remaining, X-RateLimit-Reset and Retry-After say; they may be missing, on a 429
        too. `headers` finds names whatever their case."""
        with self._lock:
            now = self._stopwatch()
            back_at = now + self._seconds_until_reset(headers)
            remaining = _number(headers.get("X-RateLimit-Remaining"))
            if remaining is not None:
                self._hide(self._free(now) - max(0, int(remaining)), back_at)
            if status == TOO_MANY_REQUESTS:
                asked = _number(headers.get("Retry-After"))
                self._shut_until = max(self._shut_until, back_at if asked is None else now + self._bounded(asked))

    def _try(self, protective: bool) -> float:
        """Take a token, or tell the seconds after which to try again."""
        with self._lock:
            now = self._stopwatch()
            lacking = self._kept(protective) + 1 - self._free(now)
            if now < self._shut_until:
                return self._shut_until - now
            if lacking > 0:
                return self._back_when(lacking) - now
            self._hide(1, now + self.budget.window_seconds)
            return 0.0

    def _kept(self, protective: bool) -> int:
        return 0 if protective else self.budget.reserve

    def _free(self, now: float) -> int:
        while self._back_at and self._back_at[0][0] <= now:
            self._out -= heapq.heappop(self._back_at)[1]
        return self.budget.requests - self._out

    def _back_when(self, lacking: int) -> float:
        """When so many tokens more are back."""
        for back_at, tokens in sorted(self._back_at):
            lacking -= tokens
            if lacking <= 0:
                return back_at
        raise AssertionError("more tokens are lacking than are out")

    def _hide(self, tokens: int, back_at: float) -> None:
        """Take tokens out that the broker does not have: another program uses the account."""
        if tokens > 0:
            heapq.heappush(self._back_at, (back_at, tokens))
            self._out += tokens

    def _seconds_until_reset(self, headers: Mapping[str, str]) -> float:
        reset = _number(headers.get("X-RateLimit-Reset"))
        if reset is None:
            return self.budget.pause_seconds
        seconds = reset - self._epoch()
        return min(seconds, self.budget.window_seconds) if seconds > 0 else self.budget.pause_seconds

    def _bounded(self, seconds: float) -> float:
        return min(max(seconds, 0.0), self.budget.longest_hold_seconds)


def _number(text: str | None) -> float | None:
    """A header's number; None for one that is missing, or a date, which Retry-After may be."""
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < 1e12 else None
