"""Opens option spreads: from an opportunity to a journaled plan, or to a refusal with its reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.ports import OptionFeed
from desk.core.spread_entry import Planned, SpreadPolicy, planned
from desk.data import calendars
from desk.domain.decisions import Denied, Reason
from desk.domain.options import Chain
from desk.runtime.desk import Desk
from desk.runtime.guardian import Hours
from options.expirations import new_york_day
from options.gates import AccountLook, Opportunity, opportunity_refusal
from options.refusals import RefusalCode, SpreadRefusal

# Strikes that are asked for, of the underlying's price: both puts of every usual choice lie between, and those that are held when
# it has come to the sold strike.
LOWEST_OF_SPOT, HIGHEST_OF_SPOT = 0.6, 1.05


@dataclass(frozen=True, slots=True)
class Standing:
    """What the broker lets the account do: its option level, and the dollars that spreads may take."""

    option_level: int
    buying_power_usd: Decimal


class SpreadOpener:
    """`standing` asks the broker; one request an iteration that has opportunities, and for each of them one chain."""

    def __init__(
        self, desk: Desk, feed: OptionFeed, standing: Callable[[], Standing], hours: Hours, policy: SpreadPolicy
    ) -> None:
        self.desk = desk
        self.feed = feed
        self.policy = policy
        self._standing = standing
        self._hours = hours

    def with_policy(self, policy: SpreadPolicy) -> SpreadOpener:
        """The same opener by other rules: those of one order of a person, say."""
        return SpreadOpener(self.desk, self.feed, self._standing, self._hours, policy)

    def account(self, now: datetime) -> AccountLook:
        """The account as the gates are shown it at `now` (aware). Raises what the broker raises when it does not answer."""
        standing, book = self._standing(), self.desk.spreads
        taken = tuple(spread.plan.underlying for spread in book.open.values())
        free_usd = standing.buying_power_usd - book.unsent_usd()
        return AccountLook(now, self.is_open(now), standing.option_level, free_usd, taken)

    def is_open(self, now: datetime) -> bool:
        """Whether the market is."""
        return self._hours(now) is not None

    def chain(self, underlying: str, spot: float, now: datetime) -> Chain:
        """Puts within the policy's window. Raises what the broker raises when it does not answer."""
        window, today = self.policy.choice.window, new_york_day(now)
        first, last = today + timedelta(days=window.min_days), today + timedelta(days=window.max_days)
        return self.feed.chain(underlying, first, last, spot * LOWEST_OF_SPOT, spot * HIGHEST_OF_SPOT)

    def open(self, opportunity: Opportunity, now: datetime) -> Planned | SpreadRefusal:
        """Decide about one opportunity and journal the outcome; the orders follow when the spread is looked after."""
        found = self.look(opportunity, self.account(now))
        if isinstance(found, Planned):
            self.desk.about_spreads(lambda spreads: spreads.open(found.plan))
        else:
            self.desk.record(denied(found))
        return found

    def look(self, opportunity: Opportunity, account: AccountLook) -> Planned | SpreadRefusal:
        """What `open` would decide, without doing it."""
        refusal = opportunity_refusal(opportunity, account, self.policy.limits)
        if refusal is not None:
            return refusal
        if not self.desk.about_spreads(lambda spreads: spreads.may_open()):
            text = f"the desk is {self.desk.mode.value} or without the broker's updates: it opens nothing now"
            return SpreadRefusal(RefusalCode.DESK, opportunity.underlying, text)
        try:
            # The market's own price, not the opportunity's: a gate says how far apart they may be.
            spot = self.feed.spots([opportunity.underlying]).get(opportunity.underlying)
            if spot is None:
                return SpreadRefusal(
                    RefusalCode.DATA,
                    opportunity.underlying,
                    "nobody says what it costs now: check the symbol, or try again while the market is open",
                )
            chain = self.chain(opportunity.underlying, spot, account.now)
        except (RequestException, APIError) as error:
            return SpreadRefusal(RefusalCode.DATA, opportunity.underlying, f"its options could not be asked for: {error!r}")
        key = self.desk.about_spreads(lambda spreads: spreads.key(opportunity.underlying, account.now))
        return planned(opportunity, chain, account, self.policy, key, is_session)


@dataclass(frozen=True)
class SpreadArm:
    """What an iteration does about spreads: opens those that the strategy found, and has them looked after at once."""

    opener: SpreadOpener
    look: Callable[[datetime], None]
    part: Callable[[Callable[[], datetime], Callable[[float], object]], None]

    def iterate(self, opportunities: Collection[Opportunity], now: datetime) -> Mapping[str, Planned | SpreadRefusal]:
        """Outcome by underlying."""
        # What is held already is not asked for again at every look.
        taken = {spread.plan.underlying for spread in self.opener.desk.spreads.open.values()}
        wanted = [each for each in opportunities if each.underlying not in taken]
        outcomes = {each.underlying: self.opener.open(each, now) for each in wanted}
        self.look(now)
        return outcomes


def denied(refusal: SpreadRefusal) -> Denied:
    """A refusal as the journal keeps it."""
    return Denied(refusal.symbol, Reason.SPREAD, refusal.text, {"code": refusal.code.value})


def is_session(day: date) -> bool:
    return calendars.session_on(day) is not None
