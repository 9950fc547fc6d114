"""The matching state machine: what members of brackets, OCOs and OTOs do to one another."""

from __future__ import annotations

from decimal import Decimal

import pytest
from machine_story import SELL, Desk, kinds, told

from desk.exchange.rules.reservations import available, reserved, unprotected_shares
from desk.exchange.switches import Switches
from desk.exchange.words import GroupRole, OrderType, Status, TimeInForce

STOPPED_OUT = [("replaced", "take_profit"), ("new", "stop_loss"), ("fill", "stop_loss")]


def test_legs_are_held_until_the_entry_is_completely_filled() -> None:
    desk = Desk(partial=1.0)
    group = desk.bracket(quantity=100)
    assert desk.statuses(group) == ["pending_new", "held", "held"]
    desk.tick(10_000)
    assert desk.statuses(group) == ["partially_filled", "held", "held"]
    bought = desk.now(group[0]).filled_quantity
    assert unprotected_shares(desk.book) == {"ABC": bought}
    assert told(desk.tick(10_000)) == [("fill", "entry"), ("new", "take_profit")]
    assert desk.statuses(group) == ["filled", "new", "held"]
    assert unprotected_shares(desk.book) == {}


def test_held_legs_of_an_unfilled_entry_ignore_every_price() -> None:
    desk = Desk()
    group = desk.bracket(target="110", stop="95", type=OrderType.LIMIT, limit_price="90")
    assert kinds(desk.tick(10_000)) == ["new"]
    for cents in (12_000, 9_400, 9_100):
        assert desk.tick(cents) == []
    assert desk.statuses(group) == ["new", "held", "held"]


def test_group_members_share_an_id_and_name_their_roles() -> None:
    desk = Desk()
    members = desk.bracket(client_order_id="mine")
    assert [member.group_role for member in members] == [GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS]
    assert len({member.group_id for member in members}) == 1
    assert members[0].client_order_id == "mine"
    assert len({member.client_order_id for member in members}) == 3
    assert [member.type for member in members] == [OrderType.MARKET, OrderType.LIMIT, OrderType.STOP]
    assert {member.time_in_force for member in members} == {TimeInForce.GTC}


def test_triggered_stop_replaces_the_target_and_fills() -> None:
    desk = Desk()
    entry, target, stop = desk.bracket()
    desk.tick(10_000)
    assert told(desk.tick(9_400)) == STOPPED_OUT
    assert desk.statuses([entry, target, stop]) == ["filled", "replaced", "filled"]
    assert (desk.now(target).replaced_by, desk.now(stop).replaces) == (stop.id, target.id)
    assert desk.now(stop).average_price == Decimal("93.99")
    assert not desk.book.live


def test_filled_target_cancels_the_stop_without_an_event() -> None:
    desk = Desk()
    _, target, stop = desk.bracket()
    desk.tick(10_000)
    assert told(desk.tick(11_200)) == [("fill", "take_profit")]
    assert desk.statuses([target, stop]) == ["filled", "canceled"]
    assert desk.now(stop).canceled_at == desk.at
    assert desk.now(target).average_price == Decimal("111.99")


def test_partly_filled_target_reduces_the_stop() -> None:
    desk = Desk()
    _, target, stop = desk.bracket(quantity=100)
    desk.tick(10_000)
    desk.book.forced_parts[target.id] = Decimal(30)
    assert told(desk.tick(11_200)) == [("partial_fill", "take_profit")]
    assert desk.now(stop).quantity == desk.now(target).remaining == desk.book.shares("ABC") == 70
    assert unprotected_shares(desk.book) == {}
    assert told(desk.tick(9_000)) == STOPPED_OUT  # the stop takes over what is left
    assert (desk.now(target).status, desk.now(target).filled_quantity) == (Status.REPLACED, 30)
    assert (desk.now(stop).filled_quantity, desk.book.shares("ABC")) == (70, 0)


