"""A websocket server whose every connection is scripted, and a diary of what a TradeStream makes of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from socket import SHUT_RDWR
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_timing import StreamTiming
from desk.brokers.trade_stream import StateName, StreamHandlers, StreamState, TradeStream

PATIENCE_SECONDS = 30.0
KEYS = Endpoint("a-key", "a-secret")
# Short enough for a test, and without regular resyncs and clock jumps, which have tests of their own.
QUICK = StreamTiming(
    resync_seconds=1000.0,
    close_seconds=0.2,
    look_seconds=0.05,
    first_retry_seconds=0.01,
    longest_retry_seconds=0.05,
    refused_seconds=0.05,
)


class MutableConnection(ServerConnection):
    """Once `is_mute`, nothing leaves any more, not even a pong: the socket is open, and nobody is there."""

    is_mute = False

    def send_data(self) -> None:
        if self.is_mute:
            self.protocol.data_to_send()
        else:
            super().send_data()


class Visit:
    """The server's side of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection

    def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(PATIENCE_SECONDS))
        return message

    def say(self, stream: str, as_text: bool = False, **data: object) -> None:
        text = json.dumps({"stream": stream, "data": data})
        self.connection.send(text if as_text else text.encode())

    def authorize(self) -> None:
        self.hear()
        self.say("authorization", status="authorized", action="authenticate")

    def welcome(self) -> None:
        self.authorize()
        self.hear()
        self.say("listening", streams=["trade_updates"])

    def update(self, number: int, as_text: bool = False) -> None:
        self.say("trade_updates", as_text, number=number)

    def mute(self) -> None:
        assert isinstance(self.connection, MutableConnection)
        self.connection.is_mute = True

    def break_off(self) -> None:
        """As a network does it, without a word."""
        self.connection.socket.shutdown(SHUT_RDWR)

    def stay(self) -> None:
        """Until the client goes, whatever it says."""
        with suppress(ConnectionClosed):
            while True:
                self.connection.recv()


Talk = Callable[[Visit], None]


def plainly(visit: Visit) -> None:
    """A server without oddities, which says update 9 so that a test sees the connection live."""
    visit.welcome()
    visit.update(9)
    visit.stay()


def updates(visit: Visit, *numbers: int, as_text: bool = False) -> None:
    visit.welcome()
    for number in numbers:
        visit.update(number, as_text)
    visit.stay()


def then_break_off(visit: Visit, *numbers: int) -> None:
    visit.welcome()
    for number in numbers:
        visit.update(number)
    visit.break_off()


class StreamServer:
    """Talks to its visitors by `talks`, one each, the last of them to everybody after. A number refuses with that HTTP status."""

    def __init__(self, talks: Sequence[Talk | int]) -> None:
        self._talks = talks
        self._connections: list[ServerConnection] = []
        self.asked = 0
        self.before_answer: Callable[[], None] = lambda: None
        self._server: Server = serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            create_connection=MutableConnection,
            ping_interval=None,
            close_timeout=0.2,
        )
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/stream"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.before_answer()
        talk = self._talks[min(self.asked, len(self._talks) - 1)]
        self.asked += 1
        connection.talk = talk  # type: ignore[attr-defined]  # a note for _serve
        return connection.respond(HTTPStatus(talk), "no\n") if isinstance(talk, int) else None

    def _serve(self, connection: ServerConnection) -> None:
        self._connections.append(connection)
        with suppress(ConnectionClosed):
            connection.talk(Visit(connection))  # type: ignore[attr-defined]  # see _admit

    def close(self) -> None:
        self._server.shutdown()
        for connection in self._connections:
            connection.close_socket()  # a visitor that never leaves would keep its thread alive
        self._thread.join()


@dataclass(frozen=True)
class Trouble:
    text: str
    raw: bytes


class Clocks:
    """The machine's clocks, each of which a test can move."""

    def __init__(self) -> None:
        self.wall_ahead_seconds = 0.0
        self.both_ahead_seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.wall_ahead_seconds + self.both_ahead_seconds, UTC)

    def monotonic(self) -> float:
        return time.monotonic() + self.both_ahead_seconds


class Diary:
    """Writes down, in order, what a stream calls: "connected", "resync", update numbers, Trouble and StreamState."""

    def __init__(self, endpoint: Endpoint, timing: StreamTiming = QUICK) -> None:
        self.entries: list[Any] = []
        self.fail_connected = 0  # so many times
        self.fail_resync = 0
        self.during_connected: Callable[[], None] = lambda: None
        self.during_state: Callable[[StreamState], None] = lambda state: None
        self.during_message: Callable[[dict[str, Any]], None] = lambda message: None
        self._changed = threading.Condition()
        handlers = StreamHandlers(self._message, self._connected, self._resync, self._trouble, self._state)
        self.clocks = Clocks()
        self.stream = TradeStream(
            endpoint,
            handlers,
            now=self.clocks.now,
            monotonic=self.clocks.monotonic,
            generator=np.random.default_rng(7),
            timing=timing,
        )
        self.thread = threading.Thread(target=self.stream.run)

    def write(self, entry: object) -> None:
        with self._changed:
            self.entries.append(entry)
            self._changed.notify_all()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE_SECONDS), self.entries

    def wait_for(self, entry: object, times: int = 1) -> None:
        self.wait_until(lambda: self.entries.count(entry) >= times)

    def wait_for_state(self, name: StateName, reason: str = "") -> None:
        self.wait_until(lambda: any(state.name is name and reason in state.reason for state in self.states))

    @property
    def states(self) -> list[StreamState]:
        return [entry for entry in self.entries if isinstance(entry, StreamState)]

    @property
    def troubles(self) -> list[Trouble]:
        return [entry for entry in self.entries if isinstance(entry, Trouble)]

    @property
    def story(self) -> list[Any]:
        """Without troubles; states by their names."""
        plain = [entry for entry in self.entries if not isinstance(entry, Trouble)]
        return [str(entry.name) if isinstance(entry, StreamState) else entry for entry in plain]

    def stop(self) -> None:
        self.stream.stop()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()

    def _message(self, message: dict[str, Any]) -> None:
        data = message["data"]
        self.write(data.get("number", data.get("event")))
        self.during_message(message)

    def _state(self, state: StreamState) -> None:
        self.write(state)
        self.during_state(state)

    def _connected(self) -> None:
        self.write("connected")
        self.during_connected()
        if self.fail_connected:
            self.fail_connected -= 1
            raise ConnectionError("REST does not answer")

    def _resync(self) -> None:
        self.write("resync")
        if self.fail_resync:
            self.fail_resync -= 1
            raise ConnectionError("REST does not answer")

    def _trouble(self, text: str, raw: bytes) -> None:
        self.write(Trouble(text, raw))


@contextmanager
def served(*talks: Talk | int) -> Iterator[StreamServer]:
    server = StreamServer(talks)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def kept(diary: Diary) -> Iterator[Diary]:
    """Runs the diary's stream as long as the block lasts."""
    diary.thread.start()
    try:
        yield diary
    finally:
        diary.stop()


@contextmanager
def followed(*talks: Talk | int, timing: StreamTiming = QUICK) -> Iterator[Diary]:
    """A stream at a server of these talks."""
    with served(*talks) as server, kept(Diary(at(server.url), timing)) as diary:
        yield diary


def at(url: str) -> Endpoint:
    return Endpoint(KEYS.api_key, KEYS.api_secret, stream_url=url)
