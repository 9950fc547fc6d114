"""A book's run in figures, with and without the sleeve, and what the desk did with the hedge's targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from desk.core.targets import is_flat
from desk.domain.decisions import Denied, IntentKind, Shares
from desk.domain.steps import Submit
from desk.report.statistics import exposure, max_drawdown_fraction, total_return_fraction, worst_day
from hedging.plan import HedgePlan
from hedging.sentiment import Mood
from hedging_study.books import Opening, Played
from hedging_study.sleeve import Hedge, SleeveAccount, account, hedges


@dataclass(frozen=True)
class Firings:
    """Openings at which the rule fired: at least `bearish_share` of the listed names had an overbought RSI at the close before.

    `hedged` were held or opened then, `nothing_to_hedge` had no stocks in the book.
    """

    sessions: int
    fired: int
    hedged: int
    nothing_to_hedge: int


@dataclass(frozen=True)
class Workings:
    """How the desk and the hedge got on with each other.

    `entries` are buying orders for funds, `bought_unasked` those at an opening whose mood was not bearish. `late_entries` were
    filled after the session that decided them, `late_exits` left after the session that asked for it. `resized` are changes of
    size that the rule wanted. `refusals` count openings by (fund or "stocks", reason).
    """

    entries: int
    bought_unasked: int
    late_entries: int
    late_exits: int
    resized: int
    refusals: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class BookFigures:
    """One run. Fractions are of 1, money in dollars; `average_hedge_fraction` is the sleeve's value over the equity at the close,
    over all sessions, `average_held_fraction` over those with a hedge, `average_index_fraction` the index it stood against.
    `rest_*` are of the equity without what the sleeve has earned so far."""

    book: str
    hedging: bool
    total_return_fraction: float
    max_drawdown_fraction: float
    rest_return_fraction: float
    rest_drawdown_fraction: float
    worst_session: str
    worst_session_fraction: float
    average_invested_fraction: float
    costs_usd: float
    sleeve_pnl_usd: float
    sleeve_costs_usd: float
    average_hedge_fraction: float
    average_held_fraction: float
    average_index_fraction: float
    sessions_held: int
    firings: Firings
    workings: Workings
    hedges: tuple[Hedge, ...]


def figures(book: str, played: Played) -> BookFigures:
    """Everything that the tables show of one run."""
    record, own = played.done.record, account(played)
    equity = np.array([point.equity_usd for point in record.equity])
    rest = (equity - np.concatenate(([0.0], np.cumsum(own.pnl_usd)))).tolist()
    values, worst, held = own.value_usd, worst_day(record.equity), own.value_usd > 0
    hedged_by, found = values / equity[1:], hedges(played)
    return BookFigures(
        book=book,
        hedging=played.rules is not None,
        total_return_fraction=total_return_fraction(equity.tolist()),
        max_drawdown_fraction=max_drawdown_fraction(equity.tolist()),
        rest_return_fraction=total_return_fraction(rest),
        rest_drawdown_fraction=max_drawdown_fraction(rest),
        worst_session=str(worst.session) if worst else "",
        worst_session_fraction=worst.return_fraction if worst else 0.0,
        average_invested_fraction=exposure(record.equity).average_fraction,
        costs_usd=record.costs_usd,
        sleeve_pnl_usd=float(own.pnl_usd.sum()),
        sleeve_costs_usd=own.costs_usd,
        average_hedge_fraction=float(np.mean(hedged_by)),
        average_held_fraction=float(np.mean(hedged_by[held])) if held.any() else 0.0,
        average_index_fraction=float(np.mean(own.index_usd / equity[1:])),
        sessions_held=int(held.sum()),
        firings=firings(played, own),
        workings=workings(played, found),
        hedges=found,
    )


def firings(played: Played, own: SleeveAccount) -> Firings:
    bearish = [each for each in played.openings if each.hedge is not None and each.hedge.sentiment.mood is Mood.BEARISH]
    held = set(np.array(own.sessions)[own.value_usd > 0].tolist())
    return Firings(
        sessions=len(played.openings),
        fired=len(bearish),
        hedged=sum(each.session in held for each in bearish),
        nothing_to_hedge=sum(each.hedge is not None and not each.hedge.exposure.symbols for each in bearish),
    )


def workings(played: Played, found: tuple[Hedge, ...]) -> Workings:
    entries = list(_entries(played))
    return Workings(
        entries=len(entries),
        bought_unasked=sum(each.hedge is not None and each.hedge.sentiment.mood is not Mood.BEARISH for each in entries),
        late_entries=sum(hedge.entered > hedge.decided for hedge in found),
        late_exits=sum(hedge.asked is not None and (hedge.left is None or hedge.left > hedge.asked) for hedge in found),
        resized=sum(_is_resized(each.hedge) for each in played.openings),
        refusals=Counter(_refusals(played)),
    )


def _is_resized(plan: HedgePlan | None) -> bool:
    if plan is None:
        return False
    held = {position.fund.symbol: Shares(position.committed) for position in plan.held}
    return any(target.amount != held.get(target.symbol, target.amount) and not is_flat(target) for target in plan.targets)


def _entries(played: Played) -> Iterator[Opening]:
    """The opening of every buying order for a fund."""
    funds = _funds(played)
    for each in played.openings:
        for step in each.decided.steps:
            buys = isinstance(step, Submit) and step.intent.kind in (IntentKind.OPEN, IntentKind.ADD)
            if buys and isinstance(step, Submit) and step.spec.symbol in funds:
                yield each


def _refusals(played: Played) -> Iterator[tuple[str, str]]:
    funds = _funds(played)
    for each in played.openings:
        said: tuple[Denied, ...] = (*each.decided.denied, *each.decided.left_alone)
        for denied in said:
            yield denied.symbol if denied.symbol in funds else "stocks", denied.reason.value


def _funds(played: Played) -> frozenset[str]:
    return frozenset(fund.symbol for fund in played.rules.inverse_etfs) if played.rules else frozenset()
