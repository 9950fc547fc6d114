"""Does a model's opinion sort trades even when it was taught with shuffled labels? Then it did not learn it: it knows it.

Applies to a strategy that holds a `desk.model.gate.ConfidenceGate`, or that has a method `relabel(rng)` which trains its own
model anew with its labels permuted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from desk.data.history_feed import HistoryFeed
from desk.domain.decisions import Direction, Signal
from desk.domain.trades import Book
from desk.model.gate import ConfidenceGate
from desk.research.laboratory import Laboratory
from desk.research.planner import planner
from desk.research.simulation import moment
from desk.research.subject import Subject
from desk.research.verdict import Finding, Level
from desk.runtime.strategy import DeskStrategy

NAME = "shuffled labels"
HORIZON_SESSIONS = 5
SUSPECT_T, SUSPECT_AUC, SUSPECT_ERRORS = 4.0, 0.6, 3.0
LEAST_SCORES = 30
Scores = tuple[list[float], list[float]]


def check(lab: Laboratory) -> Finding:
    """SUSPECT when the area under the curve stays above 0.6, significantly over all shufflings and for so many days."""
    probe = planner(lab.subject, lab.isolation)
    if not relabel(probe, lab.chance(0)):
        return Finding(NAME, Level.NOT_APPLICABLE, "It has no model whose labels could be shuffled.")
    told = [_scores(lab, number) for number in range(lab.effort.relabels)]
    areas = [area for one in told if (area := _area(*one)) is not None]
    if len(areas) < 2:
        return Finding(NAME, Level.NOTE, "Its model spoke too seldom to be judged with shuffled labels.")
    mean, spread = float(np.mean(areas)), float(np.std(areas, ddof=1)) / len(areas) ** 0.5
    # The shufflings are judged by the same days: the luck of those days is in the mean of all of them.
    error = area_error(min(len(said) for said, _ in told))
    figures = {"auc": mean, "error": error, "error_of_shuffling": spread, "shufflings": float(len(areas))}
    words = f"Taught with shuffled labels its model sorts what follows with an AUC of {mean:.2f} (0.50 is chance)"
    if mean >= max(SUSPECT_AUC, 0.5 + SUSPECT_ERRORS * error, 0.5 + SUSPECT_T * spread):
        return Finding(NAME, Level.SUSPECT, f"{words}: what it knows it did not learn.", figures, {"AUC": areas})
    return Finding(NAME, Level.OK, f"{words}.", figures, {"AUC": areas})


def relabel(strategy: DeskStrategy, rng: np.random.Generator) -> bool:
    """Permute the labels that the strategy's model learns from; False when there is no such model."""
    own = getattr(strategy, "relabel", None)
    if callable(own):
        own(rng)
        return True
    gates = [value for value in vars(strategy).values() if isinstance(value, ConfidenceGate)]
    return any([_relabel_gate(gate, rng) for gate in gates])


def _relabel_gate(gate: ConfidenceGate, rng: np.random.Generator) -> bool:
    past: Any = gate._past
    if past is None:
        return False
    order = rng.permutation(len(past.events))
    labels = {name: getattr(past.events, name)[order] for name in ("profitable", "net_return") if hasattr(past.events, name)}
    past.events = replace(past.events, **labels)
    return True


def _scores(lab: Laboratory, number: int) -> Scores:
    """What the shuffled model says of each symbol and session, and what the symbol then does."""
    subject = lab.subject
    strategy = planner(subject, lab.isolation)
    relabel(strategy, lab.chance(1_000 + number))
    now = [moment(subject.sessions[0])]
    feed = HistoryFeed(subject.histories, lambda: now[0])
    said, came = [], []
    for session in subject.sessions:
        now[0] = moment(session)
        for signal in strategy.signals(feed.observe(subject.universe).within(subject.universe), Book()):
            after = _after(subject, signal.symbol, session)
            if after is not None:
                said.append(_opinion(signal))
                came.append(after)
    return said, came


def _opinion(signal: Signal) -> float:
    if signal.confidence is not None:
        return signal.confidence
    return 1.0 if signal.direction is Direction.LONG else 0.0


def _after(subject: Subject, symbol: str, session: Any) -> float | None:
    """Return from the session's opening over the horizon, None where the history ends or has no such session."""
    bars = subject.histories[symbol]
    at = bisect_left(bars.sessions, session)
    if at + HORIZON_SESSIONS > len(bars) or bars.sessions[at] != session:
        return None
    return float(bars.close[at + HORIZON_SESSIONS - 1] / bars.open[at] - 1)


def area_error(scores: int) -> float:
    """Standard error of the area under the curve of a model that knows nothing, judged by so many scores.

    Mann and Whitney (1947) for two halves, sqrt((n + 1) / (3 n^2)); what follows overlaps over the horizon, so that many scores
    count as one.
    """
    n = max(scores / HORIZON_SESSIONS, 1.0)
    return float(np.sqrt((n + 1) / 3) / n)


def _area(said: Sequence[float], came: Sequence[float]) -> float | None:
    """Chance that of two cases the better one was thought better of; half for ties. None for too few."""
    if len(said) < LEAST_SCORES:
        return None
    scores, is_good = np.array(said), np.array(came) > np.median(came)
    good, bad = np.sort(scores[is_good]), np.sort(scores[~is_good])
    if not len(good) or not len(bad):
        return None
    below, upto = np.searchsorted(bad, good, side="left"), np.searchsorted(bad, good, side="right")
    return float((below + upto).mean() / 2 / len(bad))
