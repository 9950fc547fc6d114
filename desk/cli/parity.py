"""`desk parity`: does a backtest say what the live path does? One strategy through both, on the same prices, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from desk.cli.compare import ConfigOption, JsonOption, PageOption, aligned, day
from desk.cli.tables import console, print_json, print_table
from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.domain.errors import ReconciliationBreak, UsageError
from desk.report.files import write_whole
from desk.report.wording import NO_PROMISE
from desk.research import parity_page as page
from desk.research.parity_page import Parity, compared
from desk.research.parity_runs import Setting, run_both
from desk.runtime.plugins import load_strategy
from desk.runtime.strategy import DeskStrategy
from desk.settings.load import load_settings

DEFAULT_START = "2008-09-02"
StrategyArgument = Annotated[str, typer.Argument(metavar="STRATEGY", help="A desk strategy, as `desk strategies` lists them.")]
SessionsOption = Annotated[int, typer.Option("--sessions", min=1, max=2000, help="How many sessions.")]
StartOption = Annotated[
    str | None, typer.Option("--start", metavar="DATE", help="First session; default 2008-09-02, or the data's last sessions.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Your own bars, CSV or Parquet; default the bundled market.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Which path the exchange makes inside a day.")]


def parity(
    strategy: StrategyArgument,
    sessions: SessionsOption = 60,
    start: StartOption = None,
    data: DataOption = None,
    seed: SeedOption = 1,
    page_file: PageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a strategy through the backtester and through the whole live path on the same bars, and compare every order and fill.

    Exit code 7 when a difference has no cause that the two runs prove.
    """
    loaded = load_strategy(strategy)
    if not issubclass(loaded, DeskStrategy):
        raise UsageError(f"{strategy} is a plain Lumibot strategy, without the desk's decisions: name a desk strategy")
    if loaded.trades_options:
        raise UsageError(f"{strategy} trades option spreads, and parity compares orders for shares: see backtests/spreads.py")
    setting = Setting(
        strategy,
        loaded,
        load_settings(config=config),
        load_bundled() if data is None else load_directory(data),
        day(start or (DEFAULT_START if data is None else None), "--start"),
        sessions,
        data,
        seed,
    )
    err = typer.get_text_stream("stderr")
    found = compared(setting, run_both(setting, lambda text: print(text, file=err) if err.isatty() else None))
    written = None if page_file is None else write_whole(page_file, page.parity_page(found))
    if as_json:
        print_json(page.as_object(found) | {"page": written})
    else:
        _print(found, written)
    if found.unexplained:
        raise typer.Exit(ReconciliationBreak.exit_code)


def _print(found: Parity, written: Path | None) -> None:
    out = console()
    for name, value in page.headline(found):
        out.print(Text(f"{name}: {value}"), soft_wrap=True)
    out.print()
    if page.rows(found):
        print_table(page.HEADS, page.rows(found))
        out.print()
    out.print(aligned(page.EQUITY_HEADS, page.equity_rows(found)))
    out.print()
    for note in page.notes(found):
        out.print(Text(f"- {note}"), soft_wrap=True)
    out.print(Text(NO_PROMISE, style="italic"))
    if written is not None:
        out.print(Text(f"Page: {written}", style="bold"), soft_wrap=True)
