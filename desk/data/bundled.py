"""The bundled real market: five US stocks with daily bars from 2000 to 2013, and three inverse funds derived from indices.

Prices come from packages that carry them: stocks from bokeh_sampledata (Quandl WIKI, public domain), the S&P 500 and the
NASDAQ Composite from arch. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from desk.data.adjust import on_ticks, total_return
from desk.data.source import OHLCV, Instrument, Source
from desk.domain.errors import ConfigurationError

LABEL = "bundled real market: daily bars of AAPL, FB, GOOG, IBM, MSFT (2000-2013) and derived inverse funds SH, SPXS, SQQQ"
STOCK_NAMES = {"AAPL": "Apple", "FB": "Facebook", "GOOG": "Google", "IBM": "IBM", "MSFT": "Microsoft"}
INDEX_NAMES = {"SP500": "S&P 500", "NASDAQ": "NASDAQ Composite"}
FIRST_PRICE_USD = 100.0
# Indices have no turnover in fund shares; a flat figure keeps the column legal and says nothing.
DERIVED_VOLUME_SHARES = 1_000_000.0
TOTAL_RETURN_NOTE = (
    "Prices of AAPL, FB, GOOG, IBM and MSFT are total-return prices (splits and dividends folded in): "
    "no dividends are paid on them, and they are not the prices printed on the day."
)

HINDSIGHT_NOTE = "The five stocks are companies that lasted and grew: every result on them carries that hindsight."


@dataclass(frozen=True, slots=True)
class DerivedFund:
    """A fund that pays `leverage` times the daily return of an index, reset every day."""

    symbol: str
    index: str
    leverage: float
    fidelity: str  # measured against the real fund's daily returns


DERIVED_FUNDS = (
    DerivedFund("SH", "SP500", -1.0, "correlation 0.99, tracking error 2 to 3 % a year"),
    DerivedFund("SPXS", "SP500", -3.0, "correlation 0.99, tracking error 2 to 5 % a year"),
    DerivedFund("SQQQ", "NASDAQ", -3.0, "correlation 0.99, tracking error 8 to 11 % a year"),
)


@lru_cache(maxsize=1)
def load_bundled() -> Source:
    """Return the bundled market; read once a process, so treat the frames as read-only.

    `notes` are the lines that must stand beside any figure made from it. Raises ConfigurationError when a package that
    carries the prices is missing.
    """
    stocks = _stocks()
    days = pd.DatetimeIndex(sorted({stamp for frame in stocks.values() for stamp in frame.index}))
    derived = {fund.symbol: _derive(fund, days) for fund in DERIVED_FUNDS}
    instruments = {symbol: Instrument(symbol, STOCK_NAMES[symbol], note="total-return prices") for symbol in stocks}
    instruments |= {fund.symbol: instrument for fund, (_, instrument) in zip(DERIVED_FUNDS, derived.values(), strict=True)}
    notes = (TOTAL_RETURN_NOTE, HINDSIGHT_NOTE, *(instruments[fund.symbol].note for fund in DERIVED_FUNDS))
    daily = stocks | {symbol: frame for symbol, (frame, _) in derived.items()}
    return Source("bundled", LABEL, MappingProxyType(daily), MappingProxyType(instruments), notes=notes)


@lru_cache(maxsize=1)
def load_indices() -> Mapping[str, pd.DataFrame]:
    """Return "SP500" and "NASDAQ" (1999 to 2018) as frames shaped like `Source.daily`: benchmarks, in index points.

    Price indices without dividends. The S&P 500's open often repeats the close before: its opening gaps are understated.
    """
    frames = {name: _read("arch", f"data/{folder}/{folder}.csv.gz") for name, folder in _INDEX_FOLDERS.items()}
    return MappingProxyType({name: frame.loc[:, list(OHLCV)].astype(np.float64) for name, frame in frames.items()})


_INDEX_FOLDERS = {"SP500": "sp500", "NASDAQ": "nasdaq"}


def _stocks() -> dict[str, pd.DataFrame]:
    raw = _read("bokeh_sampledata", "_data/stocks.csv.gz")
    return {str(symbol): total_return(frame) for symbol, frame in raw.groupby("ticker")}


def _derive(fund: DerivedFund, days: pd.DatetimeIndex) -> tuple[pd.DataFrame, Instrument]:
    frame, start = _fund_frame(fund, days, FIRST_PRICE_USD)
    return frame, Instrument(
        symbol=fund.symbol,
        name=f"{fund.leverage:g}x daily {INDEX_NAMES[fund.index]}",
        leverage=fund.leverage,
        derived=True,
        note=_fund_note(fund, start),
    )


def _fund_note(fund: DerivedFund, start_usd: float) -> str:
    note = (
        f"{fund.symbol} is derived: {fund.leverage:g}x the daily return of the {INDEX_NAMES[fund.index]}, not prices of the real "
        f"fund (measured against it: {fund.fidelity}); its volume is a flat {DERIVED_VOLUME_SHARES:,.0f} shares."
    )
    if start_usd != FIRST_PRICE_USD:
        note += f" It starts at ${start_usd:,.0f} instead of ${FIRST_PRICE_USD:,.0f}, or it would fall below $1."
    return note


def _fund_frame(fund: DerivedFund, days: pd.DatetimeIndex, start_usd: float) -> tuple[pd.DataFrame, float]:
    """Fund prices on `days` from `start_usd`, or from the next power of ten that keeps every price at a dollar or more."""
    index = load_indices()[fund.index]
    # The close before a day is that of the exchange's previous session, so the return is taken before the days are cut.
    growth = 1.0 + fund.leverage * (index[list(OHLCV[:4])].div(index["close"].shift(), axis=0) - 1.0).loc[days]
    before = growth["close"].cumprod().shift(fill_value=1.0)
    relative = growth.mul(before, axis=0)
    relative = relative.rename(columns={"high": "low", "low": "high"}) if fund.leverage < 0 else relative
    while start_usd * relative["low"].min() < 1.0:
        start_usd *= 10.0
    return on_ticks(relative * start_usd, pd.Series(DERIVED_VOLUME_SHARES, index=days)), start_usd


def _read(package: str, inner: str) -> pd.DataFrame:
    """A package's CSV by path, without importing the package: arch alone takes a second to import."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"the bundled market needs the package {package}: install it with `pip install {package}`")
    raw = pd.read_csv(Path(spec.submodule_search_locations[0]) / inner)
    raw.columns = [name.strip().lower().replace(" ", "_") for name in raw.columns]
    return raw.assign(date=pd.to_datetime(raw["date"])).set_index("date").rename_axis("session").sort_index()
