"""The desk as adapters see it: `desk.core.ports.Door`, the last door before the broker and the first for what it says."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime

from desk.core.ports import Clock
from desk.domain.decisions import Mode
from desk.domain.journal import Acknowledged, BrokerRefusal, ForeignOrder, Heard, LinkChanged, RowValue
from desk.domain.orders import OrderEvent, OrderSpec
from desk.domain.steps import Step
from desk.runtime.desk_thread import Runner
from desk.runtime.foreign_orders import LivingForeign
from desk.runtime.ledger import Ledger

# What a broker says, or what is said of it.
Word = Heard | OrderEvent | Acknowledged | BrokerRefusal


class DeskDoor:
    """May be called from any thread: the desk's own does the work, in the order in which it was handed over."""

    _clock: Clock
    _ledger: Ledger
    _runner: Runner
    _is_linked: bool

    @abstractmethod
    def _hear(self, words: Sequence[Word], at: datetime) -> None: ...

    @abstractmethod
    def _write(self, values: Sequence[RowValue], at: datetime) -> None: ...

    @abstractmethod
    def _set_mode(self, mode: Mode, reason: str) -> None: ...

    def step(self, key: str) -> Step | None:
        return self._ledger.sent.step(key)

    def given_up(self, key: str) -> OrderSpec | None:
        return self._ledger.sent.given_up(key)

    def was_moved(self, key: str) -> bool:
        return self._ledger.sent.was_moved(key)

    def is_over(self, key: str) -> bool:
        """Whether the journal knows that nothing of an order group is at the broker any more."""
        return self._runner.call(lambda: self._ledger.sent.is_over(key))

    def foreign(self, symbol: str, text: str, read: Callable[[str], OrderSpec] | None = None) -> ForeignOrder:
        return self._runner.call(lambda: self._foreign_order(symbol, text, read))

    def _foreign_order(self, symbol: str, text: str, read: Callable[[str], OrderSpec] | None) -> ForeignOrder:
        now = self._clock.now()
        order = self._ledger.foreign_order(symbol, text, read, now)
        self._write([order], now)
        self._ledger.foreign.see(order, now)
        return order

    def living_foreign(self) -> tuple[LivingForeign, ...]:
        """Foreign orders of which the journal does not know that they ended."""
        return self._runner.call(self._ledger.foreign.living)

    def acknowledged(self, ack: Acknowledged) -> None:
        self._runner.post(lambda: self._hear([ack], self._clock.now()))

    def refused(self, refusal: BrokerRefusal) -> None:
        self._runner.post(lambda: self._hear([refusal], self._clock.now()))

    def order_event(self, event: OrderEvent) -> None:
        self._runner.post(lambda: self._hear([event], event.at))

    def heard(self, raw: Heard, events: Sequence[OrderEvent]) -> None:
        self._runner.post(lambda: self._hear([raw, *events], self._clock.now()))

    def link(self, is_up: bool, reason: str) -> None:
        self._runner.post(lambda: self._link(is_up, reason))

    def _link(self, is_up: bool, reason: str) -> None:
        if is_up is not self._is_linked:
            self._is_linked = is_up
            self._write([LinkChanged(is_up, reason)], self._clock.now())

    def trouble(self, text: str) -> None:
        self._runner.post(lambda: self._set_mode(Mode.HALTED, text))
