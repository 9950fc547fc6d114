"""A look at the puts of many underlyings through the desk's option feed: seconds, requests, and whose seconds they are.

    python -m benchmarks.option_scan [--symbols 100]        (with backtests as the working folder)

The exchange on this machine makes the answers while the client waits, so its part is taken out: the same answers, kept from a
look over the network, are read once more without it; beside that alpaca-py's own models read them. A minute passes between two
looks, so that every price is a new one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import pandas as pd
from alpaca.data.historical.utils import parse_obj_as_symbol_dict
from alpaca.data.models import OptionsSnapshot

from benchmarks.isolated import isolated
from benchmarks.row import Row
from benchmarks.rules import Task, frames, traded_sessions
from desk.brokers.alpaca_clients import option_data_client, stock_data_client, trading_client
from desk.brokers.alpaca_open_interest import OpenInterest
from desk.brokers.alpaca_options import AlpacaOptionFeed, read_quotes
from desk.brokers.endpoint import Endpoint
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.runtime.clock import VirtualClock
from desk.runtime.spread_opener import HIGHEST_OF_SPOT, LOWEST_OF_SPOT

FIRST_DAYS, LAST_DAYS = 14, 60
LOOKS = 4
FULL, QUICK = 100, 3
SECONDS_AIM, REQUESTS_AIM = 2.0, 2.0


@dataclass(frozen=True)
class Scan:
    """Seconds of a look at `symbols` underlyings and of its parts; `puts` in all, and the requests that it took."""

    symbols: int
    puts: int
    requests: int
    seconds: float
    waiting_seconds: float
    reading_seconds: float
    models_seconds: float

    @property
    def client_seconds(self) -> float:
        """All but the wait for answers: making requests, taking JSON apart, reading it."""
        return self.seconds - self.waiting_seconds

    @property
    def requests_an_underlying(self) -> float:
        """Without the one that tells the prices of all underlyings together."""
        return (self.requests - 1) / self.symbols


class Watched:
    """Notes of a client's requests: how often, how long until the answer was there, and what the last ones were."""

    def __init__(self, client: Any) -> None:
        self.count, self.seconds = 0, 0.0
        self.answers: list[bytes] = []
        self._send = client._session.send
        client._session.send = self.send

    def send(self, *arguments: Any, **options: Any) -> Any:
        began = perf_counter()
        answer = self._send(*arguments, **options)
        self.seconds += perf_counter() - began
        self.count += 1
        self.answers.append(answer.content)
        return answer


@contextmanager
def exchange_of(task: Task, folder: Path) -> Iterator[ExchangeProcess]:
    """An exchange whose market is synthetic, one hour into its first traded session."""
    data = folder / "data"
    data.mkdir()
    pd.concat(frame.rename_axis("timestamp").assign(symbol=symbol) for symbol, frame in frames(task).items()).to_csv(
        data / "market.csv", date_format="%Y-%m-%d"
    )
    start: date = traded_sessions(task)[0]
    log = folder / "access.jsonl"
    with ExchangeProcess(ExchangeConfig(str(data), start, access_log=log), folder / "exchange.log") as exchange:
        morning = datetime.fromisoformat(exchange.admin.status()["now"]) + timedelta(hours=2, minutes=30)
        while not exchange.admin.advance(morning).reached:
            pass
        yield exchange


def look(feed: AlpacaOptionFeed, symbols: list[str], today: date) -> int:
    """Ask for all chains as a search for spreads does. Returns the number of puts that are quoted."""
    first, last = today + timedelta(days=FIRST_DAYS), today + timedelta(days=LAST_DAYS)
    spots = feed.spots(symbols)
    chains = [feed.chain(symbol, first, last, spot * LOWEST_OF_SPOT, spot * HIGHEST_OF_SPOT) for symbol, spot in spots.items()]
    return sum(len(chain.quotes) for chain in chains)


def measure(symbols: int, with_interest: bool = False) -> list[Scan]:
    """The first look, for which the exchange prepares its day, and those that follow it."""
    task = Task(symbols, 2)
    with TemporaryDirectory(prefix="scan-") as folder, exchange_of(task, Path(folder)) as exchange:
        endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url)
        clock = VirtualClock(datetime.fromisoformat(exchange.admin.status()["now"]))
        options, stocks, api = option_data_client(endpoint), stock_data_client(endpoint, is_raw=True), trading_client(endpoint)
        notes = [Watched(client) for client in (options, stocks, api)]
        feed = AlpacaOptionFeed(options, stocks, clock, interest=OpenInterest(api) if with_interest else None)
        names = [f"S{number:03}" for number in range(symbols)]
        found = []
        for _ in range(LOOKS):
            found.append(_look_watched(feed, names, clock.now().date(), notes))
            clock.move_to(clock.now() + timedelta(minutes=1))
            exchange.admin.advance(clock.now())
        return found


def _look_watched(feed: AlpacaOptionFeed, symbols: list[str], today: date, notes: Sequence[Watched]) -> Scan:
    """One look; the first of `notes` is of the client that chains are asked of."""
    for each in notes:
        each.count, each.seconds, each.answers = 0, 0.0, []
    began = perf_counter()
    puts = look(feed, symbols, today)
    seconds = perf_counter() - began
    waited, count = sum(each.seconds for each in notes), sum(each.count for each in notes)
    reading, models = _read_again([json.loads(each)["snapshots"] for each in notes[0].answers])
    return Scan(len(symbols), puts, count, seconds, waited, reading, models)


def _read_again(chains: list[dict[str, Any]]) -> tuple[float, float]:
    """Seconds that the desk's reading of the chains takes, and alpaca-py's models."""
    began = perf_counter()
    for chain in chains:
        dict(read_quotes(chain, {}))
    between = perf_counter()
    for chain in chains:
        parse_obj_as_symbol_dict(OptionsSnapshot, chain)
    return between - began, perf_counter() - between


def measure_alone(symbols: int, tell: Callable[[str], None]) -> list[Scan]:
    """The same with open interest, in a process of its own."""
    found = isolated(measure, symbols, True)
    tell(f"option chains of {symbols} underlyings: {', '.join(f'{scan.seconds:.2f} s' for scan in found)}")
    return found


def rows(scans: Sequence[Scan]) -> list[Row]:
    """A look at all chains, the first one apart; the aim is the later ones', which a desk makes all day."""
    first, *later = scans
    seconds = median(scan.seconds for scan in later)
    client = median(scan.client_seconds for scan in later)
    requests = max(scan.requests_an_underlying for scan in scans)
    return [
        Row(
            f"scan of {first.symbols} underlyings with full chains",
            f"{seconds:.2f} s, {first.puts:,} puts, at most {requests:g} requests an underlying",
            f"{client:.2f} s of it the client, the rest the exchange; the first look, with open interest, {first.seconds:.2f} s",
            None,
            f"under {SECONDS_AIM:g} s, at most {REQUESTS_AIM:g}",
            seconds < SECONDS_AIM and requests <= REQUESTS_AIM,
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a look at many option chains takes.")
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--interest", action="store_true", help="ask for open interest too")
    options = parser.parse_args()
    for number, scan in enumerate(measure(options.symbols, options.interest), start=1):
        print(
            f"look {number}: {scan.symbols} underlyings, {scan.puts} puts, {scan.requests} requests, {scan.seconds:.2f} s; "
            f"waiting for the exchange {scan.waiting_seconds:.2f} s, the client {scan.client_seconds:.2f} s, "
            f"of which reading quotes {scan.reading_seconds:.2f} s (alpaca-py's models: {scan.models_seconds:.2f} s)"
        )


if __name__ == "__main__":
    main()
