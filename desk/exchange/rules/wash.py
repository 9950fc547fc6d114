"""Orders of one account that could trade with each other (https://docs.alpaca.markets/docs/user-protection).

A new order is refused for an open one on the other side of the same symbol: always when either would take any price, and when
both have limits that cross. Brackets, OCOs, OTOs and trailing stops are spared; multi-leg orders trade as a unit and are too.
"""

from __future__ import annotations

from decimal import Decimal

from desk.exchange.machine.orders import Order, Ticket
from desk.exchange.rules.rejections import Rejection, forbidden, wash_trade
from desk.exchange.rules.situation import Situation
from desk.exchange.words import OrderClass, OrderType, Side, Status

AT_ANY_PRICE = (OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP)
MARKET_REASON = "opposite side market/stop order exists"
LIMIT_REASON = "opposite side limit order exists"


def wash_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """The first open order, oldest first, that the new one could trade with."""
    if ticket.side is None or _is_spared(ticket.order_class, ticket.type):
        return None
    for order in _opposite(situation, ticket.symbol, ticket.side):
        if _counts(order, situation) and _can_meet(ticket, order):
            return wash_trade(order.id, MARKET_REASON if order.type in AT_ANY_PRICE else LIMIT_REASON)
    return None


def opposite_opening_objection(ticket: Ticket, situation: Situation) -> Rejection | None:
    """Without a position an account may wait for a long or for a short one, not for both."""
    sides = [(leg.symbol, leg.side) for leg in ticket.legs] + ([] if ticket.side is None else [(ticket.symbol, ticket.side)])
    for symbol, side in sides:
        if situation.book.shares(symbol) or all(order.is_exit_leg for order in _opposite(situation, symbol, side)):
            continue
        if side is Side.SELL:
            return forbidden("cannot open a short sell while a long buy order is open")
        return forbidden("cannot open a long buy while a short sell order is open")
    return None


def _opposite(situation: Situation, symbol: str, side: Side) -> list[Order]:
    """Open orders and legs on the other side of a symbol, oldest first."""
    other = side.opposite
    return [order for order in situation.book.live_orders(symbol) if order.side is other]


def _is_spared(order_class: OrderClass, kind: OrderType | None) -> bool:
    return order_class is not OrderClass.SIMPLE or kind is OrderType.TRAILING_STOP


def _counts(order: Order, situation: Situation) -> bool:
    """Whether an open order can be traded with; legs that wait for their entry never."""
    if _is_spared(order.order_class, order.type):
        return not situation.switches.wash_check_spares_groups and order.armed
    return order.status is not Status.HELD


def _can_meet(ticket: Ticket, order: Order) -> bool:
    new, old = _limit(ticket), _limit(order)
    if new is None or old is None:
        return True
    return new >= old if ticket.side is Side.BUY else old >= new


def _limit(order: Order | Ticket) -> Decimal | None:
    return None if order.type in AT_ANY_PRICE else order.limit_price
