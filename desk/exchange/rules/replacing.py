"""Changing and cancelling orders: what a PATCH asks for, and what stands in the way of it or of a DELETE.

Rules of https://docs.alpaca.markets/reference/patchorderbyorderid-1 and of its error tables; a group's quantity and lifetime are
fixed, its prices are not. The order that goes does not stand in its successor's way: what it reserves is free for the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from desk.exchange.machine.book import Book
from desk.exchange.machine.orders import Amendment, Order, Ticket
from desk.exchange.machine.requests import amended
from desk.exchange.rules import option_rules
from desk.exchange.rules.fields import Body, Refusal, amount, client_id, number, option_price, optional_word, price
from desk.exchange.rules.position_rules import share_objection, short_objection
from desk.exchange.rules.price_rules import collared, exits_crossed, far_limit_objection, stop_beyond, target_beyond
from desk.exchange.rules.rejections import Rejection, forbidden, invalid, malformed, unprocessable
from desk.exchange.rules.session_rules import auction_objection
from desk.exchange.rules.shape import HAS_LIMIT, HAS_STOP, hours_objection, lifetime_objection, spoken
from desk.exchange.rules.situation import Situation
from desk.exchange.rules.wash import wash_objection
from desk.exchange.words import WAITING, GroupRole, OrderClass, OrderType, Side, Status, TimeInForce

UNREPLACEABLE = WAITING | {Status.PENDING_CANCEL, Status.PENDING_REPLACE}
LARGEST_TRAIL_PERCENT = Decimal(100)
Rule = Callable[[Order, Amendment, Situation], Rejection | None]


def parse_amendment(body: object, order: Order) -> Amendment | Rejection:
    """What a PATCH asks to change about `order`."""
    if order.order_class is OrderClass.MLEG:
        return forbidden("replace mleg order is disabled")
    if not isinstance(body, Mapping):
        return malformed()
    try:
        return _amendment(body, order)
    except Refusal as refusal:
        return refusal.rejection


def replace_objection(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    """Why a replacement is refused, or None. `situation` has the quotes and the listing of the order's symbol."""
    return next((found for rule in RULES if (found := rule(order, change, situation)) is not None), None)


def cancel_objection(order: Order) -> Rejection | None:
    """Why an order is not cancelled, or None. A multi-leg order goes as a whole, and one that is being replaced not at all, under
    its own id or its successor's."""
    if order.parent_id is not None:
        return unprocessable(f"leg order is already in {order.status} state")
    if not order.is_live:
        return unprocessable(f'order is already in "{order.status}" state')
    if order.status in (Status.PENDING_CANCEL, Status.PENDING_REPLACE):
        return unprocessable(f"order {order.status.replace('_', ' ')}")
    if order.replaces is not None and order.status is Status.PENDING_NEW:
        return unprocessable("order pending replace")
    return None


def without(book: Book, order: Order) -> Book:
    """The books as they would be if `order` were gone: to read only, most of it is shared."""
    return replace(book, live={each: None for each in book.live if each != order.id})


def rest_of(order: Order) -> Ticket:
    """What is left to execute of `order`, as if it were asked for now."""
    assert order.type is not None, "a leg of a multi-leg order is not replaced"
    return Ticket(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        order_class=order.order_class,
        time_in_force=order.time_in_force,
        quantity=None if order.quantity is None else order.remaining,
        notional=order.notional,
        asset_class=order.asset_class,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_price=order.trail_price,
        trail_percent=order.trail_percent,
        extended_hours=order.extended_hours,
        position_intent=order.position_intent,
    )


def _amendment(body: Body, order: Order) -> Amendment:
    if body.get("notional") is not None:
        raise Refusal(unprocessable("notional orders cannot be replaced"))
    one_price = option_price if order.is_option else price
    return Amendment(
        quantity=_whole_quantity(body),
        limit_price=one_price(body, "limit_price"),
        stop_price=one_price(body, "stop_price"),
        trail=_trail(body, order),
        time_in_force=optional_word(body, "time_in_force", TimeInForce),
        client_order_id=client_id(body),
    )


def _whole_quantity(body: Body) -> Decimal | None:
    if body.get("qty") is None:
        return None
    quantity = number(body["qty"], "qty")
    if quantity <= 0:
        raise Refusal(invalid("qty must be > 0"))
    if quantity != quantity.to_integral_value():
        raise Refusal(invalid("qty must be integer"))
    return quantity.quantize(Decimal(1))


def _trail(body: Body, order: Order) -> Decimal | None:
    if order.trail_percent is None:
        return price(body, "trail")
    trail = amount(body, "trail")
    if trail is not None and trail >= LARGEST_TRAIL_PERCENT:
        raise Refusal(invalid("invalid trail"))
    return trail


