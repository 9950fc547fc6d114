"""The last look at what a strategy wants before it is acted on: a target that makes no sense is refused, not obeyed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from desk.core.exits import problem
from desk.domain.decisions import Denied, Reason, Shares, Target
from desk.domain.market import Market
from desk.domain.trades import Book


def checked(targets: Sequence[Target], market: Market, book: Book) -> tuple[list[Target], list[Denied]]:
    """Targets that can be acted on, at most one a symbol (the first), and the refusals of the others."""
    good: list[Target] = []
    denied: list[Denied] = []
    seen: set[str] = set()
    for target in targets:
        refusal = _repeated(target, seen) or _bad(target) or _unpriced(target, market, book)
        seen.add(target.symbol)
        if refusal is None:
            good.append(target)
        else:
            denied.append(refusal)
    return good, denied


def is_flat(target: Target) -> bool:
    amount = target.amount
    return (amount.count if isinstance(amount, Shares) else amount.fraction) == 0


def _repeated(target: Target, seen: set[str]) -> Denied | None:
    if target.symbol not in seen:
        return None
    return Denied(target.symbol, Reason.ALREADY_WORKING, "a second target for this symbol; the first one counts")


def _bad(target: Target) -> Denied | None:
    amount = target.amount
    size = float(amount.count) if isinstance(amount, Shares) else amount.fraction
    if not math.isfinite(size) or size < 0:
        return Denied(target.symbol, Reason.BAD_TARGET, f"{amount} is no position: give a finite amount, zero or more")
    if is_flat(target):
        return None
    found = problem(target.exit_rule)
    return None if found is None else Denied(target.symbol, Reason.BAD_TARGET, found)


def _unpriced(target: Target, market: Market, book: Book) -> Denied | None:
    if is_flat(target):
        missing = bool(book.trades_of(target.symbol)) and market.bid(target.symbol) is None
    else:
        missing = market.ask(target.symbol) is None
    if not missing:
        return None
    why = market.unusable.get(target.symbol, "the symbol is not in the universe")
    return Denied(target.symbol, Reason.NO_PRICE, f"no price to trade at: {why}")
