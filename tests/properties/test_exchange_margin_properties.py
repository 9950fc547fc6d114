"""The universal spread rule and the stock margins, for any portfolio."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from desk.exchange.rules.margin import initial_usd, maintenance_rate, maintenance_usd, short_requirement_usd
from desk.exchange.rules.spread_margin import Position, spread_margin, uncovered_contracts

FIRST = date(2025, 6, 20)
strikes = st.integers(1, 60).map(lambda n: Decimal(n * 5))
days = st.integers(0, 3).map(lambda weeks: FIRST + timedelta(weeks=weeks))
counts = st.integers(1, 4).map(Decimal)


def positions(quantities: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Position]:
    return st.builds(Position, days, st.booleans(), strikes, quantities)


signed = st.integers(-4, 4).filter(bool).map(Decimal)
portfolios = st.lists(positions(signed), max_size=6)
shares = st.integers(-3, 6).map(lambda lots: Decimal(lots * 50))
prices = st.decimals("0.01", 2000, places=2)


@given(portfolios, positions(counts), shares)
def test_adding_a_long_leg_never_raises_margin(held: list[Position], more: Position, stock: Decimal) -> None:
    before, after = spread_margin(held, stock), spread_margin([*held, more], stock)
    assert after.uncovered <= before.uncovered
    if not before.uncovered:
        assert after.required_usd <= before.required_usd


@given(portfolios, shares, st.integers(0, 5))
def test_adding_shares_never_raises_margin(held: list[Position], stock: Decimal, lots: int) -> None:
    before, after = spread_margin(held, stock), spread_margin(held, stock + 100 * lots)
    assert after.uncovered <= before.uncovered
    if not before.uncovered:
        assert after.required_usd <= before.required_usd


@given(st.lists(positions(counts), max_size=6), shares)
def test_long_options_need_no_margin(held: list[Position], stock: Decimal) -> None:
    assert spread_margin(held, stock).required_usd == 0


@given(portfolios, shares)
def test_margin_does_not_depend_on_the_order_or_on_how_positions_are_split(held: list[Position], stock: Decimal) -> None:
    halves = [Position(p.expiration, p.is_call, p.strike, p.quantity / 2) for p in held for _ in (1, 2)]
    assert spread_margin(held, stock) == spread_margin(held[::-1], stock) == spread_margin(halves, stock)


@given(portfolios, st.integers(2, 5))
def test_margin_grows_with_size_in_proportion(held: list[Position], times: int) -> None:
    many = [Position(p.expiration, p.is_call, p.strike, p.quantity * times) for p in held]
    one, all_of_them = spread_margin(held), spread_margin(many)
    assert all_of_them.uncovered == one.uncovered * times
    assert abs(all_of_them.required_usd - one.required_usd * times) <= Decimal("0.01") * times


@given(st.lists(st.builds(Position, st.just(FIRST), st.booleans(), strikes, signed), max_size=6), st.integers(0, 600))
def test_margin_of_one_expiration_covers_the_loss_at_every_price(held: list[Position], price: int) -> None:
    margin = spread_margin(held)
    assume(not margin.uncovered)
    assert 100 * sum(p.payoff(Decimal(price)) for p in held) >= -margin.required_usd


@given(portfolios, st.integers(0, 600))
def test_later_options_count_for_no_more_than_they_are_worth(held: list[Position], price: int) -> None:
    margin = spread_margin(held)
    assume(not margin.uncovered)
    for day in {p.expiration for p in held}:
        dying = sum((p.payoff(Decimal(price)) for p in held if p.expiration == day), Decimal(0))
        later = sum((p.payoff(Decimal(price)) for p in held if p.expiration > day), Decimal(0))
        assert 100 * (dying + max(Decimal(0), later)) >= -margin.required_usd


@given(strikes, strikes, st.integers(1, 9), st.booleans())
def test_vertical_needs_its_width_as_a_credit_and_nothing_as_a_debit(
    short: Decimal, long: Decimal, n: int, is_call: bool
) -> None:
    assume(short != long)
    legs = [Position(FIRST, is_call, short, Decimal(-n)), Position(FIRST, is_call, long, Decimal(n))]
    is_credit = (short < long) if is_call else (short > long)
    assert spread_margin(legs).required_usd == (abs(short - long) * 100 * n if is_credit else 0)


@given(st.lists(strikes, min_size=4, max_size=4, unique=True), st.integers(1, 5))
def test_iron_condor_needs_its_wider_side(points: list[Decimal], n: int) -> None:
    low, put, call, high = sorted(points)
    signs = [(False, low, n), (False, put, -n), (True, call, -n), (True, high, n)]
    legs = [Position(FIRST, is_call, strike, Decimal(count)) for is_call, strike, count in signs]
    assert spread_margin(legs).required_usd == max(put - low, high - call) * 100 * n


@given(strikes, st.booleans(), st.integers(1, 5))
def test_calendar_needs_nothing_when_the_long_leg_lives_longer(strike: Decimal, is_call: bool, n: int) -> None:
    near, far = FIRST, FIRST + timedelta(weeks=4)
    calendar = [Position(near, is_call, strike, Decimal(-n)), Position(far, is_call, strike, Decimal(n))]
    assert spread_margin(calendar).required_usd == 0
    reverse = [Position(far, is_call, strike, Decimal(-n)), Position(near, is_call, strike, Decimal(n))]
    assert spread_margin(reverse).required_usd >= strike * 100 * n
    assert uncovered_contracts(reverse, is_call=is_call) == n and not uncovered_contracts(calendar, is_call=is_call)


@given(strikes, st.integers(1, 5))
def test_covered_call_needs_nothing_and_an_uncovered_one_is_named(strike: Decimal, n: int) -> None:
    calls = [Position(FIRST, True, strike, Decimal(-n))]
    assert spread_margin(calls, Decimal(100 * n)).required_usd == 0
    bare = spread_margin(calls, Decimal(100 * n - 1))
    assert bare.uncovered == 1 and bare.required_usd > 0
    assert uncovered_contracts(calls, is_call=True, shares=Decimal(100 * n - 1)) == 1


@given(strikes, st.integers(1, 5))
def test_put_that_only_cash_covers_needs_its_strike(strike: Decimal, n: int) -> None:
    assert spread_margin([Position(FIRST, False, strike, Decimal(-n))]).required_usd == strike * 100 * n


@given(portfolios, positions(counts), st.booleans(), shares)
def test_adding_a_long_leg_never_uncovers(held: list[Position], more: Position, is_call: bool, stock: Decimal) -> None:
    after = uncovered_contracts([*held, more], is_call=is_call, shares=stock)
    assert after <= uncovered_contracts(held, is_call=is_call, shares=stock)


@settings(max_examples=50)
@given(prices, st.integers(-1000, 1000).map(Decimal), st.sampled_from([-3.0, -1.0, 1.0, 2.0, 3.0]))
def test_stock_margins_are_between_nothing_and_the_whole(price: Decimal, quantity: Decimal, leverage: float) -> None:
    value = abs(quantity) * price
    assert maintenance_usd(quantity, price, leverage) >= value * Decimal("0.3")
    assert initial_usd(quantity, price, leverage) >= value / 2
    if quantity > 0:
        assert (
            maintenance_usd(quantity, price, leverage, is_cash=True)
            == value
            == initial_usd(quantity, price, leverage, is_cash=True)
        )
        assert maintenance_usd(quantity, price, leverage) <= value


@given(prices, prices, st.sampled_from([1.0, 2.0, 3.0]))
def test_requirement_of_a_short_falls_with_its_price_but_for_the_step_at_five_dollars(
    a: Decimal, b: Decimal, leverage: float
) -> None:
    low, high = sorted((a, b))
    assume((low < 5) == (high < 5))
    assert short_requirement_usd(low, leverage) <= short_requirement_usd(high, leverage)


def test_documented_rates() -> None:
    assert [maintenance_rate(leverage) for leverage in (1.0, -1.0, 2.0, -2.0, 3.0, -3.0)] == [
        Decimal(rate) for rate in ("0.30", "0.30", "0.50", "0.50", "0.75", "0.75")
    ]
    assert [short_requirement_usd(Decimal(price)) for price in ("1", "2.50", "4", "5", "10", "16.67", "100")] == [
        Decimal(usd) for usd in ("2.50", "2.50", "4", "5", "5", "5.0010", "30")
    ]


def test_documented_example_of_two_call_spreads_needs_nothing_together() -> None:
    """https://docs.alpaca.markets/docs/options-level-3-trading: 100/110 debit and 200/190 credit, $1,000 when counted apart."""
    credit = [Position(FIRST, True, Decimal(200), Decimal(1)), Position(FIRST, True, Decimal(190), Decimal(-1))]
    debit = [Position(FIRST, True, Decimal(100), Decimal(1)), Position(FIRST, True, Decimal(110), Decimal(-1))]
    assert spread_margin(credit).required_usd == 1000 and spread_margin(debit).required_usd == 0
    assert spread_margin([*credit, *debit]).required_usd == 0


def test_spreads_of_different_expirations_need_the_larger_of_the_two() -> None:
    later = FIRST + timedelta(weeks=1)
    first = [Position(FIRST, False, Decimal(100), Decimal(-1)), Position(FIRST, False, Decimal(95), Decimal(1))]
    second = [Position(later, False, Decimal(90), Decimal(-1)), Position(later, False, Decimal(80), Decimal(1))]
    assert spread_margin([*first, *second]).required_usd == 1000


def test_one_long_put_covers_one_of_two_short_ones_that_expire_on_different_days() -> None:
    days_apart = [FIRST + timedelta(weeks=week) for week in range(3)]
    legs = [Position(day, False, Decimal(100), Decimal(sign)) for day, sign in zip(days_apart, (-1, -1, 1), strict=True)]
    assert spread_margin(legs).required_usd == 10_000
