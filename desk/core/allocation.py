"""Whose the desk's shares are when several strategies trade in one account, to the share and to the cent.

The broker sees one position a symbol. What is bought goes to the strategies that want more than they have, what is sold comes
from those that have more than they want. A stop or a target sells for nobody's wish: it takes from whom the trade was bought for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from desk.domain.grown import Grown
from desk.domain.orders import Side
from desk.domain.trades import ZERO

# Shares that no strategy asked for: found in the account, say.
NOBODY = ""
# Costs of parts of a holding are rounded to this; what is left stays with the rest, so nothing is lost.
PART = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Stake:
    """A strategy's part of one symbol: shares, what they cost, and what its sales have brought beyond their cost, in dollars."""

    shares: int = 0
    cost_usd: Decimal = ZERO
    realised_usd: Decimal = ZERO

    def bought(self, shares: int, price: Decimal) -> Stake:
        return replace(self, shares=self.shares + shares, cost_usd=self.cost_usd + price * shares)

    def sold(self, shares: int, price: Decimal) -> Stake:
        cost = self.cost_usd if shares == self.shares else _part_of(self.cost_usd, shares, self.shares)
        return Stake(self.shares - shares, self.cost_usd - cost, self.realised_usd + price * shares - cost)


def _part_of(cost_usd: Decimal, shares: int, of: int) -> Decimal:
    return (cost_usd * shares / of).quantize(PART) if of else ZERO


Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Allocations:
    """Stakes by symbol and strategy, the shares that each strategy wants of a symbol, and for whom each trade was bought."""

    stakes: Grown[str, Mapping[str, Stake]] = field(default_factory=Grown)
    wanted: Grown[str, Counts] = field(default_factory=Grown)
    bought_for: Grown[str, Counts] = field(default_factory=Grown)

    def shares(self, symbol: str) -> dict[str, int]:
        """Shares of a symbol by strategy, those without any left out."""
        return {name: stake.shares for name, stake in self.stakes.get(symbol, {}).items() if stake.shares}

    def shares_of(self, strategy: str, symbol: str) -> int:
        return self.stakes.get(symbol, {}).get(strategy, Stake()).shares

    def wants(self, symbol: str, wanted: Counts, price: Decimal | None = None) -> Allocations:
        """What strategies want of a symbol from now on. With a price those that have more than they want give to those that want
        more than they have at once, at so many dollars a share: no order goes out for it, it would meet itself."""
        after = replace(self, wanted=self.wanted.with_item(symbol, MappingProxyType(dict(wanted))))
        return after if price is None else after._crossed(symbol, price)

    def _crossed(self, symbol: str, price: Decimal) -> Allocations:
        surplus, short = self._surplus(symbol), self._short(symbol)
        count = min(sum(surplus.values()), sum(short.values()))
        stakes = {**self.stakes.get(symbol, {})}
        for name, shares in apportion(count, surplus).items():
            stakes[name] = stakes[name].sold(shares, price)
        for name, shares in apportion(count, short).items():
            stakes[name] = stakes.get(name, Stake()).bought(shares, price)
        return self._with(symbol, stakes)

    def _short(self, symbol: str) -> dict[str, int]:
        """What each strategy wants beyond what it has."""
        wanted, held = self.wanted.get(symbol, {}), self.shares(symbol)
        return {name: count - held.get(name, 0) for name, count in wanted.items() if count > held.get(name, 0)}

    def _surplus(self, symbol: str) -> dict[str, int]:
        """What each strategy has beyond what it wants."""
        wanted, mine = self.wanted.get(symbol, {}), {n: c for n, c in self.shares(symbol).items() if n != NOBODY}
        return {name: count - wanted.get(name, 0) for name, count in mine.items() if count > wanted.get(name, 0)}

    def filled(self, symbol: str, side: Side, shares: int, price: Decimal, trade: str) -> Allocations:
        """After a fill of `shares` at `price` dollars in the trade with that key."""
        return self._bought(symbol, shares, price, trade) if side is Side.BUY else self._sold(symbol, shares, price, trade)

    def _bought(self, symbol: str, shares: int, price: Decimal, trade: str) -> Allocations:
        wanted, short = self.wanted.get(symbol, {}), self._short(symbol)
        parts = apportion(min(shares, sum(short.values())), short)
        left = shares - sum(parts.values())
        rest = apportion(left, {name: count for name, count in wanted.items() if count} or {NOBODY: 1})
        parts = _sum(parts, rest)
        stakes = {**self.stakes.get(symbol, {})}
        for name, count in parts.items():
            stakes[name] = stakes.get(name, Stake()).bought(count, price)
        bought_for = self.bought_for.with_item(trade, _sum(self.bought_for.get(trade, {}), parts))
        return replace(self._with(symbol, stakes), bought_for=bought_for)

    def _sold(self, symbol: str, shares: int, price: Decimal, trade: str) -> Allocations:
        wanted, held, surplus = self.wanted.get(symbol, {}), self.shares(symbol), self._surplus(symbol)
        meant = apportion(min(shares, sum(surplus.values())), surplus)
        unmeant = self._unmeant(shares - sum(meant.values()), {n: c - meant.get(n, 0) for n, c in held.items()}, trade)
        stakes = {**self.stakes.get(symbol, {})}
        for name, count in _sum(meant, unmeant).items():
            stakes[name] = stakes.get(name, Stake()).sold(count, price)
        # What an exit sold is not to be bought back for those who wanted it.
        kept = {name: max(0, count - unmeant.get(name, 0)) for name, count in wanted.items()}
        return self._with(symbol, stakes).wants(symbol, kept) if wanted else self._with(symbol, stakes)

    def _unmeant(self, shares: int, held: Counts, trade: str) -> dict[str, int]:
        """Who gives shares that nobody wished to sell: those for whom the trade was bought, then all who hold some."""
        own = {name: min(count, held.get(name, 0)) for name, count in self.bought_for.get(trade, {}).items()}
        parts = apportion(min(shares, sum(own.values())), own)
        left = {name: count - parts.get(name, 0) for name, count in held.items()}
        more = apportion(min(shares - sum(parts.values()), sum(left.values())), left)
        parts = _sum(parts, more)
        short = shares - sum(parts.values())
        return _sum(parts, {NOBODY: short} if short else {})

    def adopted(self, symbol: str, shares: int, price: Decimal, trade: str) -> Allocations:
        """After a person gave shares to the desk, bought at `price` dollars: no strategy asked for them."""
        stakes = {**self.stakes.get(symbol, {})}
        stakes[NOBODY] = stakes.get(NOBODY, Stake()).bought(shares, price)
        return replace(self._with(symbol, stakes), bought_for=self.bought_for.with_item(trade, {NOBODY: shares}))

    def with_lot(self, trade: str, lot: str) -> Allocations:
        """After a trade gave some of its shares to a new one: they were bought for the same strategies."""
        if trade not in self.bought_for:
            return self
        return replace(self, bought_for=self.bought_for.with_item(lot, self.bought_for[trade]))

    def split(self, symbol: str, shares: int) -> Allocations:
        """After a split made `shares` of those that the desk holds; costs stay what they were."""
        held = self.shares(symbol)
        parts = apportion(shares, held) if held else {}
        stakes = {name: replace(each, shares=parts.get(name, 0)) for name, each in self.stakes.get(symbol, {}).items()}
        # Wishes of before the split are in other shares: what is held is what is wanted until a strategy says otherwise.
        return self._with(symbol, stakes).wants(symbol, parts) if held else self

    def _with(self, symbol: str, stakes: Mapping[str, Stake]) -> Allocations:
        return replace(self, stakes=self.stakes.with_item(symbol, MappingProxyType(dict(stakes))))


def apportion(total: int, weights: Counts) -> dict[str, int]:
    """`total` in whole parts by weight, the largest remainders first, then by name; nothing for weights that come to nothing.

    No part is above its weight when `total` is not above their sum.
    """
    whole = sum(weights.values())
    if total <= 0 or whole <= 0:
        return {}
    parts = {name: total * weight // whole for name, weight in weights.items()}
    by_rest = sorted(weights, key=lambda name: (-(total * weights[name] % whole), name))
    for name in by_rest[: total - sum(parts.values())]:
        parts[name] += 1
    return {name: count for name, count in parts.items() if count}


def _sum(one: Counts, other: Counts) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
