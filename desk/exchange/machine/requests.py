"""What a client's request does to the books: taking an order, cancelling, replacing, and what follows a little later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from desk.exchange.machine import groups
from desk.exchange.machine.book import Book, Due, Timer
from desk.exchange.machine.commands import Cancel, Replace, Submit
from desk.exchange.machine.orders import UNIT_USD, ZERO, Amendment, Exit, Order
from desk.exchange.machine.triggers import collar_of, trail_of
from desk.exchange.words import (
    WAITING,
    AssetClass,
    EventKind,
    GroupRole,
    OrderClass,
    OrderType,
    PositionIntent,
    Side,
    Status,
)

GROUPED = (OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO)


def submit(book: Book, command: Submit) -> Order:
    """Take the order with all its legs."""
    ticket = command.ticket
    if ticket.order_class is OrderClass.OCO:
        order = _take_oco(book, command)
    elif ticket.order_class is OrderClass.MLEG:
        order = _take_spread(book, command)
    else:
        order = _take_entry(book, command)
    if command.works_now:
        book.later(command.at + book.latency.accept, Due.ACCEPT, order.id)
    return order


def _take_entry(book: Book, command: Submit) -> Order:
    ticket = command.ticket
    group_id = book.mint("group") if ticket.order_class in GROUPED else None
    first = _first(book, command, group_id, GroupRole.ENTRY if group_id else None)
    if group_id is not None:
        for role, given in ((GroupRole.TAKE_PROFIT, ticket.take_profit), (GroupRole.STOP_LOSS, ticket.stop_loss)):
            if given is not None:
                _exit(book, command, group_id, role, given, is_armed=False)
    return first


def _take_oco(book: Book, command: Submit) -> Order:
    """The take-profit is the order, the stop its only leg; both are active at once."""
    ticket = command.ticket
    assert ticket.take_profit is not None and ticket.stop_loss is not None
    group_id = book.mint("group")
    target = _first(book, command, group_id, GroupRole.TAKE_PROFIT, limit_price=ticket.take_profit.limit_price)
    _exit(book, command, group_id, GroupRole.STOP_LOSS, ticket.stop_loss, is_armed=True)
    return target


def _take_spread(book: Book, command: Submit) -> Order:
    ticket = command.ticket
    assert ticket.quantity is not None
    parent = _first(book, command, None, None, asset_class=AssetClass.OPTION)
    for leg in ticket.legs:
        order = _blank(book, command, book.mint("order"), book.mint("client"))
        fields = {"symbol": leg.symbol, "side": leg.side, "type": None, "limit_price": None}
        intent = {"position_intent": leg.position_intent, "ratio": leg.ratio, "quantity": ticket.quantity * leg.ratio}
        asset = {"asset_class": AssetClass.OPTION, "parent_id": parent.id}
        book.put(replace(order, status=parent.status, **fields, **intent, **asset))  # type: ignore[arg-type]  # as three lines above
    return parent


def _first(book: Book, command: Submit, group_id: str | None, role: GroupRole | None, **fields: object) -> Order:
    """The order that the ticket itself describes; it has the ticket's client order id."""
    ticket = command.ticket
    order_id = book.mint("order")
    order = _blank(book, command, order_id, ticket.client_order_id or book.mint("client"))
    status = Status.PENDING_NEW if command.works_now else Status.ACCEPTED
    return book.put(replace(order, status=status, group_id=group_id, group_role=role, **fields))  # type: ignore[arg-type]  # callers above


def _blank(book: Book, command: Submit, order_id: str, client_order_id: str) -> Order:
    ticket, at = command.ticket, command.at
    return Order(
        id=order_id,
        client_order_id=client_order_id,
        number=book.minted,
        symbol=ticket.symbol,
        asset_class=ticket.asset_class,
        side=ticket.side,
        type=ticket.type,
        order_class=ticket.order_class,
        time_in_force=ticket.time_in_force,
        quantity=ticket.quantity,
        notional=ticket.notional,
        status=Status.HELD,
        created_at=at,
        updated_at=at,
        submitted_at=at,
        limit_price=ticket.limit_price,
        stop_price=ticket.stop_price,
        trail_price=ticket.trail_price,
        trail_percent=ticket.trail_percent,
        extended_hours=ticket.extended_hours,
        position_intent=ticket.position_intent,
        collar_price=ticket.collar_price,
        expires_at=command.expires_at,
    )


