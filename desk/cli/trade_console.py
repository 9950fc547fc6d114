"""Where a run's lines go. A reader that goes away, as `| head` does, ends the run in order, with an error that says so."""

from __future__ import annotations

import json
import os
import sys
from threading import Event
from typing import IO

from rich.console import Console

from desk.domain.errors import DeskError


class TradeConsole(Console):
    """Standard output, or standard error when the output is one JSON object. `stop` is set when nobody reads any more.

    Rich would end the thread that prints, and that is the one that trades.
    """

    def __init__(self, *, is_json: bool) -> None:
        super().__init__(stderr=is_json, highlight=False)
        self.stop = Event()
        self._lost = ""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        self.lose(self.file)
        self.stop.set()

    def lose(self, stream: IO[str]) -> None:
        """Remember that nobody reads `stream`, and send what is still written to it nowhere."""
        self._lost = "standard error" if stream is sys.stderr else "standard output"
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

    def say(self, text: str) -> None:
        """Print `text` as it is on one line."""
        self.print(text, soft_wrap=True, markup=False)

    def object(self, value: object) -> None:
        """One JSON object on one line of standard output."""
        try:
            sys.stdout.write(json.dumps(value) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.lose(sys.stdout)

    def check(self, remedy: str) -> None:
        """Raises DeskError, which ends in `remedy`, when somebody went away who should have read."""
        if self._lost:
            raise DeskError(
                f"{self._lost} was closed by its reader (BrokenPipeError): not all was printed, and a run that was not over was "
                f"stopped in order. Send the output to a file, and {remedy}"
            )
