"""The desk's death, installed in the process that is to die and nowhere else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter

from crash.schedule import Doom
from desk.brokers.intake import Intake
from desk.domain.journal import Row
from desk.journal.codec import kind_of
from desk.journal.sql import SqlJournal

Call = Callable[..., Any]


class Reaper:
    """Counts what `doom` counts and kills this process, as `kill -9` does. `note` gets the last words: where it happened."""

    def __init__(self, doom: Doom, note: Path) -> None:
        self._doom = doom
        self._note = note
        self._left = doom.nth

    def install(self) -> None:
        """From now on this process dies of `doom`."""
        if self._doom.means == "row":
            self._wrap(SqlJournal, "append", self._is_row)
        elif self._doom.means == "sent":
            self._wrap(HTTPAdapter, "send", self._is_request)
        elif self._doom.means == "told":
            self._wrap(Intake, "message", lambda *_: True)

    def _wrap(self, owner: type, name: str, counts: Callable[..., bool]) -> None:
        real: Call = getattr(owner, name)

        def mortal(*given: Any, **named: Any) -> Any:
            is_it = counts(*given) and self._is_last()
            if is_it and self._doom.before:
                self._die()
            done = real(*given, **named)
            if is_it:
                self._die()
            return done

        setattr(owner, name, mortal)

    def _is_row(self, journal: object, rows: Sequence[Row]) -> bool:
        return any(kind_of(row.value) == self._doom.what for row in rows)

    def _is_request(self, adapter: object, request: Any, *_: object) -> bool:
        # The harness steps the clock by requests of its own, which are no step of the desk's.
        return request.method == self._doom.what and "/admin/" not in request.url

    def _is_last(self) -> bool:
        self._left -= 1
        return self._left == 0

    def _die(self) -> None:
        self._note.write_text(self._doom.label)
        os.kill(os.getpid(), signal.SIGKILL)
