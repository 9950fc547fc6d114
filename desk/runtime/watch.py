"""Tells a person what each iteration saw and did, and what happened since the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from desk.domain.journal import BrokerRefusal, ModeChanged, RowValue
from desk.domain.orders import GroupRole, OrderEvent, OrderStatus
from desk.domain.steps import Cancel, Replace, Submit
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
            bought=tuple(self._bought(step) for step in decided.steps if isinstance(step, Submit)),
            sold=tuple(_sold(step, iteration) for step in decided.steps if isinstance(step, Replace)),
            refused=tuple(RefusalLine(denied.symbol, denied.reason.value, denied.text) for denied in decided.denied),
            events=(*events, *(f"{step.symbol}: cancel, {step.reason}" for step in decided.steps if isinstance(step, Cancel))),
        )

    def _bought(self, step: Submit) -> ActionLine:
        spec, intent = step.spec, step.intent
        return ActionLine(
            symbol=spec.symbol,
            shares=spec.quantity,
            limit_price=float(spec.limit_price or 0),
            stop_price=float(spec.stop_loss or 0),
            target_price=float(spec.take_profit or 0),
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
    return None


def _event_text(event: OrderEvent, book: Book) -> str | None:
    if event.fill is not None:
        trade = book.owner(event.key) or next((closed for closed in reversed(book.closed) if event.key == closed.exits_key), None)
        # A target that was moved to the market to leave is no target any more.
        left = event.role is GroupRole.TAKE_PROFIT and trade is not None and trade.exit_requested
        done = "sold" if left else ROLE_WORDS[event.role]
        return f"{event.fill.symbol}: {done} {event.fill.quantity} at {event.fill.price:.2f}"
    if event.role is GroupRole.ENTRY and event.status in {OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}:
        return f"{event.key.split('-')[-2]}: the entry was {event.status.value}"
    return None


def _position(trade: Trade, last: float | None) -> PositionLine:
    entry = float(trade.entry_price or 0)
    return PositionLine(
        symbol=trade.symbol,
        shares=trade.shares,
        entry_price=entry,
        last_price=last if last is not None else entry,
        stop_price=None if trade.spec.stop_loss is None else float(trade.spec.stop_loss),
        target_price=None if trade.target_price is None else float(trade.target_price),
        protected=trade.is_protected,
    )


def _sold(step: Replace, iteration: Iteration) -> SaleLine:
    trade = iteration.book.owner(step.of_key)
    return SaleLine(step.symbol, trade.shares if trade else 0, float(step.limit_price), step.reason)


def gate_words(threshold: float, enforced: bool) -> Callable[[float | None], str]:
    """What the confidence gate says of an entry that was sent, for the line that shows it."""

    def words(confidence: float | None) -> str:
        if confidence is None:
            return "no model yet: RSI alone"
        if confidence >= threshold:
            return f"the {threshold:g} gate passes it"
        return "" if enforced else f"the {threshold:g} gate would refuse it"

    return words
