"""A folder of CSV and Parquet files as a source, in one tidy schema (docs/data.md).

Columns `symbol,timestamp,open,high,low,close,volume`; a timestamp is a date (daily bar) or the start of an intraday bar with
its offset from UTC. Rows that cannot be true are refused by file and line, never repaired.
"""

from __future__ import annotations

import gzip
import zlib
from datetime import date
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from desk.data.calendars import NEW_YORK, session_dates, sessions
from desk.data.source import OHLCV, Instrument, Source
from desk.data.validation import COLUMNS, Problem, check_columns, file_problems, refuse
from desk.domain.errors import ConfigurationError

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2})"


def load_directory(path: Path | str) -> Source:
    """Return the history in the folder `path`: all *.csv, *.csv.gz and *.parquet in it, together.

    Symbols with intraday bars only get daily bars made from their regular hours. Raises ConfigurationError, naming file, line
    and fix, for a folder without files, an unreadable or empty file, a missing column and every bad row.
    """
    folder = Path(path)
    rows = pd.concat([_read(file) for file in _files(folder)], ignore_index=True)
    _refuse_repeats(rows)
    daily, intraday = _by_symbol(rows, is_daily=True), _by_symbol(rows, is_daily=False)
    daily |= {symbol: _daily_from_intraday(frame) for symbol, frame in intraday.items() if symbol not in daily}
    daily, notes = _keep_sessions(daily)
    if not daily:
        raise ConfigurationError(
            f"data folder {folder}: no bar lies in a session of the New York Stock Exchange. Check timestamps"
        )
    return Source(
        name=folder.name,
        label=f"files in {folder}: {', '.join(sorted(daily))}",
        daily=MappingProxyType(daily),
        instruments=MappingProxyType({symbol: Instrument(symbol, symbol) for symbol in daily}),
        intraday=MappingProxyType(intraday),
        notes=notes,
    )


# What a folder of history may hold beside prices (docs/data.md).
CORPORATE_ACTIONS = "corporate_actions.csv"


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigurationError(
            f"data folder {folder} is not a folder. Give the folder that holds the CSV or Parquet files; "
            "docs/data.md says how to fetch them from Alpaca or Yahoo"
        )
    files = sorted(file for file in folder.iterdir() if _is_history(file))
    if not files:
        raise ConfigurationError(
            f"data folder {folder} holds no {', '.join(SUFFIXES)} file. Put the history there (docs/data.md)"
        )
    return files


def _is_history(file: Path) -> bool:
    """Whether a file of the folder holds prices; one with corporate actions may lie beside them."""
    return file.is_file() and file.name.lower().endswith(SUFFIXES) and file.name.lower() != CORPORATE_ACTIONS


def _read(file: Path) -> pd.DataFrame:
    """Rows of one file, checked one by one, with `file` and `line` beside them."""
    raw = _read_parquet(file) if file.name.lower().endswith(".parquet") else _read_csv(file)
    raw.columns = [str(name).strip().lower() for name in raw.columns]
    check_columns(file.name, raw.columns)
    rows = raw[list(COLUMNS)]
    rows = rows.assign(line=np.arange(len(rows)) + (1 if file.name.lower().endswith(".parquet") else 2), file=file.name)
    blank = rows[list(COLUMNS)].isna().all(axis=1) | (rows[list(COLUMNS)].astype(str) == "").all(axis=1)
    rows = rows.loc[~blank]
    if rows.empty:
        raise ConfigurationError(f"{file.name}: no rows. Remove the file or fill it")
    parsed = _parse(rows)
    refuse(file_problems(file.name, parsed))
    return parsed[["symbol", "is_daily", "timestamp", *OHLCV, "file", "line", "raw_timestamp"]]


