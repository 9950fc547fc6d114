"""Minutes of a synthetic market on backtrader, with a strategy that looks at them once an hour."""

from __future__ import annotations

from time import perf_counter

import backtrader as bt
import numpy as np
import pandas as pd

MINUTES = 390


class HourlyLook(bt.Strategy):
    """Reads the last hour of every symbol, once an hour."""

    def next(self) -> None:
        if len(self) % 60 == 0:
            self.seen = [data.close.get(size=60) for data in self.datas]


def sessions_a_second(symbols: int, sessions: int) -> float:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.addstrategy(HourlyLook)
    for number in range(symbols):
        cerebro.adddata(bt.feeds.PandasData(dataname=_frame(number, sessions)), name=f"S{number:03}")
    began = perf_counter()
    cerebro.run()
    return sessions / (perf_counter() - began)


def _frame(seed: int, sessions: int) -> pd.DataFrame:
    days = pd.bdate_range("2015-01-05", periods=sessions)
    index = pd.DatetimeIndex([day + pd.Timedelta(minutes=570 + minute) for day in days for minute in range(MINUTES)])
    close = 100 * np.cumprod(1 + np.random.default_rng(seed).normal(0, 0.0005, len(index)))
    opened = np.concatenate(([100.0], close[:-1]))
    columns = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
    return pd.DataFrame(columns, index=index).assign(volume=1000.0)
