"""From a request's JSON to a ticket or an amendment, or to the refusal that Alpaca would send.

Prices and quantities may be JSON numbers or strings: alpaca-py sends the first, other clients the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from desk.domain.orders import OrderClass, OrderType, Side, TimeInForce
from desk.domain.prices import tick_size
from desk.exchange.orders import Amendment, Order, Ticket
from desk.exchange.rejections import Rejection, forbidden, invalid, unprocessable

Body = Mapping[str, object]
Word = TypeVar("Word", bound=StrEnum)
NOT_YET = {
    "type": ("stop_limit", "trailing_stop"),
    "time_in_force": ("opg", "cls", "ioc", "fok"),
    "order_class": ("oto", "mleg"),
}
LONGEST_CLIENT_ID = 128
LARGEST_QUANTITY = 10**9


class Refusal(Exception):
    """Carries a rejection out of the parsing of one field."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


def parse_ticket(body: object) -> Ticket | Rejection:
    """The order that a POST asks for, checked in itself but not against the account."""
    if not isinstance(body, Mapping):
        return Rejection(422, 40010000, "request body format is invalid")
    try:
        return _ticket(body)
    except Refusal as refusal:
        return refusal.rejection


def _ticket(body: Body) -> Ticket:
    order_class = _word(body.get("order_class") or "simple", OrderClass, "order_class", "invalid order_class")
    kind = _word(body.get("type"), OrderType, "type", "invalid order type")
    ticket = Ticket(
        symbol=_text(body, "symbol", "symbol is required"),
        side=_word(body.get("side"), Side, "side", "invalid side"),
        type=kind,
        order_class=order_class,
        time_in_force=_word(body.get("time_in_force"), TimeInForce, "time_in_force", "invalid time_in_force"),
        quantity=_quantity(body, order_class),
        client_order_id=_client_id(body),
        limit_price=_price(body, "limit_price"),
        stop_price=_price(body, "stop_price"),
        take_profit=_exit_price(body, "take_profit", "limit_price"),
        stop_loss=_exit_price(body, "stop_loss", "stop_price"),
    )
    _refuse_first(_price_fields(ticket), _exit_fields(ticket), _hours(body, ticket))
    return ticket


def parse_amendment(body: object, order: Order) -> Amendment | Rejection:
    """What a PATCH asks to change about `order`."""
    if not isinstance(body, Mapping):
        return Rejection(422, 40010000, "request body format is invalid")
    try:
        word = body.get("time_in_force")
        return Amendment(
            quantity=None if body.get("qty") is None else _quantity(body, OrderClass.SIMPLE),
            limit_price=_price(body, "limit_price"),
            stop_price=_price(body, "stop_price"),
            time_in_force=None if word is None else _word(word, TimeInForce, "time_in_force", "invalid time_in_force"),
            client_order_id=_client_id(body),
        )
    except Refusal as refusal:
        return refusal.rejection


def _refuse_first(*rejections: Rejection | None) -> None:
    for rejection in rejections:
        if rejection is not None:
            raise Refusal(rejection)


def _word(value: object, words: type[Word], field: str, message: str) -> Word:
    if isinstance(value, str):
        if value in NOT_YET.get(field, ()):
            raise Refusal(unprocessable(f"{field} {value} is not supported by this exchange yet"))
        if value in set(words):
            return words(value)
    raise Refusal(invalid(message))


