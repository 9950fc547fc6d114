"""Random clients and a random market for the matching machine: commands that the rules would let through, by the thousand.

`Traffic` keeps a log of everything it did, so that the same log can be played to a fresh book. What it leaves out on purpose is
what `desk.exchange.rules` refuses before the machine sees it: sells of shares that are not free, opposite openings from flat,
brackets on top of something, quantity changes of a group, replacements of orders that are not at the venue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from machine_story import OPEN, exit_at

from desk.exchange.machine.book import AT_ONCE, Book, Due, Latency, Timer, is_option
from desk.exchange.machine.commands import Cancel, Command, Replace, Submit, Tick
from desk.exchange.machine.execution import cancel_oversized
from desk.exchange.machine.expiry import Settled, Terms, exercise
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import ZERO, Amendment, Event, Leg, Order, Quote, Ticket
from desk.exchange.rules.replacing import UNREPLACEABLE, cancel_objection
from desk.exchange.rules.reservations import available, closing_side
from desk.exchange.switches import Switches
from desk.exchange.words import AssetClass, OrderClass, OrderType, PositionIntent, Side, Status, TimeInForce

STOCKS = ("AAA", "BBB")
OPTIONS = ("AAA080920C00050000", "AAA080920C00055000", "AAA080920P00045000")
SLOW = Latency(*(timedelta(milliseconds=ms) for ms in (10, 15, 15, 63)))
VERY_SLOW = Latency(*(timedelta(minutes=minutes) for minutes in (1, 2, 3, 5)))
SETTINGS = (AT_ONCE, SLOW, VERY_SLOW)
STEPS = (0.001, 0.02, 0.1, 1, 30, 60, 90, 600, 7200)
MOVES = (0, 0, 10, 30, 100, 300, 1500)
DAY = timedelta(hours=6, minutes=30)


@dataclass
class Watched(Book):
    """A book that notes every change of an order's status."""

    changes: list[tuple[str, Status | None, Status]] = field(default_factory=list)

    def put(self, order: Order) -> Order:
        before = self.orders.get(order.id)
        if before is None or before.status is not order.status:
            self.changes.append((order.id, before.status if before else None, order.status))
        return super().put(order)


def new_book(seed: int, partial: float, latency: Latency, switches: Switches) -> Watched:
    return Watched(seed, Decimal(1_000_000), partial, latency, switches)


