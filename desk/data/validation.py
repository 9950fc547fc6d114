"""Checks on rows of market history: each refused row is named by file, line, symbol and reason.

Works on whole columns, so a million rows take about a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from desk.data.source import OHLCV
from desk.domain.errors import ConfigurationError

PRICES = OHLCV[:4]
COLUMNS = ("symbol", "timestamp", *OHLCV)
_SHOWN = 10


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Why one row is refused. `line` counts from 1: a CSV's header is line 1, a Parquet's first row is row 1."""

    file: str
    line: int
    symbol: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.symbol or '(no symbol)'}: {self.reason}"


def refuse(problems: Sequence[Problem]) -> None:
    """Raise ConfigurationError that lists the first problems by file and line; nothing when there are none."""
    if not problems:
        return
    shown = "\n".join(f"  {problem}" for problem in sorted(problems)[:_SHOWN])
    more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    rows = "row" if len(problems) == 1 else "rows"
    raise ConfigurationError(f"market data refused, {len(problems)} bad {rows}:\n{shown}{more}\nCorrect or remove these rows.")


def check_columns(file: str, columns: Iterable[object]) -> None:
    """Raise ConfigurationError when a column of the schema is missing or appears twice."""
    names = [str(name) for name in columns]
    missing = [name for name in COLUMNS if name not in names]
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if missing:
        raise ConfigurationError(
            f"{file}: missing column {', '.join(missing)}. The file has: {', '.join(names) or 'no columns'}. "
            f"It needs the header {','.join(COLUMNS)}"
        )
    if twice:
        raise ConfigurationError(f"{file}: column {', '.join(twice)} appears twice. Keep one of each")


def checked_frame(file: str, symbol: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a daily frame of `Source` as it is, or raise ConfigurationError that names its bad rows (the first is row 1)."""
    days = pd.Series(frame.index)
    rows = frame.reset_index(drop=True).assign(
        symbol=symbol, timestamp=days, raw_timestamp=days.dt.date, is_daily=True, line=np.arange(1, len(frame) + 1)
    )
    refuse(file_problems(file, rows))
    return frame


def file_problems(file: str, rows: pd.DataFrame) -> list[Problem]:
    """All that is wrong with one file, so that one look mends it; the order of time is that of the sound rows."""
    single = row_problems(file, rows)
    sound = rows.loc[~rows["line"].isin([problem.line for problem in single])]
    return single + order_problems(file, sound)


def row_problems(file: str, rows: pd.DataFrame) -> list[Problem]:
    """Problems of single rows.

    `rows` has the columns of `COLUMNS` and `line`; symbol is text, `timestamp` is parsed (NaT when it could not be, with
    the text in `raw_timestamp`), numbers are float64 (NaN when they could not be parsed).
    """
    problems: list[Problem] = []
    refused = np.zeros(len(rows), dtype=bool)
    for mask, reason in _row_checks(rows):
        fresh = mask & ~refused
        refused |= fresh
        problems += [_problem(file, row, reason(row)) for _, row in rows.loc[fresh].iterrows()]
    return problems


def order_problems(file: str, rows: pd.DataFrame) -> list[Problem]:
    """Rows of one file whose time repeats, or is earlier than, the row before of the same symbol and kind (daily, intraday)."""
    previous = rows.groupby(["symbol", "is_daily"], sort=False)["timestamp"].shift()
    backwards = (rows["timestamp"] < previous).to_numpy()
    repeated = rows.duplicated(["symbol", "is_daily", "timestamp"]).to_numpy()
    problems = [
        _problem(file, row, f"duplicate: a second bar at {row['raw_timestamp']}") for _, row in rows.loc[repeated].iterrows()
    ]
    for label, row in rows.loc[backwards & ~repeated].iterrows():
        problems.append(_problem(file, row, f"unordered: {row['raw_timestamp']} comes after {previous[label]}"))
    return problems


Reason = Callable[[pd.Series], str]


def _row_checks(rows: pd.DataFrame) -> list[tuple[np.ndarray, Reason]]:
    """Masks with their reasons, the most basic first: a row is named once, by the first that applies."""
    open_, high, low, close, volume = (rows[name].to_numpy(dtype=np.float64) for name in OHLCV)
    return [
        ((rows["symbol"] == "").to_numpy(), lambda row: "symbol is empty"),
        (rows["timestamp"].isna().to_numpy(), _bad_timestamp),
        (~np.isfinite(rows[list(OHLCV)].to_numpy(dtype=np.float64)).all(axis=1), _not_a_number),
        ((rows[list(PRICES)].to_numpy(dtype=np.float64) <= 0).any(axis=1), _not_positive),
        (high < low, lambda row: f"high {row['high']:g} is below low {row['low']:g}"),
        ((open_ > high) | (open_ < low), lambda row: _outside("open", row)),
        ((close > high) | (close < low), lambda row: _outside("close", row)),
        (volume < 0, lambda row: f"volume {row['volume']:g} is negative"),
    ]


def _bad_timestamp(row: pd.Series) -> str:
    return (
        f"timestamp {str(row['raw_timestamp'])!r} is neither a date (2024-01-31) "
        "nor a time with its offset from UTC (2024-01-31T09:30:00-05:00)"
    )


def _not_a_number(row: pd.Series) -> str:
    name = next(name for name in OHLCV if not np.isfinite(row[name]))
    raw = str(row.get(f"raw_{name}", row[name]))
    return f"{name} is empty" if raw == "" else f"{name} {raw!r} is not a finite number"


def _not_positive(row: pd.Series) -> str:
    name = next(name for name in PRICES if row[name] <= 0)
    return f"{name} {row[name]:g} is not above zero"


def _outside(name: str, row: pd.Series) -> str:
    return f"{name} {row[name]:g} is outside low {row['low']:g} to high {row['high']:g}"


def _problem(file: str, row: pd.Series, reason: str) -> Problem:
    return Problem(file, int(row["line"]), str(row["symbol"]), reason)
