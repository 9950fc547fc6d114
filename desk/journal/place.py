"""Where a journal is: a SQLite file or a PostgreSQL database, and how it is opened. No password leaves this module."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from desk.domain.errors import ConfigurationError
from desk.journal.errors import JournalBroken, JournalDamaged

FORMS = "give the path of a SQLite file, or postgresql://user:password@host:port/database"
# Parts of a PostgreSQL URL's query that are secrets.
_SECRET_OPTIONS = ("password", "sslpassword")
_POSTGRES_NAMES = ("postgresql", "postgres", "postgresql+psycopg")
# undefined_table, undefined_column, data_corrupted, index_corrupted: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_DAMAGE = ("42P01", "42703", "XX001", "XX002")


@dataclass(frozen=True)
class Place:
    """A file at `path`, or with `path` None the database at `url`, which carries no secret; `secrets` are libpq's parameters."""

    url: sa.URL
    path: Path | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return str(self.path or self.url.render_as_string())

    def scrubbed(self, words: object) -> str:
        """`words` on one line, without any of the secrets: drivers and servers may quote what they were given."""
        text = str(words)
        for secret in self.secrets.values():
            for form in (secret, quote(secret, safe="")):
                text = text.replace(form, "***") if form else text
        return " ".join(text.split())

    @property
    def remedy(self) -> str:
        return "Free the disk or the file, then resume" if self.path else "Bring the database back, then resume"

    @property
    def reading_remedy(self) -> str:
        """What a person does who cannot read it."""
        if self.path is None:
            return "start the server, or correct the URL and the rights of its user"
        return (
            "give the file of a journal that you may read; one whose folder is read-only has to be copied, together with its "
            "-wal, to one that is not"
        )

    @contextmanager
    def reported(self, verb: str) -> Iterator[None]:
        """Turn a database's error into JournalBroken: the journal cannot be `verb` (read, written)."""
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise self.broken(verb, cause_of(error)) from None

    def damaged(self, cause: object) -> JournalDamaged:
        whole = "the file, with the -wal beside it," if self.path else "the database"
        return JournalDamaged(
            f"journal {self} is damaged ({self.scrubbed(cause)}): trade nothing with it; exits at the broker stay in force. "
            f"Restore {whole} from a copy, or compare with the broker's own list of orders"
        )

    def broken(self, verb: str, cause: object) -> JournalBroken:
        return JournalBroken(
            f"journal {self} cannot be {verb} ({self.scrubbed(cause)}): nothing more is sent; exits at the broker stay in force. "
            f"{self.remedy}"
        )


def cause_of(error: Exception) -> object:
    """What the driver said; SQLAlchemy's own text would repeat the statement and its values."""
    return getattr(error, "orig", None) or error.__cause__ or error


def is_damage(cause: BaseException | None) -> bool:
    """Whether a driver's error says that part of the journal is gone, and not that it is out of reach."""
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the rest of the number tells kinds of the same error apart
        return code == sqlite3.SQLITE_CORRUPT or str(cause).startswith(("no such table", "no such column"))
    return getattr(cause, "sqlstate", None) in _POSTGRES_DAMAGE


def place_of(where: Path | str) -> Place:
    """Raises ConfigurationError for a URL that names no journal; its text shows no part of a URL that could not be read."""
    if isinstance(where, Path) or "://" not in where:
        return _file(Path(where))
    try:
        url = sa.make_url(where)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigurationError(f"the journal's URL cannot be read: {FORMS}") from None
    if url.drivername in ("sqlite", "sqlite+pysqlite") and url.database:
        return _file(Path(url.database))
    if url.drivername not in _POSTGRES_NAMES:
        raise ConfigurationError(f"a journal cannot be kept in {url.drivername}: {FORMS}")
    return _server(url)


def _file(path: Path) -> Place:
    return Place(sa.URL.create("sqlite", database=str(path)), path)


def _server(url: sa.URL) -> Place:
    secrets = {name: str(url.query[name]) for name in _SECRET_OPTIONS if name in url.query}
    if url.password is not None:
        secrets["password"] = str(url.password)
    bare = sa.URL.create("postgresql+psycopg", url.username, None, url.host, url.port, url.database, url.query)
    return Place(bare.difference_update_query(_SECRET_OPTIONS), None, secrets)


