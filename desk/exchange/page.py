"""The read-only page at `/`: account, positions with stop and target, open orders, last fills, equity so far.

It needs no keys, since only this machine can reach it; it loads nothing from anywhere else. The document is `page.html`.
"""

from __future__ import annotations

from decimal import Decimal
from importlib.resources import files

from desk.data.calendars import NEW_YORK
from desk.exchange.account import unprotected_shares
from desk.exchange.orders import Order, Status
from desk.exchange.venue import Exchange
from desk.exchange.wire import Json

PAGE = (files("desk.exchange") / "page.html").read_text(encoding="utf-8")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
LATEST_FILLS, EQUITY_POINTS = 15, 400


def page_json(exchange: Exchange) -> Json:
    """What the page shows, every figure ready to print."""
    now = exchange.now.astimezone(NEW_YORK)
    equity, start = exchange.equity(), exchange.ledger.marks[0].equity_usd
    return {
        "now": now.strftime("%a %Y-%m-%d %H:%M:%S"),
        "is_open": exchange.sessions.is_open(exchange.now),
        "label": exchange.market.source.label,
        "seed": exchange.config.seed,
        "equity": _dollars(equity),
        "cash": _dollars(exchange.book.cash_usd),
        "change": f"{(equity / start - 1) * 100:+.2f} %",
        "positions": [_position(exchange, symbol) for symbol in sorted(exchange.book.holdings)],
        "orders": [_order(order) for order in exchange.book.live_orders()],
        "fills": [
            [
                execution.at.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M"),
                execution.side,
                str(execution.quantity),
                execution.symbol,
                _price(execution.price),
            ]
            for execution in exchange.ledger.executions[: -LATEST_FILLS - 1 : -1]
        ],
        "curve": _curve(exchange, equity),
    }


def _position(exchange: Exchange, symbol: str) -> list[str]:
    """Symbol, shares, entry, price, stop, target, profit, protection."""
    holding, price = exchange.book.holdings[symbol], exchange.last(symbol)
    exits = [order for order in exchange.book.live_orders() if order.symbol == symbol and order.side.value == "sell"]
    stops = sorted({order.stop_price for order in exits if order.stop_price is not None})
    targets = sorted({order.limit_price for order in exits if order.limit_price is not None})
    bare = unprotected_shares(exchange.book).get(symbol, 0)
    return [
        symbol,
        str(holding.shares),
        _price(holding.cost_usd / holding.shares),
        _price(price),
        _prices(stops),
        _prices(targets),
        _dollars(price * holding.shares - holding.cost_usd, signed=True),
        f"{bare} bare" if bare else "protected",
    ]


def _order(order: Order) -> list[str]:
    """Symbol, side, shares, type, price, class and role, status."""
    price = order.limit_price if order.limit_price is not None else order.stop_price
    role = order.order_class.value + (f" {order.group_role.value.replace('_', ' ')}" if order.group_role else "")
    status = "watched" if order.status is Status.HELD and order.armed else order.status.value.replace("_", " ")
    left = str(order.remaining)
    return [order.symbol, order.side.value, left, order.type.value, "market" if price is None else _price(price), role, status]


def _curve(exchange: Exchange, equity: Decimal) -> list[float]:
    """Equity at the closes and now, thinned evenly when there are many; dollars."""
    marks = [float(mark.equity_usd) for mark in exchange.ledger.marks]
    step = -(-len(marks) // EQUITY_POINTS)
    return [*marks[::step], float(equity)]


def _price(price: Decimal) -> str:
    return f"{price:.2f}"


def _prices(prices: list[Decimal]) -> str:
    return " / ".join(_price(price) for price in prices) or "none"


def _dollars(value: Decimal, signed: bool = False) -> str:
    return f"{value:+,.2f}" if signed else f"{value:,.2f}"
