"""Shares of an assignment that somebody else sells: what is sold here, and what is booked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from spread_worlds import FIRST, GOOD, LONG, SHARES, SHORT, START, plan

from desk.core.spread_book import SpreadBook
from desk.core.spread_life import settled
from desk.core.spread_moves import Sight, next_move
from desk.domain.orders import OrderType, PositionIntent, Side
from desk.domain.spreads import Settlement, Spread, SpreadPhase, SpreadSettled
from desk.domain.steps import SpreadOrder

LATER = START + timedelta(hours=1)
REPAIRING = Spread(plan(2), START, SpreadPhase.REPAIRING, why="200 shares came", long=2, stock=200)


def sight(there: int | None, **seen: object) -> Sight:
    return replace(Sight(LATER, is_open=True, may_open=True, quotes=GOOD, shares_there=there), **seen)


# ---- what is sold ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("there", "sold"), [(None, 200), (500, 200), (200, 200), (130, 130)])
def test_no_more_shares_are_sold_than_are_there(there: int | None, sold: int) -> None:
    move = next_move(REPAIRING, sight(there))
    assert isinstance(move, SpreadOrder)
    assert (move.spec.symbol, move.spec.side, move.spec.quantity) == (SHARES, Side.SELL, sold)
    assert move.spec.type is OrderType.MARKET


@pytest.mark.parametrize("there", [0, -100])
def test_shares_that_are_gone_are_not_sold_and_the_bought_put_stays_until_that_is_known(there: int) -> None:
    assert next_move(REPAIRING, sight(there)) is None


def test_a_sold_put_without_its_bought_one_waits_for_no_word_of_shares() -> None:
    bare = replace(REPAIRING, short=1, long=0)
    move = next_move(bare, sight(0))
    assert isinstance(move, SpreadOrder) and move.spec.position_intent is PositionIntent.BUY_TO_CLOSE


@pytest.mark.parametrize(("there", "bought"), [(None, 100), (100, 100), (300, 100), (30, 30)])
def test_no_more_shares_are_bought_back_than_are_short(there: int | None, bought: int) -> None:
    move = next_move(replace(REPAIRING, stock=-100, long=0), sight(there))
    assert isinstance(move, SpreadOrder)
    assert (move.spec.symbol, move.spec.side, move.spec.quantity) == (SHARES, Side.BUY, bought)


@pytest.mark.parametrize("there", [0, -100])
def test_shares_that_somebody_else_bought_back_are_not_bought_again(there: int) -> None:
    assert next_move(replace(REPAIRING, stock=-100, long=0), sight(there)) is None


# ---- what is booked --------------------------------------------------------------------------------------------------------


def traded(shares: int, activity: str = "a", price: str = "93.50") -> SpreadSettled:
    return SpreadSettled(FIRST, SHARES, Settlement.TRADED, 0, shares, Decimal(price), activity)


@pytest.mark.parametrize(("shares", "stock", "cash"), [(-200, 0, "18700"), (-50, 150, "4675"), (100, 300, "-9350")])
def test_shares_that_somebody_else_traded_are_booked_at_their_price(shares: int, stock: int, cash: str) -> None:
    after = settled(REPAIRING, traded(shares), LATER)
    assert (after.stock, after.cash_usd, after.short, after.long) == (stock, Decimal(cash), 0, 2)
    assert (after.phase, after.why, after.settled) == (REPAIRING.phase, REPAIRING.why, frozenset({"a"}))


def test_they_are_booked_once() -> None:
    book = SpreadBook({FIRST: REPAIRING}).settled(traded(-100), LATER)
    assert book.settled(traded(-100), LATER) == book and book.open[FIRST].stock == 100


def test_the_bought_put_is_sold_after_them_and_the_spread_is_over_with_it() -> None:
    book = SpreadBook({FIRST: REPAIRING}).settled(traded(-200), LATER)
    move = next_move(book.open[FIRST], sight(0))
    assert isinstance(move, SpreadOrder) and move.spec.symbol == LONG
    bare = SpreadBook({FIRST: replace(REPAIRING, long=0)}).settled(traded(-200), LATER)
    assert not bare.open and bare.closed[FIRST].phase is SpreadPhase.CLOSED


def test_shares_that_are_told_of_after_the_end_bring_a_spread_back() -> None:
    over = SpreadBook({FIRST: replace(REPAIRING, long=0)}).settled(traded(-200), LATER)
    assert over.settled(traded(100, "b"), LATER).open[FIRST].phase is SpreadPhase.CLOSING


@pytest.mark.parametrize("symbol", [SHORT, LONG, SHARES])
@pytest.mark.parametrize("phase", SpreadPhase)
def test_an_activity_that_changes_nothing_is_only_noted(phase: SpreadPhase, symbol: str) -> None:
    there = replace(REPAIRING, phase=phase, short=1, inferred={(symbol, Settlement.ASSIGNED): 1})
    noted = SpreadSettled(FIRST, symbol, Settlement.ASSIGNED, 0, 0, Decimal(0), "a")
    assert settled(there, noted, LATER) == replace(there, settled=frozenset({"a"}))


def test_what_is_confirmed_of_an_assignment_hurries_no_order_that_was_refused() -> None:
    """The broker says how soon it may be asked again, whatever the account tells meanwhile."""
    there = replace(REPAIRING, stock=100, rung=1, refusals=2, retry_at=LATER + timedelta(minutes=1))
    there = replace(there, inferred={(SHORT, Settlement.ASSIGNED): 1})
    said = SpreadSettled(FIRST, SHORT, Settlement.ASSIGNED, 1, 100, Decimal(100), "a")
    after = settled(there, said, LATER)
    assert (after.stock, after.rung, after.refusals, after.retry_at) == (100, 1, 2, there.retry_at)
