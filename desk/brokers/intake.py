"""The one way in for what the broker says of the desk's orders, whether it was told or asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from threading import RLock
from typing import Any

from desk.brokers.alpaca_facts import CORRECTIONS, facts_of_message, facts_of_order, members, moment, nested
from desk.core.groups import Fact, Member, OrderGroups
from desk.core.ports import Door
from desk.domain.journal import Acknowledged, BrokerRefusal, Heard
from desk.domain.orders import TERMINAL, GroupRole, OrderEvent, OrderSpec, OrderStatus
from desk.domain.trades import Filled

STREAM, REST = "stream", "rest"


class Intake:
    """Thread-safe: the stream tells, the order thread reads answers, and the desk hears each thing once, in one order.

    `tell` hears of every new event too, after the desk: it passes them on to Lumibot. `ask` is called when an answer leaves open
    how an order stands, so that the broker is asked.
    """

    def __init__(self, door: Door, tell: Callable[[OrderEvent], None], ask: Callable[[], object] = lambda: None) -> None:
        self._door = door
        self._tell = tell
        self._ask = ask
        self._groups = OrderGroups()
        self._lock = RLock()
        self._on_their_way: set[str] = set()
        self._changes: dict[str, str] = {}

    # ---- following -----------------------------------------------------------------------------------------------------

    def sends(self, spec: OrderSpec, since: datetime) -> None:
        """The group of `spec` is on its way from now on: that the broker does not list it says nothing until `has_sent`."""
        with self._lock:
            self._groups.open(spec, since)
            self._on_their_way.add(spec.key)

    def has_sent(self, key: str, at: datetime) -> None:
        """The errand of a group ended at `at` (aware), however it did."""
        with self._lock:
            self._on_their_way.discard(key)
            self._groups.sent_by(key, at)

    def is_on_its_way(self, key: str) -> bool:
        with self._lock:
            return key in self._on_their_way

    def resume(self, spec: OrderSpec, since: datetime, statuses: Mapping[GroupRole, OrderStatus]) -> None:
        with self._lock:
            self._groups.resume(spec, since, statuses)

    def take_as_booked(self, filled: Mapping[str, Filled]) -> None:
        with self._lock:
            self._groups.take_as_booked(filled)

    def drop_ended(self) -> list[str]:
        """Forget groups that ended long ago. Returns their keys."""
        with self._lock:
            return self._groups.drop_ended()

    def live(self) -> dict[str, OrderSpec]:
        """Groups by key of which something may still happen."""
        with self._lock:
            return {key: spec for key in self._groups.live() if (spec := self._groups.spec(key)) is not None}

    def forget(self, key: str) -> None:
        with self._lock:
            self._groups.forget(key)

    def open_orders(self, key: str) -> tuple[str, ...]:
        """Ids of the orders of a group that are its members now and may still change."""
        with self._lock:
            return self._groups.open_orders(key)

    def since(self, key: str) -> datetime:
        with self._lock:
            return self._groups.since(key)

    def current(self, member: Member) -> str | None:
        with self._lock:
            return self._groups.current(member)

    def member(self, broker_id: str) -> Member | None:
        with self._lock:
            return self._groups.member(broker_id)

    # ---- hearing -------------------------------------------------------------------------------------------------------

    def answer(self, spec: OrderSpec, order: Mapping[str, Any]) -> dict[GroupRole, str]:
        """An answer that carries the key of `spec`: learn whose its ids are, and what it says. Returns the ids by role."""
        with self._lock:
            if self._groups.spec(spec.key) is None:  # taken for lost meanwhile; it is not
                self._groups.open(spec, moment(order.get("submitted_at") or order.get("created_at")))
            ids = members(spec, order)
            self._door.acknowledged(Acknowledged(spec.key, {role.value: broker_id for role, broker_id in ids.items()}))
            waiting = self._groups.bind({(spec.key, role): broker_id for role, broker_id in ids.items()})
            self._pass_on(None, waiting)
            self.looked_up(order)
            # The end of one exit came before this answer, which still shows the other one at rest.
            if any(self._groups.leaves_in_doubt(event) for event in waiting):
                self._ask()
            return ids

    def successor(self, old_id: str, order: Mapping[str, Any], change: str) -> None:
        """The answer to the price change with the key `change`: the member lives on under the id of `order`."""
        with self._lock:
            member = self._groups.member(old_id)
            if member is not None:
                self._changes[str(order["id"])] = change
                self._pass_on(None, self._groups.bind({member: str(order["id"])}))
                self._take_back([str(order["id"])])  # its end may have overtaken this answer

    def message(self, message: Mapping[str, Any]) -> bool:
        """A raw message of the trade-update stream. Raises KeyError or ValueError for one that cannot be read.

        Returns whether it leaves open how an order of the desk's stands, so that the broker should be asked.
        """
        with self._lock:
            facts = facts_of_message(message, self._is_ours)
            events = self._folded(facts)
            self._pass_on(Heard(STREAM, _json(message)), events)
            self._take_back([fact.broker_id for fact in facts])
            if message["data"]["event"] in CORRECTIONS and self._is_ours(str(message["data"]["order"]["id"])):
                self._door.trouble(f"the broker took back or corrected a trade of {message['data']['order'].get('symbol')}")
            is_stray = self.stray(message["data"]["order"]) is not None
            return is_stray or any(self._groups.leaves_in_doubt(event) for event in events)

    def stray(self, order: Mapping[str, Any]) -> OrderSpec | None:
        """What the journal meant by an order that was given up as never sent, and is there; it is followed again from now on."""
        with self._lock:
            spec = self._door.given_up(str(order.get("client_order_id")))
            if spec is None or self._is_ours(str(order["id"])) or self._groups.spec(spec.key) is not None:
                return None
            self._groups.open(spec, moment(order.get("submitted_at") or order.get("created_at")))
            return spec

    def looked_up(self, order: Mapping[str, Any]) -> bool:
        """An order of an answer, its legs nested. Returns whether it brought news; what is known already is not journaled."""
        with self._lock:
            facts = facts_of_order(order, self._is_ours)
            known = [fact for fact in facts if self._is_ours(fact.broker_id)]
            unknown = [fact for fact in facts if fact not in known]
            events = self._folded([*known, *(fact for fact in unknown if self._belongs(fact, order))])
            if events:
                self._pass_on(Heard(REST, _json(order)), events)
            self._take_back([fact.broker_id for fact in facts])
            return bool(events)

    def _is_ours(self, broker_id: str) -> bool:
        return self._groups.member(broker_id) is not None

    def _take_back(self, broker_ids: Iterable[str]) -> None:
        """Tell of price changes that a broker answered with yes and rejected afterwards: the order before is in force again."""
        for broker_id in broker_ids:
            change, state = self._changes.get(broker_id), self._groups.state(broker_id)
            if change is not None and state is not None and state.status in TERMINAL:
                del self._changes[broker_id]
                if state.status is OrderStatus.REJECTED and self._groups.was_taken_back(broker_id):
                    why = "the broker took the change and rejected it afterwards"
                    self._door.refused(BrokerRefusal(change, None, None, why, explained=True))

    def _belongs(self, fact: Fact, order: Mapping[str, Any]) -> bool:
        """Whether an order of unknown id is a successor of one that is known, so that its news may wait for the binding."""
        raw = next(each for each in nested(order) if str(each["id"]) == fact.broker_id)
        return raw.get("replaces") is not None

    def _folded(self, facts: Iterable[Fact]) -> list[OrderEvent]:
        return [event for fact in facts for event in self._groups.heard(fact)]

    def _pass_on(self, raw: Heard | None, events: list[OrderEvent]) -> None:
        if raw is not None:
            self._door.heard(raw, events)
        else:
            for event in events:
                self._door.order_event(event)
        for event in events:
            self._tell(event)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)
