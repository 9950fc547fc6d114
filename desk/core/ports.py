"""What the desk needs from the world, as protocols; adapters implement them, tests run one contract against each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from desk.domain.journal import Acknowledged, BrokerRefusal, ForeignOrder, Heard, Row
from desk.domain.market import Market
from desk.domain.orders import OrderEvent, OrderSpec
from desk.domain.steps import Step
from desk.domain.trades import Account


class Clock(Protocol):
    def now(self) -> datetime:
        """The present (aware, UTC); virtual in a replay."""
        ...


class Journal(Protocol):
    """Append-only store. `append` returns only when the rows are safe; a step key already there raises DuplicateKey."""

    @property
    def nonce(self) -> str: ...

    def append(self, rows: Sequence[Row]) -> None: ...

    def rows(self) -> Iterator[Row]: ...

    def has_step(self, key: str) -> bool: ...

    def close(self) -> None: ...


class DuplicateKey(Exception):
    """A step with this key was journaled before: the message was or may have been sent, and must not be sent again."""


class MarketFeed(Protocol):
    def observe(self, symbols: Sequence[str]) -> Market:
        """Everything known now about `symbols`, and nothing later."""
        ...


class AccountFeed(Protocol):
    def account(self) -> Account: ...


class Gateway(Protocol):
    """Carries journaled steps to a broker. It never raises for a refusal: that comes back through the Door."""

    def send(self, step: Step) -> None: ...


class Door(Protocol):
    """The last door before the broker, and the first for what it says. Implemented by the desk, called by adapters."""

    def step(self, key: str) -> Step | None:
        """The journaled step behind a client order id; None means that nothing may be sent under it."""
        ...

    def given_up(self, key: str) -> OrderSpec | None:
        """What was meant by an order that counts as never sent; None for every other."""
        ...

    def was_moved(self, key: str) -> bool:
        """Whether the desk ever asked for another price in an order group, so that its exits may not be where they were meant."""
        ...

    def foreign(self, symbol: str, text: str, read: Callable[[str], OrderSpec] | None = None) -> ForeignOrder:
        """Journal an order that did not come through the corridor; returns what was written, with the key to send it under.

        `read` tells the order as it goes out under a key, and raises ValueError for one that cannot go; None for a change.
        """
        ...

    def acknowledged(self, ack: Acknowledged) -> None: ...

    def refused(self, refusal: BrokerRefusal) -> None: ...

    def order_event(self, event: OrderEvent) -> None: ...

    def heard(self, raw: Heard, events: Sequence[OrderEvent]) -> None:
        """Journal what the broker said, raw, together with what is new in it; they are written in one append."""
        ...

    def link(self, is_up: bool, reason: str) -> None:
        """Whether the broker's updates come and its truth is known. While they do not, the desk opens nothing."""
        ...

    def trouble(self, text: str) -> None:
        """Something was lost or could not be understood; the desk opens nothing until a person has looked."""
        ...
