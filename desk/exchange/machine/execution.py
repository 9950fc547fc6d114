"""Executions: which orders meet the quotes of a moment, at what price, and how much of them."""

from __future__ import annotations

import hashlib
from collections import deque
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

from desk.exchange.machine import groups, spreads
from desk.exchange.machine.book import Book
from desk.exchange.machine.commands import Tick
from desk.exchange.machine.orders import UNIT_USD, Order, Quote
from desk.exchange.machine.triggers import trigger_of
from desk.exchange.words import AT_VENUE, WAITING, EventKind, GroupRole, OrderType, Side, Status, TimeInForce

REST_AFTER = timedelta(minutes=1)
SMALLEST_SHARE = Decimal("0.000000001")
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


def match(book: Book, tick: Tick) -> None:
    """Execute everything that is due at the tick's quotes; legs that become active with it are looked at as well."""
    work = deque(book.live_orders())
    while work:
        order = book.orders[work.popleft().id]  # an earlier execution may have changed it
        if order.is_spread:
            spreads.match(book, order, tick)
        elif _may_trade(book, order, tick):
            work.extend(_meet(book, order, tick.quotes[order.symbol], tick))
    for order in book.live_orders():
        if _came_in_vain(order, tick):
            groups.cancel(book, order, tick.at)


def _may_trade(book: Book, order: Order, tick: Tick) -> bool:
    if order.symbol not in tick.quotes or order.symbol in book.halted or order.parent_id is not None:
        return False
    if order.status not in AT_VENUE and not _is_watched(book, order):
        return False
    if order.due_at is not None and tick.at < order.due_at and not tick.is_close:
        return False
    return in_hours(order, tick)


def _is_watched(book: Book, order: Order) -> bool:
    """Whether this is a held stop that the exchange looks after: from the moment that the venue has its take-profit."""
    if (
        order.status is not Status.HELD
        or not order.armed
        or order.group_role is not GroupRole.STOP_LOSS
        or order.id in book.stuck
    ):
        return False
    target = book.member(order, GroupRole.TAKE_PROFIT)
    return target is None or target.status not in WAITING


def in_hours(order: Order, tick: Tick) -> bool:
    """Whether the moment is one at which orders of this kind trade."""
    if order.time_in_force is TimeInForce.OPG:
        return tick.is_open
    if order.time_in_force is TimeInForce.CLS:
        return tick.is_close
    return tick.is_regular or (order.extended_hours and order.type is OrderType.LIMIT)


def _came_in_vain(order: Order, tick: Tick) -> bool:
    """What asked for execution at once, or at the open, and did not get it."""
    if order.status not in AT_VENUE or order.parent_id is not None:
        return False
    if order.time_in_force is TimeInForce.OPG:
        return tick.is_open
    return order.time_in_force in AT_ONCE and (order.symbol in tick.quotes or order.is_spread)


def _meet(book: Book, order: Order, quote: Quote, tick: Tick) -> list[Order]:
    """Let an order meet a quote: elect it when it is a stop, execute it when the price is right."""
    if order.type is not None and order.type.is_stop and not order.elected:
        if not _is_elected(order, quote) or not tick.is_regular:
            return []
        order = groups.elect_stop(book, order, tick.at)
    trigger = trigger_of(order)
    assert order.side is not None
    if (trigger is not None and not trigger.met_by(quote)) or quote.far_side(order.side) <= 0:
        return []
    return _execute(book, order, quote.far_side(order.side) * UNIT_USD, tick)


def _is_elected(order: Order, quote: Quote) -> bool:
    """Whether the last trade is at the stop, or through it."""
    if order.stop_price is None or not quote.last:
        return False
    last = quote.last * UNIT_USD
    return last <= order.stop_price if order.side is Side.SELL else last >= order.stop_price


def _execute(book: Book, order: Order, price: Decimal, tick: Tick) -> list[Order]:
    """Execute a due order, wholly or in part. Returns the legs that became active with it."""
    assert order.side is not None
    wanted = order.remaining if order.quantity is not None else _shares_for(order, price)
    quantity = wanted if tick.is_close or order.quantity is None else part_now(book, order)
    if order.time_in_force is TimeInForce.FOK and quantity < wanted:
        return []
    if not fits(book, order.symbol, order.side, quantity) or not _can_pay(book, order, price * quantity):
        groups.reject(book, order, tick.at)
        return []
    book.trade(order.symbol, order.side, quantity, price)
    is_whole = quantity == wanted
    book.forced_parts.pop(order.id, None)
    order = book.change(
        order,
        tick.at,
        filled_quantity=order.filled_quantity + quantity,
        filled_usd=order.filled_usd + price * quantity,
        filled_at=tick.at if is_whole else order.filled_at,
        status=Status.FILLED if is_whole else after_part(order),
        due_at=None if is_whole else tick.at + REST_AFTER,
    )
    book.emit(EventKind.FILL if is_whole else EventKind.PARTIAL_FILL, order, tick.at, price, quantity)
    return groups.after_fill(book, order, tick.at)


def after_part(order: Order) -> Status:
    """A cancel or a replacement on its way goes on."""
    return order.status if order.status in (Status.PENDING_CANCEL, Status.PENDING_REPLACE) else Status.PARTIALLY_FILLED


def _shares_for(order: Order, price: Decimal) -> Decimal:
    """Shares that an order by dollars buys or sells."""
    return ((order.notional or Decimal(0)) / price).quantize(SMALLEST_SHARE, ROUND_DOWN)


def part_now(book: Book, order: Order) -> Decimal:
    """How much of a due order executes now: sometimes only a random part, the first time that it is due."""
    if order.filled_quantity or order.remaining < 2:
        return order.remaining
    if order.id in book.forced_parts:
        return min(order.remaining, book.forced_parts[order.id])
    digest = hashlib.blake2b(f"{book.seed}/partial/{order.number}".encode(), digest_size=16).digest()
    chance, part = (int.from_bytes(half, "big") / 2**64 for half in (digest[:8], digest[8:]))
    if chance >= book.partial_fill_probability:
        return order.remaining
    return Decimal(1 + int(part * (float(order.remaining) - 1)))


def fits(book: Book, symbol: str, side: Side, quantity: Decimal) -> bool:
    """Whether an execution leaves the position on its side: shares may have been assigned away since the order was taken."""
    held = book.shares(symbol)
    return held * (held + quantity * side.sign) >= 0


def _can_pay(book: Book, order: Order, cost: Decimal) -> bool:
    """A cash account never owes: the price may have run away from an order overnight."""
    return not book.is_cash_account or order.side is Side.SELL or cost * order.multiplier <= book.cash_usd
