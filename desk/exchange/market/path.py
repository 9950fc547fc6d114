"""The intraday path of a session, made from its daily bar: seeded, pure, exact at open, high, low and close.

A daily bar says where a price went and not when. The walk is one way it may have gone: it starts at the open, touches the
high and the low, ends at the close, and wanders between them as a Brownian bridge whose volatility fits the day's range (the
expected range of a Brownian motion over n steps is 1.596 sigma sqrt(n), Feller 1951). It never leaves [low, high].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
RANGE_OF_UNIT_WALK = 1.596
UNITS_PER_DOLLAR = 10_000
UNITS_PER_CENT = 100


@dataclass(frozen=True, slots=True)
class TickBar:
    """Open, high, low, close in units of 0.0001 dollars on the tick grid, low <= open, close <= high, and volume in shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int

    @property
    def is_falling(self) -> bool:
        return self.close < self.open


def on_grid(units: NDArray[np.float64] | IntArray) -> IntArray:
    """The nearest legal prices: whole cents from one dollar up, units below; never less than one unit."""
    fine = np.maximum(1, np.rint(units)).astype(np.int64)
    coarse = np.rint(np.asarray(units) / UNITS_PER_CENT).astype(np.int64) * UNITS_PER_CENT
    return np.where(fine >= UNITS_PER_DOLLAR, coarse, fine)


def tick_bar(open_usd: float, high_usd: float, low_usd: float, close_usd: float, volume: float) -> TickBar:
    """A dollar bar on the tick grid; high and low give way to a rounded open or close."""
    prices = on_grid(np.array([open_usd, high_usd, low_usd, close_usd]) * UNITS_PER_DOLLAR)
    opened, high, low, close = (int(price) for price in prices)
    return TickBar(opened, max(opened, high, close), min(opened, low, close), close, max(0, round(volume)))


def seed_of(seed: int, symbol: str, day: date, purpose: str = "path") -> int:
    """A seed of 64 bits that depends on all four, the same on every machine (Python's own hash() is not)."""
    text = f"{seed}/{symbol}/{day.isoformat()}/{purpose}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def walk(bar: TickBar, minutes: int, rng: np.random.Generator) -> IntArray:
    """Prices in units at the minutes 0 to `minutes` of a session, shape (minutes + 1,).

    First is the open, last the close; high and low are touched exactly. Raises ValueError for fewer than 3 minutes.
    """
    if minutes < 3:
        raise ValueError(f"a session of {minutes} minutes is too short to touch open, high, low and close")
    at, price = _anchors(bar, minutes, rng)
    steps = np.arange(minutes + 1)
    noise = np.concatenate(([0.0], np.cumsum(rng.standard_normal(minutes))))
    bridge = noise - np.interp(steps, at, noise[at])
    sigma = (bar.high - bar.low) / (RANGE_OF_UNIT_WALK * np.sqrt(minutes))
    raw = np.interp(steps, at, price) + sigma * bridge
    return on_grid(_reflect(raw, bar.low, bar.high))


def _anchors(bar: TickBar, minutes: int, rng: np.random.Generator) -> tuple[IntArray, NDArray[np.float64]]:
    """Where the path is pinned: open, the extremes that open and close do not already touch, close."""
    first, second = _two_minutes(minutes, rng)
    extremes = [bar.low, bar.high] if rng.random() < low_first_probability(bar) else [bar.high, bar.low]
    pinned = [(0, bar.open)]
    for at, extreme in zip((first, second), extremes, strict=True):
        if extreme not in (bar.open, bar.close):
            pinned.append((at, extreme))
    pinned.append((minutes, bar.close))
    at_list, price_list = zip(*pinned, strict=True)
    return np.array(at_list, dtype=np.int64), np.array(price_list, dtype=np.float64)


def _two_minutes(minutes: int, rng: np.random.Generator) -> tuple[int, int]:
    """Two different minutes inside the session, ascending, every pair as likely as any other."""
    one, other = int(rng.integers(1, minutes)), int(rng.integers(1, minutes - 1))
    other += other >= one
    return min(one, other), max(one, other)


def low_first_probability(bar: TickBar) -> float:
    """Chance that the low comes before the high: even for an unchanged day, up to 0.9 when it closes far above its open.

    A day that ends above where it began has more often dipped first and then risen than the other way round.
    """
    span = bar.high - bar.low
    return 0.5 if span == 0 else 0.5 + 0.4 * (bar.close - bar.open) / span


def _reflect(values: NDArray[np.float64], low: int, high: int) -> NDArray[np.float64]:
    """Fold what left [low, high] back inside once, and cut what is still outside."""
    folded = np.where(values > high, 2 * high - values, values)
    folded = np.where(folded < low, 2 * low - folded, folded)
    return np.clip(folded, low, high)


def spread_volume(volume: int, parts: int, rng: np.random.Generator) -> IntArray:
    """`volume` shares over `parts` minutes, more at the open and the close than at noon; whole numbers that add up exactly."""
    place = np.linspace(-1.0, 1.0, parts)
    weight = (0.5 + 1.5 * place**2) * rng.gamma(4.0, 0.25, parts)
    edges = np.rint(np.cumsum(weight) / weight.sum() * volume).astype(np.int64)
    parts_of_it: IntArray = np.diff(edges, prepend=0)
    return parts_of_it
