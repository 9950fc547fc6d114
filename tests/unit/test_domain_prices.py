"""Prices at the edges of the grid."""

from __future__ import annotations

from decimal import Decimal

import pytest

from desk.domain.prices import PENNY, SUB_PENNY, Rounding, legal_price, tick_size


@pytest.mark.parametrize(
    ("price", "tick"), [(1, PENNY), (1.0, PENNY), (Decimal("1.00"), PENNY), (0.9999, SUB_PENNY), (Decimal("0.0001"), SUB_PENNY)]
)
def test_ticks_are_a_cent_from_exactly_one_dollar(price: float | Decimal, tick: Decimal) -> None:
    assert tick_size(price) == tick


@pytest.mark.parametrize(
    ("price", "rounding", "legal"),
    [
        (187.534, Rounding.NEAREST, "187.53"),
        (187.536, Rounding.NEAREST, "187.54"),
        (187.539, Rounding.DOWN, "187.53"),
        (187.531, Rounding.UP, "187.54"),
        (0.1 + 0.2, Rounding.UP, "0.3001"),  # 0.30000000000000004 is above 0.3, so the next tick it is
        (0.3, Rounding.UP, "0.3000"),
        (0.99996, Rounding.NEAREST, "1.0000"),
        (0.99996, Rounding.DOWN, "0.9999"),
        (1.004999, Rounding.NEAREST, "1.00"),
        (0.00001, Rounding.DOWN, "0.0001"),  # an order at nothing is no order
        (Decimal("187.535"), Rounding.NEAREST, "187.54"),
        (Decimal("187.545"), Rounding.NEAREST, "187.54"),
    ],
)
def test_a_price_between_two_ticks_goes_where_it_is_told(price: float | Decimal, rounding: Rounding, legal: str) -> None:
    assert legal_price(price, rounding) == Decimal(legal)
