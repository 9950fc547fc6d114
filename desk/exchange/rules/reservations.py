"""Shares that open orders reserve, what is left of a position for new ones, and shares that no exit covers.

An exit reserves its shares until it is done, and a cancelled one until the venue has let them go, a little later. A group's
exits share one reservation, and an order by dollars reserves what they were worth when it was taken
(https://docs.alpaca.markets/docs/orders-at-alpaca).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from desk.exchange.machine.book import Book, is_option
from desk.exchange.machine.execution import claims
from desk.exchange.machine.orders import ZERO, Order
from desk.exchange.words import OrderType, Side


@dataclass(frozen=True, slots=True)
class Reservation:
    """Shares or contracts of a position that closing orders hold (never negative), and the orders that do."""

    shares: Decimal
    order_ids: tuple[str, ...]


NOTHING = Reservation(ZERO, ())


def closing_side(book: Book, symbol: str) -> Side | None:
    """The side that makes the position smaller; None without a position."""
    shares = book.shares(symbol)
    if not shares:
        return None
    return Side.SELL if shares > 0 else Side.BUY


def reserved(book: Book, symbol: str) -> Reservation:
    """What open closing orders reserve of the position, long or short."""
    side = closing_side(book, symbol)
    if side is None:
        return NOTHING
    closing = [claim for claim in claims(book, symbol) if claim.side is side and claim.shares]
    held = {claim.order.id: claim.shares for claim in sorted(closing, key=lambda claim: claim.order.is_exit_leg)}
    return Reservation(sum(held.values(), ZERO), tuple(held))


def available(book: Book, symbol: str) -> Decimal:
    """What a new closing order may have of the position (Alpaca's qty_available), negative for a short."""
    shares, held = book.shares(symbol), reserved(book, symbol).shares
    return max(ZERO, shares - held) if shares > 0 else min(ZERO, shares + held)


def unprotected_shares(book: Book) -> Mapping[str, Decimal]:
    """Shares of each stock held long that no active exit covers; stocks that are covered are left out.

    Covering are an open sell limit or stop, and the legs of a group whose entry is completely filled. What a half-filled
    bracket has bought is not covered: Alpaca holds its legs back until the entry is complete.
    """
    longs = {symbol: holding.quantity for symbol, holding in book.holdings.items() if holding.is_long and not is_option(symbol)}
    if not longs:
        return {}
    covered = _covered(book)
    bare = {symbol: shares - covered.get(symbol, ZERO) for symbol, shares in longs.items()}
    return {symbol: shares for symbol, shares in bare.items() if shares > 0}


def _covered(book: Book) -> dict[str, Decimal]:
    covered: dict[str, Decimal] = {}
    working = (order for order in book.live_orders() if order.side is Side.SELL and order.armed)
    exits = [order for order in working if book.predecessor(order) is None]
    for order in exits:
        if not order.is_exit_leg and order.type is not OrderType.MARKET:
            covered[order.symbol] = covered.get(order.symbol, ZERO) + order.remaining
    for legs in _by_group(order for order in exits if order.is_exit_leg).values():
        symbol = legs[0].symbol
        covered[symbol] = covered.get(symbol, ZERO) + max(leg.remaining for leg in legs)
    return covered


def _by_group(legs: Iterable[Order]) -> dict[str, list[Order]]:
    groups: dict[str, list[Order]] = {}
    for leg in legs:
        groups.setdefault(leg.group_id or leg.id, []).append(leg)
    return groups
