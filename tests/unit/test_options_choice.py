"""Listed puts, their liquidity, and the strikes that are chosen among them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from desk.domain.options import OptionQuote
from options.black_scholes import Floats
from options.legs import Legs, SpreadChoice, named_legs
from options.liquidity import LiquidityLimits, leg_refusal
from options.listing import PutSlice, is_adjusted, slices
from options.refusals import RefusalCode, SpreadRefusal
from options.strikes import AtDelta, AtDistance, AtWidth, Snap, StrikeChoice, choose_strikes
from tests.option_chains import JULY_11, JULY_18, NOW, chain_of, priced_chain, put, quote

SYMBOL = put("AAPL", JULY_18, 167)
LIMITS = LiquidityLimits()


def puts(spot: float, *strikes: float | str) -> PutSlice:
    quotes = tuple(quote(put("AAPL", JULY_18, strike), "1.00", "1.05") for strike in strikes)
    return PutSlice("AAPL", JULY_18, spot, NOW, tuple(Decimal(str(strike)) for strike in strikes), quotes)


def none() -> Floats:
    raise AssertionError("a rule by distance asks for no delta")


def chosen(of: PutSlice, choice: StrikeChoice, deltas: list[float] | None = None) -> tuple[str, str] | RefusalCode:
    found = choose_strikes(of, choice, none if deltas is None else lambda: np.array(deltas))
    return found.code if isinstance(found, SpreadRefusal) else (str(of.strikes[found[0]]), str(of.strikes[found[1]]))


# ---- which puts are listed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "underlying", "roots", "adjusted"),
    [
        ("AAPL", "AAPL", (), False),
        ("AAPL1", "AAPL", (), True),
        ("AAPL7", "AAPL", ("AAPL7",), True),
        ("BRKB", "BRK.B", (), False),
        ("BF1", "BF.B", (), True),
        ("SPXW", "SPX", (), True),
        ("SPXW", "SPX", ("SPXW",), False),
        ("SPX", "SPX", ("SPXW",), False),
        ("MSFT", "AAPL", (), True),
    ],
)
def test_adjusted_roots_are_known(root: str, underlying: str, roots: tuple[str, ...], adjusted: bool) -> None:
    assert is_adjusted(root, underlying, roots) is adjusted


def test_slices_hold_standard_puts_alone_with_strikes_ascending() -> None:
    symbols = [put("AAPL", JULY_18, 170), put("AAPL", JULY_18, 160), put("AAPL1", JULY_18, 165), put("AAPL", JULY_11, 150)]
    symbols += ["AAPL250718C00160000", "nonsense"]
    found = slices(chain_of("AAPL", 175.5, (quote(symbol, "1.00", "1.05") for symbol in symbols)))
    assert isinstance(found, dict)
    assert {day: [str(strike) for strike in of.strikes] for day, of in found.items()} == {
        JULY_18: ["160", "170"],
        JULY_11: ["150"],
    }


def test_of_two_roots_on_one_day_only_one_is_taken() -> None:
    """SPX settles in the morning, SPXW in the afternoon: a spread over both would be no spread."""
    symbols = [put("SPX", JULY_18, 5900), *(put("SPXW", JULY_18, strike) for strike in (5800, 5850))]
    found = slices(chain_of("SPX", 6000.0, (quote(symbol, "1.00", "1.05") for symbol in symbols)), {"SPXW"})
    assert isinstance(found, dict)
    assert [each.symbol for each in found[JULY_18].quotes] == symbols[1:]


@pytest.mark.parametrize(
    ("spot", "symbols", "code"),
    [
        (50.0, [put("BF1", JULY_18, 45)], RefusalCode.ADJUSTED),
        (50.0, [], RefusalCode.DATA),
        (float("nan"), [put("BF", JULY_18, 45)], RefusalCode.DATA),
    ],
)
def test_chain_without_standard_puts_or_a_price_is_refused(spot: float, symbols: list[str], code: RefusalCode) -> None:
    found = slices(chain_of("BF", spot, (quote(symbol, "1.00", "1.05") for symbol in symbols)))
    assert isinstance(found, SpreadRefusal)
    assert found.code is code


# ---- liquidity -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (quote(SYMBOL, "2.00", "2.10"), None),
        (quote(SYMBOL, "0.05", "0.15"), None),  # a tenth of a dollar always passes
        (quote(SYMBOL, "0", "0"), RefusalCode.EMPTY_QUOTE),
        (quote(SYMBOL, "1.00", "0"), RefusalCode.EMPTY_QUOTE),
        (quote(SYMBOL, "0", "0.05"), RefusalCode.NO_BID),
        (quote(SYMBOL, "0.04", "0.06"), RefusalCode.NO_BID),
        (quote(SYMBOL, "2.10", "2.00"), RefusalCode.CROSSED),
        (quote(SYMBOL, "2.00", "2.00"), None),
        (quote(SYMBOL, "2.00", "2.25"), RefusalCode.WIDE_SPREAD),
        (quote(SYMBOL, "2.00", "2.21"), None),  # 0.21 of 2.105 is a hair below a tenth
        (quote(SYMBOL, "2.00", "2.10", at=NOW - timedelta(seconds=61)), RefusalCode.STALE_QUOTE),
        (quote(SYMBOL, "2.00", "2.10", at=NOW + timedelta(seconds=61)), RefusalCode.STALE_QUOTE),
        (quote(SYMBOL, "2.00", "2.10", open_interest=99), RefusalCode.OPEN_INTEREST),
        (quote(SYMBOL, "2.00", "2.10", open_interest=None), RefusalCode.OPEN_INTEREST),
        (quote(SYMBOL, "2.00", "2.10", volume=None), None),
    ],
)
def test_leg_fails_the_first_limit_it_does_not_meet(told: OptionQuote, code: RefusalCode | None) -> None:
    found = leg_refusal("AAPL", told, LIMITS, NOW)
    assert (found.code if found else None) is code
    if found is not None:
        assert SYMBOL in found.text and found.symbol == "AAPL"


@pytest.mark.parametrize("least", [0, None])
def test_unknown_counts_pass_where_nothing_is_asked_for(least: int | None) -> None:
    limits = LiquidityLimits(min_open_interest=least, min_volume=least)
    assert leg_refusal("AAPL", quote(SYMBOL, "2.00", "2.10", open_interest=None, volume=None), limits, NOW) is None


def test_volume_is_asked_for_when_it_is_set() -> None:
    found = leg_refusal("AAPL", quote(SYMBOL, "2.00", "2.10", volume=9), LiquidityLimits(min_volume=10), NOW)
    assert found is not None and found.code is RefusalCode.VOLUME
    assert "volume 9, min_volume is 10" in found.text


# ---- strikes ---------------------------------------------------------------------------------------------------------------


def test_strikes_at_or_below_the_wished_ones_are_taken() -> None:
    """5 % below 175.50 is 166.725, 10 % below is 157.95."""
    of = puts(175.5, *range(150, 190))
    assert chosen(of, StrikeChoice()) == ("166", "157")
    exact = puts(100.0, 85, 90, 95, 100)
    assert chosen(exact, StrikeChoice()) == ("95", "90")


def test_nearest_strikes_of_aapl_at_175_50_are_167_and_158() -> None:
    choice = StrikeChoice(AtDistance(0.05, Snap.NEAREST), AtDistance(0.10, Snap.NEAREST))
    assert chosen(puts(175.5, *range(150, 190)), choice) == ("167", "158")


def test_long_is_below_the_short_on_a_coarse_grid() -> None:
    assert chosen(puts(102.0, 90, 95, 100), StrikeChoice()) == ("95", "90")
    assert chosen(puts(100.0, 91, 95), StrikeChoice(long=AtDistance(0.05))) == ("95", "91")


@pytest.mark.parametrize(
    ("of", "choice", "code"),
    [
        (puts(100.0, 96, 98), StrikeChoice(), RefusalCode.NO_STRIKE),
        (puts(100.0, 80, 88), StrikeChoice(), RefusalCode.NO_STRIKE),  # 88 is 7 % of the market from 95
        (puts(100.0, 95, 100), StrikeChoice(), RefusalCode.SAME_STRIKE),
        (puts(100.0, 92, 95), StrikeChoice(), RefusalCode.NO_STRIKE),  # nothing at 90 or below
        (puts(100.0, 90, 95), StrikeChoice(long=AtWidth(Decimal(4))), RefusalCode.SAME_STRIKE),
    ],
)
def test_unlisted_wishes_are_refused(of: PutSlice, choice: StrikeChoice, code: RefusalCode) -> None:
    assert chosen(of, choice) is code


def test_width_is_the_widest_that_is_not_above_what_is_asked_for() -> None:
    of = puts(100.0, "87.5", 90, "92.5", 95)
    assert chosen(of, StrikeChoice(long=AtWidth(Decimal(5)))) == ("95", "90")
    assert chosen(of, StrikeChoice(long=AtWidth(Decimal(6)))) == ("95", "90")


def test_deltas_choose_the_nearest_below_the_market() -> None:
    of = puts(100.0, 85, 90, 95, 100, 105)
    deltas = [-0.06, -0.11, -0.22, -0.45, -0.70]
    assert chosen(of, StrikeChoice(AtDelta(0.20), AtDelta(0.10)), deltas) == ("95", "90")
    assert chosen(of, StrikeChoice(AtDelta(0.20), AtWidth(Decimal(10))), deltas) == ("95", "85")
    assert chosen(of, StrikeChoice(AtDelta(0.70), AtDelta(0.10)), deltas) is RefusalCode.NO_STRIKE
    assert chosen(of, StrikeChoice(AtDelta(0.20)), [float("nan")] * 5) is RefusalCode.NO_STRIKE


# ---- symbols that somebody names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("short", "long", "code"),
    [
        ("AAPL1250718P00167000", put("AAPL", JULY_18, 158), RefusalCode.ADJUSTED),
        ("AAPL", put("AAPL", JULY_18, 158), RefusalCode.UNKNOWN_CONTRACT),
        ("AAPL250718C00167000", put("AAPL", JULY_18, 158), RefusalCode.UNKNOWN_CONTRACT),
        (put("AAPL", JULY_18, 900), put("AAPL", JULY_18, 158), RefusalCode.UNKNOWN_CONTRACT),
        (put("AAPL", JULY_18, 167), put("AAPL", JULY_11, 158), RefusalCode.UNKNOWN_CONTRACT),
        (put("AAPL", JULY_18, 158), put("AAPL", JULY_18, 167), RefusalCode.SAME_STRIKE),
        (put("AAPL", date(2025, 5, 30), 167), put("AAPL", JULY_18, 158), RefusalCode.EXPIRED),
    ],
)
def test_symbols_that_make_no_spread_are_refused(short: str, long: str, code: RefusalCode) -> None:
    found = named_legs(priced_chain(), short, long, NOW)
    assert isinstance(found, SpreadRefusal)
    assert found.code is code


def test_named_symbols_are_paired() -> None:
    found = named_legs(priced_chain(), put("AAPL", JULY_18, 167), put("AAPL", JULY_18, 158), NOW, SpreadChoice().roots)
    assert isinstance(found, Legs)
    assert (found.width, found.expiration) == (9, JULY_18)
