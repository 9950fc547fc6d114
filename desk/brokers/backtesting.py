"""Lumibot's backtesting broker put right: fills in the order of time, costs on every order, no free money.

What differs from `lumibot.backtesting.BacktestingBroker` (4.6.30) when the feed knows whole bars, of a day
(`desk.data.daily_feed.DailyFeed`) or of an hour or a minute (`desk.data.intraday_feed.IntradayFeed`); each point has a test that
the stock broker fails (tests/unit/test_backtest_broker.py, test_intraday_backtest.py):

- An order meets every bar from its own beginning on, one after the other, whatever the strategy's sleep time: first the
  bar's opening (`at_opening`), then its range when it closes. The stock broker looks at the bar of now alone, once an
  iteration. What is decided at an instant comes before the opening at that instant, so nobody knows what it will bring; the
  stock broker books the stops of day D at 08:30.
- A stretch without a trade has no bar, and nothing fills on it. The stock broker fills gaps with the bar before, volume included.
- A bar that touches stop and target fills the stop; the bar of an entry that filled inside it never fills the target
  unless the close proves it. The stock broker takes the target, even at an open that came before the entry.
- Fees and slippage apply to every order type; a trailing stop ratchets one way; a stop limit fills; cancelling one exit of a
  pair cancels the other; a DAY bracket's exits end with the day. These are Alpaca's rules (docs, "Orders").
- A buy that costs more than the cash, and a sale of more shares than are free, are refused as a broker would: status
  "error" and `on_error_order`. The stock broker lends without limit and goes short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from lumibot.backtesting import BacktestingBroker
from lumibot.entities import Order

from desk.brokers.daily_fills import Outcome
from desk.brokers.daily_orders import (
    CLOSING,
    IMMEDIATE,
    KINDS,
    OPENING,
    Moment,
    Tape,
    Working,
    limit_of,
    priority,
    taker_fee,
    tie,
)

_CLASSES = {None, Order.OrderClass.SIMPLE, Order.OrderClass.BRACKET, Order.OrderClass.OTO, Order.OrderClass.OCO}
_LONG_SIDES = {Order.OrderSide.BUY, Order.OrderSide.SELL, Order.OrderSide.BUY_TO_OPEN, Order.OrderSide.SELL_TO_CLOSE}
# A cent's hundredth: cash is a float in Lumibot, and its dust must not refuse an order that spends everything.
_DUST_USD = 1e-4
# What stops lose in slippages of other orders, as the built-in exchange shows it (`desk parity`).
STOPS_SLIP = 2.0
# Called with order, event, price, quantity and error after Lumibot has booked the event.
TradeListener = Callable[[Any, str, Any, Any, Any], None]


@dataclass(frozen=True, slots=True)
class Costs:
    """Trading costs in basis points of the notional, each way.

    `fee_bps` is charged on every fill. `slippage_bps` worsens the price of fills that take liquidity: market orders, stops that
    the opening has passed, and limits that are marketable there (these never beyond their limit); `stop_slippage_bps` that of
    stops and trailing stops inside a bar, which are reckoned from their own price.
    """

    fee_bps: float = 0.0
    slippage_bps: float = 0.0
    stop_slippage_bps: float | None = None

    @property
    def stops_bps(self) -> float:
        """Slippage from a stop's own price, twice that of other orders when nothing else is said."""
        return STOPS_SLIP * self.slippage_bps if self.stop_slippage_bps is None else self.stop_slippage_bps


class BarSource(Protocol):
    """What this broker needs of a feed beside Lumibot's own interface (`DailyFeed` and `IntradayFeed` have it)."""

    def tape(self, symbol: str) -> Tape | None:
        """Every real bar of a symbol, past and future; None for one that the feed does not know."""
        ...

    def day_end(self, symbol: str, moment: float) -> float:
        """When an order for the day, placed at `moment`, ends (POSIX seconds); infinity when no session follows."""
        ...

    def last_close(self, symbol: str) -> float | None: ...


