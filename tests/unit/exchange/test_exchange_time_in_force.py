"""How long orders live and when they may trade: day, good till cancelled, auctions, at once; extended hours; the queue."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from machine_story import CLOSE, PUT_90, PUT_95, SELL, Desk, kinds, told

from desk.exchange.lifetimes import ends_at, expires_at, works_now
from desk.exchange.machine.orders import Ticket
from desk.exchange.market.sessions import Phase, nyse_sessions
from desk.exchange.rules.reservations import unprotected_shares
from desk.exchange.words import OrderClass, OrderType, Side, Status, TimeInForce

DAY, GTC, OPG, CLS, IOC, FOK = TimeInForce
SESSIONS = nyse_sessions((date(2008, 9, 2), date(2008, 9, 3), date(2008, 11, 28)))


# the end of the day, and of ninety days


def test_day_order_expires_at_the_close_and_gtc_stays() -> None:
    desk = Desk()
    day, gtc = desk.limit("90", time_in_force=DAY), desk.limit("90")
    desk.tick(10_000)
    assert kinds(desk.tick(10_000, closing=True)) == ["expired"]
    assert desk.statuses([day, gtc]) == ["expired", "new"]
    assert desk.now(day).expired_at == CLOSE


def test_day_order_that_the_closing_print_meets_fills() -> None:
    desk = Desk()
    desk.limit("90", time_in_force=DAY)
    desk.tick(10_000)
    assert kinds(desk.tick(8_900, closing=True)) == ["fill"]


def test_partly_filled_day_order_expires_with_what_it_has() -> None:
    desk = Desk()
    order = desk.limit("99", time_in_force=DAY, quantity=100)
    desk.book.forced_parts[order.id] = Decimal(40)
    desk.tick(9_800)
    assert kinds(desk.tick(10_000, closing=True)) == ["expired"]
    assert (desk.now(order).status, desk.now(order).filled_quantity) == (Status.EXPIRED, 40)


def test_gtc_order_passes_through_pending_cancel_after_ninety_days() -> None:
    desk = Desk()
    order = desk.limit("90")
    desk.tick(10_000)
    assert order.expires_at is not None
    assert kinds(desk.see({}, order.expires_at - timedelta(seconds=1))) == []
    assert kinds(desk.see({}, order.expires_at)) == ["pending_cancel", "canceled"]
    assert desk.now(order).status is Status.CANCELED


def test_aged_bracket_goes_as_a_whole_and_leaves_the_position_bare() -> None:
    desk = Desk()
    group = desk.bracket()
    desk.tick(10_000)
    events = desk.tick(10_000, minutes=90 * 24 * 60)
    assert told(events) == [("pending_cancel", "take_profit"), ("canceled", "take_profit")]
    assert desk.statuses(group) == ["filled", "canceled", "canceled"]
    assert unprotected_shares(desk.book) == {"ABC": 10}


def test_aged_multi_leg_order_goes_with_its_legs() -> None:
    desk = Desk()
    parent = desk.spread("-9", legs={PUT_95: -1, PUT_90: 1})
    desk.wait(0)
    assert kinds(desk.tick(10_000, minutes=90 * 24 * 60)) == ["pending_cancel", "canceled"]
    assert not desk.book.live and desk.now(parent).status is Status.CANCELED


# auctions


def test_opening_order_trades_at_the_open_alone() -> None:
    desk = Desk()
    market, limit = desk.send(works_now=False, time_in_force=OPG), desk.limit("90", works_now=False, time_in_force=OPG)
    assert kinds(desk.tick(10_000, is_open=True, takes_queue=True)) == ["new", "new", "fill", "canceled"]
    assert desk.statuses([market, limit]) == ["filled", "canceled"]


def test_opening_order_rests_before_the_open() -> None:
    desk = Desk()
    order = desk.send(works_now=False, time_in_force=OPG)
    assert kinds(desk.tick(10_000, is_regular=False, takes_queue=True)) == ["new"]
    assert kinds(desk.tick(10_000, is_open=True)) == ["fill"]
    assert desk.now(order).status is Status.FILLED


def test_closing_order_trades_at_the_close_alone() -> None:
    desk = Desk()
    market, limit = desk.send(time_in_force=CLS), desk.limit("90", time_in_force=CLS)
    assert kinds(desk.tick(8_000)) == ["new", "new"]
    assert kinds(desk.tick(10_000, closing=True)) == ["fill", "expired"]
    assert desk.statuses([market, limit]) == ["filled", "expired"]


# at once


def test_immediate_order_takes_what_there_is_and_the_rest_is_cancelled() -> None:
    desk = Desk()
    order = desk.limit("101", time_in_force=IOC, quantity=100)
    desk.book.forced_parts[order.id] = Decimal(30)
    assert kinds(desk.tick(10_000)) == ["new", "partial_fill", "canceled"]
    assert (desk.now(order).status, desk.now(order).filled_quantity) == (Status.CANCELED, 30)


@pytest.mark.parametrize("lifetime", [IOC, FOK])
def test_order_that_finds_no_price_at_once_is_cancelled(lifetime: TimeInForce) -> None:
    desk = Desk()
    desk.limit("90", time_in_force=lifetime)
    assert kinds(desk.tick(10_000)) == ["new", "canceled"]
    assert desk.book.holdings == {}


def test_fill_or_kill_is_all_or_nothing() -> None:
    desk = Desk()
    part, whole = (desk.send(time_in_force=FOK, quantity=100) for _ in range(2))
    desk.book.forced_parts[part.id] = Decimal(30)
    assert kinds(desk.tick(10_000)) == ["new", "new", "fill", "canceled"]
    assert desk.statuses([part, whole]) == ["canceled", "filled"]
    assert desk.book.shares("ABC") == 100


def test_immediate_order_in_a_halted_symbol_is_cancelled() -> None:
    desk = Desk()
    desk.book.halted = {"ABC": None}
    desk.send(time_in_force=IOC)
    assert kinds(desk.tick(10_000)) == ["new", "canceled"]


# hours


def test_extended_hours_limit_trades_around_the_session_and_others_do_not() -> None:
    desk = Desk()
    late, plain = desk.limit("100", extended_hours=True), desk.limit("100")
    assert kinds(desk.tick(9_900, is_regular=False)) == ["new", "new", "fill"]
    assert desk.statuses([late, plain]) == ["filled", "new"]


def test_stops_are_elected_in_regular_hours_only_and_a_gap_fills_at_the_open() -> None:
    desk = Desk()
    desk.own(20)
    desk.stop("95", side=SELL)
    *_, held = desk.oco()
    assert kinds(desk.tick(9_000, is_regular=False)) == ["new", "new"]
    assert desk.now(held).status is Status.HELD
    events = desk.tick(9_100, is_open=True)
    assert [event.price for event in events if event.is_fill] == [Decimal("90.99"), Decimal("90.99")]


def test_queued_order_is_accepted_until_the_venue_takes_it() -> None:
    desk = Desk()
    order = desk.send(works_now=False)
    assert order.status is Status.ACCEPTED
    assert desk.tick(10_000) == []
    assert kinds(desk.tick(10_000, takes_queue=True)) == ["new", "fill"]


def ticket(lifetime: TimeInForce = DAY, is_extended: bool = False) -> Ticket:
    price = Decimal(1) if is_extended else None
    kind = OrderType.LIMIT if is_extended else OrderType.MARKET
    return Ticket("ABC", Side.BUY, kind, OrderClass.SIMPLE, lifetime, Decimal(1), limit_price=price, extended_hours=is_extended)


@pytest.mark.parametrize(
    ("phase", "plain", "extended", "opening"),
    [
        (Phase.NIGHT, False, False, False),
        (Phase.PRE, False, True, False),
        (Phase.REGULAR, True, True, False),
        (Phase.AFTER, False, True, False),
    ],
)
def test_where_an_order_goes_depends_on_the_hour(phase: Phase, plain: bool, extended: bool, opening: bool) -> None:
    asked = (ticket(), ticket(is_extended=True), ticket(OPG))
    assert [works_now(each, phase) for each in asked] == [plain, extended, opening]


@pytest.mark.parametrize(
    ("now", "lifetime", "is_extended", "ends"),
    [
        ("2008-09-02T14:00", DAY, False, "2008-09-02T20:00"),
        ("2008-09-02T20:00", DAY, False, "2008-09-03T20:00"),  # from the closing instant on it is for the next session
        ("2008-09-02T14:00", DAY, True, "2008-09-03T00:00"),
        ("2008-09-02T22:00", DAY, True, "2008-09-03T00:00"),
        ("2008-09-03T00:00", DAY, True, "2008-09-04T00:00"),
        ("2008-11-28T15:00", DAY, False, "2008-11-28T18:00"),  # the day after Thanksgiving closes at 13:00
        ("2008-09-02T14:00", GTC, False, "2008-12-01T21:15"),  # 16:15 in winter
        ("2008-09-03T01:00", GTC, False, "2008-12-01T21:15"),  # 21:00 New York of the day before
        ("2008-09-02T12:00", OPG, False, "2008-09-02T20:00"),
    ],
)
def test_an_orders_time_ends_with_its_session_or_after_ninety_days(
    now: str, lifetime: TimeInForce, is_extended: bool, ends: str
) -> None:
    at, expected = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, ends))
    assert expires_at(SESSIONS, at, lifetime, is_extended) == expected


def test_an_order_for_an_option_ends_with_its_last_trade() -> None:
    now, friday = datetime(2008, 9, 2, 14, tzinfo=UTC), datetime(2008, 9, 5, 20, tzinfo=UTC)
    near, far = "ABC080905C00100000", "ABC081219C00100000"
    assert ends_at(SESSIONS, now, GTC, False, {near, far}) == friday
    assert ends_at(SESSIONS, now, GTC, False, {far}) == datetime(2008, 12, 1, 21, 15, tzinfo=UTC)
    assert ends_at(SESSIONS, now, DAY, False, {near}) == CLOSE
    assert ends_at(SESSIONS, now, GTC, False, {"ABC"}) == datetime(2008, 12, 1, 21, 15, tzinfo=UTC)


def test_gtc_order_for_an_option_that_ends_expires() -> None:
    desk = Desk()
    order = desk.limit("1", symbol=PUT_90, expires_at=CLOSE)
    desk.wait(0)
    assert kinds(desk.tick(10_000, closing=True)) == ["expired"]
    assert desk.now(order).status is Status.EXPIRED


def test_no_session_is_left_to_end_a_day_order() -> None:
    after = datetime(2008, 11, 28, 20, tzinfo=UTC)
    assert expires_at(SESSIONS, after, DAY, is_extended=False) is None
