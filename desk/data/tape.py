"""The real bars of one symbol in order of time, as the broker of a backtest needs them: future included."""

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
