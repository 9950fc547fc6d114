"""`desk mode`: what a desk may do, shown, tightened or loosened by a person, with a reason that stays in the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from desk.domain.decisions import Mode
from desk.domain.errors import UsageError
from desk.domain.journal import ModeChanged, Row
from desk.journal.sql import SqlJournal
from desk.runtime.build import stopped_desk
from desk.runtime.clock import SystemClock
from desk.runtime.run_folder import reopen
from desk.settings.load import load_settings


def mode(
    run: Annotated[Path, typer.Argument(help="folder of the run, such as runs/combined-alpaca-PA123")],
    wanted: Annotated[Mode | None, typer.Argument(help="active, reducing or halted; left out, the mode is shown")] = None,
    reason: Annotated[str, typer.Option(help="why; it is journaled and shown to whoever looks next")] = "",
) -> None:
    """Show what the desk of a run may do, or change it. Stop the run first: one process writes a journal."""
    folder, _ = reopen(run, None, None)
    with stopped_desk(folder, load_settings().journal_url, f"desk mode {run}") as (_, journal):
        _show_or_change(journal, run, wanted, reason)


def _show_or_change(journal: SqlJournal, run: Path, wanted: Mode | None, reason: str) -> None:
    console = Console(highlight=False)
    changes = [(row.at, row.value) for row in journal.rows() if isinstance(row.value, ModeChanged)]
    if wanted is None:
        for at, change in changes:
            console.print(f"{at:%Y-%m-%d %H:%M} UTC  {change.mode.value}: {change.reason}", soft_wrap=True)
        console.print(f"Now: {(changes[-1][1].mode if changes else Mode.ACTIVE).value}")
        return
    if not reason.strip():
        raise UsageError(f'desk mode {run} {wanted.value}: say why with --reason "..."; the reason stays in the journal')
    journal.append([Row(SystemClock().now(), ModeChanged(wanted, reason.strip()))])
    console.print(f"The desk of {run} is {wanted.value} from its next start.")
