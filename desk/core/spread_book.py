"""The book of option spreads: what orders, news of them and settlements make of each. The same rows, the same book."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from desk.core.lifecycle import next_status
from desk.core.spread_life import REFUSALS_BEFORE_LEGS, settled, turned, with_fill
from desk.domain.grown import Grown
from desk.domain.journal import BrokerRefusal
from desk.domain.options import CONTRACT_SHARES
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderSpec, OrderStatus, Side
from desk.domain.spreads import LostSale, Manner, Spread, SpreadOpened, SpreadPhase, SpreadSettled, SpreadTurned, Turn, Working
from desk.domain.steps import Cancel, SpreadOrder
from desk.domain.trades import Filled, member_name
from options import occ

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(minutes=5)
# An order that was given up does not come later than this: it is a day's order.
COMES_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SpreadBook:
    """All spreads; `open` by key, `closed` likewise, the oldest first. `owners` are the spreads of an order by its key, two of
    one that rolls, the one that it leaves first. `given_up` are orders that the broker never took, as far as anybody knows, and
    which have not come after all. `seen` and `filled` are as those of `desk.domain.trades.Book`: news of the same fill comes more
    than once.
    """

    open: Mapping[str, Spread] = field(default_factory=lambda: MappingProxyType({}))
    closed: Grown[str, Spread] = field(default_factory=Grown)
    owners: Grown[str, tuple[str, ...]] = field(default_factory=Grown)
    orders: Grown[str, SpreadOrder] = field(default_factory=Grown)
    given_up: Grown[str, bool] = field(default_factory=Grown)
    seen: Grown[str, bool] = field(default_factory=Grown)
    filled: Grown[str, Filled] = field(default_factory=Grown)

    def spread(self, key: str) -> Spread | None:
        return self.open.get(key) or self.closed.get(key)

    def owns(self, order_key: str) -> bool:
        return order_key in self.owners

    def contracts(self) -> dict[str, int]:
        """Signed positions of all spreads by symbol, shares that assignments brought among them."""
        held: dict[str, int] = {}
        for spread in self.open.values():
            for symbol, count in spread.contracts().items():
                held[symbol] = held.get(symbol, 0) + count
        return {symbol: count for symbol, count in held.items() if count}

    def reserved_usd(self) -> Decimal:
        """What the spreads may still cost at the worst, entries that go on included: the account has to keep it."""
        return sum((_worst_usd(spread) for spread in self.open.values()), start=Decimal(0))

    def unsent_usd(self) -> Decimal:
        """The part of it of spreads of which no order was sent yet, so that no broker can have set anything aside for them."""
        return sum((_worst_usd(spread) for spread in self.open.values() if not spread.orders), start=Decimal(0))

    def every_contract(self) -> frozenset[str]:
        """Contracts of every spread that there ever was."""
        every = (*self.open.values(), *self.closed.values())
        return frozenset(symbol for spread in every for symbol in (spread.plan.short, spread.plan.long))

    def of_contract(self, symbol: str) -> tuple[Spread, ...]:
        """Open spreads that hold a contract, the oldest first."""
        return tuple(each for each in self.open.values() if symbol in (each.plan.short, each.plan.long))

    # ---- what happens ------------------------------------------------------------------------------------------------------

    def opened(self, said: SpreadOpened) -> SpreadBook:
        plan = said.plan
        if self.spread(plan.key) is not None:
            raise ValueError(f"spread {plan.key} is in the book already")
        return self._with(Spread(plan, plan.decided_at, why=plan.reason))

    def turned(self, said: SpreadTurned, at: datetime) -> SpreadBook:
        """Raises ValueError for a turn that the phase does not know, and for a spread that is not there."""
        return self._settled_down(said.key, turned(self._known(said.key), said.turn, said.reason, at), at)

    def sent(self, step: SpreadOrder, at: datetime) -> SpreadBook:
        """After an order was journaled. One that rolls belongs to both spreads, and works for the one that it leaves."""
        owners = (step.spread,) if step.into is None else (step.spread, step.into)
        spread = self._known(step.spread)
        working = (*spread.working, Working(step.spec, at, spread.phase))
        book = replace(self, owners=self.owners.with_item(step.key, owners), orders=self.orders.with_item(step.key, step))
        return book._with(replace(spread, working=working, orders=spread.orders + 1))._coming(step.key)

    def cancel_asked(self, step: Cancel, at: datetime) -> SpreadBook:
        return self._changed(step.of_key, lambda working: replace(working, cancel_asked_at=at, asks=working.asks + 1))

    def refused(self, refusal: BrokerRefusal, at: datetime) -> SpreadBook:
        """After the broker took an order not, or a cancel of it. Whoever was refused waits, the longer the more often."""
        spread = self._worker(refusal.key)
        if spread is None:
            return self
        left = tuple(each for each in spread.working if each.spec.key != refusal.key)
        lost = (*spread.lost, *_lost_sale(self.orders[refusal.key].spec, at)) if refusal.unsent else spread.lost
        spread = replace(spread, working=left, lost=lost)
        # What never left says nothing about whether the broker would take it.
        spread = _waiting(spread, at) if refusal.unsent else _refused(spread, refusal.message, at)
        book = replace(self, given_up=self.given_up.with_item(refusal.key, True))
        return book._settled_down(spread.key, spread, at)._came(refusal.key, at)

    def cancel_refused(self, of_key: str) -> SpreadBook:
        """After a cancel was not carried out: the order stands as before, and may be asked again."""
        return self._changed(of_key, lambda working: replace(working, cancel_asked_at=None))

    def heard(self, event: OrderEvent) -> SpreadBook:
        """After news of an order. A fill counts once, whatever the order's status; news that cannot be changes nothing else."""
        book = self._back_at_work(event)._filled(event)
        spread = book._worker(event.key)
        if spread is None:
            return book
        working = [_with_status(each, event) if each.spec.key == event.key else each for each in spread.working]
        over = [each for each in working if each.is_over]
        left = tuple(each for each in working if not each.is_over)
        spread = replace(spread, working=left)
        for each in over:
            spread = _after(spread, each, event)
        book = book._settled_down(spread.key, spread, event.at)
        return book._came(event.key, event.at) if over else book

    def settled(self, said: SpreadSettled, at: datetime) -> SpreadBook:
        """After contracts ended without an order. What is booked already changes nothing."""
        spread = self._known(said.key)
        if said.activity in spread.settled:
            return self
        return self._settled_down(spread.key, settled(spread, said, at), at)

    # ---- parts ---------------------------------------------------------------------------------------------------------------

    def _known(self, key: str) -> Spread:
        spread = self.spread(key)
        if spread is None:
            raise ValueError(f"spread {key} is not in the book")
        return spread

    def _worker(self, order_key: str) -> Spread | None:
        """The spread that has the order at work."""
        owners = (self.spread(key) for key in self.owners.get(order_key, ()))
        found = (each for each in owners if each is not None)
        return next((each for each in found if any(order.spec.key == order_key for order in each.working)), None)

    def _changed(self, order_key: str, change: Callable[[Working], Working]) -> SpreadBook:
        spread = self._worker(order_key)
        if spread is None:
            return self
        working = tuple(change(each) if each.spec.key == order_key else each for each in spread.working)
        return self._with(replace(spread, working=working))

    def _back_at_work(self, event: OrderEvent) -> SpreadBook:
        """An order that was given up as never sent, and is at the broker after all, is at work until each of its members has
        ended, whichever is told of first: it will be called back."""
        if not self.given_up.get(event.key) or event.status is OrderStatus.REJECTED:
            return self
        step = self.orders[event.key]
        spread = self._known(step.spread)
        # Of a phase that is over, so that nobody takes it for the order of the present one.
        late = Working(step.spec, event.at, SpreadPhase.CLOSED)
        lost = tuple(sale for sale in spread.lost if sale.key != event.key)
        book = replace(self, given_up=self.given_up.with_item(event.key, False))
        spread = replace(spread, working=(*spread.working, late), lost=lost)
        return book._settled_down(spread.key, spread, event.at)._coming(event.key)

    def _coming(self, order_key: str) -> SpreadBook:
        """The spreads that an order changes beside the one that it works for wait for it."""
        book = self
        for key in self.owners[order_key][1:]:
            spread = book._known(key)
            book = book._with(replace(spread, coming=(*spread.coming, order_key)))
        return book

    def _came(self, order_key: str, at: datetime) -> SpreadBook:
        """An order ended: nobody waits for it any more."""
        book = self
        for key in self.owners[order_key][1:]:
            spread = book._known(key)
            coming = tuple(each for each in spread.coming if each != order_key)
            book = book._settled_down(key, replace(spread, coming=coming), at)
        return book

    def _filled(self, event: OrderEvent) -> SpreadBook:
        """Count what is new of a fill for the spread that has its symbol. What a whole order filled is told by its legs."""
        step, fill = self.orders.get(event.key), event.fill
        if step is None or fill is None or (step.spec.legs and event.role is GroupRole.ENTRY):
            return self
        fresh = self._uncounted(event, fill)
        if fresh is None:
            return self
        symbol = step.spec.symbol_of(event.role)
        book = self._counted(event, fresh)
        for key in self.owners[event.key]:
            spread = self._known(key)
            if symbol in (spread.plan.short, spread.plan.long, spread.plan.underlying):
                return book._settled_down(key, with_fill(spread, replace(fresh, symbol=symbol)), event.at)
        return book

    def _uncounted(self, event: OrderEvent, fill: Fill) -> Fill | None:
        if fill.execution_id in self.seen:
            return None
        if fill.cumulative is None:
            return fill
        fresh = min(fill.quantity, fill.cumulative - self.filled.get(member_name(event.key, event.role), Filled()).shares)
        return replace(fill, quantity=fresh) if fresh > 0 else None

    def _counted(self, event: OrderEvent, fill: Fill) -> SpreadBook:
        name = member_name(event.key, event.role)
        before = self.filled.get(name, Filled())
        after = Filled(before.shares + fill.quantity, before.value + fill.price * fill.quantity)
        return replace(self, seen=self.seen.with_item(fill.execution_id, True), filled=self.filled.with_item(name, after))

    def _settled_down(self, key: str, spread: Spread, at: datetime) -> SpreadBook:
        """With the turns that follow from what is held alone: complete, flat, or there again."""
        if spread.phase is SpreadPhase.ENTERING and spread.is_complete:
            spread = turned(spread, Turn.FILLED, "the entry is filled", at)
        elif spread.is_closed and not spread.is_flat:
            spread = turned(spread, Turn.BACK, "something of it is there after all", at)
        elif spread.is_flat and spread.phase not in (SpreadPhase.ENTERING, SpreadPhase.CLOSED):
            spread = turned(spread, Turn.FLAT, spread.why, at)
        return self._with(spread)

    def _with(self, spread: Spread) -> SpreadBook:
        held = {key: each for key, each in self.open.items() if key != spread.key}
        if spread.is_closed:
            return replace(self, open=MappingProxyType(held), closed=self.closed.with_item(spread.key, spread))
        return replace(self, open=MappingProxyType({**self.open, spread.key: spread}))


