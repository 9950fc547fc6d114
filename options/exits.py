"""When a spread is left or rolled: the rules in order of rank, and which of them is nearest to acting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from desk.domain.spreads import SpreadRules
from options.expirations import new_york_day
from options.money import exact

# Quotes whose natural price is further than the credit from their middle tell no price; a quarter dollar always passes.
ALLOWED_SLIP = Decimal("0.25")
# Without the next session's day, a dividend as many calendar days ahead counts as next: a long weekend's.
DAYS_OF_A_LONG_WEEKEND = timedelta(days=4)
# About as far below the market a put is sold; from there on the table tells how near its strike is.
SOLD_AT_FRACTION = 0.05


class SpreadExit(StrEnum):
    """The rules, by rank: of several that act at once the first one is named."""

    EXPIRY_DAY = "expiry day"
    THROUGH_STRIKE = "through the strike"
    LOSS = "loss limit"
    BREACH_DELTA = "delta limit"
    EX_DIVIDEND = "ex dividend"
    PIN = "pin risk"
    DAYS = "days to expiration"
    PROFIT = "profit target"


@dataclass(frozen=True, slots=True)
class Look:
    """A spread and its market at `now` (aware). Prices in dollars a share, None where nobody quotes them.

    `credit` is what the entry brought. `debit_mid` and `debit_natural` are what closing costs between the middles and at once.
    `days` counts calendar days to expiration; `minutes_to_close` runs to the contracts' last close on that day, None before it.
    `ex_dividend` is the next such day of the underlying, `next_session` the session after today's.
    """

    now: datetime
    is_market_open: bool
    credit: Decimal
    short_strike: Decimal
    days: int
    minutes_to_close: float | None = None
    debit_mid: Decimal | None = None
    debit_natural: Decimal | None = None
    spot: float | None = None
    short_delta: float | None = None
    ex_dividend: date | None = None
    next_session: date | None = None

    @property
    def is_over(self) -> bool:
        """Whether the contracts have seen their last close: what is left of them is the settlement's."""
        return self.days < 0 or (self.minutes_to_close is not None and self.minutes_to_close <= 0)

    @property
    def debit(self) -> Decimal | None:
        """What closing costs between the middles, where the quotes are there, of an open market, and near enough each other.

        The middle and not the natural price, which a wide quote drives to where nobody trades; an exit's ladder begins there too.
        """
        if not self.is_market_open or self.debit_mid is None or self.debit_natural is None or self.credit <= 0:
            return None
        slip = self.debit_natural - self.debit_mid
        return self.debit_mid if 0 <= slip <= max(self.credit, ALLOWED_SLIP) else None

    @property
    def market(self) -> Decimal | None:
        """The underlying's price of an open market."""
        is_known = self.is_market_open and self.spot is not None and math.isfinite(self.spot) and self.spot > 0
        return exact(self.spot) if is_known and self.spot is not None else None


@dataclass(frozen=True, slots=True)
class Leave:
    rule: SpreadExit
    reason: str


@dataclass(frozen=True, slots=True)
class Roll:
    """To be moved for a credit; where that cannot be had, to be left for the same reason."""

    rule: SpreadExit
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How one rule stands: whether it acts, how near it is (1 when it acts), and that in words."""

    rule: SpreadExit
    acts: bool
    nearness: float
    text: str


# Rules that nothing hurries: no price of the underlying, no last day.
CAN_WAIT = frozenset({SpreadExit.DAYS, SpreadExit.PROFIT})


def rule_of(why: str) -> SpreadExit | None:
    """The rule that gave a reason, None for a person's or another one."""
    return next((rule for rule in SpreadExit if why.startswith(f"{rule}:")), None)


def outranks(why: str, wanted: Leave | Roll) -> bool:
    """Whether a spread that is left for `why`, by a rule that can wait, is to be left for something that comes before it."""
    rule, ranks = rule_of(why), list(SpreadExit)
    if rule is None or rule not in CAN_WAIT:
        return False
    return ranks.index(wanted.rule) < ranks.index(rule)


_ROLLED = frozenset({SpreadExit.LOSS, SpreadExit.BREACH_DELTA})


def wish(look: Look, rules: SpreadRules) -> Leave | Roll | None:
    """What the first rule that acts wants; None when none does, or when the contracts are over.

    Rules on prices say nothing without quotes of an open market; rules on time always do, and wait for the open if need be.
    """
    if look.is_over or is_left_to_expire(look, rules):
        return None
    for read in _READERS:
        reading = read(look, rules)
        if reading is not None and reading.acts:
            is_rolled = rules.is_rolled and reading.rule in _ROLLED
            return (Roll if is_rolled else Leave)(reading.rule, f"{reading.rule}: {reading.text}")
    return None


def next_rule(look: Look, rules: SpreadRules) -> tuple[SpreadExit, str] | None:
    """The rule that acts, else the one nearest to it, and how far that is; None where no rule can say anything."""
    if look.is_over:
        return None
    if is_left_to_expire(look, rules):
        return SpreadExit.EXPIRY_DAY, f"left to expire, {look.market} is far enough above {look.short_strike}"
    readings = [reading for read in _READERS if (reading := read(look, rules)) is not None]
    if not readings:
        return None
    # max keeps the first of equals, and they come by rank.
    nearest = max(readings, key=lambda reading: (reading.acts, 0.0 if reading.acts else reading.nearness))
    return nearest.rule, nearest.text


