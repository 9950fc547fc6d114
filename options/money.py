"""Between float maths and exact dollars: what a float says in decimals, and the cent grid on which spreads are priced."""

from __future__ import annotations

from decimal import Decimal

from desk.domain.prices import PENNY, Rounding


def exact(value: float) -> Decimal:
    """The decimal number that `value` is written as, 0.1 and not its binary neighbour."""
    return Decimal(repr(float(value)))


# Cboe rule 5.4: series outside the penny programme trade in nickels below three dollars and in dimes from there on.
NICKEL, DIME, DIMES_FROM = Decimal("0.05"), Decimal("0.10"), Decimal(3)


def on_class_ticks(value: Decimal, rounding: Rounding) -> Decimal:
    """`value` dollars on the widest grid that a single option trades on; zero for less than a step rounded down."""
    tick = DIME if value >= DIMES_FROM else NICKEL
    steps = (value / tick).quantize(Decimal(1), rounding=rounding.value)
    return (steps * tick).quantize(PENNY)


def cents(value: Decimal, rounding: Rounding = Rounding.NEAREST) -> Decimal:
    """`value` dollars on the cent grid. The net price of a multi-leg order has it below a dollar too, unlike a stock's."""
    return value.quantize(PENNY, rounding=rounding.value)
