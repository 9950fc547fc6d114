"""Bars as Alpaca serves them: minutes, hours and days up to the virtual clock, the forming day included, nothing ahead of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np

from desk.data.calendars import NEW_YORK, Session
from desk.exchange.clock import new_york
from desk.exchange.market import Market
from desk.exchange.rejections import Rejection
from desk.exchange.wire import Json, instant

TIMEFRAME = re.compile(r"^(\d{1,2})(Min|T|Hour|H|Day|D)$")
LONGEST = {"T": 59, "H": 23, "D": 1}
DEFAULT_LIMIT, LARGEST_LIMIT = 1000, 10_000
MIDNIGHT = time(0, 0)


@dataclass(frozen=True, slots=True)
class BarRequest:
    """Which bars: `unit` is T, H or D, `step` of them make one bar; `start` and `end` inclusive, on the bar's opening."""

    symbols: tuple[str, ...]
    step: int
    unit: str
    start: datetime
    end: datetime
    limit: int = DEFAULT_LIMIT
    newest_first: bool = False
    page_token: str | None = None


def parse_timeframe(text: str) -> tuple[int, str] | Rejection:
    """(step, unit) of a timeframe such as 15Min, 1Hour, 1D."""
    found = TIMEFRAME.match(text)
    if found:
        step, unit = int(found[1]), {"Min": "T", "T": "T", "Hour": "H", "H": "H", "Day": "D", "D": "D"}[found[2]]
        if 1 <= step <= LONGEST[unit]:
            return step, unit
    return Rejection(400, 40010001, f"invalid timeframe: {text}")


def bars_json(market: Market, request: BarRequest, now: datetime) -> Json:
    """One page of bars by symbol. The limit counts over all symbols; a token goes on where the page ended."""
    page: dict[str, list[Json]] = {}
    room = request.limit
    resume_symbol, resume_at = _resume(request.page_token)
    for symbol in sorted(set(request.symbols)):
        if symbol < resume_symbol or not market.has(symbol):
            continue
        bars = series(market, symbol, request, now)
        if symbol == resume_symbol:
            bars = bars[_seen(bars, resume_at) :]
        if bars and room <= 0:
            return {"bars": page, "next_page_token": f"{symbol}|"}
        if len(bars) > room:
            page[symbol] = bars[:room]
            return {"bars": page, "next_page_token": f"{symbol}|{page[symbol][-1]['t']}"}
        if bars:
            page[symbol] = bars
            room -= len(bars)
    return {"bars": page, "next_page_token": None}


def _resume(token: str | None) -> tuple[str, str]:
    symbol, _, at = (token or "").partition("|")
    return symbol, at


def _seen(bars: list[Json], resume_at: str) -> int:
    """How many bars an earlier page has shown already."""
    return next((place + 1 for place, bar in enumerate(bars) if bar["t"] == resume_at), 0)


def series(market: Market, symbol: str, request: BarRequest, now: datetime) -> list[Json]:
    """All bars of one symbol in the requested span that are known at `now`."""
    end = min(request.end, now)
    make = _daily if request.unit == "D" else _intraday
    bars = list(make(market, symbol, request, end, now))
    return bars[::-1] if request.newest_first else bars


def _daily(market: Market, symbol: str, request: BarRequest, end: datetime, now: datetime) -> Iterator[Json]:
    current = market.sessions.current(now)
    table = market.daily(symbol)
    first = table.first_row(request.start.astimezone(NEW_YORK).date())
    for day, bar in zip(table.days[first:], table.bars[first:], strict=True):
        opened = new_york(day, MIDNIGHT)
        if opened > end or (current is not None and day >= current.day):
            break
        if opened >= request.start:
            yield bar_json(opened, bar.open, bar.high, bar.low, bar.close, bar.volume)
    forming = forming_day(market, symbol, now)
    if forming is not None and current is not None and request.start <= new_york(current.day, MIDNIGHT) <= end:
        yield forming


def forming_day(market: Market, symbol: str, now: datetime) -> Json | None:
    """Today's bar so far, from the first trade on; None outside a session."""
    session = market.sessions.at(now)
    if session is None or now >= session.closes_at or not market.trades_in(symbol, session):
        return None
    path = market.path(symbol, session)
    assert path is not None
    elapsed = (now - session.opens_at).total_seconds()
    seen = path.price[: path.index(elapsed) + 1]
    volume = int(path.bars.volume[: path.bars.completed(elapsed)].sum())
    opened = new_york(session.day, MIDNIGHT)
    return bar_json(opened, int(seen[0]), int(seen.max()), int(seen.min()), int(seen[-1]), volume)


