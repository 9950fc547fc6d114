"""The desk's Alpaca adapters against the exchange: what they see, how often they ask, and what they never show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from lumibot.entities import Asset

from desk.brokers.alpaca_clients import stock_data_client, trading_client
from desk.brokers.alpaca_market import AlpacaMarketFeed, DeskAlpacaData
from desk.brokers.endpoint import Endpoint
from desk.data.bundled import load_bundled
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.runtime.clock import VirtualClock

pytestmark = pytest.mark.slow
SYMBOLS = ("AAPL", "MSFT", "IBM", "GOOG", "FB")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange") / "access.log"


@pytest.fixture(scope="module")
def exchange(log: Path) -> Iterator[ExchangeProcess]:
    config = ExchangeConfig(source="bundled", start=date(2008, 9, 2), access_log=log)
    with ExchangeProcess(config, log.with_name("exchange.log")) as process:
        process.admin.advance(datetime(2008, 9, 3, 15, 20, tzinfo=UTC))
        yield process


@pytest.fixture
def clock(exchange: ExchangeProcess) -> VirtualClock:
    return VirtualClock(datetime.fromisoformat(exchange.admin.status()["now"].replace("Z", "+00:00")))


@pytest.fixture
def endpoint(exchange: ExchangeProcess) -> Endpoint:
    return Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url, exchange.stream_url)


def requests_made(log: Path, exchange: ExchangeProcess) -> list[str]:
    exchange.admin.status()  # one loop answers and logs: once this is answered, what came before stands in the log
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return [line["path"] for line in lines if line.get("path", "").startswith("/v2/stocks")]


def test_the_feed_shows_completed_bars_and_quotes_of_now_and_nothing_later(endpoint: Endpoint, clock: VirtualClock) -> None:
    market = AlpacaMarketFeed(stock_data_client(endpoint), clock).observe(SYMBOLS)
    assert market.session == date(2008, 9, 3)
    source = load_bundled()
    for symbol in ("AAPL", "MSFT", "IBM", "GOOG"):
        mine, truth = market.bars[symbol], source.bars(symbol, before=date(2008, 9, 3))
        assert mine.sessions == truth.sessions
        # The exchange trades on a grid of cents; the adjusted AAPL of 2003 lies below a dollar.
        assert np.allclose(mine.close, truth.close, atol=0.005)
        assert market.quotes[symbol].at <= market.now
    assert market.unusable == {"FB": "no completed daily bar"}


def test_a_second_look_in_the_session_asks_for_quotes_alone(
    endpoint: Endpoint, clock: VirtualClock, log: Path, exchange: ExchangeProcess
) -> None:
    feed = AlpacaMarketFeed(stock_data_client(endpoint), clock)
    feed.observe(SYMBOLS)
    before = len(requests_made(log, exchange))
    feed.observe(SYMBOLS)
    assert requests_made(log, exchange)[before:] == ["/v2/stocks/quotes/latest", "/v2/stocks/trades/latest"]


def test_a_rescaled_past_is_fetched_again(endpoint: Endpoint, clock: VirtualClock) -> None:
    feed = AlpacaMarketFeed(stock_data_client(endpoint), clock)
    first = feed.observe(("AAPL",)).bars["AAPL"]
    halved = {name: getattr(first, name) / 2 for name in ("open", "high", "low", "close")}
    feed._bars["AAPL"] = type(first)(first.sessions, volume=first.volume, **halved)
    feed._session = None
    assert np.allclose(feed.observe(("AAPL",)).bars["AAPL"].close, first.close)


def test_lumibots_own_history_on_the_desks_data_source_has_no_forming_bar(endpoint: Endpoint, clock: VirtualClock) -> None:
    data = DeskAlpacaData(endpoint, clock)
    daily = data.get_historical_prices(Asset("AAPL"), 5, "day").df
    assert daily.index[-1].date() == date(2008, 9, 2)
    hourly = data.get_historical_prices(Asset("AAPL"), 4, "hour").df
    assert (hourly.index + timedelta(hours=1) <= clock.now()).all(), "at 11:20 the 11:00 bar is not completed"
    assert data.get_datetime() == clock.now()


def test_no_request_can_hang_for_ever(endpoint: Endpoint) -> None:
    for client in (trading_client(endpoint), stock_data_client(endpoint)):
        adapter = client._session.get_adapter("https://paper-api.alpaca.markets")
        assert type(adapter).__name__ == "TimeLimitedAdapter"
        assert client._retry_codes == [429], "a 504 may have executed: repeating it blindly can double an order"
        assert client._session.trust_env is False, "a proxy of the environment must not stand between us and loopback"
