"""Out-of-fold predictions in time order, purged, and the metrics made from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from desk.domain.market import FloatArray
from desk.model.events import Events, uniqueness
from desk.model.labels import BoolArray, IntArray
from desk.model.logistic import fit_logistic, fit_platt

FOLDS = 5
_BIN_EDGES = (0.0, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Predictions in [low, high): how many, their mean, and the share that did end in profit (both weighted)."""

    low: float
    high: float
    events: int
    predicted: float
    profitable: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Quality on events that neither the model nor its calibration had seen; NaN when there were too few.

    Brier scores are mean squared errors of the probability (lower is better); `brier_base_rate` is that of always answering
    the base rate known at the time. `effective_events` is the sum of the uniqueness weights of all training events.
    """

    out_of_fold_events: int
    effective_events: float
    brier: float
    brier_base_rate: float
    auc: float
    calibration: tuple[CalibrationBin, ...]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Raw log odds of each event from a model of earlier events, arrays (k,). `fold` counts from 1: fold 0 only trains."""

    logits: FloatArray
    base_rates: FloatArray
    profitable: BoolArray
    weights: FloatArray
    fold: IntArray


def out_of_fold(events: Events, weights: FloatArray, seed: int) -> OutOfFold:
    """Cut the event days into `FOLDS` runs; predict each run from events whose horizon ended before its first day."""
    runs = [run for run in np.array_split(np.unique(events.day), FOLDS) if len(run)]
    parts = [_predicted(events, weights, seed, number, runs[number]) for number in range(1, len(runs))]
    parts = [part for part in parts if part is not None] or [_nothing()]
    return OutOfFold(*(np.concatenate([getattr(part, name) for part in parts]) for name in OutOfFold.__slots__))


def _predicted(events: Events, weights: FloatArray, seed: int, number: int, run: IntArray) -> OutOfFold | None:
    past = events.horizon_day < run[0]
    if not events.profitable[past].any() or events.profitable[past].all():
        return None  # one class only: nothing to learn from yet
    now = (events.day >= run[0]) & (events.day <= run[-1])
    # Overlap is counted anew: what came later must not thin out the past.
    known = events.where(past)
    past_weights = uniqueness(known)
    model = fit_logistic(known.features, known.profitable, past_weights, seed)
    base_rate = float(np.average(known.profitable, weights=past_weights))
    count = int(now.sum())
    return OutOfFold(
        model.logits(events.features[now]),
        np.full(count, base_rate),
        events.profitable[now],
        weights[now],
        np.full(count, number, dtype=np.int64),
    )


def _nothing() -> OutOfFold:
    none = np.empty(0)
    return OutOfFold(none, none, none.astype(bool), none, none.astype(np.int64))


def measure(scored: OutOfFold, effective_events: float, seed: int) -> Metrics:
    """Metrics of the predictions calibrated, fold by fold, on earlier folds only: what a user would have been told."""
    told = _calibrated_forward(scored, seed)
    seen = np.isfinite(told)
    told, labels, weights, base = told[seen], scored.profitable[seen], scored.weights[seen], scored.base_rates[seen]
    if not len(told):
        return Metrics(0, effective_events, math.nan, math.nan, math.nan, ())
    return Metrics(
        out_of_fold_events=len(told),
        effective_events=effective_events,
        brier=float(np.average((told - labels) ** 2, weights=weights)),
        brier_base_rate=float(np.average((base - labels) ** 2, weights=weights)),
        auc=area_under_curve(told, labels, weights),
        calibration=_bins(told, labels, weights),
    )


def _calibrated_forward(scored: OutOfFold, seed: int) -> FloatArray:
    """Calibrated probabilities (k,), NaN for the first predicted fold, which has no earlier one to be calibrated on."""
    told = np.full(len(scored.logits), np.nan)
    for number in np.unique(scored.fold)[1:]:
        past, now = scored.fold < number, scored.fold == number
        base_rate = float(scored.base_rates[now][0])
        slope, offset = fit_platt(scored.logits[past], scored.profitable[past], scored.weights[past], base_rate, seed)
        told[now] = 1 / (1 + np.exp(-(slope * scored.logits[now] + offset)))
    return told


def area_under_curve(scores: FloatArray, labels: BoolArray, weights: FloatArray) -> float:
    """Weighted chance that a profitable event scores above an unprofitable one, ties half; NaN when one kind is missing."""
    up, down = np.flatnonzero(labels), np.flatnonzero(~labels)
    if not len(up) or not len(down):
        return math.nan
    order = down[np.argsort(scores[down], kind="stable")]
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    left = np.searchsorted(scores[order], scores[up], side="left")
    right = np.searchsorted(scores[order], scores[up], side="right")
    wins = (below[left] + below[right]) / 2 / below[-1]
    return float(np.average(wins, weights=weights[up]))


def _bins(told: FloatArray, labels: BoolArray, weights: FloatArray) -> tuple[CalibrationBin, ...]:
    place = np.digitize(told, _BIN_EDGES[1:-1])
    filled = [(number, place == number) for number in range(len(_BIN_EDGES) - 1) if (place == number).any()]
    return tuple(
        CalibrationBin(
            _BIN_EDGES[number],
            _BIN_EDGES[number + 1],
            int(inside.sum()),
            float(np.average(told[inside], weights=weights[inside])),
            float(np.average(labels[inside], weights=weights[inside])),
        )
        for number, inside in filled
    )
