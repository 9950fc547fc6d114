"""When the runs that a journal tells of took place; read on the way, as a journal is read whole only once at a start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from desk.domain.journal import IterationDone, Row, RunStarted


@dataclass
class Past:
    """Instants of a journal's rows (aware), None where it has none: its first row, its last, and the last finished iteration."""

    first_at: datetime | None = None
    last_at: datetime | None = None
    resume_at: datetime | None = None

    def read(self, row: Row) -> None:
        self.first_at, self.last_at = self.first_at or row.at, row.at
        if isinstance(row.value, IterationDone):
            self.resume_at = row.at
        elif isinstance(row.value, RunStarted) and self.resume_at is None:
            # A run that was stopped before its first iteration goes on at the beginning, but it goes on.
            self.resume_at = row.at - timedelta(seconds=1)
