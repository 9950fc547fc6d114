"""Order groups against a broker that repeats, reorders and loses its messages and answers late: the end is the broker's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from desk.core.book import with_event, with_step
from desk.core.groups import Execution, Fact, OrderGroups
from desk.domain.decisions import FixedExit, Intent, IntentKind
from desk.domain.orders import TERMINAL, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.steps import Submit
from desk.domain.trades import Book

S = OrderStatus
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
START = datetime(2024, 1, 3, 15, tzinfo=UTC)
SPEC = OrderSpec(
    key="f00d-AAA-open",
    symbol="AAA",
    side=Side.BUY,
    quantity=30,
    type=OrderType.LIMIT,
    order_class=OrderClass.BRACKET,
    time_in_force=TimeInForce.GTC,
    limit_price=Decimal(100),
    take_profit=Decimal(115),
    stop_loss=Decimal(95),
)


@dataclass
class Broker:
    """A bracket at a broker: what really happens, as a message each and as what an answer would list at any moment."""

    randomness: Random
    orders: dict[str, Fact] = field(default_factory=dict)
    messages: list[Fact] = field(default_factory=list)
    snapshots: list[list[Fact]] = field(default_factory=list)
    at: datetime = START
    minted: int = 0

    def say(self, broker_id: str, status: OrderStatus, shares: int = 0, price: int = 100, **more: str) -> None:
        self.at += timedelta(seconds=1)
        was = self.orders.get(broker_id, Fact(broker_id, status, self.at, self.at))
        filled = was.filled + shares
        average = was.average_price
        execution = None
        if shares:
            self.minted += 1
            average = ((average or Decimal(0)) * was.filled + Decimal(price) * shares) / filled
            execution = Execution(f"x{self.minted}", shares, Decimal(price))
        now = replace(
            was, status=status, at=self.at, updated_at=self.at, filled=filled, average_price=average, execution=None, **more
        )
        self.orders[broker_id] = now
        self.messages.append(replace(now, execution=execution))
        self.snapshots.append(list(self.orders.values()))

    def fill(self, broker_id: str, shares: int, price: int) -> None:
        """Sell or buy `shares`, in one or two executions."""
        first = self.randomness.randint(1, shares)
        if first < shares:
            self.say(broker_id, S.PARTIALLY_FILLED, first, price)
        self.say(broker_id, S.FILLED, shares - first if first < shares else shares, price + self.randomness.randint(0, 1))

    def live(self, ending: str, moves: int) -> None:
        for name in ("entry", "target", "stop"):
            self.orders[name] = Fact(name, S.HELD if name != "entry" else S.WORKING, self.at, self.at)
        self.say("entry", S.WORKING)
        if ending == "entry canceled":
            self.say("entry", S.PARTIALLY_FILLED, 7)
            self.say("entry", S.PENDING_CANCEL)
            self.say("entry", S.PARTIALLY_FILLED, 5)
            self.say("entry", S.CANCELED)
            for name in ("target", "stop"):
                self.orders[name] = replace(self.orders[name], status=S.CANCELED)
            return
        self.fill("entry", SPEC.quantity, 100)
        self.say("target", S.WORKING)
        target = "target"
        for number in range(moves):
            successor = f"target{number}"
            # A successor is told with what the orders before it had filled.
            self.orders[successor] = replace(self.orders[target], broker_id=successor, replaced_by=None)
            if number == 1:
                self.say(target, S.PARTIALLY_FILLED, 3, 113)
                self.orders[successor] = replace(self.orders[target], broker_id=successor, replaced_by=None)
            self.say(target, S.REPLACED, replaced_by=successor)
            self.say(successor, S.WORKING)
            target = successor
        self._leave(ending, target)

    def _leave(self, ending: str, target: str) -> None:
        left = SPEC.quantity - self.orders[target].filled
        if ending == "target":
            self.fill(target, left, 114)
            self.orders["stop"] = replace(self.orders["stop"], status=S.CANCELED)  # without a message, as at Alpaca
        elif ending == "stop":
            self.say(target, S.PARTIALLY_FILLED, 10, 114)
            self.say(target, S.REPLACED, replaced_by="stop")
            self.say("stop", S.WORKING)
            self.fill("stop", left - 10, 94)
        elif ending == "canceled":
            self.say(target, S.PENDING_CANCEL)
            self.say(target, S.CANCELED)
            self.say("stop", S.CANCELED)
        elif ending == "cancel refused":
            self.say(target, S.PENDING_CANCEL)
            self.say(target, S.WORKING)

    def told(self) -> list[Fact]:
        """Everything that reaches the desk before its last look: lost, repeated, late, and answers out of date."""
        kept = [message for message in self.messages for _ in range(self.randomness.choice((0, 1, 1, 2)))]
        old = [fact for snapshot in self.randomness.sample(self.snapshots, min(3, len(self.snapshots))) for fact in snapshot]
        every = [*kept, *old]
        self.randomness.shuffle(every)
        return every


def folded(broker: Broker) -> tuple[OrderGroups, Book]:
    groups, book = OrderGroups(), Book()
    intent = Intent(IntentKind.OPEN, "AAA", SPEC.quantity, 100.0, FixedExit(0.05, 0.15), "test")
    book = with_step(book, Submit(SPEC, intent), START)
    groups.open(SPEC, START)
    facts = broker.told()
    acknowledged = broker.randomness.randint(0, len(facts))
    for place, fact in enumerate([*facts, *broker.orders.values()]):
        if place == acknowledged:
            book = into(book, bound(groups))
        book = into(book, groups.heard(fact))
    return groups, book


def test_groups_that_ended_long_ago_are_forgotten_and_those_that_live_are_not() -> None:
    groups = OrderGroups()
    for number in range(8):
        spec = OrderSpec(f"k{number}", "AAA", Side.BUY, 5, OrderType.MARKET)
        groups.open(spec, START)
        groups.bind({(spec.key, ENTRY): f"b{number}"})
        status = S.WORKING if number in (1, 6) else S.FILLED
        groups.heard(Fact(f"b{number}", status, START, START, 5 if status is S.FILLED else 0, Decimal(100)))
    groups.open(OrderSpec("unheard", "AAA", Side.BUY, 5, OrderType.MARKET), START)
    assert groups.drop_ended(most=5) == []
    assert groups.drop_ended(most=2) == ["k0", "k2", "k3", "k4"]
    assert groups.live() == ("k1", "k6", "unheard")
    assert (groups.spec("k0"), groups.member("b0"), groups.member("b5")) == (None, None, ("k5", ENTRY))
    assert groups.heard(Fact("b0", S.FILLED, START, START, 5, Decimal(100))) == [], "late news of a forgotten one is no news"
    (fill,) = groups.heard(Fact("b1", S.FILLED, START, START, 5, Decimal(100)))
    assert fill.key == "k1"


def test_a_change_that_is_rejected_after_it_was_taken_leaves_the_order_before_in_force() -> None:
    groups = OrderGroups()
    groups.open(SPEC, START)
    bound(groups)
    for name, status in (("entry", S.FILLED), ("target", S.WORKING)):
        groups.heard(Fact(name, status, START, START, 30 if name == "entry" else 0, Decimal(100)))
    groups.bind({(SPEC.key, TARGET): "moved"})
    later = START + timedelta(seconds=1)
    (back,) = groups.heard(Fact("moved", S.REJECTED, later, later))
    assert (back.role, back.status, back.broker_id) == (TARGET, S.WORKING, "target")
    assert groups.current((SPEC.key, TARGET)) == "target"
    assert groups.open_orders(SPEC.key) == ("target", "stop")
    (fill, end) = groups.heard(Fact("target", S.FILLED, later, later, 30, Decimal(114)))
    assert (fill.role, fill.fill and fill.fill.quantity, end.role) == (TARGET, 30, STOP)


def bound(groups: OrderGroups) -> list[OrderEvent]:
    ids = (("entry", ENTRY), ("target", TARGET), ("stop", STOP))
    return groups.bind({(SPEC.key, role): name for name, role in ids})


def into(book: Book, events: list[OrderEvent]) -> Book:
    for event in events:
        book = with_event(book, event)
    return book


endings = st.sampled_from(["entry canceled", "target", "stop", "canceled", "cancel refused", "open"])


@settings(max_examples=300)
@given(st.integers(0, 2**32), endings, st.integers(0, 3))
def test_any_interleaving_of_messages_and_answers_ends_as_the_broker_does(seed: int, ending: str, moves: int) -> None:
    broker = Broker(Random(seed))
    broker.live(ending, moves)
    groups, book = folded(broker)
    for name, truth in broker.orders.items():
        state = groups.state(name)
        assert state is not None
        # A successor that begins with shares filled may be called either.
        assert state.status is truth.status or {state.status, truth.status} == {S.WORKING, S.PARTIALLY_FILLED}, name
        counted = groups.filled(state.member)
        if groups.current(state.member) == name:
            assert counted.shares == truth.filled
            assert abs(counted.value - (truth.average_price or 0) * truth.filled) < Decimal("1e-12")
    bought = broker.orders["entry"].filled
    sold = broker.orders[last_target(broker, moves)].filled + broker.orders["stop"].filled
    trade = book.open.get(SPEC.key) or book.closed[0]
    assert (trade.entered, trade.exited) == (bought, sold)
    assert trade.entry_status is broker.orders["entry"].status
    if not trade.is_closed:
        assert (trade.target_status in TERMINAL, trade.stop_status in TERMINAL) == ends_of(broker, moves)


def last_target(broker: Broker, moves: int) -> str:
    return f"target{moves - 1}" if moves and "target0" in broker.orders else "target"


def ends_of(broker: Broker, moves: int) -> tuple[bool, bool]:
    target = broker.orders[last_target(broker, moves)]
    return target.status in TERMINAL, broker.orders["stop"].status in TERMINAL


@given(st.integers(0, 2**32), endings, st.integers(0, 3))
def test_what_was_known_is_not_told_again(seed: int, ending: str, moves: int) -> None:
    broker = Broker(Random(seed))
    broker.live(ending, moves)
    groups, _ = folded(broker)
    for fact in broker.orders.values():
        assert groups.heard(fact) == []
    for message in broker.messages:
        assert groups.heard(message) == []


@given(st.integers(0, 2**32), endings, st.integers(0, 3))
def test_every_share_is_told_once(seed: int, ending: str, moves: int) -> None:
    broker = Broker(Random(seed))
    broker.live(ending, moves)
    groups = OrderGroups()
    groups.open(SPEC, START)
    events = [event for fact in broker.told() for event in groups.heard(fact)] + bound(groups)
    events += [event for fact in broker.orders.values() for event in groups.heard(fact)]
    told = sum(event.fill.quantity for event in events if event.fill is not None)
    assert told == sum(broker.orders[name].filled for name in ("entry", last_target(broker, moves), "stop"))
