"""Tells a person what each iteration saw and did, and what happened since the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from desk.domain.journal import BrokerRefusal, ModeChanged, RowValue, StopPassed
from desk.domain.orders import GroupRole, OrderClass, OrderEvent, OrderStatus, Side
from desk.domain.steps import Cancel, Replace, Step, Submit
from desk.domain.trades import Book, Trade
from desk.report.console import ActionLine, IterationView, PositionLine, RefusalLine, RunConsole, SaleLine
from desk.runtime.corridor import Iteration

ROLE_WORDS = {GroupRole.ENTRY: "bought", GroupRole.TAKE_PROFIT: "target sold", GroupRole.STOP_LOSS: "stop sold"}


class Watch:
    """Turns iterations into console lines."""

    def __init__(self, console: RunConsole, sessions: Sequence[date] | None, gate_text: Callable[[float | None], str]) -> None:
        self._console = console
        self._numbers = {day: number for number, day in enumerate(sessions or ())}
        self._total = len(sessions) if sessions else None
        self._gate_text = gate_text

    def iteration(self, iteration: Iteration) -> None:
        self._console.iteration(self._view(iteration))

    def _view(self, iteration: Iteration) -> IterationView:
        market, decided = iteration.market, iteration.decided
        events = [text for value in decided.news if (text := _news_text(value, iteration.book))]
        return IterationView(
            at=market.now,
            session_index=self._numbers.setdefault(market.session, len(self._numbers)),
            sessions_total=self._total,
            equity_usd=iteration.account.equity_usd,
            cash_usd=iteration.account.cash_usd,
            positions=tuple(
                _position(trade, market.last_price(trade.symbol)) for trade in iteration.book.open.values() if trade.shares
            ),
            bought=tuple(self._bought(step) for step in decided.steps if isinstance(step, Submit) and step.covers is None),
            sold=tuple(line for step in decided.steps if (line := _sold(step, iteration.book)) is not None),
            refused=tuple(RefusalLine(denied.symbol, denied.reason.value, denied.text) for denied in decided.denied),
            events=(*events, *(text for step in decided.steps if (text := _cancel_text(step)))),
            spreads=sum(bool(spread.contracts()) for spread in iteration.spreads.open.values()),
        )

    def _bought(self, step: Submit) -> ActionLine:
        spec, intent, exits = step.spec, step.intent, step.exits
        return ActionLine(
            symbol=spec.symbol,
            shares=spec.quantity,
            limit_price=float(spec.limit_price or 0),
            stop_price=float((spec.stop_loss if exits is None else exits.stop_loss) or 0),
            target_price=float((spec.take_profit if exits is None else exits.take_profit) or 0),
            reason=intent.reason,
            confidence=intent.confidence,
            gate_text=self._gate_text(intent.confidence),
        )


def _news_text(value: RowValue, book: Book) -> str | None:
    if isinstance(value, OrderEvent):
        return _event_text(value, book)
    if isinstance(value, BrokerRefusal):
        return f"the broker refused {value.key}: {value.message}"
    if isinstance(value, ModeChanged):
        return f"the desk is {value.mode.value} now: {value.reason}"
    return _protection_text(value)


def _protection_text(value: RowValue) -> str | None:
    """What the desk did for a position beside what a strategy asked for."""
    if isinstance(value, Submit) and value.covers is not None and value.spec.order_class is OrderClass.OCO:
        spec = value.spec
        return f"{spec.symbol}: {spec.quantity} protected by stop {spec.stop_loss}, target {spec.take_profit}"
    if isinstance(value, Replace) and value.role is GroupRole.STOP_LOSS:
        return f"{value.symbol}: {value.reason}"
    if isinstance(value, StopPassed):
        return f"{value.symbol}: the market is at {value.price:.2f}, the stop {value.stop_price} sold nothing; sold at the market"
    return None


def _event_text(event: OrderEvent, book: Book) -> str | None:
    if event.fill is not None:
        trade = book.owner(event.key) or next((closed for closed in reversed(book.closed) if event.key == closed.exits_key), None)
        # A target that was moved to the market to leave is no target any more.
        left = event.role is GroupRole.TAKE_PROFIT and trade is not None and trade.exit_requested
        # A plain sale is the entry of its own group.
        is_plain_sale = event.role is GroupRole.ENTRY and event.fill.side is Side.SELL
        by_side = "bought" if event.fill.side is Side.BUY else "sold"
        done = "sold" if left or is_plain_sale else ROLE_WORDS.get(event.role, by_side)
        return f"{event.fill.symbol}: {done} {event.fill.quantity} at {event.fill.price:.2f}"
    if event.role is GroupRole.ENTRY and event.status in {OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}:
        trade = book.owner(event.key) or book.former(event.key)
        return None if trade is None else f"{trade.symbol}: the entry was {event.status.value}"
    return None


def _position(trade: Trade, last: float | None) -> PositionLine:
    entry = float(trade.entry_price or 0)
    return PositionLine(
        symbol=trade.symbol,
        shares=trade.shares,
        entry_price=entry,
        last_price=last if last is not None else entry,
        stop_price=None if trade.stop_price is None else float(trade.stop_price),
        target_price=None if trade.target_price is None else float(trade.target_price),
        protected=trade.is_protected,
    )


def _sold(step: Step, book: Book) -> SaleLine | None:
    """An exit by moving the target, or a trim; None for every other step."""
    if not isinstance(step, Replace | Cancel):
        return None
    trade = book.owner(step.of_key)
    held = trade.shares if trade else 0
    if isinstance(step, Cancel):
        return None if step.keep is None else SaleLine(step.symbol, held - step.keep, None, step.reason)
    return SaleLine(step.symbol, held, float(step.limit_price), step.reason) if step.role is GroupRole.TAKE_PROFIT else None


def _cancel_text(step: Step) -> str | None:
    return f"{step.symbol}: cancel, {step.reason}" if isinstance(step, Cancel) and step.keep is None else None


def gate_words(threshold: float, enforced: bool) -> Callable[[float | None], str]:
    """What the confidence gate says of an entry that was sent, for the line that shows it."""

    def words(confidence: float | None) -> str:
        if confidence is None:
            return "no confidence"
        if confidence >= threshold:
            return f"the {threshold:g} gate passes it"
        return "" if enforced else f"the {threshold:g} gate would refuse it"

    return words
