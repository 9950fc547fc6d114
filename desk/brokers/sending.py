"""Carries the journal's messages to Alpaca and tells what became of each: the one place that submits, replaces and cancels."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, time

from alpaca.trading.requests import OrderRequest, ReplaceOrderRequest

from desk.brokers.alpaca_orders import order_request, residue_request
from desk.brokers.guarded.errors import ErrorClass, Failure
from desk.brokers.guarded.outcomes import Ended, Mismatch, NotSent, Outcome, Sent, Unknown
from desk.brokers.guarded.payload import Problem
from desk.brokers.guarded.submission import Keyed, OrderSender
from desk.brokers.guarded.transport import protective
from desk.brokers.intake import Intake
from desk.core.ports import Clock, Door
from desk.core.residue import NEW_YORK
from desk.domain.journal import Acknowledged, BrokerRefusal, ResidueStop
from desk.domain.orders import GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, PositionIntent, Side
from desk.domain.steps import Cancel, Replace

# Refusals that a correct desk can meet: the market, the broker or another party moved between its look and its order.
EXPLAINED = frozenset(ErrorClass) - {
    ErrorClass.REFUSED,
    ErrorClass.UNAUTHORIZED,
    ErrorClass.NOT_FOUND,
    ErrorClass.NEEDS_CANCEL,
    ErrorClass.WRONG_SIDE_OF_POSITION,
}
# Contracts are assigned at any hour, and no stream tells of it: the position is another one than the desk can know.
EXPLAINED_OF_CONTRACTS = EXPLAINED | {ErrorClass.WRONG_SIDE_OF_POSITION}
CLOSES = frozenset({PositionIntent.BUY_TO_CLOSE, PositionIntent.SELL_TO_CLOSE})
# Nothing of the request reached the broker's books: it may go out again under its own key.
UNSENT = frozenset({ErrorClass.NOT_REACHED, ErrorClass.RATE_LIMITED})
# Of what a correct desk is told when an order ended under its hands.
TOO_LATE = "the order had ended"


class Sending:
    """Used by one thread, the broker's order thread. Nothing is raised for what a broker or a network does."""

    def __init__(self, sender: OrderSender, intake: Intake, door: Door, clock: Clock) -> None:
        self._sender = sender
        self._intake = intake
        self._door = door
        self._clock = clock

    def submit(self, spec: OrderSpec) -> str | None:
        """Send an order. Returns why it was not taken, None when it was or when nobody knows yet."""
        self._intake.sends(spec, self._clock.now())
        try:
            outcome = self._asked(spec, order_request(spec), urgent=is_protective(spec))
            return self._sent(spec, outcome)
        finally:
            self._intake.has_sent(spec.key, self._clock.now())

    def _asked(self, spec: Keyed, request: OrderRequest, *, urgent: bool, meant_at: datetime | None = None) -> Outcome:
        return self._guarded(lambda: self._sender.send(spec, request, meant_at), urgent=urgent)

    def sell_residue(self, stop: ResidueStop) -> None:
        """Send the order for part of a share. It is not followed: its fill is in no whole share, and it ends with the day.

        Not urgent: the exits of whole shares must not wait while it is tried again.
        """
        since = datetime.combine(stop.session, time(), NEW_YORK)
        outcome = self._asked(stop, residue_request(stop), urgent=False, meant_at=since)
        if isinstance(outcome, Sent):
            self._door.acknowledged(Acknowledged(stop.key, {GroupRole.ENTRY.value: str(outcome.order["id"])}))
        elif isinstance(outcome, NotSent):
            # A stock that is not traded in parts, or a price that moved: nothing that a correct desk could foresee.
            self._door.refused(replace(refusal_of(stop.key, outcome.refusal), explained=not isinstance(outcome.refusal, Problem)))
        elif isinstance(outcome, Mismatch):
            self._door.trouble(f"the order at the broker under {stop.key} is not the one in the journal: {outcome.text}")

    def _sent(self, spec: OrderSpec, outcome: Outcome) -> str | None:
        if isinstance(outcome, Sent):
            self._intake.answer(spec, outcome.order)
        elif isinstance(outcome, Unknown):
            event = OrderEvent(spec.key, spec.first_role, OrderStatus.UNKNOWN, self._clock.now(), "", text=outcome.why)
            self._door.order_event(event)
        elif isinstance(outcome, NotSent):
            self._intake.forget(spec.key)
            refusal = refusal_of(spec.key, outcome.refusal, EXPLAINED_OF_CONTRACTS if _is_of_contracts(spec) else EXPLAINED)
            self._door.refused(refusal)
            return refusal.message
        elif isinstance(outcome, Mismatch):
            self._door.trouble(f"the order at the broker under {spec.key} is not the one in the journal: {outcome.text}")
        return None

    def replace(self, step: Replace) -> None:
        broker_id = self._living_id(step.of_key, step.role)
        price = float(step.limit_price)
        is_stop = step.role is GroupRole.STOP_LOSS
        request = ReplaceOrderRequest(stop_price=price) if is_stop else ReplaceOrderRequest(limit_price=price)
        outcome = self._guarded(lambda: self._sender.replace(broker_id, request), urgent=True)
        if isinstance(outcome, Sent):
            successor = str(outcome.order["id"])
            self._door.acknowledged(Acknowledged(step.key, {step.role.value: successor}))
            self._intake.successor(broker_id, outcome.order, step.key)
        else:
            self._not_done(step, outcome)

    def cancel(self, step: Cancel) -> None:
        broker_id = self._living_id(step.of_key, step.role)
        outcome = self._guarded(lambda: self._sender.cancel(broker_id), urgent=True)
        if isinstance(outcome, Sent):
            self._door.acknowledged(Acknowledged(step.key, {step.role.value: broker_id}))
        else:
            self._not_done(step, outcome)

    def cancel_foreign(self, broker_id: str) -> Outcome:
        """End an order that is not the desk's own."""
        return self._guarded(lambda: self._sender.cancel(broker_id), urgent=True)

    def _not_done(self, step: Replace | Cancel, outcome: Outcome) -> None:
        if isinstance(outcome, Ended):
            self._intake.looked_up(outcome.order)
            self._door.refused(BrokerRefusal(step.key, None, None, TOO_LATE, explained=True))
        elif isinstance(outcome, NotSent):
            self._door.refused(refusal_of(step.key, outcome.refusal))
        elif isinstance(outcome, Unknown):
            # Asked again at the next iteration: a change that did arrive is found to be there already.
            self._door.refused(BrokerRefusal(step.key, None, None, outcome.why, explained=True))
        elif isinstance(outcome, Mismatch):
            self._door.refused(BrokerRefusal(step.key, None, None, outcome.text))
            self._door.trouble(f"{step.symbol}: another change took the place of {step.key}: {outcome.text}")

    def _living_id(self, key: str, role: GroupRole) -> str:
        for candidate in (role, GroupRole.TAKE_PROFIT):
            broker_id = self._intake.current((key, candidate))
            if broker_id is not None:
                return broker_id
        raise LookupError(f"no order at the broker is known as {role} of {key}")

    @staticmethod
    def _guarded(send: Callable[[], Outcome], *, urgent: bool) -> Outcome:
        if not urgent:
            return send()
        with protective():
            return send()


def is_protective(spec: OrderSpec) -> bool:
    """Whether an order only takes risk away: an exit of shares that are held, or of contracts."""
    if _is_of_contracts(spec):
        return {spec.position_intent, *(leg.intent for leg in spec.legs)} <= {None, *CLOSES}
    return spec.order_class is OrderClass.OCO or (spec.order_class is OrderClass.SIMPLE and spec.side is Side.SELL)


def _is_of_contracts(spec: OrderSpec) -> bool:
    return bool(spec.legs) or spec.position_intent is not None


def refusal_of(key: str, refusal: Failure | Problem, explained_by: Collection[ErrorClass] = EXPLAINED) -> BrokerRefusal:
    """What the desk makes of an order that is certainly not at the broker."""
    if isinstance(refusal, Problem):
        # The desk's own mistake: the venue would have refused it.
        return BrokerRefusal(key, None, None, refusal.text, explained=False)
    explained, unsent = refusal.error_class in explained_by, refusal.error_class in UNSENT
    return BrokerRefusal(key, refusal.status, refusal.code, refusal.message or refusal.text, explained, unsent)