def _intraday(market: Market, symbol: str, request: BarRequest, end: datetime, now: datetime) -> Iterator[Json]:
    width = request.step * (60 if request.unit == "T" else 3600)
    first = request.start.astimezone(NEW_YORK).date()
    for session in market.sessions.from_day(first):
        if session.opens_at > end:
            return
        if market.trades_in(symbol, session):
            yield from _session_bars(market, symbol, session, width, request.start, end, now)


def _session_bars(
    market: Market, symbol: str, session: Session, width: int, start: datetime, end: datetime, now: datetime
) -> Iterator[Json]:
    """Bars of one session, `width` seconds wide, on the clock's grid; only what has ended by `now` goes into them."""
    path = market.path(symbol, session)
    assert path is not None
    native = path.bars
    known = native.completed((now - session.opens_at).total_seconds())
    if known == 0:
        return
    at = native.start[:known] + int(session.opens_at.timestamp())
    bucket = at - at % width if native.seconds < width else at
    edges = np.flatnonzero(np.diff(bucket, prepend=-1))
    ends = np.append(edges[1:], known) - 1
    highs, lows = np.maximum.reduceat(native.high[:known], edges), np.minimum.reduceat(native.low[:known], edges)
    volumes = np.add.reduceat(native.volume[:known], edges)
    for place, edge in enumerate(edges):
        opened = datetime.fromtimestamp(int(bucket[edge]), UTC)
        if start <= opened <= end:
            cells = (native.open[edge], highs[place], lows[place], native.close[ends[place]], volumes[place])
            yield bar_json(opened, *(int(cell) for cell in cells))


def bar_json(opened: datetime, open_: int, high: int, low: int, close: int, volume: int) -> Json:
    """Prices in cents become dollars. The average price is the bar's typical price: the path has no trades of its own."""
    typical = round((high + low + close) / 300, 4)
    return {
        "t": instant(opened),
        "o": open_ / 100,
        "h": high / 100,
        "l": low / 100,
        "c": close / 100,
        "v": volume,
        "n": max(1, volume // 100) if volume else 0,
        "vw": typical,
    }


def quote_json(market: Market, symbol: str, now: datetime) -> Json | None:
    """Best bid and ask, 100 shares each."""
    quote = market.quote(symbol, now)
    if quote is None:
        return None
    place = {"t": instant(priced_at(market, now)), "c": ["R"], "z": "C"}
    return {**place, "ap": quote.ask / 100, "as": 100, "ax": "V", "bp": quote.bid / 100, "bs": 100, "bx": "V"}


def trade_json(market: Market, symbol: str, now: datetime) -> Json | None:
    last = market.last(symbol, now)
    if last is None:
        return None
    at = priced_at(market, now)
    return {"t": instant(at), "p": last / 100, "s": 100, "x": "V", "i": int(at.timestamp()), "c": ["@"], "z": "C"}


def priced_at(market: Market, now: datetime) -> datetime:
    """When the price shown at `now` was made: now in a session, else the last close."""
    if market.sessions.is_open(now):
        return now
    return market.sessions.last_close(now) or now


def minute_json(market: Market, symbol: str, now: datetime) -> Json | None:
    """The last minute that is complete, of the last session that had one; None when there was none for a while."""
    request = BarRequest((symbol,), 1, "T", priced_at(market, now) - timedelta(hours=1), now)
    minutes = series(market, symbol, request, now)
    return minutes[-1] if minutes else None


def snapshot_json(market: Market, symbol: str, now: datetime) -> Json:
    """Latest trade and quote, minute, day so far (else the last day) and the day before."""
    request = BarRequest((symbol,), 1, "D", now - timedelta(days=15), now)
    days = series(market, symbol, request, now)
    return {
        "latestTrade": trade_json(market, symbol, now),
        "latestQuote": quote_json(market, symbol, now),
        "minuteBar": minute_json(market, symbol, now),
        "dailyBar": days[-1] if days else None,
        "prevDailyBar": days[-2] if len(days) > 1 else None,
    }
