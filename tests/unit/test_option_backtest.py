"""Backtests of one recorded spread, their money reckoned by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from recorded_spreads import DAYS, ENTRY, EXPIRATION, FIRST, HELD, OnTheFirstDay, Quotes, Story, gained_usd, played

from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target
from desk.domain.market import Market
from desk.domain.records import RunRecord
from desk.domain.spreads import Settlement, SpreadSettled
from desk.domain.trades import Book
from desk.journal.codec import encode
from desk.runtime.desk_backtest import DeskBacktest
from desk.runtime.option_history import Fills, OptionAssumptions

pytestmark = pytest.mark.slow
SECOND, THIRD = DAYS[1], DAYS[2]
AFTER = DAYS[DAYS.index(EXPIRATION) + 1]
CHEAP: Quotes = ("0.60", "0.70", "0.20", "0.30")
DEAR: Quotes = ("4.00", "4.20", "1.20", "1.30")
HELD_ON = {FIRST: ENTRY, SECOND: ENTRY}


def the_result(done: DeskBacktest) -> tuple[str, Decimal]:
    """What ended its one spread, and what that brought; the account's cash says the same to the cent."""
    (trade,) = done.spreads
    assert trade.result is not None
    assert gained_usd(done) == trade.result.pnl_usd
    assert done.record.equity[-1].equity_usd == done.record.equity[-1].cash_usd
    assert done.counts.orders_rejected == 0 and done.counts.reconciliation_breaks == 0
    return trade.rule, trade.result.pnl_usd


def settlements(done: DeskBacktest) -> list[tuple[Settlement, int, Decimal]]:
    said = [row.value for row in done.journal.rows() if isinstance(row.value, SpreadSettled)]
    return [(each.kind, each.shares, each.cash_usd) for each in said]


# In at 1.00 between the middles, 0.90 at bid and ask; out at 0.40 and 0.50. At the worst each side is 0.05 further out.
@pytest.mark.parametrize(("fills", "gain"), [(Fills.MID, "60"), (Fills.NATURAL, "40"), (Fills.WORST, "20")])
def test_a_spread_that_earned_half_its_credit_is_left_at_the_assumed_price(tmp_path: Path, fills: Fills, gain: str) -> None:
    done = played(Story({FIRST: ENTRY, SECOND: ENTRY, THIRD: CHEAP}), tmp_path, OptionAssumptions(fills))
    assert the_result(done) == ("profit target", Decimal(gain))
    (trade,) = done.spreads
    assert trade.opened_at is not None and trade.opened_at.date() == FIRST
    assert trade.closed_at is not None and trade.closed_at.date() == THIRD


def test_a_loss_of_twice_the_credit_ends_it(tmp_path: Path) -> None:
    done = played(Story({FIRST: ENTRY, SECOND: ENTRY, THIRD: DEAR}), tmp_path)
    assert the_result(done) == ("loss limit", Decimal("90") - Decimal("300"))


def test_it_expires_worthless_and_that_is_told_the_next_day(tmp_path: Path) -> None:
    done = played(Story(HELD_ON), tmp_path, **HELD)
    assert the_result(done) == ("expired", Decimal("90"))
    assert settlements(done) == [(Settlement.EXPIRED, 0, Decimal(0))] * 2
    (trade,) = done.spreads
    assert trade.closed_at is not None and trade.closed_at.date() == AFTER


def test_between_the_strikes_shares_come_and_are_sold_at_the_next_opening(tmp_path: Path) -> None:
    done = played(Story(HELD_ON, opens={AFTER: 92.5}, closes={EXPIRATION: 93.0}), tmp_path, **HELD)
    assert the_result(done) == ("assigned", Decimal("90") - Decimal("9500") + Decimal("9250"))
    assert settlements(done) == [(Settlement.EXPIRED, 0, Decimal(0)), (Settlement.ASSIGNED, 100, Decimal(0))]


def test_with_the_shares_in_the_account_its_value_is_that_of_the_shares(tmp_path: Path) -> None:
    done = played(Story(HELD_ON, opens={AFTER: 92.5}, closes={EXPIRATION: 93.0}), tmp_path, **HELD)
    at_expiry = next(point for point in done.record.equity[1:] if point.at.date() == EXPIRATION)
    assert at_expiry.cash_usd == 20_000 + 90 - 9_500
    assert at_expiry.equity_usd == at_expiry.cash_usd + 9_300


def test_below_both_strikes_assignment_and_exercise_come_to_the_width(tmp_path: Path) -> None:
    done = played(Story(HELD_ON, closes={EXPIRATION: 85.0}), tmp_path, **HELD)
    assert the_result(done) == ("assigned", Decimal("90") - Decimal("500"))
    assert sorted(settlements(done)) == [(Settlement.ASSIGNED, 100, Decimal(0)), (Settlement.EXERCISED, -100, Decimal(0))]


def test_a_cent_in_the_money_is_assigned_and_at_the_strike_it_is_not(tmp_path: Path) -> None:
    at, below = (
        played(Story(HELD_ON, opens={AFTER: 95.0}, closes={EXPIRATION: close}), tmp_path, **HELD) for close in (95.0, 94.99)
    )
    assert the_result(at) == ("expired", Decimal("90"))
    assert the_result(below) == ("assigned", Decimal("90"))


