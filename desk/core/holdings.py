"""What the desk holds of each symbol, and whether anything about it is in motion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from desk.core.exits import overdue
from desk.core.protect import is_settled
from desk.domain.market import Market
from desk.domain.trades import Book, Trade


@dataclass(frozen=True, slots=True)
class Holding:
    """Open trades of one symbol.

    `shares` are held, `staying` those of them that are not on their way out; `working_usd` is what entries may still cost.
    `late` are overdue trades, each with the reason. With a `motion`, in words, nothing may be asked of the symbol but to leave.
    """

    symbol: str
    shares: int
    staying: int
    working_usd: float
    late: tuple[tuple[Trade, str], ...]
    motion: str | None


def holdings(book: Book, market: Market) -> dict[str, Holding]:
    """Holdings by symbol, those too of which nothing but a working entry is there, in the order of their first trades."""
    grouped: dict[str, list[Trade]] = {}
    for trade in book.open.values():
        grouped.setdefault(trade.symbol, []).append(trade)
    return {symbol: _holding(symbol, trades, market) for symbol, trades in grouped.items()}


def _holding(symbol: str, trades: Sequence[Trade], market: Market) -> Holding:
    late = tuple((trade, why) for trade in trades if (why := overdue(trade, market)) is not None)
    leaving = {trade.key for trade, _ in late}
    return Holding(
        symbol,
        sum(trade.shares for trade in trades),
        sum(_staying(trade) for trade in trades if trade.key not in leaving),
        sum(_working_usd(trade) for trade in trades),
        late,
        late[0][1] if late else _motion(trades),
    )


def _staying(trade: Trade) -> int:
    if trade.is_being_sold or trade.exit_requested is not None:
        return 0
    return trade.keep if trade.is_renewing and trade.keep is not None else trade.shares


def _working_usd(trade: Trade) -> float:
    if not trade.is_entry_working:
        return 0.0
    return (trade.spec.quantity - trade.entered) * float(trade.spec.limit_price or 0)


_MOTIONS: tuple[tuple[Callable[[Trade], bool], str], ...] = (
    (lambda trade: trade.is_entry_working, "an entry is still working"),
    (lambda trade: trade.is_renewing, "exits are being replaced"),
    (lambda trade: trade.is_being_sold or trade.exit_requested is not None, "an exit is on its way"),
    (lambda trade: not is_settled(trade), "shares wait for their exits"),
)


def _motion(trades: Sequence[Trade]) -> str | None:
    return next((words for is_so, words in _MOTIONS for trade in trades if is_so(trade)), None)
