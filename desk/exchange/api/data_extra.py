"""The rest of the market data API: codes, news, screeners, and what is out of scope.

Codes are those that the tapes publish (https://docs.alpaca.markets/reference/stockmetaexchanges-1 and its neighbour).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange.api.answers import answer
from desk.exchange.api.data_params import Params, bad, check_shape, parse_whole
from desk.exchange.api.wire import Json, instant
from desk.exchange.market.bars import BarBook
from desk.exchange.market.snapshots import DayChange, day_changes, priced_at
from desk.exchange.rules.rejections import Rejection, not_found
from desk.exchange.venue import Exchange

EXCHANGES = {
    "A": "NYSE American (AMEX)",
    "B": "NASDAQ OMX BX",
    "C": "National Stock Exchange",
    "D": "FINRA ADF",
    "E": "Market Independent",
    "H": "MIAX",
    "I": "International Securities Exchange",
    "J": "Cboe EDGA",
    "K": "Cboe EDGX",
    "L": "Long Term Stock Exchange",
    "M": "Chicago Stock Exchange",
    "N": "New York Stock Exchange",
    "P": "NYSE Arca",
    "Q": "NASDAQ OMX",
    "S": "NASDAQ Small Cap",
    "T": "NASDAQ Int",
    "U": "Members Exchange",
    "V": "IEX",
    "W": "CBOE",
    "X": "NASDAQ OMX PSX",
    "Y": "Cboe BYX",
    "Z": "Cboe BZX",
}
_SALES = {
    "B": "Average Price Trade",
    "C": "Cash Sale",
    "F": "Intermarket Sweep",
    "I": "Odd Lot Trade",
    "N": "Next Day",
    "O": "Market Center Opening Trade",
    "P": "Prior Reference Price",
    "R": "Seller",
    "T": "Extended Hours Trade",
    "U": "Extended Hours Sold (Out Of Sequence)",
    "V": "Contingent Trade",
    "Z": "Sold (Out Of Sequence)",
    "M": "Market Center Official Close",
    "Q": "Market Center Official Open",
    "6": "Market Center Closing Trade",
}
TRADE_CONDITIONS: Mapping[str, Mapping[str, str]] = {
    "A": {" ": "Regular Sale", **_SALES},
    "B": {" ": "Regular Sale", **_SALES},
    "C": {"@": "Regular Sale", **_SALES},
}
_QUOTES = {"A": "Slow Quote Offer Side", "B": "Slow Quote Bid Side", "O": "Opening Quote", "R": "Regular Market Maker Open"}
QUOTE_CONDITIONS = {"A": _QUOTES, "B": _QUOTES, "C": {**_QUOTES, "Y": "Regular One Sided Open"}}
OUT_OF_SCOPE = ("/v1beta3/crypto/{rest:path}", "/v1beta1/forex/{rest:path}", "/v1beta1/fixed_income/{rest:path}")
LARGEST_TOP, LARGEST_MOVERS, DEFAULT_TOP = 100, 50, 10
LARGEST_NEWS, DEFAULT_NEWS = 50, 10


class ExtraDataRoutes:
    """Endpoints beside bars, quotes and trades."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        paths = {
            "/v2/stocks/meta/exchanges": self.exchanges,
            "/v2/stocks/meta/conditions/{ticktype}": self.conditions,
            "/v1beta1/news": self.news,
            "/v1beta1/screener/stocks/most-actives": self.most_active,
            "/v1beta1/screener/{market_type}/movers": self.movers,
            "/v1beta1/logos/{symbol}": self.logo,
        }
        routes = [Route(path, handler, methods=["GET"]) for path, handler in paths.items()]
        return routes + [Route(path, self.out_of_scope, methods=["GET"]) for path in OUT_OF_SCOPE]

    async def exchanges(self, request: Request) -> Response:
        return answer(EXCHANGES)

    async def conditions(self, request: Request) -> Response:
        """Codes of trades or quotes of one tape."""
        kinds = {"trade": TRADE_CONDITIONS, "quote": QUOTE_CONDITIONS}
        tapes = kinds.get(request.path_params["ticktype"])
        if tapes is None:
            return answer(bad("invalid ticktype: send trade or quote"))
        found = tapes.get(request.query_params.get("tape", ""))
        return answer(bad("invalid tape: send A, B or C") if found is None else found)

    async def news(self, request: Request) -> Response:
        """No news: the sources have none."""
        wrong = parse_whole(request.query_params, "limit", DEFAULT_NEWS, LARGEST_NEWS)
        return answer(wrong if isinstance(wrong, Rejection) else check_shape(request.query_params) or _NO_NEWS)

    async def most_active(self, request: Request) -> Response:
        top = parse_whole(request.query_params, "top", DEFAULT_TOP, LARGEST_TOP)
        by = request.query_params.get("by") or "volume"
        if isinstance(top, Rejection) or by not in ("volume", "trades"):
            return answer(top if isinstance(top, Rejection) else bad(f"invalid by: {by[:20]}"))
        ranked = sorted(self._changes(), key=lambda each: (-(each.volume if by == "volume" else each.trades), each.symbol))
        actives = [{"symbol": each.symbol, "volume": each.volume, "trade_count": each.trades} for each in ranked[:top]]
        return answer({"most_actives": actives, "last_updated": self._updated()})

    async def movers(self, request: Request) -> Response:
        """The stocks that rose and fell most since the close before."""
        market, top = request.path_params["market_type"], _top_movers(request.query_params)
        if market != "stocks" or isinstance(top, Rejection):
            return answer(top if market == "stocks" else bad(f"invalid market_type: {market[:20]}, there are stocks only"))
        ranked = sorted(self._changes(), key=lambda each: (-each.percent, each.symbol))
        gainers = [_mover(each) for each in ranked if each.percent > 0][:top]
        losers = [_mover(each) for each in ranked[::-1] if each.percent < 0][:top]
        return answer({"gainers": gainers, "losers": losers, "market_type": market, "last_updated": self._updated()})

    async def logo(self, request: Request) -> Response:
        return answer(not_found(f"logo not found for {request.path_params['symbol'][:20]}"))

    async def out_of_scope(self, request: Request) -> Response:
        kind = request.url.path.split("/")[2].replace("_", " ")
        return answer(not_found(f"{kind} data is out of scope: this exchange has US stocks and their options"))

    def _changes(self) -> list[DayChange]:
        return day_changes(BarBook(self.exchange.market), self.exchange.now)

    def _updated(self) -> str | None:
        return instant(priced_at(self.exchange.market, self.exchange.now))


_NO_NEWS: Json = {"news": [], "next_page_token": None}


def _top_movers(params: Params) -> int | Rejection:
    return parse_whole(params, "top", DEFAULT_TOP, LARGEST_MOVERS)


def _mover(each: DayChange) -> Json:
    return {"symbol": each.symbol, "percent_change": each.percent, "change": each.change, "price": each.price}
