"""alpaca-py's own streams and data clients, unmodified, against a real server on a loopback port."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed, MarketType, MostActivesBy
from alpaca.data.historical import NewsClient, StockHistoricalDataClient
from alpaca.data.historical.screener import ScreenerClient
from alpaca.data.live import NewsDataStream, OptionDataStream, StockDataStream
from alpaca.data.requests import (
    MarketMoversRequest,
    MostActivesRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.stream import TradingStream
from live_exchange import KEY, SECRET, LiveExchange, live_exchange
from unit.exchange.conftest import MORNING

pytestmark = pytest.mark.slow

SECONDS = 10.0


class Heard:
    """What a stream's handler was given."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def handler(self) -> Any:
        async def handle(message: Any) -> None:  # alpaca-py takes nothing but plain coroutine functions
            self.messages.append(message)

        return handle

    def wait(self, count: int) -> list[Any]:
        until(lambda: len(self.messages) >= count, f"{count} messages")
        return self.messages


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"not in {SECONDS} s: {what}"
        time.sleep(0.01)


def listeners(live: LiveExchange) -> int:
    """Streams that listen to something, by the exchange's own count."""
    lines = live.request("GET", "/metrics").text.splitlines()
    return sum(int(float(line.split()[1])) for line in lines if line.startswith("exchange_listeners{"))


@contextmanager
def streaming(make: Callable[[LiveExchange], Any], **settings: Any) -> Iterator[LiveExchange]:
    """An exchange to which a stream listens, which runs in a thread, as its users run it."""
    with ExitStack() as stack, live_exchange(**settings) as live:
        live.to(MORNING)
        stream = make(live)
        thread = threading.Thread(target=stream.run)
        thread.start()
        stack.callback(thread.join, SECONDS)
        try:
            until(lambda: listeners(live) == 1, "the stream is listened to")
            yield live
        finally:
            stream.stop()  # it looks when it has waited five seconds for a message, or when the exchange goes
    assert not thread.is_alive()


def test_stock_stream_hears_bars_quotes_and_trades() -> None:
    heard = Heard()

    def make(live: LiveExchange) -> StockDataStream:
        stream = StockDataStream(KEY, SECRET, feed=DataFeed.IEX, url_override=f"{live.websocket_url}/v2/iex")
        stream.subscribe_bars(heard.handler(), "ABC", "XYZ")
        stream.subscribe_daily_bars(heard.handler(), "*")
        stream.subscribe_quotes(heard.handler(), "ABC")
        stream.subscribe_trades(heard.handler(), "XYZ")
        return stream

    with streaming(make) as live:
        live.to("2008-09-02T14:05:00Z")
        heard.wait(30)
    kinds = [(type(message).__name__, message.symbol) for message in heard.messages]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        ("Bar", "ABC"): 10,
        ("Bar", "XYZ"): 10,
        ("Quote", "ABC"): 5,
        ("Trade", "XYZ"): 5,
    }
    assert all(message.timestamp <= datetime(2008, 9, 2, 14, 5, tzinfo=UTC) for message in heard.messages)


def test_stock_stream_hears_halts_and_changes_its_subscription_while_it_runs() -> None:
    halts, bars = Heard(), Heard()
    streams: list[StockDataStream] = []

    def make(live: LiveExchange) -> StockDataStream:
        streams.append(StockDataStream(KEY, SECRET, feed=DataFeed.IEX, url_override=f"{live.websocket_url}/v2/iex"))
        streams[0].subscribe_trading_statuses(halts.handler(), "*")
        return streams[0]

    with streaming(make) as live:
        minutes = (f"2008-09-02T14:{minute:02d}:00Z" for minute in range(1, 60))
        until(lambda: streams[0]._running, "the client knows that it is connected")
        streams[0].subscribe_bars(bars.handler(), "ABC")
        live.exchange.halted.add("XYZ")
        until(lambda: live.to(next(minutes)) or time.sleep(0.05) or bars.messages, "a bar")
        streams[0].unsubscribe_bars("ABC")
        assert halts.wait(1)[0].status_code == "H"


def test_fragmented_subscriptions_of_many_symbols_are_understood() -> None:
    heard = Heard()

    def make(live: LiveExchange) -> StockDataStream:
        stream = StockDataStream(KEY, SECRET, feed=DataFeed.SIP, url_override=f"{live.websocket_url}/v2/sip")
        stream.subscribe_bars(heard.handler(), "ABC", *(f"S{number}" for number in range(7000)))
        return stream

    with streaming(make, has_sip=True) as live:
        live.to("2008-09-02T14:01:00Z")
        assert heard.wait(1)[0].symbol == "ABC"


def test_option_stream_hears_quotes_and_trades() -> None:
    heard = Heard()

    def make(live: LiveExchange) -> OptionDataStream:
        path = "/v2/options/contracts?underlying_symbols=ABC&strike_price_gte=100&strike_price_lte=100&type=call"
        symbol = live.request("GET", path).json()["option_contracts"][0]["symbol"]
        stream = OptionDataStream(KEY, SECRET, url_override=f"{live.websocket_url}/v1beta1/indicative")
        stream.subscribe_quotes(heard.handler(), symbol)
        stream.subscribe_trades(heard.handler(), symbol)
        return stream

    with streaming(make) as live:
        live.to("2008-09-02T14:01:00Z")
        trade, quote = sorted(heard.wait(2), key=lambda message: type(message).__name__, reverse=True)
    assert trade.symbol == quote.symbol and trade.price > 0 and quote.ask_price >= quote.bid_price


