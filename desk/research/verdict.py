"""What the checks found, in sentences, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

# Of fewer entries nothing can be said: a handful of lucky trades looks like a great strategy.
LEAST_ENTRIES = 20


class Level(IntEnum):
    """How bad a finding is; higher outweighs lower."""

    NOT_APPLICABLE = 0
    OK = 1
    NOTE = 2  # worth knowing, no accusation: an edge that is not proven, costs that eat it
    SUSPECT = 3
    BIASED = 4


class Verdict(StrEnum):
    PASS = "PASS"
    INCONCLUSIVE = "INCONCLUSIVE"
    SUSPECT = "SUSPECT"
    BIASED = "BIASED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer. `figures` are what the sentence rests on; `points` are for a picture, by name."""

    check: str
    level: Level
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)
    points: Mapping[str, Sequence[float]] = field(default_factory=dict)


MEANING: Mapping[Verdict, str] = {
    Verdict.PASS: "No check found a bias. That is no promise of profit: it says that the backtest does not cheat in a way "
    "that these checks see.",
    Verdict.INCONCLUSIVE: "Too few trades to judge.",
    Verdict.SUSPECT: "Something here is as a bias would make it. Explain it before you trust the backtest.",
    Verdict.BIASED: "The backtest uses what could not be known. Its results mean nothing.",
}


def verdict_of(findings: Sequence[Finding], entries: int) -> Verdict:
    """The worst finding decides; without an accusation, `entries` of the run decide whether there was enough to judge."""
    worst = max((finding.level for finding in findings), default=Level.NOT_APPLICABLE)
    if worst is Level.BIASED:
        return Verdict.BIASED
    if worst is Level.SUSPECT:
        return Verdict.SUSPECT
    return Verdict.INCONCLUSIVE if entries < LEAST_ENTRIES else Verdict.PASS


def reasons(findings: Sequence[Finding]) -> list[str]:
    """Sentences of the findings that accuse, the worst first; else of those worth knowing."""
    accusing = sorted((one for one in findings if one.level >= Level.SUSPECT), key=lambda one: -one.level)
    return [one.sentence for one in accusing or [one for one in findings if one.level is Level.NOTE]]
