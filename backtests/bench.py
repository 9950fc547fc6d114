"""How fast is the desk? Each figure stands beside another one that was measured in the same run, in turn with it.

    python backtests/bench.py [--quick] [--rounds 3]

- Backtest: the combined strategy's rules on synthetic daily bars, here, on stock Lumibot, and on backtrader where it is
  installed (`make bench` installs it). How far the three made the same trades is shown, so that equal work is compared.
- The same rules on vectorbt, backtesting.py and NautilusTrader, on days of 10 and 100 symbols and on minutes of 10; there on
  backtrader and stock Lumibot too, the latter on a part of the sessions, and here on the same part beside it.
- Requests to the broker at each iteration of the live path, counted in the built-in exchange's access log.
- Iterations a second through the live path, on the bundled market.
- The exchange by itself: orders a second, from an order to its fill, simulated sessions a second, memory after a year; beside a
  bare server on the same machinery, and backtrader.
- The order path: journal writes a second beside SQLite alone, an order through the guarded client beside alpaca-py, from restart
  to a reconciled desk, and from a broken stream to the broker's truth.
- A look at the option chains of 100 underlyings through the desk's feed.
- One decision, the network apart: from a market that was looked at to a synced journal, with up to 500 bracketed positions.

Times are medians over the rounds; a ratio is the median of the rounds' own ratios, since machines are noisy.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from statistics import median

from benchmarks import (
    decision_rows,
    exchange_rows,
    live,
    option_backtest,
    option_scan,
    order_path_rows,
    ours,
    peer_rows,
    stock_lumibot,
)
from benchmarks.decision import Decision
from benchmarks.decision_rows import DecisionSize
from benchmarks.exchange_rows import ExchangeFigures, ExchangeSize
from benchmarks.isolated import isolated, prepare, warmed
from benchmarks.live import Load, Pace
from benchmarks.option_backtest import OptionRun
from benchmarks.option_scan import Scan
from benchmarks.order_path_rows import OrderPathFigures, OrderPathSize
from benchmarks.peer_rows import PeerFigures, PeerSize
from benchmarks.row import Row
from benchmarks.rules import Outcome, Task
from rich.console import Console
from rich.table import Table

from desk.report.terminal import print_within

OURS, MODEL, STOCK, BACKTRADER = "RSI alone", "with the model", "stock Lumibot", "backtrader"
STOCK_RATIO_AIM, BACKTRADER_RATIO_AIM, REQUESTS_AIM = 0.1, 1.0, 8.0
# Lumibot, alpaca-py and a server on a virtual clock, two symbols, no desk and no journal; once measured, not here.
PROOF_OF_CONCEPT_PER_SECOND = 25.0
COLUMNS = 130


@dataclass(frozen=True)
class Size:
    """How much is measured, and whether that is enough to judge by."""

    backtest: Task
    warm_up: Task
    loads: tuple[Task, ...]
    pace_sessions: int
    rounds: int
    spread_sessions: int
    exchange: ExchangeSize
    order_path: OrderPathSize
    decision: DecisionSize
    peers: PeerSize
    option_underlyings: int
    is_judged: bool


FULL = Size(
    Task(10, 1258),
    # Long enough to touch everything that a backtest imports or builds once; the model's first training is the last of it.
    Task(3, 160),
    tuple(Task(symbols, 48) for symbols in (10, 100, 500)),
    pace_sessions=20,
    rounds=3,
    exchange=exchange_rows.FULL,
    order_path=order_path_rows.FULL,
    decision=decision_rows.FULL,
    peers=peer_rows.FULL,
    option_underlyings=option_scan.FULL,
    spread_sessions=252,
    is_judged=True,
)
QUICK = Size(
    Task(3, 60),
    Task(1, 2),
    (Task(3, 2), Task(6, 2)),
    pace_sessions=2,
    rounds=1,
    exchange=exchange_rows.QUICK,
    order_path=order_path_rows.QUICK,
    decision=decision_rows.QUICK,
    peers=peer_rows.QUICK,
    option_underlyings=option_scan.QUICK,
    spread_sessions=20,
    is_judged=False,
)


@dataclass(frozen=True)
class Figures:
    """What was measured: backtests by contestant, and the live path, each in the order of the rounds."""

    outcomes: dict[str, list[Outcome]]
    paces: list[Pace]
    idle_paces: list[Pace]
    loads: list[Load]
    exchange: ExchangeFigures
    order_path: OrderPathFigures
    decisions: list[Decision]
    peers: PeerFigures
    scans: list[Scan]
    spreads: list[tuple[OptionRun, OptionRun]]


def contestants() -> Mapping[str, Callable[[Task], Outcome]]:
    found: dict[str, Callable[[Task], Outcome]] = {OURS: ours.run_rsi_alone, STOCK: stock_lumibot.run, MODEL: ours.run_with_model}
    if find_spec("backtrader") is not None:
        from benchmarks import on_backtrader

        found[BACKTRADER] = on_backtrader.run
    return found


def measure(size: Size, tell: Callable[[str], None]) -> Figures:
    """Everything, in turns: each round runs every contestant once."""
    runs = contestants()
    exchange, order_path = exchange_rows.measure(size.exchange, tell), order_path_rows.measure(size.order_path, tell)
    decisions, peers = decision_rows.measure(size.decision, tell), peer_rows.measure(size.peers, tell)
    scans = option_scan.measure_alone(size.option_underlyings, tell)
    spreads = option_backtest.measure(size.spread_sessions, size.rounds, tell)
    found = Figures({name: [] for name in runs}, [], [], [], exchange, order_path, decisions, peers, scans, spreads)
    for number in range(1, size.rounds + 1):
        for name, run in runs.items():
            found.outcomes[name].append(isolated(warmed, run, size.warm_up, size.backtest))
            tell(f"round {number} of {size.rounds}: backtest, {name}: {found.outcomes[name][-1].seconds:.2f} s")
        for paces, is_idle in ((found.paces, False), (found.idle_paces, True)):
            paces.append(isolated(live.measure_pace, size.pace_sessions, is_idle))
            who = "an idle strategy" if is_idle else "combined"
            tell(f"round {number} of {size.rounds}: live path, {who}: {paces[-1].iterations_a_second:.1f} iterations a second")
    for task in size.loads:
        found.loads.append(isolated(live.measure_load, task))
        tell(f"requests with {task.symbols} symbols: {found.loads[-1].mean_requests:.1f} an iteration")
    return found


def speed_row(outcomes: Mapping[str, Sequence[Outcome]], name: str, rival: str, aim: float | None) -> Row:
    mine, theirs = ([run.seconds for run in outcomes[one]] for one in (name, rival))
    ratio = median(one / other for one, other in zip(mine, theirs, strict=True))
    beside = f"{rival} {median(theirs):.2f} s"
    if aim is None:
        return Row(f"backtest, {name}", f"{median(mine):.2f} s", beside, ratio)
    return Row(f"backtest, {name}", f"{median(mine):.2f} s", beside, ratio, f"at most {aim:g}", ratio <= aim)


def agreement_row(outcomes: Mapping[str, Sequence[Outcome]], rival: str) -> Row:
    mine, theirs = outcomes[OURS][0], outcomes[rival][0]
    shared = len(mine.entries & theirs.entries)
    here = f"{len(mine.entries)} entries, {mine.final_usd:,.0f} dollars at the end"
    beside = f"{rival} {len(theirs.entries)} entries, {shared} of them the same, {theirs.final_usd:,.0f} dollars"
    return Row("the same trades?", here, beside, shared / max(len(mine.entries), len(theirs.entries), 1))


def load_rows(loads: Sequence[Load]) -> list[Row]:
    base = loads[0]
    return [
        Row(
            f"requests an iteration, {load.symbols} symbols",
            f"{load.mean_requests:.1f} ({load.look_requests} at the iteration itself; the guardian's looks at prices apart, "
            f"{load.mean_price_looks:.1f}; {load.orders} orders in all)",
            f"{base.symbols} symbols {base.mean_requests:.1f}",
            load.mean_requests / base.mean_requests,
            f"at most {REQUESTS_AIM:g}",
            load.mean_requests <= REQUESTS_AIM,
        )
        for load in loads
    ]


def refresh_row(loads: Sequence[Load]) -> Row:
    symbols = ", ".join(str(load.symbols) for load in loads)
    later = ", ".join(f"{load.later_refresh:g}" for load in loads)
    first = ", ".join(str(load.first_refresh) for load in loads)
    return Row(f"history requests a session, {symbols} symbols", later, f"at the start of the run {first}")


def pace_row(paces: Sequence[Pace], idle_paces: Sequence[Pace]) -> Row:
    speed, idle = (median(pace.iterations_a_second for pace in one) for one in (paces, idle_paces))
    ratio = median(one.iterations_a_second / other.iterations_a_second for one, other in zip(paces, idle_paces, strict=True))
    here = f"{speed:.1f} a second ({paces[0].iterations} of them; start {median(pace.start_seconds for pace in paces):.1f} s)"
    known = f"a bare proof of concept made {PROOF_OF_CONCEPT_PER_SECOND:g} on two cores"
    return Row("iterations through the live path", here, f"an idle strategy {idle:.1f}; {known}", ratio)


def rows(figures: Figures) -> list[Row]:
    outcomes = figures.outcomes
    found = [speed_row(outcomes, OURS, STOCK, STOCK_RATIO_AIM), speed_row(outcomes, MODEL, STOCK, None)]
    if BACKTRADER in outcomes:
        found += [speed_row(outcomes, OURS, BACKTRADER, BACKTRADER_RATIO_AIM), speed_row(outcomes, MODEL, BACKTRADER, None)]
    found += [agreement_row(outcomes, rival) for rival in (STOCK, BACKTRADER) if rival in outcomes]
    return [
        *found,
        *peer_rows.rows(figures.peers),
        *load_rows(figures.loads),
        refresh_row(figures.loads),
        pace_row(figures.paces, figures.idle_paces),
        *exchange_rows.rows(figures.exchange),
        *order_path_rows.rows(figures.order_path),
        *decision_rows.rows(figures.decisions),
        *option_scan.rows(figures.scans),
        option_backtest.option_backtest_row(figures.spreads),
    ]


def table(found: Sequence[Row], size: Size) -> Table:
    task = size.backtest
    turns = "one round" if size.rounds == 1 else f"medians of {size.rounds} rounds in turn"
    title = f"Backtests: {task.symbols} symbols, {task.sessions} sessions; {turns}"
    shown = Table("what", "here", "beside it", title=title, title_justify="left", box=None, pad_edge=False)
    shown.add_column("ratio", justify="right")
    shown.add_column("aim")
    for row in found:
        verdict = {True: ": met", False: ": missed", None: ""}[row.met if size.is_judged else None]
        shown.add_row(row.what, row.here, row.beside, "" if row.ratio is None else f"{row.ratio:.2f}", row.aim + verdict)
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure the desk beside stock Lumibot and other backtesting engines.")
    parser.add_argument("--quick", action="store_true", help="a small run that proves the scripts, not the speed")
    parser.add_argument("--rounds", type=int, help="how often everything is measured in turn")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    prepare(is_judged=size.is_judged)
    if options.rounds is not None:
        size = replace(size, rounds=max(options.rounds, 1))
    progress = Console(stderr=True, highlight=False)
    figures = measure(size, lambda text: progress.print(text, soft_wrap=True))
    console = Console(highlight=False)
    print_within(console, table(rows(figures), size), COLUMNS)
    if BACKTRADER not in figures.outcomes:
        console.print("backtrader is not installed, so its rows are missing; `make bench` installs it.", soft_wrap=True)


if __name__ == "__main__":
    main()