def engine_for(place: Place, wait_seconds: float, read_only: bool = False) -> sa.Engine:
    """An engine on `place` that waits at most `wait_seconds` for a lock. Nothing is opened yet.

    Whatever is asked of it raises JournalDamaged when part of the journal is gone. Raises ConfigurationError when the driver
    of PostgreSQL is not installed.
    """
    engine = _postgres(place, wait_seconds, read_only) if place.path is None else _sqlite(place.path, wait_seconds, read_only)
    sa.event.listen(engine, "handle_error", lambda failed: _refuse_damage(place, failed.original_exception))
    return engine


def _refuse_damage(place: Place, cause: BaseException) -> None:
    if is_damage(cause):
        raise place.damaged(cause)


def _postgres(place: Place, wait_seconds: float, read_only: bool) -> sa.Engine:
    try:
        engine = sa.create_engine(place.url, connect_args=_libpq(place, wait_seconds), hide_parameters=True, pool_size=2)
    except ImportError as error:
        raise ConfigurationError(
            f"journal {place} needs the PostgreSQL driver, which is not installed ({error.name or 'psycopg'}): "
            "run .venv/bin/pip install -e '.[postgres]', or keep the journal in a SQLite file"
        ) from None
    sa.event.listen(engine, "connect", lambda connection, _: _postgres_session(connection, wait_seconds, read_only))
    return engine


def _libpq(place: Place, wait_seconds: float) -> dict[str, Any]:
    """A server that vanishes must fail an append in seconds: the desk thread waits for it."""
    patience = {"connect_timeout": max(2, round(wait_seconds)), "tcp_user_timeout": round(wait_seconds * 1000) or 1}
    return {name: value for name, value in patience.items() if name not in place.url.query} | dict(place.secrets)


def _postgres_session(connection: Any, wait_seconds: float, read_only: bool) -> None:
    milliseconds = max(1, round(wait_seconds * 1000))
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {milliseconds}")
        # A server set to answer before it has written would lose what was appended when it crashes.
        cursor.execute("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
        if read_only:
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    connection.commit()


def _sqlite(path: Path, wait_seconds: float, read_only: bool) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        # Without an isolation level the driver opens no transactions of its own: `_begin` does, table changes included.
        return sqlite3.connect(
            _uri(path, read_only), uri=True, timeout=wait_seconds, isolation_level=None, check_same_thread=False
        )

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.QueuePool, pool_size=2, hide_parameters=True)
    sa.event.listen(engine, "begin", _begin)
    if not read_only:
        sa.event.listen(engine, "connect", _durable)
    return engine


def _uri(path: Path, read_only: bool) -> str:
    address = f"file:{quote(str(path))}"
    if not read_only:
        return address
    # Nobody writes a file that has no write-ahead log beside it, and in a read-only folder SQLite could make none.
    quiet = not path.with_name(path.name + "-wal").exists() and not _can_make_a_file_beside(path)
    return address + ("?mode=ro&immutable=1" if quiet else "?mode=ro")


def _can_make_a_file_beside(path: Path) -> bool:
    return os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _durable(connection: Any, _record: Any) -> None:
    # WAL lets others read while the desk writes; full sync makes a commit survive a power cut.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin(connection: sa.Connection) -> None:
    # A writer takes the lock at once: SQLite refuses, without waiting, to turn an old read into a write.
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def exclusive(connection: sa.Connection) -> None:
    """Until this transaction ends nobody else changes the schema or takes the lease; a writing SQLite has that anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('lumidesk journal'))")


class FilesInPlace:
    """Notices that files of an open SQLite journal were removed or exchanged: writes would still go into the old ones."""

    def __init__(self, place: Place) -> None:
        self._place = place
        names = [] if place.path is None else [place.path.with_name(place.path.name + end) for end in ("", "-wal", "-shm")]
        self._known = {name: _identity(name) for name in names if _identity(name) is not None}

    def check(self) -> None:
        """Raises JournalBroken."""
        for name, known in self._known.items():
            if _identity(name) != known:
                raise self._place.broken("written", f"{name.name} was removed or replaced while in use")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
