"""Executions: which orders meet the quotes of a moment, at what price, and how much of them; and what they may close.

What closes never opens. Orders reserve what they close, so they cannot take it from one another; what takes it from them all, an
exercise, an assignment, a liquidation, a split, is followed by `cancel_oversized`. Alpaca documents the reservation
(https://docs.alpaca.markets/docs/orders-at-alpaca) and not what becomes of it then: an exit of which a part is gone is cancelled
with its group, so that its owner hears of it before the price is there.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

from desk.exchange.machine import groups, spreads
from desk.exchange.machine.book import Book
from desk.exchange.machine.commands import Tick
from desk.exchange.machine.orders import UNIT_USD, ZERO, Order, Quote
from desk.exchange.machine.triggers import trigger_of
from desk.exchange.words import AT_VENUE, WAITING, EventKind, GroupRole, OrderType, Side, Status, TimeInForce

REST_AFTER = timedelta(minutes=1)
SMALLEST_SHARE = Decimal("0.000000001")
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


def match(book: Book, tick: Tick) -> None:
    """Execute everything that is due at the tick's quotes; legs that become active with it are looked at as well."""
    work = deque(_concerned(book, tick))
    while work:
        order = book.orders[work.popleft().id]  # an earlier execution may have changed it
        if order.is_spread:
            spreads.match(book, order, tick)
        elif _may_trade(book, order, tick):
            work.extend(_meet(book, order, tick.quotes[order.symbol], tick))
    for order in book.live_orders() if tick.is_open else _concerned(book, tick):
        if _came_in_vain(order, tick):
            groups.cancel(book, order, tick.at)


def _concerned(book: Book, tick: Tick) -> list[Order]:
    """Live orders that the tick's quotes can execute, in the order of their arrival; spreads have no symbol of their own."""
    return sorted((order for symbol in {*tick.quotes, ""} for order in book.live_orders(symbol)), key=lambda order: order.number)


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
        or order.id in book.stuck_legs
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
    # At 04:00, say, what trades in regular hours alone has not met the market yet.
    return order.time_in_force in AT_ONCE and order.symbol in tick.quotes and in_hours(order, tick)


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
    wanted = order.remaining if order.quantity is not None else _shares_for(book, order, price)
    quantity = wanted if tick.is_close or order.quantity is None else part_now(book, order)
    if order.time_in_force is TimeInForce.FOK and quantity < wanted:
        return []
    cost = price * quantity * order.multiplier * order.side.sign
    if not fits(book, order, quantity) or not can_pay(book, cost):
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


def _shares_for(book: Book, order: Order, price: Decimal) -> Decimal:
    """Shares that an order by dollars buys or sells; one that closes a position, no more than that."""
    shares = ((order.notional or ZERO) / price).quantize(SMALLEST_SHARE, ROUND_DOWN)
    return min(shares, abs(book.shares(order.symbol))) if closes(order) else shares


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


def can_pay(book: Book, cost_usd: Decimal) -> bool:
    """A cash account never owes: the price may have run away from an order overnight. What brings money costs less than zero."""
    return not book.is_cash_account or cost_usd <= max(ZERO, book.cash_usd)


# what orders may close


def closes(order: Order) -> bool:
    """Whether the order is there to close a position, and therefore may not open one."""
    return order.is_exit_leg or (order.position_intent is not None and not order.position_intent.opens)


def fits(book: Book, order: Order, quantity: Decimal) -> bool:
    """Whether an execution leaves the position on its side, and closes some of it when that is what the order is for."""
    assert order.side is not None
    held, signed = book.shares(order.symbol), quantity * order.side.sign
    return held * (held + signed) >= 0 and (held * signed < 0 or not closes(order))


@dataclass(frozen=True, slots=True)
class Claim:
    """`shares` or contracts that executions of `side` may take: an order's rest, or what the exits of a group share.

    `order` is the one that is named for it.
    """

    order: Order
    side: Side
    shares: Decimal


