"""How good out-of-fold answers were: rank correlation with returns, slices by year and by answer, importance, null tests.

Each event counts by its uniqueness, since events that overlap are no independent trades. Returns are after costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from desk.domain.market import FloatArray
from desk.domain.model_card import Importance, NullTest, Slice
from desk.model.events import Events
from desk.model.labels import BoolArray, IntArray
from desk.model.logistic import Logistic, standardised
from desk.model.validation import Fold, OutOfFold, area_under_curve, brier_skill, calibrated_forward, calibrations

_Figure = Callable[[FloatArray], float]
QUANTILES = 5
SHUFFLES = 20
MOST_SHIFTS = 999
LEAST_EFFECTIVE = 10.0  # below it a rank correlation or an area under the curve is noise and is not given


@dataclass(frozen=True, slots=True)
class Told:
    """Events with the answer that a user would have got before each, by day; arrays (k,)."""

    answers: FloatArray
    base_rates: FloatArray
    weights: FloatArray
    events: Events

    @classmethod
    def of(cls, scored: OutOfFold, seed: int) -> Told:
        """The out-of-fold events that have a calibrated answer."""
        answers = calibrated_forward(scored, seed)
        seen = np.isfinite(answers)
        return cls(answers[seen], scored.base_rates[seen], scored.weights[seen], scored.events.where(seen))

    def where(self, chosen: BoolArray) -> Told:
        return Told(self.answers[chosen], self.base_rates[chosen], self.weights[chosen], self.events.where(chosen))

    @property
    def years(self) -> FloatArray:
        """Calendar year of each event's signal day, (k,)."""
        return np.array([date.fromordinal(day).year for day in self.events.day.tolist()], dtype=np.float64)

    def __len__(self) -> int:
        return len(self.answers)


def rank_correlation(one: FloatArray, other: FloatArray, weights: FloatArray) -> float:
    """Weighted correlation of ranks, ties at their mean; NaN when either stands still. Spearman's when all weights are equal."""
    if len(one) < 2:
        return math.nan
    ranks = [_ranks(values) for values in (one, other)]
    left, right = (each - np.average(each, weights=weights) for each in ranks)
    spread = float(np.average(left**2, weights=weights) * np.average(right**2, weights=weights))
    return float(np.average(left * right, weights=weights)) / math.sqrt(spread) if spread > 0 else math.nan


def _ranks(values: FloatArray) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def summed(name: str, told: Told) -> Slice:
    """The figures of these events together."""
    if not len(told):
        return Slice(name, 0, 0.0, *(math.nan,) * 8)
    weights, labels, returns = told.weights, told.events.profitable, told.events.net_return
    mean = float(np.average(returns, weights=weights))
    many = weights.sum() >= LEAST_EFFECTIVE
    return Slice(
        name=name,
        events=len(told),
        effective_events=float(weights.sum()),
        confidence=float(np.average(told.answers, weights=weights)),
        profitable=float(np.average(labels, weights=weights)),
        net_return=mean,
        net_return_error=math.sqrt(float(np.average((returns - mean) ** 2, weights=weights)) / float(weights.sum())),
        drawdown=_drawdown(returns * weights),
        auc=area_under_curve(told.answers, labels, weights) if many else math.nan,
        information_coefficient=rank_correlation(told.answers, returns, weights) if many else math.nan,
        brier_skill=brier_skill(told.answers, told.base_rates, labels, weights),
    )


def _drawdown(gains: FloatArray) -> float:
    """Deepest fall of the running sum, from its start or a later high."""
    curve = np.concatenate([[0.0], np.cumsum(gains)])
    return float((np.maximum.accumulate(curve) - curve).max())


def by_year(told: Told) -> tuple[Slice, ...]:
    years = told.years
    return tuple(summed(f"{year:.0f}", told.where(years == year)) for year in np.unique(years))


def by_era(told: Told, first_recent_year: int) -> tuple[Slice, ...]:
    """The years before `first_recent_year` and those from it on, each where there are events."""
    return tuple(summed(_span(part), part) for part in eras(told, first_recent_year))


def eras(told: Told, first_recent_year: int) -> tuple[Told, ...]:
    """The events before `first_recent_year` and those from it on, each where there are any."""
    is_recent = told.years >= first_recent_year
    return tuple(part for part in (told.where(~is_recent), told.where(is_recent)) if len(part))


def _span(told: Told) -> str:
    return f"{told.years.min():.0f} to {told.years.max():.0f}"


def by_answer(told: Told) -> tuple[Slice, ...]:
    """Fifths of the answers from the lowest to the highest; equal answers stay together, so there may be fewer parts."""
    if not len(told):
        return ()
    edges = np.unique(np.quantile(told.answers, np.linspace(0, 1, QUANTILES + 1)))
    place = np.clip(np.searchsorted(edges, told.answers, side="right") - 1, 0, max(len(edges) - 2, 0))
    parts = [told.where(place == number) for number in np.unique(place)]
    return tuple(summed(f"{part.answers.min():.3f} to {part.answers.max():.3f}", part) for part in parts)


