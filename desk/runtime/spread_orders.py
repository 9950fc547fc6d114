"""What a person asks about option spreads: plans to open, close and roll one, and the doing of it at a desk opened for that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation

from desk.core.ports import Clock
from desk.core.spread_entry import Planned, SpreadPolicy, plan_of
from desk.domain.decisions import Mode
from desk.domain.errors import Halted, UsageError
from desk.domain.options import OptionQuote
from desk.domain.spreads import Spread, SpreadPhase, SpreadPlan, SpreadTurned, Turn
from desk.report.spread_words import rest_words
from desk.runtime.spread_desk import SpreadDesk
from desk.runtime.spread_keeper import IN_MOTION, begin_roll, roll_into
from desk.runtime.spread_opener import SpreadOpener, denied
from desk.runtime.spreads import Spreads
from options import occ
from options.exits import CAN_WAIT, rule_of
from options.gates import Opportunity, closed_at, opportunity_refusal
from options.listing import standard_root
from options.naming import spread_name
from options.occ import Occ
from options.refusals import RefusalCode, SpreadRefusal
from options.roll import RollTarget
from options.scan import named_candidate

BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A spread that is asked for. `short` and `long` are symbols as OCC writes them, None where the rules choose.

    `score` of ten and `confidence` None: a person decides, and neither is asked for. `max_risk_usd` None: as in the settings.
    """

    opportunity: Opportunity
    short: str | None = None
    long: str | None = None
    max_risk_usd: Decimal | None = None

    @property
    def underlying(self) -> str:
        return self.opportunity.underlying


def wanted_by_hand(
    underlying: str,
    score: float | None = None,
    confidence: float | None = None,
    price: float | None = None,
    max_risk_usd: Decimal | None = None,
) -> Wanted:
    """What a person asks for who names an underlying, and perhaps more."""
    return Wanted(Opportunity(underlying, score, confidence, price, BY_HAND), max_risk_usd=max_risk_usd)


def contract_named(underlying: str, text: str, expiration: date | None) -> str:
    """The put that a person means: a symbol, or a strike of `expiration`. Raises UsageError for what is neither."""
    with suppress(ValueError):
        return occ.parse(text.upper().replace(" ", "")).symbol
    try:
        strike = Decimal(text)
    except InvalidOperation:
        raise UsageError(
            f"{text!r} is neither a strike in dollars nor an option symbol: write 167, or {_example(underlying)}"
        ) from None
    if expiration is None:
        raise UsageError(f"strike {text}: say of which expiration, with --expiration 2026-02-20 say")
    try:
        return occ.format(standard_root(underlying), expiration, "put", strike)
    except ValueError as error:
        raise UsageError(f"{underlying} {text}: {error}") from None


def _example(underlying: str) -> str:
    return f"{standard_root(underlying)}260220P00167000"


def policy_for(policy: SpreadPolicy, wanted: Wanted) -> SpreadPolicy:
    """The person's own rules for one order: what he does not tell is not asked for, and a budget that he names counts."""
    told, limits = wanted.opportunity, policy.limits
    limits = replace(
        limits,
        min_score=limits.min_score if told.score is not None else None,
        min_confidence=limits.min_confidence if told.confidence is not None else None,
        max_risk_usd=limits.max_risk_usd if wanted.max_risk_usd is None else wanted.max_risk_usd,
    )
    return replace(policy, limits=limits)


# ---- plans -----------------------------------------------------------------------------------------------------------------


def plan_to_open(opener: SpreadOpener, wanted: Wanted, clock: Clock) -> Planned | SpreadRefusal:
    """What opening would do now. Raises what the broker raises when it does not answer, Halted for a desk that is."""
    _check_mode(opener)
    now = clock.now()
    own, account = opener.with_policy(policy_for(opener.policy, wanted)), opener.account(now)
    if wanted.short is None or wanted.long is None:
        return own.look(wanted.opportunity, account)
    refusal = opportunity_refusal(wanted.opportunity, account, own.policy.limits) or _may_not_open(own, wanted.underlying)
    if refusal is not None:
        return refusal
    low, high = _strikes(wanted.short, wanted.long)
    chain = own.feed.chain(wanted.underlying, high.expiration, high.expiration, float(low.strike), float(high.strike))
    found = named_candidate(chain, wanted.short, wanted.long, own.policy.choice, now)
    if isinstance(found, SpreadRefusal):
        return found
    key = own.desk.about_spreads(lambda spreads: spreads.key(wanted.underlying, now))
    return plan_of(found, wanted.opportunity, account, own.policy, key)


