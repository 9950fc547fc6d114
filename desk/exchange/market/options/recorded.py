"""Option chains that were really quoted: `options/*.csv` and `options/*.csv.gz` of a data directory (docs/data.md).

Columns `quote_at,bid,ask` and either `symbol` (OCC) or `underlying,expiration,type,strike`; `iv`, `delta`, `open_interest` and
`volume` where there are any. `quote_at` is a time with its offset from UTC, or a date for a quote at that day's close. A quote
holds until the contract's next one. `volume` is what traded since the quote before. `underlying` beside `symbol` says what a
symbol of another root (SPXW) is an option on.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pandas as pd

from desk.data.calendars import NEW_YORK
from desk.domain.errors import ConfigurationError
from desk.exchange.market.options.contract import Contract, contract_of
from desk.exchange.market.options.listing_dates import expires_at
from desk.exchange.market.path import UNITS_PER_CENT, IntArray
from desk.exchange.market.session_path import NativeBars
from options import occ
from options.black_scholes import Floats

FOLDER = "options"
MINUTE = 60
SUFFIXES = (".csv", ".csv.gz")
PARTS = ("underlying", "expiration", "type", "strike")
OPTIONAL = ("iv", "delta", "open_interest", "volume")
LARGEST_PRICE_USD = 1e6
TYPES: Mapping[str, occ.OptionType] = {"call": "call", "c": "call", "put": "put", "p": "put"}
_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2})"


@dataclass(frozen=True)
class RecordedQuotes:
    """The quotes of one contract in order of time; arrays of shape (n,).

    `at` in seconds since 1970, UTC; `bid` and `ask` in units of 0.0001 dollars, zero for none; `iv` and `delta` NaN where the
    file has none; `open_interest` and `volume` in contracts.
    """

    contract: Contract
    at: IntArray
    bid: IntArray
    ask: IntArray
    iv: Floats
    delta: Floats
    open_interest: IntArray
    volume: IntArray

    @property
    def listed_since(self) -> date:
        """The first day with a quote: nothing says that the contract was there before."""
        return datetime.fromtimestamp(int(self.at[0]), NEW_YORK).date()

    def is_listed(self, day: date) -> bool:
        return self.listed_since <= day <= self.contract.expiration

    def latest(self, moment: float) -> int | None:
        """Place of the last quote at or before `moment` (seconds since 1970); None before the first."""
        place = int(np.searchsorted(self.at, moment, side="right")) - 1
        return None if place < 0 else place

    def interest_before(self, day: date) -> int:
        """Open interest of the last quote before `day`; zero when there is none."""
        place = self.latest(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp())
        return 0 if place is None else int(self.open_interest[place])

    def last(self) -> IntArray:
        """The middle of each quote in whole cents, at least one; the side that is there when the other is not."""
        middle = np.where((self.bid > 0) & (self.ask > 0), (self.bid + self.ask) // 2, self.bid + self.ask)
        return np.maximum(middle // UNITS_PER_CENT * UNITS_PER_CENT, UNITS_PER_CENT)

    def bars(self, opened: int, seconds: int) -> NativeBars:
        """One-minute bars of the middle where contracts traded, of the session that opened then and has so many seconds."""
        within = (self.at >= opened) & (self.at <= opened + seconds) & (self.volume > 0)
        minute = np.minimum((self.at[within] - opened) // MINUTE, seconds // MINUTE - 1) * MINUTE
        start, edges = np.unique(minute, return_index=True)
        if not len(start):
            return NativeBars(start, start, start, start, start, start, MINUTE)
        last = self.last()[within]
        ends = np.append(edges[1:], len(last)) - 1
        high, low = np.maximum.reduceat(last, edges), np.minimum.reduceat(last, edges)
        return NativeBars(start, last[edges], high, low, last[ends], np.add.reduceat(self.volume[within], edges), MINUTE)


RecordedChain = Mapping[str, RecordedQuotes]


def load_recorded_chains(folder: Path | str) -> dict[str, RecordedChain]:
    """Chains by underlying from the folder's `options` folder, each by option symbol; empty when there is none.

    Raises ConfigurationError, naming file, line, field, value and fix, for what cannot be read or cannot be true.
    """
    place = Path(folder) / FOLDER
    files = sorted(file for file in place.iterdir() if file.name.lower().endswith(SUFFIXES)) if place.is_dir() else []
    if not files:
        return {}
    rows = pd.concat([_read(file) for file in files], ignore_index=True)
    repeated = rows.duplicated(["symbol", "at"]).to_numpy()
    if repeated.any():
        row = rows.loc[repeated].iloc[0]
        raise _refusal(row["file"], row["line"], "quote_at", row["quote_at"], f"{row['symbol']} has a quote of that time already")
    chains: dict[str, dict[str, RecordedQuotes]] = {}
    for symbol, part in rows.sort_values(["symbol", "at"], kind="stable").groupby("symbol", sort=False):
        contract = contract_of(occ.parse(str(symbol)), str(part["underlying"].iloc[0]))
        chains.setdefault(contract.underlying, {})[contract.symbol] = _quotes(contract, part)
    return dict(chains)


def _quotes(contract: Contract, part: pd.DataFrame) -> RecordedQuotes:
    columns = {name: part[name].to_numpy() for name in ("at", "bid", "ask", *OPTIONAL)}
    return RecordedQuotes(contract, **columns)


def _read(file: Path) -> pd.DataFrame:
    """Checked rows of one file: symbol, underlying, at, bid, ask, the optional columns, and where each comes from."""
    name = f"{FOLDER}/{file.name}"
    try:
        # Without a header, for pandas would rename a column that appears twice.
        raw = pd.read_csv(file, header=None, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise ConfigurationError(f"{name}: the file is empty. Fill it or remove it") from None
    except (pd.errors.ParserError, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigurationError(f"{name}: not readable as CSV: {error}. Write the file again") from None
    header = [str(column).strip().lower() for column in raw.iloc[0]]
    _check_columns(name, header)
    texts = raw.iloc[1:].set_axis(header, axis=1).apply(lambda column: column.str.strip())
    rows = texts.assign(file=name, line=np.arange(len(texts)) + 2).loc[(texts != "").any(axis=1)]
    if rows.empty:
        raise ConfigurationError(f"{name}: no rows. Fill the file or remove it")
    rows = _with_contracts(rows)
    bid, ask = _prices(rows, "bid"), _prices(rows, "ask")
    crossed = pd.Series((ask > 0) & (bid > ask), index=rows.index)
    _refuse_where(rows, crossed, "bid", "it is above the ask, so that the quote is crossed")
    rows = rows.assign(at=_seconds(rows), bid=bid, ask=ask, **{column: _optional(rows, column) for column in OPTIONAL})
    return rows[["symbol", "underlying", "at", "bid", "ask", *OPTIONAL, "quote_at", "file", "line"]]


def _check_columns(file: str, columns: list[str]) -> None:
    needed = ["quote_at", "bid", "ask"] + ([] if "symbol" in columns else list(PARTS))
    missing = [column for column in needed if column not in columns]
    if missing:
        raise ConfigurationError(
            f"{file}: missing column {', '.join(missing)}. The file has: {', '.join(columns) or 'no columns'}. It needs "
            f"quote_at,bid,ask and either symbol or {','.join(PARTS)}"
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise ConfigurationError(f"{file}: column {', '.join(twice)} appears twice. Keep one of each")


def _with_contracts(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a checked `symbol` and an `underlying`; every different contract is looked at once."""
    keys = ["symbol", *(["underlying"] if "underlying" in rows else [])] if "symbol" in rows else list(PARTS)
    different = rows.drop_duplicates(keys)
    read = _symbol_of_row if "symbol" in rows else _symbol_of_parts
    named = [read(row) for row in different.to_dict("records")]
    known = dict(zip(different[keys].itertuples(index=False, name=None), named, strict=True))
    pairs = [known[key] for key in rows[keys].itertuples(index=False, name=None)]
    return rows.assign(symbol=[symbol for symbol, _ in pairs], underlying=[underlying for _, underlying in pairs])


