"""`desk exchange conformance`: one scenario against the built-in exchange and, with paper keys, against Alpaca; what differs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.text import Text

from desk.cli.tables import console, print_json, print_table
from desk.domain.errors import ConfigurationError, DeskError, Refused
from desk.exchange.config import ExchangeConfig
from desk.exchange.conformance import differences
from desk.exchange.conformance.runner import Outcome, Runner
from desk.exchange.conformance.scenario import Scenario, load
from desk.exchange.conformance.targets import Target, alpaca_target, exchange_target
from desk.exchange.process import ExchangeProcess
from desk.runtime.clock import wait_seconds
from desk.settings import load_settings

# A morning of the bundled market, which has the same symbol as Alpaca.
START = date(2008, 9, 2)
MORNING = datetime.fromisoformat("2008-09-02T14:00:00+00:00")
COLUMNS = ("step", "expected", "here", "Alpaca", "verdict")
NO_KEYS = "Only this exchange was asked: to ask Alpaca too, set ALPACA_API_KEY and ALPACA_API_SECRET of a paper account."


class Other(StrEnum):
    """Whom else to ask."""

    ALPACA = "alpaca"


def conformance(
    against: Annotated[Other | None, typer.Option(help="also ask Alpaca's paper endpoint; needs paper keys")] = None,
    symbol: Annotated[str, typer.Option(help="a stock that the account neither holds nor has orders in")] = "AAPL",
    scenario: Annotated[Path | None, typer.Option(metavar="FILE", help="other steps than the ones that come along")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Show whether the built-in exchange answers as Alpaca does. Exit code 1 when an answer differs.

    The scenario sends about sixty requests and cancels what it made. Its orders are one share far from the market: none can fill.
    """
    steps = load(_read(scenario))
    settings = load_settings()
    if against is None:
        rows = differences.compare(_ours(steps, symbol), None)
        note = (
            NO_KEYS if settings.credentials is None else "Only this exchange was asked: add --against alpaca to ask Alpaca too."
        )
    else:
        credentials = settings.credentials
        if credentials is None:
            raise ConfigurationError("ALPACA_API_KEY and ALPACA_API_SECRET: not set; set those of a paper account")
        if not credentials.is_paper:
            raise Refused("ALPACA_IS_PAPER: false; the scenario places orders and runs on paper accounts only")
        key, secret = credentials.api_key.get_secret_value(), credentials.api_secret.get_secret_value()
        # Alpaca first: when it refuses, nothing else has to be waited for.
        theirs = _run(steps, alpaca_target(key, secret, wait_seconds), symbol)
        rows = differences.compare(_ours(steps, symbol), theirs)
        note = ""
    _tell(rows, steps, note, as_json)


def _read(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--scenario {path}: cannot be read ({error.strerror}); give another file") from error


def _ours(steps: Scenario, symbol: str) -> list[Outcome]:
    with TemporaryDirectory() as folder:
        config = ExchangeConfig("bundled", START, partial_fill_probability=0.0)
        with ExchangeProcess(config, Path(folder) / "exchange.log") as process:
            process.admin.advance(MORNING)
            return _run(steps, exchange_target(process), symbol)


def _run(steps: Scenario, target: Target, symbol: str) -> list[Outcome]:
    return Runner(target, steps, symbol, f"conformance-{secrets.token_hex(6)}").run()


def _tell(rows: Sequence[differences.Row], steps: Scenario, note: str, as_json: bool) -> None:
    wrong = differences.wrong(rows)
    if as_json:
        print_json({"steps": differences.as_json(rows), "different": len(wrong), "unsettled": list(steps.unsettled)})
    else:
        _print(rows, steps, note)
    if wrong:
        verb = "differs" if len(wrong) == 1 else "differ"
        raise DeskError(f"{len(wrong)} of {len(rows)} steps {verb}: {', '.join(row.step for row in wrong)}")


def _print(rows: Sequence[differences.Row], steps: Scenario, note: str) -> None:
    left_out = () if any(row.theirs for row in rows) else (COLUMNS.index("Alpaca"),)
    cells = [
        [cell for number, cell in enumerate(line) if number not in left_out] for line in (COLUMNS, *(row.cells() for row in rows))
    ]
    print_table(cells[0], cells[1:])
    if answered := differences.settled(rows):
        console().print(Text("\nOpen questions that Alpaca answered:"))
        print_table(("question", "Alpaca said"), [(row.settles or "", row.theirs) for row in answered])
    console().print(Text("\nNot to be settled without a fill: " + "; ".join(steps.unsettled) + "."))
    if note:
        console().print(Text(note))
