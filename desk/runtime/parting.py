"""The last thing that a desk does before its process leaves: nothing that it began is left half-way, with nobody to finish it."""

from __future__ import annotations

from collections.abc import Callable

from desk.domain.trades import Trade
from desk.runtime.clock import stopwatch
from desk.runtime.desk import Desk

LOOK_SECONDS = 0.1


def part(desk: Desk, patience_seconds: float, wait: Callable[[float], object], say: Callable[[str], None]) -> list[str]:
    """End what could buy shares without exits, and wait until every share has its own. Returns what has not, in words.

    Entries whose exits wake when they are complete are left to the broker, unless they are half-filled.
    """
    deadline, told = stopwatch() + patience_seconds, False
    while True:
        desk.guard({}, is_last=True)
        left = [trade for trade in desk.book.open.values() if is_open_ended(trade)]
        if not left or stopwatch() > deadline:
            return [_words(trade) for trade in left if trade.shares]
        if not told:
            say(f"Waiting until every share has its exits: {', '.join(sorted({trade.symbol for trade in left}))}.")
            told = True
        wait(LOOK_SECONDS)


def is_open_ended(trade: Trade) -> bool:
    """Whether something of a trade still buys shares without exits, or has shares without them."""
    is_plain_purchase = trade.is_entry_working and trade.spec.stop_loss is None
    return is_plain_purchase or not trade.is_protected


def _words(trade: Trade) -> str:
    return f"{trade.shares} {trade.symbol} without exits that are known to rest at the broker"
