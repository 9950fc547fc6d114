"""Trailing stops: the mark follows the best trade, the stop the mark, at a distance in dollars or percent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine_story import SELL, Desk, kinds, quote

from desk.exchange.machine.commands import Tick
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import Order
from desk.exchange.machine.triggers import trail_of
from desk.exchange.switches import Switches
from desk.exchange.words import OrderType, Side, Status


def trailing(desk: Desk, side: Side = SELL, **trail: object) -> Order:
    return desk.send(side=side, type=OrderType.TRAILING_STOP, **trail)


def marks(desk: Desk, order: Order) -> tuple[Decimal | None, Decimal | None]:
    now = desk.now(order)
    return now.high_water_mark, now.stop_price


def owned() -> Desk:
    desk = Desk()
    desk.own()
    return desk


def test_mark_starts_at_the_last_trade_and_only_rises_for_a_sell() -> None:
    desk = owned()
    order = trailing(desk, trail_price="2")
    assert marks(desk, order) == (None, None)
    desk.tick(10_000)
    assert marks(desk, order) == (100, 98)
    desk.tick(10_300)
    assert marks(desk, order) == (103, 101)
    desk.tick(10_150)
    assert marks(desk, order) == (103, 101)
    assert kinds(desk.tick(10_100)) == ["fill"]
    assert desk.now(order).average_price == Decimal("100.99")  # the bid: it is a market order once elected


def test_buy_trails_a_falling_price() -> None:
    desk = Desk()
    desk.own(-10)
    order = trailing(desk, Side.BUY, trail_price="2")
    for cents, expected in ((10_000, (100, 102)), (9_700, (97, 99)), (9_850, (97, 99))):
        desk.tick(cents)
        assert marks(desk, order) == expected
    assert kinds(desk.tick(9_900)) == ["fill"]
    assert desk.now(order).average_price == Decimal("99.01")


def test_trail_in_percent_grows_with_the_mark() -> None:
    desk = owned()
    order = trailing(desk, trail_percent="2.5")  # 2.5 is two and a half percent
    desk.tick(10_000)
    assert marks(desk, order) == (100, Decimal("97.5"))
    desk.tick(12_000)
    assert marks(desk, order) == (120, 117)


def test_buy_trails_in_percent() -> None:
    desk = Desk()
    order = trailing(desk, Side.BUY, trail_percent="1")
    desk.tick(10_000)
    assert marks(desk, order) == (100, 101)
    desk.tick(9_000)
    assert marks(desk, order) == (90, Decimal("90.9"))


def test_trades_between_two_moments_move_the_mark() -> None:
    desk = owned()
    order = trailing(desk, trail_price="2")
    desk.tick(10_000)
    desk.tick(10_200, ranges={"ABC": (990_000, 1_040_000)})
    assert marks(desk, order) == (104, 102)
    assert desk.now(order).status is Status.FILLED  # 102 is two dollars off the best of 104


def test_lowest_trade_between_two_moments_moves_a_buys_mark() -> None:
    desk = Desk()
    order = trailing(desk, Side.BUY, trail_price="3")
    desk.tick(10_000)
    desk.tick(9_900, ranges={"ABC": (970_000, 1_010_000)})
    assert marks(desk, order) == (97, 100)


def test_trades_before_the_order_do_not_count() -> None:
    desk = owned()
    desk.tick(10_000)
    order = trailing(desk, trail_price="2")
    desk.tick(10_050, ranges={"ABC": (900_000, 1_500_000)})
    assert marks(desk, order) == (Decimal("100.50"), Decimal("98.50"))


def test_only_regular_hours_move_the_mark_and_elect() -> None:
    desk = owned()
    order = trailing(desk, trail_price="2")
    desk.tick(10_000)
    assert desk.tick(10_500, is_regular=False) == []
    assert desk.tick(9_000, is_regular=False) == []
    assert marks(desk, order) == (100, 98)
    assert kinds(desk.tick(9_800)) == ["fill"]


def test_queued_order_has_no_mark_before_it_is_new() -> None:
    desk = owned()
    order = desk.send(works_now=False, side=SELL, type=OrderType.TRAILING_STOP, trail_price="2")
    desk.tick(10_000)
    assert marks(desk, order) == (None, None)
    desk.tick(10_200, takes_queue=True)
    assert marks(desk, order) == (102, 100)


def test_gap_below_the_stop_sells_where_the_market_is() -> None:
    desk = owned()
    order = trailing(desk, trail_price="2")
    desk.tick(10_000)
    desk.tick(9_000)
    assert desk.now(order).average_price == Decimal("89.99")


def test_elected_order_trails_no_more() -> None:
    desk = owned()
    order = trailing(desk, trail_price="2")
    desk.tick(10_000)
    desk.book.forced_parts[order.id] = Decimal(3)
    assert kinds(desk.tick(9_700)) == ["partial_fill"]
    assert desk.now(order).elected and trail_of(desk.now(order)) is None
    desk.tick(11_000, minutes=0.5)
    assert marks(desk, order) == (100, 98)
    assert kinds(desk.tick(11_000)) == ["fill"]


@pytest.mark.parametrize(("keeps", "expected"), [(True, (110, 109)), (False, (105, 104))])
def test_new_trail_keeps_the_mark_unless_switched_otherwise(keeps: bool, expected: tuple[int, int]) -> None:
    desk = Desk(switches=Switches(trailing_replace_keeps_mark=keeps))
    desk.own()
    order = trailing(desk, trail_price="20")
    desk.tick(11_000)
    desk.tick(10_500)
    fresh, events = desk.replace(order, trail="1")
    assert kinds(events) == ["replaced", "new"]
    desk.see({"ABC": quote(10_500)})
    assert marks(desk, fresh) == expected
    assert desk.now(fresh).trail_price == 1


def test_changed_percent_stays_a_percent() -> None:
    desk = owned()
    order = trailing(desk, trail_percent="10")
    desk.tick(10_000)
    fresh, _ = desk.replace(order, trail="5")
    desk.tick(10_000)
    assert (desk.now(fresh).trail_percent, desk.now(fresh).trail_price, desk.now(fresh).stop_price) == (5, None, 95)


@given(st.lists(st.integers(5_000, 15_000), min_size=2, max_size=40), st.integers(1, 500), st.sampled_from(["price", "percent"]))
def test_a_sell_trail_is_the_running_best_less_the_trail_and_fills_at_the_first_touch(
    path: list[int], size: int, kind: str
) -> None:
    desk = owned()
    trail = {"trail_price": Decimal(size) / 100} if kind == "price" else {"trail_percent": Decimal(size) / 100}
    order = trailing(desk, **trail)
    best = 0
    for cents in path:
        events = apply(desk.book, Tick(desk.at, {"ABC": quote(cents)}))
        best = max(best, cents)
        level = Decimal(best - size) if kind == "price" else best * (1 - Decimal(size) / 10_000)
        now = desk.now(order)
        assert now.high_water_mark == Decimal(best) / 100
        assert now.stop_price is not None and 0 <= now.stop_price * 100 - level < Decimal("0.0101")
        is_touched = Decimal(cents) / 100 <= now.stop_price
        assert (now.status is Status.FILLED) is is_touched is (bool(events) and events[-1].is_fill)
        if is_touched:
            return
