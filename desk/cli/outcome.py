"""Tells a person, or a program with --json, how a run ended."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from desk.cli.trade_console import TradeConsole
from desk.cli.trade_options import TradeOptions
from desk.domain.decisions import Mode
from desk.domain.errors import ConfigurationError, DeskError, Halted
from desk.report.html import write_report
from desk.report.spreads import name_of
from desk.report.statistics import max_drawdown_fraction
from desk.report.summary import print_summary
from desk.runtime.result import RunResult
from desk.runtime.run_folder import RunFolder


def tell(result: RunResult, options: TradeOptions, folder: RunFolder, console: TradeConsole, next_commands: Sequence[str]) -> int:
    """Print what became of the run, write its report and return its exit code.

    Raises DeskError for a run that something ended early or whose report cannot be written, Halted for one whose desk opens
    nothing any more.
    """
    again = resume_command(folder)
    if result.stopped:
        console.print(f"{open_words(result)} Go on with: {again}", style="bold", soft_wrap=True)
    report = (options.report or folder.path) / "report.html"
    # The report comes last: a disk that is full by then takes nothing else away.
    print_summary(result.record, console, (again, *next_commands[1:]) if result.stopped else next_commands, report)
    if options.json:
        console.object(as_json(result))
    problem = _problem(result, folder)
    try:
        write_report(result.record, report)
    except ConfigurationError as error:
        if problem is None:
            raise
        console.say(f"Error: {error}")
    if problem is not None:
        raise problem
    console.check(f"go on with: {again}")
    return 0


def tell_dry_run(result: RunResult, options: TradeOptions, console: TradeConsole, sent_before: int) -> int:
    """Say that nothing was sent. `sent_before` orders were by the run itself, which the result counts too.

    Raises DeskError when something ended the iteration early.
    """
    due = result.counts.orders_submitted - sent_before
    console.say(f"Dry run: {due} orders were due and shown; none was sent.")
    if options.json:
        console.object(as_json(result))
    if result.error is not None:
        raise result.error if isinstance(result.error, DeskError) else DeskError(f"the dry run ended early: {result.error!r}")
    console.check("start it again")
    return 0


def resume_command(folder: RunFolder) -> str:
    """What a person types to go on with a run."""
    return f"{python()} live_trader.py --resume {folder.path}"


def trades_spreads(strategy_class: type) -> bool:
    """Whether a strategy trades option spreads alone; plain Lumibot strategies say nothing of it."""
    return bool(getattr(strategy_class, "trades_options", False))


def positions_command(folder: RunFolder) -> str:
    """What a person types to see a run's option spreads."""
    return f"{Path(python()).with_name('desk')} options positions --run {folder.path} --all"


def _problem(result: RunResult, folder: RunFolder) -> DeskError | None:
    """What the run ended in, None when in order."""
    if isinstance(result.error, DeskError):
        return result.error
    if result.error is not None:
        return DeskError(_crash_words(result, folder))
    return Halted(halted_words(folder)) if result.mode is Mode.HALTED else None


def python() -> str:
    """How a person starts this Python from here."""
    own = Path(sys.executable)
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else "python"


def open_words(result: RunResult) -> str:
    """What is still held when a run stops, and whether its exits cover it."""
    held = [trip for trip in result.record.trips if trip.is_open]
    if not held:
        return f"Stopped. {_spread_words(result) or 'No position is open.'}"
    listed = ", ".join(f"{trip.shares} {trip.symbol}" for trip in held)
    bare = [trip.symbol for trip in held if not trip.is_protected]
    if bare:
        said = f"Stopped. Open: {listed}. NOT PROTECTED: {', '.join(bare)}; resume, or place an exit by hand."
    else:
        said = f"Stopped. Open: {listed}; stop and target of each rest at the broker."
    return f"{said} {_spread_words(result)}".rstrip()


def _spread_words(result: RunResult) -> str:
    """Option spreads that are still held: nothing at the broker ends them, only a desk that runs."""
    held = [spread for spread in result.record.spreads if spread.is_open]
    if not held:
        return ""
    listed = ", ".join(name_of(spread) for spread in held)
    return (
        f"Open spreads: {listed}; their exit rules act while the desk runs, and what they can lose is bounded by the bought puts."
    )


def halted_words(folder: RunFolder) -> str:
    """What a halt means and the way back."""
    return (
        "the desk is halted: it protects and closes, and opens nothing. The journal has the reason. When you have looked, "
        f'loosen it with: desk mode {folder.path} active --reason "..."'
    )


def _crash_words(result: RunResult, folder: RunFolder) -> str:
    return (
        f"the run ended early: {type(result.error).__name__}: {result.error}. Positions keep their stops and targets at the "
        f"broker; {folder.log} has the details. Go on with: {resume_command(folder)}"
    )


def as_json(result: RunResult) -> dict[str, object]:
    """The result as `--json` prints it; None for what this broker's books do not tell."""
    record, counted = result.record, result.counts
    unprotected = record.unprotected_share_seconds
    return {
        "strategy": record.strategy,
        "broker": record.broker,
        "sessions": record.sessions,
        "iterations": record.iterations,
        "orders_submitted": counted.orders_submitted,
        "orders_rejected": counted.orders_rejected,
        "orders_rejected_unexplained": counted.orders_rejected_unexplained,
        "fills": counted.fills,
        "round_trips": sum(not trip.is_open for trip in record.trips),
        "spreads_closed": sum(not spread.is_open for spread in record.spreads),
        "spreads_open": sum(spread.is_open for spread in record.spreads),
        "gate_refusals": record.gate_refusals,
        "equity_start": record.equity[0].equity_usd if record.equity else None,
        "equity_end": record.equity[-1].equity_usd if record.equity else None,
        "max_drawdown_fraction": max_drawdown_fraction([point.equity_usd for point in record.equity]),
        "unprotected_share_seconds": None if math.isnan(unprotected) else unprotected,
        "reconciliation_breaks": counted.reconciliation_breaks,
        "wall_seconds": round(result.wall_seconds, 3),
    }
