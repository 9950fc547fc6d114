"""A Lumibot backtest without network, files or noise: any Lumibot Strategy over a source of daily or intraday bars."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
from lumibot.strategies import Strategy

from desk.brokers.backtesting import Costs, DeskBacktestingBroker
from desk.data.daily_feed import DailyFeed, lumibot_data
from desk.data.intraday_feed import IntradayFeed
from desk.data.source import Source
from desk.domain.errors import ConfigurationError
from desk.domain.records import EquityPoint

__all__ = ["BacktestOutcome", "Costs", "run_backtest"]

Progress = Callable[[date, float], None]
PROGRESS_SECONDS = 0.05
NEW_OBJECTS_A_SWEEP = (20_000, 20, 20)


@dataclass(frozen=True)
class BacktestOutcome:
    """What a run left behind.

    `result` is Lumibot's analysis (cagr, volatility, sharpe, max_drawdown, romad, total_return). `trade_events` is its log of
    order events, one row each. `equity` has the start and then one point a session, valued at the session's close.
    """

    result: dict[str, Any]
    strategy: Strategy
    trade_events: pd.DataFrame
    equity: tuple[EquityPoint, ...]


def run_backtest(
    strategy_class: type[Strategy],
    source: Source,
    symbols: Iterable[str],
    start: date,
    end: date,
    *,
    budget_usd: float = 100_000.0,
    costs: Costs | None = None,
    parameters: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    feed: type[Any] = DailyFeed,
    risk_free_rate: float = 0.0,
    prescreen: bool = True,
    monotonic: Callable[[], float] = time.monotonic,
    bar_seconds: int | None = None,
    longer: Sequence[int] = (),
    on_clock: Callable[[datetime], None] | None = None,
) -> BacktestOutcome:
    """Run `strategy_class` on sessions from `start` to `end`, both included.

    With `bar_seconds` on the source's intraday bars of that length instead of its daily ones; the strategy's sleep time is then
    rounded up to whole bars, so it looks at the opening and whenever a bar has ended, and `feed` does not count. Its data source
    then has bars of the `longer` lengths too.
    `progress(session, fraction)` is called at most twenty times a second by the clock `monotonic`, and once at the end;
    `on_clock` with each simulated time at which the strategy may look.
    Raises ConfigurationError for dates or symbols that the source does not have, and whatever the strategy raises.
    """
    if end < start:
        raise ConfigurationError(f"backtest ends {end} before it starts {start}; swap them")
    intraday = None if bar_seconds is None else IntradayFeed(source, symbols, bar_seconds, start, end, longer)
    data_source = intraday or _daily_source(feed, source, symbols, start, end)
    meter = None if progress is None else _Meter(progress, start, end, monotonic)
    broker = DeskBacktestingBroker(data_source, costs=costs, prescreen=prescreen, on_clock=_each_of(meter, on_clock))
    broker.market = "NYSE"  # the calendar that the bars were stamped with
    with _quiet(), _seldom_swept():
        strategy = _strategy(strategy_class, broker, budget_usd, dict(parameters or {}), risk_free_rate)
        executor = _executor_of(strategy, broker, intraday)
        # In this thread, not as a Trader does in another one: an interrupt ends the run, and its signal handler stays away.
        executor.run()
        if executor.exception is not None:
            raise executor.exception
    if meter is not None:
        meter.finish()
    return BacktestOutcome(executor.result, strategy, _trade_events(broker), _equity(strategy, budget_usd, end))


def _each_of(*listeners: Callable[[datetime], None] | None) -> Callable[[datetime], None] | None:
    """One listener to the clock for those that there are."""
    there = [each for each in listeners if each is not None]
    if len(there) < 2:
        return there[0] if there else None

    def tell(now: datetime) -> None:
        for each in there:
            each(now)

    return tell


def _daily_source(feed: type[Any], source: Source, symbols: Iterable[str], start: date, end: date) -> Any:
    data = lumibot_data(source, symbols, start, end)
    return feed(
        # Lumibot takes a minute off the end, which keeps the last day in and the next one out.
        datetime_start=datetime.combine(start, datetime.min.time()),
        datetime_end=datetime.combine(end + timedelta(days=1), datetime.min.time()),
        pandas_data=data,
        show_progress_bar=False,
        log_backtest_progress_to_file=False,
    )


def _executor_of(strategy: Any, broker: DeskBacktestingBroker, intraday: IntradayFeed | None) -> Any:
    """The strategy's executor, spared what a backtest on this data has no use for."""
    # Prices are adjusted (desk.data.source), so there are no splits and dividends to look for twice a day.
    strategy._update_positions_with_splits = None
    strategy._update_cash_with_dividends = _nothing
    executor = strategy._executor
    # Lumibot works out whether New York trades round the clock from a calendar of holidays: a tenth of a second a run.
    executor._market_type_cache[broker.market] = False
    _skip_empty_queues(executor)
    if intraday is not None:
        _wake_at_bars(executor, intraday)
    return executor


