"""`desk options open`, `close` and `roll`: the plan of an order for a spread, and with --yes the order itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import RenderableType
from rich.text import Text

from desk.brokers.alpaca_options import asked_rightly, option_feed
from desk.cli import look_options
from desk.cli.broker_choice import check_live
from desk.cli.journal import RunOption
from desk.cli.look_options import JsonOption, labelled, looking, settings_of, show, spread_folder_of
from desk.cli.options_numbers import BudgetOption, ConfidenceOption, PriceOption, ScoreOption
from desk.cli.options_plans import Plan, close_plan, open_plan, roll_plan
from desk.cli.options_puts import puts_named
from desk.cli.outcome import resume_command
from desk.cli.protect import AccountOption, LiveOption
from desk.cli.tables import print_json
from desk.core.ports import Clock
from desk.domain.errors import Refused, UsageError
from desk.domain.spreads import Spread
from desk.report.spread_words import per_share
from desk.report.wording import count, dollars
from desk.runtime.alpaca_run import check_account
from desk.runtime.build import market_hours
from desk.runtime.look import Look, answered, check_keys
from desk.runtime.opportunity import underlying_named
from desk.runtime.run_folder import RunFolder
from desk.runtime.sent_orders import order_words, orders_of
from desk.runtime.spread_build import policy_of, standing_of
from desk.runtime.spread_desk import SpreadDesk, at_alpaca, on_exchange, rehearsal
from desk.runtime.spread_opener import SpreadOpener
from desk.runtime.spread_orders import (
    BY_HAND,
    Outcome,
    close_now,
    find_spread,
    open_now,
    plan_to_close,
    plan_to_open,
    plan_to_roll,
    policy_for,
    roll_now,
    wanted_by_hand,
)
from desk.settings.load import Settings
from options.refusals import RefusalCode, SpreadRefusal
from options.roll import RollTarget

YesOption = Annotated[bool, typer.Option("--yes", help="Do it. Without it nothing is sent.")]
NextOption = Annotated[
    bool,
    typer.Option(
        "--next-session", help="On the built-in exchange: while its market is closed, let time go on to the next session."
    ),
]
NamedArgument = Annotated[str, typer.Argument(metavar="KEY-OR-SYMBOL", help="The spread's key, or its underlying.")]
EXIT_REFUSED = 5
Found = TypeVar("Found")


def open_(
    symbol: Annotated[str, typer.Argument(help="The underlying.")],
    short: Annotated[str | None, typer.Option(metavar="PUT", help="Put to sell: a strike, or an OCC symbol.")] = None,
    long: Annotated[str | None, typer.Option(metavar="PUT", help="Put to buy: a strike, or an OCC symbol.")] = None,
    expiration: Annotated[str | None, typer.Option(metavar="DATE", help="Expiration of strikes that are named.")] = None,
    score: ScoreOption = None,
    confidence: ConfidenceOption = None,
    price: PriceOption = None,
    max_risk: BudgetOption = None,
    run: RunOption = None,
    next_session: NextOption = False,
    yes: YesOption = False,
    live: LiveOption = False,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a bull put spread, and open it with --yes. Exit code 5: refused, with its code and reason; 6: the desk is halted."""
    symbol = underlying_named(symbol)
    puts = puts_named(symbol, short, long, expiration)
    told = wanted_by_hand(symbol, score, confidence, price, None if max_risk is None else Decimal(repr(max_risk)))
    wanted = replace(told, short=puts[0], long=puts[1])
    order = _Order("open", run, yes, live, account, next_session)
    order.go(
        plan=lambda at: plan_to_open(at.opener, wanted, at.clock),
        do=lambda desk, say: open_now(desk, wanted, say),
        words=lambda at, found: open_plan(found, policy_for(at.opener.policy, wanted).limits.max_risk_usd),
    )
    order.tell(as_json)


