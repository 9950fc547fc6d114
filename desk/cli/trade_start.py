"""The start of a run as a person sees it: checks before anything is made, and nothing left behind by a start that failed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from pydantic import SecretStr
from rich.console import Console

from desk.domain.errors import ConfigurationError, DeskError, Refused, UsageError
from desk.journal.holder import Holder
from desk.journal.reader import JournalReader
from desk.runtime.clock import SystemClock
from desk.runtime.run_folder import RunFolder
from desk.runtime.signals import interrupt_on_signals

NOTHING_TRADED = "Stopped before the run began; nothing was traded."
# Of these the person is told all there is to know. After others the folder's logs say more.
TOLD_WHOLLY = (ConfigurationError, UsageError, Refused, KeyboardInterrupt)
# Rows of a run that has begun.
BEGUN = ("run_started", "submit", "replace", "cancel", "sent_again")


def check_report_folder(folder: Path | None) -> None:
    """Raises ConfigurationError when the report could not be written there; makes nothing."""
    if folder is None:
        return
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigurationError(f"--report {folder}: {there} is no folder; name a folder that you may write to")
    try:
        # Rights alone do not tell: a file system may be read-only, or take no files at all.
        TemporaryFile(dir=there).close()
    except OSError as error:
        raise ConfigurationError(
            f"--report {folder}: {there} takes no file ({error.strerror or error}); name a folder that you may write to"
        ) from None
    if (folder / "report.html").is_dir():
        raise ConfigurationError(f"--report {folder}: report.html in it is a folder; move it away, or name another folder")


@contextmanager
def started(
    place: Callable[[], RunFolder], is_new: bool, journal_url: SecretStr | None, again: Callable[[RunFolder], str]
) -> Iterator[RunFolder]:
    """The folder that `place` makes or reopens, for the time of a run.

    Ctrl-C and SIGTERM outside of trading end the process with code 0 and words on what was traded; `again` is the command
    that goes on. A new folder in which nothing was journaled goes away with the start that failed.
    """
    with interrupt_on_signals():
        folder = place()
        journaled = _Journaled(folder, journal_url)
        try:
            yield folder
        except TOLD_WHOLLY as error:
            has_begun = journaled.has_begun()
            if is_new and journaled.is_empty():
                shutil.rmtree(folder.path, ignore_errors=True)
            if not isinstance(error, KeyboardInterrupt):
                raise
            words = f"Stopped. What was sent is in the journal. Go on with: {again(folder)}" if has_begun else NOTHING_TRADED
            Console(stderr=True, highlight=False).print(words, soft_wrap=True, markup=False)
            raise SystemExit(0) from None


def submits_in(folder: RunFolder, journal_url: SecretStr | None) -> int:
    """How many orders the journal of a run has."""
    with JournalReader(folder.journal_with(journal_url)) as reader:
        return sum(1 for _ in reader.rows(kinds=("submit",)))


class _Journaled:
    """What a folder's journal has at the start of a process, and later."""

    def __init__(self, folder: RunFolder, journal_url: SecretStr | None) -> None:
        self._folder = folder
        self._journal_url = journal_url
        self._before = self._last() or 0

    def is_empty(self) -> bool:
        return self._last() == 0

    def has_begun(self) -> bool:
        """Whether this process traded, or may have: True also when the journal cannot be read."""
        try:
            with self._reader() as reader:
                lease, me = reader.lease(), Holder.this_process(SystemClock().now())
                is_ours = lease is not None and (lease.holder.host, lease.holder.pid) == (me.host, me.pid)
                return is_ours and any(True for _ in reader.rows(self._before, BEGUN))
        except DeskError:
            return not self._is_missing()

    def _last(self) -> int | None:
        """Number of the last row, 0 without a journal, None when it cannot be read."""
        try:
            with self._reader() as reader:
                return max((row.seq for row in reader.last(1)), default=0)
        except DeskError:
            return 0 if self._is_missing() else None

    def _reader(self) -> JournalReader:
        return JournalReader(self._folder.journal_with(self._journal_url))

    def _is_missing(self) -> bool:
        journal = self._folder.journal
        return isinstance(journal, Path) and not journal.is_file()