def _read_csv(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise ConfigurationError(f"{file.name}: the file is empty. It needs the header {','.join(COLUMNS)}") from None
    except (pd.errors.ParserError, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigurationError(f"{file.name}: not readable as CSV: {error}. Write the file again") from None


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(file)
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own errors derive from these
        raise ConfigurationError(f"{file.name}: not readable as Parquet: {error}. Write the file again") from None
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()


def _parse(rows: pd.DataFrame) -> pd.DataFrame:
    """Typed columns beside the text that they came from: `timestamp` aware in UTC, or midnight of the date for daily bars."""
    text = rows["timestamp"].map(_timestamp_text).astype(str).str.strip()
    is_daily = text.str.fullmatch(_DATE)
    stamps = pd.to_datetime(text.where(is_daily | text.str.fullmatch(_TIME)), format="ISO8601", utc=True, errors="coerce")
    numbers = {name: pd.to_numeric(rows[name], errors="coerce").astype(np.float64) for name in OHLCV}
    raw = {f"raw_{name}": rows[name] for name in OHLCV}
    symbol = rows["symbol"].fillna("").astype(str).str.strip()
    return rows.assign(symbol=symbol, timestamp=stamps, raw_timestamp=text, is_daily=is_daily, **numbers, **raw)


def _timestamp_text(value: object) -> str:
    """Parquet carries typed times: a date, or a naive midnight, is a daily bar; an aware time is an intraday bar."""
    if isinstance(value, pd.Timestamp) and value.tzinfo is None and value == value.normalize():
        return value.date().isoformat()
    if isinstance(value, (pd.Timestamp, date)):
        return value.isoformat()
    return "" if value is None or value is pd.NaT else str(value)


def _refuse_repeats(rows: pd.DataFrame) -> None:
    """The same bar in two files; within a file `file_problems` has looked."""
    keys = ["symbol", "is_daily", "timestamp"]
    second = rows.loc[rows.duplicated(keys)]
    first = rows.drop_duplicates(keys).set_index(keys)["file"] if len(second) else None
    repeats = [
        Problem(
            row["file"],
            int(row["line"]),
            row["symbol"],
            f"duplicate: {row['raw_timestamp']} is also in {first[tuple(row[keys])]}",
        )
        for _, row in second.iterrows()
        if first is not None
    ]
    refuse(repeats)


def _by_symbol(rows: pd.DataFrame, is_daily: bool) -> dict[str, pd.DataFrame]:
    """Frames by symbol, ascending: files may hold the parts of a symbol's history in any order."""
    chosen = rows.loc[rows["is_daily"] == is_daily]
    index_name = "session" if is_daily else "start"
    frames = {}
    for symbol, part in chosen.groupby("symbol"):
        stamps = pd.DatetimeIndex(part["timestamp"]).as_unit("ns")
        index = (stamps.tz_localize(None) if is_daily else stamps).rename(index_name)
        frames[str(symbol)] = part[list(OHLCV)].set_axis(index).sort_index()
    return frames


def _daily_from_intraday(frame: pd.DataFrame) -> pd.DataFrame:
    """Daily bars from the bars that touch the regular hours in New York; a bar that straddles the open counts."""
    starts = pd.DatetimeIndex(frame.index)
    step = pd.Series(starts).diff().mode().iloc[0] if len(starts) > 1 else pd.Timedelta(minutes=1)
    days = starts.tz_convert(NEW_YORK).tz_localize(None).normalize()
    hours = {pd.Timestamp(s.day): (s.opens_at, s.closes_at) for s in sessions(days[0].date(), days[-1].date())}
    none = pd.Timestamp("1900-01-01", tz="UTC")
    opens = pd.DatetimeIndex([hours.get(day, (none, none))[0] for day in days])
    closes = pd.DatetimeIndex([hours.get(day, (none, none))[1] for day in days])
    regular = (starts < closes) & (starts + step > opens)
    grouped = frame.loc[regular].groupby(days[regular].rename("session"))
    return grouped.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})


def _keep_sessions(daily: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """Leave out bars of days without a session, and say so: no order could have traded on them."""
    present = [stamp for frame in daily.values() for stamp in (frame.index.min(), frame.index.max()) if len(frame)]
    open_days = pd.DatetimeIndex(session_dates(min(present).date(), max(present).date())) if present else pd.DatetimeIndex([])
    kept, notes = {}, []
    for symbol, frame in daily.items():
        inside = frame.index.isin(open_days)
        if not inside.all():
            first = frame.index[~inside][0].date()
            notes.append(f"{symbol}: {int((~inside).sum())} bars on days without a session are left out, the first of {first}.")
        if inside.any():
            kept[symbol] = frame.loc[inside]
    return kept, tuple(notes)
