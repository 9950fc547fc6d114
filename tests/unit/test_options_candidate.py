"""Figures of a spread by hand-worked arithmetic and published values, and why chains give none."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from desk.domain.options import Chain
from options import black_scholes
from options.candidate import BullPut
from options.expirations import ExpiryWindow, years_left
from options.legs import SpreadChoice
from options.liquidity import LiquidityLimits
from options.probability import probability_above
from options.refusals import RefusalCode, SpreadRefusal
from options.scan import candidate, named_candidate, scan
from options.sizing import contracts_for, least_credit, max_loss_usd
from options.strikes import AtDelta, AtDistance, Snap, StrikeChoice
from tests.option_chains import JULY_18, JULY_25, NOW, RATE, chain_of, is_session, priced_chain, put, quote

SHORT, LONG = put("AAPL", JULY_18, 167), put("AAPL", JULY_18, 158)


def aapl(short: tuple[str, str] = ("4.18", "4.22"), long: tuple[str, str] = ("1.48", "1.52"), **told: object) -> Chain:
    return chain_of("AAPL", 175.5, [quote(SHORT, *short, **told), quote(LONG, *long, **told)])


def named(chain: Chain, choice: SpreadChoice | None = None) -> BullPut:
    found = named_candidate(chain, SHORT, LONG, choice or SpreadChoice(), NOW)
    assert isinstance(found, BullPut), found
    return found


def refused(chain: Chain, choice: SpreadChoice | None = None) -> RefusalCode:
    found = candidate(chain, choice or NEAREST, NOW, is_session)
    assert isinstance(found, SpreadRefusal), found
    return found.code


NEAREST = SpreadChoice(strikes=StrikeChoice(AtDistance(0.05, Snap.NEAREST), AtDistance(0.10, Snap.NEAREST)))


def test_aapl_at_175_50_sells_167_buys_158_for_2_70() -> None:
    found = candidate(aapl(), NEAREST, NOW, is_session)
    assert isinstance(found, BullPut)
    assert (found.short, found.long, found.expiration, found.days) == (SHORT, LONG, JULY_18, 46)
    assert (found.width, found.mid_credit, found.natural_credit, found.credit) == (
        9,
        Decimal("2.70"),
        Decimal("2.66"),
        Decimal("2.70"),
    )
    assert (found.max_loss_usd, found.max_gain_usd, found.break_even) == (630, 270, Decimal("164.30"))
    assert found.return_on_risk == pytest.approx(270 / 630)
    assert found.distance_fraction == pytest.approx(8.5 / 175.5)


def test_aapl_risks_630_a_contract() -> None:
    """Refused at 500 dollars, one contract at 630."""
    width, credit = Decimal(9), Decimal("2.70")
    assert max_loss_usd(width, credit) == Decimal(630)
    refusal = contracts_for("AAPL", width, credit, Decimal(500))
    assert isinstance(refusal, SpreadRefusal)
    assert refusal.code is RefusalCode.RISK_BUDGET
    assert "630.00" in refusal.text and "500.00" in refusal.text
    assert contracts_for("AAPL", width, credit, Decimal(630)) == 1
    assert isinstance(contracts_for("AAPL", width, credit, Decimal("629.99")), SpreadRefusal)
    assert contracts_for("AAPL", width, credit, Decimal(1260)) == 2
    assert contracts_for("AAPL", width, credit, Decimal(63_000)) == 3


def test_least_credit_keeps_a_worse_fill_within_the_budget() -> None:
    assert least_credit(Decimal(9), 1, Decimal(630)) == Decimal("2.70")
    assert least_credit(Decimal(9), 1, Decimal("629.50")) == Decimal("2.71")
    assert least_credit(Decimal(5), 1, Decimal(900)) == Decimal("0.01")


def test_credit_of_the_whole_width_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no risk"):
        contracts_for("AAPL", Decimal(5), Decimal(5), Decimal(500))


def test_payoff_at_expiration() -> None:
    """Below both strikes the whole risk, between them dollar for dollar, above them the credit."""
    paid = named(aapl()).payoff_usd([100.0, 158.0, 164.3, 166.0, 167.0, 500.0])
    assert paid == pytest.approx([-630, -630, 0, 170, 270, 270], abs=1e-9)


def test_target_gives_up_part_of_the_way_to_the_natural_price() -> None:
    assert named(aapl(), SpreadChoice(concession_fraction=0.5)).credit == Decimal("2.68")
    assert named(aapl(), SpreadChoice(concession_fraction=1.0)).credit == Decimal("2.66")


def test_probability_is_d2_of_hulls_example() -> None:
    """Example 15.6: S 42, K 40, r 10 %, volatility 20 %, six months; N(0.6278) = 0.7349."""
    assert probability_above(42.0, 40.0, 0.5, 0.2, 0.1) == pytest.approx(0.7349, abs=0.0001)


def test_probability_without_time_or_volatility_is_unknown() -> None:
    assert np.isnan(probability_above(42.0, 40.0, [0.0, 0.5], [0.2, 0.0], 0.1)).all()


def test_published_put_price_and_greeks() -> None:
    """The values in the documentation of py_vollib: put on 100 struck at 90; on 49 struck at 50 (Hull, chapter 19)."""
    assert black_scholes.price(False, 100.0, 90.0, 0.5, 0.2, 0.01) == pytest.approx(1.66270456231, abs=1e-10)
    found = black_scholes.greeks(False, 49.0, 50.0, 0.3846, 0.2, 0.05)
    assert found.delta == pytest.approx(0.521601633972 - 1.0, abs=1e-9)
    assert found.theta * 365 == pytest.approx(-1.8530056722, abs=1e-9)
    assert found.gamma == pytest.approx(0.0655453772525, abs=1e-9)
    assert found.vega == pytest.approx(0.121052427542, abs=1e-9)


def test_odds_and_greeks_come_from_the_told_volatility() -> None:
    found = named(aapl(implied_volatility=0.30, delta=-0.28))
    years = years_left(JULY_18, NOW)
    assert found.short_delta == -0.28
    assert found.probability_of_profit == pytest.approx(float(probability_above(175.5, 164.3, years, 0.30, RATE)))
    legs = black_scholes.greeks(False, 175.5, [167.0, 158.0], years, 0.30, RATE)
    assert found.greeks is not None
    for name in ("delta", "gamma", "theta", "vega", "rho"):
        sold, bought = getattr(legs, name)
        assert getattr(found.greeks, name) == pytest.approx(bought - sold)
    assert found.greeks.delta > 0 > found.greeks.vega


def test_volatility_that_nobody_tells_is_implied_from_the_middle() -> None:
    told, untold = (candidate(priced_chain(is_told=is_told), NEAREST, NOW, is_session) for is_told in (True, False))
    assert isinstance(told, BullPut) and isinstance(untold, BullPut)
    assert untold.short_delta == pytest.approx(told.short_delta, abs=0.002)
    assert untold.probability_of_profit == pytest.approx(told.probability_of_profit, abs=0.005)


def test_without_any_volatility_the_delta_tells_the_odds() -> None:
    """A put below what exercise pays has no volatility; a delta may be told all the same."""
    chain = chain_of("AAPL", 150.0, [quote(SHORT, "12.00", "12.10", delta=-0.9), quote(LONG, "9.00", "9.10", delta=-0.7)])
    found = named_candidate(chain, SHORT, LONG, SpreadChoice(), NOW)
    assert isinstance(found, BullPut)
    assert found.greeks is None
    assert found.probability_of_profit == pytest.approx(0.1)
    bare = named_candidate(replace_deltas(chain), SHORT, LONG, SpreadChoice(), NOW)
    assert isinstance(bare, BullPut)
    assert (bare.short_delta, bare.probability_of_profit) == (None, None)


def replace_deltas(chain: Chain) -> Chain:
    return replace(chain, quotes={symbol: replace(told, delta=None) for symbol, told in chain.quotes.items()})


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        (aapl(("1.48", "1.52"), ("1.48", "1.52")), RefusalCode.NO_CREDIT),
        (aapl(("1.40", "1.44"), ("1.48", "1.52")), RefusalCode.NO_CREDIT),
        (aapl(("2.28", "2.32"), ("1.48", "1.52")), RefusalCode.CREDIT_TOO_SMALL),
        (aapl(("12.00", "12.10"), ("1.48", "1.52")), RefusalCode.DATA),
        (aapl(("4.22", "4.18")), RefusalCode.CROSSED),
        (aapl(long=("0", "0.03")), RefusalCode.NO_BID),
        (aapl(open_interest=None), RefusalCode.OPEN_INTEREST),
        (chain_of("AAPL", 175.5, []), RefusalCode.DATA),
    ],
)
def test_poor_quotes_give_no_candidate(chain: Chain, code: RefusalCode) -> None:
    assert refused(chain) is code


def test_next_expiration_is_taken_when_the_best_one_is_poor() -> None:
    quotes = dict(priced_chain(days=[JULY_18, JULY_25]).quotes)
    for symbol, told in quotes.items():
        if "250718" in symbol:
            quotes[symbol] = replace(told, open_interest=0)
    found = candidate(Chain("AAPL", 175.5, NOW, quotes), NEAREST, NOW, is_session)
    assert isinstance(found, BullPut)
    assert found.expiration == JULY_25


def test_refusal_is_that_of_the_best_expiration() -> None:
    narrow = SpreadChoice(window=ExpiryWindow(30, 60, 45), liquidity=LiquidityLimits(min_open_interest=10_000))
    found = candidate(priced_chain(), narrow, NOW, is_session)
    assert isinstance(found, SpreadRefusal)
    assert found.code is RefusalCode.OPEN_INTEREST
    assert "250718" in found.text


def test_scan_answers_in_the_order_of_the_chains() -> None:
    chains = [priced_chain("AAPL"), chain_of("EMPTY", 10.0, []), priced_chain("MSFT", 420.0, step=5.0)]
    found = scan(chains, SpreadChoice(), NOW, is_session)
    assert [type(each) for each in found] == [BullPut, SpreadRefusal, BullPut]
    assert [each.underlying for each in found if isinstance(each, BullPut)] == ["AAPL", "MSFT"]
    assert found[0] == candidate(chains[0], SpreadChoice(), NOW, is_session)
    assert scan([], SpreadChoice(), NOW, is_session) == ()


def test_deltas_are_modelled_where_the_broker_tells_none() -> None:
    choice = SpreadChoice(strikes=StrikeChoice(AtDelta(0.20), AtDelta(0.08)))
    told, untold = (candidate(priced_chain(is_told=is_told), choice, NOW, is_session) for is_told in (True, False))
    assert isinstance(told, BullPut) and isinstance(untold, BullPut)
    assert (told.short, told.long) == (untold.short, untold.long)
    assert told.short_delta == pytest.approx(-0.20, abs=0.02)
