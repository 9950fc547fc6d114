"""Options in a backtest: what is quoted when they are looked at, by the model or as it was recorded, and never anything later.

Over daily bars two prices of a session are known with their time, so options are looked at twice: at the opening, by its price,
and shortly before the close, by the close. Recorded quotes of a day count as its close's: they are looked at once a session,
then. Of what happened in between nothing is seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

import numpy as np

from desk.core.ports import Clock
from desk.data.calendars import Session, session_on
from desk.data.source import Source
from desk.domain.market import DailyBars
from desk.domain.options import Chain, OptionQuote
from desk.domain.prices import PENNY
from desk.exchange.machine.orders import Quote
from desk.exchange.market.options.board import Greeks, OptionBoard
from desk.exchange.market.options.contract import Contract
from desk.exchange.market.options.listing_dates import expires_at
from desk.exchange.market.options.recorded import RecordedChain
from desk.exchange.market.path import UNITS_PER_CENT, UNITS_PER_DOLLAR
from desk.exchange.market.session_path import NativeBars, SessionPath
from options import occ

# How long before the close options are looked at for the last time: orders of a backtest need some of the session's time.
BEFORE_CLOSE = timedelta(minutes=15)
# The board's seed is of its volumes and open interest alone; a backtest's prices have nothing of chance.
SEED = 1


class Fills(StrEnum):
    """At what an order for options is assumed to fill, when its limit allows that."""

    MID = "mid"  # halfway between bid and ask, each leg rounded to the cent against us
    NATURAL = "natural"  # buys at the ask, sells at the bid
    WORST = "worst"  # the same in a market that is wider than the quoted one


@dataclass(frozen=True, slots=True)
class OptionAssumptions:
    """What a backtest of options takes for granted.

    With fills at the worst, each leg's bid and ask are `slip_fraction` of their distance (a cent at least) further out than
    quoted. `fee_usd` is charged for each contract bought or sold: Alpaca takes no commission, regulatory fees come to about five
    cents. With `assigns_early` a sold put of which nothing but its exercise value is left is assigned overnight. `chains` are
    recorded quotes by underlying; all others are priced by the model.
    """

    fills: Fills = Fills.NATURAL
    slip_fraction: float = 0.5
    fee_usd: Decimal = Decimal(0)
    assigns_early: bool = False
    chains: Mapping[str, RecordedChain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """A moment (aware, UTC) at which options are looked at: with the session's opening prices, or with its closing ones."""

    at: datetime
    session: Session
    is_closing: bool


def looks_on(day: date) -> tuple[Look, ...]:
    """The looks of a day, in order; none when the exchange is closed."""
    session = session_on(day)
    if session is None:
        return ()
    return Look(session.opens_at, session, False), Look(session.closes_at - BEFORE_CLOSE, session, True)