class WithShares(OnTheFirstDay):
    """Holds shares of the underlying too."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal("XYZ", Direction.LONG, "kept")] if market.session == SECOND else []

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(each.symbol, Shares(10), FixedExit(0.5, 0.9), "kept") for each in signals]


def test_of_shares_that_were_there_before_an_assignment_none_is_sold(tmp_path: Path) -> None:
    story = Story(HELD_ON, opens={AFTER: 92.5}, closes={EXPIRATION: 93.0})
    done = played(story, tmp_path, strategy=WithShares, **HELD)
    (trade,) = done.spreads
    assert trade.result is not None and trade.result.pnl_usd == -160
    assert gained_usd(done) == -160 - 1000
    assert done.outcome.strategy.get_position("XYZ").quantity == 10
    assert done.counts.reconciliation_breaks == 0 and done.record.trips[0].is_open


def test_an_index_settles_in_cash(tmp_path: Path) -> None:
    story = Story(HELD_ON, closes={EXPIRATION: 93.0}, root="SPXW", underlying="SPX")
    done = played(story, tmp_path, **HELD)
    assert the_result(done) == ("assigned", Decimal("90") - Decimal("200"))
    assert settlements(done) == [(Settlement.EXPIRED, 0, Decimal(0)), (Settlement.ASSIGNED, 0, Decimal("-200"))]


def test_a_sold_put_without_time_value_is_assigned_early_where_that_is_assumed(tmp_path: Path) -> None:
    deep: Quotes = ("14.90", "15.10", "10.00", "10.20")
    story = Story({FIRST: ENTRY, SECOND: deep, THIRD: deep}, opens={THIRD: 80.0}, closes={SECOND: 80.0, THIRD: 80.0})
    done = played(story, tmp_path, OptionAssumptions(assigns_early=True), **HELD)
    assert the_result(done) == ("assigned", Decimal("90") - Decimal("9500") + Decimal("8000") + Decimal("1000"))


def test_fees_are_taken_for_each_contract(tmp_path: Path) -> None:
    story = Story({FIRST: ENTRY, SECOND: CHEAP})
    done = played(story, tmp_path, OptionAssumptions(fee_usd=Decimal("0.65")))
    assert the_result(done) == ("profit target", Decimal("40") - Decimal("2.60"))
    # Fees, and a dime for each of the two times that a package of two legs crossed half their spreads.
    assert done.record.costs_usd == pytest.approx(2.60 + 20.0)


def test_bought_first_and_sold_then_it_brings_the_same(tmp_path: Path) -> None:
    done = played(Story({FIRST: ENTRY, SECOND: CHEAP}), tmp_path, entry="legged")
    assert the_result(done) == ("profit target", Decimal("40"))


def test_below_its_floor_nothing_is_sold(tmp_path: Path) -> None:
    """The natural credit of 0.60 is less than seven tenths of the middle's 1.00."""
    done = played(Story({FIRST: ("1.20", "1.90", "0.50", "0.60"), SECOND: CHEAP}), tmp_path, max_spread_fraction=1.0)
    (trade,) = done.spreads
    assert trade.rule == "not filled" and gained_usd(done) == 0


def test_what_could_be_lost_must_be_there(tmp_path: Path) -> None:
    done = played(Story(HELD_ON), tmp_path, budget_usd=300.0)
    assert done.spreads == () and gained_usd(done, 300.0) == 0
    assert any("buying power" in each.text for each in done.record.refusals)


def test_a_day_without_quotes_changes_nothing(tmp_path: Path) -> None:
    done = played(Story({FIRST: ENTRY, THIRD: CHEAP}), tmp_path)
    assert the_result(done) == ("profit target", Decimal("40"))
    held: RunRecord = done.record
    second = next(point for point in held.equity[1:] if point.at.date() == SECOND)
    assert second.equity_usd == pytest.approx(20_000 + 90 - 100)  # valued at the middle of the day before


def test_the_same_run_gives_the_same_journal(tmp_path: Path) -> None:
    story = Story({FIRST: ENTRY, SECOND: ENTRY, THIRD: DEAR})
    one, other = (played(story, tmp_path) for _ in range(2))
    assert journal(one) == journal(other)


@pytest.mark.parametrize("known_until", [FIRST, SECOND])
def test_what_comes_later_changes_nothing_that_was_done_before(tmp_path: Path, known_until: date) -> None:
    cheap, dear = (
        played(Story({FIRST: ENTRY, SECOND: ENTRY, THIRD: later}, closes={THIRD: close}), tmp_path)
        for later, close in ((CHEAP, 104.0), (DEAR, 91.0))
    )
    assert journal(cheap, known_until) == journal(dear, known_until)
    assert journal(cheap) != journal(dear)


def test_its_notes_say_where_the_quotes_come_from_and_how_orders_fill(tmp_path: Path) -> None:
    notes = " ".join(played(Story(HELD_ON), tmp_path).record.notes)
    assert "recorded quotes, the last of each day" in notes and "at the bid and the ask" in notes
    assert "MODEL" not in notes


def journal(done: DeskBacktest, until: date = DAYS[-1]) -> list[tuple[str, str]]:
    return [(str(row.at), encode(row.value)) for row in done.journal.rows() if row.at.date() <= until]
