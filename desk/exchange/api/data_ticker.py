"""What the data stream says while virtual time moves: bars at their ends, quotes and trades at the points of the path.

Message fields: https://docs.alpaca.markets/docs/real-time-stock-pricing-data and /real-time-option-data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from desk.data.calendars import Session
from desk.exchange.api.data_json import (
    OPTION_CONTRACTS,
    OPTION_EXCHANGE,
    OPTION_QUOTE_CONDITION,
    OPTION_TRADE_CONDITION,
    QUOTE_CONDITION,
    STOCK_EXCHANGE,
    TAPE,
    TRADE_CONDITION,
)
from desk.exchange.machine.book import is_option
from desk.exchange.market.bars import BarBook, Bars, midnight
from desk.exchange.market.path import IntArray
from desk.exchange.market.session_path import NativeBars
from desk.exchange.market.ticks import NANOSECONDS, TICK_SHARES, Ticks, dollars
from desk.exchange.market.timeframes import MINUTE

MOST_A_MOVE = 2000  # messages of one channel and symbol that one move of the clock causes; older ones are left out
FAKE_SYMBOL = "FAKEPACA"
FAKE_PRICE, FAKE_SPREAD = 1_338_500, 1_900
HALT = {"sc": "H", "sm": "Trading Halt", "rc": "T12", "rm": "Trading Halted; For information requested by NASDAQ"}
RESUME = {"sc": "T", "sm": "Trading Resumption", "rc": "C11", "rm": "Trade Halt Concluded By Other Regulatory Auth"}


@dataclass(frozen=True, slots=True)
class Told:
    """A message, to be sent in the order of `at`; `stamp` becomes its "t". Both in epoch nanoseconds."""

    at: int
    stamp: int
    fields: Mapping[str, object]


def bar_fields(bars: Bars, kind: str, symbol: str) -> Iterator[dict[str, object]]:
    averages, trades = bars.average_usd.tolist(), bars.trades.tolist()
    for place, average in enumerate(averages):
        yield {
            "T": kind,
            "S": symbol,
            "o": dollars(int(bars.open[place])),
            "h": dollars(int(bars.high[place])),
            "l": dollars(int(bars.low[place])),
            "c": dollars(int(bars.close[place])),
            "v": int(bars.volume[place]),
            "n": trades[place],
            "vw": average,
        }


def quote_fields(ticks: Ticks, symbol: str) -> Iterator[dict[str, object]]:
    exchange = OPTION_EXCHANGE if is_option(symbol) else STOCK_EXCHANGE
    tail: dict[str, object] = {"c": OPTION_QUOTE_CONDITION} if is_option(symbol) else {"c": [QUOTE_CONDITION], "z": TAPE}
    for bid, ask in zip(ticks.bid.tolist(), ticks.ask.tolist(), strict=True):
        sides = {"bp": dollars(bid), "bs": TICK_SHARES if bid else 0, "ap": dollars(ask), "as": TICK_SHARES if ask else 0}
        yield {"T": "q", "S": symbol, "bx": exchange, "ax": exchange, **sides, **tail}


def trade_fields(ticks: Ticks, symbol: str) -> Iterator[dict[str, object]]:
    for price, number in zip(ticks.price.tolist(), ticks.number.tolist(), strict=True):
        if is_option(symbol):
            size: dict[str, object] = {"s": OPTION_CONTRACTS, "x": OPTION_EXCHANGE, "c": OPTION_TRADE_CONDITION}
        else:
            size = {"i": number, "s": TICK_SHARES, "x": STOCK_EXCHANGE, "c": [TRADE_CONDITION], "z": TAPE}
        yield {"T": "t", "S": symbol, "p": dollars(price), **size}


def status(symbol: str, is_halted: bool, at: int) -> Told:
    """A trading halt, or its end."""
    return Told(at, at, {"T": "s", "S": symbol, **(HALT if is_halted else RESUME), "z": TAPE})


class Ticker:
    """Messages of one channel and symbol about what happened after one instant up to another, oldest first."""

    def __init__(self, book: BarBook) -> None:
        self._book = book
        self._makers: Mapping[str, Callable[[str, Session, float, float], list[Told]]] = {
            "bars": self._minutes,
            "dailyBars": self._days,
            "quotes": self._quotes,
            "trades": self._trades,
        }

    def told(self, channel: str, symbol: str, before: datetime, after: datetime) -> list[Told]:
        """At most `MOST_A_MOVE` messages, the newest; none for a channel on which nothing ever happens here."""
        make = self._makers.get(channel)
        found: list[Told] = []
        if make is None:
            return found
        for session in self._book.sessions(before, after, newest_first=True):
            if session.closes_at <= before or len(found) >= MOST_A_MOVE:
                break
            start, end = ((at - session.opens_at).total_seconds() for at in (before, after))
            found = make(symbol, session, start, end) + found
        return found[-MOST_A_MOVE:]

    def _minutes(self, symbol: str, session: Session, start: float, end: float) -> list[Told]:
        made = self._book.session(symbol, session, MINUTE)
        if made is None:
            return []
        span = _ended(made.native, start, end)
        ends = _end_stamps(made.native, session, span)
        bars = made.bars[span]
        stamps = (bars.at * NANOSECONDS).tolist()
        return [Told(*row) for row in zip(ends, stamps, bar_fields(bars, "b", symbol), strict=True)]

    def _days(self, symbol: str, session: Session, start: float, end: float) -> list[Told]:
        """The day so far after every minute."""
        made = self._book.session(symbol, session, MINUTE)
        if made is None:
            return []
        native, span = made.native, _ended(made.native, start, end)
        bars = Bars(
            native.start,
            np.full(len(native.start), native.open[0]),
            np.maximum.accumulate(native.high),
            np.minimum.accumulate(native.low),
            native.close,
            np.cumsum(native.volume),
        )[span]
        stamp = midnight(session.day) * NANOSECONDS
        ends = _end_stamps(native, session, span)
        return [Told(at, stamp, fields) for at, fields in zip(ends, bar_fields(bars, "d", symbol), strict=True)]

    def _quotes(self, symbol: str, session: Session, start: float, end: float) -> list[Told]:
        return self._ticks(symbol, session, start, end, quote_fields)

    def _trades(self, symbol: str, session: Session, start: float, end: float) -> list[Told]:
        return self._ticks(symbol, session, start, end, trade_fields)

    def _ticks(
        self,
        symbol: str,
        session: Session,
        start: float,
        end: float,
        fields: Callable[[Ticks, str], Iterator[dict[str, object]]],
    ) -> list[Told]:
        ticks = self._book.ticks(symbol, session)
        path = self._book.market.path(symbol, session)
        if ticks is None or path is None:
            return []
        part = ticks[_newest(path.index(start) + 1, path.index(end) + 1)]
        return [Told(at, at, each) for at, each in zip(part.at.tolist(), fields(part, symbol), strict=True)]


def _ended(native: NativeBars, start: float, end: float) -> slice:
    """Native bars that ended after `start` and at or before `end`, seconds after the open."""
    return _newest(native.completed(start), native.completed(end))


def _newest(first: int, last: int) -> slice:
    return slice(max(first, last - MOST_A_MOVE), last)


def _end_stamps(native: NativeBars, session: Session, span: slice) -> list[int]:
    opened = int(session.opens_at.timestamp())
    ends: list[int] = ((opened + native.start[span] + native.seconds) * NANOSECONDS).tolist()
    return ends


def fake_told(channel: str, before: datetime, after: datetime) -> list[Told]:
    """The test stream: a quote, a trade and a bar every minute, day and night, of a symbol that nobody can buy."""
    first, last = (int(at.timestamp()) // 60 for at in (before, after))
    minutes = np.arange(max(first, last - MOST_A_MOVE), last, dtype=np.int64) + 1
    return _fake_at(channel, minutes)


def fake_now(channel: str, now: datetime) -> list[Told]:
    """What the test stream says at once when somebody subscribes."""
    return _fake_at(channel, np.array([int(now.timestamp()) // 60], dtype=np.int64))


def _fake_at(channel: str, minutes: IntArray) -> list[Told]:
    at, price = minutes * 60 * NANOSECONDS, _fake_price(minutes)
    if channel in ("quotes", "trades"):
        ticks = Ticks(at, price, price - FAKE_SPREAD // 2, price + FAKE_SPREAD // 2, minutes)
        fields = (quote_fields if channel == "quotes" else trade_fields)(ticks, FAKE_SYMBOL)
        return [Told(stamp, stamp, each) for stamp, each in zip(at.tolist(), fields, strict=True)]
    if channel != "bars":
        return []
    opened = _fake_price(minutes - 1)
    high, low = np.maximum(opened, price), np.minimum(opened, price)
    bars = Bars((minutes - 1) * 60, opened, high, low, price, np.full(len(minutes), 2 * TICK_SHARES))
    stamps = (bars.at * NANOSECONDS).tolist()
    return [Told(*row) for row in zip(at.tolist(), stamps, bar_fields(bars, "b", FAKE_SYMBOL), strict=True)]


def _fake_price(minutes: IntArray) -> IntArray:
    """A price that goes up and down by whole cents and never far."""
    return FAKE_PRICE + 100 * ((minutes * 7919) % 101 - 50)
