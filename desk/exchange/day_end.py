"""What happens to an account by itself: corporate actions in the morning, expiring options, fees at the close."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from desk.data.calendars import NEW_YORK, Session
from desk.exchange import fees
from desk.exchange.machine import corporate, expiry
from desk.exchange.machine.book import is_option
from desk.exchange.machine.execution import cancel_all, cancel_oversized
from desk.exchange.machine.expiry import Settled, Terms
from desk.exchange.machine.orders import CONTRACT_SHARES, UNIT_USD, ZERO
from desk.exchange.rules import expiring
from desk.exchange.rules.closing import closing_ticket
from desk.exchange.rules.power import CASH
from desk.exchange.rules.rejections import Rejection, forbidden, unprocessable
from desk.exchange.rules.reservations import available
from options import occ

if TYPE_CHECKING:
    from desk.exchange.trading_account import Account

# At 04:00 prices are on the terms of the day; an instant earlier they are on those that a split is about to end.
JUST_BEFORE = timedelta(microseconds=1)


def begin_day(account: Account, day: date) -> None:
    """Splits and dividends of the day, before anything trades."""
    exchange = account.exchange

    def price_before(symbol: str) -> Decimal:
        return (exchange.market.last(symbol, exchange.now - JUST_BEFORE) or 0) * UNIT_USD

    def is_listed(symbol: str) -> bool:
        return exchange.contract(symbol) is not None

    corporate.begin_day(account.book, account.ledger, exchange.actions, day, exchange.now, price_before, is_listed)


def charge_fees(account: Account, session: Session) -> None:
    """What regulators take for the day's sales, when the exchange is told to charge it."""
    if account.exchange.config.with_fees:
        fees.charge(account.book, account.ledger, session, account.exchange.now)


def look_after_expiring(account: Account, session: Session, is_close: bool) -> None:
    """From 15:30 sell what could not be exercised, at the close settle what expires."""
    if is_close:
        book = account.book
        over = [symbol for symbol in book.holdings if _is_over(symbol, account.exchange.now)]
        # What was sold comes first: a holder decides when it is known what an assignment has brought and taken.
        for symbol in sorted(over, key=lambda symbol: book.shares(symbol) > 0):
            settle(account, symbol)
    elif account.exchange.now == session.closes_at - expiring.LAST_HALF_HOUR:
        _close_uncarried(account, session.day)


def _is_over(symbol: str, now: datetime) -> bool:
    return is_option(symbol) and expiring.has_expired(occ.parse(symbol).expiration, now)


def terms_of(account: Account, symbol: str) -> Terms | None:
    try:
        said = occ.parse(symbol)
    except ValueError:
        return None
    contract: Any = account.exchange.contract(symbol)
    underlying = said.root if contract is None else contract.underlying
    return Terms(symbol, underlying, said.type == "call", said.strike)


def settle(account: Account, symbol: str) -> None:
    """End an option on its last day. One that came into the money after 15:30, and whose exercise a cash account could not pay
    for, or would leave shares short that may not be, is not exercised."""
    terms = terms_of(account, symbol)
    if terms is None:
        return
    held = account.book.shares(symbol)
    if held > 0 and (_owes(account, terms, held) or _goes_short(account, terms, held)):
        account.book.do_not_exercise[symbol] = None
    settled = expiry.settle_at_expiry(account.book, terms, account.last(terms.underlying))
    if settled is not None:
        enter(account, settled)


def enter(account: Account, settled: Settled) -> None:
    """Activities of an exercise, an assignment or an expiry, the trade in the shares being one of its own; and the end of orders
    that the positions cannot serve any more."""
    at, terms = account.exchange.now, settled.terms
    account.ledger.enter_option(settled.kind, terms.symbol, settled.contracts, ZERO, at)
    if settled.shares:
        account.ledger.enter_option("OPTRD", terms.underlying, settled.shares, terms.strike, at)
    for symbol in (terms.symbol, terms.underlying):
        cancel_oversized(account.book, symbol, at)
    account.tell(account.book.take_events())


def _close_uncarried(account: Account, day: date) -> None:
    """Alpaca closes what the account could not pay for at expiry (https://docs.alpaca.markets/docs/options-trading), whatever
    orders for it are open: they are cancelled first."""
    book = account.book
    options = {
        symbol: terms for symbol in book.holdings if is_option(symbol) and (terms := terms_of(account, symbol)) is not None
    }
    for underlying in sorted({terms.underlying for terms in options.values()}):
        held = {symbol: book.shares(symbol) for symbol, terms in options.items() if terms.underlying == underlying}
        power, price = account.power().buying_power, account.last(underlying)
        for symbol in expiring.cannot_carry(held, day, price, power, book.shares(underlying)):
            cancel_all(book, symbol, account.exchange.now)
            ticket = closing_ticket(book, symbol, None, None)
            if not isinstance(ticket, Rejection):
                account.accept(ticket)


def exercise(account: Account, symbol: str) -> Rejection | None:
    """A holder's wish to exercise now what is free of a long position: contracts that open orders sell stay with them."""
    terms = terms_of(account, symbol)
    held = available(account.book, symbol)
    if terms is None:
        return unprocessable("invalid symbol")
    if not held and account.book.shares(symbol) >= 0:
        return forbidden("no available position for the specified contract")
    if held <= 0:
        return Rejection(403, 40310001, "cannot exercise short position")
    if _is_shut(account):
        return forbidden("exercise requests are not accepted after market close until midnight")
    cost, power = terms.strike * held * CONTRACT_SHARES, account.power().regt_buying_power
    if terms.is_call and cost > power:
        return forbidden(f"insufficient regt buying power (required: {cost:f}, available: {power:f})")
    if _goes_short(account, terms, held):
        return forbidden("account is not allowed to short")
    enter(account, expiry.exercise(account.book, terms, held))
    return None


def _goes_short(account: Account, terms: Terms, contracts: Decimal) -> bool:
    """Whether exercising a put would sell shares that are not there, in an account that may not."""
    if terms.is_call or account.book.shares(terms.underlying) >= contracts * CONTRACT_SHARES:
        return False
    return account.settings.no_shorting or account.power().multiplier <= CASH


def _owes(account: Account, terms: Terms, contracts: Decimal) -> bool:
    """Whether exercising a call would take more cash than a cash account has."""
    cost = terms.strike * contracts * CONTRACT_SHARES
    return terms.is_call and account.book.is_cash_account and cost > account.book.cash_usd


def do_not_exercise(account: Account, symbol: str) -> Rejection | None:
    """Let a long position expire even if it is in the money."""
    if terms_of(account, symbol) is None:
        return unprocessable("invalid symbol")
    held = account.book.shares(symbol)
    if not held:
        return forbidden("no available position for the specified contract")
    if held < 0:
        return Rejection(403, 40310001, "cannot submit DNE for short position")
    account.book.do_not_exercise[symbol] = None
    return None


def assign(account: Account, symbol: str, contracts: Decimal) -> Rejection | None:
    """An assignment out of the blue, as a test orders it."""
    terms, held = terms_of(account, symbol), account.book.shares(symbol)
    if terms is None or held >= 0 or contracts > -held:
        return unprocessable(f"no short position of {contracts} {symbol} to assign")
    enter(account, expiry.exercise(account.book, terms, contracts))
    return None


def _is_shut(account: Account) -> bool:
    """Between the close of a session and midnight New York."""
    now: datetime = account.exchange.now
    closed_at: datetime | None = account.exchange.sessions.last_close(now)
    return closed_at is not None and closed_at.astimezone(NEW_YORK).date() == now.astimezone(NEW_YORK).date()
