"""What a person asked for, after the command line was read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from desk.settings.load import Settings


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run. `sessions` None runs to the end of the data (or for ever, at Alpaca); `speed` None is as fast as it goes.

    `notes` are lines that must stand beside the run's figures.
    """

    strategy: str
    settings: Settings
    runs: Path
    start: date | None = None
    sessions: int | None = None
    seed: int = 1
    speed: float | None = None
    data: Path | None = None
    port: int = 0
    resume: Path | None = None
    dry_run: bool = False
    once: bool = False
    gate: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def gate_enforced(self) -> bool:
        return (self.gate or self.settings.behaviour.confidence_gate) == "enforce"
