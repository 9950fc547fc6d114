"""Made-up markets: an index path inside the day becomes bars of names and of the funds against it. Nothing here is history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from desk.data.adjust import on_ticks
from desk.data.source import Instrument, Source
from desk.domain.market import FloatArray
from desk.settings.behaviour import Behaviour, SentimentNames, Universe
from hedging.rules import IndexName, InverseFund, inverse_funds

FUNDS: tuple[InverseFund, ...] = inverse_funds()
STARTS_AT_USD = 100.0
FLAT_VOLUME_SHARES = 1_000_000.0


@dataclass(frozen=True)
class Paths:
    """Price paths by name, and of the two indices: shape (sessions, steps) each, the last step of a session is its close."""

    names: Mapping[str, FloatArray]
    indices: Mapping[IndexName, FloatArray]


def source_of(paths: Paths, days: Sequence[date], label: str) -> Source:
    """A source of daily bars on `days`; the funds are reset every day, as the derived ones of the bundled market."""
    index = pd.DatetimeIndex([pd.Timestamp(day) for day in days])
    frames = {name: bars(path, index) for name, path in paths.names.items()}
    frames |= {fund.symbol: bars(fund_path(paths.indices[fund.index], fund.leverage), index) for fund in FUNDS}
    instruments = {name: Instrument(name, f"{name}, {label}", derived=True) for name in frames}
    return Source(label, label, frames, instruments)


def bars(path: FloatArray, days: pd.DatetimeIndex) -> pd.DataFrame:
    """Daily bars of a path of shape (sessions, steps)."""
    columns = {"open": path[:, 0], "high": path.max(axis=1), "low": path.min(axis=1), "close": path[:, -1]}
    return on_ticks(pd.DataFrame(columns, index=days), pd.Series(FLAT_VOLUME_SHARES, index=days))


def fund_path(index: FloatArray, leverage: float) -> FloatArray:
    """A fund on the path of its index, shape (sessions, steps): within a day `leverage` times the return since the last close."""
    before = np.concatenate(([index[0, 0]], index[:-1, -1]))
    growth = 1.0 + leverage * (index / before[:, None] - 1.0)
    opened = np.concatenate(([1.0], np.cumprod(growth[:-1, -1])))
    path: FloatArray = STARTS_AT_USD * opened[:, None] * growth
    return path


def behaviour_for(names: Sequence[str], fee_bps: float, slippage_bps: float) -> Behaviour:
    """The defaults, with these names as universe and as those whose mood counts."""
    chosen = tuple(names)
    return Behaviour(
        universe=Universe(exchange=chosen),
        sentiment_symbols=SentimentNames(exchange=chosen),
        confidence_gate="report",
        fee_bps=fee_bps,
        slippage_bps=slippage_bps,
    )
