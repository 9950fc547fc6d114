"""The rules on vectorbt (`pip install vectorbt==1.0.0`, the `bench` extra), as one compiled function over all bars and symbols.

Its ready-made `from_signals` knows neither a share of the whole portfolio as a size nor a way out after ten bars, so the rules
are an order function for `from_order_func`, which Numba compiles; the time to compile is not counted. One order a bar and symbol
is what it takes: a bracket does not work in the bar of its entry, and what leaves at an open frees its cash for that open.
RSI is computed with pandas: vectorbt's own smooths by span, not as Wilder did.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numba import njit

from benchmarks import minute_market, rules
from benchmarks.minute_market import moment_of
from benchmarks.rules import Outcome, Task

PlotlyTemplate = go.layout.Template


class EmptyTemplate(go.layout.Template):
    """Plotly 7 has no `scattermapbox`, which vectorbt 1.0 sets the style of when it is imported; nothing is drawn here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()


go.layout.Template = EmptyTemplate
# isort: split
import vectorbt as vbt  # noqa: E402 - only with that template in place can it be imported
from vectorbt.portfolio import nb  # noqa: E402 - as above

go.layout.Template = PlotlyTemplate
BARRIER, SHARE, FEES = rules.TIME_BARRIER_SESSIONS, rules.MAX_POSITION_FRACTION, rules.FEE_BPS / 10_000
OVERSOLD = rules.OVERSOLD_RSI


def signals(close: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """RSI by Wilder and the limit that an entry goes out with, both known at the open of each bar, shape (bars, symbols)."""
    change = close.diff()
    gain = change.clip(lower=0).ewm(alpha=1 / rules.RSI_LENGTH, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / rules.RSI_LENGTH, adjust=False).mean()
    level = (100 * gain / (gain + loss)).shift()
    limit = np.floor(close.shift() * (1 + rules.ENTRY_COLLAR_FRACTION) * 100 + 1e-9) / 100
    return level.to_numpy(), limit.to_numpy()


@njit
def lowest_first(c: Any, level: np.ndarray) -> tuple[()]:
    """Symbols in the order of their RSI: cash may not suffice for all."""
    c.call_seq_now[:] = np.argsort(level[c.i])
    return ()


@njit
def order_of(
    c: Any,
    opened: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    level: np.ndarray,
    limit: np.ndarray,
    first: int,
    entered: np.ndarray,
    paid_limit: np.ndarray,
) -> Any:
    """The order of one symbol at one bar, or none; `entered` and `paid_limit` remember its position."""
    i, col = c.i, c.col
    at = opened[i, col]
    if c.position_now > 0:
        stop = round(paid_limit[col] * (1 - rules.STOP_LOSS_FRACTION), 2)
        target = round(paid_limit[col] * (1 + rules.TAKE_PROFIT_FRACTION), 2)
        if i - entered[col] < BARRIER and stop < at < target:
            if low[i, col] <= stop:
                at = stop
            elif high[i, col] >= target:
                at = target
            else:
                return nb.order_nothing_nb()
        return nb.order_nb(size=-c.position_now, price=at, fees=FEES)
    price = limit[i, col]
    if i < first or not level[i, col] <= OVERSOLD or low[i, col] > price:
        return nb.order_nothing_nb()
    shares = np.floor(SHARE * c.value_now / price)
    if shares == 0 or shares * price > c.cash_now:
        return nb.order_nothing_nb()
    entered[col], paid_limit[col] = i, price
    return nb.order_nb(size=shares, price=min(at, price), fees=FEES)


def simulate(frames: Mapping[str, pd.DataFrame], first: int) -> Outcome:
    """Trade all frames together from bar number `first` on."""
    began = perf_counter()
    opened, high, low, close = (pd.DataFrame({symbol: frame[name] for symbol, frame in frames.items()}) for name in COLUMNS)
    level, limit = signals(close)
    entered, paid_limit = np.zeros(close.shape[1], dtype=np.int64), np.zeros(close.shape[1])
    portfolio = vbt.Portfolio.from_order_func(
        close,
        order_of,
        *(frame.to_numpy() for frame in (opened, high, low)),
        level,
        limit,
        first,
        entered,
        paid_limit,
        pre_segment_func_nb=lowest_first,
        pre_segment_args=(level,),
        init_cash=rules.BUDGET_USD,
        cash_sharing=True,
        group_by=True,
        update_value=True,
        freq=close.index[1] - close.index[0],
    )
    final_usd = float(portfolio.value().iloc[-1])
    seconds = perf_counter() - began
    orders = portfolio.orders.records
    bought = orders[orders["side"] == 0]
    entries = {(str(close.columns[col]), moment_of(close.index[i])) for col, i in zip(bought["col"], bought["idx"], strict=True)}
    return Outcome(seconds, frozenset(entries), final_usd)


COLUMNS = ("open", "high", "low", "close")


def run(task: Task) -> Outcome:
    return simulate(rules.frames(task), rules.WARM_UP_SESSIONS)


def run_minutes(task: Task) -> Outcome:
    return simulate(minute_market.frames(task), minute_market.WARM_UP_BARS)
