"""Backtest the combined strategy over the bundled history, with costs: `make backtest`.

Writes report.html, tearsheet.html and trades.csv into a folder under runs/. Works offline; opens no browser.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from desk.cli.errors import told_to_the_person
from desk.data.bundled import load_bundled, load_indices
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.report.html import write_report
from desk.report.summary import print_summary
from desk.report.tearsheet import write_tearsheet, write_trades_csv
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.run_folder import RunIdentity, create
from desk.settings.behaviour import Behaviour
from desk.settings.load import load_settings
from strategies.combined import Combined

# The first two years teach the model; every session after them can trade.
FIRST_SESSION = date(2002, 1, 2)


def main(argv: Sequence[str]) -> int:
    """Run the backtest and print its summary. Returns the exit code."""
    options = _parser().parse_args(argv)
    console = Console(highlight=False)
    with told_to_the_person():
        settings = load_settings(config=options.config)
        behaviour = settings.behaviour.model_copy(update={"confidence_gate": options.gate or settings.behaviour.confidence_gate})
        source = load_directory(options.data) if options.data else load_bundled()
        done = _run(console, behaviour, source, options.start, options.end or source.sessions()[-1])
        identity = RunIdentity("combined", "backtest", source.name, str(options.start), None, None)
        folder = create(options.runs, "combined-backtest", identity)
        report = write_report(done.record, folder.path / "report.html")
        write_trades_csv(done.record.trips, folder.path / "trades.csv")
        write_tearsheet(
            done.record.equity,
            _benchmark(options.data),
            folder.path / "tearsheet.html",
            "Combined, after costs",
            "S&P 500, price index",
        )
    print_summary(done.record, console, _next_commands(folder.path), report)
    return 0


def _run(console: Console, behaviour: Behaviour, source: Source, start: date, end: date) -> DeskBacktest:
    symbols = tuple(symbol for symbol in behaviour.universe.exchange if symbol in source.daily) or source.symbols
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console.print(f"Backtesting combined on {source.label}, {start} to {end}; gate: {behaviour.confidence_gate}", soft_wrap=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(str(start), total=1.0)
        return backtest_desk(
            Combined,
            behaviour,
            source,
            symbols,
            start,
            end,
            name="combined",
            progress=lambda day, fraction: bar.update(task, completed=fraction, description=str(day)),
        )


def _benchmark(data: Path | None) -> tuple[Sequence[date], Sequence[float]] | None:
    if data is not None:
        return None
    closes = load_indices()["SP500"]["close"]
    return [stamp.date() for stamp in closes.index], [float(close) for close in closes]


def _next_commands(folder: Path) -> Sequence[str]:
    return (
        "python backtests/combined.py --gate report   # trade what the gate refuses, to see what it is worth",
        "python backtests/foresight.py                # the null test: what the strategy makes of random walks",
        f"open {folder / 'tearsheet.html'} and {folder / 'trades.csv'}",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--start", type=date.fromisoformat, default=FIRST_SESSION, metavar="DATE", help="first session")
    parser.add_argument("--end", type=date.fromisoformat, metavar="DATE", help="last session (default: the data's last)")
    parser.add_argument("--gate", choices=["enforce", "report"], help="default: the settings', enforce")
    parser.add_argument("--config", type=Path, metavar="FILE", help="behaviour in YAML (default config/default.yaml)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="your own daily bars, CSV or Parquet (docs/data.md)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where the run's folder is made")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
