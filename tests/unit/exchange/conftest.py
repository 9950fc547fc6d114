"""A small market of its own and a client that speaks HTTP to an exchange in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from openapi import check_contract

from desk.data.source import Instrument, Source
from desk.exchange.api.accesslog import AccessLog
from desk.exchange.api.app import Server
from desk.exchange.config import ExchangeConfig
from desk.exchange.venue import Exchange

KEYS = {"APCA-API-KEY-ID": "key-for-tests", "APCA-API-SECRET-KEY": "secret-for-tests"}
Body = dict[str, Any]


def frame(days: list[str], closes: list[float], opens: list[float] | None = None) -> pd.DataFrame:
    close = np.array(closes)
    opened = np.array(opens or closes)
    high, low = np.maximum(opened, close) + 1, np.minimum(opened, close) - 1
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": np.full(len(closes), 39_000.0)}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(days), dtype=float)


DAYS = ["2008-08-29", "2008-09-02", "2008-09-03", "2008-09-04", "2008-09-05", "2008-09-08"]


def market() -> Source:
    daily = {
        "ABC": frame(DAYS, [100, 101, 102, 90, 91, 92], [100, 100, 102, 90, 91, 92]),
        "XYZ": frame(DAYS[:3], [50, 51, 52]),
        "NEW": frame(DAYS[3:], [20, 21, 22]),
    }
    return Source("small", "a small market", daily, {symbol: Instrument(symbol, f"{symbol} Inc.") for symbol in daily})


class Http:
    """Plain HTTP into an app of this process, one request at a time."""

    def __init__(self, app: Any, keys: dict[str, str], host: str = "127.0.0.1:1") -> None:
        self.app, self.keys, self.url = app, keys, f"http://{host}"

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self.url, headers=self.keys) as client:
                return await client.request(method, path, **options)

        answer = asyncio.run(send())
        check_contract(method, path, answer.status_code, answer.content)
        return answer

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)


class Client:
    """An HTTP client over an exchange in this process."""

    def __init__(self, log: Path | None = None, **settings: object) -> None:
        given: dict[str, Any] = {"partial_fill_probability": 0.0, "seed": 5, **settings}
        config = ExchangeConfig(
            "small", date(2008, 9, 2), api_key=KEYS["APCA-API-KEY-ID"], api_secret=KEYS["APCA-API-SECRET-KEY"], **given
        )
        self.exchange = Exchange(config, market())
        self.server = Server(self.exchange, AccessLog(log), on_save=lambda: None, on_shutdown=lambda: None)
        self.http = Http(self.server.app(), KEYS)

    def stranger(self, keys: dict[str, str], host: str = "127.0.0.1:1") -> Http:
        """Somebody else at the same door."""
        return Http(self.server.app(), keys, host)

    def get(self, path: str, **params: object) -> Any:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, **body: object) -> tuple[int, Body]:
        answer = self.http.post("/v2/orders", json={**ORDER, **body})
        return answer.status_code, answer.json()

    def to(self, text: str) -> Body:
        """Advance through every event until the instant is reached."""
        while True:
            said: Body = self.http.post("/admin/advance", json={"to": text}).json()
            if said["reached"]:
                return said


ORDER: Body = {"symbol": "ABC", "side": "buy", "type": "market", "qty": "10", "time_in_force": "gtc"}
MORNING = "2008-09-02T14:00:00Z"


@pytest.fixture
def new_client() -> Callable[..., Client]:
    """Makes clients of fresh exchanges that stand at 08:00 New York of 2008-09-02; settings are the config's."""
    return Client


@pytest.fixture
def client() -> Client:
    """A client half an hour into the first session."""
    made = Client()
    made.to(MORNING)
    return made
