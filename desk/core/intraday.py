"""What a strategy on intraday bars asks before it decides: are they of now, may it enter, is there anything to leave."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from desk.domain.market import IntradayBars, Market
from desk.domain.trades import Book

NEW_YORK = ZoneInfo("America/New_York")
# No session since 1985 has opened earlier; one that opened later only makes the first bar wait longer.
OPENING = time(9, 30)


def current_bars(market: Market, symbol: str, seconds: int, bars_missed: int = 0) -> IntradayBars | None:
    """The symbol's completed bars of `seconds` when they reach up to now, else None: there are none, or of another length only,
    or some that are due have not come.

    The last bar must be of this session and have ended no more than `bars_missed` + 1 bars ago. Before as much time has passed
    since the opening it may be of the session before, which is that of the last daily bar. A feed sees no bar where nothing
    traded: on short bars some may be missed.
    """
    bars, daily = market.intraday.get(symbol), market.bars.get(symbol)
    if bars is None or bars.seconds != seconds or not len(bars) or daily is None:
        return None
    waited = (bars_missed + 1) * bars.seconds
    last = datetime.fromtimestamp(int(bars.starts[-1]), NEW_YORK)
    if last.date() == market.session:
        return bars if market.now.timestamp() - int(bars.starts[-1]) - bars.seconds <= waited else None
    opening = datetime.combine(market.session, OPENING, NEW_YORK)
    is_before = len(daily) > 0 and last.date() == daily.sessions[-1]
    return bars if is_before and (market.now - opening).total_seconds() <= waited else None


def may_enter(book: Book, symbol: str, session: date) -> bool:
    """Whether an entry makes sense: nothing of the symbol is held or being bought, and it was not left in this session."""
    # Review refuses to buy back what was left today; a wish that is refused at every look would fill the journal.
    return not book.trades_of(symbol) and book.last_exit.get(symbol) != session


def may_leave(book: Book, symbol: str) -> bool:
    """Whether there is anything to leave that is not on its way out; what a person bought leaves by its exits alone."""
    trades = book.trades_of(symbol)
    return any(trade.exit_requested is None for trade in trades) and not any(trade.is_adopted for trade in trades)
