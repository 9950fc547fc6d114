"""What a person reads of a spread: where it stands, and in the end what it really brought."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from spread_keeping import Market
from spread_worlds import START, plan

from desk.domain.spreads import Spread, SpreadPhase
from desk.runtime.spread_market import SpreadMarket
from desk.runtime.spread_teller import saying

HELD = Spread(plan(2), START, short=2, long=2, sold=2, cash_usd=Decimal(220), credit_usd=Decimal(220))
REASON = "profit target: quoted at 50 % of the credit, 50 % wanted"


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        (replace(HELD, phase=SpreadPhase.OPEN), "open, 2 contracts sold for a credit of 1.10 on average"),
        (replace(HELD, phase=SpreadPhase.CLOSING, why=REASON), f"closing, {REASON}"),
        (
            replace(HELD, phase=SpreadPhase.CLOSED, short=0, long=0, cash_usd=Decimal(80), why=REASON),
            "closed, profit target: +$80.00 of a credit of $220.00, before fees",
        ),
        (
            replace(HELD, phase=SpreadPhase.CLOSED, short=0, long=0, cash_usd=Decimal(-80), why="asked for"),
            "closed, asked for: -$80.00 of a credit of $220.00, before fees",
        ),
    ],
)
def test_the_state_is_told_in_money(spread: Spread, words: str) -> None:
    there = Market()
    assert saying(spread, SpreadMarket(there, lambda text: None)) == words


def test_an_entry_tells_what_is_wanted_for_it() -> None:
    wanted = plan(2)
    said = saying(Spread(wanted, START + timedelta(hours=1), why="close 105"), SpreadMarket(Market(), lambda text: None))
    assert said == f"entering, 2 contracts for a credit of {wanted.credit:.2f}, {wanted.floor:.2f} at the least: close 105"
