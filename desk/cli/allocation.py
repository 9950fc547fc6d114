"""`desk allocation`: whose shares and dollars are whose when several strategies trade in one account, by the journal alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import typer
from rich.console import RenderableType
from rich.text import Text

from desk.cli.journal import JournalOption, RunOption, place
from desk.cli.look_options import JsonOption, Line, show, table
from desk.cli.positions import JournalBook
from desk.cli.tables import print_json
from desk.core.allocation import NOBODY, Allocations
from desk.journal.reader import JournalReader
from desk.report.wording import dollars, price

COLUMNS = ("strategy", "symbol", "shares", "wants", "paid a share", "cost", "realised")
NOBODYS = "(nobody)"


@dataclass(frozen=True, slots=True)
class Part:
    """A strategy's part of one symbol; what it realised is what its sales brought beyond their cost, before fees."""

    strategy: str
    symbol: str
    shares: int
    wanted: int | None
    cost_usd: Decimal
    realised_usd: Decimal


def allocation(run: RunOption = None, journal: JournalOption = None, as_json: JsonOption = False) -> None:
    """Show whose shares the desk holds, what they cost, and what each strategy's sales brought. Asks no broker."""
    with JournalReader(place(run, journal)) as reader:
        parts = parts_of(JournalBook(reader).ledger.allocations)
    if as_json:
        print_json({"parts": [_as_object(part) for part in parts], "realised_usd": _realised(parts)})
    else:
        show(printed(parts))
    raise typer.Exit(0)


def parts_of(allocations: Allocations) -> list[Part]:
    """Every part that anybody has or had, by strategy and symbol; shares that no strategy asked for last."""
    parts = [
        Part(name, symbol, stake.shares, allocations.wanted.get(symbol, {}).get(name), stake.cost_usd, stake.realised_usd)
        for symbol, stakes in allocations.stakes.items()
        for name, stake in stakes.items()
    ]
    return sorted(parts, key=lambda part: (part.strategy == NOBODY, part.strategy, part.symbol))


def printed(parts: list[Part]) -> Iterator[RenderableType]:
    if not parts:
        yield Text("The journal has no fill: nobody holds anything.")
        return
    yield from table(COLUMNS, [_line(part) for part in parts], ("strategy", "symbol"))
    yield Text("")
    for name, sum_usd in _realised(parts).items():
        yield Text(f"{name}: {dollars(float(sum_usd))} realised, before fees.")
    if any(part.strategy == NOBODY for part in parts):
        yield Text(f"{NOBODYS}: shares that no strategy asked for, found in the account or bought by a strategy that runs alone.")


def _line(part: Part) -> Line:
    paid = price(float(part.cost_usd / part.shares)) if part.shares else ""
    return Line(
        (
            part.strategy or NOBODYS,
            part.symbol,
            f"{part.shares:,}",
            "" if part.wanted is None else f"{part.wanted:,}",
            paid,
            dollars(float(part.cost_usd)),
            dollars(float(part.realised_usd)),
        )
    )


def _realised(parts: list[Part]) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    for part in parts:
        sums[part.strategy or NOBODYS] = sums.get(part.strategy or NOBODYS, Decimal(0)) + part.realised_usd
    return {name: f"{total:.2f}" for name, total in sums.items()}


def _as_object(part: Part) -> dict[str, Any]:
    return {
        "strategy": part.strategy or None,
        "symbol": part.symbol,
        "shares": part.shares,
        "wanted": part.wanted,
        "cost_usd": float(part.cost_usd),
        "realised_usd": float(part.realised_usd),
    }
