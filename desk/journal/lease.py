"""The lease: one process writes a journal, and its heartbeat tells everybody else how it is.

Every append checks, in its own transaction, that its epoch still counts: a desk that was thought dead and wakes writes nothing.
`now` is always the wall clock's, also where the desk plays an old market.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from desk.domain.decisions import Mode
from desk.domain.errors import ConfigurationError
from desk.journal.errors import LeaseLost
from desk.journal.holder import Holder
from desk.journal.place import Place, exclusive
from desk.journal.tables import lease_table


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How the desk is: its mode, finished iterations, the order stream in a word, the broker's last news (aware, UTC)."""

    mode: Mode = Mode.ACTIVE
    iterations: int = 0
    stream: str = "unknown"
    last_event_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to append, until another takes it; `until` is when others may, unless it is renewed."""

    account: str
    holder: Holder
    epoch: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """The refusal of a lease: `holder` has it, at least until `until` (aware, UTC)."""

    account: str
    holder: Holder
    until: datetime

    def __str__(self) -> str:
        return f"account {self.account} is traded by {self.holder}, whose lease runs until {self.until:%H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class LeaseState:
    """What stands in the journal about its writer. `released` when the writer closed the journal in order."""

    account: str
    epoch: int
    holder: Holder
    beat_at: datetime
    until: datetime
    released: bool
    heartbeat: Heartbeat

    def binds(self, now: datetime) -> bool:
        """Whether nobody else may write: not given back, not run out, and the writer not known to have ended."""
        return not self.released and self.until > now and not self.holder.is_gone()


_HOLDER = TypeAdapter(Holder)
_HEARTBEAT = TypeAdapter(Heartbeat)
_EPOCH = sa.select(lease_table.c.epoch).where(lease_table.c.account == sa.bindparam("account"))
# PostgreSQL: whoever takes the lease meanwhile waits until this append is committed, and then reads it. SQLite has one writer.
_EPOCH_KEPT = _EPOCH.with_for_update(read=True)


def read_lease(connection: sa.Connection) -> LeaseState | None:
    """The lease as it stands, None when nobody ever took it."""
    row = connection.execute(sa.select(lease_table)).mappings().first()
    if row is None:
        return None
    return LeaseState(
        row["account"],
        row["epoch"],
        _HOLDER.validate_json(row["holder"]),
        datetime.fromisoformat(row["beat_at"]),
        datetime.fromisoformat(row["until"]),
        bool(row["released"]),
        _HEARTBEAT.validate_json(row["heartbeat"]),
    )


class WriterLease:
    """A journal's way to its lease. Every call is one short transaction; any thread may beat."""

    def __init__(self, writer: sa.Engine, place: Place) -> None:
        self._writer = writer
        self._place = place
        self._held: Lease | None = None

    @property
    def held(self) -> Lease | None:
        """The lease as last taken or renewed here; that it still counts is known only by appending."""
        return self._held

    def take(self, account: str, now: datetime, holder: Holder, seconds: float) -> Lease | Held:
        """Become the writer for `seconds`, unless another is. A lease that ran out, or whose process has ended, is taken over.

        Raises ConfigurationError when the journal is another account's, JournalBroken when it cannot be written.
        """
        with self._place.reported("written"), self._writer.begin() as connection:
            exclusive(connection)
            current = read_lease(connection)
            if current is not None and current.account != account:
                raise ConfigurationError(
                    f"journal {self._place} is account {current.account}'s, not {account}'s: give each account its own journal"
                )
            mine = self._held is not None and current is not None and current.epoch == self._held.epoch
            if current is not None and not mine and current.binds(now):
                return Held(account, current.holder, current.until)
            epoch = 1 if current is None else current.epoch + 1
            self._write(connection, account, _values(epoch, holder, now, seconds), fresh=current is None)
        self._held = Lease(account, holder, epoch, now + timedelta(seconds=seconds))
        return self._held

    def _write(self, connection: sa.Connection, account: str, values: dict[str, Any], fresh: bool) -> None:
        if fresh:
            connection.execute(sa.insert(lease_table).values(account=account, **values))
        else:
            connection.execute(sa.update(lease_table).where(lease_table.c.account == account).values(**values))

    def beat(self, now: datetime, seconds: float, heartbeat: Heartbeat) -> Lease:
        """Renew the lease for `seconds` from `now` and tell how the desk is.

        Raises LeaseLost when another took it, JournalBroken when the journal cannot be written.
        """
        held = self._held
        if held is None:
            raise RuntimeError("a lease is taken before it is renewed")
        values = {
            "beat_at": _text(now),
            "until": _text(now + timedelta(seconds=seconds)),
            "heartbeat": _HEARTBEAT.dump_json(heartbeat).decode(),
        }
        with self._place.reported("written"), self._writer.begin() as connection:
            self.check(connection)
            self._write(connection, held.account, values, fresh=False)
        self._held = Lease(held.account, held.holder, held.epoch, now + timedelta(seconds=seconds))
        return self._held

    def check(self, connection: sa.Connection) -> None:
        """Within a writing transaction: raises LeaseLost when another took the lease. Without a lease nothing is checked."""
        held = self._held
        if held is None:
            return
        epoch = connection.execute(_EPOCH_KEPT, {"account": held.account}).scalar()
        if epoch != held.epoch:
            now_there = read_lease(connection)
            writer = "nobody" if now_there is None else str(now_there.holder)
            raise LeaseLost(
                f"journal {self._place} is no longer this desk's to write: {writer} took account {held.account} over. Nothing "
                "more is sent from here; exits at the broker stay in force. Stop one of the two"
            )

    def release(self) -> None:
        """Give the lease back, so that the next process need not wait. One that was lost meanwhile stays with its holder."""
        held, self._held = self._held, None
        if held is None:
            return
        mine = (lease_table.c.account == held.account) & (lease_table.c.epoch == held.epoch)
        with self._place.reported("written"), self._writer.begin() as connection:
            connection.execute(sa.update(lease_table).where(mine).values(released=1))


def _values(epoch: int, holder: Holder, now: datetime, seconds: float) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "holder": _HOLDER.dump_json(holder).decode(),
        "beat_at": _text(now),
        "until": _text(now + timedelta(seconds=seconds)),
        "released": 0,
        "heartbeat": _HEARTBEAT.dump_json(Heartbeat()).decode(),
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
