"""What an account can pay for: equity, margins, buying powers, and the refusal of what is beyond them.

Sources: the account object of Alpaca's OpenAPI document (a multiplier of 1 has the cash, 2 twice equity less initial margin,
4 four times equity less maintenance margin); https://docs.alpaca.markets/docs/margin-and-short-selling ($2,000 for margin);
https://docs.alpaca.markets/docs/options-trading-overview (options are paid in full and have a buying power of their own).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from desk.data.calendars import NEW_YORK
from desk.exchange.machine.book import Book
from desk.exchange.machine.execution import SMALLEST_SHARE
from desk.exchange.machine.orders import UNIT_USD, ZERO, Quote, Ticket
from desk.exchange.rules.day_trades import PATTERN_FREE_FROM_USD, undaytradable
from desk.exchange.rules.margin import Requirements, requirements
from desk.exchange.rules.order_costs import Reserves, option_ticket_cost, reserves, stock_cost
from desk.exchange.rules.rejections import Rejection, forbidden, insufficient_buying_power, insufficient_shares, plain
from desk.exchange.rules.reservations import Reservation, available, closing_side, reserved
from desk.exchange.rules.spread_margin import contract_of, locked_shares
from desk.exchange.words import AssetClass, OrderClass, Side

if TYPE_CHECKING:
    from desk.exchange.market.prices import Market
    from desk.exchange.trading_account import Account

CENT = Decimal("0.01")
MARGIN_FROM_USD = Decimal(2000)
CASH, REG_T, INTRADAY = 1, 2, 4
DAY_TRADE_DENIED = 40310100


@dataclass(frozen=True, slots=True)
class Power:
    """An account's figures at one moment, dollars. `multiplier` is the one in force: 1 for less than $2,000 of equity.

    `book` and `prices` are what the figures were made from; `held` is what open orders reserve. Positions in `undaytradable`
    may not be closed today: that would be one day trade too many, by the rule that ended in 2026.
    """

    cash: Decimal
    multiplier: int
    margins: Requirements
    held: Reserves
    book: Book = field(repr=False, compare=False)
    prices: Mapping[str, Decimal] = field(repr=False, compare=False)
    undaytradable: frozenset[str] = frozenset()

    @property
    def equity(self) -> Decimal:
        return self.cash + self.long_market_value + self.short_market_value

    @property
    def long_market_value(self) -> Decimal:
        return self.margins.long_market_value

    @property
    def short_market_value(self) -> Decimal:
        """Never above zero."""
        return self.margins.short_market_value

    @property
    def initial_margin(self) -> Decimal:
        return self.margins.initial

    @property
    def maintenance_margin(self) -> Decimal:
        return self.margins.maintenance

    @property
    def excess(self) -> Decimal:
        """Equity beyond initial margin; for a multiplier of 1 the cash that neither short stock nor options tie up."""
        return self.equity - self.initial_margin

    @property
    def sma(self) -> Decimal:
        return _positive_cents(self.excess)

    @property
    def buying_power(self) -> Decimal:
        """For stocks: cash, or credit as the multiplier has it, less what open orders reserve."""
        return self._for_stocks(self.held)

    @property
    def regt_buying_power(self) -> Decimal:
        return _positive_cents(self._leveraged(min(self.multiplier, REG_T), self.excess, self.held))

    @property
    def options_buying_power(self) -> Decimal:
        """For options, which are not bought on credit: they take their whole cost."""
        return self._without_credit(self.held)

    @property
    def non_marginable_buying_power(self) -> Decimal:
        return self._without_credit(self.held)

    def objection(self, ticket: Ticket, book: Book, quotes: Mapping[str, Quote]) -> Rejection | None:
        """Why the account cannot pay for the ticket, or deliver it, or None. `quotes` are of every symbol of the ticket.

        `book` may lack open orders, such as the one that the ticket is about to replace; they reserve nothing then.
        """
        if ticket.symbol in self.undaytradable and ticket.side is closing_side(book, ticket.symbol):
            return Rejection(403, DAY_TRADE_DENIED, "trade denied due to pattern day trading protection")
        held = self.held if book is self.book else reserves(book, self.prices)
        if ticket.asset_class is AssetClass.OPTION or ticket.order_class is OrderClass.MLEG:
            cost, power = option_ticket_cost(ticket, book, quotes), self._without_credit(held)
            return _beyond_options_power(ticket, cost, power) if cost > power else None
        if (bare := _cover_objection(ticket, book, quotes)) is not None:
            return bare
        cost, power = stock_cost(ticket, book, quotes), self._for_stocks(held)
        return insufficient_buying_power(power, cost) if cost > power else None

    def _for_stocks(self, held: Reserves) -> Decimal:
        base = self.equity - self.maintenance_margin if self.multiplier == INTRADAY else self.excess
        return _positive_cents(self._leveraged(self.multiplier, base, held))

    def _without_credit(self, held: Reserves) -> Decimal:
        """Stocks that are on order tie up their initial margin, options all that they cost."""
        return _positive_cents(self.excess - held.options - held.stocks / min(self.multiplier, REG_T))

    @staticmethod
    def _leveraged(multiplier: int, base: Decimal, held: Reserves) -> Decimal:
        return multiplier * (base - held.options) - held.stocks


def power_of(
    book: Book,
    prices: Mapping[str, Decimal],
    multiplier: int = INTRADAY,
    max_multiplier: int = INTRADAY,
    leverage: Mapping[str, float] | None = None,
) -> Power:
    """The figures of `book` at `prices` (dollars, of everything held and of every symbol with an open order).

    `multiplier` is the account's own, `max_multiplier` what its configuration allows, `leverage` that of funds, by symbol.
    """
    quantities = {symbol: holding.quantity for symbol, holding in book.holdings.items()}
    factors = leverage or {}
    margins = requirements(quantities, prices, factors)
    equity = book.cash_usd + margins.long_market_value + margins.short_market_value
    in_force = CASH if equity < MARGIN_FROM_USD else min(multiplier, max_multiplier)
    if in_force == CASH:
        margins = requirements(quantities, prices, factors, is_cash=True)
    return Power(book.cash_usd, in_force, margins, reserves(book, prices), book, prices)


def power_of_account(account: Account) -> Power:
    """The account's figures now, at last trades."""
    book, market = account.book, account.exchange.market
    symbols = {*book.holdings, *book.live_symbols()}
    prices = {symbol: account.last(symbol) for symbol in symbols}
    power = power_of(book, prices, account.config.multiplier, account.settings.max_margin_multiplier, leverages(market, symbols))
    if not account.exchange.config.switches.legacy_pdt or power.equity >= PATTERN_FREE_FROM_USD:
        return power
    day = account.exchange.now.astimezone(NEW_YORK).date()
    return replace(power, undaytradable=undaytradable(account.ledger.executions, account.exchange.sessions.days, day))