@dataclass
class Traffic:
    """A stream of commands to one book. Prices are cents; `events` are those of the last command."""

    book: Book
    rng: np.random.Generator
    at: datetime = OPEN
    opens_at: datetime = OPEN
    cents: dict[str, int] = field(default_factory=lambda: {"AAA": 5_000, "BBB": 9_000, **dict.fromkeys(OPTIONS, 300)})
    log: list[Command | tuple[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)

    def step(self) -> None:
        """Do one thing."""
        self.settled = []
        self.events = []
        doings: tuple[tuple[Callable[[], None], float], ...] = (
            (self.submit, 0.32),
            (self.cancel, 0.08),
            (self.replace, 0.12),
            (self.fault, 0.03),
            (self.assign, 0.02),
            (self.tick, 0.43),
        )
        weights = [weight for _, weight in doings]
        doings[int(self.rng.choice(len(doings), p=weights))][0]()

    def do(self, command: Command) -> None:
        self.log.append(command)
        self.events = apply(self.book, command)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    # prices and time

    def tick(self) -> None:
        for symbol in self.cents:
            self.cents[symbol] = max(2, self.cents[symbol] + int(self.pick(-1, 1)) * int(self.pick(*MOVES)))
        before, closes = self.at, self.opens_at + DAY
        self.at = min(self.at + timedelta(seconds=float(self.pick(*STEPS))), closes)
        if before == closes:
            self.at = self.opens_at = self.opens_at + timedelta(days=int(self.pick(1, 1, 1, 3, 40)))
        is_open, is_close = self.at == self.opens_at, self.at == closes
        quotes = {symbol: self.quote(symbol) for symbol in self.cents if self.rng.random() < 0.8}
        ranges = {symbol: (q.last - 5_000, q.last + 5_000) for symbol, q in quotes.items() if not is_option(symbol)}
        is_regular = is_open or is_close or self.rng.random() < 0.9
        if not is_regular:
            quotes = {symbol: quote for symbol, quote in quotes.items() if not is_option(symbol)}
        self.do(Tick(self.at, quotes, is_regular, is_open, is_close, is_open or self.rng.random() < 0.1, ranges))

    def quote(self, symbol: str) -> Quote:
        last, half = self.cents[symbol] * 100, int(self.pick(50, 100, 500))
        bid, ask = max(0, last - half), last + half
        if is_option(symbol) and self.rng.random() < 0.1:
            bid = 0
        return Quote(bid, ask, last)

    # orders

    def submit(self) -> None:
        ticket = self.spread() if self.rng.random() < 0.15 else self.single()
        if ticket is None:
            return
        day = self.opens_at + DAY
        ends = self.at + timedelta(days=90) if ticket.time_in_force is TimeInForce.GTC else day
        self.do(Submit(ticket, self.at, bool(self.rng.random() < 0.8), ends if ends > self.at else day + timedelta(days=1)))

    def single(self) -> Ticket | None:
        symbol = str(self.pick(*STOCKS, *STOCKS, OPTIONS[0]))
        side = Side(self.pick("buy", "buy", "sell"))
        kind = OrderClass.SIMPLE if is_option(symbol) else OrderClass(self.pick("simple", "simple", "bracket", "oco", "oto"))
        quantity = self.size(symbol, side, kind)
        if quantity is None:
            return None
        shape = self.shape(symbol, side, kind)
        if kind is not OrderClass.SIMPLE:
            quantity = quantity.to_integral_value()
        elif shape["time_in_force"] is not TimeInForce.DAY or is_option(symbol):
            quantity = max(Decimal(1), quantity.to_integral_value(rounding="ROUND_DOWN"))
        if self.closes(symbol, side) and quantity > abs(available(self.book, symbol)):
            return None
        asset = AssetClass.OPTION if is_option(symbol) else AssetClass.EQUITY
        intent = self.intent(symbol, side)
        return Ticket(symbol, side, order_class=kind, quantity=quantity, asset_class=asset, position_intent=intent, **shape)

    def size(self, symbol: str, side: Side, kind: OrderClass) -> Decimal | None:
        """A quantity that the account may ask for, None when it may not ask at all."""
        closes, free = self.closes(symbol, side), abs(available(self.book, symbol))
        if closes:
            wanted = free if self.rng.random() < 0.5 else free / 2
            return None if kind in (OrderClass.BRACKET, OrderClass.OTO) or wanted < 1 else wanted.quantize(Decimal("0.000000001"))
        is_flat = not self.book.shares(symbol) and not self.book.live_orders(symbol)
        if kind is OrderClass.OCO or (kind is OrderClass.BRACKET and not is_flat) or self.is_opposed(symbol, side):
            return None
        whole = Decimal(int(self.pick(1, 2, 10, 55, 100)))
        is_fraction = kind is OrderClass.SIMPLE and side is Side.BUY and not is_option(symbol) and self.rng.random() < 0.2
        return whole + Decimal("0.123456789") if is_fraction else whole

    def closes(self, symbol: str, side: Side) -> bool:
        return closing_side(self.book, symbol) is side

    def is_opposed(self, symbol: str, side: Side) -> bool:
        """From flat an account waits for a long or for a short position, not for both."""
        others = (order for order in self.book.live_orders(symbol) if order.side is side.opposite and not order.is_exit_leg)
        return not self.book.shares(symbol) and any(others)

    def shape(self, symbol: str, side: Side, kind: OrderClass) -> dict[str, Any]:
        last = Decimal(self.cents[symbol]) / 100
        lifetime = TimeInForce(self.pick("day", "gtc"))
        if kind is OrderClass.OCO:
            return {"type": OrderType.LIMIT, "time_in_force": lifetime, **self.exits(last, side, both=True)}
        kinds = ("market", "limit", "stop", "stop_limit") + (("trailing_stop",) if kind is OrderClass.SIMPLE else ())
        given: dict[str, Any] = {"type": OrderType(self.pick(*kinds)), "time_in_force": lifetime}
        if given["type"] in (OrderType.MARKET, OrderType.LIMIT) and kind is OrderClass.SIMPLE and self.rng.random() < 0.3:
            given["time_in_force"] = TimeInForce(self.pick("ioc", "fok", "opg", "cls"))
        given |= self.prices(given["type"], last, side)
        if kind in (OrderClass.BRACKET, OrderClass.OTO):
            given |= self.exits(given.get("limit_price", last), side.opposite, both=kind is OrderClass.BRACKET)
        elif given["type"] is OrderType.LIMIT and lifetime is given["time_in_force"]:
            given["extended_hours"] = bool(self.rng.random() < 0.3)
        return given

    def prices(self, kind: OrderType, last: Decimal, side: Side) -> dict[str, Any]:
        near = max(Decimal("0.01"), last + Decimal(int(self.rng.integers(-200, 201))) / 100)
        away = max(Decimal("0.01"), last + side.sign * Decimal(int(self.rng.integers(1, 300))) / 100)
        if kind is OrderType.LIMIT:
            return {"limit_price": near}
        if kind is OrderType.TRAILING_STOP:
            return {"trail_price": Decimal("0.75")} if self.rng.random() < 0.5 else {"trail_percent": Decimal("1.5")}
        if kind is OrderType.STOP:
            return {"stop_price": away, "collar_price": away * Decimal("1.04") if side is Side.BUY else None}
        return {"stop_price": away, "limit_price": near} if kind is OrderType.STOP_LIMIT else {}

    def exits(self, base: Decimal, side: Side, both: bool) -> dict[str, Any]:
        """Exits of that side around `base`."""
        target = max(Decimal("0.02"), base - side.sign * Decimal(int(self.rng.integers(1, 400))) / 100)
        stop = max(Decimal("0.01"), base + side.sign * Decimal(int(self.rng.integers(1, 400))) / 100)
        limit = stop if self.rng.random() < 0.3 else None
        given = {"take_profit": exit_at(limit=target), "stop_loss": exit_at(limit=limit, stop=stop)}
        if not both:
            given.pop(str(self.pick("take_profit", "stop_loss")))
        return given

    def spread(self) -> Ticket | None:
        symbols = [str(symbol) for symbol in self.rng.permutation(OPTIONS)[: int(self.pick(2, 3))]]
        sides, ratios = [Side(self.pick("buy", "sell")) for _ in symbols], [int(self.pick(1, 1, 2)) for _ in symbols]
        units = Decimal(int(self.pick(1, 3, 10)))
        for symbol, side, ratio in zip(symbols, sides, ratios, strict=True):
            too_much = self.closes(symbol, side) and units * ratio > abs(available(self.book, symbol))
            if too_much or self.is_opposed(symbol, side):
                return None
        intents = [self.intent(symbol, side) for symbol, side in zip(symbols, sides, strict=True)]
        legs = tuple(Leg(*each) for each in zip(symbols, sides, ratios, intents, strict=True))
        net = sum(self.cents[leg.symbol] * leg.ratio * leg.side.sign for leg in legs) + int(self.rng.integers(-50, 150))
        limit = Decimal(net) / 100 if self.rng.random() < 0.8 else None
        kind, lifetime = (OrderType.MARKET if limit is None else OrderType.LIMIT), TimeInForce(self.pick("day", "gtc"))
        return Ticket("", None, kind, OrderClass.MLEG, lifetime, units, None, AssetClass.OPTION, limit_price=limit, legs=legs)

    def intent(self, symbol: str, side: Side) -> PositionIntent:
        return PositionIntent(f"{side}_to_{'close' if self.closes(symbol, side) else 'open'}")

    def cancel(self) -> None:
        able = [order for order in self.book.live_orders() if cancel_objection(order) is None]
        if able:
            self.do(Cancel(self.pick(*able).id, self.at))

    def replace(self) -> None:
        live = [order for order in self.book.live_orders() if order.order_class is not OrderClass.MLEG]
        able = [order for order in live if order.status not in UNREPLACEABLE and not order.elected]
        if able:
            order = self.pick(*able)
            change = self.amendment(order)
            if change is not None:
                self.do(Replace(order.id, change, self.at, order.expires_at))

    def amendment(self, order: Order) -> Amendment | None:
        if order.type is OrderType.TRAILING_STOP:
            return Amendment(trail=Decimal(int(self.pick(1, 2, 3))))
        if order.group_id is None and order.quantity == order.remaining.to_integral_value() and self.rng.random() < 0.4:
            room = abs(available(self.book, order.symbol)) + order.remaining
            wanted = order.quantity + int(self.pick(-1, 1, 5))
            fits = wanted - order.filled_quantity <= room or not self.closes(order.symbol, order.side or Side.BUY)
            return Amendment(quantity=wanted) if wanted > order.filled_quantity and fits else None
        shift = Decimal(int(self.rng.integers(-150, 151))) / 100
        name = "stop_price" if order.stop_price is not None else "limit_price"
        old = getattr(order, name)
        return None if old is None else Amendment(**{name: max(Decimal("0.01"), old + shift)})

    # what clients do not ask for

    def fault(self) -> None:
        live = [order for order in self.book.live_orders() if order.is_top_level and self.book.predecessor(order) is None]
        kind = self.pick("halt", "resume", "stuck", "reject", "part", "wake")
        if kind in ("halt", "resume") or not live:
            self.impose(kind, self.pick(*STOCKS))
        else:
            self.impose(kind, self.pick(*live).id)

    def impose(self, kind: str, target: str) -> None:
        self.log.append((kind, (target, self.at)))
        impose(self.book, kind, target, self.at)

    def assign(self) -> None:
        """An option of the account is exercised or assigned, in part."""
        held = [symbol for symbol in OPTIONS if self.book.shares(symbol)]
        if held:
            symbol = str(self.pick(*held))
            self.log.append(("assign", (symbol, Decimal(1), self.at)))
            self.settled = [assign(self.book, symbol, Decimal(1), self.at)]
            self.events = self.book.take_events()


def impose(book: Book, kind: str, target: str, at: datetime) -> None:  # noqa: C901  # one line a fault
    """A fault, as the exchange's fault plan has them."""
    if kind == "halt":
        book.halted = {target: None}
    elif kind == "resume":
        book.halted = {}
    elif kind == "stuck" and target in book.orders:
        book.stuck_cancels[target] = None
    elif kind == "part" and target in book.orders:
        book.forced_parts[target] = Decimal(1)
    elif kind == "reject" and target in book.orders:
        book.later(at + timedelta(seconds=1), Due.REJECT, target)
    elif kind == "wake":
        for order_id in book.stuck_cancels:
            if book.orders[order_id].status is Status.PENDING_CANCEL:
                book.timers.append(Timer(at, Due.CANCEL, order_id))
        book.stuck_cancels.clear()


def assign(book: Book, symbol: str, contracts: Decimal, at: datetime) -> Settled:
    """An exercise or assignment, and the end of orders that the positions cannot serve any more."""
    terms = Terms(symbol, "AAA", symbol[-9] == "C", Decimal(int(symbol[-8:])) / 1000)
    done = exercise(book, terms, contracts)
    for each in (terms.symbol, terms.underlying):
        cancel_oversized(book, each, at)
    return done


def play(book: Book, log: list[Command | tuple[str, Any]]) -> Book:
    """Do everything again."""
    for entry in log:
        if not isinstance(entry, tuple):
            apply(book, entry)
        elif entry[0] == "assign":
            assign(book, *entry[1])
            book.take_events()
        else:
            impose(book, entry[0], *entry[1])
    return book


def worth(event: Event) -> Decimal:
    """Dollars that an execution costs."""
    if event.legs:
        return sum((100 * fill.price * fill.quantity * sign_of(fill.order) for fill in event.legs), ZERO)
    assert event.price is not None and event.quantity is not None
    return event.price * event.quantity * event.order.multiplier * sign_of(event.order)


def sign_of(order: Order) -> int:
    assert order.side is not None
    return order.side.sign