def claims(book: Book, symbol: str) -> Iterator[Claim]:
    """What every open order for `symbol` may still execute, oldest first, what is cancelled and not released yet after that.

    A group's exits claim once: their rest when they are active, what the entry has traded so far before that. An order and the
    one that is about to replace it claim the larger of the two, once.
    """
    seen: set[str] = set()
    for order in (*book.live_orders(symbol), *(order for order in book.unreleased.values() if order.symbol == symbol)):
        if order.side is None or book.predecessor(order) is not None:
            continue
        if not order.is_exit_leg:
            yield Claim(order, order.side, _rest(book, order))
        elif order.group_id not in seen:
            seen.add(order.group_id or "")
            yield Claim(order, order.side, _rest_of_group(book, order))


def _rest(book: Book, order: Order) -> Decimal:
    if order.quantity is None:
        return _worth_of_dollars(book, order)
    successor = book.orders.get(order.replaced_by or "")
    is_asked_for = order.is_live and successor is not None and book.predecessor(successor) is not None
    asked = (successor.quantity if successor is not None and is_asked_for else None) or ZERO
    return max(order.quantity, asked) - order.filled_quantity


def _worth_of_dollars(book: Book, order: Order) -> Decimal:
    """Shares of an order by dollars, reckoned at what the stock cost when it was taken: no more than there are to close.

    One that is known no price of may take all of them.
    """
    held = abs(book.shares(order.symbol))
    if not order.collar_price:
        return held
    left = (order.notional or ZERO) - order.filled_usd
    return min(held, (left / order.collar_price).quantize(SMALLEST_SHARE, ROUND_CEILING))


def _rest_of_group(book: Book, leg: Order) -> Decimal:
    members = [member for member in book.members(leg.group_id) if member.is_live or member.id in book.unreleased]
    members = [member for member in members if book.predecessor(member) is None]
    active = [member.remaining for member in members if member.is_exit_leg and member.armed]
    traded = (member.filled_quantity for member in members if member.group_role is GroupRole.ENTRY)
    return max(active) if active else max(traded, default=ZERO)


def cancel_oversized(book: Book, symbol: str, at: datetime) -> None:
    """To be called after every change of a position that no order made: what may not or cannot execute any more goes.

    Exits of what is gone, and exits for more than is left, the newest first until the others fit; an entry whose side would now
    close. Shares that are gone are not kept for cancelled orders either.
    """
    _release(book, symbol)
    while (order := _first_oversized(book, symbol)) is not None:
        groups.cancel(book, _speaker(book, order), at)
        _release(book, symbol)


def cancel_all(book: Book, symbol: str, at: datetime) -> None:
    """Cancel every order for `symbol`, multi-leg ones as a whole, and let go at once of what they held."""
    for order in book.live_orders(symbol):
        if book.orders[order.id].is_live:
            groups.cancel(book, _speaker(book, order), at)
    _release(book, symbol)


def _first_oversized(book: Book, symbol: str) -> Order | None:
    held = book.shares(symbol)
    room = abs(held)
    if not held and (opposed := _first_opposed(book, symbol)) is not None:
        return opposed
    for claim in claims(book, symbol):
        is_entry = claim.order.group_role is GroupRole.ENTRY
        if held * claim.side.sign < 0:
            room -= claim.shares
            if room < 0 or is_entry:
                return claim.order
        elif closes(claim.order) and not (claim.order.is_exit_leg and not claim.shares):  # exits of what is yet to be bought wait
            return claim.order
    return None


def _first_opposed(book: Book, symbol: str) -> Order | None:
    """From flat an account waits for a long or for a short position, not for both: the side that came first stays."""
    openings = [order for claim in claims(book, symbol) if not closes(order := claim.order)]
    return next((order for order in openings if order.side is not openings[0].side), None)


def _speaker(book: Book, order: Order) -> Order:
    """Whose cancel ends the whole: a leg's multi-leg order, a group's entry as long as there is one."""
    if order.parent_id is not None:
        return book.orders[order.parent_id]
    return book.member(order, GroupRole.ENTRY) or order


def _release(book: Book, symbol: str) -> None:
    for order in [order for order in book.unreleased.values() if order.symbol == symbol]:
        del book.unreleased[order.id]