def close(
    named: NamedArgument,
    run: RunOption = None,
    next_session: NextOption = False,
    yes: YesOption = False,
    live: LiveOption = False,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan to leave a spread, and leave it with --yes: from the middle's price to the natural one. Exit code 5: refused."""
    order = _Order("close", run, yes, live, account, next_session)
    order.go(
        plan=lambda at: plan_to_close(at.opener, at.spread(named), at.clock),
        do=lambda desk, say: close_now(desk, named, say),
        words=lambda _, found: close_plan(found),
    )
    order.tell(as_json)


def roll(
    named: NamedArgument,
    run: RunOption = None,
    next_session: NextOption = False,
    yes: YesOption = False,
    live: LiveOption = False,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan to move a spread to a later expiration for a credit, and do it with --yes in one order. Exit code 5: refused."""
    order = _Order("roll", run, yes, live, account, next_session)
    order.go(
        plan=lambda at: _roll(at, at.spread(named)),
        do=lambda desk, say: roll_now(desk, named, lambda spread, into: say((spread, into))),
        words=lambda _, found: roll_plan(*found),
    )
    order.tell(as_json)


def _roll(at: _At, spread: Spread) -> tuple[Spread, RollTarget] | SpreadRefusal:
    found = plan_to_roll(at.opener, spread, at.clock)
    return found if isinstance(found, SpreadRefusal) else (spread, found)


# ---- one order ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _At:
    """Where a plan is made; `doing` is the open desk where it is also done."""

    opener: SpreadOpener
    clock: Clock
    doing: SpreadDesk | None = None

    def spread(self, named: str) -> Spread:
        return find_spread(dict(self.opener.desk.spreads.open), named)


class _Order:
    """What a person asked for, where, and what there is to tell of it."""

    def __init__(self, action: str, run: Path | None, yes: bool, live: bool, account: str | None, next_session: bool) -> None:
        self.action, self.yes = action, yes
        self.folder: RunFolder = spread_folder_of(run, f"desk options {action}")
        self.settings: Settings = settings_of(self.folder)
        self._account, self._next_session = account, next_session
        self._is_exchange = self.folder.identity().broker == "exchange"
        self._said: list[str] = []
        self._plan: Plan | None = None
        self._refusal: SpreadRefusal | None = None
        self._outcome: Outcome | None = None
        self._check(live)

    def _check(self, live: bool) -> None:
        keys = self.settings.credentials
        if self._is_exchange and (live or self._account is not None):
            raise UsageError(f"--live and --account are for a real account; {self.folder.path} is on the built-in exchange")
        if not self._is_exchange and self._next_session:
            raise UsageError("--next-session is for the built-in exchange; at Alpaca wait for the market to open")
        if self.yes and not self._is_exchange:
            check_live(live, self._account, is_paper=keys is None or keys.is_paper)

    def go(
        self,
        plan: Callable[[_At], Found | SpreadRefusal],
        do: Callable[[SpreadDesk, Callable[[Found], None]], Outcome | SpreadRefusal],
        words: Callable[[_At, Found], Plan],
    ) -> None:
        """Plan it, or do it where the person said so; `do` is given whom to tell the plan before anything is sent."""
        with self._desk() as at, asked_rightly():

            def planned(found: Found) -> None:
                self._plan = words(at, found)

            came = plan(at) if at.doing is None else do(at.doing, planned)
            if isinstance(came, SpreadRefusal):
                self._refusal = came
            elif isinstance(came, Outcome):
                self._outcome = came
            else:
                planned(came)

    @contextmanager
    def _desk(self) -> Iterator[_At]:
        """The desk of the run: itself for doing, a copy or a look for planning."""
        with ExitStack() as stack, answered(self._sent_words()):
            yield stack.enter_context(
                self._exchange() if self._is_exchange else self._done_at_alpaca() if self.yes else self._look()
            )

    def _sent_words(self) -> str:
        return "What was sent is in the journal" if self.yes else "Nothing was sent"

    @contextmanager
    def _exchange(self) -> Iterator[_At]:
        with ExitStack() as stack:
            folder = self.folder if self.yes else stack.enter_context(rehearsal(self.folder))
            at = stack.enter_context(on_exchange(folder, self.settings, self._said.append, self._next_session))
            yield _At(at.team.opener, at.clock, at if self.yes else None)

    @contextmanager
    def _done_at_alpaca(self) -> Iterator[_At]:
        endpoint, clock = look_options.alpaca(self.settings)
        check_account(self._account, check_keys(self.folder, self.folder.identity(), endpoint))
        with at_alpaca(self.folder, self.settings, endpoint, clock, self._said.append) as at:
            yield _At(at.team.opener, at.clock, at)

    @contextmanager
    def _look(self) -> Iterator[_At]:
        with looking(self.folder, self.settings) as look:
            yield _At(opener_of(look), look.clock)

    # ---- what came of it -------------------------------------------------------------------------------------------------------

    def tell(self, as_json: bool) -> None:
        """Print it, and end with the exit code. Raises Refused."""
        problem = self._problem()
        if as_json:
            print_json(self._object(problem))
            raise typer.Exit(EXIT_REFUSED if problem else 0)
        if self._plan is not None:
            show([Text(self._plan.title, style="bold"), *labelled(self._plan.lines)])
        show(Text(line) for line in self._said)
        if self._outcome is not None:
            show(self._outcome_lines(self._outcome))
        if problem is not None:
            raise Refused(problem)
        if not self.yes:
            show([Text("This is a plan: nothing was sent. Add --yes to do it.")])

    def _problem(self) -> str | None:
        if self._refusal is not None:
            hint = " (--next-session lets the exchange's time go on to the next one)" if self._is_late() else ""
            return f"{self._refusal.symbol}: refused, {self._refusal.code.value}: {self._refusal.text}{hint}. Nothing was sent"
        outcome = self._outcome
        if outcome is None or not _failed(self.action, outcome):
            return None
        return f"{outcome.spread.plan.underlying}: not done, {outcome.spread.why}"

    def _is_late(self) -> bool:
        return self._is_exchange and self._refusal is not None and self._refusal.code is RefusalCode.MARKET_CLOSED

    def _outcome_lines(self, outcome: Outcome) -> Iterator[RenderableType]:
        spread = outcome.into if outcome.into is not None and outcome.into.sold else outcome.spread
        rest = "" if outcome.is_at_rest else f", {outcome.rest}"
        yield Text(f"Now: {spread.phase.value}{rest}, {count(max(spread.short, spread.long), 'contract')} held; {spread.why}.")
        orders = [entry for entry in self._orders(outcome) if entry["order_id"]]
        lines = [("position", spread.key), *_money(spread), *(("order", order_words(entry)) for entry in orders)]
        yield from labelled(lines)
        if not spread.is_closed:
            yield Text("The run looks after it from here on, while it runs:")
            yield Text(f"  {resume_command(self.folder)}", no_wrap=True)

    def _object(self, problem: str | None) -> dict[str, Any]:
        refusal, outcome = self._refusal, self._outcome
        return {
            "run": str(self.folder.path),
            "broker": self.folder.identity().broker,
            "action": self.action,
            "said": self._said,
            "plan": None if self._plan is None else self._plan.object,
            "refused": None if refusal is None else {"code": refusal.code.value, "symbol": refusal.symbol, "text": refusal.text},
            "problem": problem,
            "sent": outcome is not None,
            "outcome": None if outcome is None else self._outcome_object(outcome),
            "exit_code": EXIT_REFUSED if problem else 0,
        }

    def _outcome_object(self, outcome: Outcome) -> dict[str, Any]:
        spread = outcome.spread
        return {
            "position_id": spread.key,
            "rolled_into": None if outcome.into is None else outcome.into.key,
            "status": spread.phase.value,
            "is_at_rest": outcome.is_at_rest,
            "contracts": max(spread.short, spread.long),
            "credit_usd": float(spread.credit_usd),
            "cash_usd": float(spread.cash_usd),
            "why": spread.why,
            "orders": self._orders(outcome),
        }

    def _orders(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Those of what was asked for: a spread that is closed was opened by others, perhaps long ago."""
        return orders_of(self.folder, self.settings, outcome.spread.key, asked=BY_HAND)


def opener_of(look: Look) -> SpreadOpener:
    """What would open spreads in the account that a look sees; its desk sends nothing."""
    spreads, api = look.settings.behaviour.spreads, look.api
    feed = option_feed(look.endpoint, look.clock, contracts=api if spreads.min_open_interest else None)
    return SpreadOpener(look.desk, feed, lambda: standing_of(api), market_hours, policy_of(spreads))


def _failed(action: str, outcome: Outcome) -> bool:
    """Whether what was asked for did not come about, and will not."""
    spread = outcome.spread
    if action == "open":
        return outcome.is_at_rest and not spread.sold
    if action == "roll":
        return outcome.is_at_rest and (outcome.into is None or not outcome.into.sold)
    return outcome.is_at_rest and not spread.is_closed


def _money(spread: Spread) -> Iterator[tuple[str, str]]:
    if spread.is_closed and spread.sold:
        yield "P&L", f"{dollars(float(spread.cash_usd), signed=True)} before fees"
    elif spread.credit is not None:
        yield "credit", f"{per_share(spread.credit)} a share, {dollars(float(spread.credit_usd))} in all"