def _text(body: Body, field: str, message: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise Refusal(invalid(message))
    return value


def _client_id(body: Body) -> str | None:
    value = body.get("client_order_id")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Refusal(invalid("client_order_id must be a string"))
    if len(value) > LONGEST_CLIENT_ID:
        raise Refusal(invalid(f"client_order_id must be no more than {LONGEST_CLIENT_ID} characters"))
    return value


def _number(value: object, field: str) -> Decimal:
    """A finite decimal from a JSON number or string; a float by its shortest text, so 151.1 stays 151.1."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InvalidOperation
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, ValueError):
        raise Refusal(invalid(f"invalid {field}")) from None
    if not number.is_finite() or abs(number) > LARGEST_QUANTITY:
        raise Refusal(invalid(f"invalid {field}"))
    return number


def _quantity(body: Body, order_class: OrderClass) -> int:
    if body.get("qty") is None and body.get("notional") is None:
        raise Refusal(invalid("qty or notional is required"))
    if body.get("qty") is not None and body.get("notional") is not None:
        raise Refusal(invalid("only one of qty or notional is accepted"))
    is_notional = body.get("qty") is None
    number = _number(body["notional"] if is_notional else body["qty"], "notional" if is_notional else "qty")
    if number <= 0:
        raise Refusal(unprocessable(f"{'notional' if is_notional else 'qty'} must be > 0"))
    if is_notional or number != number.to_integral_value():
        if order_class is not OrderClass.SIMPLE:
            raise Refusal(unprocessable("fractional orders must be simple orders"))
        raise Refusal(forbidden(f'asset "{body.get("symbol")}" is not fractionable'))
    return int(number)


def _price(body: Body, field: str, name: str | None = None) -> Decimal | None:
    """A price on the tick grid: two decimals from one dollar up, four below."""
    if body.get(field) is None:
        return None
    name = name or field
    price = _number(body[field], name)
    if price <= 0:
        raise Refusal(unprocessable(f"{name} must be > 0"))
    tick = tick_size(price)
    if price % tick:
        shown = format(price.normalize(), "f")
        message = f"invalid {name} {shown}. sub-penny increment does not fulfill minimum pricing criteria"
        raise Refusal(unprocessable(message))
    return price.quantize(tick)


def _exit_price(body: Body, exit_name: str, field: str) -> Decimal | None:
    exit_body = body.get(exit_name)
    if exit_body is None:
        return None
    if not isinstance(exit_body, Mapping):
        raise Refusal(invalid(f"invalid {exit_name}"))
    if exit_name == "stop_loss" and exit_body.get("limit_price") is not None:
        raise Refusal(unprocessable("stop_loss.limit_price is not supported by this exchange yet"))
    return _price(exit_body, field, f"{exit_name}.{field}")


def _price_fields(ticket: Ticket) -> Rejection | None:
    """Which prices an order type needs and refuses."""
    if ticket.order_class is OrderClass.OCO:
        if ticket.type is not OrderType.LIMIT:
            return invalid("oco orders must be limit orders")
        return invalid("limit orders must not have stop_price") if ticket.stop_price is not None else None
    has_limit, has_stop = ticket.limit_price is not None, ticket.stop_price is not None
    wanted = {OrderType.MARKET: (False, False), OrderType.LIMIT: (True, False), OrderType.STOP: (False, True)}[ticket.type]
    if (has_limit, has_stop) == wanted:
        return None
    if ticket.type is OrderType.MARKET:
        return invalid("market orders require no stop or limit price")
    if ticket.type is OrderType.LIMIT:
        return invalid("limit orders must not have stop_price" if has_limit else "limit orders require a limit price")
    return invalid("stop orders must not have limit_price" if has_stop else "stop orders require a stop price")


def _exit_fields(ticket: Ticket) -> Rejection | None:
    """Which exits an order class needs and refuses."""
    if ticket.order_class is OrderClass.SIMPLE:
        has_exit = ticket.take_profit is not None or ticket.stop_loss is not None
        return invalid("simple orders must not have take_profit or stop_loss") if has_exit else None
    if ticket.take_profit is None:
        return invalid(f"{ticket.order_class} orders require take_profit.limit_price")
    if ticket.stop_loss is None:
        return invalid(f"{ticket.order_class} orders require stop_loss.stop_price")
    if ticket.order_class is OrderClass.OCO and ticket.limit_price not in (None, ticket.take_profit):
        return invalid("oco orders require limit_price to be equal to take_profit.limit_price")
    return None


def _hours(body: Body, ticket: Ticket) -> Rejection | None:
    wants = body.get("extended_hours")
    if wants is None or wants is False:
        return None
    if wants is not True:
        return invalid("invalid extended_hours")
    if ticket.type is not OrderType.LIMIT or ticket.order_class is not OrderClass.SIMPLE:
        return unprocessable("extended hours order must be DAY or GTC limit orders")
    return unprocessable("extended hours are not supported by this exchange yet")
