"""What is quoted of the contracts of open spreads now, since when it is not, and since when nobody could be asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.ports import OptionFeed
from desk.core.spread_moves import UNQUOTED_AFTER
from desk.core.spread_prices import honest_pair
from desk.domain.options import OptionQuote
from desk.domain.spreads import Spread
from desk.runtime.desk import Desk
from desk.runtime.spread_account import UNREADABLE

log = logging.getLogger(__name__)
Told = TypeVar("Told", OptionQuote, float)
Name = TypeVar("Name", bound=Hashable)


class Asked(StrEnum):
    """What prices are asked for, each for itself: to leave a spread the quotes of its contracts are enough."""

    OPTIONS = "options"
    UNDERLYINGS = "underlyings"


class SpreadMarket:
    """Used by one thread at a time. `quotes` and `spots` are those of the last look, by symbol, in dollars a share.

    What is missing is counted within one session, since nobody looks while the market is closed; and a request that failed tells
    nothing of the market, so that time without an answer is no time without a quote.
    """

    def __init__(self, desk: Desk, feed: OptionFeed) -> None:
        self._desk = desk
        self._feed = feed
        self.quotes: Mapping[str, OptionQuote] = {}
        self.spots: Mapping[str, float] = {}
        self.is_open = False
        self._now: datetime | None = None
        self._answered_at: datetime | None = None
        self._unhonest: Mapping[str, datetime] = {}
        self._unoffered: Mapping[str, datetime] = {}
        self._failing: Mapping[Asked, datetime] = {}

    def look(self, now: datetime, hours: tuple[datetime, datetime] | None, spreads: Iterable[Spread]) -> None:
        """Ask for what is quoted at `now` (aware), in a session of these `hours`; a closed market, None, has no prices."""
        self._now, self.is_open = now, hours is not None
        self.quotes, self.spots = {}, {}  # nobody goes by those of before, whatever becomes of this request
        if hours is None:
            self._unhonest, self._unoffered, self._failing = {}, {}, {}
            return
        opened_at, there = hours[0], tuple(spreads)
        symbols = sorted({symbol for spread in there for symbol in (spread.plan.short, spread.plan.long)})
        quotes = self._asked(Asked.OPTIONS, self._feed.quotes, symbols, opened_at)
        if quotes is not None:
            self.quotes, self._answered_at = quotes, now
            self._note_missing(there, now, opened_at)
        underlyings = sorted({spread.plan.underlying for spread in there})
        self.spots = self._asked(Asked.UNDERLYINGS, self._feed.spots, underlyings, opened_at) or {}

    def _asked(
        self, what: Asked, ask: Callable[[Sequence[str]], Mapping[str, Told]], symbols: Sequence[str], opened_at: datetime
    ) -> Mapping[str, Told] | None:
        """The answer, None for none."""
        assert self._now is not None
        others = {each: since for each, since in self._failing.items() if each is not what}
        try:
            found = ask(symbols)
        except (RequestException, APIError) as error:
            log.warning("no prices of %s to look after spreads by at %s: %r", what, self._now, error)
        except UNREADABLE as error:
            # A person has to look; spreads are left by what is known until then.
            self._desk.trouble(f"what the broker says of the prices of {what} could not be read: {error!r}")
        else:
            self._failing = others
            return found
        self._failing = {**others, **_counted(self._failing, [what], self._now, opened_at)}
        return None

    def _note_missing(self, spreads: Sequence[Spread], now: datetime, opened_at: datetime) -> None:
        unhonest = [spread.key for spread in spreads if honest_pair(spread.plan, self.quotes) is None]
        self._unhonest = _counted(self._unhonest, unhonest, now, opened_at)
        unoffered = [spread.plan.short for spread in spreads if not self._is_offered(spread.plan.short)]
        self._unoffered = _counted(self._unoffered, unoffered, now, opened_at)

    def _is_offered(self, symbol: str) -> bool:
        quote = self.quotes.get(symbol)
        return quote is not None and quote.ask > 0

    # ---- what there is to say of it ----------------------------------------------------------------------------------------

    def unquoted_since(self, spread: Spread) -> datetime | None:
        """Since when the two puts of a spread are not both quoted as they could be traded at; None while they are."""
        return self._unhonest.get(spread.key)

    def unoffered_since(self, spread: Spread) -> datetime | None:
        """Since when nobody sells its sold put back, where answers said so for some minutes."""
        return _lasting(self._unoffered.get(spread.plan.short), self._answered_at)

    def is_unbid(self, spread: Spread) -> bool:
        """Whether its bought put is quoted, and nobody bids for it: a quote that is merely missing says nothing."""
        quote = self.quotes.get(spread.plan.long)
        return quote is not None and quote.bid <= 0

    def failing(self) -> dict[Asked, datetime]:
        """What could not be asked for, for some minutes now, and since when."""
        return {what: since for what, first in self._failing.items() if (since := _lasting(first, self._now)) is not None}


def _counted(before: Mapping[Name, datetime], names: Iterable[Name], now: datetime, opened_at: datetime) -> dict[Name, datetime]:
    """Since when each has been so; what was noted in an earlier session begins anew."""
    known = {name: before.get(name, now) for name in names}
    return {name: since if since >= opened_at else now for name, since in known.items()}


def _lasting(since: datetime | None, until: datetime | None) -> datetime | None:
    return since if since is not None and until is not None and until - since >= UNQUOTED_AFTER else None
