"""Between float maths and exact dollars: what a float says in decimals, and the cent grid on which spreads are priced."""

from __future__ import annotations

from decimal import Decimal

from desk.domain.prices import PENNY, Rounding


def exact(value: float) -> Decimal:
    """The decimal number that `value` is written as, 0.1 and not its binary neighbour."""
    return Decimal(repr(float(value)))


def cents(value: Decimal, rounding: Rounding = Rounding.NEAREST) -> Decimal:
    """`value` dollars on the cent grid. The net price of a multi-leg order has it below a dollar too, unlike a stock's."""
    return value.quantize(PENNY, rounding=rounding.value)
