"""Reads a journal that others write, or that its desk left behind: read-only, in pages, and on as new rows come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa

from desk.domain.errors import ConfigurationError
from desk.journal.lease import LeaseState, read_lease
from desk.journal.place import cause_of, engine_for, place_of
from desk.journal.schema import version_of
from desk.journal.stored import Rows, Stored
from desk.journal.tables import meta_table

LOCK_WAIT_SECONDS = 5.0
# Since this version rows are chained and the writer holds a lease.
_CHAIN_VERSION = 2


class JournalReader:
    """A journal of this or any earlier schema version. Use as a context manager, or close it."""

    def __init__(self, where: Path | str, wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        """Raises ConfigurationError when there is no journal at `where`, it cannot be read, or a newer program made it.

        Raises JournalDamaged when part of it is gone.
        """
        self._place = place_of(where)
        if self._place.path is not None and not self._place.path.is_file():
            raise ConfigurationError(f"there is no journal at {self._place}: give a run's folder, a journal's file or a URL")
        self._engine = engine_for(self._place, wait_seconds, read_only=True)
        try:
            self.version, self.nonce = self._described()
        except sa.exc.SQLAlchemyError as error:
            raise ConfigurationError(
                f"journal {self._place} cannot be read ({self._place.scrubbed(cause_of(error))}): {self._place.reading_remedy}"
            ) from None
        self.chained = self.version >= _CHAIN_VERSION
        self._rows = Rows(self._engine, self._place, self.chained)

    def _described(self) -> tuple[int, str]:
        with self._engine.connect() as connection:
            version = version_of(connection, self._place)
            if not version:
                raise ConfigurationError(f"there is no journal at {self._place}: it has no table of rows")
            named = sa.select(meta_table.c.value).where(meta_table.c.name == "nonce")
            return version, str(connection.execute(named).scalar())

    def __repr__(self) -> str:
        return f"JournalReader({str(self._place)!r})"

    def __str__(self) -> str:
        return str(self._place)

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()

    def rows(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[Stored]:
        """Rows above number `after`, in order; of `kinds`, or of all. Raises JournalBroken when the reading fails."""
        return self._rows.forward(after, kinds)

    def backward(self, kinds: Sequence[str] = ()) -> Iterator[Stored]:
        """Rows from the last to the first."""
        return self._rows.backward(kinds)

    def last(self, count: int, kinds: Sequence[str] = ()) -> list[Stored]:
        """The last `count` rows, in order."""
        return list(islice(self._rows.backward(kinds), count))[::-1]

    def follow(self, after: int, kinds: Sequence[str], wait: Callable[[], None]) -> Iterator[Stored]:
        """Rows above `after` as they come, without end; `wait` is called whenever there is none left."""
        while True:
            for stored in self._rows.forward(after, kinds):
                after = stored.seq
                yield stored
            wait()

    def lease(self) -> LeaseState | None:
        """Who writes, and how the writer is; None when nobody ever held the lease."""
        if not self.chained:
            return None
        with self._place.reported("read"), self._engine.connect() as connection:
            return read_lease(connection)

    def damage(self) -> str | None:
        """What the database itself finds wrong with its file, None when nothing; PostgreSQL is not asked."""
        if self._place.path is None:
            return None
        with self._place.reported("read"), self._engine.connect() as connection:
            answer = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
        return None if answer == "ok" else answer
