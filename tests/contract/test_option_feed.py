"""The desk's option feed over the real exchange by alpaca-py's own clients; the server's access log tells the requests."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import OptionsFeed
from live_exchange import KEY, SECRET, LiveExchange, live_exchange
from requests import RequestException

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_options import SPOTS_KEPT, AlpacaOptionFeed, option_feed
from desk.brokers.endpoint import Endpoint
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.runtime.clock import VirtualClock
from options import occ

pytestmark = pytest.mark.slow
NOW = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
FIRST, LAST = date(2008, 9, 3), date(2008, 9, 19)
PUT_100, NO_BID, DEEP = "ABC080905P00100000", "ABC080905P00060000", "ABC080905P00130000"
CHAIN, SNAPSHOTS, SPOTS = "/v1beta1/options/snapshots/", "/v1beta1/options/snapshots", "/v2/stocks/snapshots"
CONTRACTS, MARK = "/v2/options/contracts", "/v2/clock"


@dataclass
class Place:
    """An exchange with an access log, and what connects to it."""

    exchange: LiveExchange
    log: Path
    clock: VirtualClock
    marks: int = 0

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(KEY, SECRET, True, self.exchange.url, self.exchange.url)

    def feed(self, **options: Any) -> AlpacaOptionFeed:
        return option_feed(self.endpoint, self.clock, **options)

    @property
    def requests(self) -> list[str]:
        """Paths asked for, but for those of the test itself. A line is written after its answer went out."""
        self.marks += 1
        self.exchange.request("GET", MARK, params={"mark": self.marks})
        while f"mark={self.marks}" not in self.log.read_text():
            threading.Event().wait(0.01)
        paths = (json.loads(line).get("path", MARK) for line in self.log.read_text().splitlines())
        return [path for path in paths if path != MARK and not path.startswith("/admin")]

    def to(self, moment: datetime) -> None:
        self.exchange.to(moment.isoformat().replace("+00:00", "Z"))
        self.clock.move_to(moment)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    log = tmp_path / "access.jsonl"
    with live_exchange(access_log=log) as exchange:
        found = Place(exchange, log, VirtualClock(NOW))
        found.to(NOW)
        yield found


def chain(feed: AlpacaOptionFeed, lowest: float = 80.0, highest: float = 105.0) -> Any:
    return feed.chain("ABC", FIRST, LAST, lowest, highest)


# ---- chains -----------------------------------------------------------------------------------------------------------------


def test_a_chain_has_the_puts_of_the_window_and_no_other_contract(place: Place) -> None:
    found = chain(place.feed())
    read = [occ.parse(symbol) for symbol in found.quotes]
    assert {each.type for each in read} == {"put"}
    assert {each.expiration for each in read} == {date(2008, 9, 5), date(2008, 9, 12), date(2008, 9, 19)}
    assert (min(each.strike for each in read), max(each.strike for each in read)) == (80, 105)
    assert (found.underlying, found.at) == ("ABC", NOW)
    assert all(symbol == quote.symbol for symbol, quote in found.quotes.items())


def test_a_quote_says_what_the_exchange_says_of_the_contract(place: Place) -> None:
    quote = chain(place.feed()).quotes[PUT_100]
    said = place.exchange.request("GET", CHAIN + "ABC", params={"limit": 1000, "type": "put"}).json()["snapshots"][PUT_100]
    assert (quote.bid, quote.ask) == tuple(Decimal(str(said["latestQuote"][side])) for side in ("bp", "ap"))
    assert 0 < quote.bid < quote.ask and quote.at == NOW
    assert quote.delta == said["greeks"]["delta"] and -0.6 < quote.delta < -0.4
    assert quote.implied_volatility == said["impliedVolatility"]
    assert quote.open_interest is None


def test_contracts_without_a_bid_or_greeks_are_there_and_say_so(place: Place) -> None:
    quotes = chain(place.feed(), 0.01, 1_000.0).quotes
    assert (quotes[NO_BID].bid, quotes[NO_BID].delta) == (0, None) and quotes[NO_BID].ask > 0
    assert (quotes[DEEP].delta, quotes[DEEP].implied_volatility) == (None, None) and quotes[DEEP].bid > 0


def test_volume_comes_with_the_first_trades_of_the_day(place: Place) -> None:
    place.to(NOW + timedelta(hours=4))
    volumes = [quote.volume for quote in chain(place.feed(), 0.01, 1_000.0).quotes.values()]
    assert any(volumes) and None in volumes


def test_the_chain_of_an_unknown_underlying_is_empty_and_has_no_spot(place: Place) -> None:
    found = place.feed().chain("QQQQ", FIRST, LAST, 1.0, 1_000.0)
    assert dict(found.quotes) == {} and math.isnan(found.spot)


def test_quotes_of_the_night_are_as_old_as_they_are(place: Place) -> None:
    place.to(NOW + timedelta(hours=10))
    feed = place.feed()
    found = chain(feed)
    assert {quote.at for quote in found.quotes.values()} == {datetime(2008, 9, 2, 20, 0, tzinfo=UTC)}
    assert math.isnan(found.spot)
    assert feed.quotes([PUT_100]) == {} and feed.spots(["ABC"]) == {}


# ---- requests ---------------------------------------------------------------------------------------------------------------


def test_a_chain_by_itself_is_two_requests(place: Place) -> None:
    chain(place.feed())
    assert place.requests == [SPOTS, CHAIN + "ABC"]


def test_spots_of_a_scan_are_one_request_for_all(place: Place) -> None:
    feed = place.feed()
    spots = feed.spots(["ABC", "XYZ", "NEW"])
    chains = [feed.chain(name, FIRST, LAST, 0.5 * spot, 1.1 * spot) for name, spot in spots.items()]
    assert place.requests == [SPOTS, CHAIN + "ABC", CHAIN + "XYZ"], "nothing is known of NEW yet"
    assert [each.spot for each in chains] == list(spots.values())


def test_spots_that_have_grown_old_are_asked_for_again_together(place: Place) -> None:
    feed = place.feed()
    feed.spots(["ABC", "XYZ"])
    place.to(NOW + SPOTS_KEPT + timedelta(seconds=1))
    for name in ("ABC", "XYZ"):
        feed.chain(name, FIRST, LAST, 40.0, 110.0)
    assert place.requests == [SPOTS, SPOTS, CHAIN + "ABC", CHAIN + "XYZ"]


def test_open_interest_is_asked_for_once_a_day(place: Place) -> None:
    feed = place.feed(contracts=trading_client(place.endpoint))
    interests = [quote.open_interest for quote in chain(feed).quotes.values()]
    chain(feed, 90.0, 95.0)
    assert place.requests.count(CONTRACTS) == 1
    assert None not in interests and any(interests)
    place.to(NOW + timedelta(days=1))
    chain(feed)
    assert place.requests.count(CONTRACTS) == 2


def test_a_chain_of_more_than_a_page_is_read_to_its_end(tmp_path: Path) -> None:
    """SQQQ, as it was before it was split again and again: the bundled market's dearest, with the most strikes."""
    log, noon = tmp_path / "access.jsonl", datetime(2001, 4, 5, 16, 0, tzinfo=UTC)
    config = ExchangeConfig("bundled", noon.date(), access_log=log)
    with ExchangeProcess(config, tmp_path / "log") as exchange:
        exchange.admin.advance(noon)
        endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url)
        feed = option_feed(endpoint, VirtualClock(noon), contracts=trading_client(endpoint))
        found = feed.chain("SQQQ", date(2001, 4, 6), date(2002, 12, 31), 0.01, 100_000.0)
    asked = [line for line in log.read_text().splitlines() if CHAIN + "SQQQ" in line]
    assert len(found.quotes) > 1_000 and len(asked) == 1 + (len(found.quotes) - 1) // 1_000
    assert None not in {quote.open_interest for quote in found.quotes.values()}


