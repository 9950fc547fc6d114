"""The trading stream: binary websocket frames, both of Alpaca's ways to authenticate, listen, trade updates.

https://docs.alpaca.markets/docs/websocket-streaming. As at Alpaca there is no replay: who does not listen misses what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.websockets import WebSocket, WebSocketDisconnect

from desk.exchange.accesslog import AccessLog
from desk.exchange.jsontext import dumps, loads
from desk.exchange.orders import Event
from desk.exchange.wire import instant, trade_update

TRADE_UPDATES = "trade_updates"


class TradingStream:
    """All connections to the stream of one account."""

    def __init__(self, is_key: Callable[[object, object], bool], log: AccessLog) -> None:
        self._is_key = is_key
        self._log = log
        self._listeners: dict[WebSocket, asyncio.Queue[bytes]] = {}

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def publish(self, serial: int, event: Event) -> None:
        """Queue a trade update for every listener."""
        if self._listeners:
            message = dumps(trade_update(event, serial))
            for queue in self._listeners.values():
                queue.put_nowait(message)
        self._log.write(
            at=instant(event.at),
            websocket=TRADE_UPDATES,
            event=event.kind.value,
            order_id=event.order.id,
            client_order_id=event.order.client_order_id,
            listeners=len(self._listeners),
        )

    async def serve(self, socket: WebSocket, now: Callable[[], datetime]) -> None:
        """Talk to one client until it goes."""
        await socket.accept()
        self._log.write(at=instant(now()), websocket="connected")
        sender: asyncio.Task[None] | None = None
        try:
            is_authorized = False
            while True:
                request = await _receive(socket)
                if _action(request) in ("authenticate", "auth"):
                    is_authorized = self._authorize(request)
                    await _send(socket, "authorization", _verdict(is_authorized, "authenticate"))
                elif _action(request) == "listen" and not is_authorized:
                    await _send(socket, "authorization", _verdict(False, "listen"))
                elif _action(request) == "listen":
                    sender = await self._listen(socket, request, sender)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client went, perhaps in the middle of an answer
        finally:
            self._listeners.pop(socket, None)
            if sender is not None:
                sender.cancel()
            self._log.write(at=instant(now()), websocket="disconnected")

    def _authorize(self, request: Mapping[str, object]) -> bool:
        """`{"action":"authenticate","data":{"key_id","secret_key"}}`, or `{"action":"auth","key","secret"}`."""
        data = request.get("data")
        if isinstance(data, Mapping):
            return self._is_key(data.get("key_id"), data.get("secret_key"))
        return self._is_key(request.get("key"), request.get("secret"))

    async def _listen(
        self, socket: WebSocket, request: Mapping[str, object], sender: asyncio.Task[None] | None
    ) -> asyncio.Task[None] | None:
        data = request.get("data")
        wanted = data.get("streams") if isinstance(data, Mapping) else None
        streams = [TRADE_UPDATES] if isinstance(wanted, list) and TRADE_UPDATES in wanted else []
        await _send(socket, "listening", {"streams": streams})
        if not streams:
            self._listeners.pop(socket, None)
            return sender
        queue = self._listeners.setdefault(socket, asyncio.Queue())
        return sender or asyncio.create_task(_forward(socket, queue))


async def _forward(socket: WebSocket, queue: asyncio.Queue[bytes]) -> None:
    while True:
        await socket.send_bytes(await queue.get())


async def _receive(socket: WebSocket) -> Mapping[str, object]:
    """The client's next message; what is no JSON object counts as an empty one."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    try:
        parsed = loads(message.get("text") or message.get("bytes") or b"")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}


async def _send(socket: WebSocket, stream: str, data: Mapping[str, object]) -> None:
    await socket.send_bytes(dumps({"stream": stream, "data": data}))


def _action(request: Mapping[str, object]) -> object:
    return request.get("action")


def _verdict(is_authorized: bool, action: str) -> dict[str, object]:
    return {"status": "authorized" if is_authorized else "unauthorized", "action": action}
