"""A small made-up market that moves enough for exits of one per cent to be reached within hours."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from desk.data import calendars

SYMBOLS = tuple(f"MAD{letter}" for letter in "ABCDEFGHIJ")
DAYS = calendars.session_dates(date(2021, 3, 1), date(2021, 4, 30))
SEED = 17
DAILY_MOVE = 0.02


def write(folder: Path) -> Path:
    """Daily bars of every symbol, in a folder that the exchange can be started with."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(SEED)
    frames = [_bars(symbol, 20.0 + 15.0 * number, chance) for number, symbol in enumerate(SYMBOLS)]
    pd.concat(frames).to_csv(folder / "made.csv", index=False)
    return folder


def _bars(symbol: str, first_usd: float, chance: np.random.Generator) -> pd.DataFrame:
    opens, closes = chance.normal(0, DAILY_MOVE / 2, len(DAYS)), chance.normal(0, DAILY_MOVE, len(DAYS))
    close = first_usd * np.exp(np.cumsum(opens + closes))
    start = close / np.exp(closes)
    reach = np.exp(np.abs(chance.normal(0, DAILY_MOVE / 2, (2, len(DAYS)))))
    prices = {
        "open": start.round(2),
        "high": (np.maximum(start, close) * reach[0]).round(2),
        "low": (np.minimum(start, close) / reach[1]).round(2),
        "close": close.round(2),
    }
    return pd.DataFrame({"symbol": symbol, "timestamp": DAYS, **prices, "volume": 5_000_000})
