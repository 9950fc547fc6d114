"""Does the daily feed show the future? A strategy that could profit only from a peek says so.

On driftless random walks nothing can be earned, so the probe ("hold while the last visible close is above its open") must
come out at zero on the desk's feed, within its standard error. With the peek put back, as in Lumibot's own feed for daily
bars, it sees the close of the day at whose open it buys, and earns a fortune that nobody can have.

The combined strategy runs beside it, on more walks since it trades seldom, with the number of its entries.

    python backtests/foresight.py [--walks 20] [--sessions 500] [--strategy combined]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, ClassVar

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import numpy as np
import pandas as pd
from lumibot.backtesting import PandasDataBacktesting
from lumibot.strategies import Strategy

from desk.cli.errors import told_to_the_person
from desk.data.calendars import session_dates
from desk.data.daily_feed import DailyFeed
from desk.data.source import Instrument, Source
from desk.domain.errors import UsageError
from desk.runtime.backtest import BacktestOutcome, run_backtest
from desk.runtime.desk_backtest import backtest_desk
from desk.runtime.plugins import load_strategy
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour

FIRST_DAY, LAST_DAY = date(2015, 1, 2), date(2024, 12, 31)
WARM_UP_SESSIONS = 60
STEPS_A_DAY = 9  # one overnight, eight in the session
DAILY_VOLATILITY = 0.02
SIGNIFICANT_T = 2.0
SELDOM_TRADER_FACTOR = 5


class Probe(Strategy):
    """All in while the last bar that it is shown closed above its open; else out."""

    parameters: ClassVar[dict[str, str]] = {"symbol": "WALK"}

    def initialize(self) -> None:
        self.sleeptime = "1D"

    def on_trading_iteration(self) -> None:
        symbol = self.parameters["symbol"]
        shown = self.get_historical_prices(symbol, 1, "day")
        if shown is None:
            return
        rose = shown.df["close"].iloc[-1] > shown.df["open"].iloc[-1]
        position = self.get_position(symbol)
        if rose and position is None:
            # Room for an opening above the price that the size was computed from.
            quantity = int(0.9 * self.portfolio_value / self.get_last_price(symbol))
            self.submit_order(self.create_order(symbol, quantity, "buy"))
        elif not rose and position is not None:
            self.submit_order(self.create_order(symbol, position.quantity, "sell"))


class PeekingFeed(DailyFeed):
    """The desk's feed with the peek put back: a bar is shown from the midnight before it."""

    def load_data(self) -> None:
        super().load_data()
        for data in self._data_store.values():
            data.df = data.df.set_axis(data.df.index.normalize())
            data.repair_times_and_fill(data.df.index)
            midnights = (data.df.index.asi8 / 1e9).tolist()
            self._books[data.asset.symbol] = replace(self._books[data.asset.symbol], closes_at=midnights)


FEEDS: Mapping[str, type[Any]] = {
    "desk": DailyFeed,
    "desk, peek put back": PeekingFeed,
    "Lumibot PandasData": PandasDataBacktesting,
}


@dataclass(frozen=True)
class Contestant:
    """A strategy with the parameters that it is run with on every walk."""

    strategy: type[Strategy]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One feed's outcome over all walks; the mean daily return in basis points with its standard error."""

    feed: str
    daily_returns_bps: tuple[float, ...]
    entries: int

    @property
    def mean_bps(self) -> float:
        return float(np.mean(self.daily_returns_bps))

    @property
    def standard_error_bps(self) -> float:
        return float(np.std(self.daily_returns_bps, ddof=1) / np.sqrt(len(self.daily_returns_bps)))

    @property
    def t_value(self) -> float:
        return self.mean_bps / self.standard_error_bps if self.standard_error_bps > 0 else 0.0


def walk(rng: np.random.Generator, sessions: int) -> pd.DataFrame:
    """Daily bars of a driftless walk (every step is a fair bet in dollars), after a warm-up before the first session."""
    days = session_dates(FIRST_DAY, LAST_DAY)[: WARM_UP_SESSIONS + sessions]
    steps = 1.0 + rng.normal(0.0, DAILY_VOLATILITY / np.sqrt(STEPS_A_DAY), (len(days), STEPS_A_DAY))
    path = 100.0 * steps.ravel().cumprod().reshape(steps.shape)
    columns = {"open": path[:, 0], "high": path.max(axis=1), "low": path.min(axis=1), "close": path[:, -1]}
    index = pd.DatetimeIndex([pd.Timestamp(day) for day in days])
    return pd.DataFrame(columns, index=index).round(2).assign(volume=1e6)


