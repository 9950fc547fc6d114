"""Where a spread is rolled to, and why it is not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from desk.domain.options import Chain
from options.expirations import ExpiryWindow
from options.legs import SpreadChoice
from options.refusals import RefusalCode, SpreadRefusal
from options.roll import RollChoice, RollKind, RollTarget, roll_target
from tests.option_chains import JULY_3, JULY_11, JULY_18, JULY_25, NOW, is_session, priced_chain, put

# Opened at 175.50; the stock is at 168 now, just above the sold strike.
SHORT, LONG = put("AAPL", JULY_3, 167), put("AAPL", JULY_3, 158)
CHAIN = priced_chain(spot=168.0)
CHOICE = RollChoice(SpreadChoice(window=ExpiryWindow(35, 60, 45)))


def roll(chain: Chain = CHAIN, choice: RollChoice = CHOICE, short: str = SHORT) -> RollTarget:
    found = roll_target(chain, short, LONG, choice, NOW, is_session)
    assert isinstance(found, RollTarget), found
    return found


def refused(chain: Chain = CHAIN, choice: RollChoice = CHOICE, short: str = SHORT) -> RefusalCode:
    found = roll_target(chain, short, LONG, choice, NOW, is_session)
    assert isinstance(found, SpreadRefusal), found
    return found.code


def test_out_keeps_the_strikes_and_nets_all_four_legs() -> None:
    found = roll(choice=replace(CHOICE, kinds=(RollKind.OUT,)))
    later = (put("AAPL", JULY_18, 167), put("AAPL", JULY_18, 158))
    assert (found.kind, found.spread.short, found.spread.long) == (RollKind.OUT, *later)
    mids = {symbol: CHAIN.quotes[symbol].mid for symbol in (SHORT, LONG, *later)}
    assert found.net_credit == mids[later[0]] - mids[later[1]] - mids[SHORT] + mids[LONG]
    # Each of the four legs gives up half its spread of four cents.
    assert found.natural_net_credit == found.net_credit - Decimal("0.08")


def test_down_and_out_goes_lower_when_that_pays_too() -> None:
    """Two weeks do not pay for the lower strikes here; what is allowed to cost something goes down first."""
    cheap = replace(CHOICE, min_net_credit=Decimal("-2.00"))
    found = roll(choice=cheap)
    assert found.kind is RollKind.DOWN_AND_OUT
    assert found.spread.short_strike < 167
    assert found.spread.width <= 9


def test_out_is_taken_where_lower_strikes_do_not_pay() -> None:
    assert roll().kind is RollKind.OUT


def test_roll_without_a_credit_is_refused() -> None:
    choice = replace(CHOICE, min_net_credit=Decimal("5.00"))
    found = roll_target(CHAIN, SHORT, LONG, choice, NOW, is_session)
    assert isinstance(found, SpreadRefusal)
    assert found.code is RefusalCode.NO_CREDIT
    assert "min_roll_credit_usd is 5.00" in found.text


def test_roll_goes_to_a_later_expiration_only() -> None:
    last = put("AAPL", JULY_25, 167)
    long = put("AAPL", JULY_25, 158)
    found = roll_target(CHAIN, last, long, CHOICE, NOW, is_session)
    assert isinstance(found, SpreadRefusal)
    assert found.code is RefusalCode.NO_EXPIRATION
    assert found.text.startswith(f"no weekly expiration after {JULY_25}, the day of the puts that are held, in 35 to 60 days")
    assert f"Fri {JULY_25} (53 days). Raise max_days" in found.text


@pytest.mark.parametrize("short", [put("AAPL", JULY_3, 999), put("AAPL", JULY_11, 167)])
def test_what_is_not_quoted_cannot_be_rolled(short: str) -> None:
    assert refused(short=short) is RefusalCode.UNKNOWN_CONTRACT


def test_unquoted_short_leg_is_refused() -> None:
    quotes = {**CHAIN.quotes, SHORT: replace(CHAIN.quotes[SHORT], bid=Decimal(0), ask=Decimal(0))}
    assert refused(replace(CHAIN, quotes=quotes)) is RefusalCode.EMPTY_QUOTE


def test_strikes_that_are_not_listed_later_are_refused() -> None:
    quotes = {symbol: told for symbol, told in CHAIN.quotes.items() if "00158000" not in symbol or symbol == LONG}
    assert refused(replace(CHAIN, quotes=quotes), replace(CHOICE, kinds=(RollKind.OUT,))) is RefusalCode.NO_STRIKE


def test_illiquid_targets_are_refused() -> None:
    quotes = {
        symbol: told if symbol in (SHORT, LONG) else replace(told, open_interest=0) for symbol, told in CHAIN.quotes.items()
    }
    assert refused(replace(CHAIN, quotes=quotes)) is RefusalCode.OPEN_INTEREST
