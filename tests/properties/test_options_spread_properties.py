"""What holds for every spread: payoffs, sizes, candidates, ladders, expirations, and the rank of exits."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from desk.domain.prices import PENNY
from desk.domain.spreads import SpreadRules
from options import occ
from options.candidate import BullPut
from options.exits import Look, SpreadExit, next_rule, wish
from options.expirations import ExpiryWindow, suitable_expirations
from options.ladder import entry_credits, exit_debits
from options.legs import Legs, SpreadChoice
from options.listing import contract_of, is_adjusted
from options.refusals import SpreadRefusal
from options.roll import RollChoice, roll_target
from options.scan import candidate
from options.sizing import contracts_for, least_credit, max_loss_usd
from options.strikes import AtDelta, AtDistance, AtWidth, Snap, StrikeChoice
from tests.option_chains import JULY_18, NOW, is_session, priced_chain, put, quote

cents = st.integers(1, 2000).map(lambda count: count * PENNY)
half_cents = st.integers(1, 4000).map(lambda count: count * PENNY / 2)
rungs = st.integers(1, 12)


@st.composite
def widths_and_credits(draw: st.DrawFn) -> tuple[Decimal, Decimal]:
    width = draw(st.integers(1, 200)) * Decimal("0.5")
    credit = draw(st.integers(1, int(width * 100) - 1)) * PENNY
    return width, credit


# ---- money -----------------------------------------------------------------------------------------------------------------


@given(widths_and_credits(), st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=20))
def test_payoff_stays_between_the_loss_and_the_credit(terms: tuple[Decimal, Decimal], ends: list[float]) -> None:
    width, credit = terms
    short, long = (quote(put("AAPL", JULY_18, strike), "1.00", "1.05") for strike in (300, 300 - width))
    spread = BullPut(Legs("AAPL", JULY_18, 320.0, NOW, short, long, Decimal(300), 300 - width), 46, credit)
    paid = spread.payoff_usd(sorted(ends))
    assert np.all(paid >= -float(spread.max_loss_usd) - 1e-6) and np.all(paid <= float(spread.max_gain_usd) + 1e-6)
    assert np.all(np.diff(paid) >= -1e-6)
    assert abs(float(spread.payoff_usd(float(spread.break_even)))) < 1e-6


@given(widths_and_credits(), st.integers(0, 2_000_000), st.integers(1, 10))
def test_size_is_the_most_that_the_budget_carries(terms: tuple[Decimal, Decimal], budget_cents: int, most: int) -> None:
    width, credit = terms
    budget = budget_cents * PENNY
    found = contracts_for("AAPL", width, credit, budget, most)
    if isinstance(found, SpreadRefusal):
        assert max_loss_usd(width, credit) > budget
        return
    assert 1 <= found <= most
    assert max_loss_usd(width, credit, found) <= budget
    assert found == most or max_loss_usd(width, credit, found + 1) > budget


@given(widths_and_credits(), st.integers(1, 10), st.integers(1, 2_000_000))
def test_least_credit_is_the_lowest_within_the_budget(terms: tuple[Decimal, Decimal], contracts: int, budget_cents: int) -> None:
    width, budget = terms[0], budget_cents * PENNY
    least = least_credit(width, contracts, budget)
    assert max_loss_usd(width, least, contracts) <= budget
    assert least == PENNY or max_loss_usd(width, least - PENNY, contracts) > budget


# ---- ladders ---------------------------------------------------------------------------------------------------------------


@given(half_cents, half_cents, st.floats(0.0, 1.0), rungs)
def test_credits_fall_from_the_middle_to_the_floor_or_the_natural_price(
    mid: Decimal, concession: Decimal, floor_fraction: float, count: int
) -> None:
    natural, floor = mid - concession, mid * Decimal(repr(floor_fraction))
    prices = entry_credits(mid, natural, floor, count)
    assert len(prices) == count
    assert all(price % PENNY == 0 and price >= max(floor, PENNY) for price in prices)
    assert list(prices) == sorted(prices, reverse=True)
    assert mid <= prices[0] < mid + PENNY
    assert count == 1 or prices[-1] - PENNY < max(floor, natural, PENNY) <= prices[-1]


@given(half_cents, half_cents, st.integers(1, 100), cents, rungs)
def test_debits_rise_from_the_middle_beyond_the_natural_price(
    mid: Decimal, concession: Decimal, dollars: int, beyond: Decimal, count: int
) -> None:
    width = Decimal(dollars)
    natural = mid + concession
    prices = exit_debits(mid, natural, width, count, beyond)
    assert len(prices) == count
    assert all(price % PENNY == 0 and PENNY <= price <= width for price in prices)
    assert list(prices) == sorted(prices)
    assert prices[-1] == width or prices[-1] >= natural + beyond
    if count > 1 and PENNY <= mid <= width:
        assert mid - PENNY < prices[0] <= mid


@given(st.integers(-500, 500).map(lambda count: count * PENNY), st.integers(-500, 500).map(lambda count: count * PENNY), rungs)
def test_ladders_of_odd_quotes_still_have_prices(mid: Decimal, natural: Decimal, count: int) -> None:
    assert all(price >= PENNY for price in entry_credits(mid, natural, Decimal(0), count))
    assert all(PENNY <= price <= 5 for price in exit_debits(mid, natural, Decimal(5), count))


# ---- expirations -----------------------------------------------------------------------------------------------------------


@given(
    st.dates(date(2015, 1, 1), date(2040, 1, 1)),
    st.sets(st.integers(0, 120), max_size=40),
    st.sets(st.integers(0, 120), max_size=20),
    st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100)).map(sorted),
)
def test_expirations_are_last_sessions_of_their_week_inside_the_window(
    today: date, listed: set[int], closed: set[int], bounds: list[int]
) -> None:
    holidays = {today + timedelta(days=offset) for offset in closed}

    def is_open(day: date) -> bool:
        return day.weekday() < 5 and day not in holidays

    days = {today + timedelta(days=offset) for offset in listed}
    found = suitable_expirations(days, today, is_open, ExpiryWindow(bounds[0], bounds[2], bounds[1]))
    distances = [abs((day - today).days - bounds[1]) for day in found]
    assert set(found) <= days and distances == sorted(distances)
    for day in found:
        assert bounds[0] <= (day - today).days <= bounds[2] and is_open(day)
        assert not any(is_open(day + timedelta(days=later)) for later in range(1, 5 - day.weekday()))


# ---- candidates ------------------------------------------------------------------------------------------------------------

shorts = st.one_of(st.builds(AtDistance, st.floats(0.01, 0.15), st.sampled_from(Snap)), st.builds(AtDelta, st.floats(0.05, 0.45)))
longs = st.one_of(shorts, st.builds(AtWidth, st.integers(1, 60).map(lambda count: count * Decimal("0.5"))))


@settings(max_examples=40, deadline=None)
@given(
    st.floats(20.0, 900.0).map(lambda spot: round(spot, 2)),
    st.floats(0.1, 1.0),
    st.builds(StrikeChoice, shorts, longs),
    st.floats(0.0, 1.0),
)
def test_candidate_is_a_spread_below_the_market_that_can_win_and_lose(
    spot: float, volatility: float, strikes: StrikeChoice, concession: float
) -> None:
    chain = priced_chain(spot=spot, days=[JULY_18], step=max(0.5, round(spot / 40)), volatility=volatility)
    found = candidate(chain, SpreadChoice(strikes=strikes, concession_fraction=concession), NOW, is_session)
    if isinstance(found, SpreadRefusal):
        assert found.symbol == "AAPL" and found.text
        return
    assert found.long_strike < found.short_strike < found.spot
    assert 0 < found.credit < found.width
    assert found.natural_credit - PENNY <= found.credit <= found.mid_credit
    assert found.long_strike < found.break_even < found.short_strike
    assert found.short_delta is not None and -1 <= found.short_delta <= 0
    assert found.probability_of_profit is not None and 0 <= found.probability_of_profit <= 1
    assert found.greeks is not None and found.greeks.delta > 0


@settings(max_examples=25, deadline=None)
@given(st.floats(150.0, 180.0), st.integers(-400, 100).map(lambda count: count * PENNY))
def test_roll_goes_later_for_a_credit_and_never_wider(spot: float, least: Decimal) -> None:
    chain = priced_chain(spot=round(spot, 2))
    short, long = put("AAPL", date(2025, 7, 3), 167), put("AAPL", date(2025, 7, 3), 158)
    found = roll_target(chain, short, long, RollChoice(min_net_credit=least), NOW, is_session)
    if isinstance(found, SpreadRefusal):
        return
    assert found.net_credit >= max(least, found.natural_net_credit)
    assert found.spread.expiration > date(2025, 7, 3)
    assert found.spread.width <= 9 and found.spread.short_strike <= 167


@given(st.from_regex(r"[A-Z]{1,5}", fullmatch=True), st.integers(0, 9), st.integers(1, 99_999_999))
def test_symbols_are_read_back_and_a_digit_in_the_root_is_never_standard(root: str, digit: int, thousandths: int) -> None:
    strike = Decimal(thousandths) / 1000
    for name in (root, f"{root}{digit}"):
        said = contract_of(occ.format(name, JULY_18, "put", strike))
        assert said == occ.Occ(name, JULY_18, "put", strike)
    assert not is_adjusted(root, root)
    assert is_adjusted(f"{root}{digit}", root, {f"{root}{digit}"})
    assert contract_of(root) is None


# ---- exits -----------------------------------------------------------------------------------------------------------------

prices = st.none() | st.integers(0, 1000).map(lambda count: count * PENNY)
looks = st.builds(
    Look,
    now=st.just(NOW),
    is_market_open=st.booleans(),
    credit=st.integers(-10, 500).map(lambda count: count * PENNY),
    short_strike=st.integers(1, 400).map(Decimal),
    days=st.integers(-2, 60),
    minutes_to_close=st.none() | st.floats(-10, 400),
    debit_mid=prices,
    debit_natural=prices,
    spot=st.none() | st.floats() | st.floats(1.0, 500.0),
    short_delta=st.none() | st.floats() | st.floats(-1.0, 0.0),
    ex_dividend=st.none() | st.dates(date(2025, 5, 25), date(2025, 6, 10)),
    next_session=st.none() | st.just(date(2025, 6, 3)),
)
fractions = st.none() | st.floats(0.0, 3.0)
rules_of_all_kinds = st.builds(
    SpreadRules,
    profit_fraction=fractions,
    loss_multiple=fractions,
    exit_days=st.none() | st.integers(0, 40),
    breach_delta=fractions,
    exits_through_strike=st.booleans(),
    expiry_exit_minutes=st.integers(0, 390),
    let_expire_above_fraction=fractions,
    is_rolled=st.booleans(),
)


@settings(max_examples=300)
@given(looks, rules_of_all_kinds)
def test_every_look_has_an_answer_and_the_table_names_the_rule_that_acts(look: Look, rules: SpreadRules) -> None:
    found, shown = wish(look, rules), next_rule(look, rules)
    if found is None:
        return
    assert shown is not None and shown[0] is found.rule
    assert found.reason == f"{found.rule}: {shown[1]}"


@given(looks, rules_of_all_kinds)
def test_without_quotes_only_time_is_heard(look: Look, rules: SpreadRules) -> None:
    blind = replace(look, debit_mid=None, debit_natural=None, spot=None, short_delta=None)
    found = wish(blind, rules)
    assert found is None or found.rule in (SpreadExit.EXPIRY_DAY, SpreadExit.DAYS)
    assume(not blind.is_over)
    is_late = blind.minutes_to_close is not None and blind.minutes_to_close <= rules.expiry_exit_minutes
    if is_late or (rules.exit_days is not None and blind.days <= rules.exit_days):
        assert found is not None
