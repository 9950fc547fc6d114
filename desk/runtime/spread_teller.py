"""What a person is told of option spreads while a desk looks after them: each thing once, until it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from desk.core.spread_book import SpreadBook
from desk.domain.spreads import Spread, SpreadPhase
from desk.report.wording import count, dollars
from desk.runtime.spread_account import HANGS_AFTER_ASKS
from desk.runtime.spread_market import Asked, SpreadMarket
from options.expirations import NEW_YORK
from options.naming import spread_name

REFUSALS_TO_TELL = 4
LOOK_THERE = "Look at the account there"
# What cannot happen without each of the prices.
WAITING: Mapping[Asked, str] = {
    Asked.OPTIONS: "exits wait until they can",
    Asked.UNDERLYINGS: "exits wait that go by the sold strike, and no spread is rolled",
}


class SpreadTeller:
    """Used by one thread at a time; `show` is given each line."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._said: dict[str, str] = {}
        self._failing: frozenset[Asked] = frozenset()

    def tell(self, book: SpreadBook, market: SpreadMarket) -> None:
        """Say where each spread goes, and which prices the desk does without."""
        known = {key: spread for key in {*self._said, *book.open} if (spread := book.spread(key)) is not None}
        said = {key: saying(spread, market) for key, spread in known.items()}
        for key, spread in known.items():
            if self._said.get(key) != said[key]:
                plan = spread.plan
                self._show(f"{spread_name(plan.underlying, plan.short, plan.long)}: {said[key]}")
        self._said = {key: said[key] for key, spread in known.items() if not spread.is_closed}
        self._tell_failing(market)

    def _tell_failing(self, market: SpreadMarket) -> None:
        failing = market.failing()
        for what, since in failing.items():
            if what not in self._failing:
                self._show(f"Prices of {what} could not be had since {_clock(since)}: {WAITING[what]}. {LOOK_THERE}")
        for what in sorted(self._failing - failing.keys()):
            if market.is_open:
                self._show(f"Prices of {what} are there again")
        self._failing = frozenset(failing)


def saying(spread: Spread, market: SpreadMarket) -> str:
    """Where it goes and why, and what a person has to see to, in words that stay the same until that changes."""
    hung = [order.spec.key for order in spread.working if order.asks >= HANGS_AFTER_ASKS]
    if hung:
        return f"{spread.phase}, and the broker has not ended {hung[0]}, whatever it is asked. {LOOK_THERE}"
    is_left = spread.phase in (SpreadPhase.CLOSING, SpreadPhase.REPAIRING)
    since = market.unoffered_since(spread) if is_left and spread.short > 0 else None
    if since is not None:
        short = spread.plan.short
        return f"{spread.phase}, and nobody has offered {short} since {_clock(since)}: it cannot be bought back. {LOOK_THERE}"
    if spread.refusals < REFUSALS_TO_TELL:
        return _state(spread)
    return f"{spread.phase}, and the broker refuses its orders again and again: {spread.refused}. {LOOK_THERE}"


def _state(spread: Spread) -> str:
    """Where it stands in the order of its life: what was wanted, what is there, what became of it."""
    plan = spread.plan
    if spread.phase is SpreadPhase.ENTERING:
        wanted = f"{count(plan.contracts, 'contract')} for a credit of {plan.credit:.2f}, {plan.floor:.2f} at the least"
        return f"{spread.phase}, {wanted}: {spread.why}"
    if spread.phase is SpreadPhase.OPEN and spread.credit is not None:
        return f"{spread.phase}, {count(spread.short, 'contract')} sold for a credit of {spread.credit:.2f} on average"
    if spread.is_closed and spread.sold:
        brought, credit = dollars(float(spread.cash_usd), signed=True), dollars(float(spread.credit_usd))
        return f"{spread.phase}, {spread.why.partition(':')[0]}: {brought} of a credit of {credit}, before fees"
    return f"{spread.phase}, {spread.why}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%H:%M} New York"
