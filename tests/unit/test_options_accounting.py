"""Figures of closed spreads, worked by hand, and greeks of a book."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from desk.domain.spreads import Spread, SpreadPhase, SpreadPlan, SpreadRules
from options import black_scholes
from options.accounting import HeldOption, SpreadResult, book_greeks, figures, maintenance_usd, result_of
from options.expirations import years_left
from tests.option_chains import JULY_18, NOW, RATE, put

SHORT, LONG = put("AAPL", JULY_18, 167), put("AAPL", JULY_18, 158)
PLAN = SpreadPlan("k1", "AAPL", SHORT, LONG, 1, Decimal("2.70"), Decimal("1.89"), SpreadRules(), "test", NOW)


def test_two_wins_and_a_loss() -> None:
    """+134, +70 and -272 dollars after fees of 1.00, 0 and 2.00: expectancy -22.67, profit factor 0.75."""
    results = [
        SpreadResult(Decimal(270), Decimal(135), Decimal(1)),
        SpreadResult(Decimal(150), Decimal(80)),
        SpreadResult(Decimal(200), Decimal(470), Decimal(2)),
    ]
    found = figures(results)
    assert (found.count, found.wins, found.win_rate) == (3, 2, pytest.approx(2 / 3))
    assert (found.credit_usd, found.debit_usd, found.fees_usd, found.pnl_usd) == (620, 685, 3, -68)
    assert found.expectancy_usd == pytest.approx(Decimal("-22.6667"), abs=Decimal("0.0001"))
    assert (found.average_win_usd, found.average_loss_usd) == (102, -272)
    assert found.profit_factor == pytest.approx(204 / 272)


def test_no_spreads_have_no_rates() -> None:
    found = figures([])
    assert (found.count, found.win_rate, found.expectancy_usd, found.average_win_usd, found.profit_factor) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert found.pnl_usd == 0


def test_wins_alone_have_no_profit_factor() -> None:
    assert figures([SpreadResult(Decimal(10), Decimal(0))]).profit_factor is None


def test_result_of_a_closed_spread() -> None:
    closed = Spread(
        PLAN, NOW, SpreadPhase.CLOSED, sold=1, short=0, long=0, cash_usd=Decimal(135), credit_usd=Decimal(270), closed_at=NOW
    )
    assert result_of(closed, Decimal(1)) == SpreadResult(Decimal(270), Decimal(135), Decimal(1))


def test_spread_that_never_filled_has_no_result() -> None:
    assert result_of(Spread(PLAN, NOW, SpreadPhase.CLOSED)) is None


def test_open_spread_has_no_result_yet() -> None:
    with pytest.raises(ValueError, match="before it is closed"):
        result_of(Spread(PLAN, NOW, SpreadPhase.OPEN))


def test_maintenance_is_the_whole_width() -> None:
    assert maintenance_usd(Decimal(9), 2) == Decimal(1800)


def test_book_adds_its_contracts() -> None:
    held = [
        HeldOption(SHORT, -2, 175.5, 0.30),
        HeldOption(LONG, 2, 175.5, 0.32),
        HeldOption("MSFT250718C00420000", 1, 425.0, 0.25),
        HeldOption(put("KO", JULY_18, 70), -1, 71.0, None),
        HeldOption(put("KO", date(2025, 5, 16), 70), -1, 71.0, 0.2),
    ]
    found = book_greeks(held, NOW, RATE)
    years = years_left(JULY_18, NOW)
    legs = black_scholes.greeks([False, False, True], [175.5, 175.5, 425.0], [167, 158, 420], years, [0.30, 0.32, 0.25], RATE)
    counts = [-200.0, 200.0, 100.0]
    assert found.delta == pytest.approx(float(legs.delta @ counts))
    assert found.delta_usd == pytest.approx(float(legs.delta @ [-200 * 175.5, 200 * 175.5, 100 * 425.0]))
    assert found.theta == pytest.approx(float(legs.theta @ counts))
    assert found.unknown == (put("KO", JULY_18, 70), put("KO", date(2025, 5, 16), 70))


def test_empty_book_moves_by_nothing() -> None:
    found = book_greeks([], NOW, RATE)
    assert (found.delta, found.vega, found.unknown) == (0.0, 0.0, ())


def test_book_of_something_else_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no option symbol"):
        book_greeks([HeldOption("AAPL", 1, 175.5, 0.3)], NOW, RATE)
