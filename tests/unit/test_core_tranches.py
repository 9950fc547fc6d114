"""Which tranches leave whole and which one is cut."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.tranches import CLOSE_ENOUGH_FRACTION, Choice, choose

tranches = st.lists(st.integers(1, 400), min_size=0, max_size=6).map(
    lambda counts: {f"k{number}": count for number, count in enumerate(counts)}
)


def sold(shares: dict[str, int], choice: Choice) -> int:
    return sum(shares[key] for key in choice.whole) + choice.cut_shares


@pytest.mark.parametrize(
    ("shares", "wanted", "choice"),
    [
        ({"a": 100}, 30, Choice((), "a", 30)),
        ({"a": 100, "b": 30}, 30, Choice(("b",))),
        ({"a": 100, "b": 31}, 30, Choice(("b",))),  # near enough: no cut
        ({"a": 100, "b": 40}, 30, Choice((), "b", 30)),  # the smaller one stands bare
        ({"a": 100, "b": 40}, 60, Choice(("b",), "a", 20)),
        ({"a": 100, "b": 40, "c": 60}, 100, Choice(("a",))),
        ({"a": 100}, 100, Choice(("a",))),
        ({"a": 100}, 500, Choice(("a",))),
        ({"a": 11}, 10, Choice((), "a", 10)),  # a share that is to stay stays
        ({"a": 950, "b": 50}, 900, Choice(("b",), "a", 850)),
        ({"a": 100}, 0, Choice()),
        ({}, 10, Choice()),
    ],
)
def test_as_few_shares_as_possible_stand_bare(shares: dict[str, int], wanted: int, choice: Choice) -> None:
    assert choose(shares, wanted) == choice


@given(tranches, st.integers(-5, 3_000))
def test_what_is_sold_and_what_stays_is_what_was_wanted_or_near_it(shares: dict[str, int], wanted: int) -> None:
    choice = choose(shares, wanted)
    total = sum(shares.values())
    if wanted <= 0:
        assert choice == Choice()
    elif wanted >= total:
        assert sold(shares, choice) == total
    else:
        assert abs(sold(shares, choice) - wanted) <= min(wanted, total - wanted) * CLOSE_ENOUGH_FRACTION
        assert choice.cut is None or sold(shares, choice) == wanted


@given(tranches, st.integers(1, 3_000))
def test_a_cut_leaves_shares_and_is_in_no_whole_tranche(shares: dict[str, int], wanted: int) -> None:
    choice = choose(shares, wanted)
    if choice.cut is not None:
        assert 0 < choice.cut_shares < shares[choice.cut]
        assert choice.cut not in choice.whole


@given(tranches, st.integers(1, 3_000))
def test_no_smaller_tranche_would_have_been_enough_to_cut(shares: dict[str, int], wanted: int) -> None:
    choice = choose(shares, wanted)
    if choice.cut is None:
        return
    for key in (key for key in shares if shares[key] < shares[choice.cut]):
        others = [each for each in shares if each != key]
        chosen = [each for count in range(len(others) + 1) for each in combinations(others, count)]
        sums = {sum(shares[other] for other in each) for each in chosen}
        assert not any(0 < wanted - total < shares[key] for total in sums), f"{key} is smaller and would do"
