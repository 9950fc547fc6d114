"""A pure broker for one option spread, or for two of which one rolls into the other, and all that may happen between it and the
desk's book: messages that are taken, refused, lost or late, fills, news in any order, assignments, expirations, crashes.

A world is a desk's book and a broker's. The desk's process may end between any two steps: its book is what the journal's rows
make of it, and nothing else is kept, so a crash is what it leaves behind: a row without a message, a message without an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from spread_endings import closed, contracts_end, settlements, somebody_trades
from spread_worlds import (
    CLOSES,
    FIRST,
    GOOD,
    LATE,
    MARKETS,
    PAIRS,
    PHASES,
    SECOND,
    SHARES,
    TICK,
    AtBroker,
    Change,
    OnTheWay,
    S,
    World,
    begin,
    plan,
)

from desk.core.groups import side_of
from desk.core.spread_moves import Move, Sight, next_move
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderSpec, PositionIntent, Side
from desk.domain.spreads import Manner, Spread, SpreadOpened, SpreadTurned, Turn
from desk.domain.steps import Cancel, SpreadOrder


def held_spread(contracts: int, manner: Manner = Manner.ATOMIC, **chances: int | bool) -> World:
    """A world in which the entry of a spread that may be rolled has filled."""
    world = begin(plan(contracts, manner, is_rolled=True))
    wanted = ("an order arrives", "an order fills", "entry is told", "leg_1 is told", "leg_2 is told")
    while world.spreads[FIRST].phase is PHASES.ENTERING:
        world = next(each.world for each in changes(world) if each.name in wanted and each.is_good)
    return world.but(**chances)


def changes(world: World) -> Iterator[Change]:
    """All that may happen next."""
    for key, spread in world.spreads.items():
        if not spread.is_closed:
            yield from _desk_moves(world, key)
    yield from _time_passes(world)
    for order in world.orders:
        yield from _order_goes_on(world, order)
        yield from _news(world, order)
    for message in world.on_the_way:
        yield from _message_goes_on(world, message)
    yield from contracts_end(world)
    yield from somebody_trades(world)
    yield from settlements(world)
    yield from _roll_is_prepared(world)


# ---- the desk --------------------------------------------------------------------------------------------------------------


def _desk_moves(world: World, key: str) -> Iterator[Change]:
    done: set[object] = set()
    spread = world.spreads[key]
    for sight, is_good in sights(world, key):
        move = next_move(spread, sight)
        if move is None or _alike(move) in done:
            continue
        done.add(_alike(move))
        yield from moved(world, move, is_good)


def _alike(move: Move) -> object:
    if isinstance(move, SpreadOrder):
        return (move.spec.symbol, move.spec.quantity, move.spec.legs, move.spec.position_intent)
    return (move.turn,) if isinstance(move, SpreadTurned) else (move.of_key,)


def sights(world: World, key: str) -> Iterator[tuple[Sight, bool]]:
    """What the desk may see, and whether that is what it needs to get on."""
    spread = world.spreads[key]
    is_early = spread.phase in (PHASES.ENTERING, PHASES.OPEN, PHASES.ROLLING)
    turns = (None, Turn.LEAVE, Turn.ROLL) if is_early else (None,)
    markets = MARKETS[:1] if spread.working else MARKETS
    has_ended, partner = world.has_ended and key == FIRST, _partner(world, spread)
    for turn in turns:
        wish = None if turn is None else SpreadTurned(key, turn, "a rule says so")
        for may_open in (True, False) if is_early else (True,):
            for quotes in markets:
                there = max(0, -world.of(SHARES) if spread.stock < 0 else world.of(SHARES))
                sight = Sight(world.now, world.is_open, may_open, has_ended, quotes, wish, partner, shares_there=there)
                yield sight, may_open and quotes is GOOD and turn is not Turn.ROLL


def _partner(world: World, spread: Spread) -> Spread | None:
    if spread.plan.rolled_from is not None and spread.phase is PHASES.ENTERING:
        return world.book.spread(spread.plan.rolled_from)
    into = world.book.open.get(SECOND)
    return into if spread.key == FIRST and into is not None and into.phase is PHASES.ENTERING else None


def moved(world: World, move: Move, is_good: bool) -> Iterator[Change]:
    """After the row of a move was written: what becomes of its message."""
    if isinstance(move, SpreadTurned):
        assert "without their bought ones" not in move.reason, "the desk took half of the news for the whole"
        yield Change(f"{move.key} {move.turn}", world.but(book=world.book.turned(move, world.now)), is_good)
    elif isinstance(move, Cancel):
        yield from _cancel_goes(world, move, is_good)
    else:
        yield from _order_goes(world, move, is_good)


def _cancel_goes(world: World, move: Cancel, is_good: bool) -> Iterator[Change]:
    asked = world.but(book=world.book.cancel_asked(move, world.now))
    refused = asked.but(book=asked.book.cancel_refused(move.of_key))
    at_broker = next((each for each in world.orders if each.spec.key == move.of_key and not each.is_over), None)
    yield Change("a cancel is refused", refused, at_broker is None and is_good)
    if at_broker is None:
        return
    there = at_broker.but(is_cancel_asked=True)
    yield Change("a cancel arrives", _with_order(asked, there), is_good)
    yield Change("a cancel is lost", asked, False)
    # The process ended before it heard the answer.
    yield Change("a cancel arrives, its answer does not", _with_order(refused, there), False)


def _order_goes(world: World, move: SpreadOrder, is_good: bool) -> Iterator[Change]:
    spec = move.spec
    sent = world.but(book=world.book.sent(move, world.now))
    refusal = BrokerRefusal(spec.key, 403, 40310000, "refused", explained=True)
    if world.may_refuse or is_refused(world, spec):
        yield Change("an order is refused", sent.but(book=sent.book.refused(refusal, world.now)), is_refused(world, spec))
    if world.may_lose and len(spec.legs) >= world.loses_from:
        lost = sent.but(on_the_way=(*sent.on_the_way, OnTheWay(spec)), may_lose=world.may_lose - 1, has_lost=True)
        yield Change("an order does not arrive", lost, False)
    if is_refused(world, spec):
        return
    there = sent.but(orders=(*sent.orders, AtBroker(spec)))
    yield Change("an order arrives, its answer does not", there, False)
    for role in spec.roles:
        there = told(there, _order(there, spec.key), role)
    yield Change("an order arrives", there, is_good)


def is_refused(world: World, spec: OrderSpec) -> bool:
    """Whether the broker cannot take an order: its contracts have ended, or it closes more than there is."""
    parts = spec.legs or ((spec.symbol, spec.position_intent),)
    for part in parts:
        symbol, intent = part if isinstance(part, tuple) else (part.symbol, part.intent)
        if world.has_ended and symbol in PAIRS[FIRST]:
            return True
        if intent in CLOSES:
            set_aside = sum(order.closing(symbol) for order in world.orders)
            owned = world.of(symbol) if intent is PositionIntent.SELL_TO_CLOSE else -world.of(symbol)
            if spec.quantity > owned - set_aside:
                return True
    return False


# ---- messages and orders ---------------------------------------------------------------------------------------------------


def _message_goes_on(world: World, message: OnTheWay) -> Iterator[Change]:
    gone = world.but(on_the_way=tuple(each for each in world.on_the_way if each is not message))
    key = message.spec.key
    unsent = BrokerRefusal(key, None, None, "never reached the broker", explained=True, unsent=True)
    if message.given_up_at is None:
        there = replace(message, given_up_at=world.now)
        given_up = gone.but(on_the_way=(*gone.on_the_way, there), book=world.book.refused(unsent, world.now))
        yield Change("an order is given up", given_up)
    else:
        yield Change("an order never comes", gone)
    if message.may_come(world.now) and not is_refused(world, message.spec):
        yield Change("an order comes late", gone.but(orders=(*gone.orders, AtBroker(message.spec))), False)


def _order_goes_on(world: World, order: AtBroker) -> Iterator[Change]:
    if order.is_over:
        return
    if order.is_cancel_asked:
        yield Change("an order is canceled", _with_order(world, order.but(status=S.CANCELED)))
    if not world.is_open:
        return
    yield Change("an order fills", filled(world, order, order.left))
    part = 100 if order.spec.symbol == SHARES and not order.spec.legs else 1
    if order.left > part:
        yield Change("a part fills", filled(world, order, part), False)


def filled(world: World, order: AtBroker, units: int) -> World:
    held, cash = dict(world.held), world.cash_usd
    for role in order.spec.roles[1:] if order.spec.legs else order.spec.roles:
        symbol, side, price = order.spec.symbol_of(role), side_of(order.spec, role), price_of(order.spec, role)
        signed = units if side is Side.BUY else -units
        held[symbol] = held.get(symbol, 0) + signed
        cash -= signed * price * (1 if symbol == SHARES else 100)
    count = order.filled + units
    status = S.FILLED if count == order.spec.quantity else S.PARTIALLY_FILLED
    after = world.but(held=MappingProxyType(held), cash_usd=cash)
    return _with_order(after, order.but(filled=count, status=status))


def price_of(spec: OrderSpec, role: GroupRole) -> Decimal:
    """Of a package's legs a dollar each, and the first one what is left of the limit."""
    if not spec.legs:
        return spec.limit_price or Decimal(99)
    if role is GroupRole.ENTRY:
        return spec.limit_price or Decimal(0)
    if role is not GroupRole.LEG_1:
        return Decimal(1)
    others = sum(1 if leg.side is Side.BUY else -1 for leg in spec.legs[1:])
    first = (spec.limit_price or Decimal(0)) - others
    return first if spec.legs[0].side is Side.BUY else -first


