"""The desk's own record of what it holds: one Trade per entry order, from journaled to exited, and the Book of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType

from desk.domain.decisions import FixedExit, IntentKind
from desk.domain.grown import Grown
from desk.domain.orders import TERMINAL, GroupRole, OrderSpec, OrderStatus

ZERO = Decimal(0)
LIVE = frozenset({OrderStatus.HELD, OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED})


@dataclass(frozen=True, slots=True)
class Account:
    """Broker's word on the account, in dollars; `shares` are whole shares held by symbol."""

    equity_usd: float
    cash_usd: float
    shares: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Trade:
    """One entry with its exits. Values are sums of price times shares in dollars; statuses are of the group's members.

    `target_price` follows the target when it is moved to leave at the market, `target_before` is where it was. `covers` are
    the keys of orders sent because the entry's own exits were gone (an entry canceled half-filled, say); the last one is in
    force, and `is_being_sold` when it is a plain sale. `stop_passed` when the broker would not take the stop because the
    market is below it already; `was_given_up` when the entry never reached the broker, as far as anybody knows.

    `stop_price` is where the stop is, or goes with the next exits; `stop_before` where it was, `first_target` where the target
    began. While the desk itself ends the
    exits to replace them, `is_renewing`, and `keep` of the shares stay (None for all). `renewals` counts how often it did,
    `lots` how often shares were split off, `exits_at` is when the exits in force were sent. `stop_is_stiff` when the broker
    does not move a stop that sleeps; `cancel_asked_at` and `asked_again_at` are when its entry or its exits were first and last
    asked to end, `exits_for` the shares that the exits of the last cover may still sell; `sold_as` says what a plain sale was
    for. `sale_limit` is that of a sale in force which trades outside regular hours too, `next_sale_limit` that of the one which
    follows when the exits have ended. `is_adopted` when a person bought the shares and gave them to the desk.
    """

    spec: OrderSpec
    decided_at: datetime
    decided_price: float
    reason: str
    confidence: float | None = None
    entry_status: OrderStatus = OrderStatus.JOURNALED
    target_status: OrderStatus = OrderStatus.JOURNALED
    stop_status: OrderStatus = OrderStatus.JOURNALED
    target_price: Decimal | None = None
    entered: int = 0
    entry_value: Decimal = ZERO
    entered_at: datetime | None = None
    exited: int = 0
    exit_value: Decimal = ZERO
    exited_at: datetime | None = None
    exit_role: GroupRole | None = None
    exit_requested: str | None = None
    target_before: Decimal | None = None
    cancel_asked_at: datetime | None = None
    cancel_requested: bool = False
    stop_passed: bool = False
    was_given_up: bool = False
    is_being_sold: bool = False
    covers: tuple[str, ...] = ()
    rule: FixedExit | None = None
    stop_price: Decimal | None = None
    stop_before: Decimal | None = None
    first_target: Decimal | None = None
    stop_is_stiff: bool = False
    is_renewing: bool = False
    keep: int | None = None
    renewals: int = 0
    lots: int = 0
    exits_at: datetime | None = None
    sold_as: IntentKind | None = None
    asked_again_at: datetime | None = None
    exits_for: int | None = None
    sale_limit: Decimal | None = None
    next_sale_limit: Decimal | None = None
    is_adopted: bool = False

    @property
    def key(self) -> str:
        return self.spec.key

    @property
    def exits_key(self) -> str:
        """Key of the order group that holds the exits now."""
        return self.covers[-1] if self.covers else self.spec.key

    @property
    def symbol(self) -> str:
        return self.spec.symbol

    @property
    def shares(self) -> int:
        """Shares held now by this trade."""
        return self.entered - self.exited

    @property
    def is_entry_working(self) -> bool:
        return self.entry_status not in TERMINAL

    @property
    def is_closed(self) -> bool:
        """Nothing held and nothing that could still buy."""
        return not self.is_entry_working and self.shares == 0

    @property
    def entry_price(self) -> Decimal | None:
        """Average entry price in dollars, None before the first fill."""
        return self.entry_value / self.entered if self.entered else None

    @property
    def exit_price(self) -> Decimal | None:
        return self.exit_value / self.exited if self.exited else None

    @property
    def is_protected(self) -> bool:
        """Whether target or stop is live at the broker, and nothing is still being bought, plainly sold or replaced, and the
        exits are for as many shares as there are."""
        if self.shares == 0:
            return True
        in_motion = self.is_entry_working or self.is_renewing or self.is_being_sold
        return not in_motion and self.fits and (self.target_status in LIVE or self.stop_status in LIVE)

    @property
    def fits(self) -> bool:
        """Whether the exits are for as many shares as there are, as far as is known."""
        return self.exits_for is None or self.exits_for == self.shares


def _empty() -> Mapping[str, Trade]:
    return MappingProxyType({})


def member_name(key: str, role: GroupRole) -> str:
    """Name of a member for ever, whatever ids the broker gives to its orders."""
    return f"{key}:{role.value}"


@dataclass(frozen=True, slots=True)
class Filled:
    """What of one member of an order group is counted: shares (or contracts) and the dollars that they came to."""

    shares: int = 0
    value: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Book:
    """All trades of the desk; `open` by key, `closed` oldest first, `seen` has the execution ids already counted as its keys.

    `filled` is what is counted of each member of an order group, by `member_name`: news of the same fill comes twice, from the
    stream and from a look at the order.
    """

    open: Mapping[str, Trade] = field(default_factory=_empty)
    closed: tuple[Trade, ...] = ()
    seen: Grown[str, bool] = field(default_factory=Grown)
    filled: Grown[str, Filled] = field(default_factory=Grown)
    last_exit: Mapping[str, date] = field(default_factory=lambda: MappingProxyType({}))

    def trades_of(self, symbol: str) -> tuple[Trade, ...]:
        """Open trades of a symbol in the order in which they were decided."""
        return tuple(trade for trade in self.open.values() if trade.symbol == symbol)

    def shares_of(self, symbol: str) -> int:
        return sum(trade.shares for trade in self.open.values() if trade.symbol == symbol)

    def shares(self) -> dict[str, int]:
        """Shares held by symbol, symbols with none left out."""
        held: dict[str, int] = {}
        for trade in self.open.values():
            held[trade.symbol] = held.get(trade.symbol, 0) + trade.shares
        return {symbol: count for symbol, count in held.items() if count}

    def symbols(self) -> frozenset[str]:
        """Every symbol that the desk has ever bought or tried to buy."""
        return frozenset(trade.symbol for trade in (*self.open.values(), *self.closed))

    def former(self, key: str) -> Trade | None:
        """The closed trade to which an order key belonged."""
        return next((trade for trade in reversed(self.closed) if key == trade.key or key in trade.covers), None)

    def owner(self, key: str) -> Trade | None:
        """The open trade to which an order key belongs, its entry's or a later cover's."""
        trade = self.open.get(key)
        if trade is not None:
            return trade
        return next((trade for trade in self.open.values() if key in trade.covers), None)