# ---- quotes and spots ----------------------------------------------------------------------------------------------------


def test_quotes_agree_with_the_chain_and_come_by_the_hundred(place: Place) -> None:
    feed = place.feed()
    quotes = chain(feed, 0.01, 1_000.0).quotes
    before = len(place.requests)
    assert feed.quotes([*quotes, *quotes]) == quotes
    assert place.requests[before:] == [SNAPSHOTS] * math.ceil(len(quotes) / 100)


def test_contracts_that_nobody_lists_are_left_out(place: Place) -> None:
    feed = place.feed()
    assert list(feed.quotes([PUT_100, "ABC080906P00100000"])) == [PUT_100]
    assert feed.quotes([]) == {} and feed.spots([]) == {}
    assert len(place.requests) == 1


def test_a_spot_is_what_the_stock_trades_at(place: Place) -> None:
    trade = place.exchange.request("GET", "/v2/stocks/trades/latest", params={"symbols": "ABC"}).json()["trades"]["ABC"]
    assert place.feed().spots(["ABC"])["ABC"] == pytest.approx(trade["p"], rel=1e-3)


# ---- feeds and failures --------------------------------------------------------------------------------------------------


def test_it_says_which_feed_it_wants(place: Place) -> None:
    chain(place.feed())
    assert place.requests == [SPOTS, CHAIN + "ABC"]
    assert "feed=indicative" in place.log.read_text()
    with pytest.raises(APIError, match="OPRA agreement is not signed"):
        chain(place.feed(feed=OptionsFeed.OPRA))


def test_a_subscriber_gets_opra(tmp_path: Path) -> None:
    with live_exchange(has_sip=True) as exchange:
        subscriber = Place(exchange, tmp_path / "none", VirtualClock(NOW))
        subscriber.to(NOW)
        assert PUT_100 in chain(subscriber.feed(feed=OptionsFeed.OPRA)).quotes


def test_a_server_that_fails_is_told_as_it_fails(place: Place) -> None:
    place.exchange.request("POST", "/admin/faults", json={"kind": "server_error", "when": {"path": CHAIN + "ABC"}, "status": 500})
    with pytest.raises(APIError):
        chain(place.feed())


def test_a_server_that_is_not_there_is_told_by_requests(place: Place) -> None:
    nowhere = Endpoint(KEY, SECRET, True, "http://127.0.0.1:9", "http://127.0.0.1:9")
    with pytest.raises(RequestException):
        chain(option_feed(nowhere, place.clock))