class OptionHistory:
    """Implements `desk.core.ports.OptionFeed` at the look that it stands at; before the first one it knows nothing.

    Raises ConfigurationError for a recorded chain whose underlying the source has no prices of.
    """

    def __init__(self, source: Source, clock: Clock, assumed: OptionAssumptions) -> None:
        self._board = OptionBoard(source, SEED, assumed.chains)
        self._source = source
        self._clock = clock
        self._assumed = assumed
        self._underlyings = {symbol: name for name, chain in assumed.chains.items() for symbol in chain}
        self._bars: dict[str, DailyBars] = {}
        self._look: Look | None = None
        self._known: dict[str, OptionQuote | None] = {}

    def stand_at(self, look: Look) -> None:
        self._look, self._known = look, {}

    def is_quoted(self, underlying: str) -> bool:
        """Whether its options are quoted at this look."""
        is_told = self._look is not None and (self._look.is_closing or underlying not in self._board.recorded)
        return is_told and self._spot_units(underlying) is not None

    @property
    def roots(self) -> frozenset[str]:
        """Roots of recorded contracts that are none of their underlying's name, SPXW for SPX; without those of adjusted ones."""
        every = {each.contract.root for chain in self._assumed.chains.values() for each in chain.values()}
        return frozenset(root for root in every if not any(sign.isdigit() for sign in root))

    # ---- the feed --------------------------------------------------------------------------------------------------------

    def chain(self, underlying: str, first: date, last: date, lowest: float, highest: float) -> Chain:
        """As quoted, also where fills are assumed to be worse: what is chosen does not depend on that."""
        now, units = self._clock.now(), self._spot_units(underlying)
        if self._look is None or units is None or not self.is_quoted(underlying):
            return Chain(underlying, float("nan"), now, {})
        low, high = lowest * UNITS_PER_DOLLAR, highest * UNITS_PER_DOLLAR
        day = self._look.session.day
        puts = self._board.some_contracts(underlying, day, "put", lambda expiration: first <= expiration <= last)
        wanted = [each for each in puts if low <= each.strike_units <= high]
        return Chain(underlying, units / UNITS_PER_DOLLAR, now, self._quotes_of(underlying, wanted, now))

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, OptionQuote]:
        """The market that orders meet."""
        if self._look is None:
            return {}
        fresh = [symbol for symbol in symbols if symbol not in self._known]
        self._known |= self._market(fresh, self._look)
        return {symbol: quote for symbol in symbols if (quote := self._known[symbol]) is not None}

    def spots(self, underlyings: Sequence[str]) -> Mapping[str, float]:
        told = {symbol: self._spot_units(symbol) for symbol in underlyings if self.is_quoted(symbol)}
        return {symbol: units / UNITS_PER_DOLLAR for symbol, units in told.items() if units is not None}

    def underlying_of(self, symbol: str) -> str:
        return self._underlyings.get(symbol) or occ.parse(symbol).root

    def last_close(self, day: date) -> datetime:
        return expires_at(day)

    def close_usd(self, underlying: str, day: date) -> Decimal | None:
        """The close of `day`, of the last session with a bar where it has none; None before the first."""
        bars = self._bars_of(underlying)
        place = bisect_right(bars.sessions, day) - 1
        return None if place < 0 else Decimal(round(float(bars.close[place]) * UNITS_PER_DOLLAR)) / UNITS_PER_DOLLAR

    # ---- quotes ----------------------------------------------------------------------------------------------------------

    def _market(self, symbols: Iterable[str], look: Look) -> dict[str, OptionQuote | None]:
        """Quotes by symbol, None for what is not quoted."""
        found: dict[str, OptionQuote | None] = dict.fromkeys(symbols)
        listed = [contract for symbol in found if (contract := self._board.contract(symbol, look.session.day)) is not None]
        for underlying in {contract.underlying for contract in listed if self.is_quoted(contract.underlying)}:
            mine = [contract for contract in listed if contract.underlying == underlying]
            found |= self._quotes_of(underlying, mine, self._clock.now())
        if self._assumed.fills is Fills.WORST:
            return {symbol: quote and widened(quote, self._assumed.slip_fraction) for symbol, quote in found.items()}
        return found

    def _quotes_of(self, underlying: str, contracts: Sequence[Contract], now: datetime) -> dict[str, OptionQuote]:
        """What is quoted of contracts on one underlying; it stands still while they are looked at, so each quote is of now."""
        units, look = self._spot_units(underlying), self._look
        if units is None or look is None:
            return {}
        is_recorded = underlying in self._board.recorded
        told = self._recorded(contracts, look) if is_recorded else self._modelled(contracts, look, units)
        quoted = [contract for contract in contracts if contract.symbol in told]
        at = look.session.closes_at if is_recorded else look.at
        greeks = self._board.many_greeks(quoted, at, units, [told[contract.symbol] for contract in quoted])
        interests = self._board.open_interests(quoted, look.session.day)
        rows = zip(quoted, greeks, interests, strict=True)
        return {each.symbol: option_quote(each.symbol, told[each.symbol], now, greek, count) for each, greek, count in rows}

    def _modelled(self, contracts: Sequence[Contract], look: Look, units: int) -> dict[str, Quote]:
        elapsed = int((look.at - look.session.opens_at).total_seconds())
        price = np.array([units])
        point = SessionPath(np.array([elapsed]), price, price, price, _no_bars)
        alive = [each for each in contracts if each.expiration >= look.session.day]
        quotes = self._board.quotes_at(alive, look.session, point, 0) if alive else []
        return {each.symbol: quote for each, quote in zip(alive, quotes, strict=True)}

    def _recorded(self, contracts: Sequence[Contract], look: Look) -> dict[str, Quote]:
        """The last quote of this session; older ones tell nothing."""
        found = {}
        for contract in contracts:
            rows = self._board.recorded[contract.underlying][contract.symbol]
            place = rows.latest(look.session.closes_at.timestamp())
            if place is not None and rows.at[place] >= look.session.opens_at.timestamp():
                found[contract.symbol] = Quote(int(rows.bid[place]), int(rows.ask[place]), int(rows.last()[place]))
        return found

    # ---- underlyings -----------------------------------------------------------------------------------------------------

    def _spot_units(self, underlying: str) -> int | None:
        """What it costs at this look, in units of 0.0001 dollars; None on a day on which it did not trade."""
        if self._look is None or underlying not in self._source.daily:
            return None
        bars = self._bars_of(underlying)
        place = bisect_right(bars.sessions, self._look.session.day) - 1
        if place < 0 or bars.sessions[place] != self._look.session.day:
            return None
        return round(float((bars.close if self._look.is_closing else bars.open)[place]) * UNITS_PER_DOLLAR)

    def _bars_of(self, underlying: str) -> DailyBars:
        if underlying not in self._bars:
            self._bars[underlying] = self._source.bars(underlying)
        return self._bars[underlying]

    # ---- words -----------------------------------------------------------------------------------------------------------

    def notes(self, underlyings: Iterable[str]) -> tuple[str, ...]:
        """What must stand beside figures made from options on `underlyings`."""
        names = sorted(set(underlyings))
        recorded = [name for name in names if name in self._board.recorded]
        modelled = [name for name in names if name not in self._board.recorded]
        return (*_sources(recorded, modelled), assumption(self._assumed))