def _strikes(short: str, long: str) -> tuple[Occ, Occ]:
    """The two named contracts, the one with the lower strike first."""
    both = sorted((occ.parse(short), occ.parse(long)), key=lambda said: said.strike)
    return both[0], both[1]


def _may_not_open(opener: SpreadOpener, underlying: str) -> SpreadRefusal | None:
    if opener.desk.about_spreads(lambda spreads: spreads.may_open()):
        return None
    text = f"the desk is {opener.desk.mode.value} or without the broker's updates: it opens nothing now"
    return SpreadRefusal(RefusalCode.DESK, underlying, text)


def _check_mode(opener: SpreadOpener) -> None:
    if opener.desk.mode is Mode.HALTED:
        raise Halted(
            "the desk of this run is halted: it protects and closes, and opens nothing. The journal has the reason; when you "
            'have looked, loosen it with: desk mode RUN active --reason "..."'
        )


@dataclass(frozen=True, slots=True)
class ClosePlan:
    """What closing a spread costs now, dollars a share: between the middles and at once."""

    spread: Spread
    short: OptionQuote
    long: OptionQuote

    @property
    def debit_mid(self) -> Decimal:
        return self.short.mid - self.long.mid

    @property
    def debit_natural(self) -> Decimal:
        return self.short.ask - self.long.bid

    @property
    def pnl_usd(self) -> Decimal | None:
        """What it would have brought at the middle's price, before fees."""
        credit = self.spread.credit
        return None if credit is None else (credit - self.debit_mid) * 100 * min(self.spread.short, self.spread.long)


def plan_to_close(opener: SpreadOpener, spread: Spread, clock: Clock) -> ClosePlan | SpreadRefusal:
    """What closing would do now. It takes the place of an exit that nothing hurries: that one may wait for its price for days."""
    underlying, waits = spread.plan.underlying, rule_of(spread.why) in CAN_WAIT
    others = (SpreadPhase.CLOSING,) if waits else ()
    refusal = _not_now(opener, spread, clock, (SpreadPhase.ENTERING, SpreadPhase.OPEN, SpreadPhase.ROLLING, *others))
    if refusal is not None:
        return refusal
    symbols = (spread.plan.short, spread.plan.long)
    quotes = opener.feed.quotes(symbols)
    for symbol in symbols:
        problem = _problem(symbol, quotes.get(symbol), is_sold=symbol == spread.plan.short)
        if problem is not None:
            return SpreadRefusal(problem[0], underlying, problem[1])
    return ClosePlan(spread, *(quotes[symbol] for symbol in symbols))


def _problem(symbol: str, quote: OptionQuote | None, is_sold: bool) -> tuple[RefusalCode, str] | None:
    """Why a contract cannot be closed at its quote; a bought put that nobody bids for is no hindrance."""
    if quote is None:
        return RefusalCode.STALE_QUOTE, f"{symbol} has no quote of now: ask again in a minute"
    if is_sold and quote.ask <= 0:
        return RefusalCode.EMPTY_QUOTE, f"{symbol} has no ask, so nobody sells it back: wait for a quote"
    if quote.ask > 0 and quote.bid > quote.ask:
        return RefusalCode.CROSSED, f"{symbol} is bid {quote.bid} above its ask {quote.ask}: wait for the next quote"
    return None


def _not_now(opener: SpreadOpener, spread: Spread, clock: Clock, phases: tuple[SpreadPhase, ...]) -> SpreadRefusal | None:
    now, plan = clock.now(), spread.plan
    if spread.phase not in phases:
        return SpreadRefusal(
            RefusalCode.DESK, plan.underlying, f"the spread is {spread.phase} already ({spread.why}): leave it to that"
        )
    if not opener.is_open(now):
        text = closed_at(now)
        return SpreadRefusal(RefusalCode.MARKET_CLOSED, plan.underlying, text)
    return None


