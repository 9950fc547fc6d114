"""Lumibot's backtesting broker for daily bars, put right: fills in the order of time, costs on every order, no free money.

What differs from `lumibot.backtesting.BacktestingBroker` (4.6.30) when the feed knows whole daily bars
(`desk.data.daily_feed.DailyFeed`); each point has a test that the stock broker fails (tests/unit/test_backtest_broker.py):

- Nothing trades before the opening. The stock broker books the stops of day D at 08:30, so the strategy knows at 09:30 of D
  what the day will bring. Here D's decisions come first, then its opening (`at_opening`), then its range at the close.
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
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from lumibot.backtesting import BacktestingBroker
from lumibot.entities import Order

from desk.brokers.daily_fills import NOTHING, Outcome, Prices, at_opening, during_session, may_trade
from desk.brokers.daily_orders import KINDS, Working, limit_of, priority, ratchet, resting_view, taker_fee, tie, trigger

_CLASSES = {None, Order.OrderClass.SIMPLE, Order.OrderClass.BRACKET, Order.OrderClass.OTO, Order.OrderClass.OCO}
_LONG_SIDES = {Order.OrderSide.BUY, Order.OrderSide.SELL, Order.OrderSide.BUY_TO_OPEN, Order.OrderSide.SELL_TO_CLOSE}
_IMMEDIATE = frozenset({"ioc", "fok"})
_DAY = frozenset({"day"}) | _IMMEDIATE
# A cent's hundredth: cash is a float in Lumibot, and its dust must not refuse an order that spends everything.
_DUST_USD = 1e-4
# Called with order, event, price, quantity and error after Lumibot has booked the event.
TradeListener = Callable[[Any, str, Any, Any, Any], None]


@dataclass(frozen=True, slots=True)
class Costs:
    """Trading costs in basis points of the notional, each way.

    `fee_bps` is charged on every fill. `slippage_bps` worsens the price of fills that take liquidity: market orders, stops,
    trailing stops, and limits that are marketable at the opening (these never beyond their limit).
    """

    fee_bps: float = 0.0
    slippage_bps: float = 0.0


class DailyBar(Prices, Protocol):
    """One symbol's bar of one day; `opens_at` and `closes_at` are POSIX seconds."""

    @property
    def opens_at(self) -> float: ...
    @property
    def closes_at(self) -> float: ...


class DailyBarSource(Protocol):
    """What this broker needs of a feed beside Lumibot's own interface (`desk.data.daily_feed.DailyFeed` has it)."""

    def bar_on(self, symbol: str, day: date) -> DailyBar | None: ...
    def last_close(self, symbol: str) -> float | None: ...


