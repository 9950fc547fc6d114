"""Chains of puts whose quotes the model makes, for tests of the option calculators."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np

from desk.domain.options import Chain, OptionQuote
from desk.domain.prices import PENNY
from options import black_scholes, occ
from options.expirations import years_left

# A Monday, ten in the morning of New York's summer.
NOW = datetime(2025, 6, 2, 14, 0, tzinfo=UTC)
RATE = 0.04
# The Fridays from 30 to 60 days ahead; 2025-07-04 is a holiday, so that week ends on the Thursday.
JULY_3, JULY_11, JULY_18, JULY_25 = date(2025, 7, 3), date(2025, 7, 11), date(2025, 7, 18), date(2025, 7, 25)
HOLIDAYS = frozenset({date(2025, 6, 19), date(2025, 7, 4)})


def is_session(day: date) -> bool:
    return day.weekday() < 5 and day not in HOLIDAYS


def quote(symbol: str, bid: str, ask: str, **more: object) -> OptionQuote:
    told: dict[str, object] = {"at": NOW, "open_interest": 1000, "volume": 100, **more}
    return OptionQuote(symbol, Decimal(bid), Decimal(ask), **told)  # type: ignore[arg-type]  # mypy cannot see the keys


def put(root: str, day: date, strike: float | str) -> str:
    return occ.format(root, day, "put", Decimal(str(strike)))


def chain_of(underlying: str, spot: float, quotes: Iterable[OptionQuote]) -> Chain:
    return Chain(underlying, spot, NOW, {each.symbol: each for each in quotes})


def priced_chain(
    underlying: str = "AAPL",
    spot: float = 175.5,
    days: Iterable[date] = (JULY_3, JULY_11, JULY_18, JULY_25),
    step: float = 1.0,
    volatility: float = 0.30,
    half_spread: str = "0.02",
    is_told: bool = True,
) -> Chain:
    """Strikes from 0.7 to 1.3 of spot; each put half a spread around the model's price, its volatility told or not."""
    strikes = np.arange(np.ceil(0.7 * spot / step) * step, 1.3 * spot, step)
    half = Decimal(half_spread)
    quotes = []
    for day in days:
        years = years_left(day, NOW)
        paid = black_scholes.price(False, spot, strikes, years, volatility, RATE)
        delta = black_scholes.greeks(False, spot, strikes, years, volatility, RATE).delta
        for strike, dollars, slope in zip(strikes.tolist(), paid.tolist(), delta.tolist(), strict=True):
            middle = max(Decimal(str(round(dollars, 2))), half + PENNY)
            told = {"delta": slope, "implied_volatility": volatility} if is_told else {}
            quotes.append(quote(put(underlying, day, strike), str(middle - half), str(middle + half), **told))
    return chain_of(underlying, spot, quotes)
