"""Order groups as one object each: what the broker has said of every member, under whatever ids it gave them.

Facts come from a stream that repeats, reorders and drops, and from REST answers that may be older than what is known.
Each fact says how much of its order is filled in all and when the order last changed, so what matters of a lost message is in
every later one, and a late one is known as late: any interleaving ends where the last word of the broker does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from desk.core.lifecycle import next_status
from desk.domain.orders import LEG_ROLES, TERMINAL, Fill, GroupRole, OrderEvent, OrderSpec, OrderStatus, Side
from desk.domain.trades import Filled, member_name

Member = tuple[str, GroupRole]
SIBLING = {GroupRole.TAKE_PROFIT: GroupRole.STOP_LOSS, GroupRole.STOP_LOSS: GroupRole.TAKE_PROFIT}


# Ended groups that are remembered for late news of them: a correction comes the next day at the latest.
MOST_ENDED = 1_000
# Orders of other programs in the account are never bound; what matters of a fact that was dropped the next look tells.
MOST_PARKED = 1_000
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as a stream message tells it: shares and dollars a share."""

    execution_id: str
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Fact:
    """What a broker says of one of its orders: `filled` shares in all so far, at `average_price` dollars.

    `at` is when what is told happened, `updated_at` when the order last changed; both aware.
    """

    broker_id: str
    status: OrderStatus
    at: datetime
    updated_at: datetime
    filled: int = 0
    average_price: Decimal | None = None
    execution: Execution | None = None
    replaced_by: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class OrderState:
    """One order at the broker as far as it is known, last changed at `updated_at`."""

    member: Member
    status: OrderStatus = OrderStatus.SENT
    updated_at: datetime = NEVER


