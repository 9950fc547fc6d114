"""What the members of a bracket, an OCO or an OTO do to one another.

Rules as Alpaca documents and as users measured them: legs stay held until the entry is completely filled; then the
take-profit works at the venue while the stop stays held and is watched; a triggered stop replaces the take-profit; a filled
take-profit cancels the stop without an event on the stream (https://github.com/alpacahq/alpaca-py/issues/198); cancelling one
member cancels all. The only leg of an OTO works at the venue by itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from desk.exchange.machine.book import Book, Due
from desk.exchange.machine.orders import Order
from desk.exchange.words import EventKind, GroupRole, OrderClass, Status


def family(book: Book, order: Order) -> list[Order]:
    """The order with its group, or with its legs."""
    if order.group_id is not None:
        return book.members(order.group_id)
    return [book.orders[order.id], *book.legs(order.id)]


def after_fill(book: Book, order: Order, at: datetime) -> list[Order]:
    """Let the group follow an execution of `order`. Returns the legs that have just become active."""
    if order.group_role is GroupRole.ENTRY and order.status is Status.FILLED:
        return _activate_legs(book, order, at)
    if order.group_role is GroupRole.TAKE_PROFIT:
        _follow_take_profit(book, order, at)
    return []


def elect_stop(book: Book, stop: Order, at: datetime) -> Order:
    """The stop is triggered. A held one goes to the venue in the place of its take-profit."""
    if stop.status is not Status.HELD:
        return book.change(stop, at, elected=True)
    target = book.member(stop, GroupRole.TAKE_PROFIT)
    replaces = stop.replaces
    if target is not None:
        target = book.change(target, at, status=Status.REPLACED, replaced_at=at, replaced_by=stop.id)
        book.emit(EventKind.REPLACED, target, at)
        replaces = target.id
    stop = book.change(stop, at, status=Status.NEW, replaces=replaces, elected=True)
    book.emit(EventKind.NEW, stop, at)
    return stop


def cancel(book: Book, order: Order, at: datetime) -> None:
    """Cancel `order` and with it its group or legs; held siblings go without an event.

    A successor that the venue has not confirmed stays for the moment: its timer finds the old order gone, and rejects it.
    """
    keeps = _kept_exits(book, order, at)
    for member in [member for member in family(book, order) if book.predecessor(member) is None]:
        if not member.is_live or member.id in keeps:
            continue
        is_silent = (member.status is Status.HELD and member.id != order.id) or member.parent_id is not None
        member = book.change(member, at, status=Status.CANCELED, canceled_at=at)
        _keep_reserved(book, member, at)
        if not is_silent:
            book.emit(EventKind.CANCELED, member, at)


def _kept_exits(book: Book, order: Order, at: datetime) -> set[str]:
    """With the switch for it, a cancelled half-filled entry leaves exits for the shares that it bought."""
    if not (book.switches.cancelled_entry_keeps_exits and order.group_role is GroupRole.ENTRY and order.filled_quantity):
        return set()
    for role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS):
        leg = book.member(order, role)
        if leg is not None:
            book.put(replace(leg, quantity=order.filled_quantity))
    return {leg.id for leg in _activate_legs(book, order, at)}


def _keep_reserved(book: Book, order: Order, at: datetime) -> None:
    """Shares that a cancelled closing order held become free a little later."""
    is_closing = order.side is not None and book.shares(order.symbol) * order.side.sign < 0
    if book.latency.release and order.armed and order.remaining and is_closing:
        book.unreleased[order.id] = order
        book.later(at + book.latency.release, Due.RELEASE, order.id)


def expire(book: Book, order: Order, at: datetime) -> None:
    """End `order` with its time in force. Legs of an entry that never filled are cancelled; held orders end without an event."""
    if not order.is_live:
        return
    if order.status is Status.HELD:
        status = Status.EXPIRED if order.armed else Status.CANCELED
        book.change(order, at, status=status, **{f"{status.value}_at": at})
        return
    for leg in book.legs(order.id):
        book.change(leg, at, status=Status.EXPIRED, expired_at=at)
    book.emit(EventKind.EXPIRED, book.change(order, at, status=Status.EXPIRED, expired_at=at), at)


def reject(book: Book, order: Order, at: datetime) -> None:
    """The venue refuses the order after all. What it has filled by then it keeps: such an order is cancelled."""
    if order.filled_quantity:
        cancel(book, order, at)
        return
    for leg in book.legs(order.id):
        book.change(leg, at, status=Status.REJECTED, failed_at=at)
    rejected = book.change(order, at, status=Status.REJECTED, failed_at=at)
    book.emit(EventKind.REJECTED, rejected, at)
    for member in book.members(rejected.group_id):
        if member.status is Status.HELD:
            book.change(member, at, status=Status.CANCELED, canceled_at=at)


def _activate_legs(book: Book, entry: Order, at: datetime) -> list[Order]:
    active = []
    for role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS):
        leg = book.member(entry, role)
        if leg is None:
            continue
        leg = book.change(leg, at, armed=True)
        active.append(send_leg(book, leg, at) if leg.id not in book.stuck_legs else leg)
    return active


def send_leg(book: Book, leg: Order, at: datetime) -> Order:
    """An armed leg that is still held goes to the venue; a stop beside a take-profit stays held and is watched."""
    works_there = leg.order_class is OrderClass.OTO or leg.group_role is GroupRole.TAKE_PROFIT
    if leg.status is not Status.HELD or not leg.armed or not works_there:
        return leg
    leg = book.change(leg, at, status=Status.NEW)
    book.emit(EventKind.NEW, leg, at)
    return leg


def _follow_take_profit(book: Book, target: Order, at: datetime) -> None:
    stop = book.member(target, GroupRole.STOP_LOSS)
    if stop is None or target.order_class is OrderClass.OTO:
        return
    if target.status is Status.FILLED:
        book.change(stop, at, status=Status.CANCELED, canceled_at=at)
    elif book.switches.partial_target_resizes_stop:
        book.change(stop, at, quantity=target.remaining)