def test_news_stream_connects_and_hears_nothing() -> None:
    heard = Heard()

    def make(live: LiveExchange) -> NewsDataStream:
        stream = NewsDataStream(KEY, SECRET, url_override=f"{live.websocket_url}/v1beta1/news")
        stream.subscribe_news(heard.handler(), "*")
        return stream

    with streaming(make) as live:
        live.to("2008-09-02T20:00:00Z")
    assert heard.messages == []


def test_trading_stream_hears_orders_and_comes_back_after_a_drop() -> None:
    heard = Heard()

    def make(live: LiveExchange) -> TradingStream:
        stream = TradingStream(KEY, SECRET, paper=True, url_override=f"{live.websocket_url}/stream")
        stream.subscribe_trade_updates(heard.handler())
        return stream

    with streaming(make) as live:
        first = live.order()
        heard.wait(2)
        fault = {"kind": "dropped_stream", "when": {"event": "new", "count": 1}}
        assert live.request("POST", "/admin/faults", json=fault).ok
        live.order(type="limit", limit_price="90")
        until(lambda: listeners(live) == 0, "the stream has dropped")
        until(lambda: listeners(live) == 1, "the stream is back")
        last = live.order(symbol="XYZ")
        heard.wait(4)
    assert [str(update.event) for update in heard.messages] == ["new", "fill"] * 2
    assert [str(update.order.id) for update in heard.messages] == [first["id"]] * 2 + [last["id"]] * 2
    assert heard.messages[1].position_qty == 10


@pytest.fixture(scope="module")
def live() -> Iterator[LiveExchange]:
    with live_exchange() as made:
        made.to(MORNING)
        yield made


@pytest.fixture(scope="module")
def data(live: LiveExchange) -> StockHistoricalDataClient:
    return StockHistoricalDataClient(KEY, SECRET, url_override=live.url)


DAY = datetime(2008, 9, 2, 13, 30)
SYMBOLS = ["ABC", "XYZ"]
UNITS = [
    (1, TimeFrameUnit.Minute),
    (59, TimeFrameUnit.Minute),
    (23, TimeFrameUnit.Hour),
    (1, TimeFrameUnit.Day),
    (1, TimeFrameUnit.Week),
    (3, TimeFrameUnit.Month),
]


@pytest.mark.parametrize(("step", "unit"), UNITS)
def test_bars_of_every_unit(data: StockHistoricalDataClient, step: int, unit: TimeFrameUnit) -> None:
    request = StockBarsRequest(
        symbol_or_symbols=SYMBOLS,
        timeframe=TimeFrame(step, unit),
        start=datetime(2008, 1, 1),
        feed=DataFeed.IEX,
        adjustment=Adjustment.ALL,
    )
    found: Any = data.get_stock_bars(request)
    assert sorted(found.data) == SYMBOLS and all(found.data.values())


def test_quotes_and_trades_of_the_past(data: StockHistoricalDataClient) -> None:
    span: dict[str, Any] = {"symbol_or_symbols": SYMBOLS, "start": DAY, "feed": DataFeed.IEX}
    quotes: Any = data.get_stock_quotes(StockQuotesRequest(**span))
    trades: Any = data.get_stock_trades(StockTradesRequest(limit=40, **span))
    assert {symbol: len(items) for symbol, items in quotes.data.items()} == {"ABC": 31, "XYZ": 31}
    assert {symbol: len(items) for symbol, items in trades.data.items()} == {"ABC": 31, "XYZ": 9}


def test_latest_prices_and_snapshots(data: StockHistoricalDataClient) -> None:
    bars: Any = data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=SYMBOLS))
    quotes: Any = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=SYMBOLS, feed=DataFeed.DELAYED_SIP))
    trades: Any = data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=SYMBOLS))
    snapshots: Any = data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=[*SYMBOLS, "NEW", "NONE"]))
    assert all(sorted(found) == SYMBOLS for found in (bars, quotes, trades, snapshots))
    assert snapshots["ABC"].latest_trade == trades["ABC"] and snapshots["ABC"].minute_bar == bars["ABC"]


def test_recent_sip_is_an_api_error(data: StockHistoricalDataClient) -> None:
    request = StockBarsRequest(symbol_or_symbols="ABC", timeframe=TimeFrame.Minute, start=DAY, end=datetime(2008, 9, 2, 14))
    with pytest.raises(APIError) as refused:
        data.get_stock_bars(request)
    assert (refused.value.status_code, refused.value.code) == (403, 42210000)


def test_screeners_and_news(live: LiveExchange) -> None:
    screener = ScreenerClient(KEY, SECRET, url_override=live.url)
    actives: Any = screener.get_most_actives(MostActivesRequest(top=1, by=MostActivesBy.TRADES))
    movers: Any = screener.get_market_movers(MarketMoversRequest(market_type=MarketType.STOCKS, top=5))
    news: Any = NewsClient(KEY, SECRET, url_override=live.url).get_news(NewsRequest(symbols="ABC"))
    assert len(actives.most_actives) == 1 and movers.gainers[0].percent_change > 0
    assert news.data == {"news": []}
