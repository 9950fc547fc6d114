"""The order queue: what protects comes first, nothing is lost, and no change comes before the order that it is to change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lumibot.entities import Asset, Order

from desk.brokers.lumibot_orders import KEY, key_of
from desk.brokers.order_queue import OrderQueue
from desk.domain.orders import GroupRole
from desk.domain.steps import Cancel, Replace

TAKE = ("take", "")
KEYS = st.integers(0, 12).map(str)
# Orders get the keys "0", "1", ... as they are put; a change may be of one that waits, was sent, comes later or never.
DEEDS = st.lists(
    st.just(TAKE) | st.sampled_from([("entry", ""), ("exit", "")]) | st.tuples(st.sampled_from(["cancel", "replace"]), KEYS),
    max_size=40,
)


def order(key: str | None, side: str) -> Order:
    return Order("test", Asset("AAPL"), 10, side, custom_params={KEY: key} if key else None)


def is_exit(item: Order) -> bool:
    return bool(item.is_sell_order())


def change(kind: str, of_key: str) -> Cancel | Replace:
    if kind == "cancel":
        return Cancel("change", of_key, "AAPL", "a test")
    return Replace("change", of_key, "AAPL", GroupRole.TAKE_PROFIT, Decimal("15.00"), "a test")


@dataclass(frozen=True)
class Taken:
    """An item as it was handed out, by its number, and the numbers of what waited with it, oldest first."""

    number: int
    waiting: tuple[int, ...]


class Play:
    """Deeds on a queue; whatever is left is taken at the end."""

    def __init__(self, deeds: list[tuple[str, str]]) -> None:
        self.queue = OrderQueue(is_exit)
        self.items: list[Any] = []
        self.taken: list[Taken] = []
        self._waiting: list[int] = []
        for kind, key in deeds:
            if (kind, key) != TAKE:
                self._put(kind, key)
            elif self._waiting:
                self._take()
        while self._waiting:
            self._take()

    def _put(self, kind: str, key: str) -> None:
        number = str(sum(isinstance(item, Order) for item in self.items))
        sides = {"entry": "buy", "exit": "sell"}
        item = order(number, sides[kind]) if kind in sides else change(kind, key)
        self._waiting.append(len(self.items))
        self.items.append(item)
        self.queue.put([item])

    def _take(self) -> None:
        (item,) = self.queue.get_nowait()
        number = next(number for number in self._waiting if self.items[number] is item)
        self.taken.append(Taken(number, tuple(self._waiting)))
        self._waiting.remove(number)

    def waits_for_its_order(self, number: int, waiting: tuple[int, ...]) -> bool:
        """Whether it is a change of an order that was put before it and is still in the queue."""
        item = self.items[number]
        if isinstance(item, Order):
            return False
        before = [self.items[each] for each in waiting if each < number]
        return item.of_key in [key_of(each) for each in before if isinstance(each, Order)]

    def is_urgent(self, number: int) -> bool:
        item = self.items[number]
        return is_exit(item) if isinstance(item, Order) else True

    def each(self) -> Iterator[tuple[int, list[int]]]:
        """Each item as it was handed out, and those that waited with it and were there before it."""
        for taken in self.taken:
            yield taken.number, [other for other in taken.waiting if other < taken.number]


@given(DEEDS)
def test_every_item_is_handed_out_once(deeds: list[tuple[str, str]]) -> None:
    play = Play(deeds)
    assert sorted(taken.number for taken in play.taken) == list(range(len(play.items)))
    assert play.queue.empty() and len(play.queue.queue) == 0


@given(DEEDS)
def test_an_order_that_opens_is_handed_out_only_when_nothing_that_protects_could_go(deeds: list[tuple[str, str]]) -> None:
    play = Play(deeds)
    for taken in play.taken:
        if not play.is_urgent(taken.number):
            urgent = [number for number in taken.waiting if play.is_urgent(number)]
            assert all(play.waits_for_its_order(number, taken.waiting) for number in urgent)


@given(DEEDS)
def test_no_change_comes_before_the_order_that_it_is_to_change(deeds: list[tuple[str, str]]) -> None:
    play = Play(deeds)
    for taken in play.taken:
        assert not play.waits_for_its_order(taken.number, taken.waiting)


@given(DEEDS)
def test_what_is_as_urgent_keeps_its_order(deeds: list[tuple[str, str]]) -> None:
    """Only a change that has to wait for its order is overtaken by what protects."""
    play = Play(deeds)
    for taken, (number, before) in zip(play.taken, play.each(), strict=True):
        overtaken = [other for other in before if play.is_urgent(other) == play.is_urgent(number)]
        assert all(play.waits_for_its_order(other, taken.waiting) for other in overtaken)


def test_a_block_is_as_urgent_as_the_least_of_it_and_an_order_may_come_without_a_list() -> None:
    queue = OrderQueue(is_exit)
    entry, mixed, own, bare = (
        order("1", "buy"),
        [order("2", "sell"), order("3", "buy")],
        change("cancel", "3"),
        order("4", "sell"),
    )
    for block in ([entry], mixed, [own], bare):
        queue.put(block)
    assert [queue.get_nowait() for _ in range(4)] == [bare, [entry], mixed, [own]]


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_without_a_key_passes_through(side: str) -> None:
    queue = OrderQueue(is_exit)
    queue.put([order(None, side)])
    queue.put([change("cancel", "1")])
    assert queue.qsize() == 2
    assert {len(queue.get_nowait()) for _ in range(2)} == {1}


def test_it_counts_what_is_unfinished_as_any_queue_does() -> None:
    queue = OrderQueue(is_exit)
    for block in ([order("1", "buy")], [order("2", "sell")]):
        queue.put(block)
    joined = threading.Thread(target=queue.join)
    joined.start()
    for _ in range(2):
        assert queue.unfinished_tasks > 0
        queue.get(timeout=1.0)
        queue.task_done()
    joined.join(10)
    assert (queue.unfinished_tasks, joined.is_alive()) == (0, False)
