"""Single moments of a split that are easy to get wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from desk.core.protect import Stamp
from desk.core.splits import PAID_OUT, ends, explains, orders_before, told, with_split
from desk.domain.journal import SharesSplit
from desk.domain.orders import GroupRole, OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.trades import Book, Trade

EX = date(2024, 6, 10)
BEFORE, AFTER = datetime(2024, 6, 6, 15, tzinfo=UTC), datetime(2024, 6, 10, 13, 30, tzinfo=UTC)
STAMP = Stamp("f00d", AFTER)
S = OrderStatus
D = Decimal


def split(old: int, new: int, rate: tuple[int, int] = (10, 1)) -> SharesSplit:
    return SharesSplit("AAA", old, new, D(rate[0]), D(rate[1]), EX, ("out", "in"))


def trade(key: str = "k1", shares: int = 10, **more: Any) -> Trade:
    """Bought whole at 1000 dollars, and at rest between its exits."""
    spec = OrderSpec(
        key, "AAA", Side.BUY, shares, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, D("1000.00"),
        take_profit=D("1150.05"), stop_loss=D("950.05"),
    )  # fmt: skip
    given: dict[str, Any] = {
        "entry_status": S.FILLED,
        "target_status": S.WORKING,
        "stop_status": S.HELD,
        "target_price": D("1150.05"),
        "first_target": D("1150.05"),
        "stop_price": D("950.05"),
        "entered": shares,
        "entry_value": D(1000) * shares,
        "entered_at": BEFORE,
        "exits_at": BEFORE,
    }
    return Trade(spec, BEFORE, 1000.0, "test", **{**given, **more})


def book(*trades: Trade) -> Book:
    open_ = {each.key: each for each in trades if not each.is_closed}
    return Book(MappingProxyType(open_), tuple(each for each in trades if each.is_closed))


def after(before: Book, what: SharesSplit, foreign: int = 0) -> Trade:
    (found,) = with_split(before, what, foreign)[0].open.values()
    return found


# ---- prices and shares -----------------------------------------------------------------------------------------------------


def test_shares_grow_prices_shrink_to_the_tick_and_dollars_stay() -> None:
    found = after(book(trade()), split(10, 100))
    assert (found.shares, found.entered, found.exited, found.entry_value) == (100, 100, 0, D(10_000))
    assert (found.entry_price, found.decided_price) == (D(100), 100.0)
    assert (found.target_price, found.first_target, found.stop_price) == (D("115.01"), D("115.01"), D("95.00"))
    assert (found.spec.quantity, found.spec.limit_price) == (100, D("100.00"))
    assert (found.spec.take_profit, found.spec.stop_loss) == (D("115.01"), D("95.00"))


def test_a_reverse_split_that_leaves_a_fraction_rounds_the_largest_remainder_up() -> None:
    trades = [trade("k1", 16), trade("k2", 17), trade("k3", 12)]
    found, foreign = with_split(book(*trades), split(45, 4, (1, 10)), 0)
    assert ({key: each.shares for key, each in found.open.items()}, foreign) == ({"k1": 1, "k2": 2, "k3": 1}, 0)


def test_foreign_shares_take_what_the_desk_has_no_whole_share_of() -> None:
    found, foreign = with_split(book(trade("k1", 15)), split(30, 3, (1, 10)), 15)
    assert (found.shares_of("AAA"), foreign) == (1, 2)


def test_a_trade_of_less_than_a_new_share_is_over_and_says_why() -> None:
    found, _ = with_split(book(trade("k1", 4), trade("k2", 30)), split(34, 3, (1, 10)), 0)
    (gone,) = found.closed
    assert (gone.key, gone.entered, gone.exited, gone.exit_requested) == ("k1", 4, 4, PAID_OUT)
    assert [each.key for each in found.open.values()] == ["k2"]


def test_what_was_sold_before_the_split_grows_too_so_that_its_average_price_is_of_new_shares() -> None:
    half = trade(exited=4, exit_value=D(4400), exited_at=BEFORE)
    found = after(book(half), split(6, 60))
    assert (found.entered, found.exited, found.shares, found.exit_price) == (100, 40, 60, D(110))


def test_a_trim_under_way_keeps_its_share_of_the_shares() -> None:
    found = after(book(trade(is_renewing=True, keep=4)), split(10, 100))
    assert (found.keep, found.shares) == (40, 100)


# ---- since the split -------------------------------------------------------------------------------------------------------


def test_shares_that_the_old_stop_sold_after_the_split_count_as_they_are_and_the_rest_is_open_again() -> None:
    sold = trade(exited=10, exit_value=D(1000), exited_at=AFTER, stop_status=S.FILLED, target_status=S.CANCELED)
    before, what = book(sold), split(10, 100)
    assert explains(before, 0, 90, what)
    found = after(before, what)
    assert (found.entered, found.exited, found.shares) == (100, 10, 90)
    assert with_split(before, what, 0)[0].closed == ()


def test_a_trade_of_the_new_terms_stays_as_it_is() -> None:
    young = replace(trade("k2", 5), decided_at=AFTER)
    before, what = book(trade(), young), split(10, 100)
    assert explains(before, 0, 105, what)
    found, _ = with_split(before, what, 0)
    assert (found.open["k1"].shares, found.open["k2"]) == (100, young)
    assert orders_before(before, what) == {"k1"}


def test_who_sold_what_of_two_that_sold_before_and_after_is_not_guessed() -> None:
    both = [trade(key, exited=5, exit_value=D(500), exited_at=AFTER) for key in ("k1", "k2")]
    assert not explains(book(*both), 0, 190 - 7 + 10, split(17, 170))
    with pytest.raises(ValueError, match="not one of this book"):
        with_split(book(*both), split(17, 170), 0)


# ---- what explains it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "foreign", "old", "new"), [(99, 0, 10, 100), (100, 0, 11, 110), (101, 1, 10, 100), (10, 0, 10, 100)]
)
def test_a_split_that_leaves_a_share_over_explains_nothing(there: int, foreign: int, old: int, new: int) -> None:
    assert not explains(book(trade()), foreign, there, split(old, new))


def test_more_sold_since_than_the_split_made_explains_nothing() -> None:
    sold = trade(exited=10, exit_value=D(1000), exited_at=AFTER)
    assert not explains(book(sold), 0, -9, split(10, 1, (1, 10)))


def test_a_count_that_the_rates_do_not_make_explains_nothing() -> None:
    assert not explains(book(trade()), 0, 101, split(10, 101))


def test_a_person_reads_what_was_split_and_what_is_paid_out() -> None:
    assert told(split(105, 10, (1, 10))) == (
        "AAA: a split of 1 for 10 on 2024-06-10 made 10 shares of 105; the broker pays 0.5 of a share out in cash; the book is "
        "on the new terms, and exits follow"
    )


# ---- orders ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({}, GroupRole.TAKE_PROFIT),
        ({"is_being_sold": True, "target_status": S.CANCELED}, GroupRole.ENTRY),
        ({"entry_status": S.WORKING, "entered": 0, "entry_value": D(0)}, GroupRole.ENTRY),
        ({"entry_status": S.PARTIALLY_FILLED, "entered": 3, "entry_value": D(3000)}, GroupRole.ENTRY),
        ({"entry_status": S.WORKING, "entered": 0, "cancel_requested": True}, None),
        ({"is_renewing": True}, None),
        ({"target_status": S.CANCELED, "stop_status": S.CANCELED}, None),
    ],
)
def test_orders_on_the_old_terms_are_ended_once(changes: dict[str, Any], role: GroupRole | None) -> None:
    held = trade(**changes)
    before, what = book(held), split(held.shares, 10 * held.shares)
    now, _ = with_split(before, what, 0)
    steps = ends(now, orders_before(before, what), STAMP)
    assert [(step.of_key, step.role, step.keep) for step in steps] == ([] if role is None else [("k1", role, None)])


def test_exits_that_came_after_the_split_are_left_alone() -> None:
    before = book(trade())
    old = orders_before(before, split(10, 100))
    renewed = replace(trade(shares=100), covers=("k1-cover1",), exits_at=AFTER + timedelta(seconds=1))
    assert ends(book(renewed), old, STAMP) == []
