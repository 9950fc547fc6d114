"""What becomes of contracts without an order, asked of the real exchange: no stream tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from live_exchange import KEY, SECRET, LiveExchange, live_exchange

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_option_activities import AlpacaOptionActivities
from desk.brokers.endpoint import Endpoint
from desk.domain.spreads import Settlement
from desk.exchange.admin_client import AdminClient

pytestmark = pytest.mark.slow
# The close before the last day is 90, the last one 91: of the puts that expire there, 100 and 95 are in the money.
PUT_100, PUT_95 = "ABC080905P00100000", "ABC080905P00095000"
PUT_90, PUT_85 = "ABC080905P00090000", "ABC080905P00085000"
MORNING, DAY_AFTER = "2008-09-02T14:00:00Z", "2008-09-08T14:00:00Z"
BEGAN = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)


@pytest.fixture
def exchange() -> Iterator[LiveExchange]:
    with live_exchange() as running:
        running.to(MORNING)
        yield running


@pytest.fixture
def account(exchange: LiveExchange) -> AlpacaOptionActivities:
    return AlpacaOptionActivities(trading_client(Endpoint(KEY, SECRET, True, exchange.url, exchange.url)))


@pytest.fixture
def admin(exchange: LiveExchange) -> AdminClient:
    return AdminClient(exchange.url, KEY, SECRET)


def leg(symbol: str, intent: str) -> dict[str, str]:
    return {"symbol": symbol, "side": intent.partition("_")[0], "ratio_qty": "1", "position_intent": intent}


def sell_spread(exchange: LiveExchange, short: str = PUT_100, long: str = PUT_95, units: int = 3) -> None:
    legs = [leg(short, "sell_to_open"), leg(long, "buy_to_open")]
    exchange.order(symbol=None, side=None, order_class="mleg", qty=str(units), time_in_force="day", legs=legs)


def told(account: AlpacaOptionActivities, since: datetime = BEGAN) -> list[tuple[str, Settlement, int]]:
    return [(each.symbol, each.kind, each.contracts) for each in account.since(since)]


def test_positions_are_signed(exchange: LiveExchange, account: AlpacaOptionActivities) -> None:
    sell_spread(exchange)
    exchange.order(symbol="XYZ", qty="7")
    assert account.positions() == {PUT_100: -3, PUT_95: 3, "XYZ": 7}


def test_an_account_without_positions_has_none(account: AlpacaOptionActivities) -> None:
    assert account.positions() == {} and account.since(BEGAN) == ()


def test_an_assignment_shows_in_positions_at_once_and_in_activities_the_next_day(
    exchange: LiveExchange, account: AlpacaOptionActivities, admin: AdminClient
) -> None:
    sell_spread(exchange)
    admin.assign(PUT_100, 2)
    assert account.positions() == {PUT_100: -1, PUT_95: 3, "ABC": 200}
    assert account.since(BEGAN) == ()
    exchange.to("2008-09-03T14:00:00Z")
    (found,) = account.since(BEGAN)
    assert (found.symbol, found.kind, found.contracts) == (PUT_100, Settlement.ASSIGNED, 2)
    assert BEGAN < found.at <= BEGAN + A_DAY
    assert [each.id for each in account.since(BEGAN)] == [found.id], "it is the same one when asked again"
    assert account.since(found.at) == ()


def test_both_legs_in_the_money_are_assigned_and_exercised(exchange: LiveExchange, account: AlpacaOptionActivities) -> None:
    sell_spread(exchange)
    exchange.to(DAY_AFTER)
    assert sorted(told(account)) == [(PUT_95, Settlement.EXERCISED, 3), (PUT_100, Settlement.ASSIGNED, 3)]
    assert account.positions() == {}


def test_what_ends_out_of_the_money_expires_on_both_sides(exchange: LiveExchange, account: AlpacaOptionActivities) -> None:
    sell_spread(exchange, PUT_90, PUT_85)
    exchange.to(DAY_AFTER)
    assert sorted(told(account)) == [(PUT_85, Settlement.EXPIRED, 3), (PUT_90, Settlement.EXPIRED, 3)]
    assert account.positions() == {}


def test_a_spread_that_the_close_pins_leaves_shares(exchange: LiveExchange, account: AlpacaOptionActivities) -> None:
    sell_spread(exchange, PUT_95, PUT_85)
    exchange.to(DAY_AFTER)
    assert sorted(told(account)) == [(PUT_85, Settlement.EXPIRED, 3), (PUT_95, Settlement.ASSIGNED, 3)]
    assert account.positions() == {"ABC": 300}


def test_trades_and_other_activities_are_not_among_them(exchange: LiveExchange, account: AlpacaOptionActivities) -> None:
    sell_spread(exchange)
    exchange.order(symbol="XYZ", qty="7")
    exchange.to("2008-09-03T14:00:00Z")
    assert account.since(BEGAN) == ()


def test_more_than_a_page_is_read_to_its_end(exchange: LiveExchange, account: AlpacaOptionActivities, admin: AdminClient) -> None:
    sell_spread(exchange, units=105)
    for _ in range(105):
        admin.assign(PUT_100, 1)
    exchange.to("2008-09-03T14:00:00Z")
    found: tuple[Any, ...] = account.since(BEGAN)
    assert sum(each.contracts for each in found) == 105 and len({each.id for each in found}) == 105
    assert [each.at for each in found] == sorted(each.at for each in found)
