"""The matching: a deterministic state machine. A command changes the book and gives the events, nothing else happens.

No input or output, no clock, no randomness of its own: whether an order fills in part first follows from the book's seed and the
order's number. Prices come with the command. Rules are Alpaca's (https://docs.alpaca.markets/docs/orders-at-alpaca).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from desk.exchange.machine import ageing, execution, requests
from desk.exchange.machine.book import Book
from desk.exchange.machine.commands import Cancel, Command, ConfirmCancels, Replace, Submit, Tick
from desk.exchange.machine.orders import UNIT_USD, Event, Order, Quote
from desk.exchange.machine.triggers import collar_of, trail_of
from desk.exchange.words import WAITING, OrderType


def apply(book: Book, command: Command) -> list[Event]:
    """Change `book` by `command`, and tell what happened. The command has been checked (`desk.exchange.rules`)."""
    match command:
        case Submit():
            requests.submit(book, command)
        case Cancel():
            requests.cancel(book, command)
        case Replace():
            requests.replace_order(book, command)
        case ConfirmCancels():
            requests.confirm_cancels(book, command.at)
        case Tick():
            _tick(book, command)
    return book.take_events()


def _tick(book: Book, tick: Tick) -> None:
    requests.run_timers(book, tick.at)
    if tick.takes_queue:
        _take_queue(book, tick)
    _trail(book, tick)
    execution.match(book, tick)
    ageing.expire_due(book, tick.at)


def _take_queue(book: Book, tick: Tick) -> None:
    """Queued orders go to the venue, legs with their order."""
    for order in [order for order in book.live_orders() if order.parent_id is None]:
        if order.status in WAITING and not any(timer.order_id == order.id for timer in book.timers):
            requests.accept(book, order, tick.at)


def _trail(book: Book, tick: Tick) -> None:
    """Trailing stops take note of every trade since the last tick; in a halted symbol there is none."""
    book.trailed_to = tick.at
    if not tick.is_regular:
        return
    for order in book.live_orders():
        waits = order.type is OrderType.TRAILING_STOP and not order.elected and order.status not in WAITING
        if waits and order.symbol not in book.halted:
            _move_mark(book, order, tick.quotes.get(order.symbol), tick.ranges.get(order.symbol), tick.at)


def _move_mark(book: Book, order: Order, quote: Quote | None, seen: tuple[int, int] | None, at: datetime) -> None:
    if quote is None or not quote.last:
        return
    is_first = order.high_water_mark is None
    if is_first:
        order = book.change(order, at, high_water_mark=quote.last * UNIT_USD)
        seen = None  # what traded before it was there does not count
    trail = trail_of(order)
    assert trail is not None
    mark = trail.moved(quote.last)
    if seen is not None:
        mark = min(mark, seen[0]) if trail.rising else max(mark, seen[1])
    stop = trail.stop_of(mark) * UNIT_USD
    if mark == trail.mark and order.stop_price == stop:
        return
    order = replace(order, high_water_mark=mark * UNIT_USD, stop_price=stop)
    # A buy was valued at what its first stop might be; a better mark later on only makes it cheaper than it was valued.
    book.put(replace(order, collar_price=collar_of(order)) if is_first else order)
