"""What a spread is called where a person reads of it."""

from __future__ import annotations

import pytest

from options.naming import spread_name


@pytest.mark.parametrize(
    ("underlying", "short", "long", "name"),
    [
        ("SPY", "SPY251219P00550000", "SPY251219P00520000", "SPY 550/520 put spread, 19 Dec 2025"),
        ("BRK.B", "BRKB260102P00457500", "BRKB260102P00450000", "BRK.B 457.5/450 put spread, 2 Jan 2026"),
    ],
)
def test_a_spread_is_named_by_strikes_and_day(underlying: str, short: str, long: str, name: str) -> None:
    assert spread_name(underlying, short, long) == name


def test_what_is_no_symbol_has_no_name() -> None:
    with pytest.raises(ValueError, match="no option symbol"):
        spread_name("SPY", "SPY", "SPY251219P00520000")
