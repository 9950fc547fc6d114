"""How the commands about option spreads lay out what they tell."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rich.console import Console
from spread_worlds import plan

from desk.cli.look_options import labelled
from desk.cli.options_positions import Held, _line
from desk.domain.spreads import Spread, SpreadPhase


def test_words_without_room_go_on_below_the_words() -> None:
    console = Console(width=60, highlight=False)
    words = "$630.00 of the budget of $1,000.00, for a gain of at most $120.00 in all"
    with console.capture() as told:
        for part in labelled([("max risk", words), ("", "buy  1 AAPL260220P00158000")]):
            console.print(part)
    lines = told.get().splitlines()
    assert lines[0].startswith("  max risk    $630.00 of") and lines[-1] == " " * 14 + "buy  1 AAPL260220P00158000"
    assert all(line.startswith(" " * 14) for line in lines[1:]) and max(map(len, lines)) <= 60
    assert " ".join(line[14:] for line in lines[:-1]) == words


@pytest.mark.parametrize(("middle", "shown"), [("0.265", "0.265"), ("0.26", "0.26"), ("0.3", "0.30")])
def test_the_gain_follows_from_the_credit_and_the_debit_that_stand_beside_it(middle: str, shown: str) -> None:
    there = plan(2)
    cash = Decimal("0.28") * 200
    spread = Spread(there, there.decided_at, SpreadPhase.OPEN, short=2, long=2, sold=2, credit_usd=cash, cash_usd=cash)
    held = Held(spread, 30, Decimal(middle), Decimal("0.30"), 0.05, None)
    cells = _line(held).cells
    assert (cells[6], cells[7]) == ("0.28", shown)
    assert cells[9].endswith(f"{abs((Decimal(cells[6]) - Decimal(cells[7])) * 200):.2f}")
