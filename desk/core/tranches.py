"""Which tranches of a position leave whole and which one is cut, so that as few shares as possible are bare meanwhile.

A tranche that leaves whole keeps its stop until it is sold. One that is cut loses its exits for the moment between their end
and the new ones, all of its shares at once: the smallest that is enough is the one to cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

# A sale that ends this near to what was wanted needs no cut. It is a share of what goes or of what stays, whichever is less, so
# that a position that is to be cut never vanishes.
CLOSE_ENOUGH_FRACTION = 0.1
# Beyond this many tranches not every combination is tried.
MOST_COMBINED = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """Keys of the tranches that leave whole, and the one that gives `cut_shares` of its shares; None for no cut."""

    whole: tuple[str, ...] = ()
    cut: str | None = None
    cut_shares: int = 0


def choose(shares: Mapping[str, int], wanted: int) -> Choice:
    """How `wanted` shares come out of tranches with `shares` each; as many as there are when that is fewer."""
    if wanted <= 0:
        return Choice()
    keys = sorted(shares, key=lambda key: (shares[key], key))[-MOST_COMBINED:]
    sets = [each for count in range(len(keys) + 1) for each in combinations(keys, count)]
    sums = {each: sum(shares[key] for key in each) for each in sets}
    staying = sum(shares.values()) - wanted
    slack = int(min(wanted, staying) * CLOSE_ENOUGH_FRACTION) if staying > 0 else wanted
    fitting = [each for each in sets if abs(sums[each] - wanted) <= slack]
    if fitting:
        return Choice(min(fitting, key=lambda each: (abs(sums[each] - wanted), len(each))))
    return _with_cut(keys, sums, shares, wanted)


def _with_cut(keys: list[str], sums: Mapping[tuple[str, ...], int], shares: Mapping[str, int], wanted: int) -> Choice:
    """The smallest tranche that can give what whole ones leave to be sold."""
    for key in keys:
        rest = {each: wanted - total for each, total in sums.items() if key not in each}
        enough = [each for each, left in rest.items() if 0 < left < shares[key]]
        if enough:
            best = min(enough, key=lambda each: (rest[each], len(each)))
            return Choice(best, key, rest[best])
    return Choice(tuple(keys))
