"""What to do next about one option spread: an order, the end of one, a turn of its life, or nothing yet. Pure.

A spread has one order at a time. Prices at Alpaca do not change inside a multi-leg order, so the next step of a ladder is a new
order after the old one has ended. No order of the desk can leave a sold put without its bought one: both come and go together, or
the bought one comes first and goes last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from desk.core.spread_life import REFUSALS_BEFORE_LEGS
from desk.core.spread_prices import Pair, entry_credits, exit_debits, honest_pair, on_grid, single_prices
from desk.domain.options import OptionQuote
from desk.domain.orders import Leg, OrderClass, OrderSpec, OrderType, PositionIntent, Side
from desk.domain.prices import Rounding
from desk.domain.spreads import Manner, Spread, SpreadPhase, SpreadPlan, SpreadTurned, Turn, Working
from desk.domain.steps import Cancel, SpreadOrder
from options import ladder
from options.exits import CAN_WAIT, rule_of
from options.naming import spread_name

ASK_AGAIN = timedelta(seconds=30)
# Refused so often in a row, an entry is given up.
REFUSALS_OF_AN_ENTRY = 2
# An exit waits so long for quotes of both legs that can be traded at; then what is owed is bought back by its own quote.
UNQUOTED_AFTER = timedelta(minutes=2)
ATOMIC_CLOSE = (PositionIntent.BUY_TO_CLOSE, PositionIntent.SELL_TO_CLOSE)
ATOMIC_OPEN = (PositionIntent.SELL_TO_OPEN, PositionIntent.BUY_TO_OPEN)

Move = SpreadOrder | Cancel | SpreadTurned


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known while a spread is looked at. `quotes` are of its contracts, fresh ones alone; `may_open` is whether the desk
    opens anything now; `has_ended` whether its contracts have seen their last trade. `wish` is what a rule or a person wants.
    `partner` is the spread that it is rolled into, or comes from. `unquoted_since` is when the two were last quoted honestly, of
    an open market, None while they are. With `waits` an exit that nothing hurries is not begun yet. `shares_there` are shares
    of its stock that the account holds, or owes, for this spread, above zero; None where nobody has asked.
    """

    now: datetime
    is_open: bool
    may_open: bool
    has_ended: bool = False
    quotes: Mapping[str, OptionQuote] = field(default_factory=dict)
    wish: SpreadTurned | None = None
    partner: Spread | None = None
    unquoted_since: datetime | None = None
    waits: bool = False
    shares_there: int | None = None


def next_move(spread: Spread, sight: Sight) -> Move | None:
    """One move; ask again after it was journaled, until there is none."""
    if spread.working:
        return _about_orders(spread, sight)
    if spread.phase is SpreadPhase.CLOSED or spread.coming or min(spread.short, spread.long) < 0:
        return None  # more news is on its way: half of a roll is told, or the end of contracts before their fill
    if spread.naked and not sight.has_ended and spread.phase in (SpreadPhase.ENTERING, SpreadPhase.OPEN, SpreadPhase.ROLLING):
        return SpreadTurned(spread.key, Turn.LEAVE, f"{spread.naked} sold puts are without their bought ones")
    if sight.wish is not None and _is_new(spread, sight):
        return sight.wish
    if not sight.is_open and spread.phase is not SpreadPhase.ENTERING:
        return None
    if spread.retry_at is not None and sight.now < spread.retry_at and spread.phase is not SpreadPhase.ENTERING:
        return None
    if sight.waits and spread.phase is SpreadPhase.CLOSING and not spread.naked:
        return None
    return _MOVES[spread.phase](spread, sight)


def _is_new(spread: Spread, sight: Sight) -> bool:
    """Whether what is wished changes anything: who is leaving already is left alone but for what cannot wait, and into one
    spread is rolled once."""
    if sight.wish is not None and sight.wish.turn is Turn.ROLL:
        into = sight.partner
        return spread.phase is SpreadPhase.OPEN and into is not None and into.plan.decided_at > spread.since
    if spread.phase is SpreadPhase.CLOSING and sight.wish is not None:
        return rule_of(spread.why) in CAN_WAIT and rule_of(sight.wish.reason) not in (None, rule_of(spread.why))
    return spread.phase in (SpreadPhase.ENTERING, SpreadPhase.OPEN, SpreadPhase.ROLLING)


# ---- orders at the broker ------------------------------------------------------------------------------------------------


def _about_orders(spread: Spread, sight: Sight) -> Move | None:
    """Wait for them, or call one back: because it is late, because the spread goes another way, because its step is over."""
    for order in spread.working:
        reason, asked = _why_cancel(spread, order, sight), order.cancel_asked_at
        if reason is not None and (asked is None or sight.now - asked >= ASK_AGAIN):
            return Cancel(f"{order.spec.key}-x{sight.now:%d%H%M%S}", order.spec.key, order.spec.symbol, reason)
    return None


