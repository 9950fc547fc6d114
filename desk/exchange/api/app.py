"""The server: endpoints, keys, limits, faults, access log and streams around one exchange."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.exchange.api.accesslog import AccessLog
from desk.exchange.api.account import AccountRoutes
from desk.exchange.api.activities import ActivityRoutes
from desk.exchange.api.admin import AdminRoutes, Control
from desk.exchange.api.answers import answer
from desk.exchange.api.assets import AssetRoutes
from desk.exchange.api.calendar import CalendarRoutes
from desk.exchange.api.corporate_actions import CorporateActionRoutes
from desk.exchange.api.data import DataRoutes
from desk.exchange.api.data_extra import ExtraDataRoutes
from desk.exchange.api.data_stream import DataStream
from desk.exchange.api.option_data import OptionDataRoutes
from desk.exchange.api.options import OptionRoutes
from desk.exchange.api.portfolio_history import PortfolioHistoryRoutes
from desk.exchange.api.trading import TradingRoutes
from desk.exchange.api.trading_stream import TradingStreams
from desk.exchange.api.watchlists import WatchlistRoutes
from desk.exchange.api.wire import instant
from desk.exchange.config import ExchangeConfig
from desk.exchange.faults.http_faults import HttpFaults
from desk.exchange.faults.stream_faults import StreamFaults
from desk.exchange.metrics import Metrics, Reading
from desk.exchange.pacer import monotonic
from desk.exchange.rate_limit import Headers, RateLimiter
from desk.exchange.rules.rejections import Rejection, not_found, unauthorized
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange

OPEN_TO_ALL = frozenset({"/", "/page.json", "/healthz", "/metrics"})
LOOPBACK_NAMES = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})
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
        began, status = monotonic(), 500
        extra: Headers = ()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            target, extra = self._target(scope)
            await target(scope, receive, note_status)
        finally:
            self._write_line(scope, status)
            self.server.metrics.observe(scope, status, monotonic() - began)
            self.server.flush()

    def _target(self, scope: Scope) -> tuple[ASGIApp, Headers]:
        """Who answers, and the headers that any answer gets."""
        headers = dict(scope["headers"])
        if scope["path"] in OPEN_TO_ALL and scope["method"] == "GET":
            return (self.app if self._is_home(headers) else answer(unauthorized())), ()
        account = self.server.account_of(headers)
        if account is None:
            return answer(unauthorized()), ()
        scope["account"] = account
        verdict = self.server.limiter.check(account.id, scope["path"], monotonic(), self.server.wall())
        if verdict.rejection is not None:
            return answer(verdict.rejection), verdict.headers
        return self._with_faults, verdict.headers

    async def _with_faults(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = self.server
        await server.http_faults.serve(scope, receive, send, self.app, server.exchange.now, server.flush)

    def _is_home(self, headers: dict[bytes, bytes]) -> bool:
        """A page elsewhere whose name was pointed at loopback comes with its own name, and gets nothing."""
        host = headers.get(b"host", b"")
        name = host.rpartition(b":")[0] if b":" in host else host
        return self.server.is_open_to_network or name in LOOPBACK_NAMES

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
        self,
        exchange: Exchange,
        access_log: AccessLog,
        on_save: Callable[[], None],
        on_shutdown: Callable[[], None],
        wall: Callable[[], float] = time.perf_counter,
        is_open_to_network: bool = False,
    ) -> None:
        self.exchange = exchange
        self.log = access_log
        self.wall = wall
        self.is_open_to_network = is_open_to_network
        self.limiter = RateLimiter(exchange.config.requests_per_minute)
        self.http_faults = HttpFaults(exchange.faults)
        self.stream_faults = StreamFaults(exchange.faults)
        self.streams = TradingStreams(exchange, access_log)
        self.data_stream = DataStream(exchange)
        self.metrics = Metrics(self._reading)
        control = Control(
            save=on_save,
            shutdown=on_shutdown,
            listeners=lambda: self.streams.listeners,
            drop_streams=self._drop_streams,
            flush=self.flush,
            reset=self._reset,
        )
        self.admin = AdminRoutes(exchange, control, self.metrics)
        exchange.on_advance.append(self.data_stream.on_advance)

    def account_of(self, headers: dict[bytes, bytes]) -> Account | None:
        key, secret = (headers.get(name, b"").decode("latin-1") for name in (b"apca-api-key-id", b"apca-api-secret-key"))
        return self.exchange.account_of(key, secret)

    def flush(self) -> None:
        """Stream what happened since the last call."""
        for account in self.exchange.accounts.values():
            if account.outbox:
                events, account.outbox = account.outbox, []
                for serial, event in events:
                    self._publish(account, serial, event)

    def _publish(self, account: Account, serial: int, event: Any) -> None:
        self.stream_faults.pass_on(
            account.number,
            event,
            send=lambda: self.streams.publish(account, serial, event),
            drop=lambda: self._drop(account),
        )

    def _drop(self, account: Account) -> None:
        self.streams.drop(account)

    def _drop_streams(self) -> None:
        self.streams.drop_all()

    def _reset(self, config: ExchangeConfig) -> None:
        """Begin anew. Who listens is cut off: its account is another one now."""
        self.exchange.reset(config)
        self.limiter.reset(config.requests_per_minute)
        self.stream_faults.forget()
        self._drop_streams()

    def _reading(self) -> Reading:
        accounts = self.exchange.accounts.values()
        return Reading(
            virtual_time=self.exchange.now,
            accounts=len(accounts),
            orders_taken=sum(account.ledger.orders_submitted for account in accounts),
            orders_refused=sum(len(account.ledger.refused) for account in accounts),
            events=sum(account.ledger.events_emitted for account in accounts),
            trading_listeners=self.streams.listeners,
            data_listeners=self.data_stream.listeners,
        )

    def app(self) -> ASGIApp:
        exchange = self.exchange
        routes: list[BaseRoute] = [
            *TradingRoutes().routes(),
            *DataRoutes(exchange).routes(),
            *self.admin.routes(),
            *OptionRoutes(exchange).routes(),
            *OptionDataRoutes(exchange).routes(),
            *AccountRoutes(exchange).routes(),
            *ActivityRoutes(exchange).routes(),
            *PortfolioHistoryRoutes(exchange).routes(),
            *WatchlistRoutes(exchange).routes(),
            *CalendarRoutes(exchange).routes(),
            *AssetRoutes(exchange).routes(),
            *CorporateActionRoutes(exchange).routes(),
            *ExtraDataRoutes(exchange).routes(),
            *self.streams.routes(),
            *self.data_stream.routes(),
        ]
        handlers: Any = {404: _no_such_path, 405: _no_such_method, HTTPException: _refused, Exception: _bug}
        plain = Starlette(routes=routes, exception_handlers=handlers)
        plain.router.redirect_slashes = False  # Alpaca does not send a client elsewhere
        return Door(plain, self)


async def _no_such_path(request: Request, error: Exception) -> Response:
    return answer(not_found("endpoint not found"))


async def _no_such_method(request: Request, error: Exception) -> Response:
    return answer(Rejection(405, 40510000, "method not allowed"))


async def _refused(request: Request, error: HTTPException) -> Response:
    return answer(Rejection(error.status_code, error.status_code * 100_000, error.detail.lower()))


async def _bug(request: Request, error: Exception) -> Response:
    log.error("request %s %s failed", request.method, request.url.path, exc_info=error)
    return answer(Rejection(500, 50010000, "internal server error occurred"))