def _done(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    if order.status is Status.REPLACED:
        return unprocessable("order already replaced")
    return None if order.is_live else unprocessable(f'order is already in "{order.status}" state')


def _by_dollars(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    return None if order.notional is None else unprocessable("notional orders cannot be replaced")


def _not_at_venue(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    before = situation.book.orders.get(order.replaces or "")
    if before is not None and before.is_live:
        return unprocessable("order chain not fully replaced")
    # A held leg is not asked of the venue, so that its group is on its way out is to be seen at the other members alone.
    is_going = any(member.is_live and member.status is Status.PENDING_CANCEL for member in situation.book.members(order.group_id))
    status = Status.PENDING_CANCEL if is_going else order.status
    if status in UNREPLACEABLE:
        return unprocessable(f"cannot replace order in {status} status")
    if order.status is Status.HELD and not situation.switches.held_stop_is_replaceable:
        return unprocessable("unable to replace order, order isn't sent to exchange yet")
    return None


def _unique_client_id(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    return invalid("client_order_id must be unique") if change.client_order_id in situation.book.client_ids else None


def _fields(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    """Fields that the order does not have."""
    wanted = {
        "limit_price": change.limit_price is not None and order.type not in HAS_LIMIT,
        "stop_price": change.stop_price is not None and order.type not in HAS_STOP,
        "trail": change.trail is not None and order.type is not OrderType.TRAILING_STOP,
    }
    foreign = next((name for name, is_foreign in wanted.items() if is_foreign), None)
    return None if foreign is None else invalid(f"{spoken(order.type or OrderType.MARKET)} orders must not have {foreign}")


def _group(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    if order.group_id is None:
        return None
    if change.quantity not in (None, order.quantity):
        return unprocessable("qty cannot be changed for advanced orders")
    if change.time_in_force not in (None, order.time_in_force):
        return unprocessable("time_in_force cannot be changed for advanced orders")
    return None


def _elected(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    """A stop that has been triggered is a market order now, or a limit order."""
    if not order.elected or (order.type is OrderType.STOP_LIMIT and change.stop_price is None):
        return None
    return unprocessable("cannot replace an elected stop order")


def _quantity(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    if change.quantity in (None, order.quantity) or order.quantity is None:
        return None
    if order.quantity != order.quantity.to_integral_value():
        return unprocessable("qty of fractional orders cannot be changed")
    if order.type is OrderType.TRAILING_STOP and not situation.switches.trailing_quantity_is_replaceable:
        return unprocessable("qty cannot be changed for trailing stop orders")
    return unprocessable("qty must be > filled_qty") if (change.quantity or 0) <= order.filled_quantity else None


def _something_changes(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    trail = order.trail_price if order.trail_price is not None else order.trail_percent
    old = (order.quantity, order.limit_price, order.stop_price, trail, order.time_in_force)
    new = (change.quantity, change.limit_price, change.stop_price, change.trail, change.time_in_force)
    is_same = all(value in (None, kept) for value, kept in zip(new, old, strict=True))
    return unprocessable("order parameters are not changed") if is_same else None


def _prices(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    """A changed price keeps its place beside the rest of the group and the market."""
    if order.side is None:
        return None
    last = situation.last(order.symbol)
    if order.group_id is None:
        is_asked = situation.switches.refuse_stops_through_market
        return stop_beyond("stop_price", change.stop_price, [last], order.side) if is_asked else None
    others = [member for member in situation.book.members(order.group_id) if member.is_live and member.id != order.id]
    stop = next((member.stop_price for member in others if member.group_role is GroupRole.STOP_LOSS), None)
    target = next((member.limit_price for member in others if member.group_role is GroupRole.TAKE_PROFIT), None)
    if order.group_role is GroupRole.TAKE_PROFIT:
        return exits_crossed(change.limit_price, stop, order.side)
    if order.group_role is GroupRole.STOP_LOSS:
        entry = next((member.limit_price for member in others if member.group_role is GroupRole.ENTRY), None)
        bases = [target, entry, last if order.armed else None]
        return stop_beyond("stop_loss.stop_price", change.stop_price, bases, order.side)
    return _entry_price(change.limit_price, target, stop, order.side.opposite)


def _entry_price(base: Decimal | None, target: Decimal | None, stop: Decimal | None, exit_side: Side) -> Rejection | None:
    return target_beyond(target, base, exit_side) or stop_beyond("stop_loss.stop_price", stop, [base], exit_side)


def _as_new(order: Order, change: Amendment, situation: Situation) -> Rejection | None:
    """The rest of the successor, judged as a new order would be in a book without the old one."""
    apart = replace(situation, book=without(situation.book, order))
    ticket = collared(rest_of(amended(order, change, situation.switches.trailing_replace_keeps_mark)), apart)
    found = lifetime_objection(ticket) or hours_objection(ticket)
    if found is None and change.time_in_force is not None:
        found = auction_objection(ticket, apart)
    found = found or far_limit_objection(ticket, apart) or wash_objection(ticket, apart)
    if found is not None or order.is_exit_leg:
        return found  # exits take from a reservation that does not grow
    if order.is_option:
        found = option_rules.objection(ticket, apart)
    else:
        found = short_objection(ticket, apart) or share_objection(ticket, apart)
    return found or apart.power.objection(ticket, apart.book, apart.quotes)


RULES: tuple[Rule, ...] = (
    _done,
    _by_dollars,
    _not_at_venue,
    _unique_client_id,
    _fields,
    _group,
    _elected,
    _quantity,
    _something_changes,
    _prices,
    _as_new,
)
