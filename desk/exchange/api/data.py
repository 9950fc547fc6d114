"""The market data API's endpoints for stocks: bars, quotes, trades, auctions, latest ones and snapshots, for one symbol and many.

https://docs.alpaca.markets/reference/stockbars and its neighbours. All feeds show the same prices: the sources know one tape.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange.api.answers import answer
from desk.exchange.api.data_json import BlockBook, bar_texts, quote_texts, trade_texts
from desk.exchange.api.data_pages import Blocks, History, page
from desk.exchange.api.data_params import (
    EMPTY_FEEDS,
    HISTORIC_FEEDS,
    LATEST_FEEDS,
    SIP_DELAY,
    Span,
    bad,
    check_shape,
    parse_feed,
    parse_span,
    parse_symbols,
    recent_sip,
)
from desk.exchange.api.jsontext import dumps
from desk.exchange.market.bars import BarBook
from desk.exchange.market.snapshots import latest_tick
from desk.exchange.market.timeframes import parse_timeframe
from desk.exchange.rules.rejections import Rejection
from desk.exchange.venue import Exchange

# JSON of what is latest of one symbol, None when there is nothing.
Latest = Callable[[str, datetime], str | None]
Handler = Callable[[Request], Awaitable[Response]]
AUCTION_FEEDS = frozenset({"sip"})


class DataRoutes:
    """Market data of one exchange, as known at its virtual time."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._history = self._new_history()

    def _new_history(self) -> History:
        return History(BlockBook(BarBook(self.exchange.market)), self.exchange.actions)

    @property
    def history(self) -> History:
        """Of the market as it is: a reset of the exchange makes another."""
        if self._history.bars.market is not self.exchange.market:
            self._history = self._new_history()
        return self._history

    @property
    def bars(self) -> BarBook:
        return self.history.bars

    def routes(self) -> list[Route]:
        many, one = "/v2/stocks", "/v2/stocks/{symbol}"
        named = [
            *self._latest_routes("bars", "bar", self._last_minute),
            *self._latest_routes("quotes", "quote", self._quote),
            *self._latest_routes("trades", "trade", self._trade),
            _get(f"{many}/snapshots", self.snapshots),
            _get(f"{one}/snapshot", self.snapshot),
        ]
        for name in ("bars", "quotes", "trades", "auctions"):
            named += [_get(f"{many}/{name}", self._pages(name)), _get(f"{one}/{name}", self._pages(name))]
        return named

    # history

    def _pages(self, name: str) -> Handler:
        async def serve(request: Request) -> Response:
            span, blocks = self._span(request, name), self._blocks(request, name)
            if isinstance(span, Rejection) or isinstance(blocks, Rejection):
                return answer(span if isinstance(span, Rejection) else blocks)
            found = page(span, self.exchange.now, blocks)
            single = request.path_params.get("symbol")
            return found.of_many(name) if single is None else found.of_one(name, single)

        return serve

    def _span(self, request: Request, name: str) -> Span | Rejection:
        params = request.query_params
        symbols = self._symbols(request)
        if isinstance(symbols, Rejection):
            return symbols
        feed = parse_feed(params, "sip", AUCTION_FEEDS if name == "auctions" else HISTORIC_FEEDS)
        if isinstance(feed, Rejection):
            return feed
        known = () if feed in EMPTY_FEEDS else tuple(filter(self.exchange.market.has, symbols))
        return parse_span(params, known, self.exchange.now, self._has_recent(feed))

    def _blocks(self, request: Request, name: str) -> Blocks | Rejection:
        if name == "auctions":
            return self.history.of_auctions()
        if name != "bars":
            return self.history.of_ticks(are_quotes=name == "quotes")
        text = request.query_params.get("timeframe", "")
        timeframe = parse_timeframe(text)
        kinds = frozenset((request.query_params.get("adjustment") or "raw").split(","))
        return bad(f"invalid timeframe: {text[:20]}") if timeframe is None else self.history.of_bars(timeframe, kinds)

    def _has_recent(self, feed: str) -> bool:
        return feed != "sip" or self.exchange.config.has_sip

    # latest

    def _latest_routes(self, plural: str, singular: str, make: Latest) -> list[Route]:
        async def many(request: Request) -> Response:
            found = self._found(request, make)
            return answer(found) if isinstance(found, Rejection) else _json(f'{{"{plural}":{_map(found)}}}')

        async def one(request: Request) -> Response:
            symbol, found = request.path_params["symbol"], self._found(request, make)
            if isinstance(found, Rejection):
                return answer(found)
            if symbol not in found:
                return answer(Rejection(404, 40410000, f"no {singular} found for {symbol}"))
            return _json(f'{{"symbol":"{symbol}","{singular}":{found[symbol]}}}')

        return [_get(f"/v2/stocks/{plural}/latest", many), _get(f"/v2/stocks/{{symbol}}/{plural}/latest", one)]

    async def snapshots(self, request: Request) -> Response:
        found = self._found(request, self._snapshot)
        return answer(found) if isinstance(found, Rejection) else _json(_map(found))

    async def snapshot(self, request: Request) -> Response:
        symbol, found = request.path_params["symbol"], self._found(request, self._snapshot)
        if isinstance(found, Rejection):
            return answer(found)
        if symbol not in found:
            return answer(Rejection(404, 40410000, f"no snapshot found for {symbol}"))
        return _json(f'{{"symbol":"{symbol}",{found[symbol][1:]}')

    def _found(self, request: Request, make: Latest) -> dict[str, str] | Rejection:
        """JSON by symbol, of those of which there is any."""
        params, now = request.query_params, self.exchange.now
        symbols = self._symbols(request)
        if isinstance(symbols, Rejection):
            return symbols
        feed = parse_feed(params, "sip" if self.exchange.config.has_sip else "iex", LATEST_FEEDS)
        wrong = feed if isinstance(feed, Rejection) else check_shape(params)
        if wrong is not None:
            return wrong
        if not self._has_recent(str(feed)):
            return recent_sip()
        at = now - SIP_DELAY if feed == "delayed_sip" else now
        known = () if feed in EMPTY_FEEDS else filter(self.exchange.market.has, symbols)
        made = {symbol: make(symbol, at) for symbol in known}
        return {symbol: text for symbol, text in made.items() if text is not None}

    def _symbols(self, request: Request) -> tuple[str, ...] | Rejection:
        """The path's symbol, or the query's; what the source has is well formed whatever it looks like."""
        text = request.path_params.get("symbol") or request.query_params.get("symbols")
        if text is not None and all(self.exchange.market.has(part) for part in text.split(",")):
            return tuple(sorted(set(text.split(","))))
        return parse_symbols(text)

    def _last_minute(self, symbol: str, now: datetime) -> str | None:
        return next(iter(bar_texts(self.bars.last_minute(symbol, now))), None)

    def _quote(self, symbol: str, now: datetime) -> str | None:
        tick = latest_tick(self.exchange.market, symbol, now)
        return None if tick is None else quote_texts(tick, symbol)[0]

    def _trade(self, symbol: str, now: datetime) -> str | None:
        tick = latest_tick(self.exchange.market, symbol, now)
        return None if tick is None else trade_texts(tick, symbol)[0]

    def _snapshot(self, symbol: str, now: datetime) -> str | None:
        """Latest trade and quote, minute, day so far (else the last day) and the day before, without what there is none of."""
        tick = latest_tick(self.exchange.market, symbol, now)
        if tick is None:
            return None
        days = bar_texts(self.bars.last_days(symbol, now))
        parts = {
            "latestTrade": trade_texts(tick, symbol)[0],
            "latestQuote": quote_texts(tick, symbol)[0],
            "minuteBar": self._last_minute(symbol, now),
            "dailyBar": days[-1] if days else None,
            "prevDailyBar": days[-2] if len(days) > 1 else None,
        }
        return _map({name: text for name, text in parts.items() if text is not None})


def _get(path: str, handler: Handler) -> Route:
    return Route(path, handler, methods=["GET"])


def _map(found: dict[str, str]) -> str:
    return "{" + ",".join(f"{dumps(name).decode()}:{text}" for name, text in found.items()) + "}"


def _json(text: str) -> Response:
    return Response(text.encode(), media_type="application/json")
