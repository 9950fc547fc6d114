"""Brings the desk to the broker's truth: what the stream lost, repeated or never told, by asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from desk.brokers.alpaca_facts import moment
from desk.brokers.alpaca_orders import order_request
from desk.brokers.guarded.matching import Window, differences
from desk.brokers.intake import Intake
from desk.core.ports import Clock, Door
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import OrderSpec

PAGE = 500
# Clocks differ, and an order is journaled before it is sent.
OVERLAP = timedelta(minutes=5)
# An order that the broker has not listed for this long after it was decided never arrived.
LOST_AFTER = timedelta(seconds=60)

Raw = Mapping[str, Any]


class Resync:
    """Asks for every order of the groups that may still change, in as few requests as pages."""

    def __init__(self, api: TradingClient, intake: Intake, door: Door, clock: Clock) -> None:
        self._api = api
        self._intake = intake
        self._door = door
        self._clock = clock

    def run(self, lost_after: timedelta = LOST_AFTER, back_to: datetime | None = None) -> int:
        """Fold in what the broker lists, since `back_to` (aware) at least. Returns how many orders brought news.

        Raises what the broker's silence raises.
        """
        wanted = self._intake.live()
        begins = [self._intake.since(key) - OVERLAP for key in wanted] + ([] if back_to is None else [back_to])
        if not begins:
            return 0
        found: set[str] = set()
        told: set[str] = set()
        news = 0
        for order in self._listed(min(begins)):
            key = str(order.get("client_order_id") or "")
            stray = self._intake.stray(order)
            if stray is not None and self._adopt(stray, order):
                found.add(key)
            if key in wanted and self._adopt(wanted[key], order):
                found.add(key)
            news += self._read(order)
            told |= {str(each["id"]) for each in (order, *(order.get("legs") or ()))}
        for key, spec in wanted.items():
            if key not in found:
                news += self._ask_for(spec, lost_after)
        return news + sum(self._follow(key, told) for key in found)

    def _follow(self, key: str, told: set[str]) -> int:
        """Ask by id for orders of a group that no listing told of: one that was replaced, and its successor too, unseen."""
        news = 0
        while unseen := [each for each in self._intake.open_orders(key) if each not in told]:
            for broker_id in unseen:
                told.add(broker_id)
                news += self._read(cast(Raw, self._api.get(f"/orders/{broker_id}", {"nested": "true"})))
        return news

    def _listed(self, after: datetime) -> Iterator[Raw]:
        """Orders sent after a moment, oldest first, their legs nested."""
        seen: set[str] = set()
        while True:
            filters = {"status": "all", "nested": "true", "limit": PAGE, "direction": "asc", "after": after.isoformat()}
            page = cast(list[Raw], self._api.get("/orders", filters))
            fresh = [order for order in page if order["id"] not in seen]
            yield from fresh
            if len(page) < PAGE or not fresh:
                return
            seen = {str(order["id"]) for order in page}
            # `after` leaves its own instant out, and one instant may hold several orders.
            after = moment(page[-1]["submitted_at"]) - timedelta(microseconds=1)

    def _ask_for(self, spec: OrderSpec, lost_after: timedelta) -> int:
        """Ask for a group that the list does not have, by its key: it is older, or it never arrived."""
        try:
            parent = cast(Raw, self._api.get("/orders:by_client_order_id", {"client_order_id": spec.key}))
        except APIError as error:
            if error.status_code != 404:
                raise
            self._missing(spec, lost_after)
            return 0
        order = cast(Raw, self._api.get(f"/orders/{parent['id']}", {"nested": "true"}))
        return int(self._adopt(spec, order) and self._read(order))

    def _read(self, order: Raw) -> bool:
        """Fold in one listed order. One of the desk's that cannot be read must not hide the others."""
        try:
            return self._intake.looked_up(order)
        except (KeyError, ValueError) as error:
            self._door.trouble(f"an order of the desk's at the broker could not be read: {error!r}")
            return False

    def _adopt(self, spec: OrderSpec, order: Raw) -> bool:
        """Take an order that carries our key for ours, if it is what the journal meant."""
        if self._intake.current((spec.key, spec.first_role)) is not None:
            return True
        window = Window(self._intake.since(spec.key) - OVERLAP, self._clock.now() + OVERLAP)
        meant = order_request(spec).to_request_fields()
        unlike = differences(meant, order, window, were_exits_moved=self._door.was_moved(spec.key))
        if unlike:
            told = "; ".join(each.text for each in unlike)
            self._door.trouble(f"the order at the broker under {spec.key} is not the one in the journal: {told}")
            return False
        self._intake.answer(spec, order)
        return True

    def _missing(self, spec: OrderSpec, lost_after: timedelta) -> None:
        known = self._intake.current((spec.key, spec.first_role)) is not None
        if known or self._intake.is_on_its_way(spec.key) or self._clock.now() - self._intake.since(spec.key) < lost_after:
            return
        self._intake.forget(spec.key)
        why = "never reached the broker: it lists no order under this id"
        self._door.refused(BrokerRefusal(spec.key, None, None, why, explained=True, unsent=True))
