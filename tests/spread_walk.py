"""Every world that a spread can come to, breadth first, and what has to hold in each."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from spread_broker import changes
from spread_worlds import FIRST, PAIRS, SHARES, Change, World, shape_of

from desk.core.spread_life import REFUSALS_BEFORE_LEGS
from desk.core.spread_moves import ASK_AGAIN, REFUSALS_OF_AN_ENTRY
from desk.domain.orders import TERMINAL, OrderSpec, OrderStatus, PositionIntent, Side
from desk.domain.spreads import Manner, Spread, SpreadPhase, Working
from desk.garbage import unsearched


@dataclass(slots=True)
class Walk:
    """Worlds by their shape's number, how each was come to, and the good ways between them."""

    worlds: int = 0
    ways: int = 0
    names: Counter[str] = field(default_factory=Counter)
    phases: Counter[SpreadPhase] = field(default_factory=Counter)
    came: list[tuple[int, str]] = field(default_factory=list)
    back: list[list[int]] = field(default_factory=list)
    flat: list[int] = field(default_factory=list)

    def story(self, number: int) -> str:
        """How a world was come to."""
        steps: list[str] = []
        while number > 0:
            number, name = self.came[number]
            steps.append(name)
        return "; ".join(reversed(steps))

    def stuck(self) -> list[int]:
        """Worlds from which nothing good leads to where all is sold and settled."""
        reached, todo = set(self.flat), deque(self.flat)
        while todo:
            for number in self.back[todo.popleft()]:
                if number not in reached:
                    reached.add(number)
                    todo.append(number)
        return [number for number in range(self.worlds) if number not in reached]


def walk(start: World, most: int = 2_000_000) -> Walk:
    """Raises AssertionError with its story for the first world in which something does not hold."""
    found = Walk()
    numbers: dict[Hashable, int] = {}
    todo: deque[World] = deque()

    def number_of(world: World, before: int, name: str) -> int:
        key = shape(world)
        if key not in numbers:
            numbers[key] = len(numbers)
            found.came.append((before, name))
            found.back.append([])
            todo.append(world)
        return numbers[key]

    number_of(start, 0, "")
    # Worlds know of nothing that knows of them, and there are so many that to search them for cycles takes long.
    with unsearched():
        while todo and found.worlds < most:
            _visit(found, todo.popleft(), number_of)
    return found


def _visit(found: Walk, world: World, number_of: Callable[[World, int, str], int]) -> None:
    number = found.worlds
    found.worlds += 1
    found.phases.update(spread.phase for spread in world.spreads.values())
    if world.is_flat:
        found.flat.append(number)
    for change in _safely(found, number, world):
        problem = next(problems(change.world), None)
        assert problem is None, f"{problem}\nafter {found.story(number)}; {change.name}\n{told_briefly(change.world)}"
        found.ways += 1
        found.names[change.name] += 1
        after = number_of(change.world, number, change.name)
        if change.is_good and after != number:
            found.back[after].append(number)


def _safely(found: Walk, number: int, world: World) -> Iterator[Change]:
    try:
        yield from changes(world)
    except (ValueError, AssertionError, ArithmeticError) as error:
        raise AssertionError(f"{error!r}\nafter {found.story(number)}\n{told_briefly(world)}") from error


def told_briefly(world: World) -> str:
    spreads = "\n".join(f"{each.phase} {each.contracts()} {each.working}" for each in world.spreads.values())
    return f"{spreads}\n{dict(world.held)} {world.orders} {world.on_the_way} {world.ended}"


# ---- what has to hold ------------------------------------------------------------------------------------------------------


def problems(world: World) -> Iterator[str]:
    for key, spread in world.spreads.items():
        yield from _bare(world, key)
        yield from _twice(world, spread)
    yield from _through_zero(world)
    if not world.is_told:
        return
    for key, spread in world.spreads.items():
        short, long = PAIRS[key]
        if (-world.of(short), world.of(long)) != (spread.short, spread.long):
            yield f"the desk takes {key} for {spread.contracts()}, the broker has {dict(world.held)}"
    if sum(spread.stock for spread in world.spreads.values()) != world.of("SPY"):
        yield "the desk has other shares than the broker"
    if sum(spread.cash_usd for spread in world.spreads.values()) != world.cash_usd:
        yield "the desk counts other cash than the broker"


def _bare(world: World, key: str) -> Iterator[str]:
    """Sold puts without bought ones, whichever of the orders at the broker fill."""
    short, long = PAIRS[key]
    sold, left = -world.of(short), world.of(long)
    for order in world.orders:
        intent, symbol = order.spec.position_intent, order.spec.symbol
        if intent is PositionIntent.SELL_TO_OPEN and symbol == short:
            sold += order.left
        elif intent is PositionIntent.SELL_TO_CLOSE and symbol == long:
            left -= order.left
    if sold > max(left, 0):
        yield f"{sold} sold puts of {key} may have {left} bought ones"


