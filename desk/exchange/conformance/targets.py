"""Where a scenario is sent: this exchange, whose time a step moves, or Alpaca's paper endpoint, where waiting is real."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import requests
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect

from desk.domain.errors import BrokerUnreachable
from desk.exchange.process import ExchangeProcess

PAPER_URL = "https://paper-api.alpaca.markets"
DATA_URL = "https://data.alpaca.markets"
TIMEOUT_SECONDS = (5.0, 20.0)
STREAM_SECONDS = 10.0
DATA_PATHS = ("/v2/stocks", "/v1beta1", "/v1/corporate-actions")


@dataclass(frozen=True)
class Answer:
    """What came back: HTTP status, JSON body (None for none)."""

    status: int
    body: Any = None

    @property
    def code(self) -> int | None:
        code = self.body.get("code") if isinstance(self.body, Mapping) else None
        return code if isinstance(code, int) else None

    @property
    def message(self) -> str | None:
        message = self.body.get("message") if isinstance(self.body, Mapping) else None
        return message if isinstance(message, str) else None


class Target(Protocol):
    """One server that speaks Alpaca's API."""

    @property
    def name(self) -> str: ...

    def send(self, method: str, path: str, params: Mapping[str, Any], body: Any) -> Answer: ...

    def open_streams(self, count: int) -> list[str]:
        """Open that many trade update streams, one after the other, each authenticated; what each was told. They are closed."""
        ...

    def pass_time(self, seconds: float) -> None: ...


class HttpTarget:
    """Alpaca's API over HTTP. Raises BrokerUnreachable when nothing answers. Nothing is ever sent twice."""

    def __init__(
        self, name: str, url: str, data_url: str, key: str, secret: str, wait: Callable[[float], None], is_local: bool = False
    ) -> None:
        self._name, self._url, self._data_url, self._wait = name, url, data_url, wait
        self._key, self._secret = key, secret
        self._is_local = is_local
        self._session = requests.Session()
        self._session.trust_env = not is_local  # a proxy has no business between us and loopback
        self._session.headers.update({"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})

    @property
    def name(self) -> str:
        return self._name

    def send(self, method: str, path: str, params: Mapping[str, Any], body: Any) -> Answer:
        base = self._data_url if path.startswith(DATA_PATHS) else self._url
        try:
            answer = self._session.request(
                method, base + path, params=params, json=body, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise BrokerUnreachable(f"{self._name} does not answer {method} {path}: {type(error).__name__}") from error
        try:
            return Answer(answer.status_code, answer.json() if answer.content else None)
        except ValueError:
            return Answer(answer.status_code, None)

    def open_streams(self, count: int) -> list[str]:
        opened: list[ClientConnection] = []
        try:
            return [self._opened(opened) for _ in range(count)]
        finally:
            for socket in opened:
                socket.close()

    def pass_time(self, seconds: float) -> None:
        self._wait(seconds)

    def close(self) -> None:
        self._session.close()

    def _opened(self, opened: list[ClientConnection]) -> str:
        """Open one more stream; "authorized", what else it was told, or why it was turned away."""
        address = self._url.replace("http", "ws", 1) + "/stream"
        try:
            socket = connect(address, open_timeout=STREAM_SECONDS, proxy=None if self._is_local else True)
            opened.append(socket)
            socket.send(json.dumps({"action": "auth", "key": self._key, "secret": self._secret}))
            said = json.loads(socket.recv(timeout=STREAM_SECONDS))
        except InvalidHandshake as error:
            response = getattr(error, "response", None)
            return f"HTTP {response.status_code}" if response is not None else "turned away"
        except (WebSocketException, OSError, ValueError) as error:
            return f"{type(error).__name__}"
        data = said.get("data") if isinstance(said, dict) else None
        return str(data.get("status", said)) if isinstance(data, dict) else str(said)


def exchange_target(process: ExchangeProcess) -> HttpTarget:
    """An exchange in a child process; waiting moves its virtual time."""

    def advance(seconds: float) -> None:
        to = datetime.fromisoformat(process.admin.status()["now"]) + timedelta(seconds=seconds)
        while not process.admin.advance(to).reached:
            pass

    return HttpTarget("this exchange", process.url, process.url, process.api_key, process.api_secret, advance, is_local=True)


def alpaca_target(key: str, secret: str, wait: Callable[[float], None]) -> HttpTarget:
    """Alpaca's paper endpoint, and no other: the address is fixed here, so a live account cannot be reached."""
    return HttpTarget("Alpaca", PAPER_URL, DATA_URL, key, secret, wait)
