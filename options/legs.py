"""The two puts of a spread as a chain quotes them, chosen by the rules or named, and whether they are worth an entry."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import partial

from desk.domain.options import Chain, OptionQuote
from desk.domain.prices import PENNY, Rounding
from options.expirations import (
    ExpiryWindow,
    IsSession,
    days_left,
    new_york_day,
    no_expiration,
    suitable_expirations,
    years_left,
)
from options.liquidity import LiquidityLimits, leg_refusal
from options.listing import PutSlice, contract_of, is_adjusted, slices
from options.money import cents, exact
from options.occ import Occ
from options.refusals import RefusalCode, SpreadRefusal
from options.smile import deltas
from options.strikes import StrikeChoice, choose_strikes


@dataclass(frozen=True, slots=True)
class SpreadChoice:
    """Which spread is looked for. Credits in dollars a share, `rate` continuously compounded, fractions of one.

    `min_credit_fraction` is of the width. The target credit gives up `concession_fraction` of what lies between the middle and
    the natural price. `roots` are other names of standard contracts, as SPXW for SPX.
    """

    window: ExpiryWindow = field(default_factory=ExpiryWindow)
    strikes: StrikeChoice = field(default_factory=StrikeChoice)
    liquidity: LiquidityLimits = field(default_factory=LiquidityLimits)
    min_credit: Decimal = Decimal("0.10")
    min_credit_fraction: float = 0.10
    concession_fraction: float = 0.0
    rate: float = 0.04
    roots: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Legs:
    """The put sold and the put bought, of one expiration; strikes in dollars, `spot` the underlying's price then."""

    underlying: str
    expiration: date
    spot: float
    at: datetime
    short: OptionQuote
    long: OptionQuote
    short_strike: Decimal
    long_strike: Decimal

    @property
    def width(self) -> Decimal:
        return self.short_strike - self.long_strike

    @property
    def mid(self) -> Decimal:
        """Dollars a share between the middles: what selling brings and buying back costs, if others meet halfway."""
        return self.short.mid - self.long.mid

    @property
    def natural_credit(self) -> Decimal:
        """What selling brings at once, below zero when it costs."""
        return self.short.bid - self.long.ask

    @property
    def natural_debit(self) -> Decimal:
        """What buying back costs at once."""
        return self.short.ask - self.long.bid


def target_credit(legs: Legs, choice: SpreadChoice) -> Decimal:
    """The credit that the spread is judged by, on the cent grid: the middle's, less the concession towards the natural one."""
    return cents(legs.mid - exact(choice.concession_fraction) * (legs.mid - legs.natural_credit), Rounding.DOWN)


def choose_legs(chain: Chain, choice: SpreadChoice, now: datetime, is_session: IsSession) -> Legs | SpreadRefusal:
    """The legs of the best suitable expiration that passes every test; when none does, why the best of them fails."""
    listed = slices(chain, choice.roots)
    if isinstance(listed, SpreadRefusal):
        return listed
    today = new_york_day(now)
    days = suitable_expirations(listed, today, is_session, choice.window)
    if not days:
        return no_expiration(chain.underlying, listed, today, choice.window)
    first: SpreadRefusal | None = None
    for day in days:
        found = legs_of_slice(listed[day], choice, now)
        if isinstance(found, Legs):
            return found
        first = first or found
    assert first is not None  # every one of at least one day was refused
    return first


def legs_of_slice(puts: PutSlice, choice: SpreadChoice, now: datetime) -> Legs | SpreadRefusal:
    """The legs among the puts of one expiration."""
    model = partial(deltas, puts, years_left(puts.expiration, now), choice.rate)
    chosen = choose_strikes(puts, choice.strikes, model)
    return chosen if isinstance(chosen, SpreadRefusal) else judged(pair(puts, *chosen), choice, now)


