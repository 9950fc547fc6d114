"""Markets with intraday bars, and books, for tests of strategies that look at them. The sessions are of September 2008."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import numpy as np

from desk.data.calendars import Session, session_dates, session_on
from desk.domain.market import DailyBars, IntradayBars, Market
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Book, Trade

SYMBOL = "AAA"
DAYS = session_dates(date(2008, 7, 1), date(2008, 9, 30))


def session(day: date) -> Session:
    found = session_on(day)
    assert found is not None
    return found


def starts_of(seconds: int, days: Sequence[date]) -> list[int]:
    """Starts of all bars of these sessions."""
    found: list[int] = []
    for each in map(session, days):
        found += range(int(each.opens_at.timestamp()), int(each.closes_at.timestamp()), seconds)
    return found


def bars_of(seconds: int, starts: Sequence[int], close: Sequence[float], volume: Sequence[float] | None = None) -> IntradayBars:
    """Bars without width: every price is the close; volume 1000 where none is given."""
    price = np.array(close, dtype=float)
    shares = np.full(len(price), 1000.0) if volume is None else np.array(volume, dtype=float)
    return IntradayBars(seconds, np.array(starts[: len(price)], dtype=np.int64), price, price, price, price, shares)


def market_of(bars: IntradayBars, now: datetime, symbol: str = SYMBOL) -> Market:
    """The market at `now`: the bars completed by then, and flat daily bars of the sessions before."""
    day = now.astimezone(session(DAYS[0]).opens_at.tzinfo).date()
    before = tuple(each for each in DAYS if each < day)
    price = np.full(len(before), 100.0)
    daily = DailyBars(before, price, price + 1, price - 1, price, price)
    return Market(now, day, {symbol: daily}, intraday=MappingProxyType({symbol: bars.until(now)}))


def after(bars: IntradayBars, count: int, seconds: int = 0) -> datetime:
    """So many seconds after the end of the first `count` bars."""
    return datetime.fromtimestamp(int(bars.starts[count - 1]) + bars.seconds + seconds, session(DAYS[0]).opens_at.tzinfo)


def trade_of(at: datetime, symbol: str = SYMBOL, is_adopted: bool = False) -> Trade:
    spec = OrderSpec(
        "k1", symbol, Side.BUY, 10, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100), take_profit=Decimal(115),
        stop_loss=Decimal(95),
    )  # fmt: skip
    return Trade(
        spec,
        at - timedelta(hours=1),
        100.0,
        "test",
        entry_status=OrderStatus.FILLED,
        entered=10,
        entered_at=at,
        is_adopted=is_adopted,
    )


def book_of(*trades: Trade) -> Book:
    return Book(open=MappingProxyType({trade.key: trade for trade in trades}))
