"""The real bars or ticks of one symbol in order of time, as the broker of a backtest needs them: future included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from desk.domain.market import FloatArray

# Bars looked at in one stride for the next that an order may trade on; most orders find theirs in the first.
FIRST_STRIDE = 64


class Bar(NamedTuple):
    """One bar's prices in dollars; `opens_at` and `closes_at` are POSIX seconds."""

    opens_at: float
    closes_at: float
    open: float
    high: float
    low: float
    close: float


class Tick(NamedTuple):
    """The last trade beside the best bid and offer, in dollars."""

    last: float
    bid: float
    ask: float


@dataclass(frozen=True, eq=False)
class Tape:
    """Columns of shape (n,), bars that do not overlap, oldest first; times in POSIX seconds, prices in dollars."""

    opens_at: FloatArray
    closes_at: FloatArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray

    def __len__(self) -> int:
        return len(self.opens_at)

    def bar(self, place: int) -> Bar:
        columns = (self.opens_at, self.closes_at, self.open, self.high, self.low, self.close)
        return Bar(*(float(column[place]) for column in columns))

    def tick(self, place: int, is_over: bool) -> Tick | None:
        """What was quoted when the bar began, or when it was over; None for bars of which only the range is known."""
        return None

    def place_after(self, moment: float) -> int:
        """Place of the first bar that closes after `moment` (POSIX seconds); the length when there is none."""
        return int(np.searchsorted(self.closes_at, moment, side="right"))

    def touching(self, place: int, low_at_most: float, high_at_least: float) -> int:
        """First place from `place` on whose low or high is so far out; the length when there is none."""
        stride = FIRST_STRIDE
        while place < len(self):
            until = place + stride
            found = (self.low[place:until] <= low_at_most) | (self.high[place:until] >= high_at_least)
            first = int(found.argmax())
            if found[first]:
                return place + first
            place, stride = until, stride * 4
        return len(self)


@dataclass(frozen=True, eq=False)
class TickTape(Tape):
    """Ticks, each of which holds until the next: a bar begins with one and ends with the next, nothing lies between.

    `bid` and `ask` are those of the beginning, `end_bid` and `end_ask` those of the end, shape (n,), dollars.
    """

    bid: FloatArray
    ask: FloatArray
    end_bid: FloatArray
    end_ask: FloatArray

    def tick(self, place: int, is_over: bool) -> Tick:
        columns = (self.close, self.end_bid, self.end_ask) if is_over else (self.open, self.bid, self.ask)
        return Tick(*(float(column[place]) for column in columns))

    def holding(self, moment: float) -> Tick | None:
        """What is quoted at `moment` (POSIX seconds); None outside sessions."""
        place = int(np.searchsorted(self.opens_at, moment, side="right")) - 1
        if place < 0 or moment > self.closes_at[place]:
            return None
        return self.tick(place, bool(moment == self.closes_at[place]))


def tick_tape(at: FloatArray, last: FloatArray, bid: FloatArray, ask: FloatArray, closing: FloatArray) -> TickTape:
    """Columns of shape (n,): times in POSIX seconds, ascending, `closing` those of the session's close; prices in dollars.

    A tick at the close ends the session's last bar and begins none.
    """
    following = np.minimum(np.arange(1, len(at) + 1), max(0, len(at) - 1))
    end = np.where(closing[following] == closing, following, np.arange(len(at)))
    begins = at < closing
    ends_at = np.where(end > np.arange(len(at)), at[end], closing)
    columns = (
        at,
        ends_at,
        last,
        np.maximum(last, last[end]),
        np.minimum(last, last[end]),
        last[end],
        bid,
        ask,
        bid[end],
        ask[end],
    )
    return TickTape(*(column[begins] for column in columns))
