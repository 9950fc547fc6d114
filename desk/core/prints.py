"""Trades of the market as a guardian saw them: what more than one of them says. A single one may be odd, or old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from desk.domain.market import Print


@dataclass(frozen=True, slots=True)
class Prints:
    """Trades of one symbol, at least one, oldest first, no two of the same time."""

    seen: tuple[Print, ...]

    @property
    def last_usd(self) -> float:
        return self.seen[-1].price

    @property
    def rising_usd(self) -> float | None:
        """What a stop may rise by: the lower of the last two trades, None after a single one.

        Rather this than to wait until a high is confirmed: the stop then goes where the market surely was, and no later.
        """
        return min(self.seen[-2].price, self.seen[-1].price) if len(self.seen) > 1 else None

    def stayed_below(self, price: float, least: timedelta) -> bool:
        """Whether the market traded at `price` or below it and never above for `least` and more, by the times of the trades."""
        first = _covering(self.seen, least)
        return first is not None and all(each.price <= price for each in self.seen[first:])

    def then(self, new: Print, memory: timedelta) -> Prints:
        """With another trade, unless it is one that was seen. What is not needed to look back for `memory` is left out."""
        if new.at <= self.seen[-1].at:
            return self
        seen = (*self.seen, new)
        first = _covering(seen, memory)
        return Prints(seen if first is None else seen[min(first, len(seen) - 2) :])


def _covering(seen: tuple[Print, ...], least: timedelta) -> int | None:
    """Place of the last trade that is by `least` older than the newest, None when none is."""
    return next((place for place in reversed(range(len(seen))) if seen[-1].at - seen[place].at >= least), None)


# What a guardian knows, by symbol.
Known = Mapping[str, Prints]


def seen_since(before: Known, latest: Mapping[str, Print], since: datetime, memory: timedelta) -> dict[str, Prints]:
    """What is known after a look at `latest`, the last trade by symbol: trades from before `since` do not count, and of a symbol
    that is not among the latest nothing is known any more."""
    fresh = {symbol: new for symbol, new in latest.items() if new.at >= since}
    return {symbol: _and(before.get(symbol), new, since, memory) for symbol, new in fresh.items()}


def _and(before: Prints | None, new: Print, since: datetime, memory: timedelta) -> Prints:
    return Prints((new,)) if before is None or before.seen[0].at < since else before.then(new, memory)


def rising_prices(known: Known) -> dict[str, float]:
    """What stops may rise by, in dollars."""
    return {symbol: price for symbol, prints in known.items() if (price := prints.rising_usd) is not None}


def last_prices(known: Known) -> dict[str, float]:
    """The last trades in dollars."""
    return {symbol: prints.last_usd for symbol, prints in known.items()}