class DeskBacktestingBroker(BacktestingBroker):
    """Broker of a backtest on real bars. With a feed that is no `BarSource` it fills as the stock broker does.

    `prescreen=False` takes every working order through the full rules on every bar: same fills, slower. `on_clock` is
    called with each simulated time at which the strategy may look.
    """

    def __init__(
        self,
        data_source: Any,
        *args: Any,
        costs: Costs | None = None,
        prescreen: bool = True,
        on_clock: Callable[[datetime], None] | None = None,
        **kwargs: Any,
    ) -> None:
        self.costs = costs or Costs()
        self.prescreen = prescreen
        self._on_clock = on_clock
        self.on_trade_event: TradeListener | None = None
        self._working: dict[str, Working] = {}
        self._met_until: Moment = (0.0, CLOSING)
        self._submitted: set[str] = set()
        self._coming: set[str] = set()
        self._knows_bars = hasattr(data_source, "tape")
        super().__init__(data_source, *args, **kwargs)

    # ---- Lumibot's clock and stream -------------------------------------------------------------------------------------

    def _launch_stream(self) -> None:
        """Events are dispatched in line; the stock broker also starts a thread a run that polls for ever."""
        self._register_stream_events()
        self._stream_established()

    def _update_datetime(self, update_dt: Any, **more: Any) -> None:
        """Step to a time, or over seconds; the bars on the way meet the orders first, those that open at its end do not."""
        before = self.datetime
        target = update_dt if isinstance(update_dt, datetime) else before + _span(update_dt)
        if self._knows_bars:
            self._meet_bars((target.timestamp(), CLOSING))
        # A fill at the end of the step has set the clock already, and Lumibot would add a minute to a step that goes nowhere.
        if self.datetime == before or target > self.datetime:
            super()._update_datetime(target, **more)
        if self._on_clock is not None:
            self._on_clock(self.data_source.get_datetime())

    def _process_trade_event(
        self,
        stored_order: Any,
        type_event: str,
        price: Any = None,
        filled_quantity: Any = None,
        multiplier: Any = 1,
        error: Any = None,
    ) -> None:
        super()._process_trade_event(stored_order, type_event, price, filled_quantity, multiplier, error)
        if self.on_trade_event is not None:
            self.on_trade_event(stored_order, type_event, price, filled_quantity, error)

    # ---- orders in ------------------------------------------------------------------------------------------------------

    def get_tracked_order(self, identifier: str, use_placeholders: bool = False) -> Any:
        """As in Lumibot, which looks for each order that comes in among all that there ever were: it is none of them."""
        return None if identifier in self._coming else super().get_tracked_order(identifier, use_placeholders)

    def _submit_order(self, order: Any) -> Any:
        if not self._knows_bars:
            return super()._submit_order(order)
        problem = self._problem(order)
        if problem is not None:
            return self._refuse(order, problem)
        tie(order)
        for member in order.child_orders if order.order_class is Order.OrderClass.OCO else [order]:
            self._register(member)
        self._coming = {member.identifier for member in (order, *order.child_orders)} - self._submitted
        self._submitted |= self._coming
        try:
            return super()._submit_order(order)
        finally:
            self._coming = set()

    def _modify_order(self, order: Any, limit_price: float | None = None, stop_price: float | None = None) -> None:
        if limit_price is not None:
            order.limit_price = limit_price
        if stop_price is not None:
            order.stop_price = stop_price
        if order.identifier in self._working:
            self._register(order, self._working[order.identifier].extreme)
        super()._modify_order(order, limit_price=limit_price, stop_price=stop_price)

    def cancel_order(self, order: Any) -> None:
        """Cancel an order, its exits, and the other exit of its pair; a filled entry stays filled and only loses its exits."""
        if order.transactions:
            order.status = Order.OrderStatus.FILLED  # Strategy.cancel_order has marked it as cancelling
            for child in order.child_orders:
                if child.is_active():
                    self.cancel_order(child)
            return
        self._working.pop(order.identifier, None)
        super().cancel_order(order)
        sibling = order.dependent_order
        if sibling is not None and sibling.identifier in self._working:
            self.cancel_order(sibling)

    def cancel_orders(self, orders: Iterable[Any]) -> None:
        """One after the other: the stock broker uses a thread pool, and callbacks come in any order."""
        for order in list(orders):
            if order.is_active():
                self.cancel_order(order)

    def _register(self, order: Any, extreme: float | None = None) -> None:
        """Have an order work from now on: on the bar that opens now unless that opening is past, else on the rest of a bar."""
        symbol, now = order.asset.symbol, self.datetime.timestamp()
        tape = self.data_source.tape(symbol)
        working = Working(order, tape, tape.place_after(now), extreme=extreme)
        # A tick holds until the next, so an order that comes between meets it.
        if working.place < len(tape) and tape.tick(working.place, False) is None:
            opens_at = tape.bar(working.place).opens_at
            working.opened = opens_at < now or (opens_at == now and self._met_until >= (now, OPENING))
            working.part_place = working.place if opens_at < now else None
        if str(order.time_in_force).lower() == "day":
            working.ends_at = self.data_source.day_end(symbol, now)
        self._enlist(working)

    def _enlist(self, working: Working) -> None:
        working.schedule(self.prescreen)
        self._working[working.order.identifier] = working

    # ---- what a broker refuses ------------------------------------------------------------------------------------------

    def _problem(self, order: Any) -> str | None:
        if order.order_class not in _CLASSES or (order.order_type not in KINDS and order.order_class is not Order.OrderClass.OCO):
            return f"{order.order_class} {order.order_type} orders are not simulated"
        if order.side not in _LONG_SIDES:
            return f"side {order.side}: short sales are not simulated"
        price = self._estimate(order)
        if price is None:
            return f"{order.asset.symbol} has no price yet"
        return self._sale_problem(order) if order.is_sell_order() else self._cash_problem(order, price)

    def _estimate(self, order: Any) -> float | None:
        """A price per share to check buying power with: the limit, the stop, or the last close."""
        last = self.data_source.last_close(order.asset.symbol)
        if last is None:
            return None
        if order.limit_price is not None:
            return float(order.limit_price)
        return max(last, float(order.stop_price)) if order.stop_price is not None and order.is_buy_order() else float(last)

    def _sale_problem(self, order: Any) -> str | None:
        position = self.get_tracked_position(order.strategy, order.asset)
        held = 0.0 if position is None else float(position.quantity)
        free = held - sum(self._reserved_shares(order.strategy, order.asset))
        if float(order.quantity) <= free:
            return None
        return (
            f"insufficient shares of {order.asset.symbol}: {order.quantity} to sell, {held:g} held, {free:g} free of other orders"
        )

    def _reserved_shares(self, strategy_name: str, asset: Any) -> list[float]:
        """Shares bound by working sales, one number a pair of exits."""
        bound: list[float] = []
        counted: set[str] = set()
        for identifier, working in self._working.items():
            order = working.order
            if order.strategy != strategy_name or order.asset != asset or not order.is_sell_order() or identifier in counted:
                continue
            bound.append(float(order.quantity))
            if order.dependent_order is not None:
                counted.add(order.dependent_order.identifier)
        return bound

    def _cash_problem(self, order: Any, price: float) -> str | None:
        strategy = self._strategy(order)
        if strategy is None:
            return None
        others = [w.order for w in self._working.values() if w.order.strategy == order.strategy]
        buys = sum(self._cost_usd(o, self._estimate(o) or 0.0) for o in others if o.is_buy_order())
        # Sales at the market trade at the same opening as this order, so their proceeds count.
        sales = sum(
            float(o.quantity) * (self._estimate(o) or 0.0)
            for o in others
            if o.is_sell_order() and o.order_type is Order.OrderType.MARKET
        )
        free = self._cash_usd(strategy) - buys + sales
        cost = self._cost_usd(order, price)
        return None if cost <= free + _DUST_USD else f"insufficient buying power: ${cost:,.2f} needed, ${free:,.2f} free"

    def _cost_usd(self, order: Any, price: float) -> float:
        return float(order.quantity) * price * (1.0 + self.costs.fee_bps / 10_000)

    def _strategy(self, order: Any) -> Any:
        subscriber = self._resolve_subscriber(order.strategy)
        return None if subscriber is None else subscriber.strategy

    def _cash_usd(self, strategy: Any) -> float:
        """Cash with the fills that Lumibot has queued for its callbacks but not booked yet."""
        executor = strategy._executor
        cash = float(strategy.cash)
        for event, payload in list(executor.priority_queue.queue) + list(executor.queue.queue):
            if event == executor.FILLED_ORDER:
                amount = float(payload["price"]) * float(payload["quantity"])
                cash += -amount if payload["order"].is_buy_order() else amount
        return cash

    def _refuse(self, order: Any, problem: str) -> Any:
        self._working.pop(order.identifier, None)
        for child in order.child_orders:
            self._working.pop(child.identifier, None)
            child.status = Order.OrderStatus.CANCELED
        self._process_trade_event(order, self.ERROR_ORDER, error=problem)
        return order

    # ---- fills ----------------------------------------------------------------------------------------------------------

    def process_pending_orders(self, strategy: Any) -> None:
        """Have the bars that open now meet the orders; Lumibot calls this after each iteration, and before it waits."""
        if self._knows_bars:
            self._meet_bars((self.datetime.timestamp(), OPENING))
        else:
            super().process_pending_orders(strategy)

    def _meet_bars(self, until: Moment) -> None:
        """Let orders and bars meet up to and including `until`, in order of time, and tell the strategy as it happens."""
        while self._working:
            moment = min(working.due for working in self._working.values())
            if moment > until:
                break
            self._stand_at(moment[0])
            for working in sorted((each for each in self._working.values() if each.due == moment), key=priority):
                # An earlier fill of this round may have cancelled or changed the order.
                if self._working.get(working.order.identifier) is working:
                    self._meet(working, moment)
            if not any(working.due == moment for working in self._working.values()):
                self._met_until = max(self._met_until, moment)
                self._deliver()
        self._met_until = max(self._met_until, until)

    def _stand_at(self, moment: float) -> None:
        now = self.datetime
        if moment > now.timestamp():
            super()._update_datetime(datetime.fromtimestamp(moment, now.tzinfo))

    def _deliver(self) -> None:
        """Callbacks at the time of what they tell; Lumibot would give them at its next step."""
        for subscriber in self._subscribers:
            subscriber.process_queue()

    def _meet(self, working: Working, moment: Moment) -> None:
        """Let one order meet what is due: an opening, the range of a bar at its close, or the end of its day."""
        at_bar = moment == working.meets_bar_at()
        outcome = working.meet() if at_bar else Outcome()
        if outcome.price is not None:
            self._fill(working, outcome)
        elif self._ends(working, moment, at_bar):
            self.cancel_order(working.order)
        else:
            working.go_on(moment, self.prescreen)

    def _ends(self, working: Working, moment: Moment, at_bar: bool) -> bool:
        order = working.order
        if moment >= (working.ends_at, CLOSING) or (at_bar and str(order.time_in_force).lower() in IMMEDIATE):
            return True
        return order.good_till_date is not None and bool(self._order_time_in_force_elapsed(order))

    def _fill(self, working: Working, outcome: Outcome) -> None:
        order, strategy = working.order, self._strategy(working.order)
        price = self._slipped(order, outcome)
        problem = self._late_problem(order, price, strategy)
        if problem is not None:
            self._refuse(order, problem)
            return
        del self._working[order.identifier]
        order.trade_slippage = abs(price - (outcome.price or price)) * float(order.quantity)
        if order.order_class in (Order.OrderClass.BRACKET, Order.OrderClass.OTO):
            for child in order.child_orders:
                self._enlist(working.followed_by(child, price))
        self._execute_filled_order(order=order, price=price, filled_quantity=order.quantity, strategy=strategy)

    def _slipped(self, order: Any, outcome: Outcome) -> float:
        price = float(outcome.price or 0.0)
        slippage_bps = self.costs.stops_bps if outcome.at_stop else self.costs.slippage_bps
        if not outcome.takes_liquidity or slippage_bps == 0:
            return price
        worse = slippage_bps / 10_000 * (1 if order.is_buy_order() else -1)
        slipped = round(price * (1.0 + worse), 4)
        limit = limit_of(order)
        if limit is None:
            return slipped
        return min(slipped, limit) if order.is_buy_order() else max(slipped, limit)

    def _late_problem(self, order: Any, price: float, strategy: Any) -> str | None:
        """What submission could not know: the price was higher than estimated, or the shares are gone."""
        if order.is_buy_order():
            cost, cash = self._cost_usd(order, price), self._cash_usd(strategy)
            return None if cost <= cash + _DUST_USD else f"insufficient buying power: ${cost:,.2f} needed, ${cash:,.2f} in cash"
        position = self.get_tracked_position(order.strategy, order.asset)
        held = 0.0 if position is None else float(position.quantity)
        return None if float(order.quantity) <= held else f"insufficient shares: {order.quantity} to sell, {held:g} held"

    def calculate_trade_cost(self, order: Any, strategy: Any, price: float) -> Decimal:
        """Dollars: the desk's fee, and the strategy's own Lumibot fees, which the stock broker forgets on trailing stops."""
        notional = Decimal(repr(float(price))) * Decimal(str(order.quantity))
        cost = notional * Decimal(repr(self.costs.fee_bps)) / 10_000
        if order.order_type is Order.OrderType.TRAIL and self._knows_bars:
            fees = strategy.buy_trading_fees if order.is_buy_order() else strategy.sell_trading_fees
            return cost + sum((taker_fee(fee, notional, order) for fee in fees if fee.taker), Decimal(0))
        return cost + Decimal(super().calculate_trade_cost(order, strategy, price))


def _span(step: float | timedelta) -> timedelta:
    return step if isinstance(step, timedelta) else timedelta(seconds=step)
