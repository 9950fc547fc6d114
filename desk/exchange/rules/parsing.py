"""From a request's JSON to a ticket, or to the refusal that Alpaca would send; whatever the JSON holds, never to an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from desk.exchange.machine.book import SHORTEST_OPTION
from desk.exchange.machine.orders import Exit, Ticket
from desk.exchange.rules.fields import (
    CENT,
    LARGEST_PRICE,
    Body,
    Refusal,
    amount,
    client_id,
    flag,
    is_multiple,
    number,
    option_price,
    optional_word,
    price,
    refuse_first,
    symbol_of,
    whole_number,
    word,
)
from desk.exchange.rules.legs import is_contract, parse_legs
from desk.exchange.rules.rejections import Rejection, forbidden, invalid, malformed, unprocessable
from desk.exchange.rules.shape import shape_objection
from desk.exchange.words import AssetClass, OrderClass, OrderType, PositionIntent, Side, TimeInForce

SHARE_DECIMALS, CENT_DECIMALS = 9, 2
LARGEST_TRAIL_PERCENT = Decimal(100)


def parse_ticket(body: object) -> Ticket | Rejection:
    """The order that a POST asks for, checked in itself but not against the account or the market."""
    if not isinstance(body, Mapping):
        return malformed()
    try:
        ticket = _ticket(body)
        refuse_first(shape_objection(ticket))
        return _with_own_limit(ticket)
    except Refusal as refusal:
        return refusal.rejection


def _ticket(body: Body) -> Ticket:
    if body.get("advanced_instructions") is not None:
        raise Refusal(forbidden("account not allowed to use advanced_instructions"))
    order_class = word(body.get("order_class") or "simple", OrderClass, "invalid order_class")
    return _multi_leg_ticket(body) if order_class is OrderClass.MLEG else _single_ticket(body, order_class)


def _single_ticket(body: Body, order_class: OrderClass) -> Ticket:
    symbol = symbol_of(body)
    asset_class = _asset_class(symbol)
    quantity, notional = _size(body)
    one_price = option_price if asset_class is AssetClass.OPTION else price
    return Ticket(
        symbol=symbol,
        side=word(body.get("side"), Side, "invalid side"),
        type=word(body.get("type"), OrderType, "invalid order type"),
        order_class=order_class,
        time_in_force=word(body.get("time_in_force"), TimeInForce, "invalid time_in_force"),
        quantity=quantity,
        notional=notional,
        asset_class=asset_class,
        client_order_id=client_id(body),
        limit_price=one_price(body, "limit_price"),
        stop_price=one_price(body, "stop_price"),
        trail_price=price(body, "trail_price"),
        trail_percent=_trail_percent(body),
        extended_hours=flag(body, "extended_hours"),
        position_intent=optional_word(body, "position_intent", PositionIntent),
        take_profit=_exit(body, "take_profit"),
        stop_loss=_exit(body, "stop_loss"),
    )


def _multi_leg_ticket(body: Body) -> Ticket:
    """A multi-leg order has no symbol and no side of its own, and counts in units of its legs' ratios."""
    if body.get("qty") is None:
        raise Refusal(invalid("qty is required"))
    quantity = whole_number(body["qty"], "qty", "qty must be integer for options trading")
    if quantity <= 0:
        raise Refusal(invalid("qty must be > 0"))
    return Ticket(
        symbol="",
        side=None,
        type=word(body.get("type"), OrderType, "invalid order type"),
        order_class=OrderClass.MLEG,
        time_in_force=word(body.get("time_in_force"), TimeInForce, "invalid time_in_force"),
        quantity=quantity,
        asset_class=AssetClass.OPTION,
        client_order_id=client_id(body),
        limit_price=net_price(body),
        extended_hours=flag(body, "extended_hours"),
        take_profit=_exit(body, "take_profit"),
        stop_loss=_exit(body, "stop_loss"),
        legs=parse_legs(body),
    )


def net_price(body: Body) -> Decimal | None:
    """The limit of a multi-leg order, dollars a share of one unit: a debit is positive, a credit negative."""
    if body.get("limit_price") is None:
        return None
    found = number(body["limit_price"], "limit_price", LARGEST_PRICE)
    if not is_multiple(found, CENT):
        raise Refusal(unprocessable("invalid limit price"))
    return found.quantize(CENT)


def _asset_class(symbol: str) -> AssetClass:
    if is_contract(symbol):
        return AssetClass.OPTION
    if len(symbol) >= SHORTEST_OPTION:  # longer than any stock's, and not written as a contract's
        raise Refusal(unprocessable(f'asset "{symbol}" not found'))
    return AssetClass.EQUITY


def _size(body: Body) -> tuple[Decimal | None, Decimal | None]:
    """(shares or contracts, dollars): exactly one of the two."""
    if body.get("qty") is None and body.get("notional") is None:
        raise Refusal(invalid("qty or notional is required"))
    if body.get("qty") is not None and body.get("notional") is not None:
        raise Refusal(invalid("only one of qty or notional is accepted"))
    return _rounded(body, "qty", SHARE_DECIMALS), _rounded(body, "notional", CENT_DECIMALS)


def _rounded(body: Body, field: str, places: int) -> Decimal | None:
    found = amount(body, field)
    if found is None:
        return None
    if not is_multiple(found, Decimal(1).scaleb(-places)):
        raise Refusal(unprocessable(f"{field} must be limited to {places} decimal places"))
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found


def _trail_percent(body: Body) -> Decimal | None:
    found = amount(body, "trail_percent")
    if found is not None and found >= LARGEST_TRAIL_PERCENT:
        raise Refusal(invalid("invalid trail_percent"))
    return found


def _exit(body: Body, name: str) -> Exit | None:
    """An exit as it is given; which prices it needs is the order class's matter."""
    given = body.get(name)
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise Refusal(invalid(f"invalid {name}"))
    stop = price(given, "stop_price", f"{name}.stop_price") if name == "stop_loss" else None
    return Exit(price(given, "limit_price", f"{name}.limit_price"), stop)


def _with_own_limit(ticket: Ticket) -> Ticket:
    """An OCO's own limit is that of its take-profit, said twice or not."""
    if ticket.order_class is not OrderClass.OCO or ticket.take_profit is None:
        return ticket
    return replace(ticket, limit_price=ticket.take_profit.limit_price)
