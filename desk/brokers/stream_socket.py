"""One connection to a trade-updates stream: opened, authorised, listening, and read message by message.

The protocol is https://docs.alpaca.markets/docs/websocket-streaming: JSON in binary frames on paper, in text frames elsewhere.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect

from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_timing import StreamTiming

TRADE_UPDATES = "trade_updates"
PAPER_ADDRESS = "wss://paper-api.alpaca.markets/stream"
LIVE_ADDRESS = "wss://api.alpaca.markets/stream"
TOO_MANY_REQUESTS = 429

# At level DEBUG the library logs every frame, and the first one holds the secret.
_library_log = logging.getLogger(f"{__name__}.frames")
_library_log.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Setback:
    """Why there is no stream, in words for a person. `needs_person`: time alone will not mend it."""

    reason: str
    needs_person: bool = False
    is_known: bool = True


class StreamBroken(Exception):
    """The connection is of no use any more."""

    def __init__(self, setback: Setback) -> None:
        super().__init__(setback.reason)
        self.setback = setback


KEYS_REFUSED = Setback(
    "the broker refuses the API key; check the key, its secret, and whether they are those of the paper or the live account",
    needs_person=True,
)
SLOT_TAKEN = Setback(
    "another connection holds the account's only place on the trade-updates stream: a second program with the same keys, "
    "or an earlier connection that the broker has not given up yet"
)
STATUS_SETBACKS = {401: KEYS_REFUSED, 403: KEYS_REFUSED, TOO_MANY_REQUESTS: SLOT_TAKEN}


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, `{"stream": ..., "data": {...}}`, and the frame that it came in."""

    message: dict[str, Any]
    raw: bytes


def address_of(endpoint: Endpoint) -> str:
    return endpoint.stream_url or (PAPER_ADDRESS if endpoint.is_paper else LIVE_ADDRESS)


def is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def setback_of(error: Exception) -> Setback:
    """What an exception of this module or of the library means."""
    if isinstance(error, StreamBroken):
        return error.setback
    if isinstance(error, InvalidStatus):
        return STATUS_SETBACKS.get(error.response.status_code, Setback(f"the broker answered: {error}"))
    if isinstance(error, InvalidURI):
        return Setback(f"stream_url: {error}; write it as wss://host/path", needs_person=True)
    return Setback(f"{type(error).__name__}: {error}", is_known=isinstance(error, OSError | WebSocketException))


def start_opening(address: str, timing: StreamTiming) -> Future[ClientConnection]:
    """Connect in a thread of its own. Cancelling the answer ends the wait for it; a connection that comes too late is closed.

    A thread, because nothing else can interrupt a name lookup, which has no time limit either.
    """
    pending: Future[ClientConnection] = Future()
    Thread(target=_open_into, args=(pending, address, timing), name="trade-stream-open", daemon=True).start()
    return pending


def opened(pending: Future[ClientConnection], timing: StreamTiming) -> ClientConnection:
    """Wait for the connection. Raises CancelledError when somebody cancelled it, else what `setback_of` knows."""
    try:
        return pending.result(timing.open_seconds)
    except TimeoutError:
        if pending.cancel():
            raise StreamBroken(Setback(f"no connection within {timing.open_seconds:g} seconds")) from None
        return pending.result()


def _open_into(pending: Future[ClientConnection], address: str, timing: StreamTiming) -> None:
    try:
        connection = _connection(address, timing)
    except BaseException as error:
        if pending.set_running_or_notify_cancel():
            pending.set_exception(error)
        return
    if pending.set_running_or_notify_cancel():
        pending.set_result(connection)
    else:
        # Left open it would hold the account's only place.
        connection.close()


def _connection(address: str, timing: StreamTiming) -> ClientConnection:
    return connect(
        address,
        # The exchange on this machine must be reached directly, whatever proxy the environment names.
        proxy=None if is_loopback(address) else True,
        open_timeout=timing.open_seconds,
        ping_interval=timing.ping_seconds,
        ping_timeout=timing.pong_seconds,
        close_timeout=timing.close_seconds,
        # With a full queue the library would not read pongs either: a slow resync would look like a dead connection.
        max_queue=None,
        logger=_library_log,
    )