def plan_to_roll(opener: SpreadOpener, spread: Spread, clock: Clock) -> RollTarget | SpreadRefusal:
    """Where rolling would go now: later, and lower where the market pays for it, for a credit over all four legs."""
    _check_mode(opener)
    underlying = spread.plan.underlying
    refusal = _not_now(opener, spread, clock, (SpreadPhase.OPEN,)) or _may_not_open(opener, underlying)
    if refusal is not None:
        return refusal
    spot = opener.feed.spots([underlying]).get(underlying)
    if spot is None:
        return SpreadRefusal(RefusalCode.DATA, underlying, "nobody says what it costs now: nothing is chosen")
    return roll_into(opener.feed, spread, spot, opener.policy, clock.now())


def find_spread(open_spreads: dict[str, Spread], named: str) -> Spread:
    """The open spread with that key, or the one on that underlying. Raises UsageError for none, or several."""
    if named in open_spreads:
        return open_spreads[named]
    found = [spread for spread in open_spreads.values() if spread.plan.underlying == named.upper()]
    if len(found) == 1:
        return found[0]
    plans = (spread.plan for spread in found or open_spreads.values())
    listed = ", ".join(f"{plan.key} ({spread_name(plan.underlying, plan.short, plan.long)})" for plan in plans)
    problem = "several open spreads are on it" if found else "no open spread has this key or underlying"
    raise UsageError(f"{named}: {problem}; give one of: {listed or 'none, for nothing is open'}")


# ---- doing it --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order: the spread as it is now, and whether it has come to rest. `into` is what it was rolled into.
    `rest` says what a spread waits for that has not come to rest."""

    spread: Spread
    is_at_rest: bool
    into: Spread | None = None
    rest: str = ""


def open_now(at: SpreadDesk, wanted: Wanted, say: Callable[[Planned], None]) -> Outcome | SpreadRefusal:
    """Decide, journal, send, and wait until the ladder has ended. `say` is told the plan before anything is sent."""
    found = plan_to_open(at.team.opener, wanted, at.clock)
    if isinstance(found, SpreadRefusal):
        at.desk.record(denied(found))
        return found
    say(found)
    at.desk.about_spreads(lambda spreads: spreads.open(found.plan))
    return _outcome(at, found.plan.key)


def close_now(at: SpreadDesk, named: str, say: Callable[[ClosePlan], None]) -> Outcome | SpreadRefusal:
    spread = find_spread(dict(at.desk.spreads.open), named)
    found = plan_to_close(at.team.opener, spread, at.clock)
    if isinstance(found, SpreadRefusal):
        return found
    say(found)
    said = SpreadTurned(spread.key, Turn.LEAVE, BY_HAND)
    at.desk.about_spreads(lambda spreads: spreads.turn(said, at.clock.now()))
    return _outcome(at, spread.key)


def roll_now(at: SpreadDesk, named: str, say: Callable[[Spread, RollTarget], None]) -> Outcome | SpreadRefusal:
    """One order over all four legs; what the market does not pay for in time is not rolled, and stays as it was."""
    spread = find_spread(dict(at.desk.spreads.open), named)
    found = plan_to_roll(at.team.opener, spread, at.clock)
    if isinstance(found, SpreadRefusal):
        return found
    say(spread, found)
    now, policy = at.clock.now(), at.team.opener.policy

    def begin(spreads: Spreads) -> SpreadPlan:
        plan = begin_roll(spreads, spread, found, policy, now)
        spreads.turn(SpreadTurned(spread.key, Turn.ROLL, BY_HAND), now)
        return plan

    plan = at.desk.about_spreads(begin)
    outcome = _outcome(at, spread.key)
    return replace(outcome, into=at.desk.spreads.spread(plan.key))


def _outcome(at: SpreadDesk, key: str) -> Outcome:
    at.carry_out()
    spread = at.desk.spreads.spread(key)
    assert spread is not None  # it was journaled a moment ago
    is_at_rest = spread.phase not in IN_MOTION and not spread.working
    return Outcome(spread, is_at_rest, rest="" if is_at_rest else rest_words(spread, at.team.keeper.quotes))
