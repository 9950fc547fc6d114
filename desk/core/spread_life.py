"""The life of one option spread as a table: which turn leads from which phase to which, and what fills make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from desk.domain.options import CONTRACT_SHARES
from desk.domain.orders import Fill, Side
from desk.domain.spreads import Settlement, Spread, SpreadPhase, SpreadSettled, Turn

P, T = SpreadPhase, Turn
# How the id of what the positions told begins, before the broker's activities say it.
SEEN = "seen:"
# Refused so often in a row, a package is taken apart: what is owed is bought back first.
REFUSALS_BEFORE_LEGS = 3

# Whatever happens to a spread that is there leads to being flat; only shares that an assignment brought go first.
TRANSITIONS: Mapping[tuple[SpreadPhase, Turn], SpreadPhase] = {
    (P.ENTERING, T.FILLED): P.OPEN,
    (P.ENTERING, T.ENTRY_OVER): P.OPEN,
    (P.ENTERING, T.LEAVE): P.CLOSING,
    (P.ENTERING, T.ASSIGNED): P.REPAIRING,
    (P.ENTERING, T.FLAT): P.CLOSED,
    (P.OPEN, T.LEAVE): P.CLOSING,
    (P.OPEN, T.ROLL): P.ROLLING,
    (P.OPEN, T.ASSIGNED): P.REPAIRING,
    (P.OPEN, T.FLAT): P.CLOSED,
    (P.ROLLING, T.ROLL_OVER): P.OPEN,
    (P.ROLLING, T.LEAVE): P.CLOSING,
    (P.ROLLING, T.ASSIGNED): P.REPAIRING,
    (P.ROLLING, T.FLAT): P.CLOSED,
    (P.CLOSING, T.LEAVE): P.CLOSING,
    (P.CLOSING, T.ASSIGNED): P.REPAIRING,
    (P.CLOSING, T.FLAT): P.CLOSED,
    (P.REPAIRING, T.LEAVE): P.REPAIRING,
    (P.REPAIRING, T.ASSIGNED): P.REPAIRING,
    (P.REPAIRING, T.FLAT): P.CLOSED,
    (P.CLOSED, T.BACK): P.CLOSING,
}


def turned(spread: Spread, turn: Turn, reason: str, at: datetime) -> Spread:
    """The spread after a turn at `at` (aware). Raises ValueError for one that its phase does not know."""
    phase = TRANSITIONS.get((spread.phase, turn))
    if phase is None:
        raise ValueError(f"spread {spread.key} is {spread.phase}: {turn} cannot happen to it")
    if phase is P.REPAIRING and spread.phase is phase:
        # The same work goes on, and what the broker refused of it waits as long as before.
        return replace(spread, why=reason)
    # A ladder begins anew; what was refused before says nothing of what comes.
    refused = spread.refused if phase is spread.phase else ""
    spread = replace(spread, phase=phase, why=reason, since=at, rung=0, refusals=0, refused=refused, retry_at=None)
    return replace(spread, closed_at=at if phase is P.CLOSED else None)


def with_fill(spread: Spread, fill: Fill) -> Spread:
    """The spread after contracts, or shares of its underlying, were traded at `fill.price` dollars a share."""
    plan, is_buy = spread.plan, fill.side is Side.BUY
    signed = fill.quantity if is_buy else -fill.quantity
    if fill.symbol == plan.underlying:
        return replace(spread, stock=spread.stock + signed, cash_usd=spread.cash_usd - fill.price * signed)
    value = fill.price * signed * CONTRACT_SHARES
    spread = replace(spread, cash_usd=spread.cash_usd - value, opened_at=spread.opened_at or fill.at)
    if fill.symbol == plan.long:
        return replace(spread, long=spread.long + signed, credit_usd=spread.credit_usd - (value if is_buy else 0))
    sold = spread.sold if is_buy else spread.sold + fill.quantity
    return replace(spread, short=spread.short - signed, sold=sold, credit_usd=spread.credit_usd - (0 if is_buy else value))


def settled(spread: Spread, said: SpreadSettled, at: datetime) -> Spread:
    """The spread after contracts ended without an order: gone, and shares for them at the strike where they were exercised.

    What was seen in the positions before the broker told of it counts once. Shares without contracts were traded by somebody
    else's order, and turn nothing; where there are neither, the activity is only noted.
    """
    spread = replace(spread, settled=spread.settled | {said.activity})
    if not said.contracts:
        return replace(spread, stock=spread.stock + said.shares, cash_usd=spread.cash_usd - said.price * said.shares)
    contracts, spread = _unconfirmed(spread, said)
    shares = said.shares // said.contracts * contracts
    cash_usd = spread.cash_usd - said.price * shares + said.cash_usd * contracts / said.contracts
    spread = replace(spread, stock=spread.stock + shares, cash_usd=cash_usd)
    if said.symbol == spread.plan.short:
        spread = replace(spread, short=spread.short - contracts)
    else:
        spread = replace(spread, long=spread.long - contracts)
    if spread.stock and spread.phase is not P.CLOSED:
        return turned(spread, T.ASSIGNED, f"{spread.stock} shares of {spread.plan.underlying} came for contracts", at)
    return spread


def _unconfirmed(spread: Spread, said: SpreadSettled) -> tuple[int, Spread]:
    """Contracts that are news, and the spread with what was only inferred counted off."""
    end = (said.symbol, said.kind)
    before = spread.inferred.get(end, 0)
    if said.activity.startswith(SEEN):
        return said.contracts, _inferring(spread, end, before + said.contracts)
    known = min(before, said.contracts)
    return said.contracts - known, _inferring(spread, end, before - known) if known else spread


def _inferring(spread: Spread, end: tuple[str, Settlement], count: int) -> Spread:
    others = {each: known for each, known in spread.inferred.items() if each != end}
    return replace(spread, inferred=MappingProxyType({**others, end: count} if count else others))
