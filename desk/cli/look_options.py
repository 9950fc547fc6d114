"""What the commands that look at a run's account share: which run, the look itself, and how figures are laid out."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.text import Text

from desk.brokers.endpoint import Endpoint
from desk.cli.journal import RUNS, _touched
from desk.cli.tables import console
from desk.cli.trade_alpaca import endpoint_of
from desk.core.ports import Clock
from desk.core.review import MODE_WORDS
from desk.domain.breaks import Repair
from desk.domain.decisions import Mode
from desk.domain.errors import UsageError
from desk.domain.trades import Trade
from desk.report.spread_words import laid_out
from desk.report.wording import dollars, price
from desk.runtime.clock import SystemClock
from desk.runtime.look import Look, look_at
from desk.runtime.run_folder import RunFolder, reopen
from desk.settings.load import Settings, load_settings

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
WIDEST = 100
INDENT = 4
FIRST_RUN = ".venv/bin/python live_trader.py --broker exchange --sessions 20"
FIRST_SPREAD_RUN = f"{FIRST_RUN} --strategy bull_put_spread --start 2012-01-03"
GAP = "  "


# ---- which run -------------------------------------------------------------------------------------------------------------


def folder_of(run: Path | None, said: str, first_run: str = FIRST_RUN) -> RunFolder:
    """The folder that a person means: `run`, or the one under runs/ that was written to last; `first_run` is a command that
    makes one. Raises UsageError for a folder without a run, and when there is none at all.
    """
    if run is None:
        there = [folder for path in RUNS.glob("*") if _touched(folder := RunFolder(path))]
        if not there:
            raise UsageError(
                f"there is no run under {RUNS}/: give the folder of one with --run DIR, or make one on the built-in exchange "
                f"with: {first_run}"
            )
        run = max(there, key=_touched).path
    return reopen(run, None, None, f"{said} --run")[0]


def spread_folder_of(run: Path | None, said: str) -> RunFolder:
    """The same for commands about option spreads."""
    return folder_of(run, said, FIRST_SPREAD_RUN)


def settings_of(folder: RunFolder) -> Settings:
    """The settings that the run itself goes by."""
    config = folder.identity().config
    return load_settings(config=None if config is None else Path(config))


def alpaca(settings: Settings) -> tuple[Endpoint, Clock]:
    """Where Alpaca is, with the person's keys, and what time it is there."""
    return endpoint_of(settings), SystemClock()


def looking(folder: RunFolder, settings: Settings) -> AbstractContextManager[Look]:
    return look_at(folder, settings, alpaca)


# ---- what every look says first ----------------------------------------------------------------------------------------------


def heading(look: Look, is_all: bool = True) -> list[str]:
    """Whose account this is and what it is worth; with `is_all` also that this is only a look, and of when the prices are."""
    account, alpaca_kind = look.account, "paper" if look.endpoint.is_paper else "LIVE, real money"
    where = "the built-in exchange, as the run left it" if look.identity.broker == "exchange" else f"Alpaca ({alpaca_kind})"
    lines = [
        f"{look.folder.path} at {where}, {look.clock.now():%Y-%m-%d %H:%M} UTC: equity {dollars(account.equity_usd)}, "
        f"cash {dollars(account.cash_usd)}."
    ]
    if not is_all:
        return [*lines, *_mode(look), *differences(look)]
    lines += [_ended(trade) for trade in look.ended]
    if look.close is not None:
        lines.append(
            f'The market is closed: prices are the last trades before the close of {look.close:%Y-%m-%d}. What is said of "now" '
            f"is for an iteration at these prices; the next one is on {look.trade_date} at the earliest, at other prices."
        )
    return [*lines, _writer(look), *_mode(look), *differences(look)]


def _ended(trade: Trade) -> str:
    if not trade.entered:
        return f"Since the journal's last row: the order for {trade.spec.quantity:,} {trade.symbol} ended without a fill."
    sold = "an unknown price" if trade.exit_price is None else price(float(trade.exit_price))
    return f"Since the journal's last row: {trade.exited:,} {trade.symbol} were sold at {sold}."