def is_left_to_expire(look: Look, rules: SpreadRules) -> bool:
    """Whether it is the last hours, and the underlying so far above the sold strike that closing would only cost."""
    minutes, fraction, market = look.minutes_to_close, rules.let_expire_above_fraction, look.market
    if minutes is None or minutes > rules.expiry_exit_minutes or fraction is None or market is None:
        return False
    return market >= look.short_strike * (1 + exact(fraction))


# ---- the rules, one reading each, None where it is off or cannot be told ---------------------------------------------------


def _expiry_day(look: Look, rules: SpreadRules) -> Reading | None:
    minutes = look.minutes_to_close
    if minutes is None:
        return None
    text = f"{minutes:.0f} minutes to the last close, left from {rules.expiry_exit_minutes} on"
    return _reading(SpreadExit.EXPIRY_DAY, minutes <= rules.expiry_exit_minutes, rules.expiry_exit_minutes / minutes, text)


def _through_strike(look: Look, rules: SpreadRules) -> Reading | None:
    market = look.market
    if not rules.exits_through_strike or market is None:
        return None
    above = float(market / look.short_strike) - 1.0
    text = f"{market:.2f}, {abs(above):.1%} {'below' if above < 0 else 'above'} the sold strike {look.short_strike}"
    return _reading(SpreadExit.THROUGH_STRIKE, market < look.short_strike, 1.0 - above / SOLD_AT_FRACTION, text)


def _loss(look: Look, rules: SpreadRules) -> Reading | None:
    debit = look.debit
    if rules.loss_multiple is None or debit is None:
        return None
    lost, limit = debit - look.credit, look.credit * exact(rules.loss_multiple)
    text = f"{max(lost, Decimal(0)):.2f} of {limit:.2f} lost, closing costs {debit:.2f}"
    return _reading(SpreadExit.LOSS, lost >= limit, float(lost / limit) if limit else 1.0, text)


def _breach_delta(look: Look, rules: SpreadRules) -> Reading | None:
    delta, limit = look.short_delta, rules.breach_delta
    if not look.is_market_open or limit is None or delta is None or not math.isfinite(delta):
        return None
    text = f"the sold put's delta is {abs(delta):.2f} of {limit:.2f}"
    return _reading(SpreadExit.BREACH_DELTA, abs(delta) >= limit, abs(delta) / limit if limit else 1.0, text)


def _ex_dividend(look: Look, _rules: SpreadRules) -> Reading | None:
    market, today = look.market, new_york_day(look.now)
    if look.ex_dividend is None or market is None:
        return None
    if not today < look.ex_dividend <= (look.next_session or today + DAYS_OF_A_LONG_WEEKEND):
        return None
    above = float(market / look.short_strike) - 1.0
    text = f"ex dividend on {look.ex_dividend}, {market:.2f} at the sold strike {look.short_strike}"
    return _reading(SpreadExit.EX_DIVIDEND, market < look.short_strike, 1.0 - above / SOLD_AT_FRACTION, text)


def _pin(look: Look, rules: SpreadRules) -> Reading | None:
    market = look.market
    if market is None or look.days > rules.pin_days:
        return None
    away = abs(market - look.short_strike)
    limit = look.short_strike * exact(rules.pin_fraction)
    text = f"{market:.2f}, {away:.2f} from the sold strike {look.short_strike}, {limit:.2f} is too near in the last days"
    return _reading(SpreadExit.PIN, away <= limit, float(limit / away) if away else 1.0, text)


def _days(look: Look, rules: SpreadRules) -> Reading | None:
    if rules.exit_days is None:
        return None
    text = f"{look.days} days to expiration, left at {rules.exit_days}"
    return _reading(SpreadExit.DAYS, look.days <= rules.exit_days, rules.exit_days / max(look.days, 1), text)


def _profit(look: Look, rules: SpreadRules) -> Reading | None:
    debit = look.debit
    if rules.profit_fraction is None or debit is None:
        return None
    earned = (look.credit - debit) / look.credit
    wanted = exact(rules.profit_fraction)
    # What closing would leave as quoted now; what it does leave is told when it has closed.
    text = f"quoted at {max(earned, Decimal(0)) * 100:.0f} % of the credit, {wanted * 100:.0f} % wanted"
    if look.debit_natural is not None and look.debit_natural >= look.credit:
        # The ladder of an exit ends at what closing costs at once: a gain is not taken where that makes it a loss.
        return _reading(SpreadExit.PROFIT, False, float(earned), f"{text}, and closing at once would cost all of it")
    return _reading(SpreadExit.PROFIT, earned >= wanted, float(earned / wanted) if wanted else 1.0, text)


def _reading(rule: SpreadExit, acts: bool, nearness: float, text: str) -> Reading:
    return Reading(rule, acts, 1.0 if acts else min(max(nearness, 0.0), 1.0), text)


Reader = Callable[[Look, SpreadRules], Reading | None]
# By rank, the order of SpreadExit.
_READERS: tuple[Reader, ...] = (_expiry_day, _through_strike, _loss, _breach_delta, _ex_dividend, _pin, _days, _profit)
