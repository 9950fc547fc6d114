"""The exchange itself, without its wire: books, prices and virtual time together. Not thread-safe; one event loop owns it.

Virtual time moves by `advance` alone. Orders that arrive while the market is open are matched at once at the current price.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import islice

from desk.data.calendars import Session
from desk.data.source import Source
from desk.domain.orders import OrderClass, OrderType, Side, TimeInForce
from desk.exchange.account import available, reserved, unprotected_shares
from desk.exchange.agenda import next_instant
from desk.exchange.book import Book
from desk.exchange.clock import nyse_sessions
from desk.exchange.config import ExchangeConfig
from desk.exchange.ledger import Ledger, Mark
from desk.exchange.market import Market
from desk.exchange.matching import Cancel, Command, Replace, Submit, Tick, step
from desk.exchange.orders import Event, Order, Quote, Ticket
from desk.exchange.parsing import parse_amendment, parse_ticket
from desk.exchange.rejections import Rejection, insufficient_shares, not_found, unprocessable
from desk.exchange.validation import Request, cancel_objection, collared, objection, replace_objection

CENT = Decimal("0.01")
INTRADAY_HISTORY = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class View:
    """An order with its legs at one moment."""

    order: Order
    legs: tuple[Order, ...]


class Exchange:
    """One account at one exchange. Methods that a client calls answer with a value or with a `Rejection`, never with an error."""

    def __init__(self, config: ExchangeConfig, source: Source) -> None:
        self.config = config
        self.sessions = nyse_sessions(_days_needed(source.sessions(), config.start))
        self.market = Market(source, self.sessions, config.seed, config.spread_bps)
        self.opened_at = self.sessions.first_instant(config.start)
        self.now = self.opened_at
        cash = Decimal(repr(config.cash_usd)).quantize(CENT)
        self.book = Book(seed=config.seed, cash_usd=cash, partial_fill_probability=config.partial_fill_probability)
        self.ledger = Ledger(opened_at=self.opened_at, marks=[Mark(self.opened_at, cash, cash)])
        self.outbox: list[tuple[int, Event]] = []
        self._bare = unprotected_shares(self.book)

    # orders

    def submit(self, body: object) -> View | Rejection:
        """Take the order of a POST. The answer is the order as taken; what happens to it next goes to the outbox."""
        ticket = parse_ticket(body)
        if isinstance(ticket, Ticket):
            ticket = self._judge(ticket)
        if isinstance(ticket, Rejection):
            self.ledger.refuse(self.now, body.get("client_order_id") if isinstance(body, dict) else None, ticket)
            return ticket
        return self._accept(ticket)

    def cancel(self, order_id: str) -> Order | Rejection:
        order = self.book.orders.get(order_id)
        if order is None:
            return not_found(f"order not found for {order_id}")
        refusal = cancel_objection(order)
        if refusal is not None:
            return refusal
        self._apply(Cancel(order_id, self.now))
        return self.book.orders[order_id]

    def replace(self, order_id: str, body: object) -> View | Rejection:
        """Put a successor in the place of an order; the answer is the successor."""
        order = self.book.orders.get(order_id)
        if order is None:
            return not_found(f"order not found for {order_id}")
        change = parse_amendment(body, order)
        if isinstance(change, Rejection):
            return change
        refusal = replace_objection(self.book, order, change, self._quote(order.symbol))
        if refusal is not None:
            return refusal
        self._apply(Replace(order_id, change, self.now))
        successor = self.view(self.book.orders[self.book.orders[order_id].replaced_by or order_id])
        self._match_now(order.symbol)
        return successor

    def close_position(self, symbol: str, quantity: int | None = None, fraction: Decimal | None = None) -> View | Rejection:
        """Sell a position, or part of it, at the market. Open orders keep their shares, so they can be in the way."""
        shares = self.book.shares(symbol)
        if not shares:
            return not_found("position does not exist")
        wanted = shares if quantity is None else quantity
        if fraction is not None:
            wanted = int((shares * fraction).to_integral_value(ROUND_DOWN))
        if wanted <= 0:
            return unprocessable("qty must be > 0")
        if wanted > available(self.book, symbol):
            return insufficient_shares(symbol, wanted, shares, reserved(self.book, symbol))
        ticket = Ticket(symbol, Side.SELL, OrderType.MARKET, OrderClass.SIMPLE, TimeInForce.DAY, wanted)
        return self._accept(ticket)

    def find(self, order_id: str) -> Order | None:
        return self.book.orders.get(order_id)

    def find_by_client_id(self, client_order_id: str) -> Order | None:
        order_id = self.book.client_ids.get(client_order_id)
        return None if order_id is None else self.book.orders[order_id]

    def legs(self, order: Order) -> list[Order]:
        """The orders below `order` in a nested view: members of its group, those left out that a replacement superseded."""
        if order.group_id is None or not order.is_top_level:
            return []
        members = {member.id: member for member in self.book.members(order.group_id)}
        return [leg for leg in members.values() if not leg.is_top_level and not _is_superseded(leg, members)]

    def view(self, order: Order) -> View:
        return View(order, tuple(self.legs(order)))

    # time

    def advance(self, to: datetime) -> bool | Rejection:
        """Move to `to`, or to the first instant before it that sends a trade update. True when `to` was reached."""
        if to < self.now:
            return unprocessable(f"to {to.isoformat()} is before the clock's {self.now.isoformat()}; time only moves forward")
        if to >= self.sessions.end:
            return unprocessable(f"to {to.isoformat()} is beyond the data, which ends with {self.sessions.days[-1]}")
        before = self.ledger.events_emitted
        while self.ledger.events_emitted == before:
            session = self.sessions.current(self.now)
            instant = None if session is None else next_instant(self.book, self.market, session, self.now)
            if session is None or instant is None or instant > to:
                self._pass_time(to)
                return True
            self._pass_time(instant)
            self._tick(session)
        return self.now == to

    def _tick(self, session: Session) -> None:
        is_closing = self.now == session.closes_at
        symbols = {order.symbol for order in self.book.live_orders()}
        quotes = {symbol: quote for symbol in sorted(symbols) if (quote := self._session_quote(symbol, session))}
        self._apply(Tick(self.now, quotes, is_closing))
        if is_closing:
            self.ledger.marks.append(Mark(self.now, self.equity(), self.book.cash_usd))

    def _pass_time(self, to: datetime) -> None:
        self.ledger.expose(self._bare, to - self.now)
        self.now = to

    def take_over(self, now: datetime, book: Book, ledger: Ledger) -> None:
        """Go on where a saved exchange stopped."""
        self.now, self.book, self.ledger = now, book, ledger
        self._bare = unprotected_shares(book)

    # worth

    def equity(self) -> Decimal:
        """Cash and positions at the last trade, dollars."""
        return self.book.cash_usd + sum((self.last(symbol) * h.shares for symbol, h in self.book.holdings.items()), Decimal(0))

    def last(self, symbol: str) -> Decimal:
        """Last trade in dollars; zero for a symbol that has not traded yet."""
        return (self.market.last(symbol, self.now) or 0) * CENT

    def is_tradable(self, symbol: str) -> bool:
        """Whether `symbol` has traded by now and will trade again."""
        session = self.sessions.current(self.now)
        if session is None or not self.market.has(symbol):
            return False
        days = self.market.daily(symbol).days
        return bool(days) and session.day <= days[-1] and self.market.last(symbol, self.now) is not None

    # inside

    def _judge(self, ticket: Ticket) -> Ticket | Rejection:
        if not self.market.has(ticket.symbol):
            return unprocessable(f'asset "{ticket.symbol}" not found')
        if not self.is_tradable(ticket.symbol):
            return unprocessable(f'asset "{ticket.symbol}" is not tradable')
        quote = self._quote(ticket.symbol)
        ticket = collared(ticket, quote)
        return objection(Request(ticket, self.book, quote)) or ticket

    def _accept(self, ticket: Ticket) -> View:
        session = self.sessions.current(self.now)
        is_matched = session is not None and self.sessions.is_open(self.now) and self.market.trades_in(ticket.symbol, session)
        known = len(self.book.orders)
        self._apply(Submit(ticket, self.now, is_matched))
        self.ledger.orders_submitted += 1
        taken = self.view(next(islice(self.book.orders.values(), known, None)))
        if is_matched:
            self._match_now(ticket.symbol)
        return taken

    def _match_now(self, symbol: str) -> None:
        session = self.sessions.current(self.now)
        if session is None or not self.sessions.is_open(self.now):
            return
        quote = self._session_quote(symbol, session)
        if quote is not None:
            self._apply(Tick(self.now, {symbol: quote}))

    def _session_quote(self, symbol: str, session: Session) -> Quote | None:
        return self.market.quote(symbol, self.now) if self.market.trades_in(symbol, session) else None

    def _quote(self, symbol: str) -> Quote:
        quote = self.market.quote(symbol, self.now)
        if quote is None:
            raise LookupError(f"{symbol} has not traded by {self.now}, and yet it is being traded")
        return quote

    def _apply(self, command: Command) -> None:
        self.book, events = step(self.book, command)
        self._bare = unprotected_shares(self.book)
        session = self.sessions.at(self.now)
        is_opening = session is not None and self.now == session.opens_at
        for event in events:
            self.ledger.record(event, is_opening)
            self.outbox.append((self.ledger.events_emitted, event))


def _days_needed(days: tuple[date, ...], start: date) -> tuple[date, ...]:
    """Sessions from a year before the start: hours of older ones only intraday bars would need, and they take time to make."""
    if not days or start > days[-1]:
        return days
    return tuple(day for day in days if day >= start - INTRADAY_HISTORY)


def _is_superseded(leg: Order, members: dict[str, Order]) -> bool:
    """Whether a replacement has taken the place of `leg`; a target that its triggered stop replaced still counts as a leg."""
    successor = members.get(leg.replaced_by or "")
    return successor is not None and successor.group_role is leg.group_role
