"""Bars as if today's shares and dividends had always been: prices and volumes of the days before a corporate action, rescaled.

Only actions whose ex-date has come count: before it, nobody's bars know of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from desk.exchange.market.corporate import Action, Split
from desk.exchange.market.path import IntArray
from desk.exchange.market.prices import DailyTable
from desk.exchange.market.ticks import dollars

Factors = NDArray[np.float64]
SPLIT, DIVIDEND, ALL = "split", "dividend", "all"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`price[i]` and `shares[i]` are what a day before the i-th of `ex_dates`, and not before the one before it, is times."""

    ex_dates: tuple[date, ...]
    price: Factors
    shares: Factors

    def factors(self, days: Sequence[date]) -> tuple[Factors, Factors]:
        """Price and share factors of `days`, each of shape (n,)."""
        stamps = np.array(days, dtype="datetime64[D]")
        place = np.searchsorted(np.array(self.ex_dates, dtype="datetime64[D]"), stamps, side="right")
        return self.price[place], self.shares[place]


def adjustment(kinds: Iterable[str], actions: Iterable[Action], symbol: str, table: DailyTable, today: date) -> Adjustment | None:
    """How bars of `symbol` are rescaled for `kinds` (split, dividend, all) as of `today`; None when they stay as they are."""
    wanted = set(kinds)
    due = [action for action in actions if action.symbol == symbol and action.ex_date <= today and _is_wanted(action, wanted)]
    if not due:
        return None
    steps = [_step(action, table) for action in sorted(due, key=lambda action: action.ex_date)]
    # The last day is worth what it says; every action going back multiplies what lies before it.
    price = np.append(np.cumprod([price for price, _ in steps][::-1])[::-1], 1.0)
    shares = np.append(np.cumprod([shares for _, shares in steps][::-1])[::-1], 1.0)
    return Adjustment(tuple(action.ex_date for action in sorted(due, key=lambda action: action.ex_date)), price, shares)


def _is_wanted(action: Action, wanted: set[str]) -> bool:
    return ALL in wanted or (SPLIT if isinstance(action, Split) else DIVIDEND) in wanted


def _step(action: Action, table: DailyTable) -> tuple[float, float]:
    """Price and share factor of one action; a dividend takes from the close before its ex-date what it pays."""
    if isinstance(action, Split):
        ratio = float(action.new_rate / action.old_rate)
        return 1 / ratio, ratio
    before = table.before(action.ex_date)
    if before is None:
        return 1.0, 1.0
    return max(0.0, 1 - float(action.cash_usd) / dollars(before.close)), 1.0


def scaled(column: IntArray, factor: float | Factors) -> IntArray:
    """A column of whole numbers times `factor`, whole again."""
    return np.rint(column * factor).astype(np.int64)
