"""`desk protect`: shares without exits, the plan for each, and with --yes, for a stopped run at Alpaca, the exits themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from desk.cli import look_options
from desk.cli.bare import Bare, Survey, survey
from desk.cli.broker_choice import check_live
from desk.cli.journal import RunOption
from desk.cli.look_options import (
    JsonOption,
    Line,
    as_seen,
    folder_of,
    heading,
    looking,
    section,
    sentences,
    settings_of,
    show,
    table,
)
from desk.cli.outcome import resume_command
from desk.cli.positions_table import COVERED, NAKED
from desk.cli.tables import print_json
from desk.core.positions import Position
from desk.domain.errors import Refused, UsageError
from desk.report.wording import price
from desk.runtime.alpaca_run import check_account
from desk.runtime.look import Look, check_keys
from desk.runtime.protect_run import PROTECTS_ITSELF, Protected, ProtectRun
from desk.runtime.run_folder import RunFolder
from desk.settings.load import Settings

LiveOption = Annotated[bool, typer.Option("--live", help="Real money: goes with --yes, ALPACA_IS_PAPER=false and --account.")]
AccountOption = Annotated[str | None, typer.Option("--account", metavar="ID", help="Number of the live account, as a check.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it, for a stopped run at Alpaca. Without it nothing is sent.")]


def protect(
    symbol: Annotated[str | None, typer.Argument(help="This symbol alone.")] = None,
    run: RunOption = None,
    yes: YesOption = False,
    live: LiveOption = False,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """List shares without exits and the plan for each. Exit code 0: none is naked; 7: some are; 5: --yes while a desk lives."""
    folder, symbol = folder_of(run, "desk protect"), None if symbol is None else symbol.upper()
    if yes:
        _refuse_on_exchange(folder)
    settings = settings_of(folder)
    if yes:
        check_live(live, account, is_paper=settings.credentials is None or settings.credentials.is_paper)
    told = _told(folder, settings, symbol, yes)
    if yes and told.survey.is_doable:
        said: list[str] = []
        endpoint, clock = look_options.alpaca(settings)
        check_account(account, check_keys(folder, folder.identity(), endpoint))
        done = ProtectRun(folder, settings, endpoint, symbol, said.append, clock).run()
        told = _told(folder, settings, symbol, yes, Done(told.survey, tuple(said), done))
    if as_json:
        print_json(as_object(told))
    else:
        show(printed(told))
    raise typer.Exit(told.exit_code)


# ---- what there is to tell -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """What --yes did: how things were before, its words on the way, and what came of it."""

    before: Survey
    said: tuple[str, ...]
    protected: Protected

    def words(self, after: Survey) -> list[str]:
        """What happened to shares of the desk's that were bare, and what was taken over."""
        bare = {each.symbol for each in self.before.bare if each.whose == "desk"}
        back = [
            f"{each.shares:,} {each.symbol} of the desk's have exits again: stop {each.stop_price}, target {each.target_price}."
            for each in after.covered
            if each.symbol in bare
        ]
        return [*back, *self.said] or ["Nothing was sent: what was bare is no more, or cannot be helped from here."]


@dataclass(frozen=True)
class Told:
    """Everything that is told: the account after `done`, or as it is when that is None. `next_steps` are sentences."""

    heading: tuple[str, ...]
    seen: dict[str, object]
    survey: Survey
    next_steps: tuple[str, ...]
    done: Done | None = None

    @property
    def exit_code(self) -> int:
        has_break = self.done is not None and bool(self.done.protected.breaks)
        return NAKED if self.survey.is_naked or has_break else COVERED


def _told(folder: RunFolder, settings: Settings, symbol: str | None, yes: bool, done: Done | None = None) -> Told:
    with looking(folder, settings) as look:
        if yes and look.writer is not None:
            raise Refused(
                f"desk protect --yes: account {look.writer.account} is traded by {look.writer.holder}. {PROTECTS_ITSELF}. "
                "Nothing was sent"
            )
        _check_held(look, symbol)
        lines, seen = tuple(heading(look, is_all=done is None)), as_seen(look) | {"sent": done is not None}
        found = survey(look, symbol)
        return Told(lines, seen, found, tuple(_next_steps(look, found, symbol)), done)


