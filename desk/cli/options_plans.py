"""Plans for option spreads as the commands tell them: a title, labelled lines, and the same for programs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from desk.core.spread_entry import Planned
from desk.domain.spreads import Spread
from desk.report.spread_words import close_lines, plan_lines, plan_title, roll_lines
from desk.runtime.spread_orders import ClosePlan
from options.naming import spread_name
from options.roll import RollTarget


@dataclass(frozen=True)
class Plan:
    """A plan as it is told: a title, labelled lines, and the same for programs."""

    title: str
    lines: tuple[tuple[str, str], ...]
    object: dict[str, Any]


def open_plan(found: Planned, budget_usd: Decimal) -> Plan:
    """`budget_usd` is the most that it may lose."""
    plan, spread = found.plan, found.spread
    said = {
        "underlying": plan.underlying,
        "short": plan.short,
        "long": plan.long,
        "expiration": spread.expiration.isoformat(),
        "days": spread.days,
        "price": spread.spot,
        "score": plan.score,
        "confidence": plan.confidence,
        "contracts": plan.contracts,
        "credit": float(plan.credit),
        "credit_natural": float(spread.natural_credit),
        "floor": float(plan.floor),
        "max_risk_usd": float(spread.max_loss_usd * plan.contracts),
        "max_gain_usd": float(spread.max_gain_usd * plan.contracts),
        "break_even": float(spread.break_even),
    }
    return Plan(plan_title(found), tuple(plan_lines(found, budget_usd)), said)


def close_plan(found: ClosePlan) -> Plan:
    plan, spread = found.spread.plan, found.spread
    lines = close_lines(spread, found.debit_mid, found.debit_natural, found.pnl_usd)
    said = {
        "key": plan.key,
        "short": plan.short,
        "long": plan.long,
        "contracts": min(spread.short, spread.long),
        "debit_mid": float(found.debit_mid),
        "debit_natural": float(found.debit_natural),
        "pnl_usd": None if found.pnl_usd is None else float(found.pnl_usd),
    }
    return Plan(f"Close {_name(spread)}", tuple(lines), said)


def roll_plan(spread: Spread, into: RollTarget) -> Plan:
    said = {
        "key": spread.key,
        "from": [spread.plan.short, spread.plan.long],
        "into": [into.spread.short, into.spread.long],
        "contracts": min(spread.short, spread.long),
        "net_credit": float(into.net_credit),
        "net_credit_natural": float(into.natural_net_credit),
    }
    return Plan(f"Roll {_name(spread)}", tuple(roll_lines(spread, into)), said)


def _name(spread: Spread) -> str:
    return spread_name(spread.plan.underlying, spread.plan.short, spread.plan.long)
