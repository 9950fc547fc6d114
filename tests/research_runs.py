"""Runs made by hand for the tests of the research commands: a few sessions, one symbol, trades whose outcome is plain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from desk.data.calendars import NEW_YORK
from desk.data.source import Instrument, Source
from desk.domain.market import DailyBars
from desk.domain.records import EquityPoint, RunRecord, Trip
from desk.research.compare import HOLD, Comparison, Row, Stage
from desk.research.compare_figures import buy_and_hold, correlations, curve_of, figures_of
from desk.research.compare_null import random_moments

FIRST = date(2024, 1, 1)
START_USD = 100_000.0


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def at(number: int, hour: int = 16, minute: int = 0) -> datetime:
    return datetime.combine(day(number), time(hour, minute), NEW_YORK).astimezone(UTC)


def bars(closes: Sequence[float], first: int = 0) -> DailyBars:
    """Each session opens at the close before it, and nothing happens beyond the two."""
    close = np.array(closes, dtype=np.float64)
    opened = np.concatenate((close[:1], close[:-1]))
    days = tuple(day(first + number) for number in range(len(close)))
    return DailyBars(days, opened, np.maximum(opened, close), np.minimum(opened, close), close, np.ones(len(close)))


def trip(entered: int, left: int | None, price: float = 100.0, exit_price: float = 100.0, shares: int = 100) -> Trip:
    """Bought at the open of one session and sold at the close of another, or still held."""
    if left is None:
        return Trip("AAA", shares, at(entered, 9, 30), price, price * 0.95, price * 1.15)
    pnl_usd = shares * (exit_price - price)
    return Trip(
        "AAA", shares, at(entered, 9, 30), price, price * 0.95, price * 1.15, None, at(left), exit_price, "target", pnl_usd
    )


def record(closes_usd: Sequence[float], trips: Sequence[Trip] = (), prices: DailyBars | None = None) -> RunRecord:
    """A backtest with these equities at the closes, from `START_USD`, all of it cash."""
    points = [EquityPoint(at(0, 9, 30), START_USD, START_USD)]
    points += [EquityPoint(at(number), value, value) for number, value in enumerate(closes_usd)]
    return RunRecord(
        strategy="made",
        broker="backtest",
        source="made up",
        seed=None,
        first_session=day(0),
        last_session=day(len(closes_usd) - 1),
        sessions=len(closes_usd),
        iterations=len(closes_usd),
        equity=tuple(points),
        trips=tuple(trips),
        refusals=(),
        daily={} if prices is None else {"AAA": prices},
        gate_threshold=None,
        gate_refusals=0,
        gate_enforced=False,
        unprotected_share_seconds=math.nan,
        notes=("Made by hand.",),
    )


def made_comparison(label: str = "made") -> Comparison:
    """One strategy with a trade and one without, on a market of thirty sessions."""
    prices = bars((100 * np.cumprod(1 + np.random.default_rng(3).normal(0, 0.02, 30))).tolist())
    values = (START_USD * np.cumprod(1 + np.random.default_rng(4).normal(0, 0.01, 30))).tolist()
    run, idle = record(values, [trip(5, 9)], prices), record([START_USD] * 30)
    curves = {label: curve_of(run), "idle": curve_of(idle)}
    curves[HOLD], hold = buy_and_hold([prices], curves[label].sessions, START_USD, 0.0006)
    rows = (
        Row(label, run, figures_of(run), random_moments(run, 0.0006, 50, 1)),
        Row("idle", idle, figures_of(idle), random_moments(idle, 0.0006, 50, 1)),
    )
    source = Source("made", "made up", {}, {"AAA": Instrument("AAA", "made")})
    where = Stage(source, ("AAA",), at(0).date(), at(29).date())
    return Comparison(where, 1.0, 5.0, rows, hold, curves, correlations(tuple(curves.values())), 50, 1)
