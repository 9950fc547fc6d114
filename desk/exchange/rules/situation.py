"""What a request is judged by: the account's books and settings, the market's prices, the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from desk.data.calendars import Session
from desk.exchange.machine.book import Book
from desk.exchange.machine.orders import UNIT_USD, Quote
from desk.exchange.market.options.contract import Contract
from desk.exchange.market.sessions import Phase
from desk.exchange.rules.power import Power
from desk.exchange.switches import Switches


class Settings(Protocol):
    """The account's configurations that orders obey."""

    @property
    def no_shorting(self) -> bool: ...
    @property
    def fractional_trading(self) -> bool: ...
    @property
    def suspend_trade(self) -> bool: ...
    @property
    def max_margin_multiplier(self) -> int | str: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """What may be done with a stock now."""

    is_tradable: bool = True
    is_fractionable: bool = True
    is_shortable: bool = True
    is_easy_to_borrow: bool = True


@dataclass(frozen=True, slots=True)
class Situation:
    """The world at the moment of a request. It is read, never changed.

    `session` is today's by New York's date, None on a day without trading. `quotes` has the prices of every symbol of the
    request that has traded by now, `listings` every stock that the exchange knows, `contracts` every option contract that the
    request names and that is listed. `multiplier` is the account's: 1 for cash, 2 or 4 for margin.
    """

    book: Book
    now: datetime
    phase: Phase
    session: Session | None
    quotes: Mapping[str, Quote]
    listings: Mapping[str, Listing]
    power: Power
    settings: Settings
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    switches: Switches = field(default_factory=Switches)
    multiplier: int = 4
    options_level: int = 3

    @property
    def can_short(self) -> bool:
        """Margin is needed, by the account, by its settings and by its equity, and leave to sell short."""
        multipliers = (self.multiplier, int(self.settings.max_margin_multiplier), self.power.multiplier)
        return min(multipliers) > 1 and not self.settings.no_shorting

    def last(self, symbol: str) -> Decimal | None:
        """Last trade in dollars; None for a symbol that has not traded yet."""
        quote = self.quotes.get(symbol)
        return None if quote is None or not quote.last else quote.last * UNIT_USD