def leverages(market: Market, symbols: Iterable[str]) -> dict[str, float]:
    """Leverage of those of `symbols` that the market knows as instruments."""
    known = market.source.instruments
    return {symbol: known[symbol].leverage for symbol in symbols if symbol in known}


def _beyond_options_power(ticket: Ticket, cost: Decimal, power: Decimal) -> Rejection:
    figures = f"(required: {plain(cost)}, available: {plain(power)})"
    if ticket.side is Side.SELL and contract_of(ticket.symbol).type == "put":
        message = f"insufficient options buying power for cash-secured put {figures}"
        return forbidden(message, buying_power=plain(power), required_options_buying_power=plain(cost))
    message = f"insufficient options buying power {figures}"
    return forbidden(message, options_buying_power=plain(power), cost_basis=plain(cost))


def _cover_objection(ticket: Ticket, book: Book, quotes: Mapping[str, Quote]) -> Rejection | None:
    """Shares that cover sold calls cannot be sold from under them."""
    locked = locked_shares(book, ticket.symbol) if ticket.side is Side.SELL else ZERO
    wanted = _shares_sold(ticket, quotes.get(ticket.symbol))
    if not locked or wanted <= available(book, ticket.symbol) - locked:
        return None
    held = reserved(book, ticket.symbol)
    kept = Reservation(held.shares + locked, held.order_ids)
    return insufficient_shares(ticket.symbol, wanted, book.shares(ticket.symbol), kept)


def _shares_sold(ticket: Ticket, quote: Quote | None) -> Decimal:
    """Shares of a ticket to sell; of one by dollars what they are worth at the quote."""
    if ticket.notional is None:
        return ticket.quantity or ZERO
    price = (quote.bid or quote.last) * UNIT_USD if quote else ZERO
    return (ticket.notional / price).quantize(SMALLEST_SHARE, ROUND_DOWN) if price else ZERO


def _positive_cents(value: Decimal) -> Decimal:
    return max(ZERO, value).quantize(CENT, ROUND_FLOOR)