class OrderGroups:
    """Every order group that was sent, by key, and every order at the broker that belongs to one, by the broker's id.

    Not thread-safe. Facts of ids that nobody knows yet wait until they are bound: an event can overtake the answer
    that tells whose it is.
    """

    def __init__(self) -> None:
        self._specs: dict[str, OrderSpec] = {}
        self._since: dict[str, datetime] = {}
        self._statuses: dict[Member, OrderStatus] = {}
        self._booked: Mapping[str, Filled] = {}
        self._orders: dict[str, OrderState] = {}
        self._current: dict[Member, str] = {}
        self._before: dict[str, str] = {}  # by the id of an order that took another one's place, that one's
        # By member and not by order: a successor is told with what the orders before it had filled.
        self._filled: dict[Member, Filled] = {}
        self._parked: deque[Fact] = deque(maxlen=MOST_PARKED)
        self._impossible: set[tuple[str, OrderStatus]] = set()

    # ---- who is who ----------------------------------------------------------------------------------------------------

    def open(self, spec: OrderSpec, since: datetime) -> None:
        """Follow the group of `spec`, which was decided at `since` (aware)."""
        self._specs[spec.key] = spec
        self._since[spec.key] = since

    def resume(self, spec: OrderSpec, since: datetime, statuses: Mapping[GroupRole, OrderStatus]) -> None:
        """Follow a group again, of which the journal knows `statuses`."""
        self.open(spec, since)
        self._statuses.update({(spec.key, role): status for role, status in statuses.items()})

    def take_as_booked(self, filled: Mapping[str, Filled]) -> None:
        """What of each member, by `member_name`, the journal has counted already: it is no news."""
        self._booked = filled

    def sent_by(self, key: str, at: datetime) -> None:
        """A group that is followed was on its way until `at` (aware)."""
        if key in self._since:
            self._since[key] = at

    def forget(self, key: str) -> None:
        """Stop following a group that never was."""
        self._specs.pop(key, None)

    def drop_ended(self, most: int = MOST_ENDED) -> list[str]:
        """Forget the oldest groups of which nothing more happens, when they are twice as many as `most`. Returns their keys."""
        if len(self._specs) < 2 * most:
            return []
        alive = set(self.live())
        dropped = [key for key in self._specs if key not in alive][:-most]
        gone = set(dropped)
        for key in dropped:
            del self._specs[key], self._since[key]
        for per_member in (self._current, self._filled, self._statuses):
            for member in [each for each in per_member if each[0] in gone]:
                del per_member[member]
        self._before = {new: old for new, old in self._before.items() if self._orders[new].member[0] not in gone}
        self._orders = {each: state for each, state in self._orders.items() if state.member[0] not in gone}
        self._impossible = {each for each in self._impossible if each[0] in self._orders}
        return dropped

    def since(self, key: str) -> datetime:
        return self._since[key]

    def spec(self, key: str) -> OrderSpec | None:
        return self._specs.get(key)

    def member(self, broker_id: str) -> Member | None:
        state = self._orders.get(broker_id)
        return None if state is None else state.member

    def current(self, member: Member) -> str | None:
        """Id of the order that is `member` now; its former orders stay known for late news."""
        return self._current.get(member)

    def filled(self, member: Member) -> Filled:
        """What of a member is filled in all, under whatever ids."""
        return self._filled.get(member, Filled())

    def state(self, broker_id: str) -> OrderState | None:
        return self._orders.get(broker_id)

    def live(self) -> tuple[str, ...]:
        """Keys of the groups of which something may still happen: an order is open, or nothing was ever heard."""
        heard_of = {member[0] for member in self._current}
        alive = {member[0] for member, each in self._current.items() if self._orders[each].status not in TERMINAL}
        return tuple(key for key in self._specs if key in alive or key not in heard_of)

    def open_orders(self, key: str) -> tuple[str, ...]:
        """Ids of the orders that are a group's members now and of which something may still happen."""
        mine = (each for member, each in self._current.items() if member[0] == key)
        return tuple(each for each in mine if self._orders[each].status not in TERMINAL)

    def bind(self, ids: Mapping[Member, str]) -> list[OrderEvent]:
        """Say which orders are these members now. Returns the news that waited for them.

        All of a group at once: whether a replaced target lives on or its stop took over shows only beside the stop's id.
        """
        for member, broker_id in ids.items():
            if broker_id not in self._orders:
                self._orders[broker_id] = OrderState(member, self._statuses.pop(member, OrderStatus.SENT))
                if member in self._current:
                    self._before[broker_id] = self._current[member]
                self._current[member] = broker_id
                self._filled.setdefault(member, self._booked.get(member_name(*member), Filled()))
        known = set(ids.values())
        waited = [fact for fact in self._parked if fact.broker_id in known]
        self._parked = deque((fact for fact in self._parked if fact.broker_id not in known), MOST_PARKED)
        return [event for fact in waited for event in self.heard(fact)]

    def leaves_in_doubt(self, event: OrderEvent) -> bool:
        """Whether an exit ended unfilled while its sibling is taken for alive: brokers end the other one too, without a word.
        So do the legs of an order with several, when that has ended."""
        if event.role is GroupRole.ENTRY and event.status in TERMINAL:
            legs = (self._current.get((event.key, role)) for role in LEG_ROLES)
            return any(each is not None and self._orders[each].status not in TERMINAL for each in legs)
        sibling = SIBLING.get(event.role)
        broker_id = self._current.get((event.key, sibling)) if sibling is not None else None
        return event.status in _UNFILLED_ENDS and broker_id is not None and self._orders[broker_id].status not in TERMINAL

    # ---- what is said --------------------------------------------------------------------------------------------------

    def heard(self, fact: Fact) -> list[OrderEvent]:
        """Fold a fact in. Returns what is new in it, in the journal's words; nothing for what was known."""
        state = self._orders.get(fact.broker_id)
        if state is None:
            self._parked.append(fact)
            return []
        known, events = self._with_fills(state, fact)
        if fact.status is OrderStatus.REPLACED and fact.replaced_by and self._lives_on(state.member, fact.replaced_by):
            self._orders[fact.broker_id] = replace(known, status=OrderStatus.REPLACED)
            return events + self.bind({state.member: fact.replaced_by})
        return self._with_status(known, fact, events)

    def _lives_on(self, member: Member, successor: str) -> bool:
        """Whether a replaced order goes on under `successor`; a target that its stop took over from ends instead."""
        return self.member(successor) in (None, member)

    def _with_fills(self, state: OrderState, fact: Fact) -> tuple[OrderState, list[OrderEvent]]:
        counted = self._filled[state.member]
        fresh = fact.filled - counted.shares
        if fresh <= 0:
            return state, []
        price = self._price(counted, fact, fresh)
        fill = self._fill(state.member, fact, fresh, price)
        self._filled[state.member] = Filled(fact.filled, counted.value + price * fresh)
        status = fact.status if fact.status in _OF_A_FILL else OrderStatus.PARTIALLY_FILLED
        event = OrderEvent(*state.member, status, fact.at, fact.broker_id, fill, fact.text)
        try:
            return replace(state, status=next_status(state.status, status)), [event]
        except ValueError:
            self._impossible.add((fact.broker_id, status))  # the desk hears it from the event
            return state, [event]

    def _price(self, counted: Filled, fact: Fact, fresh: int) -> Decimal:
        """Dollars a share of what is new: the execution's own when it is all of it, else what the average leaves."""
        told = fact.execution
        if told is not None and (told.quantity == fresh or fact.average_price is None):
            return told.price
        if fact.average_price is None:
            raise ValueError(f"order {fact.broker_id} filled {fact.filled} at no price")
        return (fact.average_price * fact.filled - counted.value) / fresh

    def _fill(self, member: Member, fact: Fact, fresh: int, price: Decimal) -> Fill:
        key, role = member
        told = fact.execution
        is_this = told is not None and told.quantity == fresh
        name = told.execution_id if told is not None and is_this else f"{fact.broker_id}:{fact.filled}"
        spec = self._specs[key]
        return Fill(name, key, spec.symbol_of(role), side_of(spec, role), fresh, price, fact.at, role, fact.filled)

    def _with_status(self, state: OrderState, fact: Fact, events: list[OrderEvent]) -> list[OrderEvent]:
        is_current = self._current.get(state.member) == fact.broker_id
        if is_current and fact.status is OrderStatus.REJECTED and self.was_taken_back(fact.broker_id):
            return events + self._revived(state, fact)
        status = self._next(state, fact)
        latest = max(state.updated_at, fact.updated_at)
        self._orders[fact.broker_id] = replace(state, status=status or state.status, updated_at=latest)
        told = {event.status for event in events}
        changed = status is not None and status is not state.status
        impossible = status is None and (fact.broker_id, fact.status) not in self._impossible
        if impossible:
            self._impossible.add((fact.broker_id, fact.status))
        if is_current and (changed or impossible) and fact.status not in told:
            events = [*events, OrderEvent(*state.member, fact.status, fact.at, fact.broker_id, None, fact.text)]
        if any(event.status is OrderStatus.FILLED for event in events) and state.member[1] in SIBLING:
            return events + self._sibling_ends(state.member, fact.at)
        return events

    def was_taken_back(self, broker_id: str) -> bool:
        """Whether an order took the place of one that has not ended: when it is rejected, that one is in force as before."""
        before = self._before.get(broker_id)
        return before is not None and self._orders[before].status not in TERMINAL

    def _revived(self, state: OrderState, fact: Fact) -> list[OrderEvent]:
        before = self._before[fact.broker_id]
        self._orders[fact.broker_id] = replace(state, status=OrderStatus.REJECTED, updated_at=fact.updated_at)
        self._current[state.member] = before
        return [OrderEvent(*state.member, self._orders[before].status, fact.at, before, text="the change was rejected")]

    def _next(self, state: OrderState, fact: Fact) -> OrderStatus | None:
        """Where the order stands after the fact's status; None for one that cannot follow."""
        is_late = fact.updated_at < state.updated_at and fact.status not in TERMINAL
        if state.status is OrderStatus.REPLACED or is_late:
            return state.status
        try:
            return next_status(state.status, fact.status)
        except ValueError:
            return None

    def _sibling_ends(self, member: Member, at: datetime) -> list[OrderEvent]:
        # Alpaca cancels the other exit without an event when one fills (alpaca-py issue 198), so the desk is told of its end
        # here; what became of the order itself the next look at the broker tells.
        key, role = member[0], SIBLING[member[1]]
        broker_id = self._current.get((key, role))
        if broker_id is None or self._orders[broker_id].status in TERMINAL:
            return []
        return [OrderEvent(key, role, OrderStatus.CANCELED, at, broker_id, text="its sibling filled")]


_OF_A_FILL = frozenset({OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED})
_UNFILLED_ENDS = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


def side_of(spec: OrderSpec, role: GroupRole) -> Side:
    """Side of a member of the group: the exits of a bracket are opposite to their entry."""
    leg = spec.leg(role)
    if leg is not None:
        return leg.side
    is_exit_of_bracket = role in SIBLING and spec.order_class.has_entry
    return spec.side.opposite if is_exit_of_bracket else spec.side
