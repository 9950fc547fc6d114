"""What the desk needs from the world, as protocols; adapters implement them, tests run one contract against each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from desk.domain.journal import Acknowledged, BrokerRefusal, ForeignOrder, Heard, Row
from desk.domain.market import Market
from desk.domain.options import Chain, OptionQuote
from desk.domain.orders import OrderEvent, OrderSpec
from desk.domain.spreads import Settlement
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


class OptionFeed(Protocol):
    def chain(self, underlying: str, first: date, last: date, lowest: float, highest: float) -> Chain:
        """Puts that expire from `first` to `last` at strikes between two prices, and what the underlying costs now."""
        ...

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, OptionQuote]:
        """Quotes of contracts by symbol; those of which nothing recent is known are left out."""
        ...

    def spots(self, underlyings: Sequence[str]) -> Mapping[str, float]:
        """What the underlyings cost now, dollars a share; those of which nothing recent is known are left out."""
        ...


@dataclass(frozen=True, slots=True)
class OptionActivity:
    """What the account tells of contracts that ended without an order, or of an execution in them or in shares: so many above
    zero, at an aware moment, under an id that is unique for ever. `cash_usd` is what a trade brought (or took, below zero), and
    what contracts paid that deliver no shares, None for all others. Of a trade `order_id` and `client_id` are those of its order.
    """

    id: str
    symbol: str
    kind: Settlement
    contracts: int
    at: datetime
    cash_usd: Decimal | None = None
    order_id: str = ""
    client_id: str = ""


class OptionActivities(Protocol):
    def since(self, moment: datetime) -> Sequence[OptionActivity]:
        """What ended after a moment (aware), oldest first. No stream tells of it; it has to be asked for."""
        ...

    def trades(self, symbols: Collection[str], moment: datetime) -> Sequence[OptionActivity]:
        """Executions in contracts or whole shares after a moment (aware), by anybody's orders, oldest first."""
        ...

    def positions(self) -> Mapping[str, int]:
        """Signed positions by symbol, contracts and whole shares, as the broker tells them now."""
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
