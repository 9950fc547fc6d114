"""The live path under measurement: Lumibot, alpaca-py and the desk against the built-in exchange in a process of its own."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from statistics import mean, median_low
from tempfile import TemporaryDirectory
from time import perf_counter

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import pandas as pd
from lumibot.strategies import Strategy

from benchmarks import rules
from benchmarks.rules import Task
from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.runtime.corridor import Iteration
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder
from desk.settings.behaviour import Behaviour
from desk.settings.load import Settings
from strategies.combined import Combined

BUNDLED_START = date(2008, 9, 2)
# How many sessions are traded to count requests: a first one, which fetches the history, and some that only add to it.
LOAD_SESSIONS = 3
# Messages that change orders; their number follows the trading, not the looking.
ORDER_METHODS = frozenset({"POST", "PATCH", "DELETE"})
HISTORY = "/v2/stocks/bars"
# The guardian looks at the prices of what is held by time, not by iteration: more often in a live hour than in a replayed one.
PRICE_LOOK = "/v2/stocks/trades/latest"
SETTINGS = Settings(Behaviour(confidence_gate="report"), None, {}, None)


@dataclass(frozen=True)
class Request:
    """One line of the exchange's access log."""

    at: datetime
    method: str
    path: str


@dataclass(frozen=True)
class Load:
    """What the broker is asked, from one iteration to the next.

    `mean_requests` counts all but orders, history and the guardian's `mean_price_looks`, hooks between iterations included;
    `look_requests` is the median at the iteration's own moment. `orders` were sent, changed or cancelled in the whole run.
    Refreshes are requests for history when a session begins: the run's first one, which fetches all of it in pages, and the
    mean of the later ones.
    """

    symbols: int
    iterations: int
    mean_requests: float
    look_requests: int
    mean_price_looks: float
    orders: int
    first_refresh: int
    later_refresh: float


@dataclass(frozen=True)
class Pace:
    """Speed of a replay, from the first iteration to the last."""

    iterations: int
    seconds: float
    start_seconds: float

    @property
    def iterations_a_second(self) -> float:
        return (self.iterations - 1) / self.seconds


def measure_load(task: Task) -> Load:
    """Trade the last sessions of a written directory of `task.symbols` symbols and count what the exchange saw."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        _write_csv(task, folder / "data")
        start = rules.traded_sessions(task)[-LOAD_SESSIONS:][0]
        moments = _play(folder, folder / "data", start, LOAD_SESSIONS)
        log = folder / "run" / "access.log"
        return _load(task.symbols, [at for at, _ in moments], list(_requests(log)))


def measure_pace(sessions: int, is_idle: bool = False) -> Pace:
    """Trade `sessions` sessions of the bundled market at full speed, with Combined or with a strategy that does nothing."""
    with TemporaryDirectory(prefix="bench-") as name:
        began = perf_counter()
        moments = _play(Path(name), None, BUNDLED_START, sessions, is_idle)
        first, last = moments[0][1], moments[-1][1]
        return Pace(len(moments), last - first, first - began)


def _idle(note: Callable[[datetime], None]) -> type[Strategy]:
    """A plain Lumibot strategy that looks at nothing: what an iteration costs without the desk's work."""

    class Idle(Strategy):
        def initialize(self) -> None:
            self.sleeptime = "1H"

        def on_trading_iteration(self) -> None:
            note(self.get_datetime())

    return Idle


def _play(folder: Path, data: Path | None, start: date, sessions: int, is_idle: bool = False) -> list[tuple[datetime, float]]:
    """Virtual time and stopwatch at every iteration of a run."""
    moments: list[tuple[datetime, float]] = []

    def note(at: datetime) -> None:
        moments.append((at, perf_counter()))

    def listen(iteration: Iteration) -> None:
        note(iteration.market.now)

    home = folder / "run"
    (home / "models").mkdir(parents=True)
    request = RunRequest("combined", SETTINGS, folder, start=start, sessions=sessions, data=data)
    source = load_bundled() if data is None else load_directory(data)
    strategy_class = _idle(note) if is_idle else Combined
    result = ExchangeRun(request, strategy_class, source, RunFolder(home), on_iteration=listen).run()
    if result.error is not None:
        raise result.error
    return moments


def _write_csv(task: Task, folder: Path) -> None:
    folder.mkdir()
    tidy = pd.concat(rules.frames(task), names=["symbol", "timestamp"])
    tidy.to_csv(folder / "market.csv", date_format="%Y-%m-%d")


def _requests(log: Path) -> Iterator[Request]:
    for line in log.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        path = said.get("path", "")
        if path.startswith("/v2/"):
            yield Request(datetime.fromisoformat(said["at"]), said["method"], path)


def _load(symbols: int, moments: Sequence[datetime], requests: Iterable[Request]) -> Load:
    """Sort requests by the iteration whose turn it was: from its moment to just before the next one's."""
    turns = [(bisect_right(moments, request.at) - 1, request) for request in requests]
    mine = [(turn, request) for turn, request in turns if turn >= 0]
    orders = [turn for turn, request in mine if request.method in ORDER_METHODS]
    history = Counter(turn for turn, request in mine if request.path == HISTORY)
    price_looks = sum(request.path == PRICE_LOOK for _, request in mine)
    apart = (HISTORY, PRICE_LOOK)
    others = [(turn, request) for turn, request in mine if request.method not in ORDER_METHODS and request.path not in apart]
    looks = Counter(turn for turn, request in others if request.at == moments[turn])
    first, *later = [count for _, count in sorted(history.items())]
    return Load(
        symbols,
        len(moments),
        len(others) / len(moments),
        median_low(looks.values()),
        price_looks / len(moments),
        len(orders),
        first,
        mean(later) if later else 0.0,
    )
