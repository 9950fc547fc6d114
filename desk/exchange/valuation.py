"""Account and positions at the current price, in Alpaca's shapes."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid5

from desk.data.calendars import NEW_YORK
from desk.exchange.account import available, buying_power
from desk.exchange.book import NAMESPACE, Holding
from desk.exchange.venue import Exchange
from desk.exchange.wire import EXCHANGE_OF_ASSETS, Json, asset_id, instant, money, number, rounded

CENT = Decimal("0.01")


def account_json(exchange: Exchange) -> Json:
    """A cash account: no margin, so buying power is cash less what open buys reserve."""
    book, equity = exchange.book, exchange.equity()
    previous = exchange.sessions.previous_day(exchange.now)
    power, invested = money(buying_power(book)), money(equity - book.cash_usd)
    shape: Json = {
        "id": str(uuid5(NAMESPACE, f"{book.seed}/account")),
        "account_number": f"PA{book.seed:010d}",
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": money(book.cash_usd),
        "multiplier": "1",
        "shorting_enabled": False,
        "options_approved_level": 0,
        "options_trading_level": 0,
        "balance_asof": None if previous is None else previous.isoformat(),
        "created_at": instant(exchange.opened_at),
        "last_equity": money(_last_equity(exchange)),
    }
    shape.update(dict.fromkeys(("equity", "portfolio_value"), money(equity)))
    shape.update(dict.fromkeys(("buying_power", "regt_buying_power", "non_marginable_buying_power"), power))
    margins = ("long_market_value", "initial_margin", "maintenance_margin", "last_maintenance_margin")
    shape.update(dict.fromkeys(margins, invested))
    zeros = ("short_market_value", "options_buying_power", "sma", "accrued_fees", "pending_reg_taf_fees", "intraday_adjustments")
    shape.update(dict.fromkeys(zeros, "0"))
    shape.update(dict.fromkeys(("trading_blocked", "transfers_blocked", "account_blocked", "trade_suspended_by_user"), False))
    return shape


def _last_equity(exchange: Exchange) -> Decimal:
    """Equity at the close before New York's date; what the account was opened with on its first day."""
    today = exchange.now.astimezone(NEW_YORK).date()
    marks = exchange.ledger.marks
    before = (mark for mark in reversed(marks) if mark.at.astimezone(NEW_YORK).date() < today)
    return next(before, marks[0]).equity_usd


def position_json(exchange: Exchange, symbol: str, holding: Holding) -> Json:
    """One long position, marked at the last trade."""
    price = exchange.last(symbol)
    close = exchange.market.previous_close(symbol, exchange.now)
    lastday = price if close is None else close * CENT
    value, cost = price * holding.shares, holding.cost_usd
    today = (price - lastday) * holding.shares
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": EXCHANGE_OF_ASSETS,
        "asset_class": "us_equity",
        "asset_marginable": False,
        "qty": str(holding.shares),
        "qty_available": str(available(exchange.book, symbol)),
        "side": "long",
        "avg_entry_price": rounded(cost / holding.shares),
        "market_value": number(value),
        "cost_basis": rounded(cost),
        "unrealized_pl": rounded(value - cost),
        "unrealized_plpc": rounded((value - cost) / cost if cost else Decimal(0)),
        "unrealized_intraday_pl": rounded(today),
        "unrealized_intraday_plpc": rounded((price - lastday) / lastday if lastday else Decimal(0)),
        "current_price": number(price),
        "lastday_price": number(lastday),
        "change_today": rounded((price - lastday) / lastday if lastday else Decimal(0)),
    }


def positions_json(exchange: Exchange) -> list[Json]:
    return [position_json(exchange, symbol, holding) for symbol, holding in sorted(exchange.book.holdings.items())]
