"""Whether a model may speak: its age, its quality on recent trades, and whether today's market is one that it has seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from desk.domain.market import DailyBars, FloatArray
from desk.model.events import collect_events, uniqueness
from desk.model.training import MetaModel
from desk.model.validation import Recent, recent_quality

DRIFT_SESSIONS = 63  # whose rows are held against the training's range: a quarter of a year
LEAST_ROWS = 20  # with fewer of them, or of recent events, nothing is judged: their share or area would be noise
LEAST_EFFECTIVE_RECENT = 10.0


@dataclass(frozen=True, slots=True)
class HealthBounds:
    """A model beyond any of these is refused. Sessions, independent trades, area under the curve, Brier skill, share of rows.

    The bounds of quality find a model that misleads. One that merely has no skill answers with the base rate, which passes next
    to nothing; to refuse it would let more through, since entries then go by the RSI alone.
    """

    max_age_sessions: int = 126
    min_effective_events: float = 30.0
    min_auc: float = 0.25
    min_brier_skill: float = -1.0
    max_drift_share: float = 0.9


@dataclass(frozen=True, slots=True)
class Health:
    """What was looked at, and why the model is refused: no reasons, no refusal. `drift_share` is NaN with too few rows."""

    age_sessions: int
    effective_events: float
    recent: Recent
    drift_share: float
    reasons: tuple[str, ...]

    @property
    def is_fit(self) -> bool:
        return not self.reasons


def health(model: MetaModel, age_sessions: int, rows: FloatArray, bounds: HealthBounds, recent: Recent | None = None) -> Health:
    """Judge `model` at an age, in sessions since its training, by feature rows (m, features) of late.

    `recent` replaces the quality that the model itself brings from its training.
    """
    quality = model.metrics.recent if recent is None else recent
    drift = drift_share(model, rows)
    reasons = (*_dated(model, age_sessions, bounds), *_wrong(quality, bounds), *_drifted(drift, bounds))
    return Health(age_sessions, model.metrics.effective_events, quality, drift, reasons)


def since_training(model: MetaModel, bars: Mapping[str, DailyBars]) -> Recent | None:
    """Quality on trades that `bars` hold from the model's cut on; None while those that are over are too few to judge."""
    later = collect_events(bars, model.parameters)
    later = later.where(later.day >= model.trained_before.toordinal())
    if len(later) < LEAST_ROWS:
        return None
    told = np.array([model.confidence(row) for row in later.features], dtype=np.float64)
    found = recent_quality(told, np.full(len(later), model.base_rate), later, uniqueness(later))
    return found if found.events >= LEAST_ROWS and found.effective_events >= LEAST_EFFECTIVE_RECENT else None


def drift_share(model: MetaModel, rows: FloatArray) -> float:
    """Share of complete rows (m, features) with a value outside the training's range; NaN when they are too few to tell."""
    known = rows[np.isfinite(rows).all(axis=1)]
    if len(known) < LEAST_ROWS:
        return math.nan
    outside = (known < np.array(model.lows)) | (known > np.array(model.highs))
    return float(outside.any(axis=1).mean())


def _dated(model: MetaModel, age_sessions: int, bounds: HealthBounds) -> Iterator[str]:
    if age_sessions > bounds.max_age_sessions:
        yield f"it is {age_sessions} sessions old, at most {bounds.max_age_sessions} are allowed"
    if model.metrics.effective_events < bounds.min_effective_events:
        yield (
            f"it learned from {model.metrics.effective_events:.0f} effective events, "
            f"at least {bounds.min_effective_events:g} are needed"
        )


def _wrong(recent: Recent, bounds: HealthBounds) -> Iterator[str]:
    if recent.events < LEAST_ROWS or recent.effective_events < LEAST_EFFECTIVE_RECENT:
        return
    # A comparison with NaN is false: an area that cannot be measured, since all went one way, refuses nothing.
    if recent.auc < bounds.min_auc:
        yield f"its recent AUC {recent.auc:.2f} is below {bounds.min_auc:g}"
    if recent.brier_skill < bounds.min_brier_skill:
        yield f"its recent Brier skill {recent.brier_skill:.2f} is below {bounds.min_brier_skill:g}"


def _drifted(drift: float, bounds: HealthBounds) -> Iterator[str]:
    if drift > bounds.max_drift_share:
        most = bounds.max_drift_share * 100
        yield f"{drift * 100:.0f} % of recent rows lie outside what it was trained on, at most {most:g} % may"