def _why_cancel(spread: Spread, order: Working, sight: Sight) -> str | None:
    if order.phase is not spread.phase:
        return f"the spread is {spread.phase} now"
    if order.sent_at < spread.since:
        return spread.why  # another reason has taken over, and its ladder begins anew
    if order is not spread.working[-1]:
        return "a newer order of the spread is at work"
    if order.cancel_asked_at is not None:
        return "it has not ended yet"
    if sight.wish is not None and _is_new(spread, sight):
        return sight.wish.reason
    if not sight.is_open:
        return None  # a day's order ends with the day
    if spread.phase in (SpreadPhase.ENTERING, SpreadPhase.ROLLING) and not sight.may_open:
        return "the desk opens nothing now"
    return _why_next_step(spread, order, sight)


def _why_next_step(spread: Spread, order: Working, sight: Sight) -> str | None:
    if order.spec.type is OrderType.MARKET or sight.now - order.sent_at < timedelta(seconds=spread.plan.rules.rung_seconds):
        return None
    is_last = spread.rung >= spread.plan.rules.rungs - 1
    if spread.phase is SpreadPhase.ENTERING:
        waited = sight.now - spread.since >= timedelta(seconds=spread.plan.rules.entry_seconds)
        rests = is_last or _asks_least(spread, order, sight)
        return "nobody took it in time" if waited else None if rests else "the next step of the ladder"
    return None if is_last and not _is_behind(spread, order, sight) else "the next step of the ladder"


def _asks_least(spread: Spread, order: Working, sight: Sight) -> bool:
    """Whether the steps that are left would send a package again as it is: it keeps its place in the queue."""
    quotes = honest_pair(spread.plan, sight.quotes)
    return quotes is not None and len(order.spec.legs) == 2 and order.spec.limit_price == -entry_credits(spread.plan, quotes)[-1]


def _is_behind(spread: Spread, order: Working, sight: Sight) -> bool:
    """Whether the market has moved away from an order that stands at the last step of its ladder."""
    spec = order.spec
    if spec.limit_price is None or len(spec.legs) > 2:
        return True
    if spec.legs:
        pair = honest_pair(spread.plan, sight.quotes)
        return _goes_alone(spread, sight) or (pair is not None and exit_debits(spread, pair)[-1] > spec.limit_price)
    quote, is_buy = sight.quotes.get(spec.symbol), spec.side is Side.BUY
    if spec.quantity > (spread.short if is_buy else spread.long):
        return True  # a part of it is done, or was assigned meanwhile
    if quote is None or quote.ask <= 0 or (quote.bid <= 0 and not is_buy):
        return False
    last = single_prices(spread, sight.quotes, spec.symbol, spec.side)[-1]
    return last > spec.limit_price if is_buy else last < spec.limit_price


# ---- entering --------------------------------------------------------------------------------------------------------------


def _enter(spread: Spread, sight: Sight) -> Move | None:
    if spread.plan.rolled_from is not None:
        return _enter_by_roll(spread, sight)
    rules, plan = spread.plan.rules, spread.plan
    over = _why_entry_is_over(spread, sight)
    if over is not None:
        return SpreadTurned(spread.key, Turn.ENTRY_OVER, over)
    if spread.retry_at is not None and sight.now < spread.retry_at:
        return None
    quotes = honest_pair(plan, sight.quotes)
    if quotes is None:
        return None
    if plan.manner is Manner.LEGGED:
        return _enter_by_legs(spread, quotes, sight.now)
    missing = plan.contracts - min(spread.short, spread.long)
    net = -entry_credits(plan, quotes)[min(spread.rung, rules.rungs - 1)]
    return _package(spread, missing, net, ATOMIC_OPEN, "enters")


def _why_entry_is_over(spread: Spread, sight: Sight) -> str | None:
    if not sight.is_open:
        return "the market is closed"
    if not sight.may_open:
        return "the desk opens nothing now"
    if spread.refusals >= REFUSALS_OF_AN_ENTRY:
        return f"the broker did not take it: {spread.refused}"
    if spread.rung >= spread.plan.rules.rungs:
        return "nobody took it at the least credit"
    if sight.now - spread.since >= timedelta(seconds=spread.plan.rules.entry_seconds):
        return "nobody took it in time"
    return None


def _enter_by_roll(spread: Spread, sight: Sight) -> Move | None:
    """The order belongs to the spread that it comes from; when that one has stopped rolling, what came is what there is."""
    source = sight.partner
    if source is not None and (source.phase is SpreadPhase.ROLLING or source.working):
        return None
    return SpreadTurned(spread.key, Turn.ENTRY_OVER, "the roll has ended")


