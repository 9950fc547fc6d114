"""Which listed puts are sold and bought: by distance from the market, by delta, or by width in dollars."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

import numpy as np

from options.black_scholes import Floats
from options.listing import PutSlice
from options.money import exact
from options.refusals import RefusalCode, SpreadRefusal


class Snap(StrEnum):
    """Which listed strike stands for a wished one that is not listed."""

    BELOW = "below"  # the highest that is not above it
    NEAREST = "nearest"  # the lower of two as near


@dataclass(frozen=True, slots=True)
class AtDistance:
    """So far below the market, a fraction of it; a listed strike further than `max_miss_fraction` of the market is no answer."""

    fraction: float
    snap: Snap = Snap.BELOW
    max_miss_fraction: float = 0.05


@dataclass(frozen=True, slots=True)
class AtDelta:
    """The put whose delta's size is nearest to `size`, and not further than `max_miss` from it."""

    size: float
    max_miss: float = 0.10


@dataclass(frozen=True, slots=True)
class AtWidth:
    """The widest spread that is not wider than so many dollars, so that its risk is never above what was asked for."""

    dollars: Decimal


@dataclass(frozen=True, slots=True)
class StrikeChoice:
    """How the sold and the bought put are found; about 5 % and 10 % below the market unless said otherwise."""

    short: AtDistance | AtDelta = field(default_factory=lambda: AtDistance(0.05))
    long: AtDistance | AtDelta | AtWidth = field(default_factory=lambda: AtDistance(0.10))


# Deltas along a slice, asked for only where a rule needs them.
Deltas = Callable[[], Floats]
Found = int | SpreadRefusal


def choose_strikes(puts: PutSlice, choice: StrikeChoice, deltas: Deltas) -> tuple[int, int] | SpreadRefusal:
    """(sold, bought) as indices into the slice, sold below the market, bought below sold. NO_STRIKE, SAME_STRIKE."""
    short = short_strike(puts, choice.short, deltas)
    if isinstance(short, SpreadRefusal):
        return short
    long = long_strike(puts, short, choice.long, deltas)
    return long if isinstance(long, SpreadRefusal) else (short, long)


def short_strike(puts: PutSlice, rule: AtDistance | AtDelta, deltas: Deltas) -> Found:
    """Index of the put to sell: below the market."""
    return _by_rule(puts, rule, bisect_left(puts.strikes, exact(puts.spot)), deltas)


def long_strike(puts: PutSlice, short: int, rule: AtDistance | AtDelta | AtWidth, deltas: Deltas) -> Found:
    """Index of the put to buy: below the sold one."""
    if short == 0:
        below = f"no put is listed below the sold strike {puts.strikes[0]} of {puts.expiration}"
        text = f"{below}: sell one nearer to the market, or trade another underlying"
        return SpreadRefusal(RefusalCode.SAME_STRIKE, puts.underlying, text)
    if isinstance(rule, AtWidth):
        return _by_width(puts, short, rule)
    return _by_rule(puts, rule, short, deltas)


def _by_rule(puts: PutSlice, rule: AtDistance | AtDelta, end: int, deltas: Deltas) -> Found:
    """Among the first `end` strikes."""
    if isinstance(rule, AtDelta):
        return _by_delta(puts, rule, end, deltas()[:end])
    wished = exact(puts.spot) * (1 - exact(rule.fraction))
    found = _snapped(puts.strikes[:end], wished, rule.snap)
    if found is None:
        fix = "set long_distance_fraction and short_distance_fraction lower, or trade another underlying"
        return _no_strike(puts, f"no put is listed at {wished:.2f} dollars or below: {fix}")
    miss = abs(puts.strikes[found] - wished) / exact(puts.spot)
    return found if miss <= exact(rule.max_miss_fraction) else _too_far(puts, wished, puts.strikes[found], rule)


def _too_far(puts: PutSlice, wished: Decimal, listed: Decimal, rule: AtDistance) -> SpreadRefusal:
    miss = abs(listed - wished) / exact(puts.spot)
    return _no_strike(
        puts,
        f"a strike of {wished:.2f} dollars is wished and {listed} is listed for it, {100 * miss:.1f} % of the price off, more "
        f"than {100 * rule.max_miss_fraction:g} %: trade an underlying with closer strikes, or set short_distance_fraction and "
        "long_distance_fraction to where strikes are listed",
    )


def _snapped(strikes: Sequence[Decimal], wished: Decimal, snap: Snap) -> int | None:
    below = bisect_right(strikes, wished) - 1
    if snap is Snap.NEAREST and below + 1 < len(strikes):
        above = below + 1
        if below < 0 or strikes[above] - wished < wished - strikes[below]:
            return above
    return below if below >= 0 else None


def _by_delta(puts: PutSlice, rule: AtDelta, end: int, deltas: Floats) -> Found:
    misses = np.abs(np.abs(deltas) - rule.size)
    if not np.isfinite(misses).any():
        text = f"none of the {end} puts in question has a delta or a quote to tell it from"
        return _no_strike(puts, f"{text}: set short_delta to null to choose by distance")
    found = int(np.nanargmin(misses))
    if misses[found] > rule.max_miss:
        nearest = f"{abs(deltas[found]):.2f}, of strike {puts.strikes[found]}, is the nearest, more than {rule.max_miss:g} off"
        fix = "set short_delta nearer to it, or to null to choose by distance"
        return _no_strike(puts, f"a delta of {rule.size:g} is wished and {nearest}: {fix}")
    return found


def _by_width(puts: PutSlice, short: int, rule: AtWidth) -> Found:
    found = bisect_left(puts.strikes, puts.strikes[short] - rule.dollars)
    if found < short:
        return found
    gap = puts.strikes[short] - puts.strikes[short - 1]
    text = f"the strikes may be {rule.dollars} dollars apart, the next strike is {gap} below {puts.strikes[short]}"
    return SpreadRefusal(RefusalCode.SAME_STRIKE, puts.underlying, f"{text}: allow {gap} (width_usd, where it is set)")


def _no_strike(puts: PutSlice, text: str) -> SpreadRefusal:
    return SpreadRefusal(RefusalCode.NO_STRIKE, puts.underlying, f"of {puts.expiration} {text}")
