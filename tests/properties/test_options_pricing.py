"""Black-Scholes against Hull's worked examples, and what must hold for every option; symbols go there and back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from options import black_scholes, occ

RATE = 0.02
spots = st.floats(1.0, 2000.0)
ratios = st.floats(0.5, 2.0)
times = st.floats(1 / 365, 2.0)
volatilities = st.floats(0.05, 1.5)


def test_hull_example_15_6_prices() -> None:
    """S 42, K 40, r 10 %, volatility 20 %, six months: call 4.76, put 0.81."""
    paid = black_scholes.price([True, False], 42.0, 40.0, 0.5, 0.2, 0.1)
    assert paid == pytest.approx([4.76, 0.81], abs=0.005)


def test_hull_chapter_19_greeks() -> None:
    """S 49, K 50, r 5 %, volatility 20 %, 20 weeks: 2.40, delta 0.522, theta -4.31 a year, gamma 0.066, vega 12.1, rho 8.91."""
    example = (True, 49.0, 50.0, 0.3846, 0.2, 0.05)
    assert black_scholes.price(*example) == pytest.approx(2.40, abs=0.005)
    found = black_scholes.greeks(*example)
    assert found.delta == pytest.approx(0.522, abs=0.0005)
    assert found.gamma == pytest.approx(0.066, abs=0.0005)
    assert found.theta * 365 == pytest.approx(-4.31, abs=0.005)
    assert found.vega * 100 == pytest.approx(12.1, abs=0.05)
    assert found.rho * 100 == pytest.approx(8.91, abs=0.005)


def test_hull_implied_volatility_example() -> None:
    """S 21, K 20, r 10 %, three months, call at 1.875: volatility 23.5 % (section 15.11)."""
    assert black_scholes.implied_volatility(True, 1.875, 21.0, 20.0, 0.25, 0.1) == pytest.approx(0.235, abs=0.0005)


def test_price_at_expiry_is_what_exercise_pays() -> None:
    paid = black_scholes.price([True, False, True, True], [105.0, 105.0, 100.0, 95.0], 100.0, 0.0, 0.3, RATE)
    assert list(paid) == [5.0, 0.0, 0.0, 0.0]


def test_greeks_after_expiry_are_refused() -> None:
    with pytest.raises(ValueError, match="years"):
        black_scholes.greeks(True, 100.0, 100.0, 0.0, 0.2, RATE)


def test_no_volatility_explains_a_price_below_what_is_sure() -> None:
    assert np.isnan(black_scholes.implied_volatility(True, 9.0, 110.0, 100.0, 0.5, RATE))
    assert np.isnan(black_scholes.implied_volatility(True, 111.0, 110.0, 100.0, 0.5, RATE))


@given(spots, ratios, times, volatilities)
def test_call_less_put_is_stock_less_discounted_strike(spot: float, ratio: float, years: float, volatility: float) -> None:
    strike = spot * ratio
    call, put = black_scholes.price([True, False], spot, strike, years, volatility, RATE)
    assert call - put == pytest.approx(spot - strike * np.exp(-RATE * years), abs=1e-8 * spot)


@given(spots, ratios, times, volatilities, st.booleans())
def test_price_lies_within_the_bounds_that_arbitrage_sets(
    spot: float, ratio: float, years: float, volatility: float, is_call: bool
) -> None:
    discounted = spot * ratio * np.exp(-RATE * years)
    paid = float(black_scholes.price(is_call, spot, spot * ratio, years, volatility, RATE))
    sure = max(0.0, spot - discounted) if is_call else max(0.0, discounted - spot)
    assert sure - 1e-8 * spot <= paid <= (spot if is_call else discounted) + 1e-8 * spot


@given(spots, st.floats(0.7, 1.4), st.floats(0.02, 2.0), volatilities, st.booleans())
def test_greeks_are_the_slopes_of_the_price(spot: float, ratio: float, years: float, volatility: float, is_call: bool) -> None:
    strike, step = spot * ratio, 1e-4
    found = black_scholes.greeks(is_call, spot, strike, years, volatility, RATE)

    def price(**change: float) -> float:
        at = {"spot": spot, "strike": strike, "years": years, "volatility": volatility, "rate": RATE, **change}
        return float(black_scholes.price(is_call, **at))  # type: ignore[arg-type]  # mypy cannot see the keys

    def slope(name: str, at: float, by: float) -> float:
        return (price(**{name: at + by}) - price(**{name: at - by})) / (2 * by)

    near = {"rel": 1e-3, "abs": 1e-5 * max(1.0, spot)}
    assert found.delta == pytest.approx(slope("spot", spot, spot * step), **near)
    assert found.vega * 100 == pytest.approx(slope("volatility", volatility, volatility * step), **near)
    assert found.rho * 100 == pytest.approx(slope("rate", RATE, step), **near)
    assert found.theta * 365 == pytest.approx(-slope("years", years, years * step), **near)
    up, middle, down = price(spot=spot * 1.001), price(), price(spot=spot * 0.999)
    assert found.gamma == pytest.approx((up - 2 * middle + down) / (spot * 0.001) ** 2, rel=1e-2, abs=1e-4)


@given(spots, st.floats(0.8, 1.25), st.floats(0.02, 2.0), st.floats(0.1, 1.5), st.booleans())
def test_implied_volatility_finds_the_volatility_that_made_the_price(
    spot: float, ratio: float, years: float, volatility: float, is_call: bool
) -> None:
    strike = spot * ratio
    if abs(np.log(ratio)) > 4 * volatility * np.sqrt(years):
        return  # so far from the money that the price says nothing of the volatility
    paid = black_scholes.price(is_call, spot, strike, years, volatility, RATE)
    found = black_scholes.implied_volatility(is_call, paid, spot, strike, years, RATE)
    assert found == pytest.approx(volatility, rel=1e-4)


@given(
    st.from_regex(r"[A-Z][A-Z0-9]{0,5}", fullmatch=True),
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.sampled_from(["call", "put"]),
    st.integers(1, 99_999_999),
)
def test_symbol_says_what_it_was_made_of(root: str, expiration: date, type_: occ.OptionType, thousandths: int) -> None:
    strike = Decimal(thousandths) / 1000
    symbol = occ.format(root, expiration, type_, strike)
    assert occ.parse(symbol) == occ.Occ(root, expiration, type_, strike)
