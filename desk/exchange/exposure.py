"""Shares that stood without an exit: for how long, in all and window by window, by the exchange's clock alone.

Windows are made of the time that passes, so one in which none did is never there, and one that ends at the instant at which the
next one of its symbol begins goes on. What is added up in all is what is added to a window: the windows' sum is the whole.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter

from desk.exchange.machine.orders import ZERO

MOST_WINDOWS = 1000
MICROSECOND = timedelta(microseconds=1)
MICROSECONDS_OF_A_SECOND = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class BareWindow:
    """A time without a gap in which shares of one symbol stood bare, as far as it has passed; `most_shares` at once."""

    symbol: str
    since: datetime
    until: datetime
    most_shares: Decimal
    share_seconds: Decimal


@dataclass
class Exposure:
    """Share-seconds by symbol, the number of windows so far, and the windows themselves: the `latest` of each symbol, and of
    those before them, in order of their ends, as many as `MOST_WINDOWS`."""

    share_seconds: dict[str, Decimal] = field(default_factory=dict)
    count: int = 0
    latest: dict[str, BareWindow] = field(default_factory=dict)
    earlier: list[BareWindow] = field(default_factory=list)

    def expose(self, bare: Mapping[str, Decimal], since: datetime, until: datetime) -> None:
        """The shares in `bare`, above zero each, had no exit from `since`, where the call before ended, to `until`."""
        if until <= since:
            return
        seconds = Decimal((until - since) // MICROSECOND) / MICROSECONDS_OF_A_SECOND
        for symbol, shares in bare.items():
            self.share_seconds[symbol] = self.share_seconds.get(symbol, ZERO) + shares * seconds
            window = self._window_at(symbol, since)
            self.latest[symbol] = replace(
                window,
                until=until,
                most_shares=max(window.most_shares, shares),
                share_seconds=window.share_seconds + shares * seconds,
            )

    def newest(self) -> list[BareWindow]:
        """The windows that ended last or still go on, at most `MOST_WINDOWS`, in order of their beginnings."""
        ended = sorted((*self.earlier, *self.latest.values()), key=attrgetter("until"))
        return sorted(ended[-MOST_WINDOWS:], key=attrgetter("since", "symbol"))

    def _window_at(self, symbol: str, since: datetime) -> BareWindow:
        """The symbol's window that reaches up to `since`, or a new one."""
        last = self.latest.get(symbol)
        if last is not None and last.until == since:
            return last
        if last is not None:
            insort(self.earlier, last, key=attrgetter("until"))
            del self.earlier[:-MOST_WINDOWS]
        self.count += 1
        return BareWindow(symbol, since, since, ZERO, ZERO)
