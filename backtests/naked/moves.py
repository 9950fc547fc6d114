"""Moves of a position on the wall clock, each on a symbol of its own, and how long each left shares bare.

The exchange runs at speed 1 with the latency measured at Alpaca, and fills no order in part. The desk is the one that trades
there: Lumibot's executor and orders thread, the websocket, the guardian, and a journal that is synced to disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isclose
from pathlib import Path
from threading import Event
from typing import Any

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import pandas as pd
from benchmarks import rules
from benchmarks.rules import Task

from desk.brokers.endpoint import Endpoint
from desk.core.protect import is_settled
from desk.data.calendars import session_on
from desk.domain.decisions import FixedExit, Mode, Shares, Signal, Target
from desk.domain.market import Market
from desk.domain.steps import Submit
from desk.domain.trades import Book
from desk.exchange.admin_client import AdminClient
from desk.exchange.config import ExchangeConfig
from desk.exchange.machine.book import MEASURED_LATENCY
from desk.exchange.process import ExchangeProcess
from desk.journal.reader import JournalReader
from desk.runtime.alpaca_run import AlpacaRun
from desk.runtime.clock import stopwatch
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour, Universe
from desk.settings.load import Settings
from naked.windows import Window, moment, windows_of

WHOLE, PART = 100, 40
# So far away that no price reaches them while the moves are made.
FAR = FixedExit(0.4, 0.4)
# There is one a second; a move that is not through by then has failed.
MOST_ITERATIONS_A_MOVE = 30
# The desk's clock is off by as much as the quickest of so many answers took, at most; moves are further apart than this.
QUESTIONS, CLOCKS_APART = 10, timedelta(milliseconds=50)
FILL, TRIM, ADDITION, TRANCHE = "fill of a bracket", "trim of a bracket", "addition", "trim of a tranche"
KINDS = (FILL, TRIM, ADDITION, TRANCHE)
# Moments of a move, in their order: the desk decided on exits, first asked for them, got them, and got the sale of the rest.
DECIDED, ASKED, COVERED, SELLING = "decided", "asked", "covered", "selling"
MARKS = (DECIDED, ASKED, COVERED, SELLING)


@dataclass(frozen=True)
class Move:
    """A position that shall have so many shares from now on, and what that is a case of."""

    symbol: str
    shares: int
    kind: str


@dataclass(frozen=True)
class Made:
    """A move that was made: for how many milliseconds its symbol stood bare in all, and the share-seconds of it.

    `refused` orders of it were sent again. `marks_ms` are milliseconds from the beginning of the bare time, by `MARKS`.
    """

    kind: str
    symbol: str
    milliseconds: float
    share_seconds: float
    refused: int
    marks_ms: Mapping[str, float]


def moves_on(symbols: Sequence[str], trims: int) -> list[Move]:
    """So many trims of a bracket, as many additions, and as many trims of what was added."""
    cut, grown = symbols[:trims], symbols[trims:]
    return [
        *(Move(symbol, WHOLE, FILL) for symbol in cut),
        *(Move(symbol, WHOLE - PART, FILL) for symbol in grown),
        *(Move(symbol, WHOLE - PART, TRIM) for symbol in cut),
        *(Move(symbol, WHOLE, ADDITION) for symbol in grown),
        *(Move(symbol, WHOLE - PART, TRANCHE) for symbol in grown),
    ]


# ---- the desk that makes them --------------------------------------------------------------------------------------------


@dataclass
class Moves:
    """Moves made one after the other, each when the desk is through with the one before; `stop` is set after the last.

    `begun` has what was asked for and when, by the desk's clock.
    """

    left: list[Move]
    stop: Event
    wanted: dict[str, int] = field(default_factory=dict)
    begun: list[tuple[datetime, Move]] = field(default_factory=list)
    waited: int = 0

    def go_on(self, book: Book, now: datetime) -> None:
        """Begin what is next, all openings at once."""
        if not all(_is_there(book, symbol, shares) for symbol, shares in self.wanted.items()):
            self.waited += 1
            if self.waited > MOST_ITERATIONS_A_MOVE:
                self.stop.set()
            return
        if not self.left:
            self.stop.set()
        count = sum(move.kind is FILL for move in self.left) or 1
        due, self.left, self.waited = self.left[:count], self.left[count:], 0
        self.wanted |= {move.symbol: move.shares for move in due}
        self.begun += [(now, move) for move in due]


def _is_there(book: Book, symbol: str, shares: int) -> bool:
    return book.shares_of(symbol) == shares and all(is_settled(trade) for trade in book.trades_of(symbol))


def mover(moves: Moves) -> type[DeskStrategy]:
    """A strategy that wants what `moves` say."""

    class Mover(DeskStrategy):
        def signals(self, market: Market, book: Book) -> Sequence[Signal]:
            moves.go_on(book, market.now)
            return ()

        def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
            return [Target(symbol, Shares(shares), FAR, "its turn") for symbol, shares in moves.wanted.items()]

    return Mover


class ExchangeTime:
    """The clock of an exchange at speed 1, asked for at the start: clocks of machines that trade are as near to each other."""

    def __init__(self, admin: AdminClient) -> None:
        # Begun before the question, so that it runs ahead by the way there: nothing comes that is of its future.
        self._began, self._base = min((_asked(admin) for _ in range(QUESTIONS)), key=lambda answer: answer[2])[:2]

    def now(self) -> datetime:
        return self._base + timedelta(seconds=stopwatch() - self._began)


def _asked(admin: AdminClient) -> tuple[float, datetime, float]:
    """When the time was asked for, what it was, and the seconds that the answer took."""
    began = stopwatch()
    return began, moment(admin.status()["now"]), stopwatch() - began


def make_moves(trims: int, folder: Path) -> list[Made]:
    """Make so many moves of each kind at an exchange of its own; it, the desk and the data live in the empty `folder`.

    Raises what ended the run early, RuntimeError when a move was not carried out.
    """
    task, home = Task(2 * trims, 2), folder / "run"
    (home / "models").mkdir(parents=True)
    symbols = _write_market(task, folder / "data")
    start, log = rules.traded_sessions(task)[-1], folder / "access.log"
    config = ExchangeConfig(
        str(folder / "data"),
        start,
        cash_usd=1e8,
        speed=1.0,
        latency=MEASURED_LATENCY,
        partial_fill_probability=0.0,
        access_log=log,
    )
    moves = Moves(moves_on(symbols, trims), Event())
    with ExchangeProcess(config, folder / "exchange.log") as exchange:
        session = session_on(start)
        assert session is not None
        _advance(exchange.admin, session.opens_at + timedelta(hours=1.5))
        run = _run_at(exchange, mover(moves), symbols, moves.stop, home)
        _play(run, moves)
        found = windows_of(exchange.admin.report(), run.clock.now())
    made = list(_made(moves.begun, found, _Traces(log, home / "journal.db")))
    told, counted = sum(window.share_seconds for window in found), sum(each.share_seconds for each in made)
    if not isclose(told, counted):
        raise RuntimeError(f"{told} share-seconds at the exchange, {counted} of them belong to a move")
    return made


def _write_market(task: Task, folder: Path) -> list[str]:
    """Write prices for the exchange. Returns their symbols."""
    folder.mkdir()
    frames = rules.frames(task)
    pd.concat(frames, names=["symbol", "timestamp"]).to_csv(folder / "market.csv", date_format="%Y-%m-%d")
    return list(frames)


def _advance(admin: AdminClient, to: datetime) -> None:
    while not admin.advance(to).reached:
        pass


def _run_at(
    exchange: ExchangeProcess, strategy_class: type[DeskStrategy], symbols: Sequence[str], stop: Event, home: Path
) -> AlpacaRun:
    universe = Universe(alpaca=tuple(symbols))
    behaviour = Behaviour(tolerance_fraction=0.0, sleeptime="1S", hedging=False, universe=universe)
    request = RunRequest("mover", Settings(behaviour, None, {}, None), home.parent)
    url = exchange.url
    endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, url, url, exchange.stream_url, requests_per_minute=10**6)
    clock = ExchangeTime(exchange.admin)
    return AlpacaRun(request, strategy_class, endpoint, RunFolder(home), lambda text: None, clock=clock, stop=stop)


def _play(run: AlpacaRun, moves: Moves) -> None:
    result = run.run()
    if result.error is not None:
        raise result.error
    if moves.left or moves.waited or result.mode is not Mode.ACTIVE:
        last = moves.begun[-1][1] if moves.begun else None
        raise RuntimeError(f"the desk is {result.mode}, {len(moves.left)} moves were not begun; the last one that was is {last}")


# ---- what became of them -------------------------------------------------------------------------------------------------

Instants = Mapping[str, datetime]


class _Traces:
    """What exchange and desk wrote down of orders: requests with their answers, and decisions."""

    def __init__(self, log: Path, journal: Path) -> None:
        lines = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
        self._posts = [line for line in lines if line.get("method") == "POST" and line["path"] == "/v2/orders"]
        with JournalReader(journal) as reader:
            rows = [stored.row() for stored in reader.rows()]
        self._decided = [(row.at, row.value) for row in rows if isinstance(row.value, Submit) and row.value.covers is not None]

    def refused(self, since: datetime, until: datetime) -> int:
        return sum(post["status"] != 200 for post in self._between(since, until))

    def marks(self, since: datetime, until: datetime) -> Instants:
        """The first moment of each kind."""
        posts = self._between(since, until)
        taken = [post for post in posts if post["status"] == 200]
        found = {
            DECIDED: [at for at, _ in self._decided if since <= at < until],
            ASKED: [moment(post["at"]) for post in posts],
            COVERED: [moment(post["at"]) for post in taken if "-cover" in post["client_order_id"]],
            SELLING: [moment(post["at"]) for post in taken if "-sale" in post["client_order_id"]],
        }
        return {name: min(found[name]) for name in MARKS if found[name]}

    def _between(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        return [post for post in self._posts if since <= moment(post["at"]) < until]


def _made(begun: Sequence[tuple[datetime, Move]], found: Sequence[Window], traces: _Traces) -> Iterator[Made]:
    starts = sorted({at - CLOCKS_APART for at, _ in begun})
    for asked_at, move in begun:
        at = asked_at - CLOCKS_APART
        over = min((start for start in starts if start > at), default=datetime.max.replace(tzinfo=UTC))
        mine = [window for window in found if window.symbol == move.symbol and at < window.until <= over]
        since = mine[0].since if mine else at
        marks = traces.marks(since, over) if mine else {}
        yield Made(
            move.kind,
            move.symbol,
            1000 * sum(window.seconds for window in mine),
            sum(window.share_seconds for window in mine),
            traces.refused(since, over) if mine else 0,
            {name: 1000 * (mark - since).total_seconds() for name, mark in marks.items()},
        )