def _with_status(working: Working, event: OrderEvent) -> Working:
    before = working.statuses.get(event.role, OrderStatus.SENT)
    try:
        after = next_status(before, event.status)
    except ValueError:
        return working  # its fill is counted; where the order stands is what was known
    statuses = {**working.statuses, event.role: after}
    return replace(working, statuses=MappingProxyType(statuses))


def _after(spread: Spread, order: Working, last: OrderEvent) -> Spread:
    """After an order ended: the next one goes a step further, unless it filled or the broker threw it out."""
    end = order.statuses.get(order.spec.first_role)
    if end is OrderStatus.FILLED:
        return replace(spread, rung=0 if order.phase is spread.phase else spread.rung, refusals=0, refused="")
    if end is OrderStatus.REJECTED:
        return _refused(spread, last.text, last.at)
    if order.phase is not spread.phase or order.sent_at < spread.since:
        return spread
    if end is OrderStatus.EXPIRED:
        # A day's order that ended with its day says nothing of the next session's prices.
        return replace(spread, rung=0, refusals=0, refused="")
    return replace(spread, rung=spread.rung + 1, refusals=_refusals_after(spread, order))


def _refusals_after(spread: Spread, order: Working) -> int:
    """Refusals in a row once the broker took an order: none. But a package that was taken apart is not asked for again."""
    is_apart = spread.plan.manner is Manner.ATOMIC and spread.refusals >= REFUSALS_BEFORE_LEGS
    return REFUSALS_BEFORE_LEGS if is_apart and not order.spec.legs else 0


def _refused(spread: Spread, why: str, at: datetime) -> Spread:
    return replace(_waiting(spread, at), refused=why or "rejected", refusals=spread.refusals + 1)


def _waiting(spread: Spread, at: datetime) -> Spread:
    """Whoever was refused waits, the longer the more often."""
    return replace(spread, retry_at=at + min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(spread.refusals, 10)))


def _worst_usd(spread: Spread) -> Decimal:
    """The width of every contract that is owed or about to be."""
    plan = spread.plan
    coming = plan.contracts if spread.phase is SpreadPhase.ENTERING and plan.rolled_from is None else 0
    width = occ.parse(plan.short).strike - occ.parse(plan.long).strike
    return width * CONTRACT_SHARES * max(spread.short, coming)


def _lost_sale(spec: OrderSpec, at: datetime) -> tuple[LostSale, ...]:
    """What an order would sell on its own; legs of a package come together, and harm nobody."""
    if spec.position_intent is None or spec.side is Side.BUY:
        return ()
    return (LostSale(spec.key, spec.symbol, spec.quantity, at + COMES_WITHIN),)
