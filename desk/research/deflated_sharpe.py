"""How likely is the Sharpe ratio to be above what the best of so many worthless trials would show?

D. H. Bailey, M. Lopez de Prado: The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and Non-Normality,
Journal of Portfolio Management 40 (5), 2014.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from desk.domain.market import FloatArray
from desk.report.wording import count
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


def variance_of_trials(sharpes: Sequence[float], stated_trials: int, observations: int) -> float:
    """Variance of the Sharpe ratios of all trials: those of `sharpes` made here, and `stated_trials` that nobody shows.

    Neighbours of one strategy differ little. A version that was tried before may have been anything, so it is taken to vary as
    worthless and independent ones do by chance, by 1 / observations, or as those made here where that is more.
    """
    chance = 1.0 / max(observations, 1)
    made = float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else chance
    return (len(sharpes) * made + stated_trials * max(made, chance)) / (len(sharpes) + stated_trials)


def check(lab: Laboratory, around: list[Neighbour], stated_trials: int) -> Finding:
    """NOTE when luck can explain the result; never an accusation. Trials: those stated, those made here, its own."""
    if not lab.base.entries:
        return Finding(NAME, Level.NOT_APPLICABLE, "It never traded: there is no Sharpe ratio to deflate.")
    sharpes = [lab.base.sharpe, *(one.trial.sharpe for one in around)]
    trials = len(sharpes) + stated_trials
    variance = variance_of_trials(sharpes, stated_trials, len(lab.base.returns))
    skewness, kurtosis = moments(lab.base.returns)
    chance = deflated_sharpe(lab.base.sharpe, len(lab.base.returns), skewness, kurtosis, trials, variance)
    figures = {"deflated_sharpe": chance, "sharpe_a_session": lab.base.sharpe, "trials": float(trials), "variance": variance}
    before = f"{stated_trials} of them stated" if stated_trials else "what was tried before is not known, see --trials"
    words = f"The deflated Sharpe ratio, the chance that it beats zero after {count(trials, 'trial')} ({before}), is {chance:.2f}"
    if chance >= CONFIDENT:
        return Finding(NAME, Level.OK, f"{words}.", figures)
    return Finding(NAME, Level.NOTE, f"{words}, below {CONFIDENT:g}: luck can explain the result, no edge is proven.", figures)
