"""Whether a contract's market is good enough to trade in: a quote on both sides, fresh, narrow, and others who hold it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from desk.domain.options import OptionQuote
from options.money import exact
from options.refusals import RefusalCode, SpreadRefusal


@dataclass(frozen=True, slots=True)
class LiquidityLimits:
    """What each leg has to offer. Prices in dollars a share; zero or None switches a limit off.

    Bid and ask may be `max_spread_fraction` of their middle apart, and `allowed_spread` in any case: a cheap option's cents
    are a large part of it. What the broker does not tell of open interest or volume fails a limit on it. Volume is not asked
    for by default: in the first hour most contracts have none.
    """

    min_bid: Decimal = Decimal("0.05")
    max_spread_fraction: float | None = 0.10
    allowed_spread: Decimal = Decimal("0.10")
    min_open_interest: int | None = 100
    min_volume: int | None = None
    max_quote_age_seconds: float | None = 60.0


Problem = tuple[RefusalCode, str]
Check = Callable[[OptionQuote, LiquidityLimits, datetime], Problem | None]


def leg_refusal(underlying: str, quote: OptionQuote, limits: LiquidityLimits, now: datetime) -> SpreadRefusal | None:
    """The first limit that `quote` fails at `now` (aware), or None."""
    for check in _CHECKS:
        problem = check(quote, limits, now)
        if problem is not None:
            code, text = problem
            return SpreadRefusal(code, underlying, f"{quote.symbol} {text}")
    return None


def _empty(quote: OptionQuote, _limits: LiquidityLimits, _now: datetime) -> Problem | None:
    if quote.ask > 0:
        return None
    return RefusalCode.EMPTY_QUOTE, "has no ask: wait for a quote, or choose another strike"


def _no_bid(quote: OptionQuote, limits: LiquidityLimits, _now: datetime) -> Problem | None:
    if quote.bid >= limits.min_bid:
        return None
    return RefusalCode.NO_BID, f"is bid {quote.bid}, min_bid_usd is {limits.min_bid}: choose a strike nearer to the market"


def _crossed(quote: OptionQuote, _limits: LiquidityLimits, _now: datetime) -> Problem | None:
    if quote.bid <= quote.ask:
        return None
    return RefusalCode.CROSSED, f"is bid {quote.bid} above its ask {quote.ask}: wait for the next quote"


def _stale(quote: OptionQuote, limits: LiquidityLimits, now: datetime) -> Problem | None:
    age = (now - quote.at).total_seconds()
    # A quote from far ahead of the clock is as little of this moment as one from long ago.
    if limits.max_quote_age_seconds is None or abs(age) <= limits.max_quote_age_seconds:
        return None
    words = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s ahead of the clock"
    return RefusalCode.STALE_QUOTE, f"has a quote {words}, more than {limits.max_quote_age_seconds:g} s: ask again"


def _wide(quote: OptionQuote, limits: LiquidityLimits, _now: datetime) -> Problem | None:
    spread = quote.ask - quote.bid
    if limits.max_spread_fraction is None or spread <= limits.allowed_spread:
        return None
    if spread <= exact(limits.max_spread_fraction) * quote.mid:
        return None
    return RefusalCode.WIDE_SPREAD, (
        f"is {quote.bid} to {quote.ask}, {spread / quote.mid:.0%} of the middle apart; max_spread_fraction is "
        f"{limits.max_spread_fraction:g}, and {limits.allowed_spread} dollars always pass (allowed_spread_usd): choose a busier "
        "strike or expiration"
    )


def _open_interest(quote: OptionQuote, limits: LiquidityLimits, _now: datetime) -> Problem | None:
    return _count(RefusalCode.OPEN_INTEREST, quote.open_interest, limits.min_open_interest)


def _volume(quote: OptionQuote, limits: LiquidityLimits, _now: datetime) -> Problem | None:
    return _count(RefusalCode.VOLUME, quote.volume, limits.min_volume)


def _count(code: RefusalCode, count: int | None, least: int | None) -> Problem | None:
    if not least or (count is not None and count >= least):
        return None
    found = "unknown" if count is None else str(count)
    name = code.value.replace("_", " ")
    return code, f"has {name} {found}, min_{code.value} is {least}: choose a busier strike, or set min_{code.value} to 0"


_CHECKS: tuple[Check, ...] = (_empty, _no_bid, _crossed, _stale, _wide, _open_interest, _volume)
