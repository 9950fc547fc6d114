"""Hours and minutes made by code, and a strategy that does what a script says, on the desk's backtest and on Lumibot's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from types import MappingProxyType
from typing import Any

import pandas as pd
from lumibot.backtesting import PandasDataBacktesting
from lumibot.entities import Asset, Data, Order
from lumibot.strategies import Strategy

from desk.data.calendars import NEW_YORK, session_on
from desk.data.source import Source
from desk.runtime.backtest import run_backtest

Prices = tuple[float, float, float, float]
Act = Callable[[Strategy], None]
# Tuesday, the half day before Independence Day, and the Friday after it.
TUESDAY, HALF_DAY, FRIDAY = date(2024, 7, 2), date(2024, 7, 3), date(2024, 7, 5)
FLAT: Prices = (100.0, 100.5, 99.5, 100.0)
NOTHING: Mapping[str, Prices] = MappingProxyType({})


def stamps(day: date, step: str = "1min", first: str = "09:30", last: str | None = None) -> pd.DatetimeIndex:
    session = session_on(day)
    assert session is not None
    begin = pd.Timestamp(f"{day} {first}", tz=NEW_YORK).tz_convert("UTC")
    end = pd.Timestamp(session.closes_at if last is None else f"{day} {last}")
    end = end.tz_localize(NEW_YORK) if end.tzinfo is None else end
    return pd.date_range(begin, end.tz_convert("UTC"), freq=step, inclusive="left").as_unit("ns")


def frame(index: pd.DatetimeIndex, changed: Mapping[str, Prices] = NOTHING, missing: Sequence[str] = ()) -> pd.DataFrame:
    """Flat bars but for those `changed`, without those `missing`; keys as '02 10:31', day and time in New York."""
    names = [f"{stamp:%d %H:%M}" for stamp in index.tz_convert(NEW_YORK)]
    rows = [changed.get(name, FLAT) for name in names]
    made = pd.DataFrame(rows, columns=["open", "high", "low", "close"], index=index, dtype=float).assign(volume=1000.0)
    return made.loc[[name not in missing for name in names]]


def minutes(
    changed: Mapping[str, Prices] = NOTHING, missing: Sequence[str] = (), days: Sequence[date] = (TUESDAY,)
) -> pd.DataFrame:
    return pd.concat([frame(stamps(day), changed, missing) for day in days])


def source_of(**frames: pd.DataFrame) -> Source:
    return Source("test", "test", {}, {}, frames)


class Scripted(Strategy):
    """Does what the script says at a time ('10:30' or '03 10:30') and keeps a diary."""

    def initialize(self) -> None:
        self.sleeptime = self.parameters.get("sleeptime", "1M")
        self.looks: list[datetime] = []
        self.errors: list[str] = []

    def on_trading_iteration(self) -> None:
        now = self.get_datetime()
        self.looks.append(now)
        script: Mapping[str, Act] = self.parameters["script"]
        for name in (f"{now:%H:%M}", f"{now:%d %H:%M}"):
            script.get(name, lambda _: None)(self)

    def on_filled_order(self, position: object, order: Order, price: float, quantity: float, multiplier: float) -> None:
        self.parameters.get("on_fill", lambda *_: None)(self, order)

    def on_error_order(self, order: Order, error: str | None = None) -> None:
        self.errors.append(str(error))


@dataclass(frozen=True)
class Ran:
    strategy: Scripted
    fills: list[tuple[str, str, float]]  # time, side, price
    statuses: list[str]


def ran(strategy: Any) -> Ran:
    events = strategy.broker._trade_event_log_df
    if events.empty:
        return Ran(strategy, [], [])
    rows = events[events["status"] == "fill"][["time", "side", "price"]].itertuples(index=False)
    fills = [(f"{t:%d %H:%M}", str(side).split("_")[0], round(float(price), 4)) for t, side, price in rows]
    return Ran(strategy, fills, list(events["status"]))


def on_desk(script: Mapping[str, Act], bars: pd.DataFrame, bar_seconds: int = 60, **more: Any) -> Ran:
    parameters = {"script": script, **more.pop("parameters", {})}
    first, last = (stamp.date() for stamp in bars.index[[0, -1]].tz_convert(NEW_YORK))
    frames = {"AAA": bars, **more.pop("others", {})}
    outcome = run_backtest(
        Scripted, source_of(**frames), frames, first, last, parameters=parameters, bar_seconds=bar_seconds, **more
    )
    return ran(outcome.strategy)


def on_stock(script: Mapping[str, Act], bars: pd.DataFrame, sleeptime: str = "1M", **more: Any) -> Ran:
    local = bars.set_axis(bars.index.tz_convert("America/New_York"))
    _, strategy = Scripted.run_backtest(
        PandasDataBacktesting,
        datetime.combine(local.index[0].date(), time()),
        datetime.combine(local.index[-1].date(), time(23, 59)),
        pandas_data=[Data(Asset("AAA"), local, timestep="minute")],
        benchmark_asset=None,
        risk_free_rate=0.0,
        analyze_backtest=False,
        show_plot=False,
        show_tearsheet=False,
        save_tearsheet=False,
        show_indicators=False,
        show_progress_bar=False,
        save_stats_file=False,
        quiet_logs=True,
        parameters={"script": script, "sleeptime": sleeptime},
        **more,
    )
    return ran(strategy)


def submit(*args: object, **kwargs: object) -> Act:
    return lambda strategy: strategy.submit_order(strategy.create_order("AAA", *args, **kwargs))


def bracket(stop: float, target: float, **more: object) -> Act:
    return submit(10, "buy", secondary_limit_price=target, secondary_stop_price=stop, order_class="bracket", **more)
