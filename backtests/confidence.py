"""Is the meta-model worth its gate? What it said of every oversold day, before the fact, against what the trade then did.

Walk-forward over the bundled history: each answer comes from the model that the gate would have used on that day, trained on
trades that were over by then. AUC 0.5 is a coin; a Brier score above the base rate's is worse than always telling the base rate.

    python backtests/confidence.py [--start 2002-01-02] [--split 2008-01-02]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from desk.data.bundled import load_bundled
from desk.domain.market import DailyBars
from desk.model.events import collect_events
from desk.model.features import RSI
from desk.model.history import retraining_session
from desk.model.training import MetaModel, fit
from desk.model.validation import area_under_curve
from desk.settings.behaviour import Behaviour
from strategies.combined import CombinedParameters


@dataclass(frozen=True)
class Told:
    """Answers (chance of profit) and outcomes of oversold days, shapes (n,), and the base rate known on each day."""

    days: np.ndarray
    chance: np.ndarray
    profitable: np.ndarray
    base_rate: np.ndarray

    def between(self, first: date, last: date) -> Told:
        chosen = (self.days >= first.toordinal()) & (self.days < last.toordinal())
        return Told(self.days[chosen], self.chance[chosen], self.profitable[chosen], self.base_rate[chosen])


def walk_forward(bars: Mapping[str, DailyBars], start: date) -> Told:
    """Every oversold day from `start` on that the gate's model of the next session had an answer for."""
    rules = CombinedParameters()
    meta = rules.meta()
    events = collect_events(bars, meta)
    models: dict[date, MetaModel | None] = {}
    rows: list[tuple[int, float, bool, float]] = []
    for at in range(len(events)):
        day = date.fromordinal(int(events.day[at]))
        if day < start or events.features[at][RSI] > rules.oversold_rsi:
            continue
        boundary = retraining_session(bars, day + timedelta(days=1), meta.retrain_every_sessions)
        if boundary is None:
            continue
        if boundary not in models:
            models[boundary] = fit(events, bars, boundary, meta)
        model = models[boundary]
        chance = None if model is None else model.confidence(events.features[at])
        if model is not None and chance is not None:
            rows.append((int(events.day[at]), chance, bool(events.profitable[at]), model.base_rate))
    days, chances, outcomes, rates = zip(*rows, strict=True)
    return Told(np.array(days), np.array(chances), np.array(outcomes), np.array(rates))


def line(name: str, told: Told, threshold: float) -> str:
    """One row of the table."""
    count = len(told.days)
    auc = area_under_curve(told.chance, told.profitable, np.ones(count))
    brier = float(np.mean((told.chance - told.profitable) ** 2))
    base = float(np.mean((told.base_rate - told.profitable) ** 2))
    passed = told.chance >= threshold
    won = int(told.profitable[passed].sum())
    return (
        f"{name:<24}{count:>6}{told.profitable.mean():>12.3f}{auc:>8.2f}{brier:>9.4f}{base:>12.4f}{int(passed.sum()):>9}{won:>13}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--start", type=date.fromisoformat, default=date(2002, 1, 2), help="first day")
    parser.add_argument("--split", type=date.fromisoformat, default=date(2008, 1, 2), help="choices were made on days before it")
    options = parser.parse_args(arguments)
    source, behaviour = load_bundled(), Behaviour()
    told = walk_forward({symbol: source.bars(symbol) for symbol in behaviour.universe.exchange}, options.start)
    threshold, end = behaviour.confidence_threshold, date(2100, 1, 1)
    heads = f"{'profitable':>12}{'AUC':>8}{'Brier':>9}{'base Brier':>12}{f'>= {threshold:g}':>9}{'of them won':>13}"
    print(f"{'oversold days':<24}{'days':>6}{heads}")
    print(line(f"before {options.split}", told.between(options.start, options.split), threshold))
    print(line(f"from {options.split}", told.between(options.split, end), threshold))
    print(line("all", told, threshold))


if __name__ == "__main__":
    main()
