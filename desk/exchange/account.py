"""What the account can still do: shares and cash that open orders reserve, and shares that no exit covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from desk.domain.orders import GroupRole, OrderType, Side
from desk.exchange.book import Book, groups_of
from desk.exchange.orders import Order


@dataclass(frozen=True, slots=True)
class Reservation:
    """Shares of a symbol that open sell orders hold, and the orders that do."""

    shares: int
    order_ids: tuple[str, ...]


def reserved(book: Book, symbol: str) -> Reservation:
    """Shares that open sells of `symbol` reserve. A group reserves once, its exits share the same shares."""
    sells = [order for order in _live(book, symbol) if order.side is Side.SELL]
    simple = [order for order in sells if order.group_id is None]
    shares = sum(order.remaining for order in simple)
    ids = [order.id for order in simple]
    for group_id, legs in groups_of(sells).items():
        held = _group_shares(book, group_id, legs)
        if held:
            shares += held
            ids.append(legs[0].id)
    return Reservation(shares, tuple(ids))


def available(book: Book, symbol: str) -> int:
    """Shares of a position that a new sell may have (Alpaca's qty_available)."""
    return max(0, book.shares(symbol) - reserved(book, symbol).shares)


def _group_shares(book: Book, group_id: str, legs: Iterable[Order]) -> int:
    """Shares that a group's exits reserve: its rest when active, what the entry has bought so far before that."""
    armed = [leg.remaining for leg in legs if leg.armed]
    if armed:
        return max(armed)
    return sum(order.filled_quantity for order in book.members(group_id) if order.group_role is GroupRole.ENTRY and order.is_live)


def _live(book: Book, symbol: str) -> list[Order]:
    return [order for order in book.live_orders() if order.symbol == symbol]


def buying_power(book: Book) -> Decimal:
    """Dollars that a new buy may cost. This is a cash account: cash less what open buys reserve."""
    buys = (order for order in book.live_orders() if order.side is Side.BUY)
    return book.cash_usd - sum((order.reserve_price * order.remaining for order in buys), Decimal(0))


def unprotected_shares(book: Book) -> Mapping[str, int]:
    """Shares of each held symbol that no active exit covers; symbols that are covered are left out.

    Covering are an open sell limit or stop, and the legs of a group whose entry is completely filled. What a half-filled
    bracket has bought is not covered: Alpaca holds its legs back until the entry is complete.
    """
    bare = {symbol: holding.shares - _covered(book, symbol) for symbol, holding in book.holdings.items()}
    return {symbol: shares for symbol, shares in bare.items() if shares > 0}


def _covered(book: Book, symbol: str) -> int:
    exits = [order for order in _live(book, symbol) if order.side is Side.SELL and order.armed]
    simple = sum(order.remaining for order in exits if order.group_id is None and order.type is not OrderType.MARKET)
    return simple + sum(max(leg.remaining for leg in legs) for legs in groups_of(exits).values())
