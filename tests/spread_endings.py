"""How contracts of a world end without an order, what somebody else trades of their shares, and what the account tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from spread_worlds import FIRST, LONG, SHARES, SHORT, STRIKES, Change, Ended, S, World

from desk.core.spread_life import SEEN
from desk.domain.spreads import Settlement, Spread, SpreadSettled


def closed(world: World) -> World:
    """After the market has closed: a day's orders end with it."""
    orders = tuple(each if each.is_over else each.but(status=S.EXPIRED) for each in world.orders)
    return world.but(is_open=False, orders=orders)


def contracts_end(world: World) -> Iterator[Change]:
    """Early, by an assignment; or all of them, after what somebody else traded before that has been told."""
    if world.has_ended:
        return
    short, long = -world.of(SHORT), world.of(LONG)
    for count in range(1, short + 1 if world.may_assign else 1):
        after = _settles(world, SHORT, Settlement.ASSIGNED, count)
        yield Change(f"{count} assigned", _without_impossible(after).but(may_assign=world.may_assign - 1), False)
    if not world.may_expire or not (short or long) or _is_traded(world):
        return
    over = closed(world).but(has_ended=True)
    for name, short_kind, long_kind in (
        ("worthless", Settlement.EXPIRED, Settlement.EXPIRED),
        ("between the strikes", Settlement.ASSIGNED, Settlement.EXPIRED),
        ("through both strikes", Settlement.ASSIGNED, Settlement.EXERCISED),
    ):
        ended = _settles(_settles(over, SHORT, short_kind, short), LONG, long_kind, long)
        yield Change(f"expired {name}", ended, False)


def _settles(world: World, symbol: str, kind: Settlement, count: int) -> World:
    if not count:
        return world
    sign = {Settlement.ASSIGNED: 1, Settlement.EXERCISED: -1, Settlement.EXPIRED: 0}[kind]
    shares, name = sign * count * 100, f"{symbol}:{kind}:{world.of(symbol)}:{world.may_assign}"
    said = SpreadSettled(FIRST, symbol, kind, count, shares, STRIKES[symbol], name)
    gone = count if symbol == SHORT else -count
    held = {**world.held, symbol: world.of(symbol) + gone, SHARES: world.of(SHARES) + shares}
    cash = world.cash_usd - shares * STRIKES[symbol]
    return world.but(held=MappingProxyType(held), cash_usd=cash, ended=(*world.ended, Ended(said)))


def _without_impossible(world: World) -> World:
    """The broker ends orders that would close what is not there any more."""
    owed = -world.of(SHORT)
    orders = [each.but(status=S.CANCELED) if each.closing(SHORT) > owed else each for each in world.orders]
    return world.but(orders=tuple(orders))


def settlements(world: World) -> Iterator[Change]:
    """The account tells: by an activity, or by its positions before that."""
    spread = world.spreads[FIRST]
    for each in world.ended:
        if not _is_known(spread, each.said):
            continue
        left = tuple(other for other in world.ended if other is not each)
        yield Change("an activity is told", world.but(ended=left, book=world.book.settled(each.said, world.now)))
        is_assigned = each.said.kind is Settlement.ASSIGNED
        # Of bought puts that are gone the positions tell only while shares wait for word of them.
        shows = is_assigned or (each.said.symbol == LONG and spread.stock > 0 and not spread.short)
        # Of an assignment the positions tell while orders rest too, but not of one whose shares somebody else has sold.
        rests = not _is_traded(world) if is_assigned else not any(spread.working for spread in world.spreads.values())
        is_quiet = rests and not any(o.untold for o in world.orders)
        if shows and is_quiet and not each.is_seen:
            seen = replace(each.said, activity=f"{SEEN}{each.said.activity}")
            book = world.book.settled(seen, world.now)
            yield Change("shares are seen", world.but(ended=(*left, replace(each, is_seen=True)), book=book), False)


def _is_known(spread: Spread, said: SpreadSettled) -> bool:
    """Whether the desk knows of what an activity ends: of contracts that it does not know of yet it takes none for its own, nor a
    trade of such shares."""
    if said.symbol == SHARES:
        return spread.stock * -said.shares >= said.shares**2
    held = {SHORT: spread.short, LONG: spread.long}[said.symbol]
    return held + spread.inferred.get((said.symbol, said.kind), 0) >= said.contracts


def somebody_trades(world: World) -> Iterator[Change]:
    """A hundred shares of an assignment are sold, or such as are short for an exercise bought back, but none that an order of the
    desk's trades or may still trade."""
    working = (*(order for order in world.orders if not order.is_over), *world.on_the_way)
    is_set_aside = any(each.spec.symbol == SHARES and not each.spec.legs for each in working)
    if not (world.may_sell and world.is_open and world.of(SHARES)) or is_set_aside:
        return
    price, shares = Decimal(93), -100 if world.of(SHARES) > 0 else 100
    said = SpreadSettled(FIRST, SHARES, Settlement.TRADED, 0, shares, price, f"{SHARES}:{world.may_sell}")
    held = MappingProxyType({**world.held, SHARES: world.of(SHARES) + shares})
    cash, ended = world.cash_usd - shares * price, (*world.ended, Ended(said))
    name = "somebody sells shares" if shares < 0 else "somebody buys shares back"
    yield Change(name, world.but(held=held, cash_usd=cash, ended=ended, may_sell=world.may_sell - 1), False)


def _is_traded(world: World) -> bool:
    """Whether the account has not told yet what somebody else traded."""
    return any(each.said.symbol == SHARES for each in world.ended)
