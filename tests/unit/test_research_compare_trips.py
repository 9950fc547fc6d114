"""Option spreads in the comparison and among the draws: one trade from first fill to flat, with all the cash of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from recorded_spreads import DAYS, ENTRY, FIRST, Quotes, Story, gained_usd, played
from research_runs import START_USD, at, bars, made_comparison, record, trip

from desk.domain.records import RunRecord, SpreadTrip
from desk.research.compare_figures import figures_of, paid_fraction
from desk.research.compare_null import random_moments
from desk.research.compare_page import comparison_page, how_it_is_measured, table_rows, trip_rows
from desk.research.compare_trips import Kind, Tally, outcomes, trip_figures
from desk.research.monte_carlo import trade_returns_of
from desk.research.monte_carlo_page import headline, monte_carlo_page, notes_on
from desk.research.monte_carlo_runs import draw
from desk.runtime.option_history import OptionAssumptions

CHEAP: Quotes = ("0.60", "0.70", "0.20", "0.30")


def spread(opened: int, closed: int | None, pnl_usd: float = 0.0, credit_usd: float = 90.0) -> SpreadTrip:
    """Sold during one session and gone in another, or still held."""
    ended = None if closed is None else at(closed, 12)
    debit = None if closed is None else credit_usd - pnl_usd
    names = ("AAA240216P00095000", "AAA240216P00090000")
    trip = SpreadTrip(
        f"s{opened}", "AAA", *names, 95.0, 90.0, date(2024, 2, 16), 1, at(opened, 11), credit_usd / 100, credit_usd, "open"
    )
    return replace(trip, closed_at=ended, debit_usd=debit, pnl_usd=None if closed is None else pnl_usd)


def both() -> RunRecord:
    """A share trade that won 1,000, a spread that won 40, one that lost 210, and an open one 15 down by the last close."""
    closes = [START_USD, START_USD + 40, START_USD + 1_040, START_USD + 830, START_USD + 815]
    run = record(closes, [trip(0, 2, 100, 110)], bars([100.0, 101.0, 110.0, 111.0, 112.0]))
    return replace(run, spreads=(spread(0, 1, 40.0), spread(1, 3, -210.0), spread(3, None)))


def test_a_trade_is_of_shares_or_a_spread_and_stands_by_its_opening() -> None:
    found = outcomes(both())
    assert [each.kind for each in found] == [Kind.SHARES, Kind.SPREADS, Kind.SPREADS, Kind.SPREADS]
    assert [each.pnl_usd for each in found] == [1_000.0, 40.0, -210.0, None]


def test_trades_of_both_kinds_are_counted_beside_the_change_of_the_equity() -> None:
    found = trip_figures(both())
    assert found.every == Tally(closed=3, won=2, still_open=1, pnl_usd=830.0)
    assert found.kinds == {Kind.SHARES: Tally(1, 1, 0, 1_000.0), Kind.SPREADS: Tally(2, 1, 1, -170.0)}
    assert (found.change_usd, found.rest_usd) == (815.0, -15.0)


def test_a_run_without_a_trade_has_figures_too() -> None:
    found = trip_figures(record([START_USD]))
    assert (found.every, found.kinds, found.change_usd) == (Tally(0, 0, 0, 0.0), {}, 0.0)
    assert trip_figures(replace(record([START_USD]), equity=())).change_usd == 0.0


def test_figures_count_spreads_among_the_trades_and_their_premiums_in_the_turnover() -> None:
    run = both()
    found, shares_alone = figures_of(run), figures_of(replace(run, spreads=()))
    assert (found.trades, found.spreads, shares_alone.trades) == (4, 3, 1)
    premiums = 90 + 50 + 90 + 300 + 90
    assert found.turnover_a_year / shares_alone.turnover_a_year == pytest.approx((21_000 + premiums) / 21_000)


def test_what_spreads_cost_is_not_paid_by_shares() -> None:
    run = replace(both(), costs_usd=31.0, spread_costs_usd=10.0)
    assert paid_fraction(run, 0.5) == pytest.approx(21.0 / 21_000)


def test_random_moments_move_shares_and_leave_spreads_where_they_were() -> None:
    flat = record([START_USD, START_USD - 210, START_USD - 210], [trip(0, 1)], bars([100.0] * 3))
    null = random_moments(replace(flat, spreads=(spread(0, 1, -210.0),)), 0.0, 20, 1)
    assert null is not None
    # Shares earn nothing at any moment, so every draw ends where the run did.
    assert null.low_return_fraction == null.high_return_fraction == pytest.approx(-0.0021)
    assert null.as_good_fraction == 1.0
    assert (null.medians.trades, null.medians.spreads) == (2, 1)
    assert random_moments(replace(flat, trips=(), spreads=(spread(0, 1, -210.0),)), 0.0, 20, 1) is None


def test_spreads_are_drawn_among_the_trades_in_order_of_their_ends() -> None:
    assert trade_returns_of(both()) == pytest.approx([0.0004, 0.01, -210 / START_USD])


# ---- how it is told --------------------------------------------------------------------------------------------------------


def test_the_comparison_tells_the_trades_of_each_kind_and_says_how_spreads_count() -> None:
    made = made_comparison()
    run = both()
    row = replace(made.rows[0], record=run, figures=figures_of(run))
    found = replace(made, rows=(row, made.rows[1]))
    assert trip_rows(found) == [
        ("made", "3", "2", "1", "+$830.00", "-$15.00", "+$815.00"),
        ("  shares", "1", "1", "0", "+$1,000.00", "", ""),
        ("  option spreads", "2", "1", "1", "-$170.00", "", ""),
        ("idle", "0", "0", "0", "$0.00", "$0.00", "$0.00"),
    ]
    page = comparison_page(found)
    assert "What the trades came to" in page and "+$1,000.00" in page and "An option spread is one trade" in page
    assert not any("spread is one trade" in note for note in how_it_is_measured(made))


def test_a_run_of_spreads_alone_is_not_said_to_have_no_trade() -> None:
    made = made_comparison()
    run = replace(both(), trips=())
    found = replace(made, rows=(replace(made.rows[0], record=run, figures=figures_of(run), null=None),))
    assert table_rows(found)[1][0] == "  option spreads: not placed at random"


def test_the_draws_say_how_many_of_the_trades_are_spreads() -> None:
    found = draw(both(), 0.0006, draws=20, seed=1, block=None, ruin_fraction=0.5)
    assert dict(headline(found))["Return"] == "+0.8 %, 4 trades, 3 of them option spreads"
    assert "From 3 trades (2 of them option spreads), in blocks of" in monte_carlo_page(found)
    assert any(note.startswith("An option spread is one trade") for note in notes_on(found))


def test_a_run_of_spreads_alone_is_drawn_from_them() -> None:
    found = draw(replace(both(), trips=()), 0.0006, draws=20, seed=1, block=None, ruin_fraction=0.5)
    told = dict(headline(found))
    assert told["Return"] == "+0.8 %, 3 trades, all of them option spreads"
    assert told["Null test"] == "none: no trade of shares whose prices are known"
    assert found.trades is not None and found.trades.periods == 2
    assert "From 2 trades (all of them option spreads), in blocks of" in monte_carlo_page(found)


def test_a_run_of_shares_alone_says_nothing_of_spreads() -> None:
    found = draw(replace(both(), spreads=()), 0.0006, draws=20, seed=1, block=None, ruin_fraction=0.5)
    assert "option spread" not in monte_carlo_page(found) and "Return" in dict(headline(found))


# ---- against the account of a backtest -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("fee", ["0", "0.65"])
def test_what_spreads_made_is_what_the_equity_changed_by(tmp_path: Path, fee: str) -> None:
    done = played(Story({FIRST: ENTRY, DAYS[1]: CHEAP}), tmp_path, OptionAssumptions(fee_usd=Decimal(fee)))
    found = trip_figures(done.record)
    assert found.every.closed == found.kinds[Kind.SPREADS].closed == 1
    assert found.every.pnl_usd == pytest.approx(float(gained_usd(done)), abs=1e-9)
    assert found.rest_usd == pytest.approx(0.0, abs=1e-6)
    (told,) = done.record.spreads
    assert told.fees_usd == pytest.approx(4 * float(fee))
    assert done.record.spread_costs_usd == pytest.approx(done.record.costs_usd)