def assumption(assumed: OptionAssumptions) -> str:
    """How orders for options fill, in one sentence."""
    words = {
        Fills.MID: "halfway between bid and ask, which nobody promises",
        Fills.NATURAL: "at the bid and the ask",
        Fills.WORST: f"at a bid and an ask that are {assumed.slip_fraction:g} of their distance further out than quoted",
    }[assumed.fills]
    early = "assigned early when nothing but the exercise value is left" if assumed.assigns_early else "never assigned early"
    return (
        f"Options fill whole or not at all, {words}, when the limit allows it; {assumed.fee_usd} dollars a contract in fees; "
        f"sold puts are {early}."
    )


def _sources(recorded: Sequence[str], modelled: Sequence[str]) -> list[str]:
    found = []
    if modelled:
        found.append(
            f"Options on {', '.join(modelled)} have MODEL PRICES (volatility from past closes, Black-Scholes, an assumed spread "
            "between bid and ask): no quote of theirs was ever real. They are looked at with the opening and with the closing "
            "price, not in between."
        )
    if recorded:
        found.append(
            f"Options on {', '.join(recorded)} have recorded quotes, the last of each day: decided and filled at that one quote, "
            "once a session; what happened in between is not seen."
        )
    return found


def option_quote(symbol: str, quote: Quote, at: datetime, greeks: Greeks | None, interest: int) -> OptionQuote:
    """A quote in units as the desk knows it."""
    delta, volatility = (None, None) if greeks is None else (greeks.delta, greeks.implied_volatility)
    return OptionQuote(symbol, _dollars(quote.bid), _dollars(quote.ask), at, delta, volatility, interest)


def widened(quote: OptionQuote, fraction: float) -> OptionQuote:
    """The quote with both sides further out, by `fraction` of their distance, whole cents and at least one."""
    distance = (quote.ask - quote.bid) * Decimal(repr(fraction))
    slip = max(distance.quantize(PENNY, ROUND_CEILING), PENNY)
    ask = quote.ask + slip if quote.ask else quote.ask
    return replace(quote, bid=max(quote.bid - slip, Decimal(0)), ask=ask)


def _dollars(units: int) -> Decimal:
    return Decimal(units // UNITS_PER_CENT) / 100


def _no_bars() -> NativeBars:
    raise AssertionError("one point of a path has no bars")
