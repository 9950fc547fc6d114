"""From an opportunity to the plan of a bull put spread, or to the reason why there is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from desk.domain.options import Chain
from desk.domain.prices import Rounding
from desk.domain.spreads import Manner, SpreadPlan, SpreadRules
from options.candidate import BullPut
from options.expirations import IsSession
from options.gates import AccountLook, DaysBySymbol, Entry, EntryLimits, Opportunity, entry_refusal
from options.legs import SpreadChoice
from options.money import cents, exact
from options.naming import spread_name
from options.refusals import SpreadRefusal
from options.roll import RollChoice
from options.scan import candidate
from options.sizing import affordable, contracts_for, least_credit


@dataclass(frozen=True, slots=True)
class SpreadPolicy:
    """Everything that a person may set about spreads: which are chosen, when one is opened, how it lives and how it is rolled."""

    choice: SpreadChoice = field(default_factory=SpreadChoice)
    limits: EntryLimits = field(default_factory=EntryLimits)
    rules: SpreadRules = field(default_factory=SpreadRules)
    roll: RollChoice = field(default_factory=RollChoice)
    manner: Manner = Manner.ATOMIC
    earnings: DaysBySymbol = field(default_factory=lambda: MappingProxyType({}))
    ex_dividends: DaysBySymbol = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Planned:
    """A spread that passed every gate, and what was chosen for it."""

    plan: SpreadPlan
    spread: BullPut

    def affordable(self, budget_usd: Decimal) -> int:
        """Contracts that the budget alone would carry; more than are planned where another limit allows fewer."""
        return affordable(self.spread.width, _sized_by(self.spread, self.plan.rules), budget_usd)


def planned(
    opportunity: Opportunity,
    chain: Chain,
    account: AccountLook,
    policy: SpreadPolicy,
    key: str,
    is_session: IsSession,
) -> Planned | SpreadRefusal:
    """The plan under `key` at the account's moment: chosen from the chain, sized, and through the gates."""
    found = candidate(chain, policy.choice, account.now, is_session)
    return found if isinstance(found, SpreadRefusal) else plan_of(found, opportunity, account, policy, key)


def plan_of(
    spread: BullPut, opportunity: Opportunity, account: AccountLook, policy: SpreadPolicy, key: str
) -> Planned | SpreadRefusal:
    """The same for a spread that was chosen already."""
    credit, limits = _sized_by(spread, policy.rules), policy.limits
    contracts = contracts_for(spread.underlying, spread.width, credit, limits.max_risk_usd, limits.max_contracts)
    if isinstance(contracts, SpreadRefusal):
        return contracts
    # A fill below the credit that it was sized by must not risk more than the budget.
    floor = max(_least(spread, policy.rules), least_credit(spread.width, contracts, limits.max_risk_usd))
    entry = Entry(spread, contracts, credit, policy.earnings, policy.ex_dividends)
    refusal = entry_refusal(entry, opportunity, account, limits)
    if refusal is not None:
        return refusal
    plan = SpreadPlan(
        key=key,
        underlying=spread.underlying,
        short=spread.short,
        long=spread.long,
        contracts=contracts,
        credit=spread.credit,
        floor=floor,
        rules=policy.rules,
        reason=opportunity.reason or f"score {opportunity.score}, confidence {opportunity.confidence}",
        decided_at=account.now,
        manner=policy.manner,
        score=opportunity.score,
        confidence=opportunity.confidence,
    )
    return Planned(plan, spread)


def _sized_by(spread: BullPut, rules: SpreadRules) -> Decimal:
    """By the middle's credit more contracts would fit the budget, but only at a floor that the market may not pay."""
    return spread.reachable_credit(_least(spread, rules))


def _least(spread: BullPut, rules: SpreadRules) -> Decimal:
    """The least credit that is taken, whatever the budget, on the cent grid."""
    return cents(spread.credit * exact(rules.floor_fraction), Rounding.UP)


def rolled_plan(old: SpreadPlan, into: BullPut, net: Decimal, contracts: int, key: str, at: datetime) -> SpreadPlan:
    """The spread that takes the place of `old`; the least that the whole roll brings is `net` dollars a share."""
    return replace(
        old,
        key=key,
        short=into.short,
        long=into.long,
        contracts=contracts,
        credit=into.credit,
        floor=net,
        reason=f"rolled from {spread_name(old.underlying, old.short, old.long)}",
        decided_at=at,
        rolled_from=old.key,
    )
