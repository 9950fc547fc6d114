"""A trained model in figures: how good its answers were on trades that it had not seen, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Predictions in [low, high): how many, their mean, and the share that did end in profit (both weighted)."""

    low: float
    high: float
    events: int
    predicted: float
    profitable: float


@dataclass(frozen=True, slots=True)
class Slice:
    """Predicted trades taken together (a year, a fifth of the answers), each weighted by its uniqueness; NaN is not measured.

    `confidence` is the mean answer, `profitable` the share that ended in profit, `net_return` the mean return after costs with
    its standard error, `drawdown` the deepest fall of the running sum of returns in stakes (1 is one position's worth), `auc`
    0.5 for a coin, `information_coefficient` the rank correlation of answer and return, `brier_skill` the part of the base
    rate's squared error that the answers save (below zero: they add to it).
    """

    name: str
    events: int
    effective_events: float
    confidence: float
    profitable: float
    net_return: float
    net_return_error: float
    drawdown: float
    auc: float
    information_coefficient: float
    brier_skill: float


@dataclass(frozen=True, slots=True)
class Importance:
    """`log_loss_increase`: mean growth of the out-of-fold log loss when the feature is shuffled within each fold, and `deviation`
    its standard deviation over the shuffles; at or below zero the feature was of no use. `coefficient` is per standard deviation.
    """

    feature: str
    coefficient: float
    log_loss_increase: float
    deviation: float


@dataclass(frozen=True, slots=True)
class NullTest:
    """A figure against the same figure with the returns shifted in time: `chance` is the share of shifts that did as well."""

    name: str
    value: float
    chance: float


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything that the page and the commands show of a model. Sessions of the window are in [trained_from, trained_before).

    Slices and calibration are of out-of-fold answers; `cost_bps` is what each return has paid, both ways together.
    `information_coefficient_trend` is its change a year, with the standard error.
    """

    identity: str
    version: str
    model_format: str
    digest: str
    data_hash: str
    symbols: tuple[str, ...]
    features: tuple[str, ...]
    parameters: Mapping[str, float]
    trained_from: date
    trained_before: date
    events: int
    base_rate: float
    cost_bps: float
    threshold: float
    whole: Slice
    passed: Slice
    eras: tuple[Slice, ...]
    years: tuple[Slice, ...]
    quantiles: tuple[Slice, ...]
    information_coefficient_trend: float
    information_coefficient_trend_error: float
    null_tests: tuple[NullTest, ...]
    calibration: tuple[CalibrationBin, ...]
    importances: tuple[Importance, ...]
    has_skill: bool
    words: tuple[str, ...]
