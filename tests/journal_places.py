"""Places for a journal in tests, a new SQLite file or a new schema in PostgreSQL, and rows to put there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from desk.domain.journal import BrokerRefusal, ForeignOrder, Row
from desk.domain.steps import Cancel

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
SQL = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
Fresh = Callable[[], Path | str]
_numbers = count()


def schema_in(url: str) -> str:
    """URL of an empty schema on the server at `url`."""
    name = f"journal_{next(_numbers)}"
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    engine.dispose()
    return f"{url}&options=-csearch_path%3D{name}"


def places(request: pytest.FixtureRequest, database: str, folder: Path) -> Fresh:
    if database == "sqlite":
        return lambda: folder / f"{next(_numbers)}.db"
    url: str = request.getfixturevalue("postgres")
    return lambda: schema_in(url)


def cancel(key: str) -> Row:
    return Row(NOW, Cancel(key, "k0", "AAPL", "old"))


def order(key: str) -> Row:
    return Row(NOW, ForeignOrder(key, "AAPL", "test"))


def refusal(key: str) -> Row:
    return Row(NOW, BrokerRefusal(key, 422, 40010001, "client_order_id must be unique"))


def raw(where: Path | str, statement: str, **values: object) -> list[Any]:
    """Run one statement behind the journal's back."""
    if isinstance(where, Path):
        with closing(sqlite3.connect(where)) as connection, connection:
            return connection.execute(statement, values).fetchall()
    engine = sa.create_engine(sa.make_url(where).set(drivername="postgresql+psycopg"))
    try:
        with engine.begin() as connection:
            answer = connection.execute(sa.text(statement), values)
            return [tuple(row) for row in answer] if answer.returns_rows else []
    finally:
        engine.dispose()
