"""Stops for the parts of shares in an account, a new one in each session: the broker lets none live longer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.covering import AGAIN_AFTER
from desk.core.ports import DuplicateKey
from desk.core.residue import NEW_YORK, Residue, ResidueStops, day_order, exact, fraction, refused_words
from desk.data import calendars
from desk.domain.journal import Acknowledged, ResidueStop
from desk.domain.orders import GroupRole
from desk.runtime.desk import Desk

log = logging.getLogger(__name__)


@dataclass
class Residues:
    """Looks at the positions once a session, while the market is open; one request, and one more for each order in doubt.

    Used by the guardian's thread alone. `send` queues an order for the broker, `show` tells a person.
    """

    desk: Desk
    api: Any
    send: Callable[[ResidueStop], None]
    stop_loss_fraction: float
    show: Callable[[str], None]
    _looked_on: date | None = None
    _tried_at: datetime | None = None
    _markets: dict[str, Decimal] = field(default_factory=dict)
    _dropped: set[str] = field(default_factory=set)

    def next_look(self, now: datetime) -> datetime:
        """When to look again, which may be past."""
        session = _session(now)
        if session is None or not self._is_to_do(session):
            return _next_opening(now)
        return now if self._tried_at is None or self._stops.has_untold else self._tried_at + AGAIN_AFTER

    def _is_to_do(self, session: date) -> bool:
        return self._looked_on != session or self._stops.has_untold or bool(self._in_doubt(session))

    def look(self, now: datetime) -> None:
        """Do what is due. A broker that is silent is asked again; what it refused is tried again in the next session."""
        session = _session(now)
        if session is None:
            return
        for stop, why in self._stops.take_untold(session):
            text = refused_words(stop, why, self._markets.get(stop.symbol))
            log.warning("%s", text)
            self.show(text)
        if self.next_look(now) <= now:
            self._look_at_account(session, now)

    @property
    def _stops(self) -> ResidueStops:
        return self.desk.residues

    def _in_doubt(self, session: date) -> list[ResidueStop]:
        return [stop for stop in self._stops.unanswered(session) if stop.key not in self._dropped]

    def _look_at_account(self, session: date, now: datetime) -> None:
        self._tried_at = now
        try:
            positions = {one.symbol: one for one in self.api.get_all_positions() if _is_stock(one)}
            self._markets = {symbol: price for symbol, one in positions.items() if (price := _market(one)) is not None}
            for stop in self._in_doubt(session):
                self._settle(stop, positions)
        except (RequestException, APIError) as error:
            log.warning("parts of shares could not be looked after: %r", error)
            return
        for one in positions.values():
            self._protect(one, session)
        self._looked_on = session

    def _settle(self, stop: ResidueStop, positions: Mapping[str, Any]) -> None:
        """An order that a process before this one journaled, or of which no answer came: is it there?"""
        try:
            found = self.api.get("/orders:by_client_order_id", {"client_order_id": stop.key})
        except APIError as error:
            if error.status_code != 404:
                raise
            there = positions.get(stop.symbol)
            if there is not None and fraction(there.qty) == stop.quantity:
                self.send(stop)
            else:
                self._dropped.add(stop.key)  # it never arrived, and there is nothing left that it was for
            return
        self.desk.acknowledged(Acknowledged(stop.key, {GroupRole.ENTRY.value: str(found["id"])}))

    def _protect(self, position: Any, session: date) -> None:
        symbol, quantity = str(position.symbol), fraction(position.qty)
        # What somebody's order holds can be in no other one.
        if not quantity or exact(position.qty_available or 0) < quantity or self._stops.of(symbol, session) is not None:
            return
        residue = Residue(symbol, quantity, Decimal(str(position.avg_entry_price)), _market(position))
        stop = day_order(residue, self.desk.book, self.stop_loss_fraction, self._stops.nonce, session)
        if stop is not None:
            self._place(stop)

    def _place(self, stop: ResidueStop) -> None:
        """Journal it, then send it."""
        try:
            self.desk.record(stop)
        except DuplicateKey:
            log.warning("%s was journaled before and is not sent again", stop.key)
            return
        self._stops.see(stop)
        self.send(stop)
        where = "sold at the market, which is below its stop" if stop.stop_price is None else f"day stop at {stop.stop_price}"
        self.show(f"{stop.quantity:f} {stop.symbol}: part of a share, {where}")


def _session(now: datetime) -> date | None:
    """The day whose session is open."""
    found = calendars.session_on(now.astimezone(NEW_YORK).date())
    return found.day if found is not None and found.opens_at <= now < found.closes_at else None


def _next_opening(now: datetime) -> datetime:
    day = now.astimezone(NEW_YORK).date()
    today = calendars.session_on(day)
    return today.opens_at if today is not None and now < today.opens_at else calendars.next_session(day).opens_at


def _market(position: Any) -> Decimal | None:
    price = Decimal(str(position.current_price or 0))
    return price if price > 0 else None


def _is_stock(position: Any) -> bool:
    return str(getattr(position.asset_class, "value", position.asset_class)) == "us_equity"
