"""What an account has seen happen: executions, refusals, other activities, closing equity, stops that gapped, bare shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import uuid5

from desk.data.calendars import NEW_YORK
from desk.exchange.exposure import Exposure
from desk.exchange.machine.book import NAMESPACE
from desk.exchange.machine.orders import ZERO, Event, LegFill, Order
from desk.exchange.rules.rejections import FORBIDDEN, Rejection
from desk.exchange.words import EventKind, OrderType, Side

# Kinds that change a position by their quantity; in others the quantity is what a payment was reckoned on.
MOVES_POSITION = frozenset({"OPASN", "OPCA", "OPEXC", "OPEXP", "OPTRD", "SPLIT", "JNLS", "SPIN", "MA"})
# Paper accounts show what became of options on the next day, and fees are booked a day after their trades
# (https://docs.alpaca.markets/docs/options-trading, https://docs.alpaca.markets/reference/getaccountactivities).
SHOWN_NEXT_DAY = frozenset({"OPASN", "OPEXC", "OPEXP", "OPTRD", "FEE"})
BOOKED = time(6, 0)


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of the account. Price in dollars a share; quantities in shares or contracts; `kind` fill or partial_fill."""

    execution_id: str
    at: datetime
    order_id: str
    client_order_id: str
    symbol: str
    side: str
    kind: str
    price: Decimal
    quantity: Decimal
    cumulative: Decimal
    leaves: Decimal
    order_status: str

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity if self.side == Side.BUY.value else -self.quantity


@dataclass(frozen=True, slots=True)
class Posting:
    """Something other than a trade that is to be entered; the caller moves the cash, which is `net_amount` dollars.

    `kind` and `sub_kind` are Alpaca's activity types (DIV, CDIV). `quantity` is signed: what a position changes by for the kinds
    in `MOVES_POSITION`, else the shares that a payment was reckoned on. `day` is when it counts; `group` joins postings that
    belong together, within one instant.
    """

    kind: str
    day: date
    net_amount: Decimal = ZERO
    sub_kind: str | None = None
    symbol: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    per_share: Decimal | None = None
    description: str = ""
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An activity that is no trade. It took effect `at`; clients see it from `created_at` on."""

    id: str
    kind: str
    at: datetime
    created_at: datetime
    day: date
    net_amount: Decimal
    sub_kind: str | None = None
    symbol: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    per_share: Decimal | None = None
    description: str = ""
    group_id: str | None = None

    @property
    def position_change(self) -> Decimal:
        """Signed shares or contracts of `symbol` that came with it."""
        return self.quantity if self.kind in MOVES_POSITION and self.quantity is not None else ZERO


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that was not taken, or that was rejected later."""

    at: datetime
    client_order_id: str | None
    status: int
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class GappedStop:
    """A stop that filled beyond its price because the session opened through it."""

    symbol: str
    at: datetime
    stop_price: Decimal
    fill_price: Decimal
    shares: Decimal


@dataclass(frozen=True, slots=True)
class Mark:
    """Equity and cash in dollars at a session's close; the first is what the account was opened with."""

    at: datetime
    equity_usd: Decimal
    cash_usd: Decimal


