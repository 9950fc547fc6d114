"""Refusals in Alpaca's words: HTTP status, code, message and the extra fields of the body.

Texts are those of https://docs.alpaca.markets/docs/working-with-orders, of its error tables for options
(https://docs.alpaca.markets/docs/options-trading-overview), and of what users have logged. Alpaca says that texts may change
while status and code stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from desk.exchange.rules.reservations import Reservation

INVALID = 40010001
UNPROCESSABLE = 42210000
FORBIDDEN = 40310000
NOT_FOUND = 40410000


@dataclass(frozen=True)
class Rejection:
    """An answer that is not the wanted one; `extra` values are strings, as Alpaca sends them."""

    status: int
    code: int
    message: str
    extra: Mapping[str, object] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        return {"code": self.code, "message": self.message, **self.extra}


def plain(value: Decimal) -> str:
    """A decimal as text without exponent and trailing zeros."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def malformed() -> Rejection:
    """A body that is no JSON object."""
    return Rejection(422, 40010000, "request body format is invalid")


def invalid(message: str) -> Rejection:
    """A request that is malformed in itself."""
    return Rejection(422, INVALID, message)


def unprocessable(message: str, **extra: object) -> Rejection:
    """A well-formed request that the rules or the order's state do not allow."""
    return Rejection(422, UNPROCESSABLE, message, extra)


def forbidden(message: str, **extra: object) -> Rejection:
    """A request that the account may not make now."""
    return Rejection(403, FORBIDDEN, message, extra)


def not_found(message: str) -> Rejection:
    return Rejection(404, NOT_FOUND, message)


def unauthorized() -> Rejection:
    return Rejection(401, 40110000, "request is not authorized")


def insufficient_shares(symbol: str, requested: Decimal, existing: Decimal, held: Reservation) -> Rejection:
    """More than what is free of a position. A short position's quantities are negative in the body, as they are in Alpaca's."""
    sign = -1 if existing < 0 else 1
    free = max(Decimal(0), abs(existing) - held.shares)
    return forbidden(
        f"insufficient qty available for order (requested: {plain(requested)}, available: {plain(free)})",
        available=plain(sign * free) if free else "0",
        existing_qty=plain(existing),
        held_for_orders=plain(sign * held.shares) if held.shares else "0",
        related_orders=list(held.order_ids),
        symbol=symbol,
    )


def insufficient_buying_power(power: Decimal, cost: Decimal) -> Rejection:
    return forbidden("insufficient buying power", buying_power=plain(power), cost_basis=plain(cost))


def base_price(message: str, price: Decimal) -> Rejection:
    return unprocessable(message, base_price=plain(price))


def wash_trade(order_id: str, reason: str) -> Rejection:
    message = "potential wash trade detected. use complex orders"
    return forbidden(message, existing_order_id=order_id, reject_reason=reason)


def sub_penny(field_name: str, price: Decimal) -> Rejection:
    shown = plain(price)
    return unprocessable(f"invalid {field_name} {shown}. sub-penny increment does not fulfill minimum pricing criteria")
