"""`desk status`: whether a desk lives, what it may do, and what that means for the money in its account."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer
from rich.text import Text

from desk.cli.journal import JournalOption, RunOption, place
from desk.cli.tables import console, print_json
from desk.domain.decisions import Mode
from desk.domain.errors import ReconciliationBreak
from desk.domain.journal import BreakFound, ModeChanged, RunStarted
from desk.journal.codec import KINDS
from desk.journal.lease import LeaseState
from desk.journal.reader import JournalReader
from desk.journal.stored import Stored
from desk.runtime.clock import SystemClock
from desk.runtime.ledger import Ledger
from options.naming import spread_name

RESTING = "Stops and targets that rest at the broker stay in force"


class Health(Enum):
    """What a desk is. A desk that does not live comes before all else: nobody reacts to anything."""

    HEALTHY = "healthy"
    REDUCING = "reducing"
    NOT_LIVING = "not_living"
    HALTED = "halted"
    BREAK = "break"


EXIT_CODES = {Health.HEALTHY: 0, Health.REDUCING: 0, Health.NOT_LIVING: 3, Health.HALTED: 6, Health.BREAK: 7}


MEANING = {
    Health.HEALTHY: "The desk trades.",
    Health.REDUCING: f"{RESTING}; the desk lets positions get smaller, and opens nothing.",
    Health.NOT_LIVING: (
        f"Nobody trades this account. {RESTING} (those good for the day alone end with it); no exit is moved or renewed and "
        "nothing is opened until the desk runs again. What it sent and did not hear of is looked up when it starts."
    ),
    Health.HALTED: f"{RESTING}; the desk covers bare shares and lets positions leave, and opens nothing.",
    Health.BREAK: (
        f"The broker's shares are not the journal's. {RESTING}; the desk opens nothing. Compare the account with the journal, "
        "then loosen the desk with `.venv/bin/desk mode`."
    ),
}


SPREADS_LEFT = (
    "For option spreads no stop rests there: until the desk runs again nothing acts on their losses, and only their bought puts "
    "bound them."
)
SPREADS_KEPT = "For option spreads no stop rests there: the desk looks after them by their rules while it runs."


@dataclass(frozen=True, slots=True)
class Status:
    """What the journal says at one moment. `reasons`: why it does not live, the break, the halt, as far as there are any.
    `spreads` are the names of option spreads that are open."""

    health: Health
    reasons: tuple[str, ...]
    mode: Mode
    lease: LeaseState | None
    last: Stored | None
    iteration: dict[str, Any]
    spreads: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """What it means for the money in the account."""
        said = MEANING[self.health]
        if not self.spreads or self.health is Health.HEALTHY:
            return said
        return f"{said} {SPREADS_LEFT if self.health is Health.NOT_LIVING else SPREADS_KEPT}"


def status(
    run: RunOption = None,
    journal: JournalOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell how the desk is. Exit code 0 healthy, 3 not living, 4 no journal there, 6 halted, 7 reconciliation break."""
    now = SystemClock().now()
    with JournalReader(place(run, journal)) as reader:
        found = read(reader, now)
        if as_json:
            print_json(as_object(found, str(reader), now))
        else:
            console().print(Text("\n".join(lines(found, str(reader), now))), soft_wrap=True)
    raise typer.Exit(EXIT_CODES[found.health])


def read(reader: JournalReader, now: datetime) -> Status:
    """Lease, heartbeat and last rows, judged at `now` (the wall clock's, aware)."""
    lease = reader.lease()
    last = next(reader.backward(), None)
    done = next(reader.backward(["iteration"]), None)
    mode, why = _mode(reader, lease, now)
    reasons = {
        Health.NOT_LIVING: _absence(lease, last, now),
        Health.BREAK: _break(reader),
        Health.HALTED: why if mode is Mode.HALTED else None,
        Health.REDUCING: why if mode is Mode.REDUCING else None,
    }
    found = {health: reason for health, reason in reasons.items() if reason is not None}
    health = next(iter(found), Health.HEALTHY)
    iteration = {} if done is None else {"at": done.at} | _fields(done)
    return Status(health, tuple(found.values()), mode, lease, last, iteration, _spreads(reader))


def _spreads(reader: JournalReader) -> tuple[str, ...]:
    """Names of the option spreads that are open. Raises ReconciliationBreak for rows that contradict each other."""
    if next(reader.backward(["spread_opened"]), None) is None:
        return ()
    ledger = Ledger(reader.nonce)
    try:
        # Without the broker's own words, which are most of a journal and change no book.
        for stored in reader.rows(kinds=[kind for kind in KINDS if kind != "heard"]):
            ledger.replay(stored.row())
    except ValueError as error:
        raise ReconciliationBreak(f"journal {reader}: {error}; compare it with the broker's list of orders") from None
    plans = (spread.plan for spread in ledger.spreads.open.values())
    return tuple(spread_name(plan.underlying, plan.short, plan.long) for plan in plans)


