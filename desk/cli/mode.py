"""`desk mode`: what a desk may do, shown, tightened or loosened by a person, with a reason that stays in the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from desk.domain.decisions import Mode
from desk.domain.errors import UsageError
from desk.domain.journal import ModeChanged, Row
from desk.journal.reader import JournalReader
from desk.runtime.build import stopped_desk
from desk.runtime.clock import SystemClock
from desk.runtime.run_folder import reopen
from desk.settings.load import load_settings


def mode(
    run: Annotated[Path, typer.Argument(help="folder of the run, such as runs/combined-alpaca-PA123")],
    wanted: Annotated[Mode | None, typer.Argument(help="active, reducing or halted; left out, the mode is shown")] = None,
    reason: Annotated[str, typer.Option(help="why; it is journaled and shown to whoever looks next")] = "",
) -> None:
    """Show what the desk of a run may do, or change it. For a change stop the run first: one process writes a journal."""
    folder, _ = reopen(run, None, None, "desk mode")
    journal_url = load_settings().journal_url
    if wanted is None:
        with JournalReader(folder.journal_with(journal_url)) as reader:
            _show(reader)
        return
    if not reason.strip():
        raise UsageError(f'desk mode {run} {wanted.value}: say why with --reason "..."; the reason stays in the journal')
    with stopped_desk(folder, journal_url, f"desk mode {run}") as (_, journal):
        journal.append([Row(SystemClock().now(), ModeChanged(wanted, reason.strip()))])
    Console(highlight=False).print(f"The desk of {run} is {wanted.value} from its next start.", soft_wrap=True)


def _show(reader: JournalReader) -> None:
    console, mode = Console(highlight=False), Mode.ACTIVE
    for row in (stored.row() for stored in reader.rows(kinds=("mode",))):
        if isinstance(row.value, ModeChanged):
            mode = row.value.mode
            console.print(f"{row.at:%Y-%m-%d %H:%M} UTC  {mode.value}: {row.value.reason}", soft_wrap=True, markup=False)
    console.print(f"Now: {mode.value}")
