"""The one way in for the broker's words: whoever brings them and however often, the desk hears each thing once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from desk.brokers.intake import Intake
from desk.core.review import Limits
from desk.domain.decisions import Mode
from desk.domain.journal import Acknowledged, BrokerRefusal, Heard, Row, RowValue
from desk.domain.orders import GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.journal.memory import MemoryJournal
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk
from desk.runtime.desk_thread import DeskThread

NOW = datetime(2026, 10, 9, 14, 0, tzinfo=UTC)
Json = dict[str, Any]
SPEC = OrderSpec(
    "n-1",
    "AAPL",
    Side.BUY,
    10,
    OrderType.LIMIT,
    OrderClass.BRACKET,
    TimeInForce.GTC,
    Decimal(100),
    take_profit=Decimal(115),
    stop_loss=Decimal(95),
)
S = OrderStatus


class Batches(MemoryJournal):
    """Remembers what was written together."""

    def __init__(self) -> None:
        super().__init__("n")
        self.batches: list[list[RowValue]] = []

    def append(self, rows: Sequence[Row]) -> None:
        super().append(rows)
        self.batches.append([row.value for row in rows])


@dataclass
class Listener:
    """An intake over a desk, and what it passes on."""

    journal: Batches = field(default_factory=Batches)
    told: list[OrderEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.errors: list[BaseException] = []
        self.thread = DeskThread(self.errors.append)
        self.desk = Desk(self.journal, VirtualClock(NOW), Limits(1.0))
        self.desk.work_in(self.thread)
        self.intake = Intake(self.desk, self.told.append)
        self.intake.sends(SPEC, NOW)
        self.intake.has_sent(SPEC.key, NOW)

    def rows(self, kind: type) -> list[Any]:
        self.desk.drain()
        return [row.value for row in self.journal.rows() if isinstance(row.value, kind)]

    @property
    def events(self) -> list[OrderEvent]:
        return self.rows(OrderEvent)

    @property
    def mode(self) -> Mode:
        self.desk.drain()
        return self.desk.mode


@pytest.fixture
def listener() -> Any:
    made = Listener()
    yield made
    made.desk.close()
    assert made.errors == []


def stamp(second: int) -> str:
    return f"2026-10-09T14:00:{second:02d}Z"


def order(status: str, filled: int = 0, second: int = 0, **more: Any) -> Json:
    plain = {
        "id": "entry",
        "client_order_id": "n-1",
        "symbol": "AAPL",
        "status": status,
        "filled_qty": str(filled),
        "filled_avg_price": "100" if filled else None,
        "updated_at": stamp(second),
        "replaced_by": None,
        "legs": None,
    }
    return {**plain, **more}


def answer(status: str = "new", filled: int = 0, second: int = 0, exits: str = "held") -> Json:
    """To the order, with its legs."""
    target = order(exits, 0, second, id="target", client_order_id="x1", limit_price="115", stop_price=None)
    stop = order(exits, 0, second, id="stop", client_order_id="x2", limit_price=None, stop_price="95")
    return order(status, filled, second, legs=[target, stop])


def message(event: str, second: int, quantity: int = 0, **more: Any) -> Json:
    data: Json = {"event": event, "timestamp": stamp(second), "order": order(**{"second": second, **more})}
    if quantity:
        data |= {"price": "100", "qty": str(quantity), "execution_id": f"x-{second}"}
    return {"stream": "trade_updates", "data": data}


NEW = message("new", 1, status="new")
PART = message("partial_fill", 2, 4, status="partially_filled", filled=4)
FILL = message("fill", 3, 6, status="filled", filled=10)
TARGET_NEW = message("new", 4, status="new", id="target")


# ---- once, whoever brings it -----------------------------------------------------------------------------------------------


def race(first: Callable[[], object], second: Callable[[], object]) -> None:
    start = threading.Barrier(2)

    def begin(work: Callable[[], object]) -> None:
        start.wait()
        work()

    threads = [threading.Thread(target=begin, args=(work,)) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("seed", range(25))
def test_an_answer_and_messages_of_two_threads_give_each_event_once(listener: Listener, seed: int) -> None:
    """The messages come in any order and some of them twice; the answer knows as much as one of any moment does."""
    generator = np.random.default_rng(seed)
    said = [NEW, PART, FILL, TARGET_NEW]
    told = [said[each] for each in generator.permutation([*range(4), *generator.integers(0, 4, 2)])]
    moments = [answer(), answer("partially_filled", 4, 2), answer("filled", 10, 3), answer("filled", 10, 4, "new")]
    answered = moments[generator.integers(0, 4)]
    race(lambda: listener.intake.answer(SPEC, answered), lambda: [listener.intake.message(each) for each in told])
    listener.intake.looked_up(answer("filled", 10, 4, "new"))
    assert sum(event.fill.quantity for event in listener.events if event.fill) == 10
    assert [event.status for event in listener.events if event.role is GroupRole.ENTRY].count(S.FILLED) == 1
    assert [event.status for event in listener.events if event.role is GroupRole.TAKE_PROFIT][-1] is S.WORKING
    kinds = [
        (event.role, event.status, event.fill is None) for event in listener.events if event.status is not S.PARTIALLY_FILLED
    ]
    assert len(kinds) == len(set(kinds))
    assert listener.told == listener.events, "Lumibot hears what the desk hears, in the same order"
    assert listener.mode is Mode.ACTIVE


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_and_a_resync_that_tell_the_same_tell_it_once(listener: Listener, seed: int) -> None:
    listener.intake.answer(SPEC, answer())
    looks = [answer("partially_filled", 4, 2), answer("filled", 10, 3)]
    if seed % 2:
        looks.reverse()  # an answer may be older than one that was read before it
    race(
        lambda: [listener.intake.message(each) for each in (PART, FILL, PART, FILL)],
        lambda: [listener.intake.looked_up(each) for each in looks],
    )
    assert sum(event.fill.quantity for event in listener.events if event.fill) == 10
    assert [event.status for event in listener.events if event.role is GroupRole.ENTRY].count(S.FILLED) == 1
    assert listener.told == listener.events


# ---- what waits ------------------------------------------------------------------------------------------------------------


def test_messages_that_overtake_the_answer_wait_for_it_and_come_in_their_order(listener: Listener) -> None:
    for each in (NEW, PART, FILL):
        listener.intake.message(each)
    assert (listener.events, listener.told) == ([], [])
    assert len(listener.rows(Heard)) == 3, "kept, whoever they belong to"
    ids = listener.intake.answer(SPEC, answer())
    assert ids == {GroupRole.ENTRY: "entry", GroupRole.TAKE_PROFIT: "target", GroupRole.STOP_LOSS: "stop"}
    entry = [(event.status, event.fill and event.fill.quantity) for event in listener.events if event.role is GroupRole.ENTRY]
    assert entry == [(S.WORKING, None), (S.PARTIALLY_FILLED, 4), (S.FILLED, 6)]
    assert listener.rows(Acknowledged) == [Acknowledged("n-1", {"entry": "entry", "take_profit": "target", "stop_loss": "stop"})]


def test_news_of_a_successor_wait_until_it_is_known_whose_it_is(listener: Listener) -> None:
    listener.intake.answer(SPEC, answer("filled", 10, 3, "new"))
    listener.intake.message(message("fill", 6, 10, status="filled", filled=10, id="target-2"))
    listener.intake.message(message("replaced", 5, status="replaced", id="target", replaced_by="target-2"))
    (fill,) = [event.fill for event in listener.events if event.role is GroupRole.TAKE_PROFIT and event.fill]
    assert (fill.quantity, fill.side, listener.intake.current(("n-1", GroupRole.TAKE_PROFIT))) == (10, Side.SELL, "target-2")


def test_a_change_that_is_taken_and_rejected_afterwards_is_refused_and_the_order_before_goes_on(listener: Listener) -> None:
    listener.intake.answer(SPEC, answer("filled", 10, 3, "new"))
    listener.intake.successor("target", order("pending_new", 0, 5, id="target-2"), "n-exit")
    listener.intake.message(message("rejected", 6, status="rejected", id="target-2"))
    listener.intake.message(message("rejected", 6, status="rejected", id="target-2"))
    (refusal,) = listener.rows(BrokerRefusal)
    assert (refusal.key, refusal.explained, refusal.unsent) == ("n-exit", True, False)
    assert listener.intake.current(("n-1", GroupRole.TAKE_PROFIT)) == "target"
    assert listener.events[-1].broker_id == "target"
    listener.intake.message(message("fill", 7, 10, status="filled", filled=10, id="target"))
    assert [event.fill.quantity for event in listener.events if event.role is GroupRole.TAKE_PROFIT and event.fill] == [10]


@pytest.mark.parametrize("first", ["rejected", "pending_new", "answer last"])
def test_a_rejected_change_is_taken_back_in_whatever_order_its_messages_come(listener: Listener, first: str) -> None:
    listener.intake.answer(SPEC, answer("filled", 10, 3, "new"))
    moved = {"id": "target-2", "replaces": "target"}
    rejected = message("rejected", 6, status="rejected", **moved)
    change = order("pending_new", 0, 5, **moved)
    if first == "answer last":
        listener.intake.message(rejected)
        listener.intake.successor("target", change, "n-exit")
    else:
        listener.intake.successor("target", change, "n-exit")
        if first == "pending_new":
            listener.intake.message(message("pending_new", 5, status="pending_new", **moved))
        listener.intake.message(rejected)
    assert [refusal.key for refusal in listener.rows(BrokerRefusal)] == ["n-exit"]
    assert listener.intake.current(("n-1", GroupRole.TAKE_PROFIT)) == "target"
    listener.intake.message(message("canceled", 8, status="canceled", id="target"))
    assert listener.events[-1].status is S.CANCELED and listener.events[-1].broker_id == "target"


# ---- what is written ---------------------------------------------------------------------------------------------------------


def test_the_raw_words_and_what_is_new_in_them_are_written_at_once(listener: Listener) -> None:
    listener.intake.answer(SPEC, answer())
    listener.intake.message(FILL)
    listener.desk.drain()
    (batch,) = [
        batch for batch in listener.journal.batches if any(isinstance(value, Heard) and "x-3" in value.body for value in batch)
    ]
    assert isinstance(batch[0], Heard) and batch[0].source == "stream"
    assert [type(value) for value in batch[1:]] == [OrderEvent] * (len(batch) - 1) and len(batch) > 1


def test_what_a_look_brings_is_kept_raw_when_it_is_new_and_not_otherwise(listener: Listener) -> None:
    listener.intake.answer(SPEC, answer())
    assert listener.intake.looked_up(answer("filled", 10, 3))
    rest = [row for row in listener.rows(Heard) if row.source == "rest"]
    assert not listener.intake.looked_up(answer("filled", 10, 3))
    assert [row for row in listener.rows(Heard) if row.source == "rest"] == rest
    assert '"filled_qty":"10"' in rest[-1].body


def test_messages_of_other_peoples_orders_are_kept_raw_and_do_nothing(listener: Listener) -> None:
    for event, status in (("new", "new"), ("fill", "filled"), ("trade_bust", "filled")):
        listener.intake.message(message(event, 2, 10, status=status, filled=10, id="theirs", client_order_id="by hand"))
    assert (listener.events, listener.told, listener.mode) == ([], [], Mode.ACTIVE)
    assert [row.source for row in listener.rows(Heard)] == ["stream"] * 3


# ---- what a person has to see ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["trade_bust", "trade_correct"])
def test_a_trade_that_is_taken_back_or_corrected_halts_the_desk(listener: Listener, event: str) -> None:
    listener.intake.answer(SPEC, answer())
    listener.intake.message(FILL)
    assert listener.mode is Mode.ACTIVE
    listener.intake.message(message(event, 5, 6, status="filled", filled=10))
    assert listener.mode is Mode.HALTED


@pytest.mark.parametrize("broken", [{}, {"data": {}}, {"data": {"event": "fill", "order": {"id": "entry"}}}])
def test_a_message_that_cannot_be_read_is_an_error_and_changes_nothing(listener: Listener, broken: Json) -> None:
    listener.intake.answer(SPEC, answer())
    before = listener.rows(object)
    with pytest.raises((KeyError, ValueError)):
        listener.intake.message(broken)
    assert listener.rows(object) == before


def test_a_group_that_never_was_is_forgotten(listener: Listener) -> None:
    assert list(listener.intake.live()) == ["n-1"]
    listener.intake.forget("n-1")
    assert listener.intake.live() == {}