def _absence(lease: LeaseState | None, last: Stored | None, now: datetime) -> str | None:
    """Why the desk does not live, None when it does."""
    if lease is None:
        return f"no desk ever announced itself here; the last row is of {_when(last)}"
    if lease.released:
        ended = (
            "stopped in order" if last is not None and last.kind == "run_stopped" else "let go of the journal without a last word"
        )
        return f"the desk ({lease.holder}) {ended}; the last row is of {_when(last)}"
    since = f"no heartbeat since {_moment(lease.beat_at, now)}"
    if lease.holder.is_gone():
        return f"{since}: its process has ended ({lease.holder})"
    if lease.until <= now:
        return f"{since}: {lease.holder} hangs, or is cut off from its journal"
    return None


def _mode(reader: JournalReader, lease: LeaseState | None, now: datetime) -> tuple[Mode, str]:
    """The tighter of what was journaled and what a living desk says: it halts even when it cannot write that down."""
    row = next(reader.backward(["mode"]), None)
    body = {"mode": Mode.ACTIVE.value, "reason": ""} if row is None else _fields(row)
    journaled = Mode(body["mode"])
    told = journaled if lease is None or not lease.binds(now) else lease.heartbeat.mode
    order = list(Mode)
    if order.index(told) > order.index(journaled):
        return told, "the desk says so and could not journal why; see its log"
    return journaled, str(body["reason"])


def _fields(stored: Stored) -> dict[str, Any]:
    """The body as JSON. Raises ReconciliationBreak for a row that cannot be read."""
    stored.row()
    fields: dict[str, Any] = json.loads(stored.body)
    return fields


def _break(reader: JournalReader) -> str | None:
    """The latest break that stands: not repaired, and nobody made the desk active, nor did it start again, since."""
    for stored in reader.backward(["break", "mode", "run_started"]):
        value = stored.row().value
        if isinstance(value, BreakFound) and not value.repaired:
            return str(value.found)
        if isinstance(value, RunStarted) or (isinstance(value, ModeChanged) and value.mode is Mode.ACTIVE):
            return None
    return None


# ---- telling -----------------------------------------------------------------------------------------------------------------

TITLES = {
    Health.HEALTHY: "the desk is alive and well",
    Health.REDUCING: "the desk is reducing",
    Health.NOT_LIVING: "THE DESK DOES NOT LIVE",
    Health.HALTED: "the desk is HALTED",
    Health.BREAK: "RECONCILIATION BREAK",
}


def lines(found: Status, where: str, now: datetime) -> list[str]:
    """The status for people."""
    told = [f"{where}: {TITLES[found.health]}", f"  {found.meaning}"]
    told += [f"  why         {reason}" for reason in found.reasons if reason]
    told += [f"  spreads     {'; '.join(found.spreads)}"] if found.spreads else []
    told.append(f"  mode        {found.mode.value}")
    if found.lease is not None:
        beat = found.lease.heartbeat
        told.append(f"  account     {found.lease.account}, epoch {found.lease.epoch}, {found.lease.holder}")
        told.append(f"  heartbeat   {_moment(found.lease.beat_at, now)}; order stream {beat.stream}")
        told += [f"  last news   {_moment(beat.last_event_at, now)}, from the broker"] if beat.last_event_at else []
    done = found.iteration
    if done:
        money = f"equity {done['equity_usd']:,.2f}, cash {done['cash_usd']:,.2f} dollars"
        told.append(f"  iteration   {done['number']} at {_second(done['at'])} UTC: {money}, {done['positions']} positions")
    told.append(f"  last row    {_when(found.last)}" + (f", number {found.last.seq}, {found.last.kind}" if found.last else ""))
    return told


def as_object(found: Status, where: str, now: datetime) -> dict[str, object]:
    """The status for programs; moments are ISO 8601 in UTC."""
    lease = found.lease
    return {
        "journal": where,
        "health": found.health.value,
        "exit_code": EXIT_CODES[found.health],
        "meaning": found.meaning,
        "reasons": list(found.reasons),
        "mode": found.mode.value,
        "lease": None if lease is None else _lease_object(lease, now),
        "spreads": list(found.spreads),
        "iteration": found.iteration or None,
        "last_row": None if found.last is None else {"seq": found.last.seq, "at": found.last.at, "kind": found.last.kind},
    }


def _lease_object(lease: LeaseState, now: datetime) -> dict[str, object]:
    beat = lease.heartbeat
    return {
        "account": lease.account,
        "epoch": lease.epoch,
        "host": lease.holder.host,
        "pid": lease.holder.pid,
        "started": lease.holder.started.isoformat(),
        "beat_at": lease.beat_at.isoformat(),
        "beat_age_seconds": round((now - lease.beat_at).total_seconds(), 1),
        "until": lease.until.isoformat(),
        "released": lease.released,
        "stream": beat.stream,
        "iterations": beat.iterations,
        "last_event_at": None if beat.last_event_at is None else beat.last_event_at.isoformat(),
    }


def _when(stored: Stored | None) -> str:
    """A row's own time, which in a replay is the replay's."""
    return "never" if stored is None else f"{_second(stored.at)} UTC"


def _second(at: str) -> str:
    return at[:19].replace("T", " ")


def _moment(at: datetime, now: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({_ago((now - at).total_seconds())})"


def _ago(seconds: float) -> str:
    steps = ((90.0, 1, "s"), (5400.0, 60, "min"), (172_800.0, 3600, "h"))
    unit, word = next(((unit, word) for most, unit, word in steps if seconds < most), (86_400, "days"))
    return f"{max(seconds, 0) / unit:.0f} {word} ago"
