"""The Lumibot Alpaca broker that survives its own brackets.

Stock Lumibot 4.6.30 never learns the ids of exit legs, raises in every later sync once a bracket is among its orders, sends
bracket entries as market orders with a limit price, and drops fills that overtake the answer to their order. This subclass
keeps Lumibot's bookkeeping and callbacks, sends only what the desk's journal holds, and follows order groups by their legs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import numpy as np
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import QueryOrderStatus
from alpaca.trading.requests import GetOrderByIdRequest, GetOrdersRequest
from lumibot.entities import Order

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_facts import STATUS
from desk.brokers.endpoint import Endpoint
from desk.brokers.guarded.breaker import CircuitBreaker
from desk.brokers.guarded.bucket import RateBudget, TokenBucket
from desk.brokers.guarded.outcomes import NotSent
from desk.brokers.guarded.pacing import Pace
from desk.brokers.guarded.submission import OrderSender
from desk.brokers.guarded.transport import GuardedTransport, guard, protective
from desk.brokers.intake import Intake
from desk.brokers.lumibot_news import STATUS_WORDS, tell_lumibot
from desk.brokers.lumibot_orders import (
    PackageTerms,
    key_of,
    member_order,
    package_order,
    package_spec,
    package_text,
    plain_order,
    spec_of,
)
from desk.brokers.market_clock import ClockedAlpaca, MarketHours
from desk.brokers.order_queue import OrderQueue
from desk.brokers.resync import Resync
from desk.brokers.sending import Sending, is_protective
from desk.brokers.stream_timing import StreamTiming
from desk.brokers.trade_stream import StateName, StreamHandlers, StreamState, TradeStream
from desk.brokers.update_counter import UpdateCounter
from desk.core.ports import Clock, Door
from desk.domain.errors import Refused
from desk.domain.journal import BrokerRefusal, ResidueStop
from desk.domain.orders import TERMINAL, GroupRole, OrderEvent, OrderSpec, OrderStatus
from desk.domain.steps import Cancel, NewOrder, Replace
from desk.domain.trades import Filled


@dataclass(frozen=True, slots=True)
class WallTime:
    """The machine's own time, in which sockets live in a replay too. `seed` draws the jitter of waits."""

    now: Callable[[], datetime]
    stopwatch: Callable[[], float]
    seed: int = 0


