"""Figures of a finished run, computed from its record alone: same record, same figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from desk.domain.records import EquityPoint, Refusal, RunRecord, Trip
from desk.report.new_york import session_of

EXIT_ORDER = ("target", "stop", "time", "trim", "hand")
MARK_TOLERANCE = 0.001  # of a day's range: half a spread, at which a broker may value a position


@dataclass(frozen=True, slots=True)
class DayReturn:
    """Return of one session: its last value against the last value of the session before, 0.01 for 1 %."""

    session: date
    return_fraction: float


@dataclass(frozen=True, slots=True)
class GappedStop:
    """A stop that filled below its price because the market opened through it. Prices in dollars."""

    symbol: str
    at: datetime
    shares: int
    stop_price: float
    fill_price: float

    @property
    def beyond_stop_usd(self) -> float:
        """Dollars lost beyond what the stop price promised, at or above zero for a gap."""
        return (self.stop_price - self.fill_price) * self.shares


@dataclass(frozen=True, slots=True)
class TripStatistics:
    """Counts and averages over trips. Averages are over closed trips, None when there is none; `exits` counts by reason."""

    closed: int
    still_open: int
    wins: int
    losses: int
    pnl_usd: float
    average_usd: float | None
    average_fraction: float | None
    average_held_days: float | None
    exits: Mapping[str, int]

    @property
    def even(self) -> int:
        return self.closed - self.wins - self.losses


@dataclass(frozen=True, slots=True)
class Exposure:
    """Part of the equity that was not cash, over all points: 0.3 for 30 %. Negative while short."""

    average_fraction: float
    highest_fraction: float


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """A run in figures. Fractions are of 1, money in dollars; a run without a single value of its equity has zeros.

    `costs_usd` is what the record says, and `desk.report.wording.costs_words` what that is. `beyond_stops_usd` is what stops
    sold below their prices, gapped or not; `unrealised_usd` the gain of open positions, None when it cannot be told.
    """

    equity_start_usd: float
    equity_end_usd: float
    total_return_fraction: float
    max_drawdown_fraction: float
    worst_day: DayReturn | None
    trips: TripStatistics
    gapped_stops: tuple[GappedStop, ...]
    refusals: Mapping[str, int]
    exposure: Exposure
    costs_usd: float
    costs_fraction: float
    beyond_stops_usd: float
    unrealised_usd: float | None

    @property
    def beyond_gapped_stops_usd(self) -> float:
        return sum(stop.beyond_stop_usd for stop in self.gapped_stops)


def run_statistics(record: RunRecord) -> RunStatistics:
    """Every figure that the summary and the report show."""
    values = [point.equity_usd for point in record.equity]
    start, end = (values[0], values[-1]) if values else (0.0, 0.0)
    return RunStatistics(
        equity_start_usd=start,
        equity_end_usd=end,
        total_return_fraction=total_return_fraction(values),
        max_drawdown_fraction=max_drawdown_fraction(values),
        worst_day=worst_day(record.equity),
        trips=trip_statistics(record.trips),
        gapped_stops=gapped_stops(record.trips),
        refusals=refusals_by_reason(record.refusals),
        exposure=exposure(record.equity),
        costs_usd=record.costs_usd,
        costs_fraction=record.costs_usd / start if start > 0 else 0.0,
        beyond_stops_usd=beyond_stops_usd(record.trips),
        unrealised_usd=unrealised_usd(record),
    )


def total_return_fraction(equity: Sequence[float]) -> float:
    """Last value over first value minus one; 0 without values or when the first is not above zero."""
    if not equity or equity[0] <= 0:
        return 0.0
    return float(equity[-1] / equity[0] - 1)


def drawdowns(equity: Sequence[float]) -> NDArray[np.float64]:
    """Distance below the highest value so far as a fraction of it, shape (n,), 0 at a new high.

    In [0, 1] for values at or above zero; above 1 where the equity is negative. Raises ValueError for a value that is not finite.
    """
    values = np.asarray(equity, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"equity holds {values[~np.isfinite(values)][0]}, which is no amount of dollars")
    peaks = np.maximum.accumulate(values) if len(values) else values
    # Before the equity was ever above zero there is no height to fall from.
    return np.divide(peaks - values, peaks, out=np.zeros_like(values), where=peaks > 0)


def max_drawdown_fraction(equity: Sequence[float]) -> float:
    """Deepest fall from a peak to a later trough as a fraction of the peak; 0 without values. See `drawdowns`."""
    return float(drawdowns(equity).max(initial=0.0))


def session_closes(equity: Sequence[EquityPoint]) -> dict[date, float]:
    """Last equity of each session in dollars, in order of time."""
    return {session_of(point.at): point.equity_usd for point in sorted(equity, key=lambda point: point.at)}


def day_returns(equity: Sequence[EquityPoint]) -> tuple[DayReturn, ...]:
    """Return of every session; the first session counts from the run's first value."""
    closes = session_closes(equity)
    if not closes:
        return ()
    before = [min(equity, key=lambda point: point.at).equity_usd, *closes.values()]
    pairs = zip(closes.items(), before, strict=False)
    return tuple(DayReturn(session, close / base - 1 if base > 0 else 0.0) for (session, close), base in pairs)


