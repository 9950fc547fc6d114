"""Which trade updates have been dealt with: twice counts once, late counts nothing, and a gap is a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.update_counter import UpdateCounter, number_of

AT_ONCE = 0.0


def update(number: int) -> dict[str, Any]:
    return {"stream": "trade_updates", "data": {"event": "fill", "event_id": f"{number:026d}"}}


def counted(numbers: Sequence[int], start: int = 0) -> UpdateCounter:
    counter = UpdateCounter()
    counter.start_at(start)
    for number in numbers:
        counter.add(update(number))
    return counter


def test_an_update_that_comes_twice_does_not_stand_in_for_the_next_one() -> None:
    assert counted([1, 1]).wait(1, AT_ONCE)
    assert not counted([1, 1]).wait(2, AT_ONCE)


def test_the_wait_goes_on_until_a_gap_is_closed() -> None:
    counter = counted([1, 3])
    assert not counter.wait(3, AT_ONCE)
    counter.add(update(2))
    assert counter.wait(3, AT_ONCE)


def test_what_was_asked_for_need_not_come_and_changes_nothing_when_it_does() -> None:
    counter = counted([1, 3, 6])
    counter.start_at(4)
    assert counter.wait(4, AT_ONCE) and not counter.wait(5, AT_ONCE)
    counter.add(update(2))
    assert not counter.wait(5, AT_ONCE)
    counter.add(update(5))
    assert counter.wait(6, AT_ONCE)


def test_a_look_that_was_slower_than_the_stream_takes_nothing_back() -> None:
    counter = counted([1, 2, 3])
    counter.start_at(1)
    assert counter.wait(3, AT_ONCE)


def test_before_anybody_counts_nothing_is_remembered_and_nothing_is_there() -> None:
    counter = UpdateCounter()
    counter.add(update(1))
    assert not counter.wait(0, AT_ONCE)
    counter.start_at(0)
    assert not counter.wait(1, AT_ONCE)


@pytest.mark.parametrize("data", [{}, {"event_id": None}, {"event_id": "01HXYZ"}, {"event_id": 7}, None])
def test_messages_without_the_exchanges_number_are_not_counted(data: object) -> None:
    assert number_of({"data": data}) is None


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8)), st.integers(0, 8))
def test_in_whatever_order_and_however_often_all_have_come_when_each_has(order: list[int], again: list[int], start: int) -> None:
    counter = counted([*again, *order[:-1]], start)
    missing = order[-1]
    is_there = missing in again or missing <= start
    assert counter.wait(8, AT_ONCE) is is_there
    counter.add(update(missing))
    assert counter.wait(8, AT_ONCE) and not counter.wait(9, AT_ONCE)
