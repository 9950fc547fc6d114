"""Whatever exercise, assignment, liquidation, splits, sells by dollars and exits do together: what closes never opens."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.exchange.conftest import DAYS, Body, frame

from desk.data.source import Instrument, Source
from desk.exchange import day_end
from desk.exchange.config import ExchangeConfig
from desk.exchange.machine.book import MEASURED_LATENCY, Latency, is_option
from desk.exchange.machine.execution import closes
from desk.exchange.machine.orders import ZERO, Event, Order
from desk.exchange.market.corporate import CorporateActions, Split
from desk.exchange.rules.reservations import available, reserved
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange

D = Decimal
PUT_95, PUT_105, CALL_95, CALL_105 = (f"ABC080905{end}" for end in ("P00095000", "P00105000", "C00095000", "C00105000"))
OPTIONS = (PUT_105, CALL_95, CALL_105, PUT_95, "ABC080919P00100000")
RATES = ((D(2), D(1)), (D(3), D(2)), (D(1), D(4)))


@pytest.fixture(scope="module")
def shared_source() -> Source:
    days = [*DAYS, "2008-09-09", "2008-09-10"]
    closes = [100.0, 101, 102, 90, 91, 92, 110, 95]
    daily = {"ABC": frame(days, closes, [100, 100, 102, 90, 91, 92, 93, 109])}
    return Source("small", "a small market", daily, {"ABC": Instrument("ABC", "ABC Inc.")})


class Mixer:
    """One account to which everything happens, and a watch over every execution."""

    def __init__(self, source: Source, seed: int, latency: Latency, partial: float, multiplier: int) -> None:
        config = ExchangeConfig(
            "small",
            date(2008, 9, 2),
            seed=seed,
            latency=latency,
            partial_fill_probability=partial,
            multiplier=multiplier,
            cash_usd=200_000.0,
        )
        self.exchange = Exchange(config, source)
        self.rng = np.random.default_rng(seed)
        self.exchange.actions = CorporateActions((Split("ABC", date(2008, 9, 4), *self.pick(RATES)),))
        self.account: Account = self.exchange.first
        self.heard = 0
        self.advance(timedelta(hours=2))

    def pick(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def advance(self, by: timedelta) -> None:
        to = self.exchange.now + by
        while self.exchange.advance(to) is False:
            self.check()

    def step(self) -> None:
        doings = (self.buy, self.exits, self.exits, self.sell, self.option, self.close_option, self.exercise, self.assign)
        self.pick((*doings, self.wait, self.wait, self.wait))()
        self.check()

    def buy(self) -> None:
        exits = {"take_profit": {"limit_price": str(self.near() + 2)}, "stop_loss": {"stop_price": str(self.near() - 4)}}
        shape = self.pick(({}, {"order_class": "bracket", **exits}, {"side": "sell"}))
        self.send(qty=str(self.pick((50, 100, 300))), **shape)

    def exits(self) -> None:
        """An OCO over all or part of what is free, wherever the price is."""
        free = available(self.account.book, "ABC")
        if not free:
            return
        size, sign = int(abs(free) * D(self.pick(("0.5", "1")))), 1 if free > 0 else -1
        prices = {
            "take_profit": {"limit_price": str(self.near() + sign * self.pick((1, 2, 8)))},
            "stop_loss": {"stop_price": str(self.near() - sign * self.pick((2, 8)))},
        }
        shape = {"type": "limit", "order_class": "oco", "side": "sell" if sign > 0 else "buy"}
        self.send(qty=str(size), time_in_force=self.pick(("day", "gtc")), **shape, **prices)

    def sell(self) -> None:
        free = available(self.account.book, "ABC")
        shapes: tuple[Body, ...] = (
            {"notional": str(self.pick((500, 9_000))), "qty": None, "time_in_force": "day"},
            {"type": "limit", "limit_price": str(self.near() + self.pick((1, 3)))},
            {"type": "stop", "stop_price": str(self.near() - self.pick((2, 6)))},
            {"type": "trailing_stop", "trail_percent": "2"},
        )
        self.send(**{"qty": str(int(max(free, ZERO))), "side": "sell", **self.pick(shapes)})

    def option(self) -> None:
        symbol, side = self.pick(OPTIONS), self.pick(("buy", "buy", "sell"))
        legs = [self.leg(PUT_105, "buy"), self.leg(PUT_95, "sell")]
        shapes: tuple[Body, ...] = (
            {"symbol": symbol, "side": side, "qty": str(self.pick((1, 2))), "type": "market", "time_in_force": "day"},
            {"order_class": "mleg", "symbol": None, "side": None, "qty": "2", "type": "market", "legs": legs},
        )
        self.send(**self.pick(shapes))

    def leg(self, symbol: str, side: str) -> Body:
        is_closing = self.account.book.shares(symbol) * (1 if side == "buy" else -1) < 0
        intent = f"{side}_to_{'close' if is_closing else 'open'}"
        return {"symbol": symbol, "side": side, "ratio_qty": "1", "position_intent": intent}

    def close_option(self) -> None:
        held = self.options_held()
        if held:
            symbol = self.pick(held)
            long = self.account.book.shares(symbol) > 0
            last = max(self.account.last(symbol), D("0.05")).quantize(D("0.01"))
            price = last + D("0.40") if long else max(last - D("0.40"), D("0.01"))
            body = {"symbol": symbol, "side": "sell" if long else "buy", "qty": "1", "type": "limit", "limit_price": str(price)}
            self.send(**body)

    def exercise(self) -> None:
        for symbol in self.options_held():
            self.account.exercise(symbol)
            self.check()

    def assign(self) -> None:
        for symbol in self.options_held():
            day_end.assign(self.account, symbol, D(1))
            self.check()

    def wait(self) -> None:
        self.advance(timedelta(minutes=float(self.pick((0.0005, 1, 20, 120, 1_050)))))

    def near(self) -> int:
        return int(self.account.last("ABC"))

    def options_held(self) -> list[str]:
        return sorted(symbol for symbol in self.account.book.holdings if is_option(symbol))

    def send(self, **body: object) -> None:
        given = {"symbol": "ABC", "side": "buy", "type": "market", "time_in_force": "gtc", **body}
        self.account.submit({name: value for name, value in given.items() if value is not None})

    def check(self) -> None:
        book = self.account.book
        assert not book.events, "told late"
        for _, event in self.account.outbox[self.heard :]:
            check_fill(event)
        self.heard = len(self.account.outbox)
        for symbol, held in book.holdings.items():
            assert reserved(book, symbol).shares <= abs(held.quantity), symbol
        for order in book.live_orders():
            is_waiting = book.predecessor(order) is not None or not order.armed
            if order.side is not None and closes(order) and not is_waiting:
                assert book.shares(order.symbol) * order.side.sign < 0, order
        # What was sold may be assigned to whoever cannot pay for it, or deliver it.
        if book.is_cash_account and not any(entry.kind in ("OPASN", "OPCA") for entry in self.account.ledger.entries):
            assert book.cash_usd >= 0 and book.shares("ABC") >= 0


def check_fill(event: Event) -> None:
    for part in (event.legs or (event,)) if event.is_fill else ():
        order: Order = part.order
        assert order.side is not None and part.quantity is not None and part.position_quantity is not None
        before = part.position_quantity - order.side.sign * part.quantity
        assert before * part.position_quantity >= 0
        if closes(order):
            assert before * order.side.sign < 0, f"{order} opened {part.position_quantity} from {before}"


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    steps=st.integers(1, 40),
    latency=st.sampled_from([Latency(), MEASURED_LATENCY]),
    partial=st.sampled_from([0.0, 0.7]),
    multiplier=st.sampled_from([1, 4]),
)
def test_whatever_happens_to_a_position_what_closes_never_opens(
    shared_source: Source, seed: int, steps: int, latency: Latency, partial: float, multiplier: int
) -> None:
    mixer = Mixer(shared_source, seed, latency, partial, multiplier)
    for _ in range(steps):
        mixer.step()