class DeskBacktestingBroker(BacktestingBroker):
    """Broker of a backtest on daily bars. With a feed that is no `DailyBarSource` it fills as the stock broker does.

    `prescreen=False` takes every working order through the full rules on every bar: same fills, slower. `on_clock` is
    called with each new simulated time.
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
        self._settled_at: float | None = None
        self._is_daily = hasattr(data_source, "bar_on")
        super().__init__(data_source, *args, **kwargs)

    # ---- Lumibot's clock and stream -------------------------------------------------------------------------------------

    def _launch_stream(self) -> None:
        """Events are dispatched in line; the stock broker also starts a thread a run that polls for ever."""
        self._register_stream_events()
        self._stream_established()

    def _update_datetime(self, update_dt: Any, **more: Any) -> None:
        super()._update_datetime(update_dt, **more)
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

    def _submit_order(self, order: Any) -> Any:
        if not self._is_daily:
            return super()._submit_order(order)
        problem = self._problem(order)
        if problem is not None:
            return self._refuse(order, problem)
        for member in order.child_orders if order.order_class is Order.OrderClass.OCO else [order]:
            self._register(member)
        tie(order)
        return super()._submit_order(order)

    def _modify_order(self, order: Any, limit_price: float | None = None, stop_price: float | None = None) -> None:
        if limit_price is not None:
            order.limit_price = limit_price
        if stop_price is not None:
            order.stop_price = stop_price
        if self._is_daily and order.identifier in self._working:
            extreme = self._working[order.identifier].extreme
            self._register(order).extreme = extreme
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
        if self._is_daily and sibling is not None and sibling.identifier in self._working:
            self.cancel_order(sibling)

    def cancel_orders(self, orders: Iterable[Any]) -> None:
        """One after the other: the stock broker uses a thread pool, and callbacks come in any order."""
        for order in list(orders):
            if order.is_active():
                self.cancel_order(order)

    def _register(self, order: Any) -> Working:
        clock = self.datetime
        now, day = clock.timestamp(), clock.date()
        bar = self.data_source.bar_on(order.asset.symbol, day)
        inside = bar is not None and bar.opens_at < now < bar.closes_at
        working = Working(order, now, part_day=day if inside else None)
        self._working[order.identifier] = working
        self._settled_at = None
        return working

    # ---- what a broker refuses ------------------------------------------------------------------------------------------

    def _problem(self, order: Any) -> str | None:
        if order.order_class not in _CLASSES or (order.order_type not in KINDS and order.order_class is not Order.OrderClass.OCO):
            return f"{order.order_class} {order.order_type} orders are not simulated on daily bars"
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
        """Fill what the bar of now allows. Lumibot calls this up to six times a day; outside the session nothing trades."""
        if not self._is_daily:
            super().process_pending_orders(strategy)
            return
        now = self.datetime.timestamp()
        # Nothing new since the last round at this moment; else go round, since a fill brings new orders (its exits).
        if now != self._settled_at:
            while self._working and self._round(strategy):
                pass
            self._settled_at = now

    def _round(self, strategy: Any) -> bool:
        clock = self.datetime
        now, day = clock.timestamp(), clock.date()
        acted = False
        for working in sorted(self._working.values(), key=priority):
            order = working.order
            bar = self.data_source.bar_on(order.asset.symbol, day)
            # An earlier fill of this round may have cancelled the order.
            if bar is not None and bar.opens_at <= now and order.identifier in self._working:
                acted |= self._meet(working, bar, now, day, strategy)
        return acted

    def _meet(self, working: Working, bar: DailyBar, now: float, day: date, strategy: Any) -> bool:
        """Let one order meet the bar; True when it was filled, refused or cancelled."""
        opening = now < bar.closes_at
        if opening:
            if working.since > bar.opens_at or working.part_day == day:
                return False
            outcome, ends = self._open(working, bar), _IMMEDIATE
        else:
            if working.since >= bar.closes_at or working.ranged_on == day:
                return False
            working.ranged_on = day
            outcome, ends = self._range(working, bar, day), _DAY
        if outcome.price is not None:
            self._fill(working, outcome, strategy, None if opening else day)
        elif str(working.order.time_in_force).lower() in ends or self._is_past_its_date(working.order):
            self.cancel_order(working.order)
        else:
            return False
        return True

    def _is_past_its_date(self, order: Any) -> bool:
        return order.good_till_date is not None and bool(self._order_time_in_force_elapsed(order))

    def _open(self, working: Working, bar: DailyBar) -> Outcome:
        resting = resting_view(working)
        if resting is None or (self.prescreen and not may_trade(resting, bar)):
            return NOTHING
        outcome = at_opening(resting, bar.open)
        trigger(working, outcome)
        return outcome

    def _range(self, working: Working, bar: DailyBar, day: date) -> Outcome:
        whole = working.part_day != day
        trails = working.order.order_type is Order.OrderType.TRAIL
        if trails and whole:
            ratchet(working, bar.open)
        resting = resting_view(working)
        if resting is None or (self.prescreen and not may_trade(resting, bar)):
            outcome = NOTHING
        else:
            outcome = during_session(resting, bar, whole)
        trigger(working, outcome)
        if trails:
            best = bar.low if resting is not None and resting.is_buy else bar.high
            ratchet(working, best if whole else bar.close)
        return outcome

    def _fill(self, working: Working, outcome: Outcome, strategy: Any, part_day: date | None) -> None:
        order = working.order
        price = self._slipped(order, outcome)
        problem = self._late_problem(order, price, strategy)
        if problem is not None:
            self._refuse(order, problem)
            return
        del self._working[order.identifier]
        order.trade_slippage = abs(price - (outcome.price or price)) * float(order.quantity)
        if order.order_class in (Order.OrderClass.BRACKET, Order.OrderClass.OTO):
            for child in order.child_orders:
                exit_ = self._register(child)
                # An entry at the opening leaves the whole bar to its exits, one inside the bar an unknown part.
                exit_.since, exit_.part_day, exit_.extreme = working.since, part_day, price
        self._execute_filled_order(order=order, price=price, filled_quantity=order.quantity, strategy=strategy)

    def _slipped(self, order: Any, outcome: Outcome) -> float:
        price = float(outcome.price or 0.0)
        if not outcome.takes_liquidity or self.costs.slippage_bps == 0:
            return price
        worse = self.costs.slippage_bps / 10_000 * (1 if order.is_buy_order() else -1)
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
        if order.order_type is Order.OrderType.TRAIL and self._is_daily:
            fees = strategy.buy_trading_fees if order.is_buy_order() else strategy.sell_trading_fees
            return cost + sum((taker_fee(fee, notional, order) for fee in fees if fee.taker), Decimal(0))
        return cost + Decimal(super().calculate_trade_cost(order, strategy, price))
