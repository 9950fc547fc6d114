"""Which shares of an account are a spread's, and which are somebody else's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
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
        ({SHORT: -1, LONG: 2, SHARES: 200}, 200),
        ({LONG: 2, SHARES: 200}, 0),
        ({SHORT: -2, LONG: 1, SHARES: -100}, 0),
        ({SHORT: -2, LONG: 2, SHARES: -100}, -100),
        ({SHARES: 0}, 0),
    ],
)
def test_shares_came_for_contracts_where_as_many_contracts_are_gone(positions: Mapping[str, int], left: int) -> None:
    assert without_contracts(positions, HELD, {}) == {SHARES: left}
