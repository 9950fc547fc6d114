"""The decision's lines of the table: how long one takes, from small books to large ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from benchmarks.decision import PARTS, Decision, measure_decision
from benchmarks.isolated import isolated
from benchmarks.row import Row

P99_AIM_MS = 50.0


@dataclass(frozen=True)
class DecisionSize:
    """How many positions are looked after, in turn, and how often that is measured."""

    positions: tuple[int, ...]
    iterations: int


FULL = DecisionSize(positions=(10, 100, 500), iterations=210)
# Fewer positions would each be above the cap.
QUICK = DecisionSize(positions=(10, 20), iterations=7)


def measure(size: DecisionSize, tell: Callable[[str], None]) -> list[Decision]:
    found = []
    for positions in size.positions:
        found.append(isolated(measure_decision, positions, size.iterations))
        tell(f"decision: {median(found[-1].milliseconds):.1f} ms with {positions} positions")
    return found


def rows(found: Sequence[Decision]) -> list[Row]:
    return [_row(each, found[0]) for each in found]


def _row(found: Decision, base: Decision) -> Row:
    middle, worst = median(found.milliseconds), float(np.percentile(found.milliseconds, 99))
    parts = ", ".join(f"{name} {median(found.parts[name]):.1f}" for name in PARTS)
    return Row(
        f"one decision, {found.positions} positions",
        f"{middle:.1f} ms, p99 {worst:.1f} ms ({len(found.milliseconds)} of them, {found.steps} steps)",
        f"medians of {parts}; the guardian's look {median(found.guard):.1f} ms",
        middle / median(base.milliseconds),
        f"p99 under {P99_AIM_MS:g} ms",
        worst < P99_AIM_MS,
    )