@dataclass
class Ledger:
    """The running record; the one part of the exchange that only grows. `seed` keeps two accounts' ids apart.

    `fees_charged` counts the executions whose fees have been booked; `pending` are payments that wait for their day.
    """

    opened_at: datetime
    events_emitted: int = 0
    orders_submitted: int = 0
    executions: list[Execution] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    gapped: list[GappedStop] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    exposure: Exposure = field(default_factory=Exposure)
    entries: list[Entry] = field(default_factory=list)
    seed: int = 0
    fees_charged: int = 0
    pending: list[Posting] = field(default_factory=list)

    def record(self, event: Event, is_opening: bool) -> None:
        """Take note of an event; `is_opening` says that it happened at a session's first price."""
        self.events_emitted += 1
        if event.is_fill:
            self.executions.extend(_executions(event))
            if is_opening and _gapped(event):
                self.gapped.append(_gapped_stop(event))
        elif event.kind is EventKind.REJECTED:
            self.refused.append(
                Refused(event.at, event.order.client_order_id, 200, FORBIDDEN, "insufficient buying power at execution")
            )

    def post(self, posting: Posting, at: datetime) -> Entry:
        """Enter what took effect at `at`. Ids follow from the seed and the number of entries."""
        group = None if posting.group is None else str(uuid5(NAMESPACE, f"{self.seed}/group/{posting.group}/{at.isoformat()}"))
        created = next_morning(posting.day) if posting.kind in SHOWN_NEXT_DAY else at
        created = max(at, created)
        entry = Entry(
            id=activity_id(created, str(uuid5(NAMESPACE, f"{self.seed}/entry/{len(self.entries)}"))),
            kind=posting.kind,
            at=at,
            created_at=created,
            day=posting.day,
            net_amount=posting.net_amount,
            sub_kind=posting.sub_kind,
            symbol=posting.symbol,
            quantity=posting.quantity,
            price=posting.price,
            per_share=posting.per_share,
            description=posting.description,
            group_id=group,
        )
        self.entries.append(entry)
        return entry

    def enter(self, kind: str, at: datetime, day: date, net_amount: Decimal = ZERO, **details: object) -> Entry:
        """`post` for one who has no posting: `details` are its other fields."""
        return self.post(Posting(kind, day, net_amount, **details), at)  # type: ignore[arg-type]  # names and types are Posting's

    def enter_option(self, kind: str, symbol: str, quantity: Decimal, price: Decimal, at: datetime) -> Entry:
        """Enter what became of an option (OPEXC, OPASN, OPEXP), or the trade of its underlying (OPTRD) right after that.

        `quantity` is the signed change of the position, `price` dollars a share. The two share a group.
        """
        last = self.entries[-1] if self.entries else None
        is_second = kind == "OPTRD" and last is not None and last.at == at and last.kind in ("OPEXC", "OPASN")
        group = f"option/{len(self.entries) - is_second}"
        day = at.astimezone(NEW_YORK).date()
        words = {"OPEXC": "Option exercise", "OPASN": "Option assignment", "OPEXP": "Option expiry", "OPTRD": "Option trade"}
        return self.post(
            Posting(
                kind,
                day,
                -quantity * price if kind == "OPTRD" else ZERO,
                symbol=symbol,
                quantity=quantity,
                price=price if kind == "OPTRD" else None,
                description=words.get(kind, kind),
                group=group,
            ),
            at,
        )

    def refuse(self, at: datetime, client_order_id: object, rejection: Rejection) -> None:
        shown = client_order_id if isinstance(client_order_id, str) else None
        self.refused.append(Refused(at, shown, rejection.status, rejection.code, rejection.message))

    def closing_mark(self, before: date) -> Mark | None:
        """The last mark of a New York date before `before`; the opening one counts as a closing, None when it is later."""
        earlier = (mark for mark in reversed(self.marks) if mark.at.astimezone(NEW_YORK).date() < before)
        return next(earlier, None)


def next_morning(day: date) -> datetime:
    """06:00 New York of the calendar day after `day`."""
    return datetime.combine(day + timedelta(days=1), BOOKED, NEW_YORK).astimezone(UTC)


def activity_id(at: datetime, unique: str) -> str:
    """Alpaca's ids of activities start with New York's time to the millisecond, so they sort by time."""
    local = at.astimezone(NEW_YORK)
    return f"{local.strftime('%Y%m%d%H%M%S')}{local.microsecond // 1000:03d}::{unique}"


def _executions(event: Event) -> Iterator[Execution]:
    """One execution, or one for each leg of a multi-leg order."""
    assert event.price is not None and event.quantity is not None
    if not event.legs:
        yield _execution(event, event.order, event.execution_id, event.price, event.quantity)
    for leg in event.legs:
        yield _leg_execution(event, leg)


def _leg_execution(event: Event, leg: LegFill) -> Execution:
    return _execution(event, leg.order, leg.execution_id, leg.price, leg.quantity)


def _execution(event: Event, order: Order, execution_id: str, price: Decimal, quantity: Decimal) -> Execution:
    assert order.side is not None
    return Execution(
        execution_id=execution_id,
        at=event.at,
        order_id=order.id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side.value,
        kind=event.kind.value,
        price=price,
        quantity=quantity,
        cumulative=order.filled_quantity,
        leaves=order.remaining,
        order_status=order.status.value,
    )


def _gapped(event: Event) -> bool:
    order = event.order
    if order.type is not OrderType.STOP or order.stop_price is None or event.price is None:
        return False
    return event.price < order.stop_price if order.side is Side.SELL else event.price > order.stop_price


def _gapped_stop(event: Event) -> GappedStop:
    assert event.order.stop_price is not None and event.price is not None and event.quantity is not None
    return GappedStop(event.order.symbol, event.at, event.order.stop_price, event.price, event.quantity)
