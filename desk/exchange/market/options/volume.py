"""How much a modelled contract trades, and its bars.

It is a fixed share of the stock's volume, most of it near the money and soon to expire. The numbers are plausible and nothing
more; they depend on seed, contract and day alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from desk.exchange.market.options import surface
from desk.exchange.market.options.contract import Contract
from desk.exchange.market.options.surface import Volatility
from desk.exchange.market.path import UNITS_PER_DOLLAR, IntArray, seed_of
from desk.exchange.market.session_path import NativeBars, SessionPath
from options.black_scholes import Floats

# Contracts that change hands at the money, for each share of the stock that does; a contract stands for 100 shares.
CONTRACTS_OF_A_SHARE = 0.02 / 100
FADING_DAYS = 60.0
POINTS_OF_A_BAR = 4
# How many trades a bar must have for one at its open, high, low and close.
LEAST_TRADES = np.array([2, 4, 4, 1])
OPEN_INTEREST_OF_VOLUME = 8.0


@dataclass(frozen=True, slots=True)
class ChainBars:
    """Bars of many contracts on the same grid: `start` of shape (n,), prices in units and volume in contracts (k, n).

    Where the volume is zero the contract did not trade, and the prices mean nothing.
    """

    start: IntArray
    open: IntArray
    high: IntArray
    low: IntArray
    close: IntArray
    volume: IntArray
    seconds: int

    def row(self, place: int) -> NativeBars:
        """The bars of one contract in which it traded."""
        cells = (self.start, *(column[place] for column in (self.open, self.high, self.low, self.close, self.volume)))
        start, opened, high, low, close, volume = np.stack(cells)[:, self.volume[place] > 0]
        return NativeBars(start, opened, high, low, close, volume, self.seconds)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of at least one trade: start in seconds after the open, prices in units, volume in contracts."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int


@dataclass(frozen=True, slots=True)
class SoFar:
    """What a contract that has traded did in a session so far: all of it as a bar, and its last bar, `seconds` long."""

    day: Bar
    last: Bar
    seconds: int


def chain_bars(
    seed: int,
    contracts: Sequence[Contract],
    day: date,
    underlying_path: SessionPath,
    last: IntArray,
    volatility: Volatility,
) -> ChainBars:
    """Bars over the underlying's own, from `last` (k, n) at the points of its path."""
    whole = underlying_path.bars
    traded = _volumes(seed, contracts, day, underlying_path, volatility)
    first = np.searchsorted(underlying_path.seconds, whole.start)
    after = np.searchsorted(underlying_path.seconds, whole.start + whole.seconds)
    # A walked path has one point a bar, so that a bar ends at the next one's beginning.
    after = np.minimum(np.where(after - first > 1, after, first + 2), last.shape[1])
    close = last[:, after - 1]
    opened = np.where(traded == 1, close, last[:, first])
    edges, points = np.column_stack([first, after]).ravel(), np.column_stack([last, last[:, -1]])
    has_range = traded >= POINTS_OF_A_BAR
    high = np.where(has_range, np.maximum.reduceat(points, edges, axis=1)[:, ::2], np.maximum(opened, close))
    low = np.where(has_range, np.minimum.reduceat(points, edges, axis=1)[:, ::2], np.minimum(opened, close))
    return ChainBars(whole.start, opened, high, low, close, traded, whole.seconds)


def one_row(bars: NativeBars) -> ChainBars:
    """The bars of one contract as a chain's."""
    opened, high, low, close, volume = (column[None] for column in (bars.open, bars.high, bars.low, bars.close, bars.volume))
    return ChainBars(bars.start, opened, high, low, close, volume, bars.seconds)


def so_far(bars: ChainBars, elapsed_seconds: float) -> list[SoFar | None]:
    """What each contract did up to so many seconds after the open; None for one that has not traded."""
    known = int(np.searchsorted(bars.start + bars.seconds, elapsed_seconds, side="right"))
    has_traded = bars.volume[:, :known] > 0
    if not known:
        return [None] * len(bars.volume)
    row, first = np.arange(len(has_traded)), has_traded.argmax(axis=1)
    last = known - 1 - has_traded[:, ::-1].argmax(axis=1)
    high = np.where(has_traded, bars.high[:, :known], 0).max(axis=1)
    low = np.where(has_traded, bars.low[:, :known], np.iinfo(np.int64).max).min(axis=1)
    volume = bars.volume[:, :known].sum(axis=1)
    day = np.column_stack([bars.start[first], bars.open[row, first], high, low, bars.close[row, last], volume])
    cells = [column[row, last] for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)]
    pairs = zip(day.tolist(), np.column_stack([bars.start[last], *cells]).tolist(), strict=True)
    return [SoFar(Bar(*whole), Bar(*end), bars.seconds) if whole[-1] else None for whole, end in pairs]