def walk_source(seed: int, sessions: int) -> Source:
    frame = walk(np.random.default_rng(seed), sessions)
    return Source("walk", f"random walk {seed}", {"WALK": frame}, {"WALK": Instrument("WALK", "random walk", derived=True)})


def measure(feed: str, contestant: Contestant, seeds: Sequence[int], sessions: int) -> Row:
    """Run the contestant on one walk for each seed."""
    returns: list[float] = []
    entries = 0
    for seed in seeds:
        source = walk_source(seed, sessions)
        days = source.sessions()
        outcome = run_backtest(
            contestant.strategy,
            source,
            source.symbols,
            days[WARM_UP_SESSIONS],
            days[-1],
            parameters=contestant.parameters,
            feed=FEEDS[feed],
        )
        returns.append(_mean_return_bps(outcome))
        entries += _entries(outcome.trade_events)
    return Row(feed, tuple(returns), entries)


def _entries(events: pd.DataFrame) -> int:
    return int(((events["status"] == "fill") & events["side"].astype(str).str.startswith("buy")).sum())


def measure_desk_strategy(name: str, seeds: Sequence[int], sessions: int) -> Row:
    """An installed desk strategy down its whole corridor, its confidence gate only reporting so that it trades, no costs.

    Raises UsageError for a name that nothing is installed under, or that is no desk strategy.
    """
    strategy = load_strategy(name)
    if not issubclass(strategy, DeskStrategy):
        raise UsageError(f"{name} is a plain Lumibot strategy; the null test runs desk strategies")
    behaviour = Behaviour(confidence_gate="report", fee_bps=0.0, slippage_bps=0.0)
    returns: list[float] = []
    entries = 0
    for seed in seeds:
        source = walk_source(seed, sessions)
        days = source.sessions()
        done = backtest_desk(strategy, behaviour, source, source.symbols, days[WARM_UP_SESSIONS], days[-1], name=name)
        returns.append(_mean_return_bps(done.outcome))
        entries += _entries(done.outcome.trade_events)
    return Row(f"{name}, gate off", tuple(returns), entries)


def _mean_return_bps(outcome: BacktestOutcome) -> float:
    equity = np.array([point.equity_usd for point in outcome.equity])
    # Simple returns: of a fair bet they average zero, while its log returns average minus half the variance.
    return 1e4 * float(np.mean(np.diff(equity) / equity[:-1]))


def verdict(row: Row) -> str:
    if abs(row.t_value) < SIGNIFICANT_T:
        return "not distinguishable from zero"
    return "sees the future" if row.t_value > 0 else "loses"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--walks", type=int, default=20, help="number of random walks, seeded 0, 1, 2 ...")
    parser.add_argument("--sessions", type=int, default=500, help="sessions a walk")
    parser.add_argument("--strategy", default="combined", help="installed desk strategy that runs beside the probe")
    options = parser.parse_args(arguments)
    seeds = range(options.walks)
    print(f"{options.walks} driftless random walks of {options.sessions} sessions, no costs")
    print(f"{'':<30}{'entries':>9}{'bps a day':>11}{'std error':>11}{'t':>8}")
    for feed in FEEDS:
        _print(f"probe, {feed}", measure(feed, Contestant(Probe), seeds, options.sessions))
    with told_to_the_person():
        # It trades a few times a year, the probe every other day: more walks for the same power.
        row = measure_desk_strategy(options.strategy, range(SELDOM_TRADER_FACTOR * options.walks), options.sessions)
    _print(f"{row.feed} ({len(row.daily_returns_bps)} walks)", row)


def _print(name: str, row: Row) -> None:
    print(f"{name:<30}{row.entries:>9}{row.mean_bps:>11.2f}{row.standard_error_bps:>11.2f}{row.t_value:>8.1f}  {verdict(row)}")


if __name__ == "__main__":
    main()
