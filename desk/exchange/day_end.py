"""What happens to an account by itself: corporate actions in the morning, expiring options, fees at the close."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from desk.data.calendars import NEW_YORK, Session
from desk.exchange import fees
from desk.exchange.machine import corporate, expiry
from desk.exchange.machine.book import is_option
from desk.exchange.machine.expiry import Settled, Terms
from desk.exchange.machine.orders import CONTRACT_SHARES, ZERO
from desk.exchange.market.sessions import Phase
from desk.exchange.rules import expiring
from desk.exchange.rules.closing import closing_ticket
from desk.exchange.rules.rejections import Rejection, forbidden, unprocessable
from options import occ

if TYPE_CHECKING:
    from desk.exchange.trading_account import Account


def begin_day(account: Account, day: date) -> None:
    """Splits and dividends of the day, before anything trades."""
    corporate.begin_day(account.book, account.ledger, account.exchange.actions, day, account.exchange.now, account.last)


def charge_fees(account: Account, session: Session) -> None:
    """What regulators take for the day's sales, when the exchange is told to charge it."""
    if account.exchange.config.with_fees:
        fees.charge(account.book, account.ledger, session, account.exchange.now)


def look_after_expiring(account: Account, session: Session, is_close: bool) -> None:
    """From 15:30 sell what could not be exercised, at the close settle what expires."""
    if is_close:
        for symbol in [symbol for symbol in account.book.holdings if _is_over(symbol, account.exchange.now)]:
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
    terms = terms_of(account, symbol)
    if terms is None:
        return
    settled = expiry.settle_at_expiry(account.book, terms, account.last(terms.underlying))
    if settled is not None:
        enter(account, settled)


def enter(account: Account, settled: Settled) -> None:
    """Activities of an exercise, an assignment or an expiry; the trade in the shares is one of its own."""
    at, terms = account.exchange.now, settled.terms
    account.ledger.enter_option(settled.kind, terms.symbol, settled.contracts, ZERO, at)
    if settled.shares:
        account.ledger.enter_option("OPTRD", terms.underlying, settled.shares, terms.strike, at)


def _close_uncarried(account: Account, day: date) -> None:
    """Alpaca closes what the account could not pay for at expiry (https://docs.alpaca.markets/docs/options-trading)."""
    book = account.book
    options = {
        symbol: terms for symbol in book.holdings if is_option(symbol) and (terms := terms_of(account, symbol)) is not None
    }
    for underlying in sorted({terms.underlying for terms in options.values()}):
        held = {symbol: book.shares(symbol) for symbol, terms in options.items() if terms.underlying == underlying}
        power, price = account.power().buying_power, account.last(underlying)
        for symbol in expiring.cannot_carry(held, day, price, power, book.shares(underlying)):
            ticket = closing_ticket(book, symbol, None, None)
            if not isinstance(ticket, Rejection):
                account.accept(ticket)


def exercise(account: Account, symbol: str) -> Rejection | None:
    """A holder's wish to exercise all of a long position now."""
    terms = terms_of(account, symbol)
    held = account.book.shares(symbol)
    if terms is None:
        return unprocessable("invalid symbol")
    if not held:
        return forbidden("no available position for the specified contract")
    if held < 0:
        return Rejection(403, 40310001, "cannot exercise short position")
    if _is_shut(account):
        return forbidden("exercise requests are not accepted after market close until midnight")
    cost, power = terms.strike * held * CONTRACT_SHARES, account.power().regt_buying_power
    if terms.is_call and cost > power:
        return forbidden(f"insufficient regt buying power (required: {cost:f}, available: {power:f})")
    enter(account, expiry.exercise(account.book, terms, Decimal(held)))
    return None


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
    """Between the close and midnight New York."""
    now: datetime = account.exchange.now
    return account.exchange.phase in (Phase.AFTER, Phase.NIGHT) and now.astimezone(NEW_YORK).hour >= 13