def trend(years: Sequence[Slice]) -> tuple[float, float]:
    """Change of the yearly information coefficient a year and its standard error, by least squares weighted by effective events.

    NaN with fewer than three years that have one.
    """
    known = [(float(one.name), one.information_coefficient, one.effective_events) for one in years]
    table = np.array([row for row in known if math.isfinite(row[1])])
    if len(table) < 3:
        return math.nan, math.nan
    year, value, weight = table.T
    apart = year - np.average(year, weights=weight)
    spread = float((weight * apart**2).sum())
    slope = float((weight * apart * value).sum()) / spread
    rest = value - np.average(value, weights=weight) - slope * apart
    return slope, math.sqrt(float((weight * rest**2).sum()) / (len(table) - 2) / spread)


def null_tests(told: Told) -> tuple[NullTest, ...]:
    """Rank correlation, and return of the highest less the lowest fifth, against the same with the returns shifted in time.

    Turning the row of returns by many steps breaks its tie with the answers and keeps what neighbours share, which single
    shuffled trades would not.
    """
    if told.weights.sum() < LEAST_EFFECTIVE:
        return ()
    span = _span(told)
    returns, low, high = told.events.net_return, *(np.quantile(told.answers, part) for part in (1 / QUANTILES, 1 - 1 / QUANTILES))
    ends = ((told.answers >= high).astype(float), (told.answers <= low).astype(float))

    def spread(shifted: FloatArray) -> float:
        top, bottom = (float(np.average(shifted, weights=told.weights * end)) for end in ends)
        return top - bottom

    def correlation(shifted: FloatArray) -> float:
        return rank_correlation(told.answers, shifted, told.weights)

    steps = np.unique(np.linspace(1, len(told) - 1, min(MOST_SHIFTS, len(told) - 1)).astype(np.int64))
    figures = (("information coefficient", correlation), ("highest less lowest fifth", spread))
    return tuple(_tested(f"{name}, {span}", figure, returns, steps) for name, figure in figures)


def _tested(name: str, figure: _Figure, returns: FloatArray, steps: IntArray) -> NullTest:
    value = figure(returns)
    others = np.array([figure(np.roll(returns, int(step))) for step in steps])
    # The series as it is counts as one of the shifts, so that no chance is ever nought.
    chance = (1 + int((others >= value).sum())) / (1 + len(others)) if math.isfinite(value) else math.nan
    return NullTest(name, value, chance)


def importances(scored: OutOfFold, coefficients: Sequence[float], names: Sequence[str], seed: int) -> tuple[Importance, ...]:
    """Each feature with the growth of the out-of-fold log loss when it is shuffled within each fold, most harmful first.

    `coefficients` are the final model's. Source of the method: L. Breiman, Random Forests (2001), section 10.
    """
    generator = np.random.default_rng(seed)
    told = calibrations(scored, seed)
    folds = [fold for fold in scored.folds if fold.number in told]
    growth = np.zeros((len(names), SHUFFLES))
    weight = sum(float(scored.weights[scored.fold == fold.number].sum()) for fold in folds)
    for fold in folds:
        growth += _growth(scored, fold, told[fold.number], generator) / weight
    rows = [
        Importance(name, float(coefficient), float(each.mean()), float(each.std()))
        for name, coefficient, each in zip(names, coefficients, growth, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.log_loss_increase, row.feature)))


def _growth(scored: OutOfFold, fold: Fold, line: tuple[float, float], generator: np.random.Generator) -> FloatArray:
    """Growth of the fold's summed log loss, (features, SHUFFLES)."""
    now = scored.fold == fold.number
    rows, labels, weights = standardised(fold.model, scored.events.features[now]), scored.profitable[now], scored.weights[now]
    logits = scored.logits[now]
    least = _log_loss(logits, labels, weights, line)
    found = np.empty((rows.shape[1], SHUFFLES))
    for feature in range(rows.shape[1]):
        for number in range(SHUFFLES):
            moved = generator.permutation(rows[:, feature]) - rows[:, feature]
            found[feature, number] = _log_loss(_moved(fold.model, logits, feature, moved), labels, weights, line) - least
    return found


def _moved(model: Logistic, logits: FloatArray, feature: int, moved: FloatArray) -> FloatArray:
    return logits + model.coefficients[feature] * moved


def _log_loss(logits: FloatArray, labels: BoolArray, weights: FloatArray, line: tuple[float, float]) -> float:
    """Sum of -log of the chance given to what happened; in log odds, so that nothing overflows."""
    odds = line[0] * logits + line[1]
    return float((weights * np.logaddexp(0.0, np.where(labels, -odds, odds))).sum())
