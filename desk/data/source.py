"""A source of market history: validated frames by symbol, wherever they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

import numpy as np
import pandas as pd

from desk.domain.errors import ConfigurationError
from desk.domain.market import DailyBars

OHLCV = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Instrument:
    """What is known of a symbol beside its prices. `leverage` is signed: -3.0 for a fund that pays -3x the daily return."""

    symbol: str
    name: str
    leverage: float = 1.0
    derived: bool = False
    note: str = ""


@dataclass(frozen=True)
class Source:
    """History by symbol.

    `daily[symbol]`: DataFrame indexed by session date (naive, midnight, ascending, unique), float64 columns open, high, low,
    close in dollars and volume in shares. `intraday[symbol]`: the same columns indexed by bar start (aware, UTC).
    `ticks[symbol]`, where they are known: float64 columns last, bid, ask in dollars, indexed by time (aware, UTC, ascending); the
    orders of an intraday backtest then meet these.
    `label` is what a person is told about where the prices come from.
    """

    name: str
    label: str
    daily: Mapping[str, pd.DataFrame]
    instruments: Mapping[str, Instrument]
    intraday: Mapping[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    ticks: Mapping[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self.daily))

    def traded(self, wished: Sequence[str], is_chosen: bool) -> tuple[str, ...]:
        """The symbols that a run trades: those `wished` that are here, all that are here when nobody chose.

        Raises ConfigurationError when somebody chose and none of them is here.
        """
        there = tuple(symbol for symbol in wished if symbol in self.daily) if is_chosen else self.symbols
        if not there:
            raise ConfigurationError(
                f"universe.exchange {', '.join(wished)}: the data has none of these; it has {', '.join(self.symbols[:10])}"
            )
        return there

    def notes_on(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """What must stand beside figures made from `symbols`: the notes without those on instruments not among them."""
        chosen = set(symbols)
        others = {instrument.note for symbol, instrument in self.instruments.items() if symbol not in chosen}
        return tuple(note for note in self.notes if note not in others)

    def sessions(self) -> tuple[date, ...]:
        """Every date on which any symbol has a bar, ascending."""
        dates = sorted({stamp for frame in self.daily.values() for stamp in frame.index})
        return tuple(stamp.date() for stamp in dates)

    def bars(self, symbol: str, before: date | None = None) -> DailyBars:
        """Daily bars of `symbol`, only sessions strictly before `before` when given. Raises KeyError for an unknown symbol."""
        frame = self.daily[symbol]
        if before is not None:
            frame = frame.loc[frame.index < pd.Timestamp(before)]
        return daily_bars(frame)


def daily_bars(frame: pd.DataFrame) -> DailyBars:
    """The domain's view of a daily frame (columns as in `OHLCV`, index of session dates)."""
    columns = {name: np.ascontiguousarray(frame[name].to_numpy(dtype=np.float64)) for name in OHLCV}
    return DailyBars(sessions=tuple(pd.DatetimeIndex(frame.index).date), **columns)