def _exit(book: Book, command: Submit, group_id: str, role: GroupRole, given: Exit, is_armed: bool) -> Order:
    """A leg that closes what the entry opens, or an OCO's stop."""
    ticket = command.ticket
    assert ticket.side is not None
    side = ticket.side if ticket.order_class is OrderClass.OCO else ticket.side.opposite
    leg = replace(
        _blank(book, command, book.mint("order"), book.mint("client")),
        side=side,
        type=_exit_type(given),
        limit_price=given.limit_price,
        stop_price=given.stop_price,
        position_intent=PositionIntent.SELL_TO_CLOSE if side is Side.SELL else PositionIntent.BUY_TO_CLOSE,
        collar_price=None,
        group_id=group_id,
        group_role=role,
        armed=is_armed,
    )
    return book.put(replace(leg, collar_price=collar_of(leg)))


def _exit_type(given: Exit) -> OrderType:
    if given.stop_price is None:
        return OrderType.LIMIT
    return OrderType.STOP if given.limit_price is None else OrderType.STOP_LIMIT


def cancel(book: Book, command: Cancel) -> None:
    """Ask for the end of an order and of its group; it comes when the venue confirms."""
    order, at = book.orders[command.order_id], command.at
    if order.parent_id is not None:
        order = book.orders[order.parent_id]
    order = book.predecessor(order) or order
    if not order.is_live:  # it was done before its successor came to be, which will be rejected anyway
        return
    if any(member.is_live and member.id in book.stuck_cancels for member in groups.family(book, order)):
        book.stuck_cancels[order.id] = None  # a group hangs as a whole
    elif book.latency.cancel and order.status not in WAITING:
        book.later(at + book.latency.cancel, Due.CANCEL, order.id)
    else:
        groups.cancel(book, order, at)
        return
    _ask_cancel(book, order, at)


def _ask_cancel(book: Book, order: Order, at: datetime) -> None:
    """What the venue works of the order and its group is on its way out; held members and successors to come wait for it."""
    for member in groups.family(book, order):
        if not member.is_live or member.status in (Status.HELD, Status.PENDING_CANCEL) or book.predecessor(member) is not None:
            continue
        pending = book.change(member, at, status=Status.PENDING_CANCEL)
        if pending.parent_id is None:
            book.emit(EventKind.PENDING_CANCEL, pending, at)


def confirm_cancels(book: Book, at: datetime) -> None:
    """Do at once what the venue would do a little later with cancels: confirm them, and let the shares go."""
    for due in (Due.CANCEL, Due.RELEASE):
        for timer in [timer for timer in book.timers if timer.due is due and timer.order_id not in book.stuck_cancels]:
            book.timers.remove(timer)
            _run(book, replace(timer, at=at))


def amended(old: Order, change: Amendment, keeps_mark: bool) -> Order:
    """`old` with what a replacement changes, and with what follows from that: a trailing stop's stop, a buy's collar."""
    order = replace(
        old,
        quantity=old.quantity if change.quantity is None else change.quantity,
        limit_price=old.limit_price if change.limit_price is None else change.limit_price,
        stop_price=old.stop_price if change.stop_price is None else change.stop_price,
        time_in_force=change.time_in_force or old.time_in_force,
    )
    if change.trail is not None:
        order = _trailing(order, change.trail, keeps_mark)
    return replace(order, collar_price=collar_of(order))


def _trailing(order: Order, distance: Decimal, keeps_mark: bool) -> Order:
    """With another trail. Without a mark, kept or not yet made, the stop has to wait for one, and so has a buy's collar."""
    by_dollars = order.trail_price is not None
    order = replace(
        order,
        trail_price=distance if by_dollars else None,
        trail_percent=None if by_dollars else distance,
        high_water_mark=order.high_water_mark if keeps_mark else None,
        stop_price=None,
    )
    trail = trail_of(order)
    return order if trail is None else replace(order, stop_price=trail.stop_of(trail.mark) * UNIT_USD)


def replace_order(book: Book, command: Replace) -> Order:
    """Make the successor; it takes the old order's place when the venue confirms."""
    old, change, at = book.orders[command.order_id], command.amendment, command.at
    new_id = book.mint("order")
    successor = replace(
        amended(old, change, book.switches.trailing_replace_keeps_mark),
        id=new_id,
        client_order_id=change.client_order_id or book.mint("client"),
        number=book.minted,
        created_at=at,
        updated_at=at,
        submitted_at=at,
        replaces=old.id,
        expires_at=command.expires_at,
    )
    if not book.latency.replace or old.status is Status.HELD:  # a held leg is not at the venue, which need not confirm
        book.put(successor)
        _take_place(book, old, successor, at)
        return book.orders[new_id]
    old = book.change(old, at, status=Status.PENDING_REPLACE, replaced_by=new_id)
    book.emit(EventKind.PENDING_REPLACE, old, at)
    book.put(replace(successor, status=Status.PENDING_NEW))
    book.later(at + book.latency.replace, Due.REPLACE, new_id)
    return book.orders[new_id]


