"""One look at a run's hedge: its rules' plan for this moment, and what the desk would make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from desk.data.calendars import NEW_YORK
from desk.domain.decisions import Approved, Shares, Target
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.runtime.decided import Plan
from desk.runtime.look import Look
from hedging.choice import choose_index, costs_too_much
from hedging.outlook import Outlook, outlook
from hedging.plan import HedgePlan, hedge
from hedging.returns import index_returns
from hedging.rules import INDEX_WORDS, HedgeRules, IndexName, InverseFund, symbols
from hedging.sentiment import rsi_level
from hedging.sleeve import Adopted, adopted, buyable


@dataclass(frozen=True)
class Act:
    """What would be done with one fund: `kind` is buy, add, reduce, leave or keep, from `held` shares to `wanted`.

    `refusal` is why the desk's review or its bands would not let it happen.
    """

    kind: str
    fund: InverseFund
    held: int
    wanted: int
    reason: str
    refusal: str | None


@dataclass(frozen=True)
class Seen:
    """Everything that one look says of the hedge. `off` is why the desk does not hedge at all, None when it does.

    `is_switched_off` when that is the person's setting, by which a fund that is held is sold.
    """

    rules: HedgeRules
    market: Market
    book: Book
    plan: HedgePlan
    outlooks: dict[IndexName, Outlook]
    acts: tuple[Act, ...]
    off: str | None
    is_switched_off: bool
    trade_date: date

    @property
    def levels(self) -> dict[str, float | str]:
        """RSI of each leading name, or why it is left out."""
        return {name: rsi_level(name, self.market, self.rules.rsi_length) for name in self.rules.sentiment_symbols}

    @property
    def fund(self) -> InverseFund | None:
        """The fund that is held, else the one that would be."""
        if self.plan.held:
            return self.plan.held[0].fund
        return None if self.plan.choice is None else self.plan.choice.fund

    @property
    def index_reason(self) -> str:
        """Why the hedge would be against this index and not the other, were it chosen now."""
        held = self.fund if self.plan.held else None
        priced = buyable(self.market, self.rules, adopted(self.book, self.market, self.rules), held)
        too_dear = costs_too_much(self.outlooks["NASDAQ"], priced, held, self.rules)
        return choose_index(self.plan.exposure, priced, held, self.rules, too_dear)[1]

    @property
    def held_since(self) -> date | None:
        fund = self.fund
        trades = () if fund is None else self.book.trades_of(fund.symbol)
        own = [trade.entered_at for trade in trades if trade.entered_at and not trade.is_adopted]
        return min((at.astimezone(NEW_YORK).date() for at in own), default=None)

    @property
    def episode_since(self) -> date | None:
        """The first fill of the episode that the fund belongs to, from which its longest hold is counted."""
        return self.plan.held[0].episode_since if self.plan.held else None


def see(look: Look) -> Seen:
    """Plan the hedge of a run at this moment."""
    rules, book, equity_usd = look.rules, look.desk.book, look.account.equity_usd
    market = look.market((*symbols(rules), *book.shares()))
    plan = hedge(market, book, equity_usd, rules)
    indices = index_returns(market, rules)
    outlooks = {
        index: outlook(index, plan.exposure, indices, plan.sentiment, plan.outlook.cap_usd, rules) for index in INDEX_WORDS
    }
    verdicts = look.desk.plan(market, look.account, plan.targets)
    theirs = adopted(book, market, rules)
    acts = tuple(_act(target, plan, verdicts, rules, theirs) for target in plan.targets)
    is_off = not look.settings.behaviour.hedging
    return Seen(rules, market, book, plan, outlooks, acts, look.why_no_hedge, is_off, look.trade_date)


def _act(target: Target, plan: HedgePlan, verdicts: Plan, rules: HedgeRules, theirs: Mapping[str, Adopted]) -> Act:
    fund = rules.fund(target.symbol)
    assert fund is not None and isinstance(target.amount, Shares)  # the plan wants whole shares of its own funds alone
    held = next((position.committed for position in plan.held if position.fund == fund), 0)
    # A target is for all shares of a symbol; those of a person are no part of the hedge.
    wanted = target.amount.count - (theirs[target.symbol].shares if target.symbol in theirs else 0)
    said = (*verdicts.unsound, *verdicts.verdicts, *verdicts.left_alone)
    refusal = next((each.text for each in said if not isinstance(each, Approved) and each.symbol == fund.symbol), None)
    return Act(_kind(held, wanted), fund, held, wanted, target.reason, None if held == wanted else refusal)


def _kind(held: int, wanted: int) -> str:
    if held == wanted:
        return "keep"
    if not wanted:
        return "leave"
    return "buy" if not held else "add" if wanted > held else "reduce"
