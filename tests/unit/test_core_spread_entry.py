"""Plans of spreads: sized by what an entry can be filled at, so that its floor leaves the market's own price within reach."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from desk.core.spread_entry import Planned, SpreadPolicy, plan_of
from desk.domain.prices import PENNY
from desk.domain.spreads import SpreadRules
from options.candidate import BullPut
from options.gates import AccountLook, EntryLimits, Opportunity
from options.ladder import entry_credits
from options.legs import Legs
from options.refusals import RefusalCode, SpreadRefusal
from options.sizing import max_loss_usd
from tests.option_chains import JULY_18, NOW, put, quote

ACCOUNT = AccountLook(NOW, True, 3, Decimal(100_000), ())


def spread(width: str, mid: Decimal, natural: Decimal) -> BullPut:
    """A spread that pays `mid` between the middles and `natural` at once, both of them on the cent grid."""
    gives = mid - natural
    strikes = Decimal(200), 200 - Decimal(width)
    sold = quote(put("IBM", JULY_18, 200), str(5 + natural), str(5 + mid + gives))
    bought = quote(put("IBM", JULY_18, float(strikes[1])), "5.00", "5.00")
    return BullPut(Legs("IBM", JULY_18, 210.0, NOW, sold, bought, *strikes), 46, mid)


def policy(budget: Decimal, most: int = 3, floor_fraction: float = 0.7) -> SpreadPolicy:
    limits = EntryLimits(min_score=None, min_confidence=None, max_contracts=most, max_risk_usd=budget)
    return SpreadPolicy(limits=limits, rules=SpreadRules(floor_fraction=floor_fraction))


def decided(of: BullPut, budget: Decimal | int, most: int = 3, account: AccountLook = ACCOUNT) -> Planned | SpreadRefusal:
    return plan_of(of, Opportunity("IBM"), account, policy(Decimal(budget), most), "s1")


def planned(of: BullPut, budget: Decimal | int, most: int = 3) -> Planned:
    found = decided(of, budget, most)
    assert isinstance(found, Planned), found
    return found


def last_credit(found: Planned) -> Decimal:
    """What the last step of its ladder asks, quotes as they were."""
    of, plan = found.spread, found.plan
    return entry_credits(of.mid_credit, of.natural_credit, plan.floor, plan.rules.rungs)[-1]


IBM = spread("7.5", Decimal("1.21"), Decimal("1.16"))


def test_the_number_of_contracts_leaves_the_natural_price_within_reach() -> None:
    """Two contracts at the middle's 0.52 risk 496 dollars, at the 0.48 that the market pays at once 504."""
    found = planned(spread("3", Decimal("0.52"), Decimal("0.48")), 500)
    assert found.plan.contracts == 1
    assert last_credit(found) == Decimal("0.48")


def test_what_the_middle_alone_would_carry_is_refused_with_a_budget_that_can_fill() -> None:
    refusal = decided(IBM, 629)
    assert isinstance(refusal, SpreadRefusal) and refusal.code is RefusalCode.RISK_BUDGET
    assert "raise the budget (max_risk_usd) to 634.00" in refusal.text
    assert last_credit(planned(IBM, 634)) == Decimal("1.16")


def test_a_natural_price_below_the_floor_does_not_count() -> None:
    """70 % of 1.20 is 0.84: nothing is taken below, so nothing more is risked than by it."""
    poor = spread("7.5", Decimal("1.20"), Decimal("0.10"))
    assert planned(poor, 666).plan.floor == Decimal("0.84")
    refusal = decided(poor, 665)
    assert isinstance(refusal, SpreadRefusal) and "666.00" in refusal.text


def test_quotes_alike_are_sized_by_the_credit_itself() -> None:
    """AAPL's 167 and 158 for 2.70: 630 dollars a contract."""
    aapl = spread("9", Decimal("2.70"), Decimal("2.70"))
    assert isinstance(decided(aapl, 500), SpreadRefusal)
    assert (planned(aapl, 630).plan.contracts, planned(aapl, 630).plan.floor) == (1, Decimal("2.70"))


def test_buying_power_has_to_carry_what_may_be_filled() -> None:
    short = replace(ACCOUNT, buying_power_usd=Decimal("633.99"))
    refusal = decided(IBM, 1000, account=short)
    assert isinstance(refusal, SpreadRefusal) and refusal.code is RefusalCode.BUYING_POWER
    assert isinstance(decided(IBM, 1000, account=replace(short, buying_power_usd=Decimal(634))), Planned)


@pytest.mark.parametrize(("budget", "contracts", "affordable"), [(1268, 2, 2), (1901, 2, 2), (1902, 2, 3), (6340, 2, 10)])
def test_a_plan_tells_how_many_contracts_the_budget_alone_would_carry(budget: int, contracts: int, affordable: int) -> None:
    found = planned(IBM, budget, most=2)
    assert (found.plan.contracts, found.affordable(Decimal(budget))) == (contracts, affordable)


@given(
    width=st.integers(2, 40).map(lambda count: count * Decimal("0.5")),
    share=st.integers(1, 99),
    given_up=st.integers(0, 150),
    budget=st.integers(1, 5000),
    fraction=st.sampled_from([0.01, 0.3, 0.7, 0.95, 0.999]),
)
def test_no_plan_is_out_of_reach_and_none_risks_more_than_the_budget(
    width: Decimal, share: int, given_up: int, budget: int, fraction: float
) -> None:
    mid = max(PENNY, (width * share / 100).quantize(PENNY))
    assume(mid < width)
    of, budget_usd = spread(str(width), mid, mid - given_up * PENNY), Decimal(budget)
    found = plan_of(of, Opportunity("IBM"), ACCOUNT, policy(budget_usd, floor_fraction=fraction), "s1")
    if isinstance(found, SpreadRefusal):
        # The budget that a refusal names is one that the same spread passes with.
        named = re.search(r"raise the budget \(max_risk_usd\) to ([\d.]+)", found.text)
        assert named is not None and Decimal(named[1]) > budget_usd
        budget_usd = Decimal(named[1])
        found = plan_of(of, Opportunity("IBM"), ACCOUNT, policy(budget_usd, floor_fraction=fraction), "s1")
        assert isinstance(found, Planned) and found.plan.contracts == 1
    assert max_loss_usd(of.width, found.plan.floor, found.plan.contracts) <= budget_usd
    # Above the natural price lies no floor but that of the fraction, which is rounded up to a cent.
    assert found.plan.floor <= max(of.natural_credit, mid * Decimal(str(fraction)) + PENNY)
