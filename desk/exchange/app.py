"""The server: endpoints, keys, access log and stream around one exchange. It listens on loopback only (see `__main__`)."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from desk.exchange import admin
from desk.exchange.accesslog import AccessLog
from desk.exchange.data_routes import DataRoutes
from desk.exchange.page import PAGE, POLICY, page_json
from desk.exchange.rejections import Rejection, not_found, unauthorized
from desk.exchange.routes import TradingRoutes, answer, json_body
from desk.exchange.stream import TradingStream
from desk.exchange.venue import Exchange
from desk.exchange.wire import instant

OPEN_TO_ALL = frozenset({"/", "/page.json", "/healthz"})
LOOPBACK_NAMES = frozenset({b"127.0.0.1", b"localhost"})
Handlers = dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]
log = logging.getLogger(__name__)


class Door:
    """Every HTTP request passes here: keys are checked, a line is logged, and what the request caused is streamed.

    Trade updates leave after the answer has been sent: a client that waits for its order's id before it listens to fills, as
    Lumibot does, sees them in that order.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self.app = app
        self.server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            target = self.app if self._may_enter(scope) else answer(unauthorized())
            await target(scope, receive, note_status)
        finally:
            self._write_line(scope, status)
            self.server.flush()

    def _may_enter(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        if scope["path"] in OPEN_TO_ALL and scope["method"] == "GET":
            # A page elsewhere whose name was pointed at loopback comes with its own name, and gets nothing.
            return headers.get(b"host", b"").rpartition(b":")[0] in LOOPBACK_NAMES
        key, secret = (headers.get(name, b"").decode("latin-1") for name in (b"apca-api-key-id", b"apca-api-secret-key"))
        return self.server.is_key(key, secret)

    def _write_line(self, scope: Scope, status: int) -> None:
        query = scope["query_string"].decode("latin-1")
        self.server.log.write(
            at=instant(self.server.exchange.now),
            method=scope["method"],
            path=scope["path"],
            query=query or None,
            status=status,
            client_order_id=scope.get("client_order_id"),
        )


class Server:
    """One exchange with its app. `on_shutdown` is called when a client asks the server to stop; `on_save` to save."""

    def __init__(
        self, exchange: Exchange, access_log: AccessLog, on_save: Callable[[], None], on_shutdown: Callable[[], None]
    ) -> None:
        self.exchange = exchange
        self.log = access_log
        self.stream = TradingStream(self.is_key, access_log)
        self._on_save = on_save
        self._on_shutdown = on_shutdown

    def is_key(self, key: object, secret: object) -> bool:
        config = self.exchange.config
        return _same(key, config.api_key) and _same(secret, config.api_secret)

    def flush(self) -> None:
        """Stream what happened since the last call."""
        events, self.exchange.outbox = self.exchange.outbox, []
        for serial, event in events:
            self.stream.publish(serial, event)

    def app(self) -> ASGIApp:
        routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/page.json", self._page_data, methods=["GET"]),
            Route("/healthz", self._health, methods=["GET"]),
            WebSocketRoute("/stream", self._stream),
            Route("/admin/advance", self._advance, methods=["POST"]),
            Route("/admin/status", self._status, methods=["GET"]),
            Route("/admin/report", self._report, methods=["GET"]),
            Route("/admin/save", self._save, methods=["POST"]),
            Route("/admin/shutdown", self._shutdown, methods=["POST"]),
            *TradingRoutes(self.exchange).routes(),
            *DataRoutes(self.exchange).routes(),
        ]
        handlers: Handlers = {404: _no_such_path, 405: _no_such_method, Exception: _bug}
        plain = FastAPI(routes=routes, openapi_url=None, docs_url=None, redoc_url=None, exception_handlers=handlers)
        return Door(plain, self)

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

    async def _page_data(self, request: Request) -> Response:
        return answer(page_json(self.exchange))

    async def _health(self, request: Request) -> Response:
        return answer({"status": "ok", "now": instant(self.exchange.now)})

    async def _stream(self, socket: WebSocket) -> None:
        await self.stream.serve(socket, lambda: self.exchange.now)

    async def _advance(self, request: Request) -> Response:
        return answer(admin.advance(self.exchange, await json_body(request)))

    async def _status(self, request: Request) -> Response:
        return answer(admin.status(self.exchange, self.stream.listeners))

    async def _report(self, request: Request) -> Response:
        return answer(admin.report(self.exchange))

    async def _save(self, request: Request) -> Response:
        try:
            self._on_save()
        except OSError as error:
            return answer(Rejection(500, 50010000, f"the state was not saved: {error.strerror}"))
        return answer({"saved": self.exchange.config.state_file is not None, "now": instant(self.exchange.now)})

    async def _shutdown(self, request: Request) -> Response:
        self._on_shutdown()
        return answer({"stopping": True})


def _same(given: object, wanted: str) -> bool:
    """Compare without telling by the time taken how much was right; an exchange without keys lets nobody in."""
    return bool(wanted) and isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())


async def _no_such_path(request: Request, error: Exception) -> Response:
    return answer(not_found("endpoint not found"))


async def _no_such_method(request: Request, error: Exception) -> Response:
    return answer(Rejection(405, 40510000, "method not allowed"))


async def _bug(request: Request, error: Exception) -> Response:
    log.error("request %s %s failed", request.method, request.url.path, exc_info=error)
    return answer(Rejection(500, 50010000, "internal server error occurred"))
