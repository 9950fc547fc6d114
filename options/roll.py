"""Where a spread is moved to: later, and lower where the market pays for that; for a credit over all four legs, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial

from desk.domain.options import Chain
from options.candidate import BullPut
from options.expirations import IsSession, new_york_day, no_expiration, suitable_expirations, years_left
from options.legs import Legs, SpreadChoice, judged, named_legs, pair
from options.listing import PutSlice, slices
from options.refusals import RefusalCode, SpreadRefusal
from options.scan import appraised
from options.smile import deltas
from options.strikes import AtWidth, long_strike, short_strike


class RollKind(StrEnum):
    OUT = "out"  # the same strikes, later
    DOWN_AND_OUT = "down and out"  # lower strikes no further apart, later


@dataclass(frozen=True, slots=True)
class RollChoice:
    """What a roll may be: the kinds in order of preference, and the least net credit between the middles, dollars a share."""

    spread: SpreadChoice = field(default_factory=SpreadChoice)
    kinds: tuple[RollKind, ...] = (RollKind.DOWN_AND_OUT, RollKind.OUT)
    min_net_credit: Decimal = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class RollTarget:
    """The spread to move to, and what the four legs bring together: between the middles, and at once (mostly a debit)."""

    kind: RollKind
    spread: BullPut
    net_credit: Decimal
    natural_net_credit: Decimal


def roll_target(
    chain: Chain, short: str, long: str, choice: RollChoice, now: datetime, is_session: IsSession
) -> RollTarget | SpreadRefusal:
    """Where the spread of the symbols `short` and `long` goes. Kind before expiration: a lower strike is worth a worse day.

    UNKNOWN_CONTRACT when what is held is not quoted, NO_EXPIRATION when nothing later fits, NO_CREDIT with the best net found.
    """
    held = named_legs(chain, short, long, now, choice.spread.roots)
    if isinstance(held, SpreadRefusal):
        return held
    if held.short.ask <= 0 or held.long.bid > held.long.ask or held.short.bid > held.short.ask:
        text = f"{short} or {long} has no honest quote: what closing costs is unknown, ask again"
        return SpreadRefusal(RefusalCode.EMPTY_QUOTE, chain.underlying, text)
    later = _later(chain, held, choice, now, is_session)
    if isinstance(later, SpreadRefusal):
        return later
    return _best(held, later, choice, now)


def _later(
    chain: Chain, held: Legs, choice: RollChoice, now: datetime, is_session: IsSession
) -> tuple[PutSlice, ...] | SpreadRefusal:
    listed = slices(chain, choice.spread.roots)
    if isinstance(listed, SpreadRefusal):
        return listed
    today, window = new_york_day(now), choice.spread.window
    days = suitable_expirations((day for day in listed if day > held.expiration), today, is_session, window)
    return tuple(listed[day] for day in days) or no_expiration(chain.underlying, listed, today, window, held.expiration)


def _best(held: Legs, later: tuple[PutSlice, ...], choice: RollChoice, now: datetime) -> RollTarget | SpreadRefusal:
    refusal: SpreadRefusal | None = None
    for kind, found in _tries(held, later, choice, now):
        if isinstance(found, Legs) and found.mid - held.mid >= choice.min_net_credit:
            spread = appraised([found], choice.spread, now)[0]
            return RollTarget(kind, spread, found.mid - held.mid, found.natural_credit - held.natural_debit)
        refusal = refusal or (_too_little(kind, held, found, choice) if isinstance(found, Legs) else found)
    assert refusal is not None  # at least one kind was tried on at least one day
    return refusal


def _tries(
    held: Legs, later: tuple[PutSlice, ...], choice: RollChoice, now: datetime
) -> Iterator[tuple[RollKind, Legs | SpreadRefusal]]:
    for kind in choice.kinds:
        for puts in later:
            found = _FINDERS[kind](held, puts, choice.spread, now)
            yield kind, found if isinstance(found, SpreadRefusal) else judged(found, choice.spread, now)


def _out(held: Legs, puts: PutSlice, _choice: SpreadChoice, _now: datetime) -> Legs | SpreadRefusal:
    missing = [str(strike) for strike in (held.short_strike, held.long_strike) if strike not in puts.strikes]
    if missing:
        text = f"of {puts.expiration} the strike {' and '.join(missing)} is not listed: it can only go down, or be left"
        return SpreadRefusal(RefusalCode.NO_STRIKE, held.underlying, text)
    return pair(puts, puts.strikes.index(held.short_strike), puts.strikes.index(held.long_strike))


def _down_and_out(held: Legs, puts: PutSlice, choice: SpreadChoice, now: datetime) -> Legs | SpreadRefusal:
    model = partial(deltas, puts, years_left(puts.expiration, now), choice.rate)
    short = short_strike(puts, choice.strikes.short, model)
    if isinstance(short, SpreadRefusal):
        return short
    if puts.strikes[short] >= held.short_strike:
        text = f"of {puts.expiration} the rule sells {puts.strikes[short]}, which is not below {held.short_strike}"
        return SpreadRefusal(RefusalCode.NO_STRIKE, held.underlying, text)
    long = long_strike(puts, short, AtWidth(held.width), model)
    return long if isinstance(long, SpreadRefusal) else pair(puts, short, long)


_FINDERS: dict[RollKind, Callable[[Legs, PutSlice, SpreadChoice, datetime], Legs | SpreadRefusal]] = {
    RollKind.OUT: _out,
    RollKind.DOWN_AND_OUT: _down_and_out,
}


def _too_little(kind: RollKind, held: Legs, found: Legs, choice: RollChoice) -> SpreadRefusal:
    text = (
        f"rolled {kind} to {found.short_strike}/{found.long_strike} of {found.expiration} it brings {found.mid:.2f} and costs "
        f"{held.mid:.2f}, {found.mid - held.mid:.2f} net; min_roll_credit_usd is {choice.min_net_credit}: leave the spread"
    )
    return SpreadRefusal(RefusalCode.NO_CREDIT, held.underlying, text)
