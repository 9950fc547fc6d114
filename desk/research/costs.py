"""What do doubled fees and slippage leave? Thin profits are no bias, but they are not there for long."""

from __future__ import annotations

from desk.research.laboratory import Laboratory
from desk.research.verdict import Finding, Level

NAME = "doubled costs"
FACTOR = 2.0


def check(lab: Laboratory) -> Finding:
    """NOTE when a profit becomes a loss; never an accusation."""
    dear = lab.run(lab.subject.with_costs(FACTOR))
    base, paid = lab.base.total_return, dear.total_return
    figures = {"return": base, "return_at_doubled_costs": paid, "turnover_usd": lab.base.turnover_usd}
    words = f"At doubled costs it makes {paid:+.1%} instead of {base:+.1%}"
    points = {"at doubled costs": dear.returns.tolist()}
    if base > 0 >= paid:
        return Finding(NAME, Level.NOTE, f"{words}: its profit is smaller than an error in the costs.", figures, points)
    return Finding(NAME, Level.OK, f"{words}.", figures, points)