def _enter_by_legs(spread: Spread, quotes: Pair, now: datetime) -> Move | None:
    """The protection first; nothing is sold before it is there, nor while a sale that was given up may come after all."""
    short, long = quotes
    plan, rules = spread.plan, spread.plan.rules
    step = min(spread.rung, rules.rungs - 1)
    if spread.long < plan.contracts:
        price = on_grid(spread, ladder.rising(long.mid, long.ask, rules.rungs)[step], Rounding.DOWN)
        if short.bid - price < plan.floor:
            why = f"the legs would bring {short.bid - price}, the least is {plan.floor}"
            return SpreadTurned(spread.key, Turn.ENTRY_OVER, why)
        return _single(spread, plan.long, plan.contracts - spread.long, price, PositionIntent.BUY_TO_OPEN, "protection first")
    count = min(plan.contracts, spread.long) - spread.owed(now)
    if count <= 0:
        return None
    paid = -spread.cash_usd / (100 * spread.long) if not spread.short else long.ask
    price = on_grid(spread, max(ladder.falling(short.mid, short.bid, rules.rungs)[step], plan.floor + paid), Rounding.UP)
    return _single(spread, plan.short, count, price, PositionIntent.SELL_TO_OPEN, "its bought put is there")


# ---- held -----------------------------------------------------------------------------------------------------------------


def _hold(spread: Spread, sight: Sight) -> Move | None:
    """Nothing to do but for what is more than was wanted."""
    plan, more = spread.plan, min(spread.short, spread.long) - spread.plan.contracts
    if sight.has_ended:
        return None
    if more > 0:
        return _close_package(spread, sight, more, "more than was wanted")
    if spread.long > spread.short and not (plan.rules.keeps_long and spread.short == 0):
        return _sell(spread, sight, plan.long, min(spread.long - spread.short, spread.spare(sight.now)))
    return None


def _roll(spread: Spread, sight: Sight) -> Move | None:
    """Out of this spread and into its partner with one order, for a credit."""
    into, rules = sight.partner, spread.plan.rules
    if into is None or not sight.may_open or spread.rung >= rules.rungs or spread.refusals >= REFUSALS_OF_AN_ENTRY:
        return SpreadTurned(spread.key, Turn.ROLL_OVER, "it could not be rolled for a credit")
    if sight.now - spread.since >= timedelta(seconds=rules.entry_seconds):
        return SpreadTurned(spread.key, Turn.ROLL_OVER, "it could not be rolled in time")
    out, back = honest_pair(spread.plan, sight.quotes), honest_pair(into.plan, sight.quotes)
    if out is None or back is None:
        return None  # the quotes of this look were asked for before its partner was there
    mid = back[0].mid - back[1].mid - (out[0].mid - out[1].mid)
    natural = back[0].bid - back[1].ask - (out[0].ask - out[1].bid)
    credits = ladder.entry_credits(mid, natural, into.plan.floor, rules.rungs)
    if mid < into.plan.floor:
        return SpreadTurned(spread.key, Turn.ROLL_OVER, f"it would bring less than {into.plan.floor} now")
    units = min(spread.short, spread.long, into.plan.contracts - min(into.short, into.long))
    if units <= 0:
        return SpreadTurned(spread.key, Turn.ROLL_OVER, "all that was wanted is rolled")
    legs = (*_legs(spread.plan, ATOMIC_CLOSE), *_legs(into.plan, ATOMIC_OPEN))
    spec = _multi_leg(spread, units, -credits[min(spread.rung, rules.rungs - 1)], legs)
    name = spread_name(into.plan.underlying, into.plan.short, into.plan.long)
    return SpreadOrder(spec, spread.key, f"rolls into {name}", into.key)


# ---- leaving ---------------------------------------------------------------------------------------------------------------


def _leave(spread: Spread, sight: Sight) -> Move | None:
    if sight.has_ended and (spread.short or spread.long):
        return None  # the broker tells what became of them; the bought put may have taken the shares away again
    sale = _sell_shares(spread, sight) if spread.stock else None
    if sale is not None:
        return sale
    both = min(spread.short, spread.long)
    if both and not spread.naked and spread.refusals < REFUSALS_BEFORE_LEGS and spread.plan.manner is Manner.ATOMIC:
        return _close_package(spread, sight, both, spread.why)
    if spread.short > 0:
        return _buy_back(spread, sight, spread.short, spread.why)
    # Bought puts protect shares of which nobody knows where they are.
    return None if spread.stock else _sell(spread, sight, spread.plan.long, spread.spare(sight.now))


