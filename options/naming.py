"""What a person calls a spread, whose contracts have symbols that nobody reads."""

from __future__ import annotations

from options import occ


def spread_name(underlying: str, short: str, long: str) -> str:
    """`SPY 550/520 put spread, 19 Dec 2025`. Raises ValueError for what is no option symbol."""
    sold, bought = occ.parse(short), occ.parse(long)
    day = sold.expiration
    return f"{underlying} {float(sold.strike):g}/{float(bought.strike):g} put spread, {day.day} {day:%b %Y}"
