from __future__ import annotations

import csv
import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from desk.domain.records import RunRecord
from desk.report.statistics import day_returns, max_drawdown_fraction, session_closes
from desk.report.tearsheet import (
    SESSIONS_A_YEAR,
    TRADE_COLUMNS,
    benchmark_returns,
    daily_return_series,
    write_tearsheet,
    write_trades_csv,
)

pytestmark = pytest.mark.slow


def cell(page: str, metric: str) -> float:
    """The strategy's value of a metric in the sheet's table."""
    row = re.search(rf"<td>{re.escape(metric)}\s*</td>(.*?)</tr>", page, re.DOTALL)
    assert row, metric
    return float(re.findall(r"<td>([^<]*)</td>", row[1])[-1].strip(" %"))


@pytest.fixture(scope="module")
def sheet(record: RunRecord, tmp_path_factory: pytest.TempPathFactory) -> str:
    bars = record.daily["IBM"]
    path = tmp_path_factory.mktemp("sheet") / "tearsheet.html"
    write_tearsheet(record.equity, (bars.sessions, bars.close), path, "combined <script>x</script>", "IBM & Co")
    return path.read_text(encoding="utf-8")


def test_the_sheets_figures_are_ours(record: RunRecord, sheet: str) -> None:
    days = np.array([day.return_fraction for day in day_returns(record.equity)])
    start = record.equity[0].equity_usd
    closes = [start, *session_closes(record.equity).values()]
    assert cell(sheet, "Max Drawdown") == pytest.approx(-100 * max_drawdown_fraction(closes), abs=0.01)
    assert cell(sheet, "Sharpe") == pytest.approx(days.mean() / days.std(ddof=1) * SESSIONS_A_YEAR**0.5, abs=0.01)
    assert cell(sheet, "Total Return") == pytest.approx(100 * (closes[-1] / start - 1), abs=0.51)
    assert cell(sheet, "Worst Day") == pytest.approx(100 * days.min(), abs=0.01)


def test_the_sheet_needs_nothing_from_outside_and_runs_nothing(sheet: str) -> None:
    assert not re.search(r"<(script|img|iframe|link)\b[^>]*(src|href)=\"?http", sheet)
    assert "<script>x" not in sheet
    assert "says nothing about future returns" in sheet


def test_the_sheet_covers_the_whole_period_and_not_only_that_after_the_first_trade(record: RunRecord, sheet: str) -> None:
    assert re.search(r"2 Sep, 2008 - 24 Nov, 2008", sheet)


def test_making_a_sheet_leaves_nothing_behind(
    record: RunRecord, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    had_yfinance = "yfinance" in sys.modules
    with mpl.rc_context():
        before = {key: value for key, value in mpl.rcParams.items() if not key.startswith("backend")}
        write_tearsheet(record.equity, None, tmp_path / "t.html", "combined")
        assert {key: value for key, value in mpl.rcParams.items() if not key.startswith("backend")} == before
    assert ("yfinance" in sys.modules) == had_yfinance
    assert capfd.readouterr() == ("", "")
    assert [file.name for file in tmp_path.iterdir()] == ["t.html"]


def test_a_run_that_never_traded_has_a_sheet(record: RunRecord, tmp_path: Path) -> None:
    flat = [replace(point, equity_usd=1e5, cash_usd=1e5) for point in record.equity]
    assert write_tearsheet(flat, None, tmp_path / "flat.html", "flat").stat().st_size > 10_000


def test_a_run_too_short_for_a_sheet_gets_a_page_that_says_so(record: RunRecord, tmp_path: Path) -> None:
    page = write_tearsheet(record.equity[:5], None, tmp_path / "short.html", "<b>").read_text()
    assert "at least 2 sessions; this run has 1" in page
    assert "<b>" not in page


def test_the_benchmark_is_read_at_the_runs_sessions_and_never_ahead_of_them(record: RunRecord) -> None:
    sessions = daily_return_series(record.equity).index
    days = [stamp.date() for stamp in sessions]
    before = days[0] - timedelta(days=1)
    found = benchmark_returns(([before, days[0], days[2], days[-1] + timedelta(days=9)], [100.0, 110.0, 121.0, 999.0]), sessions)
    assert list(found.index) == list(sessions)
    assert found.iloc[:3].tolist() == pytest.approx([0.1, 0.0, 0.1])
    assert found.iloc[3:].tolist() == [0.0] * (len(days) - 3)


def test_the_csv_has_a_row_for_every_trip_in_order_of_entry_that_reads_back_exactly(record: RunRecord, tmp_path: Path) -> None:
    path = write_trades_csv(tuple(reversed(record.trips)), tmp_path / "deep" / "trades.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    trips = sorted(record.trips, key=lambda trip: (trip.entry_at, trip.symbol))
    assert tuple(rows[0]) == TRADE_COLUMNS
    for row, trip in zip(rows, trips, strict=True):
        assert (row["symbol"], int(row["shares"]), float(row["entry_price"])) == (trip.symbol, trip.shares, trip.entry_price)
        assert row["entry_at"] == trip.entry_at.isoformat()
        assert row["pnl_usd"] == ("" if trip.is_open else repr(trip.pnl_usd))
        assert row["gapped"] == str(int(trip.gapped))


def test_a_run_without_trips_has_a_csv_of_headings_alone(tmp_path: Path) -> None:
    assert write_trades_csv((), tmp_path / "t.csv").read_text() == ",".join(TRADE_COLUMNS) + "\n"
