"""Running an exchange as a server: build it from its settings, listen, pace its clock, bound what comes in, save at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.data.source import Source
from desk.domain.errors import ConfigurationError
from desk.exchange import state
from desk.exchange.api.accesslog import AccessLog
from desk.exchange.api.answers import LARGEST_BODY, answer
from desk.exchange.api.app import Server
from desk.exchange.config import ExchangeConfig
from desk.exchange.faults.load import load_faults
from desk.exchange.pacer import Paced, Pacer
from desk.exchange.protocol import BoundedProtocol
from desk.exchange.rules.rejections import Rejection
from desk.exchange.venue import Exchange

LOOPBACK = "127.0.0.1"
# Connections and requests at the same time; what comes beyond gets a 503.
MOST_AT_ONCE = 500
LARGEST_STREAM_MESSAGE = 64 * 1024
TOO_LARGE = Rejection(413, 41310000, "request body is too large, at most 1 MiB")
log = logging.getLogger(__name__)


def environment() -> Mapping[str, str]:
    """Where keys are given."""
    return os.environ


def build(config: ExchangeConfig, source: Source | None = None) -> Exchange:
    """The exchange of `config`, resumed when its state file exists; saved once, to see that it can be. ConfigurationError."""
    faults = () if config.faults is None else load_faults(config.faults)
    exchange = Exchange(config, source or load(config.source))
    exchange.faults.extend(faults)
    if config.state_file is not None:
        if config.state_file.exists():
            state.resume(exchange, config.state_file)
        try:
            state.save(exchange, config.state_file)
        except OSError as error:
            reason = f"not writable ({error.strerror}); give another path"
            raise ConfigurationError(f"state_file {config.state_file}: {reason}") from error
    return exchange


def load(source: str) -> Source:
    """The bundled market or a data directory."""
    if source == "bundled":
        from desk.data.bundled import load_bundled

        return load_bundled()
    from desk.data.directory import load_directory

    if not Path(source).is_dir():
        raise ConfigurationError(f'source {source}: no such directory; give a directory with price files, or "bundled"')
    return load_directory(Path(source))


def listen(port: int, host: str = LOOPBACK) -> socket.socket:
    """A listening socket. Raises ConfigurationError when the port or the address is not to be had."""
    # The protocol is named so that asyncio switches Nagle's algorithm off (it looks at it); every answer would take 40 ms else.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # before the address is told: who comes early waits instead of being turned away
    except OSError as error:
        listener.close()
        place = f"port {port}" if host == LOOPBACK else f"host {host}, port {port}"
        raise ConfigurationError(
            f"{place}: cannot be used ({error.strerror}); give another port, or 0 for any free one"
        ) from error
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. Raises ConfigurationError for what is no address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        raise ConfigurationError(f"host {host}: is no IP address; give one such as 127.0.0.1") from None


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass(frozen=True)
class Stop:
    """Asks a server to leave; safe from any thread, before it runs as well as while it does."""

    asked: threading.Event

    def __call__(self) -> None:
        self.asked.set()


def serve(
    exchange: Exchange,
    listener: socket.socket,
    stop: Stop,
    on_ready: Callable[[], None],
    is_open_to_network: bool = False,
) -> None:
    """Serve until `stop`, a signal or a client's shutdown; the state is saved then. Raises OSError when it cannot be.

    `on_ready` is called when nothing is in the way any more; who connects from then on is answered.
    """
    config = exchange.config
    access_log = AccessLog(config.access_log)

    def save() -> None:
        if config.state_file is not None:
            state.save(exchange, config.state_file)

    server = Server(exchange, access_log, save, stop, wall=time.time, is_open_to_network=is_open_to_network)
    paced = Paced(lambda: exchange.now, exchange.advance, server.flush, lambda: exchange.sessions.end, exchange.next_due)
    pacer = Pacer(paced, config.speed)
    on_ready()
    try:
        # uvicorn passes Ctrl-C on when it has closed down in order; for us that is the end and no error.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(Bounded(Punctual(server.app(), pacer.catch_up)), listener, pacer, stop))
    finally:
        save()
        access_log.close()


async def _run(app: ASGIApp, listener: socket.socket, pacer: Pacer, stop: Stop) -> None:
    runner = uvicorn.Server(
        uvicorn.Config(
            app,
            interface="asgi3",
            proxy_headers=False,
            http=BoundedProtocol,
            ws="websockets-sansio",
            ws_max_size=LARGEST_STREAM_MESSAGE,
            lifespan="off",
            access_log=False,
            log_level="warning",
            limit_concurrency=MOST_AT_ONCE,
            timeout_graceful_shutdown=2,
            ws_ping_interval=None,
            server_header=False,
            date_header=False,
        )
    )

    def end(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            log.error("the clock stopped, and so does the exchange", exc_info=done.exception())
            stop()

    tasks = [asyncio.create_task(pacer.run()), asyncio.create_task(_obey(stop, runner))]
    tasks[0].add_done_callback(end)
    try:
        await runner.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()


async def _obey(stop: Stop, runner: uvicorn.Server) -> None:
    while not stop.asked.is_set():
        await asyncio.sleep(0.02)
    runner.should_exit = True


class Bounded:
    """Reads a request's body before anything else does, and refuses one that is too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read(scope, receive)
        if body is None:
            await answer(TOO_LARGE)(scope, receive, _closing(send))
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


class Punctual:
    """Brings the clock to the present before a request is looked at."""

    def __init__(self, app: ASGIApp, catch_up: Callable[[], None]) -> None:
        self._app = app
        self._catch_up = catch_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._catch_up()
        await self._app(scope, receive, send)


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None when it is too large."""
    said = dict(scope["headers"]).get(b"content-length", b"0")
    if not said.isdigit() or int(said) > LARGEST_BODY:
        return None
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _closing(send: Send) -> Send:
    """The rest of what is refused stays unread, so the connection is of no further use."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing
