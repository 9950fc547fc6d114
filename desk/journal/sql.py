"""The journal on disk: SQLite or PostgreSQL through SQLAlchemy Core, append-only, every append synced before it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.core.ports import DuplicateKey
from desk.domain.errors import ConfigurationError
from desk.domain.journal import Row
from desk.journal.chain import Head, chained
from desk.journal.codec import encode, kind_of
from desk.journal.errors import JournalBroken
from desk.journal.lease import WriterLease
from desk.journal.place import FilesInPlace, Place, cause_of, engine_for, place_of
from desk.journal.schema import prepared
from desk.journal.stored import Rows
from desk.journal.tables import rows_table

LOCK_WAIT_SECONDS = 5.0
# A number taken by somebody without a lease is tried again this often.
_ATTEMPTS = 5


def open_journal(where: Path | str, nonce: str) -> SqlJournal:
    """The journal at a path (SQLite) or a URL (`postgresql://...`); a new one gets `nonce`. Raises ConfigurationError."""
    return SqlJournal(where, nonce)


class SqlJournal:
    """Implements `desk.core.ports.Journal`. One thread appends, the desk's; another may beat the lease; readers open it anew."""

    def __init__(self, where: Path | str, nonce: str, wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        """Open the journal at `where`, or make it with `nonce`; an existing one keeps the nonce that its order keys carry.

        A lock that another process holds is waited for `wait_seconds`. Raises ConfigurationError when the journal cannot be
        written, when a newer program made it, or when the driver of its database is not installed.
        """
        self._place = place_of(where)
        self._engine = engine_for(self._place, wait_seconds)
        self._writer = self._engine.execution_options(writing=True)
        try:
            self._nonce = prepared(self._writer, self._place, nonce)
        except sa.exc.SQLAlchemyError as error:
            raise _unusable(self._place, error) from None
        self._files = FilesInPlace(self._place)
        self._rows = Rows(self._engine, self._place)
        self._head: Head | None = None
        self.lease = WriterLease(self._writer, self._place)

    def __repr__(self) -> str:
        return f"SqlJournal({str(self._place)!r})"

    @property
    def nonce(self) -> str:
        return self._nonce

    def append(self, rows: Sequence[Row]) -> None:
        """Store all rows or none. Returns when they are on disk.

        Raises DuplicateKey, LeaseLost when another process became the writer, JournalBroken when nothing can be written.
        """
        records = [_record(row) for row in rows]
        if not records:
            return
        taken = ""
        for _ in range(_ATTEMPTS):
            head, self._head = self._head, None  # known again when the rows are safe
            with self._place.reported("written"):
                try:
                    self._head = self._append(records, head)
                    return
                except sa.exc.IntegrityError as error:
                    taken = str(error.orig)
            self._refuse_repeated(records)
        raise self._place.broken("written", taken)

    def _append(self, records: Sequence[dict[str, Any]], head: Head | None) -> Head:
        self._files.check()
        with self._writer.begin() as connection:
            self.lease.check(connection)
            numbered = list(chained(records, head or self._read_head(connection)))
            connection.execute(sa.insert(rows_table), numbered)
            self._files.check()  # again: what is committed now must be where the next start looks for it
        return Head(numbered[-1]["seq"], numbered[-1]["digest"])

    def _read_head(self, connection: sa.Connection) -> Head:
        query = sa.select(rows_table.c.seq, rows_table.c.digest).order_by(rows_table.c.seq.desc()).limit(1)
        last = connection.execute(query).first()
        return Head(0, self._nonce) if last is None else Head(*last)

    def _refuse_repeated(self, records: Sequence[dict[str, Any]]) -> None:
        """Return when no key is repeated: then the rows' numbers were taken, and the next attempt reads which are free."""
        keys = [record["step_key"] for record in records if record["step_key"] is not None]
        repeated = [key for place, key in enumerate(keys) if key in keys[:place] or self.has_step(key)]
        if repeated:
            raise DuplicateKey(str(repeated))

    def rows(self) -> Iterator[Row]:
        return (stored.row() for stored in self._rows.forward())

    def has_step(self, key: str) -> bool:
        query = sa.select(rows_table.c.seq).where(rows_table.c.step_key == key)
        with self._place.reported("read"), self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def close(self) -> None:
        """Give the lease back and let go of the database. A journal that is broken can still be closed."""
        with suppress(JournalBroken):
            self.lease.release()
        self._engine.dispose()


def _record(row: Row) -> dict[str, Any]:
    at = row.at.astimezone(UTC).isoformat()
    return {"at": at, "kind": kind_of(row.value), "step_key": row.step_key, "body": encode(row.value)}


def _unusable(place: Place, error: Exception) -> ConfigurationError:
    remedy = (
        "start the server or correct the URL"
        if place.path is None
        else "make its folder writable or choose another with --runs DIR"
    )
    return ConfigurationError(
        f"journal {place} cannot be opened for writing ({place.scrubbed(cause_of(error))}); no order is sent without it: {remedy}"
    )
