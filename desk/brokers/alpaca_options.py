"""Option chains, quotes and underlyings' prices from Alpaca's market data, as the desk's `OptionFeed`.

Answers are read as raw JSON: alpaca-py 0.44 would make four validated models of each contract of a chain, and leaves out the
day's volume. https://docs.alpaca.markets/reference/optionchain and optionsnapshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isfinite, nan
from types import MappingProxyType
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.data.enums import DataFeed, OptionsFeed
from alpaca.data.requests import OptionChainRequest, OptionSnapshotRequest, StockSnapshotRequest
from alpaca.trading.enums import ContractType

from desk.brokers.alpaca_clients import option_data_client, stock_data_client
from desk.brokers.alpaca_facts import moment
from desk.brokers.alpaca_market import STALE_AFTER, WIDEST_SPREAD_FRACTION
from desk.brokers.alpaca_open_interest import OpenInterest
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock
from desk.domain.errors import UsageError
from desk.domain.options import Chain, OptionQuote

# The most symbols that one request for snapshots may name.
SYMBOLS_A_REQUEST = 100
# The underlyings of a scan are asked for together; after so long their prices are asked for again, together too.
SPOTS_KEPT = timedelta(seconds=5)
# Answers to a request that is wrong in itself: it would be answered so at any time. Keys and rates are other matters.
WRONG_REQUEST = frozenset({400, 404, 422})
Raw = Mapping[str, Any]
# What a row of an answer raises that is not as documented; the others are read all the same.
UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError)


class AlpacaOptionFeed:
    """Implements `desk.core.ports.OptionFeed`. Used by one thread at a time; raises alpaca-py's APIError and requests' errors.

    `options` and `stocks` are raw clients. A chain is one request, or one for each 1000 contracts, after `spots` has asked for
    the price of its underlying with those of others; else it is two. With `interest` it is one more, once a day.
    """

    def __init__(
        self,
        options: Any,
        stocks: Any,
        clock: Clock,
        feed: OptionsFeed = OptionsFeed.INDICATIVE,
        stock_feed: DataFeed = DataFeed.IEX,
        interest: OpenInterest | None = None,
    ) -> None:
        self._options = options
        self._stocks = stocks
        self._clock = clock
        self._feed = feed
        self._stock_feed = stock_feed
        self._interest = interest
        self._together: tuple[str, ...] = ()
        self._spots: Mapping[str, float] = {}
        self._spots_at: datetime | None = None

    def chain(self, underlying: str, first: date, last: date, lowest: float, highest: float) -> Chain:
        """Quotes of any age: what is too old to trade at is for whoever trades to say. The spot is NaN where none is known."""
        now = self._clock.now()
        spot = self._spot(underlying, now)
        request = OptionChainRequest(
            underlying_symbol=underlying,
            feed=self._feed,
            type=ContractType.PUT,
            strike_price_gte=round(lowest, 3),
            strike_price_lte=round(highest, 3),
            expiration_date_gte=first,
            expiration_date_lte=last,
        )
        interests = {} if self._interest is None else self._interest.of_puts(underlying, first, last, now)
        found = read_quotes(self._options.get_option_chain(request), interests)
        return Chain(underlying, spot, now, MappingProxyType(dict(found)))

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, OptionQuote]:
        """With greeks and volume, without open interest; a request for each hundred contracts."""
        now = self._clock.now()
        return {symbol: quote for symbol, quote in self._snapshots(sorted(set(symbols))) if now - quote.at <= STALE_AFTER}

    def _snapshots(self, symbols: Sequence[str]) -> Iterator[tuple[str, OptionQuote]]:
        for start in range(0, len(symbols), SYMBOLS_A_REQUEST):
            some = list(symbols[start : start + SYMBOLS_A_REQUEST])
            request = OptionSnapshotRequest(symbol_or_symbols=some, feed=self._feed)
            yield from read_quotes(self._options.get_option_snapshot(request), {})

    def spots(self, underlyings: Sequence[str]) -> Mapping[str, float]:
        """One request, whatever their number."""
        now = self._clock.now()
        wanted = tuple(dict.fromkeys(underlyings))
        self._spots = self._asked_spots(wanted, now) if wanted else {}
        self._together, self._spots_at = wanted, now
        return self._spots

    def _asked_spots(self, wanted: Sequence[str], now: datetime) -> Mapping[str, float]:
        request = StockSnapshotRequest(symbol_or_symbols=list(wanted), feed=self._stock_feed)
        found = ((symbol, read_spot(raw or {}, now)) for symbol, raw in self._stocks.get_stock_snapshot(request).items())
        return MappingProxyType({symbol: spot for symbol, spot in found if spot is not None})

    def _spot(self, underlying: str, now: datetime) -> float:
        is_fresh = self._spots_at is not None and now - self._spots_at <= SPOTS_KEPT
        if not (is_fresh and underlying in self._together):
            self.spots(self._together if underlying in self._together else (underlying,))
        return self._spots.get(underlying, nan)


def option_feed(
    endpoint: Endpoint,
    clock: Clock,
    feed: OptionsFeed = OptionsFeed.INDICATIVE,
    stock_feed: DataFeed = DataFeed.IEX,
    contracts: Any = None,
) -> AlpacaOptionFeed:
    """The feed at an endpoint; `contracts` is the trading client that open interest is asked of, None to go without."""
    interest = None if contracts is None else OpenInterest(contracts)
    options, stocks = option_data_client(endpoint), stock_data_client(endpoint, is_raw=True)
    return AlpacaOptionFeed(options, stocks, clock, feed, stock_feed, interest)


@contextmanager
def asked_rightly() -> Iterator[None]:
    """Raises UsageError for a request that the broker refuses because of what it asks for; other errors pass."""
    try:
        yield
    except APIError as error:
        if error.status_code not in WRONG_REQUEST:
            raise
        told = f"HTTP {error.status_code}: {_words(error)}"
        raise UsageError(f"the broker refuses what was asked for ({told}), and will again: check the symbols") from None


def _words(error: APIError) -> str:
    """What the broker says; not every answer is the JSON that it promises."""
    try:
        return str(error.message)
    except (KeyError, TypeError, ValueError):
        return str(error)


def read_quotes(snapshots: Mapping[str, Raw | None], interests: Mapping[str, int]) -> Iterator[tuple[str, OptionQuote]]:
    """Quotes of the snapshots that have one that can be read, by symbol."""
    for symbol, raw in snapshots.items():
        try:
            quote = _quote(symbol, raw or {}, interests.get(symbol))
        except UNREADABLE:
            continue
        if quote is not None:
            yield symbol, quote


def _quote(symbol: str, raw: Raw, interest: int | None) -> OptionQuote | None:
    """Greeks and volatility are absent deep in the money and without a bid, bars where nobody traded; a side may be zero."""
    said = raw.get("latestQuote")
    if not said:
        return None
    volume = (raw.get("dailyBar") or {}).get("v")
    return OptionQuote(
        symbol,
        _dollars(said.get("bp")),
        _dollars(said.get("ap")),
        moment(said["t"]),
        _known((raw.get("greeks") or {}).get("delta")),
        _known(raw.get("impliedVolatility")),
        interest,
        None if volume is None else int(volume),
    )


def _dollars(price: float | None) -> Decimal:
    """A price, zero where nobody offers one. Raises ValueError for what is none."""
    exact = Decimal(str(price or 0))
    if not (exact.is_finite() and exact >= 0):
        raise ValueError(f"{price} is no price")
    return exact


def _known(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def read_spot(raw: Raw, now: datetime) -> float | None:
    """What a stock costs by its snapshot, dollars; None when nothing recent is told.

    The last trade; where the quote has left it behind since, the side of the quote that is nearer. Either alone will do.
    """
    try:
        trade, sides = _last_trade(raw.get("latestTrade") or {}, now), _sides(raw.get("latestQuote") or {}, now)
    except UNREADABLE:
        return None
    if sides is None:
        return trade
    bid, ask = sides
    return (bid + ask) / 2 if trade is None else min(max(trade, bid), ask)


def _last_trade(said: Raw, now: datetime) -> float | None:
    price = float(said.get("p") or 0)
    return price if price > 0 and isfinite(price) and _is_fresh(said, now) else None


def _sides(said: Raw, now: datetime) -> tuple[float, float] | None:
    """Bid and ask of a quote that says something about the price: fresh, of both sides, and not a placeholder far apart."""
    bid, ask = float(said.get("bp") or 0), float(said.get("ap") or 0)
    is_market = 0 < bid <= ask <= bid * (1 + WIDEST_SPREAD_FRACTION)
    return (bid, ask) if is_market and _is_fresh(said, now) else None


def _is_fresh(said: Raw, now: datetime) -> bool:
    return now - moment(said["t"]) <= STALE_AFTER