def _close_package(spread: Spread, sight: Sight, units: int, why: str) -> Move | None:
    """Both legs in one order, or what is owed alone."""
    if _goes_alone(spread, sight):
        return _buy_back(spread, sight, units, why)
    pair = honest_pair(spread.plan, sight.quotes)
    if pair is None:
        return None
    prices = exit_debits(spread, pair)
    return _package(spread, units, prices[min(spread.rung, len(prices) - 1)], ATOMIC_CLOSE, why)


def _goes_alone(spread: Spread, sight: Sight) -> bool:
    """Whether what is owed is bought back by itself: nobody bids for the bought put, so that no order of both trades, or nobody
    has quoted the two as they could be traded at for so long that the exit waits no more. The bought put protects meanwhile."""
    quote = sight.quotes.get(spread.plan.long)
    if quote is not None and quote.bid <= 0:
        return True
    is_late = sight.unquoted_since is not None and sight.now - sight.unquoted_since >= UNQUOTED_AFTER
    return is_late and spread.plan.short in sight.quotes and honest_pair(spread.plan, sight.quotes) is None


def _buy_back(spread: Spread, sight: Sight, count: int, why: str) -> Move | None:
    quote = sight.quotes.get(spread.plan.short)
    if quote is None or quote.ask <= 0:
        return None
    steps = single_prices(spread, sight.quotes, spread.plan.short, Side.BUY)
    price = steps[min(spread.rung, len(steps) - 1)]
    return _single(spread, spread.plan.short, count, price, PositionIntent.BUY_TO_CLOSE, why)


def _sell(spread: Spread, sight: Sight, symbol: str, count: int) -> Move | None:
    quote = sight.quotes.get(symbol)
    if count <= 0 or quote is None or quote.bid <= 0:
        return None  # worth nothing to anybody: it protects until it expires
    steps = single_prices(spread, sight.quotes, symbol, Side.SELL)
    price = steps[min(spread.rung, len(steps) - 1)]
    return _single(spread, symbol, count, price, PositionIntent.SELL_TO_CLOSE, spread.why)


def _sell_shares(spread: Spread, sight: Sight) -> SpreadOrder | None:
    """Shares that nobody wanted go at the market, and such as are short come back; the bought put protects them until they have.
    Where they are gone already, somebody else may have traded them: it stays until that is known."""
    side, count = Side.SELL if spread.stock > 0 else Side.BUY, abs(spread.stock)
    if sight.shares_there is not None:
        count = min(count, max(0, sight.shares_there))
    if not count:
        return None
    spec = OrderSpec(_key(spread), spread.plan.underlying, side, count, OrderType.MARKET)
    return SpreadOrder(spec, spread.key, spread.why)


_MOVES: Mapping[SpreadPhase, Callable[[Spread, Sight], Move | None]] = {
    SpreadPhase.ENTERING: _enter,
    SpreadPhase.OPEN: _hold,
    SpreadPhase.ROLLING: _roll,
    SpreadPhase.CLOSING: _leave,
    SpreadPhase.REPAIRING: _leave,
}


# ---- orders ----------------------------------------------------------------------------------------------------------------


def _key(spread: Spread) -> str:
    """The journal counts a spread's orders, so a restart never gives a key again."""
    return f"{spread.plan.key}-{spread.orders + 1}"


def _legs(plan: SpreadPlan, intents: tuple[PositionIntent, PositionIntent]) -> tuple[Leg, Leg]:
    return Leg(plan.short, 1, intents[0]), Leg(plan.long, 1, intents[1])


def _package(spread: Spread, units: int, net: Decimal, intents: tuple[PositionIntent, PositionIntent], why: str) -> SpreadOrder:
    """Both legs in one order: `units` of one to one, a debit above zero, a credit below."""
    return SpreadOrder(_multi_leg(spread, units, net, _legs(spread.plan, intents)), spread.key, why)


def _multi_leg(spread: Spread, units: int, net: Decimal, legs: tuple[Leg, ...]) -> OrderSpec:
    return OrderSpec(
        key=_key(spread),
        symbol=spread.plan.underlying,
        side=Side.BUY if net > 0 else Side.SELL,
        quantity=units,
        type=OrderType.LIMIT,
        order_class=OrderClass.MULTI_LEG,
        limit_price=net,
        legs=legs,
    )


def _single(spread: Spread, symbol: str, count: int, price: Decimal, intent: PositionIntent, why: str) -> SpreadOrder:
    spec = OrderSpec(
        key=_key(spread),
        symbol=symbol,
        side=intent.side,
        quantity=count,
        type=OrderType.LIMIT,
        limit_price=price,
        position_intent=intent,
    )
    return SpreadOrder(spec, spread.key, why)
