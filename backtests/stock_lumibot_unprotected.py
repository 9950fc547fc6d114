"""What plain rules leave at the broker on stock Lumibot: naked positions, refused orders, dead iterations. Beside it, the desk.

The sessions are those of `make trade`, at the built-in exchange, through Lumibot's executor, HTTP and websocket. Three ways to
write the same rules (stock/plain_rules.py) run on Lumibot 4.6.30 with its own Alpaca broker; the last column is the desk's
combined strategy with config/showcase.yaml. Every account begins with the holdings of that file, which nobody protects at first.
Naked is what the exchange's own books call so; orders are read from its listing.

    python backtests/stock_lumibot_unprotected.py [--sessions 60] [--config FILE] [--json FILE]

Stock Lumibot is helped where a replay would be unfair to it. It gets the desk's market data, since its own look at the machine's
clock. The exchange takes 10 ms to accept its orders, as measured at Alpaca, because Lumibot drops a fill that is faster than the
answer to its order. And what the strategy raises ends neither the run nor the thread that calls it back.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
from alpaca.common.exceptions import APIError
from rich.console import Console
from rich.table import Table
from stock.plain_rules import HELD_SESSIONS, ChecksPrices, SendsBrackets, SendsStopAndLimit
from stock.watched import Watch, watched
from stock_lumibot_after_a_bracket import FIRST_DAY, LAST_DAY, PatientReplay, StockAlpaca, endpoint_of, threaded_desk

from desk.brokers.alpaca_market import DeskAlpacaData
from desk.cli.trade_exchange import DEFAULT_SEED, DEFAULT_SESSIONS, expected_iterations
from desk.data.bundled import load_bundled
from desk.data.calendars import Session, sessions
from desk.exchange.config import ExchangeConfig, holdings_of
from desk.exchange.machine.book import MEASURED_LATENCY, Latency
from desk.exchange.process import ExchangeProcess
from desk.report.terminal import print_within
from desk.runtime.clock import VirtualClock, stopwatch
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.hosting import QUIET_ARGUMENTS, hosted
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunIdentity, create
from desk.runtime.stage import Stage
from desk.settings.behaviour import Behaviour
from desk.settings.load import Settings, load_settings
from strategies.combined import Combined

SHOWCASE = Path(__file__).resolve().parents[1] / "config" / "showcase.yaml"
LARGE_SHARE = 0.17
# Lumibot's broker logs each refusal, and alpaca-py the end of its own websocket; the table tells.
NOISY = ("lumibot.brokers.alpaca", "alpaca.trading.stream")
STOCK: dict[str, type] = {
    "hourly\nlook": ChecksPrices,
    "brackets": SendsBrackets,
    "separate\nexits": SendsStopAndLimit,
}
DESK = "the desk"


class LenientReplay(PatientReplay):
    """Goes on after a callback that raised, as after an iteration; the refusals of both are in `raised`.

    Live it would be worse: the thread that runs the callbacks ends with the first one that raises, until the next session.
    """

    def process_event(self, event: Any, payload: Any, skip_first_iteration_events: bool = True) -> None:
        try:
            super().process_event(event, payload, skip_first_iteration_events)
        except APIError as error:
            self.raised.append(error)


@dataclass(frozen=True)
class Result:
    """One column: what became of the rules at one broker. Positions are counted at the ends of the sessions."""

    name: str
    due: int
    followed: int
    sent: int
    refused: dict[str, int]
    opened: int
    positions: int
    without_exit: int
    without_stop: int
    without_target: int
    overdue: int
    large: int
    largest_share: float
    naked_share_seconds: float
    naked_by_symbol: dict[str, float]
    equity_usd: float
    seconds: float
    raised: dict[str, int]  # exceptions of iterations and callbacks, by kind


def result_of(name: str, chosen: Sequence[Session], watch: Watch, seconds: float, raised: Sequence[BaseException]) -> Result:
    held, report = watch.held, watch.report
    return Result(
        name=name.replace("\n", " "),
        due=expected_iterations("1H", chosen),
        followed=watch.followed,
        sent=report["orders_submitted"] + report["orders_rejected"],
        refused=watch.refused(),
        opened=watch.opened,
        positions=len(held),
        without_exit=sum(not each.has_exit for each in held),
        without_stop=sum(not each.has_stop for each in held),
        without_target=sum(not each.has_target for each in held),
        overdue=sum(each.sessions > HELD_SESSIONS for each in held),
        large=sum(each.share > LARGE_SHARE for each in held),
        largest_share=max((each.share for each in held), default=0.0),
        naked_share_seconds=report["unprotected_share_seconds"],
        naked_by_symbol=report["unprotected_by_symbol"],
        equity_usd=report["equity_usd"],
        seconds=seconds,
        raised=dict(Counter(words_of(error) for error in raised).most_common()),
    )


def words_of(error: BaseException) -> str:
    """The exception without the figures that stand in brackets."""
    text = error.message if isinstance(error, APIError) else str(error)
    return f"{type(error).__name__}: {text.split(' (')[0]}"


def play_stock(name: str, rules: type, chosen: Sequence[Session], behaviour: Behaviour, folder: Path) -> Result:
    """Run `rules` on a fresh exchange with Lumibot's own broker, in an account that begins as `behaviour` says."""
    began = stopwatch()
    with ExitStack() as stack:
        config = ExchangeConfig(
            source="bundled",
            start=chosen[0].day,
            seed=DEFAULT_SEED,
            multiplier=1,
            holdings=holdings_of(behaviour.exchange_holdings),
            latency=Latency(accept=MEASURED_LATENCY.accept),
        )
        exchange = stack.enter_context(ExchangeProcess(config, folder / "exchange.log"))
        clock = VirtualClock(datetime.fromisoformat(exchange.admin.status()["now"]))
        owner = stack.enter_context(threaded_desk(clock))
        endpoint = endpoint_of(exchange)
        broker = StockAlpaca(endpoint)
        stack.callback(broker.close)
        broker.data_source = DeskAlpacaData(endpoint, clock)
        stage = Stage(exchange.admin, clock, owner, Event())
        watch = Watch(behaviour.exchange_holdings, exchange.admin)
        strategy_class = hosted(watched(rules, watch), lambda strategy: LenientReplay(strategy, stage, chosen))
        strategy = strategy_class(broker=broker, name=rules.__name__, **QUIET_ARGUMENTS)
        executor: Any = strategy._executor
        stage.attach(broker)
        executor.start()
        executor.join()
        if executor.exception is not None:
            raise executor.exception
        return result_of(name, chosen, watch, stopwatch() - began, executor.raised)


