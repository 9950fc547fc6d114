"""Shares and cents of several strategies in one account: nothing is lost, doubled or given to the wrong one."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from desk.core.allocation import NOBODY, Allocations, apportion
from desk.domain.orders import Side

NAMES = ("a", "b", "c")
prices = st.integers(1, 50_000).map(lambda cents: Decimal(cents) / 100)
wants = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 300))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("wants"), wants, st.none() | prices),
        st.tuples(st.just("buy"), st.integers(1, 200), prices, st.sampled_from(["t1", "t2"])),
        st.tuples(st.just("sell"), st.integers(1, 200), prices, st.sampled_from(["t1", "t2"])),
        st.tuples(st.just("split"), st.sampled_from([2, 3])),
    ),
    max_size=30,
)


@given(st.integers(0, 1_000), st.dictionaries(st.text(max_size=3), st.integers(0, 500)))
def test_parts_come_to_the_whole_and_none_is_above_its_weight(total: int, weights: dict[str, int]) -> None:
    parts = apportion(total, weights)
    whole = sum(weights.values())
    assert sum(parts.values()) == (total if whole else 0)
    if total <= whole:
        assert all(count <= weights[name] for name, count in parts.items())
    assert all(abs(count - total * weights[name] / whole) < 1 for name, count in parts.items())


@given(steps)
def test_shares_and_dollars_of_all_are_those_of_the_account(story: list[tuple[object, ...]]) -> None:
    found, held, cash = Allocations(), 0, Decimal(0)
    for kind, *said in story:
        if kind == "wants":
            found = found.wants("AAA", said[0], said[1])  # type: ignore[arg-type]  # drawn as a mapping and a price above
        elif kind == "split":
            held *= int(str(said[0]))
            found = found.split("AAA", held)
        else:
            count, price, trade = int(str(said[0])), Decimal(str(said[1])), str(said[2])
            side = Side.BUY if kind == "buy" else Side.SELL
            count = count if side is Side.BUY else min(count, held)
            if not count:
                continue
            found = found.filled("AAA", side, count, price, trade)
            held += count if side is Side.BUY else -count
            cash -= price * count if side is Side.BUY else -price * count
        stakes = found.stakes.get("AAA", {})
        assert sum(stake.shares for stake in stakes.values()) == held
        assert sum((stake.realised_usd - stake.cost_usd for stake in stakes.values()), Decimal(0)) == cash
        assert all(stake.shares >= 0 for stake in stakes.values())
        assert all(stake.cost_usd == 0 for stake in stakes.values() if not stake.shares)


@given(st.integers(1, 100), st.integers(1, 100), prices, prices)
def test_each_gets_what_it_wanted_and_one_that_leaves_takes_the_sale(a: int, b: int, paid: Decimal, fetched: Decimal) -> None:
    found = Allocations().wants("AAA", {"a": a, "b": b}).filled("AAA", Side.BUY, a + b, paid, "t1")
    assert found.shares("AAA") == {"a": a, "b": b}
    left = found.wants("AAA", {"a": 0, "b": b}).filled("AAA", Side.SELL, a, fetched, "t1")
    assert left.shares("AAA") == {"b": b}
    assert left.stakes["AAA"]["a"].realised_usd == (fetched - paid) * a
    assert left.stakes["AAA"]["b"].realised_usd == 0


def test_a_stop_takes_from_whom_its_trade_was_bought_for_and_nothing_is_bought_back_for_them() -> None:
    found = Allocations().wants("AAA", {"a": 10}).filled("AAA", Side.BUY, 10, Decimal(100), "t1")
    found = found.wants("AAA", {"a": 10, "b": 5}).filled("AAA", Side.BUY, 5, Decimal(101), "t2")
    stopped = found.filled("AAA", Side.SELL, 10, Decimal(95), "t1")
    assert stopped.shares("AAA") == {"b": 5}
    assert stopped.stakes["AAA"]["a"].realised_usd == -50
    more = stopped.wants("AAA", {**stopped.wanted["AAA"], "b": 8}).filled("AAA", Side.BUY, 3, Decimal(96), "t3")
    assert more.shares("AAA") == {"b": 8}


def test_one_that_leaves_gives_to_one_that_enters_without_an_order() -> None:
    found = Allocations().wants("AAA", {"a": 10}).filled("AAA", Side.BUY, 10, Decimal(100), "t1")
    moved = found.wants("AAA", {"a": 2, "b": 5}, Decimal(110))
    assert moved.shares("AAA") == {"a": 5, "b": 5}
    assert (moved.stakes["AAA"]["a"].realised_usd, moved.stakes["AAA"]["b"].cost_usd) == (Decimal(50), Decimal(550))
    assert moved.filled("AAA", Side.SELL, 3, Decimal(111), "t1").shares("AAA") == {"a": 2, "b": 5}


def test_what_nobody_asked_for_is_nobodys() -> None:
    assert Allocations().filled("AAA", Side.BUY, 7, Decimal(10), "t").shares("AAA") == {NOBODY: 7}
