"""What other tools read of a backtest: a QuantStats tear sheet made without network or browser, and the trips as CSV."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import logging
import re
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator, Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desk.domain.records import EquityPoint, Trip
from desk.report.files import write_whole
from desk.report.markup import element
from desk.report.page import document
from desk.report.statistics import day_returns
from desk.report.wording import NO_PROMISE

if TYPE_CHECKING:
    import pandas as pd

SESSIONS_A_YEAR = 252
FEWEST_SESSIONS = 2  # one return has no spread, and most of the sheet is about spread

CAUTION = (
    f"{NO_PROMISE} Made from the last value of each session, so a fall inside a session is not in it; "
    f"annual figures assume {SESSIONS_A_YEAR} sessions like these."
)

Benchmark = tuple[Sequence[date], Sequence[float]]

TRADE_COLUMNS = (
    "symbol",
    "shares",
    "entry_at",  # ISO 8601, UTC
    "entry_price",  # dollars, as all prices here
    "stop_price",
    "target_price",
    "confidence",  # the model's, in [0, 1]; empty when no model spoke
    "exit_at",  # empty, like the columns after it, while the trip is open
    "exit_price",
    "exit_reason",  # target, stop, time, hand
    "gapped",  # 1 for a stop that filled below its price because the market opened through it, else 0
    "pnl_usd",  # after fees
)


def write_tearsheet(
    equity: Sequence[EquityPoint], benchmark: Benchmark | None, path: Path, title: str, benchmark_title: str = "Benchmark"
) -> Path:
    """Write QuantStats' HTML tear sheet of the daily returns of `equity` to `path` and return it.

    `benchmark` is dates (ascending) and closes in dollars; it is read at the run's sessions, the last close before each where it
    has none. Figures are annualised with 252 sessions. A run of one session or none gets a page that says so.
    """
    returns = daily_return_series(equity)
    if len(returns) < FEWEST_SESSIONS:
        return write_whole(path, _too_short(title, len(returns)))
    with tempfile.TemporaryDirectory() as folder, _contained_quantstats() as reports:
        draft = Path(folder) / "tearsheet.html"
        reports.html(
            returns,
            benchmark=None if benchmark is None else benchmark_returns(benchmark, returns.index),
            title=escape(title),
            output=str(draft),
            periods_per_year=SESSIONS_A_YEAR,
            # Otherwise the days before the first trade are cut off, and the annual figures with them.
            match_dates=False,
            strategy_title="Strategy",
            # Goes into the page and, as it is, into the pictures, so it cannot be escaped for either.
            benchmark_title=re.sub("[<>]", "", benchmark_title),
        )
        page = draft.read_text(encoding="utf-8")
    # The template's only outside resource is its maker's icon.
    page = re.sub(r'<link rel="shortcut icon"[^>]*>', "", page)
    return write_whole(path, page.replace("</h4>", "</h4>" + element("p", CAUTION), 1))


def write_trades_csv(trips: Sequence[Trip], path: Path) -> Path:
    """Write one row a trip in order of entry, columns as in `TRADE_COLUMNS`, to `path` and return it."""
    buffer = io.StringIO(newline="")
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(TRADE_COLUMNS)
    for trip in sorted(trips, key=lambda trip: (trip.entry_at, trip.symbol)):
        rows.writerow([_cell(getattr(trip, column)) for column in TRADE_COLUMNS])
    return write_whole(path, buffer.getvalue())


def daily_return_series(equity: Sequence[EquityPoint]) -> pd.Series:
    """Daily returns as fractions, shape (sessions,), indexed by session date; the first counts from the run's first value."""
    import pandas as pd

    days = day_returns(equity)
    index = pd.DatetimeIndex([pd.Timestamp(day.session) for day in days])
    return pd.Series([day.return_fraction for day in days], index=index, dtype=float, name="Strategy")


def benchmark_returns(benchmark: Benchmark, sessions: pd.DatetimeIndex) -> pd.Series:
    """The benchmark's returns between the closes known at `sessions`; 0 at the first one without a close before it."""
    import pandas as pd

    dates, closes = benchmark
    prices = pd.Series(list(closes), index=pd.DatetimeIndex([pd.Timestamp(day) for day in dates]), dtype=float)
    prices = prices[~prices.index.duplicated(keep="last")].sort_index()
    before = prices[prices.index < sessions[0]].iloc[-1:]
    at_sessions = pd.concat([before, prices.reindex(sessions, method="ffill")])
    return at_sessions.pct_change(fill_method=None).fillna(0.0).reindex(sessions)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _too_short(title: str, sessions: int) -> str:
    words = f"A tear sheet needs at least {FEWEST_SESSIONS} sessions; this run has {sessions}."
    return document(title, (element("h1", title), element("p", words)))


@contextlib.contextmanager
def _contained_quantstats() -> Iterator[Any]:
    """QuantStats' `reports` module, with what it does to its surroundings kept inside.

    Importing it restyles matplotlib for the whole process and needs yfinance, which the lean install leaves out; running it
    prints, warns about missing fonts and draws through pyplot, which must not open a window.
    """
    import matplotlib

    matplotlib.use("Agg")
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)
    try:
        with matplotlib.rc_context(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with _without_downloads():
                from quantstats_lumi import reports
            yield reports
    finally:
        fonts.setLevel(level)


@contextlib.contextmanager
def _without_downloads() -> Iterator[None]:
    """While inside, `import yfinance` finds an empty module where none is installed: QuantStats only needs it to download."""
    # The tear sheet hands QuantStats prices, never tickers, so nothing of the module is ever called.
    missing = "yfinance" not in sys.modules and importlib.util.find_spec("yfinance") is None
    if missing:
        sys.modules["yfinance"] = types.ModuleType("yfinance")
    try:
        yield
    finally:
        if missing:
            del sys.modules["yfinance"]