def _skip_empty_queues(executor: Any) -> None:
    """Lumibot asks two queues of a dozen times a session whether there is news, by an exception when there is none."""
    process = executor.process_queue

    def process_news(*args: Any, **more: Any) -> None:
        if executor.priority_queue.queue or executor.queue.queue:
            process(*args, **more)

    executor.process_queue = process_news


def _wake_at_bars(executor: Any, feed: IntradayFeed) -> None:
    """Lumibot counts sleep times from the opening, whatever the bars: whole hours after 09:30 are amid hours of the clock."""
    sleep = executor.safe_sleep
    executor.safe_sleep = lambda seconds: sleep(feed.pause_seconds(seconds))


def _nothing() -> None:
    pass


def _strategy(cls: type[Strategy], broker: Any, budget_usd: float, parameters: dict[str, Any], risk_free_rate: float) -> Strategy:
    return cls(
        broker,
        budget=budget_usd,
        parameters=parameters,
        # Lumibot would fetch both from Yahoo.
        benchmark_asset=None,
        risk_free_rate=risk_free_rate,
        analyze_backtest=False,
        should_backup_variables_to_database=False,
        should_send_summary_to_discord=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Refused orders are logged as errors by Lumibot; a backtest tells them through events instead."""
    logger = logging.getLogger("lumibot")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _seldom_swept() -> Iterator[None]:
    """Nearly all that a run makes lasts, rows above all: looking for garbage every 700 objects takes a seventh of its time."""
    before = gc.get_threshold()
    gc.set_threshold(*NEW_OBJECTS_A_SWEEP)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Meter:
    """Turns clock steps into progress calls."""

    def __init__(self, progress: Progress, start: date, end: date, monotonic: Callable[[], float]) -> None:
        self._progress, self._start, self._end, self._monotonic = progress, start, end, monotonic
        self._days = max((end - start).days + 1, 1)
        self._next = monotonic()

    def __call__(self, now: datetime) -> None:
        at = self._monotonic()
        if at >= self._next:
            self._next = at + PROGRESS_SECONDS
            day = min(max(now.date(), self._start), self._end)
            self._progress(day, (day - self._start).days / self._days)

    def finish(self) -> None:
        self._progress(self._end, 1.0)


def _equity(strategy: Strategy, budget_usd: float, end: date) -> tuple[EquityPoint, ...]:
    """One point a session, the last that Lumibot recorded on its date: after the close."""
    # Lumibot may stand at the morning after the end when it takes its last note.
    rows = [row for row in strategy._stats_list if row["datetime"].date() <= end]
    if not rows:
        return ()
    by_day = {row["datetime"].date(): row for row in rows}
    points = [EquityPoint(_utc(row["datetime"]), float(row["portfolio_value"]), float(row["cash"])) for row in by_day.values()]
    return (EquityPoint(_utc(rows[0]["datetime"]), budget_usd, budget_usd), *points)


def _trade_events(broker: DeskBacktestingBroker) -> pd.DataFrame:
    log = broker._trade_event_log_df
    return log if len(log.columns) else pd.DataFrame(columns=list(broker._trade_event_log_columns))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
