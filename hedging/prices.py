"""Prices that a figure may rest on: finite and no smaller than the smallest legal tick, or none at all."""

from __future__ import annotations

import math

from desk.domain.market import Market
from desk.domain.prices import SUB_PENNY

LEAST_PRICE_USD = float(SUB_PENNY)


def is_price(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value >= LEAST_PRICE_USD


def last_price(market: Market, symbol: str) -> float | None:
    """Dollars of the last trade, else of the last completed close, else None; a price that is none is passed over."""
    quote = market.quotes.get(symbol)
    if quote is not None and is_price(quote.last):
        return quote.last
    bars = market.bars.get(symbol)
    if bars is None or not len(bars):
        return None
    close = float(bars.close[-1])
    return close if is_price(close) else None


def dear_price(market: Market, symbol: str) -> float | None:
    """The dearer of offer and last price in dollars: a size that keeps to its cap at this one keeps to it at both."""
    quote = market.quotes.get(symbol)
    ask = quote.ask if quote is not None else None
    found = [price for price in (ask, last_price(market, symbol)) if price is not None and is_price(price)]
    return max(found, default=None)
