"""What the journal's rows come to: the book, the mode, what was sent, what is somebody else's. The same rows, the same ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from desk.core.allocation import Allocations
from desk.core.book import NOBODY_ANSWERED, uncounted, with_event, with_refusal, with_step, with_unexpected
from desk.core.keys import order_key
from desk.core.protect import Stamp
from desk.core.reconcile import Differences, with_adopted
from desk.core.residue import ResidueStops
from desk.core.splits import orders_before, with_split
from desk.core.spread_book import SpreadBook
from desk.domain.decisions import Mode
from desk.domain.journal import (
    Acknowledged,
    BrokerRefusal,
    ForeignOrder,
    ForeignSeen,
    IterationDone,
    ModeChanged,
    ResidueStop,
    Row,
    RowValue,
    RunStarted,
    SentAgain,
    SharesAdopted,
    SharesSplit,
    SharesWanted,
)
from desk.domain.orders import OrderEvent, OrderSpec
from desk.domain.spreads import SpreadOpened, SpreadSettled, SpreadTurned
from desk.domain.steps import Cancel, SpreadOrder, Step, Submit
from desk.domain.trades import Book
from desk.runtime.foreign_orders import ForeignOrders
from desk.runtime.past import Past
from desk.runtime.sent_steps import SentSteps

NEVER = datetime.min.replace(tzinfo=UTC)


class Ledger:
    """Kept by the desk's thread alone. `nonce` is the journal's."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self.book = Book()
        self.spreads = SpreadBook()
        self.mode = Mode.ACTIVE
        self.iterations = 0
        self.sent = SentSteps()
        self.foreign = ForeignOrders()
        self.differences = Differences()
        self.past = Past()
        self.residues = ResidueStops(nonce)
        self.allocations = Allocations()
        self.orders_before_splits: frozenset[str] = frozenset()
        self._splits: set[str] = set()

    # ---- from rows -----------------------------------------------------------------------------------------------------

    def replay(self, row: Row) -> None:
        """Take in a row of the past."""
        self.past.read(row)
        value = row.value
        if isinstance(value, OrderEvent):
            self.hear(value)
        elif isinstance(value, Acknowledged):
            self.answer(value)
        elif isinstance(value, BrokerRefusal):
            self.refuse(value, row.at)
        elif isinstance(value, SharesAdopted):
            self.adopt(value, row.at)
        elif isinstance(value, SentAgain):
            self._send_again(value, row.at)
        elif isinstance(value, Step):
            self.send(value, row.at)
        else:
            self._replay_state(value, row.at)

    def _replay_state(self, value: RowValue, at: datetime) -> None:
        read = _READ.get(type(value))
        if read is not None:
            read(self, value, at)

    def _enter(self, changed: ModeChanged) -> None:
        self.mode = changed.mode

    def _count(self, done: IterationDone) -> None:
        self.iterations = done.number

    def _begin(self, started: RunStarted) -> None:
        if not started.resumed:
            self.differences.foreign_is(started.foreign)

    def recover(self, rows: Iterable[Row]) -> list[BrokerRefusal]:
        """Take in all rows of a journal. Returns what is to be written behind them: a process ended there, so changes that nobody
        answered may never have been sent, and may be asked for again."""
        for row in rows:
            self.replay(row)
        said = [BrokerRefusal(step.key, None, None, NOBODY_ANSWERED, explained=True) for step in self.sent.unanswered()]
        for each in said:
            self.refuse(each, self.past.last_at or NEVER)
        return said

    # ---- one thing at a time ---------------------------------------------------------------------------------------------

    def send(self, step: Step, at: datetime) -> None:
        self.sent.goes_out(step)
        if isinstance(step, SpreadOrder):
            self.spreads = self.spreads.sent(step, at)
            return
        if isinstance(step, Cancel) and self.spreads.owns(step.of_key):
            self.spreads = self.spreads.cancel_asked(step, at)
            return
        if isinstance(step, Submit) and step.splits is not None and step.covers is not None:
            self.allocations = self.allocations.with_lot(step.splits, step.covers)
        self.book = with_step(self.book, step, at)

    def _send_again(self, again: SentAgain, at: datetime) -> None:
        step = again.submit or self.sent.step(again.key)
        if step is None:
            raise ValueError(f"the journal says that {again.key} was sent again, and nowhere that it was decided")
        self.send(step, at)

    def hear(self, event: OrderEvent) -> bool:
        """Put an event into the book; False when it should have been impossible, and only its fill was booked."""
        fill = event.fill
        self.sent.hear(event)
        self.foreign.hear(event)
        if self.spreads.owns(event.key):
            self.spreads = self.spreads.heard(event)
            return True
        if fill is not None and fill.execution_id in self.book.seen:
            return True
        self._allocate(event)
        former = self.book.former(event.key) if self.book.owner(event.key) is None else None
        trade_is_over = fill is not None and former is not None and not former.was_given_up
        try:
            self.book = with_unexpected(self.book, event) if trade_is_over else with_event(self.book, event)
        except ValueError:
            self.book = with_unexpected(self.book, event)
            return False
        return not trade_is_over

    def _allocate(self, event: OrderEvent) -> None:
        trade, fresh = self.book.owner(event.key) or self.book.former(event.key), uncounted(self.book, event)
        if trade is not None and fresh is not None and not trade.spec.legs:
            self.allocations = self.allocations.filled(trade.symbol, fresh.side, fresh.quantity, fresh.price, trade.key)

    def want(self, wanted: SharesWanted) -> None:
        self.allocations = self.allocations.wants(wanted.symbol, wanted.wanted, wanted.price)

    def answer(self, ack: Acknowledged) -> None:
        self.sent.answer(ack)
        self.residues.answer(ack)

    def open_spread(self, said: SpreadOpened) -> None:
        self.spreads = self.spreads.opened(said)

    def turn_spread(self, said: SpreadTurned, at: datetime) -> None:
        self.spreads = self.spreads.turned(said, at)

    def settle_spread(self, said: SpreadSettled, at: datetime) -> None:
        self.spreads = self.spreads.settled(said, at)

    def refuse(self, refusal: BrokerRefusal, at: datetime) -> Step | None:
        """Returns the step that was refused, None for an order that is not of the desk's trades."""
        step = self.sent.refuse(refusal)
        self.residues.refuse(refusal)
        self.foreign.refuse(refusal.key)
        if isinstance(step, SpreadOrder):
            self.spreads = self.spreads.refused(refusal, at)
        elif isinstance(step, Cancel) and self.spreads.owns(step.of_key):
            self.spreads = self.spreads.cancel_refused(step.of_key)
        elif step is not None:
            self.book = with_refusal(self.book, step, refusal.message, unsent=refusal.unsent, http_status=refusal.http_status)
        return step

    def stamp(self, at: datetime) -> Stamp:
        """Where the keys of what is decided at a moment come from."""
        return Stamp(self._nonce, at)

    def adopt(self, adopted: SharesAdopted, at: datetime) -> None:
        self.book = with_adopted(self.book, adopted, self.stamp(at))
        spec = adopted.spec
        self.allocations = self.allocations.adopted(spec.symbol, spec.quantity, adopted.price, spec.key)
        self.differences.leave(adopted.spec.symbol, adopted.left)

    def foreign_order(self, symbol: str, text: str, read: Callable[[str], OrderSpec] | None, at: datetime) -> ForeignOrder:
        """The next order past the corridor under a key of its own, as `read` understands it, or why it cannot go out."""
        key = order_key(self._nonce, at, symbol, f"foreign{self.foreign.count + 1}")
        try:
            return ForeignOrder(key, symbol, text, read(key) if read else None)
        except ValueError as error:
            return ForeignOrder(key, symbol, text, problem=str(error))

    def knows(self, split: SharesSplit) -> bool:
        return not self._splits.isdisjoint(split.activity_ids)

    def split(self, split: SharesSplit) -> None:
        """Put book and foreign shares on the terms of a split, and remember whose orders are on the old ones."""
        self.orders_before_splits |= orders_before(self.book, split)
        self.book, left = with_split(self.book, split, self.differences.foreign.get(split.symbol, 0))
        self.allocations = self.allocations.split(split.symbol, self.book.shares_of(split.symbol))
        self.differences.leave(split.symbol, left)
        self._splits.update(split.activity_ids)


# What a row says beside orders; all other kinds change nothing here.
_READ: dict[type, Callable[[Ledger, Any, datetime], None]] = {
    ModeChanged: lambda ledger, value, at: ledger._enter(value),
    IterationDone: lambda ledger, value, at: ledger._count(value),
    RunStarted: lambda ledger, value, at: ledger._begin(value),
    ForeignOrder: lambda ledger, value, at: ledger.foreign.see(value, at),
    ForeignSeen: lambda ledger, value, at: ledger.differences.see(value),
    SharesSplit: lambda ledger, value, at: ledger.split(value),
    ResidueStop: lambda ledger, value, at: ledger.residues.see(value),
    SharesWanted: lambda ledger, value, at: ledger.want(value),
    SpreadOpened: lambda ledger, value, at: ledger.open_spread(value),
    SpreadTurned: lambda ledger, value, at: ledger.turn_spread(value, at),
    SpreadSettled: lambda ledger, value, at: ledger.settle_spread(value, at),
}
