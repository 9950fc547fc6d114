"""What splits and dividends do to an account's books, before the first trade of their ex-date.

Orders: simple ones good till cancelled are adjusted, as FINRA Rule 5330 asks of brokers and Alpaca does
(https://docs.alpaca.markets/docs/orders-at-alpaca); members of a bracket, OCO or OTO are sent as do not reduce and do not
cancel, so they stay as they are (https://github.com/alpacahq/alpaca-py/issues/469).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, ROUND_UP, Decimal

from desk.data.calendars import NEW_YORK
from desk.exchange.ledger import Ledger, Posting
from desk.exchange.machine import groups
from desk.exchange.machine.book import Book, Holding
from desk.exchange.machine.orders import ZERO, Order
from desk.exchange.market.corporate import CorporateActions, Dividend, Split
from desk.exchange.words import GroupRole, OrderClass, OrderType, Side, TimeInForce

CENT = Decimal("0.01")
FINEST_QUANTITY = Decimal("0.000000001")
DOLLAR = Decimal(1)
WHOLE = Decimal(1)
LastPrice = Callable[[str], Decimal]
PRICES = ("limit_price", "stop_price", "trail_price", "high_water_mark")


def begin_day(
    book: Book, ledger: Ledger, actions: CorporateActions, day: date, at: datetime, last_price: LastPrice | None = None
) -> None:
    """04:00 New York of a session, before its first trade: splits, then dividends of the day, then payments that are due.

    Actions with an ex-date since the last session count too. `last_price` gives the last trade of a symbol before the day, in
    dollars a share; without it a fraction of a share is paid at its cost.
    """
    for action in actions.between(_last_day(ledger, day), day):
        if isinstance(action, Split):
            price = last_price(action.symbol) if last_price is not None else _average_price(book, action.symbol)
            ledger.pending += apply_split(book, action, price, at)
        else:
            owed = pay_dividend(book, action, at)
            ledger.pending += [] if owed is None else [owed]
    due = [posting for posting in ledger.pending if posting.day <= day]
    ledger.pending = [posting for posting in ledger.pending if posting.day > day]
    for posting in due:
        book.cash_usd += posting.net_amount
        ledger.post(posting, at)


def _last_day(ledger: Ledger, day: date) -> date:
    """The day of the session before; the account's first day has none, and nothing happened to it earlier."""
    mark = ledger.closing_mark(day)
    return day - timedelta(days=1) if mark is None else mark.at.astimezone(NEW_YORK).date()


def _average_price(book: Book, symbol: str) -> Decimal:
    held = book.holdings.get(symbol)
    return ZERO if held is None else held.average_price(symbol)


def apply_split(book: Book, split: Split, last_price: Decimal, at: datetime) -> list[Posting]:
    """Scale the position and adjust the orders. Returns what to enter and to credit, nothing when there was no position.

    `last_price` is the last trade before the split, dollars a share. A whole number of shares that a split would leave with a
    fraction loses it for cash at that price; a position that was fractional stays so.
    """
    closing = Side.SELL if book.shares(split.symbol) > 0 else Side.BUY
    postings = _split_position(book, split, last_price)
    if split.is_forward:
        for order in _adjustable(book, split.symbol):
            _split_order(book, order, split, at)
    else:
        for order in _adjustable(book, split.symbol):
            groups.cancel(book, order, at)
        _cancel_oversized(book, split.symbol, closing, at)
    return postings


def pay_dividend(book: Book, dividend: Dividend, at: datetime) -> Posting | None:
    """Reduce the orders that rest below the market, and say what the position earns: a long is paid, a short pays.

    The amount is for the shares held when this is called, before the ex-date's first trade; it is to be entered and credited
    on the posting's day.
    """
    for order in _reduced(book, dividend.symbol):
        _reduce(book, order, dividend.cash_usd, at)
    shares = book.shares(dividend.symbol)
    if not shares:
        return None
    return Posting(
        kind="DIV",
        day=dividend.pay_date,
        net_amount=(shares * dividend.cash_usd).quantize(CENT, ROUND_HALF_UP),
        sub_kind="CDIV",
        symbol=dividend.symbol,
        quantity=shares,
        per_share=dividend.cash_usd,
        description=f"Cash dividend of {dividend.symbol}, ex-date {dividend.ex_date}",
    )


