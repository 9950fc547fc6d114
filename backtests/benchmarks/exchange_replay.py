"""Simulated time at full speed: a trivial client that looks once an hour at the minutes of every symbol, and memory after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
import requests

from benchmarks import rules
from benchmarks.rules import Task
from desk.data.calendars import Session, session_on
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

HOUR = timedelta(hours=1)
SYMBOLS_A_REQUEST = 100
# Sessions that backtrader is given: its minutes take it long, and its time grows evenly with them.
RIVAL_SESSIONS = 5


@dataclass(frozen=True)
class Replay:
    """Sessions of minute bars replayed with an hourly client; memory of the exchange's process in megabytes."""

    symbols: int
    sessions: int
    iterations: int
    bars: int
    seconds: float
    megabytes_before: float
    megabytes_after: float
    rival_sessions_a_second: float | None

    @property
    def sessions_a_second(self) -> float:
        return self.sessions / self.seconds


def write_market(folder: Path, task: Task) -> tuple[str, ...]:
    """Daily bars as files that the exchange walks minute by minute. Returns the symbols."""
    frames = rules.frames(task)
    folder.mkdir(parents=True, exist_ok=True)
    parts = [frame.assign(symbol=symbol).rename_axis("timestamp").reset_index() for symbol, frame in frames.items()]
    pd.concat(parts).to_csv(folder / "market.csv", index=False)
    return tuple(frames)


def measure_replay(task: Task) -> Replay:
    """Play `task.sessions` sessions; each hour the client moves time, reads its account and the last hour's minutes."""
    folder = Path("market")
    symbols = write_market(folder, task)
    days = rules.traded_sessions(task)
    config = ExchangeConfig(str(folder.resolve()), days[0], partial_fill_probability=0.0)
    with ExchangeProcess(config, Path("exchange.log")) as exchange:
        client = Client(exchange, symbols)
        client.look(datetime.combine(days[0], datetime.min.time(), UTC))
        before = _megabytes(exchange.pid)
        began = perf_counter()
        for day in days:
            session = session_on(day)
            assert session is not None
            client.play(session)
        seconds = perf_counter() - began
        after = _megabytes(exchange.pid)
    rival = measure_rival(task) if find_spec("backtrader") else None
    return Replay(task.symbols, len(days), client.iterations, client.bars, seconds, before, after, rival)


class Client:
    """What a bot does at least: time, account, bars."""

    def __init__(self, exchange: ExchangeProcess, symbols: tuple[str, ...]) -> None:
        self._exchange = exchange
        self._chunks = [symbols[first : first + SYMBOLS_A_REQUEST] for first in range(0, len(symbols), SYMBOLS_A_REQUEST)]
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers.update({"APCA-API-KEY-ID": exchange.api_key, "APCA-API-SECRET-KEY": exchange.api_secret})
        self.iterations = self.bars = 0

    def play(self, session: Session) -> None:
        at = session.opens_at
        while at < session.closes_at:
            at = min(at + HOUR, session.closes_at)
            while not self._exchange.admin.advance(at).reached:
                pass
            self.look(at)

    def look(self, at: datetime) -> None:
        self.iterations += 1
        self._get("/v2/account", {})
        for chunk in self._chunks:
            span = {"start": (at - HOUR).isoformat(), "end": at.isoformat(), "limit": "10000", "feed": "iex"}
            answer = self._get("/v2/stocks/bars", {"symbols": ",".join(chunk), "timeframe": "1Min", **span})
            self.bars += sum(len(bars) for bars in answer["bars"].values())

    def _get(self, path: str, params: dict[str, str]) -> Any:
        answer = self._http.get(self._exchange.url + path, params=params, timeout=60)
        answer.raise_for_status()
        return answer.json()


def _megabytes(pid: int) -> float:
    """Resident memory of a process; from /proc, so 0 where there is none."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def measure_rival(task: Task) -> float:
    """Sessions a second that backtrader replays of the same kind of minutes, looking once an hour."""
    from benchmarks import minutes_on_backtrader

    return minutes_on_backtrader.sessions_a_second(task.symbols, RIVAL_SESSIONS if task.symbols <= 10 else 1)