class DeskAlpaca(ClockedAlpaca):
    """Lumibot broker for Alpaca and for any server that speaks its API; `door` is the desk."""

    def __init__(
        self,
        endpoint: Endpoint,
        door: Door,
        clock: Clock,
        data_source: Any,
        market_hours: MarketHours,
        wall: WallTime,
        timing: StreamTiming | None = None,
        in_lockstep: bool = False,
    ) -> None:
        # Lumibot's constructor already asks for clients and starts the stream, so these come first.
        self._endpoint = endpoint
        self.door = door
        self._desk_clock = clock
        self._market_hours = market_hours
        self._schedules = {}
        self._wall = wall
        self._timing = timing or StreamTiming()
        self._in_lockstep = in_lockstep
        self._intake = Intake(door, self._tell, self._look_now)
        self._groups: dict[str, Order] = {}
        self.updates = UpdateCounter()
        self._sent = 0
        self._is_listening = False
        self._client = self._guarded_client()
        self._resync = Resync(self._client, self._intake, door, clock)
        config = {"API_KEY": endpoint.api_key, "API_SECRET": endpoint.api_secret, "PAPER": endpoint.is_paper}
        super().__init__(config, data_source=data_source, connect_stream=True, start_orders_thread=True)
        self._cleanup_config = self._initialize_cleanup_config({"retention_policies": RETENTION})
        self._trade_event_log_enabled = False  # the journal has every event, and nobody reads the table in live trading

    # ---- clients ---------------------------------------------------------------------------------------------------

    def _create_trading_client(self) -> Any:
        return self._client

    def _guarded_client(self) -> TradingClient:
        client = trading_client(self._endpoint)
        pace = Pace(self._wall.stopwatch, self._pause, np.random.default_rng(self._wall.seed))
        budget = RateBudget(self._endpoint.requests_per_minute, self._endpoint.requests_per_minute // 5)
        self.breaker = CircuitBreaker(self._wall.stopwatch, lambda change: log.warning("%s", change.text))
        guard(client, GuardedTransport(TokenBucket(self._wall.stopwatch, self._epoch, self._pause, budget), self.breaker, pace))
        self._sending = Sending(OrderSender(client, self._desk_clock, pace), self._intake, self.door, self._desk_clock)
        return client

    def _epoch(self) -> float:
        return self._wall.now().timestamp()

    def _pause(self, seconds: float) -> None:
        if self._stop_event.wait(seconds):
            Event().wait(min(seconds, CLOSING_PAUSE_SECONDS))  # or who waits for its turn would spin until it has it

    def _get_stream_object(self) -> Any:
        handlers = StreamHandlers(self._on_message, self.resync, self.resync, self._on_trouble, self._on_state)
        generator = np.random.default_rng(self._wall.seed)
        wall = self._wall
        return TradeStream(
            self._endpoint, handlers, now=wall.now, monotonic=wall.stopwatch, generator=generator, timing=self._timing
        )

    # ---- out ---------------------------------------------------------------------------------------------------------

    def _start_orders_thread(self) -> None:
        # Lumibot has just made its own queue. In lockstep it stays: the order of sending decides what the exchange does.
        if not self._in_lockstep:
            self._orders_queue = OrderQueue(self._is_urgent)
        super()._start_orders_thread()

    def _is_urgent(self, order: Order) -> bool:
        step = self.door.step(key_of(order) or "")
        return isinstance(step, NewOrder) and is_protective(step.spec)

    def _submit_order(self, order: Order) -> Order:
        return self._send_as(order, self._spec_for(order))

    def _submit_package(self, legs: list[Order], terms: PackageTerms) -> Order:
        """Send several legs as one order. Returns Lumibot's order for the whole; the legs are its children."""
        order = package_order(legs, terms)
        return self._send_as(
            order, self._foreign_spec(order, package_text(legs, terms), lambda key: package_spec(legs, terms, key))
        )

    def _send_as(self, order: Order, spec: OrderSpec | None) -> Order:
        if spec is None:
            return order
        self._groups[spec.key] = order
        for key in self._intake.drop_ended():
            self._groups.pop(key, None)
        self._sent += 1
        why_not = self._sending.submit(spec)
        if why_not is not None:
            self._failed(order, ValueError(why_not))
        else:
            self._track(spec)
        return order

    def _spec_for(self, order: Order) -> OrderSpec | None:
        """What the journal meant by this order. A key that is not journaled goes nowhere."""
        key = key_of(order)
        if key is None:
            return self._foreign_spec(order, str(order), lambda key: spec_of(order, key))
        step = self.door.step(key)
        if isinstance(step, NewOrder):
            return step.spec
        self.door.refused(BrokerRefusal(key, None, None, "not in the journal, not sent"))
        self._failed(order, ValueError(key))
        return None

    def _foreign_spec(self, order: Order, text: str, read: Callable[[str], OrderSpec]) -> OrderSpec | None:
        """Journal an order that did not come through the corridor, and read it under its new key."""
        written = self.door.foreign(str(order.asset.symbol), text, read)
        if written.spec is None:  # it cannot go out
            self.door.refused(BrokerRefusal(written.key, None, None, written.problem, explained=True))
            self._failed(order, ValueError(written.problem))
        return written.spec

    def _failed(self, order: Order, error: Exception) -> None:
        for each in (*order.child_orders, order):
            each.set_error(error)
        self._process_trade_event(order, self.ERROR_ORDER, error=error)

    def _submit_orders(
        self,
        orders: list[Any],
        is_multileg: bool = False,
        order_type: str | None = None,
        duration: str = "day",
        price: float | None = None,
    ) -> list[Order]:
        """Lumibot's list of orders, or its several legs of one order; from the order thread also the desk's own changes."""
        if is_multileg:
            return [self._submit_package(orders, PackageTerms(order_type, duration, price))]
        # Price changes and cancels share Lumibot's order queue, so that none is sent before the order that it changes.
        for item in orders:
            if isinstance(item, Order):
                self._submit_order(item)
            else:
                self._change(item)
        return [item for item in orders if isinstance(item, Order)]

    def _change(self, step: Replace | Cancel | ResidueStop) -> None:
        self._sent += 1
        try:
            if isinstance(step, ResidueStop):
                self._sending.sell_residue(step)
            elif isinstance(step, Cancel):
                self._sending.cancel(step)
            else:
                self._sending.replace(step)
        except LookupError as error:
            self.door.refused(BrokerRefusal(step.key, None, None, str(error), explained=True))
        except Exception as error:
            # Lumibot's order thread would log it and go on; then nobody would ask again.
            self.door.refused(BrokerRefusal(step.key, None, None, f"{type(error).__name__}: {error}"))
            self.door.trouble(f"{step.key} could not be carried out: {error!r}")

    def send(self, item: Order | Replace | Cancel | ResidueStop) -> None:
        """Queue an order, a price change or a cancel behind what was decided before it and is as urgent."""
        self._orders_queue.put([item])

    def cancel_order(self, order: Order) -> None:
        """Lumibot's cancel, for orders that did not come through the corridor; it is journaled first."""
        self._journal_foreign(order, "cancel")
        outcome = self._sending.cancel_foreign(order.identifier)
        if isinstance(outcome, NotSent):
            raise Refused(f"cancel of {order}: {outcome.refusal.text}")

    def cancel_orders(self, orders: Any) -> None:
        for order in list(orders):
            self.cancel_order(order)

    def _modify_order(self, order: Order, limit_price: float | None = None, stop_price: float | None = None) -> None:
        # Moving an exit past the journal would leave the desk believing in a stop that is somewhere else.
        self._journal_foreign(order, f"change to limit {limit_price}, stop {stop_price}")
        super()._modify_order(order, limit_price, stop_price)

    def _journal_foreign(self, order: Order, what: str) -> None:
        member = self._intake.member(order.identifier)
        if member is not None and self.door.step(member[0]) is not None:
            raise Refused(f"{what} of {order}: the desk's own orders change through its corridor alone; say it in targets()")
        self.door.foreign(str(order.asset.symbol), f"{what} of {order}")

    @property
    def sent(self) -> int:
        """Messages that went to the broker and may have made news there."""
        return self._sent

    # ---- Lumibot's own bookkeeping of the desk's orders ----------------------------------------------------------------

    def _track(self, spec: OrderSpec) -> None:
        """Let Lumibot track each member of a group that the broker has as an order of its own."""
        # The ids first: whoever passes news on holds the intake's lock and takes Lumibot's, never the other way round.
        ids = {role: self._intake.current((spec.key, role)) for role in GroupRole}
        if (group := self._groups.get(spec.key)) is None:
            return  # given up by an earlier process, and there after all: Lumibot never knew it
        with self._lock:
            tracked = {known.identifier for known in self.get_all_orders()}
            for role, broker_id in ids.items():
                order = member_order(group, role)
                if broker_id is None or order is None:
                    continue
                order.set_identifier(broker_id)
                if broker_id not in tracked and order.is_active():
                    self._unprocessed_orders.append(order)

    def _tell(self, event: OrderEvent) -> None:
        """Pass news of the desk's orders on to Lumibot, which calls the strategy back."""
        group = self._groups.get(event.key)
        order = None if group is None else member_order(group, event.role)
        if order is None:
            return
        if event.broker_id:
            order.set_identifier(event.broker_id)
        if event.fill is None and event.status in TERMINAL and not order.is_active():
            return
        tell_lumibot(self, order, event.status, event.fill)

    def follow(self, spec: OrderSpec, order: Order, since: datetime, statuses: dict[GroupRole, OrderStatus]) -> None:
        """Follow an order group again after a restart, of which the journal knows `statuses`."""
        self._groups[spec.key] = order
        self._intake.resume(spec, since, statuses)

    def catch_up(self, filled: dict[str, Filled], lost_after: timedelta, back_to: datetime | None = None) -> None:
        """After a restart: bring the desk to the broker's truth, beyond the `filled` that the journal has counted.

        What was decided longer than `lost_after` ago and is not there never arrived; if it did, it is found back to `back_to`.
        """
        self._intake.take_as_booked(filled)
        with protective():
            self._resync.run(lost_after, back_to)
        for spec in self._intake.live().values():
            self._track(spec)

    # ---- in: the trade-update stream -----------------------------------------------------------------------------------

    def _run_stream(self) -> None:
        self._stream_established()
        self.stream.run()

    def _on_message(self, message: dict[str, Any]) -> None:
        try:
            if self._intake.message(message):
                self.stream.look_now()
        except Exception as error:
            self.door.trouble(f"a trade update of the broker could not be read: {error!r}")
        finally:
            self.updates.add(message)

    def _look_now(self) -> None:
        self.stream.look_now()

    def resync(self) -> None:
        """Bring the desk to the broker's truth. Raises what the broker's silence raises; it may be called from any thread."""
        with protective():  # nothing is covered before it is known, and the stream reads nothing meanwhile
            self._resync.run()
        for spec in self._intake.live().values():
            self._track(spec)

    def _on_trouble(self, text: str, frame: bytes) -> None:
        log.warning("%s", text)

    def _on_state(self, state: StreamState) -> None:
        # Before the first connection nothing is traded, and after the last one nothing more.
        if state.connections and state.name is not StateName.STOPPED:
            self.door.link(state.name is StateName.LISTENING, state.reason or state.name.value)
        self._is_listening = state.name is StateName.LISTENING

    @property
    def stream_state(self) -> StreamState:
        state: StreamState = self.stream.state
        return state

    def is_stream_running(self) -> bool:
        """Whether the websocket listens, the desk has seen the broker's truth since, and was told so."""
        return self._is_listening

    @property
    def has_doubts(self) -> bool:
        """Whether there are orders of which it is not known if they arrived."""
        return any(self._intake.current((key, spec.first_role)) is None for key, spec in self._intake.live().items())

    # ---- reading the broker ------------------------------------------------------------------------------------------

    def _flatten_order(self, order: Order) -> list[Order]:
        # Members are tracked when the answer is read; Lumibot would append every one of them a second time.
        return []

    def _pull_broker_all_orders(self) -> list[Any]:
        request = GetOrdersRequest(status=QueryOrderStatus.OPEN, limit=500)
        parents = [self._with_legs(order) for order in self.api.get_orders(filter=request)]
        # A multi-leg order has no symbol and trades nothing: its legs do.
        return [order for parent in parents for order in (parent, *(parent.legs or [])) if order.symbol]

    def _with_legs(self, order: Any) -> Any:
        """A multi-leg order's legs are in no listing of their own; asked for nested, a listing may leave other orders out."""
        return order if order.symbol or order.legs else self.api.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))

    def _pull_all_orders(self, strategy_name: str, strategy_object: Any) -> list[Order]:
        """Open orders at the broker as Lumibot orders; those tracked here are given back as the very objects tracked."""
        tracked = {order.identifier: order for order in self.get_all_orders()}
        pulled = [
            tracked.get(str(response.id)) or self._parse_broker_order(response, strategy_name, strategy_object)
            for response in self._pull_broker_all_orders()
        ]
        # Orders whose end the stream has told, or will tell, are not open any more and not missing either.
        listed = {order.identifier for order in pulled}
        return pulled + [order for identifier, order in tracked.items() if identifier not in listed]

    def _parse_broker_order(self, response: Any, strategy_name: str, strategy_object: Any = None) -> Order:
        """Any order as a simple Lumibot order: Lumibot cannot build a group's parent without its children."""
        order = plain_order(response, strategy_name)
        order.status = STATUS_WORDS.get(STATUS[response.status.value], "new")
        return order

    def close(self, timeout_seconds: float = 3.0) -> None:
        """Stop the stream and the order thread; Lumibot leaves both running."""
        self._stop_event.set()
        self.stream.stop()
        if self._orders_thread is not None:
            self._orders_thread.join(timeout_seconds)


log = logging.getLogger(__name__)
CLOSING_PAUSE_SECONDS = 0.05
# Lumibot would keep ten thousand filled orders; what ended is in the journal.
RETENTION = {f"{name}_orders": {"max_count": 300, "min_keep": 100} for name in ("filled", "canceled", "error")}
