"""Indicator states carried from look to look, so that a look costs one step for each new bar however long the history is.

What is carried never differs from what a restart would compute from the bars that are shown: when their past is another one,
the state begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from desk.domain.market import IntradayBars

State = TypeVar("State")
# A feed corrects its last few bars at most (late trades); another adjustment or another first bar changes all of them.
BARS_COMPARED = 32


class Bar(NamedTuple):
    """One completed bar: `start` in POSIX seconds, prices in dollars, volume in shares."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class _Known(Generic[State]):
    bars: IntradayBars
    state: State


class Carried(Generic[State]):
    """One state a symbol: `first` before any bar, `pushed(state, bar)` one bar later."""

    def __init__(self, first: State, pushed: Callable[[State, Bar], State]) -> None:
        self._first = first
        self._pushed = pushed
        self._known: dict[str, _Known[State]] = {}

    def state(self, symbol: str, bars: IntradayBars) -> State:
        """The state after all of `bars`."""
        known = self._known.get(symbol)
        if known is None or not _is_continued(known.bars, bars):
            state, count = self._first, 0
        else:
            state, count = known.state, len(known.bars)
        for bar in bars_from(bars, count):
            state = self._pushed(state, bar)
        self._known[symbol] = _Known(bars, state)
        return state


def bars_from(bars: IntradayBars, place: int) -> list[Bar]:
    """The bars from `place` on, oldest first."""
    columns = (bars.starts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return [Bar(*row) for row in zip(*(column[place:].tolist() for column in columns), strict=True)]


def _is_continued(known: IntradayBars, shown: IntradayBars) -> bool:
    """Whether `shown` begins with the bars of `known`, as far as a feed may change them."""
    count = len(known)
    if count == 0 or len(shown) < count or known.starts[0] != shown.starts[0]:
        return count == 0
    tail = slice(max(0, count - BARS_COMPARED), count)
    pairs = ((known.starts, shown.starts), (known.high, shown.high), (known.low, shown.low), (known.close, shown.close))
    return all(np.array_equal(mine[tail], theirs[tail]) for mine, theirs in (*pairs, (known.volume, shown.volume)))
