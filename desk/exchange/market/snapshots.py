"""What is known of a symbol right now: its last trade and quote, and how a day went beside the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from desk.exchange.market.bars import BarBook, sessions_back
from desk.exchange.market.prices import Market
from desk.exchange.market.ticks import NANOSECONDS, Ticks, dollars


def priced_at(market: Market, now: datetime) -> datetime:
    """When the price shown at `now` was made: now in a session, else the last close."""
    if market.sessions.is_open(now):
        return now
    return market.sessions.last_close(now) or now


def latest_tick(market: Market, symbol: str, now: datetime) -> Ticks | None:
    """The last trade and the quote at `now`, as ticks of shape (1,); None for a symbol that has not traded yet."""
    quote = market.quote(symbol, now)
    if quote is None:
        return None
    at = priced_at(market, now).astimezone(UTC)
    stamp = int(at.replace(microsecond=0).timestamp()) * NANOSECONDS + at.microsecond * 1000
    row = (stamp, quote.last, quote.bid, quote.ask, stamp // NANOSECONDS)
    return Ticks(*(np.array([value], dtype=np.int64) for value in row))


@dataclass(frozen=True, slots=True)
class DayChange:
    """One symbol's day so far, or its last day: dollars, shares, and the change in dollars since the close before."""

    symbol: str
    price: float
    volume: int
    trades: int
    change: float
    percent: float


def day_changes(book: BarBook, now: datetime) -> list[DayChange]:
    """The day of every stock that traded in the last session that has opened."""
    session = next(sessions_back(book.market.sessions, now, 1), None)
    if session is None:
        return []
    changes = []
    for symbol in book.market.source.symbols:
        bar = book.day_so_far(symbol, session, now)
        before = book.market.previous_close(symbol, session.opens_at)
        if bar is None:
            continue
        reference = bar.open if before is None else before
        change = dollars(bar.close - reference)
        percent = round(100 * (bar.close / reference - 1), 2)
        changes.append(DayChange(symbol, dollars(bar.close), bar.volume, max(1, bar.volume // 100), change, percent))
    return changes
