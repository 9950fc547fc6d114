"""The market data API's endpoints: bars, latest quotes and trades, snapshots, for many symbols at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.data.calendars import NEW_YORK
from desk.exchange.admin import parse_instant
from desk.exchange.bars import (
    DEFAULT_LIMIT,
    LARGEST_LIMIT,
    BarRequest,
    bars_json,
    minute_json,
    parse_timeframe,
    quote_json,
    snapshot_json,
    trade_json,
)
from desk.exchange.market import Market
from desk.exchange.rejections import Rejection
from desk.exchange.routes import answer
from desk.exchange.venue import Exchange
from desk.exchange.wire import Json

Latest = Callable[[Market, str, datetime], Json | None]
BAD_REQUEST = 40010001


class DataRoutes:
    """Market data of one exchange, as known at its virtual time."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        return [
            Route("/v2/stocks/bars", self.bars, methods=["GET"]),
            Route("/v2/stocks/bars/latest", self.minutes, methods=["GET"]),
            Route("/v2/stocks/quotes/latest", self.quotes, methods=["GET"]),
            Route("/v2/stocks/trades/latest", self.trades, methods=["GET"]),
            Route("/v2/stocks/snapshots", self.snapshots, methods=["GET"]),
        ]

    async def bars(self, request: Request) -> Response:
        asked = _bar_request(request, self.exchange.now)
        if isinstance(asked, Rejection):
            return answer(asked)
        return answer(bars_json(self.exchange.market, asked, self.exchange.now))

    async def minutes(self, request: Request) -> Response:
        return answer({"bars": self._latest(request, minute_json)})

    async def quotes(self, request: Request) -> Response:
        return answer({"quotes": self._latest(request, quote_json)})

    async def trades(self, request: Request) -> Response:
        return answer({"trades": self._latest(request, trade_json)})

    async def snapshots(self, request: Request) -> Response:
        found = self._known(request)
        return answer({symbol: snapshot_json(self.exchange.market, symbol, self.exchange.now) for symbol in found})

    def _latest(self, request: Request, make: Latest) -> dict[str, Json]:
        made = {symbol: make(self.exchange.market, symbol, self.exchange.now) for symbol in self._known(request)}
        return {symbol: shape for symbol, shape in made.items() if shape is not None}

    def _known(self, request: Request) -> list[str]:
        return [symbol for symbol in _symbols(request) if self.exchange.market.has(symbol)]


def _symbols(request: Request) -> list[str]:
    return [symbol for symbol in request.query_params.get("symbols", "").split(",") if symbol]


def _bar_request(request: Request, now: datetime) -> BarRequest | Rejection:
    params = request.query_params
    timeframe = parse_timeframe(params.get("timeframe", ""))
    if isinstance(timeframe, Rejection):
        return timeframe
    limit = params.get("limit", str(DEFAULT_LIMIT))
    if not limit.isdigit() or not 1 <= int(limit) <= LARGEST_LIMIT:
        return Rejection(400, BAD_REQUEST, f"invalid limit: {limit}")
    midnight = now.astimezone(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)
    start = parse_instant(params["start"]) if params.get("start") else midnight
    end = parse_instant(params["end"]) if params.get("end") else now
    if start is None or end is None:
        return Rejection(400, BAD_REQUEST, "invalid start or end: send RFC 3339 or YYYY-MM-DD")
    return BarRequest(
        tuple(_symbols(request)),
        *timeframe,
        start=start,
        end=end,
        limit=int(limit),
        newest_first=params.get("sort") == "desc",
        page_token=params.get("page_token"),
    )
