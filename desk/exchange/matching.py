"""The matching: a pure state machine. A command and a book give the next book and the events, nothing else happens.

No input or output, no clock, no randomness of its own: whether an order fills in part first follows from the book's seed and the
order's number. Prices come with the command. Rules are Alpaca's (https://docs.alpaca.markets/docs/orders-at-alpaca).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from desk.domain.orders import GroupRole, OrderClass, OrderType, Side, TimeInForce
from desk.exchange import groups
from desk.exchange.book import Book, Draft
from desk.exchange.orders import AT_VENUE, WAITING, Amendment, Event, EventKind, Order, Quote, Status, Ticket
from desk.exchange.triggers import trigger_of

REST_AFTER = timedelta(minutes=1)
GTC_LIFETIME = timedelta(days=90)
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Submit:
    """Take a checked ticket. Orders outside regular hours are queued until the open."""

    ticket: Ticket
    at: datetime
    in_session: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    order_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Replace:
    """Put a changed successor in the place of a live order."""

    order_id: str
    amendment: Amendment
    at: datetime


@dataclass(frozen=True, slots=True)
class Tick:
    """Prices inside a session. `closing` is its last print: whole fills only, then day orders expire."""

    at: datetime
    quotes: Mapping[str, Quote]
    closing: bool = False


Command = Submit | Cancel | Replace | Tick


def step(book: Book, command: Command) -> tuple[Book, tuple[Event, ...]]:
    """The book after `command`, and what happened. The command has been checked (`desk.exchange.validation`)."""
    draft = Draft(book)
    match command:
        case Submit():
            _submit(draft, command)
        case Cancel():
            _cancel(draft, command)
        case Replace():
            _replace(draft, command)
        case Tick():
            _tick(draft, command)
    return draft.freeze(), tuple(draft.events)


def _submit(draft: Draft, command: Submit) -> None:
    ticket = command.ticket
    group_id = None if ticket.order_class is OrderClass.SIMPLE else draft.mint("group")
    first = Status.PENDING_NEW if command.in_session else Status.ACCEPTED
    if ticket.order_class is OrderClass.OCO:
        _take(draft, command, group_id, GroupRole.TAKE_PROFIT, status=first, limit_price=ticket.take_profit)
        _take(draft, command, group_id, GroupRole.STOP_LOSS, type=OrderType.STOP, stop_price=ticket.stop_loss)
        return
    role = GroupRole.ENTRY if group_id else None
    prices = {"limit_price": ticket.limit_price, "stop_price": ticket.stop_price, "collar_price": ticket.collar_price}
    _take(draft, command, group_id, role, type=ticket.type, status=first, **prices)
    if group_id is not None:
        exits = {"side": ticket.side.opposite, "armed": False}
        _take(draft, command, group_id, GroupRole.TAKE_PROFIT, limit_price=ticket.take_profit, **exits)
        _take(draft, command, group_id, GroupRole.STOP_LOSS, type=OrderType.STOP, stop_price=ticket.stop_loss, **exits)


def _take(draft: Draft, command: Submit, group_id: str | None, role: GroupRole | None, **fields: object) -> None:
    """Add one order. The first of a ticket has its client order id; the others get one from the exchange."""
    ticket, at = command.ticket, command.at
    order_id = draft.mint("order")
    is_first = "status" in fields  # legs keep the status held
    base = Order(
        id=order_id,
        client_order_id=(ticket.client_order_id if is_first else None) or draft.mint("client"),
        number=draft.minted,
        symbol=ticket.symbol,
        side=ticket.side,
        type=OrderType.LIMIT,
        order_class=ticket.order_class,
        time_in_force=ticket.time_in_force,
        quantity=ticket.quantity,
        status=Status.HELD,
        created_at=at,
        updated_at=at,
        submitted_at=at,
        group_id=group_id,
        group_role=role,
    )
    draft.put(replace(base, **fields))  # type: ignore[arg-type]  # the callers are the two lines above
    if group_id is not None:
        draft.join(group_id, order_id)


def _cancel(draft: Draft, command: Cancel) -> None:
    groups.cancel(draft, draft.order(command.order_id), command.at)


def _replace(draft: Draft, command: Replace) -> None:
    old, change, at = draft.order(command.order_id), command.amendment, command.at
    new_id = draft.mint("order")
    successor = replace(
        old,
        id=new_id,
        client_order_id=change.client_order_id or draft.mint("client"),
        number=draft.minted,
        quantity=change.quantity or old.quantity,
        limit_price=old.limit_price if change.limit_price is None else change.limit_price,
        stop_price=old.stop_price if change.stop_price is None else change.stop_price,
        time_in_force=change.time_in_force or old.time_in_force,
        created_at=at,
        updated_at=at,
        submitted_at=at,
        replaces=old.id,
    )
    gone = draft.change(old, at, status=Status.REPLACED, replaced_at=at, replaced_by=new_id)
    draft.emit(EventKind.REPLACED, gone, at)
    draft.put(successor)
    if old.group_id is not None:
        draft.join(old.group_id, new_id)
    if successor.status is not Status.HELD:
        draft.emit(EventKind.NEW, successor, at)


def _tick(draft: Draft, command: Tick) -> None:
    for order in draft.live():
        if order.status in WAITING and order.symbol in command.quotes:
            draft.emit(EventKind.NEW, draft.change(order, command.at, status=Status.NEW), command.at)
    work = deque(draft.live())
    while work:
        order = draft.order(work.popleft().id)  # an earlier execution may have changed it
        quote = command.quotes.get(order.symbol)
        if quote is not None and _is_due(order, quote, command):
            work.extend(_execute(draft, order, quote, command))
    if command.closing:
        _end_of_day(draft, command.at)


def _is_due(order: Order, quote: Quote, command: Tick) -> bool:
    is_watched = order.status is Status.HELD and order.armed and order.group_role is GroupRole.STOP_LOSS
    if not (is_watched or order.status in AT_VENUE):
        return False
    if order.rest_at is not None and command.at < order.rest_at and not command.closing:
        return False
    trigger = trigger_of(order)
    return trigger is None or trigger.met_by(quote)


def _execute(draft: Draft, order: Order, quote: Quote, command: Tick) -> list[Order]:
    """Execute a due order, wholly or in part. Returns the legs that became active with it."""
    price = _price(order, quote)
    shares = order.remaining if command.closing else _shares_now(draft.book, order)
    if order.side is Side.BUY and price * shares > draft.cash_usd:
        _refuse(draft, order, command.at)
        return []
    if order.status is Status.HELD:
        order = groups.elect_stop(draft, order, command.at)
    draft.trade(order.symbol, order.side, shares, price)
    is_whole = shares == order.remaining
    order = draft.change(
        order,
        command.at,
        filled_quantity=order.filled_quantity + shares,
        filled_usd=order.filled_usd + price * shares,
        filled_at=command.at if is_whole else order.filled_at,
        status=Status.FILLED if is_whole else Status.PARTIALLY_FILLED,
        rest_at=None if is_whole else command.at + REST_AFTER,
    )
    draft.emit(EventKind.FILL if is_whole else EventKind.PARTIAL_FILL, order, command.at, price, shares)
    return groups.after_fill(draft, order, command.at)


def _price(order: Order, quote: Quote) -> Decimal:
    """Buys at the ask, sells at the bid, both never worse than a limit; a stop at the trade that elected it."""
    if order.type is OrderType.STOP:
        cents = quote.last
    else:
        cents = quote.ask if order.side is Side.BUY else quote.bid
    return cents * CENT


def _shares_now(book: Book, order: Order) -> int:
    """How much of a due order executes now: sometimes only a random part, the first time that it is due."""
    if order.filled_quantity or order.remaining < 2:
        return order.remaining
    digest = hashlib.blake2b(f"{book.seed}/partial/{order.number}".encode(), digest_size=16).digest()
    chance, part = (int.from_bytes(half, "big") / 2**64 for half in (digest[:8], digest[8:]))
    if chance >= book.partial_fill_probability:
        return order.remaining
    return 1 + int(part * (order.remaining - 1))


def _refuse(draft: Draft, order: Order, at: datetime) -> None:
    """The price ran away overnight and the account cannot pay for the order any more."""
    if order.filled_quantity:
        groups.cancel(draft, order, at)
        return
    rejected = draft.change(order, at, status=Status.REJECTED, failed_at=at)
    draft.emit(EventKind.REJECTED, rejected, at)
    groups.drop_held_legs(draft, rejected, at)


def _end_of_day(draft: Draft, at: datetime) -> None:
    """Day orders expire at the close; orders good till cancelled are cancelled after 90 days."""
    for order in draft.live():
        if order.time_in_force is TimeInForce.DAY:
            groups.expire(draft, order, at)
        elif at >= order.created_at + GTC_LIFETIME and draft.order(order.id).is_live:
            groups.cancel(draft, draft.order(order.id), at)
