"""A real exchange in a thread of this process, on a free loopback port, and a plain websocket client for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import msgpack
import requests
from unit.exchange.conftest import KEYS, market
from websockets.sync.client import ClientConnection, connect

from desk.exchange import serve
from desk.exchange.config import ExchangeConfig
from desk.exchange.venue import Exchange

KEY, SECRET = KEYS["APCA-API-KEY-ID"], KEYS["APCA-API-SECRET-KEY"]
PACKED = {"Content-Type": "application/msgpack"}
SECONDS = 5.0
Json = dict[str, Any]


class LiveExchange:
    """The small market of the unit tests behind a real server."""

    def __init__(self, exchange: Exchange, url: str) -> None:
        self.exchange = exchange
        self.url = url
        self.websocket_url = url.replace("http://", "ws://")

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, headers=KEYS, timeout=SECONDS, **options)

    def to(self, text: str) -> None:
        """Advance through every event until the instant is reached."""
        while not self.request("POST", "/admin/advance", json={"to": text}).json()["reached"]:
            pass

    def order(self, **body: object) -> Json:
        plain = {"symbol": "ABC", "side": "buy", "type": "market", "qty": "10", "time_in_force": "gtc"}
        answer = self.request("POST", "/v2/orders", json={**plain, **body})
        assert answer.status_code == 200, answer.text
        taken: Json = answer.json()
        return taken

    @contextmanager
    def socket(self, path: str, headers: dict[str, str] | None = None) -> Iterator[Socket]:
        with connect(self.websocket_url + path, additional_headers=headers, open_timeout=SECONDS) as plain:
            yield Socket(plain, (headers or {}).get("Content-Type") == PACKED["Content-Type"])


class Socket:
    """Says and hears JSON or msgpack."""

    def __init__(self, plain: ClientConnection, packed: bool) -> None:
        self.plain = plain
        self.packed = packed

    def say(self, **message: object) -> None:
        self.plain.send(msgpack.packb(message) if self.packed else json.dumps(message))

    def frame(self, seconds: float = SECONDS) -> str | bytes:
        """The next frame as it came. Raises TimeoutError when there is none, ConnectionClosed when there will be none."""
        return self.plain.recv(seconds)

    def hear(self, seconds: float = SECONDS) -> Any:
        frame = self.frame(seconds)
        return msgpack.unpackb(frame) if self.packed and isinstance(frame, bytes) else json.loads(frame)

    def ask(self, **message: object) -> Any:
        self.say(**message)
        return self.hear()


@contextmanager
def live_exchange(**settings: Any) -> Iterator[LiveExchange]:
    """An exchange at 08:00 New York of 2008-09-02; `settings` are the config's. It is gone when the block ends."""
    given = {"partial_fill_probability": 0.0, "seed": 5, **settings}
    config = ExchangeConfig("small", date(2008, 9, 2), api_key=KEY, api_secret=SECRET, **given)
    exchange = Exchange(config, market())
    listener = serve.listen(0)
    stop, ready = serve.Stop(threading.Event()), threading.Event()
    thread = threading.Thread(target=serve.serve, args=(exchange, listener, stop, ready.set), name="exchange")
    thread.start()
    try:
        assert ready.wait(SECONDS)
        yield LiveExchange(exchange, serve.url_of(listener))
    finally:
        stop()
        thread.join()
        listener.close()
