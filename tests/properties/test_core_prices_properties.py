from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.prices import PENNY, SUB_PENNY, Rounding, legal_price, tick_size, whole_shares

floats = st.floats(min_value=0.0001, max_value=1_000_000, allow_nan=False)
decimals = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(1_000_000), places=6)
prices = st.one_of(floats, decimals)
roundings = st.sampled_from(list(Rounding))


def exact(price: Decimal | float) -> Decimal:
    return price if isinstance(price, Decimal) else Decimal(repr(price))


@given(prices, roundings)
def test_a_legal_price_is_on_the_tick_grid_and_above_zero(price: Decimal | float, rounding: Rounding) -> None:
    legal = legal_price(price, rounding)
    assert legal > 0
    assert legal % tick_size(legal) == 0


@given(prices)
def test_down_and_up_bracket_the_price_within_one_tick(price: Decimal | float) -> None:
    down, up = legal_price(price, Rounding.DOWN), legal_price(price, Rounding.UP)
    assert down <= exact(price) <= up
    assert up - down <= tick_size(price)


@given(prices)
def test_the_nearest_price_is_at_most_half_a_tick_away(price: Decimal | float) -> None:
    assert abs(legal_price(price) - exact(price)) <= tick_size(price) / 2


@given(prices, roundings)
def test_a_legal_price_stays_where_it_is(price: Decimal | float, rounding: Rounding) -> None:
    legal = legal_price(price, rounding)
    assert {legal_price(legal, again) for again in Rounding} == {legal}


@given(prices, prices, roundings)
def test_rounding_keeps_the_order_of_prices(one: Decimal | float, other: Decimal | float, rounding: Rounding) -> None:
    low, high = sorted((one, other), key=exact)
    assert legal_price(low, rounding) <= legal_price(high, rounding)


@given(st.integers(min_value=1, max_value=10_000_000))
def test_a_price_in_cents_survives_floating_point(cents: int) -> None:
    for rounding in Rounding:
        if cents >= 100:
            assert legal_price(cents / 100, rounding) == Decimal(cents) / 100


@given(st.floats(max_value=0.0) | st.sampled_from([float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity"), Decimal(0)]))
def test_no_order_gets_a_price_that_is_not_a_positive_number(price: Decimal | float) -> None:
    with pytest.raises(ValueError, match="not a positive number"):
        legal_price(price)


@given(prices)
def test_ticks_are_a_cent_from_one_dollar_up(price: Decimal | float) -> None:
    assert tick_size(price) == (PENNY if price >= 1 else SUB_PENNY)


@given(st.floats(min_value=-1e9, max_value=1e9))
def test_whole_shares_round_towards_zero(shares: float) -> None:
    whole = whole_shares(shares)
    assert abs(whole) <= abs(shares) + 1e-9
    assert abs(shares) - abs(whole) < 1


@given(st.integers(min_value=-1_000_000, max_value=1_000_000), st.floats(min_value=-5e-10, max_value=5e-10))
def test_binary_dust_makes_no_share_less(count: int, dust: float) -> None:
    if count:
        assert whole_shares(count + dust) == count


@given(st.integers(min_value=1, max_value=10_000), st.integers(min_value=1, max_value=10_000))
def test_money_for_a_number_of_shares_buys_that_number(count: int, cents: int) -> None:
    price = cents / 100
    assert whole_shares(count * price / price) == count


@pytest.mark.parametrize("count", [float("nan"), float("inf"), float("-inf")])
def test_a_count_of_shares_is_finite(count: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        whole_shares(count)
