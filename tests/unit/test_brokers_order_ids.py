"""Broker ids and the members that they stand for, with news that overtakes the answer to its order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier, Thread

from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.alpaca_orders import Update
from desk.brokers.order_ids import Member, OrderIds
from desk.domain.orders import GroupRole

UPDATE = Update("fill", datetime(2024, 1, 3, 15, tzinfo=UTC), "b1", "k1", "AAA", "buy", "x1", None, None, None)
ENTRY: Member = ("k1", GroupRole.ENTRY)
TARGET: Member = ("k1", GroupRole.TAKE_PROFIT)


def update(broker_id: str, execution_id: str = "x1") -> Update:
    return replace(UPDATE, order_id=broker_id, execution_id=execution_id)


def test_an_unknown_id_belongs_to_nobody() -> None:
    ids = OrderIds()
    assert ids.member("b1") is None
    assert ids.current(ENTRY) is None
    assert not ids.is_current("b1")


def test_a_member_is_found_by_its_id_and_its_id_by_the_member() -> None:
    ids = OrderIds()
    ids.bind("b1", ENTRY)
    ids.bind("b2", TARGET)
    assert (ids.member("b1"), ids.member("b2")) == (ENTRY, TARGET)
    assert (ids.current(ENTRY), ids.current(TARGET)) == ("b1", "b2")


def test_after_a_change_of_price_the_successor_is_current_and_the_old_id_still_known() -> None:
    ids = OrderIds()
    for broker_id in ("b1", "b2", "b3"):
        ids.bind(broker_id, TARGET)
    assert ids.current(TARGET) == "b3"
    assert [ids.is_current(broker_id) for broker_id in ("b1", "b2", "b3")] == [False, False, True]
    assert ids.member("b1") == TARGET


def test_news_of_an_unknown_order_waits_until_somebody_knows_it() -> None:
    ids = OrderIds()
    assert ids.park(update("b1", "x1"))
    assert ids.park(update("b1", "x2"))
    assert ids.unpark() == []
    ids.bind("b1", ENTRY)
    assert [one.execution_id for one in ids.unpark()] == ["x1", "x2"]
    assert ids.unpark() == []


def test_parked_updates_come_back_in_the_order_of_their_arrival() -> None:
    ids = OrderIds()
    for broker_id, execution_id in (("b1", "x1"), ("b2", "x2"), ("b1", "x3")):
        ids.park(update(broker_id, execution_id))
    ids.bind("b2", TARGET)
    ids.bind("b1", ENTRY)
    assert [one.execution_id for one in ids.unpark()] == ["x1", "x2", "x3"]


def test_news_of_a_known_order_does_not_wait() -> None:
    ids = OrderIds()
    ids.bind("b1", ENTRY)
    assert not ids.park(update("b1"))
    assert ids.unpark() == []


def test_news_of_orders_that_stay_unknown_goes_on_waiting() -> None:
    ids = OrderIds()
    ids.park(update("b1"))
    ids.park(update("b9"))
    ids.bind("b1", ENTRY)
    assert [one.order_id for one in ids.unpark()] == ["b1"]
    ids.bind("b9", TARGET)
    assert [one.order_id for one in ids.unpark()] == ["b9"]


@given(st.lists(st.tuples(st.sampled_from(["bind", "park", "unpark"]), st.integers(0, 4)), max_size=40))
def test_no_news_is_lost_or_told_twice(actions: list[tuple[str, int]]) -> None:
    ids, told, given_in = OrderIds(), list[Update](), list[Update]()
    for place, (action, number) in enumerate(actions):
        news = update(f"b{number}", f"x{place}")
        if action == "bind":
            ids.bind(f"b{number}", ("k", list(GroupRole)[number % 3]))
        elif action == "unpark":
            told += ids.unpark()
        else:
            given_in.append(news)
            if not ids.park(news):
                told.append(news)
    for number in range(5):
        ids.bind(f"b{number}", ENTRY)
    told += ids.unpark()
    assert sorted(one.execution_id for one in told) == sorted(one.execution_id for one in given_in)


def test_a_stream_and_an_order_thread_lose_nothing_between_them() -> None:
    ids, told, start = OrderIds(), list[str](), Barrier(2)
    numbers = range(2_000)

    def stream() -> None:
        start.wait()
        for number in numbers:
            news = update(f"b{number}")
            if not ids.park(news):
                told.append(news.order_id)

    def orders() -> None:
        start.wait()
        for number in numbers:
            ids.bind(f"b{number}", (f"k{number}", GroupRole.ENTRY))
            told.extend(one.order_id for one in ids.unpark())

    threads = [Thread(target=stream), Thread(target=orders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    told.extend(one.order_id for one in ids.unpark())
    assert sorted(told) == sorted(f"b{number}" for number in numbers)