class TradeSocket:
    """A connection that is spoken to by one thread. What cannot be understood goes to `on_trouble(text, frame)`.

    Every method raises StreamBroken, or an error of the library, when the connection is of no use.
    """

    def __init__(
        self,
        connection: ClientConnection,
        on_trouble: Callable[[str, bytes], None],
        monotonic: Callable[[], float],
        answer_seconds: float,
    ) -> None:
        self._connection = connection
        self._on_trouble = on_trouble
        self._monotonic = monotonic
        self._answer_seconds = answer_seconds
        self._early: deque[Heard] = deque()

    def authenticate(self, endpoint: Endpoint) -> None:
        self._say("authenticate", key_id=endpoint.api_key, secret_key=endpoint.api_secret)
        self._wait_for_answer("authorization", "authenticate")

    def listen(self) -> None:
        self._say("listen", streams=[TRADE_UPDATES])
        self._wait_for_answer("listening", "listen")

    def read(self, timeout_seconds: float) -> Heard | None:
        """The next trade update; None when the time ran out or something else came."""
        if self._early:
            return self._early.popleft()
        heard = self._next(timeout_seconds)
        return heard if heard is not None and self._is_update(heard) else None

    def check_open(self) -> None:
        """For who does not want to read yet."""
        if self._connection.state is not State.OPEN:
            raise StreamBroken(Setback("the connection broke"))

    def _say(self, action: str, **data: object) -> None:
        self._connection.send(json.dumps({"action": action, "data": data}))

    def _wait_for_answer(self, stream: str, action: str) -> None:
        deadline = self._monotonic() + self._answer_seconds
        while (left_seconds := deadline - self._monotonic()) > 0:
            heard = self._next(left_seconds)
            if heard is None:
                continue
            if self._is_update(heard):
                self._early.append(heard)
            elif heard.message.get("stream") == stream:
                return
        raise StreamBroken(Setback(f"the broker did not answer {action!r} within {self._answer_seconds:g} seconds"))

    def _next(self, timeout_seconds: float) -> Heard | None:
        try:
            # As bytes: the library would end the connection over text that is not UTF-8.
            raw = self._connection.recv(timeout_seconds, decode=False)
        except TimeoutError:
            return None
        try:
            return Heard(decoded(raw), raw)
        except ValueError as error:
            self._on_trouble(f"a frame of the trade-updates stream could not be read: {error}", raw)
            return None

    def _is_update(self, heard: Heard) -> bool:
        stream = str(heard.message.get("stream"))
        if stream == TRADE_UPDATES:
            return True
        check = CHECKS.get(stream)
        if check is None:
            self._on_trouble("a message of the trade-updates stream is of no known kind", heard.raw)
        else:
            data = heard.message.get("data")
            check(data if isinstance(data, Mapping) else {})
        return False


def decoded(raw: bytes) -> dict[str, Any]:
    """The JSON object in a frame. Raises ValueError for everything else."""
    try:
        message = json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError(f"a JSON {type(message).__name__} where an object belongs")
    return message


def _check_authorization(data: Mapping[str, Any]) -> None:
    if data.get("status") == "authorized":
        return
    if "connection limit" in str(data.get("message", "")).lower():
        raise StreamBroken(SLOT_TAKEN)
    if data.get("status") == "unauthorized":
        raise StreamBroken(KEYS_REFUSED)
    raise StreamBroken(Setback(f"the broker's answer about the authorization was {dict(data)}"))


def _check_listening(data: Mapping[str, Any]) -> None:
    streams = data.get("streams")
    if not isinstance(streams, list) or TRADE_UPDATES not in streams:
        raise StreamBroken(Setback(f"the broker does not send {TRADE_UPDATES}; it said that it sends {streams}"))


# They hold as long as the connection does: a server may take back later what it granted.
CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "authorization": _check_authorization,
    "listening": _check_listening,
}
