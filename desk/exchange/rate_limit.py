"""The limit of requests a minute: 200 for each account, market data counted apart from trading.

https://docs.alpaca.markets/docs/usage-limits. A minute is one of real time, as the client lives it, and begins with the first
request after the last minute ended. Alpaca does not say how its window moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from desk.exchange.rules.rejections import Rejection

WINDOW_SECONDS = 60.0
TRADING, DATA = "trading", "data"
_DATA_PATHS = ("/v2/stocks", "/v1beta1/", "/v1/corporate-actions")
_TRADING_PATHS = ("/v2/", "/v3/", "/v1/")
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Headers that any answer gets, and the refusal when the limit is reached."""

    headers: Headers = ()
    rejection: Rejection | None = None


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


FREE = Verdict()
EXCEEDED = Rejection(429, 42910000, "rate limit exceeded")


class RateLimiter:
    """Counts requests by account and API; `per_minute` None lets everything through and sends no headers."""

    def __init__(self, per_minute: int | None) -> None:
        self._limit = per_minute
        self._windows: dict[tuple[str, str], _Window] = {}

    def check(self, account_id: str, path: str, monotonic: float, epoch: float) -> Verdict:
        """Count a request at `monotonic` (seconds of any clock that never goes back); `epoch` is the wall clock's, for Reset."""
        family = family_of(path)
        if self._limit is None or family is None:
            return FREE
        window = self._windows.get((account_id, family))
        if window is None or monotonic >= window.ends_at:
            window = self._windows[account_id, family] = _Window(monotonic + WINDOW_SECONDS)
        is_over = window.used >= self._limit
        window.used += not is_over
        headers = (
            (b"x-ratelimit-limit", str(self._limit).encode()),
            (b"x-ratelimit-remaining", str(self._limit - window.used).encode()),
            (b"x-ratelimit-reset", str(math.ceil(epoch + window.ends_at - monotonic)).encode()),
        )
        return Verdict(headers, EXCEEDED if is_over else None)

    def reset(self, per_minute: int | None) -> None:
        """Start counting anew, with this limit."""
        self._limit = per_minute
        self._windows.clear()


def family_of(path: str) -> str | None:
    """Which of the two limits a path falls under; None for the exchange's own paths, which are free."""
    if path.startswith(_DATA_PATHS):
        return DATA
    return TRADING if path.startswith(_TRADING_PATHS) else None
