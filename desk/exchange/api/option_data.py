"""The market data API's option endpoints: chains and snapshots, latest quotes and trades, bars, trades, codes.

https://docs.alpaca.markets/reference/optionchain and its neighbours. Two feeds: `opra` for accounts with a subscription, and
`indicative`, whose trades are 15 minutes old. Alpaca also modifies the quotes of `indicative`; how, it does not say, and here
both feeds have the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.data.calendars import Session
from desk.exchange.api.answers import answer
from desk.exchange.api.data_json import OPTION_EXCHANGE, OPTION_TRADE_CONDITION, Block, BlockBook, block, fine_stamps
from desk.exchange.api.data_pages import Blocks, History, page
from desk.exchange.api.data_params import (
    OPTION_SYMBOL,
    SIP_DELAY,
    Span,
    bad,
    parse_instant,
    parse_span,
    parse_symbols,
)
from desk.exchange.api.option_params import Unreadable, chain_filter, decoded, encoded, whole
from desk.exchange.api.option_snapshots import OptionSnapshots
from desk.exchange.api.wire import Json
from desk.exchange.market.bars import MIDNIGHT, BarBook
from desk.exchange.market.options.contract import Contract
from desk.exchange.market.options.listing_dates import expires_at, listed_since
from desk.exchange.market.options.volume import Trades, one_row, so_far, trades_of
from desk.exchange.market.path import UNITS_PER_DOLLAR, IntArray, TickBar
from desk.exchange.market.sessions import new_york
from desk.exchange.market.ticks import NANOSECONDS
from desk.exchange.market.timeframes import parse_timeframe
from desk.exchange.rules.rejections import UNPROCESSABLE, Rejection
from desk.exchange.venue import Exchange
from options import occ

PATH = "/v1beta1/options"
DEFAULT_SNAPSHOTS, MOST_SNAPSHOTS, MOST_SYMBOLS = 100, 1000, 100
TRADE_DELAY = SIP_DELAY
OPRA, INDICATIVE = "opra", "indicative"
# Participants of OPRA by the letter that they print with (https://www.opraplan.com).
EXCHANGES = {
    "A": "NYSE American Options",
    "B": "BOX Options Exchange",
    "C": "Cboe Options Exchange",
    "D": "MIAX Emerald",
    "E": "Cboe EDGX Options",
    "H": "Nasdaq GEMX",
    "I": "Nasdaq ISE",
    "J": "Nasdaq MRX",
    "M": "MIAX Options",
    "N": "NYSE Arca Options",
    "P": "MIAX Pearl",
    "Q": "Nasdaq Options",
    "T": "Nasdaq BX Options",
    "U": "MEMX Options",
    "W": "Cboe C2 Options",
    "X": "Nasdaq PHLX",
    "Z": "Cboe BZX Options",
}
CONDITIONS = {
    "trade": {
        "I": "AUTO - Electronic Trade",
        "a": "SLAN - Single Leg Auction Non ISO",
        "e": "SLFT - Single Leg Floor Trade",
        "g": "MLAT - Multi Leg Auction",
    },
    "quote": {"A": "Eligible for automatic execution"},
}


class OptionBarBook(BarBook):
    """Bars of options: those of a day are made of its trades too, so that a contract that nobody traded has none."""

    def day_so_far(self, symbol: str, session: Session, now: datetime) -> TickBar | None:
        path = self.market.path(symbol, session) if now >= session.opens_at else None
        done = None if path is None else so_far(one_row(path.bars), (now - session.opens_at).total_seconds())[0]
        return None if done is None else TickBar(done.day.open, done.day.high, done.day.low, done.day.close, done.day.volume)


class OptionDataRoutes:
    """Option market data of one exchange, as known at its virtual time."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._history = self._new_history()

    def _new_history(self) -> History:
        return History(BlockBook(OptionBarBook(self.exchange.market)), self.exchange.actions)

    @property
    def history(self) -> History:
        """Of the market as it is: a reset of the exchange makes another."""
        if self._history.bars.market is not self.exchange.market:
            self._history = self._new_history()
        return self._history

    def routes(self) -> list[Route]:
        named = [
            ("snapshots", self.snapshots),
            ("snapshots/{underlying}", self.chain),
            ("quotes/latest", self.quotes),
            ("trades/latest", self.trades_latest),
            ("bars", self.bars),
            ("trades", self.trades),
            ("meta/exchanges", self.exchanges),
            ("meta/conditions/{ticktype}", self.conditions),
        ]
        return [Route(f"{PATH}/{name}", handler, methods=["GET"]) for name, handler in named]

    # what is latest

    async def chain(self, request: Request) -> Response:
        underlying: str = request.path_params["underlying"]

        def listed() -> list[Contract]:
            return chain_filter(request.query_params).listed(self.exchange.board, underlying, self.exchange.today)

        return self._snapshots(request, listed)

    async def snapshots(self, request: Request) -> Response:
        return self._snapshots(request, lambda: self._named(request))

    async def quotes(self, request: Request) -> Response:
        return self._latest(request, "quotes", "latestQuote")

    async def trades_latest(self, request: Request) -> Response:
        return self._latest(request, "trades", "latestTrade")

    def _snapshots(self, request: Request, listed: Callable[[], list[Contract]]) -> Response:
        """A page of snapshots, sorted by symbol; the token says the last symbol of the page before."""
        params = request.query_params
        try:
            shots = self._shots(request)
            limit, after = whole(params, "limit", DEFAULT_SNAPSHOTS, MOST_SNAPSHOTS), decoded(params)
            contracts = [contract for contract in listed() if contract.symbol > after]
            since = _updated_since(params.get("updated_since"))
        except Unreadable as error:
            return answer(bad(str(error)))
        if isinstance(shots, Rejection):
            return answer(shots)
        if since is not None and (shots.updated_at is None or shots.updated_at < since):
            contracts = []
        found = self._shapes(shots, contracts[:limit])
        more = encoded(contracts[limit - 1].symbol) if len(contracts) > limit else None
        return answer({"snapshots": found, "next_page_token": more})

    def _latest(self, request: Request, name: str, part: str) -> Response:
        try:
            shots, contracts = self._shots(request), self._named(request)
        except Unreadable as error:
            return answer(bad(str(error)))
        if isinstance(shots, Rejection):
            return answer(shots)
        found = self._shapes(shots, contracts)
        return answer({name: {symbol: shape[part] for symbol, shape in found.items() if part in shape}})

    def _shapes(self, shots: OptionSnapshots, contracts: Sequence[Contract]) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for underlying, group in groupby(contracts, key=lambda contract: contract.underlying):
            found |= shots.of(underlying, list(group))
        return found

    def _shots(self, request: Request) -> OptionSnapshots | Rejection:
        """Snapshots of the feed that is asked for; raises Unreadable for one that there is not."""
        feed = request.query_params.get("feed") or (OPRA if self.exchange.config.has_sip else INDICATIVE)
        if feed not in (OPRA, INDICATIVE):
            raise Unreadable(f"invalid feed: {feed[:20]}")
        if feed == OPRA and not self.exchange.config.has_sip:
            return Rejection(403, UNPROCESSABLE, "OPRA agreement is not signed")
        delay = timedelta(0) if feed == OPRA else TRADE_DELAY
        return OptionSnapshots(self.exchange.market, self.exchange.board, self.exchange.now, delay)

    def _named(self, request: Request) -> list[Contract]:
        """The listed contracts among `symbols`, sorted; raises Unreadable for what is no option symbol."""
        found = (self.exchange.contract(symbol) for symbol in self._symbols(request))
        return [contract for contract in found if contract is not None]

    def _symbols(self, request: Request) -> tuple[str, ...]:
        symbols = parse_symbols(request.query_params.get("symbols"), OPTION_SYMBOL, MOST_SYMBOLS)
        if isinstance(symbols, Rejection):
            raise Unreadable(symbols.message)
        return symbols

    # history

    async def bars(self, request: Request) -> Response:
        text = request.query_params.get("timeframe", "")
        timeframe = parse_timeframe(text)
        if timeframe is None:
            return answer(bad(f"invalid timeframe: {text[:20]}"))
        return self._pages(request, "bars", self.history.of_bars(timeframe, frozenset({"raw"})))

    async def trades(self, request: Request) -> Response:
        return self._pages(request, "trades", _trades_of(self.history))

    def _pages(self, request: Request, name: str, blocks: Blocks) -> Response:
        """Without a subscription the last 15 minutes may not be asked for."""
        now = self.exchange.now
        try:
            symbols = self._symbols(request)
        except Unreadable as error:
            return answer(bad(str(error)))
        span = parse_span(request.query_params, symbols, now, self.exchange.config.has_sip)
        if isinstance(span, Rejection):
            is_early = span.status == 403
            return answer(replace(span, message="subscription does not permit querying recent OPRA data") if is_early else span)
        return page(span, now, _while_listed(blocks)).of_many(name)

    # codes

    async def exchanges(self, request: Request) -> Response:
        return answer(EXCHANGES)

    async def conditions(self, request: Request) -> Response:
        kind = request.path_params["ticktype"]
        return answer(CONDITIONS[kind] if kind in CONDITIONS else bad(f"invalid ticktype: {kind[:20]}"))


