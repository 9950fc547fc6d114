"""Matching of two runs' lines: whatever the lists, nothing is lost, and one difference is one difference."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from desk.domain.orders import GroupRole, Side
from desk.research.parity import Line, equal_fraction, paired

FIRST = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
TOLERANCE_BPS = 6.0


@st.composite
def lines(draw: st.DrawFn) -> Line:
    at = FIRST + timedelta(days=draw(st.integers(0, 3)), minutes=draw(st.sampled_from((60, 61, 120))))
    symbol, side = draw(st.sampled_from("AB")), draw(st.sampled_from(list(Side)))
    price = draw(st.integers(9_000, 11_000)) / 100
    role = draw(st.sampled_from((GroupRole.ENTRY, GroupRole.STOP_LOSS)))
    return Line(at, at.date(), symbol, side, draw(st.integers(1, 3)), price, role)


many = st.lists(lines(), max_size=25)


@given(many)
def test_a_run_is_wholly_equal_to_itself(run: list[Line]) -> None:
    assert equal_fraction(paired(run, list(reversed(run))), TOLERANCE_BPS) == 1.0


@given(st.lists(lines(), min_size=1, max_size=25), st.data(), st.booleans())
def test_a_fill_that_is_missing_on_one_side_is_exactly_one_difference(
    run: list[Line], data: st.DataObject, in_live: bool
) -> None:
    gone = data.draw(st.integers(0, len(run) - 1))
    short = [*run[:gone], *run[gone + 1 :]]
    pairs = paired(run, short) if in_live else paired(short, run)
    different = [pair for pair in pairs if pair.differences(TOLERANCE_BPS)]
    assert [pair.any_line for pair in different] == [run[gone]]
    assert different[0].differences(TOLERANCE_BPS) == {"alone"}
    assert len(pairs) == len(run)


@given(many, many)
def test_every_line_stands_in_exactly_one_pair_and_a_pair_is_of_one_symbol_and_side(one: list[Line], other: list[Line]) -> None:
    pairs = paired(one, other)
    assert Counter(pair.backtest for pair in pairs if pair.backtest) == Counter(one)
    assert Counter(pair.live for pair in pairs if pair.live) == Counter(other)
    both = [(pair.backtest, pair.live) for pair in pairs if pair.backtest and pair.live]
    assert all((left.symbol, left.side, left.session) == (right.symbol, right.side, right.session) for left, right in both)


@given(many, many)
def test_which_run_is_named_first_changes_no_figure(one: list[Line], other: list[Line]) -> None:
    assert equal_fraction(paired(one, other), 0.0) == equal_fraction(paired(other, one), 0.0)
