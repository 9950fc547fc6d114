"""The journal on disk: SQLite through SQLAlchemy Core, append-only, every append synced before it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from desk.core.ports import DuplicateKey
from desk.domain.errors import ConfigurationError, DeskError
from desk.domain.journal import Row
from desk.journal.codec import decode, encode, kind_of

SCHEMA_VERSION = "1"

metadata = sa.MetaData()
meta_table = sa.Table("meta", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False))
rows_table = sa.Table(
    "rows",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("step_key", sa.Text, unique=True),
    sa.Column("body", sa.Text, nullable=False),
)

_APPEND_ONLY = tuple(
    f"CREATE TRIGGER IF NOT EXISTS rows_no_{change} BEFORE {change} ON rows "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    for change in ("update", "delete")
)


class SqlJournal:
    """Implements `desk.core.ports.Journal`. Used by one thread, the desk's; readers open the file on their own."""

    def __init__(self, path: Path, nonce: str) -> None:
        """Open `path`, or create it with `nonce`; an existing journal keeps the nonce that its order keys carry.

        Raises ConfigurationError when the file cannot be written or was written by another schema version.
        """
        self._path = path
        try:
            self._engine = _engine(path)
            self._nonce = _prepared(self._engine, nonce)
        except (OperationalError, sa.exc.DatabaseError) as error:
            raise ConfigurationError(
                f"journal {path} cannot be opened for writing ({error.__cause__ or error}); no order is sent without it: "
                "make its folder writable or choose another with --runs DIR"
            ) from error

    @property
    def nonce(self) -> str:
        return self._nonce

    def append(self, rows: Sequence[Row]) -> None:
        records = [_record(row) for row in rows]
        if not records:
            return
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(rows_table), records)
        except IntegrityError as error:
            if "UNIQUE" not in str(error.orig):
                raise self._broken(error) from None
            raise DuplicateKey(str([record["step_key"] for record in records if record["step_key"]])) from None
        except sa.exc.DatabaseError as error:
            raise self._broken(error) from None

    def _broken(self, error: sa.exc.DBAPIError) -> DeskError:
        return DeskError(
            f"journal {self._path} cannot be written ({error.orig}): nothing more is sent; exits at the broker stay in force. "
            "Free the disk or the file, then resume"
        )

    def rows(self) -> Iterator[Row]:
        query = sa.select(rows_table.c.at, rows_table.c.kind, rows_table.c.body).order_by(rows_table.c.seq)
        with self._engine.connect() as connection:
            stored = connection.execute(query).all()
        for at, kind, body in stored:
            yield Row(datetime.fromisoformat(at), decode(kind, body))

    def has_step(self, key: str) -> bool:
        query = sa.select(rows_table.c.seq).where(rows_table.c.step_key == key)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def close(self) -> None:
        self._engine.dispose()


def _record(row: Row) -> dict[str, Any]:
    at = row.at.astimezone(UTC).isoformat()
    return {"at": at, "kind": kind_of(row.value), "step_key": row.step_key, "body": encode(row.value)}


def _engine(path: Path) -> sa.Engine:
    url = sa.URL.create("sqlite", database=str(path))
    engine = sa.create_engine(url, connect_args={"check_same_thread": False}, poolclass=sa.pool.StaticPool)

    @sa.event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        # WAL lets others read while the desk writes; full sync makes a commit survive a power cut.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=5000")

    return engine


def _prepared(engine: sa.Engine, nonce: str) -> str:
    metadata.create_all(engine)
    with engine.begin() as connection:
        for trigger in _APPEND_ONLY:
            connection.execute(sa.text(trigger))
        known = {name: value for name, value in connection.execute(sa.select(meta_table.c.name, meta_table.c.value))}
        if not known:
            fresh = [{"name": "schema_version", "value": SCHEMA_VERSION}, {"name": "nonce", "value": nonce}]
            connection.execute(sa.insert(meta_table), fresh)
            return nonce
    if known.get("schema_version") != SCHEMA_VERSION:
        raise ConfigurationError(
            f"journal has schema version {known.get('schema_version')!r}, this program writes {SCHEMA_VERSION!r}: "
            "use the program version that wrote it, or start a new run"
        )
    return str(known["nonce"])
