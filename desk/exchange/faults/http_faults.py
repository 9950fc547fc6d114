"""Faults that a client meets on a request: refusals, errors, silence, broken connections, a clock that is off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.exchange.api.jsontext import dumps, loads
from desk.exchange.faults.plan import Fault, FaultKind, FaultPlan, Occasion
from desk.exchange.protocol import abort

FAILURES = (
    FaultKind.RATE_LIMIT,
    FaultKind.SERVER_ERROR,
    FaultKind.HANG,
    FaultKind.SLOW,
    FaultKind.RESET,
    FaultKind.TIMEOUT_AFTER_TAKEN,
)
CLOCKS = frozenset({"/v2/clock", "/v3/clock"})
SPARED = ("/admin/", "/healthz", "/metrics", "/page.json")
_TITLES = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Temporarily Unavailable"}
_PAGE = "<html>\r\n<head><title>{0} {1}</title></head>\r\n<body>\r\n<center><h1>{0} {1}</h1></center>\r\n</body>\r\n</html>\r\n"
Flush = Callable[[], None]


class HttpFaults:
    """Stands between the door and the app; `serve` is called in place of the app."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan

    async def serve(self, scope: Scope, receive: Receive, send: Send, target: ASGIApp, now: datetime, flush: Flush) -> None:
        """Answer with `target`, or with what the plan says; `now` is virtual time, `flush` streams what the request caused."""
        if scope["path"] == "/" or scope["path"].startswith(SPARED):
            await target(scope, receive, _Dated(send, now))
            return
        occasion = Occasion(now, _account_number(scope), scope["method"], scope["path"])
        skew = self._plan.due((FaultKind.CLOCK_SKEW,), occasion)
        fault = self._plan.due(FAILURES, occasion)
        dated: Send = _Dated(send, now)
        if skew is not None:
            dated = _skewed(scope, send, now, timedelta(seconds=skew.delay_seconds))
        if fault is None:
            await target(scope, receive, dated)
        else:
            await _Failure(fault, scope, receive, dated, target, flush).happen()


class _Failure:
    """One request that goes wrong."""

    def __init__(self, fault: Fault, scope: Scope, receive: Receive, send: Send, target: ASGIApp, flush: Flush) -> None:
        self._fault, self._scope, self._receive, self._send, self._target = fault, scope, receive, send, target
        self._flush = flush

    async def happen(self) -> None:
        kind = self._fault.kind
        if kind is FaultKind.SLOW:
            await self._slow()
            return
        if self._fault.taken or kind is FaultKind.TIMEOUT_AFTER_TAKEN:
            await self._handle_in_silence()
        if kind is FaultKind.HANG:
            await self._until_the_client_leaves()
        elif kind is FaultKind.RESET:
            await self._reset()
        else:
            await self._answer()(self._scope, self._receive, self._send)

    async def _slow(self) -> None:
        """Late in arriving, or, when the request is `taken` first, late in being answered."""
        if not self._fault.taken:
            await asyncio.sleep(self._fault.delay_seconds)
            await self._target(self._scope, self._receive, self._send)
            return
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self._target(self._scope, self._receive, keep)
        self._flush()
        await asyncio.sleep(self._fault.delay_seconds)
        for message in kept:
            await self._send(message)

    async def _handle_in_silence(self) -> None:
        async def nowhere(message: Message) -> None: ...

        await self._target(self._scope, self._receive, nowhere)
        self._flush()

    async def _until_the_client_leaves(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            # The server stops. A request without an answer ends with its connection, and not with an error of ours.
            if not abort(self._scope):
                raise
            await self._until_the_client_leaves()

    async def _reset(self) -> None:
        if not abort(self._scope):
            await _html(502)(self._scope, self._receive, self._send)  # in this process there is no connection to break
            return
        await self._until_the_client_leaves()

    def _answer(self) -> Response:
        if self._fault.kind is FaultKind.RATE_LIMIT:
            headers = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "0"} if self._fault.with_headers else {}
            return _json(429, {"code": 42910000, "message": "rate limit exceeded"}, headers)
        if self._fault.kind is FaultKind.TIMEOUT_AFTER_TAKEN:
            return _json(504, {"code": 50410000, "message": "request timed out"}, {})
        return _html(self._fault.status)


class _Dated:
    """Puts the Date header on an answer: virtual time, for the wall clock is no business of a replay."""

    def __init__(self, send: Send, now: datetime) -> None:
        self._send = send
        self._date = (b"date", format_datetime(now.replace(microsecond=0), usegmt=True).encode())

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), self._date]}
        await self._send(message)


def _skewed(scope: Scope, send: Send, now: datetime, skew: timedelta) -> Send:
    dated = _Dated(send, now + skew)
    return _SkewedClock(dated, skew) if scope["path"] in CLOCKS else dated


class _SkewedClock:
    """Shifts the instants of a clock's answer, which is small and comes in one piece or few."""

    def __init__(self, send: Send, skew: timedelta) -> None:
        self._send, self._skew = send, skew
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = self._shifted() if self._start["status"] == 200 else self._body
        headers = [pair for pair in self._start["headers"] if pair[0] != b"content-length"]
        await self._send({**self._start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({**message, "body": body})

    def _shifted(self) -> bytes:
        said: Any = loads(self._body)
        for clock in (said, *said.get("clocks", ())):
            if "timestamp" in clock:
                clock["timestamp"] = (datetime.fromisoformat(clock["timestamp"]) + self._skew).isoformat()
        return dumps(said)


def _account_number(scope: Scope) -> int:
    return getattr(scope.get("account"), "number", 0)


def _json(status: int, body: object, headers: dict[str, str]) -> Response:
    return Response(dumps(body), status, headers, "application/json")


def _html(status: int) -> Response:
    return Response(_PAGE.format(status, _TITLES[status]), status, media_type="text/html")
