"""Pattern day trading, the rule that ended on 2026-06-04 (FINRA regulatory notice 26-10), for those who still test against it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from desk.data.calendars import NEW_YORK
from desk.exchange.ledger import Execution
from desk.exchange.machine.orders import ZERO

PATTERN_FREE_FROM_USD = Decimal(25_000)
WINDOW_SESSIONS = 5
MOST_DAY_TRADES = 3


def day_trades(executions: Iterable[Execution], days: Sequence[date], today: date) -> int:
    """Positions opened and closed on one day, counted once a symbol and day, in the five sessions that end with `today`."""
    first = days[max(0, bisect_right(days, today) - WINDOW_SESSIONS)] if days else today
    closed = (day for day, _, is_closed in _rounds(executions) if is_closed)
    return sum(first <= day <= today for day in closed)


def undaytradable(executions: Sequence[Execution], days: Sequence[date], today: date) -> frozenset[str]:
    """Symbols opened today that may not be closed today, when three day trades are behind the account already."""
    if day_trades(executions, days, today) < MOST_DAY_TRADES:
        return frozenset()
    return frozenset(symbol for day, symbol, is_closed in _rounds(executions) if day == today and not is_closed)


def _rounds(executions: Iterable[Execution]) -> list[tuple[date, str, bool]]:
    """(day, symbol, whether it was closed that day too) of everything that was opened."""
    shares: dict[str, Decimal] = {}
    rounds: dict[tuple[date, str], bool] = {}
    for execution in executions:
        symbol, day = execution.symbol, execution.at.astimezone(NEW_YORK).date()
        held = shares.get(symbol, ZERO)
        shares[symbol] = held + execution.signed_quantity
        if held * execution.signed_quantity >= 0:
            rounds.setdefault((day, symbol), False)
        elif (day, symbol) in rounds:
            rounds[day, symbol] = True
    return [(day, symbol, is_closed) for (day, symbol), is_closed in rounds.items()]
