"""All checks of one strategy, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from desk.research import costs, deflated_sharpe, delay, foresight, neighbourhood, random_walk, recursion, shuffled_labels
from desk.research.laboratory import Effort, Laboratory, laboratory
from desk.research.neighbourhood import neighbours
from desk.research.simulation import Trial
from desk.research.subject import Subject
from desk.research.verdict import LEAST_ENTRIES, Finding, Verdict, verdict_of

Told = Callable[[str], None]
CHECKS: tuple[tuple[str, Callable[[Laboratory], Finding]], ...] = (
    (foresight.NAME, foresight.check),
    (recursion.NAME, recursion.check),
    (random_walk.NAME, random_walk.check),
    (shuffled_labels.NAME, shuffled_labels.check),
    (delay.NAME, delay.check),
    (costs.NAME, costs.check),
)


@dataclass(frozen=True)
class Examination:
    """`base` is the strategy's own run on the real history, `prices` what must be known of that, `notes` what must stand beside
    the verdict."""

    subject: Subject
    base: Trial
    findings: tuple[Finding, ...]
    verdict: Verdict
    notes: tuple[str, ...]
    prices: tuple[str, ...] = ()


def examine(
    subject: Subject, effort: Effort, *, seed: int = 0, stated_trials: int = 0, told: Told = lambda _name: None
) -> Examination:
    """Run every check; `told` hears the name of each before it begins.

    A confidence gate that lets too little through to be judged only reports instead, and a note says so. Raises DeskError when
    the strategy does not come through its own backtest.
    """
    told("the strategy itself")
    lab, notes = _with_enough_trades(subject, laboratory(subject, effort, seed))
    findings = []
    for name, check in CHECKS:
        told(name)
        findings.append(check(lab))
    told(neighbourhood.NAME)
    around = neighbours(lab)
    findings += [neighbourhood.check(lab, around), deflated_sharpe.check(lab, around, stated_trials)]
    lab.isolation.restore()
    verdict = verdict_of(findings, lab.base.entries)
    return Examination(lab.subject, lab.base, tuple(findings), verdict, notes)


def _with_enough_trades(subject: Subject, lab: Laboratory) -> tuple[Laboratory, tuple[str, ...]]:
    if lab.base.entries >= LEAST_ENTRIES or subject.behaviour.confidence_gate != "enforce":
        return lab, ()
    behaviour = subject.behaviour.model_copy(update={"confidence_gate": "report"})
    looser = laboratory(replace(subject, behaviour=behaviour), lab.effort, lab.seed)
    if looser.base.entries <= lab.base.entries:
        return lab, ()
    let = f"the gate let {lab.base.entries} entries through, too few to judge"
    return looser, (f"Examined with the confidence gate reporting only: enforced, {let}.",)
