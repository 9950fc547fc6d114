"""Plans for option spreads as the commands tell them: a title, labelled lines, and the same for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from desk.core.spread_entry import Planned
from desk.domain.spreads import Spread
from desk.report.spread_words import close_lines, roll_lines
from desk.runtime.spread_orders import ClosePlan
from options.refusals import SpreadRefusal
from options.roll import RollTarget


@dataclass(frozen=True)
class Plan:
    """A plan as it is told: a title, labelled lines, and the same for programs."""

    title: str
    lines: tuple[tuple[str, str], ...]
    object: dict[str, Any]


def open_object(found: Planned) -> dict[str, Any]:
    plan, spread = found.plan, found.spread
    return {
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


def close_plan(found: ClosePlan | SpreadRefusal) -> Plan | SpreadRefusal:
    if isinstance(found, SpreadRefusal):
        return found
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
    return Plan(f"Close {plan.underlying} {plan.short}/{plan.long}", tuple(lines), said)


def roll_plan(found: tuple[Spread, RollTarget]) -> Plan:
    spread, into = found
    said = {
        "key": spread.key,
        "from": [spread.plan.short, spread.plan.long],
        "into": [into.spread.short, into.spread.long],
        "contracts": min(spread.short, spread.long),
        "net_credit": float(into.net_credit),
        "net_credit_natural": float(into.natural_net_credit),
    }
    return Plan(f"Roll {spread.plan.underlying} {spread.plan.short}/{spread.plan.long}", tuple(roll_lines(spread, into)), said)
