"""Which order at the broker is which member of which journaled group."""

from __future__ import annotations

from threading import Lock

from desk.brokers.alpaca_orders import Update
from desk.domain.orders import GroupRole

Member = tuple[str, GroupRole]


class OrderIds:
    """Thread-safe map from broker ids to journal keys and roles.

    The broker mints the ids of exits and tells them in the answer to the entry; an event can overtake that answer, so
    updates of unknown ids wait here until somebody learns whose they are.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._members: dict[str, Member] = {}
        self._current: dict[Member, str] = {}
        self._parked: list[Update] = []

    def bind(self, broker_id: str, member: Member) -> None:
        """Say that `broker_id` is now `member`'s order; an older id of the member stays known for late events."""
        with self._lock:
            self._members[broker_id] = member
            self._current[member] = broker_id

    def member(self, broker_id: str) -> Member | None:
        with self._lock:
            return self._members.get(broker_id)

    def current(self, member: Member) -> str | None:
        with self._lock:
            return self._current.get(member)

    def is_current(self, broker_id: str) -> bool:
        with self._lock:
            member = self._members.get(broker_id)
            return member is not None and self._current.get(member) == broker_id

    def park(self, update: Update) -> bool:
        """Keep an update of an unknown id; False when the id has become known in the meantime."""
        with self._lock:
            if update.order_id in self._members:
                return False
            self._parked.append(update)
            return True

    def unpark(self) -> list[Update]:
        """Parked updates whose ids are known by now, in the order of their arrival."""
        with self._lock:
            known = [update for update in self._parked if update.order_id in self._members]
            self._parked = [update for update in self._parked if update.order_id not in self._members]
            return known
