"""What splits and dividends do to an account's books, before the first trade of their ex-date.

Orders: simple ones good till cancelled are adjusted, as FINRA Rule 5330 asks of brokers and Alpaca does
(https://docs.alpaca.markets/docs/orders-at-alpaca); members of a bracket, OCO or OTO are sent as do not reduce and do not
cancel, so they stay as they are (https://github.com/alpacahq/alpaca-py/issues/469).

Options: when a share becomes n, the clearing house makes n contracts at an n-th of the strike of each one, and for every other
ratio a contract on another number of shares ("Characteristics and Risks of Standardized Options", chapter II). Of the latter
there are none here, and no market for a strike that is not listed: such a position is paid out at its last price, which neither
makes nor loses money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, ROUND_UP, Decimal
from functools import partial

from desk.data.calendars import NEW_YORK
from desk.exchange.ledger import Ledger, Posting
from desk.exchange.machine import groups
from desk.exchange.machine.book import Book, Holding, is_option, multiplier
from desk.exchange.machine.execution import cancel_all, cancel_oversized
from desk.exchange.machine.orders import ZERO, Order
from desk.exchange.market.corporate import CorporateActions, Dividend, Split
from desk.exchange.market.options.listing_dates import strike_after
from desk.exchange.words import OrderClass, OrderType, Side, TimeInForce
from options import occ

CENT = Decimal("0.01")
FINEST_QUANTITY = Decimal("0.000000001")
DOLLAR = Decimal(1)
WHOLE = Decimal(1)
LastPrice = Callable[[str], Decimal]
IsListed = Callable[[str], bool]
PRICES = ("limit_price", "stop_price", "trail_price", "high_water_mark")


def _always(symbol: str) -> bool:
    return True


def begin_day(
    book: Book,
    ledger: Ledger,
    actions: CorporateActions,
    day: date,
    at: datetime,
    last_price: LastPrice | None = None,
    is_listed: IsListed = _always,
) -> None:
    """04:00 New York of a session, before its first trade: splits, then dividends of the day, then payments that are due.

    Actions with an ex-date since the last session count too. `last_price` gives the last trade of a symbol before the day, in
    dollars a share and on the terms before it; without it a fraction of a share is paid at its cost. `is_listed` says whether an
    option trades on the day.
    """
    price_of = last_price or partial(_average_price, book)
    for action in actions.between(_last_day(ledger, day), day):
        if isinstance(action, Split):
            ledger.pending += apply_split(book, action, price_of(action.symbol), at)
            ledger.pending += split_options(book, action, price_of, at, is_listed)
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
    postings = _split_position(book, split, last_price)
    if split.is_forward:
        for order in _adjustable(book, split.symbol):
            _split_order(book, order, split, at)
    else:
        for order in _adjustable(book, split.symbol):
            groups.cancel(book, order, at)
    cancel_oversized(book, split.symbol, at)
    return postings


def split_options(book: Book, split: Split, last_price: LastPrice, at: datetime, is_listed: IsListed = _always) -> list[Posting]:
    """Put the options on a stock that splits on its new terms, or pay them out; their orders go, for they name the old ones.

    Returns what to enter and to credit. `last_price` is that of an option before the split, dollars a share.
    """
    named = {order.symbol for order in book.live_orders()} | set(book.holdings)
    postings: list[Posting] = []
    for symbol in sorted(symbol for symbol in named if _is_on(symbol, split.symbol)):
        cancel_all(book, symbol, at)
        if symbol not in book.holdings:
            continue
        successor = _successor(symbol, split)
        if successor is not None and is_listed(successor):
            postings += _put_on_new_terms(book, split, symbol, successor)
        else:
            postings.append(_pay_out(book, split, symbol, last_price(symbol)))
    return postings


def _is_on(symbol: str, underlying: str) -> bool:
    return is_option(symbol) and occ.parse(symbol).root == underlying


def _successor(symbol: str, split: Split) -> str | None:
    """The same option at its new strike; None when there is none."""
    said = occ.parse(symbol)
    strike = strike_after(said.strike, split)
    return None if strike is None else occ.format(said.root, said.expiration, said.type, strike)


def _put_on_new_terms(book: Book, split: Split, symbol: str, successor: str) -> list[Posting]:
    """Nothing is in the way at the successor's strike: what was held there is lower by now, for strikes come in their order."""
    held = book.holdings[symbol]
    grown = held.quantity * split.new_rate / split.old_rate
    book.hold(symbol, Holding(ZERO, ZERO))
    book.hold(successor, Holding(grown, held.cost_usd))
    if symbol in book.do_not_exercise:
        del book.do_not_exercise[symbol]
        book.do_not_exercise[successor] = None
    return [_option_posting(split, symbol, -held.quantity), _option_posting(split, successor, grown)]


def _pay_out(book: Book, split: Split, symbol: str, price: Decimal) -> Posting:
    held = book.shares(symbol)
    book.hold(symbol, Holding(ZERO, ZERO))
    book.do_not_exercise.pop(symbol, None)
    return _option_posting(split, symbol, -held, (held * price * multiplier(symbol)).quantize(CENT, ROUND_HALF_UP))


def _option_posting(split: Split, symbol: str, quantity: Decimal, net_amount: Decimal = ZERO) -> Posting:
    return Posting(
        "OPCA",
        split.ex_date,
        net_amount,
        symbol=symbol,
        quantity=quantity,
        description=f"{split.new_rate} for {split.old_rate} split of {split.symbol}",
        group=f"option/{split.symbol}",
    )


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
