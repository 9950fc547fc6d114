"""Standardised logistic regression and Platt's calibration, as plain arrays around scikit-learn's solver."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from desk.domain.market import FloatArray
from desk.model.labels import BoolArray

# Chosen by out-of-sample Brier score on 2000 to 2007 of the bundled history, from 0.001, 0.01, 0.1 and 1.
INVERSE_PENALTY = 0.1
# Weak enough to leave the two calibration parameters alone, strong enough to keep them finite on separable predictions.
PLATT_INVERSE_PENALTY = 10.0
# Standardised features are clipped here: a day beyond anything seen is called extreme, not extrapolated.
CLIP = 4.0


@dataclass(frozen=True, slots=True)
class Logistic:
    """logit = intercept + coefficients . clip((x - means) / scales); arrays of shape (features,)."""

    means: FloatArray
    scales: FloatArray
    coefficients: FloatArray
    intercept: float

    def logits(self, features: FloatArray) -> FloatArray:
        """Log odds of each row, (m, features) -> (m,)."""
        result: FloatArray = standardised(self, features) @ self.coefficients + self.intercept
        return result


def standardised(model: Logistic, features: FloatArray) -> FloatArray:
    """Rows as the model weighs them, (m, features) -> (m, features), in standard deviations of its training events."""
    rows: FloatArray = np.clip((features - model.means) / model.scales, -CLIP, CLIP)
    return rows


def fit_logistic(features: FloatArray, labels: BoolArray, weights: FloatArray, seed: int) -> Logistic:
    """Fit on (m, features) rows. Raises ValueError when all labels are equal."""
    means = np.average(features, axis=0, weights=weights)
    scales = np.sqrt(np.average((features - means) ** 2, axis=0, weights=weights))
    scales = np.where(scales > 0, scales, 1.0)  # a feature that never changed carries nothing: leave it at zero
    rows = np.clip((features - means) / scales, -CLIP, CLIP)
    coefficients, intercept = _solve(rows, labels, weights, INVERSE_PENALTY, seed)
    return Logistic(means, scales, coefficients, intercept)


def fit_platt(logits: FloatArray, labels: BoolArray, weights: FloatArray, base_rate: float, seed: int) -> tuple[float, float]:
    """Slope and intercept that turn raw log odds into calibrated ones.

    A slope at or below zero says that the ranking was of no use out of fold: then (0, log odds of the base rate).
    Source: J. Platt, Probabilistic Outputs for Support Vector Machines (1999).
    """
    if len(labels) and labels.any() and not labels.all():
        slope, intercept = _solve(logits[:, np.newaxis], labels, weights, PLATT_INVERSE_PENALTY, seed)
        if slope[0] > 0:
            return float(slope[0]), intercept
    return 0.0, math.log(base_rate / (1 - base_rate))


def _solve(
    features: FloatArray, labels: BoolArray, weights: FloatArray, inverse_penalty: float, seed: int
) -> tuple[FloatArray, float]:
    # Imported where it is used: it costs over a second, and most commands never train.
    from sklearn.linear_model import LogisticRegression

    # Newton's method on few columns: exact in a handful of steps, and nothing random in it whatever the seed.
    solver = LogisticRegression(C=inverse_penalty, solver="newton-cholesky", tol=1e-8, random_state=seed)
    solver.fit(features, labels, sample_weight=weights)
    return np.asarray(solver.coef_[0], dtype=np.float64), float(solver.intercept_[0])
