"""The guardian outside regular hours: when it looks then, for what alone, and what becomes of a sale that nobody takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import pytest
import recording_desk as R

from desk.core.book import with_refusal
from desk.core.covering import cover
from desk.core.protect import Stamp
from desk.core.splits import with_split
from desk.core.upkeep import CROSSED_AT_MOST, SALE_AT_MOST, next_deadline, stale_sales
from desk.data.calendars import NEW_YORK
from desk.domain.decisions import FixedExit
from desk.domain.journal import SharesSplit
from desk.domain.market import Print
from desk.domain.steps import Cancel, Step, Submit
from desk.domain.trades import Book
from desk.journal.memory import MemoryJournal
from desk.runtime.build import market_hours
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk
from desk.runtime.guardian import Guardian, is_extended, night_began

EVERY = timedelta(seconds=10)
TRAILS = FixedExit(0.05, 0.15, trail_fraction=0.04)


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("moment", "trades"),
    [
        ("2024-01-03 03:59:59", False),
        ("2024-01-03 04:00", True),
        ("2024-01-03 09:29", True),
        ("2024-01-03 19:59:59", True),
        ("2024-01-03 20:00", False),
        ("2024-11-29 16:59", True),  # after the early close of a half day
        ("2024-11-29 17:00", False),
        ("2024-01-06 10:00", False),  # a Saturday
        ("2024-07-04 08:00", False),  # a holiday
        ("2024-07-05 04:00", True),  # in summer time
    ],
)
def test_extended_hours_are_those_of_days_with_a_session(moment: str, trades: bool) -> None:
    assert is_extended(new_york(moment)) is trades


@pytest.mark.parametrize(
    ("moment", "began"),
    [
        ("2024-01-03 09:29", "2024-01-03 04:00"),
        ("2024-01-03 16:00", "2024-01-03 16:00"),
        ("2024-11-29 16:59", "2024-11-29 13:00"),
        ("2024-07-05 04:00", "2024-07-05 04:00"),
    ],
)
def test_extended_hours_begin_before_a_session_or_at_its_end(moment: str, began: str) -> None:
    assert night_began(new_york(moment)) == new_york(began)


class Prices:
    """A market that trades at the moment of each look."""

    def __init__(self, clock: VirtualClock) -> None:
        self.price: float | None = 100.0
        self.asked = 0
        self._clock = clock

    def last_prices(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        self.asked += 1
        return {} if self.price is None else dict.fromkeys(symbols, Print(self.price, self._clock.now()))


class Night:
    """A desk that bought AAA at 100 dollars by day, at four in the morning after, and its guardian."""

    def __init__(self, is_wanted: bool = True) -> None:
        self.clock = VirtualClock(R.NOW)
        self.desk = Desk(MemoryJournal("f00d"), self.clock, R.Limits(0.15))
        self.outbox = R.Outbox(self.desk)
        self.desk.send_through(self.outbox)
        self.prices = Prices(self.clock)
        self.guardian = Guardian(self.desk, self.prices, self.clock, market_hours, EVERY).at_night(is_wanted)
        self.desk.decide(R.market(), R.FLAT, [replace(R.buy("AAA")[0], exit_rule=TRAILS)])
        (self.entry,) = self.outbox.sent
        self.desk.order_event(R.news(self.entry, R.S.FILLED, 99))
        self.outbox.sent.clear()
        self.clock.move_to(new_york("2024-01-04 04:00"))

    def after(self, wait: timedelta, price: float | None) -> list[Step]:
        self.prices.price, before = price, len(self.outbox.sent)
        self.clock.move_to(self.clock.now() + wait)
        self.guardian.look_if_due()
        return self.outbox.sent[before:]

    def sale(self) -> Submit:
        """The sale that follows a stop which was passed at 94 dollars."""
        self.after(timedelta(0), 94.0)
        self.after(CROSSED_AT_MOST, 94.0)
        for role in (R.TARGET, R.STOP):
            self.desk.order_event(R.news(self.entry, R.S.CANCELED, role=role))
        sale = self.outbox.sent[-1]
        assert isinstance(sale, Submit)
        self.desk.order_event(R.news(sale, R.S.WORKING))
        return sale


def test_a_passed_stop_is_sold_at_a_limit_that_trades_at_night() -> None:
    night = Night()
    assert night.after(timedelta(0), 94.0) == []
    (cancel,) = night.after(CROSSED_AT_MOST, 94.0)
    assert isinstance(cancel, Cancel)
    assert (cancel.keep, cancel.sale_limit) == (0, Decimal("92.12"))
    for role in (R.TARGET, R.STOP):
        night.desk.order_event(R.news(night.entry, R.S.CANCELED, role=role))
    sale = night.outbox.sent[-1]
    assert isinstance(sale, Submit)
    assert (sale.spec.limit_price, sale.spec.quantity, sale.spec.extended_hours) == (Decimal("92.12"), 99, True)


def test_nothing_is_asked_at_night_unless_it_is_wanted() -> None:
    night = Night(is_wanted=False)
    assert night.guardian.next_look(night.clock.now()) is None
    assert night.after(CROSSED_AT_MOST, 94.0) == []
    night.guardian.look()
    assert night.prices.asked == 0


def test_no_stop_rises_at_night() -> None:
    night = Night()
    assert night.after(timedelta(0), 110.0) == []
    night.clock.move_to(new_york("2024-01-04 09:30"))
    assert night.after(timedelta(0), 110.0) == [], "what traded at night does not count by day"
    assert len(night.after(EVERY, 110.0)) == 1, "it does by day"


def test_a_price_that_is_gone_half_a_minute_later_sells_nothing() -> None:
    night = Night()
    night.after(timedelta(0), 94.0)
    assert night.after(EVERY, None) == []
    assert night.after(CROSSED_AT_MOST, 94.0) == []
    assert night.after(EVERY, 96.0) == []


def test_a_sale_that_nobody_takes_is_asked_for_anew_only_lower() -> None:
    night = Night()
    sale = night.sale()
    assert night.after(SALE_AT_MOST, 94.5) == []
    assert night.after(EVERY, None) == []
    (cancel,) = night.after(EVERY, 93.0)
    assert isinstance(cancel, Cancel)
    assert (cancel.of_key, cancel.keep, cancel.sale_limit) == (sale.key, 0, Decimal("91.14"))
    assert night.after(EVERY, 90.0) == [], "it is on its way out"
    night.desk.order_event(R.news(sale, R.S.CANCELED))
    again = night.outbox.sent[-1]
    assert isinstance(again, Submit) and again.spec.limit_price == Decimal("91.14")


def test_a_sale_of_the_night_asks_for_no_look_of_its_own() -> None:
    night = Night()
    night.sale()
    assert next_deadline(night.desk.book) is None
    looked_at = night.clock.now()
    assert night.guardian.next_look(looked_at + timedelta(minutes=1)) == looked_at + EVERY


def test_by_day_the_shares_get_their_exits_back() -> None:
    night = Night()
    sale = night.sale()
    night.clock.move_to(new_york("2024-01-04 09:30"))
    (cancel,) = night.after(timedelta(0), None)
    assert isinstance(cancel, Cancel)
    assert (cancel.of_key, cancel.keep, cancel.sale_limit) == (sale.key, None, None)
    night.desk.order_event(R.news(sale, R.S.CANCELED))
    oco = night.outbox.sent[-1]
    assert isinstance(oco, Submit)
    assert (oco.spec.stop_loss, oco.spec.quantity, oco.spec.extended_hours) == (Decimal("95.19"), 99, False)


def test_a_sale_that_never_left_goes_out_as_it_was_meant() -> None:
    night = Night()
    sale = night.sale()
    assert cover(with_refusal(night.desk.book, sale, unsent=True)) == [sale]


def test_a_sale_at_the_market_that_missed_the_close_becomes_one_of_the_night() -> None:
    night = Night()
    (trade,) = night.desk.book.open.values()
    gone = replace(trade, is_being_sold=True, target_status=R.S.CANCELED, stop_status=R.S.WORKING, exits_at=R.NOW)
    book, stamp = Book(MappingProxyType({gone.key: gone})), Stamp("f00d", R.NOW + SALE_AT_MOST)
    for prices, kept, limit in (({"AAA": 94.0}, 0, Decimal("92.12")), ({"AAA": 96.0}, None, None), ({}, None, None)):
        (cancel,) = stale_sales(book, stamp, prices)
        assert isinstance(cancel, Cancel)
        assert (cancel.keep, cancel.sale_limit) == (kept, limit)
    last_resort = replace(gone, stop_passed=True)
    assert stale_sales(Book(MappingProxyType({gone.key: last_resort})), stamp, {"AAA": 94.0}) == []


def test_a_split_takes_the_limit_of_a_sale_along() -> None:
    night = Night()
    night.sale()
    split = SharesSplit("AAA", 99, 198, Decimal(2), Decimal(1), R.NOW.date() + timedelta(days=1))
    (trade,) = with_split(night.desk.book, split, 0)[0].open.values()
    assert (trade.shares, trade.sale_limit) == (198, Decimal("46.06"))
