"""The read-only page at `/`: account, positions with stop and target, open orders, last fills, equity so far.

It needs no keys, since only this machine can reach it; it loads nothing from anywhere else. The document is `page.html`.
With several accounts, `/?account=1` shows the second.
"""

from __future__ import annotations

from decimal import Decimal
from importlib.resources import files

from desk.data.calendars import NEW_YORK
from desk.exchange.api.wire import Json
from desk.exchange.machine.book import multiplier
from desk.exchange.machine.orders import ZERO, Order
from desk.exchange.rules.reservations import closing_side, unprotected_shares
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange
from desk.exchange.words import Status

PAGE = (files("desk.exchange.api") / "page.html").read_text(encoding="utf-8")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
LATEST_FILLS, EQUITY_POINTS = 15, 400


def page_json(exchange: Exchange, number: str = "0") -> Json:
    """What the page shows of an account, the first for a number that there is not; every figure ready to print."""
    accounts = {str(account.number): account for account in exchange.accounts.values()}
    account = accounts.get(number, exchange.first)
    equity, start = account.equity(), account.ledger.marks[0].equity_usd
    return {
        "now": exchange.now.astimezone(NEW_YORK).strftime("%a %Y-%m-%d %H:%M:%S"),
        "is_open": exchange.sessions.is_open(exchange.now),
        "label": exchange.market.source.label,
        "seed": exchange.config.seed,
        "accounts": len(accounts),
        "account": account.number,
        "equity": _dollars(equity),
        "cash": _dollars(account.book.cash_usd),
        "change": f"{(equity / start - 1) * 100:+.2f} %",
        "positions": [_position(account, symbol) for symbol in sorted(account.book.holdings)],
        "orders": [_order(order) for order in account.book.live_orders()],
        "fills": [
            [
                execution.at.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M"),
                execution.side,
                _quantity(execution.quantity),
                execution.symbol,
                _price(execution.price),
            ]
            for execution in account.ledger.executions[: -LATEST_FILLS - 1 : -1]
        ],
        "curve": _curve(account, equity),
    }


def _position(account: Account, symbol: str) -> list[str]:
    """Symbol, shares, entry, price, stop, target, profit, protection."""
    book, price = account.book, account.last(symbol)
    holding, side = book.holdings[symbol], closing_side(book, symbol)
    exits = [order for order in book.live_orders(symbol) if order.side is side]
    stops = sorted({order.stop_price for order in exits if order.stop_price is not None})
    targets = sorted({order.limit_price for order in exits if order.limit_price is not None and order.stop_price is None})
    bare = unprotected_shares(book).get(symbol, ZERO)
    return [
        symbol,
        _quantity(holding.quantity),
        _price(holding.average_price(symbol)),
        _price(price),
        _prices(stops),
        _prices(targets),
        _dollars(price * holding.quantity * multiplier(symbol) - holding.cost_usd, signed=True),
        f"{_quantity(bare)} bare" if bare else "protected" if stops else "",
    ]


def _order(order: Order) -> list[str]:
    """Symbol, side, shares, type, price, class and role, status."""
    price = order.limit_price if order.limit_price is not None else order.stop_price
    role = order.order_class.value + (f" {order.group_role.value.replace('_', ' ')}" if order.group_role else "")
    status = "watched" if order.status is Status.HELD and order.armed else order.status.value.replace("_", " ")
    left = f"${order.notional}" if order.quantity is None else _quantity(order.remaining)
    side, kind = order.side.value if order.side else "", order.type.value if order.type else ""
    return [order.symbol, side, left, kind, "market" if price is None else _price(price), role, status]


def _curve(account: Account, equity: Decimal) -> list[float]:
    """Equity at the closes and now, thinned evenly when there are many; dollars."""
    marks = [float(mark.equity_usd) for mark in account.ledger.marks]
    step = -(-len(marks) // EQUITY_POINTS)
    return [*marks[::step], float(equity)]


def _quantity(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _price(price: Decimal) -> str:
    return f"{price:.2f}" if abs(price) >= 1 else f"{price:.4f}"


def _prices(prices: list[Decimal]) -> str:
    return " / ".join(_price(price) for price in prices) or "none"


def _dollars(value: Decimal, signed: bool = False) -> str:
    return f"{value:+,.2f}" if signed else f"{value:,.2f}"
