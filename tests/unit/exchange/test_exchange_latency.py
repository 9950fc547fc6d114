"""Acceptance, cancel, replacement and the release of shares as moments of their own, later than the request."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from machine_story import CALL_105, PUT_90, PUT_95, SELL, Desk, kinds, quote, told

from desk.exchange.machine.book import MEASURED_LATENCY, Due, Latency, Timer
from desk.exchange.rules.reservations import available, reserved, unprotected_shares
from desk.exchange.words import OrderType, Status, TimeInForce

SLOW = Latency(*(timedelta(milliseconds=ms) for ms in (10, 15, 15, 63)))
OWN_BRACKET = {"type": OrderType.LIMIT, "limit_price": "90", "target": "120", "stop": "80"}


def slow_desk(shares: int = 10, **settings: object) -> Desk:
    desk = Desk(latency=SLOW, **settings)  # type: ignore[arg-type]  # settings are the book's
    if shares:
        desk.own(shares)
    return desk


def at_venue(desk: Desk, milliseconds: int = 20) -> None:
    desk.wait(milliseconds)


def test_measured_delays_are_those_of_a_paper_account() -> None:
    assert MEASURED_LATENCY == SLOW
    assert MEASURED_LATENCY.cancel + MEASURED_LATENCY.release == timedelta(milliseconds=78)


# acceptance


def test_order_cannot_execute_before_the_venue_has_it() -> None:
    desk = slow_desk(0)
    order = desk.send()
    assert desk.see({"ABC": quote(10_000)}) == []
    assert desk.wait(9) == [] and desk.now(order).status is Status.PENDING_NEW
    assert kinds(desk.wait(1)) == ["new"]
    assert kinds(desk.see({"ABC": quote(10_000)})) == ["fill"]


def test_event_of_the_acceptance_bears_its_own_instant() -> None:
    desk = slow_desk(0)
    desk.send()
    asked = desk.at
    assert desk.wait(500)[0].at == asked + timedelta(milliseconds=10)


def test_oco_stop_is_not_watched_before_the_venue_has_its_target() -> None:
    desk = slow_desk()
    group = desk.oco()
    assert desk.see({"ABC": quote(9_000)}) == []
    assert desk.statuses(group) == ["pending_new", "held"]
    at_venue(desk)
    assert kinds(desk.see({"ABC": quote(9_000)})) == ["replaced", "new", "fill"]


def test_order_that_the_venue_refuses_after_all_is_rejected() -> None:
    desk = slow_desk(0)
    group = desk.bracket(**OWN_BRACKET)
    desk.book.timers.append(Timer(desk.at + timedelta(milliseconds=30), Due.REJECT, group[0].id))
    assert told(desk.wait(40)) == [("new", "entry"), ("rejected", "entry")]
    assert desk.statuses(group) == ["rejected", "canceled", "canceled"]
    assert desk.now(group[0]).failed_at is not None


# cancel and release


def test_cancel_is_pending_then_confirmed_and_the_shares_come_free_later_still() -> None:
    desk = slow_desk()
    order = desk.limit("120", side=SELL)
    at_venue(desk)
    assert kinds(desk.cancel(order)) == ["pending_cancel"]
    assert desk.now(order).status is Status.PENDING_CANCEL and desk.now(order).canceled_at is None
    assert desk.wait(14) == [] and available(desk.book, "ABC") == 0
    assert kinds(desk.wait(1)) == ["canceled"]
    assert desk.now(order).canceled_at == desk.at
    assert (available(desk.book, "ABC"), reserved(desk.book, "ABC").order_ids) == (0, (order.id,))
    desk.wait(62)
    assert available(desk.book, "ABC") == 0
    desk.wait(1)
    assert available(desk.book, "ABC") == 10 and desk.book.unreleased == {}


def test_one_long_wait_brings_cancel_and_release_alike() -> None:
    desk = slow_desk()
    order = desk.limit("120", side=SELL)
    at_venue(desk)
    desk.cancel(order)
    assert kinds(desk.wait(1000)) == ["canceled"]
    assert available(desk.book, "ABC") == 10 and desk.book.timers == []


def test_cancelled_group_keeps_its_shares_once_until_the_release() -> None:
    desk = slow_desk()
    group = desk.oco()
    at_venue(desk)
    assert told(desk.cancel(group[0])) == [("pending_cancel", "take_profit")]
    assert desk.statuses(group) == ["pending_cancel", "held"]
    assert told(desk.wait(15)) == [("canceled", "take_profit")]
    assert desk.statuses(group) == ["canceled", "canceled"]
    assert (reserved(desk.book, "ABC").shares, unprotected_shares(desk.book)) == (10, {"ABC": 10})
    desk.wait(63)
    assert reserved(desk.book, "ABC").shares == 0


def test_order_that_is_still_queued_is_cancelled_at_once() -> None:
    desk = slow_desk(0)
    order = desk.send(works_now=False)
    assert order.status is Status.ACCEPTED
    assert kinds(desk.cancel(order)) == ["canceled"]


def test_fill_wins_the_race_against_a_cancel() -> None:
    desk = slow_desk(0)
    order = desk.limit("100")
    at_venue(desk)
    desk.cancel(order)
    assert kinds(desk.see({"ABC": quote(9_000)})) == ["fill"]
    late = desk.wait(20)
    assert kinds(late) == ["order_cancel_rejected"] and late[0].order.status is Status.FILLED
    assert desk.now(order).status is Status.FILLED and desk.now(order).canceled_at is None


def test_half_a_fill_during_a_cancel_leaves_it_pending() -> None:
    desk = slow_desk(0, partial=1.0)
    order = desk.limit("100", quantity=100)
    at_venue(desk)
    desk.cancel(order)
    assert kinds(desk.see({"ABC": quote(9_000)})) == ["partial_fill"]
    assert desk.now(order).status is Status.PENDING_CANCEL
    assert kinds(desk.wait(20)) == ["canceled"]
    assert 0 < desk.now(order).filled_quantity < 100


def test_entry_that_fills_while_its_cancel_is_on_the_way_has_its_legs() -> None:
    desk = slow_desk(0)
    group = desk.bracket(**OWN_BRACKET)
    at_venue(desk)
    desk.cancel(group[0])
    assert told(desk.see({"ABC": quote(8_900)})) == [("fill", "entry"), ("new", "take_profit")]
    assert told(desk.wait(20)) == [("order_cancel_rejected", "entry")]
    assert desk.statuses(group) == ["filled", "new", "held"]


def test_stop_that_is_triggered_while_the_cancel_is_on_the_way_still_sells() -> None:
    desk = slow_desk()
    group = desk.oco()
    at_venue(desk)
    desk.cancel(group[0])
    assert told(desk.see({"ABC": quote(9_000)})) == [("replaced", "take_profit"), ("new", "stop_loss"), ("fill", "stop_loss")]
    assert told(desk.wait(20)) == [("order_cancel_rejected", "take_profit")]
    assert desk.statuses(group) == ["replaced", "filled"] and desk.book.holdings == {}


def test_cancelling_two_members_of_a_group_tells_of_it_once() -> None:
    desk = slow_desk()
    target, stop = desk.oco()
    at_venue(desk)
    assert kinds(desk.cancel(target)) == ["pending_cancel"]
    assert desk.cancel(stop) == []
    assert kinds(desk.wait(200)) == ["canceled"]


def test_stuck_order_stays_pending_cancel_until_the_venue_wakes() -> None:
    desk = slow_desk()
    order = desk.limit("120", side=SELL)
    at_venue(desk)
    desk.book.stuck_cancels[order.id] = None
    assert kinds(desk.cancel(order)) == ["pending_cancel"]
    assert desk.wait(3_600_000) == []
    assert desk.now(order).status is Status.PENDING_CANCEL and available(desk.book, "ABC") == 0
    desk.book.timers.append(Timer(desk.at + timedelta(seconds=1), Due.CANCEL, order.id))
    assert kinds(desk.wait(1000)) == ["canceled"]


def test_stuck_cancel_does_not_keep_an_order_from_filling() -> None:
    desk = Desk()
    order = desk.limit("100")
    desk.tick(10_100)
    desk.book.stuck_cancels[order.id] = None
    desk.cancel(order)
    assert kinds(desk.tick(9_000)) == ["fill"]


def test_day_order_that_expires_while_its_cancel_is_pending_has_expired() -> None:
    desk = slow_desk(0)
    order = desk.limit("90", time_in_force=TimeInForce.DAY)
    at_venue(desk)
    desk.book.stuck_cancels[order.id] = None
    desk.cancel(order)
    assert kinds(desk.tick(10_000, closing=True)) == ["expired"]
    assert desk.now(order).status is Status.EXPIRED


# replacement


def test_replacement_is_pending_and_then_takes_the_place() -> None:
    desk = slow_desk()
    order = desk.limit("120", side=SELL, quantity=4)
    at_venue(desk)
    fresh, events = desk.replace(order, quantity=7)
    assert kinds(events) == ["pending_replace"]
    assert (desk.now(order).status, fresh.status) == (Status.PENDING_REPLACE, Status.PENDING_NEW)
    assert (desk.now(order).replaced_by, fresh.replaces) == (fresh.id, order.id)
    assert reserved(desk.book, "ABC").shares == 7  # the larger of the two, once
    events = desk.wait(15)
    assert [(event.kind.value, event.order.id) for event in events] == [("replaced", order.id), ("new", fresh.id)]
    assert desk.statuses([order, fresh]) == ["replaced", "new"]
    assert reserved(desk.book, "ABC").shares == 7


def test_replacement_that_loses_the_race_with_a_fill_is_rejected() -> None:
    desk = slow_desk(0)
    order = desk.limit("100")
    at_venue(desk)
    fresh, _ = desk.replace(order, limit_price="80")
    assert kinds(desk.see({"ABC": quote(9_000)})) == ["fill"]
    late = desk.wait(20)
    assert [(event.kind.value, event.order.id) for event in late] == [
        ("order_replace_rejected", order.id),
        ("rejected", fresh.id),
    ]
    assert desk.statuses([order, fresh]) == ["filled", "rejected"]
    assert desk.now(order).replaced_by is None and not desk.book.live
    assert desk.book.shares("ABC") == 10


def test_part_that_fills_during_a_replacement_counts_for_the_successor() -> None:
    desk = slow_desk(0)
    order = desk.limit("100", quantity=100)
    at_venue(desk)
    desk.book.forced_parts[order.id] = Decimal(30)
    fresh, _ = desk.replace(order, limit_price="99")
    assert kinds(desk.see({"ABC": quote(9_950)})) == ["partial_fill"]
    assert kinds(desk.wait(20)) == ["replaced", "new"]
    successor = desk.now(fresh)
    assert (successor.status, successor.filled_quantity, successor.remaining) == (Status.PARTIALLY_FILLED, 30, 70)
    assert desk.tick(9_950) == []
    assert kinds(desk.tick(9_800)) == ["fill"]
    assert desk.book.shares("ABC") == 100


def test_replacement_by_less_than_has_filled_meanwhile_is_rejected_and_the_old_order_goes_on() -> None:
    desk = slow_desk(0)
    order = desk.limit("100", quantity=100)
    at_venue(desk)
    desk.book.forced_parts[order.id] = Decimal(70)
    fresh, _ = desk.replace(order, quantity=50)
    desk.see({"ABC": quote(9_950)})
    assert kinds(desk.wait(20)) == ["order_replace_rejected", "rejected"]
    assert desk.statuses([order, fresh]) == ["partially_filled", "rejected"]
    assert kinds(desk.tick(9_950)) == ["fill"]
    assert desk.book.shares("ABC") == 100


def test_old_order_works_until_the_replacement_is_confirmed() -> None:
    desk = slow_desk()
    order = desk.limit("120", side=SELL)
    at_venue(desk)
    desk.replace(order, limit_price="130")
    assert kinds(desk.see({"ABC": quote(12_100)})) == ["fill"]


def test_stop_that_is_triggered_while_the_target_is_being_replaced_takes_over() -> None:
    desk = slow_desk()
    target, stop = desk.oco()
    at_venue(desk)
    fresh, _ = desk.replace(target, limit_price="105")
    assert told(desk.see({"ABC": quote(9_000)})) == [("replaced", "take_profit"), ("new", "stop_loss"), ("fill", "stop_loss")]
    desk.wait(20)
    assert desk.statuses([target, fresh, stop]) == ["replaced", "rejected", "filled"]
    assert desk.now(target).replaced_by == stop.id
    assert desk.book.holdings == {} and not desk.book.live


def test_held_stop_is_replaced_at_once_for_it_is_not_at_the_venue() -> None:
    desk = slow_desk()
    target, stop = desk.oco()
    at_venue(desk)
    fresh, events = desk.replace(stop, stop_price="97")
    assert kinds(events) == ["replaced"] and fresh.status is Status.HELD
    assert told(desk.see({"ABC": quote(9_600)})) == [("replaced", "take_profit"), ("new", "stop_loss"), ("fill", "stop_loss")]
    assert desk.statuses([target, stop, fresh]) == ["replaced", "replaced", "filled"]


def test_cancel_of_a_successor_on_its_way_ends_both() -> None:
    desk = slow_desk()
    order = desk.limit("120", side=SELL)
    at_venue(desk)
    fresh, _ = desk.replace(order, limit_price="130")
    assert [(event.kind.value, event.order.id) for event in desk.cancel(fresh)] == [("pending_cancel", order.id)]
    desk.wait(500)
    assert desk.statuses([order, fresh]) == ["canceled", "rejected"]
    assert available(desk.book, "ABC") == 10 and not desk.book.live


def test_day_order_that_expires_while_it_is_being_replaced_leaves_no_successor() -> None:
    desk = Desk(latency=Latency(replace=timedelta(hours=9)))
    order = desk.limit("90", time_in_force=TimeInForce.DAY)
    desk.tick(10_000)
    fresh, _ = desk.replace(order, limit_price="91")
    assert kinds(desk.tick(10_000, closing=True)) == ["expired"]
    assert kinds(desk.tick(10_000, minutes=600)) == ["order_replace_rejected", "rejected"]
    assert desk.statuses([order, fresh]) == ["expired", "rejected"] and not desk.book.live


@pytest.mark.parametrize("net", [None, "-1.00"])
def test_multi_leg_order_is_cancelled_with_its_legs_and_told_once(net: str | None) -> None:
    desk = slow_desk(0)
    parent = desk.spread("-4.00") if net else desk.spread("-4.00", legs={PUT_95: -1, PUT_90: 1, CALL_105: 1})
    at_venue(desk)
    assert kinds(desk.cancel(parent)) == ["pending_cancel"]
    assert {leg.status for leg in desk.book.legs(parent.id)} == {Status.PENDING_CANCEL}
    assert kinds(desk.wait(15)) == ["canceled"]
    assert {leg.status for leg in desk.book.legs(parent.id)} == {Status.CANCELED}
