"""Keeps the execution log of a run up to date: reads what is new in its journal, and writes the days that it changes."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from desk.domain.errors import DeskError
from desk.journal.reader import JournalReader
from desk.report.execution_log import ExecutionLog, write_days
from desk.runtime.clock import stopwatch

log = logging.getLogger(__name__)
FOLDER = "executions"
LOOK_SECONDS = 5.0


class ExecutionWatch:
    """`journal` is where the run keeps it, `folder` where the files go, `run` its name in them. For one thread at a time.

    A file that cannot be written is a warning, and tried again when more is to be written: the journal has it all.
    """

    def __init__(self, journal: Path | str, folder: Path, run: str) -> None:
        self._journal = journal
        self._folder = folder
        self._log = ExecutionLog(run)
        self._after = 0
        self._looked_at: float | None = None

    def look_if_due(self) -> None:
        """A look, unless the last one was a moment ago."""
        if self._looked_at is None or stopwatch() - self._looked_at >= LOOK_SECONDS:
            self.look()

    def look(self) -> None:
        """Read on, and write what changed."""
        self._looked_at = stopwatch()
        try:
            self._read_on()
            write_days(self._log, self._folder, self._log.changed_days())
        except (DeskError, OSError) as error:
            # A run goes on without its log.
            log.warning("the execution log is not written: %s", error)

    def _read_on(self) -> None:
        with closing(JournalReader(self._journal)) as reader:
            for stored in reader.rows(self._after):
                self._log.read([stored.row()])
                self._after = stored.seq


def beside(runs: Path) -> Path:
    """Where the log of a run at Alpaca goes: `executions/` beside the folder that run folders are in."""
    return runs.parent / FOLDER
