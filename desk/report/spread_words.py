"""A spread that is about to be opened, closed or rolled, in lines for a person: a label and what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from desk.core.spread_entry import Planned
from desk.domain.options import CONTRACT_SHARES, OptionQuote
from desk.domain.spreads import Manner, Spread, SpreadPhase
from desk.report.wording import count, dollars, percent
from options.money import cents
from options.roll import RollTarget
from options.sizing import max_loss_usd

Line = tuple[str, str]
MOST_LABEL = 12


def plan_title(found: Planned) -> str:
    plan, spread = found.plan, found.spread
    strikes = f"{float(spread.short_strike):g}/{float(spread.long_strike):g}"
    contracts = count(plan.contracts, "contract")
    return f"{plan.underlying} bull put spread: {contracts}, puts {strikes} of {spread.expiration} ({spread.days} days)"


def plan_lines(found: Planned, max_risk_usd: Decimal) -> Iterator[Line]:
    """Everything that a person decides by, of an entry."""
    plan, spread = found.plan, found.spread
    yield "price", f"{plan.underlying} at {spread.spot:,.2f}, the sold strike {percent(spread.distance_fraction)} below"
    yield "score", score_words(plan.score, plan.confidence)
    yield "strikes", f"{float(spread.short_strike):g} sold, {float(spread.long_strike):g} bought, {float(spread.width):g} apart"
    yield "expiry", f"{spread.expiration}, in {count(spread.days, 'day')}"
    yield "legs", f"sell {leg_words(plan.contracts, spread.legs.short)}"
    yield "", f"buy  {leg_words(plan.contracts, spread.legs.long)}"
    yield "credit", credit_words(found)
    yield "max risk", f"{_risk(found)} of the budget of {dollars(float(max_risk_usd))}, for a gain of at most {_gain(found)}"
    carried = found.affordable(max_risk_usd)
    if carried > plan.contracts:
        yield "size", f"{plan.contracts} by max_contracts; the budget would carry {carried}"
    yield "break-even", f"{spread.break_even:.2f}; return on risk {percent(spread.return_on_risk)} before fees"
    if spread.probability_of_profit is not None:
        yield "model", f"{percent(spread.probability_of_profit, digits=0)} to end above the break-even, by a lognormal model"
    yield "order", "both puts in one order" if plan.manner is Manner.ATOMIC else "the bought put first, then the sold one"


def _risk(found: Planned) -> str:
    """By the credit of the middle, and by the least that the ladder comes to."""
    plan, spread = found.plan, found.spread
    risk, most = spread.max_loss_usd * plan.contracts, max_loss_usd(spread.width, plan.floor, plan.contracts)
    last = f" ({dollars(float(most))} at the least credit that is taken)" if most > risk else ""
    return f"{dollars(float(risk))}{last}"


def score_words(score: float | None, confidence: float | None) -> str:
    told = "none: decided by hand" if score is None else f"{score:g} of 10"
    return told if confidence is None else f"{told}, confidence {confidence:g}"


def leg_words(contracts: int, quote: OptionQuote) -> str:
    delta = "" if quote.delta is None else f", delta {quote.delta:.2f}"
    interest = "" if quote.open_interest is None else f", open interest {quote.open_interest:,}"
    return f"{contracts} {quote.symbol}, bid {quote.bid:.2f}, ask {quote.ask:.2f}{delta}{interest}"


def credit_words(found: Planned) -> str:
    plan, spread = found.plan, found.spread
    in_all = dollars(float(plan.credit * CONTRACT_SHARES * plan.contracts))
    natural = max(spread.natural_credit, Decimal(0))
    return f"{plan.credit:.2f} a share between the middles ({natural:.2f} at once), {in_all} in all; not below {plan.floor:.2f}"


def _gain(found: Planned) -> str:
    return dollars(float(found.spread.max_gain_usd * found.plan.contracts))


def per_share(value: Decimal) -> str:
    """Dollars a share, with the half cent that the middle of two quotes may have: the money beside it counts that."""
    return f"{value:.2f}" if value == cents(value) else f"{value:.3f}"


def close_lines(spread: Spread, debit_mid: Decimal, debit_natural: Decimal, pnl_usd: Decimal | None) -> Iterator[Line]:
    contracts = min(spread.short, spread.long)
    yield "legs", f"buy  {spread.short} {spread.plan.short}"
    yield "", f"sell {spread.long} {spread.plan.long}"
    if spread.credit is not None:
        yield "credit", f"{per_share(spread.credit)} a share came in, {dollars(float(spread.credit_usd))} in all"
    in_all = dollars(float(debit_mid * CONTRACT_SHARES * contracts))
    yield "debit", f"{per_share(debit_mid)} a share between the middles ({per_share(debit_natural)} at once), {in_all} in all"
    if pnl_usd is not None:
        yield "P&L", f"{dollars(float(pnl_usd), signed=True)} at the middle, before fees"
    if spread.phase is SpreadPhase.CLOSING:
        yield "replaces", f"the exit that waits for its price ({spread.why}){_resting_words(spread)}"


def _resting_words(spread: Spread) -> str:
    limits = [order.spec.limit_price for order in spread.working]
    return "".join(f"; its order at {limit:.2f} is called back where that is not enough" for limit in limits if limit is not None)


def roll_lines(spread: Spread, into: RollTarget) -> Iterator[Line]:
    new, contracts = into.spread, min(spread.short, spread.long)
    yield "legs", f"buy  {contracts} {spread.plan.short}"
    yield "", f"sell {contracts} {spread.plan.long}"
    yield "", f"sell {contracts} {new.short}"
    yield "", f"buy  {contracts} {new.long}"
    strikes = f"{float(new.short_strike):g}/{float(new.long_strike):g}"
    yield "into", f"{strikes} of {new.expiration} ({new.days} days), {into.kind.value}"
    in_all, at_once = dollars(float(into.net_credit * CONTRACT_SHARES * contracts)), per_share(into.natural_net_credit)
    yield (
        "net credit",
        f"{per_share(into.net_credit)} a share over all four legs ({at_once} at once), {in_all} in all",
    )
    yield "max risk", f"{dollars(float(new.max_loss_usd * contracts))} from then on"


def rest_words(spread: Spread, quotes: Mapping[str, OptionQuote]) -> str:
    """Why a spread that is on its way has not come to rest, by what is quoted now."""
    plan, short, long = spread.plan, quotes.get(spread.plan.short), quotes.get(spread.plan.long)
    if spread.working:
        return "an order still rests at the broker"
    if long is not None and long.bid <= 0 and spread.long and not spread.short:
        return f"nobody bids for {plan.long}, which is kept until somebody does or it expires"
    comes = spread.phase is SpreadPhase.ENTERING
    missing = [plan.short] if (spread.short or comes) and (short is None or short.ask <= 0) else []
    missing += [plan.long] if (spread.long or comes) and long is None else []
    if missing:
        return f"{' and '.join(missing)} not quoted now, and it waits for that"
    return f"the broker refused its last order ({spread.refused})" if spread.refusals else "it goes on with the next look"


def laid_out(lines: Sequence[Line]) -> list[str]:
    """Labels under each other, the words beside them."""
    return [f"  {label:<{MOST_LABEL}}{words}" for label, words in lines]