def _symbol_of_row(row: dict[str, str]) -> tuple[str, str]:
    try:
        said = occ.parse(row["symbol"].replace(" ", ""))
    except ValueError as error:
        raise _refusal(row["file"], row["line"], "symbol", row["symbol"], str(error)) from None
    return said.symbol, row.get("underlying") or said.root


def _symbol_of_parts(row: dict[str, str]) -> tuple[str, str]:
    expiration = _expiration(row)
    if row["type"].lower() not in TYPES:
        raise _refusal(row["file"], row["line"], "type", row["type"], "write call or put")
    try:
        strike = Decimal(row["strike"])
        return occ.format(row["underlying"], expiration, TYPES[row["type"].lower()], strike), row["underlying"]
    except InvalidOperation:
        raise _refusal(row["file"], row["line"], "strike", row["strike"], "write dollars, 102.5 say") from None
    except ValueError as error:
        field = "strike" if str(error).startswith("strike") else "underlying"
        raise _refusal(row["file"], row["line"], field, row[field], str(error)) from None


def _expiration(row: dict[str, str]) -> date:
    try:
        return date.fromisoformat(row["expiration"])
    except ValueError:
        raise _refusal(row["file"], row["line"], "expiration", row["expiration"], "write a day as 2025-06-20") from None


