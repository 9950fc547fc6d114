"""How much a modelled contract trades, and its bars.

It is a fixed share of the stock's volume, most of it near the money and soon to expire. The numbers are plausible and nothing
more; they depend on seed, contract and day alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


# Prices in units of contracts, by their rows, at points of a path; both of shape (n,).
Prices = Callable[[IntArray, IntArray], IntArray]


@dataclass(frozen=True, slots=True)
class ChainBars:
    """The bars in which contracts traded, one contract after the other: those of contract i are `edges[i]` to `edges[i + 1]`.

    `edges` of shape (k + 1,), the rest of shape (n,): start in seconds after the open, prices in units, volume in contracts.
    Most contracts trade in few of a session's minutes, and in the others nothing has to be priced.
    """

    edges: IntArray
    start: IntArray
    open: IntArray
    high: IntArray
    low: IntArray
    close: IntArray
    volume: IntArray
    seconds: int

    def row(self, place: int) -> NativeBars:
        """The bars of one contract."""
        span = slice(int(self.edges[place]), int(self.edges[place + 1]))
        opened, high, low, close = (column[span] for column in (self.open, self.high, self.low, self.close))
        return NativeBars(self.start[span], opened, high, low, close, self.volume[span], self.seconds)


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
    prices: Prices,
    volatility: Volatility,
    known: int | None = None,
) -> ChainBars:
    """Bars over the first `known` of the underlying's own, None for all of them."""
    whole = underlying_path.bars
    traded = _volumes(seed, contracts, day, underlying_path, volatility, known)
    row, bar = np.nonzero(traded)
    volume = traded[row, bar]
    first = np.searchsorted(underlying_path.seconds, whole.start)
    after = np.searchsorted(underlying_path.seconds, whole.start + whole.seconds)
    # A walked path has one point a bar, so that a bar ends at the next one's beginning.
    after = np.minimum(np.where(after - first > 1, after, first + 2), len(underlying_path.seconds))
    columns = _priced(len(contracts), row, first[bar], after[bar], volume, prices)
    edges = np.searchsorted(row, np.arange(len(contracts) + 1))
    return ChainBars(edges, whole.start[bar], *columns, volume, whole.seconds)


def _priced(
    rows: int, row: IntArray, first: IntArray, after: IntArray, volume: IntArray, prices: Prices
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Open, high, low and close of bars from the points `first` to before `after`; each point that counts is priced once."""
    several, has_range = volume > 1, volume >= POINTS_OF_A_BAR
    within = [has_range & (first + step < after - 1) for step in range(1, int((after - first).max(initial=0)) - 1)]
    is_needed = np.zeros((rows, int(after.max(initial=0))), dtype=np.bool_)
    is_needed[row, after - 1] = True
    is_needed[row[several], first[several]] = True
    for step, inside in enumerate(within, start=1):
        is_needed[row[inside], first[inside] + step] = True
    last = np.zeros(is_needed.shape, dtype=np.int64)
    needed = np.nonzero(is_needed)
    last[needed] = prices(*needed)
    close = last[row, after - 1]
    opened = np.where(several, last[row, first], close)
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    for step, inside in enumerate(within, start=1):
        point = last[row[inside], first[inside] + step]
        high[inside], low[inside] = np.maximum(high[inside], point), np.minimum(low[inside], point)
    return opened, high, low, close


def one_row(bars: NativeBars) -> ChainBars:
    """The bars of one contract as a chain's; those without a trade are left out."""
    traded = bars.volume > 0
    opened, high, low, close = (column[traded] for column in (bars.open, bars.high, bars.low, bars.close))
    edges = np.array([0, np.count_nonzero(traded)])
    return ChainBars(edges, bars.start[traded], opened, high, low, close, bars.volume[traded], bars.seconds)


def so_far(bars: ChainBars, elapsed_seconds: float) -> list[SoFar | None]:
    """What each contract did up to so many seconds after the open; None for one that has not traded."""
    until = np.concatenate(([0], np.cumsum(bars.start + bars.seconds <= elapsed_seconds)))
    count = until[bars.edges[1:]] - until[bars.edges[:-1]]
    has_traded = count > 0
    first = bars.edges[:-1][has_traded]
    last = first + count[has_traded] - 1
    spans = np.column_stack([first, last + 1]).ravel()

    def over(function: np.ufunc, column: IntArray) -> IntArray:
        # The last span may end with the column, and reduceat wants every edge to be within.
        reduced: IntArray = function.reduceat(np.append(column, 0), spans)[::2]
        return reduced

    high, low = over(np.maximum, bars.high), over(np.minimum, bars.low)
    volume = over(np.add, bars.volume)
    day = np.column_stack([bars.start[first], bars.open[first], high, low, bars.close[last], volume])
    end = np.column_stack([column[last] for column in (bars.start, bars.open, bars.high, bars.low, bars.close, bars.volume)])
    found: list[SoFar | None] = [None] * len(count)
    for place, whole, bar in zip(np.flatnonzero(has_traded).tolist(), day.tolist(), end.tolist(), strict=True):
        found[place] = SoFar(Bar(*whole), Bar(*bar), bars.seconds)
    return found


def _volumes(
    seed: int,
    contracts: Sequence[Contract],
    day: date,
    underlying_path: SessionPath,
    volatility: Volatility,
    known: int | None,
) -> IntArray:
    """Contracts traded in each of the first `known` of the underlying's bars, shape (k, n): more at open and close, in lumps."""
    whole = underlying_path.bars
    bars = len(whole.start)
    traded = float(whole.volume.sum()) * CONTRACTS_OF_A_SHARE
    shares = _shares(contracts, day, int(underlying_path.price[0]), volatility)
    chances = np.array([_chance(seed, contract.symbol, day) for contract in contracts])
    total = np.rint(traded * shares * chances)[:, None]
    seeds = np.array([[seed_of(seed, contract.symbol, day, "volume")] for contract in contracts], dtype=np.uint64)
    noise = _noise(seeds, bars + 1)
    phase, weight = noise[:, :1], -noise[:, 1:]
    # In place: new arrays of this size would cost more than what is calculated.
    np.negative(np.log1p(weight, out=weight), out=weight)
    weight *= 0.5 + 1.5 * np.linspace(-1.0, 1.0, bars) ** 2
    whole_weight = weight.sum(axis=1, keepdims=True)
    edges = np.cumsum(weight[:, :known], axis=1)
    edges /= whole_weight
    edges *= total
    # Rounded by a phase of their own, lest the only contract of a day always trade at noon.
    np.floor(np.add(edges, phase, out=edges), out=edges)
    if edges.shape[1] == bars:
        edges[:, -1:] = total
    return np.diff(edges, axis=1, prepend=0.0).astype(np.int64)


def _noise(seeds: NDArray[np.uint64], count: int) -> Floats:
    """Numbers in [0, 1), shape (k, count): SplitMix64 (Steele, Lea and Flood 2014), which needs no generator for each row."""
    state = seeds + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    shifted = state >> np.uint64(30)
    for shift, factor in ((np.uint64(27), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(31), np.uint64(0x94D049BB133111EB))):
        state ^= shifted
        state *= factor
        np.right_shift(state, shift, out=shifted)
    state ^= shifted
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
    """Contracts of a bar's last trade: of one bar, what `_trades_in` says of many."""
    count = POINTS_OF_A_BAR if volume >= POINTS_OF_A_BAR else min(volume, 2)
    return volume - (count - 1) * (volume // count) if count else 0


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