def _refuse_on_exchange(folder: RunFolder) -> None:
    if folder.identity().broker == "exchange":
        raise UsageError(
            f"desk protect --yes --run {folder.path}: that run trades on the built-in exchange, whose time stands still while no "
            "run goes on, so nothing can happen to its shares meanwhile. Resume the run, which covers them before anything else: "
            f"{resume_command(folder)}"
        )


def _check_held(look: Look, symbol: str | None) -> None:
    if symbol is not None and not look.account.shares.get(symbol) and not look.desk.book.trades_of(symbol):
        held = ", ".join(sorted(look.account.shares)) or "nothing"
        raise UsageError(
            f"desk protect {symbol}: the account holds no {symbol}; it holds {held}. Write the symbol as the broker does"
        )


def _next_steps(look: Look, found: Survey, symbol: str | None) -> Iterator[str]:
    if not found.is_doable:
        return
    takes_over = look.settings.behaviour.found_positions == "protect"
    if look.writer is not None:
        yield f"{PROTECTS_ITSELF}."
    elif look.identity.broker == "exchange":
        yield f"Time stands still there. A resumed run covers its own shares before anything else: {resume_command(look.folder)}"
    else:
        named = f" {symbol}" if symbol else ""
        real = "" if look.endpoint.is_paper else f" --live --account {look.identity.account or 'ID'}"
        yield f"To do it now: .venv/bin/desk protect{named} --run {look.folder.path} --yes{real}"
    if any(each.whose == "found" and each.is_doable for each in found.bare):
        yield (
            "The desk takes found shares over when it runs (found_positions: protect)."
            if takes_over
            else "The desk leaves found shares alone (found_positions: report). Once taken over they are its own: it manages and "
            "sells them."
        )


# ---- for people --------------------------------------------------------------------------------------------------------------

COLUMNS = ("symbol", "shares", "whose", "price", "without a stop")
COVERED_COLUMNS = ("symbol", "shares", "entry", "price", "stop", "target")


def printed(told: Told) -> Iterator[RenderableType]:
    yield from sentences(told.heading)
    if told.done is not None:
        yield from section("Done")
        yield from sentences(told.done.words(told.survey))
        yield from (Text(str(each), style="bold red") for each in told.done.protected.breaks)
    yield from section("Without exits")
    if not told.survey.bare:
        yield Text("Nothing: every share has its exits.")
    yield from table(COLUMNS, [_line(each) for each in told.survey.bare], ("symbol", "whose", "without a stop"))
    if told.survey.covered:
        yield from section("Protected: stop and target rest at the broker")
        yield from table(COVERED_COLUMNS, [_covered(each) for each in told.survey.covered], ("symbol",))
    if told.next_steps:
        yield Text("")
        yield from (Text(line, no_wrap=" --" in line) for line in told.next_steps)


def _line(each: Bare) -> Line:
    cells = (each.symbol, f"{each.shares:,g}", "the desk's" if each.whose == "desk" else "found", _price(each.price), each.why)
    return Line(cells, (each.plan,), "bold red" if each.is_naked else "yellow")


def _covered(each: Position) -> Line:
    prices = (each.entry_price, each.price, each.stop_price, each.target_price)
    return Line((each.symbol, f"{each.shares:,}", *(_price(value) for value in prices)))


def _price(value: Any) -> str:
    return "unknown" if value is None else price(float(value))


# ---- for programs ------------------------------------------------------------------------------------------------------------


def as_object(told: Told) -> dict[str, Any]:
    """The same as JSON: prices in dollars a share."""
    done: Sequence[str] = () if told.done is None else told.done.words(told.survey)
    return told.seen | {
        "exit_code": told.exit_code,
        "bare": [asdict(each) for each in told.survey.bare],
        "protected": [
            {
                "symbol": each.symbol,
                "key": each.key,
                "shares": each.shares,
                "stop_price": None if each.stop_price is None else float(each.stop_price),
                "target_price": None if each.target_price is None else float(each.target_price),
            }
            for each in told.survey.covered
        ],
        "done": list(done),
        "breaks": [] if told.done is None else [str(each) for each in told.done.protected.breaks],
        "next_steps": list(told.next_steps),
    }
