"""What the broker tells of contracts that ended without an order goes to the spreads that it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from spread_worlds import LONG, SHORT, START, plan

from desk.core.ports import OptionActivity
from desk.core.spread_book import SpreadBook
from desk.core.spread_settlements import settlements
from desk.domain.grown import Grown
from desk.domain.spreads import Settlement, Spread, SpreadPhase

ENDED = Spread(plan(2, key="one"), START, SpreadPhase.CLOSED)
NEWER = Spread(
    replace(plan(3, key="one"), key="newer", decided_at=START + timedelta(hours=1)), START, SpreadPhase.OPEN, short=3, long=3
)


def told(
    book: SpreadBook, contracts: int, kind: Settlement = Settlement.ASSIGNED, symbol: str = SHORT
) -> list[tuple[str, int, int]]:
    activity = OptionActivity("activity", symbol, kind, contracts, START + timedelta(days=1))
    return [(each.key, each.contracts, each.shares) for each in settlements(book, activity)]


def book(ended: Spread, *living: Spread) -> SpreadBook:
    return SpreadBook(open=MappingProxyType({each.key: each for each in living}), closed=Grown([(ended.key, ended)]))


def seen(contracts: int) -> Spread:
    return replace(ENDED, inferred={(SHORT, Settlement.ASSIGNED): contracts})


def test_an_assignment_that_the_positions_told_is_not_given_to_a_newer_spread_of_the_same_contract() -> None:
    assert told(book(seen(2), NEWER), 2) == [("one", 2, 200)]


def test_what_is_beyond_what_the_positions_told_goes_to_who_owes_it() -> None:
    assert told(book(seen(1), NEWER), 3) == [("one", 1, 100), ("newer", 2, 200)]


def test_an_expiration_confirms_nothing_and_goes_to_who_holds() -> None:
    assert told(book(seen(2), NEWER), 3, Settlement.EXPIRED) == [("newer", 3, 0)]
    assert told(book(ENDED, NEWER), 3, Settlement.EXERCISED, LONG) == [("newer", 3, -300)]


def test_the_oldest_comes_first_and_what_nobody_held_is_nobodys() -> None:
    older = replace(NEWER, plan=replace(NEWER.plan, key="older", decided_at=START), short=1, long=1)
    assert told(book(ENDED, NEWER, older), 5) == [("older", 1, 100), ("newer", 3, 300)]


def test_a_spread_that_was_told_of_more_than_it_owed_takes_nothing_from_the_others() -> None:
    assert told(book(replace(ENDED, short=-1), NEWER), 3) == [("newer", 3, 300)]