def test_triggered_stop_that_fills_in_part_goes_on_to_the_end() -> None:
    desk = Desk()
    *_, stop = desk.bracket(quantity=100)
    desk.tick(10_000)
    desk.book.forced_parts[stop.id] = Decimal(1)
    assert kinds(desk.tick(9_000))[-1] == "partial_fill"
    assert desk.tick(12_000, minutes=0.5) == []
    assert kinds(desk.tick(12_000)) == ["fill"]  # elected once, it sells at any price
    assert desk.book.shares("ABC") == 0


def test_gap_through_entry_and_stop_sells_at_once() -> None:
    desk = Desk()
    group = desk.bracket(type=OrderType.LIMIT, limit_price="100")
    assert told(desk.tick(9_000))[-1] == ("fill", "stop_loss")
    assert desk.now(group[2]).average_price == Decimal("89.99")


def test_bracket_with_a_stop_limit_waits_at_its_limit() -> None:
    desk = Desk()
    _, target, stop = desk.bracket(stop="95", stop_limit="94")
    assert stop.type is OrderType.STOP_LIMIT
    desk.tick(10_000)
    assert told(desk.tick(9_300)) == STOPPED_OUT[:2]  # elected below its limit: the position stays, the target is gone
    assert desk.statuses([target, stop]) == ["replaced", "new"]
    assert told(desk.tick(9_401)) == STOPPED_OUT[2:]
    assert desk.now(stop).average_price == Decimal("94")


