"""What the desk has sent, and what came back: which steps were answered, which never left, and whose the broker's orders are."""

from __future__ import annotations

from desk.domain.journal import Acknowledged, BrokerRefusal
from desk.domain.orders import GroupRole, OrderEvent, OrderSpec, OrderStatus
from desk.domain.steps import NewOrder, Replace, Step

Member = tuple[str, GroupRole]


class SentSteps:
    """Every journaled step by key. Readers of other threads may call `step` and `member_of`; the desk's own thread writes."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._answered: set[str] = set()
        self._unsent: set[str] = set()
        self._member_of: dict[str, Member] = {}
        self._heard: dict[str, dict[GroupRole, OrderStatus]] = {}
        self._ended: set[str] = set()
        self._refused: set[str] = set()
        self._moved: set[str] = set()

    def step(self, key: str) -> Step | None:
        return self._steps.get(key)

    def member_of(self, broker_id: str) -> Member | None:
        """Group and role that an order at the broker is known to have."""
        return self._member_of.get(broker_id)

    def first_member(self, client_id: str, nonce: str) -> Member | None:
        """Group and role of an order by its client order id alone; ids of this journal begin with its nonce."""
        if not client_id.startswith(f"{nonce}-"):
            return None
        step = self._steps.get(client_id)
        return client_id, step.spec.first_role if isinstance(step, NewOrder) else GroupRole.ENTRY

    def given_up(self, key: str) -> OrderSpec | None:
        """What was meant by an order that counts as never sent."""
        step = self._steps.get(key)
        return step.spec if isinstance(step, NewOrder) and key in self._unsent else None

    def was_moved(self, key: str) -> bool:
        """Whether a price of an order group was ever asked to change."""
        return key in self._moved

    def is_unsent(self, key: str) -> bool:
        """Whether a journaled step is known never to have reached the broker, so that it may go out again."""
        return key in self._unsent

    def is_over(self, key: str) -> bool:
        """Whether an order group was refused, or each of its members is known to have ended: nothing of it is at the broker."""
        return key in self._ended or key in self._refused

    def unanswered(self) -> list[Step]:
        """Price changes and cancels of which nobody knows whether they were sent."""
        return [step for key, step in self._steps.items() if not isinstance(step, NewOrder) and key not in self._answered]

    def goes_out(self, step: Step) -> None:
        self._steps[step.key] = step
        if isinstance(step, Replace):
            self._moved.add(step.of_key)
        self._unsent.discard(step.key)
        self._refused.discard(step.key)

    def answer(self, ack: Acknowledged) -> None:
        """An answer also tells which of the broker's orders belong to a group of the desk's."""
        self._answered.add(ack.key)
        step = self._steps.get(ack.key)
        group = ack.key if step is None or isinstance(step, NewOrder) else step.of_key
        self._member_of.update({broker_id: (group, GroupRole(role)) for role, broker_id in ack.broker_ids.items()})

    def refuse(self, refusal: BrokerRefusal) -> Step | None:
        """Note a refusal. Returns the step that was refused."""
        self._answered.add(refusal.key)
        if refusal.unsent:
            self._unsent.add(refusal.key)
        step = self._steps.get(refusal.key)
        if isinstance(step, NewOrder):
            self._refused.add(refusal.key)
        return step

    def hear(self, event: OrderEvent) -> None:
        self._member_of[event.broker_id] = (event.key, event.role)
        step = self._steps.get(event.key)
        if not isinstance(step, NewOrder) or event.key in self._ended:
            return
        self._refused.discard(event.key)  # it was given up, and is there after all
        self._unsent.discard(event.key)
        heard = self._heard.setdefault(event.key, {})
        heard[event.role] = event.status
        if step.spec.is_over(heard):
            del self._heard[event.key]
            self._ended.add(event.key)
