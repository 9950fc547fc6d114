"""What the sleeve holds, by the book's own trades, and for how many sessions it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from desk.domain.market import Market
from desk.domain.trades import Book, Trade
from hedging.exposure import paid_price
from hedging.prices import dear_price
from hedging.rules import HedgeRules, InverseFund, symbols

NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class Position:
    """One fund of the sleeve: `shares` held, `committed` with those still being bought, and their dollars.

    `sessions` are the completed ones since the first fill, its own included; 0 before it. `price_usd` is None when the
    market shows no usable price; the value is then that of what was paid.
    """

    fund: InverseFund
    shares: int
    committed: int
    value_usd: float
    price_usd: float | None
    sessions: int


def positions(book: Book, market: Market, rules: HedgeRules) -> tuple[Position, ...]:
    """Funds with an open trade, the largest first: a trade that still buys or sells is not gone."""
    trades: dict[str, list[Trade]] = {fund.symbol: [] for fund in rules.inverse_etfs}
    for trade in book.open.values():
        if trade.symbol in trades and not trade.is_closed:
            trades[trade.symbol].append(trade)
    held = [_position(fund, trades[fund.symbol], market, rules) for fund in rules.inverse_etfs if trades[fund.symbol]]
    return tuple(sorted(held, key=lambda position: -position.value_usd))


def _position(fund: InverseFund, trades: Sequence[Trade], market: Market, rules: HedgeRules) -> Position:
    price = dear_price(market, fund.symbol)
    value = sum(_committed(trade) * (paid_price(trade) if price is None else price) for trade in trades)
    filled = [(trade.entered_at or trade.decided_at).astimezone(NEW_YORK).date() for trade in trades if trade.shares > 0]
    sessions = sessions_since(min(filled), market, rules) if filled else 0
    return Position(fund, sum(t.shares for t in trades), sum(map(_committed, trades)), value, price, sessions)


def _committed(trade: Trade) -> int:
    return trade.shares + (max(trade.spec.quantity - trade.entered, 0) if trade.is_entry_working else 0)


def sessions_since(first: date, market: Market, rules: HedgeRules) -> int:
    """Completed sessions from `first` on, by every calendar that the hedge sees; exact up to `rules.max_hold_sessions`.

    When no symbol has bars any more, the weekdays since count: a hold must not become endless because data stopped coming.
    """
    calendars = [market.bars[symbol].sessions for symbol in symbols(rules) if symbol in market.bars]
    seen = {day for days in calendars for day in days[-rules.max_hold_sessions :] if day >= first}
    unseen_from = max([first, *(days[-1] + timedelta(days=1) for days in calendars if days)])
    unseen = int(np.busday_count(unseen_from, market.session)) if unseen_from < market.session else 0
    # A single weekday without any bar is a holiday; more of them are bars that did not come.
    return len(seen) + (unseen if unseen > 1 else 0)
