"""An option contract as the market lists it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

import numpy as np

from desk.exchange.machine.book import asset_id
from desk.exchange.machine.orders import UNIT_USD
from desk.exchange.market.options.listing_dates import expires_at
from desk.exchange.market.path import IntArray
from options import occ
from options.occ import OptionType

# A symbol ends with its strike in tenths of a cent.
_STRIKE_DIGITS, _UNITS_OF_A_SYMBOL, _ANY_STRIKE = 8, 10, Decimal(1)


@dataclass(frozen=True, slots=True)
class Contract:
    """An American option on 100 shares. `strike` in dollars, `strike_units` in units of 0.0001 dollars.

    `root` is the symbol's beginning, the underlying's own unless recorded quotes say otherwise.
    """

    id: str
    symbol: str
    underlying: str
    root: str
    expiration: date
    type: OptionType
    strike: Decimal
    strike_units: int
    expires_at: datetime

    @property
    def is_call(self) -> bool:
        return self.type == "call"

    @property
    def sign(self) -> int:
        """What a rising stock does to it: 1 for a call, -1 for a put."""
        return 1 if self.is_call else -1

    @property
    def name(self) -> str:
        """As Alpaca words it: AAPL Jun 20 2025 100 Call."""
        return f"{self.root} {_day_name(self.expiration)} {self.strike.normalize():f} {self.type.capitalize()}"

    def intrinsic(self, underlying_units: int) -> int:
        """What exercise pays at once, in units a share."""
        return max(0, self.sign * (underlying_units - self.strike_units))

    def intrinsics(self, underlying_units: IntArray) -> IntArray:
        """The same of many prices of the underlying, shape (n,)."""
        return np.maximum(self.sign * (underlying_units - self.strike_units), 0)


@lru_cache(maxsize=1024)
def _day_name(day: date) -> str:
    return f"{day:%b %d %Y}"


def contract_of(said: occ.Occ, underlying: str | None = None) -> Contract:
    """The contract that a symbol speaks of; its underlying is the symbol's root unless given."""
    return Contract(
        id=asset_id(said.symbol),
        symbol=said.symbol,
        underlying=underlying or said.root,
        root=said.root,
        expiration=said.expiration,
        type=said.type,
        strike=said.strike,
        strike_units=int(said.strike / UNIT_USD),
        expires_at=expires_at(said.expiration),
    )


def chain_of(underlying: str, expiration: date, type: OptionType, strikes: Iterable[int]) -> dict[str, Contract]:
    """Contracts of one expiration by symbol. `strikes` in units, tenths of a cent and more, as a symbol can say them.

    Every symbol begins alike, so it is written once: the chains of a day are tens of thousands of them.
    """
    beginning = occ.format(underlying, expiration, type, _ANY_STRIKE)[:-_STRIKE_DIGITS]
    ends = expires_at(expiration)
    found = {}
    for units in strikes:
        symbol = f"{beginning}{units // _UNITS_OF_A_SYMBOL:0{_STRIKE_DIGITS}d}"
        id_ = asset_id(symbol)
        found[symbol] = Contract(id_, symbol, underlying, underlying, expiration, type, units * UNIT_USD, units, ends)
    return found
