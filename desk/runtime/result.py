"""What a run left behind, wherever it traded."""

from __future__ import annotations

from dataclasses import dataclass

from desk.domain.decisions import Mode
from desk.domain.records import RunRecord
from desk.domain.trades import Book
from desk.runtime.record import Counts


def why_stopped(by_signal: bool, error: BaseException | None) -> str:
    """The reason that the journal's last row of a run gives."""
    if error is not None:
        return f"ended early by {type(error).__name__}: {error}"
    return "stopped by a signal" if by_signal else "done"


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished or stopped run. `error` is what ended it early, None when it ran to its end or was asked to stop."""

    record: RunRecord
    counts: Counts
    mode: Mode
    book: Book
    stopped: bool
    wall_seconds: float
    error: BaseException | None = None
