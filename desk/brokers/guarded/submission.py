"""Sending, changing and cancelling an order so that it happens once and its end is known, whatever the connection does.

A client order id is unique for ever at Alpaca, also after the order has ended: the same order under the same id may be sent
again and cannot double, because a second arrival is refused. An order can be replaced once and cancelled once, so the same
holds for these by its own id. Each doubt is settled by looking; what stays open is `Unknown`, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.trading.requests import OrderRequest, ReplaceOrderRequest
from requests import RequestException

from desk.brokers.guarded.errors import ErrorClass, Failure, Retry, failure_of
from desk.brokers.guarded.matching import Window, changed_as_meant, differences, needs_legs
from desk.brokers.guarded.outcomes import Ended, Mismatch, NotSent, Outcome, Sent, Unknown
from desk.brokers.guarded.pacing import Pace, Patience
from desk.brokers.guarded.payload import first_problem
from desk.brokers.guarded.transport import is_protecting
from desk.core.ports import Clock

Json = dict[str, Any]
_PATIENCE = Patience(5, 45.0)
# Orders leave in one thread: what opens a position must not keep an exit waiting behind it.
_ORDINARY_PATIENCE = Patience(5, 15.0)
# Shares come back some 80 ms after the cancel that frees them, and stand bare until then: these looks are close together.
_FREED_SOON = Patience(12, 1.0)
_FREED_WAITS_SECONDS = (0.015, 0.015)
# Statuses after which nothing more happens to an order.
ENDED = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
# A cancel that meets one of these is on its way, or may be asked for again in a moment.
_CANCEL_LATER = frozenset({ErrorClass.RETRY_LATER})
# So may an exit: Alpaca frees shares some 60 ms after the cancel that frees them, and may take as long to know of a fill.
_EXIT_LATER = frozenset({ErrorClass.SHARES_HELD, ErrorClass.WRONG_SIDE_OF_POSITION})


class Keyed(Protocol):
    """What is known about an order by its key alone: `desk.domain.orders.OrderSpec`, or any other kind of order."""

    @property
    def key(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SendLimits:
    """`patience` bounds an errand within `protective()`, `ordinary_patience` any other. An order found under its id was submitted
    within `clock_skew` of when it was meant."""

    patience: Patience = _PATIENCE
    clock_skew: timedelta = timedelta(minutes=2)
    ordinary_patience: Patience = _ORDINARY_PATIENCE


class OrderSender:
    """Sends through an alpaca-py client behind `guard`. `clock` is the broker's time as well as one knows it (aware, UTC).

    Values come back for everything that a broker or a network does; ValueError is a bug of the caller.
    """

    def __init__(self, client: RESTClient, clock: Clock, pace: Pace, limits: SendLimits = SendLimits()) -> None:
        self._clock, self._pace, self._limits = clock, pace, limits
        self._soon = pace.with_waits(*_FREED_WAITS_SECONDS)
        self._methods: Mapping[str, Callable[[str, Any], object]] = {
            "GET": client.get,
            "POST": client.post,
            "PATCH": client.patch,
            "DELETE": client.delete,
        }

    def send(self, spec: Keyed, request: OrderRequest, meant_at: datetime | None = None) -> Outcome:
        """Send a new order: `Sent`, `NotSent`, `Unknown`, or `Mismatch` when its id belongs to another order.

        Within `protective()` it is an exit, and one is sent again while the shares may still be on their way back to it.
        `meant_at` (aware) is when it was first decided, for one that an earlier process may have sent; now when not given.
        Raises ValueError when the request does not carry the key of `spec`.
        """
        body = request.to_request_fields()
        if body.get("client_order_id") != spec.key:
            raise ValueError(f"client_order_id {body.get('client_order_id')!r} of the request: give the spec's key {spec.key!r}")
        found = first_problem(body)
        if found is not None:
            return NotSent(found)
        earliest = (meant_at or self._clock.now()) - self._limits.clock_skew
        again = _EXIT_LATER if is_protecting() else frozenset()
        return self._settle(lambda: self._call("POST", "/orders", body), lambda: self._look_for_new(body, earliest), again)

    def replace(self, order_id: str, request: ReplaceOrderRequest) -> Outcome:
        """Change a living order: `Sent` with its successor, or with the order itself when it has these values already; `Ended`
        when it came too late; `Mismatch` when another change took the order's place."""
        body = request.to_request_fields()
        return self._settle(
            lambda: self._call("PATCH", f"/orders/{order_id}", body), lambda: self._look_for_change(order_id, body)
        )

    def cancel(self, order_id: str) -> Outcome:
        """Ask for the end of an order and of its group: `Sent` when the broker will end it (which takes a moment, and may lose
        to a fill), `Ended` with the order when it had ended."""
        return self._settle(
            lambda: self._call("DELETE", f"/orders/{order_id}"), lambda: self._look_for_end(order_id), _CANCEL_LATER
        )

    def _settle(
        self,
        ask: Callable[[], Json | Failure],
        look: Callable[[], Outcome | None],
        again: frozenset[ErrorClass] = frozenset(),
    ) -> Outcome:
        """Ask until it is known how it ended. `look` says what the broker has, None while that settles nothing.

        A refusal settles nothing once there was a doubt: it may be the first request's order that makes the broker refuse.
        """
        patience = self._limits.patience if is_protecting() else self._limits.ordinary_patience
        doubt: Failure | None = None
        last = Failure(ErrorClass.NOT_REACHED, message="no attempt was allowed")
        for number in self._pace.tries(patience):
            answer = self._asked_until_freed(ask) if number == 0 and ErrorClass.SHARES_HELD in again else ask()
            if not isinstance(answer, Failure):
                return Sent(answer)
            last, doubt = answer, doubt if answer.is_certain else answer
            if doubt is not None or last.error_class in again:
                found = look()
                if found is not None:
                    return found
            elif last.retry is not Retry.SAME_LATER:
                return NotSent(last)
        if doubt is None:
            return NotSent(last)
        self._pace.rest(patience.attempts)
        return look() or Unknown(doubt.text if doubt is last else f"{doubt.text} Then: {last.text}")

    def _asked_until_freed(self, ask: Callable[[], Json | Failure]) -> Json | Failure:
        """Ask again while shares are on their way back: that refusal is certain, and costs one request."""
        answer: Json | Failure = Failure(ErrorClass.SHARES_HELD)
        for _ in self._soon.tries(_FREED_SOON):
            answer = ask()
            if not isinstance(answer, Failure) or answer.error_class is not ErrorClass.SHARES_HELD:
                break
        return answer

    # looking

    def _look_for_new(self, body: Mapping[str, Any], earliest: datetime) -> Outcome | None:
        found = self._call("GET", "/orders:by_client_order_id", {"client_order_id": body["client_order_id"]})
        if not isinstance(found, Failure) and needs_legs(body):
            found = self._nested(str(found.get("id")))
        if isinstance(found, Failure):
            return None
        unlike = differences(body, found, Window(earliest, self._clock.now() + self._limits.clock_skew))
        return Mismatch(found, unlike) if unlike else Sent(found, adopted=True)

    def _look_for_change(self, order_id: str, body: Mapping[str, Any]) -> Outcome | None:
        order = self._nested(order_id)
        if isinstance(order, Failure):
            return None
        if order.get("replaced_by"):
            successor = self._nested(str(order["replaced_by"]))
            if isinstance(successor, Failure):
                return None
            # No change makes a stop of a limit: the group's other exit took the order's place.
            if successor.get("type") != order.get("type"):
                return Ended(order)
            unlike = changed_as_meant(body, successor)
            return Mismatch(successor, unlike) if unlike else Sent(successor, adopted=True)
        if order.get("status") in ENDED:
            return Ended(order)
        return None if changed_as_meant(body, order) else Sent(order, adopted=True)

    def _look_for_end(self, order_id: str) -> Outcome | None:
        order = self._nested(order_id)
        if isinstance(order, Failure):
            return None
        if order.get("status") in ENDED:
            return Ended(order)
        return Sent(order, adopted=True) if order.get("status") == "pending_cancel" else None

    def _nested(self, order_id: str) -> Json | Failure:
        return self._call("GET", f"/orders/{order_id}", {"nested": "true"})

    def _call(self, method: str, path: str, data: Json | None = None) -> Json | Failure:
        """Alpaca's JSON as it came: alpaca-py's models drop group ids and fail on a status that they do not know."""
        try:
            answer: object = self._methods[method](path, data)
        except (APIError, RequestException) as error:
            return failure_of(error)
        if answer is None and method == "DELETE":
            return {}
        if not isinstance(answer, dict) or "id" not in answer:
            return Failure(ErrorClass.BROKEN, message=f"an answer to {method} {path} that is no order: {answer!r:.200}")
        return answer
