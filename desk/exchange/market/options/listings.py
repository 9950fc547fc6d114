"""Contracts that the model lists: the calendar's expirations, and strikes around closes that were.

Those closes are as if the splits up to the day had always been, so what is kept is kept by the splits too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from desk.data.source import Source
from desk.exchange.machine.orders import UNIT_USD
from desk.exchange.market.corporate import Split
from desk.exchange.market.options import listing_dates
from desk.exchange.market.options.contract import Contract, chain_of
from desk.exchange.market.options.kept import Kept
from desk.exchange.market.options.surface import History, history_of
from desk.exchange.market.prices import Splits
from options.occ import OptionType

CHAINS_KEPT = 8192
# As their letters in a symbol sort.
TYPES: tuple[OptionType, ...] = ("call", "put")
# Symbols of stocks whose options a symbol can name; BRK.B and the like have none here.
ROOT = re.compile(r"[A-Z][A-Z0-9]{0,5}", re.ASCII)
# Splits of a stock that are in force.
Terms = tuple[Split, ...]
Chain = Mapping[str, Contract]
Span = tuple[int, int]


class Listings:
    """Which options on the symbols of a source are listed on which day. `splits` are set by who knows of corporate actions."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.splits = Splits()
        self._histories: dict[tuple[str, Terms], History] = {}
        self._rewritten: Kept[tuple[str, date, Terms], frozenset[int]] = Kept(CHAINS_KEPT)
        self._chains: Kept[tuple[str, date, OptionType, Terms, Span], Chain] = Kept(CHAINS_KEPT)

    def terms(self, underlying: str, today: date) -> Terms:
        return self.splits.between(underlying, date.min, today)

    def history(self, underlying: str, today: date) -> History:
        """The past as if the splits up to `today` had always been."""
        terms = self.terms(underlying, today)
        if (underlying, terms) not in self._histories:
            self._histories[underlying, terms] = history_of(self.source.daily[underlying], terms)
        return self._histories[underlying, terms]

    def contracts(self, underlying: str, today: date, type: str | None, has_day: Callable[[date], bool]) -> list[Contract]:
        """Contracts listed on `today`, of one type or, for None, both, whose expiration `has_day`; sorted by symbol."""
        days = [day for day in listing_dates.expirations(today) if has_day(day)]
        chains = [self.chain(underlying, day, each, today) for day in days for each in TYPES if type in (None, each)]
        return [contract for chain in chains for contract in chain.values()]

    def of_expiration(self, underlying: str, expiration: date) -> list[Contract]:
        """Contracts listed on the day on which they expire."""
        return [each for type_ in TYPES for each in self.chain(underlying, expiration, type_, expiration).values()]

    def chain(self, underlying: str, expiration: date, type: OptionType, today: date) -> Chain:
        """Contracts of one expiration by symbol, strikes ascending; empty before their listing."""
        span = self._span(underlying, expiration, today)
        if span is None:
            return {}
        key = (underlying, expiration, type, self.terms(underlying, today), span)
        return self._chains.get(
            key, lambda: chain_of(underlying, expiration, type, self._strikes(underlying, expiration, today, span))
        )

    def chains_made(self) -> Iterator[Chain]:
        return iter(self._chains)

    def listed(self, underlying: str, contracts: Sequence[Contract], day: date) -> list[Contract]:
        """Those of the contracts on one underlying that are listed on `day`."""
        expirations = {each.expiration for each in contracts}
        strikes = {expiration: self.strikes(underlying, expiration, day) for expiration in expirations}
        return [each for each in contracts if each.strike_units in strikes[each.expiration]]

    def strikes(self, underlying: str, expiration: date, day: date) -> frozenset[int]:
        """Strikes in units that are listed on `day`; none where nothing of that expiration is."""
        span = self._span(underlying, expiration, day) if is_listed(expiration, day) else None
        return frozenset(() if span is None else self._strikes(underlying, expiration, day, span))

    def _strikes(self, underlying: str, expiration: date, today: date, span: Span | None) -> list[int]:
        """Strikes listed on `today` in units, ascending: those of the ladder, and what a split has made of those before it."""
        ladder = [] if span is None else listing_dates.strikes_between(*span).tolist()
        rewritten = self._rewritten_strikes(underlying, expiration, today)
        return sorted({*ladder, *rewritten}) if rewritten else ladder

    def _rewritten_strikes(self, underlying: str, expiration: date, today: date) -> frozenset[int]:
        """What the last split since the listing has made of the strikes that were listed on its eve."""
        splits = self.splits.between(underlying, listing_dates.listed_since(expiration), today)
        if not splits:
            return frozenset()

        def rewritten() -> frozenset[int]:
            eve = splits[-1].ex_date - timedelta(days=1)
            listed = self._strikes(underlying, expiration, eve, self._span(underlying, expiration, eve))
            after = [listing_dates.strike_after(units * UNIT_USD, splits[-1]) for units in listed]
            return frozenset(int(strike / UNIT_USD) for strike in after if strike is not None)

        return self._rewritten.get((underlying, expiration, splits), rewritten)

    def _span(self, underlying: str, expiration: date, today: date) -> Span | None:
        """Lowest and highest possible strike: from the close before the listing to the last one before `today`, and around.

        Between splits it only widens, so what is listed once stays. None before the listing, and without a close to list around.
        """
        since = listing_dates.listed_since(expiration)
        history = self.history(underlying, today)
        end = history.before(today)
        closes = history.closes[max(0, history.before(since) - 1) : end]
        if today < since or not len(closes):
            return None
        low = float(closes.min()) * listing_dates.LOWEST_STRIKE_OF_CLOSE
        return int(low), int(float(closes.max()) * listing_dates.HIGHEST_STRIKE_OF_CLOSE)


def is_listed(expiration: date, today: date) -> bool:
    """Whether contracts of that day are listed on `today`; on most days none expire."""
    return listing_dates.listed_since(expiration) <= today <= expiration and listing_dates.is_expiration(expiration)