@pytest.mark.parametrize(
    ("kind", "prices", "cents"),
    [
        (OrderType.LIMIT, {"limit_price": "100"}, 9_990),
        (OrderType.STOP, {"stop_price": "101", "collar_price": "103.52"}, 10_100),
        (OrderType.STOP_LIMIT, {"stop_price": "101", "limit_price": "102"}, 10_150),
    ],
)
def test_entry_of_every_type_arms_its_legs(kind: OrderType, prices: dict[str, str], cents: int) -> None:
    desk = Desk()
    group = desk.bracket(type=kind, **prices)
    assert kinds(desk.tick(10_050)) == ["new"]
    assert told(desk.tick(cents)) == [("fill", "entry"), ("new", "take_profit")]
    assert desk.statuses(group) == ["filled", "new", "held"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_cancelling_any_member_before_the_entry_cancels_all(place: int) -> None:
    desk = Desk()
    members = desk.bracket(type=OrderType.LIMIT, limit_price="90", target="120", stop="80")
    desk.tick(10_000)
    told_of = {event.order.id for event in desk.cancel(members[place])}
    assert desk.statuses(members) == ["canceled"] * 3
    assert told_of == {members[0].id, members[place].id}  # the other held legs go in silence


@pytest.mark.parametrize("place", [1, 2])
def test_cancelling_an_exit_cancels_both_and_keeps_the_position(place: int) -> None:
    desk = Desk()
    members = desk.bracket()
    desk.tick(10_000)
    desk.cancel(members[place])
    assert desk.statuses(members) == ["filled", "canceled", "canceled"]
    assert desk.book.shares("ABC") == available(desk.book, "ABC") == 10
    assert unprotected_shares(desk.book) == {"ABC": 10}


def test_cancelled_half_filled_entry_leaves_a_bare_rest() -> None:
    desk = Desk(partial=1.0)
    entry, *_ = desk.bracket(quantity=100)
    desk.tick(10_000)
    desk.cancel(entry)
    bought = desk.now(entry).filled_quantity
    assert not desk.book.live
    assert unprotected_shares(desk.book) == {"ABC": bought}
    assert available(desk.book, "ABC") == bought


def test_switched_otherwise_a_cancelled_half_filled_entry_leaves_exits_for_what_it_bought() -> None:
    desk = Desk(partial=1.0, switches=Switches(cancelled_entry_keeps_exits=True))
    entry, target, stop = desk.bracket(quantity=100)
    desk.tick(10_000)
    bought = desk.now(entry).filled_quantity
    assert told(desk.cancel(entry)) == [("new", "take_profit"), ("canceled", "entry")]
    assert desk.statuses([entry, target, stop]) == ["canceled", "new", "held"]
    assert desk.now(target).quantity == desk.now(stop).quantity == bought
    assert unprotected_shares(desk.book) == {}
    assert told(desk.tick(9_000))[:2] == STOPPED_OUT[:2]


def test_replacing_the_target_keeps_the_group() -> None:
    desk = Desk()
    entry, target, stop = desk.bracket()
    desk.tick(10_000)
    fresh, events = desk.replace(target, limit_price=105)
    assert told(events) == [("replaced", "take_profit"), ("new", "take_profit")]
    assert (fresh.replaces, desk.now(target).replaced_by, fresh.group_id) == (target.id, fresh.id, entry.group_id)
    assert told(desk.tick(10_600)) == [("fill", "take_profit")]
    assert desk.now(stop).status is Status.CANCELED and not desk.book.live


def test_marketable_replacement_of_the_target_is_the_way_out_with_the_stop_in_place() -> None:
    desk = Desk()
    _, target, stop = desk.bracket()
    desk.tick(10_000)
    desk.replace(target, limit_price="99")
    assert unprotected_shares(desk.book) == {}
    assert told(desk.tick(10_000)) == [("fill", "take_profit")]
    assert desk.now(stop).status is Status.CANCELED and desk.book.holdings == {}


def test_replacing_the_held_stop_keeps_it_held_and_watched() -> None:
    desk = Desk()
    _, target, stop = desk.bracket()
    desk.tick(10_000)
    fresh, events = desk.replace(stop, stop_price=98)
    assert told(events) == [("replaced", "stop_loss")]
    assert (fresh.status, fresh.quantity) == (Status.HELD, 10)
    assert unprotected_shares(desk.book) == {}
    assert told(desk.tick(9_790)) == STOPPED_OUT
    assert desk.now(target).status is Status.REPLACED


def test_replacing_a_leg_before_the_entry_leaves_it_asleep() -> None:
    desk = Desk()
    _, target, _ = desk.bracket(type=OrderType.LIMIT, limit_price="98")
    desk.tick(10_000)
    fresh, _ = desk.replace(target, limit_price="99")
    assert fresh.status is Status.HELD and not fresh.armed
    assert desk.tick(9_910) == []
    assert told(desk.tick(9_790)) == [("fill", "entry"), ("new", "take_profit")]
    assert desk.now(fresh).status is Status.NEW


def test_replacing_the_entry_keeps_the_legs_waiting() -> None:
    desk = Desk()
    entry, target, _ = desk.bracket(type=OrderType.LIMIT, limit_price="98")
    desk.tick(10_000)
    desk.replace(entry, limit_price=99)
    assert told(desk.tick(9_890)) == [("fill", "entry"), ("new", "take_profit")]
    assert desk.now(target).status is Status.NEW


def test_day_bracket_whose_entry_never_filled_ends_with_it() -> None:
    desk = Desk()
    members = desk.bracket(type=OrderType.LIMIT, limit_price="98", time_in_force=TimeInForce.DAY)
    desk.tick(10_000)
    assert told(desk.tick(10_000, closing=True)) == [("expired", "entry")]
    assert desk.statuses(members) == ["expired", "canceled", "canceled"]


def test_day_bracket_leaves_the_position_bare_overnight() -> None:
    desk = Desk()
    members = desk.bracket(time_in_force=TimeInForce.DAY)
    desk.tick(10_000)
    assert told(desk.tick(10_000, closing=True)) == [("expired", "take_profit")]
    assert desk.statuses(members) == ["filled", "expired", "expired"]
    assert unprotected_shares(desk.book) == {"ABC": 10}


def test_stuck_leg_stays_held_while_the_price_is_through_it() -> None:
    desk = Desk()
    *_, stop = desk.bracket()
    desk.book.stuck_legs[stop.id] = None
    desk.tick(10_000)
    assert desk.tick(9_000) == [] and desk.now(stop).status is Status.HELD
    desk.book.stuck_legs.clear()
    assert told(desk.tick(9_000)) == STOPPED_OUT


# OCO


def test_oco_is_a_working_target_over_a_held_stop() -> None:
    desk = Desk()
    desk.own(10)
    target, stop = desk.oco(quantity=6)
    assert target.is_top_level and not stop.is_top_level
    assert desk.statuses([target, stop]) == ["pending_new", "held"]
    assert unprotected_shares(desk.book) == {"ABC": 4}
    assert available(desk.book, "ABC") == 4
    assert told(desk.tick(10_000)) == [("new", "take_profit")]
    assert told(desk.tick(9_400)) == STOPPED_OUT
    assert desk.book.shares("ABC") == 4


def test_oco_waits_until_the_venue_has_it() -> None:
    desk = Desk()
    desk.own(10)
    target, stop = desk.oco(works_now=False)
    assert desk.tick(9_000) == []
    assert desk.statuses([target, stop]) == ["accepted", "held"]
    assert told(desk.tick(9_000, takes_queue=True)) == [("new", "take_profit"), *STOPPED_OUT]


def test_oco_goes_as_a_whole() -> None:
    for place in (0, 1):
        desk = Desk()
        desk.own(10)
        group = desk.oco()
        desk.tick(10_000)
        assert told(desk.cancel(group[place]))[0] == ("canceled", "take_profit")
        assert desk.statuses(group) == ["canceled", "canceled"]
        assert available(desk.book, "ABC") == 10


def test_oco_buys_a_short_back() -> None:
    desk = Desk()
    desk.own(-10)
    target, stop = desk.oco(target="90", stop="105", side=SELL.opposite)
    desk.tick(10_000)
    assert reserved(desk.book, "ABC").shares == 10
    assert told(desk.tick(8_990)) == [("fill", "take_profit")]
    assert desk.book.holdings == {} and desk.now(stop).status is Status.CANCELED
    assert desk.now(target).average_price == Decimal("89.91")


def test_oco_over_part_of_a_position_stands_beside_a_plain_stop() -> None:
    desk = Desk()
    desk.own(10)
    target, _ = desk.oco(quantity=7)
    plain = desk.stop("95", side=SELL, quantity=3)
    desk.tick(10_000)
    assert (available(desk.book, "ABC"), reserved(desk.book, "ABC").order_ids) == (0, (plain.id, target.id))
    desk.tick(9_000)
    assert desk.book.holdings == {}


# OTO


@pytest.mark.parametrize(("exits", "cents"), [({"stop": "95"}, 9_400), ({"target": "105"}, 10_600)])
def test_only_leg_of_an_oto_is_held_and_then_works_at_the_venue(exits: dict[str, str], cents: int) -> None:
    desk = Desk()
    entry, leg = desk.oto(**exits)
    assert desk.statuses([entry, leg]) == ["pending_new", "held"]
    role = "stop_loss" if "stop" in exits else "take_profit"
    assert told(desk.tick(10_000)) == [("new", "entry"), ("fill", "entry"), ("new", role)]
    assert desk.now(leg).status is Status.NEW
    assert told(desk.tick(cents)) == [("fill", role)]
    assert desk.book.holdings == {} and not desk.book.live


def test_price_of_an_oto_leg_is_replaceable_and_the_successor_is_of_the_group() -> None:
    desk = Desk()
    entry, leg = desk.oto(stop="95")
    desk.tick(10_000)
    fresh, events = desk.replace(leg, stop_price="97")
    assert told(events) == [("replaced", "stop_loss"), ("new", "stop_loss")]
    assert (fresh.order_class, fresh.group_id) == (entry.order_class, entry.group_id)
    assert told(desk.tick(9_650)) == [("fill", "stop_loss")]


def test_cancelled_oto_entry_takes_its_leg_along() -> None:
    desk = Desk()
    group = desk.oto(stop="80", type=OrderType.LIMIT, limit_price="90")
    desk.tick(10_000)
    assert told(desk.cancel(group[0])) == [("canceled", "entry")]
    assert desk.statuses(group) == ["canceled", "canceled"]