def _writer(look: Look) -> str:
    if look.writer is None:
        return "This is a look: nothing is sent. No process trades this account, so nothing of it happens until the desk runs."
    return f"This is a look: nothing is sent. {str(look.writer.holder).capitalize()}, trades this account by itself."


def _mode(look: Look) -> list[str]:
    return [] if look.mode is Mode.ACTIVE else [f"The desk is {look.mode.value}. {MODE_WORDS[look.mode].capitalize()}."]


def differences(look: Look) -> list[str]:
    """What nothing explains between the account and the desk's book: what is planned with such shares is not to be trusted."""
    return [
        f"{found}. Nothing explains that: did somebody trade by hand? A start of the desk halts over it."
        for found in look.breaks
        if found.repair is Repair.HALT
    ]


def not_the_desks(look: Look) -> dict[str, int]:
    """Shares of the account beyond the desk's own, by symbol."""
    book = look.desk.book
    beyond = {symbol: shares - book.shares_of(symbol) for symbol, shares in look.account.shares.items()}
    return {symbol: shares for symbol, shares in beyond.items() if shares and (shares > 0 or not book.shares_of(symbol))}


def as_seen(look: Look) -> dict[str, object]:
    """The same for programs; moments are ISO 8601 in UTC, money in dollars."""
    return {
        "run": str(look.folder.path),
        "broker": look.identity.broker,
        "as_of": look.clock.now().isoformat(),
        "prices_of_close": None if look.close is None else look.close.isoformat(),
        "equity_usd": look.account.equity_usd,
        "cash_usd": look.account.cash_usd,
        "mode": look.mode.value,
        "is_traded_by": None if look.writer is None else str(look.writer.holder),
        "ended_since": [{"symbol": trade.symbol, "shares": trade.exited} for trade in look.ended],
        "differences": differences(look),
        "sent": False,
    }


# ---- layout ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """A row of figures and the sentences that stand below it, as wide as there is room."""

    cells: tuple[str, ...]
    sentences: tuple[str, ...] = ()
    style: str = ""


def table(columns: Sequence[str], lines: Sequence[Line], left: Collection[str]) -> Iterator[RenderableType]:
    """Aligned rows without a frame; the columns named in `left` begin where the others end."""
    if not lines:
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *(line.cells for line in lines), strict=True)]
    yield Text(_aligned(columns, columns, widths, left), style="bold")
    for line in lines:
        yield Text(_aligned(line.cells, columns, widths, left), style=line.style)
        yield from (indented(sentence) for sentence in line.sentences)


def _aligned(cells: Sequence[str], columns: Sequence[str], widths: Sequence[int], left: Collection[str]) -> str:
    named = zip(columns, cells, widths, strict=True)
    return GAP.join(cell.ljust(width) if name in left else cell.rjust(width) for name, cell, width in named).rstrip()


def indented(sentence: str, style: str = "") -> RenderableType:
    return Padding(Text(sentence, style=style), (0, 0, 0, INDENT), expand=False)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label and its words; those that find no room go on below the words, not below the label."""

    label: str
    words: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        (before,) = laid_out([(self.label, "")])
        lines = Text(self.words).wrap(console, max(options.max_width - len(before), 1))
        for place, line in enumerate(lines or [Text("")]):
            yield Text((before if place == 0 else " " * len(before)) + line.plain.rstrip(), no_wrap=True, overflow="ignore")


def labelled(lines: Iterable[tuple[str, str]]) -> list[RenderableType]:
    return [Labelled(label, words) for label, words in lines]


def section(title: str) -> list[RenderableType]:
    return [Text(""), Text(title, style="bold")]


def sentences(lines: Iterable[str]) -> list[RenderableType]:
    return [Text(line) for line in lines]


def show(parts: Iterable[RenderableType]) -> None:
    """Print on standard output, no wider than a person reads."""
    out = console()
    page = Console(file=sys.stdout, width=min(out.width, WIDEST), highlight=False)
    for part in parts:
        # A command stays on its line, so that it can be copied.
        page.print(part, soft_wrap=isinstance(part, Text) and part.no_wrap)
