"""The exchange's lines of the table: orders taken, order to fill, simulated sessions, memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.exchange_load import Acceptance, RoundTrip, measure_acceptance, measure_round_trip
from benchmarks.exchange_replay import Replay, measure_replay
from benchmarks.isolated import isolated
from benchmarks.row import Row
from benchmarks.rules import Task

ORDERS_AIM, P99_AIM_MS, YEAR_AIM_SECONDS = 1_000.0, 25.0, 60.0
SESSIONS_OF_A_YEAR = 252


@dataclass(frozen=True)
class ExchangeSize:
    """How much the exchange is given to do."""

    orders: int
    trips: int
    replays: tuple[Task, ...]


FULL = ExchangeSize(8_000, 2_000, (Task(10, SESSIONS_OF_A_YEAR), Task(500, 10)))
QUICK = ExchangeSize(80, 20, (Task(2, 2),))


@dataclass(frozen=True)
class ExchangeFigures:
    acceptance: Acceptance
    trip: RoundTrip
    replays: tuple[Replay, ...]


def measure(size: ExchangeSize, tell: Callable[[str], None]) -> ExchangeFigures:
    acceptance = isolated(measure_acceptance, size.orders)
    tell(f"exchange: {acceptance.per_second:,.0f} orders a second")
    trip = isolated(measure_round_trip, size.trips)
    tell(f"exchange: {trip.p50:.1f} ms from order to fill")
    replays = []
    for task in size.replays:
        replays.append(isolated(measure_replay, task))
        tell(f"exchange: {task.symbols} symbols, {replays[-1].sessions_a_second:.1f} sessions a second")
    return ExchangeFigures(acceptance, trip, tuple(replays))


def rows(figures: ExchangeFigures) -> list[Row]:
    return [_orders(figures.acceptance), *_trips(figures.trip), *map(_replay, figures.replays), *_memory(figures.replays[0])]


def _orders(found: Acceptance) -> Row:
    return Row(
        "exchange: market orders taken over HTTP",
        f"{found.per_second:,.0f} a second",
        f"a bare server {found.bare_per_second:,.0f}",
        found.per_second / found.bare_per_second,
        f"{ORDERS_AIM:,.0f} a second",
        found.per_second >= ORDERS_AIM,
    )


def _trips(found: RoundTrip) -> list[Row]:
    what = "exchange: market order to its fill on the stream"
    return [
        Row(f"{what}, p50", f"{found.p50:.2f} ms", f"a bare server {found.bare_p50:.2f} ms", found.p50 / found.bare_p50),
        Row(
            f"{what}, p99",
            f"{found.p99:.2f} ms",
            f"a bare server {found.bare_p99:.2f} ms",
            found.p99 / found.bare_p99,
            f"under {P99_AIM_MS:g} ms",
            found.p99 < P99_AIM_MS,
        ),
    ]


def _replay(found: Replay) -> Row:
    is_year = found.sessions >= SESSIONS_OF_A_YEAR
    rival = found.rival_sessions_a_second
    here = (
        f"{found.sessions_a_second:.1f} sessions a second ({found.sessions} in {found.seconds:.1f} s, {found.bars:,} bars read)"
    )
    return Row(
        f"exchange: minutes of {found.symbols} symbols, an hourly client",
        here,
        "backtrader is not installed" if rival is None else f"backtrader {rival:.1f}, its data read before",
        None if rival is None else found.sessions_a_second / rival,
        f"a year under {YEAR_AIM_SECONDS:g} s" if is_year else "",
        found.seconds < YEAR_AIM_SECONDS if is_year else None,
    )


def _memory(found: Replay) -> list[Row]:
    if not found.megabytes_before:
        return []
    what = f"exchange: memory after {found.sessions} sessions, {found.symbols} symbols"
    ratio = found.megabytes_after / found.megabytes_before
    return [Row(what, f"{found.megabytes_after:.0f} MB", f"after the first look {found.megabytes_before:.0f} MB", ratio)]
