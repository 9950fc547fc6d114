"""Market data from Alpaca for Lumibot and for the desk: completed daily bars once a session, all quotes in one request, and
completed intraday bars for a strategy that asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.requests import StockBarsRequest, StockLatestQuoteRequest, StockLatestTradeRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from lumibot.data_sources import AlpacaData

from desk.brokers.alpaca_clients import stock_data_client
from desk.brokers.alpaca_intraday import IntradayHistory
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock
from desk.domain.market import NO_DAILY_BAR, DailyBars, IntradayBars, Market, Print, Quote

NEW_YORK = ZoneInfo("America/New_York")
# One fixed beginning for everybody: a model trained on a window that moves with the day could never be found again.
HISTORY_START = date(1990, 1, 1)


class DeskAlpacaData(AlpacaData):
    """Lumibot's Alpaca data source on the desk's clock, without bars that are not completed.

    Stock Lumibot reads the machine's clock, delays by 16 minutes, keeps today's forming bar, and would share a bar cache
    between accounts.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._desk_clock = clock
        config = {"API_KEY": endpoint.api_key, "API_SECRET": endpoint.api_secret, "PAPER": endpoint.is_paper}
        super().__init__(config, delay=0, stock_client=stock_data_client(endpoint))

    def get_datetime(self, adjust_for_delay: bool = False) -> datetime:
        return self._desk_clock.now().astimezone(self.tzinfo)

    def _get_dataframe_from_api(
        self, asset: Any, length: int, timestep: str = "", timeshift: timedelta | None = None, **_: Any
    ) -> pd.DataFrame | None:
        """The last `length` completed bars of one stock, oldest first; None when there are none."""
        timeframe = self._parse_source_timestep(timestep, reverse=True)
        now = self.get_datetime()
        until = now - (timeshift or timedelta(0))
        step = _bar_length(timeframe)
        request = StockBarsRequest(
            symbol_or_symbols=asset.symbol,
            timeframe=timeframe,
            start=until - _reach(step, length),
            end=until,
            adjustment=Adjustment.ALL,
            feed=DataFeed.IEX,
        )
        frame = self._get_stock_client().get_stock_bars(request).df
        if frame.empty:
            return None
        frame = frame.xs(asset.symbol, level="symbol")
        frame.index = frame.index.tz_convert(self.tzinfo)
        completed = frame.index + step <= until if step < timedelta(days=1) else frame.index.date < until.date()
        return frame[completed].tail(length)

    def stock_client(self) -> Any:
        return self._get_stock_client()


def _bar_length(freq: TimeFrame) -> timedelta:
    units = {
        TimeFrameUnit.Minute: timedelta(minutes=1),
        TimeFrameUnit.Hour: timedelta(hours=1),
        TimeFrameUnit.Day: timedelta(days=1),
    }
    return units[freq.unit_value] * freq.amount_value


def _reach(step: timedelta, length: int) -> timedelta:
    """Calendar time that surely holds `length` bars: five sessions a week of six and a half hours, and holidays."""
    sessions = length if step >= timedelta(days=1) else length * step / timedelta(hours=6)
    return timedelta(days=10 + 1.6 * sessions)


