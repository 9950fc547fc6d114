"""The journal's schema by versions: a file of any earlier version is brought forward in place, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from desk.domain.errors import ConfigurationError
from desk.journal.chain import digest
from desk.journal.place import Place, cause_of, exclusive
from desk.journal.tables import meta_table

_PAGE = 1000


def _rows_and_meta(connection: sa.Connection) -> None:
    for statement in (
        "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
        # In SQLite only INTEGER, and no longer word, makes the number the row's own address.
        f"CREATE TABLE rows (seq {'INTEGER' if connection.dialect.name == 'sqlite' else 'BIGINT'} NOT NULL PRIMARY KEY, "
        "at TEXT NOT NULL, kind TEXT NOT NULL, step_key TEXT UNIQUE, body TEXT NOT NULL)",
    ):
        connection.exec_driver_sql(statement)


def _chain_and_lease(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE rows ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
    _chain_old_rows(connection)
    connection.exec_driver_sql(
        "CREATE TABLE lease (account TEXT NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL, holder TEXT NOT NULL, "
        "beat_at TEXT NOT NULL, until TEXT NOT NULL, released INTEGER NOT NULL, heartbeat TEXT NOT NULL)"
    )


def _chain_old_rows(connection: sa.Connection) -> None:
    page = sa.text("SELECT seq, at, kind, step_key, body FROM rows WHERE seq > :after ORDER BY seq LIMIT :page")
    update = sa.text("UPDATE rows SET digest = :digest WHERE seq = :seq")
    seq, last = 0, _meta(connection).get("nonce", "")
    while found := connection.execute(page, {"after": seq, "page": _PAGE}).all():
        changes = []
        for seq, *columns in found:
            last = digest(last, seq, *columns)
            changes.append({"seq": seq, "digest": last})
        connection.execute(update, changes)


# What each version adds to the one before. A step that was released is never changed: files of its version exist.
STEPS: Mapping[int, Callable[[sa.Connection], None]] = {1: _rows_and_meta, 2: _chain_and_lease}
SCHEMA_VERSION = max(STEPS)

_WORDS = "the journal is append-only"
_GUARD: Mapping[str, tuple[str, ...]] = {
    "sqlite": tuple(
        f"CREATE TRIGGER rows_no_{change} BEFORE {change} ON rows BEGIN SELECT RAISE(ABORT, '{_WORDS}'); END"
        for change in ("update", "delete")
    ),
    "postgresql": (
        f"CREATE OR REPLACE FUNCTION journal_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_WORDS}'; END $$",
        *(
            f"CREATE TRIGGER rows_no_{change} BEFORE {change} ON rows FOR EACH STATEMENT EXECUTE FUNCTION journal_append_only()"
            for change in ("update", "delete", "truncate")
        ),
    ),
}
_UNGUARD: Mapping[str, tuple[str, ...]] = {
    "sqlite": ("DROP TRIGGER IF EXISTS rows_no_update", "DROP TRIGGER IF EXISTS rows_no_delete"),
    "postgresql": tuple(f"DROP TRIGGER IF EXISTS rows_no_{change} ON rows" for change in ("update", "delete", "truncate")),
}


def prepared(writer: sa.Engine, place: Place, nonce: str) -> str:
    """Bring the schema at `place` to this version, making it with `nonce` where there is none; returns the journal's nonce.

    Raises ConfigurationError for a schema that a newer program made.
    """
    with writer.begin() as connection:
        exclusive(connection)
        version = version_of(connection, place)
        if version != SCHEMA_VERSION:
            if version and place.path is not None:
                _copy_beside(place.path, version)
            _migrate(connection, version, nonce)
        return _meta(connection)["nonce"]


def version_of(connection: sa.Connection, place: Place) -> int:
    """Version of the schema, 0 where there is none. Raises ConfigurationError for one that this program does not know."""
    if not sa.inspect(connection).has_table("meta"):
        return 0
    known = _meta(connection).get("schema_version")
    if known not in {str(version) for version in STEPS}:
        raise ConfigurationError(
            f"journal {place} has schema version {known!r}, this program reads and writes up to '{SCHEMA_VERSION}': "
            "use the program version that wrote it, or start a new run"
        )
    return int(known)


def _meta(connection: sa.Connection) -> dict[str, str]:
    return {name: value for name, value in connection.execute(sa.select(meta_table.c.name, meta_table.c.value))}


def _migrate(connection: sa.Connection, version: int, nonce: str) -> None:
    dialect = connection.dialect.name
    for statement in _UNGUARD[dialect] if version else ():
        connection.exec_driver_sql(statement)
    for number in range(version + 1, SCHEMA_VERSION + 1):
        STEPS[number](connection)
    for statement in _GUARD[dialect]:
        connection.exec_driver_sql(statement)
    if version:
        change = sa.update(meta_table).where(meta_table.c.name == "schema_version")
        connection.execute(change.values(value=str(SCHEMA_VERSION)))
    else:
        fresh = [{"name": "schema_version", "value": str(SCHEMA_VERSION)}, {"name": "nonce", "value": nonce}]
        connection.execute(sa.insert(meta_table), fresh)


def _copy_beside(path: Path, version: int) -> None:
    """Keep the file as it was, as `journal.db.schema-1`; a half-written copy never has that name."""
    final = path.with_name(f"{path.name}.schema-{version}")
    half = final.with_name(final.name + ".partial")
    try:
        half.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(half)) as copy:
            source.backup(copy)
        half.replace(final)
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(
            f"journal {path} has schema version '{version}' and is copied before it is brought to '{SCHEMA_VERSION}', but "
            f"{final} cannot be written ({cause_of(error)}); nothing was changed. Make room beside it and start again"
        ) from error
