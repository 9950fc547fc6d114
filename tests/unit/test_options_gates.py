"""Each gate before an entry, shut and open, and that the first shut one is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from options.candidate import BullPut
from options.gates import AccountLook, Entry, EntryLimits, Opportunity, entry_refusal, opportunity_refusal
from options.legs import SpreadChoice
from options.refusals import RefusalCode, SpreadRefusal
from options.scan import named_candidate
from tests.option_chains import JULY_18, NOW, chain_of, put, quote

SHORT, LONG = put("AAPL", JULY_18, 167), put("AAPL", JULY_18, 158)
CHAIN = chain_of("AAPL", 175.5, [quote(SHORT, "4.18", "4.22"), quote(LONG, "1.48", "1.52")])
LIMITS = EntryLimits(max_risk_usd=Decimal(630))
OPPORTUNITY = Opportunity("AAPL", 8.0, 0.6, 175.5)
ACCOUNT = AccountLook(NOW, True, 3, Decimal(630), ("MSFT", "KO"))


def aapl() -> BullPut:
    found = named_candidate(CHAIN, SHORT, LONG, SpreadChoice(), NOW)
    assert isinstance(found, BullPut)
    return found


ENTRY = Entry(aapl(), 1, Decimal("2.70"))


def code(found: SpreadRefusal | None) -> RefusalCode | None:
    return found.code if found else None


def test_everything_at_its_limit_passes() -> None:
    assert entry_refusal(ENTRY, OPPORTUNITY, ACCOUNT, LIMITS) is None


@pytest.mark.parametrize(
    ("opportunity", "account", "expected"),
    [
        (replace(OPPORTUNITY, score=7.99), ACCOUNT, RefusalCode.SCORE),
        (replace(OPPORTUNITY, score=None), ACCOUNT, RefusalCode.SCORE),
        (replace(OPPORTUNITY, score=float("nan")), ACCOUNT, RefusalCode.SCORE),
        (replace(OPPORTUNITY, confidence=0.59), ACCOUNT, RefusalCode.CONFIDENCE),
        (OPPORTUNITY, replace(ACCOUNT, is_market_open=False), RefusalCode.MARKET_CLOSED),
        (OPPORTUNITY, replace(ACCOUNT, option_level=2), RefusalCode.OPTION_LEVEL),
        (OPPORTUNITY, replace(ACCOUNT, underlyings=("AAPL",)), RefusalCode.SYMBOL_TAKEN),
        (OPPORTUNITY, replace(ACCOUNT, underlyings=("A", "B", "C", "D", "E")), RefusalCode.MAX_POSITIONS),
        (replace(OPPORTUNITY, score=1.0), replace(ACCOUNT, is_market_open=False), RefusalCode.MARKET_CLOSED),
    ],
)
def test_opportunity_gates_shut(opportunity: Opportunity, account: AccountLook, expected: RefusalCode) -> None:
    assert code(opportunity_refusal(opportunity, account, LIMITS)) is expected
    assert code(entry_refusal(ENTRY, opportunity, account, LIMITS)) is expected


@pytest.mark.parametrize(
    ("entry", "opportunity", "account", "limits", "expected"),
    [
        (ENTRY, replace(OPPORTUNITY, price=181.0), ACCOUNT, LIMITS, RefusalCode.PRICE_FAR),
        (ENTRY, replace(OPPORTUNITY, price=None), ACCOUNT, LIMITS, None),
        (ENTRY, OPPORTUNITY, ACCOUNT, replace(LIMITS, min_days=47), RefusalCode.TOO_FEW_DAYS),
        (ENTRY, OPPORTUNITY, ACCOUNT, replace(LIMITS, exit_days=46), RefusalCode.TOO_FEW_DAYS),
        (ENTRY, OPPORTUNITY, ACCOUNT, replace(LIMITS, exit_days=45), None),
        (replace(ENTRY, contracts=0), OPPORTUNITY, ACCOUNT, LIMITS, RefusalCode.MAX_CONTRACTS),
        (replace(ENTRY, contracts=4), OPPORTUNITY, ACCOUNT, LIMITS, RefusalCode.MAX_CONTRACTS),
        (replace(ENTRY, credit=Decimal("2.69")), OPPORTUNITY, ACCOUNT, LIMITS, RefusalCode.RISK_BUDGET),
        (ENTRY, OPPORTUNITY, ACCOUNT, EntryLimits(), RefusalCode.RISK_BUDGET),
        (ENTRY, OPPORTUNITY, replace(ACCOUNT, buying_power_usd=Decimal("629.99")), LIMITS, RefusalCode.BUYING_POWER),
    ],
)
def test_entry_gates_shut(
    entry: Entry, opportunity: Opportunity, account: AccountLook, limits: EntryLimits, expected: RefusalCode | None
) -> None:
    assert code(entry_refusal(entry, opportunity, account, limits)) is expected


@pytest.mark.parametrize("day", [date(2025, 6, 2), date(2025, 7, 18)])
def test_earnings_and_dividends_up_to_the_expiration_shut_it(day: date) -> None:
    calendar = {"AAPL": [date(2025, 5, 1), day, date(2025, 10, 30)], "MSFT": [date(2025, 6, 10)]}
    found = entry_refusal(replace(ENTRY, earnings=calendar), OPPORTUNITY, ACCOUNT, LIMITS)
    assert code(found) is RefusalCode.EARNINGS
    assert found is not None and str(day) in found.text
    assert code(entry_refusal(replace(ENTRY, ex_dividends=calendar), OPPORTUNITY, ACCOUNT, LIMITS)) is RefusalCode.EX_DIVIDEND
    careless = replace(LIMITS, avoids_earnings=False, avoids_ex_dividend=False)
    assert entry_refusal(replace(ENTRY, earnings=calendar, ex_dividends=calendar), OPPORTUNITY, ACCOUNT, careless) is None


@pytest.mark.parametrize("day", [date(2025, 6, 1), date(2025, 7, 19)])
def test_days_outside_do_not(day: date) -> None:
    entry = replace(ENTRY, earnings={"AAPL": [day]}, ex_dividends={"AAPL": [day]})
    assert entry_refusal(entry, OPPORTUNITY, ACCOUNT, LIMITS) is None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2025, 7, 18, 19, 29, 59, tzinfo=UTC), None),
        (datetime(2025, 7, 18, 19, 30, tzinfo=UTC), RefusalCode.EXPIRY_DAY),  # 15:30 New York
        (datetime(2025, 7, 19, 14, 0, tzinfo=UTC), RefusalCode.EXPIRED),
    ],
)
def test_nothing_is_opened_in_what_ends_within_half_an_hour(now: datetime, expected: RefusalCode | None) -> None:
    limits = replace(LIMITS, min_days=0)
    assert code(entry_refusal(ENTRY, OPPORTUNITY, replace(ACCOUNT, now=now), limits)) is expected


def test_switched_off_thresholds_ask_for_nothing() -> None:
    limits = replace(LIMITS, min_score=None, min_confidence=None, max_price_gap_fraction=None)
    assert entry_refusal(ENTRY, Opportunity("AAPL", price=1.0), ACCOUNT, limits) is None


def test_a_price_far_from_the_markets_is_told_with_what_helps() -> None:
    found = entry_refusal(ENTRY, replace(OPPORTUNITY, price=181.0), ACCOUNT, LIMITS)
    assert found is not None and found.text == (
        "the opportunity says 181 dollars, the market 175.5, 3.1 % apart, more than 3 %: find the opportunity again at today's "
        "price"
    )
