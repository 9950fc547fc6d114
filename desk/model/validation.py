"""Out-of-fold predictions in time order, purged and with an embargo, and the metrics made from them.

A fold is predicted by a model of events that were over `embargo_sessions` sessions before its first one, and calibrated on
predictions of such events alone. Nothing after a fold ever trains for it, so the sessions that follow it are under embargo
whatever their number; the gap before it keeps out outcomes and long windows of features that reach up to its first day.
Source: Lopez de Prado (2018), sections 7.4.1 and 7.4.2, purging and embargo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from desk.domain.market import FloatArray
from desk.domain.model_card import CalibrationBin
from desk.model.events import Events, uniqueness
from desk.model.labels import BoolArray, IntArray
from desk.model.logistic import Logistic, fit_logistic, fit_platt

FOLDS = 5
RECENT_SESSIONS = 252
_BIN_EDGES = (0.0, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Recent:
    """Quality on the events of the last `RECENT_SESSIONS` sessions that were predicted; NaN when there were none.

    `brier_skill` is the part of the base rate's Brier score that the answers save, below zero when they add to it.
    """

    events: int = 0
    effective_events: float = 0.0
    auc: float = math.nan
    brier_skill: float = math.nan


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
    recent: Recent = Recent()


@dataclass(frozen=True, slots=True)
class Fold:
    """A run of sessions, its model and the base rate known before it. `number` counts from 1: fold 0 only trains."""

    number: int
    first_session: int
    model: Logistic
    base_rate: float


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predicted events and the raw log odds of each from a model of earlier ones, arrays (k,); `fold` is its fold's number."""

    events: Events
    logits: FloatArray
    base_rates: FloatArray
    weights: FloatArray
    fold: IntArray
    folds: tuple[Fold, ...] = ()
    embargo_sessions: int = 0

    @property
    def profitable(self) -> BoolArray:
        return self.events.profitable

    def known_before(self, fold: Fold) -> BoolArray:
        """Which of the predicted events may teach something about `fold`, (k,)."""
        return _known_before(self.events, fold.first_session, self.embargo_sessions)


def _known_before(events: Events, first_session: int, embargo_sessions: int) -> BoolArray:
    return events.horizon_session + embargo_sessions < first_session


def out_of_fold(events: Events, weights: FloatArray, seed: int, embargo_sessions: int = 0) -> OutOfFold:
    """Cut the sessions with events into `FOLDS` runs; predict each from events that were over, and past embargo, before it."""
    runs = [run for run in np.array_split(np.unique(events.session), FOLDS) if len(run)]
    folds = [_fold(events, seed, number, int(runs[number][0]), embargo_sessions) for number in range(1, len(runs))]
    parts = [_predicted(events, fold, runs[fold.number]) for fold in folds if fold is not None]
    places = np.concatenate([place for place, _ in parts]) if parts else np.empty(0, dtype=np.int64)
    logits = np.concatenate([part for _, part in parts]) if parts else np.empty(0)
    known = tuple(fold for fold in folds if fold is not None)
    counts = [len(place) for place, _ in parts]
    return OutOfFold(
        events.where(places),
        logits,
        np.repeat([fold.base_rate for fold in known], counts),
        weights[places],
        np.repeat([fold.number for fold in known], counts).astype(np.int64),
        known,
        embargo_sessions,
    )


def _fold(events: Events, seed: int, number: int, first_session: int, embargo_sessions: int) -> Fold | None:
    known = events.where(_known_before(events, first_session, embargo_sessions))
    if not known.profitable.any() or known.profitable.all():
        return None  # one class only: nothing to learn from yet
    # Overlap is counted anew: what came later must not thin out the past.
    weights = uniqueness(known)
    model = fit_logistic(known.features, known.profitable, weights, seed)
    return Fold(number, first_session, model, float(np.average(known.profitable, weights=weights)))


def _predicted(events: Events, fold: Fold, run: IntArray) -> tuple[IntArray, FloatArray]:
    """Places of the fold's events among all, and their raw log odds."""
    places = np.flatnonzero((events.session >= run[0]) & (events.session <= run[-1]))
    return places, fold.model.logits(events.features[places])


def measure(scored: OutOfFold, effective_events: float, seed: int) -> Metrics:
    """Metrics of the predictions calibrated, fold by fold, on earlier events only: what a user would have been told."""
    told = calibrated_forward(scored, seed)
    seen = np.isfinite(told)
    told, labels, weights, base = told[seen], scored.profitable[seen], scored.weights[seen], scored.base_rates[seen]
    if not len(told):
        return Metrics(0, effective_events, math.nan, math.nan, math.nan, ())
    return Metrics(
        out_of_fold_events=len(told),
        effective_events=effective_events,
        brier=brier_score(told, labels, weights),
        brier_base_rate=brier_score(base, labels, weights),
        auc=area_under_curve(told, labels, weights),
        calibration=_bins(told, labels, weights),
        recent=recent_quality(told, base, scored.events.where(seen), weights),
    )


def recent_quality(told: FloatArray, base_rates: FloatArray, events: Events, weights: FloatArray) -> Recent:
    """Quality of the answers (k,) on the events of the last `RECENT_SESSIONS` sessions among `events`."""
    last = events.session > events.session.max(initial=0) - RECENT_SESSIONS
    if not last.any():
        return Recent()
    told, labels, weights = told[last], events.profitable[last], weights[last]
    skill = brier_skill(told, base_rates[last], labels, weights)
    return Recent(len(told), float(weights.sum()), area_under_curve(told, labels, weights), skill)


def brier_score(told: FloatArray, labels: BoolArray, weights: FloatArray) -> float:
    """Weighted mean squared error of probabilities, (k,)."""
    return float(np.average((told - labels) ** 2, weights=weights))


def brier_skill(told: FloatArray, base_rates: FloatArray, labels: BoolArray, weights: FloatArray) -> float:
    """Part of the base rates' Brier score that `told` saves, below zero when it adds to it; NaN without an event."""
    if not len(told):
        return math.nan
    return 1 - brier_score(told, labels, weights) / brier_score(base_rates, labels, weights)


def calibrations(scored: OutOfFold, seed: int) -> dict[int, tuple[float, float]]:
    """Slope and intercept by fold number, fitted on earlier predictions; the first fold has none to be calibrated on."""
    found = {}
    for fold in scored.folds[1:]:
        past = scored.known_before(fold)
        found[fold.number] = fit_platt(scored.logits[past], scored.profitable[past], scored.weights[past], fold.base_rate, seed)
    return found


def calibrated_forward(scored: OutOfFold, seed: int) -> FloatArray:
    """Calibrated probabilities (k,), NaN for the first predicted fold."""
    told = np.full(len(scored.logits), np.nan)
    for number, (slope, offset) in calibrations(scored, seed).items():
        now = scored.fold == number
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
