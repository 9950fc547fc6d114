"""The supervised trade-updates stream: it connects again, says how it stands, and has the desk look at the broker's truth.

alpaca-py's own stream goes on for ever with wrong keys, takes any answer for the one it wanted, drops messages that it cannot
read, and never learns what it missed. Alpaca sends nothing twice, so every new connection is followed by a resync.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from threading import Event
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection

from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_socket import (
    Heard,
    Setback,
    StreamBroken,
    TradeSocket,
    address_of,
    opened,
    setback_of,
    start_opening,
)
from desk.brokers.stream_timing import Backoff, ClockWatch, StreamTiming

log = logging.getLogger(__name__)

CLOCK_JUMPED = Setback("the machine slept, or its clock was set: what came meanwhile may be lost")


class StateName(StrEnum):
    CONNECTING = "connecting"
    LISTENING = "listening"  # updates come, and the last resync was complete
    WAITING = "waiting"  # for the next try, of a connection or of a resync
    REFUSED = "refused"  # a person has to mend something; tried again now and then
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StreamState:
    """How a stream stands. Instants are aware; `connections` counts those that listened; `reason` is for a person."""

    name: StateName
    since: datetime
    connections: int = 0
    last_message_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StreamHandlers:
    """What a stream calls, all in the thread of `run`, one at a time.

    on_connected() brings the journal to the broker's truth on a connection that listens already, before its first message.
    on_resync_due() does the same every `resync_seconds`. Either may raise: that is trouble, and it is tried again soon.
    on_message(message) takes `{"stream": "trade_updates", "data": {...}}`, as it came: twice, late and out of order as well, and
    also what on_connected() has seen already. Whatever it raises is trouble, and the stream goes on.
    on_trouble(text, frame) hears of everything that was lost or not understood; `frame` is b"" when no single one is to blame.
    on_state(state) hears of each new name or reason.
    """

    on_message: Callable[[dict[str, Any]], None]
    on_connected: Callable[[], None]
    on_resync_due: Callable[[], None]
    on_trouble: Callable[[str, bytes], None]
    on_state: Callable[[StreamState], None]


class TradeStream:
    """One account's stream. `run` blocks until `stop`, which any thread may call; so is `state` for any thread.

    `now` and `monotonic` are the machine's clocks, never those of a replay: sockets live in real time. `generator` draws the
    jitter of the delays and belongs to this stream alone. Never have two streams of an account: the broker takes one.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        handlers: StreamHandlers,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        generator: np.random.Generator,
        timing: StreamTiming | None = None,
    ) -> None:
        timing = timing or StreamTiming()
        self._endpoint = endpoint
        self._handlers = handlers
        self._now = now
        self._monotonic = monotonic
        self._timing = timing
        self._connect_delays = Backoff(timing.first_retry_seconds, timing.longest_retry_seconds, generator)
        self._resync_delays = Backoff(timing.first_retry_seconds, timing.longest_retry_seconds, generator)
        self._stopping = Event()
        self._wake: Callable[[], object] = lambda: None
        self._is_synced = False  # whether on_connected() was complete on this connection
        self._resync_at = 0.0
        # Written by the thread of `run` alone; others read the reference, which needs no lock.
        self._state = StreamState(StateName.STOPPED, now(), reason="not started yet")

    @property
    def state(self) -> StreamState:
        return self._state

    def run(self) -> None:
        """Keep the stream up until `stop` is called; nothing that a server or a handler does ends it."""
        reason = "the stream's thread ended"
        try:
            while not self._stopping.is_set():
                self._live_once()
            reason = "stop was asked for"
        finally:
            self._enter(StateName.STOPPED, reason)

    def stop(self) -> None:
        """Have `run` return from whatever it waits for: at once, or within `close_seconds` of a peer that does not answer.

        For good: a stopped stream stays stopped. A handler that is running is not interrupted.
        """
        self._stopping.set()
        self._wake()

    def look_now(self) -> None:
        """Have the resync that is due next done at once; for handlers, which run in the thread of `run`. It raises nothing."""
        self._resync_at = self._monotonic()
        self._resync_if_due()

    # ---- connections -------------------------------------------------------------------------------------------------

    def _live_once(self) -> None:
        """One connection from its opening to its end, and the wait after it."""
        # What went wrong before still stands there: it is why there is a new connection.
        self._enter(StateName.CONNECTING, "" if self._state.name is StateName.STOPPED else self._state.reason)
        try:
            with closing(self._open()) as connection:
                self._converse(TradeSocket(connection, self._trouble, self._monotonic, self._timing.answer_seconds))
        except Exception as error:
            if not self._stopping.is_set():
                self._wait_after(error)

    def _open(self) -> ClientConnection:
        pending = start_opening(address_of(self._endpoint), self._timing)
        self._wake_with(pending.cancel)
        connection = opened(pending, self._timing)
        self._wake_with(connection.close)
        return connection

    def _wake_with(self, wake: Callable[[], object]) -> None:
        """How `stop` ends the wait that comes next; done here when it was called a moment before."""
        self._wake = wake
        if self._stopping.is_set():
            wake()

    def _wait_after(self, error: Exception) -> None:
        setback = setback_of(error)
        if not setback.is_known:
            self._trouble(f"the trade-updates stream met what it does not know: {error!r}", b"")
        name = StateName.REFUSED if setback.needs_person else StateName.WAITING
        delay_seconds = self._timing.refused_seconds if setback.needs_person else self._connect_delays.next_seconds()
        self._enter(name, setback.reason)
        self._stopping.wait(delay_seconds)

    def _converse(self, socket: TradeSocket) -> None:
        socket.authenticate(self._endpoint)
        socket.listen()
        self._state = replace(self._state, connections=self._state.connections + 1)
        began = self._monotonic()
        try:
            self._follow(socket)
        finally:
            if self._monotonic() - began >= self._timing.lived_seconds:
                self._connect_delays.reset()

    # ---- a connection that listens -----------------------------------------------------------------------------------

    def _follow(self, socket: TradeSocket) -> None:
        watch = ClockWatch(self._now, self._monotonic, self._timing.jump_seconds)
        self._is_synced, self._resync_at = False, self._monotonic()
        while not self._stopping.is_set():
            self._resync_if_due()
            wait_seconds = min(max(self._resync_at - self._monotonic(), 0.0), self._timing.look_seconds)
            # Handlers may take their time; a wait may not take much more than it was given.
            jumped = watch.look()
            heard = self._wait_for_message(socket, 0.0 if jumped else wait_seconds)
            jumped = watch.look(wait_seconds) or jumped
            if heard is not None:
                self._hand_over(heard)
            if jumped:
                raise StreamBroken(CLOCK_JUMPED)

    def _resync_if_due(self) -> None:
        if self._monotonic() < self._resync_at:
            return
        try:
            (self._handlers.on_resync_due if self._is_synced else self._handlers.on_connected)()
        except Exception as error:
            self._resync_at = self._monotonic() + self._resync_delays.next_seconds()
            if not self._stopping.is_set():
                self._trouble(f"the broker's truth could not be read: {error!r}", b"")
                self._enter(StateName.WAITING, f"the broker's truth could not be read: {type(error).__name__}: {error}")
            return
        self._resync_delays.reset()
        self._is_synced, self._resync_at = True, self._monotonic() + self._timing.resync_seconds
        self._enter(StateName.LISTENING, "")

    def _wait_for_message(self, socket: TradeSocket, wait_seconds: float) -> Heard | None:
        """Until the first resync is complete, messages stay where they are, and none is lost."""
        if self._is_synced:
            return socket.read(wait_seconds)
        self._stopping.wait(wait_seconds)
        socket.check_open()
        return None

    def _hand_over(self, heard: Heard) -> None:
        self._state = replace(self._state, last_message_at=self._now())
        try:
            self._handlers.on_message(heard.message)
        except Exception as error:
            self._trouble(f"a trade update could not be dealt with: {error!r}", heard.raw)

    # ---- what others hear --------------------------------------------------------------------------------------------

    def _enter(self, name: StateName, reason: str) -> None:
        if (name, reason) == (self._state.name, self._state.reason):
            return
        since = self._state.since if name is self._state.name else self._now()
        self._state = replace(self._state, name=name, since=since, reason=reason)
        try:
            self._handlers.on_state(self._state)
        except Exception as error:
            self._trouble(f"the state {name} of the stream could not be told: {error!r}", b"")

    def _trouble(self, text: str, raw: bytes) -> None:
        try:
            self._handlers.on_trouble(text, raw)
        except Exception:
            log.exception("nobody took this trouble of the trade-updates stream: %s", text)
