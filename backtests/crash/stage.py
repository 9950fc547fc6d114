"""The stage of a schedule: like a replay's, but it expects updates to be lost, and the stream to be down for a while."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.stream_timing import StreamTiming
from desk.domain.errors import BrokerUnreachable
from desk.exchange.admin_client import AdminClient
from desk.runtime.clock import VirtualClock, stopwatch, wait_seconds
from desk.runtime.desk import Desk
from desk.runtime.guardian import Guardian
from desk.runtime.stage import NEXT_INSTANT

# Real time: the longest wait for a stream to come up at the start, for orders to go out, for an update that may be lost.
STREAM_SECONDS, ORDERS_SECONDS, UPDATE_SECONDS, LINK_SECONDS = 4.0, 15.0, 0.15, 0.6
LOOK_SECONDS = 0.002
REGULAR_LOOK = timedelta(seconds=StreamTiming().resync_seconds)
MOST_LOOKS = 30


class PatientStage:
    """Takes the part of `desk.runtime.stage.Stage`. Virtual time moves when the desk has had its chance, not when it is done."""

    is_stopped = False

    def __init__(self, admin: AdminClient, clock: VirtualClock, desk: Desk) -> None:
        self._admin = admin
        self._clock = clock
        self._desk = desk
        self._broker: DeskAlpaca | None = None
        self._process_queue: Callable[[], Any] = lambda: None
        self._sent, self._seen = 0, 0
        self._owes_a_look = True
        self._guardian: Guardian | None = None

    def watch_with(self, guardian: Guardian) -> None:
        """Have `guardian` look whenever it is due."""
        self._guardian = guardian

    def attach(self, broker: DeskAlpaca) -> None:
        """Wait until the stream listens. Raises BrokerUnreachable when it does not come up, as every run does."""
        if not _within(STREAM_SECONDS, broker.is_stream_running):
            raise BrokerUnreachable("the stream did not come up")
        self._broker = broker
        broker.updates.start_at(self._emitted())

    def on_settle(self, process_queue: Callable[[], Any]) -> None:
        self._process_queue = process_queue

    def save(self) -> None:
        """The exchange of a schedule outlives every desk."""

    def now(self) -> datetime:
        return self._clock.now()

    def move_to(self, moment: datetime) -> None:
        """Advance to `moment`, with a chance to react after every instant at which the exchange had news.

        The stream's regular look at the broker is due by real time, in which hours pass here; it is made up for by virtual time.
        """
        while self._clock.now() < moment:
            if self._guardian is not None and self._guardian.look_if_due():
                self.settle()
            is_due = self._owes_a_look
            until = self._guarded_end(moment)
            reached = self._admin.advance(min(until, self._clock.now() + REGULAR_LOOK) if is_due else until)
            self._clock.move_to(reached.now)
            self.settle()
            if is_due and reached.reached:
                self._look()

    def _guarded_end(self, moment: datetime) -> datetime:
        now = self._clock.now()
        due = None if self._guardian is None else self._guardian.next_look(now)
        return moment if due is None else min(moment, max(due, now + NEXT_INSTANT))

    def _look(self) -> None:
        broker = self._broker
        if broker is not None and broker.is_stream_running():
            with suppress(APIError, RequestException):
                broker.resync()
            self.settle()
        # One look says nothing yet of an order that was to be sent a moment ago: a stream that lives looks again and again.
        self._owes_a_look = broker is not None and broker.has_doubts

    def settle(self) -> None:
        """Let orders go out and updates come in; give up on what does not come soon. Raises TimeoutError for orders that hang."""
        broker = self._broker
        if broker is None:
            return
        for _ in range(MOST_LOOKS):
            sent = broker.sent
            self._owes_a_look |= sent != self._sent
            self._sent = sent
            self._wait_for(broker)
            self._desk.drain()
            self._process_queue()
            if broker.sent == sent and not broker._orders_queue.unfinished_tasks:
                return

    def _wait_for(self, broker: DeskAlpaca) -> None:
        if not _within(ORDERS_SECONDS, lambda: not broker._orders_queue.unfinished_tasks):
            raise TimeoutError("orders were not sent in time")
        emitted = self._emitted()
        self._owes_a_look |= emitted != self._seen
        self._seen = emitted
        if not broker.updates.wait(emitted, UPDATE_SECONDS):
            _within(LINK_SECONDS, broker.is_stream_running)
        broker.updates.start_at(emitted)

    def _emitted(self) -> int:
        return int(self._admin.status()["events_emitted"])


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so in time."""
    deadline = stopwatch() + seconds
    while not is_so():
        if stopwatch() > deadline:
            return False
        wait_seconds(LOOK_SECONDS)
    return True