def play_desk(chosen: Sequence[Session], settings: Settings, folder: Path) -> Result:
    """Run the combined strategy as `make trade` does, in `folder`."""
    began = stopwatch()
    watch = Watch(settings.behaviour.exchange_holdings)
    identity = RunIdentity("combined", "exchange", "bundled", FIRST_DAY.isoformat(), len(chosen), DEFAULT_SEED)
    request = RunRequest("combined", settings, folder, FIRST_DAY, len(chosen), DEFAULT_SEED)
    run_folder = create(folder, "combined-exchange", identity)
    run = ExchangeRun(request, watched(Combined, watch), load_bundled(), run_folder, on_exchange=watch.attach)
    done = run.run()
    if done.error is not None:
        raise done.error
    return result_of(DESK, chosen, watch, stopwatch() - began, ())


def compare(session_count: int, settings: Settings, tell: Callable[[str], None]) -> list[Result]:
    """Play all columns, one after the other; `tell` hears of each."""
    chosen = sessions(FIRST_DAY, LAST_DAY)[:session_count]
    results = []
    with TemporaryDirectory(prefix="unprotected-") as temporary:
        for name, rules in STOCK.items():
            results.append(play_stock(name, rules, chosen, settings.behaviour, Path(temporary)))
            tell(f"{results[-1].name}: {results[-1].seconds:.0f} s")
        results.append(play_desk(chosen, settings, Path(temporary)))
        tell(f"the desk: {results[-1].seconds:.0f} s")
    return results


