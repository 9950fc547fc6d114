"""A spread is not rolled over a day that shuts the gate to a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from spread_worlds import plan

from desk.core.spread_entry import SpreadPolicy
from desk.domain.options import Chain, OptionQuote
from desk.domain.spreads import Spread, SpreadPhase
from desk.runtime.spread_keeper import roll_into
from options.expirations import ExpiryWindow
from options.legs import SpreadChoice
from options.refusals import RefusalCode, SpreadRefusal
from options.roll import RollChoice, RollTarget
from tests.option_chains import JULY_3, JULY_18, NOW, priced_chain, put

SPOT = 168.0
POLICY = SpreadPolicy(roll=RollChoice(SpreadChoice(window=ExpiryWindow(35, 60, 45))))
HELD = Spread(
    replace(plan(2), underlying="AAPL", short=put("AAPL", JULY_3, 167), long=put("AAPL", JULY_3, 158)),
    NOW,
    SpreadPhase.OPEN,
    short=2,
    long=2,
)


class Feed:
    """The made chain of puts, whatever is asked for."""

    def chain(self, underlying: str, first: date, last: date, lowest: float, highest: float) -> Chain:
        return priced_chain(spot=SPOT)

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, OptionQuote]:
        return {symbol: quote for symbol, quote in priced_chain(spot=SPOT).quotes.items() if symbol in symbols}

    def spots(self, underlyings: Sequence[str]) -> Mapping[str, float]:
        return dict.fromkeys(underlyings, SPOT)


def rolled(policy: SpreadPolicy) -> RollTarget | SpreadRefusal:
    return roll_into(Feed(), HELD, SPOT, policy, NOW)


@pytest.mark.parametrize(("kind", "code"), [("earnings", RefusalCode.EARNINGS), ("ex_dividends", RefusalCode.EX_DIVIDEND)])
def test_a_roll_over_a_day_that_is_avoided_is_refused_by_that_day(kind: str, code: RefusalCode) -> None:
    assert isinstance(rolled(POLICY), RollTarget)
    refused = rolled(replace(POLICY, **{kind: {"AAPL": [JULY_18 - timedelta(days=3)]}}))
    assert isinstance(refused, SpreadRefusal) and refused.code is code
    assert isinstance(rolled(replace(POLICY, **{kind: {"AAPL": [NOW.date() - timedelta(days=3)]}})), RollTarget)
