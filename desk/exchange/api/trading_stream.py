"""The trading stream: binary websocket frames, both of Alpaca's ways to authenticate, listen, trade updates.

https://docs.alpaca.markets/docs/websocket-streaming. As at Alpaca there is no replay: who does not listen misses what is sent.
An account has one connection (`Switches.one_trading_stream`): a second handshake that brings the account's keys as headers is
answered with HTTP 429; one that brings them later, as alpaca-py does, hears `unauthorized` and is closed with code 1008.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from desk.exchange.api.accesslog import AccessLog
from desk.exchange.api.answers import answer
from desk.exchange.api.frames import Message, is_packed, pack, receive, repacked
from desk.exchange.api.jsontext import dumps
from desk.exchange.api.wire import instant, trade_update
from desk.exchange.machine.orders import Event
from desk.exchange.protocol import abort
from desk.exchange.rules.rejections import Rejection
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange

TRADE_UPDATES = "trade_updates"
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013
TOO_MANY = "connection limit exceeded"
MOST_UNSENT = 100_000  # messages that a client may be behind before it is let go


@dataclass(eq=False)
class _Connection:
    """One client; `account_id` is set once it is authorised, `sender` while it listens."""

    socket: WebSocket
    packed: bool
    account_id: str | None = None
    unsent: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    sender: asyncio.Task[None] | None = None

    async def say(self, stream: str, **data: object) -> None:
        message = {"stream": stream, "data": data}
        await self.socket.send_bytes(pack(message) if self.packed else dumps(message))

    def listen(self) -> None:
        self.sender = self.sender or asyncio.create_task(self._send())

    def stop(self) -> None:
        if self.sender is not None:
            self.sender.cancel()
            self.sender = None

    async def _send(self) -> None:
        try:
            while True:
                message = await self.unsent.get()
                await self.socket.send_bytes(repacked(message) if self.packed else message)
        except (WebSocketDisconnect, RuntimeError):
            pass  # `serve` hears of it too


class TradingStreams:
    """The streams of all accounts of one exchange. One event loop owns them."""

    def __init__(self, exchange: Exchange, access_log: AccessLog) -> None:
        self._exchange = exchange
        self._log = access_log
        self._connections: list[_Connection] = []

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute("/stream", self.serve)]

    @property
    def listeners(self) -> int:
        return sum(connection.sender is not None for connection in self._connections)

    def publish(self, account: Account, serial: int, event: Event) -> None:
        """Queue a trade update for whoever listens to `account`; `serial` counts its updates."""
        listening = [each for each in self._connections if each.account_id == account.id and each.sender is not None]
        message = dumps(trade_update(event, serial)) if listening else b""
        for connection in listening:
            if connection.unsent.qsize() >= MOST_UNSENT:
                self._drop([connection])
            else:
                connection.unsent.put_nowait(message)
        self._log.write(
            at=instant(event.at),
            websocket=TRADE_UPDATES,
            event=event.kind.value,
            order_id=event.order.id,
            client_order_id=event.order.client_order_id,
            listeners=len(listening),
        )

    def drop(self, account: Account) -> int:
        """Break the connections of `account` as a network does, without a word; how many there were."""
        return self._drop([each for each in self._connections if each.account_id == account.id])

    def drop_all(self) -> int:
        """Break every connection; how many there were."""
        return self._drop(list(self._connections))

    def _drop(self, connections: list[_Connection]) -> int:
        for connection in connections:
            self._leave(connection)
            if not abort(connection.socket.scope):
                asyncio.get_running_loop().create_task(_close(connection.socket))
        return len(connections)

    def _leave(self, connection: _Connection) -> None:
        connection.stop()
        connection.account_id = None
        if connection in self._connections:
            self._connections.remove(connection)

    async def serve(self, socket: WebSocket) -> None:
        """Talk to one client until it goes."""
        headers = socket.headers
        known = self._exchange.account_of(headers.get("apca-api-key-id"), headers.get("apca-api-secret-key"))
        if known is not None and self._is_taken(known):
            await _refuse(socket)
            return
        await socket.accept()
        connection = _Connection(socket, is_packed(socket))
        self._connections.append(connection)
        self._log.write(at=instant(self._exchange.now), websocket="connected")
        try:
            while await self._answer(connection, await receive(socket, connection.packed) or {}):
                pass
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client went, perhaps in the middle of an answer
        finally:
            self._leave(connection)
            self._log.write(at=instant(self._exchange.now), websocket="disconnected")

    async def _answer(self, connection: _Connection, request: Message) -> bool:
        """Answer one message; False when the connection is to end."""
        action = request.get("action")
        if action in ("authenticate", "auth"):
            return await self._authenticate(connection, request)
        if action == "listen":
            await self._listen(connection, request)
        return True

    async def _authenticate(self, connection: _Connection, request: Message) -> bool:
        """`{"action":"authenticate","data":{"key_id","secret_key"}}`, or `{"action":"auth","key","secret"}`."""
        data = request.get("data")
        if isinstance(data, dict):
            account = self._exchange.account_of(data.get("key_id"), data.get("secret_key"))
        else:
            account = self._exchange.account_of(request.get("key"), request.get("secret"))
        if account is None:
            await connection.say("authorization", status="unauthorized", action="authenticate")
            return True
        if account.id != connection.account_id and self._is_taken(account):
            await connection.say("authorization", status="unauthorized", action="authenticate", message=TOO_MANY)
            await connection.socket.close(POLICY_VIOLATION, TOO_MANY)
            return False
        connection.account_id = account.id
        await connection.say("authorization", status="authorized", action="authenticate")
        return True

    def _is_taken(self, account: Account) -> bool:
        only_one = self._exchange.config.switches.one_trading_stream
        return only_one and any(each.account_id == account.id for each in self._connections)

    async def _listen(self, connection: _Connection, request: Message) -> None:
        """`{"action":"listen","data":{"streams":["trade_updates"]}}`; a list without it stops the updates."""
        if connection.account_id is None:
            await connection.say("authorization", status="unauthorized", action="listen")
            return
        data = request.get("data")
        wanted = data.get("streams") if isinstance(data, dict) else None
        is_wanted = isinstance(wanted, list) and TRADE_UPDATES in wanted
        await connection.say("listening", streams=[TRADE_UPDATES] if is_wanted else [])
        if is_wanted:
            connection.listen()
        else:
            connection.stop()


async def _refuse(socket: WebSocket) -> None:
    """HTTP 429 in place of the handshake; 403, which is all that is left, under a server without that extension."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(answer(Rejection(429, 42910000, TOO_MANY)))
    else:
        await socket.close(TRY_AGAIN_LATER, TOO_MANY)


async def _close(socket: WebSocket) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # it may have gone by itself
        await socket.close(TRY_AGAIN_LATER)
