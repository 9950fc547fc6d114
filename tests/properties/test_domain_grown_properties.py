"""The growing mapping against dictionaries: every version is and stays what its dictionary is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.grown import Grown


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.integers(0, 9))))
def test_every_version_stays_what_it_was_whichever_one_is_grown(steps: list[tuple[int, int, int]]) -> None:
    versions: list[tuple[Grown[int, int], dict[int, int]]] = [(Grown(), {})]
    for which, key, value in steps:
        grown, plain = versions[-1 - which % min(len(versions), 3)]
        versions.append((grown.with_item(key, value), {**plain, key: value}))
    for grown, plain in versions:
        assert (dict(grown), len(grown), list(grown)) == (plain, len(plain), list(plain))
        assert all((key in grown) is (key in plain) for key in range(6))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers())))
def test_versions_are_equal_when_they_hold_the_same_however_they_came_by_it(items: list[tuple[int, int]]) -> None:
    step_by_step: Grown[int, int] = Grown()
    for key, value in items:
        step_by_step = step_by_step.with_item(key, value)
    assert step_by_step == Grown(dict(items).items()) == dict(items)
    assert step_by_step != step_by_step.with_item(9, 0)


def test_what_is_not_there_is_not_found() -> None:
    older: Grown[str, int] = Grown([("a", 1)])
    older.with_item("b", 2)
    with pytest.raises(KeyError):
        older["b"]
    assert repr(older) == "Grown({'a': 1})"
