"""Refusals in Alpaca's words: HTTP status, code, message and the extra fields of the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from desk.exchange.account import Reservation

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


def insufficient_shares(symbol: str, requested: int, existing: int, held: Reservation) -> Rejection:
    free = max(0, existing - held.shares)
    return forbidden(
        f"insufficient qty available for order (requested: {requested}, available: {free})",
        available=str(free),
        existing_qty=str(existing),
        held_for_orders=str(held.shares),
        related_orders=list(held.order_ids),
        symbol=symbol,
    )


def insufficient_cash(power: Decimal, cost: Decimal) -> Rejection:
    return forbidden("insufficient buying power", buying_power=str(power), cost_basis=str(cost))


def base_price(message: str, price: Decimal) -> Rejection:
    return unprocessable(message, base_price=str(price))
