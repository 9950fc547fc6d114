"""What has to hold before a spread is opened: of the opportunity and the account, then of the spread that was found for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType

from options.candidate import BullPut
from options.expirations import NEW_YORK, days_left, new_york_day
from options.refusals import RefusalCode, SpreadRefusal
from options.sizing import MOST_CONTRACTS, max_loss_usd

# Alpaca's level for spreads, and the hour from which it opens nothing in what expires the same day:
# https://docs.alpaca.markets/docs/options-trading-overview
SPREAD_LEVEL = 3
LAST_ENTRY_OF_EXPIRY_DAY = time(15, 30)

DaysBySymbol = Mapping[str, Collection[date]]


@dataclass(frozen=True, slots=True)
class EntryLimits:
    """Thresholds of the gates; None switches one off. `max_price_gap_fraction` is of the chain's spot, times are New York's.

    `exit_days` are those of the exit rule, which would end at once what has no more of them left.
    """

    min_score: float | None = 8.0
    min_confidence: float | None = 0.6
    max_contracts: int = MOST_CONTRACTS
    max_risk_usd: Decimal = Decimal(500)
    max_positions: int = 5
    option_level: int = SPREAD_LEVEL
    min_days: int = 30
    exit_days: int | None = None
    last_entry_of_expiry_day: time = LAST_ENTRY_OF_EXPIRY_DAY
    max_price_gap_fraction: float | None = 0.03
    avoids_earnings: bool = True
    avoids_ex_dividend: bool = True


@dataclass(frozen=True, slots=True)
class Opportunity:
    """What was found worth a spread, and why. `price` is the underlying's by whoever found it, None when not told."""

    underlying: str
    score: float | None = None
    confidence: float | None = None
    price: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AccountLook:
    """The account at `now` (aware): `underlyings` of the spreads it has or is about to have, one for each spread."""

    now: datetime
    is_market_open: bool
    option_level: int
    buying_power_usd: Decimal
    underlyings: Collection[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A spread about to be opened, so many contracts for at least `credit` dollars a share, and the days its symbol has ahead."""

    spread: BullPut
    contracts: int
    credit: Decimal
    earnings: DaysBySymbol = field(default_factory=lambda: MappingProxyType({}))
    ex_dividends: DaysBySymbol = field(default_factory=lambda: MappingProxyType({}))

    @property
    def risk_usd(self) -> Decimal:
        """What it can lose, and so the option buying power that it takes."""
        return max_loss_usd(self.spread.width, self.credit, self.contracts)


Problem = tuple[RefusalCode, str]
OpportunityGate = Callable[[Opportunity, AccountLook, EntryLimits], Problem | None]
EntryGate = Callable[[Entry, Opportunity, AccountLook, EntryLimits], Problem | None]


def opportunity_refusal(opportunity: Opportunity, account: AccountLook, limits: EntryLimits) -> SpreadRefusal | None:
    """The first gate that is shut before any chain is asked for, or None."""
    for gate in _OPPORTUNITY_GATES:
        problem = gate(opportunity, account, limits)
        if problem is not None:
            return SpreadRefusal(problem[0], opportunity.underlying, problem[1])
    return None


def entry_refusal(entry: Entry, opportunity: Opportunity, account: AccountLook, limits: EntryLimits) -> SpreadRefusal | None:
    """The first of all gates that is shut to this spread, those of the opportunity again among them, or None."""
    refusal = opportunity_refusal(opportunity, account, limits)
    if refusal is not None:
        return refusal
    for gate in _ENTRY_GATES:
        problem = gate(entry, opportunity, account, limits)
        if problem is not None:
            return SpreadRefusal(problem[0], entry.spread.underlying, problem[1])
    return None


def calendar_refusal(entry: Entry, now: datetime, limits: EntryLimits) -> SpreadRefusal | None:
    """The day before the expiration that shuts the gate to a spread which is opened at `now` (aware), or None."""
    problem = _days_ahead(entry, now, limits)
    return None if problem is None else SpreadRefusal(problem[0], entry.spread.underlying, problem[1])


# ---- of the opportunity and the account ------------------------------------------------------------------------------------


def _market(_opportunity: Opportunity, account: AccountLook, _limits: EntryLimits) -> Problem | None:
    if account.is_market_open:
        return None
    return RefusalCode.MARKET_CLOSED, closed_at(account.now)


def closed_at(now: datetime) -> str:
    """Why nothing is sent at `now` (aware), outside regular hours."""
    return f"the market is closed at {now.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York: options trade in regular hours alone"


def _level(_opportunity: Opportunity, account: AccountLook, limits: EntryLimits) -> Problem | None:
    if account.option_level >= limits.option_level:
        return None
    text = (
        f"the account trades options at level {account.option_level}, spreads need {limits.option_level}: ask the broker for it"
    )
    return RefusalCode.OPTION_LEVEL, text


def _score(opportunity: Opportunity, _account: AccountLook, limits: EntryLimits) -> Problem | None:
    return _at_least(RefusalCode.SCORE, opportunity.score, limits.min_score)


def _confidence(opportunity: Opportunity, _account: AccountLook, limits: EntryLimits) -> Problem | None:
    return _at_least(RefusalCode.CONFIDENCE, opportunity.confidence, limits.min_confidence)


def _at_least(code: RefusalCode, value: float | None, least: float | None) -> Problem | None:
    # Not-a-number is at least nothing.
    if least is None or (value is not None and value >= least):
        return None
    told = "unknown" if value is None else f"{value:g}"
    return code, f"{code.value} {told}, min_{code.value} is {least:g}: wait for a better one, or lower min_{code.value}"


def _taken(opportunity: Opportunity, account: AccountLook, _limits: EntryLimits) -> Problem | None:
    if opportunity.underlying not in account.underlyings:
        return None
    return RefusalCode.SYMBOL_TAKEN, "a spread on it is open or being opened: one a symbol, close that one first"


def _positions(_opportunity: Opportunity, account: AccountLook, limits: EntryLimits) -> Problem | None:
    if len(account.underlyings) < limits.max_positions:
        return None
    text = (
        f"{len(account.underlyings)} spreads are open, max_positions is {limits.max_positions}: close one, or raise max_positions"
    )
    return RefusalCode.MAX_POSITIONS, text


_OPPORTUNITY_GATES: tuple[OpportunityGate, ...] = (_market, _level, _score, _confidence, _taken, _positions)


# ---- of the spread ---------------------------------------------------------------------------------------------------------


def _price_gap(entry: Entry, opportunity: Opportunity, _account: AccountLook, limits: EntryLimits) -> Problem | None:
    price, spot, most = opportunity.price, entry.spread.spot, limits.max_price_gap_fraction
    if price is None or most is None or abs(price - spot) <= most * spot:
        return None
    return RefusalCode.PRICE_FAR, (
        f"the opportunity says {price:g} dollars, the market {spot:g}, {100 * abs(price / spot - 1):.1f} % apart, more than "
        f"{100 * most:g} %: find the opportunity again at today's price"
    )


def _days(entry: Entry, _opportunity: Opportunity, account: AccountLook, limits: EntryLimits) -> Problem | None:
    """On the last day the hour is named, before it the window's least days."""
    day = entry.spread.expiration
    days = days_left(day, account.now)
    if days < 0:
        return RefusalCode.EXPIRED, f"the contracts expired on {day}: choose a later expiration"
    hour = account.now.astimezone(NEW_YORK).time()
    if days == 0 and hour >= limits.last_entry_of_expiry_day:
        last = f"{limits.last_entry_of_expiry_day:%H:%M}"
        return RefusalCode.EXPIRY_DAY, f"the contracts expire today, and nothing is opened in them from {last} New York on"
    if days < limits.min_days:
        text = f"{days} days to expiration on {day}, min_days is {limits.min_days}: choose a later expiration"
        return RefusalCode.TOO_FEW_DAYS, text
    if limits.exit_days is not None and days <= limits.exit_days:
        return RefusalCode.TOO_FEW_DAYS, (
            f"{days} days to expiration on {day}, and exit_days {limits.exit_days} would end it at once: choose a later "
            "expiration, or lower exit_days"
        )
    return None


def _calendar(entry: Entry, _opportunity: Opportunity, account: AccountLook, limits: EntryLimits) -> Problem | None:
    return _days_ahead(entry, account.now, limits)


def _days_ahead(entry: Entry, now: datetime, limits: EntryLimits) -> Problem | None:
    until = f"before the expiration {entry.spread.expiration}"
    day = _first_within(entry.earnings, entry.spread, now) if limits.avoids_earnings else None
    if day is not None:
        return RefusalCode.EARNINGS, f"earnings on {day}, {until}: wait until they are out"
    day = _first_within(entry.ex_dividends, entry.spread, now) if limits.avoids_ex_dividend else None
    if day is not None:
        return RefusalCode.EX_DIVIDEND, f"goes ex dividend on {day}, {until}: wait for that day, or expire before it"
    return None


def _first_within(days: DaysBySymbol, spread: BullPut, now: datetime) -> date | None:
    """The first such day of its underlying from today to its expiration, both included."""
    today = new_york_day(now)
    return min((day for day in days.get(spread.underlying, ()) if today <= day <= spread.expiration), default=None)


def _contracts(entry: Entry, _opportunity: Opportunity, _account: AccountLook, limits: EntryLimits) -> Problem | None:
    if 1 <= entry.contracts <= limits.max_contracts:
        return None
    return (
        RefusalCode.MAX_CONTRACTS,
        f"{entry.contracts} contracts are asked for: give 1 to {limits.max_contracts} (max_contracts)",
    )


def _risk(entry: Entry, _opportunity: Opportunity, _account: AccountLook, limits: EntryLimits) -> Problem | None:
    if entry.risk_usd <= limits.max_risk_usd:
        return None
    return RefusalCode.RISK_BUDGET, (
        f"{entry.contracts} contracts risk {entry.risk_usd:.2f} dollars (width {entry.spread.width} less credit {entry.credit}), "
        f"max_risk_usd is {limits.max_risk_usd:.2f}: fewer contracts, a narrower spread, or a larger max_risk_usd"
    )


def _buying_power(entry: Entry, _opportunity: Opportunity, account: AccountLook, _limits: EntryLimits) -> Problem | None:
    if entry.risk_usd <= account.buying_power_usd:
        return None
    return RefusalCode.BUYING_POWER, (
        f"{entry.risk_usd:.2f} dollars of option buying power are needed, {account.buying_power_usd:.2f} are there: "
        "fewer contracts, or free some"
    )


_ENTRY_GATES: tuple[EntryGate, ...] = (_price_gap, _days, _calendar, _contracts, _risk, _buying_power)
