"""Quotes and trades as they went by: one of each at every point of a session's path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from desk.data.calendars import Session
from desk.exchange.market.path import UNITS_PER_DOLLAR, IntArray
from desk.exchange.market.session_path import SessionPath

NANOSECONDS = 1_000_000_000
TICK_SHARES = 100  # the path knows prices and no sizes


def dollars(units: int) -> float:
    """Dollars of a price in units; the nearest float to the decimal, so it prints as the price does."""
    return units / UNITS_PER_DOLLAR


@dataclass(frozen=True, slots=True)
class Ticks:
    """Points of one session in order, all of shape (n,): `at` in epoch nanoseconds, prices in units, `number` from 1 on."""

    at: IntArray
    price: IntArray
    bid: IntArray
    ask: IntArray
    number: IntArray

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, span: slice) -> Ticks:
        return Ticks(self.at[span], self.price[span], self.bid[span], self.ask[span], self.number[span])


def ticks_of(path: SessionPath, session: Session) -> Ticks:
    """All ticks of a session. Points of one second are a nanosecond apart, so that a page can end between them."""
    places = np.arange(len(path.seconds), dtype=np.int64)
    apart = places - np.searchsorted(path.seconds, path.seconds, side="left")
    at = (int(session.opens_at.timestamp()) + path.seconds) * NANOSECONDS + apart
    return Ticks(at, path.price, path.bid, path.ask, places + 1)
