"""How likely is the Sharpe ratio to be above what the best of so many worthless trials would show?

D. H. Bailey, M. Lopez de Prado: The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and Non-Normality,
Journal of Portfolio Management 40 (5), 2014.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from desk.domain.market import FloatArray
from desk.research.laboratory import Laboratory
from desk.research.neighbourhood import Neighbour
from desk.research.verdict import Finding, Level

NAME = "deflated Sharpe ratio"
CONFIDENT = 0.95


def expected_highest(trials: int, variance_of_sharpes: float) -> float:
    """Sharpe ratio that the best of `trials` independent worthless ones is expected to show; 0 for a single one.

    Sharpe ratios are those of one observation (a session), not annualised. Raises ValueError below one trial.
    """
    if trials < 1:
        raise ValueError(f"{trials} trials: at least the one that is judged was made")
    if trials == 1:
        return 0.0
    far, further = float(norm.ppf(1 - 1 / trials)), float(norm.ppf(1 - 1 / (trials * math.e)))
    return math.sqrt(variance_of_sharpes) * ((1 - np.euler_gamma) * far + np.euler_gamma * further)


def deflated_sharpe(
    sharpe: float, observations: int, skewness: float, kurtosis: float, trials: int, variance_of_sharpes: float
) -> float:
    """Probability in [0, 1] that the true Sharpe ratio is above zero, given so many trials. A normal's `kurtosis` is 3."""
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if observations < 2 or spread <= 0:
        return 0.0
    highest = expected_highest(trials, variance_of_sharpes)
    return float(norm.cdf((sharpe - highest) * math.sqrt(observations - 1) / math.sqrt(spread)))


def moments(returns: FloatArray) -> tuple[float, float]:
    """Skewness and kurtosis (3 for a normal) of the sample; those of a normal when it does not vary."""
    centred = returns - returns.mean()
    variance = float((centred**2).mean())
    if variance <= 0:
        return 0.0, 3.0
    return float((centred**3).mean()) / variance**1.5, float((centred**4).mean()) / variance**2


def check(lab: Laboratory, around: list[Neighbour], stated_trials: int) -> Finding:
    """NOTE when luck explains the result; never an accusation. Trials: those stated, those made here, its own."""
    sharpes = [lab.base.sharpe, *(one.trial.sharpe for one in around)]
    trials = len(sharpes) + stated_trials
    variance = float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else 1.0 / max(len(lab.base.returns), 1)
    skewness, kurtosis = moments(lab.base.returns)
    chance = deflated_sharpe(lab.base.sharpe, len(lab.base.returns), skewness, kurtosis, trials, variance)
    figures = {"deflated_sharpe": chance, "sharpe_a_session": lab.base.sharpe, "trials": float(trials), "variance": variance}
    stated = f", {stated_trials} of them stated" if stated_trials else "; trials made before are not known"
    words = f"The deflated Sharpe ratio is {chance:.2f} over {trials} trials{stated}"
    if chance >= CONFIDENT:
        return Finding(NAME, Level.OK, f"{words}.", figures)
    return Finding(NAME, Level.NOTE, f"{words}: luck explains the result, an edge is not proven.", figures)
