"""What the checks share: the subject, its run on the real history, and how much effort is spent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from desk.domain.errors import DeskError
from desk.research.planner import Isolation
from desk.research.simulation import Trial, simulate
from desk.research.subject import Subject


@dataclass(frozen=True, slots=True)
class Effort:
    """`cuts` dates at which the future is taken away from a whole run and `looks` from a few sessions, `worlds` without an edge,
    `relabels` of a model's labels, `shifts` of the start in sessions, `steps` by which each parameter is changed (fractions)."""

    cuts: int
    looks: int
    worlds: int
    relabels: int
    shifts: tuple[int, ...]
    steps: tuple[float, ...]


QUICK = Effort(cuts=3, looks=12, worlds=6, relabels=3, shifts=(11, 37), steps=(-0.2, 0.2))
FULL = Effort(cuts=6, looks=24, worlds=20, relabels=8, shifts=(11, 37, 63), steps=(-0.2, -0.1, 0.1, 0.2))


@dataclass(frozen=True)
class Laboratory:
    """`base` is the subject's own run on the real history; `seed` begins every chance."""

    subject: Subject
    isolation: Isolation
    base: Trial
    effort: Effort
    seed: int

    def run(self, subject: Subject) -> Trial:
        return simulate(subject, self.isolation)

    def chance(self, number: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, number))


def laboratory(subject: Subject, effort: Effort, seed: int) -> Laboratory:
    """Run the subject once. Raises DeskError when it does not come through its own backtest."""
    isolation = Isolation(subject.strategy)
    base = simulate(subject, isolation)
    if base.failed is not None:
        raise DeskError(f"{subject.name} ended its own backtest with {base.failed}: mend that first")
    return Laboratory(subject, isolation, base, effort, seed)