def _take_place(book: Book, old: Order, successor: Order, at: datetime) -> None:
    status = old.status
    if status is Status.PENDING_REPLACE:
        status = Status.PARTIALLY_FILLED if old.filled_quantity else Status.NEW
    gone = book.change(old, at, status=Status.REPLACED, replaced_at=at, replaced_by=successor.id)
    book.emit(EventKind.REPLACED, gone, at)
    kept: dict[str, object] = {
        "filled_quantity": old.filled_quantity,
        "filled_usd": old.filled_usd,
        "due_at": old.due_at,
        "armed": old.armed,
    }
    if successor.high_water_mark is not None:  # it went on moving while the venue was asked
        kept["high_water_mark"] = old.high_water_mark
    if old.id in book.stuck_legs:
        book.stuck_legs[successor.id] = None
    successor = book.change(successor, at, status=Status.HELD if not old.armed else status, **kept)
    if successor.status is not Status.HELD:
        book.emit(EventKind.NEW, successor, at)


def accept(book: Book, order: Order, at: datetime) -> None:
    """The venue has the order."""
    for leg in book.legs(order.id):
        book.change(leg, at, status=Status.NEW)
    book.emit(EventKind.NEW, book.change(order, at, status=Status.NEW), at)


def run_timers(book: Book, at: datetime) -> None:
    """Everything that is due by `at`, in order of time, with what becomes due on the way."""
    while due := [timer for timer in book.timers if timer.at <= at]:
        timer = min(due, key=lambda timer: timer.at)
        book.timers.remove(timer)
        _run(book, timer)


def _run(book: Book, timer: Timer) -> None:
    order = book.orders[timer.order_id]
    match timer.due:
        case Due.ACCEPT:
            if order.status in WAITING:
                accept(book, order, timer.at)
            else:
                groups.send_leg(book, _heir(book, order), timer.at)
        case Due.CANCEL:
            _confirm_cancel(book, order, timer.at)
        case Due.REPLACE:
            _confirm_replace(book, order, timer.at)
        case Due.RELEASE:
            book.unreleased.pop(timer.order_id, None)
        case Due.REJECT:
            if order.is_live:
                groups.reject(book, order, timer.at)


def _heir(book: Book, order: Order) -> Order:
    """Who has the place of `order` now. A stop that went to the venue for its take-profit is none: it has a place of its own."""
    while order.status is Status.REPLACED:
        heir = book.orders[order.replaced_by or ""]
        if heir.group_role is not order.group_role:
            break
        order = heir
    return order


def _confirm_cancel(book: Book, order: Order, at: datetime) -> None:
    """The venue answers, and gives the answers with it that hung in the same group."""
    stuck = [member for member in groups.family(book, order) if member.id in book.stuck_cancels and member.id != order.id]
    for member in (order, *stuck):
        book.stuck_cancels.pop(member.id, None)
        heir = _heir(book, member)
        if heir.is_live:
            groups.cancel(book, heir, at)
        elif heir.status is not Status.CANCELED:
            book.emit(EventKind.ORDER_CANCEL_REJECTED, heir, at)


def _confirm_replace(book: Book, successor: Order, at: datetime) -> None:
    old = book.orders[successor.replaces or ""]
    is_pending = old.status is Status.PENDING_REPLACE
    if is_pending and successor.is_live and not _has_overtaken(old, successor):
        _take_place(book, old, successor, at)
        return
    # The old order was faster: it stays as it is, and the successor never was.
    if is_pending:
        old = book.change(old, at, status=Status.PARTIALLY_FILLED if old.filled_quantity else Status.NEW)
    if old.replaced_by == successor.id:
        old = book.put(replace(old, replaced_by=None))
    book.emit(EventKind.ORDER_REPLACE_REJECTED, old, at)
    if successor.is_live:
        never = {"status": Status.REJECTED, "failed_at": at, "filled_quantity": ZERO, "filled_usd": ZERO, "due_at": None}
        book.emit(EventKind.REJECTED, book.change(successor, at, **never), at)


def _has_overtaken(old: Order, successor: Order) -> bool:
    """Whether more is executed by now than the successor was for."""
    return successor.quantity is not None and old.filled_quantity >= successor.quantity
