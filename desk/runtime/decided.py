"""What one iteration came to."""

from __future__ import annotations

from dataclasses import dataclass

from desk.domain.breaks import Break
from desk.domain.decisions import Approved, Denied
from desk.domain.journal import RowValue
from desk.domain.steps import Step


@dataclass(frozen=True, slots=True)
class Decided:
    """Outcome of one iteration: what was sent and what was refused; `news` are the rows journaled since the one before."""

    steps: tuple[Step, ...]
    denied: tuple[Denied, ...]
    breaks: tuple[Break, ...] = ()
    news: tuple[RowValue, ...] = ()
    left_alone: tuple[Denied, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What an iteration wants: a verdict for each intent, targets that make no sense, and what is left as it is and why."""

    verdicts: tuple[Approved | Denied, ...]
    unsound: tuple[Denied, ...]
    left_alone: tuple[Denied, ...]

    @property
    def approved(self) -> list[Approved]:
        return [verdict for verdict in self.verdicts if isinstance(verdict, Approved)]
