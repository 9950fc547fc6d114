"""Closing a position by DELETE: the order that does it."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from desk.exchange.machine.book import Book, is_option
from desk.exchange.machine.orders import Ticket
from desk.exchange.rules.rejections import Rejection, not_found, unprocessable
from desk.exchange.words import AssetClass, OrderClass, OrderType, PositionIntent, Side, TimeInForce

SMALLEST_SHARE = Decimal("0.000000001")


def closing_ticket(book: Book, symbol: str, quantity: Decimal | None, fraction: Decimal | None) -> Ticket | Rejection:
    """A market order for all of a position, for `quantity` of it, or for a `fraction` from 0 to 1; options in whole contracts."""
    held = book.shares(symbol)
    if not held:
        return not_found("position does not exist")
    wanted = abs(held) if quantity is None else quantity
    if fraction is not None:
        step = Decimal(1) if is_option(symbol) or held == held.to_integral_value() else SMALLEST_SHARE
        wanted = (abs(held) * fraction).quantize(step, ROUND_DOWN)
    if wanted <= 0:
        return unprocessable("qty must be > 0")
    side = Side.SELL if held > 0 else Side.BUY
    return Ticket(
        symbol=symbol,
        side=side,
        type=OrderType.MARKET,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.DAY,
        quantity=wanted,
        asset_class=AssetClass.OPTION if is_option(symbol) else AssetClass.EQUITY,
        position_intent=PositionIntent.SELL_TO_CLOSE if side is Side.SELL else PositionIntent.BUY_TO_CLOSE,
    )
