"""Shares of a person are taken over beside those of an option spread, which stay the spread's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from held_spread import Held
from recording_desk import RULE
from spread_worlds import FIRST, LONG, SHORT, START

from desk.core.ports import OptionActivity
from desk.core.reconcile import BrokerView
from desk.core.spread_settlements import seen
from desk.domain.decisions import Mode
from desk.domain.journal import SharesAdopted, SharesSplit
from desk.domain.spreads import Settlement
from desk.runtime.found import FoundPositions

NIGHT, OPENING = START + timedelta(hours=14), datetime(2026, 1, 6, 14, 30, 5, tzinfo=START.tzinfo)
TOLD = OptionActivity("night", SHORT, Settlement.ASSIGNED, 1, NIGHT)


@dataclass
class Account:
    """Shares of SPY: `free` of those `held` are in no open order."""

    held: int
    free: int

    def get_all_positions(self) -> list[SimpleNamespace]:
        told = {"qty": str(self.held), "qty_available": str(self.free), "avg_entry_price": "100", "current_price": "100"}
        return [SimpleNamespace(symbol="SPY", asset_class="us_equity", **told)]


def taken(held: Held, account: Account) -> tuple[SharesAdopted, ...]:
    return FoundPositions(held.desk, account, "f00d", held.clock, RULE, held.told.append).protect()


@contextmanager
def morning(own: int, brought: int = 100) -> Iterator[Held]:
    """The account holds a person's own shares, and those that an assignment of the night brought; it is compared, and after
    what a test does the spread is looked after for half an hour."""
    held = Held()
    held.desk.differences.foreign_is({"SPY": own})
    held.broker.held = {LONG: 1, "SPY": own + brought}
    held.clock.move_to(OPENING - timedelta(minutes=5))
    assert held.desk.compare(BrokerView(held.broker.held), None) == ()
    yield held
    held.broker.told = (TOLD,)
    held.look_often(OPENING, (0, 0.5, 1, 2, 6, 11, 12, 30))
    assert held.desk.mode is Mode.ACTIVE


@pytest.mark.parametrize("is_booked", [False, True])
def test_the_shares_of_an_assignment_are_not_written_down_as_the_persons(is_booked: bool) -> None:
    with morning(own=50) as held:
        if is_booked:
            said = seen(FIRST, SHORT, Settlement.ASSIGNED, 1, held.clock.now())
            held.desk.about_spreads(lambda spreads: spreads.settle((said,), held.clock.now()))
        (adopted,) = taken(held, Account(150, free=150))
        assert (adopted.spec.quantity, adopted.left) == (50, 0)
        assert held.desk.differences.foreign.get("SPY", 0) == 0
    assert held.share_orders() == [("sell", 100)]
    assert held.desk.book.shares() == {"SPY": 50}


@pytest.mark.parametrize(("free", "count"), [(100, 0), (119, 19), (150, 50)])
def test_what_a_persons_orders_leave_free_is_the_spreads_first(free: int, count: int) -> None:
    """His stop is on so many of his own as are not free."""
    with morning(own=50) as held:
        assert [each.spec.quantity for each in taken(held, Account(150, free))] == [count] * (count > 0)
        assert held.desk.differences.foreign["SPY"] == 50 - count
    assert held.share_orders() == [("sell", 100)]


def test_shares_that_a_bought_put_took_are_still_the_persons() -> None:
    """They come back when what is owed is bought; of the rest no more is taken over than there is."""
    held = Held()
    held.desk.differences.foreign_is({"SPY": 150})
    held.broker.held = {SHORT: -1, "SPY": 50}
    assert held.desk.compare(BrokerView(held.broker.held), None) == ()
    (adopted,) = taken(held, Account(50, free=50))
    assert (adopted.spec.quantity, adopted.left) == (50, 100)


def test_what_was_bought_since_the_comparison_is_left_to_the_next_one() -> None:
    held = Held()
    held.desk.differences.foreign_is({"SPY": 30})
    (adopted,) = taken(held, Account(40, free=40))
    assert (adopted.spec.quantity, adopted.left) == (30, 0)


@pytest.mark.parametrize(("contracts", "own", "ratio"), [(1, 50, 2), (2, 150, 2), (1, 10, 10), (1, 100, 2)])
def test_a_split_of_what_was_taken_over_is_no_matter_of_the_contracts_that_it_renamed(
    contracts: int, own: int, ratio: int
) -> None:
    held = Held(contracts=contracts)
    held.desk.differences.foreign_is({"SPY": own})
    taken(held, Account(own, own))
    there = {"SPY260116P00050000": -contracts * ratio, "SPY260116P00047500": contracts * ratio, "SPY": own * ratio}
    assert held.desk.unexplained(there) == {"SPY"}
    held.desk.split([SharesSplit("SPY", own, own * ratio, Decimal(ratio), Decimal(1), OPENING.date(), ("out", "in"))], there)
    assert held.desk.book.shares() == {"SPY": own * ratio} and held.desk.unexplained(there) == frozenset()
