"""Bars, quotes and trades as JSON text, many at a time, and the blocks of it that pages are cut from.

Field names: https://docs.alpaca.markets/reference (schemas stock_bar, stock_quote, stock_trade, option_quote, option_trade).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from desk.data.calendars import Session
from desk.exchange.machine.book import is_option
from desk.exchange.market.bars import BarBook, Bars
from desk.exchange.market.path import UNITS_PER_DOLLAR, IntArray
from desk.exchange.market.ticks import NANOSECONDS, TICK_SHARES, Ticks
from desk.exchange.market.timeframes import Timeframe

BLOCKS_KEPT = 1024
STOCK_EXCHANGE, OPTION_EXCHANGE = "V", "C"
TAPE = "C"
QUOTE_CONDITION, TRADE_CONDITION = "R", "@"
OPTION_QUOTE_CONDITION, OPTION_TRADE_CONDITION = "A", "I"
OPTION_CONTRACTS = 1  # size of an option's trade


def stamps(seconds: IntArray) -> list[str]:
    """Epoch seconds as RFC 3339 in UTC."""
    return [f"{text}Z" for text in np.datetime_as_string(seconds.astype("datetime64[s]")).tolist()]


def fine_stamps(nanoseconds: IntArray) -> list[str]:
    """Epoch nanoseconds as RFC 3339 in UTC, with nine digits only where there is something behind the second."""
    whole = stamps(nanoseconds // NANOSECONDS)
    rest = (nanoseconds % NANOSECONDS).tolist()
    return [f"{text[:-1]}.{part:09d}Z" if part else text for text, part in zip(whole, rest, strict=True)]


def bar_texts(bars: Bars) -> list[str]:
    """One JSON object a bar. Prices are divided as floats, so they print as the decimals that they are."""
    columns = (bars.open, bars.high, bars.low, bars.close)
    distinct, places = np.unique(np.concatenate(columns), return_inverse=True)
    names = [repr(price) for price in (distinct / UNITS_PER_DOLLAR).tolist()]
    prices = (map(names.__getitem__, part.tolist()) for part in np.split(places, len(columns)))
    rows = zip(stamps(bars.at), *prices, bars.volume.tolist(), bars.trades.tolist(), bars.average_usd.tolist(), strict=True)
    return [f'{{"t":"{t}","o":{o},"h":{h},"l":{low},"c":{c},"v":{v},"n":{n},"vw":{vw!r}}}' for t, o, h, low, c, v, n, vw in rows]


def quote_texts(ticks: Ticks, symbol: str) -> list[str]:
    """One JSON object a quote; an option's has its condition as text and no tape."""
    if is_option(symbol):
        exchange, ending = OPTION_EXCHANGE, f'"c":"{OPTION_QUOTE_CONDITION}"'
    else:
        exchange, ending = STOCK_EXCHANGE, f'"c":["{QUOTE_CONDITION}"],"z":"{TAPE}"'
    sides = [(column / UNITS_PER_DOLLAR).tolist() for column in (ticks.ask, ticks.bid)]
    return [
        f'{{"t":"{t}","ap":{ask!r},"as":{_size(ask)},"ax":"{exchange}",'
        f'"bp":{bid!r},"bs":{_size(bid)},"bx":"{exchange}",{ending}}}'
        for t, ask, bid in zip(fine_stamps(ticks.at), *sides, strict=True)
    ]


def trade_texts(ticks: Ticks, symbol: str) -> list[str]:
    """One JSON object a trade; an option's has its condition as text, no id and no tape."""
    prices = (ticks.price / UNITS_PER_DOLLAR).tolist()
    rows = zip(fine_stamps(ticks.at), prices, ticks.number.tolist(), strict=True)
    if is_option(symbol):
        ending = f'"s":{OPTION_CONTRACTS},"x":"{OPTION_EXCHANGE}","c":"{OPTION_TRADE_CONDITION}"'
        return [f'{{"t":"{t}","p":{price!r},{ending}}}' for t, price, _ in rows]
    ending = f'"s":{TICK_SHARES},"x":"{STOCK_EXCHANGE}","c":["{TRADE_CONDITION}"],"z":"{TAPE}"'
    return [f'{{"t":"{t}","p":{price!r},"i":{number},{ending}}}' for t, price, number in rows]


def _size(price: float) -> int:
    """A price of zero says that there is no quote on that side."""
    return TICK_SHARES if price else 0


@dataclass(frozen=True, slots=True)
class Block:
    """Items of one symbol in order: `at` when each opened (epoch nanoseconds), and their JSON, item i from `edges[i]` on."""

    at: IntArray
    text: str
    edges: IntArray

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, span: slice) -> Block:
        """Some of the items; `span` has no step."""
        first, last, _ = span.indices(len(self.at))
        last = max(first, last)
        return Block(self.at[first:last], self.text, self.edges[first : last + 1])

    def between(self, start: int, end: int) -> Block:
        """Items at `start` to `end`, both included."""
        return self[int(np.searchsorted(self.at, start)) : int(np.searchsorted(self.at, end, side="right"))]

    def items(self, newest_first: bool = False) -> str:
        """The items with commas between them."""
        if not len(self):
            return ""
        if not newest_first:
            return self.text[int(self.edges[0]) : int(self.edges[-1]) - 1]
        edges = self.edges.tolist()
        return ",".join(self.text[edges[i] : edges[i + 1] - 1] for i in range(len(edges) - 2, -1, -1))


def block(at: IntArray, texts: Sequence[str]) -> Block:
    lengths = np.fromiter((len(text) + 1 for text in texts), dtype=np.int64, count=len(texts))
    return Block(at, ",".join(texts) + ",", np.concatenate(([0], np.cumsum(lengths))))


class BlockBook:
    """JSON of sessions, kept for a while: a completed minute never changes."""

    def __init__(self, bars: BarBook) -> None:
        self.bars = bars
        self._session_bars = lru_cache(BLOCKS_KEPT)(self._make_bars)
        self._ticks = lru_cache(BLOCKS_KEPT)(self._make_ticks)

    def session_bars(self, symbol: str, session: Session, timeframe: Timeframe, elapsed_seconds: float) -> list[Block]:
        """Bars of a session as known `elapsed_seconds` after its open: the completed ones, and perhaps one that is forming."""
        made = self.bars.session(symbol, session, timeframe)
        if made is None:
            return []
        known = made.native.completed(elapsed_seconds)
        complete, forming = made.completed(known), made.forming(known)
        blocks = [self._session_bars(symbol, session, timeframe)[:complete]]
        return blocks if not len(forming) else [*blocks, bar_block(forming)]

    def ticks(self, symbol: str, session: Session, are_quotes: bool, elapsed_seconds: float) -> list[Block]:
        """Quotes or trades of a session as known `elapsed_seconds` after its open."""
        path = self.bars.market.path(symbol, session) if self.bars.market.trades_in(symbol, session) else None
        if path is None:
            return []
        return [self._ticks(symbol, session, are_quotes)[: path.index(elapsed_seconds) + 1]]

    def _make_bars(self, symbol: str, session: Session, timeframe: Timeframe) -> Block:
        made = self.bars.session(symbol, session, timeframe)
        assert made is not None
        return bar_block(made.bars)

    def _make_ticks(self, symbol: str, session: Session, are_quotes: bool) -> Block:
        ticks = self.bars.ticks(symbol, session)
        assert ticks is not None
        return block(ticks.at, (quote_texts if are_quotes else trade_texts)(ticks, symbol))


def bar_block(bars: Bars) -> Block:
    return block(bars.at * NANOSECONDS, bar_texts(bars))
