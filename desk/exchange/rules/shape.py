"""Which prices an order type needs, which exits an order class, which lifetimes either: no account and no market are needed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from desk.exchange.machine.orders import Ticket
from desk.exchange.rules.rejections import Rejection, invalid, unprocessable
from desk.exchange.words import AssetClass, OrderClass, OrderType, TimeInForce

UNTIL_CANCELLED = (TimeInForce.DAY, TimeInForce.GTC)
SMALLEST_NOTIONAL_USD = Decimal(1)
GROUPS = (OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO)
HAS_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT)
HAS_STOP = (OrderType.STOP, OrderType.STOP_LIMIT)
LACKING = {
    OrderType.LIMIT: "limit orders require a limit price",
    OrderType.STOP: "stop orders require a stop price",
    OrderType.STOP_LIMIT: "stop limit orders require both stop and limit price",
}


def shape_objection(ticket: Ticket) -> Rejection | None:
    """The first thing about the request itself that is not as it has to be."""
    return next((found for rule in RULES if (found := rule(ticket)) is not None), None)


def _prices(ticket: Ticket) -> Rejection | None:
    """Which prices an order type needs and refuses. An OCO has its exits'; options of several legs have rules of their own."""
    if ticket.order_class in (OrderClass.OCO, OrderClass.MLEG):
        return None
    has_limit, has_stop = ticket.limit_price is not None, ticket.stop_price is not None
    if ticket.type is OrderType.MARKET:
        return invalid("market orders require no stop or limit price") if has_limit or has_stop else None
    needs_limit, needs_stop = ticket.type in HAS_LIMIT, ticket.type in HAS_STOP
    if (needs_limit and not has_limit) or (needs_stop and not has_stop):
        return invalid(LACKING[ticket.type])
    if has_limit and not needs_limit:
        return invalid(f"{spoken(ticket.type)} orders must not have limit_price")
    return invalid(f"{spoken(ticket.type)} orders must not have stop_price") if has_stop and not needs_stop else None


def _trail(ticket: Ticket) -> Rejection | None:
    trails = {"trail_price": ticket.trail_price, "trail_percent": ticket.trail_percent}
    given = [name for name, value in trails.items() if value is not None]
    if ticket.type is not OrderType.TRAILING_STOP:
        return invalid(f"{spoken(ticket.type)} orders must not have {given[0]}") if given else None
    if len(given) != 1:
        return invalid("trailing stop orders must specify one of trail_price or trail_percent")
    return None if ticket.order_class is OrderClass.SIMPLE else unprocessable("trailing stop orders must be simple orders")


def _exits(ticket: Ticket) -> Rejection | None:
    """Which exits an order class needs and refuses."""
    kind, target, stop = ticket.order_class, ticket.take_profit, ticket.stop_loss
    if kind in (OrderClass.SIMPLE, OrderClass.MLEG):
        has_exit = target is not None or stop is not None
        return invalid(f"{kind} orders must not have take_profit or stop_loss") if has_exit else None
    if kind is OrderClass.OTO and (target is None) == (stop is None):
        return invalid("oto orders require either take_profit or stop_loss")
    if (target is None and kind is not OrderClass.OTO) or (target is not None and target.limit_price is None):
        return invalid(f"{kind} orders require take_profit.limit_price")
    if (stop is None and kind is not OrderClass.OTO) or (stop is not None and stop.stop_price is None):
        return invalid(f"{kind} orders require stop_loss.stop_price")
    return None


def _oco(ticket: Ticket) -> Rejection | None:
    if ticket.order_class is not OrderClass.OCO or ticket.take_profit is None:
        return None
    if ticket.type is not OrderType.LIMIT:
        return invalid("oco orders must be limit orders")
    if ticket.limit_price not in (None, ticket.take_profit.limit_price):
        return invalid("oco orders require limit_price to be equal to take_profit.limit_price")
    return None


def _fraction(ticket: Ticket) -> Rejection | None:
    """Fractions and dollar amounts of a stock; a day's lifetime is asked for before the class is looked at."""
    if ticket.asset_class is AssetClass.OPTION or not is_fractional(ticket):
        return None
    if ticket.time_in_force is not TimeInForce.DAY:
        return unprocessable("fractional orders must be DAY orders")
    if ticket.order_class is not OrderClass.SIMPLE:
        return unprocessable("fractional orders must be simple orders")
    if ticket.type is OrderType.TRAILING_STOP:
        return unprocessable("fractional orders must be market, limit, stop or stop limit orders")
    return _notional(ticket) if ticket.notional is not None else None


def _notional(ticket: Ticket) -> Rejection | None:
    if ticket.notional is not None and ticket.notional < SMALLEST_NOTIONAL_USD:
        return unprocessable("notional amount must be >= 1.00")
    return None if ticket.type is OrderType.MARKET else unprocessable("notional orders must be market orders")


def hours_objection(ticket: Ticket) -> Rejection | None:
    if not ticket.extended_hours or ticket.asset_class is AssetClass.OPTION:
        return None
    is_fine = ticket.type is OrderType.LIMIT and ticket.time_in_force in UNTIL_CANCELLED
    if is_fine and ticket.order_class is OrderClass.SIMPLE:
        return None
    return unprocessable("extended hours order must be DAY or GTC limit orders")


def lifetime_objection(ticket: Ticket) -> Rejection | None:
    """Only plain market and limit orders may live for an auction or an instant."""
    if ticket.asset_class is AssetClass.OPTION or ticket.time_in_force in UNTIL_CANCELLED:
        return None
    if ticket.order_class in GROUPS:
        return unprocessable(f"{ticket.order_class} orders must be DAY or GTC orders")
    if ticket.type in (OrderType.MARKET, OrderType.LIMIT):
        return None
    return unprocessable(f"{spoken(ticket.type)} orders must be DAY or GTC orders")


def is_fractional(ticket: Ticket) -> bool:
    """Whether the order is for part of a share, or for an amount of dollars."""
    quantity = ticket.quantity
    return ticket.notional is not None or (quantity is not None and quantity != quantity.to_integral_value())


def spoken(kind: OrderType) -> str:
    """An order type as Alpaca's messages write it."""
    return kind.value.replace("_", " ")


RULES: tuple[Callable[[Ticket], Rejection | None], ...] = (
    _prices,
    _trail,
    _exits,
    _oco,
    _fraction,
    hours_objection,
    lifetime_objection,
)
