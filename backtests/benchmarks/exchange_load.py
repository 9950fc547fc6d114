"""The exchange under load, beside a bare server on the same machinery: orders a second, and from an order to its fill."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import websockets

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

CONNECTIONS = 4
START = date(2008, 9, 2)
BUY = {"symbol": "MSFT", "side": "buy", "type": "market", "qty": "1", "time_in_force": "day"}
SELL = {**BUY, "side": "sell"}


@dataclass(frozen=True)
class Acceptance:
    """Orders a second over HTTP, and what the bare server takes."""

    orders: int
    per_second: float
    bare_per_second: float


@dataclass(frozen=True)
class RoundTrip:
    """Milliseconds from sending a market order to reading its fill on the stream; bare: to reading the server's message."""

    orders: int
    p50: float
    p99: float
    bare_p50: float
    bare_p99: float


@dataclass(frozen=True)
class Target:
    """Where to send to, and with which keys."""

    host: str
    port: int
    key: str = ""
    secret: str = ""

    def head(self, length: int) -> bytes:
        lines = (
            f"POST /v2/orders HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
            f"APCA-API-KEY-ID: {self.key}\r\nAPCA-API-SECRET-KEY: {self.secret}\r\nContent-Length: {length}\r\n\r\n"
        )
        return lines.encode()


@contextmanager
def _exchange(folder: Path) -> Iterator[Target]:
    config = ExchangeConfig("bundled", START, partial_fill_probability=0.0, cash_usd=1e9)
    with ExchangeProcess(config, folder / "exchange.log") as exchange:
        opened = datetime.fromisoformat(exchange.admin.status()["now"]) + timedelta(hours=2)
        while not exchange.admin.advance(opened).reached:
            pass
        yield _target(exchange.url, exchange.api_key, exchange.api_secret)


@contextmanager
def _bare() -> Iterator[Target]:
    folder = Path(__file__).parents[1]
    command = [sys.executable, "-m", "benchmarks.bare_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            yield _target(json.loads(child.stdout.readline())["url"])
        finally:
            child.stdin.close()


def _target(url: str, key: str = "", secret: str = "") -> Target:
    host, _, port = url.removeprefix("http://").partition(":")
    return Target(host, int(port), key, secret)


class Connection:
    """One kept-alive HTTP connection that does as little as it can: the client shares the machine with the server."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target, self._reader, self._writer = target, reader, writer

    @classmethod
    async def open(cls, target: Target) -> Connection:
        return cls(target, *await asyncio.open_connection(target.host, target.port))

    async def post(self, body: bytes) -> int:
        """Status of the answer."""
        self._writer.write(self._target.head(len(body)) + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await self._reader.readexactly(length)
        return int(head[9:12])

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def _flood(target: Target, orders: int) -> float:
    """Orders a second with every connection sending as soon as it has its answer."""
    bodies = [json.dumps(BUY).encode(), json.dumps(SELL).encode()]
    connections = [await Connection.open(target) for _ in range(CONNECTIONS)]

    async def work(connection: Connection) -> None:
        for number in range(orders // CONNECTIONS):
            status = await connection.post(bodies[number % 2])
            if status != 200:
                raise RuntimeError(f"an order was answered with {status}")

    began = perf_counter()
    await asyncio.gather(*map(work, connections))
    seconds = perf_counter() - began
    await asyncio.gather(*(connection.close() for connection in connections))
    return orders / seconds


async def _trips(target: Target, orders: int, is_bare: bool) -> list[float]:
    """Milliseconds from each order to its fill, one order at a time."""
    bodies = [json.dumps(BUY).encode(), json.dumps(SELL).encode()]
    times: list[float] = []
    async with websockets.connect(f"ws://{target.host}:{target.port}/stream", compression=None) as socket:
        if not is_bare:
            await _listen(socket, target)
        connection = await Connection.open(target)
        for number in range(orders):
            began = perf_counter()
            answered = asyncio.create_task(connection.post(bodies[number % 2]))
            while not is_bare and b'"event":"fill"' not in await socket.recv(decode=False):
                pass
            if is_bare:
                await socket.recv()
            times.append((perf_counter() - began) * 1000)
            await answered
        await connection.close()
    return times


async def _listen(socket: websockets.ClientConnection, target: Target) -> None:
    await socket.send(json.dumps({"action": "auth", "key": target.key, "secret": target.secret}))
    await socket.recv()
    await socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
    await socket.recv()


def measure_acceptance(orders: int) -> Acceptance:
    with _exchange(Path()) as target:
        asyncio.run(_flood(target, orders // 4))  # a warm-up
        ours = asyncio.run(_flood(target, orders))
    with _bare() as target:
        asyncio.run(_flood(target, orders // 4))
        return Acceptance(orders, ours, asyncio.run(_flood(target, orders)))


def measure_round_trip(orders: int) -> RoundTrip:
    with _exchange(Path()) as target:
        asyncio.run(_trips(target, orders // 4, is_bare=False))
        ours = asyncio.run(_trips(target, orders, is_bare=False))
    with _bare() as target:
        asyncio.run(_trips(target, orders // 4, is_bare=True))
        theirs = asyncio.run(_trips(target, orders, is_bare=True))
    return RoundTrip(orders, *(float(np.percentile(times, part)) for times in (ours, theirs) for part in (50, 99)))
