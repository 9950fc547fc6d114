"""What the members of a bracket or an OCO do to one another.

Rules as Alpaca documents and as users measured them: legs stay held until the entry is completely filled; then the
take-profit works at the venue while the stop stays held and is watched; a triggered stop replaces the take-profit; a filled
take-profit cancels the stop without an event on the stream (https://github.com/alpacahq/alpaca-py/issues/198); cancelling one
member cancels all.
"""

from __future__ import annotations

from datetime import datetime

from desk.domain.orders import GroupRole
from desk.exchange.book import Draft
from desk.exchange.orders import EventKind, Order, Status


def after_fill(draft: Draft, order: Order, at: datetime) -> list[Order]:
    """Let the group follow an execution of `order`. Returns the legs that have just become active."""
    if order.group_role is GroupRole.ENTRY and order.status is Status.FILLED:
        return _activate_legs(draft, order, at)
    if order.group_role is GroupRole.TAKE_PROFIT:
        _follow_take_profit(draft, order, at)
    return []


def elect_stop(draft: Draft, stop: Order, at: datetime) -> Order:
    """The held stop goes to the venue in the place of the take-profit."""
    target = draft.member(stop, GroupRole.TAKE_PROFIT)
    replaces = None
    if target is not None:
        target = draft.change(target, at, status=Status.REPLACED, replaced_at=at, replaced_by=stop.id)
        draft.emit(EventKind.REPLACED, target, at)
        replaces = target.id
    stop = draft.change(stop, at, status=Status.NEW, replaces=replaces or stop.replaces)
    draft.emit(EventKind.NEW, stop, at)
    return stop


def cancel(draft: Draft, order: Order, at: datetime) -> None:
    """Cancel `order` and with it its group; held siblings go without an event."""
    for member in draft.members(order):
        if not member.is_live:
            continue
        is_silent = member.status is Status.HELD and member.id != order.id
        member = draft.change(member, at, status=Status.CANCELED, canceled_at=at)
        if not is_silent:
            draft.emit(EventKind.CANCELED, member, at)


def expire(draft: Draft, order: Order, at: datetime) -> None:
    """End `order` at the close. Legs of an entry that never filled are cancelled; held orders end without an event."""
    if not order.is_live:
        return
    if order.status is Status.HELD:
        status = Status.EXPIRED if order.armed else Status.CANCELED
        draft.change(order, at, status=status, **{f"{status.value}_at": at})
        return
    expired = draft.change(order, at, status=Status.EXPIRED, expired_at=at)
    draft.emit(EventKind.EXPIRED, expired, at)


def drop_held_legs(draft: Draft, entry: Order, at: datetime) -> None:
    """Cancel the legs that still wait for an entry which is gone."""
    for member in draft.members(entry):
        if member.status is Status.HELD:
            draft.change(member, at, status=Status.CANCELED, canceled_at=at)


def _activate_legs(draft: Draft, entry: Order, at: datetime) -> list[Order]:
    active = []
    for role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS):
        leg = draft.member(entry, role)
        if leg is None:
            continue
        leg = draft.change(leg, at, armed=True, status=Status.NEW if role is GroupRole.TAKE_PROFIT else Status.HELD)
        if leg.status is Status.NEW:
            draft.emit(EventKind.NEW, leg, at)
        active.append(leg)
    return active


def _follow_take_profit(draft: Draft, target: Order, at: datetime) -> None:
    stop = draft.member(target, GroupRole.STOP_LOSS)
    if stop is None:
        return
    if target.status is Status.FILLED:
        draft.change(stop, at, status=Status.CANCELED, canceled_at=at)
    else:
        draft.change(stop, at, quantity=target.remaining)
