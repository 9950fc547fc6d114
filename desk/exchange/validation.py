"""Whether a well-formed request may go ahead, given the books and the prices: rules in order, the first objection counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from desk.domain.orders import OrderClass, OrderType, Side
from desk.exchange.account import available, buying_power, reserved
from desk.exchange.book import Book
from desk.exchange.orders import AT_VENUE, WAITING, Amendment, Order, Quote, Status, Ticket
from desk.exchange.rejections import (
    Rejection,
    base_price,
    forbidden,
    insufficient_cash,
    insufficient_shares,
    invalid,
    unprocessable,
)

CENT = Decimal("0.01")
# Alpaca collars a buy without a limit by 4 % below 50 dollars and by 2.5 % from there up.
COLLAR_FROM = Decimal(50)
COLLARS = (Decimal("1.04"), Decimal("1.025"))


@dataclass(frozen=True, slots=True)
class Request:
    """A ticket together with what it is judged by. `quote` is the current one in cents."""

    ticket: Ticket
    book: Book
    quote: Quote

    @property
    def last(self) -> Decimal:
        return self.quote.last * CENT


def collared(ticket: Ticket, quote: Quote) -> Ticket:
    """The ticket with the price a share at which a buy without a limit is valued."""
    if ticket.side is not Side.BUY or ticket.type is OrderType.LIMIT:
        return ticket
    price = ticket.stop_price if ticket.stop_price is not None else quote.ask * CENT
    collar = COLLARS[price >= COLLAR_FROM]
    return replace(ticket, collar_price=(price * collar).quantize(CENT))


def objection(request: Request) -> Rejection | None:
    """Why the order is refused, or None."""
    return next((found for rule in RULES if (found := rule(request)) is not None), None)


def _unique_client_id(request: Request) -> Rejection | None:
    if request.ticket.client_order_id in request.book.client_ids:
        return invalid("client_order_id must be unique")
    return None


def _entry_from_flat(request: Request) -> Rejection | None:
    """A bracket opens a position from flat: no shares held, no order working in the symbol."""
    ticket, book = request.ticket, request.book
    if ticket.order_class is not OrderClass.BRACKET:
        return None
    if book.shares(ticket.symbol) or any(order.symbol == ticket.symbol for order in book.live_orders()):
        return unprocessable("bracket orders must be entry orders")
    return None


def _exit_of_position(request: Request) -> Rejection | None:
    ticket = request.ticket
    if ticket.order_class is not OrderClass.OCO:
        return None
    if ticket.side is not Side.SELL or not request.book.shares(ticket.symbol):
        return unprocessable("oco orders must be exit orders")
    return None


def _no_short(request: Request) -> Rejection | None:
    if request.ticket.side is Side.SELL and not request.book.shares(request.ticket.symbol):
        return forbidden("account is not allowed to short")
    return None


def _exit_prices(request: Request) -> Rejection | None:
    """Exits lie at least a cent beyond the base price: the entry's limit or stop, an OCO's target, the last trade."""
    ticket = request.ticket
    if ticket.stop_loss is None or ticket.take_profit is None:
        return None
    entry = ticket.limit_price if ticket.limit_price is not None else ticket.stop_price
    base = request.last if entry is None else entry
    if ticket.order_class is OrderClass.BRACKET and ticket.take_profit < base + CENT:
        return base_price("take_profit.limit_price must be >= base_price + 0.01", base)
    bases = [ticket.take_profit] if ticket.order_class is OrderClass.OCO else [base]
    return _stop_below(ticket.stop_loss, [*bases, request.last] if _trades_at_once(ticket, request) else bases)


def _trades_at_once(ticket: Ticket, request: Request) -> bool:
    """Whether the stop is measured against the market too: always for an exit, for an entry when it is marketable.

    A limit below the market, or a stop above it, buys at another price than today's; its own price is the base then.
    """
    if ticket.order_class is OrderClass.OCO or ticket.type is OrderType.MARKET:
        return True
    return ticket.limit_price is not None and ticket.limit_price >= request.quote.ask * CENT


def _stop_below(stop: Decimal, bases: list[Decimal]) -> Rejection | None:
    lowest = min(bases)
    if stop > lowest - CENT:
        return base_price("stop_loss.stop_price must be <= base_price - 0.01", lowest)
    return None


def _enough_shares(request: Request) -> Rejection | None:
    ticket, book = request.ticket, request.book
    if ticket.side is not Side.SELL or ticket.quantity <= available(book, ticket.symbol):
        return None
    held = reserved(book, ticket.symbol)
    return insufficient_shares(ticket.symbol, ticket.quantity, book.shares(ticket.symbol), held)


def _enough_cash(request: Request) -> Rejection | None:
    ticket = request.ticket
    if ticket.side is not Side.BUY:
        return None
    price = ticket.limit_price if ticket.limit_price is not None else ticket.collar_price
    cost, power = (price or Decimal(0)) * ticket.quantity, buying_power(request.book)
    return insufficient_cash(power, cost) if cost > power else None


RULES: tuple[Callable[[Request], Rejection | None], ...] = (
    _unique_client_id,
    _entry_from_flat,
    _exit_of_position,
    _no_short,
    _exit_prices,
    _enough_shares,
    _enough_cash,
)


def cancel_objection(order: Order) -> Rejection | None:
    if order.is_live:
        return None
    return unprocessable(f'order is already in "{order.status}" state')


def replace_objection(book: Book, order: Order, change: Amendment, quote: Quote) -> Rejection | None:
    """Why a replacement is refused, or None."""
    return (
        _replace_state(book, order, change)
        or _replace_fields(order, change)
        or _replace_quantity(order, change)
        or _replace_prices(book, order, change, quote)
        or _replace_cover(book, order, change)
    )


def _replace_state(book: Book, order: Order, change: Amendment) -> Rejection | None:
    if order.status is Status.REPLACED:
        return unprocessable("order already replaced")
    if not order.is_live:
        return unprocessable(f'order is already in "{order.status}" state')
    if order.status in WAITING:
        return unprocessable(f"cannot replace order in {order.status} status")
    if change.client_order_id in book.client_ids:
        return invalid("client_order_id must be unique")
    return None


def _replace_fields(order: Order, change: Amendment) -> Rejection | None:
    if order.group_id is not None and change.quantity not in (None, order.quantity):
        return unprocessable("qty cannot be changed for advanced orders")
    if order.group_id is not None and change.time_in_force not in (None, order.time_in_force):
        return unprocessable("time_in_force cannot be changed for advanced orders")
    if change.limit_price is not None and order.type is not OrderType.LIMIT:
        return invalid(f"{order.type} orders must not have limit_price")
    if change.stop_price is not None and order.type is not OrderType.STOP:
        return invalid(f"{order.type} orders must not have stop_price")
    if order.type is OrderType.STOP and order.status in AT_VENUE and order.filled_quantity:
        return unprocessable("cannot replace an elected stop order")
    old = (order.quantity, order.limit_price, order.stop_price, order.time_in_force)
    new = (change.quantity, change.limit_price, change.stop_price, change.time_in_force)
    if all(value in (None, kept) for value, kept in zip(new, old, strict=True)):
        return unprocessable("order parameters are not changed")
    return None


def _replace_quantity(order: Order, change: Amendment) -> Rejection | None:
    if change.quantity is not None and change.quantity <= order.filled_quantity:
        return unprocessable("qty must be > filled_qty")
    return None


def _replace_prices(book: Book, order: Order, change: Amendment, quote: Quote) -> Rejection | None:
    """A stop leg stays below its target and, when it is watched, below the market; a target stays above its stop."""
    if order.group_id is None:
        return None
    others = [member for member in book.members(order.group_id) if member.is_live and member.id != order.id]
    limits = [member.limit_price for member in others if member.limit_price is not None]
    if change.stop_price is not None and order.is_exit_leg:
        market = [quote.last * CENT] if order.armed else []
        return _stop_below(change.stop_price, [*limits, *market]) if limits or market else None
    stops = [member.stop_price for member in others if member.stop_price is not None and member.is_exit_leg]
    if change.limit_price is not None and stops and change.limit_price < max(stops) + CENT:
        return base_price("stop_loss.stop_price must be <= base_price - 0.01", change.limit_price)
    return None


def _replace_cover(book: Book, order: Order, change: Amendment) -> Rejection | None:
    """More shares or a higher price need more stock or cash; the old order's reservation counts for the new one."""
    quantity = change.quantity or order.quantity
    if order.side is Side.SELL:
        more, free = quantity - order.quantity, available(book, order.symbol)
        if more <= free:
            return None
        return insufficient_shares(order.symbol, quantity, book.shares(order.symbol), reserved(book, order.symbol))
    price = change.limit_price if change.limit_price is not None else order.reserve_price
    cost = price * (quantity - order.filled_quantity)
    power = buying_power(book) + order.reserve_price * order.remaining
    return insufficient_cash(power, cost) if cost > power else None