def _updated_since(text: str | None) -> datetime | None:
    at = parse_instant(text) if text else None
    if text and at is None:
        raise Unreadable(f"invalid updated_since: {text[:40]}, send RFC 3339 or YYYY-MM-DD")
    return at


def _trades_of(history: History) -> Blocks:
    """The trades that the bars are made of, a block a session."""

    def blocks(symbol: str, span: Span, now: datetime) -> Iterator[Block]:
        for session in history.bars.sessions(span.start, min(span.end, now), span.newest_first):
            path = history.bars.market.path(symbol, session)
            if path is not None:
                trades = trades_of(path.bars, path.bars.completed((now - session.opens_at).total_seconds()))
                at = (int(session.opens_at.timestamp()) + trades.seconds) * NANOSECONDS
                yield block(at, trade_texts(at, trades))

    return blocks


def trade_texts(at: IntArray, trades: Trades) -> list[str]:
    """One JSON object a trade; `at` in epoch nanoseconds."""
    rows = zip(fine_stamps(at), (trades.price / UNITS_PER_DOLLAR).tolist(), trades.size.tolist(), strict=True)
    ending = f'"x":"{OPTION_EXCHANGE}","c":"{OPTION_TRADE_CONDITION}"'
    return [f'{{"t":"{t}","p":{price!r},"s":{size},{ending}}}' for t, price, size in rows]


def _while_listed(blocks: Blocks) -> Blocks:
    """The same blocks, looked for only in the days between a contract's listing and its expiration."""

    def cut(symbol: str, span: Span, now: datetime) -> Iterator[Block]:
        try:
            expiration = occ.parse(symbol).expiration
        except ValueError:  # a well-formed symbol of a day that is none
            return
        start = max(span.start, new_york(listed_since(expiration), MIDNIGHT))
        end = min(span.end, expires_at(expiration))
        if start <= end:
            yield from blocks(symbol, replace(span, start=start, end=end), now)

    return cut
