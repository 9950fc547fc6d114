"""What becomes of options: exercise, assignment, expiry. Shares and cash change hands at the strike; the stream is silent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from desk.exchange.machine.book import Book, Holding
from desk.exchange.machine.orders import CONTRACT_SHARES, ZERO
from desk.exchange.words import Side

# The clearing house exercises what is in the money by a cent (https://docs.alpaca.markets/docs/options-trading).
IN_THE_MONEY_USD = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Terms:
    """What an option gives a right to."""

    symbol: str
    underlying: str
    is_call: bool
    strike: Decimal

    def intrinsic(self, underlying_price: Decimal) -> Decimal:
        """Dollars a share that exercising at this price is worth."""
        worth = underlying_price - self.strike if self.is_call else self.strike - underlying_price
        return max(ZERO, worth)


@dataclass(frozen=True, slots=True)
class Settled:
    """One option position, or part of it, that has ended. `kind` is Alpaca's activity: OPEXC, OPASN or OPEXP.

    `contracts` is the signed change of the option position; `shares` the signed shares of the underlying that came for it at
    the strike.
    """

    kind: str
    terms: Terms
    contracts: Decimal
    shares: Decimal

    @property
    def cash_usd(self) -> Decimal:
        return -self.shares * self.terms.strike


def settle_at_expiry(book: Book, terms: Terms, underlying_price: Decimal) -> Settled | None:
    """End the position on its last day: in the money it is exercised or assigned, else it is gone."""
    held = book.shares(terms.symbol)
    if not held:
        return None
    is_in_the_money = terms.intrinsic(underlying_price) >= IN_THE_MONEY_USD
    refuses = held > 0 and terms.symbol in book.do_not_exercise
    book.do_not_exercise.pop(terms.symbol, None)
    if not is_in_the_money or refuses:
        book.hold(terms.symbol, Holding(ZERO, ZERO))
        return Settled("OPEXP", terms, -held, ZERO)
    return exercise(book, terms, abs(held))


def exercise(book: Book, terms: Terms, contracts: Decimal) -> Settled:
    """Turn `contracts` of a position into shares at the strike: exercised when it is long, assigned when it is short."""
    held = book.shares(terms.symbol)
    side = Side.BUY if terms.is_call == (held > 0) else Side.SELL
    kind = "OPEXC" if held > 0 else "OPASN"
    change = -contracts if held > 0 else contracts
    _give_up(book, terms.symbol, change)
    shares = contracts * CONTRACT_SHARES
    deliver(book, terms.underlying, side, shares, terms.strike)
    return Settled(kind, terms, change, shares * side.sign)


def _give_up(book: Book, symbol: str, change: Decimal) -> None:
    """Part of an option position goes without a price; its cost goes with it."""
    holding = book.holdings[symbol]
    left = holding.quantity + change
    book.hold(symbol, Holding(left, holding.cost_usd * left / holding.quantity))


def deliver(book: Book, symbol: str, side: Side, shares: Decimal, price: Decimal) -> None:
    """Trade shares that come or go by themselves; unlike an order's, they may take a position through zero."""
    held = book.shares(symbol)
    closing = min(shares, abs(held)) if held * side.sign < 0 else ZERO
    for part in (closing, shares - closing):
        if part:
            book.trade(symbol, side, part, price)