class AlpacaMarketFeed:
    """Implements `desk.core.ports.MarketFeed` with requests for all symbols at once, whatever their number.

    Daily history is fetched when a session begins and kept for it; each look asks for one set of quotes and one of trades, and
    with `intraday` for one of the bars that are new. `longer` are such histories of further lengths, a request each.
    """

    def __init__(
        self,
        client: Any,
        clock: Clock,
        feed: DataFeed = DataFeed.IEX,
        intraday: IntradayHistory | None = None,
        longer: Sequence[IntradayHistory] = (),
    ) -> None:
        self._client = client
        self._clock = clock
        self._feed = feed
        self._intraday = intraday
        self._longer = tuple(longer)
        self._session: date | None = None
        self._bars: dict[str, DailyBars] = {}

    def observe(self, symbols: Sequence[str]) -> Market:
        now = self._clock.now()
        session = now.astimezone(NEW_YORK).date()
        if session != self._session or any(symbol not in self._bars for symbol in symbols):
            self._refresh(symbols, session)
        bars = {symbol: self._bars[symbol] for symbol in symbols if len(self._bars[symbol])}
        quotes, unusable = self._quotes(list(bars), now)
        unusable |= {symbol: NO_DAILY_BAR for symbol in symbols if symbol not in bars}
        usable = {symbol: bars[symbol] for symbol in bars if symbol not in unusable}
        inside = {} if self._intraday is None else self._intraday.bars(symbols, now)
        return Market(
            now,
            session,
            MappingProxyType(usable),
            MappingProxyType(quotes),
            MappingProxyType(unusable),
            _of_usable(inside, usable),
            MappingProxyType({each.seconds: _of_usable(each.bars(symbols, now), usable) for each in self._longer}),
        )

    def last_prices(self, symbols: Sequence[str]) -> dict[str, Print]:
        """Last trade of each symbol, one request; those left out that have not traded lately."""
        now = self._clock.now()
        request = StockLatestTradeRequest(symbol_or_symbols=list(symbols), feed=self._feed)
        trades = self._client.get_stock_latest_trade(request)
        fresh = ((symbol, trade) for symbol, trade in trades.items() if now - trade.timestamp <= STALE_AFTER)
        return {symbol: Print(float(trade.price), trade.timestamp) for symbol, trade in fresh if float(trade.price) > 0}

    def _refresh(self, symbols: Sequence[str], session: date) -> None:
        """Extend every symbol's history to the last completed session; one request for all that were known equally far."""
        fetched: dict[str, Any] = {}
        for start in sorted({self._last_known(symbol) for symbol in symbols}):
            fetched |= self._fetch([symbol for symbol in symbols if self._last_known(symbol) == start], start, session)
        restated = [symbol for symbol in symbols if _is_restated(self._bars.get(symbol), fetched.get(symbol, []))]
        if restated:
            # A split or a dividend has rescaled the past; a history half old and half new would show a crash that never was.
            for symbol in restated:
                del self._bars[symbol]
            fetched |= self._fetch(restated, HISTORY_START, session)
        for symbol in symbols:
            self._bars[symbol] = _joined(self._bars.get(symbol), fetched.get(symbol, []), session)
        self._session = session

    def _fetch(self, symbols: Sequence[str], start: date, session: date) -> dict[str, Any]:
        request = StockBarsRequest(
            symbol_or_symbols=list(symbols),
            timeframe=TimeFrame.Day,
            start=datetime.combine(start, datetime.min.time(), NEW_YORK),
            end=datetime.combine(session, datetime.min.time(), NEW_YORK) - timedelta(seconds=1),
            adjustment=Adjustment.ALL,
            feed=self._feed,
        )
        return dict(self._client.get_stock_bars(request).data)

    def _last_known(self, symbol: str) -> date:
        bars = self._bars.get(symbol)
        return bars.sessions[-1] if bars is not None and len(bars) else HISTORY_START

    def _quotes(self, symbols: list[str], now: datetime) -> tuple[dict[str, Quote], dict[str, str]]:
        if not symbols:
            return {}, {}
        quotes = self._client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=symbols, feed=self._feed))
        trades = self._client.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=symbols, feed=self._feed))
        good: dict[str, Quote] = {}
        bad: dict[str, str] = {}
        for symbol in symbols:
            quote = _quote(quotes.get(symbol), trades.get(symbol), now)
            if isinstance(quote, Quote):
                good[symbol] = quote
            else:
                bad[symbol] = quote
        return good, bad


def _of_usable(bars: Mapping[str, IntradayBars], usable: Mapping[str, DailyBars]) -> Mapping[str, IntradayBars]:
    return MappingProxyType({symbol: bars[symbol] for symbol in usable if symbol in bars})


# A quote older than this says nothing about a price now; Alpaca keeps sending the last one of a halted stock.
STALE_AFTER = timedelta(minutes=15)
# Beyond this the quote is a placeholder, not a market; an order priced from it would pay whatever somebody asks.
WIDEST_SPREAD_FRACTION = 0.05


def _quote(quote: Any, trade: Any, now: datetime) -> Quote | str:
    if quote is None or trade is None:
        return "no quote"
    bid, ask, last = float(quote.bid_price), float(quote.ask_price), float(trade.price)
    at = min(quote.timestamp, trade.timestamp)
    if not all(np.isfinite(price) and price > 0 for price in (bid, ask, last)):
        return "a side of the quote is missing"
    if ask < bid:
        return "the quote is crossed"
    if ask > bid * (1 + WIDEST_SPREAD_FRACTION):
        return f"bid {bid:g} and ask {ask:g} are too far apart to price an order from"
    if now - at > STALE_AFTER:
        return f"the quote is from {at:%Y-%m-%d %H:%M} UTC"
    return Quote(min(at, now), bid, ask, last)


def _is_restated(known: DailyBars | None, fetched: Sequence[Any]) -> bool:
    """Whether the last known bar comes back with another close."""
    if known is None or not len(known):
        return False
    again = next((bar for bar in fetched if bar.timestamp.astimezone(NEW_YORK).date() == known.sessions[-1]), None)
    return again is not None and not np.isclose(float(again.close), known.close[-1], rtol=1e-6)


def _joined(known: DailyBars | None, fetched: Sequence[Any], session: date) -> DailyBars:
    """Known bars followed by the fetched ones that are newer and completed before `session`."""
    last = known.sessions[-1] if known is not None and len(known) else date.min
    stamped = [(bar.timestamp.astimezone(NEW_YORK).date(), bar) for bar in fetched]
    fresh = [(day, bar) for day, bar in stamped if last < day < session]
    columns: Mapping[str, Any] = {
        name: np.array([float(getattr(bar, name)) for _, bar in fresh]) for name in ("open", "high", "low", "close", "volume")
    }
    days = tuple(day for day, _ in fresh)
    if known is None or not len(known):
        return DailyBars(days, **columns)
    joined = {name: np.concatenate([getattr(known, name), column]) for name, column in columns.items()}
    return DailyBars(known.sessions + days, **joined)
