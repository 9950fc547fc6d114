"""Do strategies beside this one do about the same? A profit at one value and at none beside it was found by searching."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from desk.report.wording import count
from desk.research.laboratory import Laboratory
from desk.research.simulation import Trial
from desk.research.verdict import Finding, Level

NAME = "neighbourhood"
SUSPECT_T = 3.0
KEPT_FRACTION = 1 / 3
ALIKE = 0.999  # correlation of daily returns from which two runs are one


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One parameter changed: its name and value, and the run."""

    name: str
    value: float
    trial: Trial


def neighbours(lab: Laboratory) -> list[Neighbour]:
    """Runs with each numeric parameter changed by each step.

    Those that the strategy refuses are left out, and those that never trade: a weight above the desk's cap, say, is denied. So
    are those that move as the strategy itself does: a parameter without effect says nothing of those that have one.
    """
    made = ((name, value, lab.run(replace(lab.subject, settings=changed))) for name, value, changed in _settings(lab))
    return [Neighbour(name, value, trial) for name, value, trial in made if _differs(trial, lab.base)]


def _differs(trial: Trial, base: Trial) -> bool:
    """Whether it came through, traded, and does not move as `base` does; one of another size moves alike."""
    if trial.failed is not None or not trial.entries:
        return False
    moved = float(base.returns.std()) > 0 and float(trial.returns.std()) > 0
    return not moved or float(np.corrcoef(trial.returns, base.returns)[0, 1]) < ALIKE


def check(lab: Laboratory, around: list[Neighbour]) -> Finding:
    """SUSPECT when a significant result is a lone spike: half of its neighbours keep less than a third of its t."""
    if not around:
        return Finding(NAME, Level.NOT_APPLICABLE, "It has no numeric parameter that changes what it does.")
    base, values = lab.base.t_value, np.array([one.trial.t_value for one in around])
    middle = float(np.median(values))
    figures = {"t": base, "median_t_of_neighbours": middle, "neighbours": float(len(around))}
    points = {f"{one.name} {one.value:g}": [one.trial.sharpe] for one in around}
    beside = count(len(around), "neighbour")
    words = f"The t of its daily returns is {base:.1f}, the median over {beside} in its parameters {middle:.1f}"
    if base >= SUSPECT_T and middle < KEPT_FRACTION * base:
        return Finding(NAME, Level.SUSPECT, f"{words}: a lone spike, as searching finds one.", figures, points)
    return Finding(NAME, Level.OK, f"{words}.", figures, points)


def _settings(lab: Laboratory) -> Iterator[tuple[str, float, Any]]:
    settings = lab.subject.settings
    for item in dataclasses.fields(settings) if dataclasses.is_dataclass(settings) else ():
        value = getattr(settings, item.name)
        # What the strategy believes of costs is no choice of its author's.
        if isinstance(value, bool) or not isinstance(value, int | float) or item.name.endswith("_bps"):
            continue
        for changed in sorted({_stepped(value, step) for step in lab.effort.steps} - {value}):
            made = _replaced(settings, item.name, changed)
            if made is not None:
                yield item.name, float(changed), made


def _stepped(value: float, step: float) -> float:
    if isinstance(value, int):
        return value + int(np.sign(step)) * max(1, round(abs(value * step)))
    return value * (1 + step)


def _replaced(settings: Any, name: str, value: float) -> Any:
    try:
        return dataclasses.replace(settings, **{name: value})
    except Exception:  # parameters may check themselves in any way they like
        return None
