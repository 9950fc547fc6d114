"""The one door between float maths and the Decimal prices and whole quantities that go into orders."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import Enum

PENNY = Decimal("0.01")
SUB_PENNY = Decimal("0.0001")


class Rounding(Enum):
    """Which legal price to take when a computed one lies between two ticks."""

    DOWN = ROUND_FLOOR
    UP = ROUND_CEILING
    NEAREST = ROUND_HALF_EVEN


def tick_size(price: Decimal | float) -> Decimal:
    """Smallest legal price step of a US stock: a cent from one dollar up, a hundredth of a cent below (SEC rule 612)."""
    return PENNY if price >= 1 else SUB_PENNY


def legal_price(price: Decimal | float, rounding: Rounding = Rounding.NEAREST) -> Decimal:
    """Return `price` in dollars on the tick grid.

    Raises ValueError when the price is not a finite number above zero: no order may carry such a price.
    """
    if not math.isfinite(price) or price <= 0:
        raise ValueError(f"price {price!r} is not a positive number")
    tick = tick_size(price)
    # repr of the float first: Decimal(0.1) would carry binary dust across a tick boundary.
    exact = price if isinstance(price, Decimal) else Decimal(repr(float(price)))
    steps = (exact / tick).quantize(Decimal(1), rounding=rounding.value)
    return (max(steps, Decimal(1)) * tick).quantize(tick)


def whole_shares(shares: float) -> int:
    """Whole shares in `shares`, rounded towards zero: brackets take no fractions."""
    if not math.isfinite(shares):
        raise ValueError(f"share count {shares!r} is not finite")
    # A quotient such as 2.9999999999999996 stands for 3; the dust is smaller than any real fraction of a share.
    return math.trunc(shares + math.copysign(1e-9, shares))
