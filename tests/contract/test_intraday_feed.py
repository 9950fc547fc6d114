"""The feed's intraday bars against the exchange: complete, in order, never later than the clock, and what a later look sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from alpaca.data.enums import DataFeed
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame

from desk.brokers.alpaca_clients import stock_data_client
from desk.brokers.alpaca_intraday import BARS_SHOWN, IntradayHistory
from desk.brokers.alpaca_market import AlpacaMarketFeed
from desk.brokers.endpoint import Endpoint
from desk.data.calendars import session_on
from desk.domain.market import IntradayBars
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.runtime.build import market_hours
from desk.runtime.clock import VirtualClock

pytestmark = pytest.mark.slow
SYMBOLS = ("AAPL", "MSFT", "IBM", "GOOG")
COLUMNS = ("open", "high", "low", "close", "volume")
FIRST, LAST = datetime(2008, 9, 2, 14, 0, tzinfo=UTC), datetime(2008, 9, 3, 19, 58, tzinfo=UTC)


class Desk:
    """A feed for bars of some length, on the exchange's clock."""

    def __init__(self, exchange: ExchangeProcess, seconds: int, *longer: int) -> None:
        endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url, exchange.stream_url)
        self.client = stock_data_client(endpoint)
        self.clock = VirtualClock(now_of(exchange))
        first, *others = (IntradayHistory(self.client, each, market_hours) for each in (seconds, *longer))
        self.feed = AlpacaMarketFeed(self.client, self.clock, intraday=first, longer=others)

    def look(self) -> dict[str, IntradayBars]:
        return dict(self.feed.observe(SYMBOLS).intraday)


def now_of(exchange: ExchangeProcess) -> datetime:
    return datetime.fromisoformat(exchange.admin.status()["now"].replace("Z", "+00:00"))


def bars_requests(log: Path, exchange: ExchangeProcess) -> int:
    exchange.admin.status()  # one loop answers and logs: once this is answered, what came before stands in the log
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return sum(line.get("path") == "/v2/stocks/bars" for line in lines)


def assert_equal(mine: IntradayBars, other: IntradayBars) -> None:
    assert mine.seconds == other.seconds
    for name in ("starts", *COLUMNS):
        np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    config = ExchangeConfig(source="bundled", start=FIRST.date(), access_log=tmp_path / "access.log")
    with ExchangeProcess(config, tmp_path / "exchange.log") as running:
        running.admin.advance(FIRST)
        yield running


# In New York's time 10:00 to 16:00 and 09:31 to 15:58, in and between the ends of minutes and hours.
LOOKS = (
    *(datetime(2008, 9, 2, *at, tzinfo=UTC) for at in ((14, 0), (14, 30), (15, 7, 29), (17, 31), (19, 59, 59))),
    *(datetime(2008, 9, 3, *at, tzinfo=UTC) for at in ((13, 31), (14, 29, 59), (14, 30), (16, 45, 1), (19, 58))),
)


@pytest.mark.parametrize("seconds", [60, 300, 3600])
def test_bars_are_complete_ascending_never_later_than_the_clock_and_those_of_a_later_look(
    exchange: ExchangeProcess, seconds: int
) -> None:
    desk, seen = Desk(exchange, seconds), []
    for moment in LOOKS:
        while not exchange.admin.advance(moment).reached:
            pass
        desk.clock.move_to(now_of(exchange))
        seen.append((desk.clock.now(), desk.look()))
    restarted = Desk(exchange, seconds).look()
    for symbol in SYMBOLS:
        # A process that starts now sees, to the last digit, what one that went on sees, and everything that was ever shown.
        assert_equal(seen[-1][1][symbol], restarted[symbol])
        for now, shown in seen:
            bars = shown[symbol]
            assert (np.diff(bars.starts) > 0).all()
            assert int(bars.starts[-1]) + seconds <= now.timestamp()
            same_window = int(np.searchsorted(bars.starts, restarted[symbol].starts[0]))
            rest = IntradayBars(seconds, bars.starts[same_window:], *(getattr(bars, name)[same_window:] for name in COLUMNS))
            assert_equal(rest, restarted[symbol].until(now))


