"""The market data stream: one websocket endpoint a feed, msgpack or JSON, told what happens while virtual time moves.

https://docs.alpaca.markets/docs/streaming-market-data. Nothing is replayed to who comes late.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgpack
import numpy as np
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from desk.exchange.api.data_json import fine_stamps
from desk.exchange.api.data_params import EMPTY_FEEDS, SIP_DELAY
from desk.exchange.api.data_subscription import ALL, FEEDS, Code, Feed, Subscriptions
from desk.exchange.api.data_ticker import FAKE_SYMBOL, Ticker, Told, fake_now, fake_told, status
from desk.exchange.api.frames import Message, is_packed, pack, receive
from desk.exchange.api.jsontext import dumps
from desk.exchange.market.bars import BarBook
from desk.exchange.market.ticks import NANOSECONDS
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange

BATCH = 500
NO_DELAY = timedelta(0)
log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Client:
    """One connection; `account` is set once it is authenticated."""

    socket: WebSocket
    feed: Feed
    packed: bool
    subscriptions: Subscriptions
    account: Account | None = None
    unsent: asyncio.Queue[list[Told]] = field(default_factory=asyncio.Queue)
    behind: int = 0
    sender: asyncio.Task[None] | None = None

    async def say(self, message: dict[str, object]) -> None:
        """A control message, alone in its array."""
        if self.packed:
            await self.socket.send_bytes(pack([message]))
        else:
            await self.socket.send_text(dumps([message]).decode())

    async def fail(self, code: Code) -> None:
        await self.say({"T": "error", "code": int(code), "msg": code.text})

    def queue(self, told: list[Told]) -> None:
        for first in range(0, len(told), BATCH):
            self.unsent.put_nowait(told[first : first + BATCH])
        self.behind += len(told)

    async def send(self) -> None:
        """Send what is queued, for as long as the connection lasts."""
        try:
            while True:
                await self._send(await self.unsent.get())
        except (WebSocketDisconnect, RuntimeError):
            pass  # `serve` hears of it too

    async def _send(self, batch: list[Told]) -> None:
        if self.packed:
            await self.socket.send_bytes(pack([{**each.fields, "t": _timestamp(each.stamp)} for each in batch]))
        else:
            await self.socket.send_text(dumps([{**each.fields, "t": _text(each.stamp)} for each in batch]).decode())
        self.behind -= len(batch)


class DataStream:
    """All connections to the data streams of one exchange. One event loop owns it.

    `auth_seconds` (real time) is what a client has to authenticate; one that is `most_unsent` messages behind when time moves
    on is slow.
    """

    auth_seconds = 10.0
    most_unsent = 100_000

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._clients: list[_Client] = []
        self._book = BarBook(exchange.market)
        self._halted: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(path, self.serve) for path in FEEDS]

    @property
    def listeners(self) -> int:
        """Connections that have subscribed to something."""
        return sum(any(client.subscriptions.by_channel.values()) for client in self._clients)

    # what is told

    def on_advance(self, before: datetime, after: datetime) -> None:
        """Queue what happened after `before` up to `after` for every client that has subscribed to it."""
        clients = [client for client in self._clients if client.subscriptions.by_channel]
        if not clients:
            return
        halts = self._halts(after)
        made: dict[tuple[str, str, timedelta], list[Told]] = {}
        for client in clients:
            told = sorted([*self._told(client, before, after, made), *halts_for(client, halts)], key=lambda each: each.at)
            if not told:
                continue
            if client.behind > self.most_unsent:
                self._let_go(client)
            else:
                client.queue(told)

    def _told(
        self, client: _Client, before: datetime, after: datetime, made: dict[tuple[str, str, timedelta], list[Told]]
    ) -> Iterable[Told]:
        if client.feed.name in EMPTY_FEEDS:
            return
        delay = SIP_DELAY if client.feed.name == "delayed_sip" else NO_DELAY
        is_test = client.feed.name == "test"
        ticker = Ticker(self._current_book())
        for channel in client.feed.channels:
            for symbol in self._named(client, channel):
                key = (channel, symbol, delay)
                if key not in made:
                    span = (before - delay, after - delay)
                    made[key] = fake_told(channel, *span) if is_test else ticker.told(channel, symbol, *span)
                yield from made[key]

    def _named(self, client: _Client, channel: str) -> list[str]:
        """Symbols of a channel, the star told apart; of options there are too many for it."""
        symbols = client.subscriptions.by_channel.get(channel, set())
        if client.feed.name == "test":
            return [FAKE_SYMBOL] if symbols & {ALL, FAKE_SYMBOL} else []
        if ALL in symbols:
            return [] if client.feed.is_option else list(self._exchange.market.source.symbols)
        return sorted(symbol for symbol in symbols if client.feed.is_option or self._exchange.market.has(symbol))

    def _current_book(self) -> BarBook:
        """Of the market as it is: a reset of the exchange makes another."""
        if self._book.market is not self._exchange.market:
            self._book = BarBook(self._exchange.market)
        return self._book

    def _halts(self, now: datetime) -> list[Told]:
        """Symbols that have been halted, or let trade again, since the last look."""
        halted = self._exchange.halted | self._exchange.machine_faults.halted(now)
        at = int(now.timestamp()) * NANOSECONDS
        changed = [status(symbol, symbol in halted, at) for symbol in sorted(halted ^ self._halted)]
        self._halted = set(halted)
        return changed

    def _let_go(self, client: _Client) -> None:
        """A client that does not read hears so, if it can, and is closed."""
        self._leave(client)
        task = asyncio.get_running_loop().create_task(_close_slow(client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _leave(self, client: _Client) -> None:
        if client.sender is not None:
            client.sender.cancel()
        if client in self._clients:
            self._clients.remove(client)

    # one client

    async def serve(self, socket: WebSocket) -> None:
        """Talk to one client until it goes or has to."""
        feed = FEEDS[socket.scope["path"]]
        config = self._exchange.config
        subscriptions = Subscriptions(feed, config.has_sip, self._exchange.market.has)
        await socket.accept()
        client = _Client(socket, feed, is_packed(socket), subscriptions)
        try:
            if await self._welcome(client) and await self._authenticated(client):
                await self._converse(client)
            await socket.close()
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client went, perhaps in the middle of an answer
        finally:
            self._leave(client)

    async def _welcome(self, client: _Client) -> bool:
        if client.feed.is_option and not client.packed:
            await client.fail(Code.ONLY_MSGPACK)
            return False
        await client.say({"T": "success", "msg": "connected"})
        return True

    async def _authenticated(self, client: _Client) -> bool:
        """Whether the client proves who it is in time, by headers of the handshake or by a message, and may use the feed."""
        headers = client.socket.headers
        if "apca-api-key-id" in headers:
            given: Message = {
                "action": "auth",
                "key": headers["apca-api-key-id"],
                "secret": headers.get("apca-api-secret-key"),
            }
            if await self._try(client, given):
                return await self._may_stay(client)
        try:
            async with asyncio.timeout(self.auth_seconds):
                while not await self._try(client, await receive(client.socket, client.packed)):
                    pass
        except TimeoutError:
            await client.fail(Code.AUTH_TIMEOUT)
            return False
        return await self._may_stay(client)

    async def _try(self, client: _Client, request: Message | None) -> bool:
        """One attempt to authenticate."""
        action = None if request is None else request.get("action")
        if request is None or action not in ("auth", "subscribe", "unsubscribe"):
            await client.fail(Code.INVALID_SYNTAX)
            return False
        if action != "auth":
            await client.fail(Code.NOT_AUTHENTICATED)
            return False
        client.account = self._exchange.account_of(request.get("key"), request.get("secret"))
        if client.account is None:
            await client.fail(Code.AUTH_FAILED)
        return client.account is not None

    async def _may_stay(self, client: _Client) -> bool:
        """Whether the account has the feed, and no other connection to it."""
        account = client.account
        assert account is not None
        if client.feed.is_paid and not self._exchange.config.has_sip:
            await client.fail(Code.INSUFFICIENT_SUBSCRIPTION)
            return False
        others = [each.account for each in self._clients if each.feed == client.feed]
        if any(other is not None and other.id == account.id for other in others):
            await client.fail(Code.CONNECTION_LIMIT)
            return False
        if not self._clients:
            self._halts(self._exchange.now)  # from here on, changes are told
        self._clients.append(client)
        await client.say({"T": "success", "msg": "authenticated"})
        return True

    async def _converse(self, client: _Client) -> None:
        client.sender = asyncio.create_task(client.send())
        while True:
            request = await receive(client.socket, client.packed)
            action = None if request is None else request.get("action")
            if request is None or action not in ("auth", "subscribe", "unsubscribe"):
                await client.fail(Code.INVALID_SYNTAX)
            elif action == "auth":
                await client.fail(Code.ALREADY_AUTHENTICATED)
            else:
                await self._change(client, request, adds=action == "subscribe")

    async def _change(self, client: _Client, request: Message, adds: bool) -> None:
        try:
            wrong = client.subscriptions.change(request, adds)
        except Exception:
            log.exception("data stream %s: a %s failed", client.feed.path, request.get("action"))
            wrong = Code.INTERNAL
        if wrong is not None:
            await client.fail(wrong)
            return
        await client.say(client.subscriptions.acknowledgement())
        if adds and client.feed.name == "test":
            asked = [channel for channel in client.feed.channels if channel in request and self._named(client, channel)]
            client.queue([told for channel in asked for told in fake_now(channel, self._exchange.now)])


def halts_for(client: _Client, halts: list[Told]) -> list[Told]:
    return [told for told in halts if client.subscriptions.wants("statuses", str(told.fields["S"]))]


async def _close_slow(client: _Client) -> None:
    try:
        async with asyncio.timeout(1.0):
            await client.fail(Code.SLOW_CLIENT)
        await client.socket.close(1008, Code.SLOW_CLIENT.text)
    except (RuntimeError, WebSocketDisconnect, TimeoutError):
        pass  # as documented, the message is not guaranteed to arrive


def _timestamp(nanoseconds: int) -> msgpack.Timestamp:
    return msgpack.Timestamp(*divmod(nanoseconds, NANOSECONDS))


def _text(nanoseconds: int) -> str:
    return fine_stamps(np.array([nanoseconds], dtype=np.int64))[0]
