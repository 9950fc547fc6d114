"""One account at the exchange: its books, what its client asks, and what becomes of it. Answers are values or `Rejection`s."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid5

from desk.data.calendars import Session
from desk.exchange import day_end, opening
from desk.exchange.account_settings import settings_of
from desk.exchange.config import AccountConfig
from desk.exchange.ledger import Ledger, Mark
from desk.exchange.lifetimes import ends_at, works_now
from desk.exchange.machine.book import NAMESPACE, Book, multiplier
from desk.exchange.machine.commands import Cancel, Command, Replace, Submit, Tick
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import UNIT_USD, ZERO, Event, Order, Ticket
from desk.exchange.opening import Opening
from desk.exchange.rules.closing import closing_ticket
from desk.exchange.rules.parsing import parse_ticket
from desk.exchange.rules.power import Power, power_of_account
from desk.exchange.rules.rejections import Rejection, not_found
from desk.exchange.rules.replacing import cancel_objection, parse_amendment, replace_objection
from desk.exchange.rules.reservations import unprotected_shares
from desk.exchange.rules.situation import Situation
from desk.exchange.rules.validation import judge
from desk.exchange.situations import situation_of
from desk.exchange.watchlists import Watchlist
from desk.exchange.words import OrderType

if TYPE_CHECKING:
    from desk.exchange.venue import Exchange

ID_LENGTH = 36


@dataclass(frozen=True, slots=True)
class View:
    """An order with its legs at one moment."""

    order: Order
    legs: tuple[Order, ...]


class Account:
    """Books, ledger and settings of one pair of keys. Only `apply`, `begin_day` and `close_out` change the books."""

    def __init__(self, exchange: Exchange, config: AccountConfig, number: int, bought: Iterable[Opening] = ()) -> None:
        self.exchange = exchange
        self.config = config
        self.number = number
        given = exchange.config
        self.book = Book(
            seed=given.seed + 1_000_003 * number,
            cash_usd=config.cash,
            partial_fill_probability=given.partial_fill_probability,
            latency=given.latency,
            switches=given.switches,
            is_cash_account=config.multiplier == 1,
        )
        self.ledger = Ledger(opened_at=exchange.now, marks=[Mark(exchange.now, config.cash, config.cash)], seed=self.book.seed)
        opening.enter(self.book, self.ledger, bought)
        self.settings = settings_of(config)
        self.watchlists: dict[str, Watchlist] = {}
        self.outbox: list[tuple[int, Event]] = []
        self.bare = unprotected_shares(self.book)

    @property
    def api_key(self) -> str:
        return self.config.api_key

    @property
    def id(self) -> str:
        return str(uuid5(NAMESPACE, f"{self.book.seed}/account"))

    # orders

    def submit(self, body: object) -> View | Rejection:
        """Take the order of a POST. The answer is the order as taken; what happens to it next goes to the outbox."""
        ticket = parse_ticket(self._with_symbol(body))
        if isinstance(ticket, Ticket):
            ticket = judge(ticket, self._situation(ticket))
        if isinstance(ticket, Rejection):
            self.ledger.refuse(self.exchange.now, body.get("client_order_id") if isinstance(body, dict) else None, ticket)
            return ticket
        return self.accept(ticket)

    def _with_symbol(self, body: object) -> object:
        """A symbol may also be given by its asset's id."""
        given = body.get("symbol") if isinstance(body, dict) else None
        symbol = self.exchange.symbol_of(given) if isinstance(given, str) and len(given) == ID_LENGTH else None
        return {**body, "symbol": symbol} if isinstance(body, dict) and symbol is not None else body

    def cancel(self, order_id: str) -> Order | Rejection:
        order = self.book.orders.get(order_id)
        if order is None:
            return not_found(f"order not found for {order_id}")
        refusal = cancel_objection(order)
        if refusal is not None:
            return refusal
        self.exchange.machine_faults.on_cancel(self, order)
        self.apply(Cancel(order_id, self.exchange.now))
        return self.book.orders[order_id]

    def replace(self, order_id: str, body: object) -> View | Rejection:
        """Put a successor in the place of an order; the answer is the successor."""
        order = self.book.orders.get(order_id)
        if order is None:
            return not_found(f"order not found for {order_id}")
        change = parse_amendment(body, order)
        if isinstance(change, Rejection):
            return change
        refusal = replace_objection(order, change, self._situation(order))
        if refusal is not None:
            return refusal
        now = self.exchange.now
        lifetime = change.time_in_force or order.time_in_force
        ends = ends_at(self.exchange.sessions, now, lifetime, order.extended_hours, {order.symbol})
        self.apply(Replace(order_id, change, now, ends))
        successor = self.view(self.book.orders[self.book.orders[order_id].replaced_by or order_id])
        self._settle({order.symbol})
        return successor

    def close_position(self, symbol: str, quantity: Decimal | None = None, fraction: Decimal | None = None) -> View | Rejection:
        """Close a position, or part of it, at the market. Open orders keep their shares, so they can be in the way."""
        ticket = closing_ticket(self.book, symbol, quantity, fraction)
        if isinstance(ticket, Ticket):
            ticket = judge(ticket, self._situation(ticket))
        return ticket if isinstance(ticket, Rejection) else self.accept(ticket)

    def accept(self, ticket: Ticket) -> View:
        """Take a checked ticket."""
        exchange, known = self.exchange, len(self.book.orders)
        symbols = {leg.symbol for leg in ticket.legs} or {ticket.symbol}
        goes = works_now(ticket, exchange.phase) and all(self._trades(symbol) for symbol in symbols)
        ends = ends_at(exchange.sessions, exchange.now, ticket.time_in_force, ticket.extended_hours, symbols)
        self.apply(Submit(ticket, exchange.now, goes, ends))
        self.ledger.orders_submitted += 1
        added = len(self.book.orders) - known
        taken = self.view(next(islice(reversed(self.book.orders.values()), added - 1, None)))
        exchange.machine_faults.on_order(self, taken.order)
        self._settle(symbols)
        return taken

    def exercise(self, symbol: str) -> Rejection | None:
        return day_end.exercise(self, symbol)

    def do_not_exercise(self, symbol: str) -> Rejection | None:
        return day_end.do_not_exercise(self, symbol)

    # reading

    def find(self, order_id: str) -> Order | None:
        return self.book.orders.get(order_id)

    def find_by_client_id(self, client_order_id: str) -> Order | None:
        order_id = self.book.client_ids.get(client_order_id)
        return None if order_id is None else self.book.orders[order_id]

    def legs(self, order: Order) -> list[Order]:
        """The orders below `order` in a nested view: members of its group, those left out that a replacement superseded."""
        if order.is_spread:
            return self.book.legs(order.id)
        if order.group_id is None or not order.is_top_level:
            return []
        members = {member.id: member for member in self.book.members(order.group_id)}
        return [leg for leg in members.values() if not leg.is_top_level and not _is_superseded(leg, members)]

    def view(self, order: Order) -> View:
        return View(order, tuple(self.legs(order)))

    def power(self) -> Power:
        """Equity, margins and buying power now."""
        return power_of_account(self)

    def equity(self) -> Decimal:
        """Cash and positions at the last trade, dollars."""
        worth = (self.last(symbol) * held.quantity * multiplier(symbol) for symbol, held in self.book.holdings.items())
        return self.book.cash_usd + sum(worth, ZERO)

    def last(self, symbol: str) -> Decimal:
        """Last trade in dollars; the first price of a stock that has not traded yet, zero for an option."""
        return (self.exchange.market.worth(symbol, self.exchange.now) or 0) * UNIT_USD

    # time

    def tick(self, tick: Tick) -> None:
        self.book.halted = self.exchange.halted_now()
        self.apply(tick)

    def expose(self, since: datetime, until: datetime) -> None:
        """Time passes over shares that stand bare."""
        self.ledger.exposure.expose(self.bare, since, until)

    def begin_day(self, day: date) -> None:
        """04:00 New York of a session: corporate actions take effect."""
        day_end.begin_day(self, day)
        self.tell(self.book.take_events())

    def close_out(self, session: Session, is_close: bool) -> None:
        """After the orders of this instant: options that expire today, fees, the mark of the day."""
        day_end.look_after_expiring(self, session, is_close)
        if is_close:
            day_end.charge_fees(self, session)
            self.ledger.marks.append(Mark(self.exchange.now, self.equity(), self.book.cash_usd))
        self.bare = unprotected_shares(self.book)

    def look_again(self) -> None:
        """Books, ledger and settings were put in place from a saved state."""
        self.bare = unprotected_shares(self.book)

    def symbols_asked_for(self) -> set[str]:
        return self.book.live_symbols()

    def trailing_symbols(self) -> set[str]:
        live = self.book.live_orders()
        return {order.symbol for order in live if order.type is OrderType.TRAILING_STOP and not order.elected}

    def ranges(self, now: datetime) -> dict[str, tuple[int, int]]:
        """Lowest and highest trade since the trailing stops last looked, by symbol."""
        since, market = self.book.trailed_to, self.exchange.market
        if since is None or since >= now:
            return {}
        found: dict[str, tuple[int, int]] = {}
        for symbol in self.trailing_symbols() - self.book.halted.keys():
            low, high = (market.best_between(symbol, since, now, rising) for rising in (True, False))
            if low is not None and high is not None:
                found[symbol] = (low, high)
        return found

    # inside

    def apply(self, command: Command) -> None:
        """Let the machine change the books, and note and send what happened."""
        self.tell(apply(self.book, command))

    def tell(self, events: list[Event]) -> None:
        """Note what happened, for the records and for the stream."""
        now, session = self.exchange.now, self.exchange.sessions.open_or_closing_at(self.exchange.now)
        self.bare = unprotected_shares(self.book)
        is_opening = session is not None and now == session.opens_at
        for event in events:
            self.ledger.record(event, is_opening)
            self.outbox.append((self.ledger.events_emitted, event))

    def _settle(self, symbols: set[str]) -> None:
        """Match at once what can trade now."""
        self.tick(self.exchange.moment(symbols | self.trailing_symbols(), self))

    def _trades(self, symbol: str) -> bool:
        session = self.exchange.sessions.open_or_closing_at(self.exchange.now)
        return session is None or self.exchange.market.trades_in(symbol, session)

    def _situation(self, asked: Ticket | Order) -> Situation:
        return situation_of(self, asked)


def _is_superseded(leg: Order, members: dict[str, Order]) -> bool:
    """Whether a replacement has taken the place of `leg`; a target that its triggered stop replaced still counts as a leg."""
    successor = members.get(leg.replaced_by or "")
    return successor is not None and successor.group_role is leg.group_role
