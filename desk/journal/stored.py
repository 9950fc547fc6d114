"""Rows as they are stored, streamed in pages: a journal of years never stands in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from desk.domain.errors import ReconciliationBreak
from desk.domain.journal import Row
from desk.journal.codec import decode
from desk.journal.place import Place
from desk.journal.tables import rows_table

PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """One row, not decoded: `at` ISO 8601 in UTC, `body` JSON, `digest` None in a file older than the chain.

    `journal` is where it stands, for messages.
    """

    seq: int
    at: str
    kind: str
    step_key: str | None
    body: str
    digest: str | None
    journal: str = field(default="", compare=False, repr=False)

    def row(self) -> Row:
        """Raises ReconciliationBreak, which names journal and row, for a row that this version cannot read."""
        try:
            return self.decoded()
        except ReconciliationBreak as error:
            raise ReconciliationBreak(f"journal {self.journal}, row {self.seq}: {error}") from None

    def decoded(self) -> Row:
        """As `row`, for who names the row itself: the error says only what is wrong with it."""
        try:
            at = datetime.fromisoformat(self.at)
        except ValueError:
            raise ReconciliationBreak(f"time {self.at!r} cannot be read: restore a copy") from None
        return Row(at, decode(self.kind, self.body))


class Rows:
    """The stored rows behind `engine`. No transaction stays open between pages."""

    def __init__(self, engine: sa.Engine, place: Place, chained: bool = True) -> None:
        self._engine = engine
        self._place = place
        columns = [rows_table.c[name] for name in ("seq", "at", "kind", "step_key", "body")]
        self._query = sa.select(*columns, rows_table.c.digest if chained else sa.null().label("digest"))

    def last_seq(self) -> int:
        """Number of the last row, 0 when there is none."""
        with self._place.reported("read"), self._engine.connect() as connection:
            return connection.execute(sa.select(sa.func.max(rows_table.c.seq))).scalar() or 0

    def forward(self, after: int = 0, kinds: Sequence[str] = (), page_rows: int = PAGE_ROWS) -> Iterator[Stored]:
        """Rows above `after` in order, those that are there when the reading begins; of `kinds`, or of all."""
        top = self.last_seq()
        query = self._of(kinds).where(rows_table.c.seq <= top).order_by(rows_table.c.seq).limit(page_rows)
        while page := self._page(query.where(rows_table.c.seq > after)):
            yield from page
            after = page[-1].seq

    def backward(self, kinds: Sequence[str] = (), page_rows: int = PAGE_ROWS) -> Iterator[Stored]:
        """Rows from the last to the first."""
        before = self.last_seq() + 1
        query = self._of(kinds).order_by(rows_table.c.seq.desc()).limit(page_rows)
        while page := self._page(query.where(rows_table.c.seq < before)):
            yield from page
            before = page[-1].seq

    def _of(self, kinds: Sequence[str]) -> sa.Select[Any]:
        return self._query.where(rows_table.c.kind.in_(kinds)) if kinds else self._query

    def _page(self, query: sa.Select[Any]) -> list[Stored]:
        where = str(self._place)
        with self._place.reported("read"), self._engine.connect() as connection:
            return [
                Stored(seq, at, kind, step_key, body, digest, where)
                for seq, at, kind, step_key, body, digest in connection.execute(query)
            ]
