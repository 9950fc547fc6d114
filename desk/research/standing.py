"""What the examined run came to, in words: return, drawdown and Sharpe ratio, beside holding the same symbols."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from desk.report.statistics import max_drawdown_fraction
from desk.report.wording import count, percent
from desk.research.compare_figures import SESSIONS_A_YEAR, Figures, Sharpe, buy_and_hold, sharpe_of
from desk.research.examination import Examination
from desk.research.simulation import BUDGET_USD
from desk.runtime.desk_backtest import costs_of

HOW_IT_WAS_PLAYED = (
    "Played by a fast simulation of the desk's own rules on daily bars, to compare one run with another; "
    "desk compare plays the full backtest."
)


def growth(returns: Sequence[float]) -> list[float]:
    """Equity at the closes from daily returns, 1 at the start."""
    return [1.0, *np.cumprod(1 + np.asarray(returns)).tolist()]


def drawdown_fraction(done: Examination) -> float:
    """The run's deepest fall from a high, in [0, 1]."""
    return max_drawdown_fraction(growth(done.base.returns.tolist()))


def a_year(total_return_fraction: float, sessions: int) -> float:
    """The constant yearly growth that comes to the same, as a fraction; -1 for a run that lost everything."""
    return float(max(1 + total_return_fraction, 0.0) ** (SESSIONS_A_YEAR / max(sessions, 1)) - 1)


def own_sharpe(done: Examination) -> Sharpe | None:
    """The run's Sharpe ratio a year with its standard error; None when its equity never moved."""
    return sharpe_of(done.base.returns)


def held(done: Examination) -> Figures:
    """An equal part in each symbol, bought once at the run's costs and kept."""
    subject = done.subject
    cost_fraction = (subject.behaviour.fee_bps + subject.behaviour.slippage_bps) / 1e4
    bars = [subject.histories[symbol] for symbol in subject.universe]
    return buy_and_hold(bars, subject.sessions, BUDGET_USD, cost_fraction)[1]


def gain_words(total_return_fraction: float, sessions: int) -> str:
    """`+13.0 % (+1.1 % a year)`; the total alone for less than a year, of which nothing a year can be said."""
    total = percent(total_return_fraction, signed=True)
    return (
        f"{total} ({percent(a_year(total_return_fraction, sessions), signed=True)} a year)"
        if sessions >= SESSIONS_A_YEAR
        else total
    )


def sharpe_words(sharpe: Sharpe | None) -> str:
    """`0.33 ± 0.30 a year`, the error being one standard error."""
    return "not measured" if sharpe is None else f"{sharpe.ratio:.2f} ± {sharpe.standard_error:.2f} a year"


def run_words(done: Examination) -> str:
    """The run in one sentence: never a return without its drawdown and its error."""
    base, sessions = done.base, len(done.subject.sessions)
    return (
        f"{count(base.entries, 'entry', 'entries')}, {gain_words(base.total_return, sessions)} after costs, deepest drawdown "
        f"{percent(drawdown_fraction(done))}, Sharpe ratio {sharpe_words(own_sharpe(done))}."
    )


def held_words(done: Examination) -> str:
    """What holding came to, in one sentence."""
    kept = held(done)
    gain = gain_words(kept.total_return_fraction, len(done.subject.sessions))
    return (
        f"Holding an equal part of each: {gain}, deepest drawdown {percent(kept.max_drawdown_fraction)}, Sharpe ratio "
        f"{sharpe_words(kept.sharpe)}."
    )


def costs_words(done: Examination) -> str:
    costs = costs_of(done.subject.behaviour)
    return f"{costs.fee_bps:g} bps fee, {costs.slippage_bps:g} bps slippage a fill, {costs.stops_bps:g} at stops"
