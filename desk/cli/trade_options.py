"""The command line of live_trader.py, read and checked."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from desk.domain.errors import UsageError

EPILOG = """examples:
  python live_trader.py --strategy combined                         Alpaca paper when keys are set, else the built-in exchange
  python live_trader.py --strategy combined --broker exchange --sessions 20 --seed 7
  python live_trader.py --resume runs/combined-exchange             go on with a run that was stopped

exit codes: 0 done, 1 error, 2 usage, 3 broker unreachable, 4 configuration, 5 refused, 6 halted, 7 reconciliation break"""

LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class TradeOptions:
    """Options as a person gave them; None where none was given."""

    strategy: str | None
    broker: str | None
    once: bool
    sessions: int | None
    start: date | None
    seed: int | None
    speed: float | None
    data: Path | None
    config: Path | None
    resume: Path | None
    dry_run: bool
    live: bool
    account: str | None
    json: bool
    report: Path | None
    runs: Path
    port: int


def parse(argv: Sequence[str]) -> TradeOptions:
    """Read `argv`. Raises UsageError for options that contradict each other; argparse itself exits with 2 for the rest."""
    options = TradeOptions(**vars(_parser().parse_args(argv)))
    _check(options)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="live_trader.py",
        description="Trade a strategy with every position protected at the broker: Alpaca, or the built-in exchange.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--strategy", metavar="NAME", help="strategy to trade; `desk strategies` lists them")
    add("--broker", choices=["exchange", "alpaca"], help="default: alpaca when keys are set, else exchange")
    add("--once", action="store_true", help="one full iteration, then exit")
    add("--sessions", type=_positive, metavar="N", help="sessions to replay (exchange; default 60)")
    add(
        "--start",
        type=_day,
        metavar="DATE",
        help="first session to replay, YYYY-MM-DD (exchange; default 2008-09-02, with --data the last)",
    )
    add("--seed", type=_whole, metavar="N", help="seed of the exchange's intraday paths and partial fills (default 1)")
    add("--speed", type=_speed, metavar="X|max", default=None, help="virtual seconds in a second (exchange; default max)")
    add("--data", type=Path, metavar="DIR", help="your own bars, CSV or Parquet (exchange; docs/data.md)")
    add("--config", type=Path, metavar="FILE", help="behaviour in YAML (default config/default.yaml)")
    add("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    add("--dry-run", action="store_true", help="one iteration; print the orders and send none")
    add("--live", action="store_true", help="real money; also needs ALPACA_IS_PAPER=false and --account")
    add("--account", metavar="ID", help="number of the live account, as a check")
    add("--json", action="store_true", help="print the result as one JSON object, last on stdout")
    add("--report", type=Path, metavar="DIR", help="folder for report.html (default: the run's folder)")
    add("--runs", type=Path, metavar="DIR", default=Path("runs"), help="where run folders are made (default runs)")
    add("--port", type=_port, metavar="N", default=0, help="port of the exchange (default: a free one)")
    return parser


def _check(options: TradeOptions) -> None:
    if options.strategy is None and options.resume is None:
        raise UsageError("--strategy NAME is missing: say what to trade, for example --strategy combined")
    if options.live and options.broker == "exchange":
        raise UsageError("--live is for a real account; the built-in exchange has none: leave --live or --broker exchange out")
    if options.account and not options.live:
        raise UsageError(f"--account {options.account} goes with --live; without --live nothing real is traded: leave it out")
    if options.broker == "alpaca":
        check_alpaca(options)
    if options.resume is not None and (options.start or options.sessions or options.seed is not None or options.data):
        raise UsageError("--resume goes on with the run as it was: leave --start, --sessions, --seed and --data out")


def check_alpaca(options: TradeOptions) -> None:
    """Raises UsageError for options that only the built-in exchange knows."""
    for name, given in (
        ("--sessions", options.sessions),
        ("--start", options.start),
        ("--seed", options.seed),
        ("--data", options.data),
        ("--speed", options.speed),
        ("--port", options.port or None),
    ):
        if given is not None:
            raise UsageError(
                f"{name} is for the built-in exchange; Alpaca trades today's market: leave it out, or add --broker exchange"
            )


def _positive(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def _whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not 0 <= number < 2**31:
        raise argparse.ArgumentTypeError(f"{text} is out of range")
    return number


def _port(text: str) -> int:
    number = _whole(text)
    if number > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port: give one from 1 to {LAST_PORT}, or leave it out for a free one")
    return number


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date: write it as 2008-09-02") from None


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number above zero nor max")
    return speed
