"""Runs made by hand for the tests of the research commands: a few sessions, one symbol, trades whose outcome is plain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from desk.data.calendars import NEW_YORK
from desk.domain.market import DailyBars
from desk.domain.records import EquityPoint, RunRecord, Trip

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
