"""The stage of a replay: the exchange's clock, and the barrier that lets it move only when everybody has finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event
from typing import Any

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.resync import LOST_AFTER
from desk.domain.errors import BrokerUnreachable
from desk.exchange.admin_client import AdminClient
from desk.runtime.catching_up import TRUTH_TIMEOUT_SECONDS, CatchingUp
from desk.runtime.clock import VirtualClock, stopwatch, wait_seconds
from desk.runtime.desk import Desk
from desk.runtime.guardian import Guardian

# Longer than any hiccup of a loaded machine, short enough that a lost update is noticed while somebody still watches.
SETTLE_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 2.0
LOOK_SECONDS = 0.5
# Where updates are known to get lost, asking costs less than waiting.
FAULTY_LOOK_SECONDS = 0.25
NEXT_INSTANT = timedelta(seconds=1)
# Wall-clock length of one slice when a replay runs at a stated speed.
SLICE_SECONDS = 0.05


class Stage:
    """Moves virtual time. `speed` is virtual seconds a wall-clock second, None for as fast as it goes."""

    def __init__(self, admin: AdminClient, clock: VirtualClock, desk: Desk, stop: Event, speed: float | None = None) -> None:
        self._admin = admin
        self._clock = clock
        self._desk = desk
        self._stop = stop
        self._speed = speed
        self._broker: DeskAlpaca | None = None
        self._catching_up: CatchingUp | None = None
        self._emitted = 0
        self._sent = 0
        self._process_queue: Callable[[], Any] = lambda: None
        self._guardian: Guardian | None = None

    def watch_with(self, guardian: Guardian) -> None:
        """Have `guardian` look whenever it is due, before time goes on."""
        self._guardian = guardian

    def attach(self, broker: DeskAlpaca) -> None:
        """Wait until the broker's stream listens, then count events from there."""
        self._broker = broker
        deadline = stopwatch() + SETTLE_TIMEOUT_SECONDS
        while not (broker.is_stream_running() and self._admin.status()["listeners"] > 0):
            if stopwatch() > deadline:
                raise BrokerUnreachable(
                    "the exchange's trade-update stream did not come up; see exchange.log in the run's folder"
                )
            wait_seconds(0.01)
        self._emitted = int(self._admin.status()["events_emitted"])
        broker.updates.start_at(self._emitted)
        self._catching_up = CatchingUp(self._admin, broker)

    def on_settle(self, process_queue: Callable[[], Any]) -> None:
        self._process_queue = process_queue

    @property
    def is_stopped(self) -> bool:
        return self._stop.is_set()

    def save(self) -> None:
        """Have the exchange save its state: were it killed, a resumed run would find this session's end."""
        if not self.is_stopped:
            self._admin.save()

    def now(self) -> datetime:
        return self._clock.now()

    def move_to(self, moment: datetime) -> None:
        """Advance to `moment`, settling after every instant at which the exchange had news. Returns early when stopped."""
        while not self.is_stopped and self._clock.now() < moment:
            if self._guardian is not None and self._guardian.look_if_due():
                self.settle()
            advanced = self._admin.advance(self._slice_end(self._guarded_end(moment)))
            self._clock.move_to(advanced.now)
            self._emitted = advanced.events_emitted
            self.settle()

    def _guarded_end(self, moment: datetime) -> datetime:
        """The next moment at which the guardian looks, or the broker is to be asked again, if that is before `moment`."""
        now = self._clock.now()
        due = None if self._guardian is None else self._guardian.next_look(now)
        if self._broker is not None and self._broker.has_doubts:
            # A live stream looks regularly; here a cover that never arrived would else be missed until the next event.
            moment = min(moment, now + LOST_AFTER + NEXT_INSTANT)
        # What a look could not do at this instant, since it had been asked for in the same second, say, it does at the next.
        return moment if due is None else min(moment, max(due, now + NEXT_INSTANT))

    def _slice_end(self, moment: datetime) -> datetime:
        if self._speed is None:
            return moment
        wait_seconds(SLICE_SECONDS)
        return min(moment, self._clock.now() + timedelta(seconds=self._speed * SLICE_SECONDS))

    def _hear(self, broker: DeskAlpaca, catching_up: CatchingUp) -> None:
        """Return when every update is dealt with, or what it told was asked for; raises BrokerUnreachable."""
        if not self._all_came(broker, catching_up) or catching_up.is_called_for():
            self._emitted = catching_up.run(STOP_TIMEOUT_SECONDS if self.is_stopped else TRUTH_TIMEOUT_SECONDS)

    def _all_came(self, broker: DeskAlpaca, catching_up: CatchingUp) -> bool:
        """Whether every update comes in time. Without faults the wait is long: news by another way would be other news.

        A person who asks to stop does not wait for a stream that hangs.
        """
        waited = 0.0
        look_seconds = FAULTY_LOOK_SECONDS if catching_up.has_faults else LOOK_SECONDS
        while not broker.updates.wait(self._emitted, look_seconds):
            waited += look_seconds
            if catching_up.was_cut_off or catching_up.learn():
                return False
            if waited >= (STOP_TIMEOUT_SECONDS if self.is_stopped else SETTLE_TIMEOUT_SECONDS):
                return False
        return True

    def settle(self) -> None:
        """Return when every order is sent, every update emitted so far is dealt with, and every callback has run.

        Updates that were lost are made up for by a look at the broker. Raises BrokerUnreachable when it does not answer.
        """
        broker, catching_up = self._broker, self._catching_up
        if broker is None or catching_up is None:
            return
        while True:
            broker._orders_queue.join()
            sent = broker.sent
            if sent != self._sent:
                # The clock stands still, so only what was sent since the last look can have made news.
                self._sent, self._emitted = sent, int(self._admin.status()["events_emitted"])
            self._hear(broker, catching_up)
            self._desk.drain()
            self._process_queue()
            if broker._orders_queue.unfinished_tasks == 0 and broker.sent == self._sent:
                return
