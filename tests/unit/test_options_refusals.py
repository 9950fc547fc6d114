"""What refusals say: every setting that one names is one that a person can set."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from desk.runtime.spread_build import policy_of
from desk.settings.spreads import SpreadSettings
from options.gates import AccountLook, Opportunity, opportunity_refusal
from options.liquidity import leg_refusal
from options.listing import PutSlice
from options.refusals import RefusalCode, SpreadRefusal
from options.strikes import AtDelta, AtDistance, AtWidth, Snap, StrikeChoice, choose_strikes
from tests.option_chains import JULY_18, NOW, put, quote

ROOT = Path(__file__).parents[2]
SPEAKING = (
    "options/expirations.py",
    "options/gates.py",
    "options/legs.py",
    "options/liquidity.py",
    "options/listing.py",
    "options/roll.py",
    "options/sizing.py",
    "options/strikes.py",
    "desk/cli/options_scan.py",
    "desk/runtime/spread_opener.py",
    "desk/runtime/spread_orders.py",
)
# A name as settings have it; what a value completes has the braces.
NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b|\b[a-z_]+_\{\}")
COMPLETED = {f"min_{code.value}" for code in (RefusalCode.SCORE, RefusalCode.CONFIDENCE, RefusalCode.OPEN_INTEREST)}


def sentences(module: str) -> Iterator[str]:
    """Texts of a module with more than a word, docstrings left out; a value in one is written as two braces."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (docs | parts):
            yield node.value


@pytest.mark.parametrize("module", SPEAKING)
def test_no_text_names_a_setting_that_is_not_there(module: str) -> None:
    named = {name for text in sentences(module) if " " in text for name in NAME.findall(text)}
    assert named - {"min_{}"} <= SpreadSettings.model_fields.keys()


def test_names_that_a_value_completes_are_settings_too() -> None:
    policy = policy_of(SpreadSettings())
    account = AccountLook(NOW, True, 3, Decimal(10_000), ())
    said = [
        opportunity_refusal(Opportunity("AAPL", 1.0, 1.0), account, policy.limits),
        opportunity_refusal(Opportunity("AAPL", 9.0, 0.1), account, policy.limits),
        leg_refusal("AAPL", quote(put("AAPL", JULY_18, 167), "2.00", "2.10", open_interest=1), policy.choice.liquidity, NOW),
    ]
    assert {name for refusal in said if refusal for name in NAME.findall(refusal.text)} == COMPLETED
    assert SpreadSettings.model_fields.keys() >= COMPLETED
    assert policy.choice.liquidity.min_volume is None  # no setting asks for it, and so nothing names one


# ---- strikes: what is wished, what is listed, and what helps -----------------------------------------------------------------

LISTED = PutSlice(
    "SPXS",
    JULY_18,
    3.9,
    NOW,
    (Decimal("2.5"), Decimal("3.5")),
    tuple(quote(put("SPXS", JULY_18, strike), "1.00", "1.05") for strike in (2.5, 3.5)),
)
NEAR, FAR = AtDistance(0.05, Snap.NEAREST), AtDistance(0.10, Snap.NEAREST)


@pytest.mark.parametrize(
    ("of", "choice", "words"),
    [
        (
            LISTED,
            StrikeChoice(NEAR, FAR),
            "of 2025-07-18 a strike of 3.70 dollars is wished and 3.5 is listed for it, 5.3 % of the price off, more than 5 %: "
            "trade an underlying with closer strikes, or set short_distance_fraction and long_distance_fraction to where strikes "
            "are listed",
        ),
        (
            LISTED,
            StrikeChoice(AtDistance(0.5), FAR),
            "no put is listed at 1.95 dollars or below: set long_distance_fraction and short_distance_fraction lower",
        ),
        (LISTED, StrikeChoice(AtDistance(0.33, Snap.NEAREST), FAR), "no put is listed below the sold strike 2.5"),
        (
            LISTED,
            StrikeChoice(AtDelta(0.2), FAR),
            "a delta of 0.2 is wished and 0.45, of strike 3.5, is the nearest, more than 0.1 off: set short_delta nearer to it",
        ),
        (
            LISTED,
            StrikeChoice(AtDistance(0.1, Snap.NEAREST), AtWidth(Decimal("0.5"))),
            "0.5 dollars apart, the next strike is 1.0 below 3.5: allow 1.0 (width_usd",
        ),
    ],
)
def test_a_strike_that_is_not_there_is_told_with_what_helps(of: PutSlice, choice: StrikeChoice, words: str) -> None:
    found = choose_strikes(of, choice, lambda: np.array([-0.9, -0.45]))
    assert isinstance(found, SpreadRefusal)
    assert words in found.text


def test_without_any_delta_a_distance_is_the_way() -> None:
    found = choose_strikes(replace(LISTED), StrikeChoice(AtDelta(0.2), FAR), lambda: np.array([np.nan, np.nan]))
    assert isinstance(found, SpreadRefusal) and "set short_delta to null to choose by distance" in found.text
