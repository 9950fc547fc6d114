"""A run small enough to be worked out by hand, its figures and its summary as a person would write them."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import pytest
from rich.console import Console

from desk.domain.records import EquityPoint, Refusal, RunRecord, Trip
from desk.report.statistics import DayReturn, run_statistics
from desk.report.summary import print_summary


def at(day: int, hour: int, minute: int = 30) -> datetime:
    """New York's hour in September 2008, when it was four hours behind UTC."""
    return datetime(2008, 9, day, hour + 4, minute, tzinfo=UTC)


RECORD = RunRecord(
    strategy="combined",
    broker="the built-in exchange",
    source="bundled daily bars",
    seed=7,
    first_session=date(2008, 9, 2),
    last_session=date(2008, 9, 4),
    sessions=3,
    iterations=4,
    equity=(
        EquityPoint(at(2, 10), 100_000.00, 100_000.00),  # nothing invested
        EquityPoint(at(2, 15), 101_000.00, 75_750.00),  # a quarter
        EquityPoint(at(3, 15), 97_970.00, 48_985.00),  # a half; 3 % below the high and below the day before
        EquityPoint(at(4, 15), 99_929.40, 74_947.05),  # a quarter; up 2 % on the day
    ),
    trips=(
        # 150 shares from 100.00 to 93.00: -1,050.00, which is -7 % of 15,000; the stop at 95.00 gapped by 2.00 a share.
        Trip("AAPL", 150, at(2, 10), 100.0, 95.0, 115.0, 0.41, at(3, 9), 93.0, "stop", -1050.0, gapped=True),
        # 200 shares from 25.00 to 28.75: +750.00, which is +15 % of 5,000.
        Trip("MSFT", 200, at(2, 10), 25.0, 23.75, 28.75, 0.63, at(4, 10), 28.75, "target", 750.0),
        Trip("IBM", 50, at(4, 11), 120.0, 114.0, 138.0, 0.55, is_protected=True),
    ),
    refusals=(
        Refusal(at(2, 11), "GOOG", "CASH", "too dear"),
        Refusal(at(3, 11), "AAPL", "EXITED_TODAY", "sold today"),
        Refusal(at(4, 11), "GOOG", "CASH", "too dear"),
    ),
    daily={},
    gate_threshold=0.6,
    gate_refusals=2,
    gate_enforced=False,
    unprotected_share_seconds=0.0,
    costs_usd=12.34,
    entries=3,
    notes=("Prices are adjusted for splits and dividends.",),
)

SUMMARY = """
combined on the built-in exchange
 Period             2008-09-02 to 2008-09-04, 3 sessions
 Prices             bundled daily bars
 Iterations         4, seed 7

 Return             -0.1 %, -$70.60 on $100,000.00
 Entries            $12.34 worse than the prices decided on, in the return
 Stops              $300.00 below their prices, $300.00 of it by gaps, in the return
 Deepest drawdown   3.0 %
 Worst day          2008-09-03, -3.0 %
 Exposure           average 25.0 %, highest 50.0 % of the equity
                    One period of one market: it says nothing about future returns.

 Round trips        2 closed: 1 won, 1 lost; 1 still open
 Average trip       -$150.00, +4.0 % of what was paid, held 1.5 days
 Exits              1 target, 1 stop (1 gapped)
 Refused            3 trades: CASH 2, EXITED_TODAY 1
 Confidence gate    reported only: the 0.6 gate would have refused 2 of 3 entries; enforced, 1
                    would have gone

 Unprotected        0 share-seconds
 Stops that gapped  AAPL 2008-09-03 09:30: stop 95.00, filled 93.00, $300.00 beyond the stop
 Open positions     IBM 50 at 120.00 since 2008-09-04, protected by stop 114.00, target 138.00
 Notes              Prices are adjusted for splits and dividends.

Try next:
  make backtest
Report: runs/1/report.html
"""


def test_figures_are_those_worked_out_by_hand() -> None:
    figures = run_statistics(RECORD)
    assert figures.total_return_fraction == pytest.approx(-0.000706)
    assert figures.max_drawdown_fraction == pytest.approx(0.03)
    assert figures.worst_day == DayReturn(date(2008, 9, 3), pytest.approx(-0.03))
    assert (figures.trips.closed, figures.trips.wins, figures.trips.losses, figures.trips.still_open) == (2, 1, 1, 1)
    assert figures.trips.pnl_usd == -300.0
    assert figures.trips.average_usd == -150.0
    assert figures.trips.average_fraction == pytest.approx(0.04)
    assert figures.trips.average_held_days == pytest.approx((23 / 24 + 2) / 2)
    assert figures.gapped_stops[0].beyond_stop_usd == 300.0
    assert (figures.beyond_stops_usd, figures.beyond_gapped_stops_usd) == (300.0, 300.0)
    assert figures.exposure.average_fraction == pytest.approx(0.25)
    assert figures.exposure.highest_fraction == pytest.approx(0.5)
    assert figures.refusals == {"CASH": 2, "EXITED_TODAY": 1}
    assert figures.costs_fraction == pytest.approx(0.0001234)


def test_the_summary_reads_as_written_here() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    print_summary(RECORD, console, ("make backtest",), "runs/1/report.html")
    assert console.file.getvalue() == SUMMARY
