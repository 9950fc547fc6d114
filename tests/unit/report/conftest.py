"""A made-up run to draw and describe: seeded random walks, trips that hit stops, targets and time, one stop that gapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from desk.domain.market import DailyBars
from desk.domain.records import EquityPoint, Refusal, RunRecord, Trip

NEW_YORK = ZoneInfo("America/New_York")
FIRST = date(2008, 9, 2)
START_USD = 100_000.0
LEAD_IN = 10


def weekdays(first: date, n: int) -> list[date]:
    days = (first + timedelta(days=i) for i in range(2 * n + 7))
    return [day for day in days if day.weekday() < 5][:n]


def moment(day: date, hour: int, minute: int = 30) -> datetime:
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


def walk(sessions: list[date], rng: np.random.Generator, start: float) -> DailyBars:
    n = len(sessions)
    close = start * np.exp(np.cumsum(rng.normal(-0.001, 0.028, n)))
    open_ = np.concatenate([[start], close[:-1]]) * np.exp(rng.normal(0, 0.006, n))
    reach = np.abs(rng.normal(0, 0.009, (2, n)))
    high = np.maximum(open_, close) * (1 + reach[0])
    low = np.minimum(open_, close) * (1 - reach[1])
    return DailyBars(tuple(sessions), open_, high, low, close, np.full(n, 1e6))


def trips_on(symbol: str, bars: DailyBars, rng: np.random.Generator) -> list[Trip]:
    trips: list[Trip] = []
    i = LEAD_IN + int(rng.integers(0, 6))
    while i < len(bars) - 1:
        trip, i = one_trip(symbol, bars, i, float(rng.uniform(0.35, 0.7)))
        trips.append(trip)
        i += int(rng.integers(2, 9))
    return trips


def one_trip(symbol: str, bars: DailyBars, i: int, confidence: float) -> tuple[Trip, int]:
    entry = float(bars.open[i])
    shares = int(15_000 / entry)
    stop, target = round(entry * 0.95, 2), round(entry * 1.15, 2)
    base = dict(symbol=symbol, shares=shares, entry_at=moment(bars.sessions[i], 10), entry_price=entry)
    base |= dict(stop_price=stop, target_price=target, confidence=confidence)
    for j in range(i + 1, min(i + 11, len(bars))):
        left = exit_in(bars, j, stop, target, j - i == 10)
        if left:
            price, reason, gapped = left
            at = moment(bars.sessions[j], 9 if gapped else 13)
            return Trip(
                **base, exit_at=at, exit_price=price, exit_reason=reason, pnl_usd=(price - entry) * shares, gapped=gapped
            ), j
    return Trip(**base), len(bars)


def exit_in(bars: DailyBars, j: int, stop: float, target: float, last: bool) -> tuple[float, str, bool] | None:
    if bars.open[j] < stop:
        return float(bars.open[j]), "stop", True
    if bars.low[j] <= stop:
        return stop, "stop", False
    if bars.high[j] >= target:
        return target, "target", False
    return (float(bars.close[j]), "time", False) if last else None


def equity_of(sessions: list[date], daily: dict[str, DailyBars], trips: list[Trip], an_hour: bool) -> tuple[EquityPoint, ...]:
    points = []
    for day in sessions:
        for hour in range(9, 16) if an_hour else (15,):
            at = moment(day, hour)
            points.append(EquityPoint(at, *worth(at, day, daily, trips)))
    return tuple(points)


def worth(at: datetime, day: date, daily: dict[str, DailyBars], trips: list[Trip]) -> tuple[float, float]:
    cash, held = START_USD, 0.0
    for trip in trips:
        if trip.entry_at > at:
            continue
        if trip.exit_at is not None and trip.exit_at <= at:
            cash += trip.pnl_usd or 0.0
            continue
        bars = daily[trip.symbol]
        i = bars.sessions.index(day)
        part = (at.astimezone(NEW_YORK).hour - 9) / 6
        cash -= trip.shares * trip.entry_price
        held += trip.shares * float(bars.open[i] * (1 - part) + bars.close[i] * part)
    return cash + held, cash


def refusals_of(sessions: list[date]) -> tuple[Refusal, ...]:
    found = [
        Refusal(moment(day, 11), "GOOG", "EXITED_TODAY", "GOOG was sold today: no new entry before tomorrow")
        for day in sessions[3::9]
    ]
    found += [Refusal(moment(day, 12), "IBM", "CASH", "100 shares cost $9,120.00, cash is $4,310.22") for day in sessions[5::6]]
    found.append(Refusal(moment(sessions[-1], 10), "FB", "NO_PRICE", "no bar since <b>2008-09-02</b> & no quote"))
    return tuple(found)


@pytest.fixture(scope="session")
def build_record() -> Callable[..., RunRecord]:
    """build_record(seed=7, sessions=60, symbols=(...), an_hour=True) -> a finished run."""

    def build(
        seed: int = 7,
        sessions: int = 60,
        symbols: tuple[str, ...] = ("AAPL", "MSFT", "IBM", "GOOG", "FB"),
        an_hour: bool = True,
    ) -> RunRecord:
        rng = np.random.default_rng(seed)
        days = weekdays(FIRST - timedelta(days=14), sessions + LEAD_IN)
        run_days = days[LEAD_IN:]
        daily = {symbol: walk(days, rng, float(rng.uniform(20, 400))) for symbol in symbols}
        trips = [trip for symbol in symbols for trip in trips_on(symbol, daily[symbol], rng)]
        return RunRecord(
            strategy="combined",
            broker="built-in exchange",
            source="bundled: bokeh_sampledata daily bars 2000 to 2013",
            seed=seed,
            first_session=run_days[0],
            last_session=run_days[-1],
            sessions=sessions,
            iterations=sessions * 7,
            equity=equity_of(run_days, daily, trips, an_hour),
            trips=tuple(replace(trip, is_protected=trip.is_open) for trip in sorted(trips, key=lambda trip: trip.entry_at)),
            refusals=refusals_of(run_days),
            daily=daily,
            gate_threshold=0.6,
            gate_refusals=sum((trip.confidence or 0) < 0.6 for trip in trips),
            gate_enforced=False,
            unprotected_share_seconds=0.0,
            costs_usd=37.5,
            entries=len(trips),
            notes=("Prices are adjusted for splits and dividends.", "SH, SPXS and SQQQ are derived from index returns."),
        )

    return build


@pytest.fixture(scope="session")
def record(build_record: Callable[..., RunRecord]) -> RunRecord:
    return build_record()


@pytest.fixture(scope="session")
def empty_record(build_record: Callable[..., RunRecord]) -> RunRecord:
    """A run that was stopped before its first iteration."""
    return RunRecord(
        strategy="combined",
        broker="built-in exchange",
        source="bundled",
        seed=None,
        first_session=None,
        last_session=None,
        sessions=0,
        iterations=0,
        equity=(),
        trips=(),
        refusals=(),
        daily={},
        gate_threshold=None,
        gate_refusals=0,
        gate_enforced=True,
        unprotected_share_seconds=0.0,
    )