def _split_position(book: Book, split: Split, last_price: Decimal) -> list[Posting]:
    held = book.holdings.get(split.symbol)
    if held is None:
        return []
    scaled = held.quantity * split.new_rate / split.old_rate
    finest = WHOLE if held.quantity == held.quantity.to_integral_value() else FINEST_QUANTITY
    kept = scaled.quantize(finest, ROUND_DOWN)
    in_lieu = ((scaled - kept) * last_price * split.old_rate / split.new_rate).quantize(CENT, ROUND_HALF_UP)
    book.hold(split.symbol, Holding(kept, held.cost_usd * kept / scaled))
    return list(_split_postings(split, held.quantity, kept, in_lieu))


def _split_postings(split: Split, old: Decimal, new: Decimal, in_lieu: Decimal) -> Iterator[Posting]:
    """Old shares out, new ones in, and cash for a fraction: one group."""
    text = f"{split.new_rate} for {split.old_rate} split of {split.symbol}"
    sub_kind, group = "FSPLIT" if split.is_forward else "RSPLIT", f"split/{split.symbol}"
    for quantity in (-old, new):
        yield Posting(
            "SPLIT", split.ex_date, sub_kind=sub_kind, symbol=split.symbol, quantity=quantity, description=text, group=group
        )
    if in_lieu:
        yield Posting(
            "JNLC", split.ex_date, in_lieu, symbol=split.symbol, description=f"Cash in lieu of a fraction, {text}", group=group
        )


def _adjustable(book: Book, symbol: str) -> list[Order]:
    """Simple orders good till cancelled."""
    return [
        order
        for order in book.live_orders(symbol)
        if order.order_class is OrderClass.SIMPLE and order.time_in_force is TimeInForce.GTC
    ]


def _split_order(book: Book, order: Order, split: Split, at: datetime) -> None:
    """More shares at lower prices. What is executed stays executed; the rest grows, to whole shares."""
    rest = (order.remaining * split.new_rate / split.old_rate).quantize(WHOLE, ROUND_DOWN)
    changes: dict[str, object] = {"quantity": order.filled_quantity + rest}
    for name in PRICES:
        price = getattr(order, name)
        if price is not None:
            changes[name] = _stepped(price * split.old_rate / split.new_rate, order.side)
    if order.collar_price is not None:
        changes["collar_price"] = _stepped(order.collar_price * split.old_rate / split.new_rate, Side.BUY)
    book.change(order, at, **changes)


def _stepped(price: Decimal, side: Side | None) -> Decimal:
    """On the price grid, where the order does not execute earlier: a buy's price rounds down, a sell's up."""
    step = CENT if price >= DOLLAR else Decimal("0.0001")
    return max(step, price.quantize(step, ROUND_FLOOR if side is Side.BUY else ROUND_UP))


def _reduced(book: Book, symbol: str) -> list[Order]:
    """Orders below the market, which a lower price would otherwise trigger: buy limits and sell stops (FINRA Rule 5330)."""
    return [
        order
        for order in _adjustable(book, symbol)
        if (order.side is Side.BUY and order.type is OrderType.LIMIT)
        or (order.side is Side.SELL and order.type in (OrderType.STOP, OrderType.STOP_LIMIT))
    ]


def _reduce(book: Book, order: Order, cash_usd: Decimal, at: datetime) -> None:
    """Take the dividend off the prices, rounded to the next lower step; an order that would cost nothing stays as it is."""
    prices = {name: getattr(order, name) for name in ("limit_price", "stop_price")}
    lower = {name: _lower(price, cash_usd) for name, price in prices.items() if price is not None}
    if all(price > 0 for price in lower.values()):
        book.change(order, at, **lower)


def _lower(price: Decimal, cash_usd: Decimal) -> Decimal:
    left = price - cash_usd
    return left.quantize(CENT if left >= DOLLAR else Decimal("0.0001"), ROUND_FLOOR)


def _cancel_oversized(book: Book, symbol: str, closing: Side, at: datetime) -> None:
    """After a reverse split exits may ask for more shares than are left: the newest go until the others fit.

    A group whose entry is half filled goes too, for its exits would ask for shares that the entry no longer brings.
    """
    room = abs(book.shares(symbol))
    for order in book.live_orders(symbol):
        order = book.orders[order.id]
        if not order.is_live:
            continue
        if order.group_role is GroupRole.ENTRY:
            fits = not order.filled_quantity
        elif order.side is not closing or not order.armed or _is_second_leg(book, order):
            continue
        else:
            fits = order.remaining <= room
            room -= order.remaining if fits else ZERO
        if not fits:
            groups.cancel(book, order, at)


def _is_second_leg(book: Book, order: Order) -> bool:
    """Whether another exit of the group stands for the same shares already."""
    target = book.member(order, GroupRole.TAKE_PROFIT) if order.group_id is not None else None
    return target is not None and target.id != order.id