# ---- the table ---------------------------------------------------------------------------------------------------------

ROWS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("iterations due", lambda result: f"{result.due}"),
    ("iterations in which the rules were followed", lambda result: f"{result.followed}"),
    ("iterations that ended in an exception", lambda result: f"{result.due - result.followed}"),
    ("orders sent", lambda result: f"{result.sent}"),
    ("orders refused", lambda result: f"{sum(result.refused.values())}"),
    ("positions opened", lambda result: f"{result.opened}"),
    ("positions at the sessions' ends", lambda result: f"{result.positions}"),
    ("  without any live exit", lambda result: f"{result.without_exit}"),
    ("  without a stop", lambda result: f"{result.without_stop}"),
    ("  without a target", lambda result: f"{result.without_target}"),
    (f"  held for more than {HELD_SESSIONS} sessions", lambda result: f"{result.overdue}"),
    (f"  above {LARGE_SHARE:.0%} of the equity", lambda result: f"{result.large}"),
    ("  the largest, of the equity", lambda result: f"{result.largest_share:.1%}"),
    ("naked share-seconds", lambda result: f"{result.naked_share_seconds:,.0f}"),
    ("equity at the end, dollars", lambda result: f"{result.equity_usd:,.0f}"),
)


def rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    for label, cell in ROWS:
        yield label, *(cell(result) for result in results)
        if label == "orders refused":
            for kind in dict.fromkeys(kind for result in results for kind in result.refused):
                yield f"  {kind}", *(f"{result.refused.get(kind, 0)}" for result in results)
        if label == "naked share-seconds":
            for symbol in sorted({symbol for result in results for symbol in result.naked_by_symbol}):
                yield f"  {symbol}", *(f"{result.naked_by_symbol.get(symbol, 0.0):,.0f}" for result in results)


def table(results: Sequence[Result]) -> Table:
    shown = Table("", box=None, pad_edge=False, padding=(0, 0, 0, 1))
    for name in (*STOCK, DESK):
        shown.add_column(name, justify="right")
    for row in rows(results):
        shown.add_row(*row)
    return shown


def say(console: Console, results: Sequence[Result]) -> None:
    print_within(console, table(results))
    for result in results:
        for error, count in result.raised.items():
            console.print(f"{result.name} raised {count} times {error}", soft_wrap=True, markup=False)
    console.print("One period of one market says nothing about which column earns more.")


def options_from(arguments: Sequence[str] | None) -> argparse.Namespace:
    most = len(sessions(FIRST_DAY, LAST_DAY))
    parser = argparse.ArgumentParser(description="What plain rules on stock Lumibot leave unprotected, beside the desk.")
    parser.add_argument("--sessions", type=int, default=DEFAULT_SESSIONS, help=f"from 1 to {most}; {DEFAULT_SESSIONS} otherwise")
    parser.add_argument("--config", type=Path, default=SHOWCASE, metavar="FILE", help="settings other than config/showcase.yaml")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    options = parser.parse_args(arguments)
    if not 1 <= options.sessions <= most:
        parser.error(f"--sessions {options.sessions}: give a number from 1 to {most}; the last one is {LAST_DAY}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_from(arguments)
    settings = load_settings(config=options.config, environ={}, dotenv=None)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    console = Console(highlight=False)
    told = f"Stock Lumibot {version('lumibot')}: the same rules, three ways to leave a position. Last, the desk."
    console.print(told, soft_wrap=True)
    console.print(f"{options.sessions} sessions from {FIRST_DAY}, seed {DEFAULT_SEED}, {options.config.name}.", markup=False)
    results = compare(options.sessions, settings, lambda text: console.print(text, markup=False))
    say(console, results)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
