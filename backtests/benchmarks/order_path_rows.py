"""The order path's lines of the table: journal writes, guarded orders, restart, recovery of the stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.isolated import isolated
from benchmarks.order_path import (
    Recovery,
    Restart,
    Sending,
    Writes,
    measure_recovery,
    measure_restart,
    measure_sending,
    measure_writes,
)
from benchmarks.row import Row

RESTART_AIM_SECONDS, RECOVERY_AIM_SECONDS = 2.0, 3.0


@dataclass(frozen=True)
class OrderPathSize:
    """How much is written, sent, recovered and broken."""

    writes: int
    orders: int
    journal_rows: int
    positions: int
    breaks: int


FULL = OrderPathSize(writes=3_000, orders=600, journal_rows=10_000, positions=50, breaks=7)
QUICK = OrderPathSize(writes=50, orders=20, journal_rows=200, positions=3, breaks=1)


@dataclass(frozen=True)
class OrderPathFigures:
    writes: Writes
    sending: Sending
    restart: Restart
    recovery: Recovery


def measure(size: OrderPathSize, tell: Callable[[str], None]) -> OrderPathFigures:
    writes = isolated(measure_writes, size.writes)
    tell(f"order path: {writes.per_second:,.0f} journal writes a second")
    sending = isolated(measure_sending, size.orders)
    tell(f"order path: {sending.milliseconds:.2f} ms an order")
    restart = isolated(measure_restart, size.journal_rows, size.positions)
    tell(f"order path: {restart.seconds:.2f} s from restart to reconciled")
    recovery = isolated(measure_recovery, size.breaks)
    tell(f"order path: {recovery.seconds:.2f} s from a broken stream to the truth")
    return OrderPathFigures(writes, sending, restart, recovery)


def rows(figures: OrderPathFigures) -> list[Row]:
    return [_writes(figures.writes), _sending(figures.sending), _restart(figures.restart), _recovery(figures.recovery)]


def _writes(found: Writes) -> Row:
    beside = f"an insert and commit of SQLite alone {found.bare_per_second:,.0f}"
    return Row("journal: rows written one by one, full sync", f"{found.per_second:,.0f} a second", beside, found.ratio)


def _sending(found: Sending) -> Row:
    over = found.milliseconds - found.plain_milliseconds
    here = f"{found.milliseconds:.2f} ms ({over:+.2f} ms)"
    return Row("guarded client: a market order", here, f"alpaca-py alone {found.plain_milliseconds:.2f} ms", found.ratio)


def _restart(found: Restart) -> Row:
    return Row(
        f"restart to reconciled, {found.rows:,} journal rows, {found.positions} positions",
        f"{found.seconds:.2f} s",
        f"an empty journal and account {found.fresh_seconds:.2f} s",
        found.seconds / found.fresh_seconds,
        f"under {RESTART_AIM_SECONDS:g} s",
        found.seconds < RESTART_AIM_SECONDS,
    )


def _recovery(found: Recovery) -> Row:
    return Row(
        "a broken order stream to the broker's truth",
        f"{found.seconds:.2f} s (median of {found.breaks})",
        f"up to {found.wait_seconds:g} s of it are the wait before the first try; alpaca-py's stream never asks",
        None,
        f"under {RECOVERY_AIM_SECONDS:g} s",
        found.seconds < RECOVERY_AIM_SECONDS,
    )
