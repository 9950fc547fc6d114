"""From printed prices to total-return prices on the tick grid: splits and dividends folded in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from desk.data.source import OHLCV


def total_return(raw: pd.DataFrame) -> pd.DataFrame:
    """Multiply prices by adj_close / close.

    `raw` has open, high, low, close, volume and adj_close; the answer is a frame as in `Source.daily`. Volume is divided by
    the same factor, so that a day's turnover in dollars stays true.
    """
    factor = raw["adj_close"] / raw["close"]
    prices = {name: raw[name] * factor for name in OHLCV[:4]}
    return on_ticks(pd.DataFrame(prices), (raw["volume"] / factor).round())


def on_ticks(prices: pd.DataFrame, volume: pd.Series) -> pd.DataFrame:
    """Round open, high, low, close to legal ticks (SEC rule 612), low <= open, close <= high; add `volume`."""
    frame = prices.where(prices < 1.0, prices.round(2)).where(prices >= 1.0, prices.round(4))
    body = frame[["open", "close"]]
    frame["high"] = np.maximum(frame["high"], body.max(axis=1))
    frame["low"] = np.minimum(frame["low"], body.min(axis=1))
    frame["volume"] = volume
    return frame[list(OHLCV)].astype(np.float64).rename_axis("session")