def _volumes(
    seed: int, contracts: Sequence[Contract], day: date, underlying_path: SessionPath, volatility: Volatility
) -> IntArray:
    """Contracts traded in each of the underlying's bars, shape (k, n): more at the open and the close, in lumps."""
    whole = underlying_path.bars
    traded = float(whole.volume.sum()) * CONTRACTS_OF_A_SHARE
    shares = _shares(contracts, day, int(underlying_path.price[0]), volatility)
    chances = np.array([_chance(seed, contract.symbol, day) for contract in contracts])
    total = np.rint(traded * shares * chances)[:, None]
    seeds = np.array([[seed_of(seed, contract.symbol, day, "volume")] for contract in contracts], dtype=np.uint64)
    noise = _noise(seeds, len(whole.start) + 1)
    weight = (0.5 + 1.5 * np.linspace(-1.0, 1.0, len(whole.start)) ** 2) * -np.log1p(-noise[:, 1:])
    share = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    # Rounded by a phase of their own, lest the only contract of a day always trade at noon.
    edges = np.floor(share * total + noise[:, :1])
    edges[:, -1:] = total
    return np.diff(edges, axis=1, prepend=0.0).astype(np.int64)


def _noise(seeds: NDArray[np.uint64], count: int) -> Floats:
    """Numbers in [0, 1), shape (k, count): SplitMix64 (Steele, Lea and Flood 2014), which needs no generator for each row."""
    state = seeds + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def open_interests(
    seed: int, contracts: Sequence[Contract], day: date, usual_shares: float, close_units: int, volatility: Volatility
) -> list[int]:
    """Contracts outstanding before the session of `day`, from the stock's usual volume and its last close."""
    usual = usual_shares * CONTRACTS_OF_A_SHARE * OPEN_INTEREST_OF_VOLUME * _shares(contracts, day, close_units, volatility)
    chances = (_chance(seed, contract.symbol, contract.expiration) for contract in contracts)
    return [round(each * chance) for each, chance in zip(usual.tolist(), chances, strict=True)]


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades in order of time, all of shape (n,): seconds after the open, price in units, contracts."""

    seconds: IntArray
    price: IntArray
    size: IntArray


def trades_of(bars: NativeBars, known: int) -> Trades:
    """Trades that make the first `known` bars: one at the close; two, at open and close; or four, at high and low too."""
    volume = bars.volume[:known]
    count, share = _trades_in(volume)
    wanted = count[:, None] >= LEAST_TRADES
    size = np.where(wanted, share[:, None], 0)
    size[:, -1] += volume - size.sum(axis=1)
    at = np.array([0, bars.seconds // 3, 2 * bars.seconds // 3, bars.seconds - 1])
    price = np.column_stack([column[:known] for column in (bars.open, bars.high, bars.low, bars.close)])
    return Trades((bars.start[:known, None] + at)[wanted], price[wanted], size[wanted])


def last_size(volume: int) -> int:
    """Contracts of a bar's last trade."""
    count, share = _trades_in(np.array([volume]))
    return volume - int((count[0] - 1) * share[0])


def _trades_in(volume: IntArray) -> tuple[IntArray, IntArray]:
    """How many trades a bar of that volume has, and the contracts of each but the last, which has the rest."""
    count = np.select([volume >= POINTS_OF_A_BAR, volume > 1], [POINTS_OF_A_BAR, 2], np.minimum(volume, 1))
    return count, volume // np.maximum(count, 1)


def _shares(contracts: Sequence[Contract], day: date, spot_units: int, volatility: Volatility) -> Floats:
    """One at the money on the last day, less away from there and before; shape (n,)."""
    days = np.array([(contract.expiration - day).days for contract in contracts], dtype=np.float64)
    strikes = np.array([contract.strike_units for contract in contracts]) / UNITS_PER_DOLLAR
    k = surface.moneyness(volatility, np.array(spot_units / UNITS_PER_DOLLAR), strikes, (days + 1) / 365.0)
    return np.exp(-0.5 * k**2 - days / FADING_DAYS)


@lru_cache(maxsize=65_536)
def _chance(seed: int, symbol: str, day: date) -> float:
    """Between 0.5 and 1.5."""
    return 0.5 + (seed_of(seed, symbol, day, "activity") % 1_000_003) / 1_000_003
