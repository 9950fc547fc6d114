"""The Lumibot Alpaca broker that survives its own brackets.

Stock Lumibot 4.6.30 never learns the ids of exit legs, raises in every later sync once a bracket is among its orders, sends
bracket entries as market orders with a limit price, and drops fills that overtake the answer to their order. This subclass
keeps Lumibot's bookkeeping and callbacks, sends only what the desk's journal holds, and follows order groups by their legs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.trading.enums import QueryOrderStatus
from alpaca.trading.requests import GetOrderByIdRequest, GetOrdersRequest, ReplaceOrderRequest
from lumibot.brokers import Alpaca
from lumibot.entities import Order
from requests import RequestException

from desk.brokers.alpaca_clients import trading_client, trading_stream
from desk.brokers.alpaca_orders import (
    EVENT,
    STATUS,
    FoundOrder,
    Update,
    found_order,
    leg_role,
    order_request,
    parse_update,
    refusal_of,
)
from desk.brokers.endpoint import Endpoint
from desk.brokers.lumibot_news import STATUS_WORDS, tell_lumibot
from desk.brokers.lumibot_orders import key_of, member_order, plain_order, spec_of
from desk.brokers.order_ids import Member, OrderIds
from desk.brokers.update_counter import UpdateCounter
from desk.core.ports import Clock, Door
from desk.domain.errors import Refused
from desk.domain.journal import Acknowledged, BrokerRefusal
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, Side
from desk.domain.steps import Cancel, Replace, Submit

# When to look for an order that was sent without an answer.
LOOKUP_AFTER_SECONDS = (0.5, 1.5, 3.0)
SIBLING = {GroupRole.TAKE_PROFIT: GroupRole.STOP_LOSS, GroupRole.STOP_LOSS: GroupRole.TAKE_PROFIT}


class DeskAlpaca(Alpaca):
    """Lumibot broker for Alpaca and for any server that speaks its API; `door` is the desk."""

    def __init__(self, endpoint: Endpoint, door: Door, clock: Clock, data_source: Any, market_hours: MarketHours) -> None:
        # Lumibot's constructor already asks for clients and starts the stream, so these come first.
        self._endpoint = endpoint
        self.door = door
        self._desk_clock = clock
        self._market_hours = market_hours
        self._ids = OrderIds()
        self._groups: dict[str, Order] = {}
        self._sent = 0
        self.updates = UpdateCounter()
        config = {"API_KEY": endpoint.api_key, "API_SECRET": endpoint.api_secret, "PAPER": endpoint.is_paper}
        super().__init__(config, data_source=data_source, connect_stream=True, start_orders_thread=True)

    # ---- clients ---------------------------------------------------------------------------------------------------

    def _create_trading_client(self) -> Any:
        return trading_client(self._endpoint)

    def _get_stream_object(self) -> Any:
        return trading_stream(self._endpoint)

    # ---- time: the desk's clock and calendar instead of the machine's ------------------------------------------------

    def is_market_open(self) -> bool:
        return self._market_hours(self._desk_clock.now()) is not None

    def get_timestamp(self) -> float:
        return self._desk_clock.now().timestamp()

    # ---- out: one place each that submits, replaces and cancels ------------------------------------------------------

    def _submit_order(self, order: Order) -> Order:
        spec = self._spec_for(order)
        if spec is None:
            return order
        self._groups[spec.key] = order
        try:
            self._register(spec, self._post(spec))
        except APIError as error:
            self._refused(order, refusal_of(spec.key, error), error)
        except RequestException as error:
            self._unknown(order, spec, error)
        for update in self._ids.unpark():
            self._apply(update)
        return order

    def _spec_for(self, order: Order) -> OrderSpec | None:
        """What the journal meant by this order. A key that is not journaled goes nowhere."""
        key = key_of(order)
        if key is None:
            return self._foreign_spec(order)
        step = self.door.step(key)
        if isinstance(step, Submit):
            return step.spec
        self._refused(order, BrokerRefusal(key, None, None, "not in the journal, not sent"), ValueError(key))
        return None

    def _foreign_spec(self, order: Order) -> OrderSpec | None:
        key = self.door.foreign(str(order.asset.symbol), str(order))
        try:
            return spec_of(order, key)
        except ValueError as error:
            self._refused(order, BrokerRefusal(key, None, None, str(error), explained=True), error)
            return None

    def _post(self, spec: OrderSpec) -> Any:
        self._sent += 1
        return self.api.submit_order(order_data=order_request(spec))

    def _submit_orders(self, orders: list[Any], **_: Any) -> list[Order]:
        # Price changes and cancels share Lumibot's order queue, so that what the desk decided first is sent first.
        for item in orders:
            if isinstance(item, Order):
                self._submit_order(item)
            else:
                self._change(item)
        return []

    def _change(self, step: Replace | Cancel) -> None:
        role = step.role if isinstance(step, Replace) else GroupRole.ENTRY
        try:
            broker_id = self._living_id(step.of_key, role)
            self._sent += 1
            if isinstance(step, Cancel):
                self._cancel(broker_id)
                self.door.acknowledged(Acknowledged(step.key, {role.value: broker_id}))
                return
            answer = self.api.replace_order_by_id(broker_id, ReplaceOrderRequest(limit_price=float(step.limit_price)))
            self.door.acknowledged(Acknowledged(step.key, {role.value: str(answer.id)}))
            self._rename(broker_id, str(answer.id))
        except APIError as error:
            self.door.refused(refusal_of(step.key, error))
        except (RequestException, LookupError) as error:
            self.door.refused(BrokerRefusal(step.key, None, None, f"{type(error).__name__}: {error}", explained=True))
        except Exception as error:
            # Lumibot's order thread would log it and go on; then nobody would ask again.
            self.door.refused(BrokerRefusal(step.key, None, None, f"{type(error).__name__}: {error}"))
            self.door.trouble(f"{step.key} could not be carried out: {error!r}")

    def _living_id(self, key: str, role: GroupRole) -> str:
        for candidate in (role, GroupRole.TAKE_PROFIT):
            broker_id = self._ids.current((key, candidate))
            if broker_id is not None:
                return broker_id
        raise LookupError(f"no order at the broker is known as {role} of {key}")

    def send(self, item: Order | Replace | Cancel) -> None:
        """Queue an order, a price change or a cancel behind what was decided before it."""
        self._orders_queue.put([item])

    def cancel_order(self, order: Order) -> None:
        """Lumibot's cancel, for orders that did not come through the corridor; it is journaled first."""
        self._journal_foreign(order, "cancel")
        self._cancel(order.identifier)

    def cancel_orders(self, orders: Any) -> None:
        for order in list(orders):
            self.cancel_order(order)

    def _modify_order(self, order: Order, limit_price: float | None = None, stop_price: float | None = None) -> None:
        # Moving an exit past the journal would leave the desk believing in a stop that is somewhere else.
        self._journal_foreign(order, f"change to limit {limit_price}, stop {stop_price}")
        super()._modify_order(order, limit_price, stop_price)

    def _journal_foreign(self, order: Order, what: str) -> None:
        member = self._ids.member(order.identifier)
        if member is not None and self.door.step(member[0]) is not None:
            raise Refused(f"{what} of {order}: the desk's own orders change through its corridor alone; say it in targets()")
        self.door.foreign(str(order.asset.symbol), f"{what} of {order}")

    def _cancel(self, broker_id: str) -> None:
        self.api.cancel_order_by_id(broker_id)

    # ---- answers -----------------------------------------------------------------------------------------------------

    def _register(self, spec: OrderSpec, response: Any) -> None:
        """Learn the ids of the order and its legs, and let Lumibot track each member as an order of its own."""
        order = self._groups[spec.key]
        first = GroupRole.TAKE_PROFIT if spec.order_class is OrderClass.OCO else GroupRole.ENTRY
        ids = {first: str(response.id)}
        # A leg whose price was changed is listed beside its successor: the living one counts.
        for leg in sorted(response.legs or [], key=lambda leg: STATUS[leg.status.value] is not OrderStatus.REPLACED):
            ids[leg_role(leg)] = str(leg.id)
        for role, broker_id in ids.items():
            self._track((spec.key, role), broker_id)
        order.update_raw(response)
        self.door.acknowledged(Acknowledged(spec.key, {role.value: broker_id for role, broker_id in ids.items()}))

    def _track(self, member: Member, broker_id: str) -> None:
        key, role = member
        order = member_order(self._groups[key], role)
        if order is not None:
            order.set_identifier(broker_id)
            if not any(known.identifier == broker_id for known in self.get_all_orders()):
                self._unprocessed_orders.append(order)
        self._ids.bind(broker_id, member)

    def _rename(self, old_id: str, new_id: str) -> None:
        member = self._ids.member(old_id)
        if member is None or self._ids.member(new_id) is not None:
            return
        order = member_order(self._groups[member[0]], member[1])
        if order is not None:
            order.set_identifier(new_id)
        self._ids.bind(new_id, member)
        for update in self._ids.unpark():
            self._apply(update)

    def _refused(self, order: Order, refusal: BrokerRefusal, error: Exception) -> None:
        self.door.refused(refusal)
        order.set_error(error)
        self._process_trade_event(order, self.ERROR_ORDER, error=error)

    def _unknown(self, order: Order, spec: OrderSpec, error: Exception) -> None:
        """No answer came. Look the order up under its own id: adopt it, or know that it never arrived.

        An order that is still on its way is not found at first, so one "not found" is no proof.
        """
        found_nothing = False
        for seconds in LOOKUP_AFTER_SECONDS:
            self._stop_event.wait(seconds)
            try:
                self._register(spec, self.api.get_order_by_client_id(spec.key))
                return
            except APIError as lookup:
                found_nothing = lookup.status_code == 404
            except RequestException:
                found_nothing = False
        if found_nothing:
            self._refused(order, _never_reached(spec.key, str(error)), error)
        else:
            self._lost(spec)

    def adopt(self, spec: OrderSpec, order: Order) -> list[FoundOrder]:
        """Follow an order group again after a restart. Returns where each of its living members stands at the broker."""
        self._groups[spec.key] = order
        try:
            parent = self.api.get_order_by_client_id(spec.key)
            response = self.api.get_order_by_id(parent.id, GetOrderByIdRequest(nested=True))
        except APIError as error:
            if error.status_code != 404:
                raise
            self._refused(order, _never_reached(spec.key, "the desk stopped before it was sent"), error)
            return []
        self._register(spec, response)
        first = GroupRole.TAKE_PROFIT if spec.order_class is OrderClass.OCO else GroupRole.ENTRY
        members = ((first, response), *((leg_role(leg), leg) for leg in response.legs or []))
        return [found_order(role, member) for role, member in members if self._ids.is_current(str(member.id))]

    def _lost(self, spec: OrderSpec) -> None:
        role = GroupRole.TAKE_PROFIT if spec.order_class is OrderClass.OCO else GroupRole.ENTRY
        self.door.order_event(
            OrderEvent(spec.key, role, OrderStatus.UNKNOWN, self._desk_clock.now(), "", text="no answer from the broker")
        )

    # ---- in: the trade-update stream -----------------------------------------------------------------------------------

    def _run_stream(self) -> None:
        async def on_message(message: Any) -> None:
            try:
                self._on_update(parse_update(message))
            except Exception as error:
                # alpaca-py would log and forget it; the desk must know that an event was lost.
                self.door.trouble(f"a trade update of the broker could not be read: {error!r}")
            finally:
                self.updates.add()

        self.stream.subscribe_trade_updates(on_message)
        self._stream_established()
        self.stream.run()

    def is_stream_running(self) -> bool:
        """Whether the websocket is up and listening; Lumibot's own flag says so before the socket exists."""
        return bool(getattr(self.stream, "_running", False))

    @property
    def sent(self) -> int:
        """Messages that went to the broker and may have made news there."""
        return self._sent

    def _on_update(self, update: Update) -> None:
        if self._ids.member(update.order_id) is None and self._ids.park(update):
            return
        self._apply(update)

    def _apply(self, update: Update) -> None:
        member = self._ids.member(update.order_id)
        if member is None or update.event not in EVENT:
            return
        if update.event == "replaced" and update.replaced_by and self._ids.member(update.replaced_by) in (None, member):
            # The price was changed: the member lives on under its successor's id.
            self._rename(update.order_id, str(update.replaced_by))
            return
        is_fill = update.price is not None and update.quantity is not None and update.event in ("fill", "partial_fill")
        if not is_fill and not self._ids.is_current(update.order_id):
            return
        self._tell(member, update, EVENT[update.event], _fill(member, update) if is_fill else None)

    def _tell(self, member: Member, update: Update, status: OrderStatus, fill: Fill | None) -> None:
        key, role = member
        self.door.order_event(OrderEvent(key, role, status, update.at, update.order_id, fill, update.event))
        order = member_order(self._groups[key], role)
        if order is not None:
            tell_lumibot(self, order, status, fill)
        if status is OrderStatus.FILLED and role in SIBLING:
            self._end_sibling(key, SIBLING[role], update)

    def _end_sibling(self, key: str, role: GroupRole, update: Update) -> None:
        # Alpaca cancels the other exit without an event when one fills (alpaca-py issue 198), so it is ended here.
        order = member_order(self._groups[key], role)
        broker_id = self._ids.current((key, role)) or ""
        self.door.order_event(OrderEvent(key, role, OrderStatus.CANCELED, update.at, broker_id, text="its sibling filled"))
        if order is not None and order.is_active():
            self._process_trade_event(order, self.CANCELED_ORDER)

    # ---- reading the broker ------------------------------------------------------------------------------------------

    def _flatten_order(self, order: Order) -> list[Order]:
        # Members are tracked when the answer is read; Lumibot would append every one of them a second time.
        return []

    def _pull_broker_all_orders(self) -> list[Any]:
        request = GetOrdersRequest(status=QueryOrderStatus.OPEN, limit=500)
        parents = self.api.get_orders(filter=request)
        return [order for parent in parents for order in (parent, *(parent.legs or []))]

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
        """Any stock order as a simple Lumibot order: Lumibot cannot build a group's parent without its children."""
        order = plain_order(response, strategy_name)
        order.status = STATUS_WORDS.get(STATUS[response.status.value], "new")
        return order

    def close(self, timeout_seconds: float = 3.0) -> None:
        """Stop the stream and the order thread; Lumibot leaves both running."""
        self._stop_event.set()
        # alpaca-py logs its own hanging up as a websocket error.
        logging.getLogger("alpaca.trading.stream").setLevel(logging.ERROR)
        loop = getattr(self.stream, "_loop", None)
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(_hang_up(self.stream), loop)
        if self._orders_thread is not None:
            self._orders_thread.join(timeout_seconds)


MarketHours = Callable[[datetime], tuple[datetime, datetime] | None]


def _never_reached(key: str, why: str) -> BrokerRefusal:
    return BrokerRefusal(key, None, None, f"never reached the broker: {why}", explained=True, unsent=True)


async def _hang_up(stream: Any) -> None:
    # alpaca-py looks at its stop flag only every five seconds; closing the socket wakes it at once.
    await stream.stop_ws()
    if stream._ws is not None:
        await stream._ws.close()


def _fill(member: Member, update: Update) -> Fill:
    assert update.price is not None and update.quantity is not None
    key, role = member
    return Fill(update.execution_id, key, update.symbol, Side(update.side), update.quantity, update.price, update.at, role)
