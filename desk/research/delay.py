"""What is left when every decision comes a session late?

Honest edges on daily bars fade slowly. One that is there today, enormous, and gone tomorrow was read from today's bar.
"""

from __future__ import annotations

from dataclasses import replace

from desk.report.wording import percent
from desk.research.laboratory import Laboratory
from desk.research.simulation import t_of
from desk.research.verdict import Finding, Level

NAME = "delay"
SUSPECT_T = 3.0
# A year's Sharpe ratio that nobody has had honestly with daily decisions on a few liquid stocks.
INCREDIBLE_SHARPE = 4.0
SESSIONS_A_YEAR = 252
KEPT_FRACTION = 0.25


def check(lab: Laboratory) -> Finding:
    """SUSPECT when a significant profit is gone with a delay of one session, BIASED when it was beyond belief too.

    NOTE for a profit that is gone but was not significant: it may have been luck either way.
    """
    if not lab.base.entries:
        return Finding(NAME, Level.NOT_APPLICABLE, "It never traded: there is nothing to delay.")
    late = lab.run(replace(lab.subject, lag_sessions=1))
    if late.failed is not None:
        return Finding(NAME, Level.NOTE, f"It does not run a session late: {late.failed}.")
    lost = t_of(lab.base.returns - late.returns)
    sharpe = lab.base.sharpe * SESSIONS_A_YEAR**0.5
    figures = {"return": lab.base.total_return, "late_return": late.total_return, "t_of_loss": lost, "sharpe": sharpe}
    made, kept = percent(lab.base.total_return, signed=True), percent(late.total_return, signed=True)
    words = f"A session late it makes {kept} instead of {made} (t of the difference {lost:.1f})"
    points = {"on time": lab.base.returns.tolist(), "a session late": late.returns.tolist()}
    collapsed = late.total_return <= KEPT_FRACTION * lab.base.total_return
    if lab.base.t_value < SUSPECT_T or lost < SUSPECT_T or not collapsed:
        if lab.base.total_return > 0 and collapsed:
            told = "the profit hangs on these very openings, or was luck; the difference is too small to tell"
            return Finding(NAME, Level.NOTE, f"{words}: {told}.", figures, points)
        return Finding(NAME, Level.OK, f"{words}.", figures, points)
    if sharpe >= INCREDIBLE_SHARPE:
        told = f"a Sharpe ratio of {sharpe:.1f} a year that lives for one session was read from that session"
        return Finding(NAME, Level.BIASED, f"{words}: {told}.", figures, points)
    return Finding(NAME, Level.SUSPECT, f"{words}: an edge that lives for one session only.", figures, points)
