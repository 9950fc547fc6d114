"""What an account holds when the exchange starts: shares bought at the last close before that, paid from its cash.

No order stands behind them. Activities show them as stock that was journaled in, Alpaca's JNLS, at what it cost, so that history
and the day's figures follow from the same entries as everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from desk.data.calendars import NEW_YORK
from desk.domain.errors import ConfigurationError
from desk.exchange.config import AccountConfig
from desk.exchange.ledger import Ledger
from desk.exchange.machine.book import Book
from desk.exchange.machine.orders import UNIT_USD, ZERO
from desk.exchange.market.prices import Market
from desk.exchange.words import Side

JOURNALED = "JNLS"
SYMBOLS_TOLD = 20


@dataclass(frozen=True, slots=True)
class Opening:
    """Shares of one symbol, bought `at` for `price` dollars each."""

    symbol: str
    shares: Decimal
    price: Decimal
    at: datetime

    @property
    def cost_usd(self) -> Decimal:
        return self.shares * self.price


def openings(account: AccountConfig, market: Market, now: datetime) -> tuple[Opening, ...]:
    """What the account holds when the exchange starts at `now`, by symbol: bought at the last close, or at its first price where
    the prices begin with that day. Raises ConfigurationError for what cannot be held, or paid for."""
    at = market.sessions.last_close(now) or now
    found = tuple(_opening(symbol, shares, market, now, at) for symbol, shares in sorted(account.holdings))
    cost = sum((each.cost_usd for each in found), ZERO)
    if cost > account.cash:
        raise ConfigurationError(
            f"exchange setting holdings: {_told(found)} cost {cost:.2f} dollars, more than cash_usd {account.cash_usd!r} "
            "pays for; give fewer shares or more cash"
        )
    return found


def enter(book: Book, ledger: Ledger, bought: Iterable[Opening]) -> None:
    """Put the shares into the books, and what they cost out of them."""
    for each in bought:
        book.trade(each.symbol, Side.BUY, each.shares, each.price)
        ledger.enter(
            JOURNALED,
            each.at,
            each.at.astimezone(NEW_YORK).date(),
            -each.cost_usd,
            symbol=each.symbol,
            quantity=each.shares,
            price=each.price,
            description="Shares held when the exchange started",
        )


def _opening(symbol: str, shares: int, market: Market, now: datetime, at: datetime) -> Opening:
    if not market.has(symbol):
        known = ", ".join(market.source.symbols[:SYMBOLS_TOLD])
        raise ConfigurationError(f"exchange setting holdings.{symbol}: {shares} shares of an unknown symbol; give one of {known}")
    session, days = market.sessions.current(now), market.daily(symbol).days
    if session is None or not days or not days[0] <= session.day <= days[-1]:
        span = f"from {days[0]} to {days[-1]}" if days else "none"
        raise ConfigurationError(
            f"exchange setting holdings.{symbol}: {shares} shares cannot be held on {now.date()}, its prices are {span}; "
            "start on a day between or leave it out"
        )
    price = market.worth(symbol, now)
    assert price is not None, "there are prices on both sides of now"
    return Opening(symbol, Decimal(shares), price * UNIT_USD, at)


def _told(bought: Iterable[Opening]) -> str:
    return ", ".join(f"{each.symbol}={each.shares}" for each in bought)