def pair(puts: PutSlice, short: int, long: int) -> Legs:
    """Two puts of a slice by their indices."""
    quotes, strikes = puts.quotes, puts.strikes
    terms = (quotes[short], quotes[long], strikes[short], strikes[long])
    return Legs(puts.underlying, puts.expiration, puts.spot, puts.at, *terms)


def named_legs(chain: Chain, short: str, long: str, now: datetime, roots: Collection[str] = ()) -> Legs | SpreadRefusal:
    """The legs that two symbols name, whatever they are quoted at. ADJUSTED, UNKNOWN_CONTRACT, EXPIRED, SAME_STRIKE."""
    told = []
    for symbol in (short, long):
        said = _known_put(chain, symbol, now, roots)
        if isinstance(said, SpreadRefusal):
            return said
        told.append(said)
    sold, bought = told
    if sold.root != bought.root or sold.expiration != bought.expiration:
        text = f"{short} and {long} are of two roots or expirations: a vertical spread has both in common"
        return SpreadRefusal(RefusalCode.UNKNOWN_CONTRACT, chain.underlying, text)
    if bought.strike >= sold.strike:
        text = f"the bought put's strike {bought.strike} must be below the sold one's {sold.strike}"
        return SpreadRefusal(RefusalCode.SAME_STRIKE, chain.underlying, text)
    quotes = (chain.quotes[short], chain.quotes[long])
    return Legs(chain.underlying, sold.expiration, chain.spot, chain.at, *quotes, sold.strike, bought.strike)


def _known_put(chain: Chain, symbol: str, now: datetime, roots: Collection[str]) -> Occ | SpreadRefusal:
    said = contract_of(symbol)
    if said is None or said.type != "put":
        return SpreadRefusal(
            RefusalCode.UNKNOWN_CONTRACT, chain.underlying, f"{symbol!r} is no put's symbol: write it as OCC does"
        )
    if is_adjusted(said.root, chain.underlying, roots):
        text = f"{symbol} has the root {said.root}, which is no standard one of {chain.underlying}: its contract may be adjusted"
        return SpreadRefusal(RefusalCode.ADJUSTED, chain.underlying, text)
    if days_left(said.expiration, now) < 0:
        return SpreadRefusal(RefusalCode.EXPIRED, chain.underlying, f"{symbol} expired on {said.expiration}: name a later one")
    if symbol not in chain.quotes:
        text = f"{symbol} is not quoted: check its expiration and strike, for it may not be listed"
        return SpreadRefusal(RefusalCode.UNKNOWN_CONTRACT, chain.underlying, text)
    return said


def judged(legs: Legs, choice: SpreadChoice, now: datetime) -> Legs | SpreadRefusal:
    """The legs, or why their quotes make no entry."""
    for quote in (legs.short, legs.long):
        refusal = leg_refusal(legs.underlying, quote, choice.liquidity, now)
        if refusal is not None:
            return refusal
    return _credit_refusal(legs, choice) or legs


def _credit_refusal(legs: Legs, choice: SpreadChoice) -> SpreadRefusal | None:
    credit, width = target_credit(legs, choice), legs.width
    of = f"strikes {legs.short_strike} and {legs.long_strike} of {legs.expiration} pay {credit}"
    if credit < PENNY:
        text = f"{of}: no credit; choose a wider spread, or a sold strike nearer to the market"
        return SpreadRefusal(RefusalCode.NO_CREDIT, legs.underlying, text)
    if credit >= width:
        text = f"{of}, not less than their width {width}: the quotes cannot be right, ask again"
        return SpreadRefusal(RefusalCode.DATA, legs.underlying, text)
    least = max(choice.min_credit, exact(choice.min_credit_fraction) * width)
    if credit < least:
        text = (
            f"{of}, {least:.2f} is the least (min_credit_usd {choice.min_credit}, min_credit_fraction "
            f"{choice.min_credit_fraction:g} of the width {width}): choose a sold strike nearer to the market, or wait for more "
            "volatility"
        )
        return SpreadRefusal(RefusalCode.CREDIT_TOO_SMALL, legs.underlying, text)
    return None