# ---- news ------------------------------------------------------------------------------------------------------------------


def _news(world: World, order: AtBroker) -> Iterator[Change]:
    """The first or the last member of which there is news is told next."""
    for role in dict.fromkeys((*order.untold[:1], *order.untold[-1:])):
        after = told(world, order, role)
        yield Change(f"{role} is told", _without_ended(after, order.spec.key))


def told(world: World, order: AtBroker, role: GroupRole) -> World:
    book = world.book
    for event in events(order, role, world.now):
        book = book.heard(event)
    there = order.but(told=MappingProxyType({**order.told, role: (order.status, order.filled)}))
    return _with_order(world.but(book=book), there)


def events(order: AtBroker, role: GroupRole, at: datetime) -> Iterator[OrderEvent]:
    """What is new of a member: its fills, and how it stands; an order that ended with a part filled tells of the part first."""
    spec, before = order.spec, order.told.get(role, (None, 0))[1]
    if order.filled > before:
        name, side = f"{spec.key}:{role}:{order.filled}", side_of(spec, role)
        fresh, price = order.filled - before, price_of(spec, role)
        fill = Fill(name, spec.key, spec.symbol_of(role), side, fresh, price, at, role, order.filled)
        status = S.FILLED if order.status is S.FILLED else S.PARTIALLY_FILLED
        yield OrderEvent(spec.key, role, status, at, "id", fill)
        if status is order.status:
            return
    yield OrderEvent(spec.key, role, order.status, at, "id")


