"""The heartbeat: tells through the journal's lease how the desk is, and notices when nothing iterates any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread
from zoneinfo import ZoneInfo

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.stream_timing import ClockWatch
from desk.core.ports import Clock, Journal
from desk.domain.errors import DeskError
from desk.domain.journal import IterationSkipped
from desk.journal.errors import LeaseLost
from desk.journal.lease import Heartbeat, WriterLease
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock, stopwatch
from desk.runtime.desk import Desk

log = logging.getLogger(__name__)
NEW_YORK = ZoneInfo("America/New_York")
UNITS = {"S": timedelta(seconds=1), "M": timedelta(minutes=1), "T": timedelta(minutes=1), "H": timedelta(hours=1)}
Session = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds of real time: between two beats, that the lease lasts, that an iteration may be late or take, and between the looks
    at the broker before a difference is believed.

    A gap of `jump_seconds` between the machine's two clocks means that it slept, or that its clock was set.
    """

    beat_seconds: float = 5.0
    lease_seconds: float = 20.0
    patience_seconds: float = 300.0
    jump_seconds: float = 60.0
    looks_seconds: Sequence[float] = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a beat asks of a living run; each is called from the heartbeat's or the desk's thread and must not wait.

    stream() is the order stream in a word, and when it last brought news. overdue() is the moment by which an iteration should
    have been done when that has passed (aware), None while all is well. woken() hears that the machine slept.
    """

    stream: Callable[[], tuple[str, datetime | None]]
    overdue: Callable[[], datetime | None] = lambda: None
    woken: Callable[[], None] = lambda: None


def due_by(sleeptime: str, last: datetime, session: Session | None, patience_seconds: float) -> datetime | None:
    """When the iteration after `last` should be done at the latest, None when the market is closed or none comes in `session`.

    Lumibot counts seconds, minutes and hours from the opening on; with days it iterates every so many days at the same time.
    """
    if session is None:
        return None
    patience = timedelta(seconds=patience_seconds)
    count, unit = int(sleeptime[:-1]), sleeptime[-1].upper()
    if unit in UNITS:
        return max(last, session[0]) + count * UNITS[unit] + patience
    then, day = last.astimezone(NEW_YORK), session[0].astimezone(NEW_YORK).date()
    days = (day - then.date()).days
    if days <= 0 or days % count:
        return None
    return datetime.combine(day, then.timetz()) + patience


def stream_of(broker: DeskAlpaca) -> tuple[str, datetime | None]:
    """The order stream for `Vitals`."""
    state = broker.stream_state
    return state.name.value, state.last_message_at


def pulse_of(desk: Desk, journal: Journal, rhythm: Rhythm) -> HeartbeatThread | None:
    """The heartbeat of a desk; None for a dry run, which has no journal of its own to beat in."""
    if not isinstance(journal, SqlJournal):
        return None
    return HeartbeatThread(desk, journal.lease, (SystemClock(), stopwatch), rhythm)


class HeartbeatThread:
    """Has the desk's thread beat the lease, so that a desk thread that hangs shows. Stopping never waits for a beat.

    `lost` is the LeaseLost that a beat met: another process trades, and this one must end without writing.
    """

    def __init__(self, desk: Desk, lease: WriterLease, clocks: tuple[Clock, Callable[[], float]], rhythm: Rhythm) -> None:
        """`clocks` are the machine's own, wall and monotonic, also where the desk plays an old market."""
        self._desk = desk
        self._lease = lease
        self._wall, monotonic = clocks
        self._rhythm = rhythm
        self._watch = ClockWatch(self._wall.now, monotonic, rhythm.jump_seconds)
        self._vitals = Vitals(lambda: ("starting", None))
        self._stopped = Event()
        self._handed_over = False
        self._was_due: datetime | None = None
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)
        self.lost: LeaseLost | None = None

    def start(self) -> None:
        self._thread.start()

    def follow(self, vitals: Vitals) -> None:
        """From now on tell of a run that lives."""
        self._vitals = vitals

    def stop(self) -> None:
        """No beat begins after this returns; one in the desk's thread ends with what was handed to it before."""
        self._stopped.set()
        self._thread.join(self._rhythm.beat_seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._tick()
            except Exception as error:
                log.exception("the heartbeat met an error")
                self._desk.trouble(f"the heartbeat met an error: {error!r}")
            self._stopped.wait(self._rhythm.beat_seconds)

    def _tick(self) -> None:
        # A desk thread that hangs gets no second beat: the lease runs out, and `desk status` says that it hangs.
        if not self._handed_over:
            self._handed_over = True
            self._desk.hand_over(self._beat)
        if self._watch.look():
            self._wake()
        self._check_iterations()

    def _beat(self) -> None:
        self._handed_over = False
        if self._stopped.is_set() or self.lost is not None:
            return
        stream, last_event_at = self._vitals.stream()
        beat = Heartbeat(self._desk.mode, self._desk.iterations, stream, last_event_at)
        try:
            self._lease.beat(self._wall.now(), self._rhythm.lease_seconds, beat)
        except LeaseLost as error:
            self.lost = error
            with suppress(DeskError):  # the halt holds; to write it down is no longer this desk's right
                self._desk.halt(str(error))

    def _wake(self) -> None:
        reason = "the machine slept, or its clock was set: iterations that were due meanwhile did not run"
        self._desk.hand_over(lambda: self._desk.record(IterationSkipped(reason)))
        self._vitals.woken()

    def _check_iterations(self) -> None:
        due = self._vitals.overdue()
        if due is None or due == self._was_due:
            return
        self._was_due = due
        self._desk.trouble(
            f"no iteration was done by {due:%Y-%m-%d %H:%M:%S} UTC, when one was due at the latest: Lumibot's scheduler died or "
            "an iteration hangs. Stop this process and start it again"
        )