def _seconds(rows: pd.DataFrame) -> IntArray:
    """Seconds since 1970 of `quote_at`: a date is its close, and a time after the day's close too (SPX trades until 16:15)."""
    text = rows["quote_at"]
    is_date = text.str.fullmatch(_DATE)
    stamps = pd.to_datetime(text.where(is_date | text.str.fullmatch(_TIME)), format="ISO8601", utc=True, errors="coerce")
    fix = "write a time with its offset from UTC (2024-01-31T10:00:00-05:00), or a date for the close"
    _refuse_where(rows, stamps.isna(), "quote_at", fix)
    days = stamps.dt.tz_localize(None).where(is_date, stamps.dt.tz_convert(NEW_YORK).dt.tz_localize(None)).dt.normalize()
    closes = {day: _close_of(day.date()) for day in days.unique()}
    at = stamps.to_numpy(dtype="datetime64[s]").astype(np.int64)
    close = days.map(closes).to_numpy(dtype=np.int64)
    return np.where(is_date.to_numpy(), close, np.minimum(at, close))


def _close_of(day: date) -> int:
    """Seconds since 1970 of the close on `day`, or of the session before it."""
    return int(expires_at(day).timestamp())


def _prices(rows: pd.DataFrame, side: str) -> IntArray:
    """Dollars as whole units, on cents: a bid is cut, an ask raised, so that no quote is better than the recorded one."""
    dollars = pd.to_numeric(rows[side].replace("", "0"), errors="coerce").to_numpy(dtype=np.float64)
    bad = ~((dollars >= 0) & (dollars < LARGEST_PRICE_USD))
    _refuse_where(rows, pd.Series(bad, index=rows.index), side, "write dollars a share, 0 for no quote on that side")
    cents = np.floor(dollars * 100 + 1e-6) if side == "bid" else np.ceil(dollars * 100 - 1e-6)
    return cents.astype(np.int64) * UNITS_PER_CENT


def _optional(rows: pd.DataFrame, column: str) -> Floats | IntArray:
    counts = column in ("open_interest", "volume")
    if column not in rows:
        return np.zeros(len(rows), dtype=np.int64) if counts else np.full(len(rows), np.nan)
    given = rows[column] != ""
    numbers = pd.to_numeric(rows[column].where(given), errors="coerce")
    bad = given & ~np.isfinite(numbers)
    if column != "delta":
        bad |= numbers < 0
    _refuse_where(rows, bad, column, "write a number, or nothing")
    return numbers.fillna(0).to_numpy(dtype=np.int64) if counts else numbers.to_numpy(dtype=np.float64)


def _refuse_where(rows: pd.DataFrame, bad: pd.Series, field: str, fix: str) -> None:
    if bad.any():
        row = rows.loc[bad].iloc[0]
        raise _refusal(row["file"], row["line"], field, row[field], fix)


def _refusal(file: str, line: object, field: str, value: object, fix: str) -> ConfigurationError:
    return ConfigurationError(f"{file}:{line}: {field} {str(value)!r}: {fix}. Correct or remove the row")
