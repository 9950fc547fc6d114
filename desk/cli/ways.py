"""By which orders a change of a position is brought about, in words, with the shares that stand bare meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from desk.domain.orders import GroupRole, OrderClass, OrderType
from desk.domain.steps import Cancel, Replace, SpreadOrder, Step, Submit, TradeStep
from desk.domain.trades import Book, Trade


@dataclass(frozen=True, slots=True)
class Way:
    """One message and what follows from it. `trade` is the key of the trade that it is for, None for a new one.

    `sold` shares leave, and `bare` shares stand without a stop between the end of their exits and the next ones.
    """

    key: str
    trade: str | None
    sold: int
    bare: int
    words: str


def ways_of(symbol: str, book: Book, steps: Sequence[Step]) -> tuple[Way, ...]:
    """What the desk would send for a symbol of `book`, which is as it was before."""
    return tuple(_ways(symbol, book, steps))


def _ways(symbol: str, book: Book, steps: Sequence[Step]) -> Iterator[Way]:
    trades = book.trades_of(symbol)
    numbers = {trade.key: number for number, trade in enumerate(trades, 1)}
    for step in steps:
        if isinstance(step, SpreadOrder) or _symbol(step) != symbol:
            continue
        trade = _trade(step, book)
        whose = "" if trade is None or len(trades) == 1 else _whose(trade, numbers[trade.key], len(trades))
        sold, bare, words = _told(step, trade)
        yield Way(step.key, None if trade is None else trade.key, sold, bare, whose + words)


def _symbol(step: TradeStep) -> str:
    return step.spec.symbol if isinstance(step, Submit) else step.symbol


def _trade(step: TradeStep, book: Book) -> Trade | None:
    key = (step.splits or step.covers) if isinstance(step, Submit) else step.of_key
    return None if key is None else book.owner(key)


def _whose(trade: Trade, number: int, of: int) -> str:
    return f"tranche {number} of {of}, {trade.shares:,} shares: "


def _told(step: TradeStep, trade: Trade | None) -> tuple[int, int, str]:
    """Shares sold, shares bare meanwhile, words."""
    shares = 0 if trade is None else trade.shares
    if isinstance(step, Submit):
        return _submitted(step)
    if isinstance(step, Replace):
        return _replaced(step, shares)
    return _canceled(step, trade, shares)


def _submitted(step: Submit) -> tuple[int, int, str]:
    spec = step.spec
    if step.covers is None:
        exits = spec if spec.take_profit is not None else step.exits
        protected = "" if exits is None else f"; stop {exits.stop_loss}, target {exits.take_profit}"
        return 0, 0, f"buys {spec.quantity:,} at {spec.limit_price} or less{protected}."
    if spec.order_class is OrderClass.OCO:
        return (
            0,
            spec.quantity,
            f"{spec.quantity:,} bare shares get a stop at {spec.stop_loss} and a target at {spec.take_profit}.",
        )
    where = "at the market" if spec.type is OrderType.MARKET else f"at {spec.limit_price} or more"
    return spec.quantity, spec.quantity, f"{spec.quantity:,} bare shares are sold {where}."


def _replaced(step: Replace, shares: int) -> tuple[int, int, str]:
    if step.role is GroupRole.STOP_LOSS:
        return 0, 0, f"the stop rises to {step.limit_price} in one message; nothing stands bare."
    moved = f"leaves whole: its target moves to {step.limit_price} and sells there at once"
    return shares, 0, f"{moved}; the stop stays until then, nothing is bare."


def _canceled(step: Cancel, trade: Trade | None, shares: int) -> tuple[int, int, str]:
    if step.role is GroupRole.ENTRY:
        return 0, 0, f"the order that is still open is canceled ({step.reason})."
    if step.stop_price is not None:
        raised = f"exits replaced to raise the stop to {step.stop_price}"
        return 0, shares, f"{raised}; {shares:,} shares stand bare until the broker has the new ones."
    keep = shares if step.keep is None else step.keep
    exits = "" if trade is None else f" (stop {trade.stop_price}, target {trade.first_target or trade.target_price})"
    again = f"{keep:,} get exits again{exits}, then " if keep else ""
    sold = shares - keep
    return (
        sold,
        shares,
        f"its exits are ended, {again}{sold:,} are sold at the market; {shares:,} shares stand bare for that moment.",
    )