def stale(order: AtBroker, at: datetime) -> Iterator[OrderEvent]:
    """What was told before, again: that it works, and its fills."""
    for role in order.spec.roles:
        yield OrderEvent(order.spec.key, role, S.WORKING, at, "id")
        yield from events(order.but(told=MappingProxyType({})), role, at)


def _without_ended(world: World, key: str) -> World:
    """An order of which all was told is forgotten. Whatever is told of it again changes nothing."""
    order = _order(world, key)
    if order.untold or not order.is_over:
        return world
    book = world.book
    for event in stale(order, world.now):
        book = book.heard(event)
    assert (book.open, dict(book.closed)) == (world.book.open, dict(world.book.closed)), "old news changed the book"
    return world.but(orders=tuple(each for each in world.orders if each is not order))


def _order(world: World, key: str) -> AtBroker:
    return next(each for each in world.orders if each.spec.key == key)


def _with_order(world: World, order: AtBroker) -> World:
    return world.but(orders=tuple(order if each.spec.key == order.spec.key else each for each in world.orders))


# ---- time ------------------------------------------------------------------------------------------------------------------


def _time_passes(world: World) -> Iterator[Change]:
    yield Change("a while passes", world.but(now=world.now + TICK))
    # The desk looks at its orders every few minutes: no news is withheld for hours, but for activities.
    is_looked_at = not any(order.untold for order in world.orders) and all(each.given_up_at for each in world.on_the_way)
    if is_looked_at:
        yield Change("hours pass", world.but(now=world.now + LATE))
    if world.is_open and world.may_close:
        yield Change("the market closes", closed(world), False)
    elif not world.is_open:
        yield Change("the market opens", world.but(is_open=True))


def _roll_is_prepared(world: World) -> Iterator[Change]:
    """The spread to roll into is decided; the turn of the one that rolls is another row, which a crash may keep from coming."""
    first = world.spreads.get(FIRST)
    if first is None or not first.plan.rules.is_rolled or first.phase is not PHASES.OPEN or SECOND in world.spreads:
        return
    count = min(first.short, first.long)
    if count and not world.has_ended:
        later = world.but(now=world.now + TICK)
        said = SpreadOpened(plan(count, key=SECOND, decided_at=later.now))
        yield Change("a roll is prepared", later.but(book=world.book.opened(said)), False)
