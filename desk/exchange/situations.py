"""The world at the moment of a request, as the rules want to see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from desk.exchange.machine.book import is_option
from desk.exchange.machine.orders import Order, Quote, Ticket
from desk.exchange.rules.situation import Listing, Situation

if TYPE_CHECKING:
    from desk.exchange.trading_account import Account
    from desk.exchange.venue import Exchange


class Listings(Mapping[str, Listing]):
    """What may be done with each stock now; worked out for those that are asked for."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __getitem__(self, symbol: str) -> Listing:
        if not self._exchange.market.has(symbol):
            raise KeyError(symbol)
        config = self._exchange.config
        rests = config.switches.halted_orders_rest or symbol not in self._exchange.halted_now()
        return Listing(
            is_tradable=rests and self._exchange.is_tradable(symbol),
            is_fractionable=symbol not in config.not_fractionable,
            is_shortable=symbol not in config.not_shortable,
            is_easy_to_borrow=symbol not in config.hard_to_borrow,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._exchange.market.source.symbols)

    def __len__(self) -> int:
        return len(self._exchange.market.source.symbols)


def situation_of(account: Account, asked: Ticket | Order) -> Situation:
    """What a new order, or the replacement of one, is judged by."""
    exchange = account.exchange
    symbols = _symbols(account, asked)
    session = exchange.sessions.current(exchange.now)
    contracts = {symbol: exchange.contract(symbol) for symbol in symbols if is_option(symbol)}
    return Situation(
        book=account.book,
        now=exchange.now,
        phase=exchange.phase,
        session=session if session is not None and session.day == exchange.today else None,
        quotes=_quotes(exchange, symbols),
        listings=Listings(exchange),
        power=account.power(),
        settings=account.settings,
        contracts={symbol: contract for symbol, contract in contracts.items() if contract is not None},
        switches=exchange.config.switches,
        multiplier=account.config.multiplier,
        options_level=min(account.config.options_level, account.settings.max_options_trading_level),
    )


def _symbols(account: Account, asked: Ticket | Order) -> list[str]:
    legs = asked.legs if isinstance(asked, Ticket) else account.book.legs(asked.id)
    return sorted({leg.symbol for leg in legs} | ({asked.symbol} if asked.symbol else set()))


def _quotes(exchange: Exchange, symbols: list[str]) -> dict[str, Quote]:
    """What each symbol is quoted at now, outside sessions too; symbols without a price are left out."""
    found = ((symbol, exchange.market.quote(symbol, exchange.now)) for symbol in symbols)
    return {symbol: quote for symbol, quote in found if quote is not None}