def _twice(world: World, spread: Spread) -> Iterator[str]:
    late = {each.spec.key for each in world.on_the_way if each.given_up_at}
    present = [order for order in spread.working if order.phase is not SpreadPhase.CLOSED]
    if len(present) > 1:
        yield f"{spread.key} has {len(present)} orders at work"
    if world.has_lost or spread.key != FIRST:
        return
    opening = sum(order.left for order in world.orders if opens(order.spec) and order.spec.key not in late)
    if opening - world.of(PAIRS[FIRST][0]) > spread.plan.contracts:
        yield f"{spread.key} may sell more than {spread.plan.contracts} contracts"


def _through_zero(world: World) -> Iterator[str]:
    """Orders for shares that are not there to sell, or not short."""
    for order in world.orders:
        if order.left and order.spec.symbol == SHARES and not order.spec.legs:
            owned = world.of(SHARES) * (1 if order.spec.side is Side.SELL else -1)
            if order.left > owned:
                yield f"{order.spec.side} {order.left} shares of {owned}"


def opens(spec: OrderSpec) -> bool:
    """Whether an order sells the first spread's put to open."""
    short = PAIRS[FIRST][0]
    sells = PositionIntent.SELL_TO_OPEN
    is_leg = any(leg.symbol == short and leg.intent is sells for leg in spec.legs)
    return is_leg or (spec.symbol == short and spec.position_intent is sells)


# ---- what is the same ------------------------------------------------------------------------------------------------------


def shape(world: World) -> Hashable:
    """What decides what can happen from here on: counters, names and times are not in it, only what they tell apart."""
    spreads = world.spreads
    keys = {each.spec.key for spread in spreads.values() for each in spread.working}
    keys |= {each.spec.key for each in (*world.orders, *world.on_the_way)}
    ranks = {key: rank for rank, key in enumerate(sorted(keys, key=_age))}
    return (
        tuple(_spread(spread, world, ranks) for spread in spreads.values()),
        world.is_open,
        world.has_ended,
        tuple(sorted((symbol, count) for symbol, count in world.held.items() if count)),
        tuple(sorted((ranks[order.spec.key], order.shape) for order in world.orders)),
        tuple(
            sorted((ranks[m.spec.key], shape_of(m.spec), m.given_up_at is None, m.may_come(world.now)) for m in world.on_the_way)
        ),
        tuple(sorted((e.said.symbol, e.said.kind, e.said.contracts, e.is_seen) for e in world.ended)),
        (world.may_lose, world.may_assign, world.may_expire, world.may_sell),
    )


def _age(key: str) -> tuple[str, int]:
    spread, _, number = key.rpartition("-")
    return spread, int(number)


def _spread(spread: Spread, world: World, ranks: dict[str, int]) -> Hashable:
    is_opening = spread.phase in (SpreadPhase.ENTERING, SpreadPhase.ROLLING)
    is_over = world.now - spread.since >= timedelta(seconds=spread.plan.rules.entry_seconds)
    return (
        spread.phase,
        (spread.short, spread.long, spread.stock, tuple(sorted(spread.inferred.items())), len(spread.coming)),
        min(spread.rung, spread.plan.rules.rungs - (not is_opening)),
        min(spread.refusals, _refusals_that_count(spread)),
        not spread.working and spread.retry_at is not None and world.now < spread.retry_at,
        is_over and is_opening,
        spread.plan.contracts,
        tuple(sorted((sale.symbol, sale.contracts) for sale in spread.lost if world.now < sale.until)),
        tuple((ranks[each.spec.key], *_working(each, spread, world)) for each in spread.working),
    )


def _refusals_that_count(spread: Spread) -> int:
    if spread.phase in (SpreadPhase.ENTERING, SpreadPhase.ROLLING):
        return REFUSALS_OF_AN_ENTRY
    leaves = spread.phase in (SpreadPhase.CLOSING, SpreadPhase.REPAIRING)
    return REFUSALS_BEFORE_LEGS if leaves and spread.plan.manner is Manner.ATOMIC else 0


def _working(order: Working, spread: Spread, world: World) -> tuple[Hashable, ...]:
    asked = order.cancel_asked_at
    is_stepping = asked is None and world.now - order.sent_at >= timedelta(seconds=spread.plan.rules.rung_seconds)
    since = None if asked is None else world.now - asked >= ASK_AGAIN
    is_late = order.phase is not spread.phase
    first = order.statuses.get(order.spec.first_role) is OrderStatus.FILLED
    over = tuple(order.statuses.get(role) in TERMINAL for role in order.spec.roles)
    return (is_late, order.phase is SpreadPhase.CLOSED, is_stepping and not is_late, since, first, over)
