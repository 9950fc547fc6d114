"""Pages over symbols: sorted by symbol, then by time, cut after so many items whatever symbols they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from starlette.responses import Response

from desk.data.calendars import NEW_YORK, Session
from desk.exchange.api.data_json import Block, BlockBook, bar_block, block
from desk.exchange.api.data_params import Cursor, Span
from desk.exchange.api.jsontext import dumps
from desk.exchange.api.wire import Json, instant
from desk.exchange.market.adjustment import Adjustment, adjustment
from desk.exchange.market.corporate import CorporateActions
from desk.exchange.market.ticks import NANOSECONDS, dollars
from desk.exchange.market.timeframes import Timeframe

AUCTION_EXCHANGE = "Q"
# Blocks of one symbol in the order of the span (newest first when it says so); items of a block always oldest first.
Blocks = Callable[[str, Span, datetime], Iterator[Block]]


@dataclass(frozen=True, slots=True)
class Page:
    """Items by symbol as JSON without brackets, and where to go on."""

    items: dict[str, str]
    cursor: Cursor | None

    def of_many(self, name: str) -> Response:
        """{"bars": {"ABC": [...]}, "next_page_token": null}"""
        return _response(f'{{"{name}":{self._by_symbol()},"next_page_token":{self._token()}}}')

    def of_one(self, name: str, symbol: str) -> Response:
        """{"bars": [...], "symbol": "ABC", "next_page_token": null}"""
        items = self.items.get(symbol, "")
        return _response(f'{{"{name}":[{items}],"symbol":{_quoted(symbol)},"next_page_token":{self._token()}}}')

    def _by_symbol(self) -> str:
        return "{" + ",".join(f"{_quoted(symbol)}:[{items}]" for symbol, items in self.items.items()) + "}"

    def _token(self) -> str:
        return "null" if self.cursor is None else _quoted(self.cursor.token())


def _quoted(text: str) -> str:
    return dumps(text).decode()


def _response(text: str) -> Response:
    return Response(text.encode(), media_type="application/json")


def page(span: Span, now: datetime, blocks: Blocks) -> Page:
    """The next page of `span`: at most `span.limit` items, which go on behind `span.cursor`."""
    parts: dict[str, list[str]] = {}
    room, last = span.limit, None
    for symbol in span.symbols:
        if span.cursor is not None and symbol < span.cursor.symbol:
            continue
        for part in _unseen(symbol, span, now, blocks):
            if not len(part):
                continue
            shown = _cut(part, room, span.newest_first)
            if len(shown):
                parts.setdefault(symbol, []).append(shown.items(span.newest_first))
                room -= len(shown)
                last = Cursor(symbol, int(shown.at[0 if span.newest_first else -1]))
            if len(shown) < len(part):
                return Page(_joined(parts), last)
    return Page(_joined(parts), None)


def _unseen(symbol: str, span: Span, now: datetime, blocks: Blocks) -> Iterator[Block]:
    """Blocks of `symbol` cut to the span and, for the symbol where the last page ended, to what is behind that."""
    start, end = nanoseconds(span.start), nanoseconds(span.end)
    if span.cursor is None or span.cursor.symbol != symbol:
        yield from (found.between(start, end) for found in blocks(symbol, span, now))
        return
    at = min(max(span.cursor.at, start), end)
    rest = replace(span, end=_instant(at)) if span.newest_first else replace(span, start=_instant(at))
    behind = (start, at - 1) if span.newest_first else (at + 1, end)
    yield from (found.between(*behind) for found in blocks(symbol, rest, now))


def _joined(parts: dict[str, list[str]]) -> dict[str, str]:
    return {symbol: ",".join(items) for symbol, items in parts.items()}


def _cut(part: Block, room: int, newest_first: bool) -> Block:
    """The first `room` items in reading order."""
    return part[max(0, len(part) - room) :] if newest_first else part[:room]


def _instant(at: int) -> datetime:
    """The instant of epoch nanoseconds, to the microsecond above."""
    return datetime.fromtimestamp(at // NANOSECONDS, UTC) + timedelta(microseconds=-(-(at % NANOSECONDS) // 1000))


def nanoseconds(at: datetime) -> int:
    """Epoch nanoseconds, exact."""
    whole = int(at.replace(microsecond=0).timestamp())
    return whole * NANOSECONDS + at.microsecond * 1000


class History:
    """Blocks of bars, quotes and trades, for `page`."""

    def __init__(self, book: BlockBook, actions: CorporateActions) -> None:
        self.book = book
        self.bars = book.bars
        self._actions = actions

    def of_bars(self, timeframe: Timeframe, kinds: frozenset[str]) -> Blocks:
        """Bars, rescaled for the corporate actions of `kinds`."""

        def intraday(symbol: str, span: Span, now: datetime) -> Iterator[Block]:
            adjust = self._adjustment(symbol, kinds, now)
            # An hour's bar may be stamped before the session opens that its trades are of.
            until = min(span.end + timedelta(seconds=timeframe.seconds), now)
            for session in self.bars.sessions(span.start, until, span.newest_first):
                yield from _ordered(self._session(symbol, session, timeframe, now, adjust), span)

        def daily(symbol: str, span: Span, now: datetime) -> Iterator[Block]:
            adjust = self._adjustment(symbol, kinds, now)
            yield bar_block(self.bars.daily(symbol, span.start, span.end, now, timeframe, adjust))

        return intraday if timeframe.is_intraday else daily

    def _session(
        self, symbol: str, session: Session, timeframe: Timeframe, now: datetime, adjust: Adjustment | None
    ) -> list[Block]:
        price, shares = (1.0, 1.0) if adjust is None else (float(column[0]) for column in adjust.factors([session.day]))
        if (price, shares) == (1.0, 1.0):
            return self.book.session_bars(symbol, session, timeframe, (now - session.opens_at).total_seconds())
        return [bar_block(self.bars.intraday(symbol, session, timeframe, now).adjusted(price, shares))]

    def _adjustment(self, symbol: str, kinds: frozenset[str], now: datetime) -> Adjustment | None:
        if not self._actions.actions or not self.bars.market.has(symbol):
            return None
        today = now.astimezone(NEW_YORK).date()
        return adjustment(kinds, self._actions.actions, symbol, self.bars.market.daily(symbol), today)

    def of_ticks(self, are_quotes: bool) -> Blocks:
        def blocks(symbol: str, span: Span, now: datetime) -> Iterator[Block]:
            for session in self.bars.sessions(span.start, min(span.end, now), span.newest_first):
                elapsed = (now - session.opens_at).total_seconds()
                yield from _ordered(self.book.ticks(symbol, session, are_quotes, elapsed), span)

        return blocks

    def of_auctions(self) -> Blocks:
        """One item a day, stamped with its opening: the opening's and the closing's official prices, when they are known."""

        def blocks(symbol: str, span: Span, now: datetime) -> Iterator[Block]:
            for session in self.bars.sessions(span.start, min(span.end, now), span.newest_first):
                bar = self.bars.day_so_far(symbol, session, now)
                if bar is None:
                    continue
                closing = _auction(bar.close, session.closes_at, "6", "M") if session.closes_at <= min(span.end, now) else []
                day = {"d": session.day.isoformat(), "o": _auction(bar.open, session.opens_at, "O", "Q"), "c": closing}
                yield block(np.array([nanoseconds(session.opens_at)]), [dumps(day).decode()])

        return blocks


def _auction(price: int, at: datetime, *conditions: str) -> list[Json]:
    return [{"t": instant(at), "x": AUCTION_EXCHANGE, "p": dollars(price), "c": condition} for condition in conditions]


def _ordered(blocks: list[Block], span: Span) -> list[Block]:
    return blocks[::-1] if span.newest_first else blocks
