"""What do doubled fees and slippage leave? Thin profits are no bias, but they are not there for long."""

from __future__ import annotations

from desk.report.wording import percent
from desk.research.laboratory import Laboratory
from desk.research.verdict import Finding, Level

NAME = "doubled costs"
FACTOR = 2.0


def check(lab: Laboratory) -> Finding:
    """NOTE when a profit becomes a loss, and when there are no costs to double; never an accusation."""
    if not lab.base.entries:
        return Finding(NAME, Level.NOT_APPLICABLE, "It never traded: it had no costs to double.")
    behaviour = lab.subject.behaviour
    if behaviour.fee_bps + behaviour.slippage_bps <= 0:
        return Finding(
            NAME, Level.NOTE, "It pays nothing for its trades: set fee_bps and slippage_bps before you believe a profit."
        )
    dear = lab.run(lab.subject.with_costs(FACTOR))
    base, paid = lab.base.total_return, dear.total_return
    figures = {"return": base, "return_at_doubled_costs": paid, "turnover_usd": lab.base.turnover_usd}
    words = f"At doubled costs it makes {percent(paid, signed=True)} instead of {percent(base, signed=True)}"
    points = {"at doubled costs": dear.returns.tolist()}
    if base > 0 >= paid:
        return Finding(NAME, Level.NOTE, f"{words}: its profit is smaller than an error in the costs.", figures, points)
    return Finding(NAME, Level.OK, f"{words}.", figures, points)