def test_each_of_several_lengths_is_that_of_a_feed_of_its_own(exchange: ExchangeProcess, tmp_path: Path) -> None:
    together, alone = Desk(exchange, 60, 300, 3600), {seconds: Desk(exchange, seconds) for seconds in (60, 300, 3600)}
    for moment in LOOKS:
        while not exchange.admin.advance(moment).reached:
            pass
        for desk in (together, *alone.values()):
            desk.clock.move_to(now_of(exchange))
        before = bars_requests(tmp_path / "access.log", exchange)
        market = together.feed.observe(SYMBOLS)
        asked = bars_requests(tmp_path / "access.log", exchange) - before
        assert asked >= 3 and set(market.longer) == {300, 3600}
        for seconds, desk in alone.items():
            mine, theirs = market.with_bars_of(seconds).intraday, desk.look()
            assert set(mine) == set(theirs) == set(SYMBOLS)
            for symbol in SYMBOLS:
                assert_equal(mine[symbol], theirs[symbol])
    assert asked == 3, "a request for each length"


def test_hours_are_counted_from_the_opening_and_made_of_all_their_minutes(exchange: ExchangeProcess) -> None:
    while not exchange.admin.advance(LAST).reached:
        pass
    hours = Desk(exchange, 3600).look()["IBM"]
    assert len(hours) >= BARS_SHOWN
    starts = [datetime.fromtimestamp(int(start), UTC) for start in hours.starts]
    opened = {start: session.opens_at for start in starts if (session := session_on(start.date())) is not None}
    assert all((start - opened[start]) % timedelta(hours=1) == timedelta(0) for start in starts)
    assert starts[-1] == datetime(2008, 9, 3, 18, 30, tzinfo=UTC), "the hour from 15:30 has not ended at 15:58"
    assert [len([start for start in starts if start.date() == day]) for day in (date(2008, 8, 29), date(2008, 9, 2))] == [7, 7]
    minutes = Desk(exchange, 60).look()["IBM"]
    for place in range(len(hours) - 5, len(hours)):
        first, end = np.searchsorted(minutes.starts, [hours.starts[place], hours.starts[place] + 3600])
        inside = slice(int(first), int(end))
        assert hours.open[place] == minutes.open[inside][0]
        assert hours.high[place] == minutes.high[inside].max()
        assert hours.low[place] == minutes.low[inside].min()
        assert hours.close[place] == minutes.close[inside][-1]
        assert hours.volume[place] == minutes.volume[inside].sum()


def test_minutes_are_the_exchanges_own(exchange: ExchangeProcess) -> None:
    desk = Desk(exchange, 60)
    mine = desk.look()["AAPL"]
    request = StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Minute, start=FIRST.date(), feed=DataFeed.IEX)
    theirs = desk.client.get_stock_bars(request).data["AAPL"]
    today = int(np.searchsorted(mine.starts, int(theirs[0].timestamp.timestamp())))
    assert mine.starts[today:].tolist() == [int(bar.timestamp.timestamp()) for bar in theirs]
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(mine, name)[today:], [float(getattr(bar, name)) for bar in theirs])


def test_each_look_makes_one_request_for_all_symbols_and_a_desk_without_bars_makes_none(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    log, desk = tmp_path / "access.log", Desk(exchange, 3600)
    counts = []
    for minute in range(3):
        exchange.admin.advance(FIRST + timedelta(minutes=minute))
        desk.clock.move_to(now_of(exchange))
        desk.look()
        counts.append(bars_requests(log, exchange))
    assert [later - before for before, later in pairwise(counts)] == [1, 1]
    without = AlpacaMarketFeed(desk.client, desk.clock)
    without.observe(SYMBOLS)
    before = bars_requests(log, exchange)
    assert without.observe(SYMBOLS).intraday == {}
    assert bars_requests(log, exchange) == before
