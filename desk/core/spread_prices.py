"""What the orders of a spread offer and ask: by its quotes, by why it is left, and never more than the spread can cost. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from desk.domain.options import OptionQuote
from desk.domain.orders import Side
from desk.domain.prices import PENNY, Rounding
from desk.domain.spreads import Spread, SpreadPlan
from options import ladder, occ
from options.exits import ALLOWED_SLIP, SpreadExit, rule_of
from options.money import NICKEL, cents, on_class_ticks

Pair = tuple[OptionQuote, OptionQuote]


def honest_pair(plan: SpreadPlan, quotes: Mapping[str, OptionQuote]) -> Pair | None:
    """Quotes of the sold and of the bought put, None where one is missing or cannot be traded at."""
    short, long = quotes.get(plan.short), quotes.get(plan.long)
    if short is None or long is None or short.ask <= 0 or short.bid > short.ask or long.bid > long.ask:
        return None
    return short, long


def width_of(plan: SpreadPlan) -> Decimal:
    """Dollars a share between the strikes: the most that the two puts can be worth together."""
    return occ.parse(plan.short).strike - occ.parse(plan.long).strike


def entry_credits(plan: SpreadPlan, pair: Pair) -> tuple[Decimal, ...]:
    """The ladder of an order that opens both puts, dollars a share."""
    short, long = pair
    return ladder.entry_credits(short.mid - long.mid, short.bid - long.ask, plan.floor, plan.rules.rungs)


def exit_debits(spread: Spread, pair: Pair) -> tuple[Decimal, ...]:
    """The ladder of an order that closes both puts, dollars a share."""
    short, long = pair
    mid = short.mid - long.mid
    return ladder.exit_debits(mid, short.ask - long.bid, _most(spread, mid), spread.plan.rules.rungs)


def _most(spread: Spread, mid: Decimal) -> Decimal:
    """What is paid at most: a profit stays one, and what only time has ended is not sold into quotes that tell no price."""
    credit, width, rule = spread.credit or spread.plan.credit, width_of(spread.plan), rule_of(spread.why)
    if rule is SpreadExit.PROFIT:
        return max(min(width, credit - PENNY), PENNY)
    if rule is SpreadExit.DAYS:
        return min(width, mid + max(credit, ALLOWED_SLIP))
    return width


def single_prices(spread: Spread, quotes: Mapping[str, OptionQuote], symbol: str, side: Side) -> tuple[Decimal, ...]:
    """The ladder of one leg that is closed, of a symbol that is quoted; a single step is the last one, at which it trades."""
    quote, rungs = quotes[symbol], spread.plan.rules.rungs
    if side is Side.BUY:
        return _rising(spread, quote, quotes.get(spread.plan.long))
    steps = ladder.falling(quote.mid if rungs > 1 else quote.bid, quote.bid, rungs)
    return tuple(on_grid(spread, each, Rounding.DOWN) for each in steps)


def _rising(spread: Spread, short: OptionQuote, long: OptionQuote | None) -> tuple[Decimal, ...]:
    """From the middle to what the sold put trades at, or to the most that is paid. From the bid on where its quotes alone are
    known, or their middle is beyond that: so wide a quote says nothing, and its middle would be paid at once."""
    rungs, most = spread.plan.rules.rungs, _most_alone(spread, short, long)
    last = short.ask + PENNY * 2 if most is None else min(short.ask + PENNY * 2, most)
    says_much = most is None or (_is_quoted(long) and short.mid <= last)
    first = min(short.mid if says_much else short.bid, last) if rungs > 1 else last
    steps = [on_grid(spread, each, Rounding.UP) for each in ladder.rising(first, last, rungs)]
    return tuple(steps if most is None else (min(each, most) for each in steps))


def _most_alone(spread: Spread, short: OptionQuote, long: OptionQuote | None) -> Decimal | None:
    """What a sold put is bought back for at most, None for any price: without its bought one it has to go.

    With it the sold one is worth what is paid for both, and what the bought one fetches. Where nobody says what that is, an
    honest quote of the sold one says as much; a profit takes the bought one for worthless.
    """
    if spread.naked:
        return None
    if long is not None and _is_quoted(long):
        most = _most(spread, short.mid - long.mid) + long.bid
    else:
        most = _most_unquoted(spread, short)
    return on_grid(spread, most, Rounding.DOWN)


def _most_unquoted(spread: Spread, short: OptionQuote) -> Decimal:
    by_bid = short.bid + max(spread.credit or spread.plan.credit, ALLOWED_SLIP)
    rule = rule_of(spread.why)
    if rule is SpreadExit.PROFIT:
        return _most(spread, short.mid)
    return by_bid if rule is SpreadExit.DAYS else max(width_of(spread.plan), by_bid)


def _is_quoted(quote: OptionQuote | None) -> bool:
    return quote is not None and quote.bid <= quote.ask


def on_grid(spread: Spread, price: Decimal, rounding: Rounding) -> Decimal:
    """The price of one leg, a tick at least. After a refusal on the widest grid: perhaps its class does not trade in cents."""
    was_refused = spread.refusals or spread.refused
    return max(on_class_ticks(price, rounding), NICKEL) if was_refused else max(cents(price, rounding), PENNY)