def worst_day(equity: Sequence[EquityPoint]) -> DayReturn | None:
    """The session with the lowest return, the earlier of equals; None when nothing can have changed yet."""
    if len(equity) < 2:
        return None
    return min(day_returns(equity), key=lambda day: day.return_fraction)


def trip_statistics(trips: Sequence[Trip]) -> TripStatistics:
    """Wins, losses, averages and exits by reason."""
    closed = [trip for trip in trips if not trip.is_open]
    pnl = [trip.pnl_usd or 0.0 for trip in closed]
    paid = [trip.entry_price * trip.shares for trip in closed]
    return TripStatistics(
        closed=len(closed),
        still_open=len(trips) - len(closed),
        wins=sum(amount > 0 for amount in pnl),
        losses=sum(amount < 0 for amount in pnl),
        pnl_usd=float(sum(pnl)),
        average_usd=_mean(pnl),
        average_fraction=_mean([amount / cost for amount, cost in zip(pnl, paid, strict=True) if cost > 0]),
        average_held_days=_mean([_held_days(trip) for trip in closed]),
        exits=_exits_by_reason(closed),
    )


def gapped_stops(trips: Iterable[Trip]) -> tuple[GappedStop, ...]:
    """Stops that the market opened through, in order of their fill."""
    found = [
        GappedStop(trip.symbol, trip.exit_at, trip.shares, trip.stop_price, trip.exit_price)
        for trip in trips
        if trip.gapped and trip.exit_at is not None and trip.exit_price is not None
    ]
    return tuple(sorted(found, key=lambda stop: (stop.at, stop.symbol)))


def beyond_stops_usd(trips: Iterable[Trip]) -> float:
    """Dollars that stops sold below their prices; one that sold at a better price counts as none."""
    sold = [trip for trip in trips if trip.exit_reason == "stop" and trip.exit_price is not None]
    return sum(max(trip.stop_price - (trip.exit_price or 0.0), 0.0) * trip.shares for trip in sold)


def unrealised_usd(record: RunRecord) -> float | None:
    """Gain of the open positions at the run's last value of the equity: what of it is no cash, less what they were bought for.

    None without open positions, without their bars of the last day, and when their prices of that day cannot come to that
    value: the account then holds something else too, or a position was left after the last value was taken.
    """
    held = [trip for trip in record.trips if trip.is_open]
    ranges = [_range_of_last_day(record, trip.symbol) for trip in held]
    if not held or not record.equity or None in ranges:
        return None
    last = max(record.equity, key=lambda point: point.at)
    value = last.equity_usd - last.cash_usd
    lowest, highest = (
        sum(trip.shares * each[side] for trip, each in zip(held, ranges, strict=True) if each is not None) for side in (0, 1)
    )
    if not lowest * (1 - MARK_TOLERANCE) <= value <= highest * (1 + MARK_TOLERANCE):
        return None
    return value - sum(trip.shares * trip.entry_price for trip in held)


def _range_of_last_day(record: RunRecord, symbol: str) -> tuple[float, float] | None:
    """Low and high in dollars, None without a bar of the run's last session."""
    bars, day = record.daily.get(symbol), record.last_session
    if bars is None or day is None or day not in bars.sessions:
        return None
    place = bars.sessions.index(day)
    return float(bars.low[place]), float(bars.high[place])


def refusals_by_reason(refusals: Iterable[Refusal]) -> dict[str, int]:
    """How many trades were refused for each reason, the most frequent first."""
    counts = Counter(refusal.reason for refusal in refusals)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def exposure(equity: Sequence[EquityPoint]) -> Exposure:
    """Average and highest part of the equity that was invested, every point counted alike."""
    parts = [1 - point.cash_usd / point.equity_usd for point in equity if point.equity_usd > 0]
    return Exposure(float(np.mean(parts)), max(parts)) if parts else Exposure(0.0, 0.0)


def _exits_by_reason(closed: Iterable[Trip]) -> dict[str, int]:
    counts = Counter(trip.exit_reason or "unknown" for trip in closed)
    known = {reason: counts.pop(reason) for reason in EXIT_ORDER if reason in counts}
    return known | dict(sorted(counts.items()))


def _held_days(trip: Trip) -> float:
    return (trip.exit_at - trip.entry_at).total_seconds() / 86_400 if trip.exit_at else 0.0


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
