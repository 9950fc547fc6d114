"""Stops that the market passes outside regular hours, at a real exchange: sold there, once, also by two processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from order_path import Json, OrderPath, order_path

from desk.brokers.resync import LOST_AFTER
from desk.core.ports import Clock
from desk.core.protect import night_limit
from desk.core.upkeep import CROSSED_AT_MOST, SALE_AT_MOST
from desk.domain.journal import StopPassed
from desk.domain.market import Print
from desk.domain.orders import OrderStatus
from desk.domain.steps import Cancel, Step, Submit
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.runtime.build import market_hours
from desk.runtime.guardian import Guardian
from desk.runtime.parting import part

pytestmark = pytest.mark.slow

# A day on which AAPL lost 18 %, to 13.53 on the terms of later splits: its morning, its end, and the next day's pre-market.
MORNING = datetime(2008, 9, 29, 14, tzinfo=UTC)
AFTER_HOURS = datetime(2008, 9, 29, 20, 0, 5, tzinfo=UTC)
PRE_MARKET = datetime(2008, 9, 30, 8, 10, tzinfo=UTC)
OPENING = datetime(2008, 9, 30, 13, 30, tzinfo=UTC)
CLOSE = 13.53
SHARES = 30


class Told:
    """Trades that a test tells, of the moment of each look: the exchange's market has none between a close and an opening."""

    def __init__(self, price: float, clock: Clock) -> None:
        self.price = price
        self._clock = clock

    def last_prices(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        return dict.fromkeys(symbols, Print(self.price, self._clock.now()))


class Lossy:
    """A gateway whose process dies: what is journaled from the `nth` message on goes nowhere."""

    def __init__(self, path: OrderPath, nth: int) -> None:
        self._inner, self._left = path.desk._gateway, nth - 1
        path.desk.send_through(self)

    def send(self, step: Step) -> None:
        if self._left > 0:
            self._left -= 1
            assert self._inner is not None
            self._inner.send(step)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    config = ExchangeConfig("bundled", MORNING.date(), partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path_factory.mktemp("exchange") / "log") as running:
        yield running


@pytest.fixture
def falling(venue: ExchangeProcess) -> ExchangeProcess:
    """The exchange on that morning. Nobody there watches the stops, so that the day ends far below them."""
    venue.admin.clear_faults()
    venue.admin.reset()
    venue.admin.fault("leg_stuck_held")
    venue.admin.advance(MORNING)
    return venue


def guardian(path: OrderPath, price: float | None = None, is_wanted: bool = True) -> Guardian:
    prices = path.feed if price is None else Told(price, path.clock)
    return Guardian(path.desk, prices, path.clock, market_hours, timedelta(seconds=10)).at_night(is_wanted)


def held(path: OrderPath, until: datetime) -> None:
    """Hold AAPL under a stop that was passed in the session before `until`."""
    path.hold("AAPL", SHARES, stop_fraction=0.03)
    path.wait_until(lambda: path.trade("AAPL").is_protected, "the entry is filled and its exits rest")
    path.advance_to(until)
    path.quiet()


def looks(path: OrderPath, watching: Guardian, wait: timedelta = CROSSED_AT_MOST) -> None:
    """Two looks, the second after a stop has been passed for long enough."""
    watching.look()
    path.advance_to(path.clock.now() + wait)
    watching.look()
    path.quiet()


def sales(path: OrderPath) -> list[Json]:
    """Plain sales at the exchange, oldest first."""
    return [order for order in path.orders() if order["side"] == "sell" and order["order_class"] in ("", "simple")]


def is_sold(path: OrderPath) -> Callable[[], bool]:
    return lambda: path.positions() == {} and path.desk.book.shares() == {}


def test_the_last_trade_of_the_day_is_no_reason_to_sell_after_hours(falling: ExchangeProcess, journal: Path) -> None:
    """However often it is looked at: the broker's last trade stays that of the close."""
    with order_path(falling, journal) as path:
        held(path, AFTER_HOURS)
        watching = guardian(path)
        assert watching.next_look(path.clock.now()) == path.clock.now()
        for _ in range(3):
            looks(path, watching)
        assert path.feed.last_prices(["AAPL"])["AAPL"].price == CLOSE < float(path.trade("AAPL").stop_price or 0)
        assert sales(path) == [] and path.trade("AAPL").is_protected


def test_a_stop_that_was_passed_is_sold_after_hours(falling: ExchangeProcess, journal: Path) -> None:
    with order_path(falling, journal) as path:
        held(path, AFTER_HOURS)
        watching = guardian(path, CLOSE)
        watching.look()
        path.quiet()
        assert [order["status"] for order in sales(path)] == [], "a single look proves nothing"
        path.advance_to(path.clock.now() + CROSSED_AT_MOST)
        watching.look()
        path.wait_until(is_sold(path), "the shares are sold")
        (sale,) = sales(path)
        assert (sale["type"], sale["time_in_force"], sale["extended_hours"]) == ("limit", "day", True)
        assert (sale["status"], sale["filled_qty"]) == ("filled", str(SHARES))
        assert float(sale["limit_price"]) == float(night_limit(CLOSE)) < float(sale["filled_avg_price"])
        told = [row for row in path.rows if isinstance(row, StopPassed)]
        assert [(each.symbol, each.price) for each in told] == [("AAPL", CLOSE)]
        assert path.refusals == [] and path.troubles == []


def test_with_the_setting_off_nothing_is_looked_at_and_nothing_is_sent(falling: ExchangeProcess, journal: Path) -> None:
    with order_path(falling, journal) as path:
        held(path, AFTER_HOURS)
        before = len(path.rows)
        watching = guardian(path, is_wanted=False)
        assert watching.next_look(path.clock.now()) is None
        looks(path, watching)
        assert len(path.rows) == before
        assert path.positions() == {"AAPL": SHARES}


# Which of the messages of a night is the first to be lost with the process: the cancel, the sale, none of both.
@pytest.mark.parametrize("lost", [1, 2, 3], ids=["before the cancel", "before the sale", "after the sale"])
def test_a_restart_in_the_pre_market_sells_once(falling: ExchangeProcess, journal: Path, lost: int) -> None:
    with order_path(falling, journal) as first:
        held(first, PRE_MARKET)
        Lossy(first, lost)
        looks(first, guardian(first, CLOSE))
        before = [step for step in first.steps if isinstance(step, Cancel | Submit)][1:]
        assert len(before) == min(lost, 2)
    falling.admin.advance(PRE_MARKET + CROSSED_AT_MOST + 2 * LOST_AFTER)
    with order_path(falling, journal) as second:
        second.adopt()
        second.quiet()
        if second.positions():
            looks(second, guardian(second, CLOSE))
        second.wait_until(is_sold(second), "the shares are sold")
        assert [(each["status"], each["filled_qty"], each["extended_hours"]) for each in sales(second)] == [
            ("filled", str(SHARES), True)
        ]
        assert second.troubles == []


def rests(path: OrderPath, until: datetime = PRE_MARKET) -> Guardian:
    """A sale that nobody takes: the price that is told is far above the exchange's."""
    held(path, until)
    price = float(path.trade("AAPL").stop_price or 0)
    watching = guardian(path, price)
    looks(path, watching)
    path.wait_until(lambda: path.trade("AAPL").stop_status is OrderStatus.WORKING, "the sale rests")
    assert path.trade("AAPL").sale_limit == night_limit(price) > CLOSE
    return watching


def test_a_sale_that_nobody_takes_follows_the_market_down_and_is_not_doubled(falling: ExchangeProcess, journal: Path) -> None:
    with order_path(falling, journal) as path:
        watching = rests(path)
        looks(path, watching, SALE_AT_MOST)
        assert len(sales(path)) == 1, "at the same price nothing is gained by asking again"
        guardian(path, CLOSE).look()
        path.wait_until(is_sold(path), "the shares are sold")
        assert [each["status"] for each in sales(path)] == ["canceled", "filled"]
        assert {each["extended_hours"] for each in sales(path)} == {True}


def test_what_nobody_took_at_night_is_sold_at_the_market_by_day(falling: ExchangeProcess, journal: Path) -> None:
    """The exits of these shares are taken by no broker, since the market is below the stop."""
    with order_path(falling, journal) as path:
        watching = rests(path)
        path.advance_to(OPENING + timedelta(seconds=10))
        watching.look()
        path.wait_until(is_sold(path), "the shares are sold")
        assert [(each["type"], each["status"]) for each in sales(path)] == [("limit", "canceled"), ("market", "filled")]


def test_what_nobody_took_before_the_end_of_the_day_is_sold_at_the_next_opening(falling: ExchangeProcess, journal: Path) -> None:
    with order_path(falling, journal) as path:
        rests(path, AFTER_HOURS)
        path.advance_to(PRE_MARKET)
        path.wait_until(lambda: len(sales(path)) == 2, "a sale follows the one that expired")
        path.advance_to(OPENING + timedelta(minutes=1))
        path.wait_until(is_sold(path), "the shares are sold")
        assert [(each["type"], each["status"]) for each in sales(path)] == [("limit", "expired"), ("market", "filled")]


def test_a_restart_while_a_sale_rests_goes_on_with_it(falling: ExchangeProcess, journal: Path) -> None:
    with order_path(falling, journal) as first:
        rests(first)
        before = first.desk.book
    with order_path(falling, journal) as second:
        assert second.desk.book == before, "the journal alone tells all of it"
        second.adopt()
        second.quiet()
        looks(second, guardian(second, float(second.trade("AAPL").stop_price or 0)), SALE_AT_MOST)
        assert [each["status"] for each in sales(second)] == ["new"]
        guardian(second, CLOSE).look()
        second.wait_until(is_sold(second), "the shares are sold")
        assert [each["status"] for each in sales(second)] == ["canceled", "filled"]


def test_a_desk_that_is_stopped_leaves_no_sale_that_ends_with_the_day(falling: ExchangeProcess, journal: Path) -> None:
    with order_path(falling, journal) as path:
        rests(path)
        path.advance_to(path.clock.now() + SALE_AT_MOST)
        left = part(path.desk, 2.0, lambda seconds: path.quiet(), lambda text: None)
        assert left == [f"{SHARES} AAPL without exits that are known to rest at the broker"]
        path.advance_to(OPENING + timedelta(minutes=1))
        path.wait_until(is_sold(path), "the shares are sold")
        assert [(each["type"], each["status"]) for each in sales(path)] == [("limit", "canceled"), ("market", "filled")]


def test_shares_that_recovered_by_the_opening_get_their_exits_back(falling: ExchangeProcess, journal: Path) -> None:
    with order_path(falling, journal) as path:
        path.hold("AAPL", SHARES, stop_fraction=0.3)
        path.wait_until(lambda: path.trade("AAPL").is_protected, "the entry is filled and its exits rest")
        path.advance_to(PRE_MARKET)
        stop = path.trade("AAPL").stop_price
        assert stop is not None and 10 < stop < 13
        falling.admin.fault("halted_symbol", {"symbol": "AAPL"})
        looks(path, guardian(path, 10.0))
        path.wait_until(lambda: path.trade("AAPL").is_being_sold, "a sale is asked for")
        path.advance_to(OPENING + timedelta(seconds=10))
        guardian(path, 13.9).look()
        path.wait_until(lambda: path.trade("AAPL").is_protected, "the exits rest again")
        assert path.trade("AAPL").stop_price == stop
        assert path.positions() == {"AAPL": SHARES}
        assert [each["status"] for each in sales(path)] == ["canceled"]
