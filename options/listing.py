"""The puts that a chain quotes, by expiration and strike; adjusted contracts are left out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from desk.domain.options import Chain, OptionQuote
from options import occ
from options.occ import Occ
from options.refusals import RefusalCode, SpreadRefusal

# The letter of calls and puts stands before the eight digits of the strike.
_TYPE_LETTER = slice(-9, -8)


@lru_cache(maxsize=1 << 17)
def contract_of(symbol: str) -> Occ | None:
    """What `symbol` says, None when it is no option symbol. A chain asks for the same thousands at every look."""
    try:
        return occ.parse(symbol)
    except ValueError:
        return None


def standard_root(underlying: str) -> str:
    """The root of an underlying's standard contracts: its symbol without the sign of a share class, BRKB for BRK.B."""
    return underlying.replace(".", "").replace("/", "")


def is_adjusted(root: str, underlying: str, roots: Collection[str] = ()) -> bool:
    """Whether contracts of `root` may deliver something else than 100 shares of `underlying`.

    After a split or a spin-off the Options Clearing Corporation puts a digit behind the root. `roots` are other names for
    standard contracts, as SPXW for SPX; they do not excuse a digit.
    """
    is_known = root == standard_root(underlying) or root in roots
    return not is_known or any(sign.isdigit() for sign in root)


@dataclass(frozen=True, slots=True)
class PutSlice:
    """The puts of one root and one expiration, strikes ascending in dollars; `quotes` run along `strikes`."""

    underlying: str
    expiration: date
    spot: float
    at: datetime
    strikes: tuple[Decimal, ...]
    quotes: tuple[OptionQuote, ...]


def slices(chain: Chain, roots: Collection[str] = ()) -> dict[date, PutSlice] | SpreadRefusal:
    """The standard puts by expiration; of two roots that expire on one day the one with more strikes. ADJUSTED, DATA."""
    if not (math.isfinite(chain.spot) and chain.spot > 0):
        return SpreadRefusal(
            RefusalCode.DATA, chain.underlying, f"the stock's price is told as {chain.spot}: ask again in a minute"
        )
    listed: dict[tuple[date, str], list[tuple[Decimal, OptionQuote]]] = defaultdict(list)
    adjusted: set[str] = set()
    good: set[str] = set()
    for symbol, quote in chain.quotes.items():
        said = contract_of(symbol) if symbol[_TYPE_LETTER] == "P" else None
        if said is None:
            continue
        if said.root not in good:
            if is_adjusted(said.root, chain.underlying, roots):
                adjusted.add(said.root)
                continue
            good.add(said.root)
        listed[said.expiration, said.root].append((said.strike, quote))
    return _by_day(chain, listed) if listed else _nothing_listed(chain, adjusted)


def _by_day(chain: Chain, listed: dict[tuple[date, str], list[tuple[Decimal, OptionQuote]]]) -> dict[date, PutSlice]:
    found: dict[date, PutSlice] = {}
    for (day, _root), puts in sorted(listed.items(), key=lambda item: (len(item[1]), item[0])):
        puts.sort(key=lambda put: put[0])
        strikes, quotes = zip(*puts, strict=True)
        found[day] = PutSlice(chain.underlying, day, chain.spot, chain.at, strikes, quotes)
    return found


def _nothing_listed(chain: Chain, adjusted: set[str]) -> SpreadRefusal:
    if adjusted:
        text = f"only adjusted puts are quoted ({', '.join(sorted(adjusted))}), whose contracts are not for 100 shares"
        return SpreadRefusal(RefusalCode.ADJUSTED, chain.underlying, f"{text}: trade another underlying")
    text = "no put is quoted for the days that are looked at: widen min_days and max_days, or trade another underlying"
    return SpreadRefusal(RefusalCode.DATA, chain.underlying, text)
