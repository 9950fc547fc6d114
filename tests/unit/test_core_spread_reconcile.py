"""Which shares of an account are a spread's, and which are somebody else's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spread_worlds import FIRST, LONG, SHARES, SHORT, START, plan

from desk.core.spread_book import SpreadBook
from desk.core.spread_reconcile import without_contracts
from desk.domain.spreads import Spread, SpreadPhase

HELD = SpreadBook({FIRST: Spread(plan(2), START, SpreadPhase.OPEN, short=2, long=2)})


@pytest.mark.parametrize(
    ("positions", "left"),
    [
        ({SHORT: -2, LONG: 2, SHARES: 100}, 100),  # a person bought them: no contract is gone
        ({SHORT: -1, LONG: 2, SHARES: 100}, 0),  # came for the one that is gone
        ({SHORT: -1, LONG: 2, SHARES: 200}, 100),  # one hundred came for the contract that is gone, and he bought the other
        ({SHORT: -1, LONG: 2, SHARES: 110}, 10),
        ({SHORT: -1, LONG: 2, SHARES: 80}, 0),  # of those that came twenty are sold: the spread's first
        ({SHORT: -1, LONG: 2, SHARES: 10}, 0),  # or a close whose news is late: it is seen after the news
        ({SHORT: -1, LONG: 2, SHARES: -20}, -20),
        ({SHORT: -2, LONG: 1, SHARES: -130}, -30),
        ({SHORT: -2, LONG: 1, SHARES: -70}, 0),
        ({LONG: 2, SHARES: 200}, 0),
        ({SHORT: -2, LONG: 1, SHARES: -100}, 0),
        ({SHORT: -2, LONG: 2, SHARES: -100}, -100),
        ({SHARES: 0}, 0),
    ],
)
def test_shares_came_for_contracts_where_as_many_contracts_are_gone(positions: Mapping[str, int], left: int) -> None:
    assert without_contracts(positions, HELD, {}) == {SHARES: left}


@pytest.mark.parametrize(
    ("stock", "there", "left"),
    [
        (100, 100, 0),
        (100, 40, 0),
        (100, -30, -30),
        (100, 130, 30),
        (-100, -100, 0),
        (-100, -40, 0),
        (-100, 30, 30),
        (-100, -130, -30),
    ],
)
def test_what_somebody_else_trades_of_a_spreads_shares_is_the_spreads_first(stock: int, there: int, left: int) -> None:
    book = SpreadBook({FIRST: Spread(plan(1), START, SpreadPhase.REPAIRING, stock=stock)})
    assert without_contracts({SHARES: there}, book, {}) == {SHARES: left}


@given(st.integers(0, 300), st.integers(-400, 400), st.integers(0, 2), st.integers(0, 2))
def test_what_others_have_is_right_once_the_end_of_contracts_is_told(own: int, trade: int, came: int, closed: int) -> None:
    """A comparison falls between what happened and its news: assignments, and closes whose fills are late. What somebody else
    sold is the spread's first, as far as shares came for it."""
    closed = min(closed, 2 - came)
    there = {SHORT: came + closed - 2, LONG: 2 - closed, SHARES: own + 100 * came + trade}
    seen = without_contracts(there, HELD, {SHARES: own})
    left = 2 - came - closed
    told = Spread(plan(2), START, SpreadPhase.REPAIRING, short=left, long=2 - closed, stock=100 * came)
    after = without_contracts(there, SpreadBook({FIRST: told}), seen)
    assert after == {SHARES: own + trade if trade >= 0 else own + min(0, trade + 100 * came)}
    assert without_contracts(there, SpreadBook({FIRST: told}), after) == after
