"""Training of the meta-model: the chance that the trade behind a signal ends in profit after costs.

A standardised logistic regression, weighted by label uniqueness, with Platt's two-parameter calibration fitted on
predictions that each event got from a model trained only on events that were over before it. Where those predictions
show no skill the calibrated answer is the base rate, and a threshold above that lets nothing through: as it should.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np

from desk.domain.market import DailyBars, FloatArray
from desk.domain.model_card import CalibrationBin
from desk.model.events import Events, collect_events, uniqueness
from desk.model.features import FEATURES, ordinals
from desk.model.logistic import CLIP, fit_logistic, fit_platt
from desk.model.parameters import MetaParameters
from desk.model.validation import Metrics, measure, out_of_fold

__all__ = ["CalibrationBin", "MetaModel", "MetaParameters", "Metrics", "bars_before", "bars_hash", "fit", "train"]


@dataclass(frozen=True, slots=True)
class MetaModel:
    """A trained model as plain numbers, with what it was trained on. The window is [trained_from, trained_before).

    `lows` and `highs` are the smallest and largest values of each feature among its training events.
    """

    features: tuple[str, ...]
    parameters: MetaParameters
    trained_from: date
    trained_before: date
    data_hash: str
    events: int
    base_rate: float
    metrics: Metrics
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    calibration_slope: float
    calibration_intercept: float
    lows: tuple[float, ...]
    highs: tuple[float, ...]

    def confidence(self, features_row: Sequence[float] | FloatArray) -> float | None:
        """Calibrated chance in [0, 1] that the trade ends in profit after costs; None when a feature is not a number.

        Raises ValueError when the row has another length than `features`.
        """
        row = [float(value) for value in features_row]
        if len(row) != len(self.features):
            raise ValueError(f"{len(row)} features given, the model was trained on {len(self.features)}")
        if not all(math.isfinite(value) for value in row):
            return None
        logit = self.intercept
        for value, mean, scale, coefficient in zip(row, self.means, self.scales, self.coefficients, strict=True):
            logit += coefficient * min(max((value - mean) / scale, -CLIP), CLIP)
        return 1.0 / (1.0 + math.exp(-(self.calibration_slope * logit + self.calibration_intercept)))

    @property
    def digest(self) -> str:
        """Hash of everything in the model: equal data, parameters and seed give an equal digest."""
        return hashlib.sha256(json.dumps(asdict(self), default=str, sort_keys=True).encode()).hexdigest()


def train(bars: Mapping[str, DailyBars], before: date, parameters: MetaParameters) -> MetaModel | None:
    """A model from the bars of sessions strictly before `before`, None when they hold fewer than `min_events` events."""
    past = {symbol: cut for symbol in sorted(bars) if len(cut := bars_before(bars[symbol], before))}
    return fit(collect_events(past, parameters), past, before, parameters)


def fit(events: Events, bars: Mapping[str, DailyBars], before: date, parameters: MetaParameters) -> MetaModel | None:
    """A model from those of `events` whose horizon was over before `before`, None when they are fewer than `min_events`.

    `events` come from `collect_events` of `bars`, which may reach beyond `before`; nothing of that part is used.
    """
    known = events.completed_before(before)
    if len(known) < parameters.min_events or known.profitable.all() or not known.profitable.any():
        return None
    weights = uniqueness(known)
    base_rate = float(np.average(known.profitable, weights=weights))
    model = fit_logistic(known.features, known.profitable, weights, parameters.seed)
    scored = out_of_fold(known, weights, parameters.seed, parameters.embargo_sessions)
    slope, offset = fit_platt(scored.logits, scored.profitable, scored.weights, base_rate, parameters.seed)
    return MetaModel(
        features=FEATURES,
        parameters=parameters,
        trained_from=min(one.sessions[0] for one in bars.values() if len(one)),
        trained_before=before,
        data_hash=bars_hash(bars, before),
        events=len(known),
        base_rate=base_rate,
        metrics=measure(scored, float(weights.sum()), parameters.seed),
        means=tuple(model.means.tolist()),
        scales=tuple(model.scales.tolist()),
        coefficients=tuple(model.coefficients.tolist()),
        intercept=model.intercept,
        calibration_slope=slope,
        calibration_intercept=offset,
        lows=tuple(known.features.min(axis=0).tolist()),
        highs=tuple(known.features.max(axis=0).tolist()),
    )


def bars_before(bars: DailyBars, before: date) -> DailyBars:
    """The bars of sessions strictly before `before`; `bars` itself when that is all of them."""
    end = bisect_left(bars.sessions, before)
    if end == len(bars):
        return bars
    return DailyBars(bars.sessions[:end], bars.open[:end], bars.high[:end], bars.low[:end], bars.close[:end], bars.volume[:end])


def bars_hash(bars: Mapping[str, DailyBars], before: date) -> str:
    """SHA-256 over symbol, sessions and prices of every bar before `before`, whatever the order of the mapping."""
    digest = hashlib.sha256()
    for symbol in sorted(bars):
        cut = bars_before(bars[symbol], before)
        if not len(cut):
            continue
        digest.update(f"{symbol} {len(cut)} ".encode())
        for column in (ordinals(cut), cut.open, cut.high, cut.low, cut.close, cut.volume):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
