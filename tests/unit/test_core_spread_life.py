"""The table of a spread's life: each turn in each phase, what fills and settlements do, what the journal's proof asks of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest
from spread_worlds import FIRST, LONG, SHARES, SHORT, START, plan

from desk.core.spread_book import SpreadBook
from desk.core.spread_life import TRANSITIONS, settled, turned
from desk.domain.journal import Row, RowValue
from desk.domain.orders import OrderSpec, OrderType, PositionIntent, Side
from desk.domain.spreads import Settlement, Spread, SpreadOpened, SpreadPhase, SpreadSettled, SpreadTurned, Turn
from desk.domain.steps import SpreadOrder
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.journal.verify import verify

LATER = START.replace(hour=16)


def spread(phase: SpreadPhase = SpreadPhase.OPEN, contracts: int = 1) -> Spread:
    there = Spread(plan(contracts), START, phase, why="before", short=contracts, long=contracts)
    return replace(there, rung=1, refusals=2, retry_at=LATER)


def settlement(contracts: int, activity: str, kind: Settlement = Settlement.ASSIGNED) -> SpreadSettled:
    sign = {Settlement.ASSIGNED: 1, Settlement.EXERCISED: -1, Settlement.EXPIRED: 0}[kind]
    symbol = LONG if kind is Settlement.EXERCISED else SHORT
    return SpreadSettled(FIRST, symbol, kind, contracts, sign * 100 * contracts, Decimal(100), activity)


# ---- turns -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "turn"), list(product(SpreadPhase, Turn)))
def test_a_turn_leads_where_the_table_says_or_nowhere(phase: SpreadPhase, turn: Turn) -> None:
    if (phase, turn) not in TRANSITIONS:
        with pytest.raises(ValueError, match=f"{phase}: {turn} cannot happen"):
            turned(spread(phase), turn, "why", LATER)
        return
    after = turned(spread(phase), turn, "why", LATER)
    assert (after.phase, after.why) == (TRANSITIONS[phase, turn], "why")
    if after.phase is phase is SpreadPhase.REPAIRING:
        assert (after.since, after.rung, after.refusals, after.retry_at) == (START, 1, 2, LATER)
    else:
        assert (after.since, after.rung, after.refusals, after.retry_at) == (LATER, 0, 0, None)
    assert (after.closed_at is not None) == (after.phase is SpreadPhase.CLOSED)


@pytest.mark.parametrize("phase", SpreadPhase)
def test_a_spread_that_is_flat_can_be_closed_from_every_phase_and_come_back(phase: SpreadPhase) -> None:
    turn = Turn.BACK if phase is SpreadPhase.CLOSED else Turn.FLAT
    assert TRANSITIONS[phase, turn] is (SpreadPhase.CLOSING if turn is Turn.BACK else SpreadPhase.CLOSED)


@pytest.mark.parametrize("phase", [each for each in SpreadPhase if each is not SpreadPhase.CLOSED])
def test_shares_that_came_are_dealt_with_whatever_the_spread_was_doing(phase: SpreadPhase) -> None:
    assert settled(spread(phase), settlement(1, "a"), LATER).phase is SpreadPhase.REPAIRING


# ---- settlements -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", range(4))
def test_what_was_seen_before_it_was_told_counts_once(seen: int) -> None:
    there = spread(contracts=3)
    for number in range(seen):
        there = settled(there, settlement(1, f"seen:{number}"), LATER)
    there = settled(there, settlement(3, "told"), LATER)
    assert (there.short, there.stock, there.cash_usd, dict(there.inferred)) == (0, 300, Decimal(-30_000), {})


def test_an_exercise_takes_the_shares_of_an_assignment_away_again() -> None:
    there = settled(settled(spread(), settlement(1, "a"), LATER), settlement(1, "b", Settlement.EXERCISED), LATER)
    assert there.contracts() == {}


def test_an_activity_is_booked_once() -> None:
    book = SpreadBook().opened(SpreadOpened(plan(1)))
    once = book.settled(settlement(1, "a"), LATER)
    assert once.settled(settlement(1, "a"), LATER) == once


# ---- the journal's proof ---------------------------------------------------------------------------------------------------

SALE = OrderSpec(
    "one-1", SHORT, Side.BUY, 1, OrderType.LIMIT, limit_price=Decimal(1), position_intent=PositionIntent.BUY_TO_CLOSE
)
SPEAKING: list[RowValue] = [
    SpreadOrder(SALE, FIRST, "why"),
    SpreadTurned(FIRST, Turn.LEAVE, "why"),
    settlement(1, "a"),
    SpreadOpened(plan(1, key="two")),
]


@pytest.mark.parametrize("value", SPEAKING, ids=lambda value: type(value).__name__)
def test_the_proof_finds_rows_of_a_spread_that_was_never_decided(tmp_path: Path, value: RowValue) -> None:
    opened = Row(START, SpreadOpened(plan(1)))
    for name, rows in (("sound", [opened, Row(START, value)]), ("unsound", [Row(START, value)])):
        journal = SqlJournal(tmp_path / name, "n")
        journal.append(rows)
        journal.close()
    with JournalReader(tmp_path / "sound") as sound, JournalReader(tmp_path / "unsound") as unsound:
        assert verify(sound).problem is None
        assert f"it speaks of {FIRST}" in (verify(unsound).problem or "")


def test_the_proof_finds_an_order_into_a_spread_that_was_never_decided(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal", "n")
    journal.append([Row(START, SpreadOpened(plan(1))), Row(START, SpreadOrder(SALE, FIRST, "why", into="two"))])
    journal.close()
    with JournalReader(tmp_path / "journal") as reader:
        assert "it speaks of two" in (verify(reader).problem or "")


def test_shares_of_a_spread_are_among_what_it_holds() -> None:
    assert replace(spread(), stock=100).contracts() == {SHORT: -1, LONG: 1, SHARES: 100}


def test_cash_that_contracts_without_shares_paid_is_booked_to_the_cent() -> None:
    said = SpreadSettled(FIRST, LONG, Settlement.EXERCISED, 3, 0, Decimal(95), "a", cash_usd=Decimal("100.00"))
    assert settled(spread(contracts=3), said, LATER).cash_usd == Decimal("100.00")
